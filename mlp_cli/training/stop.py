"""Stopping on a signal: training ends within the batch in hand, and its last checkpoint stands."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Set from outside (by a signal handler) to end training within the batch in hand."""

    signal: int | None = None


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Turns SIGINT and SIGTERM into a stop request, for the main thread; a second one ends the process at once.

    A request that the body did not heed, since it was done already, is raised as the signal that it was.
    """
    stop = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(number: int, _: object) -> None:
        stop.signal = number
        for each in _SIGNALS:  # so the second one need not wait for the interpreter to come back from a long product
            signal.signal(each, signal.SIG_DFL)

    before = {number: signal.signal(number, ask) for number in _SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if stop.signal is not None:
        signal.raise_signal(stop.signal)
