"""Pictures kept in the browser: what is sent, what is asked in advance; the browser's part is played here."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import fields
import ipyleaflet
import pytest

from datavore_widgets.errors import ServerError
from datavore_widgets.protocol.queries import MapQuery, SeriesQuery
from datavore_widgets.service.local import LocalService
from datavore_widgets.widgets.colormap_picker import ColormapPicker
from datavore_widgets.widgets.date_slider import DateSlider
from datavore_widgets.widgets.film import Film, Still
from datavore_widgets.widgets.map import DatavoreMap
from datavore_widgets.widgets.timeseries_chart import TimeseriesChart
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
    assert not browser.film.room
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
    assert browser.film.room == 2


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
    assert not browser.film.room
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


@pytest.fixture(params=[0.0, math.inf], ids=["slowly", "quickly"])
def pictures_are_made(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether pictures count as quickly made, however long they take here."""
    monkeypatch.setattr("datavore_widgets.widgets.map._QUICK", request.param)
    return bool(request.param)


def test_neighbours_are_asked_once_and_shown_without_asking(sea: Counted, pictures_are_made: bool) -> None:
    many = 1 + 8 + (22 if pictures_are_made else 8)  # of forty, of which the eighteenth is shown

    async def scrub() -> None:
        view = View(date="20130615")
        shown, slider = DatavoreMap(sea, view), None
        slider = DateSlider(sea, view)
        assert slider.bar.film == shown.film.model_id
        browser = Browser(shown.film)
        browser.tell(hello=True)
        await settled(shown, browser, lambda: len(shown.film._kept) == many)
        months = sea.months()
        assert months[0] == "201306"
        assert sorted(months[1:3]) == ["201305", "201307"], "the next ones first"
        assert sorted(months[3:5]) == ["201304", "201308"]
        assert len(months) == len(set(months)) == many

        # A drag over what is there asks for nothing and sends no picture; every step is shown with its facts.
        sent = sum(browser.bytes)
        for position in range(18, 24):
            slider.bar.set_state({"position": position})
            assert shown.desk.picture.image.time.date == shown.desk.scene.stamp(position).date
            assert slider.bar.shown == position
        assert sea.months() == months
        assert sum(browser.bytes) == sent
        if not pictures_are_made:
            await settled(shown, browser, lambda: len(sea.asked) > many)
            assert set(sea.months()[many:]) == {f"20{m // 12:02}{m % 12 + 1:02}" for m in range(170, 176)}
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
        assert len(set(sea.months())) == len(sea.asked) == 40
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


# What is made in advance is in nobody's way


class Held(Counted):
    """A service whose series take until they are let go; it refuses pictures if told to."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.error: Exception | None = None
        self.ahead: list[bool] = []

    def answer(self, query: Any, job: Any = None) -> Any:
        if isinstance(query, SeriesQuery):
            assert self.go.wait(20)
        if isinstance(query, MapQuery):
            self.ahead.append(job.ahead)
            if self.error is not None and job.ahead:
                self.asked.append(query)
                raise self.error
        return super().answer(query, job)


@pytest.fixture
def held() -> Iterator[Held]:
    service = Held()
    yield service
    service.go.set()
    service.service.close()


def test_nothing_is_made_in_advance_while_a_series_is_awaited(held: Held) -> None:
    async def wait() -> None:
        view = View(date="20130615", bbox=[0, 0, 20, 20])
        shown, chart = DatavoreMap(held, view), TimeseriesChart(held, view)
        browser = Browser(shown.film)
        browser.tell(hello=True)
        await settled(shown, browser, lambda: shown.desk.picture is not None)
        assert not chart.is_idle
        for month in ("201307", "201308", "201307"):
            view.date = f"{month}15"
            await settled(shown, browser, lambda month=month: shown.desk.settled.digits[:6] == month)
        assert held.months() == ["201306", "201307", "201308"], "what was asked for, and nothing else"
        assert not any(held.ahead)
        held.go.set()
        await settled(shown, browser, lambda: chart.is_idle and len(held.asked) > 3)
        assert all(held.ahead[3:])

    asyncio.run(wait())


def test_while_a_series_is_awaited_play_has_the_next_picture_made_and_no_other(held: Held) -> None:
    async def play() -> None:
        view = View(date="20130615", bbox=[0, 0, 20, 20])
        shown, chart = DatavoreMap(held, view), TimeseriesChart(held, view)
        slider = DateSlider(held, view)
        browser = Browser(shown.film)
        browser.tell(hello=True)
        await settled(shown, browser, lambda: shown.desk.picture is not None)
        slider.bar.set_state({"playing": True})
        for month in ("201307", "201308"):
            await settled(shown, browser, lambda month=month: held.months()[-1:] == [month])
            slider.bar.set_state({"position": slider.bar.position + 1})
        await settled(shown, browser, lambda: held.months()[-1:] == ["201309"])
        assert held.months() == ["201306", "201307", "201308", "201309"]
        assert not chart.is_idle
        assert not any(held.ahead), "play waits for these"

    asyncio.run(play())


def test_after_a_refusal_nothing_is_made_in_advance_until_the_next_gesture(held: Held) -> None:
    async def refuse() -> None:
        held.error = ServerError("busy", code=429)
        view = View(date="20130615")
        shown = DatavoreMap(held, view)
        browser = Browser(shown.film)
        browser.tell(hello=True)
        await settled(shown, browser, lambda: len(held.asked) > 1)
        refused = len(held.asked)
        assert refused <= 1 + 2, "two are asked for at once at most"
        for _ in range(20):
            shown._foresee()
            await asyncio.sleep(0)
        assert len(held.asked) == refused
        held.error = None
        view.date = "20130715"
        await settled(shown, browser, lambda: len(held.asked) > refused + 4)

    asyncio.run(refuse())


def test_what_is_made_in_advance_is_within_the_budget_of_bytes(sea: Counted, pictures_are_made: bool) -> None:
    async def fill() -> None:
        shown = DatavoreMap(sea, View(date="20130615"))
        browser = Browser(shown.film)
        shown.film._budget = 0
        browser.tell(hello=True)
        await settled(shown, browser, lambda: len(sea.asked) == 1)
        size = len(shown.film.shown.image.png)
        shown.film._budget = 7 * size
        shown._foresee()
        # Three on each side, or the next three: half of what fits on a side.
        await settled(shown, browser, lambda: len(sea.asked) == 7)
        for _ in range(20):
            shown._foresee()
            await asyncio.sleep(0)
        assert len(sea.asked) == 7
        assert sum(len(still.image.png) for still in shown.film._kept.values()) <= 7 * 1.5 * size

    asyncio.run(fill())
