"""One run, from its config to its folder. Read it first: a `Plan` says where a run goes; `run` loads the data and claims the
folder; an `Attempt` there builds the network, fits it, evaluates it once on the test set and writes the results."""

from __future__ import annotations

import math
import stat
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from mlp_cli import environment, files, runs
from mlp_cli.build import build, check, check_data, choose_threads, load_data, shown_scores
from mlp_cli.config import Config
from mlp_cli.config.resolved import config_hash
from mlp_cli.data.batches import Batches
from mlp_cli.data.dataset import Dataset
from mlp_cli.errors import DataError, Diverged, Interrupted, MlpError, Notify, RunError, out_of_memory
from mlp_cli.loggers import Logs
from mlp_cli.model import NAME, read_model, write_model
from mlp_cli.nn.metrics import MacroF1
from mlp_cli.plots.run import draw, figures_missing
from mlp_cli.predictions import NAME as PREDICTIONS
from mlp_cli.predictions import predict_part, predictions_of, write_predictions
from mlp_cli.training import checkpoint
from mlp_cli.training.callbacks import METRICS, TIMINGS, Callback, TablesWriter
from mlp_cli.training.evaluate import ROWS, Scores, evaluate
from mlp_cli.training.progress import epoch_line, feature_bar
from mlp_cli.training.state import Row
from mlp_cli.training.stop import StopRequest, stop_on_signals

FILES = ("config.yaml", METRICS, TIMINGS, NAME)
"""What every completed run has, besides run.json and log.txt. Predictions do not count: they follow from the model."""

_DONE = ("completed", "diverged")


class Plan:
    """A run before it starts: its config, the config's hash (64 hex digits), its id and its folder.

    refit_of: the id of the run that it trains again on all rows, None for others.
    """

    def __init__(self, config: Config, results: Path, refit_of: str | None = None) -> None:
        self.config, self.hash, self.refit_of = config, config.hash(), refit_of
        self.id = runs.run_id(config.name, self.hash)
        self.folder = results / self.id


@dataclass(frozen=True)
class Outcome:
    """What `run` leaves: the content of run.json, the folder, and whether anything was trained just now."""

    record: runs.Record
    folder: Path
    trained: bool


def run(
    plan: Plan,
    *,
    threads: int | str | None = None,
    force: bool = False,
    plots: bool = True,
    callbacks: Sequence[Callback] = (),
    notify: Notify = lambda text: None,
    describe: Notify = lambda text: None,
    command: str | None = None,
    until: int | None = None,
    budget: float | None = None,
    alone: bool = True,
    on_error: Callable[[runs.Record], None] = lambda record: None,
) -> Outcome:
    """Finishes a run: reports a completed or diverged one, goes on with one that was interrupted or ran out of its time, starts a new
    or failed one.

    threads: BLAS threads, `auto`, or None for what the run used before (1 at first). force: clear the folder first.
    plots: also draw figures. callbacks: hear of the training besides, such as a progress bar. command: for run.json.
    describe: takes, before anything else is done, what the run is given, in one line.
    until: pause after this epoch as `pruned`; the same call without it goes on.
    budget: seconds after which training ends in good order, as `interrupted`, once its epoch is done.
    alone: False for a sweep's member. It keeps no checkpoint once it is completed, goes on from no shorter run, and logs to no other
    tool, which the sweep does.
    on_error: takes the record of a run that an error or a signal ended, before the error goes on.
    Errors: RunError, Interrupted, DataError, UsageError; run.json then tells the status.
    """
    folder = plan.folder
    logs = Logs(plan.config.log_to if alone else (), folder.parent, plan.config.name, notify)
    data: Dataset | DataError
    try:
        data = load_data(plan.config)
        check(plan.config, data)
    except DataError as error:
        before = runs.read_record(folder)
        if force or before is None or before.status not in _DONE:
            raise
        data = error
    else:
        describe(data.summary())
    with runs.Claim(folder) as claim:

        def log_and_notify(text: str) -> None:
            claim.log(text)
            notify(text)

        for text in data.notices if isinstance(data, Dataset) else ():
            log_and_notify(text)
        claim.tidy()
        if force:
            claim.clear()
        record = runs.read_record(folder) or new_record(plan)
        if record.config_hash != plan.hash:
            raise RunError(
                f"{folder} belongs to another config: its hash is {record.config_hash}, this one's {plan.hash}",
                "give this run another name with --name",
            )
        done, completed = record.status in _DONE, record.status == "completed"
        if done and isinstance(data, Dataset):
            check_data(folder, record.data_sha256, data)
        lost = missing_files(folder) if completed else []
        if done and not lost:
            checkpoint.remove(folder, keep_last=alone and completed)
            if isinstance(data, DataError):
                log_and_notify(f"the data cannot be used now, so it was not compared: {data.message.splitlines()[0]}")
            elif completed and missing_files(folder, [PREDICTIONS]):
                model, parts = (
                    read_model(folder).on(data),
                    {name: part for name, part in data.parts().items() if name != "training"},
                )
                write_predictions(folder, {name: predict_part(model, part) for name, part in parts.items()})
                log_and_notify(f"{PREDICTIONS} was not there; it is written from {NAME}, without training")
            if isinstance(data, Dataset) and plots and completed and figures_missing(folder, data, plan.config):
                draw(plan.config, record, folder, folder, data, None, log_and_notify)
        elif isinstance(data, DataError):
            raise data
        else:
            if lost:
                log_and_notify(f"the run was completed, but {', '.join(lost)} is gone or empty: starting over")
            if completed or (record.status == "failed" and record.error != runs.TIMEOUT):
                claim.clear()
                record = new_record(plan)
            record.command = command
            claim.log(f"data  {data.summary()}")
            try:
                attempt = Attempt(plan, claim, data, record, log_and_notify, keep_last=alone, extend=alone and not force)
                attempt.finish(threads, plots, callbacks, until, budget)
            except BaseException:
                if record.status != "running":
                    on_error(record)
                logs.write(folder)
                raise
        if record.status == "completed":  # somebody may have taken the folder away, or a file of it
            claim.check()
            if gone := missing_files(folder):
                raise RunError(f"{folder}: {', '.join(gone)} is gone or empty", "run the same command again")
        logs.write(folder)
        return Outcome(record, folder, not done or bool(lost))


def new_record(plan: Plan) -> runs.Record:
    """run.json of a run that nobody has begun: it has every key."""
    known = {"id": plan.id, "name": plan.config.name, "config_hash": plan.hash, "config": plan.config.to_dict()}
    begun = {"status": "interrupted", "started": runs.now(), "epochs": 0, "metrics": {}}
    begun |= {} if plan.refit_of is None else {"refit_of": plan.refit_of}
    return runs.Record.model_validate(dict.fromkeys(runs.Record.model_fields.keys() - {"refit_of"}) | known | begun)


def shorter_runs(plan: Plan) -> list[Path]:
    """The folders of the completed runs beside a run that differ from it in fewer `epochs` alone, the longest first; those that
    have kept their last checkpoint."""
    found, epochs = [], plan.config.epochs
    for path in plan.folder.parent.glob(f"*/{checkpoint.CURRENT}"):
        record = runs.read_quietly(path.parent)
        fewer = record.config.get("epochs") if record is not None and record.status == "completed" else None
        if record is not None and isinstance(fewer, int) and 0 < fewer < epochs:
            with suppress(ValueError):  # a config of another version
                if config_hash(record.config | {"epochs": epochs}) == plan.hash:
                    found.append((fewer, path.parent))
    return [folder for _, folder in sorted(found, reverse=True)]


def missing_files(folder: Path, names: Sequence[str] = FILES) -> list[str]:
    """Which of a run's files are not there, or empty; a completed one is trained again where one of `FILES` is."""
    missing = list(names)
    for name in names:
        with suppress(OSError):
            status = (folder / name).stat()
            if stat.S_ISREG(status.st_mode) and status.st_size:
                missing.remove(name)
    return missing


class Attempt(Callback):
    """One try at a run, in its claimed folder. As a callback it keeps the run's files, epoch by epoch.

    record: what run.json says, changed in place. notify: takes what is said to the user and to log.txt.
    keep_last: keep the last checkpoint of the completed run. extend: begin where a shorter run beside this one has ended.
    """

    def __init__(
        self,
        plan: Plan,
        claim: runs.Claim,
        dataset: Dataset,
        record: runs.Record,
        notify: Notify,
        *,
        keep_last: bool = True,
        extend: bool = True,
    ) -> None:
        self.plan, self.claim, self.dataset, self.record, self.notify = plan, claim, dataset, record, notify
        self.keep_last, self.extend = keep_last, extend
        self.config, self.folder = plan.config, plan.folder
        self.score, self.error = shown_scores(plan.config)
        record.status, record.error, record.divergence = "running", None, None
        record.finished = record.seconds = record.best_epoch = None
        record.config, record.metrics = self.config.to_dict(), {}

    def finish(
        self,
        threads: int | str | None,
        plots: bool,
        callbacks: Sequence[Callback],
        until: int | None,
        budget: float | None = None,
    ) -> None:
        """Trains, evaluates and writes everything; whatever goes wrong, run.json says so first.

        until: pause after this epoch as `pruned`, unless training is over by then; nothing is evaluated on the test set.
        budget: seconds after which it pauses likewise, as `interrupted`.
        Errors: DataError where the checkpoint belongs to other data; the run then stays as it is.
        """
        self.until, self.late = until, False
        self.deadline = math.inf if budget is None else time.monotonic() + budget
        found, notices = checkpoint.recover(self.folder, self.plan.id, self.plan.hash)
        if found is None and not notices:
            with suppress(RunError):
                if runs.read_curves(self.folder).get("epoch"):
                    notices = ["epochs were trained here before, but there is no checkpoint to go on from: starting over"]
        for text in notices:
            self.notify(text)
        self.extend = self.extend and found is None and not notices
        if found is not None:
            check_data(self.folder, found.head["data_sha256"], self.dataset)
        with stop_on_signals() as stop:
            try:
                if threads == "auto":
                    threads = choose_threads(self.config, self.dataset)
                    self.notify(f"--threads auto: {threads} is fastest here")
                kept = found.head["environment"].get("threads") if found is not None else None
                threads = int(threads or kept or (self.record.environment or runs.Environment()).threads)
                with threadpool_limits(threads, "blas"):
                    self.trainer = build(self.config, self.dataset, partial(self._follow, stop, bool(callbacks)))
                    self._begin(threads, found)
                    # What fails here outside the run's own files is the progress. It comes last: an epoch that cannot be
                    # printed is not lost.
                    with files.writing(Path("the progress")):
                        self.trainer.fit([self, *callbacks], stop, until, lambda: self.late)
                    if stop.signal is not None:
                        raise stop.interrupted(f"after epoch {self.trainer.state.epoch}")
                    if not self._is_over():
                        self._end("interrupted" if self.late else "pruned", {})
                        return
                    self._evaluate(stop)
            except BaseException as error:
                self._fail(error)
                raise
        checkpoint.remove(self.folder, keep_last=self.keep_last)
        if plots:
            draw(self.config, self.record, self.folder, self.folder, self.dataset, self.trainer, self.notify)

    def _follow(self, stop: StopRequest, shown: bool, pieces: Iterator[int], total: int) -> Iterator[int]:
        """The pieces of work on features, with a bar where something is shown. Errors: Interrupted."""
        self.notify(f"computing the features of {total:,} pictures, once for all runs that have the same")
        return stop.watch(feature_bar(pieces, total, shown), "while features were computed")

    def _begin(self, threads: int, found: checkpoint.Checkpoint | None) -> None:
        """Goes back to the checkpoint, if there is one, else perhaps to a shorter run's, and writes run.json, config.yaml and the
        tables as they are then."""
        record, dataset, trainer = self.record, self.dataset, self.trainer
        now = environment.describe(threads)
        kernel = trainer.updater.kernel
        record.environment = runs.Environment.model_validate(now | {"kernels": kernel.name})
        if kernel.notice:
            self.notify(kernel.notice)
        record.parameters = int(trainer.network.theta.size)
        record.data = runs.Data(
            name=dataset.name,
            sha256=dataset.sha256,
            train=len(dataset.train),
            validation=len(dataset.validation or ()),
            test=len(dataset.test or ()),
            classes=list(dataset.classes),
            inputs=dataset.train.x.shape[1],
            scale=dataset.scale,
            notices=list(dataset.notices),
            largest_class={"train" if part == "training" else part: share for part, share in dataset.largest_class().items()}
            or None,
        )
        if dataset.task == "multi_label":
            rates = dataset.class_counts()["training"] / len(dataset.train)
            record.data.positive_rates = dict(zip(dataset.classes, rates.tolist(), strict=True))
        self.identity: dict[str, Any] = {
            "run": self.plan.id,
            "config_hash": self.plan.hash,
            "data_sha256": dataset.sha256,
            "environment": {key: now[key] for key in ("version", "numpy", "blas", "cpu", "threads")},
        }
        begun = self._extend() if self.extend else None
        if found is not None:
            before = found.head["environment"].items()
            if changed := [f"{key} {old} → {now.get(key)}" for key, old in before if now.get(key) != old]:
                self.notify(
                    f"the run began with another environment ({', '.join(changed)}): "
                    "its bytes may differ from an undisturbed run's"
                )
            checkpoint.restore(trainer, found)
            self.notify(f"going on after epoch {found.epoch} of {self.config.epochs}")
        else:
            record.continued_from = begun
        record.epochs = trainer.state.epoch
        size = self.config.batch_size
        if size != "full" and int(size) > len(dataset.train):
            self.notify(f"batch_size {size:,} is larger than the training part: its {len(dataset.train):,} rows are one batch")
        if trainer.targets.log:
            self.notify("target_scale: log: losses are those of the logarithm; R², RMSE and MAE are those of the quantity itself")
        self.claim.write_record(record)
        if begun is not None:  # before the tables: what they say, a checkpoint knows
            checkpoint.save(self.folder, trainer, self.identity)
        files.write_text(self.folder / "config.yaml", self.config.to_yaml())
        self.tables = TablesWriter(self.folder, self.score, trainer.state.history, len(dataset.train), trainer.diagnostics)

    def _extend(self) -> str | None:
        """Puts the trainer where the longest shorter run has ended from which the same bytes follow as of a whole run; returns that
        run's id. None where there is none; the user hears why the longest one will not do."""
        now, refused = self.identity["environment"], list[str]()
        for folder in shorter_runs(self.plan):
            try:
                found = checkpoint.read(folder / checkpoint.CURRENT)
                before = found.head["environment"]
                differs = [f"{key} {before.get(key)} → {value}" for key, value in now.items() if before.get(key) != value]
                if found.head["data_sha256"] != self.dataset.sha256:
                    differs.append("its data was other data")
                if self.trainer.schedule.uses_length:
                    differs = [f"schedule: {self.config.schedule.name} depends on the number of epochs from the first step on"]
                if not differs:
                    checkpoint.restore(self.trainer, found)
                    self.notify(f"going on from {folder.name}, after epoch {found.epoch}")
                    return folder.name
            except RunError as error:
                differs = [error.message]
            refused.append(f"starting afresh, and not from {folder.name}: {', '.join(differs)}")
        if refused:
            self.notify(refused[0])
        return None

    def on_epoch(self, row: Row) -> None:
        """Keeps what the epoch gave. The log comes first: it tells whether the folder is still ours."""
        self.claim.log(epoch_line(row, self.config.epochs, self.score, len(self.dataset.train), self.error))
        self.tables.on_epoch(row)
        self.claim.check()
        self.late = time.monotonic() >= self.deadline
        if self._is_over() or row.epoch == self.until or self.late or row.epoch % self.config.checkpoint_every == 0:
            checkpoint.save(self.folder, self.trainer, self.identity)
        self.record.epochs = row.epoch

    def _is_over(self) -> bool:
        return self.trainer.state.best.stop or self.trainer.state.epoch >= self.config.epochs

    def _evaluate(self, stop: StopRequest) -> None:
        """Reads the test set, once, and writes the model, the predictions and, last of all, the completed run.json."""
        started = time.perf_counter()
        trainer, history, dataset = self.trainer, self.trainer.state.history, self.dataset
        trainer.restore_best()
        best = trainer.state.best.epoch if self.config.evaluate == "best" else history[-1].epoch
        row = next(row for row in history if row.epoch == best)
        metrics: dict[str, float | None] = {"train_loss": row.train_loss, f"train_{self.score}": row.train_score}
        metrics |= {"val_loss": row.val_loss, f"val_{self.score}": row.val_score}

        further, scored = [each.build() for each in self.config.metrics], dict[str, Scores]()

        def scores_of(batches: Batches, name: str) -> Scores:
            watched = stop.watch(batches, f"while it was evaluated on the {name} part")
            scored[name] = evaluate(trainer.network, trainer.loss, watched, dataset.task, trainer.targets, keep=True)
            return scored[name]

        if dataset.task == "multi_label":
            further.insert(0, MacroF1())
        if trainer.validation:
            found = scores_of(trainer.validation, "validation").further(further, dataset.classes)
            metrics |= {f"val_{name}": value for name, value in found.items()}
        metrics |= {"test_loss": None, f"test_{self.score}": None}
        if dataset.test:
            part, dtype = trainer.targets.scaled(dataset.test), trainer.network.theta.dtype
            scores = scores_of(Batches(part, trainer.train.transform, ROWS, dtype), "test")
            metrics |= {"test_loss": scores.loss, f"test_{self.score}": scores.score}
            metrics |= {f"test_{name}": value for name, value in scores.further(further, dataset.classes).items()}
        predicted = {
            name: predictions_of(dataset.parts()[name], each.outputs(), trainer.targets, dataset.task)
            for name, each in scored.items()
        }
        self.claim.check()
        write_model(self.folder, trainer.network, trainer.train.transform, trainer.targets, dataset, self.record.config)
        write_predictions(self.folder, predicted)
        files.write_text(self.folder / "config.yaml", self.config.to_yaml())
        self._end("completed", metrics, time.perf_counter() - started)

    def _end(self, status: runs.Status, metrics: dict[str, float | None], seconds: float = 0.0) -> None:
        """Writes the tables whole and run.json. A paused run stays at its checkpoint, from which the same bytes follow as if it
        had never paused. seconds: besides those of the epochs."""
        state, record = self.trainer.state, self.record
        self.tables.write(state.history)  # what was appended may not be on the disk yet, and whoever paused the run judges by it
        record.status, record.finished, record.metrics = status, runs.now(), metrics
        record.epochs, record.best_epoch = state.epoch, state.best.epoch
        record.seconds = round(sum(row.seconds for row in state.history) + seconds, 3)
        self.claim.write_record(record)

    def _fail(self, error: BaseException) -> None:
        """Writes the status that an error leaves; the error itself goes on to the caller, even where this cannot be written."""
        record = self.record
        if isinstance(error, MemoryError):
            error = out_of_memory(error)
        if isinstance(error, Diverged):
            record.status = "diverged"
            record.divergence = runs.Divergence.model_validate(error.divergence) if error.divergence else None
        elif isinstance(error, Interrupted | KeyboardInterrupt | RunError):
            record.status = "interrupted"  # a full disk too: once mended, the same command goes on
        else:
            record.status = "failed"
        record.error = error.message if isinstance(error, MlpError) else f"{type(error).__name__}: {error}"
        record.finished = runs.now()
        with suppress(RunError):
            self.claim.log(record.error if isinstance(error, MlpError) else traceback.format_exc())
        with suppress(RunError):
            self.claim.write_record(record)
