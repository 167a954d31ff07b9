"""The gradient check of every loss with every activation and every regulariser, in float64.

What softens the targets or adds a penalty changes the gradient and not the loss that is logged, so the objective that the gradient
has to belong to is written here anew, from its formula.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mlp_cli.nn.activations import activations
from mlp_cli.nn.buffers import Array
from mlp_cli.nn.gradcheck import check_gradients
from mlp_cli.nn.initializers import initializers
from mlp_cli.nn.losses import Loss, losses
from mlp_cli.nn.network import Network, build_network
from mlp_cli.nn.optimizers import optimizers
from mlp_cli.nn.soft import SoftLabels, SoftTargets
from mlp_cli.nn.updater import Updater

ROWS, INPUTS, HIDDEN, CLASSES = 5, 3, 4, 3
SAMPLES = 3
"""Values of each parameter that are compared."""
SHARE, SMOOTHING, WEIGHT_DECAY, L1 = 0.7, 0.2, 0.3, 0.1

LAYERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "dropout": {"dropout": [0.3], "input_dropout": 0.2},
    "batch_norm": {"batch_norm": {}},
    "layer_norm": {"layer_norm": {}},
    "gaussian_noise": {"gaussian_noise": 0.2},
}
SOFT = ("label_smoothing", "class_weight", "mixup", "label_smoothing class_weight mixup")
PENALTIES = ("weight_decay", "l1")


def data_of(loss: Loss) -> tuple[Array, Array, Array]:
    """Inputs, targets and the targets of the partners in a mixture; of classes and labels each is there."""
    generator = np.random.default_rng(3)
    x = generator.standard_normal((ROWS, INPUTS))
    if loss.task == "regression":
        return x, *generator.standard_normal((2, ROWS, CLASSES))
    if loss.task == "multi_label":
        return x, *generator.integers(0, 2, (2, ROWS, CLASSES)).astype(np.uint8)
    classes = 2 if loss.outputs else CLASSES
    return x, np.arange(ROWS) % classes, np.arange(ROWS) // 2 % classes


def soft_objective(loss: Loss, outputs: Array, q: Array, weights: Array, rows: Array) -> float:
    """The mean of −Σ q·log p, rows and labels with their weights. q: (B, K) probabilities; rows: (B,), those of classes."""
    if loss.task == "multi_label":
        terms = weights * q * np.logaddexp(0, -outputs) + (1 - q) * np.logaddexp(0, outputs)
        return float(terms.mean())
    z = np.concatenate([0 * outputs, outputs], axis=1) if loss.outputs else outputs
    log_p = z - np.logaddexp.reduce(z, axis=1, keepdims=True)
    return float(-(rows * (q * log_p).sum(axis=1)).mean())


class Objective:
    """A loss as `check_gradients` takes it, with the objective of its gradient in place of what is logged."""

    task, reduction = "any", "sum"

    def __init__(self, forward: Callable[[Array, Array], Any], backward: Callable[[], Array], value: Callable[[Array], float]):
        self._forward, self.backward, self._value = forward, backward, value

    def forward(self, outputs: Array, targets: Array) -> float:
        self._forward(outputs, targets)
        return self._value(outputs)


def objective(loss: Loss, regulariser: str, targets: Array, partners: Array, network: Network) -> Objective:
    """What training makes small with this regulariser."""
    if regulariser in PENALTIES:
        theta = network.theta[: network.decayed]
        factors = {"weight_decay": 0.0, "l1": 0.0} | {regulariser: WEIGHT_DECAY if regulariser == "weight_decay" else L1}
        updater = Updater(optimizers.build("sgd"), network.theta, network.grad, network.decayed, **factors)
        backward = network.backward

        def penalised(grad: Array) -> None:
            backward(grad)
            updater.apply(0.0, 1)

        network.backward = penalised  # type: ignore[method-assign]

        def value(outputs: Array) -> float:
            penalty = factors["weight_decay"] / 2 * np.square(theta).sum() + factors["l1"] * np.abs(theta).sum()
            return loss.forward(outputs, targets) / ROWS + float(penalty)

        return Objective(loss.forward, loss.backward, value)
    if regulariser in LAYERS:
        return Objective(loss.forward, loss.backward, lambda outputs: loss.forward(outputs, targets) / ROWS)

    classes = CLASSES if loss.task == "multi_label" or not loss.outputs else 2
    weights = np.array([0.5, 3.0, 1.5])[:classes] if "class_weight" in regulariser else np.ones(classes)
    smoothing = SMOOTHING if "label_smoothing" in regulariser else 0.0
    share = SHARE if "mixup" in regulariser else 1.0
    kind = SoftLabels if loss.task == "multi_label" else SoftTargets
    soft = kind(loss, classes, smoothing, weights if "class_weight" in regulariser else None)
    if loss.task == "multi_label":
        q, rows, even = share * targets + (1 - share) * partners, np.ones(ROWS), 2
    else:
        q = share * np.eye(classes)[targets] + (1 - share) * np.eye(classes)[partners]
        rows, even = q @ weights, classes
    q = (1 - smoothing) * q + smoothing / even
    mixed = (partners, share) if share < 1 else ()
    return Objective(
        lambda outputs, targets: soft.forward(outputs, targets, *mixed),
        soft.backward,
        lambda outputs: soft_objective(loss, outputs, q, weights, rows),
    )


PAIRS = [
    (name, regulariser)
    for name in losses
    for regulariser in (*LAYERS, *SOFT, *PENALTIES)
    # Targets of a quantity are not softened; a mixture of rows has a mixture of them.
    if not (regulariser in SOFT and losses[name].task == "regression")
]


@pytest.mark.parametrize(("name", "regulariser"), PAIRS)
def test_every_gradient_belongs_to_its_objective(name: str, regulariser: str) -> None:
    for activation in activations:
        loss = losses.build(name)
        x, targets, partners = data_of(loss)
        options = {"dropout": [0.0]} | LAYERS.get(regulariser, {})
        network = build_network(
            INPUTS, [HIDDEN], loss.outputs or CLASSES, [activations.build(activation)], dtype=np.float64, **options
        )
        network.initialize(initializers.build("he_normal"), 1)
        wanted: Any = objective(loss, regulariser, targets, partners, network)
        checks = check_gradients(network, wanted, x, targets, samples_per_parameter=SAMPLES)
        for one in checks:
            assert one.passed and one.checked, (activation, one)
        assert network.grad.any(), activation
