"""Puts the units of a policy into systemd, tells what is there, and takes them away again."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from shredder import __file__ as own_file
from shredder.discover.file_systems import describe_file_system
from shredder.discover.permissions import distrust_file
from shredder.errors import RefusedError, ShredderError, UsageError
from shredder.log_policy import Policy
from shredder.logs.durable import sync_folder, write_new
from shredder.logs.load import find_program, load_policy
from shredder.logs.systemctl import Systemctl
from shredder.logs.unit_sandbox import log_folders
from shredder.logs.units import Names, Place, Unit, make_units, owner_mark, unit_names, watched_patterns

UNITS = Path("/etc/systemd/system")
_STATE_MODE = 0o700
_UNIT_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Installed:
    """What an installation changed: units that were written, and units of before that were taken away."""

    units: tuple[str, ...]
    written: tuple[str, ...]
    removed: tuple[str, ...]


def own_program() -> tuple[str, ...]:
    """Return the command line of this program, as root's timer can run it.

    Raises:
        RefusedError: somebody else could change it.
        UsageError: this interpreter finds the program only from here.
    """
    for path in (sys.executable, own_file):
        why = distrust_file(str(Path(path).absolute()))
        if why:
            hint = "install it where only root can write, for example in /opt"
            raise RefusedError(f"root's timer cannot run this program: {why}", hint=hint)
    # isolated: neither the working folder nor the environment has a say in what is imported
    return (sys.executable, "-I", "-m", "shredder")


def install(path: Path, program: tuple[str, ...], systemctl: Systemctl, folder: Path = UNITS) -> Installed:
    """Write the units of a policy, and start its timer and what watches its spools.

    Whoever does it again changes only what differs.

    Args:
        path: the policy file.
        program: the command line of this program.
        systemctl: talks to systemd.
        folder: where units are kept.

    Raises:
        UsageError: the policy is broken.
        RefusedError: others could change it, a unit of such a name is not ours, or systemd does not run.
        ShredderError: the units cannot be written, or systemd does not take them.
    """
    policy = load_policy(path)
    systemctl.require()
    names = unit_names(policy.name)
    _refuse_foreign(names, policy.path, folder)
    units = make_units(policy, _look(policy, program))
    _make_state(policy)
    wanted = {unit.name for unit in units}
    stale = tuple(name for name in names.all if name not in wanted and (folder / name).exists())
    written = tuple(unit.name for unit in units if _read(folder / unit.name) != unit.text)
    _take_away(stale, systemctl, folder)
    _write(units, written, folder)
    if written or stale:
        systemctl.call("daemon-reload")
    started = [unit.name for unit in units if unit.is_started]
    systemctl.call("enable", "--quiet", *started)
    # a timer that runs already takes its new times only when it is started anew
    systemctl.call("restart" if written else "start", *started)
    return Installed(tuple(unit.name for unit in units), written, stale)


def remove(path: Path, systemctl: Systemctl, folder: Path = UNITS) -> tuple[str, ...]:
    """Take the units of a policy away; a run that goes on is left to its end.

    The policy itself need not be there any more.

    Returns:
        The units that were there.

    Raises:
        RefusedError: a unit of such a name is not ours.
        ShredderError: they cannot be taken away.
    """
    names = unit_names(path.stem)
    _refuse_foreign(names, str(path.absolute()), folder)
    there = tuple(name for name in names.all if (folder / name).exists())
    _take_away(there, systemctl, folder)
    if there:
        systemctl.call("daemon-reload")
    return there


def find_installed(path: Path, folder: Path = UNITS) -> tuple[str, ...]:
    """Return the units of a policy that are there.

    Raises:
        UsageError: its timer is not installed.
        RefusedError: a unit of such a name is not ours.
    """
    names = unit_names(path.stem)
    _refuse_foreign(names, str(path.absolute()), folder)
    if not (folder / names.timer).exists():
        hint = f"install it with `shredder schedule install {path}`"
        raise UsageError(f"no schedule of {path} is installed", hint=hint)
    return tuple(name for name in names.all if (folder / name).exists())


def find_change(path: Path, program: tuple[str, ...], folder: Path = UNITS) -> str:
    """Return why the units are not those that the policy would get now, or ""."""
    try:
        policy = load_policy(path)
        units = make_units(policy, _look(policy, program))
    except ShredderError as error:
        return error.message
    wanted = {unit.name: unit.text for unit in units}
    for name in unit_names(policy.name).all:
        if _read(folder / name) != wanted.get(name):
            return f"{name} is not what the policy asks for now"
    return ""


def _look(policy: Policy, program: tuple[str, ...]) -> Place:
    spools = (folder for pattern in watched_patterns(policy) for folder in _folders(pattern))
    return Place(
        program=program,
        notify=find_program(policy.notify[0]) if policy.notify else "",
        spools=tuple(sorted(set(spools))),
        on_btrfs=any(_is_btrfs(Path(folder)) for folder in log_folders(policy)),
    )


def _folders(pattern: str) -> tuple[str, ...]:
    """Return the folders that a pattern means: those that are there, or the one that it names."""
    found = (
        sorted(str(path) for path in Path("/").glob(pattern[1:]) if path.is_dir()) if pattern != "/" else []
    )
    return tuple(found) or (pattern,)


def _is_btrfs(folder: Path) -> bool:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return describe_file_system(descriptor).kind == "btrfs"
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _refuse_foreign(names: Names, policy_path: str, folder: Path) -> None:
    mark = owner_mark(policy_path)
    for name in names.all:
        text = _read(folder / name)
        if text is not None and mark not in text.splitlines():
            hint = "rename the policy file, or take the unit away by hand"
            raise RefusedError(f"{folder / name} belongs to another policy, or is not ours", hint=hint)


def _read(path: Path) -> str | None:
    """Return the text of a unit, None when it is not there; one that is masked is empty."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ShredderError(f"cannot read {path}: {error.strerror}") from None


def _make_state(policy: Policy) -> None:
    """Make the state folder: a run sees it as it was when the run began, and cannot make it."""
    try:
        Path(policy.state).mkdir(mode=_STATE_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise ShredderError(f"cannot make the state folder {policy.state}: {error.strerror}") from None


def _write(units: tuple[Unit, ...], wanted: tuple[str, ...], folder: Path) -> None:
    for unit in units:
        if unit.name not in wanted:
            continue
        fresh = folder / f".{unit.name}.new"
        try:
            fresh.unlink(missing_ok=True)
            write_new(fresh, unit.text.encode(), mode=_UNIT_MODE)
            fresh.chmod(_UNIT_MODE)  # whatever the umask
            fresh.rename(folder / unit.name)
            sync_folder(folder)
        except OSError as error:
            raise ShredderError(f"cannot write {folder / unit.name}: {error.strerror}") from None


def _take_away(names: tuple[str, ...], systemctl: Systemctl, folder: Path) -> None:
    starting = [name for name in names if name.endswith((".timer", ".path"))]
    if starting:
        systemctl.call("disable", "--quiet", "--now", *starting)
    for name in names:
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise ShredderError(f"cannot remove {folder / name}: {error.strerror}") from None
