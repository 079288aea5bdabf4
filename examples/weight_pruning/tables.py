"""The study's tables, for the terminal and for the page."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import mean

from bitsback.measure.journal import Measurement
from bitsback.report.evidence import finite, select
from bitsback.report.quantity import Kind, between, quantity, shown
from bitsback.report.tables import Cell, Line, Table, best
from examples.weight_pruning.evidence import Rows, cell, methods, over_seeds, percent, seconds_to
from examples.weight_pruning.methods import DATASETS, METHODS, PUBLISHED, SPARSITIES
from examples.weight_pruning.worth import POSTERIOR, PRUNED, Duel, duels, verdict

_UNCERTAINTY = ("nll", "ece", "brier", "ood_auroc_total", "ood_auroc_knowledge", "confident_errors")
_UNSURE = 0.05  # an area under the curve so close to a half says nothing


def worth(rows: Rows, dataset: str) -> Table | None:
    """The pruned posterior beside the best unpruned SGD network, figure by figure; the better one stands out."""
    found = duels(rows)
    if not found:
        return None
    return Table(
        f"{DATASETS[dataset]}: what the posterior is worth",
        verdict(found),
        ("figure", f"{METHODS[POSTERIOR].title}, {percent(PRUNED)} pruned", "best SGD, unpruned"),
        tuple(_worth_line(duel) for duel in found),
    )


def _worth_line(duel: Duel) -> Line:
    mine = cell(duel.posterior, duel.what, best=duel.lead > 0)
    theirs = cell(duel.baseline, duel.opponent, best=duel.lead < 0)
    note = ", by its total: a point has no knowledge" if duel.opponent != duel.what else ""
    doubt = "" if duel.clear else "; the seeds' ranges overlap"
    told = f"Better: {duel.winner or 'neither'}, beside {METHODS[duel.method].title}{note}{doubt}."
    return Line(quantity(duel.what).title, (mine, theirs), told)


def accuracy(rows: Rows, dataset: str) -> Table:
    """Accuracy at every sparsity, a line a method and saliency, the published figure in brackets."""
    found = over_seeds(rows, "accuracy", "method", "saliency", "sparsity")
    lines = [(method, each) for method in methods(rows) for each in METHODS[method].saliencies]
    lines = [(method, each) for method, each in lines if any(key[:2] == (method, each) for key in found)]
    columns = [[found.get((method, each, share), []) for method, each in lines] for share in SPARSITIES]
    top = [best([mean(values) if values else None for values in column], quantity("accuracy")) for column in columns]
    body = []
    for line, (method, saliency) in enumerate(lines):
        known = PUBLISHED[dataset].get(method, ()) if saliency == METHODS[method].own_saliency else ()
        made = [cell(column[line], "accuracy", best=line in top[place]) for place, column in enumerate(columns)]
        told = [f"({shown(value, 'share')})" for value in known] + [""] * (len(made) - len(known))
        cells = (Cell(one.text, detail, one.spread, one.best) for one, detail in zip(made, told, strict=True))
        body.append(Line(_title(method, saliency), tuple(cells)))
    head = tuple(percent(share) for share in SPARSITIES)
    name = f"{DATASETS[dataset]}: accuracy by share pruned (published)"
    return Table(name, "", ("method", *head), tuple(body))


def _title(method: str, saliency: str) -> str:
    """A method's title and, where it is not its own, what pruned it."""
    own = saliency == METHODS[method].own_saliency
    return METHODS[method].title + ("" if own else f", by {saliency}")


def uncertainty(rows: Rows, dataset: str) -> Table:
    """Every figure of the predictive distribution, a line a method and sparsity."""
    found = {what: over_seeds(rows, what, "method", "sparsity") for what in _UNCERTAINTY}
    lines = [(method, share) for method in methods(rows) for share in SPARSITIES if (method, share) in found["nll"]]
    return Table(
        f"{DATASETS[dataset]}: the predictive distribution",
        "",
        ("method", *(quantity(what).title for what in _UNCERTAINTY)),
        tuple(
            Line(
                f"{METHODS[method].title}, {percent(share)}",
                tuple(cell(found[what].get((method, share), []), what) for what in _UNCERTAINTY),
            )
            for method, share in lines
        ),
    )


def cost(rows: Rows, dataset: str) -> Table:
    """Wall time of training, an epoch and until the published accuracy, and the KL."""
    wanted = PUBLISHED[dataset]["sgd"][0]
    body = [
        Line(
            METHODS[name].title,
            (_figure(rows, "epoch_seconds", name), _reached(rows, name, wanted), _figure(rows, "kl", name)),
        )
        for name in methods(rows)
    ]
    head = ("method", "time per epoch", f"until {shown(wanted, 'share')}", "KL, nats")
    return Table(f"{DATASETS[dataset]}: training", "", head, tuple(body))


def _figure(rows: Rows, what: str, method: str) -> Cell:
    return cell(over_seeds(rows, what, "method").get((method,), []), what)


def _reached(rows: Rows, method: str, accuracy: float) -> Cell:
    """How long it took; "never" where no seed reached it, and how many did where not all."""
    asked = seconds_to(accuracy, select(rows, "loss_curve", method=method))
    there = [seconds for seconds in asked if seconds is not None]
    if asked and not there:
        return Cell("never")
    made = cell(there, "epoch_seconds")
    return made if len(there) == len(asked) else replace(made, detail=f"{len(there)} of {len(asked)} seeds")


def latency(rows: Rows, dataset: str) -> Table | None:
    """The latency of the unpruned network, and of each pruned one in times of it, with the quartiles of the calls."""
    timed = [name for name in methods(rows) if select(rows, "latency_ratio", method=name)]
    head = ("method", "unpruned", *(percent(share) for share in SPARSITIES[1:]))
    body = []
    for name in timed:
        dense = [_quartiles(row, shown(row.value, "seconds"), "seconds") for row in _timed(rows, "latency", name, 0.0)]
        ratios = [
            [_quartiles(row, f"{row.value:.2f}×", "number") for row in _timed(rows, "latency_ratio", name, share)]
            for share in SPARSITIES[1:]
        ]
        body.append(Line(METHODS[name].title, tuple(each[-1] if each else Cell("–") for each in (dense, *ratios))))
    return Table(f"{DATASETS[dataset]}: latency by share pruned", "", head, tuple(body)) if body else None


def _timed(rows: Rows, what: str, method: str, sparsity: float) -> list[Measurement]:
    return [row for row in select(rows, what, method=method, sparsity=sparsity) if finite(row)]


def _quartiles(row: Measurement, text: str, kind: Kind) -> Cell:
    return Cell(text, spread=between(row.spread, kind) if row.spread else "")


def survival(parts: Mapping[str, Rows]) -> Table | None:
    """Whether the standard deviation alone, or the mean alone, says which weights survive."""
    body = []
    for dataset, rows in parts.items():
        found = over_seeds(rows, "survival_auroc", "predicted_by")
        if found:
            std, size = found.get(("std",), []), found.get(("mean",), [])
            cells = tuple(_score(values) for values in (std, size))
            body.append(Line(DATASETS[dataset], cells, _survivors(mean(std)) if std else ""))
    head = ("data", "by a small std alone", "by |mean| alone")
    caption = (
        f"Does it tell the {percent(1 - PRUNED)} of the weights that survive from the others? The area under the ROC curve: "
        "at 1 always, at 0.5 no better than chance; below it, the opposite is true."
    )
    return Table("What predicts survival", caption, head, tuple(body)) if body else None


def _score(values: Sequence[float]) -> Cell:
    return cell(values, "ood_auroc_total")  # written as every area under a curve


def _survivors(area: float) -> str:
    if abs(area - 0.5) < _UNSURE:
        return "The standard deviation alone predicts nothing."
    kind = "smaller" if area > 0.5 else "larger"
    return f"It predicts: the weights that survive have the {kind} standard deviations."
