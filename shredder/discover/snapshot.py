"""The raw facts of a machine, as its sources gave them; JSON-able, so that tests can keep machines."""

from dataclasses import dataclass

from shredder.discover.recovery_image import ImageIdentity
from shredder.model import Fact, Unavailable


@dataclass(frozen=True, slots=True)
class RawBlock:
    """One node of /sys/class/block.

    `number` is "8:0", empty for a hidden node. `attributes` are sysfs files by their path under the node,
    `properties` what udev keeps. `table_uuid` was read from the device itself, where udev has no answer.
    """

    name: str
    number: str
    sys_path: str
    attributes: dict[str, str]
    initialised: bool
    properties: dict[str, str]
    slaves: tuple[str, ...]
    holders: tuple[str, ...]
    table_uuid: Fact


@dataclass(frozen=True, slots=True)
class RawMounts:
    """The mountinfo lines that one process sees: one for each mount namespace and root directory."""

    pid: int
    comm: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RawOpen:
    """A process that has the block device `number` open or mapped."""

    number: str
    pid: int
    comm: str


@dataclass(frozen=True, slots=True)
class RawLoop:
    """What lies behind a loop device. `number` is "8:1" when that is a block device, else empty."""

    name: str
    file: str
    number: str


@dataclass(frozen=True, slots=True)
class RawNvme:
    """An NVMe controller; `subsystem` is empty where the kernel knows none."""

    name: str
    transport: str
    subsystem: str


@dataclass(frozen=True, slots=True)
class RawHost:
    """`dmi` maps the names of /sys/class/dmi/id to their content, `image` is the recovery image that runs."""

    hostname: str
    kernel: str
    machine_id: Fact
    clock_source: Fact
    dmi: dict[str, Fact]
    image: ImageIdentity | None
    secure_boot: Fact


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A machine at one moment.

    Args:
        blocks: all block nodes, also hidden ones.
        witness: every node that blkinfo lists, as it gave it.
        contents: what the nodes hold that udev does not know, by kernel name.
        marks: the marks of recovery images on the nodes, by kernel name, or why a node could not be read;
            looked for only where a recovery image runs.
        mounts: the tool's own view first.
        unread_mounts: processes whose view of the mounts could not be read.
        swaps: lines of /proc/swaps without the heading.
        btrfs: kernel names of the devices of each mounted btrfs, by its UUID.
        unread_processes: processes whose open files could not be read.
        sees_all_processes: False in a PID namespace of its own.
        driverless: storage controllers and memory without a driver.
    """

    blocks: tuple[RawBlock, ...]
    witness: tuple[dict[str, str], ...] | Unavailable
    contents: Unavailable | dict[str, Fact]  # in this order: read as JSON, a reason looks like a table
    marks: dict[str, Fact]
    mounts: tuple[RawMounts, ...]
    unread_mounts: int
    swaps: tuple[str, ...]
    btrfs: dict[str, tuple[str, ...]]
    loops: tuple[RawLoop, ...]
    opens: tuple[RawOpen, ...]
    unread_processes: int
    sees_all_processes: bool
    nvme: tuple[RawNvme, ...]
    driverless: tuple[str, ...]
    zfs_loaded: bool
    udev_running: bool
    host: RawHost
