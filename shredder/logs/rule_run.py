"""One rule's turn: rename, release, wait, ask, summarise, shred; its service comes back whatever happens."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from shredder.discover.log_times import read_span
from shredder.erase.file_job import FileJob
from shredder.errors import ShredderError
from shredder.log_events import (
    FileResult,
    FilesShredded,
    HoldFound,
    LineageRotated,
    RuleFailed,
    ServiceBack,
    ServiceReleased,
    StillOpen,
    Verdict,
)
from shredder.log_model import After, FileId, FileOutcome, FileState, LogFile, ReadBack
from shredder.log_policy import ReleaseKind, RuleKind
from shredder.logs.clock import elapsed_ms
from shredder.logs.holds import HandHold
from shredder.logs.journald import rotate_journals
from shredder.logs.memory import Mark, Stopped, mark_of
from shredder.logs.openness import find_open, wait_until_closed
from shredder.logs.rotate import Renamed, look_in_folder, rename_live
from shredder.logs.rule_hooks import is_clear, is_summarised
from shredder.logs.service import Service
from shredder.logs.shredding import Run, accepted, result_of, shred_jobs
from shredder.logs.targets import Task


class RuleRun:
    """Carries out the task of one rule."""

    def __init__(self, task: Task, run: Run) -> None:
        self._rule = task.rule
        self._live = task.live
        self._due = task.due
        # the labels of live files that have another name by now
        self._labels: dict[str, str] = {}
        self._run = run
        self._service = Service(task.rule.release, task.rule.hook_limit_s, run.clock, run.stop)
        self._is_stopped = False

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
        self._due += [file for file, verdict in renamed if verdict is Verdict.DUE]
        if self._must_release(renamed):
            self._release()
        self._due = self._wait(self._due)
        if self._labels or self._rule.hold or self._rule.summarise:
            self._due = [file for found in self._due for file in self._look_again(found)]
        if self._due and not self._run.stop.is_set() and self._is_clear_and_summarised():
            self._shred()

    def _is_clear_and_summarised(self) -> bool:
        due = self._due
        return is_clear(self._rule, self._run, due) and is_summarised(self._rule, self._run, due)

    def _rename(self) -> list[tuple[LogFile, Verdict]]:
        """Rename the live files; where nobody is told to let go, only those that nobody has open."""
        live = {item.file: item.decision.verdict for item in self._live if item.file}
        files = list(live)
        if self._rule.release.kind is ReleaseKind.NONE:
            files = self._wait(files)
        elif files:
            self._run.memory.set_untold({*self._run.memory.untold(), self._rule.name})
        done = []
        for file in files:
            if self._run.stop.is_set():
                break
            found = self._rename_one(file)
            if found.error is None:
                self._labels[found.path] = self._run.labels.of(file.path)
                done.append((replace(file, path=found.path), live[file]))
        return done

    def _rename_one(self, file: LogFile) -> Renamed:
        recreate = self._rule.work.after is After.RECREATE
        found = rename_live(file, self._run.clock.now_s, recreate=recreate)
        labels, label = self._run.labels, self._run.labels.of(file.path)
        error = None if found.error is None else labels.in_text(found.error, file.path)
        self._run.record(LineageRotated(self._rule.name, label, labels.of(found.path), error))
        if found.trouble is not None:
            trouble = f"{file.path} was renamed, and {found.trouble}"
            self._run.record(RuleFailed(self._rule.name, labels.in_text(trouble, file.path)))
        return found

    def _must_release(self, renamed: Sequence[object]) -> bool:
        is_journal = self._rule.kind is RuleKind.JOURNAL
        if self._run.stop.is_set() or (self._rule.release.kind is ReleaseKind.NONE and not is_journal):
            return False
        is_untold = self._rule.name in self._run.memory.untold()
        return bool(renamed) or is_untold or bool(find_open(self._due))

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

    def _wait(self, files: list[LogFile]) -> list[LogFile]:
        """Return those that nobody has open any more."""
        clock = self._run.clock
        began = clock.monotonic()
        still_open = wait_until_closed(files, self._rule.open_limit_s, clock, self._run.stop)
        if not still_open:
            return files
        waited_ms = elapsed_ms(clock, began)
        for file in files:
            if file.key in still_open:
                by = self._run.labels.in_text(still_open[file.key])
                self._run.record(StillOpen(self._rule.name, self._label(file), by, waited_ms))
        return [file for file in files if file.key not in still_open]

    def _look_again(self, file: LogFile) -> Iterator[LogFile]:
        """Yield the file as it is now, or record why it is kept.

        A live one has got records until its service let go. What else was written to, or replaced, since it
        was found due is not what is due; where no command sees it first, shredding finds that out itself.
        """
        try:
            seen = look_in_folder(file.path)
        except OSError as error:
            self._keep(file, f"it cannot be looked at ({error.strerror})")
            return
        if seen.key != file.key:
            self._keep(file, "it is another file than before")
        elif file.path in self._labels:
            size_bytes, mtime_ns = seen.version.size_bytes, seen.version.mtime_ns
            yield read_span(replace(file, size_bytes=size_bytes, mtime_ns=mtime_ns))
        elif seen.version != file.version:
            self._keep(file, "it was written to after it was found due")
        else:
            yield file

    def _keep(self, file: LogFile, problem: str) -> None:
        """Record a file as untouched."""
        outcome = FileOutcome(
            path=file.path,
            file=FileId(file.device, file.inode, 0),
            size_bytes=file.size_bytes,
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
        self._run.record(FilesShredded(self._rule.name, (self._result(file, outcome),)))

    def _result(self, file: LogFile, outcome: FileOutcome) -> FileResult:
        return result_of(outcome, self._label(file), file, self._run.labels)

    def _label(self, file: LogFile) -> str:
        return self._labels.get(file.path) or self._run.labels.of(file.path)

    def _shred(self) -> None:
        begun: dict[str, LogFile] = {}
        gone: set[Mark] = set()
        for outcomes in shred_jobs(self._jobs(begun), self._rule, self._run):
            some = [(begun.pop(outcome.path), outcome) for outcome in outcomes]
            results = tuple(self._result(file, outcome) for file, outcome in some)
            self._run.record(FilesShredded(self._rule.name, results))
            if self._rule.summarise:
                touched = [file for file, outcome in some if outcome.state is not FileState.UNTOUCHED]
                gone.update(mark_of(self._rule.name, file) for file in touched)
        if gone:
            self._run.memory.set_marks(self._run.memory.marks() - gone)

    def _is_held(self, hold: HandHold) -> bool:
        """Put on record what keeps the files that are left: a hold that came while the run went on.

        Nothing is raised here: what is begun must be brought to its end.
        """
        try:
            found = hold.find(self._run.clock.now_s)
        except ShredderError as error:
            self._run.record(RuleFailed(self._rule.name, self._run.labels.in_text(error.message)))
            return True
        if found:
            self._run.record(HoldFound(self._rule.name, found))
        return found is not None

    def _jobs(self, begun: dict[str, LogFile]) -> Iterator[FileJob]:
        """Yield what is to be shredded; whose turn it is stands in `begun` by its path, and nowhere else."""
        keeps = self._rule.work.after is After.KEEP_NAME
        after = After.KEEP_NAME if keeps else After.UNLINK
        accept = accepted(self._rule.work)
        self._due.reverse()
        hold = HandHold(self._run.state, self._rule.name)
        while self._due and not self._is_held(hold):
            file = self._due.pop()
            begun[file.path] = file
            folder, _, name = file.path.rpartition("/")
            identity = FileId(file.device, file.inode, 0)
            yield FileJob(file.path, folder or "/", name, identity, accept, after, file.version)
