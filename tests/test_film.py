"""Pictures kept in the browser: what is sent, what is asked in advance; the browser's part is played here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import fields
import ipyleaflet
import pytest

from datavore_widgets.protocol.queries import MapQuery
from datavore_widgets.service.local import LocalService
from datavore_widgets.widgets.colormap_picker import ColormapPicker
from datavore_widgets.widgets.date_slider import DateSlider
from datavore_widgets.widgets.film import Film, Still
from datavore_widgets.widgets.map import DatavoreMap
from datavore_widgets.widgets.view import View

BOUNDS = ((-10.0, -20.0), (10.0, 20.0))


class Image:
    """As much of a picture as a film looks at."""

    def __init__(self, size: int) -> None:
        self.png = bytes(size)


def still(size: int = 10) -> Still:
    return Still(Image(size), BOUNDS)  # type: ignore[arg-type]


class Browser:
    """Writes down what a film sends, and tells of it when it is asked to."""

    def __init__(self, film: Film) -> None:
        self.film = film
        self.said: list[dict[str, Any]] = []
        self.bytes: list[int] = []
        film.send = self.hear

    def hear(self, content: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        self.said.append(content)
        self.bytes.append(sum(map(len, buffers or [])))

    def tell(self, **content: Any) -> None:
        self.film._heard(self.film, content, [])

    def see(self) -> None:
        """Tell of the oldest picture that was not told of."""
        number = next(s["number"] for s in self.said if s["number"] in self.film._unseen)
        self.tell(seen=number)


@pytest.fixture
def browser() -> Browser:
    overlay = ipyleaflet.ImageOverlay(url="", bounds=BOUNDS)
    return Browser(Film(overlay, budget=100))


def test_nothing_is_sent_before_somebody_listens(browser: Browser) -> None:
    browser.film.show(3, still())
    assert browser.said == []
    assert not browser.film.has_room
    browser.tell(hello=True)
    assert [said["place"] for said in browser.said] == [3]


def test_two_are_on_their_way_and_the_newest_waits(browser: Browser) -> None:
    browser.tell(hello=True)
    for place in range(40):
        browser.film.show(place, still())
    assert [said["place"] for said in browser.said] == [0, 1]
    browser.see()
    assert [said["place"] for said in browser.said] == [0, 1, 39]
    browser.see()
    browser.see()
    assert [said["place"] for said in browser.said] == [0, 1, 39], "nothing is sent twice"
    assert browser.film.has_room


def test_every_other_picture_of_a_drag_is_shown_and_none_starves(browser: Browser) -> None:
    """Whoever drags on for long sees pictures all the while."""
    browser.tell(hello=True)
    for place in range(40):
        browser.film.show(place, still())
        if place % 2:
            browser.see()
    places = [said["place"] for said in browser.said]
    assert len(places) >= 20
    assert places == sorted(places)
    while browser.film._unseen:
        browser.see()
    assert browser.said[-1]["place"] == 39


def test_numbers_and_shots_never_start_again(browser: Browser) -> None:
    browser.tell(hello=True)
    for turn in range(3):
        browser.film.begin()
        browser.film.show(turn, still())
        browser.see()
        browser.tell(hello=True)  # the page is loaded anew
        browser.see()
    numbers, shots = ([said[name] for said in browser.said] for name in ("number", "shot"))
    assert numbers == sorted(set(numbers))
    assert shots == sorted(set(shots))


def test_a_picture_that_is_there_is_shown_without_its_bytes(browser: Browser) -> None:
    browser.tell(hello=True)
    frame = still()
    browser.film.keep(5, frame)
    browser.see()
    assert browser.film.kept(5) is frame
    browser.film.show(5, frame)
    assert browser.bytes == [10, 0]
    browser.see()
    browser.film.begin()
    assert browser.film.kept(5) is None


def test_the_farthest_go_first(browser: Browser) -> None:
    browser.tell(hello=True)
    browser.film.show(10, still(20))
    browser.see()
    for place in (9, 11, 12, 8, 13):
        browser.film.keep(place, still(20))
        browser.see()
    dropped = [place for said in browser.said for place in said.get("drop", [])]
    assert dropped == [13]
    assert sum(len(f.image.png) for f in browser.film._kept.values()) <= 100
    assert browser.film.reach == 5


@pytest.mark.parametrize("said", [None, 3, {}, {"seen": "1"}, {"seen": 99}, {"seen": True, "hello": 1}, {"seen": [1]}])
def test_what_a_browser_may_say(browser: Browser, said: Any) -> None:
    browser.tell(hello=True)
    browser.film.show(1, still())
    browser.film.show(2, still())
    browser.film._heard(browser.film, said, [])
    assert not browser.film.has_room
    browser.film.set_state({"layer": "another"})
    assert browser.film.layer != "another"


# The map with its film


class Counted:
    """A service that writes down what it is asked."""

    def __init__(self) -> None:
        self.service = LocalService(fields.field(times=40))
        self.asked: list[MapQuery] = []

    def answer(self, query: Any, job: Any = None) -> Any:
        if isinstance(query, MapQuery):
            self.asked.append(query)
        return self.service.answer(query, job)

    def months(self) -> list[str]:
        return [query.source.date.digits[:6] for query in self.asked]


@pytest.fixture
def sea() -> Iterator[Counted]:
    counted = Counted()
    yield counted
    counted.service.close()


async def settled(shown: DatavoreMap, browser: Browser, done: Callable[[], bool]) -> None:
    """Play the browser until all is quiet and something is so."""
    deadline = time.monotonic() + 20
    while not (done() and shown.pump.is_idle and shown.foresight.is_idle and not shown.film._unseen):
        assert time.monotonic() < deadline, "waited too long"
        while shown.film._unseen:
            browser.see()
        await asyncio.sleep(0.002)


def test_neighbours_are_asked_once_and_shown_without_asking(sea: Counted) -> None:
    async def scrub() -> None:
        view = View(date="20130615")
        shown, slider = DatavoreMap(sea, view), None
        slider = DateSlider(sea, view)
        assert slider.bar.film == shown.film.model_id
        browser = Browser(shown.film)
        browser.tell(hello=True)
        await settled(shown, browser, lambda: len(shown.film._kept) == 17)
        months = sea.months()
        assert months[0] == "201306"
        assert months[1:5] == ["201307", "201305", "201308", "201304"], "the next ones first"
        assert len(months) == len(set(months)) == 17

        # A drag over what is there asks for nothing and sends no picture; every step is shown with its facts.
        sent = sum(browser.bytes)
        for position in range(18, 24):
            slider.bar.set_state({"position": position})
            assert shown.desk.picture.image.time.date == shown.desk.scene.stamp(position).date
            assert slider.bar.shown == position
        assert sea.months() == months
        assert sum(browser.bytes) == sent
        await settled(shown, browser, lambda: len(sea.asked) > 17)
        assert set(sea.months()[17:]) == {f"20{m // 12:02}{m % 12 + 1:02}" for m in range(12 * 14 + 2, 12 * 14 + 8)}
        assert len(set(sea.months())) == len(sea.asked), "nothing is asked twice"

    asyncio.run(scrub())


def test_playing_looks_ahead_in_colours_that_stay(sea: Counted) -> None:
    async def play() -> None:
        view = View(date="20120115")
        shown, picker = DatavoreMap(sea, view), ColormapPicker(sea, view)
        slider = DateSlider(sea, view)
        browser = Browser(shown.film)
        browser.tell(hello=True)
        slider.bar.set_state({"playing": True})
        assert picker.low.disabled
        await settled(shown, browser, lambda: len(shown.film._kept) == 40)
        assert sea.months() == sorted(set(sea.months()))
        assert len(sea.asked) == 40
        limits = {(still.image.cmap, still.image.vmin, still.image.vmax) for still in shown.film._kept.values()}
        assert len(limits) == 1
        slider.bar.set_state({"playing": False})
        assert not picker.low.disabled

    asyncio.run(play())


def test_another_view_is_another_shot(sea: Counted) -> None:
    async def turn() -> None:
        shown = DatavoreMap(sea, View(date="20120615"))
        browser = Browser(shown.film)
        browser.tell(hello=True)
        await settled(shown, browser, lambda: len(shown.film._kept) > 3)
        before = browser.said[-1]["shot"]
        shown.view.cmap = "viridis"
        await settled(shown, browser, lambda: browser.said[-1]["shot"] > before and len(shown.film._kept) > 3)
        assert {still.image.cmap for still in shown.film._kept.values()} == {"viridis"}

    asyncio.run(turn())
