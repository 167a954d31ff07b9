"""The figures of a sweep's best run. A sweep draws none for its members; those of the winner go into the sweep's report."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from mlp_cli import experiment, files
from mlp_cli.config import config_from_mapping
from mlp_cli.errors import MlpError
from mlp_cli.report.model import Report
from mlp_cli.report.pictures import best_run, places, present


def draw_winners(report: Report, say: Callable[[str], None]) -> None:
    """Draws the figures of the best run of each group of a sweep's report where `pictures.gallery` looks for them, and takes
    those of earlier winners away.

    say: takes a notice where they cannot be drawn, as when the data is not here any more or the weights are damaged: the report
    is written all the same. Errors: RunError where those of earlier winners cannot be taken away.
    """
    kept: list[Path] = []
    for group in report.groups:
        run = best_run(group)
        if run is None:
            continue
        home = places(run)[-1]
        kept.append(home)
        if not any(map(present, places(run))):
            try:
                experiment.draw(config_from_mapping(run.record["config"]), run.folder, home)
            except MlpError as error:
                say(f"the figures of the best run are not drawn: {error.message.splitlines()[0]}")
    for home in {place.parent for place in kept}:
        if home.is_dir():
            with files.writing(home):
                for other in sorted(home.iterdir()):
                    if other not in kept and other.is_dir() and not other.is_symlink():
                        shutil.rmtree(other)
