"""What else may hold what the logs held, and is not shredded with them: pointed out, never touched."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from shredder.discover.mounts import covering, parse_mounts, swap_path
from shredder.discover.snapshot import RawMounts
from shredder.discover.sysfs import list_names, read_text


class ResidueKind(StrEnum):
    """What kind of place it is."""

    CORE_DUMPS = "core dumps"
    LOGINS = "logins"
    CONTAINER_LOGS = "container logs"
    SWAP = "swap"
    REMOTE = "remote"
    SNAPSHOT = "snapshot"


@dataclass(frozen=True, slots=True)
class Residue:
    """One place, and why it counts."""

    kind: ResidueKind
    where: str
    detail: str


_CORES = ("var/lib/systemd/coredump/*", "var/crash/*")
_LOGINS = (
    *("run/utmp", "var/log/wtmp*", "var/log/btmp*", "var/log/lastlog", "var/log/tallylog"),
    *("var/lib/wtmpdb/wtmp.db", "var/lib/lastlog/lastlog2.db"),
)
_CONTAINERS = (
    "var/lib/docker/containers/*/*-json.log*",
    "var/lib/containers/storage/overlay-containers/*/userdata/ctr.log*",
)
_SNAPSHOT_FOLDERS = (".snapshots", ".zfs/snapshot", "timeshift", "timeshift-btrfs")

# each: the configuration files, and what in a line of theirs names a receiver
_SENDERS = (
    (("etc/rsyslog.conf", "etc/rsyslog.d/*.conf"), re.compile(r"^[^#$]*?\s@@?(?:\([^)]*\))?(?P<to>[^\s;]+)")),
    (
        ("etc/rsyslog.conf", "etc/rsyslog.d/*.conf"),
        re.compile(r"^[^#]*\bom(?:fwd|relp)\b.*\btarget\s*=\s*\"(?P<to>[^\"]+)\"", re.IGNORECASE),
    ),
    (
        ("etc/syslog-ng/syslog-ng.conf", "etc/syslog-ng/conf.d/*.conf"),
        re.compile(r"^[^#]*\b(?:network|syslog|tcp|udp|tcp6|udp6)\s*\(\s*\"(?P<to>[^\"]+)\""),
    ),
    (
        ("etc/systemd/journal-upload.conf", "etc/systemd/journal-upload.conf.d/*.conf"),
        re.compile(r"^\s*URL\s*=\s*(?P<to>\S+)"),
    ),
    (
        ("etc/nginx/nginx.conf", "etc/nginx/*/*"),
        re.compile(r"^[^#]*\b(?:access|error)_log\s+syslog:server=(?P<to>[^,;\s]+)"),
    ),
)


def find_residue(folders: Iterable[str], root: Path = Path("/")) -> tuple[Residue, ...]:
    """Return what else there is.

    Args:
        folders: where the logs lie: snapshots of their file systems count.
        root: where the machine's files lie.
    """
    return (
        *_find_files(root, _CORES, ResidueKind.CORE_DUMPS, "may hold memory with log lines in it"),
        *_find_core_pattern(root),
        *_find_files(root, _LOGINS, ResidueKind.LOGINS, "records who logged in, when and from where"),
        *_find_files(root, _CONTAINERS, ResidueKind.CONTAINER_LOGS, "what a container printed"),
        *_find_swap(root),
        *_find_remote(root),
        *_find_volume_snapshots(root),
        *_find_snapshot_folders(root, folders),
    )


def _find_files(root: Path, patterns: Iterable[str], kind: ResidueKind, detail: str) -> Iterator[Residue]:
    for pattern in patterns:
        for path in sorted(root.glob(pattern)):
            if path.is_file():
                yield Residue(kind, str(path), detail)


def _find_core_pattern(root: Path) -> Iterator[Residue]:
    """A plain pattern writes dumps into whatever folder the program ran in."""
    pattern = read_text(root / "proc/sys/kernel/core_pattern") or ""
    if pattern and not pattern.startswith("|"):
        where = pattern if pattern.startswith("/") else f"files named {pattern} where programs run"
        yield Residue(ResidueKind.CORE_DUMPS, where, "where the kernel writes core dumps")


def _find_swap(root: Path) -> Iterator[Residue]:
    lines = (read_text(root / "proc/swaps") or "").splitlines()[1:]
    mounts = parse_mounts(
        RawMounts(0, "", tuple((read_text(root / "proc/self/mountinfo") or "").splitlines()))
    )
    for path in map(swap_path, lines):
        if "/zram" in path:  # memory, gone with the power
            continue
        below = covering(path, mounts)
        name = Path(path).resolve().name
        blocks = root / "sys/class/block"
        node = (
            blocks / name
            if (blocks / name).exists()
            else root / f"sys/dev/block/{below.number if below else ''}"
        )
        if not _is_encrypted(node):
            yield Residue(ResidueKind.SWAP, path, "swap that is not seen to be encrypted")


def _is_encrypted(node: Path) -> bool:
    if (read_text(node / "dm/uuid") or "").startswith("CRYPT-"):
        return True
    below = list_names(node / "slaves")
    return bool(below) and all(_is_encrypted(node / "slaves" / name) for name in below)


def _find_remote(root: Path) -> Iterator[Residue]:
    told: set[tuple[str, str]] = set()
    for patterns, receiver in _SENDERS:
        for path in sorted(path for pattern in patterns for path in root.glob(pattern)):
            for line in (read_text(path) or "").splitlines():
                found = receiver.search(line)
                if found and (str(path), found["to"]) not in told:
                    told.add((str(path), found["to"]))
                    yield Residue(ResidueKind.REMOTE, found["to"], f"gets logs, says {path}; out of reach")


def _find_volume_snapshots(root: Path) -> Iterator[Residue]:
    """LVM names the store of a snapshot by the ending -cow of its device-mapper UUID."""
    for name in list_names(root / "sys/class/block"):
        folder = root / "sys/class/block" / name / "dm"
        uuid = read_text(folder / "uuid") or ""
        if uuid.startswith("LVM-") and uuid.endswith("-cow"):
            volume = (read_text(folder / "name") or name).removesuffix("-cow")
            yield Residue(ResidueKind.SNAPSHOT, volume, "an LVM snapshot: keeps what was overwritten since")


def _find_snapshot_folders(root: Path, folders: Iterable[str]) -> Iterator[Residue]:
    """Look where snapper, timeshift and ZFS keep snapshots: at the top of each file system with logs."""
    lines = (read_text(root / "proc/self/mountinfo") or "").splitlines()
    mounts = parse_mounts(RawMounts(0, "", tuple(lines)))
    carrying = (covering(folder, mounts) for folder in folders)
    points = dict.fromkeys(mount.point for mount in carrying if mount)
    for point in points:
        for name in _SNAPSHOT_FOLDERS:
            folder = root / point.lstrip("/") / name
            for inside in list_names(folder):
                yield Residue(ResidueKind.SNAPSHOT, str(folder / inside), "keeps what was overwritten since")
