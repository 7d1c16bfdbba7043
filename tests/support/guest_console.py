"""A guest's console: all it said, waiting for a text, typing."""

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable

_QUIET_S = 0.3
_ESCAPES = re.compile(r"\x1b(\[[0-9;?=]*[A-Za-z]|[()][A-Z0-9]|[=>c78])")


class Console:
    """Collects the text of one console; a thread takes what comes, so that the guest never waits.

    Args:
        name: e.g. "serial".
        connection: our end of the socket.
    """

    def __init__(self, name: str, connection: socket.socket) -> None:
        self.name = name
        self._connection = connection
        self._changed = threading.Condition()
        self._raw = bytearray()
        self._read_to = 0
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        """All so far, without carriage returns and escape sequences."""
        with self._changed:
            raw = bytes(self._raw)
        return _ESCAPES.sub("", raw.decode("utf-8", "replace")).replace("\r", "")

    def find(self, pattern: str, timeout_s: float, gone: Callable[[], bool]) -> re.Match[str] | None:
        """Wait for a regular expression in what has not been read past yet, and read past it.

        Args:
            pattern: multi-line.
            timeout_s: seconds.
            gone: says whether the guest can say no more.

        Returns:
            The match, or None when it did not come.
        """
        wanted = re.compile(pattern, re.MULTILINE)
        ends = time.monotonic() + timeout_s
        while True:
            is_last = time.monotonic() >= ends
            if gone():
                self.settle()
                is_last = True
            found = wanted.search(self.text, self._read_to)
            if found:
                self._read_to = found.end()
                return found
            if is_last:
                return None
            with self._changed:
                self._changed.wait(min(0.5, max(0.0, ends - time.monotonic())))

    def settle(self) -> None:
        """Wait until what an ended guest said last has been taken."""
        with self._changed:
            while self._changed.wait(_QUIET_S):
                pass

    def type(self, text: str) -> None:
        """Type it as a person would: a pause after each key, which slow serial ports need."""
        for key in text:
            self._connection.sendall(key.encode())
            time.sleep(0.02)

    def tail(self, lines: int) -> str:
        """Return the last lines, headed by the console's name."""
        last = [line for line in self.text.splitlines() if line.strip()][-lines:]
        return "\n".join([f"--- {self.name}, last {len(last)} lines ---", *last])

    def close(self) -> None:
        """Let go of the socket; the thread ends."""
        with contextlib.suppress(OSError):  # QEMU was first
            self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._connection.close()

    def _take(self) -> None:
        while True:
            try:
                piece = self._connection.recv(65536)
            except OSError:
                piece = b""
            with self._changed:
                self._raw += piece
                if piece:
                    self._changed.notify_all()
            if not piece:
                return
