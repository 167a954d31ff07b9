"""Why a run went wrong and what to try, from its record and its siblings."""

from pathlib import Path

from fake_runs import write_run

from mlp_cli.report.build import make_report
from mlp_cli.report.model import Failure

ERROR = "diverged: the training loss became nan in epoch 3, step 45 (1234 in all)"
DIVERGENCE = {
    "epoch": 3,
    "step": 1234,
    "layer": 2,
    "gradient_norm": 1.5e20,
    "learning_rate": 0.3,
    "dead_relus": 0.37,
}


def failures(folder: Path) -> list[Failure]:
    (group,) = make_report([folder]).groups
    return group.failures


def test_a_diverged_run_among_stable_siblings(tmp_path: Path) -> None:
    for rate in (0.001, 0.03):
        write_run(tmp_path, {"learning_rate": rate})
    write_run(tmp_path, {"learning_rate": 0.1, "optimizer": "sgd"})
    run = write_run(tmp_path, {"learning_rate": 0.3}, status="diverged", error=ERROR, divergence=DIVERGENCE)
    (found,) = failures(tmp_path)
    assert found.run.folder == run and found.advice.startswith("learning rate 0.3 is above ")
    assert found.cause == (
        "in epoch 3, step 1,234, layer 2 had the largest gradient (norm 1.5e+20); 37 % of the ReLU units were 0 for the whole batch"
    )
    assert found.override == "learning_rate=0.03" and "above the range that was stable here (from 0.001 to 0.03)" in found.advice


def test_a_divergence_without_any_number(tmp_path: Path) -> None:
    unknown = DIVERGENCE | {"gradient_norm": None, "dead_relus": None}
    write_run(tmp_path, {"learning_rate": 0.5}, status="diverged", error=ERROR, divergence=unknown)
    (found,) = failures(tmp_path)
    assert found.cause == "in epoch 3, step 1,234, layer 2 had the largest gradient (not finite)"
    assert found.override == "learning_rate=0.05" and "no learning rate was stable" in found.advice


def test_a_diverged_run_where_greater_rates_were_stable(tmp_path: Path) -> None:
    write_run(tmp_path, {"learning_rate": 1.0, "optimizer": "sgd"})
    write_run(tmp_path, {"learning_rate": 0.5}, status="diverged", error="diverged: in words of an earlier version")
    (found,) = failures(tmp_path)
    assert found.cause == "diverged: in words of an earlier version", "of a record without the field"
    assert found.override == "learning_rate=0.05" and "stable elsewhere, but not here" in found.advice


def test_where_every_rate_diverged(tmp_path: Path) -> None:
    """What is advised is below the smallest that went wrong: a rate beside the failed run is no advice where it failed as well."""
    for rate in (0.01, 1.0, 1e5):
        write_run(tmp_path, {"learning_rate": rate}, status="diverged", error=ERROR, divergence=DIVERGENCE)
    write_run(tmp_path, {"learning_rate": 1e-6, "optimizer": "sgd"}, status="diverged", error=ERROR, divergence=DIVERGENCE)
    found = {(each.run.config["learning_rate"], each.override) for each in failures(tmp_path)}
    assert found == {*((rate, "learning_rate=0.001") for rate in (0.01, 1.0, 1e5)), (1e-6, "learning_rate=1e-07")}


def test_failed_runs(tmp_path: Path) -> None:
    write_run(tmp_path, status="failed", error="MemoryError: Unable to allocate 3 GiB\nmore", seed=1)
    write_run(tmp_path, status="failed", error="ValueError: something", seed=2)
    write_run(tmp_path, status="failed", error=None, seed=3)
    memory, other, none = failures(tmp_path)
    assert memory.override == "batch_size=64" and memory.cause == "MemoryError: Unable to allocate 3 GiB"
    assert other.override is None and "--debug" in other.advice and none.cause == "no reason was written"
