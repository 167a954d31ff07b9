"""`mlp data list | show | fetch | clear`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlp_cli.cli.options import (
    OutFile,
    agreed,
    debug_option,
    json_option,
    load_one,
    notify,
    output_options,
    print_json,
    printable,
    spare,
    yes_option,
)

if TYPE_CHECKING:
    from mlp_cli.config import Config
    from mlp_cli.data.catalogue import Entry
    from mlp_cli.data.dataset import Column, Dataset


_EXAMPLES, _POINTS = 10, 4_000  # rows that are drawn: of each class, and of a set of two features
_ALTERED = 8  # pictures that are drawn of what augment makes of one


@click.group(short_help="The data sets: list, look at, fetch, clear.")
def data() -> None:
    """The data sets: list them, look at one, fetch one, clear the cache."""


@data.command("list", short_help="List the known sets.", epilog="Example: mlp data list")
@json_option
@debug_option
def list_command(as_json: bool) -> None:
    """List the known sets: sizes, classes, shape, licence, source, and whether each is here."""
    list_datasets(as_json)


def list_datasets(as_json: bool) -> None:
    """Prints the catalogue; also what `mlp show datasets` does."""
    from mlp_cli.data.catalogue import ENTRIES
    from mlp_cli.data.sources import state

    if as_json:
        print_json([_as_json(entry) for entry in ENTRIES.values()])
        return
    for number, entry in enumerate(ENTRIES.values()):
        shape = " × ".join(map(str, entry.shape))
        test = f"{entry.test:,} test" if entry.test else "no test"
        click.echo(("\n" if number else "") + f"{entry.name}: {entry.title}")
        click.echo(f"  {entry.train:,} training and {test} rows, {len(entry.classes)} classes, shape {shape}")
        rows = f"{entry.validation:,}" if isinstance(entry.validation, int) else f"{entry.validation:.0%}"
        held_out = f", and {entry.held_out:,} for testing," if entry.held_out else ""
        click.echo(f"  validation: {rows} of the training rows{held_out} unless the config says else; scale: {entry.scale}")
        if entry.subsets:
            click.echo(f"  subsets: {', '.join(str(one.subset) for one in entry.subsets)}")
        click.echo(f"  licence: {entry.licence}\n  source: {entry.source}\n  here: {state(entry)}")


def _as_json(entry: Entry) -> dict[str, Any]:
    from mlp_cli.data.sources import state

    kept = ("name", "title", "train", "test", "validation", "held_out", "shape", "classes", "scale", "licence", "source")
    shown = {key: getattr(entry, key) for key in kept}
    return {**shown, "task": "classification", "subsets": [one.subset for one in entry.subsets], "state": state(entry)}


@data.command(short_help="Draw a set, and tell what a run is given.", epilog="Example: mlp data show fashion_mnist")
@click.argument("name", metavar="NAME|FILE|CONFIG")
@click.option("--subset", help="Which of the subsets that go by the name.")
@click.option("--target", multiple=True, help="For a table: the column to predict; several, each with --target, are labels.")
@click.option("--out", type=OutFile(), help="Picture to write.  [default: NAME.png, for a config NAME_data.png]")
@output_options
def show(name: str, subset: str | None, target: tuple[str, ...], out: Path | None, quiet: bool, as_json: bool) -> None:
    """Draw examples of each class of a set, and how many there are, into a PNG, and tell what a run is given.

    NAME is a known set, the path of your own data, or a config, whose set is then shown as its runs see it: with augment, pictures
    before and after go into another PNG, and so do the filters that patches learn. Of a table without --target the columns are told,
    and nothing is drawn.
    """
    from mlp_cli.files import make_parent

    if not target and _is_own_table(name):
        _show_columns(Path(name), quiet, as_json)
        return
    dataset = _load(name, subset, target[0] if len(target) == 1 else target or None)
    for text in dataset.notices:
        notify(text)
    base = out or Path(f"{Path(name).stem if _is_config(name) else dataset.name}.png")
    # A table may have the config's stem.
    written = base if out or not _is_config(name) else base.with_name(f"{base.stem}_data.png")
    spare(name, written)
    make_parent(written)
    counts = dataset.class_counts()
    _draw(dataset, written)
    more = dict[str, str]()
    for what, draw in (("augment", _draw_altered), ("filters", _draw_filters)) if _is_config(name) else ():
        path = base.with_name(f"{base.stem}_{what}.png")
        more |= {f"{what}_file": str(path)} if draw(load_one(Path(name), []), dataset, path) else {}
    if as_json:
        per_class = {part: dict(zip(dataset.classes, map(int, values), strict=True)) for part, values in counts.items()}
        from dataclasses import asdict

        columns = [asdict(column) for column in dataset.columns]
        known = {"name": dataset.name, "task": dataset.task, "shape": dataset.shape, "classes": dataset.classes}
        print_json({**known, "counts": per_class, "data": dataset.summary(), "columns": columns, "file": str(written), **more})
    elif not quiet:
        width = max([len(label) for label in dataset.classes] or [0])
        click.echo(f"{dataset.name}, {dataset.task}, shape {' × '.join(map(str, dataset.shape))}")
        click.echo(printable(f"data  {dataset.summary()}"))
        _echo_columns(dataset.columns)
        if counts:
            click.echo(
                f"{'label' if dataset.task == 'multi_label' else 'class':{max(width, 5)}}"
                + "".join(f"{part:>12}" for part in counts)
            )
        for index, label in enumerate(dataset.classes):
            click.echo(f"{label:{max(width, 5)}}" + "".join(f"{values[index]:>12,}" for values in counts.values()))
        click.echo(f"wrote {' and '.join([str(written), *more.values()])}")


def _is_own_table(name: str) -> bool:
    from mlp_cli.data.catalogue import names
    from mlp_cli.data.own import is_table

    return name not in names() and is_table(name)


def _show_columns(path: Path, quiet: bool, as_json: bool) -> None:
    from dataclasses import asdict

    from mlp_cli.data.own import Own, resolved, set_name
    from mlp_cli.data.tables import read_table

    file = resolved(path)
    table = read_table(file, Own())
    for text in table.notices:
        notify(text)
    columns = [table.column(name) for name in table.features]
    if as_json:
        print_json({"name": set_name(file), "rows": len(table), "columns": [asdict(column) for column in columns]})
    elif not quiet:
        click.echo(f"{set_name(file)}, a table of {len(table):,} rows; --target COLUMN shows it as a set")
        _echo_columns(columns)


def _echo_columns(columns: Iterable[Column]) -> None:
    for column in columns:
        click.echo(printable(f"column {column.name}: {_told(column)}"))


def _told(column: Column) -> str:
    """`numbers from 1 to 5, 2 missing`, or `3 categories: a, b, c`."""
    from mlp_cli.text import counted, listed

    what = f"numbers from {column.least:.6g} to {column.most:.6g}" if column.least is not None else "no value at all"
    if column.categories is not None:
        what = f"{counted(len(column.categories), 'category', 'categories')}: {listed(column.categories, 8)}"
    return what + (f"; {column.missing:,} missing" if column.missing else "")


def _load(name: str, subset: str | None, target: str | tuple[str, ...] | None) -> Dataset:
    """The set that `show` is asked for. A config's is split as it says; any other is left whole."""
    from mlp_cli.build import load_data
    from mlp_cli.data.catalogue import names
    from mlp_cli.data.load import load
    from mlp_cli.data.own import Own

    if _is_config(name):
        return load_data(load_one(Path(name), []))
    own = name not in names() and Path(name).exists()
    options = Own(target=target, missing="mean")
    return load(None if own else name, name if own else None, validation=0, test=0, subset=subset, own=options)


def _is_config(name: str) -> bool:
    return name.lower().endswith((".yaml", ".yml"))


def _draw_filters(config: Config, dataset: Dataset, path: Path) -> bool:
    """Draws the filters that a config's patches learn from the set, as they see white patches; False where there are none."""
    from threadpoolctl import threadpool_limits

    from mlp_cli.data.patches import Patches
    from mlp_cli.data.pictures import pictures_of
    from mlp_cli.plots.run import UNITS, weights
    from mlp_cli.plots.style import save

    patches = config.features and config.features.build()
    if not isinstance(patches, Patches):
        return False
    pictures, size = pictures_of(dataset, "features: patches"), patches.size
    patches.check(pictures)
    with threadpool_limits(1, "blas"):
        filters = patches.learn(dataset.train, pictures)["filters"]
    last = filters[:UNITS].reshape(-1, pictures.channels, size, size).transpose(2, 3, 1, 0)
    shown = f"all {len(filters)}" if len(filters) <= UNITS else f"the first {UNITS} of {len(filters):,}"
    told = f"Filters of {size} × {size} pixels, learnt from the training pictures: {shown}"
    figure = weights(last.reshape(-1, last.shape[3]), last.shape[:3], dataset.name, told)
    if figure is not None:
        save(figure, path)
    return figure is not None


def _draw_altered(config: Config, dataset: Dataset, path: Path) -> bool:
    """Draws a training picture of each class and what the config's augment makes of it; False where there is no augment."""
    import numpy as np

    from mlp_cli.build import augmentation_of
    from mlp_cli.plots.data import before_after
    from mlp_cli.plots.style import save
    from mlp_cli.rng import Purpose, stream

    augmentation = augmentation_of(config, dataset)
    if config.augment is None or augmentation is None:
        return False
    labels = np.asarray(dataset.train.y)[dataset.train.index]
    chosen = np.unique(labels.reshape(len(labels), -1)[:, 0], return_index=True)[1][:_EXAMPLES]
    originals = dataset.train.x[dataset.train.index[chosen]]
    generator = stream(config.augment.seed if config.augment.copies else config.seed, Purpose.AUGMENT, 1)
    altered = [augmentation(originals.copy(), generator) for _ in range(_ALTERED)]
    save(before_after(originals, altered, dataset.shape, dataset.name), path)
    return True


def _draw(dataset: Dataset, path: Path) -> None:
    """Draws the first training rows of each class, points for a set of two features, and the distribution of a quantity."""
    import numpy as np

    from mlp_cli.plots.data import histogram, plane, sheet
    from mlp_cli.plots.style import save
    from mlp_cli.plots.text import missing

    counts, rows = dataset.class_counts(), dataset.train.index
    x, y = dataset.train.x, np.asarray(dataset.train.y)
    if not dataset.classes:
        figure = histogram(y[rows], dataset.target or "target", dataset.name)
    elif dataset.shape == (2,) and dataset.task == "classification":
        drawn = rows[np.linspace(0, len(rows) - 1, min(len(rows), _POINTS)).astype(np.intp)]
        detail = ", ".join(f"{int(values.sum()):,} {part} rows" for part, values in counts.items())
        figure = plane(x[drawn], y[drawn], dataset.classes, dataset.feature_names(), dataset.name, detail)
    else:
        has = y[rows] == 1 if y.ndim == 2 else y[rows, None] == np.arange(len(dataset.classes))
        first = [rows[np.flatnonzero(each)[:_EXAMPLES]] for each in has.T]
        labels = np.repeat(np.arange(len(first)), [len(each) for each in first])
        totals = {part: len(each) for part, each in dataset.parts().items()} if y.ndim == 2 else None
        figure = sheet(x[np.concatenate(first)], labels, dataset.classes, dataset.shape, counts, dataset.name, totals)
    if lost := missing([dataset.name, dataset.target or "", *dataset.classes, *dataset.feature_names()]):
        notify(lost)
    save(figure, path)


@data.command(
    short_help="Get a set, check its content and make it ready.", epilog="Example: mlp data fetch mnist --from ~/Downloads"
)
@click.argument("name")
@click.option("--subset", help="Which of the subsets that go by the name.")
@click.option("--from", "folder", type=click.Path(path_type=Path), help="Take the files from this folder and nowhere else.")
@output_options
def fetch(name: str, subset: str | None, folder: Path | None, quiet: bool, as_json: bool) -> None:
    """Get a set from the first source that has it, check its content and make it ready in the cache."""
    from mlp_cli.data import sources
    from mlp_cli.data.cache import ready_folder

    entry, whole, already = sources.fetch(name, folder, progress=sys.stderr.isatty() and not quiet, subset=subset)
    place = str(ready_folder(entry.key))
    if not quiet:
        for text in whole.notices:
            notify(text)
    if as_json:
        told = {"name": entry.name, "source": whole.source, "folder": place, "sha256": whole.sha256}
        print_json({**told, "already": already, "notices": whole.notices})
    elif not quiet:
        what = "is ready already" if already else f"taken from the {whole.source}"
        click.echo(f"{entry.name} {what}; ready in {place}")


@data.command(short_help="Remove ready arrays from the cache.", epilog="Example: mlp data clear mnist")
@click.argument("name", required=False)
@yes_option
@output_options
def clear(name: str | None, yes: bool, quiet: bool, as_json: bool) -> None:
    """Remove the ready arrays of a set, or of all, from the cache, after a question; they are made again when next needed.

    NAME is a known set, or the name of your own data. Your files, and those in MLP_DATA_DIR, are not touched.
    """
    from mlp_cli.data import cache, catalogue
    from mlp_cli.errors import UsageError
    from mlp_cli.files import size_of
    from mlp_cli.registry import did_you_mean
    from mlp_cli.text import counted, listed, megabytes

    ready = cache.ready_sets()
    if name is not None and name not in (*ready, *catalogue.names()):
        known = [*ready, *catalogue.names()]
        raise UsageError(f"unknown dataset {name!r}{did_you_mean(name, known)}", f"ready: {listed(list(ready)) or 'none'}")
    chosen = {each: keys for each, keys in ready.items() if name in (None, each)}
    sizes = {each: sum(size_of(cache.ready_folder(key)) for key in keys) for each, keys in chosen.items()}
    what = f"{counted(len(sizes), 'ready set')}, {megabytes(sum(sizes.values()))}"
    if not (quiet or as_json):
        lines = [f"{megabytes(size):>12}  {printable(each)}" for each, size in sizes.items()]
        click.echo("\n".join([*lines, what if sizes else "nothing is ready"]))
    go_on = bool(sizes) and agreed(f"Remove {what}?", yes)
    for keys in chosen.values() if go_on else ():
        for key in keys:
            cache.remove(key)
    if as_json:
        print_json({"sets": sizes, "removed": go_on})
