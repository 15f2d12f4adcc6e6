"""The app from its command to a page one can use, in a real Chromium, and where the time goes.

    python -m tests.benchmarks app
    python tests/benchmarks/bench_app.py [--rounds 3]

Cold is from the start of `datavore explore`, with a browser that runs already and has nothing of the page in its cache,
until picture, chart and facts are drawn. Preheated is from the address to the same, with a kernel that stands by: that
is waited for until the processes of the app are at rest. The built-in sample is made before, as on every start but the
first of all. The machine's load is printed with each: on a busy one all of it is waiting.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_TESTS.parent), str(_TESTS), str(_TESTS / "browser")]

COLD, PREHEATED = 4000, 2500
"""Milliseconds that it may take at most."""

MARKS = """(() => {
  const marks = (window.marks = {});
  const layer = () => document.querySelector('.dv-map .leaflet-image-layer');
  const drawn = {
    page: () => document.body,
    widgets: () => document.querySelector('.dv-side'),
    picture: () => layer()?.src.startsWith('blob:') && layer().complete,
    chart: () => document.querySelector('.dv-chart svg'),
    facts: () => document.querySelector('.dv-truth')?.textContent.includes('cells in the picture have a value'),
    dates: () => document.querySelector('.dv-range')?.disabled === false,
  };
  const look = () => {
    for (const [name, is] of Object.entries(drawn)) if (!(name in marks) && is()) marks[name] = performance.now();
    window.isUsable = Object.keys(marks).length === Object.keys(drawn).length;
    if (!window.isUsable) setTimeout(look, 10);
  };
  look();
})()"""
SENT = """(() => {
  const page = performance.getEntriesByType('navigation')[0];
  const files = performance.getEntriesByType('resource');
  return {
    kernel: page.responseEnd,
    files: files.length,
    megabytes: files.reduce((sum, file) => sum + file.encodedBodySize, page.encodedBodySize) / 1e6,
  };
})()"""
IMPORTED = {
    "the site": "import datavore_widgets.web.site",
    "a kernel": "import ipykernel.kernelapp, datavore_widgets.client.http\nfrom datavore_widgets import explore",
    "the service": "import datavore_widgets.cli, datavore_widgets.server.app, datavore_widgets.service.local",
}


def _visit(browser: Any, url: str) -> dict[str, float]:
    """Milliseconds from asking for the page, and what was sent."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.add_init_script(MARKS)
    messages: list[int] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: messages.append(len(frame))))
    page.goto(url, wait_until="commit")
    page.wait_for_function("window.isUsable", timeout=120_000, polling=20)
    found: dict[str, float] = {**page.evaluate("window.marks"), **page.evaluate(SENT)}
    found["usable"] = max(found[name] for name in ("picture", "chart", "facts", "dates"))
    found["message megabytes"] = sum(messages) / 1e6
    context.close()
    return found


def _used(program: Any) -> float:
    """Seconds of processor that the app's processes have used: what a busy machine does not change."""
    import psutil

    used = 0.0
    for process in [psutil.Process(program.process.pid), *program.children()]:
        with contextlib.suppress(psutil.Error):
            used += sum(process.cpu_times()[:2])
    return used


def _rest(program: Any) -> None:
    """Until the kernel that stands by has drawn: nothing of the app works any more."""
    quiet, before = 0, -1.0
    while quiet < 4:
        time.sleep(0.5)
        used = _used(program)
        quiet = quiet + 1 if used - before < 0.06 else 0
        before = used


def _say(name: str, values: list[float], unit: str = "ms", most: float | None = None) -> None:
    middle = statistics.median(values)
    met = "" if most is None else f"   at most {most:g}: {'yes' if middle <= most else 'NO'}"
    sys.stdout.write(f"{name:44}{middle:9.1f} {unit} median {min(values):9.1f} least{met}\n")


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    from chromium import FLAGS, find_chromium
    from playwright.sync_api import sync_playwright
    from processes import started

    from datavore_widgets.service.sample import catalog_path
    from tests.benchmarks.starting import costliest

    catalog_path()
    command = ["datavore_widgets.cli", "explore", "--no-browser", "--port", "0"]
    addresses: list[float] = []
    visits: dict[str, list[dict[str, float]]] = {"cold": [], "preheated": []}
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
        for _ in range(options.rounds):
            began = time.perf_counter()
            with started(*command) as program:
                url = program.wait_for(r"(http://127\.0\.0\.1:\d+/)")
                address = 1e3 * (time.perf_counter() - began)
                cold = _visit(browser, url)
                addresses.append(address)
                cold["processor"] = 1e3 * _used(program)
                visits["cold"].append(cold | {"usable since the command": address + cold["usable"]})
                _rest(program)
                before = _used(program)
                visits["preheated"].append(_visit(browser, url))
                visits["preheated"][-1]["processor"] = 1e3 * (_used(program) - before)
                program.interrupt()
            sys.stdout.write(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
        browser.close()
    _say("cold: the address is told", addresses)
    _say("cold: usable", [found["usable since the command"] for found in visits["cold"]], most=COLD)
    for kind, found in visits.items():
        if kind == "preheated":
            _say("preheated: usable", [one["usable"] for one in found], most=PREHEATED)
        for name in ("page", "kernel", "widgets", "picture", "chart", "facts"):
            _say(f"  {kind}, since the page was asked for: {name}", [one[name] for one in found])
        _say(f"  {kind}: processor of the app", [one["processor"] for one in found])
        _say(f"  {kind}: files", [one["files"] for one in found], "")
        _say(f"  {kind}: sent in files", [one["megabytes"] for one in found], "MB")
        _say(f"  {kind}: sent in messages", [one["message megabytes"] for one in found], "MB")
    for name, code in IMPORTED.items():
        sys.stdout.write(f"the ten costliest imports of {name}\n")
        for own, module in costliest("import sys\nsys.modules.setdefault('rfc3987_syntax', None)\n" + code):
            sys.stdout.write(f"  {own / 1e3:7.1f} ms  {module}\n")


if __name__ == "__main__":
    main()
