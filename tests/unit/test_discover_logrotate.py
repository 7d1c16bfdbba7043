"""logrotate's configuration, read without running it."""

from pathlib import Path

import pytest

from shredder.discover.logrotate import find_rotation, read_rotations
from shredder.log_policy import Rotation
from shredder.units import DAY_S, HOUR_S


def _read(folder: Path, text: str) -> tuple[Rotation, ...]:
    path = folder / "logrotate.conf"
    path.write_text(text)
    return read_rotations(path)


def _only(folder: Path, directives: str) -> Rotation:
    (rotation,) = _read(folder, "/var/log/a.log {\n" + directives + "\n}\n")
    return rotation


def test_global_directives_hold_for_what_follows_and_are_overridden(tmp_path: Path) -> None:
    text = """
# a comment with { and }
weekly
rotate 4
compress
/var/log/a.log
"/var/log/with blank.log" /var/log/b/*.log {
    daily
    # rotate 9
    nocompress
    postrotate
        compress { daily }
        /usr/bin/kill -USR1 $(cat /run/x)
    endscript
    size = 5M
}
shred
/var/log/c.log { rotate 1 }
/var/log/d.log {}
"""
    first, second, third = _read(tmp_path, text)
    assert first.patterns == ("/var/log/a.log", "/var/log/with blank.log", "/var/log/b/*.log")
    assert first.where == f"{tmp_path}/logrotate.conf:6"
    assert (first.interval_s, first.count, first.compresses, first.shreds) == (None, 4, False, False)
    assert (second.interval_s, second.count, second.compresses, second.shreds) == (7 * DAY_S, 1, True, True)
    assert (third.patterns, third.count) == (("/var/log/d.log",), 4)


@pytest.mark.parametrize(
    ("directives", "interval_s"),
    [
        ("", None),
        ("hourly", HOUR_S),
        ("daily", DAY_S),
        ("weekly 3", 7 * DAY_S),
        ("monthly", 31 * DAY_S),
        ("yearly", 366 * DAY_S),
        ("size 5M\ndaily", DAY_S),
        ("daily\nsize=5M", None),
        ("daily\nmaxsize 5M", DAY_S),
        ("daily\nminsize 5M", None),
        ("minage 3\ndaily", None),
    ],
)
def test_the_interval(tmp_path: Path, directives: str, interval_s: int | None) -> None:
    assert _only(tmp_path, directives).interval_s == interval_s


def test_what_undoes_promises(tmp_path: Path) -> None:
    calm = _only(tmp_path, "rotate 3")
    assert not any((calm.copies, calm.truncates, calm.compresses, calm.shreds, calm.hands_over))
    assert (calm.count, calm.max_age_s, calm.other_folder, calm.mails_to) == (3, None, "", "")
    wild = _only(
        tmp_path,
        "copy\ncopytruncate\ncompress\nshred\nrotate -1\nmaxage 30\nolddir /old\nmail a@b\n"
        'preremove\n  shredder logs shred --keep-name --file "$1"\nendscript',
    )
    assert all((wild.copies, wild.truncates, wild.compresses, wild.shreds, wild.hands_over))
    assert (wild.count, wild.max_age_s, wild.other_folder, wild.mails_to) == (-1, 30 * DAY_S, "/old", "a@b")
    tame = _only(
        tmp_path,
        "copy\nnocopy\nshred\nnoshred\nolddir /old\nnoolddir\nmail a@b\nnomail\npreremove\nls\nendscript",
    )
    assert not any((tame.copies, tame.shreds, tame.hands_over))
    assert (tame.count, tame.other_folder, tame.mails_to) == (0, "", "")


def test_includes_are_read_in_order_without_what_packages_leave_behind(tmp_path: Path) -> None:
    folder = tmp_path / "conf.d"
    (folder / "sub").mkdir(parents=True)
    (folder / "b").write_text("rotate 7\n/var/log/b.log { }\n")
    (folder / "a").write_text("/var/log/a.log { }\n")
    for name in ("a.dpkg-old", "a~", "a.rpmsave", "a.rhn-cfg-tmp-1"):
        (folder / name).write_text("/var/log/left-behind.log { }\n")
    (tmp_path / "single").write_text("/var/log/single.log { }\n")
    text = (
        f"rotate 2\ninclude {folder}\ninclude {tmp_path}/single\ninclude /not/there\n/var/log/z.log {{ }}\n"
    )
    assert [(item.patterns[0], item.count) for item in _read(tmp_path, text)] == [
        ("/var/log/a.log", 2),
        ("/var/log/b.log", 7),
        ("/var/log/single.log", 7),
        ("/var/log/z.log", 7),
    ]


def test_a_file_that_includes_itself_ends(tmp_path: Path) -> None:
    assert _read(tmp_path, f"include {tmp_path}/logrotate.conf\n/var/log/a.log {{ }}\n")


@pytest.mark.parametrize(
    "text", ["", "}", "{", "/a {", "/a", '"/a {\n}', "postrotate", "/a {\npostrotate\n", "rotate x"]
)
def test_what_is_not_well_formed_breaks_nothing(tmp_path: Path, text: str) -> None:
    assert isinstance(_read(tmp_path, text), tuple)
    assert read_rotations(tmp_path / "missing") == ()


def test_the_definition_that_speaks_of_a_log(tmp_path: Path) -> None:
    rotations = _read(tmp_path, "/var/log/*.log { rotate 1 }\n/var/log/web/a.log /var/log/* { rotate 2 }\n")
    counts = {
        path: found.count if (found := find_rotation(rotations, path)) else None
        for path in ("/var/log/a.log", "/var/log/web/a.log", "/var/log/web/b.log", "/var/log/syslog")
    }
    assert counts == {
        "/var/log/a.log": 1,
        "/var/log/web/a.log": 2,
        "/var/log/web/b.log": None,
        "/var/log/syslog": 2,
    }
