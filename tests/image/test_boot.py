"""Group 1: every way to start the image; each guest wipes its disk and puts the certificate on a stick."""

import shutil
from pathlib import Path

import pytest

from shredder.image.loaders import COMMAND_LINE
from tests.support.guest import End, How
from tests.support.guest_certificates import Delivered
from tests.support.guest_image import FILE_NAME, RecoveryImage, configure
from tests.support.guest_lab import STICK, Lab
from tests.support.guest_machine import Boot, CdBoot, Firmware, KernelBoot, Network, PxeBoot, StickBoot
from tests.support.guest_media import count_marker_texts, digest

pytestmark = pytest.mark.long

MB = 10**6
NO_UEFI = "unavailable: not started by UEFI firmware"
FIRST_LINE = "^shredder recovery image "

BIOS_OR_SECURE = pytest.mark.parametrize(
    ("firmware", "secure_boot"),
    [(Firmware.SEABIOS, NO_UEFI), (Firmware.SECURE, "on")],
    ids=["seabios", "secure-boot"],
)


def wipe_all(lab: Lab, boot: Boot, firmware: Firmware = Firmware.SEABIOS) -> Delivered:
    """Start a guest whose configuration says "all", and check what it did; how it was started is left."""
    configuration = configure("all", 'how = "stick"')
    disk, stick = lab.disk("DISK1"), lab.volume("stick", configuration)
    guest = lab.start(disk, boot=boot, stick=stick, firmware=firmware, network=Network(closed=True))
    assert guest.wait_end(300) == End(0, How.POWEROFF)
    assert count_marker_texts(disk.file) == 0
    delivered = lab.check_run_on(stick)
    delivered.check_disk("DISK1", disk.file)
    assert list(delivered.devices) == ["DISK1"]
    assert delivered.left_out[STICK]["why"] == "excepted"
    assert (delivered.folder.parent / FILE_NAME).read_text() == configuration
    assert delivered.certificate_digest in guest.serial.text
    return delivered


@pytest.mark.parametrize(
    ("firmware", "secure_boot"),
    [(Firmware.SEABIOS, NO_UEFI), (Firmware.OVMF, "off"), (Firmware.SECURE, "on")],
    ids=["seabios", "ovmf", "secure-boot"],
)
def test_the_iso_as_a_cd(firmware: Firmware, secure_boot: str, lab: Lab) -> None:
    delivered = wipe_all(lab, CdBoot(lab.image.iso), firmware)
    assert delivered.predicate["host"]["secure_boot"] == secure_boot


@BIOS_OR_SECURE
def test_the_iso_as_a_usb_disk(firmware: Firmware, secure_boot: str, lab: Lab) -> None:
    file = Path(shutil.copyfile(lab.image.iso, lab.folder / "boot.img"))
    before = digest(file)
    delivered = wipe_all(lab, StickBoot(file, "BOOTSTICK"), firmware)
    assert delivered.predicate["host"]["secure_boot"] == secure_boot
    assert digest(file) == before
    assert delivered.left_out["BOOTSTICK"]["why"] == "excepted"
    assert "boot" in delivered.left_out["BOOTSTICK"]["reason"]


@BIOS_OR_SECURE
def test_pxe(firmware: Firmware, secure_boot: str, lab: Lab) -> None:
    loader = "pxelinux.0" if firmware is Firmware.SEABIOS else "shimx64.efi"
    delivered = wipe_all(lab, PxeBoot(lab.image.netboot, loader), firmware)
    assert delivered.predicate["host"]["secure_boot"] == secure_boot


def test_kernel_and_initramfs(lab: Lab) -> None:
    delivered = wipe_all(lab, lab.image.boot())
    assert delivered.predicate["host"]["secure_boot"] == NO_UEFI


def test_the_first_line_comes_on_every_console(lab: Lab) -> None:
    words = f"{COMMAND_LINE} ignore_loglevel"
    guest = lab.start(boot=KernelBoot(lab.image.kernel, lab.image.initrd, words), with_hvc0=True)
    guest.expect(FIRST_LINE, 60)
    guest.expect_on(guest.hvc0, FIRST_LINE, 60)
    assert f"ommand line: {words}" in guest.serial.text  # the kernel's own lines are there too


def test_the_sizes(image: RecoveryImage) -> None:
    assert image.iso.stat().st_size <= 100 * MB
    assert image.initrd.stat().st_size <= 65 * MB
