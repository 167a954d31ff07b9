"""Builds a wheel, installs it into a new environment, and uses it as somebody does who has no checkout: `make test-wheel`.

An editable installation finds each file of the checkout; a wheel has those alone that pyproject.toml names. The set is generated,
so neither a network nor data is needed besides pip's.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOT_PACKED = (".venv", ".git", "build", "dist", "results", "*.egg-info", "__pycache__")

CONFIG = """\
dataset: {name: moons, rows: 300, test_rows: 100}
hidden_sizes: [8]
epochs: 2
batch_size: 32
"""

LOCATION = "import mlp_cli, pathlib; print(pathlib.Path(mlp_cli.__file__).resolve())"


def main() -> int:
    """Returns 0 where train, sweep, report and the rest of the packaged files work from the wheel; raises where one does not."""
    with tempfile.TemporaryDirectory(prefix="mlp-wheel-") as name:
        folder = Path(name)
        wheel = build_wheel(folder)
        python = install(wheel, folder / "environment")
        use(python, folder)
    print(f"{wheel.name}: train, sweep and report work without the checkout")
    return 0


def build_wheel(folder: Path) -> Path:
    """Builds from a copy of the checkout, so that nothing left in build/ gets in. Returns the wheel's path."""
    source = folder / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*NOT_PACKED))
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(source)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, environment: Path) -> Path:
    """Returns the Python of a new environment that has the wheel and what it depends on, and nothing else."""
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel)]
    subprocess.run(command, check=True)
    return python


def use(python: Path, folder: Path) -> None:
    """Runs the commands in a folder of its own. Errors: AssertionError, CalledProcessError."""
    work, home = folder / "work", folder / "home"
    work.mkdir()
    home.mkdir()
    variables = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "MLP_", "COVERAGE"))}
    variables |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    program = str(python.with_name("mlp"))

    def call(*words: str) -> str:
        done = subprocess.run(words, cwd=work, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    location = Path(call(str(python), "-c", LOCATION).strip())
    assert python.parent.parent.resolve() in location.parents, f"{location} is not the wheel's"
    for name in ("small.yaml", "two.yaml"):
        (work / name).write_text(CONFIG, encoding="utf-8")
    record = json.loads(call(program, "train", "small.yaml", "--json"))
    assert record["status"] == "completed" and 0 <= record["metrics"]["test_accuracy"] <= 1, record
    assert {path.name for path in next(work.glob("results/small-*")).iterdir()} >= {
        "run.json",
        "metrics.csv",
        "model.npz",
        "predictions.npz",
        "plots",
    }
    call(program, "sweep", "two.yaml", "learning_rate=1e-3,1e-2", "--seeds", "2", "--workers", "2")
    (sweep,) = work.glob("results/two-*")
    assert len((sweep / "trials.csv").read_text(encoding="utf-8").splitlines()) == 5
    report = json.loads(call(program, "report", str(sweep), "--format", "json"))
    assert report, "the report is empty"
    page = (sweep / "report" / "index.html").read_text(encoding="utf-8")
    assert "</html>" in page and "learning_rate" in page
    for words in (("show", "optimizers"), ("schema",), ("init", "mine"), ("data", "list"), ("ls",), ("--version",)):
        call(program, *words)
    call(program, "validate", "mine.yaml")


if __name__ == "__main__":
    sys.exit(main())
