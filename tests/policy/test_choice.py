import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bitsback.errors import PolicyError
from bitsback.policy.choice import Choice, Policy, from_toml, to_toml

CHOICES = st.builds(
    Choice,
    sparsity=st.floats(0, 1) | st.integers(0, 1),
    saliency=st.sampled_from(["snr", "magnitude"]),
    scope=st.sampled_from(["global", "layer"]),
    block=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
POLICIES = st.builds(Policy, CHOICES, st.dictionaries(st.text(), CHOICES, max_size=4))


@given(POLICIES)
@example(Policy(Choice(), {'a."b\\.weight': Choice(1), "\x7f\n": Choice(0), "\U0001f600": Choice(1e-9), "": Choice()}))
def test_a_policy_written_as_toml_is_read_back_as_it_was(policy):
    again = from_toml(to_toml(policy))
    assert again == policy
    assert list(again.layers) == list(policy.layers)  # the order decides which pattern counts


def test_what_is_left_out_is_the_default():
    assert from_toml("") == Policy()
    policy = from_toml('[default]\nsparsity = 0.5\nscope = "layer"\n[layers."conv*"]\nsaliency = "magnitude"\n')
    assert policy.default == Choice(0.5, "snr", "layer")
    assert policy.layers == {"conv*": Choice(0.5, "magnitude", "layer")}


def test_the_first_pattern_that_matches_counts():
    policy = Policy(layers={"conv1.*": Choice(0.1), "conv?.weight": Choice(0.2), "*": Choice(0.3)})
    names = ["conv1.weight", "conv2.weight", "conv2.bias", "CONV1.weight"]
    assert [policy.pattern(name) for name in names] == ["conv1.*", "conv?.weight", "*", "*"]
    assert Policy().pattern("conv1.weight") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[default", "not valid TOML"),
        ("[defaults]\n", "unknown table 'defaults'; there are default and layers"),
        ("default = 3", "default is 3; it must be a table with sparsity, saliency, scope"),
        ("layers = 3", "layers is 3; it must be a table"),
        ("[layers]\nconv1 = 0.5", "layers.conv1 is 0.5; it must be a table"),
        ("[default]\nsparse = 0.5", "default has an unknown key 'sparse'; there are sparsity, saliency, scope, block"),
        ('[layers."a"]\nbits = 8', "layers.a has an unknown key 'bits'"),
        ("[default]\nsparsity = 1.01", "sparsity is 1.01; it must be a number from 0 to 1"),
        ("[default]\nsparsity = nan", "sparsity is nan"),
        ("[default]\nsparsity = true", "sparsity is True"),
        ('[default]\nsparsity = "0.5"', "sparsity is '0.5'"),
        ('[default]\nsaliency = "taylor"', "saliency is 'taylor'; it must be one of snr, magnitude"),
        ('[default]\nscope = "model"', "scope is 'model'; it must be one of global, layer"),
        ("[default]\nscope = []", "scope is \\[\\]"),
        ("[default]\nblock = 4", "block is 4; it must be two whole numbers above 0: outputs and inputs"),
        ("[default]\nblock = [4]", "block is \\[4\\]"),
        ("[default]\nblock = [4, 0]", "block is \\[4, 0\\]"),
        ("[default]\nblock = [4, 1.0]", "block is \\[4, 1.0\\]"),
    ],
)
def test_what_is_no_policy_is_refused_in_one_sentence(text, said):
    with pytest.raises(PolicyError, match=said):
        from_toml(text)


@pytest.mark.parametrize("sparsity", [-0.1, math.inf, None])
def test_a_choice_out_of_range_is_refused(sparsity):
    with pytest.raises(PolicyError, match=f"sparsity is {sparsity}"):
        Choice(sparsity)
