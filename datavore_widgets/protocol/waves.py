"""What is given back about Sentinel-1's wave mode: pictures, lists of acquisitions, and spectra with all that is known.

One convention throughout: waves are told by where they go *towards*, winds by where they come *from*, both in degrees
clockwise from north. A missing number is NaN, a missing code -1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.protocol.growth import Growth
from datavore_widgets.protocol.times import Stamp

__all__ = ["Acquisitions", "CartesianCross", "ModelSpectrum", "Quicklook", "WaveSpectrum"]

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Quicklook:
    """A labelled picture of one acquisition. What a server does not tell is None.

    Parameters
    ----------
    png : bytes
        The picture, its labels in it.
    width, height : int
        Pixels.
    time : Stamp, optional
        Of the acquisition shown.
    lon, lat : float, optional
        Its centre in degrees.
    satellite, mode : str
        Such as `S1A` and `WV1`.
    incidence : float, optional
        Degrees.
    units, long_name : str
        Of what is coloured.
    note : str
        What is doubtful or absent; "synthetic data".
    file : str
        The name of the file that it comes from.
    """

    png: bytes = field(repr=False)
    width: int
    height: int
    time: Stamp | None = None
    lon: float | None = None
    lat: float | None = None
    satellite: str = ""
    mode: str = ""
    incidence: float | None = None
    units: str = ""
    long_name: str = ""
    note: str = ""
    file: str = ""


@dataclass(frozen=True, eq=False)
class Acquisitions:
    """Acquisitions of 20 by 20 km, one a row, in the order of time.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        Times (see `protocol.times`).
    lon, lat : ndarray of float64, shape (n,)
        Centres in degrees.
    heading : ndarray of float32, shape (n,)
        Where the satellite flies to, degrees clockwise from north.
    incidence : ndarray of float32, shape (n,)
        Degrees.
    hs : ndarray of float32, shape (n,)
        Significant wave height in m: the file's total where it has one, else of the resolved part of the spectrum.
    wavelength, direction : ndarray of float32, shape (n,)
        Of the dominant partition: m, and degrees towards.
    wind_speed, wind_from : ndarray of float32, shape (n,)
        m/s, and degrees from.
    quality : ndarray of int8, shape (n,)
        As in the files, 0 is good; -1 is unknown.
    satellite, mode : ndarray of str, shape (n,)
        Such as `S1A` and `WV1`.
    file : ndarray of str, shape (n,)
        Names of the files.
    partition_hs, partition_wavelength, partition_direction : ndarray of float32, shape (n, p)
        Of each partition: m, m, degrees towards; NaN where there is none.
    partition_quality : ndarray of int8, shape (n, p)
        0 is best; -1 where there is none.
    total : int
        How many there were before `limit`.
    growth : Growth, optional
        Where the files are still looked into, and there will be more.
    """

    labels: NDArray[np.int64]
    lon: Floats
    lat: Floats
    heading: Floats
    incidence: Floats
    hs: Floats
    wavelength: Floats
    direction: Floats
    wind_speed: Floats
    wind_from: Floats
    quality: Ints
    satellite: NDArray[np.str_]
    mode: NDArray[np.str_]
    file: NDArray[np.str_]
    partition_hs: Floats
    partition_wavelength: Floats
    partition_direction: Floats
    partition_quality: Ints
    total: int
    growth: Growth | None = None

    def __len__(self) -> int:
        return self.labels.size


@dataclass(frozen=True, eq=False)
class ModelSpectrum:
    """A wave model's spectrum on the axes of the acquisition that it is compared with.

    Parameters
    ----------
    energy : ndarray of float64, shape (nk, nphi)
        m⁴, density over (kx, ky).
    source : str
        The file.
    time : Stamp
        The model's.
    lon, lat : float
        The model's point in degrees.
    distance : float
        km from the acquisition to that point.
    hours : float
        Hours from the acquisition to the model's time; negative is before.
    hs : float
        Of the whole spectrum of the model, m.
    hs_inside : float
        Of its part with |k_azimuth| below the azimuth cut-off, m; NaN where the cut-off is not known.
    period : float
        Of the peak of the whole spectrum, s.
    direction : float
        The mean of the whole spectrum, degrees towards.
    """

    energy: Floats
    source: str
    time: Stamp
    lon: float
    lat: float
    distance: float
    hours: float
    hs: float
    hs_inside: float
    period: float
    direction: float


@dataclass(frozen=True, eq=False)
class CartesianCross:
    """A cross spectrum over wavenumbers along range and azimuth.

    Parameters
    ----------
    re, im : ndarray, shape (na, nr)
        Its real and imaginary parts.
    k_range : ndarray, shape (nr,)
        rad/m, along the direction that the radar looks to.
    k_azimuth : ndarray, shape (na,)
        rad/m, along the direction of flight.
    """

    re: Floats
    im: Floats
    k_range: Floats
    k_azimuth: Floats


@dataclass(frozen=True, eq=False)
class WaveSpectrum:
    """One acquisition with all that is known of it.

    Parameters
    ----------
    time : Stamp
        UTC.
    lon, lat : float
        Centre, degrees.
    satellite, mode : str
        Such as `S1A` and `WV1`.
    file : str
        The name of the file.
    incidence, heading : float
        Degrees; the heading is where the satellite flies to, clockwise from north.
    k : ndarray, shape (nk,)
        Wavenumbers in rad/m, ascending.
    phi : ndarray, shape (nphi,)
        Directions towards, degrees clockwise from north, ascending.
    energy : ndarray, shape (nk, nphi)
        m⁴: density of elevation variance over (kx, ky). NaN where there is no spectrum.
    cross_re, cross_im : ndarray, shape (nk, nphi), optional
        The cross spectrum of two looks on the same axes.
    cartesian : CartesianCross, optional
        The cross spectrum over range and azimuth, in files that have it.
    lag : str
        What is known of the looks: their order and the time between them.
    partitions : ndarray of int16, shape (nk, nphi)
        Which partition each bin belongs to, as one of `partition_ids`; -1 for none.
    partition_ids : ndarray of int16, shape (p,)
        As they are written in the file.
    partition_hs, partition_wavelength, partition_direction : ndarray, shape (p,)
        m, m, degrees towards; NaN where it is missing.
    partition_quality, partition_iconf : ndarray of int8, shape (p,)
        As in the file, 0 is best; -1 is unknown.
    partition_ambiguity : ndarray, shape (p,)
        How far the 180° ambiguity is resolved, as in the file.
    wind_speed, wind_from : float
        m/s, degrees from.
    cutoff : float
        Azimuth cut-off wavelength in m: nothing with |k_azimuth| above 2π/cutoff is resolved.
    shortest : ndarray, shape (nphi,), optional
        The shortest wavelength that is resolved in each direction, as the file has it (`oswSpecRes`), m.
    nrcs : float
        Normalized radar cross section, dB; NaN where it is missing.
    hs : float
        Of the spectrum, integrated: the resolved part. m.
    total_hs : float
        The file's own total, which takes in what the cut-off removes; NaN in files without it. m.
    quality : int
        As in the file, 0 is good; -1 is unknown.
    roughness : ndarray, shape (ny, nx), optional
        Sea surface roughness, north up: rows from north to south, columns from west to east; NaN outside.
    roughness_spacing : float
        Metres between its pixels.
    model : ModelSpectrum, optional
        A wave model's spectrum near it.
    notes : tuple of str
        What is absent and what is doubtful, a sentence each.
    """

    time: Stamp
    lon: float
    lat: float
    satellite: str
    mode: str
    file: str
    incidence: float
    heading: float
    k: Floats
    phi: Floats
    energy: Floats
    cross_re: Floats | None
    cross_im: Floats | None
    cartesian: CartesianCross | None
    lag: str
    partitions: Ints
    partition_ids: Ints
    partition_hs: Floats
    partition_wavelength: Floats
    partition_direction: Floats
    partition_quality: Ints
    partition_iconf: Ints
    partition_ambiguity: Floats
    wind_speed: float
    wind_from: float
    cutoff: float
    shortest: Floats | None
    nrcs: float
    hs: float
    total_hs: float
    quality: int
    roughness: Floats | None
    roughness_spacing: float
    model: ModelSpectrum | None
    notes: tuple[str, ...]
