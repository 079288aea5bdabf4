import pytest

from bitsback.errors import RecipeError, RunError
from bitsback.recipe.text import parse
from bitsback.run.fit import fit
from bitsback.run.materials import gather
from bitsback.run.moments import MomentCheck, check_moments
from bitsback.run.watcher import Watcher
from tests.run.tiny import CONTENT, REGRESSION

ASKED = MomentCheck(draws=400, inputs=8)


def test_every_random_layer_is_compared_and_the_journal_keeps_it(copied_run):
    run = copied_run
    found = check_moments(run, gather(parse(CONTENT)), ASKED)
    assert [layer.operator for layer in found] == ["linear", "relu", "linear"]
    assert found[-1].mean_error < 0.05
    assert found[-1].std_ratio == pytest.approx(1, abs=0.25)
    (row,) = [row for row in run.rows() if row.what == "moment_check"]
    assert row.of == {"stage": "compressed", "form": "propagated", "draws": 400, "inputs": 8}
    assert row.series is not None
    assert row.series["std_ratio"] == [layer.std_ratio for layer in found]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [({"stage": "raw"}, "stage is 'raw'"), ({"draws": 1}, "draws is 1"), ({"inputs": 0}, "inputs is 0")],
)
def test_what_cannot_be_asked_is_refused(settings, sentence):
    with pytest.raises(RecipeError, match=sentence):
        MomentCheck(**settings)


def test_a_point_has_no_moments(tmp_path):
    run, materials, _ = fit(tmp_path / "point", parse(REGRESSION), Watcher(), command="bitsback fit point")
    with pytest.raises(RunError, match="a point, whose weights have no variance"):
        check_moments(run, materials, MomentCheck(stage="dense"))
