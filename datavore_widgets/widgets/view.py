"""What is being looked at: the one state that the widgets share."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from traitlets import Bool, HasTraits, Instance, TraitError, TraitType, Unicode, validate

from datavore_widgets.errors import DatavoreError, InvalidValue, UnknownKeyword, did_you_mean
from datavore_widgets.protocol.aggregates import check_aggregate
from datavore_widgets.protocol.answers import Catalog
from datavore_widgets.protocol.colormap import check_name
from datavore_widgets.protocol.geometry import BBox, Point, parse_bbox, parse_coord
from datavore_widgets.protocol.queries import OVERLAPS, SCALES, parse_filters
from datavore_widgets.protocol.times import CLIMATOLOGIES, GROUPINGS, WHOLE_LAPSE, Date, Lapse
from datavore_widgets.widgets.basemaps import BASEMAPS
from datavore_widgets.widgets.point_picture import Points

__all__ = ["InvalidTrait", "View"]


class InvalidTrait(InvalidValue, TraitError):
    """A value that the view refuses; traitlets then keeps the old one, also among several set at once."""


class Parsed(TraitType[Any, Any]):
    """A trait that reads every spelling of the documentation and keeps one frozen value."""

    def __init__(self, parse: Callable[[Any], Any], default: Any = None, **kwargs: Any) -> None:
        super().__init__(default, allow_none=default is None, **kwargs)
        self._parse = parse

    def validate(self, obj: Any, value: Any) -> Any:  # noqa: ARG002  (the signature is traitlets')
        """The parsed value; InvalidTrait when there is none."""
        try:
            return self._parse(value)
        except DatavoreError as error:
            raise InvalidTrait(f"{self.name}: {error}", suggestions=error.suggestions) from error


def _area(value: Any) -> BBox:
    box = parse_bbox(value)
    if not (box.width > 0 and box.height > 0):
        raise InvalidValue(f"an area has a width and a height; {box.to_text()} has not")
    return box


def _point(value: Any) -> Point:
    place = parse_coord(value)
    if not isinstance(place, Point):
        raise InvalidValue(f"a point is (longitude, latitude), not {value!r}")
    return place


def _limit(value: Any) -> float:
    return _number("a colour limit", value)


def _number(what: str, value: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InvalidValue(f"{what} is a finite number, not {value!r}")
    return number


def _seconds(value: Any) -> float:
    seconds = _number("a window", value)
    if seconds < 0:
        raise InvalidValue(f"a window is a number of seconds from 0 on, not {value!r}")
    return seconds


def _metres(value: Any) -> float:
    metres = _number("a reach", value)
    if metres < 0:
        raise InvalidValue(f"a reach is a number of metres from 0 on, not {value!r}")
    return metres


def _aggregate(value: Any) -> str:
    check_aggregate(value)
    return str(value)


def _base(value: Any) -> tuple[int, int]:
    parts = value.split(",") if isinstance(value, str) else value
    try:
        first, last = (int(part) for part in parts)
    except (TypeError, ValueError):
        raise InvalidValue(f"a base period is two years such as (1991, 2020), not {value!r}") from None
    if not 0 <= first <= last <= 9999:
        raise InvalidValue(f"a base period is a first and a last year from 0 to 9999, not {value!r}")
    return first, last


def _yes(value: Any) -> bool:
    # In a link also as the wire spells it.
    spelled = {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value
    if not isinstance(spelled, bool):
        raise InvalidValue(f"True or False, not {value!r}")
    return spelled


def _one_of(what: str, allowed: tuple[str, ...]) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if value not in allowed:
            message, near = did_you_mean(what, value, allowed)
            raise InvalidValue(f"{message} (allowed: {', '.join(allowed)})", suggestions=near)
        return str(value)

    return parse


def _colormap(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidValue(f"a colour map is a name such as 'viridis', not {value!r}")
    return check_name(value)


class View(HasTraits):
    """What is being looked at. Widgets that are given the same view show the same thing.

    Every trait reads the spellings of the documentation (text, lists, datetimes) and refuses the rest by name.

    Parameters
    ----------
    index, varname : str
        The data set and the variable; empty: the catalogue's first.
    date : Date, optional
        The time of the picture; None: the last one there is.
    lapse : Lapse, optional
        With one, the picture is of the aggregate over it, not of `date`.
    bbox : BBox, optional
        The area of the series.
    point : Point, optional
        The place of the series.
    datelaps : Lapse
        The lapse of the series; the documented default is all the times that there are.
    groupby : str, optional
        One value of the series for each of `protocol.times.GROUPINGS`, such as `yyyy-MM` (a month, a monthly series) or
        `MM` (a month of the year, a climatology); None: for each time.
    aggregate : str, optional
        What becomes of the values of a box and a group (see `protocol.aggregates`); None: as suits the variable, the
        mean by area of a continuous field.
    anomaly : {'MM', 'season', 'MM-dd'}, optional
        The climatology of each cell that is taken off its values first.
    base : (int, int), optional
        First and last year of the base period of climatologies and anomalies; None: 1991 to 2020 if the data have them.
    trend : bool
        Whether a line is fitted to the deseasonalised series.
    reach : float, optional
        Metres to the nearest cell with values that may stand for a point without any.
    running : float, optional
        Seconds up to each time of the series whose values are pooled into its own, a running mean; None, and 0: those
        of each time alone. It goes with the documented aggregates, and without `groupby`, `anomaly` and `trend`.
    filters : Filters, optional
        Further dimensions (`{"depth": 0.5}`) and companion variables; None: what the data set advises for the variable,
        such as good quality; `{}`: none.
    subtract : str
        A companion variable that is taken off the values, such as `sses_bias`; where the variable has no such one, and
        empty: nothing.
    window : float, optional
        Seconds up to the date that are on the map together; None: a day for swaths and tracks, else one time; 0: one
        time.
    overlap : {'latest', 'mean'}
        What is shown where samples of a window lie over one another.
    cmap : str, optional
        Colour map; None: the variable's own.
    vmin, vmax : float, optional
        Colour limits in the units of the data; None: the variable's own.
    scale : {'linear', 'log'}, optional
        How colours follow the values; None: as suits the variable.
    locked : bool
        Whether colours and limits are kept when the variable changes.
    arrows : str
        A vector whose arrows are above the picture, by the name of a variable that belongs to it: a component, its
        speed … (those that the catalogue tells a `vector` of); empty: none.
    basemap : str
        What lies below the picture (a name of `basemaps.BASEMAPS`).
    viewport : BBox, optional
        What the map shows: the map sets it when it moves, and goes there when it is set.
    points : Points, optional
        What a query has put on the map; set by the console.

    Raises
    ------
    UnknownKeyword
        For a keyword that is none of these.
    InvalidValue
        For a value that none of the spellings allows.

    Examples
    --------
    >>> View(bbox="[-60, 3, -22, 27]", date="2012-08-15").bbox
    BBox(west=-60.0, south=3.0, east=-22.0, north=27.0)
    """

    index = Unicode()
    varname = Unicode()
    date = Parsed(Date.parse)
    lapse = Parsed(Lapse.parse)
    bbox = Parsed(_area)
    point = Parsed(_point)
    datelaps = Parsed(Lapse.parse, WHOLE_LAPSE)
    groupby = Parsed(_one_of("groupby", GROUPINGS))
    aggregate = Parsed(_aggregate)
    anomaly = Parsed(_one_of("anomaly", CLIMATOLOGIES))
    base = Parsed(_base)
    trend = Parsed(_yes, False)
    reach = Parsed(_metres)
    running = Parsed(_seconds)
    filters = Parsed(parse_filters)
    subtract = Unicode()
    window = Parsed(_seconds)
    overlap = Parsed(_one_of("overlap", OVERLAPS), "latest")
    cmap = Parsed(_colormap)
    vmin = Parsed(_limit)
    vmax = Parsed(_limit)
    scale = Parsed(_one_of("scale", SCALES))
    locked = Bool(False)
    arrows = Unicode()
    basemap = Parsed(_one_of("base map", tuple(BASEMAPS)), "coast")
    viewport = Parsed(_area)
    points = Instance(Points, allow_none=True)

    catalog: Catalog | None = None
    """Set when a client is joined to the view; then indexes and variables are looked up in it."""

    desk: Any = None
    """What joins it to a client (`desk.Desk`), once there is one."""

    def __init__(self, **traits: Any) -> None:
        known = self.trait_names()
        for name in traits:
            if name not in known:
                message, near = did_you_mean("keyword of a View:", name, known)
                raise UnknownKeyword(message, suggestions=near)
        super().__init__(**traits)

    @validate("index")
    def _known_index(self, proposal: Any) -> str:
        name = str(proposal["value"])
        return self._looked_up(lambda catalog: catalog.index(name).index) or name

    @validate("varname")
    def _known_variable(self, proposal: Any) -> str:
        name = str(proposal["value"])
        return self._looked_up(lambda catalog: catalog.index(self.index).variable(name).name) or name

    @validate("arrows")
    def _known_arrows(self, proposal: Any) -> str:
        name = str(proposal["value"])
        if name and self.catalog is not None:
            variables = self.catalog.index(self.index).variables
            known = [each for each, info in variables.items() if info.vector]
            if name not in known:
                message, near = did_you_mean(f"vector of {self.index!r}:", name, known)
                allowed = f"of it are {', '.join(known)}" if known else "it has no vector"
                raise InvalidTrait(f"{message} ({allowed})", suggestions=near)
        return name

    def _looked_up(self, find: Callable[[Catalog], str]) -> str | None:
        if self.catalog is None:
            return None
        try:
            return find(self.catalog)
        except DatavoreError as error:
            raise InvalidTrait(str(error), suggestions=error.suggestions) from error

    @validate("vmin", "vmax")
    def _ordered_limits(self, proposal: Any) -> float | None:
        value: float | None = proposal["value"]
        low, high = (value, self.vmax) if proposal["trait"].name == "vmin" else (self.vmin, value)
        if low is not None and high is not None and not low < high:
            raise InvalidTrait(f"vmin ({low:g}) must be below vmax ({high:g})")
        return value

    def set(self, **traits: Any) -> None:
        """Set several traits at once: observers are told when all are set.

        Raises
        ------
        UnknownKeyword, InvalidValue
            As on making a view; then nothing has changed.
        """
        for name in traits:
            if not self.has_trait(name):
                message, near = did_you_mean("keyword of a View:", name, self.trait_names())
                raise UnknownKeyword(message, suggestions=near)
        with self.hold_trait_notifications():
            for name, value in traits.items():
                setattr(self, name, value)
