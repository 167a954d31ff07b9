"""Pickles as Python 2 wrote them, and hostile ones, put together instruction by instruction."""

import struct
from typing import Any

import numpy as np

_RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"


def python2(value: Any) -> bytes:
    """The pickle of protocol 2 that Python 2's cPickle wrote for arrays, byte strings, whole numbers, tuples, lists and dicts."""
    return b"\x80\x02" + _part(value) + b"."


def _part(value: Any) -> bytes:
    if isinstance(value, np.ndarray):
        order = {"=": "<", "<": "<", ">": ">", "|": "|"}[value.dtype.byteorder]
        code = value.dtype.str[1:].encode()
        shape = b"(" + b"".join(_part(size) for size in value.shape) + b"t"
        dtype = b"cnumpy\ndtype\n" + _part(code) + b"K\x00K\x01\x87R(K\x03" + _part(order.encode())
        dtype += b"NNN" + b"J\xff\xff\xff\xff" * 2 + b"K\x00tb"
        fortran = value.flags.f_contiguous and not value.flags.c_contiguous
        content = value.tobytes(order="F" if fortran else "C")
        return _RECONSTRUCT + b"(K\x01" + shape + dtype + (b"\x88" if fortran else b"\x89") + _part(content) + b"tb"
    if isinstance(value, bytes):
        short = len(value) < 256
        return (b"U" + bytes([len(value)]) if short else b"T" + struct.pack("<i", len(value))) + value
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    if isinstance(value, tuple):
        return b"(" + b"".join(map(_part, value)) + b"t"
    if isinstance(value, list):
        return b"](" + b"".join(map(_part, value)) + b"e"
    assert isinstance(value, dict)
    return b"}(" + b"".join(_part(key) + _part(item) for key, item in value.items()) + b"u"
