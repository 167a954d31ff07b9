"""`mlp evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlp_cli.cli.options import debug_option, json_option, notify, print_json, printable, results_option

if TYPE_CHECKING:
    from mlp_cli.evaluation import Evaluation

_NAMED, _MATRIX, _PAIRS = 40, 20, 10  # classes in the table and in the matrix; confused pairs in its place
_WIDEST = 24


@click.command(epilog="Example: mlp evaluate @best:val_accuracy --split test")
@click.argument("run", metavar="RUN")
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    default="test",
    show_default=True,
    help="The part of the run's data to score it on.",
)
@results_option
@json_option
@debug_option
def evaluate(run: str, split: str, results: Path, as_json: bool) -> None:
    """Score a completed run: all metrics, each class's precision and recall, the confusion matrix.

    Of a quantity RMSE, mean absolute error, R² and the residuals. A RUN is a folder, a unique prefix of its name, @last, or
    @best:val_accuracy. The network of model.npz goes over the run's data in evaluation mode. Where the data is gone, validation
    and test part are scored by predictions.npz.
    """
    from mlp_cli.evaluation import evaluate_run
    from mlp_cli.runs import find_run

    found = evaluate_run(find_run(run, results), split, notify)
    if as_json:
        print_json(found.plain())
        return
    click.echo("\n".join(_lines(found)))


def _lines(found: Evaluation) -> list[str]:
    from mlp_cli.evaluation import SPLITS
    from mlp_cli.report.wording import digits, first_upper, score_text
    from mlp_cli.text import counted, metric_name

    lines = [f"{printable(found.folder)}: {counted(found.rows, f'{SPLITS[found.split]} row')}, by {found.source}"]
    if found.split == "validation":
        lines.append("epochs and configurations are chosen on these rows; the test part is for judging")
    lines.append("")
    for name, value in found.scores.items():
        text = "–" if value is None else score_text(name, value)
        beside = ""
        if name == "accuracy" and found.largest_class is not None:
            beside = f"   always naming the largest class: {score_text('accuracy', found.largest_class)}"
        words = metric_name(f"test_{name}").removeprefix("test ")
        lines.append(f"{first_upper(words):24}{text:>10}{beside}")
    if found.residuals:
        lines += ["", "Residuals, true − predicted"]
        lines += [f"{f'{100 * level:g} % are below':24}{digits(value, 4):>10}" for level, value in found.residuals.items()]
    if found.confusion is not None:
        lines += ["", *_class_lines(found), "", *_confusion_lines(found)]
    return lines


def _class_lines(found: Evaluation) -> list[str]:
    """The table of the classes; of very many those with the lowest F1."""
    from mlp_cli.report.wording import digits

    shown = found.classes
    note = []
    if len(shown) > _NAMED:
        shown = sorted(shown, key=lambda each: (each.f1 is None, each.f1))[:_NAMED]
        note = [f"the {_NAMED} of {len(found.classes):,} classes with the lowest F1; --json has all"]
    rows = [["class", "precision", "recall", "F1", "rows"]]
    for each in shown:
        rows.append([_name(each.name), *(digits(value, 4) for value in (each.precision, each.recall, each.f1)), f"{each.n:,}"])
    return [*_table(rows), *note]


def _confusion_lines(found: Evaluation) -> list[str]:
    """The confusion matrix; of many classes the pairs that are confused most."""
    from mlp_cli.evaluation import confused_pairs
    from mlp_cli.text import counted

    cells, names = found.confusion, [_name(each.name) for each in found.classes]
    assert cells is not None
    if len(names) <= _MATRIX:
        rows = [["true \\ predicted", *names]]
        rows += [[name, *(f"{count:,}" for count in row)] for name, row in zip(names, cells.tolist(), strict=True)]
        return _table(rows)
    pairs = confused_pairs(cells, _PAIRS)
    lines = [f"  {counted(int(cells[true, guess]), 'row')} of {names[true]} as {names[guess]}" for true, guess in pairs]
    return [f"most confused ({len(names):,} classes; --json has the whole matrix)", *lines] if lines else ["no row is wrong"]


def _name(text: str) -> str:
    from mlp_cli.text import one_line

    return one_line(text, _WIDEST)


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns at one width each, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) if place == 0 else cell.rjust(width) for place, (cell, width) in enumerate(cells)).rstrip()
        for cells in (list(zip(row, widths, strict=True)) for row in rows)
    ]
