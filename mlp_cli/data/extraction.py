"""Features that are costly to make: computed once for each row of a set, kept in the cache, and mapped into memory after that."""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from mlp_cli import files
from mlp_cli.data import cache
from mlp_cli.data.dataset import Array, Dataset, Part
from mlp_cli.data.pca import Pca, Projection
from mlp_cli.data.pictures import Pictures, pictures_of
from mlp_cli.data.transforms import Affine, fit

FORMAT = 1
"""Raised when an extractor gives other values, so that what was kept before is not used again."""
_ROWS = 256
_LEARNT = "learnt_"

Follow = Callable[[Iterator[int], int], Iterable[int]]
"""Hears of the work: takes an iterator over the numbers of rows that are done, and how many there are, and gives it back."""


class Extractor(Protocol):
    """A component that makes features of pictures.

    components: how many principal components of them are kept, None for the features themselves. standardize: whether each is brought
    to mean 0 and deviation 1.
    """

    components: int | None
    standardize: bool

    def check(self, pictures: Pictures) -> None:
        """Errors: UsageError where it cannot be used for these pictures."""

    def width(self, pictures: Pictures) -> int:
        """How many features a picture has, before `components`."""

    def learn(self, part: Part, pictures: Pictures) -> dict[str, Array]:
        """What it learns from a part: what `compute` needs, as plain arrays."""

    def compute(self, rows: Array, pictures: Pictures, learnt: dict[str, Array]) -> NDArray[np.float32]:
        """The features (B, width) of raw rows (B, D). May be called by several threads at a time."""


class Extracted:
    """Features of pictures, used like an `Affine`. Rows of the set itself are not computed again.

    learnt: what the extractor learnt. after: what becomes of its features. stored: pairs of an array of raw rows (N, D), and the array
    (N, C) of what the network takes, or what `stored_after` makes that of. width: how many features it gives; None: ask the extractor.
    """

    def __init__(
        self,
        extractor: Extractor,
        pictures: Pictures,
        learnt: dict[str, Array],
        after: Affine | Projection,
        stored: list[tuple[Array, Array]],
        stored_after: Affine | Projection,
        width: int | None = None,
    ) -> None:
        self.extractor, self.pictures, self.learnt = extractor, pictures, learnt
        self.after, self.stored, self.stored_after = after, stored, stored_after
        self.width: int | None = after.width or width or extractor.width(pictures)

    def over(self, x: Array) -> tuple[Array, Extracted | Affine | Projection]:
        """The array to take rows of `x` (N, D) from, and what then makes features of them."""
        return next(((made, self.stored_after) for raw, made in self.stored if raw is x), (x, self))

    def apply(self, raw: Array, out: Array) -> None:
        """Writes the features of `raw` (B, D) into `out` (B, C)."""
        self.after.apply(self.extractor.compute(raw, self.pictures, self.learnt), out)

    def arrays(self) -> dict[str, Array]:
        """What a model's file holds of it: what the extractor learnt, as learnt_NAME, and what becomes of the features."""
        known = {f"{_LEARNT}{name}": value for name, value in self.learnt.items()}
        return known | self.after.arrays() | {"top": np.array(self.pictures.top), "width": np.array(self.width)}


def restored(extractor: Extractor, pictures: Pictures, arrays: Mapping[str, Array]) -> Extracted:
    """The transform whose `arrays` a model's file holds. It has no stored rows: everything is computed."""
    learnt = {name.removeprefix(_LEARNT): value for name, value in arrays.items() if name.startswith(_LEARNT)}
    after = _after(arrays)
    return Extracted(extractor, pictures, learnt, after, [], after, int(arrays["width"]))


def _after(arrays: Mapping[str, Array]) -> Affine | Projection:
    scaling = Affine(arrays["scale"], arrays["shift"], arrays.get("centre"))
    return Projection(scaling, arrays["projection"], arrays["projection_shift"]) if "projection" in arrays else scaling


def extract_all(extractor: Extractor, name: str, dataset: Dataset, identity: Mapping[str, Any], follow: Follow) -> Extracted:
    """The features of all rows of a set, from the cache, else computed and kept there.

    name: of the features, for errors. identity: plain values that tell these features of this set from all others.
    Errors: RunError where the cache cannot be written; those of the extractor and of `follow`.
    """
    pictures = pictures_of(dataset, f"features: {name}")
    sources = sources_of(dataset)
    text = json.dumps({"format": FORMAT, "numpy": np.__version__, **identity}, sort_keys=True)
    # By the name of the set `mlp data clear` finds them.
    meta = {"name": dataset.name, "features": hashlib.sha256(text.encode()).hexdigest()}
    key = f"features-{meta['features'][:16]}"
    found = cache.open_arrays(key, meta)
    if found is None:
        with cache.building(key), cache.workspace() as room:
            # Another process may have made them while this one waited.
            found = cache.open_arrays(key, meta)
            if found is None:
                writers = _compute(extractor, pictures, dataset, sources, follow, room)
                cache.store_arrays(key, writers, meta)
                found = cache.open_arrays(key, meta)
    if found is None:
        raise RuntimeError(f"{key} was written, and is not there")
    after = _after(found)
    learnt = {each.removeprefix(_LEARNT): value for each, value in found.items() if each.startswith(_LEARNT)}
    stored = [(x, found[f"rows_{number}"]) for number, (x, _) in enumerate(sources)]
    return Extracted(extractor, pictures, learnt, after, stored, IDENTITY if isinstance(after, Projection) else after)


IDENTITY = Affine(np.ones((), np.float32), np.zeros((), np.float32))


def sources_of(dataset: Dataset) -> list[tuple[Array, NDArray[np.intp]]]:
    """The arrays that the parts draw from, each once, with the rows that are drawn, ascending."""
    found: dict[int, tuple[Array, list[NDArray[np.intp]]]] = {}
    for part in dataset.parts().values():
        found.setdefault(id(part.x), (part.x, []))[1].append(part.index)
    return [(x, np.unique(np.concatenate(indices))) for x, indices in found.values()]


Writers = dict[str, Callable[[BinaryIO], None]]


def _compute(
    extractor: Extractor,
    pictures: Pictures,
    dataset: Dataset,
    sources: list[tuple[Array, NDArray[np.intp]]],
    follow: Follow,
    room: Path,
) -> Writers:
    """Learns and extracts, into files below `room`; returns what writes the arrays of the cache."""
    from threadpoolctl import threadpool_limits

    total = sum(len(rows) for _, rows in sources)
    width = extractor.width(pictures)
    raw: list[Array] = []
    # One BLAS thread a piece, so that the values do not depend on how many there are.
    with threadpool_limits(1, "blas"):
        learnt = extractor.learn(dataset.train, pictures)
        done = (
            _to_file(room / f"{number}.npy", x, rows, width, partial(extractor.compute, pictures=pictures, learnt=learnt))
            for number, (x, rows) in enumerate(sources)
        )
        for _ in follow((count for each in done for count in each), total):
            pass
        raw = [np.lib.format.open_memmap(room / f"{number}.npy", mode="r") for number in range(len(sources))]
        after = _fitted(extractor, Part(raw[0], dataset.train.y, dataset.train.index))
    arrays = {f"{_LEARNT}{name}": value for name, value in learnt.items()} | after.arrays()
    writers: Writers = {name: cache.array_writer(value) for name, value in arrays.items()}
    for number, (_, rows) in enumerate(sources):
        made = partial(_applied, after) if isinstance(after, Projection) else np.asarray
        wide = (after.width if isinstance(after, Projection) else None) or width
        writers[f"rows_{number}"] = partial(_write_rows, x=raw[number], rows=rows, width=wide, make=made)
    return writers


def _fitted(extractor: Extractor, part: Part) -> Affine | Projection:
    """What becomes of the features, fitted on the training part's: standardised, and cut to components where asked."""
    exact = fit("standard" if extractor.standardize else "none", part, np.float32)
    if extractor.components is not None:
        found = Pca(extractor.components, whiten=False).fit(part, exact, np.float32)
        # Whitened, the last components would be as loud as the first, which tell the most. One factor for all keeps sizes near 1.
        factor = np.float32(np.sqrt(extractor.components / part.x.shape[1]))
        return Projection(exact, found.matrix * factor, found.shift * factor)
    if exact.centre is None:
        return exact
    # The features are single numbers of like size, for which float32 is exact enough, and three times as fast.
    return Affine(exact.scale.astype(np.float32), (-exact.centre * exact.scale).astype(np.float32))


def _applied(after: Projection, rows: Array) -> Array:
    out = np.empty((len(rows), after.matrix.shape[1]), dtype=np.float32)
    after.apply(rows, out)
    return out


Make = Callable[[Array], Array]


def _to_file(path: Path, x: Array, rows: NDArray[np.intp], width: int, make: Make) -> Iterator[int]:
    """Writes features to a .npy file; yields how many rows each piece of the work had."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with files.writing(path), open(path, "wb") as handle:
        yield from _write(handle, x, rows, width, make, cores)


def _write_rows(handle: BinaryIO, x: Array, rows: NDArray[np.intp], width: int, make: Make) -> None:
    for _ in _write(handle, x, rows, width, make, 1):
        pass


def _write(handle: BinaryIO, x: Array, rows: NDArray[np.intp], width: int, make: Make, threads: int) -> Iterator[int]:
    """Writes an array (N, width) float32 as .npy to a handle: what `make` makes of `rows` of `x` (N, D), and nothing elsewhere.

    So many threads make it, a piece each. Yields how many rows each piece had. rows: ascending.
    """
    header = {"descr": "<f4", "fortran_order": False, "shape": (len(x), width)}
    np.lib.format.write_array_header_1_0(handle, header)
    begin, step = handle.tell(), 4 * width
    pieces = iter([rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS)])
    with ThreadPoolExecutor(threads) as pool:
        # Few at a time, since each waits in memory until it is written.
        under_way = deque((piece, pool.submit(_made, make, x, piece)) for piece in islice(pieces, 2 * threads))
        while under_way:
            piece, job = under_way.popleft()
            values = job.result()
            for following in islice(pieces, 1):
                under_way.append((following, pool.submit(_made, make, x, following)))
            runs = np.flatnonzero(np.diff(piece) != 1) + 1
            for run in np.split(np.arange(len(piece)), runs):
                handle.seek(begin + step * int(piece[run[0]]))
                handle.write(np.ascontiguousarray(values[run[0] : run[-1] + 1], dtype="<f4").data)
            yield len(piece)
    handle.truncate(begin + step * len(x))


def _made(make: Make, x: Array, rows: NDArray[np.intp]) -> Array:
    return make(x[rows])
