"""The systemd units of a policy, as text: the run, its timer, what watches spools, who is told of a failure.

| unit | what for |
|---|---|
| shredder-NAME.service | the run, with no more rights than the policy needs |
| shredder-NAME.timer | starts it every so often; one that was missed is made up for |
| shredder-NAME.path | watches the folders of spools |
| shredder-spool@NAME.service | what the path unit starts: it has the run started once more |
| shredder-failed@NAME.service | the policy's `notify` command, outside of the run's sandbox |

systemd stops watching a folder while the unit that it has triggered is active, and does not look again
afterwards. So the path unit triggers a unit that is over in a moment and waits its turn behind a run that
goes on (After=): a file that comes during a run gets a run of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shredder.errors import UsageError
from shredder.log_policy import Policy, Rule, RuleKind
from shredder.logs.unit_sandbox import sandbox
from shredder.logs.unit_words import calendar, escape_name, quote, quote_command
from shredder.units import long_duration, printable

_LONGEST_NAME = 255  # unit names, systemd.unit(5)


@dataclass(frozen=True, slots=True)
class Place:
    """What the text of the units hangs on besides the policy.

    `program` is the command line of this program, `notify` the absolute path of the policy's notify command
    ("" without one), `spools` the folders that are watched; `on_btrfs`: some logs lie on btrfs.
    """

    program: tuple[str, ...]
    notify: str
    spools: tuple[str, ...]
    on_btrfs: bool


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit file; `is_started`: it is enabled and started, the others are started by these."""

    name: str
    text: str
    is_started: bool


@dataclass(frozen=True, slots=True)
class Names:
    """How the units of a policy are called."""

    service: str
    timer: str
    path: str
    spool: str
    failed: str

    @property
    def all(self) -> tuple[str, ...]:
        """Every one that a policy can have."""
        return self.service, self.timer, self.path, self.spool, self.failed


def unit_names(policy_name: str) -> Names:
    """Return the names; those of two policies never meet.

    Raises:
        UsageError: the policy's name is too long for a unit's.
    """
    name = escape_name(policy_name)
    if len(f"shredder-failed@{name}.service") > _LONGEST_NAME:
        raise UsageError(f"{printable(policy_name)} is too long for the name of a unit")
    plain = f"shredder-{name}"
    return Names(
        f"{plain}.service",
        f"{plain}.timer",
        f"{plain}.path",
        f"shredder-spool@{name}.service",
        f"shredder-failed@{name}.service",
    )


def owner_mark(policy_path: str) -> str:
    """Return the line of each unit that says whose it is; systemd overlooks the section it stands in."""
    return f"Policy={quote(policy_path)}"


def make_units(policy: Policy, place: Place) -> tuple[Unit, ...]:
    """Return the units of a policy.

    Raises:
        UsageError: a name or path cannot be said in a unit file.
    """
    names = unit_names(policy.name)
    units = [
        Unit(names.service, _service(policy, place, names), is_started=False),
        Unit(names.timer, _timer(policy), is_started=True),
    ]
    if place.spools:
        units.append(Unit(names.path, _path(policy, place, names), is_started=True))
        units.append(Unit(names.spool, _spool(policy, names), is_started=False))
    if policy.notify:
        units.append(Unit(names.failed, _failed(policy, place), is_started=False))
    return tuple(units)


def watched_patterns(policy: Policy) -> tuple[str, ...]:
    """Return the patterns of the folders where a new file falls due as soon as it is there."""
    rules = (rule for rule in policy.rules if rule.kind is RuleKind.SPOOL and _is_due_at_once(rule))
    return tuple(dict.fromkeys(pattern.rpartition("/")[0] or "/" for rule in rules for pattern in rule.paths))


def _is_due_at_once(rule: Rule) -> bool:
    return rule.keep_s == 0 or rule.keep_count is not None or rule.keep_size_bytes is not None


def _service(policy: Policy, place: Place, names: Names) -> str:
    # who is told of a failure is told outside of the sandbox, also when the run did not get that far
    command = quote_command((*place.program, "logs", "shred", "--no-notify", policy.path))
    lines = [*_head(policy, f"Shred what falls due by {policy.path}"), "StartLimitIntervalSec=0"]
    lines += [f"OnFailure={names.failed}"] if policy.notify else []
    lines += ["", "[Service]", "Type=oneshot", f"ExecStart={command}"]
    lines += [
        "# a hold is the policy at work; one that lasts too long exits 9",
        "SuccessExitStatus=7",
        "# the run alone is told to stop: it ends its commands and brings services back",
        "KillMode=mixed",
        "TimeoutStopSec=5min",
        "SyslogIdentifier=shredder",
        "UMask=0077",
        "# a core dump would hold what the logs hold",
        "LimitCORE=0",
        "IOSchedulingClass=idle",
        "Nice=10",
        "",
        *sandbox(policy, on_btrfs=place.on_btrfs),
    ]
    return _finish(lines)


def _timer(policy: Policy) -> str:
    return _finish(
        [
            *_head(policy, f"Every {long_duration(policy.every_s)}: shred what falls due by {policy.path}"),
            "",
            "[Timer]",
            "# in UTC: an hour that is put in or left out makes no gap longer",
            f"OnCalendar={calendar(policy.every_s)}",
            "Persistent=true",
            f"RandomizedDelaySec={policy.delay_s}s",
            "AccuracySec=1s",
            "",
            "[Install]",
            "WantedBy=timers.target",
        ]
    )


def _path(policy: Policy, place: Place, names: Names) -> str:
    return _finish(
        [
            *_head(policy, f"Watch the spools of {policy.path}"),
            "",
            "[Path]",
            *(f"PathChanged={_plain_path(folder)}" for folder in place.spools),
            f"Unit={names.spool}",
            "",
            "[Install]",
            "WantedBy=paths.target",
        ]
    )


def _spool(policy: Policy, names: Names) -> str:
    return _finish(
        [
            *_head(policy, f"Something came into a spool of {policy.path}"),
            "# waits while a run goes on, which may have looked before the file came",
            f"After={names.service}",
            "StartLimitIntervalSec=0",
            "",
            "[Service]",
            "Type=oneshot",
            f"ExecStart={quote_command(('/usr/bin/env', 'systemctl', 'start', '--no-block', names.service))}",
        ]
    )


def _failed(policy: Policy, place: Place) -> str:
    values = {"policy": policy.path, "exit_code": "\0"}
    words = (place.notify, *(word.format_map(values) for word in policy.notify[1:]))
    # set by systemd 251 and newer for what OnFailure= starts
    command = quote_command(words, "MONITOR_EXIT_STATUS")
    return _finish(
        [
            *_head(policy, f"Tell that shredding by {policy.path} failed"),
            "",
            "[Service]",
            "Type=oneshot",
            f"ExecStart={command}",
            f"TimeoutStartSec={max(rule.hook_limit_s for rule in policy.rules)}s",
        ]
    )


def _head(policy: Policy, description: str) -> tuple[str, ...]:
    return (
        "# written by `shredder schedule install`, which replaces it; changes belong into a drop-in",
        "[X-Shredder]",
        owner_mark(policy.path),
        "",
        "[Unit]",
        f"Description={printable(description).replace('%', '%%')}",
    )


def _plain_path(folder: str) -> str:
    """Return a path for a setting that takes no quotes.

    Raises:
        UsageError: it cannot be written without them.
    """
    if folder != folder.strip() or folder.endswith("\\") or not folder.isprintable():
        raise UsageError(f"systemd cannot watch {printable(folder)}", hint="rename the folder")
    return folder.replace("%", "%%")


def _finish(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"
