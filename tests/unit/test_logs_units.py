"""The units of a policy as text: names, quoting, times, and no more rights than the policy needs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shredder.errors import UsageError
from shredder.logs.unit_sandbox import log_folders
from shredder.logs.unit_words import calendar, escape_name, quote, quote_command
from shredder.logs.units import Place, make_units, owner_mark, unit_names, watched_patterns
from tests.unit.log_builders import make_policy

_LOGS = '[[logs]]\nname = "web"\npaths = ["/var/log/web/*.log*"]\nkeep = "7 days"\n'
_SPOOL = '[[spool]]\nname = "mail"\npaths = ["/var/spool/mail/done/*"]\nkeep = "0 s"\n'
_PROGRAM = ("/opt/shredder/bin/python", "-I", "-m", "shredder")


def _texts(
    policy: str, *, spools: tuple[str, ...] = (), notify: str = "", btrfs: bool = False
) -> dict[str, str]:
    place = Place(_PROGRAM, notify, spools, btrfs)
    return {unit.name: unit.text for unit in make_units(make_policy(policy), place)}


def _service(policy: str, *, btrfs: bool = False) -> list[str]:
    return _texts(policy, btrfs=btrfs)["shredder-policy.service"].splitlines()


def _capabilities(policy: str, *, btrfs: bool = False) -> set[str]:
    lines = _service(policy, btrfs=btrfs)
    return {line.partition("=")[2] for line in lines if line.startswith("CapabilityBoundingSet=")}


def test_a_policy_without_spools_and_notify_gets_a_service_and_a_timer() -> None:
    assert set(_texts(_LOGS)) == {"shredder-policy.service", "shredder-policy.timer"}


def test_the_run_is_told_to_leave_notifying_to_systemd() -> None:
    command = '"/opt/shredder/bin/python" "-I" "-m" "shredder" "logs" "shred" "--no-notify"'
    assert f'ExecStart={command} "/etc/shredder/policy.toml"' in _service(_LOGS)


def test_every_unit_says_whose_it_is() -> None:
    texts = _texts('[run]\nnotify = ["tell"]\n' + _LOGS, spools=("/a",), notify="/usr/bin/tell")
    assert set(texts) == set(unit_names("policy").all)
    for text in texts.values():
        assert owner_mark("/etc/shredder/policy.toml") in text.splitlines()


def test_only_state_and_log_folders_can_be_written_to() -> None:
    policy = (
        '[run]\nstate = "/var/lib/s"\n'
        + _LOGS
        + '[[logs]]\nname = "a"\npaths = ["/srv/*/logs/x.log", "/var/log/web/old/*"]\nkeep = "1 day"\n'
    )
    lines = [line for line in _service(policy) if line.startswith("ReadWritePaths=")]
    assert lines == [f'ReadWritePaths="-{path}"' for path in ("/srv", "/var/lib/s", "/var/log/web")]
    assert "ProtectSystem=strict" in _service(policy)
    assert 'ReadWritePaths="-/var/lib/shredder/policy"' in _service(_LOGS)


def test_a_pattern_in_the_top_folder_takes_in_everything() -> None:
    assert log_folders(make_policy('[[logs]]\nname = "a"\npaths = ["/*/x.log"]\nkeep = "1 day"\n')) == ("/",)


_PLAIN = {"CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_SYS_PTRACE", "CAP_CHECKPOINT_RESTORE", "CAP_LEASE"}


@pytest.mark.parametrize(
    ("more", "btrfs", "added"),
    [
        ("", False, set()),
        ("", True, {"CAP_SYS_ADMIN"}),
        ('after = "recreate"\n', False, {"CAP_CHOWN"}),
        ('release = { service = "x", how = "signal:HUP" }\n', False, {"CAP_KILL"}),
        ('release = { service = "x", how = "reload" }\n', False, set()),
        ('hold = ["ask"]\n', False, {"CAP_KILL"}),
    ],
)
def test_capabilities_are_those_that_the_policy_needs(more: str, btrfs: bool, added: set[str]) -> None:
    assert _capabilities(_LOGS + more, btrfs=btrfs) == _PLAIN | added


def test_only_commands_get_a_network() -> None:
    assert "PrivateNetwork=true" in _service(_LOGS)
    for more in ('hold = ["ask"]\n', 'summarise = ["sum", "{file}"]\n', 'release = { how = "command: x" }\n'):
        assert "PrivateNetwork=true" not in _service(_LOGS + more)
    told = _texts('[run]\nnotify = ["tell"]\n' + _LOGS, notify="/usr/bin/tell")["shredder-policy.service"]
    assert "PrivateNetwork=true" in told.splitlines()


@pytest.mark.parametrize("folder", ["/tmp/app", "/var/tmp/app"])
def test_logs_in_the_shared_temporary_folder_are_seen(folder: str) -> None:
    assert "PrivateTmp=true" in _service(_LOGS)
    assert "PrivateTmp=true" not in _service(_LOGS.replace("/var/log/web", folder))


def test_the_timer_takes_interval_and_delay_from_the_policy() -> None:
    text = _texts('[run]\nevery = "6 h"\ndelay = "90 s"\n' + _LOGS)["shredder-policy.timer"].splitlines()
    assert {"OnCalendar=*-*-* 0/6:00:00 UTC", "RandomizedDelaySec=90s", "Persistent=true"} <= set(text)


@pytest.mark.parametrize(
    ("every_s", "said"),
    [
        (60, "*-*-* *:*:00 UTC"),
        (7 * 60, "*-*-* *:0/6:00 UTC"),
        (3599, "*-*-* *:0/30:00 UTC"),
        (3600, "*-*-* *:00:00 UTC"),
        (36 * 3600, "*-*-* 00:00:00 UTC"),
        (5 * 3600, "*-*-* 0/4:00:00 UTC"),
        (86_400, "*-*-* 00:00:00 UTC"),
        (7 * 86_400, "*-*-01,08,15,22,29 00:00:00 UTC"),
        (400 * 86_400, "*-*-01 00:00:00 UTC"),
    ],
)
def test_a_calendar_event_comes_at_least_so_often(every_s: int, said: str) -> None:
    assert calendar(every_s) == said


def test_a_path_unit_watches_the_spools_and_triggers_what_waits_behind_a_run() -> None:
    texts = _texts(_SPOOL, spools=("/var/spool/a b/100%",))
    assert "PathChanged=/var/spool/a b/100%%" in texts["shredder-policy.path"].splitlines()
    assert "Unit=shredder-spool@policy.service" in texts["shredder-policy.path"].splitlines()
    spool = texts["shredder-spool@policy.service"].splitlines()
    assert "After=shredder-policy.service" in spool
    assert any(line.endswith('"--no-block" "shredder-policy.service"') for line in spool)


@pytest.mark.parametrize("folder", ["/a\\", "/a ", "/a\nUnit=x", "/a\x7f"])
def test_a_folder_that_cannot_be_said_without_quotes_is_refused(folder: str) -> None:
    with pytest.raises(UsageError, match="cannot watch"):
        _texts(_SPOOL, spools=(folder,))


def test_only_spools_whose_files_fall_due_at_once_are_watched() -> None:
    later = _SPOOL.replace('"mail"', '"later"').replace("done", "later").replace("0 s", "4 h")
    count = (
        _SPOOL.replace('"mail"', '"count"').replace("done", "count").replace('keep = "0 s"', "keep_count = 3")
    )
    assert watched_patterns(make_policy(_LOGS + _SPOOL + later + count)) == (
        "/var/spool/mail/done",
        "/var/spool/mail/count",
    )


def test_who_is_told_runs_outside_of_the_sandbox_with_the_exit_code() -> None:
    policy = '[run]\nnotify = ["tell", "{policy}: {exit_code}!", "$HOME 5%"]\n' + _LOGS
    texts = _texts(policy, notify="/usr/bin/tell")
    failed = texts["shredder-failed@policy.service"].splitlines()
    said = '"/etc/shredder/policy.toml: ${MONITOR_EXIT_STATUS}!" "$$HOME 5%%"'
    assert f'ExecStart="/usr/bin/tell" {said}' in failed
    assert not any(line.startswith("ProtectSystem") for line in failed)
    assert "OnFailure=shredder-failed@policy.service" in texts["shredder-policy.service"].splitlines()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/a b", '"/a b"'),
        ('a"b\\c', '"a\\"b\\\\c"'),
        ("100%", '"100%%"'),
        ("a\nb\t\x7f", '"a\\x0ab\\x09\\x7f"'),
        ("Zürich", '"Zürich"'),
        ("$HOME", '"$HOME"'),
    ],
)
def test_values_are_quoted(text: str, said: str) -> None:
    assert quote(text) == said


def test_what_cannot_be_said_is_refused() -> None:
    with pytest.raises(UsageError):
        quote("a\0b")
    for program in ("shredder", "/opt/$x/python"):
        with pytest.raises(UsageError):
            quote_command((program,))
    with pytest.raises(UsageError):
        quote_command(("/bin/true", "a\0b"))


@given(st.text(), st.text())
def test_two_policies_never_share_a_name(one: str, other: str) -> None:
    names = escape_name(one), escape_name(other)
    assert (names[0] == names[1]) == (one == other)
    assert all(sign.isascii() and (sign.isalnum() or sign in ":_.-\\") for sign in names[0])


@given(st.text(min_size=1))
def test_a_quoted_value_stays_on_its_line(text: str) -> None:
    if "\0" not in text:
        assert len(quote(text).splitlines()) == 1


def test_a_name_that_is_too_long_is_refused() -> None:
    with pytest.raises(UsageError, match="too long"):
        unit_names("x" * 240)
