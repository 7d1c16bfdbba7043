"""Exit codes and their order; sizes and times for people."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shredder import errors
from shredder.errors import ExitCode, ShredderError, gravest
from shredder.units import (
    DAY_S,
    GIB,
    HOUR_S,
    KIB,
    MIB,
    TIB,
    binary_size,
    decimal_size,
    duration,
    long_duration,
    parse_duration,
    parse_rate,
    parse_size,
)

# The order that the outward contract gives for several at once.
_ORDER = (1, 5, 130, 4, 9, 8, 7)


def test_the_exit_codes_are_those_of_the_contract() -> None:
    assert {int(code) for code in ExitCode} == {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 130}


@pytest.mark.parametrize(("graver", "lighter"), list(combinations(_ORDER, 2)))
def test_the_graver_code_wins(graver: int, lighter: int) -> None:
    pair = ExitCode(graver), ExitCode(lighter)
    assert gravest(pair) == gravest(reversed(pair)) == graver


@given(st.lists(st.sampled_from(ExitCode), min_size=1))
def test_success_only_when_all_succeeded(codes: list[ExitCode]) -> None:
    assert (gravest(codes) is ExitCode.DONE) == (set(codes) == {ExitCode.DONE})


def test_nothing_to_do_is_done() -> None:
    assert gravest([]) is ExitCode.DONE


def test_every_error_has_a_code_that_is_not_success() -> None:
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ShredderError)
    ]
    assert len(kinds) > 1
    assert all(kind.exit_code is not ExitCode.DONE for kind in kinds)


def test_an_error_carries_message_and_hint() -> None:
    error = ShredderError("no such device", hint="see shredder devices")
    assert (str(error), error.hint) == ("no such device", "see shredder devices")
    assert ShredderError("x").hint is None


@pytest.mark.parametrize(
    ("size_bytes", "binary", "decimal"),
    [
        (0, "0 B", "0 B"),
        (999, "999 B", "999 B"),
        (1000, "1000 B", "1.0 kB"),
        (KIB, "1.0 KiB", "1.0 kB"),
        (256 * MIB, "256.0 MiB", "268.4 MB"),
        (2 * GIB, "2.0 GiB", "2.1 GB"),
        (2 * 10**12, "1.8 TiB", "2.0 TB"),
        (24 * TIB, "24.0 TiB", "26.4 TB"),
    ],
)
def test_sizes(size_bytes: int, binary: str, decimal: str) -> None:
    assert (binary_size(size_bytes), decimal_size(size_bytes)) == (binary, decimal)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "under 1 s"),
        (0.4, "under 1 s"),
        (12, "12 s"),
        (59.6, "1 min 00 s"),
        (250, "4 min 10 s"),
        (3600, "1 h 00 min"),
        (11100, "3 h 05 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "under 1 s"),
        (30, "30 s"),
        (23 * HOUR_S, "23 h 00 min"),
        (DAY_S, "1 day"),
        (9 * DAY_S + 59, "9 days"),
        (DAY_S + 900, "1 day 15 min"),
        (2 * DAY_S + 6 * HOUR_S + 60, "2 days 6 h 1 min"),
    ],
)
def test_long_durations(seconds: int, text: str) -> None:
    assert long_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0 s", 0),
        ("30 s", 30),
        ("30s", 30),
        ("90 seconds", 90),
        ("5 min", 300),
        ("6 h", 6 * HOUR_S),
        ("1 day", DAY_S),
        ("7 days", 7 * DAY_S),
        ("3 weeks", 21 * DAY_S),
    ],
)
def test_durations_are_read(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "7", "days", "7 d ays", "1.5 days", "-1 day", "1 month", "1 m", "7  days", "\u0667 days", "1 KiB"],
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="unit"):
        parse_duration(text)


def test_sizes_and_rates_are_read() -> None:
    assert (parse_size("512 B"), parse_size("2 GiB"), parse_size("5 MB")) == (512, 2 * GIB, 5_000_000)
    assert (parse_rate("50 MiB/s"), parse_rate("50 MiB / s")) == (50 * MIB, 50 * MIB)
    for text in ("50 MiB", "50 MiB/h", "50/s", "MiB/s"):
        with pytest.raises(ValueError, match="is not"):
            parse_rate(text)
    with pytest.raises(ValueError, match="unit"):
        parse_size("5 mb")
