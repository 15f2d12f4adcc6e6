"""A swath in the app, in one visit: good samples first, conditions by keyboard, its window, its files, a small box."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from desk import ExplorerDesk
from playwright.sync_api import Page, expect

SWATH = "SS_AMSR2-L2B_v08_r38622-v02.0-fv01.0.nc"
LINK = "?bbox=-51,-46,-50,-45&point=-50.5,-45.5&r=-51.5,-46.5,-49.5,-44.5&theme=dark"


@pytest.mark.parametrize("viewport", [(1280, 800)])
def test_a_swath_is_looked_at(
    page: Page, start_explorer: Callable[..., str], screenshot: Callable[[str], Path], shared_data: Path
) -> None:
    page.goto(start_explorer(shared_data / SWATH) + LINK)
    desk = ExplorerDesk(page)
    desk.wait()
    expect(desk.truth).to_contain_text("only where quality_level ≥ 4 (recommended)")
    expect(desk.truth).to_contain_text("window of 1 day, newest on top")
    expect(page.locator(".dv-window select")).to_have_value(re.compile(r"\d"))
    expect(desk.readout).to_contain_text("°C")
    # The small box and the point: each of their cells has an outline.
    rings = page.locator(".leaflet-dv-cells-pane path").first
    assert len(re.findall("M", rings.get_attribute("d") or "")) > 20

    counted = re.compile(r"([\d\u202f]+) of [\d\u202f]+ cells")

    def count() -> int:
        found = counted.search(desk.truth.inner_text())
        assert found is not None
        return int(found[1].replace("\u202f", ""))

    good = count()
    row = page.locator(".dv-condition input").first
    row.fill("≥ 2")
    row.press("Enter")
    expect(desk.truth).to_contain_text("only where quality_level ≥ 2")
    desk.until(lambda: count() > good, "more samples")
    row.fill("rather good")
    row.press("Enter")
    expect(page.locator(".dv-conditions [role='alert']")).to_contain_text("is written as")
    page.get_by_role("button", name="Recommended").click()
    expect(desk.truth).to_contain_text("(recommended)")
    desk.until(lambda: count() == good, "the good samples again")
    page.get_by_text("Subtract sses_bias").click()
    expect(desk.truth).to_contain_text("less sses_bias")
    page.locator(".dv-window select").select_option(label="One time")
    expect(desk.truth).not_to_contain_text("window of")

    page.get_by_role("button", name="Files").click()
    expect(page.locator(".dv-files-list li")).to_contain_text(SWATH)
    page.get_by_role("button", name="Footprints").click()
    expect(page.locator(".leaflet-dv-footprints-pane path").first).to_be_attached()
    screenshot("files")
    page.get_by_role("button", name="Series", exact=True).click()
    expect(page.locator(".dv-chart")).to_be_visible()
    expect(page.locator(".dv-files")).to_be_hidden()
