"""The view as a link, as Python, as a picture; and a lapse dragged on the chart, in one visit of the app."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from desk import ExplorerDesk
from PIL import Image
from playwright.sync_api import Page, expect

LINK = "?d=sample/ocean&v=sla&dt=20150812120000&r=-90,15,-30,50&bbox=-80,25,-40,45&groupby=yyyy-MM&cmap=curl"
HOSTILE = "?d=sample/ocean&cmap=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E"


@pytest.mark.parametrize("viewport", [(1280, 800)])
def test_a_view_travels(
    page: Page, start_explorer: Callable[..., str], screenshot: Callable[[str], Path], tmp_path: Path
) -> None:
    root = start_explorer()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(root + LINK)
    desk = ExplorerDesk(page)
    desk.wait()
    # A kernel that stood by, or one of its own: either has followed the link.
    expect(desk.date).to_have_text("2015-08-12 12:00 Z")
    expect(page.locator(".dv-map-title")).to_contain_text("Sea level anomaly", ignore_case=True)
    expect(desk.legend).to_contain_text("monthly series")
    expect(page.locator(".dv-swatch-name").first).to_have_text("curl")
    assert desk.area() == {"west": -80, "south": 25, "east": -40, "north": 45}

    # A drag over the chart: a lapse, whose mean the map shows and names.
    sheet = page.locator(".dv-chart-sheet")
    area = sheet.bounding_box()
    assert area is not None
    before, y = desk.picture()[1], area["y"] + 90
    page.mouse.move(area["x"] + 300, y)
    page.mouse.down()
    page.mouse.move(area["x"] + 420, y, steps=3)
    page.mouse.move(area["x"] + 520, y, steps=3)
    page.mouse.up()
    expect(desk.truth).to_contain_text(re.compile(r"Mean of \d+ times, 20\d\d"))
    desk.until(lambda: desk.picture()[1] != before, "the picture of the lapse")
    expect(page.locator(".dv-lapse-band")).to_be_visible()
    screenshot("lapse")

    # The link copied here opens the same view, the lapse too.
    page.get_by_role("button", name="Link", exact=True).click()
    expect(page.get_by_role("button", name="Copied ✓")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(root + "?d=sample/ocean&v=sla&")
    assert "&lapse=" in link
    page.get_by_role("button", name="Python", exact=True).click()
    page.wait_for_function("navigator.clipboard.readText().then(text => text.startsWith('from datavore_widgets'))")
    with page.expect_download() as saving:
        page.get_by_role("button", name="PNG", exact=True).click()
    saving.value.save_as(tmp_path / "map.png")
    saved = Image.open(io.BytesIO((tmp_path / "map.png").read_bytes()))
    assert saving.value.suggested_filename == "sample_ocean_sla.png"
    assert max(saved.size) > 1600
    assert saved.convert("RGB").getpixel((5, 5)) == (255, 255, 255)

    # By the keyboard, back to one date, and another lapse; then a date by a click.
    sheet.focus()
    page.keyboard.press("Escape")
    expect(desk.truth).not_to_contain_text("Mean of")
    expect(page.locator(".dv-lapse-band")).to_be_hidden()
    page.keyboard.press("Home")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Enter")
    expect(desk.truth).to_contain_text("Mean of 13 times, 2010-01-06 12:00 Z to 2010-03-31 12:00 Z")
    page.get_by_role("button", name="Back to one date").click()
    expect(desk.truth).to_contain_text("2015-08-12 12:00 Z")
    page.mouse.click(area["x"] + area["width"] / 2, y)
    expect(desk.date).not_to_have_text("2015-08-12 12:00 Z")

    page.goto(link)
    desk.wait()
    expect(desk.truth).to_contain_text(re.compile(r"Mean of \d+ times, 20\d\d"))
    page.get_by_role("button", name="Link", exact=True).click()
    expect(page.get_by_role("button", name="Copied ✓")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == link

    page.goto(root + HOSTILE)
    alert = page.locator(".dv-message [role='alert']")
    expect(alert).to_contain_text("The link could not be followed: cmap: unknown colour map", timeout=60_000)
    desk.wait()
    assert page.locator(".dv-message img").count() == 0
