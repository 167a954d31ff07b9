"""What a run's figures depend on besides its config and data: versions, BLAS, threads, processor."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlp_cli import __version__

BLAS_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS")
"""How each BLAS is told its number of threads; read when NumPy is imported."""


@contextmanager
def blas_threads(threads: int) -> Iterator[None]:
    """Runs the body with this many BLAS threads."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=threads, user_api="blas"):
        yield


def describe(threads: int) -> dict[str, Any]:
    """The `environment` of run.json."""
    import numpy as np

    return {
        "version": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": _blas(),
        "threads": threads,
        "cpu": _cpu(),
        "platform": platform.platform(),
        "git": _git(),
    }


def _blas() -> str:
    from threadpoolctl import threadpool_info

    found = [entry for entry in threadpool_info() if entry.get("user_api") == "blas"]
    parts = [
        " ".join(str(entry[key]) for key in ("internal_api", "version", "architecture") if entry.get(key)) for entry in found
    ]
    return "; ".join(dict.fromkeys(parts)) or "unknown"


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # no /proc on macOS
    return platform.processor() or platform.machine()


def _git() -> str | None:
    """The commit of the current folder, with `-dirty` where tracked files were changed; None outside a repository."""
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None


def available_memory() -> int | None:
    """Bytes of memory that a process could still get, or None where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None
