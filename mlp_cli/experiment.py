"""A run from its config to run.json. Read it first: `plan` says where a run goes, `run` does the whole job in a claimed folder
(`build`, next door, wires the parts, `job` is one attempt)."""

from __future__ import annotations

import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mlp_cli import files, runs
from mlp_cli.build import Say, build, check, load_data
from mlp_cli.config import Config
from mlp_cli.data.dataset import Dataset
from mlp_cli.errors import DataError, RunError
from mlp_cli.figures import draw_figures, figures_missing
from mlp_cli.job import Job, Outcome, Plan, data_changed, test
from mlp_cli.model import NAME, load_weights
from mlp_cli.training import checkpoint
from mlp_cli.training.callbacks import Callback, read_history
from mlp_cli.training.evaluate import SCORE_NAMES

FILES = ("config.yaml", "metrics.csv", "timings.csv", NAME)
"""What every completed run has, besides run.json and log.txt."""


def plan(config: Config, results: Path) -> Plan:
    """Where a run of this config goes."""
    digest = config.hash()
    name = runs.run_id(config.name, digest)
    return Plan(config, digest, name, results / name)


def run(
    planned: Plan,
    *,
    threads: int | str | None = None,
    force: bool = False,
    plots: bool = True,
    callbacks: Callable[[str], Sequence[Callback]] = lambda score: (),
    say: Say = lambda text: None,
    command: str | None = None,
    until: int | None = None,
    on_error: Callable[[dict[str, Any]], None] = lambda record: None,
) -> Outcome:
    """Finishes a run: reports a completed or diverged one, goes on with an interrupted one, starts a new or failed one.

    threads: BLAS threads, `auto`, or None for what the run used before (1 at first). force: clear the folder first.
    plots: also draw figures. callbacks: given the score's name, makes more callbacks (a progress bar). say: takes notices.
    command: for run.json. until: pause after this epoch as `pruned`; the same call without it goes on.
    on_error: takes the record of a run that an error or a signal ended, before the error goes on.
    Errors: RunError, Interrupted, DataError, UsageError; run.json then tells the status.
    """
    config = planned.config
    notices: list[str] = []
    dataset: Dataset | None = None
    absent: DataError | None = None
    try:
        dataset = load_data(config, notices.append)
        check(config, dataset)
    except DataError as error:
        if force or not _is_done(planned.folder):
            raise
        absent = error
    with runs.Claim(planned.folder) as claim:

        def tell(text: str) -> None:
            claim.log(text)
            say(text)

        for text in notices:
            tell(text)
        claim.tidy()
        if force:
            claim.clear()
        before = None if force else runs.read_record(planned.folder)
        status = _check_record(planned, before)
        if before is not None and status in ("completed", "diverged"):
            _compare_data(planned.folder, before, dataset)
            lost = missing_files(planned.folder) if status == "completed" else []
            if not lost:
                if absent is not None:
                    tell(f"the data is not here any more, so it was not compared: {absent.message.splitlines()[0]}")
                return _report_again(planned, claim, before, dataset, plots and status == "completed")
            if absent is None:
                tell(f"the run was completed, but {', '.join(lost)} is gone or empty: starting over")
        if absent is not None:
            raise absent
        assert dataset is not None, "or it is absent"
        if status in ("failed", "completed"):
            claim.clear()
            before = None
        job = Job(planned, claim, before, command, tell)
        try:
            outcome = job.finish(dataset, threads, plots, callbacks, until)
        except BaseException:
            if job.record["status"] != "running":
                on_error(job.record)
            raise
        if outcome.record["status"] == "completed":
            _check_whole(claim)
        return outcome


def _check_record(planned: Plan, record: dict[str, Any] | None) -> str | None:
    """The status of what is in the folder. Errors: RunError where another config's run is there."""
    if record is None:
        return None
    if record.get("config_hash") != planned.hash:
        raise RunError(
            f"{planned.folder} belongs to another config: its hash is {record.get('config_hash')}, this one's {planned.hash}",
            "give this run another name with --name",
        )
    stated = str(record.get("status"))
    return "interrupted" if stated == "running" else stated  # we hold the claim: nobody else is running it


def _is_done(folder: Path) -> bool:
    record = runs.read_record(folder)
    return record is not None and record["status"] in ("completed", "diverged")


def missing_files(folder: Path) -> list[str]:
    """Which of a completed run's files are not there, or empty: it is then trained again."""
    return [name for name in FILES if not _is_filled(folder / name)]


def _is_filled(path: Path) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size > 0


def _check_whole(claim: runs.Claim) -> None:
    """Errors: RunError where the folder was removed or lost a file while the run was being finished."""
    claim.check()
    if lost := missing_files(claim.folder):
        raise RunError(f"{claim.folder}: {', '.join(lost)} is gone or empty", "run the same command again")


def _compare_data(folder: Path, record: dict[str, Any], dataset: Dataset | None) -> None:
    """Errors: DataError where the data is here and not the one that the run was trained on."""
    before = (record.get("data") or {}).get("sha256")
    if dataset is not None and before is not None and dataset.sha256 != before:
        raise data_changed(folder, before, dataset.sha256)


def _report_again(planned: Plan, claim: runs.Claim, record: dict[str, Any], dataset: Dataset | None, plots: bool) -> Outcome:
    """A run that is done. Draws figures that are missing where the data is here."""
    checkpoint.remove(planned.folder)
    if plots and dataset is not None and figures_missing(planned.folder, dataset):
        _draw(planned.config, record, dataset, planned.folder, planned.folder)
        _check_whole(claim)
    return Outcome(record, planned.folder, trained=False)


def draw(config: Config, folder: Path, target: Path) -> None:
    """Draws the figures of a completed run, which lies in `folder`, into target/plots, from its weights and its data.

    Errors: DataError where the data is gone or has changed; RunError where something cannot be read or written.
    """
    record = runs.read_record(folder)
    dataset = load_data(config, lambda text: None)
    if record is None or record["status"] != "completed":
        raise RunError(f"{folder} is no completed run")
    _compare_data(folder, record, dataset)
    files.make_folder(target)
    _draw(config, record, dataset, folder, target)


def _draw(config: Config, record: dict[str, Any], dataset: Dataset, folder: Path, target: Path) -> None:
    trainer = build(config, dataset)
    load_weights(folder, trainer.network)
    history = read_history(folder, SCORE_NAMES[dataset.task])
    if len(history) != max(1, record["epochs"]):
        raise RunError(
            f"{folder} is damaged: its metrics.csv has {len(history)} of {record['epochs']} epochs",
            "train the run again with --force",
        )
    draw_figures(target, record, trainer, dataset, history, test(trainer, dataset)[1])
