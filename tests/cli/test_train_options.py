"""`mlp train` with what regularises, scores and ends a run: what makes no sense is refused, and what goes together works."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from small_sets import Answer, arrays_in

Mlp = Callable[..., Answer]


def test_a_budget_ends_in_good_order_and_the_same_command_goes_on(mlp: Mlp, small_config: Path) -> None:
    answer = mlp("train", small_config, "epochs=40", "checkpoint_every=7", "--no-plots", "--budget", "0.001s")
    (folder,) = Path("results").glob("small-*")
    assert answer.code == 0 and "the budget is used up after epoch 1 of 40; run the same command again" in answer.out
    record = json.loads((folder / "run.json").read_text())
    assert (record["status"], record["error"], record["epochs"], record["metrics"]) == ("interrupted", None, 1, {})
    assert mlp("train", small_config, "epochs=40", "checkpoint_every=7", "--no-plots").code == 0
    assert "going on after epoch 1 of 40" in (folder / "log.txt").read_text(), "nothing was lost"
    mlp("train", small_config, "epochs=40", "checkpoint_every=7", "--no-plots", "--results", "other")
    (whole,) = Path("other").glob("small-*")
    assert (folder / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    assert mlp("train", small_config, "--budget", "soon").code == 2


NONSENSE = (
    (("loss=binary_cross_entropy",), "is for two classes, and shapes has 4 classes"),
    (("batch_norm=true", "batch_size=1"), "a batch would be a single row"),
    (("batch_norm=true", "batch_size=499"), "the last batch of the 500 training rows would be a single row"),
    (("layer_norm=true", "hidden_sizes=[4, 1]"), "a hidden layer of 1 unit"),
    (("layer_norm=true", "batch_norm=true"), "does not go with batch_norm"),
    (("class_weight={cat: 2}",), "shapes has no class cat"),
    (("class_weight=equal",), "must be balanced"),
    (("loss=mse", "label_smoothing=0.1"), "is for classes"),
    (("engine=scalar", "dtype=float64", "ema=0.9"), "scalar has no ema"),
    (("engine=scalar", "dtype=float64", "diagnostics=true"), "scalar has no diagnostics"),
    (("engine=scalar", "dtype=float64", "activation=gelu"), "scalar has identity, relu, leaky_relu, sigmoid, tanh and softplus"),
    (("early_stopping={monitor: val_accuracy, target: 98}",), "write 0.98 or 98%"),
)


@pytest.mark.parametrize(("overrides", "words"), NONSENSE, ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
def test_what_makes_no_sense_is_refused_before_training(
    mlp: Mlp, small_config: Path, overrides: tuple[str, ...], words: str
) -> None:
    answer = mlp("train", small_config, "--no-plots", *overrides)
    assert answer.code == 2 and words in answer.err and not list(Path().glob("results/*/metrics.csv"))


def test_a_binary_loss_has_one_output_and_the_scores_of_two_classes(mlp: Mlp, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(
        "dataset: moons\nloss: binary_cross_entropy\nhidden_sizes: [8]\nepochs: 5\nbatch_size: 64\nlearning_rate: 0.01\n"
    )
    assert mlp("train", "m.yaml").code == 0
    (folder,) = Path("results").glob("m-*")
    metrics, arrays = json.loads((folder / "run.json").read_text())["metrics"], arrays_in(folder / "model.npz")
    assert metrics["test_accuracy"] > 0.85 and arrays["W2"].shape == (8, 1)
    assert {path.name for path in (folder / "plots").iterdir()} >= {"confusion.png", "regions.png"}


def test_metrics_besides_the_accuracy(mlp: Mlp, small_config: Path) -> None:
    answer = mlp(
        "train", small_config, "--no-plots", "--json", "metrics=[macro_f1, recall, {name: top_k, k: 2}, calibration_error]"
    )
    found = json.loads(answer.out)["metrics"]
    recalls = [found[f"test_recall_{name}"] for name in "0123"]
    assert {"val_macro_f1", "test_macro_f1", "val_calibration_error", "test_top_2_accuracy"} <= set(found)
    assert found["test_top_2_accuracy"] >= found["test_accuracy"] and all(0 <= value <= 1 for value in recalls)
    plain = json.loads(mlp("train", small_config, "--no-plots", "--json").out)["metrics"]
    assert {name: found[name] for name in plain} == plain, "nothing else changes"
    assert "k: 4 is 1 for 4 classes" in mlp("train", small_config, "metrics=[{name: top_k, k: 4}]").err
    assert "unknown metrics; did you mean macro_f1?" in mlp("train", small_config, "metrics=[macro_f]").err


@pytest.mark.parametrize(("rate", "told"), [("1e-9", True), ("3e-3", False)])
def test_a_run_that_learned_nothing_says_so(mlp: Mlp, small_config: Path, rate: str, told: bool) -> None:
    """With so small a rate the weights stay as they were drawn: four classes, and fewer than 40 % right."""
    answer = mlp("train", small_config, "--no-plots", f"learning_rate={rate}", "metrics=[macro_f1]")
    (folder,) = Path("results").glob("small-*")
    record = json.loads((folder / "run.json").read_text())
    share = record["data"]["largest_class"]["validation"]
    note = f"better than always naming the largest class ({100 * share:.2f} %); `mlp lr-find` finds a learning rate"
    assert answer.code == 0 and (note in answer.err) == told
    assert f"macro F1 {record['metrics']['val_macro_f1']:.5g}" in answer.out


def test_a_quantity_that_was_not_learned_says_so(mlp: Mlp, tmp_path: Path) -> None:
    """y = x: answering about 0, the rows' mean, has an R² of at most 0."""
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{n % 17},{n % 17}\n" for n in range(80)))
    (tmp_path / "t.yaml").write_text("dataset: {path: t.csv, target: y}\nloss: mse\nepochs: 1\nlearning_rate: 1e-9\n")
    answer = mlp("train", "t.yaml", "--no-plots", "initializer=zeros")
    assert answer.code == 0 and "no better than always answering the mean" in answer.err
