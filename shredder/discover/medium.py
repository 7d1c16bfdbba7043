"""What a device is, what its bits lie on, and how it is connected. Pure."""

from shredder.discover.identity import is_virtual_name
from shredder.discover.layers import Layers, is_partition
from shredder.discover.snapshot import RawBlock, RawNvme, Snapshot
from shredder.model import DeviceKind, Fact, MediumKind, Unavailable

_BY_NAME = (
    ("loop", DeviceKind.LOOP),
    ("zram", DeviceKind.ZRAM),
    ("dm-", DeviceKind.DM),
    ("md", DeviceKind.MD),
    ("sr", DeviceKind.OPTICAL),
    ("nvme", DeviceKind.DISK),
    ("fd", DeviceKind.OTHER),
    ("rbd", DeviceKind.OTHER),
)
_BY_KIND = {
    DeviceKind.LOOP: MediumKind.LOOP,
    DeviceKind.ZRAM: MediumKind.ZRAM,
    DeviceKind.OPTICAL: MediumKind.OPTICAL,
    DeviceKind.OTHER: MediumKind.UNKNOWN,
}
_VIRTUAL_MAKERS = (
    "qemu", "vmware", "vbox", "virtualbox", "msft", "xen", "nutanix", "google", "parallels", "red hat virtio",
)  # fmt: skip
_VIRTUAL_MODELS = (
    "virtual disk", "virtual_disk", "amazon elastic block store", "persistentdisk", "nvme_card",
    "blockvolume", "qemu", "vmware", "vbox",
)  # fmt: skip
_BUSES = (
    ("/session", "iscsi"),
    ("/rport-", "fc"),
    ("/usb", "usb"),
    ("/end_device-", "sas"),
    ("/ata", "sata"),
    ("/mmc_host/", "mmc"),
    ("/VMBUS", "vmbus"),
    ("/vbd-", "xen"),
    ("/virtio", "virtio"),
)
_FABRIC_BUSES = frozenset(("iscsi", "fc", "nvme-tcp", "nvme-rdma", "nvme-fc", "nvme-loop"))


def find_kind(block: RawBlock) -> DeviceKind:
    """Return what the kernel says the node is; a software device that no prefix names is OTHER."""
    if is_partition(block):
        return DeviceKind.PARTITION
    for prefix, kind in _BY_NAME:
        if block.name.startswith(prefix):
            return kind
    return DeviceKind.OTHER if "/devices/virtual/" in block.sys_path else DeviceKind.DISK


def find_medium(name: str, layers: Layers, maker: str) -> MediumKind:
    """Return what the bits lie on; a mapped device has the medium that all disks under it have.

    Args:
        name: kernel name of a whole device.
        layers: what stands on what.
        maker: vendor and model, as far as known.
    """
    block = layers.blocks[name]
    kind = find_kind(block)
    if kind in (DeviceKind.DM, DeviceKind.MD):
        return _common_medium(name, layers)
    return _BY_KIND.get(kind) or _disk_medium(block, maker.lower())


def _common_medium(name: str, layers: Layers) -> MediumKind:
    lower = [
        node for node in layers.underlying(name) if not layers.below[node] and node not in layers.parents
    ]
    kinds = {find_medium(node, layers, describe_maker(layers.blocks[node])) for node in lower}
    return kinds.pop() if len(kinds) == 1 else MediumKind.UNKNOWN


def describe_maker(block: RawBlock) -> str:
    """Return everything that vendor and model say, for telling virtual disks."""
    keys = ("ID_VENDOR", "ID_MODEL")
    said = [block.properties.get(key, "") for key in keys]
    said += [block.attributes.get(key, "") for key in ("device/vendor", "device/model")]
    return " ".join(said)


def _disk_medium(block: RawBlock, maker: str) -> MediumKind:
    if is_virtual_name(block.name) or _is_virtual_maker(maker):
        return MediumKind.VIRTUAL
    if block.name.startswith("nvme"):
        return MediumKind.NVME
    rotational = block.attributes.get("queue/rotational")
    if rotational == "0":
        return MediumKind.SSD
    if rotational != "1":
        return MediumKind.UNKNOWN
    # The kernel calls flash sticks and card readers rotating: they do not answer the question.
    is_stick = find_bus(block) == "usb" and block.attributes.get("removable") == "1"
    return MediumKind.UNKNOWN if is_stick else MediumKind.ROTATING


def _is_virtual_maker(maker: str) -> bool:
    return maker.strip().startswith(_VIRTUAL_MAKERS) or any(word in maker for word in _VIRTUAL_MODELS)


def find_bus(block: RawBlock) -> str | None:
    """Return the bus that the sysfs path goes over."""
    return next((bus for part, bus in _BUSES if part in block.sys_path), None)


def find_transport(disk: RawBlock, snapshot: Snapshot) -> Fact:
    """Return e.g. "sata", "usb", "nvme", "nvme-tcp" or "iscsi"."""
    if find_kind(disk) in (DeviceKind.DM, DeviceKind.MD, DeviceKind.LOOP, DeviceKind.ZRAM):
        return Unavailable("not a physical device")
    if disk.name.startswith("nvme"):
        kinds = sorted({item.transport for item in _controllers(disk, snapshot)} - {""})
        remote = [kind for kind in kinds if kind != "pcie"]
        return f"nvme-{remote[0]}" if remote else "nvme"
    bus = find_bus(disk) or disk.properties.get("ID_BUS")
    return bus or Unavailable("the kernel names no bus")


def _controllers(disk: RawBlock, snapshot: Snapshot) -> tuple[RawNvme, ...]:
    parts = frozenset(disk.sys_path.split("/"))
    return tuple(item for item in snapshot.nvme if item.name in parts or item.subsystem in parts)


def is_fabric(disk: RawBlock, snapshot: Snapshot) -> bool:
    """Return True when the disk is reached over a network or storage fabric."""
    return find_transport(disk, snapshot) in _FABRIC_BUSES
