"""`mlp ls` and `mlp diff`: what runs there are, and what differs between two of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlp_cli.cli.options import Folder, aligned, debug_option, json_option, notify, print_json, printable, results_option

if TYPE_CHECKING:
    from mlp_cli.report.diff import Difference

_WIDEST, _WIDEST_NAME = 48, 20


@click.command(short_help="List runs with their status, score, epochs and time.", epilog="Example: mlp ls results")
@click.argument("paths", nargs=-1, type=Folder(), metavar="[PATH]...")
@results_option
@click.option("--where", metavar="EXPR", help="Only the runs that meet a condition: status=failed, val_accuracy>=98%.")
@json_option
@debug_option
def ls(paths: tuple[Path, ...], results: Path, where: str | None, as_json: bool) -> None:
    """List runs with their status, one line each: status, score, data, epochs, time and folder.

    The run that was started or finished last stands at the end: of all results, that is @last. PATH is a run, a sweep or a folder
    of results; without one, all results are listed.
    """
    from mlp_cli.report.collect import list_runs

    asked = list(paths) or ([results] if os.path.lexists(results) else [])
    rows, broken = list_runs(asked, where)
    if as_json:
        print_json({"runs": rows, "broken": [{"path": str(each.path), "reason": each.reason} for each in broken]})
        return
    if rows:
        cells = [("status", "score", "data", "epochs", "time", "folder"), *map(_cells, rows)]
        for line, row in zip(aligned([row[:-1] for row in cells], 3), cells, strict=True):
            click.echo(f"{line}  {row[-1]}")
    for each in broken:
        click.echo(f"{'broken':11}{printable(each.path)}: {printable(each.reason)}")
    if rows and where is None and asked == [results]:
        notify(f"@last is {rows[-1]['folder']}")
    if not rows and where is not None:
        notify(f"no run meets {where}")
    elif not rows and not broken:
        notify(f"no runs in {', '.join(map(str, asked or [results]))}; train one with: mlp train CONFIG")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    from mlp_cli.report.wording import cut, duration, score_text

    score = "" if row["score"] is None else f"{row['metric']} {score_text(row['metric'], row['score'])}"
    epochs = "" if row["epochs"] is None else f"{row['epochs']:g}"
    seconds = "" if row["seconds"] is None else f"{duration(row['seconds'])} s"
    data = printable(cut(row["data"] or "", _WIDEST_NAME))
    notes = [*(f"#{tag}" for tag in row["tags"]), *([row["note"]] if row["note"] else [])]
    return row["status"], score, data, epochs, seconds.rjust(9), printable("  ".join([row["folder"], *notes]))


@click.command(
    short_help="Show where two runs differ: config, environment, metrics.", epilog="Example: mlp diff @last @best:val_accuracy"
)
@click.argument("first", metavar="RUN")
@click.argument("second", metavar="RUN")
@results_option
@json_option
@debug_option
def diff(first: str, second: str, results: Path, as_json: bool) -> None:
    """Show what differs between two runs: config, environment, data, metrics, and the first epoch where their curves part.

    A RUN is a folder, a unique prefix of its name, @last, or @best:val_accuracy.
    """
    from mlp_cli.report.diff import compare_runs
    from mlp_cli.runs import find_run

    found = compare_runs(find_run(first, results, notify=notify), find_run(second, results, notify=notify))
    if as_json:
        print_json(
            {
                "runs": [str(found.first.folder), str(found.second.folder)],
                "same": found.same,
                **{name: {key: list(pair) for key, pair in pairs.items()} for name, pairs in found.sections.items()},
                "curves": {"common_epochs": found.common, "first_epoch": found.first_epoch, "columns": list(found.columns)},
                "mcnemar": found.mcnemar,
            }
        )
    else:
        click.echo("\n".join(_diff_lines(found)))


def _diff_lines(found: Difference) -> list[str]:
    lines = [f"a  {printable(found.first.folder)}", f"b  {printable(found.second.folder)}"]
    for name, pairs in found.sections.items():
        if pairs:
            there = [run.config if name == "config" else () for run in (found.first, found.second)]
            rows = []
            for key, pair in pairs.items():
                texts = zip(_texts(name, key, pair), there, strict=True)
                rows.append((printable(key), *(_cell(text, key in keys) for text, keys in texts)))
            first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
            lines += ["", name, *(f"  {key:{first}}  {a:{second}}  {b}".rstrip() for key, a, b in rows)]
    if found.first_epoch is not None:
        lines += ["", f"the curves part in epoch {found.first_epoch}: {', '.join(map(printable, found.columns))}"]
    elif found.common:
        lines += ["", f"the curves are equal over all {found.common:,} common epochs"]
    if (test := found.mcnemar) is not None:
        alone = f"{test['only_first']:,} only a gets right, {test['only_second']:,} only b"
        lines += [
            "",
            f"of {test['rows']:,} common test rows {alone}: McNemar's exact p = {test['p']:.2g}, for these two trained nets",
        ]
    elif found.mcnemar_note:
        lines += ["", f"test rows are not compared: {printable(found.mcnemar_note)}"]
    return [*lines, *(["nothing differs"] if found.same else [])]


def _texts(section: str, key: str, pair: tuple[Any, Any]) -> list[str]:
    """Two values that differ, as texts that do: scores as in reports, numbers with few digits, a config's values whole."""
    from mlp_cli.config.resolved import show
    from mlp_cli.report.wording import score_text

    whole = [show(value) for value in pair]
    short = [[show(_rounded(value, digits)) for value in pair] for digits in (4, 6, 9)]
    if section == "metrics":
        short.insert(0, [show(value) if value is None else score_text(key, value) for value in pair])
    telling = (texts for texts in short if texts[0] != texts[1])
    return whole if section == "config" else next(telling, whole)


def _rounded(value: Any, digits: int) -> Any:
    """A value with its floats, all through, of so many significant digits."""
    if isinstance(value, dict):
        return {key: _rounded(each, digits) for key, each in value.items()}
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value


def _cell(text: str, is_there: bool) -> str:
    """A value's text, or a dash where a run has none; is_there: whether null is a value, what is off."""
    from mlp_cli.report.wording import cut

    return cut(text, _WIDEST) if is_there or text != "null" else "–"
