"""The words for what is made of many values: the documented five, and further ones.

===============  ===================================================================================================
`avg`            mean of all values of box and group, pooled: each alike
`max`, `min`     the largest, the smallest of them
`count`          how many there are
`std`            their deviation, each alike (of the population)
`area_avg`       mean of each time, cells weighted by their area in the box; then over the times, by their length
`area_std`       deviation of the values in space and time from `area_avg`, with the same weights
`time_std`       deviation of the times' area means within a group, in time alone
`geo_avg`        geometric mean, with the weights of `area_avg`, of the values above 0
`median`         half of all values of box and group, each alike, lie below
`p1` … `p99`     percentiles, each value alike, between values in proportion
`fraction:F`     part of the area and time, of what has values, where a flag is F: its meaning, or its number
===============  ===================================================================================================

Areas are those between meridians and parallels on regular grids; on others of the cells' corners, or where the file has
no corners what it tells of them (`cell_measures`, a `cell_area`, NEMO's `e1t` and `e2t`, ROMS' `pm` and `pn`), or what
another file of the same cells does that is opened with it. The answer's `weighting` says which.

In the map of a lapse a cell is all the box: `area_avg` is its mean over the times, by their length.

Directions go round: of them there are `avg`, `area_avg` (where the mean of unit vectors points, from 0 to below 360
degrees), `std`, `area_std` (the circular standard deviation, in degrees) and `count`, in series and maps alike.
"""

from __future__ import annotations

import re

from datavore_widgets.errors import InvalidValue, did_you_mean

__all__ = [
    "AGGREGATES",
    "AREA_WORDS",
    "FRACTION",
    "FURTHER_AGGREGATES",
    "check_aggregate",
    "flag_of",
    "is_by_area",
    "percent_of",
]

AGGREGATES = ("avg", "max", "min", "count", "std")
"""The documented ones."""

AREA_WORDS = ("area_avg", "area_std", "time_std", "geo_avg")
"""Those that weigh cells by area."""

FURTHER_AGGREGATES = (*AREA_WORDS, "median")
"""Ours, beside percentiles and fractions, which are spelled with what they are of."""

FRACTION = "fraction:"

_PERCENTILE = re.compile(r"p([1-9]\d?)")


def percent_of(word: str) -> int | None:
    """Which percentile a word means, or None.

    Examples
    --------
    >>> percent_of("median"), percent_of("p95"), percent_of("avg")
    (50, 95, None)
    """
    if word == "median":
        return 50
    match = _PERCENTILE.fullmatch(word)
    return int(match[1]) if match else None


def flag_of(word: str) -> str | None:
    """The flag whose fraction a word means, or None.

    Examples
    --------
    >>> flag_of("fraction:ice")
    'ice'
    """
    return word.removeprefix(FRACTION) if word.startswith(FRACTION) and len(word) > len(FRACTION) else None


def is_by_area(word: str) -> bool:
    """Whether an aggregate weighs cells by area, and so takes every cell that a box touches by the part in it.

    Examples
    --------
    >>> is_by_area("area_avg"), is_by_area("fraction:ice"), is_by_area("avg")
    (True, True, False)
    """
    return word in AREA_WORDS or flag_of(word) is not None


def check_aggregate(word: str) -> None:
    """Refuse what is no aggregate.

    Raises
    ------
    InvalidValue
        It names those there are.
    """
    if not isinstance(word, str):
        raise InvalidValue(f"an aggregate is a word such as 'avg', not {word!r}")
    known = (*AGGREGATES, *FURTHER_AGGREGATES)
    if word in known or percent_of(word) is not None or flag_of(word) is not None:
        return
    message, near = did_you_mean("aggregate", word, known)
    raise InvalidValue(f"{message} (allowed: {', '.join(known)}, p1 to p99, fraction:FLAG)", suggestions=near)
