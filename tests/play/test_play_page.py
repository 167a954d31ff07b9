"""The page that plays a network: what its script computes is what our network computes, what is drawn is read as MNIST's digits
were made, nothing runs or leaves but its own script, and every part is reached by mouse, finger and keyboard."""

import copy
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import HOSTILE, Opened
from exported import CASES, IMAGES, train, write_sets
from PIL import Image
from small_sets import write_idx

from mlp_cli.errors import UsageError
from mlp_cli.model import Model, read_model
from mlp_cli.nn.activations import activations
from mlp_cli.nn.layers import Layer
from mlp_cli.play.page import page, write_page
from mlp_cli.runs import read_record


class Odd(Layer):
    """A layer that nobody else knows."""


Trained = tuple[Path, Path, np.ndarray]
"""A run's folder, its page, and the raw rows (N, D) of its test part."""
SEEN = """() => {
    const canvas = document.getElementById("seenPicture");
    const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return [...data].filter((_, place) => place % 4 === 0);
}"""
ALL = {name: config for name, config in CASES.items() if name != "labels"}
ALL |= {"a large epsilon": IMAGES | {"layer_norm": {"epsilon": 0.5}}}
DIGITS = {"dataset": {"path": "digits", "validation": 20}, "hidden_sizes": [10], "epochs": 2}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Trains a config in a folder that holds the sets, and writes its page, once each."""
    home = tmp_path_factory.mktemp("play")
    write_sets(home)
    generator = np.random.default_rng(2)
    (home / "digits").mkdir()
    for prefix, count in (("train", 120), ("t10k", 40)):
        # An upright line and a foot, 20 pixels high, the centre of mass within half a pixel of the middle: so MNIST's digits are.
        pictures = np.zeros((count, 28, 28), np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 10
        for picture, label in zip(pictures, labels, strict=True):
            picture[4:24, 4:7] = generator.integers(150, 256)
            picture[24 - 4 : 24, 7 : 8 + label] = 255
            rows, columns = np.nonzero(picture)
            centre = [round(14 - np.average(each + 0.5, weights=picture[rows, columns])) for each in (rows, columns)]
            picture[:] = np.roll(picture, centre, (0, 1))
        write_idx(home / "digits" / f"{prefix}-images-idx3-ubyte", pictures)
        write_idx(home / "digits" / f"{prefix}-labels-idx1-ubyte", labels)
    known: dict[str, Trained] = {}

    def call(config: dict[str, Any]) -> Trained:
        key = json.dumps(config, sort_keys=True)
        if key not in known:
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(home)
                folder, x = train(config, home / "results")
                write_page(folder, home / f"{folder.name}.html")
            known[key] = folder, home / f"{folder.name}.html", x
        return known[key]

    return call


@pytest.fixture
def pad(opened: Opened, made: Any) -> Any:
    """The page of a network of 28 × 28 pictures, nothing drawn."""
    tab = opened(made(DIGITS)[1])
    tab.get_by_role("button", name="Clear").click()
    tab.get_by_text("Nothing drawn yet").wait_for()
    return tab


def rounded(model: Model) -> Model:
    """The model with weights of float16."""
    for name, array in model.network.parameters.items():
        if name.startswith("W"):
            array[...] = array.astype(np.float16)
    return model


def answered(tab: Any) -> str:
    """The headline, once what was asked is answered."""
    tab.evaluate("new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
    return str(tab.locator("#answer").inner_text())


def drag(tab: Any, selector: str, *points: tuple[float, float]) -> None:
    """A stroke of the mouse through points given as shares of the element's width and height."""
    box = tab.locator(selector).bounding_box()
    places = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in points]
    tab.mouse.move(*places[0])
    tab.mouse.down()
    for place in places[1:]:
        tab.mouse.move(*place, steps=4)
    tab.mouse.up()


def seen(tab: Any) -> np.ndarray:
    """What the network sees, (28, 28), 0 … 255."""
    answered(tab)
    return np.array(tab.evaluate(SEEN)).reshape(28, 28)


def extent(picture: np.ndarray) -> tuple[int, int]:
    """Rows and columns of the box around the ink."""
    rows, columns = np.nonzero(picture > 40)
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def middle(picture: np.ndarray) -> tuple[float, float]:
    """The centre of mass, in pixels from the upper left corner."""
    places = np.arange(28) + 0.5
    return picture.sum(axis=1) @ places / picture.sum(), picture.sum(axis=0) @ places / picture.sum()


def png(picture: np.ndarray) -> dict[str, Any]:
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "png")
    return {"name": "picture.png", "mimeType": "image/png", "buffer": content.getvalue()}


@pytest.mark.parametrize("case", [name for name in ALL if "float64" not in name or name[:6] in ("layer ", "prelu,")])
def test_the_script_predicts_what_our_network_predicts(opened: Opened, made: Any, case: str) -> None:
    folder, path, x = made(ALL[case])
    rows = x[:100]
    model = rounded(read_model(folder))
    expected = model.predict(rows).reshape(len(rows), -1)
    found = np.array(opened(path).evaluate("(rows) => rows.map((row) => predict(row))", rows.tolist()))
    assert found.shape == expected.shape
    size = 1.0 if model.classes else np.abs(expected).max()
    assert np.abs(found - expected).max() <= 1e-4 * size


@pytest.mark.parametrize(
    ("metrics", "title"),
    [
        ({"train_accuracy": 0.95, "val_accuracy": 0.9012, "test_accuracy": 0.875}, "fake: test accuracy 87.50 %"),
        ({"train_accuracy": 0.95, "val_accuracy": 0.9012, "test_accuracy": None}, "fake: validation accuracy 90.12 %"),
        ({"train_r2": 0.95, "train_loss": 0.1}, "fake: training R² 0.9500"),
        ({}, "fake"),
    ],
)
def test_the_title_has_the_score(made: Any, metrics: dict[str, float | None], title: str) -> None:
    folder, _, _ = made(CASES["table"])
    record = read_record(folder).model_copy(update={"name": "fake", "metrics": metrics})
    text = page(read_model(folder), record, None)
    assert f"<title>{title}</title>" in text and f"<h1>{title}</h1>" in text


def test_every_activation_is_computed() -> None:
    assert {name.partition(",")[0] for name in CASES} >= set(activations)


def test_what_the_script_lacks_is_refused(made: Any) -> None:
    folder, _, _ = made(DIGITS)
    model, record = read_model(folder), read_record(folder)
    assert record is not None
    sine = copy.copy(model.config.activation[0])
    object.__setattr__(sine, "name", "sine")
    other = model.config.model_copy(update={"activation": (sine,)})
    with pytest.raises(UsageError, match="activation: sine is unknown to the page"):
        page(Model(**vars(model) | {"config": other}), record, None)
    odd = Odd()
    odd.attach(1, 10, np.float32)
    model.network.layers += (odd,)
    with pytest.raises(UsageError, match="odd_1 cannot be expressed"):
        page(model, record, None)


def test_a_network_of_labels_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_sets(tmp_path)
    folder, _ = train(CASES["labels"], tmp_path)
    with pytest.raises(UsageError, match="this network gives labels"):
        write_page(folder, tmp_path / "page.html")


def test_a_large_network_is_a_small_file(made: Any) -> None:
    _, path, _ = made(DIGITS | {"hidden_sizes": [512], "epochs": 0})
    assert path.stat().st_size <= 1_500_000


def test_equal_runs_give_equal_bytes(made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, path, _ = made(DIGITS)
    monkeypatch.chdir(folder.parent.parent)
    write_page(folder, tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == path.read_bytes()


def test_a_digit_is_made_as_those_of_mnist(pad: Any) -> None:
    """Fitted into 20 × 20 of the 28 × 28 pixels, with grey edges, and its centre of mass in the middle; wherever it was drawn."""
    for x, y, size in ((0.3, 0.2, 0.6), (0.7, 0.1, 0.2)):
        pad.get_by_role("button", name="Clear").click()
        drag(pad, "#pad", (x, y), (x, y + size), (x + 0.3 * size, y + size))
        picture = seen(pad)
        assert abs(extent(picture)[0] - 20) <= 1 and picture.max() == 255
        assert middle(picture) == pytest.approx((14, 14), abs=0.4)
        assert ((picture > 30) & (picture < 225)).sum() >= 10, "grey edges"
        ink = (picture[4:12] > 127).sum(axis=1)
        assert 2 <= np.median(ink) <= 4, "a line is as thick as a pen's"


def test_clearing_and_undoing(pad: Any) -> None:
    drag(pad, "#pad", (0.3, 0.2), (0.3, 0.8))
    one = seen(pad)
    drag(pad, "#pad", (0.3, 0.8), (0.7, 0.8))
    assert not np.array_equal(seen(pad), one)
    pad.get_by_role("button", name="Undo").click()
    assert np.array_equal(seen(pad), one)
    pad.get_by_role("button", name="Clear").click()
    assert answered(pad) == "Nothing drawn yet" and not pad.locator("#seen").is_visible()


def test_drawing_by_keyboard(pad: Any) -> None:
    pad.locator("#pad").focus()
    pad.keyboard.press("Space")
    for _ in range(8):
        pad.keyboard.press("ArrowDown")
    picture = seen(pad)
    assert abs(extent(picture)[0] - 20) <= 1 and extent(picture)[1] <= 5, "a stroke downwards"


def test_drawing_by_finger(opened: Opened, made: Any) -> None:
    tab = opened(made(DIGITS)[1], width=390, height=800, has_touch=True)
    tab.get_by_role("button", name="Clear").tap()
    box = tab.locator("#pad").bounding_box()
    touch = tab.context.new_cdp_session(tab)
    for kind, y in (("touchStart", 0.2), ("touchMove", 0.5), ("touchMove", 0.8), ("touchEnd", None)):
        points = [] if y is None else [{"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] * y}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert abs(extent(seen(tab))[0] - 20) <= 1 and tab.evaluate("scrollY") == 0


@pytest.mark.parametrize("light", [True, False])
def test_a_picture_of_any_size_is_fitted_and_inverted_where_its_ground_is_light(pad: Any, light: bool) -> None:
    picture = np.tile(np.linspace(0, 60, 200).astype(np.uint8), (300, 1))  # its light is not even
    picture[30:230, 20:60] = 220
    pad.locator("#file").set_input_files(png(255 - picture if light else picture))
    pad.locator("#seen").wait_for()
    found = seen(pad)
    assert extent(found) == (20, 4) and middle(found) == pytest.approx((14, 14), abs=0.1)
    assert found[14, 14] == 255 and found[0].max() == 0


def test_a_picture_of_the_networks_own_size_is_taken_as_it_is(pad: Any, made: Any) -> None:
    digit = made(DIGITS)[2][3].reshape(28, 28)
    pad.locator("#file").set_input_files(png(digit))
    pad.locator("#seen").wait_for()
    assert np.array_equal(seen(pad), digit)
    pad.locator("#file").set_input_files(png(np.full((90, 90), 255, np.uint8)))
    pad.get_by_text("There is nothing on that picture.").wait_for()
    assert answered(pad) == "Nothing drawn yet", "the answer of the picture before is gone"


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_dropping_and_pasting(pad: Any, kind: str) -> None:
    pad.evaluate(
        """async (kind) => {
            const canvas = Object.assign(document.createElement("canvas"), {width: 60, height: 90});
            canvas.getContext("2d").fillRect(20, 10, 20, 60);
            const blob = await new Promise((resolve) => canvas.toBlob(resolve));
            const data = new DataTransfer();
            data.items.add(new File([blob], "one.png", {type: "image/png"}));
            const how = {bubbles: true, cancelable: true, dataTransfer: data, clipboardData: data};
            document.body.dispatchEvent(kind === "drop" ? new DragEvent("drop", how) : new ClipboardEvent("paste", how));
        }""",
        kind,
    )
    pad.locator("#seen").wait_for()
    assert abs(extent(seen(pad))[0] - 20) <= 1


def test_a_file_that_is_no_picture(pad: Any) -> None:
    pad.locator("#file").set_input_files({"name": "x.png", "mimeType": "image/png", "buffer": b"no picture"})
    pad.get_by_text("This browser cannot read that as a picture.").wait_for()
    assert answered(pad) == "Nothing drawn yet"


def test_pictures_that_fill_their_frame_and_colours(opened: Opened, made: Any, tmp_path: Path) -> None:
    """A picture with a dot in each corner keeps its corners; colours keep theirs, planes first."""
    generator = np.random.default_rng(5)
    x = generator.integers(0, 256, (90, 3, 8, 8)).astype(np.uint8)
    folder = made(DIGITS)[0].parent.parent
    np.savez(folder / "colours.npz", x_train=x[:60], y_train=np.arange(60) % 3, x_test=x[60:], y_test=np.arange(30) % 3)
    home, path, _ = made({"dataset": {"path": "colours.npz", "validation": 10}, "hidden_sizes": [4], "epochs": 1})
    tab = opened(path)
    assert not tab.get_by_role("button", name="Clear").is_visible(), "nothing is drawn in colours"
    wanted = generator.integers(0, 256, (8, 8, 3)).astype(np.uint8)
    tab.locator("#file").set_input_files(png(wanted.repeat(5, axis=0).repeat(5, axis=1)))
    tab.wait_for_function("!document.getElementById('truth').textContent")
    answered(tab)
    data = tab.evaluate("[...document.getElementById('seenPicture').getContext('2d').getImageData(0, 0, 8, 8).data]")
    assert np.abs(np.array(data).reshape(8, 8, 4)[..., :3].astype(int) - wanted).mean() < 12
    shown = tab.evaluate("document.querySelector('#bars [aria-pressed=true] b').textContent")
    expected = rounded(read_model(home)).predict(wanted.transpose(2, 0, 1).reshape(1, -1)).max()
    assert float(shown.removesuffix(" %")) == pytest.approx(100 * expected, abs=8)


def test_units_and_what_they_add(opened: Opened, made: Any) -> None:
    """With one hidden layer a unit adds a · (its weight to the class − the mean of its weights) to the logit beyond the mean."""
    folder, path, x = made(CASES["relu, float32"] | {"hidden_sizes": [12]})
    tab = opened(path)
    tab.locator(".rows button").first.click()
    answered(tab)
    model = rounded(read_model(folder))
    row = next(row for row in x if np.array_equal(np.round(tab.evaluate(SEEN)), row))
    weights = {name: array.astype(float) for name, array in model.network.parameters.items()}
    active = np.maximum(row / 255 @ weights["W1"] + weights["b1"], 0)
    klass = int(model.predict(row[None]).argmax())
    effects = active * (weights["W2"][:, klass] - weights["W2"].mean(axis=1))
    shown = [float(text.replace("−", "-")) for text in tab.locator("#units b").all_inner_texts()]
    expected = sorted(effects[effects != 0], key=abs, reverse=True)
    assert shown == pytest.approx(expected[: len(shown)], rel=6e-3) and len(shown) == len(expected)
    assert f"12 relu units, {(active > 0).sum()} above 0" in tab.locator("#strips").inner_text()
    other = (klass + 1) % 4
    tab.locator("#bars button").nth(other).click()
    answered(tab)
    effects = active * (weights["W2"][:, other] - weights["W2"].mean(axis=1))
    first = float(tab.locator("#units b").first.inner_text().replace("−", "-"))
    assert first == pytest.approx(max(effects, key=abs), rel=6e-3)


def test_test_rows_right_and_wrong(opened: Opened, made: Any) -> None:
    folder, path, x = made(CASES["relu, float32"] | {"hidden_sizes": [12], "epochs": 1})
    tab = opened(path)
    found = read_model(folder).predict(x).argmax(axis=1)
    rights, wrongs = (tab.locator(f"#{name} button") for name in ("rights", "wrongs"))
    assert rights.count() == 12 and 1 <= wrongs.count() <= 12
    assert {text.strip() for text in rights.all_inner_texts()} == {str(label) for label in np.unique(found)}
    wrongs.first.focus()
    tab.keyboard.press("Enter")
    label, answer = re.match(r"(\d) → (\d)", wrongs.first.inner_text().strip()).groups()  # type: ignore[union-attr]
    assert label != answer == answered(tab) and tab.locator("#truth").inner_text() == f"A test row, class {label}."
    assert tab.locator("#bars .true").inner_text().split()[0] == label


def test_a_table_by_sliders_numbers_and_choices(opened: Opened, made: Any) -> None:
    folder, path, _ = made(CASES["table"])
    model = rounded(read_model(folder))
    tab = opened(path)

    def check(size: float, colour: str, weight: float) -> None:
        assert model.encoding is not None
        row = [size, *(float(colour == name) for name in model.encoding.features[1].categories or ()), weight]
        expected = model.predict(np.array([row]))[0]
        assert answered(tab) == model.classes[int(expected.argmax())]
        shown = [float(text.split()[-2]) for text in tab.locator("#bars button").all_inner_texts()]
        assert shown == pytest.approx(100 * expected, abs=0.051)

    names = ["size", "colour=blue", "colour=green", "colour=red", "weight"]
    assert f"Its bars, from the left: {', '.join(names)}. " in tab.locator("#aboutBars").inner_text()
    hint = tab.locator("#units canvas").first.get_attribute("title").split("\n")
    assert [line.rpartition(" ")[0] for line in hint] == names
    tab.get_by_label("colour").select_option("green")
    numbers = tab.locator("input[type=number]")
    numbers.nth(0).fill("0.25")
    numbers.nth(1).fill("4.5")
    check(0.25, "green", 4.5)
    slider = tab.get_by_role("slider", name="size")
    slider.focus()
    tab.keyboard.press("End")
    check(float(slider.get_attribute("max")), "green", 4.5)


@pytest.mark.parametrize("case", ["quantity", "quantity by its logarithm"])
def test_a_quantity_in_its_own_unit(opened: Opened, made: Any, case: str) -> None:
    folder, path, x = made(CASES[case])
    model = rounded(read_model(folder))
    tab = opened(path)
    for place, value in enumerate(x[0]):
        tab.locator("input[type=number]").nth(place).fill(repr(float(value)))
    assert answered(tab).startswith("prediction ")
    assert float(answered(tab).split()[1]) == pytest.approx(model.predict(x[:1])[0], rel=1e-3)


def test_the_plane_of_two_features(opened: Opened, made: Any) -> None:
    folder, path, x = made(CASES["two classes far from 0"] | {"epochs": 60, "learning_rate": 0.03})
    model = rounded(read_model(folder))
    tab = opened(path)
    box = tab.locator("#plane").bounding_box()
    numbers = tab.locator("input[type=number]")
    for share in (0.1, 0.9):
        tab.mouse.move(box["x"] + share * box["width"], box["y"] + 0.5 * box["height"])
        assert answered(tab) == str(int(share > 0.5)), "the class is whether the first feature is above its middle"
    right, upper = (float(numbers.nth(place).input_value()) for place in (0, 1))
    tab.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.1 * box["height"])
    answered(tab)
    assert float(numbers.nth(1).input_value()) > upper, "the second feature goes upwards"
    tab.get_by_role("slider").first.focus()
    tab.keyboard.press("Home")
    assert answered(tab) == "0" and numbers.count() == 2
    assert float(numbers.first.input_value()) < right
    colours = tab.evaluate(
        """() => {
            const plane = document.getElementById("plane");
            const {data} = plane.getContext("2d").getImageData(0, 700, 720, 1);
            return [data.slice(40, 43), data.slice(2800, 2803)].map((each) => [...each]);
        }"""
    )
    assert colours[0][2] > colours[0][0] and colours[1][0] > colours[1][2], "blue is class 0, orange class 1"
    assert model.inputs == 2 and len(x) == 80


@pytest.fixture(scope="module")
def hostile(made: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page whose columns, classes, categories and name try to run something."""
    home = made(DIGITS)[0].parent.parent
    names = [name.replace(",", ";").replace('"', '""') for name in HOSTILE]
    lines = [",".join(f'"{name}"' for name in names[:3]) + ',"kind"']
    for row in range(240):
        lines.append(f'"{names[row % 5]}",{row % 7},{row % 3},"{names[row % 8]}"')
    (home / "hostile.csv").write_text("\n".join(lines))
    folder, _, _ = made(
        {"name": "x", "dataset": {"path": "hostile.csv", "target": "kind", "test": 60}, "hidden_sizes": [4], "epochs": 1}
    )
    copied = shutil.copytree(folder, tmp_path_factory.mktemp("hostile") / "run")
    record = json.loads((copied / "run.json").read_text())
    record["name"] = record["id"] = HOSTILE[4]
    (copied / "run.json").write_text(json.dumps(record))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        write_page(copied, copied / "page.html")
    return copied / "page.html"


def test_hostile_names_neither_run_nor_break_the_page(opened: Opened, hostile: Path) -> None:
    for width in (1280, 390):
        tab = opened(hostile, width=width, height=800)
        answered(tab)
        assert tab.evaluate("window.hit") is None and tab.evaluate("document.scripts.length") == 2
        assert tab.evaluate("document.images.length + document.links.length") == 0
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
        text = tab.evaluate("document.body.textContent")
        assert "\u202e" not in text and HOSTILE[4] in text and tab.locator("#bars button").count() == 8


def test_nothing_is_requested_and_the_policy_holds(browser: Any, made: Any, tmp_path: Path) -> None:
    """Were a name ever written unescaped, the browser would still refuse to run it and to load what it names."""
    evil = (
        "<script>window.hit=1</script><img src=x onerror=window.hit=1><img src=http://127.0.0.1:9/x><style>p{color:red}</style>"
    )
    (tmp_path / "page.html").write_text(made(DIGITS)[1].read_text().replace("<main>", f"<main>{evil}"))
    for path, refused in ((made(DIGITS)[1], 0), (tmp_path / "page.html", 4)):
        tab = browser.new_page()
        told: list[str] = []
        asked: list[str] = []
        tab.on("console", lambda message, told=told: told.append(message.text))
        tab.on("request", lambda request, asked=asked: asked.append(request.url))
        tab.goto(path.as_uri())
        drag(tab, "#pad", (0.3, 0.2), (0.3, 0.8))
        answered(tab)
        assert tab.evaluate("window.hit") is None and len(told) >= refused and (refused or not told)
        blocked = tab.evaluate("fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'refused')")
        assert blocked == "refused"
        if not refused:
            assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
        tab.close()


@pytest.mark.parametrize("case", ["digits", "table", "quantity", "two classes far from 0"])
def test_a_narrow_screen_and_dark(opened: Opened, made: Any, case: str) -> None:
    path = made(DIGITS if case == "digits" else CASES[case])[1]
    for width in (320, 390, 768):
        tab = opened(path, width=width, height=800, scheme="dark")
        answered(tab)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 24, 27)"
        assert tab.locator("#answer").is_visible()


def test_the_dress_changes_with_the_system(opened: Opened, made: Any) -> None:
    corner = "[...document.querySelector('#units canvas').getContext('2d').getImageData(0, 0, 1, 1).data]"
    tab = opened(made(CASES["table"])[1])
    answered(tab)
    assert tab.evaluate(corner)[:3] == [255, 255, 255]
    tab.emulate_media(color_scheme="dark")
    answered(tab)
    assert tab.evaluate(corner)[:3] == [21, 24, 27]


def test_without_the_data(opened: Opened, made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page whose data is gone has no test rows; what is drawn is fitted as MNIST's digits are."""
    told: list[str] = []
    monkeypatch.chdir(tmp_path)
    for number, config in enumerate((DIGITS, CASES["table"], CASES["quantity"])):
        write_page(made(config)[0], tmp_path / f"{number}.html", told.append)
        tab = opened(tmp_path / f"{number}.html")
        assert not tab.get_by_role("heading", name="Test rows").is_visible()
        if number:
            assert answered(tab)
            continue
        drag(tab, "#pad", (0.4, 0.3), (0.4, 0.6))
        assert abs(extent(seen(tab))[0] - 20) <= 1
    assert len(told) == 3 and all("the page has no test rows, and ranges are guessed: " in text for text in told)


def test_the_command(mlp: Any, tmp_path: Path, small_config: Path) -> None:
    mlp("train", small_config, "--no-plots")
    answer = mlp("export", "@last", "--format", "html", "--json")
    known = json.loads(answer.out)
    assert answer.code == 0 and known["format"] == "html" and known["bytes"] == Path(known["file"]).stat().st_size
    assert Path(known["file"]).read_text().startswith("<!DOCTYPE html>")
    (tmp_path / "shapes" / "t10k-labels-idx1-ubyte").unlink()
    answer = mlp("export", "@last", "--format", "html", "--out", "bare.html")
    assert answer.code == 0 and "the page has no test rows" in answer.err and (tmp_path / "bare.html").exists()
