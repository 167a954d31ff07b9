"""Members on a Dask cluster with shared storage, or on a local cluster of this machine's own.

Each task is pinned to one worker and watched from here: Dask itself would move a task whose worker died, and would blame whatever
else that worker had in hand. The runs' folders are the truth, so that nothing is lost with a worker or the scheduler.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import os
import queue
import secrets
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlp_cli import __version__, files, runs
from mlp_cli.errors import Notify, RunError, UsageError
from mlp_cli.sweep.pool import Pool, Processes, Task, TaskResult

WORKERS_PATIENCE = 60.0
"""Seconds without any worker before a sweep gives up."""
STOP_PATIENCE = 5.0
"""Seconds that a cancelled task has to end its batch."""
_CONNECT = 10.0
_LOOK = 1.0
_GATHER = 30.0
_POLL = 0.5


@dataclass
class _Flight:
    """A task under way: the worker that has it, its future, and until when its end is waited for, once it is cancelled."""

    task: Task
    address: str
    future: Any
    end: float | None = None


class DaskPool(Pool):
    """A pool (see `Pool`) that hands tasks to the workers of a Dask cluster, one for each `threads` of their threads.

    scheduler: its address; None starts a local cluster of `workers` processes of one thread, bound to 127.0.0.1. folder: of the
    members' folders. timeout: seconds for an attempt. notify: takes notices about workers that cannot be used: those with another
    version of this package or of NumPy (a member's bytes would differ), and those that do not see the folder.
    Errors: UsageError without the package distributed; RunError where the scheduler cannot be reached, no worker can be used, or
    the folder cannot be written.
    """

    def __init__(
        self,
        scheduler: str | None,
        workers: int,
        folder: Path,
        *,
        threads: int = 1,
        timeout: float | None = None,
        notify: Notify = lambda text: None,
    ) -> None:
        self.where, self.threads, self.timeout, self._notify = scheduler or "127.0.0.1", threads, timeout, notify
        self._room: dict[str, int] = {}
        self._refused: dict[str, str] = {}
        self._flights: dict[str, _Flight] = {}
        self._landed: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._looked, self._last_seen = float("-inf"), time.monotonic()
        self._probe = folder.absolute() / f".probe.{secrets.token_hex(4)}.tmp"  # tidied like any temporary file
        files.make_folder(folder)
        files.write_text(self._probe, "the workers of a cluster look for this file, to know that they see this folder\n")
        self.client: Any = None
        try:
            self.client, self._local = _connect(scheduler, workers)
            self._look()
        except BaseException:
            self.close()
            raise

    def submit(self, task: Task) -> bool:
        """A worker takes as many tasks as its threads allow, and at least one."""
        left = dict(self._room)
        for flight in self._flights.values():
            if flight.address in left:
                left[flight.address] -= 1
        address = max(left, key=left.__getitem__, default=None)
        if address is None or left[address] < 1:
            return False
        key = f"mlp-{task.run_id}-{secrets.token_hex(4)}"
        whole = replace(task, results=str(Path(task.results).absolute()))
        with self._scheduler():
            future = self.client.submit(
                train_member,
                key,
                whole,
                self.timeout,
                os.getcwd(),
                key=key,
                workers=[address],
                allow_other_workers=False,
                pure=False,
                retries=0,
            )
        self._flights[key] = _Flight(task, address, future)
        future.add_done_callback(lambda landed: self._landed.put(landed.key))
        return True

    def results(self, timeout: float) -> list[TaskResult]:
        end = time.monotonic() + timeout
        while True:
            done = [*self._look(), *self._stopped()]
            left = end - time.monotonic()
            if done or left <= 0 or (self._room and not self._flights):
                return done
            stopping = any(flight.end for flight in self._flights.values())
            with contextlib.suppress(queue.Empty):
                done += self._land(self._landed.get(timeout=min(left, 0.1 if stopping else _LOOK)))
                while True:
                    done += self._land(self._landed.get_nowait())
            if done:
                return done

    def cancel(self) -> None:
        """A task counts as stopped once nobody holds its folder."""
        for flight in self._flights.values():
            flight.end = flight.end or time.monotonic() + STOP_PATIENCE
        with contextlib.suppress(RunError), self._scheduler():
            self.client.cancel([flight.future for flight in self._flights.values()], force=True)

    def close(self) -> None:
        """The workers of an existing cluster stay; a local one may take longer to end than it is waited for."""
        self._probe.unlink(missing_ok=True)
        if self.client is None:
            return
        self.cancel()
        while self._flights:
            self._stopped()
            time.sleep(0.05)
        with contextlib.suppress(RunError), self._scheduler():
            self.client.close(timeout=2)
        if self._local is not None:
            with contextlib.suppress(TimeoutError):
                self._local.close(timeout=5)
        self.client = None

    @contextlib.contextmanager
    def _scheduler(self) -> Iterator[None]:
        """While the scheduler is spoken to. Errors: RunError where it is gone, whatever the client says of that: an OSError, an
        AttributeError or, once it has closed itself, an error of its own."""
        try:
            yield
        except Exception as error:
            if not isinstance(error, OSError) and self.client.status == "running":
                raise
            raise RunError(
                f"the Dask scheduler at {self.where} is gone",
                "start it again and run the same command: finished members stay, others go on from their checkpoints",
            ) from error

    def _look(self, at_once: bool = False) -> list[TaskResult]:
        """Sees which workers there are, at most once a second, asks new ones whether they can be used, and gives up the tasks of
        those that have gone. Errors: RunError where the scheduler is gone, no worker can be used, or there was none for long."""
        if time.monotonic() - self._looked < _LOOK and not at_once:
            return []
        self._looked = time.monotonic()
        with self._scheduler():
            threads: dict[str, int] = self.client.nthreads()
            new = [address for address in threads if address not in self._room and address not in self._refused]
            answers = self.client.run(describe_worker, str(self._probe), workers=new, on_error="return") if new else {}
        answers = {address: answer for address, answer in answers.items() if not isinstance(answer, OSError)}  # else it is gone
        for address, answer in answers.items():
            if reason := self._why_not(answer):
                self._refused[address] = reason
                self._notify(f"the Dask worker {address} is not used: {reason}")
        known = [address for address in (*self._room, *answers) if address in threads and address not in self._refused]
        self._room = {address: max(1, threads[address] // self.threads) for address in known}
        self.workers = max(1, sum(self._room.values()))  # clusters grow and shrink
        self._give_up_without_workers(list(threads))
        gone = [key for key, flight in self._flights.items() if flight.address not in self._room and flight.end is None]
        return [self._lose(key, f"the Dask worker {self._flights[key].address} is gone") for key in gone]

    def _why_not(self, answer: Any) -> str | None:
        """Why a worker cannot be used, from what it answered; None where it can."""
        here = describe_worker(str(self._probe))
        if not isinstance(answer, dict):
            return f"it cannot run mlp-cli {here['mlp-cli']} ({type(answer).__name__}: {answer})"
        wrong = [f"{name} {answer[name]} in place of {here[name]}" for name in ("mlp-cli", "numpy") if answer[name] != here[name]]
        if wrong:
            return f"on {answer['host']} it has {' and '.join(wrong)}"
        return None if answer["sees"] else f"it does not see the folder {self._probe.parent}"

    def _give_up_without_workers(self, present: list[str]) -> None:
        if self._room:
            self._last_seen = time.monotonic()
            return
        reasons = [f"  {address}: {self._refused[address]}" for address in present if address in self._refused]
        if reasons:
            raise RunError(
                "\n".join([f"no worker of the Dask cluster at {self.where} can be used:", *reasons]),
                "install the same versions of mlp-cli and numpy on every machine, and share the results folder",
            )
        if time.monotonic() - self._last_seen > WORKERS_PATIENCE:
            raise RunError(
                f"the Dask cluster at {self.where} has had no workers for {WORKERS_PATIENCE:g} s",
                "start some with: dask worker ADDRESS; then run the same command again",
            )

    def _land(self, key: str) -> list[TaskResult]:
        """Takes the result of a task that has ended, if it is still waited for."""
        flight = self._flights.get(key)
        if flight is None or flight.end is not None:
            return []
        try:
            result: TaskResult = flight.future.result(timeout=_GATHER)
        except Exception as error:
            # KilledWorker, a cancelled future, a worker lost while it answered: all of them the cluster's doing.
            lost = self._look(at_once=True)  # where the scheduler is gone, that is the news, and no attempt is spent
            if key not in self._flights:
                return lost
            why = f"the Dask worker {flight.address} did not finish ({type(error).__name__}: {error})"
            return [*lost, self._lose(key, why)]
        del self._flights[key]
        return [result]

    def _lose(self, key: str, error: str) -> TaskResult:
        flight = self._flights.pop(key)
        with contextlib.suppress(RunError), self._scheduler():
            flight.future.cancel()
        return TaskResult(flight.task.run_id, "interrupted", error, lost=True)

    def _stopped(self) -> list[TaskResult]:
        """The cancelled tasks whose folders nobody holds any more, or that have had their time."""
        done = []
        for key, flight in list(self._flights.items()):
            if flight.end is None or (runs.in_use(flight.task.folder) and time.monotonic() < flight.end):
                continue
            del self._flights[key]
            record = runs.read_quietly(flight.task.folder)
            if record is not None and record.status in ("completed", "diverged", "failed", "pruned"):
                done.append(TaskResult(flight.task.run_id, record.status, record.error))
            else:
                done.append(TaskResult(flight.task.run_id, "interrupted", "stopped by the sweep"))
        return done


def check_scheduler(scheduler: str | None) -> None:
    """Errors: UsageError without the package distributed, or for an address that none can have. None is no address: no problem."""
    try:
        from distributed.comm.addressing import parse_address, parse_host_port
        from distributed.comm.registry import backends
    except ImportError:
        raise UsageError("--executor dask needs the package distributed", "pip install 'mlp-cli[dask]'") from None
    if scheduler is None:
        return
    try:
        scheme, location = parse_address(scheduler)
        host, port = parse_host_port(location)
        sound = host and 0 < port < 1 << 16 and scheme in {*backends} - {"inproc"}
    except ValueError:
        sound = False
    if not sound:
        raise UsageError(f"--scheduler {scheduler}: it names no host and port", "an address looks like tcp://10.0.0.5:8786")


def _connect(scheduler: str | None, workers: int) -> tuple[Any, Any]:
    """A client, and the local cluster if one was started."""
    check_scheduler(scheduler)
    from distributed import Client, LocalCluster

    for name in ("distributed", "distributed.client"):  # what goes wrong is said here, once
        logging.getLogger(name).setLevel(logging.CRITICAL)
    local = None
    try:
        if scheduler is None:
            local = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address=None,
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # else port 8787, and a warning where that is taken
                memory_limit=0,  # the members are processes of their own
                silence_logs=logging.CRITICAL,
            )
        return Client(local or scheduler, timeout=_CONNECT, set_as_default=False), local
    except (OSError, ValueError, RuntimeError) as error:
        if local is not None:
            local.close()
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError(
            f"cannot reach the Dask scheduler at {scheduler or '127.0.0.1'}: {reason}",
            "is it running? start one with: dask scheduler --host 10.0.0.5 --port 8786 (the address of its machine)",
        ) from error


def describe_worker(probe: str) -> dict[str, Any]:
    """Inside a cluster's worker: the versions that a run's bytes depend on, the machine's name, and whether it sees a file that
    the driver made in the results folder."""
    numpy = importlib.metadata.version("numpy")
    return {"mlp-cli": __version__, "numpy": numpy, "host": socket.gethostname(), "sees": Path(probe).exists()}


def train_member(key: str, task: Task, timeout: float | None, folder: str) -> TaskResult:
    """Inside a cluster's worker: trains one member in a process of its own.

    The process is the same as on one machine: BLAS threads set before NumPy is imported, killed when its time is up, and if it
    dies, the Dask worker and what else it does live on. It is asked to stop once the driver cancels the task, or is gone.
    key: the task's. folder: the driver's current folder, used where it exists here, for relative paths in a config.
    """
    with Processes(1, timeout=timeout, folder=Path(folder) if Path(folder).is_dir() else None) as pool:
        pool.submit(task)
        cancelled = False
        while True:
            for result in pool.results(_POLL):
                return result
            if not cancelled and _is_cancelled(key):
                pool.cancel()
                cancelled = True


def _is_cancelled(key: str) -> bool:
    """Whether the scheduler has taken this task back. Dask cannot interrupt a thread, so a long task has to ask."""
    from distributed import get_worker

    task = get_worker().state.tasks.get(key)
    return task is None or task.state in ("cancelled", "resumed")
