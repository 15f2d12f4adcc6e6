"""The embedded service against xarray and numpy in float64: every kind of question, and what is remembered."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fields
import numpy as np
import pytest
import xarray as xr
from PIL import Image
from real import OSTIA, TAS, RealFile

from datavore_widgets.errors import Cancelled, InvalidValue, NoData, NotSupported, TooLarge, UnknownName, Unreadable
from datavore_widgets.protocol.answers import CellList, Extract, Field, MapImage, Series
from datavore_widgets.protocol.geometry import GLOBAL, BBox, Point
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.queries import (
    AGGREGATES,
    Canvas,
    CatalogQuery,
    DataQuery,
    ExtractQuery,
    FilesQuery,
    LapsCatalogQuery,
    LapseMapQuery,
    MapQuery,
    SeriesQuery,
    Source,
    Style,
    TimesQuery,
    parse_filters,
)
from datavore_widgets.protocol.times import GROUP_DIGITS, GROUP_NAMES, LABEL_DIGITS, Date, Lapse, Stamp
from datavore_widgets.service import tiles
from datavore_widgets.service.index import Variable
from datavore_widgets.service.local import LocalService
from datavore_widgets.service.sphere import distance
from datavore_widgets.service.store import Caps

STATISTICS = {"avg": np.mean, "std": np.std, "min": np.min, "max": np.max, "count": np.size}
MARCH = Source("dataset", "sst", Date("201203"))
EVERYWHERE = Canvas(GLOBAL)


def within(lon: np.ndarray, lat: np.ndarray, bbox: BBox) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns whose centres lie in a box, columns from west to east: brute force, no code of ours."""
    rows = np.flatnonzero((lat >= bbox.south - 1e-6) & (lat <= bbox.north + 1e-6))
    turns = [(value - bbox.west) % 360 for value in np.round(lon.astype(np.float64), 9)]
    turns = [turn - 360 if turn > 360 - 1e-6 else turn for turn in turns]
    width = 360.0 if bbox.east - bbox.west >= 360 else (bbox.east - bbox.west) % 360
    columns = [column for column in range(lon.size) if turns[column] <= width + 1e-6]
    return rows, np.array(sorted(columns, key=lambda column: turns[column]), dtype=np.int64)


def pooled(values: np.ndarray, aggregate: str) -> float:
    flat = np.asarray(values, dtype=np.float64).reshape(-1)
    flat = flat[~np.isnan(flat)]
    if flat.size == 0:
        return 0.0 if aggregate == "count" else np.nan
    return float(STATISTICS[aggregate](flat))


def assert_close(found: np.ndarray, expected: np.ndarray, values: np.ndarray) -> None:
    """Within 1e-6 of the larger of the value and the field's deviation."""
    __tracebackhide__ = True
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    there = ~np.isnan(expected)
    bound = 1e-6 * np.maximum(np.abs(expected[there]), np.nanstd(np.asarray(values, dtype=np.float64)))
    assert (np.abs(found[there] - expected[there]) <= bound).all()


def groups_of(labels: np.ndarray, groupby: str | None) -> tuple[np.ndarray, np.ndarray]:
    if groupby is None:
        return labels, np.arange(labels.size)
    return np.unique(labels // 10 ** (LABEL_DIGITS - GROUP_DIGITS[groupby]), return_inverse=True)


def service(dataset: xr.Dataset, **options: Any) -> LocalService:
    return LocalService(dataset, **options)


def counts(service: LocalService) -> tuple[int, int, int]:
    stats = service.stats
    return stats.fields, stats.blocks, stats.pictures


def series(coord: BBox | Point, **options: Any) -> SeriesQuery:
    return SeriesQuery("dataset", "sst", coord, **options)


@pytest.fixture
def months() -> Iterator[LocalService]:
    with service(fields.field(times=30)) as opened:
        yield opened


@pytest.fixture(params=[OSTIA, TAS], ids=lambda real: real.varname)
def real(request: pytest.FixtureRequest) -> Iterator[tuple[LocalService, str, str, Any, np.ndarray, np.ndarray]]:
    """A service over a real file, its index and variable, and what xarray reads in float64."""
    real: RealFile = request.param
    if not real.path.exists():
        pytest.skip(f"real data are not here: {real.path}")
    with LocalService(real.path) as opened, xr.open_dataset(real.path, decode_times=False) as dataset:
        values = dataset[real.varname].load()
        yield opened, real.path.stem, real.varname, values, dataset[real.lon].values, dataset[real.lat].values


# Series

BOXES = [
    BBox(-20, -4, 20, 4),
    BBox(170, -30, -160, 30),
    BBox(190, -30, 200, 4),
    BBox(340, -3, 380, 3),
    BBox(-180, -90, 180, 90),
    BBox(10, 1, 15, 5),
]


@pytest.mark.parametrize("bbox", BOXES, ids=BBox.to_text)
@pytest.mark.parametrize("groupby", [None, *GROUP_NAMES])
def test_series_over_boxes_of_real_files_equal_xarray(real: Any, bbox: BBox, groupby: str | None) -> None:
    opened, index, varname, values, lon, lat = real
    rows, columns = within(lon, lat, bbox)
    box = values.values.astype(np.float64)[:, rows][:, :, columns]
    labels = opened.answer(TimesQuery(index, varname)).axis.labels
    stamps, group = groups_of(labels, groupby)
    for aggregate in AGGREGATES:
        found: Series = opened.answer(SeriesQuery(index, varname, bbox, groupby=groupby, aggregate=aggregate))
        expected = [pooled(box[group == number], aggregate) for number in range(stamps.size)]
        assert_close(found.values, np.array(expected), values.values)
        assert found.counts.tolist() == [pooled(box[group == number], "count") for number in range(stamps.size)]
        assert found.total == rows.size * columns.size
    assert opened.stats.blocks == 1


@pytest.mark.parametrize("aggregate", AGGREGATES)
@pytest.mark.parametrize(
    "make",
    [fields.field, fields.descending, fields.around_greenwich, fields.odd_convention, fields.over_antimeridian],
    ids=lambda make: make.__name__,
)
def test_a_box_over_any_seam_in_any_convention(make: Any, aggregate: str) -> None:
    dataset = make()
    values = dataset["sst"].values
    for bbox in (BBox(-25, -40, 25, 40), BBox(155, -40, -155, 40), BBox(-200, -20, -170, 20), GLOBAL):
        rows, columns = within(dataset["lon"].values, dataset["lat"].values, bbox)
        with service(dataset) as opened:
            if not columns.size:
                with pytest.raises(NoData, match="outside"):
                    opened.answer(series(bbox))
                continue
            found = opened.answer(series(bbox, aggregate=aggregate))
        expected = [pooled(step[rows][:, columns], aggregate) for step in values.astype(np.float64)]
        assert_close(found.values, np.array(expected), values)


def test_a_point_takes_the_cell_that_contains_it_and_says_which(months: LocalService) -> None:
    found = months.answer(series(Point(-14.0, 31.0)))
    assert found.cell == (350.0, 35.0)
    assert found.total == 1
    # sin²(d/2R) = sin²(Δφ/2) + cos φ₁ cos φ₂ sin²(Δλ/2), reckoned here by the law of cosines.
    one, other = np.radians(31.0), np.radians(35.0)
    angle = np.arccos(np.sin(one) * np.sin(other) + np.cos(one) * np.cos(other) * np.cos(np.radians(4.0)))
    assert found.distance == pytest.approx(6_371_008.8 * angle, rel=1e-9)
    expected = fields.value(350.0, 35.0, np.arange(30))
    assert np.allclose(found.values, expected, rtol=1e-6)
    assert found.counts.tolist() == [1] * 30


def test_distances() -> None:
    assert distance(0, 0, 0, 0) == 0.0
    assert distance(0, -90, 77, 90) == pytest.approx(np.pi * 6_371_008.8)
    assert distance(179.9, 0, -179.9, 0) == pytest.approx(np.radians(0.2) * 6_371_008.8)


def test_a_box_of_missing_values_has_gaps_and_counts_of_nothing(months: LocalService) -> None:
    # The hole of the synthetic field: rows 6 to 8, columns 12 to 17.
    found = months.answer(series(BBox(120, -25, 170, -5), groupby="yyyy"))
    assert np.isnan(found.values).all()
    assert found.counts.tolist() == [0, 0, 0]
    count = months.answer(series(BBox(120, -25, 170, -5), groupby="yyyy", aggregate="count"))
    assert count.values.tolist() == [0.0, 0.0, 0.0]
    assert count.units == "1"


def test_a_lapse_takes_both_its_ends_and_empty_groups_are_left_out() -> None:
    with service(fields.field(times=30).isel(time=[0, 1, 2, 14, 15, 29])) as opened:
        found = opened.answer(series(GLOBAL, lapse=Lapse.parse("20120215,201304"), groupby="yyyy-MM"))
    assert found.labels.tolist() == [20120201000000000, 20120301000000000, 20130301000000000, 20130401000000000]


def test_no_times_in_a_lapse_names_the_first_and_the_last(months: LocalService) -> None:
    with pytest.raises(NoData, match="2012-01-15 00:00 Z to 2014-06-15 00:00 Z"):
        months.answer(series(GLOBAL, lapse=Lapse.parse("1999,2000")))


def test_the_calendar_comes_with_the_labels() -> None:
    with service(fields.days_360()) as opened:
        found = opened.answer(series(GLOBAL))
    assert found.calendar == "360_day"
    assert [label // 10**9 for label in found.labels] == [20000228, 20000229, 20000230, 20000301]


def test_another_aggregate_or_grouping_reads_nothing(months: LocalService) -> None:
    bbox = BBox(-20, -20, 20, 20)
    months.answer(series(bbox))
    before = months.stats.blocks, months.stats.bytes
    assert before[0] > 0
    for aggregate in AGGREGATES:
        for groupby in (None, *GROUP_NAMES):
            months.answer(series(bbox, aggregate=aggregate, groupby=groupby))
    assert (months.stats.blocks, months.stats.bytes) == before
    months.answer(series(bbox, lapse=Lapse.parse("2012,2012")))
    assert months.stats.blocks > before[0]


def test_answers_are_the_callers_own(months: LocalService) -> None:
    def values(query: Any) -> np.ndarray:
        answer = months.answer(query)
        return answer.values if isinstance(answer, Series) else answer.data

    for query in (
        series(GLOBAL),
        series(GLOBAL, aggregate="min"),
        DataQuery(MARCH),
        DataQuery(MARCH, BBox(0, 0, 50, 50)),
    ):
        first = values(query)
        kept = first.copy()
        first[:] = -1.0
        assert np.array_equal(values(query), kept, equal_nan=True)


# Data


def test_data_of_real_files_are_what_xarray_reads(real: Any) -> None:
    opened, index, varname, values, lon, lat = real
    axis = opened.answer(TimesQuery(index, varname)).axis
    for bbox in BOXES:
        rows, columns = within(lon, lat, bbox)
        found: Field = opened.answer(DataQuery(Source(index, varname, Date.from_label(int(axis.labels[3]))), bbox))
        expected = values.values[3][rows][:, columns]
        np.testing.assert_array_max_ulp(found.data[~np.isnan(expected)], expected[~np.isnan(expected)], 1)
        assert found.data.dtype == expected.dtype
        assert np.array_equal(np.isnan(found.data), np.isnan(expected))
        assert np.array_equal(found.lon, lon.astype(np.float64)[columns])
        assert np.array_equal(found.lat, lat.astype(np.float64)[rows])
        assert found.time == Stamp(int(axis.labels[3]), axis.calendar)


def test_packed_data_are_decoded_as_xarray_does() -> None:
    dataset = fields.packed()
    decoded = xr.decode_cf(dataset.assign(sst=dataset["sst"].assign_attrs(missing_value=np.int16(-32768))))
    with service(dataset) as opened:
        found = opened.answer(DataQuery(MARCH))
    expected = decoded["sst"].values[2].copy()
    expected[0, 0] = np.nan
    np.testing.assert_array_max_ulp(found.data, np.roll(expected, 18, axis=1), 1)
    assert found.data.dtype == expected.dtype


def test_rows_keep_their_order_and_columns_go_from_west_to_east() -> None:
    with service(fields.descending()) as opened:
        found = opened.answer(DataQuery(MARCH, BBox(-20, -20, 20, 20)))
    assert found.lat.tolist() == [15.0, 5.0, -5.0, -15.0]
    assert found.lon.tolist() == [340.0, 350.0, 0.0, 10.0, 20.0]
    assert np.allclose(found.data, fields.value(found.lon[None], found.lat[:, None], 2), rtol=1e-6)


def test_resolution_takes_strides_of_the_native_cells(months: LocalService) -> None:
    found = months.answer(DataQuery(MARCH, GLOBAL, resolution=9))
    whole = months.answer(DataQuery(MARCH))
    assert found.data.shape == (5, 9)
    assert np.array_equal(found.data, whole.data[::4, ::4], equal_nan=True)
    assert np.array_equal(found.lon, whole.lon[::4])
    assert np.array_equal(found.lat, whole.lat[::4])


def test_an_offset_is_added_to_data_and_to_colour_limits(months: LocalService) -> None:
    plain, moved = (Source("dataset", "sst", Date("201203"), offset=offset) for offset in (0.0, 273.15))
    difference = months.answer(DataQuery(moved)).data - months.answer(DataQuery(plain)).data
    assert np.allclose(difference[~np.isnan(difference)], 273.15, atol=1e-4)
    one, other = (months.answer(MapQuery(source, EVERYWHERE)) for source in (plain, moved))
    assert (other.vmin - one.vmin, other.vmax - one.vmax) == pytest.approx((273.15, 273.15))
    # The same picture: values and limits moved together.
    assert differing(one, other) < 0.02
    assert months.stats.fields == 1


def test_the_list_of_cells_leaves_out_what_is_missing(months: LocalService) -> None:
    found = months.answer(DataQuery(MARCH, BBox(100, -25, 140, 5), as_list=True))
    data = months.answer(DataQuery(MARCH, BBox(100, -25, 140, 5)))
    assert isinstance(found, CellList)
    assert len(found.cells) == np.count_nonzero(~np.isnan(data.data)) < data.data.size
    for lon, lat, value in found.cells:
        assert value == data.data[data.lat.tolist().index(lat), data.lon.tolist().index(lon)]


def test_a_box_between_centres_names_the_cell_around_it(months: LocalService) -> None:
    for query in (DataQuery(MARCH, BBox(-3, 1, -1, 3)), series(BBox(-3, 1, -1, 3))):
        with pytest.raises(NoData, match="cells are 10° × 10°, and the nearest one has its centre at 5°N 0°"):
            months.answer(query)


def test_a_box_or_a_point_outside_names_the_extent() -> None:
    with service(fields.regional()) as opened:
        for query in (
            DataQuery(Source("dataset", "sst", Date("201203")), BBox(100, 0, 120, 10)),
            series(BBox(100, 0, 120, 10)),
            series(Point(100, 40)),
        ):
            with pytest.raises(NoData, match="outside the data, which cover 7°W to 37°E, 29°N to 47°N"):
                opened.answer(query)


def test_flags_stay_integers_with_a_mask() -> None:
    with service(fields.flags()) as opened:
        found = opened.answer(DataQuery(Source("dataset", "mask", None)))
        picture = opened.answer(MapQuery(Source("dataset", "mask", None), EVERYWHERE))
    assert found.data.dtype == np.int8
    assert np.ma.getmaskarray(found.data)[0].all()
    assert not np.ma.getmaskarray(found.data)[1:].any()
    assert found.time is None
    assert picture.time is None
    assert (picture.valid, picture.total) == (17 * 36, 18 * 36)


# Pictures


def pixels(picture: MapImage) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGBA"))


def differing(one: MapImage, other: MapImage) -> float:
    """The part of the pixels that are not the same."""
    return float((pixels(one) != pixels(other)).any(axis=-1).mean())


def test_a_picture_tells_what_is_true_of_it(months: LocalService) -> None:
    found = months.answer(MapQuery(Source("dataset", "sst", Date("20120310"), nearest=6 * 86400), EVERYWHERE))
    assert pixels(found).shape == (18, 36, 4)
    assert (found.width, found.height, found.bbox, found.projection) == (36, 18, GLOBAL, "pc_world")
    assert found.time == Stamp(20120315000000000)
    assert (found.units, found.long_name) == ("degree_Celsius", "Sea surface temperature")
    assert (found.valid, found.total, found.cell) == (18 * 36 - 18, 18 * 36, (10.0, 10.0))
    assert found.cmap == "thermal"
    assert found.vmin is not None
    assert found.vmax is not None
    assert (np.count_nonzero(pixels(found)[..., 3] == 0)) == 18


@pytest.mark.parametrize("make", [fields.field, fields.around_greenwich, fields.odd_convention, fields.descending])
@pytest.mark.parametrize("canvas", [EVERYWHERE, Canvas(BBox(-60, -40, 80, 60), resample=True)], ids=["all", "part"])
def test_the_same_place_has_the_same_colour_in_every_convention(make: Any, canvas: Canvas) -> None:
    style = Style("viridis", 5.0, 35.0)
    with service(fields.field(hole=False)) as opened:
        expected = opened.answer(MapQuery(MARCH, canvas, style))
    made = make()
    values = fields.value(
        made["lon"].values[None, None], made["lat"].values[None, :, None], np.arange(3)[:, None, None]
    )
    with service(made.assign(sst=(made["sst"].dims, values.astype(np.float32)))) as opened:
        assert differing(opened.answer(MapQuery(MARCH, canvas, style)), expected) < 0.005


def test_valid_and_total_count_the_cells_that_touch_the_box_without_the_margin() -> None:
    with service(fields.field()) as opened:
        for resample in (False, True):
            found = opened.answer(MapQuery(MARCH, Canvas(BBox(-21, -20, 19, 20), resample=resample)))
            # Columns around 340, 350, 0, 10 and 20; rows around -15, -5, 5 and 15.
            assert found.total == 5 * 4


def test_limits_are_the_same_for_all_dates_and_found_once(months: LocalService) -> None:
    first = months.answer(MapQuery(MARCH, EVERYWHERE))
    other = months.answer(MapQuery(Source("dataset", "sst", Date("201401")), EVERYWHERE))
    assert (first.vmin, first.vmax) == (other.vmin, other.vmax)


def test_the_catalogues_colours_come_first_and_the_askers_before_them(tmp_path: Path) -> None:
    fields.field().to_netcdf(tmp_path / "a.nc")
    (tmp_path / "c.toml").write_text(
        '[index.sea]\nfiles = ["a.nc"]\nnote = "synthetic data"\n'
        '[index.sea.variables.sst]\ncmap = "ice"\nlimits = [3, 30]\n'
    )
    with LocalService(tmp_path / "c.toml") as opened:
        source = Source("sea", "sst", Date("201203"))
        plain = opened.answer(MapQuery(source, EVERYWHERE))
        asked = opened.answer(MapQuery(source, EVERYWHERE, Style("jet", vmax=20.0)))
        deviation = opened.answer(LapseMapQuery("sea", "sst", EVERYWHERE, aggregate="std"))
        with pytest.raises(InvalidValue, match="default limits of 'sst' are 3 and 30"):
            opened.answer(MapQuery(source, EVERYWHERE, Style(vmin=40.0)))
        assert opened.root == "datavore:/c"
    assert (plain.cmap, plain.vmin, plain.vmax, plain.note) == ("ice", 3.0, 30.0, "synthetic data")
    assert (asked.cmap, asked.vmin, asked.vmax) == ("jet", 3.0, 20.0)
    assert deviation.cmap == "viridis"
    assert deviation.vmax < 3.0


def test_an_unknown_colour_map_is_refused_before_anything_is_read(months: LocalService) -> None:
    with pytest.raises(InvalidValue, match="viridis"):
        months.answer(MapQuery(MARCH, EVERYWHERE, Style("virids")))
    assert counts(months) == (0, 0, 0)


def test_new_colours_limits_or_views_read_no_data(months: LocalService) -> None:
    months.answer(MapQuery(MARCH, EVERYWHERE))
    assert counts(months) == (1, 0, 1)
    months.answer(MapQuery(MARCH, EVERYWHERE))
    assert counts(months) == (1, 0, 1)
    months.answer(MapQuery(MARCH, EVERYWHERE, Style("jet")))
    months.answer(MapQuery(MARCH, EVERYWHERE, Style("jet", 0, 10)))
    months.answer(MapQuery(MARCH, Canvas(BBox(-20, -20, 60, 30), projection="mercator")))
    months.answer(DataQuery(MARCH, BBox(0, 0, 50, 50)))
    assert counts(months) == (1, 0, 4)
    months.answer(MapQuery(Source("dataset", "sst", Date("201204")), EVERYWHERE))
    assert counts(months) == (2, 0, 5)


def test_a_picture_beside_the_data_is_empty_and_says_where_they_are() -> None:
    with service(fields.regional()) as opened:
        for query in (
            MapQuery(MARCH, Canvas(BBox(100, 0, 120, 10))),
            LapseMapQuery("dataset", "sst", Canvas(BBox(100, 0, 120, 10), resample=True)),
        ):
            found = opened.answer(query)
            assert not pixels(found)[..., 3].any()
            assert (found.valid, found.total) == (0, 0)
            assert "7°W to 37°E, 29°N to 47°N" in found.note


def test_thinning_does_not_make_a_picture_smaller() -> None:
    dataset = fields.field(np.arange(1.0, 360, 2.0), np.arange(-89, 90, 2.0), hole=False)
    with service(dataset, caps=Caps(array_bytes=2**12)) as opened:
        found = opened.answer(MapQuery(MARCH, EVERYWHERE))
    assert (found.width, found.height) == (180, 90)
    assert found.total < 180 * 90


@pytest.mark.parametrize("reduce", ["mean", "stride"])
def test_far_more_cells_than_memory_are_thinned_and_stay_in_their_place(reduce: str) -> None:
    dataset = fields.field(np.arange(0.25, 360, 0.5), np.arange(-89.75, 90, 0.5), times=3, hole=False)
    canvas = Canvas(GLOBAL, resolution=60, reduce=reduce)
    style = Style("gray", 0.0, 40.0)
    with service(dataset) as exact, service(dataset, caps=Caps(array_bytes=2**16)) as thinned:
        expected = exact.answer(MapQuery(MARCH, Canvas(GLOBAL, resolution=60), style))
        found = thinned.answer(MapQuery(MARCH, canvas, style))
    assert (found.width, found.height) == (60, 30)
    assert found.total <= 2**16 // 4
    difference = pixels(found)[..., 0].astype(int) - pixels(expected)[..., 0].astype(int)
    # A stride shows one of the cells under a pixel, at most half a pixel (4 grays) from its middle.
    assert np.abs(difference).max() <= (4 if reduce == "mean" else 8)
    assert np.abs(difference.mean()) < (1 if reduce == "mean" else 4)


# Aggregates over a lapse


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_lapse_maps_show_the_aggregate_of_each_cell(aggregate: str) -> None:
    rng = np.random.default_rng(5)
    dataset = fields.field(times=30)
    noisy = dataset["sst"].values + rng.standard_normal(dataset["sst"].shape).astype(np.float32)
    noisy[rng.random(noisy.shape) < 0.2] = np.nan
    dataset = dataset.assign(sst=(dataset["sst"].dims, noisy, dataset["sst"].attrs))
    low, high = {"std": (0.0, 4.0), "count": (0.0, 20.0)}.get(aggregate, (5.0, 40.0))
    lapse = Lapse.parse("2012,201306")
    canvas = Canvas(BBox(-185, -90, 175, 90))
    query = LapseMapQuery("dataset", "sst", canvas, lapse, aggregate, style=Style("gray", low, high))
    with service(dataset) as opened:
        found = opened.answer(query)
    chosen = noisy[:18].astype(np.float64)
    expected = np.array([[pooled(chosen[:, j, i], aggregate) for i in range(36)] for j in range(18)])
    # The picture begins at 180° W, half a cell west of it, with north on top; grays give the values back to a level.
    expected = np.roll(expected, 18, axis=1)[::-1]
    seen = pixels(found)
    there = ~np.isnan(expected)
    assert np.array_equal(seen[..., 3] > 0, there)
    shown = (seen[..., 0] + 0.5) / 256 * (high - low) + low
    clipped = np.clip(expected, low, high)
    assert np.abs(shown - clipped)[there].max() <= (high - low) / 250
    assert found.steps == 18
    assert (found.first_time, found.time) == (Stamp(20120115000000000), Stamp(20130615000000000))
    assert found.aggregate == aggregate
    assert found.units == ("1" if aggregate == "count" else "degree_Celsius")


def test_another_aggregate_of_the_same_lapse_reads_nothing(months: LocalService) -> None:
    months.answer(LapseMapQuery("dataset", "sst", EVERYWHERE))
    before = months.stats.bytes
    for aggregate in AGGREGATES:
        months.answer(LapseMapQuery("dataset", "sst", EVERYWHERE, aggregate=aggregate, style=Style("jet")))
    assert months.stats.bytes == before


# Further dimensions and companions


def test_a_further_dimension_is_chosen_by_value_and_always_named() -> None:
    with service(fields.with_depth()) as opened:
        shallow = opened.answer(DataQuery(MARCH))
        assert shallow.dims == {"depth": 0.5}
        filters = parse_filters({"depth": 100.0000001})
        deep = opened.answer(DataQuery(Source("dataset", "sst", Date("201203"), filters=filters)))
        assert deep.dims == {"depth": 100.0}
        there = ~np.isnan(deep.data)
        assert np.allclose((shallow.data - deep.data)[there], 2.0, atol=1e-5)
        found = opened.answer(series(Point(0, 5), filters=parse_filters({"depth": 10})))
        assert found.dims == {"depth": 10.0}
        assert np.allclose(found.values, fields.value(0, 5, np.arange(3)) - 1.0, rtol=1e-6)
        picture = opened.answer(MapQuery(MARCH, EVERYWHERE))
        below = opened.answer(MapQuery(Source("dataset", "sst", Date("201203"), filters=filters), EVERYWHERE))
        assert (picture.dims, below.dims) == ({"depth": 0.5}, {"depth": 100.0})
        # Each depth has limits of its own.
        assert (picture.vmin - below.vmin, picture.vmax - below.vmax) == pytest.approx((2.0, 2.0), abs=1e-5)
        for wrong, message in (
            ({"depth": 11}, "no value for which depth is 11.0; choose one of 0.5, 10.0, 100.0 m"),
            ({"depth": [0.5, 10]}, "has 2 values for which"),
            ({"depth": {"min": 1}}, "has 2 values for which depth is at least 1"),
            ({"depht": 10}, "did you mean 'depth'"),
        ):
            with pytest.raises(InvalidValue, match=message):
                opened.answer(series(GLOBAL, filters=parse_filters(wrong)))


def companions() -> xr.Dataset:
    dataset = fields.field(times=6, hole=False)
    rng = np.random.default_rng(8)
    shape = dataset["sst"].shape
    quality = rng.integers(0, 6, shape).astype(np.int8)
    wind = rng.uniform(0, 20, shape).astype(np.float32)
    wind[rng.random(shape) < 0.1] = np.nan
    land = (rng.random(shape[1:]) < 0.3).astype(np.int8)
    meanings = {"flag_values": np.array([0, 1], dtype=np.int8), "flag_meanings": "sea land"}
    other = xr.Dataset(
        {"coarse": (("lat2", "lon2"), np.zeros((2, 3)))},
        {"lat2": ("lat2", [0.0, 1.0], fields.LAT), "lon2": ("lon2", [0.0, 1.0, 2.0], fields.LON)},
    )
    return dataset.assign(
        quality_level=(dataset["sst"].dims, quality),
        wind_speed=(dataset["sst"].dims, wind),
        surface=(dataset["sst"].dims[1:], land, meanings),
    ).merge(other)


@pytest.mark.parametrize(
    ("filters", "allowed"),
    [
        ({"quality_level": [4, 5]}, lambda d: d["quality_level"].isin([4, 5])),
        ({"wind_speed": {"max": 15}}, lambda d: d["wind_speed"] <= 15),
        ({"wind_speed": {"min": 3, "max": 15}}, lambda d: (d["wind_speed"] >= 3) & (d["wind_speed"] <= 15)),
        ({"surface": "sea"}, lambda d: (d["surface"] == 0) & (d["sst"] < 1e9)),
        ({"surface": 1, "quality_level": 5}, lambda d: (d["surface"] == 1) & (d["quality_level"] == 5)),
    ],
)
def test_conditions_on_companions_hold_everywhere(filters: dict[str, Any], allowed: Any) -> None:
    dataset = companions()
    expected = dataset["sst"].where(allowed(dataset)).values.astype(np.float64)
    conditions = parse_filters(filters)
    bbox = BBox(-25, -40, 25, 40)
    rows, columns = within(dataset["lon"].values, dataset["lat"].values, bbox)
    source = Source("dataset", "sst", Date("201203"), filters=conditions)
    with service(dataset) as opened:
        data = opened.answer(DataQuery(source, bbox)).data
        found = opened.answer(series(bbox, filters=conditions))
        plain = opened.answer(series(bbox))
        picture = opened.answer(MapQuery(source, EVERYWHERE))
        everything = opened.answer(MapQuery(MARCH, EVERYWHERE))
        lapse = opened.answer(LapseMapQuery("dataset", "sst", EVERYWHERE, filters=conditions))
        table = opened.answer(ExtractQuery("dataset", ("sst",), bbox, filters=conditions))
    box = expected[:, rows][:, :, columns]
    assert np.array_equal(data, box[2].astype(np.float32), equal_nan=True)
    assert_close(found.values, np.array([pooled(step, "avg") for step in box]), expected)
    assert found.counts.tolist() == [np.count_nonzero(~np.isnan(step)) for step in box]
    assert plain.counts.tolist() == [rows.size * columns.size] * 6
    assert picture.valid == np.count_nonzero(~np.isnan(expected[2])) < everything.valid
    # A condition does not change the colours, whichever comes first.
    with service(dataset) as opened:
        alone = opened.answer(MapQuery(MARCH, EVERYWHERE))
    assert (picture.vmin, picture.vmax) == (everything.vmin, everything.vmax) == (alone.vmin, alone.vmax)
    assert lapse.valid == np.count_nonzero(~np.isnan(expected).all(axis=0))
    assert np.array_equal(table.columns["sst"], box.reshape(-1), equal_nan=True)


def test_other_values_of_a_condition_are_another_question() -> None:
    dataset = companions()
    with service(dataset) as opened:
        for quality in range(6):
            filters = parse_filters({"quality_level": quality})
            expected = (dataset["quality_level"].values == quality).sum(axis=(1, 2))
            assert opened.answer(series(GLOBAL, filters=filters)).counts.tolist() == expected.tolist()
            data = opened.answer(DataQuery(Source("dataset", "sst", Date("201203"), filters=filters))).data
            assert np.count_nonzero(~np.isnan(data)) == expected[2]


def test_a_companion_is_taken_at_the_same_depth() -> None:
    dataset = fields.with_depth()
    level = np.zeros(dataset["sst"].shape, dtype=np.int8)
    level[:, 1] = 5
    dataset = dataset.assign(quality_level=(dataset["sst"].dims, level))
    with service(dataset) as opened:
        for depth, expected in ((0.5, 0), (10, 1)):
            filters = parse_filters({"depth": depth, "quality_level": 5})
            assert opened.answer(series(Point(0, 5), filters=filters)).counts.tolist() == [expected] * 3


def test_conditions_that_mean_nothing_are_refused() -> None:
    with service(companions()) as opened:
        for filters, message in (
            ({"quality": 4}, "did you mean 'quality_level'"),
            ({"coarse": 4}, "different cells or times"),
            ({"surface": "see"}, "did you mean 'sea'"),
        ):
            with pytest.raises(InvalidValue, match=message):
                opened.answer(series(GLOBAL, filters=parse_filters(filters)))
        assert counts(opened) == (0, 0, 0)


# Tables, files, and what there is


def test_an_extract_has_a_row_for_each_time_and_cell() -> None:
    dataset = companions()
    bbox = BBox(-15, -20, 15, 20)
    rows, columns = within(dataset["lon"].values, dataset["lat"].values, bbox)
    with service(dataset) as opened:
        found: Extract = opened.answer(
            ExtractQuery("dataset", ("sst", "wind_speed"), bbox, Lapse.parse("201202,201204"))
        )
        point = opened.answer(ExtractQuery("dataset", ("sst",), Point(1, 4)))
        with pytest.raises(InvalidValue, match="'sst' and 'surface'"):
            opened.answer(ExtractQuery("dataset", ("sst", "surface"), bbox))
    assert list(found.columns) == ["sst", "wind_speed"]
    for name, column in found.columns.items():
        expected = dataset[name].values[1:4][:, rows][:, :, columns].astype(np.float64).reshape(-1)
        assert np.array_equal(column, expected, equal_nan=True)
    cells = rows.size * columns.size
    assert found.labels.tolist() == np.repeat([2012021500, 2012031500, 2012041500], cells).__mul__(10**7).tolist()
    assert np.array_equal(found.lon[: columns.size], dataset["lon"].values[columns])
    assert np.array_equal(found.lat[: cells : columns.size], dataset["lat"].values[rows])
    assert point.columns["sst"].size == 6
    assert (point.lon[0], point.lat[0]) == (0.0, 5.0)


def test_files_of_a_lapse_and_a_box_in_the_order_of_time(tmp_path: Path) -> None:
    dataset = fields.regional()
    for number, name in enumerate(["c.nc", "a.nc", "b.nc"]):
        dataset.isel(time=[number]).to_netcdf(tmp_path / name)
    with LocalService(tmp_path) as opened:
        index = tmp_path.name
        everything = opened.answer(FilesQuery(index, "sst")).files
        assert [Path(file).name for file in everything] == ["c.nc", "a.nc", "b.nc"]
        some = opened.answer(FilesQuery(index, "sst", BBox(0, 30, 10, 40), Lapse.parse("201202,2013"))).files
        assert [Path(file).name for file in some] == ["a.nc", "b.nc"]
        assert opened.answer(FilesQuery(index, "sst", BBox(100, 0, 120, 10))).files == ()
        assert opened.answer(FilesQuery(index, "sst", GLOBAL, Lapse.parse("1999,2000"))).files == ()
        found = opened.answer(SeriesQuery(index, "sst", Point(0, 40)))
        assert np.allclose(found.values, fields.value(0, 40, np.arange(3)), rtol=1e-6)


def test_what_there_is() -> None:
    with service({"a/b": fields.field(), "depths": fields.no_time()}) as opened:  # type: ignore[arg-type]
        assert list(opened.answer(CatalogQuery()).indexes) == ["a/b", "depths"]
        assert [entry["index"] for entry in opened.answer(LapsCatalogQuery()).entries] == ["a/b"]
        assert len(opened.answer(TimesQuery("a>b", "sst")).axis) == 3
        assert len(opened.answer(TimesQuery("depths", "sst")).axis) == 0
        with pytest.raises(NoData, match="has no times"):
            opened.answer(SeriesQuery("depths", "sst", GLOBAL))
        # Published clients always send a date.
        assert opened.answer(MapQuery(Source("depths", "sst", Date("2012")), EVERYWHERE)).time is None


def test_wrong_names_and_dates_say_what_there_is(months: LocalService) -> None:
    for query, error, message in (
        (TimesQuery("datset", "sst"), UnknownName, "did you mean 'dataset'"),
        (TimesQuery("dataset", "sss"), UnknownName, "did you mean 'sst'"),
        (DataQuery(Source("dataset", "sst", None)), InvalidValue, "30 times .*: give a date"),
        (DataQuery(Source("dataset", "sst", Date("2012"))), InvalidValue, "12 times lie in 2012"),
        (DataQuery(Source("dataset", "sst", Date("1999"))), NoData, "the closest are 2012-01-15"),
        (DataQuery(Source("dataset", "sst", Date("1999"), nearest=60)), NoData, "within 60 s"),
        ("what?", NotSupported, "str"),
    ):
        with pytest.raises(error, match=message):
            months.answer(query)  # type: ignore[call-overload]


def test_a_variable_that_cannot_be_shown_says_why() -> None:
    dataset = fields.field().assign(name=("time", np.array(["a", "b", "c"])))
    with service(dataset) as opened, pytest.raises(UnknownName, match="cannot be shown: its values are no numbers"):
        opened.answer(TimesQuery("dataset", "name"))


# Caps, cancelling, threads, changed files


def test_what_would_be_too_large_is_refused_before_reading() -> None:
    caps = Caps(array_bytes=1000, touched_bytes=600, streamed_bytes=4000, points=20, rows=100)
    with service(fields.field(times=30), caps=caps) as opened:
        for query, message in (
            (DataQuery(MARCH), "a smaller box or a resolution"),
            (DataQuery(MARCH, GLOBAL, resolution=10), "goes over"),
            (DataQuery(MARCH, BBox(0, 0, 140, 90), as_list=True), "135 cells are more than the 100 allowed"),
            (MapQuery(MARCH, Canvas(GLOBAL, resolution=5000)), "pixels"),
            (series(Point(0, 0)), "30 times is more than the 20 allowed; ask for a shorter lapse"),
            (series(GLOBAL, lapse=Lapse.parse("2012,2012")), "a smaller box or a shorter lapse"),
            (ExtractQuery("dataset", ("sst",), BBox(0, 0, 30, 30)), "rows are more than the 100 allowed"),
        ):
            with pytest.raises(TooLarge, match=message):
                opened.answer(query)
        assert opened.stats.blocks == 0


def test_a_series_tells_its_progress_and_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "READ_BYTES", 3 * 18 * 36 * 8)
    told: list[tuple[int, int]] = []
    job = Job(lambda done, total: told.append((done, total)))
    with service(fields.field(times=12)) as opened:
        opened.answer(series(GLOBAL), job)
        assert told == [(0, 12), (3, 12), (6, 12), (9, 12), (12, 12)]
        stopped = Job(lambda done, _: stopped.cancel() if done >= 6 else None)
        before = opened.stats.blocks
        with pytest.raises(Cancelled):
            opened.answer(series(BBox(-180, -80, 180, 90)), stopped)
        assert opened.stats.blocks - before == 2
        # What was given up is not remembered as an answer.
        found = opened.answer(series(BBox(-180, -80, 180, 90)))
        assert found.values.size == 12


def test_equal_questions_from_many_threads_are_answered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read = Variable.read
    gate = threading.Event()

    def held(*args: Any, **options: Any) -> Any:
        assert gate.wait(20)
        return read(*args, **options)

    monkeypatch.setattr(Variable, "read", held)
    with service(fields.field(times=30)) as opened, ThreadPoolExecutor(12) as pool:
        style = Style("jet", 0, 40)
        queries = [
            MapQuery(MARCH, EVERYWHERE, style),
            DataQuery(MARCH),
            series(GLOBAL),
            series(GLOBAL, aggregate="std"),
        ]
        asked = [pool.submit(opened.answer, query) for query in queries * 3]
        gate.set()
        answers = [each.result(30) for each in asked]
        assert counts(opened) == (1, 1, 1)
    assert answers[0].png == answers[4].png == answers[8].png


@pytest.mark.parametrize("kind", ["nc", "zarr", "nc3"])
def test_many_threads_with_mixed_questions_get_the_right_answers(tmp_path: Path, kind: str) -> None:
    dataset = fields.field(times=24)
    if kind == "zarr":
        dataset.to_zarr(tmp_path / "sea.zarr", consolidated=False)
    else:
        dataset.to_netcdf(tmp_path / "sea.nc", format="NETCDF4" if kind == "nc" else "NETCDF3_64BIT")
    path = next(tmp_path.iterdir())
    boxes = [BBox(west, -40, west + 50, 40) for west in range(-180, 180, 45)]
    queries: list[Any] = []
    for number, bbox in enumerate(boxes):
        source = Source("sea", "sst", Date.from_label(20120115000000000 + number * 10**11))
        queries += [
            SeriesQuery("sea", "sst", bbox, groupby="yyyy", aggregate=AGGREGATES[number % 5]),
            DataQuery(source, bbox),
            MapQuery(source, Canvas(bbox, projection="mercator", resolution=64)),
            LapseMapQuery("sea", "sst", Canvas(bbox), aggregate=AGGREGATES[number % 5]),
        ]

    def told(answer: Any) -> Any:
        if isinstance(answer, Series):
            return answer.values.tobytes()
        if isinstance(answer, MapImage):
            # Pixels, not the file: deflate may write the same rows in more than one way.
            return pixels(answer).tobytes(), answer.bbox, answer.vmin, answer.vmax, answer.valid
        return answer.data.tobytes()

    with LocalService(path) as alone:
        expected = [told(alone.answer(query)) for query in queries]
    # So little memory that most is forgotten and read again.
    with LocalService(path, field_bytes=6000, picture_bytes=5000, series_bytes=20_000) as opened:
        order = np.random.default_rng(1).permutation(len(queries) * 6) % len(queries)
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda number: told(opened.answer(queries[number])), order))
    assert found == [expected[number] for number in order]


def test_a_file_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "sea.nc"
    fields.field().to_netcdf(path)
    source = Source("sea", "sst", Date("201203"))
    with LocalService(path) as opened:
        before = [opened.answer(DataQuery(source)), opened.answer(SeriesQuery("sea", "sst", Point(0, 5)))]
        changed = fields.field()
        changed["sst"] += 5.0
        changed.to_netcdf(tmp_path / "new.nc")
        (tmp_path / "new.nc").replace(path)
        after = [opened.answer(DataQuery(source)), opened.answer(SeriesQuery("sea", "sst", Point(0, 5)))]
        assert np.nanmax(np.abs(after[0].data - before[0].data - 5.0)) < 1e-4
        assert np.allclose(after[1].values - before[1].values, 5.0, atol=1e-4)
        path.unlink()
        with pytest.raises(Unreadable, match=r"sea\.nc"):
            opened.answer(DataQuery(source))
