"""Group 4: nothing is ever wiped by surprise."""

from collections.abc import Callable

import pytest

from shredder.image.loaders import COMMAND_LINE
from tests.support.guest import End, Guest, How
from tests.support.guest_image import configure
from tests.support.guest_lab import Lab
from tests.support.guest_machine import Bus, Disk, KernelBoot
from tests.support.guest_media import count_marker_texts, digest

pytestmark = pytest.mark.long

NOWHERE = 'how = "none"'
MENU = r"what now\? \[1-4\]"
WIPE, POWEROFF = "1\n", "4\n"


def power_off(guest: Guest, exit_code: int) -> None:
    """Choose that in the menu, and see that the guest ends so."""
    guest.expect(MENU)
    guest.type(POWEROFF)
    assert guest.wait_end() == End(exit_code, How.POWEROFF)


def press_on_screen(guest: Guest) -> None:
    """Press the space bar of the machine's own keyboard."""
    guest.qmp.ask("send-key", keys=[{"type": "qcode", "data": "spc"}])


@pytest.mark.parametrize(
    ("console", "press"),
    [
        ("ttyS0", lambda guest: guest.type("x")),
        ("hvc0", lambda guest: guest.hvc0.type("\n")),
        ("tty1", press_on_screen),
    ],
    ids=["serial", "hypervisor", "screen"],
)
def test_any_key_on_any_console_stops_the_countdown(
    console: str, press: Callable[[Guest], None], lab: Lab
) -> None:
    disk = lab.disk("DISK1", Bus.NVME)
    before = digest(disk.file)
    configuration = configure("all", NOWHERE, countdown_s=120)
    guest = lab.start(disk, boot=lab.image.boot(configuration), with_hvc0=True)
    for shown in guest.consoles:
        guest.expect_on(shown, "THESE WILL BE DESTROYED: 1 of", 120)
        guest.expect_on(shown, "serial DISK1", 10)
        guest.expect_on(shown, "ANY KEY STOPS IT", 10)
    press(guest)
    for shown in guest.consoles:
        guest.expect_on(shown, f"stopped by a key on {console}; nothing was written", 10)
    power_off(guest, 3)
    assert digest(disk.file) == before


def test_the_countdown_lasts_30_seconds_unless_said_otherwise(lab: Lab) -> None:
    disk = lab.disk("DISK1")
    before = digest(disk.file)
    configuration = "\n".join(
        line for line in configure("all", NOWHERE).splitlines() if "countdown" not in line
    )
    guest = lab.start(disk, boot=lab.image.boot(configuration))
    guest.expect("the wipe begins in 30 s")
    began_s = guest.age_s
    guest.expect("the wipe begins in 1 s", 60)
    assert guest.age_s - began_s > 25
    guest.type(" ")
    guest.expect("stopped by a key")
    power_off(guest, 3)
    assert digest(disk.file) == before


def test_without_a_configuration_nothing_is_written(lab: Lab) -> None:
    disk = lab.disk("DISK1")
    hostile = Disk(lab.volume("hostile", configure("all", NOWHERE, countdown_s=0)).file, "HOSTILE")
    before = [digest(disk.file), digest(hostile.file)]
    guest = lab.start(disk, hostile, boot=lab.image.boot())
    guest.expect("no configuration names targets")
    guest.expect("serial DISK1")
    guest.expect(MENU)
    guest.expect_quiet("(?i)wiping|will be destroyed", 15)
    guest.type("\n")
    power_off(guest, 0)
    assert [digest(disk.file), digest(hostile.file)] == before


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda text: text.replace("[delivery]", "shred = true\n[delivery]"), 'unknown key "shred"'),
        (lambda text: text.replace("serial:DISK1", "serial:DISK9"), "no device here is serial:DISK9"),
        (lambda text: text.replace("targets", "targets ="), "is not valid TOML"),
    ],
    ids=["unknown-key", "no-such-disk", "no-toml"],
)
def test_with_a_broken_configuration_nothing_is_written(
    spoil: Callable[[str], str], said: str, lab: Lab
) -> None:
    disk = lab.disk("DISK1")
    before = digest(disk.file)
    good = configure(["DISK1"], NOWHERE, countdown_s=0)
    # the broken one comes first, and the good one after it is not asked
    stick = lab.volume("stick", good)
    guest = lab.start(disk, boot=lab.image.boot(spoil(good)), stick=stick)
    guest.expect(said)
    guest.expect(MENU)
    guest.expect_quiet("(?i)wiping|will be destroyed", 5)
    guest.type("\n")
    power_off(guest, 2)
    assert digest(disk.file) == before


def test_base64_that_is_none_is_a_broken_configuration(lab: Lab) -> None:
    disk = lab.disk("DISK1")
    before = digest(disk.file)
    stick = lab.volume("stick", configure("all", NOWHERE, countdown_s=0))
    boot = KernelBoot(lab.image.kernel, lab.image.initrd, f"{COMMAND_LINE} shredder.config=%%%")
    guest = lab.start(disk, boot=boot, stick=stick)
    guest.expect("is not the base64 of a text")
    assert "ommand line: " not in guest.serial.text  # the kernel does not show a configuration
    power_off(guest, 2)
    assert digest(disk.file) == before


def test_the_dialogue_wipes_the_disk_whose_serial_is_typed(lab: Lab) -> None:
    chosen, other = lab.disk("CHOSEN"), lab.disk("OTHER")
    before = digest(other.file)
    stick = lab.volume("stick")
    guest = lab.start(chosen, other, boot=lab.image.boot(), stick=stick)
    guest.expect(MENU)
    number = choose_disk(guest, "CHOSEN")
    answer_questions(guest, number)
    guest.expect(r"to wipe \S+, type its serial \(CHOSEN\):")
    guest.type("OTHER\n")
    guest.expect("that is not the serial")
    guest.expect(MENU)
    assert count_marker_texts(chosen.file) > 0

    answer_questions(guest, choose_disk(guest, "CHOSEN"))
    guest.expect(r"to wipe \S+, type its serial \(CHOSEN\):")
    guest.type("CHOSEN\n")
    guest.expect("ended with exit code 0")
    power_off(guest, 0)
    delivered = lab.check_run_on(stick)
    delivered.check_disk("CHOSEN", chosen.file)
    assert digest(other.file) == before


def choose_disk(guest: Guest, serial: str) -> str:
    """Ask for the list of disks; returns the number of the one with this serial."""
    guest.type(WIPE)
    number = guest.expect(rf"^ +(\d+)  /dev/\S+ .*\n +serial {serial}, ")[1]
    guest.expect(r"numbers of the disks to wipe.*:")
    return number


def answer_questions(guest: Guest, number: str) -> None:
    """Choose a disk, the usual method, and the stick."""
    guest.type(f"{number}\n")
    guest.expect(r"method \(Enter: random\):")
    guest.type("\n")
    guest.expect(r"where does the certificate go\? \[1-2\]")
    guest.type("1\n")
    guest.expect("THESE WILL BE DESTROYED: 1 of")
