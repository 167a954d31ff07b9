"""The stack machine behind `safe_pickle`: its values, its memo, and the making of arrays, with a limit for each."""

from __future__ import annotations

import codecs
import math
import struct
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np

from mlp_cli.data.dataset import Array
from mlp_cli.data.read_npy import numeric_type
from mlp_cli.data.streams import Buffered, Source, printable

AGAIN = "write it again with NumPy arrays, numbers, texts, lists and dicts only, or save the arrays with np.savez"
_SMALL = 1 << 16
_LONGEST_LINE = 64 << 20
_LONGEST_NAME = 200
_MOST_DIMENSIONS = 8
_LARGEST = 16 << 30


class Name(Enum):
    """What the admitted names stand for."""

    RECONSTRUCT = "numpy.core.multiarray._reconstruct"
    NDARRAY = "numpy.ndarray"
    DTYPE = "numpy.dtype"
    FROMBUFFER = "numpy.core.numeric._frombuffer"
    """The form that protocol 5 gives to an array."""
    ENCODE = "_codecs.encode"
    BYTES = "builtins.bytes"
    """The form that protocols 0 to 2 give to bytes, and to no bytes at all, when written by Python 3."""


class Large:
    """A long run of bytes, or of UTF-8, that only an array may use, once: so it need not be kept beside the array."""

    def __init__(self, content: Array, utf8: bool = False) -> None:
        self.content: Array | None = content
        self.utf8 = utf8


class Pending:
    """A dtype or an array between its making and its filling; memo entries find the finished value in it."""

    def __init__(self, name: Name, code: str = "") -> None:
        self.name = name
        self.code = code
        self.value: Any = None


def text_of(value: object) -> str:
    """A short str, be it a text or the bytes of one in Latin-1, as Python 2 wrote it; TypeError for anything else."""
    # A long one, taken from the memo again and again, would be decoded and hashed each time.
    if not isinstance(value, bytes | str) or len(value) > _LONGEST_NAME:
        raise TypeError
    return value.decode("latin1") if isinstance(value, bytes) else value


class Machine:
    """The state of a pickle that is being read, and what its instructions do to it.

    Errors: DataError, or IndexError, TypeError and ValueError where an instruction does not fit the stack.
    """

    def __init__(self, source: Source, shrink: Callable[[Array], object] | None) -> None:
        self.source = source
        self.shrink = shrink
        self.stream = Buffered(source)
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.made = 0

    def find_class(self, module: str, name: str) -> Name:
        """The meaning of a global name; nothing is imported."""
        wanted = f"{module}.{name}"
        try:
            return Name(wanted.replace("numpy._core.", "numpy.core.", 1).replace("__builtin__.", "builtins.", 1))
        except ValueError:
            raise self.source.error(f"asks for {printable(wanted)}, which is not let in", AGAIN) from None

    def pop_marked(self) -> list[Any]:
        """What lies above the last mark."""
        mark = self.marks.pop()
        items = self.stack[mark:]
        del self.stack[mark:]
        return [self.done(item) for item in items]

    def take(self, *kinds: type) -> Any:
        """The top of the stack, which must be of one of these types."""
        value = self.done(self.stack.pop())
        if not isinstance(value, kinds):
            raise TypeError
        return value

    def done(self, value: Any) -> Any:
        """The finished value, where the given one stands for one."""
        return value.value if isinstance(value, Pending) and value.value is not None else value

    def reduce(self) -> None:
        """The call of a name: one of the five that are known, with just the arguments that they are written with."""
        args = self.take(tuple)
        name = self.stack.pop()
        if name is Name.RECONSTRUCT and len(args) == 3 and args[0] is Name.NDARRAY and args[1] == (0,):
            self.stack.append(Pending(name))
        elif name is Name.DTYPE and 1 <= len(args) <= 3:
            self.stack.append(Pending(name, text_of(args[0])))
        elif name is Name.FROMBUFFER and len(args) == 4:
            self.stack.append(self.array(args[2], args[1], text_of(args[3]) == "F", args[0]))
        elif (
            name is Name.ENCODE
            and len(args) == 2
            and text_of(args[1]).replace("-", "").replace("_", "") in ("latin1", "iso88591")
        ):
            self.stack.append(self.latin1(args[0]))
        elif name is Name.BYTES and not args:
            self.stack.append(b"")
        else:
            raise self.source.error("not a pickle of plain data: it calls something other than the makers of arrays", AGAIN)

    def build(self) -> None:
        """The filling of a dtype or an array."""
        state = self.take(tuple)
        pending = self.stack[-1]
        if not isinstance(pending, Pending) or pending.value is not None:
            raise self.source.error("not a pickle of plain data: it sets the state of something other than an array", AGAIN)
        if pending.name is Name.DTYPE:
            # (version, byte order, parts, names, fields, …); arrays of numbers have none of the last three.
            if len(state) < 5 or any(part is not None for part in state[2:5]):
                raise self.source.error("holds a structured array; plain arrays of numbers are read")
            pending.value = numeric_type(text_of(state[1]) + pending.code, self.source)
        else:
            _, shape, dtype, fortran, content = state
            pending.value = self.array(shape, dtype, bool(fortran), content)
        self.stack[-1] = pending.value

    def array(self, shape: Any, dtype: Any, fortran: bool, content: Any) -> object:
        if not isinstance(dtype, np.dtype) or not isinstance(shape, tuple) or len(shape) > _MOST_DIMENSIONS:
            raise TypeError
        if not all(type(size) is int and 0 <= size <= _LARGEST for size in shape):
            raise ValueError
        raw = self.bytes_of(content)
        size = math.prod(shape) * dtype.itemsize
        if size != len(raw):
            raise self.source.error(f"declares an array of shape {shape} = {size:,} bytes, but gives it {len(raw):,}")
        self.account(size)
        array = raw.view(dtype).reshape(shape[::-1] if fortran else shape)
        array = np.ascontiguousarray(array.T if fortran else array, dtype=dtype.newbyteorder("=")).reshape(shape)
        return self.shrink(array) if self.shrink else array

    def bytes_of(self, content: Any) -> Array:
        if isinstance(content, bytes):
            return np.frombuffer(content, dtype=np.uint8)
        if not isinstance(content, Large) or content.content is None or content.utf8:
            raise TypeError
        raw, content.content = content.content, None
        return raw

    def account(self, size: int) -> None:
        """Refuses a pickle that makes more out of its bytes than they are, by using the same ones again and again."""
        self.made += size
        # Bytes that come as text are counted twice, as bytes and in their array.
        if self.made > 2 * self.stream.fetched:
            raise self.source.error("makes more data than it holds: looks like a decompression bomb")

    def latin1(self, text: Any) -> object:
        """The bytes that a text stands for, character by character."""
        if isinstance(text, str):
            self.account(len(text))
            return text.encode("latin1")
        if not isinstance(text, Large) or text.content is None or not text.utf8:
            raise TypeError
        raw, text.content = text.content, None
        # In place, piece by piece: Latin-1 is never longer than UTF-8.
        decoder = codecs.getincrementaldecoder("utf-8")()
        end = 0
        for at in range(0, len(raw), _SMALL):
            piece = decoder.decode(raw[at : at + _SMALL].tobytes(), at + _SMALL >= len(raw)).encode("latin1")
            raw[end : end + len(piece)] = np.frombuffer(piece, dtype=np.uint8)
            end += len(piece)
        return Large(raw[:end])

    def put(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    def get(self, place: int) -> None:
        if place not in self.memo:
            raise IndexError
        self.stack.append(self.done(self.memo[place]))

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise TypeError
        # Only texts: the hash of a nested tuple, or of many chosen integers, can take for ever.
        target.update({text_of(key): value for key, value in zip(items[::2], items[1::2], strict=True)})

    def append(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise TypeError
        self.stack[-1].extend(items)

    def line(self) -> bytes:
        return self.stream.read_line(_LONGEST_LINE)

    def name_line(self) -> str:
        return self.stream.read_line(_LONGEST_NAME).decode("latin1")

    def blob(self, size: int, utf8: bool = False) -> bytes | str | Large:
        if size > _SMALL:
            return Large(self.stream.read_array(size), utf8)
        content = self.stream.read(size)
        return content.decode("utf-8") if utf8 else content

    def unpack(self, form: str) -> Any:
        return struct.unpack(form, self.stream.read(struct.calcsize(form)))[0]

    def length(self, form: str, most: int = _LARGEST) -> int:
        size: int = self.unpack(form)
        if not 0 <= size <= most:
            raise self.source.error(f"declares a value of {size:,} bytes, more than the limit of {most:,}")
        return size
