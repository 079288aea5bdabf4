import pytest

from tests import remembering
from tests.run.tiny import CONTENT
from tests.served import Served

remembering.begin()


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
