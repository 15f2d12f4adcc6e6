"""The acquisitions of a wave mode as columns: a search in them takes milliseconds, however many there are."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import InvalidValue, NoData, Unreadable, did_you_mean
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.queries import Filters
from datavore_widgets.protocol.times import Date, Lapse, TimeAxis, display, millis_from_label
from datavore_widgets.protocol.waves import Acquisitions
from datavore_widgets.service.files import FileSource, OpenFiles, Source
from datavore_widgets.service.ledger import Ledger, Record, ledger_path
from datavore_widgets.service.waves.ocn import Row, read_row

__all__ = ["Table", "columns_of", "learn_row", "table_of_files"]

log = logging.getLogger(__name__)

NEAREST = 60.0
"""Seconds that an acquisition may be off the date that it is asked for with."""

_OF_ALL = ("total", "growth")
"""What is told of the acquisitions together, and is no column."""

_LEDGER = "acquisitions-1"
"""Of the rows: another coding is another name."""


@dataclass(frozen=True, eq=False)
class Table:
    """Acquisitions in the order of time, and where each is read from.

    Parameters
    ----------
    columns : Acquisitions
        All of them.
    source : callable
        `source(row)` is where that one is read from.
    paths : sequence of str
        Their files; empty texts where there is none.
    """

    columns: Acquisitions
    source: Callable[[int], Source]
    paths: Sequence[str]

    def rows(self, satellite: str | None, bbox: BBox, lapse: Lapse | None = None) -> NDArray[np.int64]:
        """Places of the acquisitions of a satellite (None: of all) whose centres lie in a box, in a lapse."""
        columns = self.columns
        first, stop = 0, len(columns)
        if lapse is not None:
            first, stop = (int(at) for at in np.searchsorted(columns.labels, [lapse.first.low, lapse.last.high]))
        here = slice(first, stop)
        wanted = bbox.contains(columns.lon[here], columns.lat[here])
        if satellite is not None:
            wanted &= columns.satellite[here] == satellite
        return np.flatnonzero(wanted) + first

    def find(self, satellite: str | None, date: Date, bbox: BBox) -> int:
        """Place of the acquisition that a date means inside a box.

        A date of a second or less means the nearest within 60 s; a shorter one is an interval that must hold just one.

        Raises
        ------
        NoData
            When there is none; it names the nearest.
        InvalidValue
            When several lie in the interval; it lists them.
        """
        rows = self.rows(satellite, bbox)
        whose = "acquisition" if satellite is None else f"acquisition of {satellite}"
        if rows.size == 0:
            raise NoData(f"no {whose} lies inside {bbox.to_text()}; leave the box out, or take a larger one")
        axis = TimeAxis(self.columns.labels[rows])
        try:
            return int(rows[axis.find(date, None if date.is_prefix else NEAREST)])
        except NoData as error:
            asked = int(millis_from_label(date.low))
            nearest = int(rows[int(np.argmin(np.abs(axis.millis - asked)))])
            found = self.columns
            off = (int(millis_from_label(int(found.labels[nearest]))) - asked) / 1000
            raise NoData(
                f"no {whose} inside {bbox.to_text()} is within {NEAREST:g} s of {date.digits}; the nearest is of "
                f"{display(int(found.labels[nearest]))} ({abs(off):,.0f} s {'later' if off > 0 else 'earlier'}) at "
                f"{found.lon[nearest]:.2f}, {found.lat[nearest]:.2f}",
                suggestions=error.suggestions,
            ) from error

    def take(self, rows: NDArray[np.int64], total: int) -> Acquisitions:
        """Some of the acquisitions."""
        parts: dict[str, Any] = {
            field.name: _fitted(getattr(self.columns, field.name)[rows])
            for field in dataclasses.fields(Acquisitions)
            if field.name not in _OF_ALL
        }
        return Acquisitions(**parts, total=total)

    def allowed(self, rows: NDArray[np.int64], filters: Filters) -> NDArray[np.int64]:
        """Those of some rows that conditions on the columns allow.

        Raises
        ------
        InvalidValue
            When a condition is on something else; it offers the nearest names.
        """
        names = [
            field.name
            for field in dataclasses.fields(Acquisitions)
            if not field.name.startswith("partition") and field.name not in ("labels", *_OF_ALL)
        ]
        for condition in filters:
            if condition.name not in names:
                message, near = did_you_mean("filter on acquisitions:", condition.name, names)
                raise InvalidValue(f"{message} (allowed: {', '.join(names)})", suggestions=near)
            values = getattr(self.columns, condition.name)[rows]
            if condition.values:
                is_text = values.dtype.kind == "U"
                listed = [value for value in condition.values if isinstance(value, str) == is_text]
                # In the precision of the column: 2.3 is none of the numbers of float32.
                wanted = np.isin(values, np.array(listed, dtype=values.dtype if values.dtype.kind == "f" else None))
            else:
                if values.dtype.kind == "U":
                    raise InvalidValue(f"the filter on {condition.name!r} is a word or a list of words, not a range")
                low = -np.inf if condition.minimum is None else condition.minimum
                high = np.inf if condition.maximum is None else condition.maximum
                wanted = (values >= low) & (values <= high)
            rows = rows[wanted]
        return rows


def _fitted(values: NDArray[Any]) -> NDArray[Any]:
    """Texts in as many signs as they need, as they come over the wire; other values as they are."""
    if values.dtype.kind != "U":
        return values
    return values.astype(f"U{max(1, int(np.char.str_len(values).max(initial=1)))}")


def columns_of(rows: Sequence[Row], files: Sequence[str]) -> Acquisitions:
    """Rows as columns, in the order given."""
    parts = max((len(row.partition_hs) for row in rows), default=0)

    def column(name: str, dtype: Any) -> Any:
        return np.array([getattr(row, name) for row in rows], dtype=dtype)

    def padded(name: str, dtype: Any, missing: float) -> Any:
        made = np.full((len(rows), parts), missing, dtype)
        for place, row in enumerate(rows):
            values = getattr(row, name)
            made[place, : len(values)] = values
        return made

    return Acquisitions(
        labels=column("label", np.int64),
        lon=column("lon", np.float64),
        lat=column("lat", np.float64),
        **{
            name: column(name, np.float32)
            for name in ("heading", "incidence", "hs", "wavelength", "direction", "wind_speed", "wind_from")
        },
        quality=column("quality", np.int8),
        satellite=column("satellite", np.str_),
        mode=column("mode", np.str_),
        file=np.array([Path(file).name for file in files], dtype=np.str_),
        partition_hs=padded("partition_hs", np.float32, np.nan),
        partition_wavelength=padded("partition_wavelength", np.float32, np.nan),
        partition_direction=padded("partition_direction", np.float32, np.nan),
        partition_quality=padded("partition_quality", np.int8, -1),
        total=len(rows),
    )


def table_of_files(
    paths: Iterable[Path], files: OpenFiles, job: Job | None = None, *, known_only: bool = False
) -> tuple[Table, Mapping[str, str]]:
    """The acquisitions of measurement files, and the files that cannot be served with the reasons.

    What was learned of a file is remembered: it is opened again only when it was changed.

    Parameters
    ----------
    job : Job, optional
        To follow and to cancel what is learned.
    known_only : bool
        Leave out, without a word, what nothing is known of.
    """
    names = [str(path) for path in paths]
    found: dict[str, Row] = {}
    problems: dict[str, str] = {}
    with Ledger(ledger_path(_LEDGER)) as ledger:
        if known_only:
            told: Iterable[tuple[str, Any, bool]] = ((name, known, False) for name, _, known in ledger.recall(names))
        else:
            told = ledger.learned(names, learn_row, tell=None if job is None else job.progress)
        learned = 0
        for name, records, is_new in told:
            if isinstance(records, Unreadable):
                problems[name] = str(records)
            elif records:
                found[name] = Row(*_unpacked(records[0].payload))
                learned += is_new
    if learned:
        log.info("looked into %d measurement files; %d were known", learned, len(found) - learned)
    known = [name for name in names if name in found]
    rows = [found[name] for name in known]
    order = np.argsort(np.array([row.label for row in rows], dtype=np.int64), kind="stable")
    rows, known = [rows[at] for at in order], [known[at] for at in order]
    return Table(columns_of(rows, known), lambda row: FileSource(Path(known[row]), files), known), problems


def learn_row(path: str) -> list[Record]:
    """What is remembered of a measurement file.

    Raises
    ------
    Unreadable
        When it is none, or is damaged.
    """
    files = OpenFiles()
    try:
        return [_record(read_row(Path(path), files))]
    finally:
        files.close()


def _record(row: Row) -> Record:
    lon, lat = row.lon, row.lat
    payload = msgpack.packb([getattr(row, field.name) for field in dataclasses.fields(Row)])
    return Record((BBox(lon, lat, lon, lat),), row.label, row.label, row.satellite, payload)


def _unpacked(payload: bytes) -> list[Any]:
    return [tuple(value) if isinstance(value, list) else value for value in msgpack.unpackb(payload)]
