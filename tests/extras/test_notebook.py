"""The API in a notebook: the kernel is started, cells run, and what they show is looked at."""

from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

CELLS = (
    "import numpy as np, mlp_cli\n"
    "generator = np.random.default_rng(0)\n"
    "x = generator.normal(size=(200, 3)); y = (x[:, 0] > 0).astype(int)",
    "run = mlp_cli.train(data=(x, y), hidden_sizes=[4], epochs=3, name='cell')\nrun",
    "run.plot()",
    "mlp_cli.sweep(data=(x, y), hidden_sizes=[[2], [4]], epochs=2, seeds=2, workers=1)",
    "mlp_cli.report()",
    "mlp_cli.MLPClassifier(epochs=3).fit(x, y)",
    "mlp_cli.train(data=(x, y), hiden_sizes=[4])",
)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, Any]]]:
    """The outputs of each cell."""
    folder = tmp_path_factory.mktemp("notebook")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    nbclient.NotebookClient(
        book, kernel_name="python3", resources={"metadata": {"path": str(folder)}}, allow_errors=True
    ).execute()
    assert (Path(folder) / "results").is_dir()
    return [cell.outputs for cell in book.cells]


def data_of(outputs: list[dict[str, Any]]) -> dict[str, str]:
    """What a cell's value is shown as, by MIME type."""
    (result,) = [output for output in outputs if output["output_type"] == "execute_result"]
    return dict(result["data"])


def test_a_run_is_shown_with_its_curve(shown: list[list[dict[str, Any]]]) -> None:
    page = data_of(shown[1])["text/html"]
    assert "validation accuracy" in page
    assert "data:image/png;base64" in page
    assert "image/png" in data_of(shown[2])


def test_a_bar_of_the_notebook_or_of_text_is_drawn(shown: list[list[dict[str, Any]]]) -> None:
    drawn = str(shown[1])
    assert "epoch 3/3" in drawn or "application/vnd.jupyter.widget-view+json" in drawn


def test_a_sweep_and_a_report_are_shown_as_tables(shown: list[list[dict[str, Any]]]) -> None:
    for outputs in (shown[3], shown[4]):
        page = data_of(outputs)["text/html"]
        assert "<table" in page
        assert "Best by mean validation accuracy" in page
    assert "text/html" in data_of(shown[5])


def test_an_error_says_what_to_do(shown: list[list[dict[str, Any]]]) -> None:
    (error,) = [output for output in shown[6] if output["output_type"] == "error"]
    assert error["ename"] == "ConfigError"
    assert "did you mean hidden_sizes?" in error["evalue"]
