"""The small readers: partition table ids, escapes, mount points, lsblk's numbers."""

import struct
import uuid
from pathlib import Path

import pytest

from shredder.discover.blocks import find_driverless, parse_table_uuid
from shredder.discover.mounts import covering, parse_mounts, swap_path, unescape
from shredder.discover.snapshot import RawMounts
from shredder.model import Fact, Unavailable

DISK_GUID = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0ff"
NONE = Unavailable("no partition table")


def boot_sector(signature: int, kind: int, status: int = 0) -> bytes:
    sector = bytearray(512)
    struct.pack_into("<I", sector, 440, signature)
    sector[446], sector[450] = status, kind
    sector[510:] = b"\x55\xaa"
    return bytes(sector)


def gpt(sector_bytes: int) -> bytes:
    header = bytearray(sector_bytes)
    header[:8] = b"EFI PART"
    header[56:72] = uuid.UUID(DISK_GUID).bytes_le
    return boot_sector(0, 0xEE).ljust(sector_bytes, b"\0") + bytes(header)


@pytest.mark.parametrize(
    ("head", "sector_bytes", "expected"),
    [
        (b"", 512, NONE),
        (b"\xff" * 1024, 512, NONE),
        (bytes(1024), 512, NONE),
        (boot_sector(0x6A1B2C3D, 0x83) + bytes(512), 512, "6a1b2c3d"),
        (boot_sector(0x0000002A, 0x83, 0x80) + bytes(512), 512, "0000002a"),
        (boot_sector(0, 0x83) + bytes(512), 512, Unavailable("the partition table has no id")),
        (boot_sector(7, 0) + bytes(512), 512, NONE),  # no entry
        (boot_sector(7, 0x83, 0x55) + bytes(512), 512, NONE),  # a FAT boot sector: code, no entries
        (gpt(512), 512, DISK_GUID),
        (gpt(4096), 4096, DISK_GUID),
    ],
)
def test_partition_table_uuid(head: bytes, sector_bytes: int, expected: Fact) -> None:
    assert parse_table_uuid(head, sector_bytes) == expected


def test_escapes_of_the_kernel() -> None:
    assert unescape(r"/a\040b\011c\012d\134e\043") == "/a b\tc\nd\\e#"
    assert unescape(r"\04 \8") == r"\04 \8"
    assert swap_path("/swap\\040file                         file\t\t1024\t\t0\t\t-2") == "/swap file"
    assert swap_path("") == ""


def test_the_mount_under_a_path_is_the_longest_and_the_latest() -> None:
    lines = (
        "1 0 8:1 / / rw - ext4 /dev/sda1 rw",
        "2 1 8:2 / /a rw - ext4 /dev/sda2 rw",
        "3 1 8:3 / /a rw - ext4 /dev/sda3 rw",
        "4 1 8:4 / /ab rw - ext4 /dev/sda4 rw",
    )
    mounts = parse_mounts(RawMounts(1, "init", lines))
    found = {path: covering(path, mounts) for path in ("/a/x", "/a", "/abc", "/ab/c")}
    assert {path: mount and mount.number for path, mount in found.items()} == {
        "/a/x": "8:3",
        "/a": "8:3",
        "/abc": "8:1",
        "/ab/c": "8:4",
    }
    assert covering("/a", ()) is None


def test_the_layers_of_an_overlay() -> None:
    line = (
        r"1 0 0:9 / /m rw - overlay overlay rw,lowerdir+=/l\0401,lowerdir=/l2:/l3::/d,upperdir=/u,workdir=/w"
    )
    (mount,) = parse_mounts(RawMounts(1, "init", (line,)))
    assert mount.layers == ("/l 1", "/l2", "/l3", "/d", "/u")


def put(root: Path, **files: str) -> None:
    """Write small files; "__" in a name stands for a slash, "_o_" for a colon."""
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_o_", ":")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def put_pci(root: Path, slot: str, kind: str, *, driver: bool, **files: str) -> None:
    node = root / "bus/pci/devices" / slot
    put(node, **{"class": kind, "vendor": "0x8086\n", "device": "0x2822\n", **files})
    if driver:
        (node / "driver").symlink_to("../../drivers/ahci")


def test_storage_that_no_driver_shows(tmp_path: Path) -> None:
    put_pci(tmp_path, "0000:00:17.0", "0x010400\n", driver=False)
    put_pci(tmp_path, "0000:00:18.0", "0x010601\n", driver=True, remapped_nvme="0\n")
    put_pci(tmp_path, "0000:00:19.0", "0x010601\n", driver=True, remapped_nvme="2\n")
    put_pci(tmp_path, "0000:00:1a.0", "0x020000\n", driver=False)
    assert find_driverless(tmp_path) == (
        "8086:2822 at 0000:00:17.0",
        "NVMe behind 8086:2822 at 0000:00:19.0 (remapped)",
    )


@pytest.mark.parametrize("told", ["firmware__acpi__tables__NFIT", "bus__acpi__devices__ACPI0012_o_00__hid"])
def test_persistent_memory_without_its_driver(tmp_path: Path, told: str) -> None:
    assert find_driverless(tmp_path) == ()
    put(tmp_path, **{told: "x"})
    assert find_driverless(tmp_path) == ("persistent memory at ACPI0012",)
    put(tmp_path, bus__nd__devices__ndbus0__provider="ACPI.NFIT\n")
    assert find_driverless(tmp_path) == ()  # slots without memory


def test_a_namespace_without_its_driver(tmp_path: Path) -> None:
    memory = tmp_path / "bus/nd/devices"
    for name, size in (("namespace0.0", "4096"), ("namespace0.1", "0"), ("namespace1.0", "4096")):
        put(memory / name, size=size, holder="")
    put(memory / "region0", size="8192")
    (memory / "namespace1.0/driver").symlink_to("../nd_pmem")
    assert find_driverless(tmp_path) == ("persistent memory at namespace0.0",)
    put(memory / "namespace0.0", holder="btt0.0\n")
    assert find_driverless(tmp_path) == ()
