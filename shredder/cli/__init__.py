"""The shell: commands, and the one place that turns errors into messages and exit codes."""

import os
import sys
from importlib import import_module
from typing import NoReturn

import click

from shredder import __version__
from shredder.errors import ExitCode, ShredderError
from shredder.units import printable

_COMMANDS = {
    "devices": "shredder.cli.devices",
    "methods": "shredder.cli.methods",
    "plan": "shredder.cli.plan",
    "wipe": "shredder.cli.wipe",
    "audit": "shredder.cli.audit",
    "certificate": "shredder.cli.certificate",
    "key": "shredder.cli.key",
    "logs": "shredder.cli.logs",
    "schedule": "shredder.cli.schedule",
    "autopilot": "shredder.cli.autopilot",
    "fetch": "shredder.cli.fetch",
    "image": "shredder.cli.image",
}


class _LazyGroup(click.Group):
    """Loads a command's module when it is asked for: `--version` must not wait for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(_COMMANDS[cmd_name]).command
        return command


@click.group(
    cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="shredder", message="%(prog)s %(version)s")
def shell() -> None:
    """Overwrite disks and logs, verify what was written, and sign a certificate of it."""


def say(message: str, hint: str | None = None) -> None:
    """Tell the user something on stderr, with the hint on its own line."""
    click.echo(f"shredder: {printable(message)}", err=True)
    if hint:
        click.echo(f"shredder: hint: {printable(hint)}", err=True)


def main() -> NoReturn:
    """Run the command line and exit with a code of the README's table."""
    _open_standard_files()
    code = _run()
    try:
        sys.stdout.flush()
    except OSError:
        _forget_output()
    sys.exit(code)


def _open_standard_files() -> None:
    """Put /dev/null where the caller closed stdin, stdout or stderr: the evidence must not get its number."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
            setattr(sys, name, os.fdopen(number, mode))


def _forget_output() -> None:
    """Whoever read our output has gone; keep the interpreter from complaining at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run() -> int:
    try:
        outcome = shell.main(prog_name="shredder", standalone_mode=False)
        code = outcome if isinstance(outcome, int) else ExitCode.DONE
    except ShredderError as error:
        say(error.message, error.hint)
        code = error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        code = ExitCode.USAGE
    except click.ClickException as error:
        say(_lower_first(error.format_message()), _usage_hint(error))
        code = ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        say("interrupted")
        code = ExitCode.INTERRUPTED
    except BrokenPipeError:
        _forget_output()
        code = ExitCode.UNEXPECTED
    except Exception as error:
        say(f"unexpected error: {type(error).__name__}: {error}", "please report it with the command you ran")
        code = ExitCode.UNEXPECTED
    return int(code)


def _lower_first(message: str) -> str:
    return (message[:1].lower() + message[1:]).rstrip(".")


def _usage_hint(error: click.ClickException) -> str | None:
    context = getattr(error, "ctx", None)
    return f"`{context.command_path} --help` shows how it is used" if context is not None else None
