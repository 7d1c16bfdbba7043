"""Every use is found, through whatever lies between the disk and its user."""

from dataclasses import replace

import pytest

from shredder.discover import Snapshot, describe
from shredder.discover.snapshot import RawMounts, RawOpen
from shredder.model import Use, UseKind
from tests.machines import described, device, load

MOUNT, SWAP, HOLDER, LOOP, OPEN = UseKind.MOUNT, UseKind.SWAP, UseKind.HOLDER, UseKind.LOOP, UseKind.OPEN


def uses(name: str, path: str) -> set[Use]:
    return set(device(described(name), path).uses)


def uses_in(snapshot: Snapshot, path: str) -> set[Use]:
    return set(device(describe(snapshot), path).uses)


def mounted_too(snapshot: Snapshot, *lines: str) -> Snapshot:
    view = snapshot.mounts[0]
    return replace(snapshot, mounts=(replace(view, lines=(*view.lines, *lines)), *snapshot.mounts[1:]))


RAID_MEMBER = [
    (HOLDER, "md0 (raid1)"),
    (HOLDER, "dm-0 (vg-root) through md0 (raid1)"),
    (HOLDER, "dm-1 (vg-swap) through md0 (raid1)"),
    (MOUNT, "/ through dm-0 (vg-root)"),
    (SWAP, "swap through dm-1 (vg-swap)"),
]


@pytest.mark.parametrize("disk", ["/dev/sda", "/dev/sdb"])
def test_both_halves_of_a_raid_carry_what_stands_on_it(disk: str) -> None:
    member = f"{disk}2"
    expected = {Use(kind, member, by) for kind, by in RAID_MEMBER}
    assert uses("server", member) == expected
    boot = {Use(MOUNT, "/dev/sda1", "/boot/efi")} if disk == "/dev/sda" else set()
    assert uses("server", disk) == expected | boot


def test_a_partition_does_not_answer_for_its_neighbour() -> None:
    assert uses("server", "/dev/sdb1") == set()
    assert uses("server", "/dev/sda1") == {Use(MOUNT, "/dev/sda1", "/boot/efi")}
    assert uses("server", "/dev/sdc") == set()


def test_luks_under_lvm_under_root_and_swap() -> None:
    member = "/dev/nvme0n1p3"
    assert uses("laptop", member) == {
        Use(HOLDER, member, "dm-0 (luks-home)"),
        Use(HOLDER, member, "dm-1 (lap-root) through dm-0 (luks-home)"),
        Use(HOLDER, member, "dm-2 (lap-swap) through dm-0 (luks-home)"),
        Use(MOUNT, member, "/ through dm-1 (lap-root)"),
        Use(SWAP, member, "swap through dm-2 (lap-swap)"),
    }
    assert uses("laptop", member) < uses("laptop", "/dev/nvme0n1")
    assert uses("laptop", "/dev/zram0") == {Use(SWAP, "/dev/zram0", "swap")}


def test_either_side_of_a_stack_is_believed() -> None:
    snapshot = load("laptop")
    without_holders = tuple(replace(block, holders=()) for block in snapshot.blocks)
    without_slaves = tuple(replace(block, slaves=()) for block in snapshot.blocks)
    for blocks in (without_holders, without_slaves):
        found = uses_in(replace(snapshot, blocks=blocks), "/dev/nvme0n1p3")
        assert found == uses("laptop", "/dev/nvme0n1p3")


def test_mounts_of_all_namespaces_with_blanks_in_their_names() -> None:
    assert uses("vps", "/dev/vda1") == {
        Use(MOUNT, "/dev/vda1", "/"),
        Use(MOUNT, "/dev/vda1", "/srv/with blank"),
        Use(MOUNT, "/dev/vda1", "/in jail as process 988 (nginx) sees it"),
        Use(OPEN, "/dev/vda", "process 812 (backupd)"),
    }
    assert uses("vps", "/dev/vdb") == set()


def test_a_mount_that_only_another_namespace_sees() -> None:
    snapshot = load("vps")
    view = RawMounts(55, "udisksd", ("1 0 252:16 / /media/x rw - ext4 /dev/vdb rw",))
    found = uses_in(replace(snapshot, mounts=(*snapshot.mounts, view)), "/dev/vdb")
    assert found == {Use(MOUNT, "/dev/vdb", "/media/x as process 55 (udisksd) sees it")}


@pytest.mark.parametrize("disk", ["/dev/sda", "/dev/sdb"])
def test_multipath_holds_both_paths(disk: str) -> None:
    assert uses("san", disk) == {
        Use(HOLDER, disk, "dm-0 (mpatha)"),
        Use(MOUNT, disk, "/srv/db through dm-0 (mpatha)"),
        Use(OPEN, disk, "process 901 (postgres) through dm-0 (mpatha)"),
    }


def test_open_without_a_holder_and_an_external_log() -> None:
    assert uses("san", "/dev/sdc") == {Use(OPEN, "/dev/sdc", "process 733 (multipathd)")}
    assert uses("san", "/dev/sdd") == set()
    assert uses("san", "/dev/sde") == {Use(MOUNT, "/dev/sde", "/srv/db")}  # logdev=


def test_names_with_a_slash_are_mounted_too() -> None:
    part = "/dev/cciss/c0d0p1"
    assert uses("san", "/dev/cciss/c0d0") == uses("san", part) == {Use(MOUNT, part, "/")}


def test_every_device_of_a_btrfs_is_mounted() -> None:
    assert uses("workshop", "/dev/sda1") == {Use(MOUNT, "/dev/sda1", "/home")}
    assert uses("workshop", "/dev/sdb1") == {Use(MOUNT, "/dev/sdb1", "/home")}
    assert uses("workshop", "/dev/sdb") == {Use(MOUNT, "/dev/sdb1", "/home")}


def test_a_btrfs_mounted_out_of_sight_still_counts() -> None:
    snapshot = load("workshop")
    found = uses_in(replace(snapshot, btrfs={"abc": ("sdd",)}), "/dev/sdd")
    assert found == {Use(MOUNT, "/dev/sdd", "an unknown place (btrfs abc)")}


def test_whole_disk_loop_zfs_and_zram_writeback() -> None:
    assert uses("workshop", "/dev/sdc") == {Use(MOUNT, "/dev/sdc", "/srv/archive")}
    assert uses("workshop", "/dev/sde") == {
        Use(LOOP, "/dev/sde", "loop2"),
        Use(MOUNT, "/dev/sde", "/mnt/inner through loop2"),
    }
    assert uses("workshop", "/dev/sdf") == {
        Use(HOLDER, "/dev/sdf1", "a ZFS pool that may be imported"),
        Use(HOLDER, "/dev/sdf2", "zram0"),
    }
    assert uses("workshop", "/dev/loop0") == {Use(MOUNT, "/dev/loop0", "/snap/core/1")}


def test_a_zfs_member_is_free_when_nothing_can_import_it() -> None:
    assert uses_in(replace(load("workshop"), zfs_loaded=False), "/dev/sdf1") == set()


def test_a_zfs_member_that_only_blkid_recognises() -> None:
    snapshot = load("vps")
    assert isinstance(snapshot.contents, dict)
    snapshot = replace(snapshot, contents=snapshot.contents | {"vdb": "zfs_member"}, zfs_loaded=True)
    assert {use.kind for use in uses_in(snapshot, "/dev/vdb")} == {HOLDER}


@pytest.mark.parametrize(
    "line",
    [
        "90 28 8:48 / /x rw - ext4 /dev/root rw",
        "90 28 0:77 / /x rw - fuseblk /dev/sdd rw",
        "90 28 0:77 / /x rw - fuseblk /dev/disk/by-id/wwn-0x5000cca264000001 rw",
        "90 28 0:77 / /x rw - bcachefs /dev/loop1:/dev/sdd rw",
        "90 28 0:77 / /x rw - ext4 /dev/elsewhere rw,journal_path=/dev/sdd",
        "90 28 0:77 / /x rw master:3 propagate_from:2 - ext4 /dev/block/8:48 rw",
        "90 28 0:77 / /x rw - ext4 /dev/sdd\\040(deleted) rw",
    ],
)
def test_a_mount_names_its_device_in_many_ways(line: str) -> None:
    assert Use(MOUNT, "/dev/sdd", "/x") in uses_in(mounted_too(load("workshop"), line), "/dev/sdd")


@pytest.mark.parametrize("line", ["", "90 28 8:48", "90 28 8:48 / /x rw ext4 /dev/sdd rw", "a - b"])
def test_a_line_that_is_no_mount_is_none(line: str) -> None:
    assert uses_in(mounted_too(load("workshop"), line), "/dev/sdd") == set()


@pytest.mark.parametrize(
    "name", ["/dev/sdd", "/dev/sdd\\040(deleted)", "/dev/disk/by-path/pci-0000:00:17.0-ata-4"]
)
def test_swap_names_its_device_in_many_ways(name: str) -> None:
    snapshot = replace(load("workshop"), swaps=(f"{name}\tpartition\t1024\t0\t-2",))
    assert uses_in(snapshot, "/dev/sdd") == {Use(SWAP, "/dev/sdd", "swap")}


def test_a_partition_answers_for_what_uses_its_disk() -> None:
    snapshot = load("workshop")
    snapshot = replace(snapshot, opens=(RawOpen("8:80", 4, "dd"), RawOpen("8:82", 5, "cat")))
    part = uses_in(snapshot, "/dev/sdf1")
    assert Use(OPEN, "/dev/sdf", "process 4 (dd)") in part
    assert not any("process 5" in use.by for use in part)
    assert Use(OPEN, "/dev/sdf2", "process 5 (cat)") in uses_in(snapshot, "/dev/sdf")


def test_partitions_of_what_is_stacked_count_too() -> None:
    snapshot = load("server")
    md0 = next(block for block in snapshot.blocks if block.name == "md0")
    attributes = {"partition": "1", "start": "2048", "size": "4096", "ro": "0"}
    part = replace(
        md0, name="md0p1", number="259:9", sys_path=f"{md0.sys_path}/md0p1", attributes=attributes,
        slaves=(), holders=(), properties={},
    )  # fmt: skip
    snapshot = mounted_too(
        replace(snapshot, blocks=(*snapshot.blocks, part)), "90 28 259:9 / /on-raid rw - ext4 /dev/md0p1 rw"
    )
    assert Use(MOUNT, "/dev/sdb2", "/on-raid through md0p1") in uses_in(snapshot, "/dev/sdb")


def test_what_could_not_be_looked_at_may_use_every_device() -> None:
    machine = described("witnesses")
    for item in machine.devices:
        assert [(use.kind, use.device) for use in item.uses] == [(UseKind.UNSEEN, item.path)]
    assert not any(use.kind is UseKind.UNSEEN for item in described("server").devices for use in item.uses)
