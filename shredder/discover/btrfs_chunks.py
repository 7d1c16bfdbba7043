"""From the addresses of a btrfs to places on its devices, through the chunk tree.

What FIEMAP calls physical on btrfs is an address of the file system; after a balance it stands elsewhere on
the device than the number says. Structures: <linux/btrfs.h> and <linux/btrfs_tree.h>.
"""

import fcntl
import os
import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

_TREE_SEARCH = 0xD0009411
_DEV_INFO = 0xD000941E
_ARGUMENT_BYTES = 4096
_KEY = struct.Struct("=QQQQQQQIII36x")
_HEADER = struct.Struct("=QQQII")
_CHUNK = struct.Struct("=QQQQIIIHH")
_STRIPE = struct.Struct("=QQ16x")
_CHUNK_TREE, _CHUNK_OBJECT, _CHUNK_ITEM = 3, 256, 228
_MOST = 2**64 - 1
_PATH_AT = 3072

_RAID0, _RAID10, _PARITY = 1 << 3, 1 << 6, (1 << 7) | (1 << 8)


@dataclass(frozen=True, slots=True)
class Chunk:
    """`stripes` are (device, start in bytes), those that hold the same data side by side."""

    start_bytes: int
    length_bytes: int
    stripe_bytes: int
    profile: int
    copies: int
    stripes: tuple[tuple[str, int], ...]

    def places(self, address_bytes: int, length_bytes: int) -> Iterator[tuple[int, str, int, int]]:
        """Yield (copy, device, start, length) of each piece of a range inside the chunk, in order."""
        across = len(self.stripes) // self.copies
        at = address_bytes - self.start_bytes
        end = at + length_bytes
        while at < end:
            if across == 1:
                column, start, size = 0, at, end - at
            else:
                row, into = divmod(at, self.stripe_bytes)
                turn, column = divmod(row, across)
                start, size = turn * self.stripe_bytes + into, min(self.stripe_bytes - into, end - at)
            for copy in range(self.copies):
                device, base = self.stripes[column * self.copies + copy]
                yield copy, device, base + start, size
            at += size


class ChunkMap:
    """The chunks of one btrfs at one moment."""

    def __init__(self, chunks: tuple[Chunk, ...]) -> None:
        self._chunks = chunks
        self._starts = [chunk.start_bytes for chunk in chunks]

    def translate(self, address_bytes: int, length_bytes: int) -> list[tuple[int, int, str, int, int]] | None:
        """Return (copy, offset in the range, device, start, length) of each piece.

        None where it lies in no chunk, or in one whose place on the devices mixes with parity.
        """
        found = []
        at, end = address_bytes, address_bytes + length_bytes
        while at < end:
            chunk = self._chunks[bisect_right(self._starts, at) - 1] if self._chunks else None
            if chunk is None or not chunk.start_bytes <= at < chunk.start_bytes + chunk.length_bytes:
                return None
            if chunk.profile & _PARITY:
                return None
            size = min(end, chunk.start_bytes + chunk.length_bytes) - at
            done = dict.fromkeys(range(chunk.copies), at - address_bytes)
            for copy, device, start, length in chunk.places(at, size):
                found.append((copy, done[copy], device, start, length))
                done[copy] += length
            at += size
        return found


def read_chunks(descriptor: int) -> ChunkMap:
    """Return the chunk map of the btrfs that an open file lies on.

    Raises:
        OSError: no right to ask (CAP_SYS_ADMIN), or not a btrfs.
    """
    devices: dict[int, str] = {}
    chunks = tuple(_parse(descriptor, start, item, devices) for start, item in _items(descriptor))
    return ChunkMap(chunks)


def _items(descriptor: int) -> Iterator[tuple[int, bytes]]:
    least = 0
    while True:
        buffer = bytearray(_ARGUMENT_BYTES)
        key = (_CHUNK_TREE, _CHUNK_OBJECT, _CHUNK_OBJECT, least, _MOST, 0, _MOST, _CHUNK_ITEM, _CHUNK_ITEM)
        _KEY.pack_into(buffer, 0, *key, 4096)
        fcntl.ioctl(descriptor, _TREE_SEARCH, buffer)
        count = _KEY.unpack_from(buffer)[9]
        if not count:
            return
        at = _KEY.size
        for _ in range(count):
            _, _, start, kind, size = _HEADER.unpack_from(buffer, at)
            at += _HEADER.size
            if kind == _CHUNK_ITEM:
                yield start, bytes(buffer[at : at + size])
            at += size
            least = start + 1


def _parse(descriptor: int, start: int, item: bytes, devices: dict[int, str]) -> Chunk:
    length, _, stripe_bytes, profile, _, _, _, count, sub_stripes = _CHUNK.unpack_from(item)
    stripes = []
    for number in range(count):
        device, base = _STRIPE.unpack_from(item, _CHUNK.size + number * _STRIPE.size)
        if device not in devices:
            devices[device] = _device_path(descriptor, device)
        stripes.append((devices[device], base))
    copies = {_RAID0: 1, _RAID10: sub_stripes}.get(profile & (_RAID0 | _RAID10), count)
    return Chunk(start, length, stripe_bytes, profile, copies, tuple(stripes))


def _device_path(descriptor: int, number: int) -> str:
    buffer = bytearray(_ARGUMENT_BYTES)
    struct.pack_into("=Q", buffer, 0, number)
    fcntl.ioctl(descriptor, _DEV_INFO, buffer)
    return os.fsdecode(bytes(buffer[_PATH_AT:]).split(b"\0", 1)[0])
