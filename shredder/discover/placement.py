"""Where the bytes of an open file lie, down to the block device, and how surely an overwrite reaches them."""

import os
from collections.abc import Iterable
from dataclasses import replace

from shredder.discover.btrfs_chunks import ChunkMap, read_chunks
from shredder.discover.extents import JOURNAL_DATA, NO_COPY_ON_WRITE, read_extents, read_flags
from shredder.discover.file_systems import FileSystem, describe_file_system, look_below
from shredder.discover.hard_links import find_names
from shredder.log_model import Extent, ExtentMark, Grade, Placement, RawRange
from shredder.model import Unavailable
from shredder.statx import ENCRYPTED, FileFacts, look_at_open

_WHY_MOVED = {
    ExtentMark.INLINE: "its bytes lie inside the file system's own blocks",
    ExtentMark.SHARED: "it shares its blocks with another file or a snapshot",
    ExtentMark.ENCODED: "it is compressed or otherwise encoded",
}
_NOWHERE = frozenset((ExtentMark.INLINE, ExtentMark.UNKNOWN))
_NOT_RAW = _NOWHERE | {ExtentMark.ENCODED}


class Places:
    """Places files; asks only once between two refreshes what holds for a whole mount."""

    def __init__(self) -> None:
        self._mounts: dict[tuple[str, int], FileSystem] = {}
        self._mounts_before: dict[tuple[str, int], FileSystem] = {}
        self._chunks: dict[str, ChunkMap | None] = {}
        self._below: dict[str, tuple[Grade, str]] = {}

    def refresh(self) -> None:
        """Forget what may change while files stay: a balance moves addresses, an image gets a snapshot."""
        self._mounts_before, self._mounts = self._mounts, {}
        self._chunks.clear()
        self._below.clear()

    def file_system(self, descriptor: int) -> FileSystem:
        """Return what holds for all files of the mount that an open file lies on.

        Raises:
            OSError: it cannot be asked.
        """
        return self._file_system(descriptor, look_at_open(descriptor))

    def find_names(self, folder: int, device: str, inode: int, links: int) -> tuple[str, ...]:
        """Return the names of an inode on the file system of an open folder, as far as they can be found."""
        return find_names(folder, device, inode, links)

    def place(self, descriptor: int) -> Placement:
        """Return where an open regular file lies; what is dirty is written first.

        Raises:
            OSError: the kernel refused to tell.
        """
        facts = look_at_open(descriptor)
        system = self._file_system(descriptor, facts)
        if system.expected is Grade.UNPROVABLE and not system.journalled:
            return _nowhere(system, facts.size_bytes, system.reason)
        length_bytes = -(-facts.size_bytes // system.block_bytes) * system.block_bytes
        extents = read_extents(descriptor, length_bytes)
        if isinstance(extents, Unavailable):
            return _nowhere(system, facts.size_bytes, extents.unavailable)
        flags = read_flags(descriptor)
        journalled = system.journalled or (system.kind != "btrfs" and bool(flags & JOURNAL_DATA))
        places = self._locate(descriptor, facts.device, system, extents, length_bytes)
        old = () if isinstance(places, Unavailable) else places
        raw = _readable(facts, extents) or places
        expected, reason = self._judge(system, extents, flags, journalled, raw)
        return Placement(
            system.kind, facts.size_bytes, system.block_bytes, extents, journalled, raw, old, expected, reason
        )

    def place_again(self, descriptor: int, before: Placement) -> Placement:
        """Return where a file lies that was placed before; quick where its extents and mount are the same.

        Raises:
            OSError: the kernel refused to tell.
        """
        if before.extents and before.file_system != "btrfs" and self._is_mounted_as_before(descriptor):
            size_bytes = os.fstat(descriptor).st_size
            length_bytes = -(-size_bytes // before.block_bytes) * before.block_bytes
            if read_extents(descriptor, length_bytes) == before.extents:
                return before if size_bytes == before.size_bytes else replace(before, size_bytes=size_bytes)
        return self.place(descriptor)

    def _is_mounted_as_before(self, descriptor: int) -> bool:
        facts = look_at_open(descriptor)
        before = self._mounts_before.get((facts.device, facts.mount))
        return before == self._file_system(descriptor, facts)

    def _file_system(self, descriptor: int, facts: FileFacts) -> FileSystem:
        key = (facts.device, facts.mount)
        if key not in self._mounts:
            self._mounts[key] = describe_file_system(descriptor)
        return self._mounts[key]

    def _judge(
        self,
        system: FileSystem,
        extents: Iterable[Extent],
        flags: int,
        journalled: bool,
        raw: tuple[RawRange, ...] | Unavailable,
    ) -> tuple[Grade, str]:
        if journalled:
            return Grade.UNPROVABLE, system.reason or "the journal holds copies of its data (attribute j)"
        marks = {mark for extent in extents for mark in extent.marks}
        if ExtentMark.UNKNOWN in marks:
            return Grade.UNPROVABLE, "the file system does not say where all of it lies"
        for mark, why in _WHY_MOVED.items():
            if mark in marks:
                return Grade.MOVED, why
        stays = system.kind == "btrfs" and flags & NO_COPY_ON_WRITE
        expected, reason = (Grade.PROVEN, "") if stays else (system.expected, system.reason)
        if stays and not isinstance(raw, Unavailable):
            expected, reason = self._worst_below(raw)
        if expected is Grade.PROVEN and isinstance(raw, Unavailable):
            return Grade.IN_PLACE, f"the raw device was not read: {raw.unavailable}"
        return expected, reason

    def _worst_below(self, raw: Iterable[RawRange]) -> tuple[Grade, str]:
        """A btrfs may lie on several devices: the worst of those that hold the file counts."""
        found = [self._below[path] for path in dict.fromkeys(item.device for item in raw)]
        return max(found, key=lambda item: tuple(Grade).index(item[0]), default=(Grade.PROVEN, ""))

    def _locate(
        self,
        descriptor: int,
        device: str,
        system: FileSystem,
        extents: tuple[Extent, ...],
        length_bytes: int,
    ) -> tuple[RawRange, ...] | Unavailable:
        pieces = [
            (item, _length_on_device(item, length_bytes, system.block_bytes))
            for item in extents
            if not _NOWHERE.intersection(item.marks)
        ]
        if system.kind == "btrfs":
            return self._locate_btrfs(descriptor, device, pieces)
        if isinstance(system.device, Unavailable):
            return system.device
        node = system.device
        return tuple(RawRange(node, item.physical_bytes, size, item.file_bytes, 0) for item, size in pieces)

    def _locate_btrfs(
        self, descriptor: int, device: str, pieces: list[tuple[Extent, int]]
    ) -> tuple[RawRange, ...] | Unavailable:
        chunks = self._chunk_map(descriptor, device)
        if chunks is None:
            return Unavailable("the chunk tree of its btrfs cannot be read")
        found: list[RawRange] = []
        for extent, size in pieces:
            places = chunks.translate(extent.physical_bytes, size)
            if places is None:
                return Unavailable("its btrfs keeps it with parity, or beyond its chunks")
            found.extend(
                RawRange(path, start, length, extent.file_bytes + at, copy)
                for copy, at, path, start, length in places
            )
        for path in {item.device for item in found}:
            why = self._why_not_below(path)
            if why:
                return Unavailable(why)
        return tuple(found)

    def _chunk_map(self, descriptor: int, device: str) -> ChunkMap | None:
        if device not in self._chunks:
            try:
                self._chunks[device] = read_chunks(descriptor)
            except OSError:
                self._chunks[device] = None
        return self._chunks[device]

    def _why_not_below(self, path: str) -> str | None:
        """Look at a device of a btrfs once; return why it cannot be read."""
        if path not in self._below:
            try:
                number = os.stat(path).st_rdev  # noqa: PTH116
            except OSError as error:
                return f"{path} cannot be looked at ({error.strerror})"
            node, expected, reason = look_below(number)
            if node != path:
                return node.unavailable if isinstance(node, Unavailable) else f"{path} is {node}"
            self._below[path] = expected, reason
        return None


def _nowhere(system: FileSystem, size_bytes: int, why: str) -> Placement:
    no = Unavailable(why)
    return Placement(
        system.kind, size_bytes, system.block_bytes, (), system.journalled, no, (), Grade.UNPROVABLE, why
    )


def _length_on_device(extent: Extent, length_bytes: int, block_bytes: int) -> int:
    if ExtentMark.ENCODED in extent.marks:
        return block_bytes
    return min(extent.length_bytes, length_bytes - extent.file_bytes)


def _readable(facts: FileFacts, extents: Iterable[Extent]) -> Unavailable | None:
    """Return why the device does not hold the bytes as the file shows them."""
    if facts.attributes & ENCRYPTED:
        return Unavailable("it is encrypted by its file system")
    if any(_NOT_RAW.intersection(extent.marks) for extent in extents):
        return Unavailable("its bytes do not stand on the device as they are")
    return None
