"""What pruning does to latency when zeros are stored as zeros: nothing, and here is the measurement."""

from collections.abc import Mapping

import numpy as np

from bitsback.compress.masks import Masked
from bitsback.form.point import PointForm
from bitsback.form.program import Units
from bitsback.given.network import Network
from bitsback.lower.build.onnx import lower
from bitsback.measure.device import Cpu
from bitsback.measure.journal import Measurement, Scalar
from bitsback.measure.latency import Candidate, LatencySettings, latency


def rows(
    network: Network, units: Units, pruned: Mapping[float, Masked], inputs: np.ndarray, of: Mapping[str, Scalar]
) -> list[Measurement]:
    """Batch-1 latency of every pruned network beside the unpruned one, interleaved in one run."""
    device, one = Cpu(threads=1), inputs[:1]
    candidates = []
    for sparsity, posterior in pruned.items():
        lowered = lower(PointForm().program(network, posterior, units), inputs)
        session = device.load(lowered.graph, lowered.weights)
        candidates.append(Candidate(lambda session=session: session.run(one), {**of, "sparsity": sparsity}))
    return latency(candidates[1:], candidates[0], LatencySettings(repeats=400, device=device.name))
