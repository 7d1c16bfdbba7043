"""Reads the block nodes: pyudev, sysfs, and the partition table's id where udev does not know it."""

import os
import re
import struct
import uuid
from collections.abc import Iterator
from pathlib import Path

import pyudev

from shredder.discover.snapshot import RawBlock, RawNvme
from shredder.discover.sysfs import link_name, list_names, read_text
from shredder.model import Fact, Unavailable

_CLASS = Path("/sys/class/block")
_ATTRIBUTES = (
    "size", "ro", "removable", "hidden", "partition", "start", "diskseq", "wwid", "serial",
    "queue/rotational", "queue/logical_block_size", "queue/physical_block_size", "queue/zoned",
    "device/model", "device/vendor", "device/serial", "device/name", "device/wwid",
    "loop/backing_file", "dm/name", "dm/uuid", "md/level", "backing_dev",
)  # fmt: skip
_DIGITS = re.compile(r"(\d+)")
_NO_TABLE = Unavailable("no partition table")


def read_blocks() -> tuple[RawBlock, ...]:
    """Return all block nodes in the order of their names; what vanishes meanwhile is left out."""
    known = _ask_udev()
    found = (_read_block(name, known) for name in sorted(list_names(_CLASS), key=_natural))
    return tuple(block for block in found if block)


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in _DIGITS.split(name)]


def _ask_udev() -> dict[str, tuple[bool, dict[str, str]]]:
    """Return by kernel name whether udev has been there, and its properties."""
    try:
        context = pyudev.Context()
    except (ImportError, OSError):
        return {}  # libudev is not there: sysfs must do
    found = {}
    for device in context.list_devices(subsystem="block"):
        try:
            found[device.sys_name] = (device.is_initialized, dict(device.properties))
        except (OSError, LookupError, ValueError):
            continue
    return found


def _read_block(name: str, known: dict[str, tuple[bool, dict[str, str]]]) -> RawBlock | None:
    node = _CLASS / name
    attributes = {key: text for key in _ATTRIBUTES if (text := read_text(node / key)) is not None}
    if "size" not in attributes:
        return None
    try:
        sys_path = os.path.realpath(node, strict=True)
    except OSError:  # it vanished while it was read
        return None
    page = _read_serial_page(node / "device/vpd_pg80")
    if page:
        attributes["device/vpd_pg80"] = page
    initialised, properties = known.get(name, (False, {}))
    return RawBlock(
        name=name,
        number=read_text(node / "dev") or "",
        sys_path=sys_path,
        attributes=attributes,
        initialised=initialised,
        properties=properties,
        slaves=list_names(node / "slaves"),
        holders=list_names(node / "holders"),
        table_uuid=_look_for_table(name, attributes, initialised),
    )


def _read_serial_page(path: Path) -> str:
    """Return the unit serial number (SPC, vital product data page 80h: 4 bytes, then the text)."""
    try:
        return path.read_bytes()[4:].decode("ascii").replace("\0", "").strip()
    except (OSError, ValueError):
        return ""


def _look_for_table(name: str, attributes: dict[str, str], initialised: bool) -> Fact:
    if initialised:
        return Unavailable("udev is asked")
    if "partition" in attributes or attributes.get("hidden") == "1" or name.startswith(("fd", "sr", "ram")):
        return Unavailable("not looked for here")
    if attributes["size"] == "0":
        return Unavailable("no medium")
    sector_bytes = int(attributes.get("queue/logical_block_size", "512"))
    try:
        head = _read_head(f"/dev/{name.replace('!', '/')}", 2 * sector_bytes)
    except OSError as error:
        return Unavailable(f"the device could not be read: {error.strerror}")
    return parse_table_uuid(head, sector_bytes)


def _read_head(path: str, length_bytes: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return os.pread(descriptor, length_bytes, 0)
    finally:
        os.close(descriptor)


def parse_table_uuid(head: bytes, sector_bytes: int) -> Fact:
    """Return the GPT's disk GUID or the MBR's disk signature, written as udev does.

    Args:
        head: the first two logical sectors.
        sector_bytes: size of a logical sector.

    Source: UEFI 2.10, 5.2.1 (table 5.1) and 5.3.2 (table 5.5).
    """
    if len(head) < 512 or head[510:512] != b"\x55\xaa":
        return _NO_TABLE
    entries = [head[at : at + 16] for at in range(446, 510, 16)]
    # The boot sector of a FAT or NTFS disk ends in the same two bytes.
    if not all(entry[0] in (0, 0x80) for entry in entries) or not any(entry[4] for entry in entries):
        return _NO_TABLE
    header = head[sector_bytes : sector_bytes + 92]
    if any(entry[4] == 0xEE for entry in entries) and header.startswith(b"EFI PART"):
        return str(uuid.UUID(bytes_le=header[56:72]))
    (signature,) = struct.unpack_from("<I", head, 440)
    return f"{signature:08x}" if signature else Unavailable("the partition table has no id")


def read_nvme() -> tuple[RawNvme, ...]:
    """Return the NVMe controllers, with the subsystem they belong to."""
    subsystems = Path("/sys/class/nvme-subsystem")
    members = {name: found for found in list_names(subsystems) for name in list_names(subsystems / found)}
    return tuple(
        RawNvme(name, read_text(Path("/sys/class/nvme") / name / "transport") or "", members.get(name, ""))
        for name in list_names(Path("/sys/class/nvme"))
    )


def find_driverless(root: Path = Path("/sys")) -> tuple[str, ...]:
    """Return the storage that no driver shows as a disk.

    That is PCI storage controllers (class 01h) without a driver, e.g. "8086:2822 at 0000:00:17.0", NVMe disks
    that a controller hides, and persistent memory.

    Args:
        root: where sysfs is mounted.

    Source: ACPI 6.5, 5.2.26 (NFIT) and 9.19.2 (ACPI0012); Linux, drivers/ata/ahci.c (remapped_nvme).
    """
    return (*_find_driverless_pci(root / "bus/pci/devices"), *_find_driverless_memory(root))


def _find_driverless_pci(devices: Path) -> Iterator[str]:
    for node in (devices / name for name in list_names(devices)):
        ids = ":".join((read_text(node / key) or "?").removeprefix("0x") for key in ("vendor", "device"))
        is_storage = (read_text(node / "class") or "").startswith("0x01")
        if is_storage and not link_name(node / "driver"):
            yield f"{ids} at {node.name}"
        if (read_text(node / "remapped_nvme") or "0") != "0":
            yield f"NVMe behind {ids} at {node.name} (remapped)"


def _find_driverless_memory(root: Path) -> Iterator[str]:
    """Firmware tells of the memory; its driver makes a bus of it, and each namespace needs one more."""
    told = (root / "firmware/acpi/tables/NFIT").exists() or any(
        name.startswith("ACPI0012:") for name in list_names(root / "bus/acpi/devices")
    )
    memory = root / "bus/nd/devices"
    if told and not list_names(memory):
        yield "persistent memory at ACPI0012"
    for node in (memory / name for name in list_names(memory) if name.startswith("namespace")):
        is_empty = read_text(node / "size") in (None, "0")
        if not (is_empty or link_name(node / "driver") or read_text(node / "holder")):
            yield f"persistent memory at {node.name}"
