"""Values for tests: whole devices and machines from the few facts that a test is about."""

from dataclasses import replace
from typing import Any

from shredder.model import (
    Device,
    DeviceKind,
    Host,
    Identity,
    Machine,
    MediumKind,
    RefusalKind,
    Unavailable,
    VerifyKind,
)
from shredder.plan.planner import Request

NONE = Unavailable("not reported")
GIB = 1 << 30


def make_identity(**facts: Any) -> Identity:
    """A disk of 8 GiB that has no serial, WWN or anything else to know it by, but for what is given."""
    blank = Identity(
        serial=NONE,
        wwn=NONE,
        size_bytes=8 * GIB,
        start_bytes=0,
        logical_sector_bytes=512,
        by_path=NONE,
        partition_table_uuid=NONE,
        instance=NONE,
    )
    return replace(blank, **facts)


_DEVICE = Device(
    path="/dev/sda",
    kind=DeviceKind.DISK,
    identity=make_identity(serial="S-sda"),
    physical_sector_bytes=4096,
    vendor="ACME",
    model="Spinner 8",
    transport="sata",
    medium=MediumKind.ROTATING,
    read_only=False,
    removable=False,
    zoned=False,
    fabric=False,
    boot=False,
    boot_doubt=None,
    links=(),
    content=NONE,
    parent=None,
    partitions=(),
    uses=(),
    disagreements=(),
    writes_elsewhere=None,
)
_IN_IDENTITY = frozenset(Identity.__dataclass_fields__)


def make_device(path: str = "/dev/sda", **facts: Any) -> Device:
    """A healthy disk that nothing uses. Facts of its identity are given like the others.

    Without a serial given, it has one of its own, made from the path.
    """
    inside: dict[str, Any] = {"serial": f"S-{path.rpartition('/')[2]}"}
    inside |= {name: facts.pop(name) for name in _IN_IDENTITY & facts.keys()}
    every: dict[str, Any] = {"path": path, "identity": make_identity(**inside), **facts}
    return replace(_DEVICE, **every)


def make_partition(disk: Device, number: int, start_bytes: int, size_bytes: int, **facts: Any) -> Device:
    """A partition of `disk`; the disk must list its path in `partitions`."""
    identity = replace(disk.identity, start_bytes=start_bytes, size_bytes=size_bytes)
    partition = replace(
        disk,
        path=f"{disk.path}{number}",
        kind=DeviceKind.PARTITION,
        identity=identity,
        parent=disk.path,
        partitions=(),
        uses=(),
        boot=False,
        boot_doubt=None,
        content="ext4",
    )
    return replace(partition, **facts)


def make_host(**facts: Any) -> Host:
    """The machine's names."""
    names = ("server-1", "m" * 32, "ACME", "Box", "B-1", "0000-1111")
    host = Host(*names, "6.1.0-1-amd64", "tsc", image=Unavailable("not started from one"), secure_boot="off")
    return replace(host, **facts)


def make_machine(*devices: Device, **facts: Any) -> Machine:
    """A machine with these devices."""
    return replace(Machine(make_host(), devices, driverless=(), notes=()), **facts)


def make_request(method: str = "random", **facts: Any) -> Request:
    """One random pass, verified in full."""
    request = Request(method, None, VerifyKind.FULL, "", frozenset[RefusalKind]())
    return replace(request, **facts)
