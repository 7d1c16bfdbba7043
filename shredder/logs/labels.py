"""What evidence calls a file: its path, or a salted digest of it where the policy redacts."""

import hashlib
import hmac
import os
import re

# devices are no secret, and a report without them would be of no use
_PATH_ON = re.compile(r"(?<![\w/])/(?!dev/).*", re.DOTALL)
_GOES_ON = r"(?![\w./~@+%=#-])"  # then it is the beginning of another path
_HIDDEN = "(hidden)"


class Labels:
    """Names files for the evidence; each label stands for one path.

    Args:
        salt: what paths are hidden with; None to show them.
    """

    def __init__(self, salt: bytes | None) -> None:
        self._salt = salt
        self._known: dict[str, str] = {}
        self._taken: set[str] = set()

    @property
    def salt_sha256(self) -> str:
        """The digest of the salt, "" without one."""
        return hashlib.sha256(self._salt).hexdigest() if self._salt else ""

    def of(self, path: str) -> str:
        """Return the label of a path."""
        if self._salt is not None:
            digest = hmac.new(self._salt, os.fsencode(path), hashlib.sha256).hexdigest()
            return f"hmac-sha256:{digest}"
        plain = _plain(path)
        return path if plain == path else self._distinguish(path, plain)

    def _distinguish(self, path: str, plain: str) -> str:
        """Two names that are not UTF-8 may be written alike, or like one that is: no path begins so."""
        label = self._known.get(path)
        if label is None:
            label = f"(not UTF-8) {plain}"
            while label in self._taken:
                label += "'"
            self._known[path] = label
            self._taken.add(label)
        return label

    def in_text(self, text: str, path: str = "") -> str:
        """Return a message with the label of a path in it; from the next path on all of it is hidden.

        A name may hold blanks and commas, so that nobody can tell where a path ends that is not known.

        Args:
            text: the message.
            path: the one that it speaks of.
        """
        if self._salt and path:
            text = re.sub(re.escape(path) + _GOES_ON, self.of(path), text)
        if self._salt:
            text = _PATH_ON.sub(_HIDDEN, text)
        return _plain(text)


def _plain(text: str) -> str:
    """Return text that UTF-8 can hold: a file's name is bytes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
