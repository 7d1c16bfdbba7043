"""Packed logs as plain text, for commands that know nothing of packing: pipes that can be read once.

Nothing unpacked is ever written to a disk. What a command did not read to its end counts as not summarised.
"""

import array
import contextlib
import fcntl
import os
import select
import stat
import termios
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from shredder.discover.log_times import UNPACK_ERRORS, can_unpack, unpack

NOT_READ = "was not read to its end"
"""Why a file was not given out whole, when that is the reader's doing."""

_AT_ONCE = 16  # how many a command may read side by side, or out of their order
_LOOK_S = 0.02
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class _GoneError(Exception):
    """Nobody reads any more."""


class PlainText:
    """Gives out packed files through named pipes, from when it is made until it is closed.

    Args:
        paths: files; those that are not packed are left as they are.
        folder: a fresh folder of ours for the pipes.

    Raises:
        OSError: no pipe can be made.
    """

    def __init__(self, paths: Sequence[str], folder: Path) -> None:
        self._closed = threading.Event()
        self._pool = ThreadPoolExecutor(_AT_ONCE)
        self._served: dict[str, Future[str]] = {}
        pipes = {}
        for number, path in enumerate(paths, start=1):
            if can_unpack(path):
                pipe = folder / f"{number}-{path.rpartition('/')[2].rpartition('.')[0]}"
                os.mkfifo(pipe, 0o600)
                pipes[path] = str(pipe)
        self.words = tuple(pipes.get(path, path) for path in paths)
        for path, pipe_path in pipes.items():
            self._served[path] = self._pool.submit(self._serve, path, pipe_path)

    def close(self) -> dict[str, str]:
        """End it; return why files were not given out whole, by their paths."""
        self._closed.set()
        self._pool.shutdown()
        return {path: why for path, served in self._served.items() if (why := served.result())}

    def _serve(self, path: str, pipe: str) -> str:
        """Return why the file was not given out whole, or ""."""
        try:
            descriptor = self._wait_for_reader(pipe)
            try:
                self._give_out(path, descriptor)
            finally:
                os.close(descriptor)
        except (_GoneError, BrokenPipeError):
            return NOT_READ
        except UNPACK_ERRORS as error:
            return f"cannot be unpacked ({getattr(error, 'strerror', None) or 'it is damaged'})"
        return ""

    def _wait_for_reader(self, pipe: str) -> int:
        while not self._closed.is_set():
            with contextlib.suppress(OSError):  # ENXIO: nobody has opened it yet
                return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            time.sleep(_LOOK_S)
        raise _GoneError

    def _give_out(self, path: str, descriptor: int) -> None:
        with open(os.open(path, _FLAGS), "rb", buffering=0) as raw:
            if not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
                raise OSError(0, "it is another file than before")
            for chunk in unpack(path, raw):
                self._write(chunk, descriptor)
        while _unread_bytes(descriptor):
            if self._is_gone(descriptor) and _unread_bytes(descriptor):
                raise _GoneError
            time.sleep(_LOOK_S)

    def _write(self, chunk: bytes, descriptor: int) -> None:
        left = memoryview(chunk)
        while left:
            if self._closed.is_set():
                raise _GoneError
            try:
                left = left[os.write(descriptor, left) :]
            except BlockingIOError:
                if self._is_gone(descriptor):
                    raise _GoneError from None

    def _is_gone(self, descriptor: int) -> bool:
        """Wait a moment for room; return whether there is no hope of any."""
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        events = poll.poll(_LOOK_S * 1000)
        return self._closed.is_set() or any(event & select.POLLERR for _, event in events)


def _unread_bytes(descriptor: int) -> int:
    count = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, count)
    return count[0]
