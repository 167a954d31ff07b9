"""Samplers: which configurations of a space a sweep tries. Each is asked for a round of them and told how it went."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from typing_extensions import Doc

from mlp_cli.errors import UsageError
from mlp_cli.registry import Registry, Seed
from mlp_cli.rng import Purpose, stream
from mlp_cli.sweep.space import Assignment, Axis, Range, corners, merged, ranges_in, rounded

SearchSeed = Annotated[Seed, Doc("Fixes the draws.")]

ROUND = 4
"""Configurations that TPE proposes before it is told of them; fixed, so that the number of workers changes no proposal."""


@dataclass(frozen=True)
class Score:
    """How a configuration did: the mean of the metric over its seeds, None where one failed; `epoch` where it was stopped there."""

    value: float | None
    epoch: int | None = None


class Sampler(Protocol):
    """What a sweep needs of a sampler: `begin` once, then `ask` and `tell` in turn until nothing more is asked for."""

    notice: str | None
    """What the user should know of the draws, once they are made."""

    def begin(self, axes: Sequence[Axis], trials: int | None, mode: str) -> list[Assignment]:
        """Starts. trials: how many configurations; mode: max or min. Returns assignments that must be valid although they may
        not be proposed. Errors: UsageError for a space or a number that the sampler cannot work with."""

    def ask(self) -> list[Assignment]:
        """The next round; empty at the end."""

    def tell(self, scores: Sequence[Score]) -> None:
        """The scores of the last round, in its order."""


samplers: Registry[Any] = Registry("sampler")


@samplers.register
class Grid:
    """Every combination of the values, the last key varying fastest."""

    notice = None

    def begin(self, axes: Sequence[Axis], trials: int | None, mode: str) -> list[Assignment]:
        if trials is not None:
            raise UsageError(
                f"a grid takes every combination, and trials asks for {trials:,}",
                "use sampler random or tpe, or leave out trials (--trials, or trials: in the file)",
            )
        for axis in axes:
            for drawn in ranges_in(axis.values)[:1]:
                raise UsageError(
                    f"{axis.keys[0]}: a grid needs values, and {drawn} is a distribution",
                    "write log(first, last, count) or lin(first, last, count), or add --sampler random --trials 20",
                )
        self._rest = [merged(parts) for parts in itertools.product(*(axis.corners() for axis in axes))]
        return []

    def ask(self) -> list[Assignment]:
        """All of them at once."""
        asked, self._rest = self._rest, []
        return asked

    def tell(self, scores: Sequence[Score]) -> None:
        """A grid learns nothing."""


@samplers.register
class Random:
    """Independent draws (Bergstra and Bengio 2012), without repeating one where there are finitely many. More trials keep the
    first ones."""

    def __init__(self, seed: SearchSeed = 0) -> None:
        self.seed = seed

    def begin(self, axes: Sequence[Axis], trials: int | None, mode: str) -> list[Assignment]:
        self.notice = None
        ordered = _check(axes, trials, "random")
        sizes = [axis.size for axis in ordered]
        size = None if None in sizes else math.prod(each for each in sizes if each is not None)
        drawn: dict[str, Assignment] = {}
        for trial in range(trials or 0):
            if len(drawn) == size:
                self.notice = f"there are {size:,} configurations, fewer than the {trials:,} trials; each is tried once"
                break
            share = stream(self.seed, Purpose.SEARCH, trial).random
            found = merged([axis.draw(share) for axis in ordered])
            while size is not None and repr(found) in drawn:
                found = merged([axis.draw(share) for axis in ordered])
            drawn[repr(found) if size is not None else str(trial)] = found
        self._rest = list(drawn.values())
        return []

    def ask(self) -> list[Assignment]:
        """All of them at once."""
        asked, self._rest = self._rest, []
        return asked

    def tell(self, scores: Sequence[Score]) -> None:
        """Independent draws learn nothing."""


@samplers.register
class Tpe:
    """Tree-structured Parzen estimator (Bergstra et al. 2011), by optuna.

    It is asked in rounds of 4 and told in the order of the trials, so that the same command proposes the same configurations;
    a sweep that goes on replays the rounds that are done. Another version of optuna may propose others.
    """

    notice = None

    def __init__(self, seed: SearchSeed = 0) -> None:
        self.seed = seed

    def begin(self, axes: Sequence[Axis], trials: int | None, mode: str) -> list[Assignment]:
        self._axes = _check(axes, trials, "tpe")
        self._left = trials or 0
        optuna = _optuna()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        direction = "maximize" if mode == "max" else "minimize"
        self._study = optuna.create_study(direction=direction, sampler=optuna.samplers.TPESampler(seed=self.seed))
        self._asked: list[Any] = []
        return corners(self._axes)

    def ask(self) -> list[Assignment]:
        """The next four, or fewer at the end."""
        count = min(ROUND, self._left)
        self._left -= count
        self._asked = [self._study.ask() for _ in range(count)]
        return [merged([_suggest(axis, trial) for axis in self._axes]) for trial in self._asked]

    def tell(self, scores: Sequence[Score]) -> None:
        """In the order of the trials. One that was stopped early counts with its score at that epoch, after all that were not."""
        states = _optuna().trial.TrialState
        for trial, score in zip(self._asked, scores, strict=True):
            if score.value is None:
                self._study.tell(trial, state=states.FAIL)
            elif score.epoch is not None:
                trial.report(score.value, score.epoch)
                self._study.tell(trial, state=states.PRUNED)
            else:
                self._study.tell(trial, score.value)


def _check(axes: Sequence[Axis], trials: int | None, name: str) -> list[Axis]:
    """The axes in an order that does not depend on how they were given."""
    if not axes:
        raise UsageError(
            f"--sampler {name} has nothing to choose from",
            "name a key with several values: learning_rate='loguniform(1e-4, 1e-1)'",
        )
    if trials is None:
        raise UsageError(f"--sampler {name} needs to know how many configurations to try", "add --trials 20, for instance")
    return sorted(axes, key=lambda axis: axis.keys)


def _suggest(axis: Axis, trial: Any) -> Assignment:
    """A trial's values of an axis: a row, and a number from each range in it."""
    name = "+".join(axis.keys)
    number = trial.suggest_categorical(name, range(len(axis.values))) if len(axis.values) > 1 else 0
    names = (f"{name}/{number}/{place}" for place in itertools.count())

    def take(drawn: Range) -> Any:
        if drawn.step is None:
            return rounded(trial.suggest_float(next(names), drawn.low, drawn.high, log=drawn.log))
        return trial.suggest_int(next(names), drawn.low, drawn.high, step=drawn.step, log=drawn.log)

    return axis.assignment(axis.values[number], take)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise UsageError("--sampler tpe needs the package optuna", "pip install 'mlp-cli[search]'") from None
    return optuna
