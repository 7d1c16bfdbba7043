"""Group 3: the certificate is outside before the machine ends, or nothing was written, or it stays up."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from shredder.image.loaders import COMMAND_LINE
from tests.support.guest import End, How
from tests.support.guest_certificates import EVIDENCE, PUBLIC_KEY, RESULTS, Delivered
from tests.support.guest_hosts import Operator, WebServer, free_port
from tests.support.guest_image import FILE_NAME, configure
from tests.support.guest_lab import Lab
from tests.support.guest_machine import Disk, KernelBoot, Network
from tests.support.guest_media import count_marker_texts, digest, find_markers, make_cd
from tests.support.machine import run
from tests.support.servers import GUESTS_NAME_FOR_HOST, Authority, HttpsServer, SftpServer, make_ssh_key

pytestmark = pytest.mark.long

START = "start.jsonl"
START_FAILED = "delivering the start entry failed: "
RESULTS_FAILED = "delivering evidence and certificate failed: "


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Who issues the server's certificate."""
    return Authority()


@pytest.fixture
def server(authority: Authority, tmp_path: Path) -> Iterator[HttpsServer]:
    """An HTTPS server that a guest reaches."""
    with HttpsServer(authority, tmp_path / "https") as running:
        yield running


def https(server: HttpsServer, authority: Authority, *lines: str) -> str:
    """Return the table [delivery] for a server, with the one CA that is trusted."""
    url = f'url = "{server.guest_url}/{{run_id}}/{{file}}"'
    return "\n".join(['how = "https"', url, *lines, f"ca = '''\n{authority.pem}'''"])


def boot(lab: Lab, configuration: str) -> KernelBoot:
    """Boot with a configuration that came with the initramfs: it is too long for the command line."""
    return lab.image.boot_appended(configuration, lab.folder / "initrd.zst")


def check_taken(lab: Lab, server: HttpsServer) -> Delivered:
    """Return what the server took, with a checked certificate."""
    files = server.taken()
    assert set(files) == RESULTS | {START}
    delivered = lab.check(Delivered.make(lab.folder / "taken", files).folder)
    assert files["evidence.jsonl"].startswith(files[START])
    return delivered


def test_https_with_a_pinned_ca(lab: Lab, server: HttpsServer, authority: Authority) -> None:
    disk = lab.disk("DISK1")
    table = https(server, authority, 'token = "abc.def-123"', 'method = "POST"')
    people = '[certificate]\norganisation = "Example Ltd"'
    configuration = configure(["DISK1"], table, at_end="reboot", tables=people)
    guest = lab.start(disk, boot=boot(lab, configuration), network=Network())
    assert guest.wait_end() == End(0, How.REBOOT)
    delivered = check_taken(lab, server)
    delivered.check_disk("DISK1", disk.file)
    assert delivered.certificate_digest in guest.serial.text
    assert delivered.devices["DISK1"]["nist"]["organisation"] == "Example Ltd"
    assert {one.method for one in server.requests} == {"POST"}
    assert {one.headers["authorization"] for one in server.requests} == {"Bearer abc.def-123"}


def test_a_server_that_answers_500_and_then_works(
    lab: Lab, server: HttpsServer, authority: Authority
) -> None:
    disk = lab.disk("DISK1")
    server.answers.extend([500, 500, 200, 500])
    configuration = configure(["DISK1"], https(server, authority))
    guest = lab.start(disk, boot=boot(lab, configuration), network=Network())
    guest.expect(START_FAILED + ".*500")
    guest.expect(RESULTS_FAILED + ".*500")
    assert guest.wait_end() == End(0, How.POWEROFF)
    assert [one.status for one in server.requests][:4] == [500, 500, 200, 500]
    check_taken(lab, server).check_disk("DISK1", disk.file)


def test_a_wrong_ca_refuses_before_the_first_write(lab: Lab, server: HttpsServer) -> None:
    disk = lab.disk("DISK1")
    before = digest(disk.file)
    table = https(server, Authority("somebody else"), "start_timeout_s = 10")
    guest = lab.start(disk, boot=boot(lab, configure(["DISK1"], table)), network=Network())
    guest.expect(START_FAILED + ".*not signed by a trusted CA")
    assert guest.wait_end() == End(8, How.REBOOT)
    assert server.requests == []
    assert digest(disk.file) == before


def test_a_server_that_dies_after_the_start_and_returns(
    lab: Lab, server: HttpsServer, authority: Authority
) -> None:
    disk = lab.disk("DISK1", bytes_per_s=16 << 20)
    configuration = configure(["DISK1"], https(server, authority))
    guest = lab.start(disk, boot=boot(lab, configuration), network=Network())
    guest.expect("the start entry was delivered")
    server.stop()
    guest.expect("until they have arrived this machine is not powered off")
    guest.expect(RESULTS_FAILED)
    guest.expect(RESULTS_FAILED)
    guest.expect_quiet("ended with exit code|powers off", 10)
    assert set(server.taken()) == {START}
    assert count_marker_texts(disk.file) == 0
    server.start()
    assert guest.wait_end() == End(0, How.POWEROFF)
    check_taken(lab, server).check_disk("DISK1", disk.file)


def test_sftp_with_a_configuration_from_a_server_that_is_known_by_its_key(lab: Lab, tmp_path: Path) -> None:
    disk = lab.disk("DISK1")
    (tmp_path / "web").mkdir()
    with SftpServer(tmp_path / "sftp") as server, WebServer(tmp_path / "web", FILE_NAME) as web:
        lines = ['how = "sftp"', f'host = "{GUESTS_NAME_FOR_HOST}"', f"port = {server.port}"]
        lines += [f'user = "{server.user}"', f'folder = "{server.root}/{{run_id}}"']
        lines += [f'host_key = "{server.host_key}"', f"key = '''\n{server.key}'''"]
        (tmp_path / "web" / FILE_NAME).write_text(configure(["DISK1"], "\n".join(lines)))
        boot = KernelBoot(lab.image.kernel, lab.image.initrd, f"{COMMAND_LINE} {web.words}")
        guest = lab.start(disk, boot=boot, network=Network())
        assert guest.wait_end() == End(0, How.POWEROFF)
        (folder,) = server.root.iterdir()
    assert {path.name for path in folder.iterdir()} == RESULTS | {START}
    lab.check(folder).check_disk("DISK1", disk.file)


def test_a_read_only_volume_configures_and_a_stick_receives(lab: Lab) -> None:
    disk, stick = lab.disk("DISK1"), lab.volume("stick")
    key = run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    configuration = configure("all", 'how = "stick"', lines=['key_file = "signing-key.pem"'])
    files = {FILE_NAME: configuration.encode(), "signing-key.pem": key.encode()}
    cloud = Disk(make_cd(lab.folder / "cloud.img", files), "CLOUD", read_only=True)
    before = digest(cloud.file)
    guest = lab.start(disk, cloud, boot=lab.image.boot(), stick=stick)
    assert guest.wait_end() == End(0, How.POWEROFF)
    assert digest(cloud.file) == before
    delivered = lab.check_run_on(stick)
    delivered.check_disk("DISK1", disk.file)
    assert list(delivered.devices) == ["DISK1"]
    assert (delivered.folder / PUBLIC_KEY).read_text() == run("openssl", "pkey", "-pubout", input=key)


def test_fetched_over_ssh(lab: Lab, tmp_path: Path) -> None:
    disk, port = lab.disk("DISK1", bytes_per_s=32 << 20), free_port()
    key = make_ssh_key(tmp_path / "operator")
    make_ssh_key(tmp_path / "stranger")
    configuration = configure(["DISK1"], 'how = "ssh"', tables=f'[ssh]\nkeys = ["{key.public}"]')
    guest = lab.start(disk, boot=lab.image.boot(configuration), network=Network(ssh_port=port))
    fingerprint = guest.expect(r"ssh: root@.*, host key (SHA256:\S+)")[1]
    guest.expect("waiting for you to fetch the start entry")
    operator = Operator(tmp_path, port, fingerprint)
    operator.call("true", key="stranger", expect=255)
    guest.expect_quiet("WIPING", 5)
    assert len(find_markers(disk.file)) == disk.file.stat().st_size // 4096

    start = operator.call("shredder fetch start", key="operator")
    guest.expect("WIPING")
    guest.expect("waiting for you to fetch the results")
    archive = operator.call("shredder fetch results", key="operator")
    operator.call(f"shredder fetch received {'0' * 64}", key="operator", expect=6)
    guest.expect_quiet("powers off", 3)
    (tmp_path / "fetched.tar").write_bytes(archive)
    (tmp_path / "fetched").mkdir()
    run("tar", "--extract", "--file", tmp_path / "fetched.tar", "--directory", tmp_path / "fetched")
    (folder,) = (tmp_path / "fetched").iterdir()
    assert {path.name for path in folder.iterdir()} == RESULTS
    delivered = lab.check(folder)
    assert (folder / EVIDENCE).read_bytes().startswith(start)
    operator.call(f"shredder fetch received {delivered.certificate_digest}", key="operator")
    assert guest.wait_end() == End(0, How.POWEROFF)
    delivered.check_disk("DISK1", disk.file)


def test_without_ssh_keys_no_port_is_open(lab: Lab) -> None:
    disk = lab.disk("DISK1")
    port = free_port()
    configuration = configure(["DISK1"], 'how = "none"', countdown_s=600)
    guest = lab.start(disk, boot=lab.image.boot(configuration), network=Network(ssh_port=port))
    guest.expect("ANY KEY STOPS IT")
    said = b""
    # QEMU takes the connection, and drops it when the guest refuses
    with (
        socket.create_connection(("127.0.0.1", port), 30) as client,
        contextlib.suppress(ConnectionResetError),
    ):
        said = client.recv(16)
    assert said == b""
    guest.type(" ")
    guest.expect(r"what now\? \[1-4\]")
    guest.type("4\n")
    assert guest.wait_end() == End(3, How.POWEROFF)
