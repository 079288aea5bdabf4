"""The root of the outputs' covariance, as `moments.outputs.root` has it."""

from dataclasses import dataclass
from typing import Any

from tvm import tirx

from bitsback.lower.build.native.code import LANES, Code, number, scalar, spread, vector
from bitsback.lower.run.native.lanes import padded
from bitsback.lower.run.native.layout import Place
from bitsback.lower.run.native.packing import Correlation
from bitsback.moments.limits import LEAST

_TINY = 1e-30


@dataclass(frozen=True)
class Root:
    """Cholesky's factor of one input's covariance in the scratch buffer, a row of vectors for each of its columns."""

    code: Code
    scratch: Any
    start: int
    classes: int

    @property
    def row(self) -> int:
        """Numbers from one row to the next."""
        return padded(self.classes)

    def share(self, column: Any, index: Any) -> Any:
        """By how much a class's logit moves for one standard deviation of another one's own part."""
        return scalar(self.scratch, self.start + column * self.row + index)


def root(code: Code, scratch: Any, place: Place, found: Correlation, each: Any) -> Root:
    """Write the root of an input's covariance.

    Args:
        code: Where to.
        scratch: The scratch buffer.
        place: Where the logits lie.
        found: Where the covariances were written, and where the root goes.
        each: The input.
    """
    made = Root(code, scratch, found.root, place.map.channels)
    variances = place.var + each * place.each
    pair = found.layer.target.start + each * found.layer.target.each + found.layer.target.mean
    for one in range(made.classes):
        code.put(scratch, made.start + one * made.row + one, scalar(scratch, variances + one))
        for other in range(one):
            for at in (one * made.row + other, other * made.row + one):
                code.put(scratch, made.start + at, scalar(scratch, pair))
            pair = pair + 1
    for column in range(made.classes):
        _eliminate(made, column, scalar(scratch, variances + column))
    return made


def _eliminate(made: Root, column: int, var: Any) -> None:
    """One column, which leaves the rows behind it with what it does not explain."""
    code, scratch, starts = made.code, made.scratch, range(0, made.row, LANES)
    row = made.start + column * made.row
    pivot = code.let(made.share(column, column))
    inverse = number(1.0) / tirx.sqrt(tirx.max(pivot, number(_TINY)))
    scale = code.let(spread(tirx.Select(pivot > var * number(LEAST), inverse, number(0.0))))
    scaled = [code.let(vector(scratch, row + start) * scale) for start in starts]
    for start, part in zip(starts, scaled, strict=True):
        code.store(scratch, row + start, part)

    def below(index: Any) -> None:
        share = code.let(spread(made.share(column, column + 1 + index)))
        for start, part in zip(starts, scaled, strict=True):
            at = row + (index + 1) * made.row + start
            code.store(scratch, at, vector(scratch, at) - share * part)

    code.loop(made.classes - 1 - column, below, "below")
