"""What a reply told, as values of the type that they should be; anything else is a `BadReply` that names it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import BadReply
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.times import Date, Stamp, canonical_calendar

__all__ = [
    "bbox",
    "calendar",
    "dims",
    "label",
    "labels",
    "maybe",
    "number",
    "pair",
    "stamp",
    "text",
    "typed",
    "whole",
    "wrong",
]

_Value = TypeVar("_Value")


def wrong(what: str) -> NoReturn:
    """Refuse a part of a reply."""
    raise BadReply(f"the reply's {what} is not what it should be")


def typed(value: Any, kind: type[_Value], what: str) -> _Value:
    """The value, if it is of that type."""
    if not isinstance(value, kind):
        wrong(what)
    return value


def number(value: Any, what: str) -> float:
    """A number; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        wrong(what)
    return float(value)


def whole(value: Any, what: str) -> int:
    """A whole number."""
    if not number(value, what).is_integer():
        wrong(what)
    return int(value)


def maybe(read: Callable[[Any, str], _Value], told: Mapping[str, Any], what: str) -> _Value | None:
    """What `read` makes of an entry; None where it is absent or null."""
    value = told.get(what)
    return None if value is None else read(value, what)


def text(told: Mapping[str, Any], what: str) -> str:
    """An entry that is a text; empty where it is absent or null."""
    value = told.get(what)
    return "" if value is None else typed(value, str, what)


def pair(value: Any, what: str) -> tuple[float, float]:
    """Two numbers."""
    first, second = typed(value, list, what)
    return number(first, what), number(second, what)


def bbox(value: Any, what: str) -> BBox:
    """Four numbers as a box."""
    west, south, east, north = (number(edge, what) for edge in typed(value, list, what))
    return BBox(west, south, east, north)


def label(value: Any, what: str) -> int:
    """A date's text as a label."""
    return Date.parse(typed(value, str, what)).low


def labels(value: Any, what: str) -> NDArray[np.int64]:
    """Dates' texts as labels."""
    return np.array([label(spelled, what) for spelled in typed(value, list, what)], dtype=np.int64)


def calendar(told: Mapping[str, Any]) -> str:
    """The calendar that is told, or the standard one."""
    return canonical_calendar(text(told, "calendar") or "standard")


def stamp(told: Mapping[str, Any], what: str) -> Stamp | None:
    """A time in the calendar that is told; None where it is absent or null."""
    found = maybe(label, told, what)
    return None if found is None else Stamp(found, calendar(told))


def dims(told: Mapping[str, Any]) -> dict[str, float | str]:
    """Numbers and texts by name."""
    named = typed(told.get("dims") or {}, dict, "dims")
    return {name: value if isinstance(value, str) else number(value, "dims") for name, value in named.items()}
