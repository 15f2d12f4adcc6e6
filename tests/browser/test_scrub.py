"""Dates in a real Chromium: neighbours are shown out of the browser's own store, and play leaves none out."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path

from desk import ExplorerDesk
from playwright.sync_api import Page, expect

# Every picture that the layer is given, with the step that the bar is at.
WATCH = """() => {
  const image = document.querySelector('.dv-map .leaflet-image-layer');
  window.shown = [];
  new MutationObserver(() => {
    if (window.shown.at(-1)?.[1] !== image.src) {
      window.shown.push([Number(document.querySelector('.dv-range').value), image.src]);
    }
  }).observe(image, { attributes: true, attributeFilter: ['src'] });
}"""


def opened(page: Page, url: str) -> ExplorerDesk:
    page.goto(url)
    desk = ExplorerDesk(page)
    desk.wait()
    return desk


def test_play_shows_every_date_once_and_ends_on_the_last(
    page: Page, start_explorer: Callable[..., str], sample_catalog: Path, screenshot: Callable[[str], Path]
) -> None:
    desk = opened(page, start_explorer())
    last = int(desk.range.get_attribute("max") or 0)
    desk.range.focus()
    page.keyboard.press("Home")
    expect(desk.truth).to_contain_text(desk.date.inner_text())
    for _ in range(3):
        page.keyboard.press("PageUp")
    expect(desk.truth).to_contain_text(desk.date.inner_text())
    desk.until(lambda: desk.range.input_value() == "30", "step 30")
    page.locator(".dv-rate").select_option("30")
    page.evaluate(WATCH)
    page.get_by_role("button", name="Play").click()
    expect(page.locator(".dv-vmin input")).to_be_disabled()
    desk.until(lambda: page.evaluate("window.shown.length") >= 40, "forty pictures", timeout=60)
    screenshot("playing")
    page.get_by_role("button", name="Stop").click()
    shown = page.evaluate("window.shown")
    expect(page.locator(".dv-vmin input")).to_be_enabled()
    # The picture of a step may be given a moment before the bar has moved to it.
    steps = [step for step, _ in shown]
    assert all(0 <= after - before <= 2 for before, after in itertools.pairwise(steps)), steps
    assert len({url for _, url in shown}) == len(shown), "a picture was shown twice"
    assert len(shown) >= steps[-1] - 30, "steps without a picture"
    # The kernel hears where play has stopped, and tells the facts of that date.
    expect(desk.truth).to_contain_text(desk.date.inner_text())
    page.locator(".dv-step-last").click()
    expect(desk.range).to_have_value(str(last))
    expect(desk.truth).to_contain_text(desk.date.inner_text())


def test_a_step_aside_is_in_the_browser_already(
    page: Page, start_explorer: Callable[..., str], sample_catalog: Path
) -> None:
    desk = opened(page, start_explorer())
    desk.range.focus()
    page.keyboard.press("Home")
    expect(desk.truth).to_contain_text(desk.date.inner_text())
    page.evaluate(WATCH)
    # Shown in the page at once: between the key and the picture the kernel has no turn.
    step = """(to) => {
      const range = document.querySelector('.dv-range');
      const before = document.querySelector('.dv-map .leaflet-image-layer').src;
      range.value = String(to);
      range.dispatchEvent(new Event('input', { bubbles: true }));
      return before !== document.querySelector('.dv-map .leaflet-image-layer').src;
    }"""

    def is_there() -> bool:
        if page.evaluate(step, 1):
            return True
        page.evaluate(step, 0)
        return False

    desk.until(is_there, "the next date's picture in the browser")
    expect(desk.truth).to_contain_text(desk.date.inner_text())
    right = desk.picture()[0]
    # Asked anew, the picture of that date is the same.
    at = desk.range.input_value()
    other = page.context.new_page()
    desk = opened(other, page.url)
    desk.range.focus()
    other.keyboard.press("Home")
    for _ in range(int(at)):
        other.keyboard.press("ArrowRight")
    expect(desk.range).to_have_value(at)
    expect(desk.truth).to_contain_text(re.compile(re.escape(desk.date.inner_text())))
    desk.until(lambda: (desk.picture()[0] == right).all(), "the same picture")
