"""What aggregates and groupings are called on the screen, the same everywhere."""

from __future__ import annotations

__all__ = ["AGGREGATE_WORDS", "GROUP_WORDS", "PICTURE_WORDS"]

AGGREGATE_WORDS = {
    "avg": "Mean",
    "max": "Maximum",
    "min": "Minimum",
    "std": "Standard deviation",
    "count": "Number of values",
}
PICTURE_WORDS = {**AGGREGATE_WORDS, "latest": "Newest"}
"""What a picture of many times shows."""

# A series with one value a month is a monthly series, and no climatology.
GROUP_WORDS = {None: "every time", "yyyy-MM-dd": "daily series", "yyyy-MM": "monthly series", "yyyy": "yearly series"}
