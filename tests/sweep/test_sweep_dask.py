"""Members on a Dask cluster: workers and schedulers that die, workers that must not be used."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from needs import need
from small_sets import make_idx_set
from sweep_jobs import children_of, drain, drive, folder_of, hashes_of, make_job, make_jobs, trained_alone

from mlp_cli import runs
from mlp_cli.errors import RunError, UsageError
from mlp_cli.sweep import dask_cluster
from mlp_cli.sweep.dask_executor import Dask
from mlp_cli.sweep.executors import Executor, Job, check_executor, open_executor

need("distributed")
import distributed  # noqa: E402


class Site:
    """A scheduler and its workers as processes of their own, started as a user would, in a folder with a data set."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.images = folder, make_idx_set(folder / "shapes")
        self.environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
        self.processes: list[subprocess.Popen[bytes]] = []
        listing = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(listing))
        end = time.monotonic() + 30
        while not (listing.exists() and listing.read_text().endswith("}")):  # it is not written at once
            assert time.monotonic() < end
            time.sleep(0.05)
        self.address = json.loads(listing.read_text())["address"]

    def add_worker(self, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        return self._start("worker", self.address, "--host", "127.0.0.1", *options, **environment)

    def _start(self, kind: str, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--no-dashboard", *options]
        log = open(self.folder / f"{kind}.log", "ab")  # noqa: SIM115
        with log:
            process = subprocess.Popen(command, cwd=self.folder, env=self.environment | environment, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def close(self) -> None:
        for process in self.processes:  # what a nanny or a worker started ends with it
            process.kill()
            process.wait()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    try:
        yield site
    finally:
        site.close()


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def wait_for_workers(executor: Dask, count: int) -> None:
    end = time.monotonic() + 30
    while len(executor._cluster.threads) < count:
        executor.results(0)
        assert time.monotonic() < end
        time.sleep(0.05)


def wait_for_checkpoints(executor: Executor, jobs: Iterable[Job]) -> None:
    """Until each job has a checkpoint; none may end before."""
    end = time.monotonic() + 30
    while not all((folder_of(job) / "checkpoint.npz").exists() for job in jobs):
        assert executor.results(0.02) == []
        assert time.monotonic() < end


def test_a_cluster_whose_workers_die(site: Site, results: Path, tmp_path: Path) -> None:
    first = site.add_worker("--nthreads", "2", "--no-nanny")
    jobs = make_jobs(site.images, results, 4, epochs=100)
    with Dask(site.address, 1) as executor:
        wait_for_workers(executor, 1)
        assert executor.workers == 2
        for job in jobs[:2]:
            executor.submit(job)
        wait_for_checkpoints(executor, jobs[:2])
        site.add_worker("--nthreads", "1")
        first.kill()
        lost = drain(executor, 2)
        assert [(result.status, result.lost) for result in lost] == [("interrupted", True)] * 2
        assert all("is gone" in str(result.error) for result in lost)
        assert [result.status for result in drive(executor, jobs).values()] == ["completed"] * 4
    assert hashes_of(jobs) == [trained_alone(job, tmp_path / "alone") for job in jobs]
    assert sorted(path.name for path in results.iterdir()) == sorted(job.run_id for job in jobs)


def test_cancelled_members_stop_on_the_workers(site: Site, results: Path) -> None:
    site.add_worker("--nthreads", "1")
    jobs = make_jobs(site.images, results, 2, epochs=100_000)
    with open_executor("dask", workers=1, scheduler=site.address) as executor:
        for job in jobs:
            executor.submit(job)
        wait_for_checkpoints(executor, jobs[:1])
        executor.cancel_all()
        found = {result.run_id: result for result in drain(executor, 2)}
        assert [found[job.run_id].status for job in jobs] == ["interrupted"] * 2
        assert runs.read_status(folder_of(jobs[0]))[1] == "interrupted"
        assert found[jobs[1].run_id].error == "not started"


def test_a_member_that_dies_leaves_the_dask_worker_alone(site: Site, results: Path) -> None:
    worker = site.add_worker("--nthreads", "1", "--no-nanny")
    job = make_job(site.images, results, "long", epochs=100_000)
    with Dask(site.address, 1, timeout=20) as executor:
        executor.submit(job)
        wait_for_checkpoints(executor, [job])
        (child,) = children_of(worker.pid)
        os.kill(child, signal.SIGKILL)
        (result,) = drain(executor, 1)
        assert (result.status, result.lost) == ("interrupted", True)
        assert "SIGKILL" in str(result.error)
        assert drive(executor, [make_job(site.images, results, "next")])["next"].status == "completed"
    assert worker.poll() is None


def test_a_time_limit_holds_on_a_cluster(site: Site, results: Path) -> None:
    site.add_worker("--nthreads", "1")
    with Dask(site.address, 1, timeout=3) as executor:
        (result,) = drive(executor, [make_job(site.images, results, "long", epochs=100_000)]).values()
    assert (result.status, result.error) == ("failed", "timed out: not done after 3 s")


def test_a_scheduler_that_dies(site: Site, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_cluster, "_CONNECT", 2.0)
    site.add_worker("--nthreads", "1")
    job = make_job(site.images, results, "long", epochs=100_000)
    with pytest.raises(RunError, match=r"the Dask scheduler at tcp://.* is gone") as caught, Dask(site.address, 1) as executor:
        executor.submit(job)
        wait_for_checkpoints(executor, [job])
        site.scheduler.kill()
        while True:
            assert executor.results(1.0) == []
    assert "run the same command" in str(caught.value.hint)


def test_workers_with_another_version_are_refused(site: Site, results: Path, tmp_path: Path) -> None:
    task = Path(dask_cluster.__file__).parent / "dask_task.py"
    for name, version in (("older", "0.0.1"), ("empty", "0.0.0")):
        (tmp_path / name / "mlp_cli" / "sweep").mkdir(parents=True)
        (tmp_path / name / "mlp_cli" / "__init__.py").write_text(f'__version__ = "{version}"\n')
    (tmp_path / "older" / "mlp_cli" / "sweep" / "__init__.py").write_text("")
    (tmp_path / "older" / "mlp_cli" / "sweep" / "dask_task.py").write_bytes(task.read_bytes())
    site.add_worker("--nthreads", "1", PYTHONPATH=str(tmp_path / "older"))
    notices: list[str] = []
    with pytest.raises(RunError) as caught, Dask(site.address, 1, notify=notices.append) as executor:
        executor.submit(make_job(site.images, results, "a"))
        drain(executor, 1)
    assert "no worker of the Dask cluster" in caught.value.message
    assert "mlp-cli 0.0.1 in place of" in caught.value.message
    assert "same versions" in str(caught.value.hint)

    site.add_worker("--nthreads", "1", PYTHONPATH=str(tmp_path / "empty"))
    site.add_worker("--nthreads", "1")
    notices.clear()
    with distributed.Client(site.address, set_as_default=False) as client:
        client.wait_for_workers(3)
    with Dask(site.address, 1, notify=notices.append) as executor:
        assert executor.workers == 1
        found = drive(executor, make_jobs(site.images, results, 3))
    assert [result.status for result in found.values()] == ["completed"] * 3
    assert len(notices) == 2
    assert any("cannot run mlp-cli" in text for text in notices)
    assert any("mlp-cli 0.0.1" in text for text in notices)


def test_workers_that_do_not_see_the_folder_are_refused(site: Site, results: Path) -> None:
    site.add_worker("--nthreads", "1")
    with pytest.raises(RunError, match="does not see the folder"), Dask(site.address, 1) as executor:
        executor._probes[str(results)] = results / "only-on-another-machine"
        executor.submit(make_job(site.images, results, "a"))
        drain(executor, 1)
    assert not results.exists()


@pytest.fixture
def port_of_another_cluster() -> Iterator[None]:
    """Something listens on the port that Dask would serve its pages from."""
    with closing(socket.socket()) as other:
        with suppress(OSError):  # there is such a cluster here
            other.bind(("127.0.0.1", 8787))
            other.listen()
        yield


@pytest.mark.usefixtures("port_of_another_cluster")
def test_a_local_cluster_with_a_worker_killed(idx_set: Path, results: Path, tmp_path: Path) -> None:
    jobs = make_jobs(idx_set, results, 4, epochs=100)
    with Dask(None, 2) as executor:
        assert all(address.startswith("tcp://127.0.0.1:") for address in executor._cluster.threads)
        pids = executor._cluster.client.run(os.getpid)
        for job in jobs:
            executor.submit(job)
        wait_for_checkpoints(executor, jobs[:2])
        os.kill(next(iter(pids.values())), signal.SIGKILL)
        waiting, losses = {job.run_id: job for job in jobs}, 0
        while waiting:
            for result in executor.results(5.0):
                if result.lost:
                    losses += 1
                    executor.submit(waiting[result.run_id])
                else:
                    assert result.status == "completed"
                    del waiting[result.run_id]
        assert losses == 1
    assert hashes_of(jobs) == [trained_alone(job, tmp_path / "alone") for job in jobs]


def test_no_scheduler_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_cluster, "_CONNECT", 1.0)
    for address in ("tcp://127.0.0.1:1", "tcp://nowhere.invalid:8786"):
        with pytest.raises(RunError, match="cannot reach the Dask scheduler") as caught:
            Dask(address, 1)
        assert "dask scheduler --host" in str(caught.value.hint)


@pytest.mark.parametrize(
    "address", ["nonsense", "tcp://x", "tcp://a:b:c", "http://x:1", "inproc://x:1", "tcp://x:99999", ":8786", ""]
)
def test_an_address_that_none_can_have(address: str) -> None:
    with pytest.raises(UsageError, match=f"--scheduler {address}: ") as caught:
        check_executor("dask", None, address)
    assert caught.value.hint == "an address looks like tcp://10.0.0.5:8786"


def test_the_client_prints_nothing_of_its_own(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    site.add_worker("--nthreads", "1")
    with Dask(site.address, 1) as executor:
        wait_for_workers(executor, 1)
        logging.getLogger("distributed.client").error("Failed to reconnect to scheduler")
    assert capfd.readouterr() == ("", "")


def test_a_cluster_without_workers(site: Site, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_cluster, "WORKERS_PATIENCE", 1.0)
    with pytest.raises(RunError, match="no workers for 1 s"), Dask(site.address, 1) as executor:
        executor.submit(make_job(site.images, results, "a"))
        drain(executor, 1)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed.comm.addressing", None)
    with pytest.raises(UsageError, match="distributed") as caught:
        open_executor("dask", workers=1)
    assert caught.value.hint == "pip install 'mlp-cli[dask]'"
