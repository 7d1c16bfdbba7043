"""Machines as JSON: `NAME.json` is a Snapshot. `here` was recorded, the others are written by hand."""

from pathlib import Path

from shredder.discover import Snapshot, describe
from shredder.model import Device, Machine
from shredder.records import from_json, parse


def load(name: str) -> Snapshot:
    """Return a recorded machine as discovery saw it."""
    path = Path(__file__).with_name(f"{name}.json")
    return from_json(Snapshot, parse(path.read_bytes(), path.name), path.name)


def described(name: str) -> Machine:
    """Return a recorded machine in the nouns of the model."""
    return describe(load(name))


def device(machine: Machine, path: str) -> Device:
    """Return the device with exactly this path."""
    (found,) = (item for item in machine.devices if item.path == path)
    return found
