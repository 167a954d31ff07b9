"""Stands in for strace where that is missing: counts the calls that change the disk and disturbs one of them, inside Python.

Run as a program: shim.py ACTION CALL NUMBER LOG COMMAND..., where COMMAND is a command line of mlp, ACTION is KILL, ENOSPC or
EIO, and NUMBER the call of that name to disturb, counted from 1 (0: none). LOG gets a line for each call.
"""

import builtins
import errno
import io
import os
import signal
import sys
from typing import Any

CALLS = ("write", "fsync", "replace", "unlink", "mkdir", "rmdir", "ftruncate")
action, call, number, log, *words = sys.argv[1:]
seen: list[str] = []


def point(name: str) -> None:
    """Notes a call, and disturbs it if it is the one."""
    seen.append(name)
    with real_open(log, "a") as notes:
        notes.write(f"{name}\n")
    if name == call and seen.count(name) == int(number):
        if action == "KILL":
            os.kill(os.getpid(), signal.SIGKILL)
        code = getattr(errno, action)
        raise OSError(code, os.strerror(code))


class CountedFile(io.FileIO):
    """A file whose writes are counted."""

    def write(self, data: Any) -> int:
        point("write")
        return super().write(data)


def open_counted(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
    """`open`, but for the two modes in which a run opens the files that it writes."""
    kind = {"xb": io.BufferedWriter, "r+b": io.BufferedRandom}.get(mode)
    return kind(CountedFile(file, mode.replace("b", ""))) if kind else real_open(file, mode, *arguments, **options)


def counted(name: str, real: Any) -> Any:
    """The function, counted."""

    def wrapper(*arguments: Any, **options: Any) -> Any:
        point(name)
        return real(*arguments, **options)

    return wrapper


from mlp_cli.cli.main import run  # noqa: E402

real_open = builtins.open
builtins.open = open_counted
for each in CALLS:
    setattr(os, each, counted(each, getattr(os, each)))
sys.exit(run(words))
