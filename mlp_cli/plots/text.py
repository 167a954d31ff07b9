"""Text in figures: names from users made drawable, measured, cut to the room there is, and kept apart from each other."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.ft2font import FT2Font

FONT = "DejaVu Sans"  # comes with matplotlib
DPI = 150  # of every figure; hinting makes a text's width depend on it
_MISSING = "□"
_LONGEST = 400  # characters; nothing longer can be shown, and measuring a megabyte would take its time


def clean(text: object) -> str:
    """`text` on one line, with a box for each character that the figures' font lacks, and without control and direction marks."""
    whole = str(text)
    if len(whole) > _LONGEST:
        whole = whole[: _LONGEST // 2] + "…" + whole[-_LONGEST // 2 :]
    normal = " ".join(unicodedata.normalize("NFC", whole).split())
    kept = (character for character in normal if unicodedata.category(character) not in {"Cc", "Cf"})
    known = _characters()
    return " ".join("".join(character if ord(character) in known else _MISSING for character in kept).split())


@lru_cache(maxsize=4096)
def width(text: str, points: float) -> float:
    """Width in inches of one line of cleaned text at a font size in points."""
    font = _font()
    font.set_size(points, DPI)
    font.set_text(text, 0.0)
    return float(font.get_width_height()[0]) / 64 / DPI


def fit(text: object, inches: float, points: float, *, both_ends: bool = False) -> str:
    """The cleaned text, cut with an ellipsis to be at most `inches` wide; `both_ends` takes the cut from the middle."""
    whole = clean(text)
    if width(whole, points) <= inches:
        return whole

    def cut(kept: int) -> str:
        if not both_ends:
            return whole[:kept].rstrip() + "…"
        head = kept // 2
        return whole[:head].rstrip() + "…" + whole[len(whole) - (kept - head) :].lstrip()

    low, high = 0, len(whole) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if width(cut(middle), points) <= inches:
            low = middle
        else:
            high = middle - 1
    return cut(low)


def class_labels(classes: Sequence[object], count: int, inches: float, points: float) -> list[str]:
    """One label for each of `count` classes, at most `inches` wide (a number alone may be wider), all different.

    A class without a name, or whose name has nothing that can be drawn, goes by its number, counted from 0. Names that
    are equal, or that cutting made equal, get their number in front; where that does not tell them apart, all go by number.
    """
    names = [clean(classes[k]) if k < len(classes) else "" for k in range(count)]
    names = [str(k) if not name.strip(_MISSING + " ") else name for k, name in enumerate(names)]
    labels = [fit(name, inches, points) for name in names]
    seen = Counter(labels)
    for k, label in enumerate(labels):
        if seen[label] > 1:
            labels[k] = f"{k} " + fit(names[k], max(0.0, inches - width(f"{k} ", points)), points)
    return labels if len(set(labels)) == count else [str(k) for k in range(count)]


@lru_cache(maxsize=1)
def _characters() -> frozenset[int]:
    return frozenset(_font().get_charmap())


def _font() -> FT2Font:
    from matplotlib.font_manager import findfont, get_font

    return get_font(findfont(FONT))
