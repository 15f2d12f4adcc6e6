"""Granules of files that were opened before: known from the ledger, without opening them.

What the files of one product have in common (variables, layout, cells of a grid) is not written down: one of them is
looked into, and the others are told by what is their own, their times and, of a swath, their places. So whatever
`scan` finds, today and in the next version, is found in all of them. Of that one what was looked at is written down
(see `service.header`), so that it is not opened again either. Where the names of files tell their dates, those that
are not known yet are told by their names, and looked into when they are read first.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import Unreadable
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.job import Job
from datavore_widgets.service.dated import Dated, NamedTimes
from datavore_widgets.service.files import Contents, FileSource, OpenFiles
from datavore_widgets.service.footprint import Footprint
from datavore_widgets.service.formats import root_of_store
from datavore_widgets.service.geolocation import Geolocation
from datavore_widgets.service.header import Notes, NotNoted, noted_contents
from datavore_widgets.service.ledger import Ledger, Record, Seen
from datavore_widgets.service.scan import Found, Granule, look
from datavore_widgets.service.waves.names import may_hold_waves

__all__ = ["KIND", "LEDGER", "KnownGranule", "NamedGranule", "Recall", "footprint_of", "learn_granule"]

LEDGER = "granules-3"
"""Name of the ledger; another number where the coding of the payloads is another."""

KIND = "granule"
"""Of the records in the ledger: one for each place that the variables of a file have."""

HEADER = "header"
"""Of the record with what was looked at in a file."""

_MOST_LABELS = 4096
"""Times of a file that are written down as its own; who has more is looked into."""

_BATCH = 256
"""Files after which what was learned is written down."""

_SAMPLE = 64
"""Files that are looked into one after another before the rest of many is given to several processes."""

_OWN = ("labels", "bounds", "place")
"""Fields of `Found` that belong to one file; a file that differs in any other is another product."""


class Template:
    """One file of a product, looked into, for all of them.

    Parameters
    ----------
    granule : Granule
        What is in it.
    """

    def __init__(self, granule: Granule) -> None:
        self.granule = granule
        self.labels: list[NDArray[np.int64]] = []
        self.places: list[Any] = []
        self.slots: dict[str, tuple[int, int]] = {}
        self.bounds: dict[int, NDArray[np.int64] | None] = {}
        for name, found in granule.variables.items():
            self.slots[name] = _slot(self.labels, found.labels), _slot(self.places, found.place)
            self.bounds[self.slots[name][0]] = found.bounds

    @cached_property
    def signature(self) -> tuple[Any, ...]:
        """That of the granule: equal for files that can be joined along time."""
        return self.granule.signature

    @cached_property
    def key(self) -> bytes:
        """Equal for files of the same product."""
        digest = hashlib.blake2b(digest_size=16)
        for name, found in self.granule.variables.items():
            digest.update(repr((name, self.slots[name])).encode())
            for field in dataclasses.fields(found):
                if field.name not in _OWN:
                    digest.update(repr(getattr(found, field.name)).encode())
            place = found.place
            fixed = ("moves", place.where) if isinstance(place, Geolocation) else place.key
            digest.update(repr(fixed).encode())
        digest.update(repr((sorted(self.granule.refused.items()), sorted(self.granule.doubtful.items()))).encode())
        return digest.digest()

    def own(self) -> bytes:
        """What is the file's own, coded: the key of its product, its times, and its places where they are its own."""
        places = [
            [place.key, place.shape, place.bbox.to_tuple(), place.reach] if isinstance(place, Geolocation) else None
            for place in self.places
        ]
        bounds = [b"" if pairs is None else pairs.tobytes() for _, pairs in sorted(self.bounds.items())]
        coded: bytes = msgpack.packb([self.key, [labels.tobytes() for labels in self.labels], places, bounds])
        return coded

    def records(self) -> list[Record]:
        """What the ledger keeps of the file: a record for each of its places, the first one with what is its own."""
        own, records = self.own(), []
        labels = np.concatenate(self.labels)
        first, last = (int(labels.min()), int(labels.max())) if labels.size else (None, None)
        for slot, place in enumerate(self.places):
            boxes: tuple[BBox, ...] = (place.bbox,)
            footprint = None
            if isinstance(place, Geolocation):
                told = Footprint.of(place.grid())
                boxes, footprint = told.boxes(place.bbox), (told.touched, told.held, told.outline)
            payload = msgpack.packb([slot, own if slot == 0 else b"", footprint])
            records.append(Record(boxes, first, last, KIND, payload))
        return records


def _slot(items: list[Any], item: Any) -> int:
    """The place of an item among others, where it is put if it is not there: the same object, not one like it."""
    for place, other in enumerate(items):
        if other is item:
            return place
    items.append(item)
    return len(items) - 1


class KnownGranule:
    """What one file holds, told by another of its product and by what is its own.

    Parameters
    ----------
    path : str
        The file.
    seen : (int, int)
        Its size and time of change when it was looked at.
    own : bytes
        As `Template.own` gives it.
    """

    __slots__ = ("_files", "_own", "path", "seen", "template")

    def __init__(self, path: str, seen: tuple[int, int], template: Template, own: bytes, files: OpenFiles) -> None:
        self.path, self.seen, self.template = path, seen, template
        self._own, self._files = own, files

    @property
    def source(self) -> FileSource:
        """The file."""
        return FileSource(Path(self.path), self._files)

    @property
    def name(self) -> str:
        """The path."""
        return self.path

    @property
    def fingerprint(self) -> Hashable:
        """The file's, if it still is the one that was looked at; else one that no file has."""
        try:
            now: Any = self.source.fingerprint()
        except Unreadable:
            return None
        return now if now[-2:] == self.seen else None

    @property
    def title(self) -> str:
        """That of the product's first file."""
        return self.template.granule.title

    @property
    def refused(self) -> Mapping[str, str]:
        """Variables that cannot be shown, each with the reason."""
        return self.template.granule.refused

    @property
    def doubtful(self) -> Mapping[str, str]:
        """What is doubtful of those that can be shown, each with the reason."""
        return self.template.granule.doubtful

    @property
    def names(self) -> Iterable[str]:
        """Names of the variables."""
        return self.template.granule.variables

    @property
    def signature(self) -> tuple[Any, ...]:
        """Equal for files that can be joined along time."""
        return self.template.signature

    @property
    def product(self) -> Hashable:
        """Equal for files that have everything in common but their times and places."""
        return id(self.template)

    @property
    def times(self) -> Iterable[NDArray[np.int64]]:
        """Times of all variables."""
        return (np.frombuffer(labels, dtype=np.int64) for labels in self._told()[1])

    def slot(self, name: str) -> Hashable:
        """Equal for variables of a product that have their times and places in common."""
        return id(self.template), self.template.slots[name]

    def place_slot(self, name: str) -> int | None:
        """Which of the remembered places is a variable's."""
        return self.template.slots[name][1]

    def labels(self, name: str) -> NDArray[np.int64]:
        """Times of a variable."""
        return np.frombuffer(self._told()[1][self.template.slots[name][0]], dtype=np.int64)

    def bounds(self, name: str) -> NDArray[np.int64] | None:
        """Bounds of the times of a variable."""
        pairs = self._told()[3][self.template.slots[name][0]]
        return np.frombuffer(pairs, dtype=np.int64).reshape(-1, 2) if pairs else None

    def place_of(self, name: str) -> tuple[Hashable, BBox]:
        """Key and extent of a variable's place."""
        slot = self.template.slots[name][1]
        own, place = self._told()[2][slot], self.template.places[slot]
        return (place.key, place.bbox) if own is None else (own[0], BBox(*own[2]))

    def found(self, name: str) -> Found:
        """A variable."""
        found = self.template.granule.variables[name]
        place = found.place
        if isinstance(place, Geolocation):
            key, shape, bbox, reach = self._told()[2][self.template.slots[name][1]]
            place = Geolocation(self.source, self.fingerprint, place.where, key, shape, BBox(*bbox), reach)
        return dataclasses.replace(found, labels=self.labels(name), bounds=self.bounds(name), place=place)

    def _told(self) -> Any:
        # Tuples, as keys have them, not lists.
        return msgpack.unpackb(self._own, use_list=False)


class NamedGranule(KnownGranule):
    """What one file holds, told by others of its product and by the date in its name: nobody has looked into it.

    It is looked into when it is read first, as a file that was changed is.
    """

    __slots__ = ("_ledger",)

    def __init__(
        self, path: str, seen: tuple[int, int], template: Template, own: bytes, files: OpenFiles, ledger: Ledger
    ) -> None:
        super().__init__(path, seen, template, own, files)
        self._ledger = ledger

    @property
    def fingerprint(self) -> Hashable:
        """One that no file has."""
        return None

    def remember(self, granule: Granule) -> None:
        """Write down what is in the file, now that it was looked into: its own times count from the next opening on."""
        if granule.fingerprint == self.source.fingerprint() and _can_be_told(granule):
            self._ledger.remember([(Seen(self.path, *self.seen), Template(granule).records())])


class Recall:
    """Granules of files, from the ledger where they are known, else by a look into them, which is then remembered.

    Parameters
    ----------
    ledger : Ledger
        What is known.
    files : OpenFiles
        Where handles are remembered.
    """

    def __init__(self, ledger: Ledger, files: OpenFiles) -> None:
        self._ledger = ledger
        self._files = files
        self._templates: dict[bytes, Template] = {}
        self._fresh = 0  # files that were looked into here, and are worth remembering

    def granules(
        self,
        paths: Sequence[str],
        dates: Mapping[str, Dated] | None = None,
        job: Job | None = None,
        *,
        known_only: bool = False,
    ) -> Iterator[tuple[str, KnownGranule | Granule | Unreadable]]:
        """The path of each file, in their order, with what it holds, or the error of one that cannot be read.

        Parameters
        ----------
        paths : sequence of str
            Of the files.
        dates : mapping of str to Dated, optional
            Those that are in the names of some of them.
        job : Job, optional
            To follow and to cancel it; what was learned until then is kept.
        known_only : bool
            Leave out, without a word, what nothing is known of.
        """
        dates = dates or {}
        tell = _Telling(job, len(paths))
        named: dict[str, NamedTimes] = {each.pattern: NamedTimes() for each in dates.values()}
        for path, _, records in self._ledger.recall(path for path in paths if path in dates):
            if own := _own_of(records or ()):
                named[dates[path].pattern].learn(dates[path].date, own)
        learned: list[tuple[Seen, list[Record]]] = []
        try:
            for place, (path, stamp, known) in enumerate(self._recalled(paths, dates, tell)):
                tell(place)
                seen, records = stamp, known
                if stamp is None and (root := root_of_store(Path(path))) is not None:
                    # What is known of a store, which is a folder, stands under the file that makes it one.
                    [(_, seen, records)] = self._ledger.recall([str(root)])
                own = _own_of(records or ())
                dated = dates.get(path)
                if dated is not None and not own and stamp is not None:
                    by_name = named[dated.pattern].own(dated.date)
                    template = self._templates.get(_key_of(by_name))
                    if template is not None:
                        yield path, NamedGranule(path, stamp[1:], template, by_name, self._files, self._ledger)
                        continue
                if known_only and not own:
                    continue
                template = self._templates.get(_key_of(own))
                if stamp is None or template is None:
                    try:
                        granule, header = self._look(Path(path), records or ())
                    except Unreadable as error:
                        yield path, error
                        continue
                    if stamp is None or not _can_be_told(granule):
                        if seen is not None and header:
                            learned.append((seen, header))
                        yield path, granule
                        continue
                    self._fresh += 1
                    mine = Template(granule)
                    if mine.key in self._templates:
                        header = []  # that of another file does for the product
                    template = self._templates.setdefault(mine.key, mine)
                    if dated is not None and not own:
                        named[dated.pattern].learn(dated.date, mine.own())
                    if mine.own() != own or header:
                        own = mine.own()
                        learned.append((stamp, [*mine.records(), *header]))
                yield path, KnownGranule(path, stamp[1:], template, own, self._files)
                if len(learned) >= _BATCH:
                    self._ledger.remember(learned)
                    learned = []
        finally:
            self._ledger.remember(learned)

    def _recalled(
        self, paths: Sequence[str], dates: Mapping[str, Dated], tell: _Telling
    ) -> Iterator[tuple[str, Seen | None, tuple[Record, ...] | None]]:
        """As the ledger recalls files; once some were looked into in vain, the rest is learned first, by a crew.

        Files whose names tell their dates are looked into when they are read, and not before.
        """
        ahead = False
        for first in range(0, len(paths), _SAMPLE):
            if not ahead and self._fresh >= _SAMPLE:
                ahead = True
                rest = [path for path in paths[first:] if path not in dates and Path(path).is_file()]
                done = len(paths) - len(rest)
                self._ledger.refresh(rest, learn_granule, tell=functools.partial(tell.further, done))
            yield from self._ledger.recall(paths[first : first + _SAMPLE])

    @contextlib.contextmanager
    def contents(self, path: Path) -> Iterator[Contents]:
        """What is in a file, to be looked at without values: by its header where that is known, else opened.

        Raises
        ------
        Unreadable
            When it cannot be read.
        """
        source = FileSource(path, self._files)
        [(_, _, records)] = self._ledger.recall([str(path)])
        known = next(_headers(path, source.fingerprint(), records or ()), None)
        if known is not None:
            yield known
            return
        with source.contents() as opened:
            yield opened

    def _look(self, path: Path, records: Sequence[Record]) -> tuple[Granule, list[Record]]:
        """What a file holds, without opening it where its header is known; with the header, if it has to be kept.

        Raises
        ------
        Unreadable
            When it cannot be read.
        """
        source = FileSource(path, self._files)
        fingerprint = source.fingerprint()
        for contents in _headers(path, fingerprint, records):
            with contextlib.suppress(NotNoted):
                return look(source, fingerprint, contents), []
        with source.contents() as opened:
            notes = Notes(path, opened)
            granule = look(source, fingerprint, notes.contents)
            header = notes.coded(fingerprint) if _is_noted(granule) else None
        return granule, [] if header is None else [Record(kind=HEADER, payload=header)]


class _Telling:
    """Tells a job how many of some files are done; never fewer than before."""

    def __init__(self, job: Job | None, total: int) -> None:
        self._job = job
        self._total = total
        self._most = 0

    def __call__(self, done: int) -> None:
        self._most = max(self._most, done)
        if self._job is not None:
            self._job.progress(self._most, self._total)

    def further(self, before: int, done: int, _total: int) -> None:
        """Some of the files are done after others."""
        self(before + done)


def _headers(path: Path, fingerprint: Hashable, records: Iterable[Record]) -> Iterator[Contents]:
    """What a file holds by each header that is known of it as it is."""
    for record in records:
        contents = noted_contents(path, fingerprint, record.payload) if record.kind == HEADER else None
        if contents is not None:
            yield contents


def learn_granule(path: str) -> list[Record]:
    """What is remembered of a file; nothing of one that has to be looked into each time.

    Raises
    ------
    Unreadable
        When it cannot be read.
    """
    files = OpenFiles()
    try:
        granule, _ = Recall(Ledger(None), files)._look(Path(path), ())
        return Template(granule).records() if _can_be_told(granule) else []
    finally:
        files.close()


def _is_noted(granule: Granule) -> bool:
    """Whether the header of a file is kept: of tracks and stations there are as many files as places."""
    founds = granule.variables.values()
    is_gridded = bool(founds) and all(found.info.geometry == "grid" for found in founds)
    return is_gridded or may_hold_waves([*granule.names, *granule.refused])


def _can_be_told(granule: Granule) -> bool:
    """Whether it is worth remembering: who shows nothing is a problem, which is told anew each time."""
    founds = granule.variables.values()
    return bool(founds) and all(
        found.labels.size <= _MOST_LABELS and found.info.geometry in ("grid", "swath") for found in founds
    )


def _own_of(records: Sequence[Record]) -> bytes:
    """What is the file's own, as it was remembered; empty if it was not."""
    return msgpack.unpackb(records[0].payload)[1] if records and records[0].kind == KIND else b""


def _key_of(own: bytes) -> bytes:
    return msgpack.unpackb(own)[0] if own else b""


def footprint_of(record: Record) -> tuple[int, Footprint | None]:
    """Which of a file's places a record is of, and the footprint of a swath."""
    slot, _, told = msgpack.unpackb(record.payload, use_list=False)
    return slot, None if told is None else Footprint(*told)
