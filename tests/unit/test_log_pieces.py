"""Small pieces of the job: addresses in summaries, labels of paths, rotated names, patterns."""

import bz2
import gzip
import lzma
import os
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shredder.discover.lineages import live_path
from shredder.log_policy import RuleKind
from shredder.logs.addresses import can_be_searched, holds_full_address
from shredder.logs.clock import spell
from shredder.logs.labels import Labels
from shredder.logs.memory import mark_of
from shredder.logs.rotate import rename_live
from shredder.logs.targets import matches_rule
from tests.unit.log_builders import NOW_S, make_file, make_rule


@pytest.mark.parametrize(
    "text",
    [
        "203.0.113.7",
        'data":"203.0.113.7","hits"',
        "203.0.113.7:443",
        "from 203.0.113.7.",
        "[203.0.113.7]",
        "10.0.0.9",
        "2001:db8::1",
        "[2001:db8:1:2:3:4:5:6]:443",
        "::ffff:203.0.113.7",
        "fe80::1",
        "2001:DB8::ABCD",
        "x\n203.0.113.7\ny",
        "ip_192.0.2.17",
        "v192.0.2.17",
        "192.0.2.17_x",
        ".192.0.2.17",
        "\x1b[31m192.0.2.17\x1b[0m",
        "\x1b[31m2001:db8::17ab\x1b[0m",
        "\x1b[1;31mfe80::1",
        "192.000.002.017",
        "client:2001:db8::17ab",
        "cafe::2001:db8::17ab",
        "ip_2001:db8::17ab",
        "2001:db8::17ab: GET",
        "2001:db8::17abGET",
        "2001:db8:1:2:3:4:5:6:443",
        "2002:c000:211::",
        "2001%3Adb8%3A%3A17ab",
        "2001%253adb8%253a%253a17ab",
        "192%2E0%2E2%2E17",
        "192&#46;0&#46;2&#46;17",
        "192&#x2e;0&#x2E;2&period;17",
        "2001&#58;db8&colon;&#x3a;17ab",
        "2001\\u003adb8\\u003A:17ab",
        "x\\nfe80::1",
        "1.2.3.4",
    ],
)
def test_a_full_address_is_found(text: str, tmp_path: Path) -> None:
    path = tmp_path / "summary"
    path.write_text(text)
    assert holds_full_address(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no address",
        "203.0.113.0",
        "2001:db8:1:2::",
        "2001:db8::",
        "127.0.0.1 ::1 :: 0.0.0.0",
        "::ffff:203.0.113.0",
        "12:34:56",
        "2026-11-21T12:34:56Z",
        "21/Nov/2026:12:34:56",
        "aa:bb:cc:dd:ee:ff",
        "1.2.3",
        "1.2.3.4.5",
        "999.1.2.3",
        "Chrome/120.0.6099.71",
        "std::vector a::before",
        "255.255.255.255",
        "std::deque Foo::Bar::Baz",
        "192.000.002.000",
        "2002:c000:200::",
        "client:2001:db8:1:2::",
        "2001:db8:1:2:: GET",
        "2001%3Adb8%3A%3A",
        "12:34:56:78",
        "2026-11-21T12:34:56+00:00",
        "20261121:12:34:56 time:12:34:56:",
        "21.11.2026 12.34.56",
        "a1:" * 19 + "a1",
        "&amp;&nbsp;&copy; 100%",
    ],
)
def test_what_is_none_is_not_taken_for_one(text: str, tmp_path: Path) -> None:
    path = tmp_path / "summary"
    path.write_text(text)
    assert not holds_full_address(path)


@settings(deadline=None)  # it writes files
@given(
    four=st.integers(1, 2**32 - 2),
    six=st.integers(2**96, 2**128 - 1),
    around=st.text(alphabet=' ",\n<>[]{}', max_size=5),
)
def test_every_address_that_is_not_shortened_is_found(
    four: int, six: int, around: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "summary"
    for address, kept_bits in ((IPv4Address(four), 8), (IPv6Address(six), 64)):
        path.write_text(f"{around}{address}{around}")
        is_of_nobody = address.is_loopback or address.is_multicast
        assert holds_full_address(path) == (bool(int(address) % 2**kept_bits) and not is_of_nobody)


def test_labels_hide_paths_and_nothing_else() -> None:
    labels = Labels(b"s" * 32)
    label = labels.of("/var/log/web/a b.log")
    assert label.startswith("hmac-sha256:")
    assert labels.of("/var/log/web/a b.log") == label
    assert labels.of("/var/log/web/c.log") != label
    said = labels.in_text("/var/log/web/a b.log has 2 names: /srv/x, /srv/y", "/var/log/web/a b.log")
    assert said == f"{label} has 2 names: (hidden)"
    assert labels.in_text("the raw device /dev/vdb1 was not read") == "the raw device /dev/vdb1 was not read"
    assert Labels(b"t" * 32).of("/var/log/web/a b.log") != label


def test_labels_without_a_salt_are_the_paths() -> None:
    labels = Labels(None)
    assert labels.of("/var/log/x.log") == "/var/log/x.log"
    assert labels.in_text("/srv/x is open") == "/srv/x is open"
    assert labels.salt_sha256 == ""


def test_names_that_are_not_utf8_get_labels_of_their_own() -> None:
    labels = Labels(None)
    raw, written = "/spool/\udcff", "/spool/\\udcff"
    assert len({labels.of(raw), labels.of(written)}) == 2
    labels.of(raw).encode("utf-8")


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/var/log/nginx/*.log*", "/var/log/nginx/access.log.1"),
        ("/var/log/*/*.log", "/var/log/app/x.log"),
        ("/var/log/app.log", "/var/log/app.log"),
        ("/*/x.log", "/srv/x.log"),
    ],
)
def test_a_star_stays_within_one_name(pattern: str, path: str) -> None:
    rule = make_rule(paths=(pattern,))
    assert matches_rule(rule, path)
    assert not matches_rule(rule, path + "/deeper")


def test_a_rule_names_what_was_rotated_away_from_its_logs() -> None:
    rule = make_rule(paths=("/l/*.log",))
    for name in ("a.log", "a.log-20261101T031500Z", "a.log-20261101T031500Z.zst"):
        assert matches_rule(rule, f"/l/{name}")
    assert not matches_rule(rule, "/l/a.txt-20261101T031500Z")
    assert not matches_rule(make_rule(kind=RuleKind.SPOOL, paths=("/l/*.log",)), "/l/a.log-20261101T031500Z")


def test_a_renamed_log_belongs_to_the_lineage_of_its_live_file(tmp_path: Path) -> None:
    live = tmp_path / "access.log"
    live.write_text("x")
    facts = live.stat()
    device = f"{os.major(facts.st_dev)}:{os.minor(facts.st_dev)}"
    file = make_file(path=str(live), device=device, inode=facts.st_ino)
    found = rename_live(file, NOW_S, recreate=False)
    assert found.error is None
    assert Path(found.path).read_text() == "x"
    assert live_path(found.path, frozenset()) == str(live)
    # a second one in the same second takes another name, and another file is left alone
    live.write_text("y")
    assert rename_live(file, NOW_S, recreate=False).error == "it is another file than before"
    assert live.read_text() == "y"


def test_times_are_spelt_for_hooks() -> None:
    assert spell(0) == "1970-01-01T00:00:00Z"
    assert spell(10**18) == "9999-12-31T23:59:59Z"


def test_a_file_that_changed_within_a_second_was_not_summarised() -> None:
    file = make_file(mtime_ns=NOW_S * 10**9)
    assert mark_of("web", file) == mark_of("web", replace(file))
    assert mark_of("web", file) != mark_of("web", replace(file, mtime_ns=file.mtime_ns + 1))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "leads over a symbolic link to /srv/Jane Doe, MD/x: name that",
            "leads over a symbolic link to (hidden)",
        ),
        ("/l/a.log-2026 Jane Doe is open", "(hidden)"),
        ("/l/a.log/Jane Doe is open", "(hidden)"),
        ("/l/a.log: '/srv/Jane Doe'", "{label}: '(hidden)"),
        ("/dev/vdb1 does not give back /srv/Jane Doe", "/dev/vdb1 does not give back (hidden)"),
        ("/l/a.log (input/output error)", "{label} (input/output error)"),
    ],
)
def test_no_part_of_a_name_with_blanks_is_left_in_a_text(text: str, said: str) -> None:
    labels = Labels(b"s" * 32)
    assert labels.in_text(text, "/l/a.log") == said.replace("{label}", labels.of("/l/a.log"))


@pytest.mark.parametrize(
    "pack",
    [
        gzip.compress,
        lzma.compress,
        bz2.compress,
        lambda data: b"\x28\xb5\x2f\xfd" + data,
        lambda data: b"PK\3\4" + data,
    ],
)
def test_what_is_packed_cannot_be_searched(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "summary"
    path.write_bytes(pack(b"203.0.113.7"))
    assert not can_be_searched(path)


def test_only_text_can_be_searched(tmp_path: Path) -> None:
    path = tmp_path / "summary"
    for data, expected in (
        (b"", True),
        ("Grüße, 日本".encode(), True),
        (b"\xff\xfe bytes", True),
        ("203.0.113.7".encode("utf-16"), False),
        ("203.0.113.7".encode("utf-32-be"), False),
        (b"a\tb\0c", False),
    ):
        path.write_bytes(data)
        assert can_be_searched(path) == expected
