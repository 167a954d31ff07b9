"""Step times, measured fairly on a noisy machine: all contenders in turn, many rounds, medians, and ratios round by round."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from mlp_cli.data.batches import Batches
from mlp_cli.data.dataset import Part
from mlp_cli.data.transforms import fit
from mlp_cli.nn.activations import activations
from mlp_cli.nn.initializers import initializers
from mlp_cli.nn.losses import losses
from mlp_cli.nn.network import build_network
from mlp_cli.nn.optimizers import optimizers
from mlp_cli.nn.schedules import schedules
from mlp_cli.nn.updater import Updater
from mlp_cli.rng import Purpose, stream
from mlp_cli.training.evaluate import Scores
from mlp_cli.training.state import Best, TrainingState
from mlp_cli.training.trainer import Trainer

ROWS = 4096
"""Rows of made-up images that the steps of one round go through."""


@dataclass(frozen=True)
class Case:
    """A network (its layer sizes, inputs first), a batch size and a number of threads."""

    sizes: tuple[int, ...]
    batch_size: int
    threads: int = 1

    @property
    def label(self) -> str:
        """`784-300-10, batch 128, 1 thread`."""
        plural = "s" if self.threads > 1 else ""
        return f"{'-'.join(map(str, self.sizes))}, batch {self.batch_size}, {self.threads} thread{plural}"


CASES = ((784, 64, 10), 64), ((784, 128, 10), 128), ((784, 300, 10), 128), ((784, 512, 256, 10), 128)


@dataclass(frozen=True)
class Contender:
    """Something to time: `steps()` does `count` training steps."""

    name: str
    steps: Callable[[], object]
    count: int
    threads: int = 1


def images(inputs: int, classes: int) -> tuple[NDArray, NDArray]:
    """Made-up bytes (ROWS, inputs) and labels (ROWS,), the same each time."""
    generator = stream(0, Purpose.BENCH)
    return generator.integers(0, 256, (ROWS, inputs), np.uint8), generator.integers(0, classes, ROWS, np.int64)


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
        for _ in range(ROWS // rows):
            for left, right, out in products:
                np.matmul(left, right, out=out)

    return Contender("matmuls alone", steps, ROWS // rows, case.threads)


def ours(case: Case, optimizer: str) -> Contender:
    """The steps of a real `Trainer`, gathering and converting the batch included."""
    x, y = images(case.sizes[0], case.sizes[-1])
    dtype = np.dtype(np.float32)
    part = Part(x, y, np.arange(ROWS))
    network = build_network(
        case.sizes[0],
        case.sizes[1:-1],
        case.sizes[-1],
        [activations.build("relu") for _ in case.sizes[1:-1]],
        dropout=[0.0 for _ in case.sizes[1:-1]],
        dtype=dtype,
    )
    network.initialize(initializers.build("he_normal"), 0)
    updater = Updater(optimizers.build(optimizer), network.theta, network.grad, network.decayed)
    trainer = Trainer(
        network,
        losses.build("cross_entropy"),
        updater,
        schedules.build("constant"),
        Batches(part, fit("unit", part, dtype), case.batch_size, dtype),
        None,
        task="classification",
        seed=0,
        learning_rate=1e-3,
        epochs=1,
        state=TrainingState(Best()),
    )
    scores = Scores("classification")

    def steps() -> None:
        for batch, labels in trainer.train:
            trainer.step(batch, labels, scores)

    trainer.train.shuffle(stream(0, Purpose.BENCH, 2))
    return Contender(f"mlp, {optimizer}", steps, ROWS // case.batch_size, case.threads)


def interleave(contenders: Sequence[Contender], rounds: int) -> dict[str, list[float]]:
    """Microseconds a step of each contender, one figure a round; a first round warms up and is not counted."""
    times: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    with np.errstate(all="ignore"):
        for number in range(rounds + 1):
            for contender in contenders:
                with threadpool_limits(contender.threads, "blas"):
                    started = time.perf_counter()
                    contender.steps()
                    seconds = time.perf_counter() - started
                if number:
                    times[contender.name].append(1e6 * seconds / contender.count)
    return times


def ratio(times: dict[str, list[float]], name: str, base: str) -> float:
    """The median over the rounds of one contender's time over another's in the same round."""
    return statistics.median(a / b for a, b in zip(times[name], times[base], strict=True))
