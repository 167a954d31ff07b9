"""Executors: the same bytes everywhere, one result for each job, and nobody harmed by another's end."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from needs import need
from sweep_jobs import (
    LONG,
    begin,
    check_that_they_go_on,
    children_of,
    drain,
    drive,
    folder_of,
    hashes_of,
    is_alive,
    job_line,
    log_of,
    make_job,
    make_jobs,
    poison,
    rows_of,
    trained_alone,
    wait_for,
    wait_for_checkpoints,
)

from mlp_cli import runs
from mlp_cli.errors import RunError, UsageError
from mlp_cli.sweep import pool as pools
from mlp_cli.sweep.attempt import record_failure
from mlp_cli.sweep.pool import Pool, Processes, Serial, check_pool, open_pool


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture(scope="module")
def crew() -> Iterator[Processes]:
    with Processes(2) as executor:
        yield executor


@pytest.fixture
def pool(crew: Processes) -> Iterator[Processes]:
    """Two workers that many tests share, since each takes a while to start. What a test leaves under way is stopped after it."""
    yield crew
    crew.cancel()
    while any(worker.task for worker in crew._crew):
        crew.results(1.0)


@pytest.mark.parametrize("name", ["processes", "serial"])
def test_the_same_bytes_as_alone(name: str, pool: Processes, idx_set: Path, results: Path, tmp_path: Path) -> None:
    """On Dask too, see tests/extras/test_sweep_dask.py."""
    jobs = make_jobs(idx_set, results, 3, dropout=0.2, hidden_sizes=[32, 16])
    executor: Pool = pool if name == "processes" else Serial()
    found = drive(executor, jobs)
    assert executor.results(60.0) == [], "nothing is under way: no wait, no result"
    assert [found[job.label].status for job in jobs] == ["completed"] * 3
    assert hashes_of(jobs) == [trained_alone(job, tmp_path / "alone") for job in jobs]
    for job in jobs:
        record = runs.read_record(folder_of(job))
        assert record is not None and record.environment is not None
        assert (record.name, record.command, record.environment.threads) == (job.label, "mlp sweep", 1)
        assert not (folder_of(job) / "plots").exists()
    assert [path for path in results.iterdir() if path.name.startswith(".")] == []


def test_threads_are_the_job_s(pool: Processes, idx_set: Path, results: Path) -> None:
    jobs = [make_job(idx_set, results, "two", threads=2), make_job(idx_set, results, "one")]
    drive(pool, jobs)
    records = [runs.read_record(folder_of(job)) for job in jobs]
    assert [record.environment.threads for record in records if record and record.environment] == [2, 1]


def test_a_completed_member_is_only_reported(pool: Processes, idx_set: Path, results: Path) -> None:
    jobs = make_jobs(idx_set, results, 2)
    drive(pool, jobs)
    before = [(folder_of(job) / "metrics.csv").stat().st_mtime_ns for job in jobs]
    again = drive(pool, jobs)
    assert [again[job.label].status for job in jobs] == ["completed"] * 2
    assert [(folder_of(job) / "metrics.csv").stat().st_mtime_ns for job in jobs] == before


def test_members_that_go_wrong(monkeypatch: pytest.MonkeyPatch, idx_set: Path, results: Path, tmp_path: Path) -> None:
    poison(monkeypatch)
    final = ("segfault", "exception", "memory", "exit3", "killed")
    bad = {name: make_job(idx_set, results, f"{name}-1") for name in (*final, "exit0", "once")}
    bad["diverges"] = make_job(idx_set, results, "diverges", learning_rate=1e30)
    bad["unwritable"] = make_job(idx_set, results, "unwritable")
    bad["no_folder"] = make_job(idx_set, results, "no_folder")
    bad["no_data"] = make_job(tmp_path / "nowhere", results, "no_data")
    results.mkdir()
    folder_of(bad["unwritable"]).mkdir(mode=0o500)
    folder_of(bad["no_folder"]).write_text("no folder")
    good = make_jobs(idx_set, results, 4)
    tried_again = [bad["exit0"], bad["once"]]
    with Processes(2) as executor:
        tries: dict[str, int] = {}
        found = drive(executor, [*(job for job in bad.values() if job not in tried_again), *good], 1, tries)
        found |= drive(executor, tried_again, 2, tries)
    assert {name: found[job.label].status for name, job in bad.items()} == {
        **dict.fromkeys(bad, "failed"),
        "diverges": "diverged",
        "once": "completed",
    }
    assert [tries[job.label] for job in tried_again] == [2, 2]
    errors = {name: str(found[job.label].error) for name, job in bad.items()}
    causes = {"segfault": "SIGSEGV", "killed": "SIGKILL", "exit0": "exit code 0", "exit3": "exit code 3", "memory": "MemoryError"}
    causes |= {"unwritable": "permission denied", "no_folder": str(folder_of(bad["no_folder"])), "diverges": "diverged:"}
    assert [name for name, cause in causes.items() if cause not in errors[name]] == []
    assert errors["exception"] == "ZeroDivisionError: a poisoned member"
    for name in (*final, "exit0", "diverges"):
        record = runs.read_record(folder_of(bad[name]))
        assert record is not None
        assert (record.status, record.error) == (found[bad[name].label].status, errors[name])
        assert errors[name].splitlines()[0] in log_of(bad[name])
    assert "Traceback" in log_of(bad["exception"])
    assert "poisoned_worker.py" in log_of(bad["segfault"]), "where Python was when the memory error came"
    assert [found[job.label].status for job in good] == ["completed"] * 4
    assert [tries[job.label] for job in good] == [1] * 4
    assert hashes_of([*good, bad["once"]]) == [trained_alone(job, tmp_path / "alone") for job in (*good, bad["once"])]


def test_what_members_print_stays_out_of_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], idx_set: Path, results: Path
) -> None:
    poison(monkeypatch)
    with Processes(1) as executor:
        found = drive(executor, [make_job(idx_set, results, "noisy"), make_job(idx_set, results, "segfault")], attempts=1)
    assert found["noisy"].status == "completed"
    assert capfd.readouterr() == ("", "")
    assert "words" not in log_of(make_job(idx_set, results, "segfault")), "an earlier member's words"


@pytest.mark.parametrize("kind", ["endless", "deaf"])
def test_a_member_without_an_end_is_ended(kind: str, monkeypatch: pytest.MonkeyPatch, idx_set: Path, results: Path) -> None:
    poison(monkeypatch)
    monkeypatch.setattr(pools, "KILL_PATIENCE", 0.2)
    job = make_job(idx_set, results, kind)
    with Processes(1, timeout=3600) as executor:
        begin(executor, [job])
        wait_for_checkpoints(executor, [job])
        executor._crew[0].deadline = time.monotonic()
        (result,) = drain(executor, 1)
        assert drive(executor, [make_job(idx_set, results, "good")])["good"].status == "completed"
    assert (result.status, result.lost, result.error) == ("failed", False, "timeout")
    record = runs.read_record(folder_of(job))
    assert record is not None
    assert (record.status, record.error) == ("failed", result.error)
    assert "timeout" in log_of(job)


def test_a_slow_member_is_ended_and_its_worker_lives_on(
    pool: Processes, monkeypatch: pytest.MonkeyPatch, idx_set: Path, results: Path
) -> None:
    monkeypatch.setattr(pools, "KILL_PATIENCE", 60.0)
    drive(pool, make_jobs(idx_set, results, 2))
    before = list(pool._crew)
    with monkeypatch.context() as patch:
        patch.setattr(pool, "timeout", 0.3)
        begin(pool, [make_job(idx_set, results, "slow", epochs=LONG)])
        (result,) = drain(pool, 1)
    assert (result.status, result.error) == ("failed", "timeout")
    quick = [make_job(idx_set, results, "quick"), make_job(idx_set, results, "quick-2")]
    assert {result.status for result in drive(pool, quick).values()} == {"completed"}
    assert pool._crew == before


def test_cancelled_members_stop_and_go_on(pool: Processes, idx_set: Path, results: Path, tmp_path: Path) -> None:
    jobs = make_jobs(idx_set, results, 3, epochs=LONG)
    begin(pool, jobs[:2])
    assert not pool.submit(jobs[2]), "both workers are busy"
    wait_for_checkpoints(pool, jobs[:2])
    pool.cancel()
    found = {result.run_id: result for result in drain(pool, 2)}
    assert [found[job.run_id].status for job in jobs[:2]] == ["interrupted"] * 2
    assert [found[job.run_id].lost for job in jobs[:2]] == [False] * 2
    record = runs.read_record(folder_of(jobs[0]))
    assert record is not None
    assert record.status == "interrupted"
    assert not folder_of(jobs[2]).exists()
    check_that_they_go_on(pool, jobs[:2], tmp_path / "alone")


def test_a_killed_worker_costs_its_own_attempt_alone(pool: Processes, idx_set: Path, results: Path, tmp_path: Path) -> None:
    jobs = make_jobs(idx_set, results, 2, epochs=LONG)
    begin(pool, jobs)
    wait_for_checkpoints(pool, jobs)
    next(worker for worker in pool._crew if worker.task == jobs[0]).process.kill()
    (lost,) = drain(pool, 1)
    assert (lost.run_id, lost.status, lost.lost) == (jobs[0].run_id, "interrupted", True)
    assert "SIGKILL" in str(lost.error)
    before = rows_of(jobs[1])
    wait_for(lambda: rows_of(jobs[1]) > before)
    pool.cancel()
    (kept,) = drain(pool, 1)
    assert (kept.run_id, kept.status, kept.lost) == (jobs[1].run_id, "interrupted", False)
    check_that_they_go_on(pool, jobs, tmp_path / "alone")
    assert "SIGKILL" in log_of(jobs[0])
    assert "going on after epoch" in log_of(jobs[0])


def test_idle_workers_that_die_are_replaced(pool: Processes, idx_set: Path, results: Path) -> None:
    jobs = make_jobs(idx_set, results, 2)
    drive(pool, jobs[:1])
    before = list(pool._crew)
    for worker in before:
        worker.process.kill()
        worker.process.wait()
    tries: dict[str, int] = {}
    drive(pool, jobs[1:], 1, tries)
    assert tries[jobs[1].label] == 1
    assert not set(pool._crew) & set(before)


def test_a_run_that_another_process_has(pool: Processes, idx_set: Path, results: Path) -> None:
    taken, free = make_jobs(idx_set, results, 2)
    with runs.Claim(folder_of(taken)):
        found = drive(pool, [taken, free])
    assert (found[taken.label].status, found[taken.label].lost) == ("running", False)
    assert "in use by another process" in str(found[taken.label].error)
    assert [path.name for path in folder_of(taken).iterdir()] == ["log.txt"]
    assert found[free.label].status == "completed"


def test_a_config_that_means_another_run_is_refused(idx_set: Path, results: Path) -> None:
    job = make_job(idx_set, results, "a")
    other = make_job(idx_set, results, "a", epochs=4)
    with Serial() as executor:
        executor.submit(replace(job, config=other.config))
        (result,) = executor.results(0)
    assert result.status == "failed"
    assert other.run_id in str(result.error)
    assert not results.exists()


def test_workers_that_do_not_start(monkeypatch: pytest.MonkeyPatch, idx_set: Path, results: Path) -> None:
    monkeypatch.setattr(pools, "worker_command", lambda descriptor: [sys.executable, "-c", "raise SystemExit('no such module')"])
    with Processes(2) as executor:
        executor.submit(make_job(idx_set, results, "a"))
        with pytest.raises(RunError, match="exit code 1: no such module"):
            drain(executor, 1)


@pytest.mark.parametrize("name", ["processes", "serial"])
def test_jobs_are_taken_in_order_and_none_is_forgotten(name: str, idx_set: Path, results: Path) -> None:
    jobs = make_jobs(idx_set, results, 4)
    with open_pool(name, 1, folder=results) as executor:
        assert executor.workers == 1
        for job in jobs:
            begin(executor, [job])
            assert not executor.submit(jobs[0])
            assert [result.run_id for result in drain(executor, 1)] == [job.run_id]


def test_serial_gives_the_signal_on(idx_set: Path, results: Path) -> None:
    job = make_job(idx_set, results, "long", epochs=LONG)
    with Serial() as executor:
        executor.submit(job)
        threading.Thread(target=_signal_soon, args=(folder_of(job),)).start()
        with pytest.raises(KeyboardInterrupt):
            executor.results(0)
        executor.cancel()
        found = executor.results(0)
    assert [(result.run_id, result.status) for result in found] == [(job.run_id, "interrupted")]


def _signal_soon(folder: Path) -> None:
    wait_for((folder / "checkpoint.npz").exists)
    os.kill(os.getpid(), signal.SIGINT)


def test_a_failure_outside_the_training_leaves_its_traceback(
    monkeypatch: pytest.MonkeyPatch, idx_set: Path, results: Path
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("in the wrong place")

    monkeypatch.setattr("mlp_cli.experiment.load_data", broken)
    job = make_job(idx_set, results, "a")
    with Serial() as executor:
        assert drive(executor, [job])["a"].status == "failed"
    assert "Traceback" in log_of(job) and "in broken" in log_of(job)


def test_a_failure_is_made_final(monkeypatch: pytest.MonkeyPatch, idx_set: Path, results: Path) -> None:
    monkeypatch.setattr(runs, "_LOCK_WAIT", 0.0)
    job = make_job(idx_set, results, "a")
    record = record_failure(job, "killed too often", "its last words")
    assert record is not None
    assert (record.status, record.error, record.id) == ("failed", "killed too often", job.run_id)
    assert runs.read_record(folder_of(job)) == record
    assert "its last words" in log_of(job)
    with Serial() as executor:
        assert drive(executor, [job])["a"].status == "completed"
    after = record_failure(job, "too late")
    assert after is not None
    assert after.status == "completed"
    with runs.Claim(folder_of(job)):
        assert record_failure(job, "not ours") is None


def test_a_run_that_ran_out_of_its_time_goes_on_by_itself_too(idx_set: Path, results: Path) -> None:
    job = make_job(idx_set, results, "a")
    with Serial() as executor:
        drive(executor, [replace(job, until=2)])
        record = record_failure(job, runs.TIMEOUT)
        assert record is not None and (record.status, record.error) == ("failed", "timeout")
        assert drive(executor, [job])["a"].status == "completed"
    assert "going on after epoch 2 of 3" in log_of(job)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_descriptors_and_threads_stay(idx_set: Path, results: Path) -> None:
    """Those that earlier tests left behind may still go meanwhile."""

    def counts() -> tuple[int, set[threading.Thread]]:
        return len(os.listdir("/proc/self/fd")), set(threading.enumerate())

    before = counts()
    with Processes(2) as executor:
        drive(executor, make_jobs(idx_set, results, 4))
        middle = counts()
        drive(executor, [make_job(idx_set, results, f"more-{seed}", seed=seed) for seed in range(4)])
        descriptors, threads = counts()
        assert descriptors <= middle[0] and threads <= before[1]
    descriptors, threads = counts()
    assert descriptors <= before[0] and threads <= before[1]


DRIVER = """
import sys, json, pathlib
from mlp_cli.sweep import pool
pool.CLOSE_PATIENCE = 60.0
if __name__ == "__main__":
    tasks = [pool.Task(**json.loads(line)) for line in sys.stdin]
    with pool.open_pool(sys.argv[1], 2, folder=pathlib.Path(tasks[0].results)) as executor:
        for task in tasks:
            assert executor.submit(task)
        print("ready", flush=True)
        while True:
            executor.results(0.5)
"""


@pytest.fixture(params=[pytest.param("processes", marks=pytest.mark.slow), "dask"])
def driver(request: pytest.FixtureRequest, idx_set: Path, results: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process of its own group that drives two members without an end, both of which have a checkpoint. A driver of processes that
    is killed is `mlp sweep` itself in the default suite, see test_sweep_chaos.py."""
    if request.param == "dask":
        need("distributed")
    jobs = make_jobs(idx_set, results, 2, epochs=LONG)
    (tmp_path / "driver.py").write_text(DRIVER)
    command = [sys.executable, str(tmp_path / "driver.py"), request.param]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdin is not None
            with closing(process.stdin):
                process.stdin.write("".join(f"{job_line(job)}\n" for job in jobs))
            wait_for(lambda: all((folder_of(job) / "checkpoint.npz").exists() for job in jobs))
            yield process
        finally:
            process.kill()


def is_interrupted(folder: Path) -> bool:
    return runs.read_status(folder)[1] == "interrupted"


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_no_child_outlives_a_killed_driver(driver: subprocess.Popen[str], results: Path) -> None:
    children = children_of(driver.pid)
    assert len(children) >= 2
    driver.kill()
    wait_for(lambda: not any(map(is_alive, children)))
    for folder in results.glob("seed-*"):
        # The lock goes with a process's last thread, and its first may count as gone a moment before.
        wait_for(partial(is_interrupted, folder))


@pytest.mark.parametrize("driver", ["processes"], indirect=True)
def test_ctrl_c_stops_the_whole_group_in_good_order(driver: subprocess.Popen[str], results: Path) -> None:
    children = children_of(driver.pid) if sys.platform == "linux" else []
    os.killpg(driver.pid, signal.SIGINT)
    assert driver.wait(60) != 0
    records = [runs.read_record(folder) for folder in results.glob("seed-*")]
    assert [record.status for record in records if record] == ["interrupted"] * 2
    assert not any(map(is_alive, children))


def test_names() -> None:
    with pytest.raises(UsageError, match="--scheduler goes with --executor dask"):
        check_pool("processes", 1, "tcp://127.0.0.1:1")
