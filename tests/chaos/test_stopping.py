"""Signals, a second process on the same run, and a run whose process is gone."""

import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

import pytest
from chaos_runs import COMMON, OPTIMIZERS, SHORT, Ended, Site, digest, ended, one_line

from mlp_cli import runs

SLOW_STEPS = """\
import time
from mlp_cli.training.trainer import Trainer
step = Trainer.step
def slow(self, *arguments):
    if self.state.epoch >= 1:
        time.sleep({seconds})
    return step(self, *arguments)
Trainer.step = slow
"""
"""Each step from the second epoch on takes so many seconds."""

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


def signalled(site: Site, config: str, results: str, number: int, patch: str, times: int = 1) -> Ended:
    """A run that gets a signal, or several, in the middle of its second epoch."""
    process = site.start(site.command(config, results, patch=patch))
    site.wait_for(results, process, "checkpoint.npz")
    time.sleep(0.1)
    for _ in range(times):
        process.send_signal(number)
        time.sleep(0.1)
    return ended(process, timeout=20)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_within_the_batch_in_hand(site: Site, short: str, number: int, code: int) -> None:
    results = f"signal-{code}"
    end = signalled(site, short, results, number, SLOW_STEPS.format(seconds=0.3))
    assert end.code == code and re.search(r"interrupted in epoch 2, step \d+ of", one_line(end)), end
    folder = site.folder(results)
    assert record_of(folder)["status"] == "interrupted" and record_of(folder)["epochs"] == 1
    assert (folder / "checkpoint.npz").exists()
    assert site.finish(short, results) == site.undisturbed(short)


@pytest.mark.parametrize(("busy", "number", "code"), [(False, signal.SIGTERM, 143), (True, signal.SIGINT, 130)])
def test_a_second_one_ends_it_at_once(site: Site, short: str, busy: bool, number: int, code: int) -> None:
    """In a batch that takes minutes, of which the process is waited for only twenty seconds.

    busy: in a single call that never comes back to the interpreter, as a product of large matrices is.
    """
    results = f"second-{busy}-{code}"
    patch = SLOW_STEPS.format(seconds=120)
    if busy:
        patch = patch.replace("time.sleep(120)", "__import__('hashlib').pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)")
    end = signalled(site, short, results, number, patch, times=2)
    assert end.code == code and "Traceback" not in end.err, end
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
        ("runs", "Claim", "write_record", "arguments[0].status == 'completed'", "SIGTERM", 143, "completed"),
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


@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_before_and_after_everything(site: Site, short: str, number: str, code: int) -> None:
    for patch in (SIGNAL_WHEN_IMPORTED, SIGNAL_IN_DELETION):
        end = site.train(short, f"early-{number}", patch=patch.format(name=number))
        assert (end.code, one_line(end)) == (code, "error: interrupted") and not (site.root / f"early-{number}").exists()
    end = site.train(short, f"late-{number}", patch=SIGNAL_AT_EXIT.format(name=number))
    assert (end.code, end.err) == (code, "")
    assert site.finish(short, f"late-{number}") == site.undisturbed(short)


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
            time.sleep(120)
    return forward(self, x, training)
Network.forward = slow
"""
    end = site.train(short, "validation", patch=slow, timeout=60)
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
    config = site.config("sgd", COMMON, OPTIMIZERS["sgd"])
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


def test_two_processes_on_one_run_and_one_that_is_gone(site: Site, short: str) -> None:
    process = site.start(site.command(short, "two", patch=SLOW_STEPS.format(seconds=2)))
    site.wait_for("two", process, "checkpoint.npz")
    folder = site.folder("two")
    assert runs.read_status(folder)[1] == "running"
    second = site.train(short, "two")
    assert second.code == 1 and one_line(second) == f"error: two/{folder.name} is in use by another process"
    forced = site.train(short, "two", "--force")
    assert forced.code == 1 and "is in use" in one_line(forced) and (folder / "checkpoint.npz").exists()
    process.kill()
    assert ended(process).code == -signal.SIGKILL
    assert record_of(folder)["status"] == "running" and runs.read_status(folder)[1] == "interrupted"
    assert site.finish(short, "two") == site.undisturbed(short)


def test_many_at_once_on_one_new_run(site: Site, short: str) -> None:
    """One of them trains; the others say so, or find the run completed."""
    started = [site.start(site.command(short, "many")) for _ in range(4)]
    ends = [ended(process) for process in started]
    assert any(end.code == 0 for end in ends)
    assert all(end.code == 0 or "is in use by another process" in one_line(end) for end in ends)
    assert site.finish(short, "many") == site.undisturbed(short)


def test_a_pipe_that_nobody_reads(site: Site, short: str) -> None:
    """`mlp train … | head -1`: the run stops, and its exit code says so."""
    command = [word for word in site.command(short, "pipe", patch=SLOW_STEPS.format(seconds=0.05)) if word != "--quiet"]
    process = site.start(command)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    end = ended(process)
    assert end.code != 0 and record_of(site.folder("pipe"))["status"] == "interrupted"
    assert "cannot write standard output: broken pipe" in one_line(end)
    assert site.finish(short, "pipe") == site.undisturbed(short)


def test_a_folder_that_is_removed_under_way(site: Site, short: str) -> None:
    process = site.start(site.command(short, "removed", patch=SLOW_STEPS.format(seconds=0.03)))
    site.wait_for("removed", process, "checkpoint.npz")
    shutil.rmtree(site.folder("removed"))
    line = one_line(ended(process))
    assert "error: cannot write removed/" in line and "the folder is gone" in line
    assert not os.listdir(site.root / "removed")
    assert site.finish(short, "removed") == site.undisturbed(short)


def test_a_folder_that_another_process_made_anew(site: Site, short: str) -> None:
    """The first process has lost its folder; it must not write into that of the second."""
    first = site.start(site.command(short, "anew", patch=SLOW_STEPS.format(seconds=0.1)))
    site.wait_for("anew", first, "checkpoint.npz")
    shutil.rmtree(site.folder("anew"))
    second = site.start(site.command(short, "anew", patch=SLOW_STEPS.format(seconds=0.15)))
    assert "the folder is gone" in one_line(ended(first))
    site.wait_for("anew", second, "run.json")
    assert record_of(site.folder("anew"))["status"] in ("running", "completed")
    assert ended(second).code == 0
    assert site.finish(short, "anew") == site.undisturbed(short)
