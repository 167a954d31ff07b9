"""The learning-rate range test (Smith, 2017, Cyclical learning rates): one pass in which the rate rises from far too small to far too
large tells which rate a config can use, for less than an epoch."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from mlp_cli import files
from mlp_cli.build import build, choose_threads
from mlp_cli.config import Config, config_from_mapping
from mlp_cli.data.dataset import Dataset
from mlp_cli.errors import Diverged, RunError
from mlp_cli.plots import style
from mlp_cli.plots.rates import loss_by_rate
from mlp_cli.runs import FINDINGS, run_id
from mlp_cli.training.callbacks import Callback
from mlp_cli.training.trainer import Trainer

LOWEST, HIGHEST = 1e-7, 10.0
STEPS, LEAST_STEPS, MOST_ROWS = 250, 100, 1_000_000
"""Steps of a test, fewer where their batches hold more than so many rows. Small sets are gone through more than once.

The more steps a decade has, the more is learnt before a rate is reached, and the lower is the rate where the loss falls fastest.
With so many the rate suits a training of some epochs; see the figures in tests/test_lr_find.py.
"""
SMOOTHING, WINDOW = 0.7, 1.0  # decades of the rate
SMALL = 0.1  # of the first loss: what falls below that is of little use
DIVERGED = 4.0  # times the least smoothed loss
BEYOND = 1e3  # times the first loss
LEAST_FALL = 0.02  # of the first loss
NOISE = 3.0  # standard deviations of a smoothed loss, from batch to batch

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RangeTest:
    """One seed's test, of S steps up to the one where the loss diverged.

    rates, losses, smoothed: (S,) float64, the last of them in the unit of the targets.
    rate: the learning rate to take, None where the loss never fell by more than its noise.
    """

    seed: int
    rates: Array
    losses: Array
    smoothed: Array
    rate: float | None


@dataclass(frozen=True)
class Finding:
    """What all seeds say. rate: the median of theirs, to two digits; low, high: the smallest and the largest."""

    tests: tuple[RangeTest, ...]
    rate: float
    low: float
    high: float
    unit: str


def find(
    config: Config, dataset: Dataset, seeds: int, threads: int | str | None, on_seed: Callable[[RangeTest], None]
) -> Finding:
    """Tests fresh weights of so many seeds, from the config's own on. on_seed: hears of each.

    The config's learning rate and schedule have no part in it. Errors: RunError where the loss falls for no seed.
    """
    used = choose_threads(config, dataset) if threads == "auto" else int(threads or 1)
    tests = []
    with threadpool_limits(used, "blas"):
        for seed in range(config.seed, config.seed + seeds):
            own = config_from_mapping(config.to_dict() | {"seed": seed, "schedule": "constant"})
            trainer = build(own, dataset)
            tests.append(range_test(trainer))
            on_seed(tests[-1])
    rates = [test.rate for test in tests if test.rate is not None]
    if not rates:
        raise RunError(
            f"the loss never falls by more than its noise between {LOWEST:g} and {HIGHEST:g}: no learning rate helps",
            "look for the cause with: mlp check CONFIG",
        )
    middle = math.exp(float(np.median(np.log(rates))))
    return Finding(tuple(tests), float(f"{middle:.1e}"), min(rates), max(rates), trainer.loss.unit)


def range_test(trainer: Trainer) -> RangeTest:
    """Trains with a rate that grows by the same factor at each step, until the loss diverges. The schedule must be constant."""
    steps = max(LEAST_STEPS, min(STEPS, MOST_ROWS // trainer.train.batch_size))
    rising = _Rising(trainer, np.geomspace(LOWEST, HIGHEST, steps))
    trainer.validation, trainer.epochs = None, steps
    with suppress(Diverged, StopIteration):
        trainer.fit([rising])
    return read_off(trainer.seed, rising.rates, np.array(rising.losses))


class _Rising(Callback):
    """Sets the next step's learning rate after each step, keeps the losses, and ends the training once they rise out of sight."""

    def __init__(self, trainer: Trainer, rates: Array) -> None:
        self.trainer, self.rates, self.losses = trainer, rates, list[float]()
        trainer.learning_rate = float(rates[0])

    def on_step(self, number: int, loss: float) -> None:
        """Errors: StopIteration, which ends the training, at the last rate and where the loss is beyond all doubt."""
        self.losses.append(loss)
        if len(self.losses) == len(self.rates) or loss > BEYOND * self.losses[0]:
            raise StopIteration
        self.trainer.learning_rate = float(self.rates[len(self.losses)])


def read_off(seed: int, rates: Array, losses: Array) -> RangeTest:
    """What a test shows. rates: of all its steps; losses (S,): of those that were taken."""
    decade = (len(rates) - 1) / math.log10(rates[-1] / rates[0])
    keep = 1.0 - 1.0 / max(1.0, SMOOTHING * decade)
    smoothed = smooth(losses, keep)
    # In the first decade no weight moves: there is chance and its noise, which both averages have.
    first = max(2, round(decade))
    noise = float(losses[:first].std()) * math.sqrt((1.0 - keep) / (1.0 + keep) + 1.0 / first)
    diverged = np.flatnonzero(smoothed > DIVERGED * np.minimum.accumulate(smoothed))
    diverged = diverged[diverged > first]
    end = int(diverged[0]) + 1 if len(diverged) else len(losses)
    rates, smoothed = rates[:end], smoothed[:end]
    start = float(losses[:first].mean())
    falls = smoothed[first:].min(initial=math.inf) < min(start - NOISE * noise, (1.0 - LEAST_FALL) * start)
    return RangeTest(seed, rates, losses[:end], smoothed, steepest(rates, smoothed, decade) if falls else None)


def smooth(values: Array, keep: float) -> Array:
    """The exponential moving average m ← keep·m + (1 − keep)·v from m = 0, divided by 1 − keepᵗ as Adam does with its moments."""
    averages, average = [], 0.0
    for step, value in enumerate(values, 1):
        average = keep * average + (1.0 - keep) * float(value)
        averages.append(average / (1.0 - keep**step))
    return np.array(averages)


def steepest(rates: Array, smoothed: Array, decade: float) -> float | None:
    """The rate at which the loss falls fastest, in proportion to itself, per decade of the rate; None where it does not fall.

    rates, smoothed: (S,); decade: steps in one. The slope of log(loss + a tenth of the first loss) is that of a line through a
    window of one decade, which lies before the divergence as a whole: so the rate is at least three times smaller than
    one that diverges. A window's centre is not beyond the least loss, since what falls there are peaks. The logarithm, because
    a step that takes a tenth off a loss of 0.5 is as good as one that takes a tenth off 2; the tenth, because a small set that
    is learnt by heart has a loss that falls and falls.
    """
    half = max(1, round(WINDOW * decade / 2))
    if len(smoothed) <= 2 * half:
        return None
    ramp = np.arange(-half, half + 1) / decade
    levels = np.log(smoothed + SMALL * float(smoothed[: half + 1].mean()) + np.finfo(np.float64).tiny)
    slopes = np.correlate(levels, ramp / np.square(ramp).sum(), "valid")[: max(1, int(smoothed.argmin()) - half + 1)]
    place = int(slopes.argmin())
    return float(rates[place + half]) if slopes[place] < 0 else None


def write(finding: Finding, config: Config, results: Path) -> Path:
    """Writes lr-find.csv (a row a step) and lr-find.png into results/lr-find/<name>-<hash>, and returns that folder."""
    folder = results / FINDINGS / run_id(config.name, config.hash())
    files.make_folder(folder)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["seed", "step", "learning_rate", "loss", "smoothed_loss"])
    for test in finding.tests:
        columns = (column.tolist() for column in (test.rates, test.losses, test.smoothed))
        table.writerows((test.seed, step, *row) for step, row in enumerate(zip(*columns, strict=True), 1))
    files.write_text(folder / "lr-find.csv", text.getvalue())
    curves = [(test.rates, test.smoothed) for test in finding.tests]
    with style.context():
        figure = loss_by_rate(curves, finding.rate, (finding.low, finding.high), config.name, finding.unit)
        style.save(figure, folder / "lr-find.png")
    return folder
