"""Reading and writing .npz archives of plain arrays: the same arrays give the same bytes, and a reader builds nothing but them."""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

_DATE = (1980, 1, 1, 0, 0, 0)
_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(rb"\{'descr': '([<|][biufSU]\d{1,6})', 'fortran_order': False, 'shape': \(([\d, ]*)\), \} *\n")


def pack(arrays: Mapping[str, NDArray], comment: bytes = b"") -> bytes:
    """An uncompressed .npz archive, readable by `np.load`; no times in it, so equal arrays give equal bytes.

    comment: the zip archive's comment, its very last bytes.
    Errors: ValueError for an array of objects.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy", _DATE), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.ascontiguousarray(array).reshape(np.shape(array)), allow_pickle=False)
        archive.comment = comment
    return buffer.getvalue()


def unpack(content: bytes) -> dict[str, NDArray]:
    """The arrays of an archive that `pack` made, which cannot be written to. Errors: ValueError where it is not such an archive.

    It takes no more memory than the content does again, whatever the archive declares.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if any(member.compress_type != zipfile.ZIP_STORED for member in members):
                raise ValueError("its members are compressed")
            if sum(member.file_size for member in members) > len(content):
                raise ValueError("its members are larger than the archive")
            return {member.filename.removesuffix(".npy"): _array(archive.read(member)) for member in members}
    except (OSError, RuntimeError, ValueError, TypeError, EOFError, OverflowError, struct.error, zipfile.BadZipFile) as error:
        raise ValueError(f"not an archive of plain arrays: {error}") from error


def _array(raw: bytes) -> NDArray:
    """The array of one .npy member, as a view of its bytes."""
    start = 10 + int.from_bytes(raw[8:10], "little")
    header = _HEADER.fullmatch(raw, 10, start)
    if not raw.startswith(_MAGIC) or header is None:
        raise ValueError("a member is not a plain array")
    dtype = np.dtype(header[1].decode())
    shape = tuple(int(size) for size in header[2].split(b",") if size.strip())
    if math.prod(shape) * dtype.itemsize != len(raw) - start:
        raise ValueError("a member does not have the size that it declares")
    return np.ndarray(shape, dtype, raw, start)
