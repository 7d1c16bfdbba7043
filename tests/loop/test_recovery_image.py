"""The boot medium by its mark, what must be kept, and the last word before the first write."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from shredder.certify.keys import new_key
from shredder.certify.profiles import read_profile
from shredder.decommission.job import carry_out, new_run_id
from shredder.decommission.prepare import Planned, check_plan, make_plan
from shredder.discover import describe, take_snapshot
from shredder.discover.recovery_image import MARK_START_BYTES, ImageIdentity, boot_mark
from shredder.errors import ExitCode, RefusedError, UndeliveredError
from shredder.model import LeftOutWhy, RefusalKind, VerifyKind
from shredder.plan.planner import Request
from tests.support.command import Shredder
from tests.support.devices import LoopDevice
from tests.support.machine import allow_words
from tests.support.machine import run as run_tool

MIB = 1 << 20
LoopFactory = Callable[..., LoopDevice]
TWO_PARTITIONS = "label: gpt\nstart=1MiB, size=4MiB\nsize=4MiB\n"
IMAGE = ImageIdentity("1.0.0", "ab" * 32)
OTHER_IMAGE = ImageIdentity("0.9.0", "cd" * 32)


@pytest.fixture
def identity_path(tmp_path: Path) -> Path:
    """The file by which an image names itself, below an /etc of the test's own."""
    path = tmp_path / "etc" / "shredder" / "image.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"version": IMAGE.version, "digest": IMAGE.digest}))
    return path


def mark(path: str, identity: ImageIdentity = IMAGE) -> None:
    """Write an image's mark to a node, and nothing else."""
    with open(path, "r+b") as node:
        node.seek(MARK_START_BYTES)
        node.write(boot_mark(identity).encode().ljust(128))
    run_tool("blockdev", "--flushbufs", path)


def boot_nodes(*nodes: str, identity_path: Path, marks_on: str | None = None) -> list[str]:
    """Return which of the nodes may be the boot medium, for discovery: loop devices are not removable."""
    machine = describe(take_snapshot(frozenset(), marks_on=marks_on, identity_path=identity_path))
    return [device.path for device in machine.devices if device.boot_doubt and device.path in nodes]


@pytest.mark.parametrize("sector_bytes", [512, 4096])
def test_a_marked_disk_is_the_boot_medium_with_all_its_partitions(
    loop_factory: LoopFactory, identity_path: Path, sector_bytes: int
) -> None:
    loop, other = loop_factory(16 * MIB, sector_bytes=sector_bytes), loop_factory(MIB)
    parts = loop.partition(TWO_PARTITIONS)
    nodes = (loop.path, *parts, other.path)
    assert boot_nodes(*nodes, identity_path=identity_path) == []
    mark(loop.path)
    assert boot_nodes(*nodes, identity_path=identity_path) == [loop.path, *parts]


def test_a_marked_partition_makes_its_disk_the_boot_medium(
    loop_factory: LoopFactory, identity_path: Path
) -> None:
    loop = loop_factory(16 * MIB)
    first, second = loop.partition(TWO_PARTITIONS)
    mark(second)
    assert boot_nodes(loop.path, first, second, identity_path=identity_path) == [loop.path, second]


def test_only_the_running_image_counts(loop_factory: LoopFactory, identity_path: Path) -> None:
    loop = loop_factory(MIB)
    mark(loop.path, OTHER_IMAGE)
    assert boot_nodes(loop.path, identity_path=identity_path) == []
    mark(loop.path)
    assert boot_nodes(loop.path, identity_path=identity_path) == [loop.path]
    assert boot_nodes(loop.path, identity_path=identity_path.with_name("no-such-file")) == []


def test_only_the_device_asked_about_and_its_kin_are_read(
    loop_factory: LoopFactory, identity_path: Path
) -> None:
    one, other = loop_factory(16 * MIB), loop_factory(MIB)
    parts = one.partition(TWO_PARTITIONS)
    mark(one.path)
    mark(other.path)
    nodes = (one.path, *parts, other.path)
    for asked in (one.path, parts[1]):
        assert boot_nodes(*nodes, identity_path=identity_path, marks_on=asked) == [one.path, *parts]
    assert boot_nodes(*nodes, identity_path=identity_path, marks_on=other.path) == [other.path]


def in_image(identity_path: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a Python command where /etc says that it is the image; nobody else sees that."""
    layers = f"lowerdir={identity_path.parent.parent}:/etc"
    enter = f'mount -t overlay overlay -o "{layers}" /etc && exec "$@"'
    command = ["unshare", "--mount", "bash", "-c", enter, "bash", sys.executable, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_refuses_the_boot_medium(loop_factory: LoopFactory, identity_path: Path) -> None:
    loop = loop_factory(MIB)
    mark(loop.path)
    before = loop.backing.read_bytes()
    words = ("-m", "shredder", "wipe", loop.path, *allow_words(), "--confirm", "0" * 64)
    done = in_image(identity_path, *words)
    assert done.returncode == ExitCode.REFUSED, done.stderr
    assert f"{loop.path} may be the boot medium: it has the mark of the running image" in done.stderr
    assert loop.backing.read_bytes() == before


def test_a_certificate_names_the_image_and_a_plan_from_elsewhere_is_refused(
    loop_factory: LoopFactory, identity_path: Path, shredder: Shredder, tmp_path: Path
) -> None:
    loop = loop_factory(MIB)
    plan, run = tmp_path / "plan.json", tmp_path / "run"
    made = in_image(identity_path, "-m", "shredder", "plan", loop.path, *allow_words(), "-o", plan)
    assert made.returncode == 0, made.stderr
    words = ("wipe", plan, "--confirm", json.loads(plan.read_text())["digest"], "--output", run)
    assert "when the machine was started another way" in shredder(*words, expect=3).stderr
    assert loop.backing.read_bytes() == bytes(MIB)
    done = in_image(identity_path, "-m", "shredder", *words)
    assert done.returncode == 0, done.stderr
    shown = shredder("certificate", "show", run / "certificate.json").stdout
    assert f"recovery image        shredder image 1.0.0 sha256:{'ab' * 32}\n" in shown
    assert "Secure Boot, even where it is on, covers neither" in shown


MARKED_LATE = """
import sys
from pathlib import Path
import shredder.cli, shredder.cli.wipe
from tests.loop.test_recovery_image import mark
whole = shredder.cli.wipe.carry_out
def carry_out(*facts, **more):
    return whole(*facts, **more, before_first_write=lambda folder: mark(sys.argv[2]))
shredder.cli.wipe.carry_out = carry_out
shredder.cli.main()
"""


def test_a_mark_that_appears_after_the_plan_is_seen_on_the_open_device(
    loop_factory: LoopFactory, identity_path: Path, tmp_path: Path
) -> None:
    loop = loop_factory(MIB)
    plan = ("plan", loop.path, *allow_words(), "--json")
    digest = json.loads(in_image(identity_path, "-m", "shredder", *plan).stdout)["digest"]
    words = ("wipe", loop.path, *allow_words(), "--confirm", digest, "--output", tmp_path / "run")
    done = in_image(identity_path, "-c", MARKED_LATE, *words)
    assert done.returncode == ExitCode.REFUSED, done.stderr
    assert "may be the boot medium: it has the mark of the running image" in done.stdout
    expected = bytearray(MIB)
    expected[MARK_START_BYTES : MARK_START_BYTES + 128] = boot_mark(IMAGE).encode().ljust(128)
    assert loop.backing.read_bytes() == expected


def plan_of(output: Path, *targets: str, kept: frozenset[str] = frozenset()) -> Planned:
    """Plan one random pass."""
    allow = frozenset({RefusalKind.UNSEEN}) if allow_words() else frozenset[RefusalKind]()
    request = Request("random", None, VerifyKind.FULL, "", allow)
    return make_plan(targets, request, image=False, all_disks=False, output=output, kept=kept)


def test_what_must_be_kept_is_refused_when_it_is_named(loop_factory: LoopFactory, tmp_path: Path) -> None:
    loop, free = loop_factory(16 * MIB), loop_factory(MIB)
    first, second = loop.partition(TWO_PARTITIONS)
    for kept, target in ((first, first), (first, loop.path), (loop.path, second), (loop.path, loop.path)):
        with pytest.raises(RefusedError, match=f"^{target} carries the configuration or receives"):
            plan_of(tmp_path, target, kept=frozenset({kept}))
    planned = plan_of(tmp_path, loop.path, free.path, kept=frozenset({second}))
    assert [step.path for step in planned.plan.steps] == [free.path]
    refused = [left.path for left in planned.plan.left_out if left.why is LeftOutWhy.REFUSED]
    assert refused == [loop.path]
    beside = plan_of(tmp_path, second, kept=frozenset({first, "/dev/not-there"}))
    assert [step.path for step in beside.plan.steps] == [second]


def test_the_last_word_before_the_first_write_may_be_no(loop_factory: LoopFactory, tmp_path: Path) -> None:
    loop = loop_factory(MIB)
    loop.backing.write_bytes(b"x" * MIB)
    run_tool("blockdev", "--flushbufs", loop.path)
    seen: list[str] = []

    def refuse(folder: Path) -> None:
        seen.extend(
            json.loads(line)["event"] for line in (folder / "evidence.jsonl").read_text().splitlines()
        )
        os.close(os.open(loop.path, os.O_RDWR | os.O_EXCL))  # nobody has it yet
        raise UndeliveredError("nobody took the start entry")

    with pytest.raises(UndeliveredError, match="nobody took the start entry"):
        carry_out(
            check_plan(plan_of(tmp_path, loop.path).plan),
            new_run_id(),
            tmp_path / "run",
            key=new_key(),
            profile=read_profile("", ""),
            monitor=lambda event: None,
            wants_stop=lambda: False,
            before_first_write=refuse,
        )
    assert seen == ["run-started"]
    assert loop.backing.read_bytes() == b"x" * MIB
    entries = [json.loads(line) for line in (tmp_path / "run" / "evidence.jsonl").read_text().splitlines()]
    assert [entry["event"] for entry in entries] == ["run-started", "run-ended"]
    assert entries[-1]["data"] == {"interrupted": True}
    files = {path.name for path in (tmp_path / "run").iterdir()}
    assert files == {"plan.json", "public-key.pem", "stream-keys.json", "evidence.jsonl"}


UNDELIVERED = """
import shredder.cli, shredder.cli.wipe
from shredder.errors import UndeliveredError
whole = shredder.cli.wipe.carry_out
def fail(folder):
    raise UndeliveredError("the start entry was not taken", hint="look at the server")
def carry_out(*facts, **more):
    return whole(*facts, **more, before_first_write=fail)
shredder.cli.wipe.carry_out = carry_out
shredder.cli.main()
"""


def test_a_start_entry_that_nobody_takes_ends_with_exit_code_8(
    loop_factory: LoopFactory, tmp_path: Path
) -> None:
    loop = loop_factory(MIB)
    digest = plan_of(tmp_path, loop.path).plan.digest
    words = ["wipe", loop.path, *allow_words(), "--confirm", digest, "--output", str(tmp_path / "run")]
    done = subprocess.run(
        [sys.executable, "-c", UNDELIVERED, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == ExitCode.UNDELIVERED
    assert done.stderr == ("shredder: the start entry was not taken\nshredder: hint: look at the server\n")
    assert loop.backing.read_bytes() == bytes(MIB)
