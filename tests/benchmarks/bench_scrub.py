"""Dates in a real Chromium beside the browser's own floor, and in the kernel alone.

    python tests/benchmarks/bench_scrub.py [--size 1024] [--frames 60] [--path PATH …]

The floor is a data URL of the same pictures swapped on an image with no kernel at all. A step is a date that the
browser keeps; a jump is one that the kernel has to make. Each time is from the input to the second frame of the screen
after it, the first that surely has the picture. Without a path it is the built-in sample.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import itertools
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_TESTS), str(_TESTS / "browser")]

FLOOR = """async (urls) => {
  const image = document.createElement('img');
  document.body.append(image);
  const times = [];
  for (const url of urls) {
    const began = performance.now();
    image.src = url;
    await image.decode();
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    times.push(performance.now() - began);
  }
  image.remove();
  return times;
}"""
STEP = """async (to) => {
  const layer = document.querySelector('.dv-map .leaflet-image-layer');
  const range = document.querySelector('.dv-range');
  const before = layer.src;
  const began = performance.now();
  range.value = String(to);
  range.dispatchEvent(new Event('input', { bubbles: true }));
  while (layer.src === before) {
    if (performance.now() - began > 5000) return null;
    await new Promise((done) => { const c = new MessageChannel(); c.port1.onmessage = done; c.port2.postMessage(0); });
  }
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return performance.now() - began;
}"""
PLAY = """() => {
  const layer = document.querySelector('.dv-map .leaflet-image-layer');
  window.at = [];
  const watch = new MutationObserver(() => window.at.push(performance.now()));
  watch.observe(layer, { attributes: true, attributeFilter: ['src'] });
}"""


def _tell(name: str, values: list[float]) -> None:
    middle, least = statistics.median(values), min(values)
    sys.stdout.write(f"{name:38}{middle:8.1f} ms median {least:8.1f} ms least  ({len(values)})\n")


def kernel(spec: Any, size: int, frames: int) -> list[bytes]:
    """Pictures a second of the service alone, and the pictures."""
    from datavore_widgets.protocol.geometry import GLOBAL
    from datavore_widgets.protocol.queries import Canvas, CatalogQuery, MapQuery, Source, TimesQuery
    from datavore_widgets.protocol.times import Stamp
    from datavore_widgets.service.local import LocalService

    pictures: list[bytes] = []
    for threads in (1, 2):
        with LocalService(spec) as service, ThreadPoolExecutor(threads) as pool:
            info = next(iter(service.answer(CatalogQuery()).indexes.values()))
            name = next(iter(info.variables))
            axis = service.answer(TimesQuery(info.index, name)).axis
            canvas = Canvas(GLOBAL.clip_to_mercator(), size, "mercator")
            queries = [
                MapQuery(Source(info.index, name, Stamp(int(label), axis.calendar).date), canvas)
                for label in axis.labels[: frames + 1]
            ]
            service.answer(queries.pop())  # finds limits and tables, once
            began = time.perf_counter()
            pictures = [image.png for image in pool.map(service.answer, queries)]
            rate = len(queries) / (time.perf_counter() - began)
        sys.stdout.write(f"kernel, {threads} thread{'s' * (threads > 1)}: {rate:.0f} pictures a second of {size}²\n")
    return pictures


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--path", nargs="*", default=[])
    options = parser.parse_args()

    from chromium import FLAGS, find_chromium
    from desk import ExplorerDesk
    from playwright.sync_api import sync_playwright
    from processes import started

    from datavore_widgets.service.sample import catalog_path

    pictures = kernel(options.path or catalog_path(), options.size, options.frames)
    command = ["datavore_widgets.cli", "explore", "--no-browser", "--port", "0", *options.path]
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(started(*command)).wait_for_url(r"(http://127\.0\.0\.1:\d+/)")
        play = stack.enter_context(sync_playwright())
        browser = play.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
        stack.callback(browser.close)
        # So wide that a picture, with what lies beyond the edges, has as many pixels as asked for.
        page = browser.new_context(viewport={"width": 300 + round(options.size / 1.16), "height": 1200}).new_page()
        page.goto(url)
        desk = ExplorerDesk(page)
        desk.wait()
        desk.range.focus()
        page.keyboard.press("Home")
        page.wait_for_timeout(3000)
        sys.stdout.write(f"in the page a picture has {desk.picture()[0].shape[:2]} pixels\n")
        urls = ["data:image/png;base64," + base64.b64encode(png).decode() for png in pictures[:24]]
        _tell("floor: a data URL, no kernel", page.evaluate(FLOOR, urls))
        last = int(desk.range.get_attribute("max") or 0)
        _tell("a step that the browser keeps", [page.evaluate(STEP, to) for to in (1, 2, 3, 2, 1, 0, 1, 2, 3, 4)])
        _tell("a jump that the kernel makes", [page.evaluate(STEP, last // 3 + 20 * n) for n in range(5)])
        page.keyboard.press("Home")
        page.wait_for_timeout(1500)
        page.locator(".dv-rate").select_option("30")
        page.evaluate(PLAY)
        page.get_by_role("button", name="Play").click()
        desk.until(lambda: page.evaluate("window.at.length") > options.frames, "the pictures", timeout=60)
        at = page.evaluate("window.at")
        page.get_by_role("button", name="Stop").click()
        gaps = [after - before for before, after in itertools.pairwise(at)]
        _tell("between two pictures of play at 30/s", gaps)
        sys.stdout.write(f"played: {1000 * len(gaps) / (at[-1] - at[0]):.1f} pictures a second\n")


if __name__ == "__main__":
    main()
