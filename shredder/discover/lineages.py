"""Glob patterns to lineages: a live log and all that was rotated out of it, packed or not.

No symbolic link is followed, neither a file nor a folder below the part of a pattern that is written out.
"""

import fnmatch
import os
import re
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter

from shredder.discover.permissions import distrust_log_folder
from shredder.log_model import LogFile
from shredder.log_policy import Lineage, RuleKind

_WILD = re.compile(r"[*?[]")
_PACKED = re.compile(r"\.(?:gz|xz|zst|bz2|lz4|lzma|Z|zip)$")
_DAY = r"(?:19|20)\d\d(?P<dash>-?)(?:0[1-9]|1[0-2])(?P=dash)(?:0[1-9]|[12]\d|3[01])"
_DATE = rf"[-._]?{_DAY}(?:[-T_]?\d{{2}}(?:[:-]?\d\d){{0,2}}Z?)?|[-.]1\d{{9}}"
_AT_END = re.compile(rf"(?P<stem>.+?)(?:\.\d{{1,5}}|{_DATE}|\.old)")
_DATED_INSIDE = re.compile(rf"(?P<stem>.+?)(?:{_DATE})(?P<ending>\.[A-Za-z]\w*)")
_COUNTED_INSIDE = re.compile(r"(?P<stem>.+?)\.\d{1,5}(?P<ending>\.[A-Za-z]\w*)")
_BY_US = re.compile(r"-\d{8}T\d{6}Z$")
_ARCHIVED_JOURNAL = re.compile(r"(?P<stem>.+)@[0-9a-f]+-[0-9a-f]+(?:-[0-9a-f]+)?(?P<ending>\.journal)~?")


@dataclass(frozen=True, slots=True)
class Skipped:
    """A path that a pattern matches and that is left alone, and why."""

    path: str
    reason: str


def find_files(
    patterns: Iterable[str], kind: RuleKind = RuleKind.LOGS
) -> tuple[list[LogFile], list[Skipped]]:
    """Return the regular files that the patterns match, each once, and what was left alone.

    A file may be reached by two paths though it has one name: its folder may be mounted twice.

    Args:
        patterns: absolute; *, ? and [] match within one name, and not a dot at its start.
        kind: of their rule. What we have rotated away from a log that a pattern matches, it matches too.
    """
    files: list[LogFile] = []
    skipped: list[Skipped] = []
    seen: set[str] = set()
    inodes: dict[str, set[int]] = {}
    for pattern in patterns:
        for item in _match(pattern, kind):
            if item.path in seen:
                continue
            seen.add(item.path)
            if isinstance(item, Skipped):
                skipped.append(item)
            elif item.links == 1 and item.inode in inodes.setdefault(item.device, set()):
                skipped.append(Skipped(item.path, "is a file that another path of this rule leads to"))
            else:
                inodes.setdefault(item.device, set()).add(item.inode)
                files.append(item)
    return files, skipped


def group_lineages(files: list[LogFile], kind: RuleKind) -> Iterator[Lineage]:
    """Yield the files as lineages, sorted by the live file's name; of very many, each is held once.

    The files of a spool are done with: each folder is one lineage without a live file.

    Args:
        files: used up.
        kind: of their rule.
    """
    log_of = _log_of(files, kind)
    files.sort(key=attrgetter("path"), reverse=True)
    files.sort(key=lambda file: log_of(file.path), reverse=True)
    path = ""
    together: list[LogFile] = []
    while files:
        file = files.pop()
        found = log_of(file.path)  # asked again: to keep the answers would take as much memory as the files
        if together and found != path:
            yield _make_lineage(path, together)
            together = []
        path = found
        together.append(file)
    if together:
        yield _make_lineage(path, together)


def _log_of(files: Iterable[LogFile], kind: RuleKind) -> Callable[[str], str]:
    """Return what tells the log that a path belongs to."""
    if kind is RuleKind.SPOOL:
        return lambda path: sys.intern(f"{path.rpartition('/')[0]}/")
    bare = (_PACKED.sub("", file.path.rpartition("/")[2]) for file in files)
    is_counted = any(_COUNTED_INSIDE.fullmatch(name) for name in bare)
    names = frozenset(file.path for file in files) if is_counted else frozenset()
    return lambda path: live_path(path, names)


def _make_lineage(path: str, files: Sequence[LogFile]) -> Lineage:
    live = next((file for file in files if file.path == path), None)
    return Lineage(path, live, tuple(file for file in files if file is not live))


def find_strays(lineages: Iterable[Lineage]) -> tuple[str, ...]:
    """Return files that were rotated out of the same logs, and that no pattern matches."""
    by_folder: dict[str, list[Lineage]] = {}
    for lineage in lineages:
        by_folder.setdefault(lineage.path.rpartition("/")[0], []).append(lineage)
    strays: list[str] = []
    for folder, inside in by_folder.items():
        live = {lineage.path for lineage in inside}
        known = {file.path for lineage in inside for file in lineage.files}
        try:
            paths = [f"{folder}/{name}" for name in _names(folder)]
        except OSError:
            continue  # looking for what the patterns match has said so
        names = frozenset((*paths, *live))
        strays += [path for path in paths if path not in known and live_path(path, names) in live - {path}]
    return tuple(sorted(strays))


def live_path(path: str, known: frozenset[str]) -> str:
    """Return the path of the log that a file was rotated out of: its own when it is a live one.

    Args:
        path: the file.
        known: all paths there are. A number inside a name (app.1.log) says so only beside app.log.
    """
    folder, _, name = path.rpartition("/")
    archived = _ARCHIVED_JOURNAL.fullmatch(name)
    if archived:
        return f"{folder}/{archived['stem']}{archived['ending']}"
    bare = _PACKED.sub("", name)
    at_end = _AT_END.fullmatch(bare)
    if at_end:
        return f"{folder}/{at_end['stem']}"
    dated = _DATED_INSIDE.fullmatch(bare)
    if dated:
        return f"{folder}/{dated['stem']}{dated['ending']}"
    counted = _COUNTED_INSIDE.fullmatch(bare)
    if counted and f"{folder}/{counted['stem']}{counted['ending']}" in known:
        return f"{folder}/{counted['stem']}{counted['ending']}"
    return f"{folder}/{bare}"


def name_before_rotation(name: str) -> str:
    """Return the name of the log that we gave this name to; its own where we did not.

    Args:
        name: without a folder. Somebody may have packed it since.
    """
    bare, count = _BY_US.subn("", _PACKED.sub("", name))
    return bare if count else name


def _match(pattern: str, kind: RuleKind) -> Iterator[LogFile | Skipped]:
    parts = pattern.split("/")[1:]
    written_out = next((at for at, part in enumerate(parts[:-1]) if _WILD.search(part)), len(parts) - 1)
    base = "/" + "/".join(parts[:written_out])
    if os.path.realpath(base) != base.rstrip("/") and base != "/":
        yield Skipped(base, f"leads over a symbolic link to {os.path.realpath(base)}: name that")
    else:
        yield from _match_below(base.rstrip("/"), parts[written_out:], kind)


def _match_below(folder: str, parts: list[str], kind: RuleKind) -> Iterator[LogFile | Skipped]:
    part, rest = parts[0], parts[1:]
    matches = _matches if rest or kind is not RuleKind.LOGS else _matches_log
    try:
        names = _names(folder)
    except OSError as error:
        yield Skipped(folder or "/", f"its files cannot be listed ({error.strerror})")
        return
    paths = [f"{folder}/{name}" for name in names if matches(name, part)]
    if not rest:
        yield from _take_files(folder, paths)
        return
    for path in paths:
        facts = _look(path)
        if isinstance(facts, Skipped):
            yield facts
        elif facts and stat.S_ISLNK(facts.st_mode):
            yield Skipped(path, "is a symbolic link")
        elif facts and stat.S_ISDIR(facts.st_mode):
            yield from _match_below(path, rest, kind)


def _take_files(folder: str, paths: list[str]) -> Iterator[LogFile | Skipped]:
    why = distrust_log_folder(folder or "/") if paths else ""
    if why:
        yield Skipped(folder, why)
        return
    for path in paths:
        facts = _look(path)
        if facts is None:
            continue
        if isinstance(facts, Skipped):
            yield facts
        elif stat.S_ISREG(facts.st_mode):
            yield make_file(path, facts)
        elif not stat.S_ISDIR(facts.st_mode):
            is_link = stat.S_ISLNK(facts.st_mode)
            yield Skipped(path, "is a symbolic link" if is_link else "is not a regular file")


def _look(path: str) -> os.stat_result | Skipped | None:
    """Return the facts of a name itself, or None when it has gone."""
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return Skipped(path, f"cannot be looked at ({error.strerror})")


def make_file(path: str, facts: os.stat_result) -> LogFile:
    """Return what stat says of a file, without the times of its records."""
    return LogFile(
        path=path,
        device=_device(facts.st_dev),
        inode=facts.st_ino,
        links=facts.st_nlink,
        size_bytes=facts.st_size,
        mtime_ns=facts.st_mtime_ns,
        oldest_s=None,
        newest_s=None,
    )


def _names(folder: str) -> list[str]:
    """Return the names in a folder, none where it is not there; what cannot be read may hold logs.

    Raises:
        OSError: it cannot be read.
    """
    try:
        return sorted(os.listdir(folder or "/"))  # noqa: PTH208 - the hot loop of looking for what is due
    except (FileNotFoundError, NotADirectoryError):
        return []


def _matches(name: str, part: str) -> bool:
    if not _WILD.search(part):
        return name == part
    if name.startswith(".") and not part.startswith("."):
        return False
    return _compiled(part).match(name) is not None


def _matches_log(name: str, part: str) -> bool:
    return _matches(name, part) or ((log := name_before_rotation(name)) != name and _matches(log, part))


@cache
def _compiled(part: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(part))


@cache
def _device(number: int) -> str:
    return f"{os.major(number)}:{os.minor(number)}"
