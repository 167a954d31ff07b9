import math

import numpy as np
import pytest

from mlp_cli.nn.initializers import initializers
from mlp_cli.rng import Purpose, stream

FAN_IN, FAN_OUT = 600, 300

VARIANCE = {
    "random_normal": 0.05**2,
    "random_uniform": 0.05**2 / 3,
    "zeros": 0.0,
    "xavier_normal": 2 / 900,
    "xavier_uniform": 2 / 900,
    "he_normal": 1 / 300,
    "he_uniform": 1 / 300,
    "lecun_normal": 1 / 600,
}
LIMIT = {"random_uniform": 0.05, "xavier_uniform": math.sqrt(6 / 900), "he_uniform": 0.1}


def draw(name: str, seed: int = 0, **options: float) -> np.ndarray:
    return initializers.build(name, **options)(stream(seed, Purpose.INITIALIZE), FAN_IN, FAN_OUT)


def test_the_table_of_variances_covers_the_registry() -> None:
    assert set(VARIANCE) == set(initializers)


@pytest.mark.parametrize("name", list(initializers))
def test_shape_dtype_and_determinism(name: str) -> None:
    values = draw(name)
    assert values.shape == (FAN_IN, FAN_OUT) and values.dtype == np.float64
    assert values.tobytes() == draw(name).tobytes()
    assert name == "zeros" or values.tobytes() != draw(name, seed=1).tobytes()


@pytest.mark.parametrize("name", list(initializers))
def test_mean_and_variance_are_those_of_the_paper(name: str) -> None:
    values = draw(name)
    deviation = math.sqrt(VARIANCE[name])
    assert abs(values.mean()) <= 4 * deviation / math.sqrt(values.size)
    assert values.var() == pytest.approx(VARIANCE[name], rel=4 * math.sqrt(2 / values.size), abs=1e-300)


@pytest.mark.parametrize("name", list(initializers))
def test_shape_of_the_distribution(name: str) -> None:
    values = draw(name)
    deviation = math.sqrt(VARIANCE[name])
    if name in LIMIT:
        assert np.abs(values).max() <= LIMIT[name]
        assert np.abs(values).max() > 0.999 * LIMIT[name]
        assert np.mean(values**4) == pytest.approx(9 / 5 * deviation**4, rel=0.02)
    elif name != "zeros":
        assert np.mean(np.abs(values) > 2 * deviation) == pytest.approx(0.0455, rel=0.05)  # not truncated
        assert np.mean(values**4) == pytest.approx(3 * deviation**4, rel=0.05)


def test_options() -> None:
    assert draw("random_normal", standard_deviation=2.0).std() == pytest.approx(2.0, rel=0.01)
    assert np.abs(draw("random_uniform", limit=3.0)).max() == pytest.approx(3.0, rel=0.001)
    assert not draw("random_normal", standard_deviation=0.0).any()
