"""The share of each key in a metric's variance: hand-worked, and only on complete grids."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fake_runs import write_run

from mlp_cli.report.build import make_report
from mlp_cli.report.model import Group

RATES, SIZES = (0.001, 0.01), (64, 128)


def write_cells(folder: Path, score: Callable[[int, int, int], float], seeds: int = 2) -> Group:
    for row, rate in enumerate(RATES):
        for column, size in enumerate(SIZES):
            for seed in range(seeds):
                config = {"learning_rate": rate, "batch_size": size}
                write_run(folder, config, seed=seed, score=score(row, column, seed))
    (group,) = make_report([folder]).groups
    return group


def test_worked_by_hand(tmp_path: Path) -> None:
    """Cells (rate, size): 0.1 and 0.3; 0.5 and 0.7; the two seeds lie 0.01 above and below.

    Means 0.1 0.3 0.5 0.7, grand mean 0.4, r = 2. SS of the rate: 2 · 2 · (0.2² + 0.2²) = 0.32; of the size: 2 · 2 · (0.1² + 0.1²) =
    0.08; of the cells: 2 · (0.09 + 0.01 + 0.01 + 0.09) = 0.4, so nothing is left for interactions. Within: 8 · 0.01² = 0.0008, with 4
    degrees of freedom: MS = 0.0002. Omega squared: (0.32 − 0.0002) / (0.4 + 0.0008 + 0.0002) and (0.08 − 0.0002) / 0.401.
    """
    group = write_cells(tmp_path, lambda row, column, seed: 0.1 + 0.4 * row + 0.2 * column + (0.01 if seed else -0.01))
    found = {each.key: each.share for each in group.importance}
    assert list(found) == ["learning_rate", "batch_size", "interactions", "seeds"]
    assert found["learning_rate"] == pytest.approx(0.3198 / 0.401, abs=1e-9)
    assert found["batch_size"] == pytest.approx(0.0798 / 0.401, abs=1e-9)
    assert found["interactions"] == 0 and sum(found.values()) == pytest.approx(1)


def test_noise_alone_explains_nothing(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    group = write_cells(tmp_path, lambda *_: float(generator.normal(0.9, 0.01)), seeds=30)
    found = {each.key: each.share for each in group.importance}
    assert found["seeds"] > 0.95 and found["learning_rate"] < 0.03


def test_an_interaction(tmp_path: Path) -> None:
    group = write_cells(tmp_path, lambda row, column, seed: 0.5 + 0.2 * (row == column) + 0.001 * seed)
    assert {each.key: round(each.share, 2) for each in group.importance} == {
        "learning_rate": 0,
        "batch_size": 0,
        "interactions": 1,
        "seeds": 0,
    }


def test_incomplete_grids_have_a_reason(tmp_path: Path) -> None:
    for number, (rate, size, seeds) in enumerate(((0.001, 64, 2), (0.01, 64, 2), (0.01, 128, 2))):
        for seed in range(seeds):
            write_run(tmp_path, {"learning_rate": rate, "batch_size": size}, seed=seed, name=f"r{number}")
    (group,) = make_report([tmp_path]).groups
    assert not group.importance and "3 of 4 combinations" in group.importance_note
    write_run(tmp_path, {"learning_rate": 0.001, "batch_size": 128})
    (group,) = make_report([tmp_path]).groups
    assert not group.importance and "1 of 4 combinations have fewer than 2" in group.importance_note


def test_equal_scores_and_single_configurations_have_a_reason(tmp_path: Path) -> None:
    assert write_cells(tmp_path / "equal", lambda *_: 0.9).importance_note == "all scores are equal"
    write_run(tmp_path / "one")
    assert make_report([tmp_path / "one"]).groups[0].importance_note == "no key differs"


def test_keys_that_nobody_set_are_no_axes(tmp_path: Path) -> None:
    for optimizer in ("adam", "adamw", "sgd"):  # weight_decay is 0.004 by default for adamw alone
        for rate, epochs in ((0.001, 5), (0.01, 7)):  # these two move together
            for seed in range(2):
                config = {"optimizer": optimizer, "learning_rate": rate, "epochs": epochs}
                write_run(tmp_path, config, seed=seed, score=0.9 + rate + 0.0001 * seed)
    (group,) = make_report([tmp_path]).groups
    assert group.keys == ["optimizer", "learning_rate", "epochs"]
    assert [each.key for each in group.importance] == ["learning_rate + epochs", "optimizer", "interactions", "seeds"]
