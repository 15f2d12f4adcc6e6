"""One acquisition side by side: roughness, both cross spectra, the swell spectrum, the wave model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import anywidget
import numpy as np
from numpy.typing import NDArray
from traitlets import Dict, Int

from datavore_widgets.protocol.colormap import palette
from datavore_widgets.protocol.swell import period
from datavore_widgets.protocol.waves import WaveSpectrum
from datavore_widgets.widgets.plot import COLORS
from datavore_widgets.widgets.style import STATIC
from datavore_widgets.widgets.text import number

__all__ = ["WavePanels", "plate"]

_MOST_PIXELS = 320  # of a side of the roughness: as many as a panel has
_CLEAR = 255
_MOST_STEP = 10
_INKS = ("#fff", "#000", "#000", "#fff", "#000", "#000")  # the number on each of the colours, 4.5 to 1 and more
_DARK = 0.82  # of a colour map that ends in white


class WavePanels(anywidget.AnyWidget):
    """Draws them, reads them under the pointer, and tells which swell or which neighbour is wanted.

    Parameters
    ----------
    step : callable
        `step(by)`: so many acquisitions on in the pass.
    choose : callable
        `choose(number)`: another of the spectrum's partitions.
    """

    _esm = STATIC / "wave_panels.js"
    plate: Any = Dict().tag(sync=True)
    chosen = Int(-1).tag(sync=True)
    tables: Any = Dict().tag(sync=True)

    def __init__(self, step: Callable[[int], None], choose: Callable[[int], None]) -> None:
        super().__init__(tables=_tables())
        self._step = step
        self._choose = choose
        self.on_msg(self._heard)

    def show(self, spectrum: WaveSpectrum | None, chosen: int) -> None:
        """Show another acquisition, in one message; None: nothing."""
        with self.hold_sync():
            self.plate = {} if spectrum is None else plate(spectrum)
            self.chosen = chosen

    def _heard(self, _widget: Any, content: Any, _buffers: Any) -> None:
        """What a browser asks: a step, or a swell that there is."""
        if not isinstance(content, dict):
            return
        step, partition = content.get("step"), content.get("partition")
        if type(step) is int and 0 < abs(step) <= _MOST_STEP:
            self._step(step)
        if type(partition) is int and 0 <= partition < len(self.plate.get("swells", ())):
            self._choose(partition)

    def set_state(self, sync_data: Mapping[str, Any]) -> None:
        """What a browser says: nothing here is its to set."""


@cache
def _tables() -> dict[str, bytes]:
    """256 colours for each panel: nothing is light on a light page and dark on a dark one."""

    def table(name: str, reverse: bool = False, part: float = 1.0) -> NDArray[np.uint8]:
        colors = palette(name)[1:, :3]
        colors = colors[::-1] if reverse else colors
        picked = np.linspace(0, part * (len(colors) - 1), 256).round().astype(int)
        return np.ascontiguousarray(colors[picked])

    # Of two that begin at black: blue for negative values, orange for positive ones.
    halves = table("ice", part=_DARK)[1::2][::-1], table("afmhot", part=_DARK)[1::2]
    tables = {
        "energy_light": table("dense"),
        "energy_dark": table("magma"),
        "real_light": table("tempo"),
        "real_dark": table("ice", part=_DARK),
        "imaginary_light": table("balance"),
        "imaginary_dark": np.vstack(halves),
        "roughness_light": table("gray"),
        "roughness_dark": table("gray"),
    }
    return {name: colors.tobytes() for name, colors in tables.items()}


def plate(spectrum: WaveSpectrum) -> dict[str, Any]:
    """What the front end draws: arrays as bytes, numbers, and the words beside them as plain text."""
    model = spectrum.model
    cartesian = spectrum.cartesian
    return {
        "k": _f8(spectrum.k),
        "phi": _f8(spectrum.phi),
        "energy": _f4(spectrum.energy) if np.isfinite(spectrum.energy).any() else None,
        "re": None if spectrum.cross_re is None else _f4(spectrum.cross_re),
        "im": None if spectrum.cross_im is None else _f4(spectrum.cross_im),
        "cartesian": None
        if cartesian is None
        else {
            "re": _f4(cartesian.re),
            "im": _f4(cartesian.im),
            "k_range": _f8(cartesian.k_range),
            "k_azimuth": _f8(cartesian.k_azimuth),
        },
        "model": None if model is None else _f4(model.energy),
        "partitions": spectrum.partitions.astype("<i2").tobytes(),
        "roughness": _roughness(spectrum),
        "heading": _number(spectrum.heading),
        "cutoff": _number(spectrum.cutoff),
        "shortest": None if spectrum.shortest is None else _f4(spectrum.shortest),
        "wind_from": _number(spectrum.wind_from),
        "cross_units": "(m/rad)²",  # as the products have it: a density of what has no unit
        "swells": [_swell(spectrum, place) for place in range(spectrum.partition_ids.size)],
        "none": "No swell was told apart in this spectrum",
        "words": _words(spectrum),
        "told": _told(spectrum),
    }


def _f8(values: NDArray[Any]) -> bytes:
    return values.astype("<f8").tobytes()


def _f4(values: NDArray[Any]) -> bytes:
    return values.astype("<f4").tobytes()


def _number(value: float) -> float | None:
    """A number that JSON knows."""
    return float(value) if np.isfinite(value) else None


def _roughness(spectrum: WaveSpectrum) -> dict[str, Any] | None:
    """The picture in 255 levels between its 1st and 99th percentile, in no more pixels than a panel has."""
    values = spectrum.roughness
    if values is None or not np.isfinite(values).any():
        return None
    every = max(1, -(-max(values.shape) // _MOST_PIXELS))
    height, width = (size // every for size in values.shape)
    blocks = values[: height * every, : width * every].reshape(height, every, width, every).astype(np.float64)
    there = np.isfinite(blocks)
    count = there.sum(axis=(1, 3))
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(there, blocks, 0.0).sum(axis=(1, 3)) / count
    low, high = (float(v) for v in np.nanpercentile(means, (1, 99)))
    if not high > low:
        high = low + 1.0
    levels = np.clip((means - low) / (high - low) * _CLEAR, 0, _CLEAR - 1)
    return {
        "levels": np.where(count > 0, levels, _CLEAR).astype(np.uint8).tobytes(),
        "width": width,
        "height": height,
        "spacing": float(spectrum.roughness_spacing) * every,
        "low": low,
        "high": high,
    }


def _swell(spectrum: WaveSpectrum, place: int) -> dict[str, Any]:
    """A partition: what is drawn of it, and what its button says."""
    hs, wavelength, direction = (
        float(column[place])
        for column in (spectrum.partition_hs, spectrum.partition_wavelength, spectrum.partition_direction)
    )
    quality = int(spectrum.partition_quality[place])
    ambiguity = float(spectrum.partition_ambiguity[place])
    sure = f"; ambiguity factor {number(ambiguity, 2)}" if np.isfinite(ambiguity) else ""
    seconds = float(period(wavelength)) if wavelength > 0 else np.nan
    return {
        "id": int(spectrum.partition_ids[place]),
        "wavelength": _number(wavelength),
        "direction": _number(direction),
        "color": COLORS[place % len(COLORS)],
        "ink": _INKS[place % len(COLORS)],
        "height": _height(hs),
        "waves": f"{number(wavelength, 3)} m · {number(seconds, 3)} s · → {_degrees(direction)}",
        "quality": f"quality {quality}" if quality >= 0 else "",
        "hint": f"Swell {place + 1}: significant height of the resolved part, wavelength, period, direction towards"
        f"{'; quality flag, 0 is best' if quality >= 0 else ''}{sure}. Choose it to follow it over the map.",
    }


def _degrees(value: float) -> str:
    return f"{round(value) % 360:03d}°" if np.isfinite(value) else "–"


def _height(metres: float) -> str:
    return f"{metres:.2f} m" if np.isfinite(metres) else "–"


def _words(spectrum: WaveSpectrum) -> dict[str, dict[str, str]]:
    model = spectrum.model
    height = f"Hs {_height(spectrum.hs)} resolved"
    if np.isfinite(spectrum.total_hs):
        height += f", {_height(spectrum.total_hs)} in all"
    has_cross = spectrum.cross_re is not None or spectrum.cartesian is not None
    lag = f"; {spectrum.lag}" if spectrum.lag else ""
    if model is None:
        beside = ""
    else:
        off = abs(model.hours)
        when = f"{off:.1f} h" if off >= 1 else f"{60 * off:.0f} min"
        when += " later" if model.hours >= 0 else " earlier"
        inside = f", {_height(model.hs_inside)} inside cut-off" if np.isfinite(model.hs_inside) else ""
        peak = f"Tp {number(model.period, 3)} s, mean → {_degrees(model.direction)}"
        # What comes last is cut off where a panel is narrow; the pointer has it whole.
        beside = f"Hs {_height(model.hs)}{inside}; {number(model.distance, 3)} km off, {when}; {peak}"
    return {
        "roughness": {
            "title": "Roughness",
            "sub": "north up" if spectrum.roughness is not None else "",
            "empty": "No roughness beside this product",
        },
        "real": {
            "title": "Cross spectrum, real",
            "sub": "even: 180° ambiguous" if has_cross else "",
            "empty": "No cross spectrum in this product",
        },
        "imaginary": {
            "title": "Cross spectrum, imaginary",
            "sub": f"odd: its sign tells where to{lag}" if has_cross else "",
            "empty": "No cross spectrum in this product",
        },
        "swell": {"title": "Swell spectrum", "sub": height, "empty": "No spectrum in this product"},
        "model": {
            "title": "Wave model",
            "sub": beside,
            "empty": "No model spectrum near this place and time",
        },
    }


def _told(spectrum: WaveSpectrum) -> str:
    """What stands where the pointer reads nothing."""
    wind = f"wind {number(spectrum.wind_speed, 3)} m/s from {_degrees(spectrum.wind_from)}"
    cut = f"azimuth cut-off {number(spectrum.cutoff, 3)} m (dashed)" if np.isfinite(spectrum.cutoff) else ""
    nrcs = f"NRCS {number(spectrum.nrcs, 3)} dB" if np.isfinite(spectrum.nrcs) else ""
    return " · ".join(part for part in (wind, cut, nrcs, *spectrum.notes) if part)
