"""Pictures of servers that draw only plate carrée, warped to Web-Mercator."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image

from datavore_widgets.client.warp import warp_to_mercator
from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol.answers import MapImage
from datavore_widgets.protocol.geometry import GLOBAL, MERCATOR_LIMIT, BBox
from datavore_widgets.protocol.queries import Canvas, Style
from datavore_widgets.service.grid import RectilinearGrid
from datavore_widgets.service.render import render

STYLE = Style("viridis", 0.0, 1.0)


def northing(lat: float) -> float:
    return math.log(math.tan(math.pi / 4 + math.radians(lat) / 2))


def marked(lat: float, box: BBox, resolution: int) -> MapImage:
    """A plate carrée picture with one row of two-degree cells painted."""
    grid = RectilinearGrid.from_centers(np.arange(-179, 180, 2), np.arange(-89, 90, 2))
    values = np.full(grid.shape, np.nan, dtype=np.float32)
    values[grid.rows_at(lat)] = 1.0
    picture = render(grid, values, Canvas(box, resolution), STYLE)
    return MapImage(picture.png, picture.bbox, "pc_world", picture.width, picture.height)


def opacity(picture: MapImage) -> np.ndarray:
    image = Image.open(io.BytesIO(picture.png)).convert("RGBA")
    assert image.size == (picture.width, picture.height)
    return np.asarray(image)[..., 3]


@pytest.mark.parametrize("box", [GLOBAL, BBox(-60, 20, 40, 85), BBox(-60, -85, 40, 10), BBox(160, -80, -160, 80)])
@pytest.mark.parametrize("lat", [0.2, 30.3, 60.3, 75.3, -30.3, -60.3, -75.3])
def test_a_row_lies_at_its_northing_to_a_pixel(box, lat):
    if not box.south < lat < box.north:
        return
    # Source pixels are as high as the new ones at 75 degrees.
    warped = warp_to_mercator(marked(lat, box, 2000), 500)
    south, north = (northing(edge) for edge in (warped.bbox.south, warped.bbox.north))
    assert (warped.projection, warped.bbox) == ("mercator", box.clip_to_mercator())
    assert max(warped.width, warped.height) == 500
    low, high = (
        (north - northing(edge)) / (north - south) * warped.height for edge in (lat // 2 * 2 + 2, lat // 2 * 2)
    )
    painted = np.flatnonzero(opacity(warped).any(axis=1))
    assert painted.min() == pytest.approx(low, abs=1)
    assert painted.max() + 1 == pytest.approx(high, abs=1)
    # A row is a row: from the west edge to the east one.
    assert opacity(warped)[painted].all()


def test_colours_are_copied_and_missing_stays_transparent():
    grid = RectilinearGrid.from_centers(np.arange(-179.5, 180), np.arange(-89.5, 90))
    values = np.random.default_rng(0).uniform(0, 1, grid.shape)
    values[:, 180:] = np.nan
    picture = render(grid, values, Canvas(GLOBAL), STYLE)
    source = MapImage(picture.png, picture.bbox, "pc_world", picture.width, picture.height)
    warped = warp_to_mercator(source)
    before = np.asarray(Image.open(io.BytesIO(source.png)).convert("RGBA"))
    after = np.asarray(Image.open(io.BytesIO(warped.png)).convert("RGBA"))
    assert (after[:, 180:, 3] == 0).all()
    assert (after[:, :180, 3] == 255).all()
    assert {tuple(c) for c in after.reshape(-1, 4)} <= {tuple(c) for c in before.reshape(-1, 4)}
    # As many columns as there were, and square pixels.
    assert (warped.width, warped.height) == (360, 360)
    assert warped.bbox == BBox(-180, -MERCATOR_LIMIT, 180, MERCATOR_LIMIT)


def test_what_is_mercator_already_is_left_alone():
    warped = warp_to_mercator(marked(10.0, GLOBAL, 100))
    assert warp_to_mercator(warped) is warped


def test_a_box_beyond_the_projection_is_refused():
    with pytest.raises(InvalidValue, match="Mercator"):
        warp_to_mercator(marked(88.0, BBox(0, 86, 10, 90), 100))
