"""What the parts of the Sentinel-1 viewer share: acquisitions, the one that is looked at, its spectrum, its swell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from traitlets import Enum, HasTraits, Instance, Int

from datavore_widgets.protocol.swell import SwellPath, period, trace
from datavore_widgets.protocol.times import Stamp, millis_from_label
from datavore_widgets.protocol.waves import Acquisitions, WaveSpectrum

__all__ = ["COLOURS", "DAYS", "Colour", "Flock", "Swell", "WaveDesk"]

FloatArray = NDArray[np.float64]

_PAUSE = 300_000  # milliseconds without an acquisition that end a pass: wave mode has one every 15 s
_TURN = 30.0  # degrees that a swell may turn from one acquisition to the next
_STRETCH = 1.3  # factor that its wavelength may change by
_FARTHEST = 4  # acquisitions that a swell may be missing in, before it is another one

DAYS = (3, 5, 10, 15)
"""For how long a swell is followed, back and forward."""


@dataclass(frozen=True)
class Colour:
    """A quantity that colours the footprints."""

    name: str
    label: str
    units: str
    cmap: str


COLOURS = {
    "Wave height": Colour("hs", "Significant wave height", "m", "amp"),
    "Wavelength": Colour("wavelength", "Wavelength of the main swell", "m", "viridis"),
    "Wind speed": Colour("wind_speed", "Wind speed", "m/s", "speed"),
    "Incidence": Colour("incidence", "Incidence angle", "°", "cividis"),
}


@dataclass(frozen=True, eq=False)
class Swell:
    """A partition followed through a pass.

    Parameters
    ----------
    positions : ndarray of int64, shape (n,)
        Of the acquisitions of the pass.
    hs, peak_period, direction : ndarray of float64, shape (n,)
        m, s, degrees towards; NaN where it was not found again.
    """

    positions: NDArray[np.int64]
    hs: FloatArray
    peak_period: FloatArray
    direction: FloatArray


class Flock:
    """The acquisitions of one or more satellites, in the order of time.

    Parameters
    ----------
    parts : sequence of (str, Acquisitions)
        The ids of the indexes, and what they answered.
    """

    def __init__(self, parts: Sequence[tuple[str, Acquisitions]] = ()) -> None:
        self.indexes = [index for index, _ in parts]
        answers = [answer for _, answer in parts]
        labels = np.concatenate([np.zeros(0, np.int64), *(a.labels for a in answers)])
        self._order = np.argsort(labels, kind="stable")
        self._answers = answers
        self.labels: NDArray[np.int64] = labels[self._order]
        self.total = sum(answer.total for answer in answers)
        self._index = np.repeat(np.arange(len(answers)), [len(a) for a in answers])[self._order]

    def __len__(self) -> int:
        return int(self.labels.size)

    def column(self, name: str) -> NDArray[np.generic]:
        """A column of `Acquisitions`, such as `hs`; those of partitions padded where satellites have fewer."""
        columns: list[NDArray[np.generic]] = [getattr(answer, name) for answer in self._answers]
        if not columns:
            return np.zeros(0)
        if columns[0].ndim == 2:
            most = max(column.shape[1] for column in columns)
            fill = -1 if np.issubdtype(columns[0].dtype, np.integer) else np.nan
            columns = [np.pad(c, ((0, 0), (0, most - c.shape[1])), constant_values=fill) for c in columns]
        return np.concatenate(columns)[self._order]

    @cached_property
    def lon(self) -> FloatArray:
        """Degrees."""
        return self.column("lon").astype(np.float64)

    @cached_property
    def lat(self) -> FloatArray:
        """Degrees."""
        return self.column("lat").astype(np.float64)

    @cached_property
    def heading(self) -> FloatArray:
        """Degrees."""
        return self.column("heading").astype(np.float64)

    @cached_property
    def satellite(self) -> NDArray[np.str_]:
        """Such as `S1A`."""
        return self.column("satellite").astype(np.str_)

    @cached_property
    def millis(self) -> NDArray[np.int64]:
        """Milliseconds since 1970."""
        return millis_from_label(self.labels)

    @cached_property
    def _partitions(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Heights, wavelengths, directions; shape (n, p)."""
        names = ("partition_hs", "partition_wavelength", "partition_direction")
        hs, wavelength, direction = (self.column(name).astype(np.float64) for name in names)
        return hs, wavelength, direction

    def index(self, position: int) -> str:
        """The id of the index that an acquisition is of."""
        return self.indexes[int(self._index[position])]

    def stamp(self, position: int) -> Stamp:
        """Its time."""
        return Stamp(int(self.labels[position]))

    @cached_property
    def _passes(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The positions satellite by satellite, and where in them each pass begins (and the last one ends)."""
        order = np.lexsort((self.millis, self._index))
        begins = (np.diff(self.millis[order]) > _PAUSE) | (np.diff(self._index[order]) != 0)
        return order.astype(np.int64), np.r_[0, np.flatnonzero(begins) + 1, len(self)]

    def pass_of(self, position: int) -> NDArray[np.int64]:
        """The positions of the pass that an acquisition is in: one satellite, no pause of more than five minutes."""
        order, edges = self._passes
        place = int(np.flatnonzero(order == position)[0])
        number = int(np.searchsorted(edges, place, side="right"))
        return order[edges[number - 1] : edges[number]]

    def near(self, lon: float, lat: float, reach: float) -> int | None:
        """The acquisition nearest to a place, at most so many degrees away; the last of equal ones."""
        if not len(self):
            return None
        away = (self.lon - lon + 180.0) % 360.0 - 180.0
        here = np.hypot(away * np.cos(np.radians(lat)), self.lat - lat)
        best = len(self) - 1 - int(np.argmin(here[::-1]))
        return best if here[best] <= reach else None

    def follow(self, position: int, wavelength: float, direction: float) -> Swell:
        """A swell of an acquisition through its pass.

        From one acquisition to the next it is the partition nearest in direction and wavelength, at most 30° and 30 %
        off; where there is none it is missing, and after four in a row it has ended.

        Parameters
        ----------
        wavelength, direction : float
            Of the swell in the acquisition at `position`: m, degrees towards.
        """
        positions = self.pass_of(position)
        hs, lengths, towards = (column[positions] for column in self._partitions)
        found = np.full(positions.size, -1, np.int64)
        here = int(np.flatnonzero(positions == position)[0])
        for way in (range(here, positions.size), range(here - 1, -1, -1)):
            length, heading, missed = wavelength, direction, 0
            for place in way:
                turn = np.abs((towards[place] - heading + 180.0) % 360.0 - 180.0) / _TURN
                with np.errstate(invalid="ignore", divide="ignore"):
                    stretch = np.abs(np.log(lengths[place] / length)) / math.log(_STRETCH)
                off = np.where((turn <= 1) & (stretch <= 1), turn + stretch, np.inf)
                best = int(off.argmin()) if off.size else -1
                if best >= 0 and np.isfinite(off[best]):
                    found[place], missed = best, 0
                    length, heading = float(lengths[place, best]), float(towards[place, best])
                else:
                    missed += 1
                    if missed > _FARTHEST:
                        break
        rows = np.arange(positions.size)

        def of(column: FloatArray) -> FloatArray:
            return np.where(found >= 0, column[rows, found], np.nan) if column.shape[1] else np.full(rows.size, np.nan)

        return Swell(positions, of(hs), period(of(lengths)), of(towards))


class WaveDesk(HasTraits):
    """The state of the viewer; every part watches it, and none watches another.

    Attributes
    ----------
    flock : Flock
        The acquisitions in the box and the lapse.
    chosen : int
        Position of the one that is looked at; -1 for none.
    spectrum : WaveSpectrum, optional
        Of the one that is looked at, when it has come.
    partition : int
        Place of the chosen swell among the spectrum's partitions; -1 for none.
    colour : str
        A word of `COLOURS`.
    days : int
        For how long the swell is followed.
    """

    flock = Instance(Flock)
    chosen = Int(-1)
    spectrum = Instance(WaveSpectrum, allow_none=True)
    partition = Int(-1)
    colour = Enum(tuple(COLOURS), "Wave height")
    days = Enum(DAYS, 10)

    def __init__(self) -> None:
        super().__init__(flock=Flock())

    def set(self, **traits: Any) -> None:
        """Set several traits at once: observers are told when all are set."""
        with self.hold_trait_notifications():
            for name, value in traits.items():
                setattr(self, name, value)

    def swell(self) -> Swell | None:
        """The chosen swell through the pass; None without one."""
        spectrum, number, chosen = self.spectrum, self.partition, self.chosen
        if spectrum is None or not 0 <= chosen < len(self.flock) or not 0 <= number < spectrum.partition_ids.size:
            return None
        wavelength, towards = spectrum.partition_wavelength[number], spectrum.partition_direction[number]
        return self.flock.follow(chosen, float(wavelength), float(towards))

    def paths(self) -> tuple[SwellPath, SwellPath] | None:
        """The way of the chosen swell back to where it came from, and on to where it goes; None without one."""
        spectrum, number = self.spectrum, self.partition
        if spectrum is None or not 0 <= number < spectrum.partition_ids.size:
            return None
        wavelength, towards = float(spectrum.partition_wavelength[number]), float(spectrum.partition_direction[number])
        if not (np.isfinite(wavelength + towards) and wavelength > 0):
            return None
        return _paths(spectrum.lon, spectrum.lat, towards, wavelength, 24.0 * self.days)


@lru_cache(maxsize=4)
def _paths(lon: float, lat: float, towards: float, wavelength: float, hours: float) -> tuple[SwellPath, SwellPath]:
    return trace(lon, lat, towards, wavelength, -hours), trace(lon, lat, towards, wavelength, hours)
