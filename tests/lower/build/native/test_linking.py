"""What links a library, where a cross compiler is there and where none is."""

import platform
import shutil
import subprocess

import pytest

from bitsback.errors import ExportError
from bitsback.lower.build.native.library import build
from bitsback.lower.build.native.linking import link
from bitsback.lower.run.native.library import Entry
from bitsback.lower.run.native.targets import TARGETS
from tests.emulation import needs_lld
from tests.lower.run.native import plans

OTHER = next(name for name in TARGETS if TARGETS[name].machine != platform.machine())
MACHINE = TARGETS[OTHER].machine


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Makes programs that are no linkers the only ones there, and gives what they were called with."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def install(*names):
        for name in names:
            (tmp_path / name).write_text(f'#!/bin/sh\necho {name} "$@" > {tmp_path}/called\n')
            (tmp_path / name).chmod(0o700)
        return tmp_path / "called"

    return install


def test_llvms_linker_comes_before_a_cross_compiler_whatever_its_version(installed, tmp_path):
    called = installed(f"{MACHINE}-linux-gnu-g++")
    for name in (f"{MACHINE}-linux-gnu-g++", "ld.lld-14", "ld.lld-19", "ld.lld"):
        installed(name)
        link(OTHER, tmp_path / "out.so", [tmp_path / "one.o"])
        assert called.read_text() == f"{name} -shared -o {tmp_path}/out.so {tmp_path}/one.o\n"


def test_without_a_linker_each_that_would_do_is_named(installed, tmp_path):
    with pytest.raises(
        ExportError, match=rf"for {OTHER} is linked by ld.lld or {MACHINE}-linux-gnu-g\+\+, which is not"
    ):
        link(OTHER, tmp_path / "out.so", [])
    own = next(name for name in TARGETS if TARGETS[name].machine == platform.machine())
    with pytest.raises(
        ExportError, match=rf"for {own} is linked by g\+\+, which is not there; Debian has it in g\+\+$"
    ):
        link(own, tmp_path / "out.so", [])


def test_what_a_linker_says_is_one_line(installed, tmp_path):
    installed("ld.lld").parent.joinpath("ld.lld").write_text(
        "#!/bin/sh\necho 'ld.lld: no such file' >&2\necho more >&2\nexit 1\n"
    )
    with pytest.raises(ExportError, match=f"^what is compiled for {OTHER} cannot be linked: ld.lld: no such file$"):
        link(OTHER, tmp_path / "out.so", [])


@needs_lld
@pytest.mark.skipif(shutil.which("readelf") is None, reason="needs readelf, which g++ brings")
def test_a_library_leaves_to_the_loader_only_what_tvm_ffi_has(tmp_path):
    library = build(plans.plan(), "aarch64", [Entry(1)])
    (tmp_path / "library.so").write_bytes(library.code)
    command = ["readelf", "--wide", "--dynamic", "--dyn-syms", "--file-header", str(tmp_path / "library.so")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "AArch64" in said
    assert "DYN (Shared object file)" in said
    assert "NEEDED" not in said
    names = [line.split()[-1] for line in said.splitlines() if " UND " in line and line.split()[-1] != "UND"]
    assert names == ["TVMFFIErrorSetRaisedFromCStrParts"]
