"""Step times of all cases, in a process of their own: with one thread it is kept on one core, since not every library heeds the
number of threads that it is given."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from mlp_cli.bench.timing import NETS, RATES, Case, floor, interleave, ours, ratio, with_kernel
from mlp_cli.errors import RunError

_CHILD = "import sys; from mlp_cli.bench.steps import child; child(*sys.argv[1:])"


def cases(threads: int) -> list[Case]:
    """Every net with every optimizer."""
    return [Case(sizes, size, optimizer, threads) for sizes, size in NETS for optimizer in RATES]


def measure(wanted: Sequence[Case], rounds: int, peers: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Entries of the cases, one after the other: `case`, `microseconds` a step and `ratios`, medians over the rounds.

    wanted: cases of one number of threads. peers: names of `peers.PEERS`. Errors: RunError where losses do not agree.
    """
    arguments = json.dumps([vars(case) for case in wanted]), str(rounds), json.dumps(list(peers))
    command = [sys.executable, "-P", "-c", _CHILD, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            entry = json.loads(line)
            if "error" in entry:
                raise RunError(entry["error"])
            yield entry
    if process.returncode:
        raise RunError(f"timing steps ended with exit code {process.returncode}")


def child(wanted: str, rounds: str, peers: str) -> None:
    """What `measure` runs: prints one JSON document a line."""
    asked = [Case(**{**each, "sizes": tuple(each["sizes"])}) for each in json.loads(wanted)]
    with on_one_core() if asked[0].threads == 1 else nullcontext():
        for case in asked:
            try:
                entry = _entry(case, int(rounds), json.loads(peers))
            except RunError as error:
                entry = {"error": error.message}
            print(json.dumps(entry), flush=True)


@contextmanager
def on_one_core() -> Iterator[None]:
    """This process, its threads to come and its children stay on one core, where the system can do that."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _entry(case: Case, rounds: int, peers: Sequence[str]) -> dict[str, Any]:
    from mlp_cli.bench.peers import PEERS

    contenders, failed = [floor(case), ours(case), *with_kernel(case)], {}
    for name in peers:
        try:
            contender = PEERS[name][1](case)
            contender.steps()  # what compiles does so now, and may find no compiler
            contenders.append(PEERS[name][1](case))
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}".splitlines()[0]
    times = interleave(contenders, case, rounds)
    best = [contender.name for contender in contenders if contender.name.startswith("mlp")][-1]
    return {
        "case": case.label,
        "microseconds": {name: round(statistics.median(values), 1) for name, values in times.items()},
        "ratios": {f"{best} / {name}": ratio(times, best, name) for name in times if not name.startswith("mlp")},
        "failed": failed,
    }
