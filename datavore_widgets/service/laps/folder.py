"""Where prepared data are kept: one folder for each variable, a manifest, and the segments that it names."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import time
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.user_cache import user_cache
from datavore_widgets.service.grid import RectilinearGrid
from datavore_widgets.service.index import Variable

__all__ = ["Folder", "Plan", "cache_folder", "digest", "is_preparable", "plan_of", "plans_of"]

_log = logging.getLogger(__name__)

STEPS = 256
"""Steps of a segment: a day that is appended touches one."""

_FORMAT = 1
"""Of the folders: another one is read as if nothing was prepared."""

_LOOK_AROUND = 0.1
"""Seconds between two looks whether another process has let go of the folder."""


def cache_folder() -> Path:
    """Where prepared data go if no folder is given: the user's cache, never beside the data."""
    return user_cache() / "laps"


def digest(*parts: Hashable) -> str:
    """A short text that differs where the parts do."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def is_preparable(variable: Variable) -> bool:
    """Whether it has times, rows and columns that stay where they are, and lies in files, which tell of changes."""
    on_disk = all(piece.source.name for piece in variable.pieces) and not variable.info.derived
    return on_disk and variable.has_time and not variable.moves and isinstance(variable.grid, RectilinearGrid)


@dataclass(frozen=True)
class Plan:
    """A segment that there should be.

    Parameters
    ----------
    steps : slice
        Positions on the variable's axis.
    about : dict
        What its footer tells: the labels of the steps, the files they are in with their fingerprints, and where.
    """

    steps: slice
    about: dict[str, Any]

    @property
    def name(self) -> str:
        """Of its file: another one where anything in the files is another."""
        return f"{self.steps.start // STEPS:05d}-{digest(_FORMAT, json.dumps(self.about))}"


def plans_of(variable: Variable) -> list[Plan]:
    """The segments that a variable needs, as its files are now.

    Raises
    ------
    Unreadable
        When a file is gone.
    """
    size = len(variable.axis)
    return [plan_of(variable, slice(start, min(start + STEPS, size))) for start in range(0, size, STEPS)]


def plan_of(variable: Variable, steps: slice) -> Plan:
    """The segment of some steps, as their files are now."""
    pieces, which = np.unique(variable.piece_of[steps], return_inverse=True)
    sources = [variable.pieces[piece].source for piece in pieces.tolist()]
    about = {
        "labels": variable.axis.labels[steps].tolist(),
        "files": [[source.name, digest(source.fingerprint())] for source in sources],
        "file_of": which.reshape(-1).tolist(),
        "place_of": variable.place_of[steps].tolist(),
    }
    return Plan(steps, about)


class Folder:
    """The folder of one variable at one position of its further dimensions.

    Its name comes from the first file, the variable, the position and the cells, so that it is found again when files
    are appended; two data sets never share one.
    """

    def __init__(self, root: Path, variable: Variable, at: tuple[int, ...]) -> None:
        first = variable.pieces[int(variable.piece_of[0])]
        key = digest(first.source.name, variable.name, at, repr(first.found.place.key), variable.axis.calendar)
        plain = re.sub(r"[^A-Za-z0-9_.-]", "_", variable.name)[:40].lstrip(".")
        self.path = root / f"{plain}-{key}"

    @property
    def manifest(self) -> Path:
        """The file that names the segments; it is replaced as a whole, and last."""
        return self.path / "manifest.json"

    def segment(self, name: str) -> Path:
        """The file of a segment."""
        return self.path / f"{name}.laps"

    def fields(self, name: str) -> Path:
        """The file of a segment's copy in the order of time."""
        return self.path / f"{name}.fields"

    def names(self) -> list[str]:
        """The segments that the manifest names, in order; none if there is no manifest that can be read."""
        try:
            told = json.loads(self.manifest.read_bytes())
            if told["format"] == _FORMAT:
                return [str(name) for name in told["segments"]]
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return []

    def publish(self, names: Iterable[str], about: dict[str, Any]) -> None:
        """Name the segments there are, at once for every reader."""
        part = self.manifest.with_suffix(".part")
        with part.open("w") as file:
            json.dump({"format": _FORMAT, **about, "segments": list(names)}, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.manifest)
        self.flush()

    def sweep(self) -> None:
        """Remove what was being written by one who was killed; for whoever holds the lock."""
        for path in self.path.iterdir():
            if path.name.endswith(("part", ".staged")):
                path.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove all but the segments that the manifest names; for whoever holds the lock.

        Those of before are left by one who was killed right after he published: so it is done every time.
        """
        named = (f"{name}{end}" for name in self.names() for end in (".laps", ".fields"))
        keep = {self.manifest.name, "lock", *named}
        for path in self.path.iterdir():
            if path.name not in keep:
                # Who has it open reads on; the space is free when the last one closes it.
                path.unlink(missing_ok=True)

    @property
    def nbytes(self) -> int:
        """On the disk; for whoever holds the lock."""
        return sum(path.stat().st_size for path in self.path.iterdir())

    def flush(self) -> None:
        """See that the disk has the names of the files."""
        fd = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def locked(self, job: Job) -> Iterator[None]:
        """Be the only process that prepares here; wait for another one to end.

        The lock is the system's: it ends with the process, however that ends.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("a") as file:
            waits = False
            while not _locks(file):
                if not waits:
                    _log.info("another process is preparing %s: waiting for it", self.path)
                waits = True
                job.check()
                time.sleep(_LOOK_AROUND)
            yield


def _locks(file: IO[str]) -> bool:
    """Whether the lock of a file is ours now."""
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
