"""Finds again what a killed run left: under its old name, or under the random one that it was to get."""

import contextlib
import os
from dataclasses import dataclass

from shredder.erase.file_job import FileJob
from shredder.erase.names import open_folder, rename
from shredder.erase.unfinished import Entry, Unfinished
from shredder.log_model import FileId, Grade
from shredder.statx import FileFacts, look_at


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What stands on the list of unfinished files.

    `jobs` finish what was found. `gone` were unlinked before the run ended, or by somebody else since;
    they are off the list. `lost` cannot be looked for now (a folder that is not there, or closed to us):
    path and reason; they stay on the list.
    """

    jobs: tuple[FileJob, ...]
    gone: tuple[str, ...]
    lost: tuple[tuple[str, str], ...]


def find_leftovers(unfinished: Unfinished) -> Leftovers:
    """Look for every file on the list.

    Raises:
        OSError: the list cannot be written.
    """
    jobs: list[FileJob] = []
    gone: list[Entry] = []
    lost: list[tuple[str, str]] = []
    for entry in unfinished.entries:
        try:
            job = _find_in_folder(entry, renamed=unfinished.is_renamed(entry))
        except OSError as error:
            lost.append((entry.path, f"{entry.folder} cannot be looked at ({error.strerror})"))
            continue
        if job:
            jobs.append(job)
        else:
            gone.append(entry)
    unfinished.finish(gone)
    return Leftovers(tuple(jobs), tuple(entry.path for entry in gone), tuple(lost))


def _find_in_folder(entry: Entry, *, renamed: bool) -> FileJob | None:
    folder = open_folder(entry.folder)
    try:
        return _find(entry, folder, renamed=renamed)
    finally:
        os.close(folder)


def _find(entry: Entry, folder: int, *, renamed: bool) -> FileJob | None:
    for name in (entry.new_name, "" if renamed else entry.name):
        facts = _look(name, folder) if name else None
        if facts is None:
            continue
        if _is_it(facts, entry):
            file = FileId(facts.device, facts.inode, facts.born_ns)
            accept = frozenset(Grade)
            return FileJob(entry.path, entry.folder, name, file, accept, entry.after, continues=entry)
        if name == entry.new_name:
            _give_back(entry, folder)
    return None


def _look(name: str, folder: int) -> FileFacts | None:
    try:
        return look_at(name, folder)
    except FileNotFoundError:
        return None


def _is_it(facts: FileFacts, entry: Entry) -> bool:
    """A device may have another number after a restart; a birth time tells files apart all the same."""
    if facts.inode != entry.inode:
        return False
    if facts.born_ns and entry.born_ns:
        return facts.born_ns == entry.born_ns
    return facts.device == entry.device


def _give_back(entry: Entry, folder: int) -> None:
    """Another file was put under the old name in the last moment, and renamed before that was seen."""
    with contextlib.suppress(OSError):
        rename(folder, entry.new_name, entry.name)
