"""A disk that is full or read-only, and links that lead out of the run's folder."""

import ctypes
import functools
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from chaos_runs import COMMON, OPTIMIZERS, SHORT, STOPPED, Site, digest, one_line, skip
from stopped_run import Stopped, finish

from mlp_cli import experiment
from mlp_cli.errors import RunError
from mlp_cli.training.callbacks import Callback
from mlp_cli.training.state import Row

DROP_CAPABILITY, OVERRIDE_PERMISSIONS = 24, 1


@pytest.fixture
def short(site: Site) -> str:
    """A config of two epochs."""
    return site.config("short", COMMON, OPTIMIZERS["adam"], SHORT)


@functools.cache
def may_mount() -> bool:
    """Whether a namespace with mounts of its own can be had here."""
    if not shutil.which("unshare"):
        return False
    return subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode == 0


def in_namespace(site: Site, script: str) -> str:
    """Runs a shell script with mounts of its own; gives what it printed."""
    if not may_mount():
        skip("mounts are not permitted here")
    end = site.run(["unshare", "-rm", "sh", "-uc", script])
    assert end.code == 0, end
    return end.out + end.err


@pytest.mark.parametrize("sizes", [(12, 44), pytest.param(tuple(range(4, 120, 4)), marks=pytest.mark.slow)])
def test_a_disk_that_is_really_full(site: Site, short: str, sizes: tuple[int, ...]) -> None:
    """On a file system in memory of so many KiB, which is then made larger."""
    failed = 0
    for size in sizes:
        command = " ".join(site.command(short, "full/results"))
        name = f"full-{size}-{len(sizes)}"
        script = (
            f"mkdir -p full && mount -t tmpfs -o size={size}k tmpfs full || exit 9\n"
            f"{command} 2> {name}.err; first=$?; mount -o remount,size=20m full\n"
            f"{command} || exit 8; cp -r full/results {name} || exit 7; echo $first"
        )
        code = int(in_namespace(site, script).split()[-1])
        text = (site.root / f"{name}.err").read_text()
        if code:
            failed += 1
            assert code == 1 and text.startswith("error: cannot write full/") and "the disk is full" in text, text
            assert len(text.splitlines()) == 2
        assert digest(site.folder(name)) == site.undisturbed(short), size
    assert failed >= 2


def test_a_read_only_file_system(site: Site, short: str) -> None:
    command = " ".join(site.command(short, "ro"))
    (site.root / "ro").mkdir()
    text = in_namespace(site, f"mount --bind ro ro && mount -o remount,ro,bind ro || exit 9; {command}; echo code $?")
    assert "code 1" in text and "error: cannot write ro/" in text and "the file system is read-only" in text
    assert site.finish(short, "ro") == site.undisturbed(short)


def test_files_that_may_not_grow(site: Site, short: str) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    end = site.train(short, "limited", preexec_fn=limit)
    assert "checkpoint.npz: the file would be larger than is allowed" in one_line(end)
    assert site.finish(short, "limited") == site.undisturbed(short)


def without_privilege() -> None:
    """Root may write everywhere, unless it gives that right up."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(DROP_CAPABILITY, OVERRIDE_PERMISSIONS, 0, 0, 0)


@pytest.mark.parametrize("what", [pytest.param("results", marks=pytest.mark.slow), "folder"])
def test_a_folder_that_may_not_be_written(site: Site, short: str, what: str) -> None:
    if os.geteuid() == 0 and sys.platform != "linux":
        skip("root may write everywhere")
    results = f"forbidden-{what}"
    assert site.train(short, results, patch=STOPPED).code == 9
    folder = site.folder(results)
    if what == "results":
        shutil.rmtree(folder)
        folder = site.root / results
    folder.chmod(0o555)
    end = site.train(short, results, preexec_fn=without_privilege)
    assert end.code == 1 and f"error: cannot write {results}/" in one_line(end) and "permission denied" in end.err
    folder.chmod(0o755)
    assert site.finish(short, results) == site.undisturbed(short)


# Links.


@pytest.mark.parametrize("name", ["", "log.txt", "plots"])
def test_nothing_is_written_through_a_link(stopped: Stopped, tmp_path: Path, name: str) -> None:
    """The run's folder itself, its log and its figures, as links that lead elsewhere."""
    planned, outside = stopped.copied(tmp_path / "results"), tmp_path / "outside"
    place = planned.folder / name
    shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
    outside.mkdir()
    target = outside / "precious" if name == "log.txt" else outside
    if target != outside:
        target.write_text("precious")
    place.symlink_to(target)
    with pytest.raises(RunError, match="it is a symbolic link"):
        experiment.run(planned)
    assert [entry.name for entry in outside.iterdir()] == (["precious"] if target != outside else [])
    assert target == outside or target.read_text() == "precious"
    place.unlink()
    assert digest(finish(planned).folder) == stopped.calm


def test_results_may_be_a_link(stopped: Stopped, tmp_path: Path) -> None:
    """To a larger disk, say: they are a user's own."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "results").symlink_to(tmp_path / "disk")
    assert digest(finish(stopped.copied(tmp_path / "results")).folder) == stopped.calm
    assert digest(finish(experiment.Plan(stopped.kept.config, tmp_path / "results" / "new")).folder) == stopped.calm


class Swap(Callback):
    """Puts a link in the place of a file or a folder as an epoch ends; what was there lies behind it from then on."""

    def __init__(self, place: Path, outside: Path) -> None:
        self.place, self.outside = place, outside

    def on_epoch(self, row: Row) -> None:
        self.place.rename(self.outside)
        self.place.symlink_to(self.outside)
        self.left = contents(self.outside)


def contents(place: Path) -> dict[Path, bytes]:
    """Every file at a place, with its content."""
    return {path: path.read_bytes() for path in [place, *place.rglob("*")] if path.is_file()}


@pytest.mark.parametrize("name", ["", "metrics.csv", "timings.csv"])
def test_a_link_that_comes_under_way(stopped: Stopped, tmp_path: Path, name: str) -> None:
    planned, outside = stopped.copied(tmp_path / "results"), tmp_path / "outside"
    place = planned.folder / name
    swap = Swap(place, outside)
    with pytest.raises(RunError, match=f"cannot write {place}: it is a symbolic link"):
        finish(planned, callbacks=[swap])
    assert contents(outside) == swap.left
    place.unlink()
    outside.rename(place)
    assert digest(finish(planned).folder) == stopped.calm


@pytest.mark.parametrize("force", [False, True])
def test_members_that_are_links_are_replaced(stopped: Stopped, tmp_path: Path, force: bool) -> None:
    planned, outside = stopped.copied(tmp_path / "results"), tmp_path / "outside"
    outside.mkdir()
    names = [
        "config.yaml",
        "metrics.csv",
        "timings.csv",
        "model.npz",
        "predictions.npz",
        "checkpoint.previous.npz",
        ".model.npz.0123abcd.tmp",
    ]
    names += ["run.json", "checkpoint.npz"] if force else []
    for name in [*names, "folder"]:
        (planned.folder / name).unlink(missing_ok=True)
    for name in names:
        (outside / name).write_text("precious")
        (planned.folder / name).symlink_to(outside / name)
    (outside / ".log.0123abcd.tmp").write_text("precious")
    (planned.folder / "folder").symlink_to(outside)
    finish(planned, force=force)
    assert digest(planned.folder) == stopped.calm
    assert {path.read_text() for path in outside.iterdir()} == {"precious"} and len(list(outside.iterdir())) == len(names) + 1
    left = {entry.name for entry in planned.folder.iterdir() if entry.is_symlink()}
    assert left == (set() if force else {"folder"})
