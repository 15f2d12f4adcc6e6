"""What was learned of files, remembered: opened once, they are found by place and time without being opened again.

A ledger is one SQLite file in the cache folder, never beside the data. It is whole whenever the process ends (a write
is a transaction of its write-ahead log), and other processes may read and write it at the same time. What it holds can
be learned again: a damaged ledger is begun anew, and where the cache cannot be written to the ledger lives in memory.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from datavore_widgets.errors import Unreadable
from datavore_widgets.protocol.geometry import GLOBAL, BBox, wrap180
from datavore_widgets.protocol.times import Lapse
from datavore_widgets.protocol.user_cache import user_cache

__all__ = ["Hit", "Ledger", "Record", "Refreshed", "Seen", "ledger_path"]

_T = TypeVar("_T")

_log = logging.getLogger(__name__)

_FORMAT = 1
"""Of the tables; it is part of the file's name, so another version of this package has a file of its own."""

_BATCH = 512
"""Files that are written at a time: what is lost when the process is killed, and the longest that others wait for."""

_OFTEN = 1.0
"""Seconds after which fewer are written too: files that take long to look into are found soon."""

_PATIENCE = 30.0
"""Seconds to wait for another process to end its write."""

_ALWAYS = 1e9
"""The ends of a record without time, as `_days` counts."""

_MOST_PIECES = 256

_SCHEMA = """
CREATE TABLE files (
    id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE, size INTEGER NOT NULL, mtime INTEGER NOT NULL);
CREATE TABLE records (
    id INTEGER PRIMARY KEY, file INTEGER NOT NULL, pieces INTEGER NOT NULL,
    kind TEXT NOT NULL, first INTEGER, last INTEGER, boxes TEXT NOT NULL, payload BLOB NOT NULL);
CREATE INDEX records_of_file ON records (file);
-- The tree keeps 32-bit numbers, rounded outwards: the exact edges stand beside them.
CREATE VIRTUAL TABLE places USING rtree (
    id, west, east, south, north, start, stop, +w, +e, +s, +n, +record);
"""

_FOUND = """
SELECT DISTINCT r.id, f.path, r.boxes, r.first, r.last, r.kind, r.payload
FROM places p JOIN records r ON r.id = p.record JOIN files f ON f.id = r.file
WHERE p.west <= :east AND p.east >= :west AND p.south <= :north AND p.north >= :south
  AND p.start <= :stop AND p.stop >= :start
  AND p.w <= :east AND p.e >= :west AND p.s <= :north AND p.n >= :south
  AND (r.first IS NULL OR (r.first < :high AND r.last >= :low))
"""


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that a file holds: a granule, an imagette.

    Parameters
    ----------
    boxes : tuple of BBox
        Where it lies, at most some hundred; a thing without place is found by no search.
    first, last : int, optional
        Labels (`YYYYMMDDhhmmssmmm`) of its first and last time; None where it has none, which is at any time.
    kind : str
        A word to search by.
    payload : bytes
        Whatever else was learned, in the writer's own coding.
    """

    boxes: tuple[BBox, ...] = ()
    first: int | None = None
    last: int | None = None
    kind: str = ""
    payload: bytes = b""


class Hit(NamedTuple):
    """A record that a search found, and the file that holds it."""

    path: str
    record: Record


class Seen(NamedTuple):
    """A file as it was when it was looked at: another size or time of change is another file."""

    path: str
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: str) -> Seen | None:
        """That of a file as it is now; None where there is no regular file."""
        try:
            status = os.stat(path)  # noqa: PTH116  a million of them: a Path takes twice the time
        except OSError:
            return None
        return cls(path, status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh did.

    Parameters
    ----------
    kept, learned, forgotten : int
        Files whose records were still right, were made now, and were dropped.
    problems : dict of str to str
        Files that cannot be read: path → reason. They are tried again each time.
    """

    kept: int
    learned: int
    forgotten: int
    problems: dict[str, str]


def ledger_path(name: str) -> Path:
    """The file of a ledger in the cache folder.

    Parameters
    ----------
    name : str
        What is kept, with a version of the payloads' coding: `granules-1`.
    """
    return user_cache() / "ledger" / f"{name}-{_FORMAT}.sqlite"


class Ledger:
    """Records of files, searched by box and lapse.

    Parameters
    ----------
    path : Path, optional
        Its file, such as `ledger_path` names it; None keeps it in memory.

    Notes
    -----
    Safe to use from several threads, and from several processes at once.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._open: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        with self._reading() as db:
            return int(db.execute("SELECT count(*) FROM files").fetchone()[0])

    @property
    def is_kept(self) -> bool:
        """Whether it is in a file, not in memory alone."""
        with self._lock:
            return self._db is not None and self._path is not None

    @property
    def birth(self) -> int:
        """A number that is another when it was begun anew."""
        with self._reading() as db:
            return int(db.execute("PRAGMA user_version").fetchone()[0])

    def close(self) -> None:
        """Let go of the file; it is opened again when it is needed. What is in memory alone stays there."""
        with self._lock:
            if self._open is not None and self._path is not None:
                self._open.close()
                self._open = None

    @property
    def _db(self) -> sqlite3.Connection:
        if self._open is None:
            self._open = self._opened()
        return self._open

    # --- asking -----------------------------------------------------------------------------------------------------

    def search(self, bbox: BBox, lapse: Lapse | None = None, *, kind: str | None = None, under: str = "") -> list[Hit]:
        """The records that have a place in common with a box, edges included, and a time with a lapse.

        Parameters
        ----------
        lapse : Lapse, optional
            None is any time.
        kind : str, optional
            Only records of that kind.
        under : str
            Only files in that folder and below.

        Returns
        -------
        list of Hit
            In the order of time, then of path.

        Raises
        ------
        Unreadable
            When the ledger is damaged.
        """
        low, high = (lapse.first.low, lapse.last.high) if lapse else (None, None)
        where = ""
        told: dict[str, float | str | bytes] = {"low": low or 0, "high": high or 10**18}
        told |= {"start": -_ALWAYS if low is None else _days(low), "stop": _ALWAYS if high is None else _days(high)}
        if kind is not None:
            where, told = where + " AND r.kind = :kind", {**told, "kind": kind}
        if under:
            start = os.fsencode(under.rstrip("/"))
            where += " AND f.path >= :from AND f.path < :to"
            told = {**told, "from": start + b"/", "to": start + b"0"}  # 0 follows / in the order of bytes
        rows: dict[int, list[Any]] = {}
        with self._reading() as db:
            for west, east in _asked(bbox):
                edges = {"west": west, "east": east, "south": bbox.south, "north": bbox.north}
                rows.update((row[0], [*row[1:]]) for row in db.execute(_FOUND + where, {**told, **edges}))
        hits = [Hit(os.fsdecode(path), _record(*rest)) for path, *rest in rows.values()]
        return sorted(hits, key=lambda hit: (hit.record.first or 0, hit.path))

    def recall(self, paths: Iterable[str]) -> Iterator[tuple[str, Seen | None, tuple[Record, ...] | None]]:
        """What is known of files, in their order.

        Yields
        ------
        (path, seen, records)
            `seen` is the file's as it is now, None where there is no regular file; `records` is None where nothing
            is known of this state of it.
        """
        for some in _batched(paths, _BATCH):
            known = self._known(some)
            for path in some:
                seen = Seen.of(path)
                told = known.get(path)
                yield path, seen, told[1] if told is not None and told[0] == seen else None

    def _known(self, paths: Sequence[str]) -> dict[str, tuple[Seen, tuple[Record, ...]]]:
        marks = ",".join("?" * len(paths))
        known: dict[str, tuple[Seen, tuple[Record, ...]]] = {}
        with self._reading() as db:
            for path, size, mtime, boxes, *told in db.execute(
                "SELECT path, size, mtime, boxes, first, last, kind, payload "  # noqa: S608  question marks
                f"FROM files f LEFT JOIN records r ON r.file = f.id WHERE path IN ({marks}) ORDER BY r.id",
                [os.fsencode(path) for path in paths],
            ):
                name = os.fsdecode(path)
                _, before = known.get(name, (None, ()))
                more = () if boxes is None else (_record(boxes, *told),)
                known[name] = Seen(name, size, mtime), before + more
        return known

    # --- telling ----------------------------------------------------------------------------------------------------

    def remember(self, learned: Iterable[tuple[Seen, Sequence[Record]]]) -> None:
        """Keep what files hold, instead of what was known of them.

        Parameters
        ----------
        learned : iterable of (Seen, records)
            The file as it was before it was read: if it was changed meanwhile, it is read again.
        """
        for some in _batched(learned, _BATCH):
            self._write(functools.partial(_replace, learned=some))

    def forget(self, paths: Iterable[str]) -> None:
        """Drop what is known of files."""
        for some in _batched(paths, _BATCH):
            self._write(functools.partial(_drop, paths=[os.fsencode(path) for path in some]))

    def refresh(
        self,
        paths: Iterable[str],
        learn: Callable[[str], Sequence[Record]],
        *,
        under: Sequence[str] = (),
        tell: Callable[[int, int], None] | None = None,
    ) -> Refreshed:
        """Learn the files that are new or were changed, and forget those that are gone.

        Parameters
        ----------
        paths : iterable of str
            Absolute ones, all that there are.
        learn : callable
            `learn(path)` gives the records of a file; it may raise `Unreadable`. One of a module's top level looks into
            many files in several processes.
        under : sequence of str
            Folders: known files in there that are not among the paths and do not exist any more are forgotten.
        tell : callable, optional
            Called as `tell(done, total)`, such as `Job.progress` is; it may raise `Cancelled`. What was learned until
            then is kept, and can be searched already.
        """
        kept = learned = 0
        problems: dict[str, str] = {}
        listed: set[str] = set()
        for path, found, is_new in self.learned(paths, learn, tell=tell):
            listed.add(path)
            if isinstance(found, Unreadable):
                problems[path] = str(found)
            else:
                learned += is_new
                kept += not is_new
        gone = [path for path in self._below(under) if path not in listed and not os.path.lexists(path)]
        self.forget(gone)
        return Refreshed(kept, learned, len(gone), problems)

    def learned(
        self,
        paths: Iterable[str],
        learn: Callable[[str], Sequence[Record]],
        *,
        tell: Callable[[int, int], None] | None = None,
    ) -> Iterator[tuple[str, Sequence[Record] | Unreadable, bool]]:
        """What files hold: of those that are known first, then of the others, which are learned; see `refresh`.

        Yields
        ------
        (path, records, is_new)
            The error that `learn` raised in place of the records; and whether it was learned now.
        """
        unknown: dict[str, Seen | None] = {}
        total = 0
        for path, seen, records in self.recall(paths):
            total += 1
            if records is None:
                unknown[path] = seen
            else:
                yield path, records, False
        for path, found in self._learned(unknown, learn, total, tell):
            yield path, found, True

    def _learned(
        self,
        unknown: Mapping[str, Seen | None],
        learn: Callable[[str], Sequence[Record]],
        total: int,
        tell: Callable[[int, int], None] | None,
    ) -> Iterator[tuple[str, Sequence[Record] | Unreadable]]:
        """What was found in files, each written down before long; told is what was written down."""
        if not unknown:
            if tell is not None:
                tell(total, total)
            return
        # Here, not at the top: where all files are known the first picture does without.
        from datavore_widgets.service.crew import looked_into

        batch: list[tuple[Seen, Sequence[Record]]] = []
        written = total - len(unknown)
        since = time.monotonic()
        with contextlib.closing(looked_into(learn, list(unknown))) as found:
            try:
                if tell is not None:
                    tell(written, total)
                for done, (path, records) in enumerate(found, written + 1):
                    seen = unknown[path]
                    if seen is not None and not isinstance(records, Unreadable):
                        batch.append((seen, records))
                    if len(batch) >= _BATCH or time.monotonic() - since > _OFTEN or done == total:
                        self.remember(batch)
                        batch, written, since = [], done, time.monotonic()
                    if tell is not None:
                        tell(written, total)
                    yield path, records
            finally:
                self.remember(batch)

    def _below(self, folders: Sequence[str]) -> list[str]:
        with self._reading() as db:
            return [
                os.fsdecode(path)
                for folder in map(os.fsencode, folders)
                for (path,) in db.execute(
                    "SELECT path FROM files WHERE path >= ? AND path < ?",
                    (folder.rstrip(b"/") + b"/", folder.rstrip(b"/") + b"0"),
                )
            ]

    # --- the file ---------------------------------------------------------------------------------------------------

    def _opened(self) -> sqlite3.Connection:
        if self._path is not None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                try:
                    return _connected(str(self._path))
                except sqlite3.DatabaseError as error:
                    if not _is_damage(error):
                        raise
                    _log.warning("%s is damaged (%s) and is begun anew", self._path, error)
                    self._remove()
                    return _connected(str(self._path))
            except (OSError, sqlite3.Error) as error:
                _log.warning("what is learned of files is not remembered: %s cannot be used (%s)", self._path, error)
                self._path = None
        return _connected(":memory:")

    def _remove(self) -> None:
        for end in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                Path(f"{self._path}{end}").unlink()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                # One state of it for all that is asked, whatever other processes write meanwhile.
                self._db.execute("BEGIN")
                try:
                    yield self._db
                finally:
                    with contextlib.suppress(sqlite3.Error):
                        self._db.execute("COMMIT")
            except sqlite3.DatabaseError as error:
                if _is_damage(error):
                    self._begin_anew(error)
                raise Unreadable(
                    f"what was learned of the files cannot be read from {self._path} ({error}); open them again"
                ) from error

    def _begin_anew(self, error: Exception) -> None:
        _log.warning("%s is damaged (%s) and is begun anew", self._path, error)
        self._db.close()
        if self._path is not None:
            self._remove()
        self._open = None

    def _write(self, change: Callable[[sqlite3.Connection], None]) -> None:
        with self._lock:
            for _ in range(2):
                try:
                    _in_one(self._db, change)
                    return
                except sqlite3.OperationalError as error:
                    # A full disk, a folder that is for reading alone: go on in memory with what is known.
                    _log.warning("what is learned of files is not remembered in %s: %s", self._path, error)
                    copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
                    self._db.backup(copy)
                    self._db.close()
                    self._open, self._path = copy, None
                except sqlite3.DatabaseError as error:
                    if not _is_damage(error):
                        raise
                    self._begin_anew(error)
            _in_one(self._db, change)


def _connected(name: str) -> sqlite3.Connection:
    db = sqlite3.connect(name, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        # Whole after a crash of the machine too; the last writes alone may be lost.
        db.execute("PRAGMA synchronous = NORMAL")
        _in_one(db, _create)
    except BaseException:
        db.close()
        raise
    return db


def _create(db: sqlite3.Connection) -> None:
    """Make the tables of a new ledger, once for all processes that find none."""
    if db.execute("PRAGMA user_version").fetchone() == (0,):
        import secrets

        for statement in _SCHEMA.split(";"):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {secrets.randbelow(2**31 - 1) + 1}")


def _is_damage(error: sqlite3.Error) -> bool:
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _in_one(db: sqlite3.Connection, change: Callable[[sqlite3.Connection], None]) -> None:
    """One transaction: all of a change or nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        change(db)
        db.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


def _replace(db: sqlite3.Connection, learned: Sequence[tuple[Seen, Sequence[Record]]]) -> None:
    latest = {os.fsencode(seen.path): (seen, records) for seen, records in learned}
    _drop(db, list(latest))
    file = db.execute("SELECT coalesce(max(id), 0) FROM files").fetchone()[0]
    number = db.execute("SELECT coalesce(max(id), 0) FROM records").fetchone()[0]
    files, rows, places = [], [], []
    for path, (seen, records) in latest.items():
        file += 1
        files.append((file, path, seen.size, seen.mtime_ns))
        for record in records:
            number += 1
            pieces = [edges for box in record.boxes for edges in _pieces(box)][:_MOST_PIECES]
            boxes = ";".join(box.to_text() for box in record.boxes)
            rows.append((number, file, len(pieces), record.kind, record.first, record.last, boxes, record.payload))
            start = -_ALWAYS if record.first is None else _days(record.first)
            stop = _ALWAYS if record.last is None else _days(record.last)
            for place, (west, east, south, north) in enumerate(pieces, number * _MOST_PIECES):
                places.append((place, west, east, south, north, start, stop, west, east, south, north, number))
    db.executemany("INSERT INTO files VALUES (?,?,?,?)", files)
    db.executemany("INSERT INTO records VALUES (?,?,?,?,?,?,?,?)", rows)
    db.executemany("INSERT INTO places VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", places)


def _drop(db: sqlite3.Connection, paths: Sequence[bytes]) -> None:
    marks = ",".join("?" * len(paths))
    files = [row[0] for row in db.execute(f"SELECT id FROM files WHERE path IN ({marks})", paths)]  # noqa: S608  marks
    for file in files:
        records = db.execute("SELECT id, pieces FROM records WHERE file = ?", (file,)).fetchall()
        places = [(number * _MOST_PIECES + piece,) for number, pieces in records for piece in range(pieces)]
        db.executemany("DELETE FROM places WHERE id = ?", places)
        db.execute("DELETE FROM records WHERE file = ?", (file,))
        db.execute("DELETE FROM files WHERE id = ?", (file,))


def _record(boxes: str, first: int | None, last: int | None, kind: str, payload: bytes) -> Record:
    told = tuple(BBox(*map(float, box.split(","))) for box in boxes.split(";")) if boxes else ()
    return Record(told, first, last, kind, payload)


def _pieces(box: BBox) -> list[tuple[float, float, float, float]]:
    """A box as (west, east, south, north) between the meridians -180 and 180: two where it crosses the antimeridian."""
    if box.is_whole_turn:
        return [(-180.0, 180.0, box.south, box.north)]
    # Turning a longitude rounds it: edges that are as they should be stay as they are.
    west = box.west if -180.0 <= box.west < 180.0 else wrap180(box.west)
    east = box.east if west <= box.east < west + 360.0 and west == box.west else west + box.width
    if east <= 180.0:
        return [(west, east, box.south, box.north)]
    return [(west, 180.0, box.south, box.north), (-180.0, east - 360.0, box.south, box.north)]


def _asked(box: BBox) -> list[tuple[float, float]]:
    """The longitudes of a box, as `_pieces`; an edge on the antimeridian is asked for by both of its names."""
    spans = [(west, east) for west, east, *_ in _pieces(box)]
    if (GLOBAL.west, GLOBAL.east) in spans:
        return spans
    if any(east == GLOBAL.east for _, east in spans) and all(west != GLOBAL.west for west, _ in spans):
        spans.append((GLOBAL.west, GLOBAL.west))
    if any(west == GLOBAL.west for west, _ in spans) and all(east != GLOBAL.east for _, east in spans):
        spans.append((GLOBAL.east, GLOBAL.east))
    return spans


def _days(label: int) -> float:
    """A number that rises with labels, about one a day; the ends of lapses (month 13, day 32 or 0) have theirs too."""
    digits, time = divmod(label, 10**9)
    year, rest = divmod(digits, 10_000)
    month, day = divmod(rest, 100)
    return (year * 14 + month) * 33.0 + day + time / 10**9


def _batched(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Lists of at most some items, one behind the other."""
    iterator = iter(items)
    while some := list(itertools.islice(iterator, size)):
        yield some
