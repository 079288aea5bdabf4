"""Rules that a user brings."""

import re

import pytest
import torch

from bitsback.errors import RecipeError
from bitsback.moments.own import OwnRules, own_rules, read

ERFINV = torch.ops.aten.erfinv.default
FILE = """
import torch

def same(value):
    return value

BOTH = {torch.ops.aten.erfinv.default: same}

def made():
    return BOTH

def broken():
    raise KeyError("no")

NUMBER = 3
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    return path


@pytest.mark.parametrize("name", ["BOTH", "made"])
def test_they_are_read_from_a_dict_or_a_function(file, name):
    ((operator, rule),) = read(f"{file}:{name}").rules
    assert operator is ERFINV
    assert rule(3) == 3


def test_another_text_or_name_has_another_source(file):
    first, other = read(f"{file}:BOTH").source, read(f"{file}:made").source
    file.write_text(FILE + "\n")
    assert len({first, other, read(f"{file}:BOTH").source}) == 3
    file.write_text(FILE)
    assert read(f"{file}:BOTH").source == first


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("broken", "mine.py:broken' failed with KeyError: 'no'"),
        ("NUMBER", "mine.py:NUMBER' is int; it must be a dict from operators to functions"),
        ("none", "has no 'none'; it defines same, BOTH, made, broken"),
        ("same", "mine.py:same' failed with TypeError: same"),
    ],
)
def test_a_name_that_leads_to_no_rules_is_refused(file, name, sentence):
    with pytest.raises(RecipeError, match=re.escape(sentence)):
        read(f"{file}:{name}")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([], "rules is list; it must be a dict"),
        ({"aten.erfinv": abs}, "rules has a rule for 'aten.erfinv'; it must be for an operator of the traced network"),
        (
            {torch.ops.aten.erfinv: abs},
            "rules has a rule for 'aten.erfinv'; it must be .* torch.ops.aten.erfinv.default",
        ),
        ({ERFINV: 3}, "rules has int as the rule of aten.erfinv.default; it must be a function"),
    ],
)
def test_what_are_no_rules_is_named(given, sentence):
    with pytest.raises(RecipeError, match=sentence):
        own_rules(given)


def test_no_rules_are_rules_too():
    assert own_rules({}) == OwnRules()
