"""A packed file is tuned: what is put into it, and what stays."""

import functools
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from bitsback.artifact.container import read, write
from bitsback.errors import ArtifactError, ExportError, RecipeError, RunError
from bitsback.lower.build.native.library import build, function, linked
from bitsback.lower.build.tuning.database import Database
from bitsback.lower.build.tuning.search import Job
from bitsback.lower.build.tuning.shape import shape_of
from bitsback.lower.run.native.library import Entry, Library, open_library
from bitsback.lower.run.native.packing import arrange
from bitsback.lower.run.native.plan import Plan, Product
from bitsback.lower.run.native.targets import runnable
from bitsback.lower.run.native.tiles import default_tile
from bitsback.run import tune as module
from bitsback.run.tune import Asked, tune
from bitsback.run.watcher import Watcher
from bitsback.runtime.native import library_for
from tests.artifact import golden
from tests.lower.build.tuning.benches import Known, compiled
from tests.lower.run.native.plans import SHAPE, plan
from tests.run.tunable import OTHER, packed

INPUTS = np.random.default_rng(0).normal(size=(7, *SHAPE)).astype(np.float32)


def slow(tile):
    """A device on which the customary tiles of `plan` are slow."""
    return 1e-3 / (1 + tile.unroll + 2 * tile.across)


def fast(tile):
    """A device on which they are the fastest."""
    return 1e-3 * (1 + (tile.unroll not in {1, 4}) + tile.across)


def bench(cost=slow):
    found = Known(cost=cost)
    found.targets = tuple(runnable())
    return found


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Only what goes into a file is compiled: the device of these tests runs no code."""

    def made(whole, target, entries):
        return build(whole, target, entries) if len(entries) > 1 else Library(target, b"", tuple(entries))

    monkeypatch.setattr(module, "Job", partial(Job, compile=compiled))
    monkeypatch.setattr(module, "build", made)


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "model.bitsback"
    found.write_bytes(packed())
    return found


@pytest.fixture
def database(tmp_path):
    return Database(tmp_path / "tuning.jsonl")


def held(path) -> tuple[Plan, Library]:
    return library_for(read(path), runnable(), "this machine")


def test_the_fastest_tiles_go_into_the_file_which_answers_as_before(path, database):
    before, (whole, old) = read(path), held(path)
    found = tune(path, bench(), database, Asked(30))
    assert (found.trials, found.measured, found.written) == (30, 30, True)
    after, (_, new) = read(path), held(path)
    job = Job(module._shapes(whole, old.entries), bench(), old.target)
    best = job.known(database.read())
    for entry in new.entries:
        for index, step in enumerate(whole.steps):
            if isinstance(step, Product):
                assert entry.tiles[index] == best[shape_of(whole, step, entry.batch)].best
    assert [entry.batch for entry in new.entries] == [4, 1]
    assert {function.kept for function in found.functions} == {"tuned"}
    assert all(function.ratio[2] < 1 for function in found.functions)
    for one, other in zip(*(open_library(whole, each).run(INPUTS) for each in (old, new)), strict=True):
        np.testing.assert_allclose(other, one, rtol=2e-5, atol=2e-6)
    assert before.manifest.libraries[1] == after.manifest.libraries[1]
    assert {name for name in before.native if not np.array_equal(before.native[name], after.native[name])} == {
        f"code.{old.target}"
    }
    assert (before.program, before.manifest.recipe) == (after.program, after.manifest.recipe)


def test_a_second_call_measures_no_trial_again_and_tunes_what_it_is_asked_for(path, database):
    first = tune(path, bench(), database, Asked(12, (4,)))
    assert [function.batch for function in first.functions] == [4]
    _, library = held(path)
    customary = {
        index: default_tile(plan(), step, 1) for index, step in enumerate(plan().steps) if isinstance(step, Product)
    }
    assert library.entries[1].tiles == customary
    written = path.read_bytes()
    second = tune(path, bench(), database, Asked(12, (4,)))
    assert (second.measured, second.trials, second.written) == (0, 12, False)
    assert second.functions[0].kept == "as it was"
    assert path.read_bytes() == written


def test_customary_tiles_stay_where_nothing_is_faster_and_come_back_where_they_are(path, database):
    assert tune(path, bench(fast), database, Asked(8)).functions[0].kept == "customary"
    assert path.read_bytes() == packed()
    tune(path, bench(), Database(database.path.with_name("other.jsonl")), Asked(12))
    assert path.read_bytes() != packed()
    assert {each.kept for each in tune(path, bench(fast), database, Asked(8)).functions} == {"customary"}
    _, library = held(path)
    for entry in library.entries:
        assert entry.tiles == {index: default_tile(plan(), plan().steps[index], entry.batch) for index in entry.tiles}


def test_a_gain_of_the_whole_network_within_noise_leaves_the_file(path, database):
    class Heavy(Known):
        """What is beside the products takes nearly all of the time."""

        def seconds(self, plan, libraries, inputs, repeats):
            return super().seconds(plan, libraries, inputs, repeats) + 0.1 * (len(plan.steps) > 1)

    heavy = Heavy(cost=slow)
    heavy.targets = tuple(runnable())
    found = tune(path, heavy, database, Asked(30))
    assert not found.written
    assert {each.kept for each in found.functions} == {"customary"}
    assert all(0.98 < each.ratio[1] < 1 and each.latencies[-1] < each.latencies[0] for each in found.functions)
    assert path.read_bytes() == packed()


def test_a_library_that_answers_otherwise_is_not_written(path, database, monkeypatch):
    right = module.build

    def wrong(whole, target, entries):
        return right(whole.changed({0: replace(whole.steps[0], factor=9.0)}), target, entries)

    monkeypatch.setattr(module, "build", wrong)
    with pytest.raises(
        ExportError, match=r"the tuned library's output '\w+' differs from the library before it's by up to"
    ):
        tune(path, bench(), database, Asked(12))
    assert path.read_bytes() == packed()
    assert len(database.read()) == 12


@functools.cache
def library_before():
    return build(plan(), runnable()[0], [Entry(batch) for batch in (5, 4, 3)])


@pytest.mark.parametrize("wrong", [5, 4, 3])
def test_every_function_of_a_new_library_is_compared(wrong):
    whole, old = plan(), library_before()
    entries = old.entries
    other = whole.changed({0: replace(whole.steps[0], factor=9.0)})
    made = {
        each.name: function(of, arrange(of, each.batch), each.name)
        for each in entries
        for of in [other if each.batch == wrong else whole]
    }
    new = Library(old.target, linked(made, old.target), old.entries)
    with pytest.raises(ExportError, match="the tuned library's output"):
        module._check(whole, old, new, INPUTS[:5])


def test_a_file_that_was_packed_anew_meanwhile_stays(path, database):
    class Packs(Known):
        def seconds(self, *args):
            manifest = replace(golden.artifact().manifest, recipe={"seed": 7})
            write(path, replace(golden.artifact(), manifest=manifest))
            return super().seconds(*args)

    busy = Packs(cost=slow)
    busy.targets = tuple(runnable())
    with pytest.raises(ArtifactError, match=r"model\.bitsback was written anew while it was tuned, and is left so"):
        tune(path, busy, database, Asked(12))
    assert read(path).manifest.recipe == {"seed": 7}
    assert len(database.read()) == 12


def test_who_watches_is_told_of_every_trial(path, database):
    steps = []
    tune(path, bench(fast), database, Asked(5, (1,)), Watcher(step=steps.append))
    assert [step.done for step in steps] == [0, 1, 2, 3, 4, 4, 5]
    assert {step.steps for step in steps} == {5}


def test_what_cannot_be_tuned_is_refused_before_anything_is_measured(path, database, tmp_path):
    idle = bench()
    with pytest.raises(
        RecipeError, match=f"functions for batches 1, 4 and not for 3; .*{runnable()[0]}:1,3,4` makes it"
    ):
        tune(path, idle, database, Asked(4, (3,)))
    write(tmp_path / "none.bitsback", golden.artifact())
    with pytest.raises(
        ArtifactError, match=r"none\.bitsback cannot be tuned: it holds no native library; `bitsback pack RUN"
    ):
        tune(tmp_path / "none.bitsback", idle, database, Asked(4))
    idle.targets = ("z80",)
    with pytest.raises(ArtifactError, match=f"{runnable()[0]}, {OTHER}, and the device is a processor, which runs z80"):
        tune(path, idle, database, Asked(4))
    idle.targets = tuple(runnable())
    database.path.write_text("no database\n")
    with pytest.raises(RunError, match="is no tuning database"):
        tune(path, idle, database, Asked(4))
    assert (path.read_bytes(), database.path.read_text(), idle.calls) == (packed(), "no database\n", 0)


def test_a_device_that_dies_leaves_its_trials(path, database):
    class Dies(Known):
        def seconds(self, *args):
            if self.calls == 9:
                raise ArtifactError("the device is gone")
            return super().seconds(*args)

    dying = Dies(cost=slow)
    dying.targets = tuple(runnable())
    with pytest.raises(ArtifactError, match="the device is gone"):
        tune(path, dying, database, Asked(20))
    assert path.read_bytes() == packed()
    assert len(database.read()) == 4
