"""The built-in sample: two synthetic indexes, made on first use and kept in the user's cache folder."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.protocol.user_cache import made_once
from datavore_widgets.service.wave_sample import write_sample

__all__ = ["NOTE", "catalog_path"]

NOTE = "synthetic data"
"""Shown wherever the sample is."""

_VERSION = "sample-3"
"""Of the folder: a change of the data is a new name, so that an old copy is never taken for the new one."""

_CATALOG = """\
# Made by datavore_widgets: synthetic data, to try things on.

[index."sample/ocean"]
title = "Synthetic ocean, weekly, 1°"
note = "synthetic data"
files = ["ocean.nc"]

[index."sample/climate"]
title = "Synthetic climate, monthly, 2°"
note = "synthetic data"
files = ["climate.nc"]

[index."sample/waves"]
title = "Synthetic Sentinel-1 wave mode"
note = "synthetic data"
files = ["waves"]
"""

_TEMPERATURE: dict[str, Any] = {
    "long_name": "sea surface temperature",
    "standard_name": "sea_surface_temperature",
    "units": "degree_Celsius",
    "scale_factor": 0.01,
}
_ANOMALY: dict[str, Any] = {
    "long_name": "sea surface temperature anomaly",
    "units": "degree_Celsius",
    "units_metadata": "temperature: difference",
    "scale_factor": 0.01,
}
_SEA_LEVEL: dict[str, Any] = {
    "long_name": "sea level anomaly",
    "standard_name": "sea_surface_height_above_sea_level",
    "units": "m",
    "scale_factor": 0.001,
}
_FILL = np.int16(-32768)


@dataclass(frozen=True)
class _File:
    """What one file of the sample holds."""

    name: str
    title: str
    step: float
    days: NDArray[np.float64]
    variables: dict[str, tuple[str, dict[str, Any]]]
    """Name → which of the ocean's fields it is, and its attributes."""


def _weekly() -> NDArray[np.float64]:
    """Wednesdays at noon, ten and a half years, in days since 1990-01-01."""
    dates = np.arange("2010-01-06T12", "2020-07-01T12", 7 * 24, dtype="datetime64[h]")
    return _days(dates)


def _monthly() -> NDArray[np.float64]:
    """The middle of every month of 1993 to 2022, in days since 1990-01-01."""
    starts = np.arange("1993-01", "2023-02", dtype="datetime64[M]").astype("datetime64[h]")
    return _days(starts[:-1] + (starts[1:] - starts[:-1]) // 2)


def _days(dates: NDArray[np.datetime64]) -> NDArray[np.float64]:
    return np.asarray((dates - np.datetime64("1990-01-01T00")) / np.timedelta64(1, "D"), dtype=np.float64)


def _files() -> tuple[_File, ...]:
    return (
        _File(
            "ocean.nc",
            "Synthetic ocean: weekly temperature and sea level",
            1.0,
            _weekly(),
            {"sea_surface_temperature": ("temperature", _TEMPERATURE), "sla": ("sea_level_anomaly", _SEA_LEVEL)},
        ),
        _File(
            "climate.nc",
            "Synthetic climate: monthly temperature and its anomaly",
            2.0,
            _monthly(),
            {
                "sea_surface_temperature": ("temperature", _TEMPERATURE),
                "sst_anomaly": ("temperature_anomaly", _ANOMALY),
            },
        ),
    )


@functools.cache
def catalog_path() -> Path:
    """The sample's catalogue file; the sample is made if it is not there yet (some seconds, 60 MB).

    Raises
    ------
    Unreadable
        When the cache folder cannot be written to.
    """
    return made_once(_VERSION, _make, "the sample data", 60) / "catalog.toml"


def _make(folder: Path) -> None:
    for file in _files():
        _write(folder / file.name, file)
    write_sample(folder / "waves")
    (folder / "catalog.toml").write_text(_CATALOG, encoding="utf-8")


def _write(path: Path, file: _File) -> None:
    import h5netcdf

    from datavore_widgets.service.synthetic import SyntheticOcean

    lon = np.arange(-180.0 + file.step / 2, 180.0, file.step)
    lat = np.arange(-90.0 + file.step / 2, 90.0, file.step)
    ocean = SyntheticOcean(lon, lat, float(file.days[0]), float(file.days[-1]))
    with h5netcdf.File(path, "w") as target:
        target.attrs.update(
            {
                "Conventions": "CF-1.11",
                "title": file.title,
                "comment": "Synthetic data: computed from a seed and a few formulas, not measured.",
                "source": "datavore_widgets",
            }
        )
        target.dimensions = {"time": file.days.size, "lat": lat.size, "lon": lon.size}
        axes: dict[str, tuple[NDArray[np.float64], dict[str, Any]]] = {
            "time": (file.days, {"units": "days since 1990-01-01", "calendar": "standard", "axis": "T"}),
            "lat": (lat, {"units": "degrees_north", "axis": "Y"}),
            "lon": (lon, {"units": "degrees_east", "axis": "X"}),
        }
        for name, (values, attributes) in axes.items():
            standard_name = {"time": "time", "lat": "latitude", "lon": "longitude"}[name]
            variable = target.create_variable(name, (name,), np.float64, data=values)
            variable.attrs.update({"standard_name": standard_name, **attributes})
        for name, (_, attributes) in file.variables.items():
            # A picture reads 9 chunks of a step, a series over a small box one in nine: both take milliseconds.
            variable = target.create_variable(
                name,
                ("time", "lat", "lon"),
                np.int16,
                fillvalue=_FILL,
                chunks=(16, lat.size // 3, lon.size // 3),
                compression="gzip",
                compression_opts=1,
                shuffle=True,
            )
            variable.attrs.update(attributes)
        blocks = [slice(start, start + 16) for start in range(0, file.days.size, 16)]
        with ThreadPoolExecutor(2) as pool:  # the formulas are worked out ahead while a block is compressed
            for block, fields in zip(blocks, pool.map(ocean.fields, [file.days[b] for b in blocks]), strict=True):
                for name, (field, attributes) in file.variables.items():
                    target.variables[name][block] = _packed(getattr(fields, field), attributes["scale_factor"])


def _packed(values: NDArray[np.float32], scale: float) -> NDArray[np.int16]:
    counts = np.rint(values / np.float32(scale))
    return np.where(np.isnan(counts), _FILL, counts).astype(np.int16)
