"""A set of the catalogue out of folders in every layout; only the official content counts."""

from pathlib import Path

import numpy as np
import pytest
import tiny as support
from tiny import Tiny

from mlp_cli.data import sources
from mlp_cli.errors import DataError

tiny, walls = support.tiny, support.walls


def take(made: Tiny, root: Path) -> tuple[dict[str, np.ndarray], list[str]]:
    raw = sources.take(made.entry, root)
    return raw.arrays(), [text.removesuffix("; passed over") for text in raw.notices]


def check(made: Tiny, arrays: dict[str, np.ndarray]) -> None:
    assert set(arrays) == set(made.arrays)
    for role, array in made.arrays.items():
        assert arrays[role].dtype == (np.uint8 if role.endswith("x") else np.int64)
        assert arrays[role].tolist() == array.reshape(len(array), -1 if role.endswith("x") else 1).squeeze().tolist()


@pytest.mark.parametrize("place", ["tiny", "TINY/raw", "."])
@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
@pytest.mark.parametrize("spelling", [0, 1])
def test_every_layout_is_found(tiny: Tiny, tmp_path: Path, place: str, suffix: str, spelling: int) -> None:
    tiny.write(tmp_path / "data" / place, suffix, spelling)
    arrays, complaints = take(tiny, tmp_path / "data")
    check(tiny, arrays)
    assert not complaints
    assert sources.seems_here(tiny.entry, tmp_path / "data") == tmp_path / "data" / place


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_keras_layout(tiny: Tiny, tmp_path: Path, save: object) -> None:
    keys = {f"{kind}_{part}": tiny.arrays[f"{part}_{kind}"] for part in ("train", "test") for kind in "xy"}
    save(tmp_path / "tiny.npz", **keys)  # type: ignore[operator]
    check(tiny, take(tiny, tmp_path)[0])
    keys["y_test"] = keys["y_test"][::-1].copy()
    save(tmp_path / "tiny.npz", **keys)  # type: ignore[operator]
    with pytest.raises(DataError, match=r"tiny.npz: not the official file: its test_y has the shape \(8,\)"):
        take(tiny, tmp_path)


def test_an_empty_folder_has_nothing(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(sources.Absent, match="has no file of tiny"):
        take(tiny, tmp_path)
    assert sources.seems_here(tiny.entry, tmp_path) is None


@pytest.mark.parametrize("place", ["tiny", "."])
def test_the_other_set_is_named_and_not_taken(tiny: Tiny, tmp_path: Path, place: str) -> None:
    support.make_tiny("other", 2).write(tmp_path / place)
    with pytest.raises(DataError, match="belongs to other, not to tiny") as caught:
        take(tiny, tmp_path)
    assert not isinstance(caught.value, sources.Absent)
    assert caught.value.message.count("belongs to") == 1, "one file is enough to know"
    assert sources.seems_here(tiny.entry, tmp_path) is None


def test_a_broken_place_does_not_hide_a_good_one(tiny: Tiny, tmp_path: Path) -> None:
    support.make_tiny("other", 2).write(tmp_path / "tiny")
    tiny.write(tmp_path / "TINY/raw")
    arrays, complaints = take(tiny, tmp_path)
    check(tiny, arrays)
    assert len(complaints) == 1 and "belongs to other" in complaints[0]


def test_a_broken_copy_does_not_hide_a_good_one(tiny: Tiny, tmp_path: Path) -> None:
    tiny.write(tmp_path)
    name = tiny.entry.files[0].names[0]
    (tmp_path / name).write_bytes(tiny.contents["train_x"][:-5])
    arrays, complaints = take(tiny, tmp_path)
    check(tiny, arrays)
    assert len(complaints) == 1 and f"{name}: its header declares 24 x 3 x 2 values = 144 bytes, 139 follow" in complaints[0]


def test_all_that_is_wrong_is_told_at_once(tiny: Tiny, tmp_path: Path) -> None:
    tiny.write(tmp_path, "")
    names = {file.role: tmp_path / file.names[0] for file in tiny.entry.files}
    names["train_x"].write_bytes(b"<!DOCTYPE html>")
    names["test_x"].write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    names["train_y"].write_bytes(tiny.contents["train_y"] + b"\0")
    names["test_y"].write_bytes(tiny.contents["test_y"][:-1] + b"\x09")
    with pytest.raises(DataError) as caught:
        take(tiny, tmp_path)
    for path, reason in (
        (names["train_x"], "starts with <!DOCTYPE: an HTML page"),
        (names["test_x"], "a Git LFS pointer"),
        (
            names["train_y"],
            f"its header declares {support.TRAIN} values = {support.TRAIN} bytes, {support.TRAIN + 1} follow",
        ),
        (names["test_y"], f"not the official file: its test_y has the shape ({support.TEST},) and SHA-256 "),
    ):
        assert f"{path}: {reason}" in caught.value.message


def test_missing_files_are_named(tiny: Tiny, tmp_path: Path) -> None:
    tiny.write(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"lacks t10k-labels-idx1-ubyte$"):
        take(tiny, tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").symlink_to(tmp_path / "gone")
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte.gz: no such file"):
        take(tiny, tmp_path)
