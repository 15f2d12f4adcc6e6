"""What is taken away of an acquisition: its spectra, and labelled pictures of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets

from datavore_widgets.client import wave_export
from datavore_widgets.errors import NoData
from datavore_widgets.protocol.answers import IndexInfo
from datavore_widgets.protocol.door import Service
from datavore_widgets.protocol.queries import QuicklookQuery
from datavore_widgets.protocol.waves import WaveSpectrum
from datavore_widgets.widgets.download import DownloadButton
from datavore_widgets.widgets.panel import ViewPanel
from datavore_widgets.widgets.view import View
from datavore_widgets.widgets.wave_desk import WaveDesk

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["WaveSaving"]


class WaveSaving(ViewPanel):
    """Buttons that save the acquisition that is looked at.

    Parameters
    ----------
    client : Service
        Who draws the pictures.
    desk : WaveDesk
        Which acquisition.
    infos : sequence of IndexInfo
        The satellites; their variables are the pictures that there are.
    """

    name = "wave-saving"

    def __init__(
        self,
        client: Service,
        desk: WaveDesk,
        infos: Sequence[IndexInfo],
        view: View,
        sheet: ipywidgets.HTML | None = None,
    ) -> None:
        super().__init__(view, sheet)
        self._client = client
        self._desk = desk
        self._infos = infos
        self.picture = ipywidgets.Dropdown(options=[], tooltip="Which picture is saved")
        self.picture.add_class("dv-picture-of")
        self.png = DownloadButton("PNG", "Save this picture, labelled", self.drawn)
        self.nc = DownloadButton("NetCDF", "Save the spectra of this imagette, with units", self.netcdf)
        self.fill([self.picture, self.png, self.nc])
        self.watch(desk, "spectrum", self._offer)
        self._offer()

    def _offer(self, _change: Any = None) -> None:
        """The pictures of the acquisition's own satellite; the one that was chosen stays chosen, by its words."""
        flock, chosen = self._desk.flock, self._desk.chosen
        there = self._desk.spectrum is not None and 0 <= chosen < len(flock)
        for button in (self.nc, self.png):
            button.disabled = not there
        if not there:
            return
        index = flock.index(chosen)
        info = next(info for info in self._infos if info.index.replace(">", "/") == index)
        options = [(variable.label, name) for name, variable in info.variables.items()]
        if tuple(options) == tuple(self.picture.options):
            return
        before = self.picture.label
        self.picture.options = options
        labels = [label for label, _ in options]
        usual = next((label for label in labels if "swell" in label.lower()), labels[0] if labels else None)
        self.picture.label = before if before in labels else usual

    def _spectrum(self) -> WaveSpectrum:
        if self._desk.spectrum is None:
            raise NoData("no imagette is shown; choose one on the map")
        return self._desk.spectrum

    def dataset(self) -> xr.Dataset:
        """The spectra of the acquisition.

        Raises
        ------
        NoData
            When none is shown.
        """
        return wave_export.dataset(self._spectrum())

    def netcdf(self) -> tuple[str, bytes]:
        """(file name, bytes) of the data set."""
        return wave_export.netcdf(self._spectrum())

    def drawn(self) -> tuple[str, bytes]:
        """(file name, PNG) of the picture that is chosen.

        Raises
        ------
        NoData
            When no acquisition is shown.
        """
        flock, chosen = self._desk.flock, self._desk.chosen
        if not 0 <= chosen < len(flock) or self.picture.value is None:
            raise NoData("no imagette is shown; choose one on the map")
        date = flock.stamp(chosen).date
        look = self._client.answer(QuicklookQuery(flock.index(chosen), self.picture.value, date))
        return f"{self.picture.value}_{date.digits}.png", look.png
