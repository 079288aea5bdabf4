"""Where a command's picture goes."""

from pathlib import Path

from bitsback.errors import RecipeError

SUFFIXES = (".png", ".svg")


def check_picture(plot: Path | None) -> None:
    """Refuse a picture that could not be written under the name that a user gave it, if any, before time is spent.

    Raises:
        RecipeError: The name has another suffix, its folder is not there, or it is a folder.
    """
    if plot is None:
        return
    if plot.suffix not in SUFFIXES:
        raise RecipeError(f"--plot {plot} is neither a .png nor a .svg; name one of these")
    check_folder("--plot", plot)


def check_folder(option: str, path: Path) -> None:
    """Refuse a file whose folder is not there, or that is a folder itself.

    Raises:
        RecipeError: It is not, or it is.
    """
    if path.is_dir():
        raise RecipeError(f"{option} {path} cannot be written: it is a folder")
    if not path.parent.is_dir():
        raise RecipeError(f"{option} {path} cannot be written: there is no folder {path.parent}")
