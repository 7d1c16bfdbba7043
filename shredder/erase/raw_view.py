"""A file seen through the block devices that it lies on, past its file system and every cache."""

import errno
import os
from bisect import bisect_right
from collections.abc import Iterable, Sequence

from shredder.erase.block_device import BlockDevice
from shredder.erase.keystream import BLOCK_BYTES, aligned_buffer
from shredder.log_model import RawRange
from shredder.ranges import Range, merge


class _Ahead:
    """Small neighbouring places of one device, read at one go; for one thread."""

    def __init__(self, places: Iterable[Range]) -> None:
        self._places = merge(places)
        self._starts = [place.start_bytes for place in self._places]
        self._block = aligned_buffer(BLOCK_BYTES)
        self._start_bytes = 0
        self._length_bytes = 0

    def read_into(self, device: BlockDevice, buffer: memoryview, start_bytes: int) -> bool:
        """Fill `buffer` if its place is among the expected ones."""
        into = start_bytes - self._start_bytes
        if not 0 <= into <= self._length_bytes - len(buffer):
            if not self._read(device, start_bytes, len(buffer)):
                return False
            into = 0
        buffer[:] = self._block[into : into + len(buffer)]
        return True

    def _read(self, device: BlockDevice, start_bytes: int, least_bytes: int) -> bool:
        number = bisect_right(self._starts, start_bytes) - 1
        length_bytes = min(self._places[number].end_bytes - start_bytes, BLOCK_BYTES) if number >= 0 else 0
        if length_bytes < least_bytes:
            return False
        self._length_bytes = 0
        device.read_into(self._block[:length_bytes], start_bytes)
        self._start_bytes, self._length_bytes = start_bytes, length_bytes
        return True


class RawDevices:
    """The block devices that a run reads, each opened once, for reading only."""

    def __init__(self) -> None:
        self._open: dict[str, BlockDevice] = {}
        self._ahead: dict[str, _Ahead] = {}

    def get(self, path: str) -> BlockDevice:
        """Return the open device.

        Raises:
            MediumRefusedError: it cannot be opened.
        """
        if path not in self._open:
            self._open[path] = BlockDevice(path, writable=False)
        return self._open[path]

    def expect(self, places: Iterable[RawRange]) -> None:
        """Say which small places will be read next, in order; what was read before is forgotten."""
        by_device: dict[str, list[Range]] = {}
        for place in places:
            by_device.setdefault(place.device, []).append(Range(place.start_bytes, place.length_bytes))
        self._ahead = {path: _Ahead(ranges) for path, ranges in by_device.items()}

    def read_into(self, path: str, buffer: memoryview, start_bytes: int, *, ahead: bool) -> None:
        """Fill `buffer` from a device; with `ahead`, for one thread only, along with its neighbours.

        Raises:
            OSError: the device refused.
        """
        device = self.get(path)
        expected = self._ahead.get(path) if ahead else None
        if expected is None or not expected.read_into(device, buffer, start_bytes):
            device.read_into(buffer, start_bytes)

    def close(self) -> None:
        """Close all of them."""
        while self._open:
            self._open.popitem()[1].close(untouched=True)


class RawView:
    """One copy of a file, addressed as in the file; a medium that only reads.

    Args:
        devices: opens what the ranges name.
        ranges: where the file lies.
        copy: which of several copies.
        size_bytes: of the file, to the end of its last block.
        sector_bytes: the file system's block.
        ahead: read along with what `devices.expect` was told; for one thread only.
    """

    direct = True

    def __init__(
        self,
        devices: RawDevices,
        ranges: Sequence[RawRange],
        copy: int,
        size_bytes: int,
        sector_bytes: int,
        *,
        ahead: bool,
    ) -> None:
        self._devices = devices
        self._ranges = sorted(
            (item for item in ranges if item.copy == copy), key=lambda item: item.file_bytes
        )
        self._starts = [item.file_bytes for item in self._ranges]
        self._ahead = ahead
        self.size_bytes = size_bytes
        self.sector_bytes = sector_bytes

    def fileno(self) -> int:
        """There is none: the file may lie on several devices."""
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    def read_into(self, buffer: memoryview, start_bytes: int) -> None:
        """Fill `buffer` with what stands where the file's bytes from `start_bytes` on lie."""
        done = 0
        while done < len(buffer):
            at = start_bytes + done
            number = bisect_right(self._starts, at) - 1
            place = self._ranges[number] if number >= 0 else None
            if place is None or at - place.file_bytes >= place.length_bytes:
                raise OSError(errno.ENXIO, "this part of the file lies nowhere on the device")
            into = at - place.file_bytes
            size = min(place.length_bytes - into, len(buffer) - done)
            piece = buffer[done : done + size]
            self._devices.read_into(place.device, piece, place.start_bytes + into, ahead=self._ahead)
            done += size

    def write(self, data: memoryview, start_bytes: int) -> None:  # noqa: ARG002 - part of the seam
        """Never: writing below a mounted file system would destroy it."""
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def flush(self) -> None:
        """Nothing was written."""

    def close(self, *, untouched: bool) -> None:
        """The devices stay open for the next file."""
