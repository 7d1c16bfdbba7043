"""Disks or logs: the first entry of the evidence, and the type of the statement, say which."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from shredder.certify.evidence import Entry
from shredder.certify.findings import find
from shredder.certify.log_findings import find_logs
from shredder.certify.log_predicate import LOGS_TYPE, read_logs_statement
from shredder.certify.log_reports import LogsReport
from shredder.certify.log_statement import make_logs_statement
from shredder.certify.predicate import parse_statement, read_statement
from shredder.certify.reports import RunReport
from shredder.certify.statement import make_statement
from shredder.log_events import LogsStarted

Report: TypeAlias = RunReport | LogsReport


def is_about_logs(entries: Sequence[Entry]) -> bool:
    """Return whether the evidence is of a run over logs."""
    return bool(entries) and isinstance(entries[0].event, LogsStarted)


def find_any(entries: Sequence[Entry]) -> Report:
    """Fold evidence into the report of its kind.

    Raises:
        CertificateError: it contradicts itself.
    """
    return find_logs(entries) if is_about_logs(entries) else find(entries)


def state_any(entries: Sequence[Entry], evidence_sha256: str, evidence_name: str) -> dict[str, Any]:
    """Return the statement of the evidence's kind.

    Raises:
        CertificateError: it contradicts itself.
    """
    if is_about_logs(entries):
        return make_logs_statement(find_logs(entries), evidence_sha256, evidence_name)
    return make_statement(entries, evidence_sha256, evidence_name)


def read_any_statement(payload: bytes) -> dict[str, object]:
    """Parse a signed payload of either kind, strictly.

    Raises:
        CertificateError: it is neither.
    """
    is_logs = parse_statement(payload)["predicateType"] == LOGS_TYPE
    return read_logs_statement(payload) if is_logs else read_statement(payload)
