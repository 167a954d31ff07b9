"""`mlp report`."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlp_cli.cli.options import Folder, notify, output_options, print_json, results_option
from mlp_cli.errors import RunError, UsageError

if TYPE_CHECKING:
    from mlp_cli.report.model import Report


@click.command(
    short_help="Compare runs: statistics over seeds, verdicts, one page.",
    epilog="Example: mlp report results --where 'learning_rate<0.01 and optimizer=adam' --sort val_accuracy",
)
@click.argument("paths", nargs=-1, type=Folder(), metavar="[PATH]...")
@results_option
@click.option(
    "--sort",
    metavar="COLUMN",
    help="Sort by a config key, a metric or a column of summary.csv; -COLUMN turns it round.  [default: best]",
)
@click.option("--where", metavar="EXPR", help="Only these: comparisons of columns joined by and, or, not and parentheses.")
@click.option("--margin", metavar="X", help="A difference that does not matter: 0.005 or 0.5% of an accuracy, 0.01 of a loss.")
@click.option(
    "--assert", "claim", metavar="EXPR", help="Exit with 1 unless this holds for the best: 'lower(test_accuracy)>=0.97'."
)
@click.option(
    "--watch",
    metavar="[SECONDS]",
    is_flag=False,
    flag_value="5",
    type=click.IntRange(1),
    help="Write the page again as runs end, until none is running; it reloads itself.",
)
@click.option("--only-changed", is_flag=True, help="Print no columns that are the same in every row.")
@click.option("--top", metavar="N", type=click.IntRange(1), help="Print the first N configurations; the files have all.")
@click.option("--baseline", metavar="RUN", help="Compare with the configuration of this run, not with the best.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "md", "json"]),
    default="table",
    show_default=True,
    help="What to print; the files are written all the same.",
)
@click.option("--out", type=Folder(), help="Folder to write to.  [default: PATH/report or results/report]")
@output_options
def report(
    paths: tuple[Path, ...],
    results: Path,
    sort: str | None,
    where: str | None,
    margin: str | None,
    claim: str | None,
    watch: int | None,
    only_changed: bool,
    top: int | None,
    baseline: str | None,
    form: str,
    out: Path | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """Compare runs: statistics over seeds, a verdict for each configuration, and a page with all figures.

    PATH is a run, a sweep or a folder of results; without one, all results are compared. Runs that differ only in the seed are
    one configuration. Writes index.html, summary.csv, runs.csv and plots/. Folders that cannot be read are listed.
    """
    import shutil

    from mlp_cli.report import tables
    from mlp_cli.report.build import check_claim, default_folder, make_report

    home, written = out or default_folder(paths, results), False
    while True:
        states, busy = _look(paths or (results,)) if watch is not None else ([], False)
        try:
            made = make_report(paths, results, where=where, baseline=baseline, margin=margin)
        except UsageError:
            if not busy:
                raise
        else:
            wrong = [] if claim is None else check_claim(made, claim)
            if sort is not None:
                tables.arrange(made, sort)
            page = _write(made, home, out is None, watch if busy else None)
            if busy and not written:
                notify(f"watching; the page is {os.fspath(page or home)}, and Ctrl-C ends this")
                written = True
        if not busy:
            break
        while _look(paths or (results,)) == (states, True):  # until a run begins or ends, or nothing is at work any more
            time.sleep(watch or 1)
    if top is not None:
        tables.keep_top(made, top)
    form = "json" if as_json else form
    if form == "json":
        print_json(tables.as_json(made, only_changed) | {"page": None if page is None else str(page), "assert": wrong})
        return int(bool(wrong))
    if not quiet:
        if form == "table":
            text = tables.table_text(made, only_changed, shutil.get_terminal_size().columns if sys.stdout.isatty() else None)
        else:
            text = {"md": tables.markdown, "csv": tables.summary_csv}[form](made, only_changed)
        click.echo(text.rstrip("\n"))
        if form == "table":
            click.echo(f"\nreport  {page or 'not written'}")
        elif page is not None:
            notify(f"the report is {os.fspath(page)}")
    for line in wrong:
        notify(f"--assert {claim} does not hold: {line}")
    return int(bool(wrong))


def _write(made: Report, home: Path, is_default: bool, reload: int | None) -> Path | None:
    """Writes the report; None where the results, in which nobody asked it to be, cannot be written."""
    from mlp_cli.report.build import write_report

    try:
        return write_report(made, home, reload)
    except RunError as error:
        if not is_default or getattr(error.__cause__, "errno", None) not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        notify(f"nothing is written: {error.message.splitlines()[0]}; --out FOLDER writes the report elsewhere")
        return None


def _look(paths: Sequence[Path]) -> tuple[list[tuple[str, str]], bool]:
    """The runs below with their status, and whether one of them or a sweep is at work."""
    from mlp_cli.report.collect import list_runs
    from mlp_cli.runs import in_use

    states = [(row["folder"], row["status"]) for row in list_runs(paths)[0]]
    places = [place for path in paths for place in (path, *(each for each in path.glob("*") if each.is_dir()))]
    return states, any(map(in_use, places)) or any(status == "running" for _, status in states)
