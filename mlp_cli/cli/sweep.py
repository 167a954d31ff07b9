"""`mlp sweep`."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlp_cli.cli.options import (
    config_argument,
    debug_option,
    json_option,
    on_terminal,
    parse_duration,
    parse_threads,
    print_json,
    quiet_option,
    results_option,
)
from mlp_cli.cli.sweep_output import document, end_lines, forecast_document, forecast_lines, last_lines
from mlp_cli.errors import MlpError, UsageError

if TYPE_CHECKING:
    from mlp_cli.sweep.crew import Listener
    from mlp_cli.sweep.driver import Outcome
    from mlp_cli.sweep.plan import SweepPlan
    from mlp_cli.sweep.planner import Workload


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
@quiet_option
@json_option
@debug_option
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
    choice(a,b,c). Everything goes into results/<name>-<hash>. The same command again trains only what is missing; with more
    values or seeds it keeps the runs that are there.
    """
    started = time.monotonic()
    from mlp_cli.sweep.crew import Limits
    from mlp_cli.sweep.driver import run_sweep
    from mlp_cli.sweep.executors import Executor, check_executor, open_executor
    from mlp_cli.sweep.plan import Asked, plan_sweep

    check_executor(executor, workers, scheduler)
    workers = 1 if executor == "serial" else workers
    extra = [f"learning_rate={lr}"] if lr is not None else []
    planned = plan_sweep(config, [*words, *extra], results, Asked(seeds, sampler, trials, pruner))
    if dry_run:
        from mlp_cli.sweep.forecast import forecast

        expected = forecast(planned, workers, threads, retry_failed)
        if as_json:
            print_json(forecast_document(planned, expected))
        elif not quiet:
            click.echo("\n".join(forecast_lines(planned, expected)))
        return 0
    command = ["mlp", *sys.argv[1:]]
    listener = _listener(planned, quiet, as_json)

    def start(workload: Workload) -> Executor:
        return open_executor(
            executor,
            workers=workload.workers,
            timeout=timeout,
            deadline=None if budget is None else started + budget,
            scheduler=scheduler,
            notify=listener.notify,
        )

    if not (quiet or as_json):
        click.echo(f"sweep {planned.folder}", err=on_terminal(as_json))
    outcome = run_sweep(
        planned,
        limits=Limits(retry_failed, max_attempts, max_failures, budget),
        listener=listener,
        open_executor=start,
        workers=workers,
        threads=threads,
        command=shlex.join(command),
        started=started,
    )
    if not (quiet or as_json):
        click.echo("\n".join(end_lines(planned, outcome)))
    page, broken = _report(planned, outcome, listener)
    if as_json:
        print_json(document(planned, outcome, command) | {"report": None if page is None else str(page)})
    elif not quiet:
        for line in last_lines(planned, outcome, command, page):
            click.echo(line)
    if broken is not None:
        raise broken
    return _exit_code(outcome)


def _report(planned: SweepPlan, outcome: Outcome, listener: Listener) -> tuple[Path | None, BaseException | None]:
    """Writes the report of the sweep's folder; after a signal none, lest it be waited for. Returns the page, and an error that
    is raised once the sweep's own words are out: nothing that goes wrong here costs these."""
    from mlp_cli.report.build import default_folder, make_report, write_report
    from mlp_cli.report.pictures import draw_winners
    from mlp_cli.training.stop import EndedBySignal

    if outcome.signal is not None:
        return None, None
    try:
        report = make_report([planned.folder])
        draw_winners(report, planned.folder, listener.notify)
        return write_report(report, default_folder([planned.folder])), None
    except UsageError:  # no run's record can be read, as where no run could even begin
        listener.notify(f"there is no report: no run can be read in {planned.folder}")
        return None, None
    except (MlpError, EndedBySignal) as error:
        return None, error
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        click.echo(f"warning: the report could not be made ({reason}), which is a bug in mlp; the runs are not touched", err=True)
        return None, None


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
    summary = outcome.summary
    left = outcome.stopped is None and summary.unfinished
    return 1 if summary.wrong or left or outcome.stopped == "failures" or summary.counts.get("running") else 0
