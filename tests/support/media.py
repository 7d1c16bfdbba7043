"""Media for tests: one in memory, and a wrapper that fails where it is told to."""

import errno
from collections.abc import Callable, Collection

from shredder.erase.medium import Medium


class MemoryMedium:
    """A medium of any size whose bytes can be looked at."""

    def __init__(self, size_bytes: int, sector_bytes: int = 512, filled_with: int = 0xA5) -> None:
        self.content = bytearray([filled_with]) * size_bytes
        self.size_bytes = size_bytes
        self.sector_bytes = sector_bytes
        self.direct = True
        self.flushes = 0

    def fileno(self) -> int:
        """There is none."""
        raise OSError(errno.EBADF, "memory has no descriptor")

    def read_into(self, buffer: memoryview, start_bytes: int) -> None:
        """Fill the buffer."""
        if start_bytes + len(buffer) > self.size_bytes:
            raise OSError(errno.EIO, "past the end")
        buffer[:] = self.content[start_bytes : start_bytes + len(buffer)]

    def write(self, data: memoryview, start_bytes: int) -> None:
        """Take the data; a medium never grows."""
        if start_bytes + len(data) > self.size_bytes:
            raise OSError(errno.ENOSPC, "past the end")
        self.content[start_bytes : start_bytes + len(data)] = data

    def flush(self) -> None:
        """Count it."""
        self.flushes += 1

    def close(self, *, untouched: bool) -> None:
        """Nothing to give back."""


class FaultyMedium:
    """Any medium, with sectors that cannot be written or read, and a flush that fails."""

    def __init__(
        self,
        inner: Medium,
        *,
        unwritable: Collection[int] = (),
        unreadable: Collection[int] = (),
        flush_error: int | None = None,
        before_write: Callable[[int], None] = lambda start_bytes: None,
        code: int = errno.EIO,
    ) -> None:
        self._inner = inner
        self._unwritable = frozenset(unwritable)
        self._unreadable = frozenset(unreadable)
        self._flush_error = flush_error
        self._before_write = before_write
        self._code = code
        self.size_bytes = inner.size_bytes
        self.sector_bytes = inner.sector_bytes
        self.direct = inner.direct

    def _check(self, bad: frozenset[int], start_bytes: int, length_bytes: int) -> None:
        first = start_bytes // self.sector_bytes
        last = -(-(start_bytes + length_bytes) // self.sector_bytes)
        if not bad.isdisjoint(range(first, last)):
            raise OSError(self._code, "Input/output error")

    def fileno(self) -> int:
        """That of the medium inside."""
        return self._inner.fileno()

    def read_into(self, buffer: memoryview, start_bytes: int) -> None:
        """Fail when a bad sector is among them."""
        self._check(self._unreadable, start_bytes, len(buffer))
        self._inner.read_into(buffer, start_bytes)

    def write(self, data: memoryview, start_bytes: int) -> None:
        """Fail when a bad sector is among them."""
        self._before_write(start_bytes)
        self._check(self._unwritable, start_bytes, len(data))
        self._inner.write(data, start_bytes)

    def flush(self) -> None:
        """Fail once where told to; then succeed, as a kernel does that has dropped the pages."""
        if self._flush_error is not None:
            code, self._flush_error = self._flush_error, None
            raise OSError(code, "Input/output error")
        self._inner.flush()

    def close(self, *, untouched: bool) -> None:
        """Close the medium inside."""
        self._inner.close(untouched=untouched)
