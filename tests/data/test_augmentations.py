"""Alterations of pictures against SciPy, Pillow and values worked by hand."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from mlp_cli.data.augmentations import PRESETS, Augmentation, augmentations, with_copies
from mlp_cli.data.batches import Batches
from mlp_cli.data.dataset import Dataset, Part
from mlp_cli.data.pictures import Pictures, pictures_of
from mlp_cli.data.transforms import fit
from mlp_cli.errors import UsageError

COLOUR = Pictures(3, 12, 10)


def drawn(count: int = 40, pictures: Pictures = COLOUR) -> np.ndarray:
    width = pictures.channels * pictures.height * pictures.width
    return np.random.default_rng(3).integers(0, 256, (count, width), dtype=np.uint8)


def altered(*steps: object, rows: np.ndarray | None = None, pictures: Pictures = COLOUR, seed: int = 0) -> np.ndarray:
    """The planes of what the steps make of rows."""
    rows = drawn(pictures=pictures) if rows is None else rows
    result = Augmentation(steps, pictures)(rows.copy(), np.random.default_rng(seed))  # type: ignore[arg-type]
    assert result.dtype == rows.dtype and result.shape == rows.shape
    return pictures.planes(result)


def a_set(rows: np.ndarray, shape: tuple[int, ...], **fields: object) -> Dataset:
    part = Part(rows, np.arange(len(rows)) % 2, np.arange(0, len(rows), 2))
    known = {"name": "set", "task": "classification", "classes": ("a", "b"), "sha256": "0", "source": "", "scale": "unit"}
    return Dataset(**known | {"train": part, "validation": None, "test": None, "shape": shape, "divides": True} | fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", augmentations)
def test_each_step_alters_and_the_same_seed_gives_the_same(name: str) -> None:
    step = augmentations.build(name)
    once = altered(step)
    assert (altered(step) == once).all()
    assert (once != COLOUR.planes(drawn())).any()
    if name != "enhance":  # which draws nothing
        assert (altered(step, seed=1) != once).any()


@pytest.mark.parametrize("name", augmentations)
def test_numbers_within_0_and_1_are_altered_as_bytes_are(name: str) -> None:
    step = augmentations.build(name)
    unit = Pictures(3, 12, 10, top=1.0)
    found = altered(step, rows=(drawn() / 255).astype(np.float32), pictures=unit)
    assert found.min() >= 0 and found.max() <= 1 + 1e-6
    np.testing.assert_allclose(found * 255, altered(step), atol=0.51 if name != "posterize" else 1.01)


@pytest.mark.parametrize("name", augmentations)
def test_the_order_of_the_channels_does_not_matter(name: str) -> None:
    rows = drawn()
    last = Pictures(3, 12, 10, last=True)
    turned = COLOUR.planes(rows).transpose(0, 2, 3, 1).reshape(len(rows), -1)
    assert (altered(augmentations.build(name), rows=turned, pictures=last) == altered(augmentations.build(name))).all()


class Fixed:
    """A generator whose every draw from a range is its upper end."""

    def uniform(self, low: float, high: float, size: object) -> np.ndarray:
        return np.full(size, high)  # type: ignore[arg-type]

    def integers(self, low: int, high: int, size: object, endpoint: bool) -> np.ndarray:
        return np.full(size, high)  # type: ignore[arg-type]


Scipy = Callable[[np.ndarray], np.ndarray]


def by_scipy(matrix: list[list[float]]) -> Scipy:
    """What SciPy makes of a plane, for a map about its middle."""

    def moved(plane: np.ndarray) -> np.ndarray:
        middle = (np.array(plane.shape) - 1) / 2
        offset = middle - np.array(matrix) @ middle
        return ndimage.affine_transform(plane.astype(float), matrix, offset, order=1, mode="grid-constant")

    return moved


c, s, t = np.cos(np.radians(30)), np.sin(np.radians(30)), np.tan(np.radians(20))


@pytest.mark.parametrize(
    ("name", "options", "moved"),
    [
        ("rotation", {"degrees": 30.0}, by_scipy([[c, s], [-s, c]])),
        (
            "rotation",
            {"degrees": 30.0},
            lambda plane: ndimage.rotate(plane.astype(float), 30, reshape=False, order=1, mode="grid-constant"),
        ),
        ("scale", {"low": 1.0, "high": 1.25}, by_scipy([[0.8, 0], [0, 0.8]])),
        ("shear", {"degrees": 20.0}, by_scipy([[1, 0], [t, 1]])),
        ("shift", {"pixels": 3}, lambda plane: ndimage.shift(plane.astype(float), (-3, -3), order=0)),
        ("crop", {"padding": 2}, lambda plane: np.pad(plane, 2)[4:, 4:]),
    ],
)
def test_moves_are_scipys(name: str, options: dict[str, float], moved: Scipy) -> None:
    rows = drawn(3)
    found = Augmentation([augmentations.build(name, **options)], COLOUR)(rows.copy(), Fixed())  # type: ignore[arg-type]
    for picture, before in zip(COLOUR.planes(found), COLOUR.planes(rows), strict=True):
        for plane, old in zip(picture, before, strict=True):
            assert abs(plane - moved(old)).max() <= 0.51, "a rounded byte"


def test_a_quarter_turn_is_pillows() -> None:
    square = Pictures(1, 9, 9)
    rows = drawn(1, square)
    found = Augmentation([augmentations.build("rotation", degrees=90.0)], square)(rows.copy(), Fixed())  # type: ignore[arg-type]
    turned = np.asarray(Image.fromarray(rows.reshape(9, 9)).rotate(90, Image.Resampling.BILINEAR))
    assert (found.reshape(9, 9) == turned).all()


def test_moves_that_follow_one_another_blur_once() -> None:
    """A turn there and back gives the picture itself, where two turns by interpolation would have blurred it."""
    there, back = augmentations.build("rotation", degrees=30.0), augmentations.build("rotation", degrees=30.0)
    back.degrees = -30.0
    disc = Pictures(1, 31, 31)
    rows = drawn(2, disc)
    found = disc.planes(Augmentation([there, back], disc)(rows.copy(), Fixed()))  # type: ignore[arg-type]
    assert abs(found.astype(int) - disc.planes(rows)).max() <= 1


def test_order_matters_and_is_that_of_the_list() -> None:
    """Shifted and then turned by 180 degrees, a point goes the other way than turned and then shifted."""
    point = np.zeros((1, 81), np.uint8)
    point[0, 4 * 9 + 4] = 200
    one = Pictures(1, 9, 9)
    steps = [augmentations.build("shift", pixels=2), augmentations.build("rotation", degrees=180.0)]
    places = []
    for order in (steps, steps[::-1]):
        moved = Augmentation(order, one)(point.copy(), Fixed())  # type: ignore[arg-type]
        places.append(tuple(int(place) for place in np.argwhere(moved.reshape(9, 9) > 100)[0]))
    assert places == [(6, 6), (2, 2)]


def test_flip_and_cutout_by_hand() -> None:
    assert (altered(augmentations.build("flip", probability=1.0)) == COLOUR.planes(drawn())[..., ::-1]).all()
    assert (altered(augmentations.build("flip", probability=0.0)) == COLOUR.planes(drawn())).all()
    white = np.full((500, 360), 255, np.uint8)
    holes = altered(augmentations.build("cutout", size=4), rows=white) == 0
    assert (holes[:, 0] == holes[:, 1]).all(), "of all channels alike"
    heights, widths = holes[:, 0].any(axis=2).sum(axis=1), holes[:, 0].any(axis=1).sum(axis=1)
    assert set(heights) == set(range(5)) == set(widths), "each from 0 to 4"
    assert (holes[:, 0].sum(axis=(1, 2)) == heights * widths).all(), "a whole block"
    assert holes[:, 0, 0].any() and holes[:, 0, -1].any() and holes[:, 0, :, 0].any() and holes[:, 0, :, -1].any()


def test_levels_by_hand() -> None:
    one = Pictures(1, 1, 4)
    row = np.array([[0, 100, 128, 255]], np.uint8)
    double = altered(augmentations.build("contrast", low=2.0, high=2.0), rows=row, pictures=one)
    assert double.tolist() == [[[[0, 72, 128, 255]]]]
    squeezed = altered(
        augmentations.build("posterize", low_least=30, low_most=30, high_least=132, high_most=132), rows=row, pictures=one
    )
    assert squeezed.tolist() == [[[[30, 70, 81, 132]]]], "30 + x · 0.4"
    # Brightness 50 and 150 become 0 and 255, so the second pixel's channels are multiplied by 1.7.
    two = Pictures(3, 1, 2)
    pixels = np.array([[50, 100, 50, 150, 50, 200]], np.uint8)
    assert altered(augmentations.build("enhance"), rows=pixels, pictures=two).tolist() == [[[[0, 170]], [[0, 255]], [[0, 255]]]]
    grey = np.full((1, 6), 90, np.uint8)
    assert (altered(augmentations.build("enhance"), rows=grey, pictures=two) == 90).all(), "one brightness has no range"


def test_noise_has_the_deviation() -> None:
    grey = np.full((200, 360), 128, np.uint8)
    noisy = altered(augmentations.build("noise", deviation=12.0), rows=grey).astype(float)
    assert abs(noisy.std() - 12) < 0.2 and abs(noisy.mean() - 128) < 0.2


def test_elastic_is_scipys() -> None:
    step = augmentations.build("elastic", alpha=20.0, sigma=2.0)
    rows = drawn(2)
    found = altered(step, rows=rows)
    field = np.random.default_rng(0).uniform(-1, 1, (2, 2, 12, 10))
    for number, planes in enumerate(COLOUR.planes(rows)):
        moved = [20 * ndimage.gaussian_filter(each, 2, mode="constant") for each in field[number]]
        places = np.indices((12, 10)) + moved
        for plane, old in zip(found[number], planes, strict=True):
            wanted = ndimage.map_coordinates(old.astype(float), places, order=1, mode="grid-constant")
            assert abs(plane - wanted).max() <= 0.55


def test_one_step_for_each_picture() -> None:
    steps = [augmentations.build("flip", probability=1.0), augmentations.build("contrast", low=0.0, high=0.0)]
    rows = drawn(400)
    found = COLOUR.planes(Augmentation(steps, COLOUR, one=True)(rows.copy(), np.random.default_rng(0)))
    flipped = (found == COLOUR.planes(rows)[..., ::-1]).all(axis=(1, 2, 3))
    grey = (found == 128).all(axis=(1, 2, 3))
    assert (flipped ^ grey).all() and 150 < flipped.sum() < 250


def test_copies_join_the_training_pictures_alone() -> None:
    rows = drawn(60)
    before = rows.copy()
    dataset = a_set(rows, (3, 12, 10), test=Part(rows, np.zeros(60, np.int64), np.arange(1, 60, 2)))
    flip = Augmentation([augmentations.build("flip", probability=1.0)], pictures_of(dataset, "augment"))
    joined = with_copies(dataset, flip, 2, 0)
    assert (rows == before).all() and joined.test is dataset.test
    train = rows[::2]
    mirrored = COLOUR.planes(train)[..., ::-1].reshape(30, -1)
    assert (joined.train.x == np.concatenate([train, mirrored, mirrored])).all() and len(joined.train) == 90
    assert (joined.train.y == np.tile(dataset.train.y[::2], 3)).all()
    assert "60 altered copies were joined to the 30 training pictures" in joined.notices
    noise = Augmentation([augmentations.build("noise")], COLOUR)
    one, again, other = (with_copies(dataset, noise, 2, seed).train.x for seed in (0, 0, 1))
    assert (one == again).all() and (one[30:] != other[30:]).any() and (one[30:60] != one[60:]).any()


@pytest.mark.parametrize("size", [7, "full"])
def test_batches_are_altered_anew_in_each_epoch(size: int | str) -> None:
    rows = drawn(50)
    part = Part(rows, np.arange(50), np.arange(50))
    noise = Augmentation([augmentations.build("noise")], COLOUR)
    batches = Batches(part, fit("none", part, np.float32), size, np.float32, noise)  # type: ignore[arg-type]

    def epoch(seed: int | None) -> np.ndarray:
        batches.shuffle(None)
        if seed is not None:
            batches.alter(np.random.default_rng(seed))
        return np.concatenate([x.copy() for x, _ in batches])

    assert (epoch(None) == rows).all(), "before the first epoch nothing is altered"
    first, second = epoch(1), epoch(2)
    assert (first != second).any() and (epoch(1) == first).all()
    assert 5 < abs(first - rows).mean() < 10


def test_presets_are_what_their_source_says() -> None:
    for name, preset in PRESETS.items():
        assert preset["choose"] == "one" and preset["copies"] == 1
        assert [augmentations.build(**step) for step in preset["steps"]], name
    assert [step["name"] for step in PRESETS["cs776_2022"]["steps"]] == ["rotation", "cutout", "crop", "contrast"]
    assert [step["name"] for step in PRESETS["cs776_later"]["steps"]] == ["enhance", "posterize", "rotation", "contrast"]


@pytest.mark.parametrize(
    ("shape", "dtype", "top", "expected"),
    [
        ((12, 30), np.uint8, 255, Pictures(1, 12, 30)),
        ((3, 12, 10), np.uint8, 255, Pictures(3, 12, 10)),
        ((12, 10, 3), np.uint8, 255, Pictures(3, 12, 10, True)),
        ((1, 12, 30), np.float32, 1, Pictures(1, 12, 30, False, 1.0)),
        ((12, 30), np.float64, 255, Pictures(1, 12, 30, False, 255.0)),
    ],
)
def test_where_the_pixels_are(shape: tuple[int, ...], dtype: type, top: float, expected: Pictures) -> None:
    rows = (np.linspace(0, top, 720).reshape(2, 360)).astype(dtype)
    pictures = pictures_of(a_set(rows, shape), "augment")
    assert pictures == expected
    assert (pictures.rows(pictures.planes(rows)) == rows).all()
    if expected.last:
        assert (pictures.planes(rows)[1, 2] == rows[1].reshape(12, 10, 3)[:, :, 2]).all()
    np.testing.assert_allclose(pictures.bytes_of(rows) * top / 255, pictures.planes(rows), rtol=1e-6)


def test_what_are_no_pictures() -> None:
    with pytest.raises(UsageError, match="augment: needs pictures, and set has rows of shape 5"):
        pictures_of(a_set(np.zeros((4, 5)), (5,)), "augment")
    with pytest.raises(UsageError, match=r"features: hog: needs pictures of bytes, .* set has values from -3 to 2"):
        pictures_of(a_set(np.tile([-3.0, 2.0], (4, 2)), (2, 2)), "features: hog")
