"""Why a run went wrong and what to try, from its record and its siblings."""

from pathlib import Path
from typing import ClassVar

from fake_runs import write_run

from mlp_cli.report.build import make_report
from mlp_cli.report.model import Failure

ERROR = (
    "diverged: the training loss became nan in epoch 3, step 45 (1234 in all); layer dense_2 had the largest gradient "
    "(|dW2| = 1.5e+20), learning rate 0.3"
)


def failures(folder: Path) -> list[Failure]:
    (group,) = make_report([folder]).groups
    return group.failures


def test_a_diverged_run_among_stable_siblings(tmp_path: Path) -> None:
    for rate in (0.001, 0.03):
        write_run(tmp_path, {"learning_rate": rate})
    write_run(tmp_path, {"learning_rate": 0.1, "optimizer": "sgd"})
    run = write_run(tmp_path, {"learning_rate": 0.3}, status="diverged", error=ERROR)
    (found,) = failures(tmp_path)
    assert found.run.folder == run and (found.epoch, found.step, found.layer, found.parameter) == (3, 45, "dense_2", "W2")
    assert found.gradient == 1.5e20 and found.learning_rate == 0.3 and found.stable == (0.001, 0.03)
    assert found.override == "learning_rate=0.03" and "above the range that was stable here (from 0.001 to 0.03)" in found.advice
    assert "layer dense_2" in found.cause and "norm 1.5e+20" in found.cause


def test_the_error_of_a_real_divergence_is_understood(tmp_path: Path) -> None:
    """Ties the pattern to the trainer's own words."""
    from mlp_cli.training.trainer import Trainer

    class Layerless:
        gradients: ClassVar = {"W1": [3.0, 4.0]}
        dead_relus = staticmethod(lambda: 0.37)
        layer_of = staticmethod(lambda name: "dense_1")

    trainer = Trainer.__new__(Trainer)
    trainer.network, trainer.current_rate, trainer.learning_rate = Layerless(), 0.25, 0.5  # type: ignore[assignment]
    trainer.state = type("State", (), {"step": 6})()
    error = trainer._diverged("the training loss became inf", 2, 3).message
    write_run(tmp_path, {"learning_rate": 0.5}, status="diverged", error=error)
    (found,) = failures(tmp_path)
    assert (found.epoch, found.step, found.layer, found.gradient) == (2, 3, "dense_1", 5.0)
    assert found.dead == 0.37 and "37 % of the ReLU units" in found.cause
    assert found.override == "learning_rate=0.05" and "no learning rate was stable" in found.advice


def test_a_diverged_run_where_greater_rates_were_stable(tmp_path: Path) -> None:
    write_run(tmp_path, {"learning_rate": 1.0, "optimizer": "sgd"})
    write_run(tmp_path, {"learning_rate": 0.5}, status="diverged", error="diverged: in words of a later version")
    (found,) = failures(tmp_path)
    assert found.cause == "diverged: in words of a later version" and found.layer is None
    assert found.override == "learning_rate=0.05" and "stable elsewhere, but not here" in found.advice


def test_failed_runs(tmp_path: Path) -> None:
    write_run(tmp_path, status="failed", error="MemoryError: Unable to allocate 3 GiB\nmore", seed=1)
    write_run(tmp_path, status="failed", error="ValueError: something", seed=2)
    write_run(tmp_path, status="failed", error=None, seed=3)
    memory, other, none = failures(tmp_path)
    assert memory.override == "batch_size=64" and memory.cause == "MemoryError: Unable to allocate 3 GiB"
    assert other.override is None and "--debug" in other.advice and none.cause == "no reason was written"
