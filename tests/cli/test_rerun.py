"""`mlp rerun`: a run trained again is the same to the last byte, and whatever is not is named."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_sets import Answer, arrays_in

from mlp_cli import runs
from mlp_cli.data import npz

Mlp = Callable[..., Answer]


@pytest.fixture
def folder(mlp: Mlp, small_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A completed run of three epochs; scratch folders lie in `scratch`."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    assert mlp("train", small_config, "--no-plots").code == 0
    return next((tmp_path / "results").iterdir())


def state(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def change(folder: Path, **values: Any) -> None:
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | values))


def test_a_run_again_is_identical_and_untouched(mlp: Mlp, folder: Path, tmp_path: Path) -> None:
    before = state(folder)
    answer = mlp("rerun", "@last", "--check")
    assert answer == Answer(0, "identical: 3 epochs, the final scores and the weights\n", "")
    assert json.loads(mlp("rerun", folder, "--check", "--json").out) == {
        "run": str(folder),
        "identical": True,
        "epochs": 3,
        "first_epoch": None,
        "columns": {},
        "others": [],
        "environment": {},
    }
    assert mlp("rerun", folder, "--quiet") == Answer(0, "", "")
    assert state(folder) == before and not os.listdir(tmp_path / "scratch")


def test_the_first_epoch_and_columns_that_differ_are_named(mlp: Mlp, folder: Path) -> None:
    lines = (folder / "metrics.csv").read_text().splitlines()
    cells = lines[2].split(",")
    lines[2] = ",".join([*cells[:3], "0.25", *cells[4:]])
    (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
    environment = json.loads((folder / "run.json").read_text())["environment"]
    change(folder, environment=environment | {"numpy": "1.0"})
    answer = mlp("rerun", folder, "--check")
    assert answer.code == 1
    assert answer.out.splitlines() == [
        "differs from epoch 2 on, of 3 epochs: val_loss",
        f"  val_loss: 0.25 then, {cells[3]} now",
        "the environment may explain it:",
        f"  numpy: 1.0 then, {environment['numpy']} now",
    ]
    assert mlp("rerun", folder).code == 0, "without --check it only tells"
    found = json.loads(mlp("rerun", folder, "--json").out)
    assert found["first_epoch"] == 2 and found["columns"] == {"val_loss": [0.25, float(cells[3])]} and not found["identical"]


def test_other_scores_or_weights_alone_are_no_identity(mlp: Mlp, folder: Path) -> None:
    arrays = arrays_in(folder / "model.npz")
    arrays["b1"] = np.nextafter(arrays["b1"], np.float32(1))
    (folder / "model.npz").write_bytes(npz.pack(arrays))
    metrics = json.loads((folder / "run.json").read_text())["metrics"]
    change(folder, metrics=metrics | {"test_accuracy": 0.125})
    answer = mlp("rerun", folder, "--check")
    assert answer.code == 1
    assert answer.out.splitlines() == [
        "the same in all of 3 epochs, and yet not identical",
        f"  final test_accuracy: 0.125 then, {metrics['test_accuracy']} now",
        "  weights: b1",
        "the environment is the same, as far as it is recorded",
    ]


@pytest.mark.parametrize("status", ["interrupted", "failed", "pruned"])
def test_a_run_that_is_not_done_is_compared_as_far_as_it_came(mlp: Mlp, folder: Path, status: str) -> None:
    lines = (folder / "metrics.csv").read_text().splitlines(keepends=True)
    (folder / "metrics.csv").write_text("".join(lines[:3]))
    change(folder, status=status, metrics={}, epochs=2)
    (folder / "model.npz").unlink()
    assert mlp("rerun", folder, "--check") == Answer(0, "identical: 2 epochs\n", "")


@pytest.mark.parametrize("warmup", [0, 6])
def test_a_run_that_diverged_diverges_again(mlp: Mlp, small_config: Path, tmp_path: Path, warmup: int) -> None:
    """Without a warm-up in its first epoch, of which nothing is written; with one later."""
    steep = ["epochs=9", "optimizer=sgd", "activation=identity", "hidden_sizes=[16,16,16]", "--lr", "1", "--name", "wild"]
    assert mlp("train", small_config, *steep, f"schedule={{name: cosine, warmup_epochs: {warmup}}}").code == 1
    (folder,) = tmp_path.glob("results/wild-*")
    epochs = len(runs.read_curves(folder)["epoch"])
    assert (epochs > 0) == (warmup > 0)
    answer = mlp("rerun", "wild", "--check")
    assert answer == Answer(0, f"identical: {epochs} epoch{'s' if epochs != 1 else ''}, and diverged as before\n", "")
    change(folder, error="diverged: in another step")
    assert "error: diverged: in another step then, diverged: the training loss" in mlp("rerun", "wild").out


def test_its_threads_are_those_that_it_had(mlp: Mlp, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlp_cli import experiment

    used, right = [], experiment.run
    monkeypatch.setattr(experiment, "run", lambda *words, **named: used.append(named["threads"]) or right(*words, **named))
    change(folder, environment=json.loads((folder / "run.json").read_text())["environment"] | {"threads": 2})
    assert mlp("rerun", folder, "--check").code == 0 and used == [2]


def test_data_that_has_changed_or_lies_elsewhere(mlp: Mlp, folder: Path, tmp_path: Path) -> None:
    shutil.move(tmp_path / "shapes", tmp_path / "moved")
    assert mlp("rerun", folder, "--check").code == 3
    assert mlp("rerun", folder, "dataset.path=moved", "--check").code == 0
    labels = tmp_path / "moved" / "train-labels-idx1-ubyte"
    content = labels.read_bytes()
    labels.write_bytes(content[:-1] + bytes([1 - min(1, content[-1])]))
    answer = mlp("rerun", folder, "dataset.path=moved", "--check")
    assert answer.code == 3 and "the data has changed since this run" in answer.err and "another run" in answer.err


def test_what_cannot_be_compared(mlp: Mlp, folder: Path) -> None:
    answer = mlp("rerun", folder, "epochs=5")
    assert answer.code == 2 and "a run is trained again as it was" in answer.err
    with runs.Claim(folder):
        change(folder, status="running")
        assert mlp("rerun", folder).code == 1 and "in use" in mlp("rerun", folder).err
    (folder / "metrics.csv").unlink()
    answer = mlp("rerun", folder)
    assert answer.code == 1 and "has no epoch that could be compared" in answer.err
    assert mlp("rerun", "nowhere").code == 2
