"""A device behind TVM's RPC as a place where native libraries are timed, for numerics too.

A device that goes away in the middle is one error, or, where the limits say to wait, is waited for: what it was given is given
to it again, the turn that was lost is taken again, and the ones before it are kept.
"""

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TypeVar

import numpy as np

from bitsback.errors import ArtifactError, DeviceError
from bitsback.lower.build.compiler import need_compiler
from bitsback.lower.build.remote.address import Address
from bitsback.lower.build.remote.session import Limits, LostError, Session
from bitsback.lower.run.native.library import Library
from bitsback.lower.run.native.plan import Plan
from bitsback.lower.run.onnx import Outputs
from bitsback.measure.workbench import Description, order, outputs_of

T = TypeVar("T")

_TURN = 0.25  # seconds of work that are asked for at a time
_PAUSE = 0.5  # seconds between two attempts to find a device again
_LOSSES = 3  # of one turn, with the device there each time, before its own work is taken to be what ends it


class RemoteBench:
    """A device that another machine, or another process of this one, serves; held until it is closed."""

    def __init__(
        self,
        address: Address,
        limits: Limits | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Call the device.

        Args:
            address: Where it is.
            limits: How long it is waited for.
            tell: Is told when it is waited for.

        Raises:
            DeviceError: It is not there, is busy, or is something else.
            MissingExtraError: TVM is not installed.
        """
        need_compiler()
        self._address, self._limits, self._tell = address, limits or Limits(), tell
        self._session: Session | None = None
        self._description: Description | None = None
        self._held: object = None
        self._lasting(lambda _: None)

    def __enter__(self) -> "RemoteBench":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the device go."""
        if self._session is not None:
            self._session.close()
        self._session = self._held = None

    @property
    def name(self) -> str:
        """The processor."""
        return self._known.name

    @property
    def targets(self) -> tuple[str, ...]:
        """What runs there."""
        return self._known.targets

    def seconds(self, plan: Plan, libraries: Sequence[Library], inputs: np.ndarray, repeats: int) -> np.ndarray:
        """Time single calls, in turns."""
        return self.together([(plan, each) for each in libraries], inputs, repeats)

    def together(
        self,
        compiled: Sequence[tuple[Plan, Library]],
        inputs: np.ndarray,
        repeats: int,
        watch: Callable[[int, int], None] = lambda *_: None,
    ) -> np.ndarray:
        """Time single calls of libraries of several plans, in turns.

        Args:
            compiled: Each library with what it was compiled from, and with a function for this batch.
            inputs: One batch, raw float32 `[B, *shape]`.
            repeats: Rounds that count.
            watch: Is told how many rounds there are of how many.

        Returns:
            `[repeats, len(compiled)]`, in seconds.

        Raises:
            ArtifactError: A library is for another processor, has no such function, or cannot be loaded there.
            DeviceError: The device is gone, or hangs.
        """
        orders = self._orders(compiled, len(inputs))
        found = np.empty((0, len(compiled)))
        count, warmup = 1, 1
        while len(found) < repeats:
            how = (min(count, repeats - len(found)), warmup, len(found))

            def timed(session: Session, how: tuple[int, int, int] = how) -> bytes:
                self._give(session, orders, inputs)
                return bytes(session.call("time", *how))

            rounds = np.frombuffer(self._lasting(timed)).reshape(-1, len(compiled))
            found = np.concatenate([found, rounds])
            count = max(1, int(_TURN / rounds.sum(1).mean()))
            warmup = max(1, count // 10)
            watch(len(found), repeats)
        return found

    def answers(self, plan: Plan, library: Library, inputs: np.ndarray) -> Outputs:
        """What a library answers there.

        Args:
            plan: What it was compiled from.
            library: It has a function for this batch.
            inputs: One batch, raw float32 `[B, *shape]`.

        Raises:
            ArtifactError: It is for another processor, has no such function, or cannot be loaded there.
            DeviceError: The device is gone, or hangs.
        """
        orders = self._orders([(plan, library)], len(inputs))

        def answered(session: Session) -> bytes:
            self._give(session, orders, inputs)
            return bytes(session.call("answer", 0))

        return outputs_of(self._lasting(answered), len(inputs), plan.outputs)

    @property
    def _known(self) -> Description:
        if self._description is None:
            raise DeviceError(f"{self._address} has not said what it is")
        return self._description

    def _orders(self, compiled: Sequence[tuple[Plan, Library]], batch: int) -> list[tuple[str, bytes, bytes]]:
        """What the device is given; a library that it cannot run does not reach it.

        Raises:
            ArtifactError: It cannot run one, or one has no function for this batch.
        """
        for _, library in compiled:
            if library.target not in self.targets:
                raise ArtifactError(
                    f"a library is for {library.target}, and {self._address} is {self.name}, which runs "
                    f"{', '.join(self.targets) or 'no target that there is'}"
                )
        return [order(plan, library, batch) for plan, library in compiled]

    def _give(self, session: Session, orders: Sequence[tuple[str, bytes, bytes]], inputs: np.ndarray) -> None:
        """Hand the device what is to be timed, unless it has it."""
        if self._held is orders:
            return
        self._held = None
        session.call("clear")
        for each in orders:
            session.call("put", *each)
        session.call("fill", np.ascontiguousarray(inputs, np.float32).tobytes())
        self._held = orders

    def _lasting(self, work: Callable[[Session], T]) -> T:
        """What some work on the device gives, begun anew where the device was lost, while there is time to wait.

        Raises:
            DeviceError: It is gone for too long, or goes whenever it does this work.
        """
        end: float | None = None
        losses = 0
        while True:
            try:
                session = self._session or self._opened()
                losses += 1
                return work(session)
            except LostError as error:
                self.close()
                if losses >= _LOSSES:
                    said = f"{error}, {losses} times in the same turn: what runs there may be what ends it"
                    raise DeviceError(said) from None
                if end is None and self._limits.wait:
                    self._tell(f"{error}; waiting for it for {self._limits.wait:g} s")
                end = time.monotonic() + self._limits.wait if end is None else end
                if time.monotonic() >= end:
                    raise DeviceError(str(error)) from None
                time.sleep(_PAUSE)

    def _opened(self) -> Session:
        session = Session(self._address, self._limits)
        if self._description not in {None, session.description}:
            session.close()
            raise DeviceError(f"{self._address} was {self.name}, and is {session.description.name} now")
        self._session, self._description = session, session.description
        return session
