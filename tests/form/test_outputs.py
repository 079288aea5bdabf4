import pytest
import torch

from bitsback.form.outputs import classify, regress

SHARPNESS = [1e-3, 0.1, 1.0, 5.0, 50.0, 1000.0]


def log_probabilities(members, sharpness, spread=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shared = torch.randn(1, 40, 5, generator=generator)
    own = torch.randn(members, 40, 5, generator=generator)
    return torch.log_softmax(sharpness * (shared + spread * own), -1)


def entropy(probabilities):
    return -torch.xlogy(probabilities, probabilities).sum(-1)


@pytest.mark.parametrize("sharpness", SHARPNESS)
@pytest.mark.parametrize("members", [1, 2, 30])
def test_entropies_are_those_of_the_formulas(members, sharpness):
    logs = log_probabilities(members, sharpness)
    outputs = classify(logs)
    probabilities = logs.double().exp()
    mean = probabilities.mean(0)
    data = entropy(probabilities).mean(0)
    for found, expected in (
        (outputs.mean, mean),
        (outputs.total, entropy(mean)),
        (outputs.data, data),
        (outputs.knowledge, entropy(mean) - data),
    ):
        torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("sharpness", SHARPNESS)
def test_the_parts_add_up_and_are_within_their_limits(sharpness):
    outputs = classify(log_probabilities(10, sharpness))
    assert torch.equal(outputs.total, outputs.data + outputs.knowledge)
    assert (outputs.data >= 0).all()
    assert (outputs.knowledge >= 0).all()
    assert (outputs.total <= torch.log(torch.tensor(5.0)) + 1e-5).all()
    torch.testing.assert_close(outputs.mean.sum(-1), torch.ones(40))


@pytest.mark.parametrize("sharpness", SHARPNESS)
def test_one_member_knows_no_knowledge_uncertainty_and_equal_members_none_to_speak_of(sharpness):
    one = log_probabilities(1, sharpness)
    assert (classify(one).knowledge == 0).all()
    assert (classify(one.expand(7, -1, -1)).knowledge <= 1e-6).all()


def test_knowledge_keeps_its_relative_accuracy_where_members_hardly_differ():
    logs = torch.log_softmax(log_probabilities(10, 1.0, spread=3e-3).double(), -1)
    mean = logs.exp().mean(0)
    expected = (logs.exp() * (logs - mean.log())).sum(-1).mean(0)
    found = classify(logs.float()).knowledge.double()
    assert ((found - expected).abs() <= 0.05 * expected + 1e-7).all()


@pytest.mark.parametrize("members", [1, 2, 30])
def test_variances_are_those_of_the_formulas(members):
    means, noise_var = 100 + torch.randn(members, 40, 3), torch.tensor([0.5, 2.0, 0.0])
    outputs = regress(means, noise_var)
    double = means.double()
    torch.testing.assert_close(outputs.mean.double(), double.mean(0), rtol=1e-6, atol=1e-5)
    torch.testing.assert_close(outputs.knowledge.double(), double.var(0, correction=0).sum(-1), rtol=1e-4, atol=1e-5)
    assert (outputs.data == 2.5).all()
    assert torch.equal(outputs.total, outputs.data + outputs.knowledge)
    assert members > 1 or (outputs.knowledge == 0).all()
