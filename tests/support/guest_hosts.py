"""Who talks to a guest from the host: a web server with its configuration, and an operator with SSH."""

import base64
import hashlib
import http.server
import socket
import ssl
import subprocess
import threading
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.machine import run
from tests.support.servers import GUESTS_NAME_FOR_HOST, HOST, Authority


def free_port() -> int:
    """Return a port of the host's loopback that nobody listens on."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        port: int = sock.getsockname()[1]
        return port


class WebServer:
    """Gives out the files of a folder by HTTPS; `words` are for a guest's command line.

    Args:
        folder: its certificate and key are written there.
        name: the file that is the guest's configuration.
    """

    def __init__(self, folder: Path, name: str) -> None:
        issued = Authority("nobody's CA").issue()
        pair = folder.with_name("web-server.pem")
        pair.write_text(issued.certificate + issued.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair)
        handler = partial(_Quiet, directory=str(folder))
        self._server = http.server.ThreadingHTTPServer((HOST, 0), handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        key = x509.load_pem_x509_certificate(issued.certificate.encode()).public_key()
        spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        pin = base64.b64encode(hashlib.sha256(spki).digest()).decode()
        url = f"https://{GUESTS_NAME_FOR_HOST}:{self._server.server_address[1]}/{name}"
        self.words = f"shredder.url={url} shredder.pin=sha256//{pin}"

    def __enter__(self) -> "WebServer":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


class Operator:
    """Somebody who fetches the certificate over SSH.

    Args:
        folder: holds the private keys.
        port: of the host's loopback, leads to the guest's.
        fingerprint: of the guest's key, as its console showed it: no other is spoken to.
    """

    def __init__(self, folder: Path, port: int, fingerprint: str) -> None:
        self._folder = folder
        self._port = port
        self._known = folder / "known_hosts"
        self._known.write_text(run("ssh-keyscan", "-t", "ed25519", "-T", "20", "-p", str(port), HOST))
        shown = run("ssh-keygen", "-l", "-E", "sha256", "-f", self._known)
        assert fingerprint in shown.split(), shown

    def call(self, command: str, *, key: str, expect: int = 0) -> bytes:
        """Run a command in the guest as root; returns what it printed.

        Args:
            command: for its shell.
            key: the name of the private key's file.
            expect: the exit code; 255 when SSH itself must refuse.
        """
        words = ["ssh", "-F", "none", "-p", str(self._port), "-i", str(self._folder / key)]
        options = ("BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes", "ConnectTimeout=30")
        for option in (*options, f"UserKnownHostsFile={self._known}"):
            words += ["-o", option]
        done = subprocess.run(
            [*words, f"root@{HOST}", command], capture_output=True, check=False, timeout=120
        )
        assert done.returncode == expect, f"{command} exited {done.returncode}: {done.stderr!r}"
        return done.stdout
