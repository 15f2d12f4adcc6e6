"""Arrows as a light drawing over a map: as many as can be told apart, each at the centre of its own cell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.protocol.geometry import MERCATOR_LIMIT, mercator_from_latitude
from datavore_widgets.widgets.footprints import Paper

__all__ = ["APART", "LONGEST", "Arrows", "drawing", "key_of", "sample", "thinned"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

APART = 36.0
"""Pixels between two arrows, about."""

LONGEST = 30.0
"""Pixels of the arrow that the key shows."""

_CALM = 2.5  # pixels of an arrow that is no more than a dot
_BARB, _SPREAD = 7.0, math.radians(28.0)  # pixels of the strokes of a head, and how far they are off the shaft
_INK, _HALO = "#111", "#fff"
_STROKES = ((_HALO, 4.2, 0.85), (_INK, 1.6, 1.0))
_EVEN = 0.02  # part by which steps between rows or columns may differ
_PHASE = 0.3  # of a step: centres lie at whole or at half steps, and rounding shall not number them differently
_NICE = (1.0, 2.0, 5.0, 10.0)
_FEW = 0.02  # part of the arrows that may be longer than the key's
_SHORT, _LONG = 0.4, 1.3  # parts of the key's speed between which the fast arrows keep it


@dataclass(frozen=True, eq=False)
class Arrows:
    """Vectors at places, none of them missing.

    Parameters
    ----------
    lon, lat : ndarray, shape (n,)
        Degrees: centres of cells.
    u, v : ndarray, shape (n,)
        Their parts to the east and to the north.
    """

    lon: FloatArray
    lat: FloatArray
    u: FloatArray
    v: FloatArray


def thinned(paper: Paper, lon: NDArray[Any], lat: NDArray[Any], u: FloatArray, v: FloatArray) -> Arrows:
    """One vector for every `APART` pixels of a picture, about; the same ones when the picture is a neighbouring one.

    Parameters
    ----------
    lon, lat : ndarray, shape (nx,) and (ny,), or both of the shape of the values
        Degrees: centres of cells.
    u, v : ndarray, shape (ny, nx)
        NaN for missing.
    """
    lon, lat = (np.asarray(part, np.float64) for part in (lon, lat))
    lat = np.where(np.abs(lat) <= MERCATOR_LIMIT, lat, np.nan)
    x, y = _from_greenwich(paper, paper.x(lon)), _from_equator(paper, lat)
    there = np.isfinite(u) & np.isfinite(v)
    if lon.ndim == 1:
        shown = np.isfinite(y)
        rows = np.zeros(y.size, np.bool_)
        rows[shown] = _every(lat[shown], y[shown], paper.per_degree, are_rows=True)
        there &= rows[:, None] & _every(x / paper.per_degree, x, paper.per_degree, are_rows=False)
        row, column = np.nonzero(there)
        return Arrows(lon[column], lat[row], u[there], v[there])
    chosen = np.flatnonzero(there & np.isfinite(x) & np.isfinite(y))
    chosen = chosen[_one_of_each_square(x.ravel()[chosen], y.ravel()[chosen])]
    return Arrows(*(part.ravel()[chosen] for part in (lon, lat, u, v)))


def _every(places: FloatArray, pixels: FloatArray, per_degree: float, *, are_rows: bool) -> NDArray[np.bool_]:
    """Which rows or columns to keep, by their degrees and by their pixels from a place that stays."""
    if places.size < 2:
        return np.ones(places.size, np.bool_)
    steps = np.abs(np.diff(places))
    step = float(np.median(steps))
    if np.abs(steps - step).max() > _EVEN * step:
        kept = np.zeros(places.size, np.bool_)
        kept[_one_of_each_square(pixels, np.zeros_like(pixels))] = True
        return kept
    # Numbers that do not depend on which of them is the first one in the picture.
    numbers = np.abs(np.rint((places - places[0]) / step) + math.floor(places[0] / step + _PHASE))
    return np.isin(numbers, _walk(float(numbers.max()), step, per_degree, are_rows=are_rows))


def _walk(last: float, step: float, per_degree: float, *, are_rows: bool) -> list[float]:
    """Numbers of the rows or columns that are kept, from 0 on: as far apart as Mercator's scale there asks for."""
    found = [0.0]
    while found[-1] < last:
        spread = math.cos(math.radians(min(found[-1] * step, MERCATOR_LIMIT))) if are_rows else 1.0
        found.append(found[-1] + max(1, round(APART * spread / (step * per_degree))))
    return found


def _one_of_each_square(x: FloatArray, y: FloatArray) -> IntArray:
    """Of the points in each square of `APART` pixels the one nearest to its middle."""
    column, row = np.floor(x / APART), np.floor(y / APART)
    away = np.hypot(x - (column + 0.5) * APART, y - (row + 0.5) * APART)
    order = np.lexsort((away, column, row))
    is_first = np.r_[True, (np.diff(column[order]) != 0) | (np.diff(row[order]) != 0)]
    return np.sort(order[is_first[: order.size]])


def _from_greenwich(paper: Paper, x: FloatArray) -> FloatArray:
    """Pixels that are the same for a neighbouring picture, of pixels from the left edge."""
    return x + paper.box.west * paper.per_degree


def _from_equator(paper: Paper, lat: FloatArray) -> FloatArray:
    return np.asarray(-np.degrees(mercator_from_latitude(lat)) * paper.per_degree)


def key_of(arrows: Arrows, before: float = 0.0) -> float:
    """The speed of the arrow that the key shows: 1, 2 or 5 of some power of ten; 0 where nothing moves.

    Parameters
    ----------
    before : float
        The key so far, which is kept as long as it serves, so that lengths can be compared from date to date.
    """
    speed = np.hypot(arrows.u, arrows.v)
    top = float(np.quantile(speed, 1 - _FEW)) if speed.size else 0.0
    if not top > 0 or _SHORT * before <= top <= _LONG * before:
        return before
    power = 10.0 ** math.floor(math.log10(0.8 * top))
    return next(nice * power for nice in _NICE if nice * power >= 0.8 * top)


def drawing(arrows: Arrows, paper: Paper, key: float) -> str:
    """The arrows as the URL of a drawing; an arrow of the speed `key` is `LONGEST` pixels long."""
    scale = LONGEST / key if key > 0 else 0.0
    x, y = paper.x(arrows.lon), paper.y(arrows.lat)
    parts = (part.tolist() for part in (x, y, arrows.u * scale, -arrows.v * scale))
    return paper.svg(_stroked("".join(map(_arrow, *parts))))


def sample() -> str:
    """The arrow of the key, as the markup of a drawing."""
    width, height = LONGEST + 8, 16
    path = _arrow(width / 2, height / 2, LONGEST, 0.0)
    return f"<svg width='{width:g}' height='{height}' aria-hidden='true'>{_stroked(path)}</svg>"


def _stroked(path: str) -> str:
    how = "fill='none' stroke-linecap='round' stroke-linejoin='round'"
    strokes = (
        f"<use href='#dv-arrows' stroke='{color}' stroke-width='{width}' stroke-opacity='{opacity}'/>"
        for color, width, opacity in _STROKES
    )
    return f"<defs><path id='dv-arrows' d='{path}'/></defs><g {how}>{''.join(strokes)}</g>"


def _arrow(x: float, y: float, right: float, down: float) -> str:
    """The strokes of an arrow whose middle lies at a place: shaft, and the two of its head; a dot where it is calm."""
    length = math.hypot(right, down)
    if length < _CALM:
        return f"M{x:.1f} {y:.1f}h.1"
    back = -min(_BARB, 0.45 * length) / length
    cos, sin = back * math.cos(_SPREAD), back * math.sin(_SPREAD)
    (ax, ay), (bx, by) = ((right * cos - down * side * sin, right * side * sin + down * cos) for side in (1.0, -1.0))
    return (
        f"M{x - right / 2:.1f} {y - down / 2:.1f}l{right:.1f} {down:.1f}"
        f"m{ax:.1f} {ay:.1f}l{-ax:.1f} {-ay:.1f}l{bx:.1f} {by:.1f}"
    )
