"""What the consoles show, in lines of at most 79 columns where words allow it. Pure."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from shredder.certify.reports import DeviceReport, RunReport
from shredder.model import Device, Fact, Host, LeftOut, LeftOutWhy, Machine, Plan, Refusal, RefusalKind, Step
from shredder.plan.estimate import estimate_s
from shredder.plan.safety import check, split_refusals
from shredder.ranges import total_bytes
from shredder.units import binary_size, decimal_size, duration

_WIDTH = 79
RULE = "-" * _WIDTH

_TOO_MANY_REASONS = 4
_NO_DISKS = ("/dev/loop", "/dev/zram", "/dev/ram")


def list_disks(machine: Machine) -> tuple[Device, ...]:
    """Return the devices that are offered for a wipe: whole ones that have a medium, no free loop slots."""
    return tuple(
        device for device in machine.devices if device.parent is None and device.identity.size_bytes > 0
    )


def show_disks(disks: Sequence[Device], machine: Machine, allow: frozenset[RefusalKind]) -> Iterator[str]:
    """Give each device's number, size, model, serial and verdict.

    Args:
        disks: from `list_disks`.
        machine: everything that was discovered.
        allow: refusals that are lifted.
    """
    for number, disk in enumerate(disks, start=1):
        yield f"{number:>3}  {_describe(disk.path, disk.identity.size_bytes, disk.model)}"
        yield f"     {name_by(disk.identity.serial, disk.identity.wwn)}, {disk.medium}"
        yield from _wrap(_verdict(split_refusals(check(disk, machine), allow)[0]), "     ")
    for name in machine.driverless:
        yield from _wrap(f"storage controller without a driver, its disks cannot be seen: {name}", "")


def show_plan(plan: Plan, refused: Sequence[str]) -> Iterator[str]:
    """Say what will be destroyed and how, what will not be touched, and what cannot be.

    Args:
        plan: what was decided.
        refused: why named devices are not wiped.
    """
    yield f"THESE WILL BE DESTROYED: {len(plan.steps)} of {len(plan.steps) + len(plan.left_out)} devices"
    for step in plan.steps:
        size_bytes = step.identity.size_bytes
        yield f"  {_describe(step.path, size_bytes, step.model)}"
        yield f"    {name_step(step)}, some {duration(estimate_s(step, plan.verify))}"
        yield from (f"    also reached by {alias}" for alias in step.aliases)
        for item in step.allowed:
            yield from _wrap(f"refusal lifted: {item.kind}: {item.detail}", "    ")
    passes = ", ".join(str(item) for item in plan.steps[0].passes)
    yield from _wrap(f"method {plan.method} ({passes}), verification {plan.verify}", "  ")
    for left in _worth_naming(plan):
        if left.why is not LeftOutWhy.REFUSED:
            yield from _wrap(f"not touched: {_left(left)}", "  ")
    for reason in refused:
        yield from _wrap(f"REFUSED, will not be wiped: {reason}", "  ")
    if plan.all_disks:
        for name in plan.driverless:
            text = f"INCOMPLETE: storage controller without a driver, its disks cannot be seen: {name}"
            yield from _wrap(text, "  ")
    yield f"  plan {plan.digest}"


def show_report(report: RunReport, host: Host) -> Iterator[str]:
    """Say what came of the run: host, disks, verdicts.

    Args:
        report: from the evidence.
        host: the machine.
    """
    yield from _wrap(report.headline, "")
    yield from _wrap(f"host {host.hostname}: {_facts(host.vendor, host.product, host.serial)}", "")
    yield f"from {report.started_at} to {report.ended_at}"
    for device in report.devices:
        yield from _show_outcome(device)
    for left in _worth_naming(report.plan):
        yield from _wrap(f"not touched: {_left(left)}", "")
    if report.plan.all_disks:
        for name in report.plan.driverless:
            yield from _wrap(f"not seen: disks of the storage controller {name}, it has no driver", "")


def name_by(serial: Fact, wwn: Fact) -> str:
    """Return "serial ..." or "WWN ...", or that there is neither."""
    if isinstance(serial, str):
        return f"serial {serial}"
    return f"WWN {wwn}" if isinstance(wwn, str) else "no serial and no WWN"


def name_step(step: Step) -> str:
    """Return what a target is known by."""
    return name_by(step.identity.serial, step.identity.wwn)


def hint_line(hint: str | None) -> Iterator[str]:
    """Give an error's hint on lines of its own, nothing where there is none."""
    if hint:
        yield from _wrap(f"hint: {hint}", "  ")


def _show_outcome(device: DeviceReport) -> Iterator[str]:
    step = device.step
    yield f"{_describe(step.path, step.identity.size_bytes, step.model)}, {name_step(step)}"
    yield f"    {device.verdict}"
    for problem in device.problems[:_TOO_MANY_REASONS]:
        yield from _wrap(problem.reason, "      ")
    if device.unwritten:
        yield f"      not written by every pass: {binary_size(total_bytes(device.unwritten))}"


def _describe(path: str, size_bytes: int, model: Fact) -> str:
    named = model if isinstance(model, str) else "model unknown"
    return f"{path}  {binary_size(size_bytes)} ({decimal_size(size_bytes)})  {named}"


def _verdict(refusals: Sequence[Refusal]) -> str:
    if not refusals:
        return "may be wiped"
    reasons = list(dict.fromkeys(refusal.detail for refusal in refusals))
    more = f"; and {len(reasons) - _TOO_MANY_REASONS} more" if len(reasons) > _TOO_MANY_REASONS else ""
    return f"refused: {'; '.join(reasons[:_TOO_MANY_REASONS])}{more}"


def _worth_naming(plan: Plan) -> tuple[LeftOut, ...]:
    """Leave out the image's own loop device and the like: the screen is small, the certificate has all."""
    return tuple(
        left
        for left in plan.left_out
        if left.why is LeftOutWhy.REFUSED or not left.path.startswith(_NO_DISKS)
    )


def _left(left: LeftOut) -> str:
    why = str(left.why) if left.why is LeftOutWhy.NOT_NAMED else f"{left.why}: {left.reason}"
    serial = f"serial {left.serial}" if isinstance(left.serial, str) else "no serial"
    return f"{left.path}, {serial}: {why}"


def _facts(*facts: Fact) -> str:
    return " ".join(fact for fact in facts if isinstance(fact, str)) or "the firmware does not name it"


def _wrap(text: str, indent: str) -> Iterable[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent + "  ") or [indent]
