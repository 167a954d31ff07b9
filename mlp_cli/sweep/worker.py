"""A worker: a fresh process that trains one job after the other for the process that started it, and ends when that one does.

The two talk over a socket, one JSON document a line. The worker hears {"job": ...} and {"stop": true}; it says {"ready": pid} once
everything is imported, {"started": run id} when a job begins, and {"result": ...} when it is over.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import queue
import signal
import socket
import sys
import threading
from typing import Any, NoReturn

from mlp_cli.errors import Interrupted
from mlp_cli.sweep.jobs import Job
from mlp_cli.training.stop import HINT, SIGNALS

_PR_SET_PDEATHSIG = 1


def main(descriptor: int, parent: int) -> NoReturn:
    """Serves jobs until the other end of the socket is closed. parent: the id of the process that started this one."""
    signals = _Signals()
    end_with_parent(parent)
    faulthandler.enable()
    channel = socket.socket(fileno=descriptor)
    inbox = _Inbox(channel)
    from mlp_cli.sweep.attempt import failure, run_job  # slow: NumPy and the rest; a parent's death is seen meanwhile

    _say(channel, {"ready": os.getpid()})
    while True:
        job = inbox.jobs.get()
        signals.asked = False
        try:
            signals.busy = True
            _say(channel, {"started": job.run_id})
            result = run_job(job, inbox.stop.is_set)
        except Interrupted as error:
            result = failure(job, error)
        signals.busy = False
        _say(channel, {"result": result.plain()})


def end_with_parent(parent: int) -> None:
    """Lets the kernel kill this process as soon as its parent is gone, on Linux; elsewhere the socket's end has to do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it went before the call, which then has no effect
            os._exit(1)


class _Signals:
    """SIGINT and SIGTERM outside the training loop, which has its own handlers: the first ends the job in hand, the second the
    process. Without a job they do nothing: the driver's end ends its workers."""

    def __init__(self) -> None:
        self.busy = self.asked = False
        for number in SIGNALS:
            signal.signal(number, self._handle)

    def _handle(self, number: int, _: object) -> None:
        if not self.busy:
            return
        if self.asked:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.asked = True
        raise Interrupted("interrupted", HINT, exit_code=128 + number)


class _Inbox:
    """What the driver sends, read by a thread of its own, so that its end is noticed at any time."""

    def __init__(self, channel: socket.socket) -> None:
        self.jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self.stop = threading.Event()
        threading.Thread(target=self._listen, args=(channel,), daemon=True).start()

    def _listen(self, channel: socket.socket) -> None:
        try:
            with channel.makefile("rb") as lines:
                for line in lines:
                    self._take(json.loads(line))
        finally:
            os._exit(0)  # nobody is left to work for; whatever is in hand goes on from its checkpoint

    def _take(self, message: dict[str, Any]) -> None:
        if "job" in message:
            self.stop.clear()
            self.jobs.put(Job(**message["job"]))
        elif "stop" in message:
            self.stop.set()


def _say(channel: socket.socket, message: dict[str, Any]) -> None:
    """Sends one document; where nobody listens any more, the process ends."""
    try:
        channel.sendall(json.dumps(message).encode() + b"\n")
    except OSError:
        os._exit(0)
