"""Members on a Dask cluster: workers and schedulers that die, workers that must not be used."""

import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from needs import need
from small_sets import make_idx_set
from sweep_jobs import (
    LONG,
    begin,
    check_that_they_go_on,
    children_of,
    drain,
    drive,
    folder_of,
    hashes_of,
    make_job,
    make_jobs,
    rows_of,
    trained_alone,
    wait_for,
    wait_for_checkpoints,
)

import mlp_cli
from mlp_cli import runs
from mlp_cli.errors import RunError, UsageError
from mlp_cli.sweep import dask_pool
from mlp_cli.sweep.dask_pool import DaskPool
from mlp_cli.sweep.pool import check_pool, open_pool

need("distributed")
import distributed  # noqa: E402


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a worker or a scheduler may take minutes to start."""
    monkeypatch.setattr(dask_pool, "WORKERS_PATIENCE", 600.0)
    monkeypatch.setattr(dask_pool, "_CONNECT", 300.0)


class Site:
    """A cluster in a folder with a data set: workers as processes of their own, started as a user would, and a scheduler in this
    process, or in one of its own where it is to die."""

    def __init__(self, folder: Path, mortal: bool = False) -> None:
        self.folder, self.images = folder, make_idx_set(folder / "shapes")
        self.environment = {**os.environ, "HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
        self.processes: list[subprocess.Popen[bytes]] = []
        self.cluster: distributed.LocalCluster | None = None
        if mortal:
            listing = folder / "scheduler.json"
            self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(listing))
            wait_for(lambda: listing.exists() and listing.read_text().endswith("}"))  # it is not written at once
            self.address = json.loads(listing.read_text())["address"]
        else:
            self.cluster = distributed.LocalCluster(
                n_workers=0,
                processes=False,
                protocol="tcp",
                host="127.0.0.1",
                dashboard_address=None,
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                silence_logs=logging.CRITICAL,
            )
            self.address = self.cluster.scheduler_address

    def add_worker(self, *options: str, threads: int = 1, **environment: str) -> subprocess.Popen[bytes]:
        return self._start("worker", self.address, "--host", "127.0.0.1", "--nthreads", str(threads), *options, **environment)

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
        if self.cluster is not None:
            self.cluster.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with closing(Site(tmp_path)) as site:
        yield site


@pytest.fixture
def mortal_site(tmp_path: Path) -> Iterator[Site]:
    with closing(Site(tmp_path, mortal=True)) as site:
        yield site


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """With one worker of one thread, for tests that leave it as it is."""
    with closing(Site(tmp_path_factory.mktemp("site"))) as site:
        site.add_worker("--no-nanny")
        yield site


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def wait_for_workers(executor: DaskPool, count: int) -> None:
    def are_there() -> bool:
        executor.results(0)
        return len(executor._room) == count

    wait_for(are_there)


def test_a_cluster_whose_workers_die(site: Site, results: Path, tmp_path: Path) -> None:
    first = site.add_worker("--no-nanny", threads=2)
    jobs = make_jobs(site.images, results, 2, epochs=LONG)
    with DaskPool(site.address, 1, results) as executor:
        wait_for_workers(executor, 1)
        assert executor.workers == 2
        begin(executor, jobs)
        wait_for_checkpoints(executor, jobs)
        site.add_worker()
        first.kill()
        lost = drain(executor, 2)
        assert [(result.status, result.lost) for result in lost] == [("interrupted", True)] * 2
        assert all("is gone" in str(result.error) for result in lost)
        check_that_they_go_on(executor, jobs, tmp_path / "alone")
    assert sorted(path.name for path in results.iterdir()) == sorted(job.run_id for job in jobs)


def test_cancelled_members_stop_on_the_workers(shared_site: Site, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_pool, "STOP_PATIENCE", 60.0)
    jobs = make_jobs(shared_site.images, results, 2, epochs=LONG)
    with open_pool("dask", 1, folder=results, scheduler=shared_site.address) as executor:
        begin(executor, jobs[:1])
        assert not executor.submit(jobs[1]), "its one thread is busy"
        wait_for_checkpoints(executor, jobs[:1])
        executor.cancel()
        (found,) = drain(executor, 1)
        assert (found.run_id, found.status) == (jobs[0].run_id, "interrupted")
        assert runs.read_status(folder_of(jobs[0]))[1] == "interrupted"


def test_a_member_that_dies_leaves_the_dask_worker_alone(shared_site: Site, results: Path) -> None:
    (worker,) = shared_site.processes
    job = make_job(shared_site.images, results, "long", epochs=LONG)
    with DaskPool(shared_site.address, 1, results) as executor:
        begin(executor, [job])
        wait_for_checkpoints(executor, [job])
        (child,) = children_of(worker.pid)
        os.kill(child, signal.SIGKILL)
        (result,) = drain(executor, 1)
        assert (result.status, result.lost) == ("interrupted", True)
        assert "SIGKILL" in str(result.error)
        assert drive(executor, [make_job(shared_site.images, results, "next")])["next"].status == "completed"
    assert worker.poll() is None


def test_a_time_limit_holds_on_a_cluster(shared_site: Site, results: Path) -> None:
    with DaskPool(shared_site.address, 1, results, timeout=0.3) as executor:
        (result,) = drive(executor, [make_job(shared_site.images, results, "long", epochs=LONG)]).values()
    assert (result.status, result.error) == ("failed", "timeout")


def test_a_scheduler_that_dies(mortal_site: Site, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_pool, "STOP_PATIENCE", 0.2)  # its worker holds the run's folder for a while yet
    mortal_site.add_worker("--no-nanny")
    job = make_job(mortal_site.images, results, "long", epochs=LONG)
    with (
        pytest.raises(RunError, match=r"the Dask scheduler at tcp://.* is gone") as caught,
        DaskPool(mortal_site.address, 1, results) as executor,
    ):
        executor.client._timeout = 1.0  # so long does a client look for a scheduler that has gone
        begin(executor, [job])
        wait_for_checkpoints(executor, [job])
        mortal_site.processes[0].kill()
        while True:
            assert executor.results(1.0) == []
    assert "run the same command" in str(caught.value.hint)


def test_workers_with_another_version_are_refused(site: Site, results: Path, tmp_path: Path) -> None:
    shutil.copytree(Path(mlp_cli.__file__).parent, tmp_path / "older" / "mlp_cli")
    (tmp_path / "empty" / "mlp_cli" / "sweep").mkdir(parents=True)
    (tmp_path / "empty" / "mlp_cli" / "sweep" / "__init__.py").write_text("raise ImportError('there is no more of it')\n")
    for name, version in (("older", "0.0.1"), ("empty", "0.0.0")):
        source = Path(mlp_cli.__file__).read_text().replace(f'"{mlp_cli.__version__}"', f'"{version}"')
        (tmp_path / name / "mlp_cli" / "__init__.py").write_text(source)
    site.add_worker("--no-nanny", PYTHONPATH=str(tmp_path / "older"))
    notices: list[str] = []
    with pytest.raises(RunError) as caught, DaskPool(site.address, 1, results, notify=notices.append) as executor:
        while True:
            executor.results(1.0)
    assert "no worker of the Dask cluster" in caught.value.message
    assert "mlp-cli 0.0.1 in place of" in caught.value.message
    assert "same versions" in str(caught.value.hint)

    site.add_worker("--no-nanny", PYTHONPATH=str(tmp_path / "empty"))
    site.add_worker("--no-nanny")
    notices.clear()
    with distributed.Client(site.address, set_as_default=False) as client:
        client.wait_for_workers(3)
    with DaskPool(site.address, 1, results, notify=notices.append) as executor:
        assert executor.workers == 1
        found = drive(executor, make_jobs(site.images, results, 2))
    assert [result.status for result in found.values()] == ["completed"] * 2
    assert len(notices) == 2
    assert any("cannot run mlp-cli" in text for text in notices), notices
    assert any("mlp-cli 0.0.1" in text for text in notices), notices


def test_workers_that_do_not_see_the_folder_are_refused(
    shared_site: Site, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with distributed.Client(shared_site.address, set_as_default=False) as client:
        client.wait_for_workers(1)
    monkeypatch.setattr("mlp_cli.files.write_text", lambda *_: None)  # as if the file were on another machine
    with pytest.raises(RunError, match="does not see the folder"):
        DaskPool(shared_site.address, 1, results)
    assert list(results.iterdir()) == []


@pytest.fixture
def port_of_another_cluster() -> Iterator[None]:
    """Something listens on the port that Dask would serve its pages from."""
    with closing(socket.socket()) as other:
        with suppress(OSError):  # there is such a cluster here
            other.bind(("127.0.0.1", 8787))
            other.listen()
        yield


def ends_late(local: distributed.LocalCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a cluster end when those who wait for it have lost patience."""

    def close(timeout: float) -> None:
        real()
        raise TimeoutError(f"timed out after {timeout} s")

    real = local.close
    monkeypatch.setattr(local, "close", close)


@pytest.mark.usefixtures("port_of_another_cluster")
def test_a_local_cluster_with_a_worker_killed(
    idx_set: Path, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_pool, "STOP_PATIENCE", 60.0)
    jobs = make_jobs(idx_set, results, 2, dropout=0.2, hidden_sizes=[32, 16])
    long = make_jobs(idx_set, tmp_path / "long", 2, epochs=LONG)
    with DaskPool(None, 2, results) as executor:
        assert all(address.startswith("tcp://127.0.0.1:") for address in executor._room)
        assert {result.status for result in drive(executor, jobs).values()} == {"completed"}
        assert executor.results(60.0) == [], "nothing is under way: no wait, no result"
        pids = executor.client.run(os.getpid)
        begin(executor, long)
        wait_for_checkpoints(executor, long)
        os.kill(next(iter(pids.values())), signal.SIGKILL)
        (lost,) = drain(executor, 1)
        assert (lost.status, lost.lost) == ("interrupted", True)
        (kept,) = (job for job in long if job.run_id != lost.run_id)
        before = rows_of(kept)
        wait_for(lambda: rows_of(kept) > before)
        executor.cancel()
        assert [(result.run_id, result.lost) for result in drain(executor, 1)] == [(kept.run_id, False)]
        check_that_they_go_on(executor, long, tmp_path / "alone")
        ends_late(executor._local, monkeypatch)
    assert hashes_of(jobs) == [trained_alone(job, tmp_path / "alone") for job in jobs]
    for job in jobs:
        record = runs.read_record(folder_of(job))
        assert record is not None and record.environment is not None
        assert (record.name, record.command, record.environment.threads) == (job.label, "mlp sweep", 1)
    assert sorted(path.name for path in results.iterdir()) == sorted(job.run_id for job in jobs)


def test_no_scheduler_there(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_pool, "_CONNECT", 0.3)
    for address in ("tcp://127.0.0.1:1", "tcp://nowhere.invalid:8786"):
        with pytest.raises(RunError, match="cannot reach the Dask scheduler") as caught:
            DaskPool(address, 1, results)
        assert "dask scheduler --host" in str(caught.value.hint)


@pytest.mark.parametrize(
    "address", ["nonsense", "tcp://x", "tcp://a:b:c", "http://x:1", "inproc://x:1", "tcp://x:99999", ":8786", ""]
)
def test_an_address_that_none_can_have(address: str) -> None:
    with pytest.raises(UsageError, match=f"--scheduler {address}: ") as caught:
        check_pool("dask", None, address)
    assert caught.value.hint == "an address looks like tcp://10.0.0.5:8786"


def test_the_client_prints_nothing_of_its_own(shared_site: Site, results: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with DaskPool(shared_site.address, 1, results) as executor:
        wait_for_workers(executor, 1)
        logging.getLogger("distributed.client").error("Failed to reconnect to scheduler")
    assert capfd.readouterr() == ("", "")


def test_a_cluster_without_workers(site: Site, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_pool, "WORKERS_PATIENCE", 1.0)
    with pytest.raises(RunError, match="no workers for 1 s"), DaskPool(site.address, 1, results) as executor:
        while True:
            executor.results(1.0)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed.comm.addressing", None)
    with pytest.raises(UsageError, match="distributed") as caught:
        check_pool("dask", None, None)
    assert caught.value.hint == "pip install 'mlp-cli[dask]'"
