import errno
import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bitsback.artifact.container import HEADER, Artifact, decode, encode, read, write
from bitsback.artifact.manifest import Input, Manifest
from bitsback.errors import ArtifactError
from tests.artifact import golden

GOLDEN = {
    golden.PATH: (golden.artifact, "c6ffb472a1911d09fbcb064c36f432b90d28c2aa13029152cbf9becff976658d"),
    golden.NATIVE: (golden.native, "2bd72fc27db99ad4e0b9a81d5701492327741334438bb3fb6382972ce660fa56"),
    golden.CODEBOOK: (golden.coded, "ab62e144717e28c493c160bd25613e07a2abc89e3296d3788f277ee0bcc0e3fa"),
    golden.MEMBERS: (golden.members, "af8152b6cca38452dbc05aa2f2cee330da72b2380b4c5c1a9da28591e26d9be8"),
}
each_file = pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)


def small() -> Artifact:
    manifest = Manifest(task="regression", form="point", input=Input((2,)), outputs=1)
    return Artifact(manifest, b"program", {"w": np.array([0, 0, 1.5], np.float32), "b": np.zeros((), np.float64)})


def same(one: Artifact, other: Artifact) -> bool:
    arrays = zip(
        (*one.weights.items(), *one.native.items()), (*other.weights.items(), *other.native.items()), strict=True
    )
    return (
        one.program == other.program
        and replace(one.manifest, tensors=()) == replace(other.manifest, tensors=())
        and all(a == b and v.dtype == w.dtype and v.tobytes() == w.tobytes() for (a, v), (b, w) in arrays)
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.bitsback"
    assert write(path, small()) == path.stat().st_size
    assert same(read(path), small())
    assert [each.name for each in tmp_path.iterdir()] == ["model.bitsback"]


@pytest.mark.parametrize("weights", [{}, {"e": np.zeros((0, 3), np.int8)}, {"b": np.array([True, False])}])
def test_few_or_no_weights_are_read_back(weights: dict[str, np.ndarray]) -> None:
    found = Artifact(small().manifest, b"p" * 64, weights)
    assert same(decode(encode(found)), found)


def mapped() -> Artifact:
    weights = {"members": np.eye(64, dtype=np.float32).reshape(2, 32, 64), "shared": np.zeros(100, np.float32)}
    return Artifact(replace(small().manifest, form="ensemble", members=2, mapped=("members",)), b"program", weights)


def test_what_is_mapped_stays_in_the_file_until_it_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "model.bitsback"
    write(path, mapped())
    found = read(path)
    assert same(found, mapped())
    assert [each.encoding for each in found.manifest.tensors] == ["dense", "codebook"]
    base: object = found.weights["members"]
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    while isinstance(base, memoryview):
        base = base.obj
    assert isinstance(base, np.memmap)
    assert base.mode == "r"


def test_what_is_mapped_is_checked_like_the_rest(tmp_path: Path) -> None:
    path, whole = tmp_path / "model.bitsback", encode(mapped())
    for damaged in (whole[:-1], whole + b"\0", whole[:-1] + bytes([whole[-1] ^ 1]), whole[:300] + b"?" + whole[301:]):
        path.write_bytes(damaged)
        with pytest.raises(ArtifactError):
            read(path)


def test_what_is_to_be_mapped_is_there_and_dense() -> None:
    with pytest.raises(
        ArtifactError, match="the tensor 'members' is to be mapped, and is not there, or not stored densely"
    ):
        encode(replace(mapped(), weights={}))


def test_sections_and_tensors_are_aligned_and_nothing_else_is_added() -> None:
    data = encode(small())
    stored = decode(data).manifest.tensors
    assert [each.offset % 64 for each in stored] == [0, 0]
    assert [(each.encoding, each.size) for each in stored] == [("bitmap", 5), ("bitmap", 1)]
    assert len(data) == HEADER + sum(-(-n // 64) * 64 for n in (len(decode(data).manifest.to_json()), 7)) + 64 + 1


@each_file
def test_a_golden_file_is_what_it_always_was(path: Path) -> None:
    made, digest = GOLDEN[path]
    data = path.read_bytes()
    assert hashlib.sha256(data).hexdigest() == digest
    assert same(decode(data), made())


@each_file
def test_the_writer_still_writes_the_golden_file(path: Path) -> None:
    made, _ = GOLDEN[path]
    data = path.read_bytes()
    assert encode(replace(made(), program=decode(data).program)) == data


def test_the_program_gets_none_of_the_libraries_tensors() -> None:
    found = read(golden.NATIVE)
    assert list(found.weights) == list(read(golden.PATH).weights)
    assert found.native["code.aarch64"].tobytes() == b"no code for aarch64"
    assert found.manifest.targets == ("x86-64-v3", "aarch64")


@each_file
def test_every_prefix_is_refused(path: Path) -> None:
    data = path.read_bytes()
    for length in range(len(data)):
        with pytest.raises(ArtifactError):
            decode(data[:length])


@each_file
def test_any_byte_more_is_refused(path: Path) -> None:
    for more in (b"\0", b"\0" * 64, path.read_bytes()):
        with pytest.raises(ArtifactError, match="cut off or added to"):
            decode(path.read_bytes() + more)


@each_file
def test_every_flipped_bit_is_refused(path: Path) -> None:
    data = path.read_bytes()
    bits = np.random.default_rng(0).choice(8 * len(data), size=1000, replace=False)
    for bit in (*map(int, bits), *range(8 * HEADER)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ArtifactError):
            decode(bytes(damaged))


def test_files_that_are_cut_or_flipped_on_disk_are_refused_too(tmp_path: Path) -> None:
    data, path = golden.PATH.read_bytes(), tmp_path / "model.bitsback"
    for damaged in (b"", data[:7], data[:HEADER], data[:-1], data + b"\0", data[:-1] + b"\xff"):
        path.write_bytes(damaged)
        with pytest.raises(ArtifactError, match=r"model\.bitsback"):
            read(path)


def test_another_version_is_named() -> None:
    data = bytearray(golden.PATH.read_bytes())
    data[8] = 7
    with pytest.raises(ArtifactError, match=r"version 7, and bitsback \S+ reads version 2 only"):
        decode(bytes(data))


def test_what_is_not_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="No such file"):
        read(tmp_path / "none.bitsback")
    with pytest.raises(ArtifactError, match="is a folder, and a packed file is needed"):
        read(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArtifactError, match="is no regular file"):
        read(tmp_path / "pipe")


def full(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(("module", "call"), [("os", "fsync"), ("pathlib.Path", "replace"), ("pathlib.Path", "open")])
def test_a_full_disk_leaves_the_old_file(
    module: str, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.bitsback"
    write(path, small())
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(f"{module}.{call}", full)
        with pytest.raises(ArtifactError, match="cannot be written, nothing was changed: No space left on device"):
            write(path, golden.artifact())
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["model.bitsback"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="No such file or directory"):
        write(tmp_path / "none" / "model.bitsback", small())


BAD: dict[str, Callable[[Artifact], Artifact]] = {
    "dtype": lambda found: replace(found, weights={"w": np.zeros(3, np.complex64)}),
    "object": lambda found: replace(found, weights={"w": np.array([None])}),
    "name": lambda found: replace(found, weights={"": np.zeros(3)}),
    "recipe": lambda found: replace(found, manifest=replace(found.manifest, recipe={"a": {1, 2}})),
    "nan": lambda found: replace(found, manifest=replace(found.manifest, recipe={"a": float("nan")})),
    "deep": lambda found: replace(found, manifest=replace(found.manifest, recipe=nested(100))),
    "native-without-plan": lambda found: replace(found, native={"x": np.zeros(3, np.float32)}),
    "name-of-both": lambda found: replace(golden.native(), weights={"native/0.mean": np.zeros(3, np.float32)}),
    "library-without-code": lambda found: replace(golden.native(), native={"code.aarch64": np.zeros(3, np.uint8)}),
    "measurement": lambda found: replace(found, manifest=replace(found.manifest, measurements=({"what": "x"},))),
}


def nested(levels: int) -> dict[str, object]:
    return {"a": nested(levels - 1)} if levels else {}


@pytest.mark.parametrize("name", BAD)
def test_what_could_not_be_read_is_not_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError):
        write(tmp_path / "model.bitsback", BAD[name](small()))
    assert [each.name for each in tmp_path.iterdir()] == []


def test_what_is_of_native_libraries_alone_is_not_mapped_for_the_program() -> None:
    native = golden.native()
    name = next(iter(native.native))
    manifest = replace(native.manifest, form="ensemble", mapped=(f"native/{name}",))
    with pytest.raises(ArtifactError, match="is to be mapped, and is not there"):
        encode(replace(native, manifest=manifest))
