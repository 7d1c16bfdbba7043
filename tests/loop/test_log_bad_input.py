"""Bad input to whole runs: one clear line says what is wrong, and the file is kept."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.command import Shredder
from tests.support.devices import LoopDevice
from tests.support.log_files import on_device
from tests.support.log_runs import ADDRESS, Place, make_place, shred_by_command
from tests.support.machine import run

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


def fill(folder: Path) -> None:
    """Leave not one block free."""
    for number, step in enumerate((MIB, 4096)):
        with (folder / f"filler-{number}").open("wb", buffering=0) as filler:
            try:
                while filler.write(os.urandom(step)):
                    pass
            except OSError:
                continue
    run("sync")


def said_once(text: str, what: str) -> bool:
    """Return whether a single line says it, under the program's name and without a trace."""
    lines = [line for line in text.splitlines() if what in line]
    return len(lines) == 1 and lines[0].startswith("shredder: ")


def test_not_root(place: Place) -> None:
    place.write_policy(WEEK)
    log = place.write_log("access.log.2", 9)
    # imported first, as the interpreter may lie where only root can read
    code = "import os, shredder.cli as c, shredder.cli.logs; os.setgroups([]); os.setuid(65534); c.main()"
    words = [sys.executable, "-c", code, "logs", "shred", str(place.policy)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd="/", timeout=60)
    assert (done.returncode, done.stdout) == (3, ""), done.stderr
    assert done.stderr.startswith("shredder: logs can be shredded only by root\n")
    assert ADDRESS in log.read_text()
    assert not place.state.exists()


@pytest.mark.parametrize("attribute", ["i", "a"])
@pytest.mark.parametrize("after", ["", 'after = "recreate"\n', 'rotate = "1 day"\n'])
def test_a_live_file_with_an_attribute_keeps_its_name(
    attribute: str, after: str, place: Place, shredder: Shredder, undo: ExitStack
) -> None:
    place.write_policy(WEEK + after)
    log = place.write_log("access.log", 9)
    before = log.read_bytes()
    run("chattr", f"+{attribute}", log)
    undo.callback(run, "chattr", f"-{attribute}", log)
    done = shredder("logs", "shred", place.policy, expect=4)
    name = {"i": "immutable", "a": "append-only"}[attribute]
    assert said_once(done.stderr, f"{log} was not renamed: it has the attribute {name}")
    assert [path.name for path in place.logs.iterdir()] == ["access.log"]
    assert log.read_bytes() == before


@pytest.mark.parametrize("attribute", ["i", "a"])
@pytest.mark.parametrize("name", ["access.log", "access.log.2"])
def test_a_folder_that_lets_no_name_go_keeps_its_files_whole(
    name: str, attribute: str, place: Place, shredder: Shredder, undo: ExitStack
) -> None:
    """Not overwritten first, and then half done for good."""
    place.write_policy(WEEK)
    log = place.write_log(name, 9)
    before = log.read_bytes()
    run("chattr", f"+{attribute}", place.logs)
    undo.callback(run, "chattr", f"-{attribute}", place.logs)
    shredder("logs", "shred", place.policy, expect=4)
    assert log.read_bytes() == before
    if name != "access.log":
        problem = place.runs[-1].results()[name]["problem"]
        assert problem.startswith("the folder of "), problem
        assert " has the attribute " in problem
        shredder("logs", "shred", place.policy, "--file", log, "--keep-name")
        assert ADDRESS.encode() not in log.read_bytes()


@pytest.mark.parametrize("name", ["access.log", "access.log.2"])
def test_a_read_only_file_system(
    name: str,
    place: Place,
    loop_factory: Callable[..., LoopDevice],
    mounted: Callable[..., Path],
    shredder: Shredder,
) -> None:
    far = make_place(mounted(loop_factory(16 * MIB).path, "ext4"))
    log = far.write_log(name, 9)
    before = log.read_bytes()
    run("mount", "-o", "remount,ro", far.root)
    place.write_policy(WEEK.replace("{logs}", str(far.logs)) + 'after = "recreate"\n')
    done = shredder("logs", "shred", place.policy, expect=4)
    assert "ead-only" in done.stderr
    assert [path.name for path in far.logs.iterdir()] == [name]
    assert log.read_bytes() == before


def test_a_state_folder_on_a_read_only_file_system(
    place: Place, loop_factory: Callable[..., LoopDevice], mounted: Callable[..., Path], shredder: Shredder
) -> None:
    far = mounted(loop_factory(16 * MIB).path, "ext4")
    (far / "state").mkdir(mode=0o700)
    run("mount", "-o", "remount,ro", far)
    place.write_policy(WEEK)
    place.policy.write_text(place.policy.read_text().replace(str(place.state), str(far / "state")))
    log = place.write_log("access.log.2", 9)
    done = shredder("logs", "shred", place.policy, expect=3)
    assert said_once(done.stderr, "Read-only file system")
    assert ADDRESS in log.read_text()


@pytest.mark.parametrize("exists", [False, True])
def test_a_state_folder_on_a_full_file_system(
    exists: bool,
    place: Place,
    loop_factory: Callable[..., LoopDevice],
    mounted: Callable[..., Path],
    shredder: Shredder,
) -> None:
    far = mounted(loop_factory(16 * MIB).path, "ext4")
    place.write_policy(WEEK)
    place.policy.write_text(place.policy.read_text().replace(str(place.state), str(far / "state")))
    if exists:
        shredder("logs", "shred", place.policy)
    log = place.write_log("access.log.2", 9)
    fill(far)
    done = shredder("logs", "shred", place.policy, expect=3)
    assert said_once(done.stderr, "No space left on device"), done.stderr
    assert ADDRESS in log.read_text()


def test_logs_on_a_full_file_system_are_shredded_all_the_same(
    place: Place, loop_factory: Callable[..., LoopDevice], mounted: Callable[..., Path], shredder: Shredder
) -> None:
    loop = loop_factory(16 * MIB)
    far = make_place(mounted(loop.path, "ext4"))
    far.write_log("access.log.2", 9, lines=3000)
    live = far.write_log("access.log", 9)
    place.write_policy(WEEK.replace("{logs}", str(far.logs)) + 'after = "recreate"\n')
    fill(far.root)
    found = shred_by_command(shredder, place)
    assert {file["grade"] for file in found.results().values()} == {"proven"}
    assert on_device(loop, ADDRESS.encode()) == []
    assert live.read_bytes() == b""


def test_a_full_btrfs_has_no_room_for_other_bytes_and_keeps_its_files(
    place: Place, loop_factory: Callable[..., LoopDevice], mounted: Callable[..., Path], shredder: Shredder
) -> None:
    far = make_place(mounted(loop_factory(128 * MIB).path, "btrfs"))
    log = far.write_log("access.log.2", 9, lines=100_000)
    size = log.stat().st_size
    place.write_policy(WEEK.replace("{logs}", str(far.logs)))
    fill(far.root)
    done = shredder("logs", "shred", place.policy, expect=4)
    assert "cannot be overwritten (ENOSPC: No space left on device)" in done.stderr
    assert log.stat().st_size == size
    (far.root / "filler-0").unlink()
    run("sync")
    shredder("logs", "shred", place.policy, "--require", "moved", expect=None)
    assert not log.exists()


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (os.mkfifo, "is not a regular file"),
        (make_socket, "is not a regular file"),
        (lambda path: os.mknod(path, 0o20600, os.makedev(1, 3)), "is not a regular file"),
        (lambda path: path.symlink_to("/dev/null"), "is a symbolic link"),
        (lambda path: path.symlink_to("nowhere"), "is a symbolic link"),
    ],
    ids=["fifo", "socket", "device", "link to a device", "link to nowhere"],
)
@pytest.mark.parametrize("name", ["access.log", "access.log.2"])
def test_what_is_no_regular_file_is_left_alone_and_said(
    make: Callable[[Path], None], said: str, name: str, place: Place, shredder: Shredder
) -> None:
    place.write_policy(WEEK + 'rotate = "1 day"\n')
    odd, other = place.logs / name, place.write_log("other.log.2", 9)
    make(odd)
    before = odd.lstat()
    began = time.monotonic()
    done = shredder("logs", "shred", place.policy, expect=4)
    assert time.monotonic() - began < 20, "nobody waits for the other end of a FIFO"
    assert said_once(done.stderr, f"{odd}: refused: {said}")
    assert (odd.lstat().st_ino, odd.lstat().st_ctime_ns) == (before.st_ino, before.st_ctime_ns)
    assert not other.exists(), "the others are shredded"


@pytest.mark.parametrize("what", ["policy.toml", "hold", "tools", "."])
def test_what_others_may_change_is_not_used(what: str, place: Place, shredder: Shredder) -> None:
    (place.root / "tools").mkdir()
    hook = place.write_script("tools/hold", f"touch {place.root}/was-run")
    place.write_policy(WEEK + f'hold = ["{hook}"]\n')
    log = place.write_log("access.log.2", 9)
    path = hook if what == "hold" else place.root / what
    path.chmod(0o777)
    done = shredder("logs", "shred", place.policy, expect=3)
    assert said_once(done.stderr, "can be written to by everybody")
    assert not (place.root / "was-run").exists()
    assert ADDRESS in log.read_text()


def test_a_folder_above_the_state_that_others_may_change(place: Place, shredder: Shredder) -> None:
    """Whoever can put another state folder in its place makes a run forget what is held."""
    open_to_all = place.root / "open"
    (open_to_all / "state").mkdir(mode=0o700, parents=True)
    open_to_all.chmod(0o777)
    place.write_policy(WEEK)
    place.policy.write_text(place.policy.read_text().replace(str(place.state), str(open_to_all / "state")))
    log = place.write_log("access.log.2", 9)
    done = shredder("logs", "shred", place.policy, expect=3)
    assert said_once(done.stderr, f"{open_to_all} can be written to by everybody")
    assert ADDRESS in log.read_text()


def test_a_log_folder_that_others_may_change(place: Place, shredder: Shredder) -> None:
    place.write_policy(WEEK)
    log = place.write_log("access.log.2", 9)
    place.logs.chmod(0o777)
    done = shredder("logs", "shred", place.policy, expect=4)
    assert said_once(done.stderr, f"{place.logs}: refused: can be written to by everybody")
    assert ADDRESS in log.read_text()


ESCAPES = {
    "in its group": "sleep 600 & ",
    "in a session of its own": "setsid sleep 600 & sleep 0.2; ",
    "a daemon": "(setsid sh -c 'sleep 600 & sleep 600' > /dev/null 2>&1 &) ; sleep 0.2; ",
    "deaf": "(trap '' TERM HUP; setsid sh -c 'while :; do sleep 601; done' &) ; sleep 0.2; ",
}


@pytest.mark.parametrize("escape", ESCAPES)
@pytest.mark.parametrize("ending", ["sleep 600", "exit 75"])
@pytest.mark.parametrize("key", ["hold", "summarise"])
def test_nothing_of_a_command_outlives_it(
    key: str, ending: str, escape: str, place: Place, shredder: Shredder
) -> None:
    marker = f"SHREDDER_TEST_{os.getpid()}_{time.monotonic_ns()}"
    place.write_script("hook", f"export {marker}=1; {ESCAPES[escape]} {ending}")
    words = '["{root}/hook"]' if key == "hold" else '["{root}/hook", "{file}"]'
    place.write_policy(WEEK + f'{key} = {words}\nhook_limit = "1 s"\n')
    log = place.write_log("access.log.2", 9)
    code = 7 if (key, ending) == ("hold", "exit 75") else 9
    shred_by_command(shredder, place, expect=code)
    assert ADDRESS in log.read_text()
    assert [path for path in Path("/proc").glob("[0-9]*/environ") if marker in read(path)] == []


def read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


@pytest.mark.parametrize("how", ["command", "stop-start"])
def test_a_release_that_hangs(how: str, place: Place, shredder: Shredder) -> None:
    """The file that the service still has open is kept, and the service is started again."""
    place.write_script("hang", "sleep 600 & sleep 600")
    place.write_script("start", f"touch {place.root}/started")
    release = {
        "command": 'how = "command: {root}/hang"',
        "stop-start": 'how = "stop-start", stop = ["{root}/hang"], start = ["{root}/start"]',
    }[how]
    place.write_policy(WEEK + f'release = {{ {release} }}\nhook_limit = "1 s"\nopen_limit = "0 s"\n')
    log = place.write_log("access.log.2", 9)
    with log.open("a"):
        done = shredder("logs", "shred", place.policy, expect=4)
    assert said_once(done.stderr, "did not let go: it took longer than 1 s")
    assert ADDRESS in log.read_text()
    assert (place.root / "started").exists() == (how == "stop-start")
    left = subprocess.run(["pgrep", "-f", str(place.root)], capture_output=True, text=True, check=False)
    assert left.stdout == ""


@pytest.mark.parametrize("pattern", ["{logs}/broken/*.log*", "{logs}/*/*.log*"])
def test_a_folder_that_cannot_be_read_is_not_an_empty_one(
    pattern: str, disk: LoopDevice, place: Place, shredder: Shredder
) -> None:
    place.write_policy(WEEK.replace("{logs}/*.log*", pattern))
    (place.logs / "broken").mkdir(mode=0o755)
    place.write_log("broken/access.log.2", 9)
    run("umount", place.root)
    run("debugfs", "-w", "-R", "clri /logs/broken", disk.path)
    run("mount", disk.path, place.root)
    done = shredder("logs", "shred", place.policy, expect=4)
    assert said_once(done.stderr, f"{place.logs}/broken: refused: ")
    assert "no file was there" not in done.stdout


def mount_twice(place: Place, undo: ExitStack) -> Path:
    """Give the folder of logs a second path."""
    other = place.root / "other"
    other.mkdir(mode=0o755)
    run("mount", "--bind", place.logs, other)
    undo.callback(run, "umount", other)
    return other


def test_a_file_that_two_rules_reach_by_two_mounts_is_left_alone(
    place: Place, shredder: Shredder, undo: ExitStack
) -> None:
    """Else the shorter keep of one would break the promise of the other."""
    place.write_policy(WEEK + '[[logs]]\nname = "other"\npaths = ["{root}/other/*.log*"]\nkeep = "1 day"\n')
    log = place.write_log("access.log.2", 3)
    other = mount_twice(place, undo)
    done = shredder("logs", "shred", place.policy, expect=4)
    for path in (log, other / log.name):
        assert said_once(done.stderr, f"{path}: refused: is named by several rules")
    assert ADDRESS in log.read_text()


def test_a_file_that_one_rule_reaches_by_two_mounts_is_shredded_once(
    place: Place, shredder: Shredder, undo: ExitStack
) -> None:
    place.write_policy(WEEK.replace('*"]', '*", "{root}/other/*.log*"]'))
    log = place.write_log("access.log.2", 9)
    other = mount_twice(place, undo)
    done = shredder("logs", "shred", place.policy, expect=4)
    said = f"{other / log.name}: refused: is a file that another path of this rule leads to"
    assert said_once(done.stderr, said)
    assert not log.exists()
    assert "1 file overwritten" in done.stdout


@pytest.mark.parametrize("folder", ["state", "link"])
def test_the_policys_own_records_are_no_logs(folder: str, place: Place, shredder: Shredder) -> None:
    place.write_policy(
        WEEK.replace('paths = ["{logs}/*.log*"]', 'paths = ["{root}/state/*", "{root}/state/runs/*/*"]'),
    )
    if folder == "link":
        (place.root / "link").symlink_to(place.root)
        over_link = place.policy.read_text().replace(f'"{place.state}"', f'"{place.root}/link/state"')
        place.policy.write_text(over_link)
    place.state.mkdir(mode=0o700)
    shredder("logs", "hold", place.policy, "web", "--until", "2099-01-01", "--reason", "court order")
    holds = place.state / "holds.json"
    os.utime(holds, (0, 0))
    before = holds.read_bytes()
    done = shredder("logs", "shred", place.policy, expect=4)
    assert said_once(done.stderr, f"{holds}: refused: lies in the policy's own state folder")
    assert holds.read_bytes() == before
