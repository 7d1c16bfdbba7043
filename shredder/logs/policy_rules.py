"""One rule of the policy file, and the keys that it shares with [defaults]."""

import re
import shlex
import signal
from dataclasses import dataclass, replace

from shredder.errors import UsageError
from shredder.log_model import After, Grade
from shredder.log_policy import Release, ReleaseKind, Rule, RuleKind, Work
from shredder.logs.policy_values import (
    read_command,
    read_duration,
    read_patterns,
    read_rate,
    read_size,
)
from shredder.model import VerifyKind
from shredder.plan.methods import build_passes, find_method
from shredder.settings import Table
from shredder.units import DAY_S, MINUTE_S

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_HOLD_FIELDS = frozenset(("name", "from", "to", "state"))
_SUMMARISE_FIELDS = _HOLD_FIELDS | {"file", "date"}
_JOURNALS = ("/var/log/journal/*/*.journal*", "/run/log/journal/*/*.journal*")
_NO_RELEASE = Release(ReleaseKind.NONE, "", "", (), (), ())


@dataclass(frozen=True, slots=True)
class Shared:
    """What a rule takes from [defaults] where it does not say it itself."""

    work: Work
    hold_at_most_s: int
    hook_limit_s: int
    open_limit_s: int


BUILT_IN = Shared(
    Work("random", None, VerifyKind.FULL, None, None, After.UNLINK), 30 * DAY_S, 10 * MINUTE_S, MINUTE_S
)
"""What holds where the file says nothing."""


def read_shared(table: Table, base: Shared) -> Shared:
    """Return the shared keys of a table, each taken from `base` where it is not there.

    Raises:
        UsageError: a value is not well formed.
    """
    hold_at_most_s = read_duration(table, "hold_at_most")
    hook_limit_s = read_duration(table, "hook_limit")
    open_limit_s = read_duration(table, "open_limit")
    if hook_limit_s == 0:
        raise table.error("hook_limit", "is zero, so no command could ever end in time")
    return Shared(
        _read_work(table, base.work),
        base.hold_at_most_s if hold_at_most_s is None else hold_at_most_s,
        base.hook_limit_s if hook_limit_s is None else hook_limit_s,
        base.open_limit_s if open_limit_s is None else open_limit_s,
    )


def read_rule(kind: RuleKind, table: Table, defaults: Shared) -> Rule:
    """Return one rule.

    Args:
        kind: the name of its table.
        table: its keys.
        defaults: from [defaults].

    Raises:
        UsageError: a key is missing, unknown, not for this kind, or its value is not well formed.
    """
    shared = read_shared(table, defaults)
    rule = Rule(
        kind=kind,
        name=_read_name(table),
        paths=_read_paths(kind, table),
        keep_s=read_duration(table, "keep"),
        keep_size_bytes=read_size(table, "keep_size"),
        keep_count=_read_count(table),
        rotate_s=_read_rotate(table) if kind is RuleKind.LOGS else None,
        release=_read_release(table) if kind is RuleKind.LOGS else _NO_RELEASE,
        summarise=() if kind is RuleKind.JOURNAL else read_command(table, "summarise", _SUMMARISE_FIELDS),
        allow_full_ip=kind is not RuleKind.JOURNAL and (table.flag("allow_full_ip") or False),
        hold=read_command(table, "hold", _HOLD_FIELDS),
        hold_at_most_s=shared.hold_at_most_s,
        hook_limit_s=shared.hook_limit_s,
        open_limit_s=shared.open_limit_s,
        work=_fit_work(kind, table, shared.work),
    )
    table.refuse_unknown()
    _check_rule(rule, table)
    return rule


def _check_rule(rule: Rule, table: Table) -> None:
    if (rule.keep_s, rule.keep_size_bytes, rule.keep_count) == (None, None, None):
        raise UsageError(f'{table.where}: "keep" is missing', hint="say keep, keep_size or keep_count")
    if rule.summarise and not any("{file}" in word for word in rule.summarise):
        raise table.error("summarise", "does not say {file}, so it would summarise nothing")
    if rule.allow_full_ip and not rule.summarise:
        raise table.error("allow_full_ip", "is for a rule that summarises")


def _fit_work(kind: RuleKind, table: Table, work: Work) -> Work:
    if kind is RuleKind.LOGS or work.after is After.UNLINK:
        return work
    if "after" in table:
        raise table.error("after", f'cannot be "{work.after}" for [[{kind}]]')
    return replace(work, after=After.UNLINK)


def _read_name(table: Table) -> str:
    name = table.need("name", table.text("name"))
    if not _NAME.fullmatch(name):
        raise table.error("name", f'is "{name}"', hint="letters, digits, and . _ - after the first")
    return name


def _read_paths(kind: RuleKind, table: Table) -> tuple[str, ...]:
    paths = read_patterns(table, "paths")
    return _JOURNALS if paths is None and kind is RuleKind.JOURNAL else table.need("paths", paths)


def _read_count(table: Table) -> int | None:
    count = table.whole("keep_count")
    if count is not None and count < 0:
        raise table.error("keep_count", "is less than zero")
    return count


def _read_rotate(table: Table) -> int | None:
    return None if table.text("rotate") in (None, "never") else read_duration(table, "rotate")


def _read_release(table: Table) -> Release:
    if "release" not in table:
        table.table("release")
        return _NO_RELEASE
    inner = table.table("release")
    how = inner.need("how", inner.text("how"))
    word, _, rest = how.partition(":")
    kind = next((kind for kind in ReleaseKind if kind == word), None)
    takes_rest = kind in (ReleaseKind.SIGNAL, ReleaseKind.COMMAND)
    if kind is None or takes_rest != bool(rest.strip()):
        known = "none, reload, restart, stop-start, signal:NAME, command: ..."
        raise inner.error("how", f'is "{how}"', hint=f"known are {known}")
    release = Release(
        kind=kind,
        service=inner.text("service") or "",
        signal=_read_signal(inner, rest) if kind is ReleaseKind.SIGNAL else "",
        command=_split_command(inner, rest) if kind is ReleaseKind.COMMAND else (),
        stop=read_command(inner, "stop", frozenset()),
        start=read_command(inner, "start", frozenset()),
    )
    inner.refuse_unknown()
    _check_release(release, inner)
    return release


def _check_release(release: Release, table: Table) -> None:
    by_command = bool(release.stop) or bool(release.start)
    if by_command and release.kind is not ReleaseKind.STOP_START:
        raise table.error("stop" if release.stop else "start", 'is for how = "stop-start"')
    if by_command and (release.service or not (release.stop and release.start)):
        raise table.error("how", 'takes either "service", or both "stop" and "start"')
    has_unit = release.kind not in (ReleaseKind.NONE, ReleaseKind.COMMAND)
    if has_unit and not by_command:
        table.need("service", release.service or None)


def _read_signal(table: Table, text: str) -> str:
    name = text.strip().upper().removeprefix("SIG")
    if f"SIG{name}" not in signal.Signals.__members__:
        raise table.error("how", f'names no signal: "{text.strip()}"')
    return name


def _split_command(table: Table, text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise table.error("how", f"is not a command line: {error}") from None


def _read_work(table: Table, base: Work) -> Work:
    limit = read_rate(table, "limit")
    work = Work(
        method=table.text("method") or base.method,
        passes=table.whole("passes") if "passes" in table or "method" in table else base.passes,
        verify=table.choice("verify", VerifyKind) or base.verify,
        limit_bytes_per_s=base.limit_bytes_per_s if limit is None else limit,
        require=table.choice("require", Grade) or base.require,
        after=table.choice("after", After) or base.after,
    )
    _check_work(work, table)
    return work


def _check_work(work: Work, table: Table) -> None:
    try:
        method = find_method(work.method)
    except UsageError as error:
        raise table.error("method", f'is "{work.method}"', hint=error.hint) from None
    try:
        build_passes(work.method, work.passes, b"")
    except UsageError as error:
        raise table.error("passes", f"does not fit: {error.message}", hint=error.hint) from None
    if work.verify is VerifyKind.SAMPLED:
        raise table.error("verify", 'is "sampled"', hint="known for logs are full, none")
    if work.verify is VerifyKind.NONE and method.verification_required:
        raise table.error("verify", f"cannot be none: method {method.name} includes verification")
    if work.after is After.KEEP_NAME:
        raise table.error("after", 'is "keep-name"', hint="known in a policy are unlink, recreate")
