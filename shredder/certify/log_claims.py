"""The sentences on a certificate about logs: what it claims, and what nobody should read into it."""

from collections.abc import Callable, Iterator

from shredder.certify.log_reports import FileVerdict, LogsReport, RuleReport, Total
from shredder.log_events import HoldAnswer
from shredder.log_model import FileState

_GRADES = {
    FileVerdict.PROVEN: (
        "were overwritten where they lay: their extents are the same before and after, their data is not "
        "journalled, and the raw device gave the new bytes back"
    ),
    FileVerdict.IN_PLACE: (
        "were overwritten where they lay, as far as the file system says: their extents are the same before "
        "and after, and the raw device was not read"
    ),
    FileVerdict.MOVED: (
        "were overwritten by way of their file system, which put the new bytes elsewhere or shares the old "
        "ones: the old bytes may still stand in the places listed"
    ),
    FileVerdict.UNPROVABLE: (
        "were overwritten by way of their file system, and nobody can tell from here what became of the old "
        "bytes"
    ),
}
_FOR_ALL = (
    "Times are claimed: they come from the machine's own clock, and those of records from the logs "
    "themselves, where whoever sent a request may have chosen them.",
    "The evidence was recorded by the machine it speaks of: whoever controls that machine could have run an "
    "altered tool.",
    "Files were unlinked: traces of their names may remain in directory blocks and in the file system's "
    "journal.",
    "Only what the host could address was overwritten: flash media keep remapped cells, and virtual storage "
    "keeps snapshots and old extents, that no host can reach.",
    "Copies elsewhere are not covered: what readers of the logs kept, backups, snapshots, core dumps, swap "
    "and memory, the system journal, and whatever was sent to a remote log.",
    "Earlier versions of a file that was truncated, copied or compressed before this run are not covered: "
    "the places where they lay are not known.",
    "Nothing is said about files that no rule of the policy names.",
)
_FOR_SUMMARIES = (
    "A summary is only as anonymous as the command that makes it: it was searched for whole IP addresses, "
    "and for nothing else."
)
_FOR_HOLDS = (
    "Whether records show an attack was for the policy's own check to say; its answer is recorded as it came."
)
_FOR_HIDDEN = (
    "Paths are given as salted digests (HMAC-SHA-256): the salt lies beside the certificate, for its owner."
)


def claim_logs(report: LogsReport) -> tuple[str, ...]:
    """Return what the evidence supports, a few plain sentences a rule."""
    return tuple(sentence for rule in report.rules for sentence in _rule_claims(rule, report))


def _rule_claims(rule: RuleReport, report: LogsReport) -> Iterator[str]:
    for verdict, words in _GRADES.items():
        count, size_bytes = _measure(rule, verdict)
        if count:
            yield (
                f"{rule.name}: between {report.started_at} and {report.ended_at} {_files(count)} with "
                f"{size_bytes} bytes {words}."
            )
    unlinked = _count(rule, lambda total: total.state is FileState.UNLINKED)
    if unlinked:
        yield f"{rule.name}: {_files(unlinked)} got a random name of the same length, and then none."
    kept = _count(rule, lambda total: total.state is FileState.OVERWRITTEN)
    if kept:
        yield f"{rule.name}: {_files(kept)} kept their names and lengths."
    yield from _other_claims(rule)


def _other_claims(rule: RuleReport) -> Iterator[str]:
    if rule.hold is not None and rule.hold.answer is HoldAnswer.CLEAR:
        yield f"{rule.name}: the policy's check cleared the records before they were shredded."
    if rule.summary is not None and rule.summary.error is None:
        yield f"{rule.name}: {_files(rule.summary.files)} were summarised first, after nobody had them open."
    not_shredded = _count(rule, lambda total: total.has_problems)
    if not_shredded:
        yield f"{rule.name}: {_files(not_shredded)} did not come to what the policy promises; each says why."
    elif not _count(rule, lambda total: total.state is not None):
        yield f"{rule.name}: nothing was due."
    unlisted = rule.count_unlisted(not_due=False) + rule.count_unlisted(not_due=True)
    if unlisted:
        yield f"{rule.name}: {_files(unlisted)} are counted here and named in the evidence alone."


def _measure(rule: RuleReport, verdict: FileVerdict) -> tuple[int, int]:
    same = [total for total in rule.totals if total.verdict is verdict and total.state is not None]
    return sum(total.files for total in same), sum(total.size_bytes for total in same)


def _count(rule: RuleReport, belongs: Callable[[Total], bool]) -> int:
    return sum(total.files for total in rule.totals if belongs(total))


def _files(count: int) -> str:
    return f"{count} {'file' if count == 1 else 'files'}"


def disclaim_logs(report: LogsReport) -> tuple[str, ...]:
    """Return what the certificate does not say."""
    found = list(_FOR_ALL)
    if any(rule.summary for rule in report.rules):
        found.append(_FOR_SUMMARIES)
    if any(rule.hold for rule in report.rules):
        found.append(_FOR_HOLDS)
    if report.start.salt_sha256:
        found.append(_FOR_HIDDEN)
    return tuple(found)
