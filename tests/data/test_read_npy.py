import gzip
import hashlib
import io
import lzma
import os
import struct
import warnings
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import BIG, check_mutants, refuses
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from mlp_cli.data.read_npy import read_npy, read_npy_set, read_npz

REAL = Path(os.environ.get("MLP_DATA_DIR") or Path(__file__).parents[2].parent / "shared/data")
DTYPES = npst.integer_dtypes(endianness="?") | npst.unsigned_integer_dtypes(endianness="?") | npst.boolean_dtypes()
DTYPES |= npst.floating_dtypes(endianness="?", sizes=(16, 32, 64))
ARRAYS = npst.arrays(DTYPES, npst.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=5))
PACKERS: dict[str, Any] = {"": bytes, ".gz": gzip.compress, ".xz": partial(lzma.compress, preset=0)}
X = np.arange(24, dtype=np.uint8).reshape(6, 2, 2)
Y = np.arange(6)


def npy(array: Any, version: Any = None) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.lib.format.write_array(buffer, np.asanyarray(array), version=version)
    return buffer.getvalue()


def headed(header: str, content: bytes = bytes(24), version: int = 1) -> bytes:
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header.encode("latin1") + content


@given(
    array=ARRAYS,
    fortran=st.booleans(),
    version=st.sampled_from([None, (1, 0), (2, 0), (3, 0)]),
    suffix=st.sampled_from(list(PACKERS)),
)
def test_reads_what_numpy_writes(
    tmp_path_factory: pytest.TempPathFactory, array: Any, fortran: bool, version: Any, suffix: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"array.npy{suffix}"
    array = np.asfortranarray(array) if fortran and array.ndim else array
    path.write_bytes(PACKERS[suffix](npy(array, version)))
    found = read_npy(path)
    native = array.dtype.newbyteorder("=")
    assert (found.dtype, found.shape, found.flags.c_contiguous) == (native, array.shape, True)
    assert found.tobytes() == array.astype(native).tobytes()


@given(
    x=npst.arrays("f4", (5, 3), elements=st.floats(-9, 9, width=32)),
    y=npst.arrays("i8", 5, elements=st.integers(0, 9)),
    packed=st.booleans(),
)
def test_sets_in_npz(tmp_path_factory: pytest.TempPathFactory, x: Any, y: Any, packed: bool) -> None:
    path = tmp_path_factory.getbasetemp() / "set.npz"
    save = np.savez_compressed if packed else np.savez
    save(path, x_train=x[:3], y_train=y[:3], x_test=np.asfortranarray(x[3:]), y_test=y[3:], names=np.array(["a"]))
    found = read_npy_set(path)
    assert found.test_x is not None and found.test_y is not None
    assert np.array_equal(np.concatenate([found.train_x, found.test_x]), x)
    assert np.array_equal(np.concatenate([found.train_y, found.test_y]), y)


def test_keys_of_the_course_file(tmp_path: Path) -> None:
    path = tmp_path / "notMNIST.npz"
    np.savez(path, images=X, labels=Y.astype(np.uint8))
    found = read_npy_set(path)
    assert np.array_equal(found.train_x, X.reshape(6, 4)) and found.train_y.tolist() == Y.tolist()
    assert (found.shape, found.test_x, found.train_x.dtype, found.train_y.dtype) == ((2, 2), None, np.uint8, np.int64)


def test_objects_beside_the_arrays_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    np.savez(path, x=X, y=Y, about=np.array({"a": 1}, dtype=object))
    assert set(read_npz(path)) == {"train_x", "train_y"}
    refuses(lambda path: read_npz(path, {"train_x": "about", "train_y": "y"}), path, "about.npy", "Python objects")


def test_no_key_fits(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    np.savez(path, left=X, right=Y)
    refuses(read_npz, path, "it has left, right")
    assert np.array_equal(read_npz(path, {"train_x": "left", "train_y": "right"})["train_x"], X)
    (path.parent / "empty.npz").write_bytes(b"PK\5\6" + bytes(18))
    refuses(read_npz, path.parent / "empty.npz", "it has none")


def test_a_folder_of_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "x_train.npy", X)
    (tmp_path / "y_train.npy.gz").write_bytes(gzip.compress(npy(Y)))
    np.save(tmp_path / ".x.npy", X)
    found = read_npy_set(tmp_path)
    assert np.array_equal(found.train_x, X.reshape(6, 4)) and np.array_equal(found.train_y, Y)
    (tmp_path / "y_train.npy.gz").unlink()
    refuses(read_npy_set, tmp_path, "labels of the train part", "it has x_train")
    refuses(read_npy_set, tmp_path / "none", "no such file")


def test_header_of_python_2(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(headed("{'descr': '<u2', 'fortran_order': False, 'shape': (3L, 4L), }\n"))
    assert read_npy(path).shape == (3, 4)


LIES = {
    "huge": headed("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000), }"),
    "large": headed("{'descr': '<f8', 'fortran_order': False, 'shape': (10000, 10000), }"),
    "overflow": headed("{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775807, 9223372036854775807), }"),
    "many dimensions": headed(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({'1, ' * 99}), }}"),
    "negative": headed("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 3), }"),
    "truth value": headed("{'descr': '<f8', 'fortran_order': False, 'shape': (True, 3), }"),
    "no tuple": headed("{'descr': '<f8', 'fortran_order': False, 'shape': 3, }"),
    "one too few": headed("{'descr': '<f8', 'fortran_order': False, 'shape': (4,), }"),
    "one too many": headed("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }"),
    "objects": headed("{'descr': '|O', 'fortran_order': False, 'shape': (3,), }"),
    "objects of 8": headed("{'descr': '|O8', 'fortran_order': False, 'shape': (3,), }"),
    "structure": headed("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (3,), }"),
    "structure with objects": headed("{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (3,), }"),
    "text": headed("{'descr': '<U6', 'fortran_order': False, 'shape': (1,), }"),
    "wide text": headed("{'descr': '|V999999999', 'fortran_order': False, 'shape': (1,), }"),
    "complex": headed("{'descr': '<c8', 'fortran_order': False, 'shape': (3,), }"),
    "no type": headed("{'descr': 'nonsense', 'fortran_order': False, 'shape': (3,), }"),
    "code": headed("{'descr': __import__('os').system('true'), 'fortran_order': False, 'shape': (3,), }"),
    "another key": headed("{'descr': '<f8', 'fortran_order': False, 'shape': (3,), 'x': 1}"),
    "no dict": headed("[1, 2]"),
    "nothing": headed(""),
    "deep": headed("(" * 5000 + ")" * 5000),
    "deeper": headed("-" * 9000 + "1"),
    "zeros": headed("\0" * 100),
    "padded header": headed("{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }" + " " * 20_000),
    "long header": b"\x93NUMPY\x02\0" + struct.pack("<I", 0xFFFFFFFF) + bytes(100),
    "header ends": b"\x93NUMPY\x01\0" + struct.pack("<H", 500) + b"{",
    "version": b"\x93NUMPY\x09\0" + bytes(100),
    "another file": b"hello, world",
    "nothing at all": b"",
}


@pytest.mark.parametrize("suffix", [".npy", ".npy.gz", ".npz"])
@pytest.mark.parametrize("lie", LIES)
def test_lies(tmp_path: Path, lie: str, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    if suffix == ".npz":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", LIES[lie])
            archive.writestr("y.npy", npy(Y))
        refuses(read_npz, path, "x.npy")
    else:
        path.write_bytes(LIES[lie] if suffix == ".npy" else gzip.compress(LIES[lie]))
        refuses(read_npy, path)


@BIG
def test_bomb_in_npz(tmp_path: Path, size: int) -> None:
    """Zeros that are there, in a thousandth of their bytes."""
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as out:
        out.write(headed(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({size},), }}", b""))
        for _ in range(size >> 20):
            out.write(bytes(1 << 20))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("y.npy", npy(Y))
    refuses(read_npz, path, "x.npy", "bomb")


@BIG
def test_bomb_in_gzip(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.npy.gz"
    header = headed(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({size},), }}", b"")
    path.write_bytes(gzip.compress(header + bytes(size), 1))
    refuses(read_npy, path, "bomb")


@pytest.mark.parametrize("suffix", PACKERS)
def test_mutants_of_npy(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.npy{suffix}"
    path.write_bytes(PACKERS[suffix](npy(np.asfortranarray(X.astype(">f4")))))
    check_mutants(read_npy, path, 0.7)


@pytest.mark.parametrize("packed", [False, True])
def test_mutants_of_npz(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "a.npz"
    (np.savez_compressed if packed else np.savez)(path, x=X, y=Y)
    check_mutants(read_npy_set, path, 0.6)


def test_the_real_sample() -> None:
    path = REAL / "notmnist/notMNIST-10k.npz"
    if not path.is_file():
        pytest.skip(f"no {path}: set MLP_DATA_DIR to a folder that has it")
    found = read_npy_set(path)
    images = hashlib.sha256(found.train_x.tobytes()).hexdigest()
    labels = hashlib.sha256(found.train_y.astype(np.uint8).tobytes()).hexdigest()
    assert images == "6bda48464effe4169d9cd068967cd81a717ae2f925ddb55fd71025e23022ee9a"
    assert labels == "cbf49d96931f5bf9ec86d14ed2f729c2870d4f9b406729e43c68d3748a345369"
    assert found.train_y[:10].tolist() == [3, 5, 9, 2, 7, 2, 9, 8, 5, 3] and found.shape == (28, 28)
    assert (found.train_x.mean(), found.train_x.std()) == (pytest.approx(108.789109), pytest.approx(117.026172))
