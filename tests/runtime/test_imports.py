import subprocess
import sys

from tests.artifact import golden

HEAVY = ("torch", "onnx", "pydantic", "rich", "typer", "PIL", "matplotlib", "jinja2", "sklearn", "asyncio", "unittest")


def loaded(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_importing_the_runtime_loads_numpy_alone() -> None:
    found = loaded("import bitsback.runtime.predictor, bitsback.runtime.inputs, bitsback.artifact.container")
    assert not found & {*HEAVY, "onnxruntime"}


def test_predicting_adds_the_engine_and_nothing_else() -> None:
    for path in (golden.PATH, golden.NATIVE):
        predict = f"load({str(path)!r}).predict(numpy.ones((1, 2, 2)))"
        found = loaded(f"import numpy; from bitsback.runtime.predictor import load; {predict}")
        assert not found & {*HEAVY, "tvm_ffi"}
        assert not [name for name in found if name.startswith("bitsback.lower.run.native")]
