"""Exit codes and their order; sizes and times for people."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shredder import errors
from shredder.errors import ExitCode, ShredderError, gravest
from shredder.units import GIB, KIB, MIB, TIB, binary_size, decimal_size, duration

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
