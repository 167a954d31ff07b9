"""The catalogue's entries hang together, and their names are what a config may say."""

import subprocess
import sys

import pytest

from mlp_cli.data import catalogue
from mlp_cli.data.catalogue import ENTRIES, Entry, File
from mlp_cli.data.synthetic import synthetic
from mlp_cli.data.transforms import SCALES
from mlp_cli.errors import UsageError

EVERY = [one for entry in ENTRIES.values() for one in (entry, *entry.subsets)]


@pytest.mark.parametrize("entry", EVERY, ids=lambda entry: entry.key)
def test_entries_hang_together(entry: Entry) -> None:
    assert entry.title and entry.licence and entry.source
    assert len(set(entry.classes)) == len(entry.classes) > 1
    assert 0 < entry.validation < entry.train and (entry.test > 0) != (entry.held_out is not None)
    assert entry.scale in SCALES
    assert all(mirror.startswith(("http://", "https://")) and mirror.endswith("/") for mirror in entry.mirrors)
    assert entry.form == "installed" or bool(entry.files or entry.subsets) == bool(entry.folders), (
        "the error that asks for files names the first folder"
    )
    for file in entry.files:
        sums = [file.sha256, file.packed_sha256]
        assert any(sums) and all(len(sum_) == 64 and int(sum_, 16) for sum_ in sums if sum_)
        assert file.packed_bytes > 0 or entry.form == "installed"
    if entry.form == "idx" and entry.files:
        parts = ("train", "test") if entry.test else ("train",)
        assert {file.role for file in entry.files} == {f"{part}_{kind}" for part in parts for kind in "xy"}


@pytest.mark.parametrize("name", [entry.name for entry in EVERY if entry.form == "generated"])
def test_generated_sets_are_as_described(name: str) -> None:
    entry, whole = ENTRIES[name], synthetic[name]()
    assert set(synthetic) == {entry.name for entry in EVERY if entry.form == "generated"}
    assert (len(whole.train_y), len(whole.test_y)) == (entry.train, entry.test)  # type: ignore[arg-type]
    assert (whole.name, whole.shape, whole.classes) == (name, entry.shape, entry.classes)


def test_subsets() -> None:
    assert catalogue.subset_names("emnist") == ("balanced", "letters", "digits", "mnist", "byclass", "bymerge")
    assert catalogue.subset_names("mnist") == () and catalogue.default_subset("emnist") == "balanced"
    assert catalogue.default_subset("notmnist") is None, "the files at hand decide"
    assert catalogue.entry("emnist", "letters").classes[0] == "a" and len(catalogue.entry("emnist", "byclass").classes) == 62
    with pytest.raises(UsageError, match="emnist has no subset 'leters'; did you mean letters"):
        catalogue.entry("emnist", "leters")
    keys = [one.key for entry in ENTRIES.values() for one in (entry.subsets or (entry,))]
    assert len(set(keys)) == len(keys)


def test_no_two_files_have_the_same_content() -> None:
    sums = [file.sha256 for entry in ENTRIES.values() for one in entry.subsets or (entry,) for file in one.files if file.sha256]
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
