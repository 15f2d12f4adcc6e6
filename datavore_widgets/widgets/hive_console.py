"""The console: queries in HiveQL, their rows as a table, a chart and points on the map."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import ipywidgets
import numpy as np

from datavore_widgets.connect_sql import connect_sql
from datavore_widgets.errors import DatavoreError, InvalidValue
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.sql import Schema, SchemaQuery, SqlJob, SqlQuery, SqlService
from datavore_widgets.widgets.desk import sentence
from datavore_widgets.widgets.download import DownloadButton
from datavore_widgets.widgets.panel import ViewPanel
from datavore_widgets.widgets.point_picture import Points
from datavore_widgets.widgets.points_map import PointsMap
from datavore_widgets.widgets.pump import Pump
from datavore_widgets.widgets.query_editor import QueryEditor
from datavore_widgets.widgets.query_text import Bound, bind, is_bound, ordered, span_of_error
from datavore_widgets.widgets.result import Result, collect
from datavore_widgets.widgets.result_chart import ResultChart
from datavore_widgets.widgets.result_table import ResultTable
from datavore_widgets.widgets.text import escape, thousands
from datavore_widgets.widgets.view import View

__all__ = ["HiveConsole"]

log = logging.getLogger(__name__)

_PATIENCE = 0.5  # seconds that a query goes on when a newer one waits
_TICK = 0.25  # seconds between two words about a query under way
_MOST_KEPT = 50  # queries of the history
_MOST_CLASSES = 20
_ONE_COLOUR = "one colour"
_FOLLOWED = ["bbox", "viewport", "date", "datelaps"]


@dataclass(frozen=True)
class _Wish:
    """A query to be run; two of the same words and values are the same wish."""

    query: SqlQuery
    typed: str = field(compare=False)
    bound: Bound = field(compare=False)
    order: tuple[str, bool] | None = field(compare=False, default=None)


@dataclass(frozen=True)
class _Past:
    typed: str
    told: str


class HiveConsole(ViewPanel):
    """Asks in HiveQL, and shows the rows.

    `$bbox`, `$datelaps`, `$date` and the other words of `query_text.PLACEHOLDERS` in a query are typed parameters bound
    to the view; with *follow*, the query is run again when the view changes them. Columns named `lon` and `lat` put the
    rows on the view's map, or on one of the console's own where there is none.

    Whoever sees the console can run any query that the client may: it has no place in a public app.

    Parameters
    ----------
    client : optional
        `HiveService`, `TableService` or anything else with `answer(SqlQuery)`; `Datahive`; or what `TableService`
        takes: a Parquet or CSV file, a folder of them; None: the sample, a table `fleet` of synthetic drifters.
    view : View, optional
        What is looked at; None: a new one.
    text : str
        The first query.
    database : str
        That table names without one belong to.
    queue : str, optional
        Of the cluster.
    most_rows : int
        As many rows are fetched; the console says so where the query has more.

    Examples
    --------
    >>> console = HiveConsole(text="SELECT * FROM fleet WHERE $bbox")  # doctest: +SKIP
    >>> console.run()  # doctest: +SKIP
    >>> console.frame().describe()  # doctest: +SKIP
    """

    name = "hive-console"

    def __init__(
        self,
        client: Any = None,
        view: View | None = None,
        *,
        text: str = "",
        database: str = "default",
        queue: str | None = None,
        most_rows: int = 5_000_000,
    ) -> None:
        view = View() if view is None else view
        super().__init__(view, None if view.desk is None else view.desk.sheet)
        if isinstance(most_rows, bool) or not isinstance(most_rows, int) or most_rows < 1:
            raise InvalidValue(f"most_rows is a number of rows from 1 on, not {most_rows!r}")
        self._database, self._queue, self._most_rows = database, queue, most_rows
        self._spec = client
        self._service: SqlService | None = None
        self.result = Result()
        self.history: list[_Past] = []
        self._shown: _Wish | None = None
        self._began = 0.0
        self._rows = 0
        self._part = 0.0
        self._line = ""
        self._quiet = False

        self._make_controls()
        self.editor = QueryEditor(self.run)
        self.editor.text = text
        self.table = ResultTable(self._sort)
        self.table.note = "The rows of a query appear here"
        self.chart = ResultChart(view, self._sheet)
        self.map: PointsMap | None = None
        self._lay_out()

        self.pump: Pump[_Wish, Result] = Pump(
            self._work,
            show=self._show,
            fail=self._fail,
            busy=self._busy,
            progress=self._report,
            patience=_PATIENCE,
            job=self._new_job,
        )
        self._schema_pump: Pump[SchemaQuery, Schema] = Pump(
            self._ask_schema, show=lambda _wish, schema: self._list(schema), fail=self._no_schema
        )
        self.watch(view, _FOLLOWED, self._follow)
        self.watch(self.editor, "text", self._edited)
        self._schema_pump.submit(SchemaQuery(database))
        self._tell("Ctrl-Enter runs the query")
        self._tell_bound()

    # What it is made of

    def _make_controls(self) -> None:
        self.run_button = _button("Run", "play", "Run the query (Ctrl-Enter in the editor)", self.run)
        self.run_button.add_class("dv-run")
        self.cancel_button = _button("Cancel", "stop", "Give up the query under way", self.cancel)
        self.cancel_button.disabled = True
        self.follow = ipywidgets.ToggleButton(
            description="Follow",
            icon="link",
            tooltip="Run again whenever the view changes what $bbox, $date and the like stand for",
        )
        self.past = ipywidgets.Dropdown(options=[("History", -1)], tooltip="Queries of this session")
        self.past.add_class("dv-history")
        self._status = ipywidgets.HTML()
        self._status.add_class("dv-query-status")
        self._bar = ipywidgets.HTML()
        self._bar.add_class("dv-query-progress")
        self._error = ipywidgets.HTML()
        self._error.add_class("dv-query-error")
        self._bound = ipywidgets.HTML()
        self._bound.add_class("dv-query-bound")

        self.shown = ipywidgets.ToggleButtons(options=["Table", "Chart"], tooltips=["The rows", "A column over time"])
        self.shown.add_class("dv-tabs")
        self.value = ipywidgets.Dropdown(description="Value", options=[], tooltip="The column of the chart")
        self.value.add_class("dv-of-chart")
        self.colour = ipywidgets.Dropdown(
            description="Points", options=[], tooltip="What colours the points on the map"
        )
        self.colour.add_class("dv-of-map")
        self.csv = DownloadButton("CSV", "Save all rows as text", lambda: ("query.csv", self.result.csv()))
        self.parquet = DownloadButton(
            "Parquet", "Save all rows, small", lambda: ("query.parquet", self.result.parquet())
        )
        for saving in (self.csv, self.parquet):
            saving.disabled = True
        for control in (self.value, self.colour):
            control.style.description_width = "auto"
        self.watch(self.follow, "value", self._follow)
        self.watch(self.past, "value", self._recall)
        self.watch(self.shown, "value", self._turn)
        self.watch(self.value, "value", self._draw_chart)
        self.watch(self.colour, "value", self._put_points)

    def _lay_out(self) -> None:
        tools = ipywidgets.HBox([self.run_button, self.cancel_button, self.follow, self.past, self._status])
        tools.add_class("dv-query-tools")
        writing = ipywidgets.VBox([self.editor, self._error, self._bound])
        writing.add_class("dv-query-writing")
        heads = ipywidgets.HBox([self.shown, self.value, self.colour, self.csv, self.parquet])
        heads.add_class("dv-result-tools")
        self._stage = ipywidgets.Box()
        self._stage.add_class("dv-result-stage")
        reading = ipywidgets.VBox([heads, self._stage])
        reading.add_class("dv-result")
        body = ipywidgets.Box([writing, reading])
        body.add_class("dv-console-body")
        self.fill([tools, self._bar, body])
        self.layout.height = "640px"
        self._turn()
        self._offer()

    # The tables

    def _answer(self, query: Any, job: Job) -> Any:
        """From a thread of a pump; the service is made at the first question."""
        if self._service is None:
            self._service = connect_sql(self._spec)
        return self._service.answer(query, job)

    def _ask_schema(self, query: SchemaQuery, job: Job) -> Schema:
        schema: Schema = self._answer(query, job)
        return schema

    def _list(self, schema: Schema) -> None:
        self.editor.note = "" if schema.tables else "There are no tables"
        self.editor.list_tables(schema)
        if not self.editor.text and schema.tables:
            self.editor.text = _first_query(schema)

    def _no_schema(self, _query: SchemaQuery, error: Exception) -> None:
        if not isinstance(error, DatavoreError):
            log.error("the tables could not be listed", exc_info=error)
        self.editor.note = f"The tables could not be listed: {sentence(error)}"

    # What is asked

    def run(self) -> None:
        """Run what is in the editor, also when it was just run."""
        self.pump.forget()
        self._submit(self.editor.text)

    def cancel(self) -> None:
        """Give up the query under way; its rows so far are dropped."""
        if not self.pump.is_idle:
            self.pump.cancel()
            self._tell(f"cancelled after {_duration(self._elapsed())}")

    def frame(self) -> Any:
        """All rows of the result as a DataFrame."""
        return self.result.frame()

    def _submit(self, typed: str, order: tuple[str, bool] | None = None) -> None:
        """Wish for the rows of a query, in the order of one of its columns."""
        bound = Bound(typed)
        try:
            bound = bind(typed, self.view)
            text = bound.text if order is None else ordered(bound.text, *order)
            query = SqlQuery(text, bound.parameters, self._database, self._queue)
        except DatavoreError as error:
            self._complain(error, bound, typed)
            return
        if self.pump.is_idle:
            self._began, self._part = time.monotonic(), 0.0
        self.pump.submit(_Wish(query, typed, bound, order))

    def _sort(self, column: int) -> None:
        """The next order of a column: rising, falling, the query's own."""
        shown = self._shown
        if shown is None:
            return
        name = self.result.columns[column].name
        descending = shown.order is not None and shown.order[0] == name and not shown.order[1]
        is_last = shown.order == (name, True)
        self._submit(shown.typed, None if is_last else (name, descending))

    def _follow(self, _change: Any = None) -> None:
        """The view has changed, or is to be followed from now on: the rows that are shown are asked anew."""
        self._tell_bound()
        if not self.follow.value:
            return
        typed, order = (self.editor.text, None) if self._shown is None else (self._shown.typed, self._shown.order)
        if is_bound(typed):
            self._submit(typed, order)

    def _edited(self, _change: Any = None) -> None:
        self.editor.error = []
        self._tell_bound()

    def _tell_bound(self) -> None:
        """Say what the words after a `$` stand for now."""
        self.mark("dv-can-follow", is_bound(self.editor.text))
        try:
            meaning = bind(self.editor.text, self.view).meaning
        except DatavoreError:
            meaning = ()
        items = (f"<span><code>{escape(word)}</code> {escape(told)}</span>" for word, told in meaning)
        self._bound.value = "".join(items)

    # While it runs

    def _new_job(self, on_progress: Callable[[int, int], None]) -> SqlJob:
        return SqlJob(on_progress, self._hear)

    def _hear(self, line: str) -> None:
        """A line of the server's log, from the working thread: a plain assignment, shown at the next tick."""
        self._line = line.strip()[:160]

    def _work(self, wish: _Wish, job: Job) -> Result:
        self._rows, self._line = 0, ""
        table = self._answer(wish.query, job)

        def count(rows: int) -> None:
            job.check()
            self._rows = rows

        return collect(table, self._most_rows, count)

    def _report(self, done: int, total: int) -> None:
        self._part = done / total if total else 0.0

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _busy(self, on: bool) -> None:
        self.cancel_button.disabled = not on
        self.mark("dv-is-running", on)
        if on:
            self._tick()
        else:
            self._bar.value = ""

    def _tick(self) -> None:
        if self.cancel_button.disabled or not self._is_open:
            return
        rows = f" · {thousands(self._rows)} rows so far" if self._rows else ""
        line = f" · {self._line}" if self._line else ""
        self._tell(f"running · {self._elapsed():.1f} s{rows}{line}")
        # Of an engine that tells no part, the bar runs to and fro.
        part = f" value='{self._part:.3f}'" if self._part else ""
        self._bar.value = f"<progress aria-label='Query under way' max='1'{part}></progress>"
        asyncio.get_running_loop().call_later(_TICK, self._tick)

    def _tell(self, text: str) -> None:
        self._status.value = f"<div role='status'>{escape(text)}</div>"

    # What comes of it

    def _show(self, wish: _Wish, result: Result) -> None:
        self._shown, self.result = wish, result
        self._error.value = ""
        self.editor.error = []
        took = _duration(self.pump.elapsed)
        rows = f"{thousands(len(result))} row{'' if len(result) == 1 else 's'}"
        told = f"{rows} · {took}" if result.columns else f"done · {took}"
        if not result.is_whole:
            self.table.note = f"Only the first {rows} were fetched; the query has more."
        else:
            self.table.note = "No rows" if result.columns and not len(result) else ""
        order = None
        if wish.order is not None:
            names = [column.name for column in result.columns]
            order = (names.index(wish.order[0]), wish.order[1]) if wish.order[0] in names else None
        self.table.show(result, order)
        for saving in (self.csv, self.parquet):
            saving.disabled = not result.columns
        self._offer()
        self._tell(told)
        self._remember(_Past(wish.typed, told))
        if not result.columns:  # it may have made a table
            self._schema_pump.forget()
            self._schema_pump.submit(SchemaQuery(self._database))

    def _fail(self, wish: _Wish, error: Exception) -> None:
        if not isinstance(error, DatavoreError):
            log.error("the query could not be answered", exc_info=error)
        self._tell(f"failed after {_duration(self.pump.elapsed)}")
        self._complain(error, wish.bound if wish.order is None else Bound(""), wish.typed)

    def _complain(self, error: Exception, bound: Bound, typed: str) -> None:
        span = span_of_error(bound, typed, error) if typed == self.editor.text else None
        self.editor.error = [] if span is None else list(span)
        where = ""
        if span is not None:
            before = typed[: span[0]]
            where = f"<b>Line {before.count(chr(10)) + 1}, column {span[0] - before.rfind(chr(10))}:</b> "
        self._error.value = f"<div role='alert'>{where}{escape(sentence(error))}</div>"

    def _remember(self, past: _Past) -> None:
        self.history = [past, *(other for other in self.history if other.typed != past.typed)][:_MOST_KEPT]
        self._quiet = True
        self.past.options = [
            (f"History ({len(self.history)})", -1),
            *(
                (f"{' '.join(item.typed.split())[:90]}   ({item.told})", number)
                for number, item in enumerate(self.history)
            ),
        ]
        self.past.value = -1
        self._quiet = False

    def _recall(self, change: Any) -> None:
        number = change["new"]
        if self._quiet or number is None or number < 0:
            return
        self.editor.write(self.history[number].typed)
        self._quiet = True
        self.past.value = -1
        self._quiet = False

    # Chart and map

    def _offer(self) -> None:
        """The columns that the chart and the map can show; what was chosen stays if it is still there."""
        result = self.result
        if not result.columns:
            return
        names = [column.name for column in result.columns]
        self._quiet = True
        _choose_from(self.value, [(names[n], n) for n in result.quantities], result.main)
        colours: list[tuple[str, Any]] = [("off", "off"), (_ONE_COLOUR, _ONE_COLOUR)]
        colours += [(names[n], n) for n in result.colours]
        _choose_from(self.colour, colours, _ONE_COLOUR if result.main is None else result.main)
        self._quiet = False
        self.mark("dv-has-times", bool(result.times and result.quantities))
        self.mark("dv-has-places", result.has_places)
        self._put_points()
        self._draw_chart()

    def _draw_chart(self, _change: Any = None) -> None:
        if not self._quiet and self.shown.value == "Chart":
            self.chart.show(self.result, self.value.value)

    def _put_points(self, _change: Any = None) -> None:
        if self._quiet:
            return
        if not self.result.has_places or self.colour.value == "off":
            if self.view.points is not None and self._shown is not None:
                self.view.points = None
            return
        self.view.points = _points(self.result, self.colour.value)
        desk = self.view.desk
        if self.map is None and (desk is None or desk.film is None):
            self.map = PointsMap(self.view, self._sheet)
            self.shown.options = ["Table", "Chart", "Map"]
            self._turn()

    def _turn(self, _change: Any = None) -> None:
        """Show the table, the chart or the map."""
        parts = {"Table": self.table, "Chart": self.chart, "Map": self.map}
        for word in parts:
            self.mark(f"dv-shows-{word.lower()}", self.shown.value == word)
        part = parts[self.shown.value]
        if part is not None and part not in self._stage.children:
            # Not before it is to be seen: figures and maps come out wrong where they have no size.
            self._stage.children = (*self._stage.children, part)
        self._draw_chart()

    def release(self) -> None:
        """Cancel what is under way, and take the points off the map."""
        self.pump.close()
        self._schema_pump.close()
        self.table.close()
        self.chart.close()
        if self.map is not None:
            self.map.close()
        if self._shown is not None:
            self.view.points = None


def _button(label: str, icon: str, tooltip: str, do: Callable[[], None]) -> ipywidgets.Button:
    made = ipywidgets.Button(description=label, icon=icon, tooltip=tooltip)
    made.on_click(lambda _button: do())
    return made


def _choose_from(control: ipywidgets.Dropdown, options: list[tuple[str, Any]], usual: Any) -> None:
    """Give a drop-down other options; what was chosen stays chosen if it is among them, by its name."""
    before = control.label
    chosen = next((value for label, value in options if label == before), usual)
    control.options = options
    control.value = chosen if options else None


def _duration(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _first_query(schema: Schema) -> str:
    """A query that shows what there is: where the rows are, if they have places."""
    table, columns = next(iter(schema.tables.items()))
    names = {column.name.lower() for column in columns}
    where = "WHERE $bbox\n" if {"lon", "lat"} <= names else ""
    return f"SELECT *\nFROM {table}\n{where}LIMIT 10000"


def _points(result: Result, colour: Any) -> Points:
    if result.lon is None or result.lat is None:
        raise InvalidValue("the rows have no places")
    lon, lat = result.numbers(result.lon), result.numbers(result.lat)
    if colour == _ONE_COLOUR:
        return Points(lon, lat)
    name = result.columns[colour].name
    if colour in result.times or result.is_number(colour):
        return Points(lon, lat, result.numbers(colour), name, are_times=colour in result.times)
    codes, words = result.words(colour)
    if len(words) > _MOST_CLASSES:
        codes = np.minimum(codes, _MOST_CLASSES - 1)
        words = [*words[: _MOST_CLASSES - 1], f"{thousands(len(words) - _MOST_CLASSES + 1)} others"]
    values = np.where(codes < 0, np.nan, codes.astype(np.float64))
    return Points(lon, lat, values, name, dict(enumerate(words)))
