"""Why runs failed or diverged, and what to try: read from their run.json and from how their siblings fared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlp_cli.config.resolved import show
from mlp_cli.report.model import WRONG, Configuration, Failure, Group, Run

_LONGEST = 300


def triage(group: Group) -> list[Failure]:
    """One entry for each run of a group that failed or diverged, in the order of the configurations and seeds."""
    wrong = [(run, each) for each in group.configurations for run in each.runs if run.status in WRONG]
    return [_diverged(run, each, group) if run.status == "diverged" else _failed(run, each) for run, each in wrong]


def _diverged(run: Run, each: Configuration, group: Group) -> Failure:
    cause = _first_line(run)
    if (where := run.record.divergence) is not None:
        norm = "not finite" if where.gradient_norm is None else f"norm {where.gradient_norm:.3g}"
        cause = f"in epoch {where.epoch}, step {where.step:,}, layer {where.layer} had the largest gradient ({norm})"
        if where.dead_relus is not None:
            cause += f"; {100 * where.dead_relus:.0f} % of the ReLU units were 0 for the whole batch"
    wrong = [other for other in group.configurations if other.failed and _without_rate(other) == _without_rate(each)]
    lowest = min((rate for other in (each, *wrong) if (rate := _rate(other)) is not None), default=None)
    return Failure(run, each.label, cause, *_advice(_rate(each), _stable(each, group.configurations), lowest))


def _advice(rate: float | None, stable: tuple[float, float] | None, lowest: float | None) -> tuple[str | None, str]:
    """The override to try against divergence, and the sentence with it.

    stable: see `_stable`. lowest: the smallest rate that went wrong with the same other settings, as this one did.
    """
    if rate is None or lowest is None:
        return None, "try a smaller learning rate"
    if stable is not None and stable[1] < rate:
        override = f"learning_rate={show(stable[1])}"
        seen = f"from {show(stable[0])} to {show(stable[1])}" if stable[0] < stable[1] else f"at {show(stable[1])}"
        return override, f"learning rate {show(rate)} is above the range that was stable here ({seen}); try {override}"
    override = f"learning_rate={min(lowest / 10, 0.1):.3g}"
    if stable is not None:
        return override, f"learning rates up to {show(stable[1])} were stable elsewhere, but not here; try {override}"
    return override, f"no learning rate was stable here; try {override}"


def _stable(each: Configuration, configurations: Sequence[Configuration]) -> tuple[float, float] | None:
    """The smallest and the largest learning rate of the configurations that completed at every seed: of those that differ from
    this one in nothing else, or, where there are none, of all."""
    sound = [other for other in configurations if other.n and not other.failed and not other.unfinished and not other.pruned]
    alike = [other for other in sound if _without_rate(other) == _without_rate(each)]
    rates = [rate for other in alike or sound if (rate := _rate(other)) is not None]
    return (min(rates), max(rates)) if rates else None


def _without_rate(each: Configuration) -> dict[str, Any]:
    return {key: value for key, value in each.config.items() if key != "learning_rate"}


def _rate(each: Configuration) -> float | None:
    rate = each.config.get("learning_rate")
    return float(rate) if rate is not None else None


def _failed(run: Run, each: Configuration) -> Failure:
    cause = _first_line(run)
    if any(words in cause.lower() for words in ("memoryerror", "out of memory", "unable to allocate")):
        size = each.config.get("batch_size")
        override = f"batch_size={max(1, size // 2) if type(size) is int else 128}"
        return Failure(run, each.label, cause, override, f"the memory was not enough; try {override}")
    again = "the same command starts a failed run afresh, in a sweep with --retry-failed; --debug shows where it went wrong"
    return Failure(run, each.label, cause, None, again)


def _first_line(run: Run) -> str:
    text = next(iter(str(run.record.error or "").splitlines()), "") or "no reason was written"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
