"""Runs for tests of the certificate: a plan, the events of a run that went well, and what follows from them.

The golden files hold what `golden_files` returns. They pin the bytes that old certificates are
checked against: where one changes, the predicate type must change too.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shredder.certify.envelope import PAYLOAD_TYPE, envelope_bytes, pae, sign
from shredder.certify.evidence import FIRST_PREVIOUS, Entry, encode_entries, encode_entry, stamp
from shredder.certify.evidence import Recorded as AnyRecorded
from shredder.certify.keys import PrivateKey
from shredder.certify.profiles import read_profile
from shredder.certify.statement import make_statement, statement_bytes
from shredder.events import (
    AliasRead,
    DeviceEnded,
    DeviceOpened,
    LookedAgain,
    PassEnded,
    PassStarted,
    Recorded,
    RunEnded,
    RunStarted,
    Stream,
    VerifyEnded,
    VerifyStarted,
)
from shredder.model import (
    DeviceKind,
    Host,
    MediumKind,
    Pass,
    PassKind,
    Plan,
    Step,
    Unavailable,
    VerifyKind,
)
from shredder.ranges import Range
from tests.unit.builders import make_identity

MIB = 1 << 20
ZEROS = Pass(PassKind.PATTERN, "00")
RANDOM = Pass(PassKind.RANDOM, "")
EVIDENCE_NAME = "evidence.jsonl"
BEGIN = datetime(2026, 11, 21, 3, 31, 0, 123_000, tzinfo=UTC)

_HOST = Host(
    hostname="server-1",
    machine_id="m" * 32,
    vendor="ACME",
    product="Box",
    serial=Unavailable("root only"),
    product_uuid="0000-1111",
    kernel="6.1.0-1-amd64",
    clock_source="tsc",
    image=Unavailable("not started from a recovery image"),
    secure_boot=Unavailable("not started by UEFI firmware"),
)
_PROFILE = """
organisation = "Example Ltd"
[sanitized_by]
name = "A. Operator"
[property_numbers]
S-1 = "INV-1"
"""


def p256_key(secret: int = 20_261_121) -> EllipticCurvePrivateKey:
    """A key that is the same in every test run."""
    return derive_private_key(secret, SECP256R1())


def ed25519_key() -> Ed25519PrivateKey:
    """A key whose signatures are the same in every test run."""
    return Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def make_step(path: str = "/dev/sdx", passes: tuple[Pass, ...] = (ZEROS, RANDOM), **facts: Any) -> Step:
    """A rotating disk of 1 MiB."""
    step = Step(
        path=path,
        aliases=(),
        kind=DeviceKind.DISK,
        medium=MediumKind.ROTATING,
        vendor="ACME",
        model="Spinner",
        identity=make_identity(serial="S-1", size_bytes=MIB),
        passes=passes,
        allowed=(),
    )
    return replace(step, **facts)


def make_plan(*steps: Step, **facts: Any) -> Plan:
    """A plan for these steps, or for one disk."""
    plan = Plan(
        version=1,
        host=_HOST,
        all_disks=False,
        method="random",
        verify=VerifyKind.FULL,
        nonce_hex="",
        allow=(),
        steps=steps or (make_step(),),
        left_out=(),
        driverless=(),
    )
    return replace(plan, **facts)


def start_run(plan: Plan) -> RunStarted:
    """The first event."""
    return RunStarted(
        run_id="20261121T033100Z-7f3a",
        tool_version="1.0.0",
        plan_digest=plan.digest,
        plan=plan,
        profile=read_profile(_PROFILE, "profile.toml"),
        streams=tuple(_stream(step) for step in plan.steps),
    )


def _stream(step: Step) -> Stream:
    digests = [
        hashlib.sha256(bytes([at])).hexdigest() if item.kind is PassKind.RANDOM else ""
        for at, item in enumerate(step.passes)
    ]
    return Stream(step.path, "ab" * 16, tuple(digests))


def good_pass(step: Step, number: int, **facts: Any) -> PassEnded:
    """A pass that wrote everything."""
    ended = PassEnded(
        path=step.path,
        number=number,
        written=(Range(0, step.identity.size_bytes),),
        unwritten=(),
        write_errors=0,
        flush_error=None,
        gave_up=None,
        stopped=False,
        elapsed_ms=1500,
    )
    return replace(ended, **facts)


def good_verification(step: Step, verify: VerifyKind = VerifyKind.FULL) -> list[Recorded]:
    """A read-back without a fault; sampled reads half of the device."""
    is_full = verify is VerifyKind.FULL
    size_bytes = step.identity.size_bytes if is_full else step.identity.size_bytes // 2
    seed_hex, independent = ("", 0) if is_full else ("5e" * 32, 4603)
    number = len(step.passes)
    started = VerifyStarted(step.path, number, verify, seed_hex, size_bytes, independent)
    return [started, VerifyEnded(step.path, number, size_bytes, (), (), 0, None, False, 2500)]


def good_device(step: Step, verify: VerifyKind = VerifyKind.FULL) -> list[Recorded]:
    """Everything that happens to a device when all goes well."""
    happened: list[Recorded] = [DeviceOpened(step.path, step.identity, direct=True)]
    for number in range(1, len(step.passes) + 1):
        happened += [PassStarted(step.path, number), good_pass(step, number)]
    if verify is not VerifyKind.NONE:
        happened += good_verification(step, verify)
    happened += [AliasRead(step.path, alias, MIB, MIB, 0, None, stopped=False) for alias in step.aliases]
    return [*happened, DeviceEnded(step.path, error=None, may_still_write=False)]


def good_run(plan: Plan) -> list[Recorded]:
    """A whole run in which all goes well."""
    happened: list[Recorded] = [start_run(plan)]
    for step in plan.steps:
        happened += good_device(step, plan.verify)
    if plan.all_disks:
        happened.append(LookedAgain((), error=None))
    return [*happened, RunEnded(interrupted=False)]


def chain(happened: Iterable[AnyRecorded]) -> tuple[Entry, ...]:
    """Give the events their numbers, a second each, and their chain."""
    entries: list[Entry] = []
    previous = FIRST_PREVIOUS
    for seq, event in enumerate(happened):
        entries.append(Entry(seq, stamp(BEGIN + timedelta(seconds=seq)), previous, event))
        previous = hashlib.sha256(encode_entry(entries[-1])).hexdigest()
    return tuple(entries)


def state(happened: Iterable[AnyRecorded]) -> dict[str, Any]:
    """The statement about these events."""
    entries = chain(happened)
    return make_statement(entries, hashlib.sha256(encode_entries(entries)).hexdigest(), EVIDENCE_NAME)


def certify(happened: Iterable[Recorded], key: PrivateKey) -> tuple[bytes, bytes]:
    """Return the certificate's and the evidence's bytes."""
    happened = list(happened)
    return envelope_bytes(sign(statement_bytes(state(happened)), key)), encode_entries(chain(happened))


def golden_files() -> dict[str, bytes]:
    """What the golden files must hold, by name."""
    happened = good_run(make_plan())
    payload = statement_bytes(state(happened))
    certificate, evidence = certify(happened, ed25519_key())
    return {
        "evidence.jsonl": evidence,
        "statement.json": payload,
        "statement.pae": pae(PAYLOAD_TYPE, payload),
        "certificate.json": certificate,
    }
