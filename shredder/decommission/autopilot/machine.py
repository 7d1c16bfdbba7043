"""The autopilot on the machine it runs on: the real consoles, network, volumes and power switch."""

import signal
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import NoReturn

from shredder.decommission.autopilot.consoles import Consoles, find_consoles
from shredder.decommission.autopilot.ending import SHELL, end_machine
from shredder.decommission.autopilot.flow import Autopilot
from shredder.decommission.autopilot.keys import AnyKey
from shredder.decommission.autopilot.network import Network, NetworkPlaces
from shredder.decommission.autopilot.network_settings import AUTOMATIC
from shredder.decommission.autopilot.pinned import fetch_pinned
from shredder.decommission.autopilot.shelf import Shelf
from shredder.decommission.autopilot.sources import Sources
from shredder.decommission.autopilot.ssh import SshPlaces, start_ssh
from shredder.decommission.autopilot.surroundings import Surroundings
from shredder.decommission.autopilot.targets import find_named, list_blocks
from shredder.decommission.autopilot.tools import ToolError
from shredder.decommission.delivery import destination
from shredder.decommission.delivery.retry import keep_trying
from shredder.decommission.delivery.settings import Delivery
from shredder.decommission.prepare import survey
from shredder.decommission.volumes import RAM_FOLDER, find_volumes, mounted

_PATIENCE_S = 10.0
_FETCH_PATIENCE_S = 300.0


def run_here(image: str) -> NoReturn:
    """Run the autopilot until the machine ends; it never returns.

    Args:
        image: which image this is, as it stands on the certificate.

    Raises:
        RefusedError: it is running already.
    """
    _set_signals()
    shelf = Shelf(RAM_FOLDER)
    consoles = Consoles(find_consoles(Path("/sys/class/tty/console/active")))
    autopilot = Autopilot(_surround(image, consoles), shelf)
    how = autopilot.run()
    while True:
        autopilot.say_end(how)
        try:
            end_machine(how)
        except (ToolError, OSError) as error:
            consoles.say(f"the machine could not be ended: {error}")
        how = autopilot.attend()


def _set_signals() -> None:
    # a console that hangs up must not stop a wipe
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # process 1 may ignore these, and then all that we start would: Ctrl-C would do nothing in a shell
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)


def _surround(image: str, consoles: Consoles) -> Surroundings:
    network = Network(NetworkPlaces(), consoles.say)
    return Surroundings(
        image=image,
        consoles=consoles,
        sources=Sources(
            command_line=Path("/proc/cmdline"),
            boot_folder=RAM_FOLDER / "boot",
            fetch=partial(_fetch, network, consoles),
            volumes=find_volumes,
            mount=partial(mounted, writable=False),
        ),
        network=network,
        start_ssh=partial(start_ssh, places=SshPlaces()),
        find_targets=_find_targets,
        list_blocks=partial(list_blocks, Path("/sys/class/block")),
        find_volumes=find_volumes,
        open_destination=partial(_open_destination, consoles),
        patience_s=_PATIENCE_S,
        shell=SHELL,
    )


def _find_targets(names: Sequence[str]) -> tuple[str, ...]:
    return find_named(survey(), names)


def _open_destination(
    consoles: Consoles, delivery: Delivery, run_id: str, wants_stop: Callable[[], bool]
) -> destination.Destination:
    around = destination.Surroundings(say=consoles.say, wants_stop=wants_stop)
    return destination.open_destination(delivery, run_id, around)


def _fetch(network: Network, consoles: Consoles, url: str, pin: bytes) -> str:
    """Fetch the configuration: it cannot say how to reach the network, so that is found out by itself."""
    network.bring_up(AUTOMATIC)
    texts: list[str] = []
    stop = AnyKey(consoles)
    keep_trying(
        lambda: texts.append(fetch_pinned(url, pin, stop)),
        what="fetching the configuration",
        deadline_s=_FETCH_PATIENCE_S,
        say=consoles.say,
        wants_stop=stop,
        monotonic=monotonic,
        sleep=sleep,
    )
    return texts[0]
