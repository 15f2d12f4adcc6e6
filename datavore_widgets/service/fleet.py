"""The sample table: a fleet of synthetic drifters, made on first use and kept in the user's cache folder."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.protocol.user_cache import made_once

__all__ = ["fleet_path", "write_fleet"]

_VERSION = "fleet-2"
"""Of the folder: a change of the data is a new name, so that an old copy is never taken for the new one."""

_DRIFTERS = 500
_POSITIONS = 2000  # each, every six hours: sixteen months, a million rows together
_SEED = 20121
_DEGREE = 111_194.9  # metres of a degree of latitude
_HOUR = 3600.0


@functools.cache
def fleet_path() -> Path:
    """The folder of Parquet files of the table; made if it is not there yet (some seconds, 25 MB).

    Raises
    ------
    Unreadable
        When the cache folder cannot be written to.
    """
    return made_once(_VERSION, write_fleet, "the sample table", 25)


def write_fleet(folder: Path, drifters: int = _DRIFTERS, positions: int = _POSITIONS) -> None:
    """Write the fleet as Hive lays a table out: a folder for each year.

    Columns: `id` (int), `time` (timestamp, every six hours), `lon`, `lat` (degrees), `sst` (°C), `sss` (g/kg), `u`, `v`
    (m/s). One in fifty temperatures and one in ten salinities are NULL, as sensors fail. The same on every machine.

    Parameters
    ----------
    folder : Path
        Where to; it exists.
    drifters, positions : int
        How many, and how many of each.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(_SEED)
    start = np.datetime64("2012-01-01", "us")
    steps = start + np.arange(positions) * np.timedelta64(6, "h")
    lon, lat, u, v = _drift(random, drifters, positions)
    season = (steps - start) / np.timedelta64(1, "D") / 365.25 * 2 * np.pi
    warmth = 28.5 * np.cos(np.radians(lat)) ** 1.6 - 1.0 + 3.5 * np.sin(np.radians(lat)) * -np.cos(season - 0.6)
    sst = np.maximum(warmth + random.normal(0, 0.4, lat.shape), -1.8)
    sss = 34.8 + 1.3 * np.cos(np.radians(3 * (np.abs(lat) - 24.0))) + random.normal(0, 0.08, lat.shape)
    time = np.broadcast_to(steps, lat.shape)
    ids = np.broadcast_to(np.arange(1, drifters + 1)[:, None], lat.shape)
    # Rows in the order of time, as a warehouse gets them: a query of a day reads a part of a file.
    order = np.argsort(time, axis=None, kind="stable")
    columns = {
        "id": pa.array(ids.ravel()[order].astype(np.int32)),
        "time": pa.array(time.ravel()[order], type=pa.timestamp("us")),
        "lon": pa.array(np.round(lon.ravel()[order], 4)),
        "lat": pa.array(np.round(lat.ravel()[order], 4)),
        "sst": _gappy(random, np.round(sst.ravel()[order], 3), 0.02),
        "sss": _gappy(random, np.round(sss.ravel()[order], 3), 0.1),
        "u": pa.array(np.round(u.ravel()[order], 4)),
        "v": pa.array(np.round(v.ravel()[order], 4)),
    }
    table = pa.table(columns)
    years = columns["time"].to_numpy().astype("M8[Y]").astype(int) + 1970
    for year in np.unique(years):
        part = folder / f"year={year}"
        part.mkdir()
        rows = np.flatnonzero(years == year)
        pq.write_table(
            table.slice(int(rows[0]), rows.size), part / "part-0.parquet", compression="zstd", row_group_size=100_000
        )


def _drift(
    random: np.random.Generator, drifters: int, positions: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Positions and velocities, each (drifters, positions): bands of zonal currents, and eddies, along the coasts.

    The eddies' velocity is an Ornstein–Uhlenbeck process, exact at any step: e^(-dt/T) of the last value and noise.
    """
    lon = np.empty((drifters, positions))
    lat = np.empty_like(lon)
    u = np.empty_like(lon)
    v = np.empty_like(lon)
    is_land = _land()
    # Evenly over the sphere, to 60°; more than enough of them are at sea.
    x = random.uniform(-180, 180, 8 * drifters + 100)
    y = np.degrees(np.arcsin(random.uniform(-0.87, 0.87, x.size)))
    afloat = np.flatnonzero(~is_land(x, y))[:drifters]
    x, y = x[afloat], y[afloat]
    keep = np.exp(-6.0 / 72.0)
    noise = np.sqrt(1 - keep**2)
    eddy = random.normal(0, 0.18, (2, drifters))
    for step in range(positions):
        bands = 0.25 * -np.cos(np.radians(6 * y)) * np.exp(-((y / 50) ** 2))
        # Ice ahead: back it goes.
        along, up = bands + eddy[0], np.where(np.abs(y) > 62, -np.sign(y) * np.abs(eddy[1]), eddy[1])
        for kept in ((1, 1), (0, 1), (1, 0), (0, 0)):  # as it would, or along the coast, or not at all
            stuck = is_land(*_moved(x, y, along, up))
            along = np.where(stuck, kept[0] * (bands + eddy[0]), along)
            up = np.where(stuck, kept[1] * eddy[1], up)
        lon[:, step], lat[:, step], u[:, step], v[:, step] = x, y, along, up
        x, y = _moved(x, y, along, up)
        eddy = keep * eddy + noise * random.normal(0, 0.18, (2, drifters))
    return lon, lat, u, v


def _moved(
    x: NDArray[np.float64], y: NDArray[np.float64], u: NDArray[np.float64], v: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where six hours lead."""
    lon = (x + u * 6 * _HOUR / (_DEGREE * np.cos(np.radians(y))) + 180) % 360 - 180
    return lon, y + v * 6 * _HOUR / _DEGREE


def _land() -> Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.bool_]]:
    """Tells whether places are on land, by half degrees."""
    from datavore_widgets.service.synthetic import land_mask

    mask = land_mask(np.arange(-179.75, 180, 0.5), np.arange(-89.75, 90, 0.5))

    def is_land(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        rows = np.clip(((y + 90) * 2).astype(int), 0, 359)
        return np.asarray(mask[rows, ((x + 180) * 2).astype(int) % 720])

    return is_land


def _gappy(random: np.random.Generator, values: NDArray[np.floating[Any]], part: float) -> object:
    import pyarrow as pa

    return pa.array(values, mask=random.random(values.size) < part)
