"""Files that lie: mutants of good ones, and limits within which a reader must refuse them."""

import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import pytest
from hypothesis import settings

from mlp_cli.errors import DataError

MEMORY = 200 << 20
HANGS = 20.0
"""Seconds of this process's own time: how busy the machine is does not matter."""

BIG = pytest.mark.parametrize("size", [80 << 20, pytest.param(300 << 20, marks=pytest.mark.slow)], ids=["80 MB", "300 MB"])
"""Bytes in a bomb: more than a small file may unpack to, and more than `limits` has room for."""


def mutants(content: bytes, count: int) -> Iterator[bytes]:
    """Damaged copies: bytes changed, cut, put in, doubled, or made large numbers, half of them near the start or the end."""
    for number in range(count):
        random = Random(number)
        near = random.choice([min(200, len(content)), len(content)])
        at = random.randrange(near)
        at = len(content) - 1 - at if random.random() < 0.3 else at
        length = random.choice([1, 2, 4, 8, 30])
        mutant = {
            0: content[:at] + bytes([content[at] ^ 1 << random.randrange(8)]) + content[at + 1 :],
            1: content[:at] + random.randbytes(length) + content[at + length :],
            2: content[:at],
            3: content[:at] + content[at + length :],
            4: content[:at] + random.randbytes(length) + content[at:],
            5: content[:at] + content[at : at + length] * 2 + content[at + length :],
            6: content[:at] + random.choice([b"\xff", b"\x7f", b"\0"]) * length + content[at + length :],
        }[number % 7]
        yield mutant if mutant != content else content[:-1]


@contextmanager
def limits() -> Iterator[None]:
    """Inside, memory may grow by `MEMORY` bytes, and something that hangs is stopped."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise AssertionError(f"not finished after {HANGS} s")

    old = signal.signal(signal.SIGPROF, stop)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if sys.platform == "linux":
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, hard))
    signal.setitimer(signal.ITIMER_PROF, HANGS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, old)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def refuses(read: Callable[[Path], Any], path: Path, *words: str) -> str:
    """Checks that a reader refuses a file within the limits and in one line that names it and has these words; gives the line."""
    with limits(), pytest.raises(DataError) as caught:
        read(path)
    message = caught.value.message
    assert "\n" not in message and message.isprintable(), message
    assert str(path) in message
    for word in words:
        assert word in message, message
    return message


def check_mutants(read: Callable[[Path], Any], good: Path, share: float, named: Path | None = None) -> None:
    """Reads mutants in a file's place, as many as Hypothesis takes examples: each gives a value or a DataError, within the limits.

    share: of the mutants, which must be refused at the least. named: the path that every error must begin with, if not the file's.
    """
    content = good.read_bytes()
    read(good)
    count = settings().max_examples
    errors = 0
    for mutant in mutants(content, count):
        good.write_bytes(mutant)
        try:
            with limits():
                read(good)
        except DataError as error:
            errors += 1
            assert error.message.startswith(str(named or good)) and error.message.isprintable(), error.message
    assert errors >= share * count, f"only {errors} of {count} were refused"
