"""The page of a report as a browser shows it: sorting, filtering, dialogs, keyboard, narrow screens, and nothing that runs or leaves."""

import json
from pathlib import Path
from typing import Any

import pytest
from browsing import HOSTILE, Opened
from fake_runs import write_grid, write_run

from mlp_cli.report.build import make_report
from mlp_cli.report.figures import Drawn
from mlp_cli.report.model import Report
from mlp_cli.report.page import NAME, page


def write_page(report: Report, folder: Path, drawn: list[list[Drawn]] | None = None, reload: int | None = None) -> Path:
    path = folder / NAME
    path.write_text(page(report, drawn, reload))
    return path


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of 2 optimizers, 4 learning rates and 3 seeds, and of one more learning rate that diverged."""
    folder = tmp_path_factory.mktemp("grid")
    list(write_grid(folder / "runs", (0.0003, 0.001, 0.003, 0.01), ("adam", "sgd"), 3, epochs=5))
    for seed in range(3):
        write_run(
            folder / "runs", {"learning_rate": 3.0, "optimizer": "sgd"}, seed=seed, status="diverged", error="diverged: nan"
        )
    return write_page(make_report([folder / "runs"]), folder)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page whose names, settings, errors, commands and folders try to run something or to break the layout."""
    folder = tmp_path_factory.mktemp("hostile")
    for number, value in enumerate(HOSTILE):
        for seed in range(2):
            home = write_run(folder / "runs", {"learning_rate": 0.001 + number / 1000}, seed=seed, score=0.9 + seed / 100)
            record = json.loads((home / "run.json").read_text())
            record["name"] = record["data"]["name"] = value
            record["command"] = f"mlp train {value}"
            record["config"]["activation"] = record["config"]["tags"] = value
            (home / "run.json").write_text(json.dumps(record))
        write_run(folder / "runs", {"learning_rate": 1.0 + number}, status="failed", error=value)
    broken = folder / "runs" / "<img src=x onerror=window.hit=1>"
    broken.mkdir()
    (broken / "run.json").write_text("{")
    return write_page(make_report([folder / "runs"]), folder)


def undrawn(folder: Path) -> Path:
    """The page of the runs in `runs`, without figures, which take most of its time."""
    return write_page(make_report([folder / "runs"]), folder, [[]])


def column(page: Any, key: str) -> list[str]:
    """The texts of a column of the first table, small print left out."""
    return page.evaluate(  # type: ignore[no-any-return]
        """(key) => {
            const table = document.querySelector("table.main");
            const index = [...table.tHead.rows[0].cells].findIndex((head) => head.dataset.key === key);
            return [...table.tBodies[0].rows].map((row) => row.cells[index].firstChild.textContent.trim());
        }""",
        key,
    )


def heading(page: Any, key: str) -> Any:
    return page.locator(f'table.main th[data-key="{key}"]')


def test_sorting_by_numbers(opened: Opened, grid: Path) -> None:
    page = opened(grid)
    heading(page, "val_accuracy").get_by_role("button").click()
    shown = column(page, "val_accuracy")
    scores = [float(text.split()[0]) for text in shown if text != "–"]
    assert len(scores) == 8 and scores == sorted(scores) and shown[-1] == "–", "what has no score comes last"
    assert heading(page, "val_accuracy").get_attribute("aria-sort") == "ascending"
    heading(page, "val_accuracy").get_by_role("button").click()
    shown = column(page, "val_accuracy")
    assert [float(text.split()[0]) for text in shown[:-1]] == scores[::-1] and shown[-1] == "–", "it comes last either way"
    assert heading(page, "val_accuracy").get_attribute("aria-sort") == "descending"
    heading(page, "learning_rate").get_by_role("button").click()
    rates = [float(text) for text in column(page, "learning_rate")]
    assert rates == sorted(rates) and rates[-1] == 3.0
    assert heading(page, "val_accuracy").get_attribute("aria-sort") is None
    heading(page, "rank").get_by_role("button").click()
    assert column(page, "rank") == [str(number) for number in range(1, 10)]


def test_what_is_rounded_is_sorted_and_filtered_by_its_exact_value(opened: Opened, tmp_path: Path) -> None:
    for rate, score in ((0.1, 0.9), (0.2, 0.90001), (0.3, 0.90002), (0.4, 0.3)):
        for seed in range(3):
            off = 1e-9 * seed if rate == 0.4 else 0.02 * (seed - 1)
            write_run(tmp_path / "runs", {"learning_rate": rate}, seed=seed, score=score + off, seconds=rate / 1e3)
    page = opened(undrawn(tmp_path))
    assert column(page, "val_accuracy") == ["90.0 ± 2.0"] * 3 + ["30.000 ± 0.000"] and column(page, "p")[-1] == "< 0.001"
    for key in ("val_accuracy", "seconds"):
        heading(page, key).get_by_role("button").click()
        rates = column(page, "learning_rate")
        assert rates == (["0.4", "0.1", "0.2", "0.3"] if key == "val_accuracy" else ["0.1", "0.2", "0.3", "0.4"])
    field = page.get_by_role("searchbox")
    for text, found in (
        ("p<0.001", 1),
        ("val_accuracy>0.900005", 2),
        ("val_accuracy=90%", 3),
        ("val_accuracy=0.9", 3),
        ("seconds<0.00015", 1),
    ):
        field.fill(text)
        assert len(column(page, "rank")) == found, text


def test_sorting_by_text_and_by_keyboard(opened: Opened, grid: Path) -> None:
    page = opened(grid)
    heading(page, "optimizer").get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert column(page, "optimizer") == ["adam"] * 4 + ["sgd"] * 5
    page.keyboard.press("Space")
    assert column(page, "optimizer") == ["sgd"] * 5 + ["adam"] * 4
    assert heading(page, "optimizer").get_attribute("aria-sort") == "descending"


def test_lists_are_sorted_by_their_numbers(opened: Opened, tmp_path: Path) -> None:
    for number, sizes in enumerate(([128], [8], [16], [8, 8], [1000])):
        write_run(tmp_path / "runs", {"hidden_sizes": sizes}, score=0.9 - 0.01 * number)
    page = opened(undrawn(tmp_path))
    heading(page, "hidden_sizes").get_by_role("button").click()
    assert column(page, "hidden_sizes") == ["[8]", "[8, 8]", "[16]", "[128]", "[1000]"]


def test_filtering(opened: Opened, grid: Path) -> None:
    page = opened(grid)
    field, status = page.get_by_role("searchbox"), page.get_by_role("status")
    assert status.inner_text() == "9 configurations"
    field.fill("adam")
    assert column(page, "optimizer") == ["adam"] * 4 and status.inner_text() == "4 of 9 configurations"
    field.fill("learning_rate<0.003")
    assert sorted(column(page, "learning_rate")) == ["0.0003", "0.0003", "0.001", "0.001"]
    field.fill("optimizer=SGD and learning_rate >= 0.01")
    assert sorted(column(page, "learning_rate")) == ["0.01", "3"]
    field.fill("optimizer!=sgd val_accuracy>96.5%")
    scores = [float(text.split()[0]) for text in column(page, "val_accuracy")]
    assert scores and min(scores) > 96.5 and set(column(page, "optimizer")) == {"adam"}
    field.fill("val_accuracy>96.5")
    assert column(page, "rank") == [] and "write val_accuracy>0.965 or val_accuracy>96.5%" in status.inner_text()
    field.fill("n=0")
    assert column(page, "n") == ["0/3"]
    field.fill("optimizer=adam learning_rate=0.01 or not adam and learning_rate=3 or")
    assert sorted(zip(column(page, "optimizer"), column(page, "learning_rate"), strict=True)) == [("adam", "0.01"), ("sgd", "3")]
    field.fill("no such thing")
    assert column(page, "rank") == [] and status.inner_text() == "0 of 9 configurations"
    field.fill("speed>3")
    assert column(page, "rank") == [] and "there is no column speed, only rank, optimizer, learning_rate" in status.inner_text()
    field.fill("")
    assert len(column(page, "rank")) == 9


def test_a_filter_keeps_the_order(opened: Opened, grid: Path) -> None:
    page = opened(grid)
    heading(page, "learning_rate").get_by_role("button").click()
    page.get_by_role("searchbox").fill("adam")
    rates = [float(text) for text in column(page, "learning_rate")]
    assert rates == [0.0003, 0.001, 0.003, 0.01]


def test_opening_by_click_and_by_keyboard(opened: Opened, grid: Path) -> None:
    page = opened(grid)
    dialog, rows = page.get_by_role("dialog"), page.locator("table.main tbody tr")
    assert not dialog.is_visible()
    rows.nth(1).locator("td").nth(2).click()
    label = rows.nth(1).locator("a").get_attribute("aria-label").removeprefix("Open ")
    assert dialog.is_visible() and dialog.locator("h2").inner_text() == label
    assert "Against the best" in dialog.inner_text() and dialog.get_by_text("completed").count() == 3
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    link = rows.nth(2).locator("a")
    link.focus()
    page.keyboard.press("Enter")
    assert dialog.is_visible() and dialog.locator("h2").inner_text() in link.get_attribute("aria-label")
    dialog.get_by_text("Settings that all configurations share").click()
    assert "batch_size" in dialog.inner_text()
    page.keyboard.press("Escape")
    assert not dialog.is_visible() and link.evaluate("(link) => link === document.activeElement")
    link.click()
    dialog.get_by_role("button", name="Close").click()
    assert not dialog.is_visible() and page.url == grid.as_uri()
    link.click()
    page.mouse.click(4, 4)
    assert not dialog.is_visible(), "a click beside it closes it"


def test_closing_takes_no_focus_from_what_has_it_since(opened: Opened, grid: Path) -> None:
    page = opened(grid)
    page.locator("table.main tbody tr").nth(1).locator("td").nth(2).click()
    focused = page.evaluate(
        """() => {
            const dialog = document.querySelector("dialog");
            const [, first, second] = [...document.querySelectorAll("table.main tbody a")];
            const closed = new Promise((resolve) => dialog.addEventListener("close", () => setTimeout(resolve)));
            dialog.close();
            const before = document.activeElement === first;
            second.focus();  // the event of closing comes later
            return closed.then(() => [before, document.activeElement === second]);
        }"""
    )
    assert focused == [True, True]


def test_everything_is_reached_by_keyboard(opened: Opened, grid: Path) -> None:
    page = opened(grid)
    reached = []
    while len(reached) < 200 and (not reached or reached.count(reached[0]) < 2):  # once around
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("document.activeElement.tagName + ' ' + getComputedStyle(document.activeElement).outlineStyle")
        )
    names = [each.split()[0] for each in reached]
    assert names.count("INPUT") == 2 and names.count("BUTTON") >= 10 and names.count("A") == 9 and names.count("SUMMARY") >= 9
    assert all(each.endswith(" solid") for each in reached if not each.startswith("BODY")), "focus can be seen"


OPEN_EACH = """() => {
    const dialog = document.querySelector("dialog");
    const outside = [], links = [...document.querySelectorAll("main section table.main tbody a")];
    for (const link of links) {
        link.click();
        const {left, right} = dialog.getBoundingClientRect();
        if (!dialog.open || left < 0 || right > innerWidth) outside.push(link.textContent);
        dialog.close();
    }
    return [links.length, outside];
}"""
FILTER_EACH = """(texts) => {
    for (const field of document.querySelectorAll("input[type=search]"))
        for (const text of texts) {
            field.value = text;
            field.dispatchEvent(new Event("input", {bubbles: true}));
        }
}"""


def test_hostile_values_neither_run_nor_break_the_page(opened: Opened, hostile: Path) -> None:
    for width in (1280, 390):
        page = opened(hostile, width=width, height=800)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
        assert page.evaluate(OPEN_EACH) == [2 * len(HOSTILE), []], "every sheet lies within the screen"
        page.evaluate(FILTER_EACH, [*HOSTILE, "(((", "a=<b", "\\", "<", "[\\d+]>", ""])
        assert page.evaluate("window.hit") is None
        assert page.evaluate("document.images.length") == 0 and page.evaluate("document.scripts.length") == 1
        assert page.evaluate("[...document.links].every((link) => link.getAttribute('href').startsWith('#g'))")
        text = page.evaluate("document.body.textContent")
        assert "\u202e" not in text and all(value in text for value in HOSTILE if value.isascii())


def test_the_policy_holds(browser: Any, grid: Path, tmp_path: Path) -> None:
    """Were a value ever written unescaped, the browser would still refuse to run it and to load what it names."""
    text = grid.read_text()
    evil = (
        "<script>window.hit=1</script><img src=x onerror=window.hit=1><img src=http://127.0.0.1:9/x><style>p{color:red}</style>"
    )
    (tmp_path / "index.html").write_text(text.replace("<main>", f"<main>{evil}"))
    page = browser.new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.goto((tmp_path / "index.html").as_uri())
    assert page.evaluate("window.hit") is None and len(told) >= 4
    assert "127.0.0.1" not in " ".join(told) or "violates" in " ".join(told)
    page.close()


@pytest.mark.parametrize("width", [320, 390, 768])
def test_a_narrow_screen(opened: Opened, grid: Path, width: int) -> None:
    page = opened(grid, width=width, height=800, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    clipped = page.evaluate(
        """() => [...document.querySelectorAll("h1,h2,h3,h4,p,td,li,summary,figcaption,figure svg")].filter((each) => {
            const {left, right, width} = each.getBoundingClientRect();
            return width && !each.closest(".scroll:not(.cards), .inside") && (left < 0 || right > innerWidth + 1);
        }).map((each) => each.outerHTML.slice(0, 80))"""
    )
    assert clipped == [] or width == 768, "a table may be scrolled sideways"
    page.locator("table.main tbody tr").nth(1).tap()
    assert page.get_by_role("dialog").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.keyboard.press("Escape")
    heading(page, "learning_rate").get_by_role("button").tap()
    assert column(page, "learning_rate")[-1] == "3"


LUMINANCE = """(selector) => {
    const parse = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const paper = light(parse(getComputedStyle(document.body).backgroundColor));
    return [...document.querySelectorAll(selector)].map((each) => {
        const style = getComputedStyle(each);
        const ink = light(parse(each.closest("svg") ? style.fill : style.color));
        return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(opened: Opened, grid: Path, scheme: str) -> None:
    page = opened(grid, scheme=scheme)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(21, 24, 27)")
    texts = "h1, p, td, th, small, a, li, summary, figcaption, svg text, .is-worse, .is-best"
    assert min(page.evaluate(LUMINANCE, texts)) >= 4.5, "what WCAG 2 AA asks for text"
    heat = page.get_by_role("img", name="Validation accuracy by learning_rate")
    cells = heat.locator('path[fill="var(--heat)"]').evaluate_all(
        "(all) => all.map((each) => [getComputedStyle(each).fill, each.getAttribute('opacity') ?? '1'])"
    )
    assert len(cells) == 8, "there is a heat map"
    strongest, paper = (tuple(map(int, text[4:-1].split(","))) for text in (cells[0][0], background))
    ink = tuple(map(int, heat.locator("text").first.evaluate("(each) => getComputedStyle(each).fill")[4:-1].split(",")))
    for _, shade in cells:
        mixed = [float(shade) * high + (1 - float(shade)) * low for high, low in zip(strongest, paper, strict=True)]
        low, high = sorted((luminance(mixed), luminance(ink)))
        assert (high + 0.05) / (low + 0.05) >= 4.5


def luminance(colour: Any) -> float:
    parts = [part / 255 for part in colour]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))


def test_without_javascript(opened: Opened, grid: Path) -> None:
    for width in (1280, 390):
        page = opened(grid, java_script_enabled=False, width=width, height=800)
        assert page.locator("table.main tbody tr").count() == 9 and page.get_by_text("Best by mean").is_visible()
        assert not page.get_by_role("searchbox").is_visible() and not page.get_by_text("a heading sorts").is_visible()
        assert page.locator("table.main tbody tr").first.is_visible() and page.locator("details.sheet").count() == 9
        sheet = page.locator("#g1-c2")
        assert not sheet.is_visible()
        page.locator("details.sheet summary").nth(1).click()
        assert sheet.is_visible() and "Against the best" in sheet.inner_text()


def test_in_print(opened: Opened, grid: Path) -> None:
    page = opened(grid, scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)", "no dark paper"
    assert not page.get_by_role("searchbox").is_visible() and page.locator("table.main").is_visible()
    assert page.locator(".shared dl").first.is_visible(), "what is folded on a screen is printed"
    assert page.pdf(prefer_css_page_size=True)[:5] == b"%PDF-"


@pytest.mark.parametrize(("keys", "width"), [(1, 703), (5, 1032)])
def test_no_number_and_no_verdict_is_broken_in_print(opened: Opened, tmp_path: Path, keys: int, width: int) -> None:
    """703 and 1032 pixels are A4 within its margins, upright and across."""
    names = ("learning_rate", "weight_decay", "l1", "dropout", "input_dropout")[:keys]
    for number in range(3):
        for seed in range(4):
            config = dict.fromkeys(names, 0.0123 + number / 1000.0)
            write_run(tmp_path / "runs", config, seed=seed, score=0.95 + seed / 1e3 - number / 5e3)
    page = opened(undrawn(tmp_path), width=width)
    page.emulate_media(media="print")
    assert "indistinguishable" in column(page, "verdict")
    assert page.evaluate("document.querySelector('table.main').offsetWidth") <= width
    assert page.locator(".dense .main").count() == (width > 703)
    broken = page.evaluate(
        """() => [...document.querySelectorAll(".main td, .main small")].filter((cell) => {
            const range = document.createRange();
            range.selectNodeContents(cell.firstChild);
            return new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size > 1;
        }).map((cell) => cell.textContent)"""
    )
    assert broken == []


def test_many_rows_are_shown_on_demand(opened: Opened, tmp_path: Path) -> None:
    for number in range(105):
        write_run(tmp_path / "runs", {"learning_rate": 0.001 + number * 1e-5}, score=0.9, epochs=1)
    page = opened(undrawn(tmp_path))
    assert len(column(page, "rank")) == 100
    page.get_by_role("button", name="Show all 105").click()
    assert len(column(page, "rank")) == 105 and not page.get_by_role("button", name="Show all 105").is_visible()
    page.locator("table.main tbody tr").nth(102).locator("a").click()
    assert page.get_by_role("dialog").is_visible(), "its sheet is behind the fold, and opens all the same"


def test_a_page_that_reloads_itself_stays_as_it_was(opened: Opened, tmp_path: Path) -> None:
    for number in range(60):
        write_run(tmp_path / "runs", {"learning_rate": 0.001 + number * 1e-5}, score=0.9 + number / 1000)
    report = make_report([tmp_path / "runs"])
    page = opened(write_page(report, tmp_path, [[]], reload=3600))
    page.get_by_role("searchbox").fill("val_accuracy>92%")
    heading(page, "learning_rate").get_by_role("button").click()
    heading(page, "learning_rate").get_by_role("button").click()
    before = column(page, "learning_rate")
    assert before == sorted(before, reverse=True) and 0 < len(before) < 60
    page.evaluate("scrollTo(0, 400)")
    page.reload()
    assert column(page, "learning_rate") == before and page.get_by_role("searchbox").input_value() == "val_accuracy>92%"
    assert page.evaluate("scrollY") == 400
    page.get_by_role("searchbox").fill("")
    assert len(column(page, "rank")) == 60
