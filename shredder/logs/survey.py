"""From a policy to what is there and what falls due: looks, decides, writes nothing."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from shredder.discover.lineages import Skipped, find_files, group_lineages
from shredder.discover.log_times import read_newest, read_span
from shredder.log_model import LogFile
from shredder.log_policy import Hold, Lineage, Policy, Rule
from shredder.plan.retention import Decision, decide, wants_newest, wants_oldest, wants_span


@dataclass(frozen=True, slots=True)
class Found:
    """What is there for one rule, undecided."""

    rule: Rule
    lineages: tuple[Lineage, ...]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True)
class Decided:
    """What is done with what is there for one rule.

    `decisions` follow the order of the lineages. Each is made when it is asked for, and kept nowhere: there
    may be a hundred thousand.
    """

    rule: Rule
    decisions: Iterator[Decision]
    skipped: tuple[Skipped, ...]


def look(policy: Policy) -> tuple[Found, ...]:
    """Return what is there for each rule, undecided, without the times of records.

    A file that several rules match is left alone by all of them.
    """
    return tuple(
        Found(rule, tuple(group_lineages(files, rule.kind)), skipped)
        for rule, files, skipped in _match(policy)
    )


def look_and_decide(policy: Policy, now_s: int, holds: Iterable[Hold]) -> Iterator[Decided]:
    """Yield what is there and what is done with it, rule by rule.

    Records are read only where the decision hangs on them.

    Args:
        policy: the rules.
        now_s: seconds since 1970.
        holds: all that are on record.
    """
    known = tuple(holds)
    for rule, files, skipped in _match(policy):
        yield Decided(rule, _decide(rule, files, now_s, known), skipped)


def _match(policy: Policy) -> Iterator[tuple[Rule, list[LogFile], tuple[Skipped, ...]]]:
    matched = [(rule, *find_files(rule.paths, rule.kind)) for rule in policy.rules]
    shared = _find_shared(matched) if len(matched) > 1 else {}
    # below the part of a pattern that is written out no link is followed: found paths are real ones
    own = os.path.realpath(policy.state) + "/"
    while matched:
        rule, files, skipped = matched.pop(0)
        if any(file.path.startswith(own) for file in files):
            ours = [file.path for file in files if file.path.startswith(own)]
            skipped += [Skipped(path, "lies in the policy's own state folder") for path in ours]
            files = [file for file in files if not file.path.startswith(own)]
        if shared:
            twice = [file.path for file in files if file.inode in shared.get(file.device, ())]
            skipped += [Skipped(path, "is named by several rules") for path in twice]
            files = [file for file in files if file.inode not in shared.get(file.device, ())]
        yield rule, files, tuple(skipped)


def _find_shared(matched: Iterable[tuple[Rule, list[LogFile], object]]) -> dict[str, set[int]]:
    """Return the inodes that several rules name, by device: a folder that is mounted twice has two paths."""
    seen: dict[str, set[int]] = {}
    shared: dict[str, set[int]] = {}
    for _, files, _ in matched:
        own: dict[str, set[int]] = {}
        for file in files:
            own.setdefault(file.device, set()).add(file.inode)
        for device, inodes in own.items():
            before = seen.setdefault(device, set())
            if twice := inodes & before:
                shared.setdefault(device, set()).update(twice)
            before |= inodes
    return shared


def _decide(rule: Rule, files: list[LogFile], now_s: int, holds: tuple[Hold, ...]) -> Iterator[Decision]:
    for lineage in group_lineages(files, rule.kind):
        yield from decide(_read_times(lineage, rule, now_s), rule, now_s, holds)


def with_spans(found: Found) -> Found:
    """Return it with the times of the first and last record of every file."""
    lineages = tuple(
        Lineage(
            lineage.path, lineage.live and read_span(lineage.live), tuple(map(read_span, lineage.rotated))
        )
        for lineage in found.lineages
    )
    return replace(found, lineages=lineages)


def _read_times(lineage: Lineage, rule: Rule, now_s: int) -> Lineage:
    live = lineage.live
    if live:
        live = read_span(live) if wants_oldest(rule) else _read_if_wanted(live, rule, now_s)
    return Lineage(lineage.path, live, tuple(_read_if_wanted(file, rule, now_s) for file in lineage.rotated))


def _read_if_wanted(file: LogFile, rule: Rule, now_s: int) -> LogFile:
    if not wants_newest(file, rule, now_s):
        return file
    return read_span(file) if wants_span(rule) else read_newest(file)
