import io
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import check_mutants, refuses
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image

from mlp_cli.data import streams
from mlp_cli.data.arrays import assemble
from mlp_cli.data.dataset import RawSet
from mlp_cli.data.images import decode
from mlp_cli.data.images import read_images as read_found
from mlp_cli.errors import DataError

Files = dict[str, bytes]


def read_images(path: Path) -> RawSet:
    return assemble(read_found(path), str(path))


RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (6, 4, 5), dtype=np.uint8)
COLOUR = RANDOM.integers(0, 256, (6, 4, 5, 3), dtype=np.uint8)


def encoded(pixels: Any, form: str = "PNG", mode: str | None = None, **options: Any) -> bytes:
    out = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(out, form, **options)
    return out.getvalue()


def huge(width: int, height: int, content: bytes = b"", depth: int = 8, colour: int = 0) -> bytes:
    """A PNG that declares a size; its lines of pixels are the content."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(content, 9)) + chunk(b"IEND", b"")


def letters(pixels: Any = GREY, form: str = "PNG") -> Files:
    """Two pictures of each of A, B and C, in the order of the rows."""
    names = [f"{letter}/{number}.{form.lower()}" for letter in "ABC" for number in range(2)]
    return {name: encoded(picture, form) for name, picture in zip(names, pixels, strict=True)}


def folder(root: Path, files: Files) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        else:
            path.write_bytes(content)
    return root


def tar(path: Path, files: Files, mode: Any = "w:gz") -> Path:
    with tarfile.open(path, mode) as out:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            out.addfile(info, io.BytesIO(content))
    return path


def zipped(path: Path, files: Files) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in files.items():
            out.writestr(name, content)
    return path


MAKERS: dict[str, Callable[[Path, Files], Path]] = {
    "folder": folder,
    "a.tar": lambda path, files: tar(path, files, "w"),
    "a.tar.gz": tar,
    "a.tar.xz": lambda path, files: tar(path, files, "w:xz"),
    "a.zip": zipped,
}


@pytest.mark.parametrize("form", ["PNG", "BMP", "GIF"])
@pytest.mark.parametrize("maker", MAKERS)
def test_greyscale(tmp_path: Path, maker: str, form: str) -> None:
    found = read_images(MAKERS[maker](tmp_path / maker, letters(form=form)))
    assert np.array_equal(found.train_x, GREY.reshape(6, 20)) and found.train_y.tolist() == [0, 0, 1, 1, 2, 2]
    assert (found.shape, found.classes, found.notices, found.test_x) == ((4, 5), ("A", "B", "C"), (), None)
    assert (found.train_x.dtype, found.train_y.dtype) == (np.uint8, np.int64)


@settings(max_examples=30)
@given(
    pixels=npst.arrays("u1", st.tuples(st.just(6), st.integers(1, 5), st.integers(1, 5), st.just(3))),
    form=st.sampled_from(["PNG", "BMP"]),
)
def test_colours(tmp_path_factory: pytest.TempPathFactory, pixels: Any, form: str) -> None:
    found = read_images(tar(tmp_path_factory.getbasetemp() / "a.tar.gz", letters(pixels, form)))
    assert np.array_equal(found.train_x, pixels.transpose(0, 3, 1, 2).reshape(6, -1))
    assert found.shape == (3, *pixels.shape[1:3])


def test_jpeg(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(0, 200, 10), np.arange(0, 50, 5)).astype(np.uint8)
    found = read_images(
        folder(tmp_path, {"a/1.jpg": encoded(smooth, "JPEG", quality=95), "b/1.JPEG": encoded(smooth, "JPEG", quality=95)})
    )
    assert found.shape == (20, 10)
    assert np.abs(found.train_x.astype(int) - smooth.reshape(-1)).max() <= 6


@pytest.mark.parametrize("order", [1, -1])
def test_a_coloured_one_makes_all_coloured(tmp_path: Path, order: int) -> None:
    files = letters()
    files["B/0.png"] = encoded(COLOUR[0])
    found = read_images(tar(tmp_path / "a.tar", dict(list(files.items())[::order]), "w"))
    assert found.shape == (3, 4, 5)
    planes = np.repeat(GREY.reshape(6, 1, 20), 3, axis=1)
    planes[2] = COLOUR[0].transpose(2, 0, 1).reshape(3, 20)
    assert np.array_equal(found.train_x, planes.reshape(6, 60))


@pytest.mark.parametrize(
    ("content", "grey"),
    [
        (encoded(GREY[0], mode="LA"), True),
        (encoded((GREY[0] > 99).astype(np.uint8) * 255, mode="1"), True),
        (encoded(GREY[0], mode="RGBA"), False),
        (encoded(COLOUR[0], mode="P"), False),
        (encoded(GREY[0], mode="P"), True),
        (encoded(GREY[0], "JPEG", mode="CMYK"), False),
    ],
)
def test_modes(tmp_path: Path, content: bytes, grey: bool) -> None:
    found = read_images(folder(tmp_path, {"a/1.png": content, "b/1.png": content}))
    assert found.shape == ((4, 5) if grey else (3, 4, 5))


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P"])
def test_what_is_transparent_is_white(mode: str) -> None:
    # Black ink on black that nobody sees: half transparent it is grey, 255 x (1 - 128 / 255).
    seen = np.array([[0, 128, 255]], np.uint8)
    if mode == "P":
        content = encoded(np.zeros((1, 1), np.uint8), mode="P", transparency=0)
        expected = [[255]]
    else:
        planes = np.stack([np.zeros_like(seen)] * (len(mode) - 1) + [seen], axis=-1)
        content, expected = encoded(planes), [[255, 127, 0]]
    pixels, notes = decode(content, "x")
    np.testing.assert_array_equal(pixels, np.broadcast_to(expected, pixels.shape))
    assert pixels.ndim == (3 if mode == "RGBA" else 2) and notes == ["what is transparent is laid on white"]


@pytest.mark.parametrize(("form", "suffix"), [("WEBP", "webp"), ("PPM", "pgm"), ("TIFF", "tif"), ("TIFF", "TIFF")])
def test_further_formats(tmp_path: Path, form: str, suffix: str) -> None:
    options = {"lossless": True} if form == "WEBP" else {}
    files = {f"{letter}/1.{suffix}": encoded(GREY[number], form, **options) for number, letter in enumerate("AB")}
    found = read_images(folder(tmp_path, files))
    # WebP has no greyscale: three equal planes.
    assert found.shape == ((3, 4, 5) if form == "WEBP" else (4, 5)) and found.notices == ()
    assert np.array_equal(found.train_x.reshape(2, -1, 20)[:, 0], GREY[:2].reshape(2, 20))


def deep_png(colour: int, samples: int) -> bytes:
    """A PNG of 16 bits a channel, 2 x 2 pixels."""
    return huge(2, 2, (b"\0" + bytes(range(4 * samples))) * 2, depth=16, colour=colour)


DEEP = {
    "grey.png": encoded((GREY[0].astype(np.uint16) << 8) + 3),
    "rgb.png": deep_png(2, 3),
    "grey_alpha.png": deep_png(4, 2),
    "rgba.png": deep_png(6, 4),
    "grey.tif": encoded((GREY[0].astype(np.uint16) << 8) + 3, "TIFF"),
    "floats.tif": encoded(GREY[0].astype(np.float32), "TIFF"),
    "grey.pgm": b"P5 2 2 65535\n" + bytes(range(8)),
    "rgb.ppm": b"P6 2 2 65535\n" + bytes(range(24)),
    "plain.pgm": b"P2 2 2 1000\n1 2 3 1000",
}


@pytest.mark.parametrize("name", DEEP)
def test_more_than_eight_bits_are_refused(tmp_path: Path, name: str) -> None:
    """Pillow would cut several channels of 16 bits to 8 in silence."""
    refuses(read_images, folder(tmp_path, {f"a/{name}": DEEP[name], "b/1.png": encoded(GREY[0])}), f"a/{name}", "8 bits")


def test_bitmaps_of_sixteen_bits(tmp_path: Path) -> None:
    """They have 5, 6 and 5 bits for red, green and blue: fewer than 8 a channel, so nothing is cut off."""
    header = struct.pack("<IiiHHIIiiII", 40, 2, 1, 1, 16, 3, 4, 0, 0, 0, 0) + struct.pack("<3I", 0xF800, 0x07E0, 0x001F)
    content = b"BM" + struct.pack("<IHHI", 70, 0, 0, 66) + header + struct.pack("<2H", 0xF800, 0x07FF)
    found = read_images(folder(tmp_path, {"a/1.bmp": content, "b/1.bmp": content}))
    assert found.shape == (3, 1, 2) and found.train_x[0].tolist() == [255, 0, 0, 255, 0, 255] and found.notices == ()


def test_decoders_do_not_write_of_damage(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The library behind TIFF writes of what it meets to the standard error, past Python."""
    content = bytearray(encoded(COLOUR[0], "TIFF", compression="tiff_deflate"))
    content[content.index(b"\x78") + 20] ^= 0xFF
    found = read_images(folder(tmp_path, letters() | {"A/bad.tif": bytes(content)}))
    assert found.notices == ("pictures that cannot be read are left out: A/bad.tif (damaged)",)
    assert capfd.readouterr() == ("", "")
    with pytest.raises(OSError):
        Image.open(io.BytesIO(content)).load()
    assert "ZIPDecode" in capfd.readouterr().err, "it would else"


def test_colour_modes_that_cannot_be_kept(tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.fromarray(COLOUR[0], "LAB").save(out, "TIFF")
    refuses(read_images, folder(tmp_path, {"a/1.tif": out.getvalue(), "b/1.tif": out.getvalue()}), "a/1.tif", "colour mode LAB")


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_cmyk_is_told(tmp_path: Path, form: str) -> None:
    content = encoded(COLOUR[0], form, mode="CMYK")
    found = read_images(folder(tmp_path, {"a/1.jpg": content, "b/1.jpg": content}))
    assert found.shape == (3, 4, 5) and found.notices == ("CMYK is turned into RGB: a/1.jpg, b/1.jpg",)


@pytest.mark.parametrize("form", ["GIF", "TIFF", "PNG", "WEBP"])
def test_several_frames_are_told(tmp_path: Path, form: str) -> None:
    options = {"lossless": True} if form == "WEBP" else {}
    content = encoded(GREY[0], form, save_all=True, append_images=[Image.fromarray(GREY[1])], **options)
    found = read_images(folder(tmp_path, {f"a/1.{form.lower()}": content, "b/1.png": encoded(GREY[2])}))
    assert found.notices == (f"only the first of several frames is taken: a/1.{form.lower()}",)
    assert found.train_x.reshape(2, -1, 20)[:, 0].tolist() == GREY[[0, 2]].reshape(2, 20).tolist()


def test_all_that_is_to_be_said_of_a_picture_is_said(tmp_path: Path) -> None:
    pages = [Image.fromarray(COLOUR[number]).convert("CMYK") for number in range(2)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    content = (tmp_path / "pages.tif").read_bytes()
    found = read_images(folder(tmp_path / "set", {"a/1.tif": content, "b/1.png": encoded(COLOUR[1])}))
    assert found.notices == ("only the first of several frames is taken: a/1.tif", "CMYK is turned into RGB: a/1.tif")


def test_no_program_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow would have Ghostscript run what is in an EPS, whatever the file is called."""
    programs, marker = tmp_path / "bin", tmp_path / "marker"
    programs.mkdir()
    (programs / "gs").write_text(f"#!/bin/sh\ntouch {marker}\n")
    (programs / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    eps = encoded(COLOUR[0], "EPS")
    found = read_images(folder(tmp_path / "set", letters() | {"A/eps.png": eps}))
    assert found.notices == ("pictures that cannot be read are left out: A/eps.png (not a picture)",) and not marker.exists()
    with pytest.raises(OSError):
        Image.open(io.BytesIO(eps)).load()
    assert marker.exists(), "without a list of formats it would"


@pytest.mark.parametrize("maker", MAKERS)
def test_unreadable_ones_are_counted(tmp_path: Path, maker: str) -> None:
    files = letters() | {"A/bad.png": b"", "B/worse.png": b"\x89PNG\r\n\x1a\nhello", "C/cut.png": encoded(GREY[0])[:50]}
    found = read_images(MAKERS[maker](tmp_path / maker, files))
    assert np.array_equal(found.train_x, GREY.reshape(6, 20))
    assert found.notices == (
        "pictures that cannot be read are left out: A/bad.png (an empty file), B/worse.png (not a picture), C/cut.png (damaged)",
    )


def test_other_formats_are_no_pictures(tmp_path: Path) -> None:
    """Whatever else Pillow could read: the fewer decoders a stranger's file can reach, the better."""
    files = letters() | {f"A/{form}.png": encoded(GREY[0], form) for form in ("ICO", "PCX", "EPS")}
    assert (
        read_images(folder(tmp_path, files))
        .notices[0]
        .startswith("pictures that cannot be read are left out: A/EPS.png (not a picture), A/ICO.png")
    )


def test_pointers_are_named(tmp_path: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\n"
    refuses(
        read_images,
        folder(tmp_path, {"a/1.png": pointer, "b/1.png": pointer}),
        "no pictures that can be used",
        "a/1.png (a Git LFS pointer",
    )


@pytest.mark.parametrize("maker", MAKERS)
def test_what_is_passed_over(tmp_path: Path, maker: str) -> None:
    more = {"A/.hidden.png": b"x", ".git/B/1.png": b"x", "__MACOSX/A/0.png": b"x", "readme.txt": b"x", "A/Thumbs.db": b"x"}
    found = read_images(MAKERS[maker](tmp_path / maker, letters() | more))
    assert len(found.train_x) == 6 and found.notices == (
        "files that are no pictures by their names are passed over: A/Thumbs.db, readme.txt",
    )


@pytest.mark.parametrize("maker", MAKERS)
def test_folders_around(tmp_path: Path, maker: str) -> None:
    files = {f"notMNIST_small/{name}": content for name, content in letters().items()}
    found = read_images(MAKERS[maker](tmp_path / maker, dict(reversed(files.items()))))
    assert np.array_equal(found.train_x, GREY.reshape(6, 20)) and found.classes == ("A", "B", "C")
    parts = {"0": "training", "1": "testing"}
    split = {f"set/{parts[name[2]]}/{name[0]}/sub/{name[2:]}": content for name, content in letters().items()}
    split["set/val/C/x.png"] = encoded(GREY[0])
    found = read_images(MAKERS[maker](tmp_path / f"b{maker}", split))
    assert found.test_x is not None and found.test_y is not None
    assert np.array_equal(found.train_x, GREY[[0, 2, 4, 0]].reshape(4, 20)) and found.train_y.tolist() == [0, 1, 2, 2]
    assert np.array_equal(found.test_x, GREY[1::2].reshape(3, 20)) and found.test_y.tolist() == [0, 1, 2]
    assert found.official_validation == 1


PARTS = {"train": [0, 2, 4], "test": [1, 3, 5]}
ALIKE = {part: part for part in PARTS}


def in_parts(names: dict[str, str], inner: str = "") -> Files:
    """Three pictures for each part: one of A, one of B, one of C. names: part → folder."""
    return {
        f"{folder}/{inner}{letter}/0.png": encoded(GREY[row])
        for part, folder in names.items()
        for letter, row in zip("ABC", PARTS[part], strict=True)
    }


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize(
    "files",
    [
        in_parts({"train": "training_set", "test": "test_set"}),
        in_parts({"train": "seg_train", "test": "seg_test"}),
        in_parts({"train": "seg_train/seg_train", "test": "seg_test/seg_test"}),
        in_parts({"train": "set/Train", "test": "set/TEST"}),
        in_parts({"train": "trainImages/jpg", "test": "test-images"}),
{"/".join((name.split("/")[1], *name.split("/")[::2])): content for name, content in in_parts(ALIKE).items()},
    ],
    ids=["set", "seg", "seg twice", "case", "words", "parts inside the classes"],
)  # fmt: skip
def test_folders_that_are_parts(tmp_path: Path, maker: str, files: Files) -> None:
    found = read_images(MAKERS[maker](tmp_path / maker, files))
    assert found.classes == ("A", "B", "C") and found.test_x is not None and found.test_y is not None
    assert np.array_equal(found.train_x, GREY[PARTS["train"]].reshape(3, 20)) and found.train_y.tolist() == [0, 1, 2]
    assert np.array_equal(found.test_x, GREY[PARTS["test"]].reshape(3, 20)) and found.test_y.tolist() == [0, 1, 2]


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"extra/A/1.png": encoded(GREY[0])}, "of its folders extra, test, train not each is one part"),
        ({"seg_pred/1.png": encoded(GREY[0])}, "seg_pred, test, train not each"),
        ({"train_masks/A/1.png": encoded(GREY[0])}, "test, train, train_masks not each"),
        ({"test/1.png": encoded(GREY[0])}, "test/1.png lies in no class's folder"),
    ],
)
def test_folders_beside_the_parts(tmp_path: Path, maker: str, more: Files, words: str) -> None:
    path = MAKERS[maker](tmp_path / maker, in_parts(ALIKE) | more)
    refuses(read_images, path, words)
    if "not each" in words:
        with pytest.raises(DataError) as caught:
            read_images(path)
        assert f"path: {path}/train" in str(caught.value.hint) and f"test_path: {path}/test" in str(caught.value.hint)


def test_the_hint_can_be_followed(tmp_path: Path) -> None:
    root = folder(tmp_path, in_parts({"train": "seg_train/seg_train", "test": "seg_test/seg_test"}) | {"seg_pred/1.png": b"x"})
    refuses(read_images, root, "seg_pred")
    assert read_images(root / "seg_train").classes == read_images(root / "seg_test").classes == ("A", "B", "C")


def test_classes_that_are_called_like_parts(tmp_path: Path) -> None:
    """Vehicles: no folder of parts has pictures of its own."""
    names = ("train", "test tube", "car")
    found = read_images(
        folder(tmp_path / "flat", {f"{name}/{number}.png": encoded(GREY[0]) for name in names for number in "12"})
    )
    assert found.classes == ("car", "test tube", "train") and found.test_x is None
    files = {f"{name}/nested/1.png": encoded(GREY[0]) for name in ("train_station", "bus_station")}
    found = read_images(folder(tmp_path / "nested", files))
    assert found.classes == ("bus_station", "train_station") and found.test_x is None
    (notice,) = found.notices
    assert notice == "each of the classes' folders has the folders nested in it: bus_station, train_station"
    found = read_images(folder(tmp_path / "both", {f"train/{name}/1.png": encoded(GREY[0]) for name in names}))
    assert found.classes == ("car", "test tube", "train")


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"D/": b""}, "D"),
        ({"D/": b"", "E/": b""}, "D, E"),
        ({"D/.hidden.png": b"x", "D/": b""}, "D"),
        ({"D/1.heic": b"x", "D/2.HEIC": b"x"}, "D"),
        ({"D/sub/labels": b"x"}, "D"),
    ],
)
def test_classes_without_pictures_are_told(tmp_path: Path, maker: str, more: Files, told: str) -> None:
    found = read_images(MAKERS[maker](tmp_path / maker, letters() | more))
    assert found.classes == ("A", "B", "C")
    assert found.notices[0] == f"no class is made of folders without a picture: {told}"
    passed = [name for name in more if ("." in name and "hidden" not in name) or "labels" in name]
    told_of = f"files that are no pictures by their names are passed over: {', '.join(passed)}"
    assert found.notices[1:] == ((told_of,) if passed else ())
    parts = {f"train/{name}": content for name, content in (letters() | more).items()} | {"test/A/1.png": encoded(GREY[0])}
    found = read_images(MAKERS[maker](tmp_path / f"b{maker}", parts))
    assert found.notices[0].endswith(": train/" + told.replace(", ", ", train/"))


def test_a_class_of_the_validation_part_alone(tmp_path: Path) -> None:
    files = {f"train/{name}": content for name, content in letters().items()} | {"val/D/1.png": encoded(GREY[0])}
    refuses(read_images, folder(tmp_path, files), "no picture of the class D is in the training part")


def test_classes_of_numbers_are_in_their_order(tmp_path: Path) -> None:
    files = {f"{number}/a.png": encoded(np.full((2, 2), number, dtype=np.uint8)) for number in range(12)}
    found = read_images(folder(tmp_path, files))
    assert found.classes == tuple(map(str, range(12)))
    assert found.train_x[:, 0].tolist() == found.train_y.tolist() == list(range(12))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "holds no pictures"),
        ({"a/1.txt": b"x"}, "holds no pictures"),
        ({"a/1.png": encoded(GREY[0])}, "one class, a"),
        (letters() | {"D/1.png": b"x"}, "no picture of the class D can be read"),
        (letters() | {"stray.png": encoded(GREY[0])}, "stray.png lies in no class's folder"),
        (letters() | {"C/odd.png": encoded(GREY[0, :3])}, "C/odd.png is 5 x 3 pixels, A/0.png is 5 x 4"),
        (
            {f"train/{name}": c for name, c in letters().items()} | {"test/D/1.png": encoded(GREY[0])},
            "class D is in the training",
        ),
        ({f"train/{name}": c for name, c in letters().items()} | {"test/1.png": encoded(GREY[0])}, "test/1.png lies in no"),
    ],
)
@pytest.mark.parametrize("maker", MAKERS)
def test_what_is_wrong_is_named(tmp_path: Path, maker: str, files: Files, words: str) -> None:
    (tmp_path / "folder").mkdir()
    refuses(read_images, MAKERS[maker](tmp_path / maker, files), words)


@pytest.mark.parametrize("maker", ["a.tar", "a.tar.gz", "a.zip"])
@pytest.mark.parametrize("name", ["../../A/out.png", "A/../../out.png", "..\\..\\out.png", "/../out.png"])
def test_names_that_lead_out(tmp_path: Path, maker: str, name: str) -> None:
    (tmp_path / "inner").mkdir()
    path = MAKERS[maker](tmp_path / "inner" / maker, letters() | {name: b"x"})
    refuses(read_images, path, "leads out of the archive")
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == [maker]


@pytest.mark.parametrize("maker", ["a.tar", "a.zip"])
def test_names_of_nothing(tmp_path: Path, maker: str) -> None:
    found = read_images(MAKERS[maker](tmp_path / maker, letters() | {".": b"x", "./": b"", "/": b""}))
    assert len(found.train_x) == 6 and found.notices == ()


def test_links_in_an_archive(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", letters(), "w")
    with tarfile.open(path, "a") as out:
        info = tarfile.TarInfo("A/passwd.png")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        out.addfile(info)
    assert len(read_images(path).train_x) == 6


def test_links_in_a_folder(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(encoded(GREY[0]))
    root = folder(tmp_path / "set", letters())
    (root / "A/in.png").symlink_to("../B/0.png")
    (root / "A/out.png").symlink_to(secret)
    (root / "B/gone.png").symlink_to("nowhere.png")
    (root / "D").symlink_to(tmp_path)
    (root / "A/loop").symlink_to("..")
    found = read_images(root)
    assert np.array_equal(found.train_x, GREY[[0, 1, 2, 2, 3, 4, 5]].reshape(7, 20))
    assert found.notices == ("links that lead out of the folder are not followed: A/loop, A/out.png, B/gone.png and 1 more",)


def test_special_files(tmp_path: Path) -> None:
    root = folder(tmp_path / "set", letters())
    os.mkfifo(root / "A/pipe.png")
    assert len(read_images(root).train_x) == 6


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("size", [(60_000, 60_000), (20_000, 20_000), (10_000, 10_000), (1100, 1000)])
def test_pictures_that_declare_too_much(tmp_path: Path, maker: str, size: tuple[int, int]) -> None:
    path = MAKERS[maker](tmp_path / maker, letters() | {"A/0.png": huge(*size)})
    refuses(read_images, path, "A/0.png")


@pytest.mark.parametrize("maker", MAKERS)
def test_many_pictures_of_nothing(tmp_path: Path, maker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "LIMIT", 5 << 20)
    picture = huge(1000, 1000, bytes(1001 * 1000))
    path = MAKERS[maker](tmp_path / maker, {f"{letter}/{number}.png": picture for letter in "ab" for number in range(4)})
    refuses(read_images, path, "holds more than 5,242,880 bytes")


def test_one_name_twice(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", letters(), "w")
    with tarfile.open(path, "a") as out:
        out.addfile(tarfile.TarInfo("./A/0.png"))
    refuses(read_images, path, "A/0.png: is there twice")


@pytest.mark.parametrize("maker", ["a.tar", "a.tar.gz", "a.zip"])
def test_mutants_of_archives(tmp_path: Path, maker: str) -> None:
    check_mutants(read_images, MAKERS[maker](tmp_path / maker, letters()), 0.1 if maker == "a.tar" else 0.45)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM", "TIFF"])
def test_mutants_of_pictures(tmp_path: Path, form: str) -> None:
    root = folder(tmp_path, {"A/1.png": encoded(COLOUR[1]), "B/1.png": encoded(COLOUR[2]), "A/2.png": encoded(COLOUR[0], form)})
    check_mutants(lambda path: read_images(path.parent.parent), root / "A/2.png", 0, root)
