"""What a policy really promises on this machine: how long a record can live, and what undoes it."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from shredder.discover.lineages import Skipped, find_strays
from shredder.discover.log_times import is_sealed
from shredder.discover.logrotate import find_rotation
from shredder.log_policy import Policy, Rotation, Rule
from shredder.logs.survey import Found, look
from shredder.logs.unit_sandbox import fixed_folder
from shredder.plan.promises import Life, find_conflicts, longest_life


@dataclass(frozen=True, slots=True)
class Promise:
    """What holds for some logs of one rule: those for which it is the same.

    `logs` are the live files' paths, empty where no file is there; `why` says why, as far as the folders
    tell. `warnings` say what undoes the promise.
    """

    rule: str
    logs: tuple[str, ...]
    why: str
    life: Life
    rotated_by: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sealed:
    """How many files of a rule are packed in a way that cannot be undone here, and one of them."""

    rule: str
    files: int
    example: str


@dataclass(frozen=True, slots=True)
class Checked:
    """The whole policy: its promises, what its rules overlook or leave alone, what cannot be read."""

    promises: tuple[Promise, ...]
    strays: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    sealed: tuple[Sealed, ...]


def check_policy(policy: Policy, rotations: tuple[Rotation, ...]) -> Checked:
    """Return what the policy promises for what is there now.

    Args:
        policy: the rules.
        rotations: what logrotate is told to do.
    """
    found = look(policy)
    promises = tuple(promise for item in found for promise in _promises(item, policy.gap_s, rotations))
    every = tuple(lineage for item in found for lineage in item.lineages)
    claimed = {file.path for lineage in every for file in lineage.files}
    strays = tuple(path for path in find_strays(every) if path not in claimed)
    skipped = tuple(path for item in found for path in item.skipped)
    return Checked(promises, strays, skipped, tuple(_find_sealed(found)))


def _find_sealed(found: Iterable[Found]) -> Iterator[Sealed]:
    for item in found:
        files = (file.path for lineage in item.lineages for file in lineage.files)
        sealed = [path for path in files if is_sealed(path)]
        if sealed:
            yield Sealed(item.rule.name, len(sealed), sealed[0])


def _promises(found: Found, gap_s: int, rotations: Iterable[Rotation]) -> Iterator[Promise]:
    known = tuple(rotations)
    by_rotation: dict[Rotation | None, list[str]] = {}
    for lineage in found.lineages:
        by_rotation.setdefault(find_rotation(known, lineage.path), []).append(lineage.path)
    for rotation, paths in (by_rotation or {None: []}).items():
        yield _promise(found.rule, tuple(paths), gap_s, rotation)


def _promise(rule: Rule, paths: tuple[str, ...], gap_s: int, rotation: Rotation | None) -> Promise:
    return Promise(
        rule=rule.name,
        logs=paths,
        why="" if paths else _why_none(rule),
        life=longest_life(rule, gap_s, rotation),
        rotated_by=f"logrotate ({rotation.where})" if rotation else "",
        warnings=tuple(find_conflicts(rule, gap_s, rotation)) if rotation else (),
    )


def _why_none(rule: Rule) -> str:
    """A name that was mistyped, and a folder that only root may see, look like logs that are not there."""
    for pattern in rule.paths:
        folder = fixed_folder(pattern)
        if not os.path.lexists(folder):
            return f"{folder} is not there"
        if not os.access(folder, os.R_OK | os.X_OK):
            return f"{folder} cannot be looked at by this user"
    return ""
