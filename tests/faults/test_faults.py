"""Disks that fail and disks that lie, behind a real block device; none of it may end as success.

nbdkit serves the disk, nbdfuse makes it a file, losetup makes that a block device, with direct I/O:
otherwise reads come from the page cache above the lie.
"""

import json
import shutil
import signal
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.command import Shredder
from tests.support.devices import LoopDevice
from tests.support.machine import allow_words, why_no_loop
from tests.support.machine import run as run_tool
from tests.support.registry import Registry
from tests.support.runs import Run, digest_of, verify, wipe
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(why_no_loop() is not None, reason=f"needs root and loop devices: {why_no_loop()}"),
    pytest.mark.skipif(not shutil.which("nbdkit"), reason="needs nbdkit"),
    pytest.mark.skipif(not shutil.which("nbdfuse"), reason="needs nbdfuse (libnbd-bin)"),
]

MIB = 1 << 20
SIZE = 8 * MIB
PLUGIN = Path(__file__).with_name("lying_disk.py")
MARKER = b"CONFIDENTIAL: the quick brown fox "

MakeDisk = Callable[..., LoopDevice]


@pytest.fixture
def make_disk(tmp_path: Path, undo: ExitStack, registry: Registry) -> MakeDisk:
    """`make_disk(mode, first, last)`: a disk of 8 MiB full of markers that misbehaves in [first, last)."""

    def make(mode: str, first: int = 0, last: int = 0) -> LoopDevice:
        backing = tmp_path / "disk"
        backing.write_bytes((MARKER * (SIZE // len(MARKER) + 1))[:SIZE])
        exposed = tmp_path / "exposed"
        exposed.touch()
        told = [f"file={backing}", f"size={SIZE}", f"mode={mode}", f"from={first}", f"to={last}"]
        server = subprocess.Popen(
            ["nbdfuse", exposed, "--command", "nbdkit", "-s", "python", PLUGIN, *told],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        undo.callback(_end, server, exposed)
        wait_until(lambda: exposed.stat().st_size == SIZE)
        device = LoopDevice(
            run_tool("losetup", "--direct-io=on", "--show", "-f", exposed).strip(), exposed, registry
        )
        undo.callback(device.detach)
        return device

    return make


def _end(server: subprocess.Popen[bytes], exposed: Path) -> None:
    subprocess.run(["umount", exposed], check=False, capture_output=True)
    server.terminate()
    server.wait(timeout=20)


def _ranges(event: dict[str, list[dict[str, int]]], name: str) -> list[tuple[int, int]]:
    return [(item["start_bytes"], item["start_bytes"] + item["length_bytes"]) for item in event[name]]


@pytest.mark.parametrize(("first", "last"), [(0, 512), (3 * MIB + 512, 3 * MIB + 2048), (SIZE - 512, SIZE)])
def test_sectors_that_take_no_writes_are_named_exactly(
    make_disk: MakeDisk, first: int, last: int, shredder: Shredder, tmp_path: Path
) -> None:
    disk = make_disk("write-error", first, last)
    run = wipe(shredder, tmp_path / "run", disk.path, "--passes", "2", expect=4)
    ended = run.events("pass-ended")
    assert len(ended) == 2
    for event in ended:
        assert _ranges(event, "unwritten") == [(first, last)]
    content = (tmp_path / "disk").read_bytes()
    assert content[first:last] == (MARKER * (SIZE // len(MARKER) + 1))[first:last]
    assert MARKER not in content[:first] + content[last:]
    said = verify(shredder, run, expect=4)
    assert said.startswith("FAILED, incomplete")
    assert f"{first}" in shredder("certificate", "show", run.certificate, expect=4).stdout


def test_a_failed_flush_is_final(make_disk: MakeDisk, shredder: Shredder, tmp_path: Path) -> None:
    disk = make_disk("flush-error")
    words = (disk.path, "--passes", "2")
    digest = digest_of(shredder, *words)
    (tmp_path / "disk.armed").touch()
    done = shredder(
        "wipe", *words, *allow_words(), "--confirm", digest, "--output", tmp_path / "run", expect=4
    )
    run = Run(tmp_path / "run", done)
    (ended,) = run.events("pass-ended")
    assert "EIO" in str(ended["flush_error"])
    assert run.events("verify-started") == []
    assert f"{SIZE} bytes" in shredder("certificate", "show", run.certificate, expect=4).stdout


@pytest.mark.parametrize("mode", ["drop", "zero", "misdirect"])
def test_writes_that_did_not_happen_are_found_where_they_are(
    make_disk: MakeDisk, mode: str, shredder: Shredder, tmp_path: Path
) -> None:
    first, last = 5 * MIB + 1024, 5 * MIB + 4096
    disk = make_disk(mode, first, last)
    run = wipe(shredder, tmp_path / "run", disk.path, expect=5)
    (ended,) = run.events("verify-ended")
    found = _ranges(ended, "mismatches")
    assert found[0][0] == first
    assert found[-1][1] in (last, last + 512)
    assert verify(shredder, run, expect=5).startswith("FAILED, mismatch")


@pytest.mark.parametrize("verification", ["full", "sampled"])
def test_fake_capacity_is_found(
    make_disk: MakeDisk, verification: str, shredder: Shredder, tmp_path: Path
) -> None:
    disk = make_disk("alias")
    run = wipe(shredder, tmp_path / "run", disk.path, "--verify", verification, expect=5)
    (ended,) = run.events("verify-ended")
    assert sum(last - first for first, last in _ranges(ended, "mismatches")) >= SIZE // 2


def test_sectors_that_cannot_be_read_back_fail(
    make_disk: MakeDisk, shredder: Shredder, tmp_path: Path
) -> None:
    first, last = 2 * MIB, 2 * MIB + 4096
    disk = make_disk("read-error", first, last)
    done = shredder("plan", disk.path, *allow_words(), "--json")
    digest = json.loads(done.stdout)["digest"]
    done = shredder(
        "wipe", disk.path, *allow_words(), "--confirm", digest, "--output", tmp_path / "run", expect=None
    )
    assert done.returncode in (4, 5)
    run = Run(tmp_path / "run", done)
    (ended,) = run.events("verify-ended")
    assert _ranges(ended, "unreadable") == [(first, last)]
    verify(shredder, run, expect=done.returncode)


def test_a_hanging_device_is_given_up_and_said_so(
    make_disk: MakeDisk, loop_factory: Callable[..., LoopDevice], shredder: Shredder, tmp_path: Path
) -> None:
    disk, healthy = make_disk("hang", 4 * MIB, 5 * MIB), loop_factory(MIB)
    words = (disk.path, healthy.path)
    digest = digest_of(shredder, *words)
    hanging = tmp_path / "disk.hang"
    hanging.touch()
    process = shredder.start(
        "wipe", *words, *allow_words(), "--confirm", digest, "--output", tmp_path / "run"
    )
    run = Run(tmp_path / "run", subprocess.CompletedProcess([], 0))
    try:
        wait_until(lambda: run.certificate.parent.exists() and (run.folder / "evidence.jsonl").exists())
        wait_until((tmp_path / "disk.hangs").exists)
        wait_until(lambda: any(event["path"] == healthy.path for event in run.events("device-ended")))
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=180)
    finally:
        hanging.unlink()
    assert process.returncode == 130, said
    (ended,) = [event for event in run.events("device-ended") if event["path"] == disk.path]
    assert ended["error"]
    text = verify(shredder, run, expect=130)
    assert f"{healthy.path}: erased, verified in full" in text
    assert f"{disk.path}: erased" not in text
