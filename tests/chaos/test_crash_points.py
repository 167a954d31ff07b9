"""Proof 2: a run of two epochs that is killed, or told of a full or broken disk, at each call that changes the disk."""

import functools
import itertools
import os
import shutil
import signal
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from chaos_runs import COMMON, OPTIMIZERS, SHORT, STOPPED, Ended, Site, calls, need_strace, one_line, strace, traced

from mlp_cli.training import checkpoint

SHIM = Path(__file__).with_name("shim.py")
SOME = [
    ("strace", "KILL"),
    ("strace", "ENOSPC"),
    pytest.param("strace", "EIO", marks=pytest.mark.slow),
    ("shim", "KILL"),
    ("shim", "EIO"),
]

Point = tuple[str, int | str]


class Scene:
    """A run of two epochs from one of four beginnings, in a fresh results folder for each time that it is disturbed.

    beginning: `new`; `cold`, with an empty cache of data sets, up to where the run's folder is made; `resumed` after a kill in the
        second epoch, with a temporary file left behind; or `forced`, over a completed run.
    tool: what disturbs it: `strace`, or `shim` in its place.
    """

    def __init__(self, site: Site, beginning: str, tool: str) -> None:
        self.site, self.beginning, self.tool = site, beginning, tool
        self.config = site.config("short", COMMON, OPTIMIZERS["adam"], SHORT)
        self.calm = site.undisturbed(self.config)
        self.template = site.root / f"template-{beginning}-{tool}"
        if beginning == "resumed":
            assert site.train(self.config, self.template.name, patch=STOPPED).code == 9
            (site.folder(self.template.name) / ".model.npz.0123abcd.tmp").write_bytes(b"half")
        elif beginning == "forced":
            shutil.copytree(site.root / f"calm-{self.config}", self.template)

    def disturbed(self, name: str, action: str, point: Point) -> tuple[str, Ended, Path]:
        """Runs it with one call disturbed; gives the results folder, how it ended and the log of calls."""
        results, log = f"{self.beginning}-{self.tool}-{name}", self.site.root / f"{self.beginning}-{self.tool}-{name}.log"
        if self.template.exists():
            shutil.copytree(self.template, self.site.root / results)
        words = ["--force"] if self.beginning == "forced" else []
        command, (call, number) = self.site.command(self.config, results, *words), point
        if self.tool == "shim":
            command = [sys.executable, str(SHIM), action, call, str(number), str(log), *command[3:]]
        else:
            what = f"signal={action}" if action == "KILL" else f"error={action}"
            command = traced(command, log, *(["-e", f"inject={call}:{what}:when={number}"] if number else []))
        cache = {"XDG_CACHE_HOME": str(self.site.root / f"cache-{name}")} if self.beginning == "cold" else {}
        return results, self.site.run(command, env=self.site.counted | cache), log

    def points(self) -> list[Point]:
        """Every call that changes the disk, with its number among those of its name."""
        results, end, log = self.disturbed("count", "KILL", ("", 0))
        assert end.code == 0, end.err
        found = [(name, "") for name in log.read_text().split()] if self.tool == "shim" else calls(log)
        if self.beginning == "cold":
            found = list(itertools.takewhile(lambda call: results not in call[1], found))
        names = [name for name, _ in found]
        seen: Counter[str] = Counter()
        return [(name, seen.update([name]) or seen[name]) for name in names]

    def check(self, action: str, point: Point) -> None:
        """Disturbs one call, and runs the same command again (without --force): equal H."""
        results, end, _ = self.disturbed(f"{action}-{point[0]}-{point[1]}", action, point)
        if action == "KILL":
            assert end.code == -signal.SIGKILL, (point, end)
        elif self.beginning == "cold":
            assert end.code == 0, "a run does without a cache"
        else:
            assert end.code == 1 and f"error: cannot write {results}" in one_line(end), (point, end)
        if self.beginning == "resumed":
            folder = self.site.folder(results)
            assert is_sound(folder) or '"status": "completed"' in (folder / "run.json").read_text(), point
        assert self.site.finish(self.config, results) == self.calm, point


def is_sound(folder: Path) -> bool:
    """Whether a checkpoint is there that can be used: from the first one on this must never cease, until the run is completed."""
    for name in (checkpoint.CURRENT, checkpoint.PREVIOUS):
        with suppress(checkpoint.Damaged):
            return checkpoint.read(folder / name).epoch >= 1
    return False


@functools.cache
def scene(site: Site, beginning: str, tool: str) -> tuple[Scene, list[Point]]:
    """A scene and its points, made once."""
    found = Scene(site, beginning, tool)
    points = found.points()
    assert len(points) > (10 if beginning == "cold" else 40), points
    return found, points


def check_each(found: Scene, action: str, points: list[Point]) -> None:
    """Each of the points in turn, a few at a time."""
    print(
        f"{action} at {len(points)} calls of a {found.beginning} run by {found.tool}: {dict(Counter(name for name, _ in points))}"
    )
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        list(pool.map(lambda point: found.check(action, point), points))


@pytest.mark.parametrize(("tool", "action"), SOME)
def test_some_crash_points(site: Site, tool: str, action: str) -> None:
    if tool == "strace":
        need_strace()
    found, points = scene(site, "new", tool)
    assert {"write", "fsync", "unlink"} < {name for name, _ in points}
    start = {"KILL": 11, "ENOSPC": 20, "EIO": 29}[action]
    check_each(found, action, points[start :: len(points) // 2][: 2 if tool == "strace" else 1])


@pytest.mark.slow
@pytest.mark.parametrize("beginning", ["new", "cold", "resumed", "forced"])
@pytest.mark.parametrize("action", ["KILL", "ENOSPC", "EIO"])
def test_every_crash_point(site: Site, beginning: str, action: str) -> None:
    found, points = scene(site, beginning, "strace" if strace() else "shim")
    check_each(found, action, points)


@pytest.mark.parametrize("call", ["fsync", pytest.param("rename", marks=pytest.mark.slow)])
def test_a_disk_that_stays_full(site: Site, call: str) -> None:
    """From its tenth call on every one fails, also those that would note the failure."""
    need_strace()
    found, points = scene(site, "new", "strace")
    name = next(name for name, _ in points if name.startswith(call))
    results, end, _ = found.disturbed(f"full-{call}", "ENOSPC", (name, "10+"))
    assert end.code == 1 and "the disk is full" in one_line(end)
    assert site.finish(found.config, results) == found.calm


def test_a_checkpoint_that_cannot_be_read_is_kept(site: Site) -> None:
    """A disk that fails to read once is no reason to throw a checkpoint away."""
    need_strace()
    config, results = site.config("short", COMMON, OPTIMIZERS["adam"], SHORT), "unreadable"
    command = site.command(config, results)
    assert site.train(config, results, patch=STOPPED).code == 9
    path = site.folder(results) / "checkpoint.npz"
    filters = ["-P", str(path), "-e", "inject=read:error=EIO"]
    end = site.run(traced(command, site.root / "unreadable.log", *filters, calls="read"))
    assert end.code == 1 and f"cannot read {path.relative_to(site.root)}" in one_line(end)
    assert path.exists()
    assert site.finish(config, results) == site.undisturbed(config)
