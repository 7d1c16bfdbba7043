"""The whole flow for a host: start entry, overwrite and verify, evidence, certificate."""

import contextlib
import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from shredder import __version__
from shredder.certify import run_folder
from shredder.certify.evidence import Entry, EvidenceLog, encode_entries
from shredder.certify.findings import find
from shredder.certify.keys import PrivateKey, public_pem
from shredder.certify.reports import RunReport
from shredder.certify.run_folder import RunFolder
from shredder.certify.statement import make_statement
from shredder.certify.stream_keys import VERSION, DeviceKeys, StreamKeys, stream_keys_bytes
from shredder.decommission.prepare import Ready, look_again, recheck_open
from shredder.erase.engine import run_tasks
from shredder.erase.keystream import derive_key
from shredder.erase.worker import Sampling, Task
from shredder.errors import ExitCode, RefusedError, ShredderError, UndeliveredError, gravest
from shredder.events import (
    DeviceEnded,
    DeviceRefused,
    Event,
    LookedAgain,
    Progress,
    RunEnded,
    RunStarted,
    Stream,
)
from shredder.model import Identity, PassKind, Plan, Profile, Refusal, Step
from shredder.plan.documents import write_plan
from shredder.plan.sampling import draw_samples, mix_seed
from shredder.records import canonical

_SECRET_BYTES = 32
_NONCE_BYTES = 16
_SEED_BYTES = 32


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to. `trouble` is what went wrong beside the devices, for people."""

    report: RunReport
    folder: Path
    has_certificate: bool
    trouble: tuple[str, ...]
    exit_code: ExitCode


@dataclass(frozen=True, slots=True)
class _Secrets:
    """What one target's passes are made from."""

    step: Step
    nonce: bytes
    keys: tuple[bytes, ...]


def new_run_id() -> str:
    """Return a fresh name for a run, 32 hex digits."""
    return uuid.uuid4().hex


def carry_out(
    ready: Ready,
    run_id: str,
    output: Path,
    *,
    key: PrivateKey,
    profile: Profile,
    monitor: Callable[[Event], None],
    wants_stop: Callable[[], bool],
    before_first_write: Callable[[Path], None] = lambda _folder: None,
) -> Result:
    """Wipe what the plan names and certify what happened.

    Args:
        ready: from `check_plan`.
        run_id: from `new_run_id`.
        output: the folder to write to; new or empty.
        key: signs the certificate; of a fresh one only the public half is ever written.
        profile: what only people know.
        monitor: shown every event.
        wants_stop: asked five times a second.
        before_first_write: called with the run's folder when the start entry is durable in its evidence, and
            no target has been opened yet; what it raises ends the run.

    Raises:
        RefusedError: nothing of the plan may be wiped, or the output folder cannot be used.
        ShredderError: what `before_first_write` raised; nothing was written to any target.
    """
    if not ready.steps:
        raise RefusedError("; ".join(_reasons(ready.refused)) or "the plan has no targets")
    targets = tuple(_draw_secrets(step, run_id) for step in ready.plan.steps)
    start = _start_event(ready.plan, run_id, profile, targets)
    canonical(start)  # what cannot be recorded must be found before anything is written
    folder = RunFolder(output, "nothing was wiped")
    _write_first_files(folder, ready.plan, run_id, targets, key)
    log = EvidenceLog(folder.path / run_folder.EVIDENCE)
    record = _make_recorder(log, monitor)
    record(start)
    if log.damage:
        raise RefusedError(f"{log.damage}; nothing was wiped", hint="name another folder with --output")
    try:
        before_first_write(folder.path)
    except ShredderError:
        record(RunEnded(interrupted=True))
        log.close()
        folder.release()
        raise
    for refusal in ready.refused:
        record(refusal)
    at_once = len(ready.steps)
    tasks = [_make_task(target, ready.plan, at_once) for target in targets if target.step in ready.steps]
    run_tasks(tasks, record, wants_stop)
    if ready.plan.all_disks:
        record(_look_again(ready.plan, log))
    record(RunEnded(interrupted=wants_stop()))
    log.close()
    return _conclude(log, folder, key)


def _look_again(plan: Plan, log: EvidenceLog) -> LookedAgain:
    """Look for disks that appeared late, unless one hangs in the kernel: the look would hang with it."""
    for entry in log.entries:
        if isinstance(entry.event, DeviceEnded) and entry.event.may_still_write:
            return LookedAgain((), error=f"{entry.event.path} hangs")
    return look_again(plan)


def _reasons(refused: Sequence[DeviceRefused]) -> list[str]:
    return [refusal.detail for item in refused for refusal in item.refusals]


def _draw_secrets(step: Step, run_id: str) -> _Secrets:
    """Draw a secret for one device and derive its pass keys; the secret itself is kept nowhere."""
    secret, nonce = os.urandom(_SECRET_BYTES), os.urandom(_NONCE_BYTES)
    keys = tuple(
        derive_key(secret, run_id, nonce, number) if planned.kind is PassKind.RANDOM else b""
        for number, planned in enumerate(step.passes, start=1)
    )
    return _Secrets(step, nonce, keys)


def _write_first_files(
    folder: RunFolder, plan: Plan, run_id: str, targets: Sequence[_Secrets], key: PrivateKey
) -> None:
    devices = tuple(
        DeviceKeys(item.step.path, item.nonce.hex(), tuple(one.hex() for one in item.keys))
        for item in targets
    )
    try:
        folder.write(run_folder.PLAN, write_plan(plan).encode())
        folder.write(run_folder.PUBLIC_KEY, public_pem(key.public_key()))
        keys = StreamKeys(VERSION, run_id, devices)
        folder.write(run_folder.STREAM_KEYS, stream_keys_bytes(keys), private=True)
    except UndeliveredError as error:
        raise RefusedError(f"{error.message}; nothing was wiped") from None


def _start_event(plan: Plan, run_id: str, profile: Profile, targets: Sequence[_Secrets]) -> RunStarted:
    streams = tuple(
        Stream(
            item.step.path,
            item.nonce.hex(),
            tuple(sha256(key).hexdigest() if key else "" for key in item.keys),
        )
        for item in targets
    )
    return RunStarted(run_id, __version__, plan.digest, plan, profile, streams)


def _make_recorder(log: EvidenceLog, monitor: Callable[[Event], None]) -> Callable[[Event], None]:
    def record(event: Event) -> None:
        if not isinstance(event, Progress):
            log.append(event, datetime.now(UTC))
        # a terminal that went away, or that cannot show a name, must not end the run
        with contextlib.suppress(OSError, ValueError):
            monitor(event)

    return record


def _make_task(target: _Secrets, plan: Plan, at_once: int) -> Task:
    step = target.step

    def recheck(descriptor: int) -> tuple[Identity, tuple[Refusal, ...]]:
        device, refusals = recheck_open(step, plan, descriptor)
        return (device.identity if device else step.identity), refusals

    def sample() -> Sampling:
        drawn = os.urandom(_SEED_BYTES)
        seed = mix_seed(drawn, plan.nonce_hex)
        places = draw_samples(step.identity.size_bytes, step.identity.logical_sector_bytes, seed)
        return Sampling(drawn.hex(), places.ranges, len(places.independent))

    return Task(step, target.keys, plan.verify, sample, recheck, at_once)


def _conclude(log: EvidenceLog, folder: RunFolder, key: PrivateKey) -> Result:
    """Derive the outcome from the evidence and certify it; when that fails, the outcome still stands."""
    report = find(log.entries)
    folder.release()
    trouble = [log.damage] if log.damage else []
    if not trouble:
        try:
            folder.check_evidence(log)
            _write_certificate(log, folder, key)
        except UndeliveredError as error:
            trouble.append(error.message)
    codes = [report.exit_code, ExitCode.UNDELIVERED] if trouble else [report.exit_code]
    return Result(report, folder.path, not trouble, tuple(trouble), gravest(codes))


def _write_certificate(log: EvidenceLog, folder: RunFolder, key: PrivateKey) -> None:
    for name, content in make_certificate(log.entries, encode_entries(log.entries), key).items():
        folder.write(name, content)


def make_certificate(entries: Sequence[Entry], evidence: bytes, key: PrivateKey) -> dict[str, bytes]:
    """Return the certificate's files by name, in the order in which they are written.

    Args:
        entries: of the evidence.
        evidence: the same as bytes.
        key: signs the certificate.
    """
    statement = make_statement(entries, sha256(evidence).hexdigest(), run_folder.EVIDENCE)
    return run_folder.certificate_files(statement, key)
