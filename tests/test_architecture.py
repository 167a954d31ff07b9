"""The rules that keep the code simple, read from the syntax tree: imports go downwards, few packages, short files, nothing unsafe."""

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "mlp_cli"
SOURCES = sorted(PACKAGE.rglob("*.py"))
LINES = 600

LEVELS = {
    "errors registry rng files environment choosing text packs": 0,
    "nn data": 1,
    "config training": 2,
    "runs model predictions build plots": 3,
    "experiment evaluation refit lr_find check estimators loggers": 4,
    "export": 5,
    "report play": 5,
    "sweep": 6,
    "api bench": 7,
    "cli": 8,
}
LEVEL = {name: level for names, level in LEVELS.items() for name in names.split()}

CORE = {
    *("numpy", "yaml", "pandas", "matplotlib", "tqdm", "pydantic", "pydantic_core", "pooch", "scipy", "jinja2", "threadpoolctl"),
    "typing_extensions",
}
ONLY_IN = {
    "click": "cli",
    "numba": "nn",
    "torch": "bench",
    "jax": "bench",
    "sklearn": "bench estimators",
    "joblib": "bench",
    "PIL": "data",
    "onnx": "data export",
    "onnxruntime": "data",
    "markupsafe": "report",
    "optuna": "sweep",
    "distributed": "sweep",
    "tensorboard": "loggers",
    "mlflow": "loggers",
}
AT_TOP = {
    "cli": {"click"},
    "nn": {"numpy", "typing_extensions"},
    "data": {"numpy", "typing_extensions"},
    **{name: set() for name in ("errors", "registry", "rng", "files")},
}
"""What a part may import when it is itself imported, besides the standard library; everything else waits for a call."""


Trees = dict[str, ast.Module]
"""The syntax tree of each file of the package, by its path from there."""


@pytest.fixture(scope="module")
def trees() -> Trees:
    return {str(path.relative_to(PACKAGE)): ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}


def refuse(faults: Iterable[str]) -> None:
    """Fails with all faults, one a line."""
    found = list(faults)
    assert not found, "\n".join(found)


def part_of(name: str) -> str:
    return name.split("/")[0].removesuffix(".py")


def imports(name: str, tree: ast.Module) -> Iterator[tuple[str, bool]]:
    """Modules that a file imports, and whether at its top level (those for type checking alone are left out)."""
    typing_only = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in tree.body) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative import"
            names = [f"mlp_cli.{alias.name}" for alias in node.names] if node.module == "mlp_cli" else [str(node.module)]
            yield from ((module, node in tree.body) for module in names)


def upwards(name: str, tree: ast.Module) -> Iterator[str]:
    part = part_of(name)
    if part in ("__init__", "__main__"):
        return
    assert part in LEVEL, f"{part} has no level: add it to LEVELS"
    for module, _ in imports(name, tree):
        if module.startswith("mlp_cli."):
            target = module.split(".")[1]
            if target in ("__version__", "Callable", part):
                continue
            same_level_file = LEVEL[target] == LEVEL[part] and (PACKAGE / f"{target}.py").exists()
            if not (LEVEL[target] < LEVEL[part] or same_level_file or LEVEL[part] == 0):
                yield f"{name} (level {LEVEL[part]}) imports {module} (level {LEVEL[target]})"


def test_imports_go_downwards(trees: Trees) -> None:
    refuse(fault for name, tree in trees.items() for fault in upwards(name, tree))


def foreign(name: str, tree: ast.Module) -> Iterator[str]:
    part = part_of(name)
    for module, at_top in imports(name, tree):
        top = module.split(".")[0]
        if top == "mlp_cli" or top in sys.stdlib_module_names:
            continue
        if top not in CORE and part not in ONLY_IN.get(top, "").split():
            yield f"{name} imports {top}"
        late = top in ("matplotlib", "pandas", "scipy", "pooch", "jinja2") or (part in AT_TOP and top not in AT_TOP[part])
        if at_top and late:
            yield f"{name} imports {top} at its top: do it inside the function"


def test_third_party_packages(trees: Trees) -> None:
    refuse(fault for name, tree in trees.items() for fault in foreign(name, tree))


def test_files_are_short_and_documented(trees: Trees) -> None:
    lengths = {str(path.relative_to(PACKAGE)): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    refuse(f"{name} has more than {LINES} lines: cut it in two" for name, length in lengths.items() if length > LINES)
    refuse(f"{name} has no docstring" for name, tree in trees.items() if not ast.get_docstring(tree))


def test_public_names_have_docstrings(trees: Trees) -> None:
    refuse(
        f"{name}: {node.name} has no docstring"
        for name, tree in trees.items()
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node)
    )


def unsafe(where: str, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in ("eval", "exec", "yaml.load", "os.system", "os.popen", "__import__"):
                yield f"{where}: {name}"
            if name.endswith((".extractall", ".extract")):
                yield f"{where}: {name}"
            for keyword in node.keywords:
                value = getattr(keyword.value, "value", None)
                if keyword.arg in ("shell", "allow_pickle") and value is not False:
                    yield f"{where}: {keyword.arg}={value}"
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            if where != "data/safe_pickle.py" and any(name.split(".")[0] == "pickle" for name in names):
                yield f"{where}: pickle"
        if (
            isinstance(node, ast.FunctionDef)
            and node.args.kwarg is not None
            and part_of(where) not in ("registry", "api", "export")
        ):
            yield f"{where}: {node.name} takes **{node.args.kwarg.arg}"


def test_nothing_unsafe(trees: Trees) -> None:
    refuse(fault for name, tree in trees.items() for fault in unsafe(name, tree))


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["schema"]])
def test_help_is_light(arguments: list[str]) -> None:
    code = (
        "import sys; from mlp_cli.cli.main import run; code = run(sys.argv[1:]); "
        "heavy = {'numpy', 'pandas', 'matplotlib', 'pydantic', 'yaml', 'scipy', 'tqdm'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_command_line_takes_what_a_command_needs_when_it_runs() -> None:
    code = (
        "import sys, click; before = set(sys.modules); import mlp_cli.cli.main; "
        "print(*{'csv', 'dataclasses', 'difflib', 'hashlib', 'json', 'shutil', 'tempfile', 'traceback'} & set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not done.stdout.strip()


def test_importing_the_package_costs_nothing() -> None:
    code = "import sys; before = set(sys.modules); import mlp_cli; print(len(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == 1
