"""Names in figures: drawable, cut to size, told apart."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from mlp_cli.plots import run, style, text
from mlp_cli.plots.text import class_labels, clean, fit, missing, width


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain name", "plain name"),
        ("  two\n lines\tand tab ", "two lines and tab"),
        ("$x^2$", "$x^2$"),
        ("日本", "□□"),
        ("\u202eevil\x00\x07", "evil"),
        ("a \x00 b", "a b"),
        ("\ud800", "□"),
        ("e\u0301", "é"),
        ("Größe №5 – naïve", "Größe №5 – naïve"),
        (np.str_("numpy"), "numpy"),
        (7, "7"),
    ],
)
def test_clean(text, expected):
    assert clean(text) == expected


def test_clean_bounds_the_length_and_keeps_both_ends():
    text = clean("a" * 1_000_000 + "z")
    assert len(text) < 500
    assert text.startswith("aaa") and text.endswith("z") and "…" in text


def test_width_grows_with_size_and_text():
    assert width("", 8) == 0
    assert width("W" * 20, 8) == pytest.approx(20 * width("W", 8), rel=0.1)
    assert width("name", 16) == pytest.approx(2 * width("name", 8), rel=0.1)
    # DejaVu Sans: a digit is 1303/2048 of the font size wide.
    assert width("0" * 40, 9) == pytest.approx(40 * 9 / 72 * 1303 / 2048, rel=0.02)


@pytest.mark.parametrize("both_ends", [False, True])
@pytest.mark.parametrize("room", [0.3, 0.5, 1.0, 2.0])
def test_fit_is_as_long_as_fits(room, both_ends):
    text = "abcdefghijklmnopqrstuvwxyz" * 4
    cut = fit(text, room, 8, both_ends=both_ends)
    assert width(cut, 8) <= room
    assert width(cut, 8) > room - 0.12
    assert cut.count("…") == 1
    head, tail = cut.split("…")
    assert text.startswith(head)
    assert text.endswith(tail) and (tail != "") == both_ends


def test_fit_leaves_what_fits():
    assert fit("short", 2.0, 8) == "short"


def test_class_labels_are_different_and_fit(hostile):
    labels = class_labels(hostile, len(hostile), 0.8, 8)
    assert len(set(labels)) == len(hostile)
    assert all(width(label, 8) <= 0.8 for label in labels)
    assert labels[:5] == ["$x^2$", "$\\frac{", "a b _c", "3", "4"]
    assert labels[5].startswith("5 xxx") and labels[6].startswith("6 xxx")
    assert labels[8] == "8"


def test_class_labels_without_names_are_numbers():
    assert class_labels([], 3, 1.0, 8) == ["0", "1", "2"]


def test_class_labels_that_numbering_cannot_tell_apart_are_numbers():
    assert class_labels(["1 a", "a", "a"], 3, 1.0, 8) == ["0", "1", "2"]


def test_an_installed_font_draws_what_the_usual_one_lacks(fonts, tmp_path):
    """STIX comes with matplotlib and has, of all hiragana, the one of this test."""
    assert clean("の") == "□" and missing(["a", "の"]) == (
        "the figures have boxes for の: no installed font has them; Noto Sans CJK would"
    )
    boxes = run.confusion([[1]], ["の"], "の")
    text._family_of.cache_clear()
    fonts.append("STIXGeneral")
    with style.context():
        axes = style.new_axes(100, 100)
        assert clean("の") == "の" and missing(["a", "の"]) == ""
        assert axes.title.get_fontfamily() == ["DejaVu Sans"]
        assert axes.text(0, 0, "の").get_fontfamily() == ["DejaVu Sans", "STIXGeneral"]
    drawn = run.confusion([[1]], ["の"], "の")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of each glyph that is missing
        for name, figure in (("boxes", boxes), ("drawn", drawn), ("again", run.confusion([[1]], ["の"], "の"))):
            style.save(figure, tmp_path / name)
    assert (tmp_path / "boxes").read_bytes() != (tmp_path / "drawn").read_bytes() == (tmp_path / "again").read_bytes()


def test_the_order_in_which_fonts_are_needed_does_not_matter(fonts):
    fonts += ["DejaVu Sans Mono", "STIXGeneral"]
    assert clean("の⌒") == "の⌒" and text.families() == ["DejaVu Sans", "DejaVu Sans Mono", "STIXGeneral"]


def test_a_notice_names_what_cannot_be_drawn_once():
    assert missing(["plain", 7, "Größe"]) == ""
    assert missing(["語日", "日\ud800"]) == (
        "the figures have boxes for 語, 日, U+D800: no installed font has them; Noto Sans CJK would"
    )
    assert "and 12 more" in missing([chr(0x4E00 + k) for k in range(20)])
