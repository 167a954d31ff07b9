"""Timing steps and whole commands: that all contenders do the same work, and that what goes wrong is no measurement."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from needs import need
from small_sets import Answer

from mlp_cli.bench import peers, steps, timing, whole
from mlp_cli.bench.busy import Busy
from mlp_cli.bench.timing import RATES, Case, Contender
from mlp_cli.errors import RunError

Mlp = Callable[..., Answer]


def small(optimizer: str, threads: int = 1) -> Case:
    return Case((20, 8, 6, 4), 64, optimizer, threads, rows=256)


def test_the_command_times_every_optimizer_in_a_process_of_its_own(mlp: Mlp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "cases", lambda threads: [small(name, threads) for name in RATES])
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    *entries, machine = json.loads(mlp("bench", "--rounds", "1", "--whole-rounds", "0", "--sweep-rounds", "0", "--json").out)
    assert [entry["case"] for entry in entries] == [f"20-8-6-4, batch 64, {name}, 1 thread" for name in RATES]
    for entry in entries:
        best = [name for name in entry["microseconds"] if name.startswith("mlp")][-1]
        assert min(entry["microseconds"].values()) > 0 and entry["ratios"][f"{best} / matrix products"] > 0
    assert machine["case"] == "the machine meanwhile"


def test_only_the_steps_that_are_named_are_timed(mlp: Mlp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "cases", lambda threads: [small(name, threads) for name in RATES])
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    words = ("--only", "adam, 1", "--rounds", "1", "--whole-rounds", "0", "--sweep-rounds", "0", "--json")
    assert [entry["case"] for entry in json.loads(mlp("bench", *words).out)][:-1] == ["20-8-6-4, batch 64, adam, 1 thread"]


@pytest.mark.parametrize("optimizer", list(RATES))
@pytest.mark.parametrize(("name", "package"), [("scikit-learn", "sklearn")])
def test_a_peer_does_the_same_work(name: str, package: str, optimizer: str) -> None:
    need(package)
    case = small(optimizer)
    contenders = [timing.ours(case), peers.PEERS[name][1](case)]
    timing.interleave(contenders, case, 3)  # the losses after its first round have to agree
    first = timing.ours(case)
    assert first.loss is not None and contenders[0].loss is not None
    assert contenders[0].loss() < first.loss() - 0.02  # and something was learnt


def test_a_peer_that_does_something_else_is_no_measurement() -> None:
    case = small("sgd")
    with pytest.raises(RunError, match=r"20-8-6-4, batch 64, sgd, 1 thread: the losses .* do not agree: mlp .*, idle 9.0000"):
        timing.interleave([timing.ours(case), Contender("idle", lambda: None, lambda: 9.0)], case, 1)


def test_an_error_of_the_child_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_CHILD", 'print(\'{"error": "the losses do not agree"}\')')
    with pytest.raises(RunError, match="the losses do not agree"):
        list(steps.measure([small("sgd")], 1, []))
    monkeypatch.setattr(steps, "_CHILD", "import sys; sys.exit(3)")
    with pytest.raises(RunError, match="exit code 3"):
        list(steps.measure([small("sgd")], 1, []))


def test_a_peer_that_does_not_work_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(case: Case) -> Contender:
        raise ImportError("no compiler")

    monkeypatch.setitem(peers.PEERS, "broken", ("nothing", broken))
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    steps.child(json.dumps([vars(small("adam"))]), "1", '["broken"]')
    assert json.loads(capsys.readouterr().out)["failed"] == {"broken": "ImportError: no compiler"}
    assert before is None or os.sched_getaffinity(0) == before


def test_whole_commands_are_checked(tmp_path: Path) -> None:
    good = "import numpy; print('test accuracy        98.12 %')"
    seconds, memory = whole._run("good", [sys.executable, "-c", good], str(tmp_path))
    assert seconds > 0 and 5 < memory < 2000
    for bad in ("print('test accuracy 11.35')", "print('nothing')", "import sys; print('test accuracy 99'); sys.exit(1)"):
        with pytest.raises(RunError, match="bad: the command failed or learnt nothing"):
            whole._run("bad", [sys.executable, "-c", bad], str(tmp_path))


def test_every_peer_has_a_script_or_none() -> None:
    folder = Path(whole.__file__).parent / "scripts"
    assert {path.name for path in folder.glob("*.py")} == set(whole.SCRIPTS.values())
    assert set(whole.SCRIPTS) <= set(peers.PEERS)


def test_time_of_other_processes() -> None:
    share = Busy().others()
    assert share is None or 0 <= share <= 1
