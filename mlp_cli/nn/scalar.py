"""A multilayer perceptron in plain Python: lists of floats and `math`, no arrays, one instance at a time.

It is the slow, readable twin of the array code next door, for learning from and for testing against. Training takes three
steps again and again: a forward pass, a backward pass with the chain rule, and an update of every parameter:

>>> network = Network([Layer([[1.0, -1.0], [0.0, 1.0]], [0.0, 0.0], ACTIVATIONS["identity"]())])
>>> loss, learning_rate = CrossEntropy(), 0.1
>>> for x, target in [([1.0, 0.0], 0), ([0.0, 1.0], 1)]:
...     network.clear()
...     outputs, trace = network.forward(x)
...     network.backward(trace, loss.gradient(outputs, target))
...     for layer in network.layers:
...         for parameters, gradients in [
...             (layer.biases, layer.bias_gradients),
...             *zip(layer.weights, layer.weight_gradients),
...         ]:
...             for i, gradient in enumerate(gradients):
...                 parameters[i] -= learning_rate * gradient
...     print(f"{loss.loss(outputs, target):.6f}")
0.126928
0.319729

That update is plain gradient descent; the other rules stand in `scalar_optimizers.py`.

Shapes: D inputs of a layer, H its outputs, K outputs of the network. Python raises where arrays would quietly hold infinity or
NaN (`exp` of a large number, a division by zero, the root of a negative number): every formula here is written so that it
cannot, and a network that diverges shows it by its loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

Vector = list[float]
Trace = list[tuple[Vector, Vector, Vector]]
"""What a forward pass leaves for the backward pass: each layer's inputs x, sums z and outputs a."""


class Activation(NamedTuple):
    """A scalar function a = f(z) and its derivative f'(z), which is given a as well where that saves work."""

    function: Callable[[float], float]
    derivative: Callable[[float, float], float]


def logistic(z: float) -> float:
    """1 / (1 + exp(−z)), by a form of it whose exponential is at most 1."""
    if z >= 0.0:
        return 1.0 / (1.0 + math.exp(-z))
    e = math.exp(z)
    return e / (1.0 + e)


def relu() -> Activation:
    """max(0, z); its derivative at 0 is taken as 0."""
    return Activation(lambda z: 0.0 if z < 0.0 else z, lambda z, a: 1.0 if z > 0.0 else 0.0)


def sigmoid() -> Activation:
    """1 / (1 + exp(−z)); the derivative is a (1 − a)."""
    return Activation(logistic, lambda z, a: a * (1.0 - a))


def tanh() -> Activation:
    """The hyperbolic tangent; the derivative is 1 − a²."""
    return Activation(math.tanh, lambda z, a: 1.0 - a * a)


def identity() -> Activation:
    """z itself; the derivative is 1."""
    return Activation(lambda z: z, lambda z, a: 1.0)


def leaky_relu(negative_slope: float = 0.01) -> Activation:
    """z where it is positive, else negative_slope · z."""
    return Activation(lambda z: z if z > 0.0 else negative_slope * z, lambda z, a: 1.0 if z > 0.0 else negative_slope)


def softplus() -> Activation:
    """log(1 + exp(z)), without overflow as max(z, 0) + log(1 + exp(−|z|)); the derivative is the logistic function."""
    return Activation(lambda z: max(z, 0.0) + math.log1p(math.exp(-abs(z))), lambda z, a: logistic(z))


ACTIVATIONS: dict[str, Callable[..., Activation]] = {
    function.__name__: function for function in (relu, sigmoid, tanh, identity, leaky_relu, softplus)
}


class Layer:
    """H units that each see all D inputs: unit j computes z_j = b_j + Σ_i x_i W_ij and passes on a_j = f(z_j).

    weights: D lists of H numbers, W. biases: H numbers, b. They are kept, not copied.
    weight_gradients, bias_gradients: the same shapes; `backward` adds to them, `Network.clear` sets them to zero.
    """

    def __init__(self, weights: list[Vector], biases: Vector, activation: Activation) -> None:
        self.weights, self.biases, self.activation = weights, biases, activation
        self.clear()

    def clear(self) -> None:
        """Sets the gradients to zero."""
        self.weight_gradients = [[0.0] * len(row) for row in self.weights]
        self.bias_gradients = [0.0] * len(self.biases)

    def forward(self, x: Vector) -> tuple[Vector, Vector]:
        """The sums z and the outputs a, H numbers each, for D inputs."""
        z = self.biases
        for value, row in zip(x, self.weights, strict=True):
            z = [total + value * weight for total, weight in zip(z, row, strict=True)]
        function = self.activation.function
        return z, [function(total) for total in z]

    def backward(self, x: Vector, z: Vector, a: Vector, d_a: Vector) -> Vector:
        """From ∂L/∂a to ∂L/∂z = ∂L/∂a · f'(z), which it returns; adds ∂L/∂b_j = ∂L/∂z_j and ∂L/∂W_ij = x_i ∂L/∂z_j."""
        derivative = self.activation.derivative
        d_z = [d * derivative(total, output) for d, total, output in zip(d_a, z, a, strict=True)]
        self.bias_gradients = [g + d for g, d in zip(self.bias_gradients, d_z, strict=True)]
        self.weight_gradients = [
            [g + value * d for g, d in zip(row, d_z, strict=True)] for value, row in zip(x, self.weight_gradients, strict=True)
        ]
        return d_z

    def input_gradient(self, d_z: Vector) -> Vector:
        """∂L/∂x_i = Σ_j W_ij ∂L/∂z_j: each input is blamed through every weight that leads away from it."""
        return [sum([weight * d for weight, d in zip(row, d_z, strict=True)]) for row in self.weights]


class Network:
    """Layers in a chain; the last one has the identity as its activation, its outputs are logits or predictions."""

    def __init__(self, layers: list[Layer]) -> None:
        self.layers = layers

    def clear(self) -> None:
        """Sets all gradients to zero."""
        for layer in self.layers:
            layer.clear()

    def forward(self, x: Vector) -> tuple[Vector, Trace]:
        """The K outputs for one instance of D inputs, and the trace that `backward` wants."""
        trace = []
        for layer in self.layers:
            z, a = layer.forward(x)
            trace.append((x, z, a))
            x = a
        return x, trace

    def backward(self, trace: Trace, d_outputs: Vector) -> None:
        """Adds one instance's gradients to those of all layers, from ∂L/∂outputs (K) and the instance's trace."""
        d = d_outputs
        for number in reversed(range(len(self.layers))):
            d_z = self.layers[number].backward(*trace[number], d)
            if number > 0:
                d = self.layers[number].input_gradient(d_z)


class CrossEntropy:
    """Cross-entropy of the softmax of K logits; the target is a class number. reduction: see `output_gradients`."""

    def __init__(self, reduction: Literal["mean", "sum"] = "mean") -> None:
        self.reduction = reduction

    def loss(self, outputs: Vector, target: int) -> float:
        """−log p_target, where p_k = exp(o_k) / Σ exp(o); the largest logit is taken off all, which leaves p as it is."""
        top = max(outputs)
        return math.log(sum([math.exp(o - top) for o in outputs])) - (outputs[target] - top)

    def gradient(self, outputs: Vector, target: int) -> Vector:
        """∂L/∂o_k = p_k, less 1 at the target."""
        top = max(outputs)
        exponentials = [math.exp(o - top) for o in outputs]
        total = sum(exponentials)
        gradient = [e / total for e in exponentials]
        gradient[target] -= 1.0
        return gradient


class Mse:
    """The mean over K outputs of (output − target)²; the target is K numbers. reduction: see `output_gradients`."""

    def __init__(self, reduction: Literal["mean", "sum"] = "mean") -> None:
        self.reduction = reduction

    def loss(self, outputs: Vector, target: Vector) -> float:
        """Σ (o_k − t_k)² / K."""
        return sum([(o - t) * (o - t) for o, t in zip(outputs, target, strict=True)]) / len(outputs)

    def gradient(self, outputs: Vector, target: Vector) -> Vector:
        """∂L/∂o_k = 2 (o_k − t_k) / K."""
        return [2.0 * (o - t) / len(outputs) for o, t in zip(outputs, target, strict=True)]


LOSSES: dict[str, Callable[..., CrossEntropy | Mse]] = {"cross_entropy": CrossEntropy, "mse": Mse}


def output_gradients(loss: CrossEntropy | Mse, outputs: list[Vector], targets: list[Any]) -> list[Vector]:
    """∂L/∂outputs of each of a batch's B instances; with reduction `mean` each is divided by B, with `sum` it is not."""
    share = 1.0 / len(outputs) if loss.reduction == "mean" else 1.0
    return [[share * d for d in loss.gradient(output, target)] for output, target in zip(outputs, targets, strict=True)]
