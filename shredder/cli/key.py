"""`shredder key new`."""

import os
import sys
from pathlib import Path

import click

from shredder.certify.keys import key_id, new_key, private_pem, public_pem
from shredder.errors import UsageError


@click.group("key")
def command() -> None:
    """Keys that sign certificates."""


@command.command("new")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--no-passphrase", is_flag=True, help="Leave the private key unencrypted.")
def new(file: Path, no_passphrase: bool) -> None:
    """Make an ECDSA P-256 key: the private half in FILE, the public one in FILE.pub.pem."""
    passphrase = None if no_passphrase else _ask_passphrase()
    key = new_key()
    public_file = file.with_name(file.name + ".pub.pem")
    _write(file, private_pem(key, passphrase), 0o600)
    _write(public_file, public_pem(key.public_key()), 0o644)
    click.echo(f"private key: {file}\npublic key:  {public_file}\nkey id:      {key_id(key.public_key())}")


def _ask_passphrase() -> bytes:
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to type a passphrase on", hint="--no-passphrase leaves it out")
    typed: str = click.prompt("passphrase", hide_input=True, confirmation_prompt=True, err=True)
    return typed.encode()


def _write(path: Path, content: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        raise UsageError(f"cannot create {path}: {error.strerror}") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
