"""Which files are which table.

A catalogue file is TOML; its paths are relative to its folder:

```toml
[table.fleet]
files = ["drifters/"]      # files and folders of Parquet or of CSV
```
"""

from __future__ import annotations

import logging
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datavore_widgets.errors import InvalidValue, Unreadable

__all__ = ["Source", "find_tables"]

log = logging.getLogger(__name__)

_FORMATS = {
    ".parquet": "parquet",
    ".parq": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".tsv": "csv",
}


@dataclass(frozen=True)
class Source:
    """The files of one table, all of one format.

    Parameters
    ----------
    roots : tuple of Path
        Files and folders, resolved; nothing outside of them is read.
    """

    name: str
    roots: tuple[Path, ...]

    def files(self) -> tuple[str, list[tuple[str, int, int]]]:
        """The format, and path, size and time of change of every file, looked up anew.

        Raises
        ------
        Unreadable
            When there are none, or they are of two formats.
        """
        found: list[tuple[str, int, int]] = []
        formats: set[str] = set()
        for root in self.roots:
            for path in _data_files(root):
                state = path.stat()
                found.append((str(path), state.st_size, state.st_mtime_ns))
                formats.add(_FORMATS[_suffix(path)])
        if not found:
            raise Unreadable(f"the table {self.name!r} has no files any more in {_listed(self.roots)}")
        if len(formats) > 1:
            raise Unreadable(f"the table {self.name!r} has Parquet and CSV files; give each kind a folder of its own")
        return formats.pop(), found

    def partitions(self) -> list[str]:
        """Hive's names of the partitions, such as `year=2012/month=8`."""
        names: set[str] = set()
        for root in self.roots:
            for path in _data_files(root):
                parts = [part for part in path.relative_to(root).parts[:-1] if "=" in part] if root.is_dir() else []
                if parts:
                    names.add("/".join(parts))
        return sorted(names)


def find_tables(spec: Any) -> dict[str, Source]:
    """The tables that `spec` names, by name in lower case.

    Parameters
    ----------
    spec : str, path, list of them, or mapping of name to them
        A file is a table; so is a folder that holds data files or Hive's partitions (`year=2012`); any other folder
        holds a table in each file and folder. A `.toml` file is a catalogue.

    Raises
    ------
    InvalidValue
        When it is no path.
    Unreadable
        When nothing is there.
    """
    sources: dict[str, Source] = {}
    for name, roots in _named(spec):
        spelled = re.sub(r"\W+", "_", name).strip("_").lower() or "table"
        if spelled[0].isdigit():
            spelled = f"t_{spelled}"
        unique, number = spelled, 2
        while unique in sources:
            unique, number = f"{spelled}_{number}", number + 1
        sources[unique] = Source(unique, roots)
    if not sources:
        raise Unreadable(f"there is no Parquet or CSV file in {spec!r}")
    return sources


def _named(spec: Any) -> Iterator[tuple[str, tuple[Path, ...]]]:
    if isinstance(spec, Mapping):
        for name, value in spec.items():
            yield str(name), _roots(value)
    elif isinstance(spec, str | os.PathLike):
        path = Path(spec).expanduser().resolve()
        if path.suffix == ".toml":
            yield from _from_file(path)
        else:
            yield from _in_path(path)
    elif isinstance(spec, Sequence):
        for item in spec:
            yield from _named(item)
    else:
        raise InvalidValue(
            f"tables are given by a path, a list of paths or a mapping from names to paths, not {spec!r}"
        )


def _roots(value: Any) -> tuple[Path, ...]:
    items = [value] if isinstance(value, str | os.PathLike) else list(value)
    roots = tuple(Path(item).expanduser().resolve() for item in items)
    for root in roots:
        if not root.exists():
            raise Unreadable(f"there is no {str(root)!r}")
    return roots


def _from_file(path: Path) -> Iterator[tuple[str, tuple[Path, ...]]]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Unreadable(f"the catalogue {str(path)!r} cannot be read: {error}") from error
    for name, entry in content.get("table", {}).items():
        files = entry.get("files") if isinstance(entry, Mapping) else None
        if not isinstance(files, list) or not files:
            raise InvalidValue(f'[table.{name}] of {str(path)!r} needs files = ["…"]')
        yield name, _roots([path.parent / str(file) for file in files])


def _in_path(path: Path) -> Iterator[tuple[str, tuple[Path, ...]]]:
    if path.is_file():
        if _suffix(path) not in _FORMATS:
            raise Unreadable(f"{str(path)!r} is neither Parquet nor CSV by its name ({', '.join(_FORMATS)})")
        yield _stem(path), (path,)
    elif path.is_dir():
        items = sorted(item for item in path.iterdir() if not _is_hidden(item.name))
        folders = [item for item in items if item.is_dir()]
        files = [item for item in items if item.is_file() and _suffix(item) in _FORMATS]
        if any("=" in folder.name for folder in folders) or (files and not folders):
            yield path.name, (path,)
            return
        for item in files:
            yield _stem(item), (item,)
        for folder in folders:
            if next(_data_files(folder.resolve()), None) is not None:
                yield folder.name, (folder.resolve(),)
    else:
        raise Unreadable(f"there is no {str(path)!r}")


def _data_files(root: Path) -> Iterator[Path]:
    """The data files of a table, in the order of their paths; what links lead to outside of it is left out."""
    if root.is_file():
        yield root
        return
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        for name in sorted(files):
            path = Path(folder, name)
            if _is_hidden(name) or _suffix(path) not in _FORMATS:
                continue
            real = path.resolve()
            if not real.is_relative_to(root):
                log.warning("%s is left out: it leads outside of %s", path, root)
            elif set("*?[]") & set(str(path)):
                log.warning("%s is left out: its name has one of * ? [ ]", path)
            else:
                yield path


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "_"))  # as Hive has it: _SUCCESS, _temporary


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    return ".csv.gz" if suffix == ".gz" and path.name.lower().endswith(".csv.gz") else suffix


def _stem(path: Path) -> str:
    return path.name[: -len(_suffix(path))]


def _listed(paths: Sequence[Path]) -> str:
    return ", ".join(repr(str(path)) for path in paths)
