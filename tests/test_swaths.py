"""Swaths, model grids and map projections through the embedded service, against numpy on the same values."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from PIL import Image

from datavore_widgets.client import export
from datavore_widgets.client.datalaps import Datalaps
from datavore_widgets.client.datavore import Datavore
from datavore_widgets.errors import InvalidValue, NoData, Unreadable
from datavore_widgets.protocol.answers import MapImage
from datavore_widgets.protocol.geometry import GLOBAL, BBox, Point
from datavore_widgets.protocol.queries import (
    Canvas,
    DataQuery,
    DoctorQuery,
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
from datavore_widgets.service import geolocation
from datavore_widgets.service.catalog import open_catalog
from datavore_widgets.service.frames import grid_of_frame
from datavore_widgets.service.local import LocalService
from datavore_widgets.service.sphere import half_turn
from tests import fields

STYLE = Style("gray", 0.0, 40.0)
TIMES = (20190821120000, 20190821134000, 20190821152000)


def granule(number: int, lines: int = 24) -> xr.Dataset:
    """One granule of an ascending orbit, as GHRSST L2P: 2-D places, one time, quality and seconds for each sample."""
    along, across = np.mgrid[:lines, :10].astype(float)
    lat = -10.0 + 0.5 * (along + 20 * number) - 0.1 * across
    lon = half_turn(170.0 + 0.1 * along + 0.5 * across + 2 * number)
    values = fields.value(lon, lat, number).astype(np.float32)
    lat[3, :4] = lon[3, :4] = -999.0
    values[10:12] = np.nan
    dims = ("time", "nj", "ni")
    named = {"coordinates": "lon lat"}
    quality = np.broadcast_to((across % 6).astype(np.int8), (1, lines, 10))
    seconds = np.broadcast_to(along.astype(np.int16), (1, lines, 10))
    return xr.Dataset(
        {
            "sst": (dims, values[None], {"units": "kelvin", **named}),
            "quality_level": (dims, quality, named),
            "sst_dtime": (dims, seconds, {"units": "seconds", **named}),
            "lon": (("nj", "ni"), lon.astype(np.float32), {"units": "degrees_east", "_FillValue": np.float32(-999)}),
            "lat": (("nj", "ni"), lat.astype(np.float32), {"units": "degrees_north", "_FillValue": np.float32(-999)}),
            "time": ("time", [number * 6000.0], {"units": "seconds since 2019-08-21 12:00:00"}),
        },
        attrs={"cdm_data_type": "swath"},
    )


@pytest.fixture(scope="module")
def orbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalService]:
    """Three granules, the last of another length, named against the order of time."""
    folder = tmp_path_factory.mktemp("orbit")
    for number, name in enumerate(("c", "b", "a")):
        granule(number, 24 + 3 * number).to_netcdf(folder / f"{name}.nc", engine="h5netcdf")
    with LocalService(folder) as service:
        yield service


def index_of(service: LocalService) -> str:
    (index,) = service._store.library.indexes
    return index


def places(number: int) -> tuple[NDArray, NDArray, NDArray]:
    """Longitudes, latitudes and values of a granule, NaN where there are none."""
    dataset = xr.decode_cf(granule(number, 24 + 3 * number), decode_coords=False)
    return dataset["lon"].values.astype(float), dataset["lat"].values.astype(float), dataset["sst"].values[0]


def pixels(png: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def test_granules_are_one_index_in_the_order_of_time(orbit: LocalService) -> None:
    index = index_of(orbit)
    axis = orbit.answer(TimesQuery(index, "sst")).axis
    assert axis.labels.tolist() == [20190821120000000, 20190821134000000, 20190821152000000]
    info = orbit._store.library.info().index(index)
    # Over the antimeridian: the box is the narrow one, not its complement.
    assert info.bbox.crosses_antimeridian
    assert info.bbox.width < 20


def test_places_in_radians_are_turned_into_degrees(tmp_path: Path) -> None:
    dataset = granule(0)
    for name, word in (("lon", "longitude"), ("lat", "latitude")):
        turned = np.radians(dataset[name].where(dataset[name] != -999.0))
        dataset[name] = turned.assign_attrs(units="rad", standard_name=word)
    dataset.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    lon, lat, _ = places(0)
    with LocalService(tmp_path / "a.nc") as service:
        index = index_of(service)
        service.close()
        # Read again, as in a picture of long after.
        geolocation._grids.clear()
        found = service.answer(DataQuery(Source(index, "sst", None)))
        (told,) = service.answer(DoctorQuery(index, "sst")).files
    assert np.allclose(found.lon, half_turn(lon), atol=1e-4, equal_nan=True)
    assert np.allclose(found.lat, lat, atol=1e-4, equal_nan=True)
    assert "lon, lat are in radians: they are turned into degrees" in told.mended


@pytest.mark.parametrize("number", [0, 1, 2])
def test_each_time_has_its_own_places(orbit: LocalService, number: int) -> None:
    lon, lat, values = places(number)
    source = Source(index_of(orbit), "sst", Date(str(TIMES[number])))
    found = orbit.answer(DataQuery(source))
    assert np.array_equal(found.lon, lon, equal_nan=True)
    assert np.array_equal(found.lat, lat, equal_nan=True)
    assert np.array_equal(found.data, np.where(np.isnan(lon), np.nan, values), equal_nan=True)
    picture = orbit.answer(MapQuery(source, Canvas(BBox(165, -15, -165, 30), 900), STYLE))
    drawn = pixels(picture.png)
    columns = np.floor((lon - 165) % 360 / 30 * picture.width)
    rows = np.floor((30 - lat) / 45 * picture.height)
    there = np.isfinite(lon)
    shade = drawn[rows[there].astype(int), columns[there].astype(int)]
    assert np.array_equal(shade[:, 3] > 0, np.isfinite(values[there]))
    valid = np.isfinite(values[there])
    assert np.abs(shade[valid, 0] / 255 * 40 - values[there][valid]).max() < 40 / 254 + 0.02
    assert picture.valid == valid.sum()
    assert picture.total == there.sum()


def test_a_series_over_a_swath_has_each_granule_that_meets_the_box(orbit: LocalService) -> None:
    box = BBox(172, -8, -178, 6)
    series = orbit.answer(SeriesQuery(index_of(orbit), "sst", box))
    for number in range(3):
        lon, lat, values = places(number)
        inside = box.contains(lon, lat) & np.isfinite(lon)
        own = values[inside].astype(np.float64)
        assert series.counts[number] == np.isfinite(own).sum()
        if series.counts[number]:
            assert series.values[number] == pytest.approx(np.nanmean(own), rel=1e-12)
        else:
            assert np.isnan(series.values[number])
    assert series.counts[2] == 0
    assert series.counts[0] > 0
    assert series.total is None
    day = orbit.answer(SeriesQuery(index_of(orbit), "sst", box, groupby="yyyy-MM-dd"))
    assert day.counts.tolist() == [series.counts.sum()]
    with pytest.raises(NoData, match="outside"):
        orbit.answer(SeriesQuery(index_of(orbit), "sst", BBox(0, 0, 10, 10)))


def test_an_extract_lists_the_samples_of_each_granule(orbit: LocalService) -> None:
    box = BBox(172, -8, -178, 6)
    table = orbit.answer(ExtractQuery(index_of(orbit), ("sst", "quality_level"), box))
    expected = []
    for number in range(3):
        lon, lat, values = places(number)
        inside = box.contains(lon, lat) & np.isfinite(lon)
        expected.append(np.column_stack([lon[inside], lat[inside], values[inside]]))
    assert np.array_equal(
        np.column_stack([table.lon, table.lat, table.columns["sst"]]), np.concatenate(expected), equal_nan=True
    )
    own = []
    for number in (0, 1):
        lon, lat, _ = places(number)
        along = np.mgrid[: lon.shape[0], :10][0][box.contains(lon, lat) & np.isfinite(lon)]
        own.append(moment(number, along))
    assert np.array_equal(millis_from_label(table.labels).astype("M8[ms]"), np.concatenate(own))


def moment(number: int, along: NDArray) -> NDArray[np.datetime64]:
    """When the samples of some lines of a granule are taken: its time and their seconds after it."""
    return np.datetime64("2019-08-21T12:00:00", "ms") + np.timedelta64(6000 * number, "s") + along.astype("m8[s]")


def test_a_sample_tells_its_own_time(orbit: LocalService) -> None:
    found = orbit.answer(DataQuery(Source(index_of(orbit), "sst", Date(str(TIMES[1]))), BBox(172, -8, -178, 6)))
    _, lat, _ = places(1)
    first = np.flatnonzero((lat >= -8).any(axis=1))[0]
    rows = np.mgrid[: found.data.shape[0], : found.data.shape[1]][0]
    assert found.sample_time.shape == found.data.shape
    assert np.array_equal(found.sample_time, moment(1, first + rows))


def test_cells_of_a_grid_may_have_times_of_their_own_too() -> None:
    """As GHRSST L3: longitudes and latitudes of their own axes, seconds for each cell and day."""
    dataset = fields.field(times=2, hole=False)
    seconds = np.arange(2 * 18 * 36).reshape(2, 18, 36)
    attrs = {"units": "seconds", "_FillValue": np.int32(5)}
    dataset["sst_dtime"] = (("time", "lat", "lon"), seconds.astype(np.int32), attrs)
    with LocalService({"a": dataset}) as service:
        found = service.answer(DataQuery(Source("a", "sst", Date("201202")), BBox(-5, -90, 355, 90)))
        extract = service.answer(ExtractQuery("a", ("sst",), BBox(-5, -90, 5, 90)))
    start = np.datetime64("2012-02-15", "ms")
    assert np.array_equal(found.sample_time, start + seconds[1].astype("m8[s]"))
    own = np.concatenate(
        [day + seconds[k, :, 0].astype("m8[s]") for k, day in enumerate((np.datetime64("2012-01-15", "ms"), start))]
    )
    assert np.array_equal(millis_from_label(extract.labels).astype("M8[ms]"), own)


def test_what_is_subtracted_is_taken_off_everywhere(tmp_path: Path) -> None:
    for number in range(2):
        dataset = granule(number)
        bias = np.where(np.arange(10) == 3, np.nan, np.arange(10.0))
        bias = np.broadcast_to(bias.astype(np.float32), dataset["sst"].shape)
        attrs = {"units": "kelvin", "coordinates": "lon lat"}
        dataset.assign(sses_bias=(dataset["sst"].dims, bias, attrs)).to_netcdf(tmp_path / f"{number}.nc")
    box = BBox(165, -30, -165, 30)
    with LocalService({"a": tmp_path}) as service:
        info = service._store.library.info().index("a")
        assert info.variables["sst"].corrections == ("sses_bias",)
        assert info.variables["quality_level"].corrections == ()
        plain = service.answer(DataQuery(Source("a", "sst", Date(str(TIMES[0])))))
        less = service.answer(DataQuery(Source("a", "sst", Date(str(TIMES[0])), subtract="sses_bias")))
        expected = plain.data - np.where(np.arange(10) == 3, np.nan, np.arange(10.0))
        assert np.array_equal(less.data, expected, equal_nan=True)
        series = service.answer(SeriesQuery("a", "sst", box, subtract="sses_bias"))
        assert series.counts[0] == np.isfinite(expected).sum()
        assert series.values[0] == pytest.approx(np.nanmean(expected.astype(np.float64)), rel=1e-7)
        good = parse_filters({"quality_level": {"min": 4}})
        filtered = service.answer(SeriesQuery("a", "sst", box, filters=good, subtract="sses_bias"))
        assert filtered.counts[0] == np.isfinite(expected[:, [4, 5]]).sum()
        table = service.answer(ExtractQuery("a", ("sst",), box, subtract="sses_bias"))
        assert np.nansum(table.columns["sst"][: np.isfinite(plain.lon).sum()]) == pytest.approx(np.nansum(expected))
        picture = service.answer(
            MapQuery(Source("a", "sst", Date(str(TIMES[0])), subtract="sses_bias"), Canvas(box, 200), STYLE)
        )
        assert picture.valid == np.isfinite(expected).sum()
        with pytest.raises(InvalidValue, match="one quantity"):
            service.answer(SeriesQuery("a", "sst", box, subtract="sst_dtime"))
        with pytest.raises(InvalidValue, match="sses_bias"):
            service.answer(SeriesQuery("a", "sst", box, subtract="sses_bia"))


def test_a_view_is_advised_to_start_with_samples_of_good_quality() -> None:
    dataset = granule(0).assign_attrs(processing_level="L2P")
    told = open_catalog({"a": dataset}).indexes["a"].info.variables
    assert told["sst"].start_filters == {"quality_level": {"min": 4}}
    assert told["sst"].geometry == "swath"
    assert told["quality_level"].start_filters == told["sst_dtime"].start_filters == {}
    # It is advice alone: what asks without filters has every sample.
    with LocalService({"a": dataset}) as service:
        every = service.answer(SeriesQuery("a", "sst", BBox(165, -30, -165, 30)))
    assert every.counts[0] == np.isfinite(np.where(np.isnan(places(0)[0]), np.nan, places(0)[2])).sum()


def test_quality_is_asked_for_on_swaths(orbit: LocalService) -> None:
    box = BBox(165, -30, -165, 30)
    good = parse_filters({"quality_level": {"min": 4}})
    series = orbit.answer(SeriesQuery(index_of(orbit), "sst", box, filters=good))
    lon, _, values = places(0)
    wanted = np.isfinite(lon) & np.isfinite(values) & (np.arange(10) % 6 >= 4)
    assert series.counts[0] == wanted.sum()


def test_files_are_found_by_where_their_samples_lie(orbit: LocalService) -> None:
    index = index_of(orbit)

    def names(box: BBox) -> list[str]:
        return [Path(file).name for file in orbit.answer(FilesQuery(index, "sst", box)).files]

    assert names(GLOBAL) == ["c.nc", "b.nc", "a.nc"]
    assert names(BBox(160, -20, -160, -9)) == ["c.nc"]
    # In the granules' boxes, and beside the swath itself.
    assert names(BBox(175.5, -10.5, 176.5, -9.9)) == []
    assert names(BBox(-170, -90, 160, 90)) == []


def test_one_sample_is_found_by_a_place_within_it(orbit: LocalService) -> None:
    index = index_of(orbit)
    lon, lat, values = places(1)
    place = Point(float(lon[5, 5]) + 0.1, float(lat[5, 5]) - 0.1)
    series = orbit.answer(SeriesQuery(index, "sst", place))
    assert series.values[1] == pytest.approx(float(values[5, 5]))
    data = orbit.answer(DataQuery(Source(index, "sst", Date("20190821134000")), BBox(172, -8, -178, 6), as_list=True))
    assert all(BBox(172, -8, -178, 6).contains(x, y) for x, y, _ in data.cells)


def samples() -> list[tuple[NDArray, NDArray, NDArray]]:
    """Places and values of every sample of the three granules that has both, in the order of time."""
    listed = [tuple(part.ravel() for part in places(number)) for number in range(3)]
    return [
        tuple(part[np.isfinite(lon) & np.isfinite(value)] for part in (lon, lat, value)) for lon, lat, value in listed
    ]


def in_pixels(canvas: Canvas, lon: NDArray, lat: NDArray, picture: MapImage) -> NDArray[np.int64]:
    """The pixel that holds each place, by flat number."""
    box = canvas.bbox
    columns = np.floor((lon - box.west) % 360 / box.width * picture.width).astype(int)
    rows = np.floor((box.north - lat) / box.height * picture.height).astype(int)
    return rows * picture.width + columns


@pytest.mark.parametrize("aggregate", ["avg", "min", "max", "std", "count"])
def test_a_map_of_a_lapse_pools_the_samples_in_each_pixel(orbit: LocalService, aggregate: str) -> None:
    # Large pixels, that hold many samples each, of several granules.
    canvas = Canvas(BBox(165, -15, -165, 30), 12)
    style = Style("gray", 0.0, 100.0 if aggregate == "count" else 40.0)
    image = orbit.answer(LapseMapQuery(index_of(orbit), "sst", canvas, aggregate=aggregate, style=style))
    assert (image.steps, image.aggregate) == (3, aggregate)
    assert (image.first_time.label, image.time.label) == (TIMES[0] * 1000, TIMES[2] * 1000)
    lon, lat, value = (np.concatenate(parts) for parts in zip(*samples(), strict=True))
    assert image.valid == value.size
    drawn = pixels(image.png)
    where = in_pixels(canvas, lon, lat, image)
    reduce = {"avg": np.mean, "min": np.min, "max": np.max, "std": np.std, "count": np.size}[aggregate]
    for pixel in np.unique(where):
        shade = drawn.reshape(-1, 4)[pixel]
        expected = float(reduce(value[where == pixel].astype(float)))
        assert shade[3] == 255
        assert abs(shade[0] / 255 * style.vmax - min(expected, style.vmax)) < style.vmax / 254 + 0.02


@pytest.mark.parametrize("overlap", ["latest", "mean"])
def test_a_window_of_time_is_one_picture(orbit: LocalService, overlap: str) -> None:
    canvas = Canvas(BBox(165, -15, -165, 30), 900)
    source = Source(index_of(orbit), "sst", Date("20190821"))
    image = orbit.answer(MapQuery(source, canvas, STYLE, Window(86400, overlap)))
    assert (image.steps, image.aggregate) == (3, "latest" if overlap == "latest" else "avg")
    assert (image.first_time.label, image.time.label) == (TIMES[0] * 1000, TIMES[2] * 1000)
    drawn = pixels(image.png).reshape(-1, 4)
    alone = [
        pixels(orbit.answer(MapQuery(Source(index_of(orbit), "sst", Date(str(t))), canvas, STYLE)).png) for t in TIMES
    ]
    first, second, third = (picture.reshape(-1, 4) for picture in alone)
    both = (second[:, 3] > 0) & (first[:, 3] > 0) & (third[:, 3] == 0)
    assert both.sum() > 100
    if overlap == "latest":
        assert np.array_equal(drawn[both], second[both])
    else:
        mean = (first[both, 0].astype(float) + second[both, 0]) / 2
        assert np.abs(drawn[both, 0] - mean).max() <= 1.01
    for own, others in ((first, (second, third)), (third, (first, second))):
        only = (own[:, 3] > 0) & (others[0][:, 3] == 0) & (others[1][:, 3] == 0)
        assert only.sum() > 100
        assert np.array_equal(drawn[only], own[only])
    assert ((drawn[:, 3] > 0) == ((first[:, 3] > 0) | (second[:, 3] > 0) | (third[:, 3] > 0))).all()


def test_a_window_takes_the_times_that_it_says(orbit: LocalService) -> None:
    index, canvas = index_of(orbit), Canvas(GLOBAL, 60)

    def steps(date: str, seconds: float) -> tuple[int, int]:
        image = orbit.answer(MapQuery(Source(index, "sst", Date(date)), canvas, STYLE, Window(seconds)))
        return image.steps, image.time.label

    assert steps("20190821134000", 6001) == (2, TIMES[1] * 1000)
    assert steps("20190821134000", 6000) == (1, TIMES[1] * 1000)
    assert steps("201908", 86400 * 31) == (3, TIMES[2] * 1000)
    with pytest.raises(NoData, match="no times lie"):
        steps("20190820", 86400)
    with pytest.raises(InvalidValue, match="date"):
        MapQuery(Source(index, "sst", None), canvas, STYLE, Window())


@pytest.mark.parametrize("overlap", ["latest", "mean"])
def test_a_window_that_moves_on_reads_what_is_new_in_it(tmp_path: Path, overlap: str) -> None:
    for number in range(3):
        granule(number).to_netcdf(tmp_path / f"{number}.nc", engine="h5netcdf")
    canvas = Canvas(BBox(165, -15, -165, 30), 90)
    window = Window(6001, overlap)
    with LocalService({"a": tmp_path}) as service, LocalService({"a": tmp_path}) as fresh:
        for position, read in ((0, 1), (1, 2), (2, 3), (1, 3)):
            query = MapQuery(Source("a", "sst", Date(str(TIMES[position]))), canvas, STYLE, window)
            moved = service.answer(query)
            assert (service.stats.fields, len(service._store.layers)) == (read, read)
            fresh.close()
            assert moved == fresh.answer(query)


def test_a_window_of_a_grid_shows_the_newest_valid_value_of_each_cell() -> None:
    dataset = fields.field(times=3)
    dataset["sst"][2, :9] = np.nan
    dataset["sst"][1, :4] = np.nan
    with LocalService({"a": dataset}) as service:
        source = Source("a", "sst", Date("2012"))
        image = service.answer(MapQuery(source, Canvas(BBox(-5, -90, 355, 90), 36), STYLE, Window(86400 * 366)))
    own = dataset["sst"].values
    newest = np.where(np.isnan(own[2]), np.where(np.isnan(own[1]), own[0], own[1]), own[2])
    assert image.valid == np.isfinite(newest).sum()
    shade = pixels(image.png)[::-1]
    there = np.isfinite(newest)
    assert np.array_equal(shade[..., 3] > 0, there)
    assert np.abs(shade[..., 0][there] / 255 * 40 - newest[there]).max() < 40 / 254 + 0.02


def test_data_of_a_window_are_all_its_samples_in_the_order_of_time(orbit: LocalService) -> None:
    index, box = index_of(orbit), BBox(172, -8, -178, 6)
    expected = []
    for number in (0, 1):
        lon, lat, values = places(number)
        inside = box.contains(lon, lat) & np.isfinite(lon)
        along = np.mgrid[: lon.shape[0], : lon.shape[1]][0][inside]
        expected.append((lon[inside], lat[inside], values[inside], moment(number, along)))
    lon, lat, values, times = (np.concatenate(parts)[None] for parts in zip(*expected, strict=True))
    for overlap in ("latest", "mean"):
        found = orbit.answer(DataQuery(Source(index, "sst", Date("20190821")), box, window=Window(86400, overlap)))
        assert (found.steps, found.aggregate) == (3, "samples")
        assert (found.period[0].label, found.time.label) == (TIMES[0] * 1000, TIMES[2] * 1000)
        assert np.array_equal(found.lon, lon)
        assert np.array_equal(found.lat, lat)
        assert np.array_equal(found.data, values, equal_nan=True)
        assert np.array_equal(found.sample_time, times)
    listed = orbit.answer(
        DataQuery(Source(index, "sst", Date("20190821")), box, as_list=True, window=Window(86400))
    ).cells
    there = np.isfinite(values)
    assert listed == list(zip(lon[there], lat[there], values[there].astype(float), strict=True))
    with pytest.raises(NoData, match="no sample"):
        orbit.answer(DataQuery(Source(index, "sst", Date("20190821")), BBox(0, 0, 1, 1), window=Window(86400)))
    with pytest.raises(InvalidValue, match="date"):
        DataQuery(Source(index, "sst", None), box, window=Window())


def test_data_of_a_window_of_a_grid_are_the_newest_or_the_mean_of_each_cell() -> None:
    dataset = fields.field(times=3)
    dataset["sst"][2, :9] = np.nan
    dataset["sst"][1, :4] = np.nan
    own = dataset["sst"].values.astype(np.float64)
    with LocalService({"a": dataset}) as service:

        def ask(overlap: str, offset: float = 0.0):
            source = Source("a", "sst", Date("2012"), offset=offset)
            return service.answer(DataQuery(source, BBox(-5, -90, 355, 90), window=Window(86400 * 366, overlap)))

        newest, mean, warmer = ask("latest"), ask("mean"), ask("mean", 2.0)
    expected = np.where(np.isnan(own[2]), np.where(np.isnan(own[1]), own[0], own[1]), own[2])
    assert np.array_equal(newest.data, expected, equal_nan=True)
    of_step = np.where(np.isnan(own[2]), np.where(np.isnan(own[1]), 0, 1), 2)
    times = dataset["time"].values.astype("M8[ms]")[of_step]
    assert np.array_equal(np.isnat(newest.sample_time), np.isnan(expected))
    there = np.isfinite(expected)
    assert np.array_equal(newest.sample_time[there], times[there])
    with np.errstate(invalid="ignore"):
        sums, counts = np.nansum(own, axis=0), np.isfinite(own).sum(axis=0)
        assert np.allclose(mean.data, np.where(counts > 0, sums / counts, np.nan), rtol=1e-12, equal_nan=True)
    assert np.allclose(warmer.data, mean.data + 2.0, rtol=1e-12, equal_nan=True)
    assert (newest.aggregate, mean.aggregate, mean.sample_time) == ("latest", "avg", None)


def test_a_series_at_a_position_in_a_swath_is_dated_by_its_samples(orbit: LocalService) -> None:
    index = index_of(orbit)
    lon, lat, _ = places(1)
    place = Point(float(lon[5, 5]), float(lat[5, 5]))
    series = orbit.answer(SeriesQuery(index, "sst", place))
    assert series.granules.tolist() == [time * 1000 for time in TIMES]
    # Both granules that reach there have their samples some lines after their beginning; the last one is elsewhere.
    own = millis_from_label(series.labels).astype("M8[ms]")
    along = ((own - moment(0, np.array(0))) / np.timedelta64(1, "s")).tolist()
    assert along[1] == 6005.0
    assert along[2] == 12000.0
    assert np.isfinite(series.values).tolist() == [along[0] != 0.0, True, False]
    assert "times are the samples' own (sst_dtime, to 1 s)" in series.note
    box = orbit.answer(SeriesQuery(index, "sst", BBox(172, -8, -178, 6)))
    assert (box.granules, box.labels.tolist()) == (None, [time * 1000 for time in TIMES])
    assert "times are those of the granules" in box.note


def test_series_of_moving_windows_are_of_all_values_in_them(orbit: LocalService) -> None:
    index, box = index_of(orbit), BBox(172, -8, -178, 6)
    inside = []
    for number in range(3):
        lon, lat, values = places(number)
        own = values[box.contains(lon, lat) & np.isfinite(lon)].astype(np.float64)
        inside.append(own[np.isfinite(own)])
    for aggregate, reduce in (("avg", np.mean), ("std", np.std), ("max", np.max), ("count", np.size)):
        query = SeriesQuery(index, "sst", box, aggregate=aggregate, window=Window(6001, "mean"))
        series = orbit.answer(query)
        for number in range(3):
            values = np.concatenate(inside[max(number - 1, 0) : number + 1])
            assert series.values[number] == pytest.approx(reduce(values), rel=1e-12)
            assert series.counts[number] == values.size
        assert series.steps.tolist() == [1, 2, 1]
        assert "6001 s" in series.weighting
    # Times before the lapse are in the windows of its first times.
    last = orbit.answer(
        SeriesQuery(index, "sst", box, Lapse(Date(str(TIMES[2])), Date("2020")), window=Window(6001, "mean"))
    )
    assert last.counts.tolist() == [inside[1].size + inside[2].size]


def test_the_newest_value_of_a_moving_window_is_for_a_position() -> None:
    dataset = fields.field(times=3, hole=False)
    dataset["sst"][1, 4, 5] = np.nan
    lon, lat = float(dataset["lon"][5]), float(dataset["lat"][4])
    own = dataset["sst"].values[:, 4, 5].astype(np.float64)
    with LocalService({"a": dataset}) as service:
        long = service.answer(SeriesQuery("a", "sst", Point(lon, lat), window=Window(86400 * 40)))
        short = service.answer(SeriesQuery("a", "sst", Point(lon, lat), window=Window(86400 * 5)))
    assert long.values.tolist() == [own[0], own[0], own[2]]
    assert np.array_equal(short.values, own, equal_nan=True)
    with pytest.raises(InvalidValue, match="overlap='mean'"):
        SeriesQuery("a", "sst", BBox(0, 0, 1, 1), window=Window(86400))
    with pytest.raises(InvalidValue, match="groupby"):
        SeriesQuery("a", "sst", Point(0, 0), groupby="yyyy", window=Window(86400))
    with pytest.raises(InvalidValue, match="median"):
        SeriesQuery("a", "sst", Point(0, 0), aggregate="median", window=Window(86400))


def test_what_a_window_shows_is_saved_with_the_times_of_its_samples(orbit: LocalService) -> None:
    client, index, box = Datavore(orbit), index_of(orbit), [172, -8, -178, 6]
    found = client.getData(index, "sst", "20190821", box, window=86400)
    told = client.to_xarray(index, "sst", "20190821", box, window=86400)
    assert np.array_equal(told["sst"].values, found["data"], equal_nan=True)
    assert np.array_equal(told["sample_time"].values.astype("M8[ms]"), found["sample_time"])
    assert (told.attrs["datavore_window_s"], told.attrs["datavore_steps"]) == (86400, 3)
    query = MapQuery(Source(index, "sst", Date("20190821")), Canvas(BBox(*box)), window=Window(86400))
    _, table = export.save(orbit, query, "csv")
    rows = list(csv.DictReader(io.StringIO(table.decode())))
    assert len(rows) == np.isfinite(found["data"]).sum()
    assert rows[0]["sample_time"].startswith("2019-08-21T12:00:")
    frame = Datalaps(orbit).getTimeserie(index, "sst", box, window=6001)
    assert len(frame) == 3


@pytest.mark.parametrize("canvas", [Canvas(BBox(0, 0, 10, 10), 50), Canvas(BBox(0, 0, 10, 10), plot_method="scatter")])
def test_a_picture_beside_a_swath_is_empty_and_says_so(orbit: LocalService, canvas: Canvas) -> None:
    picture = orbit.answer(MapQuery(Source(index_of(orbit), "sst", Date("20190821120000")), canvas, STYLE))
    assert (pixels(picture.png)[..., 3] == 0).all()
    assert (picture.valid, picture.total) == (0, 0)
    assert "nothing of it lies in this box" in picture.note


def test_default_limits_are_those_of_all_granules(orbit: LocalService) -> None:
    source = Source(index_of(orbit), "sst", Date("20190821120000"))
    picture = orbit.answer(MapQuery(source, Canvas(GLOBAL, 100)))
    everything = np.concatenate([np.where(np.isnan(places(n)[0]), np.nan, places(n)[2]).ravel() for n in range(3)])
    assert picture.vmin == pytest.approx(np.nanpercentile(everything, 2), abs=0.2)
    assert picture.vmax == pytest.approx(np.nanpercentile(everything, 98), abs=0.2)


def test_times_of_lines_and_of_samples_make_a_swath_of_one_time() -> None:
    dataset = granule(0).drop_attrs(deep=False).isel(time=0).drop_vars(["time", "sst_dtime"])
    lines = np.arange(24.0) + 100
    for dims, times in ((("nj",), lines), (("nj", "ni"), np.where(np.eye(24, 10) > 0, -1.0, lines[:, None]))):
        attrs = {"units": "seconds since 2019-08-21", "_FillValue": -1.0}
        timed = dataset.assign(measured=(dims, times, attrs))
        variable = open_catalog({"swath": timed}).indexes["swath"].variables["sst"]
        assert variable.axis.labels.tolist() == [20190821000140000]
        assert variable.grid.is_swath


def test_stations_with_two_dimensions_are_told_from_swaths() -> None:
    lon = np.full((5, 2), 92.0)
    moored = xr.Dataset(
        {"dpt": (("time", "station"), lon)},
        {
            "longitude": (("time", "station"), lon, fields.LON),
            "latitude": (("time", "station"), lon - 80, fields.LAT),
            "time": ("time", np.arange(5.0), {"units": "days since 2000-01-01"}),
        },
    )
    told = open_catalog({"a": moored}).indexes["a"].variables["dpt"]
    assert (told.info.geometry, len(told.axis), told.grid.shape) == ("station", 5, (1, 2))
    moored["longitude"][2, 0] = 93.0
    told = open_catalog({"a": moored}).indexes["a"].variables["dpt"]
    assert (told.info.geometry, len(told.axis), told.grid.shape) == ("track", 5, (1, 10))


# --- model grids ------------------------------------------------------------------------------------------------------


def test_two_dimensional_coordinates_that_are_named_win_over_axes() -> None:
    dataset = fields.curvilinear().assign_coords(
        x=("x", np.arange(10.0), fields.LON), y=("y", np.arange(8.0), fields.LAT)
    )
    named = open_catalog({"a": dataset}).indexes["a"].variables["tos"].grid
    assert named.coordinates(named.inside(GLOBAL))[0].ndim == 2
    del dataset["tos"].attrs["coordinates"]
    plain = open_catalog({"a": dataset}).indexes["a"].variables["tos"].grid
    assert plain.coordinates(plain.inside(GLOBAL))[0].ndim == 1
    found = open_catalog({"a": dataset.drop_vars(["x", "y"])}).indexes["a"].variables["tos"].grid
    assert np.array_equal(found.coordinates(found.inside(GLOBAL))[0], dataset["nav_lon"].values)


def test_staggered_grids_are_told_apart_by_their_dimensions() -> None:
    y, x = np.mgrid[:6, :7].astype(float)
    parts = {}
    for place, shift in (("rho", 0.0), ("u", 0.5)):
        dims = (f"eta_{place}", f"xi_{place}")
        parts[f"lon_{place}"] = (dims, x + shift)
        parts[f"lat_{place}"] = (dims, y)
        parts[f"var_{place}"] = (dims, x * y)
    index = open_catalog({"roms": xr.Dataset(parts)}).indexes["roms"]
    assert set(index.variables) == {"var_rho", "var_u"}
    for name, first in (("var_rho", 0.0), ("var_u", 0.5)):
        grid = index.variables[name].grid
        assert float(grid.listed(grid.inside(GLOBAL))[0][0]) == first


def test_lat_may_have_its_dimensions_the_other_way_round() -> None:
    dataset = fields.curvilinear()
    turned = dataset.assign_coords(nav_lat=(("x", "y"), dataset["nav_lat"].values.T, fields.LAT))
    with LocalService({"a": turned}) as service:
        found = service.answer(DataQuery(Source("a", "tos", None)))
    assert np.array_equal(found.lat, dataset["nav_lat"].values)
    assert np.array_equal(found.data, dataset["tos"].values)


def test_a_box_on_a_model_grid_leaves_out_the_cells_around_it() -> None:
    with LocalService({"a": fields.curvilinear()}) as service:
        box = BBox(2.25, 1, 6, 5)
        found = service.answer(DataQuery(Source("a", "tos", None), box))
        thinned = service.answer(DataQuery(Source("a", "tos", None), resolution=3))
    inside = box.contains(found.lon, found.lat)
    assert np.array_equal(np.isfinite(found.data), inside)
    assert 0 < inside.sum() < inside.size
    assert max(thinned.data.shape) <= 3


def test_a_smooth_picture_that_is_not_to_be_had_is_not_passed_off_as_one() -> None:
    with LocalService({"a": fields.curvilinear()}) as service:
        source = Source("a", "tos", None)
        smooth = service.answer(MapQuery(source, Canvas(BBox(0, 0, 8, 6), 80, resample=True), STYLE))
        plain = service.answer(MapQuery(source, Canvas(BBox(0, 0, 8, 6), 80), STYLE))
    assert "cell by cell" in smooth.note
    assert plain.note == ""
    assert np.array_equal(pixels(smooth.png), pixels(plain.png))


# --- other frames -----------------------------------------------------------------------------------------------------


def rotated(lon: NDArray, lat: NDArray, pole_lon: float, pole_lat: float) -> tuple[NDArray, NDArray]:
    """Places of a rotated pole, by turning vectors: about the y axis, then about the z axis."""
    x, y = np.radians(lon), np.radians(lat)
    vector = np.stack([np.cos(y) * np.cos(x), np.cos(y) * np.sin(x), np.sin(y)])
    tilt, turn = np.radians(90 - pole_lat), np.radians(pole_lon + 180)
    about_y = np.array([[np.cos(tilt), 0, -np.sin(tilt)], [0, 1, 0], [np.sin(tilt), 0, np.cos(tilt)]])
    about_z = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    px, py, pz = np.tensordot(about_z @ about_y, vector, axes=1)
    return np.degrees(np.arctan2(py, px)), np.degrees(np.arcsin(pz))


def test_a_rotated_pole_lies_where_turning_vectors_puts_it() -> None:
    x, y = np.arange(-10.0, 11, 2), np.arange(-8.0, 9, 2)
    mapping = {
        "grid_mapping_name": "rotated_latitude_longitude",
        "grid_north_pole_latitude": 37.5,
        "grid_north_pole_longitude": 177.5,
    }
    grid = grid_of_frame(x, y, ("degrees", "degrees"), mapping)
    lon, lat = rotated(*np.meshgrid(x, y), 177.5, 37.5)
    assert np.abs(half_turn(grid.lon - lon)).max() < 1e-6
    assert np.abs(grid.lat - lat).max() < 1e-6
    corner = rotated(np.array([1.0]), np.array([3.0]), 177.5, 37.5)
    place = rotated(np.array([1.2]), np.array([3.2]), 177.5, 37.5)
    assert grid.at(float(place[0][0]), float(place[1][0])) == (6, 6)
    found = grid.corners.degrees(np.array([6 * 11 + 6]))
    assert min(np.hypot(found[0][:, 0] - corner[0], found[1][:, 0] - corner[1])) < 1e-6


def test_a_polar_projection_holds_the_pole() -> None:
    x = np.arange(-2000.0, 2001, 200)
    dataset = xr.Dataset(
        {
            "ice": (("y", "x"), np.add.outer(x, x) / 100, {"grid_mapping": "polar", "units": "1"}),
            "polar": (
                (),
                0,
                {
                    "grid_mapping_name": "polar_stereographic",
                    "latitude_of_projection_origin": 90.0,
                    "straight_vertical_longitude_from_pole": -45.0,
                    "standard_parallel": 70.0,
                },
            ),
        },
        {
            "x": ("x", x, {"standard_name": "projection_x_coordinate", "units": "km"}),
            "y": ("y", x[::-1], {"standard_name": "projection_y_coordinate", "units": "km"}),
        },
    )
    with LocalService({"ice": dataset}) as service:
        info = service._store.library.info().index("ice")
        assert info.bbox.is_whole_turn
        assert info.bbox.north == 90
        assert 60 < info.bbox.south < 70
        series = service.answer(DataQuery(Source("ice", "ice", None), BBox(-180, 89.5, 180, 90)))
        assert np.isfinite(series.data).sum() == 1
        picture = service.answer(MapQuery(Source("ice", "ice", None), Canvas(BBox(-180, 80, 180, 90), 360)))
        # The pole and all around it: no hole.
        assert (pixels(picture.png)[..., 3] == 255).all()
        # Straight down from the pole lies 45 W: there x is 0 and y is below.
        below = service.answer(DataQuery(Source("ice", "ice", None), BBox(-46, 70, -44, 89), as_list=True))
        assert len(below.cells) > 8
        assert all(value > 0 for _, _, value in below.cells)


def test_a_frame_that_is_not_known_is_refused_by_name() -> None:
    dataset = fields.curvilinear().drop_vars(["nav_lon", "nav_lat"])
    dataset["tos"].attrs = {"grid_mapping": "odd"}
    dataset = dataset.assign(odd=((), 0, {"grid_mapping_name": "flat_earth"}))
    for dim, name in (("x", "projection_x_coordinate"), ("y", "projection_y_coordinate")):
        dataset = dataset.assign_coords({dim: (dim, np.arange(float(dataset.sizes[dim])), {"standard_name": name})})
    with pytest.raises(Unreadable, match="flat_earth"):
        open_catalog(dataset)
