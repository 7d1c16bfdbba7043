"""`shredder devices`."""

import json

import click

from shredder.cli.options import json_option
from shredder.cli.tables import render_table
from shredder.decommission.prepare import survey
from shredder.model import Device, Fact, Machine
from shredder.plan.safety import check
from shredder.records import to_json
from shredder.units import binary_size, decimal_size

_HEADS = ("DEVICE", "SIZE", "SECTOR", "MEDIUM", "MODEL", "SERIAL", "HOLDS", "IN USE BY", "VERDICT")


@click.command("devices")
@json_option
def command(as_json: bool) -> None:
    """List what is here, who uses it, and whether it may be wiped."""
    machine = survey()
    if as_json:
        click.echo(json.dumps(_to_document(machine), indent=2))
        return
    shown = [device for device in machine.devices if not device.is_free_slot]
    click.echo(render_table(_HEADS, [_row(device, machine) for device in shown]))
    notes = (*machine.notes, *(f"storage controller without a driver: {name}" for name in machine.driverless))
    for note in notes:
        click.echo(f"note: {note}")


def _to_document(machine: Machine) -> dict[str, object]:
    devices = [{**to_json(device), "refusals": to_json(check(device, machine))} for device in machine.devices]
    return {"version": 1, **to_json(machine), "devices": devices}


def _row(device: Device, machine: Machine) -> tuple[str, ...]:
    refusals = check(device, machine)
    size_bytes = device.identity.size_bytes
    indent = "  " if device.parent else ""
    return (
        indent + device.path,
        f"{binary_size(size_bytes)} ({decimal_size(size_bytes)})",
        f"{device.identity.logical_sector_bytes}/{device.physical_sector_bytes}",
        _describe_medium(device),
        _short(device.model),
        _short(device.identity.serial),
        _short(device.content),
        ", ".join(dict.fromkeys(use.by for use in device.uses)) or "nothing",
        "may be wiped"
        if not refusals
        else "refused: " + ", ".join(dict.fromkeys(item.kind for item in refusals)),
    )


def _describe_medium(device: Device) -> str:
    marks = [
        name
        for name, is_so in (
            ("read-only", device.read_only),
            ("removable", device.removable),
            ("zoned", device.zoned),
        )
        if is_so
    ]
    return ", ".join((str(device.medium), *marks))


def _short(fact: Fact) -> str:
    """A table has no room for reasons; `--json` gives them."""
    return fact if isinstance(fact, str) else "unavailable"
