"""How many members train at a time, and with how many BLAS threads each: never more threads than there are cores, unless asked."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mlp_cli import environment

WORKER_BYTES = 100 << 20
"""What a worker needs besides its network: the interpreter, NumPy and the rest."""
LARGE = 2_000_000
"""Parameters from which a second BLAS thread is worth a word where cores would stay idle."""


@dataclass(frozen=True)
class Workload:
    """workers × threads on so many cores. notice: what the user should know of it, or None."""

    workers: int
    threads: int
    cores: int
    notice: str | None = None


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
    memory = available_memory() if memory is None else memory
    chosen = threads or 1
    notices: list[str] = []
    if workers is None:
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
    """The processors that the control groups (version 1 or 2) of this process allow, or None without a limit. root: of /proc, /sys."""
    shares = []
    for folder in _groups(root, "cpu"):
        both = _read(folder / "cpu.max")  # version 2: "QUOTA PERIOD", "max PERIOD" without a limit
        if both is None:
            both = f"{_read(folder / 'cpu.cfs_quota_us')} {_read(folder / 'cpu.cfs_period_us')}"
        quota, _, period = both.partition(" ")
        if quota.isdecimal() and period.isdecimal() and int(period):
            shares.append(int(quota) / int(period))
    return min(shares, default=None)


def cgroup_memory(root: Path = Path("/")) -> int | None:
    """Bytes left below the memory limits of the control groups of this process, or None without a limit."""
    left = []
    for folder in _groups(root, "memory"):
        for limit, used in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            most, now = _read(folder / limit), _read(folder / used)
            if most and now and most.isdecimal() and now.isdecimal() and int(most) < 1 << 60:
                left.append(max(0, int(most) - int(now)))
    return min(left, default=None)


def _groups(root: Path, controller: str) -> list[Path]:
    """The folders of this process's control group and of those above it, for a controller, as far as they can be seen."""
    found: list[Path] = []
    mounts = root / "sys/fs/cgroup"
    for line in (_read(root / "proc/self/cgroup") or "").splitlines():
        _, names, path = [*line.split(":", 2), "", ""][:3]
        if not names:
            bases = [mounts, mounts / "unified"]
        elif controller in names.split(","):
            bases = [mounts / names, mounts / controller]
        else:
            continue
        parts = [part for part in path.split("/") if part and part != ".."]
        # Inside a container the path may be one that only the host sees; the mount's own root is then the group.
        configurations = [base.joinpath(*parts[:depth]) for base in bases for depth in range(len(parts), -1, -1)]
        found += [folder for folder in configurations if folder.is_dir()]
    return found


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
