"""One suite for both carriers: the embedded service, and the same service behind HTTP on a real socket.

Answers are equal to the last bit, and errors are of the same class and say the same.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import fields
import numpy as np
import pytest
import xarray as xr
from real import OSTIA, TAS
from same import assert_same

from datavore_widgets import errors
from datavore_widgets.client.http import HttpService
from datavore_widgets.protocol.answers import Catalog, FileList
from datavore_widgets.protocol.geometry import GLOBAL, BBox, Point
from datavore_widgets.protocol.job import Estimate, Job
from datavore_widgets.protocol.payloads import catalog_config
from datavore_widgets.protocol.queries import (
    AGGREGATES,
    Canvas,
    CatalogQuery,
    DataQuery,
    DoctorQuery,
    ExtractQuery,
    FilesQuery,
    LapsCatalogQuery,
    LapseDataQuery,
    LapseMapQuery,
    MapQuery,
    PrepareQuery,
    SeriesQuery,
    Source,
    Style,
    TimesQuery,
    Window,
    parse_filters,
)
from datavore_widgets.protocol.times import GROUP_NAMES, Date, Lapse
from datavore_widgets.server.app import build_app
from datavore_widgets.server.run import serve_background
from datavore_widgets.service import tiles
from datavore_widgets.service.index import Variable
from datavore_widgets.service.local import LocalService

REAL = {"ostia": OSTIA, "tas": TAS}
SYNTHETIC = {
    "sea": fields.field,
    "ISAS13/v3": fields.descending,
    "odd": fields.odd_convention,
    "flat": fields.no_time,
    "deep": fields.with_depth,
    "thirty": fields.days_360,
    "packed": fields.packed,
    "flags": fields.flags,
    "swath": fields.swath,
    "track": fields.track,
    "wind": fields.wind,
    "series": fields.index_series,
}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("contract")
    paths = {}
    for index, make in SYNTHETIC.items():
        paths[index] = folder / f"{index.replace('/', '_')}.nc"
        make().to_netcdf(paths[index])
    return paths | {index: real.path for index, real in REAL.items() if real.path.exists()}


@pytest.fixture(scope="module")
def local(files) -> Iterator[LocalService]:
    with LocalService({index: str(path) for index, path in files.items()}) as service:
        yield service


@pytest.fixture(scope="module")
def remote(local) -> Iterator[HttpService]:
    with serve_background(build_app(local)) as server, HttpService(server.url) as service:
        yield service


@pytest.fixture(params=["local", "remote"])
def service(request):
    return request.getfixturevalue(request.param)


BOX = BBox(-30, -20, 40, 35)
OVER = BBox(170, -40, -160, 40)
MAY = Source("sea", "sst", Date("20120215"), nearest=3 * 86400.0)
YEAR = Lapse(Date("2012"), Date("2012"))
ALWAYS = Lapse(Date("1900"), Date("2100"))
GOOD = parse_filters({"quality_level": {"min": 4}, "l2p_flags": ["land", "rain"]})
DAY = Source("swath", "sst", Date("20190821"), filters=GOOD, subtract="sses_bias")

QUERIES = {
    "catalog": CatalogQuery(),
    "laps catalog": LapsCatalogQuery(),
    "times": TimesQuery("sea", "sst"),
    "doctor": DoctorQuery("sea", "sst"),
    "what is prepared": PrepareQuery("sea", "sst"),
    "times of thirty": TimesQuery("thirty", "sst"),
    "times of none": TimesQuery("flat", "sst"),
    "files": FilesQuery("sea", "sst", BOX),
    "files elsewhen": FilesQuery("sea", "sst", BOX, Lapse(Date("1990"), Date("1991"))),
    "map": MapQuery(MAY, Canvas(GLOBAL)),
    "map by nearest": MapQuery(Source("sea", "sst", Date("20120301"), 40 * 86400.0), Canvas(BOX, 100)),
    "map styled": MapQuery(MAY, Canvas(BOX, 64, resample=True), Style("jet_r", 5, 25)),
    "map over the antimeridian": MapQuery(MAY, Canvas(OVER, 128, "mercator", reduce="stride")),
    "map with an arrow": MapQuery(Source("ISAS13>v3", "sst", Date("201201")), Canvas(GLOBAL, 90)),
    "map without time": MapQuery(Source("flat", "sst", None), Canvas(GLOBAL)),
    "map of a time where there is none": MapQuery(Source("flat", "sst", Date("2012")), Canvas(BOX)),
    "map at depth": MapQuery(Source("deep", "sst", Date("201201"), filters=parse_filters({"depth": 10})), Canvas(BOX)),
    "map of flags": MapQuery(Source("flags", "mask", None), Canvas(BOX)),
    "map of 30 February": MapQuery(Source("thirty", "sst", Date("20000230")), Canvas(BOX)),
    "data": DataQuery(MAY, BOX),
    "data in strides": DataQuery(MAY, GLOBAL, 5),
    "data over the antimeridian": DataQuery(MAY, OVER),
    "data with an offset": DataQuery(Source("packed", "sst", Date("201201"), offset=273.15), BOX),
    "data of flags": DataQuery(Source("flags", "mask", None), GLOBAL),
    "data of 30 February": DataQuery(Source("thirty", "sst", Date("20000230")), BOX),
    "list": DataQuery(MAY, BOX, as_list=True),
    "series": SeriesQuery("sea", "sst", BOX),
    "series at a point": SeriesQuery("odd", "sst", Point(-40.2, 31)),
    "series in a hole": SeriesQuery("sea", "sst", Point(130, -15)),
    "series of thirty": SeriesQuery("thirty", "sst", BOX, groupby="yyyy-MM-dd"),
    "series at depth": SeriesQuery("deep", "sst", BOX, filters=parse_filters({"depth": 100.0})),
    "extract": ExtractQuery("sea", ("sst",), BBox(100, -30, 160, 0), YEAR),
    "extract at a point": ExtractQuery("thirty", ("sst",), Point(3, 3)),
    **{f"series {a}": SeriesQuery("packed", "sst", BOX, YEAR, None, a) for a in AGGREGATES},
    **{f"series by {g}": SeriesQuery("sea", "sst", BOX, YEAR, g) for g in GROUP_NAMES},
    **{f"lapse {a}": LapseMapQuery("sea", "sst", Canvas(OVER, 60), YEAR, a) for a in AGGREGATES},
    "map of a window": MapQuery(DAY, Canvas(GLOBAL, 200), window=Window(86400, "mean")),
    "map of a swath with a radius": MapQuery(DAY, Canvas(OVER, 200, radius=4e4, plot_method="scatter")),
    "map of a window of a track": MapQuery(
        Source("track", "temp", Date("2020")), Canvas(GLOBAL, 200), Style(None, 10, 30, "log"), Window(86400 * 366)
    ),
    "map of a speed": MapQuery(Source("wind", "speed_of_u10_v10", Date("201202")), Canvas(BOX)),
    "data of a direction": DataQuery(Source("wind", "direction_of_u10_v10", Date("201202")), BOX),
    "data of a swath": DataQuery(DAY, OVER),
    "data of a window": DataQuery(Source("sea", "sst", Date("2012")), BOX, window=Window(86400 * 366)),
    "mean of a window": DataQuery(Source("sea", "sst", Date("2012")), BOX, window=Window(86400 * 366, "mean")),
    "data of a day of swaths": DataQuery(DAY, OVER, window=Window(86400)),
    "list of a day of swaths": DataQuery(DAY, OVER, as_list=True, window=Window(86400)),
    "data of a window of a track": DataQuery(Source("track", "temp", Date("2020")), GLOBAL, window=Window(86400 * 366)),
    "series of a moving window": SeriesQuery("sea", "sst", BOX, YEAR, window=Window(86400 * 92, "mean")),
    "newest of a moving window": SeriesQuery("sea", "sst", Point(0, 0), YEAR, window=Window(86400 * 92)),
    "series at a sample": SeriesQuery("swath", "sst", Point(172, -3), ALWAYS),
    "data of a track": DataQuery(Source("track", "temp", Date("20200101040000")), GLOBAL),
    "series of a swath": SeriesQuery("swath", "sst", OVER, ALWAYS, filters=GOOD, subtract="sses_bias"),
    "series of a track": SeriesQuery("track", "temp", OVER, ALWAYS, filters=parse_filters({"z": {"max": 1}})),
    "series without a place": SeriesQuery("series", "soi", GLOBAL, ALWAYS),
    "extract of a swath": ExtractQuery("swath", ("sst",), OVER, ALWAYS, GOOD, "sses_bias"),
    "extract of a track": ExtractQuery("track", ("temp", "z"), OVER, ALWAYS),
    **{f"cells of a lapse, {a}": LapseDataQuery("sea", "sst", OVER, YEAR, a) for a in (*AGGREGATES, "area_avg", "p90")},
    "cells of a lapse of thirty": LapseDataQuery("thirty", "sst", BOX, Lapse(Date("2000"), Date("2001"))),
    "cells of a lapse in strides": LapseDataQuery("packed", "sst", GLOBAL, YEAR, resolution=5),
    "cells of a lapse of a swath": LapseDataQuery("swath", "sst", OVER, ALWAYS),
    "lapse of a swath": LapseMapQuery("swath", "sst", Canvas(OVER, 60), ALWAYS, subtract="sses_bias"),
    "lapse of a direction": LapseMapQuery("wind", "direction_of_u10_v10", Canvas(BOX, 60), YEAR),
    "lapse styled": LapseMapQuery(
        "deep", "sst", Canvas(BOX, 50), YEAR, "avg", parse_filters({"depth": 10}), Style("bwr", 0, 9)
    ),
}
for _index, _real in REAL.items():
    _source = Source(_index, _real.varname, Date(_real.month))
    QUERIES |= {
        f"map of {_index}": MapQuery(_source, Canvas(GLOBAL, 512, "mercator")),
        f"data of {_index}": DataQuery(_source, BBox(-10, -4, 10, 4)),
        f"series of {_index}": SeriesQuery(_index, _real.varname, BBox(-10, -4, 10, 4), groupby="yyyy"),
        f"times of {_index}": TimesQuery(_index, _real.varname),
    }

WRONG = {
    "index": TimesQuery("see", "sst"),
    "index with a slash": MapQuery(Source("ISAS13/v4", "PSAL", Date("2012")), Canvas(BOX)),
    "index out of the folder": SeriesQuery("a/b/c/etc/passwd", "sst", BOX),
    "variable": SeriesQuery("sea", "sts", BOX),
    "several times": MapQuery(Source("sea", "sst", Date("2012")), Canvas(BOX)),
    "no such time": DataQuery(Source("sea", "sst", Date("20120216")), BOX),
    "no time near": DataQuery(Source("sea", "sst", Date("20130216"), 60.0), BOX),
    "no centre inside": SeriesQuery("sea", "sst", BBox(1, 1, 2, 2)),
    "map without a place": MapQuery(Source("series", "soi", Date("20000103")), Canvas(GLOBAL)),
    "box without a place": SeriesQuery("series", "soi", BOX, ALWAYS),
    "empty window": MapQuery(Source("track", "temp", Date("2019")), Canvas(GLOBAL), window=Window()),
    "subtraction of another quantity": SeriesQuery("swath", "sst", OVER, ALWAYS, subtract="sst_dtime"),
    "logarithm of nought": MapQuery(MAY, Canvas(BOX), Style(None, 0, 9, "log")),
    "colour map": MapQuery(MAY, Canvas(BOX), Style("virdis")),
    "filter": MapQuery(Source("sea", "sst", Date("201201"), filters=parse_filters({"depht": 1})), Canvas(BOX)),
    "filter's value": SeriesQuery("deep", "sst", BOX, filters=parse_filters({"depth": 11})),
    "series of no time": SeriesQuery("sea", "sst", BOX, Lapse(Date("1990"), Date("1991"))),
    "no time where there are some": MapQuery(Source("sea", "sst", None), Canvas(BOX)),
    "picture too large": MapQuery(MAY, Canvas(BOX, 5000)),
    "series without time": SeriesQuery("flat", "sst", BOX),
    "cells of a lapse of a track": LapseDataQuery("track", "temp", GLOBAL, ALWAYS),
    "cells of a lapse without times": LapseDataQuery("sea", "sst", BOX, Lapse(Date("1990"), Date("1991"))),
    "lapse without times": LapseMapQuery("sea", "sst", Canvas(BOX), Lapse(Date("1990"), Date("1991"))),
}


def skip_absent(query, files) -> None:
    named = getattr(query, "source", query)
    if getattr(named, "index", None) in REAL and named.index not in files:
        pytest.skip("the folder of real data files is not there")


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_answers_are_equal_on_both_carriers(query, local, remote, files):
    skip_absent(query, files)
    ours, theirs = local.answer(query), remote.answer(query)
    if isinstance(query, CatalogQuery):
        assert catalog_config(ours) == catalog_config(theirs)
    else:
        assert_same(ours, theirs)


@pytest.mark.parametrize("query", WRONG.values(), ids=WRONG)
def test_errors_are_equal_on_both_carriers(query, local, remote):
    with pytest.raises(errors.DatavoreError) as ours:
        local.answer(query)
    with pytest.raises(errors.DatavoreError) as theirs:
        remote.answer(query)
    assert type(ours.value) is type(theirs.value)
    assert str(ours.value) == str(theirs.value)
    assert ours.value.suggestions == theirs.value.suggestions


@pytest.mark.parametrize("index", REAL)
def test_a_series_over_a_box_is_that_of_xarray(index, service, files):
    if index not in files:
        pytest.skip("the folder of real data files is not there")
    varname = REAL[index].varname
    box = BBox(100, -4.5, 140, 4.2)
    answer = service.answer(SeriesQuery(index, varname, box))
    with xr.open_dataset(REAL[index].path) as dataset:
        lat, lon = dataset[varname].dims[-2:]
        chosen = dataset[varname].sel({lat: slice(-4.5, 4.2), lon: slice(100, 140)}).astype("f8")
        expected = chosen.mean((lat, lon)).values
        spread = float(dataset[varname].astype("f8").std())
    assert len(expected) == len(answer.values) > 10
    tolerance = 1e-6 * np.maximum(np.abs(expected), spread)
    assert np.all(np.abs(answer.values - expected) <= tolerance)
    assert np.array_equal(answer.counts, chosen.notnull().sum((lat, lon)).values)


def test_data_are_the_cells_of_the_file(service):
    answer = service.answer(DataQuery(Source("ISAS13/v3", "sst", Date("201202")), BBox(-30, -20, 40, 35)))
    expected = fields.value(answer.lon[None, :], answer.lat[:, None], 1).astype("f4")
    np.testing.assert_array_equal(answer.data, expected)
    assert answer.lat[0] > answer.lat[-1]


def test_a_cancelled_question_is_not_asked(remote):
    job = Job()
    job.cancel()
    with pytest.raises(errors.Cancelled):
        remote.answer(SeriesQuery("sea", "sst", BOX, groupby="yyyy"), job)


def wait_for(condition, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)


class Slow:
    """A service whose answer takes until it is cancelled or let go, and that tells how far it is."""

    def __init__(self) -> None:
        self.started, self.go, self.cancelled = threading.Event(), threading.Event(), threading.Event()

    def answer(self, query, job=None):
        if isinstance(query, CatalogQuery):
            return Catalog({})
        self.started.set()
        try:
            for done in range(10_000):
                job.progress(done, 10_000)
                if self.go.wait(0.01):
                    break
        except errors.Cancelled:
            self.cancelled.set()
            raise
        return FileList(("a",))


@pytest.fixture
def slow():
    service = Slow()
    with serve_background(build_app(service, workers=1, most_waiting=1)) as server:
        yield service, server.url
        service.go.set()


def test_cancelling_closes_the_connection_and_the_server_gives_up(slow):
    service, url = slow
    job, raised = Job(), []

    def ask() -> None:
        try:
            HttpService(url).answer(FilesQuery("a", "b"), job)
        except errors.DatavoreError as error:
            raised.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    assert service.started.wait(10)
    job.cancel()
    asking.join(10)
    assert [type(error) for error in raised] == [errors.Cancelled]
    assert service.cancelled.wait(10)


def test_progress_comes_over_http(slow):
    service, url = slow
    seen: list[tuple[int, int]] = []
    client = HttpService(url)
    client.answer(CatalogQuery())  # that the server is one of ours is known from any reply

    def noted(done: int, total: int) -> None:
        seen.append((done, total))
        service.go.set()

    answer = client.answer(FilesQuery("a", "b"), Job(on_progress=noted))
    assert answer.files == ("a",)
    assert seen
    assert seen[0][1] == 10_000


@pytest.mark.parametrize("carrier", ["here", "a server"])
@pytest.mark.parametrize("aggregate", ["avg", "area_avg"])
def test_an_estimate_and_what_is_there_so_far_come_before_the_answer(carrier, aggregate, tmp_path, monkeypatch):
    dataset = fields.field(times=24)
    dataset.to_netcdf(tmp_path / "sea.nc", engine="h5netcdf", encoding={"sst": {"chunksizes": (2, 18, 36)}})
    monkeypatch.setattr(tiles, "READ_BYTES", 1)
    read, go, begun = Variable.read, threading.Event(), []

    def held(variable, steps, *where):
        begun.append(steps)
        # Half of it is read at once, the rest when somebody has seen that.
        assert len(begun) <= 6 or go.wait(20)
        return read(variable, steps, *where)

    monkeypatch.setattr(Variable, "read", held)
    told, parts, job = [], [], Job()
    job.on_estimate, job.every = told.append, 0.0

    def seen(part):
        parts.append(part)
        if len(part.values) == 12:
            go.set()

    job.on_partial = seen
    query = SeriesQuery("sea", "sst", BOX, aggregate=aggregate)
    with contextlib.ExitStack() as stack:
        service = stack.enter_context(LocalService(tmp_path / "sea.nc", laps=tmp_path / "nowhere"))
        if carrier == "a server":
            # So that its last part is that of half the series.
            monkeypatch.setattr(Job, "every", 0.0)
            server = stack.enter_context(serve_background(build_app(service)))
            service = stack.enter_context(HttpService(server.url))
            service.answer(CatalogQuery())
        answer = service.answer(query, job)
    assert told[0] == Estimate(24 * 18 * 36 * 4, 12)
    assert not answer.is_partial
    [half] = [part for part in parts if len(part.values) == 12]
    assert half.is_partial
    np.testing.assert_array_equal(half.values, answer.values[:12])
    np.testing.assert_array_equal(half.labels, answer.labels[:12])


def test_what_does_not_fit_is_told_to_come_back(slow):
    service, url = slow
    clients = [threading.Thread(target=HttpService(url).answer, args=(FilesQuery("a", "b"),)) for _ in range(2)]
    clients[0].start()
    assert service.started.wait(10)
    clients[1].start()

    def busy() -> bool:
        try:
            HttpService(url, tries=1, timeout=(5, 0.5)).answer(FilesQuery("a", "b"))
        except errors.ServerError as error:
            return error.code == 429
        except errors.DeadlineExceeded:
            return False
        return False

    wait_for(busy)
    service.go.set()
    for client in clients:
        client.join(10)
        assert not client.is_alive()
