"""The nouns: facts about a machine, the plan, and what a device did. All frozen, no behaviour but look-ups.

What happens during a run are the events of events.py.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from shredder import records


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A fact that could not be learned, and why; printed, never left blank."""

    unavailable: str

    def __str__(self) -> str:
        return f"unavailable: {self.unavailable}"


Fact: TypeAlias = str | Unavailable


class DeviceKind(StrEnum):
    """What the kernel says the node is."""

    DISK = "disk"
    PARTITION = "partition"
    LOOP = "loop"
    ZRAM = "zram"
    DM = "dm"
    MD = "md"
    OPTICAL = "optical"
    OTHER = "other"
    IMAGE = "image"


class MediumKind(StrEnum):
    """What the bits lie on, as far as the host can tell."""

    ROTATING = "rotating"
    SSD = "ssd"
    NVME = "nvme"
    VIRTUAL = "virtual"
    LOOP = "loop"
    ZRAM = "zram"
    OPTICAL = "optical"
    FILE = "file"
    UNKNOWN = "unknown"


class UseKind(StrEnum):
    """How something on the machine uses a device; UNSEEN: somebody may, it could not be looked at."""

    MOUNT = "mount"
    SWAP = "swap"
    HOLDER = "holder"
    LOOP = "loop"
    OPEN = "open"
    UNSEEN = "unseen"


class RefusalKind(StrEnum):
    """Why a device is not wiped; the word that `--allow` takes where it may be lifted."""

    MOUNT = "mount"
    SWAP = "swap"
    HOLDER = "holder"
    LOOP = "loop"
    OPEN = "open"
    UNSEEN = "unseen"
    MEMBER = "member"
    BOOT = "boot"
    OUTPUT = "output"
    READ_ONLY = "read-only"
    SIZE = "size"
    ZONED = "zoned"
    IDENTITY = "identity"
    CHANGED = "changed"
    WITNESS = "witness"
    OVERLAP = "overlap"
    KIND = "kind"
    COPIES = "copies"


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells one device from another.

    `serial` and `wwn` of a partition are those of its disk. `instance` tells one
    attachment from another within one boot: "diskseq 12", or "inode 254:0/99" for an image file.
    """

    serial: Fact
    wwn: Fact
    size_bytes: int
    start_bytes: int
    logical_sector_bytes: int
    by_path: Fact
    partition_table_uuid: Fact
    instance: Fact

    @property
    def is_unique(self) -> bool:
        """True when a serial or WWN is known."""
        return isinstance(self.serial, str) or isinstance(self.wwn, str)


@dataclass(frozen=True, slots=True)
class Use:
    """One thing that uses a device.

    `device` is the exact node, `by` says who, e.g. "/srv", "dm-0 (vg-root)" or "process 812 (smartd)".
    """

    kind: UseKind
    device: str
    by: str


@dataclass(frozen=True, slots=True)
class Device:
    """One block device, or an image file.

    `links` are its by-id and by-path names, `parent` is the whole disk of a partition,
    `partitions` are the nodes on a whole disk. `uses` are direct and stacked uses of this
    node and, for a whole disk, of its partitions. `content` is what it holds, e.g. "ext4".
    `boot_doubt` says why the node may be the boot medium without being known to be it.
    `disagreements` are facts on which the two witnesses differ. `writes_elsewhere` names the file
    system of an image that keeps the old content where it was and writes to another place.
    """

    path: str
    kind: DeviceKind
    identity: Identity
    physical_sector_bytes: int
    vendor: Fact
    model: Fact
    transport: Fact
    medium: MediumKind
    read_only: bool
    removable: bool
    zoned: bool
    fabric: bool
    boot: bool
    boot_doubt: str | None
    links: tuple[str, ...]
    content: Fact
    parent: str | None
    partitions: tuple[str, ...]
    uses: tuple[Use, ...]
    disagreements: tuple[str, ...]
    writes_elsewhere: str | None

    @property
    def is_free_slot(self) -> bool:
        """True for a loop or zram node with nothing behind it: a place for a device, not one."""
        return self.kind in (DeviceKind.LOOP, DeviceKind.ZRAM) and self.identity.size_bytes == 0


@dataclass(frozen=True, slots=True)
class Host:
    """The machine, as the certificate names it.

    `image` is the recovery image that it was started from, "shredder image VERSION sha256:DIGEST",
    `secure_boot` is "on" or "off".
    """

    hostname: str
    machine_id: Fact
    vendor: Fact
    product: Fact
    serial: Fact
    product_uuid: Fact
    kernel: str
    clock_source: Fact
    image: Fact
    secure_boot: Fact


@dataclass(frozen=True, slots=True)
class Machine:
    """What discovery found.

    `driverless` names storage whose driver is missing, e.g. "8086:2822 at 0000:00:17.0";
    `notes` say which sources were not there, e.g. "udev: not running".
    """

    host: Host
    devices: tuple[Device, ...]
    driverless: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one device is not wiped; `device` is the node the reason stands on."""

    kind: RefusalKind
    device: str
    detail: str

    def __str__(self) -> str:
        return self.detail


class PassKind(StrEnum):
    """What a pass writes."""

    RANDOM = "random"
    PATTERN = "pattern"


@dataclass(frozen=True, slots=True)
class Pass:
    """One overwrite of the whole device.

    `pattern_hex` is repeated from byte 0 of the device on; it is empty for random.
    """

    kind: PassKind
    pattern_hex: str

    def __str__(self) -> str:
        return "random" if self.kind is PassKind.RANDOM else self.pattern_hex.upper()


class VerifyKind(StrEnum):
    """How much is read back after the last pass."""

    FULL = "full"
    SAMPLED = "sampled"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Step:
    """One target and what is done to it. `aliases` are other paths to the same medium (multipath)."""

    path: str
    aliases: tuple[str, ...]
    kind: DeviceKind
    medium: MediumKind
    vendor: Fact
    model: Fact
    identity: Identity
    passes: tuple[Pass, ...]
    allowed: tuple[Refusal, ...]


class LeftOutWhy(StrEnum):
    """Why a discovered device is not a target; APPEARED: all disks were planned before it was there."""

    EXCEPTED = "excepted"
    REFUSED = "refused"
    NOT_NAMED = "not named"
    APPEARED = "appeared"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A device that the plan does not touch."""

    path: str
    why: LeftOutWhy
    model: Fact
    serial: Fact
    size_bytes: int
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done, and nothing else.

    `nonce_hex` is the auditor's contribution to the seed of sampled verification, empty when
    there is none.
    """

    version: int
    host: Host
    all_disks: bool
    method: str
    verify: VerifyKind
    nonce_hex: str
    allow: tuple[RefusalKind, ...]
    steps: tuple[Step, ...]
    left_out: tuple[LeftOut, ...]
    driverless: tuple[str, ...]

    @property
    def decided(self) -> "Plan":
        """The plan without the devices that nobody decided about: they may come and go and change nothing."""
        undecided = (LeftOutWhy.NOT_NAMED, LeftOutWhy.APPEARED)
        kept = tuple(item for item in self.left_out if item.why not in undecided)
        return replace(self, left_out=kept)

    @property
    def digest(self) -> str:
        """What the plan is confirmed by: the SHA-256 of what was decided, in lower-case hex."""
        return records.digest(self.decided)


@dataclass(frozen=True, slots=True)
class Person:
    """Who answers for sanitization, verification or validation (NIST SP 800-88 Rev. 2, 4.6)."""

    name: Fact
    title: Fact
    location: Fact
    contact: Fact


@dataclass(frozen=True, slots=True)
class Profile:
    """What only people know, for the certificate. `property_numbers` maps a serial or path to a number."""

    organisation: Fact
    sanitized_by: Person
    verified_by: Person
    validated_by: Person
    media_source: Fact
    confidentiality: Fact
    destination: Fact
    property_numbers: dict[str, str]
