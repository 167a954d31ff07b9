"""A worker process as its driver sees it: how it is started, spoken to, and how it ended."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from mlp_cli.environment import BLAS_VARIABLES
from mlp_cli.sweep.jobs import Job, exit_text

_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from mlp_cli.sweep.worker import main; main(int(sys.argv[2]), int(sys.argv[3]))"
)
_TAIL = 4000
_PATIENCE = 2.0


def worker_command(descriptor: int) -> list[str]:
    """The command line of a worker: a fresh interpreter that finds the very modules that this process finds.

    descriptor: its end of the socket.
    """
    # -P: a json.py in the current folder must not be taken for the standard library's.
    return [sys.executable, "-P", "-c", _BOOT, json.dumps(sys.path), str(descriptor), str(os.getpid())]


def worker_environment() -> dict[str, str]:
    """A worker's environment: one BLAS thread from the start, as in every command; a job may ask for more."""
    return {"OPENBLAS_THREAD_TIMEOUT": "16", **os.environ, **dict.fromkeys(BLAS_VARIABLES, "1")}


class Worker:
    """A worker process, from the driver's side. It ends with the driver, or when `close` is called.

    What it prints goes to a file without a name: only its last lines are ever needed, where it dies of a job.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Starts it. folder: its current folder, None for this process's."""
        self.job: Job | None = None
        self.ready = self.started = False
        self.verdict: str | None = None
        """Why it is to end its job, where its time is up."""
        self.deadline = float("inf")
        self.cancelled = self.warned = False
        self._buffer = b""
        self.output = tempfile.TemporaryFile(prefix="mlp-worker-")  # noqa: SIM115 (open as long as the worker)
        # Both ends share one position: appending keeps a truncated file from being filled with zeros.
        fcntl.fcntl(self.output, fcntl.F_SETFL, fcntl.fcntl(self.output, fcntl.F_GETFL) | os.O_APPEND)
        self.channel, theirs = socket.socketpair()
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

    @property
    def idle(self) -> bool:
        """Whether it can take a job."""
        return self.ready and self.job is None

    def give(self, job: Job, timeout: float | None) -> None:
        """Hands it a job, with a time limit in seconds or none."""
        self.job, self.verdict = job, None
        self.started = self.cancelled = self.warned = False
        self.deadline = time.monotonic() + timeout if timeout is not None else float("inf")
        os.ftruncate(self.output.fileno(), 0)
        self.send({"job": job.plain()})

    def free(self) -> None:
        """Notes that its job is over."""
        self.job, self.deadline = None, float("inf")

    def send(self, message: dict[str, Any]) -> None:
        """Sends one document. That it may have died meanwhile is seen when it is next listened to."""
        with contextlib.suppress(OSError):
            self.channel.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> list[dict[str, Any]] | None:
        """What it has said, without waiting if the socket is known to have something; None once it has gone."""
        try:
            chunk = self.channel.recv(1 << 16)
        except ConnectionResetError:
            chunk = b""
        if not chunk:
            return None
        *lines, self._buffer = (self._buffer + chunk).split(b"\n")
        return [json.loads(line) for line in lines]

    def end_of(self) -> tuple[str, str]:
        """How it ended, in words, and the last lines that it printed; call it once `receive` gave None, or to make it end."""
        self.channel.close()
        try:
            code = self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        size = os.fstat(self.output.fileno()).st_size
        printed = os.pread(self.output.fileno(), _TAIL, max(0, size - _TAIL)).decode("utf-8", "replace")
        self.output.close()
        return exit_text(code), printed.strip()
