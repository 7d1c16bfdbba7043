"""What logrotate is told to do, read from its configuration (logrotate.conf(5)) without running it."""

import fnmatch
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from shredder.log_policy import Rotation
from shredder.units import DAY_S, HOUR_S

CONFIGURATION = Path("/etc/logrotate.conf")

_INTERVALS_S = {
    "hourly": HOUR_S,
    "daily": DAY_S,
    "weekly": 7 * DAY_S,
    "monthly": 31 * DAY_S,
    "yearly": 366 * DAY_S,
}
# each pair: the directive that sets a mark and the one that takes it away
_MARKS = ("copy", "copytruncate", "compress", "shred")
_PUTTING_OFF = ("minsize", "minage")
_SCRIPTS = ("postrotate", "prerotate", "firstaction", "lastaction", "preremove")
_TABOO = (
    *(",v", "~", ".cfsaved", ".disabled", ".dpkg-bak", ".dpkg-del", ".dpkg-dist", ".dpkg-new", ".dpkg-old"),
    *(".rpmnew", ".rpmorig", ".rpmsave", ".swp", ".ucf-dist", ".ucf-new", ".ucf-old"),
)
_TABOO_PATTERNS = ("*.rhn-cfg-tmp-*",)
_DEEPEST_INCLUDE = 8
_HAND_OVER = "shredder logs shred"


@dataclass(frozen=True, slots=True)
class _Settings:
    """The directives in force at one place of the configuration."""

    interval_s: int | None = None
    puts_off: bool = False
    count: int = 0
    max_age_s: int | None = None
    marks: frozenset[str] = frozenset()
    other_folder: str = ""
    mails_to: str = ""
    preremove: str = ""


@dataclass(slots=True)
class _Reader:
    """Reads files one after the other: what one sets globally holds for those after it."""

    settings: _Settings = field(default_factory=_Settings)
    rotations: list[Rotation] = field(default_factory=list)

    def read(self, path: Path, depth: int) -> None:
        try:
            text = path.read_text("utf-8", "replace")
        except OSError:
            return
        lines = _Lines(text)
        patterns: list[str] = []
        started = 0
        for line in lines:
            before, brace, after = line.partition("{")
            if line.startswith("include") and not patterns:
                self._include(path, _value(line), depth)
            elif not patterns and line[0].isalpha():
                self.settings = _apply(self.settings, line, lines)
            else:
                started = started or lines.number
                patterns += _split(before)
            if brace and patterns:
                local = _read_definition(self.settings, after, lines)
                self.rotations.append(_to_rotation(f"{path}:{started}", patterns, local))
                patterns, started = [], 0

    def _include(self, where: Path, value: str, depth: int) -> None:
        included = where.parent / value
        if depth >= _DEEPEST_INCLUDE:
            return
        if not included.is_dir():
            self.read(included, depth + 1)
            return
        for path in sorted(included.iterdir(), key=lambda path: path.name):
            if path.is_file() and not _is_taboo(path.name):
                self.read(path, depth + 1)


class _Lines:
    """Stripped lines without comments and empty ones; knows the number of the last one given out."""

    def __init__(self, text: str) -> None:
        self._left = iter(enumerate(text.splitlines(), start=1))
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        for number, line in self._left:
            self.number = number
            stripped = line.strip()
            if stripped and not stripped.startswith("#"):
                yield stripped

    def script(self) -> str:
        """Take the lines up to `endscript`."""
        taken: list[str] = []
        for _, line in self._left:
            if line.strip() == "endscript":
                break
            taken.append(line.strip())
        return "\n".join(taken)


def read_rotations(configuration: Path = CONFIGURATION) -> tuple[Rotation, ...]:
    """Return what each definition tells logrotate to do; nothing where there is no configuration.

    Args:
        configuration: the file that logrotate is started with.
    """
    reader = _Reader()
    reader.read(configuration, 0)
    return tuple(reader.rotations)


def find_rotation(rotations: Iterable[Rotation], path: str) -> Rotation | None:
    """Return the definition that speaks of a live log: the first one, as logrotate refuses a second."""
    for rotation in rotations:
        if any(_matches(path, pattern) for pattern in rotation.patterns):
            return rotation
    return None


def _matches(path: str, pattern: str) -> bool:
    names, parts = path.split("/"), pattern.split("/")
    if len(names) != len(parts):
        return False
    return all(fnmatch.fnmatchcase(name, part) for name, part in zip(names, parts, strict=True))


def _read_definition(settings: _Settings, rest_of_line: str, lines: _Lines) -> _Settings:
    rest = rest_of_line.strip()
    if rest.endswith("}"):
        return _apply(settings, rest[:-1].strip(), lines)
    local = _apply(settings, rest, lines)
    for line in lines:
        if line.startswith("}"):
            break
        local = _apply(local, line, lines)
    return local


def _apply(settings: _Settings, line: str, lines: _Lines) -> _Settings:
    """Return the settings after one directive; those that change nothing for us are passed over."""
    word, value = _keyword(line), _value(line)
    if word in _SCRIPTS:
        script = lines.script()
        return replace(settings, preremove=script) if word == "preremove" else settings
    if word in _INTERVALS_S:
        return replace(settings, interval_s=_INTERVALS_S[word])
    if word == "size":
        return replace(settings, interval_s=None)
    if word in _PUTTING_OFF:
        return replace(settings, puts_off=True)
    if word in _MARKS:
        return replace(settings, marks=settings.marks | {word})
    if word.startswith("no") and word[2:] in _MARKS:
        return replace(settings, marks=settings.marks - {word[2:]})
    return _apply_value(settings, word, value)


def _apply_value(settings: _Settings, word: str, value: str) -> _Settings:
    number = int(value) if value.lstrip("-").isdigit() else None
    match word:
        case "rotate" if number is not None:
            return replace(settings, count=number)
        case "maxage" if number is not None:
            return replace(settings, max_age_s=number * DAY_S)
        case "olddir" | "noolddir":
            return replace(settings, other_folder=value)
        case "mail" | "nomail":
            return replace(settings, mails_to=value)
    return settings


def _to_rotation(where: str, patterns: Iterable[str], settings: _Settings) -> Rotation:
    return Rotation(
        where=where,
        patterns=tuple(patterns),
        interval_s=None if settings.puts_off else settings.interval_s,
        count=settings.count,
        max_age_s=settings.max_age_s,
        copies="copy" in settings.marks,
        truncates="copytruncate" in settings.marks,
        compresses="compress" in settings.marks,
        shreds="shred" in settings.marks,
        hands_over=_HAND_OVER in settings.preremove,
        other_folder=settings.other_folder,
        mails_to=settings.mails_to,
    )


def _keyword(line: str) -> str:
    return line.replace("=", " ").split(maxsplit=1)[0] if line else ""


def _value(line: str) -> str:
    return line[len(_keyword(line)) :].lstrip(" \t=").strip("\"' \t")


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _is_taboo(name: str) -> bool:
    return name.endswith(_TABOO) or any(fnmatch.fnmatchcase(name, item) for item in _TABOO_PATTERNS)
