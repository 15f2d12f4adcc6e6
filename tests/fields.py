"""Small synthetic data sets, each awkward in one way, as functions of their size.

All hold a variable that is a known function of place and step, so that a cell in the wrong place shows as a wrong
number: `value(lon, lat, step)`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

LON = {"units": "degrees_east", "standard_name": "longitude"}
LAT = {"units": "degrees_north", "standard_name": "latitude"}


def value(lon: ArrayLike, lat: ArrayLike, step: ArrayLike = 0) -> NDArray[np.float64]:
    """Rises to the north, waves along longitude (the same in every convention of it), grows with the step."""
    return np.asarray(
        20.0
        + 10.0 * np.sin(np.radians(np.asarray(lat, dtype=np.float64)))
        + 3.0 * np.cos(np.radians(np.asarray(lon, dtype=np.float64)))
        + 0.25 * np.asarray(step, dtype=np.float64)
    )


def field(
    lon: ArrayLike | None = None,
    lat: ArrayLike | None = None,
    times: int = 3,
    *,
    hole: bool = True,
    start: str = "2012-01-15",
    attrs: dict[str, Any] | None = None,
) -> xr.Dataset:
    """`sst(time, lat, lon)`: monthly, decoded, float32, with a hole of NaN in the middle.

    Parameters
    ----------
    lon, lat : array_like, optional
        Centres; 36 columns from 0 to 350 and 18 rows from south to north if not given.
    """
    lons = np.arange(0.0, 360.0, 10.0) if lon is None else np.asarray(lon, dtype=np.float64)
    lats = np.arange(-85.0, 90.0, 10.0) if lat is None else np.asarray(lat, dtype=np.float64)
    data = value(lons[None, None, :], lats[None, :, None], np.arange(times)[:, None, None]).astype(np.float32)
    if hole:
        ny, nx = lats.size, lons.size
        data[:, ny // 3 : ny // 2, nx // 3 : nx // 2] = np.nan
    stamps = (np.datetime64(start, "M") + np.arange(times)).astype("M8[ns]") + np.timedelta64(14, "D")
    return xr.Dataset(
        {
            "sst": (
                ("time", "lat", "lon"),
                data,
                {"long_name": "Sea surface temperature", "units": "degree_Celsius", **(attrs or {})},
            )
        },
        {"time": stamps, "lat": ("lat", lats, LAT), "lon": ("lon", lons, LON)},
        {"title": "Synthetic sea"},
    )


def descending() -> xr.Dataset:
    """Latitudes from north to south, longitudes 0 … 350."""
    return field(lat=np.arange(85.0, -90.0, -10.0))


def around_greenwich() -> xr.Dataset:
    """Longitudes -180 … 170."""
    return field(lon=np.arange(-180.0, 180.0, 10.0))


def odd_convention() -> xr.Dataset:
    """Longitudes -280 … 70, as some ocean models write them."""
    return field(lon=np.arange(-280.0, 80.0, 10.0))


def over_antimeridian() -> xr.Dataset:
    """A regional grid whose longitudes jump from 175 to -175."""
    return field(lon=[150, 155, 160, 165, 170, 175, -180, -175, -170], lat=np.arange(-20.0, 25.0, 5.0))


def regional() -> xr.Dataset:
    """A grid over Greenwich: -6 … 36 E, 30 … 46 N."""
    return field(lon=np.arange(-6.0, 37.0, 2.0), lat=np.arange(30.0, 47.0, 2.0))


def one_time() -> xr.Dataset:
    """A time axis of length one."""
    return field(times=1)


def no_time() -> xr.Dataset:
    """No time at all, as a bathymetry."""
    return field(times=1).isel(time=0, drop=True)


def with_depth() -> xr.Dataset:
    """`sst(time, depth, lat, lon)`: depth 0.5, 10 and 100 m, one degree colder at each."""
    depth = xr.DataArray([0.5, 10.0, 100.0], dims="depth", attrs={"units": "m", "positive": "down"})
    base = field()
    colder = xr.DataArray([0.0, 1.0, 2.0], dims="depth")
    deep = (base["sst"] - colder).transpose("time", "depth", "lat", "lon").astype(np.float32)
    deep.attrs = base["sst"].attrs
    return base.assign(sst=deep).assign_coords(depth=depth)


def days_360() -> xr.Dataset:
    """Daily from 28 February in the calendar of 360 days, so that 29 and 30 February are there; not decoded."""
    dataset = field(times=4, hole=False)
    days = ("time", np.arange(57.0, 61.0), {"units": "days since 2000-01-01", "calendar": "360_day"})
    return dataset.drop_vars("time").assign_coords(time=days)


def packed() -> xr.Dataset:
    """Stored as int16 with a scale, an offset, a fill value and a second missing value; not decoded."""
    dataset = field()
    data = dataset["sst"].values.astype(np.float64)
    stored = np.where(np.isnan(data), -32768, np.rint((data - 20.0) / 0.01)).astype(np.int16)
    stored[:, 0, 0] = -32767
    attrs = {
        "units": "degree_Celsius",
        "long_name": "Sea surface temperature",
        "scale_factor": np.float32(0.01),
        "add_offset": np.float32(20.0),
        "_FillValue": np.int16(-32768),
        "missing_value": np.int16(-32767),
    }
    return dataset.assign(sst=(dataset["sst"].dims, stored, attrs))


def flags() -> xr.Dataset:
    """`mask(lat, lon)`: int8 flags 1 (sea), 2 (land), 4 (ice), and 0 for missing; not decoded."""
    dataset = no_time()
    ny, nx = dataset["sst"].shape
    stored = np.array([1, 2, 4], dtype=np.int8)[np.add.outer(np.arange(ny), np.arange(nx)) % 3]
    stored[0, :] = 0
    attrs = {
        "long_name": "surface",
        "flag_values": np.array([1, 2, 4], dtype=np.int8),
        "flag_meanings": "sea land ice",
        "_FillValue": np.int8(0),
    }
    return dataset.drop_vars("sst").assign(mask=(("lat", "lon"), stored, attrs))


def anomaly() -> xr.Dataset:
    """Deviations around zero, called an anomaly."""
    dataset = field(attrs={"long_name": "Sea surface temperature anomaly", "units": "K"})
    return dataset.assign(sst=(dataset["sst"] - 20.0).assign_attrs(dataset["sst"].attrs))


def curvilinear() -> xr.Dataset:
    """`tos(y, x)` on two-dimensional coordinates."""
    x, y = np.meshgrid(np.arange(10.0), np.arange(8.0))
    return xr.Dataset(
        {"tos": (("y", "x"), value(x, y), {"coordinates": "nav_lon nav_lat", "units": "degree_Celsius"})},
        {"nav_lon": (("y", "x"), x + 0.1 * y, LON), "nav_lat": (("y", "x"), y - 0.1 * x, LAT)},
    )


def swath(lines: int = 12) -> xr.Dataset:
    """`sst(time, nj, ni)` of one granule as GHRSST L2P: places, quality, bias, bits and seconds of each sample."""
    along, across = np.mgrid[:lines, :8].astype(float)
    lat, lon = -5.0 + 0.5 * along, 170.0 + 0.5 * across + 0.1 * along
    dims, named = ("time", "nj", "ni"), {"coordinates": "lon lat"}
    bits = {"flag_masks": np.array([1, 2, 4], dtype=np.int8), "flag_meanings": "land ice rain"}
    return xr.Dataset(
        {
            "sst": (dims, value(lon, lat)[None], {"units": "kelvin", **named}),
            "sses_bias": (dims, np.broadcast_to(0.1 * across, (1, lines, 8)), {"units": "kelvin", **named}),
            "quality_level": (dims, np.broadcast_to((across % 6).astype(np.int8), (1, lines, 8)), named),
            "l2p_flags": (dims, np.broadcast_to((across % 8).astype(np.int8), (1, lines, 8)), bits | named),
            "sst_dtime": (dims, np.broadcast_to(along.astype(np.int16), (1, lines, 8)), {"units": "seconds", **named}),
            "lon": (("nj", "ni"), lon, LON),
            "lat": (("nj", "ni"), lat, LAT),
            "time": ("time", [0.0], {"units": "seconds since 2019-08-21 12:00:00"}),
        },
        attrs={"cdm_data_type": "swath", "processing_level": "L2P"},
    )


def track() -> xr.Dataset:
    """`temp(obs)` along a drifter over the antimeridian, with the depth of each sample."""
    lon, lat = np.linspace(175.0, 185.0, 30), np.linspace(-3.0, 4.0, 30)
    return xr.Dataset(
        {
            "temp": ("obs", value(lon, lat), {"units": "degree_Celsius", "coordinates": "time lat lon z"}),
            "z": ("obs", np.arange(30.0) % 4, {"units": "m", "positive": "down", "axis": "Z"}),
            "lon": ("obs", lon, LON),
            "lat": ("obs", lat, LAT),
            "time": ("obs", np.arange(30.0) * 7200, {"units": "seconds since 2020-01-01"}),
        },
        attrs={"featureType": "trajectory"},
    )


def wind() -> xr.Dataset:
    """`u10(time, lat, lon)` and `v10`: three metres a second from the north, turning with longitude."""
    angle = np.radians(np.arange(0.0, 360.0, 10.0))
    base = field(hole=False)
    parts = {"u10": -3 * np.sin(angle), "v10": -3 * np.cos(angle)}
    dims, shape = base["sst"].dims, base["sst"].shape
    return base.drop_vars("sst").assign(
        {name: (dims, np.broadcast_to(part, shape).copy(), {"units": "m s-1"}) for name, part in parts.items()}
    )


def currents(step: float = 1.0) -> xr.Dataset:
    """`uo` and `vo` of half a metre a second to the north-east, a strip of land, and a temperature beside them."""
    base = field(lon=np.arange(0.0, 360.0, step), lat=np.arange(-80.0, 80.1, step), hole=False)
    half = np.full(base["sst"].shape, 0.5)
    half[:, :, (base["lon"].values > 20) & (base["lon"].values < 40)] = np.nan
    half[1] *= 1.5
    named = {"units": "m s-1"}
    parts = {
        "uo": (base["sst"].dims, half, {"standard_name": "eastward_sea_water_velocity", **named}),
        "vo": (base["sst"].dims, half.copy(), {"standard_name": "northward_sea_water_velocity", **named}),
    }
    return base.assign(parts)


def index_series() -> xr.Dataset:
    """`soi(time)`: a series without a place."""
    times = ("time", np.arange(24.0), {"units": "days since 2000-01-01"})
    return xr.Dataset({"soi": ("time", np.sin(np.arange(24.0)))}, {"time": times})
