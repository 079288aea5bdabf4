import json
import os
import subprocess
import sys

import numpy as np
import pytest

from bitsback.errors import RunError
from bitsback.measure import journal
from bitsback.measure.journal import Journal, Measurement, latest, stamp
from bitsback.measure.provenance import checkout, provenance

ROWS = [
    Measurement("accuracy", 0.5, "share", of={"stage": "dense", "sparsity": 0.9}, seed=1, spread=(0.4, 0.6), repeats=3),
    Measurement("reliability", None, "", of={"stage": "dense"}, series={"confidence": [0.1, 0.2], "count": [3, 4]}),
    Measurement("misclassification_auroc_total", None, "share", dirty=False, versions={"numpy": "2"}),
]


def test_a_line_that_is_cut_off_is_named(tmp_path):
    file = Journal(tmp_path / "journal.jsonl")
    assert file.cut_line() is None
    file.append([Measurement("accuracy", 0.9, "share"), Measurement("nll", 0.1, "nats")])
    whole = file.path.read_bytes()
    for length in range(len(whole) + 1):
        file.path.write_bytes(whole[:length])
        lines = len(whole[:length].splitlines())
        assert (len(file.read()), file.cut_line()) in {(lines, None), (lines - 1, lines)}
    file.path.write_bytes(whole[:-9])
    assert file.cut_line() == 2


def test_a_figure_on_other_samples_takes_the_place_of_the_one_before():
    rows = [
        Measurement("accuracy", value, "share", of=of)
        for value, of in (
            (0.9, {"level": 0.1}),
            (0.8, {"level": 0.1, "samples": 500}),
            (0.7, {"level": 0.1, "samples": 50}),
            (0.6, {"level": 0.2}),
        )
    ]
    assert [row.value for row in latest(rows)] == [0.7, 0.6]


def test_what_is_appended_is_read_back_in_order(tmp_path):
    book = Journal(tmp_path / "run" / "journal.jsonl")
    assert book.read() == []
    book.append(ROWS[:1])
    book.append(ROWS[1:])
    assert book.read() == ROWS
    assert [json.loads(line)["what"] for line in book.path.read_text().splitlines()] == [row.what for row in ROWS]


def test_every_cut_of_the_file_loses_only_the_rows_it_cuts(tmp_path):
    book = Journal(tmp_path / "journal.jsonl")
    book.append(ROWS)
    whole = book.path.read_bytes()
    ends = [at for at, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(len(whole)):
        book.path.write_bytes(whole[:cut])
        kept = ROWS[: sum(end <= cut for end in ends)]
        assert book.read() == kept
        book.append(ROWS[:1])
        assert book.read() == [*kept, ROWS[0]]


def test_numpy_numbers_are_written_as_plain_ones(tmp_path):
    book = Journal(tmp_path / "journal.jsonl")
    book.append([Measurement("kl", np.float32(0.5), "nats", of={"k": np.int64(3)}, series={"x": np.arange(2)})])  # pyright: ignore
    assert book.read() == [Measurement("kl", 0.5, "nats", of={"k": 3}, series={"x": [0, 1]})]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32("nan"), object()])
def test_what_json_cannot_say_is_refused_and_nothing_written(tmp_path, value):
    book = Journal(tmp_path / "journal.jsonl")
    with pytest.raises(RunError, match="'nll'"):
        book.append([ROWS[0], Measurement("nll", value, "nats")])
    assert book.read() == []


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "[]",
        '{"what": "x"}',
        '{"what": "x", "value": "1", "unit": ""}',
        '{"what": 1, "value": 1, "unit": ""}',
        '{"what": "x", "value": 1, "unit": "", "colour": 1}',
        '{"what": "x", "value": 1, "unit": "", "spread": [1]}',
    ],
)
def test_a_line_that_is_no_row_is_refused_by_its_number(tmp_path, line):
    book = Journal(tmp_path / "journal.jsonl")
    book.append(ROWS)
    book.path.write_text(book.path.read_text() + line + "\n" + journal.to_line(ROWS[0]) + "\n")
    with pytest.raises(RunError, match="line 4 of"):
        book.read()


def test_a_file_that_cannot_be_written_gives_one_error(tmp_path):
    with pytest.raises(RunError, match="cannot be written"):
        Journal(tmp_path).append(ROWS)
    with pytest.raises(RunError, match="cannot be read"):
        Journal(tmp_path).read()


def test_a_full_disk_loses_nothing_and_leaves_no_torn_row(tmp_path, monkeypatch):
    book = Journal(tmp_path / "journal.jsonl")
    book.append(ROWS)
    before = book.path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="No space left"):
        book.append(ROWS)
    assert book.path.read_bytes() == before


def test_two_processes_may_share_a_journal(tmp_path):
    path = tmp_path / "journal.jsonl"
    code = (
        "import sys; from pathlib import Path; from bitsback.measure.journal import *\n"
        "for i in range(30): Journal(Path(sys.argv[1])).append([Measurement('x', i, '', of={'who': sys.argv[2]})])"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), who]) for who in "ab"]
    assert [writer.wait() for writer in writers] == [0, 0]
    rows = Journal(path).read()
    assert [[row.value for row in rows if row.of["who"] == who] for who in "ab"] == [list(range(30))] * 2


def test_latest_keeps_the_last_of_each_what_and_of():
    def row(value, seed=0, **of):
        return Measurement("accuracy", value, "share", of=of, seed=seed)

    rows = [row(1, sparsity=0), row(2, sparsity=0.5), row(3, sparsity=0.0), row(4, seed=1, sparsity=0.5)]
    assert [each.value for each in latest(rows)] == [3, 4]
    assert [each.value for each in latest(rows, by_seed=True)] == [3, 2, 4]


def test_a_latency_is_its_devices_own_and_no_other_figure_is():
    def row(what, value, device):
        return Measurement(what, value, "", of={"batch": 1}, device=device)

    rows = [row(what, value, device) for value, device in enumerate("aba") for what in ("latency", "accuracy")]
    rows.append(row("latency_ratio", 3, "b"))
    found = [(each.what, each.value, each.device) for each in latest(rows, by_device=True)]
    assert found == [("latency", 2, "a"), ("accuracy", 2, "a"), ("latency", 1, "b"), ("latency_ratio", 3, "b")]
    assert [each.value for each in latest(rows)] == [2, 2, 3]


def test_stamped_rows_say_where_they_come_from():
    origin = provenance("bitsback evaluate", seed=7)
    first, second = stamp([ROWS[1], Measurement("latency", 1.0, "s", device="a board", seed=3)], origin)
    assert (first.command, first.seed, first.device) == ("bitsback evaluate", 7, origin.device)
    assert (second.seed, second.device) == (3, "a board")
    assert first.versions["numpy"] == np.__version__
    assert first.series == ROWS[1].series
    assert first.time.endswith("+00:00")


def test_the_commit_is_that_of_the_very_checkout(tmp_path):
    def git(*words):
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        return subprocess.run(["git", "-C", tmp_path, *who, *words], check=True, capture_output=True, text=True).stdout

    assert checkout(tmp_path) == ("", None)
    git("init", "-q")
    (tmp_path / "code.py").write_text("1")
    git("add", "code.py")
    git("commit", "-qm", "one")
    commit = git("rev-parse", "HEAD").strip()
    assert checkout(tmp_path) == (commit, False)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "rows.jsonl").write_text("{}")
    assert checkout(tmp_path) == (commit, False)
    assert checkout(tmp_path / "results") == ("", None)
    (tmp_path / "code.py").write_text("2")
    assert checkout(tmp_path) == (commit, True)


def test_the_journal_imports_nothing_heavy():
    heavy = "{'torch', 'onnxruntime', 'matplotlib'}"
    code = f"import sys, bitsback.measure.journal; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
