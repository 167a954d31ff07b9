"""Whole commands, from the start of the process to the test score: `mlp train` beside a plain script of each peer."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from mlp_cli.bench.steps import on_one_core
from mlp_cli.build import load_data
from mlp_cli.config import config_from_mapping
from mlp_cli.data.dataset import Part
from mlp_cli.environment import BLAS_VARIABLES
from mlp_cli.errors import RunError

CONFIG = "dataset: {name: mnist, validation: 0}\nhidden_sizes: [512]\nepochs: 3\n"
SCRIPTS = {"PyTorch": "pytorch.py", "JAX": "jax_scan.py", "scikit-learn": "scikit_learn.py"}
_WATCH = """
import os, sys, time
started = time.perf_counter()
child = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
with open(sys.argv[1], "w") as file:
    print(time.perf_counter() - started, usage.ru_maxrss, os.waitstatus_to_exitcode(status), file=file)
"""
"""What starts a command: a small process, since Linux counts what memory a parent has as its child's."""
LEAST = 0.95
"""A test accuracy below this is no result: the command then did something else."""


def measure(rounds: int, peers: Sequence[str]) -> dict[str, Any]:
    """An entry: seconds and MiB of each command, medians over the rounds, which take turns; and ratios to ours.

    Errors: DataError where MNIST cannot be had; RunError where a command fails or learns nothing.
    """
    dataset = load_data(config_from_mapping({"dataset": {"name": "mnist", "validation": 0}}))
    assert dataset.test is not None
    with tempfile.TemporaryDirectory(prefix="mlp-bench-") as folder:
        rows = dict(zip(("x_train", "y_train", "x_test", "y_test"), _arrays(dataset.train, dataset.test), strict=True))
        np.savez(Path(folder, "mnist.npz"), allow_pickle=False, **rows)
        Path(folder, "net.yaml").write_text(CONFIG, encoding="utf-8")
        ours = ["-m", "mlp_cli", "train", "net.yaml", "--force", "--no-plots"]
        commands = {"mlp train": ours}
        for name in peers:
            if name in SCRIPTS:
                commands[name] = [str(files("mlp_cli.bench") / "scripts" / SCRIPTS[name])]
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        with on_one_core():
            for _ in range(rounds):
                for name, words in commands.items():
                    taken[name].append(_run(name, [sys.executable, *words], folder))
    seconds, memory = ({name: statistics.median(pair[k] for pair in found) for name, found in taken.items()} for k in (0, 1))
    ratios = {f"mlp train / {name}": seconds["mlp train"] / seconds[name] for name in commands if name != "mlp train"}
    ratios |= {f"memory of mlp train / {name}": memory["mlp train"] / memory[name] for name in commands if name != "mlp train"}
    label = "whole commands, MNIST, 784-512-10, batch 128, adam, 3 epochs, 1 thread"
    return {"case": label, "seconds": seconds, "mebibytes": memory, "ratios": ratios}


def _arrays(*parts: Part) -> Iterator[np.ndarray]:
    for part in parts:
        yield part.x[part.index]
        yield part.y[part.index]


def _run(name: str, command: list[str], folder: str) -> tuple[float, float]:
    """Seconds and peak memory in MiB of a command, which prints its test accuracy."""
    seconds, mebibytes, code, text = finish(command, folder, {})
    accuracy = re.search(r"test accuracy\s+([0-9.]+)", text)
    if code or accuracy is None or float(accuracy[1]) < 100 * LEAST:
        raise RunError(f"{name}: the command failed or learnt nothing: {''.join(text.strip().splitlines()[-1:])}")
    return seconds, mebibytes


def finish(command: list[str], folder: str, more: dict[str, str]) -> tuple[float, float, int, str]:
    """Seconds, peak memory in MiB, exit code and output of a command. more: variables besides."""
    variables = {**os.environ, **dict.fromkeys(BLAS_VARIABLES, "1"), **more}
    found, printed = Path(folder, "usage"), Path(folder, "output")
    with open(printed, "wb") as output:
        watch = [sys.executable, "-I", "-S", "-c", _WATCH, str(found), *command]
        subprocess.run(watch, cwd=folder, env=variables, stdout=output, stderr=subprocess.STDOUT, check=True)
    seconds, memory, code = map(float, found.read_text().split())
    return seconds, memory / (1024 if sys.platform == "linux" else 1024**2), int(code), printed.read_text(encoding="utf-8")
