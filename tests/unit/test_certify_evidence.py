"""The evidence log: what is written can be read, and nothing else can."""

import hashlib
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shredder.certify.evidence import EvidenceLog, encode_entries, read_evidence, stamp
from shredder.errors import CertificateError, UndeliveredError, UsageError
from shredder.events import WriteFailed
from shredder.ranges import Range
from tests.unit.certify_builders import BEGIN, chain, golden_files, good_run, make_plan

HAPPENED = good_run(make_plan())
DATA = encode_entries(chain(HAPPENED))
LINES = DATA.splitlines(keepends=True)


@contextmanager
def files_limited_to(size_bytes: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def fill(log: EvidenceLog) -> None:
    for seq, event in enumerate(HAPPENED):
        log.append(event, BEGIN + timedelta(seconds=seq))


def test_what_the_log_writes_is_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "evidence.jsonl"
    log = EvidenceLog(path)
    fill(log)
    log.close()
    log.close()
    assert path.read_bytes() == DATA
    assert read_evidence(DATA, "evidence") == log.entries == chain(HAPPENED)
    assert log.damage is None
    assert path.stat().st_mode & 0o777 == 0o644


def test_every_entry_is_in_the_file_when_append_returns(tmp_path: Path) -> None:
    log = EvidenceLog(tmp_path / "evidence.jsonl")
    log.append(HAPPENED[0], BEGIN)
    assert (tmp_path / "evidence.jsonl").read_bytes() == LINES[0]
    log.close()


def test_an_existing_file_is_never_opened(tmp_path: Path) -> None:
    path = tmp_path / "evidence.jsonl"
    path.write_bytes(b"earlier run")
    with pytest.raises(UsageError, match="is there already"):
        EvidenceLog(path)
    assert path.read_bytes() == b"earlier run"


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UndeliveredError, match="No such file"):
        EvidenceLog(tmp_path / "nowhere" / "evidence.jsonl")


def test_a_full_disk_leaves_good_lines_in_the_file_and_all_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "evidence.jsonl"
    log = EvidenceLog(path)
    room_bytes = len(LINES[0]) + len(LINES[1]) + 7  # the third line goes in by its first 7 bytes only
    with files_limited_to(room_bytes):
        fill(log)
    log.append(HAPPENED[-1], BEGIN)
    log.close()
    assert log.damage is not None
    assert "too large" in log.damage
    assert log.entries[:-1] == chain(HAPPENED)
    assert path.read_bytes() == LINES[0] + LINES[1]
    assert read_evidence(path.read_bytes(), "evidence") == chain(HAPPENED[:2])


def test_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    log = EvidenceLog(tmp_path / "evidence.jsonl")
    fill(log)
    log.close()
    assert log.sha256 == hashlib.sha256((tmp_path / "evidence.jsonl").read_bytes()).hexdigest()
    assert tuple(log.read()) == log.entries == chain(HAPPENED)


def test_stamps_are_utc_to_the_millisecond() -> None:
    there = timezone(timedelta(hours=2))
    assert stamp(datetime(2026, 1, 2, 3, 4, 5, 6_999, tzinfo=there)) == "2026-01-02T01:04:05.006Z"
    assert stamp(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02T00:00:00.000Z"


def test_event_names_are_pinned() -> None:
    data = golden_files()["evidence.jsonl"].decode()
    names = [line.partition('"event":"')[2].partition('"')[0] for line in data.splitlines()]
    assert names == [
        "run-started",
        "device-opened",
        "pass-started",
        "pass-ended",
        "pass-started",
        "pass-ended",
        "verify-started",
        "verify-ended",
        "device-ended",
        "run-ended",
    ]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "is empty"),
        (DATA[:-1], "line 10 is cut off"),
        (DATA[:-40], "line 10 is cut off"),
        (b"".join(LINES[1:]), "line 1: its number is not 0"),
        (b"".join([*LINES[:3], *LINES[4:]]), "line 4: its number is not 3"),
        (b"".join([*LINES[:3], LINES[2], *LINES[3:]]), "line 4: its number is not 3"),
        (b"".join([LINES[0], LINES[2], LINES[1], *LINES[3:]]), "line 2: its number is not 1"),
        (DATA.replace(b"1500", b"1501", 1), "line 5: does not follow"),
        (DATA.replace(b'"seq":1}', b'"seq":true}'), "line 2: not in canonical form"),
        (DATA.replace(b'{"at"', b'{ "at"', 1), "line 1: not in canonical form"),
        (DATA.replace(b"\n", b"\r\n", 1), "line 1: not in canonical form"),
        (DATA.replace(b"server-1", b"server\\u002d1"), "line 1: not in canonical form"),
        (DATA.replace(b"server-1", b"\\ud800"), "line 1: a name or text is not UTF-8"),
        (DATA.replace(b"server-1", b"\xff"), "line 1 is not valid JSON"),
        (DATA.replace(b"run-started", b"run-begun"), "line 1: unknown event"),
        (DATA.replace(b'"run-started"', b'["run-started"]'), "line 1: unknown event"),
        (DATA.replace(b"03:31:00.123Z", b"03:31:00.1230Z", 1), "line 1: not a time"),
        (DATA.replace(b"03:31:00.123Z", b"25:31:00.123Z", 1), "line 1: not a time"),
        (DATA.replace(b'"interrupted":false', b'"interrupted":0'), "line 10: run-ended.interrupted"),
        (DATA.replace(b'"interrupted":false', b'"interrupted":0.5'), "line 10 is not valid JSON"),
        (DATA.replace(b'"seq":0}', b'"seq":0,"seq":0}'), "line 1 is not valid JSON"),
        (DATA.replace(b'"seq":0}', b'"seq":0,"more":0}'), "line 1: not an evidence entry"),
        (DATA + b"\n", "line 11 is not valid JSON"),
        (b"[]\n", "line 1: not an evidence entry"),
        (b"[" * 100_000 + b"\n", "line 1 is not valid JSON"),
    ],
)
def test_what_the_log_would_not_have_written_is_rejected_by_its_line(data: bytes, told: str) -> None:
    with pytest.raises(CertificateError, match=told):
        read_evidence(data, "evidence")


@given(st.data())
def test_a_flipped_bit_in_any_line_but_the_last_breaks_the_chain(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(DATA) - len(LINES[-1]) - 1))
    broken = bytearray(DATA)
    broken[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(CertificateError):
        read_evidence(bytes(broken), "evidence")


@given(st.text(st.characters(exclude_categories=["Cs"])), st.lists(st.integers(0, 2**70), min_size=1))
def test_any_text_and_any_size_round_trips(error: str, starts: list[int]) -> None:
    event = WriteFailed("/dev/sdx", 1, tuple(Range(start, 512) for start in starts), error)
    entries = chain([event])
    assert read_evidence(encode_entries(entries), "evidence") == entries
