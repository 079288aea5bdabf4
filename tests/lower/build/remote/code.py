"""Machine code that does what no compiled network does."""

import subprocess

from bitsback.lower.run.native.library import Entry, Library
from bitsback.lower.run.native.targets import runnable


def library(folder, statement: str) -> Library:
    """A function for batches of one that executes a statement of C."""
    source, made = folder / "code.cc", folder / "code.so"
    signature = 'extern "C" int __tvm_ffi_batch_1(void*, const void*, int, void*)'
    source.write_text(f"#include <fcntl.h>\n#include <unistd.h>\n{signature} {{ {statement}; return 0; }}\n")
    subprocess.run(["g++", "-shared", "-fPIC", "-o", made, source], check=True)
    return Library(runnable()[0], made.read_bytes(), (Entry(1),))
