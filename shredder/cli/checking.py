"""Reading a certificate with what lies beside it; shared by `certificate` and `audit`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from shredder.certify.keys import PublicKey, load_public_key
from shredder.certify.trust import Checked, check_certificate, find_evidence_name
from shredder.cli.files import read_bytes
from shredder.cli.options import path_option
from shredder.decommission.run_folder import PUBLIC_KEY

Command = TypeVar("Command", bound=Callable[..., Any])


def trust_options(command: Command) -> Command:
    """Add the two ways to say how far the signer is trusted."""
    for option in (
        click.option(
            "--integrity-only", is_flag=True, help="Check without a trusted key: the signer stays open."
        ),
        path_option("--trust", help_text="Public key (PEM) of the signer that you trust."),
    ):
        command = option(command)
    return command


def read_certificate(path: Path, trust: Path | None, *, integrity_only: bool) -> Checked:
    """Check the certificate at `path` against the evidence beside it.

    Raises:
        UsageError: a file cannot be read.
        CertificateError: it does not hold.
    """
    envelope = read_bytes(path)
    evidence = path.parent / find_evidence_name(envelope)
    return check_certificate(
        envelope,
        read_bytes(evidence) if evidence.is_file() else None,
        load_public_key(read_bytes(trust)) if trust else None,
        integrity_only=integrity_only,
        found_key=_find_key(path) if integrity_only and trust is None else None,
    )


def _find_key(certificate: Path) -> PublicKey | None:
    beside = certificate.parent / PUBLIC_KEY
    return load_public_key(read_bytes(beside)) if beside.is_file() else None
