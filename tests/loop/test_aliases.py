"""Another path to a medium is believed when what was written is found there; late disks are looked for."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from shredder.certify.keys import new_key
from shredder.certify.profiles import read_profile
from shredder.decommission.job import Result, carry_out, new_run_id
from shredder.decommission.prepare import check_plan, make_plan
from shredder.errors import ExitCode
from shredder.events import AliasRead, DeviceEnded, Event, LookedAgain, RunEnded
from shredder.model import Plan, RefusalKind, VerifyKind
from shredder.plan.planner import Request, with_passes
from tests.support.devices import LoopDevice
from tests.support.machine import allow_words
from tests.support.machine import run as run_tool

MIB = 1 << 20
SIZE_BYTES = 16 * MIB
SAMPLED_SIZE_BYTES = 64 * MIB  # samples of less are all of it
LoopFactory = Callable[..., LoopDevice]


def plan_of(output: Path, target: str, method: str, verify: VerifyKind, *aliases: str) -> Plan:
    """Plan one disk, as if discovery had taken `aliases` for other paths to it."""
    allow = frozenset({RefusalKind.UNSEEN}) if allow_words() else frozenset[RefusalKind]()
    request = Request(method, None, verify, "", allow)
    plan = make_plan((target,), request, image=False, all_disks=False, output=output).plan
    return with_passes(replace(plan, steps=(replace(plan.steps[0], aliases=aliases),)), None)


def carry(plan: Plan, output: Path) -> tuple[Result, list[Event]]:
    """Carry a plan out; returns also what was recorded."""
    seen: list[Event] = []
    result = carry_out(
        check_plan(plan),
        new_run_id(),
        output,
        key=new_key(),
        profile=read_profile("", ""),
        monitor=seen.append,
        wants_stop=lambda: False,
    )
    return result, seen


@pytest.mark.parametrize("method", ["random", "zero"])
@pytest.mark.parametrize("verify", list(VerifyKind))
def test_a_disk_with_the_name_of_another_is_not_taken_for_it(
    loop_factory: LoopFactory, tmp_path: Path, method: str, verify: VerifyKind
) -> None:
    one, twin = loop_factory(SIZE_BYTES), loop_factory(SIZE_BYTES)
    secret = b"CONFIDENTIAL".ljust(512)
    with open(twin.path, "r+b") as node:  # all else on it is zeros, as on a disk that was hardly used
        node.seek(5 * MIB)
        node.write(secret)
    run_tool("blockdev", "--flushbufs", twin.path)
    result, seen = carry(plan_of(tmp_path, one.path, method, verify, twin.path), tmp_path / "run")
    assert result.exit_code is ExitCode.INCOMPLETE
    (device,) = result.report.devices
    assert any(f"{twin.path} has its serial and WWN and is another disk" in p.reason for p in device.problems)
    assert any(isinstance(event, AliasRead) and event.differing_bytes >= 512 for event in seen)
    assert twin.backing.read_bytes()[5 * MIB :].startswith(secret)


@pytest.mark.parametrize("method", ["random", "zero"])
def test_a_second_path_to_one_medium_is_proven(
    loop_factory: LoopFactory, tmp_path: Path, method: str
) -> None:
    one = loop_factory(SAMPLED_SIZE_BYTES)
    path = run_tool("losetup", "--show", "-f", one.backing).strip()
    try:
        plan = plan_of(tmp_path, one.path, method, VerifyKind.FULL, path)
        result, seen = carry(plan, tmp_path / "run")
    finally:
        run_tool("losetup", "--detach", path)
    assert result.exit_code is ExitCode.DONE
    (read,) = [event for event in seen if isinstance(event, AliasRead)]
    assert (read.alias, read.differing_bytes, read.error) == (path, 0, None)
    assert (read.checked_bytes == SAMPLED_SIZE_BYTES) == (method == "zero")
    assert read.checked_bytes == read.to_check_bytes > 0


def test_a_path_that_cannot_be_read_proves_nothing(loop_factory: LoopFactory, tmp_path: Path) -> None:
    one, other = loop_factory(MIB), loop_factory(MIB)
    other.detach()
    plan = plan_of(tmp_path, one.path, "random", VerifyKind.FULL, other.path)
    result, _ = carry(plan, tmp_path / "run")
    assert result.exit_code is ExitCode.INCOMPLETE
    (problem,) = result.report.devices[0].problems
    assert problem.reason.startswith(f"{other.path} was not shown to be another path to it: ")


def test_after_a_wipe_of_all_disks_the_machine_is_looked_at_again(
    loop_factory: LoopFactory, tmp_path: Path
) -> None:
    one = loop_factory(MIB)
    plan = replace(plan_of(tmp_path, one.path, "random", VerifyKind.FULL), all_disks=True)
    _, seen = carry(with_passes(plan, None), tmp_path / "run")
    kinds = [type(event) for event in seen]
    assert kinds[kinds.index(DeviceEnded) :] == [DeviceEnded, LookedAgain, RunEnded]
    _, named = carry(plan_of(tmp_path, one.path, "random", VerifyKind.FULL), tmp_path / "named")
    assert not any(isinstance(event, LookedAgain) for event in named)
