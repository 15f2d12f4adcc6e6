"""The files behind the data: as brute force finds them, and without opening those that were opened before."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from datavore_widgets.client.datavore import Datavore
from datavore_widgets.client.http import HttpService
from datavore_widgets.errors import Unreadable
from datavore_widgets.protocol.geometry import GLOBAL, BBox
from datavore_widgets.protocol.queries import Canvas, DataQuery, FilesQuery, LapseMapQuery, Source, Style
from datavore_widgets.protocol.times import Date, Lapse
from datavore_widgets.server.app import build_app
from datavore_widgets.server.run import serve_background
from datavore_widgets.service import footprint
from datavore_widgets.service.curvilinear import CurvilinearGrid
from datavore_widgets.service.footprint import Footprint
from datavore_widgets.service.ledger import ledger_path
from datavore_widgets.service.local import LocalService
from datavore_widgets.service.recall import LEDGER

COUNT = 24


def places(rng: np.random.Generator, rows: int = 60, columns: int = 9) -> tuple[np.ndarray, np.ndarray]:
    """A swath across a great circle: over poles and the antimeridian as it comes, with gaps."""
    along = np.radians(rng.uniform(0, 360) + np.linspace(0, rng.choice([8, 40, 350]), rows))[:, None]
    aside = np.radians(np.linspace(-4, 4, columns))[None, :]
    tilt, turn = np.radians(rng.uniform(60, 120)), rng.uniform(0, 360)
    x, y, z = np.cos(along) * np.cos(aside), np.sin(along) * np.cos(aside), np.sin(aside) + 0 * along
    y, z = y * np.cos(tilt) - z * np.sin(tilt), y * np.sin(tilt) + z * np.cos(tilt)
    lon, lat = (np.degrees(np.arctan2(y, x)) + turn) % 360 - 180, np.degrees(np.arcsin(np.clip(z, -1, 1)))
    lon[rng.random(lon.shape) < 0.03] = np.nan
    lon[7:10] = np.nan
    return lon.astype(np.float32), lat.astype(np.float32)


def write_swath(path: Path, day: int, rng: np.random.Generator) -> None:
    lon, lat = places(rng)
    xr.Dataset(
        {
            "sst": (("time", "nj", "ni"), rng.normal(280, 3, (1, *lon.shape)).astype(np.float32), {"units": "K"}),
            "quality": (("time", "nj", "ni"), rng.integers(0, 5, (1, *lon.shape)).astype(np.int8)),
        },
        {
            "time": ("time", [float(day)], {"units": "days since 2015-01-01"}),
            "lon": (("nj", "ni"), lon, {"units": "degrees_east"}),
            "lat": (("nj", "ni"), lat, {"units": "degrees_north"}),
        },
        {"processing_level": "L2P", "title": f"swath {day}"},
    ).to_netcdf(path, engine="scipy")


@pytest.fixture(scope="module")
def swaths(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("swaths")
    rng = np.random.default_rng(8)
    for day in range(COUNT):
        write_swath(folder / f"{day:02d}.nc", day, rng)
    return folder


def boxes(count: int) -> list[BBox]:
    rng = np.random.default_rng(5)
    found = [GLOBAL, BBox(170, -60, -150, 60), BBox(190, 0, 210, 10), BBox(-180, 80, 180, 90), BBox(0, 0, 0, 0)]
    for _ in range(count):
        west, south = rng.uniform(-180, 180), rng.uniform(-90, 88)
        width, height = rng.choice([0.3, 3, 30, 120]), rng.choice([0.3, 3, 30])
        east = (west + width + 180) % 360 - 180
        found.append(BBox(west, south, east, min(south + height, 90)))
    return found


def names(listed: tuple[str, ...] | list[str]) -> list[str]:
    return [Path(path).name for path in listed]


def test_files_are_those_whose_cells_touch_the_box(own_cache, swaths):
    """Against each file's own grid, opened; with footprints that were learned now, and that were known."""
    with LocalService(swaths) as service:
        (index,) = service._store.library.indexes
        grids = []
        for day in range(COUNT):
            with xr.open_dataset(swaths / f"{day:02d}.nc") as data:
                grids.append(CurvilinearGrid.from_centers(data.lon.values, data.lat.values, is_swath=True))
        lapse = Lapse(Date("20150104"), Date("20150120"))
        for opening in range(2):
            some = 0
            for box in boxes(60):
                there = [f"{day:02d}.nc" for day in range(3, 20) if grids[day].touching(box).count]
                found = service.answer(FilesQuery(index, "sst", box, lapse))
                assert names(found.files) == there, (box, opening)
                assert found.footprints is None
                some += 0 < len(there) < 17
            assert some > 20
            service.close()
        assert len(service.answer(FilesQuery(index, "quality")).files) == COUNT


def test_what_is_known_is_not_opened(own_cache, swaths, opened):
    with LocalService(swaths) as service:
        assert len(opened) == COUNT
    opened.clear()
    with LocalService(swaths) as service:
        (index,) = service._store.library.indexes
        assert opened == ["00.nc"]  # one tells what all have in common
        assert service._store.library.indexes[index].info.count == COUNT
        found = service.answer(FilesQuery(index, "sst", BBox(-60, -30, 120, 60)))
        assert 0 < len(found.files) < COUNT
        assert opened == ["00.nc"]
        service.answer(DataQuery(Source(index, "sst", Date("20150111")), GLOBAL))
        assert opened == ["00.nc", "10.nc"]


def test_pictures_of_many_files_read_those_that_reach_into_them(own_cache, swaths, opened):
    with LocalService(swaths) as service:
        (index,) = service._store.library.indexes
        for box in (BBox(-20, -30, 10, 0), BBox(100, 40, 140, 60), BBox(-3, -3, 3, 3)):
            there = service.answer(FilesQuery(index, "sst", box)).files
            assert len(there) < COUNT
            service.close()
            opened.clear()
            query = LapseMapQuery(index, "sst", Canvas(box, 60), style=Style("gray", 270.0, 290.0))
            picture = service.answer(query)
            # One that its footprint does not tell enough of may be opened in vain.
            assert set(names(there)) <= set(opened)
            assert len(set(opened)) <= len(there) + 4
            values = []
            for path in there:
                with xr.open_dataset(path) as data:
                    grid = CurvilinearGrid.from_centers(data.lon.values, data.lat.values, is_swath=True)
                    cells = grid.touching(box)
                    values.append(np.ravel(data.sst.values[0][cells.rows][:, cells.columns][cells.kept]))
            assert picture.total == sum(map(len, values))


def test_known_and_opened_files_are_one_index_alike(own_cache, swaths):
    with LocalService(swaths) as first:
        before = first._store.library.info()
        (index,) = before.indexes
        query = DataQuery(Source(index, "sst", Date("20150107")), BBox(-180, -80, 170, 80))
        cells = first.answer(query)
    with LocalService(swaths) as again:
        assert again._store.library.info() == before
        assert np.array_equal(again.answer(query).data, cells.data, equal_nan=True)


def test_changes_are_seen(own_cache, swaths, tmp_path, opened):
    folder = tmp_path / "data"
    shutil.copytree(swaths, folder)
    LocalService(folder).close()
    opened.clear()
    write_swath(folder / "05.nc", 5, np.random.default_rng(99))
    write_swath(folder / "new.nc", 40, np.random.default_rng(98))
    (folder / "06.nc").unlink()
    (folder / "07.nc").write_bytes(b"CDF\x01 damaged")
    with LocalService(folder) as service:
        assert sorted(opened) == ["00.nc", "05.nc", "07.nc", "new.nc"]
        (index,) = service._store.library.indexes
        listed = names(service.answer(FilesQuery(index, "sst")).files)
        assert listed == [f"{day:02d}.nc" for day in range(COUNT) if day not in (6, 7)] + ["new.nc"]
        assert "07.nc" in str(service._store.library.problems)
        # Changed behind an open service: said, not mixed.
        write_swath(folder / "08.nc", 8, np.random.default_rng(97))
        with pytest.raises(Unreadable, match="was changed"):
            service.answer(DataQuery(Source(index, "sst", Date("20150109")), GLOBAL))


def test_changed_between_openings_while_nobody_looked_is_read_right(own_cache, swaths, tmp_path):
    """A file that changes after the ledger was asked and before it is read is not taken for what is known."""
    folder = tmp_path / "data"
    shutil.copytree(swaths, folder)
    LocalService(folder).close()
    with LocalService(folder) as service:
        (index,) = service._store.library.indexes
        os.utime(folder / "03.nc", ns=(1, 1))  # the same contents: it goes on
        service.answer(DataQuery(Source(index, "sst", Date("20150104")), GLOBAL))
        write_swath(folder / "03.nc", 3, np.random.default_rng(96))
        with pytest.raises(Unreadable, match="was changed"):
            service.answer(DataQuery(Source(index, "sst", Date("20150104"), offset=1.0), GLOBAL))


def test_a_ledger_that_is_lost_loses_no_file(own_cache, swaths):
    LocalService(swaths).close()
    with LocalService(swaths) as service:
        (index,) = service._store.library.indexes
        query = FilesQuery(index, "sst", BBox(-60, -30, 120, 60))
        before = service.answer(query).files
        service.close()
        for path in ledger_path(LEDGER).parent.iterdir():
            path.unlink()
        assert service.answer(query).files == before


def test_grids_that_stay_are_told_by_what_was_seen_in_one_file(own_cache, tmp_path, opened):
    for day in range(5):
        xr.Dataset(
            {"t": (("time", "lat", "lon"), np.full((1, 4, 6), day))},
            {
                "time": ("time", [float(day)], {"units": "days since 2015-01-01"}),
                "lat": ("lat", np.arange(4.0), {"units": "degrees_north"}),
                "lon": ("lon", np.arange(6.0), {"units": "degrees_east"}),
            },
        ).to_netcdf(tmp_path / f"{day}.nc", engine="scipy")
    LocalService(str(tmp_path / "*.nc")).close()
    opened.clear()
    with LocalService(str(tmp_path / "*.nc")) as service:
        (index,) = service._store.library.indexes
        query = FilesQuery(index, "t", BBox(1, 1, 2, 2), Lapse(Date("20150102"), Date("20150103")), footprints=True)
        found = service.answer(query)
        assert names(found.files) == ["1.nc", "2.nc"]
        assert found.footprints == (((-0.5, -0.5), (5.5, -0.5), (5.5, 3.5), (-0.5, 3.5)),) * 2
        assert not service.answer(FilesQuery(index, "t", BBox(20, 1, 22, 2))).files
        assert opened == []
        assert int(service.answer(DataQuery(Source(index, "t", Date("20150104")))).data[0, 0]) == 3
        assert opened == ["3.nc"]


def test_footprints_lie_where_the_samples_do(own_cache, swaths):
    with LocalService(swaths) as service, serve_background(build_app(service)) as server:
        (index,) = service._store.library.indexes
        query = FilesQuery(index, "sst", footprints=True)
        found = service.answer(query)
        assert HttpService(server.url).answer(query) == found
        assert Datavore(HttpService(server.url)).getFileList(index, "sst") == list(found.files)
        assert found.footprints is not None
        for path, ring in zip(found.files, found.footprints, strict=True):
            with xr.open_dataset(path) as data:
                lon, lat = data.lon.values, data.lat.values
            near = [np.nanmin(np.abs((lon - x + 180) % 360 - 180) + np.abs(lat - y)) for x, y in ring]
            assert max(near) < 0.01
            assert max(abs(a[0] - b[0]) for a, b in itertools.pairwise(ring)) <= 180


def test_boxes_of_a_footprint_hold_every_cell():
    rng = np.random.default_rng(2)
    for _ in range(60):
        grid = CurvilinearGrid.from_centers(*places(rng), is_swath=True)
        footprint = Footprint.of(grid)
        told = footprint.boxes(grid.bbox)
        assert len(told) <= 24
        cells = np.flatnonzero(grid.valid)
        lon, lat = grid.lon.ravel()[cells], grid.lat.ravel()[cells]
        assert np.any([box.contains(lon, lat) for box in told], axis=0).all()


def test_a_footprint_holds_every_degree_that_a_cell_covers() -> None:
    rng = np.random.default_rng(3)
    first = rng.integers(0, 180, 40)
    last = np.minimum(first + rng.integers(0, 5, 40), 179)
    left, width = rng.integers(0, 360, 40), rng.choice([0, 1, 7, 359], 40)
    expected = np.zeros((180, 360), dtype=bool)
    for south, north, west, wide in zip(first, last, left, width, strict=True):
        expected[south : north + 1, np.arange(west, west + wide + 1) % 360] = True
    assert np.array_equal(footprint._covered(first, last, left, width), expected)
