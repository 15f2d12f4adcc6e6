"""The main job with mouse and keyboard, in the app and in JupyterLab: the numbers on the page are those of the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from desk import ExplorerDesk
from notebook_file import notebook_of
from playwright.sync_api import Page, expect
from real import OSTIA, TAS

from datavore_widgets import Datavore, LocalService
from datavore_widgets.protocol.colormap import Norm, colormap, palette
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.queries import Canvas, MapQuery, Source
from datavore_widgets.protocol.times import Date


def close_to(got: np.ndarray, wanted: np.ndarray, field: np.ndarray) -> None:
    """Within 1e-6 of the value or of the field's deviation, whichever is more."""
    np.testing.assert_array_less(np.abs(got - wanted), 1e-6 * np.maximum(np.abs(wanted), np.nanstd(field)))


def inside(field: xr.DataArray, lon: str, lat: str, box: dict[str, float]) -> np.ndarray:
    """The values, in float64, whose centres lie in a box: (time, cells)."""
    lons, lats = np.meshgrid(field[lon], field[lat])
    mask = BBox(box["west"], box["south"], box["east"], box["north"]).contains(lons, lats)
    return np.asarray(field.values, dtype=np.float64)[:, mask]


@pytest.fixture(params=["app", "lab"])
def opened(
    request: pytest.FixtureRequest,
    start_explorer: Callable[..., str],
    start_lab: Callable[..., str],  # before the page: what it talks to must outlive it
    page: Page,
    tmp_path: Path,
) -> Callable[..., ExplorerDesk]:
    """Open a file, or the sample, in the app or in a notebook of JupyterLab."""

    def open_explorer(*path: Path) -> ExplorerDesk:
        if request.param == "app":
            page.goto(start_explorer(*path))
        else:
            notebook = tmp_path / "look.ipynb"
            said = ", ".join(repr(str(part)) for part in path)
            notebook.write_text(notebook_of(f"from datavore_widgets import explore\nexplore({said})"))
            page.goto(start_lab(notebook))
            # A cell that is run before the kernel is there opens a dialogue.
            expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=90_000)
            page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
            page.keyboard.press("Shift+Enter")
        desk = ExplorerDesk(page)
        desk.wait()
        return desk

    return open_explorer


def test_the_main_job(
    opened: Callable[..., ExplorerDesk], tmp_path: Path, shared_data: Path, screenshot: Callable[[str], Path]
) -> None:
    desk = opened(shared_data / TAS.name)
    with xr.open_dataset(shared_data / TAS.name) as data:
        tas = data["tas"].load()

    box, ground = desk.draw(0.3, 0.3, 0.6, 0.7)
    drawn = middle(desk)
    expect(desk.legend).to_contain_text("cells weighted by their area in the box")
    desk.page.locator(".dv-aggregate select").select_option(label="Mean (each value alike)")
    expect(desk.legend).to_contain_text("every value alike")
    expect(desk.legend).to_contain_text("12 values from")
    rows, times, values = desk.csv(tmp_path)
    wanted = inside(tas, "lon", "lat", box).mean(axis=1)
    close_to(values, wanted, tas.values)
    assert {row["units"] for row in rows} == {"K"}
    assert [str(t)[:10] for t in times] == [t.strftime("%Y-%m-%d") for t in tas["time"].values]
    screenshot("box")

    # A click: the value of the cell that holds the point.
    clicked = middle(desk)
    desk.page.mouse.click(*clicked)
    expect(desk.readout).to_contain_text("°C")
    # A button far below may have been scrolled to meanwhile.
    lon, lat = ground.moved(clicked[0] - drawn[0], clicked[1] - drawn[1]).place(*clicked)
    told = desk.cell()
    assert abs((told[0] - lon + 180) % 360 - 180) <= 2.8125 / 2 + 0.3
    assert abs(told[1] - lat) <= 2.8125 / 2 + 0.3
    cell = tas.sel(lon=told[0] % 360, lat=told[1], method="nearest").astype(np.float64) - 273.15
    assert abs(desk.value() - float(cell[-1])) <= 0.006

    # The date by keyboard: another picture, another time in the truth line.
    _, before = desk.picture()
    desk.range.focus()
    desk.page.keyboard.press("Home")
    expect(desk.date).to_have_text("2006-12-16 12:00 Z")
    expect(desk.truth).to_contain_text("2006-12-16 12:00 Z")
    desk.until(lambda: desk.picture()[1] != before, "another picture")
    desk.page.keyboard.press("PageUp")
    expect(desk.truth).to_contain_text("2007-10-16")
    desk.page.keyboard.press("ArrowLeft")
    expect(desk.truth).to_contain_text("2007-09-16")
    desk.until(lambda: abs(desk.value() - float(cell[9])) <= 0.006, "the value at the new time")

    # Other colours: only those of the map chosen are in the picture.
    desk.page.locator(".dv-swatch-button").click()
    desk.page.locator(".dv-swatch-option[data-name='viridis']").first.click()
    palette = {tuple(color) for color in colormap("viridis")[:, :3].tolist()}

    def all_viridis() -> bool:
        pixels = desk.picture()[0]
        return {tuple(c) for c in np.unique(pixels[pixels[..., 3] > 0][:, :3], axis=0).tolist()} <= palette

    desk.until(all_viridis, "a picture in viridis")
    screenshot("end")


def middle(desk: ExplorerDesk) -> tuple[float, float]:
    area = desk.map.bounding_box()
    assert area is not None
    return area["x"] + 0.45 * area["width"], area["y"] + 0.5 * area["height"]


def test_a_strip_of_longitudes_from_0_to_360(
    page: Page, start_explorer: Callable[..., str], shared_data: Path, tmp_path: Path
) -> None:
    page.goto(start_explorer(shared_data / OSTIA.name))
    desk = ExplorerDesk(page)
    desk.wait()
    with xr.open_dataset(shared_data / OSTIA.name) as data:
        sst = data["surface_temperature"].load()
    # Over Greenwich, typed.
    for name, value in {"west": -12, "south": -3, "east": 8, "north": 3}.items():
        page.locator(f".dv-area-{name} input").fill(str(value))
        page.locator(f".dv-area-{name} input").press("Enter")
    page.locator(".dv-aggregate select").select_option(label="Mean (each value alike)")
    expect(desk.legend).to_contain_text("every value alike")
    expect(desk.legend).to_contain_text("54 values from")
    _, times, values = desk.csv(tmp_path)
    cells = inside(sst, "longitude", "latitude", {"west": -12, "south": -3, "east": 8, "north": 3})
    close_to(values, np.nanmean(cells, axis=1), sst.values)
    np.testing.assert_array_equal(times, sst["time"].values.astype("M8[s]"))
    # By month, the largest value.
    page.locator(".dv-series-picker select").nth(0).select_option(label="Maximum")
    page.locator(".dv-series-picker select").nth(1).select_option(label="Yearly series")
    expect(desk.legend).to_contain_text("yearly series, 5 values")
    _, times, values = desk.csv(tmp_path)
    years = sst["time"].dt.year.values
    close_to(values, np.array([np.nanmax(cells[years == y]) for y in np.unique(years)]), sst.values)


def test_the_picture_under_a_known_coast(
    opened: Callable[..., ExplorerDesk], sample_catalog: Path, screenshot: Callable[[str], Path]
) -> None:
    desk = opened()
    # Closer, so that a cell is some 12 pixels wide.
    for _ in range(4):
        desk.zoom_in()
    _, ground = desk.draw(0.2, 0.2, 0.8, 0.8)
    expect(desk.legend).to_contain_text("values from", timeout=30_000)
    desk.page.locator(".dv-area .dv-icon-button").click()
    expect(desk.page.get_by_text("Draw a box on the map")).to_be_visible()
    screenshot("coast")

    date = Date.parse(desk.date.inner_text().removesuffix(" Z"))
    with LocalService(sample_catalog) as service:
        datavore = Datavore(service)
        index, info = next(iter(datavore.getIndexes().items()))
        varname = next(iter(info["variables"]))
        style = service.answer(MapQuery(Source(index, varname, date), Canvas(BBox(-180, -60, 180, 60))))
        field = datavore.getData(index, varname, date.digits)
    values = np.asarray(field["data"], dtype=np.float64)
    norm = Norm(style.vmin, style.vmax)
    wanted = palette(style.cmap)[norm.indices(values), :3].astype(int)

    shot = desk.pixels().astype(int)
    right = {"land": 0, "sea": 0}
    looked = {"land": 0, "sea": 0}
    for row, column in np.argwhere(shore(values)):
        center = ground.pixel(float(field["lon"][column]), float(field["lat"][row]))
        if not desk.sees(*center):
            continue
        x, y = (round(v) for v in center)
        spot = shot[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3)
        kind = "land" if np.isnan(values[row, column]) else "sea"
        looked[kind] += 1
        if kind == "sea":
            # The line of the coast may cross the spot; what is beside it has the value's colour.
            right[kind] += bool((np.abs(spot - wanted[row, column]).sum(axis=1) <= 12).mean() >= 0.4)
        else:
            right[kind] += bool((np.ptp(spot, axis=1) <= 12).mean() >= 0.4)
    assert min(looked.values()) >= 50, looked
    assert all(right[kind] >= 0.98 * looked[kind] for kind in looked), f"{right} right of {looked}"


def shore(values: np.ndarray) -> np.ndarray:
    """Cells that have land beside them if they are sea, and sea if they are land."""
    missing = np.isnan(values)
    beside = np.zeros_like(missing)
    for shift, axis in ((1, 0), (-1, 0), (1, 1), (-1, 1)):
        beside |= np.roll(missing, shift, axis) != missing
    return beside
