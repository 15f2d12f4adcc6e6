"""A view as the query of a page's address, and back.

The first four words are those of Datavore's own web page (`d`, `v`, `dt`, `r`), so that `Datavore.getImageFromUrl`
reads a link too; the others are the traits of `View`.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol.geometry import BBox, Point
from datavore_widgets.protocol.times import Date, Lapse
from datavore_widgets.protocol.wire import filters_to_json
from datavore_widgets.widgets.view import View

__all__ = ["query_of", "traits_of"]

_WORDS = {
    "d": "index",
    "v": "varname",
    "dt": "date",
    "r": "viewport",
    **{name: name for name in ("lapse", "bbox", "point", "datelaps", "groupby", "aggregate", "filters")},
    **{name: name for name in ("anomaly", "base", "trend", "reach", "running")},
    **{name: name for name in ("subtract", "window", "overlap", "cmap", "vmin", "vmax", "scale", "basemap", "arrows")},
}
_LONGEST = 4000  # characters: what every browser and server lets pass
_PLACES = 4  # decimals of what the map shows: ten metres


def query_of(view: View) -> str:
    """The query of a link to a view: what differs from a view of its index that was never touched.

    Examples
    --------
    >>> query_of(View(index="a/b", varname="sst", date="201208", bbox=[170, -10, -170, 10]))
    'd=a/b&v=sst&dt=201208&bbox=170,-10,-170,10'
    """
    found = []
    for word, name in _WORDS.items():
        value = getattr(view, name)
        if value != view.traits()[name].default_value:
            found.append((word, _text(value)))
    return urlencode(found, quote_via=quote, safe=",/")


def _text(value: Any) -> str:
    if isinstance(value, Date):
        return value.digits
    if isinstance(value, BBox):
        return BBox(*(round(edge, _PLACES) for edge in value.to_tuple())).to_text()
    if isinstance(value, Point | Lapse):
        return value.to_text()
    if isinstance(value, tuple):
        years = value and all(isinstance(part, int) for part in value)
        return ",".join(map(str, value)) if years else filters_to_json(value)
    return str(value)


def traits_of(query: str) -> dict[str, str]:
    """What a link says, as traits that `View.set` reads and checks; other words of the query are not for us.

    Raises
    ------
    InvalidValue
        When the query is longer than any link of ours, or says a word twice.

    Examples
    --------
    >>> traits_of("?d=a%2Fb&theme=dark&vmin=3")
    {'index': 'a/b', 'vmin': '3'}
    """
    if len(query) > _LONGEST:
        raise InvalidValue(f"a link has at most {_LONGEST} characters after its ?, not {len(query)}")
    found: dict[str, str] = {}
    for word, value in parse_qsl(query.lstrip("?")):
        name = _WORDS.get(word)
        if name is None:
            continue
        if name in found:
            raise InvalidValue(f"the link says {word!r} twice")
        found[name] = value
    return found
