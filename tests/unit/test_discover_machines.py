"""Recorded machines: what each device is, and which facts are missing and why."""

from dataclasses import replace

import pytest

from shredder.discover import describe, find_device
from shredder.model import DeviceKind, Fact, Machine, MediumKind, Unavailable
from shredder.records import canonical, from_json, parse
from tests.machines import described, device, load

NAMES = ("here", "laptop", "live", "recovery", "san", "server", "vps", "witnesses", "workshop")


def kinds(machine: Machine) -> dict[str, tuple[DeviceKind, MediumKind]]:
    return {item.path: (item.kind, item.medium) for item in machine.devices}


def with_attribute(name: str, node: str, key: str, value: str) -> Machine:
    snapshot = load(name)
    blocks = tuple(
        replace(block, attributes=block.attributes | {key: value}) if block.name == node else block
        for block in snapshot.blocks
    )
    return describe(replace(snapshot, blocks=blocks))


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_machine_reads_back_as_it_was(name: str) -> None:
    snapshot = load(name)
    assert from_json(type(snapshot), parse(canonical(snapshot), name), name) == snapshot


def test_a_missing_source_reads_back_as_its_reason() -> None:
    snapshot = replace(load("vps"), witness=Unavailable("gone"), contents=Unavailable("only root may look"))
    assert from_json(type(snapshot), parse(canonical(snapshot), "it"), "it") == snapshot


@pytest.mark.parametrize("name", NAMES)
def test_no_fact_is_blank(name: str) -> None:
    machine = described(name)
    host = machine.host
    facts: list[Fact] = [host.machine_id, host.vendor, host.product, host.serial, host.product_uuid]
    facts += [host.clock_source, host.image, host.secure_boot]
    for item in machine.devices:
        identity = item.identity
        facts += [item.vendor, item.model, item.transport, item.content, identity.serial, identity.wwn]
        facts += [identity.by_path, identity.partition_table_uuid, identity.instance]
    said = [fact.unavailable if isinstance(fact, Unavailable) else fact for fact in facts]
    assert all(text.strip() == text and text for text in said)


def test_kinds_and_media_of_everything_odd() -> None:
    found = kinds(described("workshop"))
    assert {
        "/dev/sda": (DeviceKind.DISK, MediumKind.SSD),
        "/dev/sda1": (DeviceKind.PARTITION, MediumKind.SSD),
        "/dev/sdb": (DeviceKind.DISK, MediumKind.ROTATING),
        "/dev/sdg": (DeviceKind.DISK, MediumKind.UNKNOWN),
        "/dev/sr0": (DeviceKind.OPTICAL, MediumKind.OPTICAL),
        "/dev/nbd0": (DeviceKind.OTHER, MediumKind.UNKNOWN),
        "/dev/fd0": (DeviceKind.OTHER, MediumKind.UNKNOWN),
        "/dev/loop1": (DeviceKind.LOOP, MediumKind.LOOP),
        "/dev/zram0": (DeviceKind.ZRAM, MediumKind.ZRAM),
    }.items() <= found.items()
    assert "/dev/ram0" not in found


@pytest.mark.parametrize(
    ("name", "path", "kind", "medium"),
    [
        ("server", "/dev/md0", DeviceKind.MD, MediumKind.ROTATING),
        ("server", "/dev/dm-0", DeviceKind.DM, MediumKind.ROTATING),
        ("laptop", "/dev/nvme0n1", DeviceKind.DISK, MediumKind.NVME),
        ("laptop", "/dev/nvme0n1p3", DeviceKind.PARTITION, MediumKind.NVME),
        ("laptop", "/dev/dm-1", DeviceKind.DM, MediumKind.NVME),
        ("vps", "/dev/vda", DeviceKind.DISK, MediumKind.VIRTUAL),
        ("witnesses", "/dev/sda", DeviceKind.DISK, MediumKind.VIRTUAL),
        ("witnesses", "/dev/sdb", DeviceKind.DISK, MediumKind.VIRTUAL),
        ("witnesses", "/dev/sdc", DeviceKind.DISK, MediumKind.VIRTUAL),
        ("witnesses", "/dev/xvda", DeviceKind.DISK, MediumKind.VIRTUAL),
        ("witnesses", "/dev/nvme0n1", DeviceKind.DISK, MediumKind.VIRTUAL),
    ],
)
def test_kind_and_medium(name: str, path: str, kind: DeviceKind, medium: MediumKind) -> None:
    assert kinds(described(name))[path] == (kind, medium)


def test_an_array_over_different_media_has_no_one_medium() -> None:
    assert (
        kinds(with_attribute("server", "sdb", "queue/rotational", "0"))["/dev/md0"][1] is MediumKind.UNKNOWN
    )


@pytest.mark.parametrize(
    ("name", "path", "transport"),
    [
        ("server", "/dev/sda", "sata"),
        ("laptop", "/dev/nvme0n1", "nvme"),
        ("vps", "/dev/vda", "virtio"),
        ("san", "/dev/sda", "fc"),
        ("san", "/dev/sde", "iscsi"),
        ("san", "/dev/nvme1n1", "nvme-tcp"),
        ("workshop", "/dev/sdh", "usb"),
        ("witnesses", "/dev/sdb", "scsi"),
        ("witnesses", "/dev/sdc", "vmbus"),
        ("witnesses", "/dev/xvda", "xen"),
        ("server", "/dev/dm-0", Unavailable("not a physical device")),
        ("san", "/dev/cciss/c0d0", Unavailable("the kernel names no bus")),
    ],
)
def test_transport(name: str, path: str, transport: Fact) -> None:
    assert device(described(name), path).transport == transport


def test_a_disk_with_serial_and_wwn() -> None:
    disk = device(described("server"), "/dev/sdc")
    assert disk.identity.serial == "ZC1AB2CD"
    assert disk.identity.wwn == "0x5000c500a4b5c6d7"
    assert disk.identity.by_path == "pci-0000:00:17.0-ata-3"
    assert disk.identity.instance == "diskseq 3"
    assert disk.identity.size_bytes == 4000787030016
    assert disk.model == "ST4000NM0035-1V4107"
    assert disk.vendor == Unavailable("ATA disks name it within the model, if at all")
    assert disk.identity.partition_table_uuid == Unavailable("no partition table")
    assert disk.content == Unavailable("nothing recognised")
    assert "/dev/disk/by-id/wwn-0x5000c500a4b5c6d7" in disk.links
    assert (disk.uses, disk.boot, disk.fabric) == ((), False, False)


def test_a_partition_carries_its_disk_and_its_place() -> None:
    part = device(described("server"), "/dev/sda2")
    assert part.parent == "/dev/sda"
    assert part.identity.serial == "V1G8XYZA"
    assert part.identity.wwn == "0x5000cca097c1a2b3"
    assert part.identity.start_bytes == 513 * 2**20
    assert part.identity.size_bytes == 3_999_000_000_000 // 512 * 512
    assert part.identity.by_path == "pci-0000:00:17.0-ata-1-part2"
    assert part.identity.instance == "diskseq 1"
    assert part.physical_sector_bytes == 4096
    assert part.content == "linux_raid_member"
    disk = device(described("server"), "/dev/sda")
    assert disk.partitions == ("/dev/sda1", "/dev/sda2")
    assert disk.content == "gpt partition table"


def test_size_is_counted_in_512_bytes_whatever_the_sector() -> None:
    disk = device(described("workshop"), "/dev/sde")
    assert disk.identity.logical_sector_bytes == 4096
    assert disk.identity.size_bytes == 6001175126016


def test_a_virtual_disk_without_names_and_without_udev() -> None:
    machine = described("vps")
    disk = device(machine, "/dev/vdb")
    assert disk.identity.serial == Unavailable("virtual disks often have none")
    assert disk.identity.wwn == Unavailable("virtual disks often have none")
    assert disk.vendor == Unavailable("virtual disks often have no vendor")
    assert not disk.identity.is_unique
    assert disk.identity.by_path == "/sys/devices/pci0000:00/0000:00:06.0/virtio3/block/vdb"
    assert device(machine, "/dev/vda").identity.partition_table_uuid == "6a1b2c3d"
    assert device(machine, "/dev/vda").content == "dos partition table"
    assert device(machine, "/dev/vda1").content == "ext4"
    assert device(described("here"), "/dev/vda").content == Unavailable("blkid: operation not permitted")
    assert "udev: not running, facts come from sysfs alone" in machine.notes


def test_scsi_serial_is_the_unit_serial_not_the_wwn_again() -> None:
    disk = device(described("san"), "/dev/sda")
    assert disk.identity.serial == "CKM001"
    assert disk.identity.wwn == "0x600601601234560011223344556677aa"
    assert (disk.vendor, disk.model) == ("DGC", "VRAID")


def test_a_udev_that_runs_and_says_nothing_is_noted() -> None:
    silent = replace(load("vps"), udev_running=True)
    silent = replace(silent, blocks=tuple(replace(block, properties={}) for block in silent.blocks))
    assert any(note.startswith("udev: it runs and says nothing") for note in describe(silent).notes)


def test_sysfs_alone_gives_the_same_serial_and_wwn_as_udev() -> None:
    snapshot = load("san")
    page = {"device/vpd_pg80": "CKM001"}
    blocks = tuple(
        replace(block, properties={}, initialised=False, attributes=block.attributes | page)
        if block.name == "sda"
        else block
        for block in snapshot.blocks
    )
    with_udev = device(describe(snapshot), "/dev/sda").identity
    without = device(describe(replace(snapshot, blocks=blocks)), "/dev/sda").identity
    assert (without.serial, without.wwn) == (with_udev.serial, with_udev.wwn)


def test_names_that_are_none_are_not_taken() -> None:
    machine = described("workshop")
    assert device(machine, "/dev/sdg").identity.serial == Unavailable("the device gives none")  # only zeros
    assert device(machine, "/dev/sdh").identity.wwn == Unavailable("the device gives none")  # t10 and a model


def test_empty_drives_have_no_size() -> None:
    machine = described("workshop")
    assert device(machine, "/dev/sr0").identity.size_bytes == 0  # the kernel says 1 GiB
    assert device(machine, "/dev/sdg").identity.size_bytes == 0
    assert device(machine, "/dev/sr0").content == Unavailable("no medium")
    slots = {item.path for item in machine.devices if item.is_free_slot}
    assert slots == {"/dev/loop1"}


def test_flags() -> None:
    machine = described("workshop")
    assert [item.path for item in machine.devices if item.zoned] == ["/dev/sdd"]
    assert [item.path for item in machine.devices if item.read_only] == ["/dev/sdh", "/dev/loop0"]
    assert {"/dev/sdg", "/dev/sdh", "/dev/sr0"} <= {item.path for item in machine.devices if item.removable}
    assert machine.driverless == ("8086:2822 at 0000:00:17.2",)


def test_a_partition_is_read_only_with_its_disk_or_alone() -> None:
    assert device(with_attribute("server", "sda", "ro", "1"), "/dev/sda2").read_only
    alone = with_attribute("server", "sda2", "ro", "1")
    assert device(alone, "/dev/sda2").read_only
    assert not device(alone, "/dev/sda").read_only


def test_fabric_reaches_through_multipath_and_spares_what_is_local() -> None:
    machine = described("san")
    fabric = {item.path for item in machine.devices if item.fabric}
    shared = {f"/dev/{name}" for name in ("sda", "sdb", "sdc", "sdd", "sde", "nvme1n1", "dm-0")}
    assert fabric == shared
    assert not any(item.fabric for item in described("laptop").devices)


def test_names_with_a_slash_and_hidden_paths() -> None:
    paths = [item.path for item in described("san").devices]
    assert "/dev/cciss/c0d0p1" in paths
    assert not any("nvme1c1n1" in path for path in paths)
    hidden = with_attribute("server", "sdc", "hidden", "1")
    assert "/dev/sdc" not in [item.path for item in hidden.devices]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("server", {"sda", "sda1", "sda2", "sdb", "sdb2", "md0", "dm-0"}),
        ("laptop", {"nvme0n1", "nvme0n1p1", "nvme0n1p2", "nvme0n1p3", "dm-0", "dm-1"}),
        ("vps", {"vda", "vda1"}),
        ("san", {"cciss/c0d0", "cciss/c0d0p1"}),
        ("workshop", {"sda", "sda2"}),
        ("live", {"sdb", "sdb1", "loop0"}),  # an overlay over a loop device over a file on the stick
        ("recovery", {"sdb", "sdb1", "sdb2"}),  # nothing of it is mounted
        ("here", {"vda"}),
        ("witnesses", set()),
    ],
)
def test_boot_devices(name: str, expected: set[str]) -> None:
    found = {item.path for item in described(name).devices if item.boot}
    assert found == {f"/dev/{node}" for node in expected}


def test_a_live_medium_counts_by_its_mount_point_alone() -> None:
    snapshot = load("workshop")
    view = snapshot.mounts[0]
    line = "90 28 8:112 / /run/live/medium ro,noatime shared:9 - iso9660 /dev/sdh ro"
    machine = describe(replace(snapshot, mounts=(replace(view, lines=(*view.lines, line)),)))
    assert device(machine, "/dev/sdh").boot


def test_the_first_process_shows_what_a_container_hides() -> None:
    snapshot = load("vps")
    view = snapshot.mounts[0]
    inside = replace(view, lines=("1 0 0:99 / / rw - overlay overlay rw,lowerdir=/nowhere",))
    assert not device(describe(replace(snapshot, mounts=(inside,))), "/dev/vda").boot
    mounts = (inside, replace(view, pid=1, comm="systemd"))
    assert device(describe(replace(snapshot, mounts=mounts)), "/dev/vda").boot


OURS = f"SHREDDER {'A' * 64}"
UNREADABLE = Unavailable("the device could not be read: Input/output error")
NOT_REMOVABLE = "it has the mark of the running image, and is no removable disk"
NOT_ALONE = "it is not the only removable disk with the mark of the running image"


def in_recovery(marks: dict[str, Fact], **attributes: str) -> Machine:
    """The machine of the recovery image with these marks; `attributes` say which disks are removable."""
    snapshot = load("recovery")
    blocks = tuple(
        replace(block, attributes={**block.attributes, "removable": attributes[block.name]})
        if block.name in attributes
        else block
        for block in snapshot.blocks
    )
    return describe(replace(snapshot, marks=marks, blocks=blocks))


def carriers(marks: dict[str, Fact], **attributes: str) -> set[str]:
    found = in_recovery(marks, **attributes).devices
    return {item.path.removeprefix("/dev/") for item in found if item.boot}


def doubts(marks: dict[str, Fact], **attributes: str) -> dict[str, str]:
    found = in_recovery(marks, **attributes).devices
    return {item.path.removeprefix("/dev/"): item.boot_doubt for item in found if item.boot_doubt}


def test_the_mark_of_the_running_image_makes_a_boot_medium_and_no_label_does() -> None:
    other = f"SHREDDER {'B' * 64}"
    assert carriers({}) == set()
    assert carriers({"sda": other, "sda2": other}) == set()
    assert carriers({"sdb": OURS}) == {"sdb", "sdb1", "sdb2"}
    assert carriers({"sdb2": OURS}) == {"sdb", "sdb2"}
    assert carriers({"sda2": OURS}, sda="1") == {"sda", "sda2"}
    assert carriers({"sdb": OURS}, sdb="0") == {"sdb", "sdb1", "sdb2"}  # a USB disk that says it is fixed
    assert carriers({"gone": OURS}) == set()
    assert doubts({"sdb": OURS, "sda": other, "sdc": UNREADABLE, "gone": UNREADABLE}) == {}


def test_a_mark_is_not_believed_of_an_internal_disk() -> None:
    assert carriers({"sda2": OURS}) == set()
    assert doubts({"sda2": OURS}) == dict.fromkeys(("sda", "sda2"), NOT_REMOVABLE)
    both: dict[str, Fact] = {"sdc": OURS, "sdb": OURS}
    assert carriers(both) == {"sdb", "sdb1", "sdb2"}
    assert doubts(both) == {"sdc": NOT_REMOVABLE}


def test_of_two_removable_disks_with_the_mark_none_is_believed() -> None:
    both: dict[str, Fact] = {"sdc": OURS, "sdb": OURS, "sdb1": OURS}
    assert carriers(both, sdc="1") == set()
    assert doubts(both, sdc="1") == dict.fromkeys(("sdb", "sdb1", "sdb2", "sdc"), NOT_ALONE)


def test_a_removable_disk_that_cannot_be_read_may_be_the_boot_medium() -> None:
    assert doubts({"sdb": UNREADABLE}) == dict.fromkeys(
        ("sdb", "sdb1", "sdb2"), "the place of its mark cannot be read"
    )
    assert carriers({"sdb": UNREADABLE}) == set()
    known: dict[str, Fact] = {"sdb": OURS, "sdb2": UNREADABLE}
    assert (carriers(known), doubts(known)) == ({"sdb", "sdb1", "sdb2"}, {})


def test_without_a_running_image_no_mark_counts() -> None:
    snapshot = load("recovery")
    machine = describe(replace(snapshot, host=replace(snapshot.host, image=None)))
    assert not any(item.boot for item in machine.devices)
    assert machine.host.image == Unavailable("not started from a recovery image")


def test_where_the_mark_could_not_be_looked_for_there_is_a_note() -> None:
    assert described("recovery").notes == (
        "boot medium: not looked for on /dev/sdc: the device could not be read: Input/output error",
    )


def test_the_image_and_secure_boot_are_facts_of_the_host() -> None:
    host = described("recovery").host
    assert (host.image, host.secure_boot) == (f"shredder image 1.0.0 sha256:{'a' * 64}", "on")
    assert described("server").host.secure_boot == "off"
    assert described("vps").host.secure_boot == Unavailable("not started by UEFI firmware")


def test_the_witnesses_disagree() -> None:
    found = {item.path: item.disagreements for item in described("witnesses").devices if item.disagreements}
    assert found == {
        "/dev/sda": ("size: sysfs says 68719476736 bytes, lsblk 34359738368",),
        "/dev/sdb": ("read-only: sysfs says no, lsblk yes",),
    }
    for name in ("server", "laptop", "vps", "san", "workshop", "here", "recovery"):
        assert not any(item.disagreements for item in described(name).devices), name


def test_without_the_second_witness_there_is_a_note() -> None:
    snapshot = replace(load("vps"), witness=Unavailable("lsblk is not there"), contents=Unavailable("gone"))
    machine = describe(snapshot)
    assert not any(item.disagreements for item in machine.devices)
    assert "blkinfo: unavailable: lsblk is not there" in machine.notes
    assert device(machine, "/dev/vdb").content == Unavailable("gone")


def test_what_could_not_be_seen_is_noted() -> None:
    assert described("witnesses").notes == (
        "mounts: those of 2 processes could not be read",
        "processes: the open files of 3 processes could not be read",
        "processes: only those of this container can be seen",
    )


def test_host_facts_and_firmware_placeholders() -> None:
    server = described("server").host
    assert (server.hostname, server.vendor, server.serial) == ("server1", "Dell Inc.", "7XYZ123")
    assert server.clock_source == "tsc"
    workshop = described("workshop").host
    assert workshop.vendor == Unavailable('the firmware says "To Be Filled By O.E.M."')
    assert workshop.serial == Unavailable("the firmware leaves it blank")
    assert workshop.product_uuid == Unavailable("the firmware gives no DMI data")
    assert described("vps").host.product_uuid == Unavailable("only root may read it")


def test_find_device_by_path_and_link() -> None:
    machine = described("server")
    link = "/dev/disk/by-id/wwn-0x5000c500a4b5c6d7"
    for name in ("/dev/sdc", "/dev/../dev/sdc", link):
        found = find_device(machine, name)
        assert found is not None
        assert found.path == "/dev/sdc"
    assert find_device(machine, "/dev/sdz") is None
    assert find_device(machine, "sdc") is None


def test_a_link_that_two_paths_claim_names_neither() -> None:
    link = "/dev/disk/by-id/wwn-0x600601601234560011223344556677bb"
    machine = described("san")
    assert link in device(machine, "/dev/sdc").links
    assert link in device(machine, "/dev/sdd").links
    assert find_device(machine, link) is None
