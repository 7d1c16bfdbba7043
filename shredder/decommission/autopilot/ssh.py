"""The image's own SSH: dropbear, root by public key only, no forwarding; without keys no port is open."""

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shredder.decommission.autopilot.tools import ToolError, run_tool, start_tool

_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_STARTS_WITHIN_S = 1.0


@dataclass(frozen=True, slots=True)
class SshPlaces:
    """Where the host key is made (in memory), where root's keys are looked for, and the port."""

    folder: Path = Path("/run/shredder/ssh")
    authorized_keys: Path = Path("/root/.ssh/authorized_keys")
    port: int = 22


@dataclass(frozen=True, slots=True)
class SshServer:
    """The server; `fingerprint` of its host key, e.g. "SHA256:...", is what the operator compares."""

    process: "subprocess.Popen[bytes] | None"
    fingerprint: str


def start_ssh(keys: Sequence[str], places: SshPlaces) -> SshServer:
    """Let these keys in, with a host key that was born in memory.

    Args:
        keys: lines as in authorized_keys, at least one.
        places: where things are.

    Returns:
        The server; its `process` is None where one has been running since before.

    Raises:
        ToolError: it cannot be started, e.g. the port is taken.
        OSError: a file cannot be written.
    """
    places.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    places.authorized_keys.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_private(places.authorized_keys, "".join(f"{key}\n" for key in keys))
    host_key = places.folder / "host_key"
    if not host_key.exists():
        run_tool(["dropbearkey", "-t", "ed25519", "-f", str(host_key)])
    fingerprint = _FINGERPRINT.search(run_tool(["dropbearkey", "-y", "-f", str(host_key)]))
    pid_file = places.folder / "pid"
    server = None if _runs(pid_file) else _start(host_key, pid_file, places)
    return SshServer(server, fingerprint[0] if fingerprint else "unknown")


def _start(host_key: Path, pid_file: Path, places: SshPlaces) -> "subprocess.Popen[bytes]":
    # -s no passwords, -j -k no forwarding, -m no message of the day, -F -E stay here and tell us
    words = ["dropbear", "-F", "-E", "-s", "-j", "-k", "-m", "-r", str(host_key)]
    log = places.folder / "log"
    server = start_tool([*words, "-p", str(places.port), "-P", str(pid_file)], str(log))
    try:
        server.wait(_STARTS_WITHIN_S)
    except subprocess.TimeoutExpired:
        return server
    said = " ".join(log.read_text(errors="replace").split()[-20:])
    raise ToolError(f"dropbear did not start: {said}")


def _runs(pid_file: Path) -> bool:
    try:
        os.kill(int(pid_file.read_text()), 0)
    except (OSError, ValueError):
        return False
    return True


def _write_private(place: Path, text: str) -> None:
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
