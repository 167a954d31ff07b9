"""Summaries, intervals, Games–Howell: against scipy on known data, published tables, closed forms and arithmetic by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from mlp_cli.report.statistics import games_howell, paired, summarize, verdict
from mlp_cli.report.studentized import survival


def test_a_summary_worked_by_hand() -> None:
    # 2, 4, 4, 6: mean 4, squares of the differences 4 + 0 + 0 + 4 = 8, sd = √(8/3); t(0.975, 3) = 3.182446 (any t table)
    summary = summarize([2.0, 4.0, 4.0, 6.0])
    assert summary is not None and summary.n == 4 and summary.mean == 4
    assert summary.sd == pytest.approx(math.sqrt(8 / 3))
    assert summary.high == pytest.approx(4 + 3.182446 * math.sqrt(8 / 3) / 2, abs=1e-6)
    assert summary.low == pytest.approx(4 - 3.182446 * math.sqrt(8 / 3) / 2, abs=1e-6)


def test_a_summary_against_scipy() -> None:
    values = np.random.default_rng(3).normal(0.97, 0.002, 7).tolist()
    summary = summarize(values)
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert summary is not None and (summary.low, summary.high) == pytest.approx((interval.low, interval.high))


def test_a_summary_of_few_and_of_equal_values() -> None:
    assert summarize([]) is None
    one = summarize([0.9])
    assert one is not None and (one.mean, one.sd, one.low, one.high, one.n) == (0.9, None, None, None, 1)
    equal = summarize([0.1] * 3)  # a plain sum would leave an sd of 1e-17
    assert equal is not None and (equal.mean, equal.sd, equal.low, equal.high) == (0.1, 0.0, 0.1, 0.1)


def test_paired_differences_are_over_common_seeds() -> None:
    found = paired({0: 0.5, 1: 0.75, 3: 0.9}, {0: 0.25, 1: 0.25, 2: 0.1})
    assert found is not None and found.n == 2 and found.mean == 0.375
    assert paired({0: 1.0}, {1: 1.0}) is None


@pytest.mark.parametrize("groups", [2, 3, 16, 300])
@pytest.mark.parametrize("freedom", [2.0, 2.7, 11.5, 200.0])
def test_the_studentized_range_against_scipy(groups: int, freedom: float) -> None:
    q = np.array([0.0, 0.4, 2.0, 4.5, 30.0])
    assert survival(q, groups, freedom) == pytest.approx(stats.studentized_range.sf(q, groups, freedom), abs=1e-8)


def test_the_studentized_range_of_two_is_students_t() -> None:
    # with 2 degrees of freedom Student's two-sided p has a closed form: 1 − t / √(2 + t²), where q = √2 t
    t = np.array([0.5, 1.0, 4.302653, 20.0])
    assert survival(math.sqrt(2) * t, 2, 2.0) == pytest.approx(1 - t / np.sqrt(2 + t * t), abs=1e-9)


def test_games_howell_worked_by_hand() -> None:
    """Three samples of variance 1 and n = 3: v = 1/3 each, so q = d / √(1/3) = d·√3, and the degrees of freedom are
    (2/3)² / (2 · (1/3)² / 2) = 4. The table of the studentized range (Pearson and Hartley, Biometrika Tables, table 29) has
    q(0.05; 3, 4) = 5.04 and q(0.01; 3, 4) = 8.12: the 5 % level is at d = 5.04 / √3 = 2.910, the 1 % level at d = 4.688."""
    base = np.array([9.0, 10.0, 11.0])

    def p(d: float) -> float:
        value = games_howell([base + d, base, base + d / 2], 0)[1]
        assert value is not None
        return value

    assert p(2.905) > 0.05 > p(2.915)
    assert p(4.68) > 0.01 > p(4.70)


def test_games_howell_of_two_unequal_samples_is_welchs_test() -> None:
    # (1, 2, 3) and (4, 6, 8): v = 1/3 and 4/3, t = 4 / √(5/3) = 3.0984, 50/17 degrees of freedom
    value = games_howell([[1.0, 2.0, 3.0], [4.0, 6.0, 8.0]], 1)[0]
    assert value == pytest.approx(2 * stats.t.sf(4 / math.sqrt(5 / 3), 50 / 17), abs=1e-9)


def test_games_howell_against_scipy() -> None:
    generator = np.random.default_rng(5)
    samples = [generator.normal(mean, sd, n) for mean, sd, n in ((0, 1, 3), (1, 3, 5), (2, 0.2, 10), (0.5, 1, 4), (2, 0.5, 3))]
    expected = stats.tukey_hsd(*samples, equal_var=False).pvalue
    for reference in range(len(samples)):
        found = games_howell([sample.tolist() for sample in samples], reference)
        assert found[reference] is None
        for index, value in enumerate(found):
            assert index == reference or value == pytest.approx(expected[index, reference], abs=1e-8)


def test_samples_of_fewer_than_three_take_no_part() -> None:
    samples = [[1.0, 2.0, 3.0], [2.0, 3.0, 5.0], [9.0, 9.5], [4.0]]
    found = games_howell(samples, 0)
    assert found[1] == games_howell(samples[:2], 0)[1] and found[2] is None and found[3] is None
    assert games_howell(samples, 2) == [None] * 4


def test_samples_without_any_spread() -> None:
    assert games_howell([[0.5] * 3, [0.5] * 4, [0.25] * 3, [0.5, 0.5, 0.75]], 0)[1:3] == [1.0, 0.0]
    mixed = games_howell([[0.5] * 3, [0.1, 0.2, 0.3]], 0)[1]  # one spread is enough for Welch: t = 0.3·√3 / 0.1, 2 degrees
    assert mixed == pytest.approx(2 * stats.t.sf(0.3 * math.sqrt(3) / 0.1, 2), abs=1e-9)


@pytest.mark.parametrize(
    ("p", "difference", "higher", "expected"),
    [
        (None, -1.0, True, "too few seeds"),
        (0.05, -1.0, True, "indistinguishable"),
        (0.049, -1.0, True, "worse"),
        (0.049, 1.0, True, "better"),
        (0.049, 1.0, False, "worse"),
        (0.0, -1.0, False, "better"),
    ],
)
def test_verdicts(p: float | None, difference: float, higher: bool, expected: str) -> None:
    assert verdict(p, difference, higher) == expected
