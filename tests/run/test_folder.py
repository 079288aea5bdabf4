import json

import pytest
import torch

from bitsback.errors import RunError
from bitsback.posterior.point_posterior import PointPosterior
from bitsback.posterior.store import Stored, save
from bitsback.run.folder import check_free, clear, make, open_run


def test_a_folder_that_is_made_is_opened(tmp_path):
    made = make(tmp_path / "a" / "run", "bitsback fit")
    assert open_run(tmp_path / "a" / "run", "bitsback fit") == made
    assert make(tmp_path / "a" / "run", "bitsback fit") == made


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (None, "there is no run in .*; `bitsback fit .*` makes one"),
        ("{", "cannot be read"),
        ("[]", "is no run folder"),
        (json.dumps({"format": "other"}), "is no run folder"),
        (json.dumps({"format": "bitsback-run", "version": 2, "bitsback": "9.9"}), "version 2, made by bitsback '9.9'"),
    ],
)
def test_what_is_no_run_of_this_version_is_refused(content, match, tmp_path):
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(RunError, match=match):
        open_run(tmp_path)


def test_a_place_that_is_taken_is_refused_and_left_alone(tmp_path):
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path, tmp_path / "file"):
        with pytest.raises(RunError, match="new or empty"):
            check_free(path)
        with pytest.raises(RunError, match="new or empty"):
            make(path, "bitsback fit")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_clearing_removes_what_bitsback_wrote_and_nothing_else(copied_run):
    mine = {"notes.txt", "mine.bitsback", "programs/notes.txt", "cycles"}
    outside = copied_run.path.parent / "outside"
    outside.mkdir()
    (outside / "kept.safetensors").write_text("mine")
    for name in mine - {"cycles"}:
        (copied_run.path / name).write_text("mine")
    (copied_run.path / "cycles").symlink_to(outside)
    clear(copied_run)
    left = {str(path.relative_to(copied_run.path)) for path in copied_run.path.rglob("*")}
    assert left == (mine | {"run.json", "programs"}) - {"cycles"}
    assert (outside / "kept.safetensors").exists()
    assert make(copied_run.path, "bitsback fit").path == copied_run.path


def stored(value: float, history: list) -> Stored:
    posterior = PointPosterior({"w": torch.full((2,), value)}, {})
    return Stored(posterior, torch.zeros(0), history=history)


def test_a_digest_changes_with_whatever_changes_the_program_and_with_nothing_else(tmp_path):
    run = make(tmp_path / "run", "bitsback fit")
    save(run.file("posterior"), stored(1.0, []))
    save(run.file("compressed"), stored(2.0, []))
    digests = {
        run.digest(stage, form, settings)
        for stage in ("dense", "compressed")
        for form, settings in (
            ("point", {}),
            ("ensemble", {"count": 3, "seed": 0}),
            ("ensemble", {"count": 4, "seed": 0}),
            ("ensemble", {"count": 3, "seed": 1}),
            ("propagated", {"count": 3, "seed": 1}),
        )
    }
    assert len(digests) == 10
    before = run.digest("dense", "ensemble", {"count": 3, "seed": 0})
    save(run.file("posterior"), stored(1.0, [{"seconds": 1.0}]))
    assert run.digest("dense", "ensemble", {"seed": 0, "count": 3}) == before


@pytest.mark.parametrize("content", [b"", b"\x05", b"\xff" * 20, (2).to_bytes(8, "little") + b"[]"])
def test_a_digest_of_what_is_damaged_is_refused(content, tmp_path):
    run = make(tmp_path / "run", "bitsback fit")
    run.file("posterior").write_bytes(content)
    with pytest.raises(RunError, match="cannot be read"):
        run.digest("dense", "point", {})
