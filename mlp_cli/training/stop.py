"""Stop on a signal: training ends after the batch in hand and keeps its last checkpoint; any other command ends at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from mlp_cli.errors import Interrupted

HINT = "run the same command again to go on"

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""What stops a command, also where the process was started to ignore it, as shells do with SIGINT for background jobs: whoever
sends one to a run means it, and nothing is lost by it."""

_Batch = TypeVar("_Batch")


class EndedBySignal(BaseException):
    """A signal that came outside of training. No part of the program may take it for an error of its own."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number

    def tell(self) -> None:
        """Says on stderr what happened."""
        print(f"error: interrupted\n  {HINT}", file=sys.stderr)


class StopRequest:
    """A signal handler sets it to end training after the batch in hand."""

    signal: int | None = None

    def interrupted(self, where: str) -> Interrupted:
        """The error that obeys the request. where: how far the work has got, as in "after epoch 3"."""
        return Interrupted(f"interrupted {where}", HINT, exit_code=128 + (self.signal or signal.SIGINT))

    def watch(self, batches: Iterable[_Batch], where: str) -> Iterator[_Batch]:
        """The same batches. Errors: Interrupted after the batch in which the request came."""
        for batch in batches:
            yield batch
            if self.signal is not None:
                raise self.interrupted(where)


def raise_on_signals() -> None:
    """From now on SIGINT and SIGTERM raise EndedBySignal, in the main thread; a second one ends the process at once (130, 143)."""

    def stop(number: int, _: object) -> None:
        exit_on_signals()
        raise EndedBySignal(number)

    def unraisable(lost: sys.UnraisableHookArgs) -> None:
        if isinstance(lost.exc_value, EndedBySignal):  # raised where an object was being deleted, whence no error goes on
            lost.exc_value.tell()
            os._exit(lost.exc_value.exit_code)
        sys.__unraisablehook__(lost)

    sys.unraisablehook = unraisable
    for number in SIGNALS:
        signal.signal(number, stop)


def exit_on_signals() -> None:
    """From now on SIGINT and SIGTERM end the process at once (130, 143). Used in its last moments."""
    for number in SIGNALS:
        signal.signal(number, lambda number, _: os._exit(128 + number))


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Turns SIGINT and SIGTERM into a stop request, in the main thread; a second one ends the process at once (130, 143).

    A request that the body did not obey, since it was done already, is raised as the signal that it was.
    """
    stop = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(number: int, _: object) -> None:
        stop.signal = number

    handlers = {number: signal.signal(number, ask) for number in SIGNALS}
    # Python calls handlers between two of its instructions only, and a product of large matrices may take a minute. The system's
    # own handler sends a byte here at once, to a thread that waits for the second.
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    wakeup = signal.set_wakeup_fd(writing)
    watcher = threading.Thread(target=_end_on_second, args=(reading,), daemon=True)
    watcher.start()
    try:
        yield stop
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.close(writing)  # which the watcher reads as the end
        watcher.join()
        os.close(reading)
    if stop.signal is not None:
        signal.raise_signal(stop.signal)


def _end_on_second(reading: int) -> None:
    """Reads the numbers of signals until the other end is closed; at the second of ours the process is over."""
    seen = 0
    while byte := os.read(reading, 1):
        seen += byte[0] in SIGNALS
        if seen == 2:
            os._exit(128 + byte[0])
