"""Pictures through the commands: features that are computed once, and alterations, with the bytes of an undisturbed run."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_sets import Answer, arrays_in, make_idx_set

from mlp_cli.config import load_config
from mlp_cli.data import extraction
from mlp_cli.data.features import features
from mlp_cli.data.pictures import Pictures

Mlp = Callable[..., Answer]

CONFIG = """\
dataset: {path: shapes, validation: 100}
hidden_sizes: [8]
epochs: 3
batch_size: 32
"""
PATCHES = "features: {name: patches, filters: 6, size: 3, samples: 400}\n"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Writes a config of a small set of pictures with more lines."""
    make_idx_set(tmp_path / "shapes", side=8)
    monkeypatch.chdir(tmp_path)

    def write(more: str) -> Path:
        path = tmp_path / "small.yaml"
        path.write_text(CONFIG + more)
        return path

    return write


def folder_of(tmp_path: Path, pattern: str = "small-*") -> Path:
    (folder,) = (tmp_path / "results").glob(pattern)
    return folder


def test_features_are_computed_once_for_all_seeds(
    mlp: Mlp, config: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = config(PATCHES)
    first = mlp("train", path, "--no-plots")
    assert first.code == 0 and "computing the features of 720 pictures" in first.err, first.err

    def again(*_: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(extraction, "_compute", again)
    for override in ("seed=1", "learning_rate=0.1", "dtype=float64"):
        answer = mlp("train", path, override, "--no-plots")
        assert answer.code == 0 and "computing" not in answer.err, answer.err
    for override in ("features.filters=7", "features.seed=1", "dataset.split_seed=1", "dataset.limit=50"):
        assert "computed again" in mlp("train", path, override, "--no-plots").err


def test_the_model_holds_what_predicting_needs(mlp: Mlp, config: Callable[[str], Path], tmp_path: Path) -> None:
    for more in ("", ", components: 5"):
        path = config(PATCHES.replace("}", more + "}"))
        assert mlp("train", path, "--no-plots", "epochs=20", "learning_rate=1e-2").code == 0
        folder = folder_of(tmp_path)
        arrays = arrays_in(folder / "model.npz")
        assert {"learnt_filters", "learnt_whitening", "scale", "shift", "top"} <= arrays.keys()
        component = load_config(path).features.build()
        transform = extraction.restored(component, Pictures(1, 8, 8, top=float(arrays["top"])), arrays)
        raw = np.fromfile(tmp_path / "shapes/t10k-images-idx3-ubyte", np.uint8)[16:].reshape(120, 64)
        labels = np.fromfile(tmp_path / "shapes/t10k-labels-idx1-ubyte", np.uint8)[8:]
        x = np.empty((120, transform.width or 0), np.float32)
        transform.apply(raw, x)
        hidden = np.maximum(x @ arrays["W1"] + arrays["b1"], 0)
        accuracy = float(((hidden @ arrays["W2"] + arrays["b2"]).argmax(axis=1) == labels).mean())
        record = json.loads((folder / "run.json").read_text())
        assert accuracy == pytest.approx(record["metrics"]["test_accuracy"], abs=0.01)
        assert record["metrics"]["test_accuracy"] > 0.5
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    "more",
    [
        "augment: [rotation, {name: shift, pixels: 1}, flip, noise]\n",
        "augment: [elastic]\nbatch_size: full\n",
        "augment: cs776_2022\n",
        "augment: {steps: [flip, contrast], choose: one, copies: 1}\n" + PATCHES,
        "augment: [cutout]\nfeatures: pca\n",
    ],
)
def test_a_run_that_was_stopped_ends_with_the_same_bytes(
    mlp: Mlp, config: Callable[[str], Path], tmp_path: Path, more: str
) -> None:
    text = more.replace("batch_size: full\n", "")
    path = config(text)
    overrides = ["batch_size=full"] if "full" in more else []
    whole = mlp("train", path, *overrides, "--no-plots", "--results", "whole")
    assert whole.code == 0, whole.err
    for _ in range(3):
        part = mlp("train", path, *overrides, "--no-plots", "--budget", "0.000001s")
        assert part.code == 0, part.err
    assert mlp("train", path, *overrides, "--no-plots").code == 0
    one, other = folder_of(tmp_path), next((tmp_path / "whole").iterdir())
    for name in ("metrics.csv", "model.npz"):
        assert (one / name).read_bytes() == (other / name).read_bytes()


def test_the_run_s_seed_alters_on_the_fly_and_not_the_copies(mlp: Mlp, config: Callable[[str], Path], tmp_path: Path) -> None:
    losses = {}
    for name, more in {"fly": "augment: [noise]\n", "copies": "augment: {steps: [noise], copies: 1}\n", "plain": ""}.items():
        assert mlp("train", config(more), "--no-plots", "--name", name).code == 0
        record = json.loads((folder_of(tmp_path, f"{name}-*") / "run.json").read_text())
        losses[name] = record["metrics"]["train_loss"]
        assert record["data"]["train"] == (1000 if name == "copies" else 500)
        assert any("500 altered copies were joined" in text for text in record["data"]["notices"]) == (name == "copies")
    assert len(set(losses.values())) == 3


def test_presets_are_their_lists(config: Callable[[str], Path]) -> None:
    preset = load_config(config("augment: cs776_2022\n"))
    steps = "[rotation, cutout, crop, {name: contrast, flip: 0.5}]".replace("rotation", "{name: rotation, degrees: 180}")
    written = load_config(config(f"augment: {{steps: {steps}, choose: one, copies: 1}}\n"))
    assert preset.hash() == written.hash() != load_config(config("")).hash()
    more = load_config(config("augment: {name: cs776_2022, copies: 3}\n"))
    assert more.augment is not None and more.augment.copies == 3 and len(more.augment.steps) == 4
    assert load_config(config("augment: []\n")).hash() == load_config(config("")).hash()


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (
            "augment: [flip]\n" + PATCHES,
            2,
            "patches are computed once, and augment alters pictures in each epoch; set augment.copies: 1",
        ),
        ("features: {name: patches, size: 9}\n", 2, "patches of size 9, and the pictures are 8 × 8"),
        ("augment: [flop]\n", 2, "item 1: unknown steps; did you mean flip?"),
        ("augment: cs777\n", 2, "must be cs776_2022 or cs776_later, a list of steps"),
        ("augment: {copies: 1}\n", 2, "has no steps"),
        ("augment: [{name: rotation, degrees: 200}]\n", 2, "degrees: must be at least 0 and at most 180"),
    ],
)
def test_what_cannot_be_is_said_before_training(
    mlp: Mlp, config: Callable[[str], Path], tmp_path: Path, more: str, code: int, message: str
) -> None:
    answer = mlp("train", config(more))
    assert answer.code == code and message in answer.err, answer.err
    assert not (tmp_path / "results").exists()


def test_a_table_has_no_pictures(mlp: Mlp, tmp_path: Path) -> None:
    rows = "\n".join(f"{n},{n % 3},{'ab'[n % 2]}" for n in range(60))
    (tmp_path / "t.csv").write_text(f"x,y,kind\n{rows}\n")
    (tmp_path / "t.yaml").write_text("dataset: {path: t.csv, target: kind}\n")
    for override in ("augment=[flip]", "augment=cs776_2022", "features=patches"):
        answer = mlp("train", "t.yaml", override)
        what = override.partition("=")[0] + (": patches" if "patches" in override else "")
        assert answer.code == 2 and f"error: {what}: needs pictures, and t has a table\n" in answer.err, answer.err
    assert mlp("train", "t.yaml", "features=pca", "--no-plots", "epochs=1").code == 0


def test_show_lists_them(mlp: Mlp) -> None:
    assert all(name in mlp("show", "features").out for name in features)
    shown = mlp("show", "augmentations").out
    assert "rotation" in shown and "degrees=15" in shown and "elastic" in shown
