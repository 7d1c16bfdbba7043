"""`shredder schedule install|status|remove`."""

import json
import os
from datetime import datetime
from pathlib import Path

import click

from shredder.cli import say
from shredder.cli.options import json_option
from shredder.errors import RefusedError
from shredder.logs.schedule import install, own_program, remove
from shredder.logs.schedule_status import Status, read_status
from shredder.logs.systemctl import Systemctl
from shredder.records import to_json
from shredder.units import printable

_POLICY = click.argument("policy", type=click.Path(path_type=Path, readable=False))


@click.group("schedule")
def command() -> None:
    """Have systemd shred what falls due, by itself."""


@command.command("install")
@_POLICY
def install_units(policy: Path) -> None:
    """Install a timer for POLICY, and what watches its spools; again after each change of it."""
    _require_root()
    done = install(policy, own_program(), Systemctl())
    for name in done.written:
        click.echo(f"written: {printable(name)}")
    for name in done.removed:
        click.echo(f"removed: {printable(name)}")
    if not done.written and not done.removed:
        click.echo("nothing to change")


@command.command("status")
@_POLICY
@json_option
def show_status(policy: Path, as_json: bool) -> None:
    """Show how the last run ended, and when the next one comes."""
    status = read_status(policy, own_program(), Systemctl())
    if as_json:
        click.echo(json.dumps({"version": 1, **to_json(status)}, indent=2))
        return
    for line in _describe(status):
        click.echo(printable(line))
    if status.change:
        say(f"warning: {status.change}", f"shredder schedule install {policy}")


@command.command("remove")
@_POLICY
def remove_units(policy: Path) -> None:
    """Take the timer of POLICY away; a run that goes on is left to its end."""
    _require_root()
    gone = remove(policy, Systemctl())
    for name in gone:
        click.echo(f"removed: {printable(name)}")
    if not gone:
        click.echo("nothing was installed")


def _require_root() -> None:
    if os.geteuid() != 0:
        raise RefusedError("only root can change what systemd does", hint="run it again with sudo")


def _describe(status: Status) -> list[str]:
    lines = [f"units     {', '.join(status.units)}", f"last run  {_last(status)}"]
    lines += [f"          evidence and certificate in {status.last_folder}"] if status.last_folder else []
    next_run = _when(status.next_s) if status.next_s else "none"
    lines.append(f"next run  {next_run} (timer {status.timer})")
    return [*lines, f"spools    {_watch(status.spools)}"] if status.spools else lines


def _last(status: Status) -> str:
    if status.running:
        return "goes on"
    if status.ended_s is None:
        before = f"; the timer started one on {_when(status.triggered_s)}" if status.triggered_s else ""
        return f"none since this machine started{before}"
    return f"{_when(status.ended_s)}: {status.result}, exit code {status.exit_code}"


def _watch(state: str) -> str:
    return "watched" if state == "active" else f"NOT WATCHED ({state})"


def _when(at_s: int | None) -> str:
    return datetime.fromtimestamp(at_s or 0).astimezone().isoformat(" ", timespec="seconds")
