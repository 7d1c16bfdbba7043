"""Holds on record: they outlive a run, and none is overlooked."""

from pathlib import Path

import pytest

from shredder.errors import ShredderError, UsageError
from shredder.log_policy import HeldBy, Hold
from shredder.logs.holds import add_hold, read_holds, release_hold

_HOLD = Hold("web", HeldBy.HAND, 1000, 2000, "attack of 20 November", "root", None)
_CHECKED = Hold("web", HeldBy.HOOK, 1000, None, "the check exited 75", "", None)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder that is not there yet."""
    return tmp_path / "lib" / "shredder"


def test_a_hold_is_set_once_and_released_once(state: Path) -> None:
    assert read_holds(state) == ()
    add_hold(state, _HOLD)
    add_hold(state, _CHECKED)
    assert read_holds(state) == (_HOLD, _CHECKED)
    with pytest.raises(UsageError, match="held already: attack of 20 November"):
        add_hold(state, _HOLD)
    released = release_hold(state, "web", HeldBy.HAND, 1500)
    # it stays on record until a run has put it into evidence
    assert read_holds(state) == (released, _CHECKED)
    assert (released.released_s, released.is_in_force(1500)) == (1500, False)
    with pytest.raises(UsageError, match="not held"):
        release_hold(state, "web", HeldBy.HAND, 1600)
    with pytest.raises(UsageError, match="not held"):
        release_hold(state, "mail", HeldBy.HOOK, 1600)
    add_hold(state, Hold("web", HeldBy.HAND, 1600, 2000, "again", "root", None))


def test_a_hold_that_ran_out_can_be_set_again_but_not_released(state: Path) -> None:
    add_hold(state, _HOLD)
    with pytest.raises(UsageError, match="not held"):
        release_hold(state, "web", HeldBy.HAND, 2000)
    add_hold(state, Hold("web", HeldBy.HAND, 2000, 3000, "again", "root", None))
    assert len(read_holds(state)) == 2


def test_only_its_owner_may_look(state: Path) -> None:
    add_hold(state, _HOLD)
    assert state.stat().st_mode & 0o077 == 0
    assert {path.stat().st_mode & 0o777 for path in state.iterdir()} == {0o600}
    assert sorted(path.name for path in state.iterdir()) == ["holds.json", "holds.lock"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not valid JSON"),
        ("{}", "missing key"),
        ('{"version": 2, "holds": []}', "has version 2"),
        ('{"version": 1, "holds": [{"name": "web"}]}', "missing key"),
        ('{"version": 1, "holds": [], "more": 1}', "unknown key"),
    ],
)
def test_what_cannot_be_read_is_not_taken_for_nothing(state: Path, text: str, said: str) -> None:
    state.mkdir(parents=True)
    (state / "holds.json").write_text(text)
    with pytest.raises(UsageError, match=said):
        read_holds(state)
    with pytest.raises(UsageError, match=said):
        add_hold(state, _HOLD)
    assert (state / "holds.json").read_text() == text


def test_a_state_folder_that_cannot_be_used_is_said(state: Path) -> None:
    state.parent.mkdir(parents=True)
    state.write_text("a file")
    with pytest.raises(ShredderError, match="cannot use the state folder"):
        add_hold(state, _HOLD)
    state.unlink()
    (state / "holds.json").mkdir(parents=True)
    with pytest.raises(UsageError, match="cannot read"):
        read_holds(state)
