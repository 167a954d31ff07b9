"""`mlp export`."""

from __future__ import annotations

from pathlib import Path

import click

from mlp_cli.cli.options import OutFile, notify, output_options, print_json, printable, results_option, spare

FORMATS = ("onnx", "npz", "html")
"""A format's name is the suffix of its file as well."""


def _write(form: str, folder: Path, out: Path) -> str:
    """Writes the model of a run's folder into a file; returns what its inputs are, nothing for a page."""
    if form == "html":
        from mlp_cli.play.page import write_page

        write_page(folder, out, notify)
        return ""
    from mlp_cli.export import input_text, write_npz, write_onnx
    from mlp_cli.model import read_model

    model = read_model(folder)
    (write_onnx if form == "onnx" else write_npz)(model, out)
    return f"{input_text(model)}; {'the graph scales them itself' if form == 'onnx' else 'centre, scale and shift scale them'}"


@click.command(short_help="Write a trained model for other programs.", epilog="Example: mlp export @last --format onnx")
@click.argument("run", metavar="RUN")
@click.option("--format", "form", type=click.Choice(FORMATS), required=True, help="What to write.")
@click.option("--out", type=OutFile(), help="File to write.  [default: <RUN's name>.<format>]")
@results_option
@output_options
def export(run: str, form: str, out: Path | None, results: Path, quiet: bool, as_json: bool) -> None:
    """Write a trained model for other programs.

    onnx: one graph of scaling, features, network and softmax, from raw inputs to probabilities. npz: plain arrays, with a formula
    for each step in the README. html: one page that plays the network in a browser, offline. A RUN is a folder, a unique prefix of
    its name, @last, or @best:val_accuracy.
    """
    from mlp_cli.files import make_parent
    from mlp_cli.model import NAME
    from mlp_cli.runs import find_run

    folder = find_run(run, results, notify=notify)
    file = out or Path(f"{folder.resolve().name}.{form}")
    spare(folder / NAME, file)
    make_parent(file)
    told = _write(form, folder, file)
    if as_json:
        print_json({"run": str(folder), "format": form, "file": str(file), "bytes": file.stat().st_size})
    elif not quiet:
        click.echo(f"wrote {printable(file)}" + (f"\ninput: {told}" if told else ""))
