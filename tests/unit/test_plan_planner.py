"""From a machine and a request to a plan."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from shredder.errors import UsageError
from shredder.model import (
    Device,
    DeviceKind,
    LeftOutWhy,
    MediumKind,
    PassKind,
    Plan,
    RefusalKind,
    Use,
    UseKind,
    VerifyKind,
)
from shredder.plan.estimate import RATES_BYTES_PER_S, estimate_s
from shredder.plan.left_out import find_appeared, with_others
from shredder.plan.methods import METHODS, build_passes
from shredder.plan.planner import incomplete_before_start, plan_all, plan_named
from shredder.plan.sampling import sampled_bytes
from shredder.records import canonical
from tests.unit.builders import GIB, NONE, make_device, make_machine, make_partition, make_request

MIB = 1 << 20
NO_OUTPUT: frozenset[str] = frozenset()
REFUSED, EXCEPTED, NOT_NAMED = LeftOutWhy.REFUSED, LeftOutWhy.EXCEPTED, LeftOutWhy.NOT_NAMED
SDA, SDB = make_device("/dev/sda"), make_device("/dev/sdb")


def left(plan: Plan) -> dict[str, LeftOutWhy]:
    return {item.path: item.why for item in plan.left_out}


def paths(plan: Plan) -> list[str]:
    return [step.path for step in plan.steps]


def used(path: str, *uses: tuple[UseKind, str], **facts: Any) -> Device:
    return make_device(path, uses=tuple(Use(kind, path, by) for kind, by in uses), **facts)


def test_a_named_disk() -> None:
    plan = plan_named(make_machine(SDA, SDB), (SDB,), make_request())
    (step,) = plan.steps
    assert (step.path, step.identity, step.kind, step.aliases) == (
        "/dev/sdb",
        SDB.identity,
        DeviceKind.DISK,
        (),
    )
    assert (step.medium, step.vendor, step.model) == (SDB.medium, SDB.vendor, SDB.model)
    assert [item.kind for item in step.passes] == [PassKind.RANDOM]
    assert (plan.version, plan.all_disks, plan.method, plan.verify) == (1, False, "random", VerifyKind.FULL)
    assert left(plan) == {"/dev/sda": NOT_NAMED}
    (other,) = plan.left_out
    assert (other.model, other.serial, other.size_bytes) == ("Spinner 8", "S-sda", 8 * GIB)
    assert not incomplete_before_start(plan)


def test_targets_keep_their_order() -> None:
    assert paths(plan_named(make_machine(SDA, SDB), (SDB, SDA), make_request())) == ["/dev/sdb", "/dev/sda"]


def test_an_image_file_beside_the_machine() -> None:
    image = make_device(
        "/tmp/disk.img", kind=DeviceKind.IMAGE, serial=NONE, instance="inode 8:1/99", size_bytes=1_000_003
    )
    plan = plan_named(make_machine(SDA), (image,), make_request())
    assert paths(plan) == ["/tmp/disk.img"]
    assert left(plan) == {"/dev/sda": NOT_NAMED}


def test_every_other_device_is_accounted_for_but_free_slots_and_partitions() -> None:
    disk = make_device("/dev/sdc", partitions=("/dev/sdc1",))
    machine = make_machine(
        SDA,
        disk,
        make_partition(disk, 1, MIB, GIB),
        replace(make_partition(disk, 2, GIB, GIB), path="/dev/orphan1", parent="/dev/orphan"),
        make_device("/dev/loop0", kind=DeviceKind.LOOP),
        make_device("/dev/loop1", kind=DeviceKind.LOOP, size_bytes=0),
        make_device("/dev/dm-0", kind=DeviceKind.DM),
        make_device("/dev/sr0", kind=DeviceKind.OPTICAL, size_bytes=0),
    )
    plan = plan_named(machine, (SDA,), make_request())
    others = ["/dev/dm-0", "/dev/loop0", "/dev/orphan1", "/dev/sdc", "/dev/sr0"]
    assert left(plan) == dict.fromkeys(others, NOT_NAMED)
    assert [item.path for item in plan.left_out] == others


def test_a_partition_as_target_leaves_its_disk_not_named() -> None:
    disk = make_device(partitions=("/dev/sda1", "/dev/sda2"))
    one, two = make_partition(disk, 1, MIB, GIB), make_partition(disk, 2, MIB + GIB, GIB)
    plan = plan_named(make_machine(disk, one, two), (two,), make_request())
    assert paths(plan) == ["/dev/sda2"]
    assert left(plan) == {"/dev/sda": NOT_NAMED}


def test_the_same_path_twice() -> None:
    with pytest.raises(UsageError, match="/dev/sda is named twice"):
        plan_named(make_machine(SDA, SDB), (SDA, SDB, SDA), make_request())


def test_two_names_of_one_image() -> None:
    one = make_device("/tmp/a", kind=DeviceKind.IMAGE, serial=NONE, instance="inode 8:1/99")
    with pytest.raises(UsageError, match="/tmp/b and /tmp/a are the same device"):
        plan_named(make_machine(), (one, replace(one, path="/tmp/b")), make_request())


def test_partitions_share_their_disks_attachment_and_are_not_the_same() -> None:
    disk = make_device(serial=NONE, instance="diskseq 4", partitions=("/dev/sda1", "/dev/sda2"))
    one, two = make_partition(disk, 1, MIB, GIB), make_partition(disk, 2, MIB + GIB, GIB)
    plan = plan_named(make_machine(disk, one, two), (one, two), make_request())
    assert paths(plan) == ["/dev/sda1", "/dev/sda2"]


def test_a_disk_and_its_partition() -> None:
    disk = make_device(partitions=("/dev/sda1",))
    part = make_partition(disk, 1, MIB, GIB)
    machine = make_machine(disk, part)
    plan = plan_named(machine, (disk, part), make_request())
    assert paths(plan) == ["/dev/sda"]
    (refused,) = plan.left_out
    assert (refused.path, refused.why) == ("/dev/sda1", REFUSED)
    assert refused.reason == "/dev/sda1 shares bytes with /dev/sda, which is planned already"
    assert incomplete_before_start(plan)
    plan = plan_named(machine, (part, disk), make_request())
    assert (paths(plan), left(plan)) == (["/dev/sda1"], {"/dev/sda": REFUSED})


def test_a_refused_disk_does_not_stand_in_the_way_of_its_partition() -> None:
    disk = make_device(partitions=("/dev/sda1", "/dev/sda2"), uses=(Use(UseKind.MOUNT, "/dev/sda2", "/"),))
    part = make_partition(disk, 1, MIB, GIB)
    plan = plan_named(make_machine(disk, part), (disk, part), make_request())
    assert (paths(plan), left(plan)) == (["/dev/sda1"], {"/dev/sda": REFUSED})


@pytest.mark.parametrize("both", [True, False])
def test_two_paths_to_one_medium_are_one_step(both: bool) -> None:
    one, other = make_device("/dev/sda", serial="A", wwn="5"), make_device("/dev/sdb", serial="A", wwn="5")
    plan = plan_named(make_machine(one, other), (other, one) if both else (other,), make_request())
    (step,) = plan.steps
    assert (step.path, step.aliases, plan.left_out) == ("/dev/sdb", ("/dev/sda",), ())


def test_a_refused_target_lets_the_others_go_on() -> None:
    mounted = used("/dev/sda", (UseKind.MOUNT, "/srv"), (UseKind.SWAP, "swap"))
    plan = plan_named(make_machine(mounted, SDB), (mounted, SDB), make_request())
    assert (paths(plan), left(plan)) == (["/dev/sdb"], {"/dev/sda": REFUSED})
    assert plan.left_out[0].reason == "/dev/sda is mounted at /srv; /dev/sda is in use as swap"
    assert incomplete_before_start(plan)


def test_what_is_left_out_is_sorted_by_path() -> None:
    mounted = used("/dev/sdc", (UseKind.MOUNT, "/srv"))
    plan = plan_named(make_machine(SDB, SDA, mounted), (mounted,), make_request())
    assert [item.path for item in plan.left_out] == ["/dev/sda", "/dev/sdb", "/dev/sdc"]


def test_what_is_lifted_is_recorded() -> None:
    opened = used("/dev/sda", (UseKind.OPEN, "process 812 (smartd)"), content="zfs_member")
    allow = frozenset({RefusalKind.OPEN, RefusalKind.MEMBER, RefusalKind.BOOT})
    plan = plan_named(make_machine(opened), (opened,), make_request(allow=allow))
    assert plan.allow == (RefusalKind.BOOT, RefusalKind.MEMBER, RefusalKind.OPEN)
    assert [str(item) for item in plan.steps[0].allowed] == [
        "/dev/sda is opened by smartd",
        "/dev/sda is a member of an array or pool (zfs_member)",
    ]


def test_lifting_one_reason_leaves_the_other() -> None:
    opened = used("/dev/sda", (UseKind.OPEN, "process 812 (smartd)"), content="zfs_member")
    plan = plan_named(make_machine(opened), (opened,), make_request(allow=frozenset({RefusalKind.MEMBER})))
    assert plan.left_out[0].reason == "/dev/sda is opened by smartd"


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"method": "dd"}, 'no method "dd"'),
        ({"method": "zero", "count": 2}, "fixed number of passes"),
        ({"count": 0}, "from 1 to 99"),
        ({"allow": frozenset({RefusalKind.MOUNT})}, '"mount" cannot be lifted'),
        ({"method": "is5-baseline", "verify": VerifyKind.NONE}, "is5-baseline includes verification"),
        ({"method": "is5-enhanced", "verify": VerifyKind.NONE}, "is5-enhanced includes verification"),
        ({"nonce_hex": "abc"}, "nonce"),
        ({"nonce_hex": "AB"}, "nonce"),
        ({"nonce_hex": "ab\n"}, "nonce"),
    ],
)
def test_requests_that_are_not_well_formed(facts: dict[str, Any], message: str) -> None:
    request = make_request(**facts)
    with pytest.raises(UsageError, match=message):
        plan_named(make_machine(SDA), (SDA,), request)
    with pytest.raises(UsageError, match=message):
        plan_all(make_machine(), request, NO_OUTPUT)


@pytest.mark.parametrize("name", [name for name in METHODS if not METHODS[name].verification_required])
def test_no_verification_where_the_method_leaves_it_open(name: str) -> None:
    plan = plan_named(make_machine(SDA), (SDA,), make_request(name, verify=VerifyKind.NONE))
    assert plan.verify is VerifyKind.NONE


def test_all_disks() -> None:
    disk = make_device("/dev/sdc", partitions=("/dev/sdc1",))
    machine = make_machine(SDB, SDA, disk, make_partition(disk, 1, MIB, GIB))
    plan = plan_all(machine, make_request(), NO_OUTPUT)
    assert (plan.all_disks, paths(plan), plan.left_out) == (True, ["/dev/sda", "/dev/sdb", "/dev/sdc"], ())
    assert not incomplete_before_start(plan)


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        ({"kind": DeviceKind.LOOP}, "loop"),
        ({"kind": DeviceKind.ZRAM}, "zram"),
        ({"kind": DeviceKind.DM}, "device-mapper"),
        ({"kind": DeviceKind.MD}, "RAID"),
        ({"kind": DeviceKind.OPTICAL}, "optical"),
        ({"size_bytes": 0}, "size is zero"),
        ({"kind": DeviceKind.OTHER, "size_bytes": 0}, "size is zero"),
        ({"boot": True}, "boot medium"),
        ({"fabric": True, "transport": "iscsi"}, "iscsi"),
    ],
)
def test_what_all_disks_excepts(facts: dict[str, Any], word: str) -> None:
    plan = plan_all(make_machine(make_device("/dev/x", **facts), SDA), make_request(), NO_OUTPUT)
    assert (paths(plan), left(plan)) == (["/dev/sda"], {"/dev/x": EXCEPTED})
    assert word in plan.left_out[0].reason
    assert not incomplete_before_start(plan)


def test_the_boot_medium_is_excepted_also_when_boot_is_allowed() -> None:
    request = make_request(allow=frozenset({RefusalKind.BOOT}))
    assert left(plan_all(make_machine(replace(SDA, boot=True)), request, NO_OUTPUT)) == {"/dev/sda": EXCEPTED}


def test_a_fabric_disk_may_be_named() -> None:
    lun = make_device(fabric=True, transport="fc")
    assert paths(plan_named(make_machine(lun), (lun,), make_request())) == ["/dev/sda"]


@pytest.mark.parametrize("carrier", ["/dev/sda", "/dev/sda1", "/dev/sdb", "/dev/sdb1"])
def test_what_receives_the_output_is_excepted_by_every_path(carrier: str) -> None:
    one = make_device("/dev/sda", wwn="5", serial="A", partitions=("/dev/sda1",))
    other = make_device("/dev/sdb", wwn="5", serial="A", partitions=("/dev/sdb1",))
    plan = plan_all(make_machine(one, other), make_request(), frozenset({carrier}))
    assert left(plan) == {"/dev/sda": EXCEPTED, "/dev/sdb": EXCEPTED}
    assert "output" in plan.left_out[0].reason


@pytest.mark.parametrize(
    ("kept", "refused"),
    [
        ("/dev/sda", {"/dev/sda", "/dev/sda1", "/dev/sda2", "/dev/sdb"}),
        ("/dev/sda1", {"/dev/sda", "/dev/sda1", "/dev/sdb"}),
        ("/dev/sdb", {"/dev/sda", "/dev/sda1", "/dev/sda2", "/dev/sdb"}),
        ("/dev/not-there", set()),
    ],
)
def test_what_must_be_kept_is_refused_by_every_name_it_has(kept: str, refused: set[str]) -> None:
    disk = make_device("/dev/sda", serial="A", wwn="5", partitions=("/dev/sda1", "/dev/sda2"))
    parts = make_partition(disk, 1, MIB, GIB), make_partition(disk, 2, MIB + GIB, GIB)
    other = make_device("/dev/sdb", serial="A", wwn="5")
    machine = make_machine(disk, *parts, other, make_device("/dev/sdc"))
    for target in machine.devices:
        plan = plan_named(machine, (target,), make_request(), frozenset({kept}))
        assert (target.path in left(plan) and left(plan)[target.path] is REFUSED) == (target.path in refused)
        assert bool(plan.steps) == (target.path not in refused)
    plan = plan_named(machine, (disk,), make_request(), frozenset({kept}))
    assert incomplete_before_start(plan) == (disk.path in refused)


def test_what_must_be_kept_cannot_be_allowed() -> None:
    with pytest.raises(UsageError, match='"output" cannot be lifted'):
        plan_named(make_machine(SDA), (SDA,), make_request(allow=frozenset({RefusalKind.OUTPUT})))


@pytest.mark.parametrize(
    "facts",
    [
        {"uses": (Use(UseKind.MOUNT, "/dev/sda", "/srv"),)},
        {"read_only": True},
        {"zoned": True},
        {"serial": NONE},
        {"kind": DeviceKind.OTHER},
        {"content": "LVM2_member"},
        {"kind": DeviceKind.PARTITION, "parent": "/dev/gone"},
        {"kind": DeviceKind.PARTITION},
    ],
)
def test_what_all_disks_refuses(facts: dict[str, Any]) -> None:
    plan = plan_all(make_machine(make_device(**facts), SDB), make_request(), NO_OUTPUT)
    assert (paths(plan), left(plan)) == (["/dev/sdb"], {"/dev/sda": REFUSED})
    assert plan.left_out[0].reason.startswith("/dev/sda ")
    assert incomplete_before_start(plan)


def test_all_disks_takes_a_medium_with_two_paths_once() -> None:
    one, other = make_device("/dev/sda", serial="A", wwn="5"), make_device("/dev/sdb", serial="A", wwn="5")
    plan = plan_all(make_machine(one, other), make_request(), NO_OUTPUT)
    assert [(step.path, step.aliases) for step in plan.steps] == [("/dev/sda", ("/dev/sdb",))]
    busy = replace(other, uses=(Use(UseKind.MOUNT, "/dev/sdb", "/srv"),))
    plan = plan_all(make_machine(one, busy), make_request(), NO_OUTPUT)
    assert (plan.steps, left(plan)) == ((), {"/dev/sda": REFUSED, "/dev/sdb": REFUSED})


def test_all_disks_is_incomplete_with_a_controller_without_driver() -> None:
    machine = make_machine(SDA, driverless=("8086:2822 at 0000:00:17.0",))
    assert incomplete_before_start(plan_all(machine, make_request(), NO_OUTPUT))
    assert not incomplete_before_start(plan_named(machine, (SDA,), make_request()))


@pytest.mark.parametrize(
    ("kind", "by", "told"),
    [
        (UseKind.OPEN, "process {} (smartd)", "is opened by smartd"),
        (UseKind.OPEN, "process {} (a (b))", "is opened by a (b)"),
        (UseKind.OPEN, "process {} (qemu) through dm-0 (vg-vm)", "is opened by qemu through dm-0 (vg-vm)"),
        (UseKind.MOUNT, "/srv as process {} (sh) sees it", "is mounted at /srv as sh sees it"),
        (
            UseKind.MOUNT,
            "/a as process {} (sh) sees it through md0",
            "is mounted at /a as sh sees it through md0",
        ),
    ],
)
def test_reasons_and_digest_do_not_depend_on_process_numbers(kind: UseKind, by: str, told: str) -> None:
    def plan(number: int) -> Plan:
        disk = used("/dev/sda", (kind, by.format(number)), (kind, by.format(number + 1)))
        return plan_named(make_machine(disk), (disk,), make_request())

    assert plan(7).digest == plan(812).digest
    (reason,) = plan(7).left_out[0].reason.split("; ")
    assert told in reason


@pytest.mark.parametrize("place", ["/srv/process 12", "/srv/process 12 (x)", "/unknown: 3 processes "])
def test_a_mount_point_that_looks_like_a_process_is_told_as_it_is(place: str) -> None:
    disk = used("/dev/sda", (UseKind.MOUNT, place))
    plan = plan_named(make_machine(disk), (disk,), make_request())
    assert plan.left_out[0].reason == f"/dev/sda is mounted at {place}"


def test_the_digest_does_not_depend_on_the_order_of_discovery() -> None:
    uses = [(UseKind.OPEN, "process 7 (a)"), (UseKind.OPEN, "process 3 (b)"), (UseKind.MOUNT, "/srv")]
    one, turned = used("/dev/sda", *uses), used("/dev/sda", *uses[::-1])
    plans = [
        plan_all(make_machine(*devices), make_request("gutmann"), NO_OUTPUT)
        for devices in ((one, SDB), (SDB, turned))
    ]
    assert plans[0] == plans[1]


@pytest.mark.parametrize(
    "facts",
    [
        {"method": "dod-ece"},
        {"count": 2},
        {"verify": VerifyKind.SAMPLED},
        {"nonce_hex": "ab"},
        {"allow": frozenset({RefusalKind.OPEN})},
    ],
)
def test_the_digest_depends_on_the_request(facts: dict[str, Any]) -> None:
    machine = make_machine(SDA)
    plain = plan_named(machine, (SDA,), make_request()).digest
    assert plan_named(machine, (SDA,), make_request(**facts)).digest != plain


def test_the_digest_depends_on_the_devices() -> None:
    digests = {
        plan_named(make_machine(device), (device,), make_request()).digest
        for device in (SDA, SDB, make_device(serial="other"), make_device(size_bytes=GIB))
    }
    assert len(digests) == 4


def test_passes_derive_from_the_plan_without_passes() -> None:
    plan = plan_named(make_machine(SDA, SDB), (SDA, SDB), make_request("gutmann"))
    bare = replace(plan, steps=tuple(replace(step, passes=()) for step in plan.steps))
    seed = hashlib.sha256(canonical(bare)).digest()
    assert {step.passes for step in plan.steps} == {build_passes("gutmann", None, seed)}
    assert plan.digest == hashlib.sha256(canonical(plan)).hexdigest()


@pytest.mark.parametrize(
    ("medium", "megabytes"),
    [
        (MediumKind.ROTATING, 150),
        (MediumKind.SSD, 400),
        (MediumKind.NVME, 1500),
        (MediumKind.VIRTUAL, 200),
        (MediumKind.LOOP, 1000),
        (MediumKind.ZRAM, 1000),
        (MediumKind.FILE, 1000),
        (MediumKind.UNKNOWN, 100),
    ],
)
def test_estimates(medium: MediumKind, megabytes: int) -> None:
    size = 6 * 10**12
    disk = make_device(medium=medium, size_bytes=size)
    (step,) = plan_named(make_machine(disk), (disk,), make_request(count=3)).steps
    once = size / (megabytes * 10**6)
    assert estimate_s(step, VerifyKind.NONE) == pytest.approx(3 * once)
    assert estimate_s(step, VerifyKind.FULL) == pytest.approx(4 * once)
    sampled = sampled_bytes(size, 512) / size
    assert 0.1 < sampled < 0.101
    assert estimate_s(step, VerifyKind.SAMPLED) == pytest.approx((3 + sampled) * once, abs=1)


def test_estimates_know_every_medium_and_are_never_zero() -> None:
    assert RATES_BYTES_PER_S.keys() == set(MediumKind)
    tiny = make_device(size_bytes=512)
    (step,) = plan_named(make_machine(tiny), (tiny,), make_request()).steps
    assert estimate_s(step, VerifyKind.NONE) == 1


def test_devices_that_nobody_named_may_come_and_go() -> None:
    other = make_device("/dev/sdx", serial="X")
    alone = plan_named(make_machine(SDA), (SDA,), make_request())
    accompanied = plan_named(make_machine(SDA, other), (SDA,), make_request())
    assert accompanied.digest == alone.digest
    assert accompanied.steps == alone.steps
    assert with_others(alone, make_machine(SDA, other)) == accompanied
    assert with_others(accompanied, make_machine(SDA)) == alone


def test_a_disk_that_appears_after_all_were_planned_counts() -> None:
    late = make_device("/dev/sdx", serial="X")
    plan = plan_all(make_machine(SDA), make_request(), NO_OUTPUT)
    again = with_others(plan, make_machine(SDA, late))
    assert left(again) == {"/dev/sdx": LeftOutWhy.APPEARED}
    assert (again.digest, again.steps) == (plan.digest, plan.steps)
    assert incomplete_before_start(again)
    assert find_appeared(again, make_machine(SDA, late)) == ()
    named = plan_named(make_machine(SDA), (SDA,), make_request())
    assert find_appeared(named, make_machine(SDA, late)) == ()


@pytest.mark.parametrize(
    ("device", "is_new"),
    [
        (SDA, False),
        (replace(SDA, identity=replace(SDA.identity, serial="other")), True),
        (replace(SDA, identity=replace(SDA.identity, size_bytes=4096)), True),
        (make_device("/dev/sdb", serial="A", wwn="5"), False),  # the alias of sdc
        (make_device("/dev/sdb", serial="B", wwn="5", size_bytes=4096), True),
        (make_device("/dev/sdd", serial="STICK"), False),
        (make_device("/dev/sde", serial="STICK"), False),  # pulled out, and put in again
        (make_device("/dev/sdd", serial="other"), True),
        (make_device("/dev/sr0", kind=DeviceKind.OPTICAL), False),
        (make_device("/dev/loop0", kind=DeviceKind.LOOP), False),
        (make_device("/dev/sdf", size_bytes=0), False),
        (make_device("/dev/sdf", fabric=True), False),
        (make_device("/dev/sdf", read_only=True), True),
    ],
)
def test_what_counts_as_a_disk_that_appeared(device: Device, is_new: bool) -> None:
    machine = make_machine(
        SDA,
        make_device("/dev/sdb", serial="A", wwn="5"),
        make_device("/dev/sdc", serial="A", wwn="5"),
        make_device("/dev/sdd", serial="STICK", boot=True),
    )
    plan = plan_all(machine, make_request(), NO_OUTPUT)
    assert [item.path for item in find_appeared(plan, make_machine(device))] == [device.path] * is_new


def test_what_may_be_the_boot_medium_is_refused_and_not_excepted() -> None:
    doubtful = make_device("/dev/sdb", boot_doubt="it has its mark")
    plan = plan_all(make_machine(SDA, doubtful), make_request(), NO_OUTPUT)
    assert left(plan) == {"/dev/sdb": REFUSED}
    assert plan.left_out[0].reason == "/dev/sdb may be the boot medium: it has its mark"
    assert incomplete_before_start(plan)
