"""Over the image's own SSH: the operator fetches the files, and sends back a digest of what arrived."""

from collections.abc import Callable, Sequence
from pathlib import Path

from shredder.decommission.delivery.fetch_folder import FetchFolder
from shredder.errors import UndeliveredError
from shredder.units import duration

_LOOK_EVERY_S = 1.0


class SshDestination:
    """Waits for the operator.

    Args:
        folder: where `shredder fetch` looks.
        run_id: names the run.
        start_timeout_s: how long the start entry waits to be fetched.
        say: tells the people at the machine one line.
        wants_stop: ends a wait.
        monotonic: counts seconds.
        sleep: waits that many seconds.
    """

    name = "fetched by the operator over ssh"

    def __init__(
        self,
        folder: FetchFolder,
        run_id: str,
        *,
        start_timeout_s: float,
        say: Callable[[str], None],
        wants_stop: Callable[[], bool],
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._folder = folder
        self._run_id = run_id
        self._start_timeout_s = start_timeout_s
        self._say = say
        self._wants_stop = wants_stop
        self._monotonic = monotonic
        self._sleep = sleep

    def prove(self, start: Path) -> None:
        """Offer the start entry and wait until it was fetched.

        Raises:
            UndeliveredError: nobody fetched it in time, or the wait was stopped.
        """
        self._folder.offer_start(self._run_id, start)
        self._say("waiting for you to fetch the start entry: ssh root@THIS-HOST shredder fetch start")
        ends_s = self._monotonic() + self._start_timeout_s
        while not self._folder.start_was_fetched:
            if self._monotonic() >= ends_s:
                waited = duration(self._start_timeout_s)
                raise UndeliveredError(f"nobody fetched the start entry over ssh within {waited}")
            self._pause()

    def deliver(self, files: Sequence[Path]) -> None:
        """Offer the files and wait until the operator has sent the certificate's digest back.

        Raises:
            UndeliveredError: the wait was stopped.
        """
        self._folder.offer_results(self._run_id, files)
        self._say(
            "waiting for you to fetch the results: ssh root@THIS-HOST shredder fetch results > results.tar"
        )
        self._say("then send back: ssh root@THIS-HOST shredder fetch received SHA256-OF-certificate.json")
        while not self._folder.results_were_received:
            self._pause()

    def _pause(self) -> None:
        if self._wants_stop():
            raise UndeliveredError("the wait for the operator was stopped")
        self._sleep(_LOOK_EVERY_S)
