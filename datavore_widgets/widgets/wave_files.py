"""The acquisitions as a table, with the paths of their files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipywidgets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datavore_widgets.protocol.sql import Column
from datavore_widgets.widgets.download import DownloadButton
from datavore_widgets.widgets.panel import ViewPanel
from datavore_widgets.widgets.result import Result
from datavore_widgets.widgets.result_table import ResultTable
from datavore_widgets.widgets.view import View
from datavore_widgets.widgets.wave_desk import Flock

__all__ = ["WaveFiles"]

_NUMBERS = {
    "lat": ("°N", 3),
    "lon": ("°E", 3),
    "hs": ("m", 2),
    "wavelength": ("m", 0),
    "direction": ("° towards", 0),
    "wind_speed": ("m/s", 1),
    "incidence": ("°", 1),
}


class WaveFiles(ViewPanel):
    """A row an acquisition, in the order of time or of a column that is pressed; saved as text.

    Parameters
    ----------
    view : View
        What is looked at.
    """

    name = "wave-files"

    def __init__(self, view: View, sheet: ipywidgets.HTML | None = None) -> None:
        super().__init__(view, sheet)
        self.table = ResultTable(self._sort)
        self.result = Result()
        self._order: tuple[int, bool] | None = None
        self.save = DownloadButton("CSV", "Save the table with all paths", lambda: ("imagettes.csv", self.result.csv()))
        line = ipywidgets.HBox([ipywidgets.Label("Press a column's head to sort"), self.save])
        line.add_class("dv-wave-files-line")
        self.fill([line, self.table])

    def show(self, flock: Flock, paths: Sequence[str], note: str = "") -> None:
        """List acquisitions, each with the path that ends in its file's name, or that name alone."""
        columns, arrays = [Column("time", "UTC")], [pa.array(flock.millis, pa.int64()).cast(pa.timestamp("ms"))]
        if len(flock):
            for name in ("satellite", "mode"):
                columns.append(Column(name, "text"))
                arrays.append(pa.array(flock.column(name).astype(object), pa.string()))
            for name, (units, digits) in _NUMBERS.items():
                columns.append(Column(name, units))
                values = np.round(flock.column(name).astype(np.float64), digits)
                arrays.append(pa.array(values, pa.float64(), from_pandas=True))
            columns.append(Column("quality", "flag"))
            arrays.append(pa.array(flock.column("quality").astype(np.int16), pa.int16()))
            columns.append(Column("file", "path"))
            by_name = {path.replace("\\", "/").rpartition("/")[2]: path for path in paths}
            names = flock.column("file").tolist()
            arrays.append(pa.array([by_name.get(name, name) for name in names], pa.string()))
        table = pa.table(arrays, names=[column.name for column in columns])
        self.result = Result(tuple(columns), table)
        self._order = None
        self.table.note = note if len(flock) else "No imagettes in this box at these times"
        self.table.show(self.result, None)

    def _sort(self, column: int) -> None:
        """The next order of a column: rising, falling, that of time."""
        before = self._order
        if before == (column, True):
            self._order = None
        else:
            self._order = (column, before == (column, False))
        if self._order is None:
            self.table.show(self.result, None)
            return
        name = self.result.columns[column].name
        order = pc.sort_indices(
            self.result.table[name], sort_keys=[("", "descending" if self._order[1] else "ascending")]
        )
        sorted_rows: Any = self.result.table.take(order)
        self.table.show(Result(self.result.columns, sorted_rows), self._order)
