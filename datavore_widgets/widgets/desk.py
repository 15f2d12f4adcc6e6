"""What the widgets of one view share besides the view: who answers, what the catalogue says, what is shown."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ipywidgets import Widget
from numpy.typing import NDArray
from traitlets import Bool, Float, HasTraits, Instance, Tuple, Unicode

from datavore_widgets.errors import DatavoreError, InvalidValue, NotSupported
from datavore_widgets.protocol.aggregates import AGGREGATES
from datavore_widgets.protocol.answers import Catalog, IndexInfo, MapImage, Times, VariableInfo
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.queries import (
    Canvas,
    CatalogQuery,
    Condition,
    Filters,
    LapseMapQuery,
    MapQuery,
    Source,
    Style,
    TimesQuery,
    Window,
    parse_filters,
)
from datavore_widgets.protocol.times import WHOLE_LAPSE, Date, Lapse, Stamp
from datavore_widgets.widgets import style
from datavore_widgets.widgets.closing import close_whole
from datavore_widgets.widgets.flows import flow_of
from datavore_widgets.widgets.pump import Pump
from datavore_widgets.widgets.text import thousands
from datavore_widgets.widgets.units import Scale, is_level, scale_of
from datavore_widgets.widgets.view import View
from datavore_widgets.widgets.viewport import outlook
from datavore_widgets.widgets.words import aggregate_word, default_aggregate

__all__ = ["Desk", "NothingOnGrid", "Picture", "Scene", "client_of", "sentence"]

log = logging.getLogger(__name__)

_DAY = 86_400.0  # seconds

_HARDLY_ANY = 9
"""Cells in a picture, below which it says nothing of a data set that is much larger."""

_ANY_DISTANCE = 1e12
"""Seconds: more than any time axis is long."""


@dataclass(frozen=True, eq=False)
class Scene:
    """An index, one of its variables and that variable's times: what the rest of a view is about."""

    info: IndexInfo
    variable: VariableInfo
    times: Times

    def is_of(self, view: View) -> bool:
        """Whether the view still looks at this."""
        return view.index == self.info.index and view.varname == self.variable.name

    def position(self, date: Date | None) -> int | None:
        """Position of the time that is shown for a date: the last one for None; None without a time axis."""
        axis = self.times.axis
        if not len(axis):
            return None
        return len(axis) - 1 if date is None else axis.find(date, nearest=math.inf)

    def stamp(self, position: int) -> Stamp:
        """The time at a position."""
        axis = self.times.axis
        return Stamp(int(axis.labels[position]), axis.calendar)

    def source(self, view: View, *, conditions: bool = True) -> Source:
        """What decides the numbers of the view's picture; without conditions, only where and when they are."""
        position = self.position(view.date)
        date = None if position is None else self.stamp(position).date
        nearest = None if date is None or self.times.exact else _ANY_DISTANCE
        return Source(
            *(self.info.index, self.variable.name, date, nearest),
            self.filters(view.filters) if conditions else (),
            subtract=self.subtract(view) if conditions else "",
        )

    def map_query(self, view: View, canvas: Canvas, aggregate: str) -> MapQuery | LapseMapQuery:
        """What the view's picture is: of one time, or of the aggregate over its lapse."""
        style = Style(view.cmap, view.vmin, view.vmax, view.scale)
        source = self.source(view)
        if view.lapse is None or source.date is None:
            return MapQuery(source, canvas, style, self.window(view))
        return LapseMapQuery(
            *(source.index, source.varname, canvas, view.lapse, aggregate, source.filters, style),
            source.subtract,
        )

    @property
    def advice(self) -> Filters:
        """The conditions that the data set advises for the variable."""
        return parse_filters(self.variable.start_filters)

    @property
    def companions(self) -> list[str]:
        """The variables that can decide which samples count."""
        others = [name for name in self.info.variables if name != self.variable.name]
        return [*others, *(c.name for c in self.advice if c.name not in others)]

    def filters(self, wanted: Filters | None) -> Filters:
        """The conditions that this variable understands: what the data set has not is left out; None is its advice."""
        if wanted is None:
            return self.advice
        known = {*self.variable.dims, *self.companions, self.variable.name}
        return tuple(c for c in wanted if c.name in known)

    def subtract(self, view: View) -> str:
        """The companion that is taken off the values; empty if none."""
        return view.subtract if view.subtract in self.variable.corrections else ""

    @property
    def is_nowhere(self) -> bool:
        """Whether it is a series without a place, of which there is no map."""
        return self.variable.geometry == "none"

    @property
    def moves(self) -> bool:
        """Whether it lies elsewhere at each time, so that one time alone shows little."""
        return self.variable.geometry in ("swath", "track")

    def window(self, view: View) -> Window | None:
        """The window of time that is on the map together."""
        seconds = view.window if view.window is not None else _DAY if self.moves else 0.0
        return Window(seconds, view.overlap) if seconds and len(self.times.axis) else None

    def running(self, view: View, aggregate: str) -> Window | None:
        """The window of time that ends with each time of the series and gives its value, where there may be one."""
        is_grouped = view.groupby is not None or view.anomaly is not None or view.trend
        if not view.running or is_grouped or not self.may_run(aggregate):
            return None
        return Window(view.running, "mean")

    def may_run(self, aggregate: str) -> bool:
        """Whether an aggregate of this can be had of windows that move on with the times of the series."""
        return aggregate in AGGREGATES and self.variable.kind != "direction" and len(self.times.axis) > 1

    def lapse(self, view: View) -> Lapse:
        """The lapse of the series: the documented default leaves nothing out of a longer record."""
        labels, asked = self.times.axis.labels, Lapse.parse(view.datelaps)
        if asked != WHOLE_LAPSE or not labels.size:
            return asked
        inside = WHOLE_LAPSE.first.low <= labels[0] and labels[-1] < WHOLE_LAPSE.last.high
        return WHOLE_LAPSE if inside else Lapse(self.stamp(0).date, self.stamp(len(labels) - 1).date)

    def reach(self, view: View) -> Lapse:
        """From the first to the last time that is on the map for the view's date."""
        position, window = self.position(view.date) or 0, self.window(view)
        first = position
        if window is not None:
            millis = self.times.axis.millis
            first = int(np.searchsorted(millis, millis[position] - 1000.0 * window.seconds, side="right"))
        return Lapse(self.stamp(min(first, position)).date, self.stamp(position).date)

    def stops(self, view: View) -> NDArray[np.int64]:
        """The positions that a slider stops at: all, but of a track, with a sample each, the last of each window."""
        millis = self.times.axis.millis
        window = self.window(view)
        if self.variable.geometry != "track" or window is None:
            return np.arange(millis.size, dtype=np.int64)
        number = np.floor(millis / (1000.0 * window.seconds))
        return np.flatnonzero(np.r_[number[1:] != number[:-1], True]) if millis.size else np.zeros(0, np.int64)

    def stop(self, date: Date | None, stops: NDArray[np.int64]) -> int:
        """Which of the stops is that of a date: the first that is not before it."""
        position = self.position(date)
        if position is None or not stops.size:
            return 0
        return min(int(np.searchsorted(stops, position)), stops.size - 1)

    def scale(self, aggregate: str = "avg", units: str | None = None) -> Scale:
        """How its values are shown."""
        return scale_of(self.variable, aggregate, units or None)


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture on the map, and the scene that it was asked for: another one may be on its way."""

    image: MapImage
    scene: Scene
    query: MapQuery | LapseMapQuery

    @property
    def scale(self) -> Scale:
        """How its values are shown."""
        return self.scene.scale(self.image.aggregate or "avg", self.image.units)

    @property
    def name(self) -> str:
        """What it shows."""
        return self.image.long_name or self.scene.variable.label

    @property
    def when(self) -> str:
        """The time, or the aggregate with its times, as on the screen."""
        image = self.image
        if image.time is None:
            return "no time axis"
        if image.aggregate is None or (image.aggregate == "latest" and image.steps == 1):
            return image.time_text
        first = (image.first_time or image.time).text
        word = aggregate_word(image.aggregate).partition(" (")[0]
        return f"{word} of {thousands(image.steps or 0)} times, {first} to {image.time.text}"


class NothingOnGrid(InvalidValue):
    """A catalogue without a variable that a map can show."""


def client_of(spec: Any) -> Any:
    """Whoever has `answer`, or the service that something names."""
    if hasattr(spec, "answer"):
        return spec
    from datavore_widgets.connect import connect  # only who names a place needs what opens it

    return connect(spec, grows=True)


class Desk(HasTraits):
    """Keeps a view and a client together.

    It looks things up for the view (times, defaults), puts the date on a time that exists when the variable changes,
    and holds what the widgets tell each other: the picture that is shown, and its limits in the end.

    Attributes
    ----------
    spec
        What the client was named by, as it was given.
    scene : Scene, optional
        Replaced as a whole when index or variable change and their times are known.
    picture : Picture, optional
        The picture on the map.
    settled : Date, optional
        The date of the last request that the map has finished, shown or failed: what play waits for.
    cell : (float, float), optional
        Centre (lon, lat) of the cell whose value is told of the point.
    arrows : str
        What is true of the arrows on the map, or why there are none; empty where nobody has asked for any.
    is_plain : bool
        Whether the client has turned out to know the documented aggregates alone.
    film : Film, optional
        The pictures that the browser keeps for the map, if a map takes part.
    playing : bool
        Whether the bar of dates plays.
    notice : str
        What was done to the view on its owner's behalf, in a sentence; empty if nothing.
    problem : str
        The sentence of the last error of the catalogue or the times; empty when all is well.
    status : str
        "ready · 64 ms" or what is under way.
    """

    scene = Instance(Scene, allow_none=True)
    picture = Instance(Picture, allow_none=True)
    settled = Instance(Date, allow_none=True)
    cell: Any = Tuple(Float(), Float(), allow_none=True, default_value=None)
    arrows = Unicode()
    is_plain = Bool(False)
    film = Instance(Widget, allow_none=True)
    playing = Bool(False)
    notice = Unicode()
    problem = Unicode()
    status = Unicode("ready")

    def __init__(self, client: Any, view: View) -> None:
        super().__init__()
        self.client = client_of(client)
        self.spec = client
        self.view = view
        self.sheet = style.element()
        self._quantity = ""
        self._unseen: Scene | None = None  # of another data set, of which nothing was to be seen yet
        self._known: dict[tuple[str, str], Times] = {}
        self._pump: Pump[TimesQuery, Times] = Pump(self._ask_times, show=self._arrived, fail=self._failed)
        self.catalog: Catalog = self.client.answer(CatalogQuery())
        if not self.catalog.grids:
            raise NothingOnGrid("there is nothing to show: the catalogue has no index with a variable on a grid")
        self._open()
        view.observe(self._follow, ["index", "varname"])
        view.observe(self._requantify, ["lapse", "aggregate"])
        self.observe(self._look, "picture")

    @classmethod
    def of(cls, client: Any = None, view: View | None = None) -> Desk:
        """The desk of a view and a client; made where there is none.

        Parameters
        ----------
        client : optional
            Anything with `answer`, or what `connect` takes; None: the view's own, else the sample data.
        view : View, optional
            None: a new one.

        Raises
        ------
        InvalidValue
            When the view is already joined to another client.
        """
        view = View() if view is None else view
        desk: Desk | None = view.desk
        if desk is None:
            desk = view.desk = cls(client, view)
        elif client is not None and client_of(client) is not desk.client:
            raise InvalidValue("this view is joined to another client already; give each client a view of its own")
        return desk

    def _open(self) -> None:
        """The first look: the view's own wishes, else the first of everything."""
        view = self.view
        info = self.catalog.index(view.index) if view.index else self.catalog.grids[0]
        name = info.variable(view.varname).name if view.varname else info.leading
        view.catalog = self.catalog
        view.set(index=info.index, varname=name)
        view.arrows = view.arrows  # looked up, now that it can be
        query = TimesQuery(info.index, name)
        self._arrived(query, self.client.answer(query))

    def turn_to(self, traits: Mapping[str, Any]) -> None:
        """Look at something else as a whole, as a link says it: index and variable first, then all the rest.

        Raises
        ------
        DatavoreError
            For whatever the view refuses or the catalogue has not; then nothing has changed.
        """
        wanted = View(**traits)
        info = self.catalog.index(wanted.index or self.view.index)
        same = info.index == self.view.index
        name = info.variable(wanted.varname or (self.view.varname if same else info.leading)).name
        query = TimesQuery(info.index, name)
        if (query.index, query.varname) not in self._known:
            self._known[query.index, query.varname] = self.client.answer(query)
        self.view.set(index=info.index, varname=name)
        self.view.set(**{name: getattr(wanted, name) for name in traits if name not in ("index", "varname")})
        if "viewport" in traits:
            self._unseen = None  # it is said where to look
        if self.scene is not None:
            self.notice = self._settle_date(self.scene)

    def _look(self, change: Any) -> None:
        """Look at a data set as a whole if its first picture shows nothing or next to nothing of it."""
        picture: Picture | None = change["new"]
        if picture is None or picture.scene is not self._unseen:
            return
        self._unseen = None
        image, extent = picture.image, picture.scene.info.bbox
        if extent is None or image.valid is None or image.total is None:
            return
        is_of_cells = image.cell != (0.0, 0.0)
        if image.valid == 0 or (is_of_cells and image.total < _HARDLY_ANY):
            self.view.viewport = outlook(extent)

    def renew(self, catalog: Catalog) -> None:
        """Go on with a fuller catalogue of the same files: there may be more times, variables and indexes."""
        view = self.view
        if view.index not in catalog.indexes or view.varname not in catalog.indexes[view.index].variables:
            return  # what is looked at is told by another name now: it stays as it was opened
        self.catalog = view.catalog = catalog
        self._known.clear()
        self._pump.forget()
        self._pump.submit(TimesQuery(view.index, view.varname))

    def _follow(self, _change: Any) -> None:
        view = self.view
        info = self.catalog.index(view.index)
        if view.arrows and flow_of(info, view.arrows) is None:
            view.arrows = ""
        if view.varname not in info.variables:
            # Another index, whose variables are others: its first one; setting it leads back here.
            view.varname = info.leading
            return
        query = TimesQuery(view.index, view.varname)
        known = self._known.get((query.index, query.varname))
        if known is not None:
            self._pump.forget()
            self._arrived(query, known)
        else:
            self._pump.submit(query)

    def _ask_times(self, query: TimesQuery, job: Job) -> Times:
        times: Times = self.client.answer(query, job)
        return times

    def _arrived(self, query: TimesQuery, times: Times) -> None:
        self._known[query.index, query.varname] = times
        view = self.view
        if (query.index, query.varname) != (view.index, view.varname):
            return
        info = self.catalog.index(query.index)
        scene = Scene(info, info.variable(query.varname), times)
        before = self.scene
        self.notice = self._settle_date(scene)
        self.problem = ""
        if before is not None and before.variable != scene.variable and not view.locked:
            view.set(cmap=None, vmin=None, vmax=None, scale=None)
        if not len(times.axis):
            view.lapse = None
        if before is not None and before.info.index != scene.info.index:
            self._unseen = scene
        if view.filters is not None:
            view.filters = self._kept_filters(before, scene)
        self.scene = scene

    def _kept_filters(self, before: Scene | None, scene: Scene) -> Filters | None:
        """What stays of conditions somebody chose; those on companions belong to their data set."""
        chosen = scene.filters(self.view.filters)
        if before is None or before.info.index == scene.info.index:
            return chosen
        dims = tuple(c for c in chosen if c.name in scene.variable.dims)
        return _with(scene.advice, dims) if dims else None

    def _settle_date(self, scene: Scene) -> str:
        """Put the view's date on a time of the scene; a sentence if that moved it."""
        position = scene.position(self.view.date)
        if position is None:
            return ""
        stamp = scene.stamp(position)
        asked, self.view.date = self.view.date, stamp.date
        if asked is None or asked.low <= stamp.label < asked.high:
            return ""
        return f"There is no {Stamp(asked.low).text} here; the nearest time is shown."

    def _requantify(self, _change: Any) -> None:
        """A deviation or a count on the map is not on the scale of the values: their limits are not its."""
        view = self.view
        aggregate = view.aggregate or "avg"
        quantity = aggregate if view.lapse is not None and not is_level(aggregate) else ""
        if quantity != self._quantity and not view.locked:
            view.set(cmap=None, vmin=None, vmax=None, scale=None)
        self._quantity = quantity

    def _failed(self, query: TimesQuery, error: Exception) -> None:
        if not isinstance(error, DatavoreError):
            log.error("the times of %r could not be asked", query, exc_info=error)
        self.problem = sentence(error)

    @property
    def aggregate(self) -> str:
        """What becomes of many values now."""
        if self.scene is None or (self.is_plain and self.view.aggregate is None):
            return "avg"
        return self.view.aggregate or default_aggregate(self.scene.variable)

    def ask(self, query: Any, job: Job, *, or_plainly: bool) -> tuple[Any, Any]:
        """(query, answer) to a question with an aggregate.

        With `or_plainly`, who knows the documented aggregates alone is asked for the plain mean: the query that is
        given back says so, and what is shown is named by it.
        """
        try:
            return query, self.client.answer(query, job)
        except NotSupported:
            if not or_plainly or query.aggregate in AGGREGATES:
                raise
        plain = replace(query, aggregate="avg")
        return plain, self.client.answer(plain, job)

    def choose(self, name: str, value: float | str) -> None:
        """Choose a value on a further dimension."""
        now = self.view.filters if self.scene is None else self.scene.filters(self.view.filters)
        self.view.filters = _with(now or (), (Condition(name, (value,)),))

    def close(self) -> None:
        """Stop following the view; the client is left as it is, others may use it."""
        self._pump.close()
        self.view.unobserve(self._follow, ["index", "varname"])
        self.view.unobserve(self._requantify, ["lapse", "aggregate"])
        self.view.catalog = None
        close_whole(self.sheet)
        self.view.desk = None


def _with(filters: Filters, others: Filters) -> Filters:
    """Conditions with others in place of those of the same names."""
    names = {c.name for c in others}
    return tuple(sorted((*(c for c in filters if c.name not in names), *others), key=lambda c: c.name))


def sentence(error: Exception) -> str:
    """An error as one sentence for a strip: our own message, or the name of a fault that is none of ours."""
    text = str(error).strip() or type(error).__name__
    if not isinstance(error, DatavoreError):
        text = f"{type(error).__name__}: {text}"
    return text[:400]
