"""What aggregates and groupings are called on the screen, the same everywhere."""

from __future__ import annotations

from datavore_widgets.protocol.aggregates import flag_of, percent_of
from datavore_widgets.protocol.answers import VariableInfo
from datavore_widgets.widgets.text import duration

__all__ = ["ANOMALY_WORDS", "GROUP_WORDS", "aggregate_word", "aggregates_of", "default_aggregate", "running_word"]

_AGGREGATES = {
    "area_avg": "Mean (by area)",
    "avg": "Mean (each value alike)",
    "geo_avg": "Geometric mean (by area)",
    "median": "Median",
    "max": "Maximum",
    "min": "Minimum",
    "area_std": "Deviation (in space and time, by area)",
    "time_std": "Deviation (in time, of the area's mean)",
    "std": "Deviation (each value alike)",
    "count": "Number of values",
    "latest": "Newest",
}
_PERCENTILES = ("p5", "p95")

# A series with one value a month is a monthly series, and no climatology.
GROUP_WORDS = {
    None: "every time",
    "yyyy-MM-dd": "daily series",
    "yyyy-MM": "monthly series",
    "yyyy-season": "seasonal series",
    "yyyy": "yearly series",
    "MM-dd": "climatology: days of the year",
    "MM": "climatology: months of the year",
    "season": "climatology: seasons",
}

ANOMALY_WORDS = {
    None: "Values as they are",
    "MM": "Anomalies from the months' climatology",
    "season": "Anomalies from the seasons' climatology",
    "MM-dd": "Anomalies from the days' climatology",
}


def running_word(seconds: float) -> str:
    """What a series is called whose values are of windows of time that move on with it.

    Examples
    --------
    >>> running_word(3 * 86400)
    'running over 3 days'
    """
    return f"running over {duration(seconds)}"


def aggregate_word(name: str) -> str:
    """What an aggregate is called.

    Examples
    --------
    >>> aggregate_word("p95"), aggregate_word("fraction:sea ice"), aggregate_word("max")
    ('95th percentile', 'Part of sea ice', 'Maximum')
    """
    if (flag := flag_of(name)) is not None:
        return f"Part of {flag}"
    if name not in _AGGREGATES and (percent := percent_of(name)) is not None:
        last = {1: "st", 2: "nd", 3: "rd"}.get(percent % 10, "th") if percent // 10 != 1 else "th"
        return f"{percent}{last} percentile"
    return _AGGREGATES.get(name, name)


def aggregates_of(variable: VariableInfo) -> list[str]:
    """The aggregates that make sense of a variable, the default first."""
    if variable.kind == "flags":
        return [*(f"fraction:{meaning}" for meaning in variable.flags.values()), "count", "max", "min"]
    if variable.kind == "direction":
        return ["avg", "std", "count"]
    geometric = ["geo_avg"] if variable.scale == "log" else []
    plain = ["area_avg", "avg"] if variable.geometry in ("grid", "swath") else ["avg"]
    spread = ["area_std", "time_std", "std"] if variable.geometry == "grid" else ["std"]
    return [*plain, *geometric, "median", "max", "min", *_PERCENTILES, *spread, "count"]


def default_aggregate(variable: VariableInfo) -> str:
    """What becomes of the values of a box where nobody says."""
    return "area_avg" if variable.kind in ("continuous", "anomaly") and variable.geometry == "grid" else "avg"
