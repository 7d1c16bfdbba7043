"""By HTTPS: each file is the body of a PUT or POST, and any 2xx means that it arrived.

Nothing else of an answer is believed or shown. Redirects are not followed: a file goes only where it should.
That is the server's word; whether it keeps the file, only a look at the server tells.
"""

import http.client
import math
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from shredder import __version__
from shredder.decommission.delivery.retry import limit_for, limited
from shredder.decommission.delivery.secrets import private_folder
from shredder.decommission.delivery.settings import HttpsDelivery
from shredder.decommission.delivery.templates import fill
from shredder.errors import UndeliveredError

_TIMEOUT_S = 30.0
_LISTEN_S = 2.0
_BLOCK_BYTES = 64 * 1024

# verify_code of ssl.SSLCertVerificationError: X509_V_ERR_* of OpenSSL's x509_vfy.h
_WHY_UNTRUSTED = {
    9: "the server's certificate is not valid yet, by this machine's clock",
    10: "the server's certificate has expired, by this machine's clock",
    18: "the server's certificate is signed by itself, not by a trusted CA",
    19: "the server's certificate is not signed by a trusted CA",
    20: "the server's certificate is not signed by a trusted CA",
    62: "the server's certificate is for another host name",
    64: "the server's certificate is for another address",
}
_CLIENT_ALERTS = ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE", "BAD_CERTIFICATE", "UNKNOWN_CA")


class HttpsDestination:
    """A server that takes files.

    Args:
        settings: from the configuration.
        run_id: names the run.
        hostname: what the machine calls itself.
        ram_folder: takes the client's key while it is read.
        wants_stop: ends an attempt.
    """

    def __init__(
        self,
        settings: HttpsDelivery,
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
        self.name = f"https to {_server(next(iter(settings.urls.values()), settings.url or ''))}"

    def prove(self, start: Path) -> None:
        """Send the start entry.

        Raises:
            UndeliveredError: it was not taken.
        """
        self._send_all((start,), self._settings.start_timeout_s)

    def deliver(self, files: Sequence[Path]) -> None:
        """Send the files; where each has a URL of its own, those that have one.

        Raises:
            UndeliveredError: one was not taken.
        """
        self._send_all(files, math.inf)

    def _send_all(self, files: Sequence[Path], longest_s: float) -> None:
        try:
            context = self._make_context()
        except ssl.SSLError as error:
            reason = (error.reason or "no reason given").lower().replace("_", " ")
            raise UndeliveredError(f"the configured certificates cannot be used: {reason}") from None
        except OSError as error:
            raise UndeliveredError(f"the trusted certificates cannot be read: {error.strerror}") from None
        for file in files:
            url = self._address(file.name)
            if url is not None:
                self._send(file, url, context, longest_s)

    def _address(self, name: str) -> str | None:
        if self._settings.url is None:
            return self._settings.urls.get(name)
        return fill(self._settings.url, run_id=self._run_id, hostname=self._hostname, file=name)

    def _make_context(self) -> ssl.SSLContext:
        settings = self._settings
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.ca is None:
            context.load_default_certs()
        else:
            # the pinned certificate is an anchor also where it is itself signed by another
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            context.load_verify_locations(cadata=settings.ca)
        if settings.client_certificate and settings.client_key:
            texts = {"certificate": settings.client_certificate, "key": settings.client_key}
            with private_folder(self._ram_folder, texts) as folder:
                context.load_cert_chain(folder / "certificate", folder / "key")
        return context

    def _send(self, file: Path, url: str, context: ssl.SSLContext, longest_s: float) -> None:
        try:
            body = file.open("rb")
        except OSError as error:
            raise UndeliveredError(f"{file} could not be read: {error.strerror}") from None
        what = f"{file.name} to {_server(url)}"
        limit_s = min(longest_s, limit_for(os.fstat(body.fileno()).st_size))
        with body, limited(what, limit_s, self._wants_stop):
            try:
                status = self._exchange(body, url, context)
            except (OSError, http.client.HTTPException) as error:
                told = _listen_for_alert(url, context) if _is_break(error) else None
                reason = _explain(told or error, has_client=self._settings.client_key is not None)
                raise UndeliveredError(f"{what}: {reason}") from None
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            raise UndeliveredError(f"{what}: {_explain_status(status)}")

    def _exchange(self, body: BinaryIO, url: str, context: ssl.SSLContext) -> int:
        """Send one request and return the status of the answer."""
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection = _make_connection(url, context)
        try:
            connection.connect()
            # a server that refuses early answers and hangs up before it has read everything
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(self._settings.method, path, body=body, headers=self._headers(body))
            return connection.getresponse().status
        finally:
            connection.close()

    def _headers(self, body: BinaryIO) -> dict[str, str]:
        # object storage takes no chunks, so the length is said
        size_bytes = os.fstat(body.fileno()).st_size
        headers = {"Content-Length": str(size_bytes), "User-Agent": f"shredder/{__version__}"}
        if self._settings.token is not None:
            headers["Authorization"] = f"Bearer {self._settings.token}"
        return headers | self._settings.headers


def _make_connection(url: str, context: ssl.SSLContext) -> http.client.HTTPSConnection:
    parts = urlsplit(url)
    return http.client.HTTPSConnection(
        parts.hostname or "", parts.port, timeout=_TIMEOUT_S, context=context, blocksize=_BLOCK_BYTES
    )


def _is_break(error: Exception) -> bool:
    return isinstance(error, ConnectionError | ssl.SSLEOFError | ssl.SSLZeroReturnError) and not isinstance(
        error, ConnectionRefusedError
    )


def _listen_for_alert(url: str, context: ssl.SSLContext) -> ssl.SSLError | None:
    """Return why a server hangs up, where TLS tells: connect once more, send nothing, and listen.

    With TLS 1.3 a server judges the client's certificate when the client has begun to send; the alert is then
    lost when the server closes a connection with unread data.
    """
    connection = _make_connection(url, context)
    try:
        connection.connect()
        connection.sock.settimeout(_LISTEN_S)
        connection.sock.recv(1)
    except ssl.SSLError as error:
        return None if _is_break(error) else error
    except OSError:
        return None
    finally:
        connection.close()
    return None


def _server(url: str) -> str:
    """Return the server's part of a URL: the rest may be a secret."""
    return urlsplit(url).netloc


def _explain(error: Exception, *, has_client: bool) -> str:
    """Return in plain words what went wrong on the way."""
    if isinstance(error, ssl.SSLCertVerificationError):
        detail = f"the server's certificate cannot be trusted ({error.verify_message})"
        return _WHY_UNTRUSTED.get(error.verify_code, detail)
    if _is_break(error):
        return "the connection broke off before the server had answered"
    if isinstance(error, ssl.SSLError):
        return _explain_tls(error, has_client=has_client)
    if isinstance(error, socket.gaierror):
        return f"its name could not be resolved ({error.strerror})"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "the answer is not HTTP"


def _explain_tls(error: ssl.SSLError, *, has_client: bool) -> str:
    reason = error.reason or ""
    if "ALERT" in reason and any(alert in reason for alert in _CLIENT_ALERTS):
        ours = "the client certificate was not taken" if has_client else "a client certificate is asked for"
        return f"{ours} ({reason.lower().replace('_', ' ')})"
    return f"no TLS connection ({reason.lower().replace('_', ' ') or 'no reason given'})"


def _explain_status(status: int) -> str:
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return f"the server answered {status}, a redirect, which is not followed"
    # the server's own words are not shown
    words = HTTPStatus(status).phrase.lower() if status in set(HTTPStatus) else "an unknown status"
    return f"the server answered {status} ({words})"
