"""A notebook that was saved with its widgets shows its map again where nothing runs."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from desk import ExplorerDesk
from notebook_file import notebook_of
from PIL import Image
from playwright.sync_api import Page, expect
from real import TAS

_END_SESSIONS = """async () => {
  const base = new URL("../api/sessions", location.href.replace(/lab.*/, "lab/")).href;
  const token = document.cookie.match(/_xsrf=([^;]+)/)?.[1] ?? "";
  for (const session of await (await fetch(base)).json())
    await fetch(`${base}/${session.id}`, { method: "DELETE", headers: { "X-XSRFToken": token } });
}"""


def test_a_saved_notebook_shows_the_picture_without_a_kernel(
    start_lab: Callable[..., str],  # before the page: what it talks to must outlive it
    page: Page,
    tmp_path: Path,
    shared_data: Path,
    screenshot: Callable[[str], Path],
) -> None:
    settings = tmp_path / "JUPYTERLAB_SETTINGS_DIR" / "@jupyter-widgets" / "jupyterlab-manager"
    settings.mkdir(parents=True)
    (settings / "plugin.jupyterlab-settings").write_text('{"saveState": true}')
    notebook = tmp_path / "look.ipynb"
    notebook.write_text(notebook_of(f"from datavore_widgets import explore\nexplore({str(shared_data / TAS.name)!r})"))
    page.goto(url := start_lab(notebook))
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=90_000)
    page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
    page.keyboard.press("Shift+Enter")
    desk = ExplorerDesk(page)
    desk.wait()
    seen = desk.picture()[0]

    page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
    with page.expect_response(lambda reply: reply.request.method == "PUT" and notebook.name in reply.url):
        page.keyboard.press("Control+s")
    saved = json.loads((tmp_path / "lab" / notebook.name).read_text())
    (models,) = [part["state"] for part in saved["metadata"]["widgets"].values()]
    (layer,) = [m["state"] for m in models.values() if m["state"].get("name") == "Picture"]
    kept = Image.open(io.BytesIO(base64.b64decode(layer["url"].removeprefix("data:image/png;base64,"))))
    np.testing.assert_array_equal(np.asarray(kept.convert("RGBA")), seen)

    page.evaluate(_END_SESSIONS)
    page.goto("about:blank")
    page.goto(url)
    picture = page.locator(".dv-map .leaflet-image-layer").first
    expect(picture).to_be_visible(timeout=60_000)
    assert picture.evaluate("async (image) => { await image.decode(); return image.naturalWidth }") == seen.shape[1]
    marked = page.locator(".dv-map").first.evaluate("(map) => getComputedStyle(map, '::before').content")
    assert marked == "none", "a mark of JupyterLab is in the way"
    screenshot("reopened")
