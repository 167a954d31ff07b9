"""What runs inside the workers of a Dask cluster. Importing this is light, so that any worker that has the package can answer."""

from __future__ import annotations

import importlib.metadata
import socket
from pathlib import Path
from typing import Any

from mlp_cli import __version__

_POLL = 0.5


def describe_worker() -> dict[str, str]:
    """The versions that a run's bytes depend on, as this process has them, and the machine's name."""
    return {"mlp-cli": __version__, "numpy": importlib.metadata.version("numpy"), "host": socket.gethostname()}


def run_member(key: str, job: dict[str, Any], timeout: float | None, folder: str, probe: str) -> dict[str, Any] | None:
    """Trains one member in a process of its own under this Dask worker, and returns its result as plain values.

    The process is the same as on one machine: BLAS threads set before NumPy is imported, killed when its time is up, and if it
    dies, the Dask worker and what else it does live on. It is asked to stop once the driver cancels the task, or is gone.
    key: the task's. folder: the driver's current folder, used where it exists here, for relative paths in a config.
    probe: a file that the driver made in the results folder; None is returned where it cannot be seen from here.
    """
    from mlp_cli.sweep.jobs import Job
    from mlp_cli.sweep.processes import Processes

    if not Path(probe).exists():
        return None
    with Processes(1, timeout=timeout, folder=Path(folder) if Path(folder).is_dir() else None) as pool:
        pool.submit(Job(**job))
        cancelled = False
        while True:
            for result in pool.results(_POLL):
                return result.plain()
            if not cancelled and _is_cancelled(key):
                pool.cancel_all()
                cancelled = True


def _is_cancelled(key: str) -> bool:
    """Whether the scheduler has taken this task back. Dask cannot interrupt a thread, so a long task has to ask."""
    from distributed import get_worker

    task = get_worker().state.tasks.get(key)
    return task is None or task.state in ("cancelled", "resumed")
