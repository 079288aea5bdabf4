from bench.docstrings import read


class Thing:
    """Is one thing.

    And another.

    Attributes:
        size: how large,
            in metres: at least 0.
        name: what it is.

    Raises:
        ValueError: It is too large.
    """


def count(things: list[Thing]) -> int:
    """Counts.

    Args:
        things: some.

    Returns:
        Their number,
        at least 0.
    """
    return len(things)


def test_sections_are_taken_apart():
    said = read(Thing)
    assert said.text == "Is one thing.\n\nAnd another."
    assert said.items["Attributes"] == {"size": "how large, in metres: at least 0.", "name": "what it is."}
    assert said.items["Raises"] == {"ValueError": "It is too large."}


def test_what_is_returned_is_one_line():
    said = read(count)
    assert (said.items, said.returns) == ({"Args": {"things": "some."}}, "Their number, at least 0.")


def test_what_says_nothing_says_nothing():
    assert (read(int.__add__).items, read(type("Silent", (), {})).text) == ({}, "")
