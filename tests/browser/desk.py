"""The explorer as a person uses it: mouse and keyboard in, what the page shows out."""

from __future__ import annotations

import base64
import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Page, expect

from datavore_widgets.protocol.geometry import latitude_from_mercator, mercator_from_latitude

# A picture that is replaced at this moment is gone; then it is the next one's turn.
_FETCH = """async (image) => {
  for (let left = 20; ; left -= 1) {
    const url = image.src;
    try {
      const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
      let text = "";
      for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
      return [url, btoa(text)];
    } catch (error) {
      if (!left) throw error;
      await new Promise(requestAnimationFrame);
    }
  }
}"""


@dataclass(frozen=True)
class Ground:
    """Where a place is on the page: linear in longitude and in Mercator y."""

    x0: float
    per_degree: float
    y0: float
    per_radian: float

    @classmethod
    def of(cls, corners: tuple[float, float, float, float], box: dict[str, float]) -> Ground:
        """From the page's pixels of a drawn box (left, top, right, bottom) and the degrees that it became."""
        left, top, right, bottom = corners
        width = (box["east"] - box["west"]) % 360
        south, north = (float(y) for y in mercator_from_latitude([box["south"], box["north"]]))
        per_degree, per_radian = (right - left) / width, (bottom - top) / (north - south)
        return cls(left - box["west"] * per_degree, per_degree, top + north * per_radian, per_radian)

    def pixel(self, lon: float, lat: float) -> tuple[float, float]:
        """Page pixel of a place."""
        return self.x0 + lon * self.per_degree, self.y0 - float(mercator_from_latitude(lat)) * self.per_radian

    def moved(self, right: float, down: float) -> Ground:
        """The same after the page was scrolled by so many pixels."""
        return Ground(self.x0 + right, self.per_degree, self.y0 + down, self.per_radian)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """(lon, lat) of a page pixel."""
        return (x - self.x0) / self.per_degree, float(latitude_from_mercator((self.y0 - y) / self.per_radian))


class ExplorerDesk:
    """One explorer on a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.map = page.locator(".dv-map .leaflet-container").first
        self.truth = page.locator(".dv-truth")
        self.date = page.locator(".dv-date-text")
        self.range = page.locator(".dv-range")
        self.readout = page.locator(".dv-point-readout")
        self.legend = page.locator(".dv-legend")
        self._area: Any = None
        self._over: list[dict[str, float]] | None = None

    def wait(self, timeout: float = 90_000) -> None:
        """Until the first picture is there."""
        expect(self.page.locator(".dv-map .leaflet-image-layer").first).to_be_visible(timeout=timeout)
        expect(self.truth).to_contain_text("cells in the picture have a value", timeout=timeout)
        # The map may still be on its way to the extent of the data.
        self.page.wait_for_function(
            "!document.querySelector('.leaflet-zoom-anim .leaflet-map-pane')?.getAnimations?.().length"
        )

    def zoom_in(self) -> None:
        """One step nearer, until its picture is there."""
        before = self.picture()[1]
        self.page.locator(".leaflet-control-zoom-in").click()
        self.until(lambda: self.picture()[1] != before, "the picture of the nearer view")

    def draw(self, left: float, top: float, right: float, bottom: float) -> tuple[dict[str, float], Ground]:
        """Draw a box over these parts of the map; the degrees that it became, and where places are on the page.

        No edge may be that of the box before: the fields take the new one edge by edge, and it is there with the last.
        """
        area = self.map.bounding_box()
        assert area is not None
        corners = (
            round(area["x"] + left * area["width"]),
            round(area["y"] + top * area["height"]),
            round(area["x"] + right * area["width"]),
            round(area["y"] + bottom * area["height"]),
        )
        before = self.area()
        self.page.locator(".dv-draw").click()
        expect(self.page.locator(".dv-box-tool")).to_have_class(re.compile("dv-active"))
        mouse = self.page.mouse
        mouse.move(corners[0], corners[1])
        mouse.down()
        mouse.move((corners[0] + corners[2]) / 2, (corners[1] + corners[3]) / 2)
        mouse.move(corners[2], corners[3])
        mouse.up()
        self.until(lambda: self._is_new(before), "the drawn box to arrive")
        box = self.area()
        assert box is not None
        return box, Ground.of(corners, box)

    def _is_new(self, before: dict[str, float] | None) -> bool:
        """Whether all four fields have another edge than before."""
        now = self.area()
        return now is not None and (before is None or all(now[name] != before[name] for name in now))

    def area(self) -> dict[str, float] | None:
        """The box in the four fields."""
        found = {}
        for name in ("west", "south", "east", "north"):
            text = self.page.locator(f".dv-area-{name} input").input_value()
            if not text:
                return None
            found[name] = float(text)
        return found

    def value(self) -> float:
        """The value at the point, as it is shown."""
        return float(self.readout.locator("strong").inner_text().split()[0].replace("−", "-"))

    def cell(self) -> tuple[float, float]:
        """(lon, lat) of the centre of the cell that the value at the point comes from."""
        found = re.search(r"cell of (\S+)°([NS])? (\S+)°([EW])?", self.readout.inner_text())
        assert found is not None, self.readout.inner_text()
        lat, lon = float(found[1]), float(found[3])
        return (-lon if found[4] == "W" else lon), (-lat if found[2] == "S" else lat)

    def until(self, done: Any, what: str, timeout: float = 20.0) -> None:
        """Wait for the page, not for a time."""
        for _ in range(int(timeout / 0.05)):
            if done():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"waited {timeout} s for {what}")

    def picture(self) -> tuple[np.ndarray, str]:
        """The overlay's pixels (height, width, 4), and its URL."""
        url, data = self.page.locator(".dv-map .leaflet-image-layer").first.evaluate(_FETCH)
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA")), url

    def csv(self, folder: Path) -> tuple[list[dict[str, str]], np.ndarray, np.ndarray]:
        """What the CSV button saves of one series: its rows, times and values."""
        with self.page.expect_download() as saving:
            self.page.get_by_role("button", name="CSV").click()
        path = folder / "series.csv"
        saving.value.save_as(path)
        rows = list(csv.DictReader(path.read_text().splitlines()))
        times = np.array([row["time"].rstrip("Z") for row in rows], dtype="M8[s]")
        return rows, times, np.array([float(row[rows[0]["variable"]] or "nan") for row in rows])

    def sees(self, x: float, y: float, margin: float = 8.0) -> bool:
        """Whether the map itself is at a page pixel: inside it, and nothing lies over it there."""
        area = self.map.bounding_box() if self._area is None else self._area
        assert area is not None
        self._area = area
        if not (
            area["x"] + margin < x < area["x"] + area["width"] - margin
            and area["y"] + margin < y < area["y"] + area["height"] - margin
        ):
            return False
        return not any(
            c["x"] - margin <= x <= c["x"] + c["width"] + margin
            and c["y"] - margin <= y <= c["y"] + c["height"] + margin
            for c in self._covers()
        )

    def _covers(self) -> list[dict[str, float]]:
        """What lies over the map; found once, it does not move."""
        if self._over is None:
            parts = (".dv-map-caption", ".dv-map-corner", ".leaflet-control")
            areas = [found.bounding_box() for part in parts for found in self.page.locator(f".dv-map {part}").all()]
            self._over = [dict(area) for area in areas if area is not None]
        return self._over

    def pixels(self) -> np.ndarray:
        """A screenshot as an array (height, width, 3)."""
        return np.asarray(Image.open(io.BytesIO(self.page.screenshot())).convert("RGB"))
