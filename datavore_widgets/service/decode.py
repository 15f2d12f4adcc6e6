"""From the values as they are stored to values, by the CF conventions.

Stored values are turned into floats only where the file says so (`scale_factor`, `add_offset`); integers stay
integers, with a mask. Floats come out as xarray's own decoding gives them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol.masks import is_masked
from datavore_widgets.protocol.times import (
    canonical_calendar,
    date_of_day,
    day_number,
    label_from_millis,
    label_from_parts,
)

__all__ = ["Packing", "combined", "flag_masks", "flag_meanings", "is_time_unit", "labels_from_times", "millis_of_unit"]

_MILLIS = {
    "nano": 1e-6,
    "micro": 1e-3,
    "milli": 1,
    "second": 1000,
    "minute": 60_000,
    "hour": 3_600_000,
    "day": 86_400_000,
    "week": 604_800_000,
}
_UNIT_NAMES = {
    **dict.fromkeys(("nanoseconds", "nanosecond", "nanosec", "nsec", "ns"), "nano"),
    **dict.fromkeys(("microseconds", "microsecond", "microsec", "usec", "us"), "micro"),
    **dict.fromkeys(("milliseconds", "millisecond", "millisec", "millisecs", "msec", "msecs", "ms"), "milli"),
    **dict.fromkeys(("seconds", "second", "sec", "secs", "s"), "second"),
    **dict.fromkeys(("minutes", "minute", "min", "mins"), "minute"),
    **dict.fromkeys(("hours", "hour", "hr", "hrs", "h"), "hour"),
    **dict.fromkeys(("days", "day", "d"), "day"),
    **dict.fromkeys(("weeks", "week"), "week"),
}
_SINCE = re.compile(r"^\s*(?P<unit>[A-Za-z]+)\s+since\s+(?P<start>\S.*?)\s*$", re.IGNORECASE)
_START = re.compile(
    r"(?P<year>[+-]?\d{1,4})(?:-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2}))?)?"
    r"(?:[T ]+(?P<hour>\d{1,2})(?::(?P<minute>\d{1,2})(?::(?P<second>\d{1,2}(?:\.\d*)?))?)?)?"
    r"\s*(?P<zone>Z|UTC|GMT|[+-]\d{1,2}(?::?\d{2})?)?$",
    re.IGNORECASE,
)
_AS_DIGITS = re.compile(r"^\s*days?\s+as\s+%Y%m%d(\.%f)?\s*$", re.IGNORECASE)
"""Dates written as the digits of a number, with the part of the day behind the point: what CDO makes."""
_MONTHS = {"month": 1, "months": 1, "year": 12, "years": 12}
_DAY = 86_400_000
_MOST_BITS = 4
"""Bits of flags whose combinations are categories: 16 of them."""
_ROUNDING = 0.01
"""Part of a packed step by which a valid end may lie beside a whole one: what scale and offset in float32 lose."""
# From this day on the standard calendar is the proleptic Gregorian one, in which numpy counts.
_GREGORIAN_START = int(np.datetime64("1582-10-15", "ms").astype(np.int64))
# Milliseconds of float64 times are whole numbers up to here (2**53, the year 287396).
_EXACT = float(2**53)


@dataclass(frozen=True)
class Packing:
    """How the stored values of one variable become values.

    Parameters
    ----------
    stored : dtype
        Of the values as they lie in the file, in the machine's byte order.
    dtype : dtype
        Of the decoded values.
    fills : tuple of scalars
        Stored values that mean "missing".
    minimum, maximum : scalar, optional
        Stored values outside are missing.
    scale, offset : scalar, optional
        value = stored · scale + offset.
    """

    stored: np.dtype[Any]
    dtype: np.dtype[Any]
    fills: tuple[Any, ...] = ()
    minimum: Any = None
    maximum: Any = None
    scale: Any = None
    offset: Any = None

    @classmethod
    def of(cls, dtype: np.dtype[Any], attrs: Mapping[str, Any], encoding: Mapping[str, Any] | None = None) -> Packing:
        """The packing that attributes tell.

        Parameters
        ----------
        dtype : dtype
            Of the stored values.
        attrs : mapping
            The variable's attributes.
        encoding : mapping, optional
            Of a variable that xarray has decoded: what the attributes were.
        """
        stored = _signed_as_told(dtype.newbyteorder("="), attrs.get("_Unsigned"))
        scale, offset = _scalar(attrs.get("scale_factor")), _scalar(attrs.get("add_offset"))
        fills = tuple(
            fill
            for name in ("_FillValue", "missing_value")
            for value in np.ravel(attrs.get(name, ()))
            if (fill := _as_stored(value, stored, dtype)) is not None
        )
        low, high = _valid_range(attrs, stored, dtype, scale, offset, encoding or {})
        decoded = stored
        if stored.kind in "iuf" and (scale is not None or offset is not None):
            decoded = _float_type(stored, scale, offset)
        return cls(stored, decoded, fills, low, high, scale, offset)

    @property
    def can_miss(self) -> bool:
        """Whether any stored value means "missing"."""
        return bool(self.fills) or self.minimum is not None or self.maximum is not None

    def decode(self, raw: NDArray[Any]) -> NDArray[Any]:
        """Values of stored ones: floats with NaN for missing; integers masked where any value may be missing."""
        data = np.asarray(raw)
        if data.dtype.newbyteorder("=") != self.stored:
            data = data.view(self.stored.newbyteorder(data.dtype.byteorder))
        missing = self.missing(data) if self.can_miss else None
        if self.dtype.kind != "f":
            values = data.astype(self.dtype)
            return values if missing is None else np.ma.MaskedArray(values, mask=missing)
        values = data.astype(self.dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            # Of a large fill value, which is missing in a moment.
            if self.scale is not None:
                values *= self.scale
            if self.offset is not None:
                values += self.offset
        if missing is not None:
            values[missing] = np.nan
        return values

    def missing(self, data: NDArray[Any]) -> NDArray[np.bool_]:
        """Where stored values, with the sign that they are meant to have, mean "missing"."""
        missing = np.zeros(data.shape, dtype=bool)
        for fill in self.fills:
            missing |= data == fill
        if self.minimum is not None:
            missing |= data < self.minimum
        if self.maximum is not None:
            missing |= data > self.maximum
        return missing


def _scalar(value: Any) -> Any:
    """The number of an attribute, in its own type; None where there is none or it changes nothing."""
    if value is None:
        return None
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "iuf":
        return None
    return array.reshape(())[()]


def _signed_as_told(dtype: np.dtype[Any], unsigned: Any) -> np.dtype[Any]:
    """The type with the sign that the attribute `_Unsigned` (NetCDF users' guide) gives to the same bytes."""
    if dtype.kind == "i" and str(unsigned).lower() == "true":
        return np.dtype(f"u{dtype.itemsize}")
    if dtype.kind == "u" and str(unsigned).lower() == "false":
        return np.dtype(f"i{dtype.itemsize}")
    return dtype


def _as_stored(value: Any, stored: np.dtype[Any], dtype: np.dtype[Any]) -> Any:
    """A fill value in the type of the stored values; None where it can equal none of them."""
    number = np.asarray(value)
    if number.dtype.kind not in "iuf" or stored.kind not in "iuf":
        return None
    if stored.kind == "f":
        with np.errstate(over="ignore"):
            fill = number.astype(stored)[()]
        return None if np.isnan(fill) else fill
    if not np.isfinite(number) or number != np.trunc(number):
        return None
    whole = int(number)
    if dtype.kind != stored.kind and dtype.kind in "iu":
        # Written with the sign of the container, meant without it, or the other way round.
        whole = whole % 2 ** (8 * stored.itemsize)
        if stored.kind == "i" and whole > np.iinfo(stored).max:
            whole -= 2 ** (8 * stored.itemsize)
    limits = np.iinfo(stored)
    return stored.type(whole) if limits.min <= whole <= limits.max else None


def _valid_range(
    attrs: Mapping[str, Any],
    stored: np.dtype[Any],
    dtype: np.dtype[Any],
    scale: Any,
    offset: Any,
    encoding: Mapping[str, Any],
) -> tuple[Any, Any]:
    """Smallest and largest valid stored value (CF 2.5.1).

    They are in the stored type, unless they are floats on packed integers, which the NetCDF users' guide reads as
    values. Of a variable that is decoded already they are still those of the packed values.
    """
    if stored.kind not in "iuf":
        return None, None
    pair = np.atleast_1d(attrs.get("valid_range", ()))
    told = (pair[0], pair[1]) if pair.size == 2 else (attrs.get("valid_min"), attrs.get("valid_max"))
    was_packed = "scale_factor" in encoding or "add_offset" in encoding
    packed = np.dtype(encoding["dtype"]) if was_packed and "dtype" in encoding else stored
    if was_packed:
        scale, offset = _scalar(encoding.get("scale_factor")), _scalar(encoding.get("add_offset"))
    step, start = float(1 if scale is None else scale), float(offset or 0)
    ends: list[Any] = [None, None]
    for place, end in enumerate(told):
        number = _scalar(end)
        if number is None or not np.isfinite(number):
            continue
        if number.dtype.kind == "f" and packed.kind in "iu":
            # Of values that fall where the packed ones rise, the smallest is the largest packed one.
            is_top = (place == 1) != (step < 0)
            whole = (float(number) - start) / step
            ends[is_top] = math.floor(whole + _ROUNDING) if is_top else math.ceil(whole - _ROUNDING)
        elif not was_packed and (stored.kind == "f" or stored.kind != dtype.kind):
            # As exact as the values are, and with the sign that they are meant to have.
            ends[place] = _as_stored(number, stored, dtype)
        else:
            ends[place] = number
    if step < 0 and None not in ends and ends[0] > ends[1]:
        ends.reverse()
    if not was_packed:
        return ends[0], ends[1]
    # Half a step farther: what was decoded lies beside its whole number by its own rounding.
    room = 0.5 if packed.kind in "iu" else 0.0
    values = [
        None if end is None else (float(end) + side) * step + start
        for end, side in zip(ends, (-room, room), strict=True)
    ]
    return (values[1], values[0]) if step < 0 else (values[0], values[1])


def _float_type(stored: np.dtype[Any], scale: Any, offset: Any) -> np.dtype[Any]:
    """The type that xarray gives to unpacked values: float32 where that loses nothing to speak of.

    Scale and offset of one floating type give that type, but 32-bit integers need float64; with an offset alone or of
    another type it is float64; with a scale alone it is the scale's own.
    """
    single, double = np.dtype(np.float32), np.dtype(np.float64)
    types = [np.asarray(number).dtype for number in (scale, offset) if number is not None]
    if scale is not None and offset is not None and types[0] == types[1] and types[0] in (single, double):
        return double if stored.kind in "iu" and stored.itemsize == 4 else types[0]
    if offset is not None:
        return double
    if types[0].kind == "f":
        return types[0]
    if stored.kind == "f":
        return single if stored.itemsize <= 4 else double
    return single if stored.itemsize <= 2 else double


def flag_meanings(attrs: Mapping[str, Any], stored: np.dtype[Any]) -> dict[int, str]:
    """Meanings by value, of `flag_values` and `flag_meanings`; empty where there are none.

    Parameters
    ----------
    stored : dtype
        Of the values, with the sign that they are meant to have: numbers are told as these have them.
    """
    values = np.atleast_1d(attrs.get("flag_values", ()))
    words = str(attrs.get("flag_meanings", "")).replace(",", " ").split()
    if values.dtype.kind in "SU":
        values = np.array(re.findall(r"-?\d+", " ".join(str(v) for v in values)), dtype=np.int64)
    if values.dtype.kind not in "iuf" or values.size == 0 or values.size != len(words):
        return {}
    told = ((_same_bits(value, stored), word) for value, word in zip(values, words, strict=True))
    return {value: word for value, word in told if value is not None}


def flag_masks(attrs: Mapping[str, Any], stored: np.dtype[Any]) -> dict[str, tuple[int, int]]:
    """Bits and what they are then by meaning, of `flag_masks`, and of `flag_values` if given too (CF 3.5).

    Parameters
    ----------
    stored : dtype
        As for `flag_meanings`.
    """
    masks, values = np.atleast_1d(attrs.get("flag_masks", ())), np.atleast_1d(attrs.get("flag_values", ()))
    words = str(attrs.get("flag_meanings", "")).replace(",", " ").split()
    if masks.dtype.kind not in "iu" or masks.size == 0 or masks.size != len(words):
        return {}
    wanted = values if values.size == masks.size and values.dtype.kind in "iu" else masks
    found = {}
    for word, mask, value in zip(words, masks, wanted, strict=True):
        bits, then = _same_bits(mask, stored), _same_bits(value, stored)
        if bits is not None and then is not None:
            found[word] = bits, then
    return found


def _same_bits(value: Any, stored: np.dtype[Any]) -> int | None:
    """The number of a flag as stored values have it; None where they have no such bits.

    The highest bit of a signed type is written as a negative number, and with another sign where attributes have no
    unsigned type.
    """
    if not np.isfinite(value):
        return None
    number, turn = int(value), 1 << 8 * stored.itemsize
    if not -turn // 2 <= number < turn:
        return None
    number %= turn
    return number - turn if stored.kind == "i" and number >= turn // 2 else number


def combined(masks: Mapping[str, tuple[int, int]], stored: np.dtype[Any]) -> dict[int, str]:
    """The meaning of every value that some flags can make together, if they are few enough to be told apart.

    Parameters
    ----------
    masks : mapping of str to (int, int)
        As `flag_masks` gives them, for the same type.
    """
    size = 8 * stored.itemsize
    bits = 0
    for mask, _ in masks.values():
        bits |= mask % (1 << size)
    if not 0 < bits.bit_count() <= _MOST_BITS:
        return {}
    places = [1 << place for place in range(size) if bits >> place & 1]
    sums = (sum(bit for k, bit in enumerate(places) if number >> k & 1) for number in range(1 << len(places)))
    values = (value - (1 << size) if stored.kind == "i" and value >> size - 1 else value for value in sums)
    told = {value: [word for word, (mask, wanted) in masks.items() if value & mask == wanted] for value in values}
    return {value: " + ".join(words) if words else "none" for value, words in told.items()}


def millis_of_unit(units: Any) -> float:
    """Milliseconds of a unit of elapsed time; of a second where it is not told.

    Raises
    ------
    InvalidValue
        When it is none.
    """
    name = str(units or "s").strip().lower()
    if name not in _UNIT_NAMES:
        raise InvalidValue(f"{units!r} is no unit of time")
    return float(_MILLIS[_UNIT_NAMES[name]])


def is_time_unit(units: Any) -> bool:
    """Whether units read `<unit> since <date>`."""
    return isinstance(units, str) and (_SINCE.match(units) is not None or _AS_DIGITS.match(units) is not None)


def labels_from_times(
    values: NDArray[Any], attrs: Mapping[str, Any], *, first: bool = False
) -> tuple[NDArray[np.int64], str]:
    """Labels of the times of a coordinate, rounded to the millisecond, and their calendar.

    Parameters
    ----------
    values : ndarray
        Numbers with CF units, `datetime64`, or cftime objects.
    attrs : mapping
        `units` and `calendar`, for numbers.
    first : bool
        Take the first alone of the times of samples; missing ones do not count.

    Raises
    ------
    InvalidValue
        When some are missing, or the units or the calendar cannot be decoded.
    """
    flat = np.asarray(values)
    flat = _first(flat, attrs) if first else flat.reshape(-1)
    if flat.dtype.kind == "M":
        if np.isnat(flat).any():
            raise InvalidValue("some of its times are missing")
        millis = _rounded(flat)
        is_standard = not flat.size or millis.min() >= _GREGORIAN_START
        return label_from_millis(millis), "standard" if is_standard else "proleptic_gregorian"
    if flat.dtype.kind == "O" and flat.size and hasattr(flat[0], "calendar"):
        return _labels_of_dates(flat)
    if flat.dtype.kind not in "iuf":
        raise InvalidValue(f"its times are no numbers but {flat.dtype}")
    units = attrs.get("units")
    match = _SINCE.match(units) if isinstance(units, str) else None
    as_digits = isinstance(units, str) and _AS_DIGITS.match(units) is not None
    if match is None and not as_digits:
        raise InvalidValue(f"its times have the units {units!r}; they are written '<unit> since <date>'")
    told = attrs.get("calendar")
    calendar = canonical_calendar(str("" if told is None else told) or "standard")
    numbers = Packing.of(flat.dtype, attrs).decode(flat)
    gaps = False
    if is_masked(numbers):
        gaps, numbers = bool(np.ma.getmaskarray(numbers).any()), np.ma.getdata(numbers)
    if gaps or not np.isfinite(numbers).all():
        raise InvalidValue("some of its times are missing")
    return _labels_of_digits(numbers, calendar) if match is None else _labels_since(numbers, match, calendar), calendar


def _first(values: NDArray[Any], attrs: Mapping[str, Any]) -> NDArray[Any]:
    """The first of the times of some samples that are not missing, or none."""
    if values.dtype.kind == "M":
        there = values[~np.isnat(values)]
    elif values.dtype.kind in "iuf":
        numbers = Packing.of(values.dtype, attrs).decode(values)
        there = values[~np.ma.getmaskarray(numbers) & np.isfinite(np.ma.getdata(numbers))]
    else:
        there = values.reshape(-1)
    return np.atleast_1d(there.min()) if there.size else there


def _rounded(times: NDArray[Any]) -> NDArray[np.int64]:
    """Milliseconds since 1970 of `datetime64` of any resolution, rounded to the nearest."""
    unit, _ = np.datetime_data(times.dtype)
    if unit in ("us", "ns"):
        ticks = times.astype(np.int64)
        per_milli = 1000 if unit == "us" else 1_000_000
        return np.asarray((ticks + per_milli // 2) // per_milli)
    return np.asarray(times.astype("M8[ms]").astype(np.int64))


def _labels_since(flat: NDArray[Any], match: re.Match[str], calendar: str) -> NDArray[np.int64]:
    """Labels of numbers counted from a date; the year 0 is a year, as in ISO 8601."""
    unit, start = match["unit"].lower(), _START.match(match["start"])
    step = _MILLIS.get(_UNIT_NAMES.get(unit, ""))
    if step is None and calendar == "360_day" and unit in ("month", "months"):
        step = 30 * _DAY
    is_whole = unit in _MONTHS and bool((flat == np.rint(flat)).all())
    if start is None or (step is None and not is_whole):
        raise InvalidValue(
            f"its times with the units {match.string!r} cannot be decoded: they are milliseconds, seconds, minutes, "
            "hours, days or weeks, or a whole number of months or years, since YYYY-MM-DD hh:mm:ss"
        )
    year, month, day_of_month = int(start["year"]), int(start["month"] or 1), int(start["day"] or 1)
    # A day that is counted and comes back as another one is none of the calendar.
    day = day_number(year, min(max(month, 1), 12), day_of_month, calendar)
    if tuple(int(part) for part in date_of_day(day, calendar)) != (year, month, day_of_month):
        raise InvalidValue(
            f"its times are counted from {match['start']!r}, which is no date of the calendar {calendar}"
        )
    seconds = int(start["hour"] or 0) * 3600 + int(start["minute"] or 0) * 60 + float(start["second"] or 0)
    clock = round(seconds * 1000) - _zone_millis(start["zone"])
    if step is None:
        return _labels_of_millis(_months_on(flat, _MONTHS[unit], year, month, day_of_month, calendar) + clock, calendar)
    origin = int(day) * _DAY + clock
    if flat.size and float(np.abs(flat.astype(np.float64)).max()) * step > _EXACT:
        raise InvalidValue(f"its times reach {flat.max()} {match.string!r}, which is no time")
    if flat.dtype.kind in "iu":
        # A millisecond is a whole number of the smaller units: rounded, and none of their digits is lost.
        ticks, whole = flat.astype(np.int64), round(1 / step) if step < 1 else 1
        elapsed = (ticks + whole // 2) // whole if step < 1 else ticks * int(step)
    else:
        elapsed = np.rint(flat.astype(np.float64) * step)
    millis = origin + elapsed.astype(np.int64)
    return _labels_of_millis(millis, calendar)


def _months_on(flat: NDArray[Any], each: int, year: int, month: int, day: int, calendar: str) -> NDArray[np.int64]:
    """Milliseconds on the calendar's own count of a date and whole months after it.

    Raises
    ------
    InvalidValue
        When a month has no such day.
    """
    months = year * 12 + month - 1 + np.rint(flat).astype(np.int64) * each
    days = day_number(months // 12, months % 12 + 1, np.full(months.shape, day), calendar)
    if (np.asarray(date_of_day(days, calendar)[2]) != day).any():
        raise InvalidValue(f"its times are counted in months from a day {day}, which not every month has")
    return days * _DAY


def _labels_of_digits(flat: NDArray[Any], calendar: str) -> NDArray[np.int64]:
    """Labels of dates written as the digits of a number."""
    whole = np.floor(flat.astype(np.float64)).astype(np.int64)
    parts = whole // 10_000, whole // 100 % 100, whole % 100
    days = day_number(parts[0], np.clip(parts[1], 1, 12), parts[2], calendar)
    if any((np.asarray(own) != told).any() for own, told in zip(date_of_day(days, calendar), parts, strict=True)):
        raise InvalidValue(f"its times are no dates of the calendar {calendar}")
    return _labels_of_millis(days * _DAY + np.rint((flat - whole) * _DAY).astype(np.int64), calendar)


def _labels_of_millis(millis: NDArray[np.int64], calendar: str) -> NDArray[np.int64]:
    """Labels of milliseconds on the calendar's own count of days."""
    year, month, day = date_of_day(millis // _DAY, calendar)
    if millis.size and (year.min() < 0 or year.max() > 9999):
        raise InvalidValue(f"its times from the year {year.min()} to {year.max()} are not between 0 and 9999")
    rest = millis % _DAY
    return label_from_parts(year, month, day, rest // 3_600_000, rest // 60_000 % 60, rest // 1000 % 60, rest % 1000)


def _zone_millis(zone: str | None) -> int:
    """How far a zone such as `+02:00` or `-4` is ahead of UTC."""
    if zone is None or zone[0] not in "+-":
        return 0
    digits = zone[1:].replace(":", "")
    hours, minutes = (digits, "0") if len(digits) <= 2 else (digits[:-2], digits[-2:])
    return (-1 if zone[0] == "-" else 1) * (int(hours) * 60 + int(minutes)) * 60_000


def _labels_of_dates(dates: NDArray[Any]) -> tuple[NDArray[np.int64], str]:
    """Labels of cftime objects."""
    if not all(hasattr(date, "calendar") for date in dates):
        raise InvalidValue("some of its times are missing")
    calendar = canonical_calendar(dates[0].calendar)
    parts = np.array(
        [(d.year, d.month, d.day, d.hour, d.minute, d.second, d.microsecond) for d in dates], dtype=np.int64
    )
    year, month, day, hour, minute, second, micro = parts.T
    millis = day_number(year, month, day, calendar) * _DAY + ((hour * 60 + minute) * 60 + second) * 1000
    millis += (micro + 500) // 1000
    return _labels_of_millis(millis, calendar), calendar
