"""Data sets that are folders: where one is looked for, and which of the two formats it has.

A given folder is one set, or holds sets in folders of their own name (`mnist/`). What is not found there is looked for
in the system's folders. Case, dashes and underscores of a name do not matter (`FashionMNIST` is `fashion-mnist`).
"""

from pathlib import Path

import numpy as np

from bitsback.errors import DataError
from bitsback.given import idx, parquet
from bitsback.given.source import Source, classification

SYSTEM_FOLDERS = (Path("/usr/share/datasets"),)
FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
_READERS = (idx, parquet)
_KNOWN = ("mnist", "fashion-mnist")
_LABELS = {"fashion-mnist": FASHION}
_HOW = {
    "mnist": "its four IDX files, or the Parquet files of https://huggingface.co/datasets/ylecun/mnist, will do",
    "fashion-mnist": "`apt install dataset-fashion-mnist` puts it into /usr/share/datasets",
}
_LAYOUT = "a set is a folder of IDX files (train-images-idx3-ubyte.gz, ...) or of train.parquet and test.parquet"


def is_set(folder: Path) -> bool:
    """Tell whether a folder is itself a data set.

    Args:
        folder: Any path.

    Returns:
        True where a reader finds one of its files.
    """
    return any(reader.holds(folder) for reader in _READERS)


def names_in(folder: Path) -> list[str]:
    """List the data sets that a folder holds in folders of their own.

    Args:
        folder: An existing folder.

    Returns:
        Their names, sorted.
    """
    return sorted(child.name for child in folder.iterdir() if child.is_dir() and is_set(child))


def check_given(folder: Path) -> None:
    """Refuse a folder that was given for data and has none.

    Args:
        folder: What the user gave.

    Raises:
        DataError: It does not exist, or neither is nor holds a data set.
    """
    if not folder.is_dir():
        wrong = "is a file" if folder.is_file() else "does not exist"
        raise DataError(f"the data folder {folder} {wrong}; {_LAYOUT}, or a folder of such folders")
    if not is_set(folder) and not names_in(folder):
        raise DataError(f"the data folder {folder} holds no data set; {_LAYOUT}, or a folder of such folders")


def find(name: str, data: Path | None) -> Path:
    """Find the folder of a set.

    Args:
        name: The set's name.
        data: The folder that was given: the set itself, or the folder that holds it; None for the system's only.

    Returns:
        The folder.

    Raises:
        DataError: It is in none of the places; the message says where it was looked for and how to get it.
    """
    places = (*([data] if data else []), *SYSTEM_FOLDERS)
    found = find_among(name, places)
    if found is None:
        looked = ", ".join(str(place / name) for place in places)
        held = f" ({data} is the set '{set_name(data)}')" if data and is_set(data) else ""
        how = _HOW.get(canonical(name), _LAYOUT)
        raise DataError(
            f"no data set '{name}' was found: looked for {looked}{held}; name its folder with --data DIR; {how}"
        )
    return found


def find_among(name: str, places: tuple[Path, ...]) -> Path | None:
    """Look for a set in several places.

    Args:
        name: The set's name.
        places: Folders that are the set or hold it; they need not exist.

    Returns:
        The first folder found, or None.
    """
    for place in places:
        if is_set(place) and set_name(place) == canonical(name):
            return place
        exact = place / name
        alike = [exact] if is_set(exact) else _alike(name, place)
        for folder in alike:
            if is_set(folder):
                return folder
    return None


def read(name: str, folder: Path) -> Source:
    """Read the set that a folder is.

    Args:
        name: What reports call it.
        folder: Where its files are.

    Returns:
        The checked set.

    Raises:
        DataError: A file is missing or malformed, or its content is refused.
    """
    reader = next(reader for reader in _READERS if reader.holds(folder))
    train, test = reader.read(folder, "train"), reader.read(folder, "test")
    return classification(name, train, test, reader.labels(folder) or _LABELS.get(canonical(name)))


def read_test_inputs(folder: Path) -> np.ndarray:
    """Read the test inputs of the set that a folder is, nothing else.

    Args:
        folder: Where its files are.

    Returns:
        uint8 [N, C, H, W].

    Raises:
        DataError: A file is missing or malformed.
    """
    reader = next(reader for reader in _READERS if reader.holds(folder))
    return reader.read(folder, "test")[0]


def set_name(folder: Path) -> str:
    """Name the set that a folder is after the folder (`raw` and `data` after the folder above).

    Args:
        folder: Where its files are.

    Returns:
        The name, in the spelling used here where the set is known.
    """
    path = folder.resolve()
    return canonical(path.parent.name if path.name in {"raw", "data"} else path.name)


def canonical(name: str) -> str:
    """Spell the name of a known set as it is spelled here.

    Args:
        name: A name such as "FashionMNIST".

    Returns:
        "fashion-mnist"; a name that is not known as it is.
    """
    return next((known for known in _KNOWN if _letters(known) == _letters(name)), name)


def _alike(name: str, place: Path) -> list[Path]:
    if not place.is_dir():
        return []
    return sorted(child for child in place.iterdir() if child.is_dir() and _letters(child.name) == _letters(name))


def _letters(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
