"""Whole sweeps, timed from the call to the last run's record: one worker against two, and scikit-learn's grid search."""

from __future__ import annotations

import io
import os
import resource
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mlp_cli.build import load_data
from mlp_cli.config import config_from_mapping
from mlp_cli.data.dataset import Dataset
from mlp_cli.errors import Interrupted, RunError
from mlp_cli.sweep.driver import Limits, run_sweep
from mlp_cli.sweep.pool import open_pool
from mlp_cli.sweep.progress import Lines
from mlp_cli.sweep.sweepfile import Asked, plan_sweep

RATES = (1e-4, 1e-3, 1e-2, 5e-2)
BASE = "dataset: {dataset}\nhidden_sizes: [64]\noptimizer: adam\nbatch_size: 64\nepochs: {epochs}\n"


@dataclass(frozen=True)
class Task:
    """Four learning rates by so many seeds of the net 784-64-10, batch 64, Adam. dataset: as YAML writes it."""

    seeds: int
    epochs: int = 3
    dataset: str = "mnist"

    @property
    def label(self) -> str:
        """`8 runs of 3 epochs`."""
        return f"{len(RATES) * self.seeds} runs of {self.epochs} epoch{'s' if self.epochs > 1 else ''}"

    def text(self) -> str:
        """The base config."""
        return BASE.format(dataset=self.dataset, epochs=self.epochs)

    def data(self) -> Dataset:
        """The data, which later sweeps find in the cache. Errors: DataError where it cannot be had."""
        return load_data(config_from_mapping(_mapping(self.text())))


@dataclass(frozen=True)
class Timed:
    """A sweep's time in seconds, and the driver's share (0 to 1) of all processor time that it took."""

    seconds: float
    driver: float


def _mapping(text: str) -> dict[str, Any]:
    import yaml

    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def ours(task: Task, workers: int) -> Timed:
    """One sweep as `mlp sweep` runs it, its worker processes' start included, in a folder that is taken away afterwards.

    Errors: RunError where a run went wrong, which would make the time worthless; Interrupted after SIGINT or SIGTERM.
    """
    with tempfile.TemporaryDirectory(prefix="mlp-bench-") as folder:
        path = Path(folder) / "bench.yaml"
        path.write_text(task.text(), encoding="utf-8")
        before, children = _processor_seconds(resource.RUSAGE_SELF), _processor_seconds(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        words = ["learning_rate=" + ",".join(map(str, RATES))]
        planned = plan_sweep(path, words, Path(folder) / "results", Asked(seeds=task.seeds))
        outcome = run_sweep(
            planned,
            limits=Limits(),
            listener=Lines(io.StringIO(), io.StringIO(), planned.metric, planned.mode, True),
            open_pool=partial(open_pool, "processes"),
            workers=workers,
        )
        seconds = time.perf_counter() - started
        own = _processor_seconds(resource.RUSAGE_SELF) - before
        theirs = _processor_seconds(resource.RUSAGE_CHILDREN) - children
    if outcome.signal is not None:
        raise Interrupted("interrupted in the middle of a sweep", exit_code=128 + outcome.signal)
    if outcome.counts != {"completed": len(RATES) * task.seeds}:
        raise RunError(f"a sweep of the benchmark did not complete: {dict(outcome.counts)}")
    return Timed(seconds, own / (own + theirs))


def _processor_seconds(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def grid_search(task: Task, workers: int) -> Callable[[], float]:
    """The same runs by scikit-learn's GridSearchCV: float32, one predefined split, refit=False, one BLAS thread a worker.

    The arrays are made ready before, untimed. Returns what runs one search, with fresh worker processes, and gives its seconds.
    """
    from joblib import parallel_config
    from joblib.externals.loky import get_reusable_executor
    from sklearn.model_selection import GridSearchCV, PredefinedSplit
    from sklearn.neural_network import MLPClassifier

    dataset = task.data()
    parts = [part for part in (dataset.train, dataset.validation) if part is not None]
    x = np.concatenate([part.x[part.index] for part in parts]).astype(np.float32) / np.float32(255)
    y = np.concatenate([part.y[part.index] for part in parts])
    fold = np.repeat([-1, 0], [len(part.index) for part in parts])
    grid = {"learning_rate_init": list(RATES), "random_state": list(range(task.seeds))}

    def search() -> float:
        model = MLPClassifier((64,), batch_size=64, max_iter=task.epochs)
        with _quiet(), parallel_config("loky", inner_max_num_threads=1):
            started = time.perf_counter()
            GridSearchCV(model, grid, cv=PredefinedSplit(fold), refit=False, n_jobs=workers).fit(x, y)
            seconds = time.perf_counter() - started
            get_reusable_executor().shutdown(wait=True)
        return seconds

    return search


@contextmanager
def _quiet() -> Iterator[None]:
    """No warnings that three epochs are few, in this process and those that it starts."""
    before = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = "ignore"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if before is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = before


def measure(rounds: int, peers: bool, *, eight: Task = Task(2), sixteen: Task = Task(4)) -> dict[str, list[float]]:
    """All contenders in turn, so many rounds: seconds of each by name, and the driver's share with two workers.

    peers: also scikit-learn. eight, sixteen: what is compared with scikit-learn, and what one worker against two.
    Errors: DataError where MNIST cannot be had.
    """
    eight.data()
    search = grid_search(eight, 2) if peers else None
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        two, one = ours(sixteen, 2), ours(sixteen, 1)
        row = {"1 worker": one.seconds, "2 workers": two.seconds, "driver's share": two.driver}
        if search is not None:
            row |= {"8 runs, mlp sweep": ours(eight, 2).seconds, "8 runs, GridSearchCV": search()}
        for name, value in row.items():
            found.setdefault(name, []).append(value)
    return found
