"""A program for aarch64 that calls a library's functions, made without a cross compiler.

It is written in LLVM's own language, which TVM's copy of LLVM compiles for any architecture. It loads `library.so` as tvm-ffi
does, maps the file `image` to the address that `image.BASE` says, and calls what is listed there. What the functions write
is in the file afterwards. The one thing that a library asks of tvm-ffi, to say what is wrong with its arguments, is said on
standard error. The exit status is 0 where every call succeeded.
"""

import tempfile
from functools import cache
from pathlib import Path

from bitsback.lower.build.compiler import need_compiler
from bitsback.lower.build.native.emulation.image import BASE
from bitsback.lower.build.native.linking import run

_INTERPRETER = "/lib/ld-linux-aarch64.so.1"
_TEXTS = {
    "library": "./library.so",
    "image": "image",
    "part": "%s",
    "line": "%s\n",
    "no_image": "its memory cannot be mapped to the address where it belongs\n",
    "no_function": "it has no function %s\n",
}
_FUNCTIONS = """
declare ptr @dlopen(ptr, i32)
declare ptr @dlsym(ptr, ptr)
declare ptr @dlerror()
declare i32 @open(ptr, i32, ...)
declare i64 @lseek(i32, i64, i32)
declare ptr @mmap(ptr, i64, i32, i32, i32, i64)
declare i32 @dprintf(i32, ptr, ...)
declare void @_exit(i32)

define void @TVMFFIErrorSetRaisedFromCStrParts(ptr %kind, ptr %parts, i32 %count) {
  call i32 (i32, ptr, ...) @dprintf(i32 2, ptr @part, ptr %kind)
  br label %head
head:
  %index = phi i32 [ 0, %0 ], [ %next, %skip ]
  %more = icmp slt i32 %index, %count
  br i1 %more, label %body, label %end
body:
  %at = getelementptr ptr, ptr %parts, i32 %index
  %text = load ptr, ptr %at
  %none = icmp eq ptr %text, null
  br i1 %none, label %skip, label %say
say:
  call i32 (i32, ptr, ...) @dprintf(i32 2, ptr @part, ptr %text)
  br label %skip
skip:
  %next = add i32 %index, 1
  br label %head
end:
  ret void
}

define void @_start() {
  %result = alloca [2 x i64]
  store [2 x i64] zeroinitializer, ptr %result
  %library = call ptr @dlopen(ptr @library, i32 2)
  %unloaded = icmp eq ptr %library, null
  br i1 %unloaded, label %unloadable, label %map
unloadable:
  %error = call ptr @dlerror()
  call i32 (i32, ptr, ...) @dprintf(i32 2, ptr @line, ptr %error)
  br label %failed
map:
  %file = call i32 (ptr, i32, ...) @open(ptr @image, i32 2)
  %size = call i64 @lseek(i32 %file, i64 0, i32 2)
  %base = inttoptr i64 BASE to ptr
  %mapped = call ptr @mmap(ptr %base, i64 %size, i32 3, i32 1, i32 %file, i64 0)
  %there = icmp eq ptr %mapped, %base
  br i1 %there, label %begin, label %unmapped
unmapped:
  call i32 (i32, ptr, ...) @dprintf(i32 2, ptr @no_image)
  br label %failed
begin:
  %count = load i64, ptr %base
  %list = getelementptr i64, ptr %base, i64 1
  %calls = load ptr, ptr %list
  br label %head
head:
  %index = phi i64 [ 0, %begin ], [ %next, %call ]
  %done = icmp eq i64 %index, %count
  br i1 %done, label %finished, label %body
body:
  %name_at = getelementptr [3 x i64], ptr %calls, i64 %index, i64 0
  %arguments_at = getelementptr [3 x i64], ptr %calls, i64 %index, i64 1
  %number_at = getelementptr [3 x i64], ptr %calls, i64 %index, i64 2
  %name = load ptr, ptr %name_at
  %arguments = load ptr, ptr %arguments_at
  %number = load i32, ptr %number_at
  %function = call ptr @dlsym(ptr %library, ptr %name)
  %unknown = icmp eq ptr %function, null
  br i1 %unknown, label %nameless, label %call
nameless:
  call i32 (i32, ptr, ...) @dprintf(i32 2, ptr @no_function, ptr %name)
  br label %failed
call:
  %status = call i32 %function(ptr null, ptr %arguments, i32 %number, ptr %result)
  %good = icmp eq i32 %status, 0
  %next = add i64 %index, 1
  br i1 %good, label %head, label %failed
failed:
  call void @_exit(i32 1)
  unreachable
finished:
  call void @_exit(i32 0)
  unreachable
}
"""


def _source() -> str:
    """The program's text; LLVM reads a byte of a string as a backslash and two hexadecimal digits."""
    lines = ['target triple = "aarch64-unknown-linux-gnu"']
    for name, text in _TEXTS.items():
        content = f"{text}\0".encode()
        written = "".join(f"\\{byte:02X}" for byte in content)
        lines.append(f'@{name} = private constant [{len(content)} x i8] c"{written}"')
    return "\n".join([*lines, _FUNCTIONS.replace("BASE", str(BASE))])


@cache
def driver(linker: str, libc: Path) -> bytes:
    """The program.

    Args:
        linker: LLVM's.
        libc: The C library for aarch64.

    Raises:
        MissingExtraError: TVM is not installed.
        ExportError: It cannot be linked.
    """
    need_compiler()
    import tvm

    with tempfile.TemporaryDirectory() as name:
        source, made, program = (Path(name) / each for each in ("driver.ll", "driver.o", "driver"))
        source.write_text(_source())
        tvm.runtime.load_module(str(source)).write_to_file(str(made), "o")
        how = ["--export-dynamic", "--dynamic-linker", _INTERPRETER]
        run([linker, *how, "-o", str(program), str(made), str(libc)], "aarch64")
        return program.read_bytes()
