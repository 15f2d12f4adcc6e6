"""Prepared data: the same numbers as without, whatever happens while they are made or afterwards."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5netcdf
import numpy as np
import pytest

from datavore_widgets.errors import Cancelled, InvalidValue, Unreadable
from datavore_widgets.protocol.geometry import BBox, Point
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.queries import (
    AGGREGATES,
    Canvas,
    CatalogQuery,
    DataQuery,
    LapseDataQuery,
    LapseMapQuery,
    MapQuery,
    SeriesQuery,
    Source,
    Style,
)
from datavore_widgets.protocol.times import Date, Lapse
from datavore_widgets.service.files import FileSource
from datavore_widgets.service.laps import folder, reader
from datavore_widgets.service.laps import segment as laps_segment
from datavore_widgets.service.laps.blocks import EDGES, covering
from datavore_widgets.service.laps.prepare import Prepared, prepare
from datavore_widgets.service.local import LocalService

TIMES, NY, NX = 300, 41, 75
DAY_0 = np.datetime64("2000-01-01")


def write(path: Path, values: np.ndarray, first: int = 0, attrs: dict[str, Any] | None = None, **how: Any) -> Path:
    """A file of stored values on a global grid, one a day."""
    times, ny, nx = values.shape
    fill = how.pop("fillvalue", None)
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"time": times, "lat": ny, "lon": nx}
        lon, lat = how.pop("lon", (np.arange(nx) + 0.5) * 360 / nx), 90 - (np.arange(ny) + 0.5) * 180 / ny
        days = first + np.arange(times) + 0.5
        axes = (("time", days, "days since 2000-01-01"), ("lat", lat, "degrees_north"), ("lon", lon, "degrees_east"))
        for name, axis, units in axes:
            file.create_variable(name, (name,), np.float64, data=axis).attrs["units"] = units
        chunks = how.pop("chunks", (1, ny, nx))
        v = file.create_variable("v", ("time", "lat", "lon"), values.dtype, fillvalue=fill, chunks=chunks, **how)
        v.attrs.update(attrs or {})
        v[...] = values
    return path


def packed(seed: int, shape: tuple[int, int, int] = (TIMES, NY, NX)) -> np.ndarray:
    """Two-byte integers with land, with gaps that move, and with times when nothing is there."""
    rng = np.random.default_rng(seed)
    values = rng.integers(-32767, 32768, shape).astype(np.int16)
    values[:, 5:22, 10:40] = -32768
    values[rng.random(shape) < 0.1] = -32768
    values[3] = values[min(200, shape[0] - 1)] = -32768
    return values


def box(rng: np.random.Generator) -> BBox:
    """A random box with some cells in it; many of them wrap over the seam of the data."""
    west, south = rng.uniform(-180, 180), rng.uniform(-90, 80)
    return BBox(west, south, (west + rng.uniform(6, 355) + 180) % 360 - 180, min(south + rng.uniform(6, 170), 90.0))


@pytest.fixture
def laps(tmp_path: Path) -> Path:
    """Where prepared data go."""
    return tmp_path / "laps"


@pytest.fixture
def nowhere(tmp_path: Path) -> Path:
    """Where nothing is prepared."""
    return tmp_path / "nowhere"


def only(spec: Any, laps: Path, **how: Any) -> Prepared:
    [done] = prepare(spec, folder=laps, **how)
    return done


def index_of(service: LocalService) -> str:
    return next(iter(service.answer(CatalogQuery()).indexes))


def series(service: LocalService, coord: BBox | Point, **how: Any) -> dict[str, Any]:
    """All five aggregates of a box."""
    index = index_of(service)
    return {name: service.answer(SeriesQuery(index, "v", coord, aggregate=name, **how)) for name in AGGREGATES}


def assert_same(one: dict[str, Any], other: dict[str, Any], deviation: float) -> None:
    """Equal counts, the rest to 1e-6 of the value or of the field's deviation, as it is promised."""
    for name in AGGREGATES:
        np.testing.assert_array_equal(one[name].labels, other[name].labels)
        np.testing.assert_array_equal(one[name].counts, other[name].counts)
        mine, theirs = one[name].values, other[name].values
        np.testing.assert_array_equal(np.isnan(mine), np.isnan(theirs))
        allowed = 1e-6 * np.maximum(np.abs(theirs), deviation)
        assert (np.abs(mine - theirs)[~np.isnan(theirs)] <= allowed[~np.isnan(theirs)]).all(), name


def assert_equal_boxes(spec: Any, laps: Path, nowhere: Path, deviation: float, number: int = 6, seed: int = 0) -> None:
    """Random boxes answered from what is prepared, with nothing read, and from the files."""
    rng = np.random.default_rng(seed)
    with LocalService(spec, laps=laps) as ready, LocalService(spec, laps=nowhere) as plain:
        for _ in range(number):
            coord = box(rng)
            assert_same(series(ready, coord), series(plain, coord), deviation)
        assert ready.stats.blocks == 0
        assert plain.stats.blocks > 0


# --- blocks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(300, 500), (128, 256), (7, 9), (129, 31)])
def test_covering_takes_every_cell_of_a_box_once(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    ny, nx = shape
    for trial in range(60):
        top, left = rng.integers(0, ny), rng.integers(0, nx)
        bottom, right = rng.integers(top, ny) + 1, rng.integers(left, nx) + 1
        if trial == 0:
            top, left, bottom, right = 0, 0, ny, nx
        times = np.zeros(shape, dtype=int)
        for level, *edges in covering(int(top), int(bottom), int(left), int(right), shape):
            edge = (1, *EDGES)[level]
            up, down, west, east = (end * edge for end in edges)
            times[up:down, west:east] += 1
        wanted = np.zeros(shape, dtype=int)
        wanted[top:bottom, left:right] = 1
        np.testing.assert_array_equal(times, wanted)


def test_a_large_box_touches_little_more_than_its_edges(tmp_path: Path, laps: Path) -> None:
    """What blocks are for: a box of 46,000 cells goes over a fraction of them."""
    path = write(tmp_path / "v.nc", packed(2, (40, 240, 400)), fillvalue=np.int16(-32768))
    only(path, laps)
    with LocalService(path, laps=laps) as service:
        coord = BBox(20.0, -70.0, 280.0 - 360.0, 70.0)
        answer = service.answer(SeriesQuery("v", "v", coord))
        [ready] = service._store.shelf._known.values()
        assert ready is not None
        touched = sum(segment.touched for segment in ready._segments)
        edge_cells = 2 * 8 * (187 + 289)
        # The cells at the edges, at most 7 deep; records of 17 bytes for each step of the blocks inside.
        blocks = answer.total / 64
        assert 0 < touched <= 40 * (2 * edge_cells + 17 * blocks)
        assert touched < 40 * 2 * answer.total / 2


# --- exact -----------------------------------------------------------------------------------------------------------

KINDS: dict[str, dict[str, Any]] = {
    "int16": {"fillvalue": np.int16(-32768), "attrs": {"scale_factor": 0.01, "add_offset": 20.0}},
    "negative scale, fill on top": {
        "fillvalue": np.int16(32767),
        "attrs": {"scale_factor": np.float32(-0.0017), "add_offset": np.float32(3.0)},
    },
    "fill inside, valid range": {
        "fillvalue": np.int16(-999),
        "attrs": {"valid_min": np.int16(-20000), "valid_max": np.int16(20000)},
    },
    "no fill": {"attrs": {"scale_factor": 0.5}},
    "two fills": {"fillvalue": np.int16(-32768), "attrs": {"missing_value": np.int16(12), "scale_factor": 0.5}},
}


@pytest.mark.parametrize("kind", KINDS)
def test_packed_integers(kind: str, tmp_path: Path, laps: Path, nowhere: Path) -> None:
    values = packed(3)
    how = dict(KINDS[kind])
    if kind == "negative scale, fill on top":
        values = np.where(values == -32768, 32767, values).astype(np.int16)
        values[7, 0, 0] = -32768  # here it is a value
    if kind == "fill inside, valid range":
        values = np.where(values == -32768, -999, values).astype(np.int16)
        values[7, 0, 0] = -32768
    path = write(tmp_path / "v.nc", values, **how)
    only(path, laps)
    scale = abs(float(how["attrs"].get("scale_factor", 1)))
    assert_equal_boxes(path, laps, nowhere, 18000 * scale)


@pytest.mark.parametrize("dtype", ["i1", "u1", "u2", "i4", "i8", "f4", "f8"])
def test_other_types(dtype: str, tmp_path: Path, laps: Path, nowhere: Path) -> None:
    rng = np.random.default_rng(4)
    kind = np.dtype(dtype).kind
    values = rng.normal(100, 40, (TIMES, NY, NX)).clip(1, 120).astype(dtype)
    fill = np.dtype(dtype).type(np.nan if kind == "f" else 99)
    values[:, 3:12, 30:50] = fill
    path = write(tmp_path / "v.nc", values, fillvalue=fill)
    only(path, laps)
    assert_equal_boxes(path, laps, nowhere, 30.0, number=4)


def test_floats_that_are_simple_fractions_are_kept_as_two_bytes(tmp_path: Path, laps: Path, nowhere: Path) -> None:
    rng = np.random.default_rng(5)
    kelvin = (np.rint(rng.normal(29000, 600, (TIMES, NY, NX))) / 100).astype(np.float32)
    kelvin[:, 4:9, 4:9] = np.nan
    path = write(tmp_path / "v.nc", kelvin)
    done = only(path, laps)
    assert done.nbytes < 0.9 * kelvin.nbytes
    assert_equal_boxes(path, laps, nowhere, 6.0)
    # One value that is none stops that, and no bit of it is lost.
    kelvin[280, 20, 20] = np.float32(290.123456)
    path = write(tmp_path / "w.nc", kelvin)
    only(path, laps)
    assert_equal_boxes(path, laps, nowhere, 6.0)


def test_a_mean_far_from_zero_costs_no_digits(tmp_path: Path, laps: Path, nowhere: Path) -> None:
    rng = np.random.default_rng(6)
    values = (1e5 + rng.normal(0, 1, (20, 64, 100))).astype(np.float64)
    path = write(tmp_path / "v.nc", values)
    only(path, laps)
    assert_equal_boxes(path, laps, nowhere, 1.0)


def test_an_absurd_value_does_not_spoil_the_others(tmp_path: Path, laps: Path, nowhere: Path) -> None:
    """A fill value that the file does not tell of."""
    rng = np.random.default_rng(7)
    values = rng.normal(10, 1, (20, 64, 104)).astype(np.float32)
    values[:, 0:3, 0:3] = 9.97e36
    path = write(tmp_path / "v.nc", values)
    only(path, laps)
    with LocalService(path, laps=laps) as ready, LocalService(path, laps=nowhere) as plain:
        coord = BBox(40.0, -85.0, 350.0 - 360.0, 60.0)
        assert_same(series(ready, coord), series(plain, coord), 1.0)


def test_infinite_values_are_not_prepared_but_still_answered(
    tmp_path: Path, laps: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = np.ones((5, 9, 9), dtype=np.float32)
    values[2, 3, 3] = np.inf
    path = write(tmp_path / "v.nc", values)
    assert prepare(path, folder=laps) == []
    assert "infinite" in caplog.text
    with LocalService(path, laps=laps) as service:
        assert (
            service.answer(SeriesQuery("v", "v", BBox(-180, -90, 180, 90), aggregate="count")).values.tolist()
            == [81] * 5
        )


def test_one_reference_outside(tmp_path: Path, laps: Path) -> None:
    """Against numpy itself, on the values as written."""
    values = packed(8)
    path = write(tmp_path / "v.nc", values, fillvalue=np.int16(-32768))
    only(path, laps)
    masked = np.ma.masked_equal(values, -32768)[:, 6:33, 8:61].reshape(TIMES, -1).astype(np.float64)
    lon, lat = (np.arange(NX) + 0.5) * 360 / NX, 90 - (np.arange(NY) + 0.5) * 180 / NY
    coord = BBox(lon[8] - 0.1, lat[32] - 0.1, lon[60] + 0.1 - 360, lat[6] + 0.1)
    with LocalService(path, laps=laps) as service:
        found = series(service, coord)
    np.testing.assert_array_equal(found["count"].counts, masked.count(axis=1))
    for name, wanted in (
        ("avg", masked.mean(1)),
        ("std", masked.std(1)),
        ("min", masked.min(1)),
        ("max", masked.max(1)),
    ):
        np.testing.assert_allclose(found[name].values, wanted.filled(np.nan), rtol=1e-12)


def test_points_lapses_and_groups(tmp_path: Path, laps: Path, nowhere: Path) -> None:
    path = write(tmp_path / "v.nc", packed(9), fillvalue=np.int16(-32768), attrs={"scale_factor": 0.01})
    only(path, laps)
    with LocalService(path, laps=laps) as ready, LocalService(path, laps=nowhere) as plain:
        for how in (
            {"lapse": Lapse.parse("2000-02-11,2000-10-07")},
            {"groupby": "yyyy-MM"},
            {"groupby": "yyyy"},
            {"groupby": "yyyy-MM", "lapse": Lapse.parse("2000-09-01,2000-09-20")},
        ):
            for coord in (BBox(-60, -50, 60, 50), Point(100.0, 40.0), BBox(-180, -90, 180, 90)):
                assert_same(series(ready, coord, **how), series(plain, coord, **how), 180.0)
        assert ready.stats.blocks == 0


def test_the_groups_of_the_times_are_worked_out_once(tmp_path: Path, laps: Path) -> None:
    path = write(tmp_path / "a.nc", packed(5, (90, 9, 12)))
    only(path, laps)
    with LocalService(path, laps=laps) as service:
        answers = [*series(service, BBox(-60, -60, 60, 60), groupby="yyyy-MM").values()]
        first = answers[0]
        assert all(np.shares_memory(answer.labels, first.labels) for answer in answers)
        with pytest.raises(ValueError, match="read-only"):
            first.labels[0] = 0  # they are in the other answers too
        assert not any(np.shares_memory(answer.counts, first.counts) for answer in answers[1:])


def test_what_is_on_the_disk_is_asked_for_before_it_is_read(tmp_path: Path, laps: Path, nowhere: Path) -> None:
    path = write(tmp_path / "a.nc", packed(6))
    only(path, laps)
    around = BBox(10, -60, 300, 60)
    with LocalService(path, laps=laps) as service, LocalService(path, laps=nowhere) as plain:
        service.answer(SeriesQuery("a", "v", Point(0, 0)))
        segments = next(iter(service._store.shelf._known.values()))._segments
        for segment in segments:
            segment.forget()
            segment._is_warm = False  # as of a file that the system has not in memory
        assert_same(series(service, around), series(plain, around), 20_000)
        tiles = [segment._asked[0] for segment in segments]
        assert all(asked.any() and not asked.all() for asked in tiles)


@pytest.mark.parametrize("lapse", ["2000-01-01,2000-12-31", "2000-01-20,2000-09-20", "2000-03-01,2000-03-09"])
@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_maps_of_lapses(lapse: str, aggregate: str, tmp_path: Path, laps: Path, nowhere: Path) -> None:
    path = write(tmp_path / "v.nc", packed(10), fillvalue=np.int16(-32768), attrs={"scale_factor": 0.01})
    only(path, laps)
    with LocalService(path, laps=laps) as ready, LocalService(path, laps=nowhere) as plain:
        for bbox, size in ((BBox(-180, -80, 180, 80), 200), (BBox(100, -40, -100, 70), 20)):
            query = LapseMapQuery(
                "v",
                "v",
                Canvas(bbox, size, reduce="stride"),
                lapse=Lapse.parse(lapse),
                aggregate=aggregate,
                style=Style(vmin=-100.0, vmax=300.0),
            )
            one, other = ready.answer(query), plain.answer(query)
            assert (one.valid, one.total) == (other.valid, other.total)
            assert one.png == other.png
        assert ready.stats.blocks == 0


def test_cells_are_put_in_the_order_that_is_asked_for_whatever_that_of_the_file(
    tmp_path: Path, laps: Path, nowhere: Path
) -> None:
    """Longitudes that fall, and a box over the seam that takes the first column, and then all others from the last."""
    path = write(tmp_path / "v.nc", packed(11, (TIMES, 18, 36)), lon=np.arange(355.0, 0.0, -10.0))
    only(path, laps)
    with LocalService(path, laps=laps) as ready, LocalService(path, laps=nowhere) as plain:
        for aggregate in ("median", "avg"):
            query = LapseDataQuery("v", "v", BBox(-10, -45, 350, 45), aggregate=aggregate)
            one, other = ready.answer(query), plain.answer(query)
            assert one.lon.tolist() == other.lon.tolist()
            assert np.allclose(one.data, other.data, rtol=1e-6)
        assert ready.stats.blocks == 0


# --- the copy in the order of time -----------------------------------------------------------------------------------


def test_fields_come_from_the_copy_to_the_same_bits(tmp_path: Path, laps: Path, nowhere: Path) -> None:
    values = packed(11)
    scale = {"scale_factor": np.float32(0.01), "add_offset": np.float32(1.5)}
    path = write(tmp_path / "v.nc", values, fillvalue=np.int16(-32768), attrs=scale, chunks=(50, 20, 30))
    only(path, laps)
    with LocalService(path, laps=laps) as ready, LocalService(path, laps=nowhere) as plain:
        for day in ("20000101", "20000104", "20000912", "20001026"):
            query = DataQuery(Source("v", "v", Date(day)), BBox(50, -60, -20, 70))
            np.testing.assert_array_equal(ready.answer(query).data, plain.answer(query).data)
    # The copy is what was read: without it the answer comes from the file.
    [copy] = (path for path in laps.rglob("00000-*.fields"))
    copy.write_bytes(bytes(copy.stat().st_size))
    with LocalService(path, laps=laps) as ready:
        data = ready.answer(DataQuery(Source("v", "v", Date("20000101")), BBox(50, -60, -20, 70))).data
        assert np.unique(data).tolist() == [1.5]


def test_a_picture_of_prepared_floats_copies_nothing_and_looks_at_the_file_twice(
    tmp_path: Path, laps: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(13)
    path = write(tmp_path / "v.nc", rng.normal(size=(20, NY, NX)).astype(np.float32))
    only(path, laps, fields=True)
    looks: list[str] = []
    real = FileSource.fingerprint
    monkeypatch.setattr(FileSource, "fingerprint", lambda source: (looks.append(source.name), real(source))[1])
    with LocalService(path, laps=laps) as service:
        service.answer(MapQuery(Source("v", "v", Date("20000102")), Canvas(BBox(-180, -80, 180, 80), 64)))
        looks.clear()
        service.answer(MapQuery(Source("v", "v", Date("20000103")), Canvas(BBox(-180, -80, 180, 80), 64)))
        # Once for the answer, once for what is prepared; nothing is read, so that there is nothing to look at after.
        assert looks == [str(path)] * 2
        [entry] = service._store.shelf._known.values()
        field = entry._segments[0].field(3, slice(0, NY), np.arange(NX))
        assert field is not None
        assert field.codes.base is not None
        assert not field.codes.flags.writeable
        assert np.shares_memory(field.values(), field.codes)


def test_the_copy_is_made_where_pictures_would_be_slow(tmp_path: Path, laps: Path) -> None:
    values = packed(12, (12, 16, 16))
    slow = write(tmp_path / "slow.nc", values, chunks=(6, 16, 16))
    quick = write(tmp_path / "quick.nc", values)
    assert list(only(slow, laps).folder.glob("*.fields"))
    assert not list(only(quick, laps).folder.glob("*.fields"))
    assert list(only(quick, laps, fields=True).folder.glob("*.fields"))


def test_a_segment_too_large_for_memory_is_turned_by_way_of_a_file(
    tmp_path: Path, laps: Path, nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_HELD", 1000)
    path = write(tmp_path / "v.nc", packed(13), fillvalue=np.int16(-32768))
    done = only(path, laps)
    assert sorted({file.suffix for file in done.folder.iterdir()}) == ["", ".json", ".laps"]
    assert_equal_boxes(path, laps, nowhere, 18000.0, number=3)


# --- files that come, change and go ----------------------------------------------------------------------------------


def archive(folder: Path, values: np.ndarray, every: int) -> list[Path]:
    """One file for some days each."""
    folder.mkdir(exist_ok=True)
    starts = range(0, len(values), every)
    return [
        write(folder / f"{start:04d}.nc", values[start : start + every], start, fillvalue=np.int16(-32768))
        for start in starts
    ]


def test_a_day_more_touches_the_last_segment_alone(
    tmp_path: Path, laps: Path, nowhere: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = packed(14)
    data = tmp_path / "data"
    archive(data, values[:280], 20)
    first = only(data, laps)
    assert (first.built, first.kept) == (2, 0)
    before = {path.name: path.stat().st_ino for path in first.folder.glob("*.laps")}
    write(data / "0280.nc", values[280:], 280, fillvalue=np.int16(-32768))
    # What is not prepared yet is read, and said.
    with LocalService(data, laps=laps) as ready, LocalService(data, laps=nowhere) as plain:
        coord = BBox(-60, -50, 60, 50)
        assert_same(series(ready, coord), series(plain, coord), 18000.0)
        assert ready.stats.blocks == 1
    assert "20 of 300 times are read from the files" in caplog.text
    again = only(data, laps)
    assert (again.built, again.kept) == (1, 1)
    after = {path.name: path.stat().st_ino for path in again.folder.glob("*.laps")}
    assert len(after) == 2
    assert len(before.items() & after.items()) == 1
    assert_equal_boxes(data, laps, nowhere, 18000.0, number=3)
    assert (only(data, laps).built, only(data, laps).kept) == (0, 2)


def test_a_file_that_changed_is_read_itself_and_mended(
    tmp_path: Path, laps: Path, nowhere: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = packed(15)
    files = archive(tmp_path / "data", values, 20)
    only(tmp_path / "data", laps)
    coord = BBox(-60, -50, 60, 50)
    with LocalService(tmp_path / "data", laps=laps) as ready:
        old = series(ready, coord)
        assert ready.stats.blocks == 0
        changed = values[40:60].copy()
        changed[changed != -32768] //= 2
        write(tmp_path / "new.nc", changed, 40, fillvalue=np.int16(-32768)).replace(files[2])
        new = series(ready, coord)
        assert ready.stats.blocks == 1
        with LocalService(tmp_path / "data", laps=nowhere) as plain:
            assert_same(new, series(plain, coord), 18000.0)
        assert not np.array_equal(old["avg"].values[40:60], new["avg"].values[40:60], equal_nan=True)
        assert "files changed after they were prepared" in caplog.text
        # The answers say so too, and a lapse that is still true says nothing.
        query = SeriesQuery("data", "v", coord)
        told = "20 of 300 times are read from the files, slowly: files changed after they were prepared"
        assert old["avg"].note == ""
        assert ready.answer(query).note.startswith(told)
        assert ready.answer(replace(query, lapse=Lapse.parse("2000-01-01,2000-01-31"))).note == ""
        everything = LapseMapQuery("data", "v", Canvas(coord), Lapse.parse("2000,2001"))
        assert told in ready.answer(everything).note
        # Mended beside a service that runs: it sees so by itself.
        done = only(tmp_path / "data", laps)
        assert (done.built, done.kept) == (1, 1)
        blocks = ready.stats.blocks
        assert ready.answer(query).note == ""
        assert told not in ready.answer(everything).note
        assert_same(series(ready, BBox(-61, -50, 60, 50)), series(ready, BBox(-61, -50, 60, 50)), 1.0)
        assert ready.stats.blocks == blocks


def test_part_of_what_was_prepared_is_found(tmp_path: Path, laps: Path, nowhere: Path) -> None:
    values = packed(16)
    files = archive(tmp_path / "data", values, 20)
    only(tmp_path / "data", laps)
    assert_equal_boxes(files[:7], laps, nowhere, 18000.0, number=2)


def test_damaged_or_foreign_prepared_data_are_left_alone(
    tmp_path: Path, laps: Path, nowhere: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "v.nc", packed(17), fillvalue=np.int16(-32768))
    done = only(path, laps)
    segment = sorted(done.folder.glob("*.laps"))[0]
    whole = segment.read_bytes()
    coord = BBox(-60, -50, 60, 50)
    with LocalService(path, laps=nowhere) as plain:
        wanted = series(plain, coord)
    for damaged in (b"", whole[: len(whole) // 2], whole[:-40], b"x" * 5000):
        segment.write_bytes(damaged)
        with LocalService(path, laps=laps) as service:
            assert_same(series(service, coord), wanted, 18000.0)
    for manifest in ("", "[]", "{}", '{"format": 99, "segments": ["a"]}', '{"format": 1, "segments": ["../x"]}'):
        (done.folder / "manifest.json").write_text(manifest)
        with LocalService(path, laps=laps) as service:
            assert_same(series(service, coord), wanted, 18000.0)
    assert "prepare" in caplog.text
    assert only(path, laps).built == 1
    assert_equal_boxes(path, laps, nowhere, 18000.0, number=2)


# --- cancelled, killed, full, two at once ----------------------------------------------------------------------------


def test_cancelled_it_leaves_what_was_and_goes_on_later(tmp_path: Path, laps: Path) -> None:
    path = write(tmp_path / "v.nc", packed(18), fillvalue=np.int16(-32768))
    told: list[tuple[int, int]] = []

    def on_progress(done: int, total: int) -> None:
        told.append((done, total))
        if done > folder.STEPS:
            job.cancel()

    job = Job(on_progress)
    with pytest.raises(Cancelled):
        prepare(path, folder=laps, job=job)
    assert told[0] == (0, TIMES)
    [place] = laps.iterdir()
    assert sorted(file.suffix for file in place.iterdir()) == ["", ".laps"]
    done = only(path, laps)
    assert (done.built, done.kept) == (1, 1)


WORKER = """
import sys
from datavore_widgets.service.laps.prepare import prepare
print("ready", flush=True)
[done] = prepare(sys.argv[1], folder=sys.argv[2], fields=True)
print("built", done.built, "kept", done.kept, flush=True)
"""


def worker(path: Path, laps: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WORKER, str(path), str(laps)], stdout=subprocess.PIPE, text=True)


KILLED = """
import itertools, os, shutil, signal, sys
from pathlib import Path
import h5netcdf, xarray
from datavore_widgets.service.laps.prepare import prepare

data, old, states = sys.argv[1:]
written = os.O_WRONLY | os.O_RDWR | os.O_CREAT

def kill_at(moment, laps):
    left = iter(range(moment, 0, -1))

    def hook(event, about):
        changes = event in ("os.rename", "os.remove") or (event == "open" and about[2] & written)
        if changes and str(about[0]).startswith(laps) and next(left) == 1:
            os.write(1, f"{event} {Path(about[0]).suffix}\\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)

for moment in itertools.count(1):
    laps = shutil.copytree(old, os.path.join(states, f"{moment:02d}"))
    child = os.fork()
    if not child:
        kill_at(moment, laps)
        prepare(data, folder=laps, fields=True)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if not os.WIFSIGNALED(status):
        sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_killed_at_any_moment_it_is_old_or_new(tmp_path: Path, laps: Path, nowhere: Path) -> None:
    """Killed before each file that is made, renamed or removed, once each: the states of a folder between these."""
    data, states = tmp_path / "data", tmp_path / "states"
    values = packed(19, (600, NY, NX))
    archive(data, values[:500], 100)
    only(data, laps, fields=True)
    write(data / "0500.nc", values[500:], 500, fillvalue=np.int16(-32768))
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(data), str(laps), str(states)],
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
    )
    assert killed.returncode == 0
    # Two segments of two files each, the manifest; the two files of the segment that is another one now.
    moments = killed.stdout.splitlines()
    assert sum(moment.startswith("os.rename") for moment in moments) == 5
    assert {"os.remove .laps", "os.remove .fields"} <= set(moments)
    *left, whole = sorted(states.iterdir())
    assert len(left) == len(moments)
    wanted = {path.name for path in whole.rglob("*.*")}
    assert len(wanted) == 7
    coord = BBox(-60, -50, 60, 50)
    with LocalService(data, laps=nowhere) as plain:
        told = series(plain, coord)
    for state, moment in zip(left, moments, strict=True):
        for _ in ("as it was left", "gone on with"):
            with LocalService(data, laps=state) as ready:
                assert_same(series(ready, coord), told, 18000.0)
                assert ready.stats.blocks <= 1, moment
            only(data, state, fields=True)
        assert {path.name for path in state.rglob("*.*")} == wanted, moment
    assert_equal_boxes(data, whole, nowhere, 18000.0, number=2)


def test_two_processes_prepare_once(tmp_path: Path, laps: Path, nowhere: Path) -> None:
    path = write(tmp_path / "v.nc", packed(20), fillvalue=np.int16(-32768))
    processes = [worker(path, laps) for _ in range(2)]
    told = sorted(process.communicate(timeout=120)[0].split("\n")[1] for process in processes)
    assert told == ["built 0 kept 2", "built 2 kept 0"]
    assert_equal_boxes(path, laps, nowhere, 18000.0, number=2)


def test_a_full_disk_is_said_and_leaves_what_was(
    tmp_path: Path, laps: Path, nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    values = packed(21)
    archive(data, values[:280], 40)
    done = only(data, laps)
    before = sorted(path.name for path in done.folder.iterdir())
    write(data / "0280.nc", values[280:], 280, fillvalue=np.int16(-32768))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        with pytest.raises(Unreadable, match=r"No space left on device; it takes up to .* GiB"):
            only(data, laps)
    assert sorted(path.name for path in done.folder.iterdir()) == before
    with LocalService(data, laps=laps) as ready:
        series(ready, BBox(-60, -50, 60, 50))
        assert ready.stats.blocks == 1


def test_nothing_is_written_beside_the_data(tmp_path: Path, laps: Path) -> None:
    data = tmp_path / "data"
    archive(data, packed(22, (10, 16, 16)), 5)
    data.chmod(0o555)
    try:
        before = sorted(data.iterdir())
        only(data, laps)
        assert sorted(data.iterdir()) == before
    finally:
        data.chmod(0o755)


def test_every_service_finds_what_was_prepared_in_the_cache(tmp_path: Path) -> None:
    path = write(tmp_path / "v.nc", packed(23, (10, 16, 16)), fillvalue=np.int16(-32768))
    [done] = prepare(path)
    assert done.folder.is_relative_to(folder.cache_folder())
    with LocalService(path) as service:
        service.answer(SeriesQuery("v", "v", BBox(-60, -50, 60, 50)))
        assert service.stats.blocks == 0


def test_what_cannot_be_prepared_is_said(tmp_path: Path, laps: Path) -> None:
    path = tmp_path / "still.nc"
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"lat": 4, "lon": 6}
        file.create_variable("lat", ("lat",), data=np.arange(4.0)).attrs["units"] = "degrees_north"
        file.create_variable("lon", ("lon",), data=np.arange(6.0)).attrs["units"] = "degrees_east"
        file.create_variable("depth", ("lat", "lon"), data=np.ones((4, 6)))
    with pytest.raises(InvalidValue, match="nothing here can be prepared"):
        prepare(path, folder=laps)


def test_the_manifest_is_for_people_too(tmp_path: Path, laps: Path) -> None:
    path = write(tmp_path / "v.nc", packed(24, (10, 16, 16)))
    told = json.loads((only(path, laps).folder / "manifest.json").read_text())
    assert (told["variable"], told["index"], len(told["segments"])) == ("v", "v", 1)


def test_the_command_prepares_and_says_what_it_did(tmp_path: Path, laps: Path) -> None:
    path = write(tmp_path / "v.nc", packed(25, (10, 16, 16)))

    def say(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "datavore_widgets.cli", "prepare", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    first, again = say(path, "--folder", laps), say(path, "--folder", laps)
    assert (first.returncode, again.returncode) == (0, 0), first.stderr
    assert "v v: 10 times, 1 segments made and 0 kept" in first.stdout
    assert "v v: 10 times, 0 segments made and 1 kept" in again.stdout
    wrong = say(tmp_path / "none.nc")
    assert wrong.returncode == 1
    assert "does not exist" in wrong.stderr


@pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="this system cannot tell what it has in memory")
@pytest.mark.parametrize(("missing", "is_warm"), [(0, True), (6, True), (7, False), (64, False)])
def test_a_file_is_in_memory_but_for_a_tenth(
    missing: int, is_warm: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(6400))
    places = []

    def preadv(fd: int, buffers: list[bytearray], place: int, flags: int) -> int:
        places.append(place)
        if place >= 6400 - 100 * missing:
            raise BlockingIOError
        return 1

    monkeypatch.setattr(os, "preadv", preadv)
    with path.open("rb") as file:
        assert laps_segment._in_memory(file.fileno(), 6400) is is_warm
    assert len(places) == (64 if is_warm else 64 - missing + 7)
