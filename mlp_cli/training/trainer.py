"""The training loop: epochs of steps, each a forward pass, a loss, a backward pass and an update."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp_cli.data.batches import Batches
from mlp_cli.data.targets import UNSCALED, TargetScale
from mlp_cli.errors import Diverged
from mlp_cli.nn.network import Network
from mlp_cli.nn.schedules import MEMORY, ReduceOnPlateau, Schedule, multiplier
from mlp_cli.nn.soft import SoftTargets
from mlp_cli.nn.updater import Updater
from mlp_cli.rng import Purpose, stream
from mlp_cli.training.callbacks import Callback
from mlp_cli.training.diagnostics import Diagnostics
from mlp_cli.training.evaluate import Scores, evaluate
from mlp_cli.training.state import Row, TrainingState
from mlp_cli.training.stop import StopRequest


@dataclass(eq=False)
class Trainer:
    """Trains a network in place. It holds all parts of a run that change: parameters, slots, state, best weights.

    train, validation: batches of the two parts (validation None: no part); task, targets: see `Scores`.
    keep_best: keep a copy of the weights of the best epoch, for `evaluate: best`. soft: the loss whose gradient trains, where targets
    are softened. mixup: alpha of the Beta distribution by which pairs of rows are mixed. max_norm: of the weights into a unit.
    ema: share of the averaged weights that stays at each step; they are then what is evaluated. 0 is off.
    diagnostics: looks at the weights in training as each epoch ends; None does not.
    """

    network: Network
    loss: Any
    updater: Updater
    schedule: Schedule
    train: Batches
    validation: Batches | None
    _: KW_ONLY
    task: str
    seed: int
    learning_rate: float
    epochs: int
    state: TrainingState
    keep_best: bool = False
    targets: TargetScale = UNSCALED
    soft: SoftTargets | None = None
    mixup: float = 0.0
    max_norm: float = 0.0
    ema: float = 0.0
    diagnostics: Diagnostics | None = None

    def __post_init__(self) -> None:
        self.best_weights: dict[str, NDArray] = {}
        self.current_rate = 0.0
        self._steps = len(self.train)
        self._mixer = stream(self.seed, Purpose.MIXUP, 1)
        self.averaged = self.network.theta.copy() if self.ema else None
        self.plateau = np.array(MEMORY) if isinstance(self.schedule, ReduceOnPlateau) else None

    def weights(self) -> dict[str, NDArray]:
        """Everything that the network has learnt, by name: views of its parameters and of its running statistics."""
        return {**self.network.parameters, **self.network.state}

    def restore_best(self) -> None:
        """Puts the weights that are evaluated into the network: those of the best epoch, where they were kept, or the averaged ones."""
        if self.averaged is not None:
            self.network.theta[:] = self.averaged
        for name, value in self.best_weights.items():
            self.weights()[name][...] = value

    def fit(
        self,
        callbacks: Sequence[Callback] = (),
        stop: StopRequest | None = None,
        until: int | None = None,
        is_late: Callable[[], bool] = lambda: False,
    ) -> None:
        """Trains from `state.epoch` to the end, or until early stopping decides.

        until: pause after this epoch; the schedule stays that of the full length. is_late: pause after an epoch where this holds.
        callbacks: called in this order after each epoch, when `state` and the weights belong together.
        Errors: Diverged for a loss that is not finite; Interrupted when `stop` is set.
        """
        stop = stop or StopRequest()
        last = self.epochs if until is None else min(self.epochs, until)
        for callback in callbacks:
            callback.on_start(self.epochs, self._steps, self.train.rows, self.state.epoch)
        step_hooks = [callback.on_step for callback in callbacks if type(callback).on_step is not Callback.on_step]
        try:
            with np.errstate(all="ignore"):
                if self.epochs == 0 and not self.state.history:
                    self._finish_epoch(self._initial_row(stop), callbacks)
                while self.state.epoch < last and not self.state.best.stop and not (self.state.history and is_late()):
                    self._finish_epoch(self._epoch(self.state.epoch + 1, step_hooks, stop), callbacks)
        finally:
            for callback in callbacks:
                callback.on_end()

    def _finish_epoch(self, row: Row, callbacks: Sequence[Callback]) -> None:
        state = self.state
        state.epoch = row.epoch
        state.history.append(row)
        if self.plateau is not None and isinstance(self.schedule, ReduceOnPlateau) and row.epoch > 0:
            self.schedule.observe(row.train_loss if row.val_loss is None else row.val_loss, self.plateau)
        if state.best.update(row) and self.keep_best:
            with self._evaluated_weights():
                self.best_weights = {name: value.copy() for name, value in self.weights().items()}
        if self.diagnostics is not None:
            self.diagnostics.observe(self.network)
        for callback in callbacks:
            callback.on_epoch(row)

    @contextmanager
    def _evaluated_weights(self) -> Iterator[None]:
        """The averaged weights in the network, where there are such; training's own come back."""
        if self.averaged is None:
            yield
            return
        own = self.network.theta.copy()
        self.network.theta[:] = self.averaged
        yield
        self.network.theta[:] = own

    def step(self, x: NDArray, y: NDArray, scores: Scores) -> float:
        """One update from one batch, in place: x (B, D) in the network's dtype, y (B,) or (B, K). Returns the sum of its losses.

        A loss that is not finite is returned, and nothing is updated. The batch is added to `scores`.
        """
        network, loss, state = self.network, self.soft or self.loss, self.state
        partners: tuple[Any, ...] = ()
        if self.mixup:
            x, y, partners = self._mixed(x, y)
        outputs = network.forward(x, training=True)
        batch_loss: float = loss.forward(outputs, y, *partners)
        if math.isfinite(batch_loss):
            scores.add(batch_loss, outputs, y, loss.correct)
            network.backward(loss.backward())
            self.current_rate = self.learning_rate * multiplier(self.schedule, state.step, self._steps, self.epochs)
            state.step += 1
            if self.plateau is not None:
                self.current_rate *= float(self.plateau[0])
            self.updater.apply(self.current_rate, state.step)
            if self.max_norm:
                network.limit_norms(self.max_norm)
            if self.averaged is not None:
                np.multiply(self.averaged, self.ema, out=self.averaged)
                np.add(self.averaged, (1 - self.ema) * network.theta, out=self.averaged)
        return batch_loss

    def _mixed(self, x: NDArray, y: NDArray) -> tuple[NDArray, NDArray, tuple[Any, ...]]:
        """Each row mixed with another of its batch, all with one share (Zhang et al., 2018): a quantity's targets too; of classes
        and labels the partners' and the share, which is at least a half, as `SoftTargets.forward` takes them."""
        share = float(self._mixer.beta(self.mixup, self.mixup))
        share, order = max(share, 1 - share), self._mixer.permutation(len(x))
        x = (share * x + (1 - share) * x[order]).astype(x.dtype, copy=False)
        if self.task != "regression":
            return x, y, (y[order], share)
        return x, share * y + (1 - share) * y[order], ()

    def _epoch(self, epoch: int, step_hooks: Sequence[Callable[[int, float], None]], stop: StopRequest) -> Row:
        started = time.perf_counter()
        scores, middle = Scores(self.task, self.targets), (self._steps + 1) // 2
        self.network.start_epoch(self.seed, epoch)
        if self.mixup:
            self._mixer = stream(self.seed, Purpose.MIXUP, epoch)
        self.train.shuffle(stream(self.seed, Purpose.SHUFFLE, epoch))
        self.train.alter(stream(self.seed, Purpose.AUGMENT, epoch))
        for number, (x, y) in enumerate(self.train, 1):
            inside = self.diagnostics if number == middle else None
            if inside is not None:
                inside.before_step(self.network)
            batch_loss = self.step(x, y, scores)
            if inside is not None:
                inside.after_step(self.network)
            if not math.isfinite(batch_loss):
                raise self._diverged(f"the training loss became {batch_loss}", epoch, number)
            for hook in step_hooks:
                hook(number, batch_loss / len(x) * self.targets.loss_unit)
            if stop.signal is not None:
                raise stop.interrupted(f"in epoch {epoch}, step {number} of {self._steps}")
        validated = self._validate(epoch, stop)
        return Row(epoch, scores.loss, scores.score, *validated, self.current_rate, time.perf_counter() - started)

    def _validate(self, epoch: int, stop: StopRequest) -> tuple[float | None, float | None]:
        if self.validation is None:
            if not np.isfinite(self.network.theta).all():
                raise self._diverged("a weight is no longer finite", epoch)
            return None, None
        batches = stop.watch(self.validation, f"in epoch {epoch}, while it was validated")
        with self._evaluated_weights():
            scores = evaluate(self.network, self.loss, batches, self.task, self.targets)
        if not math.isfinite(scores.loss):
            raise self._diverged(f"the validation loss became {scores.loss}", epoch)
        return scores.loss, scores.score

    def _initial_row(self, stop: StopRequest) -> Row:
        started = time.perf_counter()
        batches = stop.watch(self.train, "while the initial weights were evaluated")
        scores = evaluate(self.network, self.loss, batches, self.task, self.targets)
        validated = self._validate(0, stop)
        return Row(0, scores.loss, scores.score, *validated, 0.0, time.perf_counter() - started)

    def _diverged(self, what: str, epoch: int, number: int | None = None) -> Diverged:
        """The error for a run whose loss is not finite.

        number: of the step in its epoch whose update was not made; None where the epoch's steps were all made.
        """
        norms = {name: float(np.linalg.norm(grad)) for name, grad in self.network.gradients.items()}
        worst = max(norms, key=lambda name: norms[name] if math.isfinite(norms[name]) else math.inf)
        layer, dead, rate = self.network.layer_of(worst), self.network.dead_relus(), self.current_rate
        step = self.state.step if number is None else self.state.step + 1
        where = "after its last step" if number is None else f"step {number}"
        return Diverged(
            f"diverged: {what} in epoch {epoch}, {where} ({step} in all); layer {layer} had the largest gradient "
            f"(|d{worst}| = {norms[worst]:.3g}), learning rate {rate:g}"
            + ("" if dead is None else f"; {100 * dead:.0f} % of the ReLU units are dead"),
            f"try a smaller learning rate: learning_rate={min(self.learning_rate / 10, 0.1):.3g}",
            {
                "epoch": epoch,
                "step": step,
                "layer": int(layer.rpartition("_")[2]),
                "gradient_norm": norms[worst] if math.isfinite(norms[worst]) else None,
                "learning_rate": rate,
                "dead_relus": dead,
            },
        )
