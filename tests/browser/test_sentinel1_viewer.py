"""The viewer of the wave mode as a person uses it, over a month of two satellites."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from desk import Ground
from playwright.sync_api import Locator, Page, expect
from wave_month import K, Month

TESTS = Path(__file__).resolve().parents[1]
IMPORTS = f"import sys\nsys.path.insert(0, {str(TESTS)!r})\nimport ipywidgets\nfrom wave_month import Month\n"
ALONE = (
    IMPORTS
    + """from datavore_widgets import Sentinel1Viewer
viewer, told = Sentinel1Viewer(Month()), ipywidgets.HTML()
told.add_class("told")
viewer.view.observe(lambda change: setattr(told, "value", change["new"].to_text()), "viewport")
ipywidgets.VBox([viewer, told])"""
)
TAB = (
    IMPORTS
    + """from datavore_widgets import explore
from datavore_widgets.connect import connect
from datavore_widgets.protocol.answers import Catalog
from datavore_widgets.protocol.queries import CatalogQuery
class Both:
    sea, month = connect(None), Month(3)
    def answer(self, query, job=None):
        if isinstance(query, CatalogQuery):
            grids = {info.index: info for info in self.sea.answer(query).grids}
            return Catalog({**grids, **self.month.answer(query).indexes})
        index = getattr(query, "index", "")
        return (self.month if "WV" in index or index == "all<" else self.sea).answer(query, job)
explore(Both())"""
)


@pytest.fixture(scope="module")
def month() -> Month:
    made = Month()
    made.satellites  # noqa: B018
    return made


class Desk:
    """The viewer on a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.map = page.locator(".dv-map .leaflet-container").first
        self.status = page.locator(".dv-wave-tools .dv-query-status")
        self.head = page.locator(".dv-wave-head")
        self.plates = page.locator(".dv-plates")
        self.readout = page.locator(".dv-plate-readout")
        self.swells = page.locator(".dv-swell")
        self.time = page.locator(".dv-wave-line .dv-date-text")

    def stage(self, name: str) -> Locator:
        return self.page.locator(f".dv-plate-{name} .dv-plate-stage")

    def ready(self) -> None:
        expect(self.swells.first).to_be_visible(timeout=60_000)
        expect(self.page.locator(".dv-map .leaflet-dv-points-pane img")).to_be_visible()
        # The map may still be on its way.
        self.page.wait_for_function(
            "!document.querySelector('.leaflet-zoom-anim .leaflet-map-pane')?.getAnimations?.().length"
        )

    def spot(self, name: str, wavelength: float, direction: float) -> tuple[float, float]:
        """Page pixel of a wave in a spectrum whose rim is at 75 m, 15 pixels inside the stage."""
        box = self.stage(name).bounding_box()
        assert box is not None
        reach = (75.0 / wavelength) * (box["width"] / 2 - 15)
        turn = math.radians(direction)
        return (
            box["x"] + box["width"] / 2 + reach * math.sin(turn),
            box["y"] + box["height"] / 2 - reach * math.cos(turn),
        )

    def inked(self, selector: str) -> int:
        """Pixels of a canvas that are not clear."""
        count: int = self.page.evaluate(
            "s => { const c = document.querySelector(s); const d = c.getContext('2d').getImageData(0, 0, c.width, "
            "c.height).data; let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; }",
            selector,
        )
        return count

    def marked(self, name: str) -> tuple[float, float]:
        """Page pixel of the middle of what is marked in a panel."""
        found: list[float] = self.page.evaluate(
            "s => { const c = document.querySelector(s); const b = c.getBoundingClientRect(); "
            "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let [x, y, n] = [0, 0, 0]; "
            "for (let i = 0; i < d.length / 4; i++) if (d[4 * i + 3]) { x += i % c.width; "
            "y += Math.floor(i / c.width); n++; } const at = (v, of) => (v / n + .5) / of; "
            "return [b.left + at(x, c.width) * b.width, b.top + at(y, c.height) * b.height]; }",
            f".dv-plate-{name} .dv-plate-over",
        )
        return found[0], found[1]

    def swell(self, number: int = 0) -> tuple[float, float, float]:
        """Height, wavelength and direction of a swell, as its button says."""
        words = self.swells.nth(number).inner_text()
        found = re.search(r"([\d.]+) m\s*([\d.]+) m · [\d.]+ s · → (\d+)°", words)
        assert found is not None, words
        height, wavelength, direction = (float(found[n]) for n in (1, 2, 3))
        return height, wavelength, direction

    def ground(self) -> Ground:
        """Where places are on the page."""
        area = self.map.bounding_box()
        assert area is not None
        edges = [float(v) for v in self.page.locator(".told").inner_text().split(",")]
        corners = (area["x"], area["y"], area["x"] + area["width"], area["y"] + area["height"])
        return Ground.of(corners, dict(zip(("west", "south", "east", "north"), edges, strict=True)))

    def rows(self, folder: Path) -> list[dict[str, str]]:
        """The table of files, saved."""
        with self.page.expect_download() as saving:
            self.page.locator(".dv-wave-files-line").get_by_role("button", name="CSV").click()
        path = folder / "imagettes.csv"
        saving.value.save_as(path)
        return list(csv.DictReader(path.read_text().splitlines()))


@pytest.fixture
def desk(page: Page, start_cell: Callable[[str], str]) -> Desk:
    page.goto(start_cell(ALONE))
    made = Desk(page)
    made.ready()
    return made


def test_a_month_is_looked_at(
    desk: Desk, month: Month, tmp_path: Path, screenshot: Callable[[str], Path], page: Page
) -> None:
    total = sum(len(flown) for flown in month.satellites.values())
    assert total > 120_000
    expect(desk.status).to_have_text(re.compile(f"^{total:,}".replace(",", "\u202f") + " imagettes"))
    assert page.locator(".leaflet-dv-points-pane img").get_attribute("src").startswith("data:image/png")
    for name in ("roughness", "real", "imaginary", "swell", "model"):
        assert desk.inked(f".dv-plate-{name} canvas") > 5_000, name
    screenshot("month")

    # A click on the map chooses what is there.
    ground = desk.ground()
    x, y = ground.pixel(-140.0, 5.0)
    page.mouse.click(x, y)
    lon, lat = ground.place(x, y)
    expect(desk.head).to_contain_text(re.compile(r"1(39|40|41)\.?\d*°W"))
    words = desk.head.inner_text()
    shown_lat, south, shown_lon, west = re.search(r"([\d.]+)°([NS]) ([\d.]+)°([EW])", words).groups()
    there = (float(shown_lon) * (-1 if west == "W" else 1), float(shown_lat) * (-1 if south == "S" else 1))
    off = min(float(np.hypot((f.lon - lon + 180) % 360 - 180, f.lat - lat).min()) for f in month.satellites.values())
    assert math.hypot(there[0] - lon, there[1] - lat) <= off + 1.5 / ground.per_degree

    # The keys go along the pass.
    before = desk.time.inner_text()
    desk.plates.focus()
    page.keyboard.press("ArrowLeft")
    expect(desk.time).not_to_have_text(before)
    page.keyboard.press("ArrowRight")
    expect(desk.time).to_have_text(before)

    # What is read in one spectrum is marked in all, in metres, seconds and degrees.
    _, wavelength, direction = desk.swell()
    page.mouse.move(*desk.spot("swell", wavelength, direction))
    expect(desk.readout).to_contain_text("swell 1")
    read = re.search(r"λ ([\d.]+) m · T ([\d.]+) s · towards (\d+)° · ", desk.readout.inner_text())
    length, seconds, towards = (float(v) for v in read.groups())
    assert abs(math.log(length / wavelength)) <= math.log(K[1] / K[0]) / 2 + 0.01
    assert seconds == pytest.approx(math.sqrt(2 * math.pi * length / 9.80665), rel=0.01)
    assert abs((towards - direction + 180) % 360 - 180) <= 6
    for name in ("real", "imaginary", "swell", "model"):
        assert desk.marked(name) == pytest.approx(desk.spot(name, length, towards), abs=2.0), name
    assert desk.inked(".dv-plate-roughness .dv-plate-over") == 0
    # When another imagette comes under a pointer at rest, it is read as well.
    page.keyboard.press("ArrowLeft")
    expect(desk.head).not_to_contain_text(words.splitlines()[0])
    expect(desk.readout).to_contain_text(f"λ {read[1]} m")
    page.keyboard.press("ArrowRight")
    expect(desk.head).to_contain_text(words.splitlines()[0])
    box = desk.stage("roughness").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.5)
    expect(desk.readout).to_have_text(re.compile(r"^5(\.\d)? km E, [\d.]+ km [NS] of the centre · roughness "))

    # A point of the series is its imagette.
    chart = page.locator(".dv-pass-chart .dv-chart-sheet").first
    chart.scroll_into_view_if_needed()
    sheet = chart.bounding_box()
    page.mouse.click(sheet["x"] + sheet["width"] * 0.3, sheet["y"] + sheet["height"] / 2)
    expect(desk.time).not_to_have_text(before)

    with page.expect_download() as saving:
        page.locator(".dv-wave-saving").get_by_role("button", name="NetCDF").click()
    path = tmp_path / saving.value.suggested_filename
    saving.value.save_as(path)
    with xr.open_dataset(path, engine="scipy") as data:
        stamp = str(data.time.dt.round("s").dt.strftime("%Y-%m-%d %H:%M:%S").item())
        assert desk.time.inner_text().startswith(stamp[:16])
        assert float(data.energy.max()) > 0


def test_a_swell_is_chosen_and_drawn_on_the_map(desk: Desk, page: Page, screenshot: Callable[[str], Path]) -> None:
    ground = desk.ground()
    page.mouse.click(*ground.pixel(-140.0, 5.0))
    expect(desk.head).to_contain_text(re.compile(r"1(39|40|41)\.?\d*°W"))
    for _ in range(8):  # every seventh imagette has one swell alone
        if desk.swells.count() == 2:
            break
        before = desk.time.inner_text()
        desk.plates.focus()
        page.keyboard.press("ArrowRight")
        expect(desk.time).not_to_have_text(before)
        page.wait_for_function("t => document.querySelector('.dv-wave-line .dv-date-text').innerText !== t", arg=before)
    expect(desk.swells).to_have_count(2)
    drawn = page.locator(".leaflet-dv-marks-pane img")
    first = drawn.get_attribute("src")
    _, wavelength, direction = desk.swell(1)
    page.mouse.click(*desk.spot("swell", wavelength, direction))
    expect(desk.swells.nth(1)).to_have_attribute("aria-pressed", "true")
    expect(drawn).not_to_have_attribute("src", first)
    expect(page.locator(".dv-wave-ways")).to_contain_text("Swell 2")
    expect(page.locator(".dv-pass-head")).to_contain_text("Swell 2 in")
    screenshot("second")
    desk.plates.focus()
    page.keyboard.press("1")
    expect(desk.swells.first).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".dv-wave-ways")).to_contain_text("Swell 1")


def test_a_box_across_the_antimeridian_and_dates_choose_the_imagettes(
    desk: Desk, page: Page, month: Month, tmp_path: Path
) -> None:
    ground, before = desk.ground(), page.locator(".told").inner_text()
    # Pull the Pacific into the middle, and draw over 180°.
    x, y = ground.pixel(150.0, 0.0)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 300, y, steps=6)
    page.mouse.move(x - 600, y, steps=6)
    page.wait_for_timeout(200)  # without a rest the map would glide on
    page.mouse.up()
    page.wait_for_function("t => document.querySelector('.told').innerText !== t", arg=before)
    area = desk.map.bounding_box()
    ground = desk.ground()
    left, top = ground.pixel(ground.place(area["x"] + area["width"] * 0.5, 0)[0], 20.0)
    page.locator(".dv-draw").first.click()
    expect(page.locator(".dv-box-tool")).to_have_class(re.compile("dv-active"))
    page.mouse.move(left - 80, top)
    page.mouse.down()
    page.mouse.move(left, top + 60)
    page.mouse.move(left + 80, top + 120)
    page.mouse.up()
    west, north = ground.place(left - 80, top)
    east, south = ground.place(left + 80, top + 120)
    page.get_by_label("From").fill("2024-01-05")
    page.get_by_label("From").press("Enter")
    page.get_by_label("to", exact=True).fill("2024-01-06")
    page.get_by_label("to", exact=True).press("Enter")
    inside = 0
    for flown in month.satellites.values():
        days = (flown.labels // 10**9 >= 20240105) & (flown.labels // 10**9 <= 20240106)
        here = ((flown.lon - west) % 360 <= east - west) & (flown.lat >= south) & (flown.lat <= north)
        inside += int((days & here).sum())
    assert inside > 10
    page.get_by_role("button", name="Files").click()
    expect(page.locator(".dv-wave-files [role=gridcell]").first).not_to_be_empty()
    expect(desk.status).to_have_text(re.compile(r"^\d+ imagettes"))
    rows = desk.rows(tmp_path)
    assert abs(len(rows) - inside) <= max(3, 0.05 * inside), "up to a pixel at the edges"
    assert {row["time"][:10] for row in rows} == {"2024-01-05", "2024-01-06"}
    assert all(row["file"].startswith("/archive/s1") for row in rows)
    lons = np.array([float(row["lon"]) for row in rows])
    assert ((lons - west) % 360 <= east - west + 1).all()


@pytest.mark.parametrize("satellite", ["S1A", "S1B"])
def test_both_kinds_of_cross_spectra_lie_where_the_swell_is(desk: Desk, page: Page, satellite: str) -> None:
    """Polar ones (S1A of this month) and those over range and azimuth (S1B): the real part is even, the other odd."""
    page.locator(".dv-satellite select").select_option(label=f"Sentinel-{satellite[1:]} wave mode")
    expect(desk.head).to_contain_text(satellite)
    expect(page.locator(".dv-plate-real .dv-absent")).to_have_count(0)
    height, wavelength, direction = desk.swell()
    assert height > 0.5

    def read(turn: float) -> dict[str, float]:
        page.mouse.move(*desk.spot("real", wavelength, direction + turn))
        expect(desk.readout).to_have_text(re.compile(r"^λ .* Re "))
        words = desk.readout.inner_text().replace("−", "-")
        return {name: float(value) for name, value in re.findall(r"(Re|Im|E) (-?[\d.e-]+)", words)}

    here, there, beside = read(0.0), read(180.0), read(90.0)
    assert here["Re"] == pytest.approx(there["Re"], rel=0.15)
    assert here["Re"] == pytest.approx(here["E"], rel=0.35), "the nearest bin and the nearest cell"
    assert here["Im"] == pytest.approx(-there["Im"], rel=0.15)
    assert here["Im"] > 0.4 * here["Re"]
    assert abs(beside["Re"]) < 0.05 * here["Re"]


def test_near_imagettes_are_squares(desk: Desk, page: Page, month: Month, screenshot: Callable[[str], Path]) -> None:
    ground = desk.ground()
    x, y = ground.pixel(-140.0, 5.0)
    page.mouse.click(x, y)
    expect(desk.head).to_contain_text(re.compile(r"1(39|40|41)\.?\d*°W"))
    page.mouse.move(x, y)
    image = page.locator(".leaflet-dv-points-pane img")
    for _ in range(14):
        if image.get_attribute("src").startswith("data:image/svg"):
            break
        before = image.get_attribute("src")
        page.mouse.wheel(0, -240)
        expect(image).not_to_have_attribute("src", before)
    else:
        pytest.fail("no squares at any depth")
    screenshot("squares")


def seen_at_once(page: Page) -> None:
    """Map, spectra and the series of the pass are on the screen together, none of them too small to be read."""
    height: int = page.evaluate("window.innerHeight")
    chart, ground = page.locator(".dv-pass-chart").bounding_box(), page.locator(".dv-map").first.bounding_box()
    assert chart is not None
    assert ground is not None
    assert ground["y"] >= 0
    assert ground["height"] >= 210
    assert chart["y"] + chart["height"] <= height
    assert chart["height"] >= 120
    scrolled = page.evaluate(
        "(() => { const b = document.querySelector('.dv-wave-body'); return b.scrollHeight - b.clientHeight; })()"
    )
    assert scrolled <= 0, "what is below the map scrolls"
    for stage in page.locator(".dv-plate-stage").all():
        box = stage.bounding_box()
        assert box is not None
        assert box["width"] == pytest.approx(box["height"], abs=1)
        assert box["width"] >= 170


@pytest.mark.parametrize(
    ("viewport", "theme"),
    [((1280, 800), "light"), ((1920, 1080), "dark"), ((1280, 800), "dark"), ((1920, 1080), "light")],
)
def test_all_of_it_is_on_one_screen(
    page: Page, start_cell: Callable[[str], str], theme: str, screenshot: Callable[[str], Path]
) -> None:
    page.goto(start_cell(ALONE) + f"?theme={theme}")
    Desk(page).ready()
    screenshot(theme)
    seen_at_once(page)


@pytest.mark.parametrize(
    ("viewport", "theme"),
    [((1280, 800), "light"), ((1920, 1080), "dark"), ((1280, 800), "dark"), ((1920, 1080), "light")],
)
def test_as_a_tab_of_the_explorer(
    page: Page, start_cell: Callable[[str], str], theme: str, screenshot: Callable[[str], Path]
) -> None:
    page.goto(start_cell(TAB) + f"?theme={theme}")
    expect(page.locator(".dv-map .leaflet-overlay-pane img").first).to_be_visible(timeout=90_000)
    page.get_by_role("button", name="Sentinel-1").click()
    desk = Desk(page)
    desk.ready()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0] < 60")
    assert dark == (theme == "dark")
    # The middle of a spectrum's disc without energy is dark on a dark page.
    assert desk.inked(".dv-plate-swell canvas") > 5_000
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, "the page scrolls sideways"
    page.mouse.move(*desk.spot("swell", *desk.swell()[1:]))
    expect(desk.readout).to_contain_text("swell 1")
    screenshot(theme)
    seen_at_once(page)
    page.get_by_role("button", name="Series").click()
    expect(page.locator(".leaflet-dv-points-pane img")).to_have_count(0)
