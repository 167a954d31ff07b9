"""Packs: what is packed is read as from the folder, and a file that somebody made up is refused, or costs its own run alone."""

import hashlib
import io
import json
import os
import struct
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_runs import write_run
from small_sets import Answer

from mlp_cli import files, packs, runs
from mlp_cli.errors import DataError, RunError

Mlp = Callable[..., Answer]


def forge(path: Path, content: Mapping[str, bytes], **index: Any) -> Path:
    """A zip file with these members and an index that lists them rightly, but for what `index` says."""
    listed = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
        archive.writestr("pack.json", json.dumps({"format": 1, "files": listed} | index))
    return path


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """A folder of a sweep with four runs, a link and files that are no part of it."""
    home = tmp_path / "results" / "sweep-01234567"
    for seed in (0, 1):
        for rate in (0.1, 0.01):
            write_run(home / "runs", {"learning_rate": rate}, seed=seed, score=0.9 + seed / 50 - rate / 10, name=f"lr{rate}")
    (home / "sweep.yaml").write_text("metric: val_loss\nmode: min\n")
    (home / "report").mkdir()
    (home / "report" / "index.html").write_text("old")
    (home / "report" / "summary.csv").write_text("old")
    run = next((home / "runs").iterdir())
    (run / "checkpoint.npz").write_bytes(b"large")
    (run / ".hidden.json").write_text("{}")
    (run / "link.csv").symlink_to("/etc/hostname")
    (run / "note.json").write_text('{"text": "mine", "tags": ["paper"]}')
    return home


def test_a_pack_has_the_files_of_the_runs_and_their_hashes(mlp: Mlp, sweep: Path, tmp_path: Path) -> None:
    answer = mlp("pack", sweep)
    assert answer.code == 0 and answer.out.startswith("wrote sweep-01234567.zip: 4 runs, 10 files, ")
    with zipfile.ZipFile(tmp_path / "sweep-01234567.zip") as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    index = json.loads(content.pop("pack.json"))
    expected = {
        str(path.relative_to(sweep)): path.read_bytes()
        for path in sweep.rglob("*")
        if path.name in ("sweep.yaml", "run.json", "metrics.csv", "note.json")
    }
    assert content == expected and index["files"] == {name: hashlib.sha256(data).hexdigest() for name, data in expected.items()}
    again = mlp("pack", "sweep-01234567", "--out", "again.zip", "--json")
    found = json.loads(again.out)
    assert found["runs"] == 4 and found["sha256"] == index["files"]
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "sweep-01234567.zip").read_bytes()


@pytest.mark.usefixtures("undrawn")
def test_commands_read_a_pack_as_the_folder(mlp: Mlp, sweep: Path, tmp_path: Path) -> None:
    for record in sweep.rglob("run.json"):
        os.utime(record, (0, 0))  # which decides between runs of the same second, and is not packed
    assert mlp("pack", sweep, "--out", "all.zip").code == 0

    def of(words: list[object], place: object) -> str:
        answer = mlp(*words)
        assert answer.code == 0, answer.err
        return answer.out.replace(f"{place}/", "")

    before, zipped = str(sweep), "all.zip"
    for words in (["ls"], ["ls", "--json"]):
        assert of([words[0], sweep, *words[1:]], before) == of([words[0], zipped, *words[1:]], zipped)
    report = of(["report", sweep, "--json", "--out", "out"], before).replace(before, "all.zip")
    assert of(["report", zipped, "--json", "--out", "out"], zipped) == report
    assert json.loads(report)["groups"][0]["metric"] == "val_loss", "which sweep.yaml says"
    first, second = sorted(path.name for path in (sweep / "runs").iterdir())[:2]
    there = of(["diff", sweep / "runs" / first, sweep / "runs" / second], before)
    assert of(["diff", f"all.zip/{first}", f"all.zip/runs/{second}"], zipped) == there
    assert mlp("report", zipped).code == 0 and (tmp_path / "all_report" / "index.html").exists()
    assert of(["ls", "--results", zipped], zipped).count("\n") == 5
    best = json.loads(mlp("ls", zipped, "--json").out)["runs"]
    top = max(best, key=lambda row: row["score"])["folder"]
    assert runs.find_run("all.zip/@best:val_accuracy", Path()) == runs.find_run("@best:val_accuracy", Path(zipped)) == Path(top)


def test_a_run_in_a_pack(mlp: Mlp, sweep: Path) -> None:
    assert mlp("pack", sweep, "--out", "all.zip").code == mlp("pack", "@last", "--out", "one.zip").code == 0
    assert runs.find_run("one.zip", Path()) == Path("one.zip", runs.find_run("@last", sweep).name)
    answer = mlp("diff", "one.zip", "all.zip")
    assert answer.code == 2 and "all.zip is no single run" in answer.err and "all.zip/NAME" in answer.err
    assert mlp("diff", "one.zip", "all.zip/lr0.1").code == 2 and "means 2 runs" in mlp("diff", "one.zip", "all.zip/lr0.1").err
    assert "unknown run 'zzz'" in mlp("diff", "one.zip", "all.zip/zzz").err
    assert mlp("rm", "one.zip", "--yes").code == mlp("note", "one.zip", "x").code == mlp("pack", "one.zip").code == 2
    assert "never changed" in mlp("rm", "one.zip", "--yes").err


@pytest.mark.usefixtures("undrawn")
def test_a_trained_run_is_trained_again_from_its_pack(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    assert mlp("train", small_config).code == mlp("pack", "@last", "--out", "run.zip").code == 0
    answer = mlp("rerun", "run.zip", "--check")
    assert answer.code == 3 and "no path is taken from one" in answer.err and "dataset.path=…" in answer.err
    answer = mlp("rerun", "run.zip", "--check", "dataset.path=shapes")
    assert answer == Answer(0, "identical: 3 epochs, the final scores and the weights\n", "")
    assert mlp("train", f"{runs.find_run('run.zip', Path())}/config.yaml").code == 2, "nor is a config"
    assert mlp("train", "--refit", "run.zip").code == mlp("evaluate", "run.zip", "--split", "train").code == 3
    scored, own = mlp("evaluate", "run.zip"), mlp("evaluate", "@last")
    exported = mlp("export", "run.zip", "--format", "html", "--out", "run.html")
    assert exported.code == 0 and "no path is taken from one" in exported.err
    assert "by predictions.npz" in scored.out and "by model.npz" in own.out, "the data of its maker is not looked for"
    assert mlp("report", "run.zip").code == 0
    page = (tmp_path / "run_report" / "index.html").read_text()
    assert page.count("data:image/png;base64,") >= 2, "its figures are in the page"
    assert "run.zip/config.yaml" not in page and "--results run.zip" not in page


@pytest.mark.parametrize("key", packs.PLACES)
def test_no_key_of_a_pack_names_a_file(tmp_path: Path, key: str) -> None:
    part, _, option = key.partition(".")
    config = {"dataset": {"name": "mnist", "validation": 5000}, "features": None} | {part: {option: "/etc/passwd"}}
    forge(tmp_path / "all.zip", {"r-0/run.json": b"{}"})
    with pytest.raises(DataError, match="no path is taken from one"):
        packs.refuse_paths(tmp_path / "all.zip" / "r-0", config)
    packs.refuse_paths(tmp_path / "all.zip" / "r-0", config, [f"{key}=mine.csv"])
    packs.refuse_paths(tmp_path / "r-0", config)


def test_every_path_of_the_schema_is_known_to_packs() -> None:
    from mlp_cli.config.resolved import SCHEMA_FILE

    schema = json.loads(SCHEMA_FILE.read_text())
    of_sets = {f"dataset.{key}" for key in schema["$defs"]["Dataset"]["properties"] if "path" in key or key == "labels"}
    assert of_sets | {"dataset.validation", "features.path"} == set(packs.PLACES)
    others = [name for name, node in schema["$defs"].items() if name != "Dataset" and "path" in node.get("properties", {})]
    assert others == ["file", "onnx"], "both are features"


@pytest.mark.usefixtures("undrawn")
def test_a_pack_predicts_as_its_folder_does(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    assert mlp("sweep", small_config, "--lr", "1e-3,1e-2", "--seeds", "3", "epochs=1", "--executor", "serial").code == 0
    (sweep,) = (tmp_path / "results").iterdir()
    run = next((sweep / "runs").iterdir())
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).integers(0, 256, (9, 6, 6), dtype=np.uint8))
    assert mlp("pack", sweep, "--out", "all.zip").code == mlp("pack", run, "--out", "one.zip").code == 0
    for folder, packed in ((sweep, "all.zip"), (run, "one.zip"), (run, f"all.zip/{run.name}")):
        answer = mlp("predict", packed, "rows.npy")
        assert answer.code == 0 and answer.out == mlp("predict", folder, "rows.npy").out and answer.out.count("\n") == 10


def test_what_is_not_packed(mlp: Mlp, sweep: Path, tmp_path: Path) -> None:
    (tmp_path / "taken.zip").write_text("mine")
    answer = mlp("pack", sweep, "--out", "taken.zip")
    assert answer.code == 2 and "exists already" in answer.err and (tmp_path / "taken.zip").read_text() == "mine"
    with runs.Claim(next((sweep / "runs").iterdir())):
        assert mlp("pack", sweep).code == 1 and "in use" in mlp("pack", sweep).err
    assert mlp("pack", "nowhere").code == 2 and not list(tmp_path.glob("sweep*.zip"))


@pytest.mark.parametrize("name", ["../out/run.json", "/etc/passwd", "a//b", "a/./b", "a\\..\\b", "a/\x1b[2J", "", "a/.."])
def test_a_listed_path_that_leads_elsewhere(mlp: Mlp, tmp_path: Path, name: str) -> None:
    forge(tmp_path / "bad.zip", {"r-00000000/run.json": b"{}"}, files={name: "0" * 64})
    answer = mlp("ls", "bad.zip")
    assert answer.code == 1 and "no plain path" in answer.err and "\x1b" not in answer.err


def test_what_is_no_pack(mlp: Mlp, tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("text")
    assert mlp("ls", "text.zip").code == 1 and "text.zip is no pack, or damaged: File is not a zip" in mlp("ls", "text.zip").err
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("run.json", "{}")
    assert mlp("ls", "other.zip").code == 1 and "it has no pack.json" in mlp("ls", "other.zip").err
    for index in ({"format": 2}, {"format": 1, "files": ["a"]}, {"files": 3}, {}):
        with zipfile.ZipFile(tmp_path / "odd.zip", "w") as archive:
            archive.writestr("pack.json", json.dumps(index))
        answer = mlp("ls", "odd.zip")
        assert answer.code == 1 and "odd.zip is" in answer.err and "internal" not in answer.err
    whole = forge(tmp_path / "whole.zip", {"r-00000000/run.json": b"{}" * 5000}).read_bytes()
    for size in range(0, len(whole), 7):
        (tmp_path / "cut.zip").write_bytes(whole[:size])
        assert mlp("ls", "cut.zip").code in (1, 2)


def test_bytes_that_are_not_what_was_packed(mlp: Mlp, sweep: Path, tmp_path: Path) -> None:
    good, bad = sorted((sweep / "runs").iterdir())[:2]
    content = {f"{run.name}/{name}": (run / name).read_bytes() for run in (good, bad) for name in ("run.json", "metrics.csv")}
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
    content[f"{bad.name}/run.json"] += b" "
    forge(tmp_path / "two.zip", content, files=hashes)
    answer = mlp("ls", "two.zip")
    assert answer.code == 0 and good.name in answer.out.splitlines()[1]
    assert "not what was packed" in answer.out.splitlines()[2] and bad.name in answer.out.splitlines()[2]


def test_any_byte_that_is_flipped_is_found_or_changes_nothing(sweep: Path, tmp_path: Path) -> None:
    run = next((sweep / "runs").iterdir())
    path = forge(tmp_path / "one.zip", {f"{run.name}/run.json": (run / "run.json").read_bytes()})
    whole = path.read_bytes()
    for place in range(0, len(whole), 11):
        flipped = tmp_path / f"{place}.zip"
        flipped.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        with suppress(RunError):
            assert files.read_bytes(flipped / run.name / "run.json", 1 << 20, RunError) == (run / "run.json").read_bytes()


def test_a_file_that_unpacks_to_more_than_the_limit(tmp_path: Path) -> None:
    path = forge(tmp_path / "bomb.zip", {"r-00000000/run.json": bytes(5_000_000)})
    assert path.stat().st_size < 20_000
    with pytest.raises(RunError, match="larger than the limit of 1,000,000 bytes"):
        files.read_bytes(path / "r-00000000/run.json", 1_000_000, RunError)


def test_a_model_in_a_pack_runs_no_code(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    assert mlp("train", small_config, "--no-plots").code == 0
    folder = runs.find_run("@last", tmp_path / "results")

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "touched",)

    buffer = io.BytesIO()
    np.savez(buffer, W1=np.array([Evil()], dtype=object), allow_pickle=True)
    content = {f"r-00000000/{path.name}": path.read_bytes() for path in folder.iterdir()}
    forge(tmp_path / "evil.zip", content | {"r-00000000/model.npz": buffer.getvalue()})
    answer = mlp("rerun", "evil.zip", "dataset.path=shapes")
    assert answer.code == 1 and "model.npz is damaged" in answer.err and not (tmp_path / "touched").exists()


def test_an_encrypted_member_and_an_unknown_compression(tmp_path: Path) -> None:
    whole = bytearray(forge(tmp_path / "plain.zip", {"r-0/run.json": b"{}"}).read_bytes())
    central = whole.index(b"PK\x01\x02")
    for offset, value in ((8, 1), (10, 99)):
        changed = bytearray(whole)
        changed[central + offset : central + offset + 2] = struct.pack("<H", value)
        path = tmp_path / f"changed{offset}.zip"
        path.write_bytes(changed)
        with pytest.raises(RunError, match="damaged"):
            files.read_bytes(path / "r-0/run.json", 100, RunError)


def test_a_pack_that_is_replaced_is_read_anew(tmp_path: Path) -> None:
    for text in (b"first", b"second"):
        path = forge(tmp_path / "new.zip", {"r-0/log.txt": text})
        assert files.read_bytes(path / "r-0" / "log.txt", 100, RunError) == text
    assert not files.is_file(path / "r-0") and files.is_file(path / "r-0" / "log.txt")
    assert packs.find(tmp_path / "nowhere.zip" / "x") is None
    with pytest.raises(RunError, match="no such file in the pack"):
        files.read_bytes(path / "r-0" / "run.json", 100, RunError)
