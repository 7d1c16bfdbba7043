"""The other tools: what each is run as, and how its rate is learned."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench_support.system import BenchError, Target, run, wall_s

# nwipe, told of a device that it does not take, could turn to others: it gets a /dev with only that one.
_ALONE = """
set -eu
device="$1"; shift
room="$(mktemp -d)"
mount -t tmpfs -o mode=0755 alone "$room"
cp -a "$device" /dev/null /dev/zero /dev/random /dev/urandom "$room"/
mount --move "$room" /dev
rmdir "$room"
exec "$@" "$device"
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another tool in one role. `measure` returns bytes a second; `slow` ones are run once only."""

    name: str
    program: str
    measure: Callable[[Target], float]
    slow: bool = False

    @property
    def is_installed(self) -> bool:
        """True when the program is found."""
        return shutil.which(self.program) is not None


def _fio(*options: str) -> Callable[[Target], float]:
    def measure(target: Target) -> float:
        words = [f"--filename={target.path}", f"--size={target.size_bytes}", *options]
        fixed = [
            "--name=x",
            "--bs=1M",
            "--ioengine=libaio",
            "--iodepth=8",
            "--direct=1",
            "--output-format=json",
        ]
        said = run(["fio", *fixed, *words])
        job = json.loads(said[said.index("{") :])["jobs"][0]
        return float(max(job["write"]["bw_bytes"], job["read"]["bw_bytes"]))

    return measure


def _timed(*words: str) -> Callable[[Target], float]:
    """`{}` stands for the device, `{mib}` for its size."""

    def measure(target: Target) -> float:
        mib = str(target.size_bytes >> 20)
        filled = [word.replace("{}", target.path).replace("{mib}", mib) for word in words]
        return target.size_bytes / wall_s(filled)

    return measure


def _nwipe(target: Target) -> float:
    others = [f"/dev/{path.name}" for path in Path("/sys/block").iterdir() if _has_medium(path)]
    excluded = ",".join(sorted(set(others) - {target.path})[:10])  # it takes ten
    if not Path(target.path).is_block_device():
        raise BenchError(f"not a block device: {target.path}")
    wipe = [
        "nwipe",
        "--autonuke",
        "--nogui",
        "--nousb",
        "--method=prng",
        "--rounds=1",
        "--verify=off",
        "--noblank",
    ]
    wipe += [f"--exclude={excluded}"] if excluded else []
    alone = ["unshare", "--mount", "--propagation=private", "sh", "-c", _ALONE, "sh", target.path]
    return target.size_bytes / wall_s([*alone, *wipe])


def _has_medium(block: Path) -> bool:
    return (block / "size").read_text().strip() != "0"


PEERS = (
    Peer("fio zero-fill", "fio", _fio("--rw=write", "--zero_buffers")),
    Peer("fio random", "fio", _fio("--rw=write", "--refill_buffers")),
    Peer("fio read", "fio", _fio("--rw=read")),
    Peer("dd zero", "dd", _timed("dd", "if=/dev/zero", "of={}", "bs=1M", "count={mib}", "oflag=direct")),
    Peer("shred -n1", "shred", _timed("shred", "-n1", "{}")),
    Peer("scrub -p random", "scrub", _timed("scrub", "-f", "-S", "-p", "random", "{}"), slow=True),
    Peer("nwipe prng", "nwipe", _nwipe, slow=True),
)
