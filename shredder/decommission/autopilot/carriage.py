"""Getting the certificate out: the start entry before the first write, everything else at the end."""

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path

from shredder.certify import run_folder
from shredder.decommission.autopilot.keys import AnyKey
from shredder.decommission.autopilot.surroundings import Surroundings
from shredder.decommission.delivery.parcels import find_results, make_start
from shredder.decommission.delivery.retry import keep_trying
from shredder.decommission.delivery.settings import Delivery, NoDelivery, SshDelivery, StickDelivery
from shredder.errors import UndeliveredError

_NOBODY_AFTER_S = 60.0


class Carriage:
    """Delivers for one run.

    Args:
        around: the machine.
        delivery: where to.
        run_id: names the run.
    """

    def __init__(self, around: Surroundings, delivery: Delivery, run_id: str) -> None:
        self._around = around
        self._delivery = delivery
        self._run_id = run_id

    def prove(self, folder: Path, wants_stop: Callable[[], bool]) -> None:
        """Deliver the start entry, within the time that the settings give.

        Args:
            folder: the run's.
            wants_stop: ends it.

        Raises:
            UndeliveredError: it could not be delivered in time, or was stopped.
        """
        start = make_start(folder)
        destination = self._around.open_destination(self._delivery, self._run_id, wants_stop)
        if not isinstance(self._delivery, NoDelivery):
            self._say(f"delivering the start entry: {destination.name}; any key stops it")
        attempt = partial(destination.prove, start)
        self._try(attempt, "the start entry", self._delivery.start_timeout_s, wants_stop)
        if not isinstance(self._delivery, NoDelivery):
            self._say("the start entry was delivered: the way out is open")

    def deliver(self, folder: Path) -> str | None:
        """Deliver what the run left behind; goes on until it has arrived.

        Args:
            folder: the run's.

        Returns:
            Where it went, or None when it goes nowhere, as the operator said.
        """
        while True:
            attempt = _Attempt(AnyKey(self._around.consoles))
            # over ssh an attempt lasts until the operator comes: there the wait itself hears keys
            wants_stop = attempt.key if isinstance(self._delivery, SshDelivery) else attempt.wants_stop
            destination = self._around.open_destination(self._delivery, self._run_id, wants_stop)
            if isinstance(self._delivery, NoDelivery):
                destination.deliver(find_results(folder))
                return None
            self._say(f"delivering evidence and certificate: {destination.name}")
            self._say("until they have arrived this machine is not powered off; a key opens a menu")
            try:
                deliver = partial(attempt.make, partial(destination.deliver, find_results(folder)))
                self._try(deliver, "evidence and certificate", None, attempt.wants_stop)
            except UndeliveredError as error:
                self._say(error.message)
                self._ask_for_another_way(folder)
            else:
                return destination.name

    def _ask_for_another_way(self, folder: Path) -> None:
        consoles = self._around.consoles
        self._say(f"NOT DELIVERED YET: the only copy is in {folder}, in this machine's memory")
        consoles.say("  1  try again now")
        consoles.say("  2  write it to a stick labelled SHREDDER")
        consoles.say("  3  a shell on this console; delivery goes on when it ends")
        typed = consoles.ask("what now? [1-3]", _NOBODY_AFTER_S)
        if typed and typed.text == "2":
            self._delivery = StickDelivery(self._delivery.start_timeout_s)
        elif typed and typed.text == "3":
            consoles.lend(typed.console, self._around.shell)

    def _try(
        self,
        attempt: Callable[[], None],
        what: str,
        deadline_s: float | None,
        wants_stop: Callable[[], bool],
    ) -> None:
        keep_trying(
            attempt,
            what=f"delivering {what}",
            deadline_s=deadline_s,
            say=self._say,
            wants_stop=wants_stop,
            monotonic=self._around.monotonic,
            sleep=self._around.sleep,
        )

    def _say(self, text: str) -> None:
        self._around.consoles.say(text)


class _Attempt:
    """Hears keys only after one whole attempt: noise on a console must not keep the certificate here.

    Args:
        key: asked from then on.
    """

    def __init__(self, key: AnyKey) -> None:
        self.key = key
        self._was_made = False

    def make(self, deliver: Callable[[], None]) -> None:
        """Make an attempt; whatever goes wrong, there is another one.

        Raises:
            UndeliveredError: it failed.
        """
        try:
            deliver()
        except UndeliveredError:
            raise
        except Exception as error:
            raise UndeliveredError(f"unexpected error: {type(error).__name__}: {error}") from error
        finally:
            self._was_made = True

    def wants_stop(self) -> bool:
        """Return whether somebody wants the menu."""
        return self._was_made and self.key()


def certificate_digest(folder: Path) -> str:
    """Return the SHA-256 of a run's certificate in hex, or that there is none.

    Args:
        folder: the run's.
    """
    try:
        return sha256((folder / run_folder.CERTIFICATE).read_bytes()).hexdigest()
    except OSError:
        return "NO CERTIFICATE could be written"
