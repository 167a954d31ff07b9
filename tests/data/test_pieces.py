import numpy as np
import pytest

from mlp_cli.data.pieces import as_rows, as_targets, assemble, choose, roles_of
from mlp_cli.errors import DataError

X = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
Y = np.array([0, 1, 2])


@pytest.mark.parametrize(
    ("keys", "roles"),
    [
        ("images labels", {"train_x": "images", "train_y": "labels"}),
        ("x_train y_train", {"train_x": "x_train", "train_y": "y_train"}),
        ("y_test x_test", {"test_x": "x_test", "test_y": "y_test"}),
        ("X y", {"train_x": "X", "train_y": "y"}),
        ("trainImages trainLabels", {"train_x": "trainImages", "train_y": "trainLabels"}),
        ("training_images val-labels", {"train_x": "training_images", "validation_y": "val-labels"}),
        ("data target names filenames x_2 train test train_x_test", {"train_x": "data", "train_y": "target"}),
    ],
)
def test_roles(keys: str, roles: dict[str, str]) -> None:
    assert roles_of(keys.split()) == roles


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ([], "inputs of the train part; it has none"),
        (["x"], "labels of the train part; it has x"),
        (["a b", "y"], "inputs of the train part; it has 'a b', y"),
        (["x", "y", "x_test"], "labels of the test part"),
        (["x", "X_train", "y"], "x and X_train could both be train_x"),
    ],
)
def test_keys_that_do_not_tell(keys: list[str], words: str) -> None:
    with pytest.raises(DataError, match=r"^f: ") as caught:
        choose(keys, "f")
    assert words in caught.value.message and caught.value.hint


def test_chosen_keys() -> None:
    assert choose(["a", "b", "x"], "f", {"train_x": "a", "train_y": "b"}) == {"train_x": "a", "train_y": "b"}
    with pytest.raises(DataError, match="has no array c; it has a"):
        choose(["a"], "f", {"train_x": "c", "train_y": "a"})
    with pytest.raises(DataError, match="labels of the train part"):
        choose(["a"], "f", {"train_x": "a"})


def test_validation_goes_to_the_end_of_training() -> None:
    parts = {"train_x": X, "train_y": Y, "validation_x": X[:1], "validation_y": Y[:1], "test_x": X[1:], "test_y": Y[1:]}
    found = assemble(parts, "f")
    assert found.train_x.tolist() == [*X.reshape(3, 4).tolist(), [0, 1, 2, 3]] and found.train_y.tolist() == [0, 1, 2, 0]
    assert (found.official_validation, found.shape) == (1, (2, 2))
    assert found.test_x is not None and found.test_x.tolist() == X.reshape(3, 4)[1:].tolist()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"train_y": Y[:2]}, "train part has 3 rows of inputs, but 2 labels"),
        ({"test_x": X[:, :1], "test_y": Y}, "uint8 (1, 2) in the test part, uint8 (2, 2) in the train part"),
        ({"test_x": X.astype(float), "test_y": Y}, "float64 (2, 2) in the test part"),
    ],
)
def test_parts_that_do_not_fit(change: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(DataError) as caught:
        assemble({"train_x": X, "train_y": Y, **change}, "f")
    assert words in caught.value.message


def test_floats_of_two_widths_become_the_wider() -> None:
    found = assemble({"train_x": X.astype("f4"), "train_y": Y, "test_x": X.astype("f8"), "test_y": Y / 3}, "f")
    assert found.train_x.dtype == np.float64 and found.train_y.dtype == np.float64


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("u1", "u1"), ("?", "f4"), ("i1", "f4"), ("u2", "f4"), ("i4", "f8"), ("u8", "f8"), ("f2", "f4"), ("f4", "f4"), ("f8", "f8")],
)
def test_types_of_rows(dtype: str, expected: str) -> None:
    rows, shape = as_rows(np.asfortranarray(X.astype(dtype)), "f")
    assert rows.dtype == np.dtype(expected) and rows.flags.c_contiguous and shape == (2, 2)
    assert np.array_equal(rows, X.astype(dtype).reshape(3, 4))


def test_rows_of_one_dimension() -> None:
    rows, shape = as_rows(np.array([1.0, 2.0]), "f")
    assert (rows.shape, shape) == ((2, 1), (1,))


@pytest.mark.parametrize("array", [np.float64(3), np.zeros((0, 2)), np.zeros((2, 0)), np.zeros((1, 1, 1, 1, 1)), np.array(["a"])])
def test_what_is_no_rows(array: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"^f: "):
        as_rows(np.asarray(array), "f: inputs")


def test_rows_far_down_that_are_not_finite() -> None:
    x = np.zeros((10_000, 2), dtype=np.float32)
    x[9_000, 1] = np.inf
    with pytest.raises(DataError, match="row 9,000 "):
        as_rows(x, "f")


def test_targets() -> None:
    assert as_targets(np.array([[2], [0]], dtype=np.uint8), "f").tolist() == [2, 0]
    assert as_targets(np.eye(3)[[2, 0, 1]], "f").tolist() == [2, 0, 1]
    assert as_targets(np.array([0.5, 1], dtype=np.float32), "f").dtype == np.float64
    assert as_targets(np.array([True, False]), "f").tolist() == [1, 0]
    for bad in (
        np.ones((2, 2)),
        np.array([np.nan]),
        np.array([]),
        np.array([2**63], dtype=np.uint64),
        np.array(["a"]),
        np.int64(1),
    ):
        with pytest.raises(DataError, match=r"^f"):
            as_targets(np.asarray(bad), "f")
