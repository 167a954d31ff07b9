"""Pages in Chromium: it is started once a file, and nothing may be said on the console, thrown or requested."""

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
HOSTILE = (
    "<script>window.hit=1</script>",
    '"><img src=x onerror=window.hit=1>',
    "javascript:window.hit=1",
    "'onfocus='window.hit=1' autofocus='",
    "</script></style><svg onload=window.hit=1>",
    "right\u202eto left",
    "=cmd|' /C calc'!A0",
    "w" * 120,
)


def find_chromium() -> str:
    """Chromium's program; skips where it or playwright is missing, and fails there with MLP_NO_SKIPS set."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    missing = "Chromium is missing here" if program is None else ""
    if importlib.util.find_spec("playwright") is None:
        missing = "the package playwright is missing here"
    if missing and os.environ.get("MLP_NO_SKIPS"):
        pytest.fail(f"MLP_NO_SKIPS is set, and {missing}")
    if missing or program is None:
        pytest.skip(missing)
    return program


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = find_chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield started
        started.close()


class Tab:
    """A page of the browser that tests use one after the other, and what it said on the console, threw or asked for."""

    def __init__(self, browser: Any, options: dict[str, Any]) -> None:
        self.address = ""
        self.trouble: list[str] = []
        self.page = browser.new_page(**options)
        self.page.set_default_timeout(60_000)
        self.page.on("console", lambda message: self.trouble.append(f"console: {message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.trouble.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: (self.trouble.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("request", self.ask)

    def ask(self, request: Any) -> None:
        if request.url != self.address and not request.url.startswith("data:"):
            self.trouble.append(f"request: {request.url}")

    def load(self, address: str, width: int, height: int, scheme: str) -> Any:
        self.address = address
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.emulate_media(media="screen", color_scheme=scheme)
        self.page.goto(address)
        return self.page


@pytest.fixture(scope="module")
def tabs() -> dict[str, Tab]:
    """By their options. To begin a new one takes the browser far longer than to load a page anew."""
    return {}


Opened = Callable[..., Any]


@pytest.fixture
def opened(browser: Any, tabs: dict[str, Tab]) -> Iterator[Opened]:
    """Opens a page; when the test ends, nothing may have been said on the console, requested or thrown."""

    def load(path: Path, *, width: int = 1280, height: int = 900, scheme: str = "light", **options: Any) -> Any:
        key = repr(options)
        if key not in tabs:
            tabs[key] = Tab(browser, options)
        return tabs[key].load(path.as_uri(), width, height, scheme)

    yield load
    for tab in (tab for tab in tabs.values() if tab.address != "about:blank"):
        tab.load("about:blank", 1280, 900, "light")  # what the page had to say has arrived by then
        trouble, tab.trouble = tab.trouble, []
        assert trouble == []
