"""`shredder audit`."""

import json
from pathlib import Path

import click

from shredder.certify.reports import RunReport
from shredder.certify.stream_keys import read_stream_keys
from shredder.cli import say
from shredder.cli.checking import read_certificate, trust_option
from shredder.cli.files import read_bytes
from shredder.cli.options import json_option, path_option
from shredder.cli.progress import choose_monitor
from shredder.cli.tables import render_ranges
from shredder.decommission.audit import Audit, audit_medium
from shredder.decommission.interrupts import stop_on_signals
from shredder.decommission.prepare import find_targets, require_root, survey
from shredder.errors import ExitCode, UsageError
from shredder.records import to_json
from shredder.units import binary_size, printable


@click.command("audit")
@click.argument("device")
@path_option("--certificate", help_text="The certificate; its evidence lies beside it.", required=True)
@path_option("--stream-keys", help_text="The run's stream-keys.json.", required=True)
@click.option(
    "--sample",
    type=click.IntRange(1, 1_000_000),
    help="Read this many independent 4 KiB samples.  [default: everything]",
)
@click.option("--image", is_flag=True, help="DEVICE is a regular file.")
@trust_option
@json_option
def command(
    device: str,
    certificate: Path,
    stream_keys: Path,
    sample: int | None,
    image: bool,
    trust: Path | None,
    as_json: bool,
) -> int:
    """Read DEVICE back and compare it with what its certificate says the last pass left there.

    Nothing is written.
    """
    checked = read_certificate(certificate, trust, integrity_only=trust is None)
    report = checked.report
    if not isinstance(report, RunReport):
        raise UsageError(f"{certificate} is about logs", hint="an audit reads a disk or an image again")
    if not image:
        require_root()
    (medium,) = find_targets(survey(), (device,), image=image)
    keys = read_stream_keys(read_bytes(stream_keys), str(stream_keys))
    with stop_on_signals() as stop:
        monitor = choose_monitor([entry.step for entry in report.devices], as_json=as_json)
        result = audit_medium(medium, report, keys, samples=sample, monitor=monitor, stop=stop)
    _report(result, checked.notes, as_json=as_json)
    return result.exit_code


def _report(result: Audit, notes: tuple[str, ...], *, as_json: bool) -> None:
    found = result.found
    if as_json:
        summary = {
            "event": "Result",
            "version": 1,
            **to_json(found),
            "left_out": to_json(result.left_out),
            "notes": list(notes),
            "exit_code": int(result.exit_code),
        }
        click.echo(json.dumps(summary))
        return
    path = printable(result.device.step.path)
    click.echo(
        f"{path}: {binary_size(found.checked_bytes)} of {binary_size(result.asked_bytes)} read and compared"
    )
    for what, ranges in (
        ("DIFFERS", found.mismatches),
        ("UNREADABLE", found.unreadable),
        ("not written, says the certificate", result.left_out),
    ):
        for line in render_ranges(what, ranges, "  "):
            click.echo(line)
    if result.exit_code is ExitCode.DONE:
        click.echo("  every byte compared is what the certificate's last pass left there")
    for note in notes:
        say(note)
