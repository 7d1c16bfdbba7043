"""Packed logs: summarised whole, as plain text that never lies on a disk, and by real GoAccess."""

import bz2
import gzip
import json
import lzma
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command import Shredder
from tests.support.devices import LoopDevice
from tests.support.log_files import on_device
from tests.support.log_runs import ADDRESS, DAY_S, Place, combined_line, make_place, shred_by_command

MIB = 1 << 20
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
}
RULE = """
    [[logs]]
    name = "web"
    paths = ["{logs}/*.log*"]
    keep = "7 days"
    hook_limit = "20 s"
"""
SCRIPT = 'summarise = ["{root}/summary", "{file}"]\n'


@pytest.fixture
def disk(loop_factory: Callable[..., LoopDevice]) -> LoopDevice:
    return loop_factory(48 * MIB)


@pytest.fixture
def place(disk: LoopDevice, mounted: Callable[..., Path]) -> Place:
    return make_place(mounted(disk.path, "ext4"))


def write_packed(place: Place, name: str, lines: int = 400, days_old: int = 9) -> Path:
    """Write a packed log whose text was never on this device."""
    path = place.logs / name
    end_s = time.time() - days_old * DAY_S
    text = "".join(combined_line(end_s - lines + number, f"/{name}/{number}") for number in range(lines))
    path.write_bytes(PACKERS[path.suffix](text.encode()))
    os.utime(path, (end_s, end_s))
    return path


@pytest.mark.skipif(not shutil.which("goaccess"), reason="goaccess is not installed")
def test_goaccess_counts_packed_logs_too(place: Place, disk: LoopDevice, shredder: Shredder) -> None:
    place.write_policy(
        RULE + 'summarise = ["goaccess", "{file}", "--no-global-config", "--log-format=COMBINED", '
        '"--anonymize-ip", "-o", "{state}/{name}-{date}.json"]\n'
    )
    packed = [write_packed(place, f"access.log.{at}{end}") for at, end in enumerate(PACKERS, start=3)]
    assert on_device(disk, ADDRESS.encode()) == []
    plain = place.write_log("access.log.2", 9)
    shred_by_command(shredder, place)
    assert [path.exists() for path in (plain, *packed)] == [False] * 4
    (summary,) = place.state.glob("web-*.json")
    counted = json.loads(summary.read_text())["general"]
    assert (counted["valid_requests"], counted["failed_requests"]) == (1600, 0)
    assert on_device(disk, ADDRESS.encode()) == [], "the plain file is overwritten, the others stayed packed"


@pytest.mark.skipif(not shutil.which("goaccess"), reason="goaccess is not installed")
def test_goaccess_itself_makes_nothing_of_a_packed_log(place: Place) -> None:
    """Why packed files are not handed over as they are."""
    log = write_packed(place, "access.log.2.gz")
    out = str(place.root / "out.json")
    words = ["goaccess", str(log), "--no-global-config", "--log-format=COMBINED", "-o", out]
    assert subprocess.run(words, capture_output=True, check=False, timeout=20).returncode != 0
    assert not (place.root / "out.json").exists()


@pytest.mark.parametrize(
    "script",
    [
        'cat "$@" | wc -l',
        'for f in "$9" "$8" "$7" "$6" "$5" "$4" "$3" "$2" "$1"; do cat "$f"; done | wc -l',
        'sort -m "$@" | wc -l',
        # a background reader that is slow, and one that is fast
        'cat "$1" "$2" "$3" "$4" > /dev/null & p=$!; sleep 1; shift 4; cat "$@" | wc -l > n; wait $p; '
        "echo $(($(cat n) + 4 * 300))",
    ],
)
def test_files_may_be_read_in_any_order_and_side_by_side(
    script: str, place: Place, shredder: Shredder
) -> None:
    place.write_script("summary", f"cd {place.root}; {script}")
    place.write_policy(RULE + SCRIPT)
    for number in range(1, 10):
        write_packed(place, f"access.log.{number}.{('gz', 'xz', 'bz2')[number % 3]}", lines=300)
    shred_by_command(shredder, place)
    (summary,) = place.state.glob("web-*.txt")
    assert summary.read_text().strip() == "2700"
    assert list(place.logs.iterdir()) == []
    assert list(place.state.glob(".summary*")) == []


def test_more_files_than_are_given_out_at_once(place: Place, shredder: Shredder) -> None:
    place.write_script("summary", 'cat "$@" | wc -l')
    place.write_policy(RULE + SCRIPT)
    for number in range(100):
        write_packed(place, f"access.log.{number}.gz", lines=3)
    place.write_log("access.log.200", 9, lines=7)
    shred_by_command(shredder, place)
    (summary,) = place.state.glob("web-*.txt")
    assert summary.read_text().strip() == "307"


@pytest.mark.parametrize("lines", [3, 40_000])
@pytest.mark.parametrize(
    "script",
    ["echo done", 'head -c 10 "$1" | wc -c', 'exec 3< "$1"; echo done', 'cat "$1" | wc -l; echo of "$2"'],
)
def test_what_was_not_read_whole_was_not_summarised(
    script: str, lines: int, place: Place, shredder: Shredder
) -> None:
    place.write_script("summary", script)
    place.write_policy(RULE + SCRIPT)
    kept = [write_packed(place, f"access.log.{number}.gz", lines=lines) for number in (2, 3)]
    before = [path.read_bytes() for path in kept]
    run = shred_by_command(shredder, place, expect=9)
    assert run.events("summarised")[0]["error"].endswith(".gz was not read to its end")
    assert [path.read_bytes() for path in kept] == before
    assert list(place.state.glob("web-*")) == []


@pytest.mark.parametrize("suffix", list(PACKERS))
@pytest.mark.parametrize("ending", ["", " || exit 3"])
def test_a_damaged_file_is_not_summarised(suffix: str, ending: str, place: Place, shredder: Shredder) -> None:
    place.write_script("summary", f'cat "$@" | wc -l{ending}')
    place.write_policy(RULE + SCRIPT)
    log = write_packed(place, f"access.log.2{suffix}", lines=4000)
    facts = log.stat()
    log.write_bytes(log.read_bytes()[:-20])
    os.utime(log, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    run = shred_by_command(shredder, place, expect=9)
    assert run.events("summarised")[0]["error"] == f"{log} cannot be unpacked (it is damaged)"
    assert log.exists()


def test_a_summary_that_never_reads_is_ended(place: Place, shredder: Shredder) -> None:
    place.write_script("summary", 'exec 3< "$1"; sleep 60')
    place.write_policy(RULE.replace("20 s", "1 s") + SCRIPT)
    log = write_packed(place, "access.log.2.gz", lines=40_000)
    began = time.monotonic()
    run = shred_by_command(shredder, place, expect=9)
    assert time.monotonic() - began < 30
    assert "longer than 1 s" in run.events("summarised")[0]["error"]
    assert log.exists()


@pytest.mark.skipif(not shutil.which("zstd"), reason="zstd is not installed")
@pytest.mark.parametrize("summarises", [False, True])
def test_what_cannot_be_unpacked_is_as_old_as_its_last_change(
    summarises: bool, place: Place, shredder: Shredder
) -> None:
    """Its records do not make it older, and a summary of it would be one of nothing."""
    place.write_script("summary", 'cat "$@" | wc -c')
    place.write_policy(RULE + (SCRIPT if summarises else ""), run="redact = true")
    for name, days in (("old secret.log.2", 9), ("young.log.2", 1)):
        plain = place.write_log(name, days)
        subprocess.run(["zstd", "-q", "--rm", plain], check=True, timeout=20)
    old, young = place.logs / "old secret.log.2.zst", place.logs / "young.log.2.zst"
    run = shred_by_command(shredder, place, expect=9 if summarises else 0)
    assert young.exists()
    assert old.exists() == summarises
    if summarises:
        error = run.events("summarised")[0]["error"]
        assert error.endswith(" is packed in a way that cannot be undone here")
        assert "secret" not in error
    # records that are older than the last change do not make it due
    young.unlink()
    plain = place.write_log("records-are-old.log.2", 30)
    plain.touch()
    subprocess.run(["zstd", "-q", "--rm", plain], check=True, timeout=20)
    shredder("logs", "shred", place.policy, expect=9 if summarises else 0)
    assert plain.with_name(f"{plain.name}.zst").exists()
