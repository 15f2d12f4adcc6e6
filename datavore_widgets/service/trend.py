"""The linear trend of a deseasonalised series, with an interval that heeds how neighbours are alike."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.protocol.answers import Trend

__all__ = ["LEVEL", "trend_of"]

LEVEL = 0.95
_FEW = 3


def trend_of(years: NDArray[np.float64], values: NDArray[np.float64], season: NDArray[np.int64]) -> Trend | None:
    """Slope of a line through a series, by least squares; None for fewer than three values.

    The mean of each season is taken off the values and off the times, which is the same as fitting a line and the
    means of all seasons at once (Frisch & Waugh 1933), so that a steady rise is found as it is however many years
    there are. The interval is that of Student's t with n_eff = n (1 - r₁) / (1 + r₁) independent values, at most n
    (Santer et al. 2000, eq. 6).

    Parameters
    ----------
    years : ndarray of float64, shape (n,)
        Times in years.
    values : ndarray of float64, shape (n,)
        Missing is NaN.
    season : ndarray of int64, shape (n,)
        Which part of the year each value is of, from 0 on; all the same for none.
    """
    there = np.isfinite(values)
    n = int(np.count_nonzero(there))
    if n < _FEW:
        return None
    x, y, part = years[there], values[there], season[there]
    seasons = np.bincount(part)
    x, y = (one - (np.bincount(part, one - one.mean()) / np.maximum(seasons, 1))[part] - one.mean() for one in (x, y))
    across = float(x @ x)
    if across <= 0:
        return None
    slope = float(x @ y) / across
    rest = np.full(values.size, np.nan)
    rest[there] = y - slope * x
    pairs = np.isfinite(rest[1:]) & np.isfinite(rest[:-1])
    square = float(np.nansum(rest**2))
    r1 = float(rest[1:][pairs] @ rest[:-1][pairs]) / square if square > 0 and pairs.any() else None
    n_eff = float(n) if r1 is None else min(float(n), n * (1 - r1) / (1 + r1))
    low = high = None
    if n_eff > 2:
        # Here, not at the top: whoever wants no trend needs no scipy.
        from scipy.special import stdtrit

        reach = float(stdtrit(n_eff - 2, (1 + LEVEL) / 2)) * math.sqrt(square / (n_eff - 2) / across)
        low, high = slope - reach, slope + reach
    return Trend(slope, low, high, LEVEL, n, r1, n_eff)
