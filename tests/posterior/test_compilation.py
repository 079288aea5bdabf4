import shutil

import pytest

from bitsback.errors import RecipeError
from bitsback.posterior.compilation import WORTH_IT, loss_function
from tests.posterior.recorder import Recorder


def test_a_short_run_is_not_compiled() -> None:
    objective = Recorder()
    assert loss_function(objective, None, WORTH_IT - 1) == objective.loss
    assert loss_function(objective, None, WORTH_IT) != objective.loss


def test_without_a_compiler_nothing_is_compiled_and_asking_for_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    objective = Recorder()
    assert loss_function(objective, None, WORTH_IT) == objective.loss
    with pytest.raises(RecipeError, match="no C"):
        loss_function(objective, True, 1)
