"""Replacing a file whole or not at all, and adding lines to one that only grows."""

import contextlib
import errno
import os
from collections.abc import Callable, Iterable, Iterator
from io import FileIO
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


def append(path: Path, lines: bytes, is_whole: Callable[[bytes], bool], head: bytes = b"") -> None:
    """Add lines at the end, all or none, and sync them; what a killed process left half-written at the end goes first.

    Args:
        path: the file; it need not be there.
        lines: each with its end.
        is_whole: whether a last line without an end is all there.
        head: what goes before them in a file that has nothing yet, whoever else begins it at the same time.

    Raises:
        OSError: the disk is full or gone; the file is as it was.
    """
    with path.open("a+b", buffering=0) as file, _alone(file):
        _mend(file, is_whole)
        _write(file, lines if file.seek(0, os.SEEK_END) else head + lines)


def _write(file: FileIO, data: bytes) -> None:
    """Write and sync all of it, or leave the file as it was.

    The file is raw because a buffer would try again, on closing, what failed here.

    Raises:
        OSError: the disk is full or gone.
    """
    start = file.seek(0, os.SEEK_END)
    try:
        while data:
            data = data[file.write(data) or 0 :]
        os.fsync(file.fileno())
    except OSError:
        os.ftruncate(file.fileno(), start)
        raise


def _mend(file: FileIO, is_whole: Callable[[bytes], bool]) -> None:
    """Make the file end with a complete line: end a whole last row, drop a torn one."""
    tail = _tail(file)
    if is_whole(tail):
        _write(file, b"\n")
    elif tail:
        os.ftruncate(file.fileno(), file.seek(0, os.SEEK_END) - len(tail))


def _tail(file: FileIO) -> bytes:
    """What follows the end of the last line that has one; no more of the file is read than that takes."""
    start, tail = file.seek(0, os.SEEK_END), b""
    while start and b"\n" not in tail:
        size = min(start, _BLOCK)
        start = file.seek(start - size)
        tail = file.read(size) + tail
    return tail.rpartition(b"\n")[2]


_BLOCK = 1 << 16  # bytes


@contextlib.contextmanager
def _alone(file: FileIO) -> Iterator[None]:
    """Hold the file's lock, where the system has one: two runs may share a file."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)
