"""Callbacks of the training loop: they hear of epochs and, if they override `on_step`, of steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mlp_cli import files
from mlp_cli.training.state import Row

if TYPE_CHECKING:
    from mlp_cli.training.diagnostics import Diagnostics

METRICS, TIMINGS, DIAGNOSTICS = "metrics.csv", "timings.csv", "diagnostics.csv"
MEASURES = ("gradient_norm", "activation_mean", "activation_sd", "dead", "saturated", "update_ratio")
"""The columns of diagnostics.csv, besides the epoch and the layer; see `diagnostics.Diagnostics`."""


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
    """Writes metrics.csv and timings.csv, one row an epoch, as the epoch ends; and diagnostics.csv, one row a layer, where asked for.

    history: the epochs done before. The files are written anew from them, which mends whatever a kill left.
    score: `accuracy` or `r2`. samples: training samples an epoch. inside: what the layers do.
    """

    def __init__(self, folder: Path, score: str, history: list[Row], samples: int, inside: Diagnostics | None = None) -> None:
        self.samples = samples
        metrics = ["epoch", "train_loss", f"train_{score}", "val_loss", f"val_{score}", "learning_rate"]
        self.tables: list[tuple[Path, list[str], Callable[[Row], list[list[str]]]]] = [
            (folder / METRICS, metrics, self._metrics_lines),
            (folder / TIMINGS, ["epoch", "seconds", "samples_per_second"], self._timings_lines),
        ]
        if inside is not None:
            self.tables.append((folder / DIAGNOSTICS, ["epoch", "layer", *MEASURES], inside.lines))
        self.write(history)

    def write(self, history: list[Row]) -> None:
        """Writes the files whole, each in one step."""
        for path, header, lines in self.tables:
            files.write_text(path, _text([header, *(line for row in history for line in lines(row))]))

    def on_epoch(self, row: Row) -> None:
        for path, _, lines in self.tables:
            files.append(path, _text(lines(row)).encode())

    def _metrics_lines(self, row: Row) -> list[list[str]]:
        values = (row.train_loss, row.train_score, row.val_loss, row.val_score, row.learning_rate)
        return [[str(row.epoch), *("" if value is None else repr(float(value)) for value in values)]]

    def _timings_lines(self, row: Row) -> list[list[str]]:
        rate = self.samples / row.seconds if row.seconds > 0 and row.epoch > 0 else 0.0
        return [[str(row.epoch), f"{row.seconds:.4f}", f"{rate:.0f}"]]


def _text(lines: list[list[str]]) -> str:
    return "".join(",".join(line) + "\n" for line in lines)
