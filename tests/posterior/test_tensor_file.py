import pytest
import torch

from bitsback.errors import RunError
from bitsback.posterior.tensor_file import TensorFile, write


def test_groups_and_words_come_back_as_they_were(tmp_path):
    groups = {"a": {"x/y": torch.arange(3), "z": torch.randn(2, 2).T}, "ab": {"x": torch.tensor(True)}, "none": {}}
    write(tmp_path / "file", groups, {"format": "f", "said": "1/3"})
    file = TensorFile(tmp_path / "file", "f")
    assert file.words == {"format": "f", "said": "1/3"}
    for name, group in groups.items():
        assert file.group(name).keys() == group.keys()
        assert all(torch.equal(tensor, file.group(name)[key]) for key, tensor in group.items())
    assert file.group("another") == {}


def test_another_format_is_refused(tmp_path):
    write(tmp_path / "file", {"a": {"x": torch.zeros(1)}}, {"format": "old"})
    with pytest.raises(RunError, match="is of the format 'old'; this version reads 'new'"):
        TensorFile(tmp_path / "file", "new")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(RunError, match="cannot be read"):
        TensorFile(tmp_path / "file", "f")
