"""The updater: blocks and threads that leave no trace in the bytes, weight decay on weights alone, slots that can be stored."""

import gc
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from mlp_cli.nn import updater as module
from mlp_cli.nn.optimizers import optimizers
from mlp_cli.nn.updater import FLUSH_EVERY, Updater

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
EVERY = pytest.mark.parametrize("name", list(optimizers))
WORKER = "mlp-updater"
P = 1000


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Blocks of 64, and two threads for any size."""
    monkeypatch.setattr(module, "BLOCK", 64)
    monkeypatch.setattr(module, "THREADED_BLOCK", 64)
    monkeypatch.setattr(module, "THREADED_FROM", 0)
    yield
    assert not workers(), "a test left a thread behind"


def workers() -> list[threading.Thread]:
    found = [thread for thread in threading.enumerate() if thread.name == WORKER]
    if found:
        gc.collect()  # an updater that is garbage ends its thread
    for thread in found:
        thread.join(0.2)
    return [thread for thread in found if thread.is_alive()]


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


def result(
    name: str, values: np.ndarray, threads: int = 1, decayed: int = 333, weight_decay: float = 0.1, l1: float = 0.01
) -> list[bytes]:
    """Bytes of theta and of each slot after all steps."""
    theta = np.random.default_rng(6).normal(size=P).astype(values.dtype)
    grad = np.empty_like(theta)
    updater = Updater(optimizers.build(name), theta, grad, decayed, weight_decay, l1, threads)
    train(updater, grad, values, 1)
    updater.close()
    return [theta.tobytes(), *(slot.tobytes() for slot in updater.slots.values())]


@EVERY
@DTYPES
@pytest.mark.parametrize("block", [64, 100, 333, 999])
def test_any_block_size_gives_the_same_bytes(name: str, dtype: type, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    values = gradients(3 * FLUSH_EVERY, dtype)
    whole = result(name, values)
    monkeypatch.setattr(module, "BLOCK", block)
    assert result(name, values) == whole


@EVERY
@DTYPES
@pytest.mark.parametrize("block", [64, 10_000])
def test_two_threads_give_the_same_bytes(
    name: str, dtype: type, block: int, small_blocks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "THREADED_BLOCK", block)
    values = gradients(3 * FLUSH_EVERY, dtype)
    assert result(name, values, threads=2) == result(name, values)


@EVERY
@pytest.mark.parametrize("size", [1, 63, 64, 65, 129])
def test_small_networks_in_two_threads(name: str, size: int, small_blocks: None) -> None:
    results = []
    for threads in (1, 2):
        theta, grad = np.ones(size, np.float32), np.ones(size, np.float32)
        updater = Updater(optimizers.build(name), theta, grad, 1, threads=threads)
        updater.apply(0.25, 1)
        updater.close()
        assert (theta != 1).all()
        results.append(theta.tobytes())
    assert results[0] == results[1]


@EVERY
@pytest.mark.parametrize("threads", [1, 2])
def test_restored_slots_continue_with_the_same_bytes(name: str, threads: int, small_blocks: None) -> None:
    """The second updater has a different past; theta, the slots and the step number are all that it is given."""
    values = gradients(4 * FLUSH_EVERY, np.float32)
    stop = FLUSH_EVERY + 40
    theta, grad = np.ones(P, np.float32), np.empty(P, np.float32)
    first = Updater(optimizers.build(name), theta, grad, P, 0.1, threads=threads)
    train(first, grad, values[:stop], 1)
    stored_theta, stored_slots = theta.copy(), {key: slot.copy() for key, slot in first.slots.items()}
    train(first, grad, values[stop:], stop + 1)

    other_theta, other_grad = np.zeros(P, np.float32), np.ones(P, np.float32)
    second = Updater(optimizers.build(name), other_theta, other_grad, P, 0.1, threads=threads)
    second.apply(0.5, 17)
    other_theta[:] = stored_theta
    for key, slot in stored_slots.items():
        second.slots[key][:] = slot
    train(second, other_grad, values[stop:], stop + 1)
    assert other_theta.tobytes() == theta.tobytes()
    assert all(second.slots[key].tobytes() == first.slots[key].tobytes() for key in first.slots)
    first.close()
    second.close()


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
@pytest.mark.parametrize("threads", [1, 2])
def test_dead_units_leave_no_subnormals(name: str, threads: int, small_blocks: None) -> None:
    theta, grad = np.ones(200, np.float32), np.random.default_rng(9).normal(size=200).astype(np.float32)
    updater = Updater(optimizers.build(name), theta, grad, 100, threads=threads)
    steps = 20_000 if threads == 1 else 2_000
    for step in range(1, steps + 1):
        if step == 100:
            grad[:150] = 0
        updater.apply(1e-5, step)
    tiny = np.finfo(np.float32).tiny
    for slot in updater.slots.values():
        assert not ((slot != 0) & (np.abs(slot) < tiny)).any()
        assert slot[150:].all()
    updater.close()


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
@pytest.mark.parametrize("threads", [1, 2])
def test_no_memory_is_taken_by_a_step(name: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "THREADED_FROM", 0)
    size = 50_000
    theta, grad = np.ones(size, np.float32), np.ones(size, np.float32)
    updater = Updater(optimizers.build(name), theta, grad, size // 2, 0.1, 0.1, threads)
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
        updater.close()
    assert peak - before < 20_000, "a step made an array"
    assert now - before < 5_000, "steps pile something up"


@EVERY
@pytest.mark.parametrize("threads", [1, 2])
def test_infinite_gradients_pass_without_a_warning(name: str, threads: int, small_blocks: None) -> None:
    theta, grad = np.ones(P, np.float32), np.full(P, 1e38, np.float32)
    grad[::3] = np.inf
    grad[1::3] = np.nan
    updater = Updater(optimizers.build(name), theta, grad, P, 0.1, threads=threads)
    for step in range(1, 4):
        updater.apply(1e30, step)
    updater.close()
    assert not np.isfinite(theta[::3]).any()


@EVERY
def test_one_thread_starts_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "THREADED_FROM", 0)
    before = threading.active_count()
    updater = Updater(optimizers.build(name), np.ones(P), np.ones(P), P)
    updater.apply(0.1, 1)
    assert threading.active_count() == before


def test_small_networks_and_plain_sgd_start_no_thread() -> None:
    for name, size in (("adam", 1000), ("sgd", 3_000_000)):
        updater = Updater(optimizers.build(name), np.ones(size, np.float32), np.ones(size, np.float32), size, threads=2)
        assert not workers()
        updater.close()


def test_the_second_thread_ends_with_close_and_apply_goes_on(small_blocks: None) -> None:
    theta = np.ones(P)
    updater = Updater(optimizers.build("sgd"), theta, np.ones(P), P, threads=2)
    assert len(workers()) == 1
    updater.apply(0.25, 1)
    updater.close()
    updater.close()
    assert not workers()
    updater.apply(0.25, 2)
    assert (theta == 0.5).all()


def test_the_second_thread_ends_with_a_forgotten_updater(small_blocks: None) -> None:
    updater = Updater(optimizers.build("adam"), np.ones(P), np.ones(P), P, threads=2)
    updater.apply(0.25, 1)
    assert len(workers()) == 1
    del updater
    assert not workers()


def test_the_second_thread_does_not_keep_the_process_alive() -> None:
    code = """
import numpy as np
from mlp_cli.nn import updater
from mlp_cli.nn.optimizers import optimizers
updater.THREADED_FROM = 0
kept = updater.Updater(optimizers.build("adam"), np.ones(500), np.ones(500), 500, threads=2)
kept.apply(0.1, 1)
print("done")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


class Failing:
    """An update rule that fails in one of the two threads."""

    slots: tuple[str, ...] = ()
    decoupled_weight_decay = False
    default_weight_decay = 0.0

    def __init__(self, in_worker: bool) -> None:
        self.in_worker = in_worker

    def coefficients(self, learning_rate: float, step: int) -> tuple[float, ...]:
        return (learning_rate,)

    def update(self, theta: Any, grad: Any, slots: Any, scratch: Any, coefficients: Any) -> None:
        if (threading.current_thread().name == WORKER) == self.in_worker and coefficients[0] > 1:
            raise MemoryError("no room")
        theta -= 1


@pytest.mark.parametrize("in_worker", [True, False])
def test_an_error_in_either_thread_arrives(in_worker: bool, small_blocks: None) -> None:
    theta = np.zeros(P)
    updater = Updater(Failing(in_worker), theta, np.zeros(P), P, threads=2)
    with pytest.raises(MemoryError, match="no room"):
        updater.apply(2.0, 1)
    theta[:] = 0
    updater.apply(1.0, 2)
    assert (theta == -1).all(), "both threads still do their part"
    updater.close()
