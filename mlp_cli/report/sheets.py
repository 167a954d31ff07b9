"""What the page shows of each configuration: its row in the table, and the sheet that opens from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mlp_cli.config.resolved import show
from mlp_cli.report.model import Configuration, Group, Run
from mlp_cli.report.wording import decimals, digits, duration, interval, mean_and_sd, p_value, scaled
from mlp_cli.text import counted, is_percent, metric_name

_VERDICTS = {"best": "is-best", "better": "is-better", "baseline": "is-best", "worse": "is-worse"}
_SHORT = 24  # characters of a setting that stays on one line
_UPRIGHT, _ACROSS = 700, 960  # pixels of a table on A4
_LETTER, _BESIDE = 5.2, 5  # pixels of a letter there, and beside a cell


@dataclass(frozen=True)
class Column:
    """A column of a group's table. key: what the filter calls it; title and unit: its heading."""

    key: str
    title: str
    unit: str = ""
    numeric: bool = True


@dataclass(frozen=True)
class Cell:
    """A cell of the table. of: its heading, for narrow screens; small: a second line; value: the number that the text rounds, to
    sort and filter by, exactly."""

    text: str
    of: str
    look: str = "num"
    small: str = ""
    value: str = ""


@dataclass(frozen=True)
class Row:
    """A configuration's row. id: of the sheet that it opens; look: `best`, `baseline` or nothing."""

    id: str
    label: str
    look: str
    cells: list[Cell]


@dataclass
class Sheet:
    """All about one configuration. differs: key, value here, value of the reference."""

    id: str
    label: str
    summary: str
    verdict: str
    against: str
    differs: list[tuple[str, str, str]] = field(default_factory=list)
    metrics: list[tuple[str, str, str]] = field(default_factory=list)
    scores: list[str] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    copies: str = ""

    @property
    def spread(self) -> bool:
        """Whether any metric has an interval."""
        return any(between for _, _, between in self.metrics)


def shown_metrics(group: Group) -> list[str]:
    """The metrics that have a column: what chooses, the other ones on validation, and the test score; the rest is in the sheets."""
    chosen = [name for name in group.metrics if name == group.monitor or name in ("val_accuracy", "val_r2", "val_loss")]
    test = [name for name in ("test_accuracy", "test_r2", "test_loss") if name in group.metrics]
    return chosen[:2] + test[:1]


def has_spread(group: Group) -> bool:
    """Whether any configuration has more than one completed seed."""
    return any(summary.sd is not None for each in group.configurations for summary in each.metrics.values())


def columns(group: Group) -> list[Column]:
    """The columns of a group's table."""
    found = [Column("rank", "#")]
    found += [Column(key, key, numeric=False) for key in group.keys] or [Column("name", "name", numeric=False)]
    found += [Column("verdict", "verdict", numeric=False), Column("n", "n")]
    for name in shown_metrics(group):
        units = ["%"] if is_percent(name) else []
        units += ["mean ± sd"] if has_spread(group) else []
        found.append(Column(name, metric_name(name), ", ".join(units)))
    if len(group.configurations) > 1:
        found += [Column("p", "p", "adjusted"), Column("paired", "paired difference", "by seed")]
    found.append(Column("best_epoch", "best epoch"))
    if _sizes(group) > 1:
        found.append(Column("parameters", "parameters"))
    found.append(Column("seconds", "seconds", "per run"))
    return found


def _sizes(group: Group) -> int:
    return len({each.parameters for each in group.configurations})


def rows(group: Group, wanted: list[Column], prefix: str) -> list[Row]:
    """The rows of a group's table, in the group's order. prefix: of the sheets' ids."""
    found = []
    for number, each in enumerate(group.configurations, 1):
        cells = [_cell(group, each, column, number) for column in wanted]
        look = each.verdict if each is group.reference and each.verdict in ("best", "baseline") else ""
        found.append(Row(f"{prefix}-c{number}", each.label, look, cells))
    return found


def printed(wanted: list[Column], found: list[Row]) -> str:
    """How a table goes on paper: upright, across the page (`dense`), or with its cells broken over lines too (`dense crowded`)."""

    def letters(number: int, column: Column) -> float:
        cells = [row.cells[number] for row in found]
        texts = [*column.title.split(), *(cell.text[:_SHORT] for cell in cells)]
        small = [column.unit, *(cell.small for cell in cells)]
        return max(*map(len, texts), 0.86 * max(map(len, small)))

    width = sum(_LETTER * letters(number, column) + _BESIDE for number, column in enumerate(wanted))
    return "" if width < _UPRIGHT else "dense" if width < _ACROSS else "dense crowded"


def _cell(group: Group, each: Configuration, column: Column, number: int) -> Cell:
    key = column.key
    head = f"{column.title} (%)" if is_percent(key) else column.title
    if key == "rank":
        return Cell(str(number), "", "")
    if key == "name" and not group.keys:
        return Cell(each.label, head, _length(each.label))
    if key == "verdict":
        return Cell(each.verdict or "–", head, f"short {_VERDICTS.get(each.verdict, '')}".strip())
    if key in group.keys:
        words = show(each.differs[key]) if key in each.differs else "–"
        return Cell(words, head, _length(words) if key in each.differs else "empty", value=_exact(each.differs.get(key)))
    summary = each.metrics.get(key)
    if summary is not None:
        return Cell(mean_and_sd(key, summary), head, "num", interval(key, summary), _exact(scaled(key, summary.mean)))
    difference = None if each.difference is None else scaled(group.monitor, each.difference)
    text, value = {
        "n": (each.count, each.n),
        "p": (p_value(each.p), each.p),
        "paired": (_paired(group, each), difference),
        "best_epoch": (digits(each.best_epoch, 0 if each.n == 1 else 1), each.best_epoch),
        "parameters": ("–" if each.parameters is None else f"{each.parameters:,}", each.parameters),
        "seconds": (duration(each.seconds), each.seconds),
    }.get(key, ("–", None))
    return Cell(text, head, "num" if text != "–" else "num empty", value=_exact(value))


def _exact(value: Any) -> str:
    return repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _length(text: str) -> str:
    return "short" if len(text) <= _SHORT else ""


def _paired(group: Group, each: Configuration) -> str:
    return mean_and_sd(group.monitor, each.paired) if each.paired is not None else "–"


def sheet(group: Group, each: Configuration, ident: str) -> Sheet:
    """The sheet of a configuration: settings against the reference's, all metrics, all runs."""
    reference = group.reference if group.reference is not each else None
    found = Sheet(ident, each.label, _standing(each), _verdict(group, each), _name(group) if reference else "")
    for key in group.keys:
        there = show(reference.differs[key]) if reference and key in reference.differs else "–"
        found.differs.append((key, show(each.differs[key]) if key in each.differs else "–", there))
    for name in group.metrics:
        if name in each.metrics:
            summary = each.metrics[name]
            title = f"{metric_name(name)} (%)" if is_percent(name) else metric_name(name)
            found.metrics.append((title, mean_and_sd(name, summary), interval(name, summary)))
    scores = shown_metrics(group)
    found.scores = [f"{metric_name(name)} (%)" if is_percent(name) else metric_name(name) for name in scores]
    found.runs = [_run(run, each, scores) for run in each.runs]
    if each.copies:
        folders = ", ".join(str(run.folder) for run in each.copies)
        found.copies = f"Further runs of the same seeds, not counted: {folders}"
    return found


def _name(group: Group) -> str:
    return "baseline" if group.baseline else "best"


def _standing(each: Configuration) -> str:
    parts = [each.verdict, f"n\u00a0=\u00a0{each.count}"]
    parts += [counted(each.unfinished, "unfinished", "unfinished")] if each.unfinished else []
    parts += [f"{each.pruned} pruned"] if each.pruned else []
    return ", ".join(part for part in parts if part)


def _verdict(group: Group, each: Configuration) -> str:
    if group.reference is None or each is group.reference or not each.verdict:
        return f"Verdict: {each.verdict}." if each.verdict else ""
    words = f"Against the {_name(group)}: {each.verdict}"
    if each.p is not None:
        words += f", adjusted p\u00a0{p_value(each.p)}" if each.p < 0.001 else f", adjusted p\u00a0=\u00a0{p_value(each.p)}"
    if each.paired is not None:
        unit = " percentage points" if is_percent(group.monitor) else ""
        between = interval(group.monitor, each.paired)
        words += f"; {metric_name(group.monitor)} paired by seed {mean_and_sd(group.monitor, each.paired)}{unit}"
        words += f" (95 % interval {between}, n\u00a0=\u00a0{each.paired.n})" if between else f" (n\u00a0=\u00a0{each.paired.n})"
    return words + "."


def _run(run: Run, each: Configuration, scores: list[str]) -> dict[str, Any]:
    values = []
    for name in scores:
        summary = each.metrics.get(name)
        spread = scaled(name, summary.sd) if summary is not None and summary.sd is not None else None
        value = run.metrics.get(name)
        values.append(digits(None if value is None else scaled(name, value), decimals(name, spread)))
    return {
        "seed": "–" if run.seed is None else str(run.seed),
        "status": run.status,
        "scores": values,
        "epoch": "–" if run.record.best_epoch is None else str(run.record.best_epoch),
        "seconds": duration(run.record.seconds),
        "folder": str(run.folder),
    }
