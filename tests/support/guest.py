"""A guest under QEMU's TCG: started, talked to, and proved to have reached its end.

A guest has ended well only when two witnesses agree: the program said with which exit code it
ended, and QEMU says that the guest itself powered off or reset. One that is merely quiet, or that runs
out of time, has not.
"""

import re
import socket
import subprocess
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.support.guest_console import Console
from tests.support.guest_machine import Machine, arguments
from tests.support.guest_qmp import Qmp, QmpError

_SENTINEL = re.compile(r"shredder: ended with exit code (\d+)")
_KERNEL_LINE = re.compile(r"\[ *\d+\.\d+\]")
_PANIC = "Kernel panic - not syncing"
_SHOWN_LINES = 60
_QUIT_WITHIN_S = 20.0
_UNPLUG_WITHIN_S = 60.0


class How(StrEnum):
    """How a guest ended by itself: it powered off, or it reset."""

    POWEROFF = "guest-shutdown"
    REBOOT = "guest-reset"


@dataclass(frozen=True, slots=True)
class End:
    """The exit code that the guest's last line names, and how it ended."""

    exit_code: int
    how: How


class GuestError(AssertionError):
    """The guest did not do what the test waits for; `Guest.report` tells what its consoles said last."""


class Guest:
    """A running guest.

    Args:
        machine: what it is started with.
        folder: a folder of its own.
    """

    def __init__(self, machine: Machine, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._host_quit = False
        self._started_s = time.monotonic()
        names = ["serial", "hvc0"] if machine.with_hvc0 else ["serial"]
        ends = {name: socket.socketpair() for name in ["qmp", *names]}
        try:
            self._process = _start(arguments(machine, folder), ends, folder)
        finally:
            for _, theirs in ends.values():
                theirs.close()
        self.qmp = Qmp(ends["qmp"][0])
        self.serial = Console("serial", ends["serial"][0])
        self.consoles = [self.serial]
        if machine.with_hvc0:
            self.consoles.append(Console("hvc0", ends["hvc0"][0]))
        try:
            self.qmp.ask("qmp_capabilities")
        except QmpError as error:
            self.close()
            raise GuestError(f"QEMU did not start: {error}\n{self._stderr()}") from None

    @property
    def hvc0(self) -> Console:
        """The second console, of a machine that has it."""
        return self.consoles[1]

    @property
    def age_s(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._started_s

    def expect(self, pattern: str, timeout_s: float = 120) -> re.Match[str]:
        """Wait for a regular expression on the serial console, after what was expected before.

        Args:
            pattern: multi-line.
            timeout_s: seconds.

        Raises:
            GuestError: it did not come, or the guest ended before it.
        """
        return self.expect_on(self.serial, pattern, timeout_s)

    def expect_on(self, console: Console, pattern: str, timeout_s: float) -> re.Match[str]:
        """The same on any console."""
        found = console.find(pattern, timeout_s, self._is_over)
        if found is None:
            why = "the guest ended" if self._is_over() else f"{timeout_s:.0f} s passed"
            raise self._failure(f"{why} without {pattern!r}")
        return found

    def expect_quiet(self, pattern: str, seconds: float) -> None:
        """Wait, and see that a regular expression does not come and the guest does not end.

        Raises:
            GuestError: it came, or the guest ended.
        """
        seen = self.serial.find(pattern, seconds, self._is_over)
        if seen is not None:
            raise self._failure(f"there was {pattern!r}: {seen.group()!r}")
        if self._is_over():
            raise self._failure("the guest ended")

    def type(self, text: str) -> None:
        """Type on the serial console."""
        self.serial.type(text)

    def wait_end(self, timeout_s: float = 240) -> End:
        """Wait until the guest ended by itself, and read the exit code that it said last.

        Raises:
            GuestError: time ran out, QEMU ended otherwise, or no exit code was said.
        """
        ends = time.monotonic() + timeout_s
        while not self._is_over() and time.monotonic() < ends:
            self.qmp.wait_event("SHUTDOWN", min(1.0, max(0.0, ends - time.monotonic())))
        event = self.qmp.wait_event("SHUTDOWN", 0)
        if event is None:
            raise self._failure(f"it did not end by itself within {timeout_s:.0f} s")
        if not event["guest"] or self._host_quit or event["reason"] not in list(How):
            raise self._failure(f"it did not end by itself: {event}")
        self.serial.settle()
        lines = [line for line in self.serial.text.splitlines() if line.strip()]
        last = next((line for line in reversed(lines) if not _KERNEL_LINE.match(line)), "")
        said = _SENTINEL.fullmatch(last)
        if said is None:
            raise self._failure(f"its last line names no exit code: {last!r}")
        return End(int(said[1]), How(event["reason"]))

    def cut_power(self) -> None:
        """End it in the middle of whatever it does; what it wrote so far is in the disks' files."""
        self._host_quit = True
        self.qmp.ask("quit")
        self._process.wait(_QUIT_WITHIN_S)

    def unplug(self, serial: str) -> None:
        """Pull out the disk of this serial, and wait until the guest has let it go.

        Raises:
            GuestError: it was not let go.
        """
        self.qmp.ask("device_del", id=serial)
        if self.qmp.wait_event("DEVICE_DELETED", _UNPLUG_WITHIN_S, device=serial) is None:
            raise self._failure(f"the disk {serial} could not be pulled out")

    def report(self) -> str:
        """Return what the consoles said last."""
        return "\n".join([*(console.tail(_SHOWN_LINES) for console in self.consoles), self._stderr()])

    def close(self) -> None:
        """End QEMU, if it still runs, and let go of its sockets."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for console in self.consoles:
            console.close()
        self.qmp.close()

    def _is_over(self) -> bool:
        if self._process.poll() is not None or self.qmp.wait_event("SHUTDOWN", 0) is not None:
            return True
        return _PANIC in self.serial.text

    def _failure(self, message: str) -> GuestError:
        return GuestError(f"{message} ({self.age_s:.0f} s after the start)")

    def _stderr(self) -> str:
        said = (self._folder / "qemu.stderr").read_text(errors="replace").strip()
        return f"--- qemu ---\n{said}" if said else ""


def _start(
    words: list[str], ends: dict[str, tuple[socket.socket, socket.socket]], folder: Path
) -> "subprocess.Popen[bytes]":
    for name, (_, theirs) in ends.items():
        words += ["-chardev", f"socket,id={name},fd={theirs.fileno()}"]
    words += ["-mon", "chardev=qmp,mode=control", "-serial", "chardev:serial"]
    if "hvc0" in ends:
        words += ["-device", "virtio-serial-pci", "-device", "virtconsole,chardev=hvc0"]
    # A guest that has ended stays as a paused process, so that its last event can be read.
    words += ["-action", "reboot=shutdown,shutdown=pause"]
    (folder / "command.txt").write_text(" ".join(words) + "\n")
    with (folder / "qemu.stderr").open("wb") as stderr:
        return subprocess.Popen(
            # If the tests are killed, the guest goes with them.
            ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", *words],
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
            pass_fds=[theirs.fileno() for _, theirs in ends.values()],
        )
