"""Holds transfers to a rate, so that whoever else uses the device is not starved."""

import threading
import time
from collections.abc import Callable

from shredder.erase.keystream import Source

# a pause that was too long (another program had the processor) may be made up for by this much
_CREDIT_S = 0.1


class Pace:
    """Shared by all threads of a run.

    Args:
        limit_bytes_s: bytes a second, read and written together; None for no limit.
        monotonic: the clock, in seconds.
        sleep: waits for some seconds.
    """

    def __init__(
        self,
        limit_bytes_s: int | None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limit_bytes_s = limit_bytes_s
        self._monotonic = monotonic
        self._sleep = sleep
        self._lock = threading.Lock()
        self._free_at_s = monotonic()

    def take(self, length_bytes: int) -> None:
        """Wait until so many bytes may go."""
        if self._limit_bytes_s is None:
            return
        with self._lock:
            now_s = self._monotonic()
            starts_s = max(self._free_at_s, now_s - _CREDIT_S)
            self._free_at_s = starts_s + length_bytes / self._limit_bytes_s
            pause_s = starts_s - now_s
        if pause_s > 0:
            self._sleep(pause_s)


class PacedWindow:
    """The part of a stream that belongs to one file, handed out no faster than the pace.

    Args:
        source: the stream of all files of a run.
        start_bytes: where the file's part begins; a multiple of WINDOW_BYTES.
        pace: waited for once a block, whether it is to be written or was read.
    """

    def __init__(self, source: Source, start_bytes: int, pace: Pace) -> None:
        self._source = source
        self._start_bytes = start_bytes
        self._pace = pace

    def fill(self, start_bytes: int, length_bytes: int, scratch: memoryview) -> memoryview:
        """Return the bytes for a range of the file."""
        self._pace.take(length_bytes)
        return self._source.fill(self._start_bytes + start_bytes, length_bytes, scratch)

    def matches(self, start_bytes: int, data: memoryview, scratch: bytearray) -> bool:
        """True when `data`, read at `start_bytes` of the file, is what belongs there."""
        self._pace.take(len(data))
        return self._source.matches(self._start_bytes + start_bytes, data, scratch)


# files begin where the cipher's blocks of 16 bytes and patterns of 1 to 3 bytes begin, too
WINDOW_BYTES = 48
