"""Whether a file's old bytes still stand where they lay. Their digests stay in memory and never leave it."""

import hashlib
import os
from collections.abc import Iterator, Sequence

from shredder.erase.keystream import BLOCK_BYTES
from shredder.erase.pace import Pace
from shredder.erase.raw_view import RawDevices
from shredder.erase.transfer import Buffers
from shredder.log_model import RawRange

_DIGEST_BYTES = 16


class OldBytes:
    """What stood at some places, remembered block by block.

    Args:
        devices: opens what the places name.
        places: where the old bytes lie, before anything is overwritten.
        block_bytes: the file system's block.
        buffers: one thread's memory.
        pace: holds the reads to the rate.

    Raises:
        OSError: a place cannot be read.
    """

    def __init__(
        self,
        devices: RawDevices,
        places: Sequence[RawRange],
        block_bytes: int,
        buffers: Buffers,
        pace: Pace,
    ) -> None:
        self._devices = devices
        self._places = places
        self._block_bytes = block_bytes
        self._key = os.urandom(32)
        self._digests = list(self._read(buffers, pace))

    def find_standing(self, buffers: Buffers, pace: Pace) -> tuple[RawRange, ...]:
        """Return the blocks, joined, that still hold what they held.

        Raises:
            OSError: a place cannot be read.
        """
        found: list[RawRange] = []
        fresh = self._read(buffers, pace)
        for (block, before), (_, now) in zip(self._digests, fresh, strict=True):
            if before == now:
                _join(found, block)
        return tuple(found)

    def _read(self, buffers: Buffers, pace: Pace) -> Iterator[tuple[RawRange, bytes]]:
        for place in self._places:
            for at in range(0, place.length_bytes, BLOCK_BYTES):
                data = buffers.block[: min(BLOCK_BYTES, place.length_bytes - at)]
                pace.take(len(data))
                self._devices.get(place.device).read_into(data, place.start_bytes + at)
                yield from self._digest(data, place, at)

    def _digest(self, data: memoryview, place: RawRange, at: int) -> Iterator[tuple[RawRange, bytes]]:
        for inner in range(0, len(data), self._block_bytes):
            piece = data[inner : inner + self._block_bytes]
            offset = at + inner
            block = RawRange(
                place.device, place.start_bytes + offset, len(piece), place.file_bytes + offset, place.copy
            )
            yield block, hashlib.blake2b(piece, digest_size=_DIGEST_BYTES, key=self._key).digest()


def _join(found: list[RawRange], block: RawRange) -> None:
    last = found[-1] if found else None
    touches = last is not None and (
        (last.device, last.copy, last.start_bytes + last.length_bytes, last.file_bytes + last.length_bytes)
        == (block.device, block.copy, block.start_bytes, block.file_bytes)
    )
    if last is not None and touches:
        size = last.length_bytes + block.length_bytes
        found[-1] = RawRange(last.device, last.start_bytes, size, last.file_bytes, last.copy)
    else:
        found.append(block)
