"""What a device says of itself, and what it holds. Pure."""

import re

from shredder.discover.identity import is_virtual_name, read_size_bytes
from shredder.discover.layers import is_partition
from shredder.discover.medium import find_kind
from shredder.discover.snapshot import RawBlock, Snapshot
from shredder.model import DeviceKind, Fact, Unavailable

_ENCODED = re.compile(r"\\x([0-9a-fA-F]{2})")
_NOT_PHYSICAL = frozenset((DeviceKind.LOOP, DeviceKind.ZRAM, DeviceKind.DM, DeviceKind.MD))


def _plain(text: str) -> str:
    decoded = _ENCODED.sub(lambda found: chr(int(found[1], 16)), text)
    return " ".join(decoded.split())


def read_model(disk: RawBlock) -> Fact:
    """Return the model; udev's before the kernel's, which for ATA stops after 16 characters."""
    given = [disk.properties.get("ID_MODEL_ENC", ""), disk.properties.get("ID_MODEL", "").replace("_", " ")]
    given += [disk.attributes.get("device/model", ""), disk.attributes.get("device/name", "")]
    for text in map(_plain, given):
        if text:
            return text
    return Unavailable(_why_unnamed(disk, "model"))


def read_vendor(disk: RawBlock) -> Fact:
    """Return the maker, where the device names one apart from the model."""
    given = [disk.properties.get("ID_VENDOR_ENC", ""), disk.properties.get("ID_VENDOR", "").replace("_", " ")]
    given += [disk.attributes.get("device/vendor", "")]
    for text in map(_plain, given):
        if text == "ATA":
            return Unavailable("ATA disks name it within the model, if at all")
        if text and not text.startswith("0x"):
            return text
    if disk.name.startswith("nvme"):
        return Unavailable("NVMe disks name it within the model, if at all")
    return Unavailable(_why_unnamed(disk, "vendor"))


def _why_unnamed(disk: RawBlock, what: str) -> str:
    if find_kind(disk) in _NOT_PHYSICAL:
        return "not a physical device"
    return f"virtual disks often have no {what}" if is_virtual_name(disk.name) else "the device gives none"


def read_content(block: RawBlock, snapshot: Snapshot) -> Fact:
    """Return what libblkid recognises, in its words, e.g. "ext4" or "LVM2_member"; or the partition table."""
    if read_size_bytes(block) == 0:
        return Unavailable("no medium")
    if block.properties.get("ID_FS_TYPE"):
        return block.properties["ID_FS_TYPE"]
    if block.initialised:
        table = "" if is_partition(block) else block.properties.get("ID_PART_TABLE_TYPE", "")
        return f"{table} partition table" if table else Unavailable("nothing recognised")
    if isinstance(snapshot.contents, Unavailable):
        return snapshot.contents
    return snapshot.contents.get(block.name, Unavailable("not looked at"))
