"""Taking the view along: as a link, as Python, as a picture, as numbers."""

from __future__ import annotations

from typing import Any

import ipywidgets

from datavore_widgets.widgets.copy_button import CopyButton
from datavore_widgets.widgets.download import DownloadButton, PictureButton
from datavore_widgets.widgets.link import query_of
from datavore_widgets.widgets.map_sheet import sheet_of
from datavore_widgets.widgets.panel import Panel
from datavore_widgets.widgets.python_code import code_of
from datavore_widgets.widgets.saving import map_file, series_csv, series_netcdf
from datavore_widgets.widgets.timeseries_chart import TimeseriesChart
from datavore_widgets.widgets.view import View

__all__ = ["ShareRow"]


class ShareRow(Panel):
    """Buttons that copy the view as a link or as a few lines of Python, and save the map and the series.

    Parameters
    ----------
    client, view
        See `Panel`.
    chart : TimeseriesChart, optional
        Whose series are saved; None: no button for them.
    """

    name = "share"

    def __init__(self, client: Any = None, view: View | None = None, chart: TimeseriesChart | None = None) -> None:
        super().__init__(client, view)
        link = CopyButton("Link", "Copy a link that opens this view", lambda: query_of(self.view), is_link=True)
        code = CopyButton("Python", "Copy this view and its numbers as Python", lambda: code_of(self.desk))
        picture = PictureButton(
            "PNG", "Save the map as a picture, with its colour bar and a caption", lambda: sheet_of(self.desk)
        )
        cells = DownloadButton(
            "NetCDF", "Save the cells in view, in the units of the data", lambda: map_file(self.desk)
        )
        rows = [_row("Copy", link, code), _row("Map", picture, cells)]
        if chart is not None:
            table = DownloadButton(
                "CSV", "Save the series on the chart, in the units of the data", lambda: series_csv(chart.told())
            )
            files = DownloadButton(
                "NetCDF", "Save the series on the chart, in the units of the data", lambda: series_netcdf(chart.told())
            )
            rows.append(_row("Series", table, files))
        self.fill(rows)


def _row(word: str, *buttons: ipywidgets.DOMWidget) -> ipywidgets.HBox:
    row = ipywidgets.HBox([ipywidgets.Label(word), *buttons])
    row.add_class("dv-buttons")
    row.add_class("dv-share-row")
    return row
