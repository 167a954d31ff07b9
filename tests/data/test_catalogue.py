"""The catalogue's entries hang together, and their names are what a config may say."""

import subprocess
import sys

import pytest

from mlp_cli.data import catalogue
from mlp_cli.data.catalogue import ENTRIES, File
from mlp_cli.errors import UsageError


@pytest.mark.parametrize("name", catalogue.names())
def test_entries_hang_together(name: str) -> None:
    entry = catalogue.entry(name)
    assert entry.name == name and entry.title and entry.licence and entry.source
    assert len(set(entry.classes)) == len(entry.classes) > 1
    assert 0 < entry.validation < entry.train
    assert all(mirror.startswith(("http://", "https://")) and mirror.endswith("/") for mirror in entry.mirrors)
    assert entry.folders, "the error that asks for files names the first folder"
    pixels = entry.shape[0] * entry.shape[1]
    sizes = {"train_x": 16 + entry.train * pixels, "train_y": 8 + entry.train}
    sizes |= {"test_x": 16 + entry.test * pixels, "test_y": 8 + entry.test}
    assert {file.role: file.bytes for file in entry.files} == sizes
    for file in entry.files:
        assert all(len(sum_) == 64 and int(sum_, 16) for sum_ in (file.sha256, file.packed_sha256))


def test_no_two_files_have_the_same_content() -> None:
    sums = [file.sha256 for entry in ENTRIES.values() for file in entry.files]
    assert len(set(sums)) == len(sums)
    assert catalogue.owner_of(ENTRIES["fashion_mnist"].files[2].sha256) == "fashion_mnist"
    assert catalogue.owner_of("0" * 64) is None


def test_both_spellings_are_known() -> None:
    file: File = ENTRIES["mnist"].files[0]
    assert file.names == ("train-images-idx3-ubyte", "train-images.idx3-ubyte")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("minst", "mnist"), ("MNIST", "mnist"), ("fashion-mnist", "fashion_mnist"), ("fashionmnist", "fashion_mnist")],
)
def test_the_nearest_name_is_offered(wrong: str, right: str) -> None:
    with pytest.raises(UsageError, match=f"unknown dataset '{wrong}'; did you mean {right}") as caught:
        catalogue.entry(wrong)
    assert all(name in str(caught.value.hint) for name in ENTRIES)


def test_the_names_cost_no_numpy() -> None:
    code = "import sys; from mlp_cli.data import catalogue; catalogue.names(); sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
