"""Digits drawn with the mouse are recognised by a network that was trained on MNIST, where a copy of it is at hand."""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import Opened
from exported import train
from PIL import Image, ImageDraw, ImageFilter

from mlp_cli.play.page import write_page

REAL = Path(os.environ.get("MLP_DATA_DIR") or Path(__file__).parents[2].parent / "shared/data")
Stroke = list[tuple[float, float]]
CONFIG = {"dataset": {"name": "mnist", "limit": 30_000}, "hidden_sizes": [128], "learning_rate": 2e-3, "epochs": 4}


def arc(x: float, y: float, wide: float, tall: float, start: float, end: float) -> Stroke:
    """A part of an ellipse, by degrees from the right, clockwise as y goes downwards."""
    turns = (math.radians(start + (end - start) * step / 10) for step in range(11))
    return [(x + wide * math.cos(turn), y + tall * math.sin(turn)) for turn in turns]


DIGITS: dict[int, list[Stroke]] = {
    0: [arc(0.5, 0.5, 0.22, 0.33, -90, 270)],
    1: [[(0.4, 0.3), (0.52, 0.18), (0.52, 0.82)]],
    2: [[*arc(0.5, 0.34, 0.2, 0.17, -170, 40), (0.3, 0.8), (0.74, 0.8)]],
    3: [arc(0.48, 0.34, 0.18, 0.16, -150, 80) + arc(0.48, 0.66, 0.2, 0.17, -80, 150)],
    4: [[(0.58, 0.82), (0.58, 0.18), (0.28, 0.6), (0.76, 0.6)]],
    5: [[(0.7, 0.2), (0.36, 0.2), (0.34, 0.45), *arc(0.48, 0.62, 0.2, 0.19, -120, 150)]],
    6: [[(0.64, 0.18), (0.44, 0.38), (0.35, 0.6), *arc(0.5, 0.65, 0.16, 0.16, 190, -170)]],
    7: [[(0.28, 0.2), (0.72, 0.2), (0.44, 0.82)]],
    8: [arc(0.5, 0.34, 0.15, 0.15, 90, -270) + arc(0.5, 0.66, 0.18, 0.17, -90, 270)],
    9: [[*arc(0.5, 0.36, 0.16, 0.16, 0, -350), (0.66, 0.36), (0.62, 0.82)]],
}


@pytest.fixture
def tab(opened: Opened, tmp_path: Path, caches: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    if not (REAL / "mnist").is_dir():
        pytest.skip(f"no MNIST at {REAL}: set MLP_DATA_DIR to a folder that has it")
    monkeypatch.setenv("MLP_DATA_DIR", str(REAL))
    monkeypatch.setenv("XDG_CACHE_HOME", str(caches / "real"))
    folder, _ = train(CONFIG, tmp_path)
    write_page(folder, tmp_path / "page.html")
    return opened(tmp_path / "page.html")


def draw(tab: Any, strokes: list[Stroke], size: float, turn: float) -> str:
    """Draws a digit at a size, turned by so many degrees; the page's answer."""
    tab.get_by_role("button", name="Clear").click()
    box = tab.locator("#pad").bounding_box()
    cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    for stroke in strokes:
        for step, (x, y) in enumerate(stroke):
            u, v = cosine * (x - 0.5) - sine * (y - 0.5), sine * (x - 0.5) + cosine * (y - 0.5)
            tab.mouse.move(box["x"] + box["width"] * (0.5 + size * u), box["y"] + box["height"] * (0.5 + size * v))
            if not step:
                tab.mouse.down()
        tab.mouse.up()
    tab.evaluate("new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
    return str(tab.locator("#answer").inner_text())


def photograph(path: Path, strokes: list[Stroke]) -> Path:
    """A photo of a digit on paper: a thin pen, noise, and a shadow from one side to the other."""
    generator = np.random.default_rng(0)
    page = Image.new("L", (800, 600), 0)
    for stroke in strokes:
        ImageDraw.Draw(page).line([(250 + 300 * x, 150 + 300 * y) for x, y in stroke], fill=255, width=16, joint="curve")
    ink = np.asarray(page.filter(ImageFilter.GaussianBlur(2))) / 255
    light = np.linspace(170, 230, 800) + generator.normal(0, 4, (600, 800))
    Image.fromarray((light * (1 - ink) + 50 * ink).clip(0, 255).astype(np.uint8)).save(path)
    return path


def answers(tab: Any, size: float, turn: float) -> dict[int, str]:
    """The page's answer to each digit as it is drawn."""
    return {digit: draw(tab, strokes, size, turn) for digit, strokes in DIGITS.items()}


RIGHT = {digit: str(digit) for digit in DIGITS}


def test_digits_that_are_drawn(tab: Any) -> None:
    assert answers(tab, 0.8, 3) == RIGHT


@pytest.mark.slow
def test_digits_that_are_drawn_in_any_size_and_photographed(tab: Any, tmp_path: Path) -> None:
    assert answers(tab, 1.0, 0) == answers(tab, 0.4, 6) == RIGHT
    found = {}
    for digit, strokes in DIGITS.items():
        tab.get_by_role("button", name="Clear").click()
        tab.get_by_text("Nothing drawn yet").wait_for()
        tab.locator("#file").set_input_files(photograph(tmp_path / f"{digit}.png", strokes))
        tab.locator("#seen").wait_for()
        found[digit] = str(tab.locator("#answer").inner_text())
    assert sum(answer == str(digit) for digit, answer in found.items()) >= 9, found
