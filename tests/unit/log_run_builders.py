"""Runs over logs for tests of the certificate: the events of one that went well, and of ones that did not.

The golden files hold what `golden_log_files` returns. They pin the bytes that old certificates are
checked against: where one changes, the predicate type must change too.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from shredder.certify.envelope import PAYLOAD_TYPE, envelope_bytes, pae, sign
from shredder.certify.evidence import Recorded, encode_entries
from shredder.certify.keys import PrivateKey
from shredder.certify.log_findings import find_logs
from shredder.certify.log_reports import LogsReport
from shredder.certify.log_statement import make_logs_statement
from shredder.certify.profiles import read_profile
from shredder.certify.statement import statement_bytes
from shredder.log_events import (
    FileDecision,
    FileResult,
    FilesDecided,
    FilesShredded,
    HoldAnswer,
    HoldChecked,
    Left,
    LeftoversFound,
    LineageRotated,
    LogRecorded,
    LogsEnded,
    LogsStarted,
    PreviousRun,
    Promise,
    ServiceBack,
    ServiceReleased,
    Summarised,
    Verdict,
)
from shredder.log_model import After, FileState, Grade, RawRange, ReadBack
from shredder.log_policy import HeldBy, Hold
from shredder.model import Host, Pass, PassKind, Unavailable, VerifyKind
from shredder.ranges import Range
from tests.unit.certify_builders import EVIDENCE_NAME, chain, ed25519_key

NOW_S = 1_795_000_000
LIVE, OLD, YOUNG = "/var/log/web/access.log", "/var/log/web/access.log.2", "/var/log/web/access.log.1"

_HOST = Host(
    "server-1",
    "m" * 32,
    "ACME",
    "Box",
    Unavailable("root only"),
    "0000-1111",
    "6.1.0-1-amd64",
    "tsc",
    Unavailable("not started from a recovery image"),
    Unavailable("not started by UEFI firmware"),
)
_PROFILE = 'organisation = "Example Ltd"\n[sanitized_by]\nname = "A. Operator"\n'


def make_promise(name: str = "web", **changes: Any) -> Promise:
    """A rule that shreds with one random pass."""
    promise = Promise(
        name, "logs", "random", (Pass(PassKind.RANDOM, ""),), VerifyKind.FULL, None, After.UNLINK
    )
    return replace(promise, **changes)


def make_start(*promises: Promise, **changes: Any) -> LogsStarted:
    """The first event."""
    start = LogsStarted(
        run_id="7f3a" * 8,
        tool_version="1.0.0",
        host=_HOST,
        profile=read_profile(_PROFILE, "policy.toml"),
        policy_name="policy",
        policy_digest="ab" * 32,
        salt_sha256="",
        promises=promises or (make_promise(),),
        holds=(),
        previous=PreviousRun("6e29" * 8, "2026-11-20T03:31:00.000Z", "2026-11-20T03:31:09.000Z", "cd" * 32),
    )
    return replace(start, **changes)


def make_decision(path: str = OLD, verdict: Verdict = Verdict.DUE, **changes: Any) -> FileDecision:
    """A file of 5000 bytes whose records are nine days old."""
    decision = FileDecision(
        path=path,
        device="254:16",
        inode=12 + len(path),
        size_bytes=5000,
        changed_s=NOW_S - 9 * 86_400,
        oldest_s=NOW_S - 10 * 86_400,
        newest_s=NOW_S - 9 * 86_400,
        verdict=verdict,
        why="youngest record or change is 9 days old, keep is 7 days",
    )
    return replace(decision, **changes)


def make_result(path: str = OLD, **changes: Any) -> FileResult:
    """A file that was shredded and proven."""
    result = FileResult(
        path=path,
        device="254:16",
        inode=12 + len(path),
        size_bytes=5000,
        oldest_s=NOW_S - 10 * 86_400,
        newest_s=NOW_S - 9 * 86_400,
        continued=False,
        state=FileState.UNLINKED,
        predicted=Grade.PROVEN,
        grade=Grade.PROVEN,
        reason="",
        problem=None,
        read_back=ReadBack.RAW,
        unwritten=(),
        mismatches=(),
        old=(),
        standing=None,
    )
    return replace(result, **changes)


def decide(*decisions: FileDecision, rule: str = "web") -> FilesDecided:
    """Decisions of one rule."""
    return FilesDecided(rule, decisions or (make_decision(),))


def shred(*results: FileResult, rule: str = "web") -> FilesShredded:
    """Results of one rule."""
    return FilesShredded(rule, results or (make_result(),))


def good_run() -> list[LogRecorded]:
    """A run with every step, in which all goes well."""
    hand = Hold("web", HeldBy.HAND, NOW_S - 99_999, NOW_S - 10, "a court order", "alice", None)
    rotated = make_decision(LIVE, Verdict.DUE, why="live and old")
    young = make_decision(YOUNG, Verdict.NOT_DUE, why="falls due in 2 days", oldest_s=None, newest_s=None)
    left = make_result("/var/log/web/x.log.9", continued=True)
    return [
        make_start(holds=(hand,)),
        decide(rotated, young, make_decision()),
        LeftoversFound(
            (Left("/var/log/web/x.log.9", None),),
            ("/var/log/web/y.log.9",),
            (ServiceBack("web", "nginx.service", None, 80),),
        ),
        shred(left),
        LineageRotated("web", LIVE, LIVE + "-20261121T033100Z", None),
        ServiceReleased("web", "nginx.service", "stop-start", None, 120),
        HoldChecked("web", HoldAnswer.CLEAR, 0, None, NOW_S - 10 * 86_400, NOW_S, None, overlong=False),
        Summarised("web", 2, ("web-2026-11-21.json",), None),
        shred(make_result(LIVE, grade=Grade.IN_PLACE, reason="the raw device was not read"), make_result()),
        ServiceBack("web", "nginx.service", None, 340),
        LogsEnded(interrupted=False),
    ]


def moved_run() -> list[LogRecorded]:
    """A run on btrfs, where old bytes stay behind, and where one file was left half done."""
    places = (RawRange("/dev/vdb", 1 << 40, 8192, 0, 0), RawRange("/dev/vdc", 4096, 8192, 0, 1))
    moved = make_result(
        grade=Grade.MOVED, reason="its new bytes went elsewhere", old=places, standing=places[:1]
    )
    half = make_result(
        YOUNG,
        state=FileState.DAMAGED,
        grade=Grade.UNPROVABLE,
        reason="stopped",
        problem="stopped",
        unwritten=(Range(1 << 20, 1 << 33),),
        read_back=ReadBack.NONE,
    )
    return [
        make_start(salt_sha256="ef" * 32, previous=None),
        decide(
            make_decision(), make_decision(YOUNG), make_decision(LIVE, Verdict.REFUSED, why="has 2 names")
        ),
        shred(moved, half),
        LogsEnded(interrupted=True),
    ]


def state_logs(happened: Iterable[LogRecorded]) -> dict[str, Any]:
    """The statement about these events."""
    entries = chain(_widen(happened))
    return make_logs_statement(
        find_logs(entries), hashlib.sha256(encode_entries(entries)).hexdigest(), EVIDENCE_NAME
    )


def report_logs(happened: Iterable[LogRecorded]) -> LogsReport:
    """What these events amount to."""
    return find_logs(chain(_widen(happened)))


def certify_logs(happened: Iterable[LogRecorded], key: PrivateKey) -> tuple[bytes, bytes]:
    """Return the certificate's and the evidence's bytes."""
    happened = list(happened)
    certificate = envelope_bytes(sign(statement_bytes(state_logs(happened)), key))
    return certificate, encode_entries(chain(_widen(happened)))


def _widen(happened: Iterable[LogRecorded]) -> list[Recorded]:
    return list(happened)


def golden_log_files() -> dict[str, bytes]:
    """What the golden files must hold, by name."""
    found: dict[str, bytes] = {}
    runs: dict[str, list[LogRecorded]] = {"good": good_run(), "moved": moved_run()}
    for name, happened in runs.items():
        payload = statement_bytes(state_logs(happened))
        certificate, evidence = certify_logs(happened, ed25519_key())
        found |= {
            f"{name}-evidence.jsonl": evidence,
            f"{name}-statement.json": payload,
            f"{name}-statement.pae": pae(PAYLOAD_TYPE, payload),
            f"{name}-certificate.json": certificate,
        }
    return found
