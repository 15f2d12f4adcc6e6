"""Pictures of one layer that the browser keeps, so that a date seen or foreseen is shown without asking for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import anywidget
import ipyleaflet
from traitlets import Unicode

from datavore_widgets.protocol.answers import MapImage
from datavore_widgets.widgets.style import STATIC

__all__ = ["BUDGET", "Film", "Still"]

BUDGET = 64 * 2**20
"""Bytes of pictures (as PNG) that a browser keeps; a hundred and more of the largest usual ones."""

_MOST_UNSEEN = 2  # pictures on their way: one is decoded while the next travels; more would queue up behind the hand
_LOST = 5.0  # seconds after which a picture that nobody has told of is taken for lost on the way

Bounds = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True, eq=False)
class Still:
    """A picture and where it lies: (south, west), (north, east) in Leaflet's own count of turns."""

    image: MapImage
    bounds: Bounds


class Film(anywidget.AnyWidget):
    """Sends pictures to the browser as bytes, and says which one the layer shows. It has no look of its own.

    The front end decodes a picture before it shows it, tells that it has it, and keeps it. At most two pictures are on
    their way: of those that are to be shown meanwhile the newest waits, and goes as soon as one has arrived.

    Parameters
    ----------
    overlay : ipyleaflet.ImageOverlay
        The layer; its `url` and `bounds` are set in the browser alone.
    on_room : callable
        Called when a picture has arrived and nothing waits.
    budget : int
        Bytes kept; those farthest from what is shown go first.
    """

    _esm = STATIC / "film.js"
    layer = Unicode().tag(sync=True)

    def __init__(
        self, overlay: ipyleaflet.ImageOverlay, on_room: Callable[[], None] = lambda: None, *, budget: int = BUDGET
    ) -> None:
        super().__init__(layer=overlay.model_id)
        self.layout.display = "none"
        self._on_room = on_room
        self._budget = budget
        self._is_there = False  # whether a browser has said that it listens
        self._shot = self._number = 0  # they never start again: a browser takes the larger one for the newer
        self._kept: dict[int, Still] = {}
        self._unseen: dict[int, float] = {}
        self._wanted: tuple[int, Still] | None = None
        self._waits = False
        self.on_msg(self._heard)

    @property
    def room(self) -> int:
        """How many pictures may be sent now: none where no browser listens, or one waits already."""
        now = time.monotonic()
        self._unseen = {number: sent for number, sent in self._unseen.items() if now - sent < _LOST}
        return _MOST_UNSEEN - len(self._unseen) if self._is_there and not self._waits else 0

    @property
    def shown(self) -> Still | None:
        """What is to be seen, or on its way there."""
        return None if self._wanted is None else self._wanted[1]

    @property
    def reach(self) -> int:
        """How many pictures like those that are kept may be kept in all."""
        largest = max((len(still.image.png) for still in self._kept.values()), default=0)
        return self._budget // largest if largest else 0

    def kept(self, place: int) -> Still | None:
        """The picture of a place, if the browser has it."""
        return self._kept.get(place)

    def begin(self) -> None:
        """Forget all pictures: those that come now are others, be it by their colours or by where they are."""
        self._shot += 1
        self._kept.clear()

    def show(self, place: int, still: Still) -> None:
        """Let the layer show a picture, soon: at once if few are on their way, else unless a newer one is wanted."""
        self._wanted = place, still
        self._waits = True
        self._pass_on()

    def keep(self, place: int, still: Still) -> None:
        """Give the browser a picture that may be wanted; only where there is `room`."""
        self._deliver(place, still, show=False)

    def _pass_on(self) -> bool:
        """Send what waits, if it may go."""
        wanted, waits = self._wanted, self._waits
        self._waits = False
        if waits and wanted is not None:
            if self.room > 0:
                self._deliver(*wanted, show=True)
            else:
                self._waits = True
        return waits

    def _deliver(self, place: int, still: Still, *, show: bool) -> None:
        self._number += 1
        self._unseen[self._number] = time.monotonic()
        known = self._kept.get(place) is still
        self._kept[place] = still
        content = {"number": self._number, "shot": self._shot, "place": place, "show": show}
        if known:
            self.send(content)
        else:
            self.send({**content, "bounds": still.bounds, "drop": self._drop()}, [still.image.png])

    def _drop(self) -> list[int]:
        """Forget what is beyond the budget, the farthest first; never what is shown."""
        at = self._wanted[0] if self._wanted is not None else 0
        excess = sum(len(still.image.png) for still in self._kept.values()) - self._budget
        dropped = []
        for place in sorted(self._kept, key=lambda place: abs(place - at), reverse=True):
            if excess <= 0 or place == at:
                break
            excess -= len(self._kept.pop(place).image.png)
            dropped.append(place)
        return dropped

    def _heard(self, _widget: Any, content: Any, _buffers: Any) -> None:
        if not isinstance(content, dict):
            return
        if content.get("hello") is True:
            # A page that was opened anew, or a second one: it has nothing yet.
            self._is_there = True
            self._unseen.clear()
            self.begin()
            self._waits = self._wanted is not None
        else:
            number = content.get("seen")
            if isinstance(number, bool) or not isinstance(number, int) or self._unseen.pop(number, None) is None:
                return
        if not self._pass_on():
            self._on_room()

    def set_state(self, sync_data: Mapping[str, Any]) -> None:
        """What a browser says: nothing here is its to set."""
