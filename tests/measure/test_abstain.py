"""The promise is a statement about chance, so it is tested as one: 500 splits drawn from populations whose selective
error is known exactly. A promise with confidence 95 % may be broken in 25 of them on average; a correct one is broken
in more than 42 with a chance below 0.05 % (binomial), so 42 is the limit."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import beta, binom

from bitsback.errors import DataError, PromiseError, RecipeError
from bitsback.measure.abstain import Judged, Promise, accepts, choose, figures, grid, judge, lowest_error_rate, sequence
from tests.measure.answers import Answers, certain

SPLITS = 500
LIMIT = 42
LEVELS = 60


def population(kind):
    """Scores 0, 1/60, … and the error rate at each: a finite population, so that R(t) is a sum."""
    score = np.arange(LEVELS) / LEVELS
    error = {
        "good": 0.005 + 0.6 * score**4,
        "few levels": 0.002 + 0.4 * (np.floor(score * 4) / 4) ** 2,
        "says nothing": np.full(LEVELS, 0.055),
        "wrong way round": 0.15 * (1 - score) ** 2,
        "confidently wrong": np.where(score < 0.1, 0.2, 0.01) + 0.3 * score**6,
        "just too bad": 0.0505 + 0.0 * score,
        "hopeless": np.full(LEVELS, 0.5),
    }[kind]
    return (np.floor(score * 4) / 4 if kind == "few levels" else score), error


def draw(kind, count, generator):
    score, error = population(kind)
    which = generator.integers(0, LEVELS, count)
    return Judged(score[which].astype(np.float32), generator.random(count) < error[which])


def selective_error(kind, threshold):
    score, error = population(kind)
    return error[accepts(score.astype(np.float32), threshold)].mean()


def outcomes(kind, promise, size=600):
    """For each of 500 splits: the selective error and the coverage of the threshold chosen, None if there is none."""
    generator = np.random.default_rng(len(kind))
    found = []
    for _ in range(SPLITS):
        try:
            chosen = choose(draw(kind, 300, generator), draw(kind, size, generator), promise)
        except PromiseError:
            found.append(None)
            continue
        covered = accepts(population(kind)[0].astype(np.float32), chosen.threshold).mean()
        found.append((selective_error(kind, chosen.threshold), covered))
    return found


def test_the_limit_is_what_the_header_says():
    assert binom.sf(LIMIT, SPLITS, 0.05) < 5e-4


@pytest.mark.parametrize(
    "kind", ["good", "few levels", "says nothing", "wrong way round", "confidently wrong", "just too bad", "hopeless"]
)
def test_the_promise_is_broken_no_more_often_than_promised(kind):
    promise = Promise(error_rate=0.05, confidence=0.95, thresholds=40)
    broken = sum(found is not None and found[0] > promise.error_rate for found in outcomes(kind, promise))
    assert broken <= LIMIT


def test_the_limit_catches_a_rule_that_promises_nothing():
    generator = np.random.default_rng(0)
    kind, broken = "just too bad", 0
    for _ in range(SPLITS):
        seen = draw(kind, 600, generator)
        counts = [seen.at(t) for t in grid(seen.scores, 40)]
        broken += any(errors <= 0.05 * accepted for accepted, errors in counts)
    assert broken > LIMIT


@pytest.mark.parametrize("kind", ["good", "few levels"])
def test_the_promise_is_not_kept_by_silence(kind):
    found = outcomes(kind, Promise(error_rate=0.05, thresholds=40))
    score, _ = population(kind)
    best = max(accepts(score, t).mean() for t in score if selective_error(kind, t) <= 0.05)
    assert sum(each is not None for each in found) >= 0.95 * SPLITS
    assert np.mean([each[1] if each else 0 for each in found]) >= 0.6 * best


def test_a_threshold_carries_its_counts():
    generator = np.random.default_rng(0)
    calibration = draw("good", 600, generator)
    chosen = choose(draw("good", 300, generator), calibration, Promise(error_rate=0.05, confidence=0.9))
    assert (chosen.accepted, chosen.errors) == calibration.at(chosen.threshold)
    assert chosen.calibration == 600
    assert chosen.threshold == float(np.float32(chosen.threshold))
    assert binom.cdf(chosen.errors, chosen.accepted, 0.05) <= 0.1
    assert figures(chosen, calibration) == {
        "coverage": chosen.accepted / 600,
        "selective_error": chosen.errors / chosen.accepted,
    }
    assert figures(replace(chosen, threshold=-1.0), calibration) == {"coverage": 0, "selective_error": None}


def test_the_thresholds_do_not_look_at_the_calibration_split():
    generator = np.random.default_rng(1)
    validation, promise = draw("good", 300, generator), Promise(0.05)
    candidates = sequence(validation, 600, promise)
    assert candidates == sorted(set(candidates))
    for seed in range(5):
        calibration = draw("good", 600, np.random.default_rng(seed))
        assert choose(validation, calibration, promise).threshold in candidates


def test_a_split_that_is_too_small_is_refused_with_the_number_it_takes():
    right = Judged(np.linspace(0, 1, 298), np.zeros(298, bool))
    with pytest.raises(PromiseError, match=r"at least 299 accepted .* has 298"):
        choose(right, right, Promise(error_rate=0.01))
    enough = Judged(np.linspace(0, 1, 299), np.zeros(299, bool))
    assert choose(right, enough, Promise(error_rate=0.01)).accepted == 299
    with pytest.raises(PromiseError, match="at least 299"):
        choose(Judged(np.zeros(0), np.zeros(0, bool)), enough, Promise(error_rate=0.01))


def test_a_network_that_is_not_good_enough_is_refused_with_its_errors():
    generator = np.random.default_rng(2)
    with pytest.raises(PromiseError, match=r"of the \d+ accepted calibration samples are wrong") as refused:
        choose(draw("hopeless", 300, generator), draw("hopeless", 600, generator), Promise(0.05))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("errors", [0, 1, 7])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_the_lowest_error_rate_is_the_exact_upper_bound_where_one_threshold_is_tried(errors, confidence):
    same = Judged(np.zeros(170, np.float32), np.arange(170) < errors)
    bound = beta.ppf(confidence, errors + 1, 170 - errors)  # Clopper and Pearson, 1934
    found = lowest_error_rate(same, same, Promise(0.002, confidence))
    assert found == pytest.approx(np.ceil(1000 * bound) / 1000)


def test_the_lowest_error_rate_is_granted_and_the_next_lower_one_is_not():
    generator = np.random.default_rng(3)
    validation, calibration = draw("good", 300, generator), draw("good", 200, generator)
    asked = Promise(0.005, 0.95)
    with pytest.raises(PromiseError):
        choose(validation, calibration, asked)
    lowest = lowest_error_rate(validation, calibration, asked)
    assert choose(validation, calibration, replace(asked, error_rate=lowest)).error_rate == lowest
    assert lowest_error_rate(validation, calibration, replace(asked, error_rate=lowest - 0.001)) == lowest
    with pytest.raises(PromiseError):
        choose(validation, calibration, replace(asked, error_rate=lowest - 0.001))


def test_where_everything_is_wrong_nothing_can_be_promised():
    wrong = Judged(np.zeros(50, np.float32), np.ones(50, bool))
    assert lowest_error_rate(wrong, wrong, Promise(0.05)) is None


def test_a_score_that_is_the_same_everywhere_answers_all_or_nothing():
    same = Judged(np.zeros(500, np.float32), np.arange(500) < 5)
    assert choose(same, same, Promise(0.05)).accepted == 500
    with pytest.raises(PromiseError):
        choose(same, same, Promise(0.011))


@pytest.mark.parametrize("scores", [np.zeros(4), np.array([3.0]), np.arange(1000) % 3, np.linspace(1e-9, 2e-9, 50)])
def test_the_grid_lies_between_scores_and_its_last_accepts_all(scores):
    scores = scores.astype(np.float32)
    found = grid(scores, 20)
    assert len(found) <= min(20, len(np.unique(scores)))
    assert found == sorted(set(found))
    assert accepts(scores, found[-1]).all()
    assert accepts(scores, found[0]).any()


def test_nan_is_never_accepted():
    assert accepts(np.array([0.0, np.nan, 1.0]), 1.0).tolist() == [True, False, True]


def test_judging_by_label_by_tolerance_and_by_either_score():
    outputs = certain(np.array([0, 1, 1]), 2)._replace(knowledge=np.array([1.0, 2.0, 3.0]))
    judged = judge(outputs, np.array([0, 0, 1]), Promise(0.1, score="knowledge"))
    assert (judged.wrong.tolist(), judged.scores.tolist()) == ([False, True, False], [1, 2, 3])
    zeros = np.zeros(2)
    regression = Answers(np.array([[0.0, 5.0], [1.0, 1.0]]), zeros, zeros, zeros)
    targets = np.array([[0.0, 2.0], [1.4, 1.0]])
    assert judge(regression, targets, Promise(0.1, tolerance=0.5), task="regression").wrong.tolist() == [True, False]
    with pytest.raises(PromiseError, match="tolerance"):
        judge(regression, targets, Promise(0.1), task="regression")
    with pytest.raises(DataError):
        judge(outputs._replace(total=np.full(3, np.nan)), np.array([0, 0, 1]), Promise(0.1))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("error_rate", wrong) for wrong in (0.0, 1.0, float("nan"), "high", None)),
        *(("confidence", 1.0), ("score", "data"), ("score", ["total"])),
        *(("thresholds", wrong) for wrong in (0, -1, 2.5, True)),
    ],
)
def test_a_promise_that_makes_no_sense_is_refused(name, value):
    with pytest.raises(RecipeError, match=name):
        Promise(**{"error_rate": 0.05, name: value})


@pytest.mark.parametrize("tolerance", [0.0, -1.0, float("nan"), float("inf"), "1"])
def test_a_tolerance_that_makes_no_sense_is_refused(tolerance):
    with pytest.raises(RecipeError, match="tolerance"):
        Promise(0.05, tolerance=tolerance)
