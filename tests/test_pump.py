"""Newest wish wins."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

import pytest

from datavore_widgets.errors import Cancelled, NoData
from datavore_widgets.protocol.job import Job
from datavore_widgets.widgets.pump import Pump


class Desk:
    """Records what a pump shows, and lets each request out by hand."""

    def __init__(self, **kwargs: object) -> None:
        self.gates: dict[int, threading.Event] = {}
        self.began: list[int] = []
        self.shown: list[int] = []
        self.failed: list[tuple[int, Exception]] = []
        self.busy: list[bool] = []
        self.threads: set[int] = set()
        self.homes: set[int] = set()
        self.pump: Pump[int, int] = Pump(
            self.work, show=self.show, fail=lambda w, e: self.failed.append((w, e)), busy=self.busy.append, **kwargs
        )

    def work(self, wish: int, job: Job) -> int:
        self.threads.add(threading.get_ident())
        self.began.append(wish)
        gate = self.gates.setdefault(wish, threading.Event())
        while not gate.wait(0.005):
            job.check()
        if wish < 0:
            raise NoData(f"nothing at {wish}")
        return wish * 10

    def show(self, wish: int, result: int) -> None:
        assert result == wish * 10
        self.homes.add(threading.get_ident())
        self.shown.append(wish)

    def let(self, *wishes: int) -> None:
        for wish in wishes:
            self.gates.setdefault(wish, threading.Event()).set()


async def until(condition: Callable[[], bool], what: str = "") -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, what or "waited too long"
        await asyncio.sleep(0.002)


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


def test_a_drag_over_forty_shows_the_first_and_ends_on_the_last() -> None:
    async def drag() -> None:
        desk = Desk()
        for wish in range(1, 41):
            desk.pump.submit(wish)
        await until(lambda: desk.began == [1])
        desk.let(*range(1, 41))
        await until(lambda: desk.pump.is_idle)
        assert desk.shown == [1, 40]
        assert (desk.pump.submitted, desk.pump.started, desk.pump.finished) == (40, 2, 2)

    run(drag)


def test_every_finished_result_is_shown_during_a_drag() -> None:
    async def drag() -> None:
        desk = Desk()
        for wish in range(1, 41):
            desk.pump.submit(wish)
            if wish % 10 == 0:  # a request takes as long as ten steps of the drag
                desk.let(desk.began[-1] if desk.began else 1)
                count = len(desk.shown)
                await until(lambda count=count: len(desk.shown) > count)  # type: ignore[misc]
                await until(lambda count=count: len(desk.began) > count + 1)  # type: ignore[misc]
        desk.let(*range(1, 41))
        await until(lambda: desk.pump.is_idle)
        assert desk.shown == [1, 10, 20, 30, 40]

    run(drag)


def test_work_is_done_elsewhere_and_shown_at_home() -> None:
    async def once() -> None:
        desk = Desk()
        desk.let(3)
        desk.pump.submit(3)
        await until(lambda: desk.pump.is_idle)
        assert desk.homes == {threading.get_ident()}
        assert threading.get_ident() not in desk.threads

    run(once)


def test_a_wish_from_another_thread_is_shown_at_home() -> None:
    async def once() -> None:
        desk = Desk()
        desk.let(3)
        await asyncio.to_thread(desk.pump.submit, 3)
        await until(lambda: desk.shown == [3])
        assert desk.homes == {threading.get_ident()}

    run(once)


def test_an_equal_wish_ends_there_and_a_failed_one_is_tried_again() -> None:
    async def twice() -> None:
        desk = Desk()
        desk.let(5, -1)
        for _ in range(3):
            desk.pump.submit(5)
        await until(lambda: desk.pump.is_idle)
        desk.pump.submit(5)
        assert desk.pump.started == 1
        for count in (1, 2):
            desk.pump.submit(-1)
            await until(lambda: desk.pump.is_idle)
            assert len(desk.failed) == count

    run(twice)


def test_going_back_to_what_is_in_flight_asks_nothing_more() -> None:
    async def back() -> None:
        desk = Desk()
        for wish in (1, 2, 1):
            desk.pump.submit(wish)
        desk.let(1, 2)
        await until(lambda: desk.pump.is_idle)
        assert desk.shown == [1]

    run(back)


def test_the_error_of_an_overtaken_wish_is_dropped_and_the_last_is_shown() -> None:
    async def overtaken() -> None:
        desk = Desk()
        desk.pump.submit(-1)
        desk.pump.submit(2)
        desk.let(-1, 2)
        await until(lambda: desk.pump.is_idle)
        assert desk.failed == []
        assert desk.shown == [2]

    run(overtaken)


def test_a_result_that_cannot_be_shown_is_an_error() -> None:
    async def once() -> None:
        failed: list[Exception] = []

        def show(_wish: int, _result: int) -> None:
            raise ZeroDivisionError

        pump: Pump[int, int] = Pump(lambda wish, _job: wish, show=show, fail=lambda _w, e: failed.append(e))
        pump.submit(1)
        await until(lambda: pump.is_idle)
        assert [type(error) for error in failed] == [ZeroDivisionError]

    run(once)


def test_busy_is_told_late_and_taken_back() -> None:
    async def slow() -> None:
        desk = Desk()
        desk.let(1)
        desk.pump.submit(1)
        await until(lambda: desk.pump.is_idle)
        assert desk.busy == []
        desk.pump.submit(2)
        await until(lambda: desk.busy == [True])
        desk.let(2)
        await until(lambda: desk.busy == [True, False])

    run(slow)


def test_closing_cancels_and_shows_nothing_more() -> None:
    async def closed() -> None:
        desk = Desk()
        before = threading.active_count()
        desk.pump.submit(1)
        desk.pump.submit(2)
        await until(lambda: desk.began == [1])
        desk.pump.close()
        desk.let(2)
        desk.pump.submit(2)
        await until(lambda: threading.active_count() <= before)
        await asyncio.sleep(0)
        assert (desk.shown, desk.failed, desk.pump.started) == ([], [], 1)

    run(closed)


def test_patience_ends_a_request_that_a_newer_wish_waits_for() -> None:
    async def impatient() -> None:
        desk = Desk(patience=0.02)
        desk.pump.submit(1)
        await until(lambda: desk.began == [1])
        desk.let(2)
        desk.pump.submit(2)
        await until(lambda: desk.shown == [2])
        assert desk.failed == []

    run(impatient)


def test_progress_comes_home() -> None:
    async def reporting() -> None:
        told: list[tuple[int, int, int]] = []

        def work(wish: int, job: Job) -> int:
            for done in range(1, wish + 1):
                job.progress(done, wish)
            return wish

        pump: Pump[int, int] = Pump(
            work,
            show=lambda _w, _r: None,
            fail=lambda _w, e: pytest.fail(str(e)),
            progress=lambda done, total: told.append((done, total, threading.get_ident())),
        )
        pump.submit(4)
        await until(lambda: pump.is_idle)
        assert told == [(done, 4, threading.get_ident()) for done in range(1, 5)]

    run(reporting)


def test_without_a_loop_it_works_and_shows_at_once() -> None:
    desk = Desk()
    desk.let(1, 2, -3)
    for wish in (1, 2, -3):
        desk.pump.submit(wish)
    assert desk.shown == [1, 2]
    assert [wish for wish, _ in desk.failed] == [-3]
    assert desk.threads == {threading.get_ident()}


def test_a_wish_made_while_showing_is_shown_after() -> None:
    shown: list[int] = []

    def show(wish: int, _result: int) -> None:
        shown.append(wish)
        if wish < 3:
            pump.submit(wish + 1)

    pump: Pump[int, int] = Pump(lambda wish, _job: wish, show=show, fail=lambda _w, e: pytest.fail(str(e)))
    pump.submit(1)
    assert shown == [1, 2, 3]
    assert pump.is_idle


def test_a_loop_that_has_ended_is_no_home() -> None:
    async def make() -> Desk:
        return Desk()

    desk = asyncio.run(make())
    desk.let(7)
    desk.pump.submit(7)
    assert desk.shown == [7]


def test_a_cancelled_request_is_no_error() -> None:
    async def cancelled() -> None:
        def work(_wish: int, job: Job) -> int:
            raise Cancelled("given up")

        failed: list[Exception] = []
        pump: Pump[int, int] = Pump(work, show=lambda _w, _r: None, fail=lambda _w, e: failed.append(e))
        pump.submit(1)
        await until(lambda: pump.is_idle)
        assert failed == []

    run(cancelled)
