"""How sure a verdict is: scipy's intervals, chi-squared tables, and simulations with a known truth."""

import math
from pathlib import Path

import numpy as np
import pytest
from fake_runs import write_run
from scipy import stats
from scipy.interpolate import CubicSpline

from mlp_cli.errors import UsageError
from mlp_cli.report.build import make_report
from mlp_cli.report.model import Group
from mlp_cli.report.power import MOST_SEEDS, POWER, critical, detectable, power, reaches, sd_range, seeds_needed
from mlp_cli.report.statistics import games_howell
from mlp_cli.report.verdict import against, amount


def half_widths(one: np.ndarray, other: np.ndarray, groups: int) -> np.ndarray:
    """Half the interval of each pair of rows (R, n), by the formula for all at once; the first twenty by `reaches` itself.

    The critical value is a smooth function of the degrees of freedom n − 1 … 2 (n − 1), here a spline through 40 of its values.
    """
    n = one.shape[1]
    first, second = one.var(axis=1, ddof=1) / n, other.var(axis=1, ddof=1) / n
    freedom = (first + second) ** 2 * (n - 1) / (first**2 + second**2)
    knots = np.linspace(n - 1, 2 * (n - 1), 40)
    found = CubicSpline(knots, critical(groups, knots))(freedom) * np.sqrt((first + second) / 2)
    sds = one.std(axis=1, ddof=1)[:20], other.std(axis=1, ddof=1)[:20]
    assert [reaches((a, n), [(b, n)], groups)[0] for a, b in zip(*sds, strict=True)] == pytest.approx(
        found[:20].tolist(), rel=1e-5
    )
    return found


def test_the_intervals_are_those_of_scipy() -> None:
    generator = np.random.default_rng(1)
    samples = [generator.normal(k, 1 + k, size) for k, size in enumerate((3, 5, 4, 10))]
    between = stats.tukey_hsd(*samples, equal_var=False).confidence_interval(0.95)
    found = reaches((samples[0].std(ddof=1), 3), [(each.std(ddof=1), len(each)) for each in samples[1:]], 4)
    assert found == pytest.approx([(between.high[k, 0] - between.low[k, 0]) / 2 for k in (1, 2, 3)], rel=1e-5)


def test_an_interval_without_zero_is_a_p_below_five_percent() -> None:
    generator = np.random.default_rng(2)
    for _ in range(20):
        samples = generator.normal([[0], [2], [1]], [[1], [0.5], [2]], (3, 4))
        sds = samples.std(axis=1, ddof=1)
        wide = reaches((sds[0], 4), [(sds[1], 4), (sds[2], 4)], 3)
        p = games_howell(samples.tolist(), 0)
        assert [(value or 0) < 0.05 for value in p[1:]] == [
            abs(samples[k].mean() - samples[0].mean()) > half for k, half in ((1, wide[0]), (2, wide[1]))
        ]


def test_without_any_spread_every_difference_is_found() -> None:
    assert reaches((0.0, 3), [(0.0, 3)], 2) == [0.0] and detectable((0.0, 3), (0.0, 3), 2) == 0
    assert power(1e-9, (0.0, 3), (0.0, 3), 2) == 1 and power(0.0, (0.0, 3), (0.0, 3), 2) == 0


@pytest.mark.parametrize(("groups", "seeds", "sds"), [(2, 3, (1, 1)), (9, 3, (1, 3)), (9, 5, (1, 1)), (4, 10, (2, 1))])
def test_the_power_stated_is_the_share_found(groups: int, seeds: int, sds: tuple[float, float]) -> None:
    """Where both standard deviations are the true ones; 3 points, and three standard errors of the simulation."""
    difference, repetitions = detectable((sds[0], seeds), (sds[1], seeds), groups), 1500
    generator = np.random.default_rng(groups * 10 + seeds)
    one = generator.normal(0, sds[0], (repetitions, seeds))
    other = generator.normal(difference, sds[1], (repetitions, seeds))
    found = np.mean(abs(one.mean(axis=1) - other.mean(axis=1)) > half_widths(one, other, groups))
    assert abs(found - POWER) <= 0.03 + 3 * math.sqrt(POWER * (1 - POWER) / repetitions)


@pytest.mark.parametrize(("groups", "seeds"), [(2, 3), (2, 10), (8, 5)])
def test_no_more_than_five_in_a_hundred_are_called_equivalent_wrongly(groups: int, seeds: int) -> None:
    """The true difference is the margin itself, the hardest case; spreads from well below the margin to above it."""
    generator = np.random.default_rng(seeds)
    for spread in (0.05, 0.2, 1.0):
        one, other = generator.normal(0, spread, (600, seeds)), generator.normal(1.0, spread, (600, seeds))
        difference = other.mean(axis=1) - one.mean(axis=1)
        wide = half_widths(one, other, groups)
        wrong = np.mean(abs(difference) + wide <= 1.0)
        assert wrong <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 600), spread


def test_seeds_that_a_margin_needs() -> None:
    needed = seeds_needed(1.0, 1.0, 1.5, 4)
    assert needed is not None and needed > 3
    assert power(1.0, (1.0, needed), (1.5, needed), 4) >= POWER > power(1.0, (1.0, needed - 1), (1.5, needed - 1), 4)
    assert seeds_needed(0.1, 1.0, 1.0, 4) is None and power(0.1, (1.0, MOST_SEEDS), (1.0, MOST_SEEDS), 4) < POWER


def test_the_range_of_a_standard_deviation() -> None:
    """Quantiles of chi-squared with 2 degrees of freedom, 7.3778 and 0.050636, from any table."""
    assert sd_range((2.0, 3)) == pytest.approx((2 * math.sqrt(2 / 7.3778), 2 * math.sqrt(2 / 0.050636)), rel=1e-4)


def write_sizes(folder: Path, means: dict[int, float], spread: float, seeds: int = 5) -> None:
    """Scores with a spread of ± `spread`, by the size of the hidden layer, which is the number of parameters too."""
    for size, mean in means.items():
        for seed in range(seeds):
            off = spread * (seed - (seeds - 1) / 2) / 2
            write_run(folder, {"hidden_sizes": [size]}, seed=seed, score=mean + off, parameters=100 * size)


def group_of(folder: Path, margin: str | None = None) -> Group:
    (group,) = make_report([folder], margin=margin).groups
    return group


def test_a_margin_tells_what_is_equivalent_and_the_smallest_that_will_do(tmp_path: Path) -> None:
    write_sizes(tmp_path, {128: 0.97, 64: 0.969, 32: 0.966, 16: 0.90}, 0.001)
    group = group_of(tmp_path, "1%")
    verdicts = {each.differs["hidden_sizes"][0]: each.verdict for each in group.configurations}
    assert verdicts == {128: "best", 64: "equivalent", 32: "equivalent", 16: "worse"}
    assert group.smallest is not None and group.smallest.differs["hidden_sizes"] == [32]
    assert "2 of 3 others are equivalent to it: within 1.0 points." in group.sentence
    assert "tried" not in group.sentence, "[128] is the largest, but [64] does as well"
    assert (
        "The smallest network that is not worse by 1.0 points: hidden_sizes=[32] (3,200 parameters), at most " in group.sentence
    )
    assert all(each.p is not None for each in group.configurations[1:]), "p stays"
    assert group_of(tmp_path, "0.01").sentence == group.sentence, "a fraction and a percentage are one scale"
    narrow = group_of(tmp_path, "0.0001")
    assert "No smaller network is shown to be less than 0.010 points worse." in narrow.sentence and narrow.smallest is None


def test_without_a_margin_the_loss_still_possible_is_told(tmp_path: Path) -> None:
    write_sizes(tmp_path, {128: 0.97, 64: 0.965, 16: 0.90}, 0.02, seeds=3)
    group = group_of(tmp_path)
    assert group.smallest is not None and group.smallest.differs["hidden_sizes"] == [64]
    low, _ = group.smallest.interval or (0, 0)
    assert f"not told apart, but up to {-100 * low:.1f} points worse is compatible with these 3 seeds." in group.sentence
    assert "equivalent" not in group.sentence and "recommend" not in group.sentence
    words = against(group, group.smallest)
    assert "these seeds find a true difference of" in words and "if the standard deviations are the true ones (" in words


def test_few_seeds_that_cannot_tell_a_large_difference(tmp_path: Path) -> None:
    """The standard deviation of 0.965, 0.970 and 0.975 is 0.5 points, less than the 0.7 points between the means."""
    write_sizes(tmp_path, {128: 0.97, 64: 0.963, 32: 0.969}, 0.01, seeds=3)
    group = group_of(tmp_path)
    assert (
        "3 seeds are too few to tell: hidden_sizes=[64] differs by 0.70 points, and they find a true difference" in group.sentence
    )
    assert [amount(group, value) for value in (0.387, 0.0387, 0.0004)] == ["39 points", "3.9 points", "0.040 points"]
    write_sizes(tmp_path / "more", {128: 0.97, 64: 0.963, 32: 0.969}, 0.01, seeds=5)
    assert "too few" not in group_of(tmp_path / "more").sentence


def test_equal_scores_of_every_seed_are_told_as_such(tmp_path: Path) -> None:
    write_sizes(tmp_path, {128: 0.97, 64: 0.97}, 0.0, seeds=3)
    size = "hidden_sizes=[64] (6,400 parameters)"
    group = group_of(tmp_path)
    assert group.reference is not None
    assert f"The smallest network, {size}: not told apart, with the same scores over these 3 seeds." in group.sentence


def test_power_never_follows_the_difference_that_was_seen(tmp_path: Path) -> None:
    found = []
    for name, mean in (("a", 0.969), ("b", 0.962)):
        write_sizes(tmp_path / name, {128: 0.97, 64: mean}, 0.01, seeds=3)
        each = group_of(tmp_path / name).configurations[1]
        found.append(each.detectable)
    assert found[0] == pytest.approx(found[1], rel=1e-6) and found[0]


@pytest.mark.parametrize(
    ("margin", "words"), [("2", "write 0.02 or 2%"), ("-1", "no positive number"), ("x", "no positive number"), ("0", "no pos")]
)
def test_a_margin_that_cannot_be(tmp_path: Path, margin: str, words: str) -> None:
    write_run(tmp_path)
    with pytest.raises(UsageError) as caught:
        make_report([tmp_path], margin=margin)
    assert words in f"{caught.value.message} {caught.value.hint}"
