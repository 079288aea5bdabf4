from dataclasses import replace

from bitsback.report.document import Document, Section, render
from bitsback.report.provenance import provenance
from bitsback.report.tables import Cell, Line, Table

from .journal import HOSTILE
from .test_page import Page


def document(*sections):
    return Document("A study", f"Of {HOSTILE}.", sections, provenance([]))


def section(*titles):
    tables = tuple(Table(title, "", ("name", "figure"), (Line("a", (Cell("1"),)),)) for title in titles)
    return Section("part", "A part", "What it says.", ("make rows", "make more"), tables=tables)


def test_a_page_can_be_made_of_any_sections_without_headlines():
    page = Page(render(document(section("first", "second"))))
    assert page.tags["table"] == 2
    assert "tiles" not in page.values("class")
    assert {"What it says.", "first", "second"} <= set(page.text)
    assert any("<script>alert(1)</script>" in part for part in page.text)
    assert not page.tags["script"]


def test_empty_sections_say_what_fills_them_and_what_else_is_to_be_said():
    page = Page(render(replace(document(replace(section(), key="empty")), advice="In this order.")))
    assert {"make rows", "make more", "In this order."} <= set(page.text)
    assert "#empty" not in page.values("href")
    assert "make rows" not in Page(render(document(section("first")))).text
