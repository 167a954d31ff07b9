"""Running sums over batches give the scores of the whole."""

import math

import numpy as np
import pytest

from mlp_cli.data.targets import TargetScale
from mlp_cli.training.evaluate import Scores


def test_classification_weighs_samples_not_batches() -> None:
    scores = Scores("classification")
    scores.add(6.0, np.array([[2.0, 1.0], [0.0, 1.0], [5.0, 0.0]]), np.array([0, 0, 0]))
    scores.add(4.0, np.array([[0.0, 1.0]]), np.array([1]))
    assert (scores.rows, scores.loss, scores.score) == (4, 2.5, 0.75)


def test_labels_are_scored_one_by_one() -> None:
    """Of six labels in three rows one is wrong, and so is a logit of 0 where the label is there."""
    scores = Scores("multi_label")
    scores.add(6.0, np.array([[2.0, -1.0], [0.0, 1.0]]), np.array([[1, 0], [1, 1]], np.uint8))
    scores.add(3.0, np.array([[1.0, 1.0]]), np.array([[0, 1]], np.uint8))
    assert (scores.rows, scores.loss) == (3, 3.0) and scores.score == pytest.approx(4 / 6)


def test_r2_worked_by_hand() -> None:
    """Targets 1, 2, 3 and 6 have mean 3 and squares about it 4 + 1 + 0 + 9 = 14; the residuals are 0, 1, 0 and −2: 5."""
    scores = Scores("regression")
    scores.add(0.0, np.array([[1.0], [1.0]]), np.array([1.0, 2.0]))
    scores.add(0.0, np.array([[3.0], [8.0]]), np.array([3.0, 6.0]))
    assert scores.score == pytest.approx(1 - 5 / 14)


def test_r2_of_two_outputs_takes_each_about_its_own_mean() -> None:
    """Columns 0, 2 and 10, 14 vary by 2 and 8 about their means; the only residual is 1."""
    scores = Scores("regression")
    scores.add(0.0, np.array([[0.0, 10.0], [3.0, 14.0]]), np.array([[0.0, 10.0], [2.0, 14.0]]))
    assert scores.score == pytest.approx(1 - 1 / 10)


def test_r2_of_constant_targets_is_not_a_number() -> None:
    scores = Scores("regression")
    scores.add(0.0, np.array([[1.0], [2.0]]), np.array([2.0, 2.0]))
    assert math.isnan(scores.score)


def test_a_quantity_is_scored_in_its_own_unit() -> None:
    """Scaled by 10 with the mean 100: targets 0, 2 are 100, 120, outputs 1, 2 are 110, 120. One residual of two is 10."""
    scores = Scores("regression", TargetScale(False, 100.0, 10.0, 100.0))
    scores.add(1.0, np.array([[1.0], [2.0]]), np.array([0.0, 2.0]))
    assert (scores.loss, scores.score) == (50.0, 1 - 100 / 200)
    assert scores.errors() == {"rmse": pytest.approx(50**0.5), "mae": 5.0}


def test_the_loss_of_a_logarithm_stays_one() -> None:
    """Of the logarithms log 1 and log 4 by half of log 4 about log 2: targets −1, 1 are 1 and 4, outputs −1, −1 are 1 and 1."""
    half = math.log(2.0)
    scores = Scores("regression", TargetScale(True, half, half, half**2))
    scores.add(4.0, np.array([[-1.0], [-1.0]]), np.array([-1.0, 1.0]))
    assert scores.loss == pytest.approx(half**2 * 4 / 2)
    assert scores.errors() == {"rmse": pytest.approx((9 / 2) ** 0.5), "mae": pytest.approx(1.5)}
    assert scores.score == pytest.approx(1 - 9 / 4.5)
