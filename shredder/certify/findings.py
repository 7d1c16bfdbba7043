"""What the evidence amounts to: a pure fold from entries to a report.

Counts in the evidence are not trusted: coverage is worked out again from the ranges.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from shredder.certify.evidence import Entry
from shredder.certify.history import DeviceHistory, History, PassHistory, VerificationHistory, read_history
from shredder.certify.judge import find_problems, judge
from shredder.certify.reports import (
    DeviceReport,
    Outcome,
    PassReport,
    Problem,
    RunReport,
    Verdict,
    VerificationReport,
)
from shredder.errors import ExitCode, gravest
from shredder.events import RunEnded
from shredder.model import LeftOut, LeftOutWhy, Plan
from shredder.ranges import Range, intersect, merge, span, subtract

__all__ = [
    "DeviceReport",
    "Outcome",
    "PassReport",
    "Problem",
    "RunReport",
    "Verdict",
    "VerificationReport",
    "find",
]

_OUTCOMES = {
    ExitCode.DONE: Outcome.COMPLETE,
    ExitCode.REFUSED: Outcome.REFUSED,
    ExitCode.INCOMPLETE: Outcome.INCOMPLETE,
    ExitCode.MISMATCH: Outcome.MISMATCH,
    ExitCode.INTERRUPTED: Outcome.INTERRUPTED,
}


def find(entries: Sequence[Entry]) -> RunReport:
    """Fold a run's evidence into its report.

    Raises:
        CertificateError: the entries cannot have happened in this order, or not under this plan.
    """
    history = read_history(entries)
    plan = history.start.plan
    interrupted = history.ended is None or history.ended.interrupted
    devices = tuple(_report(device, plan, history.ended) for device in history.devices)
    appeared = history.looked_again.appeared if history.looked_again else ()
    left_out = (*plan.left_out, *appeared)
    exit_code = gravest(_exit_codes(history, devices, left_out, interrupted))
    return RunReport(
        start=history.start,
        devices=devices,
        left_out=left_out,
        interrupted=interrupted,
        outcome=_OUTCOMES[exit_code],
        headline=_headline(_OUTCOMES[exit_code], devices, left_out, history),
        exit_code=exit_code,
        started_at=history.started_at,
        ended_at=history.ended_at,
    )


def _report(device: DeviceHistory, plan: Plan, run_end: RunEnded | None) -> DeviceReport:
    whole = span(0, device.step.identity.size_bytes)
    passes = _pass_reports(device, whole)
    problems = find_problems(device, passes, plan.verify, run_end)
    return DeviceReport(
        step=device.step,
        verdict=judge(plan.verify, problems),
        problems=problems,
        opened=device.opened,
        passes=passes,
        verification=_verification_report(device.verification),
        refusals=device.refused.refusals if device.refused else (),
        error=device.ended.error if device.ended else None,
        may_still_write=device.ended is not None and device.ended.may_still_write,
        unwritten=merge(part for item in passes for part in item.unwritten),
        untouched=subtract(whole, (part for item in passes for part in item.written)),
        started_at=device.started_at,
        ended_at=device.ended_at,
    )


def _verification_report(done: VerificationHistory | None) -> VerificationReport | None:
    if done is None:
        return None
    return VerificationReport(done.started, done.started_at, done.ended, done.ended_at)


def _pass_reports(device: DeviceHistory, whole: tuple[Range, ...]) -> tuple[PassReport, ...]:
    reports = []
    for at, planned in enumerate(device.step.passes):
        done = device.passes[at] if at < len(device.passes) else None
        ended = done.ended if done else None
        written = _flushed_ranges(done, whole) if done else ()
        reports.append(
            PassReport(
                number=at + 1,
                planned=planned,
                started_at=done.started_at if done else None,
                ended_at=done.ended_at if done else None,
                written=written,
                unwritten=subtract(whole, written),
                write_errors=ended.write_errors if ended else 0,
                errors=tuple(dict.fromkeys(item.error for item in done.failed)) if done else (),
                flush_error=ended.flush_error if ended else None,
                gave_up=ended.gave_up if ended else None,
                stopped=ended.stopped if ended else False,
                elapsed_ms=ended.elapsed_ms if ended else 0,
            )
        )
    return tuple(reports)


def _flushed_ranges(done: PassHistory, whole: tuple[Range, ...]) -> tuple[Range, ...]:
    """Return what counts as written: accepted, named by no failure, and flushed."""
    if done.ended is None or done.ended.flush_error is not None:
        return ()
    failed = [part for item in done.failed for part in item.ranges]
    return subtract(intersect(whole, done.ended.written), [*failed, *done.ended.unwritten])


def _exit_codes(
    history: History, devices: Sequence[DeviceReport], left_out: Sequence[LeftOut], interrupted: bool
) -> Iterable[ExitCode]:
    plan = history.start.plan
    was_written = any(device.passes for device in history.devices)
    refused = ExitCode.INCOMPLETE if was_written else ExitCode.REFUSED
    codes = {
        Verdict.MISMATCH: ExitCode.MISMATCH,
        Verdict.INTERRUPTED: ExitCode.INTERRUPTED,
        Verdict.REFUSED: refused,
    }
    for device in devices:
        for problem in device.problems:
            yield codes.get(problem.verdict, ExitCode.INCOMPLETE)
    if any(item.why in (LeftOutWhy.REFUSED, LeftOutWhy.APPEARED) for item in left_out):
        yield refused
    if interrupted:
        yield ExitCode.INTERRUPTED
    if not devices or (plan.all_disks and (plan.driverless or _cannot_tell_what_appeared(history))):
        yield ExitCode.INCOMPLETE


def _cannot_tell_what_appeared(history: History) -> bool:
    return history.looked_again is None or history.looked_again.error is not None


def _headline(
    outcome: Outcome, devices: Sequence[DeviceReport], left_out: Sequence[LeftOut], history: History
) -> str:
    plan = history.start.plan
    parts = [
        f"{_count(number, 'device')} {verdict}"
        for verdict, number in Counter(device.verdict for device in devices).items()
    ]
    whys = Counter(item.why for item in left_out)
    if whys[LeftOutWhy.REFUSED]:
        parts.append(f"{_count(whys[LeftOutWhy.REFUSED], 'device')} refused by the plan")
    if whys[LeftOutWhy.APPEARED]:
        parts.append(f"{_count(whys[LeftOutWhy.APPEARED], 'device')} appeared after the plan was made")
    if plan.all_disks and plan.driverless:
        parts.append(f"{_count(len(plan.driverless), 'storage controller')} without a driver")
    if plan.all_disks and _cannot_tell_what_appeared(history):
        parts.append("it cannot be told whether disks appeared late")
    told = "; ".join(parts) or "no device was to be erased"
    return f"complete: {told}" if outcome is Outcome.COMPLETE else f"FAILED, {outcome}: {told}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
