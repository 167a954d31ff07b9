"""Step times, measured fairly on a noisy machine: all contenders in turn, many rounds, medians, and ratios round by round."""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from mlp_cli.data.batches import Batches
from mlp_cli.data.cache import cache_folder
from mlp_cli.data.dataset import Part
from mlp_cli.data.transforms import fit
from mlp_cli.errors import RunError
from mlp_cli.nn.activations import activations
from mlp_cli.nn.fused import fuse
from mlp_cli.nn.initializers import initializers
from mlp_cli.nn.kernels import NUMPY, Kernel, find
from mlp_cli.nn.losses import losses
from mlp_cli.nn.network import Network, build_network
from mlp_cli.nn.optimizers import optimizers
from mlp_cli.nn.schedules import schedules
from mlp_cli.nn.updater import Updater
from mlp_cli.rng import Purpose, stream
from mlp_cli.training.evaluate import Scores, evaluate
from mlp_cli.training.state import Best, TrainingState
from mlp_cli.training.trainer import Trainer

RATES = {"sgd": 0.05, "momentum": 0.01, "adam": 1e-3}
"""The optimizers that are timed, with their learning rates."""
NETS = (
    ((20, 32, 2), 16),
    ((784, 64, 10), 64),
    ((784, 128, 10), 128),
    ((784, 300, 10), 50),
    ((784, 300, 10), 128),
    ((784, 512, 256, 10), 128),
    ((784, 1000, 10), 500),
)
"""Layer sizes, inputs first, and batch sizes."""
AGREEMENT = 0.03
"""By how much of its value a contender's loss may differ from ours after the first round. All begin with the same weights and see
the same batches; what is left are roundings, which later rounds let grow, and where Adam's ε stands."""


@dataclass(frozen=True)
class Case:
    """A network (its layer sizes, inputs first), a batch size, an optimizer and a number of threads. rows: of made-up pictures, which
    one round goes through."""

    sizes: tuple[int, ...]
    batch_size: int
    optimizer: str = "adam"
    threads: int = 1
    rows: int = 4096

    @property
    def label(self) -> str:
        """`784-300-10, batch 128, adam, 1 thread`."""
        plural = "s" if self.threads > 1 else ""
        return f"{'-'.join(map(str, self.sizes))}, batch {self.batch_size}, {self.optimizer}, {self.threads} thread{plural}"

    @property
    def steps(self) -> int:
        """Steps of one round."""
        return self.rows // self.batch_size


@dataclass(frozen=True)
class Contender:
    """Something to time: `steps()` does a round's training steps. loss: the mean over all rows, None for what does not learn."""

    name: str
    steps: Callable[[], object]
    loss: Callable[[], float] | None = None


class Material(NamedTuple):
    """What all contenders train on: bytes x (n, D) and labels y (n,) of whole batches, in the order in which they are seen, and the
    first weights and biases of each layer."""

    x: NDArray
    y: NDArray
    weights: list[tuple[NDArray, NDArray]]


@lru_cache
def material(case: Case) -> Material:
    """Made-up pictures, the same each time. Their classes are those of a random linear map, which a network can learn."""
    generator = stream(0, Purpose.BENCH)
    inputs, classes = case.sizes[0], case.sizes[-1]
    x = generator.integers(0, 256, (case.steps * case.batch_size, inputs), np.uint8)
    y = np.argmax((x - 127.5) @ generator.normal(size=(inputs, classes)), axis=1)
    own = _network(case).parameters
    layers = range(1, len(case.sizes))
    return Material(x, y, [(own[f"W{layer}"].copy(), own[f"b{layer}"].copy()) for layer in layers])


def _network(case: Case) -> Network:
    network = build_network(
        case.sizes[0],
        case.sizes[1:-1],
        case.sizes[-1],
        [activations.build("relu") for _ in case.sizes[1:-1]],
        dropout=[0.0 for _ in case.sizes[1:-1]],
        dtype=np.dtype(np.float32),
    )
    network.initialize(initializers.build("he_normal"), 0)
    return network


def floor(case: Case) -> Contender:
    """The matrix products of a step alone, 3L − 1 of them for L layers, in float32 with ready buffers."""
    rows, generator = case.batch_size, stream(0, Purpose.BENCH, 1)
    values = [generator.random((rows, size), np.float32) for size in case.sizes]
    weights = [generator.random(shape, np.float32) for shape in itertools.pairwise(case.sizes)]
    products: list[tuple[NDArray, NDArray, NDArray]] = []
    for index, weight in enumerate(weights):
        below, above = values[index], values[index + 1]
        products.append((below, weight, np.empty_like(above)))
        products.append((below.T, above, np.empty_like(weight)))
        if index:
            products.append((above, weight.T, np.empty_like(below)))

    def steps() -> None:
        for _ in range(case.steps):
            for left, right, out in products:
                np.matmul(left, right, out=out)

    return Contender("matrix products", steps)


def ours(case: Case, kernel: Kernel = NUMPY) -> Contender:
    """The steps of a real `Trainer`, gathering and converting the batch included."""
    x, y, _ = material(case)
    dtype, network = np.dtype(np.float32), _network(case)
    # The rows lie in another order than they are seen in: gathering them is part of a step.
    places = stream(0, Purpose.BENCH, 2).permutation(len(x))
    order = np.argsort(places)
    part = Part(x[order], y[order], places)
    criterion, gather = losses.build("cross_entropy"), None
    if kernel.loops is not None:
        criterion, gather = fuse(kernel.loops, network, criterion), kernel.loops.gather
    trainer = Trainer(
        network,
        criterion,
        Updater(optimizers.build(case.optimizer), network.theta, network.grad, network.decayed, kernel=kernel),
        schedules.build("constant"),
        Batches(part, fit("unit", part, dtype), case.batch_size, dtype, gather=gather),
        None,
        task="classification",
        seed=0,
        learning_rate=RATES[case.optimizer],
        epochs=1,
        state=TrainingState(Best()),
    )
    scores = Scores("classification")

    def steps() -> None:
        for batch, labels in trainer.train:
            trainer.step(batch, labels, scores)

    def loss() -> float:
        return evaluate(network, trainer.loss, trainer.train, "classification").loss

    return Contender("mlp" if kernel is NUMPY else "mlp, numba", steps, loss)


def with_kernel(case: Case) -> list[Contender]:
    """Ours with numba's update rule, where it is installed and has one."""
    kernel = find(optimizers.build(case.optimizer), np.float32, cache_folder() / "kernels")
    return [] if kernel.rule is None else [ours(case, kernel)]


def interleave(contenders: Sequence[Contender], case: Case, rounds: int) -> dict[str, list[float]]:
    """Microseconds a step of each contender, one figure a round; a first round warms up and is not counted.

    Errors: RunError where a contender's loss after the first round is not that of ours: it then does something else.
    """
    times: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    with np.errstate(all="ignore"), threadpool_limits(case.threads, "blas"):
        for contender in contenders:
            contender.steps()
        _compare(case, {contender.name: contender.loss() for contender in contenders if contender.loss is not None})
        for _ in range(rounds):
            for contender in contenders:
                started = time.perf_counter()
                contender.steps()
                times[contender.name].append(1e6 * (time.perf_counter() - started) / case.steps)
    return times


def _compare(case: Case, found: dict[str, float]) -> None:
    if not all(math.isclose(loss, found["mlp"], rel_tol=AGREEMENT) for loss in found.values()):
        told = ", ".join(f"{name} {loss:.4f}" for name, loss in found.items())
        raise RunError(f"{case.label}: the losses after the first round do not agree: {told}")


def ratio(times: dict[str, list[float]], name: str, base: str) -> float:
    """The median over the rounds of one contender's time over another's in the same round."""
    return statistics.median(a / b for a, b in zip(times[name], times[base], strict=True))
