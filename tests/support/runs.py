"""The steps that most tests of the command take."""

import json
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from tests.support.command import Shredder
from tests.support.machine import allow_words


@dataclass(frozen=True)
class Run:
    """One finished `shredder wipe`: its folder and what it printed."""

    folder: Path
    done: CompletedProcess[str]

    @property
    def evidence(self) -> list[dict[str, Any]]:
        """The evidence log's entries."""
        lines = (self.folder / "evidence.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def events(self, name: str) -> list[dict[str, Any]]:
        """The data of all entries of one kind."""
        return [entry["data"] for entry in self.evidence if entry["event"] == name]

    @property
    def certificate(self) -> Path:
        """The certificate's file."""
        return self.folder / "certificate.json"

    @property
    def public_key(self) -> Path:
        """The public key's file."""
        return self.folder / "public-key.pem"


def _lifted(words: tuple[str | Path, ...]) -> tuple[str, ...]:
    """A file needs nothing lifted: its lease decides."""
    return () if "--image" in words else allow_words()


def digest_of(shredder: Shredder, *words: str | Path) -> str:
    """Return the digest of the plan for these targets and options."""
    digest: str = json.loads(shredder("plan", *words, *_lifted(words), "--json").stdout)["digest"]
    return digest


def plan(shredder: Shredder, file: Path, *words: str | Path) -> str:
    """Write a plan to a file; returns its digest."""
    shredder("plan", *words, *_lifted(words), "-o", file)
    digest: str = json.loads(file.read_text())["digest"]
    return digest


def wipe(shredder: Shredder, folder: Path, *words: str | Path, expect: int | None = 0) -> Run:
    """Plan and wipe, unattended."""
    digest = digest_of(shredder, *words)
    done = shredder("wipe", *words, *_lifted(words), "--confirm", digest, "--output", folder, expect=expect)
    return Run(folder, done)


def verify(shredder: Shredder, run: Run, expect: int = 0) -> str:
    """Check a run's certificate with its own public key."""
    return shredder("certificate", "verify", run.certificate, "--trust", run.public_key, expect=expect).stdout
