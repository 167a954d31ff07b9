"""What softens the targets of classes and labels in training: label smoothing, class weights and mixup. They act on gradients alone."""

from __future__ import annotations

import numpy as np

from mlp_cli.nn.buffers import Array
from mlp_cli.nn.losses import Loss


class SoftTargets:
    """A loss whose gradient is that of softened targets; the losses that it returns are those of the plain targets.

    smoothing: ε of (1−ε) · one-hot + ε/K (Szegedy et al., 2016, section 7). class_weights: (K,) factors of each sample's gradient by
    its class, None for none; the mean is still over the B rows, as in Keras (PyTorch divides by the sum of the weights).
    """

    correct: None = None

    def __init__(self, loss: Loss, classes: int, smoothing: float = 0.0, class_weights: Array | None = None) -> None:
        self._loss, self._classes, self._smoothing, self._weights = loss, classes, smoothing, class_weights

    def forward(self, outputs: Array, targets: Array, partners: Array | None = None, share: float = 1.0) -> float:
        """The sum of the losses of outputs (B, K) and targets (B,).

        partners: the targets (B,) of the rows that were mixed in, with 1 − share of each (Zhang et al., 2018); the loss is then
        that of the mixed rows: share · loss(targets) + (1 − share) · loss(partners).
        """
        mixed = 0.0 if partners is None else self._loss.forward(outputs, partners)
        self._targets, self._partners, self._share = targets, partners, share
        total = self._loss.forward(outputs, targets)
        return total if partners is None else share * total + (1 - share) * mixed

    def backward(self) -> Array:
        """The gradient of the outputs (B, K): of softmax − q with q the softened target, each row with its weight."""
        grad = self._loss.backward()
        rows = len(grad)
        scale = 1.0 / rows if self._loss.reduction == "mean" else 1.0
        # grad holds p − one-hot(targets); what follows turns the one-hot into q.
        if self._partners is not None:
            _add(grad, self._targets, scale * (1 - self._share))
            _add(grad, self._partners, -scale * (1 - self._share))
        if self._smoothing:
            _add(grad, self._targets, scale * self._smoothing * self._share)
            if self._partners is not None:
                _add(grad, self._partners, scale * self._smoothing * (1 - self._share))
            np.subtract(grad, scale * self._smoothing / self._classes, out=grad)
        if self._weights is not None:
            weights = self._weights[self._targets]
            if self._partners is not None:
                weights = self._share * weights + (1 - self._share) * self._weights[self._partners]
            np.multiply(grad, weights[:, None].astype(grad.dtype), out=grad)
        return grad


class SoftLabels(SoftTargets):
    """The same for labels: targets, partners (B, K) of 0 and 1, and weights (K,) of the rows that have the label.

    smoothing: ε of (1−ε) · y + ε/2, as in Keras's BinaryCrossentropy. A label's term is −w·q·log p − (1−q)·log(1−p) with q the softened
    target: w is the pos_weight of PyTorch's BCEWithLogitsLoss.
    """

    def backward(self) -> Array:
        """The gradient of the outputs (B, K)."""
        grad = self._loss.backward()
        scale = 1.0 / grad.size if self._loss.reduction == "mean" else 1.0 / grad.shape[1]
        wanted = np.asarray(self._targets, grad.dtype)
        if self._partners is not None:
            wanted = (self._share * wanted + (1 - self._share) * self._partners).astype(grad.dtype)
        wanted = (1 - self._smoothing) * wanted + self._smoothing / 2
        # grad holds p − y; what follows turns it into p − q.
        np.add(grad, scale * (self._targets - wanted), out=grad)
        if self._weights is not None:
            # The gradient of the weighted term is p · (1 + (w−1)·q) − w·q.
            more = (self._weights - 1).astype(grad.dtype)
            np.multiply(grad, 1 + more * wanted, out=grad)
            np.add(grad, scale * more * wanted * (wanted - 1), out=grad)
        return grad


def _add(grad: Array, targets: Array, amount: float) -> None:
    """Adds an amount at each row's class, in place; of a single output, at those of class 1."""
    if grad.shape[1] == 1:
        grad[:, 0] += amount * targets
    else:
        grad[np.arange(len(targets)), targets] += amount
