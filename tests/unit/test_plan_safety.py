"""Every reason to refuse a device, what may lift it, and whether a device is still the planned one."""

from dataclasses import replace
from typing import Any

import pytest

from shredder.errors import UsageError
from shredder.model import Device, DeviceKind, Identity, Refusal, RefusalKind, Unavailable, Use, UseKind
from shredder.plan.safety import LIFTABLE, check, identity_changes, overlaps, same_medium, split_refusals
from tests.unit.builders import GIB, NONE, make_device, make_identity, make_machine, make_partition

MIB = 1 << 20


def kinds(refusals: tuple[Refusal, ...]) -> list[str]:
    return [refusal.kind.value for refusal in refusals]


def make_disk_with_two(**second: Any) -> tuple[Device, Device, Device]:
    disk = make_device(partitions=("/dev/sda1", "/dev/sda2"))
    one = make_partition(disk, 1, MIB, GIB)
    two = make_partition(disk, 2, MIB + GIB, GIB, **second)
    return replace(disk, uses=two.uses), one, two


def test_a_healthy_disk_that_nothing_uses() -> None:
    disk = make_device()
    assert check(disk, make_machine(disk, make_device("/dev/sdb"))) == ()


@pytest.mark.parametrize("kind", [DeviceKind.LOOP, DeviceKind.ZRAM, DeviceKind.IMAGE])
def test_other_kinds_that_may_be_named(kind: DeviceKind) -> None:
    device = make_device("/dev/loop0", kind=kind, serial=NONE, instance="diskseq 12")
    assert check(device, make_machine()) == ()


@pytest.mark.parametrize(
    ("kind", "by", "detail"),
    [
        (UseKind.MOUNT, "/srv", "/dev/sda is mounted at /srv"),
        (UseKind.MOUNT, "/ through dm-0 (vg-root)", "/dev/sda is mounted at / through dm-0 (vg-root)"),
        (UseKind.SWAP, "swap", "/dev/sda is in use as swap"),
        (UseKind.HOLDER, "dm-0 (vg-root)", "/dev/sda is held by dm-0 (vg-root)"),
        (UseKind.LOOP, "/dev/loop3", "/dev/sda is the backing of /dev/loop3"),
        (UseKind.SWAP, "swap through md0", "/dev/sda is in use as swap through md0"),
        (UseKind.OPEN, "process 812 (smartd)", "/dev/sda is opened by process 812 (smartd)"),
        (
            UseKind.UNSEEN,
            "some processes could not be looked at",
            "/dev/sda may be in use: some processes could not be looked at",
        ),
    ],
)
def test_uses(kind: UseKind, by: str, detail: str) -> None:
    disk = make_device(uses=(Use(kind, "/dev/sda", by),))
    assert check(disk, make_machine(disk)) == (Refusal(RefusalKind(kind.value), "/dev/sda", detail),)


def test_every_use_refuses_under_its_own_name() -> None:
    uses = tuple(Use(kind, "/dev/sda", "x") for kind in UseKind)
    found = check(make_device(uses=uses), make_machine())
    assert kinds(found) == [kind.value for kind in UseKind]


@pytest.mark.parametrize(
    ("facts", "kind", "word"),
    [
        ({"read_only": True}, "read-only", "read-only"),
        ({"size_bytes": 0}, "size", "size zero"),
        ({"zoned": True}, "zoned", "zoned"),
        ({"boot": True}, "boot", "running system"),
        ({"kind": DeviceKind.DM}, "kind", "device-mapper"),
        ({"kind": DeviceKind.MD}, "kind", "RAID"),
        ({"kind": DeviceKind.OPTICAL}, "kind", "optical"),
        ({"kind": DeviceKind.OTHER}, "kind", "no kind of device"),
        ({"disagreements": ("size: 1 and 2",)}, "witness", "size: 1 and 2"),
        ({"serial": NONE}, "identity", "neither serial"),
        ({"serial": NONE, "by_path": "pci-0000:00:05.0"}, "identity", "neither serial"),
    ],
)
def test_states(facts: dict[str, Any], kind: str, word: str) -> None:
    device = make_device(**facts)
    (refusal,) = check(device, make_machine(device))
    assert (refusal.kind, refusal.device) == (kind, "/dev/sda")
    assert word in refusal.detail
    assert refusal.detail.startswith("/dev/sda ")


def test_each_disagreement_is_told() -> None:
    device = make_device(disagreements=("size: 1 and 2", "read-only: yes and no"))
    assert kinds(check(device, make_machine())) == ["witness", "witness"]


@pytest.mark.parametrize("fact", ["serial", "wwn", "instance", "partition_table_uuid"])
def test_one_fact_is_enough_to_know_a_device_by(fact: str) -> None:
    facts: dict[str, Any] = {"serial": NONE, fact: "known"}
    device = make_device(**facts)
    assert check(device, make_machine()) == ()


MEMBERS = [
    "LVM2_member",
    "linux_raid_member",
    "zfs_member",
    "ddf_raid_member",
    "mpath_member",
    "VMFS_volume_member",
    "VMFS",
    "bcache",
    "drbd",
    "ceph_bluestore",
    "stratis",
    "vdo",
]


@pytest.mark.parametrize("content", MEMBERS)
def test_members_on_the_disk_or_on_a_partition(content: str) -> None:
    whole = make_device(content=content)
    (refusal,) = check(whole, make_machine(whole))
    assert (refusal.kind, refusal.device) == (RefusalKind.MEMBER, "/dev/sda")
    disk, one, two = make_disk_with_two(content=content)
    machine = make_machine(disk, one, two)
    for target in (disk, two):
        (refusal,) = check(target, machine)
        assert (refusal.kind, refusal.device) == (RefusalKind.MEMBER, "/dev/sda2")
        assert content in refusal.detail
    assert check(one, machine) == ()


@pytest.mark.parametrize("content", ["crypto_LUKS", "ext4", "btrfs", "vfat", "gpt", NONE])
def test_what_is_no_member(content: Any) -> None:
    assert check(make_device(content=content), make_machine()) == ()


def test_an_active_member_is_refused_for_its_holder_once() -> None:
    uses = (Use(UseKind.HOLDER, "/dev/sda2", "md0"),)
    disk, one, two = make_disk_with_two(content="linux_raid_member", uses=uses)
    machine = make_machine(disk, one, two)
    assert kinds(check(disk, machine)) == ["holder"]
    assert kinds(check(two, machine)) == ["holder"]


def test_a_holder_elsewhere_does_not_hide_a_member() -> None:
    disk, one, two = make_disk_with_two(content="zfs_member")
    disk = replace(disk, uses=(Use(UseKind.HOLDER, "/dev/sda1", "dm-0"),))
    assert kinds(check(disk, make_machine(disk, one, two))) == ["holder", "member"]


def test_a_disk_answers_for_its_partitions_once() -> None:
    disk, one, two = make_disk_with_two(uses=(Use(UseKind.MOUNT, "/dev/sda2", "/home"),))
    machine = make_machine(disk, one, two)
    assert [str(item) for item in check(disk, machine)] == ["/dev/sda2 is mounted at /home"]
    assert check(one, machine) == ()


def test_a_disk_answers_for_partitions_also_where_discovery_did_not_fold_them() -> None:
    disk, one, two = make_disk_with_two(uses=(Use(UseKind.SWAP, "/dev/sda2", "swap"),), boot=True)
    disk = replace(disk, uses=())
    assert kinds(check(disk, make_machine(disk, one, two))) == ["swap", "boot"]


def test_a_partition_answers_for_the_disk_itself() -> None:
    disk, one, two = make_disk_with_two(uses=(Use(UseKind.MOUNT, "/dev/sda2", "/home"),))
    disk = replace(disk, uses=(*disk.uses, Use(UseKind.LOOP, "/dev/sda", "/dev/loop0")))
    machine = make_machine(disk, one, two)
    assert [str(item) for item in check(one, machine)] == ["/dev/sda is the backing of /dev/loop0"]


def test_a_partition_answers_for_one_that_overlaps_it() -> None:
    disk = make_device(partitions=("/dev/sda1", "/dev/sda2"))
    whole = make_partition(disk, 1, 0, 4 * GIB, uses=(Use(UseKind.MOUNT, "/dev/sda1", "/run/live"),))
    inner = make_partition(disk, 2, GIB, MIB)
    machine = make_machine(disk, whole, inner)
    assert [str(item) for item in check(inner, machine)] == ["/dev/sda1 is mounted at /run/live"]


def make_paths(**other: Any) -> tuple[Device, Device]:
    return make_device("/dev/sda", serial="A", wwn="0x5"), make_device(
        "/dev/sdb", **{"serial": "A", "wwn": "0x5", **other}
    )


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        ({"uses": (Use(UseKind.MOUNT, "/dev/sdb", "/srv"),)}, "mount"),
        ({"content": "zfs_member"}, "member"),
        ({"boot": True}, "boot"),
        ({"read_only": True}, "read-only"),
        ({"disagreements": ("size: 1 and 2",)}, "witness"),
    ],
)
def test_what_is_known_of_one_path_refuses_the_other(facts: dict[str, Any], kind: str) -> None:
    one, other = make_paths(**facts)
    machine = make_machine(one, other)
    assert [(item.kind, item.device) for item in check(one, machine)] == [(kind, "/dev/sdb")]
    assert check(one, machine) == check(other, machine)


def test_a_volume_on_a_disk_is_no_other_path_to_it() -> None:
    disk, volume = make_paths(kind=DeviceKind.DM)
    disk = replace(disk, uses=(Use(UseKind.HOLDER, "/dev/sda", "dm-0"),))
    assert kinds(check(disk, make_machine(disk, volume))) == ["holder"]


def test_a_partition_of_one_path_is_refused_for_a_use_through_the_other() -> None:
    one, other = make_paths(partitions=("/dev/sdb1",))
    one = replace(one, partitions=("/dev/sda1",))
    target = make_partition(one, 1, MIB, GIB)
    used = make_partition(other, 1, MIB, GIB, uses=(Use(UseKind.MOUNT, "/dev/sdb1", "/srv"),))
    other = replace(other, uses=used.uses)
    machine = make_machine(one, target, other, used)
    assert [str(item) for item in check(target, machine)] == ["/dev/sdb1 is mounted at /srv"]


@pytest.mark.parametrize(
    ("facts", "same"),
    [
        ({}, True),
        ({"serial": NONE}, True),
        ({"serial": "B"}, False),
        ({"wwn": "0x6"}, False),
        ({"wwn": NONE}, False),
        ({"size_bytes": GIB}, False),
        ({"start_bytes": MIB}, False),
    ],
)
def test_the_same_medium(facts: dict[str, Any], same: bool) -> None:
    one, other = make_paths(**facts)
    assert same_medium(one, other) is same
    assert same_medium(other, one) is same
    assert overlaps(one, other, make_machine(one, other)) is same


def test_two_unknown_wwns_are_not_the_same() -> None:
    assert not same_medium(make_device(serial="A"), make_device("/dev/sdb", serial="A"))


def test_what_overlaps() -> None:
    disk, one, two = make_disk_with_two()
    machine = make_machine(disk, one, two)
    assert overlaps(disk, one, machine)
    assert overlaps(two, disk, machine)
    assert not overlaps(one, two, machine)
    assert not overlaps(two, one, machine)
    assert not overlaps(disk, make_device("/dev/sdb"), machine)


def test_what_may_be_lifted() -> None:
    assert {kind.value for kind in LIFTABLE} == {
        "open",
        "unseen",
        "member",
        "identity",
        "witness",
        "boot",
        "copies",
    }


@pytest.mark.parametrize("kind", sorted(LIFTABLE))
def test_lifting_one_kind_leaves_the_others(kind: RefusalKind) -> None:
    refusals = tuple(Refusal(item, "/dev/sda", f"because of {item}") for item in RefusalKind)
    standing, lifted = split_refusals(refusals, frozenset({kind}))
    assert [item.kind for item in lifted] == [kind]
    assert [item.kind for item in standing] == [item for item in RefusalKind if item is not kind]


def test_nothing_is_lifted_unasked() -> None:
    refusals = tuple(Refusal(item, "/dev/sda", "because") for item in RefusalKind)
    assert split_refusals(refusals, frozenset()) == (refusals, ())


@pytest.mark.parametrize("kind", sorted(set(RefusalKind) - LIFTABLE))
def test_what_cannot_be_lifted(kind: RefusalKind) -> None:
    with pytest.raises(UsageError, match=f'"{kind}" cannot be lifted') as caught:
        split_refusals((), frozenset({kind, RefusalKind.OPEN}))
    assert caught.value.hint == "can be lifted: boot, copies, identity, member, open, unseen, witness"


STRONG = make_identity(
    serial="A1", wwn="0x5", by_path="pci-1", partition_table_uuid="uuid-1", instance="diskseq 4"
)
WEAK = make_identity(by_path="pci-1", partition_table_uuid="uuid-1", instance="diskseq 4")


@pytest.mark.parametrize("identity", [STRONG, WEAK, make_identity(wwn="0x5"), make_identity(serial="A1")])
@pytest.mark.parametrize("same_attachment", [True, False])
def test_an_unchanged_device(identity: Identity, same_attachment: bool) -> None:
    assert identity_changes(identity, identity, same_attachment=same_attachment) == ()


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"serial": "B2"}, "serial: planned A1, found B2"),
        ({"serial": NONE}, "serial: planned A1, found unavailable: not reported"),
        ({"wwn": "0x6"}, "WWN: planned 0x5, found 0x6"),
        ({"wwn": NONE}, "WWN: planned 0x5, found unavailable: not reported"),
        ({"size_bytes": 5}, f"size in bytes: planned {8 * GIB}, found 5"),
        ({"start_bytes": 5}, "start in bytes: planned 0, found 5"),
        ({"logical_sector_bytes": 4096}, "logical sector in bytes: planned 512, found 4096"),
    ],
)
@pytest.mark.parametrize("same_attachment", [True, False])
def test_what_always_counts(facts: dict[str, Any], told: str, same_attachment: bool) -> None:
    found = replace(STRONG, **facts)
    assert identity_changes(STRONG, found, same_attachment=same_attachment) == (told,)


def test_where_a_unique_device_is_plugged_in_does_not_count() -> None:
    found = replace(STRONG, by_path="pci-2", partition_table_uuid=NONE, instance="diskseq 9")
    assert identity_changes(STRONG, found, same_attachment=True) == ()


@pytest.mark.parametrize(
    ("facts", "name", "resuming_too"),
    [
        ({"by_path": "pci-2"}, "by-path name: planned pci-1, found pci-2", True),
        ({"by_path": NONE}, "by-path name: planned pci-1, found unavailable: not reported", True),
        ({"partition_table_uuid": "uuid-2"}, "partition table UUID: planned uuid-1, found uuid-2", False),
        ({"instance": "diskseq 9"}, "attachment: planned diskseq 4, found diskseq 9", False),
        ({"instance": NONE}, "attachment: planned diskseq 4, found unavailable: not reported", False),
        ({"serial": "B2"}, "serial: planned unavailable: not reported, found B2", True),
        ({"wwn": "0x5"}, "WWN: planned unavailable: not reported, found 0x5", True),
    ],
)
def test_what_counts_without_serial_and_wwn(facts: dict[str, Any], name: str, resuming_too: bool) -> None:
    found = replace(WEAK, **facts)
    assert identity_changes(WEAK, found, same_attachment=True) == (name,)
    assert identity_changes(WEAK, found, same_attachment=False) == ((name,) if resuming_too else ())


def test_facts_that_the_plan_does_not_know_are_not_compared() -> None:
    planned = replace(STRONG, wwn=Unavailable("no udev"))
    assert identity_changes(planned, STRONG, same_attachment=True) == ()
    weak = make_identity(instance="diskseq 4")
    assert identity_changes(weak, replace(WEAK, by_path="pci-7"), same_attachment=True) == ()
    other_reason = make_identity(serial=Unavailable("no udev"), instance="diskseq 4")
    assert identity_changes(weak, other_reason, same_attachment=True) == ()


def test_every_difference_is_told() -> None:
    found = make_identity(serial="B2", wwn="0x6", size_bytes=1, start_bytes=1, logical_sector_bytes=4096)
    assert len(identity_changes(STRONG, found, same_attachment=True)) == 5
