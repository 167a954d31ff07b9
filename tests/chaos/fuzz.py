"""Proof 5 in a process of its own, with a limit on memory: hostile files through the config loader or the checkpoint reader.

Run as a program: fuzz.py config|checkpoint COUNT FOLDER. It prints one JSON object: how many files were taken and how many were
refused with an error of ours, the longest time of one and the most memory above what the imports take, and every case that went wrong.
"""

import hashlib
import io
import json
import random
import re
import resource
import signal
import sys
import time
import traceback
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from mlp_cli import experiment
from mlp_cli.build import build, load_data
from mlp_cli.config import config_from_mapping, load_config
from mlp_cli.data import npz
from mlp_cli.errors import ConfigError, Interrupted, RunError
from mlp_cli.training import checkpoint
from mlp_cli.training.callbacks import Callback
from mlp_cli.training.state import Row

SECONDS, MEMORY = 1.0, 200 << 20
CONFIGS = Path(__file__).parents[2] / "configs"
EVERYTHING = """\
name: all
seed: 3
dataset: {name: mnist, validation: 0.1, split: last, split_seed: 1, scale: standard, limit: 500}
hidden_sizes:
  - 30
  - 20
activation: [relu, {name: leaky_relu, negative_slope: 0.02}]
initializer: {name: random_normal, standard_deviation: 0.1}
optimizer: {name: adam, beta_1: 0.8, epsilon: 1e-7}
learning_rate: 1e-3
schedule: {name: cosine, warmup_epochs: 1}
epochs: 10
batch_size: full
loss: {name: cross_entropy, reduction: sum}
dropout: [0.1, 0.2]
input_dropout: 0.1
batch_norm: {momentum: 0.9}
weight_decay: 1e-4
l1: 0.0
early_stopping: {monitor: val_loss, patience: 5, min_delta: 0}
dtype: float64
checkpoint_every: 2
evaluate: best
"""
TOKENS = [
    *("&a", "*a", "<<: *a", "!!python/object/apply:os.system", "!!binary x", "!x", "%YAML 1.1", "---", "...", "? ", ": ", "- "),
    *("[", "]", "{", "}", "[" * 30, "{a: " * 30, "|", ">", "'", '"', "#", ",", "\t", "\0", "\x85", "\ufeff", "\\ud800", "\ud800"),
    *("\U0001f600", "1e999", "-1e999", ".nan", ".inf", "0x1F", "0o17", "010", "1_000", "1:30", "2020-01-01", "yes", "~", "true"),
    *("9" * 30, "9" * 5000, "1e-3", "-0", "+1", "0.1.2", "1e", "3.0", "'3'", "name: mnist", "adam", "full", "best", ""),
    *("../../etc/passwd", "/dev/zero", "a/b", "..", ".", "\r", "\r\n", "\n", "  ", "\n\n", "<<<<<<< HEAD", "log(1e-4,1,3)"),
]


def mutated(content: bytes, generator: random.Random, others: list[bytes]) -> bytes:
    """A copy with a few changes: bits, bytes, lines, tokens, repeats, and pieces of others."""
    changed = bytearray(content)
    for _ in range(generator.choice((1, 1, 1, 2, 3, 8))):
        place = generator.randrange(len(changed) + 1)
        kind = generator.randrange(9)
        if kind == 0 and changed:
            changed[place % len(changed)] ^= 1 << generator.randrange(8)
        elif kind == 1:
            changed[place:place] = generator.randbytes(generator.choice((1, 2, 20)))
        elif kind == 2:
            del changed[place : place + generator.choice((1, 2, 10, 1000))]
        elif kind == 3:
            changed[place:place] = generator.choice(TOKENS).encode("utf-8", "surrogatepass")
        elif kind == 4:
            piece = changed[place : place + generator.choice((1, 5, 60))]
            changed[place:place] = piece * generator.choice((1, 3, 50, 100_000 // (len(piece) + 1)))
        elif kind == 5:
            other = generator.choice(others)
            start = generator.randrange(len(other))
            changed[place : place + generator.choice((0, 50))] = other[start : start + generator.choice((4, 200))]
        else:
            lines = changed.split(b"\n")
            number = generator.randrange(len(lines))
            if kind == 6:
                key, colon, _ = lines[number].partition(b":")
                lines[number] = key + colon + b" " + generator.choice(TOKENS).encode("utf-8", "surrogatepass")
            elif kind == 7:
                lines[number] = b" " * generator.choice((1, 2, 7, 300)) + lines[number]
            else:
                lines.insert(generator.randrange(len(lines)), lines[number])
            changed = bytearray(b"\n".join(lines))
    return bytes(changed)


def config_case(folder: Path) -> Callable[[random.Random], bool]:
    """Loads one mutated config, some with a mutated override; whether it was taken."""
    corpus = [path.read_bytes() for path in sorted(CONFIGS.rglob("*.yaml"))] + [EVERYTHING.encode()] * 5
    path = folder / "hostile.yaml"

    def case(generator: random.Random) -> bool:
        path.write_bytes(mutated(generator.choice(corpus), generator, corpus))
        line = mutated(generator.choice(EVERYTHING.splitlines()).encode(), generator, corpus).decode("utf-8", "replace")
        try:
            load_config(path, [line.replace(": ", "=", 1)] if generator.random() < 0.3 else [])
        except ConfigError:
            return False
        return True

    return case


class StopLate(Callback):
    """Ends training in the third epoch."""

    def on_epoch(self, row: Row) -> None:
        if row.epoch == 3:
            raise Interrupted("stopped")


def sealed(body: bytes) -> bytes:
    """With the SHA-256 that it ought to have, so that the reader goes on to what is inside."""
    return body + hashlib.sha256(body).hexdigest().encode()


def repacked(members: dict[str, bytes], generator: random.Random) -> bytes:
    """A zip archive of these members with sound checksums; sometimes compressed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            packing = zipfile.ZIP_DEFLATED if generator.random() < 0.05 else zipfile.ZIP_STORED
            archive.writestr(zipfile.ZipInfo(name), content, packing)
        archive.comment = b"0" * 64
    return buffer.getvalue()[:-64]


def hostile_member(name: str, content: bytes, generator: random.Random) -> bytes:
    """Another array, with a header that declares something else, or a head with other values."""
    if name == "head.npy":
        head = json.loads(content[content.index(b"\n") + 1 :])
        values: list[Any] = [None, -1, 10**30, 1.5, float("nan"), "x" * 100_000, [], {}, [[[]]], True, {"a": {}}, "\ud800"]
        target = head[generator.choice(("best", "environment"))] if generator.random() < 0.4 else head
        key = generator.choice([*target, "new"])
        if generator.random() < 0.2:
            target.pop(key, None)
        else:
            target[key] = generator.choice(values)
        text = json.dumps(head).encode()
        if generator.random() < 0.2:
            text = mutated(text, generator, [text, b"[" * 100_000])
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.frombuffer(text, np.uint8))
        return buffer.getvalue()
    kind = generator.randrange(4)
    if kind == 0:
        shape = generator.choice(("()", "(0,)", "(1000000000000,)", "(-1,)", "(3, 4, 5)", "(2,) * 9", f"({'9' * 4000},)"))
        return re.sub(rb"'shape': \([^)]*\)", b"'shape': " + shape.encode(), content)
    if kind == 1:
        descr = generator.choice(("|O", "<f8", "<U900000", ">f4", "<i8", "|V4", "<m8[s]", "<f3", "[('a', '<f4')]", "<c8"))
        return re.sub(rb"'descr': '[^']*'", f"'descr': '{descr}'".encode(), content)
    if kind == 2:
        return mutated(content[:128], generator, [content]) + content[128:]
    buffer = io.BytesIO()
    np.save(buffer, generator.choice((np.zeros(3), np.zeros((0, 7)), np.full((3, 7), np.nan), np.array(5), np.array(["a"]))))
    return buffer.getvalue()


def checkpoint_case(folder: Path) -> Callable[[random.Random], bool]:
    """Reads one mutated checkpoint and puts it into a network; whether it was taken."""
    mapping = {
        "dataset": {"path": str(folder / "shapes"), "validation": 40},
        "hidden_sizes": [4],
        "batch_norm": True,
        "batch_size": 32,
        "epochs": 5,
        "early_stopping": {"patience": 3},
    }
    planned = experiment.Plan(config_from_mapping(mapping), folder / "results")
    with suppress(Interrupted):
        experiment.run(planned, plots=False, callbacks=[StopLate()])
    trainer = build(planned.config, load_data(planned.config))
    sound = (planned.folder / checkpoint.CURRENT).read_bytes()
    members = {f"{name}.npy": b"" for name in npz.unpack(sound)}
    with zipfile.ZipFile(io.BytesIO(sound)) as archive:
        members = {name: archive.read(name) for name in members}
    path = folder / "hostile.npz"

    def case(generator: random.Random) -> bool:
        kind = generator.random()
        if kind < 0.2:
            content = mutated(sound, generator, [sound])
        elif kind < 0.5:
            content = sealed(mutated(sound[:-64], generator, [sound]))
        else:
            name = generator.choice(list(members) + ["head.npy"] * 4)
            changed = dict(members)
            if generator.random() < 0.1:
                del changed[name]
            else:
                changed[generator.choice((name,) * 9 + ("../../x.npy",))] = hostile_member(name, members[name], generator)
            content = sealed(repacked(changed, generator))
        path.write_bytes(content)
        try:
            checkpoint.restore(trainer, checkpoint.read(path))
        except RunError:
            return False
        if kind < 0.2 and content != sound:
            raise AssertionError("a damaged checkpoint was taken")
        return True

    return case


def peak() -> int:
    """The most memory that this process had in use so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def too_slow(*_: object) -> None:
    """A case that takes longer than it may, by the processor's clock."""
    raise TimeoutError(f"more than {SECONDS} s")


def main(kind: str, count: int, folder: Path) -> None:
    """Runs the cases; each has a seed of its own, so that a wrong one can be run alone."""
    case = {"config": config_case, "checkpoint": checkpoint_case}[kind](folder)
    case(random.Random(-1))
    before = peak()
    if sys.platform == "linux":
        virtual = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (virtual + MEMORY, virtual + MEMORY))
    signal.signal(signal.SIGPROF, too_slow)
    taken, longest, wrong = 0, 0.0, []
    for seed in range(count):
        started = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            taken += case(random.Random(seed))
        except BaseException:
            wrong.append(f"seed {seed}: {traceback.format_exc(limit=-4)}")
        signal.setitimer(signal.ITIMER_PROF, 0)
        longest = max(longest, time.process_time() - started)
    memory = round((peak() - before) / 2**20, 1)
    print(json.dumps({"cases": count, "taken": taken, "longest": round(longest, 3), "memory_mb": memory, "wrong": wrong[:20]}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
