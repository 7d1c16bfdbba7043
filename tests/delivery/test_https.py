"""HTTPS against a real server: what arrives, and the plain words for what does not."""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from io import BufferedIOBase
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from shredder.decommission.delivery import https, retry
from shredder.decommission.delivery.destination import Destination, Surroundings, open_destination
from shredder.decommission.delivery.retry import keep_trying
from shredder.decommission.delivery.settings import HttpsDelivery
from shredder.decommission.delivery.web_settings import HttpMethod
from shredder.errors import UndeliveredError
from tests.delivery.conftest import RUN_ID
from tests.support.servers import HOST, Authority, HttpsServer, Issued

Reach = Callable[[HttpsDelivery], Destination]
Refuse = Callable[[HttpsDelivery], str]
Issue = Callable[[Authority], Issued]
Serve = Callable[..., HttpsServer]


@pytest.fixture
def settings(server: HttpsServer) -> HttpsDelivery:
    return HttpsDelivery(
        start_timeout_s=600,
        method=HttpMethod.PUT,
        url=f"{server.url}/keep/{{hostname}}/{{run_id}}/{{file}}",
        urls={},
        token=None,
        ca=server.authority.pem,
        client_certificate=None,
        client_key=None,
        headers={},
    )


@pytest.fixture
def reach(around: Surroundings) -> Reach:
    return lambda settings: open_destination(settings, RUN_ID, around)


@pytest.fixture
def refuse(reach: Reach, start: Path) -> Refuse:
    """Deliver the start entry in vain; returns why it failed."""

    def attempt(settings: HttpsDelivery) -> str:
        with pytest.raises(UndeliveredError) as caught:
            reach(settings).prove(start)
        return caught.value.message

    return attempt


@pytest.fixture
def serve(authority: Authority, tmp_path: Path, undo: ExitStack) -> Serve:
    """`serve(issue, clients=...)` starts another server."""

    def start(issue: Issue = Authority.issue, clients: Authority | None = None) -> HttpsServer:
        another = HttpsServer(authority, tmp_path / "another", certificate=issue(authority), clients=clients)
        return undo.enter_context(another)

    return start


def test_everything_arrives(
    server: HttpsServer,
    settings: HttpsDelivery,
    reach: Reach,
    start: Path,
    files: tuple[Path, ...],
) -> None:
    destination = reach(replace(settings, token="t0k.en", headers={"X-Department": "7"}))
    assert destination.name == f"https to {HOST}:{server.port}"
    destination.prove(start)
    destination.deliver(files)
    names = ["start.jsonl", *(file.name for file in files)]
    assert [item.path for item in server.requests] == [f"/keep/rack-7/{RUN_ID}/{name}" for name in names]
    assert server.taken() == {file.name: file.read_bytes() for file in (start, *files)}
    for item in server.requests:
        assert item.method == "PUT"
        assert item.headers["authorization"] == "Bearer t0k.en"
        assert item.headers["x-department"] == "7"
        assert "content-type" not in item.headers  # a presigned URL may not cover one
        assert "transfer-encoding" not in item.headers


def test_the_same_file_may_come_again(
    server: HttpsServer,
    settings: HttpsDelivery,
    reach: Reach,
    files: tuple[Path, ...],
) -> None:
    destination = reach(replace(settings, method=HttpMethod.POST))
    destination.deliver(files)
    destination.deliver(files)
    assert [item.method for item in server.requests] == ["POST"] * 2 * len(files)


def test_presigned_urls_get_what_they_name(
    server: HttpsServer,
    settings: HttpsDelivery,
    reach: Reach,
    start: Path,
    files: tuple[Path, ...],
) -> None:
    names = ("start.jsonl", "evidence.jsonl", "certificate.json")
    urls = {name: f"{server.url}/bucket/{name}?X-Signature=a%2Fb&{name}" for name in names}
    destination = reach(replace(settings, url=None, urls=urls))
    destination.prove(start)
    destination.deliver(files)
    assert [item.path for item in server.requests] == [url.removeprefix(server.url) for url in urls.values()]
    assert "X-Signature" not in destination.name


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (301, "the server answered 301, a redirect, which is not followed"),
        (307, "the server answered 307, a redirect, which is not followed"),
        (401, "the server answered 401 (unauthorized)"),
        (403, "the server answered 403 (forbidden)"),
        (413, "the server answered 413 (request entity too large)"),
        (500, "the server answered 500 (internal server error)"),
        (507, "the server answered 507 (insufficient storage)"),
        (599, "the server answered 599 (an unknown status)"),
    ],
)
def test_only_2xx_is_success(
    status: int,
    reason: str,
    server: HttpsServer,
    settings: HttpsDelivery,
    refuse: Refuse,
) -> None:
    server.answers.append(status)
    server.location = f"{server.url}/elsewhere"
    assert refuse(settings) == f"start.jsonl to {HOST}:{server.port}: {reason}"
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_every_2xx_is_success(
    status: int,
    server: HttpsServer,
    settings: HttpsDelivery,
    reach: Reach,
    start: Path,
) -> None:
    server.answers.append(status)
    reach(settings).prove(start)


def test_it_tries_again_after_500_and_507(
    server: HttpsServer,
    settings: HttpsDelivery,
    reach: Reach,
    files: tuple[Path, ...],
    said: list[str],
) -> None:
    server.answers.extend((500, 507))
    destination = reach(settings)
    keep_trying(
        lambda: destination.deliver(files),
        what="delivering the certificate",
        deadline_s=None,
        say=said.append,
        wants_stop=lambda: False,
        monotonic=iter(range(1000)).__next__,
        sleep=lambda _: None,
    )
    assert server.taken() == {file.name: file.read_bytes() for file in files}
    assert len(said) == 2
    assert "500 (internal server error); trying again in 2 s" in said[0]
    assert "507 (insufficient storage); trying again in 4 s" in said[1]


def test_a_server_of_another_ca_gets_nothing(
    server: HttpsServer,
    settings: HttpsDelivery,
    refuse: Refuse,
) -> None:
    told = refuse(replace(settings, ca=Authority("another").pem))
    assert told.endswith("the server's certificate is not signed by a trusted CA")
    told = refuse(replace(settings, ca=None))  # the system's do not know it either
    assert told.endswith("the server's certificate is not signed by a trusted CA")
    assert server.requests == []


@pytest.mark.parametrize(
    ("issue", "host", "reason"),
    [
        (lambda ca: ca.issue(lasts=timedelta(minutes=30)), HOST, "has expired, by this machine's clock"),
        (lambda ca: ca.issue("192.0.2.1"), HOST, "is for another address"),
        (lambda ca: ca.issue(names=("elsewhere.example",)), "localhost", "is for another host name"),
    ],
)
def test_a_certificate_that_does_not_hold(
    *, issue: Issue, host: str, reason: str, serve: Serve, refuse: Refuse, settings: HttpsDelivery
) -> None:
    bad = serve(issue)
    told = refuse(replace(settings, url=f"https://{host}:{bad.port}/{{file}}"))
    assert told.endswith(f"the server's certificate {reason}")
    assert bad.requests == []


def test_the_server_itself_can_be_pinned(
    authority: Authority, settings: HttpsDelivery, reach: Reach, refuse: Refuse, serve: Serve
) -> None:
    issued = authority.issue()
    pinned = serve(lambda _: issued)
    ours = replace(settings, url=f"{pinned.url}/{{file}}", ca=issued.certificate)
    refuse(replace(ours, ca=authority.issue().certificate))
    assert pinned.requests == []
    reach(ours).prove(Path(__file__))
    assert len(pinned.requests) == 1


def test_a_client_certificate_is_shown_where_it_is_asked_for(
    authority: Authority, settings: HttpsDelivery, reach: Reach, refuse: Refuse, serve: Serve
) -> None:
    clients = Authority("clients")
    ours, foreign = clients.issue(), authority.issue()
    strict = serve(clients=clients)
    bare = replace(settings, url=f"{strict.url}/{{file}}")
    assert "a client certificate is asked for" in refuse(bare)
    wrong = replace(bare, client_certificate=foreign.certificate, client_key=foreign.key)
    assert "the client certificate was not taken" in refuse(wrong)
    assert strict.requests == []
    reach(replace(bare, client_certificate=ours.certificate, client_key=ours.key)).prove(Path(__file__))
    assert len(strict.requests) == 1


def test_a_client_key_that_openssl_does_not_take(settings: HttpsDelivery, refuse: Refuse) -> None:
    weak = Authority().issue(key=generate_private_key(65537, 1024))
    told = refuse(replace(settings, client_certificate=weak.certificate, client_key=weak.key))
    assert told == "the configured certificates cannot be used: ee key too small"


def test_nobody_listens_and_nobody_is_known(
    server: HttpsServer, settings: HttpsDelivery, reach: Reach, refuse: Refuse
) -> None:
    server.stop()
    assert refuse(settings).endswith("the connection was refused")
    told = refuse(replace(settings, url="https://nowhere.invalid/{file}"))
    assert "its name could not be resolved" in told
    server.start()
    reach(settings).prove(Path(__file__))


def test_a_server_that_dies_in_the_middle_of_a_body(
    server: HttpsServer, settings: HttpsDelivery, reach: Reach, files: tuple[Path, ...]
) -> None:
    server.cut_after_bytes = 100_000
    with pytest.raises(UndeliveredError, match="the connection broke off before the server had answered"):
        reach(settings).deliver(files)
    assert "evidence.jsonl" not in server.taken()
    server.cut_after_bytes = None
    reach(settings).deliver(files)
    assert server.taken() == {file.name: file.read_bytes() for file in files}


def test_a_server_that_does_not_speak(
    settings: HttpsDelivery, refuse: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(https, "_TIMEOUT_S", 0.5)
    with socket.create_server((HOST, 0)) as mute:
        url = f"https://{HOST}:{mute.getsockname()[1]}/{{file}}"
        began_s = time.monotonic()
        assert refuse(replace(settings, url=url)).endswith("no answer in time")
        assert time.monotonic() - began_s < 5


def _continue_for_ever(out: BufferedIOBase) -> None:
    while True:
        out.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.05)


def _drip_for_ever(out: BufferedIOBase) -> None:
    out.write(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        out.write(b"a")
        time.sleep(0.05)


@pytest.mark.parametrize("talk", [_continue_for_ever, _drip_for_ever])
def test_a_server_that_never_comes_to_an_end(
    *,
    talk: Callable[[BufferedIOBase], None],
    server: HttpsServer,
    settings: HttpsDelivery,
    around: Surroundings,
    refuse: Refuse,
    files: tuple[Path, ...],
    start: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.talk = talk
    began_s = time.monotonic()
    told = refuse(replace(settings, start_timeout_s=1))
    assert told == f"start.jsonl to {HOST}:{server.port}: not done within 1 s"
    assert time.monotonic() - began_s < 5
    monkeypatch.setattr(retry, "_SPARE_S", 0.0)
    evidence = next(file for file in files if file.name == "evidence.jsonl")
    with evidence.open("wb") as sparse:
        sparse.truncate(20_000)
    with pytest.raises(UndeliveredError, match="not done within 1 s"):
        open_destination(settings, RUN_ID, around).deliver((evidence,))
    monkeypatch.undo()
    stops_s = time.monotonic() + 1
    around = replace(around, wants_stop=lambda: time.monotonic() > stops_s)
    with pytest.raises(UndeliveredError, match=r"start\.jsonl to .*: stopped"):
        open_destination(settings, RUN_ID, around).deliver((start,))
    assert time.monotonic() - stops_s < 2


def test_trusted_certificates_that_cannot_be_read(
    settings: HttpsDelivery, refuse: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(context: ssl.SSLContext) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", fail)
    told = refuse(replace(settings, ca=None))
    assert told == "the trusted certificates cannot be read: Cannot allocate memory"


def test_a_server_without_tls(settings: HttpsDelivery, refuse: Refuse) -> None:
    with socket.create_server((HOST, 0)) as plain:

        def answer() -> None:
            client, _ = plain.accept()
            with client:
                client.recv(4096)
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

        talking = threading.Thread(target=answer)
        talking.start()
        url = f"https://{HOST}:{plain.getsockname()[1]}/{{file}}"
        assert "no TLS connection" in refuse(replace(settings, url=url))
        talking.join()


def test_a_file_that_is_not_there(settings: HttpsDelivery, start: Path, refuse: Refuse) -> None:
    start.unlink()
    assert "could not be read" in refuse(settings)
