"""A month of two satellites, 120,000 imagettes, through the service itself: its search, its reader, its pictures.

As files they would be 16 GB. So each measurement is made when the service reads it; the columns that are searched are
those that the reader gets from it, which is tried on some.
"""

from __future__ import annotations

import datetime as dt
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from PIL import Image
from same import assert_same

from datavore_widgets import Sentinel1Viewer
from datavore_widgets.client.http import HttpService
from datavore_widgets.client.sentinel1 import Datavoresentinel1
from datavore_widgets.errors import NoData
from datavore_widgets.protocol.geometry import GLOBAL, BBox
from datavore_widgets.protocol.queries import AcquisitionsQuery, CatalogQuery, FilesQuery, SpectrumQuery, parse_filters
from datavore_widgets.protocol.times import Date, Lapse, label_from_millis
from datavore_widgets.protocol.waves import Acquisitions
from datavore_widgets.server.app import build_app
from datavore_widgets.server.run import serve_background
from datavore_widgets.service.catalog import Library
from datavore_widgets.service.files import MemorySource, Source
from datavore_widgets.service.local import LocalService
from datavore_widgets.service.wave_sample import Passes, passes
from datavore_widgets.service.waves.directions import angle_between
from datavore_widgets.service.waves.shelf import Waves
from datavore_widgets.service.waves.spectra import heights
from datavore_widgets.service.waves.table import Table

COUNT = 120_000
START = dt.datetime(2020, 6, 1)


@dataclass
class Month:
    """The passes of a month, and which of them were read."""

    flown: Passes = field(default_factory=lambda: passes(START, 31.0, count=COUNT))
    read: list[int] = field(default_factory=list)

    def source(self, row: int) -> Source:
        self.read.append(row)
        return MemorySource(self.flown.imagette(row).dataset())

    def columns(self) -> Acquisitions:
        flown, n = self.flown, len(self.flown)
        f4 = np.float32
        gone = np.isnan(flown.hs)
        return Acquisitions(
            labels=label_from_millis(flown.time.astype(np.int64)),
            lon=flown.lon,
            lat=flown.lat,
            heading=flown.heading.astype(f4),
            incidence=np.where(flown.first, 23.3, 36.6).astype(f4),
            hs=heights(flown.hs).astype(f4),
            wavelength=flown.wavelength[:, 0].astype(f4),
            direction=flown.direction[:, 0].astype(f4),
            wind_speed=flown.wind_speed.astype(f4),
            wind_from=flown.wind_from.astype(f4),
            quality=np.zeros(n, np.int8),
            satellite=flown.satellite,
            mode=np.where(flown.first, "WV1", "WV2"),
            file=np.array([f"{row:06d}.nc" for row in range(n)]),
            partition_hs=flown.hs.astype(f4),
            partition_wavelength=flown.wavelength.astype(f4),
            partition_direction=flown.direction.astype(f4),
            partition_quality=np.where(gone, -1, 0).astype(np.int8),
            total=n,
        )


@pytest.fixture(scope="module")
def made() -> Month:
    return Month()


@pytest.fixture
def month(made: Month) -> Month:
    made.read.clear()
    return made


@pytest.fixture(scope="module")
def local(made: Month) -> Iterator[LocalService]:
    paths = [f"/archive/{row:06d}.nc" for row in range(len(made.flown))]
    table = Table(made.columns(), made.source, paths)
    with LocalService(Library({}, waves=Waves(table, note="synthetic data"))) as service:
        yield service


def test_it_is_a_month_of_two_satellites(local: LocalService, month: Month) -> None:
    indexes = local.answer(CatalogQuery()).indexes
    assert list(indexes) == ["S1AWV.v3<", "S1BWV.v3<"]
    assert sum(info.count for info in indexes.values()) == COUNT
    assert {info.last[:10] for info in indexes.values()} == {"2020-07-01"}
    assert not month.read


BOXES = {
    "of the globe": GLOBAL,
    "over the antimeridian": BBox(170, -20, -160, 20),
    "without one": BBox(20, 45, 30, 50),
    "of longitudes beyond 180": BBox(190, -60, 250, -30),
}


@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
@pytest.mark.parametrize("satellite", ["S1A", "all"])
def test_a_search_finds_what_lies_there_and_reads_no_measurement(
    box: BBox, satellite: str, local: LocalService, month: Month
) -> None:
    flown = month.flown
    index = "all<" if satellite == "all" else f"{satellite}WV.v3<"
    first, last = np.datetime64("2020-06-05"), np.datetime64("2020-06-20")
    found = local.answer(AcquisitionsQuery(index, box, Lapse(Date("20200605"), Date("20200619"))))
    east = (flown.lon - box.west) % 360 <= (box.east - box.west if box.east > box.west else box.east - box.west + 360)
    there = (box == GLOBAL) | (east & (flown.lat >= box.south) & (flown.lat <= box.north))
    there &= (flown.time >= first) & (flown.time < last)
    if satellite != "all":
        there &= flown.satellite == satellite
    assert found.total == len(found) == there.sum()
    assert (np.diff(found.labels) >= 0).all()
    np.testing.assert_array_equal(np.sort(found.lon), np.sort(flown.lon[there]))
    assert not month.read


def test_both_carriers_find_the_same(local: LocalService, month: Month) -> None:
    with serve_background(build_app(local)) as server, HttpService(server.url) as remote:
        for query in (
            AcquisitionsQuery("all<", BBox(170, -20, -160, 20)),
            AcquisitionsQuery("S1BWV.v3<", limit=500),
            FilesQuery("all<", "sss", BBox(0, 0, 90, 30), filters=parse_filters({"hs": {"min": 3}})),
        ):
            assert_same(local.answer(query), remote.answer(query))
    assert not month.read


def test_an_acquisition_is_one_measurement_and_has_what_its_columns_say(local: LocalService, month: Month) -> None:
    flown, rng = month.flown, np.random.default_rng(5)
    for row in rng.choice(np.flatnonzero(np.isfinite(flown.hs[:, 0])), 10, replace=False).tolist():
        month.read.clear()
        when = str(flown.time[row].astype("datetime64[s]")).translate({ord(sign): None for sign in "-:T"})
        lon, lat = float(flown.lon[row]), float(flown.lat[row])
        around = BBox(lon - 0.01, lat - 0.01, lon + 0.01, lat + 0.01)
        found = local.answer(SpectrumQuery(f"{flown.satellite[row]}WV.v3<", Date(when), around))
        assert month.read == [row]
        assert (found.satellite, found.mode) == (flown.satellite[row], "WV1" if flown.first[row] else "WV2")
        assert (found.lon, found.lat) == pytest.approx((lon, lat), abs=1e-4)
        first = int(np.nanargmax(found.partition_hs))
        # Its highest swell is the highest that the cut-off leaves.
        wanted = np.flatnonzero(np.isfinite(flown.hs[row]))[first]
        assert found.partition_hs[first] <= flown.hs[row, wanted] * 1.02
        assert angle_between(found.partition_direction[first], flown.direction[row, wanted]) <= 20
        assert found.total_hs == pytest.approx(float(heights(flown.hs[row])), rel=1e-5)


def test_the_client_asks_a_month(local: LocalService, month: Month) -> None:
    client, flown = Datavoresentinel1(local), month.flown
    assert len(client.getFileList()) == COUNT
    day = client.getFileList("global", "20200615", "20200615")
    assert len(day) == (flown.time.astype("datetime64[D]") == np.datetime64("2020-06-15")).sum() > 3000
    assert not month.read
    row = COUNT // 2
    when = flown.time[row].astype("datetime64[s]").item()
    name = str(flown.satellite[row])
    swell = f"{name}_WV_OCN__2S_ocean_swell_spectra_{name.lower()}"
    with Image.open(io.BytesIO(client.getImage(f"{name}WV.v3<", swell, when))) as picture:
        assert min(picture.size) > 300
    assert month.read == [row]
    with pytest.raises(NoData, match="within 60 s"):
        client.getImage(f"{name}WV.v3<", swell, when + dt.timedelta(days=60))


def test_the_viewer_shows_a_month_and_reads_one_measurement_a_step(local: LocalService, month: Month) -> None:
    viewer = Sentinel1Viewer(local)
    try:
        assert len(viewer.waves.flock) == COUNT
        assert viewer.waves.spectrum is not None
        assert len(month.read) == 1, "the imagette that is shown first"
        state = {"west": -180.0, "south": -60.0, "east": 180.0, "north": 60.0}
        viewer.own_map.map.set_state({"left": 0.0, "top": 0.0, "right": 1400.0, "bottom": 500.0, **state})
        for kind in ("Wavelength", "Wind speed", "Incidence"):
            viewer.colour.value = kind
        assert len(month.read) == 1, "colours are of the columns"
        for _ in range(5):
            viewer._step(-1)
        assert len(month.read) == 6
        assert math.isfinite(viewer.waves.spectrum.hs)
        viewer.view.set(bbox=[170, -20, -160, 20], datelaps="20200610,20200612")
        flown = month.flown
        there = (np.abs(flown.lat) <= 20) & ((flown.lon >= 170) | (flown.lon <= -160))
        there &= (flown.time >= np.datetime64("2020-06-10")) & (flown.time < np.datetime64("2020-06-13"))
        assert len(viewer.waves.flock) == there.sum() > 50
    finally:
        viewer.close()
