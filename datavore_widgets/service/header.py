"""What was looked at in a file to learn what it holds, written down: to learn it again, the file need not be opened.

The conclusions (`scan`) are not written down, but drawn again from what was seen: so they are those of today's version,
and whatever that wants to see besides sends it to the file. Opening is what takes long: the libraries for it alone take
a third of a second to load.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import BadReply, Unreadable
from datavore_widgets.protocol.arrays import pack, unpack
from datavore_widgets.service.files import Contents, fingerprint_of

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["NotNoted", "Notes", "noted_contents"]

_MOST = 2**20
"""Bytes of a header that is kept; one with two-dimensional coordinates is larger, and its file is opened each time."""

_MOST_FILES = 256
"""Files of the coordinates of a store that are looked at."""

_ENCODING = (
    "chunksizes",
    "chunks",
    "coordinates",
    "grid_mapping",
    "bounds",
    "climatology",
    "dtype",
    "scale_factor",
    "add_offset",
)
"""What is looked at of how a variable is stored: the same on the first look and later."""


class NotNoted(LookupError):
    """Something is looked at that was not looked at before: the file has to be opened."""


class _Noted:
    """A variable as a look sees it: what is asked of `xarray.Variable` there, its values noted as they are read.

    Parameters
    ----------
    opened : xarray.Variable, optional
        Where they are read; None for one that is told by a header.
    values : ndarray, optional
        Those that the header tells.
    """

    def __init__(
        self,
        dims: Iterable[str],
        shape: Iterable[int],
        dtype: np.dtype[Any],
        attrs: Mapping[str, Any],
        encoding: Mapping[str, Any],
        *,
        opened: xr.Variable | None = None,
        values: NDArray[Any] | None = None,
    ) -> None:
        self.dims, self.shape = tuple(dims), tuple(shape)
        self.dtype, self.attrs, self.encoding = dtype, attrs, encoding
        self.ndim, self.sizes = len(self.shape), dict(zip(self.dims, self.shape, strict=True))
        self.size = int(np.prod(self.shape, dtype=np.int64))
        self._opened, self.noted = opened, values
        self.is_whole = True
        """Whether nothing was seen that is not noted."""

    @classmethod
    def of(cls, variable: xr.Variable) -> _Noted:
        encoding = {key: variable.encoding[key] for key in _ENCODING if key in variable.encoding}
        if not isinstance(encoding.get("dtype", ""), str):
            del encoding["dtype"]
        return cls(map(str, variable.dims), variable.shape, variable.dtype, variable.attrs, encoding, opened=variable)

    @property
    def values(self) -> NDArray[Any]:
        """All of its values."""
        if self.noted is None:
            if self._opened is None:
                raise NotNoted
            self.noted = np.asarray(self._opened.values)
        return self.noted

    def __getitem__(self, key: tuple[int | slice, ...]) -> Any:
        """A part of it; one that is not all of it is not noted."""
        if all(isinstance(part, slice) and part == slice(None) for part in key):
            return self
        if self._opened is None:
            raise NotNoted
        self.is_whole = False
        return self._opened[key]

    def coded(self) -> list[Any]:
        return [self.dims, self.shape, self.dtype.str, dict(self.attrs), self.encoding, self.noted]

    @classmethod
    def told(cls, coded: list[Any]) -> _Noted:
        dims, shape, dtype, attrs, encoding, values = coded
        return cls(dims, shape, np.dtype(dtype), attrs, encoding, values=values)


class Notes:
    """The contents of an open file, with notes of what is looked at.

    Parameters
    ----------
    path : Path
        The file, or the store.
    opened : Contents
        What is in it.
    """

    def __init__(self, path: Path, opened: Contents) -> None:
        self._path = path
        self._variables = {name: _Noted.of(variable) for name, variable in opened.variables.items()}
        self.contents = _contents(self._variables, opened.attrs, opened.coordinates)

    def coded(self, fingerprint: Hashable) -> bytes | None:
        """What was seen until now, for `noted_contents`; None where it cannot be written down.

        Parameters
        ----------
        fingerprint : hashable
            Of the file when it was opened.
        """
        state = _state(self._path, fingerprint, _read_names(self._variables))
        if state is None or not all(variable.is_whole for variable in self._variables.values()):
            return None
        told = {
            "state": state,
            "attrs": dict(self.contents.attrs),
            "coordinates": sorted(self.contents.coordinates),
            "variables": {name: variable.coded() for name, variable in self._variables.items()},
        }
        try:
            coded = pack(told)
        except (TypeError, ValueError, OverflowError):
            # Objects, such as text of any length.
            return None
        return coded if len(coded) <= _MOST else None


def noted_contents(path: Path, fingerprint: Hashable, coded: bytes) -> Contents | None:
    """What a file holds by its header; None where the file is no longer the one that was looked at.

    Parameters
    ----------
    fingerprint : hashable
        Of the file now.
    """
    try:
        told = unpack(coded)
        variables = {name: _Noted.told(variable) for name, variable in told["variables"].items()}
        if told["state"] != _state(path, fingerprint, _read_names(variables)):
            return None
        return _contents(variables, told["attrs"], frozenset(told["coordinates"]))
    except (BadReply, Unreadable, LookupError, TypeError, ValueError):
        return None


def _contents(variables: Mapping[str, _Noted], attrs: Mapping[str, Any], coordinates: frozenset[str]) -> Contents:
    return Contents(cast("Mapping[str, xr.Variable]", variables), attrs, coordinates)


def _read_names(variables: Mapping[str, _Noted]) -> list[str]:
    return [name for name, variable in variables.items() if variable.noted is not None]


def _state(path: Path, fingerprint: Hashable, names: Iterable[str]) -> str | None:
    """What changes with all that is noted of a file: of a store, with the chunks of what was read too."""
    stamps: list[Hashable] = [fingerprint]
    if path.is_dir():
        for file in _files_of(path, names):
            stamps.append(fingerprint_of(file))
            if len(stamps) > _MOST_FILES:
                return None
    return hashlib.blake2b(repr(stamps).encode(), digest_size=16).hexdigest()


def _files_of(store: Path, names: Iterable[str]) -> Iterator[Path]:
    for name in sorted(names):
        for folder, inner, files in os.walk(store / name):
            inner.sort()
            yield from (Path(folder, file) for file in sorted(files))
