import codecs
import gzip
import os
import pickle
import struct
import subprocess
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import check_mutants, limits, refuses
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from pickles import python2

from mlp_cli.data import streams
from mlp_cli.data.safe_pickle import MOST_READS, load_pickle
from mlp_cli.data.streams import open_file

DTYPES = npst.integer_dtypes(endianness="?") | npst.unsigned_integer_dtypes(endianness="?") | npst.boolean_dtypes()
DTYPES |= npst.floating_dtypes(endianness="?", sizes=(16, 32, 64))
ARRAYS = npst.arrays(DTYPES, npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
PLAIN = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text() | st.binary()
VALUES = st.recursive(
    PLAIN | ARRAYS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=200), inner, max_size=4) | st.tuples(inner, inner)
    ),
    max_leaves=12,
)


def read(path: Path) -> Any:
    with open_file(path) as stream:
        return load_pickle(stream)


def same(value: Any, other: Any) -> bool:
    if isinstance(value, np.ndarray):
        native = value.dtype.newbyteorder("=")
        return (
            isinstance(other, np.ndarray)
            and (other.dtype, other.shape) == (native, value.shape)
            and other.tobytes() == value.astype(native).tobytes()
        )
    if isinstance(value, list | tuple):
        return type(value) is type(other) and len(value) == len(other) and all(map(same, value, other))
    if isinstance(value, dict):
        return isinstance(other, dict) and list(value) == list(other) and all(same(value[key], other[key]) for key in value)
    return type(value) is type(other) and bool(value == other)


@given(value=VALUES, protocol=st.integers(0, pickle.HIGHEST_PROTOCOL), fortran=st.booleans())
def test_reads_what_python_writes(tmp_path_factory: pytest.TempPathFactory, value: Any, protocol: int, fortran: bool) -> None:
    path = tmp_path_factory.getbasetemp() / "value.pkl"
    if isinstance(value, np.ndarray) and fortran:
        value = np.asfortranarray(value)
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    assert same(value, read(path))


@given(array=ARRAYS)
def test_reads_what_python_2_wrote(tmp_path_factory: pytest.TempPathFactory, array: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "value.pkl"
    path.write_bytes(python2({b"data": array, b"labels": [1, 2], b"names": (b"a", b"\xe9")}))
    found = read(path)
    assert list(found) == ["data", "labels", "names"]
    assert same(array, found["data"])
    assert (found["labels"], found["names"]) == ([1, 2], (b"a", b"\xe9"))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_long_arrays(tmp_path: Path, protocol: int) -> None:
    array = np.random.default_rng(0).normal(size=(300, 200))
    path = tmp_path / "value.pkl"
    path.write_bytes(pickle.dumps((array, [array, array]), protocol=protocol))
    first, (second, third) = read(path)
    assert same(array, first) and same(array, second) and same(array, third)
    path.write_bytes(pickle.dumps({"a": array, "b": np.asfortranarray(array)}, protocol=protocol))
    assert same(array, read(path)["b"])


def test_protocol_0_of_python_2(tmp_path: Path) -> None:
    path = tmp_path / "value.pkl"
    path.write_bytes(b"(dp0\nS'a\\\\b\\x00\\'\\q'\np1\nI7\nsS\"x\"\np2\n(lp3\nL12L\naI01\naF1.5\nas.")
    assert read(path) == {"a\\b\x00'\\q": 7, "x": [12, True, 1.5]}


class Call:
    """Pickles as a call of a function with arguments."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> Any:
        return self.call


class Filled:
    """Pickles as an object whose state is set."""

    def __init__(self) -> None:
        self.state = 1


def attacks(marker: Path) -> dict[str, Any]:
    touch = f"open({str(marker)!r}, 'w').close()"
    dtype = np.dtype("u1")
    return {
        "os.system": Call(os.system, f"touch {marker}"),
        "eval": Call(eval, touch),
        "exec": Call(exec, touch),
        "subprocess": Call(subprocess.check_call, ["touch", str(marker)]),
        "getattr": Call(getattr, "", "join"),
        "open": Call(open, str(marker), "w"),
        "numpy.load": Call(np.load, str(marker)),
        "numpy.fromfile": Call(np.fromfile, str(marker)),
        "nested": [1, {"a": (np.zeros(3), Call(os.system, f"touch {marker}"))}],
        "in the arguments of an array": Call(np.ndarray, Call(os.system, f"touch {marker}")),
        "array of a size": Call(np.ndarray, (1 << 40,), dtype),
        "codec that runs code": Call(codecs.encode, "x", "zlib"),
        "object": Filled(),
        "class": Filled,
        "ordered dict": OrderedDict(a=1),
        "set": {1, 2},
        "scalar": np.float64(1),
        "complex": 1j,
        "objects": np.array([None, 1], dtype=object),
        "structured": np.zeros(2, dtype="i4,f4"),
        "text array": np.array(["a", "b"]),
        "dates": np.array(["2020-01-01"], dtype="M8[D]"),
    }


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", attacks(Path("marker")))
def test_runs_nothing(tmp_path: Path, name: str, protocol: int) -> None:
    marker = tmp_path / "marker"
    path = tmp_path / "value.pkl"
    path.write_bytes(pickle.dumps(attacks(marker)[name], protocol=protocol))
    refuses(read, path)
    assert not marker.exists()


def test_the_attacks_would_work(tmp_path: Path) -> None:
    """The standard reader does run them, so the test above tests something."""
    marker = tmp_path / "marker"
    pickle.loads(pickle.dumps(attacks(marker)["os.system"]))  # noqa: S301
    assert marker.exists()


ARRAY = pickle.dumps(np.zeros(3, dtype="u1"), protocol=2)
REFUSED = {
    "nothing": b"\x80\x02.",
    "no value": b"",
    "text": b"hello",
    "byte string of any length": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60),
    "byte array of any length": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40),
    "text of any length": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 40),
    "negative length": b"\x80\x02T" + struct.pack("<i", -5),
    "long integer": b"\x80\x02\x8b" + struct.pack("<i", 0x7FFFFFFF) + b"\xff" * 100,
    "endless line": b"I" + b"9" * 100_000,
    "many digits": b"I" + b"9" * 10_000 + b"\n.",
    "persistent id": b"Pname\n.",
    "extension": b"\x80\x02\x82\x01.",
    "out-of-band buffer": b"\x80\x05\x97.",
    "many values": b"\x80\x02" + b"]" * (MOST_READS + 1),
    "marks without end": b"\x80\x02" + b"(" * 1000 + b"t" * 1001,
    "memo from nowhere": b"\x80\x02h\x05.",
    "nested key": b"\x80\x02}" + b")" + b"\x85" * 100 + b"K\x01s.",
    "key of a number": b"\x80\x02}K\x01K\x01s.",
    "long key": b"\x80\x02}X" + struct.pack("<i", 60_000) + b"k" * 60_000 + b"K\x01s.",
    "append to a dict": b"\x80\x02}K\x01a.",
    "set item of a list": b"\x80\x02]K\x01K\x01s.",
    "state for a name": b"\x80\x02cnumpy\ndtype\n}b.",
    "state for a list": b"\x80\x02](K\x01tb.",
    "call of a number": b"\x80\x02K\x01)R.",
    "array of huge shape": ARRAY.replace(b"K\x03\x85", b"J\xff\xff\xff\x7f\x85"),
    "array of negative shape": ARRAY.replace(b"K\x03\x85", b"J\xff\xff\xff\xff\x85"),
    "array of another type": ARRAY.replace(b"X\x02\x00\x00\x00u1", b"X\x02\x00\x00\x00O8"),
    "array of a long type": ARRAY.replace(b"X\x02\x00\x00\x00u1", b"X\x0a\x00\x00\x00V999999999"),
    "reconstruct with a shape": ARRAY.replace(b"K\x00\x85", b"J\xff\xff\xff\x7f\x85"),
    "more follows": ARRAY + ARRAY,
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses(tmp_path: Path, name: str) -> None:
    assert REFUSED[name] != ARRAY
    path = tmp_path / "value.pkl"
    path.write_bytes(REFUSED[name])
    refuses(read, path)


def test_memo_of_any_place_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "value.pkl"
    path.write_bytes(b"\x80\x02]r\xff\xff\xff\x7fj\xff\xff\xff\x7f.")
    with limits():
        assert read(path) == []


def test_frames_are_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "value.pkl"
    path.write_bytes(b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"K\x07.")
    with limits():
        assert read(path) == 7


def test_nesting_without_end(tmp_path: Path) -> None:
    path = tmp_path / "value.pkl"
    path.write_bytes(b"\x80\x02)" + b"\x85" * 50_000 + b".")
    with limits():
        assert len(read(path)) == 1


def test_laughs(tmp_path: Path) -> None:
    """Lists that hold the one before twice: two to the power of 1,000 leaves, which must never be walked through."""
    path = tmp_path / "value.pkl"
    path.write_bytes(b"\x80\x02]q\x00" + b"]q\x01(h\x00h\x00eq\x00" * 1000 + b".")
    with limits():
        assert len(read(path)) == 2


def test_same_bytes_for_many_arrays(tmp_path: Path) -> None:
    """One run of bytes from the memo, in another byte order so that each array is a copy."""
    content = b"T" + struct.pack("<i", 60_000) + bytes(60_000) + b"q\x09"
    start = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01M\x30\x75\x85"
    dtype = b"cnumpy\ndtype\nU\x02u2K\x00K\x01\x87R(K\x03U\x01>NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    first = start + dtype + b"\x89" + content + b"tb"
    again = start + dtype + b"\x89h\x09tb"
    path = tmp_path / "value.pkl"
    path.write_bytes(b"\x80\x02](" + first + again * 5000 + b"e.")
    refuses(read, path, "makes more data than it holds")


def test_more_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "LIMIT", 5 << 20)
    path = tmp_path / "value.pkl.gz"
    path.write_bytes(gzip.compress(b"\x80\x04\x8e" + struct.pack("<Q", 6 << 20) + bytes(6 << 20) + b"."))
    refuses(read, path, "holds more than 5,242,880 bytes")


FLAGS = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R(K\x01K\x01\x85cnumpy\ndtype\nX\x02\x00\x00\x00%s"
FLAGS += b"K\x00K\x01\x87R(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK%stb\x89C\x08AAAAAAAAtb."


@pytest.mark.parametrize("code", [b"O8", b"V8", b"f8"])
@pytest.mark.parametrize("flags", [b"\x00", b"\x3f"])
def test_flags_of_a_type_do_not_make_addresses(tmp_path: Path, code: bytes, flags: bytes) -> None:
    """NumPy takes eight raw bytes for the address of an object where the type's state says flags 0, and the process dies."""
    path = tmp_path / "value.pkl"
    path.write_bytes(b"\x80\x04" + FLAGS % (code, flags))
    if code == b"f8":
        assert same(np.frombuffer(b"A" * 8), read(path))
    else:
        refuses(read, path, "holds values of type")


def test_the_state_of_what_is_no_array(tmp_path: Path) -> None:
    """State for a function or a class of this program would outlive the file."""
    path = tmp_path / "value.pkl"
    for name in (b"cnumpy\nndarray\n", b"cnumpy\ndtype\n", b"c_codecs\nencode\n", b"cnumpy.core.multiarray\n_reconstruct\n"):
        for state in (b"}X\x05\x00\x00\x00valueK\x01s", b"N}X\x0c\x00\x00\x00__defaults__)s\x86"):
            path.write_bytes(b"\x80\x04" + name + state + b"b.")
            refuses(read, path, "not a pickle of plain data")
    path.write_bytes(pickle.dumps(np.zeros(3), protocol=2)[:-1] + b"(K\x01K\x03\x85NtbX.")
    refuses(read, path)
    path.write_bytes(b"\x80\x02cnumpy\nndarray\n)R.")
    read(path)  # an array without a state is nothing


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_mutants(tmp_path: Path, protocol: int, suffix: str) -> None:
    value = ({"x": np.arange(6.0).reshape(2, 3), "y": [1, 2], "n": ("a", b"b", None)}, np.asfortranarray(np.eye(3, dtype=">i2")))
    content = pickle.dumps(value, protocol=protocol)
    path = tmp_path / f"value.pkl{suffix}"
    path.write_bytes(gzip.compress(content, mtime=0) if suffix else content)
    check_mutants(read, path, 0.5)


def test_mutants_of_python_2(tmp_path: Path) -> None:
    path = tmp_path / "value.pkl"
    path.write_bytes(python2({b"x": np.eye(3), b"y": [1, 2, 3]}))
    check_mutants(read, path, 0.5)
