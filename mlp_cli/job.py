"""One attempt at a run, in a claimed folder: train, evaluate once on the test set, write everything."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlp_cli import environment, files, runs
from mlp_cli.build import Say, build
from mlp_cli.config import Config
from mlp_cli.data.batches import Batches
from mlp_cli.data.dataset import Dataset
from mlp_cli.errors import DataError, Diverged, Interrupted, MlpError, RunError, out_of_memory
from mlp_cli.figures import draw_figures
from mlp_cli.model import write_model
from mlp_cli.training import checkpoint
from mlp_cli.training.callbacks import AfterEpoch, Callback, LogWriter, TablesWriter, rows_in
from mlp_cli.training.checkpoint import Checkpoint
from mlp_cli.training.evaluate import ROWS, SCORE_NAMES, Scores, evaluate
from mlp_cli.training.progress import epoch_line
from mlp_cli.training.state import Best, Row, TrainingState
from mlp_cli.training.stop import StopRequest, stop_on_signals
from mlp_cli.training.trainer import Trainer


@dataclass(frozen=True)
class Plan:
    """A run before it starts: its config, the config's hash (64 hex digits), its id and its folder."""

    config: Config
    hash: str
    id: str
    folder: Path


@dataclass(frozen=True)
class Outcome:
    """What `run` leaves: the content of run.json, the folder, and whether anything was trained just now."""

    record: dict[str, Any]
    folder: Path
    trained: bool


class Job:
    """One attempt at a run, in a claimed folder."""

    def __init__(self, planned: Plan, claim: runs.Claim, before: dict[str, Any] | None, command: str | None, tell: Say) -> None:
        self.plan, self.claim, self.tell = planned, claim, tell
        config, kept = planned.config, before or {}
        self.record: dict[str, Any] = {
            "id": planned.id,
            "name": config.name,
            "status": "running",
            "error": None,
            "config_hash": planned.hash,
            "config": config.to_dict(),
            "started": kept.get("started") or runs.now(),
            "finished": None,
            "seconds": None,
            "epochs": kept.get("epochs", 0),
            "best_epoch": None,
            "parameters": kept.get("parameters"),
            "metrics": {},
            "data": kept.get("data"),
            "environment": kept.get("environment"),
            "command": command,
        }

    def finish(
        self,
        dataset: Dataset,
        threads: int | str | None,
        plots: bool,
        callbacks: Callable[[str], Sequence[Callback]],
        until: int | None,
    ) -> Outcome:
        """Trains, evaluates and writes everything; whatever goes wrong, run.json says so first.

        until: pause after this epoch as `pruned`, unless training is over by then; nothing is evaluated on the test set.
        """
        found = self._recover(dataset)
        with stop_on_signals() as stop:
            try:
                used = self._threads(threads, found, dataset)
                with environment.blas_threads(used):
                    trainer = build(self.plan.config, dataset)
                    self._prepare(trainer, dataset, used, found)
                    self._train(trainer, dataset, callbacks(SCORE_NAMES[dataset.task]), stop, until)
                    if not self._is_over(trainer.state):
                        return self._pause(trainer.state)
                    logits = self._evaluate(trainer, dataset, stop)
            except BaseException as error:
                self._fail(error)
                raise
        checkpoint.remove(self.plan.folder)
        if plots:
            draw_figures(self.plan.folder, self.record, trainer, dataset, trainer.state.history, logits)
        return Outcome(self.record, self.plan.folder, trained=True)

    def _recover(self, dataset: Dataset) -> Checkpoint | None:
        """The newest sound checkpoint. Errors: DataError where it belongs to other data; the run then stays as it is."""
        found, notices = checkpoint.recover(self.plan.folder, self.plan.id, self.plan.hash)
        if found is None and not notices and rows_in(self.plan.folder):
            notices = ["epochs were trained here before, but there is no checkpoint to go on from: starting over"]
        for text in notices:
            self.tell(text)
        if found is not None and found.head["data_sha256"] != dataset.sha256:
            raise data_changed(self.plan.folder, found.head["data_sha256"], dataset.sha256)
        return found

    def _threads(self, wanted: int | str | None, found: Checkpoint | None, dataset: Dataset) -> int:
        if wanted == "auto":
            from mlp_cli.estimate import choose_threads

            wanted = choose_threads(self.plan.config, dataset)
            self.tell(f"--threads auto: {wanted} is fastest here")
        if wanted:
            return int(wanted)
        stored = ((found.head if found else self.record)["environment"] or {}).get("threads")
        return stored if isinstance(stored, int) and stored > 0 else 1

    def _prepare(self, trainer: Trainer, dataset: Dataset, threads: int, found: Checkpoint | None) -> None:
        """Goes back to the checkpoint, if there is one, and writes run.json and config.yaml."""
        folder, record, config = self.plan.folder, self.record, self.plan.config
        record["environment"] = environment.describe(threads)
        record["parameters"] = int(trainer.network.theta.size)
        record["data"] = {
            "name": dataset.name,
            "sha256": dataset.sha256,
            "train": len(dataset.train),
            "validation": len(dataset.validation) if dataset.validation else 0,
            "test": len(dataset.test) if dataset.test else 0,
        }
        if found is not None:
            self._compare_environment(found.head["environment"])
            checkpoint.restore(trainer, found)
            self.tell(f"going on after epoch {found.epoch} of {config.epochs}")
        record["epochs"] = trainer.state.epoch
        if config.batch_size != "full" and int(config.batch_size) > len(dataset.train):
            self.tell(
                f"batch_size {config.batch_size:,} is larger than the training part: "
                f"its {len(dataset.train):,} rows are one batch"
            )
        self.claim.write_record(record)
        files.write_text(folder / "config.yaml", config.to_yaml())

    def _compare_environment(self, before: dict[str, Any]) -> None:
        now = self.record["environment"]
        changed = [f"{key} {old} → {now.get(key)}" for key, old in before.items() if now.get(key) != old]
        if changed:
            self.tell(
                f"the run began with another environment ({', '.join(changed)}): its bytes may differ from an undisturbed run's"
            )

    def _is_over(self, state: TrainingState) -> bool:
        return state.best.stop or state.epoch >= self.plan.config.epochs

    def _pause(self, state: TrainingState) -> Outcome:
        """Leaves the run at its checkpoint, from which the same bytes follow as if it had never paused."""
        self.record |= {"status": "pruned", "finished": runs.now(), "best_epoch": state.best.epoch}
        self.record["seconds"] = round(sum(row.seconds for row in state.history), 3)
        self.tables.write(state.history)  # what was appended may not be on the disk yet, and whoever paused the run judges by it
        self.claim.write_record(self.record)
        return Outcome(self.record, self.plan.folder, trained=True)

    def _train(
        self, trainer: Trainer, dataset: Dataset, callbacks: Sequence[Callback], stop: StopRequest, until: int | None
    ) -> None:
        folder, config = self.plan.folder, self.plan.config
        score, samples = SCORE_NAMES[dataset.task], len(dataset.train)
        now = self.record["environment"]
        identity = {
            "run": self.plan.id,
            "config_hash": self.plan.hash,
            "data_sha256": dataset.sha256,
            "environment": {key: now[key] for key in ("version", "numpy", "blas", "threads")},
        }
        self.tables = TablesWriter(folder, score, trainer.state.history, samples)
        log = LogWriter(self.claim.log, lambda row: epoch_line(row, config.epochs, score, samples))

        def save() -> None:
            state = trainer.state
            self.claim.check()
            if self._is_over(state) or state.epoch == until or state.epoch % config.checkpoint_every == 0:
                checkpoint.save(folder, trainer, identity)
            self.record["epochs"] = state.epoch

        # The log comes first: it tells whether the folder is still ours. What fails outside the run's files is the progress, which
        # comes last: an epoch that cannot be printed is not lost.
        with files.writing(Path("the progress")):
            trainer.fit([log, self.tables, AfterEpoch(save), *callbacks], stop, until)
        if stop.signal is not None:
            raise stop.interrupted(f"after epoch {trainer.state.epoch}")

    def _evaluate(self, trainer: Trainer, dataset: Dataset, stop: StopRequest) -> np.ndarray | None:
        """Reads the test set, once, and writes the model, the tables and, last of all, the completed run.json."""
        folder, config, record, state = self.plan.folder, self.plan.config, self.record, trainer.state
        trainer.restore_best()
        score = SCORE_NAMES[dataset.task]
        row = _evaluated_row(config, state.history, state.best)
        metrics: dict[str, float | None] = {
            "train_loss": row.train_loss,
            f"train_{score}": row.train_score,
            "val_loss": row.val_loss,
            f"val_{score}": row.val_score,
        }
        started = time.perf_counter()
        scores, logits = test(trainer, dataset, stop)
        metrics |= {"test_loss": scores.loss if scores else None, f"test_{score}": scores.score if scores else None}
        self.claim.check()
        write_model(folder, trainer.network, trainer.train.transform, dataset, record["config"])
        self.tables.write(state.history)
        files.write_text(folder / "config.yaml", config.to_yaml())
        record |= {
            "status": "completed",
            "finished": runs.now(),
            "seconds": round(sum(row.seconds for row in state.history) + time.perf_counter() - started, 3),
            "epochs": state.epoch,
            "best_epoch": state.best.epoch,
            "metrics": metrics,
        }
        self.claim.write_record(record)
        return logits

    def _fail(self, error: BaseException) -> None:
        """Writes the status that an error leaves; the error itself goes on to the caller, even where this cannot be written."""
        if isinstance(error, MemoryError):
            error = out_of_memory(error)
        if isinstance(error, Diverged):
            status = "diverged"
        elif isinstance(error, Interrupted | KeyboardInterrupt | RunError):
            status = "interrupted"  # a full disk too: once mended, the same command goes on
        else:
            status = "failed"
        text = error.message if isinstance(error, MlpError) else f"{type(error).__name__}: {error}"
        self.record |= {"status": status, "error": text, "finished": runs.now()}
        with suppress(RunError):
            self.claim.log(text if isinstance(error, MlpError) else traceback.format_exc())
        with suppress(RunError):
            self.claim.write_record(self.record)


def test(trainer: Trainer, dataset: Dataset, stop: StopRequest | None = None) -> tuple[Scores | None, np.ndarray | None]:
    """Scores and outputs (N, K) on the test set, or None and None without one. Errors: Interrupted once `stop` is set."""
    if not dataset.test:
        return None, None
    dtype = trainer.network.theta.dtype
    outputs = np.empty((len(dataset.test), dataset.outputs), dtype)
    batches = (stop or StopRequest()).watch(
        Batches(dataset.test, trainer.train.transform, ROWS, dtype), "while it was evaluated on the test set"
    )
    return evaluate(trainer.network, trainer.loss, batches, dataset.task, outputs), outputs


def _evaluated_row(config: Config, history: list[Row], best: Best) -> Row:
    if config.evaluate == "best":
        return next(row for row in history if row.epoch == best.epoch)
    return history[-1]


def data_changed(folder: Path, old: str, new: str) -> DataError:
    """The error for a run whose data has another hash than before."""
    return DataError(
        f"{folder}: the data has changed since this run: its SHA-256 was {old}, now it is {new}",
        "put the old data back, or train afresh with --force",
    )
