"""Archives of NumPy: read when they are what they should be, refused before anything is allocated when not."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mlp_cli.data.read_npz import read_npz
from mlp_cli.errors import DataError

ARRAY = np.arange(12, dtype=np.uint8).reshape(3, 4)


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def write(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_good_archive(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", {"x.npy": npy(ARRAY), "more.npy": b"is not looked at"})
    assert read_npz(path, {"x": (3, 4)})["x"].tolist() == ARRAY.tolist()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"y.npy": npy(ARRAY)}, "has no array x; it has y.npy"),
        ({}, "has no array x; it has none"),
        ({"x.npy": npy(ARRAY.astype(np.float32))}, r"array x is float32 \(3, 4\); uint8 \(3, 4\) is expected"),
        ({"x.npy": npy(np.asfortranarray(ARRAY))}, "array x is uint8"),
        ({"x.npy": npy(np.zeros((300, 4), np.uint8))}, r"array x is uint8 \(300, 4\)"),
        ({"x.npy": npy(ARRAY)[:-1]}, "does not have the 12 bytes"),
        ({"x.npy": npy(ARRAY) + b"\0"}, "does not have the 12 bytes"),
        ({"x.npy": b"no array"}, "not a usable .npz file"),
        ({"x.npy": npy(ARRAY)[:20]}, "not a usable .npz file"),
        ({"x.npy": npy(np.array([None, {}], dtype=object))}, "array x is object"),
        ({"x.npy": npy(ARRAY).replace(b"'|u1'", b"'|O1'")}, "not a usable .npz file|array x is"),
        ({"x.npy": b"\x93NUMPY\x03\x00" + npy(ARRAY)[8:]}, "version"),
    ],
)
def test_bad_archives(tmp_path: Path, members: dict[str, bytes], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_npz(write(tmp_path / "a.npz", members), {"x": (3, 4)})


def test_what_is_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    for content, message in (
        (b"<!DOCTYPE html>", "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer"),
        (b"PK\x03\x04 and then nothing", "not a usable .npz file"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=message):
            read_npz(path, {"x": (3, 4)})


def test_mutated_archives_give_data_errors_only(tmp_path: Path) -> None:
    generator = np.random.default_rng(5)
    for stored in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(tmp_path / "good.npz", "w", stored) as archive:
            archive.writestr("x.npy", npy(ARRAY))
        good = (tmp_path / "good.npz").read_bytes()
        for _ in range(150):
            data = bytearray(good)
            for _ in range(int(generator.integers(1, 4))):
                data[int(generator.integers(len(data)))] = int(generator.integers(256))
            if generator.random() < 0.2:
                del data[int(generator.integers(1, len(data))) :]
            (tmp_path / "bad.npz").write_bytes(data)
            try:
                read_npz(tmp_path / "bad.npz", {"x": (3, 4)})
            except DataError as error:
                assert "bad.npz" in error.message
