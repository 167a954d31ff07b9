"""Sweeps under attack: workers and drivers killed at random, members of every bad kind. Small by default, large with `-m slow`."""

import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from needs import need
from small_sets import Answer, make_idx_set
from sweep_jobs import (
    children_of,
    drive,
    folder_of,
    hashes_of,
    is_alive,
    log_of,
    make_job,
    make_jobs,
    poison,
    run_hash,
    trained_alone,
    wait_for,
)

from mlp_cli import experiment, runs
from mlp_cli.config import config_from_mapping
from mlp_cli.sweep.pool import Processes, Task, open_pool

LARGE = pytest.mark.slow


def calm_hashes(images: Path, folder: Path, count: int, workers: int = 2, **keys: object) -> list[str]:
    """The hashes of the same members in a sweep that nobody disturbs."""
    jobs = make_jobs(images, folder / "calm", count, **keys)
    with Processes(workers) as executor:
        assert {result.status for result in drive(executor, jobs).values()} == {"completed"}
    return hashes_of(jobs)


class Killer:
    """Kills a random worker now and then, from a thread, at most so often and until it leaves its `with`: one that is up, since on a
    busy machine nothing would ever begin otherwise."""

    def __init__(self, executor: Processes, most: int, shortest: float, longest: float) -> None:
        self.executor, self.most, self.pause = executor, most, (shortest, longest)
        self.random, self.over, self.killed = random.Random(7), threading.Event(), 0
        self.thread = threading.Thread(target=self._kill)

    def _kill(self) -> None:
        while self.killed < self.most and not self.over.wait(self.random.uniform(*self.pause)):
            crew = [worker for worker in list(self.executor._crew) if worker.task and worker.started]
            if crew:
                self.random.choice(crew).process.kill()
                self.killed += 1

    def __enter__(self) -> "Killer":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()


def check_kills(executor: Processes, jobs: list[Task]) -> None:
    """Trains the members while workers are killed; each one completes, and is charged for its own losses alone."""
    tries: dict[str, int] = {}
    found = drive(executor, jobs, 100, tries)
    assert {job.label: found[job.label].status for job in jobs} == {job.label: "completed" for job in jobs}
    for job in jobs:
        assert log_of(job).count("SIGKILL") == tries[job.label] - 1, "only who was killed is charged"


def test_workers_killed_at_random(idx_set: Path, tmp_path: Path) -> None:
    members = (make_job(idx_set, tmp_path / "runs", f"seed-{seed}", seed=seed, epochs=8) for seed in itertools.count())
    jobs: list[Task] = []
    with Processes(2) as executor, Killer(executor, 4, 0.05, 0.2) as killer:
        while killer.killed < 4:  # on a slow machine a few members do
            jobs += (more := list(itertools.islice(members, 8)))
            check_kills(executor, more)
    assert sum(log_of(job).count("SIGKILL") for job in jobs) <= killer.killed
    assert hashes_of(jobs) == [trained_alone(job, tmp_path / "alone") for job in jobs]


@LARGE
def test_many_workers_killed_at_random(idx_set: Path, tmp_path: Path) -> None:
    """It takes no more than twice the time of an undisturbed sweep."""
    started = time.monotonic()
    expected = calm_hashes(idx_set, tmp_path, 200, 4, epochs=100)
    calm, started = time.monotonic() - started, time.monotonic()
    jobs = make_jobs(idx_set, tmp_path / "runs", 200, epochs=100)
    with Processes(4) as executor, Killer(executor, 10_000, 0.5, 2.0) as killer:
        check_kills(executor, jobs)
    disturbed = time.monotonic() - started
    print(f"{len(jobs)} runs, {killer.killed} kills: {disturbed:.1f} s, in calm {calm:.1f} s")
    assert killer.killed and disturbed <= 2 * calm
    assert hashes_of(jobs) == expected


@LARGE
def test_poison_among_members(monkeypatch: pytest.MonkeyPatch, idx_set: Path, tmp_path: Path) -> None:
    """Each kind of death one after the other is in test_sweep_executors.py."""
    poison(monkeypatch)
    results = tmp_path / "runs"
    results.mkdir()
    names = ("segfault", "exception", "memory", "endless", "exit0")
    bad = [make_job(idx_set, results, name) for name in names]
    bad += [make_job(idx_set, results, "diverges", learning_rate=1e30), make_job(idx_set, results, "unwritable")]
    folder_of(bad[-1]).mkdir(mode=0o500)
    jobs = make_jobs(idx_set, results, 43)
    order = [*jobs, *bad]
    random.Random(3).shuffle(order)
    with Processes(2, timeout=20.0) as executor:
        tries: dict[str, int] = {}
        found = drive(executor, order, tries=tries)
    assert {job.label: found[job.label].status for job in jobs} == {job.label: "completed" for job in jobs}
    assert {job.label: tries[job.label] for job in jobs} == {job.label: 1 for job in jobs}
    assert {job.label: found[job.label].status for job in bad} == dict.fromkeys(names, "failed") | {
        "diverges": "diverged",
        "unwritable": "failed",
    }
    causes = {"segfault": "SIGSEGV", "exception": "ZeroDivisionError", "memory": "MemoryError", "endless": "timeout"}
    causes |= {"exit0": "exit code 0", "diverges": "diverged:", "unwritable": "permission denied"}
    for job in bad:
        assert causes[job.label] in str(found[job.label].error)
        if job.label != "unwritable":
            record = runs.read_record(folder_of(job))
            assert record is not None
            assert (record.status, record.error) == (found[job.label].status, found[job.label].error)
    assert hashes_of(jobs) == calm_hashes(idx_set, tmp_path, 43)


@LARGE
def test_the_same_bytes_in_every_company(idx_set: Path, tmp_path: Path) -> None:
    """One worker or two, with three members each, is in test_sweep_executors.py and test_sweep_dask.py."""
    keys = {"dropout": 0.2, "hidden_sizes": [32, 16]}
    alone = [trained_alone(job, tmp_path / "alone") for job in make_jobs(idx_set, tmp_path / "alone", 12, **keys)]
    kinds = [("processes", 1), ("processes", 2), ("processes", 4), ("serial", 1)]
    need("distributed")
    kinds.append(("dask", 2))
    for name, workers in kinds:
        jobs = make_jobs(idx_set, tmp_path / f"{name}-{workers}", 12, **keys)
        with open_pool(name, workers, folder=tmp_path / f"{name}-{workers}") as executor:
            drive(executor, jobs)
        assert hashes_of(jobs) == alone, f"{name} with {workers} workers"


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize(("count", "kills", "longest"), [(8, 2, 60), pytest.param(100, 20, 120, marks=LARGE)])
def test_the_driver_killed_again_and_again(
    count: int,
    kills: int,
    longest: int,
    small_config: Path,
    tmp_path: Path,
    mlp: Callable[..., Answer],
    undrawn: None,
) -> None:
    """`mlp sweep` itself, killed after so many more epochs each time; members are left at every kill."""
    words = ["small.yaml", "epochs=30", "--seeds", str(count), "--workers", "2"]
    generator = random.Random(11)
    finished: dict[str, int] = {}
    for _ in range(kills):
        before, more = epochs_in(tmp_path / "results"), generator.randint(40, longest)
        driver = subprocess.Popen([sys.executable, "-m", "mlp_cli", "sweep", *words], cwd=tmp_path, stdout=subprocess.DEVNULL)
        while epochs_in(tmp_path / "results") < before + more:
            assert driver.poll() is None, "it ended before it was killed"
            time.sleep(0.01)
        children = children_of(driver.pid)
        driver.kill()
        assert driver.wait() == -signal.SIGKILL
        wait_for(lambda children=children: not any(map(is_alive, children)))
        now = stamps(tmp_path / "results")
        assert finished.items() <= now.items(), "a finished member was touched"
        assert len(now) < count, "nothing was left to lose"
        finished = now
    assert finished
    answer = mlp("sweep", *words)
    assert answer.code == 0 and f"runs        {count} completed" in answer.out, answer
    assert finished.items() <= stamps(tmp_path / "results").items()
    folders = sorted(tmp_path.glob("results/*/runs/seed-*"))
    assert len(folders) == count
    for folder in folders:
        record = runs.read_record(folder)
        assert record is not None
        plan = experiment.Plan(config_from_mapping(record.config), tmp_path / "calm")
        undisturbed = experiment.run(plan, plots=False).folder
        assert run_hash(folder) == run_hash(undisturbed)


def epochs_in(results: Path) -> int:
    """How many epochs all members have trained so far."""
    return sum(max(0, path.read_bytes().count(b"\n") - 1) for path in results.glob("*/runs/*/metrics.csv"))


def stamps(results: Path) -> dict[str, int]:
    """When the records of the completed members were written."""
    records = {folder: runs.read_record(folder) for folder in results.glob("*/runs/*")}
    return {
        folder.name: (folder / runs.RECORD).stat().st_mtime_ns
        for folder, record in records.items()
        if record is not None and record.status == "completed"
    }


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize(("early", "late"), [pytest.param(100, 1000, marks=LARGE)])
def test_a_long_sweep_needs_no_more_than_a_short_one(early: int, late: int, idx_set: Path, tmp_path: Path) -> None:
    """The driver's memory (to 2 MiB), descriptors and threads, and the workers' memory (to 4 MiB), are flat."""

    def counts() -> tuple[int, int, int, int]:
        workers = max((memory(worker.process.pid, "Pss:") for worker in executor._crew), default=0)
        return memory(os.getpid(), "Rss:"), len(os.listdir("/proc/self/fd")), threading.active_count(), workers

    jobs = deque(range(late))
    done = 0
    measured = {}
    with Processes(2) as executor:
        while done < late:
            while jobs and executor.submit(make_job(idx_set, tmp_path / "runs", f"seed-{jobs[0]}", seed=jobs[0], epochs=1)):
                jobs.popleft()
            for result in executor.results(5.0):
                assert result.status == "completed"
                done += 1
                if done in (early, late - 4):
                    measured[done] = counts()
    print(measured)
    first, last = measured[early], measured[late - 4]
    assert last[0] - first[0] < 2048
    assert last[1:3] == first[1:3]
    assert last[3] - first[3] < 4096


def memory(pid: int, field: str) -> int:
    """A figure of /proc/PID/smaps_rollup, in KiB."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1])
    return 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_what_an_extra_worker_costs(tmp_path: Path) -> None:
    """At most 90 MB of proportional set size, on images of MNIST's size and number that all workers map."""
    images = make_idx_set(tmp_path / "large", train=60_000, test=10_000, side=28)
    peaks = {}
    for workers in (1, 2, 3):
        keys = {"hidden_sizes": [300], "batch_size": 128, "epochs": 10_000}
        jobs = make_jobs(images, tmp_path / f"runs-{workers}", workers, **keys)
        with Processes(workers) as executor:
            for job in jobs:
                executor.submit(job)
            end = time.monotonic() + 120
            while not all((folder_of(job) / "checkpoint.npz").exists() for job in jobs):
                assert executor.results(0.05) == []
                assert time.monotonic() < end
            samples = []
            for _ in range(20):
                samples.append(sum(memory(worker.process.pid, "Pss:") for worker in executor._crew))
                executor.results(0.1)
            peaks[workers] = max(samples)
            for worker in executor._crew:
                os.kill(worker.process.pid, signal.SIGKILL)
    print(peaks)
    assert peaks[2] - peaks[1] < 90_000
    assert peaks[3] - peaks[2] < 90_000
