"""`mlp report`."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import click

from mlp_cli.cli.options import Folder, debug_option, json_option, notify, print_json, quiet_option, results_option


@click.command(epilog="Example: mlp report results --where 'learning_rate<0.01 and optimizer=adam' --sort val_accuracy")
@click.argument("paths", nargs=-1, type=Folder(), metavar="[PATH]...")
@results_option
@click.option(
    "--sort",
    metavar="COLUMN",
    help="Sort by a config key, a metric or a column of summary.csv; -COLUMN turns it round.  [default: best]",
)
@click.option("--where", metavar="EXPR", help="Only these: comparisons of columns joined by and, or, not and parentheses.")
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
@quiet_option
@json_option
@debug_option
def report(
    paths: tuple[Path, ...],
    results: Path,
    sort: str | None,
    where: str | None,
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
    from mlp_cli.report import tables
    from mlp_cli.report.build import default_folder, make_report, write_report

    made = make_report(paths, results, where=where, baseline=baseline)
    if sort is not None:
        tables.arrange(made, sort)
    page = write_report(made, out or default_folder(paths, results))
    if top is not None:
        tables.keep_top(made, top)
    form = "json" if as_json else form
    if form == "json":
        print_json(tables.as_json(made, only_changed) | {"page": str(page)})
        return 0
    if not quiet:
        if form == "table":
            text = tables.table_text(made, only_changed, shutil.get_terminal_size().columns if sys.stdout.isatty() else None)
        else:
            text = {"md": tables.markdown, "csv": tables.summary_csv}[form](made, only_changed)
        click.echo(text.rstrip("\n"))
        if form == "table":
            click.echo(f"\nreport  {page}")
        else:
            notify(f"the report is {os.fspath(page)}")
    return 0
