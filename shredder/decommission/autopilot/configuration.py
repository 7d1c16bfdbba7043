"""The configuration of an unattended run: one TOML schema, read strictly, wherever it came from.

targets = "all"                 # or a list; left out: nothing is wiped, the dialogue is shown
# targets = ["serial:S4EVNX0M", "wwn:0x5002538e40a1b2c3", "/dev/disk/by-id/...", "/dev/disk/by-path/..."]
method = "random"               # `shredder methods` lists the names
passes = 1                      # for the method random
verify = "full"                 # or "sampled", "none"
nonce = "c0ffee"                # an auditor's number, hex
allow = ["member"]              # refusals to lift, as `shredder wipe --allow`
countdown_s = 30                # 0: none
at_end = "poweroff"             # or "reboot", "shell", "stay" (the default)
key_file = "signing-key.pem"    # beside the configuration; or key = "PEM text"; left out: a fresh key

[certificate]                   # as in `shredder wipe --profile`
organisation = "Example Ltd"

[delivery]                      # needed as soon as there are targets; see delivery/settings.py
how = "https"

[network]                       # see network_settings.py; left out: DHCP and router advertisements
dns = ["192.0.2.53"]

[ssh]
keys = ["ssh-ed25519 AAAA... operator"]
"""

from dataclasses import dataclass, field
from enum import StrEnum

from shredder.certify.keys import PrivateKey, load_private_key
from shredder.certify.profiles import profile_from
from shredder.decommission.autopilot.network_settings import NetworkSettings, read_network
from shredder.decommission.autopilot.ssh_keys import check_ssh_key
from shredder.decommission.delivery.secrets import Load, read_secret
from shredder.decommission.delivery.settings import Delivery, SshDelivery, read_delivery
from shredder.errors import UsageError
from shredder.model import Profile, RefusalKind, VerifyKind
from shredder.plan.planner import Request, check_request
from shredder.settings import Table, read_settings

ALL = "all"
NAME_STARTS = ("serial:", "wwn:", "/dev/disk/by-id/", "/dev/disk/by-path/")
"""What a target's name may begin with: only what means the same disk at every start."""

_COUNTDOWN_S = 30
_LONGEST_COUNTDOWN_S = 24 * 3600


class AtEnd(StrEnum):
    """What the machine does when all is done and delivered."""

    POWEROFF = "poweroff"
    REBOOT = "reboot"
    SHELL = "shell"
    STAY = "stay"


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the operator wrote down.

    `targets` are names that begin as NAME_STARTS says, or the one word ALL, or nothing. `delivery` is None
    only without targets. `key` is None when a fresh one is to sign.
    """

    targets: tuple[str, ...]
    request: Request
    countdown_s: int
    at_end: AtEnd
    key: PrivateKey | None = field(repr=False)
    profile: Profile
    delivery: Delivery | None
    network: NetworkSettings
    ssh_keys: tuple[str, ...]

    @property
    def all_disks(self) -> bool:
        """True when every disk is meant."""
        return self.targets == (ALL,)


def read_configuration(text: str, where: str, load: Load) -> Configuration:
    """Read a configuration.

    Args:
        text: TOML as in this module's description.
        where: what the operator knows it by, for errors.
        load: returns the bytes of a file beside the configuration, by its name.

    Raises:
        UsageError: it is not TOML, a key is unknown or wrong, or something needed is missing.
    """
    table = read_settings(text, where)
    ssh, delivery = table.table("ssh"), table.table("delivery")
    configuration = Configuration(
        targets=_read_targets(table),
        request=_read_request(table),
        countdown_s=_read_countdown(table),
        at_end=table.choice("at_end", AtEnd) or AtEnd.STAY,
        key=_read_key(table, load),
        profile=profile_from(table.table("certificate")),
        delivery=read_delivery(delivery, load) if "delivery" in table else None,
        network=read_network(table.table("network")),
        ssh_keys=tuple(check_ssh_key(line, ssh) for line in ssh.texts("keys") or ()),
    )
    ssh.refuse_unknown()
    table.refuse_unknown()
    _check_whole(configuration, where)
    return configuration


def _read_targets(table: Table) -> tuple[str, ...]:
    if "targets" not in table:
        return ()
    hint = f'targets = "{ALL}", or a list of names that begin with ' + ", ".join(NAME_STARTS)
    try:
        names = table.texts("targets") or ()
    except UsageError:
        if table.text("targets") == ALL:
            return (ALL,)
        raise table.error("targets", "is neither a list of names nor the word all", hint=hint) from None
    if not names:
        raise table.error("targets", "is empty", hint=hint)
    for name in names:
        if not any(name.startswith(start) and name != start for start in NAME_STARTS):
            raise table.error("targets", f'holds "{name}", which may mean another disk tomorrow', hint=hint)
    if len(set(names)) != len(names):
        raise table.error("targets", "names something twice")
    return names


def _read_request(table: Table) -> Request:
    nonce = table.text("nonce") or ""
    try:
        nonce_hex = bytes.fromhex(nonce).hex()
    except ValueError:
        raise table.error("nonce", "is not made of hex digits") from None
    allow = table.texts("allow") or ()
    if unknown := [word for word in allow if word not in list(RefusalKind)]:
        raise table.error("allow", f'holds "{unknown[0]}", which is no kind of refusal')
    request = Request(
        method=table.text("method") or "random",
        count=table.whole("passes"),
        verify=table.choice("verify", VerifyKind) or VerifyKind.FULL,
        nonce_hex=nonce_hex,
        allow=frozenset(RefusalKind(word) for word in allow),
    )
    try:
        check_request(request)
    except UsageError as error:
        raise UsageError(f"{table.where}: {error.message}", hint=error.hint) from None
    return request


def _read_countdown(table: Table) -> int:
    seconds = table.whole("countdown_s")
    if seconds is None:
        return _COUNTDOWN_S
    if not 0 <= seconds <= _LONGEST_COUNTDOWN_S:
        raise table.error("countdown_s", f"is not between 0 and {_LONGEST_COUNTDOWN_S}")
    return seconds


def _read_key(table: Table, load: Load) -> PrivateKey | None:
    text = read_secret(table, "key", load)
    if text is None:
        return None
    try:
        return load_private_key(text.encode())
    except UsageError as error:
        raise UsageError(f"{table.where}: {error.message}", hint=error.hint) from None


def _check_whole(configuration: Configuration, where: str) -> None:
    if configuration.targets and configuration.delivery is None:
        raise UsageError(
            f"{where}: there are targets, and no [delivery] says where the certificate goes",
            hint='how = "none" gives it up when the machine is powered off',
        )
    if isinstance(configuration.delivery, SshDelivery) and not configuration.ssh_keys:
        raise UsageError(f"{where}: delivery by ssh needs [ssh] with keys")
