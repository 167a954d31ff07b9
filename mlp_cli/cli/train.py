"""`mlp train`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlp_cli.cli.options import (
    aligned,
    load_one,
    notify,
    on_terminal,
    output_options,
    overrides_argument,
    parse_duration,
    print_json,
    printable,
    results_option,
    threads_option,
)

if TYPE_CHECKING:
    from mlp_cli.experiment import Outcome, Plan
    from mlp_cli.nn.network import LayerSize
    from mlp_cli.runs import Record

_MOST_SCORES = 6  # besides the loss and the first score, on a line


@click.command(
    short_help="Train one run, or finish it.",
    epilog="Example: mlp train configs/mnist_adam_relu.yaml learning_rate=5e-4 hidden_sizes=[300,100] seed=1",
)
@click.argument("config", type=click.Path(path_type=Path), required=False)
@overrides_argument
@results_option
@click.option("--refit", metavar="RUN", help="Train this run again, on training and validation part together; no CONFIG.")
@click.option("--name", help="Name of the run, in place of the config's.")
@click.option("--lr", metavar="NUMBER", help="Short for learning_rate=NUMBER.")
@threads_option
@click.option("--force", is_flag=True, help="Clear the run's folder and start at once.")
@click.option(
    "--budget", metavar="TIME", callback=parse_duration, help="End after this time, such as 2m; the same command goes on."
)
@click.option("--no-plots", is_flag=True, help="Draw no figures.")
@click.option("--dry-run", is_flag=True, help="Show the resolved config, size, memory and time; train nothing.")
@output_options
def train(
    config: Path | None,
    overrides: tuple[str, ...],
    results: Path,
    refit: str | None,
    name: str | None,
    lr: str | None,
    threads: int | str | None,
    force: bool,
    no_plots: bool,
    budget: float | None,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Train one run: the one that CONFIG and the overrides describe.

    Everything goes into the run's own folder, results/<name>-<hash>. The same command again reports a completed run, goes on
    with an interrupted one and starts a failed one afresh. KEY=VALUE overrides a key of the config; the value is YAML, dots
    reach nested keys (optimizer.beta_1=0.8).

    --refit RUN takes the config of a completed run instead: its validation rows train too, for as many epochs as its best epoch.
    """
    import json

    from mlp_cli.build import shown_scores
    from mlp_cli.experiment import Plan, run
    from mlp_cli.refit import refit_plan
    from mlp_cli.runs import find_run
    from mlp_cli.training.progress import BarProgress, PlainProgress

    # A name is a text, also where YAML would read it as a number.
    named = [f"name={json.dumps(name, ensure_ascii=False)}"] if name is not None else []
    extra = ([f"learning_rate={lr}"] if lr is not None else []) + named
    if refit is not None:
        if config is not None and "=" not in str(config):
            raise click.UsageError(f"--refit takes the config of the run; leave out {config}")
        own = [str(config)] if config is not None else []
        plan = refit_plan(find_run(refit, results, notify=notify), results, [*own, *overrides, *extra])
    elif config is None:
        raise click.UsageError("Missing argument 'CONFIG'.")
    else:
        plan = Plan(load_one(config, [*overrides, *extra]), results)
    if dry_run:
        _show_plan(plan, threads, as_json, quiet)
        return 0
    on_bar = on_terminal(as_json)
    shown = shown_scores(plan.config)
    lines = PlainProgress(sys.stderr if as_json else sys.stdout, *shown)
    progress = BarProgress(sys.stderr, *shown) if on_bar else lines

    def describe(text: str) -> None:
        click.echo(f"run {plan.folder}\n{printable(f'data  {text}')}", err=on_bar)

    outcome = run(
        plan,
        threads=threads,
        force=force,
        plots=not no_plots,
        callbacks=[] if quiet else [progress],
        notify=(lambda text: None) if quiet else notify,
        describe=(lambda text: None) if quiet or as_json else describe,
        budget=budget,
        command=shlex.join(["mlp", *sys.argv[1:]]),
        on_error=lambda record: print_json(record.plain()) if as_json else None,
    )
    if as_json:
        print_json(outcome.record.plain())
    elif not quiet:
        click.echo(_summary(outcome))
        if told := _no_better(outcome.record):
            notify(told)
    # What a budget ended has done what was asked for, and goes on with the same command.
    return 0 if outcome.record.status in ("completed", "interrupted") else 1


def _summary(outcome: Outcome) -> str:
    """The lines at the end of a run."""
    from mlp_cli.text import metric_name, quantity_text
    from mlp_cli.training.progress import loss_text, score_text

    record, metrics = outcome.record, outcome.record.metrics
    if record.status == "interrupted":
        done = f"{outcome.folder.name}: the budget is used up after epoch {record.epochs} of {record.config['epochs']}"
        return f"{done}; run the same command again to go on"
    if record.status != "completed":
        return f"{outcome.folder.name}: {record.status} before; --force trains it again\n  {record.error}"
    score = "accuracy" if "train_accuracy" in metrics else "r2"
    lines = [] if outcome.trained else [f"{outcome.folder.name} is completed already; --force trains it again"]
    for part, label in (("test", "test"), ("val", "validation"), ("train", "training")):
        if (loss := metrics.get(f"{part}_loss")) is not None:
            value = score_text(score, metrics.get(f"{part}_{score}"))
            further = [
                name for name in metrics if name.startswith(f"{part}_") and name not in (f"{part}_loss", f"{part}_{score}")
            ]
            named = {
                "MAE" if name.endswith("_mae") else metric_name(name).partition(" ")[2]: metrics[name]
                for name in further[:_MOST_SCORES]
            }
            said = [f"{name} {quantity_text(error)}" for name, error in named.items() if error is not None]
            said += [f"and {len(further) - _MOST_SCORES} more in run.json"] if len(further) > _MOST_SCORES else []
            name = "R²" if score == "r2" else score
            lines.append("   ".join([f"{label + ' ' + name:20}{value:>10}", f"loss {loss_text(loss)}", *said]))
    if record.best_epoch is not None:
        kept = "its" if record.config.get("evaluate") == "best" else "the last epoch's"
        lines.append(f"{'best epoch':20}{record.best_epoch:>10}   of {record.epochs}; the scores are {kept}")
    lines.append(f"{'time':20}{record.seconds:>8.1f} s")
    lines.append(f"{'folder':20}  {outcome.folder}")
    return "\n".join(lines)


def _no_better(record: Record) -> str | None:
    """What is said of a run that learned next to nothing: its score on the validation part, else on the training part, is that of
    one answer for all rows, up to a point and to a tenth of what was left to gain."""
    from mlp_cli.training.progress import score_text

    part, short = ("validation", "val") if record.metrics.get("val_loss") is not None else ("train", "train")
    r2, accuracy = (record.metrics.get(f"{short}_{name}") for name in ("r2", "accuracy"))
    share = ((record.data and record.data.largest_class) or {}).get(part)
    advice = "`mlp lr-find` finds a learning rate"
    if not record.epochs or record.status != "completed":
        return None
    if r2 is not None and r2 <= 0:
        return f"no better than always answering the mean (R² 0); {advice}"
    if accuracy is None or share is None or accuracy > share + min(0.01, (1 - share) / 10):
        return None
    better = "no better" if accuracy <= share else "hardly better"
    answer = "the more frequent value of each label" if record.config["loss"]["name"] == "multi_label" else "the largest class"
    return f"{better} than always naming {answer} ({score_text('accuracy', share)}); {advice}"


def _layer_table(layers: Sequence[LayerSize]) -> str:
    """A line a layer, and the total."""
    rows = [("layer", "output", "parameters", "multiply-adds of a row")]
    for layer in layers:
        shape = " × ".join(map(str, layer.output_shape))
        rows.append((layer.name, shape, f"{layer.parameters:,}", f"{layer.multiply_adds:,}"))
    parameters, products = sum(layer.parameters for layer in layers), sum(layer.multiply_adds for layer in layers)
    rows.append(("total", "", f"{parameters:,}", f"{products:,}"))
    return "\n".join(aligned(rows))


def _show_plan(plan: Plan, threads: int | str | None, as_json: bool, quiet: bool) -> None:
    from mlp_cli.build import choose_threads, estimate, load_data

    config = plan.config
    dataset = load_data(config)
    for text in () if quiet else dataset.notices:
        notify(text)
    used = choose_threads(config, dataset) if threads == "auto" else int(threads or 1)
    expected = estimate(config, dataset, used)
    if as_json:
        print_json(
            {
                "id": plan.id,
                "folder": str(plan.folder),
                "config_hash": plan.hash,
                "config": config.to_dict(),
                "layers": [layer._asdict() for layer in expected.layers],
                "parameters": expected.parameters,
                "multiply_adds": sum(layer.multiply_adds for layer in expected.layers),
                "memory_bytes": expected.memory,
                "seconds": expected.seconds,
                "threads": used,
            }
        )
    elif not quiet:
        click.echo(f"{config.to_yaml()}\n{_layer_table(expected.layers)}")
        click.echo(
            f"\nfolder      {plan.folder}\ndata        {printable(dataset.summary())}\nparameters  {expected.parameters:,}\n"
            f"memory      about {expected.memory / 2**20:,.0f} MiB for the network, the optimizer and the data\n"
            f"time        about {expected.seconds:,.1f} s with {used} thread{'s' if used > 1 else ''}, plots not counted"
        )
