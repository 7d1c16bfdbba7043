"""The policy file: TOML that says which logs are kept for how long, and what happens when they fall due.

```toml
[run]                              # all of it may be left out
state = "/var/lib/shredder/web"    # its own: holds, what an interrupted run left, certificates;
                                   # by default /var/lib/shredder/ and the name of the policy file
key = "/etc/shredder/key"          # signs the certificates; without it each run makes its own
redact = false                     # certificates name paths by a salted digest
notify = ["mail-me", "{policy}", "{exit_code}"]   # run when a run failed; a hold is none
every = "1 day"                    # how often the timer runs
delay = "15 min"                   # the random delay that it may add

[profile]                          # what only people know, see shredder.certify.profiles

[defaults]                         # for every rule below that does not say otherwise
method = "random"
passes = 1
verify = "full"                    # or "none"
limit = "50 MiB/s"
require = "in-place"               # the least grade: proven, in-place, moved, unprovable
after = "unlink"                   # or, for [[logs]], "recreate": a fresh empty file
hold_at_most = "30 days"
hook_limit = "10 min"              # for each command of a rule
open_limit = "60 s"                # how long to wait until nobody has a file open

[[logs]]
name = "web"
paths = ["/var/log/nginx/*.log*"]
keep = "7 days"                    # and, or instead: keep_size = "2 GiB", keep_count = 14
rotate = "1 day"                   # or "never"
release = { service = "nginx.service", how = "signal:USR1" }
summarise = ["goaccess", "{file}", "-o", "{state}/{name}-{date}.json"]
allow_full_ip = false              # of a summary
hold = ["/usr/local/libexec/attack-free", "{name}", "{from}", "{to}"]

[[journal]]
name = "journald"
keep = "14 days"

[[spool]]
name = "mail-responder"
paths = ["/var/spool/responder/done/*"]
keep = "0 s"
```
"""

import hashlib
from collections import Counter
from pathlib import Path

from shredder.certify.profiles import profile_from
from shredder.errors import UsageError
from shredder.log_policy import Policy, Rule, RuleKind
from shredder.logs.policy_rules import BUILT_IN, read_rule, read_shared
from shredder.logs.policy_values import read_command, read_duration, read_path
from shredder.settings import Table, read_settings
from shredder.units import DAY_S, MINUTE_S

STATES = "/var/lib/shredder"
"""Where every policy has its state folder, unless it names another."""

BY_HAND = "by-hand"
"""The state folder, there, of files that are named without a policy."""

_NOTIFY_FIELDS = frozenset(("policy", "exit_code"))


def read_policy(data: bytes, path: str) -> Policy:
    """Read a policy.

    Args:
        data: the bytes of the file.
        path: where it lies, absolute.

    Raises:
        UsageError: something in it is not as this module's description says; names file, table and key.
    """
    try:
        table = read_settings(data.decode("utf-8"), path)
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not text (UTF-8)") from None
    run = table.table("run")
    shared = read_shared(defaults := table.table("defaults"), BUILT_IN)
    defaults.refuse_unknown()
    rules = tuple(read_rule(kind, item, shared) for kind in RuleKind for item in table.tables(kind))
    every_s, delay_s = read_duration(run, "every"), read_duration(run, "delay")
    policy = Policy(
        path=path,
        name=(name := Path(path).stem),
        digest=hashlib.sha256(data).hexdigest(),
        state=read_path(run, "state") or _default_state(run, name),
        key=read_path(run, "key") or "",
        redact=run.flag("redact") or False,
        notify=read_command(run, "notify", _NOTIFY_FIELDS),
        every_s=DAY_S if every_s is None else every_s,
        delay_s=15 * MINUTE_S if delay_s is None else delay_s,
        profile=profile_from(table.table("profile")),
        rules=rules,
    )
    run.refuse_unknown()
    table.refuse_unknown()
    _check_whole(policy, run)
    return policy


def find_rule(policy: Policy, name: str) -> Rule:
    """Return the rule of that name.

    Raises:
        UsageError: there is none.
    """
    for rule in policy.rules:
        if rule.name == name:
            return rule
    known = ", ".join(rule.name for rule in policy.rules)
    raise UsageError(f'{policy.path} has no rule "{name}"', hint=f"it has {known}")


def _default_state(run: Table, name: str) -> str:
    """Return a folder that no other policy has: lock, holds and unfinished files are each one's own."""
    if name.startswith(".") or name == BY_HAND:
        hint = f"a policy named {name} has no folder by default"
        raise UsageError(f'{run.where}: "state" is missing', hint=hint)
    return f"{STATES}/{name}"


def _check_whole(policy: Policy, run: Table) -> None:
    if not policy.rules:
        raise UsageError(f"{policy.path}: no rule", hint="write a table [[logs]], [[journal]] or [[spool]]")
    name, count = Counter(rule.name for rule in policy.rules).most_common(1)[0]
    if count > 1:
        raise UsageError(f'{policy.path}: {count} rules have the name "{name}"')
    if policy.every_s < MINUTE_S:
        raise run.error("every", "is less than a minute", hint="a path unit serves spools within seconds")
