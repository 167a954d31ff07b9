"""What the proofs share: a place with data and configs, a run started as a user would, its hash, and the means to disturb it."""

import contextlib
import functools
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from needs import skip
from small_sets import make_idx_set

from mlp_cli.cli.main import run as run_command

COMMON = """\
name: chaos
dataset: {path: shapes, validation: 200}
hidden_sizes: [24, 16]
epochs: 30
batch_size: 8
early_stopping: {patience: 4}
"""

OPTIMIZERS = {
    "sgd": "optimizer: sgd\nlearning_rate: 0.03\ndropout: 0.2\nweight_decay: 1e-4\nschedule: {name: step, every: 8}\n",
    "momentum": "optimizer: momentum\nlearning_rate: 2e-3\nbatch_norm: true\nschedule: cosine\n",
    "adam": "optimizer: adam\nlearning_rate: 0.02\ndropout: [0.2, 0.1]\nbatch_norm: true\nschedule: {name: cosine, warmup_epochs: 2}\n",
    "rmsprop": "optimizer: rmsprop\nlearning_rate: 5e-3\ndropout: 0.1\ninput_dropout: 0.1\nschedule: exponential\n",
}
"""One config for each optimizer: noise or running statistics, a schedule and early stopping are on, and shuffling always is."""

STATES = {
    "ema": "optimizer: nadam\nlearning_rate: 5e-3\nema: 0.95\ndropout: 0.1\n",
    "plateau": "optimizer: radam\nlearning_rate: 0.01\nschedule: {name: reduce_on_plateau, patience: 1, factor: 0.5}\n",
    "prelu": "optimizer: adamax\nlearning_rate: 5e-3\nactivation: prelu\ninitializer: orthogonal\n",
    "layer_norm": "optimizer: lion\nlearning_rate: 5e-4\nlayer_norm: true\n",
    "mixup": "optimizer: adagrad\nlearning_rate: 0.02\nmixup: 0.4\nlabel_smoothing: 0.1\nclass_weight: balanced\n",
    "gaussian_noise": "optimizer: adadelta\nlearning_rate: 1.0\ngaussian_noise: 0.2\ninput_dropout: 0.1\n",
    "max_norm": "optimizer: {name: adam, amsgrad: true}\nlearning_rate: 5e-3\nmax_norm: 1\nclip_norm: 0.5\nclip_value: 0.1\n",
    "adamw": "optimizer: {name: adamw, amsgrad: true}\nlearning_rate: 5e-3\nschedule: warm_restarts\n",
    "nesterov": "optimizer: nesterov\nlearning_rate: 2e-3\nschedule: one_cycle\n",
    "centered": "optimizer: {name: rmsprop, centered: true, momentum: 0.5}\nlearning_rate: 2e-3\nschedule: cyclic\n",
    "diagnostics": "optimizer: adam\nlearning_rate: 5e-3\ndiagnostics: true\ndropout: 0.2\nbatch_norm: true\n",
    "augment": "optimizer: adam\nlearning_rate: 5e-3\naugment: [rotation, {name: shift, pixels: 1}, flip, elastic, noise]\n",
    "copies": "optimizer: adam\nlearning_rate: 5e-3\naugment: cs776_2022\nfeatures: {name: patches, filters: 8, size: 3, samples: 500}\n",
}
"""One config for each further state that a run has between two steps, and for the slots of each further optimizer."""

TOGETHER = "".join(
    STATES[name] for name in ("plateau", "prelu", "layer_norm", "mixup", "gaussian_noise", "max_norm", "ema", "augment")
)
"""All of these states in one run."""

SHORT = "epochs: 2\nearly_stopping: null\nbatch_size: 64\n"
"""Added to a config: a run of two epochs."""

STOPPED = """\
import os
from mlp_cli.training.callbacks import TablesWriter
TablesWriter.on_epoch = lambda self, row: row.epoch < 2 or os._exit(9)
"""
"""A kill in the second epoch, as it ends; a patch of a command."""

CALLS = "?write,?fsync,?fdatasync,?rename,?renameat,?renameat2,?unlink,?unlinkat,?rmdir,?mkdir,?mkdirat,?ftruncate,?truncate"
"""The system calls that change what is on the disk, for strace; a question mark passes over what this machine does not have."""

_HERE = threading.Lock()


def digest(folder: Path) -> str:
    """H of a completed run: SHA-256 over metrics.csv, diagnostics.csv where there is one, the predictions and the final weights."""
    sha = hashlib.sha256((folder / "metrics.csv").read_bytes() + (folder / "predictions.npz").read_bytes())
    for path in folder.glob("diagnostics.csv"):
        sha.update(path.read_bytes())
    with np.load(folder / "model.npz", allow_pickle=False) as model:
        for name in sorted(set(model.files) - {"scale", "shift", "classes", "shape", "config"}):
            sha.update(name.encode() + model[name].tobytes())
    return sha.hexdigest()


@dataclass
class Ended:
    """How a process ended: its exit code, or minus the number of the signal that killed it, and what it printed."""

    code: int
    out: str
    err: str


class Site:
    """A folder with a data set and configs; runs go to folders of their own in it, so that many can be disturbed at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        make_idx_set(root / "shapes", train=600, classes=8, side=4)
        self.seconds: dict[str, float] = {}
        # Measured for coverage, a child would write a file of its own, among the calls that are counted and under the limits here.
        self.environment = {key: value for key, value in os.environ.items() if key != "MLP_DATA_DIR" and "COVERAGE" not in key}
        self.environment |= {"HOME": str(root / "cache"), "XDG_CACHE_HOME": str(root / "cache")}
        self.counted = self.environment | {"PYTHONDONTWRITEBYTECODE": "1"}
        """For a process whose calls are counted: what Python writes for itself is none of a run's business."""

    def config(self, name: str, *texts: str) -> str:
        """Writes a config of one key a line, where later texts win, and gives its name."""
        keys = dict(line.split(": ", 1) for text in texts for line in text.splitlines())
        (self.root / f"{name}.yaml").write_text("".join(f"{key}: {value}\n" for key, value in keys.items()))
        return f"{name}.yaml"

    def command(self, config: str, results: str, *words: str, patch: str = "") -> list[str]:
        """`mlp train` as a list of words; `patch` is Python code that runs first, in the same process."""
        start = ["-c", f"{patch}\nfrom mlp_cli.__main__ import main\nmain()"] if patch else ["-m", "mlp_cli"]
        return [sys.executable, *start, "train", config, "--results", results, "--no-plots", "--quiet", *words]

    def start(self, command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        """A process in this folder, whose cache and home are in `cache` here unless `env` in the options says otherwise."""
        given = {"env": self.environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        return subprocess.Popen(command, cwd=self.root, text=True, start_new_session=True, **given)

    def run(self, command: Sequence[str], timeout: float = 120, **options: Any) -> Ended:
        """A process in this folder, to its end."""
        return ended(self.start(command, **options), timeout)

    def train(self, config: str, results: str, *words: str, patch: str = "", **options: Any) -> Ended:
        """`mlp train` in a fresh process, to its end."""
        return self.run(self.command(config, results, *words, patch=patch), **options)

    def here(self, *words: str) -> Ended:
        """A command line of mlp in this process and this folder; one at a time, since a process has one current folder."""
        out, err = io.StringIO(), io.StringIO()
        with _HERE, pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            patch.chdir(self.root)
            for name in ("HOME", "XDG_CACHE_HOME"):
                patch.setenv(name, self.environment[name])
            code = run_command(list(words))
        return Ended(code, out.getvalue(), err.getvalue())

    def folder(self, results: str) -> Path:
        """The one run's folder."""
        (found,) = (self.root / results).iterdir()
        return found

    def log(self, results: str) -> str:
        """The text of the one run's log.txt, empty where there is none yet."""
        found = list((self.root / results).glob("*/log.txt"))
        return found[0].read_text(encoding="utf-8") if found else ""

    def epochs(self, results: str) -> int:
        """How many epochs the one run has told of in its log.txt."""
        return self.log(results).count(" epoch ")

    @functools.cache  # noqa: B019
    def undisturbed(self, config: str) -> str:
        """H of an undisturbed run; it also notes its seconds."""
        started = time.monotonic()
        end = self.here("train", config, "--results", f"calm-{config}", "--no-plots", "--quiet")
        assert end.code == 0, end.err
        self.seconds[config] = time.monotonic() - started
        return digest(self.folder(f"calm-{config}"))

    def wait_for(self, results: str, process: subprocess.Popen[str], name: str) -> None:
        """Waits until a file of the run is there, or the process is gone."""
        while process.poll() is None and not any((self.root / results).glob(f"*/{name}")):
            time.sleep(0.001)

    def finish(self, config: str, results: str) -> str:
        """The same command again, in this process, which knows of the run what is in its folder; gives H, and takes the folder away."""
        end = self.here("train", config, "--results", results, "--no-plots", "--quiet")
        assert end.code == 0, end.err
        folder = self.folder(results)
        left = {entry.name for entry in folder.iterdir()}
        usual = {
            "run.json",
            "config.yaml",
            "metrics.csv",
            "timings.csv",
            "model.npz",
            "predictions.npz",
            "checkpoint.npz",
            "log.txt",
        }
        assert left - {"diagnostics.csv"} == usual
        found = digest(folder)
        shutil.rmtree(self.root / results)
        return found


def ended(process: subprocess.Popen[str], timeout: float = 120) -> Ended:
    """Waits for the end of a process; one that does not end in time is killed."""
    with process:
        try:
            out, err = process.communicate(timeout=timeout)
        finally:
            process.kill()
    return Ended(process.returncode, out, err)


def one_line(end: Ended) -> str:
    """The error that a command ended with, which must be one line, and a second one at most for the fix."""
    lines = end.err.splitlines()
    assert end.code != 0 and lines and lines[0].startswith("error: "), end
    assert len(lines) <= 2 and "internal error" not in end.err, end.err
    return lines[0]


@functools.cache
def strace(*options: str) -> bool:
    """Whether strace is here, knows these options, and may trace."""
    if not shutil.which("strace"):
        return False
    return subprocess.run(["strace", "-f", *options, "-qq", "-o", os.devnull, "true"], capture_output=True).returncode == 0


def need_strace() -> None:
    """Skips the test where strace cannot be used; with MLP_NO_SKIPS set it fails."""
    if not strace():
        skip("strace is missing here, or may not trace")


def traced(command: Sequence[str], log: Path, *options: str, calls: str = CALLS) -> list[str]:
    """The command under strace, which writes the calls to `log`."""
    # With --seccomp-bpf other calls cost no time, but strace then sends no signal at one of these.
    quick = ["--seccomp-bpf"] if strace("--seccomp-bpf") and not any("signal=" in option for option in options) else []
    return ["strace", "-f", *quick, "-qq", "-y", "-e", f"trace={calls}", *options, "-o", str(log), "--", *command]


_CALL = re.compile(r"(\d+) +(\w+)\((.*)\) += (.*)")


def calls(log: Path) -> list[tuple[str, str]]:
    """The calls (name, arguments) of the traced process itself, children left out."""
    found = [match.groups() for line in log.read_text(errors="replace").splitlines() if (match := _CALL.match(line))]
    assert found, f"no call in {log}"
    return [(name, arguments) for process, name, arguments, _ in found if process == found[0][0]]
