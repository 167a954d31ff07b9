"""`mlp predict`."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlp_cli.cli.options import Folder, debug_option, json_option, notify, print_json, printable, results_option
from mlp_cli.errors import RunError, UsageError

if TYPE_CHECKING:
    from mlp_cli.model import Model

_WIDEST = 40


@click.command(epilog="Example: mlp predict @best:val_accuracy digits/ --out digits.csv")
@click.argument("run", metavar="RUN|SWEEP")
@click.argument("file")
@click.option("--out", type=Folder(), metavar="CSV", help="File to write the predictions to, in place of a table.")
@results_option
@json_option
@debug_option
def predict(run: str, file: str, out: Path | None, results: Path, as_json: bool) -> None:
    """Predict the rows of FILE: the class and each class's probability, or the quantity.

    FILE is a table (.csv, .tsv, .parquet), .npz, .npy, an IDX file, a picture or a folder of pictures; - reads CSV from standard
    input. A RUN is a folder, a unique prefix of its name, @last, or @best:val_accuracy. A SWEEP predicts with the seeds of its best
    configuration together, as the mean of their probabilities.
    """
    import numpy as np

    from mlp_cli.data.inputs import read_inputs
    from mlp_cli.data.own import Own, Read

    folders, models = _models(run, results)
    model = models[0]
    wanted = model.config.dataset
    own = Own(target=wanted.target, read=Read() if wanted.read is None else Read(**dict(wanted.read)))
    inputs = read_inputs(file, model.shape, model.encoding, own)
    x, told = model.on_scale(inputs.x)
    for text in (*inputs.notices, *([told] if told else [])):
        notify(text)
    found = np.mean([each.predict(x) for each in models], axis=0)
    if as_json:
        rows = [dict(zip(_header(model, inputs.names, found), row, strict=True)) for row in _rows(model, inputs.names, found)]
        print_json({"runs": [str(folder) for folder in folders], "rows": rows})
    elif out is not None:
        _write(out, _header(model, inputs.names, found), _rows(model, inputs.names, found))
        click.echo(f"{len(found):,} rows: {out}")
    else:
        _print(_header(model, inputs.names, found), list(_rows(model, inputs.names, found)))


def _models(name: str, results: Path) -> tuple[list[Path], list[Model]]:
    """The run that a name means, or the completed seeds of a sweep's best configuration, and their models."""
    from mlp_cli.model import read_model
    from mlp_cli.report.build import make_report
    from mlp_cli.runs import find_run

    places = [Path(name)] if name and _is_sweep(Path(name)) else []
    if not places and name and results.is_dir():
        places = [place for place in results.iterdir() if place.name.startswith(name)]
    if len(places) != 1 or not _is_sweep(places[0]):
        folders = [find_run(name, results)]
    else:
        groups = make_report(places).groups
        if len(groups) > 1 or groups[0].best is None:
            why = "has runs on several data sets" if len(groups) > 1 else "has no best configuration yet"
            raise UsageError(f"{places[0]} {why}", "name one of its runs; mlp ls lists them")
        best = groups[0].best
        folders = [each.folder for each in best.completed]
        notify(f"the {len(folders)} seeds of {best.label} together")
    models = [read_model(folder) for folder in folders]
    for folder, model in zip(folders, models, strict=True):
        if (model.shape, model.classes, model.encoding) != (models[0].shape, models[0].classes, models[0].encoding):
            raise RunError(f"{folder} and {folders[0]} take other inputs or know other classes", "name one of them")
    return folders, models


def _is_sweep(folder: Path) -> bool:
    from mlp_cli.runs import SWEEP_FILES

    return os.path.isfile(folder / SWEEP_FILES[0])


def _header(model: Model, names: tuple[str, ...], found: Any) -> list[str]:
    """`file` for pictures, `prediction`, and `p_<class>` for each class; of several quantities `prediction_1`, ….."""
    if model.classes:
        own = ["prediction", *(f"p_{name}" for name in model.classes)]
    else:
        own = ["prediction"] if found.ndim == 1 else [f"prediction_{number}" for number in range(1, found.shape[1] + 1)]
    return ["file", *own] if names else own


def _rows(model: Model, names: tuple[str, ...], found: Any) -> Iterator[list[Any]]:
    """The cells of each row: texts, and numbers of nine digits."""
    for place, values in enumerate(found.reshape(len(found), -1).tolist()):
        numbers = [float(f"{value:.9g}") for value in values]
        guess = [model.classes[max(range(len(values)), key=values.__getitem__)]] if model.classes else []
        yield [*([names[place]] if names else []), *guess, *numbers]


def _write(path: Path, header: list[str], rows: Iterator[list[Any]]) -> None:
    from mlp_cli.files import make_folder, write_text
    from mlp_cli.text import inert

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(inert, header))
    writer.writerows([inert(cell) if isinstance(cell, str) else repr(cell) for cell in row] for row in rows)
    make_folder(path.parent)
    write_text(path, text.getvalue())


def _print(header: list[str], rows: list[list[Any]]) -> None:
    """A table: texts to the left, numbers with four decimals to the right, quantities with six digits."""
    from mlp_cli.text import one_line

    shares = any(name.startswith("p_") for name in header)

    def shown(cell: Any) -> str:
        return one_line(cell, _WIDEST) if isinstance(cell, str) else f"{cell:.4f}" if shares else f"{cell:.6g}"

    cells = [[one_line(name, _WIDEST) for name in header], *([shown(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    texts = {place for place, cell in enumerate(rows[0]) if isinstance(cell, str)}
    for row in cells:
        aligned = (
            cell.ljust(width) if place in texts else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        click.echo(printable("  ".join(aligned).rstrip()))
