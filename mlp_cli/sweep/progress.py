"""What a person sees of a sweep: a bar on a terminal, a line for each stint that is over, the forecast and the end."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from mlp_cli.report.wording import score_text
from mlp_cli.runs import TIMEOUT
from mlp_cli.sweep.driver import Outcome
from mlp_cli.sweep.forecast import Forecast, Workload
from mlp_cli.sweep.sweepfile import SweepPlan
from mlp_cli.sweep.trials import WRONG, Trial
from mlp_cli.text import counted, metric_name
from mlp_cli.training.progress import bar_type

if TYPE_CHECKING:
    from tqdm import tqdm

_MOST_FAILURES = 20
_STOPPED = {
    "signal": "interrupted",
    "budget": "the budget is used up",
    "failures": "stopped after too many failures in a row",
}


class Lines:
    """A listener that writes plain lines, and counts; with `quiet`, it writes none.

    best: the best value of the metric that a single member reached.
    """

    def __init__(self, stream: TextIO, notices: TextIO, metric: str, mode: str, quiet: bool = False) -> None:
        self.stream, self.notices, self.quiet = stream, notices, quiet
        self.metric, self.sign = metric, 1 if mode == "max" else -1
        self.total = self.done = self.wrong = 0
        self.best: float | None = None

    def begin(self, stints: int, epochs: int, workload: Workload) -> None:
        """Says how much there is to do, and by how many."""
        self.total = stints
        self._write(self.stream, f"training with {workload}")

    def skip(self, stints: int, epochs: int) -> None:
        """Counts what is done already."""
        self.done += stints
        if stints:
            self._write(self.stream, f"[{self.done}/{self.total}] {stints:,} done before")

    def advance(self, epochs: int) -> None:
        """Says nothing: a stint has its line when it is over."""

    def finished(self, trial: Trial) -> None:
        """Writes the line of a stint."""
        self.done += 1
        self.wrong += trial.status in WRONG
        text = f"[{self.done:{len(str(self.total))}}/{self.total}] {trial.label}  {trial.status}"
        value = trial.metrics.get(self.metric)
        if trial.status == "completed" and value is not None:
            self.best = value if self.best is None else self.sign * max(self.sign * value, self.sign * self.best)
            text += f"  {metric_name(self.metric)} {score_text(self.metric, value)}"
        if trial.status == "completed" and trial.seconds is not None:
            text += f"  {trial.seconds:.1f} s"
        if trial.status == "pruned":
            text += f" at epoch {trial.epochs}"
        if trial.status in WRONG:
            text += f"  {trial.reason}"
        self._write(self.stream, text)

    def notify(self, text: str) -> None:
        """Writes a notice."""
        self._write(self.notices, f"note: {text}")

    def end(self) -> None:
        """Nothing is left open."""

    def _write(self, stream: TextIO, text: str) -> None:
        if not self.quiet:
            stream.write(text + "\n")
            stream.flush()


class Bar(Lines):
    """A listener with one tqdm bar over the epochs of all stints: both counts, the best so far, and the time that is left."""

    def __init__(self, stream: TextIO, metric: str, mode: str) -> None:
        super().__init__(stream, stream, metric, mode)
        self.bar: tqdm | None = None

    def begin(self, stints: int, epochs: int, workload: Workload) -> None:
        """Draws the bar."""
        super().begin(stints, epochs, workload)
        form = "{desc}, {n_fmt}/{total_fmt} epochs|{bar}| {elapsed}<{remaining}{postfix}"
        self.bar = bar_type()(total=epochs, file=self.stream, dynamic_ncols=True, bar_format=form, desc=f"0/{stints} runs")

    def skip(self, stints: int, epochs: int) -> None:
        """Moves the bar's beginning, so that the time that is left is reckoned from what was really trained."""
        super().skip(stints, epochs)
        if self.bar is not None and epochs:
            self.bar.initial += epochs
            self._show(int(self.bar.n) + epochs)

    def advance(self, epochs: int) -> None:
        """Moves the bar."""
        if self.bar is not None and epochs != self.bar.n:
            self._show(epochs)

    def finished(self, trial: Trial) -> None:
        """Writes the line of a stint above the bar."""
        super().finished(trial)
        if self.bar is not None:
            self._show(int(self.bar.n))

    def end(self) -> None:
        """Closes the bar."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def _show(self, epochs: int) -> None:
        assert self.bar is not None
        self.bar.n = epochs
        self.bar.set_description_str(f"{self.done}/{self.total} runs", refresh=False)
        self.bar.set_postfix_str(self.state(), refresh=False)
        self.bar.refresh()

    def state(self) -> str:
        """What went wrong and the best so far, for the end of the bar."""
        parts = [f"{self.wrong} wrong"] if self.wrong else []
        return ", ".join(parts if self.best is None else [*parts, f"best {score_text(self.metric, self.best)}"])

    def _write(self, stream: TextIO, text: str) -> None:
        bar_type().write(text, file=stream)


def end_lines(planned: SweepPlan, outcome: Outcome) -> list[str]:
    """The end of a sweep: the counts by status, the time, the folder, and what went wrong and why."""
    idle = not outcome.trained and not outcome.unfinished
    trained = "nothing was left to train" if idle else f"{counted(outcome.trained, 'run')} trained"
    counts = ", ".join(f"{count:,} {status}" for status, count in outcome.counts.items())
    lines = [f"runs        {counts}", f"time        {outcome.seconds:.1f} s, {trained}", f"folder      {planned.folder}"]
    shown = outcome.wrong[:_MOST_FAILURES]
    width = max((len(trial.label) for trial in shown), default=0)
    lines += ["what went wrong:"] if shown else []
    lines += [f"  {trial.label:{width}}  {trial.status:9}  {trial.reason}" for trial in shown]
    rest = len(outcome.wrong) - len(shown)
    return [*lines, *([f"  and {rest:,} more; see trials.csv"] if rest else [])]


def last_lines(planned: SweepPlan, outcome: Outcome, command: Sequence[str], page: Path | None) -> list[str]:
    """Where the report is, whether the sweep was stopped, and how to go on."""
    lines = []
    if page is not None:
        others = f", without {counted(outcome.earlier, 'run')} of earlier commands" if outcome.earlier else ""
        lines.append(f"report      {page}{others}")
    elif set(outcome.counts) - {"not started", "unreadable"}:  # without a run there is nothing to report
        lines.append(f"report      none yet; any time: {shlex.join(['mlp', 'report', str(planned.folder)])}")
    if outcome.stopped is not None:
        lines.append(f"{_STOPPED[outcome.stopped]}; {counted(outcome.unfinished, 'run')} unfinished")
    return [*lines, *filter(None, [retry_line(outcome, command)])]


def retry_line(outcome: Outcome, command: Sequence[str]) -> str | None:
    """The exact command that goes on or retries, or None where nothing is left to do. What ran out of its time gets twice as much.

    command: the words of this one, `mlp`, `sweep` and so on.
    """
    if any(trial.status in ("failed", "unreadable") for trial in outcome.wrong):
        # After `sweep`, since behind a -- it would be taken for an override.
        text = shlex.join([*command[:2], "--retry-failed", *(word for word in command[2:] if word != "--retry-failed")])
        if any(trial.error == TIMEOUT for trial in outcome.wrong):
            longer = re.sub(r"(?<=--timeout[ =])\S+", lambda found: longer_time(found[0]), text)
            return f"to go on with more time: {longer}"
        return f"to retry what failed: {text}"
    return f"to go on: {shlex.join(command)}" if outcome.unfinished else None


def longer_time(duration: str) -> str:
    """Twice a duration: `20m` for `10m`."""
    return re.sub(r"[0-9]+(\.[0-9]+)?", lambda number: f"{2 * float(number[0]):g}", duration)


def forecast_lines(planned: SweepPlan, expected: Forecast) -> list[str]:
    """A dry run: the members, the plan of workers and threads, and what it will take."""
    more = "" if expected.complete else f"; the sampler proposes the rest of its {planned.trials} configurations as it learns"
    lines = [
        *(f"note: {text}" for text in expected.notices),
        *expected.labels,
        "",
        f"folder      {planned.folder}",
        f"runs        {len(expected.labels):,}, of which {expected.missing:,} are left to train{more}",
        f"plan        {expected.workload}",
        f"time        about {_duration(expected.seconds)}",
        f"disk        about {expected.disk / 2**20:,.1f} MiB",
    ]
    if planned.rungs:
        rungs = ", ".join(map(str, planned.rungs[:-1]))
        lines.append(f"pruning     at epoch {rungs}; {counted(planned.rungs[-1], 'epoch')} for the best")
    return lines


def _duration(seconds: float) -> str:
    """`12 s`, `3.4 minutes`, `2.1 hours`."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
