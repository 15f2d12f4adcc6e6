"""What files are: what is found in them, what was mended on opening, what is doubtful, and what cannot be shown.

Nothing is written, and of every variable no more than some million values are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import Unreadable
from datavore_widgets.protocol.diagnosis import Checkup, Diagnosis, VariableDiagnosis
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.queries import DoctorQuery
from datavore_widgets.protocol.times import iso, label_from_parts
from datavore_widgets.service.axes import angle_unit, kind_of, text_of
from datavore_widgets.service.catalog import files_of
from datavore_widgets.service.curvilinear import CurvilinearGrid
from datavore_widgets.service.decode import Packing
from datavore_widgets.service.files import Contents, FileSource, OpenFiles
from datavore_widgets.service.formats import format_of
from datavore_widgets.service.grid import Grid, RectilinearGrid
from datavore_widgets.service.scan import Found, Granule, names_dates, scan, short_text
from datavore_widgets.service.select import select
from datavore_widgets.service.store import Store

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["checkup", "examine"]

_FORMATS = {
    "classic": "NetCDF 3",
    "cdf5": "NetCDF 3 (CDF-5)",
    "hdf5": "NetCDF 4",
    "zarr": "Zarr",
    "swan": "SWAN spectra",
}
_SAMPLE = 2**20
"""Values of a variable that are looked at."""
_FILLS = (
    -9999.0,
    -999.0,
    -99.9,
    -99.99,
    -999.9,
    -32768.0,
    -32767.0,
    9999.0,
    99999.0,
    1e20,
    1e30,
    1e35,
    9.969209968386869e36,
)
"""Numbers that people mean "missing" by; the last is netCDF's own default."""
_FAR = 5.0
"""Times the range of all other values that such a number lies outside, to be called a fill value that leaks."""
_NAMED_DATES = re.compile(r"(?<!\d)((?:18|19|20|21)\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])?(?!\d)")


def examine(spec: Any, job: Job | None = None) -> Iterator[Diagnosis]:
    """Look at files, one after another.

    Parameters
    ----------
    spec : str, Path or list of them
        Files, Zarr stores, folders, globs, catalogue files.
    job : Job, optional
        To cancel it, and to follow.

    Raises
    ------
    InvalidValue
        When `spec` is no paths.
    """
    paths, problems = files_of(spec)
    files = OpenFiles()
    try:
        for number, path in enumerate(paths):
            if job is not None:
                job.progress(number, len(paths))
            yield _diagnosis(path, files)
    finally:
        files.close()
    for where, reason in problems.items():
        yield Diagnosis(where, "unreadable", refused={"": reason})


def checkup(store: Store, query: DoctorQuery, job: Job) -> Checkup:
    """The first files behind a variable, looked at; and what was said of files when they were opened."""
    library = store.library
    variable = select(library, query.index, query.varname, ()).variable
    listed = list(dict.fromkeys(path for path in map(variable.pieces.file, range(len(variable.pieces))) if path))
    shown = []
    for number, path in enumerate(listed[: query.limit]):
        job.progress(number, min(len(listed), query.limit))
        shown.append(_diagnosis(Path(path), library.files))
    return Checkup(tuple(shown), len(listed), dict(library.problems))


def _diagnosis(path: Path, files: OpenFiles) -> Diagnosis:
    source = FileSource(path, files)
    told: dict[str, Any] = {"path": str(path)}
    try:
        told["format"] = _FORMATS[format_of(path)]
        told["size"] = _size(path)
        granule = scan(source)
        with source.contents() as contents:
            look = _Look(granule, contents)
            look.all()
    except (Unreadable, OSError) as error:
        return Diagnosis(**told, state="unreadable", refused={"": str(error)})
    refused = dict(granule.refused)
    if not granule.variables and not refused:
        refused[""] = "there are coordinates and their bounds alone, or nothing at all"
    state = "refused" if not granule.variables else "doubtful" if look.doubtful else "well"
    longest = max((found for found in granule.variables.values()), key=lambda found: found.labels.size, default=None)
    if longest is not None and (labels := longest.labels[longest.labels >= 0]).size:
        told |= {"times": int(np.unique(labels).size), "calendar": longest.calendar}
        told |= {"first": iso(int(labels.min())), "last": iso(int(labels.max()))}
    placed = next((found for found in granule.variables.values() if found.info.geometry != "none"), None)
    return Diagnosis(
        **told,
        state=state,
        title=granule.title,
        extent=None if placed is None else placed.place.bbox.to_tuple(),
        variables=tuple(look.variables),
        mended=tuple(dict.fromkeys(look.mended)),
        doubtful=tuple(dict.fromkeys(look.doubtful)),
        refused=refused,
    )


def _size(path: Path) -> int:
    return (
        sum(part.stat().st_size for part in path.rglob("*") if part.is_file()) if path.is_dir() else path.stat().st_size
    )


class _Look:
    """One look at one file."""

    def __init__(self, granule: Granule, contents: Contents) -> None:
        self.granule, self.stored = granule, contents.variables
        self.mended: list[str] = []
        self.doubtful: list[str] = [f"{name}: {reason}" for name, reason in granule.doubtful.items()]
        self.variables: list[VariableDiagnosis] = []
        self._said: dict[str, list[str]] = {}

    def _say(self, what: str, name: str) -> None:
        """Something that was mended, said once of all variables that have it."""
        self._said.setdefault(what, []).append(name)

    def all(self) -> None:
        """Everything that is looked at."""
        places: dict[int, tuple[Found, list[str]]] = {}
        for name, found in self.granule.variables.items():
            self._variable(name, found)
            places.setdefault(id(found.place), (found, []))[1].append(name)
        for found, names in places.values():
            self._places(found, names)
        self.mended = [f"{', '.join(names)}: {what}" for what, names in self._said.items()] + self.mended
        self._times()
        self._bounds()
        self._named_dates()

    # --- variables --------------------------------------------------------------------------------------------------

    def _variable(self, name: str, found: Found) -> None:
        stored = self.stored[name]
        packing = Packing.of(stored.dtype, stored.attrs, stored.encoding)
        info = found.info
        if not info.units and not any(key.startswith("flag_") for key in stored.attrs):
            self.doubtful.append(f"{name} has no units")
        low = high = None
        values = self._sample(stored, packing)
        if values.size:
            low, high = float(values.min()), float(values.max())
            self._leak(name, values)
        elif stored.size:
            self.doubtful.append(f"{name} has no valid value among those looked at")
        if packing.scale is not None and float(packing.scale) < 0:
            self._say("packed with a negative scale factor, which turns its valid range round", name)
        if len(set(map(str, packing.fills))) > 1:
            self._say(f"several values mean missing ({', '.join(map(str, packing.fills))})", name)
        if info.time_method and names_dates(stored):
            told = short_text(stored.attrs["cell_methods"])
            self._say(
                f"its cell_methods {told!r} names parts of dates: it is taken for {info.time_method} over time", name
            )
        dims = ", ".join(f"{dim.name} ({len(dim.values)})" for dim in found.dims)
        self.variables.append(
            VariableDiagnosis(
                name, info.label, info.units, info.kind, _grid_text(found), _packing_text(packing), dims,
                int(found.labels.size), low, high,
            )
        )  # fmt: skip

    def _sample(self, stored: xr.Variable, packing: Packing) -> NDArray[np.float64]:
        """Valid values of the first part of a variable."""
        keys: list[int | slice] = []
        room = _SAMPLE
        for length in reversed(stored.shape):
            take = min(length, max(room, 1))
            keys.append(slice(0, take))
            room //= max(take, 1)
        raw = np.asarray(stored[tuple(reversed(keys))].values)
        if raw.dtype.kind not in "iufb":
            return np.zeros(0)
        values = np.ma.filled(np.ma.asarray(packing.decode(raw)).astype(np.float64), np.nan)
        return np.asarray(values[np.isfinite(values)])

    def _leak(self, name: str, values: NDArray[np.float64]) -> None:
        """A number that people mean "missing" by, among the values and far from all others."""
        for end in (values.min(), values.max()):
            if not any(np.isclose(end, fill, rtol=1e-6, atol=0) for fill in _FILLS):
                continue
            others = values[~np.isclose(values, end, rtol=1e-6, atol=0)]
            if others.size == 0 or min(abs(end - others.min()), abs(end - others.max())) > _FAR * max(
                np.ptp(others), 1e-30
            ):
                self.doubtful.append(
                    f"{name} has the value {end:g} {values.size - others.size} times, like a fill value that is not "
                    "declared: it leaks into ranges and means"
                )

    # --- places -----------------------------------------------------------------------------------------------------

    def _places(self, found: Found, names: Sequence[str]) -> None:
        grid = found.grid
        if isinstance(grid, RectilinearGrid):
            if grid.lon.max() > 180:
                self.mended.append(
                    f"longitudes run from {grid.lon.min():g} to {grid.lon.max():g}: they stay so in data and exports, "
                    "and any convention may be asked"
                )
            if grid.lat.size > 1 and grid.lat[0] > grid.lat[-1]:
                self.mended.append("latitudes descend: pictures are the right way up")
        elif isinstance(grid, CurvilinearGrid):
            missing = int(np.isnan(grid.lon).sum())
            if missing:
                self.mended.append(
                    f"{missing / grid.lon.size:.0%} of the cells have no place (missing coordinates): they are left out"
                )
            repeated = int(np.count_nonzero(~grid.valid)) - missing
            if repeated > 0 and not grid.is_swath:
                self.mended.append(
                    f"{repeated} cells lie where others do (repeated columns, folded rows): each counts once"
                )
        self._angles(found)
        self._conflict(found, names)

    def _angles(self, found: Found) -> None:
        if found.info.geometry == "none":
            return
        turned: dict[str, list[str]] = {}
        for name, coordinate in self.stored.items():
            word = angle_unit(coordinate.attrs.get("units"))
            if word and kind_of(name, coordinate) in ("lon", "lat"):
                turned.setdefault(word, []).append(name)
        for word, names in turned.items():
            self.mended.append(f"{', '.join(names[:4])} are in {word}: they are turned into degrees")

    def _conflict(self, found: Found, names: Sequence[str]) -> None:
        """One-dimensional axes beside the two-dimensional coordinates that are used."""
        if not isinstance(found.grid, CurvilinearGrid) or found.info.geometry not in ("grid", "swath"):
            return
        axes = [self.stored.get(dim) for dim in (found.layout.lat, found.layout.lon) if dim]
        named = [
            repr(str(axis.dims[0]))
            for axis in axes
            if axis is not None and axis.ndim == 1 and kind_of(str(axis.dims[0]), axis) in ("lon", "lat")
        ]
        if named:
            self.doubtful.append(
                f"{', '.join(names[:3])}: {' and '.join(named)} tell degrees along an axis, and two-dimensional "
                "coordinates are named beside them; the two-dimensional ones are used"
            )

    def _bounds(self) -> None:
        for name, variable in self.stored.items():
            told = text_of(variable, "bounds")
            if not told:
                continue
            if told not in self.stored:
                self.doubtful.append(f"{name} names the bounds {short_text(told)!r}, which are not there")
                continue
            kind = kind_of(name, variable)
            if kind not in ("lon", "lat") or variable.ndim != 1:
                continue
            pairs, centers = np.asarray(self.stored[told].values), np.asarray(variable.values)
            if pairs.shape != (centers.size, 2):
                self.doubtful.append(f"the bounds of {name} have the shape {pairs.shape}, not {(centers.size, 2)}")
                continue
            low, high = pairs.min(axis=1), pairs.max(axis=1)
            slack = 1e-3 * float(np.median(high - low))
            outside = int(np.count_nonzero((centers < low - slack) | (centers > high + slack)))
            if outside:
                self.doubtful.append(
                    f"{outside} values of {name} lie outside their own bounds: edges half-way between them are used"
                )

    # --- times ------------------------------------------------------------------------------------------------------

    def _times(self) -> None:
        seen: set[int] = set()
        for found in self.granule.variables.values():
            labels = found.labels
            if id(labels) in seen or labels.size < 2 or found.info.geometry == "track":
                continue
            seen.add(id(labels))
            steps = np.diff(labels)
            if (steps < 0).any():
                self.mended.append(
                    f"times are not in order ({np.count_nonzero(steps < 0)} steps back): they are sorted"
                )
            repeated = labels.size - np.unique(labels).size
            if repeated:
                self.doubtful.append(f"{repeated} times are there more than once: the first of each is shown")

    def _named_dates(self) -> None:
        """Dates in the file's name that its times do not keep to."""
        dates = _NAMED_DATES.findall(Path(self.granule.name).stem)
        labels = [found.labels for found in self.granule.variables.values() if found.labels.size]
        if len(dates) < 2 or not labels:
            return
        all_labels = np.concatenate(labels)
        (y0, m0, d0), (y1, m1, d1) = dates[0], dates[-1]
        low = int(label_from_parts(int(y0), int(m0), int(d0 or 1)))
        high = int(label_from_parts(int(y1), int(m1), int(d1 or 31), 24))
        if low <= high and (all_labels.min() < low or all_labels.max() > high):
            self.doubtful.append(
                f"its name speaks of {y0}-{m0} to {y1}-{m1}, its times run from {iso(int(all_labels.min()))[:10]} to "
                f"{iso(int(all_labels.max()))[:10]}"
            )


def _grid_text(found: Found) -> str:
    if found.info.geometry == "none":
        return "no place"
    grid: Grid = found.grid
    ny, nx = grid.shape
    if found.info.geometry in ("track", "station"):
        return f"{found.info.geometry}, {ny * nx} places"
    if isinstance(grid, CurvilinearGrid):
        return f"{'swath' if grid.is_swath else 'curvilinear'}, {ny} × {nx} cells"
    width, height = grid.cell_size
    even = all(
        edges.size < 3 or np.ptp(np.diff(edges)) < 1e-3 * size
        for edges, size in (
            (getattr(grid, "lon_edges", np.zeros(0)), width),
            (getattr(grid, "lat_edges", np.zeros(0)), height),
        )
    )
    return f"{'regular' if even else 'rectilinear'}, {ny} × {nx} cells of {height:.3g}° × {width:.3g}°"


def _packing_text(packing: Packing) -> str:
    scale = 1.0 if packing.scale is None else float(packing.scale)
    offset = 0.0 if packing.offset is None else float(packing.offset)
    text = f"{packing.stored}" + (f" × {scale:g}" if scale != 1 else "")
    return text + (f" {'+' if offset > 0 else '−'} {abs(offset):g}" if offset else "")
