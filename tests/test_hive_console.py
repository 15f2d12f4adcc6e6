"""The console over a real engine: what it asks, what it shows, what it refuses."""

from __future__ import annotations

import asyncio
import io
import re
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import fields
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image
from traitlets import TraitError

with warnings.catch_warnings():
    # bqplot's scales are declared in traitlets' old way, which says so while they are imported.
    warnings.filterwarnings("ignore", "metadata .* was set from the constructor", DeprecationWarning)
    import bqplot  # noqa: F401

from datavore_widgets import Datahive, explore
from datavore_widgets.errors import InvalidSql, InvalidValue, NotSupported, Unreachable
from datavore_widgets.protocol.colormap import Categories, Norm, palette
from datavore_widgets.protocol.geometry import BBox, mercator_from_latitude
from datavore_widgets.protocol.sql import Column, SchemaQuery, SqlQuery, Table
from datavore_widgets.service.fleet import write_fleet
from datavore_widgets.service.tables import TableService
from datavore_widgets.widgets.hive_console import HiveConsole
from datavore_widgets.widgets.point_picture import LEVELS, Points, draw
from datavore_widgets.widgets.query_text import bind, is_bound, ordered, span_of_error
from datavore_widgets.widgets.result import Result, collect
from datavore_widgets.widgets.text import thousands
from datavore_widgets.widgets.view import View

HOSTILE = "<img src=x onerror=alert(1)>\"'&"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables") / "fleet"
    folder.mkdir()
    write_fleet(folder, drifters=40, positions=200)
    return folder


@pytest.fixture(scope="module")
def rows(fleet: Path) -> pd.DataFrame:
    return duckdb.sql(f"SELECT * FROM read_parquet('{fleet}/*/*.parquet', hive_partitioning = true)").df()


@pytest.fixture(scope="module")
def engine(fleet: Path) -> Iterator[TableService]:
    with TableService({"fleet": fleet}) as service:
        yield service


class Watched:
    """A service that writes down what it is asked, and can be held up or made to fail."""

    def __init__(self, service: TableService) -> None:
        self.service = service
        self.asked: list[SqlQuery] = []
        self.open = threading.Event()
        self.open.set()
        self.trouble: Exception | None = None

    def answer(self, query: Any, job: Any = None) -> Any:
        if isinstance(query, SqlQuery):
            self.asked.append(query)
            while not self.open.wait(0.01):
                job.check()
            if self.trouble is not None:
                raise self.trouble
        return self.service.answer(query, job)


@pytest.fixture
def watched(engine: TableService) -> Watched:
    return Watched(engine)


def plain(markup: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", markup)).strip()


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        await asyncio.sleep(0.005)


def ran(console: HiveConsole, text: str) -> HiveConsole:
    """Run a query where no loop is: it is answered when this returns."""
    typed(console, text)
    console.editor._heard(None, "run", [])
    return console


def typed(console: HiveConsole, text: Any) -> None:
    """Have the page tell what is in its editor now."""
    console.editor._heard(None, {"text": text, "number": console.editor.heard + 1}, [])


# Words bound to the view


def test_words_become_typed_parameters_outside_of_literals_and_comments():
    view = View(bbox=[-10, 40, 5, 50], date="2012-08-15T06:00", datelaps="201201,2012")
    text = "SELECT '$west', \"$x\", `$y` -- $bbox\n/* $date */ FROM fleet WHERE lon > $west AND time = $date"
    bound = bind(text, view)
    assert bound.text == text.replace("> $west", "> :view_west").replace("= $date", "= :view_date")
    values = dict(bound.parameters)
    assert values["view_west"] == -10.0
    assert str(values["view_date"]) == "2012-08-15 06:00:00"
    assert is_bound(text)
    assert not is_bound("SELECT '$west' -- $date")


@pytest.mark.parametrize(
    ("lapse", "end"),
    [("2012,2012", "2013-01-01"), ("201201,201212", "2013-01-01"), ("20120101,20120228", "2012-02-29")],
)
def test_the_last_date_of_a_lapse_is_whole(lapse, end):
    values = dict(bind("$datelaps", View(datelaps=lapse)).parameters)
    assert str(values["view_end"])[:10] == end
    assert str(values["view_start"]) == "2012-01-01 00:00:00"


def test_unknown_words_are_refused_with_their_place():
    with pytest.raises(InvalidSql, match=r"\$bbx.*\$bbox") as caught:
        bind("SELECT *\nFROM t WHERE $bbx", View())
    assert (caught.value.line, caught.value.column) == (2, 14)
    with pytest.raises(InvalidSql, match=r"\$bbox\(lon, lat\)"):
        bind("SELECT $bbox(lon)", View())
    with pytest.raises(InvalidValue, match="no date"):
        bind("SELECT $date", View())
    with pytest.raises(InvalidValue, match="another calendar"):
        bind("SELECT $date", View(date="20120230"))


@pytest.mark.parametrize(
    "box", [(-30, -20, 30, 20), (150, -40, -150, 40), (170, -60, 200, 60), (-180, -90, 180, 90), (350, -60, 20, 60)]
)
@pytest.mark.parametrize("turned", [False, True])
def test_a_box_holds_what_it_holds_in_any_convention(engine, rows, box, turned):
    view = View(bbox=box)
    lon = "pmod(lon, 360)" if turned else "lon"
    bound = bind(f"SELECT count(*) AS n FROM (SELECT {lon} AS x, lat AS y FROM fleet) t WHERE $bbox(t.x, t.y)", view)
    (batch,) = engine.answer(SqlQuery(bound.text, bound.parameters))
    assert batch.column(0)[0].as_py() == int(BBox(*box).contains(rows["lon"], rows["lat"]).sum())


def test_where_there_is_no_box_the_map_counts_and_then_the_world():
    assert dict(bind("$west", View()).parameters) == {"view_west": -180.0}
    view = View(viewport=[1, 2, 3, 4])
    assert dict(bind("$west", view).parameters) == {"view_west": 1.0}
    assert "what the map shows" in bind("$west", view).meaning[0][1]
    view.bbox = (5, 6, 7, 8)
    assert dict(bind("$west", view).parameters) == {"view_west": 5.0}


def test_a_place_in_what_is_sent_is_found_in_what_was_typed():
    typed = "SELECT $west,\n  $bbox AND wrong"
    bound = bind(typed, View(bbox=[0, 0, 1, 1]))
    assert bound.typed(bound.text.index("wrong")) == typed.index("wrong")
    assert bound.typed(bound.text.index("view_west")) == typed.index("$west")
    assert bound.typed(bound.text.index("BETWEEN")) == typed.index("$bbox")
    error = InvalidSql("no", line=2, column=bound.text.splitlines()[1].index("wrong") + 1)
    assert span_of_error(bound, typed, error) == (typed.index("wrong"), len(typed))
    assert span_of_error(bound, typed, InvalidSql("there is no 'wrong' here")) == (typed.index("wrong"), len(typed))
    assert span_of_error(bound, typed, InvalidSql("something else")) is None


# The order of rows


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id, sst FROM fleet WHERE id < 4 LIMIT 20;",
        "SELECT id, sst FROM fleet -- ORDER BY id",
        "WITH a AS (SELECT id, sst FROM fleet), b AS (SELECT * FROM a) SELECT id, max(sst) AS sst FROM b GROUP BY id",
        "/* WITH */ SELECT id, sst FROM fleet WHERE id = 1 UNION ALL SELECT id, sst FROM fleet WHERE id = 2",
    ],
)
def test_the_engine_puts_rows_in_order(engine, text):
    (batch,) = engine.answer(SqlQuery(ordered(text, "sst", True)))
    values = batch.column(1).drop_null().to_pylist()
    assert len(values) > 3
    assert values == sorted(values, reverse=True)


def test_only_selects_are_put_in_order():
    with pytest.raises(NotSupported, match="SHOW"):
        ordered("SHOW TABLES", "tab_name", False)


# Results


def test_cells_are_text_and_null_is_none():
    table = pa.table(
        {
            "i": pa.array([1, None], pa.int32()),
            "f": pa.array([0.1, float("nan")]),
            "t": pa.array([np.datetime64("2012-08-15T12:00", "us"), None]),
            "d": pa.array([pd.Timestamp("2012-08-15").date(), None]),
            "s": pa.array([HOSTILE, "x" * 1000]),
            "b": pa.array([b"\x00\xff", None]),
            "l": pa.array([[1, 2], None]),
            "y": pa.array([True, None]),
        }
    )
    result = Result(tuple(Column(name, "any") for name in table.column_names), table)
    first, second = result.rows(0, 2)
    assert first == ["1", "0.1", "2012-08-15 12:00:00", "2012-08-15", HOSTILE, "00ff", "[1, 2]", "true"]
    assert second[:4] == [None, "nan", None, None]
    assert len(second[4]) == 401
    assert result.rows(5, 9) == []
    back = pd.read_csv(io.BytesIO(result.csv()))
    assert back["s"].tolist() == [HOSTILE, "x" * 1000]
    assert back["l"].tolist()[0] == "[1, 2]"
    assert pd.read_parquet(io.BytesIO(result.parquet()))["s"].tolist() == [HOSTILE, "x" * 1000]


def test_rows_beyond_the_most_are_not_fetched():
    read: list[int] = []

    def batches():
        for n in range(100):
            read.append(n)
            yield pa.RecordBatch.from_pydict({"n": list(range(10 * n, 10 * n + 10))})

    closed: list[bool] = []
    table = Table((Column("n", "bigint"),), batches(), lambda: closed.append(True))
    result = collect(table, 25)
    assert result.table.column(0).to_pylist() == list(range(25))
    assert not result.is_whole
    assert len(read) == 3
    assert closed == [True]
    whole = collect(Table((Column("n", "bigint"),), iter([pa.RecordBatch.from_pydict({"n": [1] * 25})])), 25)
    assert whole.is_whole


def test_places_and_times_are_found_by_name_and_type():
    columns = ("id", "Longitude", "t.lat", "when", "name")
    table = pa.table(
        [
            pa.array([1]),
            pa.array([0.5]),
            pa.array([1.5]),
            pa.array([0], pa.timestamp("us")),
            pa.array(["a"]),
        ],
        names=list(columns),
    )
    result = Result(tuple(Column(name, "any") for name in columns), table)
    assert (result.lon, result.lat, result.times, result.quantities) == (1, 2, (3,), (0,))
    assert result.colours == (0, 3, 4)
    text = Result(tuple(Column(name, "string") for name in ("lon", "lat")), pa.table({"lon": ["a"], "lat": ["b"]}))
    assert not text.has_places


def test_words_are_numbered_by_how_often_they_occur():
    table = pa.table({"w": ["b", "a", None, "a", "c", "a", "b"]})
    codes, words = Result((Column("w", "string"),), table).words(0)
    assert words == ["a", "b", "c"]
    assert codes.tolist() == [1, 0, -1, 0, 2, 0, 1]


# Points


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


@pytest.mark.parametrize("west", [-20.0, 170.0, 350.0])
def test_each_point_is_where_and_what_it_is(west):
    box = BBox(west, -40, west + 40, 60)
    lon = np.array([west + 5, west + 20, west + 35, west - 10, np.nan]) - 360.0
    lat = np.array([-30.0, 10.0, 50.0, 0.0, 0.0])
    values = np.array([0.0, 5.0, 10.0, 3.0, 2.0])
    png, drawn, count = draw(points := Points(lon, lat, values, "sst"), box, 400, "viridis")
    assert count == 3
    assert drawn == box
    image = pixels(png)
    height, width = image.shape[:2]
    assert max(height, width) == 400
    north, south = (float(mercator_from_latitude(v)) for v in (box.north, box.south))
    colors = palette("viridis", LEVELS)
    assert isinstance(points.norm, Norm)
    for k in range(3):
        x = int((lon[k] - box.west) % 360 / box.width * width)
        y = int((north - float(mercator_from_latitude(lat[k]))) / (north - south) * height)
        level = int(points.norm.indices(values[k : k + 1])[0])
        assert image[y, x].tolist() == colors[level].tolist()
    assert image[0, 0, 3] == 0


def test_missing_values_equal_values_and_classes_are_drawn():
    place = np.array([1.0, 2.0]), np.array([1.0, 2.0])
    box = BBox(0, 0, 3, 3)
    grey = pixels(draw(Points(*place, np.array([np.nan, np.nan]), "a"), box, 100, "viridis")[0])
    assert {tuple(c) for c in grey[grey[..., 3] == 255].tolist()} == {(150, 150, 150, 255)}
    equal = Points(*place, np.array([7.0, 7.0]), "a")
    assert isinstance(equal.norm, Norm)
    assert equal.norm.vmin < 7 < equal.norm.vmax
    classes = Points(*place, np.array([0.0, 1.0]), "a", {0: "x", 1: "y"})
    assert isinstance(classes.norm, Categories)
    image = pixels(draw(classes, box, 100, "tab20")[0])
    assert len({tuple(c) for c in image[image[..., 3] == 255].tolist()}) == 2
    assert pixels(draw(Points(*place), box, 100, "viridis")[0])[..., 3].max() == 255
    empty = Points(np.zeros(0), np.zeros(0), np.zeros(0))
    assert draw(empty, box, 50, "viridis")[2] == 0
    assert empty.box is None


def test_the_limits_are_percentiles_and_the_box_is_the_narrow_one():
    values = np.r_[np.linspace(0, 100, 1001), 1e9]
    points = Points(np.linspace(170, 190, values.size), np.zeros(values.size), values, "x")
    assert points.norm.vmin == pytest.approx(np.percentile(values, 2))
    assert points.norm.vmax == pytest.approx(np.percentile(values, 98))
    assert points.box.crosses_antimeridian
    assert points.box.width < 25


# The console


def test_rows_are_those_of_the_engine(engine, rows):
    console = ran(HiveConsole(engine), "SELECT id, time, sst FROM fleet WHERE sst > 20 AND id < 10 ORDER BY time, id")
    wanted = rows[(rows["sst"] > 20) & (rows["id"] < 10)].sort_values(["time", "id"])
    frame = console.frame()
    np.testing.assert_array_equal(frame["sst"], wanted["sst"])
    np.testing.assert_array_equal(frame["time"], wanted["time"])
    assert f">{thousands(len(wanted))} rows" in console._status.value
    assert console.table.count == len(wanted)
    console.close()


def test_only_what_is_seen_is_sent(engine, monkeypatch):
    console = ran(HiveConsole(engine), "SELECT * FROM fleet")
    sent: list[Any] = []
    monkeypatch.setattr(console.table, "send", lambda content, buffers=None: sent.append(content))
    table = console.table
    table._heard(None, {"rows": [table.version, 5000, 5100]}, [])
    assert sent[0]["rows"] == console.result.rows(5000, 5100)
    assert not any("rows" in name for name in table.get_state())
    forged = [[table.version - 1, 0, 10], [table.version, 0, 10**9], [table.version, -5, 5], ["1", 0, 1], "x", None]
    for asked in forged:
        table._heard(None, {"rows": asked}, [])
    for content in (None, "sort", {"sort": True}, {"sort": 99}, {"sort": "id"}, {"sort": -1}):
        table._heard(None, content, [])
    assert len(sent) == 1
    console.close()


def test_a_head_puts_the_rows_in_order_by_a_query(watched):
    console = ran(HiveConsole(watched), "SELECT id, sst FROM fleet WHERE sst IS NOT NULL")
    for order, wanted in ((1, True), (1, False), (1, None)):
        console.table._heard(None, {"sort": order}, [])
        values = console.result.numbers(1)
        if wanted is None:
            assert console.table.order == []
            assert "ORDER" not in watched.asked[-1].text
        else:
            assert (np.diff(values) >= 0).all() == wanted
            assert console.table.order == [1, not wanted]
            assert "ORDER BY `sst`" in watched.asked[-1].text
    assert [past.typed for past in console.history] == ["SELECT id, sst FROM fleet WHERE sst IS NOT NULL"]
    console.close()


def test_an_error_is_shown_where_it_is_and_the_rows_stay(engine):
    view = View(bbox=[0, 0, 10, 10])
    console = ran(HiveConsole(engine, view), "SELECT id FROM fleet LIMIT 3")
    for text, wrong in (
        ("SELECT id,\n  sstt FROM fleet WHERE $bbox", "sstt"),
        ("SELECT id FROM\n  flet WHERE $bbox", "flet"),
        ("SELECT $bbox, foo(id) FROM fleet", "foo"),
        ("SELECT $bbx", "$bbx"),
    ):
        ran(console, text)
        assert "role='alert'" in console._error.value
        assert text[slice(*console.editor.error)] == wrong
        line = text[: text.index(wrong)].count("\n") + 1
        assert f"Line {line}," in plain(console._error.value)
        assert len(console.result) == 3
    ran(console, "SELECT id FROM fleet LIMIT 2")
    assert console._error.value == ""
    assert console.editor.error == []
    console.close()


def test_what_the_server_says_is_escaped(watched):
    watched.trouble = Unreachable(HOSTILE)
    console = ran(HiveConsole(watched), "SELECT 1")
    assert HOSTILE not in console._error.value
    assert "&lt;img" in console._error.value
    watched.trouble = None
    ran(console, f"SELECT lon, lat, '{'<img src=x onerror=alert(1)>'}' AS `<b>` FROM fleet LIMIT 3")
    console.view.points = Points(np.zeros(1), np.zeros(1), np.zeros(1), HOSTILE, {0: HOSTILE})
    from datavore_widgets.widgets.points_layer import _legend

    assert "<img" not in _legend(console.view.points, "tab20", 1)
    console.close()


def test_a_browser_may_set_the_text_and_nothing_else(engine):
    console = HiveConsole(engine)
    typed(console, "SELECT 2")
    console.editor.set_state({"text": "SELECT 3", "tables": [{"name": HOSTILE}], "error": [0, 5], "_esm": "alert(1)"})
    assert console.editor.text == "SELECT 2"
    assert console.editor.tables[0]["name"] == "fleet"
    assert console.editor.error == []
    for bad in (5, None, ["x"], "x" * 200_000):
        typed(console, bad)
    for number in (None, 0, -1, 2**60, "2", 1.5):
        console.editor._heard(None, {"text": "SELECT 4", "number": number}, [])
    assert (console.editor.text, console.editor.heard) == ("SELECT 2", 1)
    with pytest.raises(TraitError):
        console.editor.text = "x" * 200_000
    console.table.set_state({"count": 5, "columns": []})
    assert console.table.count == 0
    console.editor._heard(None, {"run": "SELECT 1"}, [])
    assert len(console.history) == 0
    console.close()


def test_the_tables_are_listed_and_a_first_query_is_offered(engine):
    console = HiveConsole(engine)
    (table,) = console.editor.tables
    assert table["name"] == "fleet"
    assert {"name": "sst", "type": "double"} in table["columns"]
    assert "FROM fleet" in console.editor.text
    assert len(ran(console, console.editor.text).result) == 8000
    console.close()


def test_points_come_with_places_and_go_without(engine, rows):
    view = View()
    console = ran(HiveConsole(engine, view), "SELECT lon, lat, sst, id, time FROM fleet")
    assert view.points.name == "sst"
    np.testing.assert_array_equal(view.points.lon, rows["lon"])
    assert [label for label, _ in console.colour.options] == ["off", "one colour", "sst", "id", "time"]
    console.colour.label = "time"
    assert view.points.are_times
    ran(console, "SELECT lon, lat, time FROM fleet WHERE id = 1")
    assert console.colour.label == "time"
    console.colour.label = "off"
    assert view.points is None
    console.colour.label = "one colour"
    assert view.points.values is None
    ran(console, "SELECT id FROM fleet")
    assert view.points is None
    console.close()


def test_the_chart_draws_a_line_a_drifter_and_dots_for_many(engine, rows):
    console = ran(HiveConsole(engine), "SELECT time, lon, lat, sst FROM fleet WHERE id = 7")
    console.shown.value = "Chart"
    one = rows[rows["id"] == 7]
    mark = console.chart.plot.marks[0]
    assert mark.visible
    np.testing.assert_array_equal(np.asarray(mark.y)[:10], one["sst"].to_numpy()[:10])
    ran(console, "SELECT time, sst FROM fleet")
    assert not mark.visible
    assert console.chart.plot.dots[0].visible
    assert np.asarray(console.chart.plot.dots[0].y).size == 2000
    ran(console, "SELECT id FROM fleet")
    assert "needs a column of times" in plain(console.chart._empty.value)
    console.close()


def test_history_is_kept_for_the_session(engine):
    console = HiveConsole(engine)
    for text in ("SELECT 1", "SELECT 2", "SELECT 1"):
        ran(console, text)
    assert [past.typed for past in console.history] == ["SELECT 1", "SELECT 2"]
    assert console.past.label == "History (2)"
    console.past.value = 1
    assert console.editor.text == "SELECT 2"
    assert console.past.label == "History (2)"
    console.close()


def test_an_earlier_query_comes_back_also_where_the_kernel_has_not_heard_of_a_newer_text(engine):
    console = ran(HiveConsole(engine), "SELECT 1")
    sent: list[Any] = []
    console.editor.comm.send = lambda data=None, **_: sent.append(data)  # what leaves for the browser
    assert console.editor.text == "SELECT 1"
    console.past.value = 0
    assert {"method": "custom", "content": {"text": "SELECT 1"}} in sent
    console.close()


def test_a_statement_without_rows_and_an_answer_without_any(fleet):
    with TableService({"fleet": fleet}, writable=True) as service:
        console = ran(HiveConsole(service), "CREATE TABLE warm AS SELECT * FROM fleet WHERE sst > 25")
        assert plain(console._status.value).startswith("done")
        assert [table["name"] for table in console.editor.tables] == ["fleet", "warm"]
        assert console.csv.disabled
        ran(console, "SELECT lon, lat, time, sst FROM warm WHERE sst < 0")
        assert console.table.note == "No rows"
        assert console.view.points is None
        ran(console, "SELECT id FROM warm")
        console.close()


def test_fewer_rows_than_there_are_is_said(engine):
    console = ran(HiveConsole(engine, most_rows=100), "SELECT id FROM fleet")
    assert len(console.result) == 100
    assert console.table.note == "Only the first 100 rows were fetched; the query has more."
    console.close()
    with pytest.raises(InvalidValue, match="most_rows"):
        HiveConsole(engine, most_rows=0)


def test_following_asks_anew_only_when_the_values_change(watched):
    async def follow() -> None:
        view = View(bbox=[0, -40, 60, 40])
        console = HiveConsole(watched, view)
        await until(lambda: console._schema_pump.is_idle)
        ran(console, "SELECT lon, lat FROM fleet WHERE $bbox")
        await until(lambda: console.pump.is_idle)
        view.bbox = [60, -40, 120, 40]
        await until(lambda: console.pump.is_idle)
        assert len(watched.asked) == 1, "nobody asked to be followed"
        console.follow.value = True
        await until(lambda: console.pump.is_idle)
        assert len(watched.asked) == 2
        watched.open.clear()
        for west in range(0, 100, 5):
            view.bbox = [west, -40, west + 30, 40]
        view.date = "2012-03-01"
        watched.open.set()
        await until(lambda: console.pump.is_idle)
        assert len(watched.asked) <= 4, "the newest wish wins"
        lon = console.result.numbers(0)
        assert lon.size
        assert lon.min() >= 95
        assert lon.max() <= 125
        typed(console, "SELECT half a")
        view.bbox = [0, 0, 90, 40]
        await until(lambda: console.pump.is_idle)
        assert console._error.value == "", "what is half typed is not run"
        assert console.result.numbers(0).max() <= 90
        console.close()

    asyncio.run(follow())


def test_cancelling_ends_a_long_query_at_once(engine):
    async def cancel() -> None:
        console = HiveConsole(engine)
        await until(lambda: console._schema_pump.is_idle)
        ran(console, "SELECT count(*) FROM fleet a, fleet b, fleet c WHERE a.sst * b.sst > c.sst")
        await until(lambda: "dv-is-running" in console._dom_classes)
        assert "running" in console._status.value
        assert "<progress" in console._bar.value
        assert not console.cancel_button.disabled
        console.cancel_button.click()
        assert console.pump.is_idle
        assert "cancelled after" in console._status.value
        assert "dv-is-running" not in console._dom_classes
        assert console._bar.value == ""
        await until(lambda: not any(t.name == "datavore-pump" for t in threading.enumerate()))
        ran(console, "SELECT 1 AS one")
        await until(lambda: len(console.result) == 1)
        console.close()

    asyncio.run(cancel())


def test_a_newer_query_does_not_wait_for_a_long_one(watched):
    async def overtake() -> None:
        console = HiveConsole(watched)
        await until(lambda: console._schema_pump.is_idle)
        watched.open.clear()
        ran(console, "SELECT 1 AS one")
        ran(console, "SELECT 2 AS two")
        await until(lambda: len(watched.asked) == 2)  # the first one was given up, not answered
        watched.open.set()
        await until(lambda: console.pump.is_idle)
        assert console.result.rows(0, 1) == [["2"]]
        assert [past.typed for past in console.history] == ["SELECT 2 AS two"]
        console.close()

    asyncio.run(overtake())


def test_a_closed_console_leaves_nothing_behind(engine):
    import ipywidgets
    from ipywidgets.widgets.widget import _instances

    before = set(_instances)
    view = View()
    console = ran(HiveConsole(engine, view), "SELECT lon, lat, sst, time FROM fleet")
    console.shown.value = "Chart"
    console.shown.value = "Map"
    console.close()
    left = [_instances[key] for key in set(_instances) - before]
    assert [type(widget).__name__ for widget in left if not isinstance(widget, ipywidgets.Layout)] == []
    assert view.points is None
    view.bbox = [0, 0, 1, 1]


def test_datahive_is_a_client(fleet):
    console = ran(HiveConsole(Datahive({"fleet": fleet})), "SELECT count(*) AS n FROM fleet")
    assert console.result.rows(0, 1) == [["8000"]]
    console.close()
    assert Datahive({"fleet": fleet}).answer(SchemaQuery()).tables.keys() == {"fleet"}


# In the explorer


def test_the_console_is_absent_unless_asked_for(engine):
    plain_explorer = explore(fields.field(times=4))
    assert plain_explorer.console is None
    assert all(type(part).__name__ != "HiveConsole" for part in plain_explorer.parts)
    plain_explorer.close()


def test_a_tab_of_the_explorer_draws_on_its_map(engine, rows):
    explorer = explore(fields.field(times=4), console=engine, cmap="viridis")
    assert explorer.console not in explorer.deck.children
    explorer.deck.buttons.value = "HiveQL"
    assert explorer.console in explorer.deck.children
    assert "dv-hidden" in explorer.chart._dom_classes
    leaflet = explorer.map
    state = {"west": -180.0, "south": -60.0, "east": 180.0, "north": 60.0}
    leaflet.map.set_state({"left": 0.0, "top": 0.0, "right": 900.0, "bottom": 450.0, **state})
    ran(explorer.console, "SELECT lon, lat, sst FROM fleet WHERE $bbox")
    assert explorer.console.map is None
    assert leaflet.points.overlay in leaflet.map.layers
    inside = explorer.view.viewport.contains(rows["lon"], rows["lat"])
    assert len(explorer.console.result) == int(inside.sum())
    assert "data-cmap='viridis'" in leaflet.points.legend.value
    explorer.view.cmap = "jet"
    assert "data-cmap='jet'" in leaflet.points.legend.value
    explorer.console.colour.value = "off"
    assert leaflet.points.overlay not in leaflet.map.layers
    explorer.deck.buttons.value = "Series"
    assert "dv-hidden" in explorer.console._dom_classes
    explorer.close()
