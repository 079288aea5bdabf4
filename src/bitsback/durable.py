"""Replacing a file whole or not at all."""

import errno
import os
from collections.abc import Iterable
from pathlib import Path


def replace_file(path: Path, chunks: Iterable[bytes]) -> int:
    """Write beside, sync, rename: whoever looks sees the old file or the new one, also after a crash or on a full disk.

    Args:
        path: the file; its folder must exist.
        chunks: the new content, in pieces.

    Returns:
        The bytes written.

    Raises:
        OSError: it could not be written, or what stands there is no regular file; the old file, if there was one, is as
            it was, and nothing is left beside it.
    """
    if path.exists() and not path.is_file():  # renaming would put a file in the place of a device
        raise OSError(errno.EISDIR if path.is_dir() else errno.EEXIST, "it is there, and no file", str(path))
    beside = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.part")
    size = 0
    try:
        with beside.open("xb") as file:
            for chunk in chunks:
                size += file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)
    return size


def _sync_folder(folder: Path) -> None:
    """Make the new name itself durable; a system that cannot sync a folder (Windows) has nothing to do here."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        return
    finally:
        os.close(handle)
