"""Maps and time series of ocean data in Jupyter.

The public names are found when they are first used: asking a server loads no xarray, serving loads no ipywidgets.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Datahive": "datavore_widgets.client.datahive",
    "Datalaps": "datavore_widgets.client.datalaps",
    "Datavore": "datavore_widgets.client.datavore",
    "Datavoresentinel1": "datavore_widgets.client.sentinel1",
    "DatavoreError": "datavore_widgets.errors",
    "HttpService": "datavore_widgets.client.http",
    "LocalService": "datavore_widgets.service.local",
    "ColorBar": "datavore_widgets.widgets.color_bar",
    "ColormapPicker": "datavore_widgets.widgets.colormap_picker",
    "DatavoreMap": "datavore_widgets.widgets.map",
    "DateSlider": "datavore_widgets.widgets.date_slider",
    "Explorer": "datavore_widgets.widgets.explorer",
    "HiveConsole": "datavore_widgets.widgets.hive_console",
    "IndexPicker": "datavore_widgets.widgets.index_picker",
    "Sentinel1Viewer": "datavore_widgets.widgets.sentinel1",
    "TimeseriesChart": "datavore_widgets.widgets.timeseries_chart",
    "View": "datavore_widgets.widgets.view",
    "explore": "datavore_widgets.widgets.explorer",
    "prepare": "datavore_widgets.service.laps.prepare",
}

__all__ = ["__version__", *_HOMES]

if TYPE_CHECKING:
    from datavore_widgets.client.datahive import Datahive as Datahive
    from datavore_widgets.client.datalaps import Datalaps as Datalaps
    from datavore_widgets.client.datavore import Datavore as Datavore
    from datavore_widgets.client.http import HttpService as HttpService
    from datavore_widgets.client.sentinel1 import Datavoresentinel1 as Datavoresentinel1
    from datavore_widgets.errors import DatavoreError as DatavoreError
    from datavore_widgets.service.laps.prepare import prepare as prepare
    from datavore_widgets.service.local import LocalService as LocalService
    from datavore_widgets.widgets.color_bar import ColorBar as ColorBar
    from datavore_widgets.widgets.colormap_picker import ColormapPicker as ColormapPicker
    from datavore_widgets.widgets.date_slider import DateSlider as DateSlider
    from datavore_widgets.widgets.explorer import Explorer as Explorer
    from datavore_widgets.widgets.explorer import explore as explore
    from datavore_widgets.widgets.hive_console import HiveConsole as HiveConsole
    from datavore_widgets.widgets.index_picker import IndexPicker as IndexPicker
    from datavore_widgets.widgets.map import DatavoreMap as DatavoreMap
    from datavore_widgets.widgets.sentinel1 import Sentinel1Viewer as Sentinel1Viewer
    from datavore_widgets.widgets.timeseries_chart import TimeseriesChart as TimeseriesChart
    from datavore_widgets.widgets.view import View as View


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
