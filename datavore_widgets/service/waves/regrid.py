"""Spectra from one polar grid to another, with every bit of variance kept or accounted for."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from datavore_widgets.service.waves.directions import turned
from datavore_widgets.service.waves.spectra import edges, measure, rings

__all__ = ["regrid"]

Floats = NDArray[np.float64]


def regrid(
    variance: ArrayLike, k_edges: ArrayLike, phi: ArrayLike, to_k: ArrayLike, to_phi: ArrayLike
) -> tuple[Floats, float]:
    """The density on other axes of variances in bins.

    Parameters
    ----------
    variance : array_like, shape (nk, nphi)
        m² in each bin.
    k_edges : array_like, shape (nk + 1,)
        Limits of the bins, rad/m, ascending.
    phi : array_like, shape (nphi,)
        Directions of the bins, degrees.
    to_k, to_phi : array_like
        The axes wanted: rad/m ascending, degrees.

    Returns
    -------
    energy : ndarray, shape (len(to_k), len(to_phi))
        m⁴, density over (kx, ky).
    outside : float
        m² that lie at wavenumbers which the axes wanted do not have. What is inside is conserved: the sum of
        `energy * measure(to_k, to_phi)` and `outside` is that of `variance`.

    Notes
    -----
    First-order conservative remapping (Jones 1999, Monthly Weather Review 127, 2204): a bin gives to another the part
    of its variance that the overlap is of it, spread evenly over ln k and over direction.
    """
    given = np.nan_to_num(np.asarray(variance, dtype=np.float64))
    rows = _overlaps(np.log(np.asarray(k_edges, dtype=np.float64)), np.log(edges(to_k)))
    columns = _overlaps_around(np.asarray(phi, dtype=np.float64), np.asarray(to_phi, dtype=np.float64))
    moved = rows @ given @ columns.T
    return moved / measure(to_k, to_phi), float(given.sum() - moved.sum())


def _overlaps(limits: Floats, wanted: Floats) -> Floats:
    """What part of each bin lies in each wanted one, shape (wanted, given)."""
    low = np.maximum(wanted[:-1, np.newaxis], limits[np.newaxis, :-1])
    high = np.minimum(wanted[1:, np.newaxis], limits[np.newaxis, 1:])
    return np.asarray(np.maximum(high - low, 0.0) / np.diff(limits)[np.newaxis, :])


def _bins_around(phi: Floats) -> tuple[Floats, Floats]:
    """First limits and widths of bins around the circle, degrees, each half the way to its neighbours."""
    order = np.argsort(turned(phi))
    along = turned(phi)[order]
    before = np.empty(phi.size)
    before[order] = np.diff(along, prepend=along[-1] - 360.0) / 2 if phi.size > 1 else 180.0
    return turned(phi) - before, np.rad2deg(rings(phi))


def _overlaps_around(phi: Floats, wanted: Floats) -> Floats:
    """What part of each bin of direction lies in each wanted one, shape (wanted, given)."""
    first, width = _bins_around(phi)
    to_first, to_width = _bins_around(wanted)
    total = np.zeros((wanted.size, phi.size))
    for turn in (-720.0, -360.0, 0.0, 360.0, 720.0):
        low = np.maximum(to_first[:, np.newaxis], first[np.newaxis, :] + turn)
        high = np.minimum((to_first + to_width)[:, np.newaxis], (first + width)[np.newaxis, :] + turn)
        total += np.maximum(high - low, 0.0)
    return total / width[np.newaxis, :]
