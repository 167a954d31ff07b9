import numpy as np
import pytest

from mlp_cli.nn.metrics import confusion_matrix, count_correct, softmax

LOGITS = np.array([[0.0, 2.0, 1.0], [3.0, 3.0, 0.0], [-1.0, -2.0, -0.5], [0.0, 0.0, 0.0]])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_correct_rows_with_the_first_of_equals_counting(order: str, dtype: type) -> None:
    logits = np.array(LOGITS, dtype, order=order)
    assert count_correct(logits, np.array([1, 0, 2, 0])) == 4
    assert count_correct(logits, np.array([1, 1, 2, 1])) == 2


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
