"""Files that somebody names instead of a policy: logrotate, before it removes one; and what no rule knows."""

from dataclasses import replace

from shredder.certify.profiles import read_profile
from shredder.errors import UsageError
from shredder.log_model import After, Grade
from shredder.log_policy import Policy, Release, ReleaseKind, Rule, RuleKind
from shredder.logs.policy import BY_HAND, STATES
from shredder.logs.policy_rules import BUILT_IN
from shredder.logs.targets import matches_rule
from shredder.units import DAY_S

NAME = "by hand"
_NO_RELEASE = Release(ReleaseKind.NONE, "", "", (), (), ())


def make_rule(name: str, paths: tuple[str, ...], after: After) -> Rule:
    """Return a rule with what holds where nobody says otherwise."""
    return Rule(
        kind=RuleKind.LOGS,
        name=name,
        paths=paths,
        keep_s=0,
        keep_size_bytes=None,
        keep_count=None,
        rotate_s=None,
        release=_NO_RELEASE,
        summarise=(),
        allow_full_ip=False,
        hold=(),
        hold_at_most_s=BUILT_IN.hold_at_most_s,
        hook_limit_s=BUILT_IN.hook_limit_s,
        open_limit_s=BUILT_IN.open_limit_s,
        work=replace(BUILT_IN.work, after=after),
    )


def policy_for_file(path: str, after: After) -> Policy:
    """Return a policy that shreds one file, without a policy file."""
    return Policy(
        path="",
        name=NAME,
        digest="",
        state=f"{STATES}/{BY_HAND}",
        key="",
        redact=False,
        notify=(),
        every_s=DAY_S,
        delay_s=0,
        profile=read_profile("", ""),
        rules=(make_rule(NAME, (path,), after),),
    )


def narrow_policy(policy: Policy, path: str, after: After) -> Policy:
    """Return the policy with only the rule that names a file, and with what becomes of the file's name.

    Raises:
        UsageError: no rule names it.
    """
    for rule in policy.rules:
        if matches_rule(rule, path):
            return replace(policy, rules=(replace(rule, work=replace(rule.work, after=after)),))
    raise UsageError(f"no rule of {policy.path} names {path}")


def with_grade(policy: Policy, require: Grade | None) -> Policy:
    """Return the policy with this grade required of every file; None leaves it as it is."""
    if require is None:
        return policy
    rules = tuple(replace(rule, work=replace(rule.work, require=require)) for rule in policy.rules)
    return replace(policy, rules=rules)
