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
        style.save(run.loss([1, 2], {"training": [0.5, 0.4]}, title="$x 日本"), tmp_path / "loss.png")
        assert dict(matplotlib.rcParams) == before
    style.save(run.loss([1, 2], {"training": [0.5, 0.4]}, title="$x 日本"), tmp_path / "again.png")
    assert (tmp_path / "loss.png").read_bytes() == (tmp_path / "again.png").read_bytes()


DRAW = "from mlp_cli.plots import run, style; style.save(run.loss([1], {{'training': [2.0]}}), {path!r})\n"


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env={**os.environ, **environment}, capture_output=True, text=True
    )


@pytest.mark.parametrize("backend", ["nonsense", "module://matplotlib_inline.backend_inline"])
def test_pyplot_is_never_loaded_and_the_backend_of_the_environment_does_not_matter(tmp_path, backend):
    """Importing is cheap. Notebooks set a backend that may not be there. It stays that of the caller's own figures."""
    done = run_python(
        "import sys; from mlp_cli.plots import run, data\n"
        "assert 'matplotlib' not in sys.modules\n"
        + DRAW.format(path=str(tmp_path / "x.png"))
        + "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
        "import os; print(os.environ['MPLBACKEND'])",
        MPLBACKEND=backend,
    )
    assert done.stdout == f"{backend}\n" and (tmp_path / "x.png").exists(), done.stderr


def test_a_backend_that_is_there_stays_that_of_the_caller(tmp_path):
    own = run_python(
        DRAW.format(path=str(tmp_path / "x.png")) + "import matplotlib; print(matplotlib.get_backend())",
        MPLBACKEND="svg",
    )
    assert own.stdout == "svg\n", own.stderr


def test_a_figure_that_cannot_be_written_leaves_nothing(tmp_path):
    figure = run.loss([1], {"training": [2.0]})
    with pytest.raises(RunError, match="the folder is gone"):
        style.save(figure, tmp_path / "missing" / "loss.png")
    (tmp_path / "loss.png").mkdir()
    with pytest.raises(RunError, match="cannot write"):
        style.save(figure, tmp_path / "loss.png")
    assert [path.name for path in tmp_path.iterdir()] == ["loss.png"]


def test_no_version_or_date_in_the_file(tmp_path):
    style.save(run.loss([1], {"training": [2.0]}), tmp_path / "loss.png")
    content = (tmp_path / "loss.png").read_bytes()
    assert b"tEXt" not in content and b"tIME" not in content and b"Software" not in content


@pytest.mark.parametrize(("width", "height"), [(720, 480), (601, 333), (1012, 1341)])
def test_figures_are_as_large_as_asked_and_their_heading(tmp_path, width, height):
    from matplotlib.image import imread

    with style.context():
        style.save(style.finish(style.new_axes(width, height), "title"), tmp_path / "x.png")
    pixels = imread(tmp_path / "x.png")
    assert pixels.shape[1] == width and height + 20 < pixels.shape[0] < height + 60


@pytest.mark.parametrize("size", [(720, 480), (601, 333), (40, 30)])
def test_axes_for_images_have_whole_pixels(inside, size):
    with style.context():
        axes = style.new_axes(900, 100)
        axes.set(xlabel="x", ylabel="a\nlabel")
        figure = style.finish(axes, "t" * 500, "d" * 500, size)
    assert inside(figure)
    box = axes.get_window_extent()
    assert (box.width, box.height) == pytest.approx(size, abs=0.01)
    assert box.x0 == pytest.approx(round(box.x0), abs=0.02) and box.y0 == pytest.approx(round(box.y0), abs=0.02)


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
    assert style.numbers([0, 500_000, 1e6]) == ["0", "0.5·10⁶", "1.0·10⁶"], "one notation"
    assert style.numbers([1, 1e7]) == ["10⁰", "10⁷"]
    assert style.numbers([1e-5, 1e-4, 1e-3]) == ["10⁻⁵", "10⁻⁴", "10⁻³"]
    assert style.numbers([2e-5, 4e-5, 1e-4]) == ["0.2·10⁻⁴", "0.4·10⁻⁴", "1.0·10⁻⁴"]
    assert style.numbers([0.001, 0.01, 0.1, 1]) == ["0.001", "0.01", "0.1", "1"]
    assert style.numbers([123456, 123456.5, 123457]) == ["123456.0", "123456.5", "123457.0"]
    assert style.numbers([1e9 + 1, 1e9 + 2]) == ["1000000001", "1000000002"]
    assert style.numbers([-2e6, 0, 2e6]) == ["−2·10⁶", "0", "2·10⁶"]
    assert style.numbers([]) == []


def test_lines_differ_in_colour_and_in_form():
    forms = {(line.dash, line.marker) for line in style.LINES}
    assert len(forms) == len(style.LINES) == len({line.color for line in style.LINES})
