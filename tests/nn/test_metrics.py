import numpy as np
import pytest

from mlp_cli.nn.metrics import accuracy, confusion_matrix, count_correct, r2, softmax

LOGITS = np.array([[0.0, 2.0, 1.0], [3.0, 3.0, 0.0], [-1.0, -2.0, -0.5], [0.0, 0.0, 0.0]])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_correct_rows_with_the_first_of_equals_counting(order: str, dtype: type) -> None:
    logits = np.array(LOGITS, dtype, order=order)
    assert count_correct(logits, np.array([1, 0, 2, 0])) == 4
    assert count_correct(logits, np.array([1, 1, 2, 1])) == 2
    assert accuracy(logits, np.array([1, 1, 2, 1])) == 0.5


def test_accuracy_without_rows_is_not_a_number() -> None:
    assert np.isnan(accuracy(np.empty((0, 3)), np.empty(0, np.int64)))


def test_r2_by_hand() -> None:
    targets = np.array([1.0, 2.0, 3.0, 6.0])  # squares around the mean of 3: 4 + 1 + 0 + 9
    assert r2(targets[:, None], targets) == 1.0
    assert r2(np.full((4, 1), 3.0), targets) == 0.0
    assert r2(np.array([[1.0], [2.0], [3.0], [5.0]], np.float32), targets) == pytest.approx(13 / 14)
    assert r2(np.array([[9.0], [2.0], [3.0], [6.0]]), targets) == pytest.approx(1 - 64 / 14)


def test_r2_of_several_outputs_takes_each_around_its_own_mean() -> None:
    targets = np.array([[0.0, 100.0], [2.0, 104.0]])  # squares: 2 and 8
    assert r2(np.array([[0.0, 100.0], [2.0, 103.0]]), targets) == pytest.approx(0.9)
    assert r2(np.array([[1.0, 102.0], [1.0, 102.0]]), targets) == 0.0


def test_r2_of_equal_targets_is_not_a_number() -> None:
    assert np.isnan(r2(np.array([[1.0], [2.0]]), np.array([5.0, 5.0])))


def test_confusion_matrix_has_true_classes_as_rows() -> None:
    matrix = confusion_matrix(np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 2, 2, 0]), 4)
    assert matrix.dtype == np.int64
    assert matrix.tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [1, 0, 2, 0], [0, 0, 0, 0]]
    assert confusion_matrix(np.empty(0, np.int64), np.empty(0, np.int64), 2).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("wrong", [-1, 3])
def test_confusion_matrix_refuses_unknown_classes(wrong: int) -> None:
    with pytest.raises(ValueError, match="must be 0 … 2"):
        confusion_matrix(np.array([0, wrong]), np.array([0, 1]), 3)
    with pytest.raises(ValueError, match="must be 0 … 2"):
        confusion_matrix(np.array([0, 1]), np.array([0, wrong]), 3)


def test_softmax_by_hand_and_at_the_extremes() -> None:
    logits = np.asfortranarray(np.log([[1.0, 2.0, 5.0], [3.0, 3.0, 2.0]]))
    found = softmax(logits)
    np.testing.assert_allclose(found, [[0.125, 0.25, 0.625], [0.375, 0.375, 0.25]], rtol=1e-15)
    assert found.flags.c_contiguous and logits[0, 0] == 0.0
    with np.errstate(all="raise", under="ignore"):
        extreme = softmax(np.array([[1e4, -1e4, 1e4]], np.float32))
    assert extreme.dtype == np.float32 and extreme.tolist() == [[0.5, 0.0, 0.5]]
