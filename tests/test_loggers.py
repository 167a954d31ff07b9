"""`log_to` without its tools: when a run is written, by whom, and what a user hears. What is written is a test of the extras."""

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fake_runs import write_run
from small_sets import Answer

from mlp_cli import loggers, packs, runs
from mlp_cli.config import Config, config_from_mapping
from mlp_cli.errors import ConfigError
from mlp_cli.loggers import Logs
from mlp_cli.refit import refit_plan

Mlp = Callable[..., Answer]
MISSING = "error: log_to: mlflow needs the package no_such_package\n  pip install 'mlp-cli[mlflow]'\n"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What a tool that does nothing got: name and status of the run, its epochs, the experiment and the process."""
    found: list[tuple[Any, ...]] = []

    def write(run: Any, results: Path, experiment: str) -> None:
        epochs = [epoch for name, epoch, _, _ in run.points if name == "train_loss"]
        found.append((run.folder.name.rpartition("-")[0], run.record.status, epochs, experiment, os.getpid()))
        run.mark("tensorboard").touch()

    monkeypatch.setitem(loggers._NEEDS, "tensorboard", ())
    monkeypatch.setitem(loggers._WRITERS, "tensorboard", write)
    return found


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs that a tool was asked to write, which cannot."""
    asked: list[str] = []

    def write(run: Any, results: Path, experiment: str) -> None:
        asked.append(run.folder.name)
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(loggers._NEEDS, "tensorboard", ())
    monkeypatch.setitem(loggers._WRITERS, "tensorboard", write)
    return asked


def config(**keys: Any) -> Config:
    return config_from_mapping({"dataset": "mnist", **keys})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, ()),
        ([], ()),
        ("mlflow", ("mlflow",)),
        ("tensorboard, mlflow", ("tensorboard", "mlflow")),
        (["mlflow", "tensorboard", "mlflow"], ("mlflow", "tensorboard")),
    ],
)
def test_forms(given: Any, expected: tuple[str, ...]) -> None:
    found = config(log_to=given)
    assert found.log_to == expected and found.hash() == config().hash()
    assert config_from_mapping(found.to_dict()) == found


def test_an_unknown_tool() -> None:
    with pytest.raises(ConfigError, match=re.escape("log_to: [wandb]    item 1: must be tensorboard or mlflow")):
        config(log_to=["wandb"])


def test_every_tool_of_the_config_has_a_writer_and_an_extra() -> None:
    text = (Path(__file__).parent.parent / "pyproject.toml").read_text()
    assert list(config(log_to=[*loggers._WRITERS]).log_to) == [*loggers._WRITERS] == [*loggers._NEEDS]
    for name, packages in loggers._NEEDS.items():
        extra = re.search(rf"^{name} = \[(.*)\]$", text, re.MULTILINE)
        assert extra is not None and len(re.findall(r">=", extra[1])) == len(packages)


@pytest.mark.parametrize("command", [["train"], ["sweep", "learning_rate=0.1,0.01"]])
def test_a_missing_package_is_told_before_anything_is_trained(
    mlp: Mlp, small_config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: list[str]
) -> None:
    monkeypatch.setitem(loggers._NEEDS, "mlflow", ("no_such_package",))
    answer = mlp(command[0], small_config, *command[1:], "log_to=mlflow")
    assert (answer.code, answer.err) == (2, MISSING)
    assert not (tmp_path / "results").exists()


def test_a_run_is_written_once_and_anew_when_it_was_trained_anew(mlp: Mlp, small_config: Path, written: list[Any]) -> None:
    command = ("train", small_config, "--no-plots", "log_to=tensorboard")
    once = ("small", "completed", [1, 2, 3], "small", os.getpid())
    assert mlp("train", small_config, "--no-plots").code == 0 and written == []
    assert mlp(*command).code == 0 and written == [once]  # without training: it is the same run
    assert mlp(*command).code == 0 and written == [once]
    assert mlp(*command, "--force").code == 0 and written == [once, once]


def test_an_interrupted_run_is_written_when_it_has_ended(mlp: Mlp, small_config: Path, written: list[Any]) -> None:
    command = ("train", small_config, "--no-plots", "log_to=tensorboard")
    assert "the budget is used up after epoch 1 of 3" in mlp(*command, "--budget", "0.001s").out and written == []
    assert mlp(*command).code == 0
    assert written == [("small", "completed", [1, 2, 3], "small", os.getpid())]


def test_a_diverged_run_is_written(mlp: Mlp, small_config: Path, written: list[Any]) -> None:
    command = ("train", small_config, "log_to=tensorboard", "learning_rate=1e30", "optimizer=sgd")
    assert mlp(*command).code == mlp(*command).code == 1
    assert [each[:2] for each in written] == [("small", "diverged")]


@pytest.mark.parametrize("status", ["completed", "diverged", "failed", "pruned", "interrupted", "running"])
def test_which_status_is_an_end(tmp_path: Path, written: list[Any], status: str) -> None:
    folder = write_run(tmp_path, status=status)
    Logs(["tensorboard"], tmp_path, "x", pytest.fail).write(folder)
    assert [each[1] for each in written] == [status] * (status not in ("interrupted", "running"))


def test_what_cannot_be_written_costs_a_notice(mlp: Mlp, small_config: Path, broken: list[str], tmp_path: Path) -> None:
    for _ in range(2):  # the same command tries again
        answer = mlp("train", small_config, "--no-plots", "log_to=tensorboard")
        (folder,) = (tmp_path / "results").iterdir()
        told = "OSError: [Errno 28] No space left on device; the run itself is whole"
        assert answer.code == 0 and "test accuracy" in answer.out
        assert answer.err == f"note: log_to: tensorboard did not get {folder.name}: {told}\n"
        assert runs.read_status(folder)[1] == "completed"
    assert broken == [folder.name] * 2


def test_a_sweep_writes_its_members_itself(mlp: Mlp, small_config: Path, written: list[Any]) -> None:
    command = ("sweep", small_config, "log_to=tensorboard", "--workers", "2")
    expected = [(f"learning_rate-{rate}_seed-0", "completed", [1, 2, 3], "small", os.getpid()) for rate in (0.01, 0.1)]
    assert mlp(*command, "learning_rate=0.01,0.1").code == 0 and sorted(written) == expected
    answer = mlp(*command, "learning_rate=0.01,0.1,0.001")
    assert answer.code == 0 and "1 run trained" in answer.out
    assert [each[0] for each in written[2:]] == ["learning_rate-0.001_seed-0"]


def test_a_sweep_that_had_not_been_written_is_so_by_the_same_command(mlp: Mlp, small_config: Path, written: list[Any]) -> None:
    command = ("sweep", small_config, "optimizer=adam,sgd", "--workers", "1", "--executor", "serial")
    assert mlp(*command).code == 0 and not written
    assert "nothing was left to train" in mlp(*command, "log_to=tensorboard").out
    assert sorted(each[0] for each in written) == ["optimizer-adam_seed-0", "optimizer-sgd_seed-0"]


def test_a_sweep_gives_up_on_a_tool_that_fails(mlp: Mlp, small_config: Path, broken: list[str]) -> None:
    answer = mlp("sweep", small_config, "log_to=tensorboard", "seed=0,1,2", "--executor", "serial")
    assert answer.code == 0 and "3 completed" in answer.out
    assert len(broken) == 1 and answer.err.count("log_to: tensorboard did not get seed-0-") == 1


def test_halving_writes_those_it_has_left_behind(mlp: Mlp, small_config: Path, written: list[Any]) -> None:
    words = ["learning_rate=0.01,1e-6,1e-7", "epochs=4", "--pruner", "halving", "--executor", "serial", "log_to=tensorboard"]
    assert mlp("sweep", small_config, *words).code == 0
    assert sorted(each[1] for each in written) == ["completed", "pruned", "pruned"]


@pytest.mark.parametrize("form", ["words", "file"])
def test_it_cannot_vary(mlp: Mlp, small_config: Path, tmp_path: Path, form: str) -> None:
    if form == "words":
        answer = mlp("sweep", small_config, "log_to=tensorboard,mlflow")
    else:
        (tmp_path / "s.yaml").write_text("base: small.yaml\nparameters:\n  log_to: [tensorboard, mlflow]\n")
        answer = mlp("sweep", "s.yaml")
    assert answer.code == 2 and "log_to changes no run" in re.sub(r"log_to\S* .*?(?=changes)", "log_to ", answer.err)


def test_points_are_the_finite_cells_at_the_times_of_their_epochs(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    (folder / "metrics.csv").write_text("epoch,train_loss,val_loss,learning_rate\n1,0.5,,0.1\n2,nan,0.75,0.1\n")
    (folder / "timings.csv").write_text("epoch,seconds,samples_per_second\n1,2.5,10\n2,4.0,10\n")
    (folder / "diagnostics.csv").write_text(
        "epoch,layer,gradient_norm,activation_mean,activation_sd,dead,saturated,update_ratio\n1,hidden 1,3.5,,,,,\n"
    )
    record = runs.read_record(folder)
    assert record is not None
    start = datetime(2024, 5, 1, 10, tzinfo=UTC).timestamp()
    assert sorted(loggers._Ended(folder, record).points) == [
        ("gradient_norm/hidden 1", 1, start + 2.5, 3.5),
        ("learning_rate", 1, start + 2.5, 0.1),
        ("learning_rate", 2, start + 6.5, 0.1),
        ("train_loss", 1, start + 2.5, 0.5),
        ("val_loss", 2, start + 6.5, 0.75),
    ]


def test_a_foreign_pack_logs_nowhere(
    mlp: Mlp, small_config: Path, written: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mlp("train", small_config, "--no-plots", "log_to=[tensorboard]").code == 0
    assert mlp("pack", "@last", "--out", "run.zip").code == 0 and len(written) == 1
    pack, _ = packs.find(tmp_path / "run.zip") or pytest.fail("no pack")
    assert not [name for name in pack.hashes if "tfevents" in name]
    monkeypatch.setitem(loggers._NEEDS, "tensorboard", ("no_such_package",))
    monkeypatch.setattr(packs, "refuse_paths", lambda *_: None)  # the set has a path
    answer = mlp("rerun", "run.zip", "--check")
    assert answer.code == 0 and answer.out.startswith("identical")
    (packed,) = packs.run_folders(pack, ".", runs.RECORD, runs.SKIPPED)
    (folder,) = (tmp_path / "results").iterdir()
    assert refit_plan(packed, tmp_path).config.log_to == ()
    assert refit_plan(folder, tmp_path).config.log_to == ("tensorboard",)


def test_copies_of_a_run_are_no_runs(mlp: Mlp, tmp_path: Path) -> None:
    write_run(tmp_path / "results")
    write_run(tmp_path / "results" / runs.ARTIFACTS / "0f" / "artifacts", name="copy")
    assert len(mlp("ls").out.splitlines()) == 2, "a heading and the run"
