"""Members of a small sweep as jobs, a driver that does no more than retry, and the hash that says whether two runs are the same."""

import hashlib
import json
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlp_cli import experiment
from mlp_cli.config import config_from_mapping
from mlp_cli.sweep import pool
from mlp_cli.sweep.attempt import record_failure
from mlp_cli.sweep.pool import Pool, Task, TaskResult

LONG = 100_000
"""Epochs of a member that is not meant to end by itself."""

PATIENCE = 1200.0
"""Seconds after which a test that waits for members has gone wrong."""

POISONED_WORKER = Path(__file__).parent / "chaos" / "sweep" / "poisoned_worker.py"


def make_job(images: Path, results: Path, label: str, threads: int = 1, **keys: Any) -> Task:
    """A member that trains a small network on `images` in a blink."""
    mapping = {"dataset": {"path": str(images), "validation": 100}, "hidden_sizes": [16], "epochs": 3, "batch_size": 32, **keys}
    config = config_from_mapping({**mapping, "name": label})
    run_id = experiment.Plan(config, results).id
    return Task(run_id, config.to_dict(), str(results), threads, None, "mlp sweep")


def make_jobs(images: Path, results: Path, count: int, **keys: Any) -> list[Task]:
    """Members that differ in their seeds."""
    return [make_job(images, results, f"seed-{seed}", seed=seed, **keys) for seed in range(count)]


def wait_for(condition: Callable[[], object], seconds: float = 300.0) -> None:
    """Until it holds; the seconds are only there to end a test that went wrong."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def wait_for_checkpoints(executor: Pool, jobs: Iterable[Task]) -> None:
    """Until each job has a checkpoint; none may end before."""

    def are_there() -> bool:
        assert executor.results(0.02) == []
        return all((folder_of(job) / "checkpoint.npz").exists() for job in jobs)

    wait_for(are_there)


def begin(executor: Pool, jobs: Iterable[Task]) -> None:
    """Submits members as soon as there is room: a cluster's workers may come later. None may end meanwhile."""

    def is_taken(job: Task) -> bool:
        return executor.submit(job) or executor.results(0.02) != []

    for job in jobs:
        wait_for(partial(is_taken, job))


def drain(executor: Pool, count: int) -> list[TaskResult]:
    """So many results."""
    found: list[TaskResult] = []
    end = time.monotonic() + PATIENCE
    while len(found) < count:
        assert time.monotonic() < end, "a member gave no result"
        found += executor.results(5.0)
    return found


def drive(executor: Pool, jobs: Iterable[Task], attempts: int = 2, tries: dict[str, int] | None = None) -> dict[str, TaskResult]:
    """Trains all jobs; an attempt that is lost is made again, up to `attempts` in all. The last result of each, by its label.

    tries: takes the number of attempts of each, by its label.
    """
    waiting, flying = deque(jobs), dict[str, Task]()
    made: Counter[str] = Counter()
    last: dict[str, TaskResult] = {}
    end = time.monotonic() + PATIENCE
    while waiting or flying:
        assert time.monotonic() < end, "a member gave no result"
        while waiting and executor.submit(waiting[0]):
            job = waiting.popleft()
            flying[job.run_id] = job
            made[job.label] += 1
        for result in executor.results(5.0):
            job = flying.pop(result.run_id)
            label = job.label
            if result.lost and made[label] < attempts:
                waiting.append(job)
                continue
            if result.lost:
                record_failure(job, result.error or "")
                result = TaskResult(job.run_id, "failed", result.error)
            assert label not in last, "a member gave two results"
            last[label] = result
    if tries is not None:
        tries |= made
    return last


def check_that_they_go_on(executor: Pool, jobs: Sequence[Task], alone: Path) -> None:
    """Lets members that were cut short go on, to an epoch that none has reached, and compares them with undisturbed runs in `alone`:
    each row of metrics.csv follows from the weights of the epoch before."""
    until = 2 + max(map(rows_of, jobs))
    found = drive(executor, [replace(job, until=until) for job in jobs])
    assert {result.status for result in found.values()} == {"pruned"}
    for job in jobs:
        undisturbed = experiment.run(experiment.Plan(config_from_mapping(job.config), alone), plots=False, until=until)
        assert (folder_of(job) / "metrics.csv").read_bytes() == (undisturbed.folder / "metrics.csv").read_bytes()


def rows_of(job: Task) -> int:
    """How many epochs its metrics.csv has."""
    return (folder_of(job) / "metrics.csv").read_bytes().count(b"\n") - 1


def folder_of(job: Task) -> Path:
    """The folder of a job's run."""
    return job.folder


def run_hash(folder: Path) -> str:
    """SHA-256 over metrics.csv and the weights of a completed run."""
    digest = hashlib.sha256((folder / "metrics.csv").read_bytes())
    with np.load(folder / "model.npz", allow_pickle=False) as arrays:
        for name in sorted(arrays.files):
            if name[0] in "Wb" and name[1:].isdigit():
                digest.update(name.encode() + arrays[name].tobytes())
    return digest.hexdigest()


def hashes_of(jobs: Iterable[Task]) -> list[str]:
    """The hash of each job's run."""
    return [run_hash(folder_of(job)) for job in jobs]


def trained_alone(job: Task, results: Path) -> str:
    """The hash of the same config trained by `experiment.run`, in this process."""
    config = config_from_mapping(job.config)
    return run_hash(experiment.run(experiment.Plan(config, results), plots=False).folder)


def log_of(job: Task) -> str:
    """What the run's log.txt says."""
    return (folder_of(job) / "log.txt").read_text(encoding="utf-8")


def poison(monkeypatch: pytest.MonkeyPatch, **poisons: str) -> None:
    """Lets workers be started by the script next door, which makes members go wrong: those whose labels begin with the name of a
    poison, and those that `poisons` gives one (`seed_1="once"`)."""

    def command(descriptor: int) -> list[str]:
        plain = real(descriptor)
        return [sys.executable, "-P", str(POISONED_WORKER), *plain[4:]]

    real = pool.worker_command
    monkeypatch.setattr(pool, "worker_command", command)
    monkeypatch.setenv("MLP_POISONS", json.dumps({label.replace("_", "-"): name for label, name in poisons.items()}))


def children_of(pid: int) -> list[int]:
    """All descendants of a process, on Linux."""
    found, parents = [], {pid}
    stats = [line.read_text().rpartition(")") for line in Path("/proc").glob("[0-9]*/stat") if line.exists()]
    pairs = [(int(head.split(" ", 1)[0]), int(tail.split()[1])) for head, _, tail in stats]
    while True:
        new = [child for child, parent in pairs if parent in parents and child not in found]
        if not new:
            return found
        found += new
        parents |= set(new)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that waits for its parent to take note of its end does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


def job_line(job: Task) -> str:
    """A job as one line of JSON, for a script."""
    return json.dumps(asdict(job))
