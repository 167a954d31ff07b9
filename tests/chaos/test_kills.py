"""Proof 1: a run that is killed at any moment, and again, ends with the bytes of an undisturbed one."""

import json
import os
import random
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml
from chaos_runs import COMMON, OPTIMIZERS, STATES, TOGETHER, Site, digest, ended

from mlp_cli.nn.optimizers import optimizers

CONFIGS = {**OPTIMIZERS, **STATES, "together": TOGETHER}


def kill(site: Site, config: str, results: str, epochs: int, delay: float) -> bool:
    """Starts a run and kills it so many seconds after it told of so many epochs. Returns whether it was still there."""
    process = site.start(site.command(config, results))
    site.wait_for(results, process, "log.txt")
    while process.poll() is None and site.epochs(results) < epochs:
        time.sleep(0.001)
    time.sleep(delay)
    process.kill()
    return ended(process).code == -signal.SIGKILL


def killed_and_finished(site: Site, config: str, results: str, seed: str, first: int) -> tuple[str, int]:
    """H of a run that was killed once, at a random moment of a random epoch; and the epochs that it had done by then.

    It ends in a fresh process. The epoch is one that the run tells of, however slow the machine is with its other work.
    """
    generator, last = random.Random(seed), site.epochs(f"calm-{config}")
    for attempt in range(20):
        place, epochs = f"{results}-{attempt}", generator.randint(first, last)
        if kill(site, config, place, epochs, generator.uniform(0, site.seconds[config] / last)):
            done = site.epochs(place)
            return site.finish(config, place), done
        last = max(first, epochs - 1)  # by then it was over
    raise AssertionError("every run ended before it could be killed")


def check_kills(site: Site, cases: list[tuple[str, int]], first: int = 0) -> list[int]:
    """Kills runs of `CONFIGS`, each with its number, a few at a time, after `first` epochs or later; gives those that each had done."""

    def one(case: tuple[str, int]) -> int:
        name, number = case
        config = f"{name}.yaml"
        found, done = killed_and_finished(site, config, f"{name}-{number}", f"{name} {number}", first)
        assert found == site.undisturbed(config) and done >= first, (case, done)
        return done

    for name in dict(cases):
        site.undisturbed(site.config(name, COMMON, CONFIGS[name]))
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        return list(pool.map(one, cases))


def test_killed_once(site: Site) -> None:
    check_kills(site, [(name, 0) for name in OPTIMIZERS])


def test_killed_with_every_state_at_once(site: Site) -> None:
    check_kills(site, [("together", number) for number in range(3)], 2)  # so that there is a checkpoint


@pytest.mark.slow
@pytest.mark.parametrize("name", [*STATES, "together"])
def test_every_state_killed_at_fifteen_moments(site: Site, name: str) -> None:
    done = check_kills(site, [(name, number) for number in range(15)])
    print(f"15 kills, {name}: epochs done by then {sorted(done)}")
    assert len(set(done)) >= 4


def test_every_optimizer_is_killed() -> None:
    given = [yaml.safe_load(text)["optimizer"] for text in CONFIGS.values()]
    assert {each if isinstance(each, str) else each["name"] for each in given} == set(optimizers)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_killed_at_fifty_moments(site: Site, optimizer: str) -> None:
    done = check_kills(site, [(optimizer, number) for number in range(1, 51)])
    print(f"50 kills, {optimizer}: epochs done by then {sorted(done)}")
    assert len(done) == 50 and len(set(done)) >= 5


@pytest.mark.parametrize(
    ("kills", "every"), [(3, 1), pytest.param(10, 1, marks=pytest.mark.slow), pytest.param(10, 3, marks=pytest.mark.slow)]
)
def test_killed_again_and_again(site: Site, kills: int, every: int) -> None:
    """Every second kill comes while the run goes back to its checkpoint, before it has trained anything."""
    config = site.config("adam", COMMON, OPTIMIZERS["adam"])
    calm = site.undisturbed(config)
    longest = 0.8 * site.seconds[config] / kills  # so that it is not done before the last kill
    config = site.config(f"every-{every}", COMMON, OPTIMIZERS["adam"], f"checkpoint_every: {every}\n")
    results = f"again-{kills}-{every}"
    while not survived(site, config, results, kills, longest):  # the calm run was timed while the machine had other work
        longest /= 2
        shutil.rmtree(site.root / results)
    assert went_back(site, results) == kills - 1
    assert site.finish(config, results) == calm


def went_back(site: Site, results: str) -> int:
    """How often the run went back to a checkpoint."""
    return site.log(results).count("going on after epoch")


def has_checkpoint(site: Site, results: str) -> bool:
    return any((site.root / results).glob("*/checkpoint*.npz"))


def survived(site: Site, config: str, results: str, kills: int, longest: float) -> bool:
    """Kills a run so often, from its first checkpoint on; gives whether it was still there each time."""
    generator = random.Random(kills)
    for number in range(kills):
        process = site.start(site.command(config, results))
        while process.poll() is None and not (went_back(site, results) == number and has_checkpoint(site, results)):
            time.sleep(0.0005)
        time.sleep(generator.uniform(0, 0.002 if number % 2 else longest))
        process.kill()
        if (end := ended(process)).code != -signal.SIGKILL:
            assert end.code == 0, end
            return False
    return True


@pytest.mark.slow
def test_a_longer_run_is_killed_at_twenty_moments(site: Site) -> None:
    """One that goes on from a completed shorter one; each is killed twice."""
    generator = random.Random(17)
    keys = "optimizer: adam\ndropout: 0.2\nbatch_norm: true\nema: 0.9\nearly_stopping: null\nevaluate: best\n"
    short, long = (site.config(f"of-{epochs}", COMMON, keys, f"epochs: {epochs}\n") for epochs in (5, 20))
    calm = site.undisturbed(long)
    assert site.train(short, "begun").code == 0
    killed = []
    for number in range(20):
        shutil.copytree(site.root / "begun", site.root / f"kill-{number}")
        for _ in range(2):
            process = site.start(site.command(long, f"kill-{number}"))
            time.sleep(generator.uniform(0.2, 0.4 + 0.7 * site.seconds[long]))
            process.kill()
            killed.append(ended(process).code == -signal.SIGKILL)
        assert site.train(long, f"kill-{number}").code == 0
        (folder,) = [path.parent for path in site.root.glob(f"kill-{number}/*/run.json") if '"epochs": 20' in path.read_text()]
        assert digest(folder) == calm and json.loads((folder / "run.json").read_text())["continued_from"]
    assert sum(killed) >= 15
