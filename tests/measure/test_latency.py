import gc

import pytest

from bitsback.errors import RecipeError
from bitsback.measure.latency import Candidate, LatencySettings, Pair, latency, rounds


class Clock:
    """Time that passes only when something is called."""

    def __init__(self):
        self.now = 0.0
        self.calls = []

    def __call__(self):
        return self.now

    def takes(self, name, seconds):
        def call():
            self.calls.append(name)
            self.now += next(seconds) if hasattr(seconds, "__next__") else seconds

        return call


def test_ratios_and_medians_are_those_of_a_known_clock():
    clock = Clock()
    dense = Candidate(clock.takes("dense", 2.0), {"stage": "dense"})
    packed = Candidate(clock.takes("packed", 0.5), {"stage": "compressed"})
    rows = latency([packed], dense, LatencySettings(warmup=3, repeats=5, batch=4, device="board"), clock=clock)
    assert [(row.what, row.value, row.unit, row.of["stage"]) for row in rows] == [
        ("latency", 2.0, "s", "dense"),
        ("latency", 0.5, "s", "compressed"),
        ("latency_ratio", 0.25, "x", "compressed"),
    ]
    assert all((row.repeats, row.device) == (5, "board") for row in rows)
    assert all((row.of["threads"], row.of["batch"]) == (1, 4) for row in rows)


def test_a_pair_is_compared_round_by_round_and_says_with_what():
    clock = Clock()
    reference, slow, fast = (
        Candidate(clock.takes(name, seconds), {"form": name})
        for name, seconds in (("x", 1.0), ("slow", iter([1.0, 2.0, 9.0])), ("fast", iter([1.0, 4.0, 3.0])))
    )
    settings = LatencySettings(warmup=0, repeats=3)
    rows = latency([slow, fast], reference, settings, pairs=[Pair(2, 1, "slow")], clock=clock)
    assert [(row.value, row.of.get("beside")) for row in rows if row.what == "latency_ratio"] == [
        (2.0, None),
        (3.0, None),
        (1.0, "slow"),
    ]
    assert rows[-1].of["form"] == "fast"


def test_the_spread_is_the_quartiles_and_an_outlier_moves_nothing():
    clock = Clock()
    slow = Candidate(clock.takes("x", iter([1.0, 2.0, 3.0, 4.0, 100.0])))
    row = latency([], slow, LatencySettings(warmup=0, repeats=5), clock=clock)[0]
    assert (row.value, row.spread) == (3.0, (2.0, 4.0))


def test_a_machine_that_slows_down_does_not_move_the_ratio():
    clock = Clock()
    drift = iter([speed for turn in range(20) for speed in [1.0 + turn] * 2])
    calls = [Candidate(clock.takes(name, drift)) for name in "ab"]
    ratio = latency(calls[:1], calls[1], LatencySettings(warmup=0, repeats=20), clock=clock)[-1]
    assert (ratio.value, ratio.spread) == (1.0, (1.0, 1.0))


def test_calls_are_interleaved_in_a_rotating_order_after_the_warm_up():
    clock = Clock()
    timed = rounds([clock.takes(name, 1.0) for name in "abc"], LatencySettings(warmup=3, repeats=3), clock=clock)
    assert "".join(clock.calls) == "abcbcacab" * 2
    assert timed.tolist() == [[1.0] * 3] * 3


def test_the_garbage_collector_is_off_meanwhile_and_then_as_before():
    seen = []
    rounds([lambda: seen.append(gc.isenabled())], LatencySettings(warmup=0, repeats=1))
    assert seen == [False]
    assert gc.isenabled()


def test_settings_that_time_nothing_are_refused():
    with pytest.raises(RecipeError, match="repeats"):
        LatencySettings(repeats=0)
