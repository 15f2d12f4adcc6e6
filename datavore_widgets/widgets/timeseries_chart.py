"""The chart: the series of the box and of the point, live."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeGuard

import ipywidgets
import numpy as np

from datavore_widgets.errors import DatavoreError, NoData
from datavore_widgets.protocol.answers import Series
from datavore_widgets.protocol.geometry import GLOBAL, BBox, Point
from datavore_widgets.protocol.job import Estimate, Job
from datavore_widgets.protocol.places import area, place
from datavore_widgets.protocol.queries import SeriesQuery
from datavore_widgets.protocol.times import CLIMATOLOGIES, GROUP_DIGITS, Date, Lapse, millis_from_label
from datavore_widgets.widgets.curves import Curve, curve_of
from datavore_widgets.widgets.desk import Scene, sentence
from datavore_widgets.widgets.panel import Panel
from datavore_widgets.widgets.plot import COLORS, MOST_LINES, TimePlot
from datavore_widgets.widgets.pump import Pump
from datavore_widgets.widgets.saving import Told
from datavore_widgets.widgets.text import about, amount, escape, number, thousands
from datavore_widgets.widgets.units import Scale, is_level, pretty
from datavore_widgets.widgets.view import View
from datavore_widgets.widgets.words import GROUP_WORDS, aggregate_word, running_word

__all__ = ["TimeseriesChart"]

log = logging.getLogger(__name__)

_HINT = (
    "Chart of the series. Arrow keys read the values; Enter puts the date on the map; with Shift, they span a lapse, "
    "of which Enter puts the aggregate on the map; Escape leads back to one date"
)
_READING = "Reading the series …"
_UNDER_WAY = "reading the series …"
_LEGEND_ROWS = 2  # that there is room for above the chart
_PATIENCE = 0.5  # seconds a series that is no longer wished for may go on


@dataclass(frozen=True, eq=False)
class _Line:
    """A series with what it is called and how it is shown."""

    query: SeriesQuery
    series: Series
    scale: Scale
    name: str

    @property
    def kind(self) -> tuple[bool, bool, bool]:
        """What two lines have in common that one axis can show."""
        query = self.query
        return query.groupby in CLIMATOLOGIES, query.anomaly is not None, is_level(query.aggregate)

    @cached_property
    def curve(self) -> Curve:
        return curve_of(self.series, self.scale.offset, self.query.groupby)


@dataclass(frozen=True)
class _Wish:
    """Series of the box and of the point; with the plain mean where no other is to be had, unless one was chosen."""

    queries: tuple[SeriesQuery, ...]
    or_plainly: bool


class TimeseriesChart(Panel):
    """Series over the view's box and at its point, as they change.

    The hairline is the time on the map; moving over the chart reads the values, a click puts that date on the map, a
    drag the aggregate over that lapse; Escape leads back to one date. Arrow keys, Shift and Enter do the same.

    Parameters
    ----------
    client, view
        See `Panel`.
    """

    name = "chart"

    def __init__(self, client: Any = None, view: View | None = None) -> None:
        super().__init__(client, view)
        self.plot = TimePlot()
        self.plot.sheet.hint = _HINT
        self.plot.sheet.on_msg(self._heard)
        self._head = ipywidgets.HTML()
        self._head.add_class("dv-chart-head")
        self._empty = ipywidgets.HTML()
        self._empty.add_class("dv-chart-empty")
        self._bar = ipywidgets.IntProgress(max=100, description="")
        self._stop = ipywidgets.Button(description="Cancel", tooltip="Give up this series")
        self._stop.on_click(self._cancel)
        self._reads = ipywidgets.Label(_READING)
        waiting = ipywidgets.HBox([self._reads, self._bar, self._stop])
        waiting.add_class("dv-chart-waiting")
        stage = ipywidgets.Box([self.plot.figure, self.plot.sheet, self._empty, waiting])
        stage.add_class("dv-chart-stage")
        self.fill([self._head, stage])

        self._live: list[_Line] = []
        self._kept: list[_Line] = []
        self.pump: Pump[_Wish, list[tuple[SeriesQuery, Series]]] = Pump(
            self._work,
            show=self._show,
            fail=self._fail,
            busy=self._busy,
            progress=self._report,
            expect=self._expect,
            part=self._put,
            patience=_PATIENCE,
        )
        names = ["bbox", "point", "datelaps", "groupby", "aggregate", "filters", "subtract"]
        names += ["anomaly", "base", "trend", "reach", "running"]
        self.watch(self.view, names, self._wish)
        self.watch(self.view, ["date", "lapse"], self._hairline)
        self.watch(self.desk, "scene", self._wish)
        self._wish()

    # What is asked

    def _wish(self, _change: Any = None) -> None:
        scene, view = self.desk.scene, self.view
        if scene is None or not scene.is_of(view):
            return
        if not len(scene.times.axis):
            self.pump.cancel()
            self._live = []
            self._draw()
            if not self._kept:
                self._say(f"{scene.variable.label} has no time axis, so no series: click a point to read its value")
            return
        # What has no place is the same wherever one looks.
        places = [GLOBAL] if scene.is_nowhere else [place for place in (view.bbox, view.point) if place is not None]
        if not places:
            self.pump.cancel()
            self._live = []
            self._draw()
            return
        self.pump.submit(_Wish(tuple(self._query(scene, place) for place in places), view.aggregate is None))

    def again(self) -> None:
        """Ask once more for what is shown: the data may be others, or come from elsewhere."""
        self.pump.forget()
        self._wish()

    def _query(self, scene: Scene, place: BBox | Point) -> SeriesQuery:
        view = self.view
        based = view.anomaly is not None or view.groupby in CLIMATOLOGIES
        return SeriesQuery(
            scene.info.index,
            scene.variable.name,
            place,
            scene.lapse(view),
            view.groupby,
            self.desk.aggregate,
            scene.filters(view.filters),
            scene.subtract(view),
            anomaly=view.anomaly,
            base=view.base if based else None,
            trend=view.trend and view.groupby not in CLIMATOLOGIES and scene.variable.kind != "direction",
            reach=view.reach if isinstance(place, Point) else None,
            window=scene.running(view, self.desk.aggregate),
        )

    def _work(self, wish: _Wish, job: Job) -> list[tuple[SeriesQuery, Series]]:
        found: list[tuple[SeriesQuery, Series]] = []
        for query in wish.queries:
            turned = job.turning(partial(_with_part, tuple(found), query))
            found.append(self.desk.ask(query, turned, or_plainly=wish.or_plainly))
        return found

    def _show(self, wish: _Wish, found: list[tuple[SeriesQuery, Series]]) -> None:
        self.desk.is_plain |= found[0][0] != wish.queries[0]
        self._put(wish, found)
        self.desk.status = f"ready · {1000 * self.pump.elapsed:.0f} ms"

    def _put(self, wish: _Wish, found: list[tuple[SeriesQuery, Series]]) -> None:
        """Draw what was found, which may be only a part of what was wished for."""
        scene, asked = self.desk.scene, wish.queries[0]
        if scene is None or asked.index != scene.info.index or asked.varname != scene.variable.name:
            return
        self._live = [
            _Line(query, series, _scale_of(scene, query, series), _title(scene, query, series))
            for query, series in found
        ]
        self._draw()

    def _fail(self, wish: _Wish, error: Exception) -> None:
        if not isinstance(error, DatavoreError):
            log.error("%r could not be answered", wish, exc_info=error)
        # What is there of a series that failed is none.
        self._live = [] if isinstance(error, NoData) else [line for line in self._live if not line.series.is_partial]
        self._draw()
        self._say(sentence(error), alert=True)

    def _busy(self, on: bool) -> None:
        self.mark("dv-is-waiting", on)
        if on:
            self.desk.status = _UNDER_WAY
        else:
            if self.desk.status == _UNDER_WAY:  # it failed, or nobody wants it any more
                self.desk.status = "ready"
            self._bar.value, self._reads.value = 0, _READING

    def _expect(self, estimate: Estimate) -> None:
        words = f"Reads {amount(estimate.nbytes)} in {_counted(estimate.chunks, 'chunk')}"
        self._reads.value = words if estimate.seconds is None else f"{words}, about {about(estimate.seconds)}"

    def _report(self, done: int, total: int) -> None:
        self._bar.value = 100 * done // total if total else 0

    def _cancel(self, _button: Any) -> None:
        self.pump.cancel()
        self._draw()
        self.desk.status = "the series was cancelled"

    # What is drawn

    @property
    def lines(self) -> list[Series]:
        """The series on the chart: the kept ones last."""
        return [line.series for line in self._lines]

    @property
    def _lines(self) -> list[_Line]:
        return [*self._live, *self._kept_alike][:MOST_LINES]

    @property
    def _kept_alike(self) -> list[_Line]:
        """The kept lines that can be drawn with the live one.

        No months go with dates, no anomalies with levels, and there is no axis for a third unit.
        """
        first = next(iter([*self._live, *self._kept]), None)
        alike = [line for line in self._kept if first is not None and line.kind == first.kind]
        units = list(dict.fromkeys(line.scale.units for line in [*self._live, *reversed(alike)]))[:2]
        return [line for line in alike if line.scale.units in units]

    def keep(self) -> None:
        """Keep what is shown, to be compared with what comes next."""
        known = {line.query for line in self._kept}
        new = [line for line in self._live if line.query not in known and not line.series.is_partial]
        self._kept = [*self._kept, *new][-(MOST_LINES - 2) :]
        self._draw()

    def forget(self) -> None:
        """Take the kept series off the chart."""
        self._kept = []
        self._draw()

    def _draw(self) -> None:
        lines = self._lines
        curves = [line.curve for line in lines]
        drawn = [(line, curve) for line, curve in zip(lines, curves, strict=True) if np.isfinite(curve.values).any()]
        self.plot.draw(
            [(curve, line.name, line.scale.units) for line, curve in drawn],
            label=drawn[0][0].scale.units if drawn else "",
            trends=[None if line.series.trend is None else line.series.trend.slope for line, _ in drawn],
            is_cycle=any(line.query.groupby in CLIMATOLOGIES for line, _ in drawn),
            span=self._wished if any(line.series.is_partial for line, _ in drawn) else None,
        )
        self.plot.sheet.can_span = bool(drawn) and drawn[0][0].query.groupby in (None, *GROUP_DIGITS)
        self.mark("dv-is-empty", not drawn)
        hidden = len(self._kept) - len(self._kept_alike)
        self._head.value = _legend([line for line, _ in drawn], hidden, is_reading=not self.pump.is_idle)
        self._hairline()
        if drawn:
            self._say("")
        elif lines:
            what = "box" if isinstance(lines[0].query.coord, BBox) else "cell"
            self._say(f"No valid data in this {what} at these times")
        else:
            self._say("Draw a box on the map, or click a point, and its series appears here")

    @property
    def _wished(self) -> tuple[int, int] | None:
        """First and last time of what is asked, so that the axis stays where it is while a series comes."""
        scene = self.desk.scene
        if scene is None or self.view.groupby in CLIMATOLOGIES:
            return None
        inside = scene.times.axis.millis[scene.times.axis.within(scene.lapse(self.view))]
        return (int(inside[0]), int(inside[-1])) if inside.size else None

    def _hairline(self, _change: Any = None) -> None:
        scene = self.desk.scene
        if scene is None or not scene.is_of(self.view):
            return
        position = scene.position(self.view.date)
        lapse, millis = self.view.lapse, scene.times.axis.millis
        with self.plot.sheet.hold_sync():
            if lapse is None or position is None:
                self.plot.sheet.shown = None if position is None else float(millis[position])
                self.plot.sheet.band = []
            else:
                self.plot.sheet.shown = None
                inside = millis[scene.times.axis.within(lapse)]
                self.plot.sheet.band = [float(inside[0]), float(inside[-1])] if inside.size else []

    def _say(self, text: str, *, alert: bool = False) -> None:
        role = " role='alert'" if alert else ""
        self._empty.value = f"<div{role}>{escape(text)}</div>" if text else ""
        self.mark("dv-has-message", bool(text))
        self.mark("dv-has-error", alert)

    def _heard(self, _widget: Any, content: Any, _buffers: Any) -> None:
        """A click on the chart: the date on the map. A drag: the lapse. Escape: one date again."""
        scene = self.desk.scene
        if not isinstance(content, dict) or scene is None or not len(scene.times.axis):
            return
        if content.get("back") is True:
            self.view.lapse = None
        elif _is_time(millis := content.get("millis")):
            line = next(iter(self._lines), None)
            if line is not None and (granules := line.series.granules) is not None and granules.size:
                # Of a sample the picture is its granule's, which may have begun long before.
                millis = int(millis_from_label(granules[np.abs(line.series.millis - millis).argmin()]))
            position = int(np.abs(scene.times.axis.millis - millis).argmin())
            self.view.set(date=scene.stamp(position).date, lapse=None)
        elif isinstance(ends := content.get("lapse"), list) and len(ends) == 2 and all(map(_is_time, ends)):
            self._span(min(ends), max(ends))

    def _span(self, first: float, last: float) -> None:
        """Put the aggregate over a lapse on the map: over the groups that were dragged over, each as a whole."""
        line = next(iter(self._lines), None)
        if line is None or not self.plot.sheet.can_span:
            return
        millis = line.series.millis
        labels = line.series.labels if line.series.granules is None else line.series.granules
        inside = labels[(millis >= first) & (millis <= last)]
        if not inside.size:
            inside = labels[[int(np.abs(millis - (first + last) / 2).argmin())]]
        self.view.lapse = Lapse(*(_date_of(int(label), line.query.groupby) for label in (inside.min(), inside.max())))

    # What is taken away

    def told(self) -> list[Told]:
        """The whole series on the chart, each with its question and its variable."""
        indexes = self.desk.catalog
        return [
            (line.query, line.series, indexes.index(line.query.index).variable(line.query.varname))
            for line in self._lines
            if not line.series.is_partial
        ]

    @property
    def is_idle(self) -> bool:
        """Whether nothing that it has asked for is still to come."""
        return self.pump.is_idle

    def release(self) -> None:
        """Cancel what is under way."""
        self.pump.close()


def _is_time(millis: Any) -> TypeGuard[float]:
    return not isinstance(millis, bool) and isinstance(millis, int | float) and abs(millis) < 1e15


def _date_of(label: int, groupby: str | None) -> Date:
    """A time, or the whole year, month or day that it is the start of."""
    date = Date.from_label(label)
    return date if groupby is None else Date(date.digits[: GROUP_DIGITS[groupby]])


def _title(scene: Scene, query: SeriesQuery, series: Series) -> str:
    if scene.is_nowhere:
        return scene.variable.label
    word = aggregate_word(query.aggregate)
    if series.weighting:
        word = word.partition(" (")[0]  # the weights are told beside it, in the service's own words
    where = area(query.coord) if isinstance(query.coord, BBox) else place(query.coord)
    return (
        f"{scene.variable.label}, {_lower(word)} in {where}"
        if isinstance(query.coord, BBox)
        else f"{scene.variable.label} at {where}"
    )


def _times_of(query: SeriesQuery) -> str:
    """What each value is of."""
    if query.window is not None:
        return running_word(query.window.seconds)
    return GROUP_WORDS[query.groupby]


def _with_part(
    before: tuple[tuple[SeriesQuery, Series], ...], query: SeriesQuery, part: Series
) -> list[tuple[SeriesQuery, Series]]:
    """What is there of several series: those that are whole, and a part of one."""
    return [*before, (query, part)]


def _counted(count: int, what: str) -> str:
    return f"{thousands(count)} {what}{'' if count == 1 else 's'}"


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]


def _scale_of(scene: Scene, query: SeriesQuery, series: Series) -> Scale:
    """As the aggregate's; an anomaly is a difference, of which a kelvin is a degree."""
    if query.anomaly is not None:
        return Scale(pretty(series.units))
    return scene.scale(query.aggregate, series.units)


def _so_far(line: _Line, *, is_reading: bool) -> Iterator[str]:
    if line.series.is_partial:
        yield "incomplete: more is being read" if is_reading else "incomplete: reading it was given up"


def _particulars(line: _Line) -> Iterator[str]:
    """What is to be known of a series beside its numbers."""
    series = line.series
    if series.anomaly is not None:
        yield f"anomalies from the climatology of {_OF_YEAR[series.anomaly]}"
    if series.base is not None:
        yield f"base {series.base[0]}–{series.base[1]}"
    if series.complete is not None and (partly := int((~series.complete).sum())):
        yield f"{partly} incomplete (○)"
    if line.query.trend and not series.is_partial:
        yield _trend_words(line)
    if series.is_moved and series.distance is not None:
        yield f"nearest cell with values, {series.distance / 1000:.3g} km away"
    if series.weighting:
        yield series.weighting
    if series.is_prepared:
        yield "from prepared data"
    if line.query.trend and series.trend is not None and series.trend.method:
        yield f"trend by {series.trend.method}"
    if series.note:
        yield series.note


def _trend_words(line: _Line) -> str:
    trend, units = line.series.trend, line.scale.units.replace("°C", "K")
    if trend is None:
        return "too few values for a trend"
    text = f"trend {number(10 * trend.slope, 3)} {units} a decade".replace("  ", " ")
    if trend.low is None or trend.high is None:
        return f"{text} (too few independent values for an interval)"
    interval = f"{number(10 * trend.low, 3)} to {number(10 * trend.high, 3)}"
    return f"{text} ({100 * trend.level:.0f} %: {interval}; n_eff = {trend.n_eff:.0f})"


_OF_YEAR = {"MM": "months", "season": "seasons", "MM-dd": "days"}


def _legend(lines: list[_Line], hidden: int, *, is_reading: bool) -> str:
    items = []
    for position, line in enumerate(lines):
        valid = int(np.isfinite(line.series.values).sum())
        counts = line.series.counts
        behind = f" from {thousands(int(counts.sum()))} valid" if counts is not None else ""
        detail = " · ".join(
            [
                f"{_times_of(line.query)}, {thousands(valid)} value{'' if valid == 1 else 's'}{behind}",
                *_so_far(line, is_reading=is_reading),
                *_particulars(line),
            ]
        )
        axis = "" if line.scale.units == lines[0].scale.units else "<span class='dv-muted'>right axis:</span> "
        items.append(
            f"<li title='{escape(f'{line.name} · {detail}')}'>"
            f"<svg width='22' height='8' aria-hidden='true'><path d='M0 4h22' stroke='{COLORS[position]}' "
            f"stroke-width='2' stroke-dasharray='{_SVG_DASHES[position]}'/></svg>"
            f"{axis}<span class='dv-name'>{escape(line.name)}</span> "
            f"<span class='dv-muted'>{escape(detail)}</span></li>"
        )
    if hidden:
        what = "1 kept series is" if hidden == 1 else f"{hidden} kept series are"
        items.append(f"<li class='dv-muted'>{what} of another kind, and not on this chart</li>")
    columns = -(-len(items) // _LEGEND_ROWS)
    many = f" dv-legend-many' style='--dv-abreast: {columns}" if len(items) > 1 else ""
    return f"<ul class='dv-legend{many}'>{''.join(items)}</ul>"


_SVG_DASHES = ("none", "6 4", "2 3", "6 3 2 3", "none", "6 4")
