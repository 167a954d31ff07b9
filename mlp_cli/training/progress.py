"""What a person sees while a run trains: a bar on a terminal, one plain line an epoch elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from typing import Any, TextIO

from mlp_cli.text import quantity_text
from mlp_cli.training.callbacks import Callback
from mlp_cli.training.state import Row


def score_text(score: str, value: float | None) -> str:
    """`98.41 %` for an accuracy, `0.9130` for R², `−8.1·10²¹` far below; `nan` for None, which stands for it in run.json."""
    value = math.nan if value is None else value
    if score != "accuracy" and value < -1000:
        return quantity_text(value, 2)
    return f"{100 * value:.2f} %" if score == "accuracy" else f"{value:.4f}"


def loss_text(value: float) -> str:
    """`0.0812`; with five digits where four places would say too much, as of a quantity in its own unit, or too little."""
    return f"{value:.4f}" if value == 0 or 0.001 <= abs(value) < 10_000 else quantity_text(value)


def error_text(error: str, loss: float) -> str:
    """A mean loss as `loss 0.0812` or `MAE 12.3450`, or its root as `RMSE 12.3450`."""
    return f"{error} {loss_text(math.sqrt(loss) if error == 'RMSE' else loss)}"


def epoch_line(row: Row, epochs: int, score: str, samples: int, error: str = "loss") -> str:
    """One epoch in one plain line. score: `accuracy` or `r2`; samples: training samples an epoch; error: see `error_text`."""
    width = len(str(epochs))
    name = "R²" if score == "r2" else score
    parts = [f"epoch {row.epoch:{width}}/{epochs}", error_text(error, row.train_loss)]
    parts.append(f"{name} {score_text(score, row.train_score)}")
    if row.val_loss is not None and row.val_score is not None:
        parts += [f"val {error_text(error, row.val_loss)}", f"val {name} {score_text(score, row.val_score)}"]
    if row.epoch and row.seconds > 0:
        parts += [f"lr {row.learning_rate:.3g}", f"{samples / row.seconds:,.0f} samples/s"]
    return "  ".join(parts)


class PlainProgress(Callback):
    """Writes `epoch_line` to a stream after each epoch. score, error: as there."""

    def __init__(self, stream: TextIO, score: str, error: str = "loss") -> None:
        self.stream, self.score, self.error = stream, score, error

    def on_start(self, epochs: int, steps: int, samples: int, done: int) -> None:
        self.epochs, self.samples = epochs, samples

    def on_epoch(self, row: Row) -> None:
        self.stream.write(epoch_line(row, self.epochs, self.score, self.samples, self.error) + "\n")
        self.stream.flush()


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell is not None and "IPKernelApp" in shell.config


def bar_type() -> Any:
    """The class of tqdm's bar: in a notebook the one that it chooses itself, else that of terminals, which loads faster."""
    return import_module("tqdm.auto" if in_notebook() else "tqdm").tqdm


class BarProgress(Callback):
    """A tqdm bar over all samples of the run, with loss, validation score, samples/s and the time that is left.

    score, error: as of `epoch_line`. The bar is touched a few times a second, not at each step.
    """

    INTERVAL = 0.2

    def __init__(self, stream: TextIO, score: str, error: str = "loss") -> None:
        self.stream, self.score, self.error = stream, score, error

    def on_start(self, epochs: int, steps: int, samples: int, done: int) -> None:
        self.epochs, self.samples, self.steps, self.epoch, self.due = epochs, samples, steps, done, 0.0
        self.validation = ""
        layout = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}, {rate_fmt}{postfix}"
        self.bar = bar_type()(
            total=epochs * samples,
            initial=done * samples,
            file=self.stream,
            unit=" samples",
            unit_scale=True,
            mininterval=0,
            miniters=1,
            dynamic_ncols=True,
            bar_format=layout,
            desc=f"epoch {min(done + 1, epochs)}/{epochs}",
        )

    def on_step(self, step: int, loss: float) -> None:
        if (clock := time.monotonic()) < self.due:
            return
        self.due = clock + self.INTERVAL
        self.bar.set_postfix_str(f"{error_text(self.error, loss)}{self.validation}", refresh=False)
        self.bar.update(self.epoch * self.samples + step * self.samples // self.steps - self.bar.n)

    def on_epoch(self, row: Row) -> None:
        self.epoch = row.epoch
        if row.val_score is not None:
            self.validation = f", val {'R²' if self.score == 'r2' else self.score} {score_text(self.score, row.val_score)}"
        self.bar.set_description_str(f"epoch {min(row.epoch + 1, self.epochs)}/{self.epochs}", refresh=False)
        self.bar.set_postfix_str(f"{error_text(self.error, row.train_loss)}{self.validation}", refresh=False)
        self.bar.update(self.epoch * self.samples - self.bar.n)

    def on_end(self) -> None:
        self.bar.close()


def feature_bar(pieces: Iterator[int], total: int, shown: bool = True) -> Iterator[int]:
    """The numbers of rows that are done, with a bar over all `total` of them where one is shown, and only on a terminal."""
    from tqdm import tqdm

    with tqdm(total=total, desc="features", unit=" pictures", leave=False, disable=None if shown else True) as bar:
        for rows in pieces:
            bar.update(rows)
            yield rows
