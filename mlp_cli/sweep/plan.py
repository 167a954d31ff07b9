"""From a config or sweep file and the command line to a planned sweep: what is trained, where, and what chooses the winner."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlp_cli import runs
from mlp_cli.choosing import higher_is_better
from mlp_cli.config import Config, Document
from mlp_cli.config.overrides import check_document
from mlp_cli.config.problems import check, config_error
from mlp_cli.config.schema import RunName
from mlp_cli.config.yaml_lines import NOWHERE, Problem
from mlp_cli.errors import ConfigError, UsageError
from mlp_cli.nn.losses import losses
from mlp_cli.sweep.arrange import arrange
from mlp_cli.sweep.axes import corners, merged
from mlp_cli.sweep.halving import Halving
from mlp_cli.sweep.identity import sweep_hash
from mlp_cli.sweep.parts import Part, part_of
from mlp_cli.sweep.samplers import Sampler
from mlp_cli.sweep.space import MOST_MEMBERS, Space, size, too_many
from mlp_cli.sweep.sweepfile import Source, document_name, read_source
from mlp_cli.training.evaluate import SCORE_NAMES


@dataclass(frozen=True)
class Asked:
    """What the command line asks for besides KEY=SPEC; None where it leaves that to the file."""

    seeds: int | None = None
    sampler: str | None = None
    trials: int | None = None
    pruner: str | None = None


@dataclass(frozen=True)
class SweepPlan:
    """A sweep before it starts.

    hash: its identity, 64 hex digits. folder: where it lives. trials: how many configurations a sampler draws, None for a grid.
    metric: what chooses, and mode: whether the largest (max) or the smallest (min) is best. rungs: the epochs at which members
    pause, the last epoch at the end; empty without halving.
    """

    name: str
    hash: str
    folder: Path
    space: Space
    sampler: Part
    trials: int | None
    pruner: Part
    metric: str
    mode: str
    rungs: tuple[int, ...]

    @property
    def runs(self) -> Path:
        """The folder of the members' folders."""
        return self.folder / "runs"

    def start(self) -> Sampler:
        """A sampler that has begun. Errors: UsageError, ConfigError for a space that it cannot work with."""
        sampler: Sampler = self.sampler.build()
        self.space.check_all(sampler.begin(self.space.dimensions, self.trials, self.mode))
        return sampler

    def halving(self) -> Halving | None:
        """The pruner's rules, if there is one."""
        pruner: Halving | None = self.pruner.build()
        return pruner


def plan_sweep(path: str | os.PathLike[str], words: Sequence[str], results: Path, asked: Asked) -> SweepPlan:
    """Reads and checks all that describes a sweep. words: KEY=SPEC.

    Errors: ConfigError with every problem of the file, the words and the members that they make; UsageError.
    """
    source = read_source(path)
    found = arrange(source, words, asked.seeds)
    if source.base is None:
        problems = source.problems + found.problems
        own = [str(config_error(source.path, problems))] if problems else []
        raise ConfigError("\n".join([*own, *([str(source.base_error)] if source.base_error else [])]))
    space = Space(
        source.path,
        source.base,
        tuple(found.settings),
        tuple(found.dimensions),
        found.seeds,
        (*source.problems, *found.problems),
        tuple(found.base_problems),
    )
    name = found.name or source.name or _own_name(source.base)
    sampler = _chosen("sampler", asked.sampler, source.sampler, "grid")
    pruner = _chosen("pruner", asked.pruner, source.pruner, "none")
    # A file's number of trials goes with its sampler: --sampler grid takes the place of both.
    trials = asked.trials or (None if asked.sampler == "grid" and sampler is not source.sampler else source.trials)
    _refuse_endless(space, sampler, trials)
    if space.problems or space.base_problems:
        space.check_all(corners(space.dimensions))
    example = _example(space)
    metric, mode, unusual = _metric(source, example)
    digest = sweep_hash(space.fixed, space.swept, sampler.identity() or {}, pruner.identity(), unusual)
    planned = SweepPlan(
        name,
        digest,
        results / runs.run_id(name, digest),
        space,
        sampler,
        trials,
        pruner,
        metric,
        mode,
        _rungs(space, pruner, example),
    )
    _refuse_blind(planned, example)
    return planned


def _chosen(kind: str, asked: str | None, written: Part | None, default: str) -> Part:
    """The part that the command line names, else the file's; the same name means the file's, with its options."""
    if written is not None and asked in (None, written.name):
        return written
    return part_of(kind, asked or default)


def default_metric(config: Config | None) -> str:
    """What chooses if nobody says: the validation accuracy; for regression the validation loss."""
    return "val_loss" if config is not None and losses[config.loss.name].task == "regression" else "val_accuracy"


def usual_mode(metric: str) -> str:
    """Whether the largest or the smallest value of a metric is best."""
    return "max" if higher_is_better(metric) else "min"


def _own_name(base: Document) -> str:
    """The base's own name, where that can name a folder. Errors: ConfigError."""
    name = document_name(base)
    try:
        return str(check(RunName, "name", name))
    except UsageError as error:
        raise config_error(base.source, [Problem(NOWHERE, f"name: {name}", error.message)]) from None


def _refuse_endless(space: Space, sampler: Part, trials: int | None) -> None:
    if sampler.name == "grid":
        count = size([dimension for dimension in space.dimensions if dimension.finite], len(space.seeds))
    else:
        count = (trials or 0) * len(space.seeds)
    if count > MOST_MEMBERS:
        raise too_many(count)


def _example(space: Space) -> Config | None:
    """One member's config; None where it has problems, which are reported with those of all members."""
    first = merged([dimension.assignment(dimension.domain.ends[0]) for dimension in space.dimensions])
    found = check_document(space.base, space.overrides(first))
    return found if isinstance(found, Config) else None


def _metric(source: Source, example: Config | None) -> tuple[str, str, dict[str, str] | None]:
    """The metric, its mode, and what the identity takes of them: None where both are the usual ones.

    Errors: ConfigError for a metric that the members do not have.
    """
    usual = default_metric(example)
    metric = source.metric or usual
    mode = source.mode or usual_mode(metric)
    if example is not None:
        score = SCORE_NAMES[losses[example.loss.name].task]
        names = ["val_loss", f"val_{score}", "train_loss", f"train_{score}"]
        if metric not in names:
            message = f"does not go with loss {example.loss.name}; write one of {', '.join(names)}"
            raise config_error(source.path, [Problem(source.metric_place, f"metric: {metric}", message)])
    return metric, mode, None if (metric, mode) == (usual, usual_mode(usual)) else {"name": metric, "mode": mode}


def _rungs(space: Space, pruner: Part, example: Config | None) -> tuple[int, ...]:
    halving: Halving | None = pruner.build()
    if halving is None or example is None:
        return ()
    if "epochs" in space.swept:
        raise UsageError("--pruner halving compares runs at the same epochs, and epochs varies", "give epochs one value")
    return halving.rungs(example.epochs)


def _refuse_blind(planned: SweepPlan, example: Config | None) -> None:
    """Refuses to search or to prune without a validation part."""
    needed = planned.sampler.name if planned.sampler.name == "tpe" else planned.pruner.name
    blind = example is not None and example.dataset.validation == 0 and planned.metric.startswith("val_")
    if blind and needed != "none":
        raise UsageError(
            f"{needed} is led by {planned.metric}, and dataset.validation is 0",
            "set aside some rows: dataset.validation=0.1, for one",
        )
