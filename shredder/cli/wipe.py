"""`shredder wipe`: confirm, carry out, say what came of it."""

import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from shredder.certify.keys import PrivateKey, load_private_key, needs_passphrase, new_key
from shredder.certify.profiles import merge_profile, read_profile
from shredder.certify.reports import DeviceReport
from shredder.certify.run_folder import check_unused
from shredder.cli import say
from shredder.cli.files import read_bytes, read_text
from shredder.cli.options import check_targets, json_option, make_request, path_option, plan_options
from shredder.cli.plan import describe_plan, say_left_out
from shredder.cli.progress import choose_monitor
from shredder.cli.tables import render_ranges
from shredder.decommission.interrupts import stop_on_signals
from shredder.decommission.job import Result, carry_out, new_run_id
from shredder.decommission.prepare import check_plan, make_plan
from shredder.errors import RefusedError, UsageError
from shredder.model import LeftOutWhy, Plan, Profile, Step
from shredder.plan.documents import read_plan
from shredder.ranges import total_bytes
from shredder.records import to_json
from shredder.units import printable


@click.command("wipe")
@click.argument("targets", nargs=-1, metavar="PLAN.json | TARGET...")
@plan_options
@click.option("--confirm", metavar="DIGEST", help="The plan's digest, instead of typing each serial.")
@path_option("--output", help_text="Folder for plan, evidence and certificate.  [default: ./shredder-RUNID]")
@path_option("--key", help_text="Private key that signs the certificate.  [default: a fresh one]")
@path_option("--profile", help_text="TOML file with organisation, persons and property numbers.")
@click.option("--operator", help="Who sanitizes, for the certificate.")
@click.option("--organisation", help="Whose media they are, for the certificate.")
@click.option("--location", help="Where it is done, for the certificate.")
@click.option(
    "--property-number", nargs=2, multiple=True, metavar="SERIAL-OR-PATH NUMBER", help="An inventory number."
)
@json_option
def command(
    targets: tuple[str, ...],
    image: bool,
    all_disks: bool,
    method: str,
    passes: int | None,
    verify: str,
    nonce: str,
    allow: tuple[str, ...],
    confirm: str | None,
    output: Path | None,
    key: Path | None,
    profile: Path | None,
    operator: str | None,
    organisation: str | None,
    location: str | None,
    property_number: tuple[tuple[str, str], ...],
    as_json: bool,
) -> int:
    """Overwrite what a plan names, verify it, and write the certificate.

    With TARGETs the plan is made first. Each serial (or path, where there is none) must be typed;
    unattended, give the plan's digest to --confirm.
    """
    check_targets(targets, all_disks=all_disks, image=image)
    run_id = new_run_id()
    folder = output or Path.cwd() / f"shredder-{run_id}"
    plan = _load_plan(targets, image=image)
    if plan is not None:
        refused = tuple(left.reason for left in plan.left_out if left.why is LeftOutWhy.REFUSED)
    else:
        request = make_request(method, passes, verify, nonce, allow)
        planned = make_plan(targets, request, image=image, all_disks=all_disks, output=folder)
        plan, refused = planned.plan, planned.refused
    signing_key = _load_key(key)
    facts = merge_profile(
        read_profile(read_text(profile) if profile else "", str(profile)),
        operator=operator,
        organisation=organisation,
        location=location,
        property_numbers=dict(property_number),
    )
    _check_numbers(plan, [name for name, _ in property_number])
    check_unused(folder)
    say_left_out(plan, refused)
    _confirm(plan, confirm)
    return _run(plan, run_id, folder, signing_key, facts, as_json=as_json)


def _load_plan(targets: tuple[str, ...], *, image: bool) -> Plan | None:
    """Return the plan when one file was named that holds it; plan options then do not apply."""
    if image or len(targets) != 1 or not Path(targets[0]).is_file():
        return None
    context = click.get_current_context()
    for name in ("all_disks", "method", "passes", "verify", "nonce", "allow"):
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            raise click.UsageError(
                f"--{name.split('_')[0]} belongs to `shredder plan`: the plan is made", context
            )
    path = Path(targets[0])
    return read_plan(read_bytes(path), str(path))


def _load_key(path: Path | None) -> PrivateKey:
    if path is None:
        return new_key()
    data = read_bytes(path)
    if not needs_passphrase(data):
        return load_private_key(data)
    if not sys.stdin.isatty():
        raise RefusedError(f"{path} asks for a passphrase, and there is no terminal to type it on")
    passphrase: str = click.prompt(f"passphrase of {path}", hide_input=True, err=True)
    return load_private_key(data, passphrase.encode())


def _check_numbers(plan: Plan, names: Sequence[str]) -> None:
    """Make sure that every property number given as an option belongs to a device: a slip must not go unseen.

    Raises:
        UsageError: one does not.
    """
    known: set[object] = set()
    for step in plan.steps:
        known |= {step.path, step.identity.serial}
    for left in plan.left_out:
        known |= {left.path, left.serial}
    for name in names:
        if name not in known:
            raise UsageError(f"no device here has the serial or path {name}, which --property-number names")


def _confirm(plan: Plan, digest: str | None) -> None:
    """Make sure that a person, or whoever wrote the digest down, means this very plan.

    Raises:
        RefusedError: they do not.
    """
    expected = plan.digest
    if digest is not None:
        if digest.strip().lower() != expected:
            raise RefusedError(
                "the digest given with --confirm is not that of this plan",
                hint="`shredder plan` shows the plan and its digest",
            )
        return
    click.echo(describe_plan(plan), err=True)
    if not sys.stdin.isatty():
        raise RefusedError("not confirmed", hint="if this plan is meant, add --confirm with its digest")
    for step in plan.steps:
        what, wanted = _asked_for(step)
        shown = printable(step.path)
        typed: str = click.prompt(f"\nto wipe {shown}, type its {what} ({printable(wanted)})", err=True)
        if typed.strip() != wanted:
            raise RefusedError(f"that is not the {what} of {step.path}; nothing was wiped")


def _asked_for(step: Step) -> tuple[str, str]:
    serial = step.identity.serial
    return ("serial", serial) if isinstance(serial, str) else ("path", step.path)


def _run(plan: Plan, run_id: str, folder: Path, key: PrivateKey, profile: Profile, *, as_json: bool) -> int:
    with stop_on_signals() as stop:
        ready = check_plan(plan)
        result = carry_out(
            ready,
            run_id,
            folder,
            key=key,
            profile=profile,
            monitor=choose_monitor(plan.steps, as_json=as_json),
            wants_stop=stop.is_set,
        )
        # nobody may be reading any more; the outcome stands all the same
        with contextlib.suppress(OSError):
            _report(result, as_json=as_json)
    return result.exit_code


def _report(result: Result, *, as_json: bool) -> None:
    for text in result.trouble:
        say(text)
    if as_json:
        click.echo(json.dumps(_summarise(result)))
        return
    click.echo(result.report.headline)
    for device in result.report.devices:
        click.echo(f"  {printable(device.step.path)}: {device.verdict}")
        for problem in device.problems:
            click.echo(f"    {printable(problem.reason)}")
        for line in render_ranges("not written by every pass", device.unwritten, "    "):
            click.echo(line)
    click.echo(
        f"certificate: {result.folder}/certificate.json" if result.has_certificate else "NO CERTIFICATE"
    )


def _summarise(result: Result) -> dict[str, object]:
    def summary(device: DeviceReport) -> dict[str, object]:
        return {
            "path": device.step.path,
            "verdict": device.verdict,
            "problems": [problem.reason for problem in device.problems],
            "unwritten_bytes": total_bytes(device.unwritten),
            "unwritten": to_json(device.unwritten),
        }

    return {
        "event": "Result",
        "version": 1,
        "run_id": result.report.run_id,
        "headline": result.report.headline,
        "devices": [summary(device) for device in result.report.devices],
        "folder": str(result.folder),
        "has_certificate": result.has_certificate,
        "exit_code": int(result.exit_code),
    }
