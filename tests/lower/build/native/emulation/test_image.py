"""The memory of an emulated program, read as tvm-ffi and DLPack say, by another hand."""

import struct

import numpy as np

from bitsback.lower.build.native.emulation.image import BASE, image
from bitsback.lower.run.native.library import Entry, Library
from bitsback.lower.run.native.packing import arrange
from tests.lower.build.native.test_library import inputs_of
from tests.lower.run.native import plans

PLAN = plans.plan()


def memory(count):
    found = image(PLAN, Library("aarch64", b"", (Entry(3), Entry(1))), inputs_of(plans.SHAPE, count))

    def at(address, form):
        return struct.unpack_from(f"<{form}", found.content, address - BASE)

    return found, at


def tensors(at, arguments, number):
    """Address and size of each argument: a `TVMFFIAny` of a `DLTensor*` of one axis of float32 on the CPU."""
    for index in range(number):
        kind, padding, tensor = at(arguments + 16 * index, "iIQ")
        data, device, which, axes, code, bits, lanes, shape, strides, offset = at(tensor, "QiiiBBHQQQ")
        assert (kind, padding, device, which, axes, code, bits, lanes, offset) == (7, 0, 1, 0, 1, 2, 32, 1, 0)
        assert at(strides, "q") == (1,)
        yield data, at(shape, "q")[0]


def test_each_call_has_its_arguments():
    found, at = memory(5)
    count, calls = at(BASE, "QQ")
    assert count == 3  # of three inputs, and twice of one
    inputs = inputs_of(plans.SHAPE, 5).reshape(5, -1)
    done = 0
    for index, batch in enumerate((3, 1, 1)):
        name, arguments, number = at(calls + 24 * index, "QQQ")
        assert at(name, "18s")[0] == f"__tvm_ffi_batch_{batch}\0".encode()
        listed = list(tensors(at, arguments, number))
        arrangement = arrange(PLAN, batch)
        (given, size), constants, (scratch, room), *outputs = listed
        np.testing.assert_array_equal(at(given, f"{size}f"), inputs[done : done + batch].ravel())
        np.testing.assert_array_equal(at(constants[0], f"{constants[1]}f"), arrangement.constants)
        assert not any(at(scratch, f"{arrangement.scratch}f"))
        assert room == arrangement.scratch
        assert (constants[0] % 64, scratch % 64) == (0, 0)
        widths = (PLAN.outputs, 1, 1, 1)
        starts = [start + BASE + 4 * done * width for (start, _), width in zip(found.outputs, widths, strict=True)]
        assert outputs == [(start, batch * width) for start, width in zip(starts, widths, strict=True)]
        done += batch


def test_what_is_written_there_comes_back():
    found, _ = memory(2)
    content = bytearray(found.content)
    for index, (start, shape) in enumerate(found.outputs):
        values = np.arange(np.prod(shape), dtype="<f4") + 100 * index
        content[start : start + values.nbytes] = values.tobytes()
    mean, *rest = found.answers(bytes(content), 2)
    np.testing.assert_array_equal(mean, [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(rest, [[100, 101], [200, 201], [300, 301]])
