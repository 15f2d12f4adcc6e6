"""The variables of an HDF5 file by h5py's own calls of the library: a few small values of many files, quickly.

h5py's objects and their dimension scales look names up that nobody asks for; here each question is put when it comes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5ds, h5i, h5o, h5s
from numpy.typing import NDArray

from datavore_widgets.errors import Unreadable

__all__ = ["Attributes", "StoredVariables"]


class Attributes(Mapping[str, Any]):
    """Attributes as texts and numbers, each read when it is asked for.

    Parameters
    ----------
    owner : h5py.h5g.GroupID or h5py.h5d.DatasetID
        Whose they are.
    """

    def __init__(self, owner: Any) -> None:
        self._owner = owner
        names: list[bytes] = []
        h5a.iterate(owner, names.append)
        self._names = frozenset(name.decode("utf-8", "replace") for name in names)

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        value = h5py.AttributeManager(_Owner(self._owner))[name]
        plain = value.reshape(-1)[0] if isinstance(value, np.ndarray) and value.size == 1 else value
        return plain.decode("utf-8", "replace") if isinstance(plain, bytes) else plain

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute, or what is given for one that is not there: most that are asked for are not."""
        return self[name] if name in self._names else default


class _Owner:
    """What `h5py.AttributeManager` asks its parent for."""

    def __init__(self, owner: Any) -> None:
        self.id = owner


class StoredVariables(Mapping[str, Any]):
    """The variables of an HDF5 file, each looked at when it is asked for.

    Parameters
    ----------
    file : h5py.h5f.FileID
        An open one.
    name : str
        Its path, for messages.
    """

    def __init__(self, file: Any, name: str) -> None:
        self._root = h5py.h5g.open(file, b"/")
        self._file = name
        self._links: dict[bytes, int] = {}
        self._root.links.iterate(lambda link, info: self._links.__setitem__(link, info.type), info=True)
        self._seen: dict[str, _Variable] = {}
        self._dims: dict[int, str] = {}

    def __getitem__(self, name: str) -> _Variable:
        if name not in self._seen:
            self._seen[name] = _Variable(self._opened(name), self._name_of_scale)
        return self._seen[name]

    def __iter__(self) -> Iterator[str]:
        return (name.decode("utf-8", "replace") for name in self._links)

    def __len__(self) -> int:
        return len(self._links)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.encode() in self._links

    def _opened(self, name: str) -> Any:
        """A data set whose values lie in this very file.

        Raises
        ------
        Unreadable
            When they may lie in another one.
        """
        link = self._links.get(name.encode())
        if link is None:
            raise KeyError(name)
        if link != h5py.h5l.TYPE_HARD:
            raise Unreadable(f"{self._file!r} is not opened: {name!r} in it is a link, perhaps to another file")
        found = h5o.open(self._root, name.encode())
        if not isinstance(found, h5d.DatasetID):
            raise Unreadable(f"{self._file!r} is not opened: {name!r} in it is no variable")
        plan = found.get_create_plist()
        if plan.get_layout() == h5d.VIRTUAL or plan.get_external_count():
            raise Unreadable(f"{self._file!r} is not opened: the values of {name!r} lie in other files")
        return found

    def _name_of_scale(self, scale: Any) -> str:
        # A name is a search through the file: once for all variables on the dimension.
        place = h5o.get_info(scale).addr
        if place not in self._dims:
            self._dims[place] = h5i.get_name(scale).rpartition(b"/")[2].decode("utf-8", "replace")
        return self._dims[place]


class _Variable:
    """What is needed of an `xarray.Variable`."""

    def __init__(self, stored: Any, name_of_scale: Callable[[Any], str]) -> None:
        self._stored = stored
        self._name_of_scale = name_of_scale
        self.shape: tuple[int, ...] = stored.shape
        self.dtype: np.dtype[Any] = stored.dtype
        self.encoding: dict[str, Any] = {}

    @functools.cached_property
    def dims(self) -> tuple[str, ...]:
        """Names of its dimensions: those of the scales that netCDF attaches to them."""
        names = [""] * len(self.shape)
        for dim in range(len(names)):
            h5ds.iterate(self._stored, dim, functools.partial(self._tell, names, dim), 0)
        if "" in names and h5ds.is_scale(self._stored):
            own = self._name_of_scale(self._stored)
            names = [name or own for name in names]
        return tuple(names)

    def _tell(self, names: list[str], dim: int, scale: Any) -> bool:
        names[dim] = self._name_of_scale(scale)
        return True  # the first of them is enough

    @property
    def sizes(self) -> dict[str, int]:
        """By dimension."""
        return dict(zip(self.dims, self.shape, strict=True))

    @functools.cached_property
    def attrs(self) -> Attributes:
        """The variable's own."""
        return Attributes(self._stored)

    @property
    def values(self) -> NDArray[Any]:
        """All of them."""
        found = np.empty(self.shape, self.dtype)
        self._stored.read(h5s.ALL, h5s.ALL, found)
        return found
