"""Values of the policy file that TOML has no type for: durations, sizes, rates, paths and command lines."""

import string
from collections.abc import Callable

from shredder.settings import Table
from shredder.units import parse_duration, parse_rate, parse_size

_WILD = frozenset("*?[")


def read_duration(table: Table, key: str) -> int | None:
    """Return the seconds of e.g. "7 days", or None when the key is not there.

    Raises:
        UsageError: it is not a duration.
    """
    return _parsed(table, key, parse_duration)


def read_size(table: Table, key: str) -> int | None:
    """Return the bytes of e.g. "2 GiB", or None.

    Raises:
        UsageError: it is not a size.
    """
    return _parsed(table, key, parse_size)


def read_rate(table: Table, key: str) -> int | None:
    """Return the bytes a second of e.g. "50 MiB/s", or None.

    Raises:
        UsageError: it is not a rate, or zero.
    """
    rate = _parsed(table, key, parse_rate)
    if rate == 0:
        raise table.error(key, "is zero, so nothing would ever be done")
    return rate


def read_path(table: Table, key: str) -> str | None:
    """Return an absolute path, or None.

    Raises:
        UsageError: it is not absolute, or not in its plain form.
    """
    path = table.exact_text(key)
    if path is not None and (problem := _path_problem(path)):
        raise table.error(key, problem)
    return path


def read_patterns(table: Table, key: str) -> tuple[str, ...] | None:
    """Return absolute glob patterns, or None; wild are *, ? and [], each within one name.

    Raises:
        UsageError: one is not absolute, not in its plain form, or would go through folders of any depth.
    """
    patterns = table.exact_texts(key)
    if patterns == ():
        raise table.error(key, "is empty")
    for pattern in patterns or ():
        problem = _path_problem(pattern)
        if not problem and "**" in pattern:
            problem = 'holds "**"; name each folder'
        if problem:
            raise table.error(key, f'holds "{pattern}", which {problem}')
    return patterns


def read_command(table: Table, key: str, fields: frozenset[str]) -> tuple[str, ...]:
    """Return a command line, empty when the key is not there.

    Args:
        table: where it stands.
        key: its key.
        fields: the names that may stand in braces; they are put in by str.format.

    Raises:
        UsageError: it is empty, or something else stands in braces.
    """
    words = table.texts(key)
    if words is None:
        return ()
    if not words or not words[0]:
        raise table.error(key, "is empty")
    for word in words:
        _check_fields(table, key, word, fields)
    return words


def is_wild(part: str) -> bool:
    """True when a part of a path is a pattern."""
    return not _WILD.isdisjoint(part)


def _parsed(table: Table, key: str, parse: Callable[[str], int]) -> int | None:
    text = table.text(key)
    if text is None:
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise table.error(key, str(error)) from None


def _path_problem(path: str) -> str:
    if path != path.strip():
        return "begins or ends with a blank"  # without that it would be another path
    if not path.startswith("/"):
        return "is not an absolute path"
    if any(part in ("", ".", "..") for part in path[1:].split("/")) or "\0" in path:
        return "is not a path in its plain form (without .., //, or a slash at its end)"
    return ""


def _check_fields(table: Table, key: str, word: str, fields: frozenset[str]) -> None:
    hint = f"known are {', '.join(f'{{{name}}}' for name in sorted(fields))}; write a brace itself twice"
    try:
        parts = list(string.Formatter().parse(word))
    except ValueError as error:
        raise table.error(key, f'holds "{word}": {error}', hint=hint) from None
    for _, name, spec, conversion in parts:
        if name is not None and (name not in fields or spec or conversion):
            raise table.error(key, f'holds "{word}" with an unknown word in braces', hint=hint)
