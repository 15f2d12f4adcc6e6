"""A small box shows the cells that it takes, and a point the one that it takes."""

from __future__ import annotations

import warnings

import fields
import numpy as np
import pytest

with warnings.catch_warnings():
    # bqplot's scales are declared in traitlets' old way, which says so while they are imported.
    warnings.filterwarnings("ignore", "metadata .* was set from the constructor", DeprecationWarning)
    import bqplot  # noqa: F401

from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.queries import DataQuery
from datavore_widgets.service.areas import area_weights
from datavore_widgets.service.local import LocalService
from datavore_widgets.widgets.cell_outlines import corners_of
from datavore_widgets.widgets.map import DatavoreMap
from datavore_widgets.widgets.view import View


def rings(shown: DatavoreMap) -> np.ndarray:
    """(cells, 5, 2): latitude and longitude of the corners, the first one twice."""
    return np.array(shown.cells.lines.locations)


@pytest.mark.parametrize("make", [fields.field, fields.descending, fields.around_greenwich, fields.odd_convention])
def test_a_box_outlines_the_cells_whose_centres_it_holds(make) -> None:
    shown = DatavoreMap(LocalService(make()), View(bbox=[15, -10, 45, 20]))
    found = rings(shown)
    # Centres at 20, 30, 40 and -5, 5, 15: nine cells of ten degrees.
    assert found.shape == (9, 5, 2)
    assert {tuple(corner) for ring in found for corner in ring} == {
        (lat, lon) for lat in (-10, 0, 10, 20) for lon in (15, 25, 35, 45)
    }
    assert np.array_equal(found[:, 0], found[:, 4])


@pytest.mark.parametrize("make", [fields.field, fields.descending, fields.around_greenwich, fields.odd_convention])
def test_a_mean_by_area_outlines_every_cell_that_the_box_touches(make) -> None:
    view = View(bbox=[12, -10, 36, 23])
    shown = DatavoreMap(LocalService(make()), view)
    assert shown.desk.aggregate == "area_avg"
    found = rings(shown)
    # Of the columns about 10, 20, 30, 40 and the rows about -5, 5, 15, 25.
    assert {tuple(corner) for ring in found for corner in ring} == {
        (lat, lon) for lat in (-10, 0, 10, 20, 30) for lon in (5, 15, 25, 35, 45)
    }
    assert len(found) == 16
    view.aggregate = "avg"
    assert len(rings(shown)) == 2 * 3  # centres at 20, 30 and -5, 5, 15
    view.aggregate = None
    assert len(rings(shown)) == 16


def test_of_slanted_cells_those_are_outlined_that_weigh() -> None:
    service = LocalService(fields.curvilinear())
    view = View()
    shown = DatavoreMap(service, view)
    (index,) = service._store.library.indexes.values()
    grid = next(iter(index.variables.values())).grid
    rng = np.random.default_rng(3)
    for _ in range(6):
        row, column = rng.integers(3, grid.shape[0] - 3), rng.integers(3, grid.shape[1] - 3)
        lon, lat = float(grid.lon[row, column]), float(grid.lat[row, column])
        wide, high = rng.uniform(1, 6, 2)
        view.bbox = BBox(lon - wide, lat - high, lon + wide, lat + high)
        cells, weights = area_weights(grid, view.bbox)
        whole = area_weights(grid, BBox(-180, -90, 180, 90))[1]
        part = weights / whole[cells.rows][:, cells.columns]
        found = len(rings(shown))
        # Sides are straight on the map and not on the sphere: cells that hardly weigh are neither here nor there.
        assert (part > 0.01).sum() <= found <= (part > 0).sum() + (part < 0.01).sum()


def test_over_the_antimeridian_they_lie_together_where_the_map_looks() -> None:
    shown = DatavoreMap(LocalService(fields.field()), View(bbox=[165, -10, -165, 10]))
    shown.map.set_state(
        {
            "left": 0.0,
            "top": 0.0,
            "right": 800.0,
            "bottom": 400.0,
            "west": 100.0,
            "south": -40.0,
            "east": 260.0,
            "north": 40.0,
        }
    )
    longitudes = rings(shown)[..., 1]
    assert (longitudes.min(), longitudes.max()) == (165, 195)


def test_of_many_cells_none_is_outlined_and_none_without_a_box() -> None:
    service = LocalService(fields.field())
    shown = DatavoreMap(service, View(bbox=[-180, -80, 180, 80]))
    assert len(rings(shown)) == 0
    shown.view.bbox = [15, -10, 45, 20]
    assert len(rings(shown)) == 9
    shown.view.bbox = None
    assert len(rings(shown)) == 0


def test_a_point_outlines_the_cell_that_its_value_is_of() -> None:
    shown = DatavoreMap(LocalService(fields.field()), View(point=(42, -26)))
    (ring,) = rings(shown)
    assert (ring[:, 0].min(), ring[:, 0].max(), ring[:, 1].min(), ring[:, 1].max()) == (-30, -20, 35, 45)
    shown.view.point = None
    assert len(rings(shown)) == 0


def test_cells_of_a_model_grid_hold_their_centres() -> None:
    service = LocalService(fields.curvilinear())
    view = View(aggregate="avg")
    shown = DatavoreMap(service, view)
    source = shown.desk.scene.source(view)
    field = service.answer(DataQuery(source))
    lon, lat = float(field.lon[4, 5]), float(field.lat[4, 5])
    view.bbox = BBox(lon - 4, lat - 4, lon + 4, lat + 4)
    inside = view.bbox.contains(field.lon, field.lat)
    found = rings(shown)
    assert len(found) == inside.sum() > 0
    middles = sorted(tuple(np.round(ring[:4].mean(axis=0), 1)) for ring in found)
    wanted = sorted(
        (round(float(y), 1), round(float(x), 1)) for x, y in zip(field.lon[inside], field.lat[inside], strict=True)
    )
    np.testing.assert_allclose(middles, wanted, atol=0.6)


def test_corners_lie_between_the_centres() -> None:
    lon, lat = np.meshgrid(np.arange(3.0), np.arange(4.0) * 2)
    x, y = corners_of(lon, lat)
    assert x.shape == y.shape == (5, 4)
    assert x[0].tolist() == [-0.5, 0.5, 1.5, 2.5]
    assert y[:, 0].tolist() == [-1, 1, 3, 5, 7]
    assert np.isnan(corners_of(lon[:1], lat[:1])[0]).all()


def test_the_nearest_cell_with_values_is_marked_also_where_cells_are_small() -> None:
    shown = DatavoreMap(LocalService(fields.field()), View(point=(142, -6), reach=3_000_000))
    shown.map.set_state(
        {"left": 0.0, "top": 0.0, "right": 300.0, "bottom": 200.0, "west": -540.0, "south": -80.0}
        | {"east": 540.0, "north": 80.0}
    )
    assert "no value here; nearest cell with one" in shown._readout._text.value
    (ring,) = rings(shown)
    lon, lat = shown.desk.cell
    assert (ring[:, 0].min(), ring[:, 0].max()) == (lat - 5, lat + 5)
    assert np.cos(np.radians(ring[:4, 1].mean() - lon)) == pytest.approx(1)
