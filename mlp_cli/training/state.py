"""What a training run has learnt so far: its epochs, its best epoch and whether it stops early."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """One epoch. Losses are means per sample; scores are accuracies (0 … 1), or R² for regression.

    learning_rate: that of the epoch's last step. seconds: wall time of training and validation.
    """

    epoch: int
    train_loss: float
    train_score: float
    val_loss: float | None
    val_score: float | None
    learning_rate: float
    seconds: float


@dataclass
class Best:
    """Finds the best epoch by one monitored value, and decides when to stop, as Keras's EarlyStopping does.

    monitor: `val_loss` (lower is better) or `val_score` (higher is better).
    patience: how many epochs in a row may pass without an improvement of more than `min_delta`; None never stops. Those up to
    `start_epoch` are not counted. target: a value at which training is good enough and stops; None for none.
    """

    monitor: str = "val_loss"
    min_delta: float = 0.0
    patience: int | None = None
    start_epoch: int = 0
    target: float | None = None
    epoch: int | None = None
    value: float | None = None
    waited: int = 0
    stop: bool = False

    def update(self, row: Row) -> bool:
        """Takes in an epoch, in place; returns whether it is the best so far."""
        value = getattr(row, self.monitor)
        if value is None:
            return False
        lower = self.monitor == "val_loss"
        if self.value is None or (value < self.value - self.min_delta if lower else value > self.value + self.min_delta):
            self.value, self.epoch, self.waited = value, row.epoch, 0
            self.stop = self.target is not None and (value <= self.target if lower else value >= self.target)
            return True
        self.waited += row.epoch > self.start_epoch
        self.stop = self.patience is not None and self.waited >= self.patience
        return False


@dataclass
class TrainingState:
    """Where a run stands after its last whole epoch. Weights and optimizer slots live in the trainer.

    step: update steps taken since the beginning.
    """

    best: Best
    epoch: int = 0
    step: int = 0
    history: list[Row] = field(default_factory=list)
