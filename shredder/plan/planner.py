"""Machine, targets and request to a frozen plan.

The same request on the same machine gives the same plan, and so the same digest: process numbers are left
out of the reasons, lists are sorted, and what is drawn derives from the plan's other fields.
"""

import re
from dataclasses import dataclass, replace
from hashlib import sha256

from shredder.errors import UsageError
from shredder.model import (
    Device,
    LeftOut,
    LeftOutWhy,
    Machine,
    Plan,
    Refusal,
    RefusalKind,
    Step,
    VerifyKind,
)
from shredder.plan.left_out import exclude, leave_out, top_level
from shredder.plan.methods import build_passes, find_method
from shredder.plan.safety import (
    check,
    check_kept,
    check_liftable,
    other_paths,
    overlaps,
    split_refusals,
)
from shredder.plan.settle import settle, settle_machine
from shredder.records import canonical

PLAN_VERSION = 1

_NONCE = re.compile(r"(?:[0-9a-f]{2})*")


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for.

    `count` is the number of passes for a method that takes one, `nonce_hex` the auditor's nonce or "",
    `allow` the kinds of refusal to lift.
    """

    method: str
    count: int | None
    verify: VerifyKind
    nonce_hex: str
    allow: frozenset[RefusalKind]


def plan_named(
    machine: Machine,
    targets: tuple[Device, ...],
    request: Request,
    kept: frozenset[str] = frozenset(),
) -> Plan:
    """Plan the wiping of the devices named, in their order.

    A target that is refused stands in `left_out` with the reasons, and the others go on. A target that is
    another path to the medium of an earlier one becomes its alias.

    Args:
        machine: everything that was discovered.
        targets: the devices named; an image file need not be in `machine`.
        request: method, verification and allowances.
        kept: paths of the devices (disks or partitions) that must stay as they are.

    Raises:
        UsageError: the request is not well formed, or two targets are the same device.
    """
    check_request(request)
    _refuse_twins(targets)
    machine = settle_machine(machine)
    steps: list[Step] = []
    left_out: list[LeftOut] = []
    planned: list[Device] = []
    for target in map(settle, targets):
        if any(target.path in step.aliases for step in steps):
            continue
        outcome = _decide(target, machine, request, tuple(planned), kept)
        if isinstance(outcome, Step):
            steps.append(outcome)
            planned.append(target)
        else:
            left_out.append(outcome)
    seen = {target.path for target in targets} | {path for step in steps for path in step.aliases}
    left_out += (
        leave_out(device, LeftOutWhy.NOT_NAMED, "not named as a target")
        for device in top_level(machine)
        if device.path not in seen
    )
    return _seal(machine, request, steps, left_out, all_disks=False)


def plan_all(machine: Machine, request: Request, receives_output: frozenset[str]) -> Plan:
    """Plan the wiping of every top-level disk with a medium; what is excepted or refused is listed.

    Args:
        machine: everything that was discovered.
        request: method, verification and allowances.
        receives_output: paths of the devices (disks or partitions) that carry the output or configuration.

    Raises:
        UsageError: the request is not well formed.
    """
    check_request(request)
    machine = settle_machine(machine)
    steps: list[Step] = []
    left_out: list[LeftOut] = []
    for device in top_level(machine):
        if any(device.path in step.aliases for step in steps):
            continue
        outcome = exclude(device, machine, receives_output) or _decide(
            device, machine, request, (), frozenset()
        )
        if isinstance(outcome, Step):
            steps.append(outcome)
        else:
            left_out.append(outcome)
    return _seal(machine, request, steps, left_out, all_disks=True)


def check_request(request: Request) -> None:
    """Make sure that a request is well formed.

    Raises:
        UsageError: it is not, and why.
    """
    method = find_method(request.method)
    build_passes(request.method, request.count, b"")
    check_liftable(request.allow)
    if request.verify is VerifyKind.NONE and method.verification_required:
        raise UsageError(
            f"method {method.name} includes verification", hint="use --verify full or --verify sampled"
        )
    if not _NONCE.fullmatch(request.nonce_hex):
        raise UsageError("the nonce must be whole bytes in lower-case hex")


def incomplete_before_start(plan: Plan) -> bool:
    """Return True when the plan already leaves out something that was asked for.

    That is a refused device, or, when all disks were asked for, one that appeared after the plan was made, or
    storage without a driver.
    """
    left_behind = (LeftOutWhy.REFUSED, LeftOutWhy.APPEARED)
    return any(left.why in left_behind for left in plan.left_out) or (
        plan.all_disks and bool(plan.driverless)
    )


def with_passes(plan: Plan, count: int | None) -> Plan:
    """Return the plan with the passes of its method in every step.

    They are drawn from the SHA-256 of the canonical form of the plan without passes.

    Args:
        plan: its passes are not looked at.
        count: see `build_passes`.
    """
    bare = replace(plan.decided, steps=tuple(replace(step, passes=()) for step in plan.steps))
    passes = build_passes(plan.method, count, sha256(canonical(bare)).digest())
    return replace(plan, steps=tuple(replace(step, passes=passes) for step in plan.steps))


def _seal(
    machine: Machine, request: Request, steps: list[Step], left_out: list[LeftOut], *, all_disks: bool
) -> Plan:
    plan = Plan(
        version=PLAN_VERSION,
        host=machine.host,
        all_disks=all_disks,
        method=request.method,
        verify=request.verify,
        nonce_hex=request.nonce_hex,
        allow=tuple(sorted(request.allow)),
        steps=tuple(steps),
        left_out=tuple(sorted(left_out, key=lambda left: left.path)),
        driverless=tuple(sorted(machine.driverless)),
    )
    return with_passes(plan, request.count)


def _refuse_twins(targets: tuple[Device, ...]) -> None:
    for at, target in enumerate(targets):
        for earlier in targets[:at]:
            if _is_twin(earlier, target):
                raise UsageError(
                    f"{target.path} and {earlier.path} are the same device"
                    if target.path != earlier.path
                    else f"{target.path} is named twice",
                    hint="name each device once",
                )


def _is_twin(one: Device, other: Device) -> bool:
    if one.path == other.path:
        return True
    left, right = one.identity, other.identity
    attached = isinstance(left.instance, str) and left.instance == right.instance
    place = (left.start_bytes, left.size_bytes)
    return attached and place == (right.start_bytes, right.size_bytes)


def _decide(
    device: Device,
    machine: Machine,
    request: Request,
    planned: tuple[Device, ...],
    kept: frozenset[str],
) -> Step | LeftOut:
    refusals = [*check(device, machine), *check_kept(device, machine, kept)]
    for earlier in planned:
        if overlaps(earlier, device, machine):
            detail = f"{device.path} shares bytes with {earlier.path}, which is planned already"
            refusals.append(Refusal(RefusalKind.OVERLAP, device.path, detail))
    standing, lifted = split_refusals(refusals, request.allow)
    if standing:
        return leave_out(device, LeftOutWhy.REFUSED, "; ".join(str(refusal) for refusal in standing))
    return Step(
        path=device.path,
        aliases=tuple(sorted(other.path for other in other_paths(device, machine))),
        kind=device.kind,
        medium=device.medium,
        vendor=device.vendor,
        model=device.model,
        identity=device.identity,
        passes=(),
        allowed=lifted,
    )
