"""A plot of values over time: the figure, its axes, and the sheet over it that reads the values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import anywidget
import bqplot
import ipywidgets
import numpy as np
from traitlets import Bool, Float, List, Unicode

from datavore_widgets.widgets.curves import Curve
from datavore_widgets.widgets.style import STATIC
from datavore_widgets.widgets.ticks import ticks, time_ticks

__all__ = ["COLORS", "MOST_LINES", "TimePlot"]

# Okabe and Ito's colours, dark enough on white and light enough on black; dashes tell the lines apart without them.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#a8518a", "#b8860b", "#56a0d3")
_DASHES = ("solid", "dashed", "dotted", "dash_dotted", "solid", "dashed")
MOST_LINES = len(COLORS)
_MARGIN = {"top": 10, "bottom": 28, "left": 64, "right": 20}
_DOT, _RING = 16, 40  # square pixels
_PAD = math.sqrt(_RING) / 2 + 1  # pixels that bqplot keeps free at either end, for half of the largest mark
_YEAR = 365.2425 * 86_400_000  # milliseconds
_HALF_A_DAY = 43_200_000  # milliseconds
_VALUE_TICKS = 8
_DATE_TICKS = 11
_DIGIT = 7  # pixels of a digit of the ticks
_FEW = 80  # up to so many points, each has its dot


def _edges(margin: Mapping[str, float]) -> list[float]:
    """Pixels from the edges of the figure to where the first and the last time and the limits of values are."""
    return [margin["top"], margin["bottom"], margin["left"] + _PAD, margin["right"] + _PAD]


class _Sheet(anywidget.AnyWidget):
    """The front end over the figure: hairlines, the readout, a lapse's band. It tells what was clicked or dragged."""

    _esm = STATIC / "chart_sheet.js"
    lines: Any = List().tag(sync=True)
    margin = List(_edges(_MARGIN)).tag(sync=True)
    first = Float().tag(sync=True)
    last = Float().tag(sync=True)
    shown = Float(allow_none=True, default_value=None).tag(sync=True)
    band: Any = List().tag(sync=True)  # the first and the last time of the lapse, or nothing
    can_span = Bool(False).tag(sync=True)  # whether a drag means a lapse
    hint = Unicode().tag(sync=True)

    def set_state(self, sync_data: Mapping[str, Any]) -> None:
        """What a browser says: nothing here is its to set."""


class _Dates(bqplot.DateScale):
    """Times with ends in milliseconds since 1970: bqplot writes them without a zone, which browsers take for theirs."""

    min = Float(None, allow_none=True).tag(sync=True)
    max = Float(None, allow_none=True).tag(sync=True)


class TimePlot:
    """A figure of lines over time, redrawn as a whole.

    Parameters
    ----------
    value_ticks, date_ticks : int
        The most ticks on the axis of values and on that of times: fewer for a small plot.
    """

    def __init__(self, value_ticks: int = _VALUE_TICKS, date_ticks: int = _DATE_TICKS) -> None:
        self._value_ticks, self._date_ticks = value_ticks, date_ticks
        self._times = _Dates()
        self._values = bqplot.LinearScale()
        self._x_axis = bqplot.Axis(scale=self._times, grid_lines="none")
        self._y_axis = bqplot.Axis(scale=self._values, side="left", grid_lines="solid", label_offset="48px")
        self._others = bqplot.LinearScale()
        self._right_axis = bqplot.Axis(scale=self._others, side="right", grid_lines="none", visible=False)
        self.marks = [self._mark(i) for i in range(MOST_LINES)]
        self.dots = [self._dot(i) for i in range(MOST_LINES)]
        self.rings = [self._dot(i, size=_RING, fill=False) for i in range(MOST_LINES)]  # groups that are not complete
        self.trends = [self._mark(i, dashed=True) for i in range(MOST_LINES)]
        self.figure = bqplot.Figure(
            marks=[*self.marks, *self.trends, *self.dots, *self.rings],
            axes=[self._x_axis, self._y_axis, self._right_axis],
            fig_margin=_MARGIN,
            animation_duration=0,
            layout=ipywidgets.Layout(height="220px", min_width="0", width="100%"),
        )
        self.sheet = _Sheet()

    def _mark(self, number: int, *, dashed: bool = False) -> bqplot.Lines:
        return bqplot.Lines(
            x=[],
            y=[],
            scales={"x": self._times, "y": self._values},
            colors=[COLORS[number]],
            line_style="dash_dotted" if dashed else _DASHES[number],
            stroke_width=1.5 if dashed else 1.75,
            visible=False,
            preserve_domain={"x": True},
        )

    def _dot(self, number: int, *, size: int = _DOT, fill: bool = True) -> bqplot.Scatter:
        return bqplot.Scatter(
            x=[],
            y=[],
            scales={"x": self._times, "y": self._values},
            colors=[COLORS[number]],
            default_size=size,
            fill=fill,
            visible=False,
            preserve_domain={"x": True},
        )

    def draw(
        self,
        curves: Sequence[tuple[Curve, str, str]],
        label: str = "",
        *,
        lines: bool = True,
        colors: Sequence[str] = COLORS,
        trends: Sequence[float | None] = (),
        is_cycle: bool = False,
        span: tuple[int, int] | None = None,
    ) -> None:
        """Show these curves and no other.

        Curves in other units than the first one's have an axis of their own, on the right.

        Parameters
        ----------
        curves : sequence of (Curve, name, units)
            Each with a finite value at least.
        label : str
            Of the axis of values; the one on the right is labelled by its units.
        lines : bool
            Whether the points of a curve are joined; else each has its dot.
        colors : sequence of str
            Of the curves, in their order.
        trends : sequence of float, optional
            Slopes in units a year, one for each curve or None: a straight line through its middle.
        is_cycle : bool
            Whether the times are months or days of no year.
        span : (int, int), optional
            Milliseconds that the axis of times reaches over at least.
        """
        left = [units == curves[0][2] for _, _, units in curves]
        if curves:
            self._set_times([curve for curve, _, _ in curves], is_cycle, span)
            self._set_values(curves, left)
        for number in range(MOST_LINES):
            slope = trends[number] if number < min(len(trends), len(curves)) else None
            self._set_trend(number, curves[number][0] if slope is not None else None, slope or 0.0)
        for number, color in enumerate(colors):
            self.marks[number].colors = self.dots[number].colors = self.rings[number].colors = [color]
            # Alone, a trend has the next line's colour: over a dense line of its own colour it is not seen.
            self.trends[number].colors = [COLORS[1] if len(curves) == 1 else color]
        for number in range(MOST_LINES):
            self._set_line(number, curves[number][0] if number < len(curves) else None, lines)
        self._y_axis.label = label
        self.sheet.lines = [
            {
                "name": name,
                "units": units,
                "color": colors[number],
                "labels": curve.labels.astype("<i8").tobytes(),
                "millis": curve.millis.astype("<f8").tobytes(),
                "values": curve.values.astype("<f8").tobytes(),
                "counts": curve.counts.astype("<i4").tobytes(),
                "texts": list(curve.texts),
                "notes": list(curve.notes),
            }
            for number, (curve, name, units) in enumerate(curves)
        ]

    def _set_trend(self, number: int, curve: Curve | None, slope: float) -> None:
        """Least squares lead through the middle of the points."""
        mark = self.trends[number]
        with mark.hold_sync():
            mark.visible = curve is not None
            if curve is not None:
                valid = np.isfinite(curve.values)
                years = curve.millis[valid] / _YEAR
                ends = np.array([years[0], years[-1]])
                mark.x = (ends * _YEAR).astype(np.int64).astype("M8[ms]")
                mark.y = curve.values[valid].mean() + slope * (ends - years.mean())

    def _set_times(self, curves: list[Curve], is_cycle: bool, span: tuple[int, int] | None) -> None:
        first = min([int(curve.millis[0]) for curve in curves] + list(span or ())[:1])
        last = max([int(curve.millis[-1]) for curve in curves] + list(span or ())[1:])
        if first == last:
            first, last = first - _HALF_A_DAY, last + _HALF_A_DAY
        with self._times.hold_sync():
            self._times.min, self._times.max = float(first), float(last)
        dates, date_format = time_ticks(first, last, self._date_ticks)
        # The format goes first: bqplot writes the ticks anew when their values come, not when the format does.
        self._x_axis.tick_format = "%b" if is_cycle else date_format
        self._x_axis.tick_values = dates
        with self.sheet.hold_sync():
            self.sheet.first, self.sheet.last = float(first), float(last)

    def _set_values(self, curves: Sequence[tuple[Curve, str, str]], left: Sequence[bool]) -> None:
        """Lay out the axis of each quantity, and put the marks of each curve on its own."""
        margin = dict(_MARGIN)
        sides = [("left", self._values, self._y_axis, True), ("right", self._others, self._right_axis, False)]
        for side, scale, axis, here in sides:
            own = [curve for (curve, _, _), is_left in zip(curves, left, strict=True) if is_left is here]
            if own:
                margin[side] = max(_MARGIN["left"], self._lay_axis(scale, axis, own) * _DIGIT + 32)
                axis.label_offset = f"{margin[side] - 12}px"
        for number, is_left in enumerate(left):
            scales = {"x": self._times, "y": self._values if is_left else self._others}
            for mark in (self.marks[number], self.dots[number], self.rings[number], self.trends[number]):
                if mark.scales["y"] is not scales["y"]:
                    mark.scales = scales
        self._right_axis.label = next((units for (_, _, units), here in zip(curves, left, strict=True) if not here), "")
        self._right_axis.visible = not all(left)
        self.figure.fig_margin = margin
        self.sheet.margin = _edges(margin)

    def _lay_axis(self, scale: bqplot.LinearScale, axis: bqplot.Axis, curves: list[Curve]) -> int:
        """Limits and ticks for some curves; the characters of the longest tick."""
        low = min(float(np.nanmin(curve.values)) for curve in curves)
        high = max(float(np.nanmax(curve.values)) for curve in curves)
        room = 0.06 * (high - low) or max(0.5, abs(high) * 0.05)
        low, high = low - room, high + room
        with scale.hold_sync():
            scale.min, scale.max = low, high
        values, decimals = ticks(low, high, self._value_ticks)
        axis.tick_format = f".{decimals}f" if decimals < 5 and abs(high) < 1e6 else ".3g"
        axis.tick_values = values
        return max((len(format(value, axis.tick_format)) for value in values), default=0)

    def _set_line(self, number: int, curve: Curve | None, lines: bool) -> None:
        mark, dots = self.marks[number], self.dots[number]
        if curve is None:
            mark.visible = dots.visible = self.rings[number].visible = False
            return
        times = curve.millis.astype("M8[ms]")
        # bqplot has a label at the last point of a line, and takes a last point without a value for an error.
        until = int(np.flatnonzero(np.isfinite(curve.values))[-1]) + 1
        with mark.hold_sync():
            mark.x, mark.y, mark.visible = times[:until], curve.values[:until], lines
        single = np.isfinite(curve.values) if not lines or curve.values.size <= _FEW else curve.alone
        with dots.hold_sync():
            dots.visible = bool(single.any())
            if single.any():
                dots.x, dots.y = times[single], curve.values[single]
        partly = (
            np.zeros(times.size, np.bool_) if curve.complete is None else ~curve.complete & np.isfinite(curve.values)
        )
        rings = self.rings[number]
        with rings.hold_sync():
            rings.visible = bool(partly.any())
            if partly.any():
                rings.x, rings.y = times[partly], curve.values[partly]
