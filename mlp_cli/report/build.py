"""A report from folders, and the files that it is written to."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlp_cli import files, packs
from mlp_cli.config.resolved import show
from mlp_cli.errors import UsageError
from mlp_cli.report.collect import collect
from mlp_cli.report.groups import make_groups
from mlp_cli.report.importance import weigh
from mlp_cli.report.model import RUN_COLUMNS, Broken, Configuration, Group, Report, Run
from mlp_cli.report.rows import best_rows
from mlp_cli.report.scales import is_number, ordered
from mlp_cli.report.tables import OWN_COLUMNS, errors_csv, hide, part_columns, runs_csv, summary_csv, value_of
from mlp_cli.report.triage import triage
from mlp_cli.report.verdict import compare
from mlp_cli.report.wording import plain
from mlp_cli.runs import RECORD, SWEEP_FILES, find_run
from mlp_cli.text import is_percent, listed

if TYPE_CHECKING:
    from mlp_cli.report.where import Condition

_MOST_VALUES = 12  # named one by one where no run meets a condition


def make_report(
    paths: Sequence[Path],
    results: Path = Path("results"),
    *,
    where: str | None = None,
    baseline: str | None = None,
    margin: str | None = None,
) -> Report:
    """The report on all runs below `paths` (of `results` where there are none).

    where: a condition (see `where.parse`). One on the config, seed or status chooses runs before anything is computed; one on
    scores or verdicts chooses configurations afterwards, so that it drops no unlucky seed.
    baseline: a RUN; its configuration is what the others of its group are compared with.
    margin: a difference that does not matter, in the unit of what chooses: `0.005` or `0.5%` of an accuracy.
    Errors: UsageError for an unknown path, column or run, and where there is nothing to report, which then names what is broken.
    """
    asked = list(paths) or [results]
    runs, broken = collect(asked)
    if not runs:
        raise _nothing(asked, broken)
    after: Condition | None = None
    scope: list[str] = []
    if where is not None:
        total = len(runs)
        runs, after = _choose(runs, where)
        scope += [] if after else [_only("runs", where, len(runs), total)]
    groups = make_groups(runs)
    base = None if baseline is None else _find_baseline(groups, baseline)
    for group in groups:
        own = base if base is not None and any(each is base for each in group.configurations) else None
        compare(group, own, None if margin is None else score_value("--margin", group.monitor, margin))
        group.importance, group.importance_note = weigh(group)
        group.failures, group.rows = triage(group), best_rows(group)
    if after is not None:
        total = sum(len(group.configurations) for group in groups)
        groups = _keep(groups, after)
        scope.append(_only("configurations", after.text, sum(len(group.configurations) for group in groups), total))
    scope += [] if base is None else [f"In its group all are compared with the baseline {base.label}."]
    scope += [] if margin is None else [f"A difference of at most {margin} does not matter here."]
    began = sorted(runs, key=lambda run: (run.record.started or "", str(run.folder)))
    commands = dict.fromkeys(run.record.command for run in began if run.record.command)
    return Report(groups, sorted(broken, key=lambda each: str(each.path)), list(commands), asked, " ".join(scope))


def _only(things: str, where: str, kept: int, total: int) -> str:
    """What a condition left out."""
    left = total - kept
    return f"Only {things} where {where}: {left:,} of {total:,} {things} {'is' if left == 1 else 'are'} left out."


def score_value(option: str, metric: str, text: str) -> float:
    """A positive number on the scale of a metric: an accuracy is a fraction, or has a percent sign. Errors: UsageError."""
    share = is_percent(metric)
    try:
        value = float(f"{text[:-1]}e-2") if share and text.endswith("%") else float(text)
    except ValueError:
        value = math.nan
    if text.endswith("%") and not share:
        raise UsageError(
            f"{option} {text}: {metric} is no share, and chooses here", "take runs that an accuracy chooses: --where …"
        )
    if not 0 < value < math.inf:
        raise UsageError(f"{option} {text!r} is no positive number", f"write {'0.005 or 0.5%' if share else '0.01'}, for one")
    if share and value > 1:
        raise UsageError(f"{option} {text}: an accuracy is at most 1", f"write {value / 100:.12g} or {text}%")
    return value


def check_claim(report: Report, text: str) -> list[str]:
    """What does not hold of a claim about the best configuration of each group, in words; nothing where it holds.

    text: a condition as in --where, on the columns of summary.csv; `lower(test_accuracy)` and `upper(…)` are the ends of the mean's
    95 % interval. Errors: UsageError as `where.parse` has them.
    """
    from mlp_cli.report.where import parse

    metrics = {name for group in report.groups for name in group.metrics}
    known = [*OWN_COLUMNS, *metrics, *part_columns(metrics)]
    plain = re.sub(r"\b(lower|upper)\(\s*(\w+)\s*\)", lambda found: f"{found[2]}_{_ENDS[found[1]]}", text)
    condition = parse(plain, sorted(known), "--assert")
    wrong = []
    for group in report.groups:
        row = {} if group.best is None else {name: value_of(group.best, name) for name in condition.columns}
        if group.best is None:
            wrong.append(f"{group.title}: there is no best configuration")
        elif not condition.test(row):
            values = ", ".join(f"{name} is {show(value)}" for name, value in row.items())
            wrong.append(f"{group.title}: {group.best.label}: {values}")
    return wrong


_ENDS = {"lower": "low", "upper": "high"}


def default_folder(paths: Sequence[Path], results: Path = Path("results")) -> Path:
    """Where a report goes: into the one path asked for, beside it where that is a pack, else into the results."""
    if len(paths) == 1 and (inside := packs.find(paths[0])) is not None:
        return inside[0].path.with_name(f"{inside[0].path.stem}_report")
    return (paths[0] if len(paths) == 1 else results) / "report"


def write_report(report: Report, folder: Path, reload: int | None = None) -> Path:
    """Writes index.html, summary.csv, runs.csv, errors.csv and plots/ into a folder, replacing those of an older report. Returns the page.

    An error leaves the older report as it was. reload: seconds after which the page loads itself again.
    Errors: UsageError for the folder of a run or sweep, whose own files and figures would be replaced; RunError where they cannot be
    written.
    """
    from mlp_cli.report import figures
    from mlp_cli.report.page import NAME, page

    for name in (RECORD, *SWEEP_FILES):
        if os.path.lexists(folder / name):
            raise UsageError(
                f"a report is never written into the folder of a run or sweep, and {folder} has a {name}",
                f"choose another folder: --out {folder / 'report'}",
            )
    files.make_folder(folder)
    files.make_folder(home := folder / figures.FOLDER)
    drawn = figures.draw(report, with_files=True)
    pictures = {home / name: content for group in drawn for each in group for name, content in each.files.items()}
    texts = {"summary.csv": summary_csv(report), "runs.csv": runs_csv(report), "errors.csv": errors_csv(report)}
    texts[NAME] = page(report, drawn, reload)
    files.write_together(pictures | {folder / name: text for name, text in texts.items()})
    figures.remove_others(home, pictures)
    return folder / NAME


def _nothing(asked: Sequence[Path], broken: Sequence[Broken]) -> UsageError:
    text = f"there is nothing to report in {', '.join(map(str, asked))}"
    if not broken:
        return UsageError(text, "train something first: mlp train CONFIG")
    return UsageError(f"{text}: no run can be read", "\n".join(f"{each.path}: {each.reason}" for each in broken[:20]))


def _choose(runs: list[Run], where: str) -> tuple[list[Run], Condition | None]:
    """The runs that a condition chooses, and the condition where it is on configurations instead."""
    from mlp_cli.report.where import parse

    keys = [*RUN_COLUMNS, *(key for run in runs for key in run.config)]
    metrics = {name for run in runs for name in run.metrics}
    own = {*OWN_COLUMNS, *metrics, *part_columns(metrics)}.difference(keys)
    condition = parse(where, [*dict.fromkeys(keys), *sorted(own)])
    of_configurations = [name for name in condition.columns if name in own]
    of_runs = [name for name in condition.columns if name in RUN_COLUMNS]
    if of_configurations and of_runs:
        raise UsageError(
            f"--where: {of_runs[0]} is of a run and {of_configurations[0]} of a configuration: they cannot be asked together",
            "ask for one of them here, and choose runs by naming their folders",
        )
    if of_configurations:
        return runs, condition
    rows = [(run, run.columns) for run in runs]
    chosen = [run for run, row in rows if condition.test(row)]
    if not chosen:
        raise UsageError(f"there is nothing to report: no run meets {where}", _there_is(condition, [row for _, row in rows]))
    return chosen, None


def _keep(groups: Sequence[Group], condition: Condition) -> list[Group]:
    """The groups with configurations that meet a condition, the others hidden."""
    seen: list[dict[str, Any]] = []
    for group in groups:
        rows = [(each, {name: value_of(each, name) for name in condition.columns}) for each in group.configurations]
        seen += [row for _, row in rows]
        hide(group, [each for each, row in rows if condition.test(row)])
    kept = [group for group in groups if group.configurations]
    if not kept:
        raise UsageError(f"there is nothing to report: no configuration meets {condition.text}", _there_is(condition, seen))
    return kept


def _there_is(condition: Condition, rows: Sequence[Mapping[str, Any]]) -> str:
    """The values that the columns of a condition have."""
    lines = []
    for name in condition.columns:
        values = [plain(show(value)) for value in ordered(row[name] for row in rows if row.get(name) is not None)]
        numbers = len(values) > _MOST_VALUES and all(is_number(row[name]) for row in rows if row.get(name) is not None)
        shown = [f"{values[0]} to {values[-1]}"] if numbers else values
        lines.append(f"{name} is {listed(shown, _MOST_VALUES)}" if values else f"{name} has no value here")
    return "\n".join(lines)


def _find_baseline(groups: Sequence[Group], baseline: str) -> Configuration:
    """The configuration of a RUN of the report. A prefix may mean several runs, as long as these are of one configuration."""
    runs = [(run, each) for group in groups for each in group.configurations for run in (*each.runs, *each.copies)]
    named = [each for run, each in runs if run.id == baseline]
    named = named or [each for run, each in runs if run.id.startswith(baseline)]
    if named and all(each is named[0] for each in named):
        return named[0]
    folder = find_run(baseline, Path(), [run.folder for run, _ in runs])
    for run, each in runs:
        if os.path.realpath(run.folder) == os.path.realpath(folder):
            return each
    raise UsageError(
        f"--baseline {baseline}: {folder.name} is not among the runs of this report", "name its folder as a PATH too"
    )
