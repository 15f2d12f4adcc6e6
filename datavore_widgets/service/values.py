"""Numbers: series, and tables of everything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import InvalidValue, NoData, NotSupported
from datavore_widgets.protocol.aggregates import is_by_area, percent_of
from datavore_widgets.protocol.answers import Extract, Series, Trend, VariableInfo
from datavore_widgets.protocol.geometry import BBox, Point
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.queries import ExtractQuery, SeriesQuery
from datavore_widgets.protocol.times import (
    CLIMATOLOGIES,
    elapsed,
    label_from_parts,
    parts_from_label,
)
from datavore_widgets.service import summary
from datavore_widgets.service.areas import area_weights, weighed_by
from datavore_widgets.service.catalog import Variable
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.directions import go_round
from datavore_widgets.service.grid import Grid
from datavore_widgets.service.lenders import Lenders
from datavore_widgets.service.periods import Groups, Periods
from datavore_widgets.service.sampletimes import labels_of_samples, precision_of_samples
from datavore_widgets.service.select import (
    Selection,
    cell_at,
    cells_inside,
    same_cells,
    select,
    steps_of,
    units_of,
)
from datavore_widgets.service.series import Moments
from datavore_widgets.service.store import Store
from datavore_widgets.service.summary import Climatology
from datavore_widgets.service.track import Track
from datavore_widgets.service.trend import trend_of
from datavore_widgets.service.weighted import Weighted, grouped

__all__ = ["extract", "series"]

T = TypeVar("T")


def series(store: Store, query: SeriesQuery, job: Job) -> Series:
    """An aggregate over a box, or the value of a cell, for each time or group of times.

    While it is read, the job is shown the series of the times that are there.
    """
    selection = select(store.library, query.index, query.varname, query.filters, query.subtract)
    variable, info = selection.variable, selection.variable.info
    summary.check_words(info, query.aggregate, query.anomaly, trend=query.trend)
    steps = steps_of(variable, query.lapse)
    store.caps.check_points(steps)
    periods = store.periods(variable, steps)
    years = periods.base_years(query.base) if query.groupby in CLIMATOLOGIES else None
    is_weighted = is_by_area(query.aggregate) or go_round(info, query.aggregate)
    percent = percent_of(query.aggregate)
    if isinstance(variable, Track) and (is_weighted or percent is not None or query.anomaly is not None):
        raise NotSupported(f"samples of a track have no {query.anomaly or query.aggregate}; ask for avg")
    windows, read = None, steps
    if query.window is not None:
        windows = variable.axis.windows(steps, query.window.seconds)
        read = slice(int(windows[0]), steps.stop)
        windows -= read.start
        if is_weighted:
            raise NotSupported(f"moving windows of time have no {query.aggregate} of directions; group by days instead")
    places = _places(variable, query.coord, read, store.library.lenders if is_by_area(query.aggregate) else None)
    is_moved = False
    if query.reach is not None and isinstance(query.coord, Point):
        if len(places) > 1 or isinstance(variable, Track):
            raise NotSupported(f"{variable.name!r} lies elsewhere at each of its times: leave `reach` out")
        places, is_moved = _with_values(store, selection, query.coord, read, places, query.reach, job)
    place = places[0][1] if len(places) == 1 else None
    climatology = None
    if query.anomaly is not None:
        if place is None:
            raise NotSupported(f"{variable.name!r} lies elsewhere at each of its times, so its cells have no anomalies")
        climatology = Climatology.of(store, selection, place.cells, query.anomaly, query.base, job)
    asked = _Asked(
        query,
        selection,
        periods,
        place,
        climatology,
        years,
        is_moved,
        _measured(query, places),
        windows,
        note=store.told(selection, read),
        is_prepared=store.is_prepared(selection, read),
    )
    if percent is not None:
        tiles: summary.Tiles = (
            tile for run, at in places if at is not None for tile in store.tiles(selection, run, at.cells, job)
        )
        if climatology is not None and place is not None:
            tiles = climatology.off(tiles, place.cells)
        groups = periods.group(query.groupby, years)
        answer = asked.answer(steps, periods, groups, *summary.percentiles(tiles, groups, steps.start, percent))
    elif is_weighted:
        answer = asked.of_weighted(steps, _by_weight(store, asked, places, job))
    else:
        answer = asked.of_moments(steps, _moments(store, asked, places, job))
    if variable.info.geometry != "swath" or not variable.tells_sample_times:
        return answer
    is_plain = isinstance(query.coord, Point) and query.groupby is None and windows is None
    return _at_own_times(variable, places, answer) if is_plain else _noted(answer, "times are those of the granules")


def _at_own_times(variable: Variable, places: _Places, series: Series) -> Series:
    """The series at a position in a swath, with the times at which its samples were taken, in their order."""
    own, precision = series.labels.copy(), ""
    start = places[0][0].start
    for run, place in places:
        if place is not None:
            own[run.start - start : run.stop - start] = labels_of_samples(variable, run, place.cells)
            precision = precision or precision_of_samples(variable, run.start, place.cells)
    order = np.argsort(own, kind="stable")
    arrays: dict[str, Any] = {
        field.name: value[order]
        for field in fields(series)
        if isinstance(value := getattr(series, field.name), np.ndarray)
    }
    told = replace(series, **{**arrays, "labels": own[order], "granules": series.labels[order], "bounds": None})
    return _noted(told, f"times are the samples' own ({precision})") if precision else series


def _noted(series: Series, note: str) -> Series:
    return replace(series, note=f"{series.note}; {note}" if series.note else note)


@dataclass(frozen=True, eq=False)
class _Asked:
    """What a series is of, whichever of its times are there.

    Parameters
    ----------
    periods : Periods
        Of all its times.
    place : _Place, optional
        The cells, where they are the same at all times.
    years : ndarray of int64, optional
        Of the base period of a climatology that is asked for.
    measured : str
        What the areas of its cells are told by, in words; empty where none weigh, or nothing has to be told.
    windows : ndarray of int64, optional
        The first of the steps that are read in the window that ends with each time.
    note : str
        What has to be known of where its values are from.
    is_prepared : bool
        Whether all of them are prepared.
    """

    query: SeriesQuery
    selection: Selection
    periods: Periods
    place: _Place | None
    climatology: Climatology | None
    years: NDArray[np.int64] | None
    is_moved: bool
    measured: str
    windows: NDArray[np.int64] | None = None
    note: str = ""
    is_prepared: bool = False

    @property
    def without_trend(self) -> _Asked:
        """The same for a part of the times, of which a trend would mislead."""
        if not self.query.trend:
            return self
        return replace(self, query=replace(self.query, trend=False))

    def of_moments(self, steps: slice, moments: Moments) -> Series:
        """The series of the first of some steps, of their statistics; of windows of all of them."""
        within = None
        if self.windows is not None and self.query.window is not None:
            moments, within = moments.windowed(self.windows, self.query.window.overlap)
        steps = slice(steps.start, steps.start + moments.count.size)
        periods, groups = self._grouped(steps)
        order, starts = groups.runs
        whole = moments if groups.is_each else moments.take(order).pooled(starts)
        values, counts = whole.aggregate(self.query.aggregate).copy(), whole.count.copy()
        return self.answer(steps, periods, groups, values, counts, moments.count, within)

    def of_weighted(self, steps: slice, weighted: Weighted) -> Series:
        """The series of the first of some steps, of their weighted statistics."""
        steps = slice(steps.start, steps.start + weighted.count.size)
        query, (periods, groups) = self.query, self._grouped(steps)
        lengths = periods.usual_lengths if query.groupby in CLIMATOLOGIES else periods.lengths
        if not is_by_area(query.aggregate):
            lengths = weighted.weight
        whole, in_time = grouped(weighted, groups.of, groups.size, lengths)
        values = summary.values_of(query.aggregate, self.selection.variable.info, whole, in_time)
        return self.answer(steps, periods, groups, values, whole.count, weighted.count)

    def _grouped(self, steps: slice) -> tuple[Periods, Groups]:
        whole = steps.stop - steps.start == self.periods.labels.size
        periods = self.periods if whole else Periods.of(self.selection.variable, steps)
        return periods, periods.group(self.query.groupby, self.years)

    def answer(
        self,
        steps: slice,
        periods: Periods,
        groups: Groups,
        values: NDArray[np.float64],
        counts: NDArray[np.int64],
        of_step: NDArray[np.int64],
        within: NDArray[np.int64] | None = None,
    ) -> Series:
        """The series of some groups, of their values, their counts and the counts of their steps (or how many)."""
        query, place, climatology, years = self.query, self.place, self.climatology, self.years
        variable, info = self.selection.variable, self.selection.variable.info
        used = of_step > 0
        kept: Any = slice(None)
        if isinstance(variable, Track) and place is not None:
            # Times at which no sample was taken there are none of this series.
            taken = variable.steps_of(variable.during(place.cells, steps)) - steps.start
            kept = np.unique(groups.of[taken][groups.of[taken] >= 0])
        seen = _years_of(periods, groups, used) if years is not None else None
        complete = periods.complete(groups, used) if query.groupby is not None else None
        inside = used & (groups.of >= 0)
        if within is None:
            each = groups.is_each
            within = used.astype(np.int64) if each else np.bincount(groups.of[inside], minlength=groups.size)
        base = years if years is not None else None if climatology is None else climatology.base
        if climatology is not None and seen is None:
            seen = np.full(groups.size, np.iinfo(np.int64).max)
            np.minimum.at(seen, groups.of[inside], climatology.years[climatology.part[steps]][inside])
            seen[np.bincount(groups.of[inside], minlength=groups.size) == 0] = 0
        return Series(
            labels=groups.labels[kept],
            values=values[kept],
            counts=counts[kept],
            calendar=variable.axis.calendar,
            units=units_of(info, query.aggregate),
            long_name=info.label,
            total=None if place is None else place.cells.count,
            cell=None if place is None else place.center,
            distance=None if place is None else place.distance,
            dims=self.selection.dims,
            steps=within[kept],
            complete=None if complete is None else complete[kept],
            years=None if seen is None else seen[kept],
            bounds=None if groups.bounds is None else groups.bounds[kept],
            is_moved=self.is_moved,
            aggregate=query.aggregate,
            groupby=query.groupby,
            weighting=_weighting(query, info, periods, self.measured),
            time_method=info.time_method,
            anomaly=query.anomaly,
            base=None if base is None else (int(base.min()), int(base.max())),
            trend=_trend(periods, groups, query, values) if query.trend else None,
            note=self.note,
            is_prepared=self.is_prepared,
        )


def _by_weight(store: Store, asked: _Asked, places: _Places, job: Job) -> Weighted:
    """Weighted statistics of each step."""
    query, climatology = asked.query, asked.climatology
    parts = 2 if go_round(asked.selection.variable.info, query.aggregate) else 1
    several: list[Weighted] = []
    for run, place in places:
        if place is None:
            several.append(Weighted.none(run.stop - run.start, parts))
            continue
        weights = np.ones(place.cells.shape) if place.weights is None else place.weights
        key = query.coord, query.anomaly, None if climatology is None else climatology.base.tobytes()
        several.append(
            summary.weighted_steps(
                store,
                asked.selection,
                run,
                place.cells,
                weights,
                query.aggregate,
                climatology,
                (key, place.weights is None),
                _turned(job, several, Weighted.join, partial(asked.without_trend.of_weighted, places[0][0])),
            )
        )
    return Weighted.join(several)


def _moments(store: Store, asked: _Asked, places: _Places, job: Job) -> Moments:
    """Statistics of each step, each value alike."""
    selection, climatology = asked.selection, asked.climatology
    several: list[Moments] = []
    for run, place in places:
        if place is None:
            several.append(Moments.none(run.stop - run.start))
        elif asked.windows is not None:
            several.append(store.per_step(selection, run, place.cells, job))
        elif climatology is None:
            turned = _turned(job, several, Moments.join, partial(asked.without_trend.of_moments, places[0][0]))
            several.append(store.per_step(selection, run, place.cells, turned))
        else:
            tiles = climatology.off(store.tiles(selection, run, place.cells, job), place.cells)
            several.append(summary.pooled(tiles))
    return Moments.join(several)


def _turned(job: Job, before: list[T], join: Callable[[list[T]], T], answer: Callable[[T], Series]) -> Job:
    """The job for one of the runs of a series: what is there of it makes a partial series with those before it."""
    done = list(before)
    return job.turning(lambda part: replace(answer(join([*done, part])), is_partial=True))


def _with_values(
    store: Store,
    selection: Selection,
    point: Point,
    steps: slice,
    places: _Places,
    reach: float,
    job: Job,
) -> tuple[_Places, bool]:
    """The cell of a position, or where it has no values the nearest that has; and whether it is that."""
    run, place = places[0]
    if place is not None and store.per_cell(selection, steps, place.cells, job).count.any():
        return places, False
    grid = selection.variable.grid_at(steps.start)
    return [(run, _Place(grid, *summary.nearest_valid(store, selection, grid, point, steps, reach, job)))], True


def _years_of(periods: Periods, groups: Groups, used: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Years that have a step with values, of each group."""
    inside = used & (groups.of >= 0)
    pairs = np.unique(np.stack([groups.of[inside], periods.dates[0][inside]]), axis=1)
    return np.bincount(pairs[0], minlength=groups.size).astype(np.int64)


def _trend(periods: Periods, groups: Groups, query: SeriesQuery, values: NDArray[np.float64]) -> Trend | None:
    """The trend of a series: deseasonalised by month, but by season or not at all where its values are of these.

    A group at an end that is not whole is left out: half a year is as far from the others as its season is.
    """
    whole = periods.complete(groups, np.ones(groups.of.size, dtype=bool))
    cut = [] if whole is None else [end for end in {0, groups.size - 1} if not whole[end]]
    values = values.copy()
    values[cut] = np.nan
    year, month = parts_from_label(groups.labels)[:2]
    if query.groupby == "yyyy" or periods.kind == "year":
        season, of = np.zeros(groups.size, dtype=np.int64), ""
    elif query.groupby == "yyyy-season":
        season, of = month % 12 // 3, "seasons"
    else:
        season, of = month - 1, "months"
    start = elapsed(label_from_parts(year, 1, 1), periods.calendar)
    length = elapsed(label_from_parts(np.minimum(year + 1, 9999), 1, 1), periods.calendar) - start
    length = np.where(length > 0, length, 366 * 86_400_000)
    since = elapsed(groups.labels, periods.calendar) - start
    found = trend_of(np.asarray(year + since / length, dtype=np.float64), values, season, of)
    if found is None or not cut:
        return found
    return replace(found, method=f"{found.method}; groups at the ends that are not whole left out: {len(cut)}")


def _measured(query: SeriesQuery, places: _Places) -> str:
    """What the areas of the cells of a box are told by, in words."""
    if isinstance(query.coord, Point) or not is_by_area(query.aggregate):
        return ""
    return ", ".join(sorted({place.measured for _, place in places if place is not None} - {""}))


def _weighting(query: SeriesQuery, info: VariableInfo, periods: Periods, measured: str) -> str:
    """How the values weigh, in words; of seasons also which December is whose."""
    told = ["mean of unit vectors"] if go_round(info, query.aggregate) else []
    if is_by_area(query.aggregate):
        cells = "one cell" if isinstance(query.coord, Point) else "cells weighted by their area in the box"
        told.append(f"{cells} ({measured})" if measured else cells)
        if query.groupby is not None:
            told.append(periods.weighting)
    else:
        told.append("every value alike")
    if query.window is not None:
        many = "all" if query.window.overlap == "mean" else "the newest"
        told.append(f"{many} of the {query.window.seconds:g} s that end with each time")
    if query.groupby == "yyyy-season":
        told.append("DJF is of January's year")
    if "season" in (query.groupby, query.anomaly):
        told.append("in the climatology DJF is of the Decembers, Januaries and Februaries of the same years")
    return "; ".join(told)


def extract(store: Store, query: ExtractQuery, job: Job) -> Extract:
    """Every value of some variables: by time, then by row, then by column."""
    selections = [select(store.library, query.index, name, query.filters, query.subtract) for name in query.varnames]
    first: Variable = selections[0].variable
    for other in (selection.variable for selection in selections[1:]):
        if not same_cells(first, other) or first.axis != other.axis:
            raise InvalidValue(
                f"{first.name!r} and {other.name!r} lie on different cells or times; extract them one by one"
            )
    steps = steps_of(first, query.lapse)
    places = [(run, place) for run, place in _places(first, query.coord, steps) if place is not None]
    if isinstance(first, Track):
        return _extract_of_samples(store, selections, first, first.during(places[0][1].cells, steps), job)
    total = sum((run.stop - run.start) * place.cells.count for run, place in places)
    store.caps.check_rows(total, "rows")
    columns = {}
    done, total = 0, total * len(selections)
    job.progress(done, total)
    for selection in selections:
        blocks = []
        for run, place in places:
            for block in store.blocks(selection, run, place.cells, job):
                blocks.append(np.ma.filled(block.astype(np.float64), np.nan).reshape(-1))
                done += block.size
                job.progress(done, total)
        columns[selection.variable.name] = np.concatenate(blocks)
    listed = [(run, *place.grid.listed(place.cells)) for run, place in places]
    return Extract(
        labels=np.concatenate([labels_of_samples(first, run, place.cells) for run, place in places]),
        lon=np.concatenate([np.tile(lon, run.stop - run.start) for run, lon, _ in listed]),
        lat=np.concatenate([np.tile(lat, run.stop - run.start) for run, _, lat in listed]),
        columns=columns,
        calendar=first.axis.calendar,
    )


def _extract_of_samples(store: Store, selections: list[Selection], track: Track, cells: Cells, job: Job) -> Extract:
    """Every value of some samples, by time."""
    store.caps.check_rows(cells.count, "rows")
    lon, lat = track.points.listed(cells)
    columns = {}
    for done, selection in enumerate(selections):
        job.progress(done, len(selections))
        values = store.samples(selection, cells, job)
        columns[selection.variable.name] = np.ma.filled(values.astype(np.float64), np.nan)
    return Extract(track.axis.labels[track.steps_of(cells)], lon, lat, columns, track.axis.calendar)


class _Place(NamedTuple):
    """The cells of a box, or the one of a position with its centre and the metres to it.

    `measured` is what tells the areas that weigh, in words.
    """

    grid: Grid
    cells: Cells
    center: tuple[float, float] | None = None
    distance: float | None = None
    weights: NDArray[np.float64] | None = None
    measured: str = ""


_Places = list[tuple[slice, _Place | None]]
"""Runs of steps whose cells are the same, and which they are; None for none."""


def _places(variable: Variable, coord: BBox | Point, steps: slice, lenders: Lenders | None = None) -> _Places:
    """The cells of a box or a position, for each run of steps whose cells lie at the same places; None for no cell.

    Parameters
    ----------
    lenders : Lenders, optional
        Cells of a box by area, and who may tell those areas; None: those whose centres it holds.

    Raises
    ------
    NoData
        When there are none at any step; it says why.
    """
    found: list[tuple[slice, _Place | None]] = []
    reason: NoData | None = None
    for run, grid in variable.runs(steps):
        try:
            if isinstance(coord, Point):
                found.append((run, _Place(grid, *cell_at(grid, coord))))
            elif lenders is not None:
                lent = lenders.areas(grid)
                cells, weights = area_weights(grid, coord, lent)
                found.append((run, _Place(grid, cells, weights=weights, measured=weighed_by(grid, lent))))
            else:
                found.append((run, _Place(grid, cells_inside(grid, coord))))
        except NoData as error:
            reason = reason or error
            found.append((run, None))
    if reason is not None and all(place is None for _, place in found):
        raise reason
    return found
