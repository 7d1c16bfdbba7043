"""Runs the autopilot as the image does, but on pseudo-terminals, and on devices that a test made.

Started as a process of its own, with a JSON file that says where everything is; prints how it was to end.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from shredder.decommission.autopilot.consoles import Consoles
from shredder.decommission.autopilot.flow import Autopilot
from shredder.decommission.autopilot.network import Network, NetworkPlaces
from shredder.decommission.autopilot.shelf import Shelf
from shredder.decommission.autopilot.sources import Sources
from shredder.decommission.autopilot.ssh import SshPlaces, start_ssh
from shredder.decommission.autopilot.surroundings import Surroundings
from shredder.decommission.autopilot.targets import list_blocks
from shredder.decommission.delivery import destination
from shredder.decommission.delivery.settings import Delivery
from shredder.decommission.volumes import Volume
from shredder.errors import UsageError


def main(settings: dict[str, Any]) -> None:
    """Run until the machine would end."""
    folder = Path(settings["folder"])
    consoles = Consoles(map(Path, settings["consoles"]))
    around = Surroundings(
        image="shredder image test",
        consoles=consoles,
        sources=_sources(folder, settings),
        network=Network(
            NetworkPlaces(folder / "interfaces", folder / "resolv.conf", folder / "net"), consoles.say
        ),
        start_ssh=partial(
            start_ssh, places=SshPlaces(folder / "ssh", folder / "authorized_keys", settings["ssh_port"])
        ),
        find_targets=partial(_find_targets, settings["targets"]),
        list_blocks=partial(list_blocks, Path("/sys/class/block")),
        find_volumes=partial(_volumes, settings),
        open_destination=partial(_open_destination, folder, consoles, settings),
        patience_s=settings["patience_s"],
        shell=["sh", "-c", "echo this is a shell; read word; echo it read $word"],
    )
    autopilot = Autopilot(around, Shelf(folder))
    how = autopilot.run()
    autopilot.say_end(how)
    print(how)


def _sources(folder: Path, settings: dict[str, Any]) -> Sources:
    def fetch(url: str, pin: bytes) -> str:
        raise UsageError(f"{url} is not fetched here, nor {pin.hex()}")

    @contextmanager
    def mount(volume: Volume) -> Iterator[Path]:
        yield Path(settings["volumes"][volume.path])

    return Sources(folder / "cmdline", folder / "boot", fetch, partial(_volumes, settings), mount)


def _volumes(settings: dict[str, Any]) -> tuple[Volume, ...]:
    return tuple(Volume(path, path, "ext4", removable=True, read_only=False) for path in settings["volumes"])


def _find_targets(known: dict[str, str], names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if name not in known:
            raise UsageError(f"no device here is {name}")
    return tuple(known[name] for name in names)


def _open_destination(  # noqa: PLR0917 - the first three are bound
    folder: Path,
    consoles: Consoles,
    settings: dict[str, Any],
    delivery: Delivery,
    run_id: str,
    wants_stop: Callable[[], bool],
) -> destination.Destination:
    around = destination.Surroundings(
        say=consoles.say,
        wants_stop=wants_stop,
        ram_folder=folder / "ram",
        fetch_folder=folder / "fetch",
        find_volumes=partial(_volumes, settings),
    )
    return destination.open_destination(delivery, run_id, around)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
