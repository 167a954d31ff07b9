import gzip
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import check_mutants, refuses
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from pickles import python2

from mlp_cli.data.arrays import assemble
from mlp_cli.data.arrays import read_pickle as read_found
from mlp_cli.data.dataset import RawSet

RANDOM = np.random.default_rng(0)
BYTES = RANDOM.integers(0, 256, (9, 784), dtype=np.uint8)
LABELS = RANDOM.integers(0, 10, 9)


def theano(x: Any, y: Any = LABELS) -> Any:
    """The layout of mnist.pkl.gz: 5, 2 and 2 rows."""
    return (x[:5], y[:5]), (x[5:7], y[5:7]), (x[7:], y[7:])


def read_pickle(path: Path) -> RawSet:
    return assemble(read_found(path), str(path))


def write(path: Path, value: Any, protocol: int = 2) -> Path:
    content = python2(value) if protocol == -2 else pickle.dumps(value, protocol=protocol)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("protocol", [-2, *range(pickle.HIGHEST_PROTOCOL + 1)])
@pytest.mark.parametrize("name", ["mnist.pkl", "mnist.pkl.gz"])
def test_three_pairs_of_256ths(tmp_path: Path, name: str, protocol: int) -> None:
    floats = BYTES.astype(np.float32) / 256
    found = read_pickle(write(tmp_path / name, theano(floats), protocol))
    assert found.train_x.dtype == np.uint8
    assert np.array_equal(found.train_x, BYTES[:7]) and np.array_equal(found.test_x, BYTES[7:])
    assert np.array_equal(found.train_y, LABELS[:7]) and np.array_equal(found.test_y, LABELS[7:])
    assert (found.shape, found.official_validation) == ((28, 28), 2)
    assert len(found.notices) == 1 and "scale: 256" in found.notices[0]
    # What the scale 256 does: the file's own values, bit for bit.
    assert np.array_equal(found.train_x * np.float32(1 / 256), floats[:7])


@pytest.mark.parametrize("change", [1 / 512, 1.0, -1 / 256, 1e-9])
def test_one_other_value_keeps_all_floats(tmp_path: Path, change: float) -> None:
    floats = BYTES / 256
    floats[8, 783] = change
    found = read_pickle(write(tmp_path / "mnist.pkl", theano(floats)))
    assert np.array_equal(np.concatenate([found.train_x, found.test_x]), floats)
    assert found.train_x.dtype == np.float64 and found.notices == ()


def test_floats_that_are_not_finite(tmp_path: Path) -> None:
    floats = BYTES / 256
    floats[1, 3] = np.nan
    refuses(read_pickle, write(tmp_path / "mnist.pkl", theano(floats)), "row 1 ", "not finite")


@pytest.mark.parametrize("protocol", [-2, 2, 4, 5])
def test_dict_of_arrays(tmp_path: Path, protocol: int) -> None:
    value = {
        b"training_images": BYTES[:6],
        b"training_labels": LABELS[:6].astype(np.uint8),
        b"test_images": BYTES[6:],
        b"test_labels": LABELS[6:].astype(np.uint8),
    }
    found = read_pickle(write(tmp_path / "mnist.pkl", value, protocol))
    assert np.array_equal(found.train_x, BYTES[:6]) and np.array_equal(found.test_x, BYTES[6:])
    assert np.array_equal(found.train_y, LABELS[:6]) and np.array_equal(found.test_y, LABELS[6:])
    assert (found.train_y.dtype, found.shape, found.official_validation) == (np.int64, (28, 28), None)


def test_labels_as_a_list_and_other_keys(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pkl", {"data": BYTES, "labels": LABELS.tolist(), "names": ["a"], "about": "text", "empty": []})
    found = read_pickle(path)
    assert np.array_equal(found.train_y, LABELS) and found.test_x is None
    twice = write(tmp_path / "b.pkl", {"p": BYTES, "q": LABELS, "x": BYTES, "images": BYTES})
    refuses(read_pickle, twice, "x and images", "it has p, q, x, images")


def test_two_pairs_of_images(tmp_path: Path) -> None:
    x = BYTES.reshape(9, 28, 28)
    found = read_pickle(write(tmp_path / "mnist.pkl", [[x[:6], LABELS[:6]], [x[6:], LABELS[6:]]], 4))
    assert np.array_equal(found.train_x, BYTES[:6]) and found.shape == (28, 28) and found.official_validation is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "text",
        [],
        {},
        BYTES,
        (BYTES, LABELS),
        theano(BYTES)[:1],
        theano(BYTES, LABELS[:8]),
        {"x": BYTES},
        {"x": 1, "y": 2},
    ],
    ids=range(11),
)
def test_other_layouts(tmp_path: Path, value: Any) -> None:
    refuses(read_pickle, write(tmp_path / "mnist.pkl", value))


@given(
    x=npst.arrays(st.sampled_from(["u1", "i2", "f4", ">f8", "?"]), st.tuples(st.just(6), st.integers(1, 9)), elements={}),
    protocol=st.integers(0, pickle.HIGHEST_PROTOCOL),
)
def test_any_rows(tmp_path_factory: pytest.TempPathFactory, x: Any, protocol: int) -> None:
    x = np.nan_to_num(x, posinf=1, neginf=0) if x.dtype.kind == "f" else x
    path = tmp_path_factory.getbasetemp() / "rows.pkl"
    found = read_pickle(write(path, {"x_train": x[:4], "y_train": [0, 1, 2, 0], "x_test": x[4:], "y_test": [1, 2]}, protocol))
    scale = 256 if found.notices else 1
    assert np.array_equal(np.concatenate([found.train_x / scale, found.test_x / scale]), x.astype(float))


@pytest.mark.parametrize("name", ["mnist.pkl", "mnist.pkl.gz"])
def test_mutants(tmp_path: Path, name: str) -> None:
    check_mutants(read_pickle, write(tmp_path / name, theano(BYTES[:, :4] / np.float32(256))), 0.45)


def test_web_page_and_pointer(tmp_path: Path) -> None:
    path = tmp_path / "mnist.pkl.gz"
    path.write_text("<!DOCTYPE html><html>")
    refuses(read_pickle, path, "not a gzip file; starts with <!DOCTYPE")
    path.write_text("version https://git-lfs.github.com/spec/v1\n")
    refuses(read_pickle, path, "Git LFS pointer")
    refuses(read_pickle, tmp_path / "none.pkl", "no such file")
