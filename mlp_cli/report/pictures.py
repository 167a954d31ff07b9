"""The figures that the best run's folder holds, as images inside the page."""

from __future__ import annotations

import base64
import os
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from mlp_cli import files
from mlp_cli.choosing import higher_is_better
from mlp_cli.errors import RunError
from mlp_cli.plots.figures import figures_missing
from mlp_cli.report.model import Group, Run
from mlp_cli.text import metric_name

WINNERS = Path("report", "best")
"""Where a sweep's folder holds the figures of its winners, each in a folder of the run's name."""

FIGURES = {
    "confusion.png": "Confusion matrix, test set",
    "weights.png": "First-layer weights",
    "errors.png": "Worst errors, test set",
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
    """The best run's figures, and a sentence on what is missing and how to get it."""

    run: Run
    title: str
    why: str
    pictures: list[Picture] = field(default_factory=list)
    note: str = ""
    command: str = ""


def best_run(group: Group) -> Run | None:
    """The run with the best monitor metric among those of the best configuration; None without a best configuration."""
    configuration = group.best
    runs = [run for run in configuration.completed if group.monitor in run.metrics] if configuration else []
    sign = -1.0 if higher_is_better(group.monitor) else 1.0
    return min(runs, key=lambda run: (sign * run.metrics[group.monitor], run.id), default=None)


def places(run: Run) -> tuple[Path, ...]:
    """The folders whose plots/ may hold a run's figures: its own, and, for a sweep's winner, one in the sweep's report."""
    return run.folder, run.folder.parent.parent / WINNERS / run.id


def present(place: Path) -> bool:
    """Whether a run's figures were drawn there, to the end."""
    return not figures_missing(place)


def gallery(group: Group, room: int) -> Gallery | None:
    """The figures of a group's best run, of at most `room` bytes together; None where no run is best."""
    run = best_run(group)
    if run is None:
        return None
    completed = sum(each.n for each in group.configurations)
    if completed == 1:
        found = Gallery(run, "The run", "the only one that is completed")
    else:
        found = Gallery(run, "The best run", f"best {metric_name(group.monitor)} of the best configuration's runs")
    too_large: list[str] = []
    missing: list[str] = []
    home = next(filter(present, places(run)), run.folder) / "plots"
    for name, caption in FIGURES.items():
        try:
            content = files.read_bytes(home / name, min(LARGEST, room), RunError)
        except RunError:
            (too_large if os.path.isfile(home / name) else missing).append(caption)
            continue
        if content[:8] != _PNG or content[12:16] != b"IHDR":
            missing.append(caption)
            continue
        room -= len(content)
        width, height = (int.from_bytes(content[start : start + 4], "big") for start in (16, 20))
        source = "data:image/png;base64," + base64.b64encode(content).decode("ascii")
        found.pictures.append(Picture(caption, min(width, 100_000), min(height, 100_000), source))
    if too_large:
        found.note = f"Too large for this page, see {home}: {', '.join(too_large)}."
    elif not found.pictures and missing:
        found.note = (
            "This run has no figures of its own: a sweep draws none for its members. This draws them, without training again; "
            "report afterwards once more:"
        )
        config, results = (shlex.quote(str(path)) for path in (run.folder / "config.yaml", run.folder.parent))
        found.command = f"mlp train {config} --results {results}"
    return found


def size(found: Gallery | None) -> int:
    """Bytes that the images of a gallery took of the page's room."""
    return sum(len(picture.source) * 3 // 4 for picture in found.pictures) if found else 0
