"""The order of things: configuration, network, plan, countdown, wipe, delivery, end; else the dialogue."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from shredder.certify.keys import PrivateKey, new_key
from shredder.certify.profiles import read_profile
from shredder.decommission.autopilot.carriage import Carriage, certificate_digest
from shredder.decommission.autopilot.configuration import AtEnd, Configuration
from shredder.decommission.autopilot.countdown import count_down
from shredder.decommission.autopilot.dialogue import Action, Chosen, Dialogue
from shredder.decommission.autopilot.mission import Mission, NotBegunError, Order
from shredder.decommission.autopilot.network import global_addresses
from shredder.decommission.autopilot.screen import RULE, hint_line, list_disks, show_disks, show_report
from shredder.decommission.autopilot.shelf import Shelf, conclude
from shredder.decommission.autopilot.sources import Found, find_configuration
from shredder.decommission.autopilot.surroundings import Surroundings
from shredder.decommission.autopilot.targets import wait_until_quiet
from shredder.decommission.autopilot.tools import ToolError
from shredder.decommission.delivery.settings import Delivery, NoDelivery
from shredder.decommission.prepare import Planned, survey
from shredder.errors import ExitCode, RefusedError, ShredderError, UsageError, gravest
from shredder.model import VerifyKind
from shredder.plan.planner import Request

_USUAL = Request("random", None, VerifyKind.FULL, "", frozenset())
_LOOK_EVERY_S = 2.0
_COUNTDOWNS = 5


class Autopilot:
    """Runs until somebody or the configuration wants the machine to end.

    Args:
        around: the machine.
        shelf: where runs are kept.
    """

    def __init__(self, around: Surroundings, shelf: Shelf) -> None:
        self._around = around
        self._shelf = shelf
        self._dialogue = Dialogue(around.consoles)
        self._found: Found | None = None
        self._code = ExitCode.DONE

    def run(self) -> AtEnd:
        """Do what the configuration says, or else what somebody at the machine wants.

        Returns:
            POWEROFF or REBOOT, when it is time for that.
        """
        self._say(RULE)
        self._say(f"{self._around.image}; consoles: {', '.join(self._around.consoles.names)}")
        if self._shelf.has_begun or self._shelf.written():
            self._say("the autopilot was started again; an unattended run happens once after a start")
            self._guard(self._prepare)
            how = self._guard(self._resume)
        else:
            how = self._guard(self._begin)
        return self.attend() if how is None else how

    def attend(self) -> AtEnd:
        """Do what somebody at the machine wants, one thing after the other; returns POWEROFF or REBOOT."""
        while True:
            wanted = self._guard(self._attend)
            if wanted is not None:
                return wanted

    def say_end(self, how: AtEnd) -> None:
        """Say that the machine ends now, and how the last run ended."""
        self._say("the machine powers off" if how is AtEnd.POWEROFF else "the machine reboots")
        self._say_code()
        self._around.consoles.settle()

    def _guard(self, step: Callable[[], AtEnd | None]) -> AtEnd | None:
        """Take a step; whatever goes wrong in it is shown, and the machine stays up."""
        try:
            return step()
        except ShredderError as error:
            self._show_error(error)
        except Exception as error:
            self._say(f"unexpected error: {type(error).__name__}: {error}")
            self._code = ExitCode.UNEXPECTED
        self._say_code()
        return None

    def _begin(self) -> AtEnd | None:
        """Find the configuration and do what it says; None where the machine is to stay."""
        self._prepare()
        configuration = self._found.configuration if self._found else None
        if configuration is None or not configuration.targets:
            self._say("no configuration names targets: nothing is wiped unless you choose it here")
            machine = survey()
            allow = (configuration.request if configuration else _USUAL).allow
            for line in show_disks(list_disks(machine), machine, allow):
                self._say(line)
            return None
        self._shelf.note_begun()
        return self._run_unattended(configuration)

    def _resume(self) -> AtEnd | None:
        """After a crash: certify what it cut off, deliver it and end as configured."""
        configuration = self._found.configuration if self._found else None
        key = configuration.key if configuration else None
        written = self._shelf.written()
        codes = [self._conclude(folder, key or new_key()) for folder in written]
        self._code = gravest(codes) if codes else ExitCode.UNEXPECTED
        if configuration is None or configuration.delivery is None or not written:
            self._say_code()
            return None
        self._deliver_all(self._shelf.undelivered(), configuration.delivery)
        return self._end(configuration) if self._shelf.has_begun else None

    def _conclude(self, folder: Path, key: PrivateKey) -> ExitCode:
        try:
            report = conclude(folder, key)
        except (ShredderError, OSError) as error:
            self._say(f"TROUBLE: {folder}: {error}")
            return ExitCode.UNEXPECTED
        for line in show_report(report, report.plan.host):
            self._say(line)
        return report.exit_code

    def _prepare(self) -> None:
        """Find the configuration, and set up network and SSH."""
        self._found = self._find_configuration()
        if self._found is None:
            return
        self._say(f"configuration: {self._found.where}")
        configuration = self._found.configuration
        self._around.network.bring_up(configuration.network)
        if configuration.ssh_keys:
            self._start_ssh(configuration)

    def _find_configuration(self) -> Found | None:
        """Look, and look again for a little while: sticks take seconds to appear."""
        ends_s = self._around.monotonic() + self._around.patience_s
        self._say("looking for a configuration; a key ends the search")
        self._around.consoles.forget_typed()
        while (found := find_configuration(self._around.sources)) is None:
            if self._around.monotonic() >= ends_s or self._around.consoles.wait_key(_LOOK_EVERY_S):
                return None
        return found

    def _start_ssh(self, configuration: Configuration) -> None:
        try:
            server = self._around.start_ssh(configuration.ssh_keys)
        except (ToolError, OSError) as error:
            self._say(f"ssh: {error}")
            return
        hosts = [address.partition("/")[0] for address in global_addresses()]
        self._say(f"ssh: root@{', root@'.join(hosts) or 'this machine'}, host key {server.fingerprint}")

    def _run_unattended(self, configuration: Configuration) -> AtEnd | None:
        mission = Mission(self._around, self._shelf, self._order(configuration))
        if configuration.all_disks:
            self._wait_for_disks()
        planned = self._plan_patiently(mission)
        self._around.consoles.forget_typed()
        agreed = self._count_down(mission, planned, configuration.countdown_s)
        try:
            self._code = mission.carry_out(agreed.plan)
        except NotBegunError as error:
            self._show_error(error)
            return AtEnd.REBOOT
        return self._end(configuration)

    def _end(self, configuration: Configuration) -> AtEnd | None:
        """Return how the machine ends; None where it is to stay."""
        if configuration.at_end in (AtEnd.POWEROFF, AtEnd.REBOOT):
            if isinstance(configuration.delivery, NoDelivery) or not self._shelf.undelivered():
                return configuration.at_end
            self._say("there is no certificate to deliver: the machine stays up")
        self._say_code()
        if configuration.at_end is AtEnd.SHELL:
            self._offer_shell()
        return None

    def _order(self, configuration: Configuration) -> Order:
        if configuration.delivery is None or self._found is None:
            raise UsageError("no delivery is configured")
        find_names = (
            None if configuration.all_disks else partial(self._around.find_targets, configuration.targets)
        )
        return Order(
            find_names,
            configuration.request,
            configuration.key,
            configuration.profile,
            configuration.delivery,
            self._found.kept,
        )

    def _wait_for_disks(self) -> None:
        self._say("waiting until no more disks appear")
        around = self._around
        if not wait_until_quiet(around.list_blocks, around.patience_s, around.monotonic, around.sleep):
            self._say("disks still come and go: the plan has those that are here now")

    def _plan_patiently(self, mission: Mission) -> Planned:
        """Plan; a disk that was named may take a while to appear."""
        ends_s = self._around.monotonic() + self._around.patience_s
        while True:
            try:
                return mission.plan()
            except UsageError as error:
                if self._around.monotonic() >= ends_s:
                    raise
                self._say(f"waiting: {error.message}")
                self._around.sleep(_LOOK_EVERY_S)

    def _count_down(self, mission: Mission, planned: Planned, seconds: int) -> Planned:
        """Show the plan and count down; again when the disks changed: what was shown is what is done.

        Raises:
            RefusedError: a key stopped it, or the disks do not settle.
        """
        for _ in range(_COUNTDOWNS):
            mission.show(planned)
            console = count_down(self._around.consoles, seconds)
            if console is not None:
                raise RefusedError(f"stopped by a key on {console}; nothing was written")
            again = mission.plan()
            if again.plan.digest == planned.plan.digest:
                return again
            self._say("the disks changed meanwhile")
            planned = again
        raise RefusedError("the disks keep changing; nothing was written")

    def _attend(self) -> AtEnd | None:
        """Do one thing that somebody at the machine wants."""
        undelivered = self._shelf.undelivered()
        for folder in undelivered:
            self._say(f"NOT DELIVERED: the only copy of a certificate is in {folder}, in memory")
        action, console = self._dialogue.choose_action(has_undelivered=bool(undelivered))
        if action is Action.WIPE:
            self._wipe_attended()
        elif action is Action.DELIVER:
            self._deliver_again(undelivered)
        elif action is Action.SHELL:
            self._around.consoles.lend(console, self._around.shell)
        elif not undelivered or self._dialogue.confirm_loss():
            return AtEnd.REBOOT if action is Action.REBOOT else AtEnd.POWEROFF
        return None

    def _wipe_attended(self) -> None:
        configuration = self._found.configuration if self._found else None
        usual = configuration.request if configuration else _USUAL
        configured = configuration.delivery if configuration else None
        chosen = self._dialogue.choose(survey(), usual, configured)
        if chosen is None:
            return
        mission = Mission(self._around, self._shelf, self._order_chosen(chosen, configuration))
        planned = mission.plan()
        mission.show(planned)
        if not self._dialogue.confirm(planned.plan):
            return
        self._around.consoles.forget_typed()
        self._code = mission.carry_out(planned.plan)
        self._say_code()

    def _order_chosen(self, chosen: Chosen, configuration: Configuration | None) -> Order:
        return Order(
            lambda: chosen.names,
            chosen.request,
            configuration.key if configuration else None,
            configuration.profile if configuration else read_profile("", "nothing"),
            chosen.delivery,
            self._found.kept if self._found else frozenset(),
        )

    def _deliver_again(self, folders: Sequence[Path]) -> None:
        configuration = self._found.configuration if self._found else None
        delivery = self._dialogue.choose_delivery(configuration.delivery if configuration else None)
        if delivery is not None:
            self._deliver_all(folders, delivery)

    def _deliver_all(self, folders: Sequence[Path], delivery: Delivery) -> None:
        for folder in folders:
            where = Carriage(self._around, delivery, folder.name).deliver(folder)
            if where is not None:
                self._shelf.note_delivered(folder)
                self._say(f"delivered {where}: certificate {certificate_digest(folder)}")

    def _offer_shell(self) -> None:
        typed = self._around.consoles.ask("press Enter for a shell on this console")
        if typed is not None:
            self._around.consoles.lend(typed.console, self._around.shell)

    def _show_error(self, error: ShredderError) -> None:
        self._say(f"shredder: {error.message}")
        for line in hint_line(error.hint):
            self._say(line)
        self._code = error.exit_code

    def _say_code(self) -> None:
        self._say(f"shredder: ended with exit code {int(self._code)}")

    def _say(self, text: str) -> None:
        self._around.consoles.say(text)
