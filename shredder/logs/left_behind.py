"""What an earlier run left behind: files that it had begun, and services that it had stopped."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from shredder.discover.openers import FileKey
from shredder.erase.file_job import FileJob
from shredder.erase.leftovers import drop_untouched, find_leftovers
from shredder.erase.transfer import StopFlag
from shredder.erase.unfinished import Entry, read_unfinished
from shredder.log_events import FilesShredded, Left, LeftoversFound, ServiceBack
from shredder.log_model import After
from shredder.log_policy import HeldBy, Policy, Rule
from shredder.logs.by_hand import make_rule
from shredder.logs.clock import elapsed_ms
from shredder.logs.holds import read_holds
from shredder.logs.service import Service
from shredder.logs.shredding import Run, result_of, shred_jobs
from shredder.logs.state import UNFINISHED
from shredder.logs.targets import matches_rule

NO_RULE = "(no rule)"


def list_begun(state: Path) -> tuple[Entry, ...]:
    """Return the files that an earlier run had begun, which the next one finishes first; writes nothing.

    What was only put on its list, and never written to, is judged like any other.

    Args:
        state: the policy's state folder.

    Raises:
        UsageError: the list cannot be read.
    """
    return drop_untouched(read_unfinished(state / UNFINISHED))


class LeftBehind:
    """Finds it when it is made; finishes it when it is told to.

    Raises:
        OSError: the list of unfinished files cannot be written.
    """

    def __init__(self, policy: Policy, run: Run) -> None:
        self._rules = policy.rules
        self._run = run
        self._found = find_leftovers(run.unfinished)

    @property
    def keys(self) -> frozenset[FileKey]:
        """The files that are to be finished."""
        return frozenset((job.file.device, job.file.inode) for job in self._found.jobs)

    def finish(self) -> None:
        """Bring services back, then finish the files, but for those that a person holds.

        Raises:
            OSError: the list of unfinished files cannot be written.
            ShredderError: a file of the state folder cannot be used.
        """
        services = tuple(self._bring_back())
        taken: set[str] = set()
        jobs: dict[str, FileJob] = {}
        kept: list[Left] = []
        for job in self._found.jobs:
            label, why = self._label(job.path, taken), self._why_held(job)
            if why:
                kept.append(Left(label, why))
            else:
                jobs[label] = job
        for path, why in self._found.lost:
            kept.append(Left(self._label(path, taken), self._run.labels.in_text(why, path)))
        gone = tuple(self._run.labels.of(path) for path in self._found.gone)
        found = (*(Left(label, None) for label in jobs), *kept)
        if services or found or gone:
            self._run.record(LeftoversFound(found, gone, services))
        self._shred(jobs)

    def _label(self, path: str, taken: set[str]) -> str:
        """Return a label that no other of them has: a name may have been begun twice."""
        label = self._run.labels.of(path)
        while label in taken:
            label += "'"
        taken.add(label)
        return label

    def _bring_back(self) -> Iterator[ServiceBack]:
        left = list(self._run.memory.stopped())
        for stopped in tuple(left):
            service = Service(stopped.release, stopped.limit_s, self._run.clock, StopFlag())
            began = self._run.clock.monotonic()
            error = service.bring_back()
            waited_ms = elapsed_ms(self._run.clock, began)
            yield ServiceBack(stopped.rule, service.name, error, waited_ms)
            if error is None:
                left.remove(stopped)
                self._run.memory.set_stopped(left)

    def _why_held(self, job: FileJob) -> str:
        rule, now_s = self._rule_of(job), self._run.clock.now_s
        for hold in read_holds(self._run.state):
            if hold.name == rule.name and hold.by is HeldBy.HAND and hold.is_in_force(now_s):
                return f"held by {hold.who}: {hold.reason}"
        return ""

    def _rule_of(self, job: FileJob) -> Rule:
        none = make_rule(NO_RULE, (), After.UNLINK)
        return next((rule for rule in self._rules if matches_rule(rule, job.path)), none)

    def _shred(self, jobs: dict[str, FileJob]) -> None:
        by_rule: dict[str, list[tuple[str, FileJob]]] = {}
        for label, job in jobs.items():
            by_rule.setdefault(self._rule_of(job).name, []).append((label, job))
        for name, some in by_rule.items():
            self._shred_under(name, some)

    def _shred_under(self, name: str, some: Iterable[tuple[str, FileJob]]) -> None:
        """One after the other in one call; outcomes are told apart by which file they are of."""
        labels = {(job.file.device, job.file.inode): label for label, job in some}
        rule = self._rule_of(next(iter(some))[1])
        for outcomes in shred_jobs((job for _, job in some), rule, self._run):
            results = (
                result_of(outcome, labels[outcome.file.device, outcome.file.inode], None, self._run.labels)
                for outcome in outcomes
            )
            self._run.record(FilesShredded(name, tuple(results)))
