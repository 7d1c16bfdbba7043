"""What the autopilot reaches the machine by, in one place; in the image all of it is the real thing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic, sleep

from shredder.decommission.autopilot.consoles import Consoles
from shredder.decommission.autopilot.network import Network
from shredder.decommission.autopilot.sources import Sources
from shredder.decommission.autopilot.ssh import SshServer
from shredder.decommission.delivery.destination import Destination
from shredder.decommission.delivery.settings import Delivery
from shredder.decommission.volumes import Volume

OpenDestination = Callable[[Delivery, str, Callable[[], bool]], Destination]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The machine, as the autopilot sees it.

    `image` says which image this is. `find_targets` gives the paths of the devices that a configuration's
    names mean, `list_blocks` the block nodes that are there. `open_destination` takes the settings, the run's
    id and what ends a wait. `patience_s` is how long devices and volumes may take to appear after the start.
    `shell` is run when somebody wants a shell.
    """

    image: str
    consoles: Consoles
    sources: Sources
    network: Network
    start_ssh: Callable[[Sequence[str]], SshServer]
    find_targets: Callable[[Sequence[str]], tuple[str, ...]]
    list_blocks: Callable[[], frozenset[tuple[str, str]]]
    find_volumes: Callable[[], tuple[Volume, ...]]
    open_destination: OpenDestination
    patience_s: float
    shell: list[str]
    monotonic: Callable[[], float] = monotonic
    sleep: Callable[[float], None] = sleep
