"""Globs to lineages: what belongs to one log, and what is left alone."""

import os
import tempfile
from pathlib import Path

import pytest

from shredder.discover.lineages import find_files, find_strays, group_lineages, live_path
from shredder.log_policy import Lineage, RuleKind


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that only root may write to."""
    made = tmp_path / "log"
    made.mkdir(mode=0o755)
    return made


def _fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(b"x")


def _group(folder: Path, pattern: str = "*", kind: RuleKind = RuleKind.LOGS) -> dict[str, list[str]]:
    files, _ = find_files([f"{folder}/{pattern}"])
    return {
        Path(lineage.path).name: [Path(file.path).name for file in lineage.files]
        for lineage in group_lineages(files, kind)
    }


@pytest.mark.parametrize(
    "name",
    [
        "access.log.1",
        "access.log.12.gz",
        "access.log.2.zst",
        "access.log.0.bz2",
        "access.log-20261101",
        "access.log-20261101.zst",
        "access.log-2026110103",
        "access.log-20261101-031500",
        "access.log-20261101T031500Z",
        "access.log.2026-11-01",
        "access.log-2026-11-01.xz",
        "access.log-1795231865",
        "access.log.old",
        "access.log.gz",
        "access-20261101.log",
        "access-2026-11-01.log.gz",
        "access_20261101.log",
        "access20261101.log",
        "access.1.log",
        "access.1.log.gz",
    ],
)
def test_what_was_rotated_out_of_a_log(name: str) -> None:
    known = frozenset(("/l/access.log", f"/l/{name}"))
    assert live_path(f"/l/{name}", known) == "/l/access.log"


@pytest.mark.parametrize(
    "name",
    [
        "access.log",
        "error.log",
        "php8.2-fpm.log",
        "syslog",
        "app-1.log",
        "node.2.log",
        "2026.log",
        "session-20269901.log",
        "1",
        "a",
    ],
)
def test_what_is_a_log_of_its_own(name: str) -> None:
    assert live_path(f"/l/{name}", frozenset((f"/l/{name}", "/l/other.log"))) == f"/l/{name}"


def test_a_number_inside_a_name_counts_only_beside_the_log_itself(folder: Path) -> None:
    _fill(folder, "app.1.log", "app.2.log", "web.log", "web.1.log")
    assert _group(folder) == {
        "app.1.log": ["app.1.log"],
        "app.2.log": ["app.2.log"],
        "web.log": ["web.log", "web.1.log"],
    }


def test_a_number_behind_a_dash_is_another_process_of_the_same_program(folder: Path) -> None:
    """keep_count would shred their live logs."""
    names = ("app-1.log", "app-2.log", "app.log")
    _fill(folder, *names, "app-2026-11-01.log")
    assert _group(folder) == {
        "app-1.log": ["app-1.log"],
        "app-2.log": ["app-2.log"],
        "app.log": ["app.log", "app-2026-11-01.log"],
    }


@pytest.mark.parametrize("pattern", ["*.log", "app.log", "a?p.log"])
def test_what_we_rotated_away_from_a_log_is_matched_by_the_same_pattern(folder: Path, pattern: str) -> None:
    ours = ["app.log-20261101T031500Z", "app.log-20261102T031500Z.gz"]
    others = [
        "app.log.1",
        "app.txt-20261101T031500Z",
        "other-20261101T031500Z",
        "app.log-20261101T031500Z.bak",
    ]
    _fill(folder, "app.log", *ours, *others)
    assert _group(folder, pattern) == {"app.log": ["app.log", *ours]}
    files, _ = find_files([f"{folder}/{pattern}"])
    assert find_strays(group_lineages(files, RuleKind.LOGS)) == (f"{folder}/app.log.1",)


def test_a_spool_is_never_rotated(folder: Path) -> None:
    _fill(folder, "a.mail", "a.mail-20261101T031500Z")
    files, _ = find_files([f"{folder}/*.mail"], RuleKind.SPOOL)
    assert [file.path for file in files] == [f"{folder}/a.mail"]


def test_a_lineage_has_its_live_file_first_and_may_have_lost_it(folder: Path) -> None:
    _fill(folder, "a.log.2.gz", "a.log", "a.log.1", "b.log-20261101", ".hidden")
    assert _group(folder) == {"a.log": ["a.log", "a.log.1", "a.log.2.gz"], "b.log": ["b.log-20261101"]}
    files, _ = find_files([f"{folder}/b*"])
    (lost,) = group_lineages(files, RuleKind.LOGS)
    assert lost.live is None


def test_archived_journals_belong_to_the_active_one(folder: Path) -> None:
    ids = "0b5c2f1d3e4a4b6c8d9e0f1a2b3c4d5e-0000000000000001-000643a1b2c3d4e5"
    _fill(
        folder, "system.journal", f"system@{ids}.journal", "system@000643a1b2c3d4e5-0011223344556677.journal~"
    )
    _fill(folder, "user-1000.journal")
    assert {name: len(files) for name, files in _group(folder, kind=RuleKind.JOURNAL).items()} == {
        "system.journal": 3,
        "user-1000.journal": 1,
    }


def test_a_spool_is_one_lineage_without_a_live_file(folder: Path) -> None:
    _fill(folder, "mail", "mail.1", "other")
    files, _ = find_files([f"{folder}/*"])
    (lineage,) = group_lineages(files, RuleKind.SPOOL)
    assert (lineage.live, len(lineage.rotated)) == (None, 3)


def test_what_is_told_of_a_file(folder: Path) -> None:
    path = folder / "a.log"
    path.write_bytes(b"12345")
    os.utime(path, (5, 1000.9))
    os.link(path, folder / "other")
    (file,), _ = find_files([str(path)])
    facts = path.stat()
    assert (file.path, file.inode, file.links, file.size_bytes, file.mtime_s) == (
        str(path),
        facts.st_ino,
        2,
        5,
        1000,
    )
    assert file.device == f"{os.major(facts.st_dev)}:{os.minor(facts.st_dev)}"


def test_each_file_is_found_once_and_folders_not_at_all(folder: Path) -> None:
    _fill(folder, "a.log", "b.txt")
    (folder / "c.log").mkdir()
    files, skipped = find_files([f"{folder}/*.log", f"{folder}/a*", f"{folder}/[ab].???", f"{folder}/gone"])
    assert [Path(file.path).name for file in files] == ["a.log", "b.txt"]
    assert skipped == []


def test_a_pattern_goes_through_folders_but_not_over_links(folder: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (folder / name).mkdir()
        _fill(folder / name, "a.log")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    _fill(elsewhere, "a.log")
    (folder / "three").symlink_to(elsewhere)
    (folder / "one" / "b.log").symlink_to(elsewhere / "a.log")
    os.mkfifo(folder / "two" / "p.log")
    files, skipped = find_files([f"{folder}/*/*.log"])
    assert [file.path for file in files] == [f"{folder}/one/a.log", f"{folder}/two/a.log"]
    assert {(item.path, item.reason) for item in skipped} == {
        (f"{folder}/three", "is a symbolic link"),
        (f"{folder}/one/b.log", "is a symbolic link"),
        (f"{folder}/two/p.log", "is not a regular file"),
    }


def test_a_folder_reached_over_a_link_must_be_named_itself(folder: Path, tmp_path: Path) -> None:
    _fill(folder, "a.log")
    (tmp_path / "link").symlink_to(folder)
    for pattern in ("a.log", "*.log"):
        files, (skipped,) = find_files([f"{tmp_path}/link/{pattern}"])
        assert files == []
        assert str(folder) in skipped.reason


def test_a_folder_that_everybody_may_write_to_is_left_alone(folder: Path) -> None:
    _fill(folder, "a.log")
    folder.chmod(0o1777)
    files, (skipped,) = find_files([f"{folder}/*.log"])
    assert files == []
    assert (skipped.path, skipped.reason) == (str(folder), "can be written to by everybody")


def test_siblings_that_no_pattern_matches_are_found(folder: Path) -> None:
    _fill(folder, "a.log", "a.log.1", "a.log-20261101.gz", "b.log.1", "c.txt")
    files, _ = find_files([f"{folder}/*.log"])
    assert find_strays(group_lineages(files, RuleKind.LOGS)) == (
        f"{folder}/a.log-20261101.gz",
        f"{folder}/a.log.1",
    )
    files, _ = find_files([f"{folder}/*.log*"])
    assert find_strays(group_lineages(files, RuleKind.LOGS)) == ()
    assert find_strays([Lineage(f"{folder}/gone/x.log", None, ())]) == ()


def test_a_folder_that_is_closed_to_us_is_not_an_empty_one() -> None:
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        closed, inside = Path(made) / "closed", Path(made) / "closed" / "inside"
        inside.mkdir(parents=True)
        _fill(closed, "a.log")
        closed.chmod(0)
        try:
            if not os.geteuid():
                os.seteuid(65534)
            for pattern in (f"{closed}/*.log", f"{inside}/*.log", f"{made}/*/*.log", f"{closed}/*/*.log"):
                files, (skipped,) = find_files([pattern])
                assert files == []
                assert "Permission denied" in skipped.reason
            assert find_files([f"{made}/gone/*.log", f"{made}/gone/*/*.log"]) == ([], [])
        finally:
            if not os.getuid():
                os.seteuid(0)
            closed.chmod(0o755)
