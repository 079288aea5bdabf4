import pytest

from tests.cli.calls import caller


@pytest.fixture
def call(capsys, monkeypatch, tmp_path):
    """Calls a command from an empty folder and gives its exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BITSBACK_DATA", raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    return caller(capsys)
