"""Sets of arrays: what NumPy and SciPy write comes back, keys and shapes are understood, files that lie are refused."""

import contextlib
import gzip
import hashlib
import io
import lzma
import os
import struct
import warnings
import zipfile
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import check_mutants, limits, refuses
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from mlp_cli.data.arrays import assemble, choose, part_of, read_mat, read_npy, read_npy_folder, read_npz, with_classes
from mlp_cli.data.dataset import RawSet
from mlp_cli.data.formats import Found
from mlp_cli.errors import DataError

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
    found = read_npz(path).arrays
    assert np.array_equal(np.concatenate([found["train_x"], found["test_x"]]), x)
    assert np.array_equal(np.concatenate([found["train_y"], found["test_y"]]), y)


def test_keys_of_the_course_file(tmp_path: Path) -> None:
    path = tmp_path / "notMNIST.npz"
    np.savez(path, images=X, labels=Y.astype(np.uint8))
    found = assemble(read_npz(path), "f")
    assert np.array_equal(found.train_x, X.reshape(6, 4)) and found.train_y.tolist() == Y.tolist()
    assert (found.shape, found.test_x, found.train_x.dtype, found.train_y.dtype) == ((2, 2), None, np.uint8, np.int64)


def test_objects_beside_the_arrays_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    np.savez(path, x=X, y=Y, about=np.array({"a": 1}, dtype=object))
    assert set(read_npz(path).arrays) == {"train_x", "train_y"}
    np.savez(path, x=np.array([{"a": 1}], dtype=object), y=Y[:1])
    refuses(read_npz, path, "x.npy", "Python objects")


def test_no_key_fits(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    np.savez(path, left=X, right=Y)
    refuses(read_npz, path, "it has left, right")
    (path.parent / "empty.npz").write_bytes(b"PK\5\6" + bytes(18))
    refuses(read_npz, path.parent / "empty.npz", "it has none")


def test_a_folder_of_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "x_train.npy", X)
    (tmp_path / "y_train.npy.gz").write_bytes(gzip.compress(npy(Y)))
    np.save(tmp_path / ".x.npy", X)
    found = read_npy_folder(tmp_path).arrays
    assert np.array_equal(found["train_x"], X) and np.array_equal(found["train_y"], Y)
    (tmp_path / "y_train.npy.gz").unlink()
    refuses(read_npy_folder, tmp_path, "labels of the train part", "it has x_train")


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
    "structure with objects": headed("{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (3,), }"),
    "wide text": headed("{'descr': '|V999999999', 'fortran_order': False, 'shape': (1,), }"),
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


@pytest.mark.parametrize("array", [np.array(["a"] * 6), np.ones(6, complex), np.zeros(6, "i4,f4"), np.zeros(6, "M8[D]")])
def test_arrays_that_are_no_numbers(tmp_path: Path, array: Any) -> None:
    np.savez(tmp_path / "x.npz", x=array, y=Y)
    np.savez(tmp_path / "y.npz", x=X, y=array)
    refuses(lambda path: assemble(read_npz(path), str(path)), tmp_path / "x.npz", "the train part's inputs")
    refuses(lambda path: assemble(read_npz(path), str(path)), tmp_path / "y.npz", "the train part's labels")


@pytest.mark.parametrize("suffix", PACKERS)
def test_mutants_of_npy(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.npy{suffix}"
    path.write_bytes(PACKERS[suffix](npy(np.asfortranarray(X.astype(">f4")))))
    check_mutants(read_npy, path, 0.7)


@pytest.mark.parametrize("packed", [False, True])
def test_mutants_of_npz(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "a.npz"
    (np.savez_compressed if packed else np.savez)(path, x=X, y=Y)
    check_mutants(lambda path: assemble(read_npz(path), str(path)), path, 0.6)


def test_the_real_sample() -> None:
    path = REAL / "notmnist/notMNIST-10k.npz"
    if not path.is_file():
        pytest.skip(f"no {path}: set MLP_DATA_DIR to a folder that has it")
    found = assemble(read_npz(path), str(path))
    images = hashlib.sha256(found.train_x.tobytes()).hexdigest()
    labels = hashlib.sha256(found.train_y.astype(np.uint8).tobytes()).hexdigest()
    assert images == "6bda48464effe4169d9cd068967cd81a717ae2f925ddb55fd71025e23022ee9a"
    assert labels == "cbf49d96931f5bf9ec86d14ed2f729c2870d4f9b406729e43c68d3748a345369"
    assert found.train_y[:10].tolist() == [3, 5, 9, 2, 7, 2, 9, 8, 5, 3] and found.shape == (28, 28)
    assert (found.train_x.mean(), found.train_x.std()) == (pytest.approx(108.789109), pytest.approx(117.026172))


X3, Y3 = X[:3], Y[:3]


@pytest.mark.parametrize(
    ("keys", "roles"),
    [
        ("images labels", {"train_x": "images", "train_y": "labels"}),
        ("x_train y_train", {"train_x": "x_train", "train_y": "y_train"}),
        ("y_test x_test x y", {"train_x": "x", "train_y": "y", "test_x": "x_test", "test_y": "y_test"}),
        ("X y", {"train_x": "X", "train_y": "y"}),
        ("trainImages trainLabels", {"train_x": "trainImages", "train_y": "trainLabels"}),
        (
            "training_images training-labels val_images valLabels",
            {
                "train_x": "training_images",
                "train_y": "training-labels",
                "validation_x": "val_images",
                "validation_y": "valLabels",
            },
        ),
        ("data target names filenames x_2 train test train_x_test", {"train_x": "data", "train_y": "target"}),
    ],
)
def test_roles(keys: str, roles: dict[str, str]) -> None:
    found, notices = choose(keys.split(), "f")
    assert found == roles and len(notices) == ("names" in keys)


def test_arrays_that_are_passed_over_are_told() -> None:
    """A part under another name would else be missing in silence."""
    _, notices = choose(["x", "y", "x_holdout", "y_holdout", "about", "ids"], "f")
    assert notices == ("arrays whose names tell no role are passed over: about, ids, x_holdout and 1 more",)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ([], "inputs of the train part; it has none"),
        (["x"], "labels of the train part; it has x"),
        (["a b", "y"], "inputs of the train part; it has 'a b', y"),
        (["x", "y", "y_test"], "inputs of the test part"),
        (["x", "y", "x_val"], "labels of the validation part"),
        (["x", "X_train", "y"], "x and X_train could both be train_x"),
    ],
)
def test_keys_that_do_not_tell(keys: list[str], words: str) -> None:
    with pytest.raises(DataError, match=r"^f: ") as caught:
        choose(keys, "f")
    assert words in caught.value.message and caught.value.hint


def test_inputs_to_test_without_labels_are_told() -> None:
    roles, (notice,) = choose(["x_train", "y_train", "x_test"], "f")
    assert roles == {"train_x": "x_train", "train_y": "y_train"}
    assert notice == "x_test has no labels (no y_test is there) and is passed over"


@pytest.mark.parametrize(
    ("word", "part"),
    [
        *(("train", "train"), ("Training", "train"), ("t10k", "test"), ("val", "validation"), ("training_set", "train")),
        *(
            ("seg_test", "test"),
            ("testSet", "test"),
            ("val2017", "validation"),
            ("dev", "validation"),
            ("cats-train", "train"),
            ("train_test", None),
            ("cat", None),
            ("trains", None),
        ),
    ],
)
def test_words_that_mean_a_part(word: str, part: str | None) -> None:
    assert part_of(word) == part


def test_validation_goes_to_the_end_of_training() -> None:
    parts = {"train_x": X3, "train_y": Y3, "validation_x": X3[:1], "validation_y": Y3[:1], "test_x": X3[1:], "test_y": Y3[1:]}
    found = assemble(Found(parts), "f")
    assert found.train_x.tolist() == [*X3.reshape(3, 4).tolist(), [0, 1, 2, 3]] and found.train_y.tolist() == [0, 1, 2, 0]
    assert (found.official_validation, found.shape) == (1, (2, 2))
    assert found.test_x is not None and found.test_x.tolist() == X3.reshape(3, 4)[1:].tolist()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"train_y": Y3[:2]}, "train part has 3 rows of inputs, but 2 labels"),
        ({"test_x": X3[:, :1], "test_y": Y3}, "uint8 (1, 2) in the test part, uint8 (2, 2) in the train part"),
        ({"test_x": X3.astype(float), "test_y": Y3}, "float64 (2, 2) in the test part"),
    ],
)
def test_parts_that_do_not_fit(change: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(DataError) as caught:
        assemble(Found({"train_x": X3, "train_y": Y3, **change}), "f")
    assert words in caught.value.message


def test_floats_of_two_widths_become_the_wider() -> None:
    found = assemble(Found({"train_x": X3.astype("f4"), "train_y": Y3, "test_x": X3.astype("f8"), "test_y": Y3 / 3}), "f")
    assert found.train_x.dtype == np.float64 and found.train_y.dtype == np.float64


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("u1", "u1"), ("?", "f4"), ("i1", "f4"), ("u2", "f4"), ("i4", "f8"), ("u8", "f8"), ("f2", "f4"), ("f4", "f4"), ("f8", "f8")],
)
def test_types_of_rows(dtype: str, expected: str) -> None:
    found = rows(np.asfortranarray(X3.astype(dtype)))
    assert found.train_x.dtype == np.dtype(expected) and found.train_x.flags.c_contiguous and found.shape == (2, 2)
    assert np.array_equal(found.train_x, X3.astype(dtype).reshape(3, 4))


def rows(x: Any, y: Any = None) -> RawSet:
    return assemble(Found({"train_x": x, "train_y": np.zeros(len(x) if x.ndim else 1, int) if y is None else y}), "f")


def test_rows_of_one_dimension() -> None:
    found = rows(np.array([1.0, 2.0]))
    assert (found.train_x.shape, found.shape) == ((2, 1), (1,))


@pytest.mark.parametrize("shape", [(3, 2, 4, 3), (3, 1, 5, 5), (3, 5, 5, 1), (3, 32, 32, 4)])
def test_the_shape_of_a_row_is_the_files_own(shape: tuple[int, ...]) -> None:
    """Channels first or last: what looks for them finds the axes as they are."""
    assert rows(np.zeros(shape, np.uint8)).shape == shape[1:]


@pytest.mark.parametrize("array", [np.float64(3), np.zeros((0, 2)), np.zeros((2, 0)), np.zeros((1, 1, 1, 1, 1)), np.array(["a"])])
def test_what_is_no_rows(array: Any) -> None:
    with pytest.raises(DataError, match=r"^f: the train part's inputs: are"):
        rows(np.asarray(array))


def test_rows_far_down_that_are_not_finite() -> None:
    x = np.zeros((10_000, 2), dtype=np.float32)
    x[9_000, 1] = np.inf
    with pytest.raises(DataError, match="row 9,000 "):
        rows(x)


def targets(y: Any) -> Any:
    return rows(np.zeros((len(y) if np.ndim(y) else 1, 1)), np.asarray(y)).train_y


def test_targets() -> None:
    assert targets(np.array([[2], [0]], dtype=np.uint8)).tolist() == [2, 0]
    assert targets(np.eye(3)[[2, 0, 1]]).tolist() == [2, 0, 1]
    assert targets(np.eye(3, dtype=bool)[[2, 0, 1]]).tolist() == [2, 0, 1]
    assert targets(np.array([0.5, 1], dtype=np.float32)).dtype == np.float64
    assert targets(np.array([1e21, 1.5])).tolist() == [1e21, 1.5]
    assert targets(np.array([True, False])).tolist() == [1, 0]
    for bad in (
        np.array([[0.5, 0.5], [1, 0]]),
        np.array([["a", "b"], ["a", "b"]]),
        np.array([np.nan]),
        np.array([]),
        np.array([2**63], dtype=np.uint64),
        np.array(["a"]),
        np.int64(1),
    ):
        with pytest.raises(DataError, match=r"^f: the train part's"):
            targets(bad)


def test_columns_of_labels() -> None:
    """Where a row has not exactly one, or where labels are asked for."""
    several = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0]])
    for y in (several, several.astype(bool), several.astype(np.float32)):
        found = assemble(Found({"train_x": np.zeros((3, 1)), "train_y": y}), "f")
        assert (found.task, found.classes) == ("multi_label", ("label_0", "label_1", "label_2"))
        assert found.train_y.dtype == np.uint8 and found.train_y.tolist() == several.tolist()
    single = Found({"train_x": np.zeros((3, 1)), "train_y": np.eye(3)}, labels=("a", "b", "c"))
    asked, not_asked = assemble(single, "f", "multi_label"), assemble(single, "f")
    assert (asked.task, asked.classes, asked.train_y.tolist()) == ("multi_label", ("a", "b", "c"), np.eye(3).tolist())
    assert (not_asked.task, not_asked.train_y.tolist()) == ("classification", [0, 1, 2])
    assert not_asked.notices == ("the array classes is passed over",)
    both = {"train_x": np.zeros((3, 1)), "train_y": np.eye(3), "test_x": np.zeros((3, 1)), "test_y": several}
    assert assemble(Found(both), "f").task == "multi_label", "one part decides for all"


@pytest.mark.parametrize(
    ("test_y", "labels", "words"),
    [
        (np.array([[1, 1], [0, 1]]), (), "2 columns of labels in the test part, 3 columns of labels in the train part"),
        (np.array([1, 0]), (), "are not one-hot"),
        (np.array([[1, 0, 2], [0, 1, 0]]), (), "the test part's labels: hold 2 in row 0, column 2"),
        (np.array([[1, 1, np.nan], [0, 1, 0]]), (), "not finite"),
        (None, ("a", "b"), "classes has a, b, and the labels have 3 columns"),
        (None, ("a", "b", "a"), "each with a name of its own"),
    ],
)
def test_labels_that_do_not_fit(test_y: Any, labels: tuple[str, ...], words: str) -> None:
    arrays = {"train_x": np.zeros((2, 1)), "train_y": np.array([[1, 1, 0], [0, 1, 0]])}
    more = {} if test_y is None else {"test_x": np.zeros((2, 1)), "test_y": test_y}
    with pytest.raises(DataError, match=words):
        assemble(Found(arrays | more, labels=labels), "f")


def test_several_quantities_are_said_to_be_too_many() -> None:
    with pytest.raises(DataError, match=r"hold 0.5 in row 0") as caught:
        assemble(Found({"train_x": np.zeros((2, 1)), "train_y": np.array([[0.5, 1.5], [2.0, 3.0]])}), "f", "regression")
    assert caught.value.hint == "several quantities at once are not supported: save one column as y, of shape (2,), for each run"


def classes(train: Any, test: Any = None, task: Any = None, validation: Any = None) -> RawSet:
    """A set with these labels, one input each."""
    y = np.concatenate((train, [] if validation is None else validation)).astype(np.result_type(train))
    test_y = None if test is None else np.asarray(test)
    raw = RawSet(
        train_x=np.zeros((len(y), 1)),
        train_y=y,
        test_x=None if test is None else np.zeros((len(test), 1)),
        test_y=test_y,
        shape=(1,),
        official_validation=None if validation is None else len(validation),
    )
    return with_classes(raw, task, "f")


@pytest.mark.parametrize("dtype", [int, float, np.float32])
@pytest.mark.parametrize("count", [2, 150, 1000])
def test_whole_numbers_are_classes_whatever_their_type(dtype: Any, count: int) -> None:
    found = classes(np.repeat(np.arange(count), 3).astype(dtype) - 5)
    assert found.task == "classification" and found.classes == tuple(str(number - 5) for number in range(count))
    assert found.train_y.dtype == np.int64 and found.train_y.tolist() == np.repeat(np.arange(count), 3).tolist()
    assert found.notices == ()
    quantity = classes(np.repeat(np.arange(count), 3).astype(dtype), task="regression")
    assert (quantity.task, quantity.classes, quantity.train_y.dtype) == ("regression", (), np.float64)


def test_other_numbers_are_quantities() -> None:
    found = classes(np.array([0.5, 1, 2]), np.array([1.0, 2]))
    assert found.task == "regression" and found.train_y.tolist() == [0.5, 1, 2] and found.test_y is not None
    assert classes(np.array([0, 1, 2]), np.array([1.5])).task == "regression", "one such number is enough"


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"train": [1, 2, 3], "test": [0, 1, 2]}, "lacks: 0, 1, 2 in the test part, 1, 2, 3 in the training part"),
        ({"train": [0.0, 1.0], "test": [2]}, "2 in the test part, 0, 1 in the training part"),
        ({"train": [0, 1], "validation": [1, 7]}, "1, 7 in the validation part, 0, 1 in the training part"),
        ({"train": list(range(30)), "test": [-1]}, "18, 19, … 29 in the training part"),
    ],
)
def test_labels_that_the_training_part_lacks(labels: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError) as caught:
        classes(**{part: np.array(values) for part, values in labels.items()})
    assert caught.value.message.startswith("f: ") and words in caught.value.message and "loss: mse" in str(caught.value.hint)
    assert classes(**{part: np.array(values) for part, values in labels.items()}, task="regression").task == "regression"


def test_a_part_may_lack_classes() -> None:
    found = classes(np.array([1, 2, 3]), np.array([3, 3]))
    assert found.classes == ("1", "2", "3") and found.test_y is not None and found.test_y.tolist() == [2, 2]


def test_many_classes_of_few_rows_may_be_a_quantity() -> None:
    (notice,) = classes(np.r_[np.arange(45), np.arange(6)]).notices
    assert notice == "f: the target: 45 of its 45 classes have fewer than 3 rows; if it is a quantity, set loss: mse"
    half = np.r_[np.repeat(np.arange(4), 3), np.arange(4, 8)]
    assert classes(half).notices == () and len(classes(np.r_[half, 9]).notices) == 1, "more than half of the classes"


def matlab(path: Path, variables: dict[str, Any], **options: Any) -> Path:
    from scipy.io import savemat

    savemat(path, variables, **options)
    return path


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("suffix", PACKERS)
def test_the_course_file_of_matlab(tmp_path: Path, compressed: bool, suffix: str) -> None:
    """Images of 784 bytes, one a row, and labels as a column, a row, or doubles, as MATLAB may store them."""
    images = np.random.default_rng(0).integers(0, 256, (9, 784), dtype=np.uint8)
    labels = np.arange(9) % 3
    for stored in (labels[:, None].astype(np.uint8), labels[None].astype(float), np.eye(3)[labels]):
        variables = {"trainImages": images[:6], "trainLabels": stored.T[:, :6].T if len(stored) == 9 else stored[:, :6]}
        variables |= {"testImages": images[6:], "testLabels": stored[6:] if len(stored) == 9 else stored[:, 6:], "note": "text"}
        path = matlab(tmp_path / "mnist_data.mat", variables, do_compression=compressed)
        packed = tmp_path / f"packed.mat{suffix}"
        packed.write_bytes(PACKERS[suffix](path.read_bytes()))
        found = with_classes(assemble(read_mat(packed), "f"), None, "f")
        assert found.test_x is not None and found.test_y is not None
        assert np.array_equal(found.train_x, images[:6]) and np.array_equal(found.test_x, images[6:])
        assert found.train_y.tolist() == labels[:6].tolist() and found.test_y.tolist() == labels[6:].tolist()
        assert (found.train_x.dtype, found.shape, found.classes) == (np.uint8, (28, 28), ("0", "1", "2"))


def test_samples_along_the_last_axis(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (4, 5, 3, 7), dtype=np.uint8)
    found = read_mat(matlab(tmp_path / "svhn.mat", {"X": x, "y": np.arange(1, 8)[:, None]}))
    assert np.array_equal(found.arrays["train_x"], np.moveaxis(x, -1, 0))
    assert found.notices == ("the samples of X (4, 5, 3, 7) are its last axis; they are taken as rows",)
    columns = np.arange(8).reshape(2, 4)
    for y in (np.arange(4)[None], np.arange(4)[:, None], np.eye(3)[:, [0, 1, 2, 0]]):
        found = read_mat(matlab(tmp_path / "columns.mat", {"data": columns, "label": y}))
        assert assemble(found, "f").train_x.tolist() == columns.T.tolist()
        assert assemble(found, "f").train_y.tolist() == ([0, 1, 2, 0] if len(y) == 3 else [0, 1, 2, 3])


def test_other_files_of_matlab(tmp_path: Path) -> None:
    path = matlab(tmp_path / "a.mat", {"x": X, "y": Y, "s": {"x": 1}, "cell": np.array([1, "a"], dtype=object)})
    assert read_mat(path).arrays["train_x"].tolist() == X.tolist(), "structures and cells are passed over"
    refuses(read_mat, matlab(path, {"left": X, "cell": np.array([1, "a"], dtype=object)}), "it has left")
    refuses(read_mat, matlab(path, {"x": X[:, 0] * 1j, "y": Y}), "no array can be told to be the inputs")
    path.write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM" + bytes(384) + b"\x89HDF\r\n\x1a\n")
    refuses(read_mat, path, "a MATLAB file of version 5 to 7 is expected, not 7.3")
    path.write_bytes(b"<!DOCTYPE html>")
    refuses(read_mat, path, "an HTML page")
    path.write_bytes(b"hello, world " * 50)
    refuses(read_mat, path, "a MATLAB file of version 5 to 7 is expected")


@pytest.mark.parametrize("compressed", [False, True])
def test_what_a_matlab_file_declares_costs_nothing(tmp_path: Path, compressed: bool) -> None:
    """Dimensions and the size of the data, each of four bytes, in turn made as large as can be."""
    content = matlab(tmp_path / "good.mat", {"x": X, "y": Y}, do_compression=False).read_bytes()
    path = tmp_path / "a.mat"
    for at in range(128, 220, 4):
        lie = content[:at] + b"\xff\xff\xff\x7f" + content[at + 4 :]
        if compressed:
            packed = zlib.compress(lie[128:])
            lie = lie[:128] + struct.pack("<II", 15, len(packed)) + packed
        path.write_bytes(lie)
        with limits(), contextlib.suppress(DataError):
            read_mat(path)


CELL = struct.pack("<8I", 14, 40, 6, 8, 1, 0, 5, 8) + struct.pack("<4I", 0, 0, 1, 0)
"""A variable of MATLAB that holds nothing, an empty cell array without a name: the cheapest that there is."""


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (bytes(80_000), "an element of type 0"),
        (CELL * 10_001, "more than 10,000 variables"),
        (struct.pack("<II", 15, len(zlib.compress(CELL * 2))) + zlib.compress(CELL * 2), "more than 1 variables"),
        (struct.pack("<II", 15, 99) + bytes(99), "unknown compression method"),
        (CELL, "no array can be told to be the inputs of the train part; it has none"),
    ],
)
def test_elements_of_a_matlab_file(tmp_path: Path, content: bytes, words: str) -> None:
    path = matlab(tmp_path / "a.mat", {"x": X})
    path.write_bytes(path.read_bytes()[:128] + content)
    refuses(read_mat, path, words)


@pytest.mark.parametrize("code", [0, 10, 20, 99, 60_000])
def test_a_type_that_matlab_does_not_have(tmp_path: Path, code: int) -> None:
    """SciPy looks for it behind its table of types, and the process crashes."""
    path = matlab(tmp_path / "a.mat", {"x": X.reshape(6, 4) * 1.0, "y": Y})
    content = path.read_bytes()
    assert struct.pack("<II", 9, 192) in content
    path.write_bytes(content.replace(struct.pack("<II", 9, 192), struct.pack("<II", code, 192)))
    refuses(read_mat, path, f"not a usable MATLAB file (values of type {code})")


@pytest.mark.parametrize("compressed", [False, True])
def test_mutants_of_matlab(tmp_path: Path, compressed: bool) -> None:
    path = matlab(tmp_path / "a.mat", {"x": X.reshape(6, 4) * 1.0, "y": Y[:, None]}, do_compression=compressed)
    check_mutants(lambda path: assemble(read_mat(path), str(path)), path, 0.2)


def test_numbers_that_occur_once_are_a_quantity() -> None:
    with pytest.raises(DataError, match="the target has 21 different numbers in 21 rows, most of them once") as caught:
        classes(np.arange(0, 42, 2))
    assert caught.value.hint == "write loss: mse for a quantity"
    assert len(classes(np.repeat(np.arange(0, 42, 2), 2)).classes) == 21, "each twice"
