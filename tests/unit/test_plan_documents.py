"""The plan as a file: comes back exactly, and any change is found."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shredder.errors import RefusedError, ShredderError, UsageError
from shredder.model import (
    Device,
    DeviceKind,
    Machine,
    MediumKind,
    Pass,
    PassKind,
    Plan,
    RefusalKind,
    Unavailable,
    Use,
    UseKind,
    VerifyKind,
)
from shredder.plan.documents import read_plan, write_plan
from shredder.plan.methods import METHODS
from shredder.plan.planner import Request, plan_all, plan_named
from shredder.plan.safety import LIFTABLE
from shredder.records import digest, to_json
from tests.unit.builders import NONE, make_device, make_host, make_identity, make_machine, make_request

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
FACTS = st.one_of(TEXT, st.builds(Unavailable, TEXT))
IDENTITIES = st.builds(
    make_identity,
    serial=FACTS,
    wwn=FACTS,
    by_path=FACTS,
    partition_table_uuid=FACTS,
    instance=FACTS,
    size_bytes=st.integers(0, 1 << 70),
    logical_sector_bytes=st.sampled_from([512, 4096]),
)
DEVICES = st.builds(
    make_device,
    path=TEXT,
    kind=st.sampled_from(DeviceKind),
    medium=st.sampled_from(MediumKind),
    identity=IDENTITIES,
    vendor=FACTS,
    model=FACTS,
    transport=FACTS,
    boot=st.booleans(),
    fabric=st.booleans(),
    uses=st.lists(st.builds(Use, st.sampled_from(UseKind), TEXT, TEXT), max_size=2).map(tuple),
)
MACHINES = st.builds(
    lambda devices, host, driverless: make_machine(*devices, host=host, driverless=tuple(driverless)),
    st.lists(DEVICES, max_size=4, unique_by=lambda device: device.path),
    st.builds(make_host, hostname=TEXT, serial=FACTS),
    st.lists(TEXT, max_size=2),
)
REQUESTS = st.builds(
    Request,
    method=st.sampled_from(sorted(METHODS)),
    count=st.none(),
    verify=st.sampled_from([VerifyKind.FULL, VerifyKind.SAMPLED]),
    nonce_hex=st.binary(max_size=4).map(bytes.hex),
    allow=st.frozensets(st.sampled_from(sorted(LIFTABLE))),
)


def make_plan(**facts: Any) -> Plan:
    disk = make_device(uses=(Use(UseKind.OPEN, "/dev/sda", "process 8 (smartd)"),))
    other = make_device("/dev/sdb", wwn="0x5", partition_table_uuid=NONE, read_only=True)
    machine = make_machine(disk, other, driverless=("8086:2822 at 0000:00:17.0",))
    request = make_request(**{"method": "dod-ece", "allow": frozenset({RefusalKind.OPEN}), **facts})
    return plan_named(machine, (disk, other), request)


def resealed(plan: Plan, **changes: Any) -> str:
    """The file of someone who changes a plan and computes the digest anew."""
    return write_plan(replace(plan, **changes))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(MACHINES, REQUESTS)
def test_a_plan_of_all_disks_comes_back_exactly(machine: Machine, request: Request) -> None:
    plan = plan_all(machine, request, frozenset())
    assert read_plan(write_plan(plan), "plan.json") == plan


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(MACHINES, DEVICES, st.integers(1, 99))
def test_a_plan_of_named_devices_comes_back_exactly(machine: Machine, device: Device, count: int) -> None:
    plan = plan_named(machine, (device,), make_request(count=count))
    assert read_plan(write_plan(plan).encode(), "plan.json") == plan


def test_the_file() -> None:
    plan = make_plan()
    data = json.loads(write_plan(plan))
    assert data.pop("format") == "shredder-plan"
    assert data.pop("digest") == plan.digest
    assert data == to_json(plan)
    assert write_plan(plan).endswith("}\n")


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(data, dict):
        return [place for key, item in data.items() for place in places(item, (*path, key))]
    if isinstance(data, list):
        return [path, *(place for at, item in enumerate(data) for place in places(item, (*path, at)))]
    return [path]


PLACES = places(json.loads(write_plan(make_plan())))


def changed(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, list):
        return value * 2 or [{}]
    return value + ("0" if isinstance(value, str) else 1)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
def test_a_change_anywhere_is_found(place: tuple[Any, ...]) -> None:
    data = json.loads(write_plan(make_plan()))
    inner = data
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = changed(inner[place[-1]])
    with pytest.raises((RefusedError, UsageError)):
        read_plan(json.dumps(data), "plan.json")


def test_the_places_reach_into_steps_and_devices_left_out() -> None:
    told = {".".join(map(str, place)) for place in PLACES}
    assert {"steps.0.identity.serial", "steps.0.passes.0.pattern_hex", "left_out.0.reason", "digest"} <= told


def test_an_edited_plan_is_refused() -> None:
    text = write_plan(make_plan()).replace("S-sda", "S-sdz")
    with pytest.raises(RefusedError, match=r"plan.json: the plan was changed after it was made") as caught:
        read_plan(text, "plan.json")
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"shredder-plan"', '"shredder-list"', "is not a plan"),
        ('"version": 1', '"version": 2', "version 2 is not known"),
        ('"version": 1', '"version": true', "version True is not known"),
        ('"version": 1', '"version": "1"', "version 1 is not known"),
        ('"all_disks": false', '"all_disks": 0', "all_disks: expected bool"),
        ('"method":', '"methods":', "unknown key"),
        ('"nonce_hex": "",', "", 'missing key "nonce_hex"'),
        ('"size_bytes": 8589934592', '"size_bytes": 8589934592.0', "not a whole number"),
        ('"S-sda"', '"\\ud800"', "not UTF-8"),
        ('"nonce_hex": "",', '"nonce_hex": "", "nonce_hex": "",', "a key stands twice"),
    ],
)
def test_files_that_are_no_plan(old: str, new: str, message: str) -> None:
    text = write_plan(make_plan())
    assert old in text
    with pytest.raises(UsageError, match=message) as caught:
        read_plan(text.replace(old, new), "plan.json")
    assert caught.value.message.startswith("plan.json")


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{}", "7", "[" * 100_000, b"\xff\xfe{", '"shredder-plan"']
)
def test_texts_that_are_no_plan(text: str | bytes) -> None:
    with pytest.raises(UsageError):
        read_plan(text, "plan.json")


@given(st.integers(0, len(write_plan(make_plan())) - 3))
def test_a_truncated_file(length: int) -> None:
    with pytest.raises(UsageError):
        read_plan(write_plan(make_plan())[:length], "plan.json")


def test_a_missing_or_odd_digest() -> None:
    data = json.loads(write_plan(make_plan()))
    odds: list[Any] = [None, 7, [], data["digest"].upper()]
    for odd in odds:
        with pytest.raises(RefusedError, match="was changed"):
            read_plan(json.dumps(data | {"digest": odd}), "plan.json")
    del data["digest"]
    with pytest.raises(RefusedError, match="was changed"):
        read_plan(json.dumps(data), "plan.json")


def test_a_new_digest_does_not_save_passes_that_are_not_the_methods() -> None:
    plan = make_plan()
    (step,) = plan.steps
    for passes in (step.passes[:-1], (), (Pass(PassKind.PATTERN, "zz"),), (*step.passes, step.passes[0])):
        with pytest.raises(RefusedError, match="the passes are not those of method dod-ece"):
            read_plan(resealed(plan, steps=(replace(step, passes=passes),)), "plan.json")


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "own"},
        {"method": "gutmann"},
        {"nonce_hex": "xyz"},
        {"allow": (RefusalKind.OPEN, RefusalKind.MOUNT)},
        {"allow": ()},
        {"method": "is5-enhanced", "verify": VerifyKind.NONE},
    ],
)
def test_a_new_digest_does_not_save_a_plan_that_would_not_be_made(changes: dict[str, Any]) -> None:
    with pytest.raises((RefusedError, UsageError)):
        read_plan(resealed(make_plan(), **changes), "plan.json")


def test_a_lifted_refusal_needs_its_allowance() -> None:
    disk = make_device(uses=(Use(UseKind.OPEN, "/dev/sda", "process 8 (smartd)"),))
    request = make_request(allow=frozenset({RefusalKind.OPEN}))
    plan = plan_named(make_machine(disk), (disk,), request)
    with pytest.raises(RefusedError, match='/dev/sda lifts "open", which the plan does not allow'):
        read_plan(resealed(plan, allow=()), "plan.json")


def test_random_with_steps_of_different_counts() -> None:
    one, two = make_device("/dev/sda"), make_device("/dev/sdb")
    plan = plan_named(make_machine(one, two), (one, two), make_request(count=2))
    uneven = replace(plan.steps[1], passes=plan.steps[1].passes[:1])
    with pytest.raises(RefusedError, match="the passes are not those"):
        read_plan(resealed(plan, steps=(plan.steps[0], uneven)), "plan.json")
    none = tuple(replace(step, passes=()) for step in plan.steps)
    with pytest.raises(ShredderError):
        read_plan(resealed(plan, steps=none), "plan.json")


def test_the_digest_is_that_of_the_record() -> None:
    assert json.loads(write_plan(make_plan()))["digest"] == digest(make_plan())
