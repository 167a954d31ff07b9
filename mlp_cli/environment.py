"""What a run's figures depend on besides its config and data: versions, BLAS, threads, processor."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

from mlp_cli import __version__

BLAS_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS")
"""How each BLAS is told its number of threads; read when NumPy is imported."""


def describe(threads: int) -> dict[str, Any]:
    """The `environment` of run.json. threads: BLAS threads of the run."""
    import numpy as np
    from threadpoolctl import threadpool_info

    loaded = [entry for entry in threadpool_info() if entry.get("user_api") == "blas"]
    # SciPy brings a BLAS of its own, which no product of ours goes through: whether it is loaded by now changes no bytes.
    ours = [entry for entry in loaded if "numpy" in Path(entry["filepath"]).parent.name.lower()] or loaded
    libraries = {
        " ".join(str(entry[key]) for key in ("internal_api", "version", "architecture") if entry.get(key)) for entry in ours
    }
    return {
        "version": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": "; ".join(sorted(libraries)) or "unknown",
        "threads": threads,
        "cpu": _kernel_says("cpuinfo", "model name") or platform.processor() or platform.machine(),
        "platform": platform.platform(),
        "git": _git(),
    }


def available_memory() -> int | None:
    """Bytes of memory that a process could still get, or None where the system does not say."""
    kibibytes = (_kernel_says("meminfo", "MemAvailable") or "").removesuffix(" kB")
    return int(kibibytes) * 1024 if kibibytes.isdecimal() else None


def _kernel_says(file: str, key: str) -> str | None:
    """The first value of a key in a file of /proc, which macOS does not have; None where there is none."""
    try:
        lines = Path("/proc", file).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), None)


def _git() -> str | None:
    """The commit of the current folder, with `-dirty` where tracked files were changed; None outside a repository."""
    import subprocess

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
