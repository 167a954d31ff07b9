"""Proof 3: what is renamed onto a final name is on the disk before, and the rename is on the disk after."""

import re
from pathlib import Path

import pytest
from chaos_runs import CALLS, COMMON, OPTIMIZERS, SHORT, Site, calls, need_strace, traced

OPENED = "?open,?openat,?openat2"
KILLED = "import os\nfrom mlp_cli.experiment import Attempt\nAttempt._evaluate = lambda *_: os._exit(9)"
"""A kill when training is over, before the evaluation."""
_FIRST_PATH = re.compile(r'\d+<([^>]*)>|"([^"]*)"')
_WRITING = re.compile(r"O_(WRONLY|RDWR)")


def violations(root: Path, traced_calls: list[tuple[str, str]]) -> list[str]:
    """Renames of what was never synced since it was written, and names not synced before the next file is begun, or at the end."""
    unsynced: set[Path] = set()
    renamed: dict[Path, list[str]] = {}
    wrong = []

    def settle(where: str) -> None:
        wrong.extend(f"{text}: its folder was not synced before {where}" for texts in renamed.values() for text in texts)
        renamed.clear()

    for name, arguments in traced_calls:
        paths = [root / (first or second) for first, second in _FIRST_PATH.findall(arguments)]
        if name.startswith("open") and _WRITING.search(arguments):
            settle(arguments)
        elif name == "write":
            unsynced.add(paths[0])
        elif name in ("fsync", "fdatasync"):
            unsynced.discard(paths[0])
            renamed.pop(paths[0], None)
        elif name.startswith("rename"):
            source, target = paths[-2:]
            if source in unsynced:
                wrong.append(f"{target}: its content was not synced")
            renamed.setdefault(target.parent, []).append(str(target))
    settle("the end")
    return wrong


def test_the_checker_sees_each_violation() -> None:
    written, synced = ("write", '8</r/.a.tmp>, "x"'), ("fsync", "8</r/.a.tmp>")
    rename, folder, begun = ("rename", '".a.tmp", "a"'), ("fsync", "8</r>"), ("openat", 'AT_FDCWD, "b", O_WRONLY|O_CREAT')
    root = Path("/r")
    assert violations(root, [written, synced, rename, folder, begun]) == []
    assert len(violations(root, [written, rename, folder])) == 1
    assert len(violations(root, [synced, written, rename, folder])) == 1
    assert len(violations(root, [written, synced, rename])) == 1
    assert len(violations(root, [written, synced, rename, begun, folder])) == 1


@pytest.mark.parametrize(
    "beginning", ["new", *(pytest.param(each, marks=pytest.mark.slow) for each in ("resumed", "completed with figures"))]
)
def test_order_of_calls(site: Site, beginning: str) -> None:
    need_strace()
    config = site.config("ordered", COMMON, OPTIMIZERS["adam"], SHORT, "early_stopping: {patience: 1}\n")
    results, log = f"order-{beginning[:3]}", site.root / f"order-{beginning[:3]}.log"
    command = site.command(config, results)
    if beginning == "resumed":
        assert site.train(config, results, patch=KILLED).code == 9
    elif beginning != "new":
        assert site.run(command).code == 0
        command.remove("--no-plots")
    assert site.run(traced(command, log, calls=f"{CALLS},{OPENED}"), env=site.counted).code == 0
    found = calls(log)
    ours = [arguments for name, arguments in found if name.startswith("rename") and results in arguments]
    assert len(ours) == {"new": 13, "resumed": 10, "completed with figures": 5}[beginning], ours
    assert violations(site.root, found) == []
