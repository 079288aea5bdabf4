"""The packed file: a header with a table, then manifest, program and weights. docs/format.md has every byte.

```
header (256 bytes, its own SHA-256) │ manifest (JSON) │ program (ONNX) │ weights (tensors, one after the other)
```

Every byte is under a checksum or must be zero, every size and offset is checked before anything is allocated for it.
Nothing in it is unpickled, and nothing is run by reading it.
"""

import hashlib
import stat
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bitsback import __version__
from bitsback.artifact.manifest import FORMAT, Manifest
from bitsback.artifact.tensors import StoredTensor, aligned, check_layout, pack, unpack
from bitsback.durable import replace_file
from bitsback.errors import ArtifactError, reason

MAGIC = b"\x89BBK\r\n\x1a\n"
SECTIONS = ("manifest", "program", "weights")
LARGEST_MANIFEST = 2**24
NATIVE = "native/"
"""How the names of tensors begin that are not of the program, in a file with a plan."""
_MAPPED = b'"mapped":['
_START = struct.Struct("<8sIIQ")
_SECTION = struct.Struct("<16sQQ32s")
_SIGNED = _START.size + len(SECTIONS) * _SECTION.size
HEADER = aligned(_SIGNED + hashlib.sha256().digest_size)


@dataclass(frozen=True, eq=False)
class Artifact:
    """What a packed file holds.

    Attributes:
        manifest: what it says about itself.
        program: the ONNX graph, its large initializers external at location "weights".
        weights: those initializers, by name.
        native: what its native libraries are made of, by name: the plan's tensors, and the code of each library as
            `code.TARGET`, which nothing but `runtime.native` looks at. Empty where the manifest has no plan.
    """

    manifest: Manifest
    program: bytes
    weights: Mapping[str, np.ndarray]
    native: Mapping[str, np.ndarray] = field(default_factory=dict)


class Section(NamedTuple):
    """One row of the header's table: bytes [offset, offset + size) of the file."""

    name: str
    offset: int
    size: int
    digest: bytes


def write(path: str | Path, artifact: Artifact) -> int:
    """Write the file beside and rename it over the old one.

    Returns:
        Its size in bytes.

    Raises:
        ArtifactError: a tensor or the manifest cannot be stored, or the disk refuses; an old file is left as it was.
    """
    data = encode(artifact)
    path = Path(path)
    try:
        return replace_file(path, (data,))
    except OSError as error:
        raise ArtifactError(f"the artifact {path} cannot be written, nothing was changed: {error.strerror}") from error


def read(path: str | Path) -> Artifact:
    """Read a file and check every byte of it.

    One with `mapped` tensors is mapped into memory, and must not be changed in place while it is used.

    Raises:
        ArtifactError: there is no such file, it is damaged, it lies, or this version does not read its format.
    """
    path = Path(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ArtifactError(_no_file(path))
        with path.open("rb") as file:
            head = file.read(HEADER)
            manifest = read_header(head, status.st_size, str(path))[0]
            start = head + file.read(manifest.offset + manifest.size - HEADER)
            mapped = _MAPPED in start  # a hint alone: what is decoded is the same
            data = np.memmap(path, np.uint8, "r").data if mapped else start + file.read()
    except (OSError, ValueError) as error:
        raise ArtifactError(f"the artifact {path} cannot be read: {reason(error)}") from error
    except MemoryError as error:
        raise ArtifactError(f"{path} does not fit in memory") from error
    return decode(data, str(path))


def _no_file(path: Path) -> str:
    inside = next(iter(sorted(path.glob("model*.bitsback"))), None) if path.is_dir() else None
    kind = "a folder" if path.is_dir() else "no regular file"
    return f"{path} is {kind}, and a packed file is needed{f', such as {inside}' if inside else ''}"


def encode(artifact: Artifact) -> bytes:
    """The artifact as the bytes of a file; the same artifact always gives the same bytes.

    Raises:
        ArtifactError: it holds what the format cannot.
    """
    tensors, weights = _pack_all(_together(artifact), artifact.manifest.mapped)
    manifest = replace(artifact.manifest, tensors=tensors).to_json()
    _check_names(Manifest.from_json(manifest))
    if len(manifest) > LARGEST_MANIFEST:
        raise ArtifactError(f"the manifest takes {len(manifest)} bytes; the format allows {LARGEST_MANIFEST}")
    table, body = b"", b""
    for name, content in zip(SECTIONS, (manifest, artifact.program, weights), strict=True):
        body += bytes(aligned(len(body)) - len(body))
        table += _SECTION.pack(name.encode(), HEADER + len(body), len(content), hashlib.sha256(content).digest())
        body += content
    signed = _START.pack(MAGIC, FORMAT, len(SECTIONS), HEADER + len(body)) + table
    return (signed + hashlib.sha256(signed).digest()).ljust(HEADER, b"\0") + body


def decode(data: bytes | memoryview, name: str = "the artifact") -> Artifact:
    """The artifact that `encode` wrote.

    Args:
        data: all the bytes of a file.
        name: what to call it in an error.

    Raises:
        ArtifactError: any byte is not what it must be.
    """
    sections = read_header(data, len(data), name)
    view = memoryview(data)
    content = {each.name: view[each.offset : each.offset + each.size] for each in sections}
    for each in sections:
        if hashlib.sha256(content[each.name]).digest() != each.digest:
            raise ArtifactError(f"{name} is damaged: the checksum of its {each.name} does not match")
    _check_gaps(view, HEADER, sections, name)
    try:
        manifest = Manifest.from_json(bytes(content["manifest"]))
        check_layout(manifest.tensors, len(content["weights"]))
        _check_gaps(content["weights"], 0, manifest.tensors, "the weights section")
        _check_names(manifest)
        tensors = {each.name: unpack(each, _slice(content["weights"], each)) for each in manifest.tensors}
    except ArtifactError as error:
        raise ArtifactError(f"{name} lies: {error}") from error
    except MemoryError as error:
        raise ArtifactError(f"{name} does not fit in memory") from error
    return Artifact(manifest, bytes(content["program"]), *_apart(manifest, tensors))


def read_header(data: bytes | memoryview, size: int, name: str) -> list[Section]:
    """Check the header alone, and give its table.

    Args:
        data: at least the header, if there is that much.
        size: of the whole file, bytes.
        name: what to call it in an error.

    Raises:
        ArtifactError: it is no artifact, is of another format, is cut, or its table does not fit the file.
    """
    if data[: len(MAGIC)] != MAGIC:
        raise ArtifactError(f"{name} is not a bitsback artifact: it starts with {data[:8]!r}, not with {MAGIC!r}")
    if len(data) < HEADER:
        raise ArtifactError(f"{name} is cut off: it has {size} bytes, and the header alone takes {HEADER}")
    _, version, count, stated = _START.unpack_from(data)
    if version != FORMAT:
        raise ArtifactError(
            f"{name} is of format version {version}, and bitsback {__version__} reads version {FORMAT} only: "
            "pack it again, or use the bitsback that wrote it"
        )
    if hashlib.sha256(data[:_SIGNED]).digest() != data[_SIGNED : _SIGNED + 32] or any(data[_SIGNED + 32 : HEADER]):
        raise ArtifactError(f"{name} is damaged: the checksum of its header does not match")
    if stated != size:
        raise ArtifactError(f"{name} has {size} bytes, and its header says {stated}: it was cut off or added to")
    if count != len(SECTIONS):
        raise ArtifactError(f"{name} lies: it has {count} sections, and format {FORMAT} has {len(SECTIONS)}")
    return _table(data, size, name)


def _table(data: bytes | memoryview, size: int, name: str) -> list[Section]:
    # Offsets follow from sizes: nothing overlaps, nothing is left out.
    sections: list[Section] = []
    end = HEADER
    for index, expected in enumerate(SECTIONS):
        label, offset, length, digest = _SECTION.unpack_from(data, _START.size + index * _SECTION.size)
        if label != expected.encode().ljust(16, b"\0"):
            raise ArtifactError(f"{name} lies: section {index} is {label.rstrip(bytes(1))!r}, not {expected}")
        if offset != aligned(end) or offset + length > size:
            raise ArtifactError(f"{name} lies: its {expected} cannot be {length} bytes at {offset} of {size}")
        sections.append(Section(expected, offset, length, digest))
        end = offset + length
    if end != size:
        raise ArtifactError(f"{name} lies: its sections end at {end}, and the file at {size}")
    if sections[0].size > LARGEST_MANIFEST:
        raise ArtifactError(f"{name} lies: a manifest of {sections[0].size} bytes; at most {LARGEST_MANIFEST} go")
    return sections


def _check_gaps(view: memoryview, end: int, parts: Sequence[Section | StoredTensor], name: str) -> None:
    for each in parts:
        if any(view[end : each.offset]):
            raise ArtifactError(f"{name} is damaged: the bytes before its {each.name} are not zero")
        end = each.offset + each.size


def _together(artifact: Artifact) -> dict[str, np.ndarray]:
    """All that the weights section holds.

    Raises:
        ArtifactError: there are native tensors without a plan, or a name would be of both kinds.
    """
    native = {NATIVE + name: array for name, array in artifact.native.items()}
    if artifact.manifest.plan is None and native:
        raise ArtifactError(
            f"there are tensors of a plan, such as {min(artifact.native)!r}, and no plan in the manifest"
        )
    taken = [name for name in artifact.weights if native and name.startswith(NATIVE)]
    if taken:
        raise ArtifactError(
            f"the program's tensor {taken[0]!r} begins with {NATIVE!r}, which is kept for native libraries"
        )
    return {**artifact.weights, **native}


def _apart(
    manifest: Manifest, tensors: Mapping[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The program's tensors, and those of native libraries."""
    if manifest.plan is None:
        return dict(tensors), {}
    own = {name: array for name, array in tensors.items() if not name.startswith(NATIVE)}
    return own, {name.removeprefix(NATIVE): array for name, array in tensors.items() if name not in own}


def _check_names(manifest: Manifest) -> None:
    names = {each.name for each in manifest.tensors}
    dense = {each.name for each in manifest.tensors if each.encoding == "dense"}
    for name in manifest.mapped:
        if name not in dense or (manifest.plan is not None and name.startswith(NATIVE)):
            raise ArtifactError(f"the tensor {name!r:.80} is to be mapped, and is not there, or not stored densely")
    for target in manifest.targets:
        if code_name(target) not in names:
            raise ArtifactError(
                f"the library for {target!r:.80} has no code: there is no tensor {code_name(target)!r:.80}"
            )


def code_name(target: str) -> str:
    """What the tensor of a library's code is called in the index."""
    return f"{NATIVE}code.{target}"


def _pack_all(weights: Mapping[str, np.ndarray], mapped: Sequence[str]) -> tuple[tuple[StoredTensor, ...], bytes]:
    tensors: list[StoredTensor] = []
    body = bytearray()
    for name, array in weights.items():
        stored, data = pack(name, array, len(body), densely=name in mapped)
        tensors.append(stored)
        body.extend(bytes(stored.offset - len(body)) + data)
    return tuple(tensors), bytes(body)


def _slice(weights: memoryview, stored: StoredTensor) -> memoryview:
    return weights[stored.offset : stored.offset + stored.size]
