"""`mlp rerun`: trains a run once more, in a scratch folder, and tells whether that gives the same bytes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlp_cli.cli.options import notify, on_terminal, output_options, print_json, printable, results_option
from mlp_cli.errors import Diverged, Interrupted, RunError, UsageError

if TYPE_CHECKING:
    from mlp_cli.report.diff import Difference

ENDED = ("completed", "diverged")
"""The status of a run that is trained to its end; any other is trained as far as it came."""


@click.command(short_help="Train a run again and say whether it is identical.", epilog="Example: mlp rerun @last --check")
@click.argument("reference", metavar="RUN")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--check", is_flag=True, help="Exit with 1 unless the two are identical.")
@results_option
@output_options
def rerun(reference: str, overrides: tuple[str, ...], check: bool, results: Path, quiet: bool, as_json: bool) -> int:
    """Train a run again in a scratch folder and compare: identical, or the first epoch and columns that differ.

    The run itself is not touched. A run that is not completed is trained as far as it came. Where its data lies elsewhere today,
    KEY=VALUE says so, such as dataset.path=houses.csv.
    """
    import tempfile

    from mlp_cli.runs import find_run

    with tempfile.TemporaryDirectory(prefix="mlp-rerun-") as scratch:
        found, others = train_again(
            find_run(reference, results, notify=notify), Path(scratch), overrides, on_terminal(as_json) and not quiet
        )
    identical = not found.columns and not others
    if as_json:
        ended = {"run": str(found.first.folder), "identical": identical, "epochs": found.common}
        parted = {"first_epoch": found.first_epoch, "columns": found.columns, "others": others}
        print_json({**ended, **parted, "environment": found.sections["environment"]})
    elif not quiet:
        click.echo("\n".join(map(printable, _lines(found, others))))
    return int(check and not identical)


def train_again(folder: Path, scratch: Path, overrides: Sequence[str], bar: bool) -> tuple[Difference, list[str]]:
    """Trains the run in `folder` again below `scratch`, with the threads that it had. bar: draw one on stderr.

    Gives what differs, and in words what does so besides the common epochs.
    Errors: DataError where the data has changed; RunError where the run is at work, or has no epoch yet; UsageError.
    """
    from mlp_cli import experiment, packs, runs
    from mlp_cli.build import check_data, load_data, shown_scores
    from mlp_cli.config import config_from_mapping
    from mlp_cli.report.diff import compare_runs
    from mlp_cli.training.progress import BarProgress

    record, status = runs.read_status(folder)
    done = runs.read_curves(folder).get("epoch")
    if record is None or not (done or status in ENDED):
        raise RunError(f"{folder} has no epoch that could be compared", "train it first")
    if status == "running":
        raise RunError(f"{folder} is in use by another process", "wait until it ends, or stop it and run this again")
    if strange := [text for text in overrides if text.partition("=")[0] not in packs.PLACES]:
        hint = f"only where its data lies can be said: {', '.join(packs.PLACES)}"
        raise UsageError(f"{strange[0]}: a run is trained again as it was", hint)
    plan = experiment.Plan(config_from_mapping(record.config | {"log_to": []}, overrides, str(folder)), scratch)
    packs.refuse_paths(folder, plan.config.to_dict(), overrides)
    dataset = load_data(plan.config)
    check_data(folder, record.data_sha256, dataset, "put the old data back: a run on other data is another run")
    try:
        experiment.run(
            plan,
            threads=record.environment.threads if record.environment else None,
            plots=False,
            callbacks=[BarProgress(sys.stderr, *shown_scores(plan.config))] if bar else [],
            until=int(done[-1] or 0) if done and status not in ENDED else None,
        )
    except Diverged as error:
        if status != "diverged":
            notify(error.message)
    except Interrupted as error:
        raise Interrupted(error.message, "nothing was compared, and the run is as it was", error.exit_code) from None
    found = compare_runs(folder, plan.folder)
    others = _others(found) if status in ENDED else []
    if plan.hash != record.config_hash and not overrides:
        others.append(f"this version of mlp takes the config for another one: its hash was {record.config_hash}, now {plan.hash}")
    return found, others


def _others(found: Difference) -> list[str]:
    """What differs in how the two ended, in words."""
    pairs = found.sections["run"] | {f"final {key}": pair for key, pair in found.sections["metrics"].items()}
    told = [f"{key}: {a} then, {b} now" for key, (a, b) in pairs.items()]
    weights = [_weights(run.folder) if run.status == "completed" else {} for run in (found.first, found.second)]
    names = [name for name in dict.fromkeys((*weights[0], *weights[1])) if weights[0].get(name) != weights[1].get(name)]
    return [*told, *([f"weights: {', '.join(names)}"] if names else [])]


def _weights(folder: Path) -> dict[str, tuple[Any, ...]]:
    """The arrays of model.npz as shape, type and bytes, but for the config, which says where the data lay. Errors: RunError."""
    from mlp_cli.model import read_arrays

    arrays = read_arrays(folder)
    return {name: (array.shape, array.dtype, array.tobytes()) for name, array in arrays.items() if name != "config"}


def _lines(found: Difference, others: Sequence[str]) -> list[str]:
    """What a person reads."""
    from mlp_cli.text import counted

    epochs, environment = counted(found.common, "epoch"), found.sections["environment"]
    if found.first_epoch is not None:
        lines = [f"differs from epoch {found.first_epoch} on, of {epochs}: {', '.join(found.columns)}"]
    elif others:
        lines = [f"the same in all of {epochs}, and yet not identical"]
    else:
        ended = {"completed": ", the final scores and the weights", "diverged": ", and diverged as before"}
        return [f"identical: {epochs}{ended.get(found.first.status, '')}"]
    lines += [f"  {name}: {a} then, {b} now" for name, (a, b) in found.columns.items()] + [f"  {text}" for text in others]
    lines.append(f"the environment {'may explain it:' if environment else 'is the same, as far as it is recorded'}")
    return lines + [f"  {key}: {a} then, {b} now" for key, (a, b) in environment.items()]
