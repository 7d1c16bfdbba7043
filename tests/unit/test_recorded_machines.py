"""Recorded machines from raw facts to a decision: discovery and planning together."""

import pytest

from shredder.model import LeftOutWhy, VerifyKind
from shredder.plan.planner import Request, incomplete_before_start, plan_all, plan_named
from shredder.plan.safety import check
from tests.machines import described, device

_REQUEST = Request("random", None, VerifyKind.FULL, "", frozenset())

_KINDS = {
    "server": {
        "/dev/sda": {"boot", "holder", "mount", "swap"},
        "/dev/sdb": {"boot", "holder", "mount", "swap"},
        "/dev/sdc": set(),
    },
    "laptop": {"/dev/nvme0n1": {"boot", "holder", "mount", "swap"}},
    "vps": {"/dev/vda": {"boot", "mount", "open"}, "/dev/vdb": set()},
    "san": {
        "/dev/cciss/c0d0": {"boot", "mount"},
        "/dev/sda": {"holder", "mount", "open"},
        "/dev/sdb": {"holder", "mount", "open"},
        "/dev/sdc": {"open"},
        "/dev/sdd": {"open"},
        "/dev/sde": {"mount"},
    },
    "workshop": {
        "/dev/sdb": {"mount"},
        "/dev/sdc": {"mount"},
        "/dev/sdd": {"zoned"},
        "/dev/sde": {"loop", "mount"},
        "/dev/sdf": {"holder"},
        "/dev/sdg": {"size"},
        "/dev/sdh": {"read-only"},
    },
    "recovery": {"/dev/sda": set(), "/dev/sdb": {"boot"}, "/dev/sdb2": {"boot"}, "/dev/sdc": set()},
    "live": {"/dev/sda": set(), "/dev/sdb": {"boot", "mount"}},
    "witnesses": {"/dev/sda": {"unseen", "witness"}, "/dev/sdb": {"unseen", "witness"}},
}


@pytest.mark.parametrize("name", sorted(_KINDS))
def test_every_disk_is_refused_for_just_its_reasons(name: str) -> None:
    machine = described(name)
    found = {
        path: {refusal.kind.value for refusal in check(device(machine, path), machine)}
        for path in _KINDS[name]
    }
    assert found == _KINDS[name]


@pytest.mark.parametrize(
    ("name", "targets", "refused"),
    [
        ("server", ["/dev/sdc"], []),
        ("laptop", [], []),
        ("vps", ["/dev/vdb"], []),
        ("san", [], []),
        ("workshop", [], ["fd0", "sdb", "sdc", "sdd", "sde", "sdf", "sdh"]),
        ("live", ["/dev/sda"], []),
        ("recovery", ["/dev/sda", "/dev/sdc"], []),
    ],
)
def test_all_disks_takes_what_may_be_wiped_and_lists_the_rest(
    name: str, targets: list[str], refused: list[str]
) -> None:
    machine = described(name)
    plan = plan_all(machine, _REQUEST, frozenset())
    assert [step.path for step in plan.steps] == targets
    listed = {left.path: left.why for left in plan.left_out}
    assert [path for path, why in listed.items() if why is LeftOutWhy.REFUSED] == [
        f"/dev/{path}" for path in refused
    ]
    disks = {item.path for item in machine.devices if item.parent is None and not item.is_free_slot}
    assert disks == set(targets) | set(listed)


def test_a_controller_without_a_driver_makes_all_disks_incomplete() -> None:
    plan = plan_all(described("workshop"), _REQUEST, frozenset())
    assert plan.driverless == ("8086:2822 at 0000:00:17.2",)
    assert incomplete_before_start(plan)


@pytest.mark.parametrize("name", ["server", "laptop", "san", "workshop"])
def test_the_same_machine_gives_the_same_digest_whatever_its_process_numbers(name: str) -> None:
    machine = described(name)
    one = plan_all(machine, _REQUEST, frozenset())
    assert not any(word in str(one.left_out) for word in ("process 1", "process 2", "process 8", "process 9"))
    disk = next(item for item in machine.devices if item.path == next(iter(_KINDS[name])))
    assert plan_named(machine, (disk,), _REQUEST).digest == plan_named(machine, (disk,), _REQUEST).digest
