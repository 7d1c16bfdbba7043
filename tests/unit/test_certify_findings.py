"""What evidence amounts to: one way to succeed, and every way to fail by its name and exit code."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shredder.certify.findings import Outcome, RunReport, Verdict, find
from shredder.errors import CertificateError, ExitCode
from shredder.events import (
    AliasRead,
    DeviceEnded,
    DeviceOpened,
    DeviceRefused,
    LookedAgain,
    PassEnded,
    PassStarted,
    Recorded,
    RunEnded,
    RunStarted,
    VerifyEnded,
    VerifyStarted,
    WriteFailed,
)
from shredder.model import LeftOut, LeftOutWhy, Plan, Refusal, RefusalKind, Unavailable, VerifyKind
from shredder.ranges import Range, span
from tests.unit.certify_builders import (
    MIB,
    RANDOM,
    ZEROS,
    chain,
    good_device,
    good_run,
    good_verification,
    make_plan,
    make_step,
    start_run,
)

STEP = make_step()
PATH = STEP.path
GOOD = good_run(make_plan(STEP))
WHOLE = span(0, MIB)
SECTOR = (Range(4096, 512),)
ALL_BUT_SECTOR = (Range(0, 4096), Range(4608, MIB - 4608))
REFUSAL = Refusal(RefusalKind.MOUNT, "/dev/sdx1", "mounted at /srv")

Edit = Callable[[list[Recorded]], list[Recorded]]


def report_of(happened: list[Recorded]) -> RunReport:
    return find(chain(happened))


def change(kind: type, number: int | None = None, /, **facts: Any) -> Edit:
    """Change the fields of the one event of this kind, of pass `number` where there are several."""

    def edit(happened: list[Recorded]) -> list[Recorded]:
        edited: list[Recorded] = [
            replace(event, **facts)
            if isinstance(event, kind) and number in (None, getattr(event, "number", None))
            else event
            for event in happened
        ]
        assert sum(before is not after for before, after in zip(happened, edited, strict=True)) == 1
        return edited

    return edit


def place(happened: list[Recorded], kind: type, number: int) -> int:
    return next(
        at
        for at, event in enumerate(happened)
        if isinstance(event, kind) and getattr(event, "number", None) == number
    )


def without(*kinds: type) -> Edit:
    return lambda happened: [event for event in happened if not isinstance(event, kinds)]


def then(*edits: Edit) -> Edit:
    def edit(happened: list[Recorded]) -> list[Recorded]:
        for one in edits:
            happened = one(happened)
        return happened

    return edit


def only(*events: Recorded) -> Edit:
    """A run of which only these events are there between its start and its end."""
    return lambda happened: [happened[0], *events, happened[-1]]


def after(kind: type, number: int, *events: Recorded) -> Edit:
    def edit(happened: list[Recorded]) -> list[Recorded]:
        at = place(happened, kind, number)
        return [*happened[: at + 1], *events, *happened[at + 1 :]]

    return edit


def stop_after(kind: type, number: int) -> Edit:
    """The run is interrupted right after this event."""

    def edit(happened: list[Recorded]) -> list[Recorded]:
        at = place(happened, kind, number)
        return [*happened[: at + 1], DeviceEnded(PATH, None, False), RunEnded(interrupted=True)]

    return edit


def test_a_run_in_which_all_went_well() -> None:
    report = report_of(GOOD)
    assert report.complete
    assert report.exit_code is ExitCode.DONE
    assert report.outcome is Outcome.COMPLETE
    assert report.headline == "complete: 1 device erased, verified in full"
    (device,) = report.devices
    assert device.verdict is Verdict.VERIFIED_IN_FULL
    assert device.problems == ()
    assert device.unwritten == device.untouched == ()
    assert [item.written for item in device.passes] == [WHOLE, WHOLE]
    assert (report.started_at, report.ended_at) == ("2026-11-21T03:31:00.123Z", "2026-11-21T03:31:09.123Z")
    assert (device.started_at, device.ended_at) == ("2026-11-21T03:31:01.123Z", "2026-11-21T03:31:08.123Z")


@pytest.mark.parametrize(
    ("verify", "verdict"),
    [
        (VerifyKind.FULL, Verdict.VERIFIED_IN_FULL),
        (VerifyKind.SAMPLED, Verdict.VERIFIED_BY_SAMPLES),
        (VerifyKind.NONE, Verdict.NOT_VERIFIED),
    ],
)
def test_each_kind_of_verification_has_its_own_success(verify: VerifyKind, verdict: Verdict) -> None:
    report = report_of(good_run(make_plan(STEP, verify=verify)))
    assert report.devices[0].verdict is verdict
    assert verdict.is_success
    assert report.exit_code is ExitCode.DONE


def test_coverage_in_pieces_and_errors_that_a_retry_overcame_are_no_failure() -> None:
    pieces = (Range(512, MIB - 512), Range(0, 1024))
    report = report_of(change(PassEnded, 1, written=pieces, write_errors=3)(GOOD))
    assert report.complete
    assert report.devices[0].passes[0].write_errors == 3


def test_samples_that_are_the_whole_medium_need_no_statistics() -> None:
    plan = make_plan(STEP, verify=VerifyKind.SAMPLED)
    whole = then(
        change(VerifyStarted, independent=0, ranges_bytes=MIB), change(VerifyEnded, checked_bytes=MIB)
    )
    assert report_of(whole(good_run(plan))).complete


FAILURES: dict[str, tuple[Edit, Verdict, ExitCode]] = {
    "never opened": (only(), Verdict.NOT_ATTEMPTED, ExitCode.INCOMPLETE),
    "never opened, interrupted": (
        then(only(), change(RunEnded, interrupted=True)),
        Verdict.NOT_ATTEMPTED,
        ExitCode.INTERRUPTED,
    ),
    "could not be opened": (
        only(DeviceEnded(PATH, "no such device", False)),
        Verdict.INCOMPLETE,
        ExitCode.INCOMPLETE,
    ),
    "refused": (only(DeviceRefused(PATH, (REFUSAL,))), Verdict.REFUSED, ExitCode.REFUSED),
    "refused without a reason": (only(DeviceRefused(PATH, ())), Verdict.REFUSED, ExitCode.REFUSED),
    "refused after opening": (
        only(DeviceOpened(PATH, STEP.identity, True), DeviceRefused(PATH, (REFUSAL,))),
        Verdict.REFUSED,
        ExitCode.REFUSED,
    ),
    "refused, interrupted": (
        then(only(DeviceRefused(PATH, (REFUSAL,))), change(RunEnded, interrupted=True)),
        Verdict.REFUSED,
        ExitCode.INTERRUPTED,
    ),
    "opened, nothing begun": (
        only(DeviceOpened(PATH, STEP.identity, True), DeviceEnded(PATH, None, False)),
        Verdict.INCOMPLETE,
        ExitCode.INCOMPLETE,
    ),
    "opened as another size": (
        change(DeviceOpened, identity=replace(STEP.identity, size_bytes=MIB // 2)),
        Verdict.INCOMPLETE,
        ExitCode.INCOMPLETE,
    ),
    "opened as another serial": (
        change(DeviceOpened, identity=replace(STEP.identity, serial="S-2")),
        Verdict.INCOMPLETE,
        ExitCode.INCOMPLETE,
    ),
    "a sector refused": (
        change(PassEnded, 1, written=ALL_BUT_SECTOR, unwritten=SECTOR, write_errors=4),
        Verdict.INCOMPLETE,
        ExitCode.INCOMPLETE,
    ),
    "a sector missing from the ranges alone": (
        change(PassEnded, 2, written=ALL_BUT_SECTOR),
        Verdict.INCOMPLETE,
        ExitCode.INCOMPLETE,
    ),
    "a sector both written and unwritten": (
        change(PassEnded, 2, unwritten=SECTOR),
        Verdict.INCOMPLETE,
        ExitCode.INCOMPLETE,
    ),
    "a sector both written and failed": (
        after(PassStarted, 2, WriteFailed(PATH, 2, SECTOR, "Input/output error")),
        Verdict.INCOMPLETE,
        ExitCode.INCOMPLETE,
    ),
    "as many bytes, but elsewhere": (
        change(PassEnded, 1, written=(Range(512, MIB),)),
        Verdict.INCOMPLETE,
        ExitCode.INCOMPLETE,
    ),
    "the whole device and more": (
        change(PassEnded, 1, written=(Range(0, MIB + 512),)),
        Verdict.INCOMPLETE,
        ExitCode.INCOMPLETE,
    ),
    "flush failed": (
        change(PassEnded, 2, flush_error="Input/output error"),
        Verdict.INCOMPLETE,
        ExitCode.INCOMPLETE,
    ),
    "flush failed without a word": (
        change(PassEnded, 1, flush_error=""),
        Verdict.INCOMPLETE,
        ExitCode.INCOMPLETE,
    ),
    "gave up": (change(PassEnded, 1, gave_up="gone"), Verdict.INCOMPLETE, ExitCode.INCOMPLETE),
    "gave up without a word": (change(PassEnded, 1, gave_up=""), Verdict.INCOMPLETE, ExitCode.INCOMPLETE),
    "pass stopped": (change(PassEnded, 1, stopped=True), Verdict.INTERRUPTED, ExitCode.INTERRUPTED),
    "interrupted between passes": (stop_after(PassEnded, 1), Verdict.INTERRUPTED, ExitCode.INTERRUPTED),
    "interrupted within a pass": (stop_after(PassStarted, 2), Verdict.INTERRUPTED, ExitCode.INTERRUPTED),
    "interrupted before verification": (stop_after(PassEnded, 2), Verdict.INTERRUPTED, ExitCode.INTERRUPTED),
    "interrupted within verification": (
        stop_after(VerifyStarted, 2),
        Verdict.INTERRUPTED,
        ExitCode.INTERRUPTED,
    ),
    "killed": (without(DeviceEnded, RunEnded), Verdict.INTERRUPTED, ExitCode.INTERRUPTED),
    "killed at the very end": (without(RunEnded), Verdict.INTERRUPTED, ExitCode.INTERRUPTED),
    "killed before it began": (
        without(RunEnded, DeviceOpened, PassStarted, PassEnded, VerifyStarted, VerifyEnded, DeviceEnded),
        Verdict.NOT_ATTEMPTED,
        ExitCode.INTERRUPTED,
    ),
    "worker's end not reported": (without(DeviceEnded), Verdict.INCOMPLETE, ExitCode.INCOMPLETE),
    "worker failed": (change(DeviceEnded, error="died"), Verdict.INCOMPLETE, ExitCode.INCOMPLETE),
    "worker failed without a word": (change(DeviceEnded, error=""), Verdict.INCOMPLETE, ExitCode.INCOMPLETE),
    "worker stuck": (change(DeviceEnded, may_still_write=True), Verdict.MAY_STILL_WRITE, ExitCode.INCOMPLETE),
    "not verified": (without(VerifyStarted, VerifyEnded), Verdict.INCOMPLETE, ExitCode.INCOMPLETE),
    "verification without an end": (without(VerifyEnded), Verdict.INCOMPLETE, ExitCode.INCOMPLETE),
    "verified by samples instead": (
        change(VerifyStarted, kind=VerifyKind.SAMPLED, seed_hex="5e" * 32, independent=4603),
        Verdict.INCOMPLETE,
        ExitCode.INCOMPLETE,
    ),
    "part of it verified": (
        then(
            change(VerifyStarted, ranges_bytes=MIB - 512),
            change(VerifyEnded, checked_bytes=MIB - 512),
        ),
        Verdict.INCOMPLETE,
        ExitCode.INCOMPLETE,
    ),
    "less checked than begun": (
        change(VerifyEnded, checked_bytes=MIB - 512),
        Verdict.INCOMPLETE,
        ExitCode.INCOMPLETE,
    ),
    "more checked than begun": (
        change(VerifyEnded, checked_bytes=MIB + 512),
        Verdict.INCOMPLETE,
        ExitCode.INCOMPLETE,
    ),
    "mismatch": (change(VerifyEnded, mismatches=SECTOR), Verdict.MISMATCH, ExitCode.MISMATCH),
    "unreadable": (change(VerifyEnded, unreadable=SECTOR), Verdict.INCOMPLETE, ExitCode.INCOMPLETE),
    "read errors": (change(VerifyEnded, read_errors=1), Verdict.INCOMPLETE, ExitCode.INCOMPLETE),
    "verification gave up": (change(VerifyEnded, gave_up="gone"), Verdict.INCOMPLETE, ExitCode.INCOMPLETE),
    "verification stopped": (change(VerifyEnded, stopped=True), Verdict.INTERRUPTED, ExitCode.INTERRUPTED),
    "mismatch and interrupted": (
        then(change(VerifyEnded, mismatches=SECTOR, stopped=True), change(RunEnded, interrupted=True)),
        Verdict.MISMATCH,
        ExitCode.MISMATCH,
    ),
    "mismatch and stuck": (
        then(change(VerifyEnded, mismatches=SECTOR), change(DeviceEnded, may_still_write=True)),
        Verdict.MISMATCH,
        ExitCode.MISMATCH,
    ),
    "stuck and interrupted": (
        then(stop_after(PassStarted, 1), change(DeviceEnded, may_still_write=True)),
        Verdict.MAY_STILL_WRITE,
        ExitCode.INTERRUPTED,
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_each_way_to_fail_has_its_verdict_and_exit_code(name: str) -> None:
    edit, verdict, exit_code = FAILURES[name]
    report = report_of(edit(GOOD))
    assert report.devices[0].verdict is verdict
    assert report.exit_code is exit_code
    assert not report.complete
    assert report.headline.startswith(f"FAILED, {report.outcome}: ")
    assert report.devices[0].problems


def test_an_interruption_after_the_last_device_leaves_its_verdict() -> None:
    report = report_of(change(RunEnded, interrupted=True)(GOOD))
    assert report.devices[0].verdict is Verdict.VERIFIED_IN_FULL
    assert report.exit_code is ExitCode.INTERRUPTED


def test_a_sampled_verification_needs_its_seed_and_its_samples() -> None:
    happened = good_run(make_plan(STEP, verify=VerifyKind.SAMPLED))
    assert report_of(happened).complete
    for facts in ({"seed_hex": ""}, {"independent": 0}, {"independent": -1}):
        assert report_of(change(VerifyStarted, **facts)(happened)).exit_code is ExitCode.INCOMPLETE
    nothing = then(change(VerifyStarted, ranges_bytes=0), change(VerifyEnded, checked_bytes=0))
    assert report_of(nothing(happened)).exit_code is ExitCode.INCOMPLETE


@pytest.mark.parametrize(
    "step",
    [make_step(passes=()), make_step(identity=replace(STEP.identity, size_bytes=0))],
    ids=["no pass", "no bytes"],
)
def test_nothing_to_do_is_not_success(step: Any) -> None:
    started = [start_run(make_plan(step, verify=VerifyKind.NONE))]
    middle: list[Recorded] = [DeviceOpened(PATH, step.identity, True)]
    for number in range(1, len(step.passes) + 1):
        middle += [
            PassStarted(PATH, number),
            PassEnded(PATH, number, (), (), 0, None, None, False, 1),
        ]
    report = report_of([*started, *middle, DeviceEnded(PATH, None, False), RunEnded(False)])
    assert report.devices[0].verdict is Verdict.INCOMPLETE
    assert report.exit_code is ExitCode.INCOMPLETE


def test_a_plan_without_targets_is_not_success() -> None:
    plan = replace(make_plan(STEP), steps=())
    assert report_of([start_run(plan), RunEnded(False)]).exit_code is ExitCode.INCOMPLETE


def test_a_range_that_a_later_pass_reached_is_unwritten_but_not_untouched() -> None:
    report = report_of(change(PassEnded, 1, written=ALL_BUT_SECTOR, unwritten=SECTOR)(GOOD))
    (device,) = report.devices
    assert device.unwritten == SECTOR
    assert device.untouched == ()
    assert [item.unwritten for item in device.passes] == [SECTOR, ()]


def test_ranges_of_several_passes_are_joined_and_met() -> None:
    other = (Range(4608, 1024),)
    edit = then(change(PassEnded, 1, unwritten=(Range(4096, 1024),)), change(PassEnded, 2, unwritten=other))
    (device,) = report_of(edit(GOOD)).devices
    assert device.unwritten == (Range(4096, 1536),)
    assert device.untouched == (Range(4608, 512),)


def test_after_a_failed_flush_the_whole_pass_is_unwritten() -> None:
    (device,) = report_of(change(PassEnded, 2, flush_error="Input/output error")(GOOD)).devices
    assert [item.written for item in device.passes] == [WHOLE, ()]
    assert device.unwritten == WHOLE
    assert device.untouched == ()


def test_passes_that_were_not_done_leave_everything_unwritten() -> None:
    (device,) = report_of(stop_after(PassStarted, 1)(GOOD)).devices
    assert device.unwritten == device.untouched == WHOLE
    assert len(device.passes) == 2


def test_a_mismatch_keeps_the_unwritten_ranges_beside_it() -> None:
    edit = then(
        change(PassEnded, 2, written=ALL_BUT_SECTOR, unwritten=SECTOR),
        change(VerifyEnded, mismatches=(Range(0, 512),), unreadable=(Range(512, 512),)),
    )
    (device,) = report_of(edit(GOOD)).devices
    assert device.verdict is Verdict.MISMATCH
    assert device.unwritten == SECTOR
    assert {problem.verdict for problem in device.problems} == {Verdict.MISMATCH, Verdict.INCOMPLETE}


def test_a_mismatch_before_the_last_pass_counts_too() -> None:
    edit = then(
        without(VerifyStarted, VerifyEnded),
        lambda happened: [event for event in happened if getattr(event, "number", 1) == 1],
        after(
            PassEnded,
            1,
            VerifyStarted(PATH, 1, VerifyKind.FULL, "", MIB, 0),
            VerifyEnded(PATH, 1, MIB, SECTOR, (), 0, None, False, 1),
        ),
    )
    report = report_of(edit(GOOD))
    assert report.exit_code is ExitCode.MISMATCH
    clean = [
        replace(event, mismatches=()) if isinstance(event, VerifyEnded) else event for event in edit(GOOD)
    ]
    assert report_of(clean).exit_code is ExitCode.INCOMPLETE


def two_devices(first: list[Recorded], **facts: Any) -> RunReport:
    other = make_step("/dev/sdy")
    plan = make_plan(STEP, other, **facts)
    return report_of([start_run(plan), *first, *good_device(other), RunEnded(False)])


def test_a_refused_device_beside_one_that_was_erased_makes_the_run_incomplete() -> None:
    report = two_devices([DeviceRefused(PATH, (REFUSAL,))])
    assert [device.verdict for device in report.devices] == [Verdict.REFUSED, Verdict.VERIFIED_IN_FULL]
    assert report.exit_code is ExitCode.INCOMPLETE
    assert report.headline == "FAILED, incomplete: 1 device refused; 1 device erased, verified in full"
    assert report.devices[0].untouched == WHOLE


def test_the_gravest_device_decides() -> None:
    broken = change(VerifyEnded, mismatches=SECTOR)(good_device(STEP))
    assert two_devices(broken).exit_code is ExitCode.MISMATCH


@pytest.mark.parametrize(
    ("why", "exit_code"),
    [
        (LeftOutWhy.REFUSED, ExitCode.INCOMPLETE),
        (LeftOutWhy.EXCEPTED, ExitCode.DONE),
        (LeftOutWhy.NOT_NAMED, ExitCode.DONE),
        (LeftOutWhy.APPEARED, ExitCode.INCOMPLETE),
    ],
)
def test_only_devices_that_the_plan_refused_make_a_run_incomplete(
    why: LeftOutWhy, exit_code: ExitCode
) -> None:
    left = LeftOut("/dev/sdz", why, "Disk", Unavailable("none"), 512, "mounted at /")
    assert report_of(good_run(make_plan(STEP, left_out=(left,)))).exit_code is exit_code


def test_all_refused_by_plan_and_by_opening_is_refused() -> None:
    left = LeftOut("/dev/sdz", LeftOutWhy.REFUSED, "Disk", Unavailable("none"), 512, "mounted at /")
    plan = make_plan(STEP, left_out=(left,))
    happened: list[Recorded] = [start_run(plan), DeviceRefused(PATH, (REFUSAL,)), RunEnded(False)]
    assert report_of(happened).exit_code is ExitCode.REFUSED


@pytest.mark.parametrize(("all_disks", "exit_code"), [(True, ExitCode.INCOMPLETE), (False, ExitCode.DONE)])
def test_a_controller_without_a_driver_counts_when_all_disks_were_asked_for(
    all_disks: bool, exit_code: ExitCode
) -> None:
    plan = make_plan(STEP, all_disks=all_disks, driverless=("8086:2822 at 0000:00:17.0",))
    assert report_of(good_run(plan)).exit_code is exit_code


LATE = LeftOut("/dev/sdz", LeftOutWhy.APPEARED, "Disk", "S-9", 512, "after the plan was made")


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (change(LookedAgain, appeared=(LATE,)), "1 device appeared after the plan was made"),
        (change(LookedAgain, error="/dev/sdy hangs"), "it cannot be told whether disks appeared late"),
        (without(LookedAgain), "it cannot be told whether disks appeared late"),
    ],
)
def test_a_disk_that_appears_during_a_wipe_of_all_makes_it_incomplete(edit: Edit, told: str) -> None:
    good = good_run(make_plan(STEP, all_disks=True))
    assert report_of(good).complete
    report = report_of(edit(good))
    assert (report.exit_code, report.devices[0].verdict.is_success) == (ExitCode.INCOMPLETE, True)
    assert report.headline.endswith(told)
    assert (LATE in report.left_out) == ("1 device" in told)


@pytest.mark.parametrize(
    ("edit", "verdict", "told"),
    [
        (change(AliasRead, differing_bytes=512), Verdict.INCOMPLETE, "is another disk"),
        (change(AliasRead, error="too many errors"), Verdict.INCOMPLETE, "too many errors"),
        (change(AliasRead, checked_bytes=MIB - 512), Verdict.INCOMPLETE, "too little was read"),
        (change(AliasRead, checked_bytes=0, to_check_bytes=0), Verdict.INCOMPLETE, "too little was read"),
        (change(AliasRead, stopped=True), Verdict.INTERRUPTED, "was stopped"),
        (without(AliasRead), Verdict.INCOMPLETE, "/dev/sdy was not shown to be another path"),
    ],
)
def test_a_path_that_was_not_proven_keeps_its_device_from_success(
    edit: Edit, verdict: Verdict, told: str
) -> None:
    good = good_run(make_plan(make_step(aliases=("/dev/sdy",))))
    assert report_of(good).complete
    (device,) = report_of(edit(good)).devices
    assert (device.verdict, len(device.problems)) == (verdict, 1)
    assert told in device.problems[0].reason


def _swap(happened: list[Recorded], first: int, second: int) -> list[Recorded]:
    swapped = list(happened)
    swapped[first], swapped[second] = swapped[second], swapped[first]
    return swapped


START = start_run(make_plan(STEP))
DISORDERS: dict[str, list[Recorded]] = {
    "nothing": [],
    "no start": GOOD[1:],
    "two starts": [*GOOD[:-1], START, GOOD[-1]],
    "after the end": [*GOOD, DeviceEnded(PATH, None, False)],
    "two ends": [*GOOD, RunEnded(False)],
    "a last look before the last device": [START, LookedAgain((), None), *GOOD[1:]],
    "an alias that is not the plan's": [
        *GOOD[:-2],
        AliasRead(PATH, "/dev/sdz", 1, 1, 0, None, False),
        *GOOD[-2:],
    ],
    "unknown path": [START, DeviceOpened("/dev/sdz", STEP.identity, True), RunEnded(False)],
    "opened twice": [*GOOD[:2], GOOD[1], *GOOD[2:]],
    "refused after writing": [*GOOD[:4], DeviceRefused(PATH, (REFUSAL,)), *GOOD[4:]],
    "refused at the end": [*GOOD[:8], DeviceRefused(PATH, (REFUSAL,)), *GOOD[8:]],
    "opened, refused and written": [*GOOD[:2], DeviceRefused(PATH, (REFUSAL,)), *GOOD[2:]],
    "opened after refusal": [GOOD[0], DeviceRefused(PATH, (REFUSAL,)), *GOOD[1:]],
    "pass before opening": _swap(GOOD, 1, 2),
    "pass 2 first": [*GOOD[:2], *GOOD[4:]],
    "pass 1 twice": [*GOOD[:4], *GOOD[2:]],
    "end before start of a pass": _swap(GOOD, 2, 3),
    "a pass begun within another": [*GOOD[:3], GOOD[4], *GOOD[3:]],
    "pass 3 of 2": [*GOOD[:6], PassStarted(PATH, 3), *GOOD[6:]],
    "pass 0": [*GOOD[:2], PassStarted(PATH, 0), *GOOD[2:]],
    "failure of another pass": [*GOOD[:3], WriteFailed(PATH, 2, SECTOR, "error"), *GOOD[3:]],
    "failure between passes": [*GOOD[:4], WriteFailed(PATH, 1, SECTOR, "error"), *GOOD[4:]],
    "verified before it was written": [*GOOD[:2], GOOD[6], *GOOD[2:]],
    "verified while it was written": [*GOOD[:5], GOOD[6], *GOOD[5:]],
    "verification of another pass": change(VerifyStarted, number=1)(GOOD),
    "verification's end of another pass": change(VerifyEnded, number=1)(GOOD),
    "verified twice": [*GOOD[:8], *good_verification(STEP), *GOOD[8:]],
    "verification's end twice": [*GOOD[:8], GOOD[7], *GOOD[8:]],
    "verification without a start": [*GOOD[:6], *GOOD[7:]],
    "written after the only verification": [
        *GOOD[:4],
        VerifyStarted(PATH, 1, VerifyKind.FULL, "", MIB, 0),
        VerifyEnded(PATH, 1, MIB, (), (), 0, None, False, 1),
        *GOOD[4:6],
        *GOOD[8:],
    ],
    "written after verification": [
        *GOOD[:4],
        VerifyStarted(PATH, 1, VerifyKind.FULL, "", MIB, 0),
        *GOOD[4:],
    ],
    "after the device's end": [*GOOD[:9], GOOD[8], *GOOD[9:]],
    "another plan digest": change(RunStarted, plan_digest="0" * 64)(GOOD),
    "another plan": change(RunStarted, plan=make_plan(STEP, method="other"))(GOOD),
    "a target twice": [start_run(make_plan(STEP, STEP)), *GOOD[1:]],
    "stream of no target": change(RunStarted, streams=(replace(START.streams[0], path="/dev/sdz"),))(GOOD),
    "stream twice": change(RunStarted, streams=START.streams * 2)(GOOD),
    "stream with a key too few": change(RunStarted, streams=(replace(START.streams[0], key_digests=("",)),))(
        GOOD
    ),
}


@pytest.mark.parametrize("name", DISORDERS)
def test_what_cannot_have_happened_is_rejected(name: str) -> None:
    with pytest.raises(CertificateError):
        report_of(DISORDERS[name])


def test_devices_may_take_turns() -> None:
    other = make_step("/dev/sdy")
    plan = make_plan(STEP, other)
    turns: list[Recorded] = [
        event for pair in zip(good_device(STEP), good_device(other), strict=True) for event in pair
    ]
    assert report_of([start_run(plan), *turns, RunEnded(False)]).complete


def is_success(happened: list[Recorded]) -> bool:
    try:
        report = report_of(happened)
    except CertificateError:
        return False
    return report.complete


some_ranges = st.lists(
    st.builds(Range, st.integers(0, MIB // 512 - 1).map(lambda at: at * 512), st.just(512)),
    min_size=1,
    max_size=4,
).map(tuple)
words = st.sampled_from(["", "Input/output error"])


def bad_variants(event: Recorded) -> st.SearchStrategy[Recorded]:
    """What the event is when something went wrong there."""
    match event:
        case PassEnded():
            return st.one_of(
                some_ranges.map(lambda lost: replace(event, unwritten=lost)),
                some_ranges.map(lambda only_these: replace(event, written=only_these)),
                words.map(lambda error: replace(event, flush_error=error)),
                words.map(lambda error: replace(event, gave_up=error)),
                st.just(replace(event, stopped=True)),
            )
        case VerifyStarted():
            return st.one_of(
                st.integers(0, MIB - 1).map(lambda count: replace(event, ranges_bytes=count)),
                st.sampled_from([VerifyKind.NONE, VerifyKind.SAMPLED]).map(
                    lambda kind: replace(event, kind=kind)
                ),
            )
        case VerifyEnded():
            return st.one_of(
                st.integers(0, MIB - 1).map(lambda count: replace(event, checked_bytes=count)),
                some_ranges.map(lambda found: replace(event, mismatches=found)),
                some_ranges.map(lambda lost: replace(event, unreadable=lost)),
                st.integers(1, 9).map(lambda errors: replace(event, read_errors=errors)),
                words.map(lambda error: replace(event, gave_up=error)),
                st.just(replace(event, stopped=True)),
            )
        case DeviceEnded():
            return st.one_of(
                words.map(lambda error: replace(event, error=error)),
                st.just(replace(event, may_still_write=True)),
            )
        case DeviceOpened():
            return st.just(DeviceRefused(PATH, (REFUSAL,)))
        case RunEnded():
            return st.just(RunEnded(interrupted=True))
        case PassStarted():
            return some_ranges.map(lambda lost: WriteFailed(PATH, event.number, lost, "error"))
        case RunStarted():
            return st.just(replace(event, plan_digest="1" * 64))
        case DeviceRefused() | WriteFailed() | AliasRead() | LookedAgain():
            raise AssertionError("not in a run in which all went well")


@given(st.data())
@settings(max_examples=300)
def test_no_failure_anywhere_folds_into_success(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(GOOD) - 1))
    bad = data.draw(bad_variants(GOOD[at]))
    insert = data.draw(st.booleans()) and not isinstance(GOOD[at], VerifyStarted)
    happened = [*GOOD[:at], bad, *GOOD[at + (0 if insert else 1) :]]
    dropped = data.draw(st.sets(st.integers(0, len(happened) - 1), max_size=2)) - {at}
    happened = [event for index, event in enumerate(happened) if index not in dropped]
    assert bad in happened
    assert not is_success(happened)


@given(st.lists(st.sampled_from(GOOD), max_size=14) | st.permutations(GOOD))
@settings(max_examples=300)
def test_only_the_whole_run_in_its_order_succeeds(happened: list[Recorded]) -> None:
    assert is_success(happened) == (happened == GOOD)


@given(st.sets(st.integers(0, len(GOOD) - 1), min_size=1))
def test_no_part_of_a_good_run_succeeds(dropped: set[int]) -> None:
    assert not is_success([event for at, event in enumerate(GOOD) if at not in dropped])


@given(st.lists(some_ranges, min_size=2, max_size=2))
def test_coverage_is_worked_out_from_the_ranges(lost: list[tuple[Range, ...]]) -> None:
    first, second = (
        {at for item in ranges for at in range(item.start_bytes, item.end_bytes, 512)} for ranges in lost
    )
    edit = then(change(PassEnded, 1, unwritten=lost[0]), change(PassEnded, 2, unwritten=lost[1]))
    (device,) = report_of(edit(GOOD)).devices

    def sectors(ranges: tuple[Range, ...]) -> set[int]:
        return {at for item in ranges for at in range(item.start_bytes, item.end_bytes, 512)}

    assert sectors(device.unwritten) == first | second
    assert sectors(device.untouched) == first & second


def test_one_pass_of_one_pattern_is_enough() -> None:
    for only_pass in (ZEROS, RANDOM):
        plan: Plan = make_plan(make_step(passes=(only_pass,)))
        assert report_of(good_run(plan)).complete
