"""The plain-Python engine against the NumPy one, step by step and weight by weight, and behind all that training asks of a network."""

import inspect
import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from mlp_cli.data.batches import Batches
from mlp_cli.data.dataset import Array, Part
from mlp_cli.data.transforms import fit
from mlp_cli.errors import Diverged, Interrupted
from mlp_cli.nn.activations import activations
from mlp_cli.nn.gradcheck import check_gradients
from mlp_cli.nn.initializers import initializers
from mlp_cli.nn.losses import Loss, Reduction, losses
from mlp_cli.nn.network import Network, build_network
from mlp_cli.nn.optimizers import optimizers
from mlp_cli.nn.scalar import ACTIVATIONS, LOSSES, OPTIMIZERS, ScalarNetwork, ScalarRule, scalar_parts
from mlp_cli.nn.schedules import schedules
from mlp_cli.nn.updater import Updater
from mlp_cli.registry import Option, Registry
from mlp_cli.training import checkpoint
from mlp_cli.training.callbacks import Callback
from mlp_cli.training.state import Best, Row, TrainingState
from mlp_cli.training.trainer import Trainer

INPUTS, CLASSES, TRAIN, VALIDATION = 3, 3, 8, 5
BATCH_SIZES = (1, 7, None)
SHAPES = ((), (4,), (4, 3), (4, 3, 5))
PENALTIES = ((0.0, 0.0), (0.05, 0.0), (0.03, 0.02))
VARIED = list(itertools.product(LOSSES, schedules, PENALTIES))

Options = dict[str, Any]
Named = tuple[str, Options]


class Recorder(Callback):
    """Keeps the loss of every step."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_step(self, step: int, loss: float) -> None:
        self.losses.append(loss)


def part(count: int, shift: int, task: str) -> Part:
    x = np.random.default_rng(shift).normal(size=(count, INPUTS))
    if task == "classification":
        return Part(x, np.argmax(x @ np.eye(INPUTS, CLASSES) + np.sin(3 * x), axis=1), np.arange(count))
    return Part(x, np.sin(x.sum(axis=1)), np.arange(count))


def trainer(
    engine: str,
    hidden_sizes: Sequence[int] = (4,),
    *,
    activation: Named = ("sigmoid", {}),
    optimizer: Named = ("sgd", {}),
    loss: Named = ("cross_entropy", {}),
    schedule: Named = ("constant", {}),
    batch_size: int | None = 1,
    weight_decay: float = 0.0,
    l1: float = 0.0,
    learning_rate: float = 0.005,
    epochs: int = 2,
    keep_best: bool = False,
) -> Trainer:
    function: Loss = losses.build(loss[0], **loss[1])
    outputs = CLASSES if function.task == "classification" else 1
    functions = [activations.build(activation[0], **activation[1]) for _ in hidden_sizes]
    network: Any = build_network(INPUTS, hidden_sizes, outputs, functions, dropout=[0.0] * len(hidden_sizes), dtype=np.float64)
    network.initialize(initializers.build("xavier_normal"), 3)
    rule = optimizers.build(optimizer[0], **optimizer[1])
    if engine == "scalar":
        network, function, updater = scalar_parts(network, function, rule, weight_decay, l1)
    else:
        updater = Updater(rule, network.theta, network.grad, network.decayed, weight_decay, l1)
    train, validation = (part(count, shift, function.task) for count, shift in ((TRAIN, 1), (VALIDATION, 2)))
    transform = fit("standard", train, np.float64)
    return Trainer(
        network,
        function,
        updater,
        schedules.build(schedule[0], **schedule[1]),
        Batches(train, transform, batch_size, np.float64),
        Batches(validation, transform, 4, np.float64),
        task=function.task,
        seed=5,
        learning_rate=learning_rate,
        epochs=epochs,
        state=TrainingState(Best()),
        keep_best=keep_best,
    )


def rows(trained: Trainer) -> list[tuple[Any, ...]]:
    """The history without the times."""
    return [(r.epoch, r.train_loss, r.train_score, r.val_loss, r.val_score, r.learning_rate) for r in trained.state.history]


def assert_equal_runs(hidden_sizes: Sequence[int], **options: Any) -> None:
    runs = [trainer(engine, hidden_sizes, **options) for engine in ("scalar", "numpy")]
    recorders = [Recorder(), Recorder()]
    before = runs[0].network.theta.copy()
    for run, recorder in zip(runs, recorders, strict=True):
        run.fit([recorder])
    ours, wanted = runs
    assert not np.array_equal(before, wanted.network.theta)
    np.testing.assert_allclose(recorders[0].losses, recorders[1].losses, rtol=0, atol=1e-10)
    np.testing.assert_allclose(rows(ours), rows(wanted), rtol=0, atol=1e-10)
    for name, values in wanted.network.parameters.items():
        np.testing.assert_allclose(ours.network.parameters[name], values, rtol=0, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_both_engines_agree(optimizer: str, activation: str) -> None:
    """All depths, batch sizes and reductions; losses, schedules and penalties take turns, begun elsewhere for each activation."""
    turn = list(ACTIVATIONS).index(activation) * 5
    for number, (shape, batch_size, reduction) in enumerate(itertools.product(SHAPES, BATCH_SIZES, get_args(Reduction))):
        loss, schedule, (weight_decay, l1) = VARIED[(turn + number) % len(VARIED)]
        assert_equal_runs(
            shape,
            activation=(activation, {}),
            optimizer=(optimizer, {}),
            loss=(loss, {"reduction": reduction}),
            schedule=(schedule, {} if schedule in ("one_cycle", "cyclic") else {"warmup_epochs": 0.5}),
            batch_size=batch_size,
            weight_decay=weight_decay,
            l1=l1,
        )


def other(option: Option) -> Any:
    """A value that is not the default."""
    return not option.default if isinstance(option.default, bool) else 0.3 if option.default != 0.3 else 0.4


OPTIONS = [
    (registry, name, option)
    for registry, names in ((activations, ACTIVATIONS), (optimizers, OPTIMIZERS))
    for name in names
    for option in registry.options(name)
]


@pytest.mark.parametrize(
    ("registry", "name", "option"), OPTIONS, ids=lambda v: v if isinstance(v, str) else getattr(v, "name", "")
)
def test_they_agree_on_every_option(registry: Registry[Any], name: str, option: Option) -> None:
    assert_equal_runs((4, 4), batch_size=4, **{registry.kind: (name, {option.name: other(option)})})


def test_every_layer_has_its_own_activation() -> None:
    networks = []
    for engine in ("scalar", "numpy"):
        functions = [activations.build(name) for name in ("relu", "tanh", "softplus")]
        network: Any = build_network(INPUTS, [4, 5, 4], CLASSES, functions, dropout=[0.0] * 3, dtype=np.float64)
        network.initialize(initializers.build("he_normal"), 0)
        networks.append(ScalarNetwork(network) if engine == "scalar" else network)
    x = part(6, 9, "classification").x
    np.testing.assert_allclose(networks[0].forward(x), networks[1].forward(x), rtol=0, atol=1e-14)


def test_the_surface_is_that_of_the_originals() -> None:
    ours, theirs = trainer("scalar"), trainer("numpy")
    for name in ("forward", "backward"):
        wanted = inspect.signature(getattr(Network, name)).parameters
        assert list(inspect.signature(getattr(ScalarNetwork, name)).parameters) == list(wanted)
    assert ours.network.parameters.keys() == theirs.network.parameters.keys()
    assert all(ours.network.layer_of(name) == theirs.network.layer_of(name) for name in theirs.network.parameters)
    assert ours.network.theta.tobytes() == theirs.network.theta.tobytes()


def test_regression_of_several_outputs() -> None:
    outputs, targets = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[0.0, 2.0], [3.0, 1.0]])
    network: Any = build_network(INPUTS, [], 2, [], dropout=[], dtype=np.float64)
    _, loss, _ = scalar_parts(network, losses.build("mse"), optimizers.build("sgd"))
    assert loss.forward(outputs, targets) == 0.5 + 8.0
    assert loss.backward().tolist() == [[0.5, 0.0], [0.0, 2.0]]


def test_what_is_written_into_the_arrays_counts_at_once() -> None:
    """A checkpoint or the best epoch's weights go into theta and slots in place, at any moment."""
    run, x = trainer("scalar", optimizer=("momentum", {})), np.ones((1, INPUTS))
    for values in run.network.parameters.values():
        values[...] = 0.0
    run.network.parameters["b2"][...] = (1.0, 2.0, 3.0)
    assert run.network.forward(x).tolist() == [[1.0, 2.0, 3.0]]
    run.network.grad[...] = 0.0
    run.updater.slots["velocity"][...] = 1.0
    run.updater.apply(0.5, 1)
    assert np.all(run.updater.slots["velocity"] == 0.9)
    assert run.network.parameters["b2"].tolist() == pytest.approx([0.1, 1.1, 2.1])


def test_the_gradient_check_passes() -> None:
    run = trainer("scalar", (4, 3), activation=("tanh", {}))
    x, y = next(iter(run.validation or ()))
    assert all(check.passed and check.checked for check in check_gradients(run.network, run.loss, x, y))


def state(run: Trainer) -> dict[str, bytes]:
    arrays: dict[str, Array] = {"theta": run.network.theta, **run.updater.slots, **run.best_weights}
    return {name: array.tobytes() for name, array in arrays.items()} | {"rows": repr(rows(run)).encode()}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_going_on_from_a_checkpoint_gives_the_same_bytes(tmp_path: Path, optimizer: str) -> None:
    def make() -> Trainer:
        return trainer(
            "scalar", optimizer=(optimizer, {}), schedule=("cosine", {}), batch_size=4, weight_decay=0.1, l1=0.01, epochs=4, keep_best=True
        )  # fmt: skip

    class SaveAndStop(Callback):
        def on_epoch(self, row: Row) -> None:
            if row.epoch == 2:
                checkpoint.save(tmp_path, stopped, {"run": "r", "config_hash": "h", "data_sha256": "d", "environment": {}})
                raise Interrupted("stopped")

    whole, stopped, again = make(), make(), make()
    whole.fit()
    with pytest.raises(Interrupted):
        stopped.fit([SaveAndStop()])
    found, _ = checkpoint.recover(tmp_path, "r", "h")
    assert found is not None
    checkpoint.restore(again, found)
    assert state(again) == state(stopped) != state(whole)
    again.fit()
    assert state(again) == state(whole)


@pytest.mark.parametrize("name", list(LOSSES))
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_a_run_that_diverges_says_so(activation: str, optimizer: str, name: str) -> None:
    """Numbers that arrays would hold as infinity or NaN raise nothing in plain Python: the trainer finds them in the loss."""
    run = trainer(
        "scalar", (4,), activation=(activation, {}), optimizer=(optimizer, {}), loss=(name, {}), learning_rate=1e306, l1=1e300, epochs=3
    )  # fmt: skip
    with pytest.raises(Diverged, match=r"learning rate 1e\+306"):
        run.fit()


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"dropout": [0.5, 0.5]}, "dropout_1 of float64"),
        ({"input_dropout": 0.2}, "dropout_0 of float64"),
        ({"batch_norm": {}}, "batch_norm_1 of float64"),
        ({"dtype": np.float32}, "dense_1 of float32"),
    ],
)
def test_what_plain_python_has_not_is_never_passed_over(options: dict[str, Any], what: str) -> None:
    functions = [activations.build("relu")] * 2
    options = {"dropout": [0.0, 0.0], "dtype": np.float64, **options}
    with pytest.raises(TypeError, match=f"the scalar network has no {what}"):
        ScalarNetwork(build_network(INPUTS, [4, 4], CLASSES, functions, **options))


def test_a_rule_without_a_twin_is_refused() -> None:
    with pytest.raises(KeyError, match="adam"):
        ScalarRule(optimizers.build("adam"))


def test_nan_in_the_weights_reaches_the_loss() -> None:
    run = trainer("scalar", activation=("relu", {}))
    run.network.parameters["W1"][...] = math.nan
    x, y = next(iter(run.validation or ()))
    assert math.isnan(run.loss.forward(run.network.forward(x), y))
