"""Pickles of plain Python values and NumPy arrays, read without running anything that they ask for.

A pickle is a program for a small stack machine. Its own machine stands here, in place of `pickle.Unpickler` with a guarded
`find_class`, because the standard one allocates what a file merely declares (a memo of two billion places, a byte array of any
length). Only the instructions that data need are there, the only names it knows are those of arrays, and none of these names is ever
looked up: each stands for a step of this file. Source: Python's Lib/pickletools.py, which documents every instruction.
"""

from __future__ import annotations

import codecs
import pickle
import warnings
from collections.abc import Callable

from mlp_cli.data.dataset import Array
from mlp_cli.data.pickle_machine import AGAIN, Machine, Name
from mlp_cli.data.streams import Source

MOST_STEPS = 400_000
"""Instructions that a pickle may have: a batch of CIFAR-10 takes 30,000."""
_LONGEST_INTEGER = 64


def load_pickle(source: Source, shrink: Callable[[Array], object] | None = None) -> object:
    """The value in a pickle of any protocol: None, bool, int, float, str, bytes, list, tuple, dict, and arrays of numbers.

    Texts that Python 2 wrote come as bytes; keys of dicts come as str, always. Arrays are in native byte order and C order, perhaps
    read-only. shrink: called with each array as soon as it is read, may give something smaller to stand in its place.
    Errors: DataError for everything that is not such a pickle, and for one that asks for anything else.
    """
    with warnings.catch_warnings():
        # Python 2 wrote escapes that Python 3 warns of.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return _run(Machine(source, shrink))
        except (IndexError, TypeError, ValueError, OverflowError) as error:
            raise source.error(f"not a usable pickle ({type(error).__name__})") from error


def _run(machine: Machine) -> object:
    read, steps, stop = machine.stream.read, _STEPS, pickle.STOP
    for _ in range(MOST_STEPS):
        code = read(1)
        if code == stop:
            if not machine.stream.at_end():
                raise machine.source.error("longer than it should be: more bytes follow the pickle")
            return machine.take(object)
        step = steps.get(code)
        if step is None:
            raise machine.source.error(f"not a pickle of plain data: it has the instruction {code.hex()}", AGAIN)
        step(machine)
    raise machine.source.error(f"has more than {MOST_STEPS:,} values", AGAIN)


def _integer(machine: Machine) -> object:
    line = machine.line()
    # The way of protocol 0 to write truth values.
    return line == b"01" if line in (b"00", b"01") else int(line)


def _quoted(machine: Machine) -> bytes:
    line = machine.line().strip()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise ValueError
    return codecs.escape_decode(line[1:-1])[0]


def _long(machine: Machine, form: str) -> int:
    return int.from_bytes(machine.stream.read(machine.length(form, _LONGEST_INTEGER)), "little", signed=True)


def _tuple(machine: Machine, count: int) -> None:
    machine.stack.append(tuple(reversed([machine.take(object) for _ in range(count)])))


def _set_item(machine: Machine) -> None:
    value, key = machine.take(object), machine.take(object)
    machine.set_items([key, value])


def _global(machine: Machine) -> Name:
    module = machine.name_line()
    return machine.find_class(module, machine.name_line())


def _stack_global(machine: Machine) -> Name:
    name, module = machine.take(str), machine.take(str)
    return machine.find_class(module, name)


def _protocol(machine: Machine) -> None:
    machine.unpack("B")


def _frame(machine: Machine) -> None:
    # Frames tell how much to read ahead, which the stream does by itself.
    machine.unpack("<Q")


def _marked_dict(machine: Machine) -> None:
    items = machine.pop_marked()
    machine.stack.append({})
    machine.set_items(items)


_PUSHED: dict[bytes, Callable[[Machine], object]] = {
    pickle.NONE: lambda machine: None,
    pickle.NEWTRUE: lambda machine: True,
    pickle.NEWFALSE: lambda machine: False,
    pickle.EMPTY_TUPLE: lambda machine: (),
    pickle.EMPTY_LIST: lambda machine: [],
    pickle.EMPTY_DICT: lambda machine: {},
    pickle.INT: _integer,
    pickle.LONG: lambda machine: int(machine.line().rstrip(b"L")),
    pickle.FLOAT: lambda machine: float(machine.line()),
    pickle.STRING: _quoted,
    pickle.UNICODE: lambda machine: machine.line().decode("raw-unicode-escape"),
    pickle.BININT: lambda machine: machine.unpack("<i"),
    pickle.BININT1: lambda machine: machine.unpack("B"),
    pickle.BININT2: lambda machine: machine.unpack("<H"),
    pickle.BINFLOAT: lambda machine: machine.unpack(">d"),
    pickle.LONG1: lambda machine: _long(machine, "B"),
    pickle.LONG4: lambda machine: _long(machine, "<i"),
    pickle.SHORT_BINSTRING: lambda machine: machine.blob(machine.length("B")),
    pickle.BINSTRING: lambda machine: machine.blob(machine.length("<i")),
    pickle.SHORT_BINBYTES: lambda machine: machine.blob(machine.length("B")),
    pickle.BINBYTES: lambda machine: machine.blob(machine.length("<I")),
    pickle.BINBYTES8: lambda machine: machine.blob(machine.length("<Q")),
    pickle.BYTEARRAY8: lambda machine: machine.blob(machine.length("<Q")),
    pickle.SHORT_BINUNICODE: lambda machine: machine.blob(machine.length("B"), utf8=True),
    pickle.BINUNICODE: lambda machine: machine.blob(machine.length("<I"), utf8=True),
    pickle.BINUNICODE8: lambda machine: machine.blob(machine.length("<Q"), utf8=True),
    pickle.TUPLE: lambda machine: tuple(machine.pop_marked()),
    pickle.LIST: lambda machine: machine.pop_marked(),
    pickle.GLOBAL: _global,
    pickle.STACK_GLOBAL: _stack_global,
}
"""Instructions that put a value on the stack."""

_ACTIONS: dict[bytes, Callable[[Machine], None]] = {
    pickle.PROTO: _protocol,
    pickle.FRAME: _frame,
    pickle.MARK: lambda machine: machine.marks.append(len(machine.stack)),
    pickle.TUPLE1: lambda machine: _tuple(machine, 1),
    pickle.TUPLE2: lambda machine: _tuple(machine, 2),
    pickle.TUPLE3: lambda machine: _tuple(machine, 3),
    pickle.DICT: _marked_dict,
    pickle.APPEND: lambda machine: machine.append([machine.take(object)]),
    pickle.APPENDS: lambda machine: machine.append(machine.pop_marked()),
    pickle.SETITEM: _set_item,
    pickle.SETITEMS: lambda machine: machine.set_items(machine.pop_marked()),
    pickle.GET: lambda machine: machine.get(int(machine.name_line())),
    pickle.BINGET: lambda machine: machine.get(machine.unpack("B")),
    pickle.LONG_BINGET: lambda machine: machine.get(machine.unpack("<I")),
    pickle.PUT: lambda machine: machine.put(int(machine.name_line())),
    pickle.BINPUT: lambda machine: machine.put(machine.unpack("B")),
    pickle.LONG_BINPUT: lambda machine: machine.put(machine.unpack("<I")),
    pickle.MEMOIZE: lambda machine: machine.put(len(machine.memo)),
    pickle.REDUCE: Machine.reduce,
    pickle.BUILD: Machine.build,
}


def _pushing(value: Callable[[Machine], object]) -> Callable[[Machine], None]:
    return lambda machine: machine.stack.append(value(machine))


_STEPS = {code: _pushing(value) for code, value in _PUSHED.items()} | _ACTIONS
