"""`engine: scalar`: the plain-Python network behind the surface of the NumPy one, so that training, checkpoints and files stay.

The arrays are the truth, as everywhere: parameters, gradients and slots live in them, and the rest of the program reads and
writes them. Each call makes its lists from the arrays and puts its results back before it returns. So nothing can be out of step: a
checkpoint that is restored counts from the next call on. The price is some 130 ns a parameter and step, a third to a half of
the time of a wide network at batch size 1, and nothing to speak of with larger batches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mlp_cli.errors import UsageError
from mlp_cli.nn import scalar, scalar_optimizers
from mlp_cli.nn.activations import activations
from mlp_cli.nn.buffers import Array
from mlp_cli.nn.layers import ActivationLayer, Dense
from mlp_cli.nn.losses import Loss, losses
from mlp_cli.nn.network import Network
from mlp_cli.nn.optimizers import Optimizer, optimizers
from mlp_cli.registry import Registry, snake_case


def scalar_parts(
    network: Network, loss: Loss, optimizer: Optimizer, weight_decay: float = 0.0, l1: float = 0.0
) -> tuple[Any, Any, Any]:
    """The scalar twins of a network (in float64), a loss and an updater, for a trainer: they are used as the originals are.

    network: gives its arrays, initial weights and names; its own forward and backward are not used.
    Errors: UsageError for anything that plain Python has no twin of (dropout, batch norm, float32, an unknown component).
    """
    twin = ScalarNetwork(network)
    return twin, ScalarLoss(loss), ScalarUpdater(optimizer, network.theta, network.grad, network.decayed, weight_decay, l1)


class ScalarNetwork:
    """`scalar.Network` on the arrays of a `Network`; attributes and methods are those of `Network` and mean the same.

    Errors: UsageError for layers other than dense ones and activations, and for float32: Python's floats have 64 bits.
    """

    def __init__(self, network: Network) -> None:
        if network.dtype != np.float64:
            raise UsageError(
                f"engine: scalar computes in float64, and dtype is {network.dtype}", "set dtype=float64, or engine=numpy"
            )
        unknown = {snake_case(type(layer).__name__) for layer in network.layers if not isinstance(layer, Dense | ActivationLayer)}
        if unknown:
            names = " and ".join(sorted(unknown))
            raise UsageError(f"engine: scalar has no {names}", f"turn {names} off, or set engine=numpy")
        self.layers = network.layers
        self.inputs, self.outputs, self.dtype, self.decayed = network.inputs, network.outputs, network.dtype, network.decayed
        self.theta, self.grad, self.state = network.theta, network.grad, network.state
        self.parameters, self.gradients = network.parameters, network.gradients
        self.layer_of, self.initialize, self.start_epoch = network.layer_of, network.initialize, network.start_epoch

        functions: list[scalar.Activation] = []
        for layer in network.layers:
            if isinstance(layer, Dense):
                functions.append(scalar.ACTIVATIONS["identity"]())
            elif isinstance(layer, ActivationLayer):
                functions[-1] = _twin(activations, scalar.ACTIVATIONS, layer.function)
        numbers = range(1, len(functions) + 1)
        self._arrays = [(self.parameters[f"W{n}"], self.parameters[f"b{n}"]) for n in numbers]
        self._gradient_arrays = [(self.gradients[f"W{n}"], self.gradients[f"b{n}"]) for n in numbers]
        self._network = scalar.Network(
            [scalar.Layer(w.tolist(), b.tolist(), f) for (w, b), f in zip(self._arrays, functions, strict=True)]
        )
        self._traces: list[scalar.Trace] = []

    def forward(self, x: Array, training: bool = False) -> Array:
        """Outputs (B, K) of x (B, D), a new array. training: keep what `backward` needs."""
        for layer, (weights, biases) in zip(self._network.layers, self._arrays, strict=True):
            layer.weights, layer.biases = weights.tolist(), biases.tolist()
        passes = [self._network.forward(instance) for instance in x.tolist()]
        self._traces = [trace for _, trace in passes] if training else []
        return np.array([outputs for outputs, _ in passes])

    def dead_relus(self) -> float | None:
        """None: this engine keeps no activations of a batch to count them in."""
        return None

    def backward(self, grad: Array) -> None:
        """Fills `grad` with the sum over the batch of each instance's gradients, from those of the outputs (B, K)."""
        self._network.clear()
        for trace, d_outputs in zip(self._traces, grad.tolist(), strict=True):
            self._network.backward(trace, d_outputs)
        for layer, (weights, biases) in zip(self._network.layers, self._gradient_arrays, strict=True):
            weights[...], biases[...] = layer.weight_gradients, layer.bias_gradients


class ScalarLoss:
    """A loss of `scalar` behind the surface of `losses.Loss`, which see."""

    def __init__(self, loss: Loss) -> None:
        self.task, self.reduction = loss.task, loss.reduction
        self.per_sample = np.empty(0)
        self._loss: Any = _twin(losses, scalar.LOSSES, loss)
        self._outputs: list[scalar.Vector] = []
        self._targets: list[Any] = []

    def forward(self, outputs: Array, targets: Array) -> float:
        """The sum of the losses of outputs (B, K) and targets (B,), or for regression (B, K) too."""
        wanted = targets if self.task == "classification" else targets.reshape(outputs.shape)
        self._outputs, self._targets = outputs.tolist(), wanted.tolist()
        values = [self._loss.loss(*pair) for pair in zip(self._outputs, self._targets, strict=True)]
        self.per_sample = np.array(values)
        return float(sum(values))

    def backward(self) -> Array:
        """The gradient of the outputs (B, K), a new array."""
        return np.array(scalar.output_gradients(self._loss, self._outputs, self._targets))


class ScalarUpdater:
    """An optimizer of `scalar` behind the surface of `Updater`; arguments, `slots` and `apply` are as there.

    The slots have other names and contents: they hold the moments of the formulas, not sums that are scaled later.
    """

    def __init__(
        self, optimizer: Optimizer, theta: Array, grad: Array, decayed: int, weight_decay: float = 0.0, l1: float = 0.0
    ) -> None:
        self._optimizer: scalar_optimizers.Optimizer = _twin(optimizers, scalar_optimizers.OPTIMIZERS, optimizer)
        self._theta, self._grad, self._decayed = theta, grad, decayed
        self._weight_decay, self._l1 = weight_decay, l1
        self.slots: dict[str, Array] = {name: np.zeros_like(theta) for name in self._optimizer.slots}

    def apply(self, learning_rate: float, step: int) -> None:
        """One step: theta and the slots change in place. learning_rate: of this step; step: counts from 1."""
        rule, rate = self._optimizer, float(learning_rate)
        theta, gradient = self._theta.tolist(), self._grad.tolist()
        slots = [array.tolist() for array in self.slots.values()]
        if self._weight_decay or self._l1:
            scalar_optimizers.penalize(
                theta, gradient, self._decayed, self._weight_decay, self._l1, rate, rule.decoupled_weight_decay
            )
        rule.update(theta, gradient, slots, rate, step)
        self._theta[:] = theta
        for array, values in zip(self.slots.values(), slots, strict=True):
            array[:] = values

    def close(self) -> None:
        """Nothing to end: there is no second thread."""


def _twin(registry: Registry[Any], table: dict[str, Callable[..., Any]], member: Any) -> Any:
    """The plain-Python component of the same name and options as a registered one. Errors: UsageError where there is none."""
    name = snake_case(type(member).__name__)
    if name not in table:
        raise UsageError(f"engine: scalar has no {registry.kind} {name}", f"known: {', '.join(table)}; or set engine=numpy")
    return table[name](**{option.name: getattr(member, option.name) for option in registry.options(name)})
