"""Every real file: what is found in it, and that what is drawn and counted is what the file says; or why it is refused.

The values and the places come from the files by netCDF4 and zarr alone, decoded here. What is found is written to
`artifacts/files.md`, one row a file.
"""

from __future__ import annotations

import gc
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from PIL import Image

from datavore_widgets.errors import Unreadable
from datavore_widgets.protocol.answers import IndexInfo
from datavore_widgets.protocol.colormap import Norm, palette
from datavore_widgets.protocol.geometry import GLOBAL, BBox, Point
from datavore_widgets.protocol.queries import (
    Canvas,
    DataQuery,
    MapQuery,
    SeriesQuery,
    Source,
    Style,
    Window,
    parse_filters,
)
from datavore_widgets.protocol.times import Date, Lapse
from datavore_widgets.service.curvilinear import CurvilinearGrid
from datavore_widgets.service.grid import Grid
from datavore_widgets.service.local import LocalService
from datavore_widgets.service.mosaic import Mosaic
from datavore_widgets.service.resample import frame_of
from datavore_widgets.service.sphere import half_turn
from tests.conftest import REPOSITORY, SHARED_DATA

ARTIFACTS = REPOSITORY / "artifacts"


@dataclass(frozen=True)
class Shown:
    """A file that is opened.

    Parameters
    ----------
    variables : tuple of str
        All that are found.
    kind : {'rectilinear', 'curvilinear', 'swath'}
        Of the grid.
    extent : tuple
        West, south, east, north, to a tenth of a degree.
    first, last : str
        ISO 8601, or empty.
    count : int
        Times.
    probe : str
        The variable that is compared with the file.
    lon, lat : str
        Its coordinates in the file; of a grid in another frame, empty.
    """

    variables: tuple[str, ...]
    kind: str
    extent: tuple[float, float, float, float]
    first: str
    last: str
    count: int
    calendar: str
    probe: str
    lon: str
    lat: str


@dataclass(frozen=True)
class Listed:
    """A file of samples, stations, a series without a place or a mesh; its numbers are tried in `test_samples`.

    Parameters
    ----------
    geometry : str
        As the catalogue tells it.
    probe : str
        The variable that is compared with the file.
    """

    variables: tuple[str, ...]
    geometry: str
    extent: tuple[float, ...] | None
    first: str
    last: str
    count: int
    probe: str
    calendar: str = "standard"


def _listed(variables: str, geometry: str, extent: str, times: str, probe: str, calendar: str = "standard") -> Listed:
    first, last, count = times.split() if times else ("", "", "0")
    box = tuple(map(float, extent.split())) if extent else None
    return Listed(tuple(variables.split()), geometry, box, first, last, int(count), probe, calendar)


NEMO = ("-180 -85.7 180 90", "nav_lon", "nav_lat")
AMSR2 = (
    "sea_surface_temperature sst_dtime dt_analysis sses_bias sses_standard_deviation l2p_flags quality_level "
    "wind_speed diurnal_amplitude cool_skin water_vapor cloud_liquid_water rain_rate"
)
ASCAT = "wvc_index model_speed model_dir ice_prob ice_age wvc_quality_flag wind_speed wind_dir bs_distance"


def _shown(variables: str, kind: str, extent: str, times: str, calendar: str, probe: str, lon: str, lat: str) -> Shown:
    west, south, east, north = map(float, extent.split())
    first, last, count = times.split() if times else ("", "", "0")
    return Shown(
        tuple(variables.split()), kind, (west, south, east, north), first, last, int(count), calendar, probe, lon, lat
    )  # fmt: skip


FILES: dict[str, Shown | Listed | str] = {
    "A1B_north_america.nc": _shown(
        "air_temperature", "rectilinear", "-135.9 14.4 -44.1 60.6", "1860-06-01T00:00:00Z 2099-06-01T00:00:00Z 240",
        "360_day", "air_temperature", "longitude", "latitude"),
    "SOI_Darwin.nc": _listed("SOI_Darwin", "none", "", "1866-01-01T00:00:00Z 2013-12-01T00:00:00Z 1776", "SOI_Darwin"),
    "SS_AMSR2-L2B_v08_r38622-v02.0-fv01.0.nc": _shown(
        AMSR2, "swath", "-77.3 -89.4 6.4 0.1", "2019-08-21T17:48:11Z 2019-08-21T17:48:11Z 1",
        "standard", "sea_surface_temperature", "lon", "lat"),
    "SS_MODIS_A-JPL-L2P-v2014.0.nc": _shown(
        "sea_surface_temperature sst_dtime", "swath", "72 40.1 86.4 50.2",
        "2019-08-05T06:55:01Z 2019-08-05T06:55:01Z 1", "standard", "sea_surface_temperature", "lon", "lat"),
    "ascat_20150702_084200_metopa_45145_eps_o_250_2300_ovw.l2.nc": _shown(
        ASCAT, "swath", "-180 -89.5 180 89.4", "2015-07-02T08:42:00Z 2015-07-02T08:42:00Z 1",
        "standard", "wind_speed", "lon", "lat"),
    "basin_mask.nc": _shown("basin", "rectilinear", "-180 -90 180 90", "", "standard", "basin", "X", "Y"),
    "clim_axes_noleap.nc": "12 times from 0001-01-16T12:00:00Z to 0001-12-16T12:00:00Z, calendar noleap, and",
    "dsg_profile_example.nc": _listed(
        "depth temp sal sigma_t", "track", "-166 70.6 -159.7 71.8", "2012-08-22T17:25:00Z 2012-08-26T23:42:00Z 30",
        "temp"),
    "dsg_trajectory_example.nc": _listed(
        "fCO2_recommended Temperature_equi", "track", "137.1 34.4 -124 73.8",
        "2015-06-23T13:10:00Z 2015-11-07T08:00:00Z 1326", "Temperature_equi"),
    "eraint_uvz.nc": _shown(
        "z u v speed_of_u_v direction_of_u_v", "rectilinear", "-180 -90 180 90", "", "standard", "u",
        "longitude", "latitude"),
    "etopo60.cdf": _shown(
        "ROSE", "rectilinear", "-180 -90 180 90", "", "standard", "ROSE", "ETOPO60X", "ETOPO60Y"),
    "mesh_C4_synthetic_float.nc": _listed("synthetic", "grid", "-180 -90 180 90", "", "synthetic"),
    **{
        f"nemo_1m_2015{month:02}01-2015{month + 1:02}01_grid-T.nc": _shown(
            "tos", "curvilinear", NEMO[0], f"2015-{month:02}-16T00:00:00Z 2015-{month:02}-16T00:00:00Z 1",
            "360_day", "tos", *NEMO[1:])
        for month in (1, 2, 3)
    },
    "ostia_monthly.nc": _shown(
        "surface_temperature", "rectilinear", "-180 -5.3 180 4.7", "2006-04-16T00:00:00Z 2010-09-16T00:00:00Z 54",
        "standard", "surface_temperature", "longitude", "latitude"),
    "psl_ERA5_mon_194001-202212.nc": _shown(
        "psl", "rectilinear", "-180 -90 180 90", "1940-01-01T00:00:00Z 2022-12-01T00:00:00Z 996",
        "standard", "psl", "lon", "lat"),
    "rotated_pole.nc": _shown(
        "air_pressure_at_sea_level", "curvilinear", "-89.4 14 70.9 77.4",
        "2006-06-15T00:00:00Z 2006-06-15T00:00:00Z 1", "standard", "air_pressure_at_sea_level", "", ""),
    "swanfile.spec": _listed(
        "VaDens", "station", "174.7 -38.2 174.7 -38.2", "2016-10-11T00:00:00Z 2016-10-15T00:00:00Z 5",
        "VaDens"),
    "tas_Amon_CanESM2_rcp85_r1i1p1_200701-200712.nc": _shown(
        "tas", "rectilinear", "-180 -90 180 90", "2006-12-16T12:00:00Z 2007-11-16T00:00:00Z 12",
        "noleap", "tas", "lon", "lat"),
    "tasmax_day_CanESM2_rcp85_r1i1p1_na10kgrid_qm-moving-50bins-detrend_2095.nc": _shown(
        "time_vectors tasmax", "rectilinear", "-75 42 -72 45", "2095-01-01T00:00:00Z 2095-12-31T00:00:00Z 365",
        "noleap", "tasmax", "lon", "lat"),
    "tiny.nc": "no longitude and latitude, and no times: nothing tells where or when its 5 values are",
    "tos_Omon_CNRM-CM6-1_ssp245_r1i1p1f2_gn_201501.nc": _shown(
        "tos", "curvilinear", "-180 -79 180 90", "2015-01-16T12:00:00Z 2015-01-16T12:00:00Z 1",
        "standard", "tos", "lon", "lat"),
    "vlstr_type.nc": _shown(
        "wind", "rectilinear", "9.5 49.5 10.5 50.5", "1970-01-01T00:00:00Z 1970-01-07T05:00:00Z 150",
        "standard", "wind", "lon", "lat"),
    "ww3file.nc": _listed(
        "dpt efth wnd wnddir", "station", "92 19.8 92.1 20", "2014-12-01T00:00:00Z 2014-12-05T00:00:00Z 9",
        "wnd"),
    "ww3file.zarr": _listed(
        "cur curdir dpt efth wnd wnddir", "station", "-27.5 -75.5 -27.5 -75.5",
        "1993-01-01T00:00:00Z 1993-01-13T09:00:00Z 100", "wnd", "proleptic_gregorian"),
    "zostoga_Omon_HadGEM2-ES_rcp45_r1i1p1_200512-209911.nc": _listed(
        "zostoga", "none", "", "2005-12-16T00:00:00Z 2099-11-16T00:00:00Z 1128", "zostoga", "360_day"),
}  # fmt: skip

ALWAYS = Lapse(Date("0000"), Date("9999"))

OPENED = sorted(name for name, told in FILES.items() if isinstance(told, Shown))
LISTED = sorted(name for name, told in FILES.items() if isinstance(told, Listed))
REFUSED = sorted(name for name, told in FILES.items() if isinstance(told, str))


COLUMNS = (
    "file", "opened", "variables", "kind", "extent", "first", "last", "times", "calendar", "pictures", "series",
)  # fmt: skip

Table = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def table() -> Iterator[Table]:
    """A row for each file, with what the tests of this run have seen to be right; a dash is what none has looked at."""
    rows: Table = {name: {} for name in sorted(FILES)}
    yield rows
    lines = [COLUMNS, ("---",) * len(COLUMNS)]
    lines += [(f"`{name}`", *(row.get(column, "–") for column in COLUMNS[1:])) for name, row in rows.items()]
    ARTIFACTS.mkdir(exist_ok=True)
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    (ARTIFACTS / "files.md").write_text(f"# All files: what is found in them, and what was compared\n\n{text}")


def test_no_file_is_missing_from_the_table(shared_data: Path) -> None:
    """Every file in any folder is in the table by its own name, or is part of a Zarr store that is."""
    found = set()
    for path in shared_data.rglob("*"):
        if path.is_file():
            inside = path.relative_to(shared_data)
            stores = [part for part in (*inside.parents,) if part.suffix == ".zarr"]
            found.add(str(stores[-1] if stores else inside))
    assert sorted(found - {"README.md"}) == sorted(FILES)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_shown_is_refused_with_the_reason(name: str, shared_data: Path, table: Table) -> None:
    reason = FILES[name]
    assert isinstance(reason, str)
    with pytest.raises(Unreadable, match=reason) as refusal:
        LocalService(shared_data / name)
    table[name]["opened"] = f"no: {str(refusal.value).replace(str(shared_data / name), name)}"


def found_in(name: str, info: IndexInfo, kind: str) -> dict[str, str]:
    """What is told of a file, as it is written in the table."""
    return {
        "opened": "yes",
        "variables": ", ".join(info.variables),
        "kind": kind,
        "extent": " ".join(f"{edge:.6g}" for edge in info.bbox.to_tuple()) if info.bbox is not None else "no place",
        "first": info.first or "no times",
        "last": info.last or "no times",
        "times": str(info.count),
        "calendar": info.calendar if info.count else "",
    }


@pytest.fixture(scope="module", params=OPENED)
def opened(request: pytest.FixtureRequest, shared_data: Path) -> Iterator[tuple[str, Shown, LocalService]]:
    told = FILES[request.param]
    assert isinstance(told, Shown)
    with LocalService(shared_data / request.param) as service:
        yield request.param, told, service


Opened = tuple[str, Shown, LocalService]


def index_of(service: LocalService) -> str:
    (index,) = service._store.library.indexes
    return index


def grid_of(told: Shown, service: LocalService) -> Grid:
    return service._store.library.indexes[index_of(service)].variables[told.probe].grid


def kind_of(grid: Grid) -> str:
    if isinstance(grid, CurvilinearGrid):
        return "swath" if grid.is_swath else "curvilinear"
    return "rectilinear"


def test_what_is_found(opened: Opened, table: Table) -> None:
    name, told, service = opened
    info = service._store.library.info().indexes[index_of(service)]
    assert tuple(info.variables) == told.variables
    assert kind_of(grid_of(told, service)) == told.kind
    assert info.bbox is not None
    assert np.allclose(info.bbox.to_tuple(), told.extent, atol=0.06)
    assert (info.first or "", info.last or "", info.count) == (told.first, told.last, told.count)
    assert info.calendar == told.calendar
    table[name] |= found_in(name, info, told.kind)


@pytest.mark.parametrize("name", LISTED)
def test_what_is_found_in_files_of_samples(name: str, shared_data: Path, table: Table) -> None:
    told = FILES[name]
    assert isinstance(told, Listed)
    with LocalService(shared_data / name) as service:
        info = service._store.library.info().indexes[index_of(service)]
    assert tuple(info.variables) == told.variables
    assert {variable.geometry for variable in info.variables.values()} == {told.geometry}
    if told.extent is None:
        assert info.bbox is None
    else:
        assert info.bbox is not None
        assert np.allclose(info.bbox.to_tuple(), told.extent, atol=0.06)
    assert (info.first or "", info.last or "", info.count) == (told.first, told.last, told.count)
    assert info.calendar == told.calendar
    table[name] |= found_in(name, info, {"none": "series", "grid": "mesh"}.get(told.geometry, told.geometry))


@pytest.mark.parametrize("name", LISTED)
def test_samples_are_counted_and_drawn_as_the_file_has_them(name: str, shared_data: Path, table: Table) -> None:
    """All values in one number, and a dot where the first sample is."""
    told = FILES[name]
    assert isinstance(told, Listed)
    own, place, filters = samples_of(name, told)
    with LocalService(shared_data / name) as service:
        index = index_of(service)
        table[name] |= {"series": "no times", "pictures": "no place"}
        if told.count:
            series = service.answer(SeriesQuery(index, told.probe, GLOBAL, ALWAYS, filters=filters))
            # Of what has no place, a value is one; of samples, those of each time are averaged.
            counts = np.isfinite(series.values).astype(int) if series.counts is None else series.counts
            assert counts.sum() == own.size
            mean = np.nansum(np.where(counts > 0, series.values, 0.0) * counts) / counts.sum()
            assert abs(mean - own.mean()) <= 1e-6 * max(abs(own.mean()), own.std())
            table[name]["series"] = f"{own.size} values"
        if place is not None:
            lon, lat = place
            canvas = Canvas(BBox(lon - 1, lat - 1, lon + 1, lat + 1), 101)
            window = Window(366 * 86400) if told.geometry == "track" else None
            source = Source(index, told.probe, Date.parse(told.last) if told.count else None, filters=filters)
            picture = service.answer(MapQuery(source, canvas, window=window))
            drawn = np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGBA"))
            assert drawn[picture.height // 2, picture.width // 2, 3] == 255
            table[name]["pictures"] = "1 place"


def samples_of(name: str, told: Listed) -> tuple[NDArray[np.float64], tuple[float, float] | None, Any]:
    """All values there are of a variable in float64, the first of its places, and what chooses it."""
    if name.endswith(".spec"):
        import wavespectra

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # it leaves the file open
            spectra = wavespectra.read_swan(SHARED_DATA / name).load()
            gc.collect()
        fullest = spectra["efth"].mean(("time", "lat", "lon")).argmax(("freq", "dir"))
        one = spectra["efth"][fullest]
        filters = parse_filters({"frequency": float(one["freq"]), "direction": float(one["dir"])})
        return one.values.ravel(), (float(spectra["lon"][0]), float(spectra["lat"][0])), filters
    # xarray warns of two fill values that one of them has.
    with xr.open_dataset(SHARED_DATA / name, decode_times=False, drop_variables="rowsize") as dataset:
        own = dataset[told.probe].values.astype(np.float64)
        place = None
        if told.geometry == "grid":
            corners = dataset["example_C4_face_nodes"].values.astype(int)[0] - 1
            x, y = (dataset[f"example_C4_node_{axis}"].values[corners].astype(float) for axis in "xy")
            place = float(x[0] + half_turn(x - x[0]).mean()), float(y.mean())
        elif told.geometry != "none":
            lon, lat = (float(dataset[axis].values.ravel()[0]) for axis in ("longitude", "latitude"))
            place = lon, lat
        return own[np.isfinite(own)], place, ()


@lru_cache(maxsize=4)
def stored(name: str, probe: str) -> NDArray[np.float64]:
    """The values of a variable in float64, (times, rows, columns): masked by its attributes, at the first depth."""
    with xr.open_dataset(SHARED_DATA / name, decode_times=False, decode_coords=False, mask_and_scale=False) as dataset:
        variable = dataset[probe]
        raw, attrs = variable.values, variable.attrs
        values = raw.astype(np.float64)
        missing = np.zeros(raw.shape, dtype=bool)
        for key in ("_FillValue", "missing_value"):
            for fill in np.atleast_1d(attrs.get(key, [])):
                missing |= (raw == fill) | (np.isnan(values) & bool(np.isnan(fill)))
        for key, beyond in (("valid_min", np.less), ("valid_max", np.greater)):
            if key in attrs:
                missing |= beyond(raw, attrs[key])
        # Scale and offset in the precision in which the file has them.
        scale, offset = attrs.get("scale_factor", 1), attrs.get("add_offset", 0)
        values = values * float(scale) + float(offset)
        values[missing] = np.nan
        dims = list(variable.dims)
    for further in ("month", "level", "Z", "ts"):
        if further in dims:
            values = values.take(0, axis=dims.index(further))
            dims.remove(further)
    return values.reshape(-1, *values.shape[-2:])


def places(name: str, told: Shown, grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The centres of all cells as the file has them, each (rows, columns); NaN where there are none."""
    if not told.lon:
        return grid.coordinates(grid.inside(GLOBAL))
    with xr.open_dataset(SHARED_DATA / name, decode_times=False, decode_coords=False, mask_and_scale=False) as raw:
        dataset = xr.decode_cf(raw[[told.lon, told.lat]], decode_times=False)
        lon, lat = (dataset[axis].values.astype(np.float64) for axis in (told.lon, told.lat))
    return (lon, lat) if lon.ndim == 2 else tuple(np.meshgrid(lon, lat))  # type: ignore[return-value]


def counted(grid: Grid, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The cells that count: all but repeated ones, which have another at the same place."""
    return grid.valid if isinstance(grid, CurvilinearGrid) else np.ones(shape, dtype=bool)


def source_of(told: Shown, service: LocalService, step: int) -> Source:
    axis = service._store.library.indexes[index_of(service)].variables[told.probe].axis
    date = Date(f"{int(axis.labels[step]):017d}"[:14]) if len(axis) else None
    return Source(index_of(service), told.probe, date)


def boxes_of(told: Shown) -> list[BBox]:
    """The world, and two boxes within the extent, one of them over its middle and odd in its edges."""
    west, south, east, north = told.extent
    width, height = (east - west) % 360 or 360.0, north - south
    lower = BBox(west + width * 0.13, south + height * 0.11, west + width * 0.52, south + height * 0.63)
    middle = float(half_turn(west + width * 0.4))
    across = BBox(middle, south + height * 0.3, float(half_turn(middle + width * 0.45)), south + height * 0.95)
    return [GLOBAL, lower, across]


def test_series_are_those_of_numpy(opened: Opened, table: Table) -> None:
    name, told, service = opened
    if told.count == 0:
        table[name]["series"] = "no times"
        pytest.skip("it has no times")
    compared = 0
    grid = grid_of(told, service)
    lon, lat = places(name, told, grid)
    values = stored(name, told.probe)
    alone = counted(grid, lon.shape)
    for box in boxes_of(told):
        inside = box.contains(lon, lat) & alone
        if not inside.any():
            continue
        series = service.answer(SeriesQuery(index_of(service), told.probe, box, ALWAYS))
        own = values[:, inside]
        counts = np.isfinite(own).sum(axis=1)
        assert np.array_equal(series.counts, counts)
        assert series.total == inside.sum()
        there = counts > 0
        mean = np.nansum(own[there], axis=1) / counts[there]
        deviation = float(np.nanstd(own)) if there.any() else 0.0
        assert (np.abs(series.values[there] - mean) <= 1e-6 * np.maximum(np.abs(mean), deviation)).all()
        assert np.isnan(series.values[~there]).all()
        compared += there.size
    table[name]["series"] = f"{compared} values"


def test_data_are_those_of_the_file(opened: Opened) -> None:
    name, told, service = opened
    grid = grid_of(told, service)
    lon, lat = places(name, told, grid)
    values = stored(name, told.probe)
    alone = counted(grid, lon.shape)
    step = max(told.count - 1, 0)
    for box in boxes_of(told):
        inside = box.contains(lon, lat) & alone
        if not inside.any():
            continue
        found = service.answer(DataQuery(source_of(told, service, step), box))
        data = np.ma.filled(np.ma.asarray(found.data).astype(np.float64), np.nan)
        lons, lats = (found.lon, found.lat) if found.lon.ndim == 2 else np.meshgrid(found.lon, found.lat)
        ours = np.column_stack([lons[np.isfinite(data)], lats[np.isfinite(data)], data[np.isfinite(data)]])
        own = inside & np.isfinite(values[step])
        theirs = np.column_stack([lon[own], lat[own], values[step][own]])
        assert ours.shape == theirs.shape
        ours, theirs = (table[np.lexsort(table[:, ::-1].T)] for table in (ours, theirs))
        assert np.array_equal(ours[:, :2], theirs[:, :2])
        # Unpacked in float32 where the packing is in float32.
        assert np.allclose(ours[:, 2], theirs[:, 2], rtol=2e-7, atol=2e-7 * np.abs(theirs[:, 2]).max(initial=1e-30))


def test_pictures_are_right_at_probe_cells(opened: Opened, table: Table) -> None:
    name, told, service = opened
    grid = grid_of(told, service)
    lon, lat = places(name, told, grid)
    values = stored(name, told.probe)[0]
    probes = np.flatnonzero(counted(grid, lon.shape) & (np.abs(lat) < 80))
    probes = np.random.default_rng(0).choice(probes, min(24, probes.size), replace=False)
    finite = values[np.isfinite(values)]
    vmin, vmax = float(finite.min()), float(finite.max()) + 1e-3
    scale = Norm(vmin, vmax)
    colours = palette("gray", scale.levels)
    for projection in ("mercator", "pc_world"):
        for probe in probes:
            x, y, value = float(half_turn(lon.flat[probe])), float(lat.flat[probe]), values.flat[probe]
            # A small picture around the cell: its middle is the cell's.
            half = grid.cell_size[1] * 0.01
            canvas = Canvas(BBox(x - half, y - half, x + half, y + half), 3, projection)
            picture = service.answer(MapQuery(source_of(told, service, 0), canvas, Style("gray", vmin, vmax)))
            drawn = np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGBA"))
            shade = drawn[picture.height // 2, picture.width // 2]
            if np.isnan(value):
                assert shade[3] == 0
            else:
                level = int(scale.indices(np.array([value]))[0])
                assert shade[3] == 255
                assert (
                    abs(int(shade[0]) - int(np.asarray(colours).reshape(-1, np.asarray(colours).shape[-1])[level][0]))
                    <= 2
                )
    table[name]["pictures"] = f"{probes.size} cell{'' if probes.size == 1 else 's'}, 2 projections"


def test_a_cell_is_found_at_its_centre(opened: Opened) -> None:
    name, told, service = opened
    grid = grid_of(told, service)
    if told.count == 0:
        pytest.skip("it has no times")
    lon, lat = places(name, told, grid)
    values = stored(name, told.probe)
    probes = np.flatnonzero(counted(grid, lon.shape))
    for probe in np.random.default_rng(1).choice(probes, min(12, probes.size), replace=False):
        place = Point(float(lon.flat[probe]), float(lat.flat[probe]))
        series = service.answer(SeriesQuery(index_of(service), told.probe, place, ALWAYS))
        assert series.distance == pytest.approx(0.0, abs=1.0)
        own = values.reshape(len(values), -1)[:, probe]
        assert np.allclose(series.values, own, rtol=1e-6, equal_nan=True)


# --- beside matplotlib ------------------------------------------------------------------------------------------------

BESIDE = {
    "nemo_1m_20150101-20150201_grid-T.nc": (GLOBAL, BBox(-100, 55, 40, 89)),
    "tos_Omon_CNRM-CM6-1_ssp245_r1i1p1f2_gn_201501.nc": (GLOBAL, BBox(60, -60, 85, 20)),
    "ascat_20150702_084200_metopa_45145_eps_o_250_2300_ovw.l2.nc": (BBox(-20, -40, 40, 20), BBox(170, -30, -150, 10)),
    "SS_AMSR2-L2B_v08_r38622-v02.0-fv01.0.nc": (BBox(-50, -80, -20, -60),),
    "SS_MODIS_A-JPL-L2P-v2014.0.nc": (BBox(78, 44, 80, 46),),
}


@pytest.mark.parametrize("name", sorted(BESIDE))
def test_pixels_show_what_matplotlib_paints_there(name: str, shared_data: Path) -> None:
    """1,000 places: the cell that we show is painted by matplotlib within a pixel of there, and none where none is.

    Where cells are smaller than pixels, or lie over one another, matplotlib may show another one that reaches there:
    then ours has to hold the place, by matplotlib's own reckoning.
    """
    matplotlib = pytest.importorskip("matplotlib")
    pytest.importorskip("matplotlib.path")
    told = FILES[name]
    assert isinstance(told, Shown)
    rng = np.random.default_rng(2)
    with LocalService(shared_data / name) as service:
        grid = grid_of(told, service)
        assert isinstance(grid, CurvilinearGrid)
        for box in BESIDE[name]:
            part = grid.part(grid.around(box))
            canvas = Canvas(box, 1000)
            frame = frame_of(part, canvas)
            shown = Mosaic.of(part, frame, canvas).shown
            painted = painted_by(matplotlib, part, box, frame.width, frame.height)
            rows, columns = rng.integers(1, frame.height - 1, 1000), rng.integers(1, frame.width - 1, 1000)
            near = np.stack([painted[rows + y, columns + x] for y in (-1, 0, 1) for x in (-1, 0, 1)])
            ours = shown[rows, columns]
            agree = (near == ours).any(axis=0)
            for place in np.flatnonzero(~agree):
                assert ours[place] >= 0, (box, place)
                lon, lat = part.corners.degrees(ours[[place]])
                x, y = frame.lons[columns[place]], frame.lats[rows[place]]
                outline = matplotlib.path.Path(np.column_stack([x + half_turn(lon[:, 0] - x), lat[:, 0]]))
                pixel = box.width / frame.width
                assert any(outline.contains_point((x, y), radius=sign * pixel / 2) for sign in (1, -1)), (box, place)
            assert agree.mean() > (0.6 if grid.is_swath else 0.9)


def painted_by(matplotlib: Any, grid: CurvilinearGrid, box: BBox, width: int, height: int) -> NDArray[np.int64]:
    """The cell of each pixel as matplotlib paints polygons with the same corners, -1 for none."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import PolyCollection
    from matplotlib.figure import Figure

    cells = np.flatnonzero(grid.valid)
    lon, lat = grid.corners.degrees(cells)
    center = grid.lon.ravel()[cells]
    x = center + half_turn(lon - center)
    # Those around a pole are no polygons on this map.
    whole = (np.ptp(x, axis=0) < 180) & (np.abs(lat).max(axis=0) < 89.9)
    corners = np.stack([x, lat], axis=-1).transpose(1, 0, 2)[whole]
    numbers = cells[whole]
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    agg = FigureCanvasAgg(figure)
    figure.patch.set_facecolor("black")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(box.west, box.west + box.width), ylim=(box.south, box.north))
    turn = np.floor((corners[:, :, 0].mean(axis=1) - box.west) / 360.0) * 360.0
    colours = np.stack([(numbers + 1) >> shift & 255 for shift in (16, 8, 0)], axis=-1) / 255
    for more in (0.0, 360.0, -360.0):
        moved = corners - np.stack([turn + more, np.zeros_like(turn)], axis=-1)[:, None, :]
        seen = (moved[:, :, 0].max(axis=1) > box.west) & (moved[:, :, 0].min(axis=1) < box.west + box.width)
        axes.add_collection(
            PolyCollection(list(moved[seen]), facecolors=colours[seen], edgecolors="none", antialiaseds=False),
            autolim=False,
        )
    agg.draw()
    rgb = np.asarray(agg.buffer_rgba())[..., :3].astype(np.int64)
    return (rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]) - 1
