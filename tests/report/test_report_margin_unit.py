"""A margin in percent goes with accuracies alone."""

import pytest

from mlp_cli.errors import UsageError
from mlp_cli.report.build import score_value


def test_a_share_of_a_loss_is_refused_for_what_it_is() -> None:
    assert score_value("--margin", "val_accuracy", "1%") == 0.01
    with pytest.raises(UsageError, match="--margin 1%: val_loss is no share, and chooses here"):
        score_value("--margin", "val_loss", "1%")
    assert score_value("--margin", "val_loss", "2.5") == 2.5
