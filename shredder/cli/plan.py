"""`shredder plan`, and how a plan is shown."""

from collections.abc import Sequence
from pathlib import Path

import click

from shredder.cli import say
from shredder.cli.options import check_targets, json_option, make_request, path_option, plan_options
from shredder.cli.tables import render_table
from shredder.decommission.prepare import make_plan
from shredder.errors import ExitCode, UsageError
from shredder.model import LeftOut, LeftOutWhy, Plan, Step
from shredder.plan.documents import write_plan
from shredder.plan.estimate import estimate_s
from shredder.plan.planner import incomplete_before_start
from shredder.units import binary_size, decimal_size, duration, printable


@click.command("plan")
@click.argument("targets", nargs=-1)
@plan_options
@path_option("-o", "--output", help_text="Write the plan to this file.")
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
    output: Path | None,
    as_json: bool,
) -> int:
    """Decide what would be done to TARGETS; nothing is written to them.

    A target is a block device, or with --image a regular file. The plan's digest is what `shredder wipe
    --confirm` asks for.
    """
    check_targets(targets, all_disks=all_disks, image=image)
    request = make_request(method, passes, verify, nonce, allow)
    planned = make_plan(targets, request, image=image, all_disks=all_disks, output=Path.cwd())
    plan = planned.plan
    document = write_plan(plan)
    if output is not None:
        _write(output, document)
    click.echo(document.rstrip("\n") if as_json else describe_plan(plan))
    say_left_out(plan, planned.refused)
    return ExitCode.INCOMPLETE if incomplete_before_start(plan) else ExitCode.DONE


def say_left_out(plan: Plan, refused: Sequence[str]) -> None:
    """Tell on stderr what was asked for and will not be done."""
    for reason in refused:
        say(f"refused: {reason}")
    if plan.all_disks:
        for name in plan.driverless:
            say(f"storage controller without a driver, its disks cannot be seen: {name}")


def _write(path: Path, document: str) -> None:
    try:
        # never over something: it might be an image, or a device
        with path.open("x", encoding="utf-8") as file:
            file.write(document)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None


def describe_plan(plan: Plan) -> str:
    """Return the plan as people read it."""
    lines = [
        f"method        {plan.method}, verification {plan.verify}",
        f"passes        {_describe_passes(plan)}",
        "",
        render_table(
            ("TARGET", "SIZE", "MEDIUM", "MODEL", "SERIAL OR WHAT IDENTIFIES IT", "TIME (ASSUMED)"),
            [_row(step, plan) for step in plan.steps],
        ),
    ]
    lines += [
        f"lifted        {item.kind}: {printable(item.detail)}" for step in plan.steps for item in step.allowed
    ]
    lines += [
        f"also reached  {step.path} by {', '.join(step.aliases)}" for step in plan.steps if step.aliases
    ]
    apart = [f"  {left.path}  {printable(_why(left))}" for left in plan.left_out]
    lines += ["", "not touched", *apart] if apart else []
    return "\n".join([*lines, "", f"digest        {plan.digest}"])


def _why(left: LeftOut) -> str:
    return str(left.why) if left.why is LeftOutWhy.NOT_NAMED else f"{left.why}: {left.reason}"


def _describe_passes(plan: Plan) -> str:
    passes = [str(item) for item in plan.steps[0].passes]
    return f"{len(passes)}: {', '.join(passes)}"


def _row(step: Step, plan: Plan) -> tuple[str, ...]:
    size_bytes = step.identity.size_bytes
    return (
        step.path,
        f"{binary_size(size_bytes)} ({decimal_size(size_bytes)})",
        str(step.medium),
        step.model if isinstance(step.model, str) else "unavailable",
        describe_identity(step),
        duration(estimate_s(step, plan.verify)),
    )


def describe_identity(step: Step) -> str:
    """Return the serial or WWN, or else what stands in for them."""
    identity = step.identity
    for fact in (identity.serial, identity.wwn):
        if isinstance(fact, str):
            return fact
    others = (identity.instance, identity.partition_table_uuid, identity.by_path)
    return next((fact for fact in others if isinstance(fact, str)), "nothing")
