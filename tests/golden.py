"""Shows what a change of the code changes in what `mlp` writes: python tests/golden.py REV.

The same command lines (`golden_cases.py`) run in a git worktree of REV and in this tree, on this machine and with this Python;
then every byte of metrics.csv and of the weights is compared, and the JSON documents, the errors and the reports' numbers.
Nothing is kept from one time to the next, since another processor, BLAS or NumPy gives other last digits.

Hashes may change, so runs are matched by what stands before the hash in their folders' names. Times are left out.
Exit codes: 0 nothing differs, 1 something does, 2 the comparison could not be made, 130 and 143 after a signal.
"""

import argparse
import csv
import difflib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from golden_cases import SHOW, Case, cases, make_inputs

ROOT = Path(__file__).resolve().parent.parent
DRIVER = Path(__file__).resolve().with_name("golden_driver.py")

BYTES, SCREENS, SUMMARY, JSON = "run bytes", "error screens", "summary.csv", "json"
CLASSES = (BYTES, JSON, SCREENS, SUMMARY)

_HASH = re.compile(r"(?<=-)[0-9a-f]{8}(?![0-9A-Za-z])|\b[0-9a-f]{64}\b")
_SECONDS = re.compile(r"\b[0-9.]+ (s|samples/s)(?![a-z])")
_TIMES = re.compile(r"(started|finished|git|blas|commands?|(.*_)?seconds(_.*)?)")
"""Names of fields and columns whose values may differ each time; `blas` lists libraries in the order of their loading."""


class GoldenError(Exception):
    """Why the comparison could not be made."""


@dataclass(frozen=True)
class Tree:
    """A folder that holds a package `mlp_cli`, and the folder where its runs went."""

    root: Path
    folder: Path

    def masked(self, text: str) -> str:
        """A text without hashes, times and these folders."""
        text = text.replace(str(self.folder), "<work>").replace(str(self.root), "<tree>")
        return _SECONDS.sub(r"<time> \1", _HASH.sub("<hash>", text))

    def files(self, case: str, name: str) -> dict[str, Path]:
        """All files of that name below a case's folder, by their paths without hashes."""
        found: dict[str, Path] = {}
        for path in sorted((self.folder / case).rglob(name)):
            label = self.masked(str(path.relative_to(self.folder / case)))
            if label in found:
                raise GoldenError(f"{path} and {found[label]} are told apart by their hashes alone; give the runs other names")
            found[label] = path
        return found


@dataclass
class Differences:
    """What was found. compared: how many of each class. lines: for each class what differs, as texts.

    changes: for each class how often a field or array was added, removed or changed.
    """

    compared: Counter[str] = field(default_factory=Counter)
    lines: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in CLASSES})
    changes: dict[str, dict[str, Counter[str]]] = field(default_factory=dict)

    def add(self, name: str, where: str, found: list[str]) -> None:
        """Counts one comparison. found: what differs there."""
        self.compared[name] += 1
        if found:
            self.lines[name].append("\n".join([where, *(f"    {line}" for line in found)]))

    def note(self, name: str, how: str, what: str) -> None:
        """Counts a field or an array. how: added, removed or changed."""
        self.changes.setdefault(name, {}).setdefault(how, Counter())[what] += 1

    def summary(self, classes: Sequence[str]) -> list[str]:
        """A line for each class."""
        lines = []
        for name in classes:
            changes = sorted(self.changes.get(name, {}).items())
            parts = [f"{how}: {', '.join(f'{what} ({count})' for what, count in counts.items())}" for how, counts in changes]
            more = f" ({'; '.join(parts)})" if parts else ""
            lines.append(f"{name + ':':15}{len(self.lines[name])} of {self.compared[name]} differ{more}")
        return lines


def compare(before: Tree, after: Tree, names: Sequence[str]) -> Differences:
    """What differs between the runs of two trees. names: of the cases that ran in both. Errors: GoldenError."""
    found = Differences()
    for case in names:
        for name, compare_file in (("metrics.csv", _metrics), ("model.npz", _model), ("summary.csv", _summary)):
            older, newer = before.files(case, name), after.files(case, name)
            for label in sorted(older.keys() | newer.keys()):
                where = f"{case}: {label}"
                if label in older and label in newer:
                    compare_file(found, where, older[label], newer[label])
                else:
                    tree = "older" if label in older else "newer"
                    found.add(SUMMARY if name == "summary.csv" else BYTES, where, [f"only in the {tree} tree"])
    for (old, older), (new, newer) in zip(_answers(before), _answers(after), strict=True):
        where = f"{new['case']}: mlp {new['command']}"
        _screens(found, where, (before.masked(_screen(old)), after.masked(_screen(new))))
        if older is not None or newer is not None:
            _documents(found, where, older, newer)
    return found


def _metrics(found: Differences, where: str, older: Path, newer: Path) -> None:
    texts = [path.read_bytes().decode("utf-8", "backslashreplace") for path in (older, newer)]
    rows = zip_longest(*(text.splitlines(keepends=True) for text in texts), fillvalue="(no such row)")
    differ = [[f"row {number}", f"  {old.rstrip()}", f"  {new.rstrip()}"] for number, (old, new) in enumerate(rows) if old != new]
    found.add(BYTES, where, differ[0] if differ else [])
    if differ:
        found.note(BYTES, "changed", "metrics.csv")


def _model(found: Differences, where: str, older: Path, newer: Path) -> None:
    """Arrays of numbers are compared to the byte, texts (the config, class names) as JSON."""
    with np.load(older) as file:
        old = dict(file)
    with np.load(newer) as file:
        new = dict(file)
    texts = {name for name in old.keys() | new.keys() if all(each[name].dtype.kind == "U" for each in (old, new) if name in each)}
    differ = {name: line for name in sorted((old.keys() | new.keys()) - texts) if (line := _array(old.get(name), new.get(name)))}
    for name in differ:
        found.note(BYTES, "removed" if name not in new else "added" if name not in old else "changed", name)
    first, *others = [*differ] or [""]
    lines = [f"{first}: {differ[first]}", *([f"also {', '.join(others)}"] if others else [])] if differ else []
    found.add(BYTES, where, lines)
    for name in sorted(texts):
        _documents(found, f"{where}: {name}", *(_plain(each.get(name)) for each in (old, new)))


def _array(old: np.ndarray | None, new: np.ndarray | None) -> str:
    """How two arrays differ; "" where they are equal to the byte."""
    if old is None or new is None:
        return "only in the older tree" if new is None else "only in the newer tree"
    if (old.dtype, old.shape) != (new.dtype, new.shape):
        return f"{old.dtype}{list(old.shape)} → {new.dtype}{list(new.shape)}"
    if old.tobytes() == new.tobytes():
        return ""
    differ = np.frombuffer(old.tobytes(), f"V{old.itemsize}") != np.frombuffer(new.tobytes(), f"V{new.itemsize}")
    at = np.unravel_index(int(differ.argmax()), old.shape)
    return f"{differ.sum():,} of {differ.size:,} numbers differ, first {[int(index) for index in at]}: {old[at]} → {new[at]}"


def _plain(array: np.ndarray | None) -> Any:
    """An array of texts as a document: the JSON that it holds, or a list."""
    if array is None or array.ndim:
        return None if array is None else array.tolist()
    try:
        return json.loads(str(array))
    except ValueError:
        return str(array)


def _summary(found: Differences, where: str, older: Path, newer: Path) -> None:
    tables = (list(csv.DictReader(_HASH.sub("<hash>", path.read_text("utf-8")).splitlines())) for path in (older, newer))
    _documents(found, where, *tables, name=SUMMARY)


def _answers(tree: Tree) -> list[tuple[dict[str, Any], Any]]:
    """What each command of a tree answered, and the JSON document that it printed, or None."""
    answers = []
    for answer in json.loads((tree.folder / "answers.json").read_text(encoding="utf-8")):
        try:
            document = json.loads(tree.masked(answer["out"]))
        except ValueError:
            document = None
        answers.append((answer, document))
    return answers


def _screen(answer: dict[str, Any]) -> str:
    """The exit code, and where it is an error what stood on stderr."""
    return f"exit code {answer['code']}\n" + (answer["err"] if answer["code"] else "")


def _screens(found: Differences, where: str, screens: tuple[str, str]) -> None:
    before, after = (screen.splitlines() for screen in screens)
    lines = [*difflib.unified_diff(before, after, lineterm="", n=0)][2:]
    found.add(SCREENS, where, [line for line in lines if not line.startswith("@@")])


def _documents(found: Differences, where: str, older: Any, newer: Any, name: str = JSON) -> None:
    """Compared field by field, so that a new one hides nothing. older, newer: None where there is no document."""
    if older is None or newer is None:
        found.add(name, where, [f"only in the {'newer' if older is None else 'older'} tree"])
        return
    old, new = dict(leaves(older)), dict(leaves(newer))
    lines = []
    for path in dict.fromkeys([*old, *new]):
        how = "removed" if path not in new else "added" if path not in old else "changed"
        if how != "changed" or old[path] != new[path]:
            before, after = (json.dumps(each[path], ensure_ascii=False) if path in each else "(not there)" for each in (old, new))
            lines.append(f"{path}: {before} → {after}")
            found.note(name, how, re.sub(r"\[[^]]*\]", "[]", path))
    found.add(name, where, lines)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each value of a JSON document that is no container or is a list of plain values, by its path; times are left out.

    Items of a list go by their name, label or id where all have one that no other has: a new one moves none of the others.
    """
    if isinstance(value, dict) and value:
        for key, item in value.items():
            if not _TIMES.fullmatch(key):
                yield from leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for name, item in zip(_item_names(value), value, strict=True):
            yield from leaves(item, f"{path}[{name}]")
    else:
        yield path, value


def _item_names(items: list[Any]) -> list[str]:
    for key in ("name", "label", "id"):
        names = [str(item[key]) for item in items if isinstance(item, dict) and key in item]
        if len(set(names)) == len(items):
            return names
    return [str(number) for number in range(len(items))]


def run_cases(trees: Sequence[Tree], wanted: Sequence[Case]) -> None:
    """Runs the cases in all trees at the same time. Errors: GoldenError."""
    processes = []
    try:
        for tree in trees:
            make_inputs(tree.folder / "inputs")
            todo, cache = tree.folder / "cases.json", str(tree.folder / "cache")
            todo.write_text(json.dumps([asdict(case) for case in wanted]), encoding="utf-8")
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-P", str(DRIVER), str(tree.root), str(todo), str(tree.folder)],
                    env={**os.environ, "PYTHONPATH": str(tree.root), "XDG_CACHE_HOME": cache, "HOME": cache},
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,  # so that Ctrl-C reaches this process alone, and no run goes on from it
                )
            )
        for tree, process in zip(trees, processes, strict=True):
            if process.wait():
                raise GoldenError(f"the cases did not run to their end in {tree.root}: exit code {process.returncode}")
    finally:
        for process in processes:
            process.kill()
            process.wait()


def read_cases(tree: Tree) -> list[Case]:
    """All cases, for the registries of a tree. Errors: GoldenError."""
    run_cases([tree], [SHOW])
    return cases({answer["command"]: document for answer, document in _answers(tree) if document is not None})


@contextmanager
def worktree(revision: str, folder: Path) -> Iterator[Path]:
    """A git worktree of a revision, for as long as the body runs. Errors: GoldenError."""

    def git(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)

    commit = git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").stdout.strip()
    if not commit:
        raise GoldenError(f"{revision} is no commit of {ROOT}")
    try:
        made = git("worktree", "add", "--detach", str(folder), commit)
        if made.returncode:
            raise GoldenError(made.stderr.strip())
        yield folder
    finally:
        git("worktree", "remove", "--force", str(folder))


def surprises(tree: Tree, wanted: Sequence[Case]) -> list[str]:
    """Commands whose exit code in the older tree is not what the cases say: what they are there for was then not compared."""
    steps = [step for case in wanted for step in case.steps]
    return [
        f"note: mlp {answer['command']} ({answer['case']}): exit code {answer['code']} in the older tree, not {step.code}"
        for step, (answer, _) in zip(steps, _answers(tree), strict=True)
        if step.code not in (None, answer["code"])
    ]


def run(revision: str, work: Path, only: Sequence[str], classes: Sequence[str]) -> int:
    """The whole comparison, printed. Returns the exit code. Errors: GoldenError."""
    started = time.monotonic()
    with worktree(revision, work / "tree") as older:
        trees = Tree(older, work / "older"), Tree(ROOT, work / "newer")
        wanted = read_cases(Tree(older, work / "shown"))
        if unknown := set(only) - {case.name for case in wanted}:
            raise GoldenError(f"no such case: {', '.join(unknown)}; there are {', '.join(case.name for case in wanted)}")
        wanted = [case for case in wanted if not only or case.name in only]
        run_cases(trees, wanted)
        found = compare(*trees, [case.name for case in wanted])
    lines = surprises(trees[0], wanted)
    for name in classes:
        lines += ["", name, *found.lines[name]] if found.lines[name] else []
    lines += ["", *found.summary(classes), f"{len(wanted)} cases in {time.monotonic() - started:.0f} s"]
    print("\n".join(lines).lstrip("\n"))
    return int(any(found.lines[name] for name in classes))


def main() -> int:
    """The command line. Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("revision", metavar="REV", help="the older commit")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="leave the runs of both trees in this new folder")
    parser.add_argument("--only", metavar="NAME", action="append", default=[], help="only this case; may be given again")
    parser.add_argument("--bytes-only", action="store_true", help="compare nothing but metrics.csv and weights")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        with tempfile.TemporaryDirectory(prefix="golden-") as temporary:
            work = Path(temporary).resolve()
            if asked.keep is not None:
                asked.keep.mkdir(parents=True)
                work = asked.keep.resolve()
            return run(asked.revision, work, asked.only, (BYTES,) if asked.bytes_only else CLASSES)
    except (GoldenError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
