"""The database of tuning: every trial as one line of JSON, which another artifact or a later run finds again.

```
{"format":"bitsback-tuning","layout":4,"version":1}
{"device":"AMD EPYC (x86_64)","target":"x86-64-v3","shape":{...},"tile":{...},"beside":{...},"seconds":...,...}
```

A trial holds for layers of the same shape in any network, on devices of the same name. A line is written and synced before the
next trial begins, so that a killed process loses no more than the one that it was at.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bitsback.durable import append
from bitsback.errors import ArtifactError, RunError, reason
from bitsback.lower.build.tuning.shape import Members, Shape
from bitsback.lower.run.native.layout import VERSION
from bitsback.lower.run.native.plan import VARIANCES
from bitsback.lower.run.native.record import tile_from, tile_record
from bitsback.lower.run.native.tiles import Tile
from bitsback.strict_json import Fields, is_object, parse

FORMAT = "bitsback-tuning"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Trial:
    """One tile beside the best one before it, in the same rounds.

    Attributes:
        device: the processor on which it was measured.
        target: what it was compiled for.
        shape: the product.
        tile: how it was cut.
        beside: the tile that it was compared with.
        seconds: the median of its time for one product.
        beside_seconds: the other's.
        ratio: the median of the rounds' own ratios, below 1 where `tile` is faster.
        rounds: how many.
    """

    device: str
    target: str
    shape: Shape
    tile: Tile
    beside: Tile
    seconds: float
    beside_seconds: float
    ratio: float
    rounds: int


@dataclass(frozen=True)
class Database:
    """The trials of one file; the file need not exist yet."""

    path: Path

    def read(self) -> list[Trial]:
        """All trials, oldest first; a last line that a killed process left half-written is passed over.

        Raises:
            RunError: the file is no database of this version, a line before the last is no trial, or it cannot be read.
        """
        try:
            content = self.path.read_bytes() if self.path.exists() else b""
        except OSError as error:
            raise RunError(f"the tuning database {self.path} cannot be read: {reason(error)}") from error
        head, *lines = content.split(b"\n")
        if head != _HEAD and (lines or not _HEAD.startswith(head)):
            raise RunError(f"the tuning database {self.path} {_refusal(head)}")
        if lines and not is_object(lines[-1]):
            lines.pop()
        return [self._trial(line, number) for number, line in enumerate(lines, 2)]

    def add(self, trial: Trial) -> None:
        """Write a trial at the end and sync it to the disk.

        Raises:
            RunError: the file cannot be written.
        """
        line = json.dumps(_said(trial), allow_nan=False, separators=(",", ":")).encode() + b"\n"
        try:
            append(self.path, line, is_object, head=_HEAD + b"\n")
        except OSError as error:
            raise RunError(f"the tuning database {self.path} cannot be written: {reason(error)}") from error

    def _trial(self, line: bytes, number: int) -> Trial:
        where = f"line {number}"
        try:
            return _trial(Fields(parse(line, where), where))
        except ArtifactError as error:
            raise RunError(f"the tuning database {self.path} is damaged: {error}") from error


_HEAD = json.dumps({"format": FORMAT, "layout": VERSION, "version": FORMAT_VERSION}, separators=(",", ":")).encode()
_COUNTS = ("batch", "height", "width", "inputs", "outputs")
_PAIRS, _FLAGS = ("kernel", "stride", "padding"), ("varied", "random")


def _refusal(head: bytes) -> str:
    advice = "name another file with --database"
    found = json.loads(head) if is_object(head) else {}
    if found.get("format") != FORMAT:
        return f"is no tuning database: it begins with {head[:40]!r}; {advice}"
    versions = f"version {str(found.get('version'))[:20]} and layout {str(found.get('layout'))[:20]}"
    return f"is of {versions}, and this bitsback has version {FORMAT_VERSION} and layout {VERSION}; {advice}"


def _said(trial: Trial) -> dict[str, Any]:
    tiles = {"tile": tile_record(trial.tile), "beside": tile_record(trial.beside)}
    return {**vars(trial), "shape": asdict(trial.shape), **tiles}


def _trial(fields: Fields) -> Trial:
    tile, beside = (tile_from(Fields(fields.of(name, dict), f"{fields.where}'s {name}")) for name in ("tile", "beside"))
    found = Trial(
        fields.of("device", str),
        fields.of("target", str),
        _shape(Fields(fields.of("shape", dict), f"{fields.where}'s shape")),
        tile,
        beside,
        fields.number("seconds"),
        fields.number("beside_seconds"),
        fields.number("ratio"),
        fields.of("rounds", int),
    )
    fields.close()
    if not min(found.seconds, found.beside_seconds, found.ratio, found.rounds) > 0:
        raise ArtifactError(f"{fields.where} has a time, a ratio or a number of rounds that is not above 0")
    return found


def _shape(fields: Fields) -> Shape:
    batch, height, width, inputs, outputs = (fields.of(name, int) for name in _COUNTS)
    kernel, stride, padding = (_pair(fields, name) for name in _PAIRS)
    varied, random = (fields.of(name, bool) for name in _FLAGS)
    variances = fields.of("variances", str)
    members = (
        None if fields.absent("members") else _members(Fields(fields.of("members", dict), f"{fields.where}'s members"))
    )
    found = Shape(batch, height, width, inputs, outputs, kernel, stride, padding, varied, random, variances, members)
    fields.close()
    if found.variances not in VARIANCES:
        raise ArtifactError(f"{fields.where} has variances {found.variances!r:.40}; known are {', '.join(VARIANCES)}")
    return found


def _members(fields: Fields) -> Members:
    count, groups, kept = (fields.of(name, int) for name in ("count", "groups", "kept"))
    blocks, spread, rectified = (fields.of(name, bool) for name in ("blocks", "spread", "rectified"))
    found = Members(count, fields.of("stored", str), groups, kept, blocks, spread, rectified)
    fields.close()
    return found


def _pair(fields: Fields, name: str) -> tuple[int, int]:
    found = fields.each(name, int)
    if len(found) != 2:
        raise ArtifactError(f"{fields.where} has {name} {str(found)[:40]}, where rows and columns belong")
    return found[0], found[1]
