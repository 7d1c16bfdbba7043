"""Finds again what a killed run left: under its old name, its random one, or one that it was given since."""

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property

from shredder.erase.file_job import FileJob
from shredder.erase.names import LONG, identify_file_system, open_folder, rename
from shredder.erase.unfinished import Entry, Unfinished
from shredder.log_model import FileId, Grade
from shredder.statx import FileFacts, look_at, look_at_open

_NOT_THERE = "it is not there; its file system may not be mounted"
_IN_DOUBT = "it cannot be told from a later file: its file system keeps no times of birth"


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What stands on the list of unfinished files.

    `jobs` finish what was found. `gone` were unlinked before the run ended, or by somebody else since;
    they are off the list, and so is what nobody has written to. `lost` cannot be found or told now (its
    folder is closed to us, or not mounted): path and reason; they stay on the list.
    """

    jobs: tuple[FileJob, ...]
    gone: tuple[str, ...]
    lost: tuple[tuple[str, str], ...]


class _Fate(Enum):
    GONE = auto()
    UNTOUCHED = auto()


def find_leftovers(unfinished: Unfinished) -> Leftovers:
    """Look for every file on the list.

    Raises:
        OSError: the list cannot be written.
    """
    jobs: list[FileJob] = []
    lost: list[tuple[str, str]] = []
    over: dict[_Fate, list[Entry]] = {fate: [] for fate in _Fate}
    for path, entries in _by_folder(unfinished.entries).items():
        with contextlib.ExitStack() as stack:
            try:
                folder = stack.enter_context(contextlib.closing(_Folder(path, entries)))
                found = [folder.find(entry, renamed=unfinished.is_renamed(entry)) for entry in entries]
            except OSError as error:
                found = [f"{path} cannot be looked at ({error.strerror})"] * len(entries)
        for entry, what in zip(entries, found, strict=True):
            if isinstance(what, FileJob):
                jobs.append(what)
            elif isinstance(what, _Fate):
                over[what].append(entry)
            else:
                lost.append((entry.path, what))
    unfinished.finish((*over[_Fate.GONE], *over[_Fate.UNTOUCHED]))
    return Leftovers(tuple(jobs), tuple(entry.path for entry in over[_Fate.GONE]), tuple(lost))


def drop_untouched(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return those that may have been written to since they were put on the list; changes nothing."""
    kept: list[Entry] = []
    for path, some in _by_folder(entries).items():
        try:
            with contextlib.closing(_Folder(path, some)) as folder:
                kept += [entry for entry in some if not folder.has_untouched(entry)]
        except OSError:
            kept += some
    return tuple(kept)


def _by_folder(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.folder, []).append(entry)
    return found


class _Folder:
    """An open folder in which files of the list are looked for.

    Raises:
        OSError: it cannot be opened or looked at.
    """

    def __init__(self, path: str, entries: Iterable[Entry]) -> None:
        self._path = path
        self._inodes = frozenset(entry.inode for entry in entries)
        self._descriptor = open_folder(path)
        self._file_system = identify_file_system(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)

    def find(self, entry: Entry, *, renamed: bool) -> FileJob | _Fate | str:
        """Return what is to be done with a file, that nothing is, or why that cannot be said."""
        facts = self._look(entry.new_name)
        if facts and self._is_it(facts, entry) is not False:
            return self._job(entry, entry.new_name, facts)
        if facts and self._is_here(entry):
            self._give_back(entry)
        if self.has_untouched(entry):
            return _Fate.UNTOUCHED
        is_in_doubt = False
        for name in self._names(entry):
            facts = self._look(name)
            is_it = self._is_it(facts, entry) if facts else False
            if facts and is_it:
                return self._job(entry, name, facts)
            # once renamed it has its new name, or none: this is another file
            is_in_doubt = is_in_doubt or (is_it is None and not renamed)
        if is_in_doubt:
            return _IN_DOUBT
        return _Fate.GONE if self._is_here(entry) else _NOT_THERE

    def has_untouched(self, entry: Entry) -> bool:
        """Return whether the file is there as it was before the first write: nobody has written to it."""
        found = (self._look(name) for name in self._names(entry) if name != entry.new_name)
        return entry.mtime_ns is not None and any(
            facts
            and self._is_it(facts, entry) is not False
            and (facts.size_bytes, facts.mtime_ns) == (entry.size_bytes, entry.mtime_ns)
            for facts in found
        )

    def _names(self, entry: Entry) -> tuple[str, ...]:
        """Its old name, and what else has its inode number: logrotate may have renamed it since."""
        return (entry.name, *self._by_inode.get(entry.inode, ()))

    @cached_property
    def _by_inode(self) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        with os.scandir(self._descriptor) as items:
            for item in items:
                if item.inode() in self._inodes:
                    found.setdefault(item.inode(), []).append(item.name)
        return found

    def _look(self, name: str) -> FileFacts | None:
        try:
            return look_at(name, self._descriptor) if name else None
        except FileNotFoundError:
            return None

    def _is_it(self, facts: FileFacts, entry: Entry) -> bool | None:
        """A device may have another number after a restart; None where no birth tells files apart."""
        if facts.inode != entry.inode:
            return False
        if facts.born_ns and entry.born_ns:
            return facts.born_ns == entry.born_ns
        return None if self._is_here(entry) else False

    def _is_here(self, entry: Entry) -> bool:
        """Return whether the folder is on the file system that it was on, not on one below an empty mount."""
        if self._file_system and entry.file_system:
            return self._file_system == entry.file_system
        return look_at_open(self._descriptor).device == entry.device

    def _job(self, entry: Entry, name: str, facts: FileFacts) -> FileJob:
        path = entry.path if name in (entry.name, entry.new_name) else f"{self._path.rstrip('/')}/{name}"
        file = FileId(facts.device, facts.inode, facts.born_ns)
        return FileJob(path, self._path, name, file, frozenset(Grade), entry.after, continues=entry)

    def _give_back(self, entry: Entry) -> None:
        """Another file was put under the old name in the last moment, and renamed before that was seen.

        A short random name may be one that another file has by right.
        """
        if len(entry.new_name) >= LONG:
            with contextlib.suppress(OSError):
                rename(self._descriptor, entry.new_name, entry.name)
