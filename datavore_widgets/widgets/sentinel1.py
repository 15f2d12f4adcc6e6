"""The viewer of Sentinel-1's wave mode: imagettes on the map, their spectra side by side, a swell over its pass."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

import ipywidgets
import numpy as np

from datavore_widgets.errors import DatavoreError, InvalidValue, NoData
from datavore_widgets.protocol.answers import Catalog, FileList
from datavore_widgets.protocol.geometry import GLOBAL
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.queries import (
    AcquisitionsQuery,
    CatalogQuery,
    FilesQuery,
    SpectrumQuery,
)
from datavore_widgets.protocol.times import WHOLE_LAPSE, Date, Lapse
from datavore_widgets.protocol.waves import WaveSpectrum
from datavore_widgets.widgets.date_slider import TimeBar
from datavore_widgets.widgets.desk import client_of, sentence
from datavore_widgets.widgets.footprints_layer import FootprintsLayer
from datavore_widgets.widgets.growth_watch import GrowthWatch
from datavore_widgets.widgets.link import traits_of
from datavore_widgets.widgets.map import DatavoreMap
from datavore_widgets.widgets.panel import ViewPanel
from datavore_widgets.widgets.pass_chart import PassChart
from datavore_widgets.widgets.pump import Pump
from datavore_widgets.widgets.text import escape, thousands
from datavore_widgets.widgets.view import View
from datavore_widgets.widgets.viewport import Frame
from datavore_widgets.widgets.wave_desk import COLOURS, DAYS, Flock, WaveDesk
from datavore_widgets.widgets.wave_files import WaveFiles
from datavore_widgets.widgets.wave_map import WaveMap
from datavore_widgets.widgets.wave_panels import WavePanels
from datavore_widgets.widgets.wave_saving import WaveSaving
from datavore_widgets.widgets.wave_words import date_words, headline, way_words

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Sentinel1Viewer"]

log = logging.getLogger(__name__)

_MOST = 250_000
"""Imagettes of one satellite that are asked for at once: two months."""

_PATIENCE = 0.5  # seconds that a request goes on when a newer one waits
_ALL = "All satellites"
_TURN, _STRETCH = 40.0, 1.4  # what a swell may differ by, to stay the chosen one in the next imagette
_EVERY_FILE, _ANY_VARIABLE = "all<", "sss"  # the words of the protocol for all files of all satellites


class Sentinel1Viewer(ViewPanel):
    """Looks at Sentinel-1's wave mode.

    The view's box and lapse choose the imagettes; a click on the map, the bar of times, the arrow keys or the series
    of the pass choose one of them, and its roughness, cross spectra, swell spectrum and the wave model stand side by
    side. A swell chosen in the spectrum is followed over the pass, back to where it came from and on to the coast.

    Parameters
    ----------
    client : optional
        Anything with `answer` (`Datavoresentinel1`, a service), or what `connect` takes; None: the view's own client,
        else the sample data.
    view : View, optional
        What is looked at; None: a new one.
    map : DatavoreMap, optional
        Whose map the imagettes are put on; None: the viewer has one of its own.

    Raises
    ------
    InvalidValue
        When the catalogue has no index of a wave mode.

    Examples
    --------
    >>> viewer = Sentinel1Viewer()  # doctest: +SKIP
    >>> viewer.view.set(bbox=[-160, -40, -100, 10], datelaps="20240101,20240107")  # doctest: +SKIP
    >>> viewer.dataset()  # doctest: +SKIP
    """

    name = "sentinel1"

    def __init__(self, client: Any = None, view: View | None = None, *, map: DatavoreMap | None = None) -> None:  # noqa: A002
        view = View() if view is None else view
        shared = view.desk
        self.client = client_of(client) if client is not None or shared is None else shared.client
        catalog = view.catalog or self.client.answer(CatalogQuery())
        self.infos = catalog.waves
        if not self.infos:
            raise InvalidValue(
                "this catalogue has no wave mode of Sentinel-1; give a folder of S1?_WV_OCN__2S*.SAFE products"
            )
        super().__init__(view, None if shared is None else shared.sheet)
        self.waves = WaveDesk()
        self._fetched: WaveSpectrum | None = None
        self._quiet = False
        self._fresh = True  # what is shown was chosen by nobody yet

        self.own_map = WaveMap(view, self._sheet) if map is None else None
        self._leaflet = map.map if map is not None else self.own_map.map  # type: ignore[union-attr]
        self._caption = map.caption if map is not None else self.own_map.caption  # type: ignore[union-attr]
        self._host = map
        self.layer = FootprintsLayer(self._leaflet, self.waves)
        self._caption.children = (*self._caption.children, self.layer.legend)
        self.panels = WavePanels(self._step, self._choose)
        self.bar = TimeBar()
        self.bar.layout.flex = "1 1 auto"
        self.chart = PassChart(self.waves, view, self._sheet)
        self.files = WaveFiles(view, self._sheet)
        self.saving = WaveSaving(self.client, self.waves, self.infos, view, self._sheet)
        self._make_controls()
        self._lay_out()
        self._found_words = self._growth_words = ""
        self._listed = 0 if catalog.growth is None else catalog.growth.listed

        self.pump: Pump[tuple[AcquisitionsQuery, ...], Flock] = Pump(
            self._search, show=self._found, fail=self._lost, busy=self._busy, patience=_PATIENCE
        )
        self.spectrum_pump: Pump[tuple[int, SpectrumQuery], WaveSpectrum] = Pump(
            self._ask_spectrum, show=self._arrived, fail=self._missed, busy=self._busy
        )
        self._files_pump: Pump[FilesQuery, tuple[str, ...]] = Pump(
            self._ask_files, show=self._list, fail=self._no_files, busy=self._busy
        )
        self.watch(view, ["bbox", "datelaps"], self._wish)
        self.watch(view, "datelaps", self._tell_dates)
        self.watch(view, "point", self._pick)
        self.watch(view, "viewport", self._seen)
        self.watch(self.satellite, "value", self._wish)
        self.watch(self.waves, "chosen", self._look)
        self.watch(self.waves, ["spectrum", "partition"], self._show)
        self.watch(self.waves, ["spectrum", "partition", "days"], self._tell_ways)
        self.watch(self.bar, "position", self._dragged)
        self.watch(self, "_dom_classes", self._turned)
        self._turned()
        self._tell_dates()
        self._show()
        self._wish()
        self.growth = GrowthWatch(self.client, catalog, self._grown)

    def visit(self, query: str) -> None:
        """Look at the box, the dates and the place that a link says; one that cannot be followed is told.

        Parameters
        ----------
        query : str
            What stands behind the `?` of the page's address; it may come from anybody.
        """
        try:
            traits = traits_of(query)
            self.view.set(**{name: value for name, value in traits.items() if name in ("bbox", "datelaps", "point")})
        except DatavoreError as error:
            self._complain(f"The link could not be followed: {sentence(error)}")

    # What it is made of

    def _satellites(self) -> list[tuple[str, str]]:
        options = [(_ALL, "")] if len(self.infos) > 1 else []
        return options + [(info.title or info.name, info.index) for info in self.infos]

    def _make_controls(self) -> None:
        self.satellite = ipywidgets.Dropdown(options=self._satellites(), tooltip="Whose imagettes are shown")
        self.satellite.add_class("dv-satellite")
        self.colour = ipywidgets.Dropdown(
            options=list(COLOURS), description="Colour", tooltip="What colours the imagettes on the map"
        )
        first = min((info.first for info in self.infos if info.first), default="")
        last = max((info.last for info in self.infos if info.last), default="")
        self.first = ipywidgets.Text(
            description="From",
            placeholder=first[:10],
            continuous_update=False,
            tooltip="First date, such as 2024-01-05",
        )
        self.last = ipywidgets.Text(
            description="to", placeholder=last[:10], continuous_update=False, tooltip="Last date, such as 2024-01-07"
        )
        self.days = ipywidgets.Dropdown(
            options=[(f"{days} days", days) for days in DAYS],
            value=self.waves.days,
            description="Follow",
            tooltip="For how long the chosen swell is followed, back and on",
        )
        for control in (self.colour, self.first, self.last, self.days):
            control.style.description_width = "auto"
        for control in (self.first, self.last):
            control.add_class("dv-wave-date")
        ipywidgets.link((self.colour, "value"), (self.waves, "colour"))
        ipywidgets.link((self.days, "value"), (self.waves, "days"))
        self.shown = ipywidgets.ToggleButtons(
            options=["Spectra", "Files"], tooltips=["The imagette that is chosen", "All imagettes, with their files"]
        )
        self.shown.add_class("dv-tabs")
        self._status = ipywidgets.HTML()
        self._status.add_class("dv-query-status")
        self._head = ipywidgets.HTML()
        self._head.add_class("dv-wave-head")
        self._ways = ipywidgets.HTML()
        self._ways.add_class("dv-wave-ways")
        self._strip = ipywidgets.HTML()
        self._strip.add_class("dv-wave-strip")
        self.watch(self.first, "value", self._dated)
        self.watch(self.last, "value", self._dated)
        self.watch(self.shown, "value", self._turn)

    def _lay_out(self) -> None:
        tools = ipywidgets.HBox([self.satellite, self.colour, self.first, self.last, self.shown, self._status])
        tools.add_class("dv-wave-tools")
        line = ipywidgets.HBox([self._head, self.bar, self.saving])
        line.add_class("dv-wave-line")
        follow = ipywidgets.VBox([self._ways, self.days])
        follow.add_class("dv-wave-follow")
        swell = ipywidgets.HBox([follow, self.chart])
        swell.add_class("dv-wave-swell")
        spectra = ipywidgets.VBox([line, self.panels, swell])
        spectra.add_class("dv-wave-spectra")
        listed = ipywidgets.VBox([self.files])
        listed.add_class("dv-wave-listed")
        body = ipywidgets.Box([spectra, listed])
        body.add_class("dv-wave-body")
        below = ipywidgets.VBox([tools, self._strip, body])
        below.add_class("dv-wave-below")
        self.fill([below] if self.own_map is None else [self.own_map, below])
        if self.own_map is not None:
            # What is below it takes some 500 pixels: both are seen at once on a screen of 800 and of 1080.
            self.own_map.layout.height = "clamp(240px, 34vh, 420px)"
        self._turn()

    # Which imagettes

    def _queries(self) -> tuple[AcquisitionsQuery, ...]:
        box, lapse, only = self.view.bbox or GLOBAL, self.view.datelaps, self.satellite.value
        return tuple(
            AcquisitionsQuery(info.index, box, lapse, _MOST) for info in self.infos if only in ("", info.index)
        )

    def _wish(self, _change: Any = None) -> None:
        self.pump.submit(self._queries())

    def _grown(self, catalog: Catalog) -> None:
        """There may be more imagettes, and more satellites, while the files are still looked into."""
        growth = catalog.growth
        self._growth_words = "" if growth is None else growth.text
        self._tell_status()
        if growth is not None and growth.listed == self._listed:
            return
        self._listed = 0 if growth is None else growth.listed
        if [info.index for info in catalog.waves] != [info.index for info in self.infos]:
            was_all = self.satellite.value == "" or len(self.infos) == 1
            self.infos, chosen = catalog.waves, self.satellite.value
            self.satellite.options = self._satellites()
            self.satellite.value = "" if was_all and len(self.infos) > 1 else chosen
        self.pump.forget()
        self._wish()

    def _tell_status(self) -> None:
        self._tell(" · ".join(filter(None, (self._found_words, self._growth_words))))

    def _search(self, wish: tuple[AcquisitionsQuery, ...], job: Job) -> Flock:
        found = []
        for query in wish:
            try:
                found.append((query.index, self.client.answer(query, job)))
            except NoData:
                continue  # another satellite may have some
        return Flock(found)

    def _found(self, _wish: Any, flock: Flock) -> None:
        before, chosen = self.waves.flock, self.waves.chosen
        again = -1
        if 0 <= chosen < len(before):
            same = np.flatnonzero(flock.labels == before.labels[chosen])
            again = next((int(n) for n in same if flock.index(int(n)) == before.index(chosen)), -1)
        if again < 0:
            again = self._newest(flock)
        self._quiet = True  # what was not asked for by hand moves no map
        self.waves.set(flock=flock, chosen=again)
        self._look()
        self._quiet = False
        told = f"{thousands(len(flock))} imagettes"
        if flock.total > len(flock):
            told += f" of {thousands(flock.total)}, thinned evenly: choose fewer dates to see all"
        none = "No imagettes in this box then"
        self._found_words = f"{told} · {1000 * self.pump.elapsed:.0f} ms" if len(flock) else none
        self._tell_status()
        self._complain("")
        self._turn()

    def _seen(self, _change: Any = None) -> None:
        """The map has another extent: once, while nobody has chosen, what is shown is one that can be seen.

        A tab that opens takes half of the map away.
        """
        flock, chosen, seen = self.waves.flock, self.waves.chosen, self.view.viewport
        if not self._fresh or seen is None or not 0 <= chosen < len(flock):
            return
        self._fresh = False
        if not seen.contains(flock.lon[chosen], flock.lat[chosen]):
            self._quiet = True
            self.waves.chosen = self._newest(flock)
            self._quiet = False

    def _newest(self, flock: Flock) -> int:
        """The last imagette that the map shows, else the last one; -1 where there is none."""
        seen = self.view.viewport
        inside = np.flatnonzero(seen.contains(flock.lon, flock.lat)) if seen is not None and len(flock) else np.zeros(0)
        return int(inside[-1]) if inside.size else len(flock) - 1

    def _lost(self, _wish: Any, error: Exception) -> None:
        self._report("the imagettes could not be searched", error)

    def _pick(self, _change: Any = None) -> None:
        """A point was chosen: the imagette there, if there is one."""
        point = self.view.point
        if point is None or not self.layer.visible:
            return
        near = self.waves.flock.near(point.lon, point.lat, self.layer.reach())
        if near is not None:
            self.waves.chosen = near

    # The one that is looked at

    def _step(self, by: int) -> None:
        """So many imagettes on in the pass, its ends included."""
        flock, chosen = self.waves.flock, self.waves.chosen
        if 0 <= chosen < len(flock):
            along = flock.pass_of(chosen)
            here = int(np.flatnonzero(along == chosen)[0])
            self.waves.chosen = int(along[max(0, min(along.size - 1, here + by))])

    def _dragged(self, change: Any) -> None:
        flock, chosen = self.waves.flock, self.waves.chosen
        if self._quiet or not 0 <= chosen < len(flock):
            return
        along = flock.pass_of(chosen)
        if change["new"] < along.size:
            self.waves.chosen = int(along[change["new"]])

    def _look(self, _change: Any = None) -> None:
        """Ask for the spectrum of the chosen imagette, and show where it is in its pass."""
        flock, chosen = self.waves.flock, self.waves.chosen
        if not 0 <= chosen < len(flock):
            self.spectrum_pump.cancel()
            self.waves.set(spectrum=None, partition=-1)
            self.bar.labels = b""
            self._head.value = ""
            return
        along = flock.pass_of(chosen)
        quiet, self._quiet = self._quiet, True
        with self.bar.hold_sync():
            self.bar.labels = flock.labels[along].astype("<i8").tobytes()
            self.bar.position = int(np.flatnonzero(along == chosen)[0])
        self._quiet = quiet
        if not quiet:
            self._fresh = False
            self._follow_on_map(float(flock.lon[chosen]), float(flock.lat[chosen]))
        self.spectrum_pump.submit((chosen, SpectrumQuery(flock.index(chosen), flock.stamp(chosen).date)))

    def _follow_on_map(self, lon: float, lat: float) -> None:
        """Bring the map along when the imagette lies outside of it."""
        frame = Frame.of(self._leaflet)
        if frame is None or not self.layer.visible:
            return
        if not (frame.south < lat < frame.north and frame.west < frame.near(lon) < frame.east):
            self._leaflet.center = (lat, frame.near(lon))

    def _ask_spectrum(self, wish: tuple[int, SpectrumQuery], job: Job) -> WaveSpectrum:
        spectrum: WaveSpectrum = self.client.answer(wish[1], job)
        return spectrum

    def _arrived(self, _wish: tuple[int, SpectrumQuery], spectrum: WaveSpectrum) -> None:
        self.waves.set(spectrum=spectrum, partition=self._same_swell(spectrum))
        self.bar.shown = self.bar.position
        self._complain("")

    def _same_swell(self, spectrum: WaveSpectrum) -> int:
        """The partition that goes on with the chosen swell; else the highest one; -1 where there is none."""
        before, chosen = self.waves.spectrum, self.waves.partition
        lengths, towards = spectrum.partition_wavelength, spectrum.partition_direction
        there = np.isfinite(lengths) & np.isfinite(towards)
        if not there.any():
            return -1
        if before is not None and 0 <= chosen < before.partition_ids.size:
            turn = np.abs((towards - before.partition_direction[chosen] + 180.0) % 360.0 - 180.0) / _TURN
            with np.errstate(invalid="ignore", divide="ignore"):
                stretch = np.abs(np.log(lengths / before.partition_wavelength[chosen])) / math.log(_STRETCH)
            off = np.where((turn <= 1) & (stretch <= 1), turn + stretch, np.inf)
            if np.isfinite(off).any():
                return int(off.argmin())
        return int(np.where(there, np.nan_to_num(spectrum.partition_hs, nan=-1.0), -2.0).argmax())

    def _missed(self, _wish: Any, error: Exception) -> None:
        self.bar.shown = self.bar.position
        self.waves.set(spectrum=None, partition=-1)
        self._report("the spectrum could not be read", error)

    def _choose(self, partition: int) -> None:
        self.waves.partition = partition

    def _show(self, _change: Any = None) -> None:
        spectrum = self.waves.spectrum
        if spectrum is None:
            self._fetched = None
            self.panels.show(None, -1)
            self._head.value = ""
        elif spectrum is not self._fetched:
            self._fetched = spectrum
            self.panels.show(spectrum, self.waves.partition)
            self._head.value = headline(spectrum)
        else:
            self.panels.chosen = self.waves.partition

    def _tell_ways(self, _change: Any = None) -> None:
        paths, spectrum = self.waves.paths(), self.waves.spectrum
        if paths is None or spectrum is None:
            self._ways.value = "<div class='dv-muted'>Choose a swell: its way over the sea appears on the map</div>"
            return
        millis = int(self.waves.flock.millis[self.waves.chosen])
        self._ways.value = way_words(self.waves.partition + 1, millis, *paths)

    # Dates, files, pages

    def _tell_dates(self, _change: Any = None) -> None:
        lapse = self.view.datelaps
        self._quiet = True
        for control, date, whole in (
            (self.first, lapse.first, WHOLE_LAPSE.first),
            (self.last, lapse.last, WHOLE_LAPSE.last),
        ):
            control.value = "" if date == whole else date_words(date)
        self._quiet = False

    def _dated(self, _change: Any = None) -> None:
        if self._quiet:
            return
        ends = (self.first.value.strip(), self.last.value.strip())
        try:
            first, last = (
                Date.parse(text) if text else whole
                for text, whole in zip(ends, (WHOLE_LAPSE.first, WHOLE_LAPSE.last), strict=True)
            )
            self.view.datelaps = Lapse(first, last)
        except DatavoreError as error:
            self._complain(sentence(error))
        else:
            self._complain("")

    def _turn(self, _change: Any = None) -> None:
        """Show the spectra or the files."""
        listed = self.shown.value == "Files"
        self.mark("dv-shows-files", listed)
        if listed:
            box = self.view.bbox or GLOBAL
            self._files_pump.submit(FilesQuery(_EVERY_FILE, _ANY_VARIABLE, box, self.view.datelaps))

    def _ask_files(self, query: FilesQuery, job: Job) -> tuple[str, ...]:
        answer: FileList = self.client.answer(query, job)
        return answer.files

    def _list(self, _query: FilesQuery, files: tuple[str, ...]) -> None:
        self.files.show(self.waves.flock, files)

    def _no_files(self, _query: FilesQuery, error: Exception) -> None:
        if not isinstance(error, DatavoreError):
            log.error("the files could not be listed", exc_info=error)
        self.files.show(self.waves.flock, (), f"Names only: {sentence(error)}")

    def _turned(self, _change: Any = None) -> None:
        """Another tab has been chosen, or this one again: the imagettes are on the map while this one is shown."""
        visible = "dv-hidden" not in self._dom_classes
        if visible != self.layer.visible:
            self.layer.visible = visible
        if self._host is not None:
            self._host.mark("dv-under-waves", visible)

    def dataset(self) -> xr.Dataset:
        """The spectra of the imagette that is shown.

        Raises
        ------
        NoData
            When none is shown.
        """
        return self.saving.dataset()

    # What is said

    def _busy(self, on: bool) -> None:
        self.mark("dv-is-searching", on)

    def _tell(self, text: str) -> None:
        self._status.value = f"<div role='status'>{escape(text)}</div>"

    def _complain(self, text: str) -> None:
        self._strip.value = f"<div role='alert'>{escape(text)}</div>" if text else ""

    def _report(self, what: str, error: Exception) -> None:
        if not isinstance(error, DatavoreError):
            log.error("%s", what, exc_info=error)
        self._complain(f"{what[:1].upper()}{what[1:]}: {sentence(error)}")

    def release(self) -> None:
        """Cancel what is under way, and take everything off the map."""
        for ends in (self.growth, self.pump, self.spectrum_pump, self._files_pump):
            ends.close()
        self.layer.close()
        self.chart.close()
        self.files.close()
        self.saving.close()
        if self.own_map is not None:
            self.own_map.close()
        elif self._host is not None and self._host.caption.comm is not None:
            self._caption.children = tuple(child for child in self._caption.children if child is not self.layer.legend)
            self._host.mark("dv-under-waves", False)
