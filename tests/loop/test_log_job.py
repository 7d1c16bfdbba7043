"""The job of logs on a real ext4: its order, what holds it up, what it refuses, and what it says of each."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from shredder.discover import lineages
from shredder.discover.permissions import distrust_log_folder
from shredder.errors import ExitCode
from tests.support.command import Shredder
from tests.support.devices import LoopDevice
from tests.support.log_files import exchange, mount_with, on_device
from tests.support.log_runs import (
    ADDRESS,
    DAY_S,
    LogsRun,
    Place,
    clock_at,
    flatten,
    make_place,
    shred_at,
    shred_by_command,
)
from tests.support.machine import run as run_tool

MIB = 1 << 20
WEEK = """
    [[logs]]
    name = "web"
    paths = ["{logs}/*.log*"]
    keep = "7 days"
"""


@pytest.fixture
def disk(loop_factory: Callable[..., LoopDevice]) -> LoopDevice:
    return loop_factory(48 * MIB)


@pytest.fixture
def place(disk: LoopDevice, mounted: Callable[..., Path]) -> Place:
    return make_place(mounted(disk.path, "ext4"))


@pytest.fixture
def journalled(loop_factory: Callable[..., LoopDevice], tmp_path: Path, undo: ExitStack) -> Place:
    loop = loop_factory(48 * MIB)
    run_tool("mkfs.ext4", "-q", loop.path)
    return make_place(mount_with(loop, tmp_path / "journalled", "data=journal", undo))


@pytest.fixture
def start() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start a process that ends with the test."""
    with ExitStack() as stack:

        def begin(*words: str | Path) -> "subprocess.Popen[str]":
            process = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True)
            stack.callback(_end, process)
            return process

        yield begin


def _end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def hold_open(start: Callable[..., "subprocess.Popen[str]"], path: Path) -> "subprocess.Popen[str]":
    """Have another process keep a file open; returns when it has."""
    process = start(
        sys.executable,
        "-c",
        f"import time; f = open({str(path)!r}, 'a'); print(1, flush=True); time.sleep(600)",
    )
    assert process.stdout
    process.stdout.readline()
    return process


def running(group: int) -> Iterator[str]:
    """Yield the processes of a group that have not ended, if only their parent had looked."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, found = path.read_text().rpartition(")")[2].split()[:3]
            if int(found) == group and state != "Z":
                yield str(path)


def end_all(script: Path) -> None:
    """End what a killed run has left running."""
    found = subprocess.run(["pgrep", "-f", str(script)], capture_output=True, text=True, check=False)
    for pid in found.stdout.split():
        os.killpg(int(pid), signal.SIGKILL)


def wait_for(path: Path) -> None:
    ends_at = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < ends_at, f"{path} never came"
        time.sleep(0.01)


def test_what_is_due_is_gone_from_the_device_and_the_rest_stays(
    place: Place, disk: LoopDevice, shredder: Shredder
) -> None:
    place.write_policy(WEEK)
    old, young = place.write_log("access.log.2", 9), place.logs / "access.log.1"
    young.write_text("kept")
    place.write_log("access.log", 0, lines=0)
    assert on_device(disk, ADDRESS.encode())
    run = shred_by_command(shredder, place)
    assert not old.exists()
    assert young.read_text() == "kept"
    assert on_device(disk, ADDRESS.encode()) == []
    assert run.results()["access.log.2"]["grade"] == "proven"
    assert list(place.logs.iterdir()) != []
    (decided,) = run.events("files-decided")
    assert {Path(file["path"]).name: file["verdict"] for file in decided["files"]} == {
        "access.log": "not due",
        "access.log.1": "not due",
        "access.log.2": "due",
    }


def test_no_content_of_a_log_enters_the_evidence(place: Place, shredder: Shredder) -> None:
    place.write_policy(WEEK)
    place.write_log("access.log.2", 9)
    run = shred_by_command(shredder, place)
    for path in run.folder.iterdir():
        assert ADDRESS.encode() not in path.read_bytes()
        assert b"hunter2" not in path.read_bytes()


def test_everything_in_its_order(place: Place, shredder: Shredder) -> None:
    """Each step notes what it sees; the live file was renamed before anything else happened."""
    note = f'echo "$0 $(ls {place.logs} | grep -c "log-")" >> {place.root}/seen'
    for name in ("release", "hold", "summary"):
        place.write_script(
            name, note.replace("$0", name) + ("; echo visits: 400" if name == "summary" else "")
        )
    live = place.write_log("access.log", 9)
    place.write_policy(
        WEEK
        + """
    rotate = "1 day"
    release = { how = "command: {root}/release" }
    hold = ["{root}/hold", "{name}", "{from}", "{to}"]
    summarise = ["{root}/summary", "{file}"]
    """
    )
    run = shred_by_command(shredder, place)
    assert run.order == [
        "logs-started",
        "files-decided",
        "lineage-rotated",
        "service-released",
        "hold-checked",
        "summarised",
        "files-shredded",
        "logs-ended",
    ]
    assert (place.root / "seen").read_text().splitlines() == ["release 1", "hold 1", "summary 1"]
    assert list(place.logs.iterdir()) == []
    assert not live.exists()
    (summary,) = place.state.glob("web-*.txt")
    assert summary.read_text() == "visits: 400\n"


@pytest.mark.parametrize("signal_name", [None, signal.SIGTERM, signal.SIGINT])
def test_a_stopped_service_comes_back_whatever_happens(
    signal_name: signal.Signals | None, place: Place, shredder: Shredder
) -> None:
    place.write_script("stop", f"echo stopped >> {place.root}/seen")
    place.write_script(
        "start", f"ls {place.logs} | wc -l >> {place.root}/seen; echo started >> {place.root}/seen"
    )
    place.write_script("hold", f"touch {place.root}/holding; sleep {0 if signal_name is None else 30}")
    place.write_policy(
        WEEK
        + """
    release = { how = "stop-start", stop = ["{root}/stop"], start = ["{root}/start"] }
    hold = ["{root}/hold"]
    """
    )
    place.write_log("access.log", 9)
    process = shredder.start("logs", "shred", place.policy)
    if signal_name is not None:
        wait_for(place.root / "holding")
        process.send_signal(signal_name)
    code = process.wait(30)
    seen = (place.root / "seen").read_text().split()
    left = "0" if signal_name is None else "1"
    assert seen == ["stopped", left, "started"]
    assert code == (0 if signal_name is None else 130)
    assert json.loads((place.state / "stopped.json").read_text())["services"] == []


def test_a_service_that_does_not_come_back_is_the_loudest_error(place: Place, shredder: Shredder) -> None:
    place.write_script("stop", "exit 0")
    place.write_script("start", f"test -e {place.root}/repaired")
    place.write_policy(
        WEEK + '\nrelease = { how = "stop-start", stop = ["{root}/stop"], start = ["{root}/start"] }\n'
    )
    place.write_log("access.log", 9)
    run = shred_by_command(shredder, place, expect=9)
    shown = shredder("certificate", "show", run.folder / "certificate.json", expect=9).stdout
    assert "THE SERVICE OF web DID NOT COME BACK" in shown.splitlines()[0]
    # the next run tries again, though nothing is due
    shred_by_command(shredder, place, expect=9)
    (place.root / "repaired").touch()
    run = shred_by_command(shredder, place)
    assert run.events("leftovers-found")[0]["services"][0]["error"] is None
    assert "leftovers-found" not in shred_by_command(shredder, place).order


def test_a_killed_run_leaves_its_service_to_the_next(place: Place, shredder: Shredder) -> None:
    place.write_script("stop", f"echo stopped >> {place.root}/seen")
    place.write_script("start", f"echo started >> {place.root}/seen")
    place.write_script("hold", f"test -e {place.root}/holding || {{ touch {place.root}/holding; sleep 60; }}")
    place.write_policy(
        WEEK
        + """
    release = { how = "stop-start", stop = ["{root}/stop"], start = ["{root}/start"] }
    hold = ["{root}/hold"]
    """
    )
    place.write_log("access.log", 9)
    process = shredder.start("logs", "shred", place.policy)
    wait_for(place.root / "holding")
    process.kill()
    process.wait()
    end_all(place.root / "hold")
    assert (place.root / "seen").read_text().split() == ["stopped"]
    run = shred_by_command(shredder, place)
    assert (place.root / "seen").read_text().split() == ["stopped", "started"]
    killed = place.runs[0]
    shown = shredder(
        "certificate", "verify", killed.folder / "certificate.json", "--integrity-only", expect=130
    )
    assert "the evidence stops before the end of the run" in shown.stdout
    previous = run.events("logs-started")[0]["previous"]
    assert previous["run_id"] == killed.events("logs-started")[0]["run_id"]
    assert previous["ended_at"] is None
    assert len(previous["evidence_sha256"]) == 64
    # the renamed file is due still, and is shredded now
    assert list(place.logs.iterdir()) == []


def test_a_service_that_was_not_told_is_told_by_the_next_run(
    place: Place, shredder: Shredder, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    """Killed between rename and release; the rotated file is not due yet, and its writer never lets go."""
    place.write_script("release", f"touch {place.root}/releasing; test -e {place.root}/go || sleep 60")
    place.write_policy(WEEK + '\nrotate = "1 day"\nrelease = { how = "command: {root}/release" }\n')
    live = place.write_log("access.log", 2)
    hold_open(start, live)
    process = shredder.start("logs", "shred", place.policy)
    wait_for(place.root / "releasing")
    process.kill()
    process.wait()
    end_all(place.root / "release")
    assert not live.exists()
    (place.root / "go").touch()
    run = shred_by_command(shredder, place)
    assert run.events("service-released")[0]["error"] is None
    assert "service-released" not in shred_by_command(shredder, place).order


def test_a_file_that_stays_open_is_kept(
    place: Place, shredder: Shredder, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    place.write_policy(WEEK + '\nopen_limit = "1 s"\n')
    kept, gone = place.write_log("access.log.2", 9), place.write_log("access.log.3", 10)
    before = kept.read_bytes()
    process = hold_open(start, kept)
    run = shred_by_command(shredder, place, expect=4)
    assert kept.read_bytes() == before
    assert not gone.exists()
    (event,) = run.events("still-open")
    assert f"process {process.pid} (" in event["by"]
    assert event["waited_ms"] >= 1000
    process.kill()
    process.wait()
    shred_by_command(shredder, place)
    assert not kept.exists()


def test_a_live_file_that_nobody_can_be_told_to_let_go_of_is_not_renamed(
    place: Place, shredder: Shredder, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    place.write_policy(WEEK + '\nopen_limit = "0 s"\n')
    live = place.write_log("access.log", 9)
    hold_open(start, live)
    shred_by_command(shredder, place, expect=4)
    assert [path.name for path in place.logs.iterdir()] == ["access.log"]


@pytest.mark.parametrize(
    ("script", "code", "answer"),
    [
        ("exit 0", 0, "clear"),
        ("exit 75", 7, "hold"),
        ("exit 1", 9, "failed"),
        ("exit 126", 9, "failed"),
        ("kill -9 $$", 9, "failed"),
        ("sleep 60 & sleep 60", 9, "failed"),
        ("trap '' TERM; while :; do sleep 1; done", 9, "failed"),
    ],
)
def test_what_the_check_answers(
    script: str, code: int, answer: str, place: Place, shredder: Shredder
) -> None:
    place.write_script("hold", f"echo $$ > {place.root}/pid; {script}")
    place.write_policy(WEEK + '\nhold = ["{root}/hold"]\nhook_limit = "1 s"\n')
    log = place.write_log("access.log.2", 9)
    before = log.read_bytes()
    run = shred_by_command(shredder, place, expect=code)
    assert run.events("hold-checked")[0]["answer"] == answer
    assert log.exists() == (answer != "clear")
    assert not log.exists() or log.read_bytes() == before
    group = int((place.root / "pid").read_text())
    assert list(running(group)) == []


def test_a_check_that_is_gone_holds(place: Place, shredder: Shredder) -> None:
    hook = place.write_script("hold", f"rm {place.root}/hold; exit 75")
    place.write_policy(WEEK + f'\nhold = ["{hook}"]\n')
    log = place.write_log("access.log.2", 9)
    shred_by_command(shredder, place, expect=7)
    shredder("logs", "shred", place.policy, expect=2)
    assert log.exists()


def test_the_check_is_told_the_time_range_and_nothing_else(place: Place, shredder: Shredder) -> None:
    place.write_script(
        "hold",
        f'cd {place.root}; echo "$@" > seen; env > env; ls -l /proc/self/fd > fds',
    )
    place.write_policy(WEEK + '\nhold = ["{root}/hold", "{name}", "{from}", "{to}"]\n')
    place.write_log("access.log.2", 9, lines=400)
    place.write_log("access.log.3", 20, lines=400)
    shred_by_command(shredder, place)
    name, from_, to = (place.root / "seen").read_text().split()
    assert name == "web"
    spans = [time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone for text in (from_, to)]
    assert abs(time.time() - spans[0] - (20 * DAY_S + 400)) < 60
    assert abs(time.time() - spans[1] - 9 * DAY_S) < 60
    names = {line.partition("=")[0] for line in (place.root / "env").read_text().splitlines()}
    assert names <= {"PATH", "LANG", "HOME", "PWD", "OLDPWD", "SHLVL", "_"}
    assert str(place.root) not in (place.root / "fds").read_text().replace(f"{place.root}/fds", "")


def test_a_hold_of_the_check_lasts_until_it_clears_and_grows_loud(place: Place) -> None:
    place.write_script("hold", f"test -e {place.root}/clear || exit 75")
    place.write_policy(WEEK + '\nhold = ["{root}/hold"]\nhold_at_most = "3 days"\n')
    now_s = int(time.time())
    log = place.write_log("access.log.2", 9)
    assert shred_at(place, now_s).exit_code == 7
    assert shred_at(place, now_s + 2 * DAY_S).exit_code == 7
    loud = shred_at(place, now_s + 4 * DAY_S)
    assert loud.exit_code == 9
    assert "a person must decide" in loud.report.headline
    (place.root / "clear").touch()
    assert shred_at(place, now_s + 5 * DAY_S).exit_code == 0
    assert not log.exists()
    assert shred_at(place, now_s + 6 * DAY_S).report.start.holds[0].released_s == now_s + 5 * DAY_S
    assert shred_at(place, now_s + 7 * DAY_S).report.start.holds == ()


def test_a_hold_by_hand_stands_in_the_evidence_of_the_next_run(place: Place, shredder: Shredder) -> None:
    place.write_policy(WEEK)
    log = place.write_log("access.log.2", 9)
    shredder("logs", "hold", place.policy, "web", "--until", "2099-01-01", "--reason", "court order 7")
    run = shred_by_command(shredder, place, expect=7)
    assert log.exists()
    assert run.events("logs-started")[0]["holds"][0]["reason"] == "court order 7"
    shredder("logs", "release", place.policy, "web")
    run = shred_by_command(shredder, place)
    assert run.events("logs-started")[0]["holds"][0]["released_s"]
    assert not log.exists()
    assert shred_by_command(shredder, place).events("logs-started")[0]["holds"] == []


SUMMARY = '\nsummarise = ["{root}/summary", "{state}/{name}-{date}.json", "{file}"]\n'


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 1", "it exited with 1"),
        ("exit 0", "it left no summary"),
        ("echo half > $1; exit 3", "it exited with 3"),
        ("echo half > $1; sleep 60", "it took longer than 1 s"),
        (f"echo {ADDRESS} > $1", "still holds a whole IP address"),
        ("echo 2001:db8::7:1 > $1", "still holds a whole IP address"),
        (f"echo {ADDRESS} | gzip > $1", "cannot be searched for addresses"),
        (f"echo {ADDRESS} | iconv -t UTF-16 > $1", "cannot be searched for addresses"),
        (f"echo ip_{ADDRESS} > $1", "still holds a whole IP address"),
        ("ln -s /etc/passwd $1", "not a regular file"),
    ],
)
def test_a_summary_that_fails_keeps_the_files(
    script: str, said: str, place: Place, shredder: Shredder
) -> None:
    place.write_script("summary", script)
    place.write_policy(WEEK + SUMMARY + 'hook_limit = "1 s"\n')
    log = place.write_log("access.log.2", 9)
    before = log.read_bytes()
    run = shred_by_command(shredder, place, expect=9)
    assert said in run.events("summarised")[0]["error"]
    assert log.read_bytes() == before
    assert list(place.state.glob("web-*")) == []
    assert list(place.state.glob(".summary*")) == []


@pytest.mark.parametrize(
    "address", ["203.0.113.0", "2001:db8:1:2::", "127.0.0.1", "::1", "12:34:56", "1.2.3"]
)
def test_a_shortened_address_may_stay(address: str, place: Place, shredder: Shredder) -> None:
    place.write_script("summary", f'echo \'{{"visitor": "{address}"}}\' > $1')
    place.write_policy(WEEK + SUMMARY)
    place.write_log("access.log.2", 9)
    shred_by_command(shredder, place)
    assert address in next(place.state.glob("web-*.json")).read_text()


def test_full_addresses_are_kept_where_the_policy_allows_them(place: Place, shredder: Shredder) -> None:
    place.write_script("summary", f"echo {ADDRESS} | tee $1 | gzip > $1.gz")
    place.write_policy(WEEK + SUMMARY + "allow_full_ip = true\n")
    place.write_log("access.log.2", 9)
    shred_by_command(shredder, place)


def test_exactly_what_falls_due_is_summarised(place: Place, shredder: Shredder) -> None:
    place.write_script("summary", 'out=$1; shift; for f; do basename "$f" >> $out; done')
    place.write_policy(WEEK + SUMMARY)
    place.write_log("access.log.1", 1)
    place.write_log("access.log.2", 8)
    place.write_log("access.log.3", 9)
    shred_by_command(shredder, place)
    place.write_log("access.log.4", 10)
    shred_by_command(shredder, place)
    first, second = sorted(place.state.glob("web-*.json"), key=lambda path: path.stat().st_mtime_ns)
    assert set(first.read_text().split()) == {"access.log.2", "access.log.3"}
    assert second.read_text().split() == ["access.log.4"]


def test_nothing_is_summarised_twice(place: Place, shredder: Shredder) -> None:
    place.write_script("summary", f"echo x > $1; echo $# >> {place.root}/seen")
    place.write_policy(WEEK + SUMMARY)
    log = place.write_log("access.log.2", 9)
    run_tool("chattr", "+i", log)
    try:
        shred_by_command(shredder, place, expect=4)
        shred_by_command(shredder, place, expect=4)
    finally:
        run_tool("chattr", "-i", log)
    shred_by_command(shredder, place)
    assert (place.root / "seen").read_text().split() == ["2"]
    assert json.loads((place.state / "summarised.json").read_text())["marks"] == []


@pytest.mark.parametrize("attribute", ["i", "a"])
def test_an_immutable_file_is_kept(attribute: str, place: Place, shredder: Shredder) -> None:
    place.write_policy(WEEK)
    log = place.write_log("access.log.2", 9)
    before = log.read_bytes()
    run_tool("chattr", f"+{attribute}", log)
    try:
        run = shred_by_command(shredder, place, expect=4)
        assert "has the attribute" in run.results()["access.log.2"]["problem"]
        assert log.read_bytes() == before
    finally:
        run_tool("chattr", f"-{attribute}", log)


@pytest.mark.parametrize(
    "swap",
    [
        "ln -sf {root}/innocent {log}",
        "mv {log} {log}.was; ln -s {root}/innocent {log}",
        "rm {log}; cp {root}/innocent {log}",
        "rm {log}; mkfifo {log}",
        "rm {log}; ln {root}/innocent {log}",
        "echo more >> {log}",
        "rm {log}",
    ],
)
def test_a_file_replaced_in_mid_run_is_not_touched(swap: str, place: Place, shredder: Shredder) -> None:
    innocent = place.root / "innocent"
    innocent.write_text("innocent")
    log = place.write_log("access.log.2", 9)
    # between the last look at it and its turn
    place.write_script("hold", swap.replace("{root}", str(place.root)).replace("{log}", str(log)))
    place.write_policy(WEEK.replace("*.log*", "*.log.2") + '\nhold = ["{root}/hold"]\n')
    shredder("logs", "shred", place.policy, expect=None)
    assert innocent.read_text() == "innocent"
    run = place.runs[-1]
    result = run.results()["access.log.2"]
    assert (result["state"], result["grade"]) == ("untouched", None)
    assert "more" not in swap or log.read_text().endswith("more\n")


APPENDER = """
import sys, time
from pathlib import Path
log, summary, end = map(Path, sys.argv[1:])
number = 0
while not summary.exists():
    time.sleep(0.02)
time.sleep(0.6)
while not end.exists():
    with log.open("a") as file:
        file.write(f"late {number}\\n")
    number += 1
    time.sleep(0.02)
print(number)
"""


def test_a_line_that_comes_while_its_round_is_overwritten_is_not_lost(
    place: Place, shredder: Shredder, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    """The rate holds the large file of the round up for a second; the small one is long pinned then."""
    place.write_script("summary", f"echo x > $1; touch {place.root}/summarised")
    place.write_policy(WEEK + SUMMARY + 'limit = "6 MiB/s"\n')
    large = place.write_log("a.log.2", 9, lines=70_000)
    small = place.write_log("z.log.2", 9, lines=8)
    summarised, end = place.root / "summarised", place.root / "end"
    appender = start(sys.executable, "-c", APPENDER, small, summarised, end)
    run = shred_by_command(shredder, place, expect=4)
    end.touch()
    written = int(appender.communicate(timeout=10)[0])
    assert written > 2
    assert not large.exists()
    assert run.results()["z.log.2"]["problem"] is not None
    lines = small.read_text().splitlines()
    assert lines[8:] == [f"late {number}" for number in range(written)]


def test_a_folder_that_becomes_a_link_leads_nowhere(place: Place, shredder: Shredder) -> None:
    other = place.root / "other"
    other.mkdir()
    inner = place.logs / "app"
    inner.mkdir()
    log = place.write_log("app/access.log.2", 9)
    shutil.copy2(log, other / "access.log.2")
    place.write_script("hold", f"mv {inner} {inner}.was; ln -s {other} {inner}")
    place.write_policy(WEEK.replace("{logs}/*.log*", "{logs}/*/*.log*") + '\nhold = ["{root}/hold"]\n')
    shred_by_command(shredder, place, expect=4)
    assert (other / "access.log.2").read_bytes() == (place.logs / "app.was/access.log.2").read_bytes()


def test_names_of_a_hard_link_are_listed_and_nothing_is_emptied(place: Place, shredder: Shredder) -> None:
    place.write_policy(WEEK)
    log = place.write_log("access.log.2", 9)
    os.link(log, place.root / "second-name")
    run = shred_by_command(shredder, place, expect=4)
    (file,) = run.events("files-decided")[0]["files"]
    assert file["verdict"] == "refused"
    assert str(place.root / "second-name") in file["why"]
    assert ADDRESS in log.read_text()


def test_names_are_found_also_of_a_file_that_is_to_be_rotated_or_is_held(
    place: Place, shredder: Shredder
) -> None:
    place.write_policy(WEEK + 'rotate = "1 day"\n')
    live = place.write_log("access.log", 2)
    os.link(live, place.root / "second-name")
    run = shred_by_command(shredder, place, expect=4)
    (file,) = run.events("files-decided")[0]["files"]
    assert file["verdict"] == "refused"
    assert live.exists()
    os.utime(live, (1, 1))
    shredder("logs", "hold", place.policy, "web", "--until", "2099-01-01", "--reason", "x")
    shred_by_command(shredder, place, expect=4)


@pytest.mark.parametrize(("ahead_s", "code"), [(300, 0), (DAY_S - 60, 0), (3 * DAY_S, 4)])
@pytest.mark.parametrize("name", ["access.log", "access.log.2"])
def test_a_file_whose_age_cannot_be_told_is_no_success(
    name: str, ahead_s: int, code: int, place: Place, shredder: Shredder
) -> None:
    """A clock that was wrong for a while; the records themselves are old, and not believed alone."""
    place.write_policy(WEEK)
    log = place.write_log(name, 30)
    before = log.read_bytes()
    os.utime(log, (1, time.time() + ahead_s))
    run = shred_by_command(shredder, place, expect=code)
    (file,) = run.events("files-decided")[0]["files"]
    assert file["verdict"] == ("refused" if code else "not due")
    assert file["why"].startswith("its age cannot be told: it is dated ") == bool(code)
    assert log.read_bytes() == before
    headline = json.loads(shredder("logs", "shred", place.policy, "--json", expect=code).stdout)["headline"]
    assert headline == ("FAILED, incomplete: 1 file refused" if code else "complete: 1 file not due")


def test_a_link_in_the_place_of_a_log_is_refused(place: Place, shredder: Shredder) -> None:
    place.write_policy(WEEK)
    innocent = place.root / "innocent"
    innocent.write_text("innocent")
    os.utime(innocent, (1, 1))
    (place.logs / "access.log.2").symlink_to(innocent)
    run = shred_by_command(shredder, place, expect=4)
    assert run.events("files-decided")[0]["files"][0]["why"] == "is a symbolic link"
    assert innocent.read_text() == "innocent"


def test_a_file_system_that_is_read_only_keeps_its_files(
    loop_factory: Callable[..., LoopDevice], mounted: Callable[..., Path], place: Place, shredder: Shredder
) -> None:
    other = make_place(mounted(loop_factory(16 * MIB).path, "ext4"))
    log = other.write_log("access.log.2", 9)
    run_tool("mount", "-o", "remount,ro", other.root)
    place.write_policy(WEEK.replace("{logs}", str(other.logs)))
    run = shred_by_command(shredder, place, expect=4)
    assert "read-only" in run.results()["access.log.2"]["problem"]
    assert log.exists()


def test_a_full_disk_is_refused_before_anything_is_touched(place: Place, shredder: Shredder) -> None:
    place.write_policy(WEEK)
    log = place.write_log("access.log.2", 9)
    with open(place.root / "filler", "wb") as filler, pytest.raises(OSError, match="No space"):
        while True:
            filler.write(bytes(MIB))
            filler.flush()
    done = shredder("logs", "shred", place.policy, expect=3)
    assert "no log was touched" in done.stderr
    assert ADDRESS in log.read_text()


def test_a_policy_with_a_typo_says_where(place: Place, shredder: Shredder) -> None:
    place.write_policy(WEEK.replace("keep =", "kep ="))
    log = place.write_log("access.log.2", 9)
    done = shredder("logs", "shred", place.policy, expect=2)
    assert str(place.policy) in done.stderr
    assert "kep" in done.stderr or "keep" in done.stderr
    assert log.exists()


def test_two_runs_never_overlap(place: Place, shredder: Shredder) -> None:
    place.write_script(
        "hold", f"touch {place.root}/holding; until test -e {place.root}/go; do sleep 0.05; done"
    )
    place.write_policy(WEEK + '\nhold = ["{root}/hold"]\n')
    place.write_log("access.log.2", 9)
    process = shredder.start("logs", "shred", place.policy)
    wait_for(place.root / "holding")
    refused = shredder("logs", "shred", place.policy, expect=3)
    assert "another run" in refused.stderr
    (place.root / "go").touch()
    assert process.wait(30) == 0


def test_a_state_folder_that_others_may_change_is_refused(place: Place, shredder: Shredder) -> None:
    place.write_policy(WEEK)
    log = place.write_log("access.log.2", 9)
    place.state.mkdir(mode=0o777)
    place.state.chmod(0o777)
    shredder("logs", "shred", place.policy, expect=3)
    assert log.exists()


def test_hidden_paths_stand_nowhere(place: Place, shredder: Shredder) -> None:
    place.write_policy(WEEK + '\nopen_limit = "0 s"\n', run="redact = true")
    for name in ("secret customer.log.2", "secret.log", "linked.log.3"):
        place.write_log(name, 9)
    os.link(place.logs / "linked.log.3", place.root / "other-secret")
    run_tool("chattr", "+i", place.logs / "secret customer.log.2")
    try:
        run = shred_by_command(shredder, place, expect=4)
    finally:
        run_tool("chattr", "-i", place.logs / "secret customer.log.2")
    for name in ("evidence.jsonl", "certificate.json"):
        assert "secret" not in (run.folder / name).read_text()
    shown = shredder("certificate", "show", run.folder / "certificate.json", expect=4).stdout
    assert "secret" not in shown
    assert str(place.logs) not in "".join(flatten(run.evidence))
    assert shown.count("hmac-sha256:") >= 3
    assert (run.folder / "path-salt.hex").stat().st_mode & 0o777 == 0o600


def test_other_names_of_a_file_are_hidden_with_their_blanks(place: Place, shredder: Shredder) -> None:
    (place.root / "of Jane Doe").symlink_to(place.logs)
    place.write_policy(WEEK.replace('*"]', '*", "{root}/of Jane Doe/*"]'), run="redact = true")
    linked = place.write_log("a.log.3", 9)
    os.link(linked, place.logs / "sent to Jane Doe, MD")
    run = shred_by_command(shredder, place, expect=4)
    for name in ("evidence.jsonl", "certificate.json"):
        text = (run.folder / name).read_text()
        assert "Jane" not in text
        assert "Doe" not in text
    (linked_why,) = (
        file["why"]
        for event in run.events("files-decided")
        for file in event["files"]
        if "2 names" in file["why"]
    )
    assert linked_why.count("hmac-sha256:") == 2


def test_a_fresh_file_takes_the_place_of_a_live_one(place: Place, shredder: Shredder) -> None:
    place.write_policy(WEEK + '\nafter = "recreate"\n')
    live = place.write_log("access.log", 9)
    os.chown(live, 33, 4)
    live.chmod(0o640)
    place.write_log("access.log.1", 10)
    shred_by_command(shredder, place)
    facts = live.stat()
    assert (facts.st_size, facts.st_uid, facts.st_gid, facts.st_mode & 0o7777) == (0, 33, 4, 0o640)
    assert [path.name for path in place.logs.iterdir()] == ["access.log"]


def test_spool_files_of_any_name_are_shredded(place: Place, shredder: Shredder) -> None:
    place.write_policy('[[spool]]\nname = "mail"\npaths = ["{logs}/done/*"]\nkeep = "0 s"\n')
    done = place.logs / "done"
    done.mkdir()
    names = [
        b"plain",
        b"with space",
        b"\xff\xfe not utf-8",
        b"new\nline",
        b"-rf",
        b"\x1b[2J",
        b"a" * 255,
        b"\\xff\\xfe not utf-8",
    ]
    for name in names:
        with open(os.path.join(os.fsencode(done), name), "wb") as file:
            file.write(ADDRESS.encode() * 100)
    run = shred_by_command(shredder, place)
    assert list(done.iterdir()) == []
    assert len([file for event in run.events("files-shredded") for file in event["files"]]) == len(names)


@pytest.mark.parametrize(
    ("words", "code", "gone"),
    [((), 4, True), (("--require", "proven"), 4, False), (("--require", "unprovable"), 0, True)],
)
def test_a_journalled_file_system_is_told(
    words: tuple[str, ...],
    code: int,
    gone: bool,
    journalled: Place,
    shredder: Shredder,
) -> None:
    place = journalled
    place.write_policy(WEEK)
    log = place.write_log("access.log.2", 9)
    before = log.read_bytes()
    run = shred_by_command(shredder, place, *words, expect=code)
    assert log.exists() != gone
    assert gone or log.read_bytes() == before
    assert run.results()["access.log.2"]["predicted"] == "unprovable"


def test_a_file_for_logrotate_keeps_its_name(place: Place, disk: LoopDevice, shredder: Shredder) -> None:
    place.write_policy(WEEK)
    log = place.write_log("access.log.7", 1)
    size = log.stat().st_size
    shredder("logs", "shred", place.policy, "--file", log, "--keep-name")
    assert log.stat().st_size == size
    assert on_device(disk, ADDRESS.encode()) == []
    assert place.runs[-1].results()["access.log.7"]["state"] == "overwritten"


def test_the_folder_of_a_file_for_logrotate_may_be_reached_over_a_link(
    place: Place, shredder: Shredder
) -> None:
    log = place.write_log("access.log.7", 1)
    (place.root / "link").symlink_to("logs")
    (place.logs / "named").symlink_to(log)
    place.write_policy(WEEK)
    shredder("logs", "shred", place.policy, "--file", place.root / "link" / "named", expect=2)
    shredder("logs", "shred", "--file", place.root / "link" / "named", expect=4)
    assert ADDRESS in log.read_text(), "the file itself may not be a link"
    shredder("logs", "shred", place.policy, "--file", place.root / "link" / log.name)
    assert not log.exists()


def test_a_folder_exchanged_for_a_link_in_mid_run_leads_to_no_other_file(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the owner of the folder above, between its check and the look at its files."""
    place.write_policy(WEEK)
    log, trap = place.write_log("x.log.1", 9), place.root / "trap"
    foreign = place.root / "foreign"
    foreign.mkdir()
    victim = foreign / log.name
    shutil.copy2(log, victim)
    trap.symlink_to(foreign)
    check = distrust_log_folder

    def check_then_exchange(path: str) -> str:
        found = check(path)
        exchange(place.logs, trap)
        return found

    monkeypatch.setattr(lineages, "distrust_log_folder", check_then_exchange)
    result = shred_at(place, time.time())
    assert place.logs.is_symlink()
    assert result.exit_code is ExitCode.INCOMPLETE
    assert ADDRESS in victim.read_text()
    assert ADDRESS in (trap / log.name).read_text()


def test_a_file_that_no_rule_names_is_not_taken(place: Place, shredder: Shredder) -> None:
    place.write_policy(WEEK)
    other = place.root / "other"
    other.write_text("other")
    shredder("logs", "shred", place.policy, "--file", other, expect=2)
    assert other.read_text() == "other"


@pytest.mark.skipif(not shutil.which("logrotate"), reason="logrotate is not installed")
def test_real_logrotate_hands_a_file_over_before_it_removes_it(
    place: Place, disk: LoopDevice, shredder: Shredder
) -> None:
    place.write_policy(WEEK)
    live = place.write_log("access.log", 0)
    place.write_log("access.log.1", 1)
    hand_over = place.write_script(
        "hand-over",
        f'cd /; PYTHONPATH="{os.environ["PYTHONPATH"]}" exec {sys.executable} -m shredder '
        f'logs shred {place.policy} --file "$1" --keep-name --output {place.root}/handed',
    )
    configuration = place.root / "rotate.conf"
    configuration.write_text(
        f"{live} {{\n  rotate 1\n  size 1\n  nocreate\n  preremove\n    {hand_over} $1\n  endscript\n}}\n"
    )
    configuration.chmod(0o644)
    run_tool("logrotate", "--force", "--state", place.root / "rotate.state", configuration)
    assert sorted(path.name for path in place.logs.iterdir()) == ["access.log.1"]
    run = LogsRun(place.root / "handed")
    (result,) = run.results().values()
    assert (result["state"], result["grade"]) == ("overwritten", "proven")


def test_notify_is_run_when_a_run_failed(place: Place, shredder: Shredder) -> None:
    place.write_script("tell", f'echo "$@" >> {place.root}/told')
    place.write_script("hold", "exit 1")
    place.write_policy(
        WEEK + '\nhold = ["{root}/hold"]\n', run='notify = ["{root}/tell", "{policy}", "{exit_code}"]'
    )
    shred_by_command(shredder, place)
    assert not (place.root / "told").exists()
    place.write_log("access.log.2", 9)
    shred_by_command(shredder, place, "--no-notify", expect=9)
    assert not (place.root / "told").exists()
    shred_by_command(shredder, place, expect=9)
    assert (place.root / "told").read_text() == f"{place.policy} 9\n"


def test_a_hold_is_no_failure_and_one_that_lasts_too_long_is(place: Place) -> None:
    """As the schedule has it: its unit takes 7 for success."""
    place.write_script("tell", f'echo "$@" >> {place.root}/told')
    place.write_script("hold", "exit 75")
    place.write_policy(
        WEEK + '\nhold = ["{root}/hold"]\nhold_at_most = "3 days"\n',
        run='notify = ["{root}/tell", "{exit_code}"]',
    )
    now_s = int(time.time())
    place.write_log("access.log.2", 9)
    assert shred_at(place, now_s).exit_code == 7
    assert not (place.root / "told").exists()
    assert shred_at(place, now_s + 4 * DAY_S).exit_code == 9
    assert (place.root / "told").read_text() == "9\n"


def test_a_second_policy_of_another_time_zone_sees_the_same_age(place: Place) -> None:
    """Nothing is due one second early, and everything is on the second."""
    place.write_policy(WEEK)
    now_s = int(time.time())
    log = place.write_log("access.log.2", 0, now_s=now_s)
    assert shred_at(place, now_s + 7 * DAY_S - 1).report.rules[0].files[0].verdict == "not due"
    assert log.exists()
    assert shred_at(place, now_s + 7 * DAY_S).exit_code == 0
    assert not log.exists()
    assert clock_at(now_s).now_s == now_s


@pytest.fixture(autouse=True)
def no_process_is_left(place: Place) -> Iterator[None]:
    """Nothing that a run started outlives it."""
    yield
    left = subprocess.run(["pgrep", "-f", str(place.root)], capture_output=True, text=True, check=False)
    assert left.stdout == "", subprocess.run(["ps", "-ef"], capture_output=True, text=True, check=True).stdout
