"""Words: safe text for terminals and spreadsheets, lists, counts, and the names of metrics."""

from __future__ import annotations

import math
from collections.abc import Sequence

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
"""What turns the digits of an exponent into raised ones."""

_PARTS = {"val": "validation", "test": "test", "train": "training"}
_SCORES = {"r2": "R²", "f1": "F1", "auc": "area under the curve", "rmse": "RMSE", "mae": "mean absolute error"}
_HOSTILE = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def one_line(text: str, limit: int = 60) -> str:
    """`text` on one line of at most `limit` characters, with everything escaped that a terminal could act on."""
    short = text[: limit + 1]
    safe = "".join(char if char.isprintable() else _escaped(char) for char in short)
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


def _escaped(char: str) -> str:
    return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(char) or ascii(char)[1:-1]


def listed(names: Sequence[str], most: int = 30) -> str:
    """`a, b, c`, cut after `most` names."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest:,} more" if rest > 0 else "")


def either(names: Sequence[str], word: str = "or") -> str:
    """`a, b or c`."""
    return f" {word} ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 run`, `1,000 runs`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def quantity_text(value: float, digits: int = 5) -> str:
    """A number with so many digits in the one notation of quantities: `0.89023`, `84,740`, and `7.1808·10⁹` from 10⁹ on."""
    if not math.isfinite(value) or not value:
        return f"{value:g}"
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    power = int(exponent)
    if -5 < power < 9:
        text = f"{value:,.{max(0, digits - 1 - power)}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        text = f"{float(mantissa):.{digits}g}·10{str(power).translate(RAISED)}"
    return text.replace("-", "−")


def megabytes(count: int) -> str:
    """Bytes as `12.3 MB`, with one decimal and at least 0.1."""
    return f"{max(count / 1e6, 0.1 if count else 0.0):,.1f} MB"


def is_percent(metric: str) -> bool:
    """Whether a metric is shown in percent: an accuracy."""
    return metric.endswith("accuracy")


def metric_name(metric: str) -> str:
    """`val_accuracy` as `validation accuracy`; a metric that is not known keeps its name."""
    part, _, score = metric.partition("_")
    if part not in _PARTS or not score:
        return metric
    return f"{_PARTS[part]} {_SCORES.get(score, score.replace('_', ' ').replace('f1', 'F1'))}"


def inert(text: str) -> str:
    """Text for a cell of a CSV file: what a spreadsheet would compute gets an apostrophe in front; a number is one."""
    return f"'{text}" if text.startswith(_HOSTILE) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
