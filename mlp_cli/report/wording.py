"""Values in words and digits: how the page and its figures name metrics and settings, and print numbers."""

from __future__ import annotations

import math
import re

from mlp_cli.plots.style import number
from mlp_cli.report.model import Group, Summary
from mlp_cli.text import is_percent, metric_name

NOTHING = "–"
"""What stands for a value that is not there."""

_SMALLEST, _LARGEST = 1e-5, 1e7
"""Beyond these a number is in powers of ten."""

_SHARE = re.compile("^[a-z]+_(macro_f1$|calibration_error$|precision_|recall_)")
_NEVER_NEGATIVE = ("_loss", "_rmse", "_mae", "_brier_score")
"""The scores from 0 to 1 that are no accuracies, and those that end below only."""

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]|[\U000e0000-\U000e0fff]"
)
"""Characters that cannot be seen but change what is: controls, marks of direction, tags, half of a pair."""


def plain(text: object) -> str:
    r"""Text whose unseen characters are spelt out (`\u202e`), so that a name reads as it is stored and nothing is turned around."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), str(text))


def cut(text: object, characters: int) -> str:
    """Text of at most so many characters, cut with an ellipsis."""
    whole = plain(text)
    return whole if len(whole) <= characters else whole[: max(1, characters - 1)].rstrip() + "…"


def scaled(metric: str, value: float) -> float:
    """A metric's value on the scale it is shown on."""
    return 100.0 * value if is_percent(metric) else value


def possible(metric: str, value: float) -> bool:
    """Whether a metric can have a value (on the scale it is shown on)."""
    return floor(metric) <= value <= ceiling(metric)


def floor(metric: str) -> float:
    """The smallest value of a metric on the scale it is shown on."""
    return 0.0 if is_percent(metric) or _SHARE.search(metric) or metric.endswith(_NEVER_NEGATIVE) else -math.inf


def ceiling(metric: str) -> float:
    """The largest value of a metric on the scale it is shown on."""
    if is_percent(metric):
        return 100.0
    if metric.endswith("_brier_score"):
        return 2.0
    return 1.0 if metric.endswith("_r2") or _SHARE.search(metric) else math.inf


def is_loss(metric: str) -> bool:
    """Whether a metric is a loss, which is never negative."""
    return metric.endswith("_loss")


def metric_label(metric: str, group: Group) -> str:
    """The name of a metric and its unit, for an axis or a heading."""
    if is_percent(metric):
        return f"{metric_name(metric)} (%)"
    unit = loss_unit(group) if is_loss(metric) else ""
    return f"{metric_name(metric)} ({unit})" if unit else metric_name(metric)


def loss_unit(group: Group) -> str:
    """The unit of a group's losses; empty where its configurations do not agree on one."""
    from mlp_cli.nn.losses import losses  # heavy, and not needed to list runs

    names = {str(each.config.get("loss", "cross_entropy")) for each in group.configurations}
    units = {losses[name].unit if name in losses else "" for name in names}
    return units.pop() if len(units) == 1 else ""


def decimals(metric: str, spread: float | None) -> int:
    """How many decimals a metric gets: as many as show two digits of its spread (already on the scale shown)."""
    least, most = (1, 3) if is_percent(metric) else (0, 6)
    if not spread or not math.isfinite(spread):
        return 2 if is_percent(metric) else 4
    return min(most, max(least, 1 - math.floor(math.log10(abs(spread)))))


def digits(value: float | None, places: int) -> str:
    """A number with so many decimals and a real minus sign; very large and very small ones in powers of ten; a dash for None."""
    if value is None:
        return NOTHING
    if not math.isfinite(value):
        return "not finite"
    if value and not _SMALLEST <= abs(value) < _LARGEST:
        return number(float(f"{value:.3e}"))
    return _fixed(value, places)


def _fixed(value: float, places: int) -> str:
    return f"{value:.{places}f}".replace("-", "−")


def _pair(metric: str, first: float, word: str, second: float, spread: float) -> str:
    """Two numbers with as many decimals as their spread asks for, both in one notation: `(1.20 to 3.40)·10⁸`."""
    size = max(abs(first), abs(second))
    if not math.isfinite(size):
        return f"{digits(first, 0)} {word} {digits(second, 0)}"
    places = decimals(metric, spread)
    seen = is_percent(metric) or not spread or round(spread, places) > 0
    if size == 0 or (_SMALLEST <= size < _LARGEST and seen):
        return f"{_fixed(first, places)} {word} {_fixed(second, places)}"
    exponent = max(-300, math.floor(math.log10(size)))
    power = 10.0**exponent
    places = min(3, decimals(metric, spread / power))
    return f"({_fixed(first / power, places)} {word} {_fixed(second / power, places)})·{number(power)}"


def mean_and_sd(metric: str, summary: Summary | None) -> str:
    """`97.59 ± 0.12`, or the mean alone where there is no standard deviation; a dash without values."""
    return NOTHING if summary is None else value_text(metric, summary.mean, summary.sd)


def value_text(metric: str, mean: float, sd: float | None) -> str:
    """A mean and its standard deviation, both as they are stored, without a unit: `97.59 ± 0.12`."""
    if sd is None:
        return digits(scaled(metric, mean), decimals(metric, None))
    spread = scaled(metric, sd)
    return _pair(metric, scaled(metric, mean), "±", spread, spread)


def score_text(metric: str, mean: float, sd: float | None = None) -> str:
    """A score with its unit: `97.81 ± 0.12 %` for an accuracy, `0.0837 ± 0.0012` for a loss."""
    return value_text(metric, mean, sd) + (" %" if is_percent(metric) else "")


def ends(metric: str, summary: Summary, difference: bool = False) -> tuple[float, float] | None:
    """The ends of a 95 % interval on the scale it is shown on, cut at what the metric can be; None where there is none.

    difference: the interval is one of differences, which may be negative.
    """
    if summary.low is None or summary.high is None:
        return None
    highest = ceiling(metric) - floor(metric) if difference else ceiling(metric)
    lowest = -highest if difference else floor(metric)
    return max(lowest, scaled(metric, summary.low)), min(highest, scaled(metric, summary.high))


def interval(metric: str, summary: Summary | None, difference: bool = False) -> str:
    """`97.44 to 97.74`, the 95 % interval, or nothing. One that would go on beyond what is possible says so: `(cut)`."""
    if summary is None or summary.sd is None or (cut := ends(metric, summary, difference)) is None:
        return ""
    whole = scaled(metric, summary.low or 0.0), scaled(metric, summary.high or 0.0)
    return _pair(metric, cut[0], "to", cut[1], scaled(metric, summary.sd)) + ("" if cut == whole else " (cut)")


def duration(seconds: float | None) -> str:
    """Seconds with one decimal, short ones with two digits, many without; a dash for None."""
    if seconds is None or not 0 < seconds < 1:
        return digits(seconds, 1 if (seconds or 0) < 100 else 0)
    return digits(seconds, 1 - math.floor(math.log10(seconds)))


def p_value(p: float | None) -> str:
    """An adjusted p-value to three decimals, `< 0.001` below."""
    if p is None:
        return NOTHING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def first_upper(text: str) -> str:
    """Text with its first letter large."""
    return text[:1].upper() + text[1:]
