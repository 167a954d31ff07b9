"""Callbacks of the training loop: they hear of epochs and, if they override `on_step`, of steps."""

from __future__ import annotations

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


class TablesWriter(Callback):
    """Writes metrics.csv and timings.csv: one row an epoch, as the epoch ends.

    history: the epochs done before. Both files are written anew from them, which mends whatever a kill left.
    score: `accuracy` or `r2`. samples: training samples an epoch.
    """

    def __init__(self, folder: Path, score: str, history: list[Row], samples: int) -> None:
        self.samples = samples
        metrics = ["epoch", "train_loss", f"train_{score}", "val_loss", f"val_{score}", "learning_rate"]
        self.tables = (
            (folder / METRICS, metrics, self._metrics_row),
            (folder / "timings.csv", ["epoch", "seconds", "samples_per_second"], self._timings_row),
        )
        self.write(history)

    def write(self, history: list[Row]) -> None:
        """Writes both files whole, each in one step."""
        for path, header, cells in self.tables:
            files.write_text(path, "".join(",".join(row) + "\n" for row in (header, *map(cells, history))))

    def on_epoch(self, row: Row) -> None:
        for path, _, cells in self.tables:
            files.append(path, (",".join(cells(row)) + "\n").encode())

    def _metrics_row(self, row: Row) -> list[str]:
        values = (row.train_loss, row.train_score, row.val_loss, row.val_score, row.learning_rate)
        return [str(row.epoch), *("" if value is None else repr(float(value)) for value in values)]

    def _timings_row(self, row: Row) -> list[str]:
        rate = self.samples / row.seconds if row.seconds > 0 and row.epoch > 0 else 0.0
        return [str(row.epoch), f"{row.seconds:.4f}", f"{rate:.0f}"]
