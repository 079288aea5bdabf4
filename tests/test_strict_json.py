import pytest

from bitsback.errors import ArtifactError
from bitsback.strict_json import DEEPEST, Fields, is_object, parse


def test_plain_json_is_read() -> None:
    assert parse('{"a": [1, -2.5, null, true, "é"]}'.encode(), "It") == {"a": [1, -2.5, None, True, "é"]}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"{} {}",
        b"\xff",
        b"\xed\xa0\x80",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1e999",
        b"-1e999",
        b'{"a": 1, "a": 1}',
        b'[{"a": {"b": 1, "b": 2}}]',
        b"9" * 21,
        b"9" * 100_000,
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b"[" * (DEEPEST + 2) + b"]" * (DEEPEST + 2),
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
    ],
    ids=lambda data: data[:12].decode(errors="replace"),
)
def test_anything_else_is_refused_in_one_sentence(data: bytes) -> None:
    with pytest.raises(ArtifactError, match="It is ") as caught:
        parse(data, "It")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b'{"a": "\xff"}', b"[" * 100_000, b'{"a":' * 100_000])
def test_what_is_no_whole_object_is_none(line: bytes) -> None:
    assert is_object(b'{"a": 1}')
    assert not is_object(line)


def test_as_deep_as_allowed_is_allowed() -> None:
    parse(b"[" * DEEPEST + b"]" * DEEPEST, "It")


def test_fields_say_what_they_miss() -> None:
    fields = Fields({"a": 1, "b": True, "c": None}, "It")
    assert (fields.of("a", int), fields.number("a"), fields.absent("c"), fields.absent("a")) == (1, 1.0, True, False)
    with pytest.raises(ArtifactError, match="has b True, where an integer belongs"):
        fields.of("b", int)
    with pytest.raises(ArtifactError, match="has no 'd'"):
        fields.number("d")
    with pytest.raises(ArtifactError, match="where a number belongs"):
        fields.number("b")
    Fields({}, "It").close()
    with pytest.raises(ArtifactError, match="'more', which this version does not know"):
        Fields({"more": 1}, "It").close()
    with pytest.raises(ArtifactError, match="a JSON object belongs"):
        Fields([], "It")
