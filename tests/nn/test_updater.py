"""The updater: blocks that leave no trace in the bytes, weight decay on weights alone, slots that can be stored."""

import tracemalloc

import numpy as np
import pytest

from mlp_cli.nn import updater as module
from mlp_cli.nn.optimizers import optimizers
from mlp_cli.nn.updater import FLUSH_EVERY, Updater

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
EVERY = pytest.mark.parametrize("name", list(optimizers))
P = 1000


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 64."""
    monkeypatch.setattr(module, "BLOCK", 64)


def gradients(steps: int, dtype: type) -> np.ndarray:
    """(steps, P), from ordinary size to subnormal, with zeros."""
    generator = np.random.default_rng(5)
    values = generator.normal(size=(steps, P)) * np.logspace(0, -44, P)
    values[:, ::7] = 0
    return values.astype(dtype)


def train(updater: Updater, grad: np.ndarray, values: np.ndarray, first: int) -> None:
    for step, row in enumerate(values, start=first):
        grad[:] = row
        updater.apply(0.01 / step, step)


def result(name: str, values: np.ndarray, decayed: int = 333, weight_decay: float = 0.1, l1: float = 0.01) -> list[bytes]:
    """Bytes of theta and of each slot after all steps."""
    theta = np.random.default_rng(6).normal(size=P).astype(values.dtype)
    grad = np.empty_like(theta)
    updater = Updater(optimizers.build(name), theta, grad, decayed, weight_decay, l1)
    train(updater, grad, values, 1)
    return [theta.tobytes(), *(slot.tobytes() for slot in updater.slots.values())]


@EVERY
@pytest.mark.parametrize(("dtype", "block"), [(np.float32, 64), (np.float64, 100), (np.float32, 333), (np.float64, 999)])
def test_any_block_size_gives_the_same_bytes(name: str, dtype: type, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    values = gradients(3 * FLUSH_EVERY, dtype)
    whole = result(name, values)
    monkeypatch.setattr(module, "BLOCK", block)
    assert result(name, values) == whole


@EVERY
@pytest.mark.parametrize("size", [1, 63, 64, 65, 129])
def test_networks_of_any_size_are_updated_to_their_end(name: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for block in (module.BLOCK, 64):
        monkeypatch.setattr(module, "BLOCK", block)
        theta, grad = np.ones(size, np.float32), np.ones(size, np.float32)
        Updater(optimizers.build(name), theta, grad, 1).apply(0.25, 1)
        assert (theta != 1).all()
        results.append(theta.tobytes())
    assert results[0] == results[1]


@EVERY
def test_restored_slots_continue_with_the_same_bytes(name: str, small_blocks: None) -> None:
    """The second updater has a different past; theta, the slots and the step number are all that it is given."""
    values = gradients(4 * FLUSH_EVERY, np.float32)
    stop = FLUSH_EVERY + 40
    theta, grad = np.ones(P, np.float32), np.empty(P, np.float32)
    first = Updater(optimizers.build(name), theta, grad, P, 0.1)
    train(first, grad, values[:stop], 1)
    stored_theta, stored_slots = theta.copy(), {key: slot.copy() for key, slot in first.slots.items()}
    train(first, grad, values[stop:], stop + 1)

    other_theta, other_grad = np.zeros(P, np.float32), np.ones(P, np.float32)
    second = Updater(optimizers.build(name), other_theta, other_grad, P, 0.1)
    second.apply(0.5, 17)
    other_theta[:] = stored_theta
    for key, slot in stored_slots.items():
        second.slots[key][:] = slot
    train(second, other_grad, values[stop:], stop + 1)
    assert other_theta.tobytes() == theta.tobytes()
    assert all(second.slots[key].tobytes() == first.slots[key].tobytes() for key in first.slots)


@EVERY
@DTYPES
def test_slots_are_whole_arrays(name: str, dtype: type) -> None:
    optimizer = optimizers.build(name)
    updater = Updater(optimizer, np.ones(P, dtype), np.ones(P, dtype), 0)
    assert tuple(updater.slots) == optimizer.slots
    for slot in updater.slots.values():
        assert slot.shape == (P,) and slot.dtype == dtype and slot.flags.c_contiguous and not slot.any()


@EVERY
def test_weight_decay_touches_weights_only(name: str) -> None:
    """By hand, with a zero gradient on the second half: what does not decay must stay where it is."""
    theta, grad = np.array([1.0, -2.0, 0.0, 1.0, -2.0]), np.zeros(5)
    Updater(optimizers.build(name), theta, grad, 3, weight_decay=0.5).apply(0.1, 1)
    assert 0 < theta[0] < 1 and -2 < theta[1] < 0 and theta[2] == 0
    assert theta[3:].tolist() == [1.0, -2.0]


@EVERY
def test_l1_touches_weights_only(name: str) -> None:
    theta, grad = np.array([1.0, -2.0, 0.0, 1.0, -2.0]), np.zeros(5)
    Updater(optimizers.build(name), theta, grad, 3, l1=0.5).apply(0.1, 1)
    assert 0 < theta[0] < 1 and -2 < theta[1] < 0 and theta[2] == 0
    assert theta[3:].tolist() == [1.0, -2.0]


@pytest.mark.parametrize("decayed", [0, 1, 63, 64, 65, 128, 700, P])
def test_weight_decay_ends_inside_any_block(decayed: int, small_blocks: None) -> None:
    theta, grad = np.ones(P), np.zeros(P)
    Updater(optimizers.build("sgd"), theta, grad, decayed, weight_decay=0.5, l1=0.25).apply(0.5, 1)
    assert (theta[:decayed] == 1 - 0.5 * (0.5 + 0.25)).all() and (theta[decayed:] == 1).all()


def test_coupled_decay_by_hand() -> None:
    """θ ← θ − lr·(g + λθ + l1·sign θ): 4 − 0.5·(2 + 0.25·4 + 1) and −4 − 0.5·(2 − 0.25·4 − 1)."""
    theta, grad = np.array([4.0, -4.0, 4.0]), np.array([2.0, 2.0, 2.0])
    Updater(optimizers.build("sgd"), theta, grad, 2, weight_decay=0.25, l1=1.0).apply(0.5, 1)
    assert theta.tolist() == [2.0, -4.0, 3.0]


def test_decoupled_decay_by_hand() -> None:
    """With no gradient, θ ← θ − lr·λ·θ and the moments stay empty: 4 − 0.5·0.25·4."""
    theta, grad = np.array([4.0, -8.0, 4.0]), np.zeros(3)
    updater = Updater(optimizers.build("adamw"), theta, grad, 2, weight_decay=0.25)
    updater.apply(0.5, 1)
    assert theta.tolist() == [3.5, -7.0, 4.0]
    assert not any(slot.any() for slot in updater.slots.values())


def test_decoupled_decay_is_right_on_average_in_float32() -> None:
    """A factor 1 − lr·λ would be rounded to a multiple of 6e-8, here by a fifth of lr·λ, alike for all weights and steps."""
    theta = np.random.default_rng(8).uniform(0.5, 1, 10_000).astype(np.float32)
    before = theta.astype(np.float64)
    updater = Updater(optimizers.build("adamw"), theta, np.zeros_like(theta), theta.size, weight_decay=1.48e-4)
    for step in range(1, 101):
        updater.apply(1e-3, step)
    assert (before - theta).sum() / before.sum() == pytest.approx(100 * 1.48e-7, rel=0.1)


@EVERY
def test_dead_units_leave_no_subnormals(name: str, small_blocks: None) -> None:
    theta, grad = np.ones(200, np.float32), np.random.default_rng(9).normal(size=200).astype(np.float32)
    updater = Updater(optimizers.build(name), theta, grad, 100)
    for step in range(1, 10_001):  # 0.99 ** 9_900, of the slowest slot that ends, is far below the least normal number
        if step == 100:
            grad[:150] = 0
        updater.apply(1e-5, step)
    tiny = np.finfo(np.float32).tiny
    for slot in updater.slots.values():
        assert not ((slot != 0) & (np.abs(slot) < tiny)).any()
        assert slot[150:].all()


def test_flushing_keeps_normal_and_special_numbers() -> None:
    tiny = np.finfo(np.float32).tiny
    values = np.array([tiny, -tiny, tiny / 2, -tiny / 2, 1e-45, 1.0, 0.0, np.inf, np.nan], np.float32)
    size = values.size
    for momentum_step, expected in ((FLUSH_EVERY, 0.0), (FLUSH_EVERY + 1, tiny / 2)):
        updater = Updater(optimizers.build("nesterov", momentum=0.0), np.zeros(size, np.float32), values.copy(), size)
        updater.apply(1.0, momentum_step)
        (velocity,) = updater.slots.values()
        assert velocity[0] == tiny and velocity[1] == -tiny and velocity[5] == 1
        assert velocity[2] == expected and velocity[3] == -expected
        assert np.isposinf(velocity[7]) and np.isnan(velocity[8])


@EVERY
def test_no_memory_is_taken_by_a_step(name: str) -> None:
    size = 50_000
    theta, grad = np.ones(size, np.float32), np.ones(size, np.float32)
    updater = Updater(optimizers.build(name), theta, grad, size // 2, 0.1, 0.1)
    tracemalloc.start()
    try:
        for step in range(1, 101):
            updater.apply(1e-3, step)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for step in range(101, 301):
            updater.apply(1e-3, step)
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < 20_000, "a step made an array"
    assert now - before < 5_000, "steps pile something up"


@EVERY
def test_infinite_gradients_pass_without_a_warning(name: str, small_blocks: None) -> None:
    theta, grad = np.ones(P, np.float32), np.full(P, 1e38, np.float32)
    grad[::3] = np.inf
    grad[1::3] = np.nan
    updater = Updater(optimizers.build(name), theta, grad, P, 0.1)
    for step in range(1, 4):
        updater.apply(1e30, step)
    assert not np.isfinite(theta[::3]).any()


def clipped(grad: list[float], dtype: type = np.float64, **clips: float) -> list[float]:
    """What is left of a gradient: a step of SGD with rate 1 from 0."""
    theta, values = np.zeros(len(grad), dtype), np.array(grad, dtype)
    Updater(optimizers.build("sgd"), theta, values, len(grad), **clips).apply(1.0, 1)
    return (-theta).tolist()


def test_gradients_are_clipped_by_value_and_by_norm() -> None:
    assert clipped([3.0, -4.0], clip_norm=1.0) == pytest.approx([0.6, -0.8])
    assert clipped([3.0, -4.0], clip_norm=5.0) == [3.0, -4.0], "a norm of 5 is not longer than 5"
    assert clipped([3.0, -0.5], clip_value=1.0) == [1.0, -0.5]
    assert clipped([3.0, -4.0], clip_value=3.0, clip_norm=1.0) == pytest.approx([0.5**0.5, -(0.5**0.5)]), "values first"
    assert clipped([3e30, -4e30], np.float32, clip_norm=1.0) == pytest.approx([0.6, -0.8]), "squares beyond float32"
    assert np.isnan(clipped([np.inf, 1.0], clip_norm=1.0)).any(), "what is not finite stays visible"


def test_clipping_comes_before_decay() -> None:
    theta, grad = np.array([10.0]), np.array([5.0])
    Updater(optimizers.build("sgd"), theta, grad, 1, weight_decay=0.1, clip_norm=1.0).apply(1.0, 1)
    assert theta[0] == pytest.approx(10 - (1 + 0.1 * 10))
