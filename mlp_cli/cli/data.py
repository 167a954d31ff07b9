"""`mlp data list | show | fetch`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from mlp_cli.cli.options import debug_option, json_option, notice, print_json, quiet_option


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
        click.echo(("\n" if number else "") + f"{entry.name}: {entry.title}")
        click.echo(f"  {entry.train:,} training and {entry.test:,} test rows, {len(entry.classes)} classes, shape {shape}")
        click.echo(f"  validation: {entry.validation:,} of the training rows unless the config says else")
        click.echo(f"  licence: {entry.licence}\n  source: {entry.source}\n  here: {entry.state}")


@data.command(epilog="Example: mlp data show fashion_mnist")
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Picture to write.  [default: NAME.png]")
@quiet_option
@json_option
@debug_option
def show(name: str, out: Path | None, quiet: bool, as_json: bool) -> None:
    """Draw examples of each class of a set, and how many there are, into a PNG. NAME is a known set or a folder of your own."""
    import numpy as np

    from mlp_cli.data import catalogue
    from mlp_cli.data.inventory import contact_sheet
    from mlp_cli.plots.data import sheet

    own = name not in catalogue.names() and Path(name).exists()
    found = contact_sheet(None, name) if own else contact_sheet(name)
    for text in found.notices:
        notice(text)
    target = out or Path(f"{found.name}.png")
    counts = {"training": found.train_counts}
    if found.test_counts is not None:
        counts["test"] = found.test_counts
    labels = np.repeat(np.arange(len(found.examples)), [len(images) for images in found.examples])
    sheet(target, np.concatenate(found.examples), labels, found.classes, found.shape, counts, title=found.name)
    if as_json:
        per_class = {part: dict(zip(found.classes, map(int, values), strict=True)) for part, values in counts.items()}
        print_json({"name": found.name, "shape": found.shape, "classes": found.classes, "counts": per_class, "file": str(target)})
    elif not quiet:
        width = max(len(label) for label in found.classes)
        click.echo(f"{found.name}, shape {' × '.join(map(str, found.shape))}")
        click.echo(f"{'class':{max(width, 5)}}" + "".join(f"{part:>10}" for part in counts))
        for index, label in enumerate(found.classes):
            click.echo(f"{label:{max(width, 5)}}" + "".join(f"{values[index]:>10,}" for values in counts.values()))
        click.echo(f"wrote {target}")


@data.command(epilog="Example: mlp data fetch mnist --from ~/Downloads")
@click.argument("name")
@click.option("--from", "folder", type=click.Path(path_type=Path), help="Take the files from this folder and nowhere else.")
@quiet_option
@json_option
@debug_option
def fetch(name: str, folder: Path | None, quiet: bool, as_json: bool) -> None:
    """Get a set from the first source that has it, check its content and make it ready in the cache."""
    from mlp_cli.data import inventory

    fetched = inventory.fetch(name, folder, progress=sys.stderr.isatty() and not quiet)
    if not quiet:
        for text in fetched.notices:
            notice(text)
    if as_json:
        print_json({**asdict(fetched), "folder": str(fetched.folder)})
    elif not quiet:
        what = "is ready already" if fetched.already else f"taken from the {fetched.source}"
        click.echo(f"{fetched.name} {what}; ready in {fetched.folder}")
