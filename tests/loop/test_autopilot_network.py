"""Network and SSH of the autopilot in a network namespace: real addresses, a real lease, a real login."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shredder.decommission.autopilot.pinned import fetch_pinned, read_pin
from shredder.errors import UndeliveredError, UsageError
from tests.support.servers import Authority, HttpsServer, make_ssh_key

_CARDS = """
mount -t sysfs sysfs /sys
ip link add client type veth peer name server
ip address add 192.0.2.1/24 dev server
ip link set server up
"""
_TALK = """
import json, subprocess, sys
from pathlib import Path
from shredder.decommission.autopilot.network import Network, NetworkPlaces, global_addresses
from shredder.decommission.autopilot.network_settings import read_network
from shredder.settings import read_settings
folder = Path(sys.argv[1])
def say(line): print(line, file=sys.stderr)
def gateways(family):
    said = subprocess.check_output(["ip", "-json", family, "route", "show", "default"])
    routes = json.loads(said or b"[]")
    return [[route["gateway"], route["dev"], route.get("flags", [])] for route in routes]
def look():
    servers = folder / "resolv.conf"
    return {
        "addresses": global_addresses("client"),
        "gateways": gateways("-4") + gateways("-6"),
        "servers": servers.read_text().split() if servers.exists() else [],
    }
network = Network(NetworkPlaces(resolv_conf=folder / "resolv.conf", folder=folder), say)
network.bring_up(read_network(read_settings((folder / "network.toml").read_text(), "it")))
found = look()
network.take_down()
print(json.dumps([found, look()["addresses"]]))
"""


def _in_namespace(script: str, *words: str | Path) -> str:
    done = subprocess.run(
        ["unshare", "--net", "--mount", "sh", "-ec", _CARDS + script, "sh", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHON": sys.executable},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _bring_up(folder: Path, settings: str, before: str = "", after: str = "") -> dict[str, Any]:
    (folder / "network.toml").write_text(settings)
    (folder / "talk.py").write_text(_TALK)
    said = _in_namespace(f'{before}\n"$PYTHON" "$1/talk.py" "$1"\n{after}', folder)
    found, addresses_after = json.loads(said)
    assert addresses_after == [], found
    assert isinstance(found, dict)
    return found


def test_static_addresses_with_gateways_outside_of_their_networks(tmp_path: Path) -> None:
    found = _bring_up(
        tmp_path,
        """
        dns = ["192.0.2.53"]
        [[interface]]
        name = "client"
        addresses = ["198.51.100.7/32", "2001:db8::7/64"]
        gateways = ["192.0.2.9", "fe80::1"]
        on_link = true
        """,
    )
    assert sorted(found["addresses"]) == ["198.51.100.7/32", "2001:db8::7/64"]
    assert found["gateways"] == [["192.0.2.9", "client", ["onlink"]], ["fe80::1", "client", ["onlink"]]]
    assert found["servers"] == ["nameserver", "192.0.2.53"]


@pytest.mark.skipif(shutil.which("busybox") is None, reason="no busybox: install it")
def test_dhcp_gives_address_gateway_and_name_servers(tmp_path: Path) -> None:
    (tmp_path / "leases").touch()
    (tmp_path / "udhcpd.conf").write_text(
        f"start 192.0.2.100\nend 192.0.2.100\ninterface server\nlease_file {tmp_path}/leases\n"
        "option subnet 255.255.255.0\noption router 192.0.2.9\noption dns 192.0.2.53 192.0.2.54\n"
    )
    found = _bring_up(
        tmp_path,
        '[[interface]]\nname = "client"\ndhcp = true\n',
        before='busybox udhcpd -f "$1/udhcpd.conf" >/dev/null 2>&1 & server=$!',
        after="kill $server",
    )
    assert found["addresses"] == ["192.0.2.100/24"]
    assert [gateway[:2] for gateway in found["gateways"]] == [["192.0.2.9", "client"]]
    assert found["servers"] == ["nameserver", "192.0.2.53", "nameserver", "192.0.2.54"]


_SSHD = """
from pathlib import Path
import sys
from shredder.decommission.autopilot.ssh import SshPlaces, start_ssh
key = Path(sys.argv[1], "operator.pub").read_text().strip()
server = start_ssh([key], SshPlaces(Path(sys.argv[1], "ssh"), Path("/root/.ssh/authorized_keys"), 22))
print(server.process.pid, server.fingerprint)
"""
_LOG_IN = """
mkdir -p /root/.ssh
mount -t tmpfs -o mode=700 tmpfs /root/.ssh
ip link set lo up
"$PYTHON" "$1/sshd.py" "$1" > "$1/server" 2>&1
cat "$1/server"
read pid fingerprint < "$1/server"
known=$1/known
ask() { ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile="$known" "$@"; }
ask -i "$1/operator" root@127.0.0.1 'echo in as $(id -un)'
ask -i "$1/stranger" root@127.0.0.1 'echo in as a stranger' || echo "the stranger stays out"
ssh-keygen -l -f "$1/known"
kill "$pid"
"""


@pytest.mark.skipif(
    shutil.which("dropbear") is None or shutil.which("ssh") is None,
    reason="no dropbear or no ssh: install dropbear-bin and openssh-client",
)
def test_the_operators_key_gets_in_and_no_other(tmp_path: Path) -> None:
    make_ssh_key(tmp_path / "operator")
    make_ssh_key(tmp_path / "stranger")
    (tmp_path / "sshd.py").write_text(_SSHD)
    said = _in_namespace(_LOG_IN, tmp_path)
    assert "in as root" in said
    assert "the stranger stays out" in said
    assert "in as a stranger" not in said
    fingerprint = said.split()[1]
    assert fingerprint.startswith("SHA256:")
    assert said.count(fingerprint) == 2


def test_a_configuration_comes_only_from_the_server_that_is_pinned(tmp_path: Path) -> None:
    authority = Authority()
    issued = authority.issue()
    key = x509.load_pem_x509_certificate(issued.certificate.encode()).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pin = "sha256//" + base64.b64encode(hashlib.sha256(spki).digest()).decode()
    with HttpsServer(authority, tmp_path, certificate=issued) as server:
        assert "is not to be believed" in fetch_pinned(f"{server.url}/a?b=c", read_pin(pin))
        assert [(item.method, item.path) for item in server.requests] == [("GET", "/a?b=c")]
        with pytest.raises(UsageError, match="does not hold the key that shredder") as caught:
            fetch_pinned(f"{server.url}/a", bytes(32))
        assert caught.value.hint == f"it holds {pin}"
        assert len(server.requests) == 1
        server.answers.extend([404, 302])
        server.location = "https://elsewhere.example.org/"
        for status in (404, 302):
            with pytest.raises(UndeliveredError, match=f"answered {status}"):
                fetch_pinned(f"{server.url}/a", read_pin(pin))
    with pytest.raises(UndeliveredError, match="gave no configuration: Connection refused"):
        fetch_pinned(f"{server.url}/a", read_pin(pin))
