"""What a run may do on a machine, as lines of its unit: no more than the policy needs, systemd.exec(5)."""

import re
from collections.abc import Iterator

from shredder.log_model import After
from shredder.log_policy import Policy, ReleaseKind
from shredder.logs.policy_values import is_wild
from shredder.logs.unit_words import quote

_TEMPORARY = re.compile(r"/(var/)?tmp(/|$)")
_ALWAYS = (
    "# not here: MemoryDenyWriteExecute (commands may compile what they run), ProtectProc and PrivatePIDs",
    "# (who has a file open would not be seen), PrivateDevices (the raw devices would be gone)",
    "LockPersonality=true",
    "ProtectClock=true",
    "ProtectControlGroups=true",
    "ProtectHostname=true",
    "ProtectKernelLogs=true",
    "ProtectKernelModules=true",
    "ProtectKernelTunables=true",
    "RestrictNamespaces=true",
    "RestrictRealtime=true",
    "RestrictSUIDSGID=true",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallErrorNumber=EPERM",
)


def sandbox(policy: Policy, *, on_btrfs: bool) -> Iterator[str]:
    """Return the lines.

    Args:
        policy: the rules.
        on_btrfs: some of its logs lie on btrfs.
    """
    yield from _writable(policy)
    yield from _capabilities(policy, on_btrfs=on_btrfs)
    yield from _devices()
    yield from _network(policy)
    yield from _temporary(policy)
    yield from _ALWAYS


def log_folders(policy: Policy) -> tuple[str, ...]:
    """Return the folders that a run writes in for its logs: each down to the first part that is a pattern."""
    found = {fixed_folder(pattern) for rule in policy.rules for pattern in rule.paths}
    return _outermost(found)


def _writable(policy: Policy) -> Iterator[str]:
    yield "# everything is read-only but the state folder and the folders of the logs"
    yield "ProtectSystem=strict"
    for folder in _outermost({policy.state, *log_folders(policy)}):
        yield f"ReadWritePaths={quote('-' + folder)}"


def _capabilities(policy: Policy, *, on_btrfs: bool) -> Iterator[str]:
    rules = policy.rules
    recreates = any(rule.work.after is After.RECREATE for rule in rules)
    signals = any(rule.release.kind is ReleaseKind.SIGNAL for rule in rules)
    wanted = [
        ("CAP_DAC_OVERRIDE", "logs, and the folders that they lie in, belong to their services", True),
        ("CAP_FOWNER", "the same where a folder has the sticky bit, and for the mode of a fresh log", True),
        ("CAP_SYS_PTRACE", "to see who has a file open: /proc/*/fd", True),
        ("CAP_CHECKPOINT_RESTORE", "to see who has a file mapped: /proc/*/map_files", True),
        ("CAP_LEASE", "to see whether anybody opens a file of another user while it is shredded", True),
        ("CAP_CHOWN", "a fresh log gets the owner of the old one", recreates),
        (
            "CAP_KILL",
            "to signal services, and commands that run as another user",
            signals or _has_hooks(policy),
        ),
        ("CAP_SYS_ADMIN", "btrfs tells only with this where a file lies on the device", on_btrfs),
    ]
    for name, why, is_wanted in wanted:
        if is_wanted:
            yield f"# {why}"
            yield f"CapabilityBoundingSet={name}"
    yield "NoNewPrivileges=true"


def _devices() -> tuple[str, ...]:
    return (
        "# the raw devices are read to prove what was overwritten, and can never be written to",
        "DevicePolicy=closed",
        "DeviceAllow=block-* r",
    )


def _network(policy: Policy) -> tuple[str, ...]:
    if _has_hooks(policy):
        return (
            "# the policy's own commands may need the network",
            "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
        )
    return ("PrivateNetwork=true", "IPAddressDeny=any", "RestrictAddressFamilies=AF_UNIX")


def _temporary(policy: Policy) -> tuple[str, ...]:
    if any(_TEMPORARY.match(folder) for folder in (policy.state, *log_folders(policy))):
        return ()
    return ("PrivateTmp=true",)


def _has_hooks(policy: Policy) -> bool:
    """True when a run starts commands that the policy names; `notify` runs outside."""
    return any(
        rule.hold or rule.summarise or rule.release.command or rule.release.stop or rule.release.start
        for rule in policy.rules
    )


def fixed_folder(pattern: str) -> str:
    """Return the folder of a pattern, down to its first part that is a pattern itself."""
    parts: list[str] = []
    for part in pattern.split("/")[1:-1]:
        if is_wild(part):
            break
        parts.append(part)
    return "/" + "/".join(parts)


def _outermost(folders: set[str]) -> tuple[str, ...]:
    found: list[str] = []
    for folder in sorted(folders):
        if not any(folder == other or folder.startswith(other.rstrip("/") + "/") for other in found):
            found.append(folder)
    return tuple(found)
