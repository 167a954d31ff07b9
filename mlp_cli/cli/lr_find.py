"""`mlp lr-find`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlp_cli.cli.options import (
    config_argument,
    load_one,
    notify,
    output_options,
    overrides_argument,
    print_json,
    results_option,
    threads_option,
)

if TYPE_CHECKING:
    from mlp_cli.lr_find import RangeTest


@click.command(
    name="lr-find",
    short_help="Find a learning rate by a range test.",
    epilog="Example: mlp lr-find configs/mnist_adam_relu.yaml hidden_sizes=[300] --seeds 5",
)
@config_argument
@overrides_argument
@click.option("--seeds", type=click.IntRange(1, 100), default=3, show_default=True, help="Fresh weights to test.")
@results_option
@threads_option
@output_options
def lr_find(
    config: Path,
    overrides: tuple[str, ...],
    seeds: int,
    results: Path,
    threads: int | str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Find a learning rate: train for 250 steps a seed while the rate rises from 1e-7 to 10.

    The rate to take is where the loss falls fastest. The config's own rate and schedule have no part in it; with a schedule it is
    the peak. The table and the figure go into results/lr-find.
    """
    from mlp_cli.build import check, load_data
    from mlp_cli.config.resolved import show
    from mlp_cli.lr_find import find, write

    plan = load_one(config, overrides)
    dataset = load_data(plan)
    check(plan, dataset)
    for text in () if quiet else dataset.notices:
        notify(text)

    def tell(test: RangeTest) -> None:
        last = f"{len(test.rates):,} steps, the rate up to {test.rates[-1]:.2g}; least smoothed loss {test.smoothed.min():.4g}"
        found = f"{test.rate:<7.2g}" if test.rate is not None else "none: the loss does not fall"
        click.echo(f"seed {test.seed}  {found}  ({last})", err=as_json)

    finding = find(plan, dataset, seeds, threads, (lambda test: None) if quiet else tell)
    folder = write(finding, plan, results)
    override = f"learning_rate={show(finding.rate)}"
    if as_json:
        print_json(
            {
                "learning_rate": finding.rate,
                "lowest": finding.low,
                "highest": finding.high,
                "override": override,
                "folder": str(folder),
                "seeds": [
                    {
                        "seed": test.seed,
                        "learning_rate": test.rate,
                        "steps": len(test.rates),
                        "last_rate": float(test.rates[-1]),
                        "least_loss": float(test.smoothed.min()),
                    }
                    for test in finding.tests
                ],
            }
        )
    elif not quiet:
        spread = f" (median of {seeds} seeds, {finding.low:.2g} to {finding.high:.2g})" if seeds > 1 else ""
        click.echo(f"learning rate  {finding.rate:.2g}: the loss falls fastest there{spread}, well below a rate that diverges")
        click.echo(f"figure         {folder / 'lr-find.png'}; the numbers are in lr-find.csv beside it")
        click.echo(f"train with it  {shlex.join(['mlp', 'train', str(config), *overrides, override])}")
