"""What is delivered: the start entry before the first write, and what the run left behind at its end."""

from pathlib import Path

from shredder.certify import run_folder
from shredder.errors import UndeliveredError

START = "start.jsonl"

REQUIRED = (run_folder.EVIDENCE, run_folder.CERTIFICATE)

# the certificate goes last: where it has arrived, everything has
RESULTS = (
    run_folder.PLAN,
    run_folder.PUBLIC_KEY,
    run_folder.STREAM_KEYS,
    run_folder.EVIDENCE,
    run_folder.BUNDLE,
    run_folder.CERTIFICATE,
)


def make_start(folder: Path) -> Path:
    """Copy what the evidence holds before the first write to a file of its own, beside it.

    Args:
        folder: the run's folder.

    Raises:
        UndeliveredError: it could not be copied.
    """
    place = folder / START
    try:
        place.write_bytes((folder / run_folder.EVIDENCE).read_bytes())
    except OSError as error:
        raise UndeliveredError(f"{place} could not be written: {error.strerror}") from None
    return place


def find_results(folder: Path) -> tuple[Path, ...]:
    """Return what there is to deliver in a run's folder, in the order in which it should go."""
    return tuple(folder / name for name in RESULTS if (folder / name).is_file())
