"""A disk that is taken away: its size becomes 0, so that writes find no space and reads an early end."""

import errno
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shredder.erase.block_device import BlockDevice
from shredder.erase.keystream import BLOCK_BYTES, PatternSource, aligned_buffer
from shredder.erase.medium import is_gone
from shredder.erase.transfer import StopFlag
from shredder.erase.verify import compare
from shredder.ranges import span
from tests.support.command import Shredder
from tests.support.devices import LoopDevice
from tests.support.machine import allow_words
from tests.support.machine import run as run_tool
from tests.support.runs import Run, digest_of, verify
from tests.support.waiting import wait_until

MIB = 1 << 20
LoopFactory = Callable[..., LoopDevice]


def shrink(loop: LoopDevice, size_bytes: int) -> None:
    """Give the device another size under whoever has it open; nobody may be writing to it."""
    os.truncate(loop.backing, size_bytes)
    run_tool("losetup", "--set-capacity", loop.path)


@contextmanager
def opened(loop: LoopDevice) -> Iterator[BlockDevice]:
    device = BlockDevice(loop.path)
    try:
        yield device
    finally:
        device.close(untouched=False)


@pytest.mark.parametrize("left_bytes", [0, MIB])
def test_a_disk_that_lost_its_size_is_gone(loop_factory: LoopFactory, left_bytes: int) -> None:
    loop = loop_factory(2 * MIB)
    with opened(loop) as device:
        shrink(loop, left_bytes)
        for transfer in (device.write, device.read_into):
            with pytest.raises(OSError, match=f"it went from {2 * MIB} to {left_bytes} bytes") as failed:
                transfer(aligned_buffer(4096), MIB)
            assert is_gone(failed.value)


def test_an_error_of_a_disk_that_is_still_there_stays_what_it_is(loop_factory: LoopFactory) -> None:
    with opened(loop_factory(2 * MIB)) as device:
        with pytest.raises(OSError, match="No space left") as failed:
            device.write(aligned_buffer(4096), 2 * MIB)
        assert failed.value.errno == errno.ENOSPC
        assert not is_gone(failed.value)


def test_reading_back_from_a_disk_that_is_gone_ends_at_once(loop_factory: LoopFactory) -> None:
    loop = loop_factory(64 * MIB)
    with opened(loop) as device:
        shrink(loop, 0)
        asked = span(0, 64 * MIB)
        source = PatternSource(b"\0")
        found = compare(device, source, asked, threads=4, stop=StopFlag(), tick=lambda done, errors: None)
    assert found.gave_up == f"the device is gone (it went from {64 * MIB} to 0 bytes)"
    assert found.read_errors <= 4
    assert (found.checked_bytes, found.mismatches) == (0, ())
    assert sum(item.length_bytes for item in found.unreadable) <= 4 * BLOCK_BYTES


def test_a_disk_removed_in_mid_run_fails_at_once_and_the_other_goes_on(
    loop_factory: LoopFactory, shredder: Shredder, tmp_path: Path
) -> None:
    lost, other = loop_factory(256 * MIB), loop_factory(4 * MIB)
    words = (lost.path, other.path, "--passes", "50")
    digest = digest_of(shredder, *words)
    process = shredder.start(
        "wipe", *words, *allow_words(), "--confirm", digest, "--output", tmp_path / "run"
    )
    run = Run(tmp_path / "run", subprocess.CompletedProcess([], 4))
    wait_until(lambda: '"event":"pass-started"' in evidence_on(run, lost.path))
    with stopped(process.pid):
        shrink(lost, 0)
    _, said = process.communicate(timeout=180)
    assert process.returncode == 4, said
    ended = [event for event in run.events("pass-ended") if event["path"] == lost.path][-1]
    assert ended["gave_up"] == f"the device is gone (it went from {256 * MIB} to 0 bytes)"
    assert ended["write_errors"] <= 16
    assert [item["start_bytes"] + item["length_bytes"] for item in ended["unwritten"]][-1:] == [256 * MIB]
    text = verify(shredder, run, expect=4)
    assert text.startswith("FAILED, incomplete")
    assert f"{other.path}: erased, verified in full" in text


def evidence_on(run: Run, path: str) -> str:
    """Return the evidence's lines about one device, as far as they are written."""
    log = run.folder / "evidence.jsonl"
    lines = log.read_text().splitlines() if log.exists() else []
    return "\n".join(line for line in lines[1:] if f'"path":"{path}"' in line)


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Hold a process's children with no transfer in flight: a late write lets the shrunk file grow again."""
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    for child in children:
        os.kill(child, signal.SIGSTOP)
    try:
        wait_until(lambda: all(is_stopped(child) for child in children))
        yield
    finally:
        for child in children:
            os.kill(child, signal.SIGCONT)


def is_stopped(pid: int) -> bool:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return all((thread / "stat").read_text().rpartition(")")[2].split()[0] in "TZ" for thread in threads)
