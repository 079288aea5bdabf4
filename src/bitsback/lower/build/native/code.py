"""Writing a function for TVM as it will run: loops, vectors and registers, with no schedule between.

TVM's primitives decide the loops of an operator one by one; here whole networks become one function whose every loop is
known, so that the statements are written down directly and LLVM has only registers to assign.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tvm import tirx

from bitsback.lower.run.native.lanes import LANES

_INLINE = {"disable_lower_builtin": tirx.IntImm("int32", 1)}


class Code:
    """Statements of one function, in the order in which they are added."""

    def __init__(self) -> None:
        self._open: list[list[Any]] = [[]]

    def add(self, statement: Any) -> None:
        """A statement at the end of the block that is open."""
        self._open[-1].append(statement)

    def loop(self, count: Any, body: Callable[[Any], None], name: str = "i") -> None:
        """`body` for each index below `count`, a number or what is computed; a loop of one is no loop."""
        if isinstance(count, int) and count <= 1:
            if count == 1:
                body(0)
            return
        index = tirx.Var(name, "int32")
        with self._block() as statements:
            body(index)
        if statements:
            self.add(tirx.For(index, integer(0), _index(count), tirx.ForKind.SERIAL, joined(statements)))

    def registers(self, count: int, lanes: int = LANES) -> "Registers":
        """`count` vectors that stay in registers while every index is a number."""
        buffer = tirx.decl_buffer((count * lanes,), "float32", name="registers", scope="global")
        self.add(tirx.AllocBuffer(buffer, _INLINE))
        return Registers(self, buffer, lanes)

    def filled(self, count: int, value: float, lanes: int = LANES) -> "Registers":
        """`count` of them that begin with a number in every lane."""
        found = self.registers(count, lanes)
        for index in range(count):
            found[index] = spread(value, lanes)
        return found

    def let(self, value: Any) -> Any:
        """A number or vector, computed once.

        It is kept in a variable on the stack, which LLVM turns to a register. TVM has a binding of its own, but its passes put
        the bound expression in the place of every use, and take exponential time over a chain of them.
        """
        kind = value.ty.dtype
        buffer = tirx.decl_buffer((kind.lanes,), str(kind.with_lanes(1)), name="t", scope="global")
        self.add(tirx.AllocBuffer(buffer, _INLINE))
        at = [integer(0) if kind.lanes == 1 else _ramp(0, kind.lanes)]
        self.add(tirx.BufferStore(buffer, value, at))
        return tirx.BufferLoad(buffer, at)

    def store(self, buffer: Any, at: Any, value: Any) -> None:
        """A vector to `at` and the elements after it."""
        self.add(tirx.BufferStore(buffer, value, [_ramp(at, value.ty.dtype.lanes)]))

    def put(self, buffer: Any, at: Any, value: Any) -> None:
        """A number to `at`."""
        self.add(tirx.BufferStore(buffer, value, [at]))

    def function(self, name: str, params: Sequence[Any]) -> Any:
        """The whole, as a function of buffers."""
        return tirx.PrimFunc(list(params), joined(self._open[0])).with_attr({
            "global_symbol": name,
            "tirx.noalias": True,
        })

    @contextmanager
    def _block(self) -> Iterator[list[Any]]:
        self._open.append([])
        try:
            yield self._open[-1]
        finally:
            self._open.pop()


class Registers:
    """Vectors of a `Code`, by number."""

    def __init__(self, code: Code, buffer: Any, lanes: int) -> None:
        self._code, self._buffer, self._lanes = code, buffer, lanes

    def __getitem__(self, index: int) -> Any:
        return vector(self._buffer, index * self._lanes, self._lanes)

    def __setitem__(self, index: int, value: Any) -> None:
        self._code.store(self._buffer, index * self._lanes, value)

    def lane(self, number_: int) -> Any:
        """One lane, counted over all vectors."""
        return scalar(self._buffer, number_)

    def total(self, index: int) -> Any:
        """The sum over the lanes of a vector."""
        parts = [scalar(self._buffer, index * self._lanes + lane) for lane in range(self._lanes)]
        while len(parts) > 1:
            parts = [self._code.let(left + right) for left, right in zip(parts[::2], parts[1::2], strict=True)]
        return parts[0]


def joined(statements: Sequence[Any]) -> Any:
    """Statements as one."""
    return statements[0] if len(statements) == 1 else tirx.SeqStmt(list(statements))


def vector(buffer: Any, at: Any, lanes: int = LANES) -> Any:
    """The elements from `at` on, as a vector."""
    return tirx.BufferLoad(buffer, [_ramp(at, lanes)])


def scalar(buffer: Any, at: Any) -> Any:
    """The element at `at`."""
    return tirx.BufferLoad(buffer, [_index(at)])


def low_half(pair: Any) -> Any:
    """Of each float32 in a vector, the number whose bfloat16 its low 16 bits are (`lower.run.native.halves`)."""
    bits = tirx.reinterpret(f"uint32x{LANES}", pair)
    return tirx.reinterpret(f"float32x{LANES}", bits << tirx.Broadcast(tirx.const(16, "uint32"), integer(LANES)))


def whole(buffer: Any, at: Any) -> Any:
    """The whole number whose bits the element at `at` has."""
    return tirx.reinterpret("int32", scalar(buffer, at))


def small(buffer: Any, at: Any, lanes: int) -> Any:
    """Whole numbers of 8 bits, four in each element from `at` on, as a vector of float32."""
    packed: Any = tirx.reinterpret(f"int8x{lanes}", vector(buffer, at, lanes // 4))
    return packed.astype(f"int32x{lanes}").astype(f"float32x{lanes}")


def upper(buffer: Any, at: Any, lanes: int) -> Any:
    """Numbers of bfloat16, two in each element from `at` on, as a vector of float32, whose upper halves they are."""
    packed: Any = tirx.reinterpret(f"uint16x{lanes}", vector(buffer, at, lanes // 2))
    bits = packed.astype(f"uint32x{lanes}") << tirx.Broadcast(tirx.const(16, "uint32"), integer(lanes))
    return tirx.reinterpret(f"float32x{lanes}", bits)


def spread(value: Any, lanes: int = LANES) -> Any:
    """A number in every lane."""
    return tirx.Broadcast(number(value) if isinstance(value, int | float) else value, integer(lanes))


def number(value: float) -> Any:
    """A float32."""
    return tirx.const(value, "float32")


def integer(value: int) -> Any:
    """An int32."""
    return tirx.IntImm("int32", value)


def _ramp(at: Any, lanes: int) -> Any:
    return tirx.Ramp(_index(at), integer(1), integer(lanes))


def _index(at: Any) -> Any:
    return integer(at) if isinstance(at, int) else at
