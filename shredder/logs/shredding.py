"""What the rules of a run share, and how it overwrites: passes, streams, grades, results for the evidence."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from shredder.discover.placement import Places
from shredder.erase.batch import HowToShred, shred_rounds
from shredder.erase.file_job import FileJob
from shredder.erase.keystream import derive_key, make_source
from shredder.erase.transfer import StopFlag
from shredder.erase.unfinished import Unfinished
from shredder.log_events import FileResult, LogRecorded, Promise
from shredder.log_model import FileOutcome, Grade, LogFile
from shredder.log_policy import Rule, Work
from shredder.logs.clock import Clock
from shredder.logs.labels import Labels
from shredder.logs.memory import Memory
from shredder.model import Pass, VerifyKind
from shredder.plan.methods import build_passes

_NONCE_BYTES = 16


@dataclass(frozen=True, slots=True)
class Run:
    """What all rules of a run share. `secret` makes its random streams, and is kept nowhere."""

    run_id: str
    secret: bytes
    state: Path
    memory: Memory
    unfinished: Unfinished
    labels: Labels
    clock: Clock
    stop: StopFlag
    record: Callable[[LogRecorded], None]


def promise_of(rule: Rule, run_id: str) -> Promise:
    """Return what a certificate says of a rule."""
    work = rule.work
    passes = make_passes(work, run_id)
    return Promise(rule.name, rule.kind, work.method, passes, work.verify, work.require, work.after)


def make_passes(work: Work, run_id: str) -> tuple[Pass, ...]:
    """Return what a run writes; what a method leaves to chance is drawn anew for each run."""
    return build_passes(work.method, work.passes, run_id.encode())


def shred_jobs(jobs: Iterable[FileJob], rule: Rule, run: Run) -> Iterator[tuple[FileOutcome, ...]]:
    """Shred files as a rule says, some together; the random streams are made for this call alone.

    The outcomes must be on record before the next ones are asked for.

    Raises:
        OSError: the list of unfinished files cannot be written.
    """
    nonce = os.urandom(_NONCE_BYTES)
    sources = tuple(
        make_source(planned, derive_key(run.secret, run.run_id, nonce, number))
        for number, planned in enumerate(make_passes(rule.work, run.run_id), start=1)
    )
    how = HowToShred(sources, rule.work.verify is not VerifyKind.NONE, rule.work.limit_bytes_per_s)
    return shred_rounds(jobs, how, Places(), run.unfinished, run.stop)


def accepted(work: Work) -> frozenset[Grade]:
    """Return the predicted grades at which a file is touched at all."""
    order = tuple(Grade)
    return frozenset(order if work.require is None else order[: order.index(work.require) + 1])


def result_of(outcome: FileOutcome, label: str, file: LogFile | None, labels: Labels) -> FileResult:
    """Return an outcome as the evidence has it; `file` is None for what an earlier run had begun."""
    return FileResult(
        path=label,
        device=outcome.file.device,
        inode=outcome.file.inode,
        size_bytes=outcome.size_bytes or (file.size_bytes if file else 0),
        oldest_s=file.oldest_s if file else None,
        newest_s=file.newest_s if file else None,
        continued=file is None,
        state=outcome.state,
        predicted=outcome.predicted,
        grade=outcome.grade,
        reason=labels.in_text(outcome.reason, outcome.path),
        problem=None if outcome.problem is None else labels.in_text(outcome.problem, outcome.path),
        read_back=outcome.read_back,
        unwritten=outcome.unwritten,
        mismatches=outcome.mismatches,
        old=outcome.old,
        standing=outcome.standing,
    )
