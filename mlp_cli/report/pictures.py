"""The figures of the best run: drawn for the winner of a sweep, whose members have none, and put into the page as images."""

from __future__ import annotations

import base64
import os
import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mlp_cli import files, packs
from mlp_cli.build import check_data, load_data
from mlp_cli.choosing import higher_is_better
from mlp_cli.config import Config
from mlp_cli.errors import MlpError, Notify, RunError
from mlp_cli.plots import style
from mlp_cli.plots.run import draw, errors, figures_missing
from mlp_cli.predictions import NAME as PREDICTIONS
from mlp_cli.report.model import Group, Report, Run
from mlp_cli.report.rows import BestRows

WINNERS = Path("report", "best")
"""Where a sweep's folder holds the figures of its winners, each in a folder of the run's name."""

SHARED = "shared_errors.png"
FIGURES = {
    "confusion.png": "Confusion matrix, test set",
    "labels.png": "Precision and recall of the labels",
    "weights.png": "First-layer weights",
    "errors.png": "Worst errors, test set",
    SHARED: "Test rows that every seed gets wrong",
    "fit.png": "Predicted against true values",
    "residuals.png": "Residuals",
    "diagnostics.png": "Inside the layers",
}
LARGEST = 600 << 10  # bytes of one image
ALL = 1100 << 10  # bytes of all images of a page

_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Picture:
    """An image inside the page: its caption, its size in pixels and its address, a data: URL."""

    caption: str
    width: int
    height: int
    source: str


@dataclass
class Gallery:
    """The best run's figures, and a sentence on what is missing and the command that makes it.

    only: no other run is completed. taken: bytes of all images together.
    """

    run: Run
    only: bool
    taken: int = 0
    pictures: list[Picture] = field(default_factory=list)
    note: str = ""
    command: str = ""


def best_run(group: Group) -> Run | None:
    """The run with the best monitor metric among those of the best configuration; None without a best configuration."""
    runs = [run for run in group.best.completed if group.monitor in run.metrics] if group.best else []
    sign = -1.0 if higher_is_better(group.monitor) else 1.0
    return min(runs, key=lambda run: (sign * run.metrics[group.monitor], run.id), default=None)


def _drawn(run: Run) -> Path | None:
    """Where a run's figures were drawn, to the end: in its own folder or, for a sweep's winner, in the sweep's report."""
    places = (run.folder, run.folder.parent.parent / WINNERS / run.id)
    return next((place for place in places if not figures_missing(place)), None)


def draw_winners(report: Report, sweep: Path, notify: Notify) -> None:
    """Draws the figures of the best run of each group of a sweep's report where `gallery` looks for them, and takes those of
    earlier winners away. Runs that a link brought in from elsewhere have none drawn.

    sweep: its folder; nothing outside is touched. notify: takes a notice where figures cannot be drawn, as when the data is not here
    any more or the weights are damaged: the report is written all the same. Errors: RunError where the folder cannot be written,
    or a link stands in it.
    """
    from mlp_cli.config import config_from_mapping

    home = sweep / WINNERS
    for each in (home.parent, home):
        files.refuse_link(each)
    best = [(group, run) for group in report.groups if (run := best_run(group)) is not None]
    winners = [(group, run) for group, run in best if run.folder.parent == sweep / "runs"]
    for group, run in winners:
        config = config_from_mapping(run.record.config)
        try:
            if _drawn(run) is None:
                draw(config, run.record, run.folder, home / run.id, notify=notify)
            if group.rows and len(group.rows.runs) > 1 and group.rows.part == "test":
                _draw_shared(config, group, group.rows, run, home / run.id / "plots" / SHARED)
        except MlpError as error:
            notify(f"the figures of the best run are not drawn: {error.message.splitlines()[0]}")
    kept = {run.id for _, run in winners}
    if winners and home.is_dir():
        with files.writing(home):
            for other in sorted(home.iterdir()):
                if other.name not in kept and other.is_dir() and not other.is_symlink():
                    shutil.rmtree(other)


def _draw_shared(config: Config, group: Group, rows: BestRows, run: Run, path: Path) -> None:
    """Draws the test pictures that every seed gets wrong, unless that was done since the last of them was trained."""
    written = max(os.stat(each.folder / PREDICTIONS).st_mtime_ns for each in rows.runs)
    if not path.parent.is_dir() or (path.is_file() and path.stat().st_mtime_ns > written):
        return
    dataset = load_data(config)
    check_data(run.folder, run.record.data_sha256, dataset)
    part, number = dataset.test, {name: place for place, name in enumerate(dataset.classes)}
    assert part is not None
    predicted, probability = part.y[part.index].copy(), np.zeros(len(part))
    for place, each in zip(np.searchsorted(part.rows, [each.row for each in rows.wrong]), rows.wrong, strict=True):
        predicted[place], probability[place] = number[each.predicted], each.probability
    title, what = group.best.label if group.best else "", f"Wrong by all {len(rows.runs)} seeds"
    with style.context():
        figure = errors(part, predicted, probability, dataset.classes, dataset.shape, title, what)
        if figure is not None:
            style.save(figure, path)


def gallery(group: Group, room: int) -> Gallery | None:
    """The figures of a group's best run, of at most `room` bytes together; None where no run is best."""
    run = best_run(group)
    if run is None:
        return None
    found = Gallery(run, sum(each.n for each in group.configurations) == 1)
    too_large: list[str] = []
    home = (_drawn(run) or run.folder) / "plots"
    for name, caption in FIGURES.items():
        try:
            content = files.read_bytes(home / name, min(LARGEST, room - found.taken), RunError)
        except RunError:
            too_large += [caption] if files.is_file(home / name) else []
            continue
        if content[:8] == _PNG and content[12:16] == b"IHDR":
            found.taken += len(content)
            width, height = (min(int.from_bytes(content[start : start + 4], "big"), 100_000) for start in (16, 20))
            source = "data:image/png;base64," + base64.b64encode(content).decode("ascii")
            found.pictures.append(Picture(caption, width, height, source))
    if too_large:
        found.note = f"Too large for this page, see {home}: {', '.join(too_large)}."
    elif not found.pictures and packs.find(run.folder) is not None:
        found.note = "This run was packed without figures."
    elif not found.pictures:
        found.note = (
            "This run has no figures of its own: a sweep draws none for its members. This draws them, without training again; "
            "report afterwards once more:"
        )
        config, results = (shlex.quote(str(path)) for path in (run.folder / "config.yaml", run.folder.parent))
        found.command = f"mlp train {config} --results {results}"
    return found
