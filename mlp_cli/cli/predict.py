"""`mlp predict`."""

from __future__ import annotations

import io
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlp_cli.cli.options import OutFile, aligned, debug_option, json_option, notify, print_json, results_option, spare
from mlp_cli.errors import RunError, UsageError

if TYPE_CHECKING:
    from mlp_cli.model import Model

_WIDEST = 40


@click.command(
    short_help="Predict the rows of a file with a run, or with a sweep.",
    epilog="Example: mlp predict @best:val_accuracy digits/ --out digits.csv",
)
@click.argument("run", metavar="RUN|SWEEP")
@click.argument("file")
@click.option("--out", type=OutFile(), metavar="CSV", help="File to write the predictions to, in place of a table.")
@results_option
@json_option
@debug_option
def predict(run: str, file: str, out: Path | None, results: Path, as_json: bool) -> None:
    """Predict the rows of FILE: the class and each class's probability, or the quantity.

    FILE is a table (.csv, .tsv, .parquet), .npz, .npy, an IDX file, a picture or a folder of pictures; - reads CSV from standard
    input. A drawing or photo of your own is turned and fitted as the pictures of mnist and its like were, and that is said. A RUN is
    a folder, a unique prefix of its name, @last, or @best:val_accuracy. A SWEEP predicts with the seeds of its best configuration
    together, as the mean of their probabilities.
    """
    import numpy as np

    spare(file, out)
    from mlp_cli.data.inputs import read_inputs
    from mlp_cli.data.sources import entry_of
    from mlp_cli.text import one_line

    folders, models = _models(run, results)
    model = models[0]
    wanted = model.config.dataset
    frame = entry_of(wanted.name, wanted.subset).frame if wanted.name else None
    inputs = read_inputs(file, model.shape, model.encoding, model.own, frame)
    x, told = model.on_scale(inputs.x, are_bytes=bool(inputs.names))
    for text in (*inputs.notices, *([told] if told else [])):
        notify(text)
    found = np.mean([each.predict(x) for each in models], axis=0)
    columns = {"file": list(inputs.names)} if inputs.names else dict[str, Any]()
    if model.classes:
        named = found > 0.5 if model.task == "multi_label" else found.argmax(axis=1)[:, None] == np.arange(found.shape[1])
        columns["prediction"] = ["; ".join(compress(model.classes, row)) for row in named]
        columns |= {f"p_{name}": found[:, place] for place, name in enumerate(model.classes)}
    else:
        several = found.reshape(len(found), -1).T
        columns |= {f"prediction_{number}" if len(several) > 1 else "prediction": each for number, each in enumerate(several, 1)}
    if as_json:
        names, cells = list(columns), zip(*columns.values(), strict=True)
        print_json({"runs": [str(folder) for folder in folders], "rows": [dict(zip(names, row, strict=True)) for row in cells]})
    elif out is not None:
        _write(out, columns)
        click.echo(f"{len(found):,} rows: {out}")
    else:
        places = "{:.4f}" if model.classes else "{:.6g}"
        texts = {
            name: [one_line(cell, _WIDEST) if isinstance(cell, str) else places.format(cell) for cell in cells]
            for name, cells in columns.items()
        }
        rows = [[one_line(name, _WIDEST) for name in texts], *map(list, zip(*texts.values(), strict=True))]
        click.echo("\n".join(aligned(rows, sum(name in ("file", "prediction") for name in texts) if model.classes else 0)))


def _models(name: str, results: Path) -> tuple[list[Path], list[Model]]:
    """The run that a name means, or the completed seeds of a sweep's best configuration, and their models."""
    from mlp_cli.model import read_model
    from mlp_cli.report.build import make_report
    from mlp_cli.runs import find_run, find_sweep

    sweep = find_sweep(name, results)
    if sweep is None:
        folders = [find_run(name, results, notify=notify)]
    else:
        groups = make_report([sweep]).groups
        if len(groups) > 1 or groups[0].best is None:
            why = "has runs on several data sets" if len(groups) > 1 else "has no best configuration yet"
            raise UsageError(f"{sweep} {why}", "name one of its runs; mlp ls lists them")
        best = groups[0].best
        folders = [each.folder for each in best.completed]
        notify(f"the {len(folders)} seeds of {best.label} together")
    models = [read_model(folder) for folder in folders]
    for folder, model in zip(folders, models, strict=True):
        if (model.shape, model.classes, model.encoding) != (models[0].shape, models[0].classes, models[0].encoding):
            raise RunError(f"{folder} and {folders[0]} take other inputs or know other classes", "name one of them")
    return folders, models


def _write(path: Path, columns: dict[str, Any]) -> None:
    """Writes a CSV file: texts as no spreadsheet computes them, numbers with nine digits."""
    import csv

    from mlp_cli.files import make_parent, write_text
    from mlp_cli.text import inert

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(inert, columns))
    for row in zip(*columns.values(), strict=True):
        writer.writerow([inert(cell) if isinstance(cell, str) else f"{cell:.9g}" for cell in row])
    make_parent(path)
    write_text(path, text.getvalue())
