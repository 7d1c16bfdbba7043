"""Takes a policy into use: nobody else may be able to change it, or a program that it names."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from shredder.discover.permissions import distrust_file
from shredder.errors import RefusedError, UsageError
from shredder.log_policy import Policy
from shredder.logs.policy import read_policy

PROGRAM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs without a folder are looked for, whatever the caller's PATH says."""

_LIMIT_BYTES = 1 << 20


def load_policy(path: Path) -> Policy:
    """Read a policy and check who could change it or its programs.

    Raises:
        UsageError: it cannot be read, is not well formed, or names a program that is not there.
        RefusedError: somebody else can write to it, to a program, or to a folder on the way.
    """
    where = path.absolute()
    try:
        with open(where, "rb") as file:
            data = file.read(_LIMIT_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if len(data) > _LIMIT_BYTES:
        raise UsageError(f"{path} is too large for a policy")
    _trust(str(where))
    policy = read_policy(data, str(where))
    for program in dict.fromkeys(_programs(policy)):
        _trust(find_program(program))
    return policy


def find_program(name: str) -> str:
    """Return the absolute path of a program.

    Raises:
        UsageError: there is none.
    """
    found = name if name.startswith("/") else shutil.which(name, path=PROGRAM_PATH)
    if "/" in name and not name.startswith("/"):
        raise UsageError(f"the program {name} is named by a relative path", hint="write the whole path")
    if not found or not Path(found).exists():
        hint = None if name.startswith("/") else f"looked for in {PROGRAM_PATH}"
        raise UsageError(f"the program {name} is not there", hint=hint)
    return found


def _programs(policy: Policy) -> Iterator[str]:
    for rule in policy.rules:
        release = rule.release
        commands = (rule.hold, rule.summarise, release.command, release.stop, release.start)
        yield from (command[0] for command in commands if command)
    yield from policy.notify[:1]


def _trust(path: str) -> None:
    why = distrust_file(path)
    if why:
        raise RefusedError(f"{path} is not used: {why}", hint="only root may be able to change it")
