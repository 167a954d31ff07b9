"""What a person sees while a sweep trains: one bar for all of it on a terminal, and one line for each stint that is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from mlp_cli.report.wording import score_text
from mlp_cli.sweep.planner import Workload
from mlp_cli.sweep.summary import WRONG, reason
from mlp_cli.sweep.trials import Trial
from mlp_cli.text import counted, metric_name

if TYPE_CHECKING:
    from tqdm import tqdm


def workload_text(workload: Workload) -> str:
    """`2 workers × 1 thread`."""
    return f"{counted(workload.workers, 'worker')} × {counted(workload.threads, 'thread')}"


class Tally:
    """Counts what is over, and keeps the best value of the metric that a single member reached."""

    def __init__(self, metric: str, mode: str) -> None:
        self.metric, self.sign = metric, 1 if mode == "max" else -1
        self.total = self.done = self.wrong = 0
        self.best: Trial | None = None

    def add(self, trial: Trial) -> None:
        """Takes a stint that is over."""
        self.done += 1
        self.wrong += trial.status in WRONG
        value = trial.metrics.get(self.metric)
        if trial.status == "completed" and value is not None:
            best = None if self.best is None else self.best.metrics.get(self.metric)
            if best is None or self.sign * value > self.sign * best:
                self.best = trial

    def line(self, trial: Trial) -> str:
        """One plain line about a stint that is over."""
        width = len(str(self.total))
        text = f"[{self.done:{width}}/{self.total}] {trial.label}  {trial.status}"
        value = trial.metrics.get(self.metric)
        if trial.status == "completed" and value is not None:
            text += f"  {metric_name(self.metric)} {score_text(self.metric, value)}"
        if trial.status == "completed" and trial.seconds is not None:
            text += f"  {trial.seconds:.1f} s"
        if trial.status == "pruned":
            text += f" at epoch {trial.epochs}"
        if trial.status in WRONG:
            text += f"  {reason(trial)}"
        return text

    def state(self) -> str:
        """The counts and the best so far, for the bar."""
        parts = [f"{self.wrong} wrong"] if self.wrong else []
        if self.best is not None:
            value = self.best.metrics.get(self.metric) or 0.0
            parts.append(f"best {score_text(self.metric, value)} ({self.best.label})")
        return ", ".join(parts)


class Lines:
    """A listener that writes plain lines; with `quiet`, none."""

    def __init__(self, stream: TextIO, notices: TextIO, metric: str, mode: str, quiet: bool = False) -> None:
        self.stream, self.notices, self.quiet = stream, notices, quiet
        self.tally = Tally(metric, mode)

    def begin(self, stints: int, workload: Workload) -> None:
        """Says how much there is to do, and by how many."""
        self.tally.total = stints
        self._write(self.stream, f"training with {workload_text(workload)}")

    def skip(self, count: int) -> None:
        """Counts what is done already."""
        self.tally.done += count
        if count:
            self._write(self.stream, f"[{self.tally.done}/{self.tally.total}] {count:,} done before")

    def finished(self, trial: Trial) -> None:
        """Writes the line of a stint."""
        self.tally.add(trial)
        self._write(self.stream, self.tally.line(trial))

    def notify(self, text: str) -> None:
        """Writes a notice."""
        self._write(self.notices, f"note: {text}")

    def end(self) -> None:
        """Nothing is left open."""

    def _write(self, stream: TextIO, text: str) -> None:
        if not self.quiet:
            stream.write(text + "\n")
            stream.flush()


class Bar:
    """A listener with one tqdm bar over all stints: counts, the best so far, and the time that is left."""

    def __init__(self, stream: TextIO, metric: str, mode: str) -> None:
        self.stream = stream
        self.tally = Tally(metric, mode)
        self.bar: tqdm | None = None

    def begin(self, stints: int, workload: Workload) -> None:
        """Draws the bar."""
        from tqdm import tqdm

        self.tally.total = stints
        self.bar = tqdm(
            total=stints,
            file=self.stream,
            unit="run",
            dynamic_ncols=True,
            desc=workload_text(workload),
            bar_format="{desc} {n_fmt}/{total_fmt}|{bar}| {elapsed}<{remaining}{postfix}",
        )

    def skip(self, count: int) -> None:
        """Moves the bar's beginning, so that the time that is left is reckoned from what was really trained."""
        self.tally.done += count
        if self.bar is not None and count:
            self.bar.initial += count
            self.bar.n += count
            self.bar.refresh()

    def finished(self, trial: Trial) -> None:
        """Writes the line of a stint above the bar."""
        self.tally.add(trial)
        self._write(self.tally.line(trial))
        if self.bar is not None:
            self.bar.set_postfix_str(self.tally.state(), refresh=False)
            self.bar.update(1)

    def notify(self, text: str) -> None:
        """Writes a notice above the bar."""
        self._write(f"note: {text}")

    def end(self) -> None:
        """Closes the bar."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def _write(self, text: str) -> None:
        from tqdm import tqdm

        tqdm.write(text, file=self.stream)
