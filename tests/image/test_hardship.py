"""Group 5: little memory, disks that vanish in mid-run, and a power cut with a second boot."""

import json
from typing import Any

import pytest

from tests.support.guest import End, How
from tests.support.guest_certificates import EVIDENCE, VERIFIED, Delivered
from tests.support.guest_image import configure
from tests.support.guest_lab import Lab
from tests.support.guest_machine import Bus
from tests.support.guest_media import count_marker_texts, find_markers

pytestmark = pytest.mark.long

MIB = 1 << 20
SIZE_MIB = 64
BLOCK = 4096
BLOCKS = SIZE_MIB * MIB // BLOCK
SLOW = 3 * MIB
IS_WRITING = r"pass 1/1: \d+ %"  # comes after ten seconds: about half of a slow disk
ON_STICK = 'how = "stick"'


def test_512_mib_of_memory_are_enough_for_two_disks(lab: Lab) -> None:
    disks = [lab.disk("DISK1", size_mib=256), lab.disk("DISK2", Bus.NVME, 4096, size_mib=256)]
    stick = lab.volume("stick", configure("all", ON_STICK))
    guest = lab.start(*disks, boot=lab.image.boot(), stick=stick, memory_mib=512)
    assert guest.wait_end(300) == End(0, How.POWEROFF)
    delivered = lab.check_run_on(stick)
    for disk in disks:
        assert count_marker_texts(disk.file) == 0
        delivered.check_disk(disk.serial, disk.file)


def test_disks_pulled_out_in_mid_run(lab: Lab) -> None:
    pulled = [lab.disk(bus.upper(), bus, bytes_per_s=SLOW) for bus in (Bus.VIRTIO, Bus.NVME, Bus.SCSI)]
    staying = lab.disk("STAYING", Bus.SATA)
    stick = lab.volume("stick", configure([disk.serial for disk in (*pulled, staying)], ON_STICK))
    guest = lab.start(*pulled, staying, boot=lab.image.boot(), stick=stick)
    guest.expect(IS_WRITING)
    for disk in pulled:
        guest.unplug(disk.serial)
    # a disk that has gone is given up at once, not after an hour of trying
    assert guest.wait_end(90) == End(4, How.POWEROFF)
    delivered = lab.check_run_on(stick, expect=4)
    delivered.check_disk(staying.serial, staying.file)
    for disk in pulled:
        device = delivered.devices[disk.serial]
        assert device["verdict"] != VERIFIED
        left = find_markers(disk.file)
        assert 0 < len(left) < BLOCKS
        assert all(is_within(number, device["unwritten"]) for number in left)


def test_noise_on_a_serial_line_does_not_reset_the_machine(lab: Lab) -> None:
    disk = lab.disk("DISK1", bytes_per_s=SLOW)
    stick = lab.volume("stick", configure(["DISK1"], ON_STICK))
    guest = lab.start(disk, boot=lab.image.boot(), stick=stick)
    guest.expect(IS_WRITING)
    # the kernel obeys the key that follows a BREAK: b is a reset
    guest.qmp.ask("chardev-send-break", id="serial")
    guest.type("b")
    assert guest.wait_end() == End(0, How.POWEROFF)
    lab.check_run_on(stick).check_disk("DISK1", disk.file)


def test_a_power_cut_and_a_second_boot(lab: Lab) -> None:
    disk = lab.disk("DISK1", bytes_per_s=SLOW)
    stick = lab.volume("stick", configure(["DISK1"], ON_STICK))
    first = lab.start(disk, boot=lab.image.boot(), stick=stick)
    first.expect(IS_WRITING)
    first.cut_power()
    assert 0 < len(find_markers(disk.file)) < BLOCKS
    (begun,) = lab.runs_on(stick)
    assert [path.name for path in begun.iterdir()] == ["start.jsonl"]
    start = json.loads((begun / "start.jsonl").read_text().splitlines()[0])

    second = lab.start(disk, boot=lab.image.boot(), stick=stick)
    assert second.wait_end() == End(0, How.POWEROFF)
    assert count_marker_texts(disk.file) == 0
    runs = {path.name: path for path in lab.runs_on(stick)}
    assert [path.name for path in runs.pop(begun.name).iterdir()] == ["start.jsonl"]
    (ended,) = runs.values()
    delivered = lab.check(ended)
    delivered.check_disk("DISK1", disk.file)
    check_own_work_only(delivered, start)


def check_own_work_only(delivered: Delivered, earlier: dict[str, Any]) -> None:
    """See that the certificate is that of the second run alone."""
    assert delivered.predicate["run_id"] != earlier["data"]["run_id"]
    assert delivered.predicate["claimed_started_at"] > earlier["at"]
    evidence = [json.loads(line) for line in (delivered.folder / EVIDENCE).read_text().splitlines()]
    assert [entry["event"] for entry in evidence].count("run-started") == 1
    (ended,) = (entry["data"] for entry in evidence if entry["event"] == "pass-ended")
    assert ended["written"] == [{"start_bytes": 0, "length_bytes": SIZE_MIB * MIB}]


def is_within(block: int, spans: list[dict[str, str]]) -> bool:
    """Return whether a whole block lies in one of a certificate's byte ranges."""
    start = block * BLOCK
    ranges = [(int(span["start"]), int(span["start"]) + int(span["length"])) for span in spans]
    return any(begin <= start and start + BLOCK <= end for begin, end in ranges)
