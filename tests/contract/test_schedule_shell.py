"""`shredder schedule`: what it says where it can do nothing."""

import os
from pathlib import Path

import pytest

from tests.support.command import Shredder

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change what systemd does")

_POLICY = '[[logs]]\nname = "web"\npaths = ["/var/log/web/*.log*"]\nkeep = "7 days"\n'


def test_what_is_not_installed_has_no_status_and_nothing_to_remove(
    shredder: Shredder, tmp_path: Path
) -> None:
    policy = tmp_path / "no policy of this name %n.toml"
    done = shredder("schedule", "status", policy, expect=2)
    assert f"no schedule of {policy} is installed" in done.stderr
    assert shredder("schedule", "remove", policy).stdout == "nothing was installed\n"


def test_a_broken_policy_is_refused_with_file_table_and_key(shredder: Shredder, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(_POLICY.replace("keep =", "kepe ="))
    said = shredder("schedule", "install", policy, expect=2).stderr
    assert "policy.toml" in said
    assert "keep" in said
