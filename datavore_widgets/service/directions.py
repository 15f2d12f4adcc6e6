"""Directions go round: what is made of many is made of their unit vectors (Mardia & Jupp 2000, sections 2.2 and 2.3).

Everywhere alike: in pictures, in series, in maps of a lapse. Means are degrees from 0 to below 360.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol.answers import VariableInfo

__all__ = ["check_direction", "go_round", "mean_direction", "of_vectors", "unit_vectors"]

FloatArray = NDArray[np.float64]

_ROUND = ("avg", "std", "area_avg", "area_std")


def go_round(info: VariableInfo, aggregate: str) -> bool:
    """Whether an aggregate is one of directions, made of their unit vectors and never of their degrees."""
    return info.kind == "direction" and aggregate in _ROUND


def check_direction(info: VariableInfo, aggregate: str) -> None:
    """Refuse what directions do not have: on a circle nothing is the largest, the smallest or half-way.

    Raises
    ------
    InvalidValue
        It says what they have.
    """
    if info.kind == "direction" and aggregate != "count" and aggregate not in _ROUND:
        raise InvalidValue(
            f"{info.name!r} are directions, which go round and have no {aggregate}; "
            f"ask for {', '.join(_ROUND)} or count"
        )


def unit_vectors(degrees: NDArray[np.floating[Any]]) -> NDArray[Any]:
    """Sines and cosines, shape (2, …)."""
    angles = np.radians(degrees)
    return np.stack([np.sin(angles), np.cos(angles)])


def mean_direction(sine: NDArray[Any], cosine: NDArray[Any]) -> NDArray[Any]:
    """Where a mean vector points, in degrees from 0 to below 360; where directions cancel out, rounding decides."""
    degrees = np.degrees(np.arctan2(sine, cosine)) % 360.0
    # What is below 0 by less than the last bit of 360 comes out as 360.
    return np.asarray(np.where(degrees >= 360.0, 0.0, degrees))


def of_vectors(aggregate: str, sine: FloatArray, cosine: FloatArray) -> FloatArray:
    """The mean of directions of their mean vector, or their circular standard deviation √(-2 ln R), in degrees."""
    if aggregate.endswith("avg"):
        return mean_direction(sine, cosine)
    # Of directions all over the circle rounding may leave nothing of the mean vector.
    length = np.clip(np.hypot(sine, cosine), np.finfo(float).tiny, 1.0)
    return np.asarray(np.degrees(np.sqrt(-2.0 * np.log(length))))
