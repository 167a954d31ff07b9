"""The network: layers in a chain over one flat vector of parameters and one of gradients."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from mlp_cli.nn.activations import Activation, Relu
from mlp_cli.nn.buffers import Array, aligned_full
from mlp_cli.nn.initializers import Initializer
from mlp_cli.nn.layers import ActivationLayer, BatchNorm, Dense, Dropout, GaussianNoise, Layer, LayerNorm


class LayerSize(NamedTuple):
    """How large a layer is. output_shape: of a row. multiply_adds: of the matrix products of a row's forward pass."""

    name: str
    output_shape: tuple[int, ...]
    parameters: int
    multiply_adds: int


class Network:
    """Layers in a chain, from inputs (B, D) to outputs (B, K).

    layers: not attached yet. Each gets the number of the dense layer that it follows (0 before the first).
    dtype: float32 or float64, of every array.

    theta, grad: contiguous (P,), 64-byte aligned. The weights that decay come first, `theta[:decayed]`, then everything else;
        each group stands in the order of the layers.
    parameters, gradients: the same memory by name ("W1", "b1", …) and in shape, in the order of the layers.
    state: running statistics by name; set them in place.
    """

    def __init__(self, layers: Sequence[Layer], inputs: int, outputs: int, dtype: DTypeLike) -> None:
        self.inputs, self.outputs, self.dtype = inputs, outputs, np.dtype(dtype)
        if self.dtype not in (np.float32, np.float64):
            raise ValueError(f"dtype must be float32 or float64, got {self.dtype}")
        self.layers = tuple(layers)
        width, number = inputs, 0
        for layer in self.layers:
            number += isinstance(layer, Dense)
            width = layer.attach(number, width, self.dtype)
        if width != outputs:
            raise ValueError(f"the last layer has {width} outputs, not {outputs}")

        self._layer_of = {p.name: layer.name for layer in self.layers for p in layer.parameters}
        found = [p for layer in self.layers for p in layer.parameters]
        spans, size, self.decayed = {}, 0, 0
        for p in sorted(found, key=lambda p: not p.decays):
            end = size + math.prod(p.shape)
            spans[p.name], size = slice(size, end), end
            if p.decays:
                self.decayed = end
        self.theta = aligned_full(size, 0.0, self.dtype)
        self.grad = aligned_full(size, 0.0, self.dtype)
        self.parameters = {p.name: self.theta[spans[p.name]].reshape(p.shape) for p in found}
        self.gradients = {p.name: self.grad[spans[p.name]].reshape(p.shape) for p in found}

        self.state = {name: array for layer in self.layers for name, array in layer.state.items()}
        for layer in self.layers:
            layer.bind(self.parameters, self.gradients)
        first = next(index for index, layer in enumerate(self.layers) if layer.parameters)
        self._forwards = [layer.forward for layer in self.layers]
        self._backwards = [layer.backward for layer in reversed(self.layers[first:])]
        self._rows = 0

    def layer_of(self, parameter: str) -> str:
        """The name of the layer ("dense_1") that a parameter ("W1") belongs to."""
        return self._layer_of[parameter]

    def sizes(self) -> list[LayerSize]:
        """The sizes of all layers, from the inputs to the outputs."""
        widths = [*(layer.inputs for layer in self.layers[1:]), self.outputs]
        return [
            LayerSize(
                layer.name,
                (width,),
                sum(math.prod(parameter.shape) for parameter in layer.parameters),
                layer.inputs * width if isinstance(layer, Dense) else 0,
            )
            for layer, width in zip(self.layers, widths, strict=True)
        ]

    def initialize(self, initializer: Initializer, seed: int) -> None:
        """Draws the weights, each layer's from its own stream of the seed. Biases and shifts become 0, scales 1."""
        for layer in self.layers:
            layer.initialize(initializer, seed)

    def start_epoch(self, seed: int, epoch: int) -> None:
        """Starts the epoch's noise: it depends on (seed, epoch) and the step alone."""
        for layer in self.layers:
            layer.start_epoch(seed, epoch)

    def forward(self, x: Array, training: bool = False) -> Array:
        """Outputs (B, K) of x (B, D), which has the network's dtype: logits, or predictions of a regression.

        training: noise on and statistics of the batch; `start_epoch` must have been called before.
        The result is a buffer, valid until the next call; its memory order may be Fortran's. `backward` reads x again.
        """
        rows = x.shape[0]
        if rows != self._rows:
            for layer in self.layers:
                layer.resize(rows)
            self._rows = rows
        for forward in self._forwards:
            x = forward(x, training)
        return x

    def limit_norms(self, largest: float) -> None:
        """Shrinks the weights that lead into each unit, in place, so that their norm is at most `largest`."""
        for layer in self.layers:
            if isinstance(layer, Dense):
                weights = self.parameters[layer.parameters[0].name]
                norms = np.sqrt(np.einsum("ij,ij->j", weights, weights))
                if norms.max() > largest:
                    np.multiply(weights, np.minimum(1.0, largest / np.maximum(norms, largest)), out=weights)

    def dead_relus(self) -> float | None:
        """The share (0 … 1) of ReLU units that were 0 for every row of the last batch; None without such units."""
        dead = units = 0
        for layer in self.layers:
            if isinstance(layer, ActivationLayer) and isinstance(layer.function, Relu):
                dead += int((layer.output == 0).all(axis=0).sum())
                units += layer.inputs
        return dead / units if units else None

    def backward(self, grad: Array) -> None:
        """Fills `grad` from the loss's gradient of the outputs (B, K), which it may overwrite. Follows a training forward."""
        for backward in self._backwards:
            below = backward(grad)
            if below is None:
                return
            grad = below


def build_network(
    inputs: int,
    hidden_sizes: Sequence[int],
    outputs: int,
    activations: Sequence[Activation],
    *,
    dropout: Sequence[float],
    input_dropout: float = 0.0,
    batch_norm: Mapping[str, float] | None = None,
    layer_norm: Mapping[str, float] | None = None,
    gaussian_noise: float = 0.0,
    dtype: DTypeLike = np.float32,
) -> Network:
    """A multilayer perceptron: per hidden layer dense, batch or layer norm, activation, dropout; then a dense layer.

    activations, dropout: one per hidden layer; hidden_sizes may be empty (softmax or linear regression).
    batch_norm, layer_norm: the options of `BatchNorm` or `LayerNorm`, for every hidden layer, or None for none.
    gaussian_noise: standard deviation of noise on the inputs, before their dropout. Layers of rate 0 are left out.
    """
    layers: list[Layer] = [GaussianNoise(gaussian_noise)] if gaussian_noise else []
    layers += [Dropout(input_dropout)] if input_dropout else []
    for index, (size, activation, rate) in enumerate(zip(hidden_sizes, activations, dropout, strict=True)):
        layers.append(Dense(size, input_gradient=index > 0))
        if batch_norm is not None:
            layers.append(BatchNorm(**batch_norm))
        if layer_norm is not None:
            layers.append(LayerNorm(**layer_norm))
        layers.append(ActivationLayer(activation))
        if rate:
            layers.append(Dropout(rate))
    layers.append(Dense(outputs, input_gradient=bool(hidden_sizes), transposed=True))
    return Network(layers, inputs, outputs, dtype)
