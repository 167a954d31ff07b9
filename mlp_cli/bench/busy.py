"""How busy a machine is with other things than this process and its children, by the system's own counts."""

from __future__ import annotations

import os
import resource
import time


class Busy:
    """Counts from where it is made."""

    def __init__(self) -> None:
        self._started, self._all, self._own = time.perf_counter(), _all_seconds(), _own_seconds()

    def others(self) -> float | None:
        """The share (0 to 1) of all processors' time that others took; None where the system does not count it."""
        now = _all_seconds()
        if now is None or self._all is None:
            return None
        there = (time.perf_counter() - self._started) * (os.cpu_count() or 1)
        # The system counts in hundredths of a second: over a moment the share could be anything.
        return min(1.0, max(0.0, (now - self._all - (_own_seconds() - self._own)) / there))


def _all_seconds() -> float | None:
    """Processor seconds of all processes since the machine was started."""
    try:
        with open("/proc/stat", encoding="ascii") as file:
            user, nice, system, _, _, irq, soft, *_ = map(int, file.readline().split()[1:])
    except (OSError, ValueError):
        return None
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    """Processor seconds of this process and of its children that have ended."""
    taken = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in taken)
