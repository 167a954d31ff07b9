"""What of a sweep is left to train: one answer for the driver, for a dry run, and for the words at the end."""

from __future__ import annotations

from collections.abc import Sequence

from mlp_cli.choosing import mean_of_all
from mlp_cli.sweep.halving import Bracket
from mlp_cli.sweep.space import Configuration, Member
from mlp_cli.sweep.sweepfile import SweepPlan
from mlp_cli.sweep.trials import Trial, Trials, metric_at


def is_missing(row: Trial | None, until: int | None, retry_failed: bool) -> bool:
    """Whether a member has anything left to do before it reaches the epoch `until` (None: its end). row: what is known of it."""
    if row is None:
        return True
    if row.status in ("failed", "unreadable"):
        return retry_failed
    if row.status == "pruned":
        return until is None or row.epochs < until
    return row.status not in ("completed", "diverged")


def missing_members(
    planned: SweepPlan, trials: Trials, configurations: Sequence[Configuration], retry_failed: bool
) -> list[Member]:
    """The members that are not done, of one round: those that no rung of the halving, if there is one, has left behind so far."""
    rows, halving = trials.rows, planned.halving()
    going = list(configurations)
    if halving is not None:
        bracket = Bracket(planned.rungs, len(configurations), halving, planned.mode)
        while bracket.until is not None and not any(
            is_missing(rows.get(member.id), bracket.until, retry_failed)
            for configuration in going
            for member in configuration.members
        ):
            bracket.judge({number: score_at(planned, trials, configurations[number], bracket.until) for number in bracket.alive})
            going = [configurations[number] for number in bracket.alive]
    members = [member for configuration in going for member in configuration.members]
    return [member for member in members if is_missing(rows.get(member.id), None, retry_failed)]


def score_at(planned: SweepPlan, trials: Trials, configuration: Configuration, epoch: int) -> float | None:
    """The mean over the seeds of the metric that chooses, at an epoch, whatever became of the members after it, so that another
    start decides as this one; None where a seed did not get there. A run that stopped early counts with its last epoch."""
    rows = [row for member in configuration.members if (row := trials.rows.get(member.id)) is not None]
    values = [metric_at(planned.runs / row.id, planned.metric, epoch, row.status == "completed") for row in rows]
    return mean_of_all(values, len(configuration.members))
