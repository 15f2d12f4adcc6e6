"""The explorer: the widgets side by side, on one view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets

from datavore_widgets.errors import DatavoreError
from datavore_widgets.protocol.answers import Catalog
from datavore_widgets.protocol.queries import CatalogQuery
from datavore_widgets.widgets.area_fields import AreaFields
from datavore_widgets.widgets.arrow_picker import ArrowPicker
from datavore_widgets.widgets.basemap_picker import BasemapPicker
from datavore_widgets.widgets.color_bar import ColorBar
from datavore_widgets.widgets.colormap_picker import ColormapPicker
from datavore_widgets.widgets.conditions import Conditions
from datavore_widgets.widgets.date_slider import DateSlider
from datavore_widgets.widgets.deck import Deck, Tab
from datavore_widgets.widgets.desk import NothingOnGrid, client_of, sentence
from datavore_widgets.widgets.doctor_panel import DoctorPanel
from datavore_widgets.widgets.files_panel import FilesPanel
from datavore_widgets.widgets.growth_watch import GrowthWatch
from datavore_widgets.widgets.index_picker import IndexPicker
from datavore_widgets.widgets.link import traits_of
from datavore_widgets.widgets.map import DatavoreMap
from datavore_widgets.widgets.panel import Panel, ViewPanel
from datavore_widgets.widgets.prepare_row import PrepareRow
from datavore_widgets.widgets.series_picker import SeriesPicker
from datavore_widgets.widgets.share import ShareRow
from datavore_widgets.widgets.text import escape
from datavore_widgets.widgets.timeseries_chart import TimeseriesChart
from datavore_widgets.widgets.truth_line import TruthLine
from datavore_widgets.widgets.view import View
from datavore_widgets.widgets.window_picker import WindowPicker

if TYPE_CHECKING:
    from datavore_widgets.widgets.hive_console import HiveConsole
    from datavore_widgets.widgets.sentinel1 import Sentinel1Viewer

__all__ = ["Explorer", "explore"]

_OWN_DATA = "Open your own with <code>datavore explore PATH</code>, or <code>explore(PATH)</code> in a notebook."


class Explorer(Panel):
    """Map, date slider, pickers and chart on one view.

    It only puts them side by side: what they do, they do through the view.

    Parameters
    ----------
    client : optional
        Anything with `answer` (`Datavore`, `Datalaps`, a service), or what `connect` takes: a path, a glob, a
        URL, an `xarray.Dataset`; None: the sample data.
    view : View, optional
        What is looked at first; None: the first data set, its first variable, the last time.
    height : str
        CSS height in a notebook. In the app the explorer fills the window.
    console : bool or client
        Whether a console for HiveQL has a tab beside the series: True for the sample table, or what `HiveConsole`
        takes as its client. Whoever sees it can run any query, so it is never there unless asked for.

    Examples
    --------
    >>> explorer = Explorer()  # doctest: +SKIP
    >>> explorer.view.bbox = [-60, 3, -22, 27]  # doctest: +SKIP
    """

    name = "explorer"

    def __init__(
        self, client: Any = None, view: View | None = None, *, height: str = "780px", console: Any = False
    ) -> None:
        super().__init__(client, view)
        client, view = self.desk.client, self.view
        self.index_picker = IndexPicker(client, view)
        self.window_picker = WindowPicker(client, view)
        self.conditions = Conditions(client, view)
        self.colormap_picker = ColormapPicker(client, view)
        self.area = AreaFields(client, view)
        self.arrow_picker = ArrowPicker(client, view)
        self.basemap_picker = BasemapPicker(client, view)
        self.map = DatavoreMap(client, view)
        self.color_bar = ColorBar(client, view)
        self.date_slider = DateSlider(client, view)
        self.truth = TruthLine(client, view)
        self.chart = TimeseriesChart(client, view)
        self.series_picker = SeriesPicker(client, view, self.chart)
        self.prepare = PrepareRow(client, view, self.chart)
        self.share = ShareRow(client, view, self.chart)
        self.console = _console(console, view)
        self.deck = Deck(view, self._tabs(), self.desk.sheet)
        self.parts: tuple[ViewPanel, ...] = (
            *(self.index_picker, self.window_picker, self.conditions, self.colormap_picker, self.arrow_picker),
            *(
                self.basemap_picker,
                self.map,
                self.color_bar,
                self.date_slider,
                self.truth,
                self.area,
                self.series_picker,
                self.prepare,
                self.share,
                self.deck,
            ),
        )
        self.map.corner.children = [self.color_bar]
        self.map.layout.height = "auto"

        self.status = ipywidgets.HTML()
        self.status.add_class("dv-status")
        sections = [
            _section("Data", self.index_picker, self.window_picker, self.conditions),
            _section("Map", self.colormap_picker, self.arrow_picker, self.basemap_picker),
            _section("Series", self.area, self.series_picker, self.prepare),
            _section("Share", self.share),
        ]
        self._message = ipywidgets.HTML()
        self._message.add_class("dv-message")
        side = ipywidgets.VBox([self._message, *self._welcome(), *sections, self.status])
        side.add_class("dv-side")
        facts = ipywidgets.HBox([self.truth, *([self.deck.buttons] if len(self.deck.buttons.options) > 1 else [])])
        facts.add_class("dv-facts")
        self._main = ipywidgets.VBox([self.map, self.date_slider, facts, self.deck])
        self._main.add_class("dv-main")
        self.layout.height = height
        self.fill([side, self._main])
        self.watch(self.desk, "status", self._tell)
        self._growth_words, self._listed = "", 0
        self.growth = GrowthWatch(client, self.desk.catalog, self._grown)
        self._tell()

    def _grown(self, catalog: Catalog) -> None:
        """There may be more times and more indexes while the files are still looked into."""
        growth = catalog.growth
        self._growth_words = "" if growth is None else f" · {growth.text}"
        self._tell()
        listed = 0 if growth is None else growth.listed
        if listed != self._listed and catalog is not self.desk.catalog:
            self.desk.renew(catalog)
        self._listed = listed

    def visit(self, query: str) -> None:
        """Look at what a link says. One that cannot be followed is told on the page, and the view stays as it is.

        Parameters
        ----------
        query : str
            What stands behind the `?` of the page's address; it may come from anybody.
        """
        try:
            if traits := traits_of(query):
                self.desk.turn_to(traits)
        except DatavoreError as error:
            words = f"The link could not be followed: {sentence(error)}"
            self._message.value = f"<div role='alert'>{escape(words)}</div>"

    @property
    def is_idle(self) -> bool:
        """Whether everything that was asked for is on the page."""
        return self.chart.is_idle and all(part.is_idle for part in self.parts)

    def _welcome(self) -> list[ipywidgets.HTML]:
        """A word for who sees the sample: that it is synthetic, and how to open data of one's own."""
        notes = {info.note for info in self.desk.catalog.indexes.values()}
        if len(notes) != 1 or "synthetic" not in (note := notes.pop()).lower():
            return []
        word = ipywidgets.HTML(f"<strong>{escape(note[:1].upper() + note[1:])}</strong><br>{_OWN_DATA}")
        word.add_class("dv-welcome")
        return [word]

    def _tabs(self) -> list[Tab]:
        """What shares the place below the facts."""
        tabs = [Tab("Series", "Series of the box and the point", lambda: self.chart)]
        files = Tab("Files", "The files behind the picture, and where they lie", self._files)
        if (console := self.console) is not None:
            console.layout.height = None
            tabs.append(Tab("HiveQL", "Queries over tables", lambda: console))
        if self.desk.catalog.waves:
            tabs.append(Tab("Sentinel-1", "Spectra of the wave mode: swell, wind, the wave model", self._waves))
        return [*tabs, files, Tab("Doctor", "What the files are, and what is doubtful in them", self._doctor)]

    def _doctor(self) -> DoctorPanel:
        return DoctorPanel(self.desk.client, self.view)

    def _files(self) -> FilesPanel:
        return FilesPanel(self.desk.client, self.view, on=self.map)

    def _waves(self) -> Sentinel1Viewer:
        from datavore_widgets.widgets.sentinel1 import Sentinel1Viewer  # late: its tables take a while

        return Sentinel1Viewer(self.desk.client, self.view, map=self.map)

    def _tell(self, _change: Any = None) -> None:
        self.status.value = f"<div role='status'>{escape(self.desk.status + self._growth_words)}</div>"

    def release(self) -> None:
        """Cancel what is under way."""
        self.growth.close()
        for part in self.parts:
            part.close()
        if self.console is not None:
            self.console.close()  # its tab may never have been chosen
        self.desk.close()


def _console(asked: Any, view: View) -> HiveConsole | None:
    if asked is False or asked is None:
        return None
    from datavore_widgets.widgets.hive_console import HiveConsole  # where nobody asks for it, nobody can open it

    return HiveConsole(None if asked is True else asked, view)


def _section(title: str, *parts: ipywidgets.Widget) -> ipywidgets.VBox:
    head = ipywidgets.HTML(f"<h2>{escape(title)}</h2>")
    head.add_class("dv-section-head")
    box = ipywidgets.VBox([head, *parts])
    box.add_class("dv-section")
    return box


def explore(
    spec: Any = None, *, height: str = "780px", console: Any = False, **view: Any
) -> Explorer | Sentinel1Viewer:
    """Open the explorer; where there is nothing but a wave mode of Sentinel-1, its viewer.

    Parameters
    ----------
    spec : optional
        What to look at: a path, a glob, a list of paths, a URL, an `xarray.Dataset`, a client; None: the sample.
    height : str
        CSS height in a notebook.
    console : bool or client
        See `Explorer`; absent unless asked for.
    **view
        What to look at first: the traits of `View`.

    Raises
    ------
    UnknownKeyword, InvalidValue
        For a keyword or a value that the view does not take.

    Examples
    --------
    >>> explore("sst_*.nc", bbox=[-60, 3, -22, 27], groupby="yyyy-MM")  # doctest: +SKIP
    """
    try:
        return Explorer(spec, View(**view), height=height, console=console)
    except NothingOnGrid:
        client = client_of(spec)
        if not client.answer(CatalogQuery()).waves:
            raise
        from datavore_widgets.widgets.sentinel1 import Sentinel1Viewer

        return Sentinel1Viewer(client, View(**view))
