"""The table of where structures come from, from the rows of its study."""

from collections.abc import Sequence

from bench.markdown import table
from bitsback.measure.journal import Measurement, latest

SOURCES = {
    "dense": "one network",
    "magnitude": "one, pruned by magnitude in cycles",
    "rewound": "one, the same, begun again at early weights each time",
    "draws": "8 draws of a mean-field posterior",
    "snr_draws": "8 draws, pruned by signal-to-noise in one shot",
    "snr_cycles_draws": "8 draws, the same in cycles with epochs to recover",
    "magnitude_sghmc": "8 samples of `sghmc` in the structure of one pruned in cycles",
    "rewound_sghmc": "8 samples of `sghmc` in that of one begun again",
    "dense_members": "8 members",
    "members_followed": "8 members that follow one structure, denser ones first",
    "member_followed": "one of them, mean over all",
    "members_shared": "8 members in one structure at once",
    "member_shared": "one of them, mean over all",
    "members_blocks": "8 members in one structure of blocks at once, 4 outputs by 1 input",
    "member_blocks": "one of them, mean over all",
    "members_own": "8 members, each in a structure of its own",
    "member_own": "one of them, mean over all",
    "dense_member": "one dense member, mean over all",
}
_FIGURES = (("accuracy", 100.0, 2), ("nll", 1.0, 3), ("ood_auroc_knowledge", 1.0, 3))


def made(rows: Sequence[Measurement]) -> str:
    """A line a source, a column a density: accuracy in percent, NLL in nats, and OOD AUROC by knowledge of ensembles."""
    found: dict[tuple[str, float], dict[str, Measurement]] = {}
    for row in latest(rows):
        found.setdefault((str(row.of["source"]), float(row.of["kept"])), {})[row.what] = row  # pyright: ignore
    densities = sorted({kept for _, kept in found}, reverse=True)
    there = [source for source in SOURCES if any(each == source for each, _ in found)]
    lines = [[SOURCES[source], *(_cell(found.get((source, kept), {})) for kept in densities)] for source in there]
    return table(["which", *(f"{100 * kept:g} % kept" for kept in densities)], lines)


def _cell(found: dict[str, Measurement]) -> str:
    return " / ".join(
        f"{scale * row.value:.{digits}f}"
        for what, scale, digits in _FIGURES
        if (row := found.get(what)) is not None and row.value is not None
        if what != "ood_auroc_knowledge" or row.of.get("members") != 1
    )
