"""Where the samples of a swath lie: read when it is needed, since every granule has places of its own."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from datavore_widgets.errors import Unreadable
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.service.axes import Horizontal, in_degrees
from datavore_widgets.service.cache import Memo
from datavore_widgets.service.curvilinear import CurvilinearGrid
from datavore_widgets.service.files import Source

__all__ = ["Geolocation"]

_BYTES = 256 * 2**20
_grids: Memo[CurvilinearGrid] = Memo(_BYTES, lambda grid: grid.nbytes)


@dataclass(frozen=True, eq=False)
class Geolocation:
    """The places of one granule, and what is known of them without reading them again.

    Parameters
    ----------
    source : Source
        The file.
    where : Horizontal
        Its coordinates.
    key, shape, bbox, reach
        Those of the grid.
    """

    source: Source
    fingerprint: Hashable
    where: Horizontal
    key: Hashable
    shape: tuple[int, int]
    bbox: BBox
    reach: float

    @classmethod
    def of(cls, grid: CurvilinearGrid, source: Source, fingerprint: Hashable, where: Horizontal) -> Geolocation:
        """That of a grid that was read from a file."""
        # It is wanted again soon, to tell what has to be remembered of it.
        _grids.get(grid.key, lambda _: grid)
        return cls(source, fingerprint, where, grid.key, grid.shape, grid.bbox, grid.reach)

    def grid(self) -> CurvilinearGrid:
        """The grid; the last ones are remembered.

        Raises
        ------
        Unreadable
            When the file cannot be read, or has other places than before.
        """
        return _grids.get(self.key, lambda _: self._read())

    def _read(self) -> CurvilinearGrid:
        lon, lat = (self.source.read(name, {}) for name in (self.where.lon, self.where.lat))
        places = [
            in_degrees(np.ma.filled(raw.packing.decode(raw.values), np.nan), raw.attrs.get("units"))
            for raw in (lon, lat)
        ]
        if lat.dims != lon.dims:
            places[1] = places[1].T
        grid = CurvilinearGrid.from_centers(*places, is_swath=True, reach=self.reach)
        if grid.key != self.key:
            raise Unreadable(f"{self.source.name!r} was changed: its places are others than before; open it again")
        return grid
