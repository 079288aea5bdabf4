import json
from dataclasses import replace
from typing import Any

import pytest

from bitsback.artifact.manifest import AbstainRule, Input, Manifest, Normalization
from bitsback.artifact.tensors import StoredTensor
from bitsback.errors import ArtifactError
from tests.artifact import golden

STORED = StoredTensor("w", "float32", (3,), "dense", 0, 12)


def test_a_manifest_comes_back() -> None:
    for found in (golden.artifact().manifest, Manifest("regression", "point", Input((3,)), 2)):
        full = replace(found, tensors=(STORED,))
        assert Manifest.from_json(full.to_json()) == full


def test_the_same_manifest_gives_the_same_bytes_whatever_the_order_of_keys() -> None:
    found = golden.artifact().manifest
    turned = replace(found, recipe=dict(reversed(found.recipe.items())))
    assert turned.to_json() == found.to_json()


def test_integers_are_taken_for_numbers() -> None:
    content = json.loads(golden.artifact().manifest.to_json())
    content["abstain"]["threshold"] = 1
    content["normalization"] = {"mean": [0, 0.5], "std": [1, 2]}
    found = Manifest.from_json(json.dumps(content).encode())
    assert found.normalization == Normalization((0.0, 0.5), (1.0, 2.0))
    assert found.abstain is not None
    assert isinstance(found.abstain.threshold, float)


CHANGES: list[tuple[str, Any]] = [
    ("format", 1),
    ("format", "1"),
    ("format", True),
    ("task", "ranking"),
    ("task", None),
    ("form", ""),
    ("members", 0),
    ("members", 1.0),
    ("members", 10**15),
    ("outputs", -1),
    ("outputs", 4),
    ("labels", ["a", "b"]),
    ("labels", [1, 2, 3]),
    ("labels", "abc"),
    ("input", []),
    ("input", {"shape": [2]}),
    ("input", {"shape": [], "name": "input", "dtype": "float32", "white": 1}),
    ("input", {"shape": [-1], "name": "input", "dtype": "float32", "white": 1}),
    ("input", {"shape": [2**40], "name": "input", "dtype": "float32", "white": 1}),
    ("input", {"shape": [2], "name": "x", "dtype": "float32", "white": 1}),
    ("input", {"shape": [2], "name": "input", "dtype": "object", "white": 1}),
    ("input", {"shape": [2], "name": "input", "dtype": "float32", "white": 0}),
    ("normalization", {"mean": [0], "std": []}),
    ("normalization", {"mean": [0], "std": [0]}),
    ("normalization", {"mean": [0], "std": ["1"]}),
    ("abstain", {"score": "data", "threshold": 1, "error_rate": 0.1, "confidence": 0.9}),
    ("abstain", {"score": "total", "threshold": None, "error_rate": 0.1, "confidence": 0.9}),
    ("abstain", {"score": "total", "threshold": 1, "error_rate": -0.1, "confidence": 0.9}),
    ("abstain", {"score": "total", "threshold": 1, "error_rate": 0.1, "confidence": 1}),
    ("abstain", {"score": "total", "threshold": 1, "error_rate": 0.1, "confidence": 0.9, "more": 1}),
    ("abstain", {"score": "total", "threshold": 1, "error_rate": 0.1, "confidence": 0.9, "tolerance": "1"}),
    ("abstain", {"score": "total", "threshold": 1, "error_rate": 0.1, "confidence": 0.9, "tolerance": None}),
    ("abstain", {"score": "total", "threshold": 1, "error_rate": 0.1, "confidence": 0.9, "tolerance": 0.5}),
    ("measurements", {}),
    ("measurements", [1]),
    ("measurements", [{"what": "accuracy"}]),
    ("measurements", [{"what": "accuracy", "value": "high", "unit": ""}]),
    ("recipe", []),
    ("bitsback", 1),
    ("tensors", [{"name": "w"}]),
    ("tensors", [{"name": "w", "dtype": "float32", "shape": [3.0], "encoding": "dense", "offset": 0, "size": 12}]),
    ("more", 1),
]


@pytest.mark.parametrize(("key", "value"), CHANGES, ids=[f"{key}-{index}" for index, (key, _) in enumerate(CHANGES)])
def test_a_value_that_cannot_be_is_refused_in_one_sentence(key: str, value: object) -> None:
    content = json.loads(golden.artifact().manifest.to_json()) | {key: value}
    with pytest.raises(ArtifactError) as caught:
        Manifest.from_json(json.dumps(content).encode())
    assert key in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_tolerance_comes_back_and_is_left_out_where_there_is_none() -> None:
    rule = AbstainRule("total", 0.5, 0.1, 0.9, tolerance=12.5)
    found = Manifest("regression", "point", Input((3,)), 2, abstain=rule)
    assert Manifest.from_json(found.to_json()).abstain == rule
    assert "tolerance" not in json.loads(golden.artifact().manifest.to_json())["abstain"]
    for tolerance in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ArtifactError, match=r"abstain\.tolerance"):
            replace(rule, tolerance=tolerance)


def test_every_key_is_needed() -> None:
    content = json.loads(golden.artifact().manifest.to_json())
    for key in content:
        with pytest.raises(ArtifactError, match=key):
            Manifest.from_json(json.dumps({name: value for name, value in content.items() if name != key}).encode())


def test_a_rule_that_makes_no_sense_cannot_even_be_made() -> None:
    with pytest.raises(ArtifactError, match=r"abstain\.threshold"):
        AbstainRule("total", float("nan"), 0.1, 0.9)
    with pytest.raises(ArtifactError, match="labels"):
        Manifest("classification", "point", Input((3,)), 2, labels=("a",))
