"""A booted Debian: what the installed units really do there, and with how little they do it."""

import json
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.support.debian_guest import DebianGuest

pytestmark = pytest.mark.long

_README = Path(__file__).parents[2] / "README.md"
_POLICY, _STATE = "/etc/shredder/web.toml", "/var/lib/shredder/web"
_TOLD = "/run/told"
_NUMBERS = count(1)
_RUN = f"""[run]
state = "{_STATE}"
notify = ["/usr/local/libexec/tell", "{{policy}}", "{{exit_code}}"]
every = "1 min"
delay = "0 s"
[defaults]
require = "proven"
open_limit = "10 s"
"""
_APP = """[[logs]]
name = "app"
paths = ["/var/log/app/*.log*"]
keep = "7 days"
"""
_SPOOL = """[[spool]]
name = "mail"
paths = ["/var/spool/responder/done/*"]
keep = "0 s"
"""
_JOURNAL = '[[journal]]\nname = "journald"\nkeep = "0 s"\n'
# far enough apart that no timer interferes with a test that starts the run itself
_SELDOM = _RUN.replace('"1 min"', '"30 days"')


@pytest.fixture
def debian(guest: DebianGuest) -> Iterator[DebianGuest]:
    """Return the guest, with a log of an application and an empty spool; no schedule is left behind."""
    guest("rm -rf /var/log/app /var/spool/responder /var/lib/shredder /run/told /etc/shredder")
    guest(
        "mkdir -p /var/log/app /var/spool/responder/done; chown -R www-data /var/log/app /var/spool/responder"
    )
    guest.put("/usr/local/libexec/tell", f'#!/bin/sh\necho "$1 $2" >> {_TOLD}')
    guest("chmod 755 /usr/local/libexec/tell; systemctl restart nginx.service")
    yield guest
    guest(f"shredder schedule remove {_POLICY}; rm -rf /etc/systemd/system/shredder-*.d", expect=None)
    guest("systemctl daemon-reload; systemctl stop 'shredder-*'; systemctl reset-failed", expect=None)


def _install(debian: DebianGuest, policy: str) -> str:
    debian.put(_POLICY, policy)
    return debian(f"shredder schedule install {_POLICY}")


def _make_due(debian: DebianGuest, name: str = "app.log.1") -> str:
    """Make a log that fell due two days ago; returns the letters that it alone is full of."""
    path, number = f"/var/log/app/{name}", next(_NUMBERS)
    debian(f'yes "CONFIDENTIAL-$((1000 + {number}))Q a record" | head -n 3000 > {path}; chmod 640 {path}')
    debian(f"chown www-data:adm {path}; sync; touch -d '9 days ago' {path}")
    return f"CONFIDENTIAL-{1000 + number}Q"


def _status(debian: DebianGuest) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(debian(f"shredder schedule status {_POLICY} --json"))
    return found


def _run(debian: DebianGuest, *, expect: int = 0) -> str:
    """Start a run, wait for its end; returns what it said."""
    debian("systemctl start shredder-web.service", expect=0 if expect in (0, 7) else 1)
    said = debian(
        "journalctl -u shredder-web.service --no-pager -o cat"
        " _SYSTEMD_INVOCATION_ID=$(systemctl show -P InvocationID shredder-web.service)"
    )
    assert _status(debian)["exit_code"] == expect, said
    return said


def _verdicts(debian: DebianGuest) -> str:
    """Check the last certificate; returns it as text."""
    folder = _status(debian)["last_folder"]
    debian(
        f"shredder certificate verify {folder}/certificate.json --trust {folder}/public-key.pem", expect=None
    )
    return debian(f"shredder certificate show {folder}/certificate.json", expect=None)


def test_the_timer_fires_and_the_log_is_gone_from_the_device(debian: DebianGuest) -> None:
    letters = _make_due(debian)
    debian("echo young > /var/log/app/app.log.2")
    assert int(debian(f"sync; grep -c {letters} /dev/vda")) > 0
    _install(debian, _RUN + _APP)
    debian.wait("[ ! -e /var/log/app/app.log.1 ]", 150)
    debian.wait("systemctl show -P ActiveState shredder-web.service | grep -qx inactive", 60)
    status = _status(debian)
    assert (status["result"], status["exit_code"], status["timer"]) == ("success", 0, "active")
    assert status["next_s"] or status["running"]
    assert debian("cat /var/log/app/app.log.2") == "young\n"
    folder = debian(f"ls -d {_STATE}/runs/* | head -n 1").strip()
    debian(f"shredder certificate verify {folder}/certificate.json --trust {folder}/public-key.pem")
    assert debian(f"sync; echo 3 > /proc/sys/vm/drop_caches; grep -c {letters} /dev/vda", expect=1) == "0\n"
    debian(f"test ! -e {_TOLD}")


def test_a_run_that_was_missed_is_made_up_for(debian: DebianGuest) -> None:
    _make_due(debian)
    _install(debian, _SELDOM + _APP)
    debian(
        "systemctl stop shredder-web.timer;"
        " touch -d '40 days ago' /var/lib/systemd/timers/stamp-shredder-web.timer"
    )
    debian("test -e /var/log/app/app.log.1; systemctl start shredder-web.timer")
    debian.wait("[ ! -e /var/log/app/app.log.1 ]", 60)


def test_a_spool_file_is_shredded_within_seconds(debian: DebianGuest) -> None:
    _install(debian, _SELDOM + _SPOOL)
    assert _status(debian)["spools"] == "active"
    debian("echo a mail > /var/spool/responder/m1; mv /var/spool/responder/m1 /var/spool/responder/done/")
    taken_s = debian.wait("[ ! -e /var/spool/responder/done/m1 ]", 60)
    print(f"moved into a spool and gone after {taken_s:.1f} s (emulated)")
    assert taken_s < 40
    debian("exec 3> /var/spool/responder/done/m2; echo a mail >&3; sleep 2; exec 3>&-")
    debian.wait("[ ! -e /var/spool/responder/done/m2 ]", 60)


def test_no_file_that_comes_while_a_run_goes_on_is_overlooked(debian: DebianGuest) -> None:
    """systemd watches nothing while what it triggered is active: this is what the unit in between is for."""
    _install(debian, _SELDOM + _SPOOL + 'hold = ["sleep", "6"]\n')
    debian("echo 1 > /var/spool/responder/done/m1")
    debian.wait("pgrep -x sleep", 60)
    debian("for i in $(seq 20); do echo $i > /var/spool/responder/done/later$i; done")
    debian.wait('[ -z "$(ls /var/spool/responder/done)" ]', 90)
    debian.wait("systemctl show -P ActiveState shredder-web.service | grep -qx inactive", 60)
    debian("systemctl is-active shredder-web.path")


def test_journals_are_rotated_and_shredded_and_still_verify(debian: DebianGuest) -> None:
    debian("for i in $(seq 50); do logger -t client '203.0.113.9 was here'; done; journalctl --rotate")
    archived = debian("ls /var/log/journal/*/system@*").split()
    assert archived
    _install(debian, _SELDOM + _JOURNAL)
    _run(debian)
    left = debian("ls /var/log/journal/*/").split()
    assert not {Path(path).name for path in archived} & set(left)
    assert "system.journal" in left
    debian("journalctl --verify")
    debian("logger -t client after; sleep 1; journalctl -t client --no-pager | grep -q after")
    assert "proven" in _verdicts(debian)


@pytest.mark.parametrize("how", ["signal:USR1", "reload", "restart", "stop-start"])
def test_nginx_lets_go_of_its_log_and_goes_on(how: str, debian: DebianGuest) -> None:
    _install(
        debian,
        _SELDOM
        + '[[logs]]\nname = "web"\npaths = ["/var/log/nginx/access.log*"]\nkeep = "0 s"\nrotate = "1 s"\n'
        + f'release = {{ service = "nginx.service", how = "{how}" }}\n',
    )
    debian("for i in $(seq 5); do curl -fsS -o /dev/null http://127.0.0.1/before; done", expect=22)
    debian("sleep 2; grep -q /before /var/log/nginx/access.log")
    get = "curl -sS -o /dev/null http://127.0.0.1"
    client = f"while [ -e /run/go-on ]; do {get}/during || echo lost; sleep 0.2; done"
    debian(f"touch /run/go-on; ({client}) > /run/lost 2>&1 &")
    try:
        _run(debian)
    finally:
        debian("rm -f /run/go-on; sleep 1")
    if how in ("signal:USR1", "reload"):
        assert debian("cat /run/lost") == ""
    debian("systemctl is-active nginx.service")
    debian(f"{get}/after; sleep 0.5; grep -q /after /var/log/nginx/access.log")
    debian("! grep -q /before /var/log/nginx/access.log*")
    assert "proven" in _verdicts(debian)


def test_a_failure_is_told_and_shown_also_when_the_policy_is_broken(debian: DebianGuest) -> None:
    _install(debian, _SELDOM + _APP)
    debian(f"echo typo = 1 >> {_POLICY}")
    _run(debian, expect=2)
    debian.wait(f"[ -e {_TOLD} ]", 30)
    assert debian(f"cat {_TOLD}") == f"{_POLICY} 2\n"
    said = debian(f"shredder schedule status {_POLICY}")
    assert "exit-code, exit code 2" in said
    assert "typo" in said


def test_a_run_that_keeps_a_file_back_tells_its_exit_code(debian: DebianGuest) -> None:
    _make_due(debian)
    _install(debian, _SELDOM + _APP)
    debian("(exec 3< /var/log/app/app.log.1; touch /run/open; sleep 40) > /dev/null 2>&1 & sleep 1")
    _run(debian, expect=4)
    debian.wait(f"[ -e {_TOLD} ]", 30)
    assert debian(f"cat {_TOLD}") == f"{_POLICY} 4\n"
    debian("test -s /var/log/app/app.log.1")


def test_a_hold_is_no_failure(debian: DebianGuest) -> None:
    _make_due(debian)
    _install(debian, _SELDOM + _APP + 'hold = ["sh", "-c", "exit 75"]\n')
    _run(debian, expect=7)
    debian(f"test -s /var/log/app/app.log.1; test ! -e {_TOLD}; ! systemctl is-failed shredder-web.service")


def test_installing_again_changes_only_what_differs_and_remove_leaves_nothing(debian: DebianGuest) -> None:
    assert _install(debian, _SELDOM + _APP + _SPOOL).count("written: ") == 5
    assert _install(debian, _SELDOM + _APP + _SPOOL) == "nothing to change\n"
    assert "removed: shredder-web.path" in _install(debian, _SELDOM + _APP)
    debian("systemctl is-active shredder-web.path", expect=3)
    debian(f"mv {_POLICY} /root/gone")
    debian(f"shredder schedule remove {_POLICY}")
    assert debian(f"shredder schedule remove {_POLICY}") == "nothing was installed\n"
    assert debian("ls /etc/systemd/system /etc/systemd/system/*.wants | grep shredder", expect=1) == ""
    debian(f"shredder schedule status {_POLICY}", expect=2)


def test_what_others_can_change_is_not_installed(debian: DebianGuest) -> None:
    debian.put(_POLICY, _RUN + _APP)
    debian(f"chmod o+w {_POLICY}; shredder schedule install {_POLICY}", expect=3)
    debian(f"chmod o-w {_POLICY}; cp -a /opt/shredder /opt/mine; chown www-data /opt/mine/bin")
    debian(
        f"/opt/mine/bin/python -I -m shredder schedule install {_POLICY};"
        " code=$?; rm -rf /opt/mine; exit $code",
        expect=3,
    )
    assert debian("ls /etc/systemd/system | grep shredder", expect=1) == ""


_NEEDS = {
    "CAP_DAC_OVERRIDE": "",
    "CAP_FOWNER": "chmod 1777 /var/log/app; chmod o-w /var/log/app; chown www-data /var/log/app",
    # who cannot be seen is asked for by a lease: a run does without one of the two
    "CAP_SYS_PTRACE CAP_LEASE": "",
    "CAP_CHECKPOINT_RESTORE": '(python3 -c \'import mmap, os, time; f = os.open("/var/log/app/app.log.1", 0);'
    " m = mmap.mmap(f, 0, prot=1); os.close(f); time.sleep(300)' > /dev/null 2>&1 & echo $! > /run/mapper);"
    " sleep 1",
    "CAP_CHOWN": "",
    "CAP_KILL": "",
}


@pytest.mark.parametrize("capabilities", _NEEDS)
def test_a_run_fails_without_any_of_its_capabilities(capabilities: str, debian: DebianGuest) -> None:
    _make_due(debian)
    _make_due(debian, "app.log")
    debian("systemd-run --unit=app --uid=www-data --collect sleep 600")
    debian(_NEEDS[capabilities])
    rule = _APP.replace('"7 days"', '"7 days"\nrotate = "1 s"\nafter = "recreate"')
    _install(debian, _SELDOM + rule + 'release = { service = "app.service", how = "signal:CONT" }\n')
    try:
        debian.put(
            "/etc/systemd/system/shredder-web.service.d/less.conf",
            f"[Service]\nCapabilityBoundingSet=~{capabilities}",
        )
        debian("systemctl daemon-reload; systemctl start shredder-web.service", expect=1)
        debian("kill $(cat /run/mapper); rm /run/mapper", expect=None)
        debian("rm -r /etc/systemd/system/shredder-web.service.d; systemctl daemon-reload")
        _run(debian)
    finally:
        debian("systemctl stop app.service")


def test_the_raw_devices_cannot_be_written_to_by_a_run(debian: DebianGuest) -> None:
    read, write = "dd if=/dev/vda of=/dev/null count=1", "dd if=/dev/null of=/dev/vda conv=notrunc count=0"
    rule = _APP + f'hold = ["sh", "-c", "{read} && ! {write} && exit 75"]\n'
    _make_due(debian)
    _install(debian, _SELDOM + rule)
    _run(debian, expect=7)


def test_logrotate_hands_files_over_before_it_removes_them(debian: DebianGuest) -> None:
    """Just as the README says it, in logrotate's own sandbox."""
    text = _README.read_text(encoding="utf-8")
    rotate, override = re.findall(r"```text (?:logrotate|override)\n(.*?)```", text, re.DOTALL)
    letters = _make_due(debian, "app.log.2")
    debian("cd /var/log/app; mv app.log.2 app.log.1; echo now > app.log; chown www-data *")
    rotate = rotate.replace("rotate 6", "rotate 1").replace("daily", "size 1")
    debian.put("/etc/logrotate.d/app", rotate)
    debian.put("/etc/systemd/system/logrotate.service.d/shredder.conf", override)
    debian("systemctl daemon-reload; rm -f /var/lib/logrotate/status; systemctl start logrotate.service")
    debian("test ! -e /var/log/app/app.log.2; test -e /var/log/app/app.log.1")
    assert debian(f"sync; echo 3 > /proc/sys/vm/drop_caches; grep -c {letters} /dev/vda", expect=1) == "0\n"
    folder = debian("ls -d /var/lib/shredder/by-hand/runs/*").strip()
    assert "proven" in debian(f"shredder certificate show {folder}/certificate.json", expect=None)
    debian("rm -r /etc/logrotate.d/app /etc/systemd/system/logrotate.service.d; systemctl daemon-reload")
