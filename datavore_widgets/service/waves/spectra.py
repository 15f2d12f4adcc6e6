"""The physics of directional wave spectra: what is integrated over what.

A spectrum here is E(k, φ) in m⁴: the density of elevation variance over the plane of wavenumbers (kx, ky), in rad/m,
given at wavenumbers k and directions φ. The variance of a bin is E·k·Δk·Δφ, φ in radians: the k is the Jacobian of
polar coordinates. Public readers of `oswPolSpec` that leave it out take the unit for m³ or m²; the unit that the files
tell, m⁴, is that of a density over (kx, ky), and tests integrate one by hand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from datavore_widgets.service.waves.directions import turned

__all__ = [
    "GRAVITY",
    "Peak",
    "azimuth_wavenumber",
    "edges",
    "frequency",
    "frequency_spectrum",
    "group_velocity",
    "heights",
    "measure",
    "peak",
    "resolved",
    "rings",
    "significant_height",
]

Floats = NDArray[np.float64]

GRAVITY = 9.80665
"""m/s², the standard acceleration of free fall."""


def edges(centers: ArrayLike) -> Floats:
    """Limits of bins on a logarithmic axis: geometric means between neighbours, the ends by the same ratio.

    Parameters
    ----------
    centers : array_like, shape (n,)
        Positive, ascending; n is 2 or more.

    Returns
    -------
    ndarray, shape (n + 1,)

    Examples
    --------
    >>> edges([1.0, 4.0, 16.0]).round(9).tolist()
    [0.5, 2.0, 8.0, 32.0]
    """
    logs = np.log(np.asarray(centers, dtype=np.float64))
    middles = (logs[1:] + logs[:-1]) / 2
    limits = np.concatenate([[2 * logs[0] - middles[0]], middles, [2 * logs[-1] - middles[-1]]])
    return np.asarray(np.exp(limits))


def rings(phi: ArrayLike) -> Floats:
    """Widths of bins of direction in radians: half the way to each neighbour, around the circle.

    Examples
    --------
    >>> np.rad2deg(rings([0, 90, 180, 270])).round(9).tolist()
    [90.0, 90.0, 90.0, 90.0]
    """
    degrees = np.asarray(phi, dtype=np.float64)
    if degrees.size == 1:
        return np.array([2 * math.pi])
    order = np.argsort(turned(degrees))
    along = turned(degrees)[order]
    gaps = np.diff(along, append=along[0] + 360.0)
    widths = np.empty(degrees.size)
    widths[order] = np.deg2rad((gaps + np.roll(gaps, 1)) / 2)
    return widths


def measure(k: ArrayLike, phi: ArrayLike) -> Floats:
    """k·Δk·Δφ of each bin in (rad/m)², shape (nk, nphi): what a density over (kx, ky) is multiplied with."""
    wavenumbers = np.asarray(k, dtype=np.float64)
    return (wavenumbers * np.diff(edges(wavenumbers)))[:, np.newaxis] * rings(phi)[np.newaxis, :]


def significant_height(k: ArrayLike, phi: ArrayLike, energy: ArrayLike, where: ArrayLike | bool = True) -> float:
    """Hm0 = 4·√m0 with m0 = Σ E·k·Δk·Δφ, in m.

    Parameters
    ----------
    k, phi : array_like
        Axes: rad/m, degrees.
    energy : array_like, shape (nk, nphi)
        m⁴. Bins that are NaN count as nothing.
    where : array_like of bool
        The bins that count.

    Notes
    -----
    WMO Guide to Wave Analysis and Forecasting (WMO-No. 702), section 1.3: the significant wave height of a spectrum is
    four times the square root of its variance.
    """
    variance = np.nansum(np.where(where, np.asarray(energy, dtype=np.float64) * measure(k, phi), 0.0))
    return 4.0 * math.sqrt(max(float(variance), 0.0))


def heights(parts: ArrayLike, axis: int = -1) -> Floats:
    """The height of several wave systems together, √ΣHs²: variances add, heights do not. NaN where all are missing."""
    squares = np.square(np.asarray(parts, dtype=np.float64))
    together = np.sqrt(np.nansum(squares, axis=axis))
    return np.where(np.isnan(squares).all(axis=axis), np.nan, together)


def frequency(k: ArrayLike) -> Floats:
    """Hz of a wavenumber in deep water: ω² = g·k (Airy's linear theory; Holthuijsen 2007, section 5.4)."""
    return np.sqrt(GRAVITY * np.asarray(k, dtype=np.float64)) / (2 * math.pi)


def frequency_spectrum(k: ArrayLike, energy: ArrayLike) -> Floats:
    """E(f, θ) in m² s/rad of E(k, φ) in m⁴: E·k·dk/df, dk/df = 8π²f/g in deep water.

    The variance in a bin is one and the same: E(f, θ) df dθ = E(kx, ky) k dk dφ.

    Returns
    -------
    ndarray, shape (nk, nphi)
        At the frequencies `frequency(k)`.
    """
    wavenumbers = np.asarray(k, dtype=np.float64)
    slope = 8 * math.pi**2 * frequency(wavenumbers) / GRAVITY
    return np.asarray(energy, dtype=np.float64) * (wavenumbers * slope)[:, np.newaxis]


def group_velocity(wavelength: ArrayLike) -> Floats:
    """m/s at which the energy of waves of a length (m) travels in deep water: half the phase speed, √(g/k)/2."""
    return np.sqrt(GRAVITY * np.asarray(wavelength, dtype=np.float64) / (2 * math.pi)) / 2


def azimuth_wavenumber(k: ArrayLike, phi: ArrayLike, heading: float) -> Floats:
    """The part of each bin's wavenumber along the flight, k·cos(φ − heading), in rad/m, shape (nk, nphi)."""
    along = np.cos(np.deg2rad(np.asarray(phi, dtype=np.float64) - heading))
    return np.asarray(k, dtype=np.float64)[:, np.newaxis] * along[np.newaxis, :]


def resolved(k: ArrayLike, phi: ArrayLike, heading: float, cutoff: float) -> NDArray[np.bool_]:
    """The bins inside the azimuth cut-off: |k_azimuth| ≤ 2π/λc, a band between two lines and no ring.

    Parameters
    ----------
    heading : float
        Degrees clockwise from north.
    cutoff : float
        λc in m. Waves that travel along the flight are blurred by the motion of the surface while it is seen
        (Kerbaol et al. 1998, Journal of Geophysical Research 103, 7833): shorter ones are not resolved.
    """
    return np.abs(azimuth_wavenumber(k, phi, heading)) <= 2 * math.pi / cutoff


@dataclass(frozen=True)
class Peak:
    """The highest bin of a spectrum: m, degrees towards, m⁴."""

    wavelength: float
    direction: float
    energy: float


def peak(k: ArrayLike, phi: ArrayLike, energy: ArrayLike, where: ArrayLike | bool = True) -> Peak | None:
    """The highest bin of some; None where there is no energy."""
    masked = np.where(where, np.nan_to_num(np.asarray(energy, dtype=np.float64)), 0.0)
    row, column = np.unravel_index(int(np.argmax(masked)), masked.shape)
    if not masked[row, column] > 0:
        return None
    direction = float(turned(np.asarray(phi)[column]))
    return Peak(2 * math.pi / float(np.asarray(k)[row]), direction, float(masked[row, column]))
