import numpy as np
import pytest

from mlp_cli.nn.metrics import confusion_matrix, count_correct, metrics, softmax

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


NAMES = ["a", "b", "c", "never"]


@pytest.fixture(scope="module")
def scored() -> tuple[np.ndarray, np.ndarray]:
    """Logits (300, 4) and targets of three classes; the fourth is neither there nor predicted."""
    generator = np.random.default_rng(4)
    targets = generator.integers(0, 3, 300)
    logits = generator.standard_normal((300, 4)) + 1.5 * np.eye(4)[targets]
    logits[:, 3] = -9.0
    return logits, targets


def test_scores_are_those_of_scikit_learn(scored: tuple[np.ndarray, np.ndarray]) -> None:
    sklearn_metrics = pytest.importorskip("sklearn.metrics")
    logits, targets = scored
    predicted, p = logits.argmax(axis=1), softmax(logits)
    found = {key: value for name in metrics for key, value in metrics.build(name)(logits, targets, NAMES).items()}
    labels = {"labels": range(4), "zero_division": 0}
    assert found["macro_f1"] == pytest.approx(sklearn_metrics.f1_score(targets, predicted, average="macro", **labels))
    for name in ("precision", "recall"):
        wanted = getattr(sklearn_metrics, f"{name}_score")(targets, predicted, average=None, **labels)
        assert [found[f"{name}_{label}"] for label in NAMES[:3]] == pytest.approx(wanted[:3].tolist())
        assert found[f"{name}_never"] is None, "not defined, where scikit-learn says 0"
    wanted = sklearn_metrics.top_k_accuracy_score(targets, logits, k=2, labels=range(4))
    assert metrics.build("top_k", k=2)(logits, targets, NAMES) == {"top_2_accuracy": pytest.approx(wanted)}
    assert found["brier_score"] == pytest.approx(((p - np.eye(4)[targets]) ** 2).sum(axis=1).mean())


def test_scores_of_labels_are_those_of_scikit_learn() -> None:
    """The last label is neither there nor given. A logit of exactly 0 is no."""
    sklearn_metrics = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(6)
    targets = generator.integers(0, 2, (200, 4)).astype(np.uint8)
    logits = generator.standard_normal((200, 4)) + targets
    logits[:3] = 0.0
    logits[:, 3], targets[:, 3] = -9.0, 0
    named = (logits > 0).astype(int)
    assert count_correct(logits, targets) / 800 == pytest.approx(1 - sklearn_metrics.hamming_loss(targets, named))
    every = {name: metrics.build(name) for name in metrics if metrics[name].labels}
    assert set(metrics) - set(every) == {"top_k"}
    found = {key: value for metric in every.values() for key, value in metric(logits, targets, NAMES).items()}
    assert found["macro_f1"] == pytest.approx(sklearn_metrics.f1_score(targets, named, average="macro", zero_division=0))
    for name in ("precision", "recall"):
        wanted = getattr(sklearn_metrics, f"{name}_score")(targets, named, average=None, zero_division=0)
        assert [found[f"{name}_{label}"] for label in NAMES[:3]] == pytest.approx(wanted[:3].tolist())
        assert found[f"{name}_never"] is None
    p = 1 / (1 + np.exp(-logits))
    assert found["brier_score"] == pytest.approx(2 * np.square(p - targets).mean())


def test_calibration_error_of_labels_by_hand() -> None:
    """Confidences 0.6 (right), 0.6 (wrong), 0.9, 0.9 (both right) of yes or no: 2/4 · |0.5 − 0.6| + 2/4 · |1 − 0.9| = 0.1."""
    p = np.array([[0.6, 0.4], [0.1, 0.9]])
    found = metrics.build("calibration_error", bins=5)(np.log(p / (1 - p)), np.array([[1, 1], [0, 1]]), ["a", "b"])
    assert found == {"calibration_error": pytest.approx(0.1)}


def test_calibration_error_by_hand() -> None:
    """Confidences 0.6, 0.6 (one right), 0.9, 0.9 (both right): 2/4 · |0.5 − 0.6| + 2/4 · |1 − 0.9| = 0.1."""
    p = np.array([[0.6, 0.4], [0.6, 0.4], [0.1, 0.9], [0.1, 0.9]])
    found = metrics.build("calibration_error", bins=5)(np.log(p), np.array([0, 1, 1, 1]), ["a", "b"])
    assert found == {"calibration_error": pytest.approx(0.1)}


def test_equal_outputs_count_for_the_row() -> None:
    assert metrics.build("top_k", k=1)(np.zeros((2, 3)), np.array([0, 2]), NAMES[:3]) == {"top_1_accuracy": 1.0}
