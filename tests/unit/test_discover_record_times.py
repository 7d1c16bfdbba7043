"""The times of records: in the formats that logs have, and only where the format puts them."""

import bz2
import gzip
import lzma
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shredder.discover.lineages import find_files
from shredder.discover.log_times import read_newest, read_span
from shredder.discover.record_times import parse_record_time
from shredder.log_model import LogFile

_AT_S = int(datetime(2026, 11, 21, 3, 31, 5, tzinfo=UTC).timestamp())
_REFERENCE_S = _AT_S + 3600
_REQUEST = '"GET / HTTP/1.1" 200 612 "-" "curl"'


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times without a zone are local: the tests say which."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-21T03:31:05Z start",
        "2026-11-21T03:31:05.123456+00:00 host app[1]: x",
        "2026-11-21T04:31:05.1+0100 x",
        "2026-11-20 22:31:05 -05:00 x",
        "2026-11-21 03:31:05,123 INFO x",
        "[2026-11-21 03:31:05] local.ERROR: x",
        "2026/11/21 03:31:05 [error] 12#12: *1 open() failed",
        "<165>1 2026-11-21T03:31:05.003Z host app - ID47 - x",
        "Nov 21 03:31:05 host sshd[1]: x",
        "<34>Nov 21 03:31:05 host su: x",
        f"192.0.2.7 - - [21/Nov/2026:03:31:05 +0000] {_REQUEST}",
        f"example.org:443 2001:db8::1 - a user [21/Nov/2026:05:31:05 +0200] {_REQUEST}",
        "[Sat Nov 21 03:31:05.123456 2026] [core:error] [pid 1] x",
        "1795231865.123 45 192.0.2.7 TCP_MISS/200",
        "1795231865 x",
        "1795231865123, x",
    ],
)
def test_common_formats(line: str) -> None:
    assert parse_record_time(line, _REFERENCE_S) == _AT_S


@pytest.mark.parametrize(
    "line",
    [
        "",
        "\tat java.lang.Thread.run",
        "user said 2026-11-21T03:31:05Z",
        "2026-13-21T03:31:05Z x",
        "2026-11-21T33:31:05Z x",
        "20261121 x",
        "179523186512345 x",
        '{"time": "2026-11-21T03:31:05Z"}',
        "Nov 31 03:31:05 host x: y",
        "192.0.2.7 - - [21/Nov/2026:03:31:05 +0000] GET /",
        f'192.0.2.7 "- [21/Nov/2026:03:31:05 +0000] {_REQUEST}',
        "2026-11-21T03:31:05+99:99 x",
    ],
)
def test_what_is_not_the_time_of_a_record(line: str) -> None:
    assert parse_record_time(line, _REFERENCE_S) is None


def test_a_users_name_cannot_give_a_time_of_its_own() -> None:
    name = "x [21/Nov/2099:03:31:05 +0000] "
    line = f"192.0.2.7 - {name} [21/Nov/2026:03:31:05 +0000] {_REQUEST}"
    assert parse_record_time(line, _REFERENCE_S) == _AT_S


@pytest.mark.parametrize(
    ("line", "reference", "year"),
    [
        ("Dec 31 23:59:59 h x: y", datetime(2027, 1, 1, tzinfo=UTC), 2026),
        ("Jan  1 00:30:00 h x: y", datetime(2026, 12, 31, 23, tzinfo=UTC), 2027),
        ("Nov 21 03:31:05 h x: y", datetime(2024, 11, 22, tzinfo=UTC), 2024),
        ("Nov 21 03:31:05 h x: y", datetime(2024, 11, 19, tzinfo=UTC), 2023),
        ("Feb 29 03:31:05 h x: y", datetime(2025, 3, 1, tzinfo=UTC), 2024),
    ],
)
def test_a_time_without_a_year_lies_before_the_last_change(line: str, reference: datetime, year: int) -> None:
    at_s = parse_record_time(line, int(reference.timestamp()))
    assert at_s is not None
    assert datetime.fromtimestamp(at_s, UTC).year == year


def test_a_time_without_a_zone_is_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "EST5")
    time.tzset()
    assert parse_record_time("2026-11-20 22:31:05 x", _REFERENCE_S) == _AT_S
    assert parse_record_time("Nov 20 22:31:05 host x: y", _REFERENCE_S) == _AT_S


@given(st.text(max_size=80) | st.from_regex(r"[\[<0-9A-Za-z:/ +.-]{1,60}", fullmatch=True))
def test_no_line_breaks_the_reader(line: str) -> None:
    assert isinstance(parse_record_time(line, _REFERENCE_S), int | None)


def _line(second: int) -> bytes:
    return f"2026-11-21T03:{second // 60:02d}:{second % 60:02d}Z record {second}\n".encode()


def _found(path: Path) -> LogFile:
    (file,), _ = find_files([str(path)])
    return file


_FIRST_S = int(datetime(2026, 11, 21, 3, 0, 0, tzinfo=UTC).timestamp())
_MANY = b"".join(map(_line, range(3000)))


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("a.log", bytes),
        ("a.log.1.gz", gzip.compress),
        ("a.log.1.gz", lambda data: gzip.compress(data[:999]) + gzip.compress(data[999:])),
        ("a.log.1.bz2", bz2.compress),
        ("a.log.1.xz", lzma.compress),
        ("a.log.1.bz2", lambda data: bz2.compress(data[:40]) + bz2.compress(data[40:])),
        ("a.log.1.xz", lambda data: lzma.compress(data[:40]) + bytes(8) + lzma.compress(data[40:])),
    ],
)
@pytest.mark.parametrize("count", [1, 3000])
def test_first_and_last_record(tmp_path: Path, name: str, pack: Callable[[bytes], bytes], count: int) -> None:
    data = b"".join(map(_line, range(count)))
    (tmp_path / name).write_bytes(pack(data))
    span = read_span(_found(tmp_path / name))
    assert (span.oldest_s, span.newest_s) == (_FIRST_S, _FIRST_S + count - 1)
    assert read_newest(_found(tmp_path / name)).newest_s == span.newest_s


def test_lines_without_a_time_at_either_end_are_passed_over(tmp_path: Path) -> None:
    trace = b"\tat some.place\n" * 1000
    (tmp_path / "a.log").write_bytes(b"# header\n\n" + _line(1) + trace + _line(2) + trace)
    span = read_span(_found(tmp_path / "a.log"))
    assert (span.oldest_s, span.newest_s) == (_FIRST_S + 1, _FIRST_S + 2)


def test_a_line_cut_by_the_window_does_not_count(tmp_path: Path) -> None:
    """The middle of a long line may look like the start of one: a client chose it."""
    lie = b"2099-01-01T00:00:00Z lie"
    (tmp_path / "a.log").write_bytes(_line(1) + b"x" * 4096 + lie + b"y" * (4096 - len(lie)))
    assert read_span(_found(tmp_path / "a.log")).newest_s == _FIRST_S + 1


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.log", b""),
        ("a.log", b"no time\n" * 20_000),
        ("a.log.gz", gzip.compress(_MANY)[:-20]),
        ("a.log.gz", b"not gzip"),
        ("a.log.xz", lzma.compress(_MANY)[:-20]),
        ("a.log.xz", lzma.compress(_MANY, preset=9)),
        ("a.log.bz2", b"BZh9" + b"\0" * 50),
        ("a.log.zst", _MANY),
    ],
)
def test_what_cannot_be_read_tells_nothing(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    span = read_span(_found(tmp_path / name))
    assert (span.oldest_s, span.newest_s) == (None, None)


def test_a_bomb_tells_nothing_and_ends(tmp_path: Path) -> None:
    block = gzip.compress(bytes(1 << 20))
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(_line(1)) + block * 300)
    assert read_span(_found(tmp_path / "a.log.gz")).newest_s is None


@pytest.mark.parametrize(
    "put", [Path.symlink_to, lambda path, target: os.mkfifo(path), lambda path, target: None]
)
def test_what_took_the_files_place_is_not_read(tmp_path: Path, put: Callable[[Path, Path], None]) -> None:
    path, other = tmp_path / "a.log", tmp_path / "other"
    path.write_bytes(_line(1))
    other.write_bytes(_line(2))
    file = _found(path)
    path.unlink()
    put(path, other)
    assert read_span(file).newest_s is None
    path.unlink(missing_ok=True)
    other.rename(path)
    assert read_span(file).newest_s is None
