"""Whether two answers are equal, to the last bit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np


def assert_same(one: Any, other: Any, where: str = "answer") -> None:
    """Equal types, shapes, numbers (NaN equals NaN, masked equals masked), texts and bytes."""
    if isinstance(one, np.ma.MaskedArray):
        assert isinstance(other, np.ma.MaskedArray), where
        assert one.dtype == other.dtype, where
        np.testing.assert_array_equal(np.ma.getmaskarray(one), np.ma.getmaskarray(other), err_msg=where)
        np.testing.assert_array_equal(one.compressed(), other.compressed(), err_msg=where)
    elif isinstance(one, np.ndarray):
        assert isinstance(other, np.ndarray), where
        assert not isinstance(other, np.ma.MaskedArray), where
        assert (one.dtype, one.shape) == (other.dtype, other.shape), where
        np.testing.assert_array_equal(one, other, err_msg=where)
    elif dataclasses.is_dataclass(one):
        assert type(one) is type(other), where
        for field in dataclasses.fields(one):
            assert_same(getattr(one, field.name), getattr(other, field.name), f"{where}.{field.name}")
    elif isinstance(one, Mapping):
        assert list(one) == list(other), where
        for key in one:
            assert_same(one[key], other[key], f"{where}[{key!r}]")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for position, (left, right) in enumerate(zip(one, other, strict=True)):
            assert_same(left, right, f"{where}[{position}]")
    else:
        assert one == other or (one != one and other != other), f"{where}: {one!r} is not {other!r}"
