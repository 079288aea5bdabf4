from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bitsback.artifact.container import write
from bitsback.artifact.manifest import AbstainRule, Manifest
from bitsback.errors import ArtifactError, DataError, RecipeError
from bitsback.lower.run.onnx import Outputs, open_program
from bitsback.runtime.predictor import Predictor, load
from tests.artifact import golden
from tests.lower.run import graphs

MANIFEST = golden.artifact().manifest
X = np.random.default_rng(0).normal(scale=2, size=(11, *graphs.SHAPE)).astype(np.float32)


def predictor(**changes: object) -> Predictor:
    return Predictor(replace(MANIFEST, **changes), open_program(graphs.program(), graphs.weights()))


def test_the_golden_file_predicts_what_the_formulas_say() -> None:
    found = load(golden.PATH).predict(X)
    mean, total, data, knowledge = graphs.reference(X, graphs.weights())
    np.testing.assert_allclose(found.mean, mean, atol=1e-6)
    np.testing.assert_allclose(found.total, total, atol=1e-6)
    np.testing.assert_allclose(found.data, data, atol=1e-6)
    np.testing.assert_allclose(found.knowledge, knowledge, atol=1e-6)
    np.testing.assert_array_equal(found.abstain, found.total > 0.9)
    assert 0 < found.abstain.sum() < len(found) == 11


@pytest.mark.parametrize("batch", [1, 2, 11, 256])
def test_batches_change_nothing(batch: int) -> None:
    one, other = predictor().predict(X, batch=batch), predictor().predict(X)
    np.testing.assert_allclose(one.mean, other.mean, atol=1e-6)
    np.testing.assert_allclose(one.knowledge, other.knowledge, atol=1e-6)


def test_one_sample_and_none_are_batches_too() -> None:
    assert predictor().predict(X[0]).mean.shape == (1, 3)
    nothing = predictor().predict(X[:0])
    assert (nothing.mean.shape, nothing.abstain.shape, list(nothing.answers())) == ((0, 3), (0,), [])


def test_answers_are_rows_in_plain_values() -> None:
    found = predictor().predict(X)
    for index, answer in enumerate(found.answers()):
        best = int(found.mean[index].argmax())
        assert answer.label == MANIFEST.labels[best]
        assert answer.probability == max(answer.mean) == float(found.mean[index, best])
        assert answer.abstain is bool(found.abstain[index])
        assert answer.total == pytest.approx(answer.data + answer.knowledge, abs=1e-6)


def test_a_regression_has_no_labels() -> None:
    answer = next(iter(predictor(task="regression", labels=()).predict(X).answers()))
    assert (answer.label, answer.probability) == (None, None)
    assert len(answer.mean) == 3


@pytest.mark.parametrize("score", ["total", "knowledge"])
def test_the_rule_declines_what_scores_above_its_threshold(score: str) -> None:
    free = predictor(abstain=None).predict(X)
    assert not free.abstain.any()
    scores = np.sort(getattr(free, score))
    rule = AbstainRule(score, float(scores[5]), 0.1, 0.9)
    found = predictor(abstain=rule).predict(X)
    np.testing.assert_array_equal(found.abstain, getattr(found, score) > rule.threshold)
    assert found.abstain.sum() == 5


class Fixed:
    """A session that answers the same whatever it is asked."""

    input_shape = ("batch", *graphs.SHAPE)

    def __init__(self, outputs: Outputs) -> None:
        self.outputs = outputs

    def run(self, x: np.ndarray) -> Outputs:
        return self.outputs


def test_a_score_that_is_no_number_declines() -> None:
    none = np.full(1, np.nan, np.float32)
    found = Predictor(MANIFEST, Fixed(Outputs(np.full((1, 3), np.nan), none, none, none))).predict(X[:1])
    assert found.abstain.all()


def test_a_program_that_answers_in_other_shapes_is_refused() -> None:
    one = np.zeros(1, np.float32)
    for mean in (np.zeros((1, 4)), np.zeros((2, 3)), np.zeros(3)):
        with pytest.raises(ArtifactError, match="promises"):
            Predictor(MANIFEST, Fixed(Outputs(mean, one, one, one))).predict(X[:1])


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 4)), r"shape \(2, 4\)"),
        (np.zeros((2, 2)), r"shape \(2, 2\)"),
        (np.zeros(()), r"shape \(\)"),
        (np.zeros((3, 1, 2, 3)), r"takes \(N, 1, 2, 2\)"),
        (np.full((2, 1, 2, 2), np.nan), r"nan at \(0, 0, 0, 0\)"),
        (np.full((1, 2, 2), np.inf), r"inf at"),
        (np.full((1, 2, 2), 1e300), r"1e\+300 at"),
        (np.full((1, 2, 2), 1j), "complex128"),
        (np.full((1, 2, 2), "1"), "<U1"),
        (np.full((1, 2, 2), None), "object"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(x: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        predictor().predict(x)


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(RecipeError, match="batch is 0; it must be a whole number, at least 1"):
        predictor().predict(X, batch=0)


def test_a_program_that_does_not_fit_its_manifest_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.bitsback"
    wrong: Manifest = replace(MANIFEST, input=replace(MANIFEST.input, shape=(1, 4, 1)))
    write(path, replace(golden.artifact(), manifest=wrong))
    with pytest.raises(ArtifactError, match="lies: its program takes"):
        load(path)
