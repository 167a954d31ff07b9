"""Features that somebody made elsewhere, from a file with one row for each picture of the set."""

from __future__ import annotations

import hashlib
import zipfile
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Doc

from mlp_cli.data.dataset import Array, Dataset, Part
from mlp_cli.data.extraction import Extracted, sources_of
from mlp_cli.data.pictures import Pictures
from mlp_cli.data.transforms import fit
from mlp_cli.errors import DataError, cause_of

_ROWS = 1024
_BYTES = 1 << 20
_HINT = "one row for each picture: the training pictures in the order of the set, then the test pictures"


class File:
    """Features from a .npy or .npz file, one row for each picture, made elsewhere.

    Rows are in the order of the set, the training pictures first and then the test pictures; an .npz may have them as `train` and
    `test`. An .npz may also have `pictures_sha256`, the SHA-256 over the bytes of all training pictures and then of the test
    pictures, which is checked, and `made_by`, a text.
    """

    components: int | None = None

    def __init__(
        self,
        path: Annotated[str, Doc("The .npy or .npz file.")],
        made_by: Annotated[str | None, Doc("Who or what made it, and how the pictures were prepared.")] = None,
        standardize: Annotated[bool, Doc("Bring each feature to mean 0 and deviation 1.")] = True,
    ) -> None:
        self.path, self.made_by, self.standardize = path, made_by, standardize
        self._width = 0

    def check(self, pictures: Pictures) -> None:
        """Any pictures will do."""

    def width(self, pictures: Pictures) -> int:
        """How many features a row has, once the file was read."""
        return self._width

    def learn(self, part: Part, pictures: Pictures) -> dict[str, Array]:
        """Nothing is learnt from pictures."""
        return {}

    def compute(self, rows: Array, pictures: Pictures, learnt: dict[str, Array]) -> NDArray[np.float32]:
        """Errors: DataError, since nobody here can make these features of other pictures."""
        raise DataError(f"features: file: {self.path} has no features of these pictures", "only those of its set can be used")

    def content_hash(self) -> str:
        """SHA-256 of the file. Errors: DataError where it cannot be read."""
        digest = hashlib.sha256()
        try:
            with open(self.path, "rb") as handle:
                while piece := handle.read(_BYTES):
                    digest.update(piece)
        except OSError as error:
            raise DataError(f"features: file: cannot read {self.path}: {cause_of(error)}") from error
        return digest.hexdigest()

    def read(self, dataset: Dataset) -> tuple[list[Array], str | None]:
        """The features of the arrays that the parts draw from, in their order, and who made them.

        Errors: DataError where the file cannot be read, has no numbers, other rows than the set, values that are not finite, or the
        hash of other pictures.
        """
        where, arrays = f"features: file: {self.path}", _load(self.path)
        texts = {key: str(arrays.pop(key)) for key in ("pictures_sha256", "made_by") if key in arrays}
        sources = [x for x, _ in sources_of(dataset)]
        counts, found = [len(x) for x in sources], [arrays.pop(key) for key in ("train", "test") if key in arrays]
        if not found and len(arrays) == 1:
            whole = arrays.popitem()[1]
            found = np.split(whole, [counts[0]]) if len(counts) > 1 else [whole]
        if not found or arrays:
            raise DataError(f"{where} has the arrays {', '.join(arrays) or 'none'}; it needs one, or train and test", _HINT)
        for each in found:
            if each.ndim < 2 or each.dtype.kind not in "iuf" or not each.size:
                raise DataError(f"{where} has {each.dtype} of the shape {each.shape}; it needs rows of numbers", _HINT)
        flat = [each.reshape(len(each), -1) for each in found]
        if [len(each) for each in flat[: len(counts)]] != counts or len({each.shape[1] for each in flat}) > 1:
            told = " and ".join(f"{len(each):,} rows of {each.shape[1]:,}" for each in flat)
            raise DataError(
                f"{where} has {told}, and {dataset.name} has {' and '.join(f'{n:,}' for n in counts)} pictures", _HINT
            )
        for each in flat[: len(counts)]:
            for start in range(0, len(each), _ROWS):
                if not (finite := np.isfinite(each[start : start + _ROWS]).all(axis=1)).all():
                    row = start + int(finite.argmin())
                    raise DataError(f"{where}: row {row:,} (counted from 0) has values that are not finite")
        if "pictures_sha256" in texts:
            digest = hashlib.sha256()
            for x in sources:
                digest.update(np.ascontiguousarray(x).data)
            if digest.hexdigest() != texts["pictures_sha256"]:
                told = f"pictures_sha256 is {texts['pictures_sha256'][:70]}, that of {dataset.name} is {digest.hexdigest()}"
                raise DataError(f"{where} has the features of other pictures, or in another order: {told}", _HINT)
        self._width = flat[0].shape[1]
        return flat[: len(counts)], self.made_by or texts.get("made_by")

    def stored(self, dataset: Dataset, pictures: Pictures) -> Extracted:
        """The transform that gives the file's rows. Errors: see `read`."""
        found, _ = self.read(dataset)
        after = fit("standard" if self.standardize else "none", Part(found[0], dataset.train.y, dataset.train.index), np.float32)
        pairs = [(x, values) for (x, _), values in zip(sources_of(dataset), found, strict=True)]
        return Extracted(self, pictures, {}, after, pairs, after, self._width)


def _load(path: str) -> dict[str, Array]:
    """The arrays of a .npy (named "") or .npz file. Errors: DataError."""
    try:
        if not zipfile.is_zipfile(path):
            return {"": np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))}
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except OSError as error:
        raise DataError(f"features: file: cannot read {path}: {cause_of(error)}") from error
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"features: file: {path} is no .npy or .npz file of numbers: {error}") from error
