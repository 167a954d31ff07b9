"""From a name or a path to the parts of a run."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny as support
from small_sets import make_idx_set, write_idx
from tiny import Tiny

from mlp_cli.data.dataset import Dataset
from mlp_cli.data.formats import FORMATS
from mlp_cli.data.load import load, usual_options
from mlp_cli.data.own import Own
from mlp_cli.errors import DataError, UsageError

tiny, walls = support.tiny, support.walls


@pytest.fixture(autouse=True)
def data(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLP_DATA_DIR", str(tmp_path / "data"))
    return tiny.write(tmp_path / "data/tiny")


def rows(dataset: Dataset) -> dict[str, list[int]]:
    parts = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    return {name: part.index.tolist() if part else [] for name, part in parts.items()}


def test_a_known_set(tiny: Tiny) -> None:
    dataset = load("tiny")
    assert (dataset.name, dataset.task, dataset.shape, dataset.classes) == ("tiny", "classification", (3, 2), ("a", "b", "c"))
    assert [len(indices) for indices in rows(dataset).values()] == [18, 6, 8]
    assert dataset.validation is not None and dataset.test is not None
    assert np.bincount(dataset.validation.y[dataset.validation.index]).tolist() == [2, 2, 2]
    assert dataset.train.x is dataset.validation.x
    assert dataset.train.x.shape == (support.TRAIN, 6) and dataset.train.x.dtype == np.uint8
    assert dataset.test.x.tolist() == tiny.arrays["test_x"].reshape(-1, 6).tolist()
    assert dataset.test.y.dtype == np.int64 and dataset.test.y.tolist() == tiny.arrays["test_y"].tolist()


def test_splits_and_limits(tiny: Tiny) -> None:
    assert rows(load("tiny", split="last", validation=4))["validation"] == [20, 21, 22, 23]
    assert rows(load("tiny", validation=0))["validation"] == [] and load("tiny", validation=0).validation is None
    base, limited = rows(load("tiny", split_seed=5)), rows(load("tiny", split_seed=5, limit=9))
    assert limited["validation"] == base["validation"], "validation is set aside before the limit"
    assert set(limited["train"]) < set(base["train"]) and len(limited["train"]) == 9
    labels = tiny.arrays["train_y"][limited["train"]]
    assert np.bincount(labels).tolist() == [3, 3, 3]
    assert rows(load("tiny", split_seed=5, limit=0.5)) == limited
    assert rows(load("tiny", split_seed=5, limit=18)) == base
    assert rows(load("tiny", split_seed=6)) != base


def test_the_hash_does_not_depend_on_the_split() -> None:
    assert load("tiny", split_seed=1, validation=3, limit=5).sha256 == load("tiny").sha256


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": 0}, "limit: 0 leaves no row to train on"),
        ({"limit": 19}, "limit: 19, but there are only 18 training rows"),
        ({"limit": -2}, "limit: -2 is neither"),
        ({"validation": 24}, "validation: 24 leaves no row to train on; the training part of tiny has 24"),
        ({"split": "lst"}, "unknown split 'lst'; did you mean last"),
        ({"split": "official"}, "tiny has no validation part of its own"),
    ],
)
def test_numbers_that_do_not_fit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load("tiny", **options)


def test_either_a_name_or_a_path(tmp_path: Path) -> None:
    for given in ({}, {"name": "tiny", "path": tmp_path}):
        with pytest.raises(UsageError, match="give either a name or a path"):
            load(**given)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="unknown dataset 'tinny'; did you mean tiny"):
        load("tinny")


def test_a_folder_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_idx_set(tmp_path / "my.shapes", train=40, test=10)
    dataset = load(path=folder)
    assert (dataset.name, dataset.shape, dataset.classes) == ("my", (6, 6), ("0", "1", "2", "3"))
    assert [len(part) for part in rows(dataset).values()] == [36, 4, 10], "a tenth is set aside"
    assert usual_options("mnist", None, "stratified")["validation"] == 5000
    monkeypatch.chdir(tmp_path)
    assert load(path="my.shapes").sha256 == dataset.sha256
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load(path="~/my.shapes").sha256 == dataset.sha256


def test_the_test_part_may_be_left_out(tmp_path: Path) -> None:
    folder = make_idx_set(tmp_path / "own")
    for path in folder.glob("t10k-*"):
        path.unlink()
    assert load(path=folder).test is None


def test_the_same_data_has_the_same_hash_by_name_and_by_path(data: Path, tiny: Tiny) -> None:
    assert load("tiny").sha256 == load(path=data).sha256


def test_a_class_that_only_the_test_part_has_is_an_error(tmp_path: Path) -> None:
    folder = make_idx_set(tmp_path / "own", test=3)
    write_idx(folder / "t10k-labels-idx1-ubyte", np.array([0, 6, 1], np.uint8))
    with pytest.raises(DataError, match="0, 1, 6 in the test part, 0, 1, 2, 3 in the training part"):
        load(path=folder)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: [path.unlink() for path in folder.iterdir()], "a folder that holds no data that can be read"),
        (lambda folder: [path.unlink() for path in folder.glob("train-*")], "the inputs of the train part; it has 't10k-images'"),
        (
            lambda folder: (folder / "t10k-labels-idx1-ubyte").unlink(),
            "a file is missing; it has t10k-images, train-images, train-labels",
        ),
        (lambda folder: (folder / "train-images-idx3-ubyte").write_bytes(b"<html>"), "an HTML page saved in place of the data"),
        (
            lambda folder: (folder / "train-labels-idx1-ubyte").write_bytes(b"version https://git-lfs.github.com/spec/v1"),
            "train-labels-idx1-ubyte: a Git LFS pointer",
        ),
        (
            lambda folder: write_idx(folder / "t10k-images-idx3-ubyte", np.zeros((120, 6, 5), np.uint8)),
            r"rows are uint8 \(6, 5\) in the test part, uint8 \(6, 6\) in the train part",
        ),
    ],
)
def test_a_spoilt_folder(tmp_path: Path, spoil: Any, message: str) -> None:
    folder = make_idx_set(tmp_path / "own")
    spoil(folder)
    with pytest.raises(DataError, match=message) as caught:
        load(path=folder)
    assert caught.value.exit_code == 3 and str(folder) in caught.value.message


def test_a_path_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "loop").symlink_to("loop")
    for path, message in (
        ("none", "no such file or folder"),
        ("file", "an empty file"),
        ("loop", "not a usable path|symbolic links"),
    ):
        with pytest.raises(DataError, match=message):
            load(path=tmp_path / path)
    with pytest.raises(DataError, match="not a usable path"):
        load(path="nul\0byte")


def test_names_with_strange_bytes(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff strange\n" + b"x" * 150))
    try:
        make_idx_set(folder)
    except OSError:
        pytest.skip("this file system refuses such a name")
    dataset = load(path=folder)
    assert dataset.notices == () and dataset.name.startswith("\ufffd strange")
    assert load(path=folder).sha256 == dataset.sha256


def test_files_that_change_while_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_idx_set(tmp_path / "own")

    read = FORMATS["idx"].read

    def slow(path: Path) -> Any:
        found = read(path)
        os.utime(folder / "train-images-idx3-ubyte", (1, 1))
        return found

    monkeypatch.setitem(FORMATS, "idx", FORMATS["idx"]._replace(read=slow))
    with pytest.raises(DataError, match="its files changed while they were read"):
        load(path=folder)


def test_classes_of_one_part_are_told(tmp_path: Path) -> None:
    y = np.array([0] * 30 + [1] * 30 + [2, 3])
    np.savez(tmp_path / "rare.npz", x=np.arange(62.0)[:, None] / 62, y=y)
    dataset = load(path=tmp_path / "rare.npz", validation=6, split_seed=1)
    assert dataset.notices[-1] == "2 classes with rows in the training part alone: 2, 3"
    assert load(path=tmp_path / "rare.npz", validation=6, classes=("0", "1")).notices == ()
    last = load(path=tmp_path / "rare.npz", validation=1, split="last")
    assert last.notices[-2:] == (
        "3 classes with rows in the training part alone: 0, 1, 2",
        "1 class with rows in the validation part alone: 3",
    )
    assert not any("alone" in text for text in load(path=tmp_path / "rare.npz", validation=0).notices), "there is one part"


def test_kept_classes_that_leave_a_part_empty_are_refused(tmp_path: Path) -> None:
    x, y = np.arange(12.0)[:, None], np.arange(12) % 3
    parts = {"x_train": x, "y_train": y, "x_test": x[::3], "y_test": y[::3], "x_validation": x[::3], "y_validation": y[::3]}
    np.savez(tmp_path / "set.npz", **parts)
    assert len(load(path=tmp_path / "set.npz", split="official", classes=("0", "1")).validation or ()) == 4
    with pytest.raises(UsageError, match="the test part of set has no row of the classes 1, 2"):
        load(path=tmp_path / "set.npz", classes=("1", "2"))
    np.savez(tmp_path / "set.npz", **{key: value for key, value in parts.items() if "test" not in key})
    with pytest.raises(UsageError, match="the validation part of set has no row of the classes that are kept"):
        load(path=tmp_path / "set.npz", split="official", classes=("1", "2"))


def test_what_a_run_is_given_in_one_line(tmp_path: Path) -> None:
    images = np.zeros((64, 28, 28), np.uint8)
    images[:, 3, 4] = np.arange(64) + 100
    np.savez(tmp_path / "some.npz", x=images, y=np.arange(64) % 2)
    dataset = load(path=tmp_path / "some.npz", validation=6, test=10)
    assert dataset.summary() == "48 training, 6 validation, 10 test rows; 2 classes: 0, 1; 784 inputs, scaled to 0–1"
    others = {
        "standard": "scaled to mean 0 and deviation 1",
        "minmax": "least to 0 and greatest to 1",
        "none": "not scaled",
        "256": "divided by 256",
    }
    for scale, words in others.items():
        assert load(path=tmp_path / "some.npz", validation=0, scale=scale).summary().endswith(f"784 inputs, {words}")
    assert "7 classes: a, b, c, d, e and 2 more; " in replace(dataset, classes=tuple("abcdefg")).summary()
    quantity = load(path=tmp_path / "some.npz", validation=0, task="regression")
    assert (
        quantity.summary()
        == "64 training rows, no test part (dataset.test: 0.2 makes one); a quantity, the target; 784 inputs, scaled to 0–1"
    )


def test_floats_are_standardized_where_the_config_says_nothing(tmp_path: Path) -> None:
    np.savez(tmp_path / "floats.npz", x=np.arange(20.0)[:, None] - 10, y=np.arange(20) % 2)
    assert load(path=tmp_path / "floats.npz").scale == "standard"
    with pytest.raises(UsageError, match="scale: unit divides bytes, and the inputs of floats go from -10 to 9"):
        load(path=tmp_path / "floats.npz", scale="unit")


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint16, np.float32, np.float64])
def test_bytes_of_any_type_are_divided(tmp_path: Path, dtype: type) -> None:
    values = np.random.default_rng(1).integers(0, 256, (40, 6))
    values[0, 0] = 255
    np.savez(tmp_path / "bytes.npz", x=values.astype(dtype), y=np.arange(40) % 2)
    dataset = load(path=tmp_path / "bytes.npz")
    assert (dataset.scale, dataset.divides) == ("unit", True)
    # The same in a table, whose numbers are all float64.
    lines = [",".join(map(str, row)) + f",{number % 2}" for number, row in enumerate(values)]
    (tmp_path / "bytes.csv").write_text("\n".join(["a,b,c,d,e,f,y", *lines]) + "\n")
    table = load(path=tmp_path / "bytes.csv", own=Own(target="y"))
    assert (table.scale, table.divides) == ("unit", True)
