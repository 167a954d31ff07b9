"""Before a sweep trains: is the data here and the same as before, do the networks fit, how many train at a time, and what will it take?"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlp_cli import environment
from mlp_cli.build import Estimate, check, check_data, choose_threads, estimate, load_data
from mlp_cli.config import Config
from mlp_cli.data.dataset import Dataset
from mlp_cli.errors import DataError, MlpError, Notify, UsageError
from mlp_cli.sweep.samplers import ROUND
from mlp_cli.sweep.space import Configuration, unique
from mlp_cli.sweep.sweepfile import SweepPlan
from mlp_cli.sweep.trials import Trials, missing_members
from mlp_cli.text import counted

WORKER_BYTES = 100 << 20
"""What a worker needs besides its network: the interpreter, NumPy and the rest."""
LARGE = 2_000_000
"""Parameters from which a second BLAS thread is worth a word where cores would stay idle."""
CALIBRATED = 5
"""So many configurations are measured; the others are taken to cost what their size says."""

_SMALL_FILES = 32 << 10
_START, _AROUND = 1.0, 0.05
"""Seconds until the workers are ready, and what a run takes besides training."""


@dataclass(frozen=True)
class Workload:
    """workers × threads on so many cores. notice: what the user should know of it, or None."""

    workers: int
    threads: int
    cores: int
    notice: str | None = None

    def __str__(self) -> str:
        return f"{counted(self.workers, 'worker')} × {counted(self.threads, 'thread')}"


def plan_workload(
    members: int,
    *,
    parameters: int = 0,
    member_bytes: int | None = None,
    workers: int | None = None,
    threads: int | None = None,
    cores: int | None = None,
    memory: int | None = None,
) -> Workload:
    """The workers and their threads for a sweep.

    One thread each is the default for networks of any size, because a run's bytes depend on it: a member then gives the same
    bytes as alone, in any sweep and on a cluster. As many workers as there are cores for their threads, members to train and
    memory to hold them; at least one.

    members: how many are left to train. parameters: of the largest network. member_bytes: what training it needs besides the worker
    itself, by default seven float32 copies. workers, threads: what the user wants, which is done in any case. cores, memory (bytes):
    None for what this machine has.
    """
    cores = available_cores() if cores is None else cores
    chosen = threads or 1
    notices: list[str] = []
    if workers is None:
        memory = available_memory() if memory is None else memory
        each = WORKER_BYTES + (parameters * 4 * 7 if member_bytes is None else member_bytes)
        fitting = cores // chosen if memory is None else min(cores // chosen, memory // each)
        if fitting < min(cores // chosen, members):
            notices.append(f"{max(1, fitting)} workers and not more, for want of memory: each needs about {each >> 20:,} MiB")
        workers = max(1, min(fitting, members))
    if workers * chosen > cores:
        notices.append(
            f"{workers} workers × {chosen} threads are more than the {cores} cores that there are: this is slower than "
            f"--workers {max(1, cores // chosen)}" + (" --threads 1" if chosen > cores else "")
        )
    elif threads is None and parameters >= LARGE and workers * 2 <= cores and workers >= members:
        notices.append(
            f"{cores - workers} of {cores} cores stay idle: --threads {cores // workers} may be faster (and gives other last digits)"
        )
    return Workload(workers, chosen, cores, "; ".join(notices) or None)


def available_cores(root: Path = Path("/")) -> int:
    """The cores that this process may use: those of its affinity, and at most what its control groups allow, rounded down."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup_cores(root)
    return cores if quota is None else max(1, min(cores, int(quota)))


def available_memory(root: Path = Path("/")) -> int | None:
    """Bytes that this process could still get, on this machine and in its control groups; None where nothing says so."""
    known = [number for number in (environment.available_memory(), cgroup_memory(root)) if number is not None]
    return min(known, default=None)


def cgroup_cores(root: Path = Path("/")) -> float | None:
    """The processors that the control groups of this process allow, or None without a limit. root: of /proc and /sys."""
    pairs = (_read(folder / "cpu.max").partition(" ") for folder in _groups(root))  # "QUOTA PERIOD"; "max PERIOD" without a limit
    shares = [int(quota) / int(period) for quota, _, period in pairs if quota.isdecimal() and period.isdecimal() and int(period)]
    return min(shares, default=None)


def cgroup_memory(root: Path = Path("/")) -> int | None:
    """Bytes left below the memory limits of the control groups of this process, or None without a limit."""
    pairs = [(_read(folder / "memory.max"), _read(folder / "memory.current")) for folder in _groups(root)]
    left = [max(0, int(most) - int(now)) for most, now in pairs if most.isdecimal() and now.isdecimal()]
    return min(left, default=None)


def _groups(root: Path) -> list[Path]:
    """The folders of this process's control group (version 2) and of those above it."""
    lines = _read(root / "proc/self/cgroup").splitlines()
    path = next((line[3:] for line in lines if line.startswith("0::")), None)
    parts = [part for part in (path or "").split("/") if part and part != ".."]
    # Inside a container the path may be one that only the host sees; the mount's own root is then the group.
    return [] if path is None else [(root / "sys/fs/cgroup").joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


class Preflight:
    """Checks configurations against their data; each data set is loaded once and not kept.

    trials: what is known of the members. notify: takes notices.
    """

    def __init__(self, planned: SweepPlan, trials: Trials, notify: Notify) -> None:
        self.planned, self.trials, self.notify = planned, trials, notify
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
                    hints = [error.hint, *(f"{each.shown}: {each.message}" for each in self.planned.space.split_values())]
                    raise DataError(error.message, "\n".join(filter(None, hints)) or None) from error
                self.notify(f"the data cannot be used now, so it was not compared: {error.message.splitlines()[0]}")
                continue
            for text in dataset.notices if key not in self.inputs else ():
                self.notify(text)
            self.inputs[key] = (dataset.train.x.shape[1], len(dataset.classes))
            for member in members:
                row = self.trials.rows.get(member.id)
                if row is not None and row.status == "completed":
                    hint = f"put the old data back, or move {self.planned.folder} away and sweep afresh"
                    check_data(self.planned.runs / member.id, row.data, dataset, hint)
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
        configs = [each.members[0].config for each in configurations]
        most = max(map(self.parameters, configs), default=0)
        needed = max((self.parameters(each) * 7 * (8 if each.dtype == "float64" else 4) for each in configs), default=0)
        if threads == "auto":
            largest = max(configs, key=self.parameters)
            threads = choose_threads(largest, load_data(largest))
        chosen = None if threads is None else int(threads)
        return plan_workload(members, parameters=most, member_bytes=needed, workers=workers, threads=chosen)


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


@dataclass(frozen=True)
class Forecast:
    """labels: of all members, in the order in which they are trained. missing: how many are not done yet. seconds: with all
    workers at work. disk: bytes that the missing ones will take. complete: False where the sampler proposes more later on."""

    labels: tuple[str, ...]
    missing: int
    workload: Workload
    seconds: float
    disk: int
    notices: tuple[str, ...]
    complete: bool


def forecast(planned: SweepPlan, workers: int | None, threads: int | str | None, retry_failed: bool) -> Forecast:
    """Looks at the sweep's folder, and measures a few steps of some members. Writes nothing.

    Errors: as `run_sweep` before anything is trained.
    """
    notices: list[str] = []
    trials = Trials(planned.folder, planned.space.swept)
    trials.scan()
    sampler = planned.start()
    expansion = planned.space.expand(sampler.ask())
    notices += [*expansion.notices, *([sampler.notice] if sampler.notice else [])]
    configurations = unique(trials.adopt(expansion.configurations))
    missing = {member.id for member in missing_members(planned, trials, configurations, retry_failed)}
    preflight = Preflight(planned, trials, notices.append)
    preflight.check(configurations, lambda run_id: run_id in missing)
    left = [sum(member.id in missing for member in configuration.members) for configuration in configurations]
    workload = preflight.workload(configurations, sum(left), workers, threads)
    if workload.notice:
        notices.append(workload.notice)
    configs = [each.members[0].config for each in configurations]
    costs = _costs(configs, left, [preflight.parameters(each) for each in configs], workload.threads)
    epochs = [each.epochs for each in configs]
    part = stints(planned, epochs)[1] / max(1, sum(epochs) * len(planned.space.seeds))
    proposed = len(expansion.configurations)
    later = planned.trials / proposed if planned.sampler.name == "tpe" and planned.trials and proposed else 1.0
    seconds = part * sum((cost.seconds + _AROUND) * count for cost, count in zip(costs, left, strict=True))
    if sum(left):
        seconds = _START + seconds / min(workload.workers, sum(left))
    disk = later * sum((cost.parameters * 4 + _SMALL_FILES) * count for cost, count in zip(costs, left, strict=True))
    labels = [member.label for row in zip(*(c.members for c in configurations), strict=True) for member in row]
    return Forecast(
        tuple(labels),
        sum(left),
        workload,
        seconds,
        int(disk),
        tuple(notices),
        later == 1,
    )


def _costs(configs: Sequence[Config], left: Sequence[int], parameters: Sequence[int], threads: int) -> list[Estimate]:
    """What each configuration costs: measured for a few, spread evenly; for the others by their parameters and epochs, at the mean
    measured rate."""
    wanted = [number for number, count in enumerate(left) if count]
    step = max(1, -(-len(wanted) // CALIBRATED))
    measured = {number: estimate(configs[number], load_data(configs[number]), threads) for number in wanted[::step]}
    sizes = [count * each.epochs for count, each in zip(parameters, configs, strict=True)]
    rate = sum(cost.seconds for cost in measured.values()) / max(sum(sizes[number] for number in measured), 1)
    return [measured.get(number) or Estimate(parameters[number], 0, size * rate) for number, size in enumerate(sizes)]


def stints(planned: SweepPlan, epochs: Sequence[int]) -> tuple[int, int]:
    """How often a member is handed to a worker, or found to be done, in a whole sweep, and their epochs together.

    epochs: of each configuration of the first round.
    """
    halving = planned.halving()

    def of(count: int) -> tuple[int, float]:
        total, trained, before = 0, 0.0, 0
        for rung in planned.rungs:
            total, trained, before = total + count, trained + count * (rung - before), rung
            count = halving.kept(count) if halving is not None else count
        return (total, trained) if planned.rungs else (count, count * sum(epochs) / max(1, len(epochs)))

    rounds = [len(epochs)]
    if planned.sampler.name == "tpe" and planned.trials is not None:
        full, rest = divmod(planned.trials, ROUND)
        rounds = [ROUND] * full + [rest] * bool(rest)
    found = [of(count) for count in rounds]
    seeds = len(planned.space.seeds)
    return seeds * sum(total for total, _ in found), round(seeds * sum(trained for _, trained in found))
