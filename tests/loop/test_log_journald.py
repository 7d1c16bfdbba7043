"""A real journald, in a mount namespace of its own: archived journals are shredded, the active one never."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command import Shredder
from tests.support.devices import LoopDevice
from tests.support.log_files import on_device
from tests.support.log_runs import make_place

MIB = 1 << 20
_JOURNALD = Path("/lib/systemd/systemd-journald")
_SECRET = "visitor-203.0.113.77-was-here"

pytestmark = pytest.mark.skipif(
    not _JOURNALD.exists() or shutil.which("journalctl") is None, reason="systemd's journald is not installed"
)

_INSIDE = """
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal {root}/log/journal
mount --bind {root}/log /var/log
mount --bind {root}/journald.conf /etc/systemd/journald.conf
{journald} & service=$!
trap 'kill $service; wait $service || true' EXIT
for turn in $(seq 100); do test -S /run/systemd/journal/io.systemd.journal && break; sleep 0.1; done
timeout 20 journalctl --flush
for number in $(seq 200); do echo {secret} number $number; done | systemd-cat
timeout 20 journalctl --sync
test $(journalctl --quiet --grep {secret} | wc -l) = 200
{shredder} logs shred {policy}
echo later {later} | systemd-cat
timeout 20 journalctl --sync
journalctl --verify 2> {root}/verified && echo verified >> {root}/verified
journalctl --quiet --grep '{secret}|later' > {root}/left || true
"""


@pytest.mark.parametrize(("keep", "is_gone"), [("0 s", True), ("14 days", False)])
def test_archived_journals_are_shredded_and_the_active_one_never(
    keep: str,
    is_gone: bool,
    loop_factory: Callable[..., LoopDevice],
    mounted: Callable[..., Path],
    shredder: Shredder,
) -> None:
    disk = loop_factory(128 * MIB)
    place = make_place(mounted(disk.path, "ext4"))
    (place.root / "journald.conf").write_text("[Journal]\nStorage=persistent\nCompress=no\n")
    place.write_policy(f'[[journal]]\nname = "journald"\nkeep = "{keep}"\n')
    script = _INSIDE.format(
        root=place.root,
        journald=_JOURNALD,
        secret=_SECRET,
        later="words",
        shredder=f"{sys.executable} -m shredder",
        policy=place.policy,
    )
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    verified = (place.root / "verified").read_text()
    assert verified.endswith("verified\n")
    assert "FAIL" not in verified
    journals = [path.name for path in (place.root / "log/journal").rglob("*.journal")]
    assert "system.journal" in journals
    assert any("@" in name for name in journals)
    left = (place.root / "left").read_text()
    assert "later words" in left
    assert left.count(_SECRET) == (0 if is_gone else 200)
    assert bool(on_device(disk, _SECRET.encode())) != is_gone
    run = place.runs[-1]
    assert run.events("journal-rotated") == [{"rule": "journald", "error": None}]
    (decided,) = run.events("files-decided")
    active = [file for file in decided["files"] if file["path"].endswith("/system.journal")]
    assert [file["verdict"] for file in active] == ["not due"]
    grades = {result["grade"] for result in run.results().values()}
    assert grades == ({"proven"} if is_gone else set())


def test_journals_are_shredded_though_journald_does_not_answer(
    loop_factory: Callable[..., LoopDevice], mounted: Callable[..., Path], shredder: Shredder
) -> None:
    place = make_place(mounted(loop_factory(48 * MIB).path, "ext4"))
    folder = place.logs / "journal"
    folder.mkdir()
    archived = folder / "system@0011-0000000000000001-000660c5008d1c53.journal"
    archived.write_bytes(b"LPKSHHRH" + bytes(4096))
    active = folder / "system.journal"
    active.write_bytes(b"LPKSHHRH" + bytes(4096))
    for path in (archived, active):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    place.write_policy(
        '[[journal]]\nname = "journald"\nkeep = "14 days"\npaths = ["{logs}/journal/*.journal*"]\n'
    )
    shredder("logs", "shred", place.policy, expect=9)
    assert not archived.exists()
    assert active.exists()
