"""Words that sweeps and reports share: counts, the names of metrics, and text that a spreadsheet takes for text."""

from __future__ import annotations

_PARTS = {"val": "validation", "test": "test", "train": "training"}
_SCORES = {"r2": "R²", "f1": "F1", "auc": "area under the curve"}
_HOSTILE = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 run`, `1,000 runs`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def is_percent(metric: str) -> bool:
    """Whether a metric is shown in percent: an accuracy."""
    return metric.endswith("accuracy")


def metric_name(metric: str) -> str:
    """`val_accuracy` as `validation accuracy`; a metric that is not known keeps its name."""
    part, _, score = metric.partition("_")
    if part not in _PARTS or not score:
        return metric
    return f"{_PARTS[part]} {_SCORES.get(score, score.replace('_', ' '))}"


def inert(text: str) -> str:
    """Text for a cell of a CSV file: what a spreadsheet would compute gets an apostrophe in front; a number is one."""
    return f"'{text}" if text.startswith(_HOSTILE) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
