"""Which files a certificate lists and which it only counts: a run may shred a hundred thousand."""

from collections import Counter
from itertools import chain, islice

from shredder.certify.log_reports import FileReport, FileVerdict, Total
from shredder.errors import ExitCode
from shredder.log_model import FileState

# of each rule, and as many again that are not due; some 700 bytes each in the certificate
LISTED_FILES = 2000

_Kind = tuple[FileVerdict, FileState | None, bool]


class Listing:
    """Takes the files of one rule, in any order; keeps those to list, and counts all."""

    def __init__(self) -> None:
        self.exit_codes: set[ExitCode] = set()
        self._troubled: list[FileReport] = []
        self._fine: list[FileReport] = []
        self._not_due: list[FileReport] = []
        self._files: Counter[_Kind] = Counter()
        self._size_bytes: Counter[_Kind] = Counter()

    def add(self, file: FileReport) -> None:
        """Take one more."""
        known = file.result or file.decision
        kind = (file.verdict, file.result.state if file.result else None, bool(file.problems))
        self._files[kind] += 1
        self._size_bytes[kind] += known.size_bytes if known else 0
        self.exit_codes.update(problem.exit_code for problem in file.problems)
        place = self._choose_place(file)
        if len(place) < LISTED_FILES:
            place.append(file)

    def _choose_place(self, file: FileReport) -> list[FileReport]:
        if file.verdict is FileVerdict.NOT_DUE:
            return self._not_due
        return self._troubled if file.problems else self._fine

    @property
    def files(self) -> tuple[FileReport, ...]:
        """Those to list: what came to less than was promised, then the others, then what is not due."""
        due = islice(chain(self._troubled, self._fine), LISTED_FILES)
        return (*due, *self._not_due)

    @property
    def totals(self) -> tuple[Total, ...]:
        """All, counted by what they came to, the best first."""
        order = tuple(FileVerdict)
        kinds = sorted(self._files, key=lambda kind: (order.index(kind[0]), str(kind[1]), kind[2]))
        return tuple(Total(*kind, self._files[kind], self._size_bytes[kind]) for kind in kinds)
