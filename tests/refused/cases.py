"""Artifacts that lie, each beside what is wrong with it. The files in this folder are these, byte by byte.

All but the first few carry correct checksums: a checksum says that a file is whole, not that it is honest. `seal`
follows docs/format.md and shares no code with the package. To write the files again after a change:

    python -c "from tests.refused.cases import write; write()"
"""

import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.artifact import golden
from tests.lower.run import graphs

FOLDER = Path(__file__).parent
Content = dict[str, bytes]
Table = list[list[Any]]


def honest(path: Path = golden.PATH) -> tuple[bytes, Content]:
    """A golden file's bytes, and its sections'."""
    data = path.read_bytes()
    rows = [struct.unpack_from("<16sQQ", data, 24 + 64 * index) for index in range(3)]
    return data, {name.rstrip(b"\0").decode(): data[start : start + size] for name, start, size in rows}


def seal(content: Content, change: Callable[[Table], object] = lambda table: None, count: int = 3) -> bytes:
    """A file of these sections, its table changed, its checksums right."""
    body, table = b"", []
    for name, data in content.items():
        body += bytes(-len(body) % 64)
        table.append([name.encode(), 256 + len(body), len(data)])
        body += data
    change(table)
    rows = b""
    for name, start, size in table[:3]:
        found = (bytes(256) + body)[start : start + size]
        rows += struct.pack("<16sQQ32s", name, start, size, hashlib.sha256(found).digest())
    head = struct.pack("<8sIIQ", b"\x89BBK\r\n\x1a\n", 2, count, 256 + len(body)) + rows
    return (head + hashlib.sha256(head).digest()).ljust(256, b"\0") + body


def patched(place: int, data: bytes) -> bytes:
    """The golden file with other bytes somewhere."""
    whole = honest()[0]
    return whole[:place] + data + whole[place + len(data) :]


def manifest(**changes: Any) -> bytes:
    """The golden file with other values in its manifest."""
    content = honest()[1]
    return text(json.dumps(json.loads(content["manifest"]) | changes))


def text(found: str | bytes) -> bytes:
    """The golden file with another manifest."""
    return seal({**honest()[1], "manifest": found.encode() if isinstance(found, str) else found})


def native(**changes: Any) -> bytes:
    """The golden file with libraries, with other values in its manifest; a key that is None is left out."""
    content = honest(golden.NATIVE)[1]
    found = json.loads(content["manifest"]) | changes
    kept = {key: each for key, each in found.items() if each is not None or key not in changes}
    return seal({**content, "manifest": json.dumps(kept).encode()})


def _libraries() -> list[dict[str, Any]]:
    return json.loads(honest(golden.NATIVE)[1]["manifest"])["libraries"]


def tensor(index: int, **changes: Any) -> bytes:
    """The golden file with other values in one tensor's entry: 0 is the bitmap at 0, 1 the dense one after it."""
    tensors = json.loads(honest()[1]["manifest"])["tensors"]
    tensors[index] |= changes
    return manifest(tensors=tensors)


def weights(place: int, data: bytes) -> bytes:
    """The golden file with other bytes in its weights."""
    content = honest()[1]
    old = content["weights"]
    return seal({**content, "weights": old[:place] + data + old[place + len(data) :]})


def stack(place: int, data: bytes, **changes: Any) -> bytes:
    """The golden file with stacks, with other bytes from a place of the first on, and other values in its entry."""
    content = honest(golden.MEMBERS)[1]
    found = json.loads(content["manifest"])
    entry = next(each for each in found["tensors"] if each["name"] == "close")
    at, old = entry["offset"] + place, content["weights"]
    entry |= changes
    changed = old[:at] + data + old[at + len(data) :]
    return seal({**content, "manifest": json.dumps(found).encode(), "weights": changed})


def program(data: bytes) -> bytes:
    """The golden file with another program."""
    return seal({**honest()[1], "program": data})


def _swap(table: Table) -> None:
    table[0], table[1] = table[1], table[0]


def _set(row: int, column: int, value: object) -> Callable[[Table], None]:
    def change(table: Table) -> None:
        table[row][column] = value

    return change


def _whole() -> str:
    return honest()[1]["manifest"].decode()


def _bools(values: bytes) -> bytes:
    entry = {
        "name": "b",
        "dtype": "bool",
        "shape": [len(values)],
        "encoding": "dense",
        "offset": 0,
        "size": len(values),
    }
    changed = json.dumps(json.loads(_whole()) | {"tensors": [entry]}).encode()
    return seal({**honest()[1], "manifest": changed, "weights": values})


def _spare_bits() -> bytes:
    """The dense tensor of six elements as a bitmap that marks a seventh."""
    found = json.loads(_whole())
    found["tensors"] = [{**found["tensors"][1], "encoding": "bitmap", "offset": 0, "size": 5}]
    data = {**honest()[1], "manifest": json.dumps(found).encode(), "weights": b"\x40" + np.ones(1, "<f4").tobytes()}
    return seal(data)


def _alone(data: bytes) -> bytes:
    """A program without weights."""
    changed = json.dumps(json.loads(_whole()) | {"tensors": []}).encode()
    return seal({"manifest": changed, "program": data, "weights": b""})


def _wants_more() -> bytes:
    model = graphs.model()
    model.graph.initializer.append(graphs.external("more", np.zeros((2, 2), np.float32)))
    return model.SerializeToString(deterministic=True)


CASES: dict[str, tuple[Callable[[], bytes], str]] = {
    # the file
    "empty": (lambda: b"", "not a bitsback artifact"),
    "another-format": (lambda: b"PK\x03\x04" + bytes(300), "not a bitsback artifact"),
    "text-mode-transfer": (lambda: honest()[0].replace(b"\r\n", b"\n"), "not a bitsback artifact"),
    "header-cut": (lambda: honest()[0][:200], "cut off"),
    "body-cut": (lambda: honest()[0][:-1], "cut off or added to"),
    "trailing-byte": (lambda: honest()[0] + b"\0", "cut off or added to"),
    "version-3": (lambda: patched(8, b"\x03"), "version 3, and bitsback"),
    "version-huge": (lambda: patched(8, b"\xff" * 4), "version 4294967295, and bitsback"),
    "header-checksum": (lambda: patched(250 - 8, b"\x55"), "checksum of its header"),
    "header-padding": (lambda: patched(255, b"\x01"), "checksum of its header"),
    "weights-checksum": (lambda: patched(len(honest()[0]) - 1, b"\x55"), "checksum of its weights"),
    "padding-not-zero": (
        lambda: patched(256 + len(honest()[1]["manifest"]), b"\x01"),
        "before its program are not zero",
    ),
    # the table
    "four-sections": (lambda: seal(honest()[1], count=4), "4 sections"),
    "sections-swapped": (lambda: seal(honest()[1], _swap), "section 0"),
    "section-twice": (lambda: seal(honest()[1], _set(1, 0, b"manifest")), "section 1"),
    "section-unknown": (lambda: seal(honest()[1], _set(2, 0, b"weights\0native")), "section 2"),
    "sections-overlap": (lambda: seal(honest()[1], _set(1, 1, 256)), "its program cannot be"),
    "section-in-header": (lambda: seal(honest()[1], _set(0, 1, 0)), "its manifest cannot be"),
    "section-beyond-end": (lambda: seal(honest()[1], _set(2, 2, 10**6)), "its weights cannot be"),
    "section-huge": (lambda: seal(honest()[1], _set(2, 2, 2**64 - 1)), "its weights cannot be"),
    "section-offset-huge": (lambda: seal(honest()[1], _set(2, 1, 2**64 - 64)), "its weights cannot be"),
    "section-too-short": (lambda: seal(honest()[1], _set(2, 2, 64)), "sections end at"),
    # the manifest
    "manifest-empty": (lambda: text(""), "not the JSON"),
    "manifest-not-utf8": (lambda: text(b"\xff\xfe{}"), "not the JSON"),
    "manifest-half-a-character": (lambda: text(_whole().replace("one", "\\ud800")), "not the JSON"),
    "manifest-list": (lambda: text("[]"), "a JSON object belongs"),
    "manifest-deep": (lambda: text(_whole()[:-1] + ',"x":' + "[" * 3000 + "]" * 3000 + "}"), "manifest is n"),
    "manifest-nan": (lambda: text(_whole().replace("0.9}", "NaN}")), "NaN is not a finite number"),
    "manifest-infinity": (lambda: text(_whole().replace("0.9}", "1e999}")), "1e999 is not a finite number"),
    "manifest-long-number": (lambda: text(_whole().replace('"seed":0', f'"seed":{"9" * 5000}')), "5000 characters"),
    "manifest-key-twice": (lambda: text('{"format":2,' + _whole()[1:]), "twice"),
    "manifest-unknown-key": (lambda: manifest(native="x"), "'native', which this version does not know"),
    "manifest-other-format": (lambda: manifest(format=1), "format cannot be '1'"),
    "manifest-no-members": (lambda: manifest(members=0), "members cannot be '0'"),
    "manifest-labels": (lambda: manifest(labels=["a"]), "labels cannot be"),
    "manifest-threshold": (lambda: manifest(abstain={"score": "total"}), "no 'threshold'"),
    # native libraries
    "libraries-without-plan": (lambda: native(plan=None), "'libraries', which this version does not know"),
    "plan-without-libraries": (lambda: native(libraries=None), "no 'libraries'"),
    "plan-with-no-library": (lambda: native(libraries=[]), "libraries cannot be"),
    "plan-list": (lambda: native(plan=[]), "where an object belongs"),
    "library-twice": (lambda: native(libraries=_libraries()[:1] * 2), "libraries cannot be"),
    "library-without-code": (lambda: native(libraries=[_libraries()[0] | {"target": "z80"}]), "has no code"),
    "library-without-target": (lambda: native(libraries=[{"entries": []}]), "no 'target'"),
    "library-without-batch": (lambda: native(libraries=[_libraries()[0] | {"entries": [{}]}]), "no 'batch'"),
    "libraries-for-the-program": (lambda: native(plan=None, libraries=None), "which its program does not ask for"),
    # the tensors
    "tensor-twice": (lambda: tensor(1, name="kernel"), "'kernel' stands in the index twice"),
    "tensor-unnamed": (lambda: tensor(1, name=""), "no name"),
    "tensor-object": (lambda: tensor(1, dtype="object"), "dtype 'object'"),
    "tensor-codec": (lambda: tensor(1, encoding="gzip"), "encoding 'gzip'"),
    "tensor-overlap": (lambda: tensor(1, offset=0), "is said to be at 0"),
    "tensor-unaligned": (lambda: tensor(1, offset=20), "is said to be at 20"),
    "tensor-negative-offset": (lambda: tensor(0, offset=-64), "is said to be at -64"),
    "tensor-beyond-end": (lambda: tensor(1, offset=2**60), f"is said to be at {2**60}"),
    "tensor-negative-size": (lambda: tensor(1, size=-24), "cannot take -24 bytes"),
    "tensor-wrong-size": (lambda: tensor(1, size=28), "cannot take 28 bytes"),
    "tensor-negative-shape": (lambda: tensor(1, shape=[-2, -1, 3]), "impossible shape"),
    "tensor-bomb": (lambda: tensor(1, shape=[2**30, 2**30]), "larger than"),
    "tensor-bitmap-bomb": (lambda: tensor(0, shape=[2**30, 2]), "cannot take"),
    "tensor-empty-bomb": (lambda: tensor(1, shape=[0, 2**60], size=0), "impossible shape"),
    "tensor-many-axes": (lambda: tensor(1, shape=[1] * 62 + [6]), "impossible shape"),
    "tensor-other-shape": (lambda: tensor(1, shape=[2, 1, 2], size=16), "the section that holds them has"),
    "tensor-missing": (
        lambda: manifest(tensors=json.loads(_whole())["tensors"][:1]),
        "the section that holds them has",
    ),
    "tensor-gap-not-zero": (lambda: weights(20, b"\x01"), "the bytes before its bias are not zero"),
    "bitmap-popcount": (lambda: weights(0, b"\xff"), "marks 10 values"),
    "bitmap-popcount-low": (lambda: weights(0, b"\x00\x00\x00"), "marks 0 values"),
    "bitmap-spare-bits": (_spare_bits, "bits beyond its 6 elements"),
    "stack-pattern-way": (lambda: stack(0, b"\x09"), "coded in way 9"),
    "stack-rows-beyond": (lambda: stack(1, b"\xc8\x01"), "'close' is damaged"),
    "stack-many-kinds": (lambda: stack(2, b"\xff\xff\xff\xff\x7f"), "kinds of numbers"),
    "stack-other-words": (lambda: stack(1500, b"\x00" * 64), "'close' is damaged"),
    "stack-endless-number": (lambda: stack(1, b"\xff" * 12), "has no end"),
    "stack-of-two-axes": (lambda: stack(0, b"", shape=[16, 2400]), "no stack that members could share"),
    "stack-bomb": (lambda: stack(0, b"", shape=[2**20, 40, 60]), "cannot take"),
    "stack-more-members": (lambda: stack(0, b"", shape=[17, 40, 60]), "'close' is damaged"),
    "stack-fewer-columns": (lambda: stack(0, b"", shape=[16, 40, 59]), "'close' is damaged"),
    "bool-of-two": (lambda: _bools(b"\x01\x02"), "only 0 and 1"),
    # the program
    "program-noise": (lambda: program(b"\x07noise"), "not an ONNX graph"),
    "program-empty": (lambda: _alone(b""), "ONNX Runtime refuses"),
    "program-ort-format": (lambda: _alone(b"\x08\x0a\x12\x04ORTM" + b"\x08\x00" * 20), "ONNX Runtime refuses"),
    "program-reads-passwd": (lambda: program(graphs.program(bias="/etc/passwd")), "read from ['/etc/passwd']"),
    "program-reads-parent": (lambda: program(graphs.program(bias="../x")), "read from ['../x']"),
    "program-reads-in-subgraph": (lambda: program(graphs.stray()["subgraph"]), "read from ['/etc/passwd']"),
    "program-wants-more": (lambda: program(_wants_more()), "'more', which the artifact does not hold"),
    "program-other-shape": (lambda: tensor(1, shape=[2, 3, 1]), "ONNX Runtime refuses"),
    "program-other-input": (
        lambda: manifest(input=json.loads(_whole())["input"] | {"shape": [4]}),
        "its program takes",
    ),
}


def write() -> None:
    """Make the folder's files."""
    for name, (make, _) in CASES.items():
        (FOLDER / f"{name}.bitsback").write_bytes(make())
