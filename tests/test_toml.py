import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitsback import toml

TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.one_of(st.booleans(), st.integers(-(2**60), 2**60), st.floats(allow_nan=False), TEXTS)
TABLES = st.recursive(
    st.dictionaries(TEXTS, st.one_of(VALUES, st.lists(VALUES, max_size=3)), max_size=3),
    lambda inner: st.dictionaries(TEXTS, st.one_of(VALUES, inner), max_size=3),
    max_leaves=6,
)


@given(TABLES)
def test_what_is_written_is_read_back(table):
    assert tomllib.loads(toml.dumps(table)) == table


def test_none_is_left_out():
    assert tomllib.loads(toml.dumps({"a": None, "b": {"c": None, "d": 1}})) == {"b": {"d": 1}}


def test_what_has_no_form_is_refused():
    with pytest.raises(TypeError, match="object"):
        toml.dumps({"a": object()})
