"""The evidence log of disks and logs: JSON lines, each holding the digest of the line before it.

A line is the canonical JSON of seq, at, previous, event and data. Nothing in the
file is ever changed; the certificate's only subject is the digest of the whole file.
"""

import contextlib
import hashlib
import os
import pickle
import re
import typing
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from shredder import records
from shredder.errors import CertificateError, ShredderError, UndeliveredError, UsageError
from shredder.events import Recorded as DiskRecorded
from shredder.log_events import LogRecorded

Recorded: typing.TypeAlias = DiskRecorded | LogRecorded

FIRST_PREVIOUS = "0" * 64

_NAMES: dict[type, str] = {
    kind: re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower() for kind in typing.get_args(Recorded)
}
_KINDS: dict[str, type[Recorded]] = {name: kind for kind, name in _NAMES.items()}
_KEYS = {"seq", "at", "previous", "event", "data"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log.

    `at` is UTC to the millisecond, e.g. "2026-11-21T03:31:00.123Z", from the machine's own clock.
    `previous` is the SHA-256 of the previous line's bytes without the newline, in hex.
    """

    seq: int
    at: str
    previous: str
    event: Recorded


def stamp(at: datetime) -> str:
    """Return an aware time as the log writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def encode_entry(entry: Entry) -> bytes:
    """Return the entry's line without its newline."""
    return records.canonical(
        {
            "seq": entry.seq,
            "at": entry.at,
            "previous": entry.previous,
            "event": _NAMES[type(entry.event)],
            "data": records.to_json(entry.event),
        }
    )


def encode_entries(entries: Iterable[Entry]) -> bytes:
    """Return the bytes of the file that holds exactly these entries."""
    return b"".join(encode_entry(entry) + b"\n" for entry in entries)


class EvidenceLog:
    """The log of a run that is going on; one thread at a time.

    Every entry is on the medium when `append` returns. When that fails, `damage` says why, the
    file keeps the lines that were good, and the entries go on in memory: the wipe's outcome can
    still be reported. In memory they are packed, as a run over logs may name a hundred thousand files.
    """

    def __init__(self, path: Path) -> None:
        """Create the file.

        Raises:
            UsageError: something stands there already.
            UndeliveredError: it cannot be created.
        """
        self.damage: str | None = None
        self._packed: list[bytes] = []
        self._previous = FIRST_PREVIOUS
        self._digest = hashlib.sha256()
        self._size_bytes = 0
        try:
            self._descriptor: int | None = os.open(
                path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644
            )
            _sync_folder(path.parent)
        except FileExistsError:
            raise UsageError(f"{path} is there already", hint="name another output folder") from None
        except OSError as error:
            raise UndeliveredError(f"cannot create {path}: {error.strerror}") from None

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Everything appended so far, also what the file could not take."""
        return tuple(self.read())

    def read(self) -> Iterator[Entry]:
        """Yield the same one by one: all of them together may need much memory."""
        for packed in self._packed:
            entry: Entry = pickle.loads(zlib.decompress(packed))  # noqa: S301 - we packed it ourselves
            yield entry

    @property
    def sha256(self) -> str:
        """The digest, in hex, of the file that holds exactly these entries."""
        return self._digest.hexdigest()

    def append(self, event: Recorded, at: datetime) -> None:
        """Add one entry; never raises for what the file system does.

        Args:
            event: what happened.
            at: when, with a time zone.
        """
        entry = Entry(len(self._packed), stamp(at), self._previous, event)
        line = encode_entry(entry)
        self._packed.append(zlib.compress(pickle.dumps(entry), level=1))
        self._previous = hashlib.sha256(line).hexdigest()
        self._digest.update(line + b"\n")
        if self._descriptor is not None and self.damage is None:
            self._write(self._descriptor, line + b"\n")

    def _write(self, descriptor: int, line: bytes) -> None:
        try:
            left = memoryview(line)
            while left:
                left = left[os.write(descriptor, left) :]
            os.fdatasync(descriptor)
            self._size_bytes += len(line)
        except OSError as error:
            self.damage = f"the evidence log took no more entries: {error.strerror}"
            # Half a line would make the good ones before it unreadable too.
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, self._size_bytes)

    def close(self) -> None:
        """Close the file; the entries stay readable."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            try:
                os.close(descriptor)
            except OSError as error:
                self.damage = self.damage or f"the evidence log was not closed well: {error.strerror}"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_evidence(data: bytes, where: str) -> tuple[Entry, ...]:
    """Read a log and check its form, its numbering and its chain.

    Args:
        data: the whole file.
        where: what the user knows it by, for errors.

    Raises:
        CertificateError: naming the first line that is not as the log would have written it.
    """
    if not data:
        raise CertificateError(f"{where} is empty")
    *lines, rest = data.split(b"\n")
    if rest:
        raise CertificateError(f"{where}: line {len(lines) + 1} is cut off")
    entries: list[Entry] = []
    previous = FIRST_PREVIOUS
    for seq, line in enumerate(lines):
        entries.append(_read_line(line, seq, previous, f"{where}: line {seq + 1}"))
        previous = hashlib.sha256(line).hexdigest()
    return tuple(entries)


def _read_line(line: bytes, seq: int, previous: str, where: str) -> Entry:
    try:
        record = records.parse(line, where)
        if not isinstance(record, dict) or set(record) != _KEYS:
            raise CertificateError(f"{where}: not an evidence entry")
        if record["seq"] != seq:
            raise CertificateError(f"{where}: its number is not {seq}; an entry is missing or out of order")
        if record["previous"] != previous:
            raise CertificateError(
                f"{where}: does not follow from the line before it; one of them was changed"
            )
        entry = Entry(seq, _read_stamp(record["at"], where), previous, _read_event(record, where))
        is_canonical = encode_entry(entry) == line
    except CertificateError:
        raise
    except ShredderError as error:
        message = error.message if error.message.startswith(where) else f"{where}: {error.message}"
        raise CertificateError(message, hint=error.hint) from None
    if not is_canonical:
        raise CertificateError(f"{where}: not in canonical form")
    return entry


def _read_stamp(text: object, where: str) -> str:
    if isinstance(text, str):
        with contextlib.suppress(ValueError):
            at = datetime.fromisoformat(text)
            if at.tzinfo is not None and stamp(at) == text:
                return text
    raise CertificateError(f"{where}: not a time as the log writes it")


def _read_event(record: dict[str, typing.Any], where: str) -> Recorded:
    name = record["event"]
    if not isinstance(name, str) or name not in _KINDS:
        raise CertificateError(f"{where}: unknown event", hint="a newer version of shredder may know it")
    return records.from_json(_KINDS[name], record["data"], f"{where}: {name}")
