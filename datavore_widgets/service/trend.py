"""The linear trend of a deseasonalised series, with an interval that heeds how neighbours are alike."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.protocol.answers import Trend

__all__ = ["LEVEL", "trend_of"]

LEVEL = 0.95
_FEW = 3


def trend_of(
    years: NDArray[np.float64], values: NDArray[np.float64], season: NDArray[np.int64], of: str = ""
) -> Trend | None:
    """Slope of a line through a series, by least squares; None for fewer than three values.

    The line and the mean of each season are fitted at once. That is the same as taking the mean of each season off the
    values and off the times before the fit (Frisch & Waugh 1933; Lovell 1963). Taken off the values alone
    they would take a part of the rise with them: of two whole years a quarter, of ten a hundredth.

    The interval is that of Student's t with n_eff = n (1 - r₁) / (1 + r₁) independent values, at most n, of which the
    line takes two (Santer et al. 2000, eq. 6) and each further season the share n_eff / n of one: without memory that
    is the interval of the fit itself.

    Parameters
    ----------
    years : ndarray of float64, shape (n,)
        Times in years.
    values : ndarray of float64, shape (n,)
        Missing is NaN.
    season : ndarray of int64, shape (n,)
        Which part of the year each value is of, from 0 on; all the same for none.
    of : str
        What these parts are called; empty for none.
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
    free = n_eff - 2 - (np.count_nonzero(seasons) - 1) * n_eff / n
    low = high = None
    if free > 0:
        # Here, not at the top: whoever wants no trend needs no scipy.
        from scipy.special import stdtrit

        reach = float(stdtrit(free, (1 + LEVEL) / 2)) * math.sqrt(square / free / across)
        low, high = slope - reach, slope + reach
    method = "least squares of a line" + (f" and the means of the {of} at once" if of else "")
    return Trend(slope, low, high, LEVEL, n, r1, n_eff, method)
