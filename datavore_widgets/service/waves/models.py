"""Spectra of wave models beside the acquisitions: WAVEWATCH III's NetCDF and Zarr, and SWAN's text.

A model's spectrum is E(f, θ). It is brought to m² per Hz and radian and directions towards, and then, bin by bin, to
the acquisition's axes.

- WAVEWATCH III writes `efth` (standard name `sea_surface_wave_directional_variance_spectral_density`) in m² s rad⁻¹
  over `sea_surface_wave_to_direction`: both are read from the file. wavespectra holds the same per degree and *from*.
- SWAN writes m² Hz⁻¹ per degree, over directions *from* or anticlockwise from east (see `service.swan`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import InvalidValue, Unreadable
from datavore_widgets.protocol.times import Stamp, millis_from_label
from datavore_widgets.protocol.waves import ModelSpectrum, WaveSpectrum
from datavore_widgets.service.axes import text_of
from datavore_widgets.service.decode import labels_from_times
from datavore_widgets.service.files import Source, read_variable
from datavore_widgets.service.sphere import distance
from datavore_widgets.service.waves import spectra
from datavore_widgets.service.waves.directions import turned
from datavore_widgets.service.waves.regrid import regrid

__all__ = ["Model", "Models", "Named", "is_model", "named_parts", "read_model"]

Floats = NDArray[np.float64]

_DENSITY = "sea_surface_wave_directional_variance_spectral_density"
_TOWARDS, _FROM = "sea_surface_wave_to_direction", "sea_surface_wave_from_direction"
_MOST_BYTES = 2**29

FARTHEST, LONGEST = 200.0, 6.0
"""km and hours that a model's spectrum may be away to be compared with an acquisition."""


@dataclass(frozen=True, eq=False)
class Model:
    """Spectra of one file.

    Parameters
    ----------
    name : str
        Of the file.
    f, theta : ndarray, shapes (nf,) and (nd,)
        Hz ascending, and degrees towards.
    labels : ndarray of int64, shape (nt,)
        Times.
    lon, lat : ndarray, shape (nt, ns)
        Points.
    density : ndarray, shape (nt, ns, nf, nd)
        m² s rad⁻¹.
    """

    name: str
    f: Floats
    theta: Floats
    labels: NDArray[np.int64]
    lon: Floats
    lat: Floats
    density: NDArray[np.floating[Any]]

    @cached_property
    def there(self) -> NDArray[np.bool_]:
        """Where there is a spectrum, shape (nt, ns)."""
        return np.asarray(np.isfinite(self.density).any(axis=(2, 3)))

    def variance(self, time: int, station: int) -> Floats:
        """m² in each bin of one spectrum, shape (nf, nd)."""
        widths = np.diff(spectra.edges(self.f))[:, np.newaxis] * spectra.rings(self.theta)[np.newaxis, :]
        return np.asarray(np.nan_to_num(self.density[time, station].astype(np.float64)) * widths)

    def height(self, time: int, station: int) -> float:
        """Significant height of one spectrum with its tail, m.

        Beyond its last frequency a spectrum falls as f⁻⁵ (Phillips 1958, Journal of Fluid Mechanics 4, 426), which is
        E·f/4 more variance: the models' own heights count that, and so does this. Ours begins where the last bin ends,
        E·f·(f/f_edge)⁴/4. WAVEWATCH III begins at the last frequency, up to which it takes half a bin (`FTE` and
        `DSII` of its w3gridmd): on its grids that is the same to 1 %. wavespectra (4.9, `SpecArray.hs`) begins there
        too and takes the last bin whole, so that half a bin, E·Δf/2, counts twice: next to nothing in swell, and 4 % of
        the height in seas of short waves alone. Without a tail (`hs(tail=False)`) all three are the same to 1 %.
        """
        variance, limits = self.variance(time, station), spectra.edges(self.f)
        last, end = float(self.f[-1]), float(limits[-1])
        density = float(variance[-1].sum()) / (end - float(limits[-2]))
        return 4 * math.sqrt(float(variance.sum()) + density * last * (last / end) ** 4 / 4)

    def period(self, time: int, station: int) -> float:
        """Peak period of one spectrum, s: of the top of a parabola through the highest bin of E(f) and its neighbours.

        As the models tell it (SWAN user manual, appendix A, `RTPSMOO`), and wavespectra's `tp`. NaN without energy.
        """
        along = np.nan_to_num(self.density[time, station].astype(np.float64)) @ spectra.rings(self.theta)
        top = int(np.argmax(along))
        if not along[top] > 0:
            return math.nan
        if not 0 < top < along.size - 1:
            return 1 / float(self.f[top])
        before, after = self.f[top] - self.f[top - 1], self.f[top + 1] - self.f[top]
        rise, fall = (along[top] - along[top - 1]) / before, (along[top] - along[top + 1]) / after
        # Slopes half the way to either neighbour; between them the slope of a parabola is linear. Of three equal ones
        # the middle is the top.
        shift = (rise * after - fall * before) / (2 * (rise + fall)) if rise + fall > 0 else 0.0
        return 1 / float(self.f[top] + shift)

    def direction(self, time: int, station: int) -> float:
        """Mean direction of one spectrum, degrees towards: of the sum of E·(sin θ, cos θ). NaN without energy.

        Kuik et al. 1988, Journal of Physical Oceanography 18, 1020: `DIR` of SWAN, and wavespectra's `dm` but for its
        being from.
        """
        along = self.variance(time, station).sum(axis=0)
        radians = np.deg2rad(self.theta)
        east, north = float(along @ np.sin(radians)), float(along @ np.cos(radians))
        return float(turned(math.degrees(math.atan2(east, north)))) if math.hypot(east, north) > 0 else math.nan


@dataclass(frozen=True, eq=False)
class Models:
    """The models of a library.

    Parameters
    ----------
    files : sequence of callable
        What reads each: when one is compared with first, since opening would wait for it.
    """

    files: Sequence[Callable[[], Model]] = ()

    @cached_property
    def _read(self) -> tuple[list[Model], str]:
        """Those that can be read, and why the others cannot."""
        models, reasons = [], []
        for read in self.files:
            try:
                models.append(read())
            except Unreadable as error:
                reasons.append(str(error))
        return models, "; ".join(reasons)

    def nearest(self, found: WaveSpectrum) -> tuple[ModelSpectrum | None, str]:
        """The spectrum nearest to an acquisition in place, then in time; and a sentence that says why there is none.

        Files that cannot be read are left out, and told in the sentence.
        """
        models, broken = self._read
        if not models:
            return None, broken or "there are no spectra of a wave model"
        asked = int(millis_from_label(found.time.label))
        candidates = []
        for model in models:
            hours = (millis_from_label(model.labels) - asked) / 3_600_000
            far = distance(found.lon, found.lat, model.lon, model.lat) / 1000
            # A hundred kilometres weigh as much as three hours: what a swell of 160 m crosses in about that time.
            weight = np.where(model.there, far / 100 + np.abs(hours)[:, np.newaxis] / 3, np.inf)
            time, station = (int(at) for at in np.unravel_index(int(np.argmin(weight)), weight.shape))
            candidates.append(
                (float(weight[time, station]), float(far[time, station]), float(hours[time]), model, time, station)
            )
        best, away, off, model, time, station = min(candidates, key=lambda candidate: candidate[0])
        if not (math.isfinite(best) and away <= FARTHEST and abs(off) <= LONGEST):
            far_off = (
                f"no spectrum of a wave model is within {FARTHEST:g} km and {LONGEST:g} h: the nearest, {model.name}, "
                f"is {away:,.0f} km and {abs(off):,.1f} h away"
            )
            return None, "; ".join(filter(None, [far_off, broken]))
        return _compared(found, model, time, station, away, off), broken


def _compared(found: WaveSpectrum, model: Model, time: int, station: int, far: float, hours: float) -> ModelSpectrum:
    variance = model.variance(time, station)
    limits = (2 * math.pi * spectra.edges(model.f)) ** 2 / spectra.GRAVITY
    energy, _ = regrid(variance, limits, model.theta, found.k, found.phi)
    inside = math.nan
    if found.cutoff > 0 and math.isfinite(found.heading):
        cells = spectra.resolved(found.k, found.phi, found.heading, found.cutoff)
        inside = spectra.significant_height(found.k, found.phi, energy, cells)
    return ModelSpectrum(
        energy=energy,
        source=model.name,
        time=Stamp(int(model.labels[time])),
        lon=float(model.lon[time, station]),
        lat=float(model.lat[time, station]),
        distance=far,
        hours=hours,
        hs=model.height(time, station),
        hs_inside=inside,
        period=model.period(time, station),
        direction=model.direction(time, station),
    )


# --- from files ------------------------------------------------------------------------------------------------------


def _named(variables: Any, *standard: str) -> str | None:
    return next((name for name, v in variables.items() if text_of(v, "standard_name") in standard), None)


def is_model(variables: Any) -> bool:
    """Whether variables hold spectra over frequency and direction."""
    return _named(variables, _DENSITY) is not None and _named(variables, _TOWARDS, _FROM) is not None


class Named(NamedTuple):
    """What is what in a file of spectra: names of its variables, and of its dimensions."""

    keys: Mapping[str, str]
    dims: Mapping[str, str]
    station: str


def named_parts(variables: Mapping[str, Any], name: str) -> Named:
    """What is what among variables; no values are looked at.

    Raises
    ------
    Unreadable
        When they do not tell their axes, places or times, or are too large.
    """
    named = {
        "density": _named(variables, _DENSITY),
        "theta": _named(variables, _TOWARDS, _FROM),
        "f": _named(variables, "sea_surface_wave_frequency"),
        "lon": _named(variables, "longitude"),
        "lat": _named(variables, "latitude"),
        "time": _named(variables, "time"),
    }
    missing = [part for part, key in named.items() if key is None]
    if missing:
        raise Unreadable(f"the wave spectra of {name!r} do not tell their {', '.join(missing)} by CF's standard names")
    keys = {part: str(key) for part, key in named.items()}
    density = variables[keys["density"]]
    if density.ndim != 4 or 0 in density.shape or 8 * math.prod(density.shape) > _MOST_BYTES:
        raise Unreadable(f"the wave spectra of {name!r} have the shape {density.shape}, which is not read")
    dims = {part: variables[key].dims[0] for part, key in keys.items() if part in ("theta", "f", "time")}
    station = next((dim for dim in density.dims if dim not in dims.values()), None)
    if not set(dims.values()) <= set(density.dims) or station is None:
        raise Unreadable(f"the wave spectra of {name!r} do not lie over time, frequency and direction")
    return Named(keys, dims, station)


def read_model(source: Source) -> Model:
    """The spectra of a NetCDF file, a Zarr store or a text of SWAN's.

    Raises
    ------
    Unreadable
        When it does not tell its axes, places or times, or is damaged or too large.
    """
    name = Path(source.name).name or "the data set"
    with source.contents() as contents:
        variables = contents.variables
        keys, dims, station = named_parts(variables, name)
        density = variables[keys["density"]]

        def values(part: str) -> Any:
            raw = read_variable(variables[keys[part]], {})
            return np.ma.filled(np.ma.asarray(raw.packing.decode(raw.values), dtype=np.float64), np.nan), raw.dims

        table, order = values("density")
        table = table.transpose([order.index(dim) for dim in (dims["time"], station, dims["f"], dims["theta"])])
        places = []
        for part in ("lon", "lat"):
            place, over = values(part)
            if set(over) == {dims["time"], station}:
                places.append(place.transpose([over.index(dims["time"]), over.index(station)]))
            elif over == (station,):
                places.append(np.tile(place, (table.shape[0], 1)))
            else:
                raise Unreadable(f"the places of the wave spectra of {name!r} lie over {over}")
        (theta, _), (f, _) = values("theta"), values("f")
        theta_attrs, density_attrs = variables[keys["theta"]].attrs, density.attrs
        time = variables[keys["time"]]
        stamps = read_variable(time, {})
        try:
            labels, calendar = labels_from_times(stamps.values, time.attrs)
        except InvalidValue as error:
            raise Unreadable(f"the times of the wave spectra of {name!r} cannot be read: {error}") from error
    if calendar not in ("standard", "gregorian", "proleptic_gregorian"):
        raise Unreadable(f"the wave spectra of {name!r} have the calendar {calendar!r}")
    if text_of(variables[keys["theta"]], "standard_name") == _FROM:
        theta = theta + 180.0
    if str(theta_attrs.get("units", "")).lower().startswith("rad"):
        raise Unreadable(f"the directions of the wave spectra of {name!r} are in radians, which is not read")
    if re.search(r"deg", str(density_attrs.get("units", "")), re.IGNORECASE):
        table = table * (180.0 / math.pi)
    order_f = np.argsort(f)
    return Model(
        name, f[order_f], turned(theta), labels, places[0], places[1], table[:, :, order_f, :].astype(np.float32)
    )
