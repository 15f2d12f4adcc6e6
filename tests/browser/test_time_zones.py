"""The chart, its readout and its CSV are in UTC, wherever the browser is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from desk import ExplorerDesk
from playwright.sync_api import Page, expect
from real import OSTIA, TAS, RealFile

ZONES = ("UTC", "America/Los_Angeles", "Asia/Tokyo")

# Of the plot: where its dots are, and where the dates under it are, each from the left of the window.
DRAWN = """() => {
  const middle = (element) => { const box = element.getBoundingClientRect(); return (box.left + box.right) / 2; };
  const chart = document.querySelector(".dv-chart .bqplot");
  const ticks = [...chart.querySelectorAll("g.axis")].map((axis) => [...axis.querySelectorAll(".tick")]);
  const across = ticks.find((some) => some.length > 1 && middle(some[0]) + 20 < middle(some[1]));
  return {
    dots: [...chart.querySelectorAll(".object_grp")].map(middle),
    ticks: across.map((tick) => [tick.querySelector("text").textContent, middle(tick.querySelector("line"))]),
  };
}"""
HAIRLINE = "() => document.querySelector('.dv-chart .dv-hairline-hover').getBoundingClientRect().left"


def look(page: Page, url: str, count: int, folder: Path) -> dict[str, Any]:
    """The series of one box as a person sees it: what is drawn, what the readout says of every time, the CSV."""
    page.goto(url)
    desk = ExplorerDesk(page)
    desk.wait()
    for name, value in {"west": -40, "south": -3, "east": -10, "north": 3}.items():
        page.locator(f".dv-area-{name} input").fill(str(value))
        page.locator(f".dv-area-{name} input").press("Enter")
    page.locator(".dv-aggregate select").select_option(label="Mean (each value alike)")
    expect(desk.legend).to_contain_text("every value alike")
    expect(desk.legend).to_contain_text(f"{count} values from")
    dots = page.locator(".dv-chart .object_grp")
    expect(dots).to_have_count(count)
    sheet, readout = page.locator(".dv-chart .dv-chart-sheet"), page.locator(".dv-chart .dv-chart-readout")
    sheet.focus()
    page.keyboard.press("Home")
    readouts, hairlines = [], []
    for _ in range(count):
        readouts.append(readout.inner_text())
        hairlines.append(page.evaluate(HAIRLINE))
        page.keyboard.press("ArrowRight")
    box = dots.nth(count // 2).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    hovered = readout.inner_text()
    desk.csv(folder)
    return {
        "zone": page.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone"),
        **page.evaluate(DRAWN),
        "readouts": readouts,
        "hairlines": hairlines,
        "hovered": hovered,
        "date": desk.date.inner_text(),
        "csv": (folder / "series.csv").read_text(),
    }


@pytest.mark.parametrize("file", [OSTIA, TAS], ids=lambda file: file.varname)
def test_the_chart_is_the_same_wherever_the_browser_is(
    new_page: Callable[..., Page], start_explorer: Callable[..., str], shared_data: Path, tmp_path: Path, file: RealFile
) -> None:
    with xr.open_dataset(shared_data / file.name) as data:
        written = [time.strftime("%Y-%m-%dT%H:%M:%S") for time in data.indexes["time"]]
    times = np.array(written, dtype="M8[s]").astype(float)
    url = start_explorer(shared_data / file.name)
    seen = {zone: look(new_page(timezone_id=zone), url, len(times), tmp_path) for zone in ZONES}
    assert [told.pop("zone") for told in seen.values()] == list(ZONES)
    utc = seen["UTC"]
    for told in seen.values():
        assert told == utc

    assert [row.split(",")[0] for row in utc["csv"].splitlines()[1:]] == [f"{text}Z" for text in written]
    assert [text[:7] for text in utc["readouts"]] == [text[:7] for text in written]
    assert utc["hovered"] == utc["readouts"][len(times) // 2]
    # Where the times are: SVG keeps places in single precision; ticks are half a pixel off, hairlines on whole ones.
    slope, start = np.polyfit(times - times[0], utc["dots"], 1)
    np.testing.assert_allclose(utc["dots"], start + slope * (times - times[0]), atol=0.05)
    np.testing.assert_allclose(utc["hairlines"], utc["dots"], atol=1.0)
    assert len(utc["ticks"]) > 3
    for text, place in utc["ticks"]:
        month = np.datetime64(xr.date_range(text, periods=1)[0], "s").astype(float)
        assert place == pytest.approx(start + slope * (month - times[0]), abs=0.6), text
