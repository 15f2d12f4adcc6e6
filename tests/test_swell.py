"""Swell on great circles: known places, known times, and the way back to where it started."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod

from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol.coastline import on_land
from datavore_widgets.protocol.geometry import EARTH_RADIUS
from datavore_widgets.protocol.swell import GRAVITY, great_circle, group_velocity, period, trace

SPHERE = Geod(a=EARTH_RADIUS, b=EARTH_RADIUS)


def no_land(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    return np.zeros(lon.shape, bool)


def test_a_swell_of_200_metres_by_hand():
    """ω² = gk: k = 2π/200, ω = √(9.80665 × 0.0314159) = 0.55505 rad/s, T = 11.320 s, c = λ/T = 17.668, half of it."""
    assert float(period(200.0)) == pytest.approx(11.320, abs=5e-4)
    assert float(group_velocity(200.0)) == pytest.approx(17.668 / 2, abs=5e-4)


@given(st.floats(20, 900))
def test_the_group_velocity_is_the_slope_of_the_dispersion_relation(wavelength):
    k = 2 * math.pi / wavelength
    slope = (math.sqrt(GRAVITY * k * 1.0001) - math.sqrt(GRAVITY * k * 0.9999)) / (0.0002 * k)
    assert float(group_velocity(wavelength)) == pytest.approx(slope, rel=1e-6)


@given(st.floats(-180, 180), st.floats(-80, 80), st.floats(0, 360), st.floats(1e3, 1.9e7))
def test_a_great_circle_is_where_geodesy_says(lon, lat, bearing, metres):
    lons, lats = great_circle(lon, lat, bearing, np.linspace(0, metres, 60))
    there_lon, there_lat, _ = SPHERE.fwd(lon, lat, bearing, metres)
    _, _, off = SPHERE.inv(float(lons[-1]), float(lats[-1]), there_lon, there_lat)
    assert off < 1.0
    assert (lons[0], lats[0]) == pytest.approx((lon, lat))


def test_longitudes_do_not_jump_at_the_antimeridian():
    lons, _ = great_circle(170.0, 0.0, 90.0, np.linspace(0, 5e6, 50))
    assert np.diff(lons).max() < 2
    assert lons[-1] > 200


def test_a_storm_is_found_again_by_going_back():
    """A swell that set out 3 days ago in a known place, seen where it is now, is traced to that place."""
    storm, wavelength, days = (-160.0, -50.0), 250.0, 3.0
    metres = float(group_velocity(wavelength)) * days * 86_400
    lon, lat, back = SPHERE.fwd(*storm, 40.0, metres)
    path = trace(lon, lat, back + 180.0, wavelength, -24 * days, no_land)
    _, _, off = SPHERE.inv(path.end.lon, path.end.lat, *storm)
    assert off < 2_000
    assert path.hours[-1] == pytest.approx(-72)
    assert path.metres[-1] == pytest.approx(-metres)
    assert not path.meets_land
    halfway = path.at([-36, 36, -80])
    assert np.isfinite(halfway[0]).tolist() == [True, True, False]


def test_a_swell_arrives_at_the_first_coast():
    """From 20°W on the equator eastwards: Gabon's coast, at about 9.3°E."""
    path = trace(-20.0, 0.0, 90.0, 200.0, 240.0)
    assert path.meets_land
    assert path.end.lon == pytest.approx(9.4, abs=0.6)
    assert path.hours[-1] == pytest.approx(path.metres[-1] / float(group_velocity(200.0)) / 3600)
    _, _, metres = SPHERE.inv(-20.0, 0.0, path.end.lon, path.end.lat)
    assert path.metres[-1] == pytest.approx(metres, rel=1e-6)


def test_a_path_ends_before_it_comes_back_around_the_earth():
    path = trace(0.0, 0.0, 45.0, 800.0, 24 * 60, no_land)
    assert path.metres[-1] < math.pi * EARTH_RADIUS


@pytest.mark.parametrize("given", [(math.nan, 0, 0, 200, 24), (0, 0, 0, 0, 24), (0, 0, 0, -5, 24), (0, 0, 0, 200, 0)])
def test_what_is_no_swell_is_refused(given):
    with pytest.raises(InvalidValue, match="wavelength above 0"):
        trace(*given)


def test_land_and_sea():
    places = {
        (2.35, 48.85): True,  # Paris
        (-30.0, 40.0): False,  # the Atlantic
        (-60.0, -10.0): True,  # Amazonia
        (50.5, 42.0): False,  # the Caspian, a hole
        (177.0, 66.5): True,  # Chukotka, west of the cut
        (-173.0, 66.0): True,  # and east of it
        (187.0, 66.0): True,  # the same, by another count
        (0.0, -89.0): True,  # Antarctica, beyond the rim of the map
        (-150.0, 0.0): False,
    }
    lon, lat = np.array(list(places)).T
    assert on_land(lon, lat).tolist() == list(places.values())
