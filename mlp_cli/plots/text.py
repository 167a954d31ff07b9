"""Text in figures: names from users made drawable, measured, cut to the room there is, and kept apart from each other."""

from __future__ import annotations

import os
import sys
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache

from mlp_cli.text import listed

FONT = "DejaVu Sans"  # comes with matplotlib
DPI = 150  # of every figure; hinting makes a text's width depend on it
_MISSING = "□"
_LONGEST = 400  # characters; nothing longer can be shown, and measuring a megabyte would take its time
_families = [FONT]  # of the figures, in order of preference; `_family_of` adds those that further characters need


def load_matplotlib() -> None:
    """Loads matplotlib without its backend, which figures on an Agg canvas never use: one that is missing would stop the loading.

    MPLBACKEND stays as it is, and where the backend is there, it is that of the caller's own figures.
    """
    if "matplotlib" in sys.modules:
        return
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    if backend is not None:
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = backend


def clean(text: object) -> str:
    """`text` on one line, with a box for each character that no installed font has, and without control and direction marks."""
    return "".join(character if _family_of(character) else _MISSING for character in _plain(text))


def missing(texts: Iterable[object]) -> str:
    """A notice that names the characters which no installed font has; empty where there are none."""
    lost = dict.fromkeys(character for text in texts for character in _plain(text) if not _family_of(character))
    shown = [character if character.isprintable() else f"U+{ord(character):04X}" for character in lost]
    return f"the figures have boxes for {listed(shown, 8)}: no installed font has them; Noto Sans CJK would" if shown else ""


def families() -> list[str]:
    """The fonts of the figures: a character is drawn with the first that has it."""
    return list(_families)


@lru_cache(maxsize=4096)
def width(text: str, points: float) -> float:
    """Width in inches of one line of cleaned text at a font size in points."""
    load_matplotlib()
    from matplotlib.font_manager import findfont, get_font

    font = get_font([findfont(family) for family in _families])
    font.set_size(points, DPI)
    font.set_text(text, 0.0)
    return float(font.get_width_height()[0]) / 64 / DPI


def fit(text: object, inches: float, points: float, *, both_ends: bool = False) -> str:
    """The cleaned text, cut with an ellipsis to be at most `inches` wide; `both_ends` takes the cut from the middle."""
    whole = clean(text)
    if width(whole, points) <= inches:
        return whole

    def cut(kept: int) -> str:
        head = kept // 2 if both_ends else kept
        return whole[:head].rstrip() + "…" + whole[len(whole) - (kept - head) :].lstrip()

    return cut(bisect_right(range(1, len(whole)), inches, key=lambda kept: width(cut(kept), points)))


def class_labels(classes: Sequence[object], count: int, inches: float, points: float) -> list[str]:
    """One label for each of `count` classes, at most `inches` wide (a number alone may be wider), all different.

    A class without a name, or whose name has nothing that can be drawn, goes by its number, counted from 0. Names that
    are equal, or that cutting made equal, get their number in front; where that does not tell them apart, all go by number.
    """
    names = [clean(classes[k]) if k < len(classes) else "" for k in range(count)]
    names = [name if name.strip(_MISSING + " ") else str(k) for k, name in enumerate(names)]
    labels = [fit(name, inches, points) for name in names]
    seen = Counter(labels)
    for k, label in enumerate(labels):
        if seen[label] > 1:
            labels[k] = f"{k} " + fit(names[k], max(0.0, inches - width(f"{k} ", points)), points)
    return labels if len(set(labels)) == count else [str(k) for k in range(count)]


def _plain(text: object) -> str:
    whole = str(text)
    if len(whole) > _LONGEST:
        whole = whole[: _LONGEST // 2] + "…" + whole[-_LONGEST // 2 :]
    normal = " ".join(unicodedata.normalize("NFC", whole).split())
    kept = (character for character in normal if unicodedata.category(character) not in {"Cc", "Cf"})
    return " ".join("".join(kept).split())


@lru_cache(maxsize=16384)
def _family_of(character: str) -> str:
    """The font that draws a character: the usual one, else an installed one that has it; empty where there is none."""
    load_matplotlib()
    from matplotlib import rcParams
    from matplotlib.font_manager import findfont, get_font

    for family in [FONT, *_installed()] if not character.isascii() else [FONT]:
        with suppress(OSError, RuntimeError):  # a broken font file
            if get_font(findfont(family)).get_char_index(ord(character)):
                if family not in _families:
                    active = list(rcParams["font.family"]) == _families  # inside `style.context`
                    _families[1:] = sorted([*_families[1:], family], key=_installed().index)
                    if active:
                        rcParams["font.family"] = families()
                return family
    return ""


@lru_cache(maxsize=1)
def _installed() -> list[str]:
    """The upright fonts that are installed, those without serifs first; also those that came after matplotlib listed its fonts."""
    from matplotlib import get_data_path
    from matplotlib.font_manager import findSystemFonts, fontManager

    known = {entry.fname for entry in fontManager.ttflist}
    for path in sorted(set(findSystemFonts()) - known):
        with suppress(Exception):  # whatever a font file that matplotlib cannot read raises
            fontManager.addfont(path)
    upright = (each for each in fontManager.ttflist if each.style == "normal" and each.weight in (400, "normal"))
    names = {each.name for each in upright if not each.fname.startswith(get_data_path()) and "Last" not in each.name}
    return sorted(names, key=lambda name: (not any(word in name for word in ("Sans", "Gothic", "Hei")), name))
