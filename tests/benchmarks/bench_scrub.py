"""Dates in a real Chromium beside the browser's own floor, in the same run.

    python -m tests.benchmarks scrub
    python tests/benchmarks/bench_scrub.py [--size 1024] [--frames 60] [--path PATH …]

The floor is a data URL of the same pictures swapped on an image with no kernel at all; of play, on the map itself, with
the pictures decoded before. A step is a date that the browser keeps, a drag forty steps from where the page has been
at rest, a jump a date that the kernel has to make. Each time is from the input to the second frame of the screen after
it, the first that surely has the picture. Play goes over the same dates twice: the second time all of them are kept.
Without a path the data are made from a seed, a global quarter of a degree, and prepared; `frames` measures the kernel
alone.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import itertools
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_TESTS.parent), str(_TESTS), str(_TESTS / "browser")]

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
STEPS = """async ([places, period]) => {
  const layer = document.querySelector('.dv-map .leaflet-image-layer');
  const range = document.querySelector('.dv-range');
  const times = [];
  for (const to of places) {
    const before = layer.src;
    const began = performance.now();
    range.value = String(to);
    range.dispatchEvent(new Event('input', { bubbles: true }));
    while (layer.src === before) {
      if (performance.now() - began > 5000) throw new Error(`no picture of step ${to}`);
      await new Promise((done) => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = done;
        port2.postMessage(0);
      });
    }
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    times.push(performance.now() - began);
    await new Promise((done) => setTimeout(done, Math.max(0, period - times.at(-1))));
  }
  return times;
}"""
PLAY = """() => {
  const layer = document.querySelector('.dv-map .leaflet-image-layer');
  window.watch?.disconnect();
  window.at = [];
  window.watch = new MutationObserver(() => window.at.push(performance.now()));
  window.watch.observe(layer, { attributes: true, attributeFilter: ['src'] });
}"""
PLAY_FLOOR = """async ([urls, frames, rate]) => {
  const layer = document.querySelector('.dv-map .leaflet-image-layer');
  const image = layer.cloneNode();
  layer.after(image);
  const held = urls.map((url) => Object.assign(new Image(), { src: url }));
  await Promise.all(held.map((one) => one.decode()));
  const at = [];
  await new Promise((done) => {
    let due = performance.now();
    const beat = (now) => {
      if (at.length >= frames) return done();
      requestAnimationFrame(beat);
      if (now < due) return;
      image.src = urls[at.length % urls.length];
      at.push(performance.now());
      due = Math.max(due, now - 1000 / rate) + 1000 / rate;
    };
    requestAnimationFrame(beat);
  });
  image.remove();
  return at;
}"""
RATE = 30
SLACK = 25.0
"""Milliseconds that a drag may take beyond the floor."""


def _tell(name: str, values: list[float]) -> float:
    middle = statistics.median(values)
    sys.stdout.write(f"{name:38}{middle:8.1f} ms median {min(values):8.1f} ms least  ({len(values)})\n")
    return middle


def _tell_rate(name: str, at: list[float]) -> None:
    gaps = sorted(after - before for before, after in itertools.pairwise(at))
    rate = 1000 * len(gaps) / (at[-1] - at[0])
    sys.stdout.write(f"{name:38}{rate:8.1f} a second; nine of ten gaps within {gaps[len(gaps) * 9 // 10]:.0f} ms\n")


def _pictures(spec: Any, size: int, many: int) -> list[bytes]:
    """Pictures of the world at the first dates."""
    from datavore_widgets.protocol.geometry import GLOBAL
    from datavore_widgets.protocol.queries import Canvas, CatalogQuery, MapQuery, Source, TimesQuery
    from datavore_widgets.protocol.times import Stamp
    from datavore_widgets.service.local import LocalService

    with LocalService(spec) as service:
        info = next(iter(service.answer(CatalogQuery()).indexes.values()))
        name = next(iter(info.variables))
        axis = service.answer(TimesQuery(info.index, name)).axis
        canvas = Canvas(GLOBAL.clip_to_mercator(), size, "mercator")
        sources = (Source(info.index, name, Stamp(int(label), axis.calendar).date) for label in axis.labels[:many])
        return [service.answer(MapQuery(source, canvas)).png for source in sources]


def _made(folder: str, frames: int) -> list[str]:
    """Data from a seed, prepared in a cache of its own."""
    os.environ["XDG_CACHE_HOME"] = folder
    from datavore_widgets.service.laps.prepare import prepare
    from tests.benchmarks.data import make_cube

    path = Path(folder) / "cube.nc"
    make_cube(path, 2 * frames, 720, 1440)
    prepare(path, fields=True)
    return [str(path)]


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--path", nargs="*", default=[])
    options = parser.parse_args()

    from chromium import FLAGS, find_chromium
    from desk import ExplorerDesk
    from playwright.sync_api import sync_playwright
    from processes import started

    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        paths = options.path or _made(folder, options.frames)
        pictures = _pictures(paths, options.size, 24)
        command = ["datavore_widgets.cli", "explore", "--no-browser", "--port", "0", *paths]
        url = stack.enter_context(started(*command)).wait_for(r"(http://127\.0\.0\.1:\d+/)")
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
        page.wait_for_timeout(4000)
        sys.stdout.write(f"a picture has {desk.picture()[0].shape[:2]} pixels, one of the floor {options.size}²\n")
        urls = ["data:image/png;base64," + base64.b64encode(png).decode() for png in pictures]
        sys.stdout.write(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
        floor = _tell("floor: a data URL, no kernel", page.evaluate(FLOOR, urls))
        drag = _tell("a drag, a step every 40 ms", page.evaluate(STEPS, [list(range(1, 41)), 40]))
        met = "yes" if drag <= floor + SLACK else "NO"
        sys.stdout.write(f"the median of the drag is at most the floor and {SLACK:g} ms: {met}\n")
        _tell("a step that the browser keeps", page.evaluate(STEPS, [[39, 38, 37, 38, 39, 40, 39, 38, 37, 36], 0]))
        last = int(desk.range.get_attribute("max") or 0)
        jumps = [last, last // 2 + 10, last - 15, last // 2 + 20, last - 30]
        _tell("a jump that the kernel makes", page.evaluate(STEPS, [jumps, 0]))
        page.locator(".dv-rate").select_option(str(RATE))
        for name in ("played for the first time", "played again, all kept"):
            page.locator(".dv-step-first").click()
            page.wait_for_timeout(1500)
            page.evaluate(PLAY)
            page.get_by_role("button", name="Play").click()
            desk.until(lambda: page.evaluate("window.at.length") > options.frames, "the pictures", timeout=90)
            at = page.evaluate("window.at")
            page.get_by_role("button", name="Stop").click()
            _tell_rate(f"{name}, at {RATE}/s", at[: options.frames + 1])
        _tell_rate("floor of play: swapped on the map", page.evaluate(PLAY_FLOOR, [urls, options.frames, RATE]))


if __name__ == "__main__":
    main()
