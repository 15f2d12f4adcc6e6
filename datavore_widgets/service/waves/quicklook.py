"""Labelled pictures of acquisitions: spectra in the plane of wavenumbers, and the surface; north is up in all."""

from __future__ import annotations

import io
import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from datavore_widgets.protocol.colormap import colormap
from datavore_widgets.protocol.times import display
from datavore_widgets.protocol.waves import WaveSpectrum
from datavore_widgets.service.waves import names, spectra
from datavore_widgets.service.waves.directions import compass, turned

__all__ = ["draw"]

Floats = NDArray[np.float64]

_WIDTH, _HEIGHT = 760, 820
_SIDE = 560  # of the square that shows the data
_LEFT, _TOP = 24, 96
_INK, _PALE, _PAPER = (24, 32, 44), (96, 108, 124), (255, 255, 255)
_RINGS = (400, 200, 100, 50)
_PARTS = ((214, 39, 40), (31, 119, 180), (44, 140, 60), (148, 86, 189), (230, 120, 10))
_WATER = (25, 60, 110)


def draw(kind: str, found: WaveSpectrum) -> tuple[bytes, tuple[int, int]]:
    """A PNG of one kind of `names.KINDS`, and its width and height in pixels."""
    page = Image.new("RGB", (_WIDTH, _HEIGHT), _PAPER)
    pen = ImageDraw.Draw(page)
    long_name, units = names.about(kind)
    _header(pen, found, long_name)
    if kind == "roughness":
        _surface(page, pen, found, units)
    else:
        _plane(page, pen, kind, found, units)
    out = io.BytesIO()
    page.save(out, "PNG", compress_level=4)
    return out.getvalue(), page.size


@lru_cache(maxsize=8)
def _font(size: int) -> Any:
    return ImageFont.load_default(size)


def _text(pen: Any, at: tuple[float, float], text: str, size: int = 14, ink: Any = _INK, anchor: str = "la") -> None:
    pen.text(at, text, font=_font(size), fill=ink, anchor=anchor)


def _place(lon: float, lat: float) -> str:
    return f"{abs(lat):.2f}°{'N' if lat >= 0 else 'S'} {abs(lon):.2f}°{'E' if lon >= 0 else 'W'}"


def _header(pen: Any, found: WaveSpectrum, long_name: str) -> None:
    _text(pen, (_LEFT, 14), long_name, 24)
    _text(pen, (_LEFT, 46), f"{display(found.time.label)}   {_place(found.lon, found.lat)}", 16)
    told = f"{found.satellite} {found.mode}   incidence {found.incidence:.1f}°   flight towards {found.heading:.0f}°"
    told += f"   NRCS {found.nrcs:.1f} dB" if math.isfinite(found.nrcs) else ""
    _text(pen, (_LEFT, 68), told, 14, _PALE)


def _limit(values: Floats) -> float:
    top = float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 0.0
    return top if top > 0 else 1.0


def _plane(page: Any, pen: Any, kind: str, found: WaveSpectrum, units: str) -> None:
    """A spectrum in the plane of wavenumbers: north up, east right."""
    signed = kind == "imaginary"
    values, sampled, reach = _sampled(kind, found)
    top = _limit(values)
    table = colormap("balance" if signed else "dense" if kind == "real" else "tempo")
    low = -top if signed else 0.0
    place = np.clip((sampled - low) / (top - low) * 255, 0, 255)
    colors = np.where(np.isfinite(sampled)[..., None], table[np.nan_to_num(place).astype(np.uint8)], 255).astype(
        np.uint8
    )
    page.paste(Image.fromarray(colors), (_LEFT, _TOP))
    frame = _Frame(_LEFT + _SIDE / 2, _TOP + _SIDE / 2, _SIDE / 2 / reach)
    if kind in ("swell", "ww3"):
        _outlines(pen, frame, found)
    _cutoff(pen, frame, found, reach)
    _ring_labels(pen, frame, reach)
    pen.rectangle((_LEFT, _TOP, _LEFT + _SIDE, _TOP + _SIDE), outline=_PALE)
    _text(pen, (_LEFT + _SIDE / 2, _TOP + 4), "N", 16, anchor="ma")
    _text(pen, (_LEFT + _SIDE - 6, _TOP + _SIDE / 2), "E", 16, anchor="rm")
    _bar(page, pen, table, low, top, units)
    lines = {"swell": _swell_lines, "ww3": _model_lines, "real": _cross_lines, "imaginary": _cross_lines}[kind](found)
    if kind in ("swell", "ww3"):
        _wind(pen, found)
        _peaks(pen, frame, found)
    _side(pen, found, kind)
    _foot(pen, lines)


class _Frame:
    """From rad/m and degrees to pixels."""

    def __init__(self, x: float, y: float, scale: float) -> None:
        self.x, self.y, self.scale = x, y, scale

    def at(self, k: float, towards: float) -> tuple[float, float]:
        """The pixel of a wavenumber in a direction."""
        angle = math.radians(towards)
        return self.x + self.scale * k * math.sin(angle), self.y - self.scale * k * math.cos(angle)


def _sampled(kind: str, found: WaveSpectrum) -> tuple[Any, Any, float]:
    """The values shown, the same at each pixel of the square, and the wavenumber at its edge."""
    polar = {"swell": found.energy, "real": found.cross_re, "imaginary": found.cross_im}.get(kind)
    if kind == "ww3" and found.model is not None:
        polar = found.model.energy
    reach = 2 * math.pi / 75
    steps = (np.arange(_SIDE) + 0.5) / _SIDE * 2 - 1
    east, north = np.meshgrid(steps * reach, -steps * reach)
    if polar is None:
        flat = found.cartesian
        assert flat is not None  # noqa: S101  looked at before a picture is drawn
        values = flat.re if kind == "real" else flat.im
        angle = math.radians(found.heading)
        along = north * math.cos(angle) + east * math.sin(angle)
        across = east * math.cos(angle) - north * math.sin(angle)
        rows, columns = _nearest(flat.k_azimuth, along), _nearest(flat.k_range, across)
        inside = (rows >= 0) & (columns >= 0)
        return np.asarray(values), np.where(inside, values[rows, columns], np.nan), reach
    rows = np.searchsorted(spectra.edges(found.k), np.hypot(east, north)) - 1
    width = 360.0 / found.phi.size
    columns = np.rint((turned(np.rad2deg(np.arctan2(east, north))) - found.phi[0]) / width).astype(int) % found.phi.size
    inside = (rows >= 0) & (rows < found.k.size)
    return polar, np.where(inside, polar[np.clip(rows, 0, found.k.size - 1), columns], np.nan), reach


def _nearest(axis: Any, wanted: Floats) -> NDArray[np.int64]:
    """Places on an axis of equal steps; -1 outside."""
    places = np.rint((wanted - axis[0]) / (axis[-1] - axis[0]) * (axis.size - 1)).astype(np.int64)
    return np.where((places < 0) | (places >= axis.size), -1, places)


def _ring_labels(pen: Any, frame: _Frame, reach: float) -> None:
    for wavelength in _RINGS:
        k = 2 * math.pi / wavelength
        if k < reach:
            r = frame.scale * k
            pen.ellipse((frame.x - r, frame.y - r, frame.x + r, frame.y + r), outline=(120, 130, 145))
            x, y = frame.at(k, 135)
            _text(pen, (x + 2, y), f"{wavelength} m", 13, _WATER)


def _cutoff(pen: Any, frame: _Frame, found: WaveSpectrum, reach: float) -> None:
    """The two lines |k_azimuth| = 2π/λc."""
    if not (found.cutoff > 0 and math.isfinite(found.heading)):
        return
    k = 2 * math.pi / found.cutoff
    box = (_LEFT, _TOP, _LEFT + _SIDE, _TOP + _SIDE)
    for side in (0.0, 180.0):
        x, y = frame.at(k, found.heading + side)
        angle = math.radians(found.heading + 90)
        for step in range(-200, 200, 4):
            a, b = (step / 100 * reach * frame.scale, (step + 2) / 100 * reach * frame.scale)
            start = (x + a * math.sin(angle), y - a * math.cos(angle))
            end = (x + b * math.sin(angle), y - b * math.cos(angle))
            if all(box[0] < px < box[2] and box[1] < py < box[3] for px, py in (start, end)):
                pen.line((*start, *end), fill=(200, 60, 40), width=2)


def _outlines(pen: Any, frame: _Frame, found: WaveSpectrum) -> None:
    """The edges of each partition's bins, where its neighbours are not of it."""
    limits, width = spectra.edges(found.k), 360.0 / found.phi.size
    for order, number in enumerate(found.partition_ids.tolist()):
        mine = found.partitions == number
        ink = _PARTS[order % len(_PARTS)]
        for row, column in zip(*np.nonzero(mine), strict=True):
            first, last = found.phi[column] - width / 2, found.phi[column] + width / 2
            for other, k in ((row - 1, limits[row]), (row + 1, limits[row + 1])):
                if not (0 <= other < found.k.size and mine[other, column]):
                    points = [frame.at(k, first + width * part / 4) for part in range(5)]
                    pen.line(points, fill=ink, width=2)
            for other, angle in ((column - 1, first), (column + 1, last)):
                if not mine[row, other % found.phi.size]:
                    pen.line((*frame.at(limits[row], angle), *frame.at(limits[row + 1], angle)), fill=ink, width=2)


def _arrow(pen: Any, start: tuple[float, float], end: tuple[float, float], ink: Any) -> None:
    pen.line((*start, *end), fill=ink, width=3)
    angle = math.atan2(end[1] - start[1], end[0] - start[0])
    wings = [(end[0] - 11 * math.cos(angle + off), end[1] - 11 * math.sin(angle + off)) for off in (-0.45, 0.45)]
    pen.polygon([end, *wings], fill=ink)


def _peaks(pen: Any, frame: _Frame, found: WaveSpectrum) -> None:
    """From the middle to each partition's peak: where its waves go to."""
    for order, (wavelength, towards) in enumerate(
        zip(found.partition_wavelength, found.partition_direction, strict=True)
    ):
        if math.isfinite(wavelength) and math.isfinite(towards):
            _arrow(pen, frame.at(0, 0), frame.at(2 * math.pi / wavelength, towards), _PARTS[order % len(_PARTS)])


def _wind(pen: Any, found: WaveSpectrum) -> None:
    """The wind as an arrow that blows with it, in the corner."""
    if not (math.isfinite(found.wind_speed) and math.isfinite(found.wind_from)):
        return
    x, y, r = _LEFT + 46, _TOP + 46, 30
    pen.ellipse((x - r - 6, y - r - 6, x + r + 6, y + r + 6), fill=(255, 255, 255), outline=_PALE)
    angle = math.radians(found.wind_from)
    dx, dy = r * math.sin(angle), -r * math.cos(angle)
    _arrow(pen, (x + dx, y + dy), (x - dx, y - dy), _INK)


def _bar(page: Any, pen: Any, table: Any, low: float, top: float, units: str) -> None:
    x, height = _LEFT + _SIDE + 24, 240
    ramp = np.repeat(table[np.linspace(255, 0, height).astype(int)][:, None], 16, axis=1)
    page.paste(Image.fromarray(np.ascontiguousarray(ramp)), (x, _TOP + 26))
    pen.rectangle((x, _TOP + 26, x + 16, _TOP + 26 + height), outline=_PALE)
    base = units.rstrip("²⁴")
    _text(pen, (x, _TOP + 4), base, 15)
    # Pillow's own font has no raised digits.
    power = units[len(base) :].translate(str.maketrans("²⁴", "24"))
    _text(pen, (x + pen.textlength(base, font=_font(15)) + 1, _TOP), power, 11)
    for part in (0.0, 0.5, 1.0):
        _text(pen, (x + 22, _TOP + 26 + height * (1 - part)), f"{low + part * (top - low):.3g}", 13, anchor="lm")


def _side(pen: Any, found: WaveSpectrum, kind: str) -> None:
    """What the signs in the picture mean."""
    x, y = _LEFT + _SIDE + 18, _TOP + 300
    lines: list[tuple[str, Any]] = [("rings: wavelength", _WATER)]
    if found.cutoff > 0:
        lines.append((f"- - cut-off {found.cutoff:.0f} m", (200, 60, 40)))
    if kind in ("swell", "ww3"):
        lines += [("arrows: waves go to", _INK)]
        if math.isfinite(found.wind_speed):
            lines += [("wind, from", _INK), (f"{found.wind_from:.0f}° {found.wind_speed:.1f} m/s", _INK)]
        if found.quality >= 0:
            lines.append((f"quality {found.quality} (0 good)", _INK))
    for text, ink in lines:
        _text(pen, (x, y), text, 13, ink)
        y += 20


def _swell_lines(found: WaveSpectrum) -> list[tuple[str, Any]]:
    total = f"   total Hs {found.total_hs:.1f} m" if math.isfinite(found.total_hs) else ""
    lines: list[tuple[str, Any]] = [(f"Hs {found.hs:.2f} m, resolved part of the spectrum{total}", _INK)]
    parts = zip(
        found.partition_hs,
        found.partition_wavelength,
        found.partition_direction,
        found.partition_quality,
        strict=True,
    )
    for order, (hs, wavelength, towards, quality) in enumerate(parts):
        if math.isfinite(hs):
            grade = f", quality {quality}" if quality >= 0 else ""
            text = f"swell Hs {hs:.2f} m   {wavelength:.0f} m   to {towards:.0f}° ({compass(towards)}){grade}"
            lines.append((text, _PARTS[order % len(_PARTS)]))
    return [*lines, *_notes(found)]


def _model_lines(found: WaveSpectrum) -> list[tuple[str, Any]]:
    model = found.model
    assert model is not None  # noqa: S101  looked at before a picture is drawn
    inside = f", inside the cut-off {model.hs_inside:.2f} m" if math.isfinite(model.hs_inside) else ""
    return [
        (f"Hs {model.hs:.2f} m whole{inside}", _INK),
        (f"peak period {model.period:.1f} s, mean direction to {model.direction:.0f}°", _INK),
        (f"{model.source}, {display(model.time.label)} ({model.hours:+.1f} h), {model.distance:.0f} km away", _INK),
        ("outlined: the partitions that the radar sees", _PALE),
        *_notes(found),
    ]


def _cross_lines(found: WaveSpectrum) -> list[tuple[str, Any]]:
    even = "the real part is even: each swell is there twice, 180° apart; the imaginary part tells which is true"
    return [(even, _INK), (f"looks: {found.lag}", _INK), *_notes(found)]


def _notes(found: WaveSpectrum) -> list[tuple[str, Any]]:
    return [(note, _PALE) for note in found.notes]


def _foot(pen: Any, lines: list[tuple[str, Any]]) -> None:
    y = _TOP + _SIDE + 12
    for text, ink in lines:
        if y > _HEIGHT - 34:
            break
        _text(pen, (_LEFT, y), text, 14, ink)
        y += 18
    _text(pen, (_LEFT, _HEIGHT - 20), "directions clockwise from north: waves towards, wind from", 12, _PALE)


def _surface(page: Any, pen: Any, found: WaveSpectrum, units: str) -> None:
    """The surface north up, with a scale bar."""
    values = found.roughness
    assert values is not None  # noqa: S101  looked at before a picture is drawn
    low, top = (float(end) for end in np.nanpercentile(values, (1, 99)))
    top = top if top > low else low + 1.0
    table = colormap("gray")
    place = np.clip((values - low) / (top - low) * 255, 0, 255)
    colors = np.where(np.isfinite(values)[..., None], table[np.nan_to_num(place).astype(np.uint8)], 255).astype(
        np.uint8
    )
    shown = Image.fromarray(colors).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    page.paste(shown, (_LEFT, _TOP))
    pen.rectangle((_LEFT, _TOP, _LEFT + _SIDE, _TOP + _SIDE), outline=_PALE)
    pixels = 5000.0 / found.roughness_spacing * _SIDE / values.shape[1]
    x, y = _LEFT + 18, _TOP + _SIDE - 18
    pen.rectangle((x - 8, y - 28, x + pixels + 8, y + 10), fill=(255, 255, 255), outline=_PALE)
    pen.line((x, y, x + pixels, y), fill=_INK, width=4)
    _text(pen, (x + pixels / 2, y - 6), "5 km", 15, anchor="mb")
    _arrow(pen, (_LEFT + _SIDE - 26, _TOP + 62), (_LEFT + _SIDE - 26, _TOP + 26), _INK)
    _text(pen, (_LEFT + _SIDE - 26, _TOP + 22), "N", 16, anchor="mb")
    _bar(page, pen, table, low, top, units)
    _foot(pen, _notes(found))
