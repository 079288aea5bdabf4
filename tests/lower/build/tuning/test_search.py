"""The search against a device whose every time is known."""

import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from bitsback.lower.build.tuning.database import Database, Trial
from bitsback.lower.build.tuning.search import Job, search
from bitsback.lower.build.tuning.space import customary, space
from tests.lower.build.tuning.benches import BEST, CONV, LAST, TARGET, VECTORS, Known, compiled, cost


def job(*shapes, bench=None):
    return Job(dict.fromkeys(shapes, 1), bench or Known(), TARGET, compiled)


@pytest.fixture
def database(tmp_path):
    return Database(tmp_path / "tuning.jsonl")


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("shape", [CONV, VECTORS], ids=["conv", "vectors"])
def test_it_finds_the_fastest_tile_though_the_machine_is_slow_at_times(shape, seed, database):
    trials = search(job(shape, bench=Known(steady=False)), 60, database, seed)
    assert len(trials) == 60 < len(space(shape, TARGET)) / 2
    assert len({trial.tile for trial in trials}) == 60
    known = job(shape).known(trials)[shape]
    assert known.best == BEST
    assert known.ratio == pytest.approx(cost(BEST) / cost(customary(shape)))


def test_each_trial_is_beside_the_best_before_it_and_latencies_never_rise(database):
    trials = search(job(CONV), 30, database)
    best = customary(CONV)
    for trial in trials:
        assert trial.beside == best
        best = trial.tile if trial.ratio < 0.98 else best
    latencies = job(CONV).latencies(trials, CONV.batch)
    assert len(latencies) == 31
    assert sorted(latencies, reverse=True) == list(latencies)
    assert latencies[0] == trials[0].beside_seconds
    assert latencies[-1] / latencies[0] == pytest.approx(cost(best) / cost(customary(CONV)))


def test_every_shape_has_its_turn_and_the_slowest_the_most(database):
    trials = search(replace(job(CONV), shapes={VECTORS: 5, LAST: 1}), 30, database)
    counts = [sum(trial.shape == shape for trial in trials) for shape in (VECTORS, LAST)]
    assert {trial.shape for trial in trials[:2]} == {VECTORS, LAST}
    assert counts[0] > 3 * counts[1] > 0


def test_a_gain_that_does_not_come_again_is_none(database):
    class Lucky(Known):
        """The second of three calls of a trial shows a gain that there is not."""

        def seconds(self, plan, libraries, inputs, repeats):
            found = super().seconds(plan, libraries, inputs, repeats)
            return found * [1, 0.5, 1, 0.5] if len(libraries) == 4 and self.calls % 3 == 2 else found

    trials = search(job(CONV, bench=Lucky(cost=lambda tile: 1e-3)), 10, database)
    assert {trial.beside for trial in trials} == {customary(CONV)}
    assert {trial.ratio for trial in trials} == {1.0}


def test_it_ends_where_every_tile_was_tried(database):
    trials = search(job(LAST), 10**6, database)
    assert {trial.tile for trial in trials} == {*space(LAST, TARGET)[1:]}
    assert len(trials) == len({trial.tile for trial in trials})


def test_what_the_database_has_is_not_measured_again(database, tmp_path):
    whole = search(job(CONV, VECTORS), 25, Database(tmp_path / "whole.jsonl"))
    first, told = search(job(CONV, VECTORS), 10, database), []
    assert search(job(CONV, VECTORS), 25, database, tell=told.append) == whole[:10] + whole[10:]
    assert first == whole[:10]
    assert told == list(range(10, 26))
    idle = Known()
    assert search(job(CONV, VECTORS, bench=idle), 25, database) == whole
    assert idle.calls == 0


def test_another_device_begins_anew_and_layers_of_the_same_shape_share(database):
    search(job(CONV, VECTORS), 10, database)
    assert search(job(CONV, bench=Known("another")), 1, database)[0].device == "another"
    own = [trial for trial in database.read() if (trial.shape, trial.device) == (CONV, "a processor")]
    assert job(CONV).trials(database) == own != []


def test_trials_beside_a_tile_that_is_customary_no_longer_are_not_taken_for_trials_of_this_search(
    database, tmp_path, monkeypatch
):
    first, other, *_ = space(CONV, TARGET)
    with monkeypatch.context() as before:
        before.setattr("bitsback.lower.build.tuning.search.customary", lambda _: other)
        old = search(job(CONV), 20, database)
    assert first not in {trial.beside for trial in old}
    assert job(CONV).trials(database) == []
    new = search(job(CONV), 20, Database(tmp_path / "new.jsonl"))
    assert search(job(CONV), 20, database) == job(CONV).trials(database) == new
    assert job(CONV).known(new)[CONV].ratio < 1


def test_trials_of_another_search_count_from_where_they_are_beside_the_best_of_this_one(database):
    first, one, two, three, *_ = space(CONV, TARGET)
    for tile, beside, ratio in ((first, one, 0.9), (two, first, 0.5), (three, one, 0.4), (three, two, 1.1)):
        database.add(Trial("a processor", TARGET, CONV, tile, beside, 1.0, 1.0, ratio, 9))
    found = job(CONV).trials(database)
    assert [(trial.tile, trial.beside) for trial in found] == [(two, first), (three, two)]
    known = job(CONV).known(found)[CONV]
    assert (known.best, known.ratio, known.tried) == (two, 0.5, {two, three})


KILLED = """
import os, signal, sys
sys.modules["torch"] = None
from pathlib import Path
from bitsback.lower.build.tuning.database import Database, Trial
from bitsback.lower.build.tuning.search import Job, search
from tests.lower.build.tuning.benches import CONV, TARGET, VECTORS, Known, compiled

def dying(shape, tile, target, made=[]):
    made.append(tile)
    if len(made) == 20:
        os.kill(os.getpid(), signal.SIGKILL)
    return compiled(shape, tile, target)

search(Job({CONV: 1, VECTORS: 1}, Known(), TARGET, dying), 40, Database(Path(sys.argv[1])))
"""


def test_a_search_that_was_killed_goes_on_as_if_it_had_not_been(database, tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, database.path], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    before = database.path.read_bytes()
    assert 10 < len(database.read()) < 20
    trials = search(job(CONV, VECTORS), 40, database)
    assert trials == search(job(CONV, VECTORS), 40, Database(tmp_path / "whole.jsonl"))
    assert database.path.read_bytes().startswith(before)
