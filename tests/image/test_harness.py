"""The guest harness itself: only a guest that said its exit code and then ended by itself has ended."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.guest import End, Guest, GuestError, How
from tests.support.guest_machine import Bus, Disk, DiskBoot, Machine

pytestmark = pytest.mark.long

SAID = "shredder: ended with exit code 4\r\n"

# Real mode, at 0x7c00: send the text at 0x7c40 to the first serial port, then do the ending.
_SAY = bytes.fromhex("31c0 8ed8 be407c baf803 ac 84c0 7403 ee ebf8")
_POWER_OFF = bytes.fromhex("ba0406 b80020 ef")  # q35's ACPI register PM1a_CNT
_RESET = bytes.fromhex("b006 baf90c ee")  # the reset register
_HALT = bytes.fromhex("f4 ebfd")
_ECHO = bytes.fromhex("bafd03 ec a801 74f8 baf803 ec ee ebf1")  # what comes in on the port goes out again

Tiny = Callable[[bytes, str], Guest]


@pytest.fixture
def tiny(tmp_path: Path, undo: ExitStack) -> Tiny:
    """`tiny(ending, text)` starts a guest that is one boot sector: it says the text, then ends so."""

    def start(ending: bytes, text: str) -> Guest:
        code = (_SAY + ending).ljust(0x40, b"\x90") + text.encode() + b"\0"
        file = tmp_path / "sector.img"
        file.write_bytes(code.ljust(510, b"\0") + b"\x55\xaa" + bytes(1 << 20))
        guest = Guest(Machine(DiskBoot(), [Disk(file, "TINY", Bus.SATA)], with_hvc0=True), tmp_path / "guest")
        undo.callback(guest.close)
        return guest

    return start


def test_saying_the_code_and_powering_off_is_an_end(tiny: Tiny) -> None:
    assert tiny(_POWER_OFF, "first\r\n" + SAID + "[    9.123456] reboot: Power down\r\n").wait_end(30) == End(
        4, How.POWEROFF
    )


def test_a_reset_is_told_from_a_power_off(tiny: Tiny) -> None:
    assert tiny(_RESET, SAID).wait_end(30) == End(4, How.REBOOT)


def test_powering_off_without_the_code_is_none(tiny: Tiny) -> None:
    with pytest.raises(GuestError, match="names no exit code"):
        tiny(_POWER_OFF, "shredder: ended with\r\n").wait_end(30)


def test_the_code_must_be_the_last_thing_said(tiny: Tiny) -> None:
    with pytest.raises(GuestError, match="names no exit code: 'and more'"):
        tiny(_POWER_OFF, SAID + "and more\r\n[    9.123456] reboot: Power down\r\n").wait_end(30)


def test_saying_the_code_without_ending_is_none(tiny: Tiny) -> None:
    guest = tiny(_HALT, SAID)
    guest.expect("exit code 4", 30)
    with pytest.raises(GuestError, match="did not end by itself within 2 s"):
        guest.wait_end(2)


def test_an_end_by_the_host_is_none(tiny: Tiny) -> None:
    guest = tiny(_HALT, SAID)
    guest.expect("exit code 4", 30)
    guest.cut_power()
    with pytest.raises(GuestError, match="did not end by itself"):
        guest.wait_end(2)


def test_waiting_for_a_text_fails_as_soon_as_the_guest_ended(tiny: Tiny) -> None:
    guest = tiny(_POWER_OFF, "first\r\nlast\r\n")
    guest.expect("^first$", 30)
    with pytest.raises(GuestError, match="the guest ended without 'never'"):
        guest.expect("never", 60)
    assert guest.age_s < 30
    assert "last 2 lines ---\nfirst\nlast" in guest.report()


def test_a_panic_is_not_waited_for(tiny: Tiny) -> None:
    guest = tiny(_HALT, "Kernel panic - not syncing: no init\r\n")
    with pytest.raises(GuestError, match="did not end by itself"):
        guest.wait_end(60)
    assert guest.age_s < 30


def test_a_text_is_read_past_once(tiny: Tiny) -> None:
    guest = tiny(_ECHO, "ready\r\n")
    guest.expect("ready", 30)
    guest.type("ready\n")
    guest.expect("ready", 10)
    with pytest.raises(GuestError, match="without 'ready'"):
        guest.expect("ready", 1)
    guest.expect_quiet("ready", 1)
    guest.type("x")
    with pytest.raises(GuestError, match="there was"):
        guest.expect_quiet("x", 10)
