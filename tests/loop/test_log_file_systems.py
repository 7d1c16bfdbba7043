"""Whole runs on every kind of file system: exit code, certificate, and the log's text on the raw device."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import Shredder
from tests.support.devices import LoopDevice
from tests.support.log_files import mount_with, on_device
from tests.support.log_runs import ADDRESS, LogsRun, Place, make_place, shred_by_command
from tests.support.machine import run

MIB = 1 << 20
TEXT = ADDRESS.encode()
SIZES = {"ext4": 64 * MIB, "xfs": 320 * MIB, "btrfs": 256 * MIB}
RULE = """
    [[logs]]
    name = "web"
    paths = ["{logs}/*.log*"]
    keep = "7 days"
"""
IN_PLACE = ("ext4", "ext4 of small blocks", "xfs", "btrfs without copy-on-write")
ELSEWHERE = ("btrfs", "btrfs after a balance")
UNKNOWN = ("ext4 that journals data", "overlay", "tmpfs")


@dataclass(frozen=True)
class Stage:
    """Logs that fall due, on the file system in question; policy and state folder lie elsewhere."""

    place: Place
    logs: Path
    loop: LoopDevice | None
    lower: Path | None

    def names(self) -> list[str]:
        return sorted(path.name for path in self.logs.iterdir() if path.name != "lost+found")

    def see(self) -> dict[str, tuple[bytes, int, int, int]]:
        """Return all that a run could change of the files."""
        seen = {}
        for name in self.names():
            facts = (self.logs / name).stat()
            content = (self.logs / name).read_bytes()
            seen[name] = (content, facts.st_ino, facts.st_mtime_ns, facts.st_ctime_ns)
        return seen

    def standing(self) -> list[int]:
        """Return where the text stands on the raw device."""
        return on_device(self.loop, TEXT) if self.loop else []

    def write_policy(self, more: str = "") -> None:
        self.place.write_policy(RULE.replace("{logs}", str(self.logs)) + more)


@pytest.fixture
def set_up(
    loop_factory: Callable[..., LoopDevice], mounted: Callable[..., Path], tmp_path: Path, undo: ExitStack
) -> Callable[[str], Stage]:
    """`set_up("xfs")` makes the file system and three logs that are due: large, odd, and within one block."""

    def mount(what: str) -> tuple[Path, LoopDevice | None, Path | None]:
        point = tmp_path / "point"
        point.mkdir()
        if what in ("overlay", "tmpfs"):
            return _mount_layers(point, tmp_path, what, undo)
        kind = what.partition(" ")[0]
        loop = loop_factory(SIZES[kind])
        run(f"mkfs.{kind}", "-q", *(["-b", "1024"] if "small blocks" in what else []), loop.path)
        mount_with(loop, point, "data=journal" if "journals" in what else "rw", undo)
        return point, loop, None

    def make(what: str) -> Stage:
        place = make_place(mounted(loop_factory(48 * MIB).path, "ext4"))
        point, loop, lower = mount(what)
        far = Place(point)
        far.logs.mkdir(mode=0o755, exist_ok=True)
        if "without copy-on-write" in what:
            run("chattr", "+C", far.logs)
        for name, lines in (("app.log.2", 9000), ("app.log.3", 77), ("app.log.4", 15)):
            far.write_log(name, 9, lines=lines)
        if "balance" in what:
            run("btrfs", "balance", "start", "-d", point)
        run("sync")
        return Stage(place, far.logs, loop, lower)

    return make


def _mount_layers(
    point: Path, tmp_path: Path, what: str, undo: ExitStack
) -> tuple[Path, LoopDevice | None, Path | None]:
    memory = point if what == "tmpfs" else tmp_path / "memory"
    memory.mkdir(exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", "size=64m", "none", memory)
    undo.callback(run, "umount", memory)
    if what == "tmpfs":
        return point, None, None
    for name in ("lower", "upper", "work"):
        (memory / name).mkdir()
    make_place(memory / "lower").write_log("app.log.5", 9)
    options = ",".join(f"{key}dir={memory / key}" for key in ("lower", "upper", "work"))
    run("mount", "-t", "overlay", "-o", options, "none", point)
    undo.callback(run, "umount", point)
    return point, None, memory / "lower" / "logs"


def certified(found: LogsRun) -> Iterator[dict[str, Any]]:
    """Yield what the certificate says of each file that was due."""
    envelope = json.loads((found.folder / "certificate.json").read_bytes())
    statement = json.loads(base64.b64decode(envelope["payload"]))
    for rule in statement["predicate"]["rules"]:
        yield from rule["files"]


def holds_text(place: dict[str, Any]) -> bool:
    """Return whether the log's text stands at a place that a certificate names, past every cache."""
    run("blockdev", "--flushbufs", place["device"])
    with open(place["device"], "rb") as device:
        device.seek(int(place["start"]))
        return TEXT in device.read(int(place["length"]))


@pytest.mark.parametrize("what", IN_PLACE)
@pytest.mark.parametrize("require", ["", 'require = "proven"\n'])
def test_the_text_is_gone_and_the_certificate_says_proven(
    what: str, require: str, set_up: Callable[[str], Stage], shredder: Shredder
) -> None:
    stage = set_up(what)
    stage.write_policy(require)
    assert stage.standing()
    found = shred_by_command(shredder, stage.place)
    files = list(certified(found))
    assert [(file["grade"], file["read_back"]) for file in files] == [("proven", "raw")] * 3
    assert stage.standing() == []
    assert stage.names() == []


@pytest.mark.parametrize("what", ELSEWHERE)
@pytest.mark.parametrize(("require", "code"), [("", 4), ('require = "moved"\n', 0)])
def test_the_certificate_says_where_the_text_still_stands(
    what: str, require: str, code: int, set_up: Callable[[str], Stage], shredder: Shredder
) -> None:
    stage = set_up(what)
    stage.write_policy(require)
    before = stage.standing()
    assert before
    found = shred_by_command(shredder, stage.place, expect=code)
    files = list(certified(found))
    assert [(file["grade"], file["predicted_grade"]) for file in files] == [("moved", "moved")] * 3
    assert stage.names() == []
    places = [place for file in files for place in file["still_there"]]
    large = [file for file in files if int(file["size_bytes"]) > 4096]
    assert len(large) == 2
    assert all(file["looked"] == "yes" and file["still_there"] == file["old_places"] != [] for file in large)
    assert all(holds_text(place) for place in places)
    if "balance" not in what:  # which leaves copies that no file has any more
        named = [range(int(item["start"]), int(item["start"]) + int(item["length"])) for item in places]
        unnamed = [at for at in stage.standing() if not any(at in place for place in named)]
        # only the small one's 15 lines, which lay inside the file system's own blocks
        assert len(unnamed) % 15 == 0
        assert len(unnamed) < 1000
    shown = shredder("certificate", "show", found.folder / "certificate.json", expect=code).stdout
    assert "OLD BYTES STILL STAND" in shown
    assert "put the new bytes elsewhere" in " ".join(shown.split())


@pytest.mark.parametrize("what", UNKNOWN)
@pytest.mark.parametrize(("require", "code"), [("", 4), ('require = "unprovable"\n', 0)])
def test_the_certificate_says_that_nobody_can_tell(
    what: str, require: str, code: int, set_up: Callable[[str], Stage], shredder: Shredder
) -> None:
    stage = set_up(what)
    stage.write_policy(require)
    said = {"overlay": "overlay", "tmpfs": "swap"}.get(what, "journal")
    found = shred_by_command(shredder, stage.place, expect=code)
    files = list(certified(found))
    assert len(files) == (4 if stage.lower else 3)
    for file in files:
        assert (file["grade"], file["predicted_grade"]) == ("unprovable", "unprovable")
        assert file["read_back"] == ("raw" if stage.loop else "file")
        assert said in file["grade_reason"]
    assert stage.names() == []
    if stage.loop:
        assert stage.standing(), "the journal has it still: in place and read back it would be a lie"
    if stage.lower:
        assert TEXT in (stage.lower / "app.log.5").read_bytes()
    shown = shredder("certificate", "show", found.folder / "certificate.json", expect=code).stdout
    assert "nobody can tell from here what became of the old bytes" in " ".join(shown.split())


@pytest.mark.parametrize("what", [*ELSEWHERE, *UNKNOWN])
@pytest.mark.parametrize("by", ["policy", "option"])
def test_what_cannot_be_proven_stays_untouched_where_that_is_required(
    what: str, by: str, set_up: Callable[[str], Stage], shredder: Shredder
) -> None:
    stage = set_up(what)
    stage.write_policy('require = "proven"\n' if by == "policy" else "")
    before, standing = stage.see(), stage.standing()
    words = ["--require", "proven"] if by == "option" else []
    found = shred_by_command(shredder, stage.place, *words, expect=4)
    assert stage.see() == before
    assert stage.standing() == standing
    grade = "moved" if what in ELSEWHERE else "unprovable"
    for file in certified(found):
        assert (file["verdict"], file["predicted_grade"]) == ("kept", grade)
        assert any(f"would be {grade}, which is not accepted" in problem for problem in file["problems"])
    assert len(list(certified(found))) == len(before)


def test_each_file_of_a_rule_has_the_grade_of_its_own_file_system(
    set_up: Callable[[str], Stage], mounted: Callable[..., Path], shredder: Shredder
) -> None:
    stage = set_up("btrfs")
    near = stage.place.write_log("near.log.2", 9)
    rule = RULE.replace('"{logs}/*.log*"', f'"{{logs}}/*.log*", "{stage.logs}/*.log*"')
    stage.place.write_policy(rule + 'require = "proven"\n')
    found = shred_by_command(shredder, stage.place, expect=4)
    assert not near.exists()
    assert len(stage.names()) == 3
    assert {Path(file["path"]).name: file["grade"] for file in certified(found)}["near.log.2"] == "proven"
    run_again = shred_by_command(shredder, stage.place, expect=4)
    assert len(list(certified(run_again))) == 3


def test_a_file_that_shares_its_blocks_is_told_from_its_neighbours(
    set_up: Callable[[str], Stage], shredder: Shredder
) -> None:
    """A copy made in mid-run on xfs, where everything else is proven."""
    stage = set_up("xfs")
    copy = stage.logs / "copy"
    hook = stage.place.write_script("hold", f"cp --reflink=always {stage.logs}/app.log.2 {copy}; sync")
    stage.write_policy(f'hold = ["{hook}"]\n')
    found = shred_by_command(shredder, stage.place, expect=4)
    grades = {Path(file["path"]).name: file for file in certified(found)}
    assert [grades[f"app.log.{number}"]["grade"] for number in (2, 3, 4)] == ["moved", "proven", "proven"]
    shared = grades["app.log.2"]
    assert shared["grade_reason"] == "it shares its blocks with another file or a snapshot"
    assert shared["still_there"] == shared["old_places"]
    assert all(holds_text(place) for place in shared["still_there"])
    assert TEXT in copy.read_bytes()
