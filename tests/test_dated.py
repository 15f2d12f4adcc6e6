"""Files with dates in their names: found by a pattern, not opened before they are read, and right in the end."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from datavore_widgets.errors import InvalidValue, Unreadable
from datavore_widgets.protocol.geometry import GLOBAL
from datavore_widgets.protocol.queries import DataQuery, FilesQuery, SeriesQuery, Source
from datavore_widgets.protocol.times import Date, Lapse
from datavore_widgets.service.dated import DatedPattern
from datavore_widgets.service.local import LocalService

START, COUNT = dt.datetime(2015, 12, 20), 30


pytestmark = pytest.mark.usefixtures("own_cache")


def write(path: Path, time: dt.datetime, value: float, width: int = 6, *, bounds: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    hours = (time - dt.datetime(2015, 1, 1)).total_seconds() / 3600
    data = xr.Dataset(
        {"t": (("time", "lat", "lon"), np.full((1, 4, width), value))},
        {
            "time": ("time", [hours], {"units": "hours since 2015-01-01"}),
            "lat": ("lat", np.arange(4.0), {"units": "degrees_north"}),
            "lon": ("lon", np.arange(float(width)), {"units": "degrees_east"}),
        },
    )
    if bounds:
        data["time"].attrs["bounds"] = "time_bnds"
        data["time_bnds"] = (("time", "two"), [[hours - 12, hours + 12]])
    data.to_netcdf(path, engine="scipy")


def days(folder: Path, hour: int = 12, count: int = COUNT) -> str:
    """A file a day, around New Year; the pattern of their names."""
    for number in range(count):
        day = START + dt.timedelta(days=number)
        write(folder / f"{day:%Y/%m}" / f"sst_{day:%Y%m%d}.nc", day.replace(hour=hour), number)
    return str(folder / "%Y" / "%m" / "sst_%Y%m%d.nc")


def catalogue(folder: Path, pattern: str) -> Path:
    path = folder / "catalogue.toml"
    path.write_text(f'[index.sst]\nfiles = ["{Path(pattern).relative_to(folder)}"]\n')
    return path


def wanted(count: int = COUNT, hour: int = 12) -> list[int]:
    return [int(f"{START + dt.timedelta(days=n):%Y%m%d}{hour:02d}0000000") for n in range(count)]


def test_times_are_known_by_the_names(tmp_path: Path, opened: list[str]) -> None:
    path = catalogue(tmp_path, days(tmp_path))
    with LocalService(path) as service:
        assert opened == ["sst_20151220.nc", "sst_20151221.nc"]
        axis = service._store.library.indexes["sst"].variables["t"].axis
        assert axis.labels.tolist() == wanted()
        found = service.answer(FilesQuery("sst", "t", GLOBAL, Lapse(Date("20151231"), Date("20160101"))))
        assert [Path(file).name for file in found.files] == ["sst_20151231.nc", "sst_20160101.nc"]
        assert len(opened) == 2
        field = service.answer(DataQuery(Source("sst", "t", Date("20160103"))))
        assert field.time is not None
        assert (field.time.iso, float(field.data[0, 0])) == ("2016-01-03T12:00:00Z", 14)
        assert set(opened[2:]) == {"sst_20160103.nc"}
        series = service.answer(SeriesQuery("sst", "t", GLOBAL))
        assert series.labels.tolist() == wanted()
        assert series.values.tolist() == list(range(COUNT))
        assert not service._store.library.problems


def test_what_was_read_is_known_and_new_files_are_told_by_their_names(tmp_path: Path, opened: list[str]) -> None:
    pattern = days(tmp_path, count=10)
    with LocalService(pattern) as service:
        (index,) = service._store.library.indexes
        service.answer(DataQuery(Source(index, "t", Date("20151225"))))
    for number in range(10, 20):
        day = START + dt.timedelta(days=number)
        write(tmp_path / f"{day:%Y/%m}" / f"sst_{day:%Y%m%d}.nc", day.replace(hour=12), number)
    opened.clear()
    with LocalService(pattern) as service:
        (index,) = service._store.library.indexes
        assert opened == []
        assert service._store.library.indexes[index].variables["t"].axis.labels.tolist() == wanted(20)
        service.answer(DataQuery(Source(index, "t", Date("20151225"))))
        assert opened == ["sst_20151225.nc"]  # it is not looked into a second time


def test_a_time_in_the_file_counts_more_than_its_name(tmp_path: Path) -> None:
    pattern = days(tmp_path)
    odd = START + dt.timedelta(days=20)
    write(tmp_path / f"{odd:%Y/%m}" / f"sst_{odd:%Y%m%d}.nc", odd.replace(hour=6), 20)
    with LocalService(pattern) as service:
        (index,) = service._store.library.indexes
        told = r"sst_20160109.nc' stands for the time 2016-01-09T12:00:00Z, in the file it is 2016-01-09T06:00:00Z"
        with pytest.raises(Unreadable, match=told):
            service.answer(DataQuery(Source(index, "t", Date("20160109"))))
    with LocalService(pattern) as service:
        field = service.answer(DataQuery(Source(index, "t", Date("20160109"))))
        assert field.time is not None
        assert field.time.iso == "2016-01-09T06:00:00Z"
        labels = wanted()
        labels[20] = 20160109060000000
        assert service.answer(SeriesQuery(index, "t", GLOBAL)).labels.tolist() == labels


def test_a_name_of_another_day_is_told(tmp_path: Path) -> None:
    pattern = days(tmp_path, count=4)
    write(tmp_path / "2015" / "12" / "sst_20151220.nc", START + dt.timedelta(days=40), 40)
    with LocalService(pattern) as service:
        (index,) = service._store.library.indexes
        [(path, reason)] = service._store.library.problems.items()
        assert path.endswith("sst_20151220.nc")
        assert "others than the date in its name, 20151220" in reason
        assert service._store.library.indexes[index].variables["t"].axis.labels.tolist() == [
            *wanted(4)[1:],
            20160129000000000,
        ]


def test_other_cells_are_met_when_they_are_read(tmp_path: Path) -> None:
    pattern = days(tmp_path, count=6)
    write(tmp_path / "2015" / "12" / "sst_20151224.nc", START + dt.timedelta(days=4, hours=12), 4, width=5)
    with LocalService(pattern) as service:
        (index,) = service._store.library.indexes
        with pytest.raises(Unreadable, match=r"sst_20151224.nc.*open it again"):
            service.answer(DataQuery(Source(index, "t", Date("20151224"))))
    with LocalService(pattern) as service:
        assert float(service.answer(DataQuery(Source(index, "t", Date("20151225")))).data[0, 0]) == 5
        assert len(service._store.library.indexes[index].variables["t"].axis) == 5


@pytest.mark.parametrize("hours", [None, (12, 12, 11)])
def test_files_that_names_cannot_tell_are_opened(tmp_path: Path, opened: list[str], hours: tuple[int, ...]) -> None:
    """Those with bounds of their times, and those whose times are at other hours."""
    for number in range(6):
        day = START + dt.timedelta(days=number)
        hour = 12 if hours is None else hours[number % 3 if number else 2]
        write(tmp_path / f"sst_{day:%Y%m%d}.nc", day.replace(hour=hour), number, bounds=hours is None)
    with LocalService(str(tmp_path / "sst_%Y%m%d.nc")) as service:
        (index,) = service._store.library.indexes
        assert len(opened) == 6
        variable = service._store.library.indexes[index].variables["t"]
        assert (variable.bounds is not None) == (hours is None)
        assert len(variable.axis) == 6


def test_months_and_hours_are_told_by_names_too(tmp_path: Path, opened: list[str]) -> None:
    for month in range(1, 13):
        write(tmp_path / "m" / f"2015{month:02d}.nc", dt.datetime(2015, month, 15), month)
    for hour in range(6):
        write(tmp_path / "h" / f"2015001.{hour:02d}.nc", dt.datetime(2015, 1, 1, hour, 30), hour)
    with LocalService({"m": str(tmp_path / "m" / "%Y%m.nc"), "h": str(tmp_path / "h" / "%Y%j.%H.nc")}) as service:
        indexes = service._store.library.indexes
        assert len(opened) == 4
        months = [int(f"2015{month:02d}15") * 10**9 for month in range(1, 13)]
        assert indexes["m"].variables["t"].axis.labels.tolist() == months
        assert indexes["h"].variables["t"].axis.labels.tolist() == [20150101003000000 + n * 10**7 for n in range(6)]
        assert service.answer(SeriesQuery("h", "t", GLOBAL)).values.tolist() == list(range(6))
        assert service.answer(SeriesQuery("m", "t", GLOBAL)).values.tolist() == list(range(1, 13))


def test_names_without_a_date_are_left_out_and_told(tmp_path: Path) -> None:
    pattern = days(tmp_path, count=3)
    write(tmp_path / "2015" / "12" / "sst_20151399.nc", START, 9)
    write(tmp_path / "2015" / "12" / "sst_20141221.nc", START, 9)
    write(tmp_path / "2015" / "12" / "other.nc", START, 9)
    with LocalService(pattern) as service:
        problems = service._store.library.problems
        assert {Path(path).name for path in problems} == {"sst_20151399.nc", "sst_20141221.nc"}
        assert all("no date" in reason for reason in problems.values())
    with pytest.raises(Unreadable, match="no file matches"):
        LocalService(str(tmp_path / "none_%Y.nc"))


@pytest.mark.parametrize(
    ("name", "told"), [("a_%Y%d.nc", "gap"), ("a_%Y%x.nc", "%x"), ("a_%m.nc", "gap"), ("a_%Y%m%j.nc", "gap")]
)
def test_patterns_that_make_no_date_are_refused(tmp_path: Path, name: str, told: str) -> None:
    with pytest.raises(InvalidValue, match=told):
        LocalService(str(tmp_path / name))


def test_wildcards_stand_beside_dates() -> None:
    pattern = DatedPattern("/a/**/%Y/x[12]_?%m%d*100%%.nc")
    assert pattern.date(Path("/a/b/c/2015/x1_y0203_v1_100%.nc")) == Date("20150203")
    assert pattern.date(Path("/a/2015/x2_y0203100%.nc")) == Date("20150203")
    assert pattern.date(Path("/a/2015/x3_y0203100%.nc")) is None
