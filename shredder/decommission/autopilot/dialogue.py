"""A plain numbered dialogue that works on a serial line: choose, see the plan, type the serial, go."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from shredder.decommission.autopilot.consoles import Consoles, Typed
from shredder.decommission.autopilot.screen import RULE, list_disks, show_disks
from shredder.decommission.delivery.settings import Delivery, NoDelivery, StickDelivery
from shredder.errors import UsageError
from shredder.model import Device, Machine, Plan, RefusalKind
from shredder.plan.methods import METHODS
from shredder.plan.planner import Request, check_request
from shredder.plan.safety import check, split_refusals

_ATTENDED_START_S = 60


class Action(StrEnum):
    """What the operator wants."""

    WIPE = "show the devices and wipe some of them"
    DELIVER = "deliver what has not left this machine yet"
    SHELL = "a shell on this console"
    REBOOT = "reboot"
    POWEROFF = "power off"


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is to be wiped, how, and where the certificate goes."""

    names: tuple[str, ...]
    request: Request
    delivery: Delivery


class Dialogue:
    """Asks on all consoles.

    Args:
        consoles: all of them.
    """

    def __init__(self, consoles: Consoles) -> None:
        self._consoles = consoles

    def choose_action(self, *, has_undelivered: bool) -> tuple[Action, str]:
        """Ask what to do now.

        Args:
            has_undelivered: a certificate is in this machine's memory only.

        Returns:
            What, and the console it was asked for on.
        """
        actions = [action for action in Action if has_undelivered or action is not Action.DELIVER]
        while True:
            self._consoles.say(RULE)
            typed = self._choose("what now?", actions)
            if typed is not None:
                return actions[int(typed.text) - 1], typed.console

    def choose(self, machine: Machine, usual: Request, configured: Delivery | None) -> Chosen | None:
        """Show the devices and ask which ones, how, and where the certificate goes.

        Args:
            machine: everything that was discovered.
            usual: what is done unless something else is typed.
            configured: where the certificate goes unless something else is chosen.

        Returns:
            What was chosen, or None to go back.
        """
        disks = list_disks(machine)
        self._say_all(show_disks(disks, machine, usual.allow))
        names = self._choose_disks(machine, disks, usual.allow)
        if not names:
            return None
        request = self._choose_request(usual)
        delivery = self.choose_delivery(configured)
        return Chosen(names, request, delivery) if delivery else None

    def confirm(self, plan: Plan) -> bool:
        """Have the serial (or else the path) of every target typed; False as soon as one is not."""
        for step in plan.steps:
            serial = step.identity.serial
            what, wanted = ("serial", serial) if isinstance(serial, str) else ("path", step.path)
            if self._ask(f"to wipe {step.path}, type its {what} ({wanted}):") != wanted:
                self._consoles.say(f"that is not the {what} of {step.path}; nothing was wiped")
                return False
        return True

    def confirm_loss(self) -> bool:
        """Ask whether the only copy of a certificate may be lost."""
        self._consoles.say("THE CERTIFICATE IS IN THIS MACHINE'S MEMORY ONLY AND WILL BE LOST")
        return self._ask('type "lose it" to go on all the same:') == "lose it"

    def _choose_disks(
        self, machine: Machine, disks: Sequence[Device], allow: frozenset[RefusalKind]
    ) -> tuple[str, ...]:
        while True:
            words = self._ask("numbers of the disks to wipe, with blanks between (Enter: back):").split()
            wrong = [word for word in words if not (word.isdecimal() and 1 <= int(word) <= len(disks))]
            chosen = [disks[int(word) - 1] for word in dict.fromkeys(words) if word not in wrong]
            refused = [disk.path for disk in chosen if split_refusals(check(disk, machine), allow)[0]]
            if not wrong and not refused:
                return tuple(disk.path for disk in chosen)
            self._consoles.say(
                f"there is no {wrong[0]} in the list"
                if wrong
                else f"{refused[0]} may not be wiped, see above"
            )

    def _choose_request(self, usual: Request) -> Request:
        self._consoles.say("methods: " + ", ".join(METHODS))
        while True:
            typed = self._ask(f"method (Enter: {usual.method}):")
            request = usual if typed in ("", usual.method) else replace(usual, method=typed, count=None)
            try:
                check_request(request)
            except UsageError as error:
                self._consoles.say(error.message)
            else:
                return request

    def choose_delivery(self, configured: Delivery | None) -> Delivery | None:
        """Ask where the certificate goes; None for an answer that is none.

        Args:
            configured: offered first.
        """
        ways: dict[str, Delivery] = {
            "to a stick labelled SHREDDER": StickDelivery(_ATTENDED_START_S),
            "nowhere: it is lost when the machine is powered off": NoDelivery(_ATTENDED_START_S),
        }
        offered: dict[str, Delivery] = {"as configured": configured} if configured else {}
        offered |= ways
        typed = self._choose("where does the certificate go?", list(offered))
        return None if typed is None else list(offered.values())[int(typed.text) - 1]

    def _choose(self, question: str, answers: Sequence[str]) -> Typed | None:
        for number, answer in enumerate(answers, start=1):
            self._consoles.say(f"  {number}  {answer}")
        typed = self._consoles.ask(f"{question} [1-{len(answers)}]")
        if typed is not None and typed.text not in map(str, range(1, len(answers) + 1)):
            if typed.text:
                self._consoles.say(f'"{typed.text}" is none of the choices')
            return None
        return typed

    def _ask(self, question: str) -> str:
        typed = self._consoles.ask(question)
        return typed.text if typed else ""

    def _say_all(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._consoles.say(line)
