"""The filters that `features: patches` learns, drawn by `mlp data show CONFIG`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from small_sets import Answer, arrays_in

from mlp_cli.plots import run as figures


@pytest.mark.parametrize(
    ("shape", "extra"), [((6, 6), ""), ((3, 6, 6), ""), ((6, 6, 3), "augment: {steps: [flip], copies: 1}\n")]
)
def test_the_filters_of_a_run_are_drawn(
    mlp: Callable[..., Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], extra: str
) -> None:
    """They are those in its model, each as a picture whose colours come last."""
    generator = np.random.default_rng(3)
    np.savez(tmp_path / "set.npz", x=generator.integers(0, 256, (80, *shape), np.uint8), y=np.arange(80) % 2)
    (tmp_path / "run.yaml").write_text(
        f"dataset: {{path: set.npz}}\nfeatures: {{name: patches, filters: 70, size: 3, samples: 2000}}\nepochs: 1\n{extra}"
    )
    drawn: list[Any] = []
    draw = figures.weights
    monkeypatch.setattr(figures, "weights", lambda *given: drawn.append(given) or draw(*given))
    answer = mlp("data", "show", "run.yaml", "--json")
    assert answer.code == 0, answer.err
    assert '"filters_file": "run_filters.png"' in answer.out and ('"augment_file"' in answer.out) == bool(extra)
    with Image.open(tmp_path / "run_filters.png") as image:
        assert min(image.size) > 500
    assert mlp("train", "run.yaml", "--no-plots").code == 0
    (folder,) = (tmp_path / "results").iterdir()
    filters, channels = arrays_in(folder / "model.npz")["learnt_filters"], 1 if len(shape) == 2 else 3
    ((weight, layout, _, told),) = drawn
    assert layout == (3, 3, channels) and "3 × 3 pixels" in told and "the first 64 of 70" in told
    for place in (0, 63):
        planes = filters[place].reshape(channels, 3, 3)
        np.testing.assert_array_equal(weight[:, place].reshape(layout)[..., channels - 1], planes[channels - 1])


def test_other_features_and_tables_have_none(mlp: Callable[..., Answer], tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", x=np.random.default_rng(3).normal(size=(80, 5)), y=np.arange(80) % 2)
    (tmp_path / "run.yaml").write_text("dataset: {path: set.npz}\nfeatures: pca\n")
    answer = mlp("data", "show", "run.yaml")
    assert answer.code == 0 and "wrote run_data.png\n" in answer.out
    (tmp_path / "run.yaml").write_text("dataset: {path: set.npz}\nfeatures: patches\n")
    answer = mlp("data", "show", "run.yaml")
    assert answer.code == 2 and "needs pictures" in answer.err
