"""Update rules against trajectories of Keras and PyTorch and against plain formulas, and the contract that each of them keeps."""

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from update_rules import RULES, Oracle

from mlp_cli.nn.optimizers import Optimizer, optimizers
from mlp_cli.nn.updater import Updater

STORED = json.loads((Path(__file__).parent.parent / "fixtures" / "keras_values.json").read_text(encoding="utf-8"))
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
EVERY = pytest.mark.parametrize("name", list(optimizers))


def variants(name: str) -> list[dict[str, Any]]:
    """The defaults, and each option moved away from its own: the choices that can change which slots there are."""
    moved = [{option.name: not option.default} for option in optimizers.options(name) if isinstance(option.default, bool)]
    moved += [{option.name: 0.5} for option in optimizers.options(name) if option.name == "momentum"]
    together = {key: value for options in moved for key, value in options.items()}
    return [{}, *moved, *([together] if len(moved) > 1 else [])]


EVERY_VARIANT = pytest.mark.parametrize(
    ("name", "options"), [(name, options) for name in optimizers for options in variants(name)], ids=str
)


def label(case: dict[str, Any]) -> str:
    options = ",".join(f"{key}={value}" for key, value in case["options"].items())
    return f"{case['source']}-{case['optimizer']}({options})-decay{case['weight_decay']}-l1_{case['l1']}"


@pytest.mark.parametrize("case", STORED["trajectories"], ids=label)
@DTYPES
def test_follows_keras_and_torch(case: dict[str, Any], dtype: type) -> None:
    theta, gradients = np.array(STORED["theta"], dtype), np.array(STORED["gradients"], dtype)
    grad = np.empty_like(theta)
    optimizer = optimizers.build(case["optimizer"], **case["options"])
    updater = Updater(optimizer, theta, grad, STORED["decayed"], case["weight_decay"], case["l1"])
    tolerance = {"rtol": 1e-12, "atol": 1e-12} if dtype is np.float64 else {"rtol": 2e-5, "atol": 2e-5}
    for step, (rate, gradient) in enumerate(zip(case["learning_rates"], gradients, strict=True), start=1):
        grad[:] = gradient
        updater.apply(rate, step)
        np.testing.assert_allclose(theta, case["theta"][step - 1], **tolerance, err_msg=f"step {step}")
    assert step >= 10


def test_every_optimizer_has_a_stored_trajectory() -> None:
    assert {case["optimizer"] for case in STORED["trajectories"]} == set(optimizers)


def test_every_optimizer_has_a_plain_formula_with_the_same_options() -> None:
    assert set(RULES) == set(optimizers)
    for name, rule in RULES.items():
        options = list(inspect.signature(rule).parameters.values())[5:]
        assert [(p.name, p.default) for p in options] == [(o.name, o.default) for o in optimizers.options(name)]


def moved(name: str) -> list[dict[str, Any]]:
    """The defaults; each option away from its own, alone; and all of them together."""
    each = {option.name: not option.default if isinstance(option.default, bool) else 0.3 for option in optimizers.options(name)}
    return [{}, *({key: value} for key, value in each.items()), *([each] if len(each) > 1 else [])]


DECAYS = [(0.03, 0.02), (0.0, 0.0), (0.05, 0.0)]
"""Weight decay and L1. The first goes with all options; the others change the gradient before the options come into play."""


@pytest.mark.parametrize(
    ("name", "options", "weight_decay", "l1"),
    [(name, options, *decay) for name in optimizers for options in moved(name) for decay in (DECAYS[:1] if options else DECAYS)],
    ids=str,
)
def test_follows_the_plain_formula(name: str, options: dict[str, Any], weight_decay: float, l1: float) -> None:
    """200 steps with rates and gradients that change, some of them zero; weights and others; past three flushes."""
    generator = np.random.default_rng(11)
    theta, grad = generator.normal(size=9), np.empty(9)
    updater = Updater(optimizers.build(name, **options), theta, grad, 6, weight_decay, l1)
    oracle = Oracle(name, theta.tolist(), 6, weight_decay, l1, options)
    for step in range(1, 201):
        rate, gradient = 0.01 / (1 + step / 50), generator.normal(size=9) * (generator.random(9) > 0.2)
        grad[:] = gradient
        updater.apply(rate, step)
        oracle.apply(gradient.tolist(), rate, step)
        np.testing.assert_allclose(theta, oracle.theta, rtol=0, atol=1e-10, err_msg=f"step {step}")


def descend(
    optimizer: Optimizer, gradient: Callable[[np.ndarray], np.ndarray], start: np.ndarray, peak: float, steps: int
) -> np.ndarray:
    """Where `steps` steps lead, the learning rate falling from `peak` to zero in a straight line."""
    theta = start.copy()
    grad = np.empty_like(theta)
    updater = Updater(optimizer, theta, grad, theta.size)
    for step in range(1, steps + 1):
        grad[:] = gradient(theta)
        updater.apply(peak * (1 - (step - 1) / steps), step)
    return theta


TIMES = {"adagrad": 60.0, "adadelta": 300.0, "adamax": 2.0, "nadam": 1.5, "radam": 3.0}
"""By how much an optimizer's learning rate is larger than that of the others: its steps are smaller."""


def peak(name: str, options: dict[str, Any], rate: float) -> float:
    return rate * TIMES.get(name, 5.0 if options.get("amsgrad") else 1.0)


@EVERY_VARIANT
def test_converges_on_a_parabola(name: str, options: dict[str, Any]) -> None:
    found = descend(
        optimizers.build(name, **options), lambda theta: 2 * (theta - 3.0), np.array([-1.0]), peak(name, options, 0.02), 1500
    )
    assert abs(found[0] - 3.0) < 1e-4


@EVERY_VARIANT
def test_converges_on_rosenbrock(name: str, options: dict[str, Any]) -> None:
    def gradient(theta: np.ndarray) -> np.ndarray:
        x, y = theta
        return np.array([-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)])

    found = descend(optimizers.build(name, **options), gradient, np.array([-0.5, 0.5]), peak(name, options, 2e-3), 10_000)
    assert np.abs(found - 1.0).max() < 0.03


@EVERY_VARIANT
@DTYPES
def test_converges_on_mixed_curvature(name: str, options: dict[str, Any], dtype: type) -> None:
    generator = np.random.default_rng(1)
    curvature = np.logspace(-1, 1, 30).astype(dtype)
    target = generator.normal(size=30).astype(dtype)
    start = generator.normal(size=30).astype(dtype)
    found = descend(
        optimizers.build(name, **options), lambda theta: curvature * (theta - target), start, peak(name, options, 0.15), 2000
    )
    assert np.abs(found - target).max() < 2e-3


@EVERY_VARIANT
@DTYPES
def test_keeps_the_gradient_and_the_dtype(name: str, options: dict[str, Any], dtype: type) -> None:
    optimizer = optimizers.build(name, **options)
    generator = np.random.default_rng(2)
    theta, grad = (generator.normal(size=100).astype(dtype) for _ in range(2))
    slots = {slot: np.zeros(100, dtype) for slot in optimizer.slots}
    scratch = np.full((2, 100) if optimizer.scratch_arrays == 2 else 100, np.nan, dtype)
    coefficients = tuple(np.array(value, dtype) for value in optimizer.coefficients(0.01, 1))
    before_theta, before_grad = theta.copy(), grad.copy()
    optimizer.update(theta, grad, slots, scratch, coefficients)
    assert {array.dtype for array in (theta, grad, *slots.values())} == {np.dtype(dtype)}
    assert np.array_equal(grad, before_grad)
    assert np.all(np.sign(before_theta - theta) == np.sign(grad)), "the first step goes downhill everywhere"
    assert all(np.all(slot != 0) for slot in slots.values()), "every slot is used"


@EVERY_VARIANT
@DTYPES
def test_rests_where_the_gradient_always_was_zero(name: str, options: dict[str, Any], dtype: type) -> None:
    theta = np.array([1.0, -2.0, 0.0], dtype)
    updater = Updater(optimizers.build(name, **options), theta, np.zeros(3, dtype), 3)
    for step in range(1, 130):
        updater.apply(0.1, step)
    assert theta.tolist() == [1.0, -2.0, 0.0]


@EVERY
def test_zero_learning_rate_moves_nothing(name: str) -> None:
    theta = np.array([1.0, -2.0])
    updater = Updater(optimizers.build(name), theta, np.array([3.0, -4.0]), 2, optimizers[name].default_weight_decay)
    updater.apply(0.0, 1)
    assert theta.tolist() == [1.0, -2.0]


@EVERY
def test_names_and_decay(name: str) -> None:
    optimizer = optimizers.build(name)
    assert len(set(optimizer.slots)) == len(optimizer.slots)
    assert optimizer.decoupled_weight_decay == (name == "adamw")
    assert optimizer.default_weight_decay == (0.004 if name == "adamw" else 0.0)
    assert inspect.getdoc(optimizers[name])


@pytest.mark.parametrize("scale", [1.0, 100.0, 1e8])
def test_centered_rmsprop_takes_a_constant_gradient(scale: float) -> None:
    """v − a² is then nothing but rounding, of either sign."""
    theta, grad = np.zeros(1000, np.float32), np.random.default_rng(3).normal(scale=scale, size=1000).astype(np.float32)
    updater = Updater(optimizers.build("rmsprop", centered=True), theta, grad, 1000)
    for step in range(1, 400):
        updater.apply(1e-3, step)
    assert np.isfinite(theta).all()


def test_adam_moments_have_room_in_float32() -> None:
    """The slots hold discounted sums, up to a thousand times the means: gradients of 1e17 must still pass."""
    theta, grad = np.zeros(1, np.float32), np.full(1, 1e17, np.float32)
    updater = Updater(optimizers.build("adam"), theta, grad, 1)
    for step in range(1, 5001):
        updater.apply(1e-3, step)
    assert theta[0] == pytest.approx(-5.0, rel=1e-3)
