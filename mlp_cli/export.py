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
from mlp_cli.text import counted, listed, one_line

_OPSET, _IR = 20, 9
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


def range_of(model: Model) -> tuple[int, int] | None:
    """The least and greatest raw input that the training data could have: bytes, or shares; None where the scaling does not tell."""
    scaling, _ = scaling_of(model)
    if model.encoding is not None or scaling.centre is not None:
        return None
    if scaling.is_factor and scaling.scale == 1:
        return None if model.config.dataset.scale == "none" else (0, 1)
    return 0, 255  # they were divided, or it was fitted on bytes, which needs no centre


def input_text(model: Model) -> str:
    """What a row of raw inputs is, in words."""
    text = f"{counted(model.inputs, 'number')} a row"
    if model.encoding is not None:
        text += f": {listed([one_line(name) for name in columns_of(model)], 20)}"
        texts = any(each.categories is not None for each in model.encoding.features)
        return text + ("; a column=category is 1 where the row has it, else 0" if texts else "")
    text += f" ({' × '.join(map(str, model.shape))})" if len(model.shape) > 1 else ""
    between = range_of(model)
    return text + (f", {between[0]} to {between[1]}" if between else ",") + " as the run's data has them"


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
    softmax; sigmoid (the probability of the second class); labels (a sigmoid for each); or linear: the quantity is
    x · target_scale + target_shift, and its exponential where target_log is true. `classes` are names, `shape` that of a row,
    `columns` the inputs of a table.
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
    """What follows the last layer."""
    of_classes = "sigmoid" if model.network.outputs == 1 else "softmax"
    return {"regression": "linear", "multi_label": "labels"}.get(model.task, of_classes)


def _normal(model: Model, layer: BatchNorm) -> tuple[NDArray[Any], NDArray[Any]]:
    """(H,) gain and offset of a batch normalisation in evaluation."""
    arrays = {**model.network.parameters, **model.network.state}
    gamma, beta, mean, variance = (arrays[f"{key}{layer.number}"] for key in ("gamma", "beta", "running_mean", "running_var"))
    gain = gamma.astype(np.float64) / np.sqrt(variance.astype(np.float64) + layer.epsilon)
    return gain, beta - mean * gain


def write_onnx(model: Model, path: Path) -> None:
    """Writes one graph of scaling, features, network and output, in float32 and operator set 20, once onnx's checker has passed it.

    Input `input` (batch, D): float32, or float64 where the scaling first subtracts a centre, as it does in training. Outputs of
    classes: `probabilities` (batch, K) and `class` (batch,) int64, a place in the metadata's `classes`; of labels `probabilities`
    alone; of a quantity `prediction` (batch, K) float64. The metadata's `range` is that of raw inputs, where it is known.
    Errors: UsageError where onnx is missing, or a part of the model cannot be expressed.
    """
    try:
        import onnx
        from onnx import TensorProto, helper
    except ImportError:
        raise UsageError("--format onnx needs the package onnx", "pip install 'mlp-cli[onnx]'") from None

    scaling, projection = scaling_of(model)
    kind, count = _output(model), len(model.classes) or model.network.outputs
    if model.network.theta.size * 4 > _LARGEST:
        raise UsageError("the network is too large for a file of ONNX, which holds 2 GiB", "write --format npz")
    graph = _Graph()
    if scaling.centre is None:
        value = graph.add("Add", graph.add("Mul", "input", scaling.scale), scaling.shift)
    else:
        centred = graph.add("Mul", graph.add("Sub", "input", scaling.centre, exact=True), scaling.scale, exact=True)
        value = graph.add("Cast", centred, to=TensorProto.FLOAT)
    if projection is not None:
        value = graph.add("Gemm", value, projection.matrix, projection.shift)
    for layer in model.network.layers:
        value = _layer(graph, model, layer, value)
    if kind == "linear":
        outputs = [("prediction", TensorProto.DOUBLE, ["batch", count])]
        value = graph.add("Mul", graph.add("Cast", value, to=TensorProto.DOUBLE), model.targets.scale, exact=True)
        value = graph.add("Add", value, model.targets.shift, exact=True)
        graph.add("Exp" if model.targets.log else "Identity", value, name="prediction")
    else:
        outputs = [("probabilities", TensorProto.FLOAT, ["batch", count])]
        if kind == "sigmoid":
            value = graph.add("Concat", graph.add("Neg", value), value, axis=1)
        graph.add("Softmax" if kind == "softmax" else "Sigmoid", value, name="probabilities")
        if kind != "labels":
            outputs.append(("class", TensorProto.INT64, ["batch"]))
            graph.add("ArgMax", "probabilities", axis=1, keepdims=0, name="class")
    given = TensorProto.FLOAT if scaling.centre is None else TensorProto.DOUBLE
    whole = helper.make_graph(
        graph.nodes,
        model.config.name,
        [helper.make_tensor_value_info("input", given, ["batch", model.inputs])],
        [helper.make_tensor_value_info(*output) for output in outputs],
        graph.constants,
    )
    opset = [helper.make_opsetid("", _OPSET)]
    made = helper.make_model(whole, producer_name="mlp", producer_version=__version__, ir_version=_IR, opset_imports=opset)
    told = {"classes": model.classes, "shape": model.shape, "columns": columns_of(model), "range": range_of(model)}
    helper.set_model_props(made, {key: json.dumps(found, ensure_ascii=False) for key, found in told.items() if found})
    onnx.checker.check_model(made, full_check=True)
    files.write_atomic(path, made.SerializeToString())


class _Graph:
    """Nodes in order, and the constants that they use."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operator: str, *operands: Any, name: str = "", exact: bool = False, **attributes: Any) -> str:
        """Adds a node and returns the name of its output. operands: names of others, or numbers and arrays, which become float32,
        with exact float64."""
        from onnx import helper, numpy_helper

        output, names = name or f"{operator.lower()}_{len(self.nodes)}", []
        for each in operands:
            if not isinstance(each, str):
                array = np.array(each, np.float64 if exact else np.float32, order="C")
                self.constants.append(numpy_helper.from_array(array, f"constant_{len(self.constants)}"))
            names.append(each if isinstance(each, str) else self.constants[-1].name)
        self.nodes.append(helper.make_node(operator, names, [output], output, **attributes))
        return output


def _layer(graph: _Graph, model: Model, layer: Layer, value: str) -> str:
    """Adds a layer in evaluation; returns the name of its output."""
    arrays = [model.network.parameters[parameter.name] for parameter in layer.parameters]
    if isinstance(layer, Dense):
        return graph.add("Gemm", value, *arrays)
    if isinstance(layer, BatchNorm):
        return graph.add("BatchNormalization", value, *arrays, *layer.state.values(), epsilon=layer.epsilon)
    if isinstance(layer, LayerNorm):
        return graph.add("LayerNormalization", value, *arrays, epsilon=layer.epsilon)
    if isinstance(layer, Dropout | GaussianNoise):
        return value
    name = model.config.activation[layer.number - 1].name if isinstance(layer, ActivationLayer) else layer.name
    if not isinstance(layer, ActivationLayer) or name not in ACTIVATIONS:
        raise UsageError(f"{name} cannot be expressed in ONNX", "write --format npz")
    return ACTIVATIONS[name](graph.add, value, layer.function, *arrays)


ACTIVATIONS: dict[str, Callable[..., str]] = {
    "relu": lambda add, z, _: add("Relu", z),
    "sigmoid": lambda add, z, _: add("Sigmoid", z),
    "tanh": lambda add, z, _: add("Tanh", z),
    "identity": lambda add, z, _: z,
    "leaky_relu": lambda add, z, function: add("LeakyRelu", z, alpha=function.negative_slope),
    "softplus": lambda add, z, _: add("Softplus", z),
    "elu": lambda add, z, function: add("Elu", z, alpha=function.alpha),
    "selu": lambda add, z, function: add("Selu", z, alpha=function.alpha, gamma=function.scale),
    "gelu": lambda add, z, function: add("Gelu", z, approximate="tanh" if function.approximate else "none"),
    "silu": lambda add, z, _: add("Mul", z, add("Sigmoid", z)),
    "mish": lambda add, z, _: add("Mish", z),
    "relu6": lambda add, z, function: add("Clip", z, 0.0, function.highest),
    "hard_sigmoid": lambda add, z, _: add("HardSigmoid", z, alpha=1 / 6, beta=0.5),
    "softsign": lambda add, z, _: add("Softsign", z),
    "prelu": lambda add, z, _, slope: add("PRelu", z, slope),
}
"""How each activation is added: a function of `_Graph.add`, z, the function itself, and the arrays that it has learnt."""
