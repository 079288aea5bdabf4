"""What positions have in common (`positions`) through what leaves it as it is: pools, thinned shortcuts and sums."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tvm import tirx

from bitsback.lower.build.native.code import LANES, Code, spread, vector
from bitsback.lower.build.native.pointwise import offset
from bitsback.lower.run.native.layout import Place
from bitsback.lower.run.native.plan import Sum

_TINY = 1e-30


def kept(code: Code, scratch: Any, source: Place, target: Place) -> None:
    """S where positions correlate as before: after a pool."""
    views = _View(source), _View(target)

    def channels(each: Any, index: Any) -> None:
        found = _kept(code, scratch, views, (each, index * LANES))
        code.store(scratch, common_of(target) + each * target.stride + index * LANES, found)

    channels_of(code, target, channels)


def added(code: Code, scratch: Any, places: tuple[Place, Place, Place], step: Sum) -> None:
    """S of a sum of independent values, one of them perhaps looked at through a view."""
    first, other, target = places
    thinned = _View(other, step.second.step, (target.map.height, target.map.width))
    reach = range(step.second.channel // LANES, (step.second.channel + other.stride) // LANES)

    def one(each: Any) -> None:
        for index in range(target.stride // LANES):
            at = index * LANES
            parts = []
            if first.common is not None:
                parts.append(vector(scratch, first.common + each * first.stride + at))
            if other.common is not None and index in reach:
                inside = at - step.second.channel
                if step.second.step == (1, 1):
                    parts.append(vector(scratch, other.common + each * other.stride + inside))
                else:
                    parts.append(_kept(code, scratch, (_View(other), thinned), (each, inside)))
            whole = parts[0] if parts else spread(0.0)
            for part in parts[1:]:
                whole = whole + part
            code.store(scratch, common_of(target) + each * target.stride + at, whole * spread(step.factor))

    code.loop(target.batch, one, "each")


@dataclass(frozen=True)
class _View:
    """Every n-th row and column of a value, of which there are so many."""

    of: Place
    step: tuple[int, int] = (1, 1)
    shape: tuple[int, int] | None = None

    @property
    def positions(self) -> tuple[int, int]:
        return self.shape or (self.of.map.height, self.of.map.width)

    def spreads(self, code: Code, scratch: Any, each: Any, at: Any) -> tuple[Any, Any]:
        """⟨std⟩ and ⟨var⟩ of the channels at `at`."""
        sums = code.filled(2, 0.0)

        def position(row: Any, column: Any) -> None:
            where = offset(self.of, each, row * self.step[0], column * self.step[1]) + at
            var = code.let(vector(scratch, var_of(self.of) + where))
            sums[0] = sums[0] + tirx.sqrt(var)
            sums[1] = sums[1] + var

        rows, columns = self.positions
        code.loop(rows, lambda row: code.loop(columns, lambda column: position(row, column), "column"), "row")
        std, var = (code.let(sums[which] * spread(1 / (rows * columns))) for which in range(2))
        return std, var


def _kept(code: Code, scratch: Any, views: tuple[_View, _View], where: tuple[Any, Any]) -> Any:
    before, after = views
    each, at = where
    common = vector(scratch, common_of(before.of) + each * before.of.stride + at)
    rows, columns = before.positions
    share = share_of(code, common, *before.spreads(code, scratch, each, at), rows * columns)
    std, var = after.spreads(code, scratch, each, at)
    rows, columns = after.positions
    return code.let(share * std * std + (spread(1.0) - share) * var * spread(1 / (rows * columns)))


def share_of(code: Code, common: Any, std: Any, var: Any, count: int) -> Any:
    """τ² of so many positions, given S, ⟨std⟩ and ⟨var⟩."""
    apart = code.let(var * spread(1 / count))
    together = code.let(tirx.max(std * std - apart, spread(_TINY)))
    return code.let(tirx.max(tirx.min((common - apart) / together, spread(1.0)), spread(0.0)))


def channels_of(code: Code, place: Place, body: Callable[[Any, Any], None]) -> None:
    """Every vector of channels of every input."""
    code.loop(
        place.batch,
        lambda each: code.loop(place.stride // LANES, lambda index: body(each, index), "channels"),
        "each",
    )


def everywhere(code: Code, place: Place, body: Callable[[Any, Any], None]) -> None:
    """Every position of a map."""
    code.loop(
        place.map.height,
        lambda row: code.loop(place.map.width, lambda column: body(row, column), "column"),
        "row",
    )


def common_of(place: Place) -> int:
    """Where S of a value lies that has one."""
    assert place.common is not None
    return place.common


def var_of(place: Place) -> int:
    """Where the variances of a random value lie."""
    assert place.var is not None
    return place.var
