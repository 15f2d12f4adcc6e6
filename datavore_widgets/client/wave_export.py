"""A spectrum of the wave mode as a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from datavore_widgets.protocol.times import millis_from_label
from datavore_widgets.protocol.waves import WaveSpectrum

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["dataset", "netcdf"]

_DEGREE = "degree"
_WAVE = "sea_surface_wave"  # how CF's standard names of waves begin
_TO = "clockwise from north, the direction that waves travel to"


def dataset(spectrum: WaveSpectrum) -> xr.Dataset:
    """All that is known of an acquisition, with units and CF's standard names where there are any.

    What is absent is left out; waves go *to* their directions, wind comes *from* its own.
    """
    import xarray as xr  # only who takes the numbers away needs it

    plane = ("wavenumber", "direction")
    density = {"units": "m4", "long_name": "density of elevation variance over the wavenumber vector"}
    data: dict[str, Any] = {"energy": (plane, spectrum.energy, density)}
    for name, values in (("cross_spectrum_real", spectrum.cross_re), ("cross_spectrum_imaginary", spectrum.cross_im)):
        if values is not None:
            data[name] = (plane, values, {"long_name": name.replace("_", " "), "comment": spectrum.lag})
    if spectrum.cartesian is not None:
        across = ("wavenumber_azimuth", "wavenumber_range")
        for name, values in (("real", spectrum.cartesian.re), ("imaginary", spectrum.cartesian.im)):
            told = {"long_name": f"cross spectrum {name}, cartesian", "comment": spectrum.lag}
            data[f"cross_spectrum_{name}_cartesian"] = (across, values, told)
    data["partition_of_bin"] = (
        plane,
        spectrum.partitions,
        {"long_name": "partition that each bin belongs to", "comment": "-1: none"},
    )
    swells = {
        "partition_height": (spectrum.partition_hs, "m", "significant wave height of a partition, resolved part"),
        "partition_wavelength": (spectrum.partition_wavelength, "m", "wavelength of a partition"),
        "partition_direction": (spectrum.partition_direction, _DEGREE, f"direction of a partition, {_TO}"),
        "partition_quality": (spectrum.partition_quality, "1", "quality flag of a partition, 0 is best, -1 unknown"),
    }
    for name, (column, units, words) in swells.items():
        data[name] = ("partition", column, {"units": units, "long_name": words})
    numbers = {
        "significant_height": (spectrum.hs, "m", "significant height of the resolved part of the spectrum", ""),
        "total_height": (
            spectrum.total_hs,
            "m",
            "total significant wave height",
            f"{_WAVE}_significant_height",
        ),
        "wind_speed": (spectrum.wind_speed, "m s-1", "wind speed", "wind_speed"),
        "wind_from_direction": (spectrum.wind_from, _DEGREE, "direction the wind comes from", "wind_from_direction"),
        "azimuth_cutoff": (spectrum.cutoff, "m", "azimuth cut-off wavelength", ""),
        "nrcs": (spectrum.nrcs, "dB", "normalized radar cross section", ""),
        "incidence": (spectrum.incidence, _DEGREE, "incidence angle", "angle_of_incidence"),
        "heading": (spectrum.heading, _DEGREE, "direction of flight, clockwise from north", "platform_course"),
    }
    model = spectrum.model
    if model is not None:
        whose = "of the model's whole spectrum"
        numbers |= {
            "model_height": (model.hs, "m", f"significant wave height {whose}", f"{_WAVE}_significant_height"),
            "model_peak_period": (
                model.period,
                "s",
                f"peak period {whose}",
                f"{_WAVE}_period_at_variance_spectral_density_maximum",
            ),
            "model_direction": (model.direction, _DEGREE, f"mean direction {whose}, {_TO}", f"{_WAVE}_to_direction"),
        }
    for name, (value, units, words, standard) in numbers.items():
        if np.isfinite(value):
            data[name] = ((), value, {"units": units, "long_name": words, **_named(standard)})
    if spectrum.shortest is not None:
        told = {"units": "m", "long_name": "shortest wavelength that is resolved in each direction"}
        data["shortest_resolved"] = ("direction", spectrum.shortest, told)
    if spectrum.roughness is not None:
        spacing = {"spacing": float(spectrum.roughness_spacing), "comment": "rows from north to south; spacing in m"}
        data["roughness"] = (("y", "x"), spectrum.roughness, {"long_name": "sea surface roughness", **spacing})
    if model is not None:
        where = {"source": model.source, "time": model.time.iso, "longitude": model.lon, "latitude": model.lat}
        data["model_energy"] = (plane, model.energy, {**density, **where, "distance_km": model.distance})
    coords: dict[str, Any] = {
        "wavenumber": ("wavenumber", spectrum.k, {"units": "rad m-1", "long_name": "wavenumber"}),
        "direction": ("direction", spectrum.phi, {"units": _DEGREE, "long_name": _TO}),
        "partition": ("partition", spectrum.partition_ids, {"long_name": "id of a partition in the file"}),
        "time": ((), np.datetime64(int(millis_from_label(spectrum.time.label)), "ms"), {"standard_name": "time"}),
        "longitude": ((), spectrum.lon, {"units": "degrees_east", "standard_name": "longitude"}),
        "latitude": ((), spectrum.lat, {"units": "degrees_north", "standard_name": "latitude"}),
    }
    if spectrum.cartesian is not None:
        for name, values in (("range", spectrum.cartesian.k_range), ("azimuth", spectrum.cartesian.k_azimuth)):
            coords[f"wavenumber_{name}"] = (f"wavenumber_{name}", values, {"units": "rad m-1"})
    about = {
        "Conventions": "CF-1.11",
        "title": f"{spectrum.satellite} {spectrum.mode}, wave mode spectrum",
        "source": spectrum.file,
        "comment": " ".join(spectrum.notes),
    }
    return xr.Dataset(data, coords, about)


def _named(standard_name: str) -> dict[str, str]:
    return {"standard_name": standard_name} if standard_name else {}


def netcdf(spectrum: WaveSpectrum) -> tuple[str, bytes]:
    """(file name, bytes) of the data set as NetCDF-3."""
    stem = f"{spectrum.satellite or 'S1'}_{spectrum.mode or 'WV'}_{spectrum.time.date.digits}"
    data = dataset(spectrum)
    # NetCDF-3 has no integers long enough for milliseconds.
    data["time"].encoding = {"units": "seconds since 1970-01-01", "dtype": "float64"}
    return f"{stem}.nc", bytes(data.to_netcdf(engine="scipy", format="NETCDF3_64BIT"))
