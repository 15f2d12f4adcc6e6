"""Statistics with gaps against numpy in float64, however they are cut into blocks."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from datavore_widgets.errors import Cancelled, Unreadable
from datavore_widgets.protocol.job import Job
from datavore_widgets.service.cache import Memo
from datavore_widgets.service.series import PER_CELL, PER_STEP, Fold, Moments
from datavore_widgets.service.tiles import Tile, cuts

STATISTICS = {"avg": np.mean, "std": np.std, "min": np.min, "max": np.max, "count": np.size}


def gappy(seed: int, shape: tuple[int, ...], mean: float = 0.0, deviation: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = (mean + deviation * rng.standard_normal(shape)).astype(np.float32)
    values[rng.random(shape) < 0.3] = np.nan
    return values


def folded(fold: Fold[Moments], values: np.ndarray, length: int, height: int, width: int = 10) -> Moments:
    """What is made of values (times, rows, columns), cut every so many steps, rows and columns."""
    steps, rows, columns = (
        list(cuts(np.arange(size + 1), most)) for size, most in zip(values.shape, (length, height, width), strict=True)
    )
    runs = [[Tile(run, band, part) for band in rows for part in columns] for run in steps]
    return fold.join([fold.of_run((tile, values[tile]) for tile in run) for run in runs])


def reference(values: np.ndarray, aggregate: str) -> float:
    flat = np.asarray(values, dtype=np.float64).reshape(-1)
    flat = flat[~np.isnan(flat)]
    if flat.size == 0:
        return 0.0 if aggregate == "count" else np.nan
    return float(STATISTICS[aggregate](flat))


def assert_close(found: np.ndarray, expected: np.ndarray, deviation: float) -> None:
    __tracebackhide__ = True
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    there = ~np.isnan(expected)
    bound = 1e-6 * np.maximum(np.abs(expected[there]), deviation)
    assert (np.abs(found[there] - expected[there]) <= bound).all()


@pytest.mark.parametrize("aggregate", STATISTICS)
@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (300.0, 0.01), (1e5, 0.1)])
@pytest.mark.parametrize(("length", "height", "width"), [(100, 100, 100), (1, 100, 100), (4, 100, 3), (1, 2, 1)])
def test_every_cut_gives_the_numbers_of_numpy(
    aggregate: str, mean: float, deviation: float, length: int, height: int, width: int
) -> None:
    values = gappy(1, (13, 5, 7), mean, deviation)
    values[4] = np.nan
    found = folded(PER_STEP, values, length, height, width).aggregate(aggregate)
    expected = np.array([reference(step, aggregate) for step in values])
    # float32 values: their own deviation is what they are measured by.
    assert_close(found, expected, deviation)


@pytest.mark.parametrize("aggregate", STATISTICS)
@pytest.mark.parametrize(("length", "height", "width"), [(1, 9, 9), (3, 9, 9), (20, 9, 9), (3, 3, 9), (7, 2, 4)])
def test_cells_over_time_in_any_cut(aggregate: str, length: int, height: int, width: int) -> None:
    values = gappy(2, (20, 4, 6), 290.0, 0.5)
    values[:, 1, 1] = np.nan
    found = folded(PER_CELL, values, length, height, width).aggregate(aggregate)
    expected = np.array([[reference(values[:, j, i], aggregate) for i in range(6)] for j in range(4)])
    assert_close(found, expected, 0.5)


@pytest.mark.parametrize("aggregate", STATISTICS)
def test_groups_pool_all_values_not_the_means_of_steps(aggregate: str) -> None:
    values = gappy(3, (10, 3, 3), 1000.0, 0.01)
    values[0, 1:] = np.nan
    values[7:9] = np.nan
    starts = np.array([0, 3, 7, 9])
    steps = folded(PER_STEP, values, 2, 10)
    expected = np.array([reference(part, aggregate) for part in np.split(values, starts[1:])])
    assert_close(steps.pooled(starts).aggregate(aggregate), expected, 0.01)
    assert np.isnan(expected[2]) or aggregate == "count"


def test_masked_integers_and_infinite_values() -> None:
    masked = np.ma.array([[1, 2, 99], [99, 99, 99]], mask=[[0, 0, 1], [1, 1, 1]], dtype=np.int16)
    moments = Moments.of(masked, axis=1)
    assert moments.aggregate("avg").tolist()[0] == 1.5
    assert moments.aggregate("std").tolist()[0] == 0.5
    assert moments.count.tolist() == [2, 0]
    assert np.isnan(moments.aggregate("min")[1])
    infinite = Moments.of(np.array([[1.0, np.inf]]), axis=1)
    assert infinite.aggregate("avg").tolist() == [np.inf]
    assert infinite.aggregate("max").tolist() == [np.inf]


# What is remembered, and made once for all who ask at the same time.


def until(condition: object, seconds: float = 10.0) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.005)


class Maker:
    """Makes a value when it is let go; counts how often it was asked."""

    def __init__(self, fail: type[Exception] | None = None) -> None:
        self.go, self.calls, self.fail, self.fail_once = threading.Event(), 0, fail, False

    def __call__(self, job: Job) -> bytes:
        self.calls += 1
        for done in range(1000):
            if self.go.wait(0.01):
                break
            job.progress(done, 1000)
        fail = self.fail
        if self.fail_once:
            self.fail = None
        if fail is not None:
            raise fail("made to fail")
        return b"made"


def ask(memo: Memo[bytes], maker: Maker, job: Job | None, results: list[object]) -> threading.Thread:
    def run() -> None:
        try:
            results.append(memo.get("key", maker, job))
        except Exception as error:
            results.append(type(error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def waiting(memo: Memo[bytes]) -> int:
    flight = memo._flights.get("key")
    return len(flight.job.waiting) if flight else 0


def test_equal_keys_at_the_same_time_are_made_once() -> None:
    memo, maker, results = Memo[bytes](100, len), Maker(), []
    threads = [ask(memo, maker, None, results) for _ in range(6)]
    until(lambda: waiting(memo) == 6)
    maker.go.set()
    for thread in threads:
        thread.join(10)
    assert results == [b"made"] * 6
    assert maker.calls == 1
    assert memo.get("key", maker) == b"made"
    assert maker.calls == 1


def test_one_who_gives_up_does_not_stop_the_others() -> None:
    memo, maker, results = Memo[bytes](100, len), Maker(), []
    told: list[int] = []
    first, second = Job(), Job(lambda done, _: told.append(done))
    threads = [ask(memo, maker, first, results)]
    until(lambda: waiting(memo) == 1)
    threads.append(ask(memo, maker, second, results))
    until(lambda: waiting(memo) == 2)
    first.cancel()
    until(lambda: bool(told))
    maker.go.set()
    for thread in threads:
        thread.join(10)
    assert sorted(results, key=str) == sorted([Cancelled, b"made"], key=str)
    assert maker.calls == 1


def test_work_stops_when_everybody_gave_up_and_can_be_asked_again() -> None:
    memo, maker, results = Memo[bytes](100, len), Maker(), []
    jobs = [Job(), Job()]
    threads = [ask(memo, maker, job, results) for job in jobs]
    until(lambda: waiting(memo) == 2)
    for job in jobs:
        job.cancel()
    for thread in threads:
        thread.join(10)
    assert results == [Cancelled, Cancelled]
    maker.go.set()
    assert memo.get("key", maker) == b"made"


def test_who_comes_as_the_others_give_up_makes_it_anew() -> None:
    memo, maker, results = Memo[bytes](100, len), Maker(fail=Cancelled), []
    first = ask(memo, maker, None, results)
    until(lambda: waiting(memo) == 1)
    second = ask(memo, maker, None, results)
    until(lambda: waiting(memo) == 2)
    maker.fail_once = True
    maker.go.set()
    first.join(10)
    second.join(10)
    assert sorted(results, key=str) == sorted([Cancelled, b"made"], key=str)
    assert maker.calls == 2


def test_an_error_reaches_all_who_wait_and_is_not_remembered() -> None:
    memo, maker, results = Memo[bytes](100, len), Maker(fail=Unreadable), []
    threads = [ask(memo, maker, None, results) for _ in range(3)]
    until(lambda: waiting(memo) == 3)
    maker.go.set()
    for thread in threads:
        thread.join(10)
    assert results == [Unreadable] * 3
    maker.fail = None
    assert memo.get("key", maker) == b"made"


def test_the_least_recently_used_are_forgotten_and_what_is_too_large_is_not_kept() -> None:
    memo = Memo[bytes](10, len)
    made: list[str] = []

    def maker(name: str, size: int) -> bytes:
        return memo.get(name, lambda _: (made.append(name), b"x" * size)[1])

    maker("a", 4), maker("b", 4), maker("a", 4), maker("c", 4)
    assert (len(memo), memo.used) == (2, 8)
    maker("a", 4), maker("b", 4)
    assert made == ["a", "b", "c", "b"]
    maker("huge", 11)
    assert (len(memo), memo.used) == (2, 8)
