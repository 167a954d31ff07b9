"""Downloads against a server on this machine that behaves well, or badly in every way that servers do."""

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import tiny as support
from tiny import Tiny

from mlp_cli.data import sources
from mlp_cli.data.catalogue import Entry
from mlp_cli.data.sources import Absent, download, take
from mlp_cli.errors import DataError

tiny, walls, change = support.tiny, support.walls, support.change

LAST = "train-images-idx3-ubyte.gz"


class Server:
    """Serves `files` by name; `behaviour` says what a file's requests meet, one after the other, the last for ever."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.behaviour: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.release = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/set/"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def close(self) -> None:
        self.release.set()
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        name = request.path.removeprefix("/set/")
        self.asked.append(name)
        queue = self.behaviour.get(name, ["good"])
        what = queue.pop(0) if len(queue) > 1 else queue[0]
        body = self.files.get(name, b"")
        if what == "404" or name not in self.files:
            request.send_error(404)
            return
        if what == "500":
            request.send_error(500)
            return
        if what == "hang":
            self.release.wait(20)
            return
        full = body
        body = {
            "wrong": bytes(len(body)),
            "html": b"<!DOCTYPE html><html>Sign in to the wireless network</html>",
            "broken": body[: len(body) // 2],
            "stall": body[: len(body) // 2],
            "short": body[: len(body) // 2],
        }.get(what, body)
        request.send_response(200)
        request.send_header("Content-Length", str(len(full) if what in ("broken", "stall") else len(body)))
        request.end_headers()
        request.wfile.write(body)
        request.wfile.flush()
        if what == "stall":
            self.release.wait(20)


@pytest.fixture
def serve() -> Iterator[Callable[[dict[str, bytes]], Server]]:
    servers: list[Server] = []

    def start(files: dict[str, bytes]) -> Server:
        servers.append(Server(files))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


Serve = Callable[[dict[str, bytes]], Server]


def test_a_good_server(tiny: Tiny, serve: Serve, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    server = serve(tiny.packed())
    download(tiny.entry, server.url, tmp_path, progress=False)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == tiny.packed()
    assert sorted(server.asked) == sorted(tiny.packed()), "each file is asked for once"
    assert take(tiny.entry, tmp_path).arrays()["train_y"].tolist() == tiny.arrays["train_y"].tolist()
    assert capfd.readouterr() == ("", "")


def test_a_bar_only_if_asked(tiny: Tiny, serve: Serve, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    download(tiny.entry, serve(tiny.packed()).url, tmp_path, progress=True)
    printed = capfd.readouterr()
    assert printed.out == "" and LAST in printed.err and "100%" in printed.err


@pytest.mark.parametrize(
    ("behaviour", "reason", "kind", "asked"),
    [
        ("404", "HTTP status 404", Absent, 1),
        ("500", "HTTP status 500", DataError, 2),
        ("wrong", "not an IDX file", DataError, 2),
        ("short", r"truncated: its packed data ends too early", DataError, 2),
        ("broken", r"no connection \(incompleteread", DataError, 2),
        ("html", "not a gzip file; starts with <!DOCTYPE: an HTML page", DataError, 2),
        ("hang", r"no connection \(timed out", Absent, 1),
        ("stall", r"no connection \(timed out", Absent, 1),
    ],
)
def test_bad_servers(
    tiny: Tiny,
    serve: Serve,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    behaviour: str,
    reason: str,
    kind: type,
    asked: int,
) -> None:
    monkeypatch.setattr(sources, "TIMEOUT", 0.3)
    server = serve(tiny.packed())
    server.behaviour[LAST] = [behaviour]
    with pytest.raises(DataError, match=f"{LAST}: {reason}") as caught:
        download(tiny.entry, server.url, tmp_path / "room", progress=False)
    assert isinstance(caught.value, kind)
    assert server.asked.count(LAST) == asked
    assert sorted(path.name for path in (tmp_path / "room").iterdir()) == sorted(set(tiny.packed()) - {LAST}), (
        "only whole files are left"
    )


@pytest.mark.parametrize("first", ["500", "wrong", "short", "broken"])
def test_one_slip_is_mended_by_a_second_attempt(tiny: Tiny, serve: Serve, tmp_path: Path, first: str) -> None:
    server = serve(tiny.packed())
    server.behaviour[LAST] = [first, "good"]
    download(tiny.entry, server.url, tmp_path, progress=False)
    assert (tmp_path / LAST).read_bytes() == tiny.packed()[LAST]


def test_no_connection(tiny: Tiny, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(Absent, match=r"no connection \(connection refused\)"):
        download(tiny.entry, f"http://127.0.0.1:{port}/", tmp_path, progress=False)
    with pytest.raises(Absent, match=r"no connection \(name or service not known\)"):
        download(tiny.entry, "https://mirror.invalid/", tmp_path, progress=False)


def test_a_full_disk_is_not_the_servers_fault(tiny: Tiny, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlp_cli.errors import RunError

    gone = tmp_path / "file"
    gone.write_bytes(b"")
    with pytest.raises(RunError, match="cannot write"):
        download(tiny.entry, serve(tiny.packed()).url, gone / "room", progress=False)


def test_the_next_mirror_completes_the_set(tiny: Tiny, serve: Serve, change: Callable[..., Entry]) -> None:
    first, second = serve(tiny.packed()), serve(tiny.packed())
    first.behaviour[LAST] = ["html"]
    entry = change(mirrors=("https://mirror.invalid/", first.url, second.url))
    whole = sources.obtain(entry)
    assert whole.train_y.tolist() == tiny.arrays["train_y"].tolist()
    assert second.asked == [LAST], "what came whole from the first mirror is kept"
    assert whole.source == "mirror 127.0.0.1"
    (notice,) = whole.notices
    assert "an HTML page" in notice and "taken from the mirror 127.0.0.1" in notice
