"""Names in figures: drawable, cut to size, told apart."""

from __future__ import annotations

import numpy as np
import pytest

from mlp_cli.plots.text import class_labels, clean, fit, width


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
