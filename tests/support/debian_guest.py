"""A booted Debian with systemd under QEMU's TCG, in which the tests run commands as root.

The disk is made once a session, from Debian's own packages: systemd, nginx, logrotate, a cloud kernel. A
program of a few lines waits in it for commands on a virtio port. SHREDDER_DEBIAN names a folder that keeps
the packages' part of it between sessions.
"""

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shredder
from tests.support.machine import run

FOLDER_VARIABLE = "SHREDDER_DEBIAN"
SUITE, PYTHON = "bookworm", "3.11"
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "udev", "kmod", "linux-image-cloud-amd64", "e2fsprogs", "procps"),
    *("python3", "python3-venv", "nginx-light", "logrotate", "curl"),
)
_BASE, _WHEELS = ("click", "cryptography>=50", "pyudev", "tqdm"), "wheels"
_NOISE = ("apt-daily", "apt-daily-upgrade", "dpkg-db-backup", "e2scrub_all", "fstrim", "logrotate")
_SITE = f"opt/shredder/lib/python{PYTHON}/site-packages"
_MAKE_WITHIN_S, _BOOT_WITHIN_S = 900, 300
_DISK_MIB, _MEMORY_MIB = 1200, 768
_AGENT = """#!/usr/bin/python3
import json, subprocess, time
port = open("/dev/virtio-ports/agent", "r+b", buffering=0)
buffer = b""
while True:
    piece = port.read(65536)
    if not piece:
        time.sleep(0.1)
    buffer += piece or b""
    while b"\\n" in buffer:
        line, buffer = buffer.split(b"\\n", 1)
        ask = json.loads(line)
        try:
            done = subprocess.run(["/bin/bash", "-c", ask["script"]], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=ask["timeout_s"])
            answer = {"code": done.returncode, "said": done.stdout.decode("utf-8", "replace")}
        except subprocess.TimeoutExpired as error:
            answer = {"code": -1, "said": "timed out: " + (error.stdout or b"").decode("utf-8", "replace")}
        data = json.dumps(answer).encode() + b"\\n"
        while data:
            data = data[port.write(data):]
"""
_AGENT_UNIT = """[Unit]
After=multi-user.target
[Service]
ExecStart=/usr/local/sbin/agent
Restart=on-failure
[Install]
WantedBy=multi-user.target
"""
_COMMAND = "#!/opt/shredder/bin/python -I\nfrom shredder.cli import main\nmain()\n"


@dataclass(frozen=True, slots=True)
class Debian:
    """What a guest boots from: kernel, initramfs, and the folder that its disk is made of."""

    folder: Path

    @property
    def kernel(self) -> Path:
        """The kernel."""
        return next((self.folder / "root/boot").glob("vmlinuz-*"))

    @property
    def initrd(self) -> Path:
        """Debian's own initramfs."""
        return next((self.folder / "root/boot").glob("initrd.img-*"))

    def make_disk(self, file: Path) -> Path:
        """Make a disk: an ext4, with our program as it is now."""
        with _alone(self.folder):
            self._fill_disk(file)
        return file

    def _fill_disk(self, file: Path) -> None:
        site = self.folder / "root" / _SITE
        shutil.rmtree(site / "shredder", ignore_errors=True)
        source = Path(shredder.__file__).parent
        shutil.copytree(source, site / "shredder", ignore=shutil.ignore_patterns("__pycache__"))
        run("chroot", self.folder / "root", "python3", "-m", "compileall", "-q", f"/{_SITE}/shredder")
        options = ("-t", "ext4", "-L", "root", "-E", "root_owner=0:0", "-d", self.folder / "root")
        run("mkfs.ext4", "-q", *options, file, f"{_DISK_MIB}M")


def find_debian(folder: Path) -> Debian:
    """Return what guests boot from; makes it in a folder where it is not there yet."""
    folder = Path(os.environ.get(FOLDER_VARIABLE, folder))
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        if not (folder / "ready").exists():
            shutil.rmtree(folder / "root", ignore_errors=True)
            _install_packages(folder)
            _install_wheels(folder)
            _configure(folder / "root")
            (folder / "ready").touch()
    return Debian(folder)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Sessions and processes that share the folder take turns."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install_packages(folder: Path) -> None:
    left_out = ("/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/man/*")
    _make(
        "mmdebstrap",
        "--variant=minbase",
        "--format=directory",
        f"--include={','.join(PACKAGES)}",
        '--aptopt=Acquire::Retries "3"',
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in left_out),
        SUITE,
        str(folder / "root"),
    )


def _install_wheels(folder: Path) -> None:
    """Fetched by this machine's pip, which knows its way out; installed by the guest's."""
    wheels = folder / "root/opt" / _WHEELS
    wheels.mkdir(parents=True)
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    _make(*pip, "download", "-d", str(wheels), "--python-version", PYTHON, "--only-binary=:all:", *_BASE)
    _make(*pip, "wheel", "--no-deps", "-w", str(wheels), "blkinfo")
    inside = ("chroot", str(folder / "root"), "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin")
    _make(*inside, "python3", "-m", "venv", "/opt/shredder")
    names = ("blkinfo", "click", "cryptography", "pyudev", "tqdm")
    offline = ("--quiet", "--no-index", "--find-links", f"/opt/{_WHEELS}")
    _make(*inside, "/opt/shredder/bin/pip", "install", *offline, *names)
    shutil.rmtree(wheels)


def _configure(root: Path) -> None:
    _put(root / "usr/local/sbin/agent", _AGENT, 0o755)
    _put(root / "opt/shredder/bin/shredder", _COMMAND, 0o755)
    (root / "usr/local/bin/shredder").symlink_to("/opt/shredder/bin/shredder")
    units = root / "etc/systemd/system"
    _put(units / "agent.service", _AGENT_UNIT, 0o644)
    (units / "multi-user.target.wants/agent.service").symlink_to("../agent.service")
    for name in _NOISE:
        (units / f"{name}.timer").unlink(missing_ok=True)
        (units / f"{name}.timer").symlink_to("/dev/null")
    _put(root / "etc/hostname", "guest\n", 0o644)
    _put(root / "etc/fstab", "LABEL=root / ext4 defaults 0 1\n", 0o644)
    _put(root / "etc/machine-id", "", 0o444)
    (root / "var/log/journal").mkdir(exist_ok=True)


def _put(path: Path, text: str, mode: int) -> None:
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(mode)


def _make(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, timeout=_MAKE_WITHIN_S, check=False)
    assert done.returncode == 0, f"{' '.join(words[:3])} ... failed: {(done.stdout + done.stderr)[-3000:]}"


class DebianGuest:
    """A running guest; boots at once.

    Args:
        debian: what it boots from.
        folder: where its disk and what its console said are kept.
    """

    def __init__(self, debian: Debian, folder: Path) -> None:
        self._disk = debian.make_disk(folder / "disk.img")
        self._console = folder / "console.txt"
        ours, theirs = socket.socketpair()
        words = ["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", str(_MEMORY_MIB)]
        words += ["-machine", "q35", "-nodefaults", "-display", "none", "-device", "virtio-rng-pci"]
        words += ["-kernel", str(debian.kernel), "-initrd", str(debian.initrd)]
        words += ["-append", "root=LABEL=root rw console=ttyS0 quiet systemd.show_status=0"]
        words += ["-drive", f"if=none,id=disk,format=raw,cache=unsafe,file={self._disk}"]
        words += ["-device", "virtio-blk-pci,drive=disk", "-serial", f"file:{self._console}"]
        words += ["-device", "virtio-serial-pci", "-chardev", f"socket,id=agent,fd={theirs.fileno()}"]
        words += ["-device", "virtserialport,chardev=agent,name=agent", "-no-reboot"]
        # if the tests are killed, the guest goes with them
        command = ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", *words]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        theirs.close()
        self._port = ours
        self._answers = ours.makefile("rb")
        try:
            self("true", timeout_s=_BOOT_WITHIN_S)
        except BaseException:
            self.close()
            raise

    def __call__(self, script: str, *, timeout_s: float = 90, expect: int | None = 0) -> str:
        """Run a script of bash in the guest; returns what it said.

        Args:
            script: the script.
            timeout_s: seconds until the test fails.
            expect: the exit code that it must end with; None takes any.
        """
        self._port.settimeout(timeout_s + 30)
        ask = json.dumps({"script": script, "timeout_s": timeout_s})
        try:
            self._port.sendall(ask.encode() + b"\n")
            line = self._answers.readline()
        except OSError as error:
            raise AssertionError(f"the guest does not answer ({error})\n{self._said()}") from None
        assert line, f"the guest has ended\n{self._said()}"
        answer: dict[str, Any] = json.loads(line)
        said = str(answer["said"])
        assert expect is None or answer["code"] == expect, f"{script}\nexited {answer['code']}:\n{said}"
        return said

    def wait(self, condition: str, timeout_s: float) -> float:
        """Wait until a condition of bash holds; returns the seconds that it took.

        Args:
            condition: e.g. "[ ! -e /tmp/x ]".
            timeout_s: seconds until the test fails.
        """
        began_s = time.monotonic()
        steps = int(timeout_s * 5)
        script = f"for i in $(seq {steps}); do {condition} && exit 0; sleep 0.2; done; exit 1"
        self(script, timeout_s=3 * timeout_s)
        return time.monotonic() - began_s

    def put(self, path: str, text: str) -> None:
        """Write a file, with the folders that lead to it."""
        marker = "end of the file that a test writes"
        self(f"mkdir -p \"$(dirname '{path}')\" && cat > '{path}' <<'{marker}'\n{text}\n{marker}")

    def close(self) -> None:
        """End it and remove its disk."""
        self._process.kill()
        self._process.wait()
        self._answers.close()
        self._port.close()
        self._disk.unlink(missing_ok=True)

    def _said(self) -> str:
        return self._console.read_text(errors="replace")[-4000:] if self._console.exists() else ""
