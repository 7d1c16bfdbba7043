"""What tells one device from another: udev's answer, else the kernel's, else a reason. Pure."""

import re

from shredder.discover.layers import is_partition
from shredder.discover.snapshot import RawBlock
from shredder.model import Fact, Identity, Unavailable

SECTOR_BYTES = 512  # the unit of sysfs size and start, whatever the device's sector is
_WWN = re.compile(r"(naa|eui|nvme|uuid)\.[0-9A-Za-z].*")
_BLANKS = re.compile(r"\s+")
_NOT_PHYSICAL = re.compile(r"(dm-|md|loop|zram)\d+")
_NO_SERIAL = {"loop": "a loop device has none", "zram": "a zram device has none"}


def read_identity(block: RawBlock, disk: RawBlock) -> Identity:
    """Return the identity of a node.

    Args:
        block: the node.
        disk: the whole disk it is on; the node itself when it is one.
    """
    start = block.attributes.get("start", "0") if is_partition(block) else "0"
    return Identity(
        serial=read_serial(disk),
        wwn=read_wwn(disk),
        size_bytes=read_size_bytes(block),
        start_bytes=_number(start) * SECTOR_BYTES,
        logical_sector_bytes=_number(disk.attributes.get("queue/logical_block_size", "")) or SECTOR_BYTES,
        by_path=_by_path(block),
        partition_table_uuid=_table_uuid(disk),
        instance=_instance(disk),
    )


def read_size_bytes(block: RawBlock) -> int:
    """Return the size; 0 for an optical drive without a medium, which the kernel calls 1 GiB."""
    if block.name.startswith("sr") and block.initialised and block.properties.get("ID_CDROM_MEDIA") != "1":
        return 0
    return _number(block.attributes.get("size", "")) * SECTOR_BYTES


def read_serial(disk: RawBlock) -> Fact:
    """Return the serial number that stands on the label, as far as software can learn it.

    For SCSI the unit serial number comes before ID_SERIAL_SHORT, which there repeats the WWN.
    """
    given = [disk.properties.get(key) for key in ("SCSI_IDENT_SERIAL", "ID_SCSI_SERIAL", "ID_SERIAL_SHORT")]
    given += [disk.attributes.get(key) for key in ("device/serial", "serial", "device/vpd_pg80")]
    for text in given:
        serial = _BLANKS.sub(" ", text or "").strip()
        if serial.strip("0"):
            return serial
    return Unavailable(_why_no_serial(disk))


def _why_no_serial(disk: RawBlock) -> str:
    if _NOT_PHYSICAL.fullmatch(disk.name):
        return _NO_SERIAL.get(disk.name.rstrip("0123456789"), "a mapped device has none")
    if is_virtual_name(disk.name):
        return "virtual disks often have none"
    return "the device gives none" if disk.initialised else "the kernel gives no serial, udev is not running"


def is_virtual_name(name: str) -> bool:
    """Return True for the names of virtio and Xen disks."""
    return re.fullmatch(r"(vd|xvd)[a-z]+\d*", name) is not None


def read_wwn(disk: RawBlock) -> Fact:
    """Return the world wide name; NAA names as udev writes them, 0x5000..., whoever gave them."""
    given = [disk.properties.get(key, "") for key in ("ID_WWN_WITH_EXTENSION", "ID_WWN")]
    given += [disk.attributes.get(key, "") for key in ("wwid", "device/wwid")]
    for text in given:
        if not text.startswith("0x") and not _WWN.fullmatch(text):
            continue  # e.g. "t10.ATA  MODEL SERIAL": no name of its own
        bare = text.partition(".")[2] or text.removeprefix("0x")
        if bare.strip("0-"):
            return f"0x{bare}" if text.startswith("naa.") else text
    if _NOT_PHYSICAL.fullmatch(disk.name):
        return Unavailable("not a physical device")
    return Unavailable(
        "virtual disks often have none" if is_virtual_name(disk.name) else "the device gives none"
    )


def _by_path(block: RawBlock) -> Fact:
    path = block.properties.get("ID_PATH")
    if not path:
        return block.sys_path
    number = block.attributes.get("partition")
    return f"{path}-part{number}" if number else path


def _table_uuid(disk: RawBlock) -> Fact:
    if disk.properties.get("ID_PART_TABLE_UUID"):
        return disk.properties["ID_PART_TABLE_UUID"]
    return Unavailable("no partition table") if disk.initialised else disk.table_uuid


def _instance(disk: RawBlock) -> Fact:
    sequence = disk.attributes.get("diskseq")
    return f"diskseq {sequence}" if sequence else Unavailable("the kernel does not number attachments")


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0
