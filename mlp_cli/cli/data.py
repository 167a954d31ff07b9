"""`mlp data list | show | fetch`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlp_cli.cli.options import debug_option, json_option, notify, print_json, quiet_option

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mlp_cli.data.inventory import Sheet


@click.group()
def data() -> None:
    """The data sets: list them, look at one, fetch one."""


@data.command("list", epilog="Example: mlp data list")
@json_option
@debug_option
def list_command(as_json: bool) -> None:
    """List the known sets: sizes, classes, shape, licence, source, and whether each is here."""
    list_datasets(as_json)


def list_datasets(as_json: bool) -> None:
    """Prints the catalogue; also what `mlp show datasets` does."""
    from mlp_cli.data import catalogue
    from mlp_cli.data.inventory import describe

    descriptions = [describe(name) for name in catalogue.names()]
    if as_json:
        print_json([asdict(entry) for entry in descriptions])
        return
    for number, entry in enumerate(descriptions):
        shape = " × ".join(map(str, entry.shape))
        test = f"{entry.test:,} test" if entry.test else "no test"
        click.echo(("\n" if number else "") + f"{entry.name}: {entry.title}")
        click.echo(f"  {entry.train:,} training and {test} rows, {len(entry.classes)} classes, shape {shape}")
        rows = f"{entry.validation:,}" if isinstance(entry.validation, int) else f"{entry.validation:.0%}"
        held_out = f", and {entry.held_out:,} for testing," if entry.held_out else ""
        click.echo(f"  validation: {rows} of the training rows{held_out} unless the config says else; scale: {entry.scale}")
        if entry.subsets:
            click.echo(f"  subsets: {', '.join(entry.subsets)}")
        click.echo(f"  licence: {entry.licence}\n  source: {entry.source}\n  here: {entry.state}")


@data.command(epilog="Example: mlp data show fashion_mnist")
@click.argument("name")
@click.option("--subset", help="Which of the subsets that go by the name.")
@click.option("--target", help="For a table: the column to predict.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Picture to write.  [default: NAME.png]")
@quiet_option
@json_option
@debug_option
def show(name: str, subset: str | None, target: str | None, out: Path | None, quiet: bool, as_json: bool) -> None:
    """Draw examples of each class of a set, and how many there are, into a PNG. NAME is a known set or the path of your own data."""
    from mlp_cli.data import catalogue
    from mlp_cli.data.inventory import contact_sheet
    from mlp_cli.data.own import Own

    own = name not in catalogue.names() and Path(name).exists()
    found = contact_sheet(None if own else name, name if own else None, subset=subset, own=Own(target=target, missing="mean"))
    for text in found.notices:
        notify(text)
    written = out or Path(f"{found.name}.png")
    _draw(found, written, target)
    counts = _counts(found)
    if as_json:
        per_class = {part: dict(zip(found.classes, map(int, values), strict=True)) for part, values in counts.items()}
        shown = {"name": found.name, "task": found.task, "shape": found.shape, "classes": found.classes, "counts": per_class}
        print_json({**shown, "file": str(written)})
    elif not quiet:
        width = max([len(label) for label in found.classes] or [0])
        click.echo(f"{found.name}, {found.task}, shape {' × '.join(map(str, found.shape))}")
        if counts:
            click.echo(f"{'class':{max(width, 5)}}" + "".join(f"{part:>10}" for part in counts))
        for index, label in enumerate(found.classes):
            click.echo(f"{label:{max(width, 5)}}" + "".join(f"{values[index]:>10,}" for values in counts.values()))
        click.echo(f"wrote {written}")


def _counts(found: Sheet) -> dict[str, NDArray[np.int64]]:
    parts = {"training": found.train_counts, "test": found.test_counts}
    return {part: values for part, values in parts.items() if values is not None}


def _draw(found: Sheet, path: Path, target: str | None) -> None:
    import numpy as np

    from mlp_cli.plots.data import sheet
    from mlp_cli.plots.regions import histogram, scatter

    if found.targets is not None:
        histogram(path, found.targets, target or "target", title=found.name)
    elif found.points is not None:
        detail = ", ".join(f"{int(values.sum()):,} {part} rows" for part, values in _counts(found).items())
        scatter(path, *found.points, found.classes, title=found.name, detail=detail)
    else:
        labels = np.repeat(np.arange(len(found.examples)), [len(images) for images in found.examples])
        sheet(path, np.concatenate(found.examples), labels, found.classes, found.shape, _counts(found), title=found.name)


@data.command(epilog="Example: mlp data fetch mnist --from ~/Downloads")
@click.argument("name")
@click.option("--subset", help="Which of the subsets that go by the name.")
@click.option("--from", "folder", type=click.Path(path_type=Path), help="Take the files from this folder and nowhere else.")
@quiet_option
@json_option
@debug_option
def fetch(name: str, subset: str | None, folder: Path | None, quiet: bool, as_json: bool) -> None:
    """Get a set from the first source that has it, check its content and make it ready in the cache."""
    from mlp_cli.data import inventory

    fetched = inventory.fetch(name, folder, progress=sys.stderr.isatty() and not quiet, subset=subset)
    if not quiet:
        for text in fetched.notices:
            notify(text)
    if as_json:
        print_json({**asdict(fetched), "folder": str(fetched.folder)})
    elif not quiet:
        what = "is ready already" if fetched.already else f"taken from the {fetched.source}"
        click.echo(f"{fetched.name} {what}; ready in {fetched.folder}")
