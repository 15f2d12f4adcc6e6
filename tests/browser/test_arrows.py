"""Arrows of wind over its picture, in the app: chosen in a menu, they follow the date and the map, light and dark."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path

import fields
import pytest
from desk import ExplorerDesk
from playwright.sync_api import Page, expect

WINDS = "eraint_uvz.nc"


@pytest.mark.parametrize(("viewport", "theme"), [((1280, 800), "light"), ((1920, 1080), "dark")])
def test_a_wind_has_arrows(
    page: Page, start_explorer: Callable[..., str], screenshot: Callable[[str], Path], shared_data: Path, theme: str
) -> None:
    page.goto(start_explorer(shared_data / WINDS) + f"?theme={theme}&v=speed_of_u_v&r=-80,20,20,70")
    desk = ExplorerDesk(page)
    desk.wait()
    arrows = page.locator(".leaflet-dv-arrows-pane img")
    expect(arrows).to_have_count(0)
    page.get_by_label("Arrows").select_option(label="Wind: u, v")
    expect(arrows).to_be_visible()
    expect(page.locator(".dv-arrows-key")).to_contain_text(re.compile(r"Wind: u, v.*m s⁻¹", re.DOTALL))
    expect(page.locator(".dv-arrows-key svg use")).to_have_count(2)
    expect(desk.truth).to_contain_text("point where the wind blows to (its direction: where it comes from)")

    def drawn() -> tuple[str, int]:
        url = arrows.get_attribute("src") or ""
        text = base64.b64decode(url.partition(",")[2]).decode()
        return url, text.count("l") // 3

    first, count = drawn()
    area, picture = desk.map.bounding_box(), arrows.bounding_box()
    assert area is not None
    assert picture is not None
    # As many as there is room for, over all of the map.
    assert 0.4 < count / (picture["width"] * picture["height"] / 36**2) < 1.3
    assert picture["x"] <= area["x"] + 1
    assert picture["x"] + picture["width"] >= area["x"] + area["width"] - 1
    screenshot("arrows")
    desk.zoom_in()
    desk.until(lambda: drawn()[0] != first, "the arrows of the nearer view")
    screenshot("nearer")
    page.get_by_label("Arrows").select_option(label="None")
    expect(arrows).to_have_count(0)
    expect(page.locator(".dv-arrows-key figure")).to_have_count(0)
    expect(desk.truth).not_to_contain_text("arrows")


def test_they_follow_the_date_over_the_antimeridian(
    page: Page, start_explorer: Callable[..., str], screenshot: Callable[[str], Path], tmp_path: Path
) -> None:
    path = tmp_path / "currents.nc"
    fields.currents().to_netcdf(path)
    page.goto(start_explorer(path) + "?v=sst&arrows=uo&r=150,-40,-130,40&cmap=gray&dt=20120115")
    desk = ExplorerDesk(page)
    desk.wait()
    arrows = page.locator(".leaflet-dv-arrows-pane img")
    expect(arrows).to_be_visible()
    expect(page.get_by_label("Arrows")).to_have_value("Current: uo, vo")
    expect(desk.truth).to_contain_text("arrows of uo, vo point where the current goes to")
    first = arrows.get_attribute("src")
    page.get_by_role("button", name="One step on").click()
    desk.until(lambda: arrows.get_attribute("src") != first, "the arrows of the next date")
    expect(desk.date).to_contain_text("2012-02-15")
    expect(desk.truth).not_to_contain_text("vo at")  # of the time of the picture
    area, picture = desk.map.bounding_box(), arrows.bounding_box()
    assert area is not None
    assert picture is not None
    assert picture["x"] <= area["x"] + 1
    assert picture["x"] + picture["width"] >= area["x"] + area["width"] - 1
    screenshot("antimeridian")
