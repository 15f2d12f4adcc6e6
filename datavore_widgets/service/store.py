"""How the embedded service reads: within caps, each thing once, and remembered within a number of bytes.

What series alone need is imported when the first is asked for: the first picture waits for every import.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import TooLarge, Unreadable
from datavore_widgets.protocol.answers import MapImage
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.masks import is_masked
from datavore_widgets.service.cache import Memo
from datavore_widgets.service.catalog import Library
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.cluster import Cluster, made_by, threads_of
from datavore_widgets.service.index import Variable
from datavore_widgets.service.laps.codes import Coded
from datavore_widgets.service.laps.shelf import Ready, Run, Shelf
from datavore_widgets.service.meter import Meter, Paces
from datavore_widgets.service.select import Selection
from datavore_widgets.service.series import PER_CELL, PER_STEP, Block, Fold, Moments
from datavore_widgets.service.tiles import Tile, bands_of, tiles_of
from datavore_widgets.service.track import Track

if TYPE_CHECKING:
    from datavore_widgets.service.periods import Periods
    from datavore_widgets.service.weighted import Weighted

__all__ = ["Caps", "Composite", "Layer", "Stats", "Store"]

MIB = 2**20

T = TypeVar("T")

_WHOLE_FIELD = 16 * MIB
"""Fields up to this size are read whole for any view of them: a global one of a quarter degree is."""

_PERIODS = 16 * MIB
_PER_STEP = 400
"""Bytes of what is worked out of the times of a lapse: dates, lengths, and the groups of each kind."""

_LAYERS = 128 * MIB
"""Memory for what pictures of many times show of each: a window that moves on reads what is new in it alone."""

_TURNS = 4
"""Parts of a reading for each thread of a cluster: who is quick takes over from who is slow."""

_COMPOSITES = 64 * MIB
"""Memory for pictures of many times before they have colours: other colours put nothing together anew."""


@dataclass(frozen=True)
class Caps:
    """What one answer may take; more is `TooLarge`, before anything is read.

    Parameters
    ----------
    array_bytes : int
        Of the data of an answer; also what a picture's cells are thinned to.
    touched_bytes : int
        Decoded bytes that one picture or one answer of data goes over.
    streamed_bytes : int
        Decoded bytes that a series or an aggregate goes over: they are read block by block, with progress, and can
        be cancelled, so this only stops what nobody would wait for.
    points : int
        Times of a series.
    rows : int
        Rows of an extract, or of a list of cells.
    """

    array_bytes: int = 64 * MIB
    touched_bytes: int = 512 * MIB
    streamed_bytes: int = 256 * 1024 * MIB
    points: int = 1_000_000
    rows: int = 1_000_000

    def check_array(self, selection: Selection, cells: Cells) -> None:
        """Refuse data of too many bytes."""
        nbytes = cells.count * selection.variable.dtype.itemsize
        if nbytes > self.array_bytes:
            raise TooLarge(
                f"{cells.count:,} cells of {selection.variable.name!r} take {_mib(nbytes)}, more than the "
                f"{_mib(self.array_bytes)} allowed; ask for a smaller box or a resolution"
            )

    def check_touched(self, selection: Selection, cells: Cells) -> None:
        """Refuse to go over too many bytes for one time."""
        # Columns are read in one piece, whatever is kept of them.
        touched = cells.shape[0] * cells.columns.size * selection.variable.dtype.itemsize
        if touched > self.touched_bytes:
            raise TooLarge(
                f"this goes over {_mib(touched)} of {selection.variable.name!r}, more than the "
                f"{_mib(self.touched_bytes)} allowed; ask for a smaller box"
            )

    def check_streamed(self, selection: Selection, steps: slice, cells: Cells) -> None:
        """Refuse to go over too many bytes for many times."""
        streamed = cells.count * (steps.stop - steps.start) * selection.variable.dtype.itemsize
        if streamed > self.streamed_bytes:
            raise TooLarge(
                f"this goes over {_mib(streamed)} of {selection.variable.name!r}, more than the "
                f"{_mib(self.streamed_bytes)} allowed; ask for a smaller box or a shorter lapse"
            )

    def check_points(self, steps: slice) -> None:
        """Refuse a series of too many times."""
        points = steps.stop - steps.start
        if points > self.points:
            raise TooLarge(
                f"a series of {points:,} times is more than the {self.points:,} allowed; ask for a shorter lapse"
            )

    def check_rows(self, rows: int, what: str) -> None:
        """Refuse a table of too many rows."""
        if rows > self.rows:
            raise TooLarge(
                f"{rows:,} {what} are more than the {self.rows:,} allowed; ask for a smaller box or a shorter lapse"
            )


class Layer(NamedTuple):
    """What a picture shows of one time; small, since few of its pixels have samples of it.

    Parameters
    ----------
    pixels : ndarray of int32, shape (n,)
        By flat number, ascending, each once.
    values : ndarray, shape (n,)
        Of each of them; empty for what is pooled.
    moments : tuple of Moments, each of n samples
        For what is pooled: of the values, or of the sine and the cosine of directions.
    valid, total : int
        Cells with a value, and all cells, that touch the picture.
    """

    pixels: NDArray[np.int32]
    values: NDArray[np.floating[Any]]
    moments: tuple[Moments, ...]
    valid: int
    total: int

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return int(self.pixels.nbytes + self.values.nbytes + sum(moments.nbytes for moments in self.moments))


class Composite(NamedTuple):
    """Many times as one picture, before it has colours.

    Parameters
    ----------
    values : ndarray, shape (height, width)
        NaN for none.
    valid, total : int
        Cells with a value, and all cells, of all times, that touch the picture.
    """

    values: NDArray[np.floating[Any]]
    valid: int
    total: int


class Stats:
    """Counts of the work done: what was remembered does not count.

    Attributes
    ----------
    fields : int
        Fields read for pictures and data.
    blocks : int
        Blocks read for series, aggregates and extracts.
    bytes : int
        Bytes of these, decoded.
    pictures : int
        Pictures drawn.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.fields = 0
        self.blocks = 0
        self.bytes = 0
        self.pictures = 0

    def add(self, *, fields: int = 0, blocks: int = 0, nbytes: int = 0, pictures: int = 0) -> None:
        """Count more."""
        with self._lock:
            self.fields += fields
            self.blocks += blocks
            self.bytes += nbytes
            self.pictures += pictures


class _Stretch(NamedTuple):
    """A run of steps that are read at a time, tile by tile."""

    run: Run
    tiles: list[Tile]


class Store:
    """The data of a library, as the answers need them.

    Parameters
    ----------
    library : Library
        What there is.
    caps : Caps
        What one answer may take.
    shelf : Shelf
        What is prepared.
    cluster : Cluster
        Who reads large boxes that are not.
    prepares : bool
        Whether it is prepared for whoever asks.
    field_bytes, picture_bytes, series_bytes : int
        Memory for fields, for pictures, and for the statistics behind series and aggregates.
    """

    def __init__(
        self,
        library: Library,
        caps: Caps,
        *,
        shelf: Shelf,
        cluster: Cluster,
        prepares: bool,
        field_bytes: int,
        picture_bytes: int,
        series_bytes: int,
    ) -> None:
        self.library = library
        self.caps = caps
        self.stats = Stats()
        self.composites: Memo[Composite] = Memo(_COMPOSITES, lambda composite: composite.values.nbytes)
        self.layers: Memo[Layer] = Memo(_LAYERS, lambda layer: layer.nbytes)
        self.pictures: Memo[MapImage] = Memo(picture_bytes, lambda picture: len(picture.png))
        self._fields: Memo[NDArray[Any] | Coded] = Memo(field_bytes, _array_bytes)
        self._moments: Memo[Moments] = Memo(series_bytes, lambda moments: moments.nbytes)
        self._weighted: Memo[Weighted] = Memo(series_bytes // 4, lambda weighted: weighted.nbytes)
        self.shelf = shelf
        self.cluster = cluster
        self.prepares = prepares
        self._periods: Memo[Periods] = Memo(_PERIODS, lambda periods: _PER_STEP * periods.labels.size)
        self._limits: Memo[tuple[float, float]] = Memo(MIB, lambda _: 64)
        self._paces = Paces()

    def close(self) -> None:
        """Forget everything that was read, and close the files."""
        memos = (
            self.composites,
            self.layers,
            self.pictures,
            self._fields,
            self._moments,
            self._weighted,
            self._periods,
            self._limits,
        )
        for memo in memos:
            memo.clear()
        self.shelf.close()
        self.cluster.close()
        self.library.close()

    def field(self, selection: Selection, step: int | None, cells: Cells, job: Job) -> NDArray[Any]:
        """Values of some cells at one time, not to be written to.

        A field that is small is remembered whole, so that another view of it reads nothing.
        """
        field = self.shown(selection, step, cells, job)
        return field.values() if isinstance(field, Coded) else field

    def shown(self, selection: Selection, step: int | None, cells: Cells, job: Job) -> NDArray[Any] | Coded:
        """The same for a picture: of prepared data the codes."""
        if isinstance(selection.variable, Track):
            # Its cells are samples, which have their times themselves.
            step = None
        whole = Cells.whole(selection.variable.grid_at(step).shape)
        if whole.count * selection.variable.dtype.itemsize <= _WHOLE_FIELD:
            return _taken(self._field(selection, step, whole, job), cells)
        return self._field(selection, step, cells, job)

    def _field(self, selection: Selection, step: int | None, cells: Cells, job: Job) -> NDArray[Any] | Coded:
        before = selection.state(step)

        def read(job: Job) -> NDArray[Any] | Coded:
            values = self._prepared_field(selection, step, cells)
            if values is None:
                values = selection.read(step, cells, job)
                _check_unchanged(selection, step, before)
            (values.codes if isinstance(values, Coded) else values).flags.writeable = False
            self.stats.add(fields=1, nbytes=values.nbytes)
            return values

        return self._fields.get((selection.key, step, cells.key, before), read, job)

    def _values(self, selection: Selection, step: int | None, cells: Cells, job: Job | None) -> NDArray[Any]:
        """Values at one time, of prepared data where there are any."""
        values = self._prepared_field(selection, step, cells)
        if isinstance(values, Coded):
            return values.values()
        return selection.read(step, cells, job) if values is None else values

    def _prepared_field(self, selection: Selection, step: int | None, cells: Cells) -> NDArray[Any] | Coded | None:
        ready = None if step is None else self._ready(selection)
        if ready is None or step is None:
            return None
        field = ready.field(step, cells.read_rows, cells.read_columns)
        return None if field is None else _hidden(replace(field, dtype=selection.variable.dtype), cells)

    def _looked(self, selection: Selection) -> Ready | None:
        """What was ever prepared of a variable, looked for once an answer; conditions and corrections never are."""
        if not selection.is_plain:
            return None
        if "ready" not in selection.looked:
            selection.looked["ready"] = self.shelf.look(selection.variable, selection.at)
        ready: Ready | None = selection.looked["ready"]
        return ready

    def _ready(self, selection: Selection) -> Ready | None:
        """What is prepared of a variable, if any of its steps still are."""
        ready = self._looked(selection)
        return ready if ready is not None and ready.missing < ready.segment_of.size else None

    def told(self, selection: Selection, steps: slice) -> str:
        """What has to be known of an answer over some steps: that data were prepared, and are so no longer."""
        ready = self._looked(selection)
        return "" if ready is None else ready.told(steps)

    def is_prepared(self, selection: Selection, steps: slice) -> bool:
        """Whether all of some steps are prepared, and still are."""
        ready = self._looked(selection)
        return ready is not None and (not ready.missing or bool((ready.segment_of[steps] >= 0).all()))

    def periods(self, variable: Variable, steps: slice) -> Periods:
        """The periods that some times of a variable stand for."""
        from datavore_widgets.service.periods import Periods

        # The library holds the variable, so its id stays its own.
        key = id(variable), steps.start, steps.stop
        return self._periods.get(key, lambda _: Periods.of(variable, steps))

    def per_step(self, selection: Selection, steps: slice, cells: Cells, job: Job) -> Moments:
        """Statistics of each step over the cells: read once for every aggregate and grouping."""
        if isinstance(selection.variable, Track):
            cells = selection.variable.during(cells, steps)
            values = self.samples(selection, cells, job)
            return Moments.grouped(values, selection.variable.steps_of(cells) - steps.start, steps.stop - steps.start)
        return self._moments_by(PER_STEP, selection, steps, cells, job)

    def per_cell(self, selection: Selection, steps: slice, cells: Cells, job: Job) -> Moments:
        """Statistics of each cell over the steps."""
        return self._moments_by(PER_CELL, selection, steps, cells, job)

    def _moments_by(self, fold: Fold[Moments], selection: Selection, steps: slice, cells: Cells, job: Job) -> Moments:
        """Statistics, of prepared data where there are any."""
        ready = self._ready(selection) if cells.mask is None else None
        if ready is None:
            return self._moments_read(fold, selection, steps, cells, job)
        from datavore_widgets.service.laps.serve import prepared

        def make(job: Job) -> Moments:
            def read(some: slice, job: Job) -> Moments:
                return self._moments_read(fold, selection, some, cells, job)

            return prepared(fold, ready, steps, cells, read, job)

        key: Hashable = (fold.name, selection.key, steps.start, steps.stop, cells.key, ready.key)
        return self._moments.get(key, make, job)

    def _moments_read(self, fold: Fold[Moments], selection: Selection, steps: slice, cells: Cells, job: Job) -> Moments:
        """Statistics, of the files."""
        before = selection.fingerprint(steps)

        def read(job: Job) -> Moments:
            moments = self._swept(self._stretches(None, selection, steps, cells), selection, cells, fold, job)
            _check_unchanged(selection, steps, before)
            return moments

        key: Hashable = (fold.name, selection.key, steps.start, steps.stop, cells.key, before)
        return self._moments.get(key, read, job)

    def samples(self, selection: Selection, cells: Cells, job: Job) -> NDArray[Any]:
        """Values of some samples of a track, one behind the other.

        Raises
        ------
        TooLarge
            When they are too many.
        """
        self.caps.check_streamed(selection, slice(0, 1), cells)
        return cells.flat(self.field(selection, None, cells, job))

    def blocks(self, selection: Selection, steps: slice, cells: Cells, job: Job) -> Iterator[NDArray[Any]]:
        """Every value of the cells that are meant, in blocks one behind the other, each of shape (nt, n)."""
        # In one piece: a table is in the order of time and then of rows, and as large as memory allows.
        for run in tiles_of(selection.variable, steps, cells, 8 * self.caps.rows):
            for tile in run:
                part = cells.band(tile.rows, tile.columns)
                yield part.flat(self._block(selection, tile, part, job))

    def tiles(self, selection: Selection, steps: slice, cells: Cells, job: Job) -> Iterator[Block]:
        """Every value of some cells, in tiles of shape (nt, ny, nx) in the order of steps.

        Prepared data are taken where there are any; the job is told of the progress.
        """
        stretches = self._stretches(self._ready(selection), selection, steps, cells)
        meter = self._meter(stretches, selection, cells, False, job)
        for stretch in stretches:
            yield from self._blocks_of(stretch, selection, cells, meter, job)

    def swept(self, selection: Selection, steps: slice, cells: Cells, fold: Fold[T], job: Job) -> T:
        """What is made of every value of some cells; prepared data are taken where there are any."""
        stretches = self._stretches(self._ready(selection), selection, steps, cells)
        return self._swept(stretches, selection, cells, fold, job)

    def _swept(self, stretches: list[_Stretch], selection: Selection, cells: Cells, fold: Fold[T], job: Job) -> T:
        client = None if sum(stretch.run.segment is None for stretch in stretches) < 2 else self.cluster.client
        meter = self._meter(stretches, selection, cells, client is not None, job)
        parts: list[T] = []
        if client is None:
            made = self._made_here(stretches, selection, cells, fold, meter, job)
        else:
            made = self._made_there(client, stretches, selection, cells, fold, meter, job)
        for number, more in enumerate(made, 1):
            parts += more
            if fold.pools:
                parts[:] = [fold.join(parts)]
            elif number < len(stretches):
                job.partial(partial(fold.join, tuple(parts)))
        return fold.join(parts)

    def _made_here(
        self, stretches: list[_Stretch], selection: Selection, cells: Cells, fold: Fold[T], meter: Meter, job: Job
    ) -> Iterator[list[T]]:
        """What is made of each of some stretches."""
        for stretch in stretches:
            yield [fold.of_run(self._blocks_of(stretch, selection, cells, meter, job))]

    def _made_there(
        self,
        client: Any,
        stretches: list[_Stretch],
        selection: Selection,
        cells: Cells,
        fold: Fold[T],
        meter: Meter,
        job: Job,
    ) -> Iterator[list[T]]:
        """What is made of some stretches, in their order: by a cluster's workers where files are read, here else."""
        from datavore_widgets.service.errand import Errand, Stint

        runs = [stretch.tiles for stretch in stretches if stretch.run.segment is None]
        # What is as large as the field itself travels a few times for each worker; a series of a run is small.
        each = -(-len(runs) // (_TURNS * threads_of(client))) if fold.pools else 1
        groups = [runs[first : first + each] for first in range(0, len(runs), each)]
        stints = [Stint(group, None) for group in groups]
        stints = [stint._replace(state=selection.fingerprint(stint.steps)) for stint in stints]
        errand = Errand.of(self.cluster.spec or (), selection, cells, fold)
        come: dict[int, list[T]] = {}
        wanted = 0
        with closing(made_by(client, errand, stints, job)) as told:
            for stretch in stretches:
                if stretch.run.segment is not None:
                    yield from self._made_here([stretch], selection, cells, fold, meter, job)
                elif wanted < len(stints) and stretch.tiles is stints[wanted].runs[0]:
                    while wanted not in come:
                        number, found = next(told)
                        come[number] = found.made
                        self.stats.add(blocks=found.blocks, nbytes=found.nbytes)
                        for tiles in stints[number].runs:
                            meter.did(tiles[0].steps.stop - tiles[0].steps.start, True)
                    yield come.pop(wanted)
                    wanted += 1

    def _stretches(self, ready: Ready | None, selection: Selection, steps: slice, cells: Cells) -> list[_Stretch]:
        """How some steps are gone over: runs of them, each of the files or of one segment of prepared data."""
        self.caps.check_streamed(selection, steps, cells)
        found: list[_Stretch] = []
        for run in ready.runs(steps) if ready is not None else [Run(steps, None, steps)]:
            if run.segment is not None:
                found.append(_Stretch(run, bands_of(run.steps, cells)))
            else:
                runs = tiles_of(selection.variable, run.steps, cells)
                found += [_Stretch(Run(tiles[0].steps, None, tiles[0].steps), tiles) for tiles in runs]
        return found

    def _meter(self, stretches: list[_Stretch], selection: Selection, cells: Cells, shared: bool, job: Job) -> Meter:
        """What tells of the reading of some stretches."""
        first, last = stretches[0].run.steps.start, stretches[-1].run.steps.stop
        files: list[slice] = []
        for steps in (stretch.run.steps for stretch in stretches if stretch.run.segment is None):
            goes_on = bool(files) and files[-1].stop == steps.start
            files.append(slice(files.pop().start if goes_on else steps.start, steps.stop))
        key = selection.index.id, selection.variable.name, shared
        told = selection.estimate(files, cells, self._paces.of(key))
        return Meter(told, last - first, sum(run.stop - run.start for run in files), self._paces, key, job)

    def _blocks_of(
        self, stretch: _Stretch, selection: Selection, cells: Cells, meter: Meter, job: Job
    ) -> Iterator[Block]:
        """The values of a stretch, tile by tile; one is counted when it has been used."""
        steps, segment, inside = stretch.run
        for tile in stretch.tiles:
            job.check()
            part = cells.band(tile.rows, tile.columns)
            if segment is None:
                values = self._block(selection, tile, part, job)
            else:
                window = segment.window(inside, part.rows, part.columns)
                values = part.hide(window[:, :: part.row_step, :: part.column_step])
            yield tile, values
            meter.did((steps.stop - steps.start) / len(stretch.tiles), segment is None)

    def weighed(
        self,
        selection: Selection,
        steps: slice,
        cells: Cells,
        weights: NDArray[np.float64],
        read: Callable[[slice, Job], Weighted],
        job: Job,
    ) -> Weighted:
        """Weighted statistics of each step over some cells, of prepared data where there are any; else read."""
        ready = self._ready(selection) if cells.mask is None else None
        if ready is None:
            return read(steps, job)
        from datavore_widgets.service.laps.weighed import prepared_weighted

        return prepared_weighted(ready, steps, cells, weights, read, job)

    def weighted(
        self,
        selection: Selection,
        steps: slice,
        cells: Cells,
        make: Callable[[Job], Weighted],
        what: Hashable,
        job: Job,
    ) -> Weighted:
        """What `make` makes of some steps of some cells, remembered by what decides it until a file changes."""
        before = selection.fingerprint(steps)

        def made(job: Job) -> Weighted:
            found = make(job)
            _check_unchanged(selection, steps, before)
            return found

        return self._weighted.get((what, selection.key, steps.start, steps.stop, cells.key, before), made, job)

    def _block(self, selection: Selection, tile: Tile, cells: Cells, job: Job) -> NDArray[Any]:
        """The values of the cells of a tile."""
        values = selection.read(tile.steps, cells, job)
        self.stats.add(blocks=1, nbytes=values.nbytes)
        return values

    def limits(self, selection: Selection, offset: float, job: Job) -> tuple[float, float]:
        """Default colour limits of a variable: the catalogue's, else found once from a sample and remembered."""
        limits = selection.variable.info.limits
        if limits is None:
            from datavore_widgets.service.limits import default_limits

            key = selection.index.id, selection.variable.name, selection.at
            limits = self._limits.get(key, lambda job: default_limits(selection, job, self._values), job)
        return limits[0] + offset, limits[1] + offset


def _check_unchanged(selection: Selection, steps: slice | int | None, before: Hashable) -> None:
    if selection.fingerprint(steps) != before:
        raise Unreadable(f"a file of {selection.index.id!r} was changed while it was read; ask again")


def _taken(field: NDArray[Any] | Coded, cells: Cells) -> NDArray[Any] | Coded:
    """Some cells of a whole field; a view where they are one run."""
    rows, columns = field[cells.read_rows], cells.read_columns
    # Each step, not the ends alone: 0, 11, 10, … 6 are seven columns over the seam of longitudes that fall.
    if columns.size and (np.diff(columns) == cells.column_step).all():
        return _hidden(rows[:, columns[0] : columns[-1] + 1 : cells.column_step], cells)
    return _hidden(rows[:, columns], cells)


def _hidden(field: NDArray[Any] | Coded, cells: Cells) -> NDArray[Any] | Coded:
    """Values with those missing that are not meant; as codes where all are, and the codes are integers."""
    if isinstance(field, Coded):
        if field.meaning.is_whole and cells.mask is None:
            return field
        field = field.values()
    return cells.hide(field)


def _array_bytes(array: NDArray[Any] | Coded) -> int:
    return int(array.nbytes) + (int(np.ma.getmaskarray(array).nbytes) if is_masked(array) else 0)


def _mib(nbytes: int) -> str:
    return f"{nbytes / MIB:,.0f} MiB"
