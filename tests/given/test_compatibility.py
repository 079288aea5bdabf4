import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import bitsback as bb
from bitsback.errors import NetworkError
from bitsback.given.compatibility import check_answers
from bitsback.given.network import trace
from bitsback.run.fitted import trace_both


class Ends(nn.Module):
    """A linear layer and what is done to its outputs."""

    def __init__(self, end) -> None:
        super().__init__()
        self.layer, self.end = nn.Linear(64, 8), end

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.layer(x.flatten(1)))


class InUse(Ends):
    """Gives logits in training and probabilities in use."""

    def forward(self, x: Tensor) -> Tensor:
        logits = self.layer(x.flatten(1))
        return logits if self.training else self.end(logits)


PROBABILITIES = {
    "nn.Softmax": (Ends(nn.Softmax(1)), "softmax"),
    "functional softmax": (Ends(lambda x: functional.softmax(x, dim=-1)), "softmax"),
    "softmax in double": (Ends(lambda x: torch.softmax(x, 1, dtype=torch.float64).float()), "softmax"),
    "softmax, then dropout and a view": (Ends(nn.Sequential(nn.Softmax(1), nn.Dropout(0.1), nn.Flatten())), "softmax"),
    "softmax in use only": (InUse(nn.Softmax(1)), "softmax"),
    "nn.Sigmoid": (Ends(nn.Sigmoid()), "sigmoid"),
    "torch.sigmoid": (Ends(torch.sigmoid), "sigmoid"),
    "sigmoid in place": (Ends(lambda x: x.sigmoid_()), "sigmoid"),
    "expit": (Ends(torch.special.expit), "sigmoid"),
}
SUMMING_TO_ONE = {
    "softmax, then clamp": lambda x: torch.softmax(x, 1).clamp(min=1e-6),
    "exp of log_softmax": lambda x: functional.log_softmax(x, dim=1).exp(),
    "exp over its sum": lambda x: x.exp() / x.exp().sum(1, keepdim=True),
}
LOGITS = {
    "nothing": Ends(nn.Identity()),
    "nn.LogSoftmax": Ends(nn.LogSoftmax(1)),
    "log_softmax": Ends(lambda x: functional.log_softmax(x, dim=1)),
    "log of softmax": Ends(lambda x: torch.log(torch.softmax(x, 1))),
    "zeros": Ends(lambda x: 0 * x),
    "scaled sigmoid": Ends(lambda x: 4 * torch.sigmoid(x)),
    "softmax inside": Ends(nn.Sequential(nn.Softmax(1), nn.Linear(8, 8))),
    "a view": Ends(nn.Flatten()),
}


class Nothing(nn.Module):
    """Has one param, and does not use it."""

    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Parameter(torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, :8]


UNFIT = {
    "another number of outputs": (Ends(nn.Linear(8, 5)), "the network has 5 outputs, and 'digits' has 8 classes"),
    "nothing to fit": (Nothing(), "Nothing has no floating-point parameter that it uses"),
    "params in double": (Ends(nn.Identity()).double(), "Ends fails on the inputs of 'digits': .* same dtype"),
    "answers in double": (Ends(lambda x: x.double()), "Ends answers in torch.float64"),
    "NaN": (Ends(lambda x: x / 0 * 0), "Ends answers nan to an input of 'digits'"),
    "a draw in use": (Ends(lambda x: x + torch.randn_like(x)), "Ends gives two answers to one input"),
}


@pytest.fixture(scope="module")
def data():
    return bb.dataset("digits", limit=20)


@pytest.mark.parametrize(("module", "end"), PROBABILITIES.values(), ids=PROBABILITIES)
def test_probabilities_taken_for_logits_are_refused_by_name(data, module, end):
    with pytest.raises(NetworkError, match=rf"ends in {end}, and classification takes logits: end without that"):
        trace_both(module, data)


@pytest.mark.parametrize("end", SUMMING_TO_ONE.values(), ids=SUMMING_TO_ONE)
def test_answers_that_sum_to_one_are_refused_whatever_they_come_from(data, end):
    with pytest.raises(NetworkError, match="Ends answers probabilities, and classification takes logits"):
        trace_both(Ends(end), data)


@pytest.mark.parametrize("module", LOGITS.values(), ids=LOGITS)
def test_logits_of_every_kind_are_taken(data, module):
    assert trace_both(module, data).evaluation.outputs == 8


@pytest.mark.parametrize(("module", "sentence"), UNFIT.values(), ids=UNFIT)
def test_what_cannot_be_fitted_is_refused_before_it_is(data, module, sentence):
    with pytest.raises(NetworkError, match=sentence):
        trace_both(module, data)


def test_a_regression_may_end_in_a_sigmoid():
    data = bb.dataset("diabetes")
    module = nn.Sequential(nn.Linear(10, 1), nn.Sigmoid())
    assert trace_both(module, data).evaluation.outputs == 1


def test_asking_leaves_the_random_numbers_as_they_were(data):
    network = trace(Ends(lambda x: x + torch.randn_like(x)), data.input_shape)
    before = torch.get_rng_state()
    with pytest.raises(NetworkError, match="gives two answers"):
        check_answers(network, data, "Ends")
    assert torch.equal(torch.get_rng_state(), before)
