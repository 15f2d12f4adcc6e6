"""Areas of cells that another file of the library tells: a model's `areacello`, its mesh mask, its grid file."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping
from pathlib import Path

import numpy as np

from datavore_widgets.service.curvilinear import CurvilinearGrid
from datavore_widgets.service.grid import Grid
from datavore_widgets.service.index import Index, Variable
from datavore_widgets.service.measures import Areas, tells_areas

__all__ = ["Lenders"]

_SAME = 1e-4
"""Degrees by which the centres of equal cells differ at most: single precision, written twice."""


class Lenders:
    """Finds who tells the areas of cells whose own files tell neither these nor corners.

    Parameters
    ----------
    indexes : mapping of str to Index
        All that is served.
    """

    def __init__(self, indexes: Mapping[str, Index]) -> None:
        self._indexes = indexes
        self._found: dict[Hashable, Areas | None] = {}
        self._lock = threading.Lock()

    def areas(self, grid: Grid) -> Areas | None:
        """The areas that others tell of some cells, with the file that does; None without any, or without need.

        Looked for once: the files of what seems to tell areas are opened then.
        """
        if not isinstance(grid, CurvilinearGrid) or grid.is_swath or grid.corners_are_told or grid.areas is not None:
            return None
        with self._lock:
            if grid.key not in self._found:
                found = (_lent(variable, grid) for index in self._indexes.values() for variable in _tellers(index))
                self._found[grid.key] = next((areas for areas in found if areas is not None), None)
            return self._found[grid.key]


def _tellers(index: Index) -> list[Variable]:
    return [v for v in index.variables.values() if tells_areas(v.name, v.info.standard_name) and not v.moves]


def _lent(variable: Variable, grid: CurvilinearGrid) -> Areas | None:
    """The areas of the cells of a variable, if they are those of a grid."""
    own = variable.grid
    if not isinstance(own, CurvilinearGrid) or own.areas is None or own.shape != grid.shape:
        return None
    # Land may be without a place in one of them.
    both = np.isfinite(own.lon) & np.isfinite(grid.lon)
    away = np.abs((own.lon - grid.lon + 180.0) % 360.0 - 180.0) * np.cos(np.radians(grid.lat))
    if not both.any() or max(away[both].max(), np.abs(own.lat - grid.lat)[both].max()) > _SAME:
        return None
    file = Path(variable.file_of(None)).name
    return Areas(own.areas.steradians, f"{own.areas.source} of {file}" if file else own.areas.source)
