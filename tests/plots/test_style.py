"""The common style: nothing global changes, files are whole and repeatable, numbers read well."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mlp_cli.errors import RunError
from mlp_cli.plots import run, style


def test_the_callers_matplotlib_stays_as_it_is(tmp_path):
    import matplotlib

    with matplotlib.rc_context({"axes.facecolor": "red", "text.usetex": True, "savefig.dpi": 31, "font.size": 40}):
        before = dict(matplotlib.rcParams)
        run.loss(tmp_path / "loss.png", [1, 2], [0.5, 0.4], title="$x")
        assert dict(matplotlib.rcParams) == before
    run.loss(tmp_path / "again.png", [1, 2], [0.5, 0.4], title="$x")
    assert (tmp_path / "loss.png").read_bytes() == (tmp_path / "again.png").read_bytes()


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env={**os.environ, **environment}, capture_output=True, text=True
    )


def test_pyplot_is_never_loaded_and_importing_is_cheap(tmp_path):
    done = run_python(
        "import sys; from mlp_cli.plots import run, data\n"
        "assert 'matplotlib' not in sys.modules\n"
        f"run.loss({str(tmp_path / 'x.png')!r}, [1], [2.0])\n"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("backend", ["nonsense", "module://matplotlib_inline.backend_inline", "tkagg"])
def test_the_backend_of_the_environment_does_not_matter(tmp_path, backend):
    """Notebooks set one that may not be there. It stays that of the caller's own figures."""
    done = run_python(
        f"from mlp_cli.plots import run; run.loss({str(tmp_path / 'x.png')!r}, [1], [2.0])\n"
        "import os; print(os.environ['MPLBACKEND'])",
        MPLBACKEND=backend,
    )
    assert done.stdout == f"{backend}\n" and (tmp_path / "x.png").exists(), done.stderr


def test_a_backend_that_is_there_stays_that_of_the_caller(tmp_path):
    own = run_python(
        f"from mlp_cli.plots import run; run.loss({str(tmp_path / 'x.png')!r}, [1], [2.0])\n"
        "import matplotlib; print(matplotlib.get_backend())",
        MPLBACKEND="svg",
    )
    assert own.stdout == "svg\n", own.stderr


def test_a_figure_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(RunError, match="the folder is gone"):
        run.loss(tmp_path / "missing" / "loss.png", [1], [2.0])
    (tmp_path / "loss.png").mkdir()
    with pytest.raises(RunError, match="cannot write"):
        run.loss(tmp_path / "loss.png", [1], [2.0])
    assert [path.name for path in tmp_path.iterdir()] == ["loss.png"]


def test_no_version_or_date_in_the_file(tmp_path):
    run.loss(tmp_path / "loss.png", [1], [2.0])
    content = (tmp_path / "loss.png").read_bytes()
    assert b"tEXt" not in content and b"tIME" not in content and b"Software" not in content


@pytest.mark.parametrize(("width", "height"), [(720, 480), (601, 333), (1012, 1341), (1, 1)])
def test_figures_have_the_size_asked_for(tmp_path, width, height):
    from matplotlib.image import imread

    figure = style.new_figure(width, height)
    assert style.size(figure) == (width, height)
    style.save(figure, tmp_path / "x.png")
    assert imread(tmp_path / "x.png").shape[:2] == (height, width)


def test_axes_are_placed_from_the_upper_left_corner():
    figure = style.new_figure(200, 100)
    box = style.place(figure, 20, 10, 60, 30).get_window_extent()
    assert (round(box.x0), round(box.y0), round(box.width), round(box.height)) == (20, 60, 60, 30)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.5, "0.5"),
        (-2, "−2"),
        (1e6, "10⁶"),
        (2.5e-7, "2.5·10⁻⁷"),
        (1e-10, "10⁻¹⁰"),
        (-1e20, "−1·10²⁰"),
        (123456, "123456"),
    ],
)
def test_number(value, text):
    assert style.number(value) == text


def test_numbers_of_an_axis_have_equal_decimals():
    assert style.numbers([-0.1, 0, 0.05, 0.30000000000000004]) == ["−0.10", "0.00", "0.05", "0.30"]
    assert style.numbers([0, 20, 100]) == ["0", "20", "100"]
    assert style.numbers([1, 1e7]) == ["1", "10⁷"]
    assert style.numbers([]) == []


def test_lines_differ_in_colour_and_in_form():
    forms = {(line.dash, line.marker) for line in style.LINES}
    assert len(forms) == len(style.LINES) == len({line.color for line in style.LINES})
