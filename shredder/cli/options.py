"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from shredder.errors import UsageError
from shredder.model import RefusalKind, VerifyKind
from shredder.plan.methods import METHODS
from shredder.plan.planner import Request
from shredder.plan.safety import LIFTABLE

Command = TypeVar("Command", bound=Callable[..., Any])

_MAKE_PLAN = (
    click.option("--image", is_flag=True, help="Take regular files as disk images."),
    click.option("--all", "all_disks", is_flag=True, help="Take every disk with a medium."),
    click.option(
        "--method",
        type=click.Choice(list(METHODS)),
        metavar="NAME",
        default="random",
        show_default=True,
        help="What to write; `shredder methods` lists the names.",
    ),
    click.option("--passes", type=int, help="Passes of the method random, 1 or more.  [default: 1]"),
    click.option(
        "--verify",
        type=click.Choice([kind.value for kind in VerifyKind]),
        default=str(VerifyKind.FULL),
        show_default=True,
        help="How much to read back after the last pass.",
    ),
    click.option(
        "--nonce", default="", metavar="HEX", help="An auditor's number, mixed into the sampling seed."
    ),
    click.option(
        "--allow",
        multiple=True,
        type=click.Choice(sorted(kind.value for kind in LIFTABLE)),
        metavar="KIND",
        help=f"Lift one kind of refusal, recorded; may be repeated: {', '.join(sorted(LIFTABLE))}.",
    ),
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def plan_options(command: Command) -> Command:
    """Add the options that decide what is done."""
    for option in reversed(_MAKE_PLAN):
        command = option(command)
    return command


def make_request(method: str, passes: int | None, verify: str, nonce: str, allow: tuple[str, ...]) -> Request:
    """Return what the options ask for.

    Raises:
        UsageError: the nonce is not hex.
    """
    try:
        nonce_hex = bytes.fromhex(nonce).hex()
    except ValueError:
        raise UsageError(f"--nonce takes hex digits, not {nonce}") from None
    return Request(
        method, passes, VerifyKind(verify), nonce_hex, frozenset(RefusalKind(kind) for kind in allow)
    )


def check_targets(targets: tuple[str, ...], *, all_disks: bool, image: bool) -> None:
    """Make sure that either targets or --all were given.

    Raises:
        UsageError: neither, or both.
    """
    if all_disks and (targets or image):
        raise UsageError("--all takes no targets and no --image")
    if not all_disks and not targets:
        raise UsageError(
            "no target was named",
            hint="name devices, or files with --image; `shredder devices` lists what is here",
        )


def path_option(*names: str, help_text: str, required: bool = False) -> Callable[[Command], Command]:
    """Return an option that takes a file name."""
    return click.option(*names, type=click.Path(path_type=Path), help=help_text, required=required)
