"""The Python API: `mlp_cli.train`, `sweep`, `report` and `load`. They do what the commands do, in the same folders.

Errors are MlpError with a message and a hint. Configs are files or mappings; further keys are given by name. Signals are heeded in
the main thread alone, and BLAS has as many threads as the run asks for, whatever the caller's own work uses.
"""

from __future__ import annotations

import base64
import html
import io
import itertools
import os
import re
import shlex
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from mlp_cli import files, runs
from mlp_cli.build import check_task, shown_scores
from mlp_cli.config import Config, Document, read_document, resolve
from mlp_cli.config.overrides import plain_values
from mlp_cli.config.resolved import show
from mlp_cli.data import npz
from mlp_cli.data.arrays import PARTS, choose
from mlp_cli.data.formats import Found
from mlp_cli.data.inputs import given_inputs
from mlp_cli.data.own import assembled
from mlp_cli.errors import ConfigError, DataError, Diverged, Interrupted, RunError, UsageError
from mlp_cli.experiment import Plan
from mlp_cli.experiment import run as finish
from mlp_cli.model import Model, read_model
from mlp_cli.nn.losses import losses
from mlp_cli.runs import DATA, Record
from mlp_cli.text import listed, metric_name
from mlp_cli.training.progress import BarProgress, in_notebook

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from mlp_cli.report import model as reports
    from mlp_cli.sweep.sweepfile import SweepPlan

Source = str | os.PathLike[str] | Mapping[str, Any]
"""A config: the path of a file, or a mapping of its keys."""
Arrays = tuple[ArrayLike, ArrayLike] | Mapping[str, ArrayLike]
"""Inputs (N, …) and targets (N,); or arrays by what a .npz file would call them: x, y, x_test, y_test. A DataFrame whose columns are
called by texts gives its inputs their names, or its labels: other DataFrames then go by them."""

_Plan = TypeVar("_Plan", bound="Plan | SweepPlan")


def train(
    config: Source | None = None,
    *,
    results: str | os.PathLike[str] = "results",
    name: str | None = None,
    threads: int | str | None = None,
    force: bool = False,
    overrides: Mapping[str, Any] | None = None,
    data: Arrays | None = None,
    plots: bool = True,
    quiet: bool = False,
    **keys: Any,
) -> Run:
    """Trains one run, finishes an interrupted one, or reports a completed one, as `mlp train` does.

    config: None where `data` and keys say all. results, name, threads, force, plots: as of `mlp train`. overrides: values by dotted
    key: {"optimizer.beta_1": 0.8}; keys: further keys of the config: learning_rate=3e-3. data: arrays in place of the config's
    dataset, whose other options stay; they are kept as data.npz in the run's folder, and the run goes by their content.
    quiet: show no progress and no notices.
    Errors: MlpError; Diverged, too, where that is how the run ended. After a signal KeyboardInterrupt or SystemExit: the same call
    goes on.
    """
    words = _words({**(overrides or {}), **keys}, name, data)

    def plan(dataset: Mapping[str, str] | None) -> Plan:
        return Plan(resolve(_document(config, dataset), words), Path(results))

    planned = plan(None) if data is None else _on_arrays(data, plan, lambda planned: planned.config, force)
    with _signals_as_python_has_them():
        outcome = finish(
            planned,
            threads=threads,
            force=force,
            plots=plots,
            callbacks=[BarProgress(sys.stderr, *shown_scores(planned.config))] if _with_bar(quiet) else [],
            notify=lambda text: None if quiet else print(f"note: {text}", file=sys.stderr),
            command=shlex.join(["mlp", "train", str(planned.folder / "config.yaml")]),
        )
    if outcome.record.status == "diverged":
        raise Diverged(outcome.record.error or "diverged", "force=True trains it again")
    return Run(outcome.folder)


def sweep(
    config: Source | None = None,
    *,
    results: str | os.PathLike[str] = "results",
    name: str | None = None,
    seeds: int | None = None,
    sampler: str | None = None,
    trials: int | None = None,
    pruner: str | None = None,
    workers: int | None = None,
    threads: int | str | None = None,
    executor: str = "processes",
    scheduler: str | None = None,
    retry_failed: bool = False,
    timeout: float | None = None,
    budget: float | None = None,
    overrides: Mapping[str, Any] | None = None,
    data: Arrays | None = None,
    quiet: bool = False,
    **keys: Any,
) -> Report:
    """Trains many runs and writes their report, as `mlp sweep` does; a script needs no `if __name__ == "__main__"`.

    Of overrides and keys a list varies the key, one configuration an item: hidden_sizes=[[64], [300, 100]]; a text is read as on the
    command line: learning_rate="log(1e-4, 1e-1, 7)"; any other value holds for all. timeout (of a run), budget: seconds. All else is
    as in `train`, and as the options of `mlp sweep`. Failed runs raise nothing: the report's `counts` tells of them.
    Errors: as of `train`.
    """
    from mlp_cli.report.build import make_report, write_report
    from mlp_cli.report.pictures import draw_winners
    from mlp_cli.sweep.driver import Limits, Listener, run_sweep
    from mlp_cli.sweep.pool import check_pool, open_pool
    from mlp_cli.sweep.progress import Bar, Lines
    from mlp_cli.sweep.space import corners
    from mlp_cli.sweep.sweepfile import Asked, plan_sweep

    started = time.monotonic()
    check_pool(executor, workers, scheduler)
    words = _words({**(overrides or {}), **keys}, name, data, _spec)

    def plan(dataset: Mapping[str, str] | None) -> SweepPlan:
        return plan_sweep(_document(config, dataset, True), words, Path(results), Asked(seeds, sampler, trials, pruner))

    def config_of(planned: SweepPlan) -> Config:
        return planned.space.config(corners(planned.space.axes, 1)[0])

    planned = plan(None) if data is None else _on_arrays(data, plan, config_of)
    listener: Listener = Lines(io.StringIO(), sys.stderr, planned.metric, planned.mode, quiet)
    if _with_bar(quiet):
        listener = Bar(sys.stderr, planned.metric, planned.mode)
    with _signals_as_python_has_them():
        outcome = run_sweep(
            planned,
            limits=Limits(retry_failed, budget=budget),
            listener=listener,
            open_pool=partial(open_pool, executor, timeout=timeout, scheduler=scheduler),
            workers=1 if executor == "serial" else workers,
            threads=threads,
            command=shlex.join(["mlp", "sweep", str(planned.folder / "sweep.yaml")]),
            started=started,
        )
        if outcome.signal is not None:
            raise Interrupted(f"interrupted; {outcome.unfinished:,} runs are unfinished", exit_code=128 + outcome.signal)
    paths = [planned.folder] if not outcome.earlier else [planned.runs / run_id for run_id in outcome.present]
    made = make_report(paths)
    draw_winners(made, planned.folder, listener.notify)
    return Report(made, write_report(made, planned.folder / "report"), outcome.counts)


def report(
    *paths: str | os.PathLike[str],
    results: str | os.PathLike[str] = "results",
    where: str | None = None,
    baseline: str | None = None,
    margin: str | None = None,
    sort: str | None = None,
    out: str | os.PathLike[str] | None = None,
) -> Report:
    """Compares runs, as `mlp report` does, and writes the page and its tables.

    paths: runs, sweeps or folders of results; none for all of `results`. where, baseline, margin, sort, out: as its options.
    """
    from mlp_cli.report.build import default_folder, make_report, write_report
    from mlp_cli.report.tables import arrange

    asked = [Path(path) for path in paths]
    made = make_report(asked, Path(results), where=where, baseline=baseline, margin=margin)
    if sort is not None:
        arrange(made, sort)
    return Report(made, write_report(made, Path(out) if out is not None else default_folder(asked, Path(results))))


def load(run: str | os.PathLike[str], results: str | os.PathLike[str] = "results") -> Run:
    """A run that is there. run: a folder, a unique prefix of its name, `@last`, or `@best:val_accuracy`. Errors: UsageError."""
    return Run(runs.find_run(os.fspath(run), Path(results)))


class Run:
    """A run's folder. Files are read when they are asked for; the model is read once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def record(self) -> Record:
        """run.json, with its keys as attributes: `record.status`, `record.metrics["test_accuracy"]`. Errors: RunError."""
        record, status = runs.read_status(self.folder)
        if record is None:
            raise RunError(f"{self.folder} has no run.json", "it was taken away; train the run again")
        return record.model_copy(update={"status": status})

    @property
    def metrics(self) -> DataFrame:
        """metrics.csv: a row an epoch; NaN where a cell is empty."""
        from pandas import DataFrame

        return DataFrame(runs.read_curves(self.folder) or {"epoch": []}, dtype=np.float64).astype({"epoch": np.int64})

    @cached_property
    def model(self) -> Model:
        """The trained network, and all that predicting needs."""
        return read_model(self.folder)

    def predict(self, x: ArrayLike | DataFrame, *, probabilities: bool = False) -> NDArray[Any]:
        """Predictions for raw inputs (N, D) or (N, *shape), or for a DataFrame with the columns of the table that the run was trained
        on: classes (N,), as numbers where all their names are whole numbers, else their names; labels (N, K) as 0 and 1; a quantity
        in its own unit. probabilities: (N, K) float64, in the order of `model.classes`, instead.

        What `mlp predict` would note is a warning. Errors: DataError for rows of another shape, columns that are missing, values that
        are not finite; RunError where the run has no model yet.
        """
        model = self.model
        given = given_inputs(x, model.shape, model.encoding, model.own)
        rows, told = model.on_scale(given.x)
        for text in (*given.notices, *([told] if told else [])):
            warnings.warn(text, stacklevel=2)
        with threadpool_limits(1, "blas"):
            found = model.predict(rows)
        if probabilities or not self.model.classes:
            return found
        if self.model.task == "multi_label":
            return (found > 0.5).astype(np.int64)
        names = np.array(self.model.classes)
        whole = all(re.fullmatch("0|-?[1-9][0-9]*", name) for name in self.model.classes)
        return (names.astype(np.int64) if whole else names)[found.argmax(axis=1)]

    def plot(self, what: str = "loss") -> Figure:
        """The loss over the epochs, or the score ("accuracy", "r2"), as a figure of matplotlib's, which a notebook shows.

        All figures of a completed run lie in plots/ of its folder.
        """
        from mlp_cli.plots import run as plots

        record, frame = self.record, self.metrics
        if f"train_{what}" not in frame:
            known = [str(name).removeprefix("train_") for name in frame if str(name).startswith("train_")]
            raise UsageError(f"{self.folder.name} has no curve of {what}", f"known: {', '.join(known)}")
        found = {"training": frame[f"train_{what}"], "validation": frame[f"val_{what}"]}
        curves = {part: values.to_numpy() for part, values in found.items() if values.notna().any()}
        at, best, title = frame["epoch"].to_numpy(), record.best_epoch, str(record.name)
        if what == "loss":
            figure = plots.loss(at, curves, best, title, losses[record.config["loss"]["name"]].unit)
        else:
            figure = plots.accuracy(at, curves, best, title, percent=what == "accuracy")
        vars(figure)["_repr_png_"] = partial(_png, figure)  # which notebooks look for; they else show figures of pyplot alone
        return figure

    def __repr__(self) -> str:
        record = self.record
        scores = [f"{name} {value:.4g}" for name, value in record.metrics.items() if value is not None]
        return f"<mlp run {self.folder}: {', '.join([record.status, *scores])}>"

    def _repr_html_(self) -> str:
        """Status, scores and the curve of the loss, for a notebook."""
        from pandas import Series

        from mlp_cli.report.wording import score_text

        record = self.record
        rows = {"run": str(self.folder), "status": str(record.status)}
        rows |= {metric_name(name): score_text(name, value) for name, value in record.metrics.items() if value is not None}
        page = Series(rows).to_frame().to_html(header=False, border=0)
        if len(self.metrics):
            code = base64.b64encode(_png(self.plot())).decode()
            page += f'<img alt="loss over the epochs" style="max-width: 100%" src="data:image/png;base64,{code}">'
        return page


class Report:
    """A report on runs, or on those of a sweep.

    counts: how many runs there are by status. runs: those that can be read. groups: see `mlp_cli.report.model`. page: the
    index.html; beside it lie summary.csv and runs.csv.
    """

    def __init__(self, made: reports.Report, page: Path, counts: Mapping[str, int] | None = None) -> None:
        self.groups, self.page, self._made = made.groups, page, made
        self.counts = counts or Counter(run.status for run in made.runs)
        self.runs = [Run(run.folder) for run in made.runs]

    @property
    def summary(self) -> DataFrame:
        """summary.csv: mean, sd and interval of each metric, p and the verdict of each configuration."""
        from pandas import read_csv

        return read_csv(self.page.with_name("summary.csv"))

    def __str__(self) -> str:
        from mlp_cli.report.tables import table_text

        return table_text(self._made)

    def _repr_html_(self) -> str:
        """Each group's sentence and table, for a notebook."""
        from pandas import DataFrame

        from mlp_cli.report.tables import text_columns

        parts = []
        for group in self.groups:
            frame = DataFrame(dict(enumerate(texts for _, texts in text_columns(group))))
            frame.columns = [name for name, _ in text_columns(group)]
            parts += [
                f"<p><b>{html.escape(group.title)}</b><br>{html.escape(group.sentence)}</p>",
                frame.to_html(index=False, border=0),
            ]
        counts = ", ".join(f"{count:,} {status}" for status, count in self.counts.items())
        return "".join([*parts, f"<p>{counts}; {html.escape(str(self.page))}</p>"])


def _png(figure: Figure) -> bytes:
    from mlp_cli.plots.style import context

    content = io.BytesIO()
    with context():
        figure.savefig(content, format="png")
    return content.getvalue()


def _load_pyfunc(path: str) -> Run:
    """The model that `log_to` gave to MLflow, which predicts as a run does. path: the folder of model.npz. MLflow calls this."""
    return Run(Path(path))


@contextmanager
def _signals_as_python_has_them() -> Iterator[None]:
    """An interrupted call ends in KeyboardInterrupt or SystemExit, which no `except Exception` of the caller's takes for a failure."""
    try:
        yield
    except Interrupted as error:
        raise (KeyboardInterrupt(error.message) if error.exit_code == 130 else SystemExit(error.exit_code)) from error


def _with_bar(quiet: bool) -> bool:
    return not quiet and (in_notebook() or sys.stderr.isatty())


def _spec(value: Any) -> str:
    """A value as the command line of a sweep has it."""
    value = plain_values(value)
    if isinstance(value, list):
        return ",".join(map(show, value))
    return value if isinstance(value, str) else show(value)


def _words(
    given: dict[str, Any],
    name: str | None,
    data: Arrays | None,
    write: Callable[[Any], str] = lambda value: show(plain_values(value)),
) -> list[str]:
    """KEY=VALUE for each key. Beside arrays the options of `dataset` stand one by one: they replace none of the arrays."""
    if data is not None and isinstance(given.get("dataset"), Mapping):
        options = given.pop("dataset")
        given |= {f"dataset.{key}": value for key, value in options.items()}
    return [f"{key}={write(value)}" for key, value in given.items()] + ([] if name is None else [f"name={show(name)}"])


def _document(config: Source | None, dataset: Mapping[str, str] | None, sweep: bool = False) -> Document:
    """A config as it is written. dataset: options in place of its data set's name and path. sweep: whether a sweep file will do."""
    from mlp_cli.sweep.sweepfile import is_sweep

    if not isinstance(config, str | os.PathLike | Mapping | None):
        raise ConfigError(f"a config is a file or a mapping of keys, and no {type(config).__name__}")
    inline = Document("config", plain_values(config or {}))
    document = read_document(config) if isinstance(config, str | os.PathLike) else inline
    if is_sweep(document) and (not sweep or dataset is not None):
        hint = "leave the data to its base" if sweep else "train them with mlp_cli.sweep"
        raise ConfigError(f"{document.source} is a sweep file, which describes many runs", hint)
    if dataset is None:
        return document
    options = document.values.get("dataset")
    kept = {key: value for key, value in options.items() if key not in ("name", "path")} if isinstance(options, dict) else {}
    return replace(document, values={**document.values, "dataset": {**kept, **dataset}})


def _on_arrays(
    data: Arrays, plan: Callable[[Mapping[str, str]], _Plan], config_of: Callable[[_Plan], Config], force: bool = False
) -> _Plan:
    """The plan of a run or a sweep on arrays, which are then in its folder.

    The folder's name comes from the config's hash. That has the SHA-256 of the data in it, and not the path: so the folder is known
    before the data is there, and the same data gives the same folder. Errors: DataError for arrays that are no set.
    """
    if not isinstance(data, Mapping) and len(data) != 2:
        raise UsageError(f"data has {len(data)} arrays, and takes x and y", "name more of them: {'x': …, 'y': …, 'x_test': …}")
    named = data if isinstance(data, Mapping) else dict(zip(("x", "y"), data, strict=True))
    roles, _ = choose(named, "data")
    arrays, names = _without_frames(named, roles)
    if texts := [name for name, array in arrays.items() if array.dtype.kind in "UO"]:
        hint = "number classes from 0: np.unique(y, return_inverse=True); write a table to a .csv file and name that"
        raise DataError(f"data: {texts[0]} holds texts or objects, and numbers are read", hint)
    config = config_of(plan({"path": DATA}))
    task = losses[config.loss.name].task
    found = Found({role: arrays[key] for role, key in roles.items()}, **names)
    arrays |= {key: np.array(names[field]) for key, field in (("classes", "labels"), ("columns", "columns")) if field in names}
    raw = assembled(found, None if task == "classification" else task, "data")
    check_task(config, raw.task, "data")  # before anything is written
    pinned = {"sha256": raw.sha256}
    path = plan({"path": DATA, **pinned}).folder / DATA
    if force or not path.exists():
        with runs.Claim(path.parent):
            files.write_atomic(path, npz.pack(arrays))
    return plan({"path": str(path), **pinned})


def _without_frames(
    named: Mapping[str, ArrayLike], roles: Mapping[str, str]
) -> tuple[dict[str, NDArray[Any]], dict[str, tuple[str, ...]]]:
    """Data as arrays, those of DataFrames with their columns in the order of the training part's; and `Found`'s names of columns.

    roles: as `choose` gives them. Errors: DataError for a part with other columns.
    """
    left, names = dict[str, Any](named), dict[str, tuple[str, ...]]()
    for part, (kind, field) in itertools.product(PARTS, (("x", "columns"), ("y", "labels"))):
        key = roles.get(f"{part}_{kind}", "")
        own = tuple(getattr(left.get(key), "columns", ()))
        if len(own) < (2 if kind == "y" else 1) or not all(isinstance(name, str) for name in own):
            continue
        if part == "train":
            names[field] = own
        elif field in names and set(own) != set(names[field]):
            one, other = listed(own, 10), listed(names[field], 10)
            raise DataError(
                f"data: {key} has the columns {one}, and {roles[f'train_{kind}']} has {other}", "name them alike in both"
            )
        elif field in names and own != names[field]:
            left[key] = left[key][list(names[field])]
    return {key: _numbers(values) for key, values in left.items()}, names


def _numbers(values: Any) -> NDArray[Any]:
    """An array of what was given. Columns of several types of numbers, of which NumPy makes objects, become float64."""
    array = np.asarray(values)
    if array.dtype.kind != "O" or not hasattr(values, "to_numpy"):
        return array
    dtypes = values.dtypes if array.ndim == 2 else [values.dtype]
    return values.to_numpy(np.float64, na_value=np.nan) if {each.kind for each in dtypes} <= set("buif") else array
