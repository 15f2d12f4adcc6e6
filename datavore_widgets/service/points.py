"""Places that are listed: the samples of tracks and profiles, and stations; and series that have no place.

Discrete sampling geometries of CF 9. A sample is a point: it reaches as far as a picture is asked to paint it, and a
position means the nearest one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol.geometry import GLOBAL, BBox
from datavore_widgets.service.axes import Horizontal, text_of
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.curvilinear import CurvilinearGrid
from datavore_widgets.service.decode import Packing, labels_from_times
from datavore_widgets.service.sphere import distance

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["REACH", "Nowhere", "Points", "Samples", "samples_of"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

REACH = 50_000.0
"""Metres within which a position means the nearest sample; the answer names how far it is."""

_SPACING = 1e-4
"""Radians (600 m) that a sample counts as, where a typical size is asked for."""


class Points(CurvilinearGrid):
    """A grid of places without an extent, in any order; see `CurvilinearGrid`.

    Made by `of`.
    """

    @classmethod
    def of(cls, lon: FloatArray, lat: FloatArray) -> Points:
        """The points at some places, NaN where there is none, shape (ny, nx).

        Raises
        ------
        InvalidValue
            When none has a place in degrees.
        """
        grid = CurvilinearGrid.from_centers(lon, lat, is_swath=True)
        return cls(grid.lon, grid.lat, grid.valid, (grid.key, "points"), is_swath=True)

    reach = 0.0

    def extents(self, cells: IntArray) -> FloatArray:
        """Of points: no degrees to a side, and their latitudes."""
        lat = self.lat.ravel()[cells]
        return np.stack([np.zeros_like(lat), np.zeros_like(lat), lat, lat])

    @cached_property
    def spacing(self) -> float:
        """Radians that a sample counts as."""
        return _SPACING

    @cached_property
    def cell_size(self) -> tuple[float, float]:
        """Nothing: samples are points."""
        return 0.0, 0.0

    def _found_touching(self, bbox: BBox) -> Cells:
        return self.inside(bbox)

    def at(self, lon: float, lat: float) -> tuple[int, int] | None:
        """Row and column of the sample nearest to a place, within `REACH`; of equally near ones the last."""
        away = np.where(self.valid, distance(lon, lat, self.lon, self.lat), np.inf)
        nearest = self.valid.size - 1 - int(np.argmin(away.ravel()[::-1]))
        if not away.flat[nearest] <= REACH:
            return None
        row, column = divmod(nearest, self.shape[1])
        return row, column

    def same(self, row: int, column: int) -> Cells:
        """All samples at the place of one: those of a profile, or of a station that is there again."""
        return self._cells(self.valid & (self.lon == self.lon[row, column]) & (self.lat == self.lat[row, column]))

    def part(self, cells: Cells) -> Points:
        """The points of some rows and columns; those that are not meant have no place."""
        if cells.shape == self.shape and cells.mask is None and (cells.columns.size == 0 or cells.columns[0] == 0):
            return self
        lon, lat = self.coordinates(cells)
        valid = self.valid[cells.read_rows].take(cells.read_columns, axis=1)
        if (kept := cells.kept) is not None:
            valid = valid & kept
        return Points(lon, lat, valid, (self.key, cells.key), is_swath=True)


class Nowhere:
    """The one cell of a series that has no place: only the whole earth holds it."""

    shape = (1, 1)
    key = "nowhere"
    is_swath = False
    is_smooth = False
    cell_size = (360.0, 180.0)
    bbox = GLOBAL

    def inside(self, bbox: BBox) -> Cells:
        """The cell, in a box of the whole earth."""
        return Cells.whole(self.shape) if bbox.is_whole_turn and bbox.height >= 170.0 else Cells.none()

    def touching(self, bbox: BBox) -> Cells:
        """As `inside`."""
        return self.inside(bbox)

    def around(self, bbox: BBox, margin: bool = False) -> Cells:  # noqa: ARG002  it has no neighbours
        """As `inside`."""
        return self.inside(bbox)

    def strides(self, cells: Cells, pixels: tuple[int, int]) -> tuple[int, int]:  # noqa: ARG002
        """Every one."""
        return 1, 1

    def at(self, lon: float, lat: float) -> tuple[int, int] | None:  # noqa: ARG002
        """None: it is not at any place."""
        return None

    def coordinates(self, cells: Cells) -> tuple[FloatArray, FloatArray]:
        """NaN: it has none."""
        return np.full(cells.shape, np.nan), np.full(cells.shape, np.nan)

    def listed(self, cells: Cells) -> tuple[FloatArray, FloatArray]:
        """NaN: it has none."""
        return np.full(cells.count, np.nan), np.full(cells.count, np.nan)

    def part(self, cells: Cells) -> Nowhere:  # noqa: ARG002
        """The same."""
        return self


@dataclass(frozen=True, eq=False)
class Samples:
    """The samples of a file that share places and times.

    Parameters
    ----------
    where : Horizontal
        With the dimensions along which they are listed.
    grid : Points
        Where they are.
    labels : ndarray of int64, shape (n,), optional
        When each was taken, along the rows of the grid; -1 where it is not told. None where all are of a time axis of
        the variable's own, or of no time.
    doubt : str
        Why their times are no times; empty where they are.
    """

    where: Horizontal
    grid: Points
    labels: IntArray | None
    calendar: str = "standard"
    doubt: str = ""


def samples_of(
    where: Horizontal,
    stored: Mapping[str, xr.Variable],
    kinds: Mapping[str, str | None],
    values_of: Callable[[str], NDArray[Any]],
) -> Samples:
    """The samples that some coordinates list.

    Places that stay while a time axis goes on are stations. Other samples have a time each where there is one along
    their dimensions, or one for each track, profile or station that they are of.

    Raises
    ------
    InvalidValue
        When none has a place, or lengths disagree.
    """
    lon, lat = (np.asarray(values_of(name), dtype=np.float64) for name in (where.lon, where.lat))
    if where.rows and stored[where.lat].dims != stored[where.lon].dims:
        lat = lat.T
    if where.rows and lon.ndim == 1:
        # A place for each profile, and several samples at each.
        shape = _size(stored, where.rows), _size(stored, where.columns)
        lon, lat = (np.broadcast_to(place[:, None], shape) for place in (lon, lat))
    still = _still(where, stored, kinds, lon, lat)
    if still is not None:
        axis = (where.rows, where.columns).index(still)
        lon, lat = (np.nanmax(place, axis=axis, initial=-np.inf) for place in (lon, lat))
        lon[~np.isfinite(lon)] = lat[~np.isfinite(lat)] = np.nan
        where = replace(where, columns=where.columns if axis == 0 else where.rows, rows="")
    owner = _owner(where, stored, values_of) if where.mapping else None
    if owner is not None:
        lon, lat = (np.where(owner < 0, np.nan, place[owner]) for place in (lon, lat))
    lon, lat = np.broadcast_arrays(lon, lat)
    if lon.ndim < 2:
        lon, lat = lon.reshape(1, -1), lat.reshape(1, -1)
    grid = Points.of(lon, lat)
    time = None if still is not None else _time(where, stored, kinds)
    if time is None:
        return Samples(where, grid, None)
    try:
        labels, calendar = _labels(np.asarray(stored[time].values), stored[time].attrs)
    except InvalidValue as error:
        return Samples(where, grid, None, doubt=f"the times {time!r} of its samples cannot be used: {error}")
    along = stored[time].dims
    if owner is not None and along != (where.columns,):
        labels = labels[owner]
    elif len(along) == 2:
        labels = labels if along == (where.rows, where.columns) else labels.T
    elif along == (where.rows,):
        labels = labels[:, None]
    return Samples(where, grid, np.broadcast_to(labels, grid.shape).reshape(-1), calendar)


def _still(
    where: Horizontal,
    stored: Mapping[str, xr.Variable],
    kinds: Mapping[str, str | None],
    lon: FloatArray,
    lat: FloatArray,
) -> str | None:
    """The time axis along which two-dimensional places stay the same; None if there is none such."""
    for axis, dim in enumerate((where.rows, where.columns)):
        if dim and dim in stored and kinds.get(dim) == "time" and stored[dim].dims == (dim,):
            with np.errstate(invalid="ignore"):
                spans = [np.fmax.reduce(place, axis=axis) - np.fmin.reduce(place, axis=axis) for place in (lon, lat)]
                if not any((span > 0).any() for span in spans):
                    return dim
    return None


def _size(stored: Mapping[str, xr.Variable], dim: str) -> int:
    return next(int(other.sizes[dim]) for other in stored.values() if dim in other.dims)


def _owner(where: Horizontal, stored: Mapping[str, xr.Variable], values_of: Callable[[str], NDArray[Any]]) -> IntArray:
    """The track, profile or station that each sample of a ragged array is of, -1 where it is not told."""
    told = stored[where.mapping]
    ragged = "sample_dimension" in told.attrs
    values = np.nan_to_num(np.asarray(values_of(where.mapping), dtype=np.float64), nan=0.0 if ragged else -1.0)
    numbers = values.astype(np.int64)
    size = _size(stored, where.columns)
    if not ragged:
        if numbers.size and not (numbers.min() >= -1 and numbers.max() < stored[where.lon].size):
            raise InvalidValue(f"{where.mapping!r} names what is not there")
        return numbers
    if (numbers < 0).any() or numbers.sum() != size:
        raise InvalidValue(f"{where.mapping!r} counts {numbers.sum()} samples, and there are {size}")
    return np.repeat(np.arange(numbers.size), numbers)


def _time(where: Horizontal, stored: Mapping[str, xr.Variable], kinds: Mapping[str, str | None]) -> str | None:
    """The variable that tells the times of samples: one for each, or for each that they are of."""
    over = {where.rows, where.columns} - {""}
    places = set(map(str, stored[where.lon].dims))
    times = [name for name, kind in kinds.items() if kind == "time" and stored[name].ndim > 0]
    for dims in (over, places):
        found = [name for name in times if dims and set(map(str, stored[name].dims)) <= dims]
        plain = [name for name in found if text_of(stored[name], "standard_name") == "time" or name == "time"]
        if plain or found:
            return (plain or found)[0]
    return None


def _labels(values: NDArray[Any], attrs: Mapping[str, Any]) -> tuple[IntArray, str]:
    """Labels of times of which some may be missing: -1."""
    if values.dtype.kind == "M":
        there = ~np.isnat(values)
    elif values.dtype.kind in "iuf":
        numbers = Packing.of(values.dtype, attrs).decode(values)
        there = ~np.ma.getmaskarray(numbers) & np.isfinite(np.ma.getdata(numbers))
    else:
        there = np.ones(values.shape, dtype=bool)
    labels = np.full(values.shape, -1, dtype=np.int64)
    labels[there], calendar = labels_from_times(values[there], attrs)
    return labels, calendar
