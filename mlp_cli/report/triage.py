"""Why runs failed or diverged, and what to try: read from their run.json and from how their siblings fared."""

from __future__ import annotations

from collections.abc import Sequence

from mlp_cli.config.resolved import show
from mlp_cli.report.model import WRONG, Configuration, Failure, Group, Run

_LONGEST = 300


def triage(group: Group) -> list[Failure]:
    """One entry for each run of a group that failed or diverged, in the order of the configurations and seeds."""
    wrong = [(run, each) for each in group.configurations for run in each.runs if run.status in WRONG]
    rates = _Rates(group.configurations)
    return [_diverged(run, each, rates) if run.status == "diverged" else _failed(run, each) for run, each in wrong]


class _Rates:
    """How the learning rates of a group fared, by all other settings: those that completed at every seed, and those that went
    wrong at some."""

    def __init__(self, configurations: Sequence[Configuration]) -> None:
        self.stable: dict[str, list[float]] = {}
        self.wrong: dict[str, list[float]] = {}
        for each in configurations:
            sound = each.n and not each.failed and not each.unfinished and not each.pruned
            if (rate := _rate(each)) is not None and (sound or each.failed):
                (self.stable if sound else self.wrong).setdefault(_others(each), []).append(rate)

    def range_of(self, each: Configuration) -> tuple[float, float] | None:
        """The smallest and the largest rate that was stable with the same other settings, or, where none was, with any."""
        rates = self.stable.get(_others(each)) or [rate for found in self.stable.values() for rate in found]
        return (min(rates), max(rates)) if rates else None


def _diverged(run: Run, each: Configuration, rates: _Rates) -> Failure:
    cause = _first_line(run)
    if (where := run.record.divergence) is not None:
        norm = "not finite" if where.gradient_norm is None else f"norm {where.gradient_norm:.3g}"
        cause = f"in epoch {where.epoch}, step {where.step:,}, layer {where.layer} had the largest gradient ({norm})"
        if where.dead_relus is not None:
            cause += f"; {100 * where.dead_relus:.0f} % of the ReLU units were 0 for the whole batch"
    lowest = min(rates.wrong.get(_others(each), ()), default=None)
    return Failure(run, each.label, cause, *_advice(_rate(each), rates.range_of(each), lowest))


def _advice(rate: float | None, stable: tuple[float, float] | None, lowest: float | None) -> tuple[str | None, str]:
    """The override to try against divergence, and the sentence with it.

    stable: see `_Rates.range_of`. lowest: the smallest rate that went wrong with the same other settings, as this one did.
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


def _others(each: Configuration) -> str:
    """All settings but the learning rate, as text."""
    return show({key: value for key, value in each.config.items() if key != "learning_rate"})


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
