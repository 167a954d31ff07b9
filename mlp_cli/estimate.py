"""How long and how large a run will be, from a few real steps on a scratch copy of its network."""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import dataclass

import numpy as np

from mlp_cli.build import build
from mlp_cli.config import Config
from mlp_cli.data.dataset import Dataset
from mlp_cli.environment import blas_threads
from mlp_cli.training.evaluate import Scores
from mlp_cli.training.trainer import Trainer


@dataclass(frozen=True)
class Estimate:
    """parameters: how many; memory: bytes of the network, the optimizer and the data; seconds: training and validation."""

    parameters: int
    memory: int
    seconds: float


def estimate(config: Config, dataset: Dataset, threads: int) -> Estimate:
    """Measures some steps. The validation part is taken to cost a third of as many training rows."""
    trainer = build(config, dataset)
    with blas_threads(threads):
        step = step_seconds(trainer)
    network, itemsize = trainer.network, trainer.network.theta.itemsize
    copies = 2 + len(trainer.updater.slots) + (1 if trainer.keep_best else 0)
    rows = max(trainer.train.batch_size, 500)
    widths = dataset.train.x.shape[1] * 2 + 4 * sum(config.hidden_sizes) + 4 * dataset.outputs
    memory = network.theta.nbytes * copies + rows * widths * itemsize + dataset.train.x.nbytes
    validated = len(dataset.validation) / 3 / trainer.train.batch_size if dataset.validation else 0.0
    return Estimate(int(network.theta.size), memory, step * (len(trainer.train) + validated) * config.epochs)


def choose_threads(config: Config, dataset: Dataset) -> int:
    """The number of BLAS threads whose steps are fastest; more threads must gain a tenth to be chosen."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    best, best_seconds, threads = 1, float("inf"), 1
    while threads <= cores:
        trainer = build(config, dataset)
        with blas_threads(threads):
            seconds = step_seconds(trainer)
        if seconds < 0.9 * best_seconds:
            best, best_seconds = threads, seconds
        threads *= 2
    return best


def step_seconds(trainer: Trainer, budget: float = 0.4) -> float:
    """The median time of a training step, from as many steps as fit in `budget` seconds (at least three)."""
    times: list[float] = []
    scores = Scores(trainer.task)
    trainer.network.start_epoch(0, 1)
    with np.errstate(all="ignore"):
        while True:
            for x, y in trainer.train:
                started = time.perf_counter()
                trainer.step(x, y, scores)
                times.append(time.perf_counter() - started)
                if len(times) >= 3 and sum(times) > budget:
                    return statistics.median(times)
