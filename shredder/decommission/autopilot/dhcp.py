"""DHCP by busybox's `udhcpc`, which asks for addresses and hands what it got to a script of ours.

It stays, and renews the lease: a wipe takes longer than most leases.
"""

import os
import subprocess
from pathlib import Path

from shredder.decommission.autopilot.tools import start_tool

_RESOLV_CONF = "SHREDDER_RESOLV_CONF"

# Clouds lease addresses with a prefix of 32 bits and a router beside it: hence onlink.
_SCRIPT = """#!/bin/sh
case "$1" in
deconfig)
    ip link set dev "$interface" up
    ip -4 address flush dev "$interface" dynamic
    ;;
bound | renew)
    ip address replace "$ip/${mask:-32}" dev "$interface" \\
        valid_lft "${lease:-forever}" preferred_lft "${lease:-forever}"
    for gateway in $router; do
        metric=$(cat "/sys/class/net/$interface/ifindex")
        ip -4 route replace default via "$gateway" dev "$interface" onlink metric "$metric"
        break
    done
    if [ -n "$SHREDDER_RESOLV_CONF" ]; then
        for server in $dns; do
            grep -qx "nameserver $server" "$SHREDDER_RESOLV_CONF" 2>/dev/null ||
                echo "nameserver $server" >>"$SHREDDER_RESOLV_CONF"
        done
    fi
    ;;
esac
"""


def write_script(folder: Path) -> Path:
    """Write the script that `udhcpc` calls; returns its place.

    Args:
        folder: where programs may be run from.
    """
    place = folder / "udhcpc.script"
    place.write_text(_SCRIPT)
    place.chmod(0o755)
    return place


def start_dhcp(
    interface: str, script: Path, folder: Path, resolv_conf: Path | None
) -> "subprocess.Popen[bytes]":
    """Start to ask for an address; the client goes on until it is ended.

    Args:
        interface: its name.
        script: from `write_script`.
        folder: for what the client says.
        resolv_conf: takes the name servers; None leaves them alone.

    Raises:
        ToolError: there is no client.
    """
    env = {"PATH": os.environ.get("PATH", os.defpath)}
    if resolv_conf is not None:
        env[_RESOLV_CONF] = str(resolv_conf)
    client = ["busybox", "udhcpc", "-f", "-t", "5", "-T", "3", "-A", "5", "-i", interface, "-s", str(script)]
    return start_tool(client, str(folder / f"udhcpc.{interface}.log"), env)
