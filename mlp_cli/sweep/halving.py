"""Pruners: which members of a sweep stop before their last epoch. Pure rules; the driver does what they say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from typing_extensions import Doc

from mlp_cli.errors import UsageError
from mlp_cli.registry import Count, Range, Registry

pruners: Registry[Any] = Registry("pruner")


@pruners.register
class Halving:
    """Synchronous successive halving (Jamieson and Talwalkar 2016).

    All train to the first rung, the best part of them to the second, and so on to the last epoch.
    """

    def __init__(
        self,
        factor: Annotated[int, Range(ge=2, le=1000), Doc("One in so many goes on at each rung.")] = 3,
        min_epochs: Annotated[Count, Doc("The first rung has at least so many epochs.")] = 1,
    ) -> None:
        self.factor = factor
        self.min_epochs = min_epochs

    def rungs(self, epochs: int) -> tuple[int, ...]:
        """Epochs at which members pause, the last epoch at the end: epochs divided by powers of the factor, rounded down.

        Errors: UsageError where there would be no rung before the last epoch.
        """
        found = [epochs]
        while (rung := epochs // self.factor ** len(found)) >= self.min_epochs:
            found.append(rung)
        if len(found) == 1:
            raise UsageError(
                f"halving has no rung: a factor of {self.factor} and min_epochs {self.min_epochs} do not go into {epochs} epochs",
                "train for more epochs, or lower min_epochs or factor",
            )
        return tuple(reversed(found))

    def kept(self, count: int) -> int:
        """How many of `count` configurations go on from a rung: the factor's part, rounded down, and at least one."""
        return max(1, count // self.factor)


class Bracket:
    """One set of configurations on its way through the rungs.

    alive: the configurations (by their number) that train to `until`.
    """

    def __init__(self, rungs: tuple[int, ...], count: int, halving: Halving, mode: str) -> None:
        self.rungs, self.halving, self.mode = rungs, halving, mode
        self.alive = list(range(count))
        self.rung = 0

    @property
    def until(self) -> int | None:
        """The epoch to which those alive train now; None for their last one."""
        return self.rungs[self.rung] if self.rung < len(self.rungs) - 1 else None

    def judge(self, scores: Mapping[int, float | None]) -> None:
        """Ends a rung that is not the last. scores: the mean over the seeds for each one alive, None where a seed failed.

        The best go on; of equals the one that was proposed first. One with a failed seed never does.
        """
        sign = -1 if self.mode == "max" else 1
        sound = {number: value for number in self.alive if (value := scores[number]) is not None and math.isfinite(value)}
        ranked = sorted(sound, key=lambda number: (sign * sound[number], number))
        self.alive = sorted(ranked[: self.halving.kept(len(self.alive))])
        self.rung += 1
