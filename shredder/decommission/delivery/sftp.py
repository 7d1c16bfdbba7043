"""By SFTP: OpenSSH's own client, told what to do by a batch, and nothing of this machine's SSH configuration.

Each file goes up under a temporary name and is renamed when it is complete; its size is then read back.
"""

import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from shredder.decommission.delivery.retry import limit_for, limited
from shredder.decommission.delivery.secrets import private_folder
from shredder.decommission.delivery.settings import SftpDelivery
from shredder.decommission.delivery.templates import HOSTNAME, RUN_ID, fill
from shredder.errors import UndeliveredError

_CONNECT_TIMEOUT_S = 30
_ALIVE_EVERY_S = 15
# what the client calls the server, whatever its address: the pinned keys stand under this name
_ALIAS = "destination"

_OPTIONS = {
    "BatchMode": "yes",
    "CheckHostIP": "no",
    "ConnectTimeout": str(_CONNECT_TIMEOUT_S),
    "GlobalKnownHostsFile": "none",
    "HostKeyAlias": _ALIAS,
    "IdentitiesOnly": "yes",
    "IdentityAgent": "none",
    "LogLevel": "ERROR",
    "PreferredAuthentications": "publickey",
    "ServerAliveCountMax": "4",
    "ServerAliveInterval": str(_ALIVE_EVERY_S),
    "StrictHostKeyChecking": "yes",
    "UpdateHostKeys": "no",
}

# what OpenSSH says, as patterns, and what it means here; the first that is found counts
_REASONS = (
    ("Host key verification failed", "the server's host key is not the pinned one"),
    (r"Permission denied \(", "the server does not take the key"),
    ("Too many authentication failures", "the server does not take the key"),
    ("Connection refused", "the connection was refused"),
    ("Could not resolve hostname", "its name could not be resolved"),
    ("timed out", "no answer in time"),
    ("Timeout, server", "no answer in time"),
    ("No route to host", "no route to host"),
    ("Network is unreachable", "network is unreachable"),
    ("subsystem request failed", "the server offers no SFTP"),
    (r"write remote .*: Failure", "the server could not store it; its disk may be full"),
    ("Connection reset", "the connection broke off"),
    ("Connection closed", "the connection broke off"),
)


class SftpDestination:
    """A folder on a server.

    Args:
        settings: from the configuration.
        run_id: names the run.
        hostname: what the machine calls itself.
        ram_folder: takes the private key while it is in use.
        wants_stop: ends an attempt.
    """

    def __init__(
        self,
        settings: SftpDelivery,
        run_id: str,
        *,
        hostname: str,
        ram_folder: Path,
        wants_stop: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._run_id = run_id
        self._hostname = hostname
        self._ram_folder = ram_folder
        self._wants_stop = wants_stop
        self.name = f"sftp to {settings.user}@{settings.host}"

    def prove(self, start: Path) -> None:
        """Put the start entry into the folder.

        Raises:
            UndeliveredError: it did not get there.
        """
        self.deliver((start,))

    def deliver(self, files: Sequence[Path]) -> None:
        """Put the files into the folder, and read their sizes back.

        Raises:
            UndeliveredError: one did not get there.
        """
        sizes = {file.name: _size_bytes(file) for file in files}
        texts = {
            "key": self._settings.key,
            "known_hosts": "\n".join(f"{_ALIAS} {key}" for key in self._settings.host_keys),
        }
        with private_folder(self._ram_folder, texts) as folder:
            told = self._send(folder, files, limit_for(sum(sizes.values())))
        found = _read_sizes(told)
        for name, size_bytes in sizes.items():
            if found.get(name) != size_bytes:
                there = "is not there" if name not in found else f"has {found[name]} bytes there"
                raise UndeliveredError(f"{self.name}: {name} {there}, not {size_bytes}")

    def _write_batch(self, names: Sequence[str]) -> str:
        """Return the batch; a leading dash lets a command fail."""
        made, folder = self._folders()
        lines = [f'-mkdir "{path}"' for path in made]
        for name in names:
            place, part = folder / name, folder / f"{name}.part"
            lines.append(f'put -f {name} "{part}"')
            lines.append(f'-rm "{place}"')  # not every server replaces a file by renaming
            lines.append(f'rename "{part}" "{place}"')
            lines.append(f'ls -ln "{place}"')
        return "\n".join(lines) + "\n"

    def _folders(self) -> tuple[tuple[PurePosixPath, ...], PurePosixPath]:
        """Return the folders to make, and the one to fill: what no run names must be there already."""
        folder, made = PurePosixPath(), []
        for part in PurePosixPath(self._settings.folder).parts:
            folder /= fill(part, run_id=self._run_id, hostname=self._hostname)
            if RUN_ID in part or HOSTNAME in part:
                made.append(folder)
        return tuple(made), folder

    def _send(self, folder: Path, files: Sequence[Path], limit_s: float) -> str:
        """Run the client in `folder` and return what it printed."""
        batch = self._write_batch([file.name for file in files])
        try:
            for file in files:
                (folder / file.name).symlink_to(file.absolute())  # names that need no quoting
            with limited(self.name, limit_s, self._wants_stop):
                done = self._run(folder, batch)
        except FileNotFoundError:
            raise UndeliveredError("there is no sftp on this machine", hint="openssh-client has it") from None
        except OSError as error:
            raise UndeliveredError(f"sftp could not be started: {error.strerror}") from None
        if done.returncode != 0:
            raise UndeliveredError(f"{self.name}: {_explain(done.stderr)}")
        return done.stdout

    def _run(self, folder: Path, batch: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(),
            input=batch,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            check=False,
        )

    def _command(self) -> list[str]:
        settings = self._settings
        options = _OPTIONS | {
            "HostName": settings.host,
            "IdentityFile": "key",
            "Port": str(settings.port),
            "User": settings.user,
            "UserKnownHostsFile": "known_hosts",
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return ["sftp", "-F", "none", "-b", "-", *words, _ALIAS]


def _size_bytes(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError as error:
        raise UndeliveredError(f"{file} could not be read: {error.strerror}") from None


def _read_sizes(told: str) -> dict[str, int]:
    """Return the sizes in bytes by file name, from lines like "-rw-r--r-- 1 0 0 1234 Nov 21 06:53 a/b"."""
    found = {}
    for line in told.splitlines():
        words = line.split()
        if len(words) >= 9 and words[0].startswith("-") and words[4].isdigit():
            found[PurePosixPath(words[-1]).name] = int(words[4])
    return found


def _explain(said: str) -> str:
    """Return in plain words why the client gave up; its own last words where they mean nothing special."""
    for pattern, reason in _REASONS:
        if re.search(pattern, said):
            return reason
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "it failed without a word"
