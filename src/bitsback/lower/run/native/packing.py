"""The constants of a plan in the order in which a library reads them, in one buffer.

The file holds weights as the plan has them, once for all libraries; each library asks for its own order, which is made when it
is loaded.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from bitsback.lower.run.native.constants import Constants
from bitsback.lower.run.native.lanes import LANES, padded
from bitsback.lower.run.native.layout import Place
from bitsback.lower.run.native.member_packing import MemberLayer, keep
from bitsback.lower.run.native.members import MemberProduct
from bitsback.lower.run.native.parts import laid_out
from bitsback.lower.run.native.plan import Factored, Halves, Map, Plan, Product, Rank1, Weighted, Weights
from bitsback.lower.run.native.tiles import Tile, customary, default_tile


@dataclass(frozen=True)
class Packed:
    """The weights of one product in the order in which they are read.

    Attributes:
        numbers: blocks of `vectors` vectors of outputs; in a block, for each kernel row and then each number of the run below
            it, the means, then the variances if each has its own, then the squares of the means if these are `squared`; where
            a tile sums moments apart, all means of a block, then all variances, then all squares.
        bias: `[1 or 2, padded outputs]`, means and variances.
        products: of what is in product form, variances and then squares, the inputs' part `[rows, run]` and the outputs'
            `[padded outputs]`.
        rows: kernel rows that are not adjacent in memory.
        run: adjacent numbers of a row.
        blocks: how many vectors of outputs each block has.
    """

    numbers: np.ndarray
    bias: np.ndarray
    products: tuple[tuple[np.ndarray, np.ndarray], ...]
    rows: int
    run: int
    blocks: tuple[int, ...]
    squared: bool


def pack(weights: Weights, source: Place, tile: Tile, *, squared: bool = False) -> Packed:
    """Order the weights of a layer for the blocks of a tile, with the squares of the means if asked for."""
    outputs, rows, columns, channels = weights.mean.shape
    whole = (rows, columns) == (source.map.height, source.map.width) and not any(source.border)
    run_rows, run = (1, rows * columns * source.stride) if whole else (rows, columns * source.stride)
    width = padded(outputs)

    def ordered(tensor: np.ndarray) -> np.ndarray:
        room = np.zeros((width, rows, columns, source.stride), np.float32)
        room[:outputs, :, :, :channels] = tensor
        return room.reshape(width, run_rows * run).T

    parts = [ordered(weights.mean)]
    if isinstance(weights.var, np.ndarray):
        parts.append(ordered(weights.var))
    if squared:
        parts.append(ordered(weights.mean**2))
    together = np.stack(parts, 0 if tile.apart else 1)  # [1 to 3, K, width] or [K, 1 to 3, width]
    whole_blocks, rest = divmod(width // LANES, tile.vectors)
    blocks = (tile.vectors,) * whole_blocks + ((rest,) if rest else ())
    edges = np.cumsum((0, *blocks)) * LANES
    numbers = np.concatenate([together[:, :, low:high].ravel() for low, high in itertools.pairwise(edges)])
    bias = np.zeros((2, width), np.float32)
    bias[:, :outputs] = weights.bias, weights.bias_var

    def product(of: Rank1) -> tuple[np.ndarray, np.ndarray]:
        inputs = np.zeros((rows, columns, source.stride), np.float32)
        inputs[:, :, :channels] = of.inputs
        across = np.zeros(width, np.float32)
        across[:outputs] = of.outputs
        return inputs.reshape(run_rows, run), across

    products = tuple(product(each) for each in weights.products)
    return Packed(numbers, bias, products, run_rows, run, blocks, squared)


@dataclass(frozen=True)
class Layer:
    """One product with all that its code needs: offsets are in the buffer of constants.

    Attributes:
        step: what it computes.
        source: where its input lies.
        target: where its output goes.
        packed: its weights in order.
        tile: how much is held in registers.
        numbers: the offset of the weights.
        bias: of the biases.
        products: of the inputs' and the outputs' parts of what is in product form.
        random: whether the output has a variance.
        room: the offset in the scratch buffer of room for sums: those of products for each position, and then a number for
            each weight of an output, for what positions have in common.
    """

    step: Product
    source: Place
    target: Place
    packed: Packed
    tile: Tile
    numbers: int
    bias: int
    products: tuple[tuple[int, int], ...]
    random: bool
    room: int

    @property
    def tap_row(self) -> int:
        """How many numbers each kernel row has among the taps."""
        return padded(self.packed.run)

    @property
    def room_size(self) -> int:
        """How many numbers the room holds."""
        taps = self.packed.rows * self.tap_row if self.target.common is not None else 0
        slots = self.target.batch * self.target.each // self.target.stride
        return max(taps, len(self.products) * slots)

    @property
    def squares(self) -> bool:
        """Whether the squares of the means are summed one by one."""
        return self.source.var is not None and len(self.products) < 2

    @property
    def summed(self) -> bool:
        """Whether variances are summed weight by weight."""
        return self.full or self.halves or self.squares

    @property
    def stored(self) -> int:
        """How many numbers are read of each weight."""
        return 1 + self.full + self.packed.squared

    @property
    def full(self) -> bool:
        """Whether each weight has a variance of its own."""
        return isinstance(self.step.weights.var, np.ndarray)

    @property
    def halves(self) -> bool:
        """Whether each weight's variance is in the low half of its mean."""
        return isinstance(self.step.weights.var, Halves)


@dataclass(frozen=True)
class Correlation:
    """Where the covariances of a classification's outputs are found.

    Attributes:
        layer: which makes them from the variances that the last step reads: a row of those with the outputs before for each
            output.
        root: the offset in the scratch buffer of `[C, padded C]` numbers, for one input at a time.
    """

    layer: Layer
    root: int


@dataclass(frozen=True)
class Arrangement:
    """Where everything of a plan lies, for one batch size.

    Attributes:
        part: the plan of the members of one part, or of all.
        places: of each of its values.
        last: of the last value, all members.
        parts: in how many of them members are computed, one after the other.
        constants: all of them.
        scratch: how many numbers the scratch buffer has.
        standard: the offsets of what inputs are standardized by: means, factors.
        layers: of each product, by its step.
        member_layers: of each layer of members, by its step.
        table: of the points of a classification's outputs (`[C + 1, padded K]`, the last row 1 for a point and 0 for padding).
        room: the offset in the scratch buffer of what these need.
        targets: the offsets of a regression's scale and shift, and of its noise variance, summed over targets.
        correlation: of the outputs, where they are looked at with it.
    """

    part: Plan
    places: tuple[Place, ...]
    last: Place
    parts: int
    constants: np.ndarray
    scratch: int
    standard: tuple[int, int]
    layers: dict[int, Layer]
    member_layers: dict[int, MemberLayer]
    table: int
    room: int
    targets: tuple[int, int, int]
    correlation: Correlation | None


def arrange(
    plan: Plan, batch: int, tiles: Mapping[int, Tile] | None = None, together: int | None = None
) -> Arrangement:
    """Where everything of a plan lies.

    Args:
        plan: What is computed.
        batch: For how many inputs at a time.
        tiles: By step, where another tile than the customary one is wanted.
        together: How many numbers of a channel, one for each member, are computed at a time; None for as many as customary.
    """
    one, at, last, count, size = laid_out(plan, batch, together)
    constants = Constants()
    channels = plan.maps[0].channels
    standard = [constants.add(np.resize(each, channels)) for each in (plan.input_mean, plan.input_scale)]
    layers: dict[int, Layer] = {}
    member_layers: dict[int, MemberLayer] = {}
    sums = size + 2 * plan.outputs * padded(len(plan.points))
    for index, step in enumerate(plan.steps):
        if isinstance(step, Weighted):
            first = one.steps[index]
            assert isinstance(first, Weighted)
            tile = (tiles or {}).get(index) or default_tile(one, first, batch)
            if isinstance(step, Product):
                layers[index] = _layer(plan, step, at, (tile, sums), constants)
            else:
                member_layers[index] = _member_layer(one, step, at, tile, constants)
    points = constants.add(_table(plan))
    scale, shift, noise = (constants.add(each) for each in (plan.target_scale, plan.target_shift, plan.noise_var.sum()))
    end = sums + max((each.room_size for each in layers.values()), default=0)
    correlation = None
    if plan.correlated:
        correlation = _correlation(plan, at, end, constants)
        end = correlation.root + plan.outputs * padded(plan.outputs)
    numbers = np.concatenate(constants.parts)
    return Arrangement(
        one, at, last, count, numbers, end, (standard[0], standard[1]), layers, member_layers, points, size,
        (scale, shift, noise), correlation,
    )  # fmt: skip


def _table(plan: Plan) -> np.ndarray:
    """The points of a classification's outputs, filled up to whole vectors, and which of a row are points."""
    table = np.zeros((plan.outputs + 1, padded(len(plan.points))), np.float32)
    table[:-1, : len(plan.points)] = plan.points.T
    table[-1, : len(plan.points)] = 1
    return table


def _member_layer(
    plan: Plan, step: MemberProduct, at: tuple[Place, ...], tile: Tile, constants: Constants
) -> MemberLayer:
    """Of all members, computed so many at a time as the plan has."""
    source, spread = at[step.source], plan.spread(step.source)
    kept = keep(step.weights, source, tile, spread, plan.width)
    starts, offsets = (constants.add_bits(each.astype(np.int32)) for each in (kept.starts, kept.offsets))
    numbers, scale, bias = constants.add_bits(kept.numbers), constants.add(kept.scale), constants.add(kept.bias)
    apart = kept.numbers[0].nbytes // 4
    return MemberLayer(
        step, source, at[step.target], tile, spread, plan.width, starts, offsets, numbers, scale, bias, apart
    )  # fmt: skip


def _correlation(plan: Plan, at: tuple[Place, ...], start: int, constants: Constants) -> Correlation:
    """The covariance of outputs c and d is Σ v w_c w_d: a layer of weights w_c w_d over the variances v."""
    last = plan.steps[-1]
    assert isinstance(last, Product)
    mean, of = last.weights.mean, at[last.source]
    one, other = np.tril_indices(len(mean), -1)
    none = np.zeros(len(one), np.float32)
    weights = Weights(mean[one] * mean[other] * np.float32(last.factor), none, None, none)
    map_ = Map(1, 1, len(one))
    target = Place(map_, padded(len(one)), (0, 0), of.batch, mean=-(-start // LANES) * LANES)
    assert of.var is not None
    source = replace(of, mean=of.var, var=None, second=None, common=None)
    step = Product(last.source, last.target, weights)
    tile = customary(map_, of.batch)
    packed = pack(weights, source, tile)
    numbers, bias = constants.add(packed.numbers), constants.add(packed.bias)
    layer = Layer(step, source, target, packed, tile, numbers, bias, (), random=False, room=0)
    return Correlation(layer, target.mean + of.batch * target.each)


def _layer(plan: Plan, step: Product, at: tuple[Place, ...], how: tuple[Tile, int], constants: Constants) -> Layer:
    tile, room = how
    source, target = at[step.source], at[step.target]
    several = target.map.height * target.map.width > 1  # positions, for each of which squares would be made anew
    squared = several and plan.random[step.source] and not isinstance(step.weights.var, Factored)
    packed = pack(step.weights, source, tile, squared=squared)
    numbers, bias = constants.add(packed.numbers), constants.add(packed.bias)
    products = tuple((constants.add(inputs), constants.add(outputs)) for inputs, outputs in packed.products)
    return Layer(step, source, target, packed, tile, numbers, bias, products, plan.random[step.target], room)
