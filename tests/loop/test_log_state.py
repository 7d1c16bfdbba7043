"""Where runs keep their state when nobody says where: each policy in a folder of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.devices import LoopDevice
from tests.support.log_runs import Place, make_place

MIB = 1 << 20
RULE = '[[logs]]\nname = "web"\npaths = ["{folder}/*.log*"]\nkeep = "7 days"\n'


@pytest.fixture
def place(loop_factory: Callable[..., LoopDevice], mounted: Callable[..., Path]) -> Place:
    return make_place(mounted(loop_factory(48 * MIB).path, "ext4"))


def run_with_fresh_var_lib(script: str) -> "subprocess.CompletedProcess[str]":
    """Run shell lines where /var/lib is empty and nobody else's; `shredder` is the command."""
    command = f'shredder() {{ "{sys.executable}" -m shredder "$@"; }}; mount -t tmpfs none /var/lib; {script}'
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", command]
    return subprocess.run(words, capture_output=True, text=True, check=False, env=os.environ, timeout=120)


def write_policy(place: Place, name: str) -> Path:
    folder = place.logs / name
    folder.mkdir(mode=0o755)
    place.write_log(f"{name}/access.log.2", 9)
    policy = place.root / f"{name}.toml"
    policy.write_text(RULE.replace("{folder}", str(folder)))
    return policy


def test_two_policies_share_neither_hold_nor_lock_nor_last_run(place: Place) -> None:
    one, other = write_policy(place, "one"), write_policy(place, "other")
    done = run_with_fresh_var_lib(
        f"shredder logs hold {one} web --until 2099-01-01 --reason 'court order'\n"
        # the lock of the one is held while the other runs
        f"mkdir -p /var/lib/shredder/one; flock /var/lib/shredder/one/unfinished -c "
        f"'{sys.executable} -m shredder logs shred {other}'\n"
        f"shredder logs shred {one} || echo code $?\n"
        "ls /var/lib/shredder; stat -c %a /var/lib/shredder/*\n"
        "grep -c '\"previous\":null' /var/lib/shredder/*/runs/*/evidence.jsonl\n"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert "code 7" in lines
    assert lines[lines.index("one") :][:4] == ["one", "other", "700", "700"]
    assert [line[-2:] for line in lines[-2:]] == [":1", ":1"], "each is the first run of its policy"
    assert (place.logs / "one" / "access.log.2").exists()
    assert not (place.logs / "other" / "access.log.2").exists()


def test_a_file_named_without_a_policy_has_a_folder_beside_them(place: Place) -> None:
    log = place.write_log("access.log.2", 0)
    done = run_with_fresh_var_lib(
        f"shredder logs shred --file {log}; ls /var/lib/shredder /var/lib/shredder/by-hand/runs/*"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "by-hand" in done.stdout
    assert "certificate.json" in done.stdout
    assert not log.exists()


def test_without_a_name_of_its_own_a_policy_is_refused(place: Place) -> None:
    policy = write_policy(place, "by-hand")
    done = run_with_fresh_var_lib(f"shredder logs shred {policy}")
    assert done.returncode == 2
    assert f'{policy}: [run]: "state" is missing' in done.stderr
    assert (place.logs / "by-hand" / "access.log.2").exists()
