"""What happens round the training loop: a callback hears of epochs and, if it overrides `on_step`, of steps."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from mlp_cli import files
from mlp_cli.training.state import Row

METRICS = "metrics.csv"


class Callback:
    """The base of all callbacks; each method may be overridden. A step hook that nobody overrides costs nothing."""

    def on_start(self, epochs: int, steps: int, samples: int, done: int) -> None:
        """Training begins: the epochs in all, steps and samples of an epoch, and the epochs that are done already."""

    def on_step(self, step: int, loss: float) -> None:
        """A step of the epoch is done: its number from 1 and the mean loss of its batch."""

    def on_epoch(self, row: Row) -> None:
        """An epoch is done and validated."""

    def on_end(self) -> None:
        """Training is over, whatever the reason."""


def metrics_header(score: str) -> list[str]:
    """The columns of metrics.csv; `score` is `accuracy` or `r2`."""
    return ["epoch", "train_loss", f"train_{score}", "val_loss", f"val_{score}", "learning_rate"]


class TablesWriter(Callback):
    """Keeps metrics.csv and timings.csv: one row an epoch, written as the epoch ends.

    history: the epochs done before; both files are made anew from them, which mends whatever a kill left.
    samples: training samples an epoch.
    """

    def __init__(self, folder: Path, score: str, history: list[Row], samples: int) -> None:
        self.metrics, self.timings = folder / METRICS, folder / "timings.csv"
        self.score, self.samples = score, samples
        self.write(history)

    def write(self, history: list[Row]) -> None:
        """Both files whole, each replaced in one step."""
        rows = [self._metrics_row(row) for row in history]
        files.write_text(self.metrics, _csv([metrics_header(self.score), *rows]))
        timed = [self._timings_row(row) for row in history]
        files.write_text(self.timings, _csv([["epoch", "seconds", "samples_per_second"], *timed]))

    def on_epoch(self, row: Row) -> None:
        files.append(self.metrics, _csv([self._metrics_row(row)]).encode())
        files.append(self.timings, _csv([self._timings_row(row)]).encode())

    def _metrics_row(self, row: Row) -> list[str]:
        values = (row.train_loss, row.train_score, row.val_loss, row.val_score, row.learning_rate)
        return [str(row.epoch), *("" if value is None else repr(float(value)) for value in values)]

    def _timings_row(self, row: Row) -> list[str]:
        rate = self.samples / row.seconds if row.seconds > 0 and row.epoch > 0 else 0.0
        return [str(row.epoch), f"{row.seconds:.4f}", f"{rate:.0f}"]


def _csv(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
