"""Who uses each device, through every layer that stands on it. Pure."""

from collections.abc import Iterator

from shredder.discover.layers import Layers, label, node_path
from shredder.discover.mounts import Mount, parse_mounts, swap_path
from shredder.discover.snapshot import RawMounts, Snapshot
from shredder.model import Fact, Use, UseKind

_Direct = dict[str, list[Use]]


def find_uses(snapshot: Snapshot, layers: Layers) -> dict[str, tuple[Use, ...]]:
    """Return all uses of each node, by kernel name.

    A whole disk answers for its partitions, a partition for its disk as far as that is used itself.
    What is stacked on a node is told as a use of that node, "through" the layer that is used.
    """
    direct = _direct_uses(snapshot, layers)
    found: dict[str, tuple[Use, ...]] = {}
    for name in layers.blocks:
        nodes = [name, *layers.partitions[name]]
        if name in layers.parents:
            nodes.append(layers.parents[name])
        uses = [use for node in nodes for use in _uses_of_node(node, direct, layers)]
        found[name] = tuple(dict.fromkeys(uses))
    return found


def _uses_of_node(name: str, direct: _Direct, layers: Layers) -> Iterator[Use]:
    yield from direct[name]
    for upper in layers.stacked_on(name):
        through = label(layers.blocks[upper])
        for use in direct[upper]:
            yield Use(use.kind, node_path(name), f"{use.by} through {through}")


def _direct_uses(snapshot: Snapshot, layers: Layers) -> _Direct:
    direct: _Direct = {name: [] for name in layers.blocks}
    sources = (
        _mounted(snapshot, layers),
        _swapped(snapshot, layers),
        _held(snapshot, layers),
        _opened(snapshot, layers),
    )
    for source in sources:
        for name, kind, by in source:
            direct[name].append(Use(kind, node_path(name), by))
    return direct


def mounted_nodes(mount: Mount, snapshot: Snapshot, layers: Layers) -> tuple[str, ...]:
    """Return the nodes that carry a mount: by its number, by the paths it names, and all of a btrfs."""
    named = [layers.numbers.get(mount.number), *(layers.resolve(path) for path in mount.sources)]
    nodes = dict.fromkeys(name for name in named if name)
    for members in snapshot.btrfs.values():
        if mount.kind == "btrfs" and not nodes.keys().isdisjoint(members):
            nodes |= dict.fromkeys(member for member in members if member in layers.blocks)
    return tuple(nodes)


def _mounted(snapshot: Snapshot, layers: Layers) -> Iterator[tuple[str, UseKind, str]]:
    carrying: set[str] = set()
    known: set[tuple[str, str]] = set()
    for at, view in enumerate(snapshot.mounts):
        told: set[str] = set()
        for mount in parse_mounts(view):
            for name in mounted_nodes(mount, snapshot, layers):
                fresh = (name, mount.point) not in known and not (at and name in told)
                known.add((name, mount.point))
                if fresh:
                    told.add(name)
                    yield name, UseKind.MOUNT, mount.point + (_seen_by(view) if at else "")
        carrying |= {name for name, _ in known}
    for uuid, members in snapshot.btrfs.items():
        for name in members:
            if name in layers.blocks and name not in carrying:
                yield name, UseKind.MOUNT, f"an unknown place (btrfs {uuid})"


def _seen_by(view: RawMounts) -> str:
    return f" as process {view.pid} ({view.comm}) sees it"


def _swapped(snapshot: Snapshot, layers: Layers) -> Iterator[tuple[str, UseKind, str]]:
    for line in snapshot.swaps:
        name = layers.resolve(swap_path(line))
        if name:
            yield name, UseKind.SWAP, "swap"


def _held(snapshot: Snapshot, layers: Layers) -> Iterator[tuple[str, UseKind, str]]:
    for name, uppers in layers.above.items():
        for upper in uppers:
            kind = UseKind.LOOP if upper.startswith("loop") else UseKind.HOLDER
            yield name, kind, label(layers.blocks[upper])
    if not snapshot.zfs_loaded:
        return
    for name, block in layers.blocks.items():
        if "zfs_member" in (block.properties.get("ID_FS_TYPE"), _seen_content(snapshot, name)):
            yield name, UseKind.HOLDER, "a ZFS pool that may be imported"


def _seen_content(snapshot: Snapshot, name: str) -> Fact | None:
    return snapshot.contents.get(name) if isinstance(snapshot.contents, dict) else None


def _opened(snapshot: Snapshot, layers: Layers) -> Iterator[tuple[str, UseKind, str]]:
    for item in snapshot.opens:
        name = layers.numbers.get(item.number)
        if name:
            yield name, UseKind.OPEN, f"process {item.pid} ({item.comm})"
    if snapshot.unread_processes:
        # without their number, so that the same request on the same machine gives the same plan
        by = "some processes could not be looked at"
        yield from ((name, UseKind.UNSEEN, by) for name in layers.blocks)


def processes(count: int) -> str:
    """Return e.g. "1 process" or "3 processes"."""
    return f"{count} process{'' if count == 1 else 'es'}"
