"""What `golden.py` runs: the sets, the configs and the command lines, for every member of every registry that `mlp show` lists."""

import gzip
import json
import os
import pickle
import runpy
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from small_sets import make_idx_set

KINDS = {
    "optimizers": "optimizer",
    "activations": "activation",
    "initializers": "initializer",
    "schedules": "schedule",
    "losses": "loss",
    "features": "features",
}
"""What `mlp show` lists → the config's key that takes one of them by name."""

CONFIGS = {
    # 240 training rows: seven batches of 32, and one of 16.
    "base.yaml": """\
dataset: {path: pictures, validation: 60}
hidden_sizes: [12, 8]
epochs: 3
batch_size: 32
learning_rate: 1e-2
""",
    "table.yaml": """\
dataset: {path: table.csv, target: kind, missing: mean, validation: 20, test: 20}
hidden_sizes: [8]
epochs: 3
batch_size: 16
""",
    "quantity.yaml": """\
dataset: {path: table.csv, target: price, drop: [kind], categorical: [rooms], missing: mean, validation: 20, test: 20}
loss: mse
hidden_sizes: [8]
epochs: 3
batch_size: 16
""",
    "scalar.yaml": """\
dataset: {name: moons, rows: 60, test_rows: 20}
hidden_sizes: [4, 3]
activation: [sigmoid, relu]
optimizer: sgd
epochs: 2
batch_size: 1
learning_rate: 0.1
dtype: float64
engine: scalar
""",
    "sweep.yaml": """\
base: base.yaml
parameters:
  learning_rate: [1e-3, 1e-2]
  batch_size: [16, 64]
  hidden_sizes: [[], [8]]
zip: [learning_rate, batch_size]
seeds: [3, 5]
metric: val_loss
""",
}

REAL = {
    "mnist": ("epochs=1", "hidden_sizes=[64]", "batch_size=128", "learning_rate=1e-3"),
    "cifar10": ('dataset={"name": "cifar10", "scale": "standard", "limit": 1000}', "batch_norm=true", "input_dropout=0.1"),
    "notmnist": ('dataset={"name": "notmnist", "limit": 1000}', "dropout=0.5"),
}
"""Sets of MLP_DATA_DIR → overrides of base.yaml."""


@dataclass(frozen=True)
class Step:
    """One command line.

    words: what follows `mlp`. code: the exit code that the older tree should give, None for any. files: texts written before it, by
    path. interrupt: SIGTERM comes after the first epoch.
    """

    words: list[str]
    code: int | None = 0
    files: dict[str, str] = field(default_factory=dict)
    interrupt: bool = False


@dataclass(frozen=True)
class Case:
    """Command lines in one folder, which holds what `make_inputs` makes."""

    name: str
    steps: list[Step]


def mlp(line: str, code: int | None = 0, files: dict[str, str] | None = None) -> Step:
    """A step as one types it."""
    return Step(shlex.split(line), code, files or {})


def train(name: str, *overrides: str, config: str = "base.yaml", code: int | None = 0) -> Step:
    """A run of that name. In a folder each needs a name of its own, by which its files are matched."""
    return Step(["train", config, *overrides, "--name", name, "--no-plots", "--json"], code)


def make_inputs(folder: Path) -> None:
    """Writes a small set in each format, and the configs."""
    make_idx_set(folder / "pictures", train=300, test=60, side=5)
    generator = np.random.default_rng(11)
    y = np.arange(90) % 3
    x = np.clip(80 * y[:, None] + generator.normal(40, 40, (90, 16)), 0, 255).astype(np.uint8)
    np.savez(folder / "arrays.npz", x_train=x[:70], y_train=y[:70], x_test=x[70:], y_test=y[70:])
    np.save(folder / "x.npy", x.astype(np.float32))
    np.save(folder / "y.npy", y)
    pairs = [(x[part] / np.float32(256), y[part]) for part in (slice(60), slice(60, 75), slice(75, 90))]
    (folder / "pairs.pkl.gz").write_bytes(gzip.compress(pickle.dumps(pairs)))
    for number, (pixels, label) in enumerate(zip(x, y, strict=True)):
        path = folder / "letters" / "abc"[label] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.reshape(4, 4)).save(path)
    for form in ("zip", "gztar"):
        shutil.make_archive(str(folder / "letters"), form, folder / "letters")
    lines = ["size,rooms,colour,price,kind"]
    for label, size in zip(y, generator.normal(50, 20, 90), strict=True):
        rooms, colour, gap = generator.integers(1, 5), generator.choice(["red", "blue", "dark green"]), generator.random() < 0.1
        price = 3 * size + 20 * rooms + 30 * label
        lines.append(f"{'' if gap else round(size, 2)},{rooms},{colour},{price:.1f},{('flat', 'house', 'boat')[label]}")
    (folder / "table.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name, text in CONFIGS.items():
        (folder / name).write_text(text, encoding="utf-8")


SHOW = Case("show", [mlp("schema"), mlp("data list --json"), *(mlp(f"show {kind} --json", None) for kind in KINDS)])
"""The case that is run first: from its answers in the older tree, `cases` reads what there is."""


def cases(shown: dict[str, Any]) -> list[Case]:
    """All cases. shown: command line → the JSON that `SHOW` got from the older tree, as far as that command exists there."""
    schema, sets = shown["schema"], [each["name"] for each in shown["data list --json"] if "generated" in each["source"]]
    members = {kind: list(variants(shown[f"show {kind} --json"], schema)) for kind in KINDS if f"show {kind} --json" in shown}
    generated = [train(name, f'dataset={{"name": "{name}", "rows": 200, "test_rows": 50}}') for name in sets]
    families = [Case(kind, list(family(KINDS[kind], found))) for kind, found in members.items()]
    own = Path(os.environ.get("MLP_DATA_DIR") or "no folder")
    real = [train(name, f"dataset={name}", *overrides) for name, overrides in REAL.items() if (own / name).is_dir()]
    texts = [Path(__file__).parent / "config" / f"bad_{what}.py" for what in ("configs", "documents")]
    bad: list[tuple[str, str, Any]] = [case for path in texts for case in runpy.run_path(str(path))["BAD"]]
    return [
        SHOW,
        *families,
        Case("generated", [*generated, mlp("report --format json")]),
        Case("formats", list(formats())),
        Case("training", list(training())),
        Case("stopped", list(stopped())),
        *sweeps(),
        *([Case("real", real)] if real else []),
        # Not trained: what the newer tree refuses may be a sound config in the older one, and a long run.
        Case("bad-configs", [mlp(f"validate {name}.yaml", 2, {f"{name}.yaml": text}) for name, text, _ in bad]),
        Case("bad-commands", list(bad_commands())),
    ]


def variants(entries: list[dict[str, Any]], schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """A name and a config value for each member of a registry, and for each of its options with another value than its default.

    Members that need a file of their own are left out.
    """
    for entry in (each for each in entries if not each.get("required")):
        yield entry["name"], {"name": entry["name"]}
        changed = {
            option: other
            for option, default in entry["options"].items()
            if (other := another(default, texts_of(schema, entry["name"], option))) != default
        }
        for option, value in changed.items():
            yield f"{entry['name']}-{option}", {"name": entry["name"], option: value}
        if len(changed) > 1:
            yield f"{entry['name']}-all", {"name": entry["name"], **changed}


def another(default: Any, texts: list[str]) -> Any:
    """A value that an option also takes, guessed from its default; for a text one of `texts`."""
    if isinstance(default, bool):
        return not default
    if isinstance(default, int):
        return default // 5 or (2 if default == 1 else 1)
    if isinstance(default, float):
        return 0.5 if default == 0 else 1e-3 if default < 1e-4 else default / 2
    return 3 if default is None else next((text for text in texts if text != default), default)


def texts_of(schema: Any, member: str, option: str) -> list[str]:
    """The texts that an option takes, wherever the JSON Schema describes that member."""
    if isinstance(schema, list):
        return next((found for each in schema if (found := texts_of(each, member, option))), [])
    if not isinstance(schema, dict):
        return []
    keys = schema.get("properties")
    if isinstance(keys, dict) and isinstance(keys.get("name"), dict) and keys["name"].get("const") == member:
        return list(keys.get(option, {}).get("enum", []))
    return texts_of(list(schema.values()), member, option)


def family(key: str, found: list[tuple[str, dict[str, Any]]]) -> Iterator[Step]:
    """Runs of each member and option of a registry."""
    for name, value in found:
        override = f"{key}={json.dumps(value)}"
        if key == "loss":  # it goes with labels or with a quantity: one of the two is an error
            yield from (
                train(f"{name}-{config}", override, config=f"{config}.yaml", code=None) for config in ("base", "quantity")
            )
            continue
        yield train(name, override)
        if len(value) == 1:
            yield train(f"{name}-float64", override, "dtype=float64")
        if key == "optimizer" and len(value) == 1:
            yield train(f"{name}-decay", override, "weight_decay=0.02", "l1=1e-3")


def formats() -> Iterator[Step]:
    """Every format of one's own data."""
    for path in ("arrays.npz", "pairs.pkl.gz", "letters", "letters.zip", "letters.tar.gz"):
        yield train(path, f'dataset={{"path": "{path}"}}')
    yield train("npy", 'dataset={"path": "x.npy", "labels": "y.npy", "test": 0.2, "scale": "minmax"}')
    yield train(
        "chosen", 'dataset={"path": "letters", "classes": ["c", "a"], "limit": 0.5, "validation": 0, "scale": "standard"}'
    )
    yield train("last", 'dataset={"path": "pictures", "split": "last", "validation": 50}')
    yield train("split-seed", "dataset.split_seed=4", "dataset.validation=0.3")
    yield train("table", config="table.yaml")
    yield train("quantity", config="quantity.yaml")
    yield from map(mlp, ("data show pictures --json", "data show table.csv --target price --json"))


def training() -> Iterator[Step]:
    """What layers, batches, epochs, dtypes and engines there are; then what lists and comparisons say of them."""
    yield train("plain")
    yield train("seed", "seed=1")
    yield train("float64", "dtype=float64")
    yield train("softmax", "hidden_sizes=[]")
    yield train("layers", "hidden_sizes=[10, 9, 8]", "activation=[relu, tanh, sigmoid]")
    yield train("dropout", "dropout=[0.5, 0.2]")
    yield train("input-dropout", "input_dropout=0.2", "dropout=0.1", "dtype=float64")
    yield train("batch-norm", "batch_norm=true", "dropout=0.2")
    yield train("batch-norm-64", 'batch_norm={"momentum": 0.5, "epsilon": 1e-2}', "dtype=float64")
    yield train("full", "batch_size=full")
    yield train("one", "batch_size=1", "epochs=1")
    yield train("none", "epochs=0")
    yield train("best", "evaluate=best", "epochs=4", "learning_rate=0.1")
    yield train("early", 'early_stopping={"patience": 1, "min_delta": 0.01}', "epochs=30", "learning_rate=0.1")
    yield train("early-r2", 'early_stopping={"monitor": "val_r2", "patience": 1}', "epochs=20", config="quantity.yaml")
    yield train("warmup", 'schedule={"name": "cosine", "warmup_epochs": 0.5}', "checkpoint_every=2")
    # So many parameters that a second thread shares the optimizer's work, where there is one.
    threads = train("threads", "hidden_sizes=[512, 512]", "epochs=2", "batch_size=128", "batch_norm=true")
    yield Step([*threads.words, "--threads", "2"])
    yield train("scalar", config="scalar.yaml")
    yield train("scalar-momentum", "optimizer=momentum", "batch_size=16", "weight_decay=0.01", config="scalar.yaml")
    yield train("scalar-sum", 'loss={"name": "cross_entropy", "reduction": "sum"}', "learning_rate=0.01", config="scalar.yaml")
    yield mlp("train base.yaml --name plain --no-plots --json")
    yield mlp("train base.yaml --dry-run --json")
    yield mlp("check base.yaml batch_norm=true --json")
    yield mlp("validate base.yaml table.yaml sweep.yaml --json")
    yield from map(mlp, ("ls --json", "diff plain seed --json", "diff batch-norm-64 dropout --json"))


def stopped() -> Iterator[Step]:
    """A run that goes on after a signal, one that diverges, and one whose data changes afterwards."""
    words = shlex.split("train base.yaml --name resumed --no-plots optimizer=adam epochs=4 dropout=0.2 batch_norm=true")
    yield Step(words, 143, interrupt=True)
    yield mlp("ls --json")
    yield Step([*words, "--json"])
    for _ in range(2):  # the second time it is only reported
        yield train("diverged", "optimizer=sgd", "learning_rate=1e30", "epochs=4", code=1)
    table = "size,kind\n" + "".join(f"{number},{'ab'[number % 2]}\n" for number in range(30))
    words = shlex.split('train base.yaml --name changed "dataset={path: own.csv, target: kind, test: 0}" --no-plots')
    yield Step(words, 0, {"own.csv": table})
    yield Step(words, 3, {"own.csv": table.replace("7", "8")})
    yield mlp("ls --json")
    yield mlp("report --format json")


def sweeps() -> Iterator[Case]:
    """Every sampler, pruner and executor that needs nothing else to run; each sweep ends with its report."""
    grid = "sweep base.yaml learning_rate=1e-3,1e-2 optimizer=sgd,adam --seeds 3 --executor serial --json"
    report = "report results --where 'optimizer=adam and val_accuracy>0.1' --sort -train_loss --baseline @best:val_loss --json --out some"
    yield Case("sweep-grid", [mlp(f"{grid} --dry-run"), mlp(grid), mlp(grid), mlp(report), mlp("ls --json")])
    lines = {
        "sweep-halving": "sweep base.yaml learning_rate=log(1e-4,1e-1,4) epochs=4 --pruner halving --seeds 2",
        "sweep-random": "sweep base.yaml learning_rate=loguniform(1e-4,1e-1) hidden_sizes=[8],[6,4] batch_size=int(8,64) "
        "--sampler random --trials 4",
        "sweep-tpe": "sweep base.yaml learning_rate=loguniform(1e-4,1e-1) dropout=uniform(0,0.5) --sampler tpe --trials 8",
        "sweep-file": "sweep sweep.yaml",
    }
    for name, line in lines.items():
        yield Case(name, [mlp(f"{line} --executor serial --json")])
    diverging = "sweep base.yaml optimizer=sgd learning_rate=1e-2,1e30 --executor serial --json"
    yield Case("sweep-diverging", [mlp(diverging, 1), mlp(f"{diverging} --retry-failed", None)])
    yield Case("sweep-processes", [mlp("sweep base.yaml seed=0,1,2,3 --workers 2 --json"), mlp("report --format json")])


def bad_commands() -> Iterator[Step]:
    """Command lines, files and data that are wrong."""
    broken = {
        "broken/noise.npz": "no archive",
        "broken/page.csv": "<!DOCTYPE html><html><body>Not found</body></html>\n",
        "broken/pointer.npz": f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12\n",
        "broken/empty.npz": "",
        "broken/ragged.csv": "a,b,kind\n1,2,x\n3,4\n5,6,7,y\n",
        "broken/gaps.csv": "a,kind\n1,x\n,y\n3,x\n",
        "broken/text.csv": "a,price\n1,2\n2,much\n",
        "broken/train-images-idx3-ubyte": "short",
    }
    sets: list[dict[str, Any]] = [{"path": path} for path in (*broken, "broken", "nowhere", "base.yaml") if ".csv" not in path]
    sets += [{"path": path, "target": "kind"} for path in broken if ".csv" in path]
    sets += [{"path": "table.csv", "target": "kin"}, {"path": "pictures", "validation": 10_000}]
    yield Step(["train", "base.yaml", "--name", "plain", "--no-plots"], files=broken)
    yield from (train(f"data-{number}", f"dataset={json.dumps(dataset)}", code=None) for number, dataset in enumerate(sets))
    lines = """\
train
trian base.yaml
train missing.yaml
train .
train sweep.yaml
train base.yaml learning_rate
train base.yaml learning_rate=-1 optimzer=adam
train base.yaml --threads 0
train base.yaml --lr fast
train base.yaml --name a/b
train base.yaml --nope
train base.yaml engine=scalar
train base.yaml 'features={name: pca, components: 99}'
train table.yaml dataset.missing=error
sweep base.yaml optimzer=adam,sgd learning_rate=1e-3,-1
sweep base.yaml learning_rate=lin(0,1)
sweep base.yaml learning_rate=loguniform(1e-4,1e-1)
sweep base.yaml learning_rate=loguniform(1e-4,1e-1) --sampler random
sweep base.yaml learning_rate=1e-3,1e-2 --sampler tpe
sweep base.yaml learning_rate=1e-3,1e-2 --budget soon
sweep base.yaml learning_rate=1e-3,1e-2 --executor serial --workers 2
sweep base.yaml learning_rate=1e-3,1e-2 epochs=1 --pruner halving
sweep base.yaml learning_rate=1e-3,1e-2 --scheduler nowhere
report nowhere
report results --where learning_rate<
report results --sort nope
report results --baseline nope
ls --nope
ls nowhere
diff plain
diff plain other
diff @last @best:nope
validate
validate base.yaml missing.yaml
show optimizer
data show nope
data show moons --subset letters
data fetch nope
data fetch moons
check missing.yaml
lr-find missing.yaml
init base
init .hidden/../base
--version now
"""
    yield from (mlp(line, None) for line in lines.splitlines())
