"""What a report is made of: plain values, made by `build`, read by tables, figures and the page."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlp_cli.runs import Column, Note, Record

if TYPE_CHECKING:
    from mlp_cli.report.rows import BestRows

RUN_COLUMNS = ("id", "name", "seed", "status", "tag")
"""What --where can ask of a run besides the keys of its config."""
SUMMARY_PARTS = ("mean", "sd", "low", "high")
"""What summary.csv has of each metric, and --where can ask of it."""
WRONG = ("failed", "diverged")
UNFINISHED = ("running", "interrupted")


@dataclass(frozen=True)
class Run:
    """One run's folder, its checked run.json and its curves.

    status: `running, completed, interrupted, failed, diverged, pruned`; a running one whose process is gone is interrupted.
    config: the flat config, dotted keys to plain values (a component's name stands under its own key: `optimizer`,
    `optimizer.beta_1`). epochs: the columns of metrics.csv by name, of equal lengths, None for an empty cell; {} where there is
    no sound metrics.csv. note: what a person wrote about it.
    """

    folder: Path
    record: Record
    status: str
    config: dict[str, Any]
    epochs: dict[str, Column]
    note: Note = field(default_factory=Note)

    @property
    def id(self) -> str:
        """The run's id: its folder's name."""
        return self.folder.name

    @property
    def name(self) -> str:
        """The config's name."""
        return self.record.name or self.folder.name

    @property
    def seed(self) -> int | None:
        """The config's seed."""
        seed = self.config.get("seed")
        return seed if isinstance(seed, int) else None

    @property
    def metrics(self) -> dict[str, float]:
        """The final metrics by name (`val_accuracy`, `test_loss` …), without those that are missing."""
        return {name: value for name, value in self.record.metrics.items() if value is not None}

    @property
    def data(self) -> dict[str, Any]:
        """What run.json says of the data; {} where it says nothing."""
        return {} if self.record.data is None else self.record.data.plain()

    @property
    def tag(self) -> list[str]:
        """The run's tags, any of which --where 'tag=…' may ask for."""
        return self.note.tags

    @property
    def columns(self) -> dict[str, Any]:
        """What --where compares: the config's keys and `RUN_COLUMNS`."""
        return self.config | {name: getattr(self, name) for name in RUN_COLUMNS}

    @property
    def environment(self) -> dict[str, Any]:
        """What run.json says of the environment; {} where it says nothing."""
        return {} if self.record.environment is None else self.record.environment.plain()


@dataclass(frozen=True)
class Summary:
    """A metric over seeds: mean, standard deviation (n − 1) and 95 % interval; all but mean and n are None for n = 1."""

    mean: float
    sd: float | None
    low: float | None
    high: float | None
    n: int


@dataclass
class Configuration:
    """All runs that differ in the seed alone.

    id: 8 hex digits of what the runs share. label: the keys that differ, as `learning_rate=0.001 optimizer=adam`; where no key
    does, the runs' name. differs: the group's differing keys with this configuration's values; a key that it does not have is
    left out. runs: one a seed, by seed; copies: runs of a seed that `runs` has already, not counted anywhere.
    n: completed runs, over which the metrics are; failed: failed and diverged ones; unfinished, pruned: runs in those states,
    left out of the statistics. metrics: by name (`val_accuracy`). p: adjusted, against the group's reference; None where it was
    not tested. verdict: `best, baseline, better, indistinguishable, equivalent, worse, too few seeds`. interval: the ends of the
    simultaneous 95 % interval of its mean minus the reference's, None where it was not tested. detectable: of one that was not told
    apart, the smallest true difference that these seeds find with a chance of 80 %. seeds_needed: with a margin, the seeds of each
    that would find it, 0 for more than 50. paired: of the monitor metric, this
    one minus the reference over their common seeds (shown, not used). best_epoch, parameters, seconds: means over completed
    runs. config: the whole flat config without seed and name.
    """

    id: str
    label: str
    differs: dict[str, Any]
    runs: list[Run]
    n: int
    failed: int
    unfinished: int
    pruned: int
    metrics: dict[str, Summary]
    config: dict[str, Any]
    p: float | None = None
    verdict: str = ""
    interval: tuple[float, float] | None = None
    detectable: float | None = None
    seeds_needed: int | None = None
    paired: Summary | None = None
    best_epoch: float | None = None
    parameters: int | None = None
    seconds: float | None = None
    copies: list[Run] = field(default_factory=list)

    @property
    def completed(self) -> list[Run]:
        """The runs that the statistics are over."""
        return [run for run in self.runs if run.status == "completed"]

    @property
    def difference(self) -> float | None:
        """Mean of the paired differences."""
        return None if self.paired is None else self.paired.mean

    @property
    def note(self) -> str:
        """What a person wrote about its runs, each note once."""
        return "; ".join(dict.fromkeys(text for run in self.runs if (text := str(run.note))))

    @property
    def count(self) -> str:
        """`5`, or `4/5` where one of five failed or diverged."""
        return f"{self.n}/{self.n + self.failed}" if self.failed else str(self.n)


@dataclass(frozen=True)
class Failure:
    """A run that failed or diverged. cause: one sentence. override: what to try, such as `learning_rate=0.003`, None where no
    override would help; advice: the same in a sentence."""

    run: Run
    label: str
    cause: str
    override: str | None
    advice: str


@dataclass(frozen=True)
class Importance:
    """The share (0 … 1) of the monitor metric's variance that a key explains, the seeds' own noise subtracted.

    key: a key that differs; keys that move together are joined by ` + `; `interactions` and `seeds` hold the rest.
    """

    key: str
    share: float


@dataclass
class Group:
    """Configurations that can be compared: equal data, split, validation part and task.

    title: for people. data: name, sha256, train, validation, test, as far as known. split: in words. validation: rows of the
    validation part. task: `classification`, `multi_label` or `regression`. monitor: the metric that chooses (`val_accuracy`, `val_loss`).
    keys: config keys that differ, in the config's order. data_keys: keys of the data set that differ between groups, and this one's
    values. configurations: sorted, best first. sentence: the verdict in words.
    margin: the difference that does not matter, in the monitor's unit; None without one. smallest: the configuration with the fewest
    parameters, fewer than the reference, that is not worse by the margin or, without one, was not told apart.
    reference: what all others are compared with: the best, or the baseline (baseline is then true); None where there is none.
    importance: largest first, or empty, with the reason in importance_note. notes: what a reader must know besides.
    rows: what the seeds of the best predict for single rows; None where none has predictions.
    """

    title: str
    data: dict[str, Any]
    split: str
    validation: int
    task: str
    monitor: str
    keys: list[str]
    configurations: list[Configuration]
    data_keys: dict[str, Any] = field(default_factory=dict)
    sentence: str = ""
    best: Configuration | None = None
    reference: Configuration | None = None
    baseline: bool = False
    margin: float | None = None
    smallest: Configuration | None = None
    importance: list[Importance] = field(default_factory=list)
    importance_note: str = ""
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rows: BestRows | None = None

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics that any configuration has: the monitor's part first, then test, then training."""
        names = dict.fromkeys(name for each in self.configurations for name in each.metrics)
        parts = {"val": 0, "test": 1, "train": 2}
        return sorted(names, key=lambda name: (name != self.monitor, parts.get(name.partition("_")[0], 3), name))


@dataclass(frozen=True)
class Broken:
    """A folder or file that could not be read, and the reason."""

    path: Path
    reason: str


@dataclass
class Report:
    """A whole report. commands: the distinct commands that made the runs. paths: the folders that were asked for. scope: what
    was asked for that leaves something out or changes the verdicts, in sentences; empty for a report of all."""

    groups: list[Group]
    broken: list[Broken]
    commands: list[str]
    paths: list[Path]
    scope: str = ""

    @property
    def runs(self) -> list[Run]:
        """Every run of every group, copies too, by folder."""
        found = [run for group in self.groups for each in group.configurations for run in (*each.runs, *each.copies)]
        return sorted(found, key=lambda run: str(run.folder))
