"""What a run does for one rule, step by step and in this order, in words. Pure."""

from collections.abc import Iterator

from shredder.log_model import After
from shredder.log_policy import Release, ReleaseKind, Rule, RuleKind
from shredder.model import VerifyKind
from shredder.units import binary_size, long_duration


def outline(rule: Rule) -> Iterator[str]:
    """Say what happens to the files of a rule that fall due."""
    if rule.kind is RuleKind.LOGS:
        yield "rename the live file, where it is rotated or due"
        if rule.release.kind is not ReleaseKind.NONE:
            yield _describe_release(rule.release)
    if rule.kind is RuleKind.JOURNAL:
        yield "have journald rotate; the active journal stays"
    yield f"wait up to {long_duration(rule.open_limit_s)} until nobody has a file open"
    if rule.hold:
        yield f"ask {_command(rule.hold)}: 0 is clear, anything else holds"
    if rule.summarise:
        yield f"summarise with {_command(rule.summarise)}"
    yield _describe_work(rule)
    if rule.release.kind is ReleaseKind.STOP_START:
        yield f"start {rule.release.service or _command(rule.release.start)}"


def _describe_release(release: Release) -> str:
    match release.kind:
        case ReleaseKind.STOP_START:
            return f"stop {release.service or _command(release.stop)}"
        case ReleaseKind.SIGNAL:
            return f"send SIG{release.signal} to {release.service}"
        case ReleaseKind.COMMAND:
            return f"run {_command(release.command)}"
    return f"{release.kind} {release.service}"


def _describe_work(rule: Rule) -> str:
    work = rule.work
    passes = f" x {work.passes}" if work.passes else ""
    verify = "not verified" if work.verify is VerifyKind.NONE else "verified in full"
    limit = f", at most {binary_size(work.limit_bytes_per_s)}/s" if work.limit_bytes_per_s else ""
    grade = f", only what can be {work.require} or better" if work.require else ""
    fresh = ", leave a fresh empty file" if work.after is After.RECREATE else ""
    return f"overwrite ({work.method}{passes}, {verify}{limit}{grade}), rename, unlink{fresh}"


def _command(words: tuple[str, ...]) -> str:
    return " ".join(words)
