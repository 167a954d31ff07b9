"""The tables that grow with each epoch, and what progress looks like."""

import io
from pathlib import Path

import pytest

from mlp_cli.errors import RunError
from mlp_cli.training.callbacks import TablesWriter
from mlp_cli.training.progress import BarProgress, PlainProgress, epoch_line
from mlp_cli.training.state import Row

FIRST = Row(1, 0.5, 0.75, 0.4, 0.8, 0.001, 2.0)
SECOND = Row(2, 1 / 3, 0.8, 0.3, 0.85, 5e-05, 2.5)


def test_one_row_an_epoch_with_exact_numbers(tmp_path: Path) -> None:
    writer = TablesWriter(tmp_path, "accuracy", [], samples=1000)
    writer.on_epoch(FIRST)
    writer.on_epoch(SECOND)
    assert (tmp_path / "metrics.csv").read_text() == (
        "epoch,train_loss,train_accuracy,val_loss,val_accuracy,learning_rate\n"
        "1,0.5,0.75,0.4,0.8,0.001\n"
        "2,0.3333333333333333,0.8,0.3,0.85,5e-05\n"
    )
    assert (tmp_path / "timings.csv").read_text() == "epoch,seconds,samples_per_second\n1,2.0000,500\n2,2.5000,400\n"


def test_history_replaces_whatever_was_there(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("epoch,train_loss\n1,0.5\n2,0.33\n3,0.2")
    TablesWriter(tmp_path, "accuracy", [FIRST], samples=1000)
    assert (tmp_path / "metrics.csv").read_text().splitlines()[1:] == ["1,0.5,0.75,0.4,0.8,0.001"]


def test_appending_gives_the_bytes_of_writing_whole(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    TablesWriter(tmp_path / "a", "r2", [FIRST, SECOND], samples=10)
    TablesWriter(tmp_path / "b", "r2", [FIRST], samples=10).on_epoch(SECOND)
    assert (tmp_path / "a/metrics.csv").read_bytes() == (tmp_path / "b/metrics.csv").read_bytes()
    assert b"train_r2" in (tmp_path / "a/metrics.csv").read_bytes()


def test_no_validation_leaves_the_cells_empty(tmp_path: Path) -> None:
    TablesWriter(tmp_path, "accuracy", [Row(1, 0.5, 0.75, None, None, 0.001, 1.0)], samples=10)
    assert (tmp_path / "metrics.csv").read_text().splitlines()[1] == "1,0.5,0.75,,,0.001"


def test_a_table_that_vanishes_is_an_error(tmp_path: Path) -> None:
    writer = TablesWriter(tmp_path, "accuracy", [], samples=10)
    (tmp_path / "metrics.csv").unlink()
    with pytest.raises(RunError, match=r"metrics\.csv: the folder is gone"):
        writer.on_epoch(FIRST)


def test_epoch_line() -> None:
    assert epoch_line(FIRST, 10, "accuracy", 1000) == (
        "epoch  1/10  loss 0.5000  accuracy 75.00 %  val loss 0.4000  val accuracy 80.00 %  lr 0.001  500 samples/s"
    )
    quantity = epoch_line(Row(1, 9e8, 0.5, 0.16, 0.7, 0.01, 1.0), 3, "r2", 10, "RMSE")
    assert quantity.startswith("epoch 1/3  RMSE 30,000  R² 0.5000  val RMSE 0.4000  val R² 0.7000"), "the roots of both losses"
    poor = epoch_line(Row(1, 2.3e-7, -8.123e21, 7180805389.6, -4567.8, 0.01, 1.0), 3, "r2", 10)
    assert poor.startswith("epoch 1/3  loss 2.3·10⁻⁷  R² −8.1·10²¹  val loss 7.1808·10⁹  val R² −4,568")
    assert epoch_line(Row(0, 2.3, 0.1, None, None, 0.0, 1.0), 0, "r2", 10) == "epoch 0/0  loss 2.3000  R² 0.1000"


def test_plain_progress_is_one_line_an_epoch() -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream, "accuracy")
    progress.on_start(2, 10, 1000, 0)
    progress.on_epoch(FIRST)
    progress.on_epoch(SECOND)
    progress.on_end()
    assert [line.split("  ")[0] for line in stream.getvalue().splitlines()] == ["epoch 1/2", "epoch 2/2"]


def test_bar_shows_loss_validation_and_speed() -> None:
    stream = io.StringIO()
    progress = BarProgress(stream, "accuracy")
    progress.on_start(2, 10, 1000, 1)
    for step in range(1, 11):
        progress.on_step(step, 0.25)
        progress.due = 0.0
    progress.on_epoch(SECOND)
    progress.on_end()
    text = stream.getvalue()
    for piece in ("epoch 2/2", "loss 0.2500", "loss 0.3333", "val accuracy 85.00 %", "samples/s", "100%"):
        assert piece in text, piece
