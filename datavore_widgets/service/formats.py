"""What a file is, and whether it may be opened: looked at before any library reads it.

Three things are caught here that the libraries let through: a classic file that was cut short and reads as wrong
numbers, an HDF5 file that names other files of the machine, and a Zarr store whose codec could run code.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from datavore_widgets.errors import Unreadable
from datavore_widgets.service.swan import is_swan

__all__ = [
    "check",
    "format_of",
    "is_consolidated",
    "is_store",
    "locking_of",
    "metadata_files",
    "opened_hdf5",
    "root_of_store",
]

_HDF5 = b"\x89HDF\r\n\x1a\n"
_CLASSIC = {b"CDF\x01": "classic", b"CDF\x02": "classic", b"CDF\x05": "cdf5"}
_STORE_FILES = ("zarr.json", ".zmetadata", ".zgroup", ".zarray")

# Codecs that turn bytes into numbers and nothing else. Those that rebuild Python objects (pickle, json2, msgpack2)
# and whatever a plug-in may register are not among them.
_CODECS = frozenset(
    (
        "blosc",
        "zlib",
        "gzip",
        "bz2",
        "lzma",
        "lz4",
        "zstd",
        "lzf",
        "delta",
        "fixedscaleoffset",
        "quantize",
        "packbits",
        "shuffle",
        "bitround",
        "astype",
        "crc32",
        "crc32c",
        "adler32",
        "fletcher32",
        "jenkins_lookup3",
        "vlen-utf8",
        "vlen-bytes",
        "bytes",
        "endian",
        "transpose",
        "sharding_indexed",
        "cast_value",
        "scale_offset",
        "pcodec",
        "zfpy",
    )
)
_MOST_OBJECTS = 100_000
_LARGEST_METADATA = 64 * 2**20
_LONGEST_NAME = 2**16
"""Bytes; a few that are wrong ask for more memory than there is."""


def is_store(path: Path) -> bool:
    """Whether a folder is a Zarr store."""
    return root_of_store(path) is not None


def root_of_store(path: Path) -> Path | None:
    """The file that makes a folder a Zarr store; None where there is none."""
    return next((path / name for name in _STORE_FILES if (path / name).is_file()), None)


def format_of(path: Path) -> str:
    """`classic`, `cdf5`, `hdf5`, `zarr` or `swan`.

    Raises
    ------
    Unreadable
        When it is none of these, or cannot be looked at; the message says what it seems to be.
    """
    try:
        if path.is_dir():
            if is_store(path):
                return "zarr"
            raise Unreadable(f"{str(path)!r} is a folder, and no Zarr store")
        with path.open("rb") as file:
            head = file.read(2048)
            if head[:4] in _CLASSIC:
                return _CLASSIC[head[:4]]
            if is_swan(head):
                return "swan"
            # A user block of 512, 1024, 2048 … bytes may come before the signature.
            place = 0
            while len(signature := _read_at(file, place, 8)) == 8:
                if signature == _HDF5:
                    return "hdf5"
                place = max(512, place * 2)
    except OSError as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable(f"{str(path)!r} cannot be opened: {error.strerror or error}") from error
    raise Unreadable(f"{str(path)!r} is neither NetCDF nor Zarr: {_guess(head)}")


def _read_at(file: BinaryIO, place: int, size: int) -> bytes:
    file.seek(place)
    return file.read(size)


def _guess(head: bytes) -> str:
    if not head:
        return "it is empty"
    if head.startswith(b"GRIB"):
        return "it is GRIB"
    if head.startswith(b"\x0e\x03\x13\x01"):
        return "it is HDF4"
    if head.startswith(b"PK\x03\x04"):
        return "it is a zip archive; unpack it first"
    if head.startswith(b"\x1f\x8b"):
        return "it is compressed by gzip; unpack it first"
    if head.lstrip()[:1] == b"<":
        return "it is a web page or XML, such as the error page of a download"
    if all(byte >= 32 or byte in b"\t\n\r\f" for byte in head):
        return "it is text"
    return "its first bytes are unknown"


def check(path: Path, kind: str) -> None:
    """Look at a file before it is opened.

    Raises
    ------
    Unreadable
        When it must not be, or cannot rightly be, read.
    """
    if kind in ("classic", "cdf5"):
        _check_classic(path)
    elif kind == "hdf5":
        _check_hdf5(path)
    elif kind == "zarr":
        _check_zarr(path)


# --- classic NetCDF: the header says how long the file must be ------------------------------------------------------


class _Header:
    """Reads the header of a classic file (NetCDF classic format specification: CDF-1, CDF-2 and CDF-5)."""

    _SIZES = (0, 1, 1, 2, 4, 4, 8, 1, 2, 4, 8, 8)  # bytes of the types 1 … 11

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.version = file.read(4)[3]
        self._wide = self.version == 5

    def number(self, wide: bool | None = None) -> int:
        size = 8 if (self._wide if wide is None else wide) else 4
        data = self._file.read(size)
        if len(data) < size:
            raise struct.error("the header ends early")
        return int.from_bytes(data, "big")

    def name(self) -> str:
        length = self.number()
        if length > _LONGEST_NAME:
            raise struct.error(f"a name of {length} bytes is none")
        data = self._file.read(_padded(length))
        if len(data) < length:
            raise struct.error("a name ends early")
        return data[:length].decode("utf-8", "replace")

    def count(self) -> int:
        """Length of the list that follows; its tag is skipped."""
        self.number(wide=False)
        return self.number()

    def size_of(self, kind: int) -> int:
        if not 1 <= kind < len(self._SIZES):
            raise struct.error(f"the type {kind} is unknown")
        return self._SIZES[kind]

    def skip_attributes(self) -> None:
        for _ in range(self.count()):
            self.name()
            size = self.size_of(self.number(wide=False))
            self._file.seek(_padded(self.number() * size), 1)


def _padded(size: int) -> int:
    return -(-size // 4) * 4


def _expected_size(file: BinaryIO) -> int:
    """Bytes up to the last value that the header promises."""
    header = _Header(file)
    records = header.number()
    streaming = records == (2**64 - 1 if header.version == 5 else 2**32 - 1)
    lengths = []
    for _ in range(header.count()):
        header.name()
        lengths.append(header.number())
    header.skip_attributes()
    end, record_parts = 0, []
    for _ in range(header.count()):
        header.name()
        dims = [header.number() for _ in range(header.number())]
        header.skip_attributes()
        size = header.size_of(header.number(wide=False))
        header.number()  # the stored size of the variable: it overflows, so it is worked out instead
        begin = header.number(wide=header.version != 1)
        in_records = bool(dims) and lengths[dims[0]] == 0
        for dim in dims[1:] if in_records else dims:
            size *= lengths[dim]
        if in_records:
            record_parts.append((begin, size))
        else:
            end = max(end, begin + size)
    if record_parts and records and not streaming:
        # A lone record variable is not padded between its records.
        each = record_parts[0][1] if len(record_parts) == 1 else sum(_padded(size) for _, size in record_parts)
        end = max(end, *(begin + (records - 1) * each + size for begin, size in record_parts))
    return max(end, file.tell())


def _check_classic(path: Path) -> None:
    try:
        with path.open("rb") as file:
            expected, size = _expected_size(file), path.stat().st_size
    except (OSError, struct.error, IndexError, OverflowError) as error:
        raise Unreadable(f"the header of {str(path)!r} is damaged: {error}") from error
    if size < expected:
        raise Unreadable(
            f"{str(path)!r} was cut short: it has {size} bytes and its header promises {expected}; fetch it again"
        )


# --- HDF5: nothing may lie in another file --------------------------------------------------------------------------


def opened_hdf5(path: Path) -> Any:
    """A file, open by h5py.

    HDF5 refuses a file that is open in the same process the other way, and a notebook may have it open by xarray or
    h5py: so its own way of locking comes first, and no lock where there can be none.
    """
    import h5py

    try:
        return h5py.File(path, "r")
    except OSError as error:
        if "lock" not in str(error):
            raise
    return h5py.File(path, "r", locking=False)


def locking_of(path: Path) -> bool | None:
    """How whoever else opens the file has to: None is HDF5's default, False is without a lock."""
    import h5py

    try:
        h5py.File(path, "r").close()
    except OSError as error:
        return False if "lock" in str(error) else None
    return None


def _check_hdf5(path: Path) -> None:
    try:
        with opened_hdf5(path) as file:
            _check_group(file, path)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable(f"{str(path)!r} is damaged: {error}") from error


def _check_group(root: Any, path: Path) -> None:
    import h5py

    seen: set[Any] = set()
    groups = [root]
    while groups:
        group = groups.pop()
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise Unreadable(f"{str(path)!r} is not opened: {name!r} in it is a link to another file")
            if isinstance(link, h5py.SoftLink):
                continue  # within the file: what it names is looked at under its own name
            item = group[name]
            if isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    raise Unreadable(f"{str(path)!r} is not opened: the values of {name!r} lie in other files")
            elif isinstance(item, h5py.Group):
                if item.id in seen:
                    continue
                seen.add(item.id)
                groups.append(item)
            if len(seen) > _MOST_OBJECTS:
                raise Unreadable(f"{str(path)!r} is not opened: it has more than {_MOST_OBJECTS} groups")


# --- Zarr: known codecs only ----------------------------------------------------------------------------------------


def _check_zarr(path: Path) -> None:
    for name, metadata in _zarr_metadata(path):
        for codec in _codecs(metadata):
            if codec.removeprefix("numcodecs.") not in _CODECS:
                raise Unreadable(f"{str(path)!r} is not opened: {name or 'its root'} uses the codec {codec!r}")
        if metadata.get("dtype") == "|O" and "vlen-utf8" not in _codecs(metadata):
            raise Unreadable(f"{str(path)!r} is not opened: {name!r} holds Python objects")


def _zarr_metadata(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(name, metadata) of the arrays below the root of a store."""
    consolidated = path / ".zmetadata"
    if consolidated.is_file():
        entries = _mapping(_json(consolidated).get("metadata"), consolidated)
        for key, metadata in entries.items():
            if key.rpartition("/")[2] == ".zarray":
                yield key.rpartition("/")[0], _mapping(metadata, consolidated)
        return
    root = path / "zarr.json"
    if root.is_file():
        told = _json(root).get("consolidated_metadata")
        if told is not None:
            for key, metadata in _mapping(_mapping(told, root).get("metadata"), root).items():
                yield key, _mapping(metadata, root)
            return
    for folder in sorted(item for item in path.iterdir() if item.is_dir()):
        for file in (folder / ".zarray", folder / "zarr.json"):
            if file.is_file():
                yield folder.name, _json(file)


def metadata_files(path: Path) -> list[str]:
    """What changes when a store is written to, as far as a quick look can tell; not all of it need be there."""
    root = str(path)
    files = [f"{root}/{name}" for name in _STORE_FILES]
    with os.scandir(root) as items:
        folders = sorted(item.path for item in items if item.is_dir())
    for folder in folders:
        # The folder of an array changes with every chunk that is replaced in it.
        files += [folder, f"{folder}/.zarray", f"{folder}/zarr.json"]
    return files


def is_consolidated(path: Path) -> bool:
    """Whether the root of a store tells the metadata of all its arrays."""
    root = path / "zarr.json"
    return (path / ".zmetadata").is_file() or (root.is_file() and _json(root).get("consolidated_metadata") is not None)


def _json(file: Path) -> Mapping[str, Any]:
    try:
        if file.stat().st_size > _LARGEST_METADATA:
            raise Unreadable(f"{str(file)!r} is too large to be metadata")
        return _mapping(json.loads(file.read_bytes()), file)
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable(f"{str(file)!r} is damaged: {error}") from error


def _mapping(value: Any, file: Path) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Unreadable(f"{str(file)!r} is damaged: it is no Zarr metadata")
    return value


def _codecs(metadata: Mapping[str, Any]) -> list[str]:
    """Names of all codecs of an array, in Zarr 2 and 3, those inside shards too."""
    found: list[str] = []
    pending: list[Any] = [metadata.get("compressor"), metadata.get("filters"), metadata.get("codecs")]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending.extend(item)
        elif isinstance(item, Mapping):
            found.append(str(item.get("id", item.get("name"))))
            inside = item.get("configuration")
            if isinstance(inside, Mapping):
                pending += [inside.get("codecs"), inside.get("index_codecs")]
        elif isinstance(item, str):
            found.append(item)
    return found
