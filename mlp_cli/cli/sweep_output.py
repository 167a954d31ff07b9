"""What `mlp sweep` prints: the end of a sweep and a dry run, as lines and as JSON."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlp_cli.sweep.driver import Outcome
    from mlp_cli.sweep.forecast import Forecast
    from mlp_cli.sweep.sweepfile import SweepPlan

_STOPPED = {
    "signal": "interrupted",
    "budget": "the budget is used up",
    "failures": "stopped after too many failures in a row",
}


def end_lines(planned: SweepPlan, outcome: Outcome) -> list[str]:
    """The end of a sweep: how the configurations compare, the best, the counts, the time, and what failed."""
    from mlp_cli.sweep.summary import best_lines, count_line, failure_lines, ranking_lines
    from mlp_cli.text import counted

    summary = outcome.summary
    ranking = ranking_lines(summary)
    lines = [*ranking, *([""] if ranking else []), *best_lines(summary)]
    lines.append(f"runs        {count_line(summary)}")
    idle = not outcome.trained and not summary.unfinished
    trained = "nothing was left to train" if idle else f"{counted(outcome.trained, 'run')} trained"
    lines += [f"time        {outcome.seconds:.1f} s, {trained}", f"folder      {planned.folder}"]
    return lines + failure_lines(summary)


def last_lines(planned: SweepPlan, outcome: Outcome, command: list[str], page: Path | None, timeout: float | None) -> list[str]:
    """Where the report is, whether the sweep was stopped, and how to go on."""
    from mlp_cli.sweep.summary import retry_line
    from mlp_cli.text import counted

    lines = []
    if page is not None:
        others = f", with {counted(outcome.earlier, 'run')} of earlier commands" if outcome.earlier else ""
        lines.append(f"report      {page}{others}")
    elif set(outcome.summary.counts) - {"not started", "unreadable"}:  # without a run there is nothing to report
        lines.append(f"report      none yet; any time: {shlex.join(['mlp', 'report', str(planned.folder)])}")
    if outcome.stopped is not None:
        lines.append(f"{_STOPPED[outcome.stopped]}; {counted(outcome.summary.unfinished, 'run')} unfinished")
    retry = retry_line(outcome.summary, command, timeout)
    return [*lines, *([retry] if retry else [])]


def document(planned: SweepPlan, outcome: Outcome, command: list[str], timeout: float | None) -> dict[str, Any]:
    """The end of a sweep as one JSON document."""
    from mlp_cli.sweep.summary import retry_line

    summary = outcome.summary
    retry = retry_line(summary, command, timeout)
    return {
        "name": planned.name,
        "hash": planned.hash,
        "folder": str(planned.folder),
        "metric": planned.metric,
        "mode": planned.mode,
        "stopped": outcome.stopped,
        "seconds": round(outcome.seconds, 3),
        "trained": outcome.trained,
        "counts": dict(summary.counts),
        "unfinished": summary.unfinished,
        "earlier": outcome.earlier,
        "best": asdict(summary.best) if summary.best else None,
        "winners": [asdict(winner) for winner in summary.winners],
        "configurations": [asdict(result) for result in summary.results],
        "failed": [
            {"id": trial.id, "label": trial.label, "status": trial.status, "error": trial.error, "attempts": trial.attempts}
            for trial in summary.wrong
        ],
        "retry": retry.partition(": ")[2] if retry else None,
    }


def forecast_lines(planned: SweepPlan, expected: Forecast) -> list[str]:
    """A dry run: the members, the plan of workers and threads, and what it will take."""
    from mlp_cli.sweep.progress import workload_text
    from mlp_cli.text import counted

    lines = [f"note: {text}" for text in expected.notices] + list(expected.labels)
    more = "" if expected.complete else f"; the sampler proposes the rest of its {planned.trials} configurations as it learns"
    lines += [
        "",
        f"folder      {planned.folder}",
        f"runs        {len(expected.labels):,}, of which {expected.missing:,} are left to train{more}",
        f"plan        {workload_text(expected.workload)}",
        f"time        about {_duration(expected.seconds)}",
        f"disk        about {expected.disk / 2**20:,.1f} MiB",
    ]
    if planned.rungs:
        rungs = ", ".join(map(str, planned.rungs[:-1]))
        lines.append(f"pruning     at epoch {rungs}; {counted(planned.rungs[-1], 'epoch')} for the best")
    return lines


def forecast_document(planned: SweepPlan, expected: Forecast) -> dict[str, Any]:
    """A dry run as one JSON document."""
    return {
        "name": planned.name,
        "hash": planned.hash,
        "folder": str(planned.folder),
        "runs": list(expected.labels),
        "missing": expected.missing,
        "complete": expected.complete,
        "workers": expected.workload.workers,
        "threads": expected.workload.threads,
        "seconds": expected.seconds,
        "disk_bytes": expected.disk,
        "notices": list(expected.notices),
    }


def _duration(seconds: float) -> str:
    """`12 s`, `3.4 minutes`, `2.1 hours`."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
