"""What a sweep will take, without training anything that counts: members, workers, time and disk, from a short calibration."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from mlp_cli.build import Estimate, estimate, load_data
from mlp_cli.config import Config
from mlp_cli.sweep.missing import missing_members
from mlp_cli.sweep.planner import Workload
from mlp_cli.sweep.preflight import Preflight
from mlp_cli.sweep.space import Configuration, unique
from mlp_cli.sweep.sweepfile import SweepPlan
from mlp_cli.sweep.trials import Trials

CALIBRATED = 5
"""So many configurations are measured; the others are taken to cost what their size says."""

_SMALL_FILES = 32 << 10
_START, _AROUND = 1.0, 0.05
"""Seconds until the workers are ready, and what a run takes besides training."""


@dataclass(frozen=True)
class Forecast:
    """labels: of all members, in the order in which they are trained. missing: how many are not done yet. seconds: with all
    workers at work. disk: bytes that the missing ones will take. complete: False where the sampler proposes more later on."""

    labels: tuple[str, ...]
    missing: int
    workload: Workload
    seconds: float
    disk: int
    notices: tuple[str, ...]
    complete: bool


def forecast(planned: SweepPlan, workers: int | None, threads: int | str | None, retry_failed: bool) -> Forecast:
    """Looks at the sweep's folder, and measures a few steps of some members. Writes nothing.

    Errors: as `run_sweep` before anything is trained.
    """
    notices: list[str] = []
    trials = Trials(planned.folder, planned.space.swept)
    trials.scan()
    sampler = planned.start()
    expansion = planned.space.expand(sampler.ask())
    notices += expansion.notices
    configurations = unique(trials.adopt(expansion.configurations))
    missing = {member.id for member in missing_members(planned, trials, configurations, retry_failed)}
    preflight = Preflight(planned.runs, trials, notices.append)
    preflight.check(configurations, lambda run_id: run_id in missing)
    left = [sum(member.id in missing for member in configuration.members) for configuration in configurations]
    workload = preflight.workload(configurations, sum(left), workers, threads)
    if workload.notice:
        notices.append(workload.notice)
    costs = _costs(configurations, left, workload.threads)
    share = _share_of_epochs(planned, len(configurations))
    later = _later(planned, len(expansion.configurations))
    seconds = share * later * sum((cost.seconds + _AROUND) * count for cost, count in zip(costs, left, strict=True))
    if sum(left):
        seconds = _START + seconds / min(workload.workers, sum(left))
    disk = later * sum((cost.parameters * 4 + _SMALL_FILES) * count for cost, count in zip(costs, left, strict=True))
    labels = [member.label for row in zip(*(c.members for c in configurations), strict=True) for member in row]
    return Forecast(
        tuple(labels),
        sum(left),
        workload,
        seconds,
        int(disk),
        tuple(notices),
        later == 1,
    )


def _costs(configurations: Sequence[Configuration], left: Sequence[int], threads: int) -> list[Estimate]:
    """What each configuration costs: measured for a few, spread evenly; for the others by their size, at the mean measured rate."""
    wanted = [number for number, count in enumerate(left) if count]
    step = max(1, -(-len(wanted) // CALIBRATED))
    measured: dict[int, Estimate] = {}
    for number in wanted[::step]:
        config = configurations[number].members[0].config
        measured[number] = estimate(config, load_data(config), threads)
    sizes = [_size(configuration.members[0].config) for configuration in configurations]
    rate = sum(cost.seconds for cost in measured.values()) / max(sum(sizes[number] for number in measured), 1e-9)
    weights = sum(cost.parameters for cost in measured.values()) / max(len(measured), 1)
    return [measured.get(number) or Estimate(int(weights), 0, size * rate) for number, size in enumerate(sizes)]


def _size(config: Config) -> float:
    """Something that grows as the cost of training does: connections between hidden layers, and to both ends, times epochs."""
    sizes = (500, *config.hidden_sizes, 10)
    return config.epochs * sum(before * after for before, after in itertools.pairwise(sizes))


def _share_of_epochs(planned: SweepPlan, configurations: int) -> float:
    """The part of all epochs that halving trains; 1 without it."""
    halving = planned.halving()
    if halving is None:
        return 1.0
    trained, before, count = 0, 0, configurations
    for rung in planned.rungs:
        trained += count * (rung - before)
        before, count = rung, halving.kept(count)
    return trained / max(configurations * planned.rungs[-1], 1)


def _later(planned: SweepPlan, proposed: int) -> float:
    """How many times the first round's configurations there will be in all."""
    return planned.trials / proposed if planned.trials is not None and proposed else 1.0
