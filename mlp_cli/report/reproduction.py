"""Does published experiments again: `python -m mlp_cli.report.reproduction [--quick] [--results DIR]`.

It trains the sweeps of `CLAIMS` into DIR/runs, where the same command finds them again, holds what comes
out against what was claimed, writes DIR/summary.csv and figures, and puts the table into the README.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, TypeAdapter

from mlp_cli import files
from mlp_cli.config import read_document
from mlp_cli.errors import MlpError, UsageError
from mlp_cli.plots import style
from mlp_cli.report.build import make_report
from mlp_cli.report.curves import learning_curves
from mlp_cli.report.model import Configuration
from mlp_cli.report.pictures import WINNERS
from mlp_cli.report.statistics import summarize
from mlp_cli.report.tables import OWN_COLUMNS, part_columns, value_of
from mlp_cli.report.where import parse
from mlp_cli.report.wording import NOTHING, duration, is_loss, score_text
from mlp_cli.text import counted, metric_name

CLAIMS, README = Path("configs/reports/claims.yaml"), Path("README.md")
MARKS = ("<!-- reproduction: begin -->\n", "<!-- reproduction: end -->\n")
"""The lines of the README between which the table stands."""
_HEAD = "| report | claim | ours | | training time | figure | sweep |\n|---|---|---|---|---|---|---|\n"


class Claim(BaseModel, extra="forbid"):
    """A row of the table; `CLAIMS` says what each key means."""

    report: str
    claim: str
    among: str | None = None
    where: str | None = None
    metrics: list[str]
    reached: str | None = None
    figures: list[str] = []
    note: str = ""


class Sweep(BaseModel, extra="forbid"):
    """What is made of a sweep file; `CLAIMS` says what each key means."""

    quick: list[str] | None = None
    optional: bool = False
    figures: dict[str, tuple[str, str | None]] = {}
    claims: list[Claim]


Row = tuple[str, Claim, str, Configuration | None]
"""Sweep file, claim, outcome (`reached`, `not reached`, `shown` or what is missing), and the configuration."""


def train(file: str, runs: Path, words: Sequence[str]) -> tuple[int, Path | None]:
    """Runs `mlp sweep` to its end. Returns its exit code and the sweep's folder, None where it did not begin."""
    sys.stderr.write(f"{file}\n")
    command = [sys.executable, "-m", "mlp_cli", "sweep", file, *words, "--results", str(runs), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        signal.signal(signal.SIGINT, lambda *_: None)  # the terminal tells the sweep too, which ends in good order
        text, _ = child.communicate()
    return child.returncode, Path(json.loads(text)["folder"]) if text else None


def judge(file: str, claim: Claim, folder: Path | None) -> Row:
    """Holds a claim against the runs of a sweep, if there are any.

    Errors: UsageError where its conditions do not pick one configuration.
    """
    if folder is None:
        return file, claim, "its data is not here", None
    groups = make_report([folder], where=claim.among).groups
    every = [each for group in groups for each in group.configurations]
    condition = parse(claim.where, {key for each in every for key in each.config}) if claim.where else None
    picked = [each for each in every if condition is None or condition.test(each.config)]
    if len(picked) != 1:
        some = f"{len(picked)} configurations of {file}"
        raise UsageError(f"{claim.report}, {claim.claim}: {some} in place of one")
    found, state = picked[0], "shown"
    _add_metrics(found)
    if found.n < len(found.runs):
        state = f"{found.n} of {counted(len(found.runs), 'run')} completed"
    elif claim.reached:
        wanted = parse(claim.reached, [*OWN_COLUMNS, *found.metrics, *part_columns(found.metrics)], "reached")
        holds = wanted.test({name: value_of(found, name) for name in wanted.columns})
        state = "reached" if holds else "not reached"
    return file, claim, state, found


def _add_metrics(found: Configuration) -> None:
    """Adds the epoch at which its runs settled, and losses divided by the number of classes, to the metrics, in place."""
    curves = [[loss for loss in run.epochs.get("val_loss", ()) if loss is not None] for run in found.completed]
    settled = [[loss <= 1.02 * min(curve) for loss in curve].index(True) + 1.0 for curve in curves if curve]
    added = {"val_settling_epoch": settled}
    for name in filter(is_loss, found.metrics):
        added[f"{name}_per_output"] = [run.metrics[name] / len(run.data["classes"]) for run in found.completed]
    found.metrics |= {name: summary for name, values in added.items() if (summary := summarize(values))}


def draw(what: str, where: str | None, target: Path, sweep: Path) -> None:
    """Writes a figure of a sweep as a PNG (see `Sweep.figures`). Errors: UsageError where its runs have no such figure."""
    with style.context():
        groups = make_report([sweep], where=where).groups
        panels = (panel for group in groups for panel in learning_curves(group) if panel.name == what)
        if panel := next(panels, None):
            style.save(panel.figure, target)
        elif picture := next((sweep / WINNERS).glob(f"*/plots/{what}.png"), None):
            target.write_bytes(picture.read_bytes())
        else:
            raise UsageError(f"the runs of {sweep} have no figure {what} for {target.name}")


def summary_csv(rows: Sequence[Row]) -> str:
    """A line a claim, with mean and sd of each metric. No times are in it: equal runs give equal bytes."""
    from pandas import DataFrame

    metrics = dict.fromkeys(name for *_, found in rows if found for name in found.metrics)
    columns = ["label", "n", "failed", *(f"{name}_{part}" for name in metrics for part in ("mean", "sd"))]
    table = [
        {"report": claim.report, "claim": claim.claim, "sweep": file, "state": state}
        | {name: value_of(found, name) for name in columns if found}
        for file, claim, state, found in rows
    ]
    return str(DataFrame(table, dtype=object).to_csv(index=False, lineterminator="\n"))


def markdown(rows: Sequence[Row], folder: Path) -> str:
    """The table for people. folder: of the figures, as seen from the file that has the table."""
    lines = []
    for file, claim, state, found in rows:
        ours = took = figures = NOTHING
        if found is not None:
            scores = [(name, found.metrics.get(name)) for name in claim.metrics]
            shown = [f"{metric_name(name)} {score_text(name, each.mean, each.sd)}" for name, each in scores if each]
            ours = f"{', '.join(shown) or NOTHING} ({counted(found.n, 'seed')})"
            took = f"{found.n} × {duration(found.seconds)} s"
            figures = " ".join(f"[{name}]({folder / name}.png)" for name in claim.figures) or NOTHING
        ours += f". {claim.note}" if claim.note else ""
        cells = (claim.report, claim.claim, ours, state, took, figures, f"[{Path(file).stem}]({file})")
        lines.append(f"| {' | '.join(cells)} |\n")
    return _HEAD + "".join(lines)


def reproduce(results: Path, quick: bool) -> tuple[list[Row], int]:
    """Trains what `CLAIMS` needs, and writes summary.csv and the figures.

    quick: the small versions, with two seeds. Returns the rows and the exit code; no rows after a signal.
    """
    rows, worst = list[Row](), 0
    sweeps = TypeAdapter(dict[str, Sweep]).validate_python(read_document(CLAIMS).values)
    files.make_folder(results)
    for file, sweep in [pair for pair in sweeps.items() if not quick or pair[1].quick is not None]:
        code, folder = train(file, results / "runs", [*(sweep.quick or ()), "--seeds", "2"] if quick else [])
        if code < 0 or code > 128:
            return [], code
        if folder is None and code != 3:
            raise MlpError(f"{file} could not be run")
        worst = max(worst, 0 if folder is None and sweep.optional else code)
        rows += [judge(file, claim, folder) for claim in sweep.claims]
        for name, figure in sweep.figures.items():
            if folder:
                draw(*figure, results / f"{name}.png", folder)
    files.write_text(results / "summary.csv", summary_csv(rows))
    return rows, worst


def main() -> int:
    """The command line. Returns the exit code: 1 where a run failed, 3 where a data set is missing."""
    parser = argparse.ArgumentParser(prog="python -m mlp_cli.report.reproduction")
    parser.add_argument("--quick", action="store_true", help="small versions of the sweeps, to see that all works")
    parser.add_argument("--results", type=Path, default=Path("results/reproduction"), help="folder of all that is written")
    asked = parser.parse_args()
    try:
        rows, code = reproduce(asked.results, asked.quick)
        table = markdown(rows, asked.results)
        sys.stdout.write(table)
        if rows and not asked.quick:
            text = README.read_text(encoding="utf-8")
            if not 0 <= text.find(MARKS[0]) < text.find(MARKS[1]):
                raise UsageError(f"{README} has no place for the table", f"write these lines into it:\n{''.join(MARKS)}")
            files.write_text(README, text.partition(MARKS[0])[0] + table.join(MARKS) + text.partition(MARKS[1])[2])
        return code
    except MlpError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
