"""The certificate's predicate: the exact keys, and a reader that takes no others.

Every number is a decimal string: verifiers that read JSON numbers as 64-bit floats (cosign)
would change large ones. A fact that is not known reads "unavailable: reason", never blank.
"""

from dataclasses import dataclass

from shredder import records
from shredder.errors import CertificateError, ShredderError

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:shredder:decommission:v1"


@dataclass(frozen=True, slots=True)
class Span:
    """`length` bytes from byte `start` on."""

    start: str
    length: str


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """Who answers for one of the three acts of NIST SP 800-88 Rev. 2, 4.6."""

    name: str
    title: str
    date: str
    location: str
    contact: str
    signature: str


@dataclass(frozen=True, slots=True)
class NistFields:
    """The fields of NIST SP 800-88 Rev. 1, 4.8 and Rev. 2, 4.6."""

    organisation: str
    manufacturer: str
    model: str
    serial_number: str
    property_number: str
    media_type: str
    media_source: str
    confidentiality: str
    sanitization_method: str
    technique: str
    tool: str
    verification_method: str
    destination: str
    sanitization: SignatureLine
    verification: SignatureLine
    validation: SignatureLine


@dataclass(frozen=True, slots=True)
class IdentityFacts:
    """What tells this device from others."""

    serial: str
    wwn: str
    size_bytes: str
    start_bytes: str
    logical_sector_bytes: str
    by_path: str
    partition_table_uuid: str
    instance: str


@dataclass(frozen=True, slots=True)
class PassFacts:
    """One planned pass. `key_sha256` is the digest of its stream key, empty for a pattern."""

    number: str
    writes: str
    started_at: str
    ended_at: str
    elapsed_ms: str
    written: tuple[Span, ...]
    unwritten: tuple[Span, ...]
    write_errors: str
    errors: tuple[str, ...]
    flush: str
    ended_early: str
    key_sha256: str


@dataclass(frozen=True, slots=True)
class VerificationFacts:
    """The read-back after the last flush."""

    kind: str
    pass_number: str
    seed_hex: str
    nonce_hex: str
    started_at: str
    ended_at: str
    elapsed_ms: str
    to_check_bytes: str
    checked_bytes: str
    independent_samples: str
    confidence: str
    mismatches: tuple[Span, ...]
    unreadable: tuple[Span, ...]
    read_errors: str
    ended_early: str


@dataclass(frozen=True, slots=True)
class RefusalFacts:
    """A reason not to wipe: one that stood, or one that was lifted by `--allow`."""

    kind: str
    device: str
    detail: str


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """One target."""

    path: str
    aliases: tuple[str, ...]
    kind: str
    medium: str
    verdict: str
    problems: tuple[str, ...]
    identity: IdentityFacts
    nist: NistFields
    direct_reads: str
    stream_nonce: str
    passes: tuple[PassFacts, ...]
    verification: VerificationFacts | None
    unwritten: tuple[Span, ...]
    untouched: tuple[Span, ...]
    may_still_write: bool
    refusals: tuple[RefusalFacts, ...]
    allowed: tuple[RefusalFacts, ...]


@dataclass(frozen=True, slots=True)
class LeftOutFacts:
    """A discovered device that the plan does not touch."""

    path: str
    why: str
    model: str
    serial: str
    size_bytes: str
    reason: str


@dataclass(frozen=True, slots=True)
class HostFacts:
    """The machine."""

    hostname: str
    machine_id: str
    vendor: str
    product: str
    serial: str
    product_uuid: str
    kernel: str
    clock_source: str
    image: str
    secure_boot: str


@dataclass(frozen=True, slots=True)
class MethodFacts:
    """What was planned for every device alike."""

    name: str
    verification: str
    all_disks: bool
    allowances: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Predicate:
    """What the certificate says, derived from the evidence and from nothing else."""

    headline: str
    outcome: str
    run_id: str
    tool: str
    plan_digest: str
    claimed_started_at: str
    claimed_ended_at: str
    host: HostFacts
    method: MethodFacts
    devices: tuple[DeviceFacts, ...]
    left_out: tuple[LeftOutFacts, ...]
    driverless_controllers: tuple[str, ...]
    claims: tuple[str, ...]
    disclaimers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """The evidence file that the statement is about."""

    name: str
    sha256: str


def parse_statement(payload: bytes) -> dict[str, object]:
    """Parse a signed payload that is a statement of whatever kind.

    Raises:
        CertificateError: it is not.
    """
    try:
        data = records.parse(payload, "the certificate's statement")
    except ShredderError as error:
        raise CertificateError(error.message) from None
    if not isinstance(data, dict) or set(data) != {"_type", "subject", "predicateType", "predicate"}:
        raise CertificateError("the certificate does not hold an in-toto statement")
    return data


def read_statement(payload: bytes) -> dict[str, object]:
    """Parse a signed payload and check that it is a statement about disks, with nothing unknown in it.

    Raises:
        CertificateError: it is not.
    """
    data = parse_statement(payload)
    check_type(data, PREDICATE_TYPE)
    read_subject(data)
    read_predicate(data)
    return data


def check_type(statement: dict[str, object], kind: str) -> None:
    """Make sure that a statement has this predicate type.

    Raises:
        CertificateError: it has another one.
    """
    if (statement["_type"], statement["predicateType"]) != (STATEMENT_TYPE, kind):
        raise CertificateError(
            f"the certificate is not of type {kind}", hint="a newer version of shredder may know it"
        )


def read_subject(statement: dict[str, object]) -> Subject:
    """Return the one subject.

    Raises:
        CertificateError: there is another number of subjects, or its name is not that of a plain file.
    """
    match statement.get("subject"):
        case [{"name": str(name), "digest": {"sha256": str(sha256), **no_digest}, **nothing}] if not (
            no_digest or nothing
        ):
            if not name or name in (".", "..") or any(sign in name for sign in "/\\\0"):
                raise CertificateError("the certificate names its evidence by more than a file name")
            return Subject(name, sha256)
    raise CertificateError("the certificate does not have one evidence file as its subject")


def read_predicate(statement: dict[str, object]) -> Predicate:
    """Return the predicate, typed.

    Raises:
        CertificateError: a key is missing, unknown, or of another type.
    """
    try:
        return records.from_json(Predicate, statement.get("predicate"), "the certificate's predicate")
    except ShredderError as error:
        raise CertificateError(error.message) from None
