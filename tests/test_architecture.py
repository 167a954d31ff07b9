"""The rules that keep the code simple, read from the syntax tree: imports go downwards, few packages, short files, nothing unsafe."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "mlp_cli"
SOURCES = sorted(PACKAGE.rglob("*.py"))
LINES = 600

LEVELS = {
    "errors registry rng files npz environment choosing words": 0,
    "nn data": 1,
    "config training plots": 2,
    "runs find model build estimate figures job": 3,
    "experiment": 4,
    "report sweep": 5,
    "bench": 6,
    "cli": 7,
}
LEVEL = {name: level for names, level in LEVELS.items() for name in names.split()}

CORE = {"numpy", "yaml", "pandas", "matplotlib", "tqdm", "pydantic", "pydantic_core", "pooch", "scipy", "jinja2", "threadpoolctl"}
ONLY_IN = {
    "click": "cli",
    "torch": "bench",
    "sklearn": "bench",
    "joblib": "bench",
    "PIL": "data",
    "markupsafe": "report",
    "optuna": "sweep",
    "distributed": "sweep",
}
AT_TOP = {"cli": {"click"}, "nn": {"numpy"}, "data": {"numpy"}, "errors": set(), "registry": set(), "rng": set(), "files": set()}
"""What a part may import when it is itself imported, besides the standard library; everything else waits for a call."""


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Modules that a file imports, and whether at its top level (those for type checking alone are left out)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
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
            assert node.level == 0, f"{path}: relative import"
            names = [f"mlp_cli.{alias.name}" for alias in node.names] if node.module == "mlp_cli" else [str(node.module)]
            yield from ((name, node in tree.body) for name in names)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downwards(path: Path) -> None:
    part = part_of(path)
    if part in ("__init__", "__main__"):
        return
    assert part in LEVEL, f"{part} has no level: add it to LEVELS"
    for module, _ in imports(path):
        if module.startswith("mlp_cli."):
            target = module.split(".")[1]
            if target in ("__version__", part):
                continue
            same_level_file = LEVEL[target] == LEVEL[part] and (PACKAGE / f"{target}.py").exists()
            downwards = LEVEL[target] < LEVEL[part] or same_level_file or LEVEL[part] == 0
            assert downwards, f"{path.name} (level {LEVEL[part]}) imports {module} (level {LEVEL[target]})"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_third_party_packages(path: Path) -> None:
    part = part_of(path)
    for module, at_top in imports(path):
        top = module.split(".")[0]
        if top == "mlp_cli" or top in sys.stdlib_module_names:
            continue
        assert top in CORE or ONLY_IN.get(top) == part, f"{path.name} imports {top}"
        if at_top and part in AT_TOP:
            assert top in AT_TOP[part], f"{path.name} imports {top} at its top: do it inside the function"
        if at_top:
            assert top not in ("matplotlib", "pandas", "scipy", "pooch", "jinja2"), f"{path.name} imports {top} at its top"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_are_short_and_documented(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LINES, f"{path.name} has more than {LINES} lines: cut it in two"
    tree = ast.parse(text)
    assert ast.get_docstring(tree), f"{path.name} has no docstring"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_public_names_have_docstrings(path: Path) -> None:
    bare = [
        node.name
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert not bare, f"{path.name}: no docstring: {bare}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_unsafe(path: Path) -> None:
    where = str(path.relative_to(PACKAGE))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            assert name not in ("eval", "exec", "yaml.load", "os.system", "os.popen", "__import__"), f"{where}: {name}"
            assert not name.endswith((".extractall", ".extract")), f"{where}: {name}"
            for keyword in node.keywords:
                value = getattr(keyword.value, "value", None)
                assert not (keyword.arg in ("shell", "allow_pickle") and value is not False), f"{where}: {keyword.arg}={value}"
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            assert where == "data/safe_pickle.py" or not any(name.split(".")[0] == "pickle" for name in names), where
        if isinstance(node, ast.FunctionDef):
            assert node.args.kwarg is None or part_of(path) == "registry", f"{where}: {node.name} takes **{node.args.kwarg.arg}"


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


def test_importing_the_package_costs_nothing() -> None:
    code = "import sys; before = set(sys.modules); import mlp_cli; print(len(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == 1
