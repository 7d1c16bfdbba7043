"""The policy file: what it says, and that every mistake is an error that names file, table and key."""

from pathlib import Path

import pytest

from shredder.errors import UsageError
from shredder.log_model import After, Grade
from shredder.log_policy import Release, ReleaseKind, RuleKind
from shredder.logs import policy as policy_module
from shredder.logs.by_hand import policy_for_file
from shredder.logs.policy import find_rule, read_policy
from shredder.model import VerifyKind
from shredder.units import DAY_S, GIB, MIB
from tests.unit.log_builders import WHERE, make_policy

_WEB = '[[logs]]\nname = "web"\npaths = ["/var/log/web/*.log*"]\nkeep = "7 days"\n'
_SPOOL = '[[spool]]\nname = "mail"\npaths = ["/var/spool/done/*"]\nkeep = "0 s"\n'


def _example() -> str:
    assert policy_module.__doc__
    return policy_module.__doc__.partition("```toml\n")[2].partition("```")[0]


def test_the_example_in_the_description_says_what_it_says() -> None:
    policy = make_policy(_example())
    assert (policy.name, policy.state, policy.key) == ("policy", "/var/lib/shredder/web", "/etc/shredder/key")
    assert policy.notify == ("mail-me", "{policy}", "{exit_code}")
    assert policy.gap_s == DAY_S + 900
    assert [(rule.kind, rule.name) for rule in policy.rules] == [
        (RuleKind.LOGS, "web"),
        (RuleKind.JOURNAL, "journald"),
        (RuleKind.SPOOL, "mail-responder"),
    ]
    web, journal, spool = policy.rules
    assert web.release == Release(ReleaseKind.SIGNAL, "nginx.service", "USR1", (), (), ())
    assert (web.keep_s, web.rotate_s, web.hold_at_most_s) == (7 * DAY_S, DAY_S, 30 * DAY_S)
    assert (web.work.limit_bytes_per_s, web.work.require) == (50 * MIB, Grade.IN_PLACE)
    assert web.hold[1:] == ("{name}", "{from}", "{to}")
    assert journal.paths[0].startswith("/var/log/journal/")
    assert (spool.keep_s, spool.rotate_s, spool.work) == (0, None, journal.work)


def test_the_digest_is_that_of_the_bytes() -> None:
    one, other = make_policy(_WEB), make_policy(_WEB + "# a comment\n")
    assert one.rules == other.rules
    assert one.digest != other.digest
    assert make_policy(_WEB).digest == one.digest


def test_a_rule_overrides_the_defaults_key_by_key() -> None:
    head = (
        '[defaults]\npasses = 3\nverify = "none"\nlimit = "1 MB/s"\nafter = "recreate"\nhook_limit = "5 s"\n'
    )
    own = 'verify = "full"\nrequire = "proven"\nopen_limit = "0 s"\nkeep_size = "2 GiB"\nkeep_count = 0\n'
    web, spool = make_policy(head + _WEB + own + _SPOOL).rules
    assert (web.work.passes, web.work.verify, web.work.limit_bytes_per_s) == (3, VerifyKind.FULL, 10**6)
    assert (web.work.require, web.work.after, web.open_limit_s) == (Grade.PROVEN, After.RECREATE, 0)
    assert (web.keep_size_bytes, web.keep_count, web.hook_limit_s) == (2 * GIB, 0, 5)
    # a fresh empty file makes sense for a live log only
    assert (spool.work.verify, spool.work.after, spool.work.require) == (VerifyKind.NONE, After.UNLINK, None)


def test_a_rule_with_a_method_of_its_own_does_not_take_the_default_number_of_passes() -> None:
    (rule,) = make_policy("[defaults]\npasses = 3\n" + _WEB + 'method = "zero"\n').rules
    assert (rule.work.method, rule.work.passes) == ("zero", None)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ('how = "none"', (ReleaseKind.NONE, "", "", (), (), ())),
        ('how = "reload", service = "a"', (ReleaseKind.RELOAD, "a", "", (), (), ())),
        ('how = "stop-start", service = "a"', (ReleaseKind.STOP_START, "a", "", (), (), ())),
        ('how = "signal: sighup", service = "a"', (ReleaseKind.SIGNAL, "a", "HUP", (), (), ())),
        ("how = \"command: /bin/x 'a b'\"", (ReleaseKind.COMMAND, "", "", ("/bin/x", "a b"), (), ())),
        (
            'how = "stop-start", stop = ["a"], start = ["b"]',
            (ReleaseKind.STOP_START, "", "", (), ("a",), ("b",)),
        ),
    ],
)
def test_release(how: str, expected: tuple[object, ...]) -> None:
    (rule,) = make_policy(_WEB + f"release = {{ {how} }}\n").rules
    assert rule.release == Release(*expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no rule"),
        ("[[logs", "not valid TOML"),
        ("rules = 1\n" + _WEB, 'unknown key "rules"'),
        (_WEB + _WEB, '2 rules have the name "web"'),
        (_WEB + 'kep = "1 day"\n', '[[logs]] 1: unknown key "kep"'),
        (_WEB.replace('keep = "7 days"', ""), '[[logs]] 1: "keep" is missing'),
        (_WEB.replace("7 days", "7"), '[[logs]] 1: "keep" is not a whole number with a unit'),
        (_WEB.replace("7 days", "1 month"), '"keep" is not a whole number with a unit'),
        (_WEB.replace('"7 days"', "7"), '"keep" is not text'),
        (_WEB.replace('name = "web"', 'name = "../web"'), '"name" is "../web"'),
        (_WEB.replace('name = "web"', ""), '"name" is missing'),
        (_WEB.replace("/var/log/web", "log"), 'holds "log/*.log*", which is not an absolute path'),
        (_WEB.replace("/var/log", "/var/../log"), "plain form"),
        (_WEB.replace("/web/", "/**/"), '"**"'),
        (_WEB.replace('.log*"', '.log "'), 'holds "/var/log/web/*.log ", which begins or ends with a blank'),
        (_WEB.replace('"/var', '"\\t/var'), "begins or ends with a blank"),
        ('[run]\nstate = "/var/lib/x "\n' + _WEB, '"state" begins or ends with a blank'),
        (_WEB.replace('["/var/log/web/*.log*"]', "[]"), '"paths" is empty'),
        (_WEB + "keep_count = -1\n", '"keep_count" is less than zero'),
        (_WEB + 'keep_size = "1 XB"\n', '"keep_size" is not a whole number with a unit'),
        (_WEB + 'limit = "5 MiB"\n', '"limit" is not a rate'),
        (_WEB + 'limit = "0 MiB/s"\n', '"limit" is zero'),
        (_WEB + 'method = "nonsense"\n', '"method" is "nonsense"'),
        (_WEB + 'method = "zero"\npasses = 2\n', '"passes" does not fit'),
        (_WEB + 'verify = "sampled"\n', '"verify" is "sampled"'),
        (_WEB + 'method = "is5-baseline"\nverify = "none"\n', '"verify" cannot be none'),
        (_WEB + 'require = "sure"\n', '"require" is "sure"'),
        (_WEB + 'after = "keep-name"\n', '"after" is "keep-name"'),
        (_SPOOL + 'after = "recreate"\n', '[[spool]] 1: "after" cannot be "recreate"'),
        (_SPOOL + 'rotate = "1 day"\n', '[[spool]] 1: unknown key "rotate"'),
        ('[[journal]]\nname = "j"\nkeep = "1 day"\nsummarise = ["x", "{file}"]\n', 'unknown key "summarise"'),
        (_WEB + "hold = []\n", '"hold" is empty'),
        (_WEB + 'hold = ["x", "{file}"]\n', '"hold" holds "{file}" with an unknown word in braces'),
        (_WEB + 'hold = ["x", "{name!r}"]\n', "unknown word in braces"),
        (_WEB + 'hold = ["x", "{name"]\n', '"hold" holds "{name"'),
        (_WEB + 'summarise = ["x"]\n', '"summarise" does not say {file}'),
        (_WEB + "allow_full_ip = true\n", '"allow_full_ip" is for a rule that summarises'),
        (_WEB + 'hook_limit = "0 s"\n', '"hook_limit" is zero'),
        (_WEB + 'release = { service = "a" }\n', '[release]: "how" is missing'),
        (_WEB + 'release = { how = "reload" }\n', '[release]: "service" is missing'),
        (_WEB + 'release = { how = "kick" }\n', '"how" is "kick"'),
        (_WEB + 'release = { how = "signal", service = "a" }\n', '"how" is "signal"'),
        (_WEB + 'release = { how = "reload:x", service = "a" }\n', '"how" is "reload:x"'),
        (_WEB + 'release = { how = "signal:NOPE", service = "a" }\n', "names no signal"),
        (_WEB + 'release = { how = "command: \'" }\n', "is not a command line"),
        (_WEB + 'release = { how = "stop-start", stop = ["a"] }\n', 'both "stop" and "start"'),
        (_WEB + 'release = { how = "none", stop = ["a"] }\n', '"stop" is for how = "stop-start"'),
        (_WEB + 'release = { how = "none", wait = 1 }\n', 'unknown key "wait"'),
        ('[run]\nevery = "30 s"\n' + _WEB, '[run]: "every" is less than a minute'),
        ('[run]\nstate = "state"\n' + _WEB, '[run]: "state" is not an absolute path'),
        ('[run]\nredact = "no"\n' + _WEB, '[run]: "redact" is not true or false'),
        ("[defaults]\nkeep = 1\n" + _WEB, '[defaults]: unknown key "keep"'),
        ('[profile]\norg = "x"\n' + _WEB, '[profile]: unknown key "org"'),
    ],
)
def test_a_mistake_is_named_with_file_table_and_key(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_policy(text)
    assert caught.value.message.startswith(WHERE)
    assert said in caught.value.message


def test_what_is_not_text_is_refused() -> None:
    with pytest.raises(UsageError, match="not text"):
        read_policy(b"\xff\xfe", WHERE)


def test_a_rule_is_found_by_its_name() -> None:
    policy = make_policy(_WEB + _SPOOL)
    assert find_rule(policy, "mail") is policy.rules[1]
    with pytest.raises(UsageError, match='no rule "ftp"'):
        find_rule(policy, "ftp")


def test_the_name_is_that_of_the_file() -> None:
    assert read_policy(_WEB.encode(), str(Path("/srv/edge.policy.toml"))).name == "edge.policy"


def test_each_policy_has_a_state_folder_of_its_own() -> None:
    names = ("edge", "edge.policy", "mail")
    states = [read_policy(_WEB.encode(), f"/etc/shredder/{name}.toml").state for name in names]
    assert states == [f"/var/lib/shredder/{name}" for name in names]
    assert policy_for_file("/var/log/a", After.KEEP_NAME).state == "/var/lib/shredder/by-hand"


@pytest.mark.parametrize("name", ["by-hand.toml", "...toml", "..toml", ".toml", ".hidden.toml"])
def test_a_name_that_makes_no_folder_of_its_own_needs_one(name: str) -> None:
    with pytest.raises(UsageError, match='"state" is missing'):
        read_policy(_WEB.encode(), f"/etc/shredder/{name}")
    assert read_policy(b'[run]\nstate = "/srv/state"\n' + _WEB.encode(), f"/etc/{name}").state == "/srv/state"
