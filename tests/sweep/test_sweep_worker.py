"""A worker process by itself: what it is started with, what it imports, what it says, and when it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sweep_jobs import LONG, folder_of, is_alive, job_line, make_job, wait_for

from mlp_cli import runs
from mlp_cli.cli import main
from mlp_cli.environment import BLAS_VARIABLES
from mlp_cli.sweep.pool import Task, TaskResult, exit_text, worker_environment
from mlp_cli.sweep.pool import _Worker as Worker

HEAVY = {"matplotlib", "pandas", "scipy", "pooch", "tqdm", "jinja2", "click", "distributed"}


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    """One that many tests give tasks to."""
    worker = Worker()
    try:
        yield worker
    finally:
        worker.process.kill()
        worker.ending()


def hear(worker: Worker, seconds: float = 60.0) -> TaskResult | str:
    """What the worker says next."""
    assert worker.channel.poll(seconds), "it says nothing"
    return worker.channel.recv()


def hear_result(worker: Worker) -> TaskResult:
    while isinstance(found := hear(worker), str):
        pass
    return found


def wait_for_checkpoint(job: Task) -> None:
    wait_for((folder_of(job) / "checkpoint.npz").exists)


def test_one_blas_thread_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in BLAS_VARIABLES:
        monkeypatch.setenv(name, "7")
    monkeypatch.setenv("MARK", "kept")
    monkeypatch.delenv("OPENBLAS_THREAD_TIMEOUT", raising=False)
    found = worker_environment()
    assert {name: found[name] for name in BLAS_VARIABLES} == dict.fromkeys(BLAS_VARIABLES, "1")
    assert (found["MARK"], found["OPENBLAS_THREAD_TIMEOUT"]) == ("kept", "16")
    monkeypatch.setenv("OPENBLAS_THREAD_TIMEOUT", "20")
    assert worker_environment()["OPENBLAS_THREAD_TIMEOUT"] == "20"


def test_workers_and_commands_set_the_same_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in BLAS_VARIABLES:
        monkeypatch.setenv(name, "7")
    assert main.run(["--version"]) == 0
    assert {name for name in BLAS_VARIABLES if os.environ[name] == "1"} == set(BLAS_VARIABLES)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_the_environment_is_set_before_numpy_is_imported(worker: Worker) -> None:
    environment = Path(f"/proc/{worker.process.pid}/environ").read_bytes().split(b"\0")
    assert {f"{name}=1".encode() for name in BLAS_VARIABLES} <= set(environment)


def test_a_member_needs_no_heavy_package(idx_set: Path, tmp_path: Path) -> None:
    job = make_job(idx_set, tmp_path / "runs", "light")
    code = (
        "import json, sys; from mlp_cli.sweep.pool import Task; from mlp_cli.sweep.attempt import run_task; "
        "result = run_task(Task(**json.loads(sys.argv[1])), lambda: False); print(result.status, *sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, job_line(job)], capture_output=True, text=True, check=True)
    status, *modules = done.stdout.split()
    assert status == "completed"
    assert not HEAVY & {name.partition(".")[0] for name in modules}


def test_modules_are_found_as_in_the_driver_whatever_the_folder_holds(
    idx_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "random", "numpy", "mlp_cli", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    monkeypatch.chdir(tmp_path)
    worker = Worker()
    try:
        worker.give(make_job(idx_set, tmp_path / "runs", "a"))
        assert hear(worker) == "started"
    finally:
        worker.process.kill()
        worker.ending()


def test_it_says_when_a_job_begins_and_how_it_ended(worker: Worker, idx_set: Path, tmp_path: Path) -> None:
    worker.give(make_job(idx_set, tmp_path / "runs", "a"))
    assert hear(worker) == "started"
    result = hear(worker)
    assert isinstance(result, TaskResult)
    assert (result.status, result.error, result.lost) == ("completed", None, False)


def test_it_ends_when_the_driver_s_end_is_closed(idx_set: Path, tmp_path: Path) -> None:
    worker = Worker()
    job = make_job(idx_set, tmp_path / "runs", "a", epochs=LONG)
    worker.give(job)
    wait_for_checkpoint(job)
    worker.channel.close()
    worker.process.wait(60.0)
    assert runs.read_status(folder_of(job))[1] == "interrupted"
    worker.ending()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals(number: signal.Signals, worker: Worker, idx_set: Path, tmp_path: Path) -> None:
    worker.give(make_job(idx_set, tmp_path / "runs", "first"))
    hear_result(worker)
    os.kill(worker.process.pid, number)  # without a task it does nothing
    job = make_job(idx_set, tmp_path / "runs", "a", epochs=LONG)
    worker.give(job)
    wait_for_checkpoint(job)
    os.kill(worker.process.pid, number)
    result = hear_result(worker)
    assert result.status == "interrupted"
    assert runs.read_status(folder_of(job))[1] == "interrupted"
    quick = make_job(idx_set, tmp_path / "runs", "b")
    worker.give(quick)
    assert hear_result(worker).status == "completed"


def test_a_stop_ends_the_job_in_hand_and_no_later_one(worker: Worker, idx_set: Path, tmp_path: Path) -> None:
    job = make_job(idx_set, tmp_path / "runs", "a", epochs=LONG)
    worker.give(job)
    wait_for_checkpoint(job)
    worker.send("stop")
    assert hear_result(worker).status == "interrupted"
    worker.send("stop")
    worker.give(make_job(idx_set, tmp_path / "runs", "b"))
    assert hear_result(worker).status == "completed"


ORPHAN = """
import os, sys
from mlp_cli.sweep.pool import Processes, Task
pool = Processes(1)
pool.submit(Task("none", {"name": "none"}, "nowhere"))
while not pool._crew[0].started:
    pool.results(0.1)
worker = pool._crew[0].process.pid
os.kill(worker, 19)  # SIGSTOP: it cannot notice the end of its socket
os.waitpid(worker, os.WUNTRACED)  # only now is it stopped
print(worker, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
def test_the_kernel_ends_even_a_stopped_worker_with_its_driver() -> None:
    with subprocess.Popen([sys.executable, "-c", ORPHAN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        worker = int(driver.stdout.readline())
        assert is_alive(worker)
        driver.kill()
        wait_for(lambda: not is_alive(worker))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (-9, "killed by SIGKILL (out of memory, or killed by hand)"),
        (-11, "killed by SIGSEGV (a memory error in native code)"),
        (-15, "killed by SIGTERM"),
        (-250, "killed by signal 250"),
        (0, "ended with exit code 0"),
        (3, "ended with exit code 3"),
    ],
)
def test_how_a_process_ended(code: int, expected: str) -> None:
    assert exit_text(code) == expected
