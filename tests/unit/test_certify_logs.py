"""Certificates about logs: what they say for which evidence, byte for byte, and what they refuse."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shredder.certify.envelope import envelope_bytes, read_envelope, sign
from shredder.certify.kinds import find_any
from shredder.certify.log_listing import LISTED_FILES
from shredder.certify.log_predicate import read_logs_predicate, read_logs_statement
from shredder.certify.log_reports import FileVerdict
from shredder.certify.render import render_text
from shredder.certify.statement import statement_bytes
from shredder.certify.trust import check_certificate
from shredder.errors import CertificateError, ExitCode
from shredder.events import RunEnded
from shredder.log_events import (
    FilesDecided,
    HoldAnswer,
    HoldChecked,
    HoldFound,
    JournalRotated,
    Left,
    LeftoversFound,
    LineageRotated,
    LogRecorded,
    LogsEnded,
    RuleFailed,
    ServiceBack,
    ServiceReleased,
    StillOpen,
    Summarised,
    Verdict,
)
from shredder.log_model import After, FileState, Grade, ReadBack
from shredder.log_policy import HeldBy, Hold
from shredder.model import VerifyKind
from shredder.ranges import Range
from tests.unit import certify_builders as disks
from tests.unit.certify_builders import chain, ed25519_key, p256_key
from tests.unit.log_run_builders import (
    LIVE,
    NOW_S,
    OLD,
    YOUNG,
    certify_logs,
    decide,
    golden_log_files,
    good_run,
    make_decision,
    make_promise,
    make_result,
    make_start,
    moved_run,
    report_logs,
    shred,
    state_logs,
)

GOLDEN = Path(__file__).parent / "golden_logs"
END = LogsEnded(interrupted=False)
FOUND = HoldFound("web", Hold("web", HeldBy.HAND, NOW_S, NOW_S + 9, "a court order", "ann", None))
CLEAR = HoldChecked("web", HoldAnswer.CLEAR, 0, None, NOW_S - 9, NOW_S, None, overlong=False)
HELD = replace(CLEAR, answer=HoldAnswer.HOLD, exit_code=75, since_s=NOW_S)
FAILED = replace(
    CLEAR, answer=HoldAnswer.FAILED, exit_code=None, error="it took longer than 5 s", since_s=NOW_S
)


def made(*happened: LogRecorded) -> list[LogRecorded]:
    """These events."""
    return list(happened)


def run(*steps: LogRecorded, **promise: Any) -> list[LogRecorded]:
    """A run in which one file was due."""
    return [make_start(make_promise(**promise)), decide(), *steps, END]


RUNS: dict[str, list[LogRecorded]] = {
    "good": good_run(),
    "moved": moved_run(),
    "killed": good_run()[:5],
    "held": run(HELD),
    "nothing there": [make_start(), END],
}


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from leaves(item)
    else:
        yield value


@pytest.mark.parametrize("name", golden_log_files())
def test_golden_files_hold_the_exact_bytes(name: str) -> None:
    assert (GOLDEN / name).read_bytes() == golden_log_files()[name]


def test_no_golden_file_is_left_behind() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == set(golden_log_files())


@pytest.mark.parametrize("name", RUNS)
def test_every_statement_is_read_back_the_same(name: str) -> None:
    statement = state_logs(RUNS[name])
    assert read_logs_statement(statement_bytes(statement)) == statement
    assert statement["predicateType"] == "urn:shredder:logs:v1"


@pytest.mark.parametrize("name", RUNS)
def test_no_number_stands_where_a_verifier_would_read_a_float(name: str) -> None:
    assert {type(leaf) for leaf in leaves(state_logs(RUNS[name]))} <= {str, bool, type(None)}


@pytest.mark.parametrize("name", RUNS)
def test_words_that_an_overwrite_does_not_deserve_are_never_used(name: str) -> None:
    text = render_text(state_logs(RUNS[name]), key_id="ab" * 32, signer="not checked")
    assert not re.search(r"purge|2883|validated|certified|destroy|\bClear\b", text)


@pytest.mark.parametrize("name", RUNS)
def test_the_text_says_what_the_statement_says(name: str) -> None:
    statement = state_logs(RUNS[name])
    predicate = statement["predicate"]
    text = render_text(statement, key_id="ab" * 32, signer="signer not established")
    assert text.splitlines()[0] == predicate["headline"]
    flowing = " ".join(text.split())
    told = [*predicate["claims"], *predicate["disclaimers"], *predicate["problems"]]
    for rule in predicate["rules"]:
        told += [rule["name"], *rule["problems"]]
        for file in rule["files"]:
            told += [file["path"], file["verdict"], file["why"], *file["problems"]]
        told += [item["why"] for item in rule["not_due"]]
    assert [sentence for sentence in told if sentence not in flowing] == []
    assert max(map(len, text.partition("how to check")[0].splitlines()[1:])) <= 100


@pytest.mark.parametrize("key", [p256_key(), ed25519_key()], ids=["p256", "ed25519"])
@pytest.mark.parametrize("name", RUNS)
def test_a_certificate_is_trusted_with_its_key_and_evidence(name: str, key: Any) -> None:
    certificate, evidence = certify_logs(RUNS[name], key)
    checked = check_certificate(certificate, evidence, key.public_key())
    assert checked.trusted
    assert checked.report == report_logs(RUNS[name])


def test_a_statement_that_says_more_than_its_evidence_is_refused() -> None:
    certificate, evidence = certify_logs(RUNS["held"], ed25519_key())
    better = read_envelope(certificate).payload.replace(b'"headline":"held: ', b'"headline":"complete: ')
    assert better != read_envelope(certificate).payload
    forged = envelope_bytes(sign(better, ed25519_key()))
    with pytest.raises(CertificateError, match="does not say what its evidence says"):
        check_certificate(forged, evidence, ed25519_key().public_key())


@pytest.mark.parametrize("at", range(len(good_run())))
def test_a_changed_entry_is_found(at: int) -> None:
    certificate, evidence = certify_logs(good_run(), ed25519_key())
    lines = evidence.split(b"\n")
    lines[at] = lines[at].replace(b'"at":"2026', b'"at":"2025')
    with pytest.raises(CertificateError, match="is not the evidence"):
        check_certificate(certificate, b"\n".join(lines), ed25519_key().public_key())


@pytest.mark.parametrize(
    ("steps", "code", "verdict", "said"),
    [
        ([shred()], 0, FileVerdict.PROVEN, None),
        ([shred(make_result(grade=Grade.IN_PLACE))], 0, FileVerdict.IN_PLACE, None),
        ([shred(make_result(grade=Grade.MOVED, reason="shared"))], 4, FileVerdict.MOVED, "moved: shared"),
        ([shred(make_result(grade=Grade.UNPROVABLE))], 4, FileVerdict.UNPROVABLE, "unprovable: "),
        ([shred(make_result(read_back=ReadBack.FILE))], 4, FileVerdict.PROVEN, "without reading the device"),
        (
            [shred(make_result(grade=Grade.IN_PLACE, read_back=ReadBack.NONE))],
            4,
            FileVerdict.IN_PLACE,
            "not read back",
        ),
        (
            [shred(make_result(mismatches=(Range(0, 4096),), problem="differs", state=FileState.DAMAGED))],
            5,
            FileVerdict.MISMATCH,
            "4096 bytes differ",
        ),
        (
            [shred(make_result(state=FileState.UNTOUCHED, grade=None, problem="is immutable"))],
            4,
            FileVerdict.KEPT,
            "is immutable",
        ),
        ([shred(make_result(state=FileState.DAMAGED))], 4, FileVerdict.DAMAGED, "it is damaged"),
        ([shred(make_result(state=FileState.OVERWRITTEN))], 4, FileVerdict.PROVEN, "its name is not"),
        ([shred(make_result(grade=None))], 4, FileVerdict.DAMAGED, "it has no grade"),
        ([shred(make_result(unwritten=(Range(0, 1),)))], 4, FileVerdict.DAMAGED, "1 bytes were not"),
        ([shred(make_result(inode=99))], 4, FileVerdict.PROVEN, "not the file that was decided on"),
        ([StillOpen("web", OLD, "process 7 (tail)", 60_000)], 4, FileVerdict.KEPT, "process 7 (tail)"),
        ([LineageRotated("web", OLD, "x", "no room")], 4, FileVerdict.KEPT, "no room"),
        ([HELD], 7, FileVerdict.HELD, "held by the policy's check"),
        ([FAILED], 9, FileVerdict.HELD, "held by the policy's check"),
        ([CLEAR, FOUND], 7, FileVerdict.HELD, "held by ann while the run went on: a court order"),
        ([FOUND, shred()], 0, FileVerdict.PROVEN, None),
        ([replace(HELD, overlong=True)], 9, FileVerdict.HELD, "held by the policy's check"),
        ([CLEAR, Summarised("web", 1, (), "it exited 1")], 9, FileVerdict.KEPT, "not summarised"),
        ([ServiceReleased("web", "a.service", "reload", "gone", 5)], 9, FileVerdict.KEPT, "did not let go"),
        ([ServiceReleased("web", "a.service", "reload", "gone", 5), shred()], 9, FileVerdict.PROVEN, None),
        ([ServiceReleased("web", "a.service", "stop-start", None, 5), shred()], 9, FileVerdict.PROVEN, None),
        (
            [
                ServiceReleased("web", "a.service", "stop-start", None, 5),
                shred(),
                ServiceBack("web", "a.service", "it is failed", 5),
            ],
            9,
            FileVerdict.PROVEN,
            None,
        ),
        ([JournalRotated("web", "no journald"), shred()], 9, FileVerdict.PROVEN, None),
        ([RuleFailed("web", "disk full")], 4, FileVerdict.KEPT, "disk full"),
        ([], 4, FileVerdict.KEPT, "does not say what became of it"),
    ],
)
def test_what_one_due_file_comes_to(
    steps: Sequence[LogRecorded], code: int, verdict: FileVerdict, said: str | None
) -> None:
    report = report_logs(run(*steps))
    (file,) = report.rules[0].files
    assert (report.exit_code, file.verdict) == (code, verdict)
    assert report.complete == (code == 0)
    reasons = [problem.reason for problem in file.problems]
    assert any(said in reason for reason in reasons) if said else reasons == []
    assert report.headline.startswith({0: "complete: ", 7: "held: "}.get(code, "FAILED, "))


@pytest.mark.parametrize(
    ("require", "accepted"),
    [
        (None, [Grade.PROVEN, Grade.IN_PLACE]),
        (Grade.PROVEN, [Grade.PROVEN]),
        (Grade.IN_PLACE, [Grade.PROVEN, Grade.IN_PLACE]),
        (Grade.MOVED, [Grade.PROVEN, Grade.IN_PLACE, Grade.MOVED]),
        (Grade.UNPROVABLE, list(Grade)),
    ],
)
def test_the_required_grade_decides(require: Grade | None, accepted: list[Grade]) -> None:
    found = {grade: report_logs(run(shred(make_result(grade=grade)), require=require)) for grade in Grade}
    assert [grade for grade in Grade if found[grade].exit_code is ExitCode.DONE] == accepted


def test_what_was_not_to_be_verified_need_not_be_read_back() -> None:
    result = make_result(grade=Grade.IN_PLACE, read_back=ReadBack.NONE)
    assert report_logs(run(shred(result), verify=VerifyKind.NONE)).complete


def test_a_name_that_was_to_be_kept_is_kept() -> None:
    result = make_result(state=FileState.OVERWRITTEN)
    assert report_logs(run(shred(result), after=After.KEEP_NAME)).complete
    assert not report_logs(run(shred(), after=After.KEEP_NAME)).complete


@pytest.mark.parametrize(
    ("verdict", "code"),
    [(Verdict.NOT_DUE, 0), (Verdict.HELD, 7), (Verdict.REFUSED, 4), (Verdict.ROTATE, 4)],
)
def test_what_was_decided_counts(verdict: Verdict, code: int) -> None:
    report = report_logs([make_start(), decide(make_decision(verdict=verdict)), END])
    assert report.exit_code == code


def test_a_rotation_is_done_with_its_rename() -> None:
    decided = decide(make_decision(LIVE, Verdict.ROTATE))
    renamed = LineageRotated("web", LIVE, "x", None)
    assert report_logs([make_start(), decided, renamed, END]).complete


def test_the_gravest_of_several_counts() -> None:
    start = make_start(make_promise("a"), make_promise("b"), make_promise("c"))
    decisions = [decide(make_decision(f"/{name}"), rule=name) for name in "abc"]
    held = replace(HELD, rule="a")
    summary = Summarised("b", 1, (), "no")
    assert report_logs([start, *decisions[:2], held, summary, END]).exit_code is ExitCode.SERVICE
    still_open = StillOpen("c", "/c", "process 7 (tail)", 5)
    report = report_logs([start, *decisions, held, summary, still_open, END])
    assert report.exit_code is ExitCode.INCOMPLETE
    ended = LogsEnded(interrupted=True)
    assert (
        report_logs([start, *decisions, held, summary, still_open, ended]).exit_code is ExitCode.INTERRUPTED
    )


@pytest.mark.parametrize("length", range(1, len(good_run())))
def test_evidence_that_stops_is_never_a_success(length: int) -> None:
    report = report_logs(good_run()[:length])
    assert report.exit_code in (ExitCode.INTERRUPTED, ExitCode.MISMATCH)
    assert report.interrupted
    assert "stops before the end" in report.headline


def test_a_file_that_a_killed_run_does_not_tell_of_is_not_called_kept() -> None:
    due, rotated = make_decision(), make_decision(LIVE, Verdict.ROTATE)
    killed = report_logs([make_start(), decide(due, rotated)])
    assert {file.verdict for file in killed.rules[0].files} == {FileVerdict.UNKNOWN}
    stopped = report_logs([make_start(), decide(due, rotated), LogsEnded(interrupted=True)])
    assert {file.verdict for file in stopped.rules[0].files} == {FileVerdict.KEPT}
    names = [file["name"] for file in state_logs(killed_events())["predicate"]["rules"][0]["files"]]
    assert names == ["unavailable: cannot be told"]


def killed_events() -> list[LogRecorded]:
    """A run of which nothing is known but what was due."""
    return [make_start(), decide()]


def test_a_service_that_is_not_back_stands_in_the_first_line() -> None:
    happened = run(
        ServiceReleased("web", "nginx.service", "stop-start", None, 5),
        shred(),
        ServiceBack("web", "nginx.service", "it is failed", 9),
    )
    assert "THE SERVICE OF web DID NOT COME BACK: it is failed" in report_logs(happened).headline


def test_leftovers_must_be_finished() -> None:
    left = LeftoversFound((Left("/a", None), Left("/b", "its folder is gone")), (), ())
    done = shred(make_result("/a", continued=True), rule="old rule")
    report = report_logs([make_start(), left, done, END])
    assert report.exit_code is ExitCode.INCOMPLETE
    assert [problem.reason for problem in report.problems] == [
        "/b, begun by an earlier run: its folder is gone"
    ]
    only_one = LeftoversFound((Left("/a", None),), (), ())
    assert report_logs([make_start(), only_one, done, END]).complete
    assert not report_logs([make_start(), only_one, END]).complete


def test_a_service_that_an_earlier_run_left_stopped_is_told() -> None:
    stopped = LeftoversFound((), (), (ServiceBack("web", "nginx.service", "it is failed", 9),))
    report = report_logs([make_start(), stopped, END])
    assert report.exit_code is ExitCode.SERVICE
    assert "nginx.service, STOPPED BY AN EARLIER RUN, DID NOT COME BACK: it is failed" in report.headline


def _without_end(happened: list[LogRecorded]) -> list[LogRecorded]:
    return happened[:-1]


def test_of_very_many_files_those_with_problems_are_listed_first_and_all_are_counted() -> None:
    paths = [f"/var/log/web/{number}" for number in range(LISTED_FILES + 5)]
    young = [f"/var/log/web/young-{number}" for number in range(LISTED_FILES + 3)]
    results = [make_result(path) for path in paths]
    results[-1] = replace(results[-1], grade=Grade.MOVED, reason="copy-on-write")
    happened = made(
        make_start(),
        decide(*map(make_decision, paths)),
        decide(*(make_decision(path, Verdict.NOT_DUE) for path in young)),
        shred(*results),
        END,
    )
    (rule,) = state_logs(happened)["predicate"]["rules"]
    assert len(rule["files"]) == len(rule["not_due"]) == LISTED_FILES
    assert (rule["files_not_listed"], rule["not_due_not_listed"]) == ("5", "3")
    assert rule["files"][0]["path"] == paths[-1]
    assert rule["files"][0]["problems"] == ["moved: copy-on-write"]
    assert rule["totals"] == [
        {
            "verdict": "overwritten, proven",
            "files": str(LISTED_FILES + 4),
            "size_bytes": str((LISTED_FILES + 4) * 5000),
        },
        {"verdict": "overwritten, old bytes elsewhere", "files": "1", "size_bytes": "5000"},
        {"verdict": "not due", "files": str(LISTED_FILES + 3), "size_bytes": str((LISTED_FILES + 3) * 5000)},
    ]
    told = "\n".join(state_logs(happened)["predicate"]["claims"])
    assert "web: 8 files are counted here and named in the evidence alone." in told
    assert report_logs(happened).exit_code is ExitCode.INCOMPLETE


def test_a_problem_counts_even_where_its_file_is_not_listed() -> None:
    paths = [f"/var/log/web/{number}" for number in range(LISTED_FILES + 1)]
    results = [make_result(path, grade=Grade.MOVED) for path in paths]
    results[-1] = replace(results[-1], mismatches=(Range(0, 512),))
    happened = made(make_start(), decide(*map(make_decision, paths)), shred(*results), END)
    report = report_logs(happened)
    assert paths[-1] not in {file.path for rule in report.rules for file in rule.files}
    assert report.exit_code is ExitCode.MISMATCH


@pytest.mark.parametrize(
    ("happened", "said"),
    [
        ([], "does not begin with the start"),
        ([END], "does not begin with the start"),
        ([make_start(), make_start()], "a second time"),
        ([make_start(make_promise(), make_promise())], "names a rule twice"),
        ([make_start(), END, END], "after the end"),
        ([make_start(), decide(rule="mail")], 'names the rule "mail"'),
        ([make_start(), decide(), decide()], "decides twice"),
        ([make_start(), CLEAR, decide()], "decides after the first step"),
        ([make_start(), CLEAR, LeftoversFound((), (), ())], "too late"),
        ([make_start(), shred()], "which is not due"),
        (_without_end(run(shred(), shred())), "not due, or done already"),
        ([make_start(), decide(make_decision(verdict=Verdict.HELD)), shred()], "is not due"),
        ([make_start(), decide(make_decision(verdict=Verdict.NOT_DUE)), shred()], "is not due"),
        ([make_start(), shred(make_result(continued=True))], "no earlier run had begun"),
        (_without_end(run(CLEAR, CLEAR)), "comes twice"),
        (_without_end(run(Summarised("web", 1, (), None), Summarised("web", 1, (), None))), "comes twice"),
        (_without_end(run(StillOpen("web", "/else", "x", 1))), "on which nothing was decided"),
        (_without_end(run(LineageRotated("web", "/else", "x", None))), "on which nothing was decided"),
        (_without_end(run(RuleFailed("mail", "x"))), 'names the rule "mail"'),
    ],
)
def test_what_cannot_have_happened_is_refused(happened: list[LogRecorded], said: str) -> None:
    with pytest.raises(CertificateError, match=re.escape(said)):
        report_logs(happened)


def test_disks_and_logs_do_not_mix() -> None:
    with pytest.raises(CertificateError, match="of a run over disks"):
        find_any(chain([make_start(), RunEnded(interrupted=False)]))
    with pytest.raises(CertificateError, match="of a run over logs"):
        disks.state([disks.start_run(disks.make_plan()), END])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("predicateType", "urn:shredder:logs:v2"),
        ("predicateType", "urn:shredder:decommission:v1"),
        ("predicate.more", "text"),
        ("predicate.headline", None),
        ("predicate.rules.0.files.0.inode", 7),
        ("predicate.rules.0.files.0.begun_earlier", "yes"),
        ("predicate.previous", "text"),
        ("subject.0.name", "../evidence.jsonl"),
    ],
)
def test_what_is_no_statement_of_ours_is_rejected(path: str, value: Any) -> None:
    statement = state_logs(good_run())
    *folders, last = path.split(".")
    place: Any = statement
    for name in folders:
        place = place[int(name) if name.isdigit() else name]
    if value is None:
        del place[last]
    else:
        place[last] = value
    envelope = envelope_bytes(sign(statement_bytes(statement), ed25519_key()))
    with pytest.raises(CertificateError):
        check_certificate(envelope, b"", ed25519_key().public_key())


def test_old_bytes_that_still_stand_are_named() -> None:
    text = render_text(state_logs(moved_run()), key_id="ab" * 32, signer="not checked")
    assert f"OLD BYTES STILL STAND on /dev/vdb: 8192 bytes in 1 range\n    bytes {1 << 40} to" in text
    assert "old bytes lay on /dev/vdc: 8192 bytes in 1 range" in text


def test_a_date_that_no_calendar_has_is_told() -> None:
    happened = made(make_start(), decide(make_decision(changed_s=10**15, verdict=Verdict.REFUSED)), END)
    file = read_logs_predicate(state_logs(happened)).rules[0].files[0]
    assert file.changed_at == "unavailable: 1000000000000000 seconds since 1970 is no date"


def test_every_file_that_was_looked_at_is_accounted_for() -> None:
    predicate = read_logs_predicate(state_logs(good_run()))
    decided = [file.path for event in good_run() if isinstance(event, FilesDecided) for file in event.files]
    (rule,) = predicate.rules
    told = {file.path for file in rule.files} | {file.path for file in rule.not_due}
    assert set(decided) <= told
    assert YOUNG in {file.path for file in rule.not_due}
