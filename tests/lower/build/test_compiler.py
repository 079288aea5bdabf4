import pytest

from bitsback.errors import MissingExtraError
from bitsback.lower.build.compiler import need_compiler


def test_without_the_compiler_the_extra_is_named(monkeypatch):
    need_compiler()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'pip install "bitsback\[compile\]"'):
        need_compiler()
