import os
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from bitsback.errors import ArtifactError
from bitsback.lower.run.onnx import Outputs, open_program
from tests.lower.run import graphs


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_session_computes_what_the_formulas_say(batch: int) -> None:
    x = np.random.default_rng(0).normal(size=(batch, *graphs.SHAPE)).astype(np.float32)
    found = open_program(graphs.program(), graphs.weights()).run(x)
    assert isinstance(found, Outputs)
    for name, expected in zip(Outputs._fields, graphs.reference(x, graphs.weights()), strict=True):
        np.testing.assert_allclose(getattr(found, name), expected, atol=1e-6)


def test_a_bound_batch_is_answered_in_the_same_memory_every_time() -> None:
    x = np.random.default_rng(0).normal(size=(3, *graphs.SHAPE)).astype(np.float32)
    session = open_program(graphs.program(), graphs.weights())
    call = session.bound(x)
    places = [each.ctypes.data for each in call.outputs]
    for each in call.outputs:
        each.fill(np.nan)
    call()
    assert [each.ctypes.data for each in call.outputs] == places
    for found, expected in zip(call.outputs, session.run(x), strict=True):
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(ArtifactError, match=r"input of shape \(2, 5\)"):
        session.bound(np.zeros((2, 5), np.float32))


def test_weights_that_are_views_or_read_only_serve_as_well() -> None:
    params = graphs.weights()
    transposed = np.ascontiguousarray(params["kernel"].transpose(2, 1, 0)).transpose(2, 1, 0)
    params["bias"].flags.writeable = False
    x = np.ones((3, *graphs.SHAPE), np.float32)
    found = open_program(graphs.program(), {**params, "kernel": transposed}).run(x)
    np.testing.assert_allclose(found.mean, graphs.reference(x, params)[0], atol=1e-6)


def test_other_dtypes_are_taken_as_float32() -> None:
    session = open_program(graphs.program(), graphs.weights())
    x = np.arange(8, dtype=np.uint8).reshape(2, *graphs.SHAPE)
    np.testing.assert_array_equal(session.run(x).mean, session.run(x.astype(np.float32)).mean)


def test_the_weights_name_must_be_exactly_those_the_graph_asks_for() -> None:
    params = graphs.weights()
    with pytest.raises(ArtifactError, match="'bias', which the artifact does not hold"):
        open_program(graphs.program(), {"kernel": params["kernel"]})
    with pytest.raises(ArtifactError, match="'more', which its program does not ask for"):
        open_program(graphs.program(), {**params, "more": params["bias"]})
    double = graphs.model()
    double.graph.initializer.append(graphs.external("bias", params["bias"]))
    with pytest.raises(ArtifactError, match="'bias', twice"):
        open_program(double.SerializeToString(), params)


@pytest.mark.parametrize("change", [{"bias": np.zeros((2, 1, 4), np.float32)}, {"bias": np.zeros((2, 1, 3))}])
def test_weights_of_another_shape_or_dtype_are_refused(change: dict[str, np.ndarray]) -> None:
    with pytest.raises(ArtifactError, match="ONNX Runtime refuses the program"):
        open_program(graphs.program(), {**graphs.weights(), **change})


@pytest.mark.parametrize(
    "location", ["/etc/passwd", "../x", "secret.bin", "", "weights/../secret.bin", "*/_ORT_MEM_ADDR_/*"]
)
def test_no_other_file_is_read(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("secret.bin").write_bytes(bytes(1000))
    with pytest.raises(ArtifactError, match="only initializers at location 'weights'"):
        open_program(graphs.program(bias=location), graphs.weights())


@pytest.mark.parametrize("place", graphs.stray())
def test_a_tensor_that_points_outside_is_found_wherever_it_hides(place: str) -> None:
    with pytest.raises(ArtifactError, match="'secret' is to be read from"):
        open_program(graphs.stray()[place], graphs.weights())


def test_a_file_called_weights_is_not_read_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("weights").write_bytes(np.full(24, 7, np.float32).tobytes())
    with pytest.raises(ArtifactError, match="does not hold"):
        open_program(graphs.program(), {})


@pytest.mark.parametrize(
    "program",
    [b"", b"\x00", b"hello, world", os.urandom(3), graphs.program()[:-3], b"\x08\x0a\x12\x04ORTM" + bytes(40)],
    ids=["empty", "zero", "text", "noise", "cut", "ort-format"],
)
def test_what_is_no_graph_is_refused_in_one_line(program: bytes) -> None:
    with pytest.raises(ArtifactError) as caught:
        open_program(program, {})
    assert "\n" not in str(caught.value)


def test_another_signature_is_refused() -> None:
    model = graphs.model()
    del model.graph.output[3]
    with pytest.raises(ArtifactError, match="outputs"):
        open_program(model.SerializeToString(), graphs.weights())
    model = graphs.model()
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))
    with pytest.raises(ArtifactError, match="inputs"):
        open_program(model.SerializeToString(), graphs.weights())


def test_a_program_that_fails_while_running_says_so_once(capfd: pytest.CaptureFixture[str]) -> None:
    session = open_program(graphs.program(), graphs.weights())
    with pytest.raises(ArtifactError, match=r"input of shape \(2, 5\)"):
        session.run(np.zeros((2, 5), np.float32))
    assert capfd.readouterr() == ("", "")
