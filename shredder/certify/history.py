"""The evidence, sorted by device and checked for its order; says what happened, judges nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from shredder.certify.evidence import Entry
from shredder.errors import CertificateError
from shredder.events import (
    AliasRead,
    DeviceEnded,
    DeviceOpened,
    DeviceRefused,
    LookedAgain,
    PassEnded,
    PassStarted,
    RunEnded,
    RunStarted,
    VerifyEnded,
    VerifyStarted,
    WriteFailed,
)
from shredder.log_events import LogEvent
from shredder.model import PassKind, Step

_DIGEST_DIGITS = 64


@dataclass(slots=True)
class PassHistory:
    """One pass that was begun."""

    started_at: str
    failed: list[WriteFailed] = field(default_factory=list)
    ended: PassEnded | None = None
    ended_at: str | None = None


@dataclass(slots=True)
class VerificationHistory:
    """A read-back that was begun."""

    started: VerifyStarted
    started_at: str
    ended: VerifyEnded | None = None
    ended_at: str | None = None


@dataclass(slots=True)
class DeviceHistory:
    """What happened to one target, in order; `passes[0]` is pass 1."""

    step: Step
    opened: DeviceOpened | None = None
    refused: DeviceRefused | None = None
    passes: list[PassHistory] = field(default_factory=list)
    verification: VerificationHistory | None = None
    aliases: dict[str, AliasRead] = field(default_factory=dict)
    ended: DeviceEnded | None = None
    started_at: str | None = None
    ended_at: str | None = None


@dataclass(frozen=True, slots=True)
class History:
    """A whole run; `ended` is None when the process was killed.

    `looked_again` is None where nobody looked for disks that appeared late.
    """

    start: RunStarted
    started_at: str
    devices: tuple[DeviceHistory, ...]
    looked_again: LookedAgain | None
    ended: RunEnded | None
    ended_at: str


def read_history(entries: Sequence[Entry]) -> History:
    """Sort the entries by device.

    Raises:
        CertificateError: they cannot have happened in this order, or not under this plan.
    """
    if not entries or not isinstance(entries[0].event, RunStarted):
        raise CertificateError("the evidence does not begin with the start of a run")
    start = entries[0].event
    _check_start(start)
    devices = {step.path: DeviceHistory(step) for step in start.plan.steps}
    looked_again: LookedAgain | None = None
    ended: RunEnded | None = None
    for entry in entries[1:]:
        if ended is not None:
            _refuse(entry, "stands after the end of the run")
        if isinstance(entry.event, RunEnded):
            ended = entry.event
        elif isinstance(entry.event, LogEvent):
            _refuse(entry, "is of a run over logs")
        elif looked_again is not None:
            _refuse(entry, "stands after the last look at the machine")
        elif isinstance(entry.event, LookedAgain):
            looked_again = entry.event
        elif isinstance(entry.event, RunStarted):
            _refuse(entry, "starts the run a second time")
        elif entry.event.path not in devices:
            _refuse(entry, f"names {entry.event.path}, which is no target of the plan")
        else:
            _take(devices[entry.event.path], entry)
    return History(start, entries[0].at, tuple(devices.values()), looked_again, ended, entries[-1].at)


def _check_start(start: RunStarted) -> None:
    if start.plan.digest != start.plan_digest:
        raise CertificateError("the plan in the evidence does not have the digest given for it")
    steps = {step.path: step for step in start.plan.steps}
    if len(steps) != len(start.plan.steps):
        raise CertificateError("the plan in the evidence names a target twice")
    seen: set[str] = set()
    for stream in start.streams:
        if stream.path in seen or stream.path not in steps:
            raise CertificateError(f"the evidence has no one target for the random stream of {stream.path}")
        passes = steps[stream.path].passes
        random = [planned.kind is PassKind.RANDOM for planned in passes]
        if [len(digest) == _DIGEST_DIGITS for digest in stream.key_digests] != random:
            raise CertificateError(f"the random stream of {stream.path} does not have one key a random pass")
        seen.add(stream.path)
    if seen != set(steps):
        raise CertificateError("the evidence does not name the random stream of every target")


def _refuse(entry: Entry, why: str) -> NoReturn:
    raise CertificateError(f"the evidence is out of order: entry {entry.seq} {why}")


def _take(device: DeviceHistory, entry: Entry) -> None:
    if device.ended is not None:
        _refuse(entry, f"stands after the end of {device.step.path}")
    device.started_at = device.started_at or entry.at
    device.ended_at = entry.at
    event = entry.event
    match event:
        case DeviceRefused() | DeviceOpened():
            _take_opening(device, event, entry)
        case PassStarted() | WriteFailed() | PassEnded():
            _take_pass(device, event, entry)
        case VerifyStarted() | VerifyEnded():
            _take_verification(device, event, entry)
        case AliasRead():
            _take_alias(device, event, entry)
        case DeviceEnded():
            device.ended = event
        case RunStarted() | LookedAgain() | RunEnded():
            raise AssertionError("not an event of one device")


def _take_opening(device: DeviceHistory, event: DeviceRefused | DeviceOpened, entry: Entry) -> None:
    if device.refused or device.passes or (device.opened and isinstance(event, DeviceOpened)):
        _refuse(entry, f"comes too late for {device.step.path}")
    if isinstance(event, DeviceRefused):
        device.refused = event
    else:
        device.opened = event


def _take_pass(device: DeviceHistory, event: PassStarted | WriteFailed | PassEnded, entry: Entry) -> None:
    current = device.passes[-1] if device.passes and device.passes[-1].ended is None else None
    if isinstance(event, PassStarted):
        may_start = device.opened and not device.refused and not device.verification and not current
        if not may_start or not len(device.passes) + 1 == event.number <= len(device.step.passes):
            _refuse(entry, f"starts pass {event.number} of {device.step.path} out of turn")
        device.passes.append(PassHistory(entry.at))
    elif current is None or event.number != len(device.passes):
        _refuse(entry, f"belongs to pass {event.number} of {device.step.path}, which is not going on")
    elif isinstance(event, WriteFailed):
        current.failed.append(event)
    else:
        current.ended = event
        current.ended_at = entry.at


def _take_verification(device: DeviceHistory, event: VerifyStarted | VerifyEnded, entry: Entry) -> None:
    current = device.verification
    if isinstance(event, VerifyStarted):
        is_pass_over = bool(device.passes) and device.passes[-1].ended is not None
        if current or not is_pass_over or event.number != len(device.passes):
            _refuse(entry, f"starts the verification of {device.step.path} out of turn")
        device.verification = VerificationHistory(event, entry.at)
    elif current is None or current.ended or event.number != current.started.number:
        _refuse(entry, f"belongs to a verification of {device.step.path} that is not going on")
    else:
        current.ended = event
        current.ended_at = entry.at


def _take_alias(device: DeviceHistory, event: AliasRead, entry: Entry) -> None:
    is_written = len(device.passes) == len(device.step.passes) and all(item.ended for item in device.passes)
    if not is_written or event.alias not in device.step.aliases or event.alias in device.aliases:
        _refuse(entry, f"reads {event.alias} for {device.step.path} out of turn")
    device.aliases[event.alias] = event
