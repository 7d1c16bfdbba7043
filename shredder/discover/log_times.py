"""First and last record time of a log, plain or compressed (gzip, bzip2, xz)."""

import bz2
import gzip
import lzma
import os
import zlib
from collections.abc import Iterable, Iterator
from typing import IO

from shredder.discover.record_times import parse_record_time
from shredder.log_model import LogFile
from shredder.units import KIB, MIB

_LONG_LOOK_BYTES = 64 * KIB
_LOOKS_BYTES = (KIB, _LONG_LOOK_BYTES)
_CHUNK_BYTES = 64 * KIB
_UNPACKED_LIMIT_BYTES = 256 * MIB
_XZ_MEMORY_BYTES = 40 * MIB
# a FIFO put in the file's place must not make us wait
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PACKED = (".gz", ".bz2", ".xz")
_PACKED_OTHERWISE = (".zst", ".lz4", ".lzma", ".Z", ".zip")
_UNREADABLE = (*_PACKED_OTHERWISE, ".journal", ".journal~")
UNPACK_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError, MemoryError)
"""What `unpack` raises for a file that is damaged, or asks for too much memory."""


def can_unpack(path: str) -> bool:
    """Return whether a file is packed, as its name has it, in a way that can be undone here."""
    return path.endswith(_PACKED)


def is_sealed(path: str) -> bool:
    """Return whether a file is packed in a way that cannot (the standard library has no zstd before 3.14).

    Its last change alone says how old it is.
    """
    return path.endswith(_PACKED_OTHERWISE)


def read_newest(file: LogFile) -> LogFile:
    """Return the file with the time of its last record; `newest_s` stays None where it cannot be told."""
    return _read(file, wants_oldest=False)


def read_span(file: LogFile) -> LogFile:
    """Return the file with the times of its first and its last record, None where they cannot be told."""
    return _read(file, wants_oldest=True)


def _read(file: LogFile, *, wants_oldest: bool) -> LogFile:
    if not file.size_bytes or file.path.endswith(_UNREADABLE):
        return file
    try:
        descriptor = os.open(file.path, _FLAGS)
    except OSError:
        return file
    try:
        facts = os.fstat(descriptor)
        if facts.st_ino != file.inode or facts.st_size < file.size_bytes:
            return file  # another file has its name now
        if file.path.endswith(_PACKED):
            return _read_packed(file, descriptor)
        oldest_s = _oldest_plain(descriptor, file) if wants_oldest else file.oldest_s
        return _with_times(file, oldest_s, _newest_plain(descriptor, file))
    finally:
        os.close(descriptor)


def _with_times(file: LogFile, oldest_s: int | None, newest_s: int | None) -> LogFile:
    # written out: replace() takes twice as long, for each of many thousand files
    return LogFile(
        file.path,
        file.device,
        file.inode,
        file.links,
        file.size_bytes,
        file.mtime_ns,
        oldest_s,
        newest_s,
    )


def _oldest_plain(descriptor: int, file: LogFile) -> int | None:
    return _first_time(os.pread(descriptor, _LONG_LOOK_BYTES, 0).split(b"\n"), file)


def _newest_plain(descriptor: int, file: LogFile) -> int | None:
    for look_bytes in _LOOKS_BYTES:
        start_bytes = max(0, file.size_bytes - look_bytes)
        seen = os.pread(descriptor, look_bytes, start_bytes)
        # what stands before the first line break began further up
        found = _first_time(_lines_from_end(seen, is_cut=bool(start_bytes)), file)
        if found is not None or not start_bytes:
            return found
    return None


def _lines_from_end(seen: bytes, *, is_cut: bool) -> Iterator[bytes]:
    """Give out whole lines, the last one first: splitting all of them for the sake of one takes longer."""
    end = len(seen)
    while (start := seen.rfind(b"\n", 0, end)) >= 0:
        yield seen[start + 1 : end]
        end = start
    if not is_cut:
        yield seen[:end]


def _first_time(lines: Iterable[bytes], file: LogFile) -> int | None:
    for line in lines:
        at_s = parse_record_time(line.decode("latin-1"), file.mtime_s) if line else None
        if at_s is not None:
            return at_s
    return None


def _read_packed(file: LogFile, descriptor: int) -> LogFile:
    """Unpack all of it, as the last record stands at the end; a bomb, or damage, tells nothing."""
    head = tail = b""
    done_bytes = 0
    try:
        with open(descriptor, "rb", buffering=0, closefd=False) as raw:
            for chunk in unpack(file.path, raw):
                head = head or chunk
                tail = tail[-_LONG_LOOK_BYTES:] + chunk
                done_bytes += len(chunk)
                if done_bytes > _UNPACKED_LIMIT_BYTES:
                    return file
    except UNPACK_ERRORS:
        return file
    newest_s = _first_time(_lines_from_end(tail, is_cut=done_bytes > len(tail)), file)
    return _with_times(file, _first_time(head.split(b"\n"), file), newest_s)


def unpack(path: str, raw: IO[bytes]) -> Iterator[bytes]:
    """Give out what a packed file holds, in small pieces.

    Args:
        path: its name says how it is packed, see `can_unpack`.
        raw: its bytes.

    Raises:
        OSError, EOFError, zlib.error, lzma.LZMAError, MemoryError: see UNPACK_ERRORS.
    """
    if path.endswith(".xz"):
        yield from _unpack_xz(raw)
        return
    opened: IO[bytes] = gzip.GzipFile(fileobj=raw) if path.endswith(".gz") else bz2.BZ2File(raw)  # type: ignore[assignment]
    with opened:
        while chunk := opened.read(_CHUNK_BYTES):
            yield chunk


def _unpack_xz(raw: IO[bytes]) -> Iterator[bytes]:
    """Unpack with a bound on memory, which the file's header would otherwise choose.

    A file may hold several streams, one after the other, with zeros between them.
    """
    left = raw.read(_CHUNK_BYTES)
    while left:
        unpacker = lzma.LZMADecompressor(memlimit=_XZ_MEMORY_BYTES)
        while not unpacker.eof:
            packed, left = (left or raw.read(_CHUNK_BYTES), b"") if unpacker.needs_input else (b"", left)
            if unpacker.needs_input and not packed:
                raise EOFError
            yield unpacker.decompress(packed, max_length=_CHUNK_BYTES)
        left = unpacker.unused_data.lstrip(b"\0")
        while not left and (more := raw.read(_CHUNK_BYTES)):
            left = more.lstrip(b"\0")
