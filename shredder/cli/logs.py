"""`shredder logs check|list|shred|hold|release`."""

import json
import os
import pwd
import time
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from shredder.cli import say
from shredder.cli.logs_show import (
    describe_begun,
    describe_check,
    describe_decisions,
    describe_files,
    describe_residue,
    list_warnings,
)
from shredder.cli.logs_shred import load_key, require_root, run_shred
from shredder.cli.options import json_option, path_option
from shredder.discover.logrotate import CONFIGURATION, read_rotations
from shredder.discover.residue import find_residue
from shredder.errors import ExitCode, UsageError
from shredder.log_model import After, Grade
from shredder.log_policy import HeldBy, Hold, Policy
from shredder.logs.by_hand import narrow_policy, policy_for_file, with_grade
from shredder.logs.check import check_policy
from shredder.logs.holds import add_hold, read_holds, refuse_orphans, release_rule
from shredder.logs.job import Asked
from shredder.logs.left_behind import list_begun
from shredder.logs.load import load_policy
from shredder.logs.policy import find_rule
from shredder.logs.state import is_run_going_on
from shredder.logs.survey import look, look_and_decide, with_spans
from shredder.plan.retention import explain
from shredder.records import to_json
from shredder.units import printable

_FILE = click.Path(path_type=Path, readable=False)  # what cannot be read is said in our words
_POLICY = click.argument("policy", type=_FILE)
_NAME = click.argument("name")


@click.group("logs")
def command() -> None:
    """Keep what a log policy promises, where the logs lie."""


@command.command("check")
@_POLICY
@click.option(
    "--logrotate",
    type=click.Path(path_type=Path),
    default=CONFIGURATION,
    show_default=True,
    help="The configuration that logrotate is started with; it is read, not run.",
)
@json_option
def check(policy: Path, logrotate: Path, as_json: bool) -> None:
    """Say how long a record can live, and what undoes the promise."""
    checked = check_policy(load_policy(policy), read_rotations(logrotate))
    if as_json:
        _print_json(to_json(checked))
        return
    click.echo(describe_check(checked))
    for warning in list_warnings(checked):
        say(f"warning: {warning}")


@command.command("list")
@_POLICY
@json_option
def list_files(policy: Path, as_json: bool) -> None:
    """List the files of a policy, and what else may hold what they held."""
    found = tuple(map(with_spans, look(load_policy(policy))))
    folders = {lineage.path.rpartition("/")[0] or "/" for item in found for lineage in item.lineages}
    residue = find_residue(sorted(folders))
    if as_json:
        rules = [
            {"name": item.rule.name, "lineages": to_json(item.lineages), "skipped": to_json(item.skipped)}
            for item in found
        ]
        _print_json({"rules": rules, "residue": to_json(residue)})
        return
    click.echo(describe_files(found))
    if residue:
        click.echo("\n" + describe_residue(residue))
    for item in found:
        for skipped in item.skipped:
            say(f"{skipped.path} is left alone: {skipped.reason}")


@command.command("shred")
@click.argument("policy", type=_FILE, required=False)
@click.option(
    "--require",
    type=click.Choice([grade.value for grade in Grade]),
    help="The least grade: what cannot reach it stays untouched.  [default: the policy's]",
)
@click.option("--dry-run", is_flag=True, help="Say what would happen and why; nothing is written or run.")
@click.option("--file", "file", type=_FILE, help="Shred this file now, whatever its age.")
@click.option(
    "--keep-name", is_flag=True, help="With --file: overwrite it, and leave its name to the caller."
)
@click.option("--no-notify", is_flag=True, help="Leave it to the caller to tell of a failure.")
@path_option("--output", help_text="Folder for evidence and certificate.  [default: one in the state folder]")
@path_option("--key", help_text="Private key that signs the certificate.  [default: the policy's]")
@json_option
def shred(
    policy: Path | None,
    require: str | None,
    dry_run: bool,
    file: Path | None,
    keep_name: bool,
    no_notify: bool,
    output: Path | None,
    key: Path | None,
    as_json: bool,
) -> int:
    """Shred what falls due, or one file; write the certificate.

    The exit code is 0 only when everything due was shredded at the grade that is required.
    """
    if policy is None and file is None:
        raise UsageError("neither a policy nor a file was named")
    if keep_name and file is None:
        raise UsageError("--keep-name belongs to --file")
    if dry_run:
        if file is not None or policy is None:
            raise UsageError("--dry-run is for a policy")
        _preview(policy, as_json=as_json)
        return ExitCode.DONE
    require_root()
    loaded = with_grade(_choose(policy, file, keep_name=keep_name), Grade(require) if require else None)
    loaded = replace(loaded, notify=()) if no_notify else loaded
    signing = load_key(key or (Path(loaded.key) if loaded.key else None))
    files = None if file is None else (_resolve_folder(file),)
    return run_shred(Asked(loaded, files, signing, output), as_json=as_json)


def _choose(policy: Path | None, file: Path | None, *, keep_name: bool) -> Policy:
    if file is None:
        return load_policy(policy or Path())
    after = After.KEEP_NAME if keep_name else After.UNLINK
    path = _resolve_folder(file)
    return narrow_policy(load_policy(policy), path, after) if policy else policy_for_file(path, after)


def _resolve_folder(file: Path) -> str:
    """Return the path with the links in its folder resolved: the run itself follows none."""
    return os.path.join(os.path.realpath(file.parent), file.name)


def _preview(policy: Path, *, as_json: bool) -> None:
    now_s = int(time.time())
    loaded = load_policy(policy)
    refuse_orphans(loaded, now_s)
    begun = list_begun(Path(loaded.state))
    known = {(entry.device, entry.inode) for entry in begun}
    # their last change is that of the run that had begun them, which says nothing of their age
    decided = [
        (item, [decision for decision in item.decisions if decision.file.key not in known])
        for item in look_and_decide(loaded, now_s, read_holds(Path(loaded.state)))
    ]
    if as_json:
        rules = [
            {
                "name": item.rule.name,
                "decisions": [
                    {**to_json(decision), "why": explain(decision, item.rule, now_s)}
                    for decision in decisions
                ],
                "skipped": to_json(item.skipped),
            }
            for item, decisions in decided
        ]
        _print_json({"now_s": now_s, "begun": [entry.path for entry in begun], "rules": rules})
        return
    if begun:
        click.echo(describe_begun(begun) + "\n")
    click.echo("\n\n".join(describe_decisions(item.rule, some, now_s) for item, some in decided))
    for item, _ in decided:
        for skipped in item.skipped:
            say(f"{skipped.path} is left alone: {skipped.reason}")


@command.command("hold")
@_POLICY
@_NAME
@click.option("--until", required=True, metavar="DATE", help="2026-12-24 (to its end), or a date and time.")
@click.option(
    "--reason", required=True, metavar="TEXT", help="Why; it stands in the evidence of the next run."
)
def hold(policy: Path, name: str, until: str, reason: str) -> None:
    """Keep the files of the rule NAME until a date."""
    now_s = int(time.time())
    loaded = load_policy(policy)
    find_rule(loaded, name)
    until_s = _read_until(until, now_s)
    if not reason.strip():
        raise UsageError("--reason is empty")
    add_hold(Path(loaded.state), Hold(name, HeldBy.HAND, now_s, until_s, reason.strip(), _user(), None))
    click.echo(f"{name} is held until {_show(until_s)}")
    if is_run_going_on(Path(loaded.state)):
        say("a run goes on just now: what it has begun is not held back")


@command.command("release")
@_POLICY
@_NAME
def release(policy: Path, name: str) -> None:
    """End a hold by hand; where there is none, that of the policy's check, which is then asked again."""
    loaded, now_s = load_policy(policy), int(time.time())
    state = Path(loaded.state)
    if all(item.name != name for item in read_holds(state) if item.is_in_force(now_s)):
        find_rule(loaded, name)
    ended = release_rule(state, name, now_s)
    click.echo(f"{name} is no longer held: {printable(ended.reason)}")
    if ended.by is HeldBy.HOOK:
        click.echo("the next run asks the check again, and hold_at_most counts anew")


def _read_until(text: str, now_s: int) -> int:
    """Return the end of that day, or that moment; local time where no zone is given."""
    try:
        until_s = int(_end_of(text).timestamp())
    except (ValueError, OverflowError):
        raise UsageError(f"--until takes a date such as 2026-12-24, not {text}") from None
    if until_s <= now_s:
        raise UsageError(f"--until {text} has passed")
    return until_s


def _end_of(text: str) -> datetime:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return datetime.fromisoformat(text)
    return datetime.combine(day + timedelta(days=1), datetime.min.time())


def _show(at_s: int) -> str:
    return datetime.fromtimestamp(at_s).astimezone().isoformat(" ", timespec="minutes")


def _user() -> str:
    """Who sits at the keyboard: also behind sudo, as far as sudo says so."""
    name = os.environ.get("SUDO_USER")
    if name:
        return name
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _print_json(document: dict[str, Any]) -> None:
    click.echo(json.dumps({"version": 1, **document}, indent=2))
