import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hostile import BIG, refuses
from hypothesis import given
from hypothesis import strategies as st

from mlp_cli.data.content import Content
from mlp_cli.data.streams import Buffered, Member, printable, read_all
from mlp_cli.errors import DataError

STEPS = st.lists(st.tuples(st.sampled_from(["read", "fill", "array", "skip", "line"]), st.integers(0, 1_500_000)), max_size=8)
CONTENT = b"".join(b"%d\n" % number for number in range(400_000))


@given(steps=STEPS)
def test_steps_of_any_size(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]) -> None:
    """Whatever the mixture of reads, the bytes come in order and none is lost."""
    path = tmp_path_factory.getbasetemp() / "content"
    if not path.exists():
        path.write_bytes(CONTENT)
    at = 0
    with Content(path) as content:
        stream = Buffered(content)
        for step, size in steps:
            size = min(size, len(CONTENT) - at)
            if step == "line":
                end = CONTENT.find(b"\n", at)
                if end >= 0:
                    assert stream.read_line(100) == CONTENT[at:end]
                    at = end + 1
                continue
            if step == "fill":
                buffer = bytearray(size)
                assert stream.fill(memoryview(buffer)) == size
                assert bytes(buffer) == CONTENT[at : at + size]
            elif step == "skip":
                assert stream.skip(size) == size
            else:
                found = stream.read(size) if step == "read" else stream.read_array(size).tobytes()
                assert found == CONTENT[at : at + size]
            at += size
        assert stream.at_end() == (at == len(CONTENT))
        rest = bytearray(len(CONTENT))
        assert stream.fill(memoryview(rest)) == len(CONTENT) - at
        assert stream.at_end() and stream.skip(5) == 0


def on_stream(use: Callable[[Buffered], Any]) -> Callable[[Path], Any]:
    def read(path: Path) -> Any:
        with Content(path) as content:
            return use(Buffered(content))

    return read


def test_ends_and_lines(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"ab\ncdefgh")
    refuses(on_stream(lambda stream: stream.read(10)), path, "10 bytes")
    refuses(on_stream(lambda stream: stream.read_line(1)), path, "line of more than 1 bytes")
    refuses(on_stream(lambda stream: [stream.read_line(9), stream.read_line(9)]), path, "ends within a line")
    assert on_stream(lambda stream: stream.read_line(2))(path) == b"ab"


@BIG
def test_growth_is_checked(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.xz"
    path.write_bytes(lzma.compress(bytes(size), preset=0))
    refuses(on_stream(lambda stream: stream.skip(1 << 40)), path, "bomb")


def test_members() -> None:
    content = iter([b"abc", b"de", b""])

    def pull(buffer: memoryview) -> int:
        piece = next(content)
        buffer[: len(piece)] = piece
        return len(piece)

    member = Member(Path("a.tar"), "b\n/c", 6, pull)
    assert member.fill(memoryview(bytearray(3))) == 3 and member.read_so_far == 3
    with pytest.raises(DataError, match=r"^a.tar: b\\n/c: truncated: 6 bytes are declared, 5 follow$"):
        member.fill(memoryview(bytearray(50)))
    with pytest.raises(DataError, match="declares 7 bytes"):
        member.check_size(7)


def test_read_all(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(CONTENT)
    with Content(path) as content:
        assert read_all(content, len(CONTENT)) == CONTENT
    with Content(path) as content, pytest.raises(DataError, match="more than the limit"):
        read_all(content, len(CONTENT) - 1)


def test_printable() -> None:
    assert printable("a/é 1") == "a/é 1"
    assert printable("a\n\x1b[0m\u202e\udcff") == "a\\n\\x1b[0m\\u202e\\udcff"
    assert len(printable("a" * 1000)) == 121
