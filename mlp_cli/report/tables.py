"""A report as tables. A cell has a value, for data, and a text, for people: summary.csv, the terminal's table, Markdown, the page's
table, --sort and --where all read the same cells."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from mlp_cli.choosing import higher_is_better
from mlp_cli.config.resolved import show
from mlp_cli.errors import UsageError
from mlp_cli.registry import did_you_mean
from mlp_cli.report.collect import epochs_done
from mlp_cli.report.model import SUMMARY_PARTS, Configuration, Group, Report, Summary
from mlp_cli.report.scales import order
from mlp_cli.report.wording import NOTHING, cut, digits, duration, interval, mean_and_sd, p_value, plain
from mlp_cli.text import counted, inert, is_percent, metric_name

OWN_COLUMNS = ("n", "failed", "p", "verdict", "difference", "best_epoch", "parameters", "seconds", "label", "note")
"""What --where and --sort can ask of a configuration besides the keys of its config and its metrics."""

_RUN = ("group", "configuration", "id", "name", "status", "seed")
_TRAINED = ("epochs_trained", "best_epoch", "parameters", "seconds", "error", "tags", "note", "folder")
_INTERVAL = "95 % interval"
_EXPENDABLE = ("parameters", "seconds", "best epoch", _INTERVAL, "difference")
_MOST_BROKEN = 20
_MOST_LISTED = 100
_WIDEST = 40  # characters of a setting, in the tables for people
_LONGEST_NOTE = 80  # characters of a note in the page's table; its run shows it whole
_LONGEST_CELL = 500  # of any cell, in CSV


Texts = tuple[str, list[str]]
"""A column as it is printed: its heading, and a text for each row."""


class Cell(NamedTuple):
    """value: exact, None for what does not apply. text: the same for people; small: the interval of a mean, else nothing."""

    value: Any = None
    text: str = NOTHING
    small: str = ""


class Column(NamedTuple):
    """A column for people. key: its name in --sort, --where and the page's filter. unit: with remarks, as small print."""

    key: str
    title: str
    unit: str = ""
    numeric: bool = True

    @property
    def heading(self) -> str:
        """The title, with the percent sign of an accuracy."""
        return f"{self.title} %" if is_percent(self.key) else self.title


_COLUMNS = {
    "label": Column("label", "configuration", numeric=False),
    "verdict": Column("verdict", "verdict", numeric=False),
    "p": Column("p", "p", "adjusted"),
    "difference": Column("difference", "difference", "paired"),
    "best_epoch": Column("best_epoch", "best epoch"),
    "seconds": Column("seconds", "seconds", "per run"),
    "note": Column("note", "note", numeric=False),
}


def columns(group: Group, names: Iterable[str]) -> list[Column]:
    """The keys that differ, or the label where none does, and after them the columns of these names."""
    spread = ["mean ± sd"] if has_spread(group) else []
    found = [Column(key, key, numeric=False) for key in group.keys] or [_COLUMNS["label"]]
    for name in names:
        unit = ", ".join([*(["%"] if is_percent(name) else []), *(spread if name in group.metrics else [])])
        part = {"val": "validation"}.get(name.partition("_")[0], name.partition("_")[0])
        share = (group.data.get("largest_class") or {}).get(part) if name.endswith("accuracy") else None
        named = "most frequent values" if group.data.get("positive_rates") else "largest class"
        unit += "" if share is None else f"; {named} {100 * share:.1f}"
        found.append(_COLUMNS.get(name) or Column(name, metric_name(name), unit))
    return found


def has_spread(group: Group) -> bool:
    """Whether any configuration has more than one completed seed."""
    return any(summary.sd is not None for each in group.configurations for summary in each.metrics.values())


def noted(group: Group) -> list[str]:
    """The column of notes, where there is any."""
    return ["note"] if any(each.note for each in group.configurations) else []


def cell(group: Group, each: Configuration, key: str) -> Cell:
    """A configuration's cell in a table for people: a key that differs, one of `OWN_COLUMNS`, or a metric (its mean)."""
    if key in group.keys:
        return Cell(each.config[key], show(each.config[key])) if key in each.config else Cell()
    if key not in OWN_COLUMNS:
        summary = each.metrics.get(key)
        return Cell(summary and summary.mean, mean_and_sd(key, summary), interval(key, summary))
    texts = {
        "n": each.count,
        "p": p_value(each.p),
        "difference": mean_and_sd(group.monitor, each.paired),
        "best_epoch": digits(each.best_epoch, 0 if (each.best_epoch or 0.0).is_integer() else 1),
        "parameters": NOTHING if each.parameters is None else f"{each.parameters:,}",
        "seconds": duration(each.seconds),
        "note": cut(each.note, _LONGEST_NOTE),
    }
    value = getattr(each, key)
    return Cell(value, texts.get(key) or str(value) or NOTHING)


def value_of(each: Configuration, column: str) -> Any:
    """A configuration's value in a column of summary.csv, --sort or --where: one of its own (`OWN_COLUMNS`, `id`), a metric's mean,
    `<metric>_sd` and the like, or a key of its config; None without one."""
    if column in (*OWN_COLUMNS, "id"):
        return getattr(each, column)
    for name, part in ((column, "mean"), column.rpartition("_")[::2]):
        if part in SUMMARY_PARTS and name in each.metrics:
            return getattr(each.metrics[name], part)
    return each.config.get(column)


def arrange(report: Report, sort: str) -> None:
    """Sorts each group's configurations by a column, in place.

    sort: a key of the config, a metric, or a column of summary.csv, such as seconds; metrics go best first, all else goes up;
    `best` is the order without sorting; a `-` in front turns it round. Numbers come first, then lists, then text, and last the
    cells without a value. Errors: UsageError with the nearest column.
    """
    column, down = sort.removeprefix("-"), sort.startswith("-")
    keys = [key for group in report.groups for each in group.configurations for key in each.config]
    metrics = _metrics(report)
    known = list(dict.fromkeys(["best", *keys, *metrics, *part_columns(metrics), *OWN_COLUMNS, "id", "group"]))
    if column not in known:
        raise UsageError(
            f"--sort: unknown column {column!r}{did_you_mean(column, known)}",
            f"known: {one_line(', '.join(known[:_MOST_LISTED]))}",
        )
    if column == "group":
        report.groups.sort(key=lambda group: group.title, reverse=down)
        return
    metric = column.removesuffix("_mean")
    best_first = metric in metrics and higher_is_better(metric)
    for group in report.groups:
        if column == "best":
            group.configurations = group.configurations[:: -1 if down else 1]
            continue
        cells = [(value_of(each, column), each) for each in group.configurations]
        ordered = [(order(value), each) for value, each in cells if value is not None]
        ordered.sort(key=lambda pair: pair[0], reverse=down != best_first)
        ordered.sort(key=lambda pair: pair[0][0])
        group.configurations = [each for _, each in ordered] + [each for value, each in cells if value is None]


def keep_top(report: Report, top: int) -> None:
    """Leaves the first `top` configurations of each group in its table, in place."""
    for group in report.groups:
        hide(group, group.configurations[:top])


def hide(group: Group, shown: list[Configuration]) -> None:
    """Leaves only some configurations in a group's tables, in place, and notes it; the statistics stay those of all."""
    total = len(group.configurations)
    if len(shown) < total:
        group.notes.append(f"{len(shown):,} of {total:,} configurations are shown; the verdicts are over all of them.")
    group.configurations = shown
    group.failures = [failure for failure in group.failures if any(failure.run in each.runs for each in shown)]


def is_squared(group: Group) -> bool:
    """Whether a group's losses are squared errors, of which the root is known, in the quantity's own unit."""
    return {each.config.get("loss") for each in group.configurations} == {"mse"} and "val_rmse" in group.metrics


def shown_metrics(group: Group) -> list[str]:
    """What chooses, and the validation and test metrics that a table shows besides: accuracies; losses and R² for a regression,
    of squared losses their roots."""
    endings = ("_rmse" if is_squared(group) else "_loss", "_r2") if group.task == "regression" else ("_loss",)
    kept = [name for name in group.metrics if name.endswith(endings) == (group.task == "regression")]
    return [name for name in group.metrics if name == group.monitor or (name in kept and not name.startswith("train_"))]


def overview(report: Report) -> list[Texts]:
    """The best configuration of each group, where there are several: the data's keys that differ, or the group's title."""
    groups = report.groups if len(report.groups) > 1 else []
    keys = dict.fromkeys(key for group in groups for key in group.data_keys)
    titles = len({tuple((key, show(value)) for key, value in group.data_keys.items()) for group in groups}) < len(groups)
    found = [("data", [group.title for group in groups])] if titles else []
    found += [(key, [show(group.data_keys[key]) if key in group.data_keys else NOTHING for group in groups]) for key in keys]
    found.append(("best", [NOTHING if group.best is None else group.best.label for group in groups]))
    monitors = dict.fromkeys(group.monitor for group in groups)
    for name in monitors:
        texts = [
            NOTHING if group.best is None or group.monitor != name else cell(group, group.best, name).text for group in groups
        ]
        found.append((Column(name, metric_name(name)).heading, texts))
    return found if groups else []


def largest_class(group: Group) -> str:
    """What always naming the largest class would score, or giving each label its more frequent value, in a sentence; nothing for a
    quantity, or where it is not known."""
    shares = group.data.get("largest_class") or {}
    parts = [f"{100 * shares[part]:.1f} % of the {part} rows" for part in ("validation", "test") if part in shares]
    said = (
        "Giving each label its more frequent value is right for" if group.data.get("positive_rates") else "The largest class is"
    )
    return f"{said} {' and '.join(parts)}." if parts else ""


def text_columns(group: Group, only_changed: bool = False) -> list[Texts]:
    """A group's table for a terminal and for Markdown: the heading and the texts of each column.

    only_changed: leave out columns with the same text in every row.
    """
    found: list[Texts] = []
    own = ("best_epoch", "parameters", "seconds", "difference", "p", "verdict", *noted(group))
    for column in columns(group, ("n", *shown_metrics(group), *own)):
        cells = [cell(group, each, column.key) for each in group.configurations]
        found.append((cut(one_line(column.heading), _WIDEST), [cut(one_line(each.text), _WIDEST) for each in cells]))
        if any(each.small for each in cells):
            found.append((_INTERVAL, [each.small for each in cells]))
    one = len(group.configurations) < 2
    return [each for each in found if not only_changed or one or len(set(each[1])) > 1]


def table_text(report: Report, only_changed: bool = False, room: int | None = None) -> str:
    """The whole report for a terminal. room: its width in characters, for which tables leave out what matters least; None for any."""
    table = [(heading, [cut(one_line(text), _WIDEST) for text in texts]) for heading, texts in overview(report)]
    blocks = [[one_line(report.scope)]] if report.scope else []
    blocks += [["  ".join(row).rstrip() for row in zip(*map(_padded, table), strict=True)]] if table else []
    for group in report.groups:
        kept, gone = _fitting(text_columns(group, only_changed), room)
        rows = ["  ".join(row).rstrip() for row in zip(*map(_padded, kept), strict=True)]
        note = ["", f"no room for {', '.join(gone)}: see the page, or a wider terminal"] if gone else []
        blocks.append([one_line(group.title), one_line(group.sentence), "", *rows, *note, "", *_remarks(group)])
    if report.broken:
        title = f"not read: {counted(len(report.broken), 'folder or file', 'folders or files')}"
        blocks.append([title, *(f"  {line}" for line in _broken(report))])
    return "\n\n".join(map("\n".join, blocks))


def _padded(column: Texts) -> list[str]:
    texts = [column[0], *column[1]]
    widest = max(map(len, texts))
    return [text.ljust(widest) for text in texts]


def _fitting(table: list[Texts], room: int | None) -> tuple[list[Texts], list[str]]:
    """The columns that fit, and the names of others; of equal names the last ones go first."""
    kept, gone = list(enumerate(table)), set[str]()
    for name in _EXPENDABLE:
        for each in [each for each in kept[::-1] if each[1][0] == name]:
            if room is not None and sum(len(_padded(column)[0]) + 2 for _, column in kept) - 2 > room:
                kept.remove(each)
                gone.add(name)
    return [column for _, column in kept], list(dict.fromkeys(name for name, _ in table if name in gone))


def _remarks(group: Group) -> list[str]:
    found = [f"note: {one_line(note)}" for note in group.notes]
    found += list(filter(None, [largest_class(group)]))
    if len(group.importance) > 2:  # more than one key and the seeds
        shares = ", ".join(f"{each.key} {100 * each.share:.0f} %" for each in group.importance)
        found.append(f"share of the variance of {metric_name(group.monitor)}: {one_line(shares)}")
    for failure in group.failures:
        found.append(f"{failure.run.status}: {one_line(failure.run.id)}: {one_line(failure.cause)}")
        found += [f"  {one_line(failure.advice)}"] if failure.advice else []
    for state, words in (("unfinished", "not finished yet"), ("pruned", "pruned")):
        count = sum(getattr(each, state) for each in group.configurations)
        found += [f"{counted(count, 'run')} {words}, left out of the statistics"] if count else []
    return [*found, f"{caveat([group])} Choosing is by validation; test is only reported."]


def caveat(groups: Sequence[Group]) -> str:
    """What the numbers do not say, in a sentence."""
    if any(map(has_spread, groups)):
        return "Intervals are over seeds on this split, not over new test sets."
    return "No configuration has two completed seeds: how far the seed moves a score is not known here."


def _broken(report: Report) -> list[str]:
    lines = [f"{one_line(each.path)}: {one_line(each.reason)}" for each in report.broken[:_MOST_BROKEN]]
    rest = len(report.broken) - _MOST_BROKEN
    return lines + ([f"and {rest:,} more"] if rest > 0 else [])


def markdown(report: Report, only_changed: bool = False) -> str:
    """The tables as Markdown, in which nothing of a config is taken for markup."""

    def table(columns: Sequence[Texts]) -> list[str]:
        found = [map(_unmarked, [name, "---", *texts]) for name, texts in columns]
        return ["| " + " | ".join(row) + " |" for row in zip(*found, strict=True)]

    blocks = [[_unmarked(report.scope)]] if report.scope else []
    blocks += [table(overview(report))] if len(report.groups) > 1 else []
    for group in report.groups:
        rows = table(text_columns(group, only_changed))
        remarks = [f"{_unmarked(line)}  " for line in _remarks(group)]
        blocks.append([f"## {_unmarked(group.title)}", "", _unmarked(group.sentence), "", *rows, "", *remarks])
    if report.broken:
        blocks.append(["## Not read", "", *(f"- {_unmarked(line)}" for line in _broken(report))])
    return "\n\n".join(map("\n".join, blocks))


def _unmarked(text: str) -> str:
    safe = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{char}" if char in "\\`*_~#[]|" else char for char in safe)


def one_line(text: object) -> str:
    """Text on one line, with nothing in it that a terminal could act on."""
    return " ".join(plain(text).split())


def summary_csv(report: Report, only_changed: bool = False) -> str:
    """summary.csv: one row a configuration: the keys that differ, n, each metric's mean, sd, low and high, p, verdict, and more.

    only_changed: leave out columns with the same cell in every row.
    """
    own = ("p", "verdict", "difference", "best_epoch", "parameters", "seconds", "note", "label", "id")
    keys = _key_columns(report, ("group", "n", "failed", *own))
    header = ["n", "failed", *part_columns(_metrics(report)), *own]
    rows = [
        {"group": group.title} | _settings(group, each, keys) | {name: value_of(each, name) for name in header}
        for group in report.groups
        for each in group.configurations
    ]
    return _csv(["group", *keys.values(), *header], rows, only_changed)


def runs_csv(report: Report) -> str:
    """runs.csv: one row a run: its configuration, status, seed, the keys that differ, metrics, epochs, seconds, error and folder."""
    keys = _key_columns(report, (*_RUN, *_TRAINED))
    metrics = {name: f"metrics.{name}" if name in (*_RUN, *_TRAINED) else name for name in _metrics(report)}
    rows: list[dict[str, Any]] = []
    for group in report.groups:
        for each in group.configurations:
            own = {"group": group.title, "configuration": each.id} | _settings(group, each, keys)
            for run in (*each.runs, *each.copies):
                found = {name: getattr(run, name) for name in ("id", "name", "status", "seed", "folder")}
                found |= {name: getattr(run.record, name) for name in ("best_epoch", "parameters", "seconds", "error")}
                found |= {"tags": " ".join(run.note.tags), "note": run.note.text}
                scores = {metrics[name]: value for name, value in run.metrics.items() if name in metrics}
                rows.append(own | scores | found | {"epochs_trained": epochs_done(run), "folder": str(run.folder)})
    return _csv([*_RUN, *keys.values(), *metrics.values(), *_TRAINED], rows)


def errors_csv(report: Report) -> str:
    """errors.csv: the rows that every seed of a group's best configuration gets wrong, by their numbers in the set's arrays, from 0."""
    rows: list[dict[str, Any]] = []
    for group in report.groups:
        if found := group.rows:
            own = {"group": group.title, "part": found.part, "seeds": len(found.runs)}
            rows += [own | each._asdict() for each in found.wrong]
    return _csv(["group", "part", "row", "true", "predicted", "agree", "seeds", "probability"], rows)


def _metrics(report: Report) -> list[str]:
    return list(dict.fromkeys(name for group in report.groups for name in group.metrics))


def part_columns(metrics: Iterable[str]) -> list[str]:
    """The columns of summary.csv for these metrics."""
    return [f"{name}_{part}" for name in metrics for part in SUMMARY_PARTS]


def _key_columns(report: Report, taken: Sequence[str]) -> dict[str, str]:
    """The keys that differ in any group, and the columns they stand in, which never have the name of another one."""
    other = {*taken, *_metrics(report), *part_columns(_metrics(report))}
    keys = dict.fromkeys(key for group in report.groups for key in (*group.data_keys, *group.keys))
    return {key: f"config.{key}" if key in other else key for key in keys}


def _settings(group: Group, each: Configuration, keys: Mapping[str, str]) -> dict[str, Any]:
    """The settings by column: `null` for what is off, since an empty cell says that the key does not apply."""
    settings = group.data_keys | each.differs
    return {keys[key]: show(value) if value is None else value for key, value in settings.items()}


def _csv(header: Sequence[str], rows: Sequence[Mapping[str, Any]], only_changed: bool = False) -> str:
    table = [[csv_cell(name), *(csv_cell(row.get(name)) for row in rows)] for name in header]
    if only_changed and len(rows) > 1:
        table = [column for column in table if len(set(column[1:])) > 1]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(zip(*table, strict=True))
    return text.getvalue()


def csv_cell(value: Any) -> str:
    """A cell: numbers exactly, nothing for None, and text on one line that a spreadsheet takes for text: one that begins with
    = + - or @ gets an apostrophe in front, as it would be computed."""
    if value is None or value != value:
        return ""
    text = one_line(value if isinstance(value, str) else show(value))
    text = text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"
    return inert(text) if isinstance(value, str) else text


def as_json(report: Report, only_changed: bool = False) -> dict[str, Any]:
    """The report as plain values for a JSON document. only_changed: leave out of each configuration what is the same in all of its
    group."""
    groups = [_group_json(group) for group in report.groups]
    for group in groups if only_changed else ():
        first, *others = group["configurations"]
        same = [name for name in first if others and all(other[name] == first[name] for other in others)]
        group["configurations"] = [{k: v for k, v in each.items() if k not in same} for each in (first, *others)]
    return {
        "paths": [str(path) for path in report.paths],
        "scope": report.scope,
        "groups": groups,
        "broken": [{"path": str(each.path), "reason": each.reason} for each in report.broken],
        "commands": report.commands,
    }


def _group_json(group: Group) -> dict[str, Any]:
    failures = [
        {"run": str(failure.run.folder), "status": failure.run.status, "cause": failure.cause, "override": failure.override}
        for failure in group.failures
    ]
    return {
        **{name: getattr(group, name) for name in ("title", "data", "split", "task")},
        "metric": group.monitor,
        "sentence": group.sentence,
        **{name: each.id if (each := getattr(group, name)) else None for name in ("best", "reference", "smallest")},
        "margin": group.margin,
        **{name: getattr(group, name) for name in ("keys", "data_keys")},
        "configurations": [_configuration_json(each) for each in group.configurations],
        "importance": {each.key: each.share for each in group.importance} or None,
        "importance_note": group.importance_note,
        "failures": failures,
        "notes": group.notes,
        "rows": _rows_json(group),
    }


def _rows_json(group: Group) -> dict[str, Any] | None:
    if (rows := group.rows) is None:
        return None
    named = {name: getattr(rows, name) for name in ("part", "rows", "ensemble", "pairs", "note")}
    named |= {"rival": None if rows.rival is None else rows.rival._asdict()}
    bins = [each._asdict() for each in rows.bins]
    return named | {"runs": [str(run.folder) for run in rows.runs], "wrong_by_every_seed": len(rows.wrong), "reliability": bins}


def _configuration_json(each: Configuration) -> dict[str, Any]:
    def values(summary: Summary | None) -> dict[str, Any] | None:
        return None if summary is None else {part: getattr(summary, part) for part in (*SUMMARY_PARTS, "n")}

    named = ("id", "label", "differs", "n", "failed", "unfinished", "pruned", "p", "verdict")
    trained = ("interval", "detectable", "seeds_needed", "best_epoch", "parameters", "seconds")
    metrics = {name: values(summary) for name, summary in each.metrics.items()}
    paired = {"paired": values(each.paired), "runs": [str(run.folder) for run in each.runs]}
    return {name: getattr(each, name) for name in (*named, *trained)} | {"metrics": metrics} | paired
