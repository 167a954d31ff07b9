"""The order of the sources, what is told of each, and the one error when none has the set."""

from collections.abc import Callable
from pathlib import Path

import pytest
import tiny as support
from tiny import Tiny

from mlp_cli.data import cache, sources
from mlp_cli.data.catalogue import ENTRIES, Entry, Package
from mlp_cli.errors import DataError

tiny, walls, change = support.tiny, support.walls, support.change


def test_the_data_folder_goes_first(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLP_DATA_DIR", str(tmp_path / "data"))
    places = [tmp_path / "data", cache.cache_folder(), tmp_path / "share/datasets/tiny"]
    for place in places:
        tiny.write(place if "share" in str(place) else place / "tiny")
    seen = []
    for place in places:
        whole = sources.obtain(tiny.entry)
        assert whole.sha256 and whole.notices == ()
        seen.append(whole.source)
        for path in place.rglob("*.gz"):
            path.unlink()
    assert seen == [
        f"data folder {places[0]} (MLP_DATA_DIR)",
        f"data folder {places[1]}",
        f"system folder {places[2]}",
    ]


def test_the_one_error(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[..., Entry]) -> None:
    data = tmp_path / "data"
    tiny.write(data / "tiny")
    (data / "tiny" / "train-images-idx3-ubyte.gz").write_bytes(b"<!DOCTYPE html>")
    monkeypatch.setenv("MLP_DATA_DIR", str(data))
    entry = change(
        mirrors=("https://one.invalid/", "http://two.invalid/"),
        packages=(Package("npm", "tiny-data", "1.0", "package"), Package("apt", "dataset-tiny", None, "usr/share")),
    )
    with pytest.raises(DataError) as caught:
        sources.obtain(entry)
    error = caught.value
    assert error.exit_code == 3
    problem = "t10k-labels-idx1-ubyte.gz: no connection (name or service not known)"
    assert error.message.splitlines() == [
        "cannot get tiny; tried",
        f"  data folder {data} (MLP_DATA_DIR): {data}/tiny/train-images-idx3-ubyte.gz: not a gzip file; "
        "starts with <!DOCTYPE: an HTML page saved in place of the data",
        f"  data folder {cache.cache_folder()}: has no file of tiny",
        f"  system folder {tmp_path}/share/datasets/tiny: no such folder",
        f"  mirror one.invalid: {problem}",
        f"  mirror two.invalid: {problem}",
        "  npm package tiny-data 1.0: npm is not installed",
        "  apt package dataset-tiny: apt-get is not installed",
    ]
    assert str(error.hint).splitlines()[0].startswith(f"put these files into {data / 'tiny'}, packed")
    for file in entry.files:
        assert f"  {file.names[0]}.gz  {file.packed_bytes:,} bytes" in str(error.hint)
    assert not list(cache.cache_folder().rglob("*.npy")), "what is broken never reaches the cache"
    assert not list(cache.cache_folder().glob(".work-*")), "nothing half-done is left"


EVERY = [one for entry in ENTRIES.values() if entry.folders for one in entry.subsets or (entry,)]


@pytest.mark.parametrize("entry", EVERY, ids=lambda entry: entry.key)
def test_every_entry_fails_in_words(entry: Entry, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        sources.obtain(entry)
    count = 1 + len(entry.system) + len(entry.mirrors) + len(entry.packages)
    assert len(caught.value.message.splitlines()) == 1 + count
    assert "MLP_DATA_DIR" in str(caught.value.hint) and f"mlp data fetch {entry.name} --from" in str(caught.value.hint)


def test_what_is_passed_over_is_told(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    share = tiny.write(tmp_path / "share/datasets/tiny")
    data = tmp_path / "data"
    monkeypatch.setenv("MLP_DATA_DIR", str(data))
    (notice,) = sources.obtain(tiny.entry).notices
    assert notice == (
        f"data folder {data} (MLP_DATA_DIR): no such folder; passed over, tiny was taken from the system folder {share}"
    )
    data.mkdir()
    assert sources.obtain(tiny.entry).notices == (), "a data folder may well lack a set"
    (data / "t10k-labels-idx1-ubyte").write_bytes(b"")
    (notice,) = sources.obtain(tiny.entry).notices
    assert f"{data}: lacks train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte" in notice


def test_a_given_folder_is_the_only_source(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.write(tmp_path / "share/datasets/tiny")
    with pytest.raises(DataError) as caught:
        sources.obtain(tiny.entry, tmp_path / "empty")
    assert caught.value.message.splitlines()[1:] == [f"  folder {tmp_path / 'empty'}: no such folder"]
    assert f"put these files into {tmp_path / 'empty'}, packed" in str(caught.value.hint)
    tiny.write(tmp_path / "full/TINY/raw", "")
    assert sources.obtain(tiny.entry, tmp_path / "full").source == f"folder {tmp_path / 'full'}"
