"""The real sets, where a copy is at hand: $MLP_DATA_DIR, else ../shared/data beside the repository."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import tiny as support

from mlp_cli.data import cache, catalogue
from mlp_cli.data.load import load, load_whole
from mlp_cli.data.sources import fetch, seems_here, state

walls = support.walls

REAL = Path(os.environ.get("MLP_DATA_DIR") or Path(__file__).parents[2].parent / "shared/data")

FACTS = {
    "mnist": {
        "train": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
        "test": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
        "first_train": [5, 0, 4, 1, 9, 2, 1, 3, 1, 4],
        "first_test": [7, 2, 1, 0, 4, 1, 4, 9, 5, 9],
        "mean": 0.130660,
        "deviation": 0.308108,
    },
    "fashion_mnist": {
        "train": [6000] * 10,
        "test": [1000] * 10,
        "first_train": [9, 0, 0, 3, 0, 2, 7, 2, 5, 5],
        "first_test": [9, 2, 1, 1, 6, 1, 4, 6, 5, 7],
        "mean": 0.286041,
        "deviation": 0.353024,
    },
}


@pytest.fixture
def real(caches: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the real data. Tests that use it share one cache, where a set is unpacked once for all of them."""
    if not REAL.is_dir():
        pytest.skip(f"no real data at {REAL}: set MLP_DATA_DIR to a folder that has them")
    monkeypatch.setenv("MLP_DATA_DIR", str(REAL))
    monkeypatch.setenv("XDG_CACHE_HOME", str(caches / "real"))
    return REAL


def moments(pixels: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of bytes, by how often each value comes: quicker than with a copy of all as floats."""
    flat, values = pixels.reshape(-1), np.arange(256)
    counts = sum(np.bincount(flat[at : at + 65_536], minlength=256) for at in range(0, flat.size, 65_536))
    mean = float(np.average(values, weights=counts))
    return mean, float(np.average((values - mean) ** 2, weights=counts)) ** 0.5


@pytest.mark.parametrize("name", list(FACTS))
def test_real_sets(real: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = catalogue.entry(name)
    if seems_here(entry, real) is None:
        pytest.skip(f"{real} has no {name}")
    with monkeypatch.context() as new:
        new.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert state(catalogue.entry(name)).startswith(f"found in {real}")
    dataset = load(name)
    assert state(catalogue.entry(name)) == "ready" and dataset.notices == ()
    facts = FACTS[name]
    assert dataset.validation is not None and dataset.test is not None
    assert dataset.train.x.shape == (60_000, 784) and dataset.test.x.shape == (10_000, 784)
    assert np.bincount(dataset.train.y).tolist() == facts["train"] and np.bincount(dataset.test.y).tolist() == facts["test"]
    assert dataset.train.y[:10].tolist() == facts["first_train"] and dataset.test.y[:10].tolist() == facts["first_test"]
    mean, deviation = moments(dataset.train.x)
    assert (round(mean / 255, 6), round(deviation / 255, 6)) == (facts["mean"], facts["deviation"])
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (55_000, 5_000, 10_000)
    shares = np.bincount(dataset.validation.y[dataset.validation.index]) - np.array(facts["train"]) / 12
    assert (np.abs(shares) < 1).all()


def test_keras_file_of_real_arrays(real: Path, tmp_path: Path) -> None:
    if seems_here(catalogue.entry("mnist"), real) is None:
        pytest.skip(f"{real} has no mnist")
    whole = load_whole("mnist")
    assert whole.test_x is not None and whole.test_y is not None
    np.savez(
        tmp_path / "mnist.npz",
        x_train=whole.train_x.reshape(-1, 28, 28),
        y_train=whole.train_y.astype(np.uint8),
        x_test=whole.test_x.reshape(-1, 28, 28),
        y_test=whole.test_y.astype(np.uint8),
    )
    assert fetch("mnist", tmp_path)[1].sha256 == whole.sha256


def test_the_official_split_is_the_classic_one(real: Path) -> None:
    if seems_here(catalogue.entry("mnist"), real) is None:
        pytest.skip(f"{real} has no mnist")
    dataset = load("mnist", split="official")
    assert dataset.validation is not None
    assert (len(dataset.train), len(dataset.validation)) == (50_000, 10_000)
    counts = np.bincount(dataset.validation.y[dataset.validation.index])
    assert counts.tolist() == [991, 1064, 990, 1030, 983, 915, 967, 1090, 1009, 961]
    assert dataset.validation.y[dataset.validation.index[:5]].tolist() == [3, 8, 6, 9, 6]


def test_the_cache_holds_the_bytes_of_the_files(real: Path) -> None:
    entry = catalogue.entry("fashion_mnist")
    if seems_here(entry, real) is None:
        pytest.skip(f"{real} has no fashion_mnist")
    fetch("fashion_mnist")
    stored = np.load(cache.ready_folder("fashion_mnist") / "test_x.npy")
    header = bytes.fromhex("00000803" + "00002710" + "0000001c" + "0000001c")
    assert hashlib.sha256(header + stored.tobytes()).hexdigest() == entry.files[2].sha256
