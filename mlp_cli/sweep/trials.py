"""trials.csv: one row for each member that was ever trained in a sweep's folder. The runs' folders are the truth; this file is
made of them, and only what they do not hold (the number of attempts, a failure that could not be written) is added."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mlp_cli import files, runs
from mlp_cli.choosing import mean_of_all
from mlp_cli.config import Config
from mlp_cli.config.resolved import show
from mlp_cli.errors import RunError, cause_of
from mlp_cli.experiment import missing_files
from mlp_cli.report.wording import cut
from mlp_cli.sweep.halving import Bracket
from mlp_cli.sweep.space import Configuration, Member, swept_values
from mlp_cli.sweep.sweepfile import SweepPlan
from mlp_cli.text import inert

NAME = "trials.csv"
WRONG = ("failed", "diverged", "unreadable")
_LIMIT = 256 << 20


@dataclass(frozen=True)
class Trial:
    """What is known of one member.

    values: the swept keys' values as text, without those that do not apply.
    status: as in run.json, but `unreadable` where that is damaged, and `interrupted` where a completed run has lost some of its
    files, since it is then trained again. error: of the run.
    data: SHA-256 of its data. hash: of its config.
    """

    id: str
    label: str
    values: Mapping[str, str]
    seed: int | None
    status: str
    error: str | None = None
    attempts: int = 1
    epochs: int = 0
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    seconds: float | None = None
    data: str | None = None
    hash: str | None = None

    @property
    def reason(self) -> str:
        """Why it went wrong, on one line; the status, which is shown next to it, is not repeated."""
        text = (self.error or "no reason was written").splitlines()[0].removeprefix(f"{self.status}: ")
        return cut(text, 160) + (f" ({self.attempts} attempts)" if self.attempts > 1 else "")


class Trials:
    """All members of a sweep's folder. keys: the swept keys, in the order of the columns.

    rows: by id, in no order. attempts: of each member, where that is known. current: the ids of the members that the sweep has as
    it is asked for now.
    """

    def __init__(self, folder: Path, keys: Sequence[str]) -> None:
        self.folder, self.keys = folder, tuple(keys)
        self.rows: dict[str, Trial] = {}
        self.attempts: dict[str, int] = {}
        self.current: set[str] = set()

    def scan(self) -> None:
        """Reads the folders anew, and the attempts from an old trials.csv. Errors: RunError where the folders cannot be listed."""
        self.attempts = read_attempts(self.folder / NAME)
        self.rows = {}
        members = self.folder / "runs"
        try:
            names = sorted(os.listdir(members)) if os.path.isdir(members) else []
        except OSError as error:
            raise RunError(f"cannot read {members}: {cause_of(error)}") from error
        for name in names:
            self.refresh(name)

    def refresh(self, run_id: str) -> Trial | None:
        """Reads one member's folder anew; None where it has no run.json."""
        folder = self.folder / "runs" / run_id
        self.rows.pop(run_id, None)
        if (row := trial_of(folder, self.keys)) is not None:
            self.rows[run_id] = replace(row, attempts=self.attempts.get(run_id, 1))
        return self.rows.get(run_id)

    def adopt(self, configurations: Sequence[Configuration]) -> list[Configuration]:
        """Configurations whose members that are here already, under a label that another version of this program gave them, keep it."""
        known = {row.hash: row.id for row in self.rows.values() if row.hash}

        def adopted(member: Member) -> Member:
            name = known.get(member.hash, member.id)
            if name == member.id or not name.endswith(f"-{member.hash[:8]}"):
                return member
            return replace(member, id=name, config=member.config.model_copy(update={"name": name[:-9]}))

        return [replace(configuration, members=tuple(map(adopted, configuration.members))) for configuration in configurations]

    def fail(self, run_id: str, config: Config, error: str | None) -> Trial:
        """Notes a failure that the member's folder does not show. config: the member's."""
        row = self.rows.get(run_id) or Trial(run_id, config.name, row_values(config.to_dict(), self.keys), config.seed, "failed")
        self.rows[run_id] = replace(row, status="failed", error=error, attempts=self.attempts.get(run_id, 1))
        return self.rows[run_id]

    def write(self) -> None:
        """Replaces trials.csv. Errors: RunError where it cannot be written."""
        names = list(dict.fromkeys(name for row in self.rows.values() for name in row.metrics))
        head = ["id", "label", *self.keys, "seed", "status", "attempts", *names, "seconds", "current"]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(map(safe, head))
        for row in sorted(self.rows.values(), key=lambda row: row.id):
            cells = [row.id, row.label, *(row.values.get(key, "") for key in self.keys), row.seed, row.status, row.attempts]
            measured = [row.metrics.get(name) for name in names]
            current = "true" if row.id in self.current else "false"
            writer.writerow(map(safe, [*cells, *measured, row.seconds, current]))
        files.write_text(self.folder / NAME, text.getvalue())


def rebuild(folder: Path) -> None:
    """Writes a sweep's trials.csv anew from its members' folders; which keys are swept and who is current stay as they stand there.

    Nothing is done where there is none. Errors: RunError where it cannot be written.
    """
    head, rows = _table(folder / NAME)
    if head[:2] == ["id", "label"] and "status" in head:
        trials = Trials(folder, head[2 : head.index("status") - 1])
        trials.scan()
        trials.current = {row["id"] for row in rows if row.get("current") == "true"} & trials.rows.keys()
        trials.write()


def safe(value: object) -> str:
    """A cell: numbers exactly, nothing for None and NaN, text without line breaks and harmless to a spreadsheet, which would
    compute one that begins with = + - or @."""
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return repr(value)
    return inert(" ".join(value.splitlines())) if isinstance(value, str) else str(value)


def trial_of(folder: Path, keys: Sequence[str]) -> Trial | None:
    """A member from its folder; None where that has no run.json. keys: the swept keys."""
    try:
        record, status = runs.read_status(folder)
    except RunError as error:
        return Trial(folder.name, folder.name, {}, None, "unreadable", error.message)
    if record is None:
        return None
    return Trial(
        folder.name,
        record.name or folder.name,
        row_values(record.config, keys),
        record.config["seed"],
        "interrupted" if status == "completed" and missing_files(folder) else status,
        record.error,
        epochs=record.epochs or 0,
        metrics=record.metrics,
        seconds=record.seconds,
        hash=record.config_hash,
        data=record.data_sha256,
    )


def row_values(config: Mapping[str, Any], keys: Sequence[str]) -> dict[str, str]:
    """The swept values of a plain config as text for tables: `adam`, `0.001`, `[300, 100]`; empty where it is no config."""
    try:
        values = swept_values(config, keys)
    except (ValueError, RecursionError):
        return {}
    return {key: value if isinstance(value, str) else show(value) for key, value in values.items()}


def read_attempts(path: Path) -> dict[str, int]:
    """The number of attempts of each member, from an old trials.csv; empty where there is none, or it is damaged."""
    pairs = [(row.get("id") or "", row.get("attempts") or "") for row in _table(path)[1]]
    return {name: int(count) for name, count in pairs if count.isdecimal() and len(count) < 10}


def _table(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """The heading and the rows of an old trials.csv; nothing where there is none, or it is damaged."""
    try:
        text = files.read_bytes(path, _LIMIT, RunError).decode("utf-8", "replace")
        reader = csv.DictReader(io.StringIO(text))
        return list(reader.fieldnames or ()), list(reader)
    except (RunError, csv.Error):
        return [], []


def metric_at(folder: Path, metric: str, epoch: int, ended: bool) -> float | None:
    """A metric at an epoch, from a run's metrics.csv; at its last one where it has ended before. None where there is none."""
    try:
        curves = runs.read_curves(folder)
    except RunError:
        return None
    values = {int(row or 0): value for row, value in zip(curves.get("epoch", ()), curves.get(metric, ()), strict=False)}
    return values.get(min(epoch, max(values)) if ended and values else epoch)


def is_missing(row: Trial | None, until: int | None, retry_failed: bool) -> bool:
    """Whether a member has anything left to do before it reaches the epoch `until` (None: its end). row: what is known of it."""
    if row is None:
        return True
    if row.status in ("failed", "unreadable"):
        return retry_failed
    if row.status == "pruned":
        return until is None or row.epochs < until
    return row.status not in ("completed", "diverged")


def course(
    planned: SweepPlan, trials: Trials, asked: Sequence[Configuration]
) -> Iterator[tuple[list[Configuration], int | None]]:
    """Which configurations of a round train to which epoch, rung after rung; None for their last one.

    A rung is judged when the next one is asked for, by what the runs' folders say then.
    """
    halving = planned.halving()
    if halving is None:
        yield list(asked), None
        return
    bracket = Bracket(planned.rungs, len(asked), halving, planned.mode)
    while bracket.alive:
        until = bracket.until
        yield [asked[number] for number in bracket.alive], until
        if until is None:
            return
        bracket.judge({number: score_at(planned, trials, asked[number], until) for number in bracket.alive})


def missing_members(planned: SweepPlan, trials: Trials, asked: Sequence[Configuration], retry_failed: bool) -> list[Member]:
    """The members that are not done, of one round: those that no rung of the halving, if there is one, has left behind so far."""

    def missing(configurations: Sequence[Configuration], until: int | None) -> list[Member]:
        members = [member for each in configurations for member in each.members]
        return [member for member in members if is_missing(trials.rows.get(member.id), until, retry_failed)]

    for going, until in course(planned, trials, asked):
        if until is None or missing(going, until):
            return missing(going, None)
    return []


def score_at(planned: SweepPlan, trials: Trials, configuration: Configuration, epoch: int) -> float | None:
    """The mean over the seeds of the metric that chooses, at an epoch, whatever became of the members after it, so that another
    start decides as this one; None where a seed did not get there. A run that stopped early counts with its last epoch."""
    rows = [row for member in configuration.members if (row := trials.rows.get(member.id)) is not None]
    values = [metric_at(planned.runs / row.id, planned.metric, epoch, row.status == "completed") for row in rows]
    return mean_of_all(values, len(configuration.members))
