"""Where stored values come from: data sets in memory, and files and Zarr stores that are opened with care.

Only local paths are opened, each by the library chosen for its format: never by what a library would guess, since
some take an address for a file name. Handles are remembered within a bound, under the file's identity, size and
time of change, which are looked at before and after every read: values of two states of a file are never mixed.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import DatavoreError, Unreadable
from datavore_widgets.service.decode import Packing
from datavore_widgets.service.formats import check, format_of, is_consolidated, locking_of, metadata_files, opened_hdf5
from datavore_widgets.service.swan import read_swan

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "Contents",
    "FileSource",
    "MemorySource",
    "OpenFiles",
    "Raw",
    "Source",
    "fingerprint_of",
    "glance",
    "read_variable",
]

Keys = Mapping[str, int | slice]

# The netCDF4 library crashes when two threads are inside it, and may share its HDF5 with h5py: one at a time in both,
# while values are read; never while they are decoded or drawn.
_HDF5_LOCK = threading.RLock()

# What the libraries raise for damaged files. They are parsers of foreign bytes: there is no shorter list.
_FAULTS = (
    OSError,
    RuntimeError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    EOFError,
    MemoryError,
    AssertionError,
)


@dataclass(frozen=True, eq=False)
class Raw:
    """Stored values of a part of a variable.

    Parameters
    ----------
    dims : tuple of str
        Names of the dimensions of `values`.
    packing : Packing
        How they become values.
    fingerprint : hashable
        Of the source when they were read.
    attrs : mapping
        Of the variable, as stored.
    """

    values: NDArray[Any]
    dims: tuple[str, ...]
    packing: Packing
    fingerprint: Hashable = None
    attrs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Contents:
    """What is stored, nothing decoded and no values read yet.

    Parameters
    ----------
    variables : mapping of str to xarray.Variable
        By name.
    attrs : mapping
        Of the whole.
    coordinates : frozenset of str
        Variables that are known to be coordinates.
    """

    variables: Mapping[str, xr.Variable]
    attrs: Mapping[str, Any]
    coordinates: frozenset[str] = frozenset()

    @classmethod
    def of(cls, dataset: xr.Dataset) -> Contents:
        """The contents of a data set in memory."""
        variables = {str(name): variable for name, variable in dataset.variables.items()}
        return cls(variables, dataset.attrs, frozenset(str(name) for name in dataset.coords))


class Source(Protocol):
    """Whatever holds variables: one file, one store, or a data set in memory."""

    @property
    def name(self) -> str:
        """The path; empty in memory."""
        ...

    def fingerprint(self) -> Hashable:
        """What changes when the contents change."""
        ...

    def contents(self) -> AbstractContextManager[Contents]:
        """What is in there, to be looked at for as long as the context lasts."""
        ...

    def read(self, name: str, keys: Keys) -> Raw:
        """Stored values of a variable: by position or slice on each of its dimensions; all where there is no key."""
        ...


def read_variable(variable: xr.Variable, keys: Keys, fingerprint: Hashable = None) -> Raw:
    """Stored values of a part of a variable, in memory."""
    part = variable[tuple(keys.get(str(dim), slice(None)) for dim in variable.dims)]
    packing = Packing.of(variable.dtype, variable.attrs, variable.encoding)
    return Raw(np.asarray(part.values), tuple(str(dim) for dim in part.dims), packing, fingerprint, variable.attrs)


class MemorySource:
    """A data set in memory, or one that the caller has opened."""

    name = ""

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset
        self._contents = Contents.of(dataset)

    def fingerprint(self) -> Hashable:
        """The identity of the object: its values are not looked at."""
        return id(self._dataset)

    @contextmanager
    def contents(self) -> Iterator[Contents]:
        """What is in there."""
        yield self._contents

    def read(self, name: str, keys: Keys) -> Raw:
        """Values of a part of a variable."""
        return read_variable(self._contents.variables[name], keys, self.fingerprint())


def fingerprint_of(path: Path) -> Hashable:
    """Identity, size and time of change of a file, or of what a Zarr store says of itself.

    Raises
    ------
    Unreadable
        When it is gone.
    """
    try:
        name = str(path)
        # Of a string: a store has dozens of them, and is looked at several times for one picture.
        status = os.stat(name)  # noqa: PTH116
        if not stat.S_ISDIR(status.st_mode):
            return _stamp(name, status)
        stamps: list[Hashable] = [_stamp(name, status)]
        for part in metadata_files(path):
            with contextlib.suppress(FileNotFoundError):
                stamps.append(_stamp(part, os.stat(part)))  # noqa: PTH116
        return tuple(stamps)
    except OSError as error:
        raise Unreadable(f"{str(path)!r} is gone: {error.strerror or error}") from error


def _stamp(path: str, status: os.stat_result) -> tuple[str, int, int, int]:
    # Not the device, whose number is another one on every machine that mounts it.
    return path, status.st_ino, status.st_size, status.st_mtime_ns


class FileSource:
    """A file or a Zarr store on disk.

    Parameters
    ----------
    path : Path
        An absolute one.
    files : OpenFiles
        Where its handle is remembered.
    """

    def __init__(self, path: Path, files: OpenFiles) -> None:
        self._path = path
        self._files = files
        self.name = str(path)

    def fingerprint(self) -> Hashable:
        """Identity, size and time of change."""
        return fingerprint_of(self._path)

    @contextmanager
    def contents(self) -> Iterator[Contents]:
        """What is in there.

        Raises
        ------
        Unreadable
            When it cannot be opened or read, or is replaced meanwhile.
        """
        with self._files.borrow(self._path) as opened:
            yield opened.contents

    def read(self, name: str, keys: Keys) -> Raw:
        """Stored values of a part of a variable.

        Raises
        ------
        Unreadable
            When it cannot be opened or read, or is replaced meanwhile.
        """
        with self._files.borrow(self._path) as opened:
            return read_variable(opened.contents.variables[name], keys, opened.fingerprint)


@contextmanager
def glance(path: Path) -> Iterator[Any]:
    """An HDF5 file as h5py's own library has it: ten times as quick where a few values of many are wanted.

    It is not searched for what lies in other files, as all others are: whoever reads from it has to look where.

    Yields
    ------
    h5py.h5f.FileID

    Raises
    ------
    Unreadable
        When it cannot be opened or read.
    """
    try:
        with _HDF5_LOCK, opened_hdf5(path) as file:
            yield file.id
    except DatavoreError:
        raise
    except _FAULTS as error:
        raise Unreadable(f"{str(path)!r} cannot be read: {_reason(error)}") from error


@dataclass(eq=False)
class _Opened:
    """An open file, and how many are reading it."""

    path: Path
    fingerprint: Hashable
    contents: Contents
    store: Any
    lock: AbstractContextManager[Any]
    users: int = 0

    def close(self) -> None:
        with self.lock:
            self.store.close()


class OpenFiles:
    """Open files, as many as are worth keeping; the one not used for longest is closed first.

    Parameters
    ----------
    limit : int
        Files kept open when nobody reads them.
    """

    def __init__(self, limit: int = 64) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._opened: OrderedDict[Path, _Opened] = OrderedDict()

    def close(self) -> None:
        """Close all that nobody reads; the others when they have been read."""
        with self._lock:
            dropped = list(self._opened.values())
            self._opened.clear()
            idle = [opened for opened in dropped if opened.users == 0]
        for opened in idle:
            opened.close()

    @contextmanager
    def borrow(self, path: Path) -> Iterator[_Opened]:
        """An open file, locked as its library needs.

        Raises
        ------
        Unreadable
            When it cannot be opened or read, or is replaced meanwhile.
        """
        opened = self._take(path)
        try:
            with opened.lock:
                yield opened
        except DatavoreError:
            raise
        except _FAULTS as error:
            raise Unreadable(f"{str(path)!r} cannot be read: {_reason(error)}") from error
        finally:
            self._give_back(opened)
        if fingerprint_of(path) != opened.fingerprint:
            raise Unreadable(f"{str(path)!r} was replaced while it was read; ask again")

    def _take(self, path: Path) -> _Opened:
        fingerprint = fingerprint_of(path)
        with self._lock:
            opened = self._opened.get(path)
            if opened is None or opened.fingerprint != fingerprint:
                stale, opened = opened, _open(path, fingerprint)
                self._opened[path] = opened
                if stale is not None and stale.users == 0:
                    stale.close()
            self._opened.move_to_end(path)
            opened.users += 1
            idle = [other for other in self._opened.values() if other.users == 0]
            for other in idle[: max(0, len(self._opened) - self._limit)]:
                del self._opened[other.path]
                other.close()
            return opened

    def _give_back(self, opened: _Opened) -> None:
        with self._lock:
            opened.users -= 1
            is_last = opened.users == 0 and self._opened.get(opened.path) is not opened
        if is_last:
            opened.close()


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:299] + "…"


def _open(path: Path, fingerprint: Hashable) -> _Opened:
    """Open a file by the library of its format.

    xarray's stores are used below its data sets: a data set would read every axis to make an index of it, however
    long the file says the axis is.
    """
    kind = format_of(path)
    check(path, kind)
    lock: AbstractContextManager[Any] = _HDF5_LOCK if kind in ("hdf5", "cdf5") else contextlib.nullcontext()
    try:
        with lock:
            store = _store(path, kind)
            variables, attrs = store.load()
    except DatavoreError:
        raise
    except _FAULTS as error:
        raise Unreadable(f"{str(path)!r} cannot be opened: {_reason(error)}") from error
    opened = _Opened(path, fingerprint, Contents({str(name): v for name, v in variables.items()}, attrs), store, lock)
    if fingerprint_of(path) != fingerprint:
        opened.close()
        raise Unreadable(f"{str(path)!r} was replaced while it was opened; ask again")
    return opened


def _store(path: Path, kind: str) -> Any:
    from xarray import backends

    if kind == "swan":
        return backends.InMemoryDataStore(read_swan(path))  # type: ignore[no-untyped-call]
    if kind == "classic":
        return backends.ScipyDataStore(str(path))
    if kind == "zarr":
        version = 3 if (path / "zarr.json").is_file() else 2
        return backends.ZarrStore.open_group(
            str(path), consolidated=is_consolidated(path), zarr_format=version, cache_members=True
        )
    if kind == "hdf5":
        # Some NetCDF-4 files use types that h5netcdf does not know; netCDF4 may.
        with contextlib.suppress(*_FAULTS):
            locking = {"locking": locking_of(path)}
            return backends.H5NetCDFStore.open(str(path), phony_dims="access", driver_kwds=locking)
    return backends.NetCDF4DataStore.open(str(path))  # type: ignore[no-untyped-call]
