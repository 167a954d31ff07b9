"""The real CIFAR-10, notMNIST and mnist.pkl.gz, where a copy is at hand, through the loader that trains on them."""

import hashlib
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import test_real_data
import tiny as support

from mlp_cli.data.load import load
from mlp_cli.data.splits import equal_rows

walls, real = support.walls, test_real_data.real


def need(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"no {path.name} in {path.parent}")
    return path


def test_notmnist(real: Path) -> None:
    need(real / "notmnist/notMNIST-10k.npz")
    dataset = load("notmnist", subset="sample")
    assert dataset.classes == tuple("ABCDEFGHIJ") and dataset.train.y[:10].tolist() == [3, 5, 9, 2, 7, 2, 9, 8, 5, 3]
    images = "6bda48464effe4169d9cd068967cd81a717ae2f925ddb55fd71025e23022ee9a"
    assert hashlib.sha256(np.ascontiguousarray(dataset.train.x)).hexdigest() == images
    parts = [part for part in (dataset.train, dataset.validation, dataset.test) if part]
    assert [len(part) for part in parts] == [7_000, 1_000, 2_000]
    same = equal_rows(dataset.train.x)
    assert sum(len(set(same[part.index])) for part in parts) == 9_804, "equal pictures are in one part"
    smaller = load("notmnist", subset="sample", validation=3_205, test=1_455)
    assert [len(part) for part in (smaller.train, smaller.validation or (), smaller.test or ())] == [5_340, 3_205, 1_455]


def test_the_pickle_is_mnist(real: Path) -> None:
    path = need(real / "mnist-pkl/mnist.pkl.gz")
    need(real / "mnist")
    dataset, known = load(path=path, split="official"), load("mnist", split="official")
    assert dataset.sha256 == known.sha256 and dataset.shape == (28, 28)
    assert dataset.train.index.tolist() == known.train.index.tolist() == list(range(50_000))
    x, y = dataset.train.x, dataset.train.y
    assert (x.shape, x.dtype, len(dataset.notices)) == ((60_000, 784), np.uint8, 1)
    assert y[:5].tolist() == [5, 0, 4, 1, 9] and y[50_000:50_005].tolist() == [3, 8, 6, 9, 6]
    assert np.bincount(y[:50_000]).tolist() == [4932, 5678, 4968, 5101, 4859, 4506, 4951, 5175, 4842, 4988]
    moments = [value / 256 for value in test_real_data.moments(x[:50_000])]
    assert moments == pytest.approx([0.13045, 0.30729], abs=5e-6)
    header = bytes.fromhex("00000803 0000ea60 0000001c 0000001c")
    official = "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
    assert hashlib.sha256(header + x.tobytes()).hexdigest() == official


def test_the_split_of_the_course_vu(real: Path) -> None:
    need(real / "mnist")
    dataset = load("mnist", split="vu")
    assert dataset.validation is not None
    assert (len(dataset.train), len(dataset.validation)) == (55_000, 5_000)
    assert dataset.train.index[[0, -1]].tolist() == [0, 54_999] and dataset.validation.index[0] == 55_000
    final = load("mnist", split="vu", validation=0)
    assert len(final.train) == 60_000 and final.validation is None


@pytest.mark.slow
def test_cifar10(real: Path) -> None:
    need(real / "cifar10")
    dataset = load("cifar10")
    assert dataset.test is not None
    x, y = dataset.train.x, dataset.train.y
    assert x.shape == (50_000, 3072) and x.dtype == np.uint8 and isinstance(x.base, np.memmap)
    assert y[:10].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3] and dataset.test.y[:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
    assert x[0, :3].tolist() == [59, 43, 50] and x[0, -3:].tolist() == [140, 84, 72]
    means = x.reshape(50_000, 3, 1024).mean(axis=(0, 2)) / 255
    np.testing.assert_allclose(means, [0.49139968, 0.48215841, 0.44653091], atol=1e-8)
    assert np.bincount(y).tolist() == [5_000] * 10


CONFIG = """
dataset: {name: cifar10, scale: standard}
hidden_sizes: [512]
epochs: 1
batch_size: 256
"""


@pytest.mark.slow
def test_cifar10_trains_in_450_mb(real: Path, tmp_path: Path) -> None:
    need(real / "cifar10")
    if not Path("/proc/self/smaps_rollup").exists():
        pytest.skip("this system does not tell the proportional set size")
    (tmp_path / "raw.yaml").write_text(CONFIG)
    command = [sys.executable, "-m", "mlp_cli", "train", "raw.yaml", "--quiet"]
    process = subprocess.Popen(command, cwd=tmp_path)
    peak = 0
    while process.poll() is None:
        try:
            lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            break
        peak = max([peak, *(int(line.split()[1]) for line in lines if line.startswith("Pss:"))])
        time.sleep(0.01)
    assert process.wait() == 0
    assert 100_000 < peak < 450_000, f"{peak / 1000:.0f} MB"
