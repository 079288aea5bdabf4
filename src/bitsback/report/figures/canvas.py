"""Draws a figure with matplotlib and gives it as SVG markup whose colours are the page's CSS variables.

A figure is drawn in colours that stand for roles (`INK`, `MUTED`, `SERIES[0]`, …). In the markup each becomes
`var(--ink)`, `var(--muted)`, `var(--series-1)`, …, so that the page's light and dark palettes apply. Text stays text.
The same painter gives the same markup, byte for byte.
"""

import io
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK, MUTED, GRID, CARD = "#010101", "#020202", "#030303", "#040404"
SERIES = ("#0a0a01", "#0a0a02", "#0a0a03", "#0a0a04", "#0a0a05", "#0a0a06")
WIDTH, HEIGHT = 4.2, 2.8
"""Size of a figure in inches; one inch is 72 units of the SVG, and a unit is about one pixel on a phone."""

_ROLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid", CARD: "--card"} | {
    colour: f"--series-{slot}" for slot, colour in enumerate(SERIES, start=1)
}
_SETTINGS = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.5,
    "axes.labelsize": 9.5,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "ytick.major.size": 0,
    "xtick.major.size": 3,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "path.simplify": True,
}
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))


@dataclass(frozen=True)
class Key:
    """One entry of the legend above a figure.

    Attributes:
        label: What it stands for; any text, escaped by the template.
        role: The CSS variable's name without dashes, as "series-1" or "muted".
        mark: "line", "dash", "area" or "pale" (an area that is drawn half transparent).
    """

    label: str
    role: str
    mark: str = "area"


@dataclass(frozen=True)
class Card:
    """A figure as the page shows it.

    Attributes:
        key: Its name, unique on the page; also the prefix of every id in its markup.
        title: What it shows.
        caption: How to read it, one sentence.
        description: What a reader who does not see it should know, from the data.
        svg: The drawing, safe to put into the page.
        legend: Entries that the drawing does not label itself.
        note: What is left out, or empty.
    """

    key: str
    title: str
    caption: str
    description: str
    svg: Markup
    legend: tuple[Key, ...] = ()
    note: str = ""


def draw(key: str, paint: Callable[[Figure], None], *, height: float = HEIGHT) -> Markup:
    """Draws a figure.

    Args:
        key: The figure's name (letters, digits, dashes); makes its ids unique and repeatable.
        paint: Draws onto an empty figure, in the colours of this module.
        height: Inches; the width is always `WIDTH`.

    Returns:
        An `svg` element without ids that could clash, dates, or addresses.
    """
    buffer = io.BytesIO()
    settings: Any = {**_SETTINGS, "svg.hashsalt": key}
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(WIDTH, height))
        FigureCanvasSVG(figure)
        paint(figure)
        figure.savefig(buffer, format="svg", metadata=_NO_METADATA, transparent=True)
    return _themed(ElementTree.fromstring(buffer.getvalue()), key)


def pane(figure: Figure, *, left: float = 0.13, right: float = 0.97, top: float = 0.89, bottom: float = 0.17) -> Axes:
    """Adds the one axes of a figure, with room for a name above the vertical axis."""
    return figure.add_axes((left, bottom, right - left, top - bottom))


def name_vertical(axes: Axes, text: str) -> None:
    """Writes the vertical axis' name above it, level, where it can be read without turning the head."""
    left = axes.get_position().x0
    width = axes.get_position().width
    axes.text(
        (0.012 - left) / width, 1.045, text, transform=axes.transAxes, color=MUTED, fontsize=9.5, va="bottom", ha="left"
    )


def role(colour: str) -> str:
    """Gives the CSS variable's name of a colour of this module, without its dashes."""
    return _ROLES[colour].removeprefix("--")


def _themed(root: ElementTree.Element, key: str) -> Markup:
    """Makes matplotlib's SVG part of the page: no namespaces, no loose ids, colours by role."""
    used = set(_references(root))
    for parent in root.iter():
        for child in [c for c in parent if _local(c.tag) in {"metadata", "title"}]:
            parent.remove(child)
        parent.tag = _local(parent.tag)
        parent.attrib = {_local(name): text for name, text in parent.attrib.items()}
        if parent.get("id") not in used:
            parent.attrib.pop("id", None)
        for name, text in parent.attrib.items():
            parent.set(name, _attribute(name, text, key))
    for name in ("version", "width", "height"):
        root.attrib.pop(name, None)
    root.set("aria-hidden", "true")
    root.set("focusable", "false")
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # every text node is escaped by the serializer


def _references(root: ElementTree.Element) -> Iterator[str]:
    for element in root.iter():
        for name, text in element.attrib.items():
            if _local(name) == "href":
                yield text.removeprefix("#")
            yield from re.findall(r"url\(#([^)]+)\)", text)


def _attribute(name: str, text: str, key: str) -> str:
    if name == "id":
        return f"{key}-{text}"
    if name == "href":
        return f"#{key}-{text.removeprefix('#')}"
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{key}-\1)", text)
    if name != "style":
        return text
    text = re.sub(r"font: (?:(\d+) )?([\d.]+)px [^;]*", _font, text)
    return re.sub(r"#[0-9a-f]{6}", lambda found: _paint(found.group()), text)


def _font(found: re.Match[str]) -> str:
    weight = f"; font-weight: {found.group(1)}" if found.group(1) else ""
    return f"font-size: {found.group(2)}px{weight}"


def _paint(colour: str) -> str:
    return f"var({_ROLES[colour]})" if colour in _ROLES else colour


def _local(name: str) -> str:
    return name.rpartition("}")[2]
