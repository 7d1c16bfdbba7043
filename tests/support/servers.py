"""Real servers that certificates are delivered to: HTTPS with a certificate authority of its own, and SFTP.

They listen on 127.0.0.1, which a QEMU guest with user networking reaches as 10.0.2.2.
"""

import ipaddress
import os
import pwd
import shutil
import socket
import socketserver
import ssl
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from io import BufferedIOBase
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.support.machine import run

HOST = "127.0.0.1"
GUESTS_NAME_FOR_HOST = "10.0.2.2"
_PATIENCE_S = 20.0
_ANSWER = b"\x1b[2Jthis answer is not to be believed\n"


@dataclass(frozen=True)
class Issued:
    """A certificate and its key, both PEM."""

    certificate: str
    key: str


class Authority:
    """A certificate authority; `pem` is its own certificate."""

    def __init__(self, name: str = "shredder test CA") -> None:
        self._name = _name(name)
        self._key = generate_private_key(SECP256R1())
        builder = _builder(self._name, self._name, self._key, lasts=timedelta(days=2))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.pem = builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()

    def issue(
        self,
        *addresses: str,
        names: tuple[str, ...] = ("localhost",),
        lasts: timedelta = timedelta(days=1),
        key: CertificateIssuerPrivateKeyTypes | None = None,
    ) -> Issued:
        """Issue a certificate.

        Args:
            addresses: IP addresses it is for; those of this host when there are none.
            names: host names it is for.
            lasts: from an hour ago on; less than an hour makes it an expired one.
            key: another one than a fresh one on P-256.
        """
        key = key or generate_private_key(SECP256R1())
        known = [ipaddress.ip_address(address) for address in addresses or (HOST, GUESTS_NAME_FOR_HOST)]
        others = [*map(x509.IPAddress, known), *map(x509.DNSName, names)]
        builder = _builder(_name(names[0]), self._name, key, lasts=lasts)
        builder = builder.add_extension(x509.SubjectAlternativeName(others), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return Issued(certificate.decode(), private.decode())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: CertificateIssuerPrivateKeyTypes, *, lasts: timedelta
) -> x509.CertificateBuilder:
    begins = datetime.now(UTC) - timedelta(hours=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + lasts)
    )


@dataclass(frozen=True)
class Received:
    """One request; `headers` by their lower-case names. `whole` is False when it broke off."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    whole: bool
    status: int


class HttpsServer:
    """Takes every PUT and POST, and remembers it.

    Args:
        authority: issues its certificate.
        folder: its key is written there.
        certificate: another one than a fresh one for this host.
        clients: the authority whose certificates clients must show.

    `requests` are what came, `answers` the status codes of the next requests (200 when it is empty),
    `cut_after_bytes` makes it hang up in the middle of a body, `location` goes with every answer, `talk` is
    called in place of answering.
    """

    def __init__(
        self,
        authority: Authority,
        folder: Path,
        *,
        certificate: Issued | None = None,
        clients: Authority | None = None,
    ) -> None:
        self.authority = authority
        self.requests: list[Received] = []
        self.answers: deque[int] = deque()
        self.cut_after_bytes: int | None = None
        self.location: str | None = None
        self.talk: Callable[[BufferedIOBase], None] | None = None
        self.port = 0
        self._context = _server_context(certificate or authority.issue(), folder, clients)
        self._server: _TlsServer | None = None

    @property
    def url(self) -> str:
        """Its address, for this host."""
        return f"https://{HOST}:{self.port}"

    @property
    def guest_url(self) -> str:
        """Its address, for a guest."""
        return f"https://{GUESTS_NAME_FOR_HOST}:{self.port}"

    def taken(self) -> dict[str, bytes]:
        """Return the bodies that were answered with 200, by the last part of the path; the latest of each."""
        done = [item for item in self.requests if item.whole and item.status == 200]
        return {item.path.partition("?")[0].rpartition("/")[2]: item.body for item in done}

    def start(self) -> "HttpsServer":
        """Listen; after a stop on the same port again."""
        assert self._server is None
        self._server = _TlsServer((HOST, self.port), self, self._context)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Close the port, and wait for the requests that are being served."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> "HttpsServer":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _server_context(issued: Issued, folder: Path, clients: Authority | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    folder.mkdir(parents=True, exist_ok=True)
    pair = folder / "server.pem"
    pair.write_text(issued.certificate + issued.key)
    context.load_cert_chain(pair)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=clients.pem)
    return context


class _TlsServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], owner: HttpsServer, context: ssl.SSLContext) -> None:
        self.owner = owner
        self._context = context
        super().__init__(address, _Handler)

    def finish_request(self, request: object, client_address: object) -> None:
        """Shake hands in the thread of this request, so that nobody else waits for it."""
        assert isinstance(request, socket.socket)
        request.settimeout(_PATIENCE_S)
        try:
            with self._context.wrap_socket(request.dup(), server_side=True) as secured:
                _Handler(secured, client_address, self)
        except OSError:
            pass  # the client does not trust us, we do not trust it, or it went away


class _Handler(BaseHTTPRequestHandler):
    server: _TlsServer

    def do_PUT(self) -> None:
        self._take()

    def do_POST(self) -> None:
        self._take()

    def do_GET(self) -> None:
        self._take()

    def _take(self) -> None:
        owner = self.server.owner
        length_bytes = int(self.headers.get("Content-Length", "0"))
        cut_bytes = owner.cut_after_bytes
        whole = cut_bytes is None or cut_bytes >= length_bytes
        body = self.rfile.read(length_bytes if whole else cut_bytes or 0)
        status = owner.answers.popleft() if whole and owner.answers else 200
        headers = {name.lower(): value for name, value in self.headers.items()}
        owner.requests.append(Received(self.command, self.path, headers, body, whole, status))
        if not whole:
            self.connection.close()
            return
        if owner.talk is not None:
            owner.talk(self.wfile)
            return
        self.send_response(status)
        self.send_header("Content-Length", str(len(_ANSWER)))
        if owner.location:
            self.send_header("Location", owner.location)
        self.end_headers()
        self.wfile.write(_ANSWER)

    def log_message(self, format: str, *args: object) -> None:
        pass


def why_no_sshd() -> str | None:
    """Say why no SSH server can be started here, or None."""
    if _find_sshd() is None:
        return "no sshd: install openssh-server"
    if os.geteuid() == 0:
        try:
            pwd.getpwnam("sshd")
        except KeyError:
            return "sshd has no user of its own: install openssh-server"
    return None


def _find_sshd() -> str | None:
    return shutil.which("sshd", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))


class SftpServer:
    """OpenSSH's server, for SFTP only, as the user who runs the tests.

    Args:
        folder: keys, configuration and log; `root` in it is where clients begin.

    `host_key` is its public key, `key` the private key that it takes.
    """

    def __init__(self, folder: Path) -> None:
        why = why_no_sshd()
        if why:
            pytest.skip(why)
        folder.mkdir(parents=True, exist_ok=True)
        self.root = folder / "root"
        self.root.mkdir()
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        self.port = _free_port()
        self.host_key = make_ssh_key(folder / "host").public
        client = make_ssh_key(folder / "client")
        self.key = client.private
        (folder / "authorized").write_text(client.public + "\n")
        self._log = folder / "log"
        self._config = folder / "sshd_config"
        self._config.write_text(self._settings(folder))
        self._process: subprocess.Popen[bytes] | None = None

    def _settings(self, folder: Path) -> str:
        lines = {
            "ListenAddress": HOST,
            "Port": self.port,
            "HostKey": folder / "host",
            "AuthorizedKeysFile": folder / "authorized",
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "PermitRootLogin": "prohibit-password",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "Subsystem": "sftp internal-sftp",
            "ForceCommand": f"internal-sftp -d {self.root}",
        }
        return "".join(f"{name} {value}\n" for name, value in lines.items())

    def start(self) -> "SftpServer":
        """Listen; after a stop on the same port again."""
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        program = _find_sshd()
        assert program and self._process is None
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([program, "-D", "-e", "-f", str(self._config)], stderr=log)
        self._wait()
        return self

    def _wait(self) -> None:
        patience_ends = time.monotonic() + _PATIENCE_S
        while True:
            try:
                with socket.create_connection((HOST, self.port), timeout=1) as client:
                    if client.recv(4) == b"SSH-":
                        return
            except OSError:
                pass
            assert self._process is not None and self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < patience_ends, self._log.read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """Close the port."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_PATIENCE_S)
            self._process = None

    def __enter__(self) -> "SftpServer":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


@dataclass(frozen=True)
class SshKey:
    """An SSH key pair, as text."""

    private: str
    public: str


def make_ssh_key(file: Path, kind: str = "ed25519", passphrase: str = "") -> SshKey:
    """Make an SSH key in `file` and `file`.pub."""
    run("ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", file)
    public = file.with_name(f"{file.name}.pub").read_text().strip()
    return SshKey(file.read_text(), public)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        port: int = sock.getsockname()[1]
        return port
