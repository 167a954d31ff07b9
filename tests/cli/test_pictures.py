"""Pictures through the commands: features that are computed once, and alterations, with the bytes of an undisturbed run."""

import hashlib
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_sets import Answer, arrays_in, make_idx_set

from mlp_cli import build
from mlp_cli.build import load_data
from mlp_cli.config import load_config
from mlp_cli.data import cache, extraction
from mlp_cli.data.augmentations import Augmentation
from mlp_cli.data.extraction import extract_all
from mlp_cli.data.features import features
from mlp_cli.data.hog import Hog
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
    assert any(key.startswith("features-") for key in cache.ready_sets()["shapes"]), "mlp data clear finds them"
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
            "patches is computed once, and augment alters pictures in each epoch; set augment.copies: 1",
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


def test_a_dry_run_measures_steps_on_altered_pictures(
    mlp: Mlp, config: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    altered: list[int] = []
    monkeypatch.setattr(Augmentation, "__call__", lambda self, rows, generator: altered.append(len(rows)) or rows)
    monkeypatch.setattr(build, "step_seconds", partial(build.step_seconds, budget=0.0))
    for size, batches in ((50, 3), ("full", 3)):
        altered.clear()
        assert mlp("train", config("augment: [rotation]\n"), f"batch_size={size}", "--dry-run").code == 0
        assert sum(altered) == batches * (size if size != "full" else 500), "three steps, each on rows altered anew"


def test_show_draws_pictures_before_and_after(mlp: Mlp, config: Callable[[str], Path], tmp_path: Path) -> None:
    path = config("augment: [rotation, {name: noise, deviation: 40}]\n")
    answer = mlp("data", "show", path)
    assert answer.code == 0 and f"wrote {path.stem}_data.png and {path.stem}_augment.png" in answer.out
    with Image.open(tmp_path / f"{path.stem}_augment.png") as image:
        pixels = np.asarray(image.convert("L")).astype(int)
    assert pixels.shape[0] > 4 * 50 and pixels.shape[1] > 9 * 50, "four classes, the picture and eight alterations"
    shown = json.loads(mlp("data", "show", path, "--json", "--out", "x.png").out)
    assert shown["file"] == "x.png" and shown["augment_file"] == "x_augment.png"
    assert "augment" not in mlp("data", "show", config("")).out


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The pixels of the small set's training and test pictures."""
    names = ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte")
    train, test = (np.fromfile(tmp_path / "shapes" / name, np.uint8)[16:].reshape(-1, 64) for name in names)
    return train, test


FILE = "features: {name: file, path: made.npz}\n"


def test_features_from_a_file(
    mlp: Mlp, config: Callable[[str], Path], tmp_path: Path, pictures: tuple[np.ndarray, np.ndarray]
) -> None:
    """The pixels themselves as features give what the pixels give."""
    train, test = pictures
    sha256 = hashlib.sha256(train.tobytes() + test.tobytes()).hexdigest()
    made = {"train": train.astype(np.float32), "test": test.astype(np.float32)}
    assert mlp("train", config("").rename(tmp_path / "plain.yaml"), "dataset.scale=standard", "--no-plots").code == 0
    plain = folder_of(tmp_path, "plain-*")
    path = config(FILE)
    np.savez(tmp_path / "made.npz", **made, pictures_sha256=sha256, made_by="a test, with a fine net")
    answer = mlp("train", path, "--no-plots")
    assert answer.code == 0 and "features from made.npz, made by a test, with a fine net" in answer.err, answer.err
    for name in ("train_loss", "test_accuracy", "val_loss"):
        one, other = (json.loads((each / "run.json").read_text())["metrics"][name] for each in (plain, folder_of(tmp_path)))
        assert one == pytest.approx(other, rel=1e-4), name
    np.save(tmp_path / "made.npy", np.concatenate([made["train"], made["test"]]))
    same = mlp("train", path, "features={name: file, path: made.npy, made_by: me}", "--name", "npy", "--no-plots")
    assert same.code == 0 and "features from made.npy, made by me" in same.err
    text = (folder_of(tmp_path) / "metrics.csv").read_bytes()
    assert (folder_of(tmp_path, "npy-*") / "metrics.csv").read_bytes() == text
    np.savez(tmp_path / "made.npz", train=2 * made["train"], test=made["test"])
    changed = mlp("train", path, "--no-plots")
    assert changed.code == 3 and "the data has changed since this run" in changed.err


def test_a_file_of_features_that_does_not_fit(
    mlp: Mlp, config: Callable[[str], Path], tmp_path: Path, pictures: tuple[np.ndarray, np.ndarray]
) -> None:
    train, test = (each.astype(np.float32) for each in pictures)
    holed = test.copy()
    holed[7, 3] = np.nan
    sha256 = hashlib.sha256(pictures[0][::-1].tobytes() + pictures[1].tobytes()).hexdigest()
    path = config(FILE)
    cases: list[tuple[dict[str, np.ndarray], str]] = [
        ({"train": train[:-1], "test": test}, "has 599 rows of 64 and 120 rows of 64, and shapes has 600 and 120 pictures"),
        ({"train": train}, "has 600 rows of 64, and shapes has 600 and 120 pictures"),
        ({"all": np.concatenate([train, test])[:-1]}, "has 600 rows of 64 and 119 rows of 64, and shapes"),
        ({"train": train, "test": test[:, 1:]}, "has 600 rows of 64 and 120 rows of 63, and shapes"),
        ({"train": train, "test": holed}, "row 7 (counted from 0) has values that are not finite"),
        ({"train": train, "test": test, "pictures_sha256": np.array(sha256)}, "features of other pictures, or in another order"),
        ({"train": train, "test": test, "x": test}, "has the arrays x; it needs one, or train and test"),
        ({"train": np.array(["a", "b"]), "test": test}, "it needs rows of numbers"),
    ]
    for arrays, message in cases:
        np.savez(tmp_path / "made.npz", **arrays)
        answer = mlp("train", path)
        assert answer.code == 3 and message in answer.err, answer.err
    for content, message in ((b"no numbers", "is no .npy or .npz file of numbers"), (None, "cannot read made.npz: no such file")):
        (tmp_path / "made.npz").unlink() if content is None else (tmp_path / "made.npz").write_bytes(content)
        answer = mlp("train", path)
        assert answer.code == 3 and message in answer.err, answer.err
    answer = mlp("train", path, "augment={steps: [flip], copies: 1}")
    assert answer.code == 2 and "has the features of pictures as they are, and augment alters them" in answer.err
    assert not (tmp_path / "results").exists()


def test_hog_trains(mlp: Mlp, config: Callable[[str], Path], tmp_path: Path) -> None:
    path = config("features: {name: hog, cell: 4, components: 20}\n")
    assert mlp("train", path).code == 0
    folder = folder_of(tmp_path)
    assert arrays_in(folder / "model.npz")["W1"].shape == (20, 8)
    assert not (folder / "plots/weights.png").exists() and (folder / "plots/errors.png").exists()
    written = (folder / "run.json").read_bytes()
    assert "completed already" in mlp("train", path).out and (folder / "run.json").read_bytes() == written


def test_components_are_principal(mlp: Mlp, config: Callable[[str], Path], tmp_path: Path) -> None:
    """Cut to components, features lie along the directions in which standardised features vary most, uncorrelated and centred."""
    path = config("")
    dataset = load_data(load_config(path))
    found = {}
    for components in (None, 5):
        part = dataset.train
        transform = extract_all(
            Hog(cell=2, components=components), "hog", dataset, {"n": components}, lambda pieces, total: pieces
        )
        values, after = transform.over(part.x)
        found[components] = np.empty((len(part), transform.width or 0), np.float32)
        after.apply(values[part.index], found[components])
        again = np.empty_like(found[components])
        transform.apply(part.x[part.index], again)
        np.testing.assert_allclose(again, found[components], atol=1e-4), "what is stored is what is computed anew"
    full, cut = found[None].astype(float), found[5].astype(float)
    np.testing.assert_allclose(full.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(full.std(axis=0), 1, atol=1e-4)
    singular = np.linalg.svd(full, compute_uv=False)[:5] ** 2 / len(full)
    np.testing.assert_allclose(cut.T @ cut / len(cut), np.diag(singular) * 5 / full.shape[1], atol=1e-3)


@pytest.mark.parametrize("more", [PATCHES, "features: {name: hog, cell: 4}\n", FILE, "augment: [flip]\n"])
def test_what_is_asked_of_a_run_later(
    mlp: Mlp, config: Callable[[str], Path], tmp_path: Path, pictures: tuple[np.ndarray, np.ndarray], more: str
) -> None:
    train, test = pictures
    np.savez(tmp_path / "made.npz", train=train.astype(np.float32), test=test.astype(np.float32))
    path = config(more)
    assert mlp("train", path, "--no-plots").code == 0
    folder = folder_of(tmp_path)
    record = json.loads((folder / "run.json").read_text())
    found = mlp("evaluate", folder, "--json")
    assert found.code == 0 and "this machine gives" not in found.err, found.err
    assert json.loads(found.out)["scores"]["accuracy"] == record["metrics"]["test_accuracy"]
    kept = (folder / "predictions.npz").read_bytes()
    (folder / "predictions.npz").unlink()
    assert mlp("train", path, "--no-plots").code == 0 and (folder / "predictions.npz").read_bytes() == kept
    np.save(tmp_path / "new.npy", test.reshape(-1, 8, 8))
    answer = mlp("predict", folder, "new.npy", "--out", "new.csv")
    if more is FILE:
        assert answer.code == 3 and "made.npz has no features of these pictures" in answer.err, answer.err
        return
    assert answer.code == 0, answer.err
    labels = np.fromfile(tmp_path / "shapes/t10k-labels-idx1-ubyte", np.uint8)[8:]
    named = [line.split(",")[0] for line in (tmp_path / "new.csv").read_text().splitlines()[1:]]
    right = np.mean([name == str(label) for name, label in zip(named, labels, strict=True)])
    assert right == pytest.approx(record["metrics"]["test_accuracy"], abs=0.01)
