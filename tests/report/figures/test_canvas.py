import re
from xml.etree import ElementTree

from bitsback.report.figures.canvas import INK, MUTED, SERIES, draw, pane, role
from tests.report.journal import HOSTILE


def paint(figure):
    axes = pane(figure)
    axes.plot([0, 1], [0, 1], color=SERIES[0], marker="o")
    axes.fill_between([0, 1], [0, 1], color=SERIES[1])
    axes.set_xlabel(HOSTILE.replace("\x00", "").replace("\x1b", ""))
    axes.text(0.5, 0.5, "$5 & more", color=INK)


def test_it_is_one_element_without_names_of_other_places():
    text = str(draw("some-key", paint))
    root = ElementTree.fromstring(text)
    assert root.tag == "svg"
    assert "xmlns" not in text
    assert "http" not in text
    assert not root.findall(".//metadata")


def test_text_stays_text():
    root = ElementTree.fromstring(draw("k", paint))
    texts = ["".join(one.itertext()) for one in root.iter("text")]
    assert "$5 & more" in texts
    assert any("<script>" in one for one in texts)
    assert not list(root.iter("script"))


def test_colours_are_roles():
    text = str(draw("k", paint))
    assert not re.search("#[0-9a-f]{6}", text)
    assert {"var(--ink)", "var(--series-1)", "var(--series-2)"} <= set(re.findall(r"var\([^)]*\)", text))
    assert (role(MUTED), role(SERIES[2])) == ("muted", "series-3")


def test_the_same_painter_gives_the_same_bytes_and_two_keys_share_no_id():
    assert draw("a", paint) == draw("a", paint)
    ids = [set(re.findall(r'id="([^"]+)"', draw(key, paint))) for key in ("a", "b")]
    assert ids[0]
    assert not ids[0] & ids[1]
    assert all(found.startswith("a-") for found in ids[0])
