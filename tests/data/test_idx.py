"""IDX files: what is written comes back; what is damaged is a DataError and nothing else."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import tiny as support
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mlp_cli.data.arrays import assemble, idx_header, read_idx, read_idx_folder
from mlp_cli.data.dataset import RawSet
from mlp_cli.errors import DataError

idx_bytes, pack = support.idx_bytes, support.pack

DTYPES = st.sampled_from([np.uint8, np.int8, np.int16, np.int32, np.float32, np.float64])
ARRAYS = DTYPES.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=1, max_dims=4, max_side=5)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("idx")


@given(array=ARRAYS, suffix=st.sampled_from(["", ".gz", ".xz"]))
def test_what_is_written_comes_back(folder: Path, array: np.ndarray, suffix: str) -> None:
    path = folder / f"array{suffix}"
    path.write_bytes(pack(idx_bytes(array), suffix))
    back = read_idx(path)
    assert back.dtype == array.dtype and back.shape == array.shape and back.tobytes() == array.tobytes()


def test_the_header_is_that_of_mnist() -> None:
    # The first 16 bytes of the real training images: magic number 2051, 60,000 pictures of 28 x 28.
    header = idx_header(np.broadcast_to(np.uint8(0), (60_000, 28, 28)))
    assert header.hex() == "00000803" + "0000ea60" + "0000001c" + "0000001c"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\0\0\x08", "not an IDX file of 1 to 4 dimensions; starts with bytes 00 00 08"),
        (b"PK\x03\x04 a zip archive", "not an IDX file of 1 to 4 dimensions; starts with bytes 50 4b 03 04"),
        (b"\0\0\x07\x01\0\0\0\x01\0", "not an IDX file"),
        (b"\0\0\x08\x00", "not an IDX file"),
        (b"\0\0\x08\xff" + b"\0\0\0\x01" * 255 + b"\0", "not an IDX file of 1 to 4 dimensions"),
        (b"\0\0\x08\x03\0\0\0\x01", "declares 1 x 0 x 0 values = 0 bytes, 0 follow"),
        (b"\0\0\x08\x02\0\0\0\x00\0\0\0\x05", "its header declares 0 x 5 values"),
        (b"\0\0\x08\x03" + b"\xff" * 12 + b"data", "declares 4294967295 x 4294967295 x 4294967295 values = .* bytes, 4 follow"),
        (b"\0\0\x08\x02\0\0\0\x02\0\0\0\x03" + b"12345", "its header declares 2 x 3 values = 6 bytes, 5 follow"),
        (b"\0\0\x0d\x01\0\0\0\x02" + b"1234567", "its header declares 2 values = 8 bytes, 7 follow"),
        (b"\0\0\x08\x02\0\0\0\x02\0\0\0\x03" + b"1234567", "= 6 bytes, 7 follow"),
        (b"\0\0\x08\x02\x7f\xff\xff\xff\0\0\0\x03" + b"123456", "= 6,442,450,941 bytes, 6 follow"),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_bad_headers(tmp_path: Path, content: bytes, message: str, suffix: str) -> None:
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(pack(content, suffix))
    with pytest.raises(DataError, match=message) as caught:
        read_idx(path)
    assert caught.value.message.startswith(f"{path}: ")


def pair(folder: Path, x: np.ndarray, y: np.ndarray) -> RawSet:
    (folder / "train-images-idx3-ubyte").write_bytes(idx_bytes(x))
    (folder / "train-labels-idx1-ubyte").write_bytes(idx_bytes(y))
    return assemble(read_idx_folder(folder), str(folder))


def test_a_pair_becomes_rows_and_class_numbers(tmp_path: Path) -> None:
    x = np.arange(24, dtype=np.uint8).reshape(4, 3, 2)
    found = pair(tmp_path, x, np.array([3, 0, 1, 3], np.uint8))
    assert found.train_x.dtype == np.uint8 and found.train_x.tolist() == x.reshape(4, 6).tolist() and found.shape == (3, 2)
    assert found.train_y.dtype == np.int64 and found.train_y.tolist() == [3, 0, 1, 3]


@pytest.mark.parametrize(
    ("stored", "dtype"), [(np.int8, np.float32), (np.int16, np.float32), (np.int32, np.float64), (np.float64, np.float64)]
)
def test_other_types_become_floats_that_hold_them(tmp_path: Path, stored: type, dtype: type) -> None:
    info = np.finfo(stored) if np.dtype(stored).kind == "f" else np.iinfo(stored)
    x = np.array([[info.min, info.max, 0, -1]], dtype=stored)
    found = pair(tmp_path, x, np.zeros(1, np.uint8))
    assert found.train_x.dtype == dtype and found.shape == (4,)
    assert found.train_x.tolist() == x.tolist()


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((4, 2, 2), np.uint8), np.zeros(3, np.uint8), "has 4 rows of inputs, but 3 labels"),
        (np.zeros((4, 2), np.uint8), np.full((4, 3), 2, np.uint8), "hold 2 in row 0, column 0"),
        (np.array([[1.0, np.nan]], np.float32), np.zeros(1, np.uint8), "values that are not finite"),
    ],
)
def test_parts_that_do_not_fit(tmp_path: Path, x: np.ndarray, y: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        pair(tmp_path, x, y)


def test_names_of_either_spelling_are_found(tmp_path: Path) -> None:
    x, y = np.arange(24, dtype=np.uint8).reshape(6, 2, 2), np.arange(6, dtype=np.uint8)
    files = {
        "train-images.idx3-ubyte.gz": x[:4],
        "train-labels-idx1-ubyte": y[:4],
        "test-images-idx2-ubyte.xz": x[4:],
        "t10k-labels.idx1-ubyte": y[4:],
    }
    for name, array in files.items():
        (tmp_path / name).write_bytes(pack(idx_bytes(array), Path(name).suffix if name[-3:] in (".gz", ".xz") else ""))
    for name in ("train-labels-idx1-ubyte.gz", "notes.txt", "t10k-labels-idx1-ubyte.bak"):
        (tmp_path / name).write_bytes(b"broken")  # the plain file goes first
    found = read_idx_folder(tmp_path).arrays
    assert found["train_x"].tolist() == x[:4].tolist() and found["train_y"].tolist() == y[:4].tolist()
    assert found["test_x"].tolist() == x[4:].tolist() and found["test_y"].tolist() == y[4:].tolist()


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["train-images-idx3-ubyte"], "a file is missing; it has train-images"),
        (["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte"], "it has t10k-images, train-images"),
        (["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"], "the inputs of the train part"),
        (["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"], "the labels of the train part"),
        ([*(f"{part}-{kind}-idx1-ubyte" for part in ("test", "t10k") for kind in ("images", "labels"))], "could both be test_x"),
    ],
)
def test_incomplete_folders(tmp_path: Path, names: list[str], words: str) -> None:
    for name in names:
        (tmp_path / name).write_bytes(idx_bytes(np.zeros(3, np.uint8)))
    with pytest.raises(DataError) as caught:
        read_idx_folder(tmp_path)
    assert caught.value.message.startswith(f"{tmp_path}: ") and words in caught.value.message


def mutated(content: bytes, generator: np.random.Generator) -> bytes:
    """A file with some kind of damage; a header is hit more often than chance would."""
    data = bytearray(content)
    kind = generator.integers(6)
    spot = int(generator.integers(min(len(data), 24) if generator.random() < 0.5 else len(data)))
    if kind == 0:
        data[spot] ^= 1 << int(generator.integers(8))
    elif kind == 1:
        del data[spot:]
    elif kind == 2:
        data[spot:spot] = generator.bytes(int(generator.integers(1, 9)))
    elif kind == 3:
        data[spot : spot + 8] = b"\xff" * 8
    elif kind == 4:
        del data[spot : spot + int(generator.integers(1, 9))]
    else:
        data += generator.bytes(int(generator.integers(1, 50)))
    return bytes(data)


def test_mutated_files_give_data_errors_only(tmp_path: Path) -> None:
    generator = np.random.default_rng(11)
    arrays = support.make_tiny("tiny", 1).arrays
    refused = 0
    count = 3 * settings().max_examples
    for number in range(count):
        suffix = ("", ".gz", ".xz")[number % 3]
        folder = tmp_path / str(number)
        folder.mkdir()
        victim = list(arrays)[int(generator.integers(4))]
        for role, array in arrays.items():
            part, kind = role.split("_")
            prefix = "train" if part == "train" else "t10k"
            name = f"{prefix}-images-idx3-ubyte" if kind == "x" else f"{prefix}-labels-idx1-ubyte"
            content = pack(idx_bytes(array), suffix)
            (folder / f"{name}{suffix}").write_bytes(mutated(content, generator) if role == victim else content)
        try:
            whole = assemble(read_idx_folder(folder), str(folder))
        except DataError as error:
            refused += 1
            assert "\n" not in error.message and str(folder) in error.message
        else:
            # A changed pixel or label is data like any other.
            assert whole.train_x.shape[0] == len(whole.train_y)
    assert refused >= count / 2


def test_a_truncated_download_is_named(tmp_path: Path) -> None:
    path = tmp_path / "train-images-idx3-ubyte.gz"
    noise = np.random.default_rng(0).integers(0, 256, (50, 8, 8), dtype=np.uint8)
    path.write_bytes(gzip.compress(idx_bytes(noise))[:1500])
    with pytest.raises(DataError, match="truncated: its packed data ends too early"):
        read_idx(path)
