"""Where stored values come from: data sets in memory, and files that are opened with care."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.service.decode import Packing

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["MemorySource", "Raw", "Source"]

Keys = Mapping[str, int | slice]


@dataclass(frozen=True, eq=False)
class Raw:
    """Stored values of a part of a variable.

    Parameters
    ----------
    dims : tuple of str
        Names of the dimensions of `values`.
    packing : Packing
        How they become values.
    """

    values: NDArray[Any]
    dims: tuple[str, ...]
    packing: Packing


class Source(Protocol):
    """Whatever holds variables: one file, one store, or a data set in memory."""

    @property
    def name(self) -> str:
        """The path; empty in memory."""
        ...

    def fingerprint(self) -> Hashable:
        """What changes when the contents change."""
        ...

    def dataset(self) -> AbstractContextManager[xr.Dataset]:
        """The data set, as it is stored, for as long as the context lasts."""
        ...

    def read(self, name: str, keys: Keys) -> Raw:
        """Stored values of a variable: by position or slice on each of its dimensions; all where there is no key."""
        ...


def read_variable(variable: xr.Variable, keys: Keys) -> Raw:
    """Stored values of a part of a variable, in memory."""
    part = variable[tuple(keys.get(str(dim), slice(None)) for dim in variable.dims)]
    packing = Packing.of(variable.dtype, variable.attrs, variable.encoding)
    return Raw(np.asarray(part.values), tuple(str(dim) for dim in part.dims), packing)


class MemorySource:
    """A data set in memory (or one that the caller has opened)."""

    name = ""

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    def fingerprint(self) -> Hashable:
        """The identity of the object: its values are not looked at."""
        return id(self._dataset)

    @contextmanager
    def dataset(self) -> Iterator[xr.Dataset]:
        """The data set."""
        yield self._dataset

    def read(self, name: str, keys: Keys) -> Raw:
        """Values of a part of a variable."""
        return read_variable(self._dataset.variables[name], keys)
