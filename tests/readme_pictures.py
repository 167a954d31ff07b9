"""Makes the pictures of README.md from real runs: what a terminal shows, the report and the page that plays: `make pictures`.

It runs the README's own commands in a scratch folder. MNIST has to be at hand (`make data`), and Chromium (see tests/browsing.py).
"""

from __future__ import annotations

import fcntl
import html
import os
import pty
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from browsing import find_chromium
from PIL import Image
from play.test_play_digits import DIGITS, draw
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "results" / "reproduction"
MLP = Path(sys.executable).with_name("mlp")
LINES, COLUMNS = 50, 132
CONFIG = "configs/mnist_adam_relu.yaml"
TRAIN = f"mlp train {CONFIG}"
SWEEP = f"mlp sweep {CONFIG} --lr 1e-4,1e-3,1e-2 --seeds 3 epochs=5"
TERMINAL = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; padding: 18px 22px; width: max-content; background: #14181d; }}
pre {{ margin: 0; color: #d7dde4; font: 14px/1.42 "DejaVu Sans Mono", monospace; }}
b {{ color: #8fc7ff; font-weight: normal; }}
</style><pre>{text}</pre>"""


def main() -> None:
    """Writes terminal.png, report.png and play.png."""
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mlp-pictures-") as name, sync_playwright() as playwright:
        folder = Path(name)
        shutil.copytree(ROOT / "configs", folder / "configs")
        shown = [(command, on_terminal(command, folder)) for command in (TRAIN, SWEEP)]
        on_terminal("mlp export @last --format html --out play.html".replace("@last", run_of(folder).name), folder)
        browser = playwright.chromium.launch(executable_path=find_chromium())
        page = browser.new_page(viewport={"width": 1180, "height": 1480}, device_scale_factor=1.5)
        text = "\n\n".join(f"<b>$ {html.escape(command)}</b>\n{html.escape(lines)}" for command, lines in shown)
        (folder / "terminal.html").write_text(TERMINAL.format(text=text), encoding="utf-8")
        page.goto((folder / "terminal.html").as_uri())
        save(page.locator("body").screenshot(), OUT / "terminal.png")
        (report,) = folder.glob("results/*/report/index.html")
        page.goto(report.as_uri())
        save(page.screenshot(), OUT / "report.png")
        save(played(page, folder / "play.html"), OUT / "play.png")
        browser.close()


def run_of(folder: Path) -> Path:
    """The folder of the one run beside the sweep."""
    (found,) = (each.parent for each in folder.glob("results/*/model.npz"))
    return found


def on_terminal(command: str, folder: Path) -> str:
    """What a terminal shows in the end of a command that is run in a folder."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    with subprocess.Popen([MLP, *command.split()[1:]], stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder) as process:
        os.close(theirs)
        written = b""
        while block := read(ours):
            written += block
    os.close(ours)
    if process.returncode:
        raise SystemExit(f"{command}: exit code {process.returncode}\n{written.decode()}")
    rows = (line.rstrip("\r").rpartition("\r")[2].rstrip() for line in written.decode().split("\n"))
    return "\n".join(rows).strip()


def read(terminal: int) -> bytes:
    """A block of what was written, nothing at the end: Linux says so by an error."""
    try:
        return os.read(terminal, 1 << 16)
    except OSError:
        return b""


def played(page: Page, path: Path) -> bytes:
    """The page with a digit drawn on it."""
    page.goto(path.as_uri())
    draw(page, DIGITS[3], 0.9, 0)
    return page.screenshot()


def save(picture: bytes, path: Path) -> None:
    """Writes a PNG of few colours, which takes a third of the bytes."""
    scratch = path.with_suffix(".new.png")
    scratch.write_bytes(picture)
    with Image.open(scratch) as image:
        image.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    scratch.unlink()
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
