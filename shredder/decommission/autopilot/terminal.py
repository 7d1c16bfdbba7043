"""One console: plain text out, keys in, no escape codes. Whatever happens to it is no error."""

import fcntl
import os
import select
import struct
import termios
import time
from pathlib import Path

from shredder.units import printable

_PATIENCE_S = 1.0
_CHUNK_BYTES = 256


class Terminal:
    """A console that is open. It works until reading or writing fails for good.

    Args:
        path: e.g. /dev/ttyS0.

    Raises:
        OSError: there is no such console, or nothing behind it.
        termios.error: it is no terminal, or nothing is behind it.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.path = path
        self.works = True
        self._paused = False
        self._descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self._before = termios.tcgetattr(self._descriptor)
            self._set_raw()
        except (OSError, termios.error):
            os.close(self._descriptor)
            raise

    def fileno(self) -> int:
        """Return the descriptor, for `select`."""
        return self._descriptor

    def close(self) -> None:
        """Give the console back as it was."""
        try:
            termios.tcsetattr(self._descriptor, termios.TCSANOW, self._before)
        except (OSError, termios.error):
            self.works = False
        os.close(self._descriptor)

    def write(self, text: str) -> None:
        """Write lines or a part of one; what could steer the terminal is made visible.

        A console whose reader has paused misses text rather than hold up the run.
        """
        shown = "\n".join(printable(line) for line in text.split("\n"))
        self._write(shown.encode("ascii", "backslashreplace"))

    def rub_out(self) -> None:
        """Take back the last character on the line."""
        self._write(b"\b \b")

    def read(self) -> bytes:
        """Return what was typed since, without waiting."""
        try:
            typed = os.read(self._descriptor, _CHUNK_BYTES)
        except BlockingIOError:
            return b""
        except OSError:
            self.works = False
            return b""
        if not typed:  # hung up
            self.works = False
        return typed

    def forget_typed(self) -> None:
        """Drop what was typed and not read yet."""
        try:
            termios.tcflush(self._descriptor, termios.TCIFLUSH)
        except (OSError, termios.error):
            self.works = False

    def has_sent(self) -> bool:
        """Return whether everything written has left the machine, as far as the driver says."""
        try:
            waiting = fcntl.ioctl(self._descriptor, termios.TIOCOUTQ, bytes(4))
        except OSError:
            return True
        return bool(struct.unpack("i", waiting)[0] == 0)

    def _set_raw(self) -> None:
        attributes = termios.tcgetattr(self._descriptor)
        attributes[0] = termios.ICRNL | termios.IGNBRK
        attributes[1] = termios.OPOST | termios.ONLCR
        # without CLOCAL a serial line with no carrier would hang up
        attributes[2] = (attributes[2] & ~(termios.CSIZE | termios.PARENB)) | (
            termios.CS8 | termios.CREAD | termios.CLOCAL
        )
        attributes[3] = 0
        attributes[6][termios.VMIN] = 1
        attributes[6][termios.VTIME] = 0
        termios.tcsetattr(self._descriptor, termios.TCSANOW, attributes)

    def _write(self, data: bytes) -> None:
        patience_ends_s = time.monotonic() + (0.0 if self._paused else _PATIENCE_S)
        while data and self.works:
            try:
                data = data[os.write(self._descriptor, data) :]
                self._paused = False
            except BlockingIOError:
                left_s = patience_ends_s - time.monotonic()
                if left_s <= 0:
                    self._paused = True
                    return
                select.select((), (self._descriptor,), (), left_s)
            except OSError:
                self.works = False
