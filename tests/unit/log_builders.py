"""Rules, files and lineages for the tests of logs."""

from dataclasses import replace
from typing import Any

from shredder.log_model import LogFile
from shredder.log_policy import Policy, Rule
from shredder.logs.policy import read_policy

NOW_S = 1_795_000_000
WHERE = "/etc/shredder/policy.toml"


def make_policy(text: str) -> Policy:
    """Read a policy as if it lay in /etc/shredder."""
    return read_policy(text.encode(), WHERE)


def make_rule(**changes: Any) -> Rule:
    """Return a rule of [[logs]] that keeps a week, with changes."""
    text = '[[logs]]\nname = "web"\npaths = ["/var/log/web/*.log*"]\nkeep = "7 days"\n'
    return replace(make_policy(text).rules[0], **changes)


def make_file(name: str = "access.log.1", mtime_s: int = NOW_S, **changes: Any) -> LogFile:
    """Return a file of 100 bytes, last changed now, whose records nobody read."""
    path, mtime_ns = f"/var/log/web/{name}", mtime_s * 10**9
    return replace(LogFile(path, "254:0", 12, 1, 100, mtime_ns, None, None), **changes)
