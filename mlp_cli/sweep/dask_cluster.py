"""The workers of a Dask cluster, as far as a sweep may use them: who is there, who has gone, who has the wrong versions."""

from __future__ import annotations

import contextlib
import logging
import time
from typing import Any

from mlp_cli.errors import Notify, RunError, UsageError
from mlp_cli.sweep.dask_task import describe_worker

WORKERS_PATIENCE = 60.0
"""Seconds without any worker before a sweep gives up."""
GONE = (OSError, AttributeError)
"""What a client raises once its scheduler is gone (the latter after it has closed itself)."""
_CONNECT = 10.0


class Cluster:
    """A connection to a cluster, or to a local one of this process's own.

    scheduler: an address; None starts `workers` processes of one thread here, bound to 127.0.0.1. notify: takes notices.
    `threads` has the number of threads of each worker that may be used, by address.
    Errors: UsageError without the package distributed; RunError where the scheduler cannot be reached.
    """

    def __init__(self, scheduler: str | None, workers: int, notify: Notify) -> None:
        self.where, self._notify = scheduler or "127.0.0.1", notify
        self.threads: dict[str, int] = {}
        self._refused: dict[str, str] = {}
        self._last_seen = time.monotonic()
        self.client, self._local = _connect(scheduler, workers)

    def look(self) -> None:
        """Brings `threads` up to date, and asks new workers for their versions.

        Errors: RunError where the scheduler is gone, no worker can be used, or there has been none for long.
        """
        try:
            threads: dict[str, int] = self.client.nthreads()
            new = [address for address in threads if address not in self.threads and address not in self._refused]
            answers = self.client.run(describe_worker, workers=new, on_error="return") if new else {}
        except GONE as error:
            raise RunError(
                f"the Dask scheduler at {self.where} is gone",
                "start it again and run the same command: finished members stay, others go on from their checkpoints",
            ) from error
        for address, answer in answers.items():
            if not isinstance(answer, OSError):  # it has gone meanwhile
                self._judge(address, answer)
        self.threads = {address: count for address, count in threads.items() if address in self.threads or address in answers}
        for address in self._refused:
            self.threads.pop(address, None)
        self._give_up_without_workers(threads)

    def refuse(self, address: str, reason: str) -> None:
        """Uses a worker no more, and says why."""
        self._refused[address] = reason
        self.threads.pop(address, None)
        self._notify(f"the Dask worker {address} is not used: {reason}")

    def close(self) -> None:
        """Ends the connection and the local cluster, which may take longer than it is waited for; the workers of an existing one
        stay."""
        with contextlib.suppress(*GONE):
            self.client.close(timeout=2)
        if self._local is not None:
            with contextlib.suppress(TimeoutError):
                self._local.close(timeout=5)

    def _judge(self, address: str, answer: Any) -> None:
        here = describe_worker()
        if not isinstance(answer, dict):
            self.refuse(address, f"it cannot run mlp-cli {here['mlp-cli']} ({type(answer).__name__}: {answer})")
            return
        wrong = [f"{name} {answer[name]} in place of {here[name]}" for name in ("mlp-cli", "numpy") if answer[name] != here[name]]
        if wrong:
            self.refuse(address, f"on {answer['host']} it has {' and '.join(wrong)}")

    def _give_up_without_workers(self, present: dict[str, int]) -> None:
        if self.threads:
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
