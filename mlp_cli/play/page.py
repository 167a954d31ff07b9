"""A page that holds a trained network and plays it: one file, works offline, asks for nothing and runs its own script alone."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp_cli import files, packs
from mlp_cli.build import check_data, load_data
from mlp_cli.data import sources
from mlp_cli.data.dataset import Array, Dataset, Part
from mlp_cli.errors import DataError, Notify, UsageError
from mlp_cli.export import arrays_of, scaling_of
from mlp_cli.model import Model, read_model
from mlp_cli.runs import Record, completed_record
from mlp_cli.text import counted, metric_name, one_line
from mlp_cli.training.progress import score_text

_SHOWN, _DOTS = 24, 400  # test rows to choose from, and dots in the plane of two features
_MOST_BYTES = 1 << 18  # of the test rows
_LOOKED_AT = 2_000  # rows that ranges, frames and test rows are taken from
_MNIST = {"middle": "mass", "dark": True, "box": 20 / 28, "pen": 2.6 / 28}
"""How MNIST's digits lie in their pictures, see `_frame`."""


def write_page(folder: Path, out: Path, notify: Notify = lambda text: None) -> None:
    """Writes the page of the run in `folder`, with some of its test rows where its data is at hand; nothing is downloaded.

    notify: takes a notice where the page goes without them. Errors: RunError; UsageError (see `page`).
    """
    model, record = read_model(folder), completed_record(folder)
    dataset, wanted = None, model.config.dataset
    try:
        if wanted.name and sources.state(sources.entry_of(wanted.name, wanted.subset)).startswith("not here"):
            raise DataError(f"{wanted.name} is not here", f"get it with: mlp data fetch {wanted.name}")
        packs.refuse_paths(folder, model.config.to_dict())
        dataset = load_data(model.config)
        check_data(folder, record.data_sha256, dataset)
    except DataError as error:
        dataset = None
        notify(f"the page has no test rows, and ranges are guessed: {error.message.splitlines()[0]}")
    files.write_text(out, page(model, record, dataset))


def page(model: Model, record: Record, dataset: Dataset | None) -> str:
    """The page as text; equal arguments give equal text, and every name in it is escaped.

    dataset: the run's, for ranges and test rows; None where it is not here.
    Errors: UsageError for a network with a part that the script cannot compute.
    """
    text, css, js = (Path(__file__).with_name(f"play.{end}").read_text(encoding="utf-8") for end in ("html", "css", "js"))
    digests = (base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in (js, css))
    table = js.partition("const ACTIVATIONS = {\n")[2].partition("};")[0]
    known = re.findall(r"^    (\w+)", table, re.MULTILINE)
    for each in model.config.activation:
        if each.name not in known:
            raise UsageError(f"activation: {each.name} is unknown to the page", f"it computes {', '.join(known)}")
    if model.task == "multi_label":
        raise UsageError(
            "--format html: the page shows one answer a row, and this network gives labels", "write --format onnx or npz"
        )
    parts = {
        "policy": "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'".format(*digests),
        "title": html.escape(": ".join(filter(None, [one_line(record.name or "network", 80), _score(record)]))),
        "about": html.escape(_about(model)),
        "run": html.escape(one_line(str(record.id), 200)),
        "css": css,
        "js": js,
        "model": json.dumps(_content(model, record, dataset), separators=(",", ":")).replace("<", "\\u003c"),
    }
    return re.sub(r"\{(policy|title|about|run|css|js|model)\}", lambda found: parts[found[1]], text)


def _score(record: Record) -> str:
    """The score on the test part; without one that on validation, or else on training rows; empty without any."""
    for part, score in product(("test", "val", "train"), ("accuracy", "r2")):
        if (value := record.metrics.get(name := f"{part}_{score}")) is not None:
            return f"{metric_name(name)} {score_text(score, value)}"
    return ""


def _about(model: Model) -> str:
    """The network in a sentence."""
    hidden = zip(model.config.hidden_sizes, model.config.activation, strict=True)
    sizes = [counted(model.inputs, "input"), *(f"{size:,} {each.name}" for size, each in hidden)]
    sizes.append(counted(len(model.classes), "class", "classes") if model.classes else "a quantity")
    return f"A network of {', '.join(sizes)}, its weights rounded to 16 bits."


def _content(model: Model, record: Record, dataset: Dataset | None) -> dict[str, Any]:
    """What the script reads, plain values for JSON."""
    arrays = arrays_of(model)
    rows = None if dataset is None else _some(dataset.train)[0]
    image = _image(model, rows) if len(model.shape) in (2, 3) else None
    targets = dataset.train.y[dataset.train.index] if dataset and not model.classes else None
    return {
        "arrays": {name: _packed(array, name[0] == "W") for name, array in arrays.items() if array.dtype.kind in "uifb"},
        "activations": [json.loads(str(each)) for name, each in arrays.items() if name.startswith("activation")],
        "output": str(arrays["output"]),
        "width": model.inputs,
        "names": [one_line(name) for name in model.classes or [str(model.config.dataset.target or "prediction")]],
        "image": image,
        "features": None if image else _features(model, rows),
        "range": None if targets is None else [float(targets.min()), float(targets.max())],
        "error": record.metrics.get("test_mae", record.metrics.get("val_mae")),
        "samples": _samples(model, dataset.test) if dataset and dataset.test else None,
    }


def _packed(array: NDArray, half: bool = False) -> dict[str, Any]:
    """An array of numbers for JSON; half: as float16 times a power of two, so that none is too large or too small for it."""
    unit = 2.0 ** (int(np.frexp(np.abs(array).max(initial=0.0))[1]) - 15) if half else 1.0
    plain = (array / unit).astype("<f2") if half else array
    return {"kind": plain.dtype.name, "unit": unit, "data": base64.b64encode(plain.tobytes()).decode()}


def _some(part: Part) -> tuple[Array, Array]:
    """The inputs and targets of rows from all over a part."""
    rows = part.index[np.linspace(0, len(part) - 1, min(_LOOKED_AT, len(part))).astype(np.intp)]
    return part.x[rows], part.y[rows]


def _image(model: Model, rows: Array | None) -> dict[str, Any] | None:
    """How a row (D,) is a picture, and how what is drawn becomes one like those of `rows` (N, D); None where it is no picture."""
    first = len(model.shape) == 3 and model.shape[0] in (1, 3)
    height, width, channels = (*model.shape[1:], model.shape[0]) if first else (*model.shape, 1)[:3]
    if min(height, width) < 4 or channels not in (1, 3):
        return None
    if rows is None:
        scale = np.abs(scaling_of(model)[0].scale)
        white, frame = 255.0 if scale.min(where=scale > 0, initial=1.0) < 1 else 1.0, _MNIST
    else:
        white = 255.0 if rows.max() > 1 else 1.0
        frame = _frame(rows.reshape(-1, height, width) / white) if channels == 1 else {"middle": None}
    return {"height": height, "width": width, "channels": channels, "first": first, "white": white, **frame}


def _frame(pictures: Array) -> dict[str, Any]:
    """How grey pictures (N, height, width), values 0 … 1, lie in their frame.

    dark: their ground. box: the share of the frame that what stands out from it takes along its longer side. middle: whether its
    centre of `mass` or its `box` is in the middle; None for pictures without an even ground. pen: the width of a line, a share too.
    """
    edges = np.concatenate([pictures[:, 0], pictures[:, -1], pictures[:, :, 0], pictures[:, :, -1]], axis=1)
    ground = float(np.median(edges))
    size = np.array(pictures.shape[1:])
    boxes, masses = [], []
    for ink in np.abs(pictures - ground):
        at = np.argwhere(ink > 0.1)
        if len(at):
            boxes.append([at.min(axis=0) / size, (at.max(axis=0) + 1) / size])
            masses.append(np.average(at + 0.5, axis=0, weights=ink[tuple(at.T)]) / size)
    if (np.abs(edges - ground) > 0.1).mean() > 0.55 or not boxes:
        return {"middle": None, "dark": True, "box": 1.0, "pen": 0.1}
    box = float(np.median(np.ptp(boxes, axis=1).max(axis=1)))
    middle = "mass" if np.std(masses, axis=0).sum() < np.std(np.mean(boxes, axis=1), axis=0).sum() else "box"
    return {"middle": middle, "dark": ground < 0.5, "box": box, "pen": 0.13 * box}


def _features(model: Model, rows: Array | None) -> list[dict[str, Any]]:
    """The columns that a user sets: the range of a number in `rows` (N, D), or the categories, and what to begin with.

    Without rows a range is three standard deviations to either side, where the scaling tells of them.
    """
    if rows is None:
        scaling = scaling_of(model)[0]
        middle = np.broadcast_to(0.0 if scaling.centre is None else scaling.centre, (model.inputs,))
        spread = 3 / np.where(scaling.scale > 0, scaling.scale, 1.0)
        rows = np.stack([middle - spread, middle, middle + spread])
    plain = ((f"feature {place}", None) for place in range(1, model.inputs + 1))
    columns = plain if model.encoding is None else ((each.name, each.categories) for each in model.encoding.features)
    found, start = [], 0
    for name, categories in columns:
        values = rows[:, start : start + len(categories or (name,))]
        start += values.shape[1]
        own: dict[str, Any] = {"name": one_line(name)}
        if categories is None:
            own |= {"least": float(values.min()), "most": float(values.max()), "start": float(np.median(values))}
            found.append(own | {"whole": bool((values == np.round(values)).all())})
        else:
            found.append(own | {"categories": list(map(one_line, categories)), "start": int(values.sum(axis=0).argmax())})
    return found


def _samples(model: Model, part: Part) -> dict[str, Any]:
    """Test rows and their true answers; the first `shown` are to choose from, of each class where there is room, right and wrong.

    With two inputs there are further ones, dots in their plane.
    """
    x, y = _some(part)
    found = model.predict(x)
    room = max(2, min(_SHOWN, _MOST_BYTES // x[0].nbytes))
    if model.classes:
        right = found.argmax(axis=1) == y
        ranks = [np.count_nonzero(y[:row][right[:row]] == y[row]) for row in range(len(y))]  # the first of each class come first
        rights = sorted(np.flatnonzero(right), key=lambda row: ranks[row])[: room // 2]
        rows = np.array([*sorted(rights, key=lambda row: y[row]), *np.flatnonzero(~right)[: room // 2]], np.intp)
    else:
        rows = np.argsort(np.abs(found - y))[np.linspace(0, len(y) - 1, min(room, len(y))).astype(np.intp)]
    chosen = np.concatenate([rows, np.setdiff1d(np.arange(len(y)), rows)[: _DOTS * (model.inputs == 2)]])
    return {"x": _packed(x[chosen]), "labels": y[chosen].tolist(), "shown": len(rows)}
