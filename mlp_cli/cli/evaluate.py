"""`mlp evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mlp_cli.cli.options import aligned, debug_option, json_option, notify, print_json, printable, results_option

_NAMED, _MATRIX, _PAIRS = 40, 20, 10  # classes in the table and in the matrix; confused pairs in its place
_WIDEST = 24


@click.command(
    short_help="Score a completed run on one of its parts.", epilog="Example: mlp evaluate @best:val_accuracy --split test"
)
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

    found = evaluate_run(find_run(run, results, notify=notify), split, notify)
    if as_json:
        print_json(found)
    else:
        click.echo("\n".join(_lines(found)))


def _lines(found: dict[str, Any]) -> list[str]:
    from mlp_cli.evaluation import SPLITS
    from mlp_cli.report.wording import NOTHING, first_upper, score_text
    from mlp_cli.text import counted, is_percent, metric_name, quantity_text

    rows = counted(found["rows"], f"{SPLITS[found['split']]} row")
    lines = [f"{printable(found['run'])}: {rows}, by {found['source']}"]
    if found["split"] == "validation":
        lines.append("epochs and configurations are chosen on these rows; the test part is for judging")
    lines.append("")
    for name, value in found["scores"].items():
        words = first_upper(metric_name(f"test_{name}").removeprefix("test "))
        text = NOTHING if value is None else score_text(name, value) if is_percent(name) else quantity_text(value)
        lines.append(f"{words:24}{text:>10}")
        if name == "accuracy":
            beside = "always naming the largest class" if "confusion" in found else "giving each label its more frequent value"
            lines[-1] += f"   {beside}: {score_text(name, found['largest_class'])}"
    if "residuals" in found:
        levels = [
            f"{f'{100 * float(level):g} % are below':24}{quantity_text(value):>10}" for level, value in found["residuals"].items()
        ]
        return [*lines, "", "Residuals, true − predicted", *levels]
    return [*lines, "", *_class_lines(found["classes"]), *(["", *_confusion_lines(found)] if "confusion" in found else [])]


def _class_lines(classes: list[dict[str, Any]]) -> list[str]:
    """The table of the classes; of very many those with the lowest F1."""
    from mlp_cli.report.wording import digits
    from mlp_cli.text import one_line

    shown = sorted(classes, key=lambda each: (each["f1"] is None, each["f1"]))[:_NAMED] if len(classes) > _NAMED else classes
    rows = [
        [one_line(each["name"], _WIDEST), *(digits(each[key], 4) for key in ("precision", "recall", "f1")), f"{each['n']:,}"]
        for each in shown
    ]
    cut = [f"the {_NAMED} of {len(classes):,} classes with the lowest F1; --json has all"] if len(classes) > _NAMED else []
    return [*aligned([["class", "precision", "recall", "F1", "rows"], *rows]), *cut]


def _confusion_lines(found: dict[str, Any]) -> list[str]:
    """The confusion matrix; of many classes the pairs that are confused most."""
    import numpy as np

    from mlp_cli.evaluation import confused_pairs
    from mlp_cli.text import counted, one_line

    cells, names = found["confusion"], [one_line(each["name"], _WIDEST) for each in found["classes"]]
    if len(names) <= _MATRIX:
        rows = [[name, *(f"{count:,}" for count in row)] for name, row in zip(names, cells, strict=True)]
        return aligned([["true \\ predicted", *names], *rows])
    pairs = confused_pairs(np.array(cells), _PAIRS)
    lines = [f"  {counted(cells[true][guess], 'row')} of {names[true]} as {names[guess]}" for true, guess in pairs]
    return [f"most confused ({len(names):,} classes; --json has the whole matrix)", *lines] if lines else ["no row is wrong"]
