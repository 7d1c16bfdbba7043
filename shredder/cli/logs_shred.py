"""Carrying out `shredder logs shred`: what is shown while it runs, and what is said at its end."""

import json
import os
from pathlib import Path

import click

from shredder.certify.keys import PrivateKey, load_private_key, needs_passphrase, new_key
from shredder.cli import say
from shredder.cli.files import read_bytes
from shredder.decommission.interrupts import stop_on_signals
from shredder.errors import RefusedError
from shredder.log_events import (
    HoldAnswer,
    HoldChecked,
    HoldFound,
    JournalRotated,
    LineageRotated,
    LogRecorded,
    RuleFailed,
    ServiceBack,
    ServiceReleased,
    StillOpen,
    Summarised,
)
from shredder.logs.clock import SYSTEM_CLOCK
from shredder.logs.job import Asked, LogsResult, shred_logs


def require_root() -> None:
    """Raise RefusedError unless we are root: without it nobody can tell who has a log open."""
    if os.geteuid() != 0:
        raise RefusedError("logs can be shredded only by root", hint="run it again with sudo")


def load_key(path: Path | None) -> PrivateKey:
    """Return the key that signs; a fresh one where none is named.

    Raises:
        RefusedError: it asks for a passphrase: nobody sits at a timer.
        UsageError: it cannot be read.
    """
    if path is None:
        return new_key()
    data = read_bytes(path)
    if needs_passphrase(data):
        raise RefusedError(f"{path} asks for a passphrase", hint="a key of its own, without one, for logs")
    return load_private_key(data)


def run_shred(asked: Asked, *, as_json: bool) -> int:
    """Run it, say what came of it, and return the exit code."""
    with stop_on_signals() as stop:
        result = shred_logs(asked, SYSTEM_CLOCK, stop, _ignore if as_json else _show)
    if as_json:
        click.echo(json.dumps(_summary(result), indent=2))
    else:
        _tell(result)
    return result.exit_code


def _ignore(event: LogRecorded) -> None:
    """Programs read the evidence."""


def _show(event: LogRecorded) -> None:
    """Say what does not go without saying."""
    match event:
        case StillOpen():
            say(f"{event.path} is still open: {event.by}")
        case LineageRotated() if event.error:
            say(f"{event.path} was not renamed: {event.error}")
        case ServiceReleased() if event.error:
            say(f"{event.rule}: {event.service} did not let go: {event.error}")
        case ServiceBack() if event.error:
            say(f"{event.rule}: {event.service} DID NOT COME BACK: {event.error}")
        case HoldChecked() if event.answer is not HoldAnswer.CLEAR:
            say(f"{event.rule}: held by the policy's check" + (f": {event.error}" if event.error else ""))
        case HoldFound():
            say(f"{event.rule}: held by {event.hold.who} while the run went on: {event.hold.reason}")
        case Summarised() if event.error:
            say(f"{event.rule}: the summary failed: {event.error}")
        case JournalRotated() if event.error:
            say(f"{event.rule}: journald was not rotated: {event.error}")
        case RuleFailed():
            say(f"{event.rule}: {event.error}")


def _summary(result: LogsResult) -> dict[str, object]:
    return {
        "version": 1,
        "headline": result.report.headline,
        "outcome": result.report.outcome,
        "folder": str(result.folder),
        "certificate": result.has_certificate,
        "trouble": list(result.trouble),
        "exit_code": int(result.exit_code),
    }


def _tell(result: LogsResult) -> None:
    for rule in result.report.rules:
        for file in rule.files:
            for problem in file.problems:
                say(f"{file.path}: {file.verdict}: {problem.reason}")
    for trouble in result.trouble:
        say(trouble)
    click.echo(result.report.headline)
    kind = "certificate" if result.has_certificate else "evidence, and no certificate,"
    click.echo(f"{kind} in {result.folder}")
