"""`mlp bench`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from mlp_cli.cli.options import debug_option, json_option, notify, print_json

if TYPE_CHECKING:
    from mlp_cli.bench.timing import Case, Contender


@click.command(short_help="Time training steps and sweeps against other libraries.", epilog="Example: mlp bench --peers")
@click.option("--peers", is_flag=True, help="Also time PyTorch and scikit-learn, where they are installed.")
@click.option("--rounds", type=click.IntRange(0, 1000), default=15, show_default=True, help="Rounds of steps; 0 for none.")
@click.option("--sweep-rounds", type=click.IntRange(0, 100), default=3, show_default=True, help="Rounds of sweeps; 0 for none.")
@json_option
@debug_option
def bench(peers: bool, rounds: int, sweep_rounds: int, as_json: bool) -> None:
    """Time training steps and whole sweeps, against their matrix products alone and against other libraries.

    All contenders take turns; the figures are medians over the rounds (microseconds a step, seconds a sweep), and medians of
    the ratios within a round. The sweeps train a small net on MNIST. Leave the machine alone meanwhile.
    """
    from mlp_cli.bench import peers as other

    libraries = other.installed() if peers else {}
    missing = sorted(set(other.PEERS) - set(libraries)) if peers else []
    if missing:
        click.echo(f"note: not installed and left out: {', '.join(missing)} (pip install 'mlp-cli[bench]')", err=True)
    entries = _steps(rounds, libraries, as_json) if rounds else []
    if sweep_rounds:
        entries += _sweeps(sweep_rounds, "scikit-learn" in libraries, as_json)
    if as_json:
        print_json(entries)


def _steps(rounds: int, libraries: Mapping[str, Callable[[Case], Contender]], as_json: bool) -> list[dict[str, Any]]:
    """Step times of each case, printed as they come unless as_json."""
    import os
    import statistics
    from dataclasses import replace

    from mlp_cli.bench.timing import CASES, Case, floor, interleave, ours, ratio

    entries: list[dict[str, Any]] = []
    for threads in (1, 2) if (os.cpu_count() or 1) > 1 else (1,):
        for sizes, batch_size in CASES:
            case = Case(sizes, batch_size, threads)
            contenders = [floor(case), ours(case, "sgd"), ours(case, "adam"), *(make(case) for make in libraries.values())]
            if threads > 1:
                contenders.append(replace(ours(Case(sizes, batch_size), "adam"), name="mlp, adam, 1 thread"))
            times = interleave(contenders, rounds)
            ratios = {
                "SGD / matmuls": ratio(times, "mlp, sgd", "matmuls alone"),
                "Adam / matmuls": ratio(times, "mlp, adam", "matmuls alone"),
                **{f"Adam / {name}": ratio(times, "mlp, adam", name) for name in libraries},
            }
            if threads > 1:
                ratios["2 threads / 1 thread"] = ratio(times, "mlp, adam", "mlp, adam, 1 thread")
            microseconds = {name: round(statistics.median(values), 1) for name, values in times.items()}
            entries.append({"case": case.label, "microseconds": microseconds, "ratios": ratios})
            if not as_json:
                click.echo(case.label)
                click.echo("    " + ", ".join(f"{name} {value:,.0f} µs" for name, value in microseconds.items()))
                click.echo("    " + ", ".join(f"{name} {value:.2f}" for name, value in ratios.items()))
    return entries


def _sweeps(rounds: int, peers: bool, as_json: bool) -> list[dict[str, Any]]:
    """Times of whole sweeps, printed unless as_json; none, with a note, where MNIST is not to be had."""
    import statistics

    from mlp_cli.bench.sweeping import Task, measure
    from mlp_cli.bench.timing import ratio
    from mlp_cli.errors import DataError

    try:
        found = measure(rounds, peers)
    except DataError as error:
        notify(f"no sweeps are timed, since they need MNIST: {error.message.splitlines()[0]}")
        return []
    seconds = {name: round(statistics.median(found[name]), 2) for name in found if name != "driver's share"}
    ratios = {"rate of 2 workers / 1 worker": ratio(found, "1 worker", "2 workers")}
    ratios["driver's share of processor time"] = statistics.median(found["driver's share"])
    if peers:
        ratios["mlp sweep / GridSearchCV"] = ratio(found, "8 runs, mlp sweep", "8 runs, GridSearchCV")
    label = f"sweeps of 784-64-10, batch 64, 1 thread: {Task(4).label}"
    if not as_json:
        click.echo(label)
        click.echo("    " + ", ".join(f"{name} {value:.2f} s" for name, value in seconds.items()))
        click.echo("    " + ", ".join(f"{name} {value:.3f}" for name, value in ratios.items()))
    return [{"case": label, "seconds": seconds, "ratios": ratios}]
