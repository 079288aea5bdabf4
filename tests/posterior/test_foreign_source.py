import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file

from bitsback.errors import NetworkError, RecipeError
from bitsback.posterior.foreign_source import given, read

PAIRS = {"0.weight": (torch.ones(2, 3), torch.full((2, 3), 0.5)), "0.bias": torch.zeros(2)}


def content():
    return {"mean.0.weight": torch.ones(2, 3), "std.0.weight": torch.full((2, 3), 0.5), "point.0.bias": torch.zeros(2)}


def test_a_file_and_a_dict_of_any_arrays_say_the_same(tmp_path):
    path = tmp_path / "posterior.safetensors"
    save_file(content(), path)
    arrays = {"0.weight": (np.ones((2, 3)), [[0.5] * 3] * 2), "0.bias": [0.0, 0.0]}
    for foreign in (read(path), given(path), given(str(path)), given(PAIRS), given(arrays)):
        assert list(foreign.means) == list(foreign.stds) == ["0.weight"]
        assert foreign.means["0.weight"].float().equal(torch.ones(2, 3))
        assert foreign.stds["0.weight"].float().equal(torch.full((2, 3), 0.5))
        assert foreign.points["0.bias"].equal(torch.zeros(2))


def test_a_file_that_is_not_there_or_cut_off_is_refused(tmp_path):
    with pytest.raises(NetworkError, match="there is no posterior at"):
        read(tmp_path / "none.pt")
    with pytest.raises(NetworkError, match="there is no posterior at"):
        read(tmp_path)
    whole, cut = save(content()), tmp_path / "cut.safetensors"
    for length in (0, 5, 60, len(whole) - 1):
        cut.write_bytes(whole[:length])
        with pytest.raises(NetworkError, match="cannot be read as a safetensors file"):
            read(cut)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("0.bias", "holds '0.bias'; there must be"),
        ("mean.", "holds 'mean.'"),
        ("mean.0.bias", "a mean or a standard deviation of '0.bias' and not both"),
        ("std.0.bias", "not both"),
    ],
)
def test_a_file_of_other_names_is_refused(tmp_path, key, said):
    save_file({**content(), key: torch.zeros(2)}, tmp_path / "p.safetensors")
    with pytest.raises(NetworkError, match=said):
        read(tmp_path / "p.safetensors")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (3, "source is of type int"),
        ({"0.bias": (1.0, 2.0, 3.0)}, "a tuple of 3"),
        ({"0.bias": "one"}, "no array of numbers"),
        (
            {"0.bias": {"mean": torch.zeros(2), "std": torch.ones(2)}},
            r"source\['0.bias'\] is a dict; each value is a pair \(means, standard deviations\) or one array$",
        ),
        ({3: torch.zeros(2)}, "has the key 3"),
    ],
)
def test_what_is_no_posterior_is_refused(source, said):
    with pytest.raises(RecipeError, match=said):
        given(source)
