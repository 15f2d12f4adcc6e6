"""What each path of the protocol takes and gives, as the OpenAPI document and the page at /docs tell it."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from datavore_widgets.protocol import problems, wire
from datavore_widgets.protocol.aggregates import AGGREGATES, FURTHER_AGGREGATES
from datavore_widgets.protocol.times import CLIMATOLOGIES, GROUPINGS

__all__ = ["OPERATIONS", "PART", "PROGRESS", "Operation", "docs_page", "openapi_document"]

_PLACES: dict[str, tuple[str, str]] = {
    "index": ("Id of an index. `/` and `>` are equal in ids.", "ISAS13>v3"),
    "varname": ("Name of a variable.", "PSAL"),
    "varnames": ("Names of variables, joined by commas.", "PSAL,TEMP"),
    "bbox": ("`west,south,east,north` in degrees, or `global`; west > east crosses the antimeridian.", "-60,3,-22,27"),
    "coord": ("A position `lon,lat`, or a box `west,south,east,north`.", "-27.42,19.97"),
    "date": (
        "`YYYYMMDDhhmmss` in UTC, or a prefix that names one time; `null` where there is no time axis. Two dates "
        "joined by a comma are a lapse, and the picture is of its aggregate `sm`.",
        "20120815000000",
    ),
    "startdate": ("First date.", "19500917"),
    "stopdate": ("Last date; a prefix reaches to its last moment.", "21000917"),
    "datelaps": ("First and last date, both included.", "19500917,21000917"),
    "job": ("The name that a question was asked with.", "0123456789abcdef"),
}

_OPTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "start": ("`true`: prepare it, and answer when that is done.", ("true", "false")),
    "nearest": ("Seconds that a time may be off; absent: exactly that time.", ()),
    "filters": ('JSON object of what dimensions and companion variables must be: `{"depth": 0.5}`.', ()),
    "offset": ("Added to the values.", ()),
    "resolution": ("Pixels, or cells, of the longer side.", ()),
    "vMin": ("Lower end of the colour scale.", ()),
    "vMax": ("Upper end of the colour scale.", ()),
    "cmap": ("Name of a colour map; `_r` at its end reverses it.", ()),
    "paramsPlot": (
        "JSON object: `projection` (`pc_world` or `mercator`), `resample`, `reduce` (`mean` or `stride`); "
        "for swaths `radius` (metres that a sample reaches at most) and `plot_method` (`pcolormesh`: cells, or "
        "`scatter`: discs).",
        (),
    ),
    "list": ("Give a list of `[lon, lat, value]`.", ("true", "false")),
    "sm": (
        f"Aggregate: {', '.join((*AGGREGATES, *FURTHER_AGGREGATES))}, a percentile `p1` to `p99`, or `fraction:` and a "
        "flag. `area_avg` weighs cells by their area in the box, and times by their length.",
        (),
    ),
    "groupby": (
        "One value a year, month, day or season; `season`, `MM` and `MM-dd` are climatologies, one value a season, "
        "month or day of the year; absent: every time.",
        GROUPINGS,
    ),
    "anomaly": ("The climatology of each cell that is taken off its values first.", CLIMATOLOGIES),
    "base": (
        "First and last year of the base period, `1991,2020`; absent: these where the data have all of them, else all "
        "complete years.",
        (),
    ),
    "trend": ("Fit a line to the deseasonalised series.", ("true", "false")),
    "reach": ("Metres to the nearest cell with values, to be taken where that of the position has none.", ()),
    "limit": ("The most acquisitions, which are thinned evenly, or files wanted.", ()),
    "format": ("How the table is written.", ("csv",)),
    "mapper_id": ("Accepted; without effect.", ()),
    "footprints": ("Give the outline of each file too.", ("true", "false")),
    "dl": ("Accepted; without effect.", ()),
    "inv": ("Accepted; without effect.", ()),
    "job": ("A random name of one's own, 16 to 64 hexadecimal digits, to ask `/jobs/{job}/` with.", ()),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One path: what it answers, its options, and the type of its answer."""

    path: str
    summary: str
    about: str
    media_type: str
    options: tuple[str, ...] = ()

    @property
    def route(self) -> str:
        """The path as the framework matches it: an id may hold `/`."""
        return self.path.replace("{index}", "{index:path}")

    @property
    def parameters(self) -> list[dict[str, Any]]:
        """Its parameters, as OpenAPI has them."""
        places = [
            {
                "name": name,
                "in": "path",
                "required": True,
                "description": about,
                "schema": {"type": "string"},
                "example": example,
            }
            for name, (about, example) in _PLACES.items()
            if f"{{{name}}}" in self.path
        ]
        options = []
        for name in self.options:
            about, allowed = _OPTIONS[name]
            schema = {"type": "string", **({"enum": list(allowed)} if allowed else {})}
            options.append({"name": name, "in": "query", "required": False, "description": about, "schema": schema})
        return places + options

    @property
    def responses(self) -> dict[str, dict[str, Any]]:
        """What it answers, as OpenAPI has it."""
        problem = {"description": "A problem document.", "content": {problems.MEDIA_TYPE: {}}}
        return {"200": {"description": self.about, "content": {self.media_type: {}}}, "4XX": problem, "5XX": problem}


_MAP_OPTIONS = ("nearest", "filters", "offset", "vMin", "vMax", "cmap", "resolution", "paramsPlot")

OPERATIONS = (
    Operation(
        wire.PATHS["map"],
        "A picture",
        "A PNG without axes: its edges are those of the box. The header `Datavore-Picture` says what is true of it, as "
        "JSON: bbox, projection, time, limits, units and counts.",
        "image/png",
        (*_MAP_OPTIONS, "sm", "mapper_id", "job"),
    ),
    Operation(
        wire.PATHS["data"],
        "The cells of a box",
        "Msgpack with arrays as msgpack-numpy writes them: `lon`, `lat`, `data`, `time`, `units`, `long_name`, `bbox`; "
        "with `list=true` a list of `[lon, lat, value]` of the valid cells. With two dates and a comma instead of "
        "the date, the aggregate `sm` of each cell, with `aggregate`, `steps`, `period` and `weighting`.",
        "application/msgpack",
        (*_MAP_OPTIONS, "list", "sm", "job"),
    ),
    Operation(
        wire.PATHS["ts"],
        "A time series",
        "JSON whose `res` is a list of `[milliseconds since 1970-01-01 UTC, value]`; beside it `units`, `counts`, and "
        "`labels` and `calendar` where the calendar is not the standard one; the weighting, time bounds, base period, "
        "years, completeness and trend where there are any.",
        "application/json",
        ("groupby", "sm", "filters", "anomaly", "base", "trend", "reach", "job"),
    ),
    Operation(
        wire.PATHS["extract"],
        "A table of values",
        "CSV: `TS` (milliseconds since 1970-01-01 UTC), `lon`, `lat`, and a column a variable; missing is empty.",
        "text/csv",
        ("filters", "format", "job"),
    ),
    Operation(
        wire.PATHS["filelist"],
        "The files behind the data",
        "JSON list of names, in the order of time; with `footprints=true` an object of `files` and `footprints`, the "
        "corners (longitude, latitude) of an outline for each.",
        "application/json",
        ("filters", "footprints", "dl", "inv", "job"),
    ),
    Operation(
        wire.PATHS["quicklook"],
        "A picture of a wave-mode acquisition",
        "A labelled PNG of the acquisition nearest to the date, at most 60 s off, inside the box. The header "
        "`Datavore-Picture` says what is true of it, as JSON: time, place, satellite, incidence and units.",
        "image/png",
        ("job",),
    ),
    Operation(
        wire.PATHS["acquisitions"],
        "The acquisitions of a wave mode",
        "Msgpack with arrays as msgpack-numpy writes them: a column each, such as `labels`, `lon`, `lat`, `hs`, "
        "`wavelength`, `direction` (towards) and `file`; `partition_hs` and the like are of shape (n, partitions).",
        "application/msgpack",
        ("limit", "job"),
    ),
    Operation(
        wire.PATHS["spectrum"],
        "The spectrum of a wave-mode acquisition",
        "Msgpack with arrays as msgpack-numpy writes them: `k`, `phi`, `energy` (m⁴), `cross_re`, `cross_im`, "
        "`partitions` and what is known of them, `roughness`, `model`, and `notes` that say what is absent.",
        "application/msgpack",
        ("job",),
    ),
    Operation(
        wire.PATHS["doctor"],
        "What the files are",
        "JSON: `files`, what the first of them are, what was mended, what is doubtful and what is refused; `total`; "
        "and `problems`, what was said when the data were opened.",
        "application/json",
        ("limit", "job"),
    ),
    Operation(
        wire.PATHS["prepare"],
        "How far a variable is prepared",
        "JSON: `times`, and those of them that are `ready`; the bytes that preparing `reads`, and `takes` on the disk; "
        "and a `hindrance`, if there is one. `start=true` prepares it first, where the server is run so that it does.",
        "application/json",
        ("start", "job"),
    ),
    Operation(wire.PATHS["times"], "The times of a variable", "JSON: `labels` and `milliseconds`.", "application/json"),
    Operation(wire.PATHS["config"], "The indexes", "JSON: id → configuration.", "application/json"),
    Operation(
        wire.PATHS["config_vertx"], "The indexes with series", "JSON list of `index` and `name`.", "application/json"
    ),
)


PROGRESS = Operation(
    "/jobs/{job}/",
    "How far a question is",
    "JSON: `done` of `total` steps of a question that is being answered and was asked with the option `job`; `parts`, "
    "how often a part of the answer was there; and `estimate`: the `bytes` and `chunks` that are read, and in how many "
    "`seconds` (null before that is known).",
    "application/json",
)

PART = Operation(
    "/jobs/{job}/part/",
    "What is there of an answer",
    "JSON: the series, as the question will be answered, of the times that were read so far; `is_partial` is true.",
    "application/json",
)


def openapi_document(version: str, description: str) -> dict[str, Any]:
    """All of it, as OpenAPI 3.1 has it."""
    paths = {
        operation.path: {
            "get": {
                "summary": operation.summary,
                "description": operation.about,
                "operationId": "get" + re.sub(r"\W+", "_", operation.path).rstrip("_"),
                "parameters": operation.parameters,
                "responses": operation.responses,
            }
        }
        for operation in (PROGRESS, PART, *OPERATIONS)
    }
    info = {"title": "datavore_widgets", "version": version, "description": description}
    return {"openapi": "3.1.0", "info": info, "paths": paths}


def docs_page(document: Mapping[str, Any]) -> str:
    """The OpenAPI document as a page of plain HTML: no script, so nothing is fetched from elsewhere."""

    def words(text: Any) -> str:
        return re.sub("`([^`]*)`", r"<code>\1</code>", html.escape(str(text)))

    def cell(text: Any) -> str:
        return f"<td>{words(text)}</td>"

    info = document["info"]
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        f"<title>{html.escape(info['title'])}</title>",
        "<style>:root{color-scheme:light dark}"
        "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
        "td,th{text-align:left;padding:.1rem 1rem .1rem 0;vertical-align:top}code{background:#8882}</style>",
        f"<h1>{html.escape(info['title'])} {html.escape(info['version'])}</h1>",
        *(f"<p>{words(paragraph)}</p>" for paragraph in info["description"].split("\n\n")),
        '<p>The same for machines: <a href="openapi.json">openapi.json</a></p>',
    ]
    # Questions first, then how far their answers are.
    for path, methods in sorted(document["paths"].items(), key=lambda item: item[0].startswith("/jobs/")):
        told = methods["get"]
        parts += [f"<h2>{html.escape(told['summary'])}</h2><p><code>GET {html.escape(path)}</code></p>"]
        parts += [f"<p>{words(told['responses']['200']['description'])}</p><table>"]
        for parameter in told.get("parameters", ()):
            allowed = ", ".join(parameter["schema"].get("enum", ()))
            about = parameter["description"] + (f" One of {allowed}." if allowed else "")
            parts.append(f"<tr>{cell(parameter['name'])}{cell(parameter['in'])}{cell(about)}</tr>")
        parts.append("</table>")
    return "".join(parts)
