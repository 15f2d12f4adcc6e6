"""Whether an array is masked, without numpy's masked arrays where there are none."""

from __future__ import annotations

from typing import Any, TypeGuard

import numpy as np

__all__ = ["is_masked"]


def is_masked(array: object) -> TypeGuard[np.ma.MaskedArray[Any, Any]]:
    """Whether an array has a mask.

    Plain ones are told by their type: numpy loads `numpy.ma` when it is first spoken of, which takes 10 ms, and a
    first picture can do without.
    """
    return type(array) is not np.ndarray and isinstance(array, np.ma.MaskedArray)
