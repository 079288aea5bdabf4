"""What one pass is timed beside: the deterministic network and 30 draws, in ONNX Runtime and in PyTorch."""

import contextlib
import io
import warnings
from collections.abc import Callable, Mapping

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn
from torch.export import Dim

from bitsback.form.ensemble import EnsembleForm
from bitsback.form.one_by_one import asked, members_of, predict
from bitsback.form.point import PointForm
from bitsback.form.program import Program
from bitsback.given.dataset import Dataset
from bitsback.lower.build.onnx import lower
from bitsback.run.fitted import FittedNetwork

DRAWS = 30
Call = Callable[[], object]


class _Logits(nn.Module):
    """Raw inputs to logits, and nothing after them."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.predict = program.module

    def forward(self, inputs: Tensor) -> Tensor:
        return self.predict.members((inputs - self.predict.input_mean) * self.predict.input_scale)[0]


def deterministic(network: FittedNetwork) -> bytes:
    """The posterior's mean as ONNX: logits, and nothing after them."""
    program = network.program(PointForm())
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        example = torch.zeros(3, *program.input_shape)
        exported = torch.export.export(_Logits(program), (example,), dynamic_shapes=({0: Dim.DYNAMIC},), strict=False)
        made = torch.onnx.export(exported, (), dynamo=True, verbose=False)
    assert made is not None
    return made.model_proto.SerializeToString()


def ensemble(network: FittedNetwork, raw: np.ndarray) -> Call:
    """30 members under ONNX Runtime, stacked."""
    lowered = lower(network.program(EnsembleForm(DRAWS)), raw[:1])
    return bound(lowered.graph, lowered.weights, raw)


def bound(graph: bytes, weights: Mapping[str, np.ndarray], raw: np.ndarray) -> Call:
    """A graph under ONNX Runtime, one thread, its input and outputs bound to memory beforehand."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(each)) for each in weights.values()]
    if values:
        options.add_external_initializers(list(weights), values)
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    binding = session.io_binding()
    binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(raw))
    outputs = [each.name for each in session.get_outputs()]
    for output, found in zip(outputs, session.run(outputs, {name: raw}), strict=True):
        room = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros_like(np.asarray(found)))
        binding.bind_ortvalue_output(output, room)
    return lambda: (session.run_with_iobinding(binding), values)


def stacked(network: FittedNetwork, raw: np.ndarray) -> Call:
    """30 members in PyTorch, drawn beforehand, mapped over the traced graph (as `torch.func.vmap` would)."""
    module, inputs = network.program(EnsembleForm(DRAWS)).module, torch.from_numpy(raw)

    def run() -> object:
        with torch.inference_mode():
            return module(inputs)

    return run


def one_by_one(network: FittedNetwork, raw: np.ndarray) -> Call:
    """30 draws made beforehand, one after the other through the traced network, in PyTorch."""
    tensors = members_of(network.posterior.fixed, network.posterior.sample(DRAWS, torch.Generator().manual_seed(0)))
    members = asked(network.network, tensors)
    return lambda: predict(members, network.units, raw)


def pyro_predictive(network: FittedNetwork, data: Dataset, raw: np.ndarray) -> Call:
    """30 draws of an MLP by Pyro's `Predictive`, from a guide of the same means and standard deviations."""
    import pyro
    from pyro.distributions import Normal
    from pyro.infer import Predictive

    inputs = torch.from_numpy(data.normalization.apply(raw)).flatten(1)
    marginals = network.posterior.marginals()
    params = {name.replace(".", "_"): (mean, var.sqrt()) for name, (mean, var) in marginals.items()}
    layers = list(dict.fromkeys(name.rpartition("_")[0] for name in params))

    def guide(_: Tensor) -> None:
        for name, (mean, std) in params.items():
            pyro.sample(name, Normal(mean, std).to_event(mean.ndim))

    def model(x: Tensor) -> Tensor:
        drawn = {
            name: pyro.sample(name, Normal(torch.zeros_like(mean), 1.0).to_event(mean.ndim))
            for name, (mean, _) in params.items()
        }
        for index, layer in enumerate(layers):
            x = torch.nn.functional.linear(x, drawn[f"{layer}_weight"], drawn[f"{layer}_bias"])
            x = torch.relu(x) if index < len(layers) - 1 else x
        return pyro.deterministic("logits", x)

    predictive = Predictive(model, guide=guide, num_samples=DRAWS, return_sites=("logits",))

    def run() -> object:
        with torch.inference_mode():
            return torch.softmax(predictive(inputs)["logits"], -1).mean(0)

    return run


def locally_reparametrized(network: FittedNetwork, data: Dataset, raw: np.ndarray) -> Call:
    """30 draws of an MLP's pre-activations instead of its weights, in PyTorch (Kingma et al. 2015)."""
    inputs = torch.from_numpy(data.normalization.apply(raw)).flatten(1)
    marginals = network.posterior.marginals()
    names = [name.removesuffix(".weight") for name in marginals if name.endswith(".weight")]
    layers = [(*marginals[f"{name}.weight"], *marginals[f"{name}.bias"]) for name in names]

    def run() -> object:
        with torch.inference_mode():
            x = inputs.expand(DRAWS, *inputs.shape)
            for index, (mean, var, bias, bias_var) in enumerate(layers):
                spread = torch.sqrt(torch.nn.functional.linear(x * x, var, bias_var))
                x = torch.nn.functional.linear(x, mean, bias) + spread * torch.randn_like(spread)
                x = torch.relu(x) if index < len(layers) - 1 else x
            return torch.softmax(x, -1).mean(0)

    return run
