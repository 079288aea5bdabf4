import platform

import numpy as np
import onnx
import pytest

from bitsback.measure.device import Cpu, cpu_model

X86 = (
    "processor\t: 0\nmodel\t\t: 17\nmodel name\t: Some Chip 3000\ncpu MHz : 1\n\nprocessor\t: 1\nmodel name\t: Other\n"
)
ARM = "processor\t: 0\nBogoMIPS\t: 108.00\n\nHardware\t: BCM2835\nModel\t\t: Raspberry Pi 5\n"
NAMELESS = "processor\t: 0\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: {}\n\n"


@pytest.mark.parametrize(
    ("told", "name"),
    [
        (X86, "Some Chip 3000"),
        (ARM, "Raspberry Pi 5"),
        (NAMELESS.format("0xd03"), "ARM 0x41 0xd03"),
        (NAMELESS.format("0xd0c"), "ARM 0x41 0xd0c"),
    ],
)
def test_the_processors_name_is_the_systems(tmp_path, told, name):
    (tmp_path / "cpuinfo").write_text(told)
    assert cpu_model(tmp_path / "cpuinfo") == f"{name} ({platform.machine()})"


def test_there_is_a_name_where_the_system_tells_none(tmp_path):
    assert cpu_model(tmp_path / "none").endswith(f"({platform.machine()})")


def test_the_thread_count_is_part_of_the_name():
    assert Cpu().name == f"{cpu_model()}, 1 thread"
    assert Cpu(threads=2).name.endswith(", 2 threads")


def test_a_program_runs_on_the_processor():
    shape = ["batch", 3]
    tensor = onnx.helper.make_tensor_value_info
    names = ["mean", "total", "data", "knowledge"]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["input"], [name]) for name in names],
        "same",
        [tensor("input", onnx.TensorProto.FLOAT, shape)],
        [tensor(name, onnx.TensorProto.FLOAT, shape) for name in names],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(Cpu().load(model.SerializeToString(), {}).run(x).mean, x)
