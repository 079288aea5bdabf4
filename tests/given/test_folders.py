import pytest

from bitsback.errors import DataError
from bitsback.given import folders
from tests.given.files import digits_like, write_idx_set, write_parquet_set


@pytest.fixture(autouse=True)
def system(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("system")
    monkeypatch.setattr(folders, "SYSTEM_FOLDERS", (folder,))
    return folder


def test_a_set_is_found_in_the_given_folder_then_in_the_systems(tmp_path, system):
    mine, theirs = write_idx_set(tmp_path / "mnist"), write_idx_set(system / "mnist")
    assert folders.find("mnist", tmp_path) == mine
    assert folders.find("mnist", mine) == mine
    assert folders.find("mnist", None) == theirs
    write_idx_set(system / "fashion-mnist")
    assert folders.find("fashion-mnist", mine) == system / "fashion-mnist"


def test_spelling_does_not_matter(tmp_path):
    folder = write_idx_set(tmp_path / "FashionMNIST" / "raw").parent
    assert folders.find("fashion-mnist", tmp_path) == folder
    assert folders.set_name(folder) == "fashion-mnist"
    assert folders.set_name(folder / "raw") == "fashion-mnist"


def test_what_is_not_found_says_where_and_how(tmp_path, system):
    write_idx_set(tmp_path / "other")
    with pytest.raises(DataError) as caught:
        folders.find("fashion-mnist", tmp_path)
    message = str(caught.value)
    assert str(tmp_path / "fashion-mnist") in message
    assert str(system / "fashion-mnist") in message
    assert "dataset-fashion-mnist" in message
    with pytest.raises(DataError, match="is the set 'other'"):
        folders.find("mnist", tmp_path / "other")


def test_a_given_folder_without_data_is_refused(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        folders.check_given(tmp_path / "nowhere")
    with pytest.raises(DataError, match="holds no data set"):
        folders.check_given(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="is a file"):
        folders.check_given(tmp_path / "file")
    write_parquet_set(tmp_path / "pets")
    folders.check_given(tmp_path)
    assert folders.names_in(tmp_path) == ["pets"]


def test_both_formats_are_read(tmp_path):
    images = folders.read("digits", write_idx_set(tmp_path / "idx"))
    assert (images.train.inputs.shape, images.labels) == ((30, 1, 4, 4), ("0", "1", "2"))
    pets = folders.read("pets", write_parquet_set(tmp_path / "pets", names=["cat", "dog"]))
    assert (pets.test.inputs.shape, pets.labels) == ((8, 3, 5, 6), ("cat", "dog"))
    assert folders.read_test_inputs(tmp_path / "pets").shape == (8, 3, 5, 6)


def test_labels_out_of_range_are_refused(tmp_path):
    images, labels = digits_like(30)
    labels[7] = 77
    folder = write_idx_set(tmp_path / "idx", train=(images, labels))
    with pytest.raises(DataError, match="label 77 but never 3"):
        folders.read("idx", folder)
    names = write_parquet_set(tmp_path / "pets", names=["cat", "dog"])
    assert folders.read("pets", names).labels == ("cat", "dog")
    fashion = write_idx_set(tmp_path / "fashion-mnist", train=(images, labels))
    with pytest.raises(DataError, match="label 77 at index 7; with 10 classes labels are 0 to 9"):
        folders.read("fashion-mnist", fashion)
