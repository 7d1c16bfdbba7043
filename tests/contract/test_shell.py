"""What the shell promises: help, messages, exit codes, and that the README says the same."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shredder.errors import ExitCode
from shredder.model import VerifyKind
from shredder.plan.methods import METHODS
from shredder.plan.safety import LIFTABLE
from tests.support.command import Shredder
from tests.support.runs import digest_of, verify, wipe

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="others are told first that only root may")
_README = (Path(__file__).parents[2] / "README.md").read_text()
_COMMANDS = [
    "devices",
    "methods",
    "plan",
    "wipe",
    "audit",
    "certificate verify",
    "certificate show",
    "key new",
    "logs check",
    "logs list",
    "logs shred",
    "logs hold",
    "logs release",
    "schedule install",
    "schedule status",
    "schedule remove",
    "image build",
    "image lock",
    "autopilot",
    "fetch start",
    "fetch results",
    "fetch received",
    "fetch status",
]


@pytest.mark.parametrize("command", _COMMANDS)
def test_every_command_explains_itself_and_stands_in_the_readme(command: str, shredder: Shredder) -> None:
    told = shredder(*command.split(), "--help").stdout
    assert told.startswith(f"Usage: shredder {command} ")
    assert f"shredder {command}" in _README
    assert all(len(line) <= 100 for line in told.splitlines())


def test_the_readme_names_every_method_exit_code_and_liftable_refusal() -> None:
    for method in METHODS.values():
        required = "required" if method.verification_required else "full by default"
        assert re.search(rf"^\| `{method.name}`.*\| {required} \|$", _README, re.MULTILINE)
    table = {int(code) for code in re.findall(r"^\| (\d+) \|", _README, re.MULTILINE)}
    assert table == {int(code) for code in ExitCode}
    (sentence,) = re.findall(r"It can lift (.*?); never", _README, re.DOTALL)
    assert {kind.value for kind in LIFTABLE} == set(re.findall(r"`([a-z-]+)`", sentence))


@pytest.mark.parametrize(
    "words",
    [
        ["--nonsense"],
        ["nonsense"],
        ["plan"],
        ["wipe"],
        ["plan", "x", "--method", "nonsense"],
        ["plan", "x", "--allow", "mount"],
        ["plan", "x", "--passes", "many"],
        ["plan", "x", "--image", "--passes", "0"],
        ["plan", "x", "--image", "--passes", "100"],
        ["plan", "x", "--image", "--method", "zero", "--passes", "2"],
        ["plan", "x", "--image", "--method", "is5-enhanced", "--verify", "none"],
        ["plan", "x", "--image", "--nonce", "xyz"],
        pytest.param(["wipe", "plan.json", "--confirm", "0"], marks=needs_root),
        ["audit", "x"],
        ["certificate", "verify"],
        ["certificate", "verify", "missing.json", "--integrity-only"],
        ["key", "new", "missing/key"],
    ],
)
def test_what_is_not_well_formed_is_a_usage_error(
    words: list[str], shredder: Shredder, tmp_path: Path
) -> None:
    (tmp_path / "x").write_bytes(b"x" * 4096)
    said = shredder(*words, expect=2).stderr
    assert said.startswith("shredder: ")
    assert (tmp_path / "x").read_bytes() == b"x" * 4096


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-", "| true"])
def test_nobody_reading_changes_no_outcome(closed: str, shredder: Shredder, tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(b"x" * 10_000)
    digest = digest_of(shredder, image, "--image")
    words = [sys.executable, "-m", "shredder", "wipe", str(image), "--image", "--confirm", digest]
    line = " ".join([*words, "--output", str(tmp_path / "run"), closed])
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    words = ["certificate", "verify", str(tmp_path / "run" / "certificate.json"), "--integrity-only"]
    assert "erased, verified in full" in shredder(*words).stdout


def test_json_everywhere(shredder: Shredder, tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(b"x" * 10_000)
    assert json.loads(shredder("devices", "--json").stdout)["version"] == 1
    assert len(json.loads(shredder("methods", "--json").stdout)["methods"]) == len(METHODS)
    digest = digest_of(shredder, image, "--image")
    words = ("wipe", image, "--image", "--confirm", digest, "--output", tmp_path / "run", "--json")
    events = [json.loads(line) for line in shredder(*words).stdout.splitlines()]
    assert events[0]["event"] == "RunStarted"
    assert events[-1]["event"] == "Result"
    assert events[-1]["exit_code"] == 0
    names = [event["event"] for event in events if event["event"] != "Progress"]
    assert len(names) == len(set(names))
    certificate = tmp_path / "run" / "certificate.json"
    found = json.loads(shredder("certificate", "verify", certificate, "--integrity-only", "--json").stdout)
    assert found["trusted"] is False


@pytest.mark.parametrize("kind", [kind.value for kind in VerifyKind])
def test_a_key_of_ones_own_signs(kind: str, shredder: Shredder, tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(b"x" * 10_000)
    key = tmp_path / "signer"
    shredder("key", "new", key, "--no-passphrase")
    assert key.stat().st_mode & 0o777 == 0o600
    digest = digest_of(shredder, image, "--image", "--verify", kind)
    folder = tmp_path / "run"
    words = ("wipe", image, "--image", "--verify", kind, "--confirm", digest, "--output", folder)
    shredder(*words, "--key", key, "--operator", "A. Operator", "--property-number", image, "INV-7")
    certificate, trusted = folder / "certificate.json", tmp_path / "signer.pub.pem"
    again = ("wipe", image, "--image", "--verify", kind, "--confirm", digest)
    assert "--property-number" in shredder(*again, "--property-number", "SLIP", "INV-7", expect=2).stderr
    assert "not an empty folder" in shredder(*again, "--output", folder, expect=3).stderr
    shredder("certificate", "verify", certificate, "--trust", trusted)
    shown = shredder("certificate", "show", certificate, "--trust", trusted).stdout
    assert "A. Operator" in shown
    assert "INV-7" in shown
    other = tmp_path / "other"
    shredder("key", "new", other, "--no-passphrase")
    shredder("certificate", "verify", certificate, "--trust", tmp_path / "other.pub.pem", expect=6)
    shredder("certificate", "verify", certificate, expect=6)


def test_a_certificate_needs_its_own_evidence(shredder: Shredder, tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(b"x" * 10_000)
    one = wipe(shredder, tmp_path / "one", image, "--image")
    other = wipe(shredder, tmp_path / "other", image, "--image")
    verify(shredder, one)
    evidence = one.folder / "evidence.jsonl"
    kept = evidence.read_bytes()
    for broken in (
        kept[:-1],
        kept + kept,
        kept[: len(kept) // 2],
        b"",
        (other.folder / "evidence.jsonl").read_bytes(),
    ):
        evidence.write_bytes(broken)
        verify(shredder, one, expect=6)
    evidence.unlink()
    assert "evidence.jsonl" in shredder("certificate", "show", one.certificate, expect=6).stderr
    evidence.write_bytes(kept)
    verify(shredder, one)
    keys = other.folder / "stream-keys.json"
    shredder("audit", image, "--image", "--certificate", one.certificate, "--stream-keys", keys, expect=6)
    # the second run overwrote what the first one left
    keys = one.folder / "stream-keys.json"
    shredder("audit", image, "--image", "--certificate", one.certificate, "--stream-keys", keys, expect=5)
