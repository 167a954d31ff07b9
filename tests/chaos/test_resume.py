"""What a run finds when it goes on: other data, another number of threads, other packages, files that are gone."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chaos_runs import digest
from small_sets import make_idx_set
from stopped_run import DONE, EPOCHS, Stopped, finish, stopping

from mlp_cli import environment, experiment, runs
from mlp_cli.errors import DataError, Interrupted, RunError
from mlp_cli.experiment import Attempt
from mlp_cli.training import checkpoint
from mlp_cli.training.callbacks import Callback


def record_of(folder: Path) -> dict:
    """The content of run.json."""
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


@pytest.fixture
def data(stopped: Stopped) -> Iterator[Path]:
    """The folder of the run's data, put back after the test."""
    folder = Path(str(stopped.kept.config.dataset.path))
    before = {path: path.read_bytes() for path in folder.iterdir()}
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path, content in before.items():
        path.write_bytes(content)


@pytest.fixture
def changed_data(data: Path) -> None:
    """Other data in the place of the run's, for one test."""
    make_idx_set(data, train=170, test=20)


def test_other_data_is_refused_until_it_is_put_back(
    stopped: Stopped, tmp_path: Path, changed_data: None, request: pytest.FixtureRequest
) -> None:
    planned = stopped.copied(tmp_path)
    old = record_of(planned.folder)["data"]["sha256"]
    before = {path.name: path.read_bytes() for path in planned.folder.iterdir() if path.name != runs.LOG}
    for _ in range(2):
        with pytest.raises(DataError) as caught:
            finish(planned)
        new = checkpoint_data(caught.value.message)[1]
        assert caught.value.exit_code == 3 and checkpoint_data(caught.value.message) == (old, new) and old != new
        assert {path.name: path.read_bytes() for path in planned.folder.iterdir() if path.name != runs.LOG} == before
    assert record_of(finish(planned, force=True).folder)["data"]["sha256"] == new


def checkpoint_data(message: str) -> tuple[str, str]:
    """The two hashes in a message."""
    old, new = (word.strip(",") for word in message.split() if len(word.strip(",")) == 64)
    return old, new


def test_data_that_is_put_back_ends_the_run_well(stopped: Stopped, tmp_path: Path) -> None:
    planned, folder = stopped.copied(tmp_path), Path(str(stopped.kept.config.dataset.path))
    images = folder / "train-images-idx3-ubyte"
    content = images.read_bytes()
    images.write_bytes(content[:-1] + bytes([content[-1] ^ 255]))
    with pytest.raises(DataError):
        finish(planned)
    images.write_bytes(content)
    assert digest(finish(planned).folder) == stopped.calm


def test_another_number_of_threads_is_said(stopped: Stopped, tmp_path: Path) -> None:
    planned, heard = stopped.copied(tmp_path), []
    record = finish(planned, heard.append, threads=2).record
    assert record.environment is not None and record.environment.threads == 2
    assert any("threads 1 → 2" in text and "bytes may differ" in text for text in heard)


def test_the_stored_number_of_threads_is_used(stopped: Stopped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the run was stopped again while it went back to its checkpoint, or run.json is lost."""
    planned, heard = experiment.Plan(stopped.kept.config, tmp_path), []
    with stopping(), pytest.raises(Interrupted):
        finish(planned, threads=2)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(experiment, "build", interrupted)
        finish(planned)
    stopped_again = record_of(planned.folder)
    assert (stopped_again["status"], stopped_again["epochs"], stopped_again["environment"]["threads"]) == ("interrupted", DONE, 2)
    (planned.folder / "run.json").unlink()
    record = finish(planned, heard.append).record
    assert record.environment is not None and record.environment.threads == 2
    assert heard == [f"going on after epoch {DONE} of {EPOCHS}"]


def test_other_packages_are_said(stopped: Stopped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    describe = environment.describe
    monkeypatch.setattr(environment, "describe", lambda threads: describe(threads) | {"numpy": "0.1", "blas": "mine"})
    planned, heard = stopped.copied(tmp_path), []
    finish(planned, heard.append)
    (text,) = [text for text in heard if "bytes may differ" in text]
    assert f"numpy {np.__version__} → 0.1" in text and "blas " in text and "→ mine" in text


@pytest.mark.parametrize(("name", "emptied"), [*((name, False) for name in experiment.FILES), ("model.npz", True)])
def test_a_completed_run_without_one_of_its_files_is_trained_again(
    stopped: Stopped, tmp_path: Path, name: str, emptied: bool
) -> None:
    planned, heard = stopped.copied(tmp_path), []
    finish(planned)
    whole = (planned.folder / name).read_bytes()
    os.truncate(planned.folder / name, 0) if emptied else (planned.folder / name).unlink()
    outcome = finish(planned, heard.append)
    assert outcome.trained and heard == [f"the run was completed, but {name} is gone or empty: starting over"]
    assert digest(planned.folder) == stopped.calm
    assert name == "timings.csv" or (planned.folder / name).read_bytes() == whole
    assert not finish(planned).trained


@pytest.mark.parametrize("name", experiment.FILES)
def test_a_file_that_vanishes_under_way_is_there_in_the_end_or_the_run_fails(stopped: Stopped, tmp_path: Path, name: str) -> None:
    class Remove(Callback):
        def on_epoch(self, row: object) -> None:
            (planned.folder / name).unlink(missing_ok=True)

    planned = stopped.copied(tmp_path)
    if name.endswith(".csv"):
        with pytest.raises(RunError, match=name):
            finish(planned, callbacks=[Remove()])
        assert record_of(planned.folder)["status"] == "interrupted"
    else:
        finish(planned, callbacks=[Remove()])
    assert finish(planned).record.status == "completed"
    assert digest(planned.folder) == stopped.calm and (planned.folder / name).exists()


@pytest.mark.parametrize("gone", [False, True])
def test_a_run_without_one_of_its_files_is_not_trained_on_other_data(
    stopped: Stopped, tmp_path: Path, data: Path, gone: bool
) -> None:
    """Nor thrown away where its data is gone: what is left of it stands until the data is put back."""
    planned = stopped.copied(tmp_path)
    finish(planned)
    (planned.folder / "model.npz").unlink()
    before = {path: path.read_bytes() for path in planned.folder.iterdir() if path.name != runs.LOG}
    data.rename(tmp_path / "data")
    if not gone:
        make_idx_set(data, train=170, test=20)
    heard: list[str] = []
    with pytest.raises(DataError, match="no such" if gone else "the data has changed"):
        finish(planned, heard.append)
    assert not heard, "nothing starts over"
    assert {path: path.read_bytes() for path in planned.folder.iterdir() if path.name != runs.LOG} == before
    shutil.rmtree(data, ignore_errors=True)
    (tmp_path / "data").rename(data)
    assert digest(finish(planned).folder) == stopped.calm


def test_no_figures_are_drawn_of_epochs_that_are_not_there(stopped: Stopped, tmp_path: Path) -> None:
    planned = stopped.copied(tmp_path)
    outcome = finish(planned)
    metrics = planned.folder / "metrics.csv"
    metrics.write_text(metrics.read_text().splitlines()[0] + "\n")
    with pytest.raises(RunError, match=r"its metrics.csv has 0 of \d+ epochs"):
        experiment.draw(planned.config, outcome.record, planned.folder, tmp_path)


def test_a_diverged_run_says_so_again_without_its_data(stopped: Stopped, tmp_path: Path, data: Path) -> None:
    planned = stopped.copied(tmp_path)
    record = record_of(planned.folder) | {"status": "diverged", "error": "diverged: in epoch 1"}
    (planned.folder / "run.json").write_text(json.dumps(record))
    shutil.rmtree(data)
    outcome = finish(planned)
    assert not outcome.trained and outcome.record.plain().items() >= record.items()


def test_what_a_paused_run_is_judged_by_is_on_the_disk(stopped: Stopped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: dict[int, int] = {}
    fsync = os.fsync

    def spy(descriptor: int) -> None:
        status = os.fstat(descriptor)
        synced[status.st_ino] = status.st_size
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    planned = stopped.copied(tmp_path)
    assert finish(planned, until=EPOCHS - 1).record.status == "pruned"
    for name in ("metrics.csv", "timings.csv"):
        status = (planned.folder / name).stat()
        assert synced.get(status.st_ino) == status.st_size
    assert digest(finish(planned).folder) == stopped.calm


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_folder_that_is_removed_while_figures_are_drawn(
    stopped: Stopped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    planned, draw = stopped.copied(tmp_path), experiment.draw

    def removed(*arguments: Any) -> None:
        if when == "after":
            draw(*arguments)
        shutil.rmtree(planned.folder)
        if when == "before":
            draw(*arguments)

    with monkeypatch.context() as patch, pytest.raises(RunError, match="the folder is gone"):
        patch.setattr(experiment, "draw", removed)
        experiment.run(planned)
    assert not any(tmp_path.iterdir())
    assert digest(finish(planned).folder) == stopped.calm


def test_a_file_that_is_lost_while_figures_are_drawn(stopped: Stopped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = stopped.copied(tmp_path)
    with monkeypatch.context() as patch, pytest.raises(RunError, match=r"model\.npz is gone"):
        patch.setattr(experiment, "draw", lambda *_: (planned.folder / "model.npz").unlink())
        experiment.run(planned)
    assert digest(finish(planned).folder) == stopped.calm


def test_what_was_left_when_the_evaluation_was_killed(stopped: Stopped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All epochs are done: none is trained again, and the weights that are evaluated are those of the checkpoint."""
    planned, heard = stopped.copied(tmp_path), []

    def gone(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(Attempt, "_evaluate", gone)
        patch.setattr(Attempt, "_fail", lambda *_: None)
        finish(planned)
    assert (
        record_of(planned.folder)["status"] == "running" and checkpoint.read(planned.folder / checkpoint.CURRENT).epoch == EPOCHS
    )
    finish(planned, heard.append)
    assert heard == [f"going on after epoch {EPOCHS} of {EPOCHS}"] and digest(planned.folder) == stopped.calm


def test_a_checkpoint_of_another_version_is_kept(stopped: Stopped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = stopped.copied(tmp_path)
    with monkeypatch.context() as patch, pytest.raises(RunError, match="has checkpoint format 2, this version of mlp reads 3"):
        patch.setattr(checkpoint, "FORMAT", 3)
        finish(planned)
    assert (planned.folder / checkpoint.CURRENT).exists()
    assert digest(finish(planned).folder) == stopped.calm


def test_files_that_are_no_files(stopped: Stopped, tmp_path: Path) -> None:
    """A pipe, which would be waited for, and a link to nowhere, in place of the checkpoints and the record."""
    planned, heard = stopped.copied(tmp_path), []
    for name in (checkpoint.CURRENT, checkpoint.PREVIOUS, "run.json"):
        (planned.folder / name).unlink()
    os.mkfifo(planned.folder / checkpoint.CURRENT)
    (planned.folder / checkpoint.PREVIOUS).symlink_to(tmp_path / "nowhere")
    os.mkfifo(planned.folder / "run.json")
    assert digest(finish(planned, heard.append).folder) == stopped.calm
    assert heard[-1] == "no sound checkpoint is left: starting over" and not (tmp_path / "nowhere").exists()
