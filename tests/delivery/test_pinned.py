"""A configuration by HTTPS arrives whole and in time, or not at all."""

import hashlib
import time
from collections.abc import Callable, Iterator
from io import BufferedIOBase
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shredder.decommission.autopilot import pinned
from shredder.decommission.autopilot.pinned import check_url, fetch_pinned
from shredder.errors import UndeliveredError, UsageError
from tests.support.servers import HOST, Authority, HttpsServer

Fetch = Callable[..., str]
_WHOLE = b'targets = "all"\n[certificate]\norganisation = "must be there"\n'
_CUT = _WHOLE[: _WHOLE.index(b"[")]
_OK = b"HTTP/1.1 200 OK\r\n"
_LENGTH = _OK + b"Content-Length: %d\r\n\r\n" % len(_WHOLE)
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def web(authority: Authority, tmp_path: Path) -> Iterator[tuple[HttpsServer, bytes]]:
    """A server, and the pin of its key."""
    issued = authority.issue()
    key = x509.load_pem_x509_certificate(issued.certificate.encode()).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with HttpsServer(authority, tmp_path / "web", certificate=issued) as server:
        yield server, hashlib.sha256(spki).digest()


@pytest.fixture
def fetch(web: tuple[HttpsServer, bytes]) -> Fetch:
    """`fetch(answer, ...)` fetches from a server that says that, byte for byte, and hangs up."""
    server, pin = web

    def ask(answer: bytes, wants_stop: Callable[[], bool] = lambda: False) -> str:
        server.talk = lambda out: _say(out, answer)
        return fetch_pinned(f"{server.url}/autopilot.toml", pin, wants_stop)

    return ask


def _say(out: BufferedIOBase, answer: bytes) -> None:
    out.write(answer)


def _chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


@pytest.mark.parametrize("answer", [_LENGTH + _WHOLE, _CHUNKED + _chunk(_WHOLE) + b"0\r\n\r\n"])
def test_a_whole_configuration_is_taken(answer: bytes, fetch: Fetch) -> None:
    assert fetch(answer) == _WHOLE.decode()


@pytest.mark.parametrize(
    "answer",
    [
        _LENGTH + _CUT,
        _LENGTH,
        _CHUNKED + _chunk(_CUT),
        _CHUNKED + _chunk(_WHOLE)[: len(_CUT) + 4],
    ],
)
def test_a_configuration_that_was_cut_on_its_way_is_none(answer: bytes, fetch: Fetch) -> None:
    with pytest.raises(UndeliveredError):
        fetch(answer)


def test_what_was_cut_is_told(fetch: Fetch) -> None:
    with pytest.raises(UndeliveredError, match=rf"^{HOST} sent {len(_CUT)} of {len(_WHOLE)} bytes$"):
        fetch(_LENGTH + _CUT)


def test_an_answer_has_to_say_how_long_it_is(fetch: Fetch) -> None:
    with pytest.raises(UsageError, match="does not say how long its answer is"):
        fetch(_OK + b"\r\n" + _WHOLE)


def test_more_than_a_configuration_is_none(fetch: Fetch) -> None:
    size_bytes = 256 * 1024 + 1
    with pytest.raises(UsageError, match="is larger than 262144 bytes"):
        fetch(_OK + b"Content-Length: %d\r\n\r\n" % size_bytes + b"#" * size_bytes)


def test_a_server_that_drips(web: tuple[HttpsServer, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    def drip(out: BufferedIOBase) -> None:
        out.write(_OK + b"X: ")
        while True:
            out.write(b"a")
            time.sleep(0.05)

    server, pin = web
    server.talk = drip
    monkeypatch.setattr(pinned, "_LIMIT_S", 1.0)
    with pytest.raises(UndeliveredError, match=f"^fetching from {HOST}: not done within 1 s$"):
        fetch_pinned(server.url, pin)
    monkeypatch.undo()
    with pytest.raises(UndeliveredError, match="stopped"):
        fetch_pinned(server.url, pin, lambda: True)


def test_an_address_is_not_shown() -> None:
    with pytest.raises(UsageError) as caught:
        check_url("http://vault.example.org/?signature=secret")
    assert caught.value.message == "shredder.url is no https address"
