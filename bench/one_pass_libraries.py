"""What is compiled of the study's posteriors, kept beside them: a ResNet-20 takes a minute to trace and compile."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import bitsback
from bitsback.durable import replace_file
from bitsback.lower.build.native.library import build
from bitsback.lower.build.tuning.database import Database
from bitsback.lower.build.tuning.search import Job, search
from bitsback.lower.build.tuning.shape import shapes_of
from bitsback.lower.run.native.library import Call, Entry, open_library
from bitsback.lower.run.native.plan import Plan
from bitsback.lower.run.native.record import library_from, library_record, plan_from, plan_record
from bitsback.lower.run.native.targets import runnable
from bitsback.lower.run.native.tiles import Tile
from bitsback.measure.native import Here

_SOURCES = ("lower/build/native", "lower/run/native", "moments", "form")


@dataclass(frozen=True)
class Kept:
    """Where what was compiled is kept.

    Attributes:
        run: The run folder of the posterior, in which it gets a folder.
        trials: Tuning trials for each shape of a layer; 0 for customary tiles.
    """

    run: Path
    trials: int = 0

    @property
    def folder(self) -> Path:
        """For files."""
        return self.run / "libraries"

    def call(self, name: str, batch: int, make: Callable[[], Plan]) -> tuple[Call, Plan]:
        """A function of one batch, ready to be called, and its plan.

        Args:
            name: Of what it computes.
            batch: Its batch.
            make: Traces the plan, where it is not kept.
        """
        plan = self._plan(name, make)
        path = self.folder / f"{name}-{batch}{'-tuned' if self.trials else ''}-{self._digest()}.npz"
        if not path.is_file():
            entry = Entry(batch, self._tiles(plan, batch))
            library = build(plan, runnable()[0], [entry])
            _write(path, library_record(library, plan), {"code": np.frombuffer(library.code, np.uint8)})
        said, arrays = _read(path)
        return open_library(plan, library_from(said, arrays["code"], plan)).calls[batch], plan

    def graph(self, name: str, make: Callable[[], bytes]) -> bytes:
        """An ONNX graph.

        Args:
            name: Of what it computes.
            make: Exports it, where it is not kept.
        """
        path = self.folder / f"{name}-{self._digest()}.onnx"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, [make()])
        return path.read_bytes()

    def array(self, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        """An array.

        Args:
            name: Of what it is.
            make: Makes it, where it is not kept.
        """
        path = self.folder / f"{name}-{self._digest()}.npz"
        if not path.is_file():
            _write(path, None, {name: make()})
        return _read(path)[1][name]

    def _plan(self, name: str, make: Callable[[], Plan]) -> Plan:
        path = self.folder / f"{name}-{self._digest()}.npz"
        if not path.is_file():
            _write(path, *plan_record(make()))
        return plan_from(*_read(path))

    def _digest(self) -> str:
        """Names the posterior, and the code that traces and compiles."""
        root, found = Path(bitsback.__file__).parent, hashlib.sha256()
        sources = (path for folder in _SOURCES for path in sorted((root / folder).rglob("*.py")))
        results = (self.run / f"{name}.safetensors" for name in ("posterior", "compressed"))
        for path in (*(each for each in results if each.exists()), *sources):
            found.update(path.read_bytes())
        return found.hexdigest()[:12]

    def _tiles(self, plan: Plan, batch: int) -> Mapping[int, Tile]:
        """The fastest tiles that trials found; trials are shared by all layers of one shape."""
        if not self.trials:
            return {}
        shapes, database, found = shapes_of(plan, batch), Database(self.folder / "tuning.jsonl"), {}
        for shape in {*shapes.values()}:
            job = Job({shape: 1}, Here(), runnable()[0])
            found[shape] = job.known(search(job, self.trials, database))[shape].best
        return {index: found[shape] for index, shape in shapes.items()}


def _write(path: Path, said: object, arrays: Mapping[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part.npz")
    named: dict[str, Any] = {f"_{name}": each for name, each in arrays.items()}
    np.savez(beside, said=np.frombuffer(json.dumps(said).encode(), np.uint8), **named)
    beside.replace(path)


def _read(path: Path) -> tuple[dict[str, object], dict[str, np.ndarray]]:
    with np.load(path, allow_pickle=False) as file:
        said = json.loads(file["said"].tobytes())
        return said, {name.removeprefix("_"): file[name] for name in file.files if name != "said"}
