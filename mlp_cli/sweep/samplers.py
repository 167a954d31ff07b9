"""Samplers: which configurations of a space a sweep tries. Each is asked for a round of them and told how it went."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from typing_extensions import Doc

from mlp_cli.errors import UsageError
from mlp_cli.registry import Registry, Seed
from mlp_cli.rng import Purpose, stream
from mlp_cli.sweep.axes import Assignment, Choices, Dimension, Floats, corners, merged

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

    def begin(self, dimensions: Sequence[Dimension], trials: int | None, mode: str) -> list[Assignment]:
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

    def begin(self, dimensions: Sequence[Dimension], trials: int | None, mode: str) -> list[Assignment]:
        if trials is not None:
            raise UsageError(
                f"a grid takes every combination, and trials asks for {trials:,}",
                "use sampler random or tpe, or leave out trials (--trials, or trials: in the file)",
            )
        for dimension in dimensions:
            if not dimension.finite:
                setting = dimension.settings[0]
                raise UsageError(
                    f"{setting.shown}: a grid needs values, and this is a distribution",
                    "write log(first, last, count) or lin(first, last, count), or add --sampler random --trials 20",
                )
        self._rest = [merged(parts) for parts in itertools.product(*(dimension.values for dimension in dimensions))]
        return []

    def ask(self) -> list[Assignment]:
        """All of them at once."""
        asked, self._rest = self._rest, []
        return asked

    def tell(self, scores: Sequence[Score]) -> None:
        """A grid learns nothing."""


@samplers.register
class Random:
    """Independent draws. More trials keep the first ones (Bergstra and Bengio 2012)."""

    def __init__(self, seed: SearchSeed = 0) -> None:
        self.seed = seed

    def begin(self, dimensions: Sequence[Dimension], trials: int | None, mode: str) -> list[Assignment]:
        self._rest = []
        ordered = _check(dimensions, trials, "random")
        for trial in range(trials or 0):
            shares = stream(self.seed, Purpose.SEARCH, trial).random(len(ordered))
            parts = [
                dimension.assignment(dimension.domain.at(float(share))) for dimension, share in zip(ordered, shares, strict=True)
            ]
            self._rest.append(merged(parts))
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

    def __init__(self, seed: SearchSeed = 0) -> None:
        self.seed = seed

    def begin(self, dimensions: Sequence[Dimension], trials: int | None, mode: str) -> list[Assignment]:
        self._dimensions = _check(dimensions, trials, "tpe")
        self._left = trials or 0
        optuna = _optuna()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        direction = "maximize" if mode == "max" else "minimize"
        self._study = optuna.create_study(direction=direction, sampler=optuna.samplers.TPESampler(seed=self.seed))
        self._asked: list[Any] = []
        return corners(self._dimensions)

    def ask(self) -> list[Assignment]:
        """The next four, or fewer at the end."""
        distributions = {_name(dimension): _distribution(dimension) for dimension in self._dimensions}
        count = min(ROUND, self._left)
        self._left -= count
        self._asked = [self._study.ask(distributions) for _ in range(count)]
        return [merged([self._assignment(dimension, trial) for dimension in self._dimensions]) for trial in self._asked]

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

    def _assignment(self, dimension: Dimension, trial: Any) -> Assignment:
        value, domain = trial.params[_name(dimension)], dimension.domain
        if isinstance(domain, Choices):
            return dimension.assignment(domain.values[value])
        return dimension.assignment(f"{value:.12g}" if isinstance(domain, Floats) else str(value))


def _check(dimensions: Sequence[Dimension], trials: int | None, name: str) -> list[Dimension]:
    """The dimensions in an order that does not depend on how they were given."""
    if not dimensions:
        raise UsageError(
            f"--sampler {name} has nothing to choose from",
            "name a key with several values: learning_rate='loguniform(1e-4, 1e-1)'",
        )
    if trials is None:
        raise UsageError(f"--sampler {name} needs to know how many configurations to try", "add --trials 20, for instance")
    return sorted(dimensions, key=lambda dimension: dimension.keys)


def _name(dimension: Dimension) -> str:
    return "+".join(dimension.keys)


def _distribution(dimension: Dimension) -> Any:
    distributions, domain = _optuna().distributions, dimension.domain
    if isinstance(domain, Choices):
        return distributions.CategoricalDistribution(tuple(range(len(domain.values))))
    if isinstance(domain, Floats):
        return distributions.FloatDistribution(domain.low, domain.high, log=domain.log)
    return distributions.IntDistribution(domain.low, domain.high)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise UsageError("--sampler tpe needs the package optuna", "pip install 'mlp-cli[search]'") from None
    return optuna
