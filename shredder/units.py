"""Bytes, seconds and rates as people write and read them. Programs get plain integers."""

import re

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
TIB = 1024 * GIB

_BINARY = ((TIB, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB"))
_DECIMAL = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))

MINUTE_S = 60
HOUR_S = 60 * MINUTE_S
DAY_S = 24 * HOUR_S

_SIZES = {name: step for step, name in (*_BINARY, *_DECIMAL)} | {"B": 1, "bytes": 1}
_TIMES = {
    **dict.fromkeys(("s", "second", "seconds"), 1),
    **dict.fromkeys(("min", "minute", "minutes"), MINUTE_S),
    **dict.fromkeys(("h", "hour", "hours"), HOUR_S),
    **dict.fromkeys(("d", "day", "days"), DAY_S),
    **dict.fromkeys(("week", "weeks"), 7 * DAY_S),
}
_QUANTITY = re.compile(r"([0-9]{1,15}) ?([A-Za-z]+)", re.ASCII)


def _scaled(size_bytes: int, steps: tuple[tuple[int, str], ...]) -> str:
    for step, name in steps:
        if size_bytes >= step:
            return f"{size_bytes / step:.1f} {name}"
    return f"{size_bytes} B"


def binary_size(size_bytes: int) -> str:
    """Return e.g. "1.8 TiB"."""
    return _scaled(size_bytes, _BINARY)


def decimal_size(size_bytes: int) -> str:
    """Return e.g. "2.0 TB", the figure on the label."""
    return _scaled(size_bytes, _DECIMAL)


def printable(text: str) -> str:
    """Return the text with what could steer a terminal, or fake a line, made visible."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def duration(seconds: float) -> str:
    """Return e.g. "3 h 05 min", "4 min 10 s", "12 s" or "under 1 s"."""
    whole = max(0, round(seconds))
    if whole == 0:
        return "under 1 s"
    hours, rest = divmod(whole, 3600)
    minutes, left_s = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {left_s:02d} s" if minutes else f"{left_s} s"


def long_duration(seconds: int) -> str:
    """Return e.g. "9 days", "1 day 6 h 15 min" or, below a day, what `duration` returns."""
    days, rest_s = divmod(max(0, seconds), DAY_S)
    if not days:
        return duration(rest_s)
    hours, minutes = rest_s // HOUR_S, rest_s % HOUR_S // MINUTE_S
    parts = [f"{days} day{'' if days == 1 else 's'}"]
    parts += [f"{hours} h"] if hours else []
    return " ".join([*parts, f"{minutes} min"] if minutes else parts)


def parse_duration(text: str) -> int:
    """Return the seconds that a text such as "7 days" or "30 s" says.

    Raises:
        ValueError: it is not a whole number with a unit of known length; months have none.
    """
    return _parse(text, _TIMES, "s, min, h, days, weeks")


def parse_size(text: str) -> int:
    """Return the bytes that a text such as "500 MiB" says.

    Raises:
        ValueError: it is not a whole number with a unit.
    """
    return _parse(text, _SIZES, "B, KiB, MiB, GiB, TiB, kB, MB, GB, TB")


def parse_rate(text: str) -> int:
    """Return the bytes a second that a text such as "50 MiB/s" says.

    Raises:
        ValueError: it is not a whole number with a unit.
    """
    size, slash, per = text.partition("/")
    if not slash or per.strip() != "s":
        raise ValueError("is not a rate such as 50 MiB/s")
    return parse_size(size.rstrip())


def _parse(text: str, units: dict[str, int], known: str) -> int:
    found = _QUANTITY.fullmatch(text)
    if not found or found[2] not in units:
        raise ValueError(f'is not a whole number with a unit ({known}), it is "{text}"')
    return int(found[1]) * units[found[2]]
