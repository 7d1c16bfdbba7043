"""`shredder certificate verify|show`."""

import json
from collections.abc import Iterator
from pathlib import Path

import click

from shredder.certify.kinds import Report
from shredder.certify.render import render_text
from shredder.certify.reports import RunReport
from shredder.cli.checking import read_certificate, trust_option
from shredder.cli.options import json_option
from shredder.units import printable


@click.group("certificate")
def command() -> None:
    """Check a certificate, or read it."""


_FILE = click.argument("file", type=click.Path(path_type=Path))


@command.command("verify")
@_FILE
@trust_option
@click.option("--integrity-only", is_flag=True, help="Check without a trusted key: the signer stays open.")
@json_option
def verify(file: Path, trust: Path | None, integrity_only: bool, as_json: bool) -> int:
    """Check signature, evidence and outcome of a certificate.

    The evidence file must lie beside it. The exit code is 0 only for a genuine certificate of a
    complete run, signed by the trusted key.
    """
    checked = read_certificate(file, trust, integrity_only=integrity_only)
    report = checked.report
    if as_json:
        found = {
            "version": 1,
            "genuine": True,
            "trusted": checked.trusted,
            "key_id": checked.key_id,
            "headline": report.headline,
            "outcome": report.outcome,
            "exit_code": int(report.exit_code),
            "notes": list(checked.notes),
        }
        click.echo(json.dumps(found, indent=2))
        return report.exit_code
    click.echo(printable(report.headline))
    for line in _list_verdicts(report):
        click.echo(f"  {printable(line)}")
    click.echo("the certificate is intact and agrees with its evidence")
    click.echo(f"signed by key {checked.key_id}" + (", which you trust" if checked.trusted else ""))
    for note in checked.notes:
        click.echo(note)
    return report.exit_code


def _list_verdicts(report: Report) -> Iterator[str]:
    """What each target came to; of logs, what was not done as promised."""
    if isinstance(report, RunReport):
        yield from (f"{device.step.path}: {device.verdict}" for device in report.devices)
        return
    for rule in report.rules:
        yield from (f"{rule.name}: {problem.reason}" for problem in rule.problems)
        for file in rule.files:
            yield from (f"{file.path}: {file.verdict}, {problem.reason}" for problem in file.problems)


@command.command("show")
@_FILE
@trust_option
def show(file: Path, trust: Path | None) -> int:
    """Print a certificate for a person, after checking that it is intact.

    Without --trust it is checked against the public key beside it, and the signer stays open. The exit
    code is that of the run it speaks of.
    """
    checked = read_certificate(file, trust, integrity_only=trust is None)
    signer = "trusted" if checked.trusted else "; ".join(checked.notes)
    text = render_text(
        checked.statement,
        key_id=checked.key_id,
        signer=signer,
        is_ed25519=checked.is_ed25519,
        certificate_name=file.name,
    )
    click.echo(text, nl=False)
    return checked.report.exit_code
