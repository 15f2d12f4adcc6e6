"""Imagettes and the ways of a swell as pictures over a map: dots, or squares where those can be seen."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from datavore_widgets.protocol.colormap import Norm, palette
from datavore_widgets.protocol.geometry import MERCATOR_LIMIT, BBox, mercator_from_latitude
from datavore_widgets.protocol.swell import SwellPath
from datavore_widgets.protocol.times import display, label_from_millis
from datavore_widgets.widgets.point_picture import Points, draw
from datavore_widgets.widgets.text import escape

__all__ = ["SIDE", "Paper", "footprints", "ways"]

FloatArray = NDArray[np.float64]

SIDE = 20_000.0
"""Metres along a side of an imagette."""

_PER_DEGREE = 111_195.0  # metres
_SEEN = 9.0  # pixels of a side, from which on a square tells more than a dot
_MOST_SQUARES = 3000
_DAY = 24  # hours
_APART = 46.0  # pixels between two words along a way
_INK, _HALO = "#fff", "#000"


@dataclass(frozen=True)
class Paper:
    """A Web-Mercator picture of a box.

    Parameters
    ----------
    box : BBox
        Its edges.
    width, height : int
        Pixels.
    """

    box: BBox
    width: int
    height: int

    @classmethod
    def of(cls, box: BBox, resolution: int) -> Paper:
        """The picture of a box whose longer side has so many pixels."""
        low, high = (float(v) for v in mercator_from_latitude([box.south, box.north]))
        across, up = math.radians(box.width), high - low
        scale = resolution / max(across, up)
        return cls(box, max(1, round(across * scale)), max(1, round(up * scale)))

    @property
    def per_degree(self) -> float:
        """Pixels of a degree of longitude."""
        return self.width / self.box.width

    def x(self, lon: ArrayLike, *, wrap: bool = True) -> FloatArray:
        """Pixels from the left edge; of longitudes as they are, or (wrap) the copy east of the edge."""
        away = np.asarray(lon, dtype=np.float64) - self.box.west
        return np.asarray((away % 360.0 if wrap else away) * self.per_degree)

    def y(self, lat: ArrayLike) -> FloatArray:
        """Pixels from the upper edge; NaN beyond the ends of Web-Mercator."""
        lats = np.asarray(lat, dtype=np.float64)
        low, high = (float(v) for v in mercator_from_latitude([self.box.south, self.box.north]))
        northing = mercator_from_latitude(np.where(np.abs(lats) <= MERCATOR_LIMIT, lats, np.nan))
        return np.asarray((high - northing) * (self.height / (high - low)))

    def svg(self, body: str) -> str:
        """A drawing as the URL of a picture."""
        text = (
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {self.width} {self.height}' "
            f"width='{self.width}' height='{self.height}' preserveAspectRatio='none'>{body}</svg>"
        )
        return "data:image/svg+xml;base64," + base64.b64encode(text.encode()).decode("ascii")


def footprints(points: Points, heading: FloatArray, paper: Paper, resolution: int, cmap: str) -> tuple[str, int]:
    """The acquisitions in a box as the URL of a picture, and how many there are.

    Parameters
    ----------
    points : Points
        Their centres, with what colours them.
    heading : ndarray, shape (n,)
        Degrees clockwise from north, to which their sides are parallel.
    """
    x, y = paper.x(points.lon), paper.y(points.lat)
    with np.errstate(invalid="ignore"):
        inside = np.flatnonzero((x < paper.width) & (y >= 0) & (y < paper.height))
    widest = SIDE / _PER_DEGREE * paper.per_degree
    if widest < _SEEN or inside.size > _MOST_SQUARES:
        png, _, count = draw(points, paper.box, resolution, cmap)
        return "data:image/png;base64," + base64.b64encode(png).decode("ascii"), count
    # A square on the ground is a square in Web-Mercator, larger by 1/cos(latitude).
    half = widest / np.cos(np.radians(points.lat[inside])) / 2
    turn = np.radians(np.nan_to_num(heading[inside]))
    corners = []
    for ahead, right in ((1, -1), (1, 1), (-1, 1), (-1, -1)):
        east = half * (ahead * np.sin(turn) + right * np.cos(turn))
        north = half * (ahead * np.cos(turn) - right * np.sin(turn))
        corners.append((x[inside] + east, y[inside] - north))
    paths: dict[str, list[str]] = {}
    for number, color in enumerate(_colours(points, inside, cmap)):
        ring = "L".join(f"{cx[number]:.1f} {cy[number]:.1f}" for cx, cy in corners)
        paths.setdefault(color, []).append(f"M{ring}Z")
    body = "".join(f"<path d='{''.join(drawn)}' fill='{color}'/>" for color, drawn in paths.items())
    return paper.svg(f"<g stroke='#141418' stroke-opacity='.55' stroke-width='.8'>{body}</g>"), int(inside.size)


def _colours(points: Points, which: NDArray[np.int64], cmap: str) -> list[str]:
    norm = points.norm
    if not isinstance(norm, Norm) or points.values is None:
        return ["#969696"] * which.size
    table = palette(cmap, norm.levels)
    rgb = table[norm.indices(points.values[which])]
    return [f"#{r:02x}{g:02x}{b:02x}" if a else "#969696" for r, g, b, a in rgb.tolist()]


def ways(
    paper: Paper,
    chosen: tuple[float, float, float],
    track: tuple[FloatArray, FloatArray],
    paths: Sequence[SwellPath],
    millis: int,
    color: str,
) -> str:
    """The chosen acquisition, its pass, and the ways of a swell, as the URL of a drawing.

    Parameters
    ----------
    chosen : (lon, lat, heading)
        Degrees.
    track : (lon, lat)
        Of the acquisitions of its pass, in the order of time.
    paths : sequence of SwellPath
        A mark for every day; words where there is room for them.
    millis : int
        The moment of the acquisition.
    color : str
        Of the swell.
    """
    parts = [_track(paper, *track), *(_way(paper, path, millis, color) for path in paths)]
    lon, lat, heading = chosen
    x, y = float(paper.x(lon)), float(paper.y(lat))
    if math.isfinite(x + y):
        half = max(5.5, SIDE / _PER_DEGREE * paper.per_degree / math.cos(math.radians(lat)) / 2)
        square = (
            f"<rect x='{-half:.1f}' y='{-half:.1f}' width='{2 * half:.1f}' height='{2 * half:.1f}' fill='none' "
            f"transform='translate({x:.1f} {y:.1f}) rotate({0.0 if math.isnan(heading) else heading:.1f})' "
        )
        parts.append(f"{square} stroke='{_HALO}' stroke-width='4.5'/>{square} stroke='{_INK}' stroke-width='2.2'/>")
    return paper.svg("".join(parts))


def _track(paper: Paper, lon: FloatArray, lat: FloatArray) -> str:
    """The line of a pass, whole across the antimeridian."""
    if lon.size < 2:
        return ""
    lons = np.degrees(np.unwrap(np.radians(lon)))
    return _line(paper, lons, lat, f"stroke='{_HALO}' stroke-opacity='.75' stroke-width='1.2' stroke-dasharray='2 3'")


def _line(paper: Paper, lon: FloatArray, lat: FloatArray, style: str) -> str:
    """A line of longitudes that do not jump, in every turn of the world that meets the picture."""
    y = paper.y(lat)
    drawn = []
    for turn in _turns(paper, lon):
        x = paper.x(lon + turn, wrap=False)
        there = np.isfinite(y)
        if there.sum() > 1:
            drawn.append("M" + "L".join(f"{px:.1f} {py:.1f}" for px, py in zip(x[there], y[there], strict=True)))
    return f"<path d='{''.join(drawn)}' fill='none' stroke-linejoin='round' stroke-linecap='round' {style}/>"


def _turns(paper: Paper, lon: FloatArray) -> list[float]:
    first = math.floor((paper.box.west - float(lon.max())) / 360.0)
    last = math.ceil((paper.box.west + paper.box.width - float(lon.min())) / 360.0)
    return [360.0 * number for number in range(first, last + 1)]


def _way(paper: Paper, path: SwellPath, millis: int, color: str) -> str:
    onward = path.hours[-1] > 0
    dash = "" if onward else " stroke-dasharray='7 5'"
    line = _line(paper, path.lon, path.lat, f"stroke='{_HALO}' stroke-opacity='.55' stroke-width='5'")
    line += _line(paper, path.lon, path.lat, f"stroke='{_INK}' stroke-width='3.4'")
    line += _line(paper, path.lon, path.lat, f"stroke='{color}' stroke-width='2.4'{dash}")
    sign = 1 if onward else -1
    days = np.arange(1, math.floor(abs(float(path.hours[-1])) / _DAY) + 1)
    hours = sign * _DAY * days
    lon, lat = path.at(hours)
    words = [f"{'+' if onward else '−'}{day} d" for day in days]
    if path.meets_land:
        lon, lat = np.append(lon, path.lon[-1]), np.append(lat, path.lat[-1])
        words.append(_moment(millis, float(path.hours[-1])) if onward else "coast")
    marks: list[str] = []
    y = paper.y(lat)
    for turn in _turns(paper, path.lon):
        x = paper.x(lon + turn, wrap=False)
        last: tuple[float, float] | None = None
        order = range(len(words) - 1, -1, -1) if path.meets_land else range(len(words))
        for number in order:
            px, py = float(x[number]), float(y[number])
            if not (math.isfinite(px + py) and -20 < px < paper.width + 20 and -20 < py < paper.height + 20):
                continue
            end = path.meets_land and number == len(words) - 1
            marks.append(
                f"<circle cx='{px:.1f}' cy='{py:.1f}' r='{5 if end else 3.4}' fill='{color}' stroke='{_INK}' "
                "stroke-width='1.4'/>"
            )
            if last is None or math.hypot(px - last[0], py - last[1]) >= _APART:
                marks.append(_word(px + 8, py - 6, words[number]))
                last = px, py
    return line + "".join(marks)


def _word(x: float, y: float, text: str) -> str:
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' font-family='system-ui, sans-serif' font-size='11' font-weight='600' "
        f"fill='{_INK}' stroke='{_HALO}' stroke-width='3' stroke-opacity='.8' paint-order='stroke' "
        f"stroke-linejoin='round'>{escape(text)}</text>"
    )


def _moment(millis: int, hours: float) -> str:
    """When something comes, so many hours after a moment, to the hour."""
    whole = round((millis + hours * 3_600_000) / 3_600_000) * 3_600_000
    return display(int(label_from_millis(whole)))
