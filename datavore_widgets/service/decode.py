"""From the values as they are stored to values, by the CF conventions.

Stored values are turned into floats only where the file says so (`scale_factor`, `add_offset`); integers stay
integers, with a mask. Floats come out as xarray's own decoding gives them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol.times import canonical_calendar, label_from_millis, label_from_parts

__all__ = ["Packing", "flag_meanings", "is_time_unit", "labels_from_times"]

_MILLIS = {"milli": 1, "second": 1000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000, "week": 604_800_000}
_UNIT_NAMES = {
    **dict.fromkeys(("milliseconds", "millisecond", "millisec", "millisecs", "msec", "msecs", "ms"), "milli"),
    **dict.fromkeys(("seconds", "second", "sec", "secs", "s"), "second"),
    **dict.fromkeys(("minutes", "minute", "min", "mins"), "minute"),
    **dict.fromkeys(("hours", "hour", "hr", "hrs", "h"), "hour"),
    **dict.fromkeys(("days", "day", "d"), "day"),
    **dict.fromkeys(("weeks", "week"), "week"),
}
_SINCE = re.compile(r"^\s*(?P<unit>[A-Za-z]+)\s+since\s+(?P<start>\S.*?)\s*$", re.IGNORECASE)
_START = re.compile(
    r"(?P<year>[+-]?\d{1,4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"
    r"(?:[T ]+(?P<hour>\d{1,2})(?::(?P<minute>\d{1,2})(?::(?P<second>\d{1,2}(?:\.\d*)?))?)?)?"
    r"\s*(?P<zone>Z|UTC|GMT|[+-]\d{1,2}(?::?\d{2})?)?$",
    re.IGNORECASE,
)
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
            for value in np.atleast_1d(attrs.get(name, ()))
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
        missing = self._missing(data) if self.can_miss else None
        if self.dtype.kind != "f":
            values = data.astype(self.dtype)
            return values if missing is None else np.ma.MaskedArray(values, mask=missing)
        values = data.astype(self.dtype)
        if self.scale is not None:
            values *= self.scale
        if self.offset is not None:
            values += self.offset
        if missing is not None:
            values[missing] = np.nan
        return values

    def _missing(self, data: NDArray[Any]) -> NDArray[np.bool_]:
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
    pair = np.atleast_1d(attrs.get("valid_range", ()))
    low, high = (pair[0], pair[1]) if pair.size == 2 else (attrs.get("valid_min"), attrs.get("valid_max"))
    ends: list[Any] = []
    was_packed = "scale_factor" in encoding or "add_offset" in encoding
    for end in (low, high):
        number = _scalar(end)
        if number is None or not np.isfinite(number) or stored.kind not in "iuf":
            ends.append(None)
            continue
        is_value = number.dtype.kind == "f" and (stored.kind in "iu" or was_packed)
        if was_packed and not is_value:
            number = number * float(encoding.get("scale_factor", 1)) + float(encoding.get("add_offset", 0))
        elif is_value and (scale is not None or offset is not None):
            number = (float(number) - float(offset or 0)) / float(1 if scale is None else scale)
        elif stored.kind == "u" and dtype.kind == "i":
            number = _as_stored(number, stored, dtype)
        ends.append(number)
    if scale is not None and scale < 0 and ends[0] is not None and ends[1] is not None and ends[0] > ends[1]:
        ends.reverse()
    return ends[0], ends[1]


def _float_type(stored: np.dtype[Any], scale: Any, offset: Any) -> np.dtype[Any]:
    """The type that xarray gives to unpacked values: float32 where that loses nothing to speak of.

    Scale and offset of one floating type give that type, but 32-bit integers need float64; with an offset alone or of
    another type it is float64; with a scale alone, the wider of the scale's type and what holds the integers.
    """
    single, double = np.dtype(np.float32), np.dtype(np.float64)
    types = [np.asarray(number).dtype for number in (scale, offset) if number is not None]
    if scale is not None and offset is not None and types[0] == types[1] and types[0] in (single, double):
        return double if stored.kind in "iu" and stored.itemsize == 4 else types[0]
    if offset is not None:
        return double
    if types[0].kind == "f":
        if stored.kind in "iu" and stored.itemsize == 4:
            return double
        return types[0] if types[0].itemsize >= 4 else single
    if stored.kind == "f":
        return single if stored.itemsize <= 4 else double
    return single if stored.itemsize <= 2 else double


def flag_meanings(attrs: Mapping[str, Any]) -> dict[int, str]:
    """Meanings by value, of `flag_values` and `flag_meanings`; empty where there are none."""
    values = np.atleast_1d(attrs.get("flag_values", ()))
    words = str(attrs.get("flag_meanings", "")).replace(",", " ").split()
    if values.dtype.kind in "SU":
        values = np.array(re.findall(r"-?\d+", " ".join(str(v) for v in values)), dtype=np.int64)
    if values.dtype.kind not in "iuf" or values.size == 0 or values.size != len(words):
        return {}
    return {int(value): word for value, word in zip(values, words, strict=True)}


def is_time_unit(units: Any) -> bool:
    """Whether units read `<unit> since <date>`."""
    return isinstance(units, str) and _SINCE.match(units) is not None


def labels_from_times(values: NDArray[Any], attrs: Mapping[str, Any]) -> tuple[NDArray[np.int64], str]:
    """Labels of the times of a coordinate, rounded to the millisecond, and their calendar.

    Parameters
    ----------
    values : ndarray
        Numbers with CF units, `datetime64`, or cftime objects.
    attrs : mapping
        `units` and `calendar`, for numbers.

    Raises
    ------
    InvalidValue
        When some are missing, or the units or the calendar cannot be decoded.
    """
    flat = np.asarray(values).reshape(-1)
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
    if match is None:
        raise InvalidValue(f"its times have the units {units!r}; they are written '<unit> since <date>'")
    calendar = canonical_calendar(str(attrs.get("calendar") or "standard"))
    missing = Packing.of(flat.dtype, attrs).decode(flat)
    if np.ma.getmaskarray(missing).any() or not np.isfinite(np.ma.getdata(missing)).all():
        raise InvalidValue("some of its times are missing")
    flat = np.ma.getdata(missing)
    if calendar in ("standard", "proleptic_gregorian"):
        counted = _gregorian_millis(flat, match, calendar)
        if counted is not None:
            return label_from_millis(counted), calendar
    return _labels_by_cftime(flat, str(units), calendar)


def _rounded(times: NDArray[Any]) -> NDArray[np.int64]:
    """Milliseconds since 1970 of `datetime64` of any resolution, rounded to the nearest."""
    unit, _ = np.datetime_data(times.dtype)
    if unit in ("us", "ns"):
        ticks = times.astype(np.int64)
        per_milli = 1000 if unit == "us" else 1_000_000
        return np.asarray((ticks + per_milli // 2) // per_milli)
    return np.asarray(times.astype("M8[ms]").astype(np.int64))


def _gregorian_millis(flat: NDArray[Any], match: re.Match[str], calendar: str) -> NDArray[np.int64] | None:
    """Milliseconds since 1970, or None where numpy's calendar is not the one meant or the unit needs cftime."""
    step = _MILLIS.get(_UNIT_NAMES.get(match["unit"].lower(), ""))
    start = _START.match(match["start"])
    if step is None or start is None:
        return None
    part = start.groupdict()
    try:
        day = np.datetime64(f"{int(part['year']):04d}-{int(part['month']):02d}-{int(part['day']):02d}", "ms")
    except ValueError:
        return None
    seconds = int(part["hour"] or 0) * 3600 + int(part["minute"] or 0) * 60 + float(part["second"] or 0)
    zone = part["zone"] or "Z"
    if zone[0] in "+-":
        hours, minutes = (zone[1:].replace(":", "") + "00")[-4:-2], (zone[1:].replace(":", "") + "00")[-2:]
        if len(zone) <= 3:
            hours, minutes = zone[1:], "0"
        seconds -= (-1 if zone[0] == "-" else 1) * (int(hours) * 3600 + int(minutes) * 60)
    origin = int(day.astype(np.int64)) + round(seconds * 1000)
    if flat.dtype.kind in "iu":
        if flat.size and float(np.abs(flat.astype(np.float64)).max()) * step > _EXACT:
            return None
        millis = origin + flat.astype(np.int64) * step
    else:
        away = flat.astype(np.float64) * step
        if flat.size and float(np.abs(away).max()) > _EXACT:
            return None
        millis = origin + np.rint(away).astype(np.int64)
    if calendar == "standard" and (origin < _GREGORIAN_START or (millis.size and millis.min() < _GREGORIAN_START)):
        return None
    if int(part["year"]) < 0 or (millis.size and not _in_labels(millis)):
        return None
    return np.asarray(millis)


def _in_labels(millis: NDArray[np.int64]) -> bool:
    low, high = (int(np.datetime64(day, "ms").astype(np.int64)) for day in ("0000-01-01", "9999-12-31"))
    return bool(millis.min() >= low and millis.max() <= high)


def _labels_by_cftime(flat: NDArray[Any], units: str, calendar: str) -> tuple[NDArray[np.int64], str]:
    import cftime

    try:
        # Year 0 exists, as in ISO 8601: `hours since 0000-01-01` is a common origin.
        dates = cftime.num2date(flat, units, calendar=calendar, has_year_zero=True)
    except (ValueError, OverflowError) as error:
        raise InvalidValue(f"its times with the units {units!r} cannot be decoded: {error}") from error
    return _labels_of_dates(np.atleast_1d(dates))


def _labels_of_dates(dates: NDArray[Any]) -> tuple[NDArray[np.int64], str]:
    """Labels of cftime objects."""
    if any(date is None or date is np.ma.masked or date != date for date in dates):
        raise InvalidValue("some of its times are missing")
    import datetime as dt

    half = dt.timedelta(microseconds=500)
    rounded = [date + half if date.microsecond % 1000 else date for date in dates]
    if rounded and (min(rounded).year < 0 or max(rounded).year > 9999):
        raise InvalidValue(f"its times from {min(rounded)} to {max(rounded)} are not between the years 0 and 9999")
    parts = np.array(
        [(d.year, d.month, d.day, d.hour, d.minute, d.second, d.microsecond // 1000) for d in rounded],
        dtype=np.int64,
    ).reshape(-1, 7)
    return label_from_parts(*parts.T), canonical_calendar(dates[0].calendar if dates.size else "standard")
