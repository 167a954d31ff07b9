import numpy as np
import pytest

from mlp_cli.nn.buffers import RowBuffer, aligned, aligned_full


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.bool_, np.uint8])
@pytest.mark.parametrize("size", [0, 1, 7, 1000])
def test_arrays_start_on_a_cache_line(size: int, dtype: type) -> None:
    array = aligned(size, dtype)
    assert array.shape == (size,) and array.dtype == dtype
    assert size == 0 or array.ctypes.data % 64 == 0


def test_full_has_one_value() -> None:
    assert aligned_full(3, 0.5, np.float32).tolist() == [0.5, 0.5, 0.5]


def test_a_row_buffer_grows_and_never_shrinks() -> None:
    buffer = RowBuffer(3, np.float32)
    large = buffer.view(8)
    small = buffer.view(2)
    assert large.shape == (8, 3) and small.shape == (2, 3)
    assert small.flags.c_contiguous and np.shares_memory(large, small)
    assert buffer.view(8).ctypes.data == large.ctypes.data
    assert buffer.view(9).shape == (9, 3)


def test_a_transposed_view_has_contiguous_columns() -> None:
    view = RowBuffer(3, np.float64).transposed_view(5)
    assert view.shape == (5, 3) and view.flags.f_contiguous and view.T.flags.c_contiguous
