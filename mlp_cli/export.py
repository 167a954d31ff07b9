"""A trained model for other programs: as an ONNX graph, or as plain arrays with a formula for each step.

Both take raw inputs, as the run's data has them, rows flattened; of a table the columns that its encoding makes (`columns_of`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp_cli import __version__, files
from mlp_cli.data import npz
from mlp_cli.data.features import Projection
from mlp_cli.data.transforms import Affine
from mlp_cli.errors import UsageError
from mlp_cli.model import Model
from mlp_cli.nn.layers import ActivationLayer, BatchNorm, Dense, Dropout, GaussianNoise, Layer, LayerNorm

_OPSET, _IR = 17, 8
_LARGEST = 2**31 - 1 - 2**20
"""Bytes of weights in a graph: protobuf holds no file of 2 GiB."""


def columns_of(model: Model) -> tuple[str, ...]:
    """What each of the D inputs of a table is: a column, or column=category, which is 1 where the row has it and else 0; () for
    other data."""
    return () if model.encoding is None else model.encoding.names()


def scaling_of(model: Model) -> tuple[Affine, Projection | None]:
    """How inputs are scaled, and what then projects them. Errors: UsageError for features that neither format can express."""
    transform: Any = model.transform
    scaling, projection = (transform.scaling, transform) if isinstance(transform, Projection) else (transform, None)
    if not isinstance(scaling, Affine):
        name = model.config.features.name if model.config.features else type(scaling).__name__
        raise UsageError(f"features: {name} cannot be expressed in this format", "export a run without it")
    return scaling, projection


def write_npz(model: Model, path: Path) -> None:
    """Writes what `arrays_of` gives. Errors: as there."""
    files.write_atomic(path, npz.pack(arrays_of(model)))


def arrays_of(model: Model) -> dict[str, NDArray[Any]]:
    """A model as plain arrays, for k = 1 … n dense layers. x is a row of D inputs; what a file lacks is left out:

        x = (x − centre) · scale + shift;  x = x @ projection + projection_shift
        x = x @ W<k> + b<k>;  x = x · gain<k> + offset<k>  (batch_norm)
        x = (x − mean(x)) / √(var(x) + epsilon<k>) · gamma<k> + beta<k>  (layer_norm)
        x = activation<k>(x), where that is not the last layer

    `activation<k>` is a JSON text of a name and options; `slope<k>` belongs to prelu. `output` says what follows the last layer:
    softmax; sigmoid (the probability of the second class); or linear: the quantity is x · target_scale + target_shift, and its
    exponential where target_log is true. `classes` are names, `shape` that of a row, `columns` the inputs of a table.
    Errors: UsageError for a part that this cannot express.
    """
    scaling, projection = scaling_of(model)
    parameters = model.network.parameters
    like = np.zeros(model.inputs)
    centre = 0.0 if scaling.centre is None else scaling.centre
    arrays: dict[str, NDArray[Any]] = {"centre": centre + like, "scale": scaling.scale + like, "shift": scaling.shift + like}
    if projection is not None:
        arrays |= {"projection": projection.matrix, "projection_shift": projection.shift}
    for layer in model.network.layers:
        if isinstance(layer, BatchNorm):
            gain, offset = _normal(model, layer)
            arrays |= {f"gain{layer.number}": gain, f"offset{layer.number}": offset}
            continue
        if isinstance(layer, LayerNorm):
            arrays[f"epsilon{layer.number}"] = np.array(layer.epsilon)
        elif isinstance(layer, ActivationLayer):
            chosen = model.config.activation[layer.number - 1]
            arrays[f"activation{layer.number}"] = np.array(json.dumps({"name": chosen.name, **chosen.options()}))
        elif not isinstance(layer, Dense | Dropout | GaussianNoise):
            raise UsageError(f"{layer.name} cannot be expressed in this format", "export a run without it")
        arrays |= {parameter.name: parameters[parameter.name] for parameter in layer.parameters}
    arrays["output"] = np.array(_output(model))
    if model.task == "regression":
        arrays |= model.targets.arrays()
    arrays |= {"classes": np.array(model.classes, np.str_), "shape": np.array(model.shape, np.int64)}
    arrays["columns"] = np.array(columns_of(model), np.str_)
    return arrays


def _output(model: Model) -> str:
    """What follows the last layer. Errors: UsageError for a task that is none of these."""
    if model.task not in ("classification", "regression"):
        raise UsageError(f"loss: {model.config.loss.name} cannot be expressed in this format", "export another run")
    single = model.network.outputs == 1
    return "linear" if model.task == "regression" else "sigmoid" if single else "softmax"


def _normal(model: Model, layer: BatchNorm) -> tuple[NDArray[Any], NDArray[Any]]:
    """(H,) gain and offset of a batch normalisation in evaluation."""
    arrays = {**model.network.parameters, **model.network.state}
    gamma, beta, mean, variance = (arrays[f"{key}{layer.number}"] for key in ("gamma", "beta", "running_mean", "running_var"))
    gain = gamma.astype(np.float64) / np.sqrt(variance.astype(np.float64) + layer.epsilon)
    return gain, beta - mean * gain


def write_onnx(model: Model, path: Path) -> None:
    """Writes one graph of scaling, features, network and output, of operator set 17, once onnx's own checker has passed it.

    Input `input` (batch, D): of the network's dtype, float64 where the scaling subtracts a centre first, as ours does.
    Outputs of classes: `probabilities` (batch, K) of the network's dtype, and `class` (batch,) int64, a place in the metadata's
    `classes`. Of a quantity: `prediction` (batch, K) float64. Errors: UsageError where onnx is missing, or a part of the model
    cannot be expressed.
    """
    try:
        import onnx
        from onnx import TensorProto, helper
    except ImportError:
        raise UsageError("--format onnx needs the package onnx", "pip install 'mlp-cli[onnx]'") from None

    scaling, projection = scaling_of(model)
    kind = _output(model)
    if model.network.theta.nbytes > _LARGEST:
        raise UsageError("the network is too large for a file of ONNX, which holds 2 GiB", "write --format npz")
    graph = _Graph(model.network.dtype)
    value = _scaled(graph, scaling)
    if projection is not None:
        value = graph.add("Add", graph.add("MatMul", value, projection.matrix), projection.shift)
    for layer in model.network.layers:
        value = _layer(graph, model, layer, value)
    dtype = helper.np_dtype_to_tensor_dtype(graph.dtype)
    count = len(model.classes) or model.network.outputs
    if kind == "linear":
        outputs = [("prediction", TensorProto.DOUBLE, ["batch", count])]
        value = graph.add("Cast", value, attributes={"to": TensorProto.DOUBLE})
        value = graph.add("Add", graph.add("Mul", value, np.float64(model.targets.scale)), np.asarray(model.targets.shift))
        graph.add("Exp" if model.targets.log else "Identity", value, name="prediction")
    else:
        outputs = [("probabilities", dtype, ["batch", count]), ("class", TensorProto.INT64, ["batch"])]
        if kind == "sigmoid":
            second = graph.add("Sigmoid", value)
            first = graph.add("Sigmoid", graph.add("Neg", value))
            graph.add("Concat", first, second, attributes={"axis": 1}, name="probabilities")
        else:
            graph.add("Softmax", value, attributes={"axis": 1}, name="probabilities")
        graph.add("ArgMax", "probabilities", attributes={"axis": 1, "keepdims": 0}, name="class")
    given = TensorProto.DOUBLE if scaling.centre is not None else dtype
    whole = helper.make_graph(
        graph.nodes,
        model.config.name,
        [helper.make_tensor_value_info("input", given, ["batch", model.inputs])],
        [helper.make_tensor_value_info(*output) for output in outputs],
        graph.constants,
    )
    made = helper.make_model(whole, producer_name="mlp", producer_version=__version__, ir_version=_IR)
    made.opset_import[0].version = _OPSET
    told = {"classes": model.classes, "shape": model.shape, "columns": columns_of(model)}
    helper.set_model_props(made, {key: json.dumps(found, ensure_ascii=False) for key, found in told.items() if found})
    onnx.checker.check_model(made, full_check=True)
    files.write_atomic(path, made.SerializeToString())


class _Graph:
    """Nodes in order, and the constants that they use, of a dtype."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operator: str, *operands: Any, attributes: dict[str, Any] | None = None, name: str = "") -> str:
        """Adds a node and returns the name of its output. operands: names of others; arrays; numbers, which get the graph's dtype."""
        from onnx import helper

        output = name or f"{operator.lower()}_{len(self.nodes)}"
        names = [each if isinstance(each, str) else self._constant(each) for each in operands]
        self.nodes.append(helper.make_node(operator, names, [output], output, **(attributes or {})))
        return output

    def _constant(self, value: Any) -> str:
        from onnx import numpy_helper

        array = value if isinstance(value, np.ndarray | np.generic) else np.array(value, self.dtype)
        self.constants.append(
            numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), f"constant_{len(self.constants)}")
        )
        return str(self.constants[-1].name)


def _scaled(graph: _Graph, scaling: Affine) -> str:
    from onnx import helper

    if scaling.centre is None:
        return graph.add("Add", graph.add("Mul", "input", scaling.scale), scaling.shift)
    value = graph.add("Mul", graph.add("Sub", "input", scaling.centre), scaling.scale)
    return graph.add("Cast", value, attributes={"to": helper.np_dtype_to_tensor_dtype(graph.dtype)})


def _layer(graph: _Graph, model: Model, layer: Layer, value: str) -> str:
    """The output of a layer in evaluation."""
    arrays = [model.network.parameters[parameter.name] for parameter in layer.parameters]
    if isinstance(layer, Dense):
        weights, bias = arrays
        return graph.add("Add", graph.add("MatMul", value, weights), bias)
    if isinstance(layer, BatchNorm):
        gain, offset = (array.astype(graph.dtype) for array in _normal(model, layer))
        return graph.add("Add", graph.add("Mul", value, gain), offset)
    if isinstance(layer, LayerNorm):
        gamma, beta = arrays
        average = np.full((layer.inputs, 1), 1 / layer.inputs, graph.dtype)
        centred = graph.add("Sub", value, graph.add("MatMul", value, average))
        variance = graph.add("MatMul", graph.add("Mul", centred, centred), average)
        spread = graph.add("Sqrt", graph.add("Add", variance, layer.epsilon))
        return graph.add("Add", graph.add("Mul", graph.add("Div", centred, spread), gamma), beta)
    if isinstance(layer, ActivationLayer):
        name = model.config.activation[layer.number - 1].name
        if name not in ACTIVATIONS:
            raise UsageError(f"activation: {name} cannot be expressed in ONNX", f"it can of {', '.join(ACTIVATIONS)}")
        return ACTIVATIONS[name](graph, value, layer.function, *arrays)
    if isinstance(layer, Dropout | GaussianNoise):
        return value
    raise UsageError(f"{layer.name} cannot be expressed in ONNX", "write --format npz")


def _positive(graph: _Graph, z: str) -> str:
    return graph.add("Max", z, 0.0)


def _softplus(graph: _Graph, z: str, _: Any) -> str:
    tail = graph.add("Exp", graph.add("Neg", graph.add("Abs", z)))
    return graph.add("Add", _positive(graph, z), graph.add("Log", graph.add("Add", tail, 1.0)))


def _elu(graph: _Graph, z: str, function: Any) -> str:
    below = graph.add("Sub", graph.add("Exp", graph.add("Min", z, 0.0)), 1.0)
    scaled = graph.add("Mul", below, function.scale * function.alpha)
    return graph.add("Add", graph.add("Mul", _positive(graph, z), function.scale), scaled)


def _gelu(graph: _Graph, z: str, function: Any) -> str:
    if function.approximate:
        cubic = graph.add("Mul", graph.add("Mul", z, z), 0.044715)
        inner = graph.add("Mul", z, graph.add("Add", cubic, 1.0))
        share = graph.add("Tanh", graph.add("Mul", inner, (2 / np.pi) ** 0.5))
    else:
        from onnx import TensorProto, helper

        # onnxruntime has no Erf of float64.
        scaled = graph.add("Cast", graph.add("Mul", z, 0.5**0.5), attributes={"to": TensorProto.FLOAT})
        to = {"to": helper.np_dtype_to_tensor_dtype(graph.dtype)}
        share = graph.add("Cast", graph.add("Erf", scaled), attributes=to)
    return graph.add("Mul", z, graph.add("Mul", graph.add("Add", share, 1.0), 0.5))


def _mish(graph: _Graph, z: str, _: Any) -> str:
    e = graph.add("Exp", graph.add("Min", z, 20.0))
    product = graph.add("Mul", e, graph.add("Add", e, 2.0))
    return graph.add("Mul", z, graph.add("Div", product, graph.add("Add", product, 2.0)))


def _prelu(graph: _Graph, z: str, _: Any, slope: NDArray[Any]) -> str:
    return graph.add("Add", _positive(graph, z), graph.add("Mul", graph.add("Min", z, 0.0), slope))


def _hard_sigmoid(graph: _Graph, z: str, _: Any) -> str:
    line = graph.add("Div", graph.add("Add", z, 3.0), 6.0)
    return graph.add("Min", _positive(graph, line), 1.0)


ACTIVATIONS: dict[str, Callable[..., str]] = {
    "relu": lambda graph, z, _: _positive(graph, z),
    "sigmoid": lambda graph, z, _: graph.add("Sigmoid", z),
    "tanh": lambda graph, z, _: graph.add("Tanh", z),
    "identity": lambda graph, z, _: z,
    "leaky_relu": lambda graph, z, function: graph.add("Max", z, graph.add("Mul", z, function.negative_slope)),
    "softplus": _softplus,
    "elu": _elu,
    "selu": _elu,
    "gelu": _gelu,
    "silu": lambda graph, z, _: graph.add("Mul", z, graph.add("Sigmoid", z)),
    "mish": _mish,
    "relu6": lambda graph, z, function: graph.add("Min", _positive(graph, z), function.highest),
    "hard_sigmoid": _hard_sigmoid,
    "softsign": lambda graph, z, _: graph.add("Div", z, graph.add("Add", graph.add("Abs", z), 1.0)),
    "prelu": _prelu,
}
"""Activations by name, from operators that onnxruntime has for float32 and float64: the graph, z, the function and its arrays."""
