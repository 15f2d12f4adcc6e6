"""Tracks, profiles, stations, series without a place and meshes, against numpy on the same files."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from PIL import Image

from datavore_widgets.errors import InvalidValue, NoData, NotSupported, Unreadable
from datavore_widgets.protocol.geometry import GLOBAL, BBox, Point
from datavore_widgets.protocol.queries import (
    Canvas,
    DataQuery,
    ExtractQuery,
    FilesQuery,
    LapseMapQuery,
    MapQuery,
    SeriesQuery,
    Source,
    Style,
    TimesQuery,
    Window,
    parse_filters,
)
from datavore_widgets.protocol.times import Date, Lapse, millis_from_label
from datavore_widgets.service.areas import area_weights
from datavore_widgets.service.catalog import open_catalog
from datavore_widgets.service.local import LocalService
from datavore_widgets.service.mosaic import Dots
from datavore_widgets.service.points import Points
from datavore_widgets.service.resample import frame_of
from datavore_widgets.service.sphere import degrees_of, vectors_of
from tests import fields

ALWAYS = Lapse(Date("0000"), Date("9999"))
STYLE = Style("gray", 0.0, 40.0)
SECONDS = {"units": "seconds since 2020-01-01"}


def pixels(png: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def drifters(seed: int = 0) -> dict[str, NDArray]:
    """Samples of three drifters in no order: number, place, second, depth, value; one without a time or a place."""
    rng = np.random.default_rng(seed)
    size = 60
    owner = np.sort(rng.integers(0, 3, size))
    lon, lat = rng.uniform(170, 190, size), rng.uniform(-10, 10, size)
    second = rng.choice(np.arange(0, 86400 * 3, 600), size, replace=False).astype(float)
    value = fields.value(lon, lat)
    second[7], lon[8], value[9] = np.nan, np.nan, np.nan
    return {"owner": owner, "lon": lon, "lat": lat, "second": second, "value": value, "depth": rng.uniform(0, 50, size)}


def as_contiguous(table: dict[str, NDArray]) -> xr.Dataset:
    """Contiguous ragged (CF H.4.3): runs of samples, one behind the other."""
    counts = np.bincount(table["owner"], minlength=3).astype(np.int32)
    return xr.Dataset(
        {
            "temp": ("obs", table["value"], {"units": "degC", "coordinates": "time lat lon z"}),
            "z": ("obs", table["depth"], {"units": "m", "positive": "down", "axis": "Z"}),
            "rowsize": ("trajectory", counts, {"sample_dimension": "obs"}),
            "lon": ("obs", table["lon"], fields.LON),
            "lat": ("obs", table["lat"], fields.LAT),
            "time": ("obs", table["second"], SECONDS),
        },
        attrs={"featureType": "trajectory"},
    )


def as_matrix(table: dict[str, NDArray]) -> xr.Dataset:
    """Incomplete multidimensional (CF H.4.1): (trajectory, obs), missing at the ends."""
    longest = int(np.bincount(table["owner"]).max())
    dims = ("trajectory", "obs")

    def matrix(name: str) -> NDArray:
        filled = np.full((3, longest), np.nan)
        for owner in range(3):
            own = table[name][table["owner"] == owner]
            filled[owner, : own.size] = own
        return filled

    return xr.Dataset(
        {
            "temp": (dims, matrix("value"), {"units": "degC", "coordinates": "time lat lon z"}),
            "z": (dims, matrix("depth"), {"units": "m", "positive": "down", "axis": "Z"}),
            "lon": (dims, matrix("lon"), fields.LON),
            "lat": (dims, matrix("lat"), fields.LAT),
            "time": (dims, matrix("second"), SECONDS),
        },
        attrs={"featureType": "trajectory"},
    )


FORMS = {"contiguous": as_contiguous, "matrix": as_matrix}


@pytest.fixture(params=sorted(FORMS))
def drifting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalService]:
    """Two files of drifters: one index."""
    for seed in (0, 1):
        FORMS[request.param](drifters(seed)).to_netcdf(tmp_path / f"{seed}.nc")
    with LocalService({"d": tmp_path}) as service:
        yield service


def every_sample() -> dict[str, NDArray]:
    """The samples of both files that have a place and a time, in the order of time."""
    tables = [drifters(seed) for seed in (0, 1)]
    joined = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    there = np.isfinite(joined["second"]) & np.isfinite(joined["lon"])
    order = np.argsort(joined["second"][there], kind="stable")
    return {name: values[there][order] for name, values in joined.items()}


def test_the_samples_of_several_files_are_one_index_with_their_own_times(drifting: LocalService) -> None:
    table = every_sample()
    info = drifting._store.library.info().index("d")
    assert set(info.variables) == {"temp", "z"}
    assert info.variables["temp"].geometry == "track"
    axis = drifting.answer(TimesQuery("d", "temp")).axis
    assert np.array_equal(axis.millis - axis.millis[0], (np.unique(table["second"]) - table["second"][0]) * 1000)
    assert info.bbox.crosses_antimeridian


BOX = BBox(175, -6, -178, 5)


def test_an_extract_is_the_table_of_the_samples(drifting: LocalService) -> None:
    table = every_sample()
    inside = BOX.contains(table["lon"], table["lat"])
    extract = drifting.answer(ExtractQuery("d", ("temp", "z"), BOX, ALWAYS))
    assert 0 < inside.sum() < inside.size
    for name, own in (("lon", extract.lon), ("lat", extract.lat)):
        assert np.array_equal(own, table[name][inside])
    for name, column in (("value", "temp"), ("depth", "z")):
        assert np.array_equal(extract.columns[column], table[name][inside], equal_nan=True)
    start = np.datetime64("2020-01-01", "ms").astype(np.int64)
    assert np.array_equal(millis_from_label(extract.labels) - start, table["second"][inside] * 1000)
    day = drifting.answer(ExtractQuery("d", ("temp",), BOX, Lapse(Date("20200102"), Date("20200102"))))
    assert day.lon.size == (inside & (table["second"] // 86400 == 1)).sum()


def test_a_series_has_the_times_of_the_samples_in_the_box(drifting: LocalService) -> None:
    table = every_sample()
    inside = BOX.contains(table["lon"], table["lat"])
    series = drifting.answer(SeriesQuery("d", "temp", BOX, ALWAYS))
    seconds = np.unique(table["second"][inside])
    assert np.array_equal(np.diff(series.millis), np.diff(seconds) * 1000)
    for second, value, count in zip(seconds, series.values, series.counts, strict=True):
        own = table["value"][inside & (table["second"] == second)]
        assert count == np.isfinite(own).sum()
        assert np.isnan(value) if count == 0 else value == pytest.approx(np.nanmean(own), rel=1e-12)
    days = drifting.answer(SeriesQuery("d", "temp", BOX, ALWAYS, "yyyy-MM-dd"))
    for label, value in zip(days.labels // 10**9, days.values, strict=True):
        own = table["value"][inside & (table["second"] // 86400 == label - 20200101)]
        assert value == pytest.approx(np.nanmean(own), rel=1e-12)
    with pytest.raises(NoData, match="nearest one"):
        drifting.answer(SeriesQuery("d", "temp", BBox(0, 40, 10, 50), ALWAYS))


def test_samples_are_filtered_by_what_is_told_with_them(drifting: LocalService) -> None:
    table = every_sample()
    shallow = parse_filters({"z": {"max": 10}})
    series = drifting.answer(SeriesQuery("d", "temp", GLOBAL, ALWAYS, "yyyy", filters=shallow))
    own = table["value"][(table["depth"] <= 10)]
    assert series.counts[0] == np.isfinite(own).sum()
    assert series.values[0] == pytest.approx(np.nanmean(own), rel=1e-12)
    source = Source("d", "temp", Date("2020"), filters=shallow)
    image = drifting.answer(MapQuery(source, Canvas(GLOBAL, 500), STYLE, Window(86400 * 366)))
    assert image.valid == np.isfinite(own).sum()


def test_a_position_means_the_nearest_sample(drifting: LocalService) -> None:
    table = every_sample()
    at = 20
    place = Point(
        table["lon"][at] - 360 + 0.01 if table["lon"][at] > 180 else table["lon"][at] + 0.01, table["lat"][at]
    )
    series = drifting.answer(SeriesQuery("d", "temp", place, ALWAYS))
    assert series.values[0] == pytest.approx(table["value"][at])
    assert series.distance == pytest.approx(6371008.8 * np.radians(0.01) * np.cos(np.radians(place.lat)), rel=0.01)
    with pytest.raises(NoData, match="outside"):
        drifting.answer(SeriesQuery("d", "temp", Point(0, 60), ALWAYS))


def test_data_of_a_time_are_its_samples(drifting: LocalService) -> None:
    table = every_sample()
    axis = drifting.answer(TimesQuery("d", "temp")).axis
    found = drifting.answer(DataQuery(Source("d", "temp", Date.from_label(int(axis.labels[5])))))
    own = table["second"] == np.unique(table["second"])[5]
    assert np.array_equal(found.lon[0], table["lon"][own])
    assert np.array_equal(found.data[0], table["value"][own], equal_nan=True)


@pytest.mark.parametrize("projection", ["pc_world", "mercator"])
def test_a_window_shows_a_dot_for_each_sample_the_newest_on_top(drifting: LocalService, projection: str) -> None:
    table = every_sample()
    box = BBox(168, -12, -168, 12)
    source = Source("d", "temp", Date("20200102"))
    image = drifting.answer(MapQuery(source, Canvas(box, 600, projection), STYLE, Window(86400)))
    day = (table["second"] // 86400 == 1) & np.isfinite(table["value"])
    assert image.valid == day.sum()
    assert image.steps == np.unique(table["second"][table["second"] // 86400 == 1]).size
    drawn = pixels(image.png)
    columns = np.floor((table["lon"] - 168) % 360 / 24 * image.width).astype(int)
    south, north, y = (
        np.arctanh(np.sin(np.radians(v))) if projection == "mercator" else np.asarray(v)
        for v in (-12.0, 12.0, table["lat"])
    )
    rows = np.floor((north - y) / (north - south) * image.height).astype(int)
    newest: dict[tuple[int, int], float] = {}
    for at in np.flatnonzero(day):
        newest.update(
            {
                (rows[at] + dy, columns[at] + dx): table["value"][at]
                for dy in range(-2, 3)
                for dx in range(-2, 3)
                if dx * dx + dy * dy <= 5
            }
        )
    assert {tuple(map(int, place)) for place in newest} == set(
        zip(*map(np.ndarray.tolist, np.nonzero(drawn[..., 3])), strict=True)
    )
    for (row, column), value in newest.items():
        assert abs(drawn[row, column, 0] / 255 * 40 - value) < 40 / 254 + 0.02


def test_a_radius_says_how_far_a_sample_reaches() -> None:
    table = drifters()
    with LocalService({"d": as_contiguous(table)}) as service:
        box = BBox(168, -12, -168, 12)
        canvas = Canvas(box, 600, radius=30_000.0)
        image = service.answer(MapQuery(Source("d", "temp", Date("2020")), canvas, STYLE, Window(86400 * 366)))
    drawn = pixels(image.png)[..., 3] > 0
    x = 168 + (np.arange(image.width) + 0.5) * 24 / image.width
    y = 12 - (np.arange(image.height) + 0.5) * 24 / image.height
    there = np.isfinite(table["second"] + table["lon"] + table["value"])
    own, all_pixels = vectors_of(table["lon"][there], table["lat"][there]), vectors_of(*np.meshgrid(x, y))
    near = np.arccos(np.clip(np.tensordot(own.T, all_pixels, axes=1), -1, 1)).min(axis=0) * 6371008.8
    assert drawn[near < 29_900].all()
    # One without a value may hide another that has one: only where no sample is near nothing may be.
    assert not drawn[near > 30_100].any()


def test_a_map_of_a_lapse_of_samples_is_the_mean_in_each_pixel(drifting: LocalService) -> None:
    table = every_sample()
    box = BBox(168, -12, -168, 12)
    image = drifting.answer(LapseMapQuery("d", "temp", Canvas(box, 12), ALWAYS, "avg", style=STYLE))
    drawn = pixels(image.png)
    columns = np.floor((table["lon"] - 168) % 360 / 24 * image.width).astype(int)
    rows = np.floor((12 - table["lat"]) / 24 * image.height).astype(int)
    for row in range(image.height):
        for column in range(image.width):
            near = (rows - row) ** 2 + (columns - column) ** 2 <= 5
            own = table["value"][near & np.isfinite(table["value"])]
            assert (drawn[row, column, 3] > 0) == (own.size > 0)
            if own.size:
                assert abs(drawn[row, column, 0] / 255 * 40 - own.mean()) < 40 / 254 + 0.02


def test_of_very_many_samples_each_is_one_pixel() -> None:
    rng = np.random.default_rng(5)
    lon, lat = rng.uniform(0, 40, (2, 1, 100_001))
    canvas = Canvas(BBox(0, 0, 40, 40), 50)
    frame = frame_of(Points.of(lon, lat), canvas)
    many, few = Dots.at(Points.of(lon, lat), frame), Dots.at(Points.of(lon[:, :5], lat[:, :5]), frame)
    own = np.floor(40 / 0.8 - lat / 0.8).astype(int) * 50 + np.floor(lon / 0.8).astype(int)
    assert np.array_equal(np.flatnonzero(many.shown.ravel() >= 0), np.unique(own))
    assert many.members.size == 100_001
    assert few.members.size > 5 * 8


def test_a_window_without_samples_in_the_box_is_empty_whatever_was_there_before(drifting: LocalService) -> None:
    table = every_sample()
    lon, lat = float((table["lon"][0] + 180) % 360 - 180), float(table["lat"][0])
    near = (np.abs((table["lon"] - lon + 180) % 360 - 180) < 0.02) & (np.abs(table["lat"] - lat) < 0.02)
    assert near.sum() == 1
    box = BBox(lon - 0.01, lat - 0.01, lon + 0.01, lat + 0.01)
    source = Source("d", "temp", Date("20200103"))
    image = drifting.answer(MapQuery(source, Canvas(box, 20), STYLE, Window(86400)))
    assert (image.valid, image.total) == (0, 0)
    assert not pixels(image.png)[..., 3].any()


def test_files_are_those_with_samples_there_and_then(drifting: LocalService) -> None:
    def names(box: BBox, lapse: Lapse = ALWAYS) -> list[str]:
        return sorted(Path(file).name for file in drifting.answer(FilesQuery("d", "temp", box, lapse)).files)

    assert names(GLOBAL) == ["0.nc", "1.nc"]
    table = drifters(1)
    at = 30
    own = BBox(*(table["lon"][at] - 1e-4, table["lat"][at] - 1e-4, table["lon"][at] + 1e-4, table["lat"][at] + 1e-4))
    assert names(own) == ["1.nc"]
    assert names(own, Lapse(Date("1999"), Date("2000"))) == []


def test_indexed_samples_are_found_at_their_stations() -> None:
    """Indexed ragged (CF H.2.5): each sample says of which station it is."""
    rng = np.random.default_rng(3)
    owner = rng.integers(0, 4, 40)
    dataset = xr.Dataset(
        {
            "humidity": ("obs", np.arange(40.0), {"units": "1"}),
            "station_index": ("obs", owner.astype(np.int32), {"instance_dimension": "station"}),
            "lon": ("station", [10.0, 20.0, 30.0, 40.0], fields.LON),
            "lat": ("station", [1.0, 2.0, 3.0, 4.0], fields.LAT),
            "time": ("obs", np.arange(40.0), SECONDS),
        },
        attrs={"featureType": "timeSeries"},
    )
    with LocalService({"s": dataset}) as service:
        assert set(service._store.library.info().index("s").variables) == {"humidity"}
        series = service.answer(SeriesQuery("s", "humidity", Point(20.0, 2.0), ALWAYS))
    assert np.array_equal(series.values, np.arange(40.0)[owner == 1])


def test_a_sample_of_no_station_has_no_place() -> None:
    dataset = xr.Dataset(
        {
            "humidity": ("obs", np.arange(6.0)),
            "of": (
                "obs",
                np.array([0, 1, -9, 1, 0, 1], dtype=np.int32),
                {"instance_dimension": "station", "_FillValue": np.int32(-9)},
            ),
            "lon": ("station", [10.0, 20.0], fields.LON),
            "lat": ("station", [1.0, 2.0], fields.LAT),
            "time": ("obs", np.arange(6.0), SECONDS),
        },
        attrs={"featureType": "timeSeries"},
    )
    with LocalService({"s": dataset}) as service:
        extract = service.answer(ExtractQuery("s", ("humidity",), GLOBAL, ALWAYS))
    assert np.array_equal(extract.columns["humidity"], [0, 1, 3, 4, 5])
    assert np.array_equal(extract.lon, [10, 20, 20, 10, 20])


def test_the_levels_of_floats_are_filtered_by_pressure() -> None:
    """As Argo's files: a place and a time for each profile, pressures of its own, no featureType."""
    pressure = np.array([[5.0, 50.0, 500.0], [4.0, 40.0, np.nan]])
    named = {"coordinates": "JULD LONGITUDE LATITUDE"}
    dataset = xr.Dataset(
        {
            "TEMP": (("N_PROF", "N_LEVELS"), [[20.0, 15.0, 5.0], [21.0, 16.0, np.nan]], {"units": "degree_Celsius"}),
            "PRES": (("N_PROF", "N_LEVELS"), pressure, {"axis": "Z", "standard_name": "sea_water_pressure", **named}),
            "LONGITUDE": ("N_PROF", [-30.0, -31.0], fields.LON),
            "LATITUDE": ("N_PROF", [40.0, 41.0], fields.LAT),
            "JULD": ("N_PROF", [25000.5, 999999.0], {"units": "days since 1950-01-01", "_FillValue": 999999.0}),
        }
    )
    dataset = xr.concat(
        [dataset, dataset.isel(N_PROF=[1]).assign(JULD=("N_PROF", [25001.5], dataset["JULD"].attrs))], "N_PROF"
    )
    with LocalService({"a": dataset}) as service:
        info = service._store.library.info().index("a")
        assert set(info.variables) == {"TEMP", "PRES"}
        assert info.variables["TEMP"].geometry == "track"
        extract = service.answer(ExtractQuery("a", ("TEMP", "PRES"), GLOBAL, ALWAYS))
        # The profile without a time is left out.
        assert np.array_equal(extract.columns["TEMP"], [20, 15, 5, 21, 16, np.nan], equal_nan=True)
        assert np.array_equal(extract.lon, [-30, -30, -30, -31, -31, -31])
        shallow = parse_filters({"PRES": {"max": 10}})
        series = service.answer(SeriesQuery("a", "TEMP", GLOBAL, ALWAYS, filters=shallow))
        assert np.array_equal(series.values, [20, 21])
        assert np.array_equal(series.labels, [20180613120000000, 20180614120000000])


def test_tracks_side_by_side_are_told_by_their_ids() -> None:
    dataset = as_matrix(drifters()).drop_attrs(deep=False)
    swath = open_catalog({"a": dataset}).indexes["a"].variables["temp"]
    dataset["drifter"] = ("trajectory", ["a", "b", "c"], {"cf_role": "trajectory_id"})
    track = open_catalog({"a": dataset}).indexes["a"].variables["temp"]
    assert (swath.info.geometry, track.info.geometry) == ("swath", "track")


def test_stations_have_a_series_each() -> None:
    values = np.arange(20.0).reshape(4, 5)
    dataset = xr.Dataset(
        {"level": (("station", "time"), values, {"units": "m"})},
        {
            "lon": ("station", [-3.0, 179.0, -179.0, 10.0], fields.LON),
            "lat": ("station", [48.0, 0.0, 1.0, np.nan], fields.LAT),
            "time": ("time", np.arange(5.0), {"units": "days since 2000-01-01"}),
        },
    )
    with LocalService({"s": dataset}) as service:
        info = service._store.library.info().index("s")
        assert info.variables["level"].geometry == "station"
        assert info.count == 5
        assert np.array_equal(service.answer(SeriesQuery("s", "level", Point(-3.1, 48.1), ALWAYS)).values, values[0])
        both = service.answer(SeriesQuery("s", "level", BBox(170, -10, -170, 10), ALWAYS))
        assert np.array_equal(both.values, values[1:3].mean(axis=0))
        image = service.answer(MapQuery(Source("s", "level", Date("20000103")), Canvas(GLOBAL, 360), STYLE))
        assert (image.valid, image.total) == (3, 3)
        rows, columns = np.nonzero(pixels(image.png)[..., 3])
        assert {(89, 359), (88, 1), (41, 177)} <= {(int(r), int(c)) for r, c in zip(rows, columns, strict=True)}


def test_one_station_may_have_a_single_place_for_all() -> None:
    dataset = xr.Dataset(
        {"t": (("time", "z"), np.arange(6.0).reshape(3, 2), {"units": "degC", "coordinates": "lon lat"})},
        {
            "lon": ((), -20.0, fields.LON),
            "lat": ((), 30.0, fields.LAT),
            "z": ("z", [0.0, 10.0], {"units": "m", "positive": "down"}),
            "time": ("time", np.arange(3.0), {"units": "days since 2000-01-01"}),
        },
    )
    with LocalService({"s": dataset}) as service:
        series = service.answer(SeriesQuery("s", "t", Point(-20.0, 30.0), ALWAYS, filters=parse_filters({"z": 10})))
    assert np.array_equal(series.values, [1.0, 3.0, 5.0])


def test_a_series_without_a_place_has_no_map_and_no_box() -> None:
    dataset = xr.Dataset(
        {"soi": ("time", [1.0, np.nan, 3.0])},
        {"time": ("time", np.arange(3.0), {"units": "days since 2000-01-01", "calendar": "360_day"})},
    )
    with LocalService({"s": dataset}) as service:
        info = service._store.library.info().index("s")
        assert (info.bbox, info.variables["soi"].geometry) == (None, "none")
        series = service.answer(SeriesQuery("s", "soi", GLOBAL, ALWAYS))
        assert np.array_equal(series.values, [1.0, np.nan, 3.0], equal_nan=True)
        for asked in (BBox(0, 0, 10, 10), Point(0, 0)):
            with pytest.raises(NoData, match="without a place"):
                service.answer(SeriesQuery("s", "soi", asked, ALWAYS))
        with pytest.raises(NotSupported, match="no map"):
            service.answer(MapQuery(Source("s", "soi", Date("20000101")), Canvas(GLOBAL, 100)))


# --- meshes -----------------------------------------------------------------------------------------------------------


def ugrid(nodes: int = 4) -> xr.Dataset:
    """Squares of a degree as a UGRID mesh, the second cut in two triangles if `nodes` is 4; counted from 1."""
    x, y = (place.ravel() for place in np.meshgrid(np.arange(4.0) + 178, np.arange(3.0)))
    faces = [(r * 4 + c, r * 4 + c + 1, r * 4 + c + 5, r * 4 + c + 4) for r in range(2) for c in range(3)]
    second = faces.pop(1)
    faces += [(*second[:3], -2), (second[0], second[2], second[3], -2)]
    table = np.full((len(faces), nodes), -1, dtype=np.int32)
    table[:, :4] = np.array(faces) + 1
    if nodes > 4:
        table[0, 4:] = table[0, 3]
    return xr.Dataset(
        {
            "depth": ("face", np.arange(len(faces), dtype=float), {"mesh": "mesh", "location": "face", "units": "m"}),
            "mesh": (
                (),
                0,
                {
                    "cf_role": "mesh_topology",
                    "topology_dimension": 2,
                    "node_coordinates": "node_x node_y",
                    "face_node_connectivity": "faces",
                },
            ),
            "faces": (("face", "n"), table, {"start_index": 1, "_FillValue": np.int32(-1)}),
            "node_x": ("node", x, fields.LON),
            "node_y": ("node", y, fields.LAT),
        }
    )


def test_the_faces_of_a_mesh_are_drawn_where_their_nodes_are() -> None:
    with LocalService({"m": ugrid()}) as service:
        canvas = Canvas(BBox(178, 0, -179, 2), 300)
        image = service.answer(MapQuery(Source("m", "depth", None), canvas, Style("gray", 0.0, 255.0)))
    drawn = pixels(image.png)
    assert (drawn[..., 3] == 255).all()
    assert image.total == 7
    value = np.rint(drawn[..., 0] / 255 * 254).astype(int)
    assert [value[150, 50], value[150, 250], value[50, 50], value[50, 150]] == [0, 1, 2, 3]
    # The diagonal of the square that is cut in two runs from south-west to north-east.
    assert (value[120, 110], value[190, 190]) == (6, 5) or (value[110, 110], value[190, 190]) == (6, 5)


@pytest.mark.parametrize("corners", [3, 4])
@pytest.mark.parametrize("units", ["degrees", "radian", "arc_minutes"])
def test_cells_that_are_listed_with_their_corners_are_drawn(corners: int, units: str) -> None:
    """As ICON's triangles: a bounds variable on the list of cells, all in radians or in another part of degrees."""
    west, south = np.array([178.0, 179.0, 180.0]), np.zeros(3)
    x = np.stack([west, west + 1, west + 1, west], axis=1)[:, :corners]
    y = np.stack([south, south, south + 1, south + 1], axis=1)[:, :corners]
    dataset = xr.Dataset(
        {"t": ("cell", [1.0, 2.0, 3.0], {"coordinates": "clon clat"})},
        {
            "clon": ("cell", x.mean(axis=1), {**fields.LON, "bounds": "clon_vertices"}),
            "clat": ("cell", y.mean(axis=1), {**fields.LAT, "bounds": "clat_vertices"}),
            "clon_vertices": (("cell", "nv"), x),
            "clat_vertices": (("cell", "nv"), y),
        },
    )
    if units != "degrees":
        for name in dataset.coords:
            angles = np.radians(dataset[name]) if units == "radian" else dataset[name] * 60
            dataset[name] = angles.assign_attrs(dataset[name].attrs)
        dataset["clon"].attrs |= {"units": units, "standard_name": "longitude"}
        dataset["clat"].attrs |= {"units": units, "standard_name": "latitude"}
    with LocalService({"m": dataset}) as service:
        assert service._store.library.info().index("m").variables["t"].geometry == "grid"
        canvas = Canvas(BBox(178, 0, -179, 1), 90)
        drawn = pixels(service.answer(MapQuery(Source("m", "t", None), canvas, Style("gray", 0.0, 255.0))).png)
    lower, upper = drawn[25, [20, 50, 80]], drawn[5, [5, 35, 65]]
    assert np.array_equal(np.rint(lower[:, 0] / 255 * 254), [1, 2, 3])
    assert (upper[:, 3] > 0).all() == (corners == 4)


def honeycomb() -> tuple[NDArray, NDArray]:
    """Corners of cells over the antimeridian: hexagons, a pentagon, one with a dent, one far larger."""
    angles = np.radians(np.arange(0, 360, 60) + 30)
    east, north = np.meshgrid(np.arange(4), np.arange(3))
    x = (178.6 + 0.5 * np.sqrt(3) * (east + north % 2 / 2)).reshape(-1, 1) + 0.5 * np.cos(angles)
    y = (0.75 * north - 0.7).reshape(-1, 1) + 0.5 * np.sin(angles)
    x[0, 5], y[0, 5] = x[0, 4], y[0, 4]
    x[5, 2], y[5, 2] = x[5].mean(), y[5].mean() + 0.1
    whole = 190.0 + 8 * np.cos(angles), 8 * np.sin(angles)
    return np.concatenate([x, whole[0][None]]), np.concatenate([y, whole[1][None]])


def test_cells_of_many_corners_are_drawn_and_weigh_what_they_are() -> None:
    """As MPAS and reduced Gaussian grids have them; each pixel beside a walk around each cell in the plane."""
    x, y = honeycomb()
    values = np.arange(1.0, len(x) + 1)
    dataset = xr.Dataset(
        {"t": ("cell", values, {"coordinates": "clon clat"})},
        {
            "clon": ("cell", x.mean(axis=1), {**fields.LON, "bounds": "clon_vertices"}),
            "clat": ("cell", y.mean(axis=1), {**fields.LAT, "bounds": "clat_vertices"}),
            "clon_vertices": (("cell", "nv"), x),
            "clat_vertices": (("cell", "nv"), y),
        },
    )
    box = BBox(177, -1.5, -162, 1.5)
    with LocalService({"m": dataset}) as service:
        picture = service.answer(MapQuery(Source("m", "t", None), Canvas(box, 630), Style("gray", 0.0, 255.0)))
        drawn = pixels(picture.png)
        weights = area_weights(service._store.library.indexes["m"].variables["t"].grid, GLOBAL)[1].ravel()
    lon = 177 + (np.arange(picture.width) + 0.5) * 21 / picture.width
    lat = 1.5 - (np.arange(picture.height) + 0.5) * 3 / picture.height
    lon, lat = np.meshgrid(lon, lat)
    near = np.zeros(lon.shape, dtype=bool)
    expected = np.zeros(lon.shape)
    for cell, (px, py) in enumerate(zip(x, y, strict=True)):
        inside = np.zeros(lon.shape, dtype=bool)
        for k in range(6):
            ax, ay, bx, by = px[k], py[k], px[(k + 1) % 6], py[(k + 1) % 6]
            dx, dy = bx - ax, by - ay
            if dx == dy == 0:
                continue
            inside ^= ((ay > lat) != (by > lat)) & (lon < dx * (lat - ay) / np.where(dy == 0, 1.0, dy) + ax)
            along = np.clip(((lon - ax) * dx + (lat - ay) * dy) / (dx * dx + dy * dy), 0, 1)
            # A pixel or two beside an edge may go either way: great circles are not straight in the plane.
            near |= np.hypot(lon - ax - along * dx, lat - ay - along * dy) < 0.06
        expected = np.where(inside, values[cell], expected)
    shown = np.rint(drawn[..., 0] / 255 * 254) * (drawn[..., 3] > 0)
    assert near.mean() < 0.3
    assert np.array_equal(shown[~near], expected[~near])
    assert set(np.unique(shown)) == {0.0, *values}
    plane = np.abs((x * np.roll(y, -1, axis=1) - np.roll(x, -1, axis=1) * y).sum(axis=1)) / 2 * np.radians(1) ** 2
    # Within a degree of the equator the plane is as good as the sphere; the dent is not seen by a fan of triangles.
    small = [cell for cell in range(12) if cell != 5]
    assert weights[small] == pytest.approx(plane[small], rel=1e-3)
    assert weights[12] == pytest.approx(plane[12], rel=0.02)


def test_a_mesh_of_cells_with_too_many_corners_is_refused_by_name() -> None:
    with pytest.raises(Unreadable, match="20 corners"):
        open_catalog({"m": ugrid(20)})
    assert open_catalog({"m": ugrid(6)}).indexes["m"].variables["depth"].grid.shape == (1, 7)
    broken = ugrid()
    broken["faces"][0, 0] = 99
    with pytest.raises(Unreadable, match="node 98"):
        open_catalog({"m": broken})


def test_samples_whose_times_cannot_be_dated_keep_their_places() -> None:
    dataset = as_contiguous(drifters())
    dataset["time"].attrs = {"units": "days since the flood", "standard_name": "time"}
    library = open_catalog({"m": dataset})
    variable = library.indexes["m"].variables["temp"]
    assert (variable.info.geometry, len(variable.axis), variable.grid.shape) == ("station", 0, (1, 60))
    assert any("since the flood" in reason for reason in library.problems.values())


def test_samples_of_all_depths_are_told_to_lie_over_one_another(drifting: LocalService) -> None:
    source, canvas = Source("d", "temp", Date("2020")), Canvas(GLOBAL, 100)
    every = drifting.answer(MapQuery(source, canvas, STYLE, Window(86400 * 366)))
    assert "all depths" in every.note
    assert "'z'" in every.note
    shallow = Source("d", "temp", Date("2020"), filters=parse_filters({"z": {"max": 10}}))
    assert drifting.answer(MapQuery(shallow, canvas, STYLE, Window(86400 * 366))).note == ""


def test_counts_that_do_not_fit_are_told() -> None:
    dataset = as_contiguous(drifters()).drop_vars(["lon", "lat", "time"])
    dataset["lon"] = ("trajectory", [1.0, 2.0, 3.0], fields.LON)
    dataset["lat"] = ("trajectory", [1.0, 2.0, 3.0], fields.LAT)
    dataset["rowsize"] = dataset["rowsize"] + 1
    dataset["rowsize"].attrs["sample_dimension"] = "obs"
    with pytest.raises(Unreadable, match="63 samples, and there are 60"):
        open_catalog({"m": dataset})


# --- the real files ---------------------------------------------------------------------------------------------------


def raw(path: Path) -> xr.Dataset:
    # xarray warns of the two fill values of `rowsize`.
    return xr.open_dataset(path, decode_times=False, drop_variables="rowsize")


def test_the_ships_of_a_real_file_are_where_it_says(shared_data: Path) -> None:
    name = "dsg_trajectory_example"
    with LocalService(shared_data / f"{name}.nc") as service, raw(shared_data / f"{name}.nc") as dataset:
        lon, lat = dataset["longitude"].values.astype(float), dataset["latitude"].values.astype(float)
        values = dataset["Temperature_equi"].values.astype(float)
        box = BBox(150, 40, -140, 55)
        inside = box.contains(lon, lat)
        series = service.answer(SeriesQuery(name, "Temperature_equi", box, ALWAYS, "yyyy"))
        assert series.counts[0] == inside.sum() > 100
        assert series.values[0] == pytest.approx(values[inside].mean(), rel=1e-9)
        source = Source(name, "Temperature_equi", Date("2015"))
        image = service.answer(MapQuery(source, Canvas(GLOBAL, 1000), STYLE, Window(86400 * 366)))
        drawn = pixels(image.png)
        rows = np.floor((90 - lat) / 180 * image.height).astype(int)
        columns = np.floor((lon + 180) / 360 * image.width).astype(int)
        assert (drawn[rows, columns, 3] == 255).all()
        assert image.valid == lon.size


def test_the_casts_of_a_real_file_are_filtered_by_depth(shared_data: Path) -> None:
    name = "dsg_profile_example"
    with LocalService(shared_data / f"{name}.nc") as service, raw(shared_data / f"{name}.nc") as dataset:
        shallow = dataset["depth"].values <= 5
        cast = np.repeat(np.arange(30), dataset["rowSize"].values)
        salt = dataset["sal"].values.astype(float)
        series = service.answer(SeriesQuery(name, "sal", GLOBAL, ALWAYS, filters=parse_filters({"depth": {"max": 5}})))
        order = np.argsort(dataset["time"].values, kind="stable")
        own = [np.nanmean(salt[shallow & (cast == number)]) for number in order]
        assert np.allclose(series.values, own, rtol=1e-9)
        one = Point(float(dataset["longitude"][3]), float(dataset["latitude"][3]))
        at = service.answer(SeriesQuery(name, "sal", one, ALWAYS))
        assert at.counts.sum() == np.isfinite(salt[cast == 3]).sum()


def test_the_buoys_of_a_real_file_have_their_spectra(shared_data: Path) -> None:
    with LocalService(shared_data / "ww3file.nc") as service, raw(shared_data / "ww3file.nc") as dataset:
        place = Point(float(dataset["longitude"][0, 1]), float(dataset["latitude"][0, 1]))
        wind = service.answer(SeriesQuery("ww3file", "wnd", place, ALWAYS))
        assert np.allclose(wind.values, dataset["wnd"].values[:, 1])
        chosen = {"frequency": float(dataset["frequency"][7]), "direction": float(dataset["direction"][3])}
        energy = service.answer(SeriesQuery("ww3file", "efth", place, ALWAYS, filters=parse_filters(chosen)))
        assert np.allclose(energy.values, dataset["efth"].values[:, 1, 7, 3], rtol=1e-6)
        with pytest.raises(InvalidValue, match="frequency"):
            service.answer(SeriesQuery("ww3file", "efth", place, ALWAYS, filters=parse_filters({"frequency": 99})))


@pytest.mark.parametrize(
    ("name", "varname"),
    [("SOI_Darwin", "SOI_Darwin"), ("zostoga_Omon_HadGEM2-ES_rcp45_r1i1p1_200512-209911", "zostoga")],
)
def test_a_real_series_without_a_place_is_whole(name: str, varname: str, shared_data: Path) -> None:
    with LocalService(shared_data / f"{name}.nc") as service, raw(shared_data / f"{name}.nc") as dataset:
        series = service.answer(SeriesQuery(name, varname, GLOBAL, ALWAYS))
        assert np.array_equal(series.values, dataset[varname].values.astype(float), equal_nan=True)


def test_a_real_mesh_is_drawn_face_by_face(shared_data: Path) -> None:
    name = "mesh_C4_synthetic_float"
    with LocalService(shared_data / f"{name}.nc") as service, raw(shared_data / f"{name}.nc") as dataset:
        values = dataset["synthetic"].values
        style = Style("gray", float(values.min()) - 1, float(values.max()) + 1)
        image = service.answer(MapQuery(Source(name, "synthetic", None), Canvas(GLOBAL, 720), style))
        drawn = pixels(image.png)
        # The faces are nearly as large as they are far apart: a face's middle is of no other.
        nodes = dataset["example_C4_face_nodes"].values.astype(int) - 1
        corners = vectors_of(dataset["example_C4_node_x"].values[nodes], dataset["example_C4_node_y"].values[nodes])
        lon, lat = degrees_of(corners.mean(axis=2))
        rows = np.floor((90 - lat) / 180 * image.height).astype(int)
        columns = np.floor((lon + 180) / 360 * image.width).astype(int)
        shade = drawn[rows, columns].astype(float)
        assert (drawn[..., 3] == 255).all()
        assert np.abs(style.vmin + shade[:, 0] / 255 * (style.vmax - style.vmin) - values).max() < 0.2
