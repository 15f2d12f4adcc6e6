"""The picture of the README: `python tests/screenshot.py [FILE.png]`, with the sample and a box drawn on it."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from chromium import FLAGS, find_chromium
from PIL import Image
from playwright.sync_api import sync_playwright
from processes import started

TARGET = Path(__file__).resolve().parents[1] / "notebooks" / "explorer.png"
SIZE = {"width": 1280, "height": 800}
MOST_BYTES = 300_000


def take() -> bytes:
    """The explorer on the sample, a few seconds after it came up."""
    with started("datavore_widgets.cli", "explore", "--no-browser", "--port", "0") as program, sync_playwright() as run:
        browser = run.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
        page = browser.new_page(viewport=SIZE)
        page.goto(program.wait_for_url(r"(http://127\.0\.0\.1:\d+/)"))
        page.wait_for_selector(".dv-map .leaflet-image-layer", timeout=60_000)
        page.wait_for_timeout(1_000)  # the map flies to the extent of the data
        page.locator(".dv-range").first.focus()
        for _ in range(25):  # ten steps back each: to an El Niño of the sample
            page.keyboard.press("PageDown")
        page.locator(".dv-draw").click()
        page.wait_for_selector(".dv-box-tool.dv-active")  # before that, a drag moves the map
        area = page.locator(".dv-map .leaflet-container").first.bounding_box()
        assert area is not None
        page.mouse.move(area["x"] + 0.06 * area["width"], area["y"] + 0.45 * area["height"])
        page.mouse.down()
        page.mouse.move(area["x"] + 0.15 * area["width"], area["y"] + 0.50 * area["height"], steps=4)
        page.mouse.move(area["x"] + 0.22 * area["width"], area["y"] + 0.55 * area["height"], steps=4)
        page.mouse.up()
        page.wait_for_selector(".dv-chart path", state="attached", timeout=60_000)
        page.mouse.move(SIZE["width"] - 5, area["y"] + 5)
        page.wait_for_timeout(4_000)
        png: bytes = page.screenshot()
        browser.close()
    return png


def shrink(png: bytes) -> bytes:
    """With a palette: a third of the bytes, and hardly a difference to the eye."""
    packed = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(256).save(packed, "PNG", optimize=True)
    return packed.getvalue()


def main() -> None:
    """Take it, shrink it, write it."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    packed = shrink(take())
    if len(packed) >= MOST_BYTES:
        raise SystemExit(f"the picture has {len(packed)} bytes; the README's is to have fewer than {MOST_BYTES}")
    target.write_bytes(packed)


if __name__ == "__main__":
    main()
