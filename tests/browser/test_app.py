"""The app's page comes up whole, asks nothing of other hosts, and gives nothing away."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from processes import is_gone, started, until


def test_the_sample_is_on_screen_and_fills_it(
    page: Page, start_explorer: Callable[..., str], screenshot: Callable[[str], Path], outside: list[str]
) -> None:
    page.goto(start_explorer())
    expect(page.locator(".leaflet-image-layer").first).to_be_visible(timeout=60_000)
    expect(page.get_by_text("synthetic data").first).to_be_visible()
    expect(page).to_have_title("Datavore")
    size = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    assert size == [1440, 900], "the page scrolls"
    assert outside == []
    assert page.evaluate("window.MathJax === undefined"), "a program for formulas was fetched, where there are none"
    screenshot("light")


def test_land_and_coast_are_drawn_all_over_the_map(page: Page, start_explorer: Callable[..., str]) -> None:
    page.goto(start_explorer())
    whole = page.locator(".dv-map .leaflet-container").bounding_box(timeout=90_000)
    assert whole is not None
    for pane in ("dv-land", "dv-coast"):
        path = page.locator(f".leaflet-{pane}-pane path").first
        expect(path).to_be_visible(timeout=90_000)
        drawn = path.bounding_box()
        assert drawn is not None
        assert drawn["width"] > 0.9 * whole["width"], "a copy of the world is missing"
        assert drawn["height"] > 0.5 * whole["height"]


def test_dark_by_the_url(page: Page, start_explorer: Callable[..., str], screenshot: Callable[[str], Path]) -> None:
    page.goto(start_explorer() + "?theme=dark")
    expect(page.locator(".leaflet-image-layer").first).to_be_visible(timeout=60_000)
    channels = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert max(channels[:3]) < 60, "the page is not dark"
    screenshot("dark")


@pytest.mark.parametrize("viewport", [(600, 900)], ids=["narrow"])
def test_in_a_narrow_window_the_map_comes_first(
    page: Page, start_explorer: Callable[..., str], screenshot: Callable[[str], Path]
) -> None:
    page.goto(start_explorer())
    expect(page.locator(".leaflet-image-layer").first).to_be_visible(timeout=60_000)
    tops = [page.locator(part).first.bounding_box() for part in (".dv-map", ".dv-date-slider", ".dv-chart", ".dv-side")]
    edges = [part["y"] for part in tops if part is not None]
    assert len(edges) == 4
    assert edges == sorted(edges)
    assert edges[0] == 0
    assert edges[1] < 900, "the date is not in sight"
    assert page.evaluate("document.documentElement.scrollWidth") == 600
    screenshot("narrow")


@pytest.mark.parametrize(
    "path",
    [
        "voila/files/explorer.ipynb",
        "voila/files/..%2Fcli.py",
        "voila/files/../cli.py",
        "voila/api/contents/",
        "api/contents",
        "voila/tree/",
        "voila/static/..%2f..%2f..%2fetc/passwd",
    ],
)
def test_no_file_is_served(start_explorer: Callable[..., str], path: str) -> None:
    reply = httpx.get(start_explorer() + path, timeout=60, follow_redirects=True)
    if reply.is_success:  # any other path is the app's page itself
        assert "<title>Datavore</title>" in reply.text
    else:
        assert reply.status_code in {400, 403, 404, 405}
    assert "def main" not in reply.text
    assert "root:" not in reply.text


def test_a_foreign_host_header_is_refused(start_explorer: Callable[..., str]) -> None:
    assert httpx.get(start_explorer(), headers={"Host": "evil.example"}, timeout=60).status_code == 403


def test_a_page_that_is_left_ends_its_kernel(chromium: Browser) -> None:
    with (
        started("datavore_widgets.cli", "explore", "--no-browser", "--port", "0") as program,
        chromium.new_context() as context,  # not the fixture's: what a page asks for as it goes cannot be routed
    ):
        page = context.new_page()
        page.goto(program.wait_for_url(r"(http://127\.0\.0\.1:\d+/)"))
        expect(page.locator(".leaflet-image-layer").first).to_be_visible(timeout=60_000)
        kernels = [child for child in program.children() if "datavore_widgets.web.kernel" in child.cmdline()]
        page.goto("about:blank")
        # One of them, that is: another stands by for the next visitor.
        until(lambda: any(map(is_gone, kernels)), "the kernel of the page outlives it")
        assert "/voila/api/shutdown/" not in program.output, "it was refused, or failed"


def test_the_page_runs_its_scripts_while_the_kernel_draws(chromium: Browser) -> None:
    with (
        started("datavore_widgets.cli", "explore", "--no-browser", "--port", "0") as program,
        chromium.new_context() as context,
    ):
        page = context.new_page()
        url = program.wait_for_url(r"(http://127\.0\.0\.1:\d+/)")
        (kernel,) = [child for child in program.children() if "datavore_widgets.web.kernel" in child.cmdline()]
        kernel.suspend()
        page.goto(url, wait_until="commit")
        # The map's own scripts are the last; Voila alone asks for them when a widget does.
        page.wait_for_function(
            "performance.getEntriesByType('resource').filter((e) => e.name.includes('/jupyter-leaflet/')).length > 9"
        )
        assert page.evaluate("document.readyState") == "loading"
        kernel.resume()
        expect(page.locator(".leaflet-image-layer").first).to_be_visible(timeout=60_000)


def test_the_notebook_is_alone_in_its_folder() -> None:
    import datavore_widgets

    folder = Path(datavore_widgets.__file__).parent / "app"
    assert [file.name for file in folder.iterdir() if file.name != "__pycache__"] == ["explorer.ipynb"]
    notebook = json.loads((folder / "explorer.ipynb").read_text())
    assert all(not cell["outputs"] for cell in notebook["cells"])
