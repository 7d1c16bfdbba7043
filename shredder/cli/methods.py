"""`shredder methods`."""

import json

import click

from shredder.cli.options import json_option
from shredder.cli.tables import render_table
from shredder.plan.methods import METHODS, Method
from shredder.records import to_json


@click.command("methods")
@json_option
def command(as_json: bool) -> None:
    """List the named methods and their passes."""
    methods = list(METHODS.values())
    if as_json:
        click.echo(json.dumps({"version": 1, "methods": to_json(methods)}, indent=2))
        return
    rows = [_row(item) for item in methods]
    click.echo(render_table(("METHOD", "WHAT IT IS", "VERIFICATION", "WHAT IT WRITES"), rows))
    click.echo("\nc, c2, c3: bytes drawn for each plan; ~: their complement; a plan shows its actual passes")


def _row(method: Method) -> tuple[str, ...]:
    required = "required" if method.verification_required else "by default"
    return method.name, method.title, required, _describe_recipe(method)


def _describe_recipe(method: Method) -> str:
    if method.takes_count:
        return f"{method.recipe[0]}, as often as --passes says"
    if method.shuffled:
        return "4 random, 27 fixed in an order drawn for the plan, 4 random"
    return ", ".join(method.recipe)
