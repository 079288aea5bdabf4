"""A run folder in which a file was cut, edited or replaced: one sentence, and nothing is changed."""

from dataclasses import replace

import pytest

from bitsback.errors import ArtifactError, DataError, RecipeError, RunError
from bitsback.run.compress import compress
from bitsback.run.fit import fit, recipe_of
from bitsback.run.folder import open_run
from bitsback.run.materials import gather
from bitsback.run.measure import files, timing
from bitsback.run.pack import pack
from bitsback.run.page import write_report
from bitsback.run.watcher import Watcher


def with_recipe(run):
    return gather(recipe_of(run))


STAGES = {
    "fit": lambda run: fit(run.path, recipe_of(run), Watcher(), command="test"),
    "compress": lambda run: compress(run, with_recipe(run)),
    "pack": lambda run: pack(run, with_recipe(run)),
    "measure": lambda run: (timing(run), files(run)),
    "report": write_report,
}


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path):
    path.write_bytes(b"")


def flipped(path):
    data = bytearray(path.read_bytes())
    data[20] ^= 0x40
    path.write_bytes(bytes(data))


def folder(path):
    path.unlink()
    path.mkdir()


def written(text):
    return lambda path: path.write_text(text)


def replaced(before, after):
    def edit(path):
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))

    return edit


def begun(text):
    return lambda path: path.write_text(text + path.read_text())


DAMAGE = {
    "posterior": {
        (damage, stages): said
        for damage, said in ((cut, "cannot be read"), (emptied, "cannot be read"), (flipped, "cannot be read"))
        for stages in (("fit", "compress"),)
    }
    | {(folder, ("fit", "compress")): "is a folder"},
    "compressed": {(cut, ("pack",)): "cannot be read", (folder, ("pack",)): "cannot be read|is a folder"},
    "recipe": {
        (written("x = ["), ("compress", "measure")): "recipe.toml cannot be read",
        (begun("nope = 3\n"), ("compress", "pack")): "recipe.toml is wrong: 'nope' is no key of a recipe",
        (replaced("repeats = 5", "repeats = 'x'"), ("compress",)): "recipe.toml is wrong: measure.repeats is 'x'",
        (replaced("[12]", "[13]"), ("fit", "compress")): r"of another network .*'1.weight' is \(12, 64\)",
        (replaced("seed = 0", "seed = 1"), ("compress",)): "was fitted to other data",
    },
    "journal": {
        (begun("garbage\n"), ("pack", "report")): "line 1 of .*journal.jsonl is not JSON",
        (begun("[1]\n"), ("report",)): "line 1 of .*journal.jsonl is not a measurement",
        (folder, ("report",)): "cannot be read",
    },
    "data": {
        (cut, ("fit", "compress")): "data.json cannot be read",
        (written("[]"), ("pack",)): "data.json cannot be read",
    },
    "model": {(cut, ("measure",)): "it was cut off", (folder, ("measure",)): "is a folder"},
    "dense": {(cut, ("measure",)): "it was cut off"},
}
CASES = [
    (part, damage, stage, said)
    for part, kinds in DAMAGE.items()
    for (damage, stages), said in kinds.items()
    for stage in stages
]


def contents(path):
    return {each: each.read_bytes() for each in path.rglob("*") if each.is_file()}


@pytest.mark.parametrize(("part", "damage", "stage", "said"), CASES, ids=[f"{c[0]}-{c[2]}-{c[3]}" for c in CASES])
def test_what_is_damaged_is_named_and_left_as_it_is(copied_run, part, damage, stage, said):
    damage(copied_run.file(part))
    before = contents(copied_run.path)
    with pytest.raises((RunError, ArtifactError), match=said) as failure:
        STAGES[stage](copied_run)
    assert "\n" not in str(failure.value)
    assert contents(copied_run.path) == before


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"format": "bitsback-run", "version": 7}'])
def test_what_is_no_run_of_this_version_is_not_opened(copied_run, content):
    (copied_run.path / "run.json").write_bytes(content)
    with pytest.raises(RunError):
        open_run(copied_run.path)


def test_a_run_that_diverges_leaves_nothing_where_it_began(tmp_path, copied_run):
    recipe = recipe_of(copied_run)
    wild = replace(recipe, fit=replace(recipe.fit, learning_rate=1e30, epochs=1, batch=240))
    (tmp_path / "new").mkdir()
    for path in (tmp_path / "new", tmp_path / "other"):
        with pytest.raises(DataError, match="a smaller learning rate than 1e\\+30 is needed"):
            fit(path, wild, Watcher(), command="test")
        assert not path.exists()
    kept = replace(recipe, fit=replace(recipe.fit, checkpoint_seconds=5.0))
    copied_run.file("posterior").unlink()
    assert fit(copied_run.path, kept, Watcher(), command="test")[0].has("posterior")


def test_beginning_anew_leaves_the_earlier_run_where_it_cannot_be_done(copied_run, monkeypatch):
    monkeypatch.setenv("PATH", "")
    recipe, before = recipe_of(copied_run), contents(copied_run.path)
    compiled = replace(recipe, fit=replace(recipe.fit, compile=True))
    with pytest.raises(RecipeError, match=r"no C\+\+ compiler is found"):
        fit(copied_run.path, compiled, Watcher(), command="test", fresh=True)
    assert contents(copied_run.path) == before
