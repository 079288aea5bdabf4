import pytest

from bitsback.errors import MissingExtraError, RecipeError
from bitsback.measure.native import Here
from bitsback.run.devices import bench, need_compiler


def test_this_machine_is_a_device_and_an_emulated_one_cannot_be_timed():
    with bench("cpu") as found:
        assert isinstance(found, Here)
    with pytest.raises(RecipeError, match="emulated-aarch64 says what a library answers and never how long"):
        bench("emulated-aarch64").__enter__()
    with pytest.raises(RecipeError, match="there is no device 'board'; there is cpu"):
        bench("board").__enter__()


def test_without_the_compiler_the_extra_is_named(monkeypatch):
    need_compiler()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'pip install "bitsback\[compile\]"'):
        need_compiler()
