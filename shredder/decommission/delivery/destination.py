"""Where the certificate goes: what every way out can do, and which one a configuration means."""

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Protocol

from shredder.decommission.delivery.fetch_folder import FETCH_FOLDER, FetchFolder
from shredder.decommission.delivery.https import HttpsDestination
from shredder.decommission.delivery.nowhere import NoDestination
from shredder.decommission.delivery.settings import (
    Delivery,
    HttpsDelivery,
    NoDelivery,
    SftpDelivery,
    SshDelivery,
)
from shredder.decommission.delivery.sftp import SftpDestination
from shredder.decommission.delivery.ssh import SshDestination
from shredder.decommission.delivery.stick import StickDestination
from shredder.decommission.volumes import RAM_FOLDER, Volume, find_volumes


class Destination(Protocol):
    """One place to deliver to. Both calls may be repeated: a file that is there already is replaced."""

    @property
    def name(self) -> str:
        """What people know it by, without secrets, e.g. "https to vault.example.org"."""

    def prove(self, start: Path) -> None:
        """Deliver the start entry, once, to show that the way is open.

        Args:
            start: the file `start.jsonl`.

        Raises:
            UndeliveredError: it did not arrive.
        """

    def deliver(self, files: Sequence[Path]) -> None:
        """Deliver all of these, in this order.

        Args:
            files: what `find_results` returned.

        Raises:
            UndeliveredError: one did not arrive.
        """


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the ways out need of the machine; the defaults are the recovery image's.

    `ram_folder` takes private keys while they are in use, `fetch_folder` is where `shredder fetch` looks.
    `say` tells the people at the machine one line, `wants_stop` ends a wait, `monotonic` and `sleep` count
    seconds.
    """

    say: Callable[[str], None]
    wants_stop: Callable[[], bool]
    hostname: str = field(default_factory=platform.node)
    ram_folder: Path = RAM_FOLDER
    fetch_folder: Path = FETCH_FOLDER
    find_volumes: Callable[[], tuple[Volume, ...]] = find_volumes
    monotonic: Callable[[], float] = monotonic
    sleep: Callable[[float], None] = sleep


def open_destination(delivery: Delivery, run_id: str, around: Surroundings) -> Destination:
    """Return the destination that the settings mean; nothing is opened or sent yet.

    Args:
        delivery: from `read_delivery`.
        run_id: names the run.
        around: what it needs of the machine.
    """
    if isinstance(delivery, HttpsDelivery):
        return HttpsDestination(
            delivery,
            run_id,
            hostname=around.hostname,
            ram_folder=around.ram_folder,
            wants_stop=around.wants_stop,
        )
    if isinstance(delivery, SftpDelivery):
        return SftpDestination(
            delivery,
            run_id,
            hostname=around.hostname,
            ram_folder=around.ram_folder,
            wants_stop=around.wants_stop,
        )
    if isinstance(delivery, SshDelivery):
        return SshDestination(
            FetchFolder(around.fetch_folder),
            run_id,
            start_timeout_s=delivery.start_timeout_s,
            say=around.say,
            wants_stop=around.wants_stop,
            monotonic=around.monotonic,
            sleep=around.sleep,
        )
    if isinstance(delivery, NoDelivery):
        return NoDestination(around.say)
    return StickDestination(run_id, find_volumes=around.find_volumes, ram_folder=around.ram_folder)
