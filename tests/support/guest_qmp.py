"""QEMU's control socket: commands, and the events that tell how a guest ended."""

import contextlib
import json
import socket
import threading
import time
from typing import Any

_ANSWER_WITHIN_S = 30.0


class QmpError(AssertionError):
    """QEMU refused a command, or is gone."""


class Qmp:
    """Speaks the QEMU Machine Protocol over a connected socket; a thread takes what comes.

    Args:
        connection: our end of the socket.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._changed = threading.Condition()
        self._events: list[dict[str, Any]] = []
        self._answers: dict[int, dict[str, Any]] = {}
        self._asked = 0
        self._closed = False
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def ask(self, command: str, **arguments: object) -> Any:
        """Send a command; returns what it returned.

        Raises:
            QmpError: it was refused, or there was no answer.
        """
        with self._changed:
            self._asked += 1
            number = self._asked
        message = {"execute": command, "arguments": arguments, "id": number}
        try:
            self._connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise QmpError(f"{command}: QEMU is gone: {error}") from None
        with self._changed:
            self._changed.wait_for(lambda: number in self._answers or self._closed, _ANSWER_WITHIN_S)
            answer = self._answers.pop(number, {"error": "no answer"})
        if "error" in answer:
            raise QmpError(f"{command}: {answer['error']}")
        return answer["return"]

    def wait_event(self, name: str, timeout_s: float, **wanted: object) -> dict[str, Any] | None:
        """Wait for the first event of a name.

        Args:
            name: e.g. "SHUTDOWN".
            timeout_s: seconds.
            wanted: what its data must hold.

        Returns:
            Its data, or None when it did not come in time or QEMU is gone.
        """
        ends = time.monotonic() + timeout_s
        with self._changed:
            while True:
                for event in self._events:
                    data: dict[str, Any] = event.get("data", {})
                    if event["event"] == name and wanted.items() <= data.items():
                        return data
                left_s = ends - time.monotonic()
                if self._closed or left_s <= 0:
                    return None
                self._changed.wait(left_s)

    def close(self) -> None:
        """Let go of the socket; the thread ends."""
        with contextlib.suppress(OSError):  # QEMU was first
            self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._connection.close()

    def _take(self) -> None:
        with self._connection.makefile("rb") as lines:
            try:
                for line in lines:
                    self._sort(json.loads(line))
            except OSError:
                pass  # the other end was reset: closed, like any other end
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _sort(self, message: dict[str, Any]) -> None:
        with self._changed:
            if "event" in message:
                self._events.append(message)
            elif "id" in message:
                self._answers[message["id"]] = message
            self._changed.notify_all()
