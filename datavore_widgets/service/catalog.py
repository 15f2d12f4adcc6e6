"""From paths, data sets and catalogue files to the indexes that are served.

A catalogue file is TOML; its paths are relative to its folder:

```toml
[index."ISAS13/v3"]
title = "In situ analysis"
files = ["isas/*.nc"]                  # paths, globs, folders, names with dates: "isas/%Y/isas_%Y%m%d.nc"
note = "monthly"

[index."ISAS13/v3".variables.PSAL]     # what the files do not tell, or tell wrong
long_name = "Practical salinity"
cmap = "haline"
limits = [33, 37]
```
"""

from __future__ import annotations

import dataclasses
import glob
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from datavore_widgets.errors import InvalidValue, Unreadable, did_you_mean
from datavore_widgets.protocol.answers import Catalog, IndexInfo, VariableInfo
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.times import Date, TimeAxis, iso
from datavore_widgets.service.dated import Dated, DatedPattern
from datavore_widgets.service.files import FileSource, MemorySource, OpenFiles
from datavore_widgets.service.formats import format_of, is_store
from datavore_widgets.service.index import Index, Variable
from datavore_widgets.service.ledger import Ledger, ledger_path
from datavore_widgets.service.lenders import Lenders
from datavore_widgets.service.pieces import AnyGranule, Files, Pieces
from datavore_widgets.service.recall import LEDGER, Recall
from datavore_widgets.service.scan import Dim, scan, short_text
from datavore_widgets.service.sphere import around_all
from datavore_widgets.service.track import Track
from datavore_widgets.service.vectors import with_derived
from datavore_widgets.service.waves.filenames import is_roughness, named_as_measurement
from datavore_widgets.service.waves.names import SPECTRA, may_hold_waves

if TYPE_CHECKING:
    from datavore_widgets.service.waves.shelf import Waves

__all__ = ["Dim", "Index", "Library", "Variable", "files_of", "open_catalog"]

_log = logging.getLogger(__name__)

_SUFFIXES = (".nc", ".nc4", ".nc3", ".cdf", ".netcdf", ".h5", ".hdf5", ".he5", ".grd")
_LISTED = 8
_KINDS = ("continuous", "anomaly", "flags", "direction")
_SCALES = ("linear", "log")
_INDEX_KEYS = ("title", "files", "note", "variables")
_VARIABLE_KEYS = ("long_name", "units", "standard_name", "cmap", "limits", "kind", "scale")


@dataclass(frozen=True, eq=False)
class Library:
    """The indexes of a service, and what could not be opened.

    Parameters
    ----------
    indexes : mapping of str to Index
        By id.
    problems : mapping of str to str
        What is doubtful or cannot be read: path → reason.
    """

    indexes: Mapping[str, Index]
    problems: Mapping[str, str] = field(default_factory=dict)
    files: OpenFiles = field(default_factory=OpenFiles, repr=False)
    ledger: Ledger = field(default_factory=lambda: Ledger(None), repr=False)
    known_since: int = 0
    waves: Waves | None = None

    @cached_property
    def lenders(self) -> Lenders:
        """Who tells the areas of others' cells."""
        return Lenders(self.indexes)

    def info(self) -> Catalog:
        """The catalogue, as it is answered."""
        waves = {} if self.waves is None else self.waves.indexes()
        return Catalog({**{name: index.info for name, index in self.indexes.items()}, **waves})

    def close(self) -> None:
        """Close the files; they are opened again when they are read."""
        self.files.close()
        self.ledger.close()

    def __enter__(self) -> Library:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def open_catalog(spec: Any, job: Job | None = None, *, known_only: bool = False) -> Library:
    """The indexes of files, of data sets in memory, or of a catalogue file. No data variable is read.

    Files that hold the same variables on the same cells at different times are one index, named after their folder;
    any other is named after itself.

    Parameters
    ----------
    spec : str, Path, list of paths, xarray.Dataset, or mapping
        A NetCDF file or a Zarr store, a folder of them, a glob, a path with dates in it as `strftime` writes them
        (`sst/%Y/sst_%Y%m%d.nc`: of many files, some are looked into at first, and the others when they are read), a
        TOML catalogue, a list of any of these; a data set
        in memory; or a mapping from ids to any of these. A `Library` is that library. Level-2 OCN products of
        Sentinel-1's wave mode, wherever they are among these, are the indexes of their satellites.
    job : Job, optional
        To follow and to cancel the look into files that nothing is known of; what was learned until then is kept, and
        another opening goes on from there.
    known_only : bool
        Leave out, without a word, the files that nothing is known of.

    Raises
    ------
    Unreadable
        When nothing of it can be served; the message lists the reasons. What cannot be read beside what can is in
        `Library.problems`.
    InvalidValue
        When `spec` or the catalogue file is spelled wrong.
    """
    return spec if isinstance(spec, Library) else _Opening(job, known_only).library(spec)


def files_of(spec: Any) -> tuple[list[Path], dict[str, str]]:
    """The files and stores that paths, globs, folders, catalogues name, and what is wrong with others: path → reason.

    Raises
    ------
    InvalidValue
        When `spec` is no paths, or a catalogue file is spelled wrong.
    """
    opening = _Opening()
    found: list[Path] = []
    for path in _as_paths(spec):
        if path.suffix == ".toml":
            for _, _, files in opening._named(path):
                found += files
        else:
            found += opening._found([path])
    return list(dict.fromkeys(found)), opening.problems


@dataclass(frozen=True)
class _Entry:
    """An index in the making: an id, what is in it, and what a catalogue says of it."""

    name: str
    groups: tuple[tuple[AnyGranule, ...], ...]
    told: Mapping[str, Any] = field(default_factory=dict)


class _Opening:
    """The opening of one catalogue: what it has met so far."""

    def __init__(self, job: Job | None = None, known_only: bool = False) -> None:
        self.job, self.known_only = job, known_only
        self.files = OpenFiles()
        self.ledger = Ledger(ledger_path(LEDGER))
        self.problems: dict[str, str] = {}
        self.dates: dict[str, Dated] = {}
        self.measurements: dict[Path, str] = {}
        self.models: dict[Path, str] = {}  # and why one cannot be read

    def library(self, spec: Any) -> Library:
        indexes: dict[str, Index] = {}
        try:
            for entry in self._entries(spec):
                name = _numbered(entry.name.replace(">", "/"), indexes)
                indexes[name] = self._index(name, entry)
            waves = self._waves()
        except BaseException:
            self._close()
            raise
        if not indexes and waves is None:
            self._close()
            raise Unreadable(self._nothing(spec))
        for reason in self.problems.values():
            _log.warning("%s", reason)
        return Library(indexes, self.problems, self.files, self.ledger, self.ledger.birth, waves)

    def _close(self) -> None:
        self.files.close()
        self.ledger.close()

    def _waves(self) -> Waves | None:
        """The acquisitions of a wave mode among the files, and the models' spectra beside them."""
        if not self.measurements:
            return None
        # Here, not at the top: who has none waits for nothing.
        from datavore_widgets.service.waves.models import Models, read_model
        from datavore_widgets.service.waves.shelf import Waves
        from datavore_widgets.service.waves.table import table_of_files

        table, problems = table_of_files(self.measurements, self.files, self.job, known_only=self.known_only)
        for where, reason in problems.items():
            self._problem(where, reason)
        if not len(table.columns):
            return None
        models = []
        for path, reason in self.models.items():
            self.problems.pop(str(path), None)  # it has nothing for a map, and need not
            if reason:
                self._problem(str(path), reason)
            else:
                models.append(partial(read_model, FileSource(path, self.files)))
        notes = dict.fromkeys(note for note in self.measurements.values() if note)
        return Waves(table, Models(models), "; ".join(notes), self.files)

    def _holds_waves(self, path: Path, granule: AnyGranule, recall: Recall, note: str) -> bool:
        """Whether a file is of a wave mode and nothing else: a measurement of any name, or a model's spectra."""
        if not may_hold_waves([*granule.names, *granule.refused]):
            return False
        from datavore_widgets.service.waves.models import is_model, named_parts
        from datavore_widgets.service.waves.ocn import is_measurement

        with recall.contents(path) as contents:
            if is_measurement(contents.variables):
                self.measurements[path] = note
                return True
            if is_model(contents.variables):
                self.models[path] = ""
                try:
                    named_parts(contents.variables, path.name)
                except Unreadable as error:
                    self.models[path] = str(error)
                # With a wave mode beside it, a file of spectra alone is for comparing with, and nothing for a map.
                return bool(self.measurements) and not {*granule.names} - SPECTRA
        return False

    def _nothing(self, spec: Any) -> str:
        if not self.problems:
            given = short_text(spec) if isinstance(spec, str | os.PathLike) else type(spec).__name__
            return f"there is no NetCDF file and no Zarr store in {given!r}"
        if len(self.problems) == 1:
            return next(iter(self.problems.values()))
        listed = list(self.problems.values())
        more = f"; and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
        return f"none of {len(listed)} files can be served: " + "; ".join(listed[:_LISTED]) + more

    def _problem(self, where: str, reason: str) -> None:
        self.problems[where] = f"{self.problems[where]}; {reason}" if where in self.problems else reason

    # --- what is asked for ------------------------------------------------------------------------------------------

    def _entries(self, spec: Any) -> list[_Entry]:
        if isinstance(spec, Mapping) and not _is_dataset(spec):
            return [
                dataclasses.replace(entry, name=str(name) if len(entries) == 1 else f"{name}/{entry.name}")
                for name, inner in spec.items()
                for entries in [self._entries(inner)]
                for entry in entries
            ]
        if _is_dataset(spec):
            return self._grouped(self._shown(scan(MemorySource(spec))), "dataset")
        paths = _as_paths(spec)
        catalogues = [path for path in paths if path.suffix == ".toml"]
        entries = [entry for path in catalogues for entry in self._catalogue(path)]
        files = self._found([path for path in paths if path.suffix != ".toml"])
        return entries + self._grouped(self._on_disk(files), _common_name(files))

    def _found(self, paths: Sequence[Path]) -> list[Path]:
        """Files and stores of paths, globs and folders, each once, in order."""
        found: list[Path] = []
        for path in paths:
            if path.is_dir() and not is_store(path):
                found += _in_folder(path)
            elif path.exists():
                found.append(path)
            elif (pattern := DatedPattern.of(path)) is not None:
                found += self._with_dates(pattern)
            elif glob.has_magic(str(path)):
                matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207  absolute
                if not matches:
                    self._problem(str(path), f"no file matches {str(path)!r}")
                for match in matches:
                    found += _in_folder(match) if match.is_dir() and not is_store(match) else [match]
            else:
                self._problem(str(path), f"{str(path)!r} does not exist")
        return list(dict.fromkeys(found))

    def _with_dates(self, pattern: DatedPattern) -> list[Path]:
        """The files whose names have a date as the pattern has it."""
        found = []
        for path, date in pattern.files():
            if date is None:
                self._problem(str(path), f"the name of {str(path)!r} has no date as {pattern.text!r} has it: left out")
            else:
                found.append(path)
                self.dates[str(path)] = Dated(date, pattern.text)
        if not found:
            self._problem(pattern.text, f"no file matches {pattern.text!r}")
        return found

    def _on_disk(self, paths: Sequence[Path], note: str = "") -> list[AnyGranule]:
        """What files hold; those that cannot be read are problems. One that is known is not opened."""
        granules: list[AnyGranule] = []
        measured = [path for path in paths if named_as_measurement(path.name)]
        self.measurements |= dict.fromkeys(measured, note)
        paths = [path for path in paths if not (path in self.measurements or is_roughness(path))]
        others: dict[str, list[str]] = {}
        recall, names = Recall(self.ledger, self.files), [str(path) for path in paths]
        for path, found in recall.granules(names, self.dates, self.job, known_only=self.known_only):
            if isinstance(found, Unreadable):
                self._problem(path, str(found))
            elif not self._holds_waves(Path(path), found, recall, note):
                granules += self._shown(found)
                if path in self.dates and not _keeps_to(found, self.dates[path].date):
                    others.setdefault(self.dates[path].pattern, []).append(path)
        for some in others.values():
            first, date = some[0], self.dates[some[0]].date.digits
            more = f", and {len(some) - 1} more like it" if len(some) > 1 else ""
            said = f"the times in {first!r} are others than the date in its name, {date}{more}"
            self._problem(first, f"{said}: those in the files count")
        return granules

    def _shown(self, granule: AnyGranule) -> list[AnyGranule]:
        """The granule; nothing, but a problem, if nothing in it can be shown."""
        for name, reason in granule.doubtful.items():
            self._problem(granule.name, f"{name!r} of {granule.name or 'the data set'!r}: {reason}")
        if granule.names:
            return [granule]
        self._problem(granule.name, _nothing_to_show(granule.name or "the data set", granule.refused))
        return []

    def _catalogue(self, path: Path) -> list[_Entry]:
        """The indexes that a catalogue file names."""
        entries = []
        for name, table, found in self._named(path):
            granules = self._on_disk(found, short_text(table.get("note")))
            if granules:
                groups = tuple(tuple(group) for group in _groups(granules))
                entries.append(_Entry(name, groups, table))
        return entries

    def _named(self, path: Path) -> Iterator[tuple[str, Mapping[str, Any], list[Path]]]:
        """The indexes that a catalogue file names: id, what it says of each, and the files of each."""
        import tomllib

        try:
            told = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise InvalidValue(f"the catalogue {str(path)!r} cannot be read: {error}") from error
        _known(f"the catalogue {str(path)!r}", told, ("index",))
        for name, table in _table(told.get("index", {}), f"'index' of {str(path)!r}").items():
            where = f"the index {name!r} of {str(path)!r}"
            _known(where, _table(table, where), _INDEX_KEYS)
            files = table.get("files", [])
            files = [files] if isinstance(files, str) else files
            if not files or not isinstance(files, list) or not all(isinstance(file, str) for file in files):
                raise InvalidValue(f"{where} needs `files`: a path, a glob or a folder, or a list of them")
            yield name, table, self._found([path.parent / file for file in files])

    def _grouped(self, granules: Sequence[AnyGranule], folder: str) -> list[_Entry]:
        """One index for each group of files that can be joined along time."""
        return [
            _Entry(folder if len(group) > 1 else _stem(group[0], folder), (tuple(group),))
            for group in _groups(granules)
        ]

    # --- what is made of it -----------------------------------------------------------------------------------------

    def _index(self, name: str, entry: _Entry) -> Index:
        variables: dict[str, Variable] = {}
        # The group with the most files comes first: where two hold a variable of one name, it is the one meant.
        for group in sorted(entry.groups, key=len, reverse=True):
            files = Files(group)
            for key in group[0].names:
                if key in variables:
                    source = group[0].name
                    self._problem(source, f"{key!r} of {source!r} lies on other cells than in the rest of {name!r}")
                else:
                    variables[key] = self._joined(key, files)
        variables = _as_told(name, with_derived(variables), entry.told)
        granules = [granule for group in entry.groups for granule in group]
        told = {id(granule.refused): granule.refused for granule in granules}.values()
        refused = {key: why for each in told for key, why in each.items() if key not in variables}
        placed = [variable.bbox for variable in variables.values() if variable.info.geometry != "none"]
        longest = max((v.axis for v in variables.values()), key=len)
        title = entry.told.get("title") or next((granule.title for granule in granules if granule.title), name)
        info = IndexInfo(
            index=name,
            name=name,
            title=short_text(title),
            bbox=around_all(placed) if placed else None,
            first=iso(int(longest.labels[0])) if len(longest) else None,
            last=iso(int(longest.labels[-1])) if len(longest) else None,
            count=len(longest),
            calendar=longest.calendar,
            variables={key: variable.info for key, variable in variables.items()},
            note=short_text(entry.told.get("note")),
        )
        paths = tuple(dict.fromkeys(granule.name for granule in granules if granule.name))
        return Index(name, info, variables, refused, paths)

    def _joined(self, name: str, files: Files) -> Variable:
        """One variable of granules that hold it at different times."""
        pieces = Pieces(name, files)
        if pieces[0].found.info.geometry == "track":
            return Track.of(name, pieces[0].found.info, pieces)
        order = files.order(name)
        labels, of = order.again
        for piece in np.flatnonzero(np.bincount(of)).tolist():
            times, path = labels[of == piece], pieces.file(piece)
            more = f" and {times.size - 1} more" if times.size > 1 else ""
            self._problem(
                path,
                f"{name!r} of {path or 'the data set'!r} has the time {iso(int(times[0]))}{more} again; "
                "the first one is shown",
            )
        first = pieces[0].found
        return Variable(
            name=name,
            info=first.info,
            axis=TimeAxis(order.labels, first.calendar),
            dtype=files.dtype(name),
            dims=first.dims,
            pieces=pieces,
            piece_of=order.piece_of,
            place_of=order.place_of,
            bounds=files.bounds(name),
            is_climatology=first.is_climatology,
        )


def _keeps_to(granule: AnyGranule, date: Date) -> bool:
    """Whether a file has a time of the date in its name, or no times at all."""
    times = np.concatenate([np.zeros(0, dtype=np.int64), *granule.times])
    return not times.size or bool(((times >= date.low) & (times < date.high)).any())


def _is_dataset(spec: Any) -> bool:
    """Whether it is an `xarray.Dataset`, without importing xarray for who has none."""
    return hasattr(spec, "data_vars") and hasattr(spec, "variables") and hasattr(spec, "dims")


def _as_paths(spec: Any) -> list[Path]:
    items = spec if isinstance(spec, list | tuple) else [spec]
    if not items or not all(isinstance(item, str | os.PathLike) for item in items):
        raise InvalidValue(
            "data are a path, a glob, a folder, a list of these, an xarray.Dataset, or a mapping from names to "
            f"these, not {short_text(repr(spec))}"
        )
    paths = []
    for item in items:
        text = os.fspath(item)
        if not isinstance(text, str) or "://" in text or "\0" in text:
            raise InvalidValue(f"data are opened from local paths, not from {short_text(text)!r}")
        # Made absolute, no spelling of a path looks like an address to a library.
        paths.append(Path(os.path.abspath(os.path.expanduser(text))))  # noqa: PTH100, PTH111  keeps symbolic links
    return paths


def _in_folder(folder: Path) -> list[Path]:
    """NetCDF files and Zarr stores in a folder and below, in the order of their names; hidden ones are left out."""
    found: list[Path] = []
    for root, folders, names in os.walk(folder):
        here = Path(root)
        stores = [name for name in folders if is_store(here / name)]
        folders[:] = sorted(name for name in folders if name not in stores and not name.startswith("."))
        found += [here / name for name in stores]
        found += [here / name for name in names if not name.startswith(".") and _is_data(here / name)]
    return sorted(found)


def _is_data(path: Path) -> bool:
    """Whether a file of a folder is meant: by its suffix, which a damaged one still has, or by its first bytes."""
    if path.name.lower().endswith(_SUFFIXES):
        return True
    if not path.is_file():
        return False
    try:
        format_of(path)
    except Unreadable:
        return False
    return True


def _common_name(paths: Sequence[Path]) -> str:
    """Name of the folder that holds all the paths."""
    if not paths:
        return "data"
    return Path(os.path.commonpath([path.parent for path in paths])).name or "data"


def _stem(granule: AnyGranule, otherwise: str) -> str:
    return Path(granule.name).stem if granule.name else otherwise


def _numbered(name: str, taken: Mapping[str, Any]) -> str:
    """The name, with a number if there is one like it already."""
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name}-{number}"
    return candidate


def _groups(granules: Sequence[AnyGranule]) -> list[list[AnyGranule]]:
    """Files that hold the same variables on the same cells at different times, together.

    A file of several times that are all there already is another run of the same model: it stays apart.
    """
    groups: list[list[AnyGranule]] = []
    times: list[set[int]] = []
    by_signature: dict[Any, list[int]] = {}
    for granule in granules:
        labels = {label for each in granule.times for label in each.tolist()}
        candidates = by_signature.setdefault(granule.signature, [])
        place = next((i for i in candidates if labels and (len(labels) == 1 or not labels <= times[i])), None)
        if place is None:
            candidates.append(len(groups))
            groups.append([granule])
            times.append(labels)
        else:
            groups[place].append(granule)
            times[place] |= labels
    return groups


def _nothing_to_show(name: str, refused: Mapping[str, str]) -> str:
    if not refused:
        return f"nothing in {name!r} can be shown on a map: it has no variables, or coordinates and their bounds alone"
    reasons = [f"{key}: {why}" for key, why in refused.items()]
    more = f"; and {len(reasons) - 3} more" if len(reasons) > 3 else ""
    return f"nothing in {name!r} can be shown on a map" + ": " + "; ".join(reasons[:3]) + more


# --- what a catalogue file may say -----------------------------------------------------------------------------------


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidValue(f"{where} is a table, not {value!r}")
    return value


def _known(where: str, table: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    for key in table:
        if key not in allowed:
            message, near = did_you_mean(f"key in {where}:", key, allowed)
            raise InvalidValue(f"{message} (allowed: {', '.join(allowed)})", suggestions=near)


def _as_told(index: str, variables: Mapping[str, Variable], told: Mapping[str, Any]) -> dict[str, Variable]:
    """The variables with what a catalogue says of them."""
    changed = dict(variables)
    for name, table in _table(told.get("variables", {}), f"'variables' of the index {index!r}").items():
        if name not in variables:
            message, near = did_you_mean(f"variable in the catalogue's index {index!r}:", name, variables)
            raise InvalidValue(message, suggestions=near)
        where = f"the variable {name!r} of the index {index!r}"
        _known(where, _table(table, where), _VARIABLE_KEYS)
        info = _info_as_told(variables[name].info, table, where)
        changed[name] = dataclasses.replace(variables[name], info=info)
    return changed


def _info_as_told(info: VariableInfo, table: Mapping[str, Any], where: str) -> VariableInfo:
    changes: dict[str, Any] = {}
    for key, value in table.items():
        if key == "limits":
            if not (
                isinstance(value, list)
                and len(value) == 2
                and all(isinstance(end, int | float) and not isinstance(end, bool) for end in value)
                and value[0] < value[1]
            ):
                raise InvalidValue(f"`limits` of {where} are two numbers, the lower first, not {value!r}")
            changes[key] = (float(value[0]), float(value[1]))
        elif not isinstance(value, str):
            raise InvalidValue(f"`{key}` of {where} is a text, not {value!r}")
        else:
            changes[key] = short_text(value)
    for key, allowed in (("kind", _KINDS), ("scale", _SCALES)):
        if changes.get(key, getattr(info, key)) not in allowed:
            message, near = did_you_mean(f"{key} of {where}:", changes[key], allowed)
            raise InvalidValue(message, suggestions=near)
    return dataclasses.replace(info, **changes)
