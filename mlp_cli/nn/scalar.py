"""A multilayer perceptron in plain Python: lists of floats, one instance at a time. `engine: scalar` trains with it.

It is the slow, readable twin of the array code next door, to learn from and to test against. Training repeats three steps:
a forward pass, a backward pass by the chain rule, and an update of every parameter.

>>> layer = Layer([[1.0, -1.0], [0.0, 1.0]], [0.0, 0.0], ACTIVATIONS["identity"])
>>> outputs, trace = forward([layer], [1.0, 0.0])
>>> loss, d_outputs = cross_entropy(outputs, target=1)
>>> backward([layer], trace, d_outputs)
>>> sgd(layer.biases, layer.d_biases, learning_rate=0.1)
>>> print(f"loss {loss:.4f}, biases {layer.biases[0]:.4f} {layer.biases[1]:.4f}")
loss 2.1269, biases -0.0881 0.0881

Shapes: D inputs of a layer, H its outputs, K outputs of the network. d_x stands for ∂loss/∂x.
Python raises where arrays quietly hold infinity or NaN (`exp` of a large number, a division by zero). No formula here does: a
network that diverges shows it by its loss. Lists and arrays meet at the end of the file; nothing above needs NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from mlp_cli.nn.activations import activations
from mlp_cli.nn.buffers import Array
from mlp_cli.nn.layers import ActivationLayer, Dense
from mlp_cli.nn.losses import Loss
from mlp_cli.nn.network import Network
from mlp_cli.nn.optimizers import Arrays, Optimizer, Slots, optimizers
from mlp_cli.nn.updater import Updater
from mlp_cli.registry import Registry, snake_case

Vector = list[float]
Function = Callable[..., tuple[float, float]]
"""An activation: it gives a = f(z) and the slope f'(z)."""
Trace = list[tuple[Vector, Vector]]
"""What a forward pass leaves for the backward pass: each layer's inputs x and slopes f'(z)."""


def logistic(z: float) -> float:
    """1 / (1 + exp(−z)), in a form whose exponential is at most 1."""
    if z >= 0.0:
        return 1.0 / (1.0 + math.exp(-z))
    e = math.exp(z)
    return e / (1.0 + e)


ACTIVATIONS: dict[str, Function] = {
    "identity": lambda z: (z, 1.0),
    "relu": lambda z: (0.0 if z < 0.0 else z, 1.0 if z > 0.0 else 0.0),
    "leaky_relu": lambda z, negative_slope: (z, 1.0) if z > 0.0 else (negative_slope * z, negative_slope),
    "sigmoid": lambda z: (a := logistic(z), a * (1.0 - a)),
    "tanh": lambda z: (a := math.tanh(z), 1.0 - a * a),
    "softplus": lambda z: (max(z, 0.0) + math.log1p(math.exp(-abs(z))), logistic(z)),
}


class Layer:
    """H units that each see all D inputs: unit j computes z_j = b_j + Σ_i x_i W_ij and passes on a_j = f(z_j).

    weights: D lists of H numbers, W. biases: H numbers, b.
    d_weights, d_biases: their gradients, in the same shapes; `backward` adds to them.
    """

    def __init__(self, weights: list[Vector], biases: Vector, activation: Function) -> None:
        self.weights, self.biases, self.activation = weights, biases, activation
        self.d_weights = [[0.0] * len(row) for row in weights]
        self.d_biases = [0.0] * len(biases)

    def forward(self, x: Vector) -> tuple[Vector, Vector]:
        """The outputs a and the slopes f'(z), H numbers each, for D inputs."""
        z = self.biases
        for value, row in zip(x, self.weights, strict=True):
            z = [total + value * weight for total, weight in zip(z, row, strict=True)]
        pairs = [self.activation(total) for total in z]
        return [a for a, _ in pairs], [slope for _, slope in pairs]

    def backward(self, x: Vector, slopes: Vector, d_a: Vector) -> Vector:
        """From d_a to d_x_i = Σ_j W_ij d_z_j, with d_z = d_a · f'(z). Adds d_b_j = d_z_j and d_W_ij = x_i d_z_j.

        Each input is blamed through every weight that leads away from it.
        """
        d_z = [d * slope for d, slope in zip(d_a, slopes, strict=True)]
        self.d_biases = [g + d for g, d in zip(self.d_biases, d_z, strict=True)]
        for i, (value, row) in enumerate(zip(x, self.d_weights, strict=True)):
            self.d_weights[i] = [g + value * d for g, d in zip(row, d_z, strict=True)]
        return [sum([weight * d for weight, d in zip(row, d_z, strict=True)]) for row in self.weights]


def forward(layers: list[Layer], x: Vector) -> tuple[Vector, Trace]:
    """The K outputs of a chain of layers for one instance of D inputs, and the trace for `backward`."""
    trace = []
    for layer in layers:
        a, slopes = layer.forward(x)
        trace.append((x, slopes))
        x = a
    return x, trace


def backward(layers: list[Layer], trace: Trace, d_outputs: Vector) -> None:
    """Adds one instance's gradients to those of all layers."""
    d = d_outputs
    for layer, (x, slopes) in zip(reversed(layers), reversed(trace), strict=True):
        d = layer.backward(x, slopes, d)


def cross_entropy(outputs: Vector, target: int) -> tuple[float, Vector]:
    """−log p_target, where p_k = exp(o_k) / Σ exp(o), and its gradient: p_k, less 1 at the target, a class number."""
    top = max(outputs)  # taken off all outputs, so that no exponential overflows; p stays as it is
    exponentials = [math.exp(o - top) for o in outputs]
    total = sum(exponentials)
    gradient = [e / total for e in exponentials]
    gradient[target] -= 1.0
    return math.log(total) - (outputs[target] - top), gradient


def mse(outputs: Vector, target: Vector) -> tuple[float, Vector]:
    """Σ (o_k − t_k)² / K and its gradient 2 (o_k − t_k) / K; the target is K numbers."""
    errors = [o - t for o, t in zip(outputs, target, strict=True)]
    return sum([e * e for e in errors]) / len(errors), [2.0 * e / len(errors) for e in errors]


LOSSES: dict[str, Callable[[Vector, Any], tuple[float, Vector]]] = {"cross_entropy": cross_entropy, "mse": mse}


def sgd(theta: Vector, gradient: Vector, learning_rate: float) -> None:
    """θ ← θ − lr·g, in place."""
    for i, g in enumerate(gradient):
        theta[i] -= learning_rate * g


def momentum(theta: Vector, gradient: Vector, learning_rate: float, velocity: Vector, momentum: float) -> None:
    """v ← γv + lr·g; θ ← θ − v, in place; the velocity v is 0 before the first step."""
    for i, g in enumerate(gradient):
        velocity[i] = momentum * velocity[i] + learning_rate * g
        theta[i] -= velocity[i]


OPTIMIZERS: dict[str, Callable[..., None]] = {"sgd": sgd, "momentum": momentum}


# The same behind the surface of the array code, so that training, checkpoints and files stay as they are. The arrays are the
# truth: each call makes its lists from them and puts its results back.


def scalar_parts(
    network: Network, loss: Loss, optimizer: Optimizer, weight_decay: float = 0.0, l1: float = 0.0
) -> tuple[Any, Any, Updater]:
    """The plain-Python twins of a network, a loss and an updater. Errors: KeyError or TypeError for what has none."""
    twin = ScalarNetwork(network)
    return twin, ScalarLoss(loss), Updater(ScalarRule(optimizer), twin.theta, twin.grad, twin.decayed, weight_decay, l1)


class ScalarNetwork(Network):
    """A `Network` whose passes run in plain Python. It takes over another's layers and weights."""

    def __init__(self, network: Network) -> None:
        super().__init__(network.layers, network.inputs, network.outputs, network.dtype)
        np.copyto(self.theta, network.theta)
        self._functions: list[Function] = []
        for layer in self.layers:
            if self.dtype != np.float64 or not isinstance(layer, Dense | ActivationLayer):
                raise TypeError(f"the scalar network has no {layer.name} of {self.dtype}")
            if isinstance(layer, Dense):
                self._functions.append(ACTIVATIONS["identity"])
            else:
                self._functions[-1] = _twin(ACTIVATIONS, activations, layer.function)

    def forward(self, x: Array, training: bool = False) -> Array:
        """Outputs (B, K) of x (B, D), a new array."""
        arrays = self.parameters
        self._chain = [
            Layer(arrays[f"W{number}"].tolist(), arrays[f"b{number}"].tolist(), function)
            for number, function in enumerate(self._functions, 1)
        ]
        passes = [forward(self._chain, instance) for instance in x.tolist()]
        self._traces = [trace for _, trace in passes]
        return np.array([outputs for outputs, _ in passes])

    def dead_relus(self) -> float | None:
        """None: the layers' outputs are not kept."""
        return None

    def backward(self, grad: Array) -> None:
        """Fills `grad` with the sum of the instances' gradients, from those of the outputs (B, K)."""
        for trace, d_outputs in zip(self._traces, grad.tolist(), strict=True):
            backward(self._chain, trace, d_outputs)
        for number, layer in enumerate(self._chain, 1):
            self.gradients[f"W{number}"][...] = layer.d_weights
            self.gradients[f"b{number}"][...] = layer.d_biases


class ScalarLoss:
    """One of `LOSSES` behind the surface of `losses.Loss`."""

    correct: None = None

    def __init__(self, loss: Loss) -> None:
        self.task, self.reduction, self.unit = loss.task, loss.reduction, loss.unit
        self._function = LOSSES[snake_case(type(loss).__name__)]

    def forward(self, outputs: Array, targets: Array) -> float:
        """The sum of the losses of outputs (B, K) and targets (B,), or for regression (B, K) too."""
        wanted = targets if self.task == "classification" else targets.reshape(outputs.shape)
        pairs = [self._function(*pair) for pair in zip(outputs.tolist(), wanted.tolist(), strict=True)]
        self._gradients = [gradient for _, gradient in pairs]
        return float(sum([loss for loss, _ in pairs]))

    def backward(self) -> Array:
        """The gradient of the outputs (B, K), a new array."""
        share = 1.0 / len(self._gradients) if self.reduction == "mean" else 1.0
        return np.array([[share * d for d in gradient] for gradient in self._gradients])


class ScalarRule(Optimizer):
    """One of `OPTIMIZERS` behind the surface of `optimizers.Optimizer`."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.slots = optimizer.slots
        self._rule = _twin(OPTIMIZERS, optimizers, optimizer)

    def coefficients(self, learning_rate: float, step: int) -> tuple[float, ...]:
        return (learning_rate,)

    def update(self, theta: Array, grad: Array, slots: Slots, scratch: Array, coefficients: Arrays) -> None:
        values, lists = theta.tolist(), {name: array.tolist() for name, array in slots.items()}
        self._rule(values, grad.tolist(), float(coefficients[0]), **lists)
        theta[:] = values
        for name, array in slots.items():
            array[:] = lists[name]


def _twin(table: Mapping[str, Callable[..., Any]], registry: Registry[Any], member: Any) -> Callable[..., Any]:
    """The function of the same name as a registered component, with its options filled in. Errors: KeyError."""
    name = snake_case(type(member).__name__)
    return partial(table[name], **{option.name: getattr(member, option.name) for option in registry.options(name)})
