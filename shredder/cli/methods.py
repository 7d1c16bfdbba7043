"""`shredder methods`."""

import click

from shredder.cli.options import json_option
from shredder.cli.tables import render_table
from shredder.plan.methods import METHODS
from shredder.records import to_json


@click.command("methods")
@json_option
def command(as_json: bool) -> None:
    """List the named methods and their passes."""
    methods = list(METHODS.values())
    if as_json:
        import json

        click.echo(json.dumps({"version": 1, "methods": to_json(methods)}, indent=2))
        return
    rows = [(item.name, item.title, item.passes_text, item.verify_text) for item in methods]
    click.echo(render_table(("METHOD", "WHAT IT IS", "PASSES", "VERIFY"), rows))
