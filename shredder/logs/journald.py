"""Has journald put its journals aside: only archived ones may be shredded, the active ones never."""

from shredder.erase.transfer import StopFlag
from shredder.logs.commands import run_command


def rotate_journals(limit_s: float, stop: StopFlag) -> str | None:
    """Run `journalctl --rotate`, which ends when all active journals are archived; return why it failed."""
    return run_command(("journalctl", "--rotate"), limit_s, stop).error
