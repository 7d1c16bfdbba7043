"""Words of unit files: names, quoted values, command lines and calendar times, as systemd reads them."""

from collections.abc import Sequence

from shredder.errors import UsageError
from shredder.units import DAY_S, HOUR_S, MINUTE_S, printable

_NAME_SIGNS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.-")
_LONGEST_MONTH = 31
_LONGEST_STEP_DAYS = 31  # from the first day of each month on; the gap at its end is shorter


def escape_name(text: str) -> str:
    r"""Return a text as part of a unit's name: what may not stand there becomes \xNN, systemd-escape(1).

    Two texts never become the same; "@" is escaped too, so none becomes an instance of a template.
    """
    return "".join(
        sign if sign in _NAME_SIGNS else "".join(f"\\x{byte:02x}" for byte in sign.encode()) for sign in text
    )


def quote(text: str) -> str:
    """Return a value between quotes, as systemd.syntax(7) has it, with specifiers switched off.

    Raises:
        UsageError: it holds a NUL.
    """
    return f'"{_escape(text)}"'


def quote_command(words: Sequence[str], variable: str = "") -> str:
    """Return a command line that is run as it stands: neither specifiers nor variables are put in.

    Args:
        words: the program's absolute path and its arguments.
        variable: what systemd is to put where a NUL stands, the name of a variable; "" for nothing.

    Raises:
        UsageError: it cannot be said in a unit file.
    """
    if "$" in words[0] or not words[0].startswith("/"):
        raise UsageError(f"a unit cannot run {printable(words[0])}")
    return " ".join(f'"{_fill(word, variable)}"' for word in words)


def calendar(every_s: int) -> str:
    """Return a calendar event that comes at least so often; the longest even step that is no longer.

    Args:
        every_s: seconds, 60 or more.
    """
    days = min(every_s // DAY_S, _LONGEST_STEP_DAYS)
    if days:
        # one by one: of 1/7 systemd 252 leaves out each first of January
        listed = ",".join(f"{day:02d}" for day in range(1, _LONGEST_MONTH + 1, days))
        return f"*-*-{'*' if days == 1 else listed} 00:00:00 UTC"
    hours = _step(every_s // HOUR_S, 24)
    if hours:
        return f"*-*-* {_every(hours)}:00:00 UTC"
    return f"*-*-* *:{_every(_step(every_s // MINUTE_S, 60))}:00 UTC"


def _fill(word: str, variable: str) -> str:
    pieces = word.split("\0") if variable else [word]
    return f"${{{variable}}}".join(_escape(piece).replace("$", "$$") for piece in pieces)


def _escape(text: str) -> str:
    if "\0" in text:
        raise UsageError(f"a unit cannot hold {printable(text)}")
    return "".join(map(_escape_sign, text)).replace("%", "%%")


def _escape_sign(sign: str) -> str:
    if sign in ('"', "\\"):
        return f"\\{sign}"
    return sign if sign.isprintable() else "".join(f"\\x{byte:02x}" for byte in sign.encode())


def _step(most: int, whole: int) -> int:
    """Return the largest step that is no longer and divides the whole; 0 for none."""
    return max((step for step in range(1, min(most, whole) + 1) if whole % step == 0), default=0)


def _every(step: int) -> str:
    return "*" if step == 1 else f"0/{step}"
