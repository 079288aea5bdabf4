import math
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from bitsback.errors import RunError
from bitsback.report.page import render, write
from bitsback.report.sections import sections

from .journal import HOSTILE, full, row

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """Reads a page and refuses what is not nested; keeps tags, attributes and text."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.attributes, self.text = [], Counter(), [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += [(tag, *each) for each in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def values(self, *names):
        return [value for _, name, value in self.attributes if name in names]


@pytest.fixture(scope="module")
def text():
    return render(full(), title="A network")


def test_nothing_is_fetched_and_nothing_runs(text):
    page = Page(text)
    assert all(value.startswith(("data:", "#")) for value in page.values("src", "href", "srcset", "action", "data"))
    assert not {"script", "iframe", "object", "embed", "form"} & page.tags.keys()
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert "http:" not in text
    assert "https:" not in text
    assert "@import" not in text
    assert set(re.findall(r"url\((.)", text)) <= {"#"}


def test_ids_are_unique_and_every_reference_has_one(text):
    page = Page(text)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    wanted = {value[1:] for value in page.values("href") if value.startswith("#")}
    wanted |= set(re.findall(r"url\(#([^)]+)\)", text))
    assert wanted <= set(ids)


def test_every_figure_says_what_it_shows(text):
    page = Page(text)
    labels = [value for tag, name, value in page.attributes if (tag, name) == ("div", "aria-label") and "." in value]
    assert page.tags["figure"] == page.tags["figcaption"] >= 15
    assert len(labels) >= page.tags["figure"]


def test_colours_are_the_pages_own(text):
    drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert drawings
    assert not [found for drawing in drawings for found in re.findall(r"#[0-9a-f]{6}\b", drawing)]
    used = set(re.findall(r"var\((--[a-z0-9-]+)\)", text)) - {"--mark"}
    assert used <= set(re.findall(r"(--[a-z0-9-]+):", text))


def test_the_same_rows_give_the_same_page(text):
    assert render(full(), title="A network") == text


def test_a_section_without_rows_says_which_command_makes_them():
    page = Page(render([], title="Nothing"))
    assert page.tags["figure"] == 0
    assert {section.title for section in sections([])} <= set(page.text)
    assert {command for section in sections([]) for command in section.commands} <= set(page.text)


def test_a_percentage_stays_on_one_line(text):
    assert "92.00\u00a0%" in text
    assert not re.findall(r"\d %", "".join(Page(re.sub("<svg.*?</svg>", "", text, flags=re.DOTALL)).text))


def test_a_table_that_a_phone_cannot_hold_says_that_there_is_more(text):
    tables = re.findall(r"<thead>.*?</thead>", text, re.DOTALL)
    wide = [head for head in tables if head.count("<th ") > 3]
    assert text.count('class="sideways"') == len(wide) > 0


def test_a_note_is_a_line_of_its_own_as_wide_as_its_table(text):
    tables = [table for table in re.findall(r"<table.*?</table>", text, re.DOTALL) if 'class="note"' in table]
    assert tables
    for table in tables:
        assert set(re.findall(r'<tr class="note"><td colspan="(\d+)">', table)) == {str(table.count('scope="col"'))}


def test_the_name_of_the_out_of_distribution_set_reaches_the_page():
    rows = [
        replace(one, of={**one.of, "out_of_distribution": "fashion-mnist"})
        if one.what == "uncertainty_histogram"
        else one
        for one in full()
    ]
    text = render(rows, title="t")
    assert "Out of distribution (OOD): fashion-mnist." in text
    assert len(re.findall("<text[^>]*>out of distribution: fashion-mnist</text>", text)) == 2


def test_the_page_stays_small(text):
    assert len(text.encode()) < 400_000


def test_labels_from_outside_stay_text():
    rows = [
        replace(
            one,
            of={key: HOSTILE if key in {"layer", "saliency", "form"} else said for key, said in one.of.items()},
            series=one.series and {key: _hostile(found) for key, found in one.series.items()},
            command=HOSTILE,
            device=HOSTILE,
            commit=HOSTILE,
            versions={HOSTILE: HOSTILE},
            time=HOSTILE,
        )
        for one in full()
    ]
    page = Page(render(rows, title=HOSTILE))
    assert not {"script"} & page.tags.keys()
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert all(value.startswith("data:image/png") for value in page.values("src"))
    assert any("<script>alert(1)</script>" in part for part in page.text)
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", "".join(page.text))


def _hostile(found):
    return [HOSTILE if isinstance(one, str) and one not in {"right", "wrong", "declined"} else one for one in found]


def _all_lists(found):
    return lambda one: replace(one, series=one.series and dict.fromkeys(one.series, found))


DAMAGE = {
    "no series": lambda one: replace(one, series=None),
    "empty series": lambda one: replace(one, series={}),
    "cut lists": lambda one: replace(one, series=one.series and {key: list(v)[:1] for key, v in one.series.items()}),
    "empty lists": _all_lists([]),
    "words for numbers": _all_lists(["x", "y"]),
    "no lists": _all_lists(1.0),
    "nothing known": _all_lists([None, None]),
    "zeros": _all_lists([0, 0, 0]),
    "NaN": lambda one: replace(one, value=math.nan),
    "infinite": lambda one: replace(one, value=math.inf, spread=(math.nan, math.inf)),
    "nothing said": lambda one: replace(one, of={}),
    "no value": lambda one: replace(one, value=None),
    "lists in of": lambda one: replace(one, of={"stage": ["dense"]}),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_row_is_a_missing_row(damage):
    damaged = [(one, DAMAGE[damage](one)) for one in full()]
    Page(render([after for before, after in damaged if after != before], title=damage))


def test_only_the_newest_row_counts():
    old = row("accuracy", 0.5, stage="dense", form="point")
    new = row("accuracy", 0.75, stage="dense", form="point")
    text = render([old, new], title="t")
    assert "75.00\u00a0%" in text
    assert "50.00" not in text


def test_write_replaces_the_file(tmp_path):
    path = tmp_path / "runs" / "report.html"
    write([], path, title="first")
    write([], path, title="second")
    assert "<title>second</title>" in path.read_text("utf-8")
    assert [found.name for found in path.parent.iterdir()] == ["report.html"]


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "report.html").mkdir()
    with pytest.raises(RunError, match=r"report\.html"):
        write([], tmp_path / "report.html", title="t")


def test_every_colour_of_text_can_be_read_on_a_card():
    """WCAG 2.2, success criterion 1.4.3: contrast of at least 4.5, in both palettes."""
    style = (files("bitsback.report") / "page.css").read_text("utf-8")
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    for palette in (light, dark):
        colours = dict(re.findall(r"(--[a-z0-9-]+): (#[0-9a-f]{6})", palette))
        roles = ["--ink", "--muted", "--accent", *(f"--series-{slot}" for slot in range(1, 7))]
        assert min(_contrast(colours[role], colours["--card"]) for role in roles) >= 4.5
        assert _contrast(colours["--ink"], colours["--best"]) >= 4.5
        assert _contrast(colours["--warn"], colours["--warn-back"]) >= 4.5


def _contrast(one, other):
    low, high = sorted(_luminance(colour) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
