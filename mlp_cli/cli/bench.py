"""`mlp bench`."""

from __future__ import annotations

import click

from mlp_cli.cli.options import debug_option, json_option, print_json


@click.command(short_help="Time a training step against other libraries.", epilog="Example: mlp bench --peers")
@click.option("--peers", is_flag=True, help="Also time PyTorch and scikit-learn, where they are installed.")
@click.option("--rounds", type=click.IntRange(1, 1000), default=15, show_default=True, help="Rounds of each measurement.")
@json_option
@debug_option
def bench(peers: bool, rounds: int, as_json: bool) -> None:
    """Time a training step against its matrix products alone, and against other libraries.

    All contenders take turns in one process; the figures are medians over the rounds, in microseconds a step, and medians of
    the ratios within a round. Leave the machine alone meanwhile.
    """
    import os
    import statistics
    from dataclasses import replace

    from mlp_cli.bench import peers as other
    from mlp_cli.bench.timing import CASES, Case, floor, interleave, ours, ratio

    libraries = other.installed() if peers else {}
    missing = sorted(set(other.PEERS) - set(libraries)) if peers else []
    if missing:
        click.echo(f"note: not installed and left out: {', '.join(missing)} (pip install 'mlp-cli[bench]')", err=True)
    entries = []
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
    if as_json:
        print_json(entries)
