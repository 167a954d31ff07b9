"""A longer run begins where a completed shorter one has ended, and ends with the bytes of a run that was trained as a whole."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_sets import make_idx_set

from mlp_cli import environment, experiment, files
from mlp_cli.config import config_from_mapping
from mlp_cli.experiment import Plan
from mlp_cli.nn.optimizers import optimizers
from mlp_cli.nn.schedules import schedules
from mlp_cli.training import checkpoint
from mlp_cli.training.callbacks import TablesWriter

SHORT, LONG = 3, 7
FREE = [name for name in schedules if not schedules[name].uses_length]
OPTIONS = {"step": {"every": 2}, "reduce_on_plateau": {"patience": 1, "min_delta": 0.05, "factor": 0.5}}
CASES: dict[str, dict[str, Any]] = {
    **{f"optimizer-{name}": {"optimizer": name} for name in optimizers},
    **{f"schedule-{name}": {"schedule": {"name": name, **OPTIONS.get(name, {})}} for name in FREE},
    "warm-up": {"schedule": {"name": "exponential", "warmup_epochs": 5}},
    "averaged": {"ema": 0.9, "evaluate": "best"},
    "noise": {"dropout": 0.2, "input_dropout": 0.1, "gaussian_noise": 0.1, "mixup": 0.2},
    "normalised": {"batch_norm": True, "weight_decay": 1e-3, "max_norm": 2.0, "clip_norm": 1.0},
    "best": {"evaluate": "best", "learning_rate": 0.1},
    "one batch": {"batch_size": "full", "checkpoint_every": 4},
    "not stopped yet": {"early_stopping": {"patience": 3}, "learning_rate": 0.05},
    "stopped": {"early_stopping": {"patience": 1, "min_delta": 5.0}},
    "on target": {"early_stopping": {"monitor": "val_accuracy", "target": 0.1}},
    "diagnostics": {"diagnostics": True, "hidden_sizes": [5, 4], "dropout": 0.2},
    "nothing validated": {"dataset": {"validation": 0}, "schedule": "reduce_on_plateau"},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_idx_set(tmp_path_factory.mktemp("longer") / "shapes", train=160, test=20)


@pytest.fixture
def plan(data: Path, tmp_path: Path) -> Callable[..., Plan]:
    """The plan of a run of so many epochs in a folder of results."""

    def made(epochs: int, results: str = "results", **keys: Any) -> Plan:
        usual = {"name": "run", "hidden_sizes": [5], "batch_size": 16, "learning_rate": 0.01}
        dataset = {"path": str(data), "validation": 40, **keys.pop("dataset", {})}
        return Plan(config_from_mapping(usual | keys | {"dataset": dataset, "epochs": epochs}), tmp_path / results)

    return made


def train(planned: Plan, **options: Any) -> list[str]:
    """Trains a run; gives what the user heard."""
    heard: list[str] = []
    experiment.run(planned, plots=False, notify=heard.append, **options)
    return heard


def record_of(planned: Plan) -> dict[str, Any]:
    return json.loads((planned.folder / "run.json").read_text(encoding="utf-8"))


def content(folder: Path) -> list[Any]:
    """All that is the same each time: metrics.csv, the model, and the last checkpoint but for the seconds that epochs took."""
    last = checkpoint.read(folder / checkpoint.CURRENT)
    arrays = {name: value.tobytes() for name, value in last.arrays.items() if name != "history"}
    texts = [path.read_bytes() for name in ("metrics.csv", "model.npz", "config.yaml", "diag*.csv") for path in folder.glob(name)]
    return [*texts, last.head, arrays, last.arrays["history"][:, :6].tobytes()]


@pytest.mark.parametrize("case", CASES)
def test_a_longer_run_has_the_bytes_of_a_whole_one(plan: Callable[..., Plan], case: str) -> None:
    short, long = plan(SHORT, **CASES[case]), plan(LONG, **CASES[case])
    train(short)
    done = record_of(short)["epochs"]
    heard = train(long)
    assert f"going on from {short.id}, after epoch {done}" in heard
    assert record_of(long)["continued_from"] == short.id
    whole = plan(LONG, "whole", **CASES[case])
    train(whole)
    assert record_of(whole)["continued_from"] is None
    assert content(long.folder) == content(whole.folder)
    for key in ("epochs", "best_epoch", "metrics", "parameters", "status"):
        assert record_of(long)[key] == record_of(whole)[key]
    before, after = ((each.folder / "timings.csv").read_text().splitlines() for each in (short, long))
    assert after[: len(before)] == before
    assert (done, len(after) - 1) == {"stopped": (2, 2), "on target": (1, 1)}.get(case, (SHORT, LONG))
    assert train(long) == [] and content(long.folder) == content(whole.folder)  # completed: nothing is done again


def test_the_longest_shorter_run_is_taken_whatever_its_name(plan: Callable[..., Plan]) -> None:
    for epochs, name in ((2, "two"), (4, "four"), (9, "nine")):
        train(plan(epochs, name=name))
    longest = plan(4, name="four").id
    assert train(plan(6)) == [f"going on from {longest}, after epoch 4"]
    assert train(plan(6, seed=1)) == []  # another run
    assert train(plan(0, seed=2)) == [] and train(plan(2, seed=2)) == []  # a run without epochs has evaluated row 0, not trained


@pytest.mark.parametrize("name", [name for name in schedules if name not in FREE])
def test_a_schedule_over_the_whole_run_starts_afresh(plan: Callable[..., Plan], name: str) -> None:
    short, long, whole = plan(2, schedule=name), plan(4, schedule=name), plan(4, "whole", schedule=name)
    train(short)
    why = f"schedule: {name} depends on the number of epochs from the first step on"
    assert train(long) == [f"starting afresh, and not from {short.id}: {why}"]
    train(whole)
    assert content(long.folder) == content(whole.folder) and record_of(long)["continued_from"] is None


@pytest.mark.parametrize(("key", "value"), [("numpy", "0.1"), ("blas", "mine"), ("cpu", "another"), ("version", "0.0")])
def test_another_environment_starts_afresh(
    plan: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch, key: str, value: str
) -> None:
    short, describe = plan(2), environment.describe
    train(short)
    monkeypatch.setattr(environment, "describe", lambda threads: describe(threads) | {key: value})
    assert train(plan(4)) == [f"starting afresh, and not from {short.id}: {key} {describe(1)[key]} → {value}"]


def test_other_threads_start_afresh(plan: Callable[..., Plan]) -> None:
    short = plan(2)
    train(short, threads=2)
    assert train(plan(3)) == [f"starting afresh, and not from {short.id}: threads 2 → 1"]
    assert train(plan(4), threads=2) == [f"going on from {short.id}, after epoch 2"]  # the longer one of one thread will not do


def test_other_data_starts_afresh(plan: Callable[..., Plan], data: Path, tmp_path: Path) -> None:
    own = shutil.copytree(data, tmp_path / "own")
    short, long = (plan(epochs, dataset={"path": str(own)}) for epochs in (2, 4))
    train(short)
    shutil.rmtree(own)
    make_idx_set(own, train=150, test=20)
    assert train(long) == [f"starting afresh, and not from {short.id}: its data was other data"]


def test_a_damaged_checkpoint_is_said_and_left_alone(plan: Callable[..., Plan]) -> None:
    short = plan(2)
    train(short)
    path = short.folder / checkpoint.CURRENT
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    before = path.read_bytes()
    (text,) = train(plan(4))
    assert text.startswith(f"starting afresh, and not from {short.id}: ") and "SHA-256" in text
    assert path.read_bytes() == before


def test_force_trains_all_epochs(plan: Callable[..., Plan]) -> None:
    short, long = plan(2), plan(4)
    for each in (short, long):
        train(each)
    assert train(long, force=True) == [] and record_of(long)["continued_from"] is None


def test_a_member_of_a_sweep_keeps_no_checkpoint_and_looks_for_none(plan: Callable[..., Plan]) -> None:
    train(plan(2))
    assert train(plan(4), alone=False) == []
    assert not list(plan(4).folder.glob("checkpoint*"))
    assert train(plan(6)) == [f"going on from {plan(2).id}, after epoch 2"]


def test_only_a_completed_run_is_gone_on_from(plan: Callable[..., Plan]) -> None:
    short = plan(3)
    train(short, until=2)
    assert record_of(short)["status"] == "pruned" and (short.folder / checkpoint.CURRENT).exists()
    assert train(plan(4)) == []


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("place", ["record", "checkpoint", "config", "tables"])
def test_a_kill_at_the_very_beginning(plan: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Before each of the files that a longer run begins with. The record is what a kill would leave."""
    short, long, whole = plan(2), plan(5), plan(5, "whole")
    train(short)

    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(experiment.Attempt, "_fail", lambda *_: None)  # a process that is killed writes nothing more
        if place == "record":
            patch.setattr(experiment.runs.Claim, "write_record", kill)
        elif place == "checkpoint":
            patch.setattr(checkpoint, "save", kill)
        elif place == "config":
            patch.setattr(files, "write_text", _unless_record(files.write_text))
        else:
            patch.setattr(TablesWriter, "__init__", kill)
        train(long)
    saved = (long.folder / checkpoint.CURRENT).exists()
    assert saved == (place in ("config", "tables"))
    assert train(long) == ["going on after epoch 2 of 5" if saved else f"going on from {short.id}, after epoch 2"]
    train(whole)
    assert content(long.folder) == content(whole.folder) and record_of(long)["continued_from"] == short.id


def _unless_record(write: Callable[[Path, str], None]) -> Callable[[Path, str], None]:
    def written(path: Path, text: str) -> None:
        if path.name == "config.yaml":
            raise Killed
        write(path, text)

    return written
