"""Where the members of a sweep are trained: in this process, in worker processes, or on Dask (see dask_pool); one interface for all.

A worker is a fresh interpreter with one BLAS thread, which trains one task after the other and is replaced when it dies. Nothing is
inherited but the environment. Data sets are memory-mapped from the cache, so all workers share one copy. The driver and a worker
talk over an inherited socket: tasks and "stop" go one way, "started" and results the other.
"""

from __future__ import annotations

import ctypes
import faulthandler
import fcntl
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any, NoReturn, Self

from mlp_cli.environment import BLAS_VARIABLES
from mlp_cli.errors import Interrupted, Notify, RunError, UsageError
from mlp_cli.training.stop import HINT, SIGNALS

POOLS = ("processes", "dask", "serial")
STOP_PATIENCE = 10.0
"""Seconds that a cancelled task has to end its batch before its worker gets SIGTERM."""
KILL_PATIENCE = 2.0
"""Seconds from SIGTERM to SIGKILL."""
CLOSE_PATIENCE = 5.0
"""Seconds that `close` waits for tasks under way."""
_START_FAILURES = 5
_TAIL = 4000
_PR_SET_PDEATHSIG = 1
_STARTED, _STOP = "started", "stop"
# The imports make many objects and no garbage, and each search among them takes time.
_BOOT = (
    "import gc, sys, json; gc.set_threshold(50_000); sys.path[:] = json.loads(sys.argv[1]); "
    "from mlp_cli.sweep.pool import work; work(int(sys.argv[2]), int(sys.argv[3]))"
)


@dataclass(frozen=True)
class Task:
    """A member to train: plain values only, so that it goes through any channel.

    run_id: the folder's name, `<label>-<hash>`. config: the resolved config, named after its label. results: the folder of the
    members' folders. threads: BLAS threads (None: as before, 1 at first). until: pause after this epoch (None: train to the end).
    command: for run.json.
    """

    run_id: str
    config: dict[str, Any]
    results: str
    threads: int | None = None
    until: int | None = None
    command: str | None = None

    @property
    def label(self) -> str:
        """What the run is called."""
        return str(self.config["name"])

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return Path(self.results) / self.run_id


@dataclass(frozen=True)
class TaskResult:
    """How an attempt ended. Every task that was taken gives exactly one.

    status: one of run.json's. `interrupted`: it was asked to stop, or its process is gone (`lost`); the run goes on from its
    checkpoint when it is submitted again. `running`: another process has this run, and it was left alone.
    error: what went wrong, None where nothing did. lost: the worker died of this attempt.
    """

    run_id: str
    status: str
    error: str | None = None
    lost: bool = False


class Pool:
    """Trains tasks. Use it in a `with` statement, from one thread that lives as long.

    Nothing that goes wrong with a member is raised, and no task is tried again: whoever hands them out decides about that.
    workers: how many tasks are trained at a time.
    """

    workers = 1

    def submit(self, task: Task) -> bool:
        """Begins a task; False where every worker is busy. Errors: RunError where no worker can be had."""
        raise NotImplementedError

    def results(self, timeout: float) -> list[TaskResult]:
        """Waits at most `timeout` seconds for results, and returns those that are there; at once where nothing is under way.

        A signal handler runs while this waits, but what it notes is seen only afterwards: wait a second or less at a time.
        Errors: RunError where no worker can be had any more; the runs under way can be gone on with.
        """
        raise NotImplementedError

    def cancel(self) -> None:
        """Asks what is under way to stop within the batch in hand; `results` then gives them all, with the status `interrupted`
        (a run that ends just before keeps its own)."""

    def close(self) -> None:
        """Cancels everything, waits a few seconds, and ends the workers; results that nobody fetched are dropped."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def check_pool(name: str, workers: int | None, scheduler: str | None) -> None:
    """Errors: UsageError for options that a pool does not have, an address that is none, a missing package."""
    if scheduler is not None and name != "dask":
        raise UsageError(f"--scheduler goes with --executor dask, not with {name}", "add --executor dask")
    if name == "serial" and workers not in (None, 1):
        raise UsageError(
            f"--executor serial trains one run at a time, and --workers asks for {workers}",
            "leave out --workers, or use --executor processes",
        )
    if name == "dask":
        from mlp_cli.sweep.dask_pool import check_scheduler

        check_scheduler(scheduler)


def open_pool(
    name: str,
    workers: int,
    *,
    folder: Path,
    threads: int = 1,
    timeout: float | None = None,
    deadline: float | None = None,
    scheduler: str | None = None,
    notify: Notify = lambda text: None,
) -> Pool:
    """A pool by its name (see `POOLS`).

    workers: how many tasks at a time; a cluster's own number is used where there is one. folder: of the members' folders.
    threads: BLAS threads of a task, for which a cluster's worker needs room. timeout: seconds for one attempt.
    deadline: on the monotonic clock, when training ends; only `serial` needs to know, the others are asked to stop.
    scheduler: address of a Dask scheduler, None for a cluster on this machine alone. notify: takes notices of a cluster.
    Errors: RunError where there is no cluster to be had.
    """
    if name == "serial":
        return Serial(timeout=timeout, deadline=deadline)
    if name == "processes":
        return Processes(workers, timeout=timeout)
    from mlp_cli.sweep.dask_pool import DaskPool

    return DaskPool(scheduler, workers, folder, threads=threads, timeout=timeout, notify=notify)


class Serial(Pool):
    """Trains in this process, one task after the other, inside `results`, however long that takes: for debugging.

    timeout: seconds for an attempt. deadline: when training is to end, on the monotonic clock. Both are looked at after each
    batch, so that what hangs within one hangs for good here. A signal that stops a run is raised again after it, for the caller's
    own handler.
    """

    def __init__(self, *, timeout: float | None = None, deadline: float | None = None) -> None:
        self.timeout, self.deadline = timeout or float("inf"), deadline or float("inf")
        self._task: Task | None = None
        self._done: list[TaskResult] = []

    def submit(self, task: Task) -> bool:
        free = self._task is None
        self._task = self._task or task
        return free

    def results(self, timeout: float) -> list[TaskResult]:
        from mlp_cli.sweep.attempt import Stopped, failure, timed_out, train

        number, task, self._task = None, self._task, None
        if task is not None:
            late = time.monotonic() + self.timeout
            try:
                self._done.append(train(task, lambda: time.monotonic() >= min(late, self.deadline)))
            except BaseException as error:
                is_late = isinstance(error, Stopped) and time.monotonic() < self.deadline
                self._done.append(timed_out(task) if is_late else failure(task, error))
                if isinstance(error, KeyboardInterrupt):
                    number = signal.SIGINT
                elif isinstance(error, Interrupted) and not isinstance(error, Stopped):
                    number = signal.Signals(error.exit_code - 128)
        if number is not None:
            signal.raise_signal(number)  # the handler may raise: the result is then there at the next call
        done, self._done = self._done, []
        return done


class Processes(Pool):
    """Worker processes on this machine, started as tasks come.

    workers: at most so many. timeout: seconds for an attempt; then SIGTERM, and SIGKILL if that does not end it, and the run has
    failed. folder: the workers' current folder, None for this process's.
    Make it in a thread that lives as long: on Linux a worker ends with the thread that started it.
    """

    def __init__(self, workers: int, *, timeout: float | None = None, folder: Path | None = None) -> None:
        self.workers, self.timeout, self.folder = workers, timeout, folder
        self._crew: list[_Worker] = []
        self._failed_starts = 0

    def submit(self, task: Task) -> bool:
        worker = next((worker for worker in self._crew if worker.task is None), None)
        if worker is None and len(self._crew) < self.workers:
            worker = self._start()
        if worker is not None:
            worker.give(task)
        return worker is not None

    def results(self, timeout: float) -> list[TaskResult]:
        end, done = time.monotonic() + timeout, list[TaskResult]()
        while not done and any(worker.task for worker in self._crew):
            workers = {worker.channel: worker for worker in self._crew}
            next_look = min(end, *(worker.deadline for worker in self._crew))
            for channel in wait(list(workers), max(0.0, next_look - time.monotonic())):
                done += self._hear(workers[channel])  # type: ignore[index]
            self._end_overdue()
            if time.monotonic() >= end:
                break
        return done

    def cancel(self) -> None:
        """A task that does not stop gets SIGTERM after `STOP_PATIENCE`, then SIGKILL."""
        for worker in self._crew:
            if worker.task:
                worker.cancelled = True
                worker.send(_STOP)
                worker.deadline = min(worker.deadline, time.monotonic() + STOP_PATIENCE)

    def close(self) -> None:
        """A worker that is still busy after `CLOSE_PATIENCE` is killed; its run goes on from its checkpoint."""
        try:
            self.cancel()
            end = time.monotonic() + CLOSE_PATIENCE
            while any(worker.task for worker in self._crew) and time.monotonic() < end:
                self.results(end - time.monotonic())
        finally:
            for worker in self._crew:
                if worker.task:
                    worker.process.kill()
                worker.channel.close()  # they end by themselves, all at the same time
            while self._crew:
                self._crew.pop().ending()

    def _start(self) -> _Worker | None:
        """A new worker; None where there are others, and the system gives no more. Errors: RunError."""
        try:
            worker = _Worker(self.folder)
        except OSError as error:
            if self._crew:
                return None
            raise RunError(f"cannot start a worker: {error}", "stop other programs, or use fewer with --workers") from error
        self._crew.append(worker)
        return worker

    def _hear(self, worker: _Worker) -> list[TaskResult]:
        """Takes what a worker has said, or sees that it has died."""
        try:
            message = worker.channel.recv()
        except (EOFError, OSError):
            return self._bury(worker)
        if message == _STARTED:
            self._failed_starts, worker.is_up, worker.started = 0, True, True
            if self.timeout is not None and not worker.cancelled:
                worker.deadline = time.monotonic() + self.timeout
            return []
        task, worker.task, worker.deadline = worker.task, None, float("inf")
        if worker.overdue and task and message.status == "interrupted":
            message = _timed_out(task)
        return [message]

    def _bury(self, worker: _Worker) -> list[TaskResult]:
        """Takes away a worker that has died; its task alone bears the loss, and only if it had begun."""
        self._crew.remove(worker)
        how, printed = worker.ending()
        task = worker.task
        if task is None:
            return []
        if worker.overdue:
            return [_timed_out(task, printed)]
        if worker.cancelled:
            return [TaskResult(task.run_id, "interrupted", f"stopped by the sweep, {how}")]
        if not worker.started:
            self._failed_starts += not worker.is_up
            if self._failed_starts >= _START_FAILURES:
                last = printed.splitlines()[-1] if printed else "it printed nothing"
                raise RunError(f"workers do not start: the last one {how}: {last}")
            if (other := self._start()) is not None:
                other.give(task)
                return []
        error = f"the worker was {how}" if how.startswith("killed") else f"the worker {how} in the middle of the run"
        from mlp_cli import runs  # pydantic takes time, and each worker imports this module before it heeds its parent's end

        with suppress(OSError, RunError), runs.Claim(task.folder) as claim:
            claim.log(f"{error}\n{printed}")
        return [TaskResult(task.run_id, "interrupted", error, lost=True)]

    def _end_overdue(self) -> None:
        """Ends the tasks whose time is up: SIGTERM first, which lets them write their status, then SIGKILL."""
        now = time.monotonic()
        for worker in self._crew:
            if worker.task is None or now < worker.deadline:
                continue
            if worker.warned:
                worker.process.kill()
                worker.deadline = float("inf")
            else:
                worker.overdue = not worker.cancelled
                worker.process.terminate()
                worker.warned, worker.deadline = True, now + KILL_PATIENCE


def _timed_out(task: Task, printed: str = "") -> TaskResult:
    from mlp_cli.sweep.attempt import timed_out  # slow to import, and seldom needed

    return timed_out(task, printed)


def worker_command(descriptor: int) -> list[str]:
    """The command line of a worker: a fresh interpreter that finds the very modules that this process finds.

    descriptor: its end of the socket.
    """
    # -P: a json.py in the current folder must not be taken for the standard library's.
    return [sys.executable, "-P", "-c", _BOOT, json.dumps(sys.path), str(descriptor), str(os.getpid())]


def worker_environment() -> dict[str, str]:
    """A worker's environment: one BLAS thread from the start, as in every command; a task may ask for more."""
    return {"OPENBLAS_THREAD_TIMEOUT": "16", **os.environ, **dict.fromkeys(BLAS_VARIABLES, "1")}


class _Worker:
    """A worker process, from the driver's side. It ends with the driver, or when its channel is closed.

    What it prints goes to a file without a name: only its last lines are ever needed, where it dies of a task.
    task: what it trains, None while it is idle. is_up: whether it has ever begun one. started: whether it has begun with that.
    overdue: whether it is ended because its time is up. warned: whether it got SIGTERM. deadline: when to end the task, on the
    monotonic clock.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Starts it. folder: its current folder, None for this process's."""
        self.task: Task | None = None
        self.is_up = self.started = self.cancelled = self.overdue = self.warned = False
        self.deadline = float("inf")
        self.output = tempfile.TemporaryFile(prefix="mlp-worker-")  # noqa: SIM115 (open as long as the worker)
        # Both ends share one position: appending keeps a truncated file from being filled with zeros.
        fcntl.fcntl(self.output, fcntl.F_SETFL, fcntl.fcntl(self.output, fcntl.F_GETFL) | os.O_APPEND)
        self.channel, theirs = Pipe()
        try:
            self.process = subprocess.Popen(
                worker_command(theirs.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=self.output,
                stderr=subprocess.STDOUT,
                env=worker_environment(),
                cwd=folder,
                pass_fds=[theirs.fileno()],
            )
        except BaseException:
            self.channel.close()
            self.output.close()
            raise
        finally:
            theirs.close()

    def give(self, task: Task) -> None:
        """Hands it a task, which it begins at once or as soon as it is up."""
        self.task, self.deadline = task, float("inf")
        self.started = self.cancelled = self.overdue = self.warned = False
        os.ftruncate(self.output.fileno(), 0)
        self.send(task)

    def send(self, message: Task | str) -> None:
        """Sends a task or a word. That it may have died meanwhile is seen when it is next listened to."""
        with suppress(OSError):
            self.channel.send(message)

    def ending(self) -> tuple[str, str]:
        """How it ended, in words, and the last lines that it printed. Makes it end."""
        self.channel.close()
        try:
            code = self.process.wait(KILL_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        size = os.fstat(self.output.fileno()).st_size
        printed = os.pread(self.output.fileno(), _TAIL, max(0, size - _TAIL)).decode("utf-8", "replace")
        self.output.close()
        return exit_text(code), printed.strip()


def exit_text(code: int) -> str:
    """How a process ended that should not have, from its return code as `subprocess` gives it."""
    if code >= 0:
        return f"ended with exit code {code}"
    reasons = {signal.SIGKILL: " (out of memory, or killed by hand)", signal.SIGSEGV: " (a memory error in native code)"}
    try:
        number = signal.Signals(-code)
    except ValueError:
        return f"killed by signal {-code}"
    return f"killed by {number.name}{reasons.get(number, '')}"


def work(descriptor: int, parent: int) -> NoReturn:
    """A worker: trains what comes until the other end of the socket is closed. parent: the id of the process that started it."""
    _on_signals(signal.SIG_IGN)
    _end_with_parent(parent)
    faulthandler.enable()
    channel = Connection(descriptor)
    tasks, stop = queue.SimpleQueue[Task](), threading.Event()
    threading.Thread(target=_listen, args=(channel, tasks, stop), daemon=True).start()
    from mlp_cli.sweep.attempt import failure, run_task  # slow: NumPy and the rest; a parent's end is seen meanwhile

    while True:
        task = tasks.get()
        try:
            _on_signals(_interrupt)
            _say(channel, _STARTED)
            result = run_task(task, stop.is_set)
            _on_signals(signal.SIG_IGN)
        except Interrupted as error:
            result = failure(task, error)
            _on_signals(signal.SIG_IGN)
        _say(channel, result)


def _listen(channel: Connection, tasks: queue.SimpleQueue[Task], stop: threading.Event) -> None:
    """Reads what the driver sends, in a thread of its own, so that its end is noticed at any time."""
    try:
        while True:
            message = channel.recv()
            if isinstance(message, Task):
                stop.clear()
                tasks.put(message)
            else:
                stop.set()
    finally:
        os._exit(0)  # nobody is left to work for; whatever is in hand goes on from its checkpoint


def _say(channel: Connection, message: TaskResult | str) -> None:
    """Sends one message; where nobody listens any more, the process ends."""
    try:
        channel.send(message)
    except OSError:
        os._exit(0)


def _end_with_parent(parent: int) -> None:
    """Lets the kernel kill this process as soon as its parent is gone, on Linux; elsewhere the socket's end has to do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it went before the call, which then has no effect
            os._exit(1)


def _on_signals(handler: Any) -> None:
    """What SIGINT and SIGTERM do outside the training loop, which has its own handlers. Without a task they do nothing: the driver's
    end ends its workers."""
    for number in SIGNALS:
        signal.signal(number, handler)


def _interrupt(number: int, _: object) -> None:
    """Ends the task in hand; a second signal ends the process."""
    signal.signal(number, signal.SIG_DFL)
    raise Interrupted("interrupted", HINT, exit_code=128 + number)
