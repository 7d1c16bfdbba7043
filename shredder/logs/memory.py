"""What one run must know of the one before: which it was, which services to tell, what it summarised."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from shredder.errors import ShredderError, UsageError
from shredder.log_events import PreviousRun
from shredder.log_model import LogFile
from shredder.log_policy import Release
from shredder.logs.durable import replace_file
from shredder.records import canonical, from_json, parse

VERSION = 1
_LAST_RUN = "last-run.json"
_STOPPED = "stopped.json"
_SUMMARISED = "summarised.json"
_UNTOLD = "untold.json"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LastRun:
    """The run before; `ended_at` is None while it goes on, or when it was killed."""

    version: int
    run: PreviousRun
    folder: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """A service that a run has stopped and not started again, with the time that its commands may take."""

    rule: str
    release: Release
    limit_s: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A file that was summarised, as it was then."""

    rule: str
    device: str
    inode: int
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class _StoppedDocument:
    version: int
    services: tuple[Stopped, ...]


@dataclass(frozen=True, slots=True)
class _MarksDocument:
    version: int
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class _UntoldDocument:
    version: int
    rules: tuple[str, ...]


class Memory:
    """The small files of a state folder; for one run at a time."""

    def __init__(self, state: Path) -> None:
        self._state = state

    def last_run(self) -> LastRun | None:
        """Return the run before, None when there was none.

        Raises:
            UsageError: it was not written by us.
        """
        return self._read(_LAST_RUN, LastRun)

    def set_last_run(self, run: PreviousRun, folder: Path) -> None:
        """Note which run goes on, or has ended.

        Raises:
            ShredderError: it cannot be written.
        """
        self._write(_LAST_RUN, LastRun(VERSION, run, str(folder)))

    def stopped(self) -> tuple[Stopped, ...]:
        """Return the services that were not started again.

        Raises:
            UsageError: the file was not written by us.
        """
        document = self._read(_STOPPED, _StoppedDocument)
        return document.services if document else ()

    def set_stopped(self, services: Iterable[Stopped]) -> None:
        """Note them, before they are stopped, and after they are back.

        Raises:
            ShredderError: it cannot be written.
        """
        self._write(_STOPPED, _StoppedDocument(VERSION, tuple(services)))

    def marks(self) -> frozenset[Mark]:
        """Return which files were summarised and not yet shredded.

        Raises:
            UsageError: the file was not written by us.
        """
        document = self._read(_SUMMARISED, _MarksDocument)
        return frozenset(document.marks if document else ())

    def set_marks(self, marks: Iterable[Mark]) -> None:
        """Note them, before they are shredded.

        Raises:
            ShredderError: it cannot be written.
        """
        ordered = sorted(marks, key=lambda mark: (mark.rule, mark.device, mark.inode))
        self._write(_SUMMARISED, _MarksDocument(VERSION, tuple(ordered)))

    def untold(self) -> frozenset[str]:
        """Return the rules whose live log was renamed, and whose service was not told.

        Raises:
            UsageError: the file was not written by us.
        """
        document = self._read(_UNTOLD, _UntoldDocument)
        return frozenset(document.rules if document else ())

    def set_untold(self, rules: Iterable[str]) -> None:
        """Note them, before the rename, and after the service was told.

        Raises:
            ShredderError: it cannot be written.
        """
        self._write(_UNTOLD, _UntoldDocument(VERSION, tuple(sorted(rules))))

    def _read(self, name: str, kind: type[T]) -> T | None:
        path = self._state / name
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from None
        found = from_json(kind, parse(data, str(path)), str(path))
        version = getattr(found, "version", None)
        if version != VERSION:
            raise UsageError(f"{path} has version {version}, this program knows {VERSION}")
        return found

    def _write(self, name: str, document: object) -> None:
        try:
            replace_file(self._state / name, canonical(document) + b"\n")
        except OSError as error:
            raise ShredderError(f"cannot write {self._state / name}: {error.strerror}") from None


def mark_of(rule: str, file: LogFile) -> Mark:
    """Return the mark of a file as it is now."""
    return Mark(rule, file.device, file.inode, file.size_bytes, file.mtime_ns)
