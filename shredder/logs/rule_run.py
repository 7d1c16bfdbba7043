"""One rule's turn: rename, release, wait, ask, summarise, shred; its service comes back whatever happens."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from shredder.discover.log_times import read_span
from shredder.erase.file_job import FileJob
from shredder.errors import ShredderError
from shredder.log_events import (
    FileResult,
    FilesShredded,
    LineageRotated,
    RuleFailed,
    ServiceBack,
    ServiceReleased,
    StillOpen,
    Verdict,
)
from shredder.log_model import After, FileId, FileOutcome, FileState, Grade, LogFile, ReadBack
from shredder.log_policy import ReleaseKind, RuleKind
from shredder.logs.clock import elapsed_ms
from shredder.logs.journald import rotate_journals
from shredder.logs.memory import Mark, Stopped, mark_of
from shredder.logs.openness import find_open, wait_until_closed
from shredder.logs.rotate import look_in_folder, rename_live
from shredder.logs.rule_hooks import is_clear, is_summarised
from shredder.logs.service import Service
from shredder.logs.shredding import Run, accepted, result_of, shred_jobs
from shredder.logs.targets import Target, Task


class RuleRun:
    """Carries out the task of one rule."""

    def __init__(self, task: Task, run: Run) -> None:
        self._rule = task.rule
        self._live = [target for target in task.targets if target.is_live]
        self._due = [
            target for target in task.targets if target.verdict is Verdict.DUE and not target.is_live
        ]
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
        self._due += [target for target in renamed if target.verdict is Verdict.DUE]
        if self._must_release(renamed):
            self._release()
        self._due = self._wait(self._due)
        self._due = [target for found in self._due for target in self._look_again(found)]
        if self._due and not self._run.stop.is_set() and self._is_clear_and_summarised():
            self._shred()

    def _is_clear_and_summarised(self) -> bool:
        files = [target.file for target in self._due]
        return is_clear(self._rule, self._run, files) and is_summarised(self._rule, self._run, files)

    def _rename(self) -> list[Target]:
        """Rename the live files; where nobody is told to let go, only those that nobody has open."""
        live = self._live
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
            label = labels.of(target.file.path)
            self._run.record(LineageRotated(self._rule.name, label, labels.of(found.path), error))
            if found.error is None:
                done.append(replace(target, file=replace(target.file, path=found.path), label=label))
            if found.trouble is not None:
                trouble = f"{target.file.path} was renamed, and {found.trouble}"
                self._run.record(RuleFailed(self._rule.name, labels.in_text(trouble, target.file.path)))
        return done

    def _must_release(self, renamed: Sequence[Target]) -> bool:
        is_journal = self._rule.kind is RuleKind.JOURNAL
        if self._run.stop.is_set() or (self._rule.release.kind is ReleaseKind.NONE and not is_journal):
            return False
        is_untold = self._rule.name in self._run.memory.untold()
        return bool(renamed) or is_untold or bool(find_open([target.file for target in self._due]))

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
        files = [target.file for target in targets]
        still_open = wait_until_closed(files, self._rule.open_limit_s, clock, self._run.stop)
        if not still_open:
            return targets
        waited_ms = elapsed_ms(clock, began)
        for target in targets:
            if target.file.key in still_open:
                by = self._run.labels.in_text(still_open[target.file.key])
                self._run.record(StillOpen(self._rule.name, self._label(target), by, waited_ms))
        return [target for target in targets if target.file.key not in still_open]

    def _look_again(self, target: Target) -> Iterator[Target]:
        """Yield the file as it is now, or record why it is kept.

        A live one has got records until its service let go. What else was written to, or replaced, since it
        was found due is not what is due; where no command sees it first, shredding finds that out itself.
        """
        if not target.is_live and not self._rule.hold and not self._rule.summarise:
            yield target
            return
        file = target.file
        try:
            seen = look_in_folder(file.path, target.base)
        except OSError as error:
            self._keep(target, f"it cannot be looked at ({error.strerror})")
            return
        if seen.key != file.key:
            self._keep(target, "it is another file than before")
        elif target.is_live:
            grown = replace(file, size_bytes=seen.version.size_bytes, mtime_ns=seen.version.mtime_ns)
            yield replace(target, file=read_span(grown))
        elif seen.version != file.version:
            self._keep(target, "it was written to after it was found due")
        else:
            yield target

    def _keep(self, target: Target, problem: str) -> None:
        """Record a file as untouched."""
        outcome = FileOutcome(
            path=target.file.path,
            file=FileId(target.file.device, target.file.inode, 0),
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
        return result_of(outcome, self._label(target), target.file, self._run.labels)

    def _label(self, target: Target) -> str:
        return target.label or self._run.labels.of(target.file.path)

    def _shred(self) -> None:
        begun: dict[str, Target] = {}
        gone: set[Mark] = set()
        for outcomes in shred_jobs(self._jobs(begun), self._rule, self._run):
            some = [(begun.pop(outcome.path), outcome) for outcome in outcomes]
            results = tuple(self._result(target, outcome) for target, outcome in some)
            self._run.record(FilesShredded(self._rule.name, results))
            if self._rule.summarise:
                touched = [target.file for target, item in some if item.state is not FileState.UNTOUCHED]
                gone.update(mark_of(self._rule.name, file) for file in touched)
        if gone:
            self._run.memory.set_marks(self._run.memory.marks() - gone)

    def _jobs(self, begun: dict[str, Target]) -> Iterator[FileJob]:
        """Yield what is to be shredded; whose turn it is stands in `begun` by its path, and nowhere else."""
        keeps = self._rule.work.after is After.KEEP_NAME
        after = After.KEEP_NAME if keeps else After.UNLINK
        accept = accepted(self._rule.work)
        self._due.reverse()
        while self._due:
            target = self._due.pop()
            begun[target.file.path] = target
            yield _make_job(target.file, target.base, accept, after)


def _make_job(file: LogFile, base: str, accept: frozenset[Grade], after: After) -> FileJob:
    folder, _, name = file.path.rpartition("/")
    identity = FileId(file.device, file.inode, 0)
    return FileJob(file.path, base, folder or "/", name, identity, accept, after, file.version)
