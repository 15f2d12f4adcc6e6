"""The documented classes: their signatures, their examples, and what they turn what people write into."""

from __future__ import annotations

import datetime as dt
import inspect
import json
import time

import fields
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from datavore_widgets import Datalaps, Datavore, LocalService, errors
from datavore_widgets.client.http import HttpService
from datavore_widgets.connect import connect
from datavore_widgets.protocol.answers import Series
from datavore_widgets.protocol.png import check_png
from datavore_widgets.protocol.queries import CatalogQuery, ExtractQuery, FilesQuery, LapsCatalogQuery, SeriesQuery

LAPSE = "19500917, 21000917"
DOCUMENTED = {
    (Datavore, "__init__"): {"service": None},
    (Datavore, "getImage"): {
        "index": ..., "varname": ..., "date": ..., "bbox": "global", "vMin": "default", "vMax": "default",
        "cmap": "default", "nearest": None, "offset": "default", "resolution": "default", "filters": {},
        "paramsPlot": "default",
    },
    (Datavore, "getData"): {
        "index": ..., "varname": ..., "date": ..., "bbox": "global", "vMin": "default", "vMax": "default",
        "cmap": "default", "nearest": None, "offset": "default", "resolution": "default", "filters": {},
        "paramsPlot": "default", "liste": False,
    },
    (Datavore, "getImageFromUrl"): {"url": ...},
    (Datavore, "getFileList"): {
        "index": ..., "varname": ..., "bbox": "global", "startdate": "19500917", "stopdate": "21000917", "dl": 0,
        "inv": "null", "filters": "null",
    },
    (Datavore, "getIndexes"): {},
    (Datavore, "getListIndexes"): {},
    (Datavore, "printListIndexes"): {},
    (Datalaps, "__init__"): {"datavoreService": None, "datalapsService": None},
    (Datalaps, "getImage"): {"index": ..., "varname": ..., "bbox": ..., "datelaps": LAPSE, "aggregate": "avg"},
    (Datalaps, "getTimeserie"): {
        "index": ..., "varname": ..., "coord": ..., "datelaps": LAPSE, "groupby": None, "aggregate": "avg",
    },
    (Datalaps, "getTimeserieRaw"): {
        "index": ..., "varname": ..., "coord": ..., "datelaps": LAPSE, "groupby": None, "aggregate": "avg",
    },
    (Datalaps, "mergeTimeserie"): {"pandas": ...},
    (Datalaps, "getMergedTimeserie"): {
        "indexTuples": ..., "coord": ..., "datelaps": LAPSE, "groupby": None, "aggregate": "avg",
    },
    (Datalaps, "getUrl"): {
        "urlFormat": ..., "index": ..., "varname": ..., "coord": ..., "datelaps": LAPSE, "groupby": None,
        "aggregate": "avg",
    },
    # Of the published client 1.0rc1.
    (Datalaps, "getIndexes"): {},
    (Datalaps, "getConfig"): {},
    (Datalaps, "searchIndexes"): {
        "pattern": ..., "search_field": "name", "return_name_only": False, "return_id_only": False,
        "return_all": False,
    },
    (Datalaps, "getData"): {
        "index": ..., "varnames": ..., "date": ..., "bbox": ..., "filters": "", "output_format": "csv",
        "other_params": {}, "time_index": True,
    },
}  # fmt: skip


@pytest.mark.parametrize(("kind", "name"), DOCUMENTED, ids=lambda value: getattr(value, "__name__", value))
def test_signatures_are_those_of_the_documentation(kind, name):
    parameters = list(inspect.signature(getattr(kind, name)).parameters.values())[1:]
    told = {
        parameter.name: ... if parameter.default is inspect.Parameter.empty else parameter.default
        for parameter in parameters
        if parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    }
    assert list(told.items()) == list(DOCUMENTED[kind, name].items())
    further = [parameter for parameter in parameters if parameter.name not in told]
    assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in further)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A catalogue with the indexes that the documentation's examples name."""
    folder = tmp_path_factory.mktemp("client")
    lon, lat = np.arange(-70.0, 0.0, 2.0), np.arange(0.0, 40.0, 2.0)
    isas = fields.field(lon, lat, times=12, start="2012-01", hole=False).rename(sst="PSAL")
    isas.to_netcdf(folder / "isas.nc")
    flux = fields.field(lon, lat, times=24, start="1999-06").rename(sst="SULHF")
    flux.to_netcdf(folder / "flux.nc")
    fields.days_360().to_netcdf(folder / "thirty.nc")
    fields.flags().to_netcdf(folder / "flags.nc")
    fields.with_depth().to_netcdf(folder / "deep.nc")
    files = {"ISAS13/v3": "isas.nc", "2000": "flux.nc", "thirty": "thirty.nc", "flags": "flags.nc", "deep": "deep.nc"}
    with LocalService({index: str(folder / name) for index, name in files.items()}) as opened:
        yield opened


@pytest.fixture
def maps(service):
    return Datavore(service)


@pytest.fixture
def laps(service):
    return Datalaps(service)


# --- the documentation's examples -----------------------------------------------------------------------------------


def test_example_of_get_image(maps):
    picture = maps.getImage("ISAS13>v3", "PSAL", "20120815000000", bbox=[-60, 3, -22, 27])
    assert isinstance(picture, bytes)
    width, height = check_png(picture)
    assert width > height > 1


def test_example_of_get_timeserie(laps):
    data = laps.getTimeserie(
        index="2000", varname="SULHF", coord="-27.42,19.97", datelaps="19000101010101,21000101010101", groupby=None
    )
    assert list(data.columns) == ["2000_SULHF"]
    assert data.index.tz is None
    assert data.index.name == "time"
    expected = fields.value(-28.0, 20.0, np.arange(24)).astype("f4").astype("f8")
    np.testing.assert_array_equal(data["2000_SULHF"], expected)
    assert data.index[0] == pd.Timestamp("1999-06-15")


def test_example_of_paramsplot(maps):
    options = {"projection": "pc_world", "radius": None, "plot_method": "pcolormesh", "resample": True}
    one = maps.getImage("ISAS13/v3", "PSAL", 20120815, paramsPlot=options)
    assert one == maps.getImage("ISAS13/v3", "PSAL", 20120815, paramsPlot=json.dumps(options))
    assert one == maps.getImage("ISAS13/v3", "PSAL", 20120815, paramsPlot=str(options))  # None and True, as documented
    assert one != maps.getImage("ISAS13/v3", "PSAL", 20120815, paramsPlot={"resample": False})


CMAPS = ("jet", "bwr", "viridis", "inferno", "plasma", "magma", "Blues", "bone", "cool", "autumn", "s3pcpn")


@pytest.mark.parametrize("cmap", CMAPS)
def test_documented_colour_maps(maps, cmap):
    assert maps.getImage("ISAS13/v3", "PSAL", "20120815", cmap=cmap)


def test_documented_spellings_are_equal(maps, laps):
    one = maps.getImage("ISAS13/v3", "PSAL", "20120815000000", "-60, 3, -22, 27")
    day = dt.datetime(2012, 8, 15)
    assert one == maps.getImage("ISAS13/v3", "PSAL", day, [-60, 3, -22, 27], "default", "default", "default", None)
    lapses = (
        "20000101, 20001231",
        [20000101, 20001231],
        [dt.date(2000, 1, 1), dt.datetime(2000, 12, 31)],
        ("2000-01-01", np.datetime64("2000-12-31")),
    )
    frames = [laps.getTimeserie("2000", "SULHF", [-27.42, 19.97], lapse) for lapse in lapses]
    assert len(frames[0]) == 12
    for frame in frames[1:]:
        pd.testing.assert_frame_equal(frame, frames[0])


# --- maps, data, files ----------------------------------------------------------------------------------------------


def test_get_data_is_a_dict_of_arrays(maps):
    told = maps.getData("ISAS13/v3", "PSAL", "20120815000000", bbox=[-60, 3, -22, 27], vMin=3, cmap="jet")
    assert set(told) == {"lon", "lat", "data", "time", "units", "long_name", "bbox"}
    np.testing.assert_array_equal(told["data"], fields.value(told["lon"], told["lat"][:, None], 7).astype("f4"))
    assert told["time"] == np.datetime64("2012-08-15")
    assert told["bbox"].tolist() == [-60, 3, -22, 27]
    assert told["units"] == "degree_Celsius"


def test_get_data_as_a_list(maps):
    cells = maps.getData("ISAS13/v3", "PSAL", "201208", bbox=[-60, 3, -50, 9], liste=True)
    assert cells[0] == (-60.0, 4.0, pytest.approx(float(fields.value(-60, 4, 7)), rel=1e-6))
    assert len(cells) == 6 * 3


def test_get_data_adds_the_offset_and_masks_integers(maps):
    plain = maps.getData("ISAS13/v3", "PSAL", "201208")["data"]
    warmer = maps.getData("ISAS13/v3", "PSAL", "201208", offset=273.15)["data"]
    np.testing.assert_allclose(warmer, plain + np.float32(273.15), rtol=1e-6)
    flags = maps.getData("flags", "mask", None)["data"]
    assert isinstance(flags, np.ma.MaskedArray)
    assert flags.mask[0].all()


def test_a_further_dimension_is_chosen_by_value(maps, laps):
    deep = maps.getData("deep", "sst", "201201", filters={"depth": 100})["data"]
    shallow = maps.getData("deep", "sst", "201201", filters='{"depth": 0.5}')["data"]
    np.testing.assert_allclose(shallow - deep, np.where(np.isnan(deep), np.nan, 2.0), rtol=1e-5)
    series = [
        laps.getTimeserie("deep", "sst", [0, 0, 9, 9], filters={"depth": depth}).iloc[0, 0] for depth in (0.5, 100)
    ]
    assert series[0] - series[1] == pytest.approx(2.0, rel=1e-6)


def test_a_missed_time_names_the_closest(maps):
    with pytest.raises(errors.NoData, match="2012-08-15") as raised:
        maps.getImage("ISAS13/v3", "PSAL", "20120816000000")
    assert raised.value.suggestions
    assert maps.getImage("ISAS13/v3", "PSAL", "20120816000000", nearest=86400)


def test_a_time_of_another_calendar_is_its_own_text(maps):
    assert maps.getData("thirty", "sst", "20000230")["time"] == "2000-02-30T00:00:00Z"


def test_get_file_list(maps):
    (name,) = maps.getFileList("ISAS13/v3", "PSAL", [-60, 3, -22, 27], "2012", "20121231", 1, "x", "null")
    assert name.endswith("isas.nc")


def test_indexes(maps, laps, capsys):
    told = maps.getIndexes()
    assert list(told) == maps.getListIndexes() == list(laps.getIndexes())
    assert told["ISAS13/v3"]["times"]["count"] == 12
    assert told["ISAS13/v3"]["variables"]["PSAL"]["units"] == "degree_Celsius"
    json.dumps(told, allow_nan=False)
    maps.printListIndexes()
    assert capsys.readouterr().out.split() == list(told)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/page/?d=ISAS13>v3&r=-60,3,-22,27&v=PSAL&dt=2012-08-15T00:30:00Z&t=map&zoom=3",
        "https://example.org/page/#d=ISAS13%3Ev3&r=-60%2C3%2C-22%2C27&v=PSAL&dt=20120815003000&t=map",
        "https://example.org/page/?lang=en#!d=ISAS13/v3&r=-60,3,-22,27&v=PSAL&dt=2012-08-15+00:30:00",
        "http://169.254.169.254/%23d%3DISAS13%3Ev3%26r%3D-60,3,-22,27%26v%3DPSAL%26dt%3D1344990600000",
        "file:///etc/passwd?d=ISAS13>v3&r=[-60, 3, -22, 27]&v=PSAL&dt=Wed, 15 Aug 2012 00:30:00 GMT",
        "x#d=ISAS13>v3&r=-60,3,-22,27&v=PSAL&dt=Wed Aug 15 2012 02:30:00 GMT%2B0200 (CEST)",
    ],
)
def test_the_pages_url_asks_the_configured_service(maps, url):
    expected = maps.getImage("ISAS13/v3", "PSAL", "20120815000000", bbox=[-60, 3, -22, 27])
    assert maps.getImageFromUrl(url) == expected


@pytest.mark.parametrize("url", ["", "https://example.org/", "https://x/?d=a&r=1,2,3,4&v=b", None])
def test_a_url_that_is_no_page_is_refused(maps, url):
    with pytest.raises(errors.InvalidValue):
        maps.getImageFromUrl(url)


# --- series ---------------------------------------------------------------------------------------------------------


def test_raw_series_are_milliseconds_and_none(laps):
    raw = laps.getTimeserieRaw("2000", "SULHF", [-70, 0, -2, 38], "1999-06-01,1999-07-31")
    assert [millis for millis, _ in raw] == [929404800000, 931996800000]
    assert all(type(millis) is int and type(value) is float for millis, value in raw)
    with_hole = laps.getTimeserieRaw("2000", "SULHF", [-40, 14], aggregate="avg")
    assert [value for _, value in with_hole] == [None] * 24
    assert laps.getTimeserie("2000", "SULHF", [-40, 14])["2000_SULHF"].isna().all()


def test_series_are_the_same_in_every_zone(laps, monkeypatch):
    expected = laps.getTimeserie("2000", "SULHF", [-27, 20])
    try:
        for zone in ("America/Los_Angeles", "Asia/Tokyo"):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            pd.testing.assert_frame_equal(laps.getTimeserie("2000", "SULHF", [-27, 20]), expected)
            assert laps.getTimeserieRaw("2000", "SULHF", [-27, 20])[0][0] == 929404800000
    finally:
        monkeypatch.undo()
        time.tzset()


def test_group_by_and_aggregate_agree_with_pandas(laps):
    monthly = laps.getTimeserie("2000", "SULHF", [-60, 2, -50, 10])["2000_SULHF"]
    yearly = laps.getTimeserie("2000", "SULHF", [-60, 2, -50, 10], groupby="yyyy", aggregate="max")["2000_SULHF"]
    assert list(yearly.index) == [pd.Timestamp(f"{year}-01-01") for year in (1999, 2000, 2001)]
    assert (yearly >= monthly.resample("YS").mean()).all()


def test_thirty_days_of_february_stay_two_days(laps):
    data = laps.getTimeserie("thirty", "sst", [0, 0])
    assert isinstance(data.index, xr.CFTimeIndex)
    assert [stamp.strftime("%m-%d") for stamp in data.index] == ["02-28", "02-29", "02-30", "03-01"]
    early = laps.getTimeserie("thirty", "sst", [0, 0], groupby="yyyy-MM")
    assert isinstance(early.index, pd.DatetimeIndex)


def test_merging_keeps_every_time(laps):
    pairs = [["2000", "SULHF"], ["ISAS13/v3", "PSAL"]]
    merged = laps.getMergedTimeserie(pairs, [-27, 20], groupby="yyyy")
    assert list(merged.columns) == ["2000_SULHF", "ISAS13/v3_PSAL"]
    assert [stamp.year for stamp in merged.index] == [1999, 2000, 2001, 2012]
    assert merged.isna().sum().tolist() == [1, 3]
    with pytest.raises(errors.InvalidValue, match="'2000_SULHF'"):
        laps.getMergedTimeserie([pairs[0], pairs[0]], [-27, 20])
    with pytest.raises(errors.InvalidValue):
        laps.mergeTimeserie([])


def test_get_data_is_a_table(laps):
    table = laps.getData("ISAS13/v3", ["PSAL"], "20120801,20120930", [-60, 2, -58, 4])
    assert list(table.columns) == ["lon", "lat", "PSAL"]
    assert len(table) == 2 * 4
    assert table.index.name == "time"
    row = table.iloc[-1]
    assert row["PSAL"] == pytest.approx(float(fields.value(row["lon"], row["lat"], 8)), rel=1e-6)
    one_month = laps.getData("ISAS13/v3", "PSAL", "201208", [-60, 2, -58, 4])
    assert set(one_month.index.strftime("%Y-%m")) == {"2012-08"}
    pd.testing.assert_frame_equal(one_month, table[table.index < "2012-09"])
    plain = laps.getData("ISAS13/v3", "PSAL", [20120801, 20120930], "-60,2", time_index=False)
    assert plain["TS"].tolist() == [1344988800000, 1347667200000]


def test_lapse_map(laps):
    one = laps.getImage("2000", "SULHF", [-60, 3, -22, 27], "20000101,20001231", "count")
    assert check_png(one)
    assert one != laps.getImage("2000", "SULHF", [-60, 3, -22, 27], "20000101,20001231")


def test_search(laps):
    assert laps.searchIndexes("isas") == [("ISAS13/v3", "ISAS13/v3")]
    assert laps.searchIndexes("^2000$", "index", return_id_only=True) == ["2000"]
    assert laps.searchIndexes("2000", return_name_only=True) == ["2000"]
    ((index, _, config),) = laps.searchIndexes("2000", return_all=True)
    assert config["index"] == index == "2000"
    assert laps.searchIndexes("nothing like it") == []
    with pytest.raises(errors.UnknownName, match="'name'"):
        laps.searchIndexes("x", "nmae")
    with pytest.raises(errors.InvalidValue, match="regular"):
        laps.searchIndexes("(")


# --- URLs -----------------------------------------------------------------------------------------------------------

PUBLISHED = "{self.datalapsService}/{index}/{varname}/{coord}/{datelaps}/ts?{groupby}sm={aggregate}"


def test_urls_of_published_formats():
    laps = Datalaps("https://example.org/datavore/")
    url = laps.getUrl(PUBLISHED, "2000", "SULHF", "-27.42, 19.97", groupby="yyyy")
    assert url == "https://example.org/datavore/2000/SULHF/-27.42,19.97/19500917,21000917/ts?groupby=yyyy&sm=avg"
    assert "groupby" not in laps.getUrl(PUBLISHED, "2000", "SULHF", [1, 2])
    assert laps.getUrl("{index}/{varname}?{{}}", "a>b", "c d&e", [1, 2]) == "a%3Eb/c%20d%26e?{}"
    assert laps.getUrl("{x}-{y}", "a", "b", [1, 2], other_params={"x": "a b", "y": 3}) == "a%20b-3"


def test_the_embedded_root_has_a_name(service):
    laps = Datalaps(service)
    assert laps.datavoreService == laps.datalapsService == service.root
    assert laps.getUrl("{self.datavoreService}", "a", "b", [1, 2]).startswith("datavore:/")


@pytest.mark.parametrize(
    "text",
    [
        "{self}", "{self.service}", "{self.__class__}", "{index.__class__}", "{index[0]}", "{self.datavoreService.x}",
        "{0}", "{}", "{index!r}", "{index:>10}", "{index:{varname}}", "{password}", "{index", "}", "{x.y}",
    ],
)  # fmt: skip
def test_other_fields_of_a_format_are_refused(laps, text):
    with pytest.raises(errors.InvalidValue):
        laps.getUrl(text, "a", "b", [1, 2], other_params={"x": "1"})


# --- wrong spellings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "kind", "says"),
    [
        (lambda m, _: m.getImage("ISAS", "PSAL", "201208"), LookupError, "ISAS13/v3"),
        (lambda m, _: m.getImage("ISAS13/v3", "SAL", "201208"), LookupError, "PSAL"),
        (lambda m, _: m.getImage("ISAS13/v3", "PSAL", "201213"), ValueError, "month"),
        (lambda m, _: m.getImage("ISAS13/v3", "PSAL", "soon"), ValueError, "YYYYMMDD"),
        (lambda m, _: m.getImage("ISAS13/v3", "PSAL", "201208", "1,2,3"), ValueError, "four numbers"),
        (lambda m, _: m.getImage("ISAS13/v3", "PSAL", "201208", cmap="virdis"), ValueError, "viridis"),
        (lambda m, _: m.getImage("ISAS13/v3", "PSAL", "201208", vMin="low"), ValueError, "vMin"),
        (lambda m, _: m.getImage("ISAS13/v3", "PSAL", "201208", nearest="x"), ValueError, "nearest"),
        (lambda m, _: m.getImage("ISAS13/v3", "PSAL", "201208", resolution=1.5), ValueError, "resolution"),
        (lambda m, _: m.getImage("ISAS13/v3", "PSAL", "201208", colormap="jet"), TypeError, "cmap"),
        (lambda m, _: m.getImage("ISAS13/v3", "PSAL", "201208", paramsPlot={"projecton": 1}), TypeError, "projection"),
        (lambda m, _: m.getData("ISAS13/v3", "PSAL", "201208", paramsPlot={"radios": 1}), TypeError, "radius"),
        (lambda m, _: m.getData("ISAS13/v3", "PSAL", "201208", filters={"depht": 1}), ValueError, "depht"),
        (lambda _, n: n.getTimeserie("2000", "SULHF", [1, 2], aggregate="mean"), ValueError, "avg"),
        (lambda _, n: n.getTimeserie("2000", "SULHF", [1, 2], groupby="yyy"), ValueError, "yyyy"),
        (lambda _, n: n.getTimeserie("2000", "SULHF", [1, 2], "2000"), ValueError, "two dates"),
        (lambda _, n: n.getTimeserie("2000", "SULHF", [1, 2, 3]), ValueError, "position"),
        (lambda _, n: n.getTimeserie("2000", "SULHF", [1, 2], group_by="yyyy"), TypeError, "groupby"),
        (lambda _, n: n.getData("2000", "SULHF", "2000,2001", [1, 2], output_format="nc"), NotImplementedError, "csv"),
        (lambda _, n: n.getData("2000", "SULHF", "2000,2001", [1, 2], other_params={"x": 1}), TypeError, "'x'"),
    ],
)
def test_wrong_spellings_are_errors_of_our_own(maps, laps, call, kind, says):
    with pytest.raises(errors.DatavoreError) as raised:
        call(maps, laps)
    assert isinstance(raised.value, kind)
    assert says in str(raised.value)


# --- services -------------------------------------------------------------------------------------------------------


class Recorder:
    """Notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[type] = []

    def answer(self, query, job=None):
        self.asked.append(type(query))
        if isinstance(query, SeriesQuery):
            return Series(np.array([20120101000000000]), np.array([1.0]))
        raise errors.NoData("nothing")


def test_datalaps_asks_the_one_for_maps_and_the_other_for_series():
    maps, series = Recorder(), Recorder()
    laps = Datalaps(maps, series)
    laps.getTimeserie("a", "b", [1, 2])
    for query in (CatalogQuery(), FilesQuery("a", "b"), LapsCatalogQuery()):
        with pytest.raises(errors.NoData):
            laps.answer(query)
    for call in (lambda: laps.getImage("a", "b", "global"), lambda: laps.getData("a", "b", "2000,2001", [1, 2])):
        with pytest.raises(errors.NoData):
            call()
    assert [kind.__name__ for kind in maps.asked] == ["CatalogQuery", "FilesQuery", "LapseMapQuery"]
    assert series.asked == [SeriesQuery, LapsCatalogQuery, ExtractQuery]


@pytest.mark.parametrize("given", [{"datavoreService": Recorder()}, {"datalapsService": Recorder()}])
def test_one_service_is_both(given):
    (service,) = given.values()
    laps = Datalaps(**given)
    assert laps.service is service
    with pytest.raises(errors.NoData):
        laps.getImage("a", "b", "global")


def test_a_client_is_a_service(service):
    assert connect(Datavore(service)).answer(CatalogQuery()) == service.answer(CatalogQuery())
    assert Datavore(Datalaps(service)).datavoreService == service.root


def test_connect_tells_urls_from_files(tmp_path, monkeypatch):
    path = tmp_path / "sea.nc"
    fields.field().to_netcdf(path)
    assert isinstance(connect("https://example.org/x"), HttpService)
    opened = connect(path)
    assert connect(str(path)) is opened
    assert connect([str(path)]) is not opened
    assert list(connect(fields.field()).answer(CatalogQuery()).indexes)
    monkeypatch.setenv("DATAVORE_SERVICE", str(path))
    assert connect() is opened
    monkeypatch.setenv("DATAVORE_SERVICE", "https://example.org/x")
    assert Datavore().datavoreService == "https://example.org/x"


@pytest.mark.parametrize("spec", ["", "datavore:/sample", "ftp://x/y.nc", "s3://bucket/x", 3, True, b"x", []])
def test_what_names_no_service_is_refused(spec):
    with pytest.raises(errors.InvalidValue):
        connect(spec)


def test_what_is_not_there_is_said():
    with pytest.raises(errors.DatavoreError, match=r"no-such-file"):
        connect("/no/where/no-such-file.nc")
