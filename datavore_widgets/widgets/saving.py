"""What is on the map and on the chart, as files of numbers with all that is true of them."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Sequence
from dataclasses import replace

from datavore_widgets.client.export import file_name, save, to_csv, to_netcdf
from datavore_widgets.errors import NoData
from datavore_widgets.protocol.answers import Series, VariableInfo
from datavore_widgets.protocol.queries import SeriesQuery
from datavore_widgets.widgets.desk import Desk

__all__ = ["map_file", "series_csv", "series_netcdf"]

Told = tuple[SeriesQuery, Series, VariableInfo]
"""A question, its answer, and what the catalogue knows of the variable."""


def map_file(desk: Desk) -> tuple[str, bytes]:
    """The native cells in view as NetCDF: (file name, content).

    Raises
    ------
    NoData
        Before there is a picture.
    NotSupported
        For a picture of cells that lie elsewhere at each of its times.
    """
    picture, view = desk.picture, desk.view
    if picture is None:
        raise NoData("there is no picture yet")
    query = picture.query
    return save(desk.client, replace(query, canvas=replace(query.canvas, bbox=view.viewport or query.canvas.bbox)))


def series_csv(told: Sequence[Told]) -> tuple[str, bytes]:
    """Series below one another as one table, a row for each time; every fact is a column.

    Raises
    ------
    NoData
        When there are none.
    """
    _check(told)
    tables = [list(csv.DictReader(io.StringIO(to_csv(query, series)))) for query, series, _ in told]
    columns = list(dict.fromkeys(name for rows in tables for row in rows[:1] for name in row))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for rows in tables:
        writer.writerows(rows)
    query, series, _ = told[0]
    return file_name(query, series, "csv"), out.getvalue().encode("utf-8")


def series_netcdf(told: Sequence[Told]) -> tuple[str, bytes]:
    """A series as NetCDF; several as an archive of such files.

    Raises
    ------
    NoData
        When there are none.
    """
    _check(told)
    files = [(file_name(query, series, "nc"), to_netcdf(query, series, info)) for query, series, info in told]
    if len(files) == 1:
        return files[0]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, (name, content) in enumerate(files, 1):
            archive.writestr(f"{number}_{name}", content)
    return files[0][0].removesuffix(".nc") + ".zip", out.getvalue()


def _check(told: Sequence[Told]) -> None:
    if not told:
        raise NoData("there is no series yet: draw a box on the map, or click a point")
