import functools

import pytest
from torch.onnx._internal.exporter._registration import ONNXRegistry

from tests.run.tiny import CONTENT
from tests.served import Served

# For every export PyTorch's exporter parses the sources of some five hundred operators anew, which never change: that is nearly
# half of the time of a small network's export, of which there are hundreds here.
ONNXRegistry.from_torchlib = staticmethod(functools.cache(ONNXRegistry.from_torchlib))


def pytest_collection_modifyitems(items):
    """The documents come first: a page takes a minute, and at the end one process would wait for it alone."""
    items.sort(key=lambda item: item.path.name != "test_readme.py")


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory):
    """A whole run of a tiny network on a few digits; tests that change it work on a copy."""
    from bitsback.recipe.text import parse
    from bitsback.run.chain import chain
    from bitsback.run.watcher import Watcher

    run, _ = chain(
        tmp_path_factory.mktemp("runs") / "whole", parse(CONTENT), Watcher(), command="bitsback run tiny.toml"
    )
    return run


@pytest.fixture
def copied_run(whole_run, tmp_path):
    import shutil

    from bitsback.run.folder import open_run

    return open_run(shutil.copytree(whole_run.path, tmp_path / "copy"))


@pytest.fixture(scope="session")
def served():
    """This machine behind `bitsback device serve`, in a process of its own, which a test may kill and start again."""
    with Served() as device:
        yield device
