"""A run that was stopped on its way, in this process, for proofs about what is in its folder and how it goes on."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from chaos_runs import digest
from small_sets import make_idx_set

from mlp_cli import experiment
from mlp_cli.config import config_from_mapping
from mlp_cli.errors import Interrupted, Notify
from mlp_cli.experiment import Outcome, Plan
from mlp_cli.training import checkpoint
from mlp_cli.training.trainer import Trainer

EPOCHS, DONE = 6, 4


@contextmanager
def stopping() -> Iterator[None]:
    """Training ends when the epoch after `DONE` ones is about to be saved; its row is in metrics.csv already."""
    save = checkpoint.save

    def stop(folder: Path, trainer: Trainer, identity: Mapping[str, Any]) -> None:
        if trainer.state.epoch > DONE:
            raise Interrupted("stopped")
        save(folder, trainer, identity)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", stop)
        yield


class Stopped:
    """A run that was stopped after four of six epochs, kept as it was then, and H of an undisturbed one."""

    def __init__(self, root: Path) -> None:
        data = make_idx_set(root / "shapes", train=160, test=20)
        config = config_from_mapping(
            {
                "name": "stopped",
                "dataset": {"path": str(data), "validation": 40},
                "hidden_sizes": [5],
                "dropout": 0.1,
                "batch_norm": True,
                "batch_size": 8,
                "epochs": EPOCHS,
            }
        )
        self.kept = experiment.Plan(config, root / "stopped")
        with stopping(), pytest.raises(Interrupted):
            experiment.run(self.kept, plots=False)
        self.calm = digest(experiment.run(experiment.Plan(config, root / "calm"), plots=False).folder)

    def copied(self, results: Path) -> Plan:
        """A copy of the stopped run's folder, and what runs it."""
        planned = experiment.Plan(self.kept.config, results)
        shutil.copytree(self.kept.folder, planned.folder)
        return planned


def finish(planned: Plan, notify: Notify = lambda text: None, **options: Any) -> Outcome:
    """The same command again."""
    return experiment.run(planned, plots=False, notify=notify, **options)
