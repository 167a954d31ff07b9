"""Stopping on a signal: training ends within the batch in hand, and its last checkpoint stands."""

from __future__ import annotations

import os
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
    """Turns SIGINT and SIGTERM into a stop request, for the main thread; a second one ends the process at once (130, 143).

    A request that the body did not heed, since it was done already, is raised as the signal that it was.
    """
    stop = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(number: int, _: object) -> None:
        stop.signal = number

    handlers = {number: signal.signal(number, ask) for number in _SIGNALS}
    # Python calls handlers between two of its instructions only, and a product of large matrices is one that may take a
    # minute. The bytes that the system's own handler sends here come at once, to a thread that waits for the second.
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
        seen += byte[0] in _SIGNALS
        if seen == 2:
            os._exit(128 + byte[0])
