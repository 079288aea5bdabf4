"""Every form of two networks in one picture: what it costs at batch 1 beside what it is worth.

    python -m bench.pareto          draws docs/pareto.svg from the newest rows in results/

Each ratio is of one run, beside the logits of one dense network of the same layers, float32, in ONNX Runtime; each NLL is of
the whole test split of MNIST. Of a network with several rows (tuned or not) the fastest stands in the picture. A ResNet-20 is
left out: its studies looked at different numbers of images.
"""

import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bitsback.errors import BitsbackError, DataError
from bitsback.measure.journal import Journal, Measurement, latest

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "pareto.svg"


class Form(NamedTuple):
    """What stands in one colour."""

    name: str
    colour: str
    marker: str


ONE, STRUCTURE, STACKED, PASS, DRAWN, SWAPPED = (
    Form("one dense network", "#444444", "o"),
    Form("members of one structure, native", "#1b6ca8", "s"),
    Form("dense members, stacked", "#c0392b", "D"),
    Form("one pass over Gaussians, native", "#2e8b57", "^"),
    Form("draws in each call", "#8e5fb0", "v"),
    Form("members swapped", "#d08a1d", "P"),
)
FORMS = ONE, STRUCTURE, STACKED, PASS, DRAWN, SWAPPED


@dataclass(frozen=True)
class Panel:
    """One network.

    Attributes:
        title: what it is called.
        ensembles: its case in the study of shared structures.
        posterior: its name in the study of one pass.
        layouts: its cases in the bench of layouts, by what their labels end with.
    """

    title: str
    ensembles: str
    posterior: str
    layouts: dict[str, str]


PANELS = (
    Panel("MLP 784-500-500-10", "mlp-mnist", "mlp500-mnist", {"mlp500-mnist": "", "mlp500-dropout-mnist": ", dropout"}),
    Panel("LeNet-5", "lenet5-mnist", "lenet5-mnist", {"lenet5-mnist": ""}),
)


class Point(NamedTuple):
    """A way to predict: latency over one dense network's, NLL in nats, and the words beside its mark."""

    form: Form
    cost: float
    nll: float
    label: str


def points(panel: Panel, results: Path) -> list[Point]:
    """All ways to predict with one network that have both figures.

    Raises:
        DataError: there are none.
    """
    found = [*_ensembles(panel, results), *_one_pass(panel, results), *_layouts(panel, results)]
    fastest: dict[tuple[str, str], Point] = {}
    for each in sorted(found, key=lambda point: -point.cost):
        fastest[each.form.name, each.label] = each
    if not fastest:
        raise DataError(f"There is no row for the picture of '{panel.title}' in {results}.")
    return list(fastest.values())


def best(found: Sequence[Point]) -> list[Point]:
    """Those that no other is both faster and better than, the fastest first."""
    front: list[Point] = []
    for each in sorted(found, key=lambda point: (point.cost, point.nll)):
        if not front or each.nll < front[-1].nll:
            front.append(each)
    return front


def _ensembles(panel: Panel, results: Path) -> Iterator[Point]:
    rows = [row for row in _rows(results / "shared_ensemble.jsonl") if row.of.get("case") == panel.ensembles]
    nll = {str(row.of["way"]): row.value for row in rows if row.what == "nll"}
    if "dense" in nll:
        yield Point(ONE, 1.0, nll["dense"], "float32")
    for row in (row for row in rows if row.what == "latency_ratio"):
        side = str(row.of["side"])
        way = {"onnx_runtime_int8": "dense_int8"}.get(side, side.removesuffix("_tuned").removesuffix("_onnx_runtime"))
        count = way.split("_")[1]
        form = ONE if way == "dense_int8" else STACKED if side.endswith("_onnx_runtime") else STRUCTURE
        if way in nll:
            yield Point(form, row.value, nll[way], count)


def _one_pass(panel: Panel, results: Path) -> Iterator[Point]:
    rows = [row for row in _rows(results / "one_pass.jsonl") if row.of.get("posterior") == panel.posterior]
    nll = {str(row.of["way"]): row.value for row in rows if row.what == "nll"}
    for row in rows:
        side = str(row.of.get("side"))
        weights = side.removesuffix("_tuned").removeprefix("one_pass").removeprefix("_") or "float32"
        if row.what == "latency_ratio" and row.of.get("batch") == 1 and "beside" not in row.of and "one_pass" in side:
            way = side.removesuffix("_tuned")
            if way in nll:
                yield Point(PASS, row.value, nll[way], weights)


def _layouts(panel: Panel, results: Path) -> Iterator[Point]:
    forms = {"stochastic": (DRAWN, "20"), "swapped": (SWAPPED, "20"), "swapped_4": (SWAPPED, "4")}
    rows = _rows(results / "layouts.jsonl")
    for case, words in panel.layouts.items():
        nll = {str(row.of["way"]): row.value for row in rows if row.what == "nll" and row.of["case"] == case}
        for row in rows:
            way = str(row.of["way"])
            if row.what == "latency_ratio" and row.of["case"] == case and way in forms and way in nll:
                form, count = forms[way]
                yield Point(form, row.value, nll[way], count + words)


class _Row(NamedTuple):
    what: str
    of: dict[str, object]
    value: float


def _rows(path: Path) -> list[_Row]:
    """The newest rows that have a value, the oldest first, so that of other structures the last counts."""
    found: list[Measurement] = sorted(latest(Journal(path).read()), key=lambda row: row.time)
    return [_Row(row.what, dict(row.of), row.value) for row in found if row.value is not None]


def draw(results: Path) -> str:
    """The picture as SVG, the same for the same rows.

    Raises:
        DataError: there are no rows.
    """
    settings: Any = {
        "svg.hashsalt": "pareto", "svg.fonttype": "none", "font.size": 9, "font.family": "sans-serif",
        "axes.spines.top": False, "axes.spines.right": False,
    }  # fmt: skip
    with mpl.rc_context(settings):
        figure = Figure(figsize=(9.6, 4.6), facecolor="white")
        FigureCanvasSVG(figure)
        for place, panel in enumerate(PANELS):
            _paint(figure.add_axes((0.08 + 0.49 * place, 0.24, 0.41, 0.66)), panel.title, points(panel, results))
        marks = [Line2D([], [], color=form.colour, marker=form.marker, linestyle="", label=form.name) for form in FORMS]
        figure.legend(handles=marks, loc="lower center", ncol=3, frameon=False)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return buffer.getvalue().decode()


def _paint(axes: Axes, title: str, found: Sequence[Point]) -> None:
    for form in FORMS:
        mine = [each for each in found if each.form == form]
        axes.scatter(
            [each.cost for each in mine], [each.nll for each in mine], c=form.colour, marker=form.marker, s=34, zorder=3
        )
    for each in found:
        where, turned = ((2, -2), {"rotation": -35, "va": "top"}) if each.form == PASS else ((4, 4), {})  # side by side
        words = axes.annotate(each.label, (each.cost, each.nll), where, textcoords="offset points", **turned)
        words.set(fontsize=7, color=each.form.colour)
    front = best(found)
    axes.step([each.cost for each in front], [each.nll for each in front], where="post", color="#bbbbbb", zorder=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}×")
    axes.margins(0.1, 0.12)
    axes.set_xlabel("latency beside one dense network in ONNX Runtime (log)")
    axes.set_ylabel("NLL, nats")
    axes.set_title(title, fontsize=10, loc="left")
    axes.grid(color="#eeeeee", zorder=0)


def main() -> int:
    """Draws the picture."""
    try:
        PICTURE.write_text(draw(ROOT / "results"), "utf-8")
    except BitsbackError as error:
        print(f"pareto: {error}", file=sys.stderr)
        return 2
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
