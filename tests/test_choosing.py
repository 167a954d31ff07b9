"""Which configuration is the best, by hand."""

from mlp_cli.choosing import Standing, best_of, ranking


def best(*standings: Standing, higher: bool = True) -> str | None:
    number = best_of(standings, higher)
    return None if number is None else standings[number].label


def test_the_best_mean_wins() -> None:
    one, other = Standing("one", 0.8, 3), Standing("other", 0.7, 3)
    assert best(one, other) == "one" and best(one, other, higher=False) == "other"


def test_of_equal_means_the_lower_loss_and_then_the_label() -> None:
    assert best(Standing("b", 0.5, 1), Standing("a", 0.5, 1)) == "a"
    assert best(Standing("a", 0.5, 1, loss=0.5), Standing("b", 0.5, 1, loss=0.1)) == "b"


def test_a_configuration_with_failed_seeds_is_never_the_best() -> None:
    bad, sound = Standing("bad", 0.9, 2, wrong=1), Standing("sound", 0.1, 3)
    assert best(bad, sound) == "sound" and best(bad) is None
    assert ranking([bad, Standing("none", None, 0), sound], True) == [2, 0, 1]


def test_a_lucky_seed_is_not_the_best_while_others_have_three() -> None:
    lucky = Standing("lucky", 0.99, 1)
    assert best(lucky, Standing("steady", 0.8, 3), Standing("empty", None, 0)) == "steady"
    assert best(lucky, Standing("pair", 0.7, 2)) == "lucky", "while nobody has three, the best mean leads"


def test_one_that_halving_stopped_is_not_the_best_while_others_are_there() -> None:
    stopped = Standing("stopped", 0.99, 1, pruned=1)
    assert best(stopped, Standing("through", 0.6, 2)) == "through" and best(stopped) == "stopped"


def test_without_a_mean_there_is_no_best() -> None:
    assert best(Standing("none", None, 0)) is None and best() is None
