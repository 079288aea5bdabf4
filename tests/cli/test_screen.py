import io

from rich.console import Console
from rich.progress import Progress

from bitsback.cli.screen import _steps, watching
from bitsback.run.watcher import Step

STEPS = [Step("one", 0, 3), Step("one", 1, 3), Step("two", 1, 3), Step("two", 2, 3), Step("two", 3, 3)]


def test_where_there_is_no_terminal_each_part_is_a_line_on_stderr(capsys):
    with watching(quiet=False) as watcher:
        for step in STEPS:
            watcher.step(step)
    assert capsys.readouterr() == ("", "one\ntwo\n")


def test_who_wants_json_is_told_nothing(capsys):
    with watching(quiet=True) as watcher:
        watcher.tell("words")
        for step in STEPS:
            watcher.step(step)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_has_a_bar_for_each_stage_and_none_after_it():
    drawn = io.StringIO()
    bars = Progress(console=Console(file=drawn, force_terminal=True, width=80), auto_refresh=False)
    tell = _steps(bars)
    for _ in range(2):
        for step in STEPS[:-1]:
            tell(step)
            assert [(task.description, task.completed, task.total) for task in bars.tasks] == [step]
        tell(STEPS[-1])
        assert bars.finished
        assert not bars.tasks
    assert "one" in drawn.getvalue()
