"""Softened targets against gradients worked out from soft targets written as probabilities."""

import json
from pathlib import Path

import numpy as np
import pytest

from mlp_cli.nn.losses import losses
from mlp_cli.nn.metrics import softmax
from mlp_cli.nn.soft import SoftLabels, SoftTargets

LOGITS = np.random.default_rng(1).standard_normal((5, 3))
TARGETS, PARTNERS = np.array([0, 2, 1, 1, 0]), np.array([1, 1, 0, 2, 0])
WEIGHTS = np.array([1.0, 0.25, 4.0])


def gradient_of(q: np.ndarray, logits: np.ndarray, weights: np.ndarray, reduction: str) -> np.ndarray:
    """softmax − q, each row with its weight: the derivative of −Σ q log softmax."""
    found = (softmax(logits) - q) * weights[:, None]
    return found / len(logits) if reduction == "mean" else found


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("share", [1.0, 0.7])
def test_gradients_are_those_of_soft_targets(reduction: str, smoothing: float, weighted: bool, share: float) -> None:
    soft = SoftTargets(losses.build("cross_entropy", reduction=reduction), 3, smoothing, WEIGHTS if weighted else None)
    mixed = () if share == 1 else (PARTNERS, share)
    loss = soft.forward(LOGITS, TARGETS, *mixed)
    q = share * np.eye(3)[TARGETS] + (1 - share) * np.eye(3)[PARTNERS]
    assert loss == pytest.approx(-(q * np.log(softmax(LOGITS))).sum()), "the plain loss, of the mixed rows"
    rows = share * WEIGHTS[TARGETS] + (1 - share) * WEIGHTS[PARTNERS] if weighted else np.ones(5)
    expected = gradient_of((1 - smoothing) * q + smoothing / 3, LOGITS, rows, reduction)
    np.testing.assert_allclose(soft.backward(), expected, atol=1e-14)


@pytest.mark.parametrize("share", [1.0, 0.7])
def test_one_output_gives_what_two_would(share: float) -> None:
    """With logits (0, z), the gradient by z of two classes."""
    z, targets, partners = LOGITS[:, :1], TARGETS % 2, PARTNERS % 2
    mixed = () if share == 1 else (partners, share)
    found = []
    for name, outputs in (("binary_cross_entropy", z), ("cross_entropy", np.concatenate([np.zeros_like(z), z], axis=1))):
        soft = SoftTargets(losses.build(name), 2, 0.1, np.array([0.5, 2.0]))
        found.append((soft.forward(outputs, targets, *mixed), soft.backward()[:, -1].copy()))
    assert found[0][0] == pytest.approx(found[1][0])
    np.testing.assert_allclose(found[0][1], found[1][1], atol=1e-14)


STORED = json.loads((Path(__file__).parents[1] / "fixtures" / "torch_values.json").read_text())["labels"]


def labels_of(name: str) -> np.ndarray:
    return np.array(STORED[name], np.uint8)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_softened_labels_are_those_of_pytorch(reduction: str) -> None:
    """Smoothed, mixed and weighted at once; the loss that is logged is the plain one of the mixed rows. Over a batch PyTorch adds."""
    loss = losses.build("multi_label", reduction=reduction)
    soft = SoftLabels(loss, 3, STORED["smoothing"], np.array(STORED["weights"]))
    logits = np.array(STORED["logits"])
    found = soft.forward(logits, labels_of("targets"), labels_of("partners"), STORED["share"])
    assert found == pytest.approx(len(logits) * STORED["loss"])
    expected = np.array(STORED["gradient"]) * (1 if reduction == "mean" else len(logits))
    np.testing.assert_allclose(soft.backward(), expected, rtol=1e-12)


def test_smoothed_labels_are_those_of_keras() -> None:
    """Which computes in float32."""
    soft = SoftLabels(losses.build("multi_label"), 3, STORED["smoothing"])
    soft.forward(np.array(STORED["logits"]), labels_of("targets"))
    np.testing.assert_allclose(soft.backward(), STORED["keras_smoothed_gradient"], rtol=1e-6)


def test_float32_stays_float32() -> None:
    soft = SoftLabels(losses.build("multi_label"), 3, 0.1, WEIGHTS)
    soft.forward(LOGITS.astype(np.float32), labels_of("targets"), labels_of("partners"), 0.7)
    assert soft.backward().dtype == np.float32
