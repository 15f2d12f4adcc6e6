"""Synthetic Sentinel-1 wave mode: level-2 OCN products made from known swells, as the specification has them.

Names, dimensions, types, attributes and missing codes are those of ESA's product specification (S1-RS-MDA-52-7441,
section on level-2 OCN) as they are seen in headers of published products: one of 2014 (IPF 002.20: winds are clockwise
of range, partitions are floats with 255 for none, there are no quality flags) and one of 2020 (IPF 003: winds are
clockwise of north, partitions are bytes with the fill value -128 and -1 for none, there are quality flags and
cartesian cross spectra at three lags).
Everything made here says that it is synthetic.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.protocol.geometry import EARTH_RADIUS
from datavore_widgets.service.sphere import distance
from datavore_widgets.service.synthetic import land_mask
from datavore_widgets.service.waves import spectra
from datavore_widgets.service.waves.directions import range_azimuth, turned

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "Imagette",
    "Passes",
    "Swell",
    "model_dataset",
    "passes",
    "roughness_dataset",
    "swell_energy",
    "write_imagette",
    "write_sample",
]

Floats = NDArray[np.float64]

COMMENT = "Synthetic data: computed from given swells and a seed, not measured."

WAVENUMBERS = 2 * math.pi / np.geomspace(800.0, 30.0, 30)
DIRECTIONS = np.arange(0.0, 360.0, 10.0)
_FLAT_SPACING = 2 * math.pi / 4_000.0  # rad/m between the bins of a cartesian spectrum: 128 of them reach to 62 m
_BLANK = np.float32(-999.0)


@dataclass(frozen=True)
class Swell:
    """Waves of one storm.

    Parameters
    ----------
    hs : float
        Significant height, m.
    wavelength : float
        Of the peak, m.
    direction : float
        Degrees towards, clockwise from north.
    spread : float
        Standard deviation of directions, degrees.
    width : float
        Standard deviation of ln k.
    """

    hs: float
    wavelength: float
    direction: float
    spread: float = 15.0
    width: float = 0.2


def swell_energy(swell: Swell, k: Floats, phi: Floats) -> Floats:
    """E(k, φ) in m⁴ of a swell: normal in ln k, wrapped normal in φ, with its peak at the wavelength.

    The variance is that of the formula over the whole plane, ∫∫E·k dk dφ = (Hs/4)²; no sum over bins is put right.
    """
    spread, width = math.radians(swell.spread), swell.width
    # E falls as k⁻² beside the normal curve, which would draw the peak to longer waves by 2·width² in ln k.
    middle = math.log(2 * math.pi / swell.wavelength) + 2 * width**2
    along = np.exp(-((np.log(k) - middle) ** 2) / (2 * width**2)) / (width * math.sqrt(2 * math.pi)) / k**2
    off = np.deg2rad(np.mod(phi - swell.direction + 180.0, 360.0) - 180.0)
    turns = off[:, np.newaxis] + 2 * math.pi * np.arange(-2, 3)
    across = np.exp(-(turns**2) / (2 * spread**2)).sum(axis=1) / (spread * math.sqrt(2 * math.pi))
    return np.asarray((swell.hs / 4) ** 2 * along[:, np.newaxis] * across[np.newaxis, :])


@dataclass(frozen=True)
class Imagette:
    """One acquisition to be made.

    Parameters
    ----------
    time : datetime
        UTC.
    lon, lat : float
        Degrees.
    swells : sequence of Swell
        At most five.
    satellite : str
        `S1A` to `S1D`.
    mode : str
        `WV1` (23°) or `WV2` (36.5°).
    heading : float
        Degrees clockwise from north.
    wind_speed, wind_from : float
        m/s, degrees from.
    cutoff : float
        Azimuth cut-off, m.
    number : int
        Of the imagette in its pass.
    edition : {'2020', '2014'}
        Which products it is written like.
    ids : sequence of int, optional
        What the partitions are numbered with; 0, 1, … if not given. Published files skip numbers.
    """

    time: dt.datetime
    lon: float
    lat: float
    swells: Sequence[Swell]
    satellite: str = "S1A"
    mode: str = "WV1"
    heading: float = 347.8
    wind_speed: float = 8.0
    wind_from: float = 240.0
    cutoff: float = 180.0
    number: int = 1
    edition: str = "2020"
    ids: Sequence[int] | None = None
    seed: int = field(default=1)

    @property
    def incidence(self) -> float:
        """Degrees."""
        return 23.3 if self.mode == "WV1" else 36.6

    @property
    def name(self) -> str:
        """Of its measurement file, as the specification spells it."""
        start, stop = self.time, self.time + dt.timedelta(seconds=3)
        return (
            f"{self.satellite.lower()}-{self.mode.lower()}-ocn-vv-{start:%Y%m%dt%H%M%S}-{stop:%Y%m%dt%H%M%S}-"
            f"{_orbit(self.time):06d}-00c9eb-{self.number:03d}.nc"
        )

    def variables(self) -> dict[str, tuple[tuple[str, ...], NDArray[Any], dict[str, Any]]]:
        """Its variables: name → dimensions, values, attributes."""
        return _variables(self)

    def attributes(self) -> dict[str, Any]:
        """Of the file."""
        told = {
            "title": "Sentinel-1 OSW Component",
            "missionName": self.satellite,
            "polarisation": "VV",
            "firstMeasurementTime": f"{self.time:%Y-%m-%dT%H:%M:%S}Z",
            "lastMeasurementTime": f"{self.time + dt.timedelta(seconds=3):%Y-%m-%dT%H:%M:%S}Z",
            "comment": COMMENT,
        }
        return told | ({"IPFversion": "002.20"} if self.edition == "2014" else {"IPFversion": "003.20"})

    def dataset(self) -> xr.Dataset:
        """The measurement in memory."""
        import xarray as xr

        made = {name: xr.Variable(dims, values, attrs) for name, (dims, values, attrs) in self.variables().items()}
        return xr.Dataset(made, attrs=self.attributes())


def _orbit(time: dt.datetime) -> int:
    """Of Sentinel-1A, about: 98.7 minutes each from its launch on."""
    return int((time - dt.datetime(2014, 4, 3)).total_seconds() / 60 / 98.7)


_CELL = ("oswAzSize", "oswRaSize")
_POLAR = (*_CELL, "oswAngularBinSize", "oswWavenumberBinSize")
_PARTS = (*_CELL, "oswPartitions")
_FLAT = (*_CELL, "oswKyBinSize", "oswKxBinSize", "oswLag")

_OLD_WIND = {"units": "degree clockwise from range", "long_name": "wind direction"}
_NEW_WIND = {
    "units": "degrees clockwise from north",
    "long_name": "SAR wind direction (meteorological convention: where the wind comes from)",
}


def _variables(made: Imagette) -> dict[str, tuple[tuple[str, ...], NDArray[Any], dict[str, Any]]]:
    old = made.edition == "2014"
    k, phi = WAVENUMBERS, DIRECTIONS
    inside = spectra.resolved(k, phi, made.heading, made.cutoff)
    parts = [swell_energy(swell, k, phi) for swell in made.swells]
    whole = sum(parts, np.zeros((k.size, phi.size)))
    energy = np.where(inside, whole, 0.0)
    owner, ids = _owners(parts, inside, made.ids)
    room = max(len(parts), 2 if old else 5)
    hs = [spectra.significant_height(k, phi, part, inside) for part in parts]
    peaks = [spectra.peak(k, phi, part, inside) for part in parts]
    real, imaginary = _cross(k, energy)

    def cell(value: float, units: str, long_name: str) -> tuple[tuple[str, ...], NDArray[Any], dict[str, Any]]:
        return _CELL, np.array([[value]], np.float32), {"units": units, "long_name": long_name}

    def polar(values: NDArray[Any], units: str, long_name: str) -> tuple[tuple[str, ...], NDArray[Any], dict[str, Any]]:
        return _POLAR, values.T[np.newaxis, np.newaxis].astype(np.float32), {"units": units, "long_name": long_name}

    def part(
        values: Sequence[float], units: str, long_name: str
    ) -> tuple[tuple[str, ...], NDArray[Any], dict[str, Any]]:
        padded = [*values, *[float(_BLANK)] * (room - len(values))]
        return _PARTS, np.array([[padded]], np.float32), {"units": units, "long_name": long_name}

    wind = float(turned(made.wind_from - range_azimuth(made.heading))) if old else made.wind_from
    found: dict[str, tuple[tuple[str, ...], NDArray[Any], dict[str, Any]]] = {
        "oswLon": cell(made.lon, "degrees_east", "longitude"),
        "oswLat": cell(made.lat, "degrees_north", "latitude"),
        "oswGroundRngSize": cell(20_000, "m", "ground range size of estimation area"),
        "oswAziSize": cell(20_000, "m", "azimuth size of estimation area"),
        "oswIncidenceAngle": cell(made.incidence, "degrees", "incidence angle"),
        "oswHeading": cell(made.heading, "degrees", "platform heading"),
        "oswNrcs": cell(-6.5 if made.mode == "WV1" else -15.0, "dB", "normalized radar cross section"),
        "oswPolSpec": polar(energy, "m^4", "estimated swell spectrum on log-polar grid"),
        "oswQualityCrossSpectraRe": polar(real, "(m/rad)^2", "real part of cross spectra log-polar grid"),
        "oswQualityCrossSpectraIm": polar(imaginary, "(m/rad)^2", "imaginary part of cross spectra log-polar grid"),
        "oswK": (
            ("oswWavenumberBinSize",),
            k.astype(np.float32),
            {"units": "rad/m", "long_name": "array of the wavenumbers for polar spectra"},
        ),
        "oswPhi": (
            ("oswAngularBinSize",),
            phi.astype(np.float32),
            {"units": "degrees", "long_name": "array of angular values for polar spectra"},
        ),
        "oswAzCutoff": cell(made.cutoff, "m", "azimuth cut-off wavelength"),
        "oswSpecRes": (
            (*_CELL, "oswAngularBinSize"),
            _resolution(made, phi)[np.newaxis, np.newaxis].astype(np.float32),
            {"units": "m", "long_name": "azimuth cut-off wavelength as function of wave direction"},
        ),
        "oswHs": part(hs, "m", "significant wave height for each partition"),
        "oswWl": part(
            [peak.wavelength if peak else float(_BLANK) for peak in peaks], "m", "dominant wavelength of each partition"
        ),
        "oswDirmet": part(
            [peak.direction if peak else float(_BLANK) for peak in peaks],
            "degrees clockwise from north",
            "dominant wave direction for each partition",
        ),
        "oswAmbiFac": part([0.8] * len(parts), "adimentional", "ambiguity ratio"),
        "oswWindSpeed": cell(made.wind_speed, "m/s", "wind speed"),
        "oswWindDirection": (_CELL, np.array([[wind]], np.float32), _OLD_WIND if old else _NEW_WIND),
        "oswLandFlag": cell(0, "adimentional", "land flag: 1 for more than 10% of land coverage, 0 otherwise"),
    }
    if old:
        names = np.where(owner < 0, 255, owner).astype(np.float32)
        found["oswPartitions"] = polar(names, "adimentional", "wave partition numbers")
        found["oswIconf"] = part([0.0] * len(parts), "adimentional", "confidence of inversion for partition")
        found["oswLookSeparationTime"] = cell(0.4, "s", "inter look separation time")
        return found

    def codes(values: Sequence[int], long_name: str) -> tuple[tuple[str, ...], NDArray[Any], dict[str, Any]]:
        padded = [*values, *[-1] * (room - len(values))]
        return _PARTS, np.array([[padded]], np.int8), {"units": "adimentional", "long_name": long_name}

    number = {"units": "adimentional", "long_name": "wave partition numbers", "_FillValue": np.int8(-128)}
    found["oswPartitions"] = (_POLAR, owner.T[np.newaxis, np.newaxis].astype(np.int8), number)
    found["oswIconf"] = codes([0] * len(parts), "confidence of inversion for partition")
    found["oswQualityFlagPartition"] = codes([index % 3 for index in range(len(ids))], "quality flag of each partition")
    found["oswQualityFlag"] = (_CELL, np.array([[0]], np.int8), {"long_name": "quality flag of the spectrum"})
    total = float(spectra.heights([swell.hs for swell in made.swells])) if made.swells else 0.0
    found["oswTotalHs"] = cell(total, "m", "total significant wave height")
    found |= _flat_cross(made, k, phi, energy)
    return found


def _resolution(made: Imagette, phi: Floats) -> Floats:
    """The shortest wavelength that is resolved in each direction, m: across the flight that of the grid."""
    along = np.abs(np.cos(np.deg2rad(phi - made.heading)))
    return np.asarray(np.maximum(2 * math.pi / WAVENUMBERS[-1], made.cutoff * along))


def _owners(parts: Sequence[Floats], inside: NDArray[np.bool_], ids: Sequence[int] | None) -> tuple[Any, list[int]]:
    """For each bin the number of the swell that has most of it, if it is within 1/30 of its peak; -1 for none."""
    numbers = list(range(len(parts))) if ids is None else list(ids)
    if not parts:
        return np.full(inside.shape, -1), numbers
    stacked = np.stack(parts)
    first = np.argmax(stacked, axis=0)
    strong = (stacked > stacked.max(axis=(1, 2), keepdims=True) / 30).any(axis=0)
    return np.where(strong & inside, np.array(numbers)[first], -1), numbers


def _cross(k: Floats, energy: Floats, lag: float = 0.4) -> tuple[Floats, Floats]:
    """Real (even) and imaginary (odd) parts of the cross spectrum that a spectrum gives rise to, on its axes.

    In linear theory the spectrum of the image is |T|²·E and a look later by τ is turned by ωτ (Engen and Johnsen 1995,
    IEEE Transactions on Geoscience and Remote Sensing 33, 1047). With the earlier look times the conjugate of the later
    one, Im is positive where the waves go to.
    """
    opposite = np.roll(energy, energy.shape[1] // 2, axis=1)
    turn = (2 * math.pi * spectra.frequency(k) * lag)[:, np.newaxis]
    gain = 0.05
    return gain * (energy + opposite) * np.cos(turn), gain * (energy - opposite) * np.sin(turn)


def _at(k: Floats, phi: Floats, energy: Floats, wavenumber: Floats, direction: Floats) -> Floats:
    """The density of the bin that holds each wavenumber and direction; 0 outside."""
    row = np.searchsorted(spectra.edges(k), wavenumber) - 1
    column = np.rint(turned(direction) / (360.0 / phi.size)).astype(int) % phi.size
    return np.where((row >= 0) & (row < k.size), energy[np.clip(row, 0, k.size - 1), column], 0.0)


def _flat_cross(made: Imagette, k: Floats, phi: Floats, energy: Floats) -> dict[str, Any]:
    """Cross spectra over azimuth and range at three lags, as products since 2018 have them."""
    across = _FLAT_SPACING * np.arange(-64, 64)
    along = _FLAT_SPACING * np.arange(-92, 93)
    k_range, k_azimuth = np.meshgrid(across, along)
    size = np.hypot(k_range, k_azimuth)
    towards = np.rad2deg(np.arctan2(k_range, k_azimuth)) + made.heading  # from the flight to the right: clockwise
    planes = []
    for lag in (0.0, 0.4, 0.8):
        real, imaginary = _cross(k, energy, lag)
        planes.append((_at(k, phi, real, size, towards), _at(k, phi, imaginary, size, towards)))
    re, im = (np.stack([plane[part] for plane in planes], axis=-1)[np.newaxis, np.newaxis] for part in (0, 1))
    about = "part of cross spectra on cartesian grid"
    return {
        "oswCartSpecRe": (_FLAT, re.astype(np.float32), {"units": "(m/rad)^2", "long_name": f"real {about}"}),
        "oswCartSpecIm": (_FLAT, im.astype(np.float32), {"units": "(m/rad)^2", "long_name": f"imaginary {about}"}),
        "oswKx": (("oswKxBinSize",), across.astype(np.float32), {"units": "rad/m", "long_name": "range wavenumbers"}),
        "oswKy": (("oswKyBinSize",), along.astype(np.float32), {"units": "rad/m", "long_name": "azimuth wavenumbers"}),
        "oswLag": (("oswLag",), np.array([0.0, 0.4, 0.8], np.float32), {"units": "s", "long_name": "inter look lag"}),
    }


# --- beside it: the surface, and a model -----------------------------------------------------------------------------


def roughness_dataset(made: Imagette, spacing: float = 100.0) -> xr.Dataset:
    """A picture of the surface that has the imagette's spectrum, over azimuth and range with its places.

    Rows follow the flight, columns the beam; phases are drawn from the seed.
    """
    import xarray as xr

    size = round(20_000 / spacing)
    rng = np.random.default_rng(made.seed)
    freedom = 2 * math.pi * np.fft.fftfreq(size, spacing)
    k_range, k_azimuth = np.meshgrid(freedom, freedom)
    number = np.hypot(k_range, k_azimuth)
    towards = np.rad2deg(np.arctan2(k_range, k_azimuth)) + made.heading
    k, phi = WAVENUMBERS, DIRECTIONS
    energy = sum((swell_energy(swell, k, phi) for swell in made.swells), np.zeros((k.size, phi.size)))
    inside = np.abs(k_azimuth) <= 2 * math.pi / made.cutoff
    density = np.where(inside, _at(k, phi, energy, number, towards), 0.0)
    noise = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
    swell = np.fft.ifft2(np.sqrt(density) * noise).real * size
    swell *= 0.25 / max(float(swell.std()), 1e-12) if made.swells else 0.0
    # A roll of wind streaks along the wind, and speckle: 1 is the mean.
    off = np.deg2rad(towards - made.wind_from)
    streaks = np.exp(-((number * np.cos(off) / 2e-3) ** 2)) * np.exp(-(((number - 2.5e-3) / 1.5e-3) ** 2))
    rolls = np.fft.ifft2(streaks * noise).real
    rolls *= 0.08 / max(float(rolls.std()), 1e-12)
    speckle = rng.gamma(30.0, 1 / 30.0, (size, size))
    surface = np.clip((1 + rolls) * (1 + swell), 0.05, None) * speckle
    steps = (np.arange(size) - (size - 1) / 2) * spacing
    across, along = np.meshgrid(steps, steps)
    lon, lat = _moved(made, along, across)
    lon, lat = lon.astype(np.float32), lat.astype(np.float32)  # a metre
    places = ("azimuth", "range")
    return xr.Dataset(
        {"roughness": (places, surface.astype(np.float32), {"units": "1", "long_name": "sea surface roughness"})},
        {
            "lon": (places, lon, {"units": "degrees_east", "standard_name": "longitude"}),
            "lat": (places, lat, {"units": "degrees_north", "standard_name": "latitude"}),
        },
        {"title": "Sea surface roughness of a Sentinel-1 imagette", "comment": COMMENT},
    )


def _moved(made: Imagette, along: Any, across: Any) -> tuple[Any, Any]:
    """Places some metres along and across the flight, on a plane that touches the sphere."""
    flight, beam = math.radians(made.heading), math.radians(range_azimuth(made.heading))
    east = along * math.sin(flight) + across * math.sin(beam)
    north = along * math.cos(flight) + across * math.cos(beam)
    degree = math.radians(1) * EARTH_RADIUS
    return made.lon + east / degree / math.cos(math.radians(made.lat)), made.lat + north / degree


def model_dataset(made: Sequence[Imagette], seed: int = 3) -> xr.Dataset:
    """Spectra of a wave model at the imagettes, as WAVEWATCH III's output of points has them.

    Each is at the full hour, some 10 km off, with the swells a little higher and a wind sea.
    """
    import xarray as xr

    rng = np.random.default_rng(seed)
    f = np.asarray(0.0412 * 1.1 ** np.arange(25), dtype=np.float64)
    theta = turned(90.0 - 15.0 * np.arange(24))
    k = (2 * math.pi * f) ** 2 / spectra.GRAVITY
    hours = sorted({item.time.replace(minute=0, second=0, microsecond=0) for item in made})
    efth = np.zeros((len(hours), len(made), f.size, theta.size), np.float32)
    places = np.array([_moved(item, rng.uniform(-9e3, 9e3), rng.uniform(-9e3, 9e3)) for item in made])
    for station, item in enumerate(made):
        sea = Swell(
            0.021 * item.wind_speed**2, 1.2 * item.wind_speed**2 + 20, float(turned(item.wind_from + 180)), 30, 0.35
        )
        swells = [Swell(1.08 * s.hs, 1.02 * s.wavelength, s.direction + 4, 20, 0.25) for s in item.swells]
        energy = sum((swell_energy(s, k, theta) for s in (*swells, sea)), np.zeros((f.size, theta.size)))
        efth[:, station] = spectra.frequency_spectrum(k, energy)
    since = np.array([(hour - dt.datetime(1990, 1, 1)).total_seconds() / 86_400 for hour in hours])
    cells = ("time", "station")
    density = {
        "standard_name": "sea_surface_wave_directional_variance_spectral_density",
        "long_name": "sea surface wave directional variance spectral density",
        "units": "m2 s rad-1",
    }
    east = {"units": "degree_east", "standard_name": "longitude"}
    north = {"units": "degree_north", "standard_name": "latitude"}
    return xr.Dataset(
        {
            "efth": ((*cells, "frequency", "direction"), efth, density),
            "longitude": (cells, np.tile(places[:, 0], (len(hours), 1)).astype(np.float32), east),
            "latitude": (cells, np.tile(places[:, 1], (len(hours), 1)).astype(np.float32), north),
        },
        {
            "time": (("time",), since, {"units": "days since 1990-01-01T00:00:00Z", "standard_name": "time"}),
            "station": (("station",), np.arange(1, len(made) + 1, dtype=np.int32), {"long_name": "station id"}),
            "frequency": (
                ("frequency",),
                f.astype(np.float32),
                {"units": "s-1", "standard_name": "sea_surface_wave_frequency"},
            ),
            "direction": (
                ("direction",),
                theta.astype(np.float32),
                {"units": "degree", "standard_name": "sea_surface_wave_to_direction"},
            ),
        },
        {"title": "Spectra of a wave model", "comment": COMMENT},
    )


# --- many: passes over an ocean with storms --------------------------------------------------------------------------

_STORMS = (  # longitude, latitude, days between two storms there, days to the first, height of what they send out (m)
    (-38.0, 52.0, 5.3, -6.0, 9.0),
    (168.0, 43.0, 6.1, -8.0, 10.0),
    (75.0, -52.0, 4.3, -7.0, 11.0),
    (-150.0, -56.0, 4.9, -9.0, 11.0),
    (5.0, -54.0, 5.7, -5.0, 9.5),
)
_INCLINATION, _PERIOD = 98.18, 98.6 * 60  # degrees, seconds: ESA's sheet of the orbit


@dataclass(frozen=True, eq=False)
class Passes:
    """Imagettes in rows, in the order of time.

    Parameters
    ----------
    time : ndarray of datetime64[ms], shape (n,)
    lon, lat, heading : ndarray, shape (n,)
    satellite : ndarray of str, shape (n,)
    first : ndarray of bool, shape (n,)
        Whether it is of WV1.
    hs, wavelength, direction : ndarray, shape (n, 3)
        Of its swells, the highest first; NaN where there are fewer.
    wind_speed, wind_from : ndarray, shape (n,)
    cutoff : float
        Azimuth cut-off, m.
    """

    time: NDArray[np.datetime64]
    lon: Floats
    lat: Floats
    heading: Floats
    satellite: NDArray[np.str_]
    first: NDArray[np.bool_]
    hs: Floats
    wavelength: Floats
    direction: Floats
    wind_speed: Floats
    wind_from: Floats
    cutoff: float = 180.0

    def __len__(self) -> int:
        return self.time.size

    def imagette(self, row: int) -> Imagette:
        """One of them, to be made."""
        there = np.isfinite(self.hs[row])
        swells = zip(self.hs[row][there], self.wavelength[row][there], self.direction[row][there], strict=True)
        return Imagette(
            self.time[row].astype("datetime64[us]").item(),
            float(self.lon[row]),
            float(self.lat[row]),
            [Swell(*map(float, swell)) for swell in swells],
            str(self.satellite[row]),
            "WV1" if self.first[row] else "WV2",
            float(self.heading[row]),
            float(self.wind_speed[row]),
            float(self.wind_from[row]),
            self.cutoff,
            row % 999 + 1,
            seed=row,
        )


def passes(
    start: dt.datetime, days: float, satellites: Sequence[str] = ("S1A", "S1B"), *, count: int | None = None,
    cutoff: float = 180.0,
) -> Passes:  # fmt: skip
    """Imagettes every 100 km over the sea, alternately of WV1 and WV2, under a sun-synchronous orbit.

    Swells come from a few storms along great circles, sorted by their group velocity: a wave that is met after a time
    t at a distance d has the length whose group velocity is d/t.

    Parameters
    ----------
    count : int, optional
        How many, evenly chosen; None is all.
    """
    tracks = [_track(number, days) for number in range(len(satellites))]
    seconds = np.concatenate([track[0] for track in tracks])
    order = np.argsort(seconds, kind="stable")
    names = np.repeat(np.array(satellites), [track[0].size for track in tracks])[order]
    lon, lat, heading = (np.concatenate([track[part] for track in tracks])[order] for part in (1, 2, 3))
    first = np.concatenate([np.arange(track[0].size) % 2 == 0 for track in tracks])[order]
    seconds = seconds[order]
    kept = np.flatnonzero(_at_sea(lon, lat))
    if count is not None:
        kept = kept[np.linspace(0, kept.size - 1, min(count, kept.size)).round().astype(int)]
    seconds, lon, lat, heading = seconds[kept], lon[kept], lat[kept], heading[kept]
    hs, wavelength, direction = _arrivals(seconds / 86_400, lon, lat)
    speed = 7 + 5 * np.sin(np.deg2rad(2.2 * lat + 40)) + 2.5 * np.sin(np.deg2rad(3 * lon) + seconds / 5e4)
    return Passes(
        np.datetime64(start, "ms") + (1000 * seconds).round().astype("timedelta64[ms]"),
        lon, lat, heading, names[kept], first[kept], hs, wavelength, direction,
        np.clip(speed, 1.5, None), turned(np.where(np.abs(lat) < 28, 75.0, 255.0) + 25 * np.sin(np.deg2rad(2 * lon))),
        cutoff,
    )  # fmt: skip


def _track(number: int, days: float) -> tuple[Floats, Floats, Floats, Floats]:
    """Seconds, longitudes, latitudes and headings every 100 km below a circular orbit."""
    seconds = np.arange(0, days * 86_400, _PERIOD * 100_000 / (2 * math.pi * EARTH_RADIUS)) + 7.0 * number
    angle = 2 * math.pi * seconds / _PERIOD + math.pi * number
    tilt = math.radians(_INCLINATION)
    lat = np.arcsin(np.sin(tilt) * np.sin(angle))
    node = math.radians(-60.0) - 2 * math.pi * seconds / 86_400
    lon = node + np.arctan2(math.cos(tilt) * np.sin(angle), np.cos(angle))
    heading = np.arctan2(math.cos(tilt), np.cos(angle) * math.sin(tilt))
    return seconds, np.mod(np.rad2deg(lon) + 180, 360) - 180, np.rad2deg(lat), turned(np.rad2deg(heading))


def _at_sea(lon: Floats, lat: Floats) -> NDArray[np.bool_]:
    cells_lon, cells_lat = np.arange(-179.75, 180, 0.5), np.arange(-89.75, 90, 0.5)
    land = land_mask(cells_lon, cells_lat)
    rows = np.clip(((lat + 90) * 2).astype(int), 0, 359)
    return np.asarray(~land[rows, ((lon + 180) * 2).astype(int) % 720] & (lat > -66) & (lat < 72))


def _arrivals(days: Floats, lon: Floats, lat: Floats) -> tuple[Floats, Floats, Floats]:
    """The three highest swells at each place and time, of all storms: heights, lengths, directions, each (n, 3)."""
    heights, lengths, towards = [], [], []
    for storm_lon, storm_lat, every, begin, height in _STORMS:
        far = distance(storm_lon, storm_lat, lon, lat)
        away = turned(_bearing(lon, lat, storm_lon, storm_lat) + 180.0)
        for turn in range(math.ceil((float(days.max()) - begin) / every) + 1):
            age = 86_400 * (days - begin - turn * every)
            with np.errstate(divide="ignore", invalid="ignore"):
                length = 8 * math.pi * (far / age) ** 2 / spectra.GRAVITY
                peak = 240.0
                hs = height * np.sqrt(1.2e6 / (far + 6e5)) * np.exp(-((np.log(length / peak) / 0.5) ** 2)) * 0.55
            seen = (age > 0.5 * 86_400) & (length > 90) & (length < 600) & (hs > 0.35)
            heights.append(np.where(seen, hs, np.nan))
            lengths.append(np.where(seen, length, np.nan))
            towards.append(np.where(seen, away, np.nan))
    stacked = np.nan_to_num(np.stack(heights, axis=1))
    best = np.argsort(-stacked, axis=1)[:, :3]

    def taken(parts: list[Floats]) -> Floats:
        return np.take_along_axis(np.stack(parts, axis=1), best, axis=1)

    return taken(heights), taken(lengths), taken(towards)


def _bearing(lon: Floats, lat: Floats, to_lon: float, to_lat: float) -> Floats:
    """Where a great circle to another place begins, degrees clockwise from north."""
    east = np.deg2rad(to_lon - lon)
    here, there = np.deg2rad(lat), math.radians(to_lat)
    x = np.sin(east) * math.cos(there)
    y = np.cos(here) * math.sin(there) - np.sin(here) * math.cos(there) * np.cos(east)
    return turned(np.rad2deg(np.arctan2(x, y)))


# --- files -----------------------------------------------------------------------------------------------------------


def write_imagette(made: Imagette, folder: Path) -> Path:
    """Write a measurement file (NetCDF-4) into a folder; its path."""
    import h5netcdf

    path = folder / made.name
    with h5netcdf.File(path, "w") as target:
        target.attrs.update(made.attributes())
        for name, (dims, values, attrs) in made.variables().items():
            for dim, size in zip(dims, values.shape, strict=True):
                if dim not in target.dimensions:
                    target.dimensions[dim] = size
            told = dict(attrs)
            fill = told.pop("_FillValue", None)
            kept: dict[str, Any] = {"compression": "gzip", "compression_opts": 1} if values.size > 100 else {}
            written = target.create_variable(name, dims, values.dtype, data=values, fillvalue=fill, **kept)
            written.attrs.update(told)
    return path


def write_sample(folder: Path) -> None:
    """The sample's few: a pass of two satellites, each a SAFE folder, with surfaces and a model's spectra beside."""
    start = dt.datetime(2020, 6, 15, 5, 0, 0)
    made = passes(start, 1.2 / 24, ("S1A", "S1B"))
    rows = np.flatnonzero((made.hs > 0).sum(axis=1) >= 2)
    chosen = [made.imagette(int(row)) for row in rows[np.linspace(0, rows.size - 1, 24).round().astype(int)]]
    for satellite in ("S1A", "S1B"):
        mine = [item for item in chosen if item.satellite == satellite]
        safe = folder / f"{satellite}_WV_OCN__2SSV_{mine[0].time:%Y%m%dT%H%M%S}_{mine[-1].time:%Y%m%dT%H%M%S}_C9EB.SAFE"
        (safe / "measurement").mkdir(parents=True)
        for item in mine:
            path = write_imagette(item, safe / "measurement")
            beside = path.with_name(path.stem + "-roughness.nc")
            packed = {"dtype": "int16", "scale_factor": 1e-4, "zlib": True, "complevel": 1, "_FillValue": -32768}
            roughness_dataset(item).to_netcdf(
                beside, engine="h5netcdf", encoding={"roughness": packed, "lon": {"zlib": True}, "lat": {"zlib": True}}
            )
    model_dataset(chosen).to_netcdf(folder / "model-spectra.nc", engine="h5netcdf", encoding={"efth": {"zlib": True}})
