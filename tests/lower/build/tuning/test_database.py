import fcntl
import json

import pytest

from bitsback.errors import RunError
from bitsback.lower.build.tuning.database import Database, Trial
from bitsback.lower.run.native.layout import VERSION
from bitsback.lower.run.native.tiles import Tile
from tests.lower.build.tuning.benches import BEST, CONV, TARGET, VECTORS

FIRST = Trial("a processor", TARGET, CONV, BEST, Tile(3, 2), 1.5e-6, 2e-6, 0.75, 200)
SECOND = Trial("a processor", TARGET, VECTORS, Tile(1, 1, 4, 2), BEST, 1e-3, 1e-3, 1.0, 8)


@pytest.fixture
def database(tmp_path):
    found = Database(tmp_path / "tuning.jsonl")
    assert found.read() == []
    assert not found.path.exists()
    found.add(FIRST)
    found.add(SECOND)
    return found


def test_what_is_written_is_read(database):
    assert database.read() == [FIRST, SECOND]


def test_a_line_that_was_cut_off_is_passed_over_and_goes_with_the_next_trial(database):
    data = database.path.read_bytes()
    head, first, _, _ = data.split(b"\n")
    ends = [len(head) + len(first) + 1, len(data) - 1]
    for size in {*range(0, len(data), 29), *(end + more for end in (len(head), *ends) for more in (-1, 0))}:
        database.path.write_bytes(data[:size])
        whole = sum(size >= end for end in ends)
        assert database.read() == [FIRST, SECOND][:whole]
        database.add(SECOND)
        assert database.read() == [*[FIRST, SECOND][:whole], SECOND]


def test_who_begins_it_while_another_does_leaves_one_head(tmp_path, monkeypatch):
    database, lock = Database(tmp_path / "tuning.jsonl"), fcntl.flock

    def late(file, how):
        monkeypatch.undo()
        database.add(FIRST)
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    database.add(SECOND)
    assert database.read() == [FIRST, SECOND]


def change(number, **values):
    def changed(lines):
        said = json.loads(lines[number])
        for name, value in values.items():
            inner = said
            *path, last = name.split("__")
            for each in path:
                inner = inner[each]
            inner[last] = value
        lines[number] = json.dumps(said).encode()

    return changed


def put(number, line):
    return lambda lines: lines.__setitem__(number, line)


DAMAGE = {
    "another-version": (
        change(0, version=2),
        r"is of version 2 and layout \d, and this bitsback has version 1 and layout",
    ),
    "another-layout": (change(0, layout=VERSION + 1), f"is of version 1 and layout {VERSION + 1}, and this"),
    "another-kind": (change(0, format="bitsback-run"), "is no tuning database: it begins with"),
    "a-picture": (put(0, b"\x89PNG\r"), "is no tuning database: it begins with b'.x89PNG"),
    "deep": (put(0, b"[" * 100_000), "is no tuning database: it begins with b'\\[\\["),
    "no-head": (lambda lines: lines.pop(0), "is no tuning database"),
    "noise": (put(1, b"x" * 50), "is damaged: line 2 is not the JSON"),
    "cut-in-the-middle": (lambda lines: lines.__setitem__(1, lines[1][:40]), "is damaged: line 2 is not the JSON"),
    "empty-line": (lambda lines: lines.insert(1, b""), "is damaged: line 2 is not"),
    "a-number": (put(1, b"3"), "is damaged: line 2 is 3, where a JSON object belongs"),
    "no-ratio": (change(1, ratio=None), "ratio"),
    "ratio-zero": (change(2, ratio=0), "line 3 has a time, a ratio or a number of rounds that is not above 0"),
    "seconds-negative": (change(2, seconds=-1.0), "not above 0"),
    "tile-of-text": (change(1, tile__vectors="2"), "line 2's tile has vectors '2', where an integer belongs"),
    "no-positions": (change(1, beside__positions=0), "line 2's beside has positions 0; it must be 1"),
    "flat-kernel": (change(1, shape__kernel=[3]), r"line 2's shape has kernel \(3,\), where rows and columns belong"),
    "other-variances": (change(1, shape__variances="some"), "line 2's shape has variances 'some'; known are none"),
    "unknown-key": (change(1, more=1), "'more', which this version does not know"),
    "unknown-threads": (change(1, shape__threads=2), "'threads', which this version does not know"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_one_sentence_and_the_file_stays(name, database):
    damage, said = DAMAGE[name]
    lines = database.path.read_bytes().split(b"\n")
    damage(lines)
    database.path.write_bytes(b"\n".join(lines))
    before = database.path.read_bytes()
    with pytest.raises(RunError, match=said) as found:
        database.read()
    assert str(database.path) in str(found.value)
    assert database.path.read_bytes() == before


def test_a_file_of_another_kind_without_any_line_is_not_taken_for_one_that_was_cut_off(tmp_path):
    database = Database(tmp_path / "model.onnx")
    database.path.write_bytes(b"\x08\x0a\x12\x07pytorch"[:1] + b"no line at all")
    with pytest.raises(RunError, match="is no tuning database"):
        database.read()


def test_what_cannot_be_read_or_written_is_said(tmp_path):
    with pytest.raises(RunError, match="cannot be read: Is a directory"):
        Database(tmp_path).read()
    with pytest.raises(RunError, match="cannot be written: No such file or directory"):
        Database(tmp_path / "none" / "tuning.jsonl").add(FIRST)
