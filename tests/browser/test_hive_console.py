"""The console as a person uses it: a query typed, run, cancelled, drawn on the map, followed by the box, exported."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from desk import ExplorerDesk, Ground
from hive_server import HiveServer, needed
from notebook_file import notebook_of
from playwright.sync_api import Page, expect

from datavore_widgets.client.hive import HiveService
from datavore_widgets.protocol.colormap import Norm, palette
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.sql import SqlQuery
from datavore_widgets.service.fleet import fleet_path
from datavore_widgets.widgets.point_picture import LEVELS, PERCENTILES

TAB = "from datavore_widgets import explore\nexplore(console=True)"
ALONE = "from datavore_widgets import HiveConsole\nHiveConsole()"


@pytest.fixture(scope="session")
def fleet(_own_cache: None) -> pd.DataFrame:
    """All rows of the sample table, read by DuckDB alone."""
    return duckdb.sql(f"SELECT * FROM read_parquet('{fleet_path()}/*/*.parquet', hive_partitioning = true)").df()


class Console:
    """The console on a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.text = page.locator(".dv-query-text")
        self.status = page.locator(".dv-query-status")
        self.error = page.locator(".dv-query-error")
        self.scroll = page.locator(".dv-table-scroll")
        self.rows = page.locator(".dv-table-body > .dv-table-row")
        self.follow = page.get_by_role("button", name="Follow")

    def type(self, text: str) -> None:
        """Type a query in the place of the one that is there."""
        self.text.click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.press("Delete")
        for number, line in enumerate(text.split("\n")):
            if number:
                self.page.keyboard.press("Shift+Enter")  # a new line that is not indented as the one above
            self.page.keyboard.type(line)
        expect(self.text).to_have_value(text)

    def run(self, text: str, rows: int | None = None) -> None:
        """Type a query, press Ctrl-Enter, and wait for its rows."""
        self.type(text)
        self.page.keyboard.press("Control+Enter")
        if rows is not None:
            self.has(rows)

    def has(self, rows: int) -> None:
        """Wait until so many rows are told of and shown."""
        word = f"{rows:,}".replace(",", "\u202f")
        expect(self.status).to_have_text(re.compile(rf"^{word} rows? · "), timeout=30_000)
        expect(self.scroll).to_have_attribute("aria-rowcount", str(rows + 1))

    def line(self, number: int) -> list[str]:
        """The cells of a row, counted from 1, when it is in view and its values have come."""
        row = self.page.locator(f".dv-table-body > [aria-rowindex='{number + 1}']")
        expect(row.locator("[role=gridcell]").first).not_to_be_empty()
        return row.locator("[role=gridcell]").all_inner_texts()

    def head(self, name: str) -> None:
        """Press the head of a column."""
        self.page.locator(".dv-column", has=self.page.get_by_text(name, exact=True)).click()

    def saved(self, name: str, folder: Path) -> Path:
        """What a button saves."""
        with self.page.expect_download() as saving:
            self.page.locator(".dv-result-tools").get_by_role("button", name=name).click()
        path = folder / saving.value.suggested_filename
        saving.value.save_as(path)
        return path


@pytest.fixture
def console(page: Page, start_cell: Callable[[str], str], fleet: pd.DataFrame) -> Console:
    """The console alone."""
    page.goto(start_cell(ALONE))
    expect(page.locator(".dv-tables")).to_contain_text("fleet", timeout=60_000)
    return Console(page)


@pytest.fixture
def tab(page: Page, start_cell: Callable[[str], str], fleet: pd.DataFrame) -> tuple[ExplorerDesk, Console]:
    """The console as a tab of the explorer."""
    return open_tab(page, start_cell(TAB))


def open_tab(page: Page, url: str) -> tuple[ExplorerDesk, Console]:
    """The explorer of a page, turned to the tab of the console."""
    page.goto(url)
    desk = ExplorerDesk(page)
    desk.wait()
    before = desk.picture()[1]
    page.locator(".dv-facts").get_by_role("button", name="HiveQL").click()
    expect(page.locator(".dv-tables")).to_contain_text("fleet", timeout=60_000)
    # The map is lower now: what is drawn on it before the kernel knows would be another box.
    desk.until(lambda: desk.picture()[1] != before, "the picture of the lower map")
    return desk, Console(page)


def test_a_million_rows_are_scrolled_sorted_and_saved(
    console: Console, fleet: pd.DataFrame, tmp_path: Path, screenshot: Callable[[str], Path]
) -> None:
    console.run("SELECT id, time, lon, sst FROM fleet", len(fleet))
    assert console.rows.count() < 80, "only what is seen is on the page"
    first = fleet.iloc[0]
    assert console.line(1) == [str(first["id"]), str(first["time"]), repr(float(first["lon"])), str(first["sst"])]

    console.scroll.focus()
    console.page.keyboard.press("End")
    last = fleet.iloc[-1]
    assert console.line(len(fleet))[0] == str(last["id"])
    console.page.keyboard.press("PageUp")
    assert console.rows.count() < 80

    # By the bar: half-way down is the middle of the table.
    console.scroll.evaluate("e => { e.scrollTop = (e.scrollHeight - e.clientHeight) / 2; }")
    middle = len(fleet) // 2
    assert console.line(middle)[1] == str(fleet.iloc[middle - 1]["time"])
    screenshot("middle")

    # The order is the engine's work.
    console.head("sst")
    expect(console.page.locator("[aria-sort=ascending]")).to_contain_text("sst", timeout=30_000)
    assert console.line(1)[3] == "NULL"  # as Hive has it: NULL comes first
    console.head("sst")
    expect(console.page.locator("[aria-sort=descending]")).to_contain_text("sst", timeout=30_000)
    largest = np.sort(fleet["sst"].dropna())[::-1]
    assert [float(console.line(n)[3]) for n in (1, 2, 3)] == largest[:3].tolist()

    saved = pd.read_parquet(console.saved("Parquet", tmp_path))
    np.testing.assert_array_equal(saved["sst"].dropna(), largest)
    text = pd.read_csv(console.saved("CSV", tmp_path), parse_dates=["time"])
    assert len(text) == len(fleet)
    np.testing.assert_array_equal(text["sst"].dropna(), largest)
    assert text["time"].min() == fleet["time"].min()


def test_a_long_query_is_cancelled(console: Console, screenshot: Callable[[str], Path]) -> None:
    console.run("SELECT count(*) FROM fleet a JOIN fleet b ON a.year = b.year WHERE a.sst * b.sst > 3")
    expect(console.status).to_contain_text("running · ")
    expect(console.page.get_by_role("progressbar", name="Query under way")).to_be_attached()
    screenshot("running")
    console.page.get_by_role("button", name="Cancel").click()
    expect(console.status).to_contain_text("cancelled after", timeout=2_000)
    console.run("SELECT 40 + 2 AS answer", 1)
    assert console.line(1) == ["42"]


def test_errors_stand_where_they_are_and_text_stays_text(console: Console, screenshot: Callable[[str], Path]) -> None:
    console.run("SELECT id,\n  sstt\nFROM fleet")
    expect(console.error).to_contain_text("Line 2, column 3")
    expect(console.page.locator(".dv-q-wrong")).to_have_text("sstt")
    expect(console.page.locator(".dv-wrong-line")).to_have_text("2\n")
    screenshot("error")
    console.page.keyboard.press("End")
    console.page.keyboard.type(" ")
    expect(console.page.locator(".dv-q-wrong")).to_have_count(0)

    hostile = "<img src=x onerror='window.caught=1'>"
    console.run(f'SELECT "{hostile}" AS `<b>x</b>`, id, lon, lat FROM fleet LIMIT 3', 3)
    assert console.line(1)[0] == hostile
    expect(console.page.locator(".dv-column-name").first).to_have_text("<b>x</b>")
    expect(console.error).to_be_empty()
    console.page.locator(".dv-of-map select").select_option(label="<b>x</b>")
    console.page.locator(".dv-result .dv-tabs").get_by_role("button", name="Map").click()
    expect(console.page.locator(".dv-points-legend")).to_contain_text(hostile)
    expect(console.page.locator(".dv-history option").nth(1)).to_contain_text(hostile)
    assert console.page.evaluate("window.caught") is None


def test_the_editor_by_keyboard(console: Console) -> None:
    page = console.page
    console.type("")
    page.keyboard.type("SEL")
    expect(page.locator(".dv-completion[aria-selected=true]")).to_contain_text("SELECT")
    page.keyboard.press("Tab")
    page.keyboard.type(" fleet.ss")
    expect(page.locator(".dv-completion-word")).to_have_text(["sst", "sss"])
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.type(" FROM fl")
    page.keyboard.press("Tab")
    expect(console.text).to_have_value("SELECT fleet.sss FROM fleet")
    page.keyboard.type(" WHERE '$bb")
    expect(page.locator(".dv-completion:visible")).to_have_count(0)  # nothing is completed inside of text
    for _ in range(4):
        page.keyboard.press("Backspace")
    page.keyboard.type("$bb")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("LIMIT 5")
    expect(console.text).to_have_value("SELECT fleet.sss FROM fleet WHERE $bbox\n  LIMIT 5")
    page.keyboard.press("Control+z")
    expect(console.text).not_to_have_value("SELECT fleet.sss FROM fleet WHERE $bbox\n  LIMIT 5")
    page.keyboard.press("Control+Shift+z")
    page.keyboard.press("Control+Enter")
    console.has(5)
    # A click on a column puts it where the caret is.
    console.type("SELECT")
    page.locator(".dv-name-button", has_text="salinity").or_(page.locator(".dv-name-button", has_text="sst")).click()
    expect(console.text).to_have_value("SELECT sst")
    # The way out for who has no mouse.
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(console.text).not_to_be_focused()
    # And back to an earlier query.
    page.locator(".dv-history select").select_option(index=1)
    expect(console.text).to_have_value("SELECT fleet.sss FROM fleet WHERE $bbox\n  LIMIT 5")


ONE_TIME = "SELECT id, lon, lat, sst FROM fleet\nWHERE $bbox AND time = cast('2012-03-01 06:00:00' AS timestamp)"


def of_one_time(fleet: pd.DataFrame, box: dict[str, float]) -> pd.DataFrame:
    """The rows that `ONE_TIME` gives for a box."""
    day = fleet[fleet["time"] == "2012-03-01 06:00:00"]
    return day[BBox(box["west"], box["south"], box["east"], box["north"]).contains(day["lon"], day["lat"])]


def points_are_right(desk: ExplorerDesk, ground: Ground, rows: pd.DataFrame) -> None:
    """Each point is where it is, in the colour of its value; the last rows lie on top."""
    low, high = np.percentile(rows["sst"].dropna(), PERCENTILES)
    colors = palette("thermal", LEVELS)[Norm(low, high, LEVELS).indices(rows["sst"].to_numpy())]
    desk.until(lambda: desk.page.locator(".leaflet-dv-points-pane img").count() == 1, "the points")
    desk.page.wait_for_timeout(300)  # the picture is decoded
    shot = desk.pixels().astype(int)
    right = looked = 0
    for (lon, lat, sst), color in zip(rows[["lon", "lat", "sst"]].to_numpy(), colors, strict=True):
        x, y = ground.pixel(lon, lat)
        if np.isnan(sst) or not desk.sees(x, y):
            continue
        looked += 1
        spot = shot[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2].reshape(-1, 3)
        right += bool((np.abs(spot - color[:3].astype(int)).sum(axis=1) <= 8).any())
    assert looked >= 20
    assert right >= 0.9 * looked, f"{right} of {looked}"


def test_points_follow_the_box(
    tab: tuple[ExplorerDesk, Console], fleet: pd.DataFrame, screenshot: Callable[[str], Path]
) -> None:
    desk, console = tab
    page = desk.page

    def inside(box: dict[str, float]) -> pd.DataFrame:
        return of_one_time(fleet, box)

    box, ground = desk.draw(0.15, 0.25, 0.5, 0.9)
    console.run(ONE_TIME, len(inside(box)))
    expect(page.locator(".dv-query-bound")).to_contain_text("$bbox")
    page.locator(".dv-of-map select").select_option(label="sst")
    bar = page.locator(".dv-points-legend .dv-bar-colors")
    expect(bar).to_have_attribute("data-cmap", "thermal")
    screenshot("box")

    points_are_right(desk, ground, inside(box))

    # The box moves, and the query with it, over the antimeridian too.
    console.follow.click()
    moved, _ = desk.draw(0.55, 0.2, 0.95, 0.8)
    console.has(len(inside(moved)))
    for name, value in {"west": 150, "south": -40, "east": -140, "north": 30}.items():
        page.locator(f".dv-area-{name} input").fill(str(value))
        page.locator(f".dv-area-{name} input").press("Enter")
    across = {"west": 150.0, "south": -40.0, "east": -140.0, "north": 30.0}
    assert len(inside(across)) > 0
    console.has(len(inside(across)))
    # Without a box, what the map shows counts.
    page.locator(".dv-area .dv-icon-button").click()
    expect(page.locator(".dv-query-bound")).to_contain_text("what the map shows")
    desk.until(lambda: console.status.inner_text().split(" row")[0] != str(len(inside(across))), "more rows")
    screenshot("view")

    # Back to the series: the map keeps its points, and all of its height.
    page.locator(".dv-facts").get_by_role("button", name="Series").click()
    expect(page.locator(".dv-hive-console")).to_be_hidden()
    expect(page.locator(".leaflet-dv-points-pane img")).to_have_count(1)


def test_a_chart_of_one_drifter_and_points_on_a_map_of_its_own(
    console: Console, fleet: pd.DataFrame, screenshot: Callable[[str], Path]
) -> None:
    one = fleet[fleet["id"] == 7]
    console.run("SELECT * FROM fleet WHERE id = 7", len(one))
    tabs = console.page.locator(".dv-result .dv-tabs")
    tabs.get_by_role("button", name="Chart").click()
    console.page.locator(".dv-of-chart select").select_option(label="sss")
    expect(console.page.locator(".dv-result-head")).to_contain_text("sss over time")
    expect(console.page.locator(".dv-result-chart path.line, .dv-result-chart .curve path").first).to_be_attached()
    screenshot("chart")
    tabs.get_by_role("button", name="Map").click()
    expect(console.page.locator(".leaflet-dv-points-pane img")).to_be_attached()
    expect(console.page.locator(".dv-points-legend")).to_contain_text("sst")
    screenshot("map")


@pytest.fixture
def on_hive(
    start_cell: Callable[[str], str], fleet: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A page with the console as a tab, asking a HiveServer2 that has the sample's table → its URL."""
    needed()
    server = HiveServer(tmp_path_factory.mktemp("hive"))
    try:
        made = HiveService("127.0.0.1", server.port, user="tester", password="anything", timeout=120)
        made.answer(SqlQuery(f"CREATE TABLE fleet USING parquet LOCATION '{fleet_path()}'")).close()
        made.answer(SqlQuery("MSCK REPAIR TABLE fleet")).close()
        said = "from datavore_widgets import explore\nfrom datavore_widgets.client.hive import HiveService\n"
        said += f"server = HiveService('127.0.0.1', {server.port}, user='tester', password='anything')\n"
        yield start_cell(said + "explore(console=server)")
    finally:
        server.stop()


def test_on_a_hive_server(on_hive: str, page: Page, fleet: pd.DataFrame, screenshot: Callable[[str], Path]) -> None:
    """The same console before a real HiveServer2: typed, run, cancelled, drawn on the map, followed by the box."""
    desk, console = open_tab(page, on_hive)
    console.run("SELECT year, count(*) AS n FROM fleet GROUP BY year ORDER BY year", fleet["year"].nunique())
    assert console.line(1) == [str(fleet["year"].min()), str((fleet["year"] == fleet["year"].min()).sum())]

    # Half a minute's work, but for a cancel; in small tasks, as Spark's compiled loops look for one only between them.
    # Not hours of it: what is cancelled before Spark has begun may begin all the same, and hold up what comes after.
    console.run("SELECT count(*) AS c FROM range(0, 6000000000, 1, 200) WHERE id * 31 % 7 = 3")
    expect(console.status).to_contain_text("running · ")
    screenshot("running")
    page.get_by_role("button", name="Cancel").click()
    expect(console.status).to_contain_text("cancelled after", timeout=5_000)

    console.run("SELECT id,\n  sstt\nFROM fleet")
    expect(console.error).to_contain_text("Line 2, column 3", timeout=30_000)
    expect(page.locator(".dv-q-wrong")).to_have_text("sstt")

    box, ground = desk.draw(0.15, 0.25, 0.5, 0.9)
    console.run(ONE_TIME, len(of_one_time(fleet, box)))
    page.locator(".dv-of-map select").select_option(label="sst")
    points_are_right(desk, ground, of_one_time(fleet, box))
    console.follow.click()
    moved, _ = desk.draw(0.55, 0.2, 0.95, 0.8)
    assert len(of_one_time(fleet, moved)) != len(of_one_time(fleet, box))
    console.has(len(of_one_time(fleet, moved)))
    points_are_right(desk, ground, of_one_time(fleet, moved))
    screenshot("followed")


def test_the_app_has_no_console(page: Page, start_explorer: Callable[..., str]) -> None:
    page.goto(start_explorer())
    ExplorerDesk(page).wait()
    expect(page.locator(".dv-chart")).to_be_visible()
    assert page.locator(".dv-hive-console, .dv-query-text").count() == 0
    assert page.get_by_text("HiveQL").count() == 0


@pytest.mark.parametrize("viewport", [(1280, 720), (1920, 1080)])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_the_window(
    page: Page,
    start_cell: Callable[[str], str],
    viewport: tuple[int, int],
    theme: str,
    screenshot: Callable[[str], Path],
) -> None:
    page.goto(start_cell(TAB) + f"?theme={theme}")
    ExplorerDesk(page).wait()
    page.locator(".dv-facts").get_by_role("button", name="HiveQL").click()
    console = Console(page)
    console.run("SELECT id, time, lon, lat, sst, sss\nFROM fleet\nWHERE $bbox AND year = 2012 AND id < 60")
    expect(console.status).to_have_text(re.compile(r"rows · "), timeout=30_000)
    screenshot("looks")
    size = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    assert size == list(viewport), "the page scrolls"
    for part in (".dv-query-text", ".dv-table-scroll", ".dv-map"):
        area = page.locator(part).first.bounding_box()
        assert area is not None
        assert area["y"] + area["height"] <= viewport[1] + 1
        assert area["height"] > 90
        assert area["width"] > 240


def test_in_jupyterlab_the_keys_are_the_editors(
    fleet: pd.DataFrame, start_lab: Callable[..., str], page: Page, tmp_path: Path, screenshot: Callable[[str], Path]
) -> None:
    notebook = tmp_path / "look.ipynb"
    notebook.write_text(notebook_of(ALONE))
    page.goto(start_lab(notebook))
    # A cell that is run before the kernel is there opens a dialogue.
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=90_000)
    page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".dv-tables")).to_contain_text("fleet", timeout=60_000)
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    console = Console(page)
    console.run("SELECT id, sst\nFROM fleet WHERE id = 3", 2000)
    page.keyboard.press("Tab")
    page.keyboard.type("dd")  # deletes a cell in JupyterLab's command mode
    expect(console.text).to_have_value("SELECT id, sst\nFROM fleet WHERE id = 3  dd")
    console.scroll.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    assert console.line(2000)[0] == "3"
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells
    screenshot("lab")


BUSY = """import time, ipywidgets
from datavore_widgets import HiveConsole
console, told = HiveConsole(), ipywidgets.VBox()
def hear(change):
    time.sleep(0.5)  # what another's code may do
    told.children = (*told.children, ipywidgets.Label(change["new"]))
console.editor.observe(hear, "text")
told.add_class("told")
ipywidgets.VBox([console, told])"""


def test_what_the_kernel_writes_outlives_what_was_typed_before(
    page: Page, start_cell: Callable[[str], str], fleet: pd.DataFrame
) -> None:
    page.goto(start_cell(BUSY))
    expect(page.locator(".dv-tables")).to_contain_text("fleet", timeout=60_000)
    console = Console(page)
    console.run("SELECT 40 + 2 AS answer", 1)
    told = page.locator(".told .widget-label")
    before = told.count()
    # Two texts are on their way to the kernel when it is asked for an earlier one.
    console.type("SELECT")
    page.locator(".dv-name-button", has_text="sst").click()
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    page.evaluate(
        "() => { const seen = window.seen = []; const copy = document.querySelector('.dv-query-copy'); "
        "new MutationObserver(() => seen.push(copy.textContent.trim())).observe(copy, { childList: true }); }"
    )
    page.locator(".dv-history select").select_option(index=1)
    page.wait_for_function(
        "n => [...document.querySelectorAll('.told .widget-label')].slice(n).map(e => e.innerText).join(' | ')"
        ".endsWith('SELECT | SELECT sst | SELECT 40 + 2 AS answer')",
        arg=before,
    )
    expect(console.text).to_have_value("SELECT 40 + 2 AS answer")
    seen = page.evaluate("window.seen")
    assert set(seen) <= {"SELECT sst", "SELECT 40 + 2 AS answer"}, "an answer to an older text is not shown"
