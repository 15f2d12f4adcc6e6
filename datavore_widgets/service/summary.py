"""Series and lapses by the further words: area means, climatologies, anomalies, percentiles, directions, fractions."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import InvalidValue, NoData, TooLarge, did_you_mean
from datavore_widgets.protocol.aggregates import AGGREGATES, AREA_WORDS, flag_of, is_by_area, percent_of
from datavore_widgets.protocol.answers import VariableInfo
from datavore_widgets.protocol.geometry import Point
from datavore_widgets.protocol.job import Job
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.directions import check_direction, go_round, of_vectors, unit_vectors
from datavore_widgets.service.grid import Grid
from datavore_widgets.service.index import Variable
from datavore_widgets.service.periods import Groups
from datavore_widgets.service.select import Selection
from datavore_widgets.service.series import Block, Moments, missing_of
from datavore_widgets.service.sphere import box_around, distance, half_turn
from datavore_widgets.service.store import Store
from datavore_widgets.service.weighted import Parts, Weighted, weighing, weighted

__all__ = [
    "Climatology",
    "check_words",
    "lapse_values",
    "nearest_valid",
    "parts_of",
    "percentiles",
    "pooled",
    "values_of",
    "weighted_steps",
    "weighting_of",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Tiles = Iterator[Block]

_HELD = 512 * 2**20
"""Bytes of values, or of climatologies, that are held at a time."""

_METRES = 111_000.0
"""Of a degree of latitude, at least."""


def check_words(info: VariableInfo, aggregate: str, anomaly: str | None = None, *, trend: bool = False) -> None:
    """Refuse what makes no sense for a kind of variable.

    Raises
    ------
    InvalidValue
        It says what does.
    """
    check_direction(info, aggregate)
    if info.kind == "direction" and (anomaly is not None or (trend and aggregate != "count")):
        what = "trend" if anomaly is None else "anomalies"
        raise InvalidValue(f"{info.name!r} are directions, which go round and have no {what}")
    if info.kind == "flags" and (aggregate in AREA_WORDS or percent_of(aggregate) is not None):
        raise InvalidValue(
            f"{info.name!r} are flags, which have no {aggregate}; ask for the fraction of one: "
            + ", ".join(f"fraction:{meaning}" for meaning in list(info.flags.values())[:8])
        )
    if flag_of(aggregate) is not None:
        parts_of(info, aggregate)
    if anomaly is not None and info.kind == "anomaly":
        raise InvalidValue(f"{info.name!r} is an anomaly already; leave `anomaly` out")
    if anomaly is not None and (info.kind == "flags" or flag_of(aggregate) is not None or aggregate == "geo_avg"):
        raise InvalidValue(f"anomalies have no {aggregate}; ask for area_avg or avg")


def parts_of(info: VariableInfo, aggregate: str) -> Parts:
    """What of the values is averaged for an aggregate.

    Raises
    ------
    InvalidValue
        When it is the fraction of a flag that is not there.
    """
    if go_round(info, aggregate):
        return unit_vectors
    if aggregate == "geo_avg":
        return lambda values: np.log(np.where(values > 0, values, np.nan))[None]
    flag = flag_of(aggregate)
    if flag is None:
        return lambda values: values[None]
    bits, wanted = _flag(info, flag)

    def share(values: FloatArray) -> FloatArray:
        there = np.isfinite(values)
        read = values if bits is None else np.where(there, values, 0).astype(np.int64) & bits
        marked = read == wanted
        return np.where(there, marked.astype(np.float64), np.nan)[None]

    return share


def _flag(info: VariableInfo, flag: str) -> tuple[int | None, float]:
    """The bits of a flag that shares them with others, and the number that it is."""
    if flag in info.masks:
        bits, value = info.masks[flag]
        return bits, value
    for number, meaning in info.flags.items():
        if meaning == flag:
            return None, float(number)
    with contextlib.suppress(ValueError):
        wanted = float(flag)
        if math.isfinite(wanted):
            return None, wanted
    message, near = did_you_mean(f"flag of {info.name!r}:", flag, (*info.flags.values(), *info.masks))
    raise InvalidValue(message, suggestions=near)


def values_of(aggregate: str, info: VariableInfo, whole: Weighted, in_time: FloatArray) -> FloatArray:
    """The aggregate of groups, or of cells, of their means and deviations."""
    with np.errstate(invalid="ignore", divide="ignore"):
        if go_round(info, aggregate):
            return of_vectors(aggregate, *whole.mean)
        if aggregate == "geo_avg":
            return np.asarray(np.exp(whole.mean[0]))
        if aggregate == "area_std":
            return np.asarray(np.sqrt(whole.m2[0] / whole.weight))
        if aggregate == "time_std":
            return np.asarray(np.sqrt(in_time[0] / whole.weight))
    return np.array(whole.mean[0])


@dataclass(frozen=True, eq=False)
class Climatology:
    """The mean of each cell in each part of the year, over a base period.

    Parameters
    ----------
    part : ndarray of int64, shape (times of the variable,)
        Which part of the year each step is of.
    mean : ndarray of float64, shape (parts, ny, nx)
        NaN where the base period has no value.
    years : ndarray of int64, shape (parts,)
        Years of the base period behind it, in the cell that has the fewest (and any).
    base : ndarray of int64
        The years of the base period.
    """

    part: IntArray
    mean: FloatArray
    years: IntArray
    base: IntArray

    @classmethod
    def of(
        cls, store: Store, selection: Selection, cells: Cells, by: str, base: tuple[int, int] | None, job: Job
    ) -> Climatology:
        """Read it: only the steps between the first and the last of the base period.

        Raises
        ------
        TooLarge
            When memory does not hold it.
        NoData
            When there is no base period.
        """
        variable = selection.variable
        periods = store.periods(variable, slice(0, len(variable.axis)))
        years = periods.base_years(base)
        groups = periods.group(by)
        shape = groups.size, *cells.shape
        if 20 * int(np.prod(shape, dtype=np.int64)) > _HELD:
            raise TooLarge(
                f"the climatology of {cells.count:,} cells by {by!r} takes more than the {_HELD // 2**20} MiB allowed; "
                "ask for a smaller box, or for a coarser climatology"
            )
        total, weight = np.zeros(shape), np.zeros(shape, dtype=np.float64)
        counted, last = np.zeros(shape, dtype=np.int16), np.full(shape, -1, dtype=np.int16)
        year, lengths = periods.dates[0], periods.usual_lengths
        used = np.flatnonzero(np.isin(year, years))
        for tile, values in store.tiles(selection, slice(int(used[0]), int(used[-1]) + 1), cells, job):
            there, data = ~missing_of(values), np.ma.getdata(values)
            for number, step in enumerate(range(tile.steps.start, tile.steps.stop)):
                if not np.isin(year[step], years):
                    continue
                at, seen = (groups.of[step], *cells.inside(tile.rows, tile.columns)), there[number]
                total[at] += np.where(seen, data[number] * lengths[step], 0.0)
                weight[at] += np.where(seen, lengths[step], 0.0)
                counted[at] += seen & (last[at] != year[step])
                last[at] = np.where(seen, year[step], last[at])
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(weight > 0, total / weight, np.nan)
        flat = np.where(counted > 0, counted, np.iinfo(np.int16).max).reshape(groups.size, -1).min(axis=1)
        fewest = np.where((counted > 0).reshape(groups.size, -1).any(axis=1), flat, 0)
        return cls(groups.of, mean, fewest.astype(np.int64), years)

    def off(self, tiles: Tiles, cells: Cells) -> Tiles:
        """Anomalies of values."""
        for tile, values in tiles:
            filled = np.array(np.ma.getdata(values), dtype=np.float64)
            np.copyto(filled, np.nan, where=missing_of(values))
            yield tile, filled - self.mean[(self.part[tile.steps], *cells.inside(tile.rows, tile.columns))]


def pooled(tiles: Tiles) -> Moments:
    """Moments of each step over its cells, each value alike."""
    done: list[Moments] = []
    steps: slice | None = None
    for tile, values in tiles:
        made = Moments.of(values.reshape(len(values), -1), axis=1)
        if tile.steps == steps:
            done[-1] = done[-1] + made
        else:
            done.append(made)
        steps = tile.steps
    return Moments.join(done)


def percentiles(tiles: Tiles, groups: Groups, first: int, percent: int) -> tuple[FloatArray, IntArray, IntArray]:
    """A percentile of all values of each group, between values in proportion; counts of values, and of each step.

    Raises
    ------
    TooLarge
        When the values that have to be held are too many.
    """
    last_step = np.full(groups.size, -1)
    last_step[groups.of[groups.of >= 0]] = np.flatnonzero(groups.of >= 0)
    held: dict[int, list[FloatArray]] = {}
    nbytes, counts = 0, np.zeros(groups.of.size, dtype=np.int64)
    found = np.full(groups.size, np.nan)
    for tile, values in tiles:
        there, data = ~missing_of(values), np.ma.getdata(values)
        for number, step in enumerate(range(tile.steps.start - first, tile.steps.stop - first)):
            valid = data[number][there[number]].astype(np.float64)
            counts[step] += valid.size
            group = int(groups.of[step])
            if group >= 0:
                held.setdefault(group, []).append(valid)
                nbytes += valid.nbytes
        if nbytes > _HELD:
            raise TooLarge(
                f"percentiles hold all values of a group, more than the {_HELD // 2**20} MiB allowed; ask for a "
                "smaller box, a shorter lapse or smaller groups"
            )
        # Bands of the last steps may still come, so what is whole ends before this tile.
        for group in [group for group in held if last_step[group] < tile.steps.start - first]:
            nbytes -= _settle(found, held, group, percent)
    for group in list(held):
        _settle(found, held, group, percent)
    inside = groups.of >= 0
    return found, np.bincount(groups.of[inside], counts[inside], groups.size).astype(np.int64), counts


def _settle(found: FloatArray, held: dict[int, list[FloatArray]], group: int, percent: int) -> int:
    values = np.concatenate(held.pop(group))
    if values.size:
        found[group] = np.percentile(values, percent)
    return values.nbytes


def lapse_values(
    store: Store, selection: Selection, steps: slice, cells: Cells, aggregate: str, job: Job
) -> FloatArray:
    """An aggregate of each cell over the steps, those by area weighted by the steps' length; shape `cells.shape`.

    The array may be one that is remembered: it is not for writing to.

    Raises
    ------
    TooLarge
        When the steps of one row are too many to be held for a percentile.
    """
    info = selection.variable.info
    if aggregate in AGGREGATES and not go_round(info, aggregate):
        return store.per_cell(selection, steps, cells, job).aggregate(aggregate)
    percent = percent_of(aggregate)
    if percent is not None:
        return _percentile_map(store, selection, steps, cells, percent, job)
    lengths = np.ones(steps.stop - steps.start)
    if is_by_area(aggregate):
        lengths = store.periods(selection.variable, steps).lengths
    parts = parts_of(info, aggregate)
    whole: dict[tuple[int, int], Weighted] = {}
    places: dict[tuple[int, int], tuple[slice, slice]] = {}
    for tile, values in store.tiles(selection, steps, cells, job):
        filled = np.array(np.ma.getdata(values), dtype=np.float64)
        np.copyto(filled, np.nan, where=missing_of(values))
        made = parts(filled)
        # Steps stand where cells do elsewhere: (k, cells, steps).
        turned = made.reshape(len(made), made.shape[1], -1).transpose(0, 2, 1)[..., None]
        length = lengths[tile.steps.start - steps.start : tile.steps.stop - steps.start]
        part = Weighted.of(turned, length[:, None])
        place = tile.rows.start, tile.columns.start
        places[place] = cells.inside(tile.rows, tile.columns)
        whole[place] = whole[place] + part if place in whole else part
    wanted = "area_std" if aggregate == "time_std" else aggregate
    found = np.full(cells.shape, np.nan)
    for place, weighed in whole.items():
        part_of = found[places[place]]
        part_of[...] = values_of(wanted, info, weighed, weighed.m2).reshape(part_of.shape)
    return found


def weighting_of(store: Store, variable: Variable, steps: slice, aggregate: str) -> str:
    """How times weigh in an aggregate of each cell, in words; empty where nothing is weighed."""
    if aggregate in ("latest", "min", "max", "count"):
        return ""
    how = store.periods(variable, steps).weighting if is_by_area(aggregate) else "every value alike"
    return f"mean of unit vectors; {how}" if go_round(variable.info, aggregate) else how


def _percentile_map(
    store: Store, selection: Selection, steps: slice, cells: Cells, percent: int, job: Job
) -> FloatArray:
    across = 8 * (steps.stop - steps.start) * cells.shape[1]
    height = max(_HELD // 4 // across, 1) * cells.row_step
    if across > _HELD:
        raise TooLarge(
            f"percentiles hold all values of a row of cells, {across // 2**20} MiB; ask for a shorter lapse or a "
            "smaller box"
        )
    rows = []
    for first in range(cells.rows.start, cells.rows.stop, height):
        band = cells.band(slice(first, min(first + height, cells.rows.stop)))
        stacked = np.empty((steps.stop - steps.start, *band.shape))
        for tile, block in store.tiles(selection, steps, band, job):
            inside = slice(tile.steps.start - steps.start, tile.steps.stop - steps.start)
            part = stacked[(inside, *band.inside(tile.rows, tile.columns))]
            np.copyto(part, np.ma.getdata(block))
            np.copyto(part, np.nan, where=missing_of(block))
        empty = np.isnan(stacked).all(axis=0)
        stacked[0, empty] = 0.0
        found = np.nanpercentile(stacked, percent, axis=0)
        rows.append(np.where(empty, np.nan, found))
    return np.concatenate(rows)


def nearest_valid(
    store: Store, selection: Selection, grid: Grid, point: Point, steps: slice, reach: float, job: Job
) -> tuple[Cells, tuple[float, float], float]:
    """The cell nearest to a position that has any value in some steps, its centre, and metres to it.

    Raises
    ------
    NoData
        When there is none within `reach` metres.
    """
    high = reach / _METRES + max(grid.cell_size)
    slim = np.cos(np.radians(min(abs(point.lat) + high, 89.9)))
    around = grid.inside(
        box_around(
            float(half_turn(point.lon - high / slim)),
            2 * high / slim,
            max(point.lat - high, -90.0),
            min(point.lat + high, 90.0),
        )
    )
    if around.count:
        lon, lat = grid.listed(around)
        away = np.asarray(distance(point.lon, point.lat, lon, lat))
        counts = around.flat(store.per_cell(selection, steps, around, job).count)
        away = np.where((counts > 0) & (away <= reach), away, np.inf)
        best = int(np.argmin(away))
        if np.isfinite(away[best]):
            kept = np.arange(around.shape[0] * around.shape[1]).reshape(around.shape)
            row, column = divmod(int(around.flat(kept)[best]), around.shape[1])
            row += around.rows.start
            cell = Cells(slice(row, row + 1), around.columns[column : column + 1])
            return cell, (float(lon[best]), float(lat[best])), float(away[best])
    raise NoData(f"no cell within {reach:g} m of {point.to_text()} has a value in this lapse")


def weighted_steps(
    store: Store,
    selection: Selection,
    steps: slice,
    cells: Cells,
    weights: FloatArray,
    aggregate: str,
    climatology: Climatology | None,
    key: Any,
    job: Job,
) -> Weighted:
    """Weighted statistics of each step over its cells, remembered."""
    parts: Callable[[FloatArray], FloatArray] = parts_of(selection.variable.info, aggregate)
    kind = aggregate if aggregate not in ("area_avg", "area_std", "time_std", "avg", "std") else "plain"

    is_made = kind != "plain" or go_round(selection.variable.info, aggregate)

    def read(some: slice, job: Job) -> Weighted:
        return store.swept(selection, some, cells, weighing(cells.rows.start, weights, parts), job)

    def make(job: Job) -> Weighted:
        if climatology is None:
            # Of the values themselves the codes of prepared data do.
            return read(steps, job) if is_made else store.weighed(selection, steps, cells, weights, read, job)
        tiles = climatology.off(store.tiles(selection, steps, cells, job), cells)
        return weighted(tiles, cells.rows.start, weights, parts)

    return store.weighted(selection, steps, cells, make, (kind, key), job)
