"""A synthetic ocean: sea-surface temperature and sea-level anomaly at any time, from a seed and a few formulas.

Nothing here is measured. It is meant to look like the ocean seen from space: seasons, an El Niño-like mode, fronts that
meander, eddies that drift west, a warming trend, land. The numbers in the tables are hand-made, in degrees, degrees
Celsius, metres and days.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.protocol.coastline import land_polygons

__all__ = ["Fields", "SyntheticOcean", "land_mask"]

FloatArray = NDArray[np.float32]

YEAR = 365.2425
"""Days."""

FREEZING = -1.8
"""Of sea water, degrees Celsius."""


class Bump(NamedTuple):
    """A Gaussian hill of `height` on the mean temperature."""

    lon: float
    lat: float
    width: float
    depth: float
    height: float


MEAN_BUMPS = (
    Bump(150.0, 1.0, 38.0, 14.0, 1.6),  # western Pacific warm pool
    Bump(-100.0, -1.0, 32.0, 5.0, -4.2),  # Pacific cold tongue
    Bump(-5.0, -2.0, 14.0, 5.0, -2.4),  # Atlantic cold tongue
    Bump(-80.0, -15.0, 9.0, 14.0, -5.0),  # upwelling off Peru and Chile
    Bump(-123.0, 33.0, 9.0, 11.0, -4.0),  # off California
    Bump(10.0, -22.0, 8.0, 11.0, -6.0),  # off Namibia
    Bump(-19.0, 21.0, 7.0, 10.0, -4.0),  # off north-west Africa
    Bump(56.0, 15.0, 7.0, 7.0, -1.8),  # off Somalia and Oman
    Bump(114.0, -28.0, 8.0, 10.0, 1.5),  # Leeuwin current
    Bump(-55.0, 55.0, 11.0, 8.0, -5.5),  # Labrador current
    Bump(5.0, 65.0, 22.0, 10.0, 8.0),  # North Atlantic drift
    Bump(30.0, 72.0, 16.0, 5.0, 5.0),  # Barents Sea
    Bump(150.0, 52.0, 14.0, 8.0, -5.0),  # Sea of Okhotsk, Oyashio
    Bump(-150.0, 56.0, 20.0, 6.0, 2.5),  # Gulf of Alaska
    Bump(18.0, 37.0, 20.0, 4.0, 3.0),  # Mediterranean
    Bump(40.0, 22.0, 5.0, 8.0, 2.0),  # Red Sea
    Bump(-62.0, -48.0, 8.0, 8.0, -3.5),  # Malvinas current
    Bump(34.0, -30.0, 8.0, 7.0, 3.0),  # Agulhas current
    Bump(155.0, -30.0, 7.0, 8.0, 2.5),  # East Australian current
    Bump(-75.0, 28.0, 12.0, 7.0, 1.5),  # Florida current, Sargasso Sea
    Bump(132.0, 26.0, 14.0, 7.0, 1.5),  # Kuroshio
    Bump(-45.0, -27.0, 8.0, 8.0, 1.8),  # Brazil current
)

SEASON_BUMPS = (
    Bump(-62.0, 38.0, 18.0, 7.0, 2.2),  # where the continents' winter air leaves the coast
    Bump(140.0, 38.0, 18.0, 8.0, 3.2),
    Bump(18.0, 38.0, 20.0, 6.0, 1.8),
    Bump(20.0, 58.0, 8.0, 6.0, 4.5),  # Baltic
    Bump(123.0, 37.0, 6.0, 6.0, 4.5),  # Yellow Sea
    Bump(50.0, 42.0, 7.0, 8.0, 5.0),  # Caspian
    Bump(35.0, 43.0, 7.0, 4.0, 3.5),  # Black Sea
    Bump(52.0, 27.0, 6.0, 4.0, 3.0),  # Persian Gulf
    Bump(-50.0, -38.0, 14.0, 8.0, 1.2),
)


class Jet(NamedTuple):
    """A front along `lat(lon)`: nodes (longitude, latitude), the step across it, and how far it meanders."""

    lons: tuple[float, ...]
    lats: tuple[float, ...]
    step: float
    sea_level: float
    meander: float


JETS = (
    Jet((-76, -70, -60, -50, -42, -32), (35.5, 37.5, 39.5, 41.0, 45.0, 48.0), 4.6, 0.38, 1.4),  # Gulf Stream
    Jet((140, 146, 155, 165, 178), (35.0, 36.2, 35.8, 36.5, 37.5), 4.2, 0.36, 1.4),  # Kuroshio extension
    Jet((-54, -48, -38, -25), (-38.5, -40.5, -41.0, -42.0), 4.4, 0.30, 1.5),  # Brazil and Malvinas confluence
    Jet((18, 26, 40, 55, 72), (-40.0, -39.5, -41.0, -42.5, -44.0), 4.0, 0.32, 1.3),  # Agulhas return current
    Jet((152, 160, 168, 176), (-34.0, -34.5, -33.0, -34.0), 1.8, 0.18, 1.2),  # Tasman front
    Jet(  # Antarctic circumpolar current
        (-180, -140, -100, -70, -58, -35, 0, 35, 70, 100, 140, 180),
        (-58.5, -55.5, -57.5, -59.0, -54.5, -51.0, -51.0, -49.0, -48.5, -50.5, -53.5, -58.5),
        2.6,
        0.22,
        1.5,
    ),
)


def land_mask(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Cells whose centre lies on land.

    Parameters
    ----------
    lon, lat : ndarray, shapes (nx,) and (ny,)
        Centres in degrees, longitudes ascending in [-180, 180].

    Returns
    -------
    ndarray of bool, shape (ny, nx)
    """
    edges = [np.hstack([ring[:-1], ring[1:]]) for rings in land_polygons() for ring in rings]
    x0, y0, x1, y1 = np.concatenate(edges).T
    mask = np.zeros((lat.size, lon.size), dtype=bool)
    for row, y in enumerate(lat):
        if y < -84.5:  # the world map ends within Antarctica
            mask[row] = True
            continue
        # Even-odd rule: a cell is inside when an odd number of edges is crossed on the way to it from the west.
        cut = (y0 <= y) != (y1 <= y)
        crossings = np.sort(x0[cut] + (y - y0[cut]) / (y1[cut] - y0[cut]) * (x1[cut] - x0[cut]))
        mask[row] = np.searchsorted(crossings, lon) % 2 == 1
    return mask


class Fields(NamedTuple):
    """What the ocean is at some times, shape (nt, ny, nx); NaN on land.

    Parameters
    ----------
    temperature : ndarray of float32
        Of the surface, degrees Celsius.
    sea_level_anomaly : ndarray of float32
        Metres.
    temperature_anomaly : ndarray of float32
        Against the mean seasonal cycle, degrees Celsius.
    """

    temperature: FloatArray
    sea_level_anomaly: FloatArray
    temperature_anomaly: FloatArray


@dataclass(frozen=True, eq=False)
class _Eddies:
    """Vortices: where and when each is born, and what becomes of it; all arrays of one shape (n,)."""

    lon: FloatArray
    lat: FloatArray
    birth: FloatArray
    life: FloatArray
    height: FloatArray
    radius: FloatArray
    eastward: FloatArray
    northward: FloatArray


class SyntheticOcean:
    """The synthetic ocean on a grid.

    Parameters
    ----------
    lon, lat : ndarray, shapes (nx,) and (ny,)
        Centres in degrees, longitudes ascending in [-180, 180].
    first_day, last_day : float
        The days between which fields will be asked, counted from 1990-01-01.
    seed : int
        The same seed gives the same El Niños, eddies and weather on every grid.

    Examples
    --------
    >>> ocean = SyntheticOcean(np.arange(-175.0, 180.0, 10.0), np.arange(-85.0, 90.0, 10.0), 0.0, 60.0)
    >>> ocean.fields(np.array([0.0, 30.0])).temperature.shape
    (2, 18, 36)
    """

    def __init__(
        self,
        lon: NDArray[np.float64],
        lat: NDArray[np.float64],
        first_day: float,
        last_day: float,
        seed: int = 4,
    ) -> None:
        self.lon, self.lat = lon.astype(np.float32), lat.astype(np.float32)
        self.land = land_mask(lon, lat)
        self._x, self._y = np.meshgrid(self.lon, self.lat)
        self._nino = _nino_index(np.random.default_rng(seed))
        self._mean = self._mean_temperature()
        self._season = self._seasonal_amplitude()
        self._patterns = self._slow_patterns()
        self._activity = self._eddy_activity()
        rng = np.random.default_rng(seed + 1)
        self._eddies = _eddies(rng, first_day, last_day, self._activity, self.lon, self.lat)
        self._meanders = [rng.uniform(0.0, 2.0 * math.pi, 6) for _ in JETS]
        self._weather_seed = seed + 2
        self._weather = self._weather_patterns()

    def nino(self, days: NDArray[np.float64]) -> FloatArray:
        """The El Niño index at these days: about zero mean and unit deviation, skewed to warm events."""
        start, values = self._nino
        return np.interp(days, start + 30.0 * np.arange(values.size), values).astype(np.float32)

    def fields(self, days: NDArray[np.float64]) -> Fields:
        """Everything at these days.

        Parameters
        ----------
        days : ndarray, shape (nt,)
            Days since 1990-01-01.
        """
        phase = (2.0 * math.pi * days / YEAR).astype(np.float32)
        nino, years = self.nino(days), ((days - 11.0 * YEAR) / YEAR).astype(np.float32)
        # Warmest at the beginning of September in the north; the sea level follows the heat stored, a month later.
        heat, level = np.cos(phase - 4.2), np.cos(phase - 4.7)
        coefficients = np.stack([nino, self.nino(days - 120.0), years], axis=1)
        anomaly, sea_level = (np.tensordot(coefficients, pattern, axes=1) for pattern in self._patterns)
        weather = self._weather_at(days)
        anomaly += weather
        sea_level += 0.02 * weather + level[:, None, None] * 0.011 * self._season
        eddies = self._eddy_heights(days)
        sea_level += eddies
        anomaly += eddies * (4.0 + 4.0 * self._activity)
        front, front_level, mean_front = self._fronts(days)
        anomaly += front
        sea_level += front_level
        self._equatorial_waves(days, nino, anomaly, sea_level)
        climatology = self._mean + mean_front + heat[:, None, None] * self._season
        temperature = np.maximum(climatology + anomaly, FREEZING)
        anomaly = temperature - np.maximum(climatology, FREEZING)
        for field in (temperature, sea_level, anomaly):
            field[:, self.land] = np.nan
        return Fields(temperature, sea_level, anomaly)

    def _bumps(self, bumps: tuple[Bump, ...]) -> FloatArray:
        total = np.zeros(self._x.shape, dtype=np.float32)
        for bump in bumps:
            east = _angle(self._x - bump.lon) / bump.width
            north = (self._y - bump.lat) / bump.depth
            total += bump.height * np.exp(-0.5 * (east**2 + north**2))
        return np.asarray(total)

    def _mean_temperature(self) -> FloatArray:
        thermal = self._y - 2.0 * np.exp(-((self._y / 20.0) ** 2))  # the thermal equator lies north of the equator
        north = np.where(thermal > 0.0, 50.0, 47.0)
        zonal = -2.6 + 30.6 * np.exp(-(np.abs(thermal / north) ** 2.8))
        return np.asarray(zonal + self._bumps(MEAN_BUMPS), dtype=np.float32)

    def _seasonal_amplitude(self) -> FloatArray:
        """Signed: positive where it is warmest in September."""
        size = 0.35 + 4.6 * np.exp(-(((np.abs(self._y) - 39.0) / 15.0) ** 2)) * np.where(self._y > 0.0, 1.0, 0.62)
        size += self._bumps(SEASON_BUMPS)
        size *= 1.0 / (1.0 + np.exp((np.abs(self._y) - 68.0) / 4.0)) * 0.9 + 0.1
        return np.asarray(size * np.tanh(self._y / 7.0), dtype=np.float32)

    def _slow_patterns(self) -> tuple[FloatArray, FloatArray]:
        """What an El Niño, an El Niño four months ago and a year of trend do, shape (3, ny, nx)."""
        x, y = self._x, self._y
        east = _angle(x + 70.0)  # degrees from South America, negative to the west
        pacific = _smooth_step((east + 118.0) / 16.0) * _smooth_step((4.0 - east) / 4.0)
        width = 5.0 + 2.5 * _smooth_step((east + 60.0) / 25.0)
        tongue = 1.2 * pacific * np.exp(-((y / width) ** 2))
        coast = 0.8 * self._bumps((Bump(-84.0, -8.0, 8.0, 9.0, 1.0),))
        horseshoe = self._bumps(
            (
                Bump(145.0, 12.0, 18.0, 8.0, -0.35),
                Bump(160.0, -20.0, 26.0, 9.0, -0.4),
                Bump(-165.0, 38.0, 20.0, 9.0, -0.6),
                Bump(-132.0, 45.0, 10.0, 14.0, 0.45),
                Bump(-120.0, -58.0, 24.0, 9.0, 0.35),
            )
        )
        delayed = self._bumps((Bump(65.0, -3.0, 22.0, 14.0, 0.3), Bump(-50.0, 15.0, 22.0, 8.0, 0.3)))
        warming = 0.012 + 0.012 * _smooth_step((y - 10.0) / 30.0) - 0.012 * _smooth_step((-y - 45.0) / 10.0)
        temperature = np.stack([tongue + coast + horseshoe, delayed, warming])
        see_saw = self._bumps((Bump(-105.0, 0.0, 32.0, 6.0, 0.11), Bump(145.0, 4.0, 20.0, 9.0, -0.10)))
        level = np.stack([see_saw, 0.04 * delayed, np.full(x.shape, 0.0033) + 0.06 * (warming - 0.012)])
        return temperature.astype(np.float32), level.astype(np.float32)

    def _weather_patterns(self) -> FloatArray:
        """Smooth patterns of about unit size and a spread of scales, shape (k, ny, nx): real spherical harmonics."""
        from scipy.special import sph_harm_y

        colatitude, azimuth = np.radians(90.0 - self.lat), np.radians(self.lon)
        patterns = []
        for degree in range(2, 15):
            share = math.sqrt(4.0 * math.pi / (2 * degree + 1)) * degree**-0.5
            for order in range(degree + 1):
                # A harmonic is a function of latitude times a wave in longitude.
                legendre = sph_harm_y(degree, order, colatitude, 0.0).real * share
                patterns += [np.outer(legendre, wave(order * azimuth)) for wave in (np.cos, np.sin)[: 1 + (order > 0)]]
        calm_tropics = 0.35 + 0.65 * _smooth_step((np.abs(self._y) - 12.0) / 14.0)
        return (0.42 * np.asarray(patterns) * calm_tropics).astype(np.float32)

    def _weather_at(self, days: NDArray[np.float64]) -> FloatArray:
        """Weather of the ocean: every pattern wanders by itself, with a memory of about six weeks."""
        rng = np.random.default_rng(self._weather_seed)
        count = self._weather.shape[0]
        frequency = np.abs(rng.standard_cauchy((4, count))).clip(0.15, 4.0) * (2.0 * math.pi / 420.0)
        phase = rng.uniform(0.0, 2.0 * math.pi, (4, count))
        wander = np.cos(days[:, None, None] * frequency + phase).sum(axis=1) / math.sqrt(2.0)
        return np.asarray(np.tensordot(wander.astype(np.float32), self._weather, axes=1), dtype=np.float32)

    def _eddy_activity(self) -> FloatArray:
        """Between 0 and about 1: where fronts and western boundaries shed eddies."""
        activity = np.full(self._x.shape, 0.10)
        for jet in JETS:
            distance = (self._y - self._path(jet)) / 5.0
            activity += (0.9 if jet.step > 3.0 else 0.4) * self._reach(jet) * np.exp(-(distance**2))
        activity += 0.1 * np.exp(-(((np.abs(self._y) - 24.0) / 9.0) ** 2))
        activity *= 1.0 - np.exp(-((self._y / 7.0) ** 2))  # near the equator waves take their place
        activity *= 1.0 / (1.0 + np.exp((np.abs(self._y) - 62.0) / 3.0))
        return np.asarray(activity, dtype=np.float32)

    def _eddy_heights(self, days: NDArray[np.float64]) -> FloatArray:
        """Every eddy is a Gaussian hill, added on the cells around it."""
        eddies, (ny, nx) = self._eddies, self.land.shape
        spacing_x, spacing_y = self.lon[1] - self.lon[0], self.lat[1] - self.lat[0]
        around_y = np.arange(-math.ceil(4.5 / spacing_y), math.ceil(4.5 / spacing_y) + 1)
        around_x = np.arange(-math.ceil(8.5 / spacing_x), math.ceil(8.5 / spacing_x) + 1)
        total = np.empty((days.size, ny, nx), dtype=np.float32)
        for step, day in enumerate(days.astype(np.float32)):
            age = day - eddies.birth
            alive = (age > 0.0) & (age < eddies.life)
            age, life, radius = age[alive], eddies.life[alive], eddies.radius[alive]
            # Position in cells, and the nearest cell's number.
            x = (eddies.lon[alive] + age * eddies.eastward[alive] - self.lon[0]) / spacing_x
            y = (eddies.lat[alive] + age * eddies.northward[alive] - self.lat[0]) / spacing_y
            column, row = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
            height = eddies.height[alive] * np.sin(math.pi * age / life) ** 0.7
            east = around_x + (column - x).astype(np.float32)[:, None]
            north = around_y + (row - y).astype(np.float32)[:, None]
            shrink = np.cos(np.radians(self.lat[row.clip(0, ny - 1)]))
            along = np.exp(-0.5 * (east * (spacing_x * shrink / radius)[:, None]) ** 2)
            across = np.exp(-0.5 * (north * (spacing_y / radius)[:, None]) ** 2) * height[:, None]
            columns = (column[:, None] + around_x) % nx
            rows = (row[:, None] + around_y).clip(0, ny - 1)
            cells = rows[:, :, None] * nx + columns[:, None, :]
            hills = across[:, :, None] * along[:, None, :]
            total[step] = np.bincount(cells.ravel(), hills.ravel(), minlength=ny * nx).reshape(ny, nx)
        return total

    def _path(self, jet: Jet) -> FloatArray:
        """Mean latitude of a jet at every longitude, shape (nx,)."""
        return np.interp(self.lon, jet.lons, jet.lats).astype(np.float32)

    def _reach(self, jet: Jet) -> FloatArray:
        """1 along a jet, 0 beyond its ends, shape (nx,)."""
        if jet.lons[-1] - jet.lons[0] >= 360.0:
            return np.ones(self.lon.shape, dtype=np.float32)
        start, end = jet.lons[0], jet.lons[-1]
        return _smooth_step((self.lon - start + 1.0) / 3.0) * _smooth_step((end - self.lon) / (0.3 * (end - start)))

    def _fronts(self, days: NDArray[np.float64]) -> tuple[FloatArray, FloatArray, FloatArray]:
        """What the meandering jets add to the temperature and the sea level, and their mean temperature."""
        shape = (days.size, *self._x.shape)
        heat, level = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        mean_heat = np.zeros(self._x.shape, np.float32)
        for jet, phases in zip(JETS, self._meanders, strict=True):
            path, reach = self._path(jet), self._reach(jet)
            rows = np.flatnonzero((self.lat > path.min() - 16.0) & (self.lat < path.max() + 16.0))
            if not rows.size:
                continue
            near = slice(rows[0], rows[-1] + 1)
            # Waves per turn are whole numbers, so that a circumpolar jet closes; growth is downstream.
            waves = np.array([11, 17, 26, 37, 49, 64], dtype=np.float32)
            size = jet.meander * np.array([0.9, 1.0, 0.9, 0.7, 0.5, 0.3], dtype=np.float32) / 2.0
            speed = np.array([0.004, 0.007, 0.011, 0.016, 0.023, 0.03]) * 2.0 * math.pi
            angle = waves[:, None] * np.radians(self.lon) + phases.astype(np.float32)[:, None]
            turn = (days[:, None] * speed).astype(np.float32)
            swing = np.einsum("k,tkx->tx", size, np.sin(angle[None] - turn[:, :, None]))
            north = (-1.0 if jet.lats[0] > 0.0 else 1.0) * reach  # towards the pole it is colder
            mean = (self.lat[near, None] - path)[None]
            moved = mean - (swing * reach)[:, None, :]
            steep, steep_mean = np.tanh(moved / 1.1), np.tanh(mean / 1.1)
            fade = np.exp(-((mean / 9.0) ** 2)) * north
            heat[:, near] += 0.5 * jet.step * (steep - steep_mean) * fade
            level[:, near] += jet.sea_level * 0.5 * (steep - steep_mean) * fade
            mean_heat[near] += (0.5 * jet.step * (steep_mean - np.tanh(mean / 7.0)) * fade)[0]
        return heat, level, mean_heat

    def _equatorial_waves(
        self, days: NDArray[np.float64], nino: FloatArray, anomaly: FloatArray, sea_level: FloatArray
    ) -> None:
        """Kelvin waves going east along the equator, instability waves going west beside the cold tongue."""
        rows = np.abs(self.lat) < 14.0
        lat = self.lat[rows]
        east = _angle(self.lon + 70.0)
        basin = _smooth_step((east + 150.0) / 20.0) * _smooth_step((2.0 - east) / 4.0)
        tongue = _smooth_step((east + 90.0) / 20.0) * _smooth_step((-14.0 - east) / 12.0)
        day = days[:, None].astype(np.float32)
        kelvin = np.sin(2.0 * math.pi * (self.lon / 120.0 - day / 62.0)) * np.sin(2.0 * math.pi * day / 233.0)
        sea_level[:, rows] += 0.05 * (kelvin * basin)[:, None, :] * np.exp(-((lat / 3.5) ** 2))[:, None]
        season = 0.6 + 0.4 * np.cos(2.0 * math.pi * day / YEAR - 5.2)  # strongest in autumn, weak in an El Niño
        strength = season * np.clip(1.0 - 0.6 * nino[:, None], 0.0, 2.0) * tongue
        wave = np.sin(2.0 * math.pi * (self.lon / 10.5 + day / 33.0) + 0.9 * np.sin(2.0 * math.pi * self.lon / 37.0))
        belt = np.exp(-(((lat - 3.0) / 2.0) ** 2)) - 0.5 * np.exp(-(((lat + 3.0) / 2.0) ** 2))
        anomaly[:, rows] += 1.1 * (strength * wave)[:, None, :] * belt[:, None]
        sea_level[:, rows] += 0.04 * (strength * wave)[:, None, :] * belt[:, None]


def _angle(degrees: NDArray[np.floating[Any]]) -> NDArray[Any]:
    """The same angle in [-180, 180)."""
    return np.asarray(np.remainder(degrees + np.float32(180.0), np.float32(360.0)) - np.float32(180.0))


def _smooth_step(x: NDArray[np.floating[Any]]) -> FloatArray:
    """0 below 0, 1 above 1, a cubic between."""
    clipped = np.clip(x, 0.0, 1.0)
    return np.asarray(clipped * clipped * (3.0 - 2.0 * clipped), dtype=np.float32)


def _nino_index(rng: np.random.Generator) -> tuple[float, FloatArray]:
    """An oscillator of about four years that noise keeps going, every 30 days from 1975 (day -5475) to 2035."""
    values = np.zeros(730)
    decay, turn = 0.965, 2.0 * math.pi * 30.0 / (3.9 * YEAR)
    for step in range(2, values.size):
        kick = rng.standard_normal() * 0.1
        values[step] = 2.0 * decay * math.cos(turn) * values[step - 1] - decay**2 * values[step - 2] + kick
    smooth = np.convolve(values, np.hanning(7) / np.hanning(7).sum(), mode="same")
    smooth = (smooth - smooth.mean()) / smooth.std()
    skewed = np.expm1(0.35 * smooth) / 0.35  # warm events are rarer and stronger than cold ones
    return -5475.0, (skewed - skewed.mean()).astype(np.float32)


def _eddies(
    rng: np.random.Generator,
    first_day: float,
    last_day: float,
    activity: FloatArray,
    lon: FloatArray,
    lat: FloatArray,
) -> _Eddies:
    """Births spread over time and, by activity, over the sea."""
    longest = 420.0
    count = round((last_day - first_day + longest) * 7.0)
    chance = (activity**0.3 * np.cos(np.radians(lat))[:, None]).ravel().cumsum()
    cell = np.searchsorted(chance, rng.uniform(0.0, chance[-1], count)).clip(0, chance.size - 1)
    row, column = np.divmod(cell, lon.size)
    step = abs(float(lon[1] - lon[0])), abs(float(lat[1] - lat[0]))
    x = lon[column] + rng.uniform(-0.5, 0.5, count) * step[0]
    y = lat[row] + rng.uniform(-0.5, 0.5, count) * step[1]
    sign = rng.choice([-1.0, 1.0], count)
    height = sign * rng.gamma(3.0, 1.0 / 3.0, count) * (0.05 + 0.2 * activity.ravel()[cell])
    # Long Rossby waves: the speed falls with the Coriolis parameter squared; the great currents carry eddies east.
    sine = np.abs(np.sin(np.radians(y))).clip(0.12)
    speed = -np.clip(0.0058 / sine**2 * np.cos(np.radians(y)), 0.006, 0.14)
    speed = np.where(y < -46.0, 0.03, speed)
    eddies = (
        x,
        y,
        rng.uniform(first_day - longest, last_day, count),
        rng.uniform(70.0, longest, count),
        height,
        rng.uniform(0.9, 1.55, count) * (1.25 - 0.5 * np.abs(y) / 90.0),
        speed / np.cos(np.radians(y)),
        # Anticyclones drift to the equator, cyclones to the pole.
        -sign * np.sign(y) * rng.uniform(0.0, 0.006, count),
    )
    return _Eddies(*(part.astype(np.float32) for part in eddies))
