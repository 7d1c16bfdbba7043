"""What keeps one device from success. Nothing found is the only way to succeed."""

from collections.abc import Iterator, Sequence

from shredder.certify.history import DeviceHistory
from shredder.certify.reports import PassReport, Problem, Verdict
from shredder.events import RunEnded, VerifyEnded, VerifyStarted
from shredder.model import Step, VerifyKind
from shredder.ranges import total_bytes

_GRAVEST_FIRST = (
    Verdict.MISMATCH,
    Verdict.MAY_STILL_WRITE,
    Verdict.INTERRUPTED,
    Verdict.INCOMPLETE,
    Verdict.REFUSED,
    Verdict.NOT_ATTEMPTED,
)
_SUCCESS = {
    VerifyKind.FULL: Verdict.VERIFIED_IN_FULL,
    VerifyKind.SAMPLED: Verdict.VERIFIED_BY_SAMPLES,
    VerifyKind.NONE: Verdict.NOT_VERIFIED,
}


def judge(verify: VerifyKind, problems: Sequence[Problem]) -> Verdict:
    """Return the gravest problem's verdict, or the success that the plan asked for."""
    found = {problem.verdict for problem in problems}
    return next((verdict for verdict in _GRAVEST_FIRST if verdict in found), _SUCCESS[verify])


def find_problems(
    device: DeviceHistory, passes: Sequence[PassReport], verify: VerifyKind, run_end: RunEnded | None
) -> tuple[Problem, ...]:
    """Return everything that keeps the device from success.

    Args:
        device: what happened to it.
        passes: every planned pass with its true coverage.
        verify: what the plan asked for.
        run_end: the last entry; None when the evidence simply stops.
    """
    if device.refused is not None:
        reasons = "; ".join(str(refusal) for refusal in device.refused.refusals)
        return (Problem(Verdict.REFUSED, reasons or "refused without a reason"), *_worker_problems(device))
    if device.opened is None and device.ended is None:
        return (Problem(Verdict.NOT_ATTEMPTED, "it was never opened"),)
    problems = [*_worker_problems(device), *_opening_problems(device)]
    if run_end is None:
        problems.append(Problem(Verdict.INTERRUPTED, "the evidence stops before the end of the run"))
    missing = Verdict.INTERRUPTED if run_end is None or run_end.interrupted else Verdict.INCOMPLETE
    problems.extend(_excess_problems(device))
    for item in passes:
        problems.extend(_pass_problems(item, missing))
    problems.extend(_verification_problems(device, verify, missing))
    problems.extend(_alias_problems(device, missing))
    return tuple(problems)


def _worker_problems(device: DeviceHistory) -> Iterator[Problem]:
    if device.ended is None:
        if device.refused is None:
            yield Problem(Verdict.INCOMPLETE, "its worker never reported an end")
        return
    if device.ended.may_still_write:
        yield Problem(Verdict.MAY_STILL_WRITE, "its worker could not be ended and may still write")
    if device.ended.error is not None:
        yield Problem(Verdict.INCOMPLETE, device.ended.error)


def _opening_problems(device: DeviceHistory) -> Iterator[Problem]:
    if device.opened is None:
        yield Problem(Verdict.INCOMPLETE, "it was never opened")
    elif not _is_same_target(device.step, device):
        yield Problem(Verdict.INCOMPLETE, "what was opened is not what the plan names")
    if device.step.identity.size_bytes <= 0:
        yield Problem(Verdict.INCOMPLETE, "it holds no bytes")
    if not device.step.passes:
        yield Problem(Verdict.INCOMPLETE, "no pass was planned for it")


def _is_same_target(step: Step, device: DeviceHistory) -> bool:
    """Compare what never changes; the rest of the identity was the opener's to judge."""
    if device.opened is None:
        return False
    planned, found = step.identity, device.opened.identity
    return (planned.size_bytes, planned.start_bytes, planned.logical_sector_bytes) == (
        found.size_bytes,
        found.start_bytes,
        found.logical_sector_bytes,
    ) and all(
        before == after
        for before, after in ((planned.serial, found.serial), (planned.wwn, found.wwn))
        if isinstance(before, str)
    )


def _excess_problems(device: DeviceHistory) -> Iterator[Problem]:
    """What claims more than there is cannot be believed in the rest either."""
    for number, item in enumerate(device.passes, start=1):
        written = item.ended.written if item.ended else ()
        if any(part.end_bytes > device.step.identity.size_bytes for part in written):
            yield Problem(Verdict.INCOMPLETE, f"pass {number} claims bytes beyond the end of the device")


def _pass_problems(item: PassReport, missing: Verdict) -> Iterator[Problem]:
    name = f"pass {item.number}"
    if item.started_at is None:
        yield Problem(missing, f"{name} was not begun")
        return
    if item.ended_at is None:
        yield Problem(missing, f"{name} has no end")
        return
    if item.stopped:
        yield Problem(Verdict.INTERRUPTED, f"{name} was stopped")
    if item.gave_up is not None:
        yield Problem(Verdict.INCOMPLETE, f"{name} gave up: {item.gave_up}")
    if item.flush_error is not None:
        yield Problem(Verdict.INCOMPLETE, f"the flush after {name} failed: {item.flush_error}")
    elif item.unwritten:
        yield Problem(Verdict.INCOMPLETE, f"{name} left {total_bytes(item.unwritten)} bytes unwritten")


def _verification_problems(device: DeviceHistory, verify: VerifyKind, missing: Verdict) -> Iterator[Problem]:
    if device.verification is None:
        if verify is not VerifyKind.NONE:
            yield Problem(missing, "the verification was not begun")
        return
    started, ended = device.verification.started, device.verification.ended
    if started.kind is not verify or started.number != len(device.step.passes):
        yield Problem(Verdict.INCOMPLETE, "the verification is not the one that was planned")
    if ended is None:
        yield Problem(missing, "the verification has no end")
        return
    yield from _reading_problems(ended)
    if ended.checked_bytes != started.ranges_bytes or not _covers_enough(started, device.step):
        yield Problem(Verdict.INCOMPLETE, "the verification did not read everything that it had to")


def _reading_problems(ended: VerifyEnded) -> Iterator[Problem]:
    if ended.mismatches:
        differing = total_bytes(ended.mismatches)
        yield Problem(Verdict.MISMATCH, f"{differing} bytes, in whole sectors, differ from what was written")
    if ended.unreadable or ended.read_errors:
        lost = total_bytes(ended.unreadable)
        yield Problem(Verdict.INCOMPLETE, f"{lost} bytes could not be read back ({ended.read_errors} errors)")
    if ended.gave_up is not None:
        yield Problem(Verdict.INCOMPLETE, f"the verification gave up: {ended.gave_up}")
    if ended.stopped:
        yield Problem(Verdict.INTERRUPTED, "the verification was stopped")


def _alias_problems(device: DeviceHistory, missing: Verdict) -> Iterator[Problem]:
    """A path that was not proven to be one may be a disk of its own, with its old content."""
    for alias in device.step.aliases:
        read = device.aliases.get(alias)
        if read is None:
            yield Problem(missing, f"{alias} was not shown to be another path to it")
        elif read.differing_bytes:
            yield Problem(
                Verdict.INCOMPLETE,
                f"{alias} has its serial and WWN and is another disk, which was not erased: "
                f"{read.differing_bytes} bytes there, in whole sectors, differ from what was written",
            )
        elif read.stopped:
            yield Problem(Verdict.INTERRUPTED, f"the reading through {alias} was stopped")
        elif read.error is not None or not 0 < read.checked_bytes == read.to_check_bytes:
            why = read.error or "too little was read"
            yield Problem(Verdict.INCOMPLETE, f"{alias} was not shown to be another path to it: {why}")


def _covers_enough(started: VerifyStarted, step: Step) -> bool:
    if started.kind is VerifyKind.FULL or started.independent <= 0:
        return started.ranges_bytes == step.identity.size_bytes
    return 0 < started.ranges_bytes <= step.identity.size_bytes and started.seed_hex != ""
