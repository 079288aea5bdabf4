import pytest

from bitsback.errors import RecipeError
from bitsback.measure.native import Here
from bitsback.run.devices import bench


def test_this_machine_is_a_device_and_an_emulated_one_cannot_be_timed():
    with bench("cpu") as found:
        assert isinstance(found, Here)
    with pytest.raises(RecipeError, match="emulated-aarch64 says what a library answers and never how long"):
        bench("emulated-aarch64").__enter__()
    with pytest.raises(RecipeError, match="there is no device 'board'; there is cpu"):
        bench("board").__enter__()
