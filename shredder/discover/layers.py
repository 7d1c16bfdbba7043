"""Which node stands on which: partitions, device-mapper, md, bcache, loop and zram. Pure."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from shredder.discover.snapshot import RawBlock, Snapshot

_RAM_DISK = re.compile(r"ram\d+")
_DELETED = " (deleted)"


@dataclass(frozen=True, slots=True)
class Layers:
    """The nodes by kernel name, and the edges between them, all as kernel names.

    `paths` leads from every known name under /dev, `above` from a node to what stands directly on it
    (not its partitions), `below` the other way.
    """

    blocks: dict[str, RawBlock]
    paths: dict[str, str]
    numbers: dict[str, str]
    parents: dict[str, str]
    partitions: dict[str, tuple[str, ...]]
    above: dict[str, tuple[str, ...]]
    below: dict[str, tuple[str, ...]]

    def resolve(self, path: str) -> str | None:
        """Return the node that a path under /dev names."""
        found = self.paths.get(path.removesuffix(_DELETED))
        return found or self.numbers.get(path.removeprefix("/dev/block/"))

    def stacked_on(self, name: str) -> tuple[str, ...]:
        """Return everything that stands on a node, through all layers and their partitions."""
        return _reach(name, lambda node: (*self.above[node], *self.partitions[node]), self.above[name])

    def underlying(self, name: str) -> tuple[str, ...]:
        """Return everything that a node stands on, through all layers, whole disks included."""
        return _reach(name, self._directly_below, self._directly_below(name))

    def _directly_below(self, name: str) -> tuple[str, ...]:
        parent = self.parents.get(name)
        return (*self.below[name], *((parent,) if parent else ()))


def _reach(start: str, step: Callable[[str], Iterable[str]], waiting: Iterable[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    queue = list(waiting)
    while queue:
        name = queue.pop(0)
        if name != start and name not in found:
            found[name] = None
            queue.extend(step(name))
    return tuple(found)


def node_path(name: str) -> str:
    """Return the path of a kernel name: cciss!c0d0 is /dev/cciss/c0d0."""
    return "/dev/" + name.replace("!", "/")


def label(block: RawBlock) -> str:
    """Return e.g. "dm-0 (vg-root)", "md0 (raid1)" or "loop3"."""
    more = block.attributes.get("dm/name") or block.attributes.get("md/level")
    return f"{block.name} ({more})" if more else block.name


def is_partition(block: RawBlock) -> bool:
    """Return True for a partition of a disk."""
    return "partition" in block.attributes


def build_layers(snapshot: Snapshot) -> Layers:
    """Return the nodes that count as devices, and what stands on what."""
    blocks = {block.name: block for block in snapshot.blocks if _is_device(block)}
    parents = {
        block.name: parent
        for block in blocks.values()
        if is_partition(block) and (parent := PurePosixPath(block.sys_path).parent.name) in blocks
    }
    paths = {path: block.name for block in blocks.values() for path in _paths(block)}
    numbers = {block.number: block.name for block in blocks.values()}
    edges = dict.fromkeys(_edges(snapshot, blocks, paths, numbers))
    return Layers(
        blocks=blocks,
        paths=paths,
        numbers=numbers,
        parents=parents,
        partitions={name: tuple(part for part in parents if parents[part] == name) for name in blocks},
        above={name: tuple(high for low, high in edges if low == name) for name in blocks},
        below={name: tuple(low for low, high in edges if high == name) for name in blocks},
    )


def _is_device(block: RawBlock) -> bool:
    # a hidden node (nvme0c1n1) is one way to a multipath namespace and has no number
    hidden = block.attributes.get("hidden") == "1" or not block.number
    return not (hidden or _RAM_DISK.fullmatch(block.name))


def _paths(block: RawBlock) -> Iterator[str]:
    yield node_path(block.name)
    yield from block.properties.get("DEVLINKS", "").split()
    if "dm/name" in block.attributes:
        yield "/dev/mapper/" + block.attributes["dm/name"]


def _edges(
    snapshot: Snapshot, blocks: dict[str, RawBlock], paths: dict[str, str], numbers: dict[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield (lower, upper). Slaves and holders tell the same; each is believed alone."""
    pairs = [(low, block.name) for block in blocks.values() for low in block.slaves]
    pairs += [(block.name, high) for block in blocks.values() for high in block.holders]
    pairs += [(numbers.get(loop.number, ""), loop.name) for loop in snapshot.loops]
    pairs += [
        (paths.get(block.attributes.get("backing_dev", ""), ""), block.name) for block in blocks.values()
    ]
    return (pair for pair in pairs if pair[0] in blocks and pair[1] in blocks)
