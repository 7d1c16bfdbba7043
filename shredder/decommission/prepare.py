"""From names on a command line to a plan, and from a plan to the steps that may still be carried out."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shredder.discover.disks import describe, find_device
from shredder.discover.images import describe_image
from shredder.discover.probe import take_snapshot
from shredder.errors import RefusedError, ShredderError, UsageError
from shredder.events import DeviceRefused, LookedAgain
from shredder.model import (
    Device,
    DeviceKind,
    Host,
    LeftOutWhy,
    Machine,
    Plan,
    Refusal,
    RefusalKind,
    Step,
    UseKind,
)
from shredder.plan.left_out import find_appeared, with_others
from shredder.plan.planner import Request, plan_all, plan_named
from shredder.plan.safety import LIFTABLE, check, check_kept, identity_changes, split_refusals

# facts of a step that only the certificate needs: they must be this machine's too
_DESCRIBING = ("kind", "medium", "vendor", "model")


@dataclass(frozen=True, slots=True)
class Planned:
    """A fresh plan. `refused` says why, for people: with process numbers, which a plan leaves out."""

    plan: Plan
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ready:
    """The plan, and which of its steps still hold on this machine."""

    plan: Plan
    steps: tuple[Step, ...]
    refused: tuple[DeviceRefused, ...]


def survey(marks_on: str | None = None) -> Machine:
    """Look at this machine now.

    Args:
        marks_on: look for the boot medium's mark on this device alone ("" is none); None looks on all.

    Raises:
        RefusedError: a recovery image runs, and does not say which one it is.
    """
    return describe(take_snapshot(frozenset({os.getpid()}), marks_on=marks_on))


def find_targets(machine: Machine, names: Sequence[str], *, image: bool) -> tuple[Device, ...]:
    """Return the devices that were named; with `image`, the files.

    Raises:
        UsageError: there is no such device or file.
        RefusedError: it is not something that can be wiped.
    """
    return tuple(describe_image(name) if image else _find_device(machine, name) for name in names)


def _find_device(machine: Machine, name: str) -> Device:
    device = find_device(machine, name)
    if device is not None:
        return device
    path = Path(name)
    if not path.exists():
        raise UsageError(f"no such device: {name}", hint="`shredder devices` lists what is here")
    if stat.S_ISREG(path.stat().st_mode):
        raise UsageError(f"{name} is a file, not a device", hint="to take it as a disk image, add --image")
    raise UsageError(f"{name} is not a block device", hint="`shredder devices` lists what is here")


def make_plan(
    names: Sequence[str],
    request: Request,
    *,
    image: bool,
    all_disks: bool,
    output: Path,
    kept: frozenset[str] = frozenset(),
) -> Planned:
    """Decide what will be done.

    Args:
        names: targets; empty with `all_disks`.
        request: method, verification and allowances.
        image: the names are files.
        all_disks: take every disk with a medium instead of names.
        output: the folder that will receive the certificate; `all_disks` leaves out what carries it.
        kept: nodes, disks or partitions, that carry configuration or will receive the certificate: left out
            by `all_disks`, refused when they are named.

    Raises:
        UsageError: the request is not well formed, or a name is unknown.
        RefusedError: nothing of it may be wiped.
    """
    if not image:
        require_root()
    machine = survey()
    if all_disks:
        targets = machine.devices
        plan = plan_all(machine, request, receives_output=devices_below(machine, output) | kept)
    else:
        targets = find_targets(machine, names, image=image)
        plan = plan_named(machine, targets, request, kept)
    standing = _find_standing(plan, machine, targets, kept)
    refused = tuple(refusal.detail for refusal in standing)
    if not plan.steps:
        if not refused:
            why = "`shredder devices` lists what is here"
            raise RefusedError("there is no disk here that may be wiped", hint=why)
        raise RefusedError("; ".join(refused), hint=_how_to_lift(standing))
    return Planned(plan, refused)


def _find_standing(
    plan: Plan, machine: Machine, targets: Sequence[Device], kept: frozenset[str]
) -> tuple[Refusal, ...]:
    found: list[Refusal] = []
    for left in plan.left_out:
        if left.why is LeftOutWhy.REFUSED:
            device = next(item for item in targets if item.path == left.path)
            refusals = (*check(device, machine), *check_kept(device, machine, kept))
            standing, _ = split_refusals(refusals, frozenset(plan.allow))
            # two targets that share bytes: neither is refused for itself
            found += standing or [Refusal(RefusalKind.OVERLAP, left.path, left.reason)]
    return tuple(found)


def _how_to_lift(standing: Sequence[Refusal]) -> str | None:
    """Return the words that would lift all of it, if they exist; none of them lifts a use that was seen."""
    kinds = sorted({refusal.kind for refusal in standing})
    if not kinds or not LIFTABLE.issuperset(kinds):
        return None
    return f"if you know better: {' '.join(f'--allow {kind}' for kind in kinds)}, which is recorded"


def require_root() -> None:
    """Raise RefusedError unless we are root: without it nobody can tell who uses a device."""
    if os.geteuid() != 0:
        raise RefusedError(
            "block devices can be planned and wiped only by root", hint="run it again with sudo"
        )


def devices_below(machine: Machine, folder: Path) -> frozenset[str]:
    """Return the paths of the devices, disks and layers, on which an existing ancestor of `folder` lies."""
    place = _existing(folder)
    mount_point = place
    while not mount_point.is_mount():
        mount_point = mount_point.parent
    return frozenset(
        device.path
        for device in machine.devices
        if any(use.kind is UseKind.MOUNT and _names(use.by, mount_point) for use in device.uses)
    )


def _names(by: str, mount_point: Path) -> bool:
    """True for "/srv", and for "/srv through dm-0 (vg-srv)" and the like."""
    return by == str(mount_point) or by.startswith(f"{mount_point} ")


def _existing(folder: Path) -> Path:
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return place.resolve()


def check_plan(plan: Plan) -> Ready:
    """Hold a plan against the machine as it is now, device by device.

    Raises:
        RefusedError: the plan was made on another machine.
    """
    if any(step.kind is not DeviceKind.IMAGE for step in plan.steps):
        require_root()
    machine = survey()
    _check_host(plan.host, machine.host)
    holding: list[Step] = []
    refused: list[DeviceRefused] = []
    for step in plan.steps:
        _, refusals = check_step(step, plan, machine)
        if refusals:
            refused.append(DeviceRefused(step.path, refusals))
        else:
            holding.append(step)
    return Ready(with_others(plan, machine), tuple(holding), tuple(refused))


def look_again(plan: Plan) -> LookedAgain:
    """Return which disks a plan of all disks does not know, after it was carried out.

    No disk is read for the boot medium's mark: one of them may hang.
    """
    try:
        return LookedAgain(find_appeared(plan, survey(marks_on="")), error=None)
    except ShredderError as error:
        return LookedAgain((), error=error.message)


def _check_host(planned: Host, found: Host) -> None:
    for name in ("product_uuid", "machine_id", "vendor", "product", "serial", "hostname"):
        if getattr(planned, name) != getattr(found, name):
            raise RefusedError(f"this plan was made on another machine ({name.replace('_', ' ')} differs)")
    if (planned.image, planned.secure_boot) != (found.image, found.secure_boot):
        # the certificate takes both from the plan
        raise RefusedError(
            "this plan was made when the machine was started another way", hint="make a new plan"
        )


def check_step(step: Step, plan: Plan, machine: Machine) -> tuple[Device | None, tuple[Refusal, ...]]:
    """Return the step's device as it is now, and every reason not to wipe it."""
    try:
        device = _look_again(step, machine)
    except ShredderError as error:
        return None, (Refusal(RefusalKind.CHANGED, step.path, error.message),)
    changes = identity_changes(step.identity, device.identity, same_attachment=True)
    changes += tuple(name for name in _DESCRIBING if getattr(step, name) != getattr(device, name))
    if changes:
        detail = f"{step.path} is not the device that was planned: {'; '.join(changes)}"
        return device, (Refusal(RefusalKind.CHANGED, step.path, detail),)
    standing, _ = split_refusals(check(device, machine), frozenset(plan.allow))
    return device, standing


def _look_again(step: Step, machine: Machine) -> Device:
    if step.kind is DeviceKind.IMAGE:
        return describe_image(step.path)
    for device in machine.devices:
        if device.path == step.path:
            return device
    raise RefusedError(f"{step.path} is not there any more")


def recheck_open(step: Step, plan: Plan, descriptor: int) -> tuple[Device | None, tuple[Refusal, ...]]:
    """The same as `check_step`, for the device behind an open descriptor."""
    device, refusals = check_step(step, plan, survey(step.path))
    if device is None or refusals:
        return device, refusals
    opened, named = os.fstat(descriptor), Path(device.path).lstat()
    if (opened.st_rdev, opened.st_dev, opened.st_ino) != (named.st_rdev, named.st_dev, named.st_ino):
        detail = f"{step.path} became another device while it was opened"
        return device, (Refusal(RefusalKind.CHANGED, step.path, detail),)
    return device, ()
