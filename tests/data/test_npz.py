"""Archives of plain arrays: the same arrays give the same bytes, NumPy reads them, and a reader takes nothing else."""

import io
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mlp_cli.data import npz

ARRAYS = {
    "W1": np.arange(12, dtype=np.float32).reshape(3, 4),
    "double": np.array([1 / 3, np.nan, -np.inf]),
    "scalar": np.array(5),
    "empty": np.zeros((0, 7)),
    "column": np.ones((4, 1), np.float32),
    "names": np.array(["a", "größer", ""]),
    "bytes": np.frombuffer(b"\x00\xff", np.uint8),
}


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return list(one) == list(other) and all(
        (one[name].dtype, one[name].shape, one[name].tobytes()) == (other[name].dtype, other[name].shape, other[name].tobytes())
        for name in one
    )


def test_what_goes_in_comes_out() -> None:
    assert same(npz.unpack(npz.pack(ARRAYS)), ARRAYS)


def test_numpy_reads_it(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(npz.pack(ARRAYS))
    with np.load(tmp_path / "a.npz", allow_pickle=False) as loaded:
        assert same(dict(loaded), ARRAYS)


def test_it_reads_what_numpy_wrote() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **ARRAYS)
    assert same(npz.unpack(buffer.getvalue()), ARRAYS)


def test_same_arrays_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also at another time, and from another memory layout."""
    first = npz.pack(ARRAYS)
    monkeypatch.setattr(time, "time", lambda: 2e9)
    again = {name: np.asfortranarray(array).reshape(array.shape) for name, array in ARRAYS.items()}
    again["double"] = np.repeat(ARRAYS["double"], 2)[::2]
    assert not again["W1"].flags.c_contiguous
    assert npz.pack(again) == first


def test_the_comment_is_the_end() -> None:
    content = npz.pack(ARRAYS, comment=b"0" * 64)
    assert content.endswith(b"0" * 64) and same(npz.unpack(content[:-64] + b"f" * 64), ARRAYS)


def test_objects_are_refused() -> None:
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        npz.pack({"a": np.array([{}])})
    buffer = io.BytesIO()
    np.savez(buffer, a=np.array([print]))
    with pytest.raises(ValueError, match="not a plain array"):
        npz.unpack(buffer.getvalue())


def archive(content: bytes, packing: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as made:
        made.writestr("a.npy", content)
    return buffer.getvalue()


def member(descr: str, shape: str, size: int = 8, fortran: str = "False") -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(size)


def test_the_member_made_here_is_a_sound_one() -> None:
    assert npz.unpack(archive(member("'<f8'", "(1,)")))["a"].tolist() == [0.0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a zip file"),
        (b"PK\x05\x06", "not a zip file"),
        (archive(b""), "not a plain array"),
        (archive(b"\x93NUMPY\x02\x00\x01\x00\x00\x00"), "not a plain array"),
        (archive(member("'|O'", "(1,)")), "not a plain array"),
        (archive(member("'<f8'", "(1,)", fortran="True")), "not a plain array"),
        (archive(member("[('a', '<f8')]", "(1,)")), "not a plain array"),
        (archive(member("'<f3'", "(1,)")), "f3"),
        (archive(member("'<f8'", "(2,)")), "the size that it declares"),
        (archive(member("'<f8'", "(1,)", size=9)), "the size that it declares"),
        (archive(member("'<f8'", "(1000000000000000,)")), "the size that it declares"),
        (archive(member("'<f8'", "(" + "9" * 3000 + ",)")), "the size that it declares"),
        (archive(member("'<f8'", "(-1,)")), "not a plain array"),
        (archive(member("'<f8'", "__import__('os')")), "not a plain array"),
        (archive(member("'<f8'", "(0, 4611686018427387904, 4)", size=0)), ""),
        (archive(member("'<f8'", "(1,)" + " " * 60000)), "not a plain array"),
        (archive(bytes(100_000), zipfile.ZIP_DEFLATED), "compressed"),
    ],
)
def test_what_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=f"not an archive of plain arrays: .*{reason}"):
        npz.unpack(content)


def test_members_that_share_their_bytes_are_refused() -> None:
    """A thousand entries that all point at one member would take a thousand times its size."""
    content = archive(member("'<f8'", "(1000,)", size=8000))
    directory = content.index(b"PK\x01\x02")
    end = content.index(b"PK\x05\x06")
    entry, closing = content[directory:end], bytearray(content[end:])
    for place, value in ((8, 1000), (10, 1000)):
        closing[place : place + 2] = value.to_bytes(2, "little")
    closing[12:16] = (1000 * len(entry)).to_bytes(4, "little")
    with pytest.raises(ValueError, match="larger than the archive"):
        npz.unpack(content[:directory] + entry * 1000 + closing)
