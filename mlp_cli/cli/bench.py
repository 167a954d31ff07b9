"""`mlp bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mlp_cli.cli.options import Folder, debug_option, json_option, notify, print_json
from mlp_cli.errors import DataError


@click.command(
    short_help="Time steps, whole commands and sweeps against other libraries.", epilog="Example: mlp bench --peers --rounds 5"
)
@click.option("--peers", is_flag=True, help="Also time PyTorch, torch.compile, JAX and scikit-learn, where they are installed.")
@click.option("--rounds", type=click.IntRange(0, 1000), default=15, show_default=True, help="Rounds of steps; 0 for none.")
@click.option("--only", default="", metavar="TEXT", help="Only steps named so in part, such as '784-64-10, batch 64, adam, 1'.")
@click.option("--whole-rounds", type=click.IntRange(0, 100), default=3, show_default=True, help="Rounds of commands; 0 for none.")
@click.option("--sweep-rounds", type=click.IntRange(0, 100), default=3, show_default=True, help="Rounds of sweeps; 0 for none.")
@click.option(
    "--growth", is_flag=True, help="Time steps against hidden units and batch size, and memory against rows, in their place."
)
@click.option("--out", type=Folder(), default=Path("results/bench"), show_default=True, help="Folder of the figures of --growth.")
@json_option
@debug_option
def bench(
    peers: bool, rounds: int, only: str, whole_rounds: int, sweep_rounds: int, growth: bool, out: Path, as_json: bool
) -> None:
    """Time training steps, whole commands and sweeps, against their matrix products alone and against other libraries.

    All contenders take turns; the figures are medians over the rounds (microseconds a step, seconds a command), and medians of the
    ratios within a round. With one thread all are kept on the same core. Commands and sweeps train on MNIST. Leave the machine
    alone meanwhile: the last line says how busy it was with other things.
    """
    import os

    from mlp_cli.bench import peers as other
    from mlp_cli.bench import steps, whole
    from mlp_cli.bench.busy import Busy

    busy = Busy()
    libraries = list(other.installed()) if peers else []
    missing = sorted(set(other.PEERS) - set(libraries)) if peers else []
    if missing:
        click.echo(f"note: not installed and left out: {', '.join(missing)} (pip install 'mlp-cli[bench]')", err=True)
    entries: list[dict[str, Any]] = []

    def add(entry: dict[str, Any]) -> None:
        entries.append(entry)
        for name, reason in entry.get("failed", {}).items():
            notify(f"{name} does not work here and is left out: {reason}")
        if not as_json:
            click.echo(_text(entry))

    if growth:
        from mlp_cli.bench.growth import grow

        for entry in grow(max(rounds, 1), out):
            add(entry)
        notify(f"figures: {out}")
        rounds = whole_rounds = sweep_rounds = 0
    for threads in (1, 2) if rounds and (os.cpu_count() or 1) > 1 else (1,) if rounds else ():
        wanted = [case for case in steps.cases(threads) if only in case.label]
        for entry in steps.measure(wanted, rounds, libraries) if wanted else ():
            add(entry)
    try:
        if whole_rounds:
            add(whole.measure(whole_rounds, libraries))
        if sweep_rounds:
            add(_sweeps(sweep_rounds, "scikit-learn" in libraries))
    except DataError as error:
        notify(f"no commands and sweeps are timed, since they need MNIST: {error.message.splitlines()[0]}")
    if (others := busy.others()) is not None:
        add({"case": "the machine meanwhile", "ratios": {"share of the processors that other processes took": others}})
    if as_json:
        print_json(entries)


def _text(entry: dict[str, Any]) -> str:
    """An entry as three lines or four."""
    units = {"microseconds": "µs", "seconds": "s", "mebibytes": "MiB"}
    digits = {"microseconds": 0, "seconds": 2, "mebibytes": 0}
    lines = [
        ", ".join(f"{name} {value:,.{digits[key]}f} {unit}" for name, value in entry[key].items())
        for key, unit in units.items()
        if key in entry
    ]
    if "ratios" in entry:
        lines.append(", ".join(f"{name} {value:.3g}" for name, value in entry["ratios"].items()))
    return "\n    ".join([entry["case"], *lines])


def _sweeps(rounds: int, peers: bool) -> dict[str, Any]:
    """Times of whole sweeps. Errors: DataError where MNIST is not to be had."""
    import statistics

    from mlp_cli.bench.sweeping import Task, measure
    from mlp_cli.bench.timing import ratio

    found = measure(rounds, peers)
    seconds = {name: round(statistics.median(found[name]), 2) for name in found if name != "driver's share"}
    ratios = {"rate of 2 workers / 1 worker": ratio(found, "1 worker", "2 workers")}
    ratios["driver's share of processor time"] = statistics.median(found["driver's share"])
    if peers:
        ratios["mlp sweep / GridSearchCV"] = ratio(found, "8 runs, mlp sweep", "8 runs, GridSearchCV")
    return {"case": f"sweeps of 784-64-10, batch 64, 1 thread: {Task(4).label}", "seconds": seconds, "ratios": ratios}
