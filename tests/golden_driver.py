"""Runs cases of `golden.py` with the `mlp` of one tree: python -P golden_driver.py TREE CASES FOLDER, with PYTHONPATH=TREE.

CASES: a JSON file, the cases of `golden_cases.py` as plain values. Each case has FOLDER/<its name> as its current folder, a copy of
FOLDER/inputs. FOLDER/answers.json takes what each command printed and its exit code.
All commands run in this one process, since to start Python for each would take ten times as long.
"""

import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

Answer = dict[str, Any]


class Capture(io.TextIOWrapper):
    """Takes what is printed. interrupt: send SIGTERM to this process at the first text after a run's first checkpoint."""

    def __init__(self, interrupt: bool = False) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", errors="backslashreplace", write_through=True)
        self.interrupt = interrupt

    def write(self, text: str) -> int:
        # Told by the file and not by the text, whose wording may change.
        if self.interrupt and any(Path().glob("results/*/checkpoint.npz")):
            self.interrupt = False
            signal.raise_signal(signal.SIGTERM)
        return super().write(text)

    def text(self) -> str:
        """All that was printed."""
        return self.buffer.getvalue().decode("utf-8", "backslashreplace")  # type: ignore[attr-defined]


def call(words: list[str], interrupt: bool) -> Answer:
    """One command line in this process."""
    try:
        from mlp_cli.cli.main import run
    except ImportError:
        return call_apart(words)
    sys.argv = ["mlp", *words]
    sys.stdout, sys.stderr = out, err = Capture(interrupt), Capture()
    try:
        code = run(words)
    finally:
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    return {"code": code, "out": out.text(), "err": err.text()}


def call_apart(words: list[str]) -> Answer:
    """The same in a process of its own, which nothing interrupts, for a tree without that function."""
    command = [sys.executable, "-P", "-m", "mlp_cli", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return {"code": done.returncode, "out": done.stdout, "err": done.stderr}


def main(tree: Path, cases: list[dict[str, Any]], folder: Path) -> None:
    """Runs the cases in their order."""
    import mlp_cli

    if Path(str(mlp_cli.__file__)).resolve().parent.parent != tree:
        sys.exit(f"imported {mlp_cli.__file__}, not the package in {tree}")
    answers: list[Answer] = []
    for case in cases:
        os.chdir(shutil.copytree(folder / "inputs", folder / case["name"]))
        for step in case["steps"]:
            for path, text in step["files"].items():
                Path(path).parent.mkdir(exist_ok=True)
                Path(path).write_text(text, encoding="utf-8")
            answer = call(step["words"], step["interrupt"])
            answers.append(answer | {"case": case["name"], "command": shlex.join(step["words"])})
    (folder / "answers.json").write_text(json.dumps(answers), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")), Path(sys.argv[3]))
