"""What is prepared, as it is found when it is asked for: fresh, or left alone."""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import Unreadable
from datavore_widgets.service.index import Variable
from datavore_widgets.service.laps.codes import Coded
from datavore_widgets.service.laps.folder import Folder, digest, is_preparable
from datavore_widgets.service.laps.segment import Segment

__all__ = ["Ready", "Run", "Shelf"]

_log = logging.getLogger(__name__)

_LOOK_AGAIN = 1.0
"""Seconds after which many files are looked at again: asking the system for a thousand takes milliseconds."""

_FEW_FILES = 32
"""Files that are looked at for every answer."""

_LAPSES = 64
"""Lapses whose runs of segments are remembered."""

_MAPPED = 512 * 2**20
"""Bytes of prepared data that are gone over before the memory is given back."""

IntArray = NDArray[np.int64]


class Run(NamedTuple):
    """Some steps one behind the other that lie in one segment, or in none."""

    steps: slice
    """On the variable's axis."""
    segment: Segment | None
    inside: slice
    """In the segment."""


@dataclass(frozen=True, eq=False)
class Ready:
    """Where the steps of a variable are prepared, at one moment.

    Parameters
    ----------
    segments : list of Segment
        Those there are.
    segment_of, place_of : ndarray of int64, shape (n,)
        For each step its segment, -1 where it has to be read from the files, and its place in there.
    key : hashable
        Changes when any of that does.
    """

    segments: list[Segment]
    segment_of: IntArray
    place_of: IntArray
    changed: bool = False
    """Whether a file changed after it was prepared; else those that are missing were added since."""
    key: Hashable = field(default_factory=object)
    _runs: dict[tuple[int, int], Sequence[Run]] = field(default_factory=dict, init=False, repr=False)

    def told(self, steps: slice) -> str:
        """What has to be known of some steps: how many of them have to be read from the files, and why; else empty."""
        missing = self.missing and int(np.count_nonzero(self.segment_of[steps] < 0))
        if not missing:
            return ""
        why = "files changed" if self.changed else "files were added"
        return (
            f"{missing} of {self.segment_of[steps].size} times are read from the files, slowly: {why} after they were "
            "prepared; prepare them again"
        )

    def runs(self, steps: slice) -> Sequence[Run]:
        """The steps, cut where another segment begins."""
        key = steps.start, steps.stop
        if key not in self._runs:
            if len(self._runs) >= _LAPSES:
                self._runs.clear()
            self._runs[key] = tuple(self._cut(steps))
        return self._runs[key]

    def _cut(self, steps: slice) -> Iterator[Run]:
        segment_of, place_of = self.segment_of[steps], self.place_of[steps]
        jumps = (np.diff(segment_of) != 0) | ((np.diff(place_of) != 1) & (segment_of[1:] >= 0))
        cuts = [0, *(np.flatnonzero(jumps) + 1).tolist(), segment_of.size]
        for first, last in itertools.pairwise(cuts):
            if last > first:
                number, place = int(segment_of[first]), int(place_of[first])
                inside = slice(place, place + last - first)
                segment = self.segments[number] if number >= 0 else None
                yield Run(slice(steps.start + first, steps.start + last), segment, inside)

    def field(self, step: int, rows: slice, columns: IntArray) -> Coded | None:
        """Values of one step, (ny, nx); None where they have to be read from the files."""
        number = int(self.segment_of[step])
        return self.segments[number].field(int(self.place_of[step]), rows, columns) if number >= 0 else None

    @cached_property
    def missing(self) -> int:
        """Steps that have to be read from the files."""
        return int(np.count_nonzero(self.segment_of < 0))


class Shelf:
    """The prepared data of a folder, looked up by variable.

    Parameters
    ----------
    root : Path
        Where `prepare` put them.

    Notes
    -----
    A file that changed after it was prepared is read itself: answers say so, and the log once. Of more than 32 files,
    each is looked at every second.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = threading.Lock()
        self._known: dict[tuple[int, tuple[int, ...]], _Entry | None] = {}

    def look(self, variable: Variable, at: tuple[int, ...]) -> Ready | None:
        """Where the steps of a variable are prepared now; None where nothing was ever prepared."""
        with self._lock:
            key = id(variable), at
            if key not in self._known:
                self._known[key] = (
                    _Entry(variable, Folder(self.root, variable, at)) if is_preparable(variable) else None
                )
            entry = self._known[key]
            return entry.look() if entry else None

    def close(self) -> None:
        """Let go of the files; they are opened again when they are needed."""
        with self._lock:
            self._known.clear()


class _Entry:
    """What is known of the prepared data of one variable. It holds the variable, so its id stays its own."""

    def __init__(self, variable: Variable, folder: Folder) -> None:
        self.variable, self.folder = variable, folder
        self._manifest: Hashable = None
        self._segments: list[Segment] = []
        self._prints: tuple[str, ...] = ()
        self._seen: list[Hashable] = []
        self._path = str(folder.manifest)
        self._looked = -_LOOK_AGAIN
        self._ready: Ready | None = None
        self._pieces: list[int] = np.flatnonzero(np.bincount(variable.piece_of)).tolist()

    def look(self) -> Ready | None:
        now = time.monotonic()
        manifest = self._stamp()
        if manifest is None:
            self._manifest, self._segments, self._ready = None, [], None
            return None
        if manifest == self._manifest and len(self._pieces) > _FEW_FILES and now - self._looked < _LOOK_AGAIN:
            return self._ready
        self._looked = now
        seen = [self._fingerprint(piece) for piece in self._pieces]
        if manifest != self._manifest or seen != self._seen:
            self._seen = seen
            if manifest != self._manifest:
                self._segments = self._opened()
            self._manifest = manifest
            self._prints = tuple("" if print_of is None else digest(print_of) for print_of in seen)
            self._ready = self._matched()
        if sum(segment.touched for segment in self._segments) > _MAPPED:
            for segment in self._segments:
                segment.forget()
        return self._ready

    def _stamp(self) -> Hashable:
        try:
            # Of a string: it is looked at for every answer.
            status = os.stat(self._path)  # noqa: PTH116
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _fingerprint(self, piece: int) -> Hashable:
        try:
            return self.variable.pieces[piece].source.fingerprint()
        except Unreadable:
            return None

    def _opened(self) -> list[Segment]:
        known = {segment.path: segment for segment in self._segments}
        segments: list[Segment] = []
        for name in self.folder.names():
            path = self.folder.segment(name)
            try:
                segment = known.get(path) or Segment(path)
            except (OSError, Unreadable) as error:
                _log.warning("prepared data cannot be read: %s", error)
                continue
            if segments and segment.codes == segments[-1].codes:
                # The same object, since equal ones are found by looking at all that they say.
                segment.codes = segments[-1].codes
            segments.append(segment)
        return segments

    def _matched(self) -> Ready:
        """Each step of the variable where the same file, unchanged, held it when it was prepared."""
        variable = self.variable
        size = len(variable.axis)
        names = {variable.pieces[piece].source.name: n for n, piece in enumerate(self._pieces)}
        segment_of, place_of = np.full(size, -1, dtype=np.int64), np.zeros(size, dtype=np.int64)
        changed = 0
        for number, segment in enumerate(self._segments):
            about: dict[str, Any] = segment.about
            labels = np.array(about["labels"], dtype=np.int64)
            steps = np.searchsorted(variable.axis.labels, labels)
            files = [names.get(name, -1) for name, _ in about["files"]]
            told = [was for _, was in about["files"]]
            fresh = np.array([n >= 0 and self._prints[n] == was for n, was in zip(files, told, strict=True)])
            pieces = np.array([self._pieces[n] if n >= 0 else -1 for n in files])[about["file_of"]]
            steps = np.minimum(steps, size - 1)
            same = (
                (variable.axis.labels[steps] == labels)
                & (variable.piece_of[steps] == pieces)
                & (variable.place_of[steps] == np.array(about["place_of"]))
            )
            good = same & fresh[about["file_of"]]
            changed += int(np.count_nonzero(~good))
            segment_of[steps[good]] = number
            place_of[steps[good]] = np.flatnonzero(good)
        ready = Ready(self._segments, segment_of, place_of, changed=changed > 0)
        if words := ready.told(slice(0, size)):
            _log.warning("%r: %s", variable.name, words)
        return ready
