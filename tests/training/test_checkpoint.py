"""A checkpoint brings everything back, and nothing but a sound one of the same run is ever used."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_sets import make_idx_set

from mlp_cli.build import build, load_data
from mlp_cli.config import config_from_mapping
from mlp_cli.data import npz
from mlp_cli.errors import RunError
from mlp_cli.nn.optimizers import optimizers
from mlp_cli.training import checkpoint
from mlp_cli.training.callbacks import Callback
from mlp_cli.training.checkpoint import CURRENT, PREVIOUS, Damaged
from mlp_cli.training.state import Row
from mlp_cli.training.trainer import Trainer

IDENTITY = {"run": "r-0", "config_hash": "h", "data_sha256": "d", "environment": {"numpy": "1", "threads": 1}}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_idx_set(tmp_path_factory.mktemp("data") / "shapes", train=160, test=20)


def trainer(data: Path, *overrides: str) -> Trainer:
    mapping = {
        "dataset": {"path": str(data), "validation": 40},
        "hidden_sizes": [5, 4],
        "dropout": 0.2,
        "batch_norm": True,
        "schedule": {"name": "cosine", "warmup_epochs": 1},
        "early_stopping": {"patience": 50},
        "batch_size": 16,
        "epochs": 6,
    }
    config = config_from_mapping(mapping, overrides)
    return build(config, load_data(config))


def save_after(made: Trainer, folder: Path, *epochs: int) -> None:
    """Trains to the end and saves after these epochs; the last of them is what the folder stands at."""

    class Save(Callback):
        def on_epoch(self, row: Row) -> None:
            if row.epoch in epochs:
                checkpoint.save(folder, made, IDENTITY)

    made.fit([Save()])


def everything(made: Trainer) -> dict[str, Any]:
    """All that a run depends on, as bytes and plain values."""
    arrays = {"theta": made.network.theta, **made.updater.slots, **made.network.state}
    arrays |= {f"best {name}": value for name, value in made.best_weights.items()}
    arrays |= {name: value for name in ("averaged", "plateau") if (value := getattr(made, name)) is not None}
    rows = [
        (row.epoch, row.train_loss, row.train_score, row.val_loss, row.val_score, row.learning_rate) for row in made.state.history
    ]
    state = made.state
    return {name: value.tobytes() for name, value in arrays.items()} | {
        "rows": rows, "best": asdict(state.best), "where": (state.epoch, state.step)
    }  # fmt: skip


@pytest.mark.parametrize("name", list(optimizers))
def test_what_is_restored_goes_on_as_if_nothing_had_been(data: Path, tmp_path: Path, name: str) -> None:
    whole, again = trainer(data, f"optimizer={name}"), trainer(data, f"optimizer={name}")
    save_after(whole, tmp_path, 2)
    found, notices = checkpoint.recover(tmp_path, "r-0", "h")
    assert found is not None and (found.epoch, notices) == (2, [])
    checkpoint.restore(again, found)
    assert again.state.epoch == 2 and len(again.state.history) == 2 and again.best_weights
    again.fit()
    assert everything(again) == everything(whole)


STATEFUL = (
    ("ema=0.9",),
    ("ema=0.9", "early_stopping=null", "evaluate=last"),
    ("schedule={name: reduce_on_plateau, patience: 1, factor: 0.5}",),
    ("activation=prelu", "initializer=orthogonal"),
    ("batch_norm=false", "layer_norm=true", "gaussian_noise=0.1"),
    ("mixup=0.4", "label_smoothing=0.1", "class_weight=balanced"),
    ("max_norm=1", "clip_norm=0.5", "clip_value=0.1", "optimizer={name: adam, amsgrad: true}"),
    ("loss=binary_cross_entropy", "dataset.classes=[0, 1]", "early_stopping={patience: 3, start_epoch: 2, target: 0.01}"),
)


@pytest.mark.parametrize("overrides", STATEFUL, ids=" ".join)
def test_every_state_goes_on_as_if_nothing_had_been(data: Path, tmp_path: Path, overrides: tuple[str, ...]) -> None:
    for epoch in (1, 4):
        whole, again = trainer(data, *overrides), trainer(data, *overrides)
        save_after(whole, tmp_path, epoch)
        checkpoint.restore(again, checkpoint.read(tmp_path / CURRENT))
        again.fit()
        assert everything(again) == everything(whole)
        again.restore_best()
        whole.restore_best()
        assert again.network.theta.tobytes() == whole.network.theta.tobytes()


def test_each_part_counts(data: Path, tmp_path: Path) -> None:
    """Left out of what is restored, every single array or value changes how the run ends: so the comparison can fail."""
    whole = trainer(data)
    save_after(whole, tmp_path, 2)
    found = checkpoint.read(tmp_path / CURRENT)
    fresh = trainer(data)
    for name in [name for name in found.arrays if not name.startswith(("best.", "history"))] + ["step", "stop"]:
        again = trainer(data)
        checkpoint.restore(again, found)
        if name == "theta":
            again.network.theta[...] = fresh.network.theta
        elif name == "step":
            again.state.step = 0
        elif name == "stop":
            again.state.best.stop = True
        else:
            kind, _, short = name.partition(".")
            ours, theirs = ((each.updater.slots if kind == "slot" else each.network.state)[short] for each in (again, fresh))
            ours[...] = theirs
        again.fit()
        assert everything(again) != everything(whole), name


WITHOUT = [("dataset.validation=0", "early_stopping=null"), ("hidden_sizes=[]", "dropout=0", "batch_norm=false")]


@pytest.mark.parametrize("overrides", WITHOUT)
def test_without_some_of_the_parts(data: Path, tmp_path: Path, overrides: tuple[str, ...]) -> None:
    whole, again = trainer(data, *overrides), trainer(data, *overrides)
    save_after(whole, tmp_path, 3)
    checkpoint.restore(again, checkpoint.read(tmp_path / CURRENT))
    again.fit()
    assert everything(again) == everything(whole)


def test_epoch_zero(data: Path, tmp_path: Path) -> None:
    whole, again = trainer(data, "epochs=0"), trainer(data, "epochs=0")
    save_after(whole, tmp_path, 0)
    checkpoint.restore(again, checkpoint.read(tmp_path / CURRENT))
    again.fit()
    assert everything(again) == everything(whole) and len(again.state.history) == 1


def test_scores_that_are_no_numbers_come_back(data: Path, tmp_path: Path) -> None:
    made, again = trainer(data, "epochs=1"), trainer(data, "epochs=1")
    made.fit()
    row = made.state.history[0]
    made.state.history = [type(row)(1, 0.5, math.nan, 0.25, math.nan, 1e-3, 2.0)]
    checkpoint.save(tmp_path, made, IDENTITY)
    checkpoint.restore(again, checkpoint.read(tmp_path / CURRENT))
    assert repr(again.state.history) == repr(made.state.history)


# What is on the disk.


def test_two_are_kept_and_numpy_reads_them(data: Path, tmp_path: Path) -> None:
    made = trainer(data)
    save_after(made, tmp_path, 2, 3, 5)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([CURRENT, PREVIOUS])
    assert [checkpoint.read(tmp_path / name).epoch for name in (CURRENT, PREVIOUS)] == [5, 3]
    with np.load(tmp_path / CURRENT, allow_pickle=False) as loaded:
        head = json.loads(loaded["head"].tobytes())
        assert loaded["theta"].shape == made.network.theta.shape and loaded["history"].shape == (5, 7)
    assert head.items() >= {"format": 2, "epoch": 5, **IDENTITY}.items()
    checkpoint.remove(tmp_path)
    checkpoint.remove(tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_same_state_gives_the_same_bytes(data: Path, tmp_path: Path) -> None:
    made = trainer(data)
    checkpoint.save(tmp_path, made, IDENTITY)
    checkpoint.save(tmp_path, made, IDENTITY)
    assert (tmp_path / CURRENT).read_bytes() == (tmp_path / PREVIOUS).read_bytes()


def spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


def test_the_one_before_takes_the_place_of_a_damaged_one(data: Path, tmp_path: Path) -> None:
    save_after(trainer(data), tmp_path, 2, 3)
    spoil(tmp_path / CURRENT)
    found, notices = checkpoint.recover(tmp_path, "r-0", "h")
    assert found is not None and found.epoch == 2
    assert notices == [
        f"{tmp_path / CURRENT} is damaged: its SHA-256 does not match its content",
        f"going on from {PREVIOUS}, epoch 2",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == [PREVIOUS], "a damaged one would take the place of the sound one"


def test_none_that_is_sound(data: Path, tmp_path: Path) -> None:
    save_after(trainer(data), tmp_path, 2, 3)
    spoil(tmp_path / CURRENT)
    (tmp_path / PREVIOUS).write_bytes(b"")
    found, notices = checkpoint.recover(tmp_path, "r-0", "h")
    assert found is None and len(notices) == 3 and notices[-1] == "no sound checkpoint is left: starting over"
    assert checkpoint.recover(tmp_path, "r-0", "h") == (None, [])


@pytest.mark.parametrize("ours", [("r-1", "h"), ("r-0", "g")])
def test_one_of_another_run_is_refused(data: Path, tmp_path: Path, ours: tuple[str, str]) -> None:
    save_after(trainer(data), tmp_path, 2)
    found, notices = checkpoint.recover(tmp_path, *ours)
    assert found is None and notices[0] == f"{tmp_path / CURRENT} belongs to another run (r-0)"


@pytest.mark.parametrize(
    "override", ["hidden_sizes=[5,3]", "optimizer=sgd", "batch_norm=false", "dtype=float64", "early_stopping=null", "epochs=1"]
)
def test_one_that_does_not_fit_is_refused(data: Path, tmp_path: Path, override: str) -> None:
    """Only another version of the program could have written it; it is kept for that."""
    save_after(trainer(data), tmp_path, 2)
    other = trainer(data, override)
    with pytest.raises(RunError, match=r"checkpoint\.npz does not fit this config") as caught:
        checkpoint.restore(other, checkpoint.read(tmp_path / CURRENT))
    assert "--force" in str(caught.value.hint) and (tmp_path / CURRENT).exists()


def rewrite(path: Path, **changes: object) -> None:
    """Another head, under a hash that is right; None takes a key away."""
    arrays = npz.unpack(path.read_bytes())
    head = json.loads(arrays["head"].tobytes()) | changes
    text = json.dumps({key: value for key, value in head.items() if value is not None})
    content = npz.pack(arrays | {"head": np.frombuffer(text.encode(), np.uint8)}, comment=b"0" * 64)[:-64]
    path.write_bytes(content + checkpoint.hashlib.sha256(content).hexdigest().encode())


def test_a_rewritten_one_is_read(data: Path, tmp_path: Path) -> None:
    save_after(trainer(data), tmp_path, 2)
    rewrite(tmp_path / CURRENT, run="another")
    assert checkpoint.read(tmp_path / CURRENT).head["run"] == "another"


@pytest.mark.parametrize(
    "changes", [{"epoch": "2"}, {"epoch": None}, {"best": []}, {"best": {}}, {"run": 5}, {"environment": None}, {"more": 1}]
)
def test_a_head_of_another_form_is_damage(data: Path, tmp_path: Path, changes: dict[str, object]) -> None:
    save_after(trainer(data), tmp_path, 2)
    rewrite(tmp_path / CURRENT, **changes)
    with pytest.raises(Damaged, match="its head does not have exactly"):
        checkpoint.read(tmp_path / CURRENT)


@pytest.mark.parametrize("changes", [{"epoch": 3}, {"epoch": -1}, {"epoch": 10**12}, {"step": -5}])
def test_a_head_that_contradicts_the_arrays_does_not_fit(data: Path, tmp_path: Path, changes: dict[str, object]) -> None:
    save_after(trainer(data), tmp_path, 2)
    rewrite(tmp_path / CURRENT, **changes)
    with pytest.raises(RunError, match="does not fit"):
        checkpoint.restore(trainer(data), checkpoint.read(tmp_path / CURRENT))


def test_another_format_is_an_error_and_no_damage(data: Path, tmp_path: Path) -> None:
    save_after(trainer(data), tmp_path, 2)
    rewrite(tmp_path / CURRENT, format=3)
    with pytest.raises(RunError, match="has checkpoint format 3, this version of mlp reads 2") as caught:
        checkpoint.recover(tmp_path, "r-0", "h")
    assert not isinstance(caught.value, Damaged) and (tmp_path / CURRENT).exists()
