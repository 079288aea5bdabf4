"""Small ONNX graphs for tests: an ensemble of linear classifiers, and what a hostile hand makes of it."""

import numpy as np
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper

SHAPE, MEMBERS, CLASSES = (1, 2, 2), 2, 3


def weights() -> dict[str, np.ndarray]:
    """Two members' weights [S, 4, 3], mostly zeros, and biases [S, 1, 3], none of them zero."""
    kernel = np.zeros((MEMBERS, 4, CLASSES), np.float32)
    kernel[0, 0, 0], kernel[0, 3, 2], kernel[1, 1, 1] = 1.5, -2.0, 0.25
    bias = np.linspace(-1, 1, MEMBERS * CLASSES, dtype=np.float32).reshape(MEMBERS, 1, CLASSES)
    return {"kernel": kernel, "bias": bias}


def reference(x: np.ndarray, params: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    """(mean, total, data, knowledge) in float64, written out."""
    logits = x.reshape(len(x), -1).astype(float) @ params["kernel"].astype(float) + params["bias"]
    probability = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    mean = probability.mean(0)
    total = -(mean * np.log(mean)).sum(-1)
    data = -(probability * np.log(probability)).sum(-1).mean(0)
    return mean, total, data, total - data


def external(name: str, array: np.ndarray, location: str = "weights") -> TensorProto:
    """An initializer whose values are somewhere else."""
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    tensor = TensorProto(name=name, data_type=kind, dims=array.shape, data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    return tensor


def model(**changes: str) -> ModelProto:
    """The ensemble: input [batch, 1, 2, 2] → mean [batch, 3], total, data, knowledge [batch].

    Args:
        changes: initializer name → another location.
    """
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("MatMul", ["flat", "kernel"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["p"], axis=-1),
        helper.make_node("ReduceMean", ["p", "first"], ["mean"], keepdims=0),
        *_entropy("mean", "total"),
        *_entropy("p", "each"),
        helper.make_node("ReduceMean", ["each", "first"], ["data"], keepdims=0),
        helper.make_node("Sub", ["total", "data"], ["knowledge"]),
    ]
    scores = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch"]) for name in ("total", "data", "knowledge")
    ]
    graph = helper.make_graph(
        nodes,
        "ensemble",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", *SHAPE])],
        [helper.make_tensor_value_info("mean", TensorProto.FLOAT, ["batch", CLASSES]), *scores],
        [external(name, array, changes.get(name, "weights")) for name, array in weights().items()]
        + [
            helper.make_tensor("first", TensorProto.INT64, [1], [0]),
            helper.make_tensor("last", TensorProto.INT64, [1], [-1]),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def _entropy(source: str, target: str) -> list[NodeProto]:
    log, product, total = f"{target}_log", f"{target}_product", f"{target}_sum"
    return [
        helper.make_node("Log", [source], [log]),
        helper.make_node("Mul", [source, log], [product]),
        helper.make_node("ReduceSum", [product, "last"], [total], keepdims=0),
        helper.make_node("Neg", [total], [target]),
    ]


def program(**changes: str) -> bytes:
    """The model's bytes."""
    return model(**changes).SerializeToString(deterministic=True)


def stray() -> dict[str, bytes]:
    """Programs with a tensor that points at a file, by where it hides."""
    outside = external("secret", np.zeros((2, 2), np.float32), "/etc/passwd")
    sub = GraphProto(name="sub", initializer=[outside])
    found = {
        name: model() for name in ("initializer", "constant", "subgraph", "list", "sparse", "function", "training")
    }
    found["initializer"].graph.initializer.append(outside)
    constant = NodeProto(op_type="Constant", output=["c"])
    constant.attribute.append(AttributeProto(name="value", type=AttributeProto.TENSOR, t=outside))
    found["constant"].graph.node.append(constant)
    branch = AttributeProto(name="then_branch", type=AttributeProto.GRAPH, g=sub)
    found["subgraph"].graph.node.append(NodeProto(op_type="If", input=["c"], output=["d"], attribute=[branch]))
    several = AttributeProto(name="all", type=AttributeProto.GRAPHS, graphs=[sub])
    found["list"].graph.node.append(NodeProto(op_type="If", input=["c"], output=["d"], attribute=[several]))
    found["sparse"].graph.sparse_initializer.add(dims=[2, 2]).values.CopyFrom(outside)
    found["function"].functions.add(name="f", node=[constant])
    found["training"].training_info.add().initialization.CopyFrom(sub)
    return {name: each.SerializeToString() for name, each in found.items()}
