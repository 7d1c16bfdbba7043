"""Exit codes, and the one tree of exceptions; each class owns its exit code.

What a device or a file did is not an exception but an outcome (see model.py).
Exceptions are for what keeps a command from being carried out at all.
"""

from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """What the process tells its caller; the table stands in the README."""

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    REFUSED = 3
    INCOMPLETE = 4
    MISMATCH = 5
    UNTRUSTED = 6
    HELD = 7
    UNDELIVERED = 8
    SERVICE = 9
    INTERRUPTED = 130


_GRAVEST_FIRST = (
    ExitCode.UNEXPECTED,
    ExitCode.MISMATCH,
    ExitCode.INTERRUPTED,
    ExitCode.INCOMPLETE,
    ExitCode.SERVICE,
    ExitCode.UNDELIVERED,
    ExitCode.HELD,
    ExitCode.REFUSED,
    ExitCode.UNTRUSTED,
    ExitCode.USAGE,
    ExitCode.DONE,
)


def gravest(codes: Iterable[ExitCode]) -> ExitCode:
    """Return the code that outranks the others; DONE when there are none."""
    return min(codes, key=_GRAVEST_FIRST.index, default=ExitCode.DONE)


class ShredderError(Exception):
    """Base of every error that a user may see.

    Args:
        message: what is wrong, lower case, no full stop.
        hint: what to do about it, shown on a line of its own.
    """

    exit_code = ExitCode.UNEXPECTED

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(ShredderError):
    """The command, a file it was given, or an option is not well formed."""

    exit_code = ExitCode.USAGE


class RefusedError(ShredderError):
    """Nothing was written, for safety."""

    exit_code = ExitCode.REFUSED


class CertificateError(ShredderError):
    """A certificate is invalid, or not trusted, or nothing to trust it by was given."""

    exit_code = ExitCode.UNTRUSTED


class UndeliveredError(ShredderError):
    """The certificate could not be written or delivered."""

    exit_code = ExitCode.UNDELIVERED
