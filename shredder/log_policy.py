"""The nouns of a log policy: what it promises for which files, who is asked and told, and what holds it up.

All frozen. shredder/logs/policy.py reads them from TOML; shredder/plan/retention.py decides with them.
Durations are whole seconds, times whole seconds since 1970.
"""

from dataclasses import dataclass
from enum import StrEnum

from shredder.log_model import After, Grade, LogFile
from shredder.model import Profile, VerifyKind


class RuleKind(StrEnum):
    """The table of the policy file that a rule stands in."""

    LOGS = "logs"
    JOURNAL = "journal"
    SPOOL = "spool"


class ReleaseKind(StrEnum):
    """How a service is made to let go of a log that was renamed."""

    NONE = "none"
    RELOAD = "reload"
    RESTART = "restart"
    STOP_START = "stop-start"
    SIGNAL = "signal"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class Release:
    """How the service lets go.

    `service` is a systemd unit, "" where commands do it. `signal` is a name without SIG for SIGNAL.
    `command` is for COMMAND; `stop` and `start` are for STOP_START without a unit. Empty otherwise.
    """

    kind: ReleaseKind
    service: str
    signal: str
    command: tuple[str, ...]
    stop: tuple[str, ...]
    start: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Work:
    """How a file is overwritten, and what must be true of it.

    `passes` is None where the method has its own number; `limit_bytes_per_s` is None for as fast as it
    goes. `require` is the least grade that is good enough: a file that cannot reach it stays untouched;
    None takes every file, and reports those that are moved or unprovable as incomplete.
    """

    method: str
    passes: int | None
    verify: VerifyKind
    limit_bytes_per_s: int | None
    require: Grade | None
    after: After


@dataclass(frozen=True, slots=True)
class Rule:
    """One promise: which files, how long they are kept, and what happens on the way.

    `keep_s`, `keep_size_bytes` (of the whole lineage) and `keep_count` (rotated files) each make a
    file due; at least one is given. `rotate_s` is None where somebody else rotates. `hold` and
    `summarise` are command lines, empty for none. `open_limit_s` is how long to wait for a file that is
    still open, `hook_limit_s` how long a command may take.
    """

    kind: RuleKind
    name: str
    paths: tuple[str, ...]
    keep_s: int | None
    keep_size_bytes: int | None
    keep_count: int | None
    rotate_s: int | None
    release: Release
    summarise: tuple[str, ...]
    allow_full_ip: bool
    hold: tuple[str, ...]
    hold_at_most_s: int
    hook_limit_s: int
    open_limit_s: int
    work: Work


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy file.

    `path` is absolute, `digest` the SHA-256 of its bytes in hex. `every_s` is the time between two runs,
    `delay_s` the random delay that may be added to each. `key` signs the certificates, "" for a fresh key
    each run. `redact`: certificates name paths by a salted digest. `notify` is run when a run failed.
    """

    path: str
    name: str
    digest: str
    state: str
    key: str
    redact: bool
    notify: tuple[str, ...]
    every_s: int
    delay_s: int
    profile: Profile
    rules: tuple[Rule, ...]

    @property
    def gap_s(self) -> int:
        """The longest time between two runs that both take place."""
        return self.every_s + self.delay_s


@dataclass(frozen=True, slots=True)
class Lineage:
    """One log and all that was rotated out of it.

    `path` is the name of the live file, whether it is there or not. `rotated` is sorted by name.
    """

    path: str
    live: LogFile | None
    rotated: tuple[LogFile, ...]

    @property
    def files(self) -> tuple[LogFile, ...]:
        """The live file, where there is one, and the rotated ones."""
        return (self.live, *self.rotated) if self.live else self.rotated


class HeldBy(StrEnum):
    """Who holds a log: a person, or the policy's own check."""

    HAND = "hand"
    HOOK = "hook"


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing of the rule `name` is shredded while it is in force.

    `until_s` is None for a hook's: it is in force until the hook clears it. `released_s` is None until
    somebody releases it. `who` is the user, for a person's.
    """

    name: str
    by: HeldBy
    since_s: int
    until_s: int | None
    reason: str
    who: str
    released_s: int | None

    def is_in_force(self, now_s: int) -> bool:
        """True while it keeps files from being shredded."""
        return self.released_s is None and (self.until_s is None or now_s < self.until_s)


@dataclass(frozen=True, slots=True)
class Rotation:
    """What logrotate is told to do with some logs.

    `where` is "file:line", `patterns` the globs of the live files. `interval_s` is None when only the
    size counts, or may put it off. `count` is how many rotated files stay, -1 for all of them;
    `max_age_s` is None without a limit. `copies`: the file is copied and stays where it is.
    `hands_over`: files are given to shredder before they are removed or replaced by a compressed one.
    """

    where: str
    patterns: tuple[str, ...]
    interval_s: int | None
    count: int
    max_age_s: int | None
    copies: bool
    truncates: bool
    compresses: bool
    shreds: bool
    hands_over: bool
    other_folder: str
    mails_to: str
