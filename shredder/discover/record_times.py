"""When a record was written, as it says itself, in the formats that logs commonly have.

A time counts only where the format puts it, at the start of the record: what follows is often
chosen by a client. A record may still lie: who decides by these times must not trust them alone.
"""

import calendar
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import cache

from shredder.units import DAY_S

_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr) if name}
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
_CLOCK = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_LONGEST = 600

_ISO = re.compile(
    # RFC 3339, also in brackets and after priority and version (RFC 5424); nginx writes errors with slashes
    r"(?:<\d{1,3}>\d{1,2} )?\[?(?P<year>\d{4})[-/](?P<month>\d\d)[-/](?P<day>\d\d)[T ]"
    + _CLOCK
    + r"(?:[.,]\d{1,9})?"
    r" ?(?P<zone>Z|[+-]\d\d:?\d\d)?(?![\d:])"
)
_BSD = re.compile(r"(?:<\d{1,3}>)?" + _MONTH + r" (?P<day>[ \d]\d) " + _CLOCK + " ")
_COMBINED = re.compile(
    # up to `] "`, so that a user's name cannot hold a time of its own: servers escape the quotation mark
    r'[^"]*?\[(?P<day>\d\d)/' + _MONTH + r"/(?P<year>\d{4}):" + _CLOCK + r' (?P<zone>[+-]\d{4})\] "'
)
_APACHE_ERROR = re.compile(
    r"\[[A-Z][a-z]{2} " + _MONTH + r" (?P<day>[ \d]\d) " + _CLOCK + r"(?:\.\d{1,6})? (?P<year>\d{4})\]"
)
_EPOCH = re.compile(r"(?P<s>\d{10})(?P<ms>\d{3})?(?:\.\d{1,9})?[\s,;|]")


def parse_record_time(line: str, reference_s: int) -> int | None:
    """Return when a record says that it was written, in seconds since 1970, or None when it does not.

    Times without a zone are local.

    Args:
        line: the record, or its beginning.
        reference_s: for times without a year (RFC 3164, 4.1.2): they lie in the year up to a day after it.
    """
    start = line[:_LONGEST]
    for pattern, read in _FORMATS:
        found = pattern.match(start)
        if found:
            try:
                return read(found, reference_s)
            except (ValueError, OverflowError):
                return None
    return None


def _read_full(found: re.Match[str], reference_s: int) -> int:  # noqa: ARG001 - the formats share a signature
    part = found.groupdict()
    return _seconds(int(part["year"]), _month(part["month"]), part, part.get("zone"))


def _read_without_year(found: re.Match[str], reference_s: int) -> int:
    part = found.groupdict()
    latest_s = reference_s + DAY_S
    year = time.localtime(latest_s).tm_year
    for candidate in (year, year - 1):
        try:
            at_s = _seconds(candidate, _month(part["month"]), part, None)
        except ValueError:  # 29 February
            continue
        if at_s <= latest_s:
            return at_s
    return _seconds(year - 2, _month(part["month"]), part, None)


def _read_epoch(found: re.Match[str], reference_s: int) -> int:  # noqa: ARG001
    return int(found["s"])


def _month(text: str) -> int:
    return _MONTHS.get(text) or int(text)


def _seconds(year: int, month: int, part: dict[str, str], zone: str | None) -> int:
    clock = (int(part["hour"]), int(part["minute"]), min(int(part["second"]), 59))  # a leap second has 60
    day = int(part["day"])
    where = _offset(zone) if zone else None
    return int(datetime(year, month, day, *clock, tzinfo=where).timestamp())


@cache
def _offset(zone: str) -> timezone:
    if zone == "Z":
        return UTC
    digits = zone.replace(":", "")
    away = timedelta(hours=int(digits[1:3]), minutes=int(digits[3:5]))
    return timezone(-away if zone[0] == "-" else away)


_FORMATS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], int], int]], ...] = (
    (_ISO, _read_full),
    (_BSD, _read_without_year),
    (_EPOCH, _read_epoch),
    (_APACHE_ERROR, _read_full),
    (_COMBINED, _read_full),
)
