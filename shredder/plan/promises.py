"""What a rule really promises: the longest life of a record, and what logrotate does against it. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from shredder.log_policy import Rotation, Rule, RuleKind
from shredder.units import long_duration


@dataclass(frozen=True, slots=True)
class Life:
    """The longest life of a record: in seconds, or None without a bound; and how it comes about."""

    longest_s: int | None
    because: str

    def __str__(self) -> str:
        if self.longest_s is None:
            return f"no bound: {self.because}"
        return f"{long_duration(self.longest_s)}: {self.because}"


def longest_life(rule: Rule, gap_s: int, rotation: Rotation | None) -> Life:
    """Return how long a record can stay: keep, rotation interval and timer interval together.

    A rotation of our own waits for the next run, so it takes up to one timer interval more.

    Args:
        rule: the promise.
        gap_s: the longest time between two runs.
        rotation: what logrotate does with this log, if anything.
    """
    if rule.keep_s is None:
        return Life(None, "keep_size and keep_count set no time")
    rotating_s, how = _rotating(rule, gap_s, rotation)
    if rotating_s is None:
        return Life(None, how)
    parts = [f"keep {long_duration(rule.keep_s)}"]
    parts += [f"{how} {long_duration(rotating_s)}"] if rotating_s else []
    parts.append(f"timer {long_duration(gap_s)}")
    held = f"; while held up to {long_duration(rule.hold_at_most_s)} more, then until a person decides"
    return Life(rule.keep_s + rotating_s + gap_s, " + ".join(parts) + (held if rule.hold else ""))


def _rotating(rule: Rule, gap_s: int, rotation: Rotation | None) -> tuple[int | None, str]:
    """Return how long a live file takes records, None without a bound, and who says so."""
    if rule.kind is RuleKind.SPOOL:
        return 0, ""
    if rule.kind is RuleKind.JOURNAL:
        return gap_s, "journal rotated at each run"
    if rule.rotate_s is not None:
        return rule.rotate_s + gap_s, "rotation at the next run"
    if rotation is None:
        return None, "nothing rotates it"
    if rotation.copies and not rotation.truncates:
        return None, f"logrotate copies it and leaves it where it is ({rotation.where})"
    if rotation.interval_s is None:
        return None, f"logrotate rotates it by size, or may put it off ({rotation.where})"
    return rotation.interval_s, "logrotate's interval"


def find_conflicts(rule: Rule, gap_s: int, rotation: Rotation) -> Iterator[str]:
    """Say what logrotate does that undoes the promise.

    Args:
        rule: the promise.
        gap_s: the longest time between two runs.
        rotation: what logrotate does with the rule's log.
    """
    if rule.rotate_s is not None:
        yield 'logrotate rotates it too: say rotate = "never", or take it away from logrotate'
    if rotation.truncates:
        yield "copytruncate gives the old content's blocks back unshredded, at every rotation"
    yield from _find_removals(rule, gap_s, rotation)
    if rotation.compresses and not rotation.hands_over:
        what = (
            "shreds the plain original unverified"
            if rotation.shreds
            else "frees the plain original unshredded"
        )
        yield f"compress {what}: {_REMEDY}, or say nocompress"
    if rotation.max_age_s is not None and rule.keep_s is not None and rotation.max_age_s > rule.keep_s:
        longer = f"{long_duration(rotation.max_age_s)}, keep is {long_duration(rule.keep_s)}"
        yield f"maxage is longer than keep: {longer}"
    if rotation.mails_to:
        yield f"mail sends logs to {rotation.mails_to}, out of reach"
    folder = rotation.other_folder
    if folder and not any(path.startswith(f"{folder}/") for path in rule.paths):
        yield f"olddir moves rotated files to {folder}, where no path of the rule leads"


_REMEDY = 'hand files over in preremove (`shredder logs shred --keep-name --file "$1"`)'


def _find_removals(rule: Rule, gap_s: int, rotation: Rotation) -> Iterator[str]:
    """Say where logrotate may remove a file before it is due and shredded here."""
    if rotation.hands_over:
        return
    how = (
        "with shred, which is not verified and not noticed when it fails" if rotation.shreds else "unshredded"
    )
    wait_s = None if rule.keep_s is None else rule.keep_s + gap_s
    if rotation.count >= 0 and not _stays(rotation, wait_s):
        yield f"rotate {rotation.count} may remove files {how} before they are due: {_REMEDY}"
    if rotation.max_age_s is not None and (wait_s is None or rotation.max_age_s <= wait_s):
        age = long_duration(rotation.max_age_s)
        yield f"maxage of {age} may remove files {how} before they are due: {_REMEDY}"


def _stays(rotation: Rotation, wait_s: int | None) -> bool:
    """True when logrotate keeps a file for longer than it takes to fall due and be shredded here."""
    if wait_s is None or rotation.interval_s is None:
        return False
    return rotation.count * rotation.interval_s > wait_s
