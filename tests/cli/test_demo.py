import numpy as np
import pytest

from bitsback.cli.demo import _beside_dense, _smaller
from bitsback.run.demo import Story
from bitsback.run.folder import RunFolder
from tests.report.journal import DENSE, ENSEMBLE, POINT, row


def test_like_is_compared_with_like(tmp_path):
    rows = [row("file_bytes", 2e3, **DENSE), row("file_bytes", 1e3, **POINT), row("file_bytes", 5e3, **ENSEMBLE)]
    story = Story((), (), rows, RunFolder(tmp_path))
    assert (
        _beside_dense(story, "point")[0] == "point       file 1.00 kB, 2.00× smaller beside the dense point's 2.00 kB"
    )
    assert _beside_dense(story, "ensemble")[0] == "ensemble    file 5.00 kB, the dense ensemble's n/a"


@pytest.mark.parametrize("size", [8, 10, 11, 28, 29])
def test_images_are_averaged_until_four_fit_side_by_side(size):
    image = np.ones((size, size))
    image[0, 0] = 0
    found = _smaller(image)
    side = -(-size // 10)
    assert found.shape == (size // side, size // side)
    assert found[0, 0] == pytest.approx(1 - 1 / side**2)
