"""The driver with an executor that only pretends to train: deaths, busy runs, order, halving, budgets."""

import io
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from needs import need

from mlp_cli import build, runs
from mlp_cli.config import config_from_mapping
from mlp_cli.experiment import FILES
from mlp_cli.report.build import make_report
from mlp_cli.sweep import driver
from mlp_cli.sweep.driver import Limits, Outcome, run_sweep
from mlp_cli.sweep.forecast import Workload, forecast, stints
from mlp_cli.sweep.pool import Task, TaskResult
from mlp_cli.sweep.progress import Bar, Lines
from mlp_cli.sweep.sweepfile import Asked, SweepPlan, plan_sweep
from mlp_cli.sweep.trials import Trial

Behave = Callable[[Task], TaskResult | None]


def completed(job: Task, score: float | None = None, epochs: int = 9, status: str = "completed") -> TaskResult:
    """A run that went well: its folder, as a worker leaves it. The score is the learning rate unless it is given."""
    folder = Path(job.results) / job.run_id
    folder.mkdir(parents=True, exist_ok=True)
    config = config_from_mapping({**job.config, "name": job.label})
    score = config.learning_rate if score is None else score
    for name in FILES:
        (folder / name).write_text("x")
    done = epochs if job.until is None else job.until
    status = status if job.until is None or job.until >= epochs else "pruned"
    lines = [f"{epoch},1,1,{1 - score},{score},1\n" for epoch in range(1, done + 1)]
    header = "epoch,train_loss,train_accuracy,val_loss,val_accuracy,learning_rate\n"
    (folder / "metrics.csv").write_text(header + "".join(lines))
    record: dict[str, Any] = {"id": job.run_id, "name": job.label, "status": status, "error": None, "config_hash": config.hash()}
    record |= {"config": config.to_dict(), "epochs": done, "seconds": 1.0}
    record["metrics"] = {"val_loss": 1 - score, "val_accuracy": score} if status == "completed" else {}
    (folder / "run.json").write_text(json.dumps(record))
    return TaskResult(job.run_id, status, None)


@dataclass
class Pretender:
    """An executor that gives one result a call. behave: makes a job's result; None stands for one that is under way for ever.
    stuck: called where nothing else is under way."""

    behave: Behave = completed
    workers: int = 2
    stuck: Callable[[], None] = lambda: None
    order: list[Task] = field(default_factory=list)
    queue: list[Task] = field(default_factory=list)
    closed: bool = False

    def submit(self, job: Task) -> bool:
        if len(self.queue) == self.workers:
            return False
        self.order.append(job)
        self.queue.append(job)
        return True

    def results(self, timeout: float) -> list[TaskResult]:
        for job in list(self.queue):
            result = self.behave(job)
            if result is not None:
                self.queue.remove(job)
                return [result]
        self.stuck()
        time.sleep(min(timeout, 0.01))
        return []

    def cancel(self) -> None:
        self.behave = lambda job: TaskResult(job.run_id, "interrupted", "not started")

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> "Pretender":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Notes:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.lines: list[Trial] = []
        self.stints = self.skipped = self.epochs = self.done = 0

    def begin(self, stints: int, epochs: int, workload: Workload) -> None:
        self.stints, self.epochs = stints, epochs

    def skip(self, stints: int, epochs: int) -> None:
        self.skipped += stints

    def advance(self, epochs: int) -> None:
        self.done = epochs

    def finished(self, trial: Trial) -> None:
        self.lines.append(trial)

    def notify(self, text: str) -> None:
        self.said.append(text)

    def end(self) -> None:
        pass


@pytest.fixture
def plan(small_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., SweepPlan]:
    monkeypatch.chdir(tmp_path)
    return lambda *words, **asked: plan_sweep("small.yaml", ["epochs=9", *words], Path("results"), Asked(**asked))


@pytest.fixture
def overtime(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets an hour pass for whoever watches over a sweep's budget."""
    passed: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + sum(passed))
    monkeypatch.setattr(driver, "time", clock)
    return lambda: passed.append(3600.0)


def drive(planned: SweepPlan, executor: Pretender, limits: Limits | None = None) -> tuple[Outcome, Notes]:
    notes = Notes()
    outcome = run_sweep(planned, limits=limits or Limits(), listener=notes, open_pool=lambda **_: executor, workers=2)
    return outcome, notes


def best(planned: SweepPlan) -> dict[str, Any]:
    """What the report of a sweep names as the best."""
    (group,) = make_report([planned.folder]).groups
    assert group.best is not None
    return group.best.differs


def labels(executor: Pretender) -> list[str]:
    return [job.label for job in executor.order]


def test_members_run_seed_by_seed(plan: Callable[..., SweepPlan]) -> None:
    executor = Pretender()
    outcome, notes = drive(plan("learning_rate=0.1,0.2,0.3", seeds=2), executor)
    assert labels(executor) == [f"learning_rate-{rate}_seed-{seed}" for seed in (0, 1) for rate in (0.1, 0.2, 0.3)]
    assert executor.closed and outcome.trained == 6 and notes.stints == 6 and len(notes.lines) == 6
    assert best(plan("learning_rate=0.1,0.2,0.3", seeds=2)) == {"learning_rate": 0.3}
    job = executor.order[0]
    assert (job.results, job.threads, job.until) == (str(plan("learning_rate=0.1,0.2,0.3").runs), None, None)


def test_a_death_is_retried_and_then_final(plan: Callable[..., SweepPlan], tmp_path: Path) -> None:
    def behave(job: Task) -> TaskResult:
        if "0.2" in job.label:
            return TaskResult(job.run_id, "interrupted", "the worker was killed by SIGKILL", lost=True)
        return completed(job)

    executor = Pretender(behave)
    outcome, notes = drive(plan("learning_rate=0.1,0.2,0.3"), executor, Limits(max_attempts=3))
    assert labels(executor).count("learning_rate-0.2_seed-0") == 3
    assert sum("0.2" in job.label for job in executor.order) == 3
    assert sum("trying again" in text for text in notes.said) == 2
    (wrong,) = outcome.wrong
    assert (wrong.status, wrong.attempts) == ("failed", 3)
    assert wrong.error == "the worker was killed by SIGKILL" and wrong.reason == f"{wrong.error} (3 attempts)"
    record = runs.read_record(plan("learning_rate=0.1,0.2,0.3").runs / wrong.id)
    assert record is not None and record.status == "failed", "its own folder says so"
    again, notes = drive(plan("learning_rate=0.1,0.2,0.3"), Pretender(behave))
    assert again.trained == 0 and notes.skipped == 3 and len(again.wrong) == 1, "it counts as done"


def test_a_death_that_is_mended(plan: Callable[..., SweepPlan]) -> None:
    def behave(job: Task) -> TaskResult:
        return completed(job) if executor.order.count(job) == 2 else TaskResult(job.run_id, "interrupted", "gone", lost=True)

    executor = Pretender(behave)
    outcome, _ = drive(plan("learning_rate=0.1,0.2"), executor)
    assert outcome.counts == {"completed": 2}
    rows = (plan("learning_rate=0.1,0.2").folder / "trials.csv").read_text().splitlines()
    assert [row.split(",")[5] for row in rows[1:]] == ["2", "2"]


def test_a_run_that_another_process_has_is_waited_for_and_then_left(plan: Callable[..., SweepPlan]) -> None:
    asked: dict[str, int] = {}

    def behave(job: Task) -> TaskResult:
        asked[job.label] = asked.get(job.label, 0) + 1
        busy = ("0.1" in job.label and asked[job.label] < 3) or "0.2" in job.label
        return TaskResult(job.run_id, "running", "in use") if busy else completed(job)

    outcome, _ = drive(plan("learning_rate=0.1,0.2,0.3"), Pretender(behave))
    assert asked["learning_rate-0.1_seed-0"] == 3 and 3 < asked["learning_rate-0.2_seed-0"] < 10
    assert outcome.counts == {"completed": 2, "not started": 1} and not outcome.wrong


def test_a_stop_from_outside_is_no_end(plan: Callable[..., SweepPlan]) -> None:
    """Somebody ended one worker's run by a signal: it is tried again."""

    def behave(job: Task) -> TaskResult:
        return completed(job) if executor.order.count(job) == 2 else TaskResult(job.run_id, "interrupted", "interrupted")

    executor = Pretender(behave)
    outcome, _ = drive(plan("learning_rate=0.1,0.2"), executor)
    assert outcome.counts == {"completed": 2}


def test_a_run_that_is_stopped_from_outside_each_time_has_failed(plan: Callable[..., SweepPlan]) -> None:
    def behave(job: Task) -> TaskResult:
        return completed(job) if "0.1" in job.label else TaskResult(job.run_id, "interrupted", "interrupted")

    outcome, _ = drive(plan("learning_rate=0.1,0.2"), Pretender(behave))
    assert outcome.counts == {"completed": 1, "failed": 1} and outcome.unfinished == 0
    (wrong,) = outcome.wrong
    assert (wrong.error, wrong.attempts) == ("stopped from outside: interrupted", 2)
    record = runs.read_record(plan("learning_rate=0.1,0.2").runs / wrong.id)
    assert record is not None and record.status == "failed"


def test_threads_are_those_asked_for_or_those_of_before(plan: Callable[..., SweepPlan]) -> None:
    asked = Pretender()
    run_sweep(plan(), limits=Limits(), listener=Notes(), open_pool=lambda **_: asked, threads=2)
    assert [job.threads for job in asked.order] == [2]


def test_the_table_is_written_although_no_other_member_ends(
    plan: Callable[..., SweepPlan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "WRITE_EVERY", 0.2)
    planned = plan("learning_rate=0.1,0.2,0.3")
    end = time.monotonic() + 60

    def behave(job: Task) -> TaskResult | None:
        rows = (planned.folder / "trials.csv").read_text().splitlines() if (planned.folder / "trials.csv").exists() else []
        if "0.3" not in job.label or len(rows) == 3:
            return completed(job)
        return None if time.monotonic() < end else TaskResult(job.run_id, "failed", "not seen")

    assert drive(planned, Pretender(behave))[0].counts == {"completed": 3}


def test_a_failure_without_a_record_is_tried_again_by_the_next_start(plan: Callable[..., SweepPlan]) -> None:
    outcome, _ = drive(plan("learning_rate=0.1,0.2"), Pretender(lambda job: TaskResult(job.run_id, "failed", "disk full")))
    assert outcome.counts == {"failed": 2} and outcome.wrong[0].error == "disk full"
    assert drive(plan("learning_rate=0.1,0.2"), Pretender())[0].counts == {"completed": 2}


@pytest.mark.parametrize("status", ["failed", "diverged"])
def test_failures_in_a_row(plan: Callable[..., SweepPlan], status: str) -> None:
    def behave(job: Task) -> TaskResult:
        good = job.config["seed"] in (0, 2, 3)
        return completed(job, status="completed" if good else status)

    outcome, _ = drive(plan("learning_rate=0.1", seeds=10), Pretender(behave, workers=1), Limits(max_failures=2))
    assert outcome.stopped == "failures" and outcome.trained == 6
    assert outcome.counts == {"completed": 3, status: 3, "not started": 4}


def test_a_budget(plan: Callable[..., SweepPlan], overtime: Callable[[], None]) -> None:
    executor = Pretender(lambda job: completed(job) if "0.1" in job.label else None, stuck=overtime)
    outcome, _ = drive(plan("learning_rate=0.1,0.2,0.3"), executor, Limits(budget=1800.0))
    assert outcome.stopped == "budget" and executor.closed
    assert outcome.counts == {"completed": 1, "not started": 2} and outcome.unfinished == 2
    assert outcome.trained == 1, "what was only handed out does not count"


RATES = "learning_rate=" + ",".join(f"0.{number}" for number in (3, 9, 1, 8, 2, 5))


def test_halving_by_hand(plan: Callable[..., SweepPlan]) -> None:
    """Factor 3, 9 epochs, 6 configurations: the best two of epoch 1 go on to epoch 3, the best of them to the end."""
    executor = Pretender()
    outcome, notes = drive(plan(RATES, seeds=2, pruner="halving"), executor)
    stages = [(job.config["learning_rate"], job.config["seed"], job.until) for job in executor.order]
    assert stages == [
        *((float(f"0.{number}"), seed, 1) for seed in (0, 1) for number in (3, 9, 1, 8, 2, 5)),
        *((rate, seed, 3) for seed in (0, 1) for rate in (0.9, 0.8)),
        *((0.9, seed, None) for seed in (0, 1)),
    ]
    assert outcome.counts == {"completed": 2, "pruned": 10} and notes.stints == len(notes.lines) == 18
    again, notes = drive(plan(RATES, seeds=2, pruner="halving"), Pretender())
    assert again.trained == 0 and notes.skipped == notes.stints == 18, "the same rungs are judged from what is there"


def test_halving_judges_the_mean_over_seeds_and_leaves_failures_behind(plan: Callable[..., SweepPlan]) -> None:
    def behave(job: Task) -> TaskResult:
        rate, seed = job.config["learning_rate"], job.config["seed"]
        if (rate, seed) == (0.9, 1):
            return TaskResult(job.run_id, "failed", "boom")
        return completed(job, {0.3: 0.5, 0.9: 1.0, 0.1: seed * 0.9, 0.8: 0.4, 0.2: 0.1, 0.5: 0.0}[rate])

    executor = Pretender(behave)
    drive(plan(RATES, seeds=2, pruner="halving"), executor)
    promoted = {job.config["learning_rate"] for job in executor.order if job.until == 3}
    assert promoted == {0.3, 0.1}, "0.5 and (0 + 0.9) / 2"
    assert best(plan(RATES, seeds=2, pruner="halving")) == {"learning_rate": 0.3}


def test_a_wider_halving_promotes_whom_it_pruned_before(plan: Callable[..., SweepPlan]) -> None:
    drive(plan("learning_rate=0.1,0.2,0.3", pruner="halving"), Pretender())
    executor = Pretender()
    outcome, _ = drive(plan("learning_rate=0.1,0.2,0.3,0.05,0.06,0.07", pruner="halving"), executor)
    done = [(job.config["learning_rate"], job.until) for job in executor.order]
    assert done == [(0.05, 1), (0.06, 1), (0.07, 1), (0.2, 3)], "0.2 goes on from its pause, 0.3 is done"
    assert outcome.counts == {"completed": 1, "pruned": 5}


def test_what_fails_after_a_rung_does_not_change_its_decision(plan: Callable[..., SweepPlan]) -> None:
    """0.9 fails at epoch 2, after it was promoted; the next start must not promote another in its place."""

    def behave(job: Task) -> TaskResult:
        fails = job.config["learning_rate"] == 0.9 and job.until == 3
        result = completed(replace(job, until=2) if fails else job)
        if fails:
            path = Path(job.results) / job.run_id / "run.json"
            path.write_text(json.dumps({**json.loads(path.read_text()), "status": "failed", "error": "boom"}))
            result = TaskResult(job.run_id, "failed", "boom")
        return result

    first, _ = drive(plan(RATES, pruner="halving"), Pretender(behave))
    assert first.counts == {"completed": 1, "pruned": 4, "failed": 1} and first.unfinished == 0
    again, _ = drive(plan(RATES, pruner="halving"), Pretender())
    assert again.trained == 0 and again.counts == first.counts


def test_what_a_stopped_halving_has_left(
    plan: Callable[..., SweepPlan], overtime: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All six pause at the first rung, which is not judged when the budget ends: each of them may go on."""
    monkeypatch.setattr(build, "step_seconds", lambda trainer: 0.001)

    def expected(seeds: int | None = None) -> int:
        return forecast(plan(RATES, pruner="halving", seeds=seeds), 2, None, False).missing

    assert expected() == 6
    last = "0.5"
    outcome, _ = drive(
        plan(RATES, pruner="halving"),
        Pretender(lambda job: None if last in job.label else completed(job), stuck=overtime),
        Limits(budget=1800.0),
    )
    assert outcome.counts == {"pruned": 5, "not started": 1}
    assert outcome.unfinished == 6 == expected()
    outcome, _ = drive(plan(RATES, pruner="halving"), Pretender())
    assert outcome.unfinished == 0 == expected(), "those that were left behind are done"
    assert expected(seeds=2) == 11, "the rung is open again: all but the one that is completed"


def test_a_pause_is_told_once_although_the_sweep_stops_before_the_member_goes_on(
    plan: Callable[..., SweepPlan], overtime: Callable[[], None]
) -> None:
    executor = Pretender(lambda job: completed(job) if job.until == 1 else None, stuck=overtime)
    outcome, notes = drive(plan(RATES, pruner="halving"), executor, Limits(budget=1800.0))
    assert outcome.counts == {"pruned": 6} and outcome.unfinished == 2
    assert len(notes.lines) == 6


def test_what_the_sampler_has_yet_to_propose_is_unfinished(plan: Callable[..., SweepPlan], overtime: Callable[[], None]) -> None:
    need("optuna")
    planned = plan("learning_rate=uniform(0.01,0.99)", sampler="tpe", trials=10, seeds=2)
    outcome, _ = drive(planned, Pretender(lambda job: None, stuck=overtime), Limits(budget=1800.0))
    assert outcome.unfinished == 20


def test_tpe_hears_of_every_round(plan: Callable[..., SweepPlan]) -> None:
    need("optuna")
    executor = Pretender()
    planned = plan("learning_rate=uniform(0.01,0.99)", sampler="tpe", trials=6, seeds=2)
    outcome, notes = drive(planned, executor)
    assert outcome.trained == 12 and notes.stints == 12
    rates = [job.config["learning_rate"] for job in executor.order]
    assert rates[:4] == rates[4:8] and len(set(rates[:4])) == 4 and rates[8:10] == rates[10:]
    assert stints(plan("learning_rate=uniform(0.01,0.99)", sampler="tpe", trials=6, seeds=2, pruner="halving"), [9] * 4)[0] == 20


def test_tpe_stops_where_a_round_stays_unfinished(plan: Callable[..., SweepPlan]) -> None:
    need("optuna")
    executor = Pretender(lambda job: TaskResult(job.run_id, "running", "in use"))
    outcome, _ = drive(plan("learning_rate=uniform(0.01,0.99)", sampler="tpe", trials=8), executor)
    assert outcome.counts == {"not started": 4}


def test_lines_and_the_bar(capsys: pytest.CaptureFixture[str]) -> None:
    def trial(label: str, score: float | None, status: str = "completed", **more: Any) -> Trial:
        return Trial(label, label, {}, 0, status, metrics={} if score is None else {"val_accuracy": score}, **more)

    out, err = io.StringIO(), io.StringIO()
    lines = Lines(out, err, "val_accuracy", "max")
    bar_stream = io.StringIO()
    bar = Bar(bar_stream, "val_accuracy", "max")
    for listener in (lines, bar):
        listener.begin(12, 120, Workload(2, 1, 2))
        listener.skip(7, 70)
        listener.finished(trial("a", 0.5, seconds=1.25))
        listener.finished(trial("b", None, "failed", error="boom\nmore"))
        listener.finished(trial("c", None, "pruned", epochs=3))
        listener.notify("something")
        listener.end()
    assert out.getvalue().splitlines() == [
        "training with 2 workers × 1 thread",
        "[7/12] 7 done before",
        "[ 8/12] a  completed  validation accuracy 50.00 %  1.2 s",
        "[ 9/12] b  failed  boom",
        "[10/12] c  pruned at epoch 3",
    ]
    assert err.getvalue() == "note: something\n"
    shown = bar_stream.getvalue()
    assert "[ 8/12] a  completed" in shown and "10/12" in shown and "1 wrong, best 50.00 %" in shown
    quiet = Lines(out, err, "val_accuracy", "max", quiet=True)
    quiet.notify("x")
    assert "x" not in err.getvalue()


def test_the_bar_reads_in_80_columns_and_moves_inside_long_members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    stream = io.StringIO()
    bar = Bar(stream, "val_loss", "min")
    bar.begin(1200, 120_000, Workload(2, 1, 2))
    for number, score in enumerate((0.5, 0.2, 0.9)):
        bar.advance(100 * number + 50)
        bar.finished(Trial("x", "learning_rate-0.001_" * 4, {}, 0, "completed", metrics={"val_loss": score}))
    bar.advance(350)
    shown = re.split(r"[\r\n]+", stream.getvalue())
    bars = [line for line in shown if "epochs|" in line]
    assert bars and all(len(line) <= 80 for line in bars) and " 350/120000 epochs" in bars[-1] and "3/1200 runs" in bars[-1]
    assert bars[-1].rstrip().endswith("best 0.2000")


def test_epochs_are_counted_inside_members(plan: Callable[..., SweepPlan]) -> None:
    """Of three rates one is under way, with 4 of 9 epochs; halving counts those of each rung alone."""

    def behave(job: Task) -> TaskResult | None:
        if "0.3" not in job.label or executor.order.count(job) > 1:
            return completed(job)
        if not seen:
            completed(replace(job, until=4))
        seen.append(notes.done)
        return None if len(seen) < 3 else TaskResult(job.run_id, "interrupted", "")

    seen: list[int] = []
    notes = Notes()
    executor = Pretender(behave)
    run_sweep(plan("learning_rate=0.1,0.2,0.3"), limits=Limits(), listener=notes, open_pool=lambda **_: executor)
    assert notes.epochs == 27 and seen[-1] == 22 and notes.done == 27
    _, notes = drive(plan(RATES, pruner="halving"), Pretender())
    assert notes.epochs == notes.done == 6 * 1 + 2 * 2 + 1 * 6
