"""Which nodes carry the running system or the medium it was booted from. Pure."""

from collections.abc import Iterator

from shredder.discover.layers import Layers
from shredder.discover.medium import find_bus
from shredder.discover.mounts import Mount, covering, parse_mounts
from shredder.discover.recovery_image import boot_mark
from shredder.discover.snapshot import Snapshot
from shredder.discover.usage import mounted_nodes
from shredder.model import Unavailable

_SYSTEM = frozenset(("/", "/usr", "/boot", "/boot/efi", "/efi"))
_LIVE = (
    "/run/live",  # Debian live-boot
    "/lib/live/mount",
    "/usr/lib/live/mount",
    "/run/initramfs",  # dracut
    "/run/rootfsbase",
    "/run/archiso",
    "/cdrom",  # Ubuntu casper
    "/isodevice",
)


def find_boot_nodes(snapshot: Snapshot, layers: Layers) -> frozenset[str]:
    """Return the nodes under the system's own mounts, through every layer down to the disks.

    What the first process sees counts besides our own view, so that a container does not hide it. A recovery
    image runs from memory: its medium is mounted nowhere, and known by the mark on it. Anybody can write that
    mark, so it is believed only of the one removable disk that has it; see `find_boot_doubts`.
    """
    carrying = {kin for name, doubt in _marked(snapshot, layers) if not doubt for kin in _kin(name, layers)}
    for at, view in enumerate(snapshot.mounts):
        if at == 0 or view.pid == 1:
            mounts = parse_mounts(view)
            for mount in mounts:
                if _is_system(mount.point):
                    carrying |= _carrying(mount, mounts, snapshot, layers)
    return frozenset(carrying)


def find_boot_doubts(snapshot: Snapshot, layers: Layers) -> dict[str, str]:
    """Return the nodes that may be the boot medium without being known to be it, with the reason.

    They have its mark and are no removable disk, or are one of several; or the place of the mark on a
    removable disk cannot be read.
    """
    doubts = [*_marked(snapshot, layers), *_unreadable(snapshot, layers)]
    return {kin: doubt for name, doubt in doubts if doubt for kin in _kin(name, layers)}


def _marked(snapshot: Snapshot, layers: Layers) -> Iterator[tuple[str, str]]:
    """Yield each node with the running image's mark, and why that mark is not believed, or ""."""
    if snapshot.host.image is None:
        return
    mark = boot_mark(snapshot.host.image)
    nodes = [name for name, found in snapshot.marks.items() if found == mark and name in layers.blocks]
    media = {disk for name in nodes for disk in _disks(name, layers) if _is_removable(disk, layers)}
    for name in nodes:
        if not media.issuperset(_disks(name, layers)):
            yield name, "it has the mark of the running image, and is no removable disk"
        elif len(media) > 1:
            yield name, "it is not the only removable disk with the mark of the running image"
        else:
            yield name, ""


def _unreadable(snapshot: Snapshot, layers: Layers) -> Iterator[tuple[str, str]]:
    for name, found in snapshot.marks.items():
        is_unknown = isinstance(found, Unavailable) and name in layers.blocks
        if is_unknown and all(_is_removable(disk, layers) for disk in _disks(name, layers)):
            yield name, "the place of its mark cannot be read"


def _kin(name: str, layers: Layers) -> tuple[str, ...]:
    """Return a node with what it lies on, and what else is on it."""
    return (name, *layers.underlying(name), *layers.partitions[name])


def _disks(name: str, layers: Layers) -> tuple[str, ...]:
    return tuple(low for low in (name, *layers.underlying(name)) if not layers.underlying(low))


def _is_removable(disk: str, layers: Layers) -> bool:
    """True also for every USB disk: many sticks say that they are fixed."""
    block = layers.blocks[disk]
    return block.attributes.get("removable") == "1" or find_bus(block) == "usb"


def _is_system(point: str) -> bool:
    return point in _SYSTEM or any(point == live or point.startswith(live + "/") for live in _LIVE)


def _carrying(mount: Mount, mounts: tuple[Mount, ...], snapshot: Snapshot, layers: Layers) -> set[str]:
    """Follow the mount down: devices, the parts of an overlay, and the files behind loop devices."""
    files = {loop.name: loop.file for loop in snapshot.loops if not loop.number}
    found: set[str] = set()
    waiting, seen = [mount], {mount}
    while waiting:
        current = waiting.pop()
        nodes = set(mounted_nodes(current, snapshot, layers))
        nodes |= {low for node in nodes for low in layers.underlying(node)}
        found |= nodes
        lying = [*current.layers, *(files[node] for node in nodes if node in files)]
        for path in lying:
            lower = covering(path, mounts)
            if lower and lower not in seen:
                seen.add(lower)
                waiting.append(lower)
    return found
