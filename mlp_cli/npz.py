"""Reading and writing .npz archives of plain arrays: the same arrays give the same bytes, and a reader runs no pickle."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

_DATE = (1980, 1, 1, 0, 0, 0)


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
    """The arrays of an archive that `pack` made. Errors: ValueError where it is not such an archive."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"not an archive of plain arrays: {error}") from error
