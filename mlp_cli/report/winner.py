"""The figures of a sweep's best run. A sweep draws none for its members; those of the winner go into the sweep's report."""

from __future__ import annotations

import shutil
from pathlib import Path

from mlp_cli import files
from mlp_cli.config import config_from_mapping
from mlp_cli.errors import MlpError, Notify
from mlp_cli.plots.figures import draw
from mlp_cli.report.model import Report
from mlp_cli.report.pictures import WINNERS, best_run, places, present


def draw_winners(report: Report, sweep: Path, notify: Notify) -> None:
    """Draws the figures of the best run of each group of a sweep's report where `pictures.gallery` looks for them, and takes
    those of earlier winners away. Runs that a link brought in from elsewhere have none drawn.

    sweep: its folder; nothing outside is touched. notify: takes a notice where figures cannot be drawn, as when the data is not here
    any more or the weights are damaged: the report is written all the same. Errors: RunError where the folder cannot be written,
    or a link stands in it.
    """
    home = sweep / WINNERS
    for each in (home.parent, home):
        files.refuse_link(each)
    winners = [run for group in report.groups if (run := best_run(group)) is not None and run.folder.parent == sweep / "runs"]
    for run in winners:
        if not any(map(present, places(run))):
            try:
                draw(config_from_mapping(run.record.config), run.record, run.folder, home / run.id)
            except MlpError as error:
                notify(f"the figures of the best run are not drawn: {error.message.splitlines()[0]}")
    kept = {run.id for run in winners}
    if winners and home.is_dir():
        with files.writing(home):
            for other in sorted(home.iterdir()):
                if other.name not in kept and other.is_dir() and not other.is_symlink():
                    shutil.rmtree(other)
