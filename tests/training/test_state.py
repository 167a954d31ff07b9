"""The best epoch and the decision to stop, worked by hand."""

from mlp_cli.training.state import Best, Row


def row(epoch: int, val_loss: float | None, val_score: float | None = None) -> Row:
    return Row(epoch, 1.0, 0.5, val_loss, val_score, 1e-3, 0.1)


def feed(best: Best, losses: list[float]) -> list[int]:
    """Feeds losses until it stops; returns the epochs that were improvements."""
    improved = []
    for epoch, loss in enumerate(losses, 1):
        if best.update(row(epoch, loss)):
            improved.append(epoch)
        if best.stop:
            break
    return improved


def test_best_epoch_without_stopping() -> None:
    best = Best()
    assert feed(best, [0.9, 0.5, 0.7, 0.4, 0.6]) == [1, 2, 4]
    assert (best.epoch, best.value, best.stop) == (4, 0.4, False)


def test_stops_after_patience_epochs_without_improvement() -> None:
    best = Best(patience=2)
    assert feed(best, [0.9, 0.5, 0.6, 0.55, 0.1]) == [1, 2]
    assert best.stop and best.epoch == 2


def test_an_improvement_starts_the_wait_anew() -> None:
    best = Best(patience=2)
    assert feed(best, [0.9, 1.0, 0.8, 0.85, 0.7, 0.75, 0.76]) == [1, 3, 5]
    assert best.stop


def test_min_delta_must_be_exceeded() -> None:
    best = Best(min_delta=0.125, patience=3)
    assert feed(best, [1.0, 0.875, 0.874, 0.9]) == [1, 3]


def test_higher_scores_are_better() -> None:
    best = Best("val_score", patience=1)
    assert best.update(row(1, 9.0, 0.5)) and best.update(row(2, 8.0, 0.6)) and not best.update(row(3, 0.1, 0.6))
    assert best.stop and best.epoch == 2


def test_equal_values_keep_the_first_epoch() -> None:
    best = Best()
    feed(best, [0.5, 0.5])
    assert best.epoch == 1


def test_without_validation_nothing_is_best() -> None:
    best = Best(patience=1)
    assert not best.update(row(1, None)) and not best.update(row(2, None))
    assert (best.epoch, best.stop) == (None, False)


def test_epochs_before_the_start_are_not_counted() -> None:
    best = Best(patience=2, start_epoch=3)
    feed(best, [0.5, 0.6, 0.6, 0.6, 0.6, 0.1])
    assert best.stop and best.waited == 2 and best.epoch == 1, "two of the epochs after the third"


def test_a_target_that_is_reached_stops() -> None:
    best = Best(target=0.3)
    assert feed(best, [0.9, 0.4, 0.3, 0.1]) == [1, 2, 3] and best.stop
    best = Best("val_score", target=0.75)
    assert best.update(row(1, 1.0, 0.7)) and not best.stop
    assert best.update(row(2, 1.0, 0.75)) and best.stop
