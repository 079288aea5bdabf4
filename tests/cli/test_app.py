import pytest

import bitsback
from bitsback.cli import device, host

COMMANDS = {**host.COMMANDS, **device.COMMANDS}
ORDER = [
    *("demo", "run", "fit", "import", "compress", "evaluate", "check-moments", "pack", "tune"),
    *("predict", "inspect", "measure", "report"),
]


def test_these_are_the_commands(call):
    assert list(COMMANDS) == ORDER
    result = call("--help")
    assert result.code == 0
    assert all(f"\n  {name} " in result.out for name in ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_every_command_explains_itself_with_an_example_and_speaks_json(call, name):
    result = call(name, "--help")
    assert result.code == 0
    assert f"Example: bitsback {name} " in " ".join(result.out.split())
    assert "--json" in result.out


@pytest.mark.parametrize("name", ORDER)
def test_every_command_takes_data_and_a_seed(call, name):
    said = call(name, "--help").out
    assert "--data" in said
    assert "--seed" in said


def test_the_version_is_told(call):
    assert call("--version").out == f"bitsback {bitsback.__version__}\n"


def test_without_a_word_the_commands_are_shown(call):
    result = call()
    assert result.code == 2
    assert all(f"\n  {name} " in result.err for name in ORDER)
