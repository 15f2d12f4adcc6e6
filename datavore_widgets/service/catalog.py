"""From paths, data sets and catalogue files to indexes."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from datavore_widgets.protocol.answers import Catalog, IndexInfo
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.times import TimeAxis, iso
from datavore_widgets.service.files import MemorySource
from datavore_widgets.service.index import Dim, Index, Piece, Variable
from datavore_widgets.service.scan import Granule, scan

if TYPE_CHECKING:
    pass

__all__ = ["Dim", "Index", "Library", "Variable", "open_catalog"]

_log = logging.getLogger(__name__)


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

    def info(self) -> Catalog:
        """The catalogue, as it is answered."""
        return Catalog({name: index.info for name, index in self.indexes.items()})


def open_catalog(spec: Any) -> Library:
    """Indexes of a data set."""
    granule = scan(MemorySource(spec))
    index = _index("dataset", [granule], {})
    return Library({index.id: index})


def _index(name: str, granules: Sequence[Granule], problems: dict[str, str]) -> Index:
    """One index of granules that hold the same variables."""
    first = granules[0]
    variables = {key: _joined(key, granules, problems) for key in first.variables}
    files = tuple(dict.fromkeys(granule.source.name for granule in granules if granule.source.name))
    longest = max((v.axis for v in variables.values()), key=len, default=TimeAxis(np.zeros(0, dtype=np.int64)))
    info = IndexInfo(
        index=name,
        name=name,
        title=first.title or name,
        bbox=_extent(variables.values()),
        first=iso(int(longest.labels[0])) if len(longest) else None,
        last=iso(int(longest.labels[-1])) if len(longest) else None,
        count=len(longest),
        calendar=longest.calendar,
        variables={key: variable.info for key, variable in variables.items()},
    )
    return Index(name, info, variables, dict(first.refused), files)


def _joined(name: str, granules: Sequence[Granule], problems: dict[str, str]) -> Variable:
    """One variable of granules that hold it at different times."""
    found = [granule.variables[name] for granule in granules]
    pieces = tuple(Piece(granule.source, part.layout) for granule, part in zip(granules, found, strict=True))
    labels = np.concatenate([part.labels for part in found])
    piece_of = np.repeat(np.arange(len(found)), [part.labels.size for part in found])
    place_of = np.concatenate([np.arange(part.labels.size) for part in found])
    # Of equal times the first in the order of the files is kept; a stable sort puts it first.
    order = np.argsort(labels, kind="stable")
    repeated = np.r_[False, np.diff(labels[order]) == 0] if order.size else np.zeros(0, dtype=bool)
    for place in order[repeated]:
        where = pieces[int(piece_of[place])].source.name
        reason = f"the time {iso(int(labels[place]))} of {name!r} is there twice; the first one is shown"
        if where not in problems:
            _log.warning("%s: %s", where or "data set", reason)
            problems[where] = reason
    order = order[~repeated]
    first = found[0]
    return Variable(
        name=name,
        info=first.info,
        grid=first.grid,
        axis=TimeAxis(labels[order], first.calendar),
        dtype=np.result_type(*(part.dtype for part in found)),
        dims=first.dims,
        pieces=pieces,
        piece_of=piece_of[order],
        place_of=place_of[order],
    )


def _extent(variables: Iterable[Variable]) -> BBox | None:
    """The box around all grids."""
    boxes = [variable.grid.bbox for variable in variables]
    if not boxes:
        return None
    south, north = min(box.south for box in boxes), max(box.north for box in boxes)
    if len({(box.west, box.east) for box in boxes}) == 1:
        return BBox(boxes[0].west, south, boxes[0].east, north)
    return BBox(-180.0, south, 180.0, north)
