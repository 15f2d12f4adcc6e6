"""A month of two satellites' wave mode as a service: 120,000 imagettes could not lie on disk as files.

Orbits as Sentinel-1's (98.18° inclination, 98.7 min, WV1 and WV2 in turn; an imagette every 24.5 s rather than 14.7 s,
as not all of the sea is acquired in a real month), the sea of the coastline that the map draws, and two swells whose
heights, lengths and directions are functions of place: what the viewer shows can be reckoned again.
"""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Any

import numpy as np

from datavore_widgets.errors import NoData, Unreadable
from datavore_widgets.protocol import png
from datavore_widgets.protocol.answers import Catalog, FileList, IndexInfo, VariableInfo
from datavore_widgets.protocol.coastline import on_land
from datavore_widgets.protocol.queries import (
    AcquisitionsQuery,
    CatalogQuery,
    FilesQuery,
    QuicklookQuery,
    SpectrumQuery,
)
from datavore_widgets.protocol.times import Stamp, label_from_millis, millis_from_label
from datavore_widgets.protocol.waves import Acquisitions, CartesianCross, ModelSpectrum, Quicklook, WaveSpectrum

START = 1_704_067_200_000  # 2024-01-01
EVERY = 24.5  # seconds
ORBIT = 5924.0  # seconds
K = np.geomspace(2 * np.pi / 800, 2 * np.pi / 30, 30)
PHI = np.arange(36) * 10.0
HOSTILE = "<img src=x onerror=alert(1)>"


def bell(k: Any, phi: Any, wavelength: float, towards: float, width: float, spread: float) -> Any:
    """A bell of height 1 in ln k and direction."""
    turn = (phi - towards + 180.0) % 360.0 - 180.0
    return np.exp(-(np.log(k * wavelength / (2 * np.pi)) ** 2) / (2 * width**2) - (turn / spread) ** 2 / 2)


def spectrum_of(height: float, wavelength: float, towards: float, width: float = 0.12, spread: float = 14.0) -> Any:
    """A bell with that significant height, in m⁴."""
    shape = bell(K[:, None], PHI, wavelength, towards, width, spread)
    variance = (shape * (K**2 * np.log(K[1] / K[0]))[:, None] * np.radians(10.0)).sum()
    return shape * (height / 4) ** 2 / variance


def cartesian_of(swells: list[tuple[float, float, float]], heading: float) -> CartesianCross:
    """The cross spectrum of some swells over range (to the right of the flight) and azimuth."""
    k = np.linspace(-0.1, 0.1, 161)
    across, along = np.meshgrid(k, k)
    turn = np.radians(heading)
    east = along * np.sin(turn) + across * np.cos(turn)
    north = along * np.cos(turn) - across * np.sin(turn)
    size, phi = np.maximum(np.hypot(east, north), 1e-9), np.degrees(np.arctan2(east, north))
    there, back = (
        sum(spectrum_of(h, w, d).max() * bell(size, phi, w, d + opposite, 0.12, 14.0) for h, w, d in swells)
        for opposite in (0.0, 180.0)
    )
    return CartesianCross(there + back, 0.6 * (there - back), k, k)


class Month:
    """Answers as a catalogue of two satellites does.

    Parameters
    ----------
    days : float
        How long each of them flies: 31 days are 120,000 imagettes and more of both.
    """

    def __init__(self, days: float = 31.0) -> None:
        self.days = days
        self.asked: list[Any] = []
        self.trouble: Exception | None = None

    @cached_property
    def satellites(self) -> dict[str, Acquisitions]:
        return {"S1AWV.v3/": self._fly("S1A", 0.0), "S1BWV.v3/": self._fly("S1B", 0.5)}

    def _fly(self, name: str, ahead: float) -> Acquisitions:
        seconds = np.arange(round(self.days * 86_400 / EVERY)) * EVERY
        angle = 2 * np.pi * (seconds / ORBIT + ahead)
        tilt = np.radians(98.18)
        lat = np.degrees(np.arcsin(np.sin(tilt) * np.sin(angle)))
        lon = np.degrees(np.arctan2(np.cos(tilt) * np.sin(angle), np.cos(angle))) - 360.0 * seconds / 86_400
        lon = (lon + 180.0) % 360.0 - 180.0
        dry = np.concatenate([on_land(lon[n : n + 8192], lat[n : n + 8192]) for n in range(0, lon.size, 8192)])
        at = np.flatnonzero(~dry & (np.abs(lat) < 70))
        lat, lon, angle, n = lat[at], lon[at], angle[at], at.size
        first = 2.5 + 1.5 * np.sin(np.radians(2 * lat))
        second = 1.2 + 0.5 * np.cos(np.radians(3 * lon))
        heights = np.stack([first, second], 1)
        heights[at % 7 == 0, 1] = np.nan
        lengths = np.stack([240 + 40 * np.sin(np.radians(lat)), np.full(n, 130.0)], 1)
        towards = np.stack([60 + 20 * np.sin(np.radians(lat)), np.full(n, 300.0)], 1)
        gone = np.isnan(heights)
        lengths[gone] = towards[gone] = np.nan
        f4 = np.float32
        return Acquisitions(
            labels=label_from_millis(START + np.round(1000 * seconds[at]).astype(np.int64)),
            lon=lon,
            lat=lat,
            heading=np.where(np.cos(angle) > 0, 348.0, 192.0).astype(f4),
            incidence=np.where(at % 2, 23.4, 36.6).astype(f4),
            hs=np.sqrt(np.nansum(heights**2, 1)).astype(f4),
            wavelength=lengths[:, 0].astype(f4),
            direction=towards[:, 0].astype(f4),
            wind_speed=(8 + 4 * np.cos(np.radians(2 * lon))).astype(f4),
            wind_from=np.full(n, 250.0, f4),
            quality=np.zeros(n, np.int8),
            satellite=np.full(n, name),
            mode=np.where(at % 2, "WV1", "WV2"),
            file=np.array([f"{name.lower()}-wv-ocn-vv-{number:06d}.nc" for number in at]),
            partition_hs=heights.astype(f4),
            partition_wavelength=lengths.astype(f4),
            partition_direction=towards.astype(f4),
            partition_quality=np.where(gone, -1, 0).astype(np.int8),
            total=n,
        )

    def answer(self, query: Any, _job: Any = None) -> Any:
        self.asked.append(query)
        if self.trouble is not None:
            raise self.trouble
        if isinstance(query, CatalogQuery):
            return Catalog({index: self._info(index) for index in ("S1AWV.v3<", "S1BWV.v3<")})
        if isinstance(query, FilesQuery):
            names = [name for one in self.satellites.values() for name in one.file.tolist()]
            return FileList(tuple(f"/archive/{name}" for name in names))
        flown = self.satellites[query.index.replace("<", "/")]
        if isinstance(query, AcquisitionsQuery):
            inside = query.bbox.contains(flown.lon, flown.lat)
            inside &= (flown.labels >= query.lapse.first.low) & (flown.labels < query.lapse.last.high)
            if not inside.any():
                raise NoData("no imagettes there")
            names = {field.name for field in dataclasses.fields(flown)} - {"total", "growth"}
            columns = {name: getattr(flown, name) for name in names}
            return Acquisitions(**{k: v[inside] for k, v in columns.items()}, total=int(inside.sum()))
        if isinstance(query, SpectrumQuery):
            return self._spectrum(flown, query)
        if isinstance(query, QuicklookQuery):
            grey = np.array([[0, 0, 0, 0], [90, 90, 90, 255]], np.uint8)
            return Quicklook(png.encode(np.ones((8, 8), np.uint8), grey), 8, 8)
        raise Unreadable(f"not asked of a month: {query!r}")

    def _info(self, index: str) -> IndexInfo:
        letter = index[2]
        swell = f"S1{letter}_WV_OCN__2S_ocean_swell_spectra_s1{letter.lower()}"
        names = {"l1_roughness": "Sea surface roughness", swell: "Ocean swell spectra"}
        variables = {name: VariableInfo(name, words) for name, words in names.items()}
        last = "2024-01-31T23:59:00Z"
        return IndexInfo(
            *(index, index, f"Sentinel-1{letter} wave mode", None, "2024-01-01T00:00:00Z", last),
            variables=variables,
            note="synthetic data",
            kind="wave",
        )

    def _spectrum(self, flown: Acquisitions, query: SpectrumQuery) -> WaveSpectrum:
        n = int(np.abs(millis_from_label(flown.labels) - millis_from_label(query.date.low)).argmin())
        there = np.flatnonzero(np.isfinite(flown.partition_hs[n]))
        columns = (flown.partition_hs[n], flown.partition_wavelength[n], flown.partition_direction[n])
        heights, lengths, towards = (column[there].astype(np.float64) for column in columns)
        bells = [spectrum_of(*one) for one in zip(heights, lengths, towards, strict=True)]
        energy = np.sum(bells, axis=0)
        partitions = np.full(energy.shape, -1, np.int16)
        for number, bell in enumerate(bells):
            partitions[(bell > 0.1 * bell.max()) & (partitions < 0)] = 10 * number
        opposite = np.roll(energy, 18, axis=1)
        east, north = np.meshgrid(np.arange(200) * 100.0, -np.arange(200) * 100.0)
        waves = sum(
            h * np.cos(2 * np.pi / w * (np.sin(np.radians(d)) * east + np.cos(np.radians(d)) * north))
            for h, w, d in zip(heights, lengths, towards, strict=True)
        )
        model = spectrum_of(2.4, 1.1 * lengths[0], towards[0] + 8, 0.2, 22.0)
        noise = np.random.default_rng(n).normal(0, 0.1, (200, 200))
        stamp = Stamp(int(flown.labels[n]))
        # As later products have it, those of one of the two satellites have the cross spectrum over range and azimuth.
        later = str(flown.satellite[n]) == "S1B"
        swells = list(zip(heights.tolist(), lengths.tolist(), towards.tolist(), strict=True))
        return WaveSpectrum(
            time=stamp,
            lon=float(flown.lon[n]),
            lat=float(flown.lat[n]),
            satellite=str(flown.satellite[n]),
            mode=str(flown.mode[n]),
            file=f"{flown.file[n]}{HOSTILE}",
            incidence=float(flown.incidence[n]),
            heading=float(flown.heading[n]),
            k=K,
            phi=PHI,
            energy=energy,
            cross_re=None if later else energy + opposite,
            cross_im=None if later else 0.6 * (energy - opposite),
            cartesian=cartesian_of(swells, float(flown.heading[n])) if later else None,
            lag="looks 1 to 2, 0.4 s apart",
            partitions=partitions,
            partition_ids=(10 * np.arange(there.size)).astype(np.int16),
            partition_hs=heights,
            partition_wavelength=lengths,
            partition_direction=towards,
            partition_quality=np.zeros(there.size, np.int8),
            partition_iconf=np.zeros(there.size, np.int8),
            partition_ambiguity=np.full(there.size, 0.8),
            wind_speed=float(flown.wind_speed[n]),
            wind_from=250.0,
            cutoff=210.0,
            shortest=np.maximum(30.0, 210.0 * np.abs(np.cos(np.radians(PHI - flown.heading[n])))),
            nrcs=-6.5,
            hs=float(np.sqrt((heights**2).sum())),
            total_hs=np.nan,
            quality=0,
            roughness=(1 + 0.1 * waves + noise).astype(np.float32),
            roughness_spacing=100.0,
            model=ModelSpectrum(model, "ww3.nc", stamp, 0.0, 0.0, 34.0, 1.5, 2.4, 2.1, 13.0, 70.0),
            notes=("synthetic data", HOSTILE),
        )
