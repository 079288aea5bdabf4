from dataclasses import replace

import pytest

from bitsback.measure.journal import latest
from bitsback.run.evaluate import evaluate
from bitsback.run.fit import recipe_of
from bitsback.run.materials import gather
from bitsback.run.watcher import Step, Watcher
from tests.run.tiny import CONTENT


def figures(rows):
    return {(row.what, frozenset(row.of.items())): row.value for row in latest(rows)}


def test_a_killed_evaluation_keeps_what_it_measured_and_another_one_completes_it(copied_run):
    materials, whole = gather(recipe_of(copied_run)), figures(copied_run.rows())
    copied_run.file("journal").unlink()

    def interrupt(step: Step) -> None:
        if step.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(copied_run, materials, Watcher(step=interrupt))
    kept = copied_run.rows()
    assert {row.of.get("level") for row in kept} == {None, 0.0, 0.5}
    assert {row.commit for row in kept} == {row.commit for row in copied_run.rows()}
    assert figures(kept).items() <= whole.items()
    again = evaluate(copied_run, materials, Watcher())
    assert copied_run.rows() == [*kept, *again]
    assert figures(copied_run.rows()) == figures(again)
    assert figures(again).items() <= whole.items()


def test_the_watcher_is_told_of_every_step_to_the_last(copied_run):
    told: list[Step] = []
    evaluate(copied_run, gather(recipe_of(copied_run)), Watcher(step=told.append))
    done = [step.done for step in told]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, told[-1].steps)
    assert set(done) == set(range(told[-1].steps + 1))


def test_perturbed_and_swept_rows_say_how_many_samples_they_are_of(copied_run):
    materials = gather(recipe_of(copied_run))
    fewer = replace(materials.recipe.evaluate, perturbed=7, swept=11)
    evaluate(copied_run, replace(materials, recipe=replace(materials.recipe, evaluate=fewer)), Watcher())
    rows = latest(copied_run.rows())
    assert {row.of["samples"] for row in rows if "perturbation" in row.of} == {7}
    assert {row.of["samples"] for row in rows if row.of.get("sweep")} == {11}
    before = len(materials.data.validation.inputs)
    assert CONTENT["evaluate"]["perturbed"] != 7
    assert before > 11
