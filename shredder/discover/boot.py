"""Which nodes carry the running system or the medium it was booted from. Pure."""

from shredder.discover.layers import Layers
from shredder.discover.mounts import Mount, covering, parse_mounts
from shredder.discover.recovery_image import boot_mark
from shredder.discover.snapshot import Snapshot
from shredder.discover.usage import mounted_nodes

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
    image runs from memory: its medium is mounted nowhere, and known by the mark on it.
    """
    carrying = _marked(snapshot, layers)
    for at, view in enumerate(snapshot.mounts):
        if at == 0 or view.pid == 1:
            mounts = parse_mounts(view)
            for mount in mounts:
                if _is_system(mount.point):
                    carrying |= _carrying(mount, mounts, snapshot, layers)
    return frozenset(carrying)


def _marked(snapshot: Snapshot, layers: Layers) -> set[str]:
    """Nodes with the running image's mark, what they lie on, and what else is on a disk that has it."""
    if snapshot.host.image is None:
        return set()
    mark = boot_mark(snapshot.host.image)
    nodes = {name for name, found in snapshot.marks.items() if found == mark and name in layers.blocks}
    low = {lower for name in nodes for lower in layers.underlying(name)}
    return nodes | low | {part for name in nodes for part in layers.partitions[name]}


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
