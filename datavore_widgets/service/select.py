"""What a query means in the data: the variable, its place on further dimensions, conditions, rows and columns."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import InvalidValue, NoData, UnknownName, did_you_mean
from datavore_widgets.protocol.aggregates import flag_of
from datavore_widgets.protocol.answers import VariableInfo
from datavore_widgets.protocol.colormap import DEFAULT
from datavore_widgets.protocol.geometry import GLOBAL, BBox, Point
from datavore_widgets.protocol.job import Estimate, Job
from datavore_widgets.protocol.masks import is_masked
from datavore_widgets.protocol.places import area, place
from datavore_widgets.protocol.queries import Condition, Filters, parse_filters
from datavore_widgets.protocol.times import Date, Lapse, Stamp, display
from datavore_widgets.service.catalog import Dim, Index, Library, Variable
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.grid import Grid
from datavore_widgets.service.points import Nowhere, Points
from datavore_widgets.service.series import missing_of
from datavore_widgets.service.sphere import distance
from datavore_widgets.service.tiles import estimate_of

__all__ = [
    "Selection",
    "advised",
    "aggregate_info",
    "cell_at",
    "cells_inside",
    "chunk_steps",
    "find_index",
    "outside",
    "period_of",
    "same_cells",
    "select",
    "shifted",
    "stamp_of",
    "step_of",
    "steps_of",
    "steps_until",
    "units_of",
]

_SAME = 1e-6
"""Relative difference within which a value asked for is the one there is: what float32 coordinates lose."""


@dataclass(frozen=True, eq=False)
class _Companion:
    """Another variable on the same cells and times, at one position of its further dimensions."""

    variable: Variable
    at: tuple[int, ...]

    def read(self, steps: slice | int | None, cells: Cells, job: Job | None) -> NDArray[Any]:
        """Its decoded values at some steps of the variable that it goes with."""
        return _read(self.variable, steps if self.variable.has_time else None, self.at, cells, job)


@dataclass(frozen=True, eq=False)
class _Mask(_Companion):
    """A condition on a companion variable, with words turned into its flags."""

    condition: Condition
    bits: tuple[tuple[int, int], ...] = ()

    def excludes(self, steps: slice | int | None, cells: Cells, job: Job | None) -> NDArray[np.bool_]:
        """Which values are not to be counted; where the companion is missing, none is."""
        values = self.read(steps, cells, job)
        missing = missing_of(values)
        only_bits = self.bits and not self.condition.values
        allowed = np.zeros(missing.shape, dtype=bool) if only_bits else _allows(self.condition, np.ma.getdata(values))
        for mask, wanted in self.bits:
            allowed |= (np.ma.getdata(values) & mask) == wanted
        return np.asarray(missing | ~allowed)


@dataclass(frozen=True, eq=False)
class Selection:
    """A variable at one position of its further dimensions, under conditions.

    Parameters
    ----------
    dims : mapping of str to float or str
        The value on every further dimension, the defaults too.
    subtracted : _Companion, optional
        What is taken off the values: they are missing where it is.
    asked : (Filters, str)
        The conditions and what is to be subtracted, as they were asked for.
    """

    index: Index
    variable: Variable
    at: tuple[int, ...]
    dims: Mapping[str, float | str]
    masks: tuple[_Mask, ...] = ()
    subtracted: _Companion | None = None
    asked: tuple[Filters, str] = ((), "")

    @property
    def is_plain(self) -> bool:
        """Whether its values are those of the variable, and of nothing else."""
        return not self.masks and self.subtracted is None

    @property
    def conditions(self) -> tuple[str, ...]:
        """Names of the variables that there are conditions on."""
        return tuple(mask.variable.name for mask in self.masks)

    @property
    def key(self) -> Hashable:
        """What decides the numbers, apart from time and cells."""
        masks = tuple((mask.variable.name, mask.at, mask.condition, mask.bits) for mask in self.masks)
        less = self.subtracted and (self.subtracted.variable.name, self.subtracted.at)
        return self.index.id, self.variable.name, self.at, masks, less

    def read(self, steps: slice | int | None, cells: Cells, job: Job | None = None) -> NDArray[Any]:
        """Decoded values, those that a condition excludes missing.

        Returns
        -------
        ndarray or masked array, shape (nt, ny, nx) or, for one step or none, (ny, nx)
            Missing is NaN, or masked for integers; so are cells that are not meant.
        """
        values = cells.hide(_read(self.variable, steps, self.at, cells, job))
        if self.subtracted is not None:
            values = _difference(values, self.subtracted.read(steps, cells, job))
        for mask in self.masks:
            excluded = np.broadcast_to(mask.excludes(steps, cells, job), values.shape)
            if values.dtype.kind == "f" and not is_masked(values):
                values = np.where(excluded, np.asarray(np.nan, dtype=values.dtype), values)
            else:
                values = np.ma.array(values, mask=np.ma.getmaskarray(values) | excluded)
        return values

    def estimate(self, runs: Sequence[slice], cells: Cells, pace: float | None) -> Estimate:
        """What reading some runs of steps takes, by the seconds for a byte; conditions are read too."""
        variables = [self.variable, *(other.variable for other in self._companions)]
        return estimate_of([variable for variable in variables if variable.has_time], runs, cells, pace)

    @property
    def _companions(self) -> list[_Companion]:
        return [*self.masks, *([] if self.subtracted is None else [self.subtracted])]

    @cached_property
    def looked(self) -> dict[str, Any]:
        """What was looked up once for the whole of an answer, by name."""
        return {}

    @cached_property
    def _states(self) -> dict[int | None, Hashable]:
        return {}

    def state(self, step: int | None) -> Hashable:
        """`fingerprint` of one step as it was when it was asked for first: of the state that an answer is of."""
        if step not in self._states:
            self._states[step] = self.fingerprint(step)
        return self._states[step]

    def fingerprint(self, steps: slice | int | None) -> Hashable:
        """Changes when a file that these steps are read from does.

        Raises
        ------
        Unreadable
            When a file is gone.
        """
        variables = (self.variable, *(other.variable for other in self._companions))
        return tuple(variable.fingerprints(steps) for variable in variables)


def find_index(library: Library, index: str) -> Index:
    """The index of that id; `/` and `>` are equal.

    Raises
    ------
    UnknownName
        When there is none; it offers the nearest names.
    """
    found = library.indexes.get(index)
    return library.indexes[library.info().index(index).index] if found is None else found


def find_variable(index: Index, varname: str) -> Variable:
    """The variable of that name.

    Raises
    ------
    UnknownName
        When there is none, or it is of a kind that cannot be shown: the reason is given.
    """
    if varname in index.variables:
        return index.variables[varname]
    if varname in index.refused:
        raise UnknownName(f"{varname!r} of {index.id!r} cannot be shown: {index.refused[varname]}")
    message, near = did_you_mean(f"variable of {index.id!r}:", varname, index.variables)
    raise UnknownName(message, suggestions=near)


def select(library: Library, index: str, varname: str, filters: Filters, subtract: str = "") -> Selection:
    """What an index, a variable, conditions and a companion to subtract mean.

    Raises
    ------
    UnknownName
        When the index or the variable is not there.
    InvalidValue
        When a condition or what is to be subtracted names nothing that is there, lies on other cells, or chooses no
        value, or several, of a dimension.
    """
    found = find_index(library, index)
    variable = find_variable(found, varname)
    by_name = {condition.name: condition for condition in filters}
    at = tuple(_position(dim, by_name.pop(dim.name, None)) for dim in variable.dims)
    dims = {dim.name: _plain(dim.values[place]) for dim, place in zip(variable.dims, at, strict=True)}
    masks = tuple(_mask(found, variable, dims, condition) for condition in by_name.values())
    less = _less(found, variable, dims, subtract) if subtract else None
    return Selection(found, variable, at, dims, masks, less, (filters, subtract))


def advised(selection: Selection) -> Selection:
    """The same variable under the conditions that its files advise, instead of those asked for; nothing subtracted."""
    conditions = parse_filters(selection.variable.info.start_filters)
    masks = tuple(_mask(selection.index, selection.variable, selection.dims, c) for c in conditions)
    return replace(selection, masks=masks, subtracted=None)


def step_of(variable: Variable, date: Date | None, nearest: float | None) -> int | None:
    """Position of the time that a date means; None where the variable has no times.

    Raises
    ------
    NoData, InvalidValue
        As `TimeAxis.find`; and when a date is needed and none is given.
    """
    if not variable.has_time:
        return None
    if date is None:
        if len(variable.axis) == 1:
            return 0
        raise InvalidValue(f"{variable.name!r} has {len(variable.axis)} times ({_span(variable)}): give a date")
    return variable.axis.find(date, nearest)


def steps_of(variable: Variable, lapse: Lapse) -> slice:
    """Positions of the times in a lapse.

    Raises
    ------
    NoData
        When there are none; it names the first and the last there are.
    """
    if not variable.has_time:
        raise NoData(f"{variable.name!r} has no times: ask for its picture or its data instead")
    steps = variable.axis.within(lapse)
    if steps.start >= steps.stop:
        raise NoData(f"no times lie in {lapse.to_text()}; there are {_span(variable)}")
    return steps


def steps_until(variable: Variable, date: Date, seconds: float) -> slice:
    """Positions of the times in a window of some seconds that ends with a date.

    Raises
    ------
    NoData
        When there are none; it names the first and the last there are.
    """
    steps = variable.axis.until(date, seconds)
    if steps.start >= steps.stop:
        raise NoData(f"no times lie in the {seconds:g} s up to {date.digits}; there are {_span(variable)}")
    return steps


def cells_inside(grid: Grid, bbox: BBox) -> Cells:
    """The cells whose centres lie inside a box, edges included; of a box without extent the cell that holds it.

    Raises
    ------
    NoData
        When there are none; it names the cell that contains the box, or the extent of the data.
    """
    cells = grid.inside(bbox)
    if cells.count:
        return cells
    if bbox.width == bbox.height == 0 and not isinstance(grid, Points):
        return cell_at(grid, Point(bbox.west, bbox.south))[0]
    if isinstance(grid, Points):
        lon, lat = grid.listed(grid.inside(GLOBAL))
        nearest = place(_nearest(lon, lat, bbox), 4)
        raise NoData(f"no sample lies inside the box {area(bbox)}; the nearest one is at {nearest}")
    touching = grid.touching(bbox)
    if not touching.count:
        raise outside(grid, f"the box {area(bbox)}")
    lon, lat = grid.listed(touching)
    width, height = grid.cell_size
    raise NoData(
        f"no cell has its centre inside the box {area(bbox)}: cells are {width:.4g}° × {height:.4g}°, and the "
        f"nearest one has its centre at {place(_nearest(lon, lat, bbox), 4)}; make the box larger or ask for that point"
    )


def cell_at(grid: Grid, point: Point) -> tuple[Cells, tuple[float, float], float]:
    """The cell that contains a position, its centre (lon, lat), and metres from the position to that centre.

    Raises
    ------
    NoData
        When there is none; it names the extent of the data.
    """
    found = grid.at(point.lon, point.lat)
    if found is None:
        raise outside(grid, f"the point {place(point)}")
    row, column = found
    cells = Cells(slice(row, row + 1), np.array([column])) if not isinstance(grid, Points) else grid.same(row, column)
    lon, lat = (float(values[0]) for values in grid.listed(cells))
    return cells, (lon, lat), float(distance(point.lon, point.lat, lon, lat))


def _nearest(lon: NDArray[np.float64], lat: NDArray[np.float64], bbox: BBox) -> Point:
    """The one of some places that is nearest to the middle of a box."""
    middle = bbox.west + bbox.width / 2, (bbox.south + bbox.north) / 2
    nearest = int(np.argmin(distance(*middle, lon, lat)))
    return Point(float(lon[nearest]), float(lat[nearest]))


def chunk_steps(variable: Variable) -> int:
    """Steps that are stored together, and decoded together whichever of them is wanted."""
    return variable.pieces[0].found.layout.chunk[0]


def stamp_of(variable: Variable, step: int) -> Stamp:
    """The time of a step."""
    return Stamp(int(variable.axis.labels[step]), variable.axis.calendar)


def period_of(variable: Variable, first: int, last: int) -> tuple[Stamp, Stamp] | None:
    """The first moment of some steps and the first after them, by their bounds; None where these are not told."""
    if variable.bounds is None:
        return None
    low, high = int(variable.bounds[first, 0]), int(variable.bounds[last, 1])
    return Stamp(low, variable.axis.calendar), Stamp(high, variable.axis.calendar)


def same_cells(one: Variable, other: Variable) -> bool:
    """Whether two variables lie on the same grid."""
    return one.cells_key == other.cells_key


def shifted(values: NDArray[Any], offset: float) -> NDArray[Any]:
    """Values with an offset added; the same ones, integers too, where it is 0."""
    return values + offset if offset else values


def units_of(info: VariableInfo, aggregate: str) -> str:
    """Units of an aggregate of a variable."""
    return "1" if aggregate == "count" or flag_of(aggregate) is not None else info.units


def aggregate_info(info: VariableInfo, aggregate: str) -> VariableInfo:
    """What is known of an aggregate of a variable.

    A count or a deviation is neither a level nor an anomaly: the catalogue's colours and limits do not fit it.
    """
    if aggregate == "count" or flag_of(aggregate) is not None:
        limits = None if aggregate == "count" else (0.0, 1.0)
        units = units_of(info, aggregate)
        plain = replace(info, units=units, kind="continuous", standard_name="", cmap=DEFAULT, scale="linear")
        return replace(plain, limits=limits)
    if aggregate in ("std", "area_std", "time_std"):
        return replace(info, kind="continuous", cmap=DEFAULT, limits=None, scale="linear")
    if aggregate == "avg" and info.kind == "flags":
        return replace(info, kind="continuous")
    return info


def _read(
    variable: Variable, steps: slice | int | None, at: tuple[int, ...], cells: Cells, job: Job | None
) -> NDArray[Any]:
    return variable.read(steps, at, cells.read_rows, cells.read_columns, job)


def _difference(values: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    """Values less others; that of whole numbers in a type that holds it, since 3 - 5 is 254 among unsigned bytes."""
    wide = np.result_type(values.dtype, others.dtype)
    if wide.kind != "f":
        values = values.astype(np.result_type(wide, np.int64))
    return np.asanyarray(values - others)


def _position(dim: Dim, condition: Condition | None) -> int:
    """Where a further dimension is taken: at its default, or at the one value that a condition allows."""
    if condition is None:
        return dim.default
    places = np.flatnonzero(_allows(condition, np.asarray(dim.values)))
    if places.size == 1:
        return int(places[0])
    units = f" {dim.units}" if dim.units else ""
    listed = [str(_plain(value)) for value in dim.values]
    shown = ", ".join(listed[:20]) + (f" and {len(listed) - 20} more" if len(listed) > 20 else "")
    what = "has no value" if places.size == 0 else f"has {places.size} values"
    raise InvalidValue(f"{dim.name!r} {what} for which {_text(condition)}; choose one of {shown}{units}")


def _companion(
    index: Index, variable: Variable, dims: Mapping[str, float | str], name: str, what: str, others: list[str]
) -> _Companion:
    """Another variable of the same grid and times, at the same values of the dimensions that both have."""
    companion = index.variables.get(name)
    if companion is None:
        names = others + [other for other in index.variables if other != variable.name]
        message, near = did_you_mean(f"{what} of {variable.name!r}:", name, names)
        raise InvalidValue(message, suggestions=near)
    if not same_cells(companion, variable) or (companion.has_time and companion.axis != variable.axis):
        raise InvalidValue(
            f"the {what} {name!r} and {variable.name!r} of {index.id!r} lie on different cells or times; "
            f"a {what} is a variable on the same"
        )
    by_name = {dim.name: Condition(dim.name, (dims[dim.name],)) for dim in companion.dims if dim.name in dims}
    return _Companion(companion, tuple(_position(dim, by_name.get(dim.name)) for dim in companion.dims))


def _less(index: Index, variable: Variable, dims: Mapping[str, float | str], name: str) -> _Companion:
    """What is to be subtracted: a quantity of the same units."""
    found = _companion(index, variable, dims, name, "correction", [])
    units, own = found.variable.info.units, variable.info.units
    if units != own or "flags" in (found.variable.info.kind, variable.info.kind):
        raise InvalidValue(
            f"{name!r} in {units or 'no units'!r} cannot be subtracted from {variable.name!r} in "
            f"{own or 'no units'!r}: both have to be of one quantity"
        )
    return found


def _mask(index: Index, variable: Variable, dims: Mapping[str, float | str], condition: Condition) -> _Mask:
    """A condition on a companion variable of the same grid and times."""
    found = _companion(index, variable, dims, condition.name, "filter", [dim.name for dim in variable.dims])
    companion = found.variable
    numbers = {meaning: float(number) for number, meaning in companion.info.flags.items()}
    for value in condition.values:
        if isinstance(value, str) and value not in numbers and value not in companion.info.masks:
            message, near = did_you_mean(f"value of {condition.name!r}:", value, {**numbers, **companion.info.masks})
            raise InvalidValue(message, suggestions=near)
    # A word that means bits holds whatever the other bits are.
    masks = companion.info.masks
    bits = tuple(masks[value] for value in condition.values if isinstance(value, str) and value in masks)
    others = [value for value in condition.values if value not in masks]
    values = tuple(numbers[value] if isinstance(value, str) else value for value in others)
    return _Mask(companion, found.at, replace(condition, values=values), bits)


def _allows(condition: Condition, values: NDArray[Any]) -> NDArray[np.bool_]:
    """Where values are as a condition wants them."""
    if values.dtype.kind in "OSU":
        return np.isin(values.astype(str), [str(value) for value in condition.values])
    numbers = values.astype(np.float64)
    if condition.values:
        allowed = np.zeros(numbers.shape, dtype=bool)
        same = _SAME if values.dtype.kind == "f" else 0.0
        for value in condition.values:
            if not isinstance(value, str):
                allowed |= np.isclose(numbers, value, rtol=same, atol=0.0)
        return allowed
    low = -math.inf if condition.minimum is None else condition.minimum
    high = math.inf if condition.maximum is None else condition.maximum
    return np.asarray((numbers >= low) & (numbers <= high))


def _text(condition: Condition) -> str:
    if condition.values:
        return f"{condition.name} is {' or '.join(str(value) for value in condition.values)}"
    ends = [("at least", condition.minimum), ("at most", condition.maximum)]
    return f"{condition.name} is " + " and ".join(f"{word} {end:g}" for word, end in ends if end is not None)


def _plain(value: Any) -> float | str:
    return str(value) if isinstance(value, str | bytes | np.str_) else float(value)


def _span(variable: Variable) -> str:
    labels = variable.axis.labels
    if labels.size == 0:
        return "none"
    return f"{labels.size}, from {display(int(labels[0]))} to {display(int(labels[-1]))}"


def outside(grid: Grid, what: str) -> NoData:
    """The error for a box or a point, told in words, in which the grid has no cell."""
    if isinstance(grid, Nowhere):
        return NoData(f"{what} says nothing: this is a series without a place; ask for it with the box 'global'")
    return NoData(f"{what} lies outside the data, which cover {area(grid.bbox)}")
