"""A snapshot to the nouns of model.py. Pure, but for `find_device`, which follows links."""

import os
from dataclasses import replace

from shredder.discover.agreement import compare
from shredder.discover.boot import find_boot_doubts, find_boot_nodes
from shredder.discover.hosts import describe_host
from shredder.discover.identity import read_identity
from shredder.discover.labels import read_content, read_model, read_vendor
from shredder.discover.layers import Layers, build_layers, node_path
from shredder.discover.medium import describe_maker, find_kind, find_medium, find_transport, is_fabric
from shredder.discover.snapshot import RawBlock, Snapshot
from shredder.discover.usage import find_uses, processes
from shredder.model import Device, Machine, Unavailable, Use

_LINKS = ("/dev/disk/by-id/", "/dev/disk/by-path/")


def describe(snapshot: Snapshot) -> Machine:
    """Return every block device of the machine with all that is known of it, in the snapshot's order."""
    layers = build_layers(snapshot)
    uses = find_uses(snapshot, layers)
    boot, doubts = find_boot_nodes(snapshot, layers), find_boot_doubts(snapshot, layers)
    devices = tuple(
        replace(
            _describe_device(block, snapshot, layers, uses[block.name]),
            boot=block.name in boot,
            boot_doubt=None if block.name in boot else doubts.get(block.name),
        )
        for block in layers.blocks.values()
    )
    return Machine(describe_host(snapshot), devices, snapshot.driverless, tuple(_notes(snapshot)))


def _describe_device(block: RawBlock, snapshot: Snapshot, layers: Layers, uses: tuple[Use, ...]) -> Device:
    parent = layers.parents.get(block.name)
    disk = layers.blocks[parent] if parent else block
    identity = read_identity(block, disk)
    sector_bytes = disk.attributes.get("queue/physical_block_size", "")
    lower = (layers.blocks[name] for name in layers.underlying(block.name))
    return Device(
        path=node_path(block.name),
        kind=find_kind(block),
        identity=identity,
        physical_sector_bytes=int(sector_bytes) if sector_bytes.isdigit() else identity.logical_sector_bytes,
        vendor=read_vendor(disk),
        model=read_model(disk),
        transport=find_transport(disk, snapshot),
        medium=find_medium(disk.name, layers, describe_maker(disk)),
        read_only="1" in (block.attributes.get("ro"), disk.attributes.get("ro")),
        removable=disk.attributes.get("removable") == "1",
        zoned=disk.attributes.get("queue/zoned", "none") != "none",
        fabric=any(is_fabric(node, snapshot) for node in (disk, *lower)),
        boot=False,
        boot_doubt=None,
        links=tuple(sorted(_links(block))),
        content=read_content(block, snapshot),
        parent=node_path(parent) if parent else None,
        partitions=tuple(node_path(name) for name in layers.partitions[block.name]),
        uses=uses,
        disagreements=compare(block, snapshot.witness),
        writes_elsewhere=None,
    )


def _links(block: RawBlock) -> list[str]:
    return [link for link in block.properties.get("DEVLINKS", "").split() if link.startswith(_LINKS)]


def _notes(snapshot: Snapshot) -> list[str]:
    notes = []
    if not snapshot.udev_running:
        notes.append("udev: not running, facts come from sysfs alone")
    elif snapshot.blocks and not any(block.properties for block in snapshot.blocks):
        notes.append("udev: it runs and says nothing, or libudev is missing; facts come from sysfs alone")
    if isinstance(snapshot.witness, Unavailable):
        notes.append(f"blkinfo: {snapshot.witness}")
    if isinstance(snapshot.contents, Unavailable):
        notes.append(f"contents: {snapshot.contents}")
    notes += (
        f"boot medium: not looked for on {node_path(name)}: {found.unavailable}"
        for name, found in snapshot.marks.items()
        if isinstance(found, Unavailable)
    )
    if snapshot.unread_mounts:
        notes.append(f"mounts: those of {processes(snapshot.unread_mounts)} could not be read")
    if snapshot.unread_processes:
        notes.append(f"processes: the open files of {processes(snapshot.unread_processes)} could not be read")
    if not snapshot.sees_all_processes:
        notes.append("processes: only those of this container can be seen")
    return notes


def find_device(machine: Machine, name: str) -> Device | None:
    """Return the device that a name means: its path, a path that leads there, or a link that only it has.

    Where the link is on this machine it decides: several paths to one medium claim the same by-id name.
    """
    leads_to = os.path.realpath(name)
    for device in machine.devices:
        if device.path == leads_to:
            return device
    claiming = [device for device in machine.devices if name in device.links]
    return claiming[0] if len(claiming) == 1 else None
