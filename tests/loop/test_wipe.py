"""The whole flow on real loop devices; what was written is read from the backing file."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shredder.plan.methods import METHODS
from tests.support.command import Shredder
from tests.support.devices import LoopDevice
from tests.support.machine import allow_words
from tests.support.machine import run as run_tool
from tests.support.runs import Run, digest_of, verify, wipe
from tests.support.waiting import wait_until

MIB = 1 << 20
MARKER = b"CONFIDENTIAL: the quick brown fox "

LoopFactory = Callable[..., LoopDevice]


def _fill(loop: LoopDevice, size: int) -> None:
    loop.backing.write_bytes((MARKER * (size // len(MARKER) + 1))[:size])
    run_tool("blockdev", "--flushbufs", loop.path)


def _expected(run: Run, size: int) -> bytes:
    """Make what the last pass must have left: with openssl for a random one, by hand for a pattern."""
    plan = json.loads((run.folder / "plan.json").read_text())
    last = plan["steps"][0]["passes"][-1]
    if last["kind"] == "pattern":
        pattern = bytes.fromhex(last["pattern_hex"])
        return (pattern * (size // len(pattern) + 1))[:size]
    keys = json.loads((run.folder / "stream-keys.json").read_text())["devices"][0]["keys_hex"]
    done = subprocess.run(
        ["openssl", "enc", "-aes-128-ctr", "-nopad", "-K", keys[-1], "-iv", "0" * 32],
        input=bytes(size),
        capture_output=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("sector_bytes", [512, 4096])
@pytest.mark.parametrize("method", list(METHODS))
def test_every_byte_is_overwritten(
    method: str, sector_bytes: int, loop_factory: LoopFactory, shredder: Shredder, tmp_path: Path
) -> None:
    size = 3 * MIB + 5 * 4096 + (512 if sector_bytes == 512 else 0)
    loop = loop_factory(size, sector_bytes=sector_bytes)
    _fill(loop, size)
    run = wipe(shredder, tmp_path / "run", loop.path, "--method", method)
    assert loop.backing.read_bytes() == _expected(run, size)
    passes = json.loads((run.folder / "plan.json").read_text())["steps"][0]["passes"]
    assert [event["number"] for event in run.events("pass-ended")] == list(range(1, len(passes) + 1))
    verify(shredder, run)


@pytest.mark.parametrize("size", [512, 1024, 4096, MIB - 512, MIB, MIB + 512])
def test_small_and_odd_sizes(
    size: int, loop_factory: LoopFactory, shredder: Shredder, tmp_path: Path
) -> None:
    loop = loop_factory(size)
    _fill(loop, size)
    run = wipe(shredder, tmp_path / "run", loop.path, "--method", "schneier")
    assert loop.backing.read_bytes() == _expected(run, size)


def test_a_zram_device(zram_factory: Callable[[int], str], shredder: Shredder, tmp_path: Path) -> None:
    path = zram_factory(4 * MIB)
    run = wipe(shredder, tmp_path / "run", path)
    assert Path(path).read_bytes() == _expected(run, 4 * MIB)


@pytest.mark.parametrize("size", [1, 4095, 4096, MIB + 4097, 5_000_003])
def test_an_image_of_any_length(size: int, shredder: Shredder, tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes((MARKER * (size // len(MARKER) + 1))[:size])
    run = wipe(shredder, tmp_path / "run", image, "--image", "--passes", "2")
    assert image.read_bytes() == _expected(run, size)
    assert image.stat().st_size == size
    verify(shredder, run)


def test_several_devices_at_once(loop_factory: LoopFactory, shredder: Shredder, tmp_path: Path) -> None:
    loops = [loop_factory(2 * MIB) for _ in range(4)]
    for loop in loops:
        _fill(loop, 2 * MIB)
    run = wipe(shredder, tmp_path / "run", *(loop.path for loop in loops))
    contents = {loop.backing.read_bytes() for loop in loops}
    assert len(contents) == 4
    assert not any(MARKER in content for content in contents)
    assert len(run.events("device-ended")) == 4
    verify(shredder, run)


def test_sampled_verification_and_an_auditors_nonce(
    loop_factory: LoopFactory, shredder: Shredder, tmp_path: Path
) -> None:
    loop = loop_factory(64 * MIB)
    run = wipe(shredder, tmp_path / "run", loop.path, "--verify", "sampled", "--nonce", "c0ffee")
    (started,) = run.events("verify-started")
    assert started["kind"] == "sampled"
    assert started["independent"] == 4603
    assert 0.1 * 64 * MIB < started["ranges_bytes"] < 64 * MIB
    verify(shredder, run)


def test_not_verified_is_said(loop_factory: LoopFactory, shredder: Shredder, tmp_path: Path) -> None:
    loop = loop_factory(MIB)
    run = wipe(shredder, tmp_path / "run", loop.path, "--verify", "none")
    assert "overwritten, not verified" in verify(shredder, run)


@pytest.mark.parametrize("at", [0, 511, MIB - 1, MIB + 4096 + 17, 3 * MIB + 511])
def test_an_audit_finds_a_flipped_byte_at_its_offset(
    at: int, loop_factory: LoopFactory, shredder: Shredder, tmp_path: Path
) -> None:
    loop = loop_factory(3 * MIB + 512)
    run = wipe(shredder, tmp_path / "run", loop.path)
    words = ("--certificate", run.certificate, "--stream-keys", run.folder / "stream-keys.json")
    shredder("audit", loop.path, *words)
    content = bytearray(loop.backing.read_bytes())
    content[at] ^= 0x40
    loop.backing.write_bytes(content)
    run_tool("blockdev", "--flushbufs", loop.path)
    done = shredder("audit", loop.path, *words, "--json", expect=5)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["mismatches"] == [{"start_bytes": at // 512 * 512, "length_bytes": 512}]


def test_an_interrupted_run_says_how_far_it_came(
    loop_factory: LoopFactory, shredder: Shredder, tmp_path: Path
) -> None:
    loop = loop_factory(256 * MIB)
    _fill(loop, 256 * MIB)
    words = (loop.path, "--passes", "50")
    digest = digest_of(shredder, *words)
    process = shredder.start(
        "wipe", *words, *allow_words(), "--confirm", digest, "--output", tmp_path / "run"
    )
    run = Run(tmp_path / "run", subprocess.CompletedProcess([], 0))
    wait_until(lambda: "pass-started" in _evidence_text(run.folder))
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=180)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    last = run.events("pass-ended")[-1]
    for item in last["written"]:
        assert item["length_bytes"] % MIB == 0
    assert run.events("run-ended") == [{"interrupted": True}]
    assert verify(shredder, run, expect=130).splitlines()[0] != ""
    assert "interrupted" in verify(shredder, run, expect=130)
    shown = shredder("certificate", "show", run.certificate, expect=130).stdout
    assert "not carried to its end" in shown


def test_workers_stop_when_their_parent_is_killed(
    loop_factory: LoopFactory, shredder: Shredder, tmp_path: Path
) -> None:
    loop = loop_factory(64 * MIB)
    words = (loop.path, "--passes", "99")
    digest = digest_of(shredder, *words)
    process = shredder.start(
        "wipe", *words, *allow_words(), "--confirm", digest, "--output", tmp_path / "run"
    )
    wait_until(lambda: "pass-started" in _evidence_text(tmp_path / "run"))
    workers = [
        int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    ]
    assert workers
    process.kill()
    process.wait()
    wait_until(lambda: not any(_is_running(pid) for pid in workers))
    before = loop.backing.read_bytes()
    time.sleep(0.3)
    assert loop.backing.read_bytes() == before


def test_a_hung_worker_does_not_hold_up_the_others(
    loop_factory: LoopFactory, shredder: Shredder, tmp_path: Path
) -> None:
    slow, quick = loop_factory(256 * MIB), loop_factory(MIB)
    words = (slow.path, quick.path, "--passes", "20")
    digest = digest_of(shredder, *words)
    process = shredder.start(
        "wipe", *words, *allow_words(), "--confirm", digest, "--output", tmp_path / "run"
    )
    run = Run(tmp_path / "run", subprocess.CompletedProcess([], 0))
    wait_until(lambda: any(event["path"] == slow.path for event in _events(run, "pass-started")))
    (stuck,) = [pid for pid in _children(process.pid) if _has_open(pid, slow.path)]
    os.kill(stuck, signal.SIGSTOP)
    try:
        wait_until(lambda: any(event["path"] == quick.path for event in _events(run, "device-ended")))
    finally:
        os.kill(stuck, signal.SIGCONT)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=180)
    assert process.returncode == 130
    assert "erased, verified in full" in verify(shredder, run, expect=130)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _has_open(pid: int, path: str) -> bool:
    return any(str(link.readlink()) == path for link in Path(f"/proc/{pid}/fd").iterdir())


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _evidence_text(folder: Path) -> str:
    try:
        return (folder / "evidence.jsonl").read_text()
    except OSError:
        return ""


def _events(run: Run, name: str) -> list[dict[str, str]]:
    whole = [line for line in _evidence_text(run.folder).splitlines() if line.endswith("}")]
    entries = [json.loads(line) for line in whole]
    return [entry["data"] for entry in entries if entry["event"] == name]


def test_an_output_folder_that_fills_up_in_mid_run_does_not_hide_the_outcome(
    loop_factory: LoopFactory, mounted: Callable[..., Path], shredder: Shredder
) -> None:
    target, disk = loop_factory(96 * MIB), loop_factory(24 * MIB)
    point = mounted(disk.path, "ext4")
    words = (target.path, "--passes", "40")
    digest = digest_of(shredder, *words)
    process = shredder.start(
        "wipe", *words, *allow_words(), "--confirm", digest, "--output", point / "run", "--json"
    )
    wait_until(lambda: process.poll() is not None or "pass-started" in _evidence_text(point / "run"))
    assert process.poll() is None, process.communicate()
    filler = os.open(point / "filler", os.O_WRONLY | os.O_CREAT)
    try:
        while os.write(filler, bytes(4096)):
            pass
    except OSError:
        pass  # full, which is what was wanted
    finally:
        os.close(filler)
    printed, said = process.communicate(timeout=120)
    assert process.returncode == 8, said
    assert "the evidence log took no more entries" in said
    result = json.loads(printed.splitlines()[-1])
    assert result["devices"][0]["verdict"] == "erased, verified in full"
    assert not result["has_certificate"]
    assert not (point / "run" / "certificate.json").exists()


def test_a_storm_of_signals_still_ends_with_a_certificate(
    loop_factory: LoopFactory, shredder: Shredder, tmp_path: Path
) -> None:
    loop = loop_factory(128 * MIB)
    words = (loop.path, "--passes", "99")
    digest = digest_of(shredder, *words)
    process = shredder.start(
        "wipe", *words, *allow_words(), "--confirm", digest, "--output", tmp_path / "run"
    )
    run = Run(tmp_path / "run", subprocess.CompletedProcess([], 0))
    wait_until(lambda: "pass-started" in _evidence_text(run.folder))
    for _ in range(200):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            process.send_signal(number)
    _, said = process.communicate(timeout=180)
    assert process.returncode == 130, said
    verify(shredder, run, expect=130)
    audit = ("audit", loop.path, "--certificate", run.certificate)
    keys = run.folder / "stream-keys.json"
    assert shredder(*audit, "--stream-keys", keys, expect=None).returncode in (4, 5)


def test_evidence_that_somebody_changes_in_mid_run_gets_no_certificate(
    loop_factory: LoopFactory, shredder: Shredder, tmp_path: Path
) -> None:
    loop = loop_factory(128 * MIB)
    words = (loop.path, "--passes", "9")
    digest = digest_of(shredder, *words)
    process = shredder.start(
        "wipe", *words, *allow_words(), "--confirm", digest, "--output", tmp_path / "run"
    )
    wait_until(lambda: "pass-started" in _evidence_text(tmp_path / "run"))
    with (tmp_path / "run" / "evidence.jsonl").open("a") as file:
        file.write("{}\n")
    printed, said = process.communicate(timeout=180)
    assert process.returncode == 8, said
    assert "erased, verified in full" in printed
    assert "NO CERTIFICATE" in printed
