"""One rule's turn: rename, release, wait, ask, summarise, shred; its service comes back whatever happens."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from shredder.discover.log_times import read_span
from shredder.discover.openers import FileKey
from shredder.erase.file_job import FileJob
from shredder.errors import ShredderError
from shredder.log_events import (
    FileResult,
    FilesShredded,
    HoldAnswer,
    HoldChecked,
    LineageRotated,
    RuleFailed,
    ServiceBack,
    ServiceReleased,
    StillOpen,
    Summarised,
    Verdict,
)
from shredder.log_model import After, FileId, FileOutcome, FileState, ReadBack
from shredder.log_policy import HeldBy, Hold, ReleaseKind, RuleKind
from shredder.logs.clock import elapsed_ms
from shredder.logs.holds import add_hold, read_holds, release_hold
from shredder.logs.hooks import Records, ask_hold, summarise
from shredder.logs.journald import rotate_journals
from shredder.logs.memory import Mark, Stopped, mark_of
from shredder.logs.openness import find_open, wait_until_closed
from shredder.logs.rotate import Seen, look_in_folder, rename_live, why_names_stay
from shredder.logs.service import Service
from shredder.logs.shredding import Run, accepted, result_of, shred_jobs
from shredder.logs.targets import Target, Task
from shredder.plan.retention import is_overlong

_NS = 10**9


class RuleRun:
    """Carries out the task of one rule."""

    def __init__(self, task: Task, run: Run) -> None:
        self._rule = task.rule
        self._targets = task.targets
        self._run = run
        self._service = Service(task.rule.release, task.rule.hook_limit_s, run.clock, run.stop)
        self._is_stopped = False
        # by the file's key: what it is now; a live one gets another name, and more records, on the way
        self._now = {target.key: target.file for target in task.targets}
        self._seen: dict[FileKey, Seen] = {}
        self._locks: dict[str, str] = {}

    def carry_out(self) -> None:
        """Take every step in its order. What goes wrong stands in the evidence."""
        try:
            self._take_steps()
        except (OSError, ShredderError) as error:
            message = error.message if isinstance(error, ShredderError) else f"{error.strerror}"
            self._run.record(RuleFailed(self._rule.name, self._run.labels.in_text(message)))
        finally:
            if self._is_stopped:
                self._bring_back()

    def _take_steps(self) -> None:
        renamed = self._rename()
        due = [target for target in self._targets if target.verdict is Verdict.DUE]
        due = [target for target in due if target in renamed or not target.is_live]
        if self._must_release(renamed, due):
            self._release()
        due = self._wait(due)
        due = [target for target in due if self._is_unchanged(target)]
        if due and not self._run.stop.is_set() and self._is_clear(due) and self._is_summarised(due):
            self._shred([target for target in due if self._is_as_seen(target)])

    def _rename(self) -> list[Target]:
        """Rename the live files; where nobody is told to let go, only those that nobody has open."""
        live = [target for target in self._targets if target.is_live]
        if self._rule.release.kind is ReleaseKind.NONE:
            live = self._wait(live)
        if live and self._rule.release.kind is not ReleaseKind.NONE:
            self._run.memory.set_untold({*self._run.memory.untold(), self._rule.name})
        done = []
        for target in live:
            if self._run.stop.is_set():
                break
            recreate = self._rule.work.after is After.RECREATE
            found = rename_live(target.file, target.base, self._run.clock.now_s, recreate=recreate)
            labels = self._run.labels
            error = None if found.error is None else labels.in_text(found.error, target.file.path)
            self._record_rotation(target, found.path, error)
            if found.error is None:
                self._now[target.key] = replace(target.file, path=found.path)
                done.append(target)
            if found.trouble is not None:
                trouble = f"{target.file.path} was renamed, and {found.trouble}"
                self._run.record(RuleFailed(self._rule.name, labels.in_text(trouble, target.file.path)))
        return done

    def _record_rotation(self, target: Target, path: str, error: str | None) -> None:
        labels = self._run.labels
        event = LineageRotated(self._rule.name, labels.of(target.file.path), labels.of(path), error)
        self._run.record(event)

    def _must_release(self, renamed: Sequence[Target], due: Sequence[Target]) -> bool:
        is_journal = self._rule.kind is RuleKind.JOURNAL
        if self._run.stop.is_set() or (self._rule.release.kind is ReleaseKind.NONE and not is_journal):
            return False
        is_untold = self._rule.name in self._run.memory.untold()
        return bool(renamed) or is_untold or bool(find_open(self._paths(due)))

    def _paths(self, targets: Iterable[Target]) -> dict[FileKey, str]:
        return {target.key: self._now[target.key].path for target in targets}

    def _release(self) -> None:
        rule, service = self._rule, self._service
        if rule.kind is RuleKind.JOURNAL:
            self._release_journals()
            return
        how = service.how
        if rule.release.kind is ReleaseKind.STOP_START:
            if service.is_running():
                # a run that is killed from here on leaves the service to the next one
                stopped = Stopped(rule.name, rule.release, rule.hook_limit_s)
                self._run.memory.set_stopped((*self._run.memory.stopped(), stopped))
                self._is_stopped = True
            else:
                how = "not running"
        began = self._run.clock.monotonic()
        error = service.let_go()
        waited_ms = elapsed_ms(self._run.clock, began)
        self._run.record(ServiceReleased(rule.name, service.name, how, error, waited_ms))
        untold = self._run.memory.untold()
        if error is None and rule.name in untold:
            self._run.memory.set_untold(untold - {rule.name})

    def _release_journals(self) -> None:
        """What journald has archived it closes when it archives again."""
        began = self._run.clock.monotonic()
        error = rotate_journals(self._rule.hook_limit_s, self._run.stop)
        waited_ms = elapsed_ms(self._run.clock, began)
        event = ServiceReleased(self._rule.name, "systemd-journald.service", "rotate", error, waited_ms)
        self._run.record(event)

    def _bring_back(self) -> None:
        began = self._run.clock.monotonic()
        error = self._service.bring_back()
        waited_ms = elapsed_ms(self._run.clock, began)
        self._run.record(ServiceBack(self._rule.name, self._service.name, error, waited_ms))
        if error is None:
            left = [item for item in self._run.memory.stopped() if item.rule != self._rule.name]
            self._run.memory.set_stopped(left)

    def _wait(self, targets: list[Target]) -> list[Target]:
        """Return those that nobody has open any more."""
        clock = self._run.clock
        began = clock.monotonic()
        still_open = wait_until_closed(self._paths(targets), self._rule.open_limit_s, clock, self._run.stop)
        waited_ms = elapsed_ms(clock, began)
        for target in targets:
            if target.key in still_open:
                label = self._run.labels.of(target.file.path)
                by = self._run.labels.in_text(still_open[target.key])
                self._run.record(StillOpen(self._rule.name, label, by, waited_ms))
        return [target for target in targets if target.key not in still_open]

    def _is_unchanged(self, target: Target) -> bool:
        """A file that was written to, or replaced, since it was found due is not the one that is due."""
        file = self._now[target.key]
        lock = self._find_lock(file.path.rpartition("/")[0], target)
        if lock:
            self._keep(target, lock)
            return False
        seen = self._look(target)
        if seen is None:
            return False
        if target.is_live:
            grown = replace(file, size_bytes=seen.size_bytes, mtime_s=seen.mtime_ns // _NS)
            self._now[target.key] = read_span(grown)
        elif (seen.size_bytes, seen.mtime_ns // _NS) != (file.size_bytes, file.mtime_s):
            self._keep(target, "it was written to after it was found due")
            return False
        self._seen[target.key] = seen
        return True

    def _find_lock(self, folder: str, target: Target) -> str:
        """Return why a folder lets no name go; asked once for each."""
        if self._rule.work.after is After.KEEP_NAME:
            return ""
        if folder not in self._locks:
            why = why_names_stay(self._now[target.key].path, target.base)
            self._locks[folder] = f"its folder {why}" if why else ""
        return self._locks[folder]

    def _is_as_seen(self, target: Target) -> bool:
        """What was written since the check and the summary looked would be lost to both."""
        seen = self._look(target)
        if seen is not None and seen != self._seen[target.key]:
            self._keep(target, "it was replaced or written to while it was checked and summarised")
            return False
        return seen is not None

    def _look(self, target: Target) -> Seen | None:
        path = self._now[target.key].path
        try:
            seen = look_in_folder(path, target.base)
        except OSError as error:
            self._keep(target, f"it cannot be looked at ({error.strerror})")
            return None
        if seen.key != target.key:
            self._keep(target, "it is another file than before")
            return None
        return seen

    def _keep(self, target: Target, problem: str) -> None:
        """Record a file as untouched."""
        file = FileId(target.file.device, target.file.inode, 0)
        outcome = FileOutcome(
            path=target.file.path,
            file=file,
            size_bytes=target.file.size_bytes,
            state=FileState.UNTOUCHED,
            predicted=None,
            grade=None,
            reason=problem,
            problem=problem,
            read_back=ReadBack.NONE,
            unwritten=(),
            mismatches=(),
            old=(),
            standing=None,
        )
        self._run.record(FilesShredded(self._rule.name, (self._result(target, outcome),)))

    def _result(self, target: Target, outcome: FileOutcome) -> FileResult:
        label = self._run.labels.of(target.file.path)
        return result_of(outcome, label, self._now[target.key], self._run.labels)

    def _records(self, targets: Iterable[Target]) -> Records:
        files = [self._now[target.key] for target in targets]
        # what cannot be read may be as old as anything
        from_s = min(0 if file.oldest_s is None else file.oldest_s for file in files)
        to_s = max(max(file.newest_s or 0, file.mtime_s) for file in files)
        return Records(tuple(file.path for file in files), from_s, to_s)

    def _is_clear(self, due: Sequence[Target]) -> bool:
        rule, run = self._rule, self._run
        if not rule.hold:
            return True
        records = self._records(due)
        asked = ask_hold(rule, run.state, records, run.stop)
        hold = self._note_hold(asked.answer)
        run.record(
            HoldChecked(
                rule=rule.name,
                answer=asked.answer,
                exit_code=asked.ended.exit_code,
                error=asked.ended.error,
                from_s=records.from_s,
                to_s=records.to_s,
                since_s=hold.since_s if hold else None,
                overlong=hold is not None and is_overlong(hold, rule, run.clock.now_s),
            )
        )
        return asked.answer is HoldAnswer.CLEAR

    def _note_hold(self, answer: HoldAnswer) -> Hold | None:
        """Put on record that the check holds, or no longer does; returns its hold."""
        rule, run = self._rule, self._run
        now_s = run.clock.now_s
        holds = [item for item in read_holds(run.state) if (item.name, item.by) == (rule.name, HeldBy.HOOK)]
        known = next((item for item in holds if item.is_in_force(now_s)), None)
        if answer is HoldAnswer.CLEAR:
            if known:
                release_hold(run.state, rule.name, HeldBy.HOOK, now_s)
            return None
        if known is None:
            known = Hold(rule.name, HeldBy.HOOK, now_s, None, f"the policy's check: {answer}", "", None)
            add_hold(run.state, known)
        return known

    def _is_summarised(self, due: Sequence[Target]) -> bool:
        """Summarise each file once, also when an earlier run was killed before it could shred it."""
        rule, run = self._rule, self._run
        if not rule.summarise:
            return True
        marks = run.memory.marks()
        fresh = [target for target in due if mark_of(rule.name, self._now[target.key]) not in marks]
        if not fresh:
            return True
        found = summarise(rule, run.state, self._records(fresh), run.clock.now(), run.stop)
        if found.error is None:
            run.memory.set_marks({*marks, *(mark_of(rule.name, self._now[target.key]) for target in fresh)})
        error = None if found.error is None else run.labels.in_text(found.error, found.path)
        run.record(Summarised(rule.name, len(fresh), found.outputs, error))
        return found.error is None

    def _shred(self, due: Sequence[Target]) -> None:
        by_path = {self._now[target.key].path: target for target in due}
        gone: set[Mark] = set()
        for outcomes in shred_jobs(map(self._job, due), self._rule, self._run):
            results = tuple(self._result(by_path[outcome.path], outcome) for outcome in outcomes)
            self._run.record(FilesShredded(self._rule.name, results))
            touched = [item.path for item in outcomes if item.state is not FileState.UNTOUCHED]
            gone.update(mark_of(self._rule.name, self._now[by_path[path].key]) for path in touched)
        if self._rule.summarise:
            self._run.memory.set_marks(self._run.memory.marks() - gone)

    def _job(self, target: Target) -> FileJob:
        path = self._now[target.key].path
        folder, _, name = path.rpartition("/")
        file = FileId(target.file.device, target.file.inode, self._seen[target.key].born_ns)
        keeps = self._rule.work.after is After.KEEP_NAME
        after = After.KEEP_NAME if keeps else After.UNLINK
        return FileJob(path, target.base, folder or "/", name, file, accepted(self._rule.work), after)
