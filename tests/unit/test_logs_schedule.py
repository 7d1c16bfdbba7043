"""Installing, asking after and removing units, in a folder of the test, with a systemd that only listens."""

from pathlib import Path

import pytest

from shredder.errors import RefusedError, UsageError
from shredder.logs.schedule import find_change, install, remove
from shredder.logs.schedule_status import read_status
from shredder.logs.systemctl import Systemctl

_PROGRAM = ("/opt/shredder/bin/python", "-I", "-m", "shredder")


class Listener(Systemctl):
    """Notes what was asked for, and answers `show` from a table."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.answers: dict[str, str] = {}

    def require(self) -> None:
        """It is there."""

    def call(self, *words: str) -> str:
        self.calls.append(words)
        return self.answers.get(words[-1], "")


@pytest.fixture
def systemctl() -> Listener:
    return Listener()


@pytest.fixture
def units(tmp_path: Path) -> Path:
    folder = tmp_path / "units"
    folder.mkdir()
    return folder


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return _write(tmp_path / "web.toml")


def _write(path: Path, rules: str = "", run: str = "") -> Path:
    base = path.parent
    path.write_text(
        f'[run]\nstate = "{base}/state"\n{run}'
        f'[[logs]]\nname = "web"\npaths = ["{base}/logs/*.log*"]\nkeep = "7 days"\n{rules}'
    )
    return path


def _spool(policy: Path) -> str:
    return f'[[spool]]\nname = "mail"\npaths = ["{policy.parent}/spool/*/done/*"]\nkeep = "0 s"\n'


def test_units_are_written_and_the_timer_is_started(policy: Path, units: Path, systemctl: Listener) -> None:
    done = install(policy, _PROGRAM, systemctl, units)
    assert done.written == ("shredder-web.service", "shredder-web.timer")
    assert sorted(path.name for path in units.iterdir()) == sorted(done.written)
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in units.iterdir())
    assert systemctl.calls == [
        ("daemon-reload",),
        ("enable", "--quiet", "shredder-web.timer"),
        ("restart", "shredder-web.timer"),
    ]
    assert (policy.parent / "state").stat().st_mode & 0o777 == 0o700


def test_a_second_installation_changes_nothing(policy: Path, units: Path, systemctl: Listener) -> None:
    install(policy, _PROGRAM, systemctl, units)
    before = {path.name: path.stat().st_mtime_ns for path in units.iterdir()}
    systemctl.calls.clear()
    assert install(policy, _PROGRAM, systemctl, units).written == ()
    assert {path.name: path.stat().st_mtime_ns for path in units.iterdir()} == before
    assert ("daemon-reload",) not in systemctl.calls
    assert ("restart", "shredder-web.timer") not in systemctl.calls


def test_what_a_changed_policy_needs_no_more_is_taken_away(
    policy: Path, units: Path, systemctl: Listener
) -> None:
    _write(policy, _spool(policy))
    assert "shredder-web.path" in install(policy, _PROGRAM, systemctl, units).written
    _write(policy)
    done = install(policy, _PROGRAM, systemctl, units)
    assert done.removed == ("shredder-web.path", "shredder-spool@web.service")
    assert ("disable", "--quiet", "--now", "shredder-web.path") in systemctl.calls
    assert sorted(path.name for path in units.iterdir()) == ["shredder-web.service", "shredder-web.timer"]


def test_each_spool_folder_that_is_there_is_watched(policy: Path, units: Path, systemctl: Listener) -> None:
    _write(policy, _spool(policy))
    for name in ("a", "b"):
        (policy.parent / "spool" / name / "done").mkdir(parents=True)
    install(policy, _PROGRAM, systemctl, units)
    text = (units / "shredder-web.path").read_text()
    watched = [line for line in text.splitlines() if line.startswith("PathChanged=")]
    assert watched == [f"PathChanged={policy.parent}/spool/{name}/done" for name in ("a", "b")]


def test_units_of_others_are_left_alone(
    policy: Path, units: Path, systemctl: Listener, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    install(_write(other / "web.toml"), _PROGRAM, systemctl, units)
    before = {path.name: path.read_text() for path in units.iterdir()}
    for act in (
        lambda: install(policy, _PROGRAM, systemctl, units),
        lambda: remove(policy, systemctl, units),
        lambda: read_status(policy, _PROGRAM, systemctl, units),
    ):
        with pytest.raises(RefusedError, match="another policy"):
            act()
    assert {path.name: path.read_text() for path in units.iterdir()} == before


def test_a_masked_unit_is_left_alone(policy: Path, units: Path, systemctl: Listener) -> None:
    (units / "shredder-web.timer").symlink_to("/dev/null")
    with pytest.raises(RefusedError, match="not ours"):
        install(policy, _PROGRAM, systemctl, units)


@pytest.mark.parametrize("mend", ["typo = 1\n", 'hold = ["no-such-program-here"]\n'])
def test_a_broken_policy_is_not_installed(mend: str, policy: Path, units: Path, systemctl: Listener) -> None:
    _write(policy, mend)
    with pytest.raises(UsageError):
        install(policy, _PROGRAM, systemctl, units)
    assert list(units.iterdir()) == []
    assert systemctl.calls == []


def test_a_policy_that_others_can_change_is_not_installed(
    policy: Path, units: Path, systemctl: Listener
) -> None:
    policy.chmod(0o666)
    with pytest.raises(RefusedError, match="written to by everybody"):
        install(policy, _PROGRAM, systemctl, units)
    assert list(units.iterdir()) == []


def test_remove_needs_no_policy_and_may_be_repeated(policy: Path, units: Path, systemctl: Listener) -> None:
    install(policy, _PROGRAM, systemctl, units)
    policy.unlink()
    systemctl.calls.clear()
    assert remove(policy, systemctl, units) == ("shredder-web.service", "shredder-web.timer")
    assert list(units.iterdir()) == []
    assert systemctl.calls == [("disable", "--quiet", "--now", "shredder-web.timer"), ("daemon-reload",)]
    assert remove(policy, systemctl, units) == ()


def test_the_status_names_last_result_and_next_run(policy: Path, units: Path, systemctl: Listener) -> None:
    install(policy, _PROGRAM, systemctl, units)
    systemctl.answers["shredder-web.service"] = (
        "Result=exit-code\nExecMainStatus=4\nActiveState=failed\n"
        "ExecMainExitTimestamp=Sat 2026-11-21 08:03:06 UTC\n"
    )
    systemctl.answers["shredder-web.timer"] = (
        "NextElapseUSecRealtime=Sun 2026-11-22 00:07:00 UTC\nLastTriggerUSec=\nActiveState=active\n"
    )
    status = read_status(policy, _PROGRAM, systemctl, units)
    assert (status.result, status.exit_code, status.ended_s) == ("exit-code", 4, 1_795_248_186)
    assert (status.timer, status.next_s, status.triggered_s) == ("active", 1_795_306_020, None)
    assert not status.running
    assert status.change == ""


def test_before_the_first_run_there_is_no_result(policy: Path, units: Path, systemctl: Listener) -> None:
    install(policy, _PROGRAM, systemctl, units)
    systemctl.answers["shredder-web.service"] = "Result=success\nExecMainStatus=0\nActiveState=inactive\n"
    status = read_status(policy, _PROGRAM, systemctl, units)
    assert (status.result, status.exit_code, status.ended_s) == ("", None, None)


def test_the_status_says_that_the_policy_has_changed(policy: Path, units: Path, systemctl: Listener) -> None:
    install(policy, _PROGRAM, systemctl, units)
    _write(policy, run='every = "1 h"\n')
    assert "shredder-web.timer is not what" in find_change(policy, _PROGRAM, units)
    _write(policy, "typo = 1\n")
    assert "typo" in read_status(policy, _PROGRAM, systemctl, units).change


def test_without_an_installation_there_is_no_status(policy: Path, units: Path, systemctl: Listener) -> None:
    with pytest.raises(UsageError, match="no schedule"):
        read_status(policy, _PROGRAM, systemctl, units)


def test_where_systemd_does_not_run_nothing_is_written(
    policy: Path, units: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shredder.logs.systemctl._RUNS", units / "no such folder")
    with pytest.raises(RefusedError, match="does not run here") as caught:
        install(policy, _PROGRAM, Systemctl(), units)
    assert "shredder logs shred" in str(caught.value.hint)
    assert list(units.iterdir()) == []
    assert not (policy.parent / "state").exists()
