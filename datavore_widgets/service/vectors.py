"""Speed and direction of vectors that are stored as two components, and their eastward and northward parts.

Components along the axes of a curvilinear grid are turned to east and north, by where the cells of the grid lie.
Components that are stored on the sides of the cells (Arakawa's C grid) are averaged to the middle of the cells first.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.protocol.answers import VariableInfo
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.job import Job
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.curvilinear import CurvilinearGrid
from datavore_widgets.service.grid import Grid, RectilinearGrid
from datavore_widgets.service.index import Variable
from datavore_widgets.service.sphere import cross, degrees_of, vectors_of

__all__ = ["Vector", "with_derived"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
What = Literal["speed", "direction", "eastward", "northward"]

_TWINS = {
    "vozocrtx": "vomecrty",
    "sozocrtx": "somecrty",
    "sozotaux": "sometauy",
    "uwnd": "vwnd",
    "vsdx": "vsdy",
    "water_u": "water_v",
    "wind_u": "wind_v",
    "tauuo": "tauvo",
    "tauu": "tauv",
}
"""Components of the best-known models whose names do not differ by `u` and `v` at their beginning."""

_EARTH = re.compile(r"eastward|northward|zonal|meridional|east-west|north-south")
_WIND = re.compile(r"\bwind|^u10|^10u|^uas|^uwnd|^u_?wind|_wind")
_TOGETHER = 0.05
"""Part of a cell by which the middles of two sides may be apart and still be of one cell."""


def _pairs(variables: Mapping[str, Variable]) -> Iterator[tuple[Variable, Variable]]:
    """The variables that are the two components of a vector, the first one to the east or along the rows.

    By CF's standard names, then by the names that differ in `u` and `v` (and those of the best-known models); units,
    times and further dimensions agree.
    """
    for name, u in variables.items():
        twin = next((variables[other] for other in _twins(name, u, variables) if other in variables), None)
        if twin is not None and _agree(u, twin):
            yield u, twin


def _twins(name: str, u: Variable, variables: Mapping[str, Variable]) -> Iterator[str]:
    """Names of what may be the second component to a first one."""
    standard = u.info.standard_name
    second = standard.replace("eastward", "northward").replace("_x_", "_y_")
    second = re.sub(r"^x_", "y_", second)
    if second != standard:
        yield from (other for other, variable in variables.items() if variable.info.standard_name == second)
        return
    if standard and not standard.startswith(("sea_water", "wind")):
        return
    if name in _TWINS:
        yield _TWINS[name]
    # `u`, `uo`, `u10`, `ubar`, `ugos`, `U10M`, `ssu`, `10u`: exactly one `u` stands where the other has a `v`.
    if re.fullmatch(r"(ss|10|100|water_|surf_)?[uU](\d+[mM]?|o|as|bar|gos|gosa|surf|vel|_.*|wind|total|comp)?", name):
        place = re.search(r"[uU]", name)
        if place is not None:
            letter = "v" if name[place.start()] == "u" else "V"
            yield name[: place.start()] + letter + name[place.end() :].replace("_u", "_v")


def _agree(u: Variable, v: Variable) -> bool:
    return (
        u.info.units == v.info.units
        and u.axis == v.axis
        and [(dim.name, dim.values) for dim in u.dims] == [(dim.name, dim.values) for dim in v.dims]
        and u.info.kind == v.info.kind
        and u.info.kind in ("continuous", "anomaly")
        # Samples of tracks are listed by time; a series without a place has no axes.
        and type(u) is Variable
        and type(v) is Variable
        and u.info.geometry != "none"
    )


def _derived(u: Variable, v: Variable) -> list[Vector]:
    """What two components make: speed, direction, and where they are not those themselves the parts to east and north.

    Nothing where they lie on cells that have nothing to do with one another.
    """
    if u.cells_key == v.cells_key:
        place: Grid | None = None if u.moves else u.grid
        shift = None
    else:
        shift = None if u.moves or v.moves else _shift(u.grid, v.grid)
        if shift is None:
            return []
        place = _middles(u.grid, v.grid, shift)
    words = f"{u.info.standard_name} {u.info.long_name} {v.info.standard_name} {v.info.long_name}".lower()
    turned = isinstance(place, CurvilinearGrid) and not place.is_swath and not _EARTH.search(words)
    kinds: tuple[What, ...] = (
        "speed",
        "direction",
        *(("eastward", "northward") if turned or shift is not None else ()),
    )
    return [Vector.of(what, u, v, shift, place, turned) for what in kinds]


@dataclass(frozen=True, eq=False)
class Vector(Variable):
    """A quantity that is made of two components when it is read.

    Made by `of`.

    Parameters
    ----------
    u, v : Variable
        The components.
    what : {'speed', 'direction', 'eastward', 'northward'}
        What is made of them.
    shift : (int, int), optional
        Rows and columns by which the middles between two rows of `v` lie from those between two columns of `u`; None
        where both lie on the same cells.
    place : Grid, optional
        Where the cells lie; None where that is where those of `u` do at each time.
    turned : bool
        Whether the components are along the axes of the grid.
    is_from : bool
        Whether the direction is that from which it comes, as that of wind, and not that to which it goes.
    """

    u: Variable
    v: Variable
    what: What
    shift: tuple[int, int] | None
    place: Grid | None
    turned: bool
    is_from: bool

    @classmethod
    def of(
        cls, what: What, u: Variable, v: Variable, shift: tuple[int, int] | None, place: Grid | None, turned: bool
    ) -> Vector:
        """What two components make, named after them."""
        words = f"{u.name} {u.info.standard_name} {u.info.long_name}".lower()
        is_wind = bool(_WIND.search(words))
        is_flow = bool(re.search(r"velocity|current|sea_water|\buo\b", words)) and not is_wind
        how = f"from {u.name} and {v.name}"
        how += ", averaged to the middle of the cells" if shift is not None else ""
        how += ", turned from the axes of the grid to east and north" if turned else ""
        standard, long_name = "", what.capitalize()
        if what == "speed":
            standard = "wind_speed" if is_wind else "sea_water_speed" if is_flow else ""
        elif what == "direction":
            standard = "wind_from_direction" if is_wind else "sea_water_velocity_to_direction" if is_flow else ""
            long_name = f"Direction {'from' if is_wind else 'to'} which it {'comes' if is_wind else 'goes'}"
        else:
            standard = f"{what}_wind" if is_wind else f"{what}_sea_water_velocity" if is_flow else ""
        info = VariableInfo(
            name=f"{what}_of_{u.name}_{v.name}",
            long_name=f"{long_name}, derived {how}",
            units="degree" if what == "direction" else u.info.units,
            standard_name=standard,
            dims=u.info.dims,
            kind="direction" if what == "direction" else "continuous",
            geometry=u.info.geometry,
            start_filters=u.info.start_filters,
            derived=how,
        )
        return cls(
            name=info.name,
            info=info,
            axis=u.axis,
            dtype=np.result_type(u.dtype, v.dtype, np.float32),
            dims=u.dims,
            pieces=u.pieces,
            piece_of=u.piece_of,
            place_of=u.place_of,
            u=u,
            v=v,
            what=what,
            shift=shift,
            place=place,
            turned=turned,
            is_from=is_wind,
        )

    @property
    def grid(self) -> Grid:
        """Where its cells lie; of one that `moves`, where those of its first file do."""
        return self.u.grid if self.place is None else self.place

    def grid_at(self, step: int | None) -> Grid:
        """Where its cells lie at a step."""
        return self.u.grid_at(step) if self.place is None else self.place

    @property
    def cells_key(self) -> Hashable:
        """Equal for variables on the same cells."""
        return self.u.cells_key if self.shift is None else self.grid.key

    @property
    def bbox(self) -> BBox:
        """The box around its cells at all times."""
        return self.u.bbox if self.place is None else self.place.bbox

    @property
    def parts(self) -> tuple[Variable, ...]:
        """The components."""
        return self.u, self.v

    def fingerprints(self, steps: slice | int | None) -> tuple[Hashable, ...]:
        """What changes when a file that some steps are read from does."""
        return self.u.fingerprints(steps) + self.v.fingerprints(steps)

    def read(
        self,
        steps: slice | int | None,
        at: tuple[int, ...],
        rows: slice,
        columns: IntArray,
        job: Job | None = None,
    ) -> NDArray[Any]:
        """What the components make in a window; missing where either is. For the parameters see `Variable.read`."""
        rows = slice(*rows.indices(self.grid_at(steps if isinstance(steps, int) else None).shape[0]))
        if self.shift is None:
            u, v = (_floats(part.read(steps, at, rows, columns, job)) for part in (self.u, self.v))
        else:
            first_row, first_column = self._first
            along = _moved(rows, first_row[0]), columns + first_column[0]
            across = _moved(rows, first_row[1]), columns + first_column[1]
            u = _between(*(_floats(self.u.read(steps, at, along[0], along[1] + more, job)) for more in (0, 1)))
            v = _between(*(_floats(self.v.read(steps, at, _moved(across[0], more), across[1], job)) for more in (0, 1)))
        if self.turned:
            east, north = (part[rows].take(columns, axis=1) for part in self._directions)
            # The second axis is a quarter turn to the left of the first.
            u, v = u * east - v * north, u * north + v * east
        return self._made(u, v).astype(self.dtype, copy=False)

    @property
    def _first(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """First row of each component, and first column of each, of the cells that both have."""
        down, right = self.shift or (0, 0)
        return (max(-down, 0), max(down, 0)), (max(-right, 0), max(right, 0))

    def _made(self, u: FloatArray, v: FloatArray) -> FloatArray:
        if self.what == "eastward":
            return u
        if self.what == "northward":
            return v
        if self.what == "speed":
            return np.hypot(u, v)
        # Clockwise from north.
        degrees = np.degrees(np.arctan2(-u, -v) if self.is_from else np.arctan2(u, v)) % 360.0
        return np.where(np.hypot(u, v) > 0, degrees, np.nan)

    @cached_property
    def _directions(self) -> tuple[FloatArray, FloatArray]:
        """East and north part of a step along the rows at each cell."""
        grid = self.grid
        lon, lat = grid.coordinates(Cells.whole(grid.shape))
        places = vectors_of(lon, lat)
        # From the neighbour before to the one behind, or where there is none from or to the cell itself.
        before = np.concatenate([places[:, :, :1], places[:, :, :-1]], axis=2)
        behind = np.concatenate([places[:, :, 1:], places[:, :, -1:]], axis=2)
        before, behind = (np.where(np.isfinite(side), side, places) for side in (before, behind))
        step = behind - before
        axis = np.zeros_like(places)
        axis[2] = 1.0
        east = cross(axis, places)
        north = cross(places, east)
        parts = np.stack([(step * east).sum(axis=0), (step * north).sum(axis=0)])
        with np.errstate(invalid="ignore", divide="ignore"):
            parts /= np.sqrt((parts**2).sum(axis=0))
        return parts[0], parts[1]


def _floats(values: NDArray[Any]) -> FloatArray:
    return np.asarray(np.ma.filled(np.ma.asarray(values).astype(np.float64), np.nan))


def _moved(rows: slice, by: int) -> slice:
    return slice(rows.start + by, rows.stop + by, rows.step)


def _between(one: FloatArray, other: FloatArray) -> FloatArray:
    """The mean of what flows through two sides of a cell: nothing through a side where there is no value, a coast.

    Missing where neither side has one.
    """
    mean = (np.nan_to_num(one) + np.nan_to_num(other)) / 2
    return np.where(np.isnan(one) & np.isnan(other), np.nan, mean)


def _sides(u: Grid, v: Grid) -> tuple[FloatArray, FloatArray, float]:
    """The middles between columns of one grid and between rows of another, shape (3, ny, nx), and a cell's size."""
    first, second = (vectors_of(*_places(grid)) for grid in (u, v))
    along, across = first[:, :, 1:] + first[:, :, :-1], second[:, 1:] + second[:, :-1]
    step = np.sqrt(((first[:, :, 1:] - first[:, :, :-1]) ** 2).sum(axis=0))
    return along, across, float(np.nanmedian(step))


def _places(grid: Grid) -> tuple[FloatArray, FloatArray]:
    lon, lat = grid.coordinates(Cells.whole(grid.shape))
    if lon.ndim == 2:
        return lon, lat
    square = np.meshgrid(lon, lat)
    return square[0], square[1]


def _shift(u: Grid, v: Grid) -> tuple[int, int] | None:
    """By how many rows and columns the middles between sides of the two grids coincide; None where they do not."""
    if type(u) is not type(v) or min(*u.shape, *v.shape) < 3:
        return None
    along, across, size = _sides(u, v)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            one, other = _overlap(along, across, (down, right))
            if min(one.shape[1:]) == 0:
                continue
            with np.errstate(invalid="ignore"):
                apart = np.sqrt(((_unit(one) - _unit(other)) ** 2).sum(axis=0))
            if np.nanmedian(apart) <= _TOGETHER * size:
                return down, right
    return None


def _unit(vectors: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(vectors / np.sqrt((vectors**2).sum(axis=0)))


def _overlap(along: FloatArray, across: FloatArray, shift: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """The parts of both that are of the same cells: row r, column c of the one is r + down, c + right of the other."""
    down, right = shift
    one = along[:, max(-down, 0) :, max(-right, 0) :]
    other = across[:, max(down, 0) :, max(right, 0) :]
    ny, nx = min(one.shape[1], other.shape[1]), min(one.shape[2], other.shape[2])
    return one[:, :ny, :nx], other[:, :ny, :nx]


def _middles(u: Grid, v: Grid, shift: tuple[int, int]) -> Grid:
    """The grid of the cells that both components are of."""
    along, across, _ = _sides(u, v)
    one, other = _overlap(along, across, shift)
    lon, lat = degrees_of(one)
    if isinstance(u, RectilinearGrid):
        return RectilinearGrid.from_centers(lon[0], lat[:, 0])
    # Land may have no place on one of the grids.
    other_lon, other_lat = degrees_of(other)
    there = np.isfinite(lon)
    return CurvilinearGrid.from_centers(np.where(there, lon, other_lon), np.where(there, lat, other_lat))


def with_derived(variables: Mapping[str, Variable]) -> dict[str, Variable]:
    """The variables, and behind them what is derived of those that are the components of a vector.

    All that belong to a vector tell which are its parts to the east and to the north.
    """
    found = dict(variables)
    for u, v in _pairs(variables):
        made = _derived(u, v)
        parts = {each.what: each.name for each in made}
        vector = parts.get("eastward", u.name), parts.get("northward", v.name)
        for variable in (u, v, *made) if made else ():
            if variable in (u, v) or variable.name not in variables:
                found[variable.name] = replace(variable, info=replace(variable.info, vector=vector))
    return found
