"""Which data a run was fitted to: a later stage that is given others is told so, and does nothing."""

import hashlib
import json

import numpy as np

from bitsback.errors import RunError, reason
from bitsback.given.dataset import Dataset, Split
from bitsback.run.folder import RunFolder

_SAMPLED = 64  # inputs of each split; targets are looked at whole
_SPLITS = ("train", "validation", "calibration", "test")


def identity(data: Dataset) -> dict[str, str]:
    """What tells a data set from another, by part: names in words, arrays as digests of shapes, targets and some inputs."""
    found = {"name": data.name, "task": data.task, "labels": _digest(json.dumps(data.labels).encode())}
    found |= {f"{name} split": _of_split(getattr(data, name)) for name in _SPLITS}
    outside = _digest(data.out_of_distribution_name.encode(), *_sample(data.out_of_distribution))
    return found | {"out-of-distribution set": outside}


def remember_data(run: RunFolder, data: Dataset) -> None:
    """Leave in the folder which data it is fitted to.

    Raises:
        RunError: It cannot be written.
    """
    run.write("data", json.dumps(identity(data), indent=1) + "\n")


def check_data(run: RunFolder, data: Dataset) -> None:
    """Refuse data that are not those of the fit; they may have moved, and a folder that does not say is believed.

    Raises:
        RunError: They differ, or what the folder says cannot be read.
    """
    if not run.has("data"):
        return
    try:
        before = json.loads(run.file("data").read_text("utf-8"))
        different = [key for key, value in identity(data).items() if before[key] != value]
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise RunError(f"{run.file('data')} cannot be read: {reason(error)}") from error
    if different:
        raise RunError(
            f"{run.path} was fitted to other data ('{before['name']}') than these ('{data.name}'): the {different[0]} "
            "differs; name the folder of the same data with --data"
        )


def _of_split(split: Split) -> str:
    return _digest(*_sample(split.inputs), str(split.targets.shape).encode(), split.targets.tobytes())


def _sample(inputs: np.ndarray) -> tuple[bytes, bytes]:
    """The shape, and some inputs from the first to nearly the last."""
    return str(inputs.shape).encode(), inputs[:: max(1, len(inputs) // _SAMPLED)][:_SAMPLED].tobytes()


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:16]
