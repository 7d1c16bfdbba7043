"""What happens to one target, from open to close; runs in a process of its own."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from shredder.erase.aliases import read_alias
from shredder.erase.block_device import BlockDevice
from shredder.erase.image_file import ImageFile
from shredder.erase.keystream import make_source
from shredder.erase.medium import MediumRefusedError
from shredder.erase.overwrite import Overwritten, overwrite
from shredder.erase.transfer import StopFlag
from shredder.erase.verify import compare
from shredder.events import (
    DeviceEnded,
    DeviceOpened,
    DeviceRefused,
    Event,
    PassEnded,
    PassStarted,
    Progress,
    VerifyEnded,
    VerifyStarted,
    WriteFailed,
)
from shredder.model import DeviceKind, Identity, MediumKind, PassKind, Refusal, RefusalKind, Step, VerifyKind
from shredder.ranges import Range, span, subtract, total_bytes

# measured on a 2-core machine: three transfers a core reach the device's speed, more only cost memory;
# a rotating disk wants its blocks in order
_THREADS_PER_CORE = 3
_THREADS_LIMIT = 16
_THREADS_LEAST = 3
_THREADS_ROTATING = 2

Recheck: TypeAlias = Callable[[int], tuple[Identity, tuple[Refusal, ...]]]
OpenedMedium: TypeAlias = BlockDevice | ImageFile


@dataclass(frozen=True, slots=True)
class Sampling:
    """Where sampled verification looks, and what that follows from."""

    seed_hex: str
    ranges: tuple[Range, ...]
    independent: int


@dataclass(frozen=True, slots=True)
class Task:
    """One target's work.

    Args:
        step: from the plan.
        keys: a 16-byte key a pass; empty bytes for a pattern pass.
        verify: how much to read back.
        sample: draws the seed and the places, called after the last write.
        recheck: gathers all facts about the open descriptor again.
        at_once: how many targets share the machine's cores.
    """

    step: Step
    keys: tuple[bytes, ...]
    verify: VerifyKind
    sample: Callable[[], Sampling]
    recheck: Recheck
    at_once: int


def choose_threads(medium: MediumKind, cores: int, at_once: int) -> int:
    """Return how many transfers to keep in flight on one of `at_once` devices."""
    if medium is MediumKind.ROTATING:
        return _THREADS_ROTATING
    return max(_THREADS_LEAST, min(_THREADS_PER_CORE * cores // at_once, _THREADS_LIMIT))


def open_medium(path: str, kind: DeviceKind) -> OpenedMedium:
    """Open a target for writing, so that nothing else can use it.

    Raises:
        MediumRefusedError: something else uses it, or it is not what the plan says.
    """
    return ImageFile(path) if kind is DeviceKind.IMAGE else BlockDevice(path)


def open_for_reading(path: str, kind: DeviceKind) -> OpenedMedium:
    """Open a medium to read it back; others may use it meanwhile.

    Raises:
        MediumRefusedError: it cannot be opened.
    """
    if kind is DeviceKind.IMAGE:
        return ImageFile(path, writable=False)
    return BlockDevice(path, writable=False)


class Worker:
    """Carries out one task and reports what happens.

    Args:
        task: what to do.
        report: takes every event, in order; called from several threads, never at once.
        stop: set from outside to end at a block boundary.
    """

    def __init__(self, task: Task, report: Callable[[Event], None], stop: StopFlag) -> None:
        self._task = task
        self._path = task.step.path
        self._report = report
        self._stop = stop
        self._threads = choose_threads(task.step.medium, os.cpu_count() or 1, task.at_once)

    def run(self) -> None:
        """Open, check again, overwrite, verify, close."""
        try:
            medium = self._take()
        except MediumRefusedError as error:
            self._report(DeviceRefused(self._path, (error.refusal,)))
            return
        if medium is None:
            return
        untouched = self._stop.is_set()
        try:
            if not untouched:
                self._erase(medium)
        finally:
            medium.close(untouched=untouched)
        self._report(DeviceEnded(self._path, error=None, may_still_write=False))

    def _take(self) -> OpenedMedium | None:
        """Return the medium when every fact still holds on the open descriptor; else report why not."""
        medium = open_medium(self._path, self._task.step.kind)
        try:
            identity, refusals = self._task.recheck(medium.fileno())
            refusals = (*refusals, *_compare_sizes(medium, identity, self._path))
            if not refusals:
                medium.take_partitions()
        except BaseException:
            medium.close(untouched=True)
            raise
        if refusals:
            medium.close(untouched=True)
            self._report(DeviceRefused(self._path, refusals))
            return None
        self._report(DeviceOpened(self._path, identity, medium.direct))
        return medium

    def _erase(self, medium: OpenedMedium) -> None:
        result: Overwritten | None = None
        for number in range(1, len(self._task.step.passes) + 1):
            result = self._overwrite(medium, number)
            if result.stopped or result.gave_up or result.flush_error:
                return
        if result is None:
            return
        if self._task.verify is not VerifyKind.NONE and not self._stop.is_set():
            self._verify(medium, result)
        for alias in self._task.step.aliases:
            if not self._stop.is_set():
                self._prove(alias, medium, result)

    def _overwrite(self, medium: OpenedMedium, number: int) -> Overwritten:
        self._report(PassStarted(self._path, number))
        begun_s = time.monotonic()
        source = make_source(self._task.step.passes[number - 1], self._task.keys[number - 1])
        result = overwrite(
            medium,
            source,
            threads=self._threads,
            stop=self._stop,
            tick=self._ticker(number, medium.size_bytes, verifying=False),
            failed=lambda ranges, error: self._report(WriteFailed(self._path, number, ranges, error)),
        )
        self._report(
            PassEnded(
                self._path,
                number,
                written=result.written,
                unwritten=result.unwritten,
                write_errors=result.write_errors,
                flush_error=result.flush_error,
                gave_up=result.gave_up,
                stopped=result.stopped,
                elapsed_ms=_milliseconds_since(begun_s),
            )
        )
        return result

    def _verify(self, medium: OpenedMedium, last: Overwritten) -> None:
        number = len(self._task.step.passes)
        sampling = self._choose_ranges(medium, last)
        checked_bytes = total_bytes(sampling.ranges)
        self._report(
            VerifyStarted(
                self._path, number, self._task.verify, sampling.seed_hex, checked_bytes, sampling.independent
            )
        )
        begun_s = time.monotonic()
        found = compare(
            medium,
            make_source(self._task.step.passes[-1], self._task.keys[-1]),
            sampling.ranges,
            threads=self._threads,
            stop=self._stop,
            tick=self._ticker(number, checked_bytes, verifying=True),
        )
        self._report(
            VerifyEnded(
                self._path,
                number,
                checked_bytes=found.checked_bytes,
                mismatches=found.mismatches,
                unreadable=found.unreadable,
                read_errors=found.read_errors,
                gave_up=found.gave_up,
                stopped=found.stopped,
                elapsed_ms=_milliseconds_since(begun_s),
            )
        )

    def _prove(self, alias: str, medium: OpenedMedium, last: Overwritten) -> None:
        """Two disks may have one name: the alias is believed when it holds what was written here.

        Of a random stream samples prove that. A constant may stand on another disk too, so all of it is read.
        """
        final, number = self._task.step.passes[-1], len(self._task.step.passes)
        is_random = final.kind is PassKind.RANDOM
        places = self._task.sample().ranges if is_random else span(0, medium.size_bytes)
        ranges = subtract(places, last.unwritten)
        read = read_alias(
            self._path,
            alias,
            make_source(final, self._task.keys[-1]),
            ranges,
            threads=self._threads,
            stop=self._stop,
            tick=self._ticker(number, total_bytes(ranges), verifying=True),
        )
        self._report(read)

    def _choose_ranges(self, medium: OpenedMedium, last: Overwritten) -> Sampling:
        """Return what to read back; what is known to be unwritten is not asked for."""
        if self._task.verify is VerifyKind.FULL:
            whole = span(0, medium.size_bytes)
            return Sampling("", subtract(whole, last.unwritten), 0)
        drawn = self._task.sample()
        return Sampling(drawn.seed_hex, subtract(drawn.ranges, last.unwritten), drawn.independent)

    def _ticker(self, number: int, all_bytes: int, *, verifying: bool) -> Callable[[int, int], None]:
        reported: tuple[int, int] | None = None

        def tick(done_bytes: int, failures: int) -> None:
            nonlocal reported
            if (done_bytes, failures) != reported:
                reported = (done_bytes, failures)
                self._report(Progress(self._path, number, verifying, done_bytes, all_bytes, failures))

        return tick


def _compare_sizes(medium: OpenedMedium, identity: Identity, path: str) -> tuple[Refusal, ...]:
    """The descriptor itself is the third witness of size and sector size."""
    opened = (medium.size_bytes, medium.sector_bytes)
    if opened == (identity.size_bytes, identity.logical_sector_bytes):
        return ()
    detail = f"{path} has {opened[0]} bytes in sectors of {opened[1]} when opened, not what discovery says"
    return (Refusal(RefusalKind.CHANGED, path, detail),)


def _milliseconds_since(begun_s: float) -> int:
    return round((time.monotonic() - begun_s) * 1000)
