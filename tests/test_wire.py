"""The protocol's spelling: every query to a URL and back, every answer to bytes and back, and what is refused."""

from __future__ import annotations

import contextlib
import json
import math
import string
import struct
import zlib
from dataclasses import replace
from typing import get_args

import msgpack
import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from same import assert_same

from datavore_widgets import errors
from datavore_widgets.protocol import arrays, payloads, problems, wire
from datavore_widgets.protocol.aggregates import FURTHER_AGGREGATES
from datavore_widgets.protocol.answers import (
    Catalog,
    CellList,
    Extract,
    Field,
    FileList,
    IndexInfo,
    LapsCatalog,
    MapImage,
    Series,
    Times,
    Trend,
    VariableInfo,
)
from datavore_widgets.protocol.diagnosis import Checkup, Diagnosis, VariableDiagnosis
from datavore_widgets.protocol.door import Answer
from datavore_widgets.protocol.geometry import GLOBAL, BBox, Point
from datavore_widgets.protocol.png import check_png
from datavore_widgets.protocol.preparation import Preparation
from datavore_widgets.protocol.queries import (
    AGGREGATES,
    OVERLAPS,
    PROJECTIONS,
    REDUCERS,
    SCALES,
    AcquisitionsQuery,
    Canvas,
    CatalogQuery,
    Condition,
    DataQuery,
    DoctorQuery,
    ExtractQuery,
    FilesQuery,
    LapsCatalogQuery,
    LapseDataQuery,
    LapseMapQuery,
    MapQuery,
    PrepareQuery,
    Query,
    QuicklookQuery,
    SeriesQuery,
    Source,
    SpectrumQuery,
    Style,
    TimesQuery,
    Window,
)
from datavore_widgets.protocol.times import (
    CLIMATOLOGIES,
    GROUP_NAMES,
    GROUPINGS,
    WHOLE_LAPSE,
    Date,
    Lapse,
    Stamp,
    TimeAxis,
    label_from_millis,
    label_from_parts,
)
from datavore_widgets.protocol.waves import Acquisitions, CartesianCross, ModelSpectrum, Quicklook, WaveSpectrum

settings.register_profile("wire", deadline=None, derandomize=True)
settings.load_profile("wire")

# --- strategies ----------------------------------------------------------------------------------------------------

names = st.text(string.ascii_letters + string.digits + " _.-+%&=?#<\"'é海", min_size=1, max_size=8).filter(
    lambda name: name not in (".", "..")
)
ids = st.lists(names, min_size=1, max_size=3).map("/".join)
finite = st.floats(allow_nan=False, allow_infinity=False, width=64)
positive = st.floats(1e-6, 1e9)
longitudes, latitudes = st.floats(-180, 360), st.floats(-90, 90)
points = st.builds(Point, longitudes, latitudes)


@st.composite
def boxes(draw: st.DrawFn) -> BBox:
    south, north = sorted((draw(latitudes), draw(latitudes)))
    return BBox(draw(longitudes), south, draw(longitudes), north)


@st.composite
def dates(draw: st.DrawFn) -> Date:
    digits = "".join(
        f"{draw(st.integers(low, high)):0{width}d}"
        for low, high, width in ((0, 9999, 4), (1, 12, 2), (1, 28, 2), (0, 23, 2), (0, 59, 2), (0, 59, 2), (0, 999, 3))
    )
    return Date(digits[: draw(st.sampled_from((4, 6, 8, 10, 12, 14, 17)))])


lapses = st.tuples(dates(), dates()).map(lambda pair: sorted(pair, key=lambda d: d.low)).map(lambda p: Lapse(*p))
conditions = st.one_of(
    st.builds(Condition, names, st.lists(finite | names, min_size=1, max_size=3).map(tuple)),
    st.builds(Condition, names, st.just(()), finite, st.none() | finite),
    st.builds(Condition, names, st.just(()), st.none(), finite),
)
filters = st.lists(conditions, max_size=3, unique_by=lambda c: c.name).map(
    lambda chosen: tuple(sorted(chosen, key=lambda c: c.name))
)
less = st.just("") | names.filter(lambda name: name not in ("null", "default"))
sources = st.builds(
    Source, ids, names, st.none() | dates(), st.none() | st.floats(0, 1e9) | st.just(math.inf), filters, finite, less
)
canvases = st.builds(
    Canvas,
    boxes().filter(lambda box: box.width > 0 and box.height > 0),
    st.none() | st.integers(1, 5000),
    st.sampled_from(PROJECTIONS),
    st.booleans(),
    st.sampled_from(REDUCERS),
    st.none() | positive,
)
styles = st.builds(
    Style,
    st.none() | st.just("viridis_r"),
    st.none() | st.floats(-9, 0),
    st.none() | st.floats(1, 9),
    st.none() | st.sampled_from(SCALES),
)
windows = st.builds(Window, positive, st.sampled_from(OVERLAPS))
aggregates = st.sampled_from((*AGGREGATES, *FURTHER_AGGREGATES, "p5", "p99")) | names.map("fraction:{}".format)
groups, climatologies = st.none() | st.sampled_from(GROUPINGS), st.sampled_from(CLIMATOLOGIES)
years = st.lists(st.integers(0, 9999), min_size=2, max_size=2).map(lambda pair: (min(pair), max(pair)))


@st.composite
def series_queries(draw: st.DrawFn) -> SeriesQuery:
    query = draw(
        st.builds(SeriesQuery, ids, names, boxes() | points, lapses, groups, aggregates, filters, subtract=less)
    )
    anomaly, is_climatology = draw(st.none() | climatologies), query.groupby in CLIMATOLOGIES
    based = anomaly is not None or is_climatology
    return replace(
        query,
        anomaly=anomaly,
        base=draw(st.none() | years) if based else None,
        trend=draw(st.booleans()) and not is_climatology,
        reach=draw(st.none() | positive),
    )


@st.composite
def moving_series(draw: st.DrawFn) -> SeriesQuery:
    place = draw(boxes() | points)
    overlap = st.just("mean") if isinstance(place, BBox) else st.sampled_from(OVERLAPS)
    window = draw(st.builds(Window, positive, overlap))
    aggregate = draw(st.sampled_from(AGGREGATES))
    return SeriesQuery(draw(ids), draw(names), place, draw(lapses), None, aggregate, draw(filters), window=window)


queries = st.one_of(
    st.builds(MapQuery, sources, canvases, styles),
    st.builds(MapQuery, sources.filter(lambda source: source.date is not None), canvases, styles, windows),
    st.builds(LapseMapQuery, ids, names, canvases, lapses, aggregates, filters, styles, subtract=less),
    st.builds(DataQuery, sources, boxes(), st.none() | st.integers(1, 5000), st.booleans()),
    st.builds(LapseDataQuery, ids, names, boxes(), lapses, aggregates, filters, less, st.none() | st.integers(1, 5000)),
    st.builds(
        DataQuery,
        sources.filter(lambda source: source.date is not None),
        boxes(),
        st.none() | st.integers(1, 5000),
        st.booleans(),
        windows,
    ),
    series_queries(),
    moving_series(),
    st.builds(
        ExtractQuery, ids, st.lists(names, min_size=1, max_size=3).map(tuple), boxes() | points, lapses, filters, less
    ),
    st.builds(FilesQuery, ids, names, boxes(), lapses, filters),
    st.builds(TimesQuery, ids, names),
    st.builds(DoctorQuery, ids, names, st.integers(1, 1000)),
    st.builds(PrepareQuery, ids, names, st.booleans()),
    st.just(CatalogQuery()),
    st.just(LapsCatalogQuery()),
    st.builds(QuicklookQuery, ids, names, dates(), boxes()),
    st.builds(AcquisitionsQuery, ids, boxes(), lapses, st.none() | st.integers(1, 10**6)),
    st.builds(SpectrumQuery, ids, dates(), boxes()),
)

# --- queries -------------------------------------------------------------------------------------------------------


@settings(max_examples=500)
@given(queries)
def test_every_query_reads_back_as_itself(query):
    path, _, options = wire.write(query).target.partition("?")
    assert wire.read(path, options) == query
    assert path.isascii()
    assert not set(path + options) & set(" <>\"'#{}")


def has_further_words(query) -> bool:
    if isinstance(query, SeriesQuery):
        added = query.anomaly, query.base, query.reach, query.trend or None
        if query.groupby not in (None, *GROUP_NAMES) or any(word is not None for word in added):
            return True
    return isinstance(query, SeriesQuery | LapseMapQuery) and query.aggregate not in AGGREGATES


@given(queries)
def test_a_plain_request_keeps_to_what_published_servers_know(query):
    try:
        request = wire.write(query, plain=True)
    except errors.NotSupported:
        asks_more = getattr(query, "subtract", "") or getattr(query, "window", None)
        asks_more = asks_more or getattr(getattr(query, "source", None), "subtract", "")
        assert (
            isinstance(query, AcquisitionsQuery | SpectrumQuery | DoctorQuery | PrepareQuery | LapseDataQuery)
            or asks_more
            or query.filters
            or has_further_words(query)
        )
        return
    assert not has_further_words(query)
    known = {"nearest", "filters", "vMin", "vMax", "cmap", "offset", "resolution", "paramsPlot", "list"}
    known |= {"groupby", "sm", "mapper_id", "format", "dl", "inv"}
    assert {name for name, _ in request.options} <= known
    plot = dict(request.options).get("paramsPlot", "{}")
    assert set(json.loads(plot)) <= {"projection", "radius", "plot_method", "resample"}


BOX = BBox(-60, 3, -22, 27)
ISAS = Source("ISAS13/v3", "PSAL", Date("20120815000000"))


@pytest.mark.parametrize(
    ("path", "options", "query"),
    [
        # As a published client writes it: `>` raw, a blank and brackets in the box, options as JSON, `&` at the end.
        ("/ISAS13>v3/PSAL/[-60, 3, -22, 27]/20120815000000/map/", "filters={}&", MapQuery(ISAS, Canvas(BOX))),
        ("/ISAS13%3Ev3/PSAL/-60,3,-22,27/20120815000000/map", "filters=null", MapQuery(ISAS, Canvas(BOX))),
        ("/ISAS13/v3/PSAL/-60,3,-22,27/20120815000000/map/", "vMin=default&nearest=null", MapQuery(ISAS, Canvas(BOX))),
        ("//ISAS13>v3/PSAL/-60%2C3%2C-22%2C27/20120815000000/map//", "", MapQuery(ISAS, Canvas(BOX))),
        (
            "/ISAS13>v3/PSAL/global/20120815000000/map/",
            'paramsPlot={"projection":"pc_world","radius":null,"plot_method":"pcolormesh","resample":true}&nearest=60',
            MapQuery(Source("ISAS13/v3", "PSAL", Date("20120815000000"), 60.0), Canvas(GLOBAL, resample=True)),
        ),
        (
            "/a/b/global/20120815/data/",
            'filters={}&list=true&offset=-273.15&vMin=1&cmap=jet&paramsPlot={"resample":false}',
            DataQuery(Source("a", "b", Date("20120815"), offset=-273.15), as_list=True),
        ),
        ("/depth/ROSE/global/null/data/", "", DataQuery(Source("depth", "ROSE", None))),
        (
            "/2000/SULHF/-27.42,19.97/19500917,21000917/ts",
            "groupby=yyyy-MM&sm=max",
            SeriesQuery("2000", "SULHF", Point(-27.42, 19.97), WHOLE_LAPSE, "yyyy-MM", "max"),
        ),
        (
            "/2000/SULHF/-27.42,19.97/19500917,%2021000917/ts/",
            "sm=avg",
            SeriesQuery("2000", "SULHF", Point(-27.42, 19.97)),
        ),
        (
            "/2000/SULHF/-60,3,-22,27/2001,2002/map/",
            "sm=std&mapper_id=DVORTSMAPS",
            LapseMapQuery("2000", "SULHF", Canvas(BOX), Lapse(Date("2001"), Date("2002")), "std"),
        ),
        (
            "/all</sss/global/19500917,21000917/filelist/",
            "dl=0&inv=null&filters=null",
            FilesQuery("all<", "sss"),
        ),
        (
            "/2000/SULHF,T/1,2/2001,2002/extract/",
            "filters=&format=csv",
            ExtractQuery("2000", ("SULHF", "T"), Point(1, 2), Lapse(Date("2001"), Date("2002"))),
        ),
        (
            "/S1AWV.v3</l1_roughness/[-60, 3, -22, 27]/20150701120000/quicklook/",
            "",
            QuicklookQuery("S1AWV.v3<", "l1_roughness", Date("20150701120000"), BOX),
        ),
        (
            "/desk/S1AWV.v3%3C/S1A_WV_OCN__2S_ww3/global/20150701120000/quicklook",
            "",
            QuicklookQuery("desk/S1AWV.v3<", "S1A_WV_OCN__2S_ww3", Date("20150701120000")),
        ),
        (
            "/desk>S1AWV.v3</global/2015,2016/acquisitions/",
            "limit=9",
            AcquisitionsQuery("desk/S1AWV.v3<", GLOBAL, Lapse(Date("2015"), Date("2016")), 9),
        ),
        ("/all</global/20150701/spectrum/", "", SpectrumQuery("all<", Date("20150701"))),
        ("/config/", "", CatalogQuery()),
        ("/config_vertx", "", LapsCatalogQuery()),
    ],
)
def test_published_spellings_are_read(path, options, query):
    assert wire.read(path, options) == query


@pytest.mark.parametrize(
    ("path", "options", "kind", "says"),
    [
        ("/", "", errors.UnknownName, "config"),
        ("/a/b/global/2012/mapp/", "", errors.UnknownName, "'map'"),
        ("/b/global/2012/map/", "", errors.UnknownName, "{index}/{varname}"),
        ("/x/config/", "", errors.UnknownName, "/config/"),
        ("/a/b/global/2012/map/", "nearst=3", errors.UnknownKeyword, "'nearest'"),
        ("/a/b/global/2012/map/", 'paramsPlot={"projecton":"mercator"}', errors.UnknownKeyword, "'projection'"),
        ("/a/b/global/2012/map/", "paramsPlot=[1]", errors.InvalidValue, "paramsPlot"),
        ("/a/b/global/2012/map/", "paramsPlot=" + "[" * 900, errors.InvalidValue, "paramsPlot"),
        ("/a/b/global/2012/map/", "paramsPlot=" + "-" * 900 + "1", errors.InvalidValue, "paramsPlot"),
        ("/a/b/global/2012/map/", "paramsPlot=" + "[" * 50_000, errors.InvalidValue, "paramsPlot"),
        ("/a/b/global/2012/map/", "paramsPlot=open('x')", errors.InvalidValue, "paramsPlot"),
        ("/a/b/global/2012/map/", "filters=" + "[" * 50_000, errors.InvalidValue, "filters"),
        ("/a/b/global/2012/map/", f'filters={{"depth": {"1" * 5000}}}', errors.InvalidValue, "filters"),
        ("/a/b/global/2012/map/", 'paramsPlot={"resample":"yes"}', errors.InvalidValue, "resample"),
        ("/a/b/global/2012/map/", "vMin=low", errors.InvalidValue, "vMin"),
        ("/a/b/global/2012/map/", "vMin=nan", errors.InvalidValue, "vmin"),
        ("/a/b/global/2012/map/", "resolution=1.5", errors.InvalidValue, "resolution"),
        ("/a/b/1,2,3/2012/map/", "", errors.InvalidValue, "bbox"),
        ("/a/b/global/20129999/map/", "", errors.InvalidValue, "month"),
        ("/a/b/global/2012/data/", "list=maybe", errors.InvalidValue, "list"),
        ("/a/b/1,2/2001,2002/ts", "sm=mean", errors.InvalidValue, "avg"),
        ("/a/b/1,2/2001,2002/ts", "groupby=yy", errors.InvalidValue, "yyyy"),
        ("/a/b/1,2/2002,2001/ts", "", errors.InvalidValue, "2002"),
        ("/a/b/1,2/2001,2002/extract/", "format=netcdf", errors.NotSupported, "csv"),
        ("/a/../b/global/2012/map/", "", errors.InvalidValue, "index"),
        ("/a/b/global/null/quicklook/", "", errors.InvalidValue, "date"),
        ("/a/global/2015,2016/acquisitions/", "limit=0", errors.InvalidValue, "limit"),
        ("/global/2015/spectrum/", "", errors.UnknownName, "{index}"),
    ],
)
def test_wrong_requests_are_refused_by_name(path, options, kind, says):
    with pytest.raises(kind, match=says.replace("{", r"\{")):
        wire.read(path, options)


@pytest.mark.parametrize("index", ["", "a//b", "../etc/passwd", "a/..", ".", "/a", 3])
def test_an_index_that_no_path_can_name_is_refused(index):
    with pytest.raises(errors.InvalidValue):
        TimesQuery(index, "b")


def test_ids_with_a_slash_and_with_an_arrow_are_one_query():
    assert TimesQuery("a>b", "c") == TimesQuery("a/b", "c")


# --- answers -------------------------------------------------------------------------------------------------------


def png(width: int = 3, height: int = 2) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress((b"\0" + b"\x7f" * width) * height)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


any_text = st.text(max_size=12).filter(lambda text: not any(0xD800 <= ord(sign) < 0xE000 for sign in text))
gregorian = st.lists(st.integers(-62_167_219_200_000, 253_402_300_799_999), max_size=6).map(
    lambda millis: label_from_millis(np.array(sorted(millis), dtype=np.int64))
)
thirty = st.lists(st.tuples(st.integers(0, 9999), st.integers(1, 12), st.integers(1, 30)), max_size=6).map(
    lambda parts: np.array([int(label_from_parts(*part)) for part in sorted(parts)], dtype=np.int64)
)
axes = st.one_of(
    st.builds(TimeAxis, gregorian, st.sampled_from(("standard", "proleptic_gregorian", "noleap"))),
    st.builds(TimeAxis, thirty, st.just("360_day")),
)
stamps = axes.filter(len).map(lambda axis: Stamp(int(axis.labels[0]), axis.calendar))
chosen_dims = st.dictionaries(names, finite | any_text, max_size=2)
maybe_float, maybe_count = st.none() | finite, st.none() | st.integers(0, 10**12)
values = st.one_of(
    hnp.arrays(st.sampled_from(("f4", "f8", ">f4", "i2", "u1", "?")), (2, 3)),
    hnp.arrays("i4", (2, 3)).map(lambda a: np.ma.MaskedArray(a, a % 2 == 0)),
)


@st.composite
def images(draw: st.DrawFn) -> MapImage:
    time = draw(st.none() | stamps)
    return MapImage(
        png(),
        draw(boxes()),
        draw(st.sampled_from(PROJECTIONS)),
        3,
        2,
        time,
        None if time is None else draw(st.sampled_from((None, time))),
        draw(any_text),
        draw(any_text),
        draw(st.none() | names),
        draw(maybe_float),
        draw(maybe_float),
        draw(maybe_count),
        draw(maybe_count),
        draw(maybe_count),
        draw(st.none() | st.tuples(finite, finite)),
        draw(st.none() | aggregates),
        draw(chosen_dims),
        draw(any_text),
        weighting=draw(any_text),
        period=None if time is None else draw(st.none() | st.just((time, time))),
        time_method=draw(any_text),
    )


trends = st.builds(
    Trend, finite, maybe_float, maybe_float, finite, st.integers(0, 10**6), maybe_float, finite, any_text
)


@st.composite
def series(draw: st.DrawFn) -> Series:
    axis = draw(axes)
    count = len(axis)
    return Series(
        axis.labels,
        draw(hnp.arrays("f8", count, elements=st.floats(allow_infinity=False))),
        draw(st.none() | hnp.arrays("i8", count, elements=st.integers(0, 10**9))),
        axis.calendar,
        draw(any_text),
        draw(any_text),
        draw(maybe_count),
        draw(st.none() | st.tuples(finite, finite)),
        draw(maybe_float),
        draw(chosen_dims),
        draw(st.none() | hnp.arrays("i8", count, elements=st.integers(0, 10**9))),
        draw(st.none() | hnp.arrays("?", count)),
        draw(st.none() | hnp.arrays("i8", count, elements=st.integers(0, 10**9))),
        draw(st.none() | st.just(np.stack([axis.labels, axis.labels], axis=1))),
        draw(st.booleans()),
        draw(st.none() | aggregates),
        draw(groups),
        draw(any_text),
        draw(any_text),
        draw(st.none() | climatologies),
        draw(st.none() | years),
        draw(st.none() | trends),
    )


@st.composite
def extracts(draw: st.DrawFn) -> Extract:
    axis = draw(axes)
    column = hnp.arrays("f8", len(axis), elements=st.floats(allow_infinity=False))
    return Extract(axis.labels, draw(column), draw(column), {"x": draw(column), "y, z": draw(column)}, axis.calendar)


variables = st.builds(
    VariableInfo,
    st.just("sst"),
    any_text,
    any_text,
    any_text,
    st.dictionaries(names, st.just({"values": [0.5, 10.0], "default": 0.5, "units": "m"}), max_size=2),
    st.none() | names,
    st.none() | st.tuples(finite, finite),
    st.sampled_from(("continuous", "flags")),
    st.dictionaries(st.integers(-5, 5), any_text, max_size=2),
)
indexes = st.builds(
    IndexInfo,
    st.just("a/b"),
    names,
    any_text,
    st.none() | boxes(),
    st.just("2012-01-01T00:00:00Z"),
    st.just("2013-01-01T00:00:00Z"),
    st.integers(1, 9),
    st.sampled_from(("standard", "360_day")),
    variables.map(lambda variable: {"sst": variable}),
    any_text,
    st.dictionaries(st.just("more"), st.lists(st.integers()), max_size=1),
    st.sampled_from(("grid", "wave")),
)


def floats(shape: int | tuple[int, ...], dtype: str = "f4"):
    return hnp.arrays(dtype, shape, elements=st.floats(allow_infinity=False, width=8 * int(dtype[1])))


def codes(shape: int | tuple[int, ...], dtype: str = "i1"):
    return hnp.arrays(dtype, shape)


printable = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8)


@st.composite
def acquisitions(draw: st.DrawFn) -> Acquisitions:
    rows, parts = draw(st.integers(0, 4)), draw(st.integers(0, 3))
    columns = [draw(codes(rows, "i8"))]
    columns += [draw(floats(rows, "f8" if number < 2 else "f4")) for number in range(9)]
    columns += [draw(codes(rows))]
    columns += [np.array(draw(st.lists(printable, min_size=rows, max_size=rows)), dtype=np.str_) for _ in range(3)]
    columns += [draw(floats((rows, parts))) for _ in range(3)]
    return Acquisitions(*columns, draw(codes((rows, parts))), draw(st.integers(0, 10**6)))


@st.composite
def spectra(draw: st.DrawFn) -> WaveSpectrum:
    grid, parts = draw(st.tuples(st.integers(1, 3), st.integers(1, 4))), draw(st.integers(0, 3))
    number, time = st.floats(allow_infinity=False), Stamp(draw(dates()).low)
    cross = draw(st.none() | st.tuples(floats(grid), floats(grid)))
    flat = st.builds(CartesianCross, floats((2, 3)), floats((2, 3)), floats(3), floats(2))
    model = st.builds(ModelSpectrum, floats(grid, "f8"), any_text, st.just(time), *[number] * 8)
    return WaveSpectrum(
        time=time,
        **{name: draw(number) for name in ("lon", "lat", "incidence", "heading", "wind_speed", "wind_from")},
        **{name: draw(number) for name in ("cutoff", "nrcs", "hs", "total_hs", "roughness_spacing")},
        **{name: draw(any_text) for name in ("satellite", "mode", "file", "lag")},
        k=draw(floats(grid[0])),
        phi=draw(floats(grid[1])),
        shortest=draw(st.none() | floats(grid[1])),
        energy=draw(floats(grid)),
        cross_re=None if cross is None else cross[0],
        cross_im=None if cross is None else cross[1],
        cartesian=draw(st.none() | flat),
        partitions=draw(codes(grid, "i2")),
        partition_ids=draw(codes(parts, "i2")),
        **{f"partition_{name}": draw(floats(parts)) for name in ("hs", "wavelength", "direction", "ambiguity")},
        **{f"partition_{name}": draw(codes(parts)) for name in ("quality", "iconf")},
        quality=draw(st.integers(-1, 9)),
        roughness=draw(st.none() | floats((2, 2))),
        model=draw(st.none() | model),
        notes=tuple(draw(st.lists(any_text, max_size=2))),
    )


quicklooks = st.builds(
    Quicklook,
    st.builds(png),
    st.just(3),
    st.just(2),
    st.none() | dates().map(lambda date: Stamp(date.low)),
    maybe_float,
    maybe_float,
    any_text,
    any_text,
    maybe_float,
    any_text,
    any_text,
    any_text,
    any_text,
)


@st.composite
def lapse_fields(draw: st.DrawFn) -> Field:
    time = draw(stamps)
    first, last = draw(axes.filter(lambda axis: len(axis) > 1)).labels[:2].tolist()
    return Field(
        draw(hnp.arrays("f8", 3)),
        draw(hnp.arrays("f4", 2)),
        draw(values),
        draw(boxes()),
        time,
        draw(any_text),
        draw(any_text),
        draw(chosen_dims),
        aggregate=draw(names),
        steps=draw(st.integers(1, 10**6)),
        is_climatology=draw(st.booleans()),
        period=(Stamp(first, time.calendar), Stamp(last, time.calendar)),
        weighting=draw(any_text),
    )


ONCE = settings(max_examples=1000, derandomize=True, database=None, phases=[Phase.generate])
sentences = st.lists(any_text, max_size=2).map(tuple)
diagnosed = st.builds(
    VariableDiagnosis,
    *([any_text] * 6),
    dims=any_text,
    times=st.integers(0, 10**6),
    low=maybe_float,
    high=maybe_float,
)
diagnoses = st.builds(
    Diagnosis,
    any_text,
    st.sampled_from(("well", "doubtful", "refused", "unreadable")),
    format=any_text,
    size=st.integers(0, 10**12),
    title=any_text,
    calendar=any_text,
    times=st.integers(0, 10**6),
    first=st.none() | names,
    last=st.none() | names,
    extent=st.none() | st.tuples(finite, finite, finite, finite),
    variables=st.lists(diagnosed, max_size=2).map(tuple),
    mended=sentences,
    doubtful=sentences,
    refused=st.dictionaries(any_text, any_text, max_size=2),
)
checkups = st.builds(
    Checkup,
    st.lists(diagnoses, max_size=2).map(tuple),
    st.integers(0, 10**6),
    st.dictionaries(any_text, any_text, max_size=2),
)
sizes = st.integers(0, 10**15)
preparations = st.builds(Preparation, sizes, sizes, st.booleans(), sizes, sizes, any_text)
PAIRS = st.one_of(
    st.tuples(st.just(MapQuery(ISAS, Canvas(BOX))), images()),
    st.tuples(
        st.just(DataQuery(ISAS)),
        st.builds(
            Field,
            hnp.arrays("f8", 3),
            hnp.arrays("f4", 2),
            values,
            boxes(),
            st.none() | stamps,
            any_text,
            any_text,
            chosen_dims,
        ),
    ),
    st.tuples(st.just(LapseDataQuery("a", "b")), lapse_fields()),
    st.tuples(
        st.just(DataQuery(ISAS, as_list=True)),
        st.builds(CellList, st.lists(st.tuples(finite, finite, finite), max_size=4)),
    ),
    st.tuples(st.just(SeriesQuery("a", "b", BOX)), series()),
    st.tuples(st.just(ExtractQuery("a", ("x", "y, z"), BOX)), extracts()),
    st.tuples(st.just(FilesQuery("a", "b")), st.builds(FileList, st.lists(any_text, max_size=3).map(tuple))),
    st.tuples(st.just(TimesQuery("a", "b")), st.builds(Times, axes, st.booleans())),
    st.tuples(st.just(DoctorQuery("a", "b")), checkups),
    st.tuples(st.just(PrepareQuery("a", "b")), preparations),
    st.tuples(st.just(CatalogQuery()), indexes.map(lambda info: Catalog({"a/b": info}))),
    st.tuples(
        st.just(LapsCatalogQuery()),
        st.builds(lambda name: LapsCatalog(({"index": "a", "name": name, "more": [1, None]},)), any_text),
    ),
    st.tuples(st.just(QuicklookQuery("S1AWV.v3<", "l1_roughness", ISAS.date)), quicklooks),
    st.tuples(st.just(AcquisitionsQuery("S1AWV.v3<")), acquisitions()),
    st.tuples(st.just(SpectrumQuery("S1AWV.v3<", ISAS.date)), spectra()),
)


@settings(max_examples=400)
@given(PAIRS)
def test_every_answer_reads_back_as_itself(pair):
    query, answer = pair
    payload = payloads.encode(answer)
    for value in payload.headers.values():
        assert value.isascii()
        assert value.isprintable()
    assert_same(payloads.decode(query, payload.media_type, payload.headers, payload.body), answer)


@pytest.mark.parametrize("kind", get_args(Query), ids=lambda kind: kind.__name__)
def test_every_kind_of_query_is_tried(kind):
    assert isinstance(find(queries, lambda query: isinstance(query, kind), settings=ONCE), kind)


@pytest.mark.parametrize("kind", get_args(Answer), ids=lambda kind: kind.__name__)
def test_every_kind_of_answer_is_tried(kind):
    assert find(PAIRS, lambda pair: isinstance(pair[1], kind), settings=ONCE)


@given(PAIRS, st.data())
def test_a_reply_cut_short_is_never_an_answer(pair, data):
    query, answer = pair
    payload = payloads.encode(answer)
    if isinstance(answer, Extract):
        return  # a table has no end of its own; over HTTP its length is told
    cut = data.draw(st.integers(0, len(payload.body) - 1))
    with pytest.raises(errors.BadReply):
        payloads.decode(query, payload.media_type, payload.headers, payload.body[:cut])


def test_what_is_missing_is_null_and_never_nan():
    answer = Series(np.array([20120101000000000] * 3), np.array([1.0, np.nan, np.inf]))
    body = payloads.encode(answer).body
    assert json.loads(body)["res"] == [[1325376000000, 1.0], [1325376000000, None], [1325376000000, None]]
    assert not {b"NaN", b"Infinity"} & {body[i : i + n] for n in (3, 8) for i in range(len(body))}


def test_nan_in_a_foreign_series_reads_as_missing():
    body = b'{"res": [[0, NaN], [1, 2.5], [2, -Infinity]]}'
    answer = payloads.decode(SeriesQuery("a", "b", BOX), "application/json", {}, body)
    np.testing.assert_array_equal(answer.values, [np.nan, 2.5, np.nan])


def packed(**changes):
    told = {"lon": np.arange(3.0), "lat": np.arange(2.0), "data": np.zeros((2, 3), "f4"), **changes}
    return arrays.pack({key: value for key, value in told.items() if value is not None})


@pytest.mark.parametrize(
    ("query", "kind", "body"),
    [
        (MapQuery(ISAS, Canvas(BOX)), "text/html", png()),
        (MapQuery(ISAS, Canvas(BOX)), "image/png", b"<html>"),
        (MapQuery(ISAS, Canvas(BOX)), "image/png", png()[:-12]),
        (MapQuery(ISAS, Canvas(BOX)), "image/png", png() + b"x"),
        (MapQuery(ISAS, Canvas(BOX)), "image/png", png().replace(b"\x08\x00", b"\x08\x02", 1)),
        (MapQuery(ISAS, Canvas(BOX)), "image/png", png(9000, 9000)),
        (DataQuery(ISAS), "application/msgpack", packed(data=np.zeros((3, 2)))),
        (DataQuery(ISAS), "application/msgpack", packed(data=np.zeros((2, 3, 1)))),
        (DataQuery(ISAS), "application/msgpack", packed(data=np.array([["a"] * 3] * 2))),
        (DataQuery(ISAS), "application/msgpack", packed(lon=None)),
        (DataQuery(ISAS), "application/msgpack", packed(mask=np.zeros((2, 2), bool))),
        (DataQuery(ISAS), "application/msgpack", packed(bbox=[1, 2, 3])),
        (DataQuery(ISAS), "application/msgpack", packed(time="yesterday")),
        (DataQuery(ISAS), "application/msgpack", packed() + b"\x00"),
        (DataQuery(ISAS, as_list=True), "application/msgpack", arrays.pack([[1, 2]])),
        (SeriesQuery("a", "b", BOX), "application/json", b'{"res": [[0, 1], [1]]}'),
        (SeriesQuery("a", "b", BOX), "application/json", b'{"res": [["0", 1]]}'),
        (SeriesQuery("a", "b", BOX), "application/json", b'{"res": [[0, 1]], "counts": []}'),
        (SeriesQuery("a", "b", BOX), "application/json", b'{"res": [[0, 1]]} trailing'),
        (SeriesQuery("a", "b", BOX), "application/json", b'{"res": [[1e400, 1]]}'),
        (SeriesQuery("a", "b", BOX), "application/json", b"[" * 100_000),
        (TimesQuery("a", "b"), "application/json", b'{"labels": ["2013", "2012"]}'),
        (FilesQuery("a", "b"), "application/json", b"[1]"),
        (LapsCatalogQuery(), "application/json", b'[{"name": "x"}]'),
        (ExtractQuery("a", ("x",), BOX), "text/csv", b"TS,lon,lat,y\n0,1,2,3\n"),
        (ExtractQuery("a", ("x",), BOX), "text/csv", b"TS,lon,lat,x\n0,1,2\n"),
        (ExtractQuery("a", ("x",), BOX), "text/csv", b"time,x\n"),
    ],
)
def test_a_reply_that_disagrees_with_itself_is_refused(query, kind, body):
    with pytest.raises(errors.BadReply):
        payloads.decode(query, kind, {}, body)


def test_an_html_page_is_shown_escaped():
    with pytest.raises(errors.BadReply, match=r"'text/html'.*\\x1b"):
        payloads.decode(CatalogQuery(), "text/html; charset=utf-8", {}, b"<h1>\x1b[31mdown</h1>")


def test_a_foreign_configuration_tells_what_it_can():
    config = {
        "plain": {},
        "odd": {"bbox": "everywhere", "variables": ["sst", 3], "times": [], "depth": 3},
        "text": "?",
    }
    told = payloads.decode(CatalogQuery(), "application/json", {}, json.dumps(config).encode())
    assert list(told.indexes) == list(config)
    assert told.index("odd").bbox is None
    assert list(told.index("odd").variables) == ["sst"]
    assert told.index("odd").extra == {"depth": 3}
    assert (told.index("plain").name, told.index("plain").count) == ("plain", 0)


# --- arrays --------------------------------------------------------------------------------------------------------


def array_map(**changes):
    told = {b"nd": True, b"type": "<f8", b"kind": b"", b"shape": [2], b"data": bytes(16)}
    return told | {name.encode(): value for name, value in changes.items()}


def test_arrays_are_written_as_msgpack_numpy_writes_them():
    assert msgpack.unpackb(arrays.pack(np.array([1.0, 2.0]))) == array_map(data=np.array([1.0, 2.0]).tobytes())


@pytest.mark.parametrize(
    "old", [{"use_bin_type": True}, {"use_bin_type": False}], ids=["text and bytes", "bytes for both"]
)
def test_arrays_of_old_and_new_writers_are_read(old):
    told = {"data": array_map(), "units": "m", "scalar": {b"nd": False, b"type": "<i2", b"data": b"\x03\x00"}}
    read = arrays.unpack(msgpack.packb(told, **old))
    assert_same(read["data"], np.zeros(2))
    assert (read["units"], read["scalar"]) == ("m", 3)
    read["data"][0] = 1.0  # a copy of one's own


@pytest.mark.parametrize(
    "told",
    [
        array_map(kind=b"O", type="|O", data=b"cos\nsystem\n(S'true'\ntR."),
        array_map(type="|O"),
        array_map(type="O"),
        array_map(kind=b"V", type=[["a", "<f8"]]),
        array_map(type="<f8, <f8"),
        array_map(type="<c16"),
        array_map(type="<f16"),
        array_map(type="|S0", data=b""),
        array_map(type="|V8"),
        array_map(type="f8\n"),
        array_map(type=None),
        array_map(shape=[3]),
        array_map(shape=[-2]),
        array_map(shape=[2**62, 4]),
        array_map(shape=[2**40, 0], data=b""),
        array_map(shape=[True, 2]),
        array_map(shape=[1] * 9 + [2]),
        array_map(shape="2"),
        array_map(data=b""),
        {b"nd": True},
        {1: 2},
        msgpack.ExtType(5, b"x"),
        [[[[[[[[[[1]]]]]]]]]],
    ],
    ids=str,
)
def test_hostile_arrays_are_refused(told):
    try:
        read = arrays.unpack(msgpack.packb({"x": told}))
    except errors.BadReply:
        return
    # An empty array of a long shape takes no memory; that numpy makes it is no harm.
    assert read["x"].nbytes == 0


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body):
    with contextlib.suppress(errors.BadReply):
        arrays.unpack(body)


@settings(max_examples=300)
@given(st.data())
def test_damaged_replies_are_read_or_refused(data):
    body = bytearray(arrays.pack({"x": np.arange(4.0), "y": [1, "two", None]}))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(errors.BadReply):
        arrays.unpack(bytes(body))


def test_objects_are_not_written():
    with pytest.raises(TypeError):
        arrays.pack(np.array([object()]))


# --- pictures ------------------------------------------------------------------------------------------------------


def test_a_whole_picture_tells_its_size():
    assert check_png(png(7, 5)) == (7, 5)


@given(st.integers(0, len(png()) * 8 - 1))
def test_a_flipped_bit_in_a_picture_is_seen(bit):
    body = bytearray(png())
    body[bit // 8] ^= 1 << bit % 8
    with pytest.raises(errors.BadReply):
        check_png(bytes(body))


# --- errors --------------------------------------------------------------------------------------------------------

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.DatavoreError)]


def test_there_are_errors_to_try():
    assert len(KINDS) > 10
    assert len({kind.slug for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_the_same_on_both_sides(kind):
    error = kind("no time is exactly 2012; é", suggestions=["2012-01-15 00:00 Z"])
    problem = problems.problem_from_error(error)
    assert problem["status"] == kind.status
    read = problems.error_from_problem(json.dumps(problem).encode())
    assert type(read) is kind
    assert (str(read), read.suggestions) == (str(error), error.suggestions)


def test_the_code_of_a_failing_server_is_kept():
    problem = problems.problem_from_error(errors.ServerError("down", code=503))
    assert problems.error_from_problem(json.dumps(problem).encode()).code == 503


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"type": "no-data"}', b'{"type": "x", "detail": "y"}'])
def test_other_documents_are_no_errors_of_ours(body):
    assert problems.error_from_problem(body) is None
