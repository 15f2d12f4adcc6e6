"""Climatologies and seasons: which times they are of, what they are called, what they are of, and what is missing."""

from __future__ import annotations

import cftime
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from datavore_widgets.client import export
from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol.answers import Series
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.queries import SeriesQuery
from datavore_widgets.protocol.times import Date, Lapse
from datavore_widgets.service.local import LocalService

ALL = Lapse(Date("1800"), Date("2200"))
BOX = BBox(-1, -1, 3, 2)


def daily(calendar: str, first: str = "1990-01-01", years: int = 32, *, gaps: bool = False) -> xr.Dataset:
    """Every day of some years on six cells, with a season and noise."""
    if calendar == "standard":
        time = pd.date_range(first, f"{int(first[:4]) + years - 1}-12-31", freq="D")
    else:
        days = {"360_day": 360, "noleap": 365}[calendar] * years
        time = cftime.num2date(np.arange(days), f"days since {first}", calendar)
    rng = np.random.default_rng(11)
    lat, lon = np.array([0.0, 1.0]), np.array([0.0, 1.0, 2.0])
    values = 280 + rng.normal(0, 1, (len(time), 2, 3)) + 5 * np.sin(np.arange(len(time)) / 58)[:, None, None]
    if gaps:
        values[(rng.random(values.shape) < 0.3) & (np.arange(6).reshape(2, 3) > 0)] = np.nan
    return xr.Dataset(
        {"t": (("time", "lat", "lon"), values, {"units": "K"})},
        {
            "time": time,
            "lat": ("lat", lat, {"units": "degrees_north"}),
            "lon": ("lon", lon, {"units": "degrees_east"}),
        },
    )


def asked(data: xr.Dataset, **more) -> Series:
    with LocalService({"m": data}) as service:
        return service.answer(SeriesQuery("m", "t", BOX, ALL, **more))


def day_keys(time: xr.DataArray) -> xr.DataArray:
    return (time.dt.month * 100 + time.dt.day).rename("key")


@pytest.mark.parametrize(("calendar", "days"), [("standard", 366), ("360_day", 360), ("noleap", 365)])
def test_each_day_of_the_year_is_the_mean_of_that_day(calendar: str, days: int) -> None:
    data = daily(calendar, gaps=True)
    answer = asked(data, groupby="MM-dd", aggregate="avg")
    year = data.time.dt.year
    field = data.t.where((year >= 1991) & (year <= 2020), drop=True)
    wanted = field.groupby(day_keys(field.time)).mean(...)
    assert answer.base == (1991, 2020)
    assert answer.values.size == days
    np.testing.assert_allclose(answer.values, wanted.values, rtol=1e-9)  # sums of hundreds of values in another order
    assert answer.labels.tolist() == sorted(answer.labels.tolist())
    keys = [int(f"{label:017d}"[4:8]) for label in answer.labels.tolist()]
    assert keys == wanted.key.values.tolist()
    years = field.time.dt.year.groupby(day_keys(field.time)).count()
    np.testing.assert_array_equal(answer.years, years.values)
    assert answer.complete.all(), "a day is whole that each year which has it has values of"
    if calendar == "standard":
        leap = keys.index(229)
        assert answer.years[leap] == 8
        assert answer.texts[leap] == "02-29 1991-2020 (mean)"
        assert answer.bounds[leap].tolist() == [19920229 * 10**9, 20200301 * 10**9]
        other = asked(data, groupby="MM-dd", base=(1993, 2019))
        assert other.bounds[leap].tolist() == [19960229 * 10**9, 20160301 * 10**9]
        assert answer.bounds[0].tolist() == [19910101 * 10**9, 20200102 * 10**9]
    if calendar == "360_day":
        last = keys.index(230)
        assert answer.texts[last] == "02-30 1991-2020 (mean)"
        assert answer.bounds[last].tolist() == [19910230 * 10**9, 20200301 * 10**9]
        assert 231 not in keys


@pytest.mark.parametrize("calendar", ["standard", "360_day"])
def test_anomalies_from_days_of_the_year(calendar: str) -> None:
    data = daily(calendar, gaps=True)
    answer = asked(data, anomaly="MM-dd", aggregate="avg")
    year = data.time.dt.year
    base = data.t.where((year >= 1991) & (year <= 2020), drop=True)
    mean = base.groupby(day_keys(base.time)).mean("time")
    wanted = (data.t.groupby(day_keys(data.time)) - mean).mean(("lat", "lon"))
    np.testing.assert_allclose(answer.values, wanted.values, atol=1e-9)  # of values about 280, in another order
    leap = (data.time.dt.month == 2) & (data.time.dt.day == 29)
    most = answer.years[leap.values & np.isfinite(answer.values)].max()
    assert most <= (8 if calendar == "standard" else 30)


def test_december_is_of_the_season_that_january_is_of_and_the_text_says_so() -> None:
    data = daily("standard", "1995-01-01", 3)
    answer = asked(data, groupby="yyyy-season", aggregate="avg")
    assert answer.texts == [
        "DJF 1994/95 (mean)",
        "MAM 1995 (mean)",
        "JJA 1995 (mean)",
        "SON 1995 (mean)",
        "DJF 1995/96 (mean)",
        "MAM 1996 (mean)",
        "JJA 1996 (mean)",
        "SON 1996 (mean)",
        "DJF 1996/97 (mean)",
        "MAM 1997 (mean)",
        "JJA 1997 (mean)",
        "SON 1997 (mean)",
        "DJF 1997/98 (mean)",
    ]
    assert "DJF is of January's year" in answer.weighting
    assert answer.bounds[4].tolist() == [19951201 * 10**9, 19960301 * 10**9]
    assert answer.labels[4] == 19951201 * 10**9
    assert answer.complete.tolist() == [False, *[True] * 11, False]
    assert answer.steps[[0, 4, 12]].tolist() == [59, 91, 31]
    winter = data.t.sel(time=slice("1995-12-01", "1996-02-29"))
    assert answer.values[4] == pytest.approx(float(winter.mean()), rel=1e-12)


def test_seasons_of_a_climatology_are_of_the_months_of_the_base_period() -> None:
    data = daily("standard")
    answer = asked(data, groupby="season", aggregate="avg")
    field = data.t.sel(time=slice("1991", "2020"))
    wanted = field.groupby("time.season").mean(...)
    order = ["DJF", "MAM", "JJA", "SON"]
    np.testing.assert_allclose(answer.values, wanted.sel(season=order).values, rtol=1e-9)
    assert [text[:3] for text in answer.texts] == order
    assert answer.bounds.tolist() == [
        [19901201 * 10**9, 20200301 * 10**9],
        [19910301 * 10**9, 20200601 * 10**9],
        [19910601 * 10**9, 20200901 * 10**9],
        [19910901 * 10**9, 20201201 * 10**9],
    ]
    assert "Decembers, Januaries and Februaries of the same years" in answer.weighting


@pytest.mark.parametrize(("groupby", "part"), [("MM", 1), ("season", 0)])
def test_a_climatology_that_lacks_days_of_its_base_period_is_incomplete(groupby: str, part: int) -> None:
    data = daily("standard", "1991-01-01", 30)
    whole = asked(data, groupby=groupby)
    assert whole.complete.all()
    assert (whole.years == 30).all()
    data.t.loc["2003-02-05":"2003-02-20"] = np.nan
    partly = asked(data, groupby=groupby)
    assert (partly.years == 30).all()
    assert np.flatnonzero(~partly.complete).tolist() == [part]


def test_the_bounds_of_a_climatology_are_written_as_cf_has_them(tmp_path) -> None:
    data = daily("standard", "1991-01-01", 30)
    with LocalService({"m": data}) as service:
        for groupby in ("MM", "season", "MM-dd"):
            query = SeriesQuery("m", "t", BOX, ALL, groupby=groupby, aggregate="area_avg")
            answer = service.answer(query)
            path = tmp_path / f"{groupby}.nc"
            export.exported(service, query).to_netcdf(path)
            with xr.open_dataset(path, decode_times=False) as back:
                told = back["time"].attrs
                assert told["climatology"] == "climatology_bnds"
                dates = cftime.num2date(back["climatology_bnds"].values.ravel(), told["units"], told["calendar"])
                assert [int(date.strftime("%Y%m%d")) for date in dates] == (answer.bounds // 10**9).ravel().tolist()
                assert "time: mean within years time: mean over years" in back["t"].attrs["cell_methods"]
                assert back["t"].attrs["cell_methods"].startswith("area: mean")


def test_what_is_an_anomaly_already_is_not_based_again() -> None:
    data = daily("standard", "2001-01-01", 2)
    attrs = {"units": "m", "standard_name": "sea_surface_height_above_sea_level", "long_name": "Sea level anomaly"}
    data = data.assign(sla=(data.t.dims, data.t.values - 280, attrs)).drop_vars("t")
    with LocalService({"m": data}) as service:
        assert service._store.library.info().index("m").variables["sla"].kind == "anomaly"
        with pytest.raises(InvalidValue, match="anomaly already; leave `anomaly` out"):
            service.answer(SeriesQuery("m", "sla", BOX, ALL, anomaly="MM"))
        # Its own climatology is nobody's base.
        assert service.answer(SeriesQuery("m", "sla", BOX, ALL, groupby="MM")).base == (2001, 2002)
