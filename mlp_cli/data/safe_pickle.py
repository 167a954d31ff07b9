"""Pickles of plain Python values and NumPy arrays, read without running anything that they ask for.

The standard library's reader in Python does the work. Instructions that make objects are taken out of it, and the few names that
arrays need stand for steps of this file. Nothing of NumPy's sees a byte before it was checked: NumPy's own `__setstate__` takes raw
bytes for addresses where a pickle says so.
"""

from __future__ import annotations

import math
import pickle
import re
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from mlp_cli.data.dataset import Array
from mlp_cli.data.streams import Stream, printable
from mlp_cli.errors import DataError

MOST_READS = 1_000_000
"""Reads that a pickle may take, one or two an instruction; a batch of CIFAR-10 takes 60,000."""

_AGAIN = "write it again with NumPy arrays, numbers, texts, lists and dicts only, or save the arrays with np.savez"
_LONGEST_TEXT = 200
_MOST_DIMENSIONS = 8
_NUMBER = re.compile(r"[=<>|](b1|[iu][1248]|f[248])")
_LEFT_OUT = (
    *(pickle.INST + pickle.OBJ + pickle.NEWOBJ + pickle.NEWOBJ_EX + pickle.PERSID + pickle.BINPERSID),
    *(pickle.EXT1 + pickle.EXT2 + pickle.EXT4 + pickle.NEXT_BUFFER + pickle.READONLY_BUFFER),
    *(pickle.EMPTY_SET + pickle.ADDITEMS + pickle.FROZENSET),
)


def load_pickle(stream: Stream) -> object:
    """The value in a pickle of any protocol: None, bool, int, float, str, bytes, list, tuple, dict, and arrays of numbers.

    Texts that Python 2 wrote come as bytes; keys of dicts come as str, always. Arrays are in native byte order and C order, perhaps
    read-only. Errors: DataError for everything that is not such a pickle, and for one that asks for anything else.
    """
    try:
        with warnings.catch_warnings():
            # Python 2 wrote escapes that Python 3 warns of.
            warnings.simplefilter("ignore")
            value: object = _Reader(stream).load()
    except DataError:
        raise
    # Nonsense makes the library stumble in many ways.
    except Exception as error:
        raise stream.error(f"not a pickle of plain data ({type(error).__name__})", _AGAIN) from error
    stream.check_end()
    return value


class _Array:
    """Stands for a NumPy array, as `ndarray` and `_reconstruct` would make it; `value` is the array once its state is there."""

    value: Array | None = None

    def __init__(self, kind: object = None, shape: object = (0,), code: object = None) -> None:
        if shape != (0,):
            raise TypeError


class _Dtype:
    """Stands for a NumPy dtype: its code, such as `f4`, and the byte order as soon as its state is there."""

    def __init__(self, code: object, align: object = False, copy: object = False) -> None:
        self.code = _text(code)
        self.order = "="


class _Memo(dict[int, Any]):
    """The values that a pickle refers to by number; an array in place of its stand-in."""

    def __getitem__(self, place: int) -> Any:
        value = super().__getitem__(place)
        return value.value if isinstance(value, _Array) and value.value is not None else value


class _Dict(dict[str, Any]):
    """A dict that takes short texts as keys: the hash of a nested tuple, or of many chosen integers, can take for ever."""

    def __setitem__(self, key: object, value: Any) -> None:
        super().__setitem__(_text(key), value)


class _Steps:
    """The file of a reader. A single byte can make a value of a hundred, so the reads are counted."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.count = 0

    def read(self, size: int) -> Any:
        self.count += 1
        if self.count > MOST_READS:
            raise self.stream.error(f"has more than {MOST_READS // 2:,} values", _AGAIN)
        return self.stream.read(size)

    def readline(self) -> bytes:
        self.read(0)
        return self.stream.readline()


class _Reader(pickle._Unpickler):
    """The standard library's reader with fewer instructions, and with stand-ins for the names that a pickle asks for."""

    dispatch: ClassVar[dict[int, Any]] = {
        code: step for code, step in pickle._Unpickler.dispatch.items() if code not in _LEFT_OUT
    }
    stack: list[Any]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, stream: Stream) -> None:
        super().__init__(_Steps(stream), encoding="bytes")
        self.memo = _Memo()
        self.stream = stream
        self.made = 0

    def find_class(self, module: str, name: str) -> Any:
        """What a name stands for; nothing is imported."""
        wanted = f"{module}.{name}".replace("numpy._core.", "numpy.core.", 1).replace("__builtin__.", "builtins.", 1)
        found = {
            "numpy.core.multiarray._reconstruct": _Array,
            "numpy.ndarray": _Array,
            "numpy.dtype": _Dtype,
            "numpy.core.numeric._frombuffer": self._from_buffer,
            "_codecs.encode": self._latin1,
            "builtins.bytes": lambda: b"",
        }.get(wanted)
        if found is None:
            raise self.stream.error(f"asks for {printable(wanted)}, which is not let in", _AGAIN)
        return found

    def load_build(self) -> None:
        """The state of a dtype or an array; the array takes the place of its stand-in."""
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, _Dtype):
            # (version, byte order, parts, names, fields, …); arrays of numbers have none of the last three.
            if any(part is not None for part in state[2:5]):
                raise self.stream.error("holds a structured array; plain arrays of numbers are read")
            target.order = _text(state[1])
        elif isinstance(target, _Array):
            _, shape, dtype, fortran, content = state
            target.value = self.stack[-1] = self._array(content, dtype, shape, bool(fortran))
        else:
            raise TypeError

    def load_empty_dict(self) -> None:
        """A dict; that of the standard library takes any key."""
        self.stack.append(_Dict())

    def load_dict(self) -> None:
        """A dict of the items above the mark. There are none: Python puts them in afterwards."""
        if self.pop_mark():
            raise TypeError
        self.load_empty_dict()

    dispatch |= {pickle.BUILD[0]: load_build, pickle.EMPTY_DICT[0]: load_empty_dict, pickle.DICT[0]: load_dict}
    # The standard library would allocate as many bytes as are declared.
    dispatch[pickle.BYTEARRAY8[0]] = dispatch[pickle.BINBYTES8[0]]

    def _array(self, content: Any, dtype: Any, shape: Any, fortran: bool) -> Array:
        if not isinstance(content, bytes | bytearray) or not isinstance(dtype, _Dtype) or not isinstance(shape, tuple):
            raise TypeError
        if len(shape) > _MOST_DIMENSIONS or not all(type(size) is int and 0 <= size < 1 << 48 for size in shape):
            raise ValueError
        if not _NUMBER.fullmatch(dtype.order + dtype.code):
            hint = "save it again as an array of numbers" if dtype.code.startswith("O") else None
            raise self.stream.error(f"holds values of type {printable(dtype.code)}; whole numbers and floats are read", hint)
        plain = np.dtype(dtype.order.replace("|", "=") + dtype.code)
        size = math.prod(shape) * plain.itemsize
        if size != len(content):
            raise self.stream.error(f"declares an array of shape {shape} = {size:,} bytes, but gives it {len(content):,}")
        self._account(size)
        flat = np.frombuffer(content, plain)
        array = flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)
        return np.ascontiguousarray(array, plain.newbyteorder("=")).reshape(shape)

    def _from_buffer(self, content: Any, dtype: Any, shape: Any, order: Any) -> Array:
        """The form that protocol 5 gives to an array."""
        return self._array(content, dtype, shape, _text(order) == "F")

    def _latin1(self, text: Any, codec: Any) -> bytes:
        """The form that protocols 0 to 2 give to bytes, when written by Python 3."""
        if not isinstance(text, str) or _text(codec) != "latin1":
            raise TypeError
        self._account(len(text))
        return text.encode("latin1")

    def _account(self, size: int) -> None:
        """Refuses a pickle that makes more out of its bytes than they are, by using the same ones again and again."""
        self.made += size
        # Bytes that come as text count twice, as bytes and in their array.
        if self.made > 2 * self.stream.limit.used:
            raise self.stream.error("makes more data than it holds")


def _text(value: object) -> str:
    """A short text, be it a str or what Python 2 wrote for one. Errors: TypeError."""
    if not isinstance(value, bytes | str) or len(value) > _LONGEST_TEXT:
        raise TypeError
    return value.decode("latin1") if isinstance(value, bytes) else value
