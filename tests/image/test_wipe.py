"""Group 2: disks on every bus and of both sector sizes in one guest; what is not named stays as it is."""

import shutil
from datetime import datetime
from pathlib import Path

import pytest

from tests.support.guest import End, How
from tests.support.guest_certificates import RESULTS, Delivered
from tests.support.guest_image import configure
from tests.support.guest_lab import STICK, Lab
from tests.support.guest_machine import Bus, Disk, StickBoot
from tests.support.guest_media import count_marker_texts, digest

pytestmark = pytest.mark.long

# slow enough that wiping one after the other could not pass for wiping them together
SLOW = 16 << 20


def test_every_bus_and_sector_size_in_parallel(lab: Lab) -> None:
    targets = [
        lab.disk("VIRTIO512", Bus.VIRTIO, 512, bytes_per_s=SLOW),
        lab.disk("VIRTIO4096", Bus.VIRTIO, 4096, bytes_per_s=SLOW),
        lab.disk("NVME512", Bus.NVME, 512, bytes_per_s=SLOW),
        lab.disk("NVME4096", Bus.NVME, 4096, bytes_per_s=SLOW),
        lab.disk("SATA512", Bus.SATA, 512, bytes_per_s=SLOW),
        lab.disk("SCSI512", Bus.SCSI, 512, bytes_per_s=SLOW),
        lab.disk("SCSI4096", Bus.SCSI, 4096, bytes_per_s=SLOW),
    ]
    bystander = lab.disk("BYSTANDER", Bus.SCSI)
    hostile = Disk(lab.volume("hostile", configure("all", 'how = "none"')).file, "HOSTILE")
    boot_file = Path(shutil.copyfile(lab.image.iso, lab.folder / "boot.img"))
    stick = lab.volume("stick", configure([disk.serial for disk in targets], 'how = "stick"'))
    untouched = (bystander.file, hostile.file, boot_file)
    before = [digest(file) for file in untouched]

    guest = lab.start(hostile, *targets, bystander, boot=StickBoot(boot_file, "BOOTSTICK"), stick=stick)

    assert guest.wait_end(400) == End(0, How.POWEROFF)
    assert [digest(file) for file in untouched] == before
    assert [count_marker_texts(disk.file) for disk in targets] == [0] * len(targets)
    delivered = lab.check_run_on(stick)
    assert {path.name for path in delivered.folder.iterdir()} >= RESULTS
    assert set(delivered.devices) == {disk.serial for disk in targets}
    for disk in targets:
        delivered.check_disk(disk.serial, disk.file)
        assert delivered.devices[disk.serial]["identity"]["logical_sector_bytes"] == str(disk.sector_bytes)
    assert {"BYSTANDER", "HOSTILE", "BOOTSTICK", STICK} <= set(delivered.left_out)
    assert were_together(delivered)


def were_together(delivered: Delivered) -> bool:
    """Return whether there was a moment at which all targets were being written to."""
    passes = [device["passes"][0] for device in delivered.devices.values()]
    began = max(datetime.fromisoformat(one["started_at"]) for one in passes)
    ended = min(datetime.fromisoformat(one["ended_at"]) for one in passes)
    return began < ended
