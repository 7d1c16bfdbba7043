"""The consoles together: everything is shown on all of them, and whoever types on any of them is heard."""

import contextlib
import math
import os
import select
import subprocess
import termios
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from shredder.decommission.autopilot.terminal import Terminal

# screen and keyboard, the first serial line, the hypervisor's console
_USUAL = ("tty1", "ttyS0", "hvc0")

_ENTER = b"\r\n"
_BACKSPACE = b"\b\x7f"
_CTRL_C = b"\x03"
_CTRL_U = b"\x15"
_ESCAPE = b"\x1b"
_LONGEST_LINE_BYTES = 512
_DRAIN_S = 3.0
_ALONE_S = 1.0


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody typed, and the name of the console it came from."""

    text: str
    console: str


def find_consoles(active: Path) -> tuple[Path, ...]:
    """Return where consoles may be: screen, first serial line, hypervisor's, and what else the kernel uses.

    Args:
        active: /sys/class/tty/console/active, the kernel's own consoles (`console=` on its command line).
    """
    try:
        names = active.read_text().split()
    except OSError:
        names = []
    used = ("tty1" if name == "tty0" else name for name in names)
    return tuple(Path("/dev") / name for name in dict.fromkeys((*_USUAL, *used)))


class Consoles:
    """The consoles that exist and work; one that breaks is dropped, also the last one.

    Args:
        paths: where consoles may be.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._terminals: list[Terminal] = []
        for path in paths:
            with contextlib.suppress(OSError, termios.error):
                self._terminals.append(Terminal(path))

    @property
    def names(self) -> tuple[str, ...]:
        """The consoles that work."""
        return tuple(terminal.name for terminal in self._working())

    def say(self, text: str = "") -> None:
        """Show lines on every console."""
        for terminal in self._working():
            terminal.write(text + "\n")

    def forget_typed(self) -> None:
        """Drop what was typed and not read yet."""
        for terminal in self._working():
            terminal.forget_typed()

    def wait_key(self, timeout_s: float) -> Typed | None:
        """Wait for a key on any console.

        Args:
            timeout_s: seconds until it gives up; 0 looks without waiting.

        Returns:
            What was typed, or None.
        """
        ends_s = time.monotonic() + timeout_s
        while True:
            for terminal, data in self._read(max(0.0, ends_s - time.monotonic())):
                if data:
                    return Typed(data.decode("latin-1"), terminal.name)
            if time.monotonic() >= ends_s:
                return None

    def ask(self, question: str, timeout_s: float = math.inf) -> Typed | None:
        """Ask on every console; the first line that anybody completes is the answer.

        Args:
            question: shown before the place where one types.
            timeout_s: seconds until it gives up, whatever is typed: a noisy line must not hold it up.

        Returns:
            The answer, or None.
        """
        for terminal in self._working():
            terminal.write(f"{question} ")
        lines: dict[str, bytes] = {}
        ends_s = time.monotonic() + timeout_s
        while time.monotonic() < ends_s:
            for terminal, data in self._read(_ALONE_S):
                line, complete = _edit(terminal, lines.get(terminal.name, b""), data)
                lines[terminal.name] = line
                if complete:
                    return self._answered(line, terminal)
        self.say()
        return None

    def lend(self, console: str, words: list[str]) -> None:
        """Let a program have one console until it ends; it stays silent for everybody else meanwhile.

        Args:
            console: its name.
            words: the program and its arguments.
        """
        terminal = next((one for one in self._working() if one.name == console), None)
        if terminal is None:
            return
        self._terminals.remove(terminal)
        terminal.close()
        with contextlib.suppress(OSError):
            _run_on(terminal.path, words)
        with contextlib.suppress(OSError, termios.error):
            self._terminals.append(Terminal(terminal.path))

    def settle(self) -> None:
        """Wait a little until the slowest console has shown everything."""
        ends_s = time.monotonic() + _DRAIN_S
        while time.monotonic() < ends_s and not all(one.has_sent() for one in self._working()):
            time.sleep(0.05)

    def close(self) -> None:
        """Give all consoles back."""
        while self._terminals:
            self._terminals.pop().close()

    def _working(self) -> list[Terminal]:
        return [terminal for terminal in self._terminals if terminal.works]

    def _read(self, timeout_s: float) -> list[tuple[Terminal, bytes]]:
        working = self._working()
        if not working:
            time.sleep(timeout_s)
            return []
        ready, _, _ = select.select(working, (), (), timeout_s)
        return [(terminal, terminal.read()) for terminal in ready]

    def _answered(self, line: bytes, by: Terminal) -> Typed:
        text = line.decode("utf-8", "replace").strip()
        for terminal in self._working():
            terminal.write("\n" if terminal is by else f"{text}   (typed on {by.name})\n")
        return Typed(text, by.name)


def _edit(terminal: Terminal, line: bytes, data: bytes) -> tuple[bytes, bool]:
    """Return the line with what was typed, and whether it is complete; the console shows what it takes."""
    # keys that send several bytes (arrows) begin with an escape, and mean nothing here
    for byte in (bytes((value,)) for value in data.partition(_ESCAPE)[0]):
        if byte in _ENTER:
            return line, True
        if byte in _BACKSPACE and line:
            line = line[:-1]
            terminal.rub_out()
        elif byte in _CTRL_U + _CTRL_C:
            for _ in line:
                terminal.rub_out()
            line = b""
        elif b" " <= byte <= b"~" and len(line) < _LONGEST_LINE_BYTES:
            line += byte
            terminal.write(byte.decode("ascii"))
    return line, False


def _run_on(console: Path, words: list[str]) -> None:
    # a line without carrier must not keep us waiting, nor a terminal become our own
    descriptor = os.open(console, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        os.set_blocking(descriptor, True)
        subprocess.run(words, stdin=descriptor, stdout=descriptor, stderr=descriptor, check=False)
    finally:
        os.close(descriptor)
