"""All randomness: a generator is a function of (seed, purpose, epoch, step), never a state that somebody must store.

So a resumed run needs no generator state, and one consumer cannot disturb another.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.random import Generator


class Purpose(enum.IntEnum):
    """What a stream is for. The numbers are part of every result: never change or reuse one."""

    INITIALIZE = 1
    SHUFFLE = 2
    DROPOUT = 3
    SPLIT = 4
    LIMIT = 5
    GRADCHECK = 6
    SYNTHETIC = 7
    BENCH = 8
    SEARCH = 9
    NOISE = 10
    MIXUP = 11
    BOOTSTRAP = 12
    AUGMENT = 20
    FEATURES = 21


def stream(seed: int, purpose: Purpose, epoch: int = 0, step: int = 0) -> Generator:
    """A PCG64 generator for one use.

    seed: 0 … 2**32 − 1 (a larger one would spill into the next slot of the seed sequence).
    epoch, step: whatever tells two streams of one purpose apart (a layer's number may stand in for the step); 0 … 2**32 − 1.
    All four are always passed on, since NumPy ignores trailing zeros of a seed tuple only when they are left out of some.
    """
    from numpy.random import PCG64, Generator, SeedSequence

    for name, value in (("seed", seed), ("epoch", epoch), ("step", step)):
        if not 0 <= value < 2**32:
            raise ValueError(f"{name} must be 0 … 2**32 - 1, got {value}")
    return Generator(PCG64(SeedSequence((seed, int(purpose), epoch, step))))
