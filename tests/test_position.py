"""Known cells are found where a Web-Mercator map has them, to the pixel."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image

from datavore_widgets.protocol.geometry import GLOBAL, BBox
from datavore_widgets.protocol.queries import Canvas, Style
from datavore_widgets.service.grid import RectilinearGrid
from datavore_widgets.service.render import render
from datavore_widgets.service.resample import window_of

STYLE = Style("gray", 0, 1)
LATITUDES = [0, 30, 60, 75, -30, -60, -75]


def world_pixel(lon: float, lat: float, zoom: int) -> tuple[float, float]:
    """Leaflet's pixel of a place: EPSG:3857, 256 pixels for the world at zoom 0."""
    size = 256 * 2**zoom
    phi = math.radians(lat)
    return (lon + 180) / 360 * size, (1 - math.log(math.tan(phi) + 1 / math.cos(phi)) / math.pi) / 2 * size


def place(x: float, y: float, zoom: int) -> tuple[float, float]:
    """Longitude and latitude of a world pixel."""
    size = 256 * 2**zoom
    return x / size * 360 - 180, math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * y / size))))


GRIDS = {
    "rising, -180..180": (np.arange(-179.875, 180, 0.25), np.arange(-89.875, 90, 0.25)),
    "falling, 0..360": (np.arange(0.125, 360, 0.25), np.arange(89.875, -90, -0.25)),
    "falling, 20..380": (np.arange(20.0, 380, 0.5), np.arange(90.0, -90.5, -0.5)),
    "rising, -280..80": (np.arange(-279.5, 80, 1.0), np.arange(-89.5, 90, 1.0)),
}


def marked(lons, lats, targets):
    """A grid with a value in the cells that hold the targets, nothing elsewhere; and those cells' edges."""
    grid = RectilinearGrid.from_centers(lons, lats)
    values = np.full(grid.shape, np.nan, dtype=np.float32)
    edges = []
    dlon, dlat = abs(lons[1] - lons[0]), abs(lats[1] - lats[0])
    for lon, lat in targets:
        column = int(np.argmin(np.abs((lons - lon + 180) % 360 - 180)))
        row = int(np.argmin(np.abs(lats - lat)))
        values[row, column] = 1.0
        center = lon + (lons[column] - lon + 180) % 360 - 180
        edges.append((center - dlon / 2, lats[row] - dlat / 2, center + dlon / 2, lats[row] + dlat / 2))
    return grid, values, edges


def painted(grid, values, canvas) -> np.ndarray:
    cells = window_of(grid, canvas)
    rows, columns = cells.rows, cells.columns
    picture = render(grid.window(rows, columns), values[rows][:, columns], canvas, STYLE)
    return np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGBA"))[..., 3] > 0


@pytest.mark.parametrize("zoom", [2, 4, 6])
@pytest.mark.parametrize("lon", [-30.4, 12.3, 179.8, -179.6])
@pytest.mark.parametrize("name", list(GRIDS))
def test_a_cell_lies_at_its_web_mercator_pixel(name, lon, zoom):
    for lat in LATITUDES:
        grid, values, [cell] = marked(*GRIDS[name], [(lon, lat)])
        west, south, east, north = cell
        # What a map of 640 by 480 pixels shows, with the cell somewhere off its middle.
        x, y = world_pixel(lon, lat, zoom)
        size = 256 * 2**zoom
        left, top = round(x) - 201, max(round(y) - 307, 0)
        bottom = min(top + 480, size)
        view_west, view_north = place(left, top, zoom)
        view_east, view_south = place(left + 640, bottom, zoom)
        for turned in (0, 360 if view_west < 0 else -360):
            box = BBox(view_west + turned, view_south, view_east + turned, view_north)
            if turned and (view_east + turned) > 180:
                box = BBox(box.west, box.south, box.east - 360, box.north) if box.east - 360 < box.west else box
            if box.width >= 360:
                continue
            mask = painted(grid, values, Canvas(box, 640, "mercator"))
            assert mask.shape[1] == 640
            assert abs(mask.shape[0] - (bottom - top)) <= 1
            found_y, found_x = np.nonzero(mask)
            (x0, y0), (x1, y1) = world_pixel(west, north, zoom), world_pixel(east, max(south, -89), zoom)
            # Nothing is painted elsewhere, and where a cell is no smaller than a pixel all of it is.
            for seen, low, high in (
                (found_x, x0 - left, x1 - left),
                (found_y, max(y0 - top, 0), min(y1, bottom) - top),
            ):
                assert seen.min(initial=10_000) >= low - 1
                assert seen.max(initial=-1) + 1 <= high + 1
                if x1 - x0 >= 1.5 and y1 - y0 >= 1.5:
                    assert seen.min() <= low + 1
                    assert seen.max() + 1 >= high - 1


@pytest.mark.parametrize("name", list(GRIDS))
@pytest.mark.parametrize("resample", [False, True])
def test_all_marks_of_a_world_map_are_in_their_places(name, resample):
    targets = [(lon, lat) for lat in LATITUDES for lon in (-120.3, 0.2, 77.7, 179.9)]
    lons, lats = GRIDS[name]
    grid, values, edges = marked(lons, lats, targets)
    zoom = 3
    mask = painted(
        grid, values, Canvas(BBox(-180, -85.0511287798066, 180, 85.0511287798066), 2048, "mercator", resample)
    )
    assert mask.shape == (2048, 2048)
    for west, south, east, north in edges:
        x, y = world_pixel((west + east) / 2, (south + north) / 2, zoom)
        near = mask[max(int(y) - 1, 0) : int(y) + 2, [int(x + d) % 2048 for d in (-1, 0, 1)]]
        assert near.any(), (west, south)
    # Nothing is painted elsewhere.
    there = np.zeros_like(mask)
    for west, south, east, north in edges:
        (x0, y0), (x1, y1) = world_pixel(west, north, zoom), world_pixel(east, south, zoom)
        columns = np.arange(math.floor(x0) - 1, math.ceil(x1) + 1) % 2048
        there[math.floor(y0) - 1 : math.ceil(y1) + 1, columns] = True
    assert not (mask & ~there).any()


@pytest.mark.parametrize("name", list(GRIDS))
@pytest.mark.parametrize("box", [GLOBAL, BBox(-180, 40, 180, 90), BBox(150, -80, -120, 80), BBox(190, -10, 240, 10)])
def test_plate_carree_puts_cells_at_equal_steps_of_latitude(name, box):
    targets = [(lon, lat) for lat in LATITUDES for lon in (-150.3, 0.2, 179.9)]
    grid, values, edges = marked(*GRIDS[name], targets)
    mask = painted(grid, values, Canvas(box, 1440))
    height, width = mask.shape
    found = 0
    for west, south, east, north in edges:
        lon, lat = (west + east) / 2, (south + north) / 2
        x = (lon - box.west) % 360 / box.width * width
        y = (box.north - lat) / box.height * height
        if 1 < x < width - 1 and 1 < y < height - 1:
            found += 1
            assert mask[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2].any()
    assert found
    assert mask.any(axis=1).mean() < 0.6


def test_a_picture_that_is_not_warped_fails_here():
    # What the tests above are for: a plate carrée picture stretched over a Web-Mercator map.
    grid, values, [(west, south, east, north)] = marked(*GRIDS["rising, -180..180"], [(12.3, 60)])
    flat = painted(grid, values, Canvas(BBox(-180, -85.0511, 180, 85.0511), 2048))
    rows = np.nonzero(flat.any(axis=1))[0] * 2048 / flat.shape[0]
    _, y = world_pixel((west + east) / 2, (south + north) / 2, 3)
    assert abs(rows.mean() - y) > 50
