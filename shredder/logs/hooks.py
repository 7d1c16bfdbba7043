"""The policy's own commands: the check that may hold files back, and the summary made of them."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from shredder.discover.log_times import is_sealed
from shredder.erase.transfer import StopFlag
from shredder.log_events import HoldAnswer
from shredder.log_policy import Rule
from shredder.logs.addresses import can_be_searched, holds_full_address
from shredder.logs.clock import spell
from shredder.logs.commands import Ended, run_command
from shredder.logs.durable import sync_folder
from shredder.logs.plain_text import NOT_READ, PlainText

HOLD_CODE = 75  # EX_TEMPFAIL of <sysexits.h>
_STAGING, _IN, _OUT = ".summary", "in", "out"
_PRINTED = "{name}-{date}.txt"
_TRIES = 1000


@dataclass(frozen=True, slots=True)
class Asked:
    """What the check answered."""

    answer: HoldAnswer
    ended: Ended


@dataclass(frozen=True, slots=True)
class Summary:
    """The names of the summaries in the state folder, or why there is none, and the file that it is about."""

    outputs: tuple[str, ...]
    error: str | None
    path: str = ""


@dataclass(frozen=True, slots=True)
class Records:
    """Files that fall due together, and the times of their first and last record, in seconds since 1970."""

    paths: tuple[str, ...]
    from_s: int
    to_s: int


def ask_hold(rule: Rule, state: Path, records: Records, stop: StopFlag) -> Asked:
    """Ask the check about the records of a time; whatever is not a clear answer holds.

    Args:
        rule: with its `hold` command.
        state: the policy's state folder.
        records: what falls due.
        stop: ends it early.
    """
    values = {
        "name": rule.name,
        "from": spell(records.from_s),
        "to": spell(records.to_s),
        "state": str(state),
    }
    ended = run_command([word.format_map(values) for word in rule.hold], rule.hook_limit_s, stop)
    if ended.exit_code == 0:
        return Asked(HoldAnswer.CLEAR, ended)
    if ended.exit_code == HOLD_CODE:
        return Asked(HoldAnswer.HOLD, Ended(HOLD_CODE, None))
    return Asked(HoldAnswer.FAILED, ended)


def summarise(rule: Rule, state: Path, records: Records, now: datetime, stop: StopFlag) -> Summary:
    """Have exactly these files summarised, and put the outcome into the state folder, whole or not at all.

    The command sees a fresh folder as {state}; where it does not ask for that, what it prints is the summary.
    Packed files are given to it as plain text, through pipes; all of it must be read.

    Args:
        rule: with its `summarise` command.
        state: the policy's state folder.
        records: what falls due.
        now: for {date}, in local time.
        stop: ends it early.
    """
    sealed = next(filter(is_sealed, records.paths), None)
    if sealed is not None:
        return Summary((), f"{sealed} is packed in a way that cannot be undone here", sealed)
    base = state / f"{_STAGING}-{rule.name}"
    values = {
        "name": rule.name,
        "from": spell(records.from_s),
        "to": spell(records.to_s),
        "state": str(base / _OUT),
        "date": now.astimezone().date().isoformat(),
    }
    try:
        shutil.rmtree(base, ignore_errors=True)
        for folder in (base, base / _OUT, base / _IN):
            folder.mkdir(mode=0o700)
        try:
            return _run(rule, values, records.paths, base, stop) or _take(base / _OUT, state, rule)
        finally:
            shutil.rmtree(base, ignore_errors=True)
    except OSError as error:
        return Summary((), f"its output cannot be kept ({error.strerror})")


def _run(
    rule: Rule, values: Mapping[str, str], paths: Sequence[str], base: Path, stop: StopFlag
) -> Summary | None:
    """Return why there is no summary, or None."""
    text = PlainText(paths, base / _IN)
    missed: dict[str, str] = {}
    try:
        ended = _call(rule, tuple(_fill(rule.summarise, values, text.words)), values, base / _OUT, stop)
    finally:
        missed = text.close()
    # a file that cannot be unpacked is why the command failed, and not the other way round
    broken = next((path for path, why in missed.items() if ended.error is None or why != NOT_READ), None)
    if broken is not None:
        return Summary((), f"{broken} {missed[broken]}", broken)
    return None if ended.error is None else Summary((), ended.error)


def _call(rule: Rule, words: Sequence[str], values: Mapping[str, str], out: Path, stop: StopFlag) -> Ended:
    if any("{state}" in word for word in rule.summarise):
        return run_command(words, rule.hook_limit_s, stop, mask=0o077)
    with open(out / _PRINTED.format_map(values), "xb") as output:
        return run_command(words, rule.hook_limit_s, stop, output=output.fileno(), mask=0o077)


def _take(out: Path, state: Path, rule: Rule) -> Summary:
    return _check(out, rule) or Summary(tuple(_move(out, state)), None)


def _fill(words: Sequence[str], values: Mapping[str, str], paths: Sequence[str]) -> Iterator[str]:
    """A word with {file} in it is repeated for each file."""
    for word in words:
        if "{file}" in word.replace("{{", "").replace("}}", ""):
            yield from (word.format_map({**values, "file": path}) for path in paths)
        else:
            yield word.format_map(values)


def _check(out: Path, rule: Rule) -> Summary | None:
    """Return why the summary is refused, or None."""
    found = sorted(out.iterdir())
    if not any(path.stat(follow_symlinks=False).st_size for path in found):
        return Summary((), "it left no summary, in {state} or on its output")
    for path in found:
        if path.is_symlink() or not path.is_file():
            return Summary((), f"it left {path.name}, which is not a regular file")
        if not rule.allow_full_ip and not can_be_searched(path):
            why = "cannot be searched for addresses: it is packed, or no text"
            return Summary((), f"{path.name} {why}; and allow_full_ip is not set")
        if not rule.allow_full_ip and holds_full_address(path):
            return Summary((), f"{path.name} still holds a whole IP address, and allow_full_ip is not set")
    return None


def _move(out: Path, state: Path) -> Iterator[str]:
    """Put each file in its place, durable; an earlier summary is never replaced."""
    for path in sorted(out.iterdir()):
        with open(path, "rb") as file:
            os.fsync(file.fileno())
        yield _take_free_name(path, state)
    sync_folder(state)


def _take_free_name(path: Path, state: Path) -> str:
    for number in range(1, _TRIES):
        name = path.name if number == 1 else f"{path.stem}.{number}{path.suffix}"
        try:
            os.link(path, state / name)
        except FileExistsError:
            continue
        return name
    raise FileExistsError(0, "every name for it is taken")
