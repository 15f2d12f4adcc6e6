"""What one file holds: its variables, where they lie, and when. No data variable is read."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol.answers import VariableInfo
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.masks import is_masked
from datavore_widgets.protocol.times import iso
from datavore_widgets.service import advice
from datavore_widgets.service.axes import (
    FEATURES,
    Horizontal,
    coordinate_names,
    horizontal,
    in_degrees,
    is_swath,
    is_vertical,
    kind_of,
    text_of,
)
from datavore_widgets.service.curvilinear import CurvilinearGrid
from datavore_widgets.service.decode import (
    Packing,
    combined,
    flag_masks,
    flag_meanings,
    is_time_unit,
    labels_from_times,
)
from datavore_widgets.service.files import Contents, Source, read_variable
from datavore_widgets.service.geolocation import Geolocation
from datavore_widgets.service.grid import Grid, RectilinearGrid
from datavore_widgets.service.measures import areas_of
from datavore_widgets.service.points import Nowhere, Samples, samples_of

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Dim", "Found", "Granule", "Layout", "look", "names_dates", "scan", "short_text"]

_LONGEST_AXIS = 2**22
"""Coordinates that are longer are not read: a small file can declare any size."""
_MOST_CELLS = 2**25
"""Likewise for two-dimensional coordinates."""
_LONGEST_DIM = 10_000
_TEXT = 300
_YEARS = {"year", "season_year"}
_WITHIN_YEARS = {"season", "month", "month_number", "day", "day_of_month", "day_of_year", "hour"}
"""Parts of dates, as programs that group by them call them."""
_DIRECTION = re.compile(r"direction\b|_direction|dir\b|\bmwd\b|\bvmdr|azimuth")
_OF_DIRECTIONS = re.compile(r"spread|width|variance|spectr|difference|error|deviation")
"""What is in degrees too, and goes no way round."""


@dataclass(frozen=True)
class Dim:
    """A further dimension, such as depth or member.

    Parameters
    ----------
    name : str
        As in the file.
    values : tuple
        Its coordinate, numbers or words; positions from 0 on where it has none.
    units : str
        Of the values.
    default : int
        The position taken when nothing is asked; answers name it.
    """

    name: str
    values: tuple[float, ...] | tuple[str, ...]
    units: str = ""
    default: int = 0


@dataclass(frozen=True)
class Layout:
    """Where a variable of a file has its time, rows, columns and further dimensions.

    Parameters
    ----------
    lon, lat : str, optional
        Dimensions of the columns and the rows; None where there is one column or one row, without a dimension.
    time : str, optional
        Dimension of the steps; None where the file holds one time or none.
    others : tuple of str
        Further dimensions, in the order of `Variable.dims`.
    chunk : tuple of int
        Steps, rows and columns that are stored together.
    is_chunked : bool
        Whether they have to be decoded together too; else any part can be read by itself.
    """

    lon: str | None
    lat: str | None
    time: str | None
    others: tuple[str, ...] = ()
    chunk: tuple[int, int, int] = (1, 1, 1)
    is_chunked: bool = False


@dataclass(frozen=True, eq=False)
class Found:
    """A variable of one file.

    Parameters
    ----------
    place : RectilinearGrid, CurvilinearGrid or Geolocation
        Where its cells lie, or where to read that of a swath.
    labels : ndarray of int64
        Its times, in the order of the file; empty where it has none. Of a swath the first alone, whatever times its
        samples have.
    signature : tuple
        Equal for variables that can be joined along time.
    sample_time : str, optional
        The variable that tells when each sample was taken (see `service.sampletimes`).
    level : str, optional
        For samples of a track: the variable that tells how deep or high each was taken.
    bounds : ndarray of int64, shape (n, 2), optional
        Labels of the bounds of its times.
    is_climatology : bool
        Whether these are bounds of a climatology, over several years.
    """

    info: VariableInfo
    layout: Layout
    place: Grid | Geolocation
    labels: NDArray[np.int64]
    calendar: str
    dims: tuple[Dim, ...]
    dtype: np.dtype[Any]
    signature: tuple[Any, ...]
    sample_time: str | None = None
    level: str | None = None
    bounds: NDArray[np.int64] | None = None
    is_climatology: bool = False

    @property
    def grid(self) -> Grid:
        """Where its cells lie; that of a swath may have to be read again."""
        return self.place.grid() if isinstance(self.place, Geolocation) else self.place

    def is_like(self, other: Found) -> bool:
        """Whether it has the same cells, times, type and layout."""
        return (
            self.signature == other.signature
            and self.place.key == other.place.key
            and np.array_equal(self.labels, other.labels)
            and self.dtype == other.dtype
            and (self.layout.lon, self.layout.lat, self.layout.time, self.layout.others)
            == (other.layout.lon, other.layout.lat, other.layout.time, other.layout.others)
        )


@dataclass(frozen=True, eq=False)
class Granule:
    """What one file holds.

    Parameters
    ----------
    variables : mapping of str to Found
        Those that can be shown.
    refused, doubtful : mapping of str to str
        The others, and what is doubtful of those that can be shown: by name, each with the reason.
    """

    source: Source
    fingerprint: Hashable
    title: str
    variables: Mapping[str, Found]
    refused: Mapping[str, str]
    doubtful: Mapping[str, str] = field(default_factory=dict)

    @property
    def signature(self) -> tuple[Any, ...]:
        """Equal for files that can be joined along time."""
        return tuple((name, found.signature) for name, found in sorted(self.variables.items()))

    @property
    def name(self) -> str:
        """The path; empty in memory."""
        return self.source.name

    @property
    def names(self) -> Iterable[str]:
        """Names of the variables."""
        return self.variables

    @property
    def product(self) -> Hashable:
        """Equal for files that have everything in common but their times and places: here for none."""
        return id(self)

    @property
    def times(self) -> Iterable[NDArray[np.int64]]:
        """Times of all variables."""
        return (found.labels for found in self.variables.values())

    def slot(self, name: str) -> Hashable:
        """Equal for variables of a product that have their times and places in common: here for none."""
        return id(self), name

    def place_slot(self, name: str) -> int | None:  # noqa: ARG002
        """Which of the remembered places is a variable's: here none is remembered."""
        return None

    def bounds(self, name: str) -> NDArray[np.int64] | None:
        """Bounds of the times of a variable."""
        return self.variables[name].bounds

    def labels(self, name: str) -> NDArray[np.int64]:
        """Times of a variable."""
        return self.variables[name].labels

    def place_of(self, name: str) -> tuple[Hashable, BBox]:
        """Key and extent of a variable's place."""
        place = self.variables[name].place
        return place.key, place.bbox

    def found(self, name: str) -> Found:
        """A variable."""
        return self.variables[name]


def short_text(value: Any) -> str:
    """A text attribute, on one line and bounded; it is escaped where it is shown."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        value = "" if value is None else str(value)
    text = " ".join(value.split())
    return text if len(text) <= _TEXT else text[: _TEXT - 1] + "…"


def scan(source: Source) -> Granule:
    """What a file holds.

    Raises
    ------
    Unreadable
        When it cannot be read.
    """
    fingerprint = source.fingerprint()
    with source.contents() as contents:
        return look(source, fingerprint, contents)


def look(source: Source, fingerprint: Hashable, contents: Contents) -> Granule:
    """What a file holds, by its contents."""
    found = _Scan(source, fingerprint, contents)
    variables, refused = found.variables()
    return Granule(source, fingerprint, short_text(contents.attrs.get("title")), variables, refused, found.doubtful)


class _Scan:
    """One look at one file; what its variables share is read once."""

    def __init__(self, source: Source, fingerprint: Hashable, contents: Contents) -> None:
        self.source = source
        self.fingerprint = fingerprint
        self.contents = contents
        self.stored = contents.variables
        self.kinds = {name: kind_of(name, variable) for name, variable in self.stored.items() if variable.ndim <= 2}
        self._places: dict[Horizontal, Grid | Geolocation] = {}
        self._times: dict[str, tuple[NDArray[np.int64], str]] = {}
        self._dims: dict[str, Dim] = {}
        self._listed: dict[Horizontal, Samples] = {}
        self.doubtful: dict[str, str] = {}

    def variables(self) -> tuple[dict[str, Found], dict[str, str]]:
        """Variables that can be shown, and the others with the reason."""
        variables: dict[str, Found] = {}
        refused: dict[str, str] = {}
        helpers = self._helpers()
        for name, variable in self.stored.items():
            if name in helpers or variable.ndim == 0:
                continue
            try:
                variables[name] = self._found(name, variable)
            except InvalidValue as error:
                refused[name] = str(error)
        return variables, refused or ({} if variables else self._bare_times())

    def _bare_times(self) -> dict[str, str]:
        """The time axes of a file that has nothing else, with what can be said of them."""
        told = {}
        for name, kind in self.kinds.items():
            if kind == "time" and self.stored[name].dims == (name,):
                with contextlib.suppress(InvalidValue):
                    labels, calendar = self._labels(name)
                    ends = f"from {iso(int(labels[0]))} to {iso(int(labels[-1]))}, " if labels.size else ""
                    told[name] = f"{labels.size} times {ends}calendar {calendar}, and nothing that is measured at them"
        return told

    def _helpers(self) -> set[str]:
        """Names of the variables that describe others: coordinates, bounds, grid mappings."""
        names = set(self.contents.coordinates)
        names |= {str(dim) for variable in self.stored.values() for dim in variable.dims}
        names |= {name for name, kind in self.kinds.items() if kind is not None}
        for variable in self.stored.values():
            names.update(coordinate_names(variable))
            for word in ("bounds", "climatology", "grid_mapping"):
                names.update(text_of(variable, word).replace(":", " ").split())
        names |= {
            name
            for name, variable in self.stored.items()
            if variable.attrs.keys() & {"cf_role", "sample_dimension", "instance_dimension"}
        }
        # The depth of each sample is no axis: it is told, and filtered by, like any other of its values.
        return names - {name for name in names if self._is_of_samples(name)}

    def _is_of_samples(self, name: str) -> bool:
        """Whether a coordinate has a value for each sample of tracks or profiles, other than its place and time."""
        variable = self.stored.get(name)
        if variable is None or variable.ndim == 0 or name in variable.dims or self.kinds.get(name) is not None:
            return False
        feature = str(self.contents.attrs.get("featureType", "")).lower()
        return feature in FEATURES and is_vertical(variable)

    def _found(self, name: str, variable: xr.Variable) -> Found:
        if variable.dtype.kind not in "iufb":
            raise InvalidValue(f"its values are no numbers but {variable.dtype}")
        if 0 in variable.shape:
            empty = variable.dims[variable.shape.index(0)]
            raise InvalidValue(f"it has no values yet: its dimension {empty!r} has no positions")
        where = horizontal(self.stored, self.kinds, variable, self.contents.attrs)
        if self._has_corners(where):
            where = replace(where, kind="cells")
        samples = self._samples(where) if where.kind == "points" else None
        if samples is not None:
            where = samples.where
            if samples.doubt:
                self.doubtful[name] = samples.doubt
        place = self._place(where) if samples is None else samples.grid
        taken = {where.columns, where.rows} - {""}
        if samples is not None and samples.labels is not None:
            labels, calendar, time_dim = samples.labels, samples.calendar, None
        else:
            labels, calendar, time_dim = self._times_of(name, variable, taken)
        rest = [str(dim) for dim in variable.dims if dim not in taken and dim != time_dim]
        dims = tuple(self._dim(dim, variable) for dim in rest)
        chunks, is_chunked = self._chunks(variable)
        chunk = (chunks.get(time_dim or "", 1), chunks.get(where.rows, 1), chunks.get(where.columns, 1))
        layout = Layout(where.columns or None, where.rows or None, time_dim, tuple(rest), chunk, is_chunked)
        packing = Packing.of(variable.dtype, variable.attrs, variable.encoding)
        is_swath, is_track = isinstance(place, Geolocation), samples is not None and samples.labels is not None
        info = replace(
            _info(name, variable, packing.dtype, dims),
            geometry=_geometry(where, is_swath=is_swath, is_track=is_track),
            start_filters=advice.start_filters(name, variable, self.stored, self.contents.attrs),
            corrections=advice.corrections(name, variable, self.stored),
        )
        # Granules of a swath are one index, each with places of its own; so are files of tracks.
        moves = is_track or (is_swath and labels.size == 1)
        signature = (
            info.units,
            tuple((dim.name, dim.values) for dim in dims),
            (info.geometry, where) if moves else place.key,
            calendar if labels.size else None,
        )
        when = None
        if labels.size and not is_track and where.rows:
            when = advice.sample_time(self.kinds, self.stored, where.rows, where.columns)
        level = self._level_of(name, variable) if is_track else None
        bounds, is_climatology = (None, False) if is_track else self._time_bounds(labels, calendar)
        if bounds is not None:
            info = replace(info, time_method=_time_method(variable))
        return Found(
            info,
            layout,
            place,
            labels,
            calendar,
            dims,
            packing.dtype,
            signature,
            when,
            level,
            bounds=bounds,
            is_climatology=is_climatology,
        )

    def _time_bounds(self, labels: NDArray[np.int64], calendar: str) -> tuple[NDArray[np.int64] | None, bool]:
        """The bounds of a variable's times (CF 7.1, 7.4), and whether they are those of a climatology.

        None where there are none, or where some are missing, have no length, or do not hold their times.
        """
        time = next((name for name in self._times if np.array_equal(self._times[name][0], labels)), None)
        if time is None or not labels.size:
            return None, False
        stored = self.stored[time]
        for word in ("climatology", "bounds"):
            found = self.stored.get(text_of(stored, word))
            if found is None or found.shape != (*stored.shape, 2):
                continue
            # Bounds need no units of their own: those of their coordinate are meant.
            attrs = {**found.attrs, **{key: stored.attrs[key] for key in ("units", "calendar") if key in stored.attrs}}
            try:
                bounds, own = labels_from_times(np.asarray(found.values), attrs)
            except InvalidValue:
                continue
            bounds = bounds.reshape(-1, 2)
            good = own == calendar and bool((bounds[:, 0] < bounds[:, 1]).all())
            if good and ((bounds[:, 0] <= labels) & (labels <= bounds[:, 1])).all():
                return bounds, word == "climatology"
        return None, False

    def _has_corners(self, where: Horizontal) -> bool:
        """Whether places that are listed are those of cells, each with three or more corners around it."""
        if where.kind != "points" or where.rows or where.mapping or not where.columns:
            return False
        bounds = [self._bounds_of(name, 2) for name in (where.lon, where.lat)]
        return all(name is not None and self.stored[name].shape[-1] >= 3 for name in bounds)

    def _times_of(self, name: str, variable: xr.Variable, taken: set[str]) -> tuple[NDArray[np.int64], str, str | None]:
        """The labels of a variable's times, their calendar, and the dimension along which they are.

        Times that cannot be dated are no times, but positions of a further dimension, with the numbers there are.
        """
        time_name, time_dim = self._time_of(variable, taken)
        nothing = np.zeros(0, dtype=np.int64)
        if time_name is None:
            return nothing, "standard", None
        try:
            labels, calendar = self._labels(time_name, of_samples=time_dim is None)
        except InvalidValue as error:
            self.doubtful[name] = f"{error}; its numbers stand for its times"
            return nothing, "standard", None
        return labels, calendar, time_dim

    def _level_of(self, name: str, variable: xr.Variable) -> str | None:
        """The variable that tells the depth or the height of each sample of another."""
        found = (
            other
            for other, coordinate in self.stored.items()
            if other != name and coordinate.dims == variable.dims and is_vertical(coordinate)
        )
        return next(found, None)

    def _samples(self, where: Horizontal) -> Samples:
        if where not in self._listed:
            self._listed[where] = samples_of(where, self.stored, self.kinds, self._degrees)
        return self._listed[where]

    def _values(self, name: str) -> NDArray[Any]:
        """A coordinate, decoded: missing values as NaN or masked."""
        variable = self.stored[name]
        if variable.size > (_MOST_CELLS if variable.ndim > 1 else _LONGEST_AXIS):
            raise InvalidValue(f"its coordinate {name!r} has {variable.size} values, too many to be one")
        raw = read_variable(variable, {})
        values = raw.packing.decode(raw.values)
        if is_masked(values):
            return np.where(np.ma.getmaskarray(values), np.nan, np.ma.getdata(values))
        return values

    def _degrees(self, name: str, of: str = "") -> NDArray[Any]:
        """A longitude or latitude in degrees, or bounds of one, which need no units of their own."""
        units = self.stored[name].attrs.get("units") or (self.stored[of].attrs.get("units") if of else None)
        return in_degrees(self._values(name), units)

    def _place(self, where: Horizontal) -> Grid | Geolocation:
        if where not in self._places:
            self._places[where] = self._new_place(where)
        return self._places[where]

    def _new_place(self, where: Horizontal) -> Grid | Geolocation:
        if where.kind == "nowhere":
            return Nowhere()
        read = self._values if where.kind == "frame" else self._degrees
        lon, lat = read(where.lon), read(where.lat)
        if where.kind == "mesh":
            from datavore_widgets.service.mesh import grid_of_mesh

            topology = self.stored[where.mapping]
            return grid_of_mesh(lon, lat, self.stored[str(topology.attrs["face_node_connectivity"])], where.columns)
        if where.kind == "cells":
            from datavore_widgets.service.mesh import cells_of_corners

            corners = (np.asarray(self._bounds(name, 2), dtype=np.float64) for name in (where.lon, where.lat))
            return cells_of_corners(*corners)
        if where.kind == "axes":
            return RectilinearGrid.from_centers(lon, lat, self._bounds(where.lon, 2), self._bounds(where.lat, 2))
        if where.kind == "frame":
            from datavore_widgets.service.frames import grid_of_frame

            units = tuple(str(self.stored[name].attrs.get("units", "")) for name in (where.lon, where.lat))
            x, y = (np.asarray(axis, dtype=np.float64) for axis in (lon, lat))
            return grid_of_frame(x, y, (units[0], units[1]), self.stored[where.mapping].attrs)
        if self.stored[where.lat].dims != self.stored[where.lon].dims:
            lat = lat.T
        if is_swath(self.stored, self.kinds, where, self.contents.attrs):
            grid = CurvilinearGrid.from_centers(lon, lat, is_swath=True)
            return Geolocation.of(grid, self.source, self.fingerprint, where)
        bounds = [self._bounds(name, 3) for name in (where.lon, where.lat)]
        if any(pair is not None and pair.shape != (*lon.shape, 4) for pair in bounds):
            bounds = [None, None]
        areas = areas_of(self.stored, where.lon, self._values) if any(pair is None for pair in bounds) else None
        return CurvilinearGrid.from_centers(lon, lat, *bounds, areas=areas)

    def _bounds(self, name: str, dims: int) -> NDArray[Any] | None:
        bounds = self._bounds_of(name, dims)
        return None if bounds is None else self._degrees(bounds, name)

    def _bounds_of(self, name: str, dims: int) -> str | None:
        """The variable that tells the bounds of a coordinate, if it has as many dimensions."""
        variable = self.stored[name]
        bounds = text_of(variable, "bounds")
        there = bounds in self.stored and self.stored[bounds].ndim == dims
        return bounds if there and self.stored[bounds].dims[:-1] == variable.dims else None

    def _time_of(self, variable: xr.Variable, taken: set[str]) -> tuple[str | None, str | None]:
        """Names of the time coordinate and of its dimension; without the dimension for a single time."""
        candidates: list[tuple[str, str | None]] = []
        named = [*coordinate_names(variable), *sorted(self.contents.coordinates)]
        for dim in map(str, variable.dims):
            if dim in taken:
                continue
            # Without a coordinate of its own name, or one that tells dates, its times may still be beside it.
            own = (dim in self.stored and self.kinds.get(dim) != "time") or self._tells_dates(dim)
            names = [dim] if own else [dim, *named, *self.kinds]
            times = [name for name in names if self.kinds.get(name) == "time" and self.stored[name].dims == (dim,)]
            candidates += [(name, dim) for name in sorted(times, key=self._tells_dates, reverse=True)]
        if not candidates and self.kinds:
            # Of the samples or the lines of a swath the first time alone is told.
            over = [name for name in [*named, *self.kinds] if self.kinds.get(name) == "time" and self.stored[name].ndim]
            candidates += [(name, None) for name in over if set(map(str, self.stored[name].dims)) <= taken][:1]
        if not candidates:
            candidates = [
                (name, None)
                for name in [*named, *self.kinds]
                if self.kinds.get(name) == "time" and self.stored[name].ndim == 0
            ]
            # Other scalar times, such as that of a forecast's start, are not when the values are.
            candidates = [pair for pair in candidates if self._is_plain_time(pair[0])]
        if not candidates:
            return None, None
        return next((pair for pair in candidates if self._is_plain_time(pair[0])), candidates[0])

    def _tells_dates(self, name: str) -> bool:
        """Whether a variable has times that can be dated."""
        variable = self.stored.get(name)
        return variable is not None and (is_time_unit(variable.attrs.get("units")) or variable.dtype.kind in "MO")

    def _is_plain_time(self, name: str) -> bool:
        standard = text_of(self.stored[name], "standard_name")
        return standard == "time" or (not standard and name.lower().startswith("time"))

    def _labels(self, name: str, *, of_samples: bool = False) -> tuple[NDArray[np.int64], str]:
        if name not in self._times:
            variable = self.stored[name]
            if variable.size > (_MOST_CELLS if variable.ndim > 1 else _LONGEST_AXIS):
                raise InvalidValue(f"its coordinate {name!r} has {variable.size} values, too many to be one")
            try:
                values = np.asarray(variable.values)
                self._times[name] = labels_from_times(values, variable.attrs, first=of_samples)
            except InvalidValue as error:
                raise InvalidValue(f"its time axis {name!r} cannot be used: {error}") from error
        return self._times[name]

    def _dim(self, dim: str, variable: xr.Variable) -> Dim:
        if dim not in self._dims:
            self._dims[dim] = self._new_dim(dim, variable)
        return self._dims[dim]

    def _new_dim(self, dim: str, variable: xr.Variable) -> Dim:
        size = variable.sizes[dim]
        if size > _LONGEST_DIM:
            raise InvalidValue(f"its dimension {dim!r} has {size} positions, too many to choose from")
        coordinate = self.stored.get(dim)
        positions = tuple(float(i) for i in range(size))
        if coordinate is None or coordinate.dims != (dim,):
            return Dim(dim, positions)
        units = short_text(coordinate.attrs.get("units"))
        if self.kinds.get(dim) == "time":
            # Those that cannot be dated are the numbers that they are.
            with contextlib.suppress(InvalidValue):
                return Dim(dim, tuple(iso(int(label)) for label in self._labels(dim)[0]))
        if coordinate.dtype.kind in "iufb":
            values = np.asarray(self._values(dim), dtype=np.float64)
            return Dim(dim, tuple(values.tolist()), units) if np.isfinite(values).all() else Dim(dim, positions)
        return Dim(dim, tuple(short_text(value) for value in coordinate.values.tolist()), units)

    @staticmethod
    def _chunks(variable: xr.Variable) -> tuple[dict[str, int], bool]:
        """Lengths that are stored together, and whether as a chunk.

        If that is not told, they are those of the last two dimensions, and one of the rest.
        """
        told = variable.encoding.get("chunksizes") or variable.encoding.get("chunks")
        is_chunked = isinstance(told, tuple | list) and len(told) == variable.ndim
        sizes = list(told or ()) if is_chunked else [1] * max(0, variable.ndim - 2) + list(variable.shape[-2:])
        return {str(dim): max(1, int(size)) for dim, size in zip(variable.dims, sizes, strict=True)}, is_chunked


def _geometry(where: Horizontal, *, is_swath: bool, is_track: bool) -> str:
    if where.kind == "nowhere":
        return "none"
    if where.kind == "points":
        return "track" if is_track else "station"
    return "swath" if is_swath else "grid"


def _time_method(variable: xr.Variable) -> str:
    """What the values are of the periods of their times (`mean`, `maximum` …), by `cell_methods` (CF 7.3).

    Names of parts of dates, the year among them, are taken for those of the times that the bounds of these hold: CF has
    no such names, but some write them (`month: year: mean`). Without the year it would be a climatology.
    """
    for names, method in _methods(variable):
        if any(name == "time" or name in variable.dims[:1] for name in names) or _are_of_dates(names, variable):
            return method
    return ""


def names_dates(variable: xr.Variable) -> bool:
    """Whether the method of its times is told by parts of dates, which CF does not know."""
    return any(_are_of_dates(names, variable) for names, _ in _methods(variable))


def _methods(variable: xr.Variable) -> list[tuple[list[str], str]]:
    """Names and method of each entry of `cell_methods`."""
    told = re.findall(r"((?:\w+:\s*)+)(\w+)", str(variable.attrs.get("cell_methods") or ""))
    return [(names.replace(":", " ").split(), method) for names, method in told]


def _are_of_dates(names: Sequence[str], variable: xr.Variable) -> bool:
    parts = set(names)
    return bool(parts & _YEARS) and parts <= _YEARS | _WITHIN_YEARS and not parts & set(map(str, variable.dims))


def _info(name: str, variable: xr.Variable, dtype: np.dtype[Any], dims: tuple[Dim, ...]) -> VariableInfo:
    attrs = variable.attrs
    masks = flag_masks(attrs, dtype) if dtype.kind in "iu" else {}
    flags = combined(masks, dtype) if masks else flag_meanings(attrs, dtype) if dtype.kind in "iu" else {}
    if dtype.kind == "b" or variable.encoding.get("dtype") == "bool" or attrs.get("dtype") == "bool":
        flags = {0: "false", 1: "true"}
    return VariableInfo(
        name=name,
        long_name=short_text(attrs.get("long_name")),
        units=short_text(attrs.get("units")),
        standard_name=short_text(attrs.get("standard_name")),
        dims={
            dim.name: {"values": list(dim.values), "default": dim.values[dim.default], "units": dim.units}
            for dim in dims
            if dim.values
        },
        kind="flags" if flags else _kind(name, attrs),
        flags=flags,
        masks=masks,
        scale="linear" if flags or masks else advice.scale_of(name, variable),
    )


def _kind(name: str, attrs: Mapping[str, Any]) -> str:
    words = " ".join(str(attrs.get(key, "")) for key in ("standard_name", "long_name")).lower() + " " + name.lower()
    units = str(attrs.get("units", "")).strip().lower()
    if _DIRECTION.search(words) and not _OF_DIRECTIONS.search(words) and units.startswith(("deg", "°")):
        return "direction"
    if "anomaly" in words or "anomalies" in words or name.lower() == "sla":
        return "anomaly"
    return "continuous"
