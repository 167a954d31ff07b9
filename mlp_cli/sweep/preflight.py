"""Before the first member trains: is the data here, the same as before, and do the networks fit? And how many workers?"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from mlp_cli.build import check, check_data, choose_threads, load_data
from mlp_cli.config import Config
from mlp_cli.data.dataset import Dataset
from mlp_cli.errors import DataError, MlpError, Notify, UsageError
from mlp_cli.sweep.planner import Workload, plan_workload
from mlp_cli.sweep.space import Configuration
from mlp_cli.sweep.trials import Trials


class Preflight:
    """Checks configurations against their data; each data set is loaded once and not kept.

    runs: the folder of the members' folders. trials: what is known of them. notify: takes notices.
    """

    def __init__(self, runs: Path, trials: Trials, notify: Notify) -> None:
        self.runs, self.trials, self.notify = runs, trials, notify
        self.hashes: dict[str, str | None] = {}
        self.inputs: dict[str, tuple[int, int]] = {}

    def check(self, configurations: Sequence[Configuration], wanted: Callable[[str], bool]) -> None:
        """Errors: DataError where data is missing, or is not what completed members had; UsageError where a member cannot be
        trained on it. wanted: whether a member, by its id, is going to be trained."""
        for key, group in _by_data(configurations).items():
            members = [member for configuration in group for member in configuration.members]
            config = group[0].members[0].config
            try:
                dataset = load_data(config)
            except DataError as error:
                if any(wanted(member.id) for member in members):
                    raise
                self.hashes[key] = None
                self.notify(f"the data is not here any more, so it was not compared: {error.message.splitlines()[0]}")
                continue
            for text in dataset.notices if key not in self.hashes else ():
                self.notify(text)
            self.hashes[key] = dataset.sha256
            self.inputs[key] = (dataset.train.x.shape[1], len(dataset.classes))
            for member in members:
                row = self.trials.rows.get(member.id)
                if row is not None and row.status == "completed":
                    hint = f"put the old data back, or move {self.runs.parent} away and sweep afresh"
                    check_data(self.runs / member.id, row.data, dataset, hint)
            _check_all(group, dataset)

    def parameters(self, config: Config) -> int:
        """How many parameters a member's network has, about."""
        inputs, outputs = self.inputs.get(_data_key(config), (0, 0))
        sizes = (inputs, *config.hidden_sizes, outputs)
        return sum(before * after + after for before, after in itertools.pairwise(sizes))

    def workload(
        self, configurations: Sequence[Configuration], members: int, workers: int | None, threads: int | str | None
    ) -> Workload:
        """How many train at a time. members: how many are left. workers, threads: what the user wants; threads may be `auto`,
        which measures the largest network."""
        sizes = [
            (self.parameters(configuration.members[0].config), configuration.members[0].config)
            for configuration in configurations
        ]
        most = max((parameters for parameters, _ in sizes), default=0)
        needed = max((parameters * 7 * (8 if config.dtype == "float64" else 4) for parameters, config in sizes), default=0)
        chosen = self._fastest(configurations) if threads == "auto" else None if threads is None else int(threads)
        return plan_workload(members, parameters=most, member_bytes=needed, workers=workers, threads=chosen)

    def _fastest(self, configurations: Sequence[Configuration]) -> int:
        config = max((configuration.members[0].config for configuration in configurations), key=self.parameters)
        return choose_threads(config, load_data(config))


def _data_key(config: Config) -> str:
    return json.dumps(config.to_dict()["dataset"], sort_keys=True)


def _by_data(configurations: Sequence[Configuration]) -> dict[str, list[Configuration]]:
    groups: dict[str, list[Configuration]] = {}
    for configuration in configurations:
        groups.setdefault(_data_key(configuration.members[0].config), []).append(configuration)
    return groups


def _check_all(configurations: Sequence[Configuration], dataset: Dataset) -> None:
    """Errors: UsageError for the members that do not go with their data, the first few of them by name."""
    faults: dict[str, list[str]] = {}
    first: MlpError | None = None
    for configuration in configurations:
        try:
            check(configuration.members[0].config, dataset)
        except UsageError as error:
            first = first or error
            faults.setdefault(error.message, []).append(configuration.label)
    if first is not None:
        # A sweep over seeds alone has one configuration, which has no label.
        lines = [
            f"{labels[0]}{f' and {len(labels) - 1} more' if labels[1:] else ''}: {text}" if labels[0] else text
            for text, labels in faults.items()
        ]
        raise UsageError("\n".join(lines[:20]), first.hint)
