"""Round numbers and round dates for axes and bars."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.widgets.text import tick_decimals

__all__ = ["log_ticks", "ticks", "time_ticks"]

_HOUR = 3_600_000
_DAY = 24 * _HOUR
_SMALL_STEPS = (1000, 5000, 15_000, 60_000, 300_000, 900_000, _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR)
_DAY_STEPS = (1, 2, 5, 10)
_MONTH_STEPS = (1, 2, 3, 6)
_YEAR = 365.2425 * _DAY


def ticks(low: float, high: float, most: int = 8) -> tuple[list[float], int]:
    """Round values between two limits, and the decimals that tell them apart.

    The step is 1, 2, 2.5 or 5 times a power of ten.

    Examples
    --------
    >>> ticks(-1.8, 29.3)
    ([0.0, 5.0, 10.0, 15.0, 20.0, 25.0], 0)
    """
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [n * step for n in range(first, last + 1)], tick_decimals(step)


def log_ticks(low: float, high: float, most: int = 8) -> list[float]:
    """Round values between two limits above 0, for a logarithmic scale.

    Powers of ten, with 2 and 5 times them, or with 3 times them, where there is room.

    Examples
    --------
    >>> log_ticks(0.03, 20)
    [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0]
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found: list[float] = []
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = [float(f"{factor}e{power}") for power in decades for factor in factors]
        found = [value for value in found if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]
        if len(found) <= most + 1:
            return found
    return found[:: -(-len(found) // most)]


def time_ticks(first: int, last: int, most: int = 11) -> tuple[NDArray[np.datetime64], str]:
    """Round dates between two times in milliseconds since 1970, and the d3 format that they need.

    Years come in ones, twos, fives and tens; months in ones, twos, threes and sixes; days start with the month, so
    that the first of each is always among them.
    """
    rough = (last - first) / most
    if rough > 31 * 6 * _DAY:
        step = next(f * 10**p for p in range(5) for f in (1, 2, 5) if f * 10**p * _YEAR >= rough)
        years = np.arange(_year(first) // step * step, _year(last) + 1, step)
        return _inside(years - 1970, "Y", first, last), "%Y"
    if rough > 10 * _DAY:
        step = next(m for m in (*_MONTH_STEPS, 12) if m * 31 * _DAY >= rough)
        months = np.arange(_months(first) // step * step, _months(last) + 1, step)
        return _inside(months, "M", first, last), "%b %Y"
    if rough > 12 * _HOUR:
        step = next(d for d in _DAY_STEPS if d * _DAY >= rough)
        days = np.arange(first // _DAY, last // _DAY + 1).astype("M8[D]")
        of_month = (days - days.astype("M8[M]").astype("M8[D]")).astype(int)
        kept = days[(of_month % step == 0) & ((of_month < 30) | (step == 1))]
        return _inside(kept.astype(np.int64), "D", first, last), "%d %b %Y"
    step = next((s for s in _SMALL_STEPS if s >= rough), _DAY)
    stamps = np.arange(first // step * step, last + 1, step)
    return _inside(stamps, "ms", first, last), "%H:%M:%S" if step < 60_000 else "%d %b %H:%M"


def _inside(numbers: NDArray[np.int64], unit: str, first: int, last: int) -> NDArray[np.datetime64]:
    times = numbers.astype(f"M8[{unit}]").astype("M8[ms]")
    millis = times.astype(np.int64)
    inside: NDArray[np.datetime64] = times[(millis >= first) & (millis <= last)]
    return inside


def _year(millis: int) -> int:
    return _months(millis) // 12 + 1970


def _months(millis: int) -> int:
    return int(np.datetime64(millis, "ms").astype("M8[M]").astype(np.int64))
