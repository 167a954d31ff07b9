"""Signals, a second process on the same run, and a run whose process is gone."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from chaos_runs import COMMON, OPTIMIZERS, SHORT, Site, digest, ended, one_line

from mlp_cli import runs

HELD = """\
import os, time
from mlp_cli.training.trainer import Trainer
step = Trainer.step
def held(self, *arguments):
    if self.state.epoch == 1 and not os.path.exists("{mark}.held"):
        open("{mark}.held", "w").close()
        while not os.path.exists("{mark}.go"):
            {wait}
    return step(self, *arguments)
Trainer.step = held
"""
"""The first step of the second epoch does not end before the test lets it go."""

SIGNAL_IN = """\
import os, signal
from mlp_cli.{module} import {owner}
real = {owner}.{method}
def signalled(self, *arguments):
    if {condition}:
        os.kill(os.getpid(), signal.{name})
    return real(self, *arguments)
{owner}.{method} = signalled
"""
"""The process sends itself a signal where a method begins."""

SIGNAL_WHEN_IMPORTED = """\
import builtins, os, signal
real = builtins.__import__
def signalled(name, *arguments):
    if name == "click":
        os.kill(os.getpid(), signal.{name})
    return real(name, *arguments)
builtins.__import__ = signalled
"""
"""The process sends itself a signal before it knows its command."""

SIGNAL_IN_DELETION = """\
import os, signal
from mlp_cli import experiment
real = experiment.load_data
class Deleted:
    def __del__(self):
        os.kill(os.getpid(), signal.{name})
def signalled(*arguments):
    Deleted()
    return real(*arguments)
experiment.load_data = signalled
"""
"""The process sends itself a signal where no error can be raised."""

SIGNAL_AT_EXIT = """\
import atexit, os, signal
atexit.register(lambda: os.kill(os.getpid(), signal.{name}))
"""
"""The process sends itself a signal when all is done and the interpreter is about to end."""


@pytest.fixture
def short(site: Site) -> str:
    """A config of two epochs."""
    return site.config("short", COMMON, OPTIMIZERS["adam"], SHORT)


def record_of(folder: Path) -> dict:
    """The content of run.json."""
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


def hold(site: Site, config: str, results: str, mark: str = "", wait: str = "time.sleep(0.002)") -> subprocess.Popen[str]:
    """A run that is in the first step of its second epoch, and stays there until `let_go`. It prints a line an epoch.

    mark: begins the names of the files that the two sides speak by; the results folder's if left out. wait: how it waits.
    """
    mark = mark or results
    command = [word for word in site.command(config, results, patch=HELD.format(mark=mark, wait=wait)) if word != "--quiet"]
    process = site.start(command)
    while process.poll() is None and not (site.root / f"{mark}.held").exists():
        time.sleep(0.002)
    assert process.poll() is None, ended(process)
    return process


def let_go(site: Site, mark: str) -> None:
    """Lets a held run go on."""
    (site.root / f"{mark}.go").touch()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_within_the_batch_in_hand(site: Site, short: str, number: int, code: int) -> None:
    results = f"signal-{code}"
    process = hold(site, short, results)
    process.send_signal(number)
    let_go(site, results)
    end = ended(process)
    assert end.code == code and "interrupted in epoch 2, step 1 of" in one_line(end), end
    folder = site.folder(results)
    assert record_of(folder)["status"] == "interrupted" and record_of(folder)["epochs"] == 1
    assert (folder / "checkpoint.npz").exists()
    assert site.finish(short, results) == site.undisturbed(short)


NO_PYTHON = "__import__('hashlib').pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)"
"""A single call that takes minutes and never comes back to the interpreter, as a product of large matrices does."""


@pytest.mark.parametrize(
    ("wait", "number", "code"),
    [("time.sleep(600)", signal.SIGTERM, 143), (NO_PYTHON, signal.SIGINT, 130)],
    ids=["asleep", "in native code"],
)
def test_a_second_one_ends_it_at_once(site: Site, short: str, wait: str, number: int, code: int) -> None:
    """In a batch that takes minutes. Signals go on coming, since two that come before the first is seen are one."""
    results = f"second-{code}"
    process = hold(site, short, results, wait=wait)
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        process.send_signal(number)
        time.sleep(0.05)
    found = ended(process, timeout=120)
    assert found.code == code and "Traceback" not in found.err, found
    assert runs.read_status(site.folder(results))[1] == "interrupted"
    assert site.finish(short, results) == site.undisturbed(short)


@pytest.mark.parametrize(
    ("module", "owner", "method", "condition", "name", "code", "status"),
    [
        ("training.trainer", "Trainer", "_validate", "arguments[0] == 2", "SIGINT", 130, "interrupted"),
        pytest.param(
            *("training.trainer", "Trainer", "_validate", "arguments[0] == 2", "SIGTERM", 143, "interrupted"),
            marks=pytest.mark.slow,
        ),
        ("experiment", "Attempt", "_begin", "True", "SIGTERM", 143, "interrupted"),
        ("experiment", "Attempt", "_evaluate", "True", "SIGINT", 130, "interrupted"),
        ("runs", "Claim", "write_record", "arguments[0].status == 'completed'", "SIGINT", 130, "completed"),
        pytest.param(
            *("runs", "Claim", "write_record", "arguments[0].status == 'completed'", "SIGTERM", 143, "completed"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_signal_outside_a_step(
    site: Site, short: str, module: str, owner: str, method: str, condition: str, name: str, code: int, status: str
) -> None:
    """In the last validation, before the first step, in the evaluation, and when the run is as good as done and is finished first."""
    results = f"{method}-{name}"
    patch = SIGNAL_IN.format(module=module, owner=owner, method=method, condition=condition, name=name)
    end = site.train(short, results, patch=patch)
    assert (end.code, record_of(site.folder(results))["status"]) == (code, status), end
    assert "interrupted" in one_line(end)
    assert site.finish(short, results) == site.undisturbed(short)


CODES = {"SIGINT": 130, "SIGTERM": 143}


@pytest.mark.parametrize(
    ("name", "patch"),
    [
        pytest.param("SIGINT", SIGNAL_WHEN_IMPORTED, id="SIGINT when imported"),
        pytest.param("SIGTERM", SIGNAL_IN_DELETION, id="SIGTERM in deletion"),
        pytest.param("SIGTERM", SIGNAL_WHEN_IMPORTED, id="SIGTERM when imported", marks=pytest.mark.slow),
        pytest.param("SIGINT", SIGNAL_IN_DELETION, id="SIGINT in deletion", marks=pytest.mark.slow),
    ],
)
def test_a_signal_before_everything(site: Site, short: str, name: str, patch: str) -> None:
    end = site.train(short, "early", patch=patch.format(name=name))
    assert (end.code, one_line(end)) == (CODES[name], "error: interrupted") and not (site.root / "early").exists()


@pytest.mark.parametrize("name", ["SIGINT", pytest.param("SIGTERM", marks=pytest.mark.slow)])
def test_a_signal_after_everything(site: Site, short: str, name: str) -> None:
    end = site.train(short, f"late-{name}", patch=SIGNAL_AT_EXIT.format(name=name))
    assert (end.code, end.err) == (CODES[name], "")
    assert site.finish(short, f"late-{name}") == site.undisturbed(short)


def test_an_evaluation_is_left_within_the_batch_in_hand(site: Site, short: str) -> None:
    """In the second of many batches of the validation part; what would follow takes minutes."""
    slow = """\
import os, signal, time
from mlp_cli.nn.network import Network
from mlp_cli.training import evaluate
evaluate.ROWS = 10
forward, seen = Network.forward, []
def slow(self, x, training):
    if not training:
        seen.append(x)
        if len(seen) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        elif len(seen) > 2:
            time.sleep(600)
    return forward(self, x, training)
Network.forward = slow
"""
    end = site.train(short, "validation", patch=slow)
    assert end.code == 130 and "interrupted in epoch 1, while it was validated" in one_line(end)
    assert site.finish(short, "validation") == site.undisturbed(short)


def test_a_signal_is_heeded_though_the_process_was_started_to_ignore_it(site: Site, short: str) -> None:
    """As a script's shell has it for a job in the background."""
    patch = SIGNAL_IN.format(module="experiment", owner="Attempt", method="_evaluate", condition="True", name="SIGINT")
    end = site.train(short, "background", patch=patch, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    assert end.code == 130, end
    assert site.finish(short, "background") == site.undisturbed(short)


def test_a_stop_that_was_decided_stays_decided(site: Site) -> None:
    """Killed when early stopping has decided, before the evaluation: no further epoch is trained."""
    config = site.config("adam", COMMON, OPTIMIZERS["adam"])
    calm = site.undisturbed(config)
    kill = SIGNAL_IN.format(module="experiment", owner="Attempt", method="_evaluate", condition="True", name="SIGKILL")
    assert site.train(config, "decided", patch=kill).code == -signal.SIGKILL
    folder = site.folder("decided")
    before = (folder / "metrics.csv").read_bytes()
    assert 1 < len(before.splitlines()) < 30
    forbid = "from mlp_cli.training.trainer import Trainer\ndef no(*_): raise AssertionError('trained')\nTrainer.step = no"
    end = site.train(config, "decided", patch=forbid)
    assert end.code == 0, end.err
    assert (folder / "metrics.csv").read_bytes() == before and digest(folder) == calm


def test_two_processes_on_one_run_and_one_that_is_gone(site: Site, short: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_LOCK_WAIT", 0.0)
    process = hold(site, short, "two")
    folder = site.folder("two")
    assert runs.read_status(folder)[1] == "running"
    second = site.here("train", short, "--results", "two")
    assert second.code == 1 and one_line(second) == f"error: two/{folder.name} is in use by another process"
    forced = site.here("train", short, "--results", "two", "--force")
    assert forced.code == 1 and "is in use" in one_line(forced) and (folder / "checkpoint.npz").exists()
    process.kill()
    assert ended(process).code == -signal.SIGKILL
    assert record_of(folder)["status"] == "running" and runs.read_status(folder)[1] == "interrupted"
    assert site.finish(short, "two") == site.undisturbed(short)


@pytest.mark.parametrize("count", [3, pytest.param(8, marks=pytest.mark.slow)])
def test_many_at_once_on_one_new_run(site: Site, short: str, count: int) -> None:
    """One of them trains; the others say so, or find the run completed."""
    started = [site.start(site.command(short, "many")) for _ in range(count)]
    ends = [ended(process) for process in started]
    assert any(end.code == 0 for end in ends)
    assert all(end.code == 0 or "is in use by another process" in one_line(end) for end in ends)
    assert site.finish(short, "many") == site.undisturbed(short)


def test_a_pipe_that_nobody_reads(site: Site, short: str) -> None:
    """`mlp train … | head -1`: the run stops, and its exit code says so."""
    process = hold(site, short, "pipe")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    let_go(site, "pipe")
    end = ended(process)
    assert end.code != 0 and record_of(site.folder("pipe"))["status"] == "interrupted"
    assert "cannot write standard output: broken pipe" in one_line(end)
    assert site.finish(short, "pipe") == site.undisturbed(short)


def test_a_folder_that_is_removed_under_way(site: Site, short: str) -> None:
    process = hold(site, short, "removed")
    shutil.rmtree(site.folder("removed"))
    let_go(site, "removed")
    line = one_line(ended(process))
    assert "error: cannot write removed/" in line and "the folder is gone" in line
    assert not os.listdir(site.root / "removed")
    assert site.finish(short, "removed") == site.undisturbed(short)


def test_a_folder_that_another_process_made_anew(site: Site, short: str) -> None:
    """The first process has lost its folder; it must not write into that of the second."""
    first = hold(site, short, "anew", "first")
    shutil.rmtree(site.folder("anew"))
    second = hold(site, short, "anew", "second")
    let_go(site, "first")
    assert "the folder is gone" in one_line(ended(first))
    assert record_of(site.folder("anew"))["status"] == "running"
    let_go(site, "second")
    assert ended(second).code == 0
    assert site.finish(short, "anew") == site.undisturbed(short)
