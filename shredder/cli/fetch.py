"""`shredder fetch`: what the operator calls over SSH to take the certificate out of the recovery image."""

import sys
from pathlib import Path

import click

from shredder.decommission.delivery.fetch_folder import FETCH_FOLDER, FetchFolder
from shredder.errors import UsageError


@click.group("fetch")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=FETCH_FOLDER,
    show_default=True,
    help="Where the recovery image offers its files.",
)
@click.pass_context
def command(context: click.Context, folder: Path) -> None:
    """Fetch a run's files from the recovery image, over SSH."""
    context.obj = FetchFolder(folder)


@command.command("start")
@click.pass_obj
def start(folder: FetchFolder) -> None:
    """Print the start entry. Fetching it is what starts the wipe."""
    folder.hand_over_start(sys.stdout.buffer)


@command.command("results")
@click.pass_obj
def results(folder: FetchFolder) -> None:
    """Write certificate, evidence and the rest to standard output, as a tar archive."""
    if sys.stdout.isatty():
        raise UsageError(
            "that is a terminal", hint="ssh root@HOST shredder fetch results > results.tar keeps the archive"
        )
    folder.hand_over_results(sys.stdout.buffer)


@command.command("received")
@click.argument("digest")
@click.pass_obj
def received(folder: FetchFolder, digest: str) -> None:
    """Say that the files arrived: DIGEST is the SHA-256 of certificate.json."""
    click.echo(f"thank you: {folder.acknowledge(digest)} is the same here and there")


@command.command("status")
@click.pass_obj
def status(folder: FetchFolder) -> None:
    """Print how far it has come, and what to do next."""
    for line in folder.describe():
        click.echo(line)
