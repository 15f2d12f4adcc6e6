"""Land and coast are sent as small integers, once, and go with their layer."""

from __future__ import annotations

import ipyleaflet
import numpy as np
import pytest

from datavore_widgets.protocol.coastline import land_polygons
from datavore_widgets.widgets.closing import close_whole
from datavore_widgets.widgets.coast import Outlines, coast_layer, land_layer, shores


def lines_of(outlines: Outlines) -> list[np.ndarray]:
    """As the page reads them: (lat, lon) in degrees."""
    points = np.frombuffer(outlines.points, "<i2").reshape(-1, 2) / outlines.per_degree
    return np.split(points, np.cumsum(np.frombuffer(outlines.lengths, "<i4"))[:-1])


def test_the_land_is_that_of_the_map_to_a_hundredth_of_a_degree() -> None:
    outlines = land_layer().outlines
    rings = [ring for polygon in land_polygons() for ring in polygon]
    lines = lines_of(outlines)
    assert len(lines) == len(rings)
    for line, ring in zip(lines, rings, strict=True):
        np.testing.assert_allclose(line[:, ::-1], ring, atol=0.0051, rtol=0)  # half of a hundredth, and rounding
    groups = np.frombuffer(outlines.groups, "<i4")
    assert groups.tolist() == [len(polygon) for polygon in land_polygons()]


def test_the_coast_has_no_polygons() -> None:
    outlines = coast_layer().outlines
    assert outlines.groups == b""
    for line, shore in zip(lines_of(outlines), shores(), strict=True):
        np.testing.assert_allclose(line, shore, atol=1e-9, rtol=0)


@pytest.mark.parametrize("make", [coast_layer, land_layer])
def test_a_layer_is_sent_without_its_lines_and_takes_them_along(make) -> None:
    layer: ipyleaflet.Polyline = make()
    outlines = layer.outlines
    assert layer.get_state()["locations"] == []
    assert outlines.layer == layer.model_id
    assert sum(map(len, (outlines.points, outlines.lengths, outlines.groups))) < 30_000
    outlines.set_state({"points": b"", "layer": "another"})
    assert outlines.layer == layer.model_id
    assert outlines.points
    close_whole(layer)
    assert layer.comm is None
    assert outlines.comm is None
