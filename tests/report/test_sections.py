from dataclasses import replace

import pytest

from bitsback.cli import device, host
from bitsback.report.page import render
from bitsback.report.sections import sections

from .journal import DENSE, ENSEMBLE, PARTS, full, row, trust


def keys(rows, **wanted):
    return [one.key for one in sections(rows) if all(getattr(one, name) == said for name, said in wanted.items())]


@pytest.mark.parametrize("name", PARTS)
def test_rows_fill_their_section_and_no_other(name):
    assert keys(PARTS[name](), empty=False) == [name]


def test_every_hint_names_a_command_that_exists():
    known = host.COMMANDS.keys() | device.COMMANDS.keys()
    assert all(section.commands for section in sections([]))
    assert {command for section in sections([]) for command in section.commands} <= {
        f"bitsback {one} RUN" for one in known
    }


def test_a_section_with_some_rows_says_what_is_left_out():
    text = render([one for one in trust() if one.what == "reliability"], title="t")
    assert "Left out for want of rows: risk against coverage, total uncertainty, knowledge uncertainty." in text


def test_a_regression_is_not_asked_for_what_only_classes_have():
    rows = [row("rmse", 1.0, **DENSE), *(one for one in trust() if one.what != "reliability")]
    assert "examples" not in keys(rows)
    assert {one.key: one.missing for one in sections(rows)}["trust"] == ""


def test_a_point_estimate_is_not_asked_for_a_posterior():
    rows = [
        one
        for name in ("training", "weights")
        for one in PARTS[name]()
        if one.what not in {"snr_histogram", "prior_density"}
    ]
    assert {one.key: one.missing for one in sections(rows)}["weights"] == "signal-to-noise ratios, the prior"
    points = [replace(one, of={**one.of, "inference": "point"}) for one in rows]
    assert {one.key: one.missing for one in sections(points)}["weights"] == ""


def test_a_point_has_no_figure_of_a_knowledge_that_it_cannot_have():
    rows = [one for one in trust() if one.of["form"] == "point"]
    (found,) = [one for one in sections(rows) if one.key == "trust"]
    assert "uncertainty-knowledge" not in {card.key for card in found.cards}
    assert not found.missing


def test_the_remarks_are_about_the_rows():
    leads = {one.key: one.lead for one in sections(full())}
    assert "Dotted: the packed network, 90 % pruned." in leads["sparsity"]
    assert "Dotted" not in {one.key: one.lead for one in sections([row("accuracy", 0.9, **ENSEMBLE)])}["sparsity"]
