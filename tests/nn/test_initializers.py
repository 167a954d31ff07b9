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
    "lecun_uniform": 1 / 600,
    "truncated_normal": 0.05**2 * 0.7737413035,  # 1 − 2·2·φ(2) / (Φ(2) − Φ(−2))
    "orthogonal": 1 / 600,  # 300 columns of length 1 over 600 × 300 weights
    "constant": 0.0,
}
LIMIT = {"random_uniform": 0.05, "xavier_uniform": math.sqrt(6 / 900), "he_uniform": 0.1, "lecun_uniform": math.sqrt(3 / 600)}
SHAPELESS = ("zeros", "constant", "orthogonal", "truncated_normal")
"""Neither plain normal nor uniform; they have tests of their own."""


def draw(name: str, seed: int = 0, **options: float) -> np.ndarray:
    return initializers.build(name, **options)(stream(seed, Purpose.INITIALIZE), FAN_IN, FAN_OUT)


def test_the_table_of_variances_covers_the_registry() -> None:
    assert set(VARIANCE) == set(initializers)


@pytest.mark.parametrize("name", list(initializers))
def test_shape_dtype_and_determinism(name: str) -> None:
    values = draw(name)
    assert values.shape == (FAN_IN, FAN_OUT) and values.dtype == np.float64
    assert values.tobytes() == draw(name).tobytes()
    assert name in ("zeros", "constant") or values.tobytes() != draw(name, seed=1).tobytes()


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
    elif name not in SHAPELESS:
        assert np.mean(np.abs(values) > 2 * deviation) == pytest.approx(0.0455, rel=0.05)  # not truncated
        assert np.mean(values**4) == pytest.approx(3 * deviation**4, rel=0.05)


def test_options() -> None:
    assert draw("random_normal", standard_deviation=2.0).std() == pytest.approx(2.0, rel=0.01)
    assert np.abs(draw("random_uniform", limit=3.0)).max() == pytest.approx(3.0, rel=0.001)
    assert not draw("random_normal", standard_deviation=0.0).any()
    assert (draw("constant", value=0.25) == 0.25).all()


def test_a_truncated_normal_ends_at_two_standard_deviations() -> None:
    values = draw("truncated_normal", standard_deviation=1.0)
    assert 1.99 < np.abs(values).max() <= 2.0
    assert np.mean(np.abs(values) > 1) == pytest.approx((0.3173105 - 0.0455003) / (1 - 0.0455003), rel=0.02)


@pytest.mark.parametrize("shape", [(600, 300), (300, 600), (7, 7), (1, 5)])
def test_orthogonal_weights_are_at_right_angles(shape: tuple[int, int]) -> None:
    values = initializers.build("orthogonal", gain=2.0)(stream(3, Purpose.INITIALIZE), *shape)
    product = values.T @ values if shape[0] >= shape[1] else values @ values.T
    assert values.shape == shape and values.flags.c_contiguous
    np.testing.assert_allclose(product, 4 * np.eye(min(shape)), atol=1e-12)
