"""The page of a report, read without a browser: what it says, what it is made of, and what must never be in it."""

import base64
import hashlib
import html
import json
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from fake_runs import COMMAND, SHA256, write_grid, write_run

from mlp_cli.errors import RunError
from mlp_cli.report.build import make_report, write_report
from mlp_cli.report.figures import draw
from mlp_cli.report.model import Report
from mlp_cli.report.page import page

VOID = ("meta", "link", "br", "input", "img")


class Reader(HTMLParser):
    """A page as a list of tags, and the text below each figure and section."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == [], "tags that are never closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute twice: {tag} {attrs}"
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self._open):
            self.words.append(data)

    @property
    def text(self) -> str:
        """What one reads, with single spaces."""
        return " ".join("".join(self.words).split())


def seeds(folder: Path, scores: list[float], **config: Any) -> list[Path]:
    return [write_run(folder, config, seed=seed, score=score, epochs=4) for seed, score in enumerate(scores)]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of two learning rates, three seeds each: 92 ± 2 and 74 ± 4 %."""
    folder = tmp_path_factory.mktemp("two")
    seeds(folder, [0.90, 0.92, 0.94], learning_rate=0.001)
    seeds(folder, [0.70, 0.74, 0.78], learning_rate=0.01)
    return page(make_report([folder]))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Two learning rates by two batch sizes by two seeds, and their page. The cells are those of test_report_importance."""
    folder = tmp_path_factory.mktemp("keys")
    for row, rate in enumerate((0.001, 0.01)):
        for column, size in enumerate((64, 128)):
            for seed in range(2):
                score = 0.1 + 0.4 * row + 0.2 * column + (0.01 if seed else -0.01)
                write_run(folder, {"learning_rate": rate, "batch_size": size}, seed=seed, score=score, seconds=2.0 + row)
    return folder, page(make_report([folder]))


def undrawn(folder: Path) -> str:
    """The page of runs without figures, which take most of its time."""
    report = make_report([folder])
    return page(report, [[] for _ in report.groups])


def hints(chart: str) -> list[str]:
    """What one reads over the points of a figure."""
    return [html.unescape(text) for text in re.findall(r"<title>(.*?)</title>", chart)]


def figure(text: str, title: str) -> str:
    """The figure with a title."""
    found = [part for part in re.findall(r"<figure.*?</figure>", text, re.DOTALL) if f"<h4>{title}</h4>" in part]
    assert len(found) == 1, (title, re.findall("<h4>(.*?)</h4>", text))
    return found[0]


def titles(text: str) -> list[str]:
    return re.findall("<h4>(.*?)</h4>", text)


def change(home: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    record = json.loads((home / "run.json").read_text())
    edit(record)
    (home / "run.json").write_text(json.dumps(record))


def test_the_verdict_comes_first(two: str) -> None:
    before, after = two.split('<p class="verdict">')
    assert "<table" not in before and "<svg" not in before and "<h2" not in before
    sentence = after.partition("</p>")[0]
    assert sentence.startswith("Best by mean validation accuracy: learning_rate=0.001, 92.0 ± 2.0 % over 3 seeds.")
    assert "2 configurations, 6 runs: 6 completed." in Reader(two).text


def test_numbers_of_the_table(two: str) -> None:
    """The half width of the interval is t(0.975; 2) · sd / √3 = 4.303 · 2 / 1.732 = 4.97, and twice that for sd 4."""
    rows = re.findall(r"<tr.*?</tr>", two.split('class="main"')[1].partition("</table>")[0])
    assert len(rows) == 3 and 'class="best"' in rows[1]
    first, second = (re.sub("<[^>]+>", " ", row).split() for row in rows[1:])
    assert " ".join(first).startswith("1 0.001 best 3 92.0 ± 2.0 87.0 to 97.0 ")
    assert " ".join(second).startswith("2 0.01 worse 3 74.0 ± 4.0 64.1 to 83.9 ")
    assert "−18.0 ± 2.0" in " ".join(second), "paired by seed: −20, −18 and −16"


def test_the_sheet_of_a_configuration(two: str) -> None:
    sheet = two.split('<div id="g1-c2"')[1].partition("</details>")[0]
    assert re.search(r"<tr class=\"other\"><th scope=\"row\">learning_rate</th><td>0.01</td><td>0.001</td>", sheet)
    assert sheet.count("completed") == 3 and all(score in sheet for score in ("70.0", "74.0", "78.0"))
    assert "Against the best: worse" in sheet and "−18.0 ± 2.0 percentage points" in sheet
    shared = two.split('class="shared"')[1].partition("</details>")[0]
    assert "<dt>batch_size</dt><dd>128</dd>" in shared and "learning_rate" not in shared


def test_the_learning_curves(two: str) -> None:
    names = ("Validation accuracy over epochs", "Validation loss over epochs")
    names += ("Training and validation accuracy of the best", "Training and validation loss of the best")
    for name in names:
        chart = figure(two, name)
        assert len(re.findall(r'fill="var\(--s\d\)" fill-opacity="0.18"', chart)) == 2, name
        assert "3 repeats" in chart and "mean and standard deviation" in chart
    assert hints(figure(two, names[0])) == ["learning_rate=0.001", "learning_rate=0.01"]


def test_the_metric_against_one_key(two: str) -> None:
    chart = figure(two, "Validation accuracy against learning_rate")
    best, worse = hints(chart)
    assert best == "learning_rate=0.001: 92.0 ± 2.0 (95 % interval 87.0 to 97.0), best"  # t(0.975, 2) = 4.303
    assert worse == "learning_rate=0.01: 74.0 ± 4.0 (95 % interval 64.1 to 83.9), worse"
    assert "Mean over seeds with its 95 % interval." in chart
    assert "parallel" not in two.lower() and "by learning_rate and" not in two, "one key has no heat map and no parallel axes"
    assert "Importance of the keys" not in two, "of one key it says no more than the verdict"


def test_two_keys_have_every_chart(keys: tuple[Path, str]) -> None:
    """Shares of importance 79.75 %, 19.9 %, 0 and the rest."""
    _, text = keys
    bars = figure(text, "Importance of the keys")
    assert re.findall(r">(\d+ %)<", bars) == ["80 %", "20 %", "0 %", "0 %"] and "the seeds&#39; own noise subtracted" in bars
    heat = figure(text, "Validation accuracy by learning_rate and batch_size")
    shades = [float(shade) for shade in re.findall(r'fill="var\(--heat\)" opacity="([\d.]+)"', heat)]
    means = [float(text.split(": ")[1]) for text in hints(heat)]
    assert [mean for _, mean in sorted(zip(shades, means, strict=True))] == [10, 30, 50, 70], "the stronger, the better"
    assert all(f">{mean:.1f}<" in heat for mean in means)
    lines = figure(text, "Parallel coordinates")
    assert len(hints(lines)) == 4 and all(name in lines for name in ("learning_rate", "batch_size", "val_accuracy"))
    for key in ("learning_rate", "batch_size"):
        assert len(hints(figure(text, f"Validation accuracy against {key}"))) == 4
    time = figure(text, "Validation accuracy against time")
    assert "seconds per run" in time and len(hints(time)) == 4


def test_one_bad_rate_of_a_regression(tmp_path: Path) -> None:
    for optimizer in ("adam", "momentum"):
        for rate, losses in ((0.01, (0.3, 0.31, 0.32)), (0.1, (0.4, 0.41, 0.42)), (1.0, (40.0, 9e3, 3e8))):
            for seed, loss in enumerate(losses):
                scores = {"val_loss": loss, "val_r2": 1 - loss}
                config = {"learning_rate": rate, "optimizer": optimizer, "loss": "mse"}
                write_run(tmp_path, config, seed=seed, metrics=scores, seconds=0.0123, name=f"{optimizer}{rate}")
    text = page(make_report([tmp_path]))
    for title in ("Validation loss against learning_rate", "Validation loss against optimizer", "Validation loss against time"):
        chart = figure(text, title)
        assert "validation loss" in chart and "log scale" in chart, title
        assert re.search(r">10[⁰¹²³⁴⁵⁶⁷⁸]+<", chart) and not re.search(r">\d*000+<", chart), "one notation an axis"
    heat = figure(text, "Validation loss by learning_rate and optimizer")
    shades = sorted(float(shade) for shade in re.findall(r'fill="var\(--heat\)" opacity="([\d.]+)"', heat))
    assert len(shades) == 6 and shades[2:] == [pytest.approx(0.99, abs=0.03)] * 4 and min(shades) < 0.2
    assert "log scale" in heat and ">0.31<" in heat, "figures of each cell, whatever the largest"
    assert "(1.0 ± 1.7)·10⁸" in text and "0.012" in text, "one notation in a cell, and no second that is 0.0"


def test_an_incomplete_grid_says_why_there_is_no_importance(tmp_path: Path) -> None:
    for rate, size in ((0.001, 64), (0.01, 64), (0.01, 128)):
        seeds(tmp_path, [0.8, 0.9], learning_rate=rate, batch_size=size)
    text = page(make_report([tmp_path]))
    assert "Importance of the keys" not in titles(text)
    assert "The importance of the keys is not analysed: the runs are no complete grid: 3 of 4 combinations" in Reader(text).text


def test_one_run(tmp_path: Path) -> None:
    write_run(tmp_path, {})
    text = Reader(undrawn(tmp_path)).text
    assert "1 configuration, 1 run: 1 completed." in text and "The command that trained this run:" in text
    for word in ("What the settings do", "± standard deviation", "adjusted", "What went wrong", "Could not be read", "mean ± sd"):
        assert word not in text.partition("How it was made")[0], word
    assert "The run" in text and "the only one that is completed" in text


def test_a_page_of_single_seeds_promises_no_intervals(tmp_path: Path) -> None:
    for rate in (0.001, 0.01):
        write_run(tmp_path, {"learning_rate": rate}, score=0.9 + rate, epochs=1)
    text = undrawn(tmp_path)
    shown = Reader(text).text.partition("Learning curves")[0]
    assert "how far the seed moves a score is not known here" in shown and "interval" not in shown and "±" not in shown
    assert 'data-key="difference"' in text, "the filter names it as --where does"
    assert "such as val_accuracy>90%," in shown, "as the filter reads an accuracy"


def test_groups_that_cannot_be_compared(tmp_path: Path) -> None:
    seeds(tmp_path, [0.8, 0.9, 0.85], learning_rate=0.001)
    for seed in range(3):
        home = write_run(tmp_path, {"learning_rate": 0.01, "dataset": "fashion_mnist"}, seed=seed, score=0.7 + 0.01 * seed)
        change(home, lambda record: record["data"].update(name="fashion_mnist", sha256=SHA256[::-1]))
    text = undrawn(tmp_path)
    assert text.count('<table class="main">') == 2 and "2 groups that cannot be compared" in text
    top = text.split('<ul class="verdict">')[1].partition("</ul>")[0]
    assert top.count("<li>") == 2 and '<a href="#g1">' in top and '<a href="#g2">' in top
    idents = re.findall(r' id="([^"]+)"', text)
    assert len(set(idents)) == len(idents)


def test_failures_with_their_cause_and_a_way_out(tmp_path: Path) -> None:
    error = "diverged: the loss is not finite in epoch 1, step 12 (12 in all); layer hidden_2 had the largest gradient (|dW2| = inf), "
    error += "learning rate 1"
    seeds(tmp_path, [0.9, 0.91, 0.92], learning_rate=0.01)
    for seed in range(2):
        write_run(tmp_path, {"learning_rate": 1.0}, seed=seed, status="diverged", error=error)
    write_run(tmp_path, {"learning_rate": 1.0}, seed=2, status="failed", error="MemoryError: Unable to allocate 4 GiB")
    text = undrawn(tmp_path)
    part = text.split("What went wrong")[1].partition("<h3>")[0]
    shown = Reader(part.partition("</h3>")[2]).text
    assert "seed 0 diverged: " in shown and "seed 1 diverged: " in shown and "not finite in epoch 1, step 12" in shown
    assert shown.count("is above the range that was stable here") == 1, "told once for both seeds"
    assert "try learning_rate=0.01." in shown and "<code>learning_rate=0.01</code>" in part
    assert "MemoryError: Unable to allocate 4 GiB" in shown and "<code>batch_size=64</code>" in part
    assert "0/3" in text and "2 diverged, 1 failed" in text


def test_broken_folders_and_commands(tmp_path: Path) -> None:
    for seed in range(3):
        write_run(tmp_path, {}, seed=seed, command=COMMAND if seed else "mlp train other.yaml --results results")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    text = undrawn(tmp_path)
    shown = Reader(text).text
    assert f"{tmp_path / 'broken'} is damaged: " in shown and "1 folder or file could not be read" in shown
    assert shown.count(COMMAND) == 1 and "mlp train other.yaml --results results" in shown
    assert "3 runs with mlp 0.1.0, Python 3.11.9, NumPy 2.1.0, 1 thread." in shown


def test_many_commands_are_folded(tmp_path: Path) -> None:
    for seed in range(20):
        write_run(tmp_path, {}, seed=seed, command=f"mlp train base.yaml seed={seed}")
    text = undrawn(tmp_path)
    assert "<summary>8 more commands</summary>" in text and all(f"seed={seed}</code>" in text for seed in range(20))


def png(width: int, height: int) -> bytes:
    """A grey image."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = (b"\0" + b"\x99" * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_figures_of_the_best_run(tmp_path: Path) -> None:
    *_, best = seeds(tmp_path, [0.9, 0.8, 0.95], learning_rate=0.001)
    seeds(tmp_path, [0.5, 0.6, 0.55], learning_rate=0.01)
    text = undrawn(tmp_path)
    assert "<img" not in text and f"mlp train {best / 'config.yaml'} --results {tmp_path}" in Reader(text).text
    (best / "plots").mkdir()
    (best / "plots" / "confusion.png").write_bytes(png(40, 30))
    (best / "plots" / "weights.png").write_bytes(png(9, 9) + b"\0" * (700 << 10))
    (best / "plots" / "errors.png").write_bytes(b"<svg onload=alert(1)>")
    text = undrawn(tmp_path)
    (image,) = [attributes for tag, attributes in Reader(text).tags if tag == "img"]
    assert base64.b64decode(image["src"].removeprefix("data:image/png;base64,")) == png(40, 30)
    assert (image["width"], image["height"]) == ("40", "30") and image["alt"].startswith("Confusion matrix, test set of ")
    assert f"Too large for this page, see {best / 'plots'}: First-layer weights." in Reader(text).text


def test_policy_and_self_containment(tmp_path: Path) -> None:
    seeds(tmp_path, [0.9, 0.8], learning_rate=0.001)
    text = page(make_report([tmp_path]))
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">', text)
    rules = dict(rule.strip().partition(" ")[::2] for rule in html.unescape(policy).split(";"))
    assert rules["default-src"] == "'none'" and rules["img-src"] == "data:" and rules["base-uri"] == "'none'"
    assert not any(word in policy for word in ("unsafe", "*", "http", "self"))
    assert text.index("Content-Security-Policy") < text.index("<style") < text.index("<script")
    for name in ("style", "script"):
        (inside,) = re.findall(f"<{name}>(.*?)</{name}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert rules[f"{name}-src"] == f"'sha256-{digest}'"
    assert_inert(text)


def assert_inert(text: str) -> None:
    """No outside address, no script but the page's own, no handler, no style attribute (the policy would refuse it)."""
    tags = Reader(text).tags
    assert sum(tag in ("script", "style", "dialog") for tag, _ in tags) == 3
    assert not {tag for tag, _ in tags} & {
        "iframe",
        "object",
        "embed",
        "base",
        "applet",
        "use",
        "image",
        "foreignobject",
        "animate",
    }
    for tag, attributes in tags:
        assert not [
            name for name in attributes if name.startswith("on") or name in ("style", "srcset", "action", "formaction")
        ], tag
        for name in ("src", "href", "xlink:href", "data", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#g", "data:,", "data:image/png;base64,")), (tag, value)
    for style in re.findall("<style>(.*?)</style>", text, re.DOTALL):
        assert "url(" not in style and "@import" not in style


HOSTILE = (
    "<script>window.hit=1</script>",
    '"><img src=x onerror=window.hit=1>',
    "'><svg onload=window.hit=1>",
    "javascript:window.hit=1",
    "</style></script><h1>x",
    "{{ 7 * 7 }}{% raw %}",
    "=cmd|' /C calc'!A0",
    "left\u202eright\u200f\u2066\x00\x1b[31m",
    "https://example.com/x.png",
)


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_are_inert(tmp_path: Path, value: str) -> None:
    def spoil(record: dict[str, Any]) -> None:
        record["name"] = record["command"] = value
        record["config"]["activation"] = record["config"]["tags"] = value
        record["data"]["name"] = value
        record["environment"] = {"version": value, "cpu": value}

    for number in range(3):
        change(write_run(tmp_path, {"learning_rate": 0.001}, seed=number, score=0.9 + 0.01 * number), spoil)
        write_run(tmp_path, {"learning_rate": 0.01}, seed=number, score=0.8)
    change(write_run(tmp_path, {"learning_rate": 0.1}, status="failed", error=value), lambda record: record.update(name=value))
    if "/" not in value and "\0" not in value:
        home = tmp_path / value
        home.mkdir()
        (home / "run.json").write_text("{")
    text = undrawn(tmp_path)
    assert_inert(text)
    assert not set("\u202e\u200f\u2066\x00\x1b") & set(text), "characters that turn or hide text"
    shown = Reader(text).text
    assert value.encode("unicode_escape").decode() in shown


def test_hostile_values_are_inert_in_figures(tmp_path: Path) -> None:
    """Each is the name of a set, which is above its figures, and a setting, which figures name."""
    for number, value in enumerate(HOSTILE):
        home = write_run(
            tmp_path, {"learning_rate": 0.1}, seed=number, data={"name": value, "sha256": f"{number:064x}"}, epochs=1
        )
        change(home, lambda record, value=value: record["config"].update(activation=value))  # type: ignore[misc]
        home = write_run(tmp_path, {"learning_rate": 0.2}, seed=number, score=0.9 + 0.001 * number)
        change(home, lambda record, value=value: record["config"].update(activation=value))  # type: ignore[misc]
    report = make_report([tmp_path])
    drawn = draw(report)
    assert sorted(map(len, drawn)) == [2] * len(HOSTILE) + [7], "curves of every set, and what the settings do"
    assert_inert(page(report, drawn))
    assert not set("\u202e\u200f\u2066\x00\x1b") & set("".join(each.svg for figures in drawn for each in figures))


def test_equal_bytes_for_equal_runs(keys: tuple[Path, str], tmp_path: Path) -> None:
    folder, text = keys
    assert page(make_report([folder])) == text and str(folder) in text


def test_sixty_runs_are_at_most_two_megabytes(tmp_path: Path) -> None:
    rates = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
    homes = list(write_grid(tmp_path, rates, ("adam", "sgd"), 5, epochs=20))
    report = make_report([tmp_path])
    drawn = draw(report)
    assert len(homes) == 60 and len(page(report, drawn).encode()) <= 2 << 20
    for home in homes:  # and with the largest figures that it takes
        (home / "plots").mkdir()
        for name in ("confusion.png", "weights.png", "errors.png"):
            (home / "plots" / name).write_bytes(png(9, 9) + b"\0" * (360 << 10))
    assert 1 << 20 < len(page(report, drawn).encode()) <= 2 << 20


def test_many_configurations(tmp_path: Path) -> None:
    for number in range(80):
        write_run(tmp_path, {"learning_rate": 0.001 + number * 1e-5, "batch_size": 32 + number}, score=0.9, epochs=2)
    text = page(make_report([tmp_path]))
    assert text.count('aria-label="Open ') == 80 and "<summary>All 80 configurations, one by one</summary>" in text
    curves = figure(text, "Validation accuracy over epochs")
    assert len(hints(curves)) == 46 and "Pale" not in curves and "pale, without bands: 40 of the 74 others" in curves


def strange_reports(folder: Path) -> Iterator[tuple[str, Report]]:
    yield "nothing", Report([], [], [], [])
    only = folder / "only"
    write_run(only, {}, status="failed", error=None, epochs=1)
    yield "only failures", make_report([only])
    flat = folder / "flat"
    for rate in (0.001, 0.01, 0.1):
        for size in (32, 64):
            for seed in range(2):
                write_run(flat, {"learning_rate": rate, "batch_size": size}, seed=seed, score=1.0, epochs=1, seconds=0.0)
    yield "all alike", make_report([flat])
    broken = folder / "broken"
    for seed in range(2):
        home = write_run(broken, {}, seed=seed)
        (home / "metrics.csv").write_text("epoch,val_loss,val_accuracy\n1,,\n2,nan,inf\n3,1e300,-1e300\n")
    yield "curves that cannot be drawn", make_report([broken])
    odd = folder / "odd"
    for number, value in enumerate((1e-300, 1e300, 5, None, True, "x", [1, [2]], {"a": 1})):
        change(write_run(odd, {}, seed=number), lambda record, value=value: record["config"].update(dropout=value))  # type: ignore[misc]
    yield "settings of all kinds", make_report([odd])


def test_strange_reports_have_a_page(tmp_path: Path) -> None:
    for name, report in strange_reports(tmp_path):
        text = page(report)
        assert_inert(text)
        assert not re.findall(r'(?:d|x|y|width|height|transform)="[^"]*(?:nan|inf|None)', text), name
        assert "Undefined" not in text and "</html>" in text


def content(folder: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_an_error_leaves_the_older_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a figure is drawn, while the page is made, and while the last file is written."""
    home = tmp_path / "report"
    write_run(tmp_path, {"learning_rate": 0.1})
    write_report(make_report([tmp_path]), home)
    before = content(home)
    write_run(tmp_path, {"learning_rate": 0.2}, score=0.9)
    report = make_report([tmp_path])
    for broken in ("figures.for_page", "pictures.gallery"):
        with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
            patch.setattr(f"mlp_cli.report.{broken}", lambda *given: 1 // 0)
            write_report(report, home)
        assert content(home) == before, broken
    (home / "index.html").unlink()
    (home / "index.html").mkdir()
    before = content(home)
    with pytest.raises(RunError, match=r"index\.html: a folder stands where"):
        write_report(report, home)
    assert content(home) == before
