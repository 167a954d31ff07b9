"""`mlp sweep`."""

from __future__ import annotations

import shlex
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlp_cli import __version__
from mlp_cli.cli.options import (
    config_argument,
    on_terminal,
    output_options,
    parse_duration,
    parse_threads,
    print_json,
    results_option,
)
from mlp_cli.errors import MlpError, RunError, UsageError

if TYPE_CHECKING:
    from mlp_cli.report.model import Report
    from mlp_cli.sweep.driver import Listener, Outcome
    from mlp_cli.sweep.forecast import Forecast
    from mlp_cli.sweep.sweepfile import SweepPlan

_MARK = ".made"
_MOST_SHOWN = 10


@click.command(
    short_help="Train many runs and find the best.",
    epilog="Example: mlp sweep configs/mnist_adam_relu.yaml --lr 1e-4,1e-3,1e-2 optimizer=sgd,adam --seeds 3",
)
@config_argument
@click.argument("words", nargs=-1, metavar="[KEY=SPEC]...")
@results_option
@click.option("--lr", metavar="SPEC", help="Short for learning_rate=SPEC.")
@click.option("--seeds", type=click.IntRange(1, 10_000), help="Seeds of each configuration, from the config's seed on.")
@click.option("--workers", type=click.IntRange(1, 1024), help="Runs at a time.  [default: one a core]")
@click.option("--threads", metavar="N|auto", callback=parse_threads, help="BLAS threads of each run.  [default: 1]")
@click.option("--sampler", type=click.Choice(["grid", "random", "tpe"]), help="How configurations are chosen.  [default: grid]")
@click.option("--trials", type=click.IntRange(1, 1_000_000), help="Configurations that random and tpe try.")
@click.option("--pruner", type=click.Choice(["none", "halving"]), help="What stops poor runs early.  [default: none]")
@click.option(
    "--executor",
    type=click.Choice(["processes", "dask", "serial"]),
    default="processes",
    show_default=True,
    help="Where runs are trained.",
)
@click.option("--scheduler", metavar="ADDRESS", help="Dask scheduler to use, such as tcp://10.0.0.5:8786.")
@click.option("--retry-failed", is_flag=True, help="Train the failed runs again.")
@click.option(
    "--max-attempts",
    type=click.IntRange(1, 100),
    default=2,
    show_default=True,
    help="Attempts at a run whose worker dies.",
)
@click.option("--max-failures", type=click.IntRange(1), help="Stop after this many failures in a row.")
@click.option("--timeout", metavar="TIME", callback=parse_duration, help="Longest time of one run, such as 10m.")
@click.option("--budget", metavar="TIME", callback=parse_duration, help="Stop after this time; the same command goes on.")
@click.option("--dry-run", is_flag=True, help="Show the runs, the plan, and the time and disk they need; train nothing.")
@output_options
def sweep(
    config: Path,
    words: tuple[str, ...],
    results: Path,
    lr: str | None,
    seeds: int | None,
    workers: int | None,
    threads: int | str | None,
    sampler: str | None,
    trials: int | None,
    pruner: str | None,
    executor: str,
    scheduler: str | None,
    retry_failed: bool,
    max_attempts: int,
    max_failures: int | None,
    timeout: float | None,
    budget: float | None,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Train all runs that CONFIG and the values describe, on all cores, and name the best configuration.

    CONFIG is a config or a sweep file. KEY=VALUE overrides a key; several values make an axis: learning_rate=1e-4,1e-3,
    hidden_sizes=[64],[300,100], log(1e-4,1e-1,7), lin(0,0.5,6), and for samplers loguniform(a,b), uniform(a,b), int(a,b),
    int(a,b,step), logint(a,b), choice(a,b,c), also inside a list. Everything goes into results/<name>-<hash>. The same command
    again trains only what is missing; with more values or seeds it keeps the runs that are there.
    """
    started = time.monotonic()
    from mlp_cli.sweep.driver import Limits, run_sweep
    from mlp_cli.sweep.pool import check_pool, open_pool
    from mlp_cli.sweep.progress import end_lines, forecast_lines, last_lines
    from mlp_cli.sweep.sweepfile import Asked, plan_sweep

    check_pool(executor, workers, scheduler)
    workers = 1 if executor == "serial" else workers
    extra = [f"learning_rate={lr}"] if lr is not None else []
    planned = plan_sweep(config, [*words, *extra], results, Asked(seeds, sampler, trials, pruner))
    if dry_run:
        from mlp_cli.sweep.forecast import forecast

        expected = forecast(planned, workers, threads, retry_failed)
        if as_json:
            print_json(_forecast(planned, expected))
        elif not quiet:
            click.echo("\n".join(forecast_lines(planned, expected)))
        return 0
    command = ["mlp", *sys.argv[1:]]
    listener = _listener(planned, quiet, as_json)
    if not (quiet or as_json):
        click.echo(f"sweep {planned.folder}", err=on_terminal(as_json))
    outcome = run_sweep(
        planned,
        limits=Limits(retry_failed, max_attempts, max_failures, budget),
        listener=listener,
        open_pool=partial(open_pool, executor, timeout=timeout, scheduler=scheduler),
        workers=workers,
        threads=threads,
        command=shlex.join(command),
        started=started,
    )
    report, page, broken = _report(planned, outcome, listener)
    if as_json:
        print_json(_document(planned, outcome, command, report, page))
    elif not quiet:
        best = [] if report is None else [_table(report), ""]
        click.echo("\n".join([*best, *end_lines(planned, outcome), *last_lines(planned, outcome, command, page)]))
    if broken is not None:
        raise broken
    return _exit_code(outcome)


def _report(planned: SweepPlan, outcome: Outcome, listener: Listener) -> tuple[Report | None, Path | None, BaseException | None]:
    """Makes the report of the current members and writes it; after a signal none, lest it be waited for. Returns the report, its
    page, and an error that is raised once the sweep's own words are out: nothing that goes wrong here costs these."""
    from mlp_cli import files
    from mlp_cli.report.build import default_folder, make_report, write_report
    from mlp_cli.report.pictures import draw_winners
    from mlp_cli.training.stop import EndedBySignal

    report = None
    if outcome.signal is not None:
        return None, None, None
    try:
        whole = not outcome.earlier
        report = make_report([planned.folder] if whole else [planned.runs / run_id for run_id in outcome.present])
        report.paths = [planned.folder]
        home = default_folder(report.paths)
        page = home / "index.html"
        if _read(home / _MARK) != _mark(planned, outcome, page):
            draw_winners(report, planned.folder, listener.notify)
            page = write_report(report, home)
            files.write_text(home / _MARK, _mark(planned, outcome, page))
        return report, page, None
    except UsageError:  # no run's record can be read, as where no run could even begin
        listener.notify(f"there is no report: no run can be read in {planned.folder}")
        return report, None, None
    except (MlpError, EndedBySignal) as error:
        return report, None, error
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        click.echo(f"warning: the report could not be made ({reason}), which is a bug in mlp; the runs are not touched", err=True)
        return report, None, None


def _mark(planned: SweepPlan, outcome: Outcome, page: Path) -> str:
    """What the report's page depends on, and the page itself, which a report with other options may have replaced since: while all
    stays the same, the page is not drawn anew."""
    import hashlib

    paths = [planned.runs / run_id / name for run_id in sorted(outcome.present) for name in ("run.json", "metrics.csv")]
    paths.append(page)
    states = [path.stat() if path.exists() else None for path in paths]
    seen = [(str(path), state and (state.st_size, state.st_mtime_ns)) for path, state in zip(paths, states, strict=True)]
    return hashlib.sha256(repr((__version__, seen)).encode()).hexdigest()


def _read(path: Path) -> str | None:
    from mlp_cli import files

    try:
        return files.read_bytes(path, 1000, RunError).decode()
    except (RunError, UnicodeDecodeError):
        return None


def _table(report: Report) -> str:
    """The report's sentences and tables, of the best configurations alone where there are many."""
    import shutil

    from mlp_cli.report import tables

    tables.keep_top(report, _MOST_SHOWN)
    return tables.table_text(report, room=shutil.get_terminal_size().columns if sys.stdout.isatty() else None)


def _document(
    planned: SweepPlan, outcome: Outcome, command: list[str], report: Report | None, page: Path | None
) -> dict[str, Any]:
    """The end of a sweep as one JSON document. groups: as those of `mlp report --json`; best: where just one group has one."""
    from mlp_cli.report import tables
    from mlp_cli.sweep.progress import retry_line

    retry = retry_line(outcome, command)
    winners = [group.best for group in (report.groups if report else []) if group.best is not None]
    scores = [winner.metrics[planned.metric] for winner in winners if planned.metric in winner.metrics]
    best = [
        {"label": each.label, "values": each.differs, "n": each.n, "mean": score.mean, "sd": score.sd}
        for each, score in zip(winners, scores, strict=False)
    ]
    return {
        "name": planned.name,
        "hash": planned.hash,
        "folder": str(planned.folder),
        "metric": planned.metric,
        "mode": planned.mode,
        "stopped": outcome.stopped,
        "seconds": round(outcome.seconds, 3),
        "trained": outcome.trained,
        "counts": outcome.counts,
        "unfinished": outcome.unfinished,
        "earlier": outcome.earlier,
        "best": best[0] if len(best) == 1 else None,
        "winners": best,
        "groups": tables.as_json(report)["groups"] if report else [],
        "failed": [
            {"id": trial.id, "label": trial.label, "status": trial.status, "error": trial.error, "attempts": trial.attempts}
            for trial in outcome.wrong
        ],
        "retry": retry.partition(": ")[2] if retry else None,
        "report": None if page is None else str(page),
    }


def _forecast(planned: SweepPlan, expected: Forecast) -> dict[str, Any]:
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


def _listener(planned: SweepPlan, quiet: bool, as_json: bool) -> Listener:
    from mlp_cli.sweep.progress import Bar, Lines

    if on_terminal(as_json) and not quiet:
        return Bar(sys.stderr, planned.metric, planned.mode)
    return Lines(sys.stderr if as_json else sys.stdout, sys.stderr, planned.metric, planned.mode, quiet)


def _exit_code(outcome: Outcome) -> int:
    """130 or 143 after a signal; 1 where a run went wrong or is unfinished for another cause than the budget, as where another
    process has it; 0 otherwise."""
    if outcome.signal is not None:
        return 128 + outcome.signal
    left = outcome.stopped is None and outcome.unfinished
    return 1 if outcome.wrong or left or outcome.stopped == "failures" or outcome.counts.get("running") else 0
