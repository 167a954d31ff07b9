"""What each layer does, looked at when an epoch ends: the size of its gradient and of its steps, and how its units respond."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp_cli.nn.layers import ActivationLayer, Dense
from mlp_cli.nn.network import Network
from mlp_cli.training.callbacks import MEASURES
from mlp_cli.training.state import Row

ROWS = 256
"""Training rows of the batch that is looked at, whatever the batches of the training are."""
SATURATED = 0.05
"""Share of its function's largest slope, below which a unit's mean slope makes it saturated."""


class Diagnostics:
    """Looks at a network on one fixed batch. Nothing that is trained depends on it: it works on a network of its own.

    network: the trained network without its layers of noise, so that its parameters stand in the same order. Its batch norm takes
    the batch's own mean and variance, as in training. loss: whose gradient trains. x (B, D), y (B,) or (B, K): the batch.

    history: for each epoch (L, 6) float64, a row for each of the L dense layers with the `MEASURES`; NaN where there is none.
      gradient_norm: of the loss's gradient of W, without penalties and clipping.
      activation_mean, activation_sd: over all units and rows, of what the layer's activation gives; of the last layer, its outputs.
      dead: share of the units whose slope is 0 for every row, so that none of them teaches it anything. None in the last layer.
      saturated: share of the units whose mean slope is below `SATURATED` times the largest of the function; dead ones count too.
      update_ratio: |ΔW| / |W| of the step in the middle of the epoch; about 1e-3 is healthy.
    """

    def __init__(self, network: Network, loss: Any, x: NDArray, y: NDArray) -> None:
        self.network, self.loss, self.x, self.y = network, loss, x, y
        self.layers = [layer for layer in network.layers if isinstance(layer, Dense)]
        self.weights = [layer.parameters[0].name for layer in self.layers]
        self.history: list[NDArray[np.float64]] = []
        self._ratios = [math.nan] * len(self.layers)

    def before_step(self, trained: Network) -> None:
        """Keeps the weights as they are before the step in the middle of an epoch."""
        np.copyto(self.network.theta, trained.theta)

    def after_step(self, trained: Network) -> None:
        """Compares the weights with those before the step."""
        pairs = [(trained.parameters[name], self.network.parameters[name]) for name in self.weights]
        self._ratios = [float(np.linalg.norm(after - before) / np.linalg.norm(before)) for after, before in pairs]

    def observe(self, trained: Network) -> None:
        """Adds an epoch to `history`."""
        network = self.network
        found = {name: np.full(len(self.layers), np.nan) for name in MEASURES}
        found["update_ratio"][:] = self._ratios
        np.copyto(network.theta, trained.theta)
        outputs = network.forward(self.x, training=True)
        responses = {len(self.layers): outputs}
        for layer in network.layers:
            if isinstance(layer, ActivationLayer):
                responses[layer.number] = layer.output
                slopes = np.abs(layer.slopes())
                least = SATURATED * layer.function.steepest
                found["dead"][layer.number - 1] = (slopes.max(axis=0) == 0).mean()
                found["saturated"][layer.number - 1] = (slopes.mean(axis=0) < least).mean()
        for number, values in responses.items():
            found["activation_mean"][number - 1] = values.mean(dtype=np.float64)
            found["activation_sd"][number - 1] = values.std(dtype=np.float64)
        self.loss.forward(outputs, self.y)
        network.backward(self.loss.backward())
        found["gradient_norm"][:] = [np.linalg.norm(network.gradients[name]) for name in self.weights]
        self.history.append(np.stack([found[name] for name in MEASURES], axis=1))

    def lines(self, row: Row) -> list[list[str]]:
        """The cells of an epoch in diagnostics.csv, a line a layer; empty where there is no finite value."""
        found = self.history[max(row.epoch, 1) - 1]
        named = zip(self.layers, found.tolist(), strict=True)
        return [
            [str(row.epoch), layer.name, *(f"{value:.6g}" if math.isfinite(value) else "" for value in values)]
            for layer, values in named
        ]

    def array(self) -> NDArray[np.float64]:
        """The history as one array (E, L, 6), for a checkpoint."""
        return np.array(self.history, np.float64).reshape(-1, len(self.layers), len(MEASURES))
