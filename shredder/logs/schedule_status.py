"""How the schedule of a policy fares: what systemd knows, and what the last run left."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from shredder.errors import ShredderError
from shredder.logs.load import load_policy
from shredder.logs.memory import Memory
from shredder.logs.schedule import UNITS, find_change, find_installed
from shredder.logs.systemctl import Systemctl
from shredder.logs.units import unit_names

_SERVICE = ("ActiveState", "Result", "ExecMainStatus", "ExecMainExitTimestamp")
_TIMER = ("ActiveState", "NextElapseUSecRealtime", "LastTriggerUSec")


@dataclass(frozen=True, slots=True)
class Status:
    """The schedule of one policy; times are seconds since 1970, None where there is none.

    `running`: a run goes on. `result` is systemd's word for the last run since the boot, "" without
    one, `exit_code` its exit code. `timer` and `spools` are the states of the units, "" for one that is not
    there. `last_folder` holds the evidence of the last run that began. `change` says what a fresh
    installation would change, or what is wrong with the policy.
    """

    units: tuple[str, ...]
    timer: str
    next_s: int | None
    triggered_s: int | None
    running: bool
    result: str
    exit_code: int | None
    ended_s: int | None
    spools: str
    last_folder: str
    change: str


def read_status(path: Path, program: tuple[str, ...], systemctl: Systemctl, folder: Path = UNITS) -> Status:
    """Return how a schedule fares.

    Args:
        path: the policy file.
        program: the command line of this program.
        systemctl: talks to systemd.
        folder: where units are kept.

    Raises:
        UsageError: none is installed.
        RefusedError: a unit of such a name is not ours.
        ShredderError: systemd does not answer.
    """
    units = find_installed(path, folder)
    names = unit_names(path.stem)
    service = systemctl.show(names.service, _SERVICE)
    timer = systemctl.show(names.timer, _TIMER)
    spools = systemctl.show(names.path, ("ActiveState",)) if names.path in units else {}
    ended_s = _seconds(service.get("ExecMainExitTimestamp", ""))
    code = service.get("ExecMainStatus", "")
    return Status(
        units=units,
        timer=timer.get("ActiveState", ""),
        next_s=_seconds(timer.get("NextElapseUSecRealtime", "")),
        triggered_s=_seconds(timer.get("LastTriggerUSec", "")),
        running=service.get("ActiveState", "") in ("activating", "deactivating"),
        result=service.get("Result", "") if ended_s is not None else "",
        exit_code=int(code) if ended_s is not None and code.isdigit() else None,
        ended_s=ended_s,
        spools=spools.get("ActiveState", ""),
        last_folder=_last_folder(path),
        change=find_change(path, program, folder),
    )


def _last_folder(path: Path) -> str:
    try:
        last = Memory(Path(load_policy(path).state)).last_run()
    except ShredderError:
        return ""
    return last.folder if last else ""


def _seconds(told: str) -> int | None:
    """Read e.g. "Sun 2026-11-22 00:00:00 UTC"; None for a time that is not there."""
    try:
        return int(datetime.strptime(told, "%a %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None
