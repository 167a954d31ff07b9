"""A report as data: frames, CSV that no spreadsheet takes for formulas, and JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlp_cli.config.resolved import show
from mlp_cli.report.build import CONFIGURATION_COLUMNS, SUMMARY_PARTS
from mlp_cli.report.collect import epochs_done
from mlp_cli.report.model import Configuration, Group, Report, Summary
from mlp_cli.report.tables import one_line
from mlp_cli.text import inert

if TYPE_CHECKING:
    from pandas import DataFrame

_LONGEST_CELL = 500
_OWN_RUN = ("group", "configuration", "id", "name", "status", "seed")
_OWN_SUMMARY = ("group", "n", "failed", "p", "verdict", "difference", "best_epoch", "parameters", "seconds", "label", "id")


def summary_frame(report: Report) -> DataFrame:
    """One row a configuration: the keys that differ, n, each metric's mean, sd, low and high, p, verdict, and more (the columns
    of summary.csv). Cells are plain values, `null` for what is off, or None for what does not apply."""
    import pandas

    keys = _keys(report, _OWN_SUMMARY)
    metrics = _metrics(report)
    columns = ["group", *keys.values(), "n", "failed", *(f"{name}_{part}" for name in metrics for part in SUMMARY_PARTS)]
    columns += ["p", "verdict", "difference", "best_epoch", "parameters", "seconds", "label", "id"]
    rows: list[dict[str, Any]] = []
    for group in report.groups:
        for each in group.configurations:
            own = {keys[key]: _off(value) for key, value in each.differs.items()}
            scores = {
                f"{name}_{part}": getattr(summary, part) for name, summary in each.metrics.items() for part in SUMMARY_PARTS
            }
            own |= {name: getattr(each, name) for name in (*CONFIGURATION_COLUMNS, "id")}
            rows.append(own | scores | {"group": group.title})
    return _frame(pandas, rows, columns)


def runs_frame(report: Report) -> DataFrame:
    """One row a run: its configuration, status, seed, the keys that differ, metrics, epochs, seconds, error and folder."""
    import pandas

    trained = ("epochs_trained", "best_epoch", "parameters", "seconds", "error", "folder")
    keys = _keys(report, (*_OWN_RUN, *trained))
    metrics = _metrics(report)
    named = {name: f"metrics.{name}" if name in (*_OWN_RUN, *trained) else name for name in metrics}
    columns = [*_OWN_RUN, *keys.values(), *named.values(), *trained]
    rows: list[dict[str, Any]] = []
    for group in report.groups:
        for each in group.configurations:
            own = {"group": group.title, "configuration": each.id} | {
                keys[key]: _off(value) for key, value in each.differs.items()
            }
            for run in (*each.runs, *each.copies):
                record = {name: getattr(run.record, name) for name in ("best_epoch", "parameters", "seconds", "error")}
                fixed = {"id": run.id, "name": run.name, "status": run.status, "seed": run.seed, "folder": str(run.folder)}
                scores = {named[name]: value for name, value in run.metrics.items() if name in named}
                rows.append(own | scores | record | fixed | {"epochs_trained": epochs_done(run)})
    return _frame(pandas, rows, columns)


def _keys(report: Report, taken: Sequence[str]) -> dict[str, str]:
    """The keys that differ in any group, and the columns they stand in, which never have the name of another one."""
    keys = dict.fromkeys(key for group in report.groups for key in group.keys)
    other = {*taken, *_metrics(report), *(f"{name}_{part}" for name in _metrics(report) for part in SUMMARY_PARTS)}
    return {key: f"config.{key}" if key in other else key for key in keys}


def _off(value: Any) -> Any:
    """A setting for a cell: `null` where it is off, since an empty cell says that the key does not apply."""
    return show(value) if value is None else value


def _metrics(report: Report) -> list[str]:
    return list(dict.fromkeys(name for group in report.groups for name in group.metrics))


def _frame(pandas: Any, rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> DataFrame:
    cells = [[row.get(name) for name in columns] for row in rows]
    frame: DataFrame = pandas.DataFrame(cells, columns=list(columns), dtype=object)
    return frame


def summary_csv(report: Report, only_changed: bool = False) -> str:
    """summary.csv (see `summary_frame`). only_changed: leave out columns with the same cell in every row."""
    frame = summary_frame(report)
    if only_changed and len(frame) > 1:
        frame = frame.loc[:, [len({csv_cell(cell) for cell in frame[name]}) > 1 for name in frame.columns]]
    return _csv(frame)


def runs_csv(report: Report) -> str:
    """runs.csv (see `runs_frame`)."""
    return _csv(runs_frame(report))


def _csv(frame: DataFrame) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(csv_cell, frame.columns))
    writer.writerows([map(csv_cell, row) for row in frame.itertuples(index=False, name=None)])
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
        "groups": groups,
        "broken": [{"path": str(each.path), "reason": each.reason} for each in report.broken],
        "commands": report.commands,
    }


def _group_json(group: Group) -> dict[str, Any]:
    return {
        "title": group.title,
        "data": group.data,
        "split": group.split,
        "task": group.task,
        "metric": group.monitor,
        "sentence": group.sentence,
        "best": group.best.id if group.best else None,
        "reference": group.reference.id if group.reference else None,
        "keys": group.keys,
        "configurations": [_configuration_json(each) for each in group.configurations],
        "importance": {each.key: each.share for each in group.importance} or None,
        "importance_note": group.importance_note,
        "failures": [
            {"run": str(failure.run.folder), "status": failure.run.status, "cause": failure.cause, "override": failure.override}
            for failure in group.failures
        ],
        "notes": group.notes,
    }


def _configuration_json(each: Configuration) -> dict[str, Any]:
    def values(summary: Summary | None) -> dict[str, Any] | None:
        return None if summary is None else {part: getattr(summary, part) for part in (*SUMMARY_PARTS, "n")}

    own = {
        name: getattr(each, name) for name in ("id", "label", "differs", "n", "failed", "unfinished", "pruned", "p", "verdict")
    }
    own |= {name: getattr(each, name) for name in ("best_epoch", "parameters", "seconds")}
    metrics = {name: values(summary) for name, summary in each.metrics.items()}
    return own | {"metrics": metrics, "paired": values(each.paired), "runs": [str(run.folder) for run in each.runs]}
