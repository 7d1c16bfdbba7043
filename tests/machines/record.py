"""Prints the present machine as JSON: `python -m tests.machines.record > tests/machines/NAME.json`, as root.

What names people or their machines is taken out; look the rest over before it is committed
(serial numbers, models and mount points stay: tests are about them).
"""

import json
import sys
from dataclasses import replace

from shredder.discover import Snapshot, take_snapshot
from shredder.discover.mounts import parse_mounts
from shredder.discover.snapshot import RawMounts
from shredder.model import Fact, Unavailable
from shredder.records import to_json


def without_names(snapshot: Snapshot) -> Snapshot:
    """Take out host name, machine and product ids, and mounts that stand on no device."""
    secret: Fact = Unavailable("taken out of the recording")
    dmi = {key: secret if key in ("product_serial", "product_uuid") else fact for key, fact in _dmi(snapshot)}
    host = replace(snapshot.host, hostname="recorded", machine_id="0" * 32, dmi=dmi)
    return replace(snapshot, host=host, mounts=tuple(map(_on_devices, snapshot.mounts)))


def _dmi(snapshot: Snapshot) -> list[tuple[str, Fact]]:
    return list(snapshot.host.dmi.items())


def _on_devices(view: RawMounts) -> RawMounts:
    def stands_on_device(line: str) -> bool:
        mounts = parse_mounts(replace(view, lines=(line,)))
        return any(mount.sources or not mount.number.startswith("0:") for mount in mounts)

    return replace(view, lines=tuple(filter(stands_on_device, view.lines)))


if __name__ == "__main__":
    json.dump(to_json(without_names(take_snapshot(frozenset()))), sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")
