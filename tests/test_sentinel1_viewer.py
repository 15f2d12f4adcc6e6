"""The viewer of the wave mode without a browser: what it asks, draws, says, follows and refuses."""

from __future__ import annotations

import asyncio
import base64
import io
import math
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fields
import numpy as np
import pytest
import xarray as xr
from PIL import Image
from pyproj import Geod
from traitlets import TraitError
from wave_month import HOSTILE, PHI, K, Month, spectrum_of

with warnings.catch_warnings():
    # bqplot's scales are declared in traitlets' old way, which says so while they are imported.
    warnings.filterwarnings("ignore", "metadata .* was set from the constructor", DeprecationWarning)
    import bqplot  # noqa: F401

from datavore_widgets import Sentinel1Viewer, View, explore
from datavore_widgets.client.http import HttpService
from datavore_widgets.errors import InvalidValue, NoData, Unreadable
from datavore_widgets.protocol.answers import Catalog
from datavore_widgets.protocol.colormap import palette
from datavore_widgets.protocol.geometry import EARTH_RADIUS, BBox
from datavore_widgets.protocol.queries import AcquisitionsQuery, CatalogQuery, SpectrumQuery
from datavore_widgets.protocol.swell import group_velocity, period, trace
from datavore_widgets.protocol.times import Lapse
from datavore_widgets.server.app import build_app
from datavore_widgets.server.run import serve_background
from datavore_widgets.service.local import LocalService
from datavore_widgets.widgets.footprints import SIDE, Paper, footprints, ways
from datavore_widgets.widgets.point_picture import Points
from datavore_widgets.widgets.wave_panels import plate

SPHERE = Geod(a=EARTH_RADIUS, b=EARTH_RADIUS)


@pytest.fixture(scope="module")
def flown() -> Month:
    """Three days; only to be looked at."""
    month = Month(3.0)
    month.satellites  # noqa: B018
    return month


@pytest.fixture
def month(flown: Month) -> Month:
    one = Month(3.0)
    one.__dict__["satellites"] = flown.satellites
    return one


@pytest.fixture
def viewer(month: Month) -> Iterator[Sentinel1Viewer]:
    made = Sentinel1Viewer(month)
    yield made
    made.close()


def lay_out(viewer: Sentinel1Viewer, west: float, south: float, east: float, north: float, size: Any) -> None:
    """What the browser tells when the map is on the page."""
    state = {"west": west, "south": south, "east": east, "north": north}
    viewer.own_map.map.set_state({"left": 0.0, "top": 0.0, "right": float(size[0]), "bottom": float(size[1]), **state})


def plain(markup: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", markup)).strip()


def decoded(url: str) -> bytes:
    return base64.b64decode(url.split(",", 1)[1])


# Which imagettes


def test_box_and_lapse_choose_the_imagettes_also_across_the_antimeridian(viewer: Sentinel1Viewer, month: Month) -> None:
    viewer.view.set(bbox=[170, -20, -160, 20], datelaps="20240102,20240102")
    asked = [query for query in month.asked if isinstance(query, AcquisitionsQuery)][-2:]
    assert {query.index for query in asked} == {"S1AWV.v3<", "S1BWV.v3<"}
    assert all(query.bbox == BBox(170, -20, -160, 20) for query in asked)
    flock = viewer.waves.flock
    expected = sum(
        int(((np.abs(a.lat) <= 20) & ((a.lon >= 170) | (a.lon <= -160)) & (a.labels // 10**9 == 20240102)).sum())
        for a in month.satellites.values()
    )
    assert len(flock) == expected > 50
    assert (np.diff(flock.labels) >= 0).all()
    assert f"{expected} imagettes" in plain(viewer._status.value)


def test_one_satellite_is_asked_alone(viewer: Sentinel1Viewer) -> None:
    viewer.satellite.value = "S1BWV.v3<"
    assert set(viewer.waves.flock.satellite) == {"S1B"}


def test_a_box_without_imagettes_says_so(viewer: Sentinel1Viewer) -> None:
    viewer.view.bbox = [20, 45, 30, 50]  # the middle of a continent
    assert len(viewer.waves.flock) == 0
    assert viewer.waves.spectrum is None
    assert "No imagettes" in plain(viewer._status.value)
    assert viewer.panels.plate == {}
    viewer.view.bbox = None
    assert viewer.waves.spectrum is not None


def test_dates_are_typed_and_nonsense_is_refused_by_name(viewer: Sentinel1Viewer) -> None:
    viewer.first.value = "2024-01-02"
    assert viewer.view.datelaps == Lapse.parse("20240102,21000917")
    viewer.last.value = "2024-01-01"
    assert "after its end" in plain(viewer._strip.value)
    viewer.last.value = HOSTILE
    assert "<img" not in viewer._strip.value
    assert viewer.view.datelaps == Lapse.parse("20240102,21000917"), "the lapse stays what it was"
    viewer.last.value = "2024-01-02 12:00"
    assert viewer._strip.value == ""
    viewer.view.datelaps = "20240103,20240103"
    assert (viewer.first.value, viewer.last.value) == ("2024-01-03", "2024-01-03")


def test_the_chosen_imagette_stays_chosen_where_it_is_still_there(viewer: Sentinel1Viewer) -> None:
    viewer.waves.chosen = 1000
    label = viewer.waves.flock.labels[1000]
    viewer.view.datelaps = "20240101,20240102"
    assert viewer.waves.flock.labels[viewer.waves.chosen] == label


def test_what_is_chosen_first_is_the_newest_in_view(month: Month) -> None:
    for seen in (None, [-160, -30, -120, 10]):
        viewer = Sentinel1Viewer(month, View(viewport=seen))
        flock, chosen = viewer.waves.flock, viewer.waves.chosen
        inside = np.ones(len(flock), bool) if seen is None else BBox(*seen).contains(flock.lon, flock.lat)
        assert chosen == np.flatnonzero(inside)[-1]
        viewer.close()


def test_what_nobody_chose_stays_in_view_when_the_tab_takes_half_of_the_map(month: Month) -> None:
    viewer = Sentinel1Viewer(month, View(viewport=[-160, -60, -120, 60]))
    flock, first = viewer.waves.flock, viewer.waves.chosen
    lat = float(flock.lat[first])
    half = [-160, -60, -120, lat - 1] if lat > 0 else [-160, lat + 1, -120, 60]
    viewer.view.viewport = half
    second = viewer.waves.chosen
    assert second == np.flatnonzero(BBox(*half).contains(flock.lon, flock.lat))[-1] != first
    # Once: later the map is moved to look elsewhere, and what is read stays.
    viewer.view.viewport = [0, -30, 40, 10]
    assert viewer.waves.chosen == second
    viewer.close()
    viewer = Sentinel1Viewer(month, View(viewport=[-160, -60, -120, 60]))
    viewer.waves.chosen = 7
    viewer.view.viewport = half
    assert viewer.waves.chosen == 7, "what was chosen stays"
    viewer.close()


def test_the_built_in_sample_is_seen_whole(sample_catalog: Any) -> None:
    """Real files: every imagette of the sample is shown, with its path, its picture and its numbers."""
    viewer = Sentinel1Viewer(LocalService(sample_catalog))
    flock = viewer.waves.flock
    assert len(flock) >= 20
    for n in range(len(flock)):
        viewer.waves.chosen = n
        spectrum = viewer.waves.spectrum
        assert viewer._strip.value == ""
        assert (spectrum.lon, spectrum.lat) == pytest.approx((flock.lon[n], flock.lat[n]), abs=1e-3)
        assert spectrum.time.label == flock.labels[n]
        assert len(viewer.panels.plate["swells"]) == spectrum.partition_ids.size
    name, png = viewer.saving.drawn()
    assert name.endswith(".png")
    assert Image.open(io.BytesIO(png)).size > (200, 200)
    viewer.shown.value = "Files"
    names = [column.name for column in viewer.files.result.columns]
    paths = [row[names.index("file")] for row in viewer.files.result.rows(0, len(flock))]
    assert all(Path(path).is_file() for path in paths)
    viewer.client.close()
    viewer.close()


def test_an_error_is_told_and_escaped_and_gone_with_the_next_success(viewer: Sentinel1Viewer, month: Month) -> None:
    month.trouble = Unreadable(f"the file {HOSTILE} is broken")
    viewer.view.datelaps = "20240102,20240102"
    assert "is broken" in plain(viewer._strip.value)
    assert "<img" not in viewer._strip.value
    month.trouble = None
    viewer.view.datelaps = "20240101,20240102"
    assert viewer._strip.value == ""


# Which one of them


def test_a_click_on_the_map_chooses_the_imagette_there(viewer: Sentinel1Viewer) -> None:
    lay_out(viewer, -180, -60, 180, 60, (1200, 500))
    flock = viewer.waves.flock
    n = int(np.flatnonzero(np.abs(flock.lat - 10) < 2)[5])
    viewer.own_map.map._handle_leaflet_event(
        viewer.own_map.map,
        {
            "event": "interaction",
            "type": "click",
            "coordinates": [float(flock.lat[n]) + 0.05, float(flock.lon[n]) + 360.0],
        },
        [],
    )
    chosen = viewer.waves.chosen
    assert math.hypot(flock.lon[chosen] - flock.lon[n], flock.lat[chosen] - flock.lat[n]) < 0.1
    assert viewer.waves.spectrum.lat == pytest.approx(flock.lat[chosen])
    viewer.view.point = (20.0, 47.0)  # on land: nothing is near
    assert viewer.waves.chosen == chosen


def test_steps_stay_in_the_pass_and_end_at_its_ends(viewer: Sentinel1Viewer) -> None:
    flock = viewer.waves.flock
    along = flock.pass_of(500)
    assert 500 in along
    assert set(flock.satellite[along]) == {flock.satellite[500]}
    gaps = np.diff(flock.millis[along])
    assert (gaps > 0).all()
    assert gaps.max() <= 300_000
    same = np.flatnonzero(flock.satellite == flock.satellite[500])
    outside = np.setdiff1d(same, along)
    assert np.abs(flock.millis[outside][:, None] - flock.millis[along][None, :]).min() > 300_000
    viewer.waves.chosen = int(along[0])
    for message in ({"step": -1}, {"step": -10}):
        viewer.panels._handle_custom_msg(message, [])
    assert viewer.waves.chosen == along[0]
    viewer.panels._handle_custom_msg({"step": 1}, [])
    assert viewer.waves.chosen == along[1]
    assert viewer.bar.position == 1
    viewer.bar.set_state({"position": along.size - 1})
    assert viewer.waves.chosen == along[-1]
    assert viewer.bar.shown == along.size - 1, "play goes on when the spectrum is there"


@pytest.mark.parametrize(
    "message",
    [{"step": 1e9}, {"step": True}, {"step": "1"}, {"partition": 99}, {"partition": -1}, {"partition": None}, [], "x"],
)
def test_what_no_button_says_is_not_heard(viewer: Sentinel1Viewer, message: Any) -> None:
    before = viewer.waves.chosen, viewer.waves.partition
    viewer.panels._handle_custom_msg(message, [])
    viewer.chart._heard(None, message, [])
    assert (viewer.waves.chosen, viewer.waves.partition) == before


def test_the_browser_sets_nothing_of_the_panels(viewer: Sentinel1Viewer) -> None:
    words = viewer.panels.plate["words"]
    viewer.panels.set_state({"plate": {"words": {}}, "chosen": 7, "tables": {}})
    assert viewer.panels.plate["words"] is words
    assert viewer.panels.chosen == viewer.waves.partition
    with pytest.raises(TraitError):
        viewer.waves.colour = HOSTILE
    with pytest.raises(TraitError):
        viewer.waves.days = 10**9


# What is shown of it


def test_the_panels_get_the_numbers_of_the_answer_in_one_message(viewer: Sentinel1Viewer) -> None:
    sent: list[Any] = []
    viewer.panels.comm.send = lambda data=None, **_: sent.append(data)
    viewer._step(-1)
    states = [data["state"] for data in sent if data["method"] == "update"]
    assert len([state for state in states if "plate" in state]) == 1
    shown, spectrum = viewer.panels.plate, viewer.waves.spectrum
    np.testing.assert_array_equal(
        np.frombuffer(shown["energy"], "<f4").reshape(30, 36), spectrum.energy.astype(np.float32)
    )
    np.testing.assert_array_equal(np.frombuffer(shown["k"], "<f8"), K)
    np.testing.assert_array_equal(np.frombuffer(shown["phi"], "<f8"), PHI)
    assert [swell["id"] for swell in shown["swells"]] == spectrum.partition_ids.tolist()
    first = shown["swells"][0]
    assert first["height"] == f"{spectrum.partition_hs[0]:.2f} m"
    assert first["quality"] == "quality 0"
    assert plate(spectrum)["cross_units"] == "(m/rad)²"
    beside = plate(spectrum)["words"]["model"]["sub"]
    assert beside == "Hs 2.40 m, 2.10 m inside cut-off; 34 km off, 1.5 h later; Tp 13 s, mean → 070°"
    assert f"{float(period(spectrum.partition_wavelength[0])):.3g} s" in first["waves"]
    assert f"→ {round(spectrum.partition_direction[0]):03d}°" in first["waves"]
    assert "<img" not in viewer._head.value


def test_roughness_is_told_in_levels_between_its_limits(month: Month) -> None:
    spectrum = month.answer(SpectrumQuery("S1AWV.v3<", Lapse.parse("20240101,20240102").last))
    rough = plate(spectrum)["roughness"]
    levels = np.frombuffer(rough["levels"], np.uint8).reshape(rough["height"], rough["width"])
    values = rough["low"] + (levels + 0.5) / 255 * (rough["high"] - rough["low"])
    inside = (spectrum.roughness > rough["low"]) & (spectrum.roughness < rough["high"])
    assert inside.mean() == pytest.approx(0.98, abs=0.005)
    off = np.abs(values - spectrum.roughness)[inside].max()
    assert off <= (rough["high"] - rough["low"]) / 255
    assert rough["spacing"] == spectrum.roughness_spacing


def test_what_is_absent_is_said(month: Month) -> None:
    import dataclasses

    spectrum = month.answer(SpectrumQuery("S1AWV.v3<", Lapse.parse("20240101,20240102").last))
    none = np.zeros(0)
    bare = dataclasses.replace(
        spectrum,
        roughness=None,
        model=None,
        cross_re=None,
        cross_im=None,
        cutoff=np.nan,
        partition_ids=none.astype(np.int16),
        partition_hs=none,
        partition_wavelength=none,
        partition_direction=none,
        partition_quality=none.astype(np.int8),
        partition_iconf=none.astype(np.int8),
        partition_ambiguity=none,
    )
    shown = plate(bare)
    assert (shown["roughness"], shown["model"], shown["re"], shown["cutoff"], shown["swells"]) == (
        *(None, None, None, None),
        [],
    )
    assert all(shown["words"][name]["empty"] for name in ("roughness", "real", "imaginary", "model"))


# A swell over its pass, back and on


def test_a_swell_is_followed_through_the_pass(viewer: Sentinel1Viewer) -> None:
    viewer.waves.chosen = int(np.flatnonzero(np.abs(viewer.waves.flock.lat) < 5)[40])
    viewer.panels._handle_custom_msg({"partition": 0}, [])
    swell, flock = viewer.waves.swell(), viewer.waves.flock
    lat = flock.lat[swell.positions]
    assert swell.positions.size > 10
    np.testing.assert_allclose(swell.hs, 2.5 + 1.5 * np.sin(np.radians(2 * lat)), rtol=1e-6)
    length = 240 + 40 * np.sin(np.radians(lat))
    np.testing.assert_allclose(swell.peak_period, np.sqrt(2 * np.pi * length / 9.80665), rtol=1e-6)
    line = viewer.chart.height.sheet.lines[0]
    np.testing.assert_array_equal(np.frombuffer(line["values"], "<f8"), swell.hs)
    assert line["name"] == "swell 1"


def test_the_second_swell_has_gaps_where_it_was_not_found(viewer: Sentinel1Viewer) -> None:
    flock = viewer.waves.flock
    both = np.isfinite(flock.column("partition_hs")[:, 1])
    viewer.waves.chosen = int(np.flatnonzero(both & (np.abs(flock.lat) < 5))[40])
    viewer.panels._handle_custom_msg({"partition": 1}, [])
    swell = viewer.waves.swell()
    np.testing.assert_array_equal(np.isfinite(swell.hs), both[swell.positions])
    assert 0 < np.isfinite(swell.hs).sum() < swell.positions.size


def test_a_line_ends_where_its_swell_does(viewer: Sentinel1Viewer) -> None:
    """A last point without a value is an error in the browser."""
    flock = viewer.waves.flock
    passes = (flock.pass_of(n) for n in range(0, len(flock), 20))
    along = next(p for p in passes if p.size > 9 and np.isnan(flock.column("partition_hs")[p[-1]]).any())
    viewer.waves.chosen = int(along[-3])
    viewer.waves.partition = 1
    line = viewer.chart.height.marks[0]
    assert np.isnan(viewer.waves.swell().hs[-1])
    assert np.isfinite(line.y[-1])
    assert len(line.x) == len(line.y) < along.size


def test_the_chosen_swell_stays_chosen_from_one_imagette_to_the_next(viewer: Sentinel1Viewer) -> None:
    flock = viewer.waves.flock
    heights = flock.column("partition_hs")
    lower = heights[:, 1] < heights[:, 0]  # not the one that is chosen where nothing was chosen before
    along = flock.pass_of(int(np.flatnonzero(lower & (np.abs(flock.lat) < 5))[40]))
    here = next(n for n in range(along.size - 1) if lower[along[n]] and lower[along[n + 1]])
    viewer.waves.chosen = int(along[here])
    viewer._choose(1)
    viewer._step(1)
    assert viewer.waves.partition == 1


def test_a_point_of_the_series_is_its_imagette(viewer: Sentinel1Viewer) -> None:
    flock = viewer.waves.flock
    along = flock.pass_of(viewer.waves.chosen)
    for plot in (viewer.chart.height, viewer.chart.period):
        plot.sheet._handle_custom_msg({"millis": float(flock.millis[along[2]])}, [])
        assert viewer.waves.chosen == along[2]
        viewer.waves.chosen = int(along[0])


def test_the_way_of_a_swell_is_that_of_geodesy_and_group_velocity(viewer: Sentinel1Viewer) -> None:
    flock = viewer.waves.flock
    viewer.waves.chosen = flock.near(-140.0, 0.0, 8.0)
    viewer._choose(0)
    spectrum, millis = viewer.waves.spectrum, int(flock.millis[viewer.waves.chosen])
    back, on = viewer.waves.paths()
    speed = 9.80665 / (4 * math.pi) * float(period(spectrum.partition_wavelength[0]))
    for path, bearing in ((on, spectrum.partition_direction[0]), (back, spectrum.partition_direction[0] + 180)):
        metres = abs(path.metres[-1])
        lon, lat, _ = SPHERE.fwd(spectrum.lon, spectrum.lat, bearing, metres)
        _, _, off = SPHERE.inv(lon, lat, path.end.lon, path.end.lat)
        assert off < 1
        assert abs(path.hours[-1]) * 3600 * speed == pytest.approx(metres)
    assert on.meets_land, "from there to the north-east lies America"
    arrival = np.datetime64(round((millis + on.hours[-1] * 3.6e6) / 3.6e6) * 3_600_000, "ms").astype("M8[m]")
    assert f"about {str(arrival).replace('T', ' ')} Z" in plain(viewer._ways.value)
    viewer.days.value = 3
    assert viewer.waves.paths()[0].hours[-1] == pytest.approx(-72)


# On the map


def test_small_imagettes_are_a_picture_and_lie_where_they_are() -> None:
    lon, lat = np.array([-170.0, 175.0, 100.0]), np.array([10.0, -20.0, 0.0])
    points = Points(lon, lat, np.array([1.0, 5.0, np.nan]), "height")
    paper = Paper.of(BBox(160, -40, -160, 40), 500)
    url, count = footprints(points, np.array([348.0, 192.0, 0.0]), paper, 500, "viridis")
    assert count == 2
    image = np.asarray(Image.open(io.BytesIO(decoded(url))).convert("RGBA"))
    assert image.shape[:2] == (paper.height, paper.width)
    colors = palette("viridis", points.norm.levels)
    for n in (0, 1):
        x, y = int(paper.x(lon[n])), int(paper.y(lat[n]))
        np.testing.assert_array_equal(image[y, x, :3], colors[points.norm.indices(points.values[n])][:3])
    assert not image[int(paper.y(0.0)), int(paper.x(170.0)), 3]


def test_large_imagettes_are_squares_of_twenty_kilometres_along_the_flight() -> None:
    lon, lat, heading = np.array([179.9]), np.array([40.0]), np.array([348.0])
    paper = Paper.of(BBox(178, 39, -178, 41), 1000)
    url, count = footprints(Points(lon, lat, np.array([2.0]), "height"), heading, paper, 1000, "viridis")
    assert count == 1
    numbers = re.search(r"d='M([^Z]+)Z'", decoded(url).decode())
    corners = np.array([[float(v) for v in pair.split()] for pair in numbers[1].split("L")])
    centre = np.array([float(paper.x(lon)[0]), float(paper.y(lat)[0])])
    np.testing.assert_allclose(corners.mean(axis=0), centre, atol=0.1)
    # A pixel is so many metres there; the sides are measured on the sphere.
    per_pixel = math.radians(1 / paper.per_degree) * EARTH_RADIUS * math.cos(math.radians(40.0))
    sides = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1) * per_pixel
    np.testing.assert_allclose(sides, SIDE, rtol=0.005)
    ahead = corners[:2].mean(axis=0) - centre
    assert math.degrees(math.atan2(ahead[0], -ahead[1])) % 360 == pytest.approx(348.0, abs=0.5)


def test_a_way_across_the_antimeridian_is_drawn_on_both_sides() -> None:
    paper = Paper.of(BBox(-180, -60, 180, 60), 1000)
    path = trace(170.0, 10.0, 90.0, 250.0, 96.0)
    url = ways(paper, (170.0, 10.0, 348.0), (np.array([170.0]), np.array([10.0])), [path], 0, "#0072b2")
    drawn = decoded(url).decode()
    lines = re.findall(r"M([^M']+)", re.search(r"<path d='([^']+)'", drawn)[1])
    starts = sorted(float(line.split()[0]) for line in lines)
    x = float(paper.x(170.0))
    assert any(abs(start - x) < 0.1 for start in starts)
    assert any(abs(start - (x - 1000)) < 0.1 for start in starts), "the part beyond 180° comes in from the left"
    hours = group_velocity(250.0) * 96 * 3600
    assert path.metres[-1] == pytest.approx(hours)


def test_a_month_of_two_satellites_is_one_picture_and_one_search(flown: Month) -> None:
    whole = Month()
    viewer = Sentinel1Viewer(whole)
    flock = viewer.waves.flock
    assert len(flock) > 120_000
    sent: list[Any] = []
    lay_out(viewer, -180, -60, 180, 60, (1400, 500))
    viewer.layer.overlay.comm.send = lambda data=None, **_: sent.append(data)
    viewer.colour.value = "Wind speed"
    assert len(sent) == 1
    assert set(sent[0]["state"]) == {"url"}
    assert len(sent[0]["state"]["url"]) < 1_000_000
    picture = Image.open(io.BytesIO(decoded(viewer.layer.overlay.url)))
    assert max(picture.size) <= 2048
    before = len(whole.asked)
    for _ in range(5):
        viewer._step(-1)
    assert [type(query) for query in whole.asked[before:]] == [SpectrumQuery] * 5, "a step asks for one spectrum"
    viewer.close()


# What is taken away


def test_the_files_are_listed_with_their_paths_and_sorted(viewer: Sentinel1Viewer) -> None:
    viewer.shown.value = "Files"
    result = viewer.files.result
    assert len(result) == len(viewer.waves.flock)
    names = [column.name for column in result.columns]
    row = result.rows(0, 1)[0]
    assert row[names.index("file")] == f"/archive/{viewer.waves.flock.column('file')[0]}"
    shown: list[Any] = []
    viewer.files.table.send = lambda content, buffers=None: shown.append(content)
    for descending in (False, True):
        viewer.files.table._handle_custom_msg({"sort": names.index("hs")}, [])
        viewer.files.table._handle_custom_msg({"rows": [viewer.files.table.version, 0, 400]}, [])
        heights = [float(row[names.index("hs")]) for row in shown[-1]["rows"]]
        assert heights == sorted(heights, reverse=descending)
    assert viewer.files.table.order == [names.index("hs"), True]
    header, first, *_ = result.csv().decode().splitlines()
    assert header.startswith('"time","satellite"')
    assert "/archive/" in first


def test_the_spectrum_is_handed_over_with_its_units(viewer: Sentinel1Viewer) -> None:
    viewer.waves.chosen = 777
    data = viewer.dataset()
    k, dphi = data.wavenumber, math.radians(10.0)
    step = math.log(float(k[1] / k[0]))
    height = 4 * math.sqrt(float((data.energy * k**2).sum()) * step * dphi)
    assert height == pytest.approx(float(data.significant_height), rel=1e-6)
    assert (data.energy.attrs["units"], data.wavenumber.attrs["units"]) == ("m4", "rad m-1")
    name, content = viewer.saving.netcdf()
    assert re.fullmatch(r"S1[AB]_WV[12]_2024010\d{7,10}\.nc", name)
    with xr.open_dataset(io.BytesIO(content), engine="scipy") as back:
        np.testing.assert_array_equal(back.energy, data.energy)
        assert abs(back.time.values - data.time.values) < np.timedelta64(1, "ms")
        assert back.attrs["source"].endswith(HOSTILE)
    file, png = viewer.saving.drawn()
    assert file.startswith(viewer.saving.picture.value)
    assert png.startswith(b"\x89PNG")


def test_without_an_imagette_there_is_nothing_to_save(viewer: Sentinel1Viewer) -> None:
    viewer.view.bbox = [20, 45, 30, 50]
    assert viewer.saving.nc.disabled
    with pytest.raises(NoData, match="choose one"):
        viewer.dataset()


# Beside others


class Both:
    """A service with fields and a wave mode."""

    def __init__(self, month: Month) -> None:
        self.sea, self.month = LocalService(fields.field(times=4)), month

    def answer(self, query: Any, job: Any = None) -> Any:
        if isinstance(query, CatalogQuery):
            return Catalog({**self.month.answer(query).indexes, **self.sea.answer(query).indexes})
        return (self.month if "WV" in getattr(query, "index", "") else self.sea).answer(query, job)


def test_it_is_a_tab_of_the_explorer_on_the_same_map(month: Month) -> None:
    both = Both(month)
    explorer = explore(both)
    assert explorer.view.index not in month.satellites
    assert all("WV" not in index for _, index in explorer.index_picker.index.options)
    assert not [query for query in month.asked if isinstance(query, AcquisitionsQuery)], "nothing before it is chosen"
    explorer.deck.buttons.value = "Sentinel-1"
    viewer = explorer.deck.panels["Sentinel-1"]
    leaflet = explorer.map.map
    state = {"west": -180.0, "south": -60.0, "east": 180.0, "north": 60.0, "left": 0.0, "top": 0.0}
    leaflet.set_state({**state, "right": 1000.0, "bottom": 400.0})
    assert viewer.layer.overlay in leaflet.layers
    assert "dv-under-waves" in explorer.map._dom_classes
    explorer.deck.buttons.value = "Series"
    assert viewer.layer.overlay not in leaflet.layers
    assert viewer.layer.legend.value == ""
    assert "dv-under-waves" not in explorer.map._dom_classes
    explorer.deck.buttons.value = "Sentinel-1"
    assert viewer.layer.overlay in leaflet.layers
    explorer.close()
    both.sea.close()


@pytest.mark.parametrize("satellite", ["S1AWV.v3<", "S1BWV.v3<"])
def test_over_a_server_it_shows_the_same(month: Month, satellite: str) -> None:
    with serve_background(build_app(month)) as running:
        near, far = Sentinel1Viewer(month), Sentinel1Viewer(HttpService(running.url))
        for viewer in (near, far):
            viewer.satellite.value = satellite
            viewer.view.set(bbox=[170, -20, -160, 20], datelaps="20240101,20240102")
            viewer._step(-3)
            viewer.shown.value = "Files"
        assert plain(far._head.value) == plain(near._head.value) != ""
        np.testing.assert_array_equal(far.waves.flock.labels, near.waves.flock.labels)
        assert far.panels.plate == near.panels.plate
        assert far._ways.value == near._ways.value
        assert far.files.result.csv() == near.files.result.csv()
        assert far.dataset().identical(near.dataset())
        for viewer in (near, far):
            viewer.close()


def test_without_a_wave_mode_there_is_no_tab_and_no_viewer() -> None:
    service = LocalService(fields.field(times=2))
    explorer = explore(service)
    assert "Sentinel-1" not in explorer.deck.buttons.options
    explorer.close()
    with pytest.raises(InvalidValue, match="SAFE"):
        Sentinel1Viewer(service)
    service.close()


def test_where_there_is_nothing_else_the_explorer_is_the_viewer(month: Month) -> None:
    viewer = explore(month, bbox=[170, -20, -160, 20])
    assert isinstance(viewer, Sentinel1Viewer)
    assert viewer.view.bbox == BBox(170, -20, -160, 20)
    viewer.close()


def test_closing_leaves_nothing_behind(month: Month) -> None:
    from ipywidgets.widgets.widget import _instances

    def once() -> None:
        viewer = Sentinel1Viewer(month, View(datelaps="20240101,20240101"))
        lay_out(viewer, -180, -60, 180, 60, (1000, 400))
        viewer.shown.value = "Files"
        viewer.close()

    once()  # what is made once for all
    before = len(_instances)
    for _ in range(3):
        once()
    assert len(_instances) == before


def test_a_drag_over_the_pass_ends_on_its_last_imagette(month: Month) -> None:
    async def drag() -> None:
        viewer = Sentinel1Viewer(month)
        while not (viewer.pump.is_idle and viewer.spectrum_pump.is_idle):
            await asyncio.sleep(0.005)
        along = viewer.waves.flock.pass_of(viewer.waves.chosen)
        before = viewer.spectrum_pump.started
        for position in range(along.size):
            viewer.bar.set_state({"position": position})
        while not viewer.spectrum_pump.is_idle:
            await asyncio.sleep(0.005)
        assert viewer.spectrum_pump.started - before <= 2
        assert viewer.waves.spectrum.time.label == viewer.waves.flock.labels[along[-1]]
        viewer.close()

    asyncio.run(drag())


def test_the_bell_has_its_height() -> None:
    """The month's own spectra integrate to what they were made from: Hs = 4√(Σ E k Δk Δφ), Δk = k Δln k."""
    energy = spectrum_of(3.0, 200.0, 45.0)
    total = (energy * (K * K * math.log(K[1] / K[0]))[:, None]).sum() * math.radians(10.0)
    assert 4 * math.sqrt(total) == pytest.approx(3.0)
    assert 2 * math.pi / K[energy.max(axis=1).argmax()] == pytest.approx(200.0, rel=0.06)
