"""One wipe, from the plan to the certificate and out of the machine."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from shredder.certify.keys import PrivateKey, key_id, new_key
from shredder.decommission.autopilot.carriage import Carriage, certificate_digest
from shredder.decommission.autopilot.keys import AnyKey, StopKeys
from shredder.decommission.autopilot.progress import ProgressLines
from shredder.decommission.autopilot.screen import RULE, show_plan, show_report
from shredder.decommission.autopilot.shelf import Shelf
from shredder.decommission.autopilot.surroundings import Surroundings
from shredder.decommission.delivery.settings import Delivery, StickDelivery
from shredder.decommission.interrupts import stop_on_signals
from shredder.decommission.job import Result, carry_out, new_run_id
from shredder.decommission.prepare import Planned, check_plan, make_plan
from shredder.errors import ExitCode, RefusedError, UndeliveredError
from shredder.model import Plan, Profile
from shredder.plan.planner import Request


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done. `find_names` looks the targets up anew each time; None means all disks."""

    find_names: Callable[[], tuple[str, ...]] | None
    request: Request
    key: PrivateKey | None
    profile: Profile
    delivery: Delivery
    kept: frozenset[str]


class NotBegunError(UndeliveredError):
    """The start entry could not be delivered in time: nothing was written."""


class Mission:
    """Carries an order out.

    Args:
        around: the machine.
        shelf: where runs are kept.
        order: what is to be done.
    """

    def __init__(self, around: Surroundings, shelf: Shelf, order: Order) -> None:
        self._around = around
        self._shelf = shelf
        self._order = order
        self._run_id = new_run_id()
        self._key = order.key or new_key()

    def plan(self) -> Planned:
        """Decide, by what the machine has now.

        Raises:
            UsageError: a target's name means no device, or several.
            RefusedError: nothing may be wiped.
        """
        find_names = self._order.find_names
        return make_plan(
            find_names() if find_names else (),
            self._order.request,
            image=False,
            all_disks=find_names is None,
            output=self._shelf.place(self._run_id),
            kept=self._order.kept | self._sticks(),
        )

    def show(self, planned: Planned) -> None:
        """Show a plan on all consoles."""
        self._say(RULE)
        for line in show_plan(planned.plan, planned.refused):
            self._say(line)
        self._say(RULE)

    def carry_out(self, plan: Plan) -> ExitCode:
        """Prove the way out, wipe, certify, deliver, and show what came of it.

        Args:
            plan: that was shown and agreed to.

        Raises:
            NotBegunError: the start entry could not be delivered; nothing was written.
            ShredderError: nothing was written.
        """
        carriage = Carriage(self._around, self._order.delivery, self._run_id)
        result = self._wipe(plan, carriage)
        self._show_result(result)
        where = carriage.deliver(result.folder)
        if where is not None and result.has_certificate:
            self._shelf.note_delivered(result.folder)
        self._show_result(result)
        self._say(f"delivered    {where or 'NOWHERE, as configured: it is in memory only'}")
        return result.exit_code

    def _wipe(self, plan: Plan, carriage: Carriage) -> Result:
        with stop_on_signals() as stop:
            key = AnyKey(self._around.consoles)

            def wants_no_start() -> bool:
                return key() or stop.is_set()

            def prove(folder: Path) -> None:
                failure = None
                try:
                    carriage.prove(folder, wants_no_start)
                except UndeliveredError as error:
                    failure = NotBegunError(f"{error.message}; nothing was written")
                if wants_no_start():  # also where the start entry arrived meanwhile
                    raise RefusedError("stopped by somebody at the machine; nothing was written")
                if failure is not None:
                    raise failure
                self._say("WIPING; Ctrl-C twice stops it")

            return carry_out(
                check_plan(plan),
                self._run_id,
                self._shelf.place(self._run_id),
                key=self._key,
                profile=self._order.profile,
                monitor=ProgressLines(plan.steps, self._say),
                wants_stop=StopKeys(self._around.consoles, stop.is_set),
                before_first_write=prove,
            )

    def _show_result(self, result: Result) -> None:
        report = result.report
        self._say(RULE)
        for line in show_report(report, report.plan.host):
            self._say(line)
        for text in result.trouble:
            self._say(f"TROUBLE: {text}")
        self._say(f"image        {self._around.image}")
        self._say(f"run          {report.run_id}")
        self._say(f"signing key  {key_id(self._key.public_key())}")
        self._say(f"certificate  {certificate_digest(result.folder)}")

    def _sticks(self) -> frozenset[str]:
        if not isinstance(self._order.delivery, StickDelivery):
            return frozenset()
        return frozenset(
            node for volume in self._around.find_volumes() for node in (volume.path, volume.disk)
        )

    def _say(self, text: str) -> None:
        self._around.consoles.say(text)
