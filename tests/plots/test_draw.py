"""The figures of a whole run: which there are, what they are named after, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_sets import Answer

from mlp_cli.plots import run, style

Mlp = Callable[..., Answer]


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The figures that were written, by name, in their order."""
    figures: dict[str, Any] = {}
    save = style.save

    def keep(figure: Any, path: Path) -> None:
        figures[path.stem] = figure
        save(figure, path)

    monkeypatch.setattr(style, "save", keep)
    return figures


def table(path: Path, target: str, values: list[str]) -> None:
    random = np.random.default_rng(0)
    rows = [f"{x:.3f},{y:.3f},{values[k % len(values)]}" for k, (x, y) in enumerate(random.normal(size=(60, 2)))]
    path.write_text("\n".join([f"petal length,花,{target}", *rows]) + "\n", encoding="utf-8")


CONFIG = "dataset: {{path: t.csv, target: {target}, validation: 0.2, test: 0.2}}\nhidden_sizes: [4]\nepochs: {epochs}\n{more}"


def test_a_plane_has_the_names_of_the_columns_and_a_notice_of_what_is_a_box(
    mlp: Mlp, tmp_path: Path, saved: dict[str, Any]
) -> None:
    table(tmp_path / "t.csv", "kind", ["红", "b"])
    (tmp_path / "c.yaml").write_text(CONFIG.format(target="kind", epochs=1, more=""))
    answer = mlp("train", tmp_path / "c.yaml", "--results", tmp_path / "results")
    assert answer.code == 0, answer.err
    axes = saved["regions"].axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("petal length", "□")
    notice = "the figures have boxes for 红, 花: no installed font has them; Noto Sans CJK would"
    (log,) = (tmp_path / "results").glob("*/log.txt")
    assert answer.err.count(notice) == 1 and log.read_text().count(notice) == 1
    assert set(saved) == {"confusion", "classes", "regions", "accuracy", "loss"}
    assert list(saved)[-2:] == ["accuracy", "loss"], "they tell that all are there"
    assert not run.figures_missing(log.parent)
    assert [line.get_label() for line in saved["loss"].axes[0].get_lines()] == ["training", "validation"], "one epoch"


def test_a_quantity_has_its_own_figures_and_its_columns_name(mlp: Mlp, tmp_path: Path, saved: dict[str, Any]) -> None:
    table(tmp_path / "t.csv", "price", ["1.5", "2.25", "1000000.5", "3.5"])
    (tmp_path / "c.yaml").write_text(CONFIG.format(target="price", epochs=2, more="loss: mse\n"))
    answer = mlp("train", tmp_path / "c.yaml", "--results", tmp_path / "results")
    assert answer.code == 0, answer.err
    assert list(saved) == ["fit", "residuals", "accuracy", "loss"]
    assert saved["fit"].axes[0].get_xlabel() == "true price"
    assert saved["fit"].texts[0].get_text().startswith("c · test R² ")
    assert saved["fit"].texts[1].get_text().startswith("12 test rows; RMSE ")
    assert saved["accuracy"].axes[0].get_ylabel().startswith("R²")


def test_a_set_is_shown_with_the_same_names_and_the_same_notice(mlp: Mlp, tmp_path: Path, saved: dict[str, Any]) -> None:
    table(tmp_path / "t.csv", "kind", ["红", "b"])
    answer = mlp("data", "show", tmp_path / "t.csv", "--target", "kind", "--out", tmp_path / "x.png")
    assert answer.code == 0, answer.err
    (figure,) = saved.values()
    assert figure.axes[0].get_xlabel() == "petal length" and (tmp_path / "x.png").exists()
    assert answer.err.count("the figures have boxes for") == 1


def test_sets_without_columns_have_numbered_features(mlp: Mlp, tmp_path: Path, saved: dict[str, Any]) -> None:
    (tmp_path / "c.yaml").write_text("dataset: moons\nhidden_sizes: [4]\nepochs: 1\n")
    answer = mlp("train", tmp_path / "c.yaml", "--results", tmp_path / "results")
    assert answer.code == 0, answer.err
    axes = saved["regions"].axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("feature 1", "feature 2")
    assert "boxes" not in answer.err
