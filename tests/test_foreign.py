"""Our server before a stranger's client, and our clients before a stranger's server: the facts are enough."""

from __future__ import annotations

import io

import fields
import numpy as np
import pytest
import xarray as xr
from foreign import ForeignClient, ForeignServer
from PIL import Image
from real import OSTIA, TAS

from datavore_widgets import Datalaps, Datavore, errors
from datavore_widgets.client.http import HttpService
from datavore_widgets.protocol.geometry import GLOBAL, BBox, latitude_from_mercator, mercator_from_latitude
from datavore_widgets.protocol.queries import (
    Canvas,
    CatalogQuery,
    LapseMapQuery,
    MapQuery,
    SeriesQuery,
    Source,
    Style,
    TimesQuery,
    parse_filters,
)
from datavore_widgets.protocol.times import Date
from datavore_widgets.server.app import build_app
from datavore_widgets.server.run import serve_background
from datavore_widgets.service.local import LocalService

# --- their client, our server ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    path = tmp_path_factory.mktemp("foreign") / "isas.nc"
    fields.descending().rename(sst="PSAL").to_netcdf(path)
    with LocalService({"ISAS13/v3": str(path)}) as service, serve_background(build_app(service)) as server:
        yield ForeignClient(server.url)


def test_their_client_gets_a_picture(stranger):
    picture = stranger.get_image("ISAS13/v3", "PSAL", "[-60, 3, -22, 27]", "20120115000000")
    assert picture.shape[2] == 4
    assert (picture[..., 3] == 255).all()
    tall, wide = picture.shape[:2]
    assert abs(tall / wide - 24 / 38) < 0.1


def test_their_client_gets_options_understood(stranger):
    options = 'filters={}&nearest=3600&vMin=10&vMax=30&cmap=jet&resolution=50&paramsPlot={"projection":"pc_world",'
    options += '"radius":null,"plot_method":"pcolormesh","resample":true}'
    assert max(stranger.get_image("ISAS13/v3", "PSAL", "-60,3,-22,27", "20120115003000", options).shape[:2]) == 50


def test_their_client_gets_data(stranger):
    told = stranger.get_data("ISAS13/v3", "PSAL", "-60,3,-22,27", "20120215000000")
    assert {"lon", "lat", "data", "time", "units", "long_name", "bbox"} <= set(told)
    np.testing.assert_array_equal(told["data"], fields.value(told["lon"], told["lat"][:, None], 1).astype("f4"))
    assert told["time"] == "2012-02-15T00:00:00Z"
    assert told["bbox"] == [-60, 3, -22, 27]


def test_their_client_gets_a_list(stranger):
    cells = stranger.get_data("ISAS13/v3", "PSAL", "-60,3,-22,27", "20120215000000", "filters={}&list=true")
    for lon, lat, number in cells:
        assert number == pytest.approx(float(fields.value(lon, lat, 1)), rel=1e-6)
    assert len(cells) > 4


def test_their_client_gets_series(stranger):
    res = stranger.get_series("ISAS13/v3", "PSAL", "-22,27", "19500917,21000917")
    assert [millis for millis, _ in res] == [1326585600000, 1329264000000, 1331769600000]
    assert [value for _, value in res] == pytest.approx([float(fields.value(-20, 25, n)) for n in range(3)], rel=1e-6)
    assert len(stranger.get_series("ISAS13/v3", "PSAL", "-60,3,-22,27", "2012,2012", "groupby=yyyy&", "max")) == 1


def test_their_client_gets_the_rest(stranger):
    assert [name.rpartition("/")[2] for name in stranger.get_files("ISAS13/v3", "PSAL", "global", "2012,2012")] == [
        "isas.nc"
    ]
    told = stranger.get_config()["ISAS13/v3"]
    assert told["times"]["count"] == 3
    assert list(told["variables"]) == ["PSAL"]
    assert [entry["index"] for entry in stranger.get_laps_config()] == ["ISAS13/v3"]
    assert stranger.get_lapse_image("ISAS13/v3", "PSAL", "-60,3,-22,27", "2012,2012").ndim == 3
    rows = stranger.get_extract("ISAS13/v3", "PSAL", "-22,27", "2012,2012")
    assert [row["TS"] for row in rows] == ["1326585600000", "1329264000000", "1331769600000"]
    assert list(rows[0]) == ["TS", "lon", "lat", "PSAL"]


def test_their_client_gets_a_status_that_tells(stranger):
    assert stranger.get("/ISAS13>v3/SALT/global/2012/map/?filters={}")[0] == 404
    assert stranger.get("/ISAS13>v3/PSAL/global/2012/map/?filters={}")[0] == 422
    status, headers, _ = stranger.get("/nothing/here/")
    assert (status, headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("real", [OSTIA, TAS], ids=lambda real: real.varname)
@pytest.mark.usefixtures("shared_data")
def test_their_client_gets_the_numbers_of_real_files(real):
    with xr.open_dataset(real.path) as data:
        values = data[real.varname].load().astype(np.float64)
    lons = (values[real.lon] + 180) % 360 - 180
    cells = values.where((lons >= -20) & (lons <= 30) & (values[real.lat] >= -4.5) & (values[real.lat] <= 4.5))
    wanted = cells.mean([real.lon, real.lat]).values
    with LocalService({"real": str(real.path)}) as service, serve_background(build_app(service)) as server:
        stranger = ForeignClient(server.url)
        res = stranger.get_series("real", real.varname, "-20,-4.5,30,4.5", "19500917,21000917")
        assert stranger.get_image("real", real.varname, "-20,-4.5,30,4.5", real.month).shape[2] == 4
        told = stranger.get_data("real", real.varname, "-20,-4.5,30,4.5", real.month)
    assert np.isfinite(np.asarray(told["data"])).any()
    assert len(res) == wanted.size == values.sizes["time"]
    got = np.array([value for _, value in res])
    # A millionth: of the values, or of the field's deviation where they are near nought.
    np.testing.assert_array_less(np.abs(got - wanted), 1e-6 * np.maximum(np.abs(wanted), float(values.std())))


# --- their server, our clients --------------------------------------------------------------------------------------


@pytest.fixture
def their():
    with ForeignServer() as server:
        yield server


def test_our_client_draws_their_pictures_where_they_belong(their):
    """Grey tells the latitude, so each row of the warped picture can be checked."""
    service = HttpService(their.url)
    canvas = Canvas(BBox(-60, -75, 60, 80), 300, "mercator")
    image = service.answer(MapQuery(Source("SEA>v1", "sst", Date("20120115")), canvas))
    assert image.projection == "mercator"
    assert image.bbox == BBox(-60, -75, 60, 80)
    pixels = np.asarray(Image.open(io.BytesIO(image.png)).convert("L")).astype(float)
    assert pixels.shape == (image.height, image.width)
    south, north = mercator_from_latitude([-75.0, 80.0])
    lat = latitude_from_mercator(north - (np.arange(image.height) + 0.5) / image.height * (north - south))
    grey = (lat + 90) / 180 * 255
    assert np.abs(pixels[:, 10] - grey).max() < 1.5
    assert all("pc_world" in request or "projection" not in request for request in their.requests)


def test_what_their_server_does_not_tell_is_none(their):
    service = HttpService(their.url)
    image = service.answer(MapQuery(Source("SEA>v1", "sst", Date("20120115")), Canvas(GLOBAL), Style("jet", 0, 1)))
    assert (image.time, image.vmin, image.cmap, image.valid) == (None, None, None, None)
    assert (image.width, image.height, image.bbox) == (360, 180, GLOBAL)


def test_times_are_worked_out_from_their_configuration(their):
    times = HttpService(their.url).answer(TimesQuery("SEA>v1", "sst"))
    assert not times.exact
    assert times.axis.labels[[0, -1]].tolist() == [20120115000000000, 20120315000000000]
    assert len(times.axis) == 3


def test_what_we_added_is_not_sent(their):
    service = HttpService(their.url)
    service.answer(LapseMapQuery("SEA>v1", "sst", Canvas(GLOBAL, 90, reduce="stride"), style=Style("jet", 0, 1)))
    service.answer(MapQuery(Source("SEA>v1", "sst", Date("20120115")), Canvas(GLOBAL, reduce="stride")))
    assert not any("reduce" in request or "job=" in request for request in their.requests)
    lapses = [request for request in their.requests if "mapper_id" in request]
    assert [request.partition("?")[2] for request in lapses] == ["sm=avg&mapper_id=DVORTSMAPS"]
    with pytest.raises(errors.NotSupported, match="filters"):
        service.answer(SeriesQuery("SEA>v1", "sst", GLOBAL, filters=parse_filters({"depth": 1})))


def test_their_bare_404_offers_the_nearest_names(their):
    service = HttpService(their.url)
    service.answer(CatalogQuery())
    with pytest.raises(errors.UnknownName, match="'SEA>v1'"):
        service.answer(SeriesQuery("SEA/v2", "sst", GLOBAL))
    with pytest.raises(errors.UnknownName, match="'sst'"):
        service.answer(MapQuery(Source("SEA/v1", "stt", Date("20120115")), Canvas(GLOBAL)))
    with pytest.raises(errors.NoData):
        service.answer(MapQuery(Source("SEA/v1", "sst", Date("2013")), Canvas(GLOBAL)))


def test_the_documented_classes_work_with_their_server(their):
    maps, laps = Datavore(their.url), Datalaps(their.url)
    assert maps.getListIndexes() == ["SEA>v1"]
    assert maps.getImage("SEA/v1", "sst", "20120115").startswith(b"\x89PNG")
    told = maps.getData("SEA>v1", "sst", "20120215", bbox="0,0,10,10")
    np.testing.assert_array_equal(told["data"], np.repeat([[2.0], [4], [6], [8], [10]], 5, 1))
    assert told["time"] is None
    assert maps.getFileList("SEA>v1", "sst") == ["a.nc", "b.nc"]
    assert laps.getTimeserieRaw("SEA>v1", "sst", [0, 0, 10, 10]) == [
        [1326585600000, 5.0],
        [1329264000000, None],
        [1331769600000, 7.0],
    ]
    assert laps.searchIndexes("sea") == [("SEA>v1", "The sea")]
    table = laps.getData("SEA>v1", "sst", "2012,2013", [0, 0])
    assert table["sst"].tolist() == [0.5, 1.5, 2.5]
    assert table.index.name == "time"
