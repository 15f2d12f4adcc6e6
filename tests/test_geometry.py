from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol.geometry import (
    GLOBAL,
    MERCATOR_LIMIT,
    BBox,
    Point,
    latitude_from_mercator,
    mercator_from_latitude,
    parse_bbox,
    parse_coord,
    wrap180,
)

settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")


@pytest.mark.parametrize(
    "spelling",
    [[-60, 3, -22, 27], "-60, 3, -22, 27", "[-60,3,-22,27]", (-60.0, 3.0, -22.0, 27.0), np.array([-60, 3, -22, 27])],
)
def test_documented_spellings_of_a_box_are_one_box(spelling: object) -> None:
    assert parse_bbox(spelling) == BBox(-60, 3, -22, 27)


def test_global_is_the_whole_world() -> None:
    assert parse_bbox("global") == GLOBAL
    assert GLOBAL.is_whole_turn
    assert not GLOBAL.crosses_antimeridian


@pytest.mark.parametrize(
    ("spelling", "told"),
    [
        ([1, 2, 3], "four numbers"),
        ("a,b,c,d", "'a'"),
        ([0, 95, 10, 96], "between -90 and 90"),
        ([3, 27, 22, 3], "order is west, south, east, north"),
        ([0, 0, float("nan"), 1], "finite"),
        ([0, 0, 1000, 1], "between -360 and 720"),
        (7, "four numbers or 'global'"),
        (None, "not None"),
    ],
)
def test_a_wrong_box_is_refused_with_what_is_allowed(spelling: object, told: str) -> None:
    with pytest.raises(InvalidValue, match=told.replace("(", r"\(")):
        parse_bbox(spelling)


def test_a_coord_is_a_point_or_a_box() -> None:
    assert parse_coord("-27.42,19.97") == Point(-27.42, 19.97)
    assert parse_coord([0, 0, 1, 1]) == BBox(0, 0, 1, 1)
    with pytest.raises(InvalidValue, match="position"):
        parse_coord([1, 2, 3])


@given(
    west=st.integers(-360, 719),
    width=st.integers(0, 400),
    lon=st.integers(-720, 720),
    turns=st.integers(-2, 2),
)
def test_containment_is_the_same_on_every_turn(west: int, width: int, lon: int, turns: int) -> None:
    east = west + width
    if east > 720:
        return
    box = BBox(west, -10, east, 10)
    brute = width >= 360 or any(west <= lon + 360 * k <= east for k in range(-6, 7))
    assert bool(box.contains(lon + 360 * turns, 0)) is brute


@given(st.floats(-180, 180), st.floats(0, 359.9), st.integers(-1, 1))
def test_edges_lie_inside_whatever_the_convention(west: float, width: float, turns: int) -> None:
    east = west + width
    box = BBox(west, -1, wrap180(east), 1) if width else BBox(west, -1, west, 1)
    assert box.contains([west + 360 * turns, east + 360 * turns], [0, 0]).all()


def test_west_above_east_crosses_the_antimeridian() -> None:
    box = BBox(170, -10, -160, 10)
    assert box.width == 30
    assert box.crosses_antimeridian
    assert box.to_leaflet() == ((-10, 170), (10, 200))
    assert box.to_extent() == (170, 200, -10, 10)
    assert box.contains([175, -165, 190, 165], [0, 0, 0, 0]).tolist() == [True, True, True, False]
    assert BBox(190, -10, 210, 10).contains(-160, 0)
    assert not BBox(190, -10, 210, 10).crosses_antimeridian


@given(st.floats(-MERCATOR_LIMIT, MERCATOR_LIMIT))
def test_mercator_goes_there_and_back(latitude: float) -> None:
    assert latitude_from_mercator(mercator_from_latitude(latitude)) == pytest.approx(latitude, abs=1e-10)


def test_mercator_world_is_a_square() -> None:
    assert mercator_from_latitude(MERCATOR_LIMIT) == pytest.approx(np.pi)
    # The textbook's ln(tan(pi/4 + phi/2)).
    phi = np.radians(60)
    assert mercator_from_latitude(60) == pytest.approx(np.log(np.tan(np.pi / 4 + phi / 2)))


def test_a_box_outside_mercator_is_refused() -> None:
    assert GLOBAL.clip_to_mercator().north == MERCATOR_LIMIT
    with pytest.raises(InvalidValue, match="Web-Mercator ends"):
        BBox(0, 86, 10, 90).clip_to_mercator()


def test_text_reads_back() -> None:
    box = BBox(-27.420000000000005, 3, 1e-7, 27)
    assert parse_bbox(box.to_text()) == box
    assert BBox(-60, 3, -22, 27).to_text() == "-60,3,-22,27"
