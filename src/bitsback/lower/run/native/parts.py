"""Members that are computed so many at a time: all layers of some before the next.

A layer over a map reads its weights again for each tile of positions. Those of many members fill more than a cache of the first
level, and their sums leave registers for few positions. What all members have in common is computed once, before them.
"""

from dataclasses import replace
from typing import NamedTuple

from bitsback.errors import ArtifactError
from bitsback.lower.run.native.lanes import LANES
from bitsback.lower.run.native.layout import Place, places
from bitsback.lower.run.native.members import MemberProduct, MemberWeights
from bitsback.lower.run.native.plan import Plan, Step, Sum


def customary(plan: Plan) -> int:
    """How many numbers of a channel, one for each member, are computed at a time where nothing is said.

    Two vectors of them, or one where two do not divide all, where a layer of members is over a map. Else all, for a weight
    that is read once has its place looked up once for all members; and where what they have in common comes late.
    """
    maps = [plan.maps[step.target] for step in plan.steps if isinstance(step, MemberProduct)]
    few = 2 * LANES if plan.width % (2 * LANES) == 0 else LANES
    return few if any(map_.size > map_.channels for map_ in maps) and not misfit(plan, few) else plan.width


def misfit(plan: Plan, together: int) -> str:
    """Why so many cannot be computed at a time, in words; empty where they can."""
    if together == plan.width:
        return ""
    if together <= 0 or together % LANES or plan.width % together:
        return f"{together} at a time do not divide {plan.width} into whole vectors of {LANES}"
    own = [plan.stacked[step.target] for step in plan.steps]
    return "" if own == sorted(own) else "what all members have in common is computed after what they have of their own"


def part(plan: Plan, together: int | None = None) -> Plan:
    """The plan of the first so many members, or of as many as customary; that of any others differs in values alone."""
    together = customary(plan) if together is None else together
    if together == plan.width:
        return plan
    maps = tuple(
        replace(map_, channels=map_.channels // plan.width * together) if own else map_
        for map_, own in zip(plan.maps, plan.stacked, strict=True)
    )
    steps = tuple(_part(step, plan, together) for step in plan.steps)
    return replace(plan, steps=steps, maps=maps, members=together, points=plan.points[:together])


class Layout(NamedTuple):
    """Where the values of a plan lie whose members are computed so many at a time.

    Attributes:
        part: the plan of the members of one part, or of all.
        places: of each of its values.
        last: of the last value, all members.
        parts: how many there are.
        scratch: how many numbers all of that takes.
    """

    part: Plan
    places: tuple[Place, ...]
    last: Place
    parts: int
    scratch: int


def laid_out(plan: Plan, batch: int, together: int | None = None) -> Layout:
    """The values of a plan, for so many inputs and so many members at a time, or as many as customary.

    Raises:
        ArtifactError: so many cannot be computed at a time.
    """
    wrong = "" if together is None else misfit(plan, together)
    if wrong:
        raise ArtifactError(f"a library cannot compute {together} members at a time: {wrong}")
    one = part(plan, together)
    count = plan.width // one.width
    at, size = places(one, batch, parts=count)
    if count == 1:
        return Layout(one, at, at[-1], count, size)
    last = replace(at[-1], map=plan.maps[-1], stride=plan.maps[-1].channels, mean=size)
    return Layout(one, at, last, count, size + batch * last.each)


def _part(step: Step, plan: Plan, together: int) -> Step:
    match step:
        case MemberProduct(weights=of):
            values, scale, bias = (each[:together] for each in (of.values, of.scale, of.bias))
            return replace(step, weights=MemberWeights(values, scale, bias, of.groups, of.kept, of.halved))
        case Sum() if plan.stacked[step.target]:
            second = replace(step.second, channel=step.second.channel // plan.width * together)
            return replace(step, second=second, width=together if step.width > 1 else 1)
        case _:
            return step
